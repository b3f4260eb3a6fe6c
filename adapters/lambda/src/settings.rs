//! The settings of a function, from environment variables.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use steward::jobs::Mode;
use steward::policy::PolicyDigest;
use steward_eventbridge::EC2_SOURCE;

use crate::FunctionError;

/// The mode: `plan` (default, changes nothing but the tags of new images) or `apply`.
const MODE: &str = "STEWARD_MODE";
/// The source of the policy: `file:PATH`, `env:VARIABLE`, `ssm:NAME` or `ssm:NAME#N`.
const POLICY: &str = "STEWARD_POLICY";
/// The required digest of the policy. Optional, unless the policy is in several parameters.
const POLICY_DIGEST: &str = "STEWARD_POLICY_DIGEST";
/// The event bus to which events are published. If it is not set, no events are published.
const EVENT_BUS: &str = "STEWARD_EVENT_BUS";
/// The required source of image events, for emulators, none of which accepts events from `aws.*`. The
/// default is `aws.ec2`; only AWS can send events with this source.
const EVENT_SOURCE: &str = "STEWARD_EVENT_SOURCE";
/// The tag prefix that the function's role allows. Optional.
const TAG_PREFIX: &str = "STEWARD_TAG_PREFIX";
/// The version of the deployment template. Optional.
const TEMPLATE: &str = "STEWARD_TEMPLATE";

/// The version of the deployment template that this program requires. The version changes if the meaning
/// of these variables or the calls in the roles change.
pub const TEMPLATE_VERSION: u32 = 1;

/// The number of parameters into which a policy may be split. The maximum is the number of names in a
/// GetParameters call.
const PARTS: RangeInclusive<u8> = 2..=10;

const POLICY_FORMS: &str = "use file:PATH, env:VARIABLE, ssm:NAME, or ssm:NAME#N for a policy in the parameters NAME/1 to NAME/N";
const PART_COUNT: &str = "use ssm:NAME for one parameter, or ssm:NAME#N with N from 2 to 10 for the parameters NAME/1 to NAME/N";
const DIGEST: &str =
    "set it to the digest that `image-steward validate` prints for the whole policy";
const PARAMETER_NAME: &str = "use the parameter's name without ARN, version or label; a name that contains `/`, or is for a policy in several \
     parameters, must start with `/`";

/// The settings of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether a run may change images, snapshots and instances.
    pub mode: Mode,
    /// The source of the policy.
    pub policy: PolicySource,
    /// The required digest of the policy. `None` accepts any policy.
    pub policy_digest: Option<PolicyDigest>,
    /// The bus to which events are published. `None` publishes no events.
    pub event_bus: Option<String>,
    /// The required source of image events.
    pub event_source: String,
    /// The tag prefix that the function's role allows. `None` accepts any prefix.
    pub tag_prefix: Option<String>,
}

/// The source of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicySource {
    /// A file in the function's archive.
    File(PathBuf),
    /// An environment variable: its name and value.
    Variable(String, String),
    /// SSM parameters with these names: one, or up to 10 with one part each.
    Parameters(Vec<String>),
}

impl Settings {
    /// Reads the settings from environment variables.
    ///
    /// # Errors
    /// [`FunctionError::Setting`] and [`FunctionError::NotSet`] with the valid values, and
    /// [`FunctionError::Template`].
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, FunctionError> {
        // Checked first, because the other variables may have other meanings in another template.
        if let Some(found) = var(TEMPLATE).filter(|found| *found != TEMPLATE_VERSION.to_string()) {
            return Err(FunctionError::Template { variable: TEMPLATE, found });
        }
        let mode = match var(MODE).as_deref() {
            None | Some("" | "plan") => Mode::Plan,
            Some("apply") => Mode::Apply,
            Some(other) => return Err(setting(MODE, other, "use `plan` or `apply`")),
        };
        let policy = policy_source(&var)?;
        let policy_digest = match var(POLICY_DIGEST).filter(|digest| !digest.is_empty()) {
            Some(text) => Some(text.parse().map_err(|_| setting(POLICY_DIGEST, &text, DIGEST))?),
            // The policy may be valid even if its last parts are missing or are from another policy.
            None if matches!(&policy, PolicySource::Parameters(names) if names.len() > 1) => {
                return Err(FunctionError::NotSet { variable: POLICY_DIGEST, remedy: DIGEST });
            }
            None => None,
        };
        let event_bus = var(EVENT_BUS).filter(|bus| !bus.is_empty());
        let event_source = var(EVENT_SOURCE).filter(|source| !source.is_empty());
        let event_source = event_source.unwrap_or_else(|| EC2_SOURCE.to_owned());
        let tag_prefix = var(TAG_PREFIX);
        if let Some("") = tag_prefix.as_deref() {
            let remedy = "set it to the prefix in the function's role, or remove the variable";
            return Err(setting(TAG_PREFIX, "", remedy));
        }
        Ok(Self { mode, policy, policy_digest, event_bus, event_source, tag_prefix })
    }
}

fn policy_source(var: &impl Fn(&str) -> Option<String>) -> Result<PolicySource, FunctionError> {
    let Some(place) = var(POLICY).filter(|place| !place.is_empty()) else {
        return Err(FunctionError::NotSet { variable: POLICY, remedy: POLICY_FORMS });
    };
    match place.split_once(':') {
        Some(("file", path)) if !path.is_empty() => Ok(PolicySource::File(path.into())),
        Some(("ssm", names)) if !names.is_empty() => parameter_names(names)
            .map(PolicySource::Parameters)
            .map_err(|remedy| setting(POLICY, &place, remedy)),
        Some(("env", name)) => match var(name) {
            Some(text) => Ok(PolicySource::Variable(name.to_owned(), text)),
            None => Err(setting(POLICY, &place, "that variable does not exist; set it")),
        },
        _ => Err(setting(POLICY, &place, POLICY_FORMS)),
    }
}

/// `NAME`, or `NAME#N` for `NAME/1` to `NAME/N`.
fn parameter_names(text: &str) -> Result<Vec<String>, &'static str> {
    let (name, count) = match text.split_once('#') {
        Some((name, count)) => (name, Some(count)),
        None => (text, None),
    };
    let is_part = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
    };
    let (is_path, rest) = match name.strip_prefix('/') {
        Some(rest) => (true, rest),
        None => (false, name),
    };
    let may_have_parts = is_path || (count.is_none() && !rest.contains('/'));
    if !may_have_parts || !rest.split('/').all(is_part) {
        return Err(PARAMETER_NAME);
    }
    let Some(count) = count else { return Ok(vec![name.to_owned()]) };
    // Compares the text, so `+3` and `03` are invalid.
    let count = PARTS.into_iter().find(|known| known.to_string() == count).ok_or(PART_COUNT)?;
    Ok((1..=count).map(|number| format!("{name}/{number}")).collect())
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

    /// Settings with a policy in an environment variable.
    fn with(vars: &[(&str, &str)]) -> Result<Settings, String> {
        settings(&[vars, &[("STEWARD_POLICY", "env:P"), ("P", "version = 1")][..]].concat())
    }

    fn policy(place: &str) -> Result<PolicySource, String> {
        let digest = format!("sha256:{:064}", 7);
        let vars = [("STEWARD_POLICY", place), ("STEWARD_POLICY_DIGEST", &digest)];
        settings(&vars).map(|settings| settings.policy)
    }

    #[test]
    fn parts_are_read_with_the_digest_of_the_whole_only() {
        let given = |place, digest: &str| {
            settings(&[("STEWARD_POLICY", place), ("STEWARD_POLICY_DIGEST", digest)])
        };
        let digest = format!("sha256:{:064}", 7);
        for place in ["ssm:/a", "ssm:/a#2"] {
            let found = given(place, &digest).unwrap().policy_digest;
            assert_eq!(found, Some(digest.parse().unwrap()), "{place}");
            for wrong in ["sha256:7", "7", " "] {
                let error = given(place, wrong).unwrap_err();
                assert!(error.contains("`image-steward validate` prints"), "{place}: {error}");
            }
        }
        assert_eq!(given("ssm:/a", "").unwrap().policy_digest, None);
        for unset in [given("ssm:/a#2", ""), settings(&[("STEWARD_POLICY", "ssm:/a#2")])] {
            let error = unset.unwrap_err();
            assert!(error.starts_with("STEWARD_POLICY_DIGEST is not set"), "{error}");
        }
    }

    #[test]
    fn the_default_mode_changes_nothing() {
        assert_eq!(
            with(&[]).unwrap(),
            Settings {
                mode: Mode::Plan,
                policy: PolicySource::Variable("P".into(), "version = 1".into()),
                policy_digest: None,
                event_bus: None,
                event_source: "aws.ec2".into(),
                tag_prefix: None,
            }
        );
        assert_eq!(with(&[("STEWARD_MODE", "apply")]).unwrap().mode, Mode::Apply);
        let bus = with(&[("STEWARD_EVENT_BUS", "default")]).unwrap().event_bus;
        assert_eq!(bus.as_deref(), Some("default"));
        assert_eq!(with(&[("STEWARD_EVENT_BUS", "")]).unwrap().event_bus, None);
        let source = |value| with(&[("STEWARD_EVENT_SOURCE", value)]).unwrap().event_source;
        assert_eq!((source("local.ec2"), source("")), ("local.ec2".into(), "aws.ec2".into()));
        for wrong in ["Apply", "APPLY", "yes", "dry-run"] {
            let error = with(&[("STEWARD_MODE", wrong)]).unwrap_err();
            assert_eq!(error, format!("STEWARD_MODE is `{wrong}`; use `plan` or `apply`"));
        }
    }

    #[test]
    fn one_setting_has_the_source_of_the_policy() {
        assert_eq!(policy("file:a.toml").unwrap(), PolicySource::File("a.toml".into()));
        assert!(policy("env:P").unwrap_err().contains("that variable does not exist"));
        for wrong in ["policy.toml", "file:", "ssm:", "s3:bucket"] {
            let error = policy(wrong).unwrap_err();
            assert!(error.contains(wrong) && error.contains("use file:PATH"), "{error}");
        }
    }

    #[test]
    fn there_is_no_default_policy() {
        for unset in [settings(&[]).map(|settings| settings.policy), policy("")] {
            let error = unset.unwrap_err();
            assert!(error.starts_with("STEWARD_POLICY is not set; use file:PATH"), "{error}");
        }
    }

    #[test]
    fn a_policy_is_in_one_parameter_or_in_several() {
        let parameters = |place: &str| match policy(place) {
            Ok(PolicySource::Parameters(names)) => Ok(names),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        };
        assert_eq!(parameters("ssm:/a/b-2").unwrap(), ["/a/b-2"]);
        assert_eq!(parameters("ssm:policy").unwrap(), ["policy"]);
        assert_eq!(parameters("ssm:/a#2").unwrap(), ["/a/1", "/a/2"]);
        let ten = parameters("ssm:/a/b#10").unwrap();
        assert_eq!((ten.len(), &ten[0][..], &ten[9][..]), (10, "/a/b/1", "/a/b/10"));
        for count in ["0", "1", "11", "02", "+3", "", "3 ", "two", "3#3", "-2", "300"] {
            let error = parameters(&format!("ssm:/a#{count}")).unwrap_err();
            assert!(error.contains("with N from 2 to 10"), "{count}: {error}");
        }
        for name in [
            "/a:3",
            "/a/",
            "//a",
            "/",
            "a/b",
            "a#2",
            "/a b",
            "/{a}",
            "/#3",
            "arn:aws:ssm:eu-central-1:123456789012:parameter/a",
        ] {
            let error = parameters(&format!("ssm:{name}")).unwrap_err();
            assert!(error.contains("without ARN, version or label"), "{name}: {error}");
        }
    }

    #[test]
    fn the_prefix_is_not_changed() {
        let prefix = |value| with(&[("STEWARD_TAG_PREFIX", value)]).map(|one| one.tag_prefix);
        assert_eq!(prefix("image-steward:").unwrap().as_deref(), Some("image-steward:"));
        assert!(prefix("").unwrap_err().contains("remove the variable"));
    }

    #[test]
    fn only_the_known_version_of_the_template_is_accepted() {
        assert!(with(&[("STEWARD_TEMPLATE", "1")]).is_ok());
        for other in ["0", "2", "01", "1.0", " 1", ""] {
            // Other values that a later template may set.
            let error = settings(&[("STEWARD_TEMPLATE", other), ("STEWARD_MODE", "watch")]);
            assert_eq!(
                error.unwrap_err(),
                format!(
                    "STEWARD_TEMPLATE is `{other}`, but this version of image-steward requires version 1 of the \
                     template; deploy the template and the archives of the same release"
                )
            );
        }
    }
}
