//! What the Lambda functions share: their settings, and the way from an event to an answer.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::aws::{self, Aws, Connect};
use crate::cloud::CloudError;
use crate::event::Trigger;
use crate::jobs::{Answer, Job, JobError, Mode};
use crate::policy::{Policy, PolicyError};
use crate::survey::Home;

/// The variable that says whether anything may be changed: `plan` (the default) or `apply`.
const MODE: &str = "STEWARD_MODE";
/// The variable that says where the policy is: `file:PATH`, `env:VARIABLE` or `ssm:NAME`.
const POLICY: &str = "STEWARD_POLICY";
/// Where the policy is when nothing is said: beside the binary in the bundle.
const DEFAULT_POLICY: &str = "file:policy.toml";

/// A function's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether anything may be changed.
    pub mode: Mode,
    /// Where the policy is.
    pub policy: PolicySource,
}

/// Where a policy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicySource {
    /// In a file of the bundle.
    File(PathBuf),
    /// In a variable: its name and its text.
    Variable(String, String),
    /// In an SSM parameter of this name.
    Parameter(String),
}

/// A function that cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum FunctionError {
    /// A variable has a value that means nothing.
    #[error("{variable} is `{value}`; {remedy}")]
    Setting {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What to write.
        remedy: &'static str,
    },
    /// The file with the policy cannot be read.
    #[error("reading the policy {path}: {message}")]
    PolicyFile {
        /// The file.
        path: String,
        /// Why.
        message: std::io::Error,
    },
    /// The policy makes no sense.
    #[error("the policy is not valid:\n{0}")]
    Policy(#[from] PolicyError),
    /// A call that the function cannot do without.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// Everything that was tried failed.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The answer could not be written down.
    #[error("writing the answer: {0}")]
    Answer(#[from] serde_json::Error),
}

impl Settings {
    /// Reads the settings from the variables of the process.
    ///
    /// # Errors
    /// [`FunctionError::Setting`] with the values that are possible.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, FunctionError> {
        let mode = match var(MODE).as_deref() {
            None | Some("" | "plan") => Mode::Plan,
            Some("apply") => Mode::Apply,
            Some(other) => return Err(setting(MODE, other, "write `plan` or `apply`")),
        };
        let place = var(POLICY).filter(|place| !place.is_empty());
        let place = place.as_deref().unwrap_or(DEFAULT_POLICY);
        let policy = match place.split_once(':') {
            Some(("file", path)) if !path.is_empty() => PolicySource::File(path.into()),
            Some(("ssm", name)) if !name.is_empty() => PolicySource::Parameter(name.to_owned()),
            Some(("env", name)) => match var(name) {
                Some(text) => PolicySource::Variable(name.to_owned(), text),
                None => {
                    return Err(setting(POLICY, place, "but there is no such variable; set it"));
                }
            },
            _ => return Err(setting(POLICY, place, "write file:PATH, env:VARIABLE or ssm:NAME")),
        };
        Ok(Self { mode, policy })
    }
}

fn setting(variable: &'static str, value: &str, remedy: &'static str) -> FunctionError {
    FunctionError::Setting { variable, value: value.to_owned(), remedy }
}

/// The work of one function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Tag new images.
    TagImage,
    /// Retire images.
    PruneImages,
    /// Delete snapshots.
    ReapSnapshots,
}

/// A function that is ready for events.
#[derive(Debug)]
pub struct Function {
    work: Work,
    settings: Settings,
    aws: Aws,
    home: Home,
}

impl Function {
    /// Reads the settings and connects to AWS.
    ///
    /// # Errors
    /// Settings that mean nothing; no Region, no credentials, no answer.
    pub async fn start(
        work: Work,
        var: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, FunctionError> {
        let settings = Settings::from_vars(var)?;
        let aws = aws::connect(Connect::default()).await?;
        let home = Home { account: aws.account().clone(), region: aws.region().clone() };
        Ok(Self { work, settings, aws, home })
    }

    /// Answers one event. `left` tells how much time the function has.
    ///
    /// The policy is read each time, so that a changed parameter counts from the next event on.
    ///
    /// # Errors
    /// A policy that is missing or makes no sense, or a job of which nothing succeeded. An event
    /// that makes no sense is no error.
    pub async fn answer(
        &self,
        event: &Value,
        now: Timestamp,
        left: impl Fn() -> Duration + Sync,
    ) -> Result<Value, FunctionError> {
        // cargo-lambda's local runtime gives every event a deadline in 1970. One that has passed
        // before the work begins is no deadline; the real runtime never sends such.
        let is_bounded = !left().is_zero();
        let left = || if is_bounded { left() } else { Duration::MAX };
        let answered = self.work_on(event, now, left).await;
        match &answered {
            Ok(answer) => {
                tracing::info!(answer = answer["answer"].as_str(), mode = ?self.settings.mode, "answered")
            }
            Err(error) => tracing::error!(%error, "failed"),
        }
        answered
    }

    async fn work_on(
        &self,
        event: &Value,
        now: Timestamp,
        left: impl Fn() -> Duration + Sync,
    ) -> Result<Value, FunctionError> {
        let trigger = Trigger::parse(event);
        let policy = self.policy().await?;
        let job = Job {
            cloud: &self.aws,
            home: &self.home,
            policy: &policy,
            mode: self.settings.mode,
            now,
            deadline: &left,
        };
        let answer: Answer = match self.work {
            Work::TagImage => job.tag_image(&trigger).await?,
            Work::PruneImages => job.prune_images(&trigger).await?,
            Work::ReapSnapshots => job.reap_snapshots(&trigger).await?,
        };
        Ok(serde_json::to_value(&answer)?)
    }

    async fn policy(&self) -> Result<Policy, FunctionError> {
        let (origin, text) = match &self.settings.policy {
            PolicySource::File(path) => {
                let shown = path.display().to_string();
                let text = std::fs::read_to_string(path).map_err(|message| {
                    FunctionError::PolicyFile { path: shown.clone(), message }
                })?;
                (shown, text)
            }
            PolicySource::Variable(name, text) => (name.clone(), text.clone()),
            PolicySource::Parameter(name) => (name.clone(), self.aws.parameter(name).await?),
        };
        Ok(Policy::parse(&text, &origin)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(vars: &[(&str, &str)]) -> Result<Settings, String> {
        let var = |name: &str| {
            vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        Settings::from_vars(var).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_changed_unless_it_is_said() {
        let found = settings(&[]).unwrap();
        assert_eq!(
            found,
            Settings { mode: Mode::Plan, policy: PolicySource::File("policy.toml".into()) }
        );
        assert_eq!(settings(&[("STEWARD_MODE", "apply")]).unwrap().mode, Mode::Apply);
        for wrong in ["Apply", "APPLY", "yes", "dry-run"] {
            let error = settings(&[("STEWARD_MODE", wrong)]).unwrap_err();
            assert_eq!(error, format!("STEWARD_MODE is `{wrong}`; write `plan` or `apply`"));
        }
    }

    #[test]
    fn one_setting_says_where_the_policy_is() {
        let policy = |vars: &[(&str, &str)]| settings(vars).map(|settings| settings.policy);
        assert_eq!(
            policy(&[("STEWARD_POLICY", "ssm:/a/b")]).unwrap(),
            PolicySource::Parameter("/a/b".into())
        );
        assert_eq!(
            policy(&[("STEWARD_POLICY", "env:P"), ("P", "version = 1")]).unwrap(),
            PolicySource::Variable("P".into(), "version = 1".into())
        );
        assert!(policy(&[("STEWARD_POLICY", "env:P")]).unwrap_err().contains("no such variable"));
        assert!(
            policy(&[("STEWARD_POLICY", "policy.toml")]).unwrap_err().contains("write file:PATH")
        );
        assert!(policy(&[("STEWARD_POLICY", "file:")]).unwrap_err().contains("write file:PATH"));
    }
}
