//! The settings of the functions, from environment variables: the settings of the function app.

use std::fmt;
use std::path::PathBuf;

use steward::jobs::Mode;
use steward::model::{AccountId, Provider};
use steward::policy::PolicyDigest;

/// The port on which the host expects the custom handler. The host sets it.
const PORT: &str = "FUNCTIONS_CUSTOMHANDLER_PORT";
/// The subscription whose images are managed.
const SUBSCRIPTION: &str = "STEWARD_SUBSCRIPTION";
/// The mode: `plan` (default) or `apply`.
const MODE: &str = "STEWARD_MODE";
/// The source of the policy: `file:PATH` or `env:VARIABLE`.
const POLICY: &str = "STEWARD_POLICY";
/// The required digest of the policy. Optional.
const POLICY_DIGEST: &str = "STEWARD_POLICY_DIGEST";
/// The endpoint of Azure Resource Manager, for sovereign clouds. Optional.
const ENDPOINT: &str = "STEWARD_ENDPOINT_URL";
/// The version of the deployment template. Optional.
const TEMPLATE: &str = "STEWARD_TEMPLATE";

/// The version of the deployment template (`infra/azure`) that this program requires. The version
/// changes if the meaning of these variables or the calls in the role change.
pub const TEMPLATE_VERSION: u32 = 1;

/// The settings of the functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSettings {
    /// The port of the HTTP server.
    pub port: u16,
    /// The subscription whose images are managed.
    pub subscription: AccountId,
    /// Whether a run may change images, snapshots and instances.
    pub mode: Mode,
    /// The source of the policy.
    pub policy: PolicySetting,
    /// The required digest of the policy. `None` accepts any policy.
    pub policy_digest: Option<PolicyDigest>,
    /// The endpoint of Azure Resource Manager. `None` is that of the public cloud.
    pub endpoint: Option<String>,
}

/// The source of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicySetting {
    /// A file in the functions' package.
    File(PathBuf),
    /// An environment variable: its name and value.
    Variable(String, String),
}

/// An environment variable with an invalid value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// The value is invalid.
    #[error("{variable} is `{value}`; {remedy}")]
    Invalid {
        /// The name of the variable.
        variable: &'static str,
        /// Its current value.
        value: String,
        /// The valid values.
        remedy: String,
    },
    /// A required variable is not set.
    #[error("{variable} is not set; {remedy}")]
    NotSet {
        /// The name of the variable.
        variable: &'static str,
        /// The valid values.
        remedy: &'static str,
    },
}

/// All invalid settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError(pub Vec<SettingError>);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingsError {}

impl AppSettings {
    /// Reads the settings from environment variables. An empty variable counts as not set, because a
    /// template cannot leave out a setting.
    ///
    /// # Errors
    /// All invalid settings. Only the version of the template is reported alone, because the other
    /// variables may have other meanings in another template.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        if let Some(found) = var(TEMPLATE).filter(|found| *found != TEMPLATE_VERSION.to_string()) {
            let remedy = format!(
                "this version of image-steward requires version {TEMPLATE_VERSION} of the template: deploy the \
                 template and the package of the same release"
            );
            return Err(SettingsError(vec![invalid(TEMPLATE, &found, &remedy)]));
        }
        let mut errors = Vec::new();
        let port = keep(&mut errors, port(&var));
        let subscription = keep(&mut errors, subscription(&var));
        let mode = keep(&mut errors, mode(&var));
        let policy = keep(&mut errors, policy(&var));
        let policy_digest = keep(&mut errors, policy_digest(&var));
        let endpoint = keep(&mut errors, endpoint(&var));
        match (port, subscription, mode, policy, policy_digest, endpoint) {
            (
                Some(port),
                Some(subscription),
                Some(mode),
                Some(policy),
                Some(policy_digest),
                Some(endpoint),
            ) => Ok(Self { port, subscription, mode, policy, policy_digest, endpoint }),
            _ => Err(SettingsError(errors)),
        }
    }
}

type Read<T> = Result<T, SettingError>;

fn keep<T>(errors: &mut Vec<SettingError>, read: Read<T>) -> Option<T> {
    read.map_err(|error| errors.push(error)).ok()
}

fn invalid(variable: &'static str, value: &str, remedy: &str) -> SettingError {
    SettingError::Invalid { variable, value: value.to_owned(), remedy: remedy.to_owned() }
}

fn port(var: &impl Fn(&str) -> Option<String>) -> Read<u16> {
    let remedy = "the Functions host sets it to a port: run this program as a custom handler";
    let text = var(PORT).ok_or(SettingError::NotSet { variable: PORT, remedy })?;
    text.parse().ok().filter(|port| *port != 0).ok_or_else(|| invalid(PORT, &text, remedy))
}

fn subscription(var: &impl Fn(&str) -> Option<String>) -> Read<AccountId> {
    let remedy =
        "set it to the ID of the subscription, for example 0f0e0d0c-1234-5678-9abc-def012345678";
    let text = var(SUBSCRIPTION).ok_or(SettingError::NotSet { variable: SUBSCRIPTION, remedy })?;
    let id: Option<AccountId> = text.parse().ok();
    id.filter(|id| id.provider() == Provider::Azure)
        .ok_or_else(|| invalid(SUBSCRIPTION, &text, remedy))
}

fn mode(var: &impl Fn(&str) -> Option<String>) -> Read<Mode> {
    match var(MODE).as_deref() {
        None | Some("plan") => Ok(Mode::Plan),
        Some("apply") => Ok(Mode::Apply),
        Some(other) => Err(invalid(MODE, other, "use `plan` or `apply`")),
    }
}

fn policy(var: &impl Fn(&str) -> Option<String>) -> Read<PolicySetting> {
    let forms = "use file:PATH or env:VARIABLE";
    let place = var(POLICY).ok_or(SettingError::NotSet { variable: POLICY, remedy: forms })?;
    match place.split_once(':') {
        Some(("file", path)) if !path.is_empty() => Ok(PolicySetting::File(path.into())),
        Some(("env", name)) => match var(name) {
            Some(text) => Ok(PolicySetting::Variable(name.to_owned(), text)),
            None => {
                Err(invalid(POLICY, &place, "that variable does not exist or is empty; set it"))
            }
        },
        _ => Err(invalid(POLICY, &place, forms)),
    }
}

fn policy_digest(var: &impl Fn(&str) -> Option<String>) -> Read<Option<PolicyDigest>> {
    let remedy = "set it to the digest that `image-steward validate` prints";
    let Some(text) = var(POLICY_DIGEST) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| invalid(POLICY_DIGEST, &text, remedy))
}

/// The client of Azure Resource Manager checks the URL.
fn endpoint(var: &impl Fn(&str) -> Option<String>) -> Read<Option<String>> {
    match var(ENDPOINT) {
        Some(url) if !url.starts_with("https://") => {
            Err(invalid(ENDPOINT, &url, "use a URL that begins with https://"))
        }
        url => Ok(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0f0e0d0c-1234-5678-9abc-def012345678";
    const REQUIRED: [(&str, &str); 4] =
        [(PORT, "40001"), (SUBSCRIPTION, ID), (POLICY, "env:P"), ("P", "version = 1")];

    fn settings(vars: &[(&str, &str)]) -> Result<AppSettings, String> {
        let var = |name: &str| {
            vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        AppSettings::from_vars(var).map_err(|error| error.to_string())
    }

    /// Valid settings with some changed ones.
    fn with(vars: &[(&str, &str)]) -> Result<AppSettings, String> {
        settings(&[vars, &REQUIRED].concat())
    }

    #[test]
    fn the_default_mode_changes_nothing() {
        let expected = AppSettings {
            port: 40001,
            subscription: ID.parse().unwrap(),
            mode: Mode::Plan,
            policy: PolicySetting::Variable("P".into(), "version = 1".into()),
            policy_digest: None,
            endpoint: None,
        };
        assert_eq!(with(&[]).unwrap(), expected);
        let empty = [(MODE, ""), (POLICY_DIGEST, ""), (ENDPOINT, ""), (TEMPLATE, "")];
        assert_eq!(with(&empty).unwrap(), expected);
        assert_eq!(with(&[(MODE, "apply")]).unwrap().mode, Mode::Apply);
        for wrong in ["Apply", "APPLY", "yes", "dry-run"] {
            let error = with(&[(MODE, wrong)]).unwrap_err();
            assert_eq!(error, format!("STEWARD_MODE is `{wrong}`; use `plan` or `apply`"));
        }
    }

    #[test]
    fn all_errors_are_reported_at_once() {
        let error = settings(&[
            (PORT, "port"),
            (SUBSCRIPTION, "012345678901"),
            (MODE, "watch"),
            (POLICY, "ssm:/policy"),
            (POLICY_DIGEST, "7"),
            (ENDPOINT, "http://localhost"),
        ]);
        let error = error.unwrap_err();
        let names: Vec<_> = error.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(names, [PORT, SUBSCRIPTION, MODE, POLICY, POLICY_DIGEST, ENDPOINT]);
        let unset = settings(&[]).unwrap_err();
        let names: Vec<_> = unset.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(names, [PORT, SUBSCRIPTION, POLICY]);
        assert!(unset.contains("STEWARD_POLICY is not set; use file:PATH"), "{unset}");
    }

    #[test]
    fn a_subscription_has_one_spelling() {
        let upper = with(&[(SUBSCRIPTION, &ID.to_uppercase())]).unwrap();
        assert_eq!(upper.subscription.as_str(), ID);
        for wrong in ["", "x", "/subscriptions/x", "012345678901", &ID[1..]] {
            assert!(
                with(&[(SUBSCRIPTION, wrong)]).unwrap_err().starts_with(SUBSCRIPTION),
                "{wrong}"
            );
        }
    }

    #[test]
    fn the_port_is_a_port() {
        for wrong in ["0", "65536", "-1", "80a", "unix:/tmp/x"] {
            assert!(with(&[(PORT, wrong)]).unwrap_err().starts_with(PORT), "{wrong}");
        }
    }

    #[test]
    fn one_setting_has_the_source_of_the_policy() {
        let policy = |place| with(&[(POLICY, place)]).map(|settings| settings.policy);
        assert_eq!(policy("file:a.toml").unwrap(), PolicySetting::File("a.toml".into()));
        assert!(policy("env:Q").unwrap_err().contains("does not exist or is empty"));
        assert!(with(&[("P", "")]).unwrap_err().contains("does not exist or is empty"));
        for wrong in ["policy.toml", "file:", "ssm:/a", "https://x"] {
            let error = policy(wrong).unwrap_err();
            assert!(error.contains(wrong) && error.contains("use file:PATH"), "{error}");
        }
        let digest = format!("sha256:{:064}", 7);
        let found = with(&[(POLICY_DIGEST, &digest)]).unwrap().policy_digest;
        assert_eq!(found, Some(digest.parse().unwrap()));
    }

    #[test]
    fn only_the_known_version_of_the_template_is_accepted() {
        assert!(with(&[(TEMPLATE, "1")]).is_ok());
        for other in ["0", "2", "01", "1.0", " 1"] {
            // Other values that a later template may set.
            let error = settings(&[(TEMPLATE, other), (MODE, "watch")]).unwrap_err();
            assert_eq!(error.lines().count(), 1, "{error}");
            assert!(error.starts_with(&format!("STEWARD_TEMPLATE is `{other}`; ")), "{error}");
        }
    }
}
