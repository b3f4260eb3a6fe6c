//! A function's settings: environment variables.

use std::path::PathBuf;

use steward::jobs::Mode;
use steward_eventbridge::EC2_SOURCE;

use crate::FunctionError;

/// The variable that says whether anything may be changed: `plan` (the default) or `apply`.
const MODE: &str = "STEWARD_MODE";
/// The variable that says where the policy is: `file:PATH`, `env:VARIABLE` or `ssm:NAME`.
const POLICY: &str = "STEWARD_POLICY";
/// The variable that names the event bus for events out; without it there are none.
const EVENT_BUS: &str = "STEWARD_EVENT_BUS";
/// The variable with the source that events about images must name, for emulators: none of them
/// accepts events of `aws.*`. By default `aws.ec2`, which nobody but AWS can put on a bus.
const EVENT_SOURCE: &str = "STEWARD_EVENT_SOURCE";
/// Where the policy is when nothing is said: beside the binary in the bundle.
const DEFAULT_POLICY: &str = "file:policy.toml";

/// A function's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether anything may be changed.
    pub mode: Mode,
    /// Where the policy is.
    pub policy: PolicySource,
    /// The bus for events; `None` publishes none.
    pub event_bus: Option<String>,
    /// The source that events about images must name.
    pub event_source: String,
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
        let event_source = var(EVENT_SOURCE).filter(|source| !source.is_empty());
        let event_source = event_source.unwrap_or_else(|| EC2_SOURCE.to_owned());
        Ok(Self { mode, policy, event_bus, event_source })
    }
}

fn setting(variable: &'static str, value: &str, remedy: &'static str) -> FunctionError {
    FunctionError::Setting { variable, value: value.to_owned(), remedy }
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
                event_source: "aws.ec2".into(),
            }
        );
        assert_eq!(settings(&[("STEWARD_MODE", "apply")]).unwrap().mode, Mode::Apply);
        let bus = settings(&[("STEWARD_EVENT_BUS", "default")]).unwrap().event_bus;
        assert_eq!(bus.as_deref(), Some("default"));
        assert_eq!(settings(&[("STEWARD_EVENT_BUS", "")]).unwrap().event_bus, None);
        let source = |value| settings(&[("STEWARD_EVENT_SOURCE", value)]).unwrap().event_source;
        assert_eq!((source("local.ec2"), source("")), ("local.ec2".into(), "aws.ec2".into()));
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
