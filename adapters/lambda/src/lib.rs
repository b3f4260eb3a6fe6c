//! What the Lambda functions share: their settings, and the way from an event to an answer.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::OnceCell;
use steward::events::{publish, Trigger};
use steward_aws::{Aws, Connect, Connection};
use steward::cloud::CloudError;
use steward::model::{AccountId, AccountRegion};
use steward::jobs::{Job, JobError, Mode, Report};
use steward::policy::{Policy, PolicyError};
use steward::report;
pub use steward::jobs::FunctionKind;

/// The variable that says whether anything may be changed: `plan` (the default) or `apply`.
const MODE: &str = "STEWARD_MODE";
/// The variable that says where the policy is: `file:PATH`, `env:VARIABLE` or `ssm:NAME`.
const POLICY: &str = "STEWARD_POLICY";
/// The variable that names the event bus for events out; without it there are none.
const EVENT_BUS: &str = "STEWARD_EVENT_BUS";
/// The function's own name, which the Lambda runtime sets.
const NAME: &str = "AWS_LAMBDA_FUNCTION_NAME";
/// Where the policy is when nothing is said: beside the binary in the bundle.
const DEFAULT_POLICY: &str = "file:policy.toml";

/// A function's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether anything may be changed.
    pub mode: Mode,
    /// Where the policy is.
    pub policy: PolicySource,
    /// The bus that is told what happened; `None` tells nobody.
    pub event_bus: Option<String>,
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
        let event_bus = var(EVENT_BUS).filter(|bus| !bus.is_empty());
        Ok(Self { mode, policy, event_bus })
    }
}

fn setting(variable: &'static str, value: &str, remedy: &'static str) -> FunctionError {
    FunctionError::Setting { variable, value: value.to_owned(), remedy }
}

/// A function that is ready for events.
#[derive(Debug)]
pub struct Function {
    work: FunctionKind,
    /// As CloudWatch knows it: the names of two stacks differ.
    name: String,
    settings: Settings,
    connection: Connection,
    /// From the first event on.
    aws: OnceCell<Aws>,
}

/// One event, and what Lambda says with it.
#[derive(Debug, Clone, Copy)]
pub struct Invocation<'a> {
    /// The event.
    pub event: &'a Value,
    /// The ARN of the function that it came to.
    pub arn: &'a str,
    /// When it came in.
    pub now: Timestamp,
}

impl Function {
    /// Reads the settings and makes ready to call AWS.
    ///
    /// # Errors
    /// Settings that mean nothing; no Region.
    pub async fn start(
        work: FunctionKind,
        var: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, FunctionError> {
        let settings = Settings::from_vars(&var)?;
        let name = var(NAME).unwrap_or_else(|| work.as_str().to_owned());
        let app = Some(format!("image-steward.{}", work.as_str()));
        let connection = Connection::prepare(Connect { app, ..Connect::default() }).await?;
        Ok(Self { work, name, settings, connection, aws: OnceCell::new() })
    }

    /// Answers one event. `left` tells how much time the function has, and `took` how much has
    /// passed since the event came in.
    ///
    /// The policy is read each time, so that a changed parameter counts from the next event on.
    ///
    /// # Errors
    /// Credentials that do not work, a policy that is missing or makes no sense, or a job of which
    /// nothing succeeded. An event that makes no sense is no error.
    pub async fn answer(
        &self,
        invocation: Invocation<'_>,
        left: impl Fn() -> Duration + Sync,
        took: impl Fn() -> Duration,
    ) -> Result<Value, FunctionError> {
        // cargo-lambda's local runtime gives every event a deadline in 1970. One that has passed
        // before the work begins is no deadline; the real runtime never sends such.
        let is_bounded = !left().is_zero();
        let left = || if is_bounded { left() } else { Duration::MAX };
        let answered = self.answered(invocation, &left, took).await;
        match &answered {
            Ok(answer) => {
                tracing::info!(answer = answer["answer"].as_str(), mode = ?self.settings.mode, "answered")
            }
            Err(error) => tracing::error!(%error, "failed"),
        }
        answered
    }

    async fn answered(
        &self,
        Invocation { event, arn, now }: Invocation<'_>,
        left: &(impl Fn() -> Duration + Sync),
        took: impl Fn() -> Duration,
    ) -> Result<Value, FunctionError> {
        let cloud = self.aws.get_or_try_init(|| self.account(arn)).await?;
        let target = AccountRegion { account: cloud.account().clone(), region: cloud.region().clone() };
        let policy = self.policy(cloud).await?;
        let mode = self.settings.mode;
        let job = Job { cloud, target: &target, policy: &policy, mode, now, deadline: left };
        let report = job.run(self.work, &Trigger::parse(event)).await?;
        self.tell(cloud, &target, report, now, left, took).await
    }

    /// A function and its role belong to one account, which the function's ARN names: nobody needs
    /// to be asked. Local runtimes have ARNs of their own.
    async fn account(&self, arn: &str) -> Result<Aws, CloudError> {
        let connection = self.connection.clone();
        match account_in(arn) {
            Some(account) => Ok(connection.into_account(account)),
            None => connection.ask().await,
        }
    }

    /// Tells the bus and the log what was done. Neither can make the work undone, so that nothing
    /// here is an error but what the work itself reports.
    async fn tell(
        &self,
        cloud: &Aws,
        target: &AccountRegion,
        report: Report,
        now: Timestamp,
        left: &(impl Fn() -> Duration + Sync),
        took: impl Fn() -> Duration,
    ) -> Result<Value, FunctionError> {
        let Report { answer, events, counts, failure } = report;
        if let Some(counts) = counts {
            let line = report::metrics(&self.name, &counts, took(), now);
            // Not by way of tracing: the line must be the format's own, to the last field.
            if let Err(error) = writeln!(std::io::stdout(), "{line}") {
                tracing::error!(%error, "the metrics could not be written");
            }
        }
        if let Some(bus) = &self.settings.event_bus {
            publish(cloud, bus, target, &events, left).await;
        }
        match failure {
            Some(failure) => Err(failure.into()),
            None => Ok(serde_json::to_value(&answer)?),
        }
    }

    async fn policy(&self, cloud: &Aws) -> Result<Policy, FunctionError> {
        let (origin, text) = match &self.settings.policy {
            PolicySource::File(path) => {
                let shown = path.display().to_string();
                let text = std::fs::read_to_string(path).map_err(|message| {
                    FunctionError::PolicyFile { path: shown.clone(), message }
                })?;
                (shown, text)
            }
            PolicySource::Variable(name, text) => (name.clone(), text.clone()),
            PolicySource::Parameter(name) => (name.clone(), cloud.parameter(name).await?),
        };
        Ok(Policy::parse(&text, &origin)?)
    }
}

/// The account in the ARN of a function: `arn:aws:lambda:REGION:ACCOUNT:function:NAME`.
fn account_in(arn: &str) -> Option<AccountId> {
    let parts: Vec<_> = arn.split(':').collect();
    match parts[..] {
        ["arn", _, "lambda", _, account, "function", ..] => account.parse().ok(),
        _ => None,
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
            Settings {
                mode: Mode::Plan,
                policy: PolicySource::File("policy.toml".into()),
                event_bus: None,
            }
        );
        assert_eq!(settings(&[("STEWARD_MODE", "apply")]).unwrap().mode, Mode::Apply);
        let bus = settings(&[("STEWARD_EVENT_BUS", "default")]).unwrap().event_bus;
        assert_eq!(bus.as_deref(), Some("default"));
        assert_eq!(settings(&[("STEWARD_EVENT_BUS", "")]).unwrap().event_bus, None);
        for wrong in ["Apply", "APPLY", "yes", "dry-run"] {
            let error = settings(&[("STEWARD_MODE", wrong)]).unwrap_err();
            assert_eq!(error, format!("STEWARD_MODE is `{wrong}`; write `plan` or `apply`"));
        }
    }

    #[test]
    fn the_arn_of_a_function_names_its_account() {
        let account = |arn| account_in(arn).map(|account| account.to_string());
        for arn in [
            "arn:aws:lambda:eu-central-1:123456789012:function:prune-images",
            "arn:aws-cn:lambda:cn-north-1:123456789012:function:prune-images:live",
        ] {
            assert_eq!(account(arn).as_deref(), Some("123456789012"), "{arn}");
        }
        for arn in [
            "",
            "arn::myarn",
            "arn:aws:lambda:us-east-1:xxxxxxxx:function:a",
            "function-arn",
            "arn:aws:iam:us-east-1:123456789012:function:a",
        ] {
            assert_eq!(account(arn), None, "{arn}");
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
