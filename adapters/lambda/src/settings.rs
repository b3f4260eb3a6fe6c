//! A function's settings: environment variables.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use steward::jobs::Mode;
use steward::policy::PolicyDigest;
use steward_eventbridge::EC2_SOURCE;

use crate::FunctionError;

/// The variable that says whether anything may be changed: `plan` (the default) or `apply`.
const MODE: &str = "STEWARD_MODE";
/// The variable that says where the policy is: `file:PATH`, `env:VARIABLE`, `ssm:NAME` or `ssm:NAME#N`.
const POLICY: &str = "STEWARD_POLICY";
/// The variable with the digest that the policy must have; optional, but for a policy in several parameters.
const POLICY_DIGEST: &str = "STEWARD_POLICY_DIGEST";
/// The variable that names the event bus for events out; without it there are none.
const EVENT_BUS: &str = "STEWARD_EVENT_BUS";
/// The variable with the source that events about images must name, for emulators: none of them
/// accepts events of `aws.*`. By default `aws.ec2`, which nobody but AWS can put on a bus.
const EVENT_SOURCE: &str = "STEWARD_EVENT_SOURCE";
/// The variable with the prefix of tags for which the function's role was written; optional.
const TAG_PREFIX: &str = "STEWARD_TAG_PREFIX";
/// The variable with the version of the deployment template; optional.
const TEMPLATE: &str = "STEWARD_TEMPLATE";

/// The version of the deployment template that this program knows. A template with other meanings for
/// the variables here, or with roles for other calls, has another version.
pub const TEMPLATE_VERSION: u32 = 1;

/// In how many parameters a policy may be: a GetParameters call takes as many names.
const PARTS: RangeInclusive<u8> = 2..=10;

const POLICY_FORMS: &str = "write file:PATH, env:VARIABLE, ssm:NAME, or ssm:NAME#N for a policy in the parameters NAME/1 to NAME/N";
const PART_COUNT: &str = "write ssm:NAME for one parameter, or ssm:NAME#N with N from 2 to 10 for the parameters NAME/1 to NAME/N";
const DIGEST: &str = "write the digest that `image-steward validate` prints for the whole policy";
const PARAMETER_NAME: &str = "write the parameter's name, without ARN, version or label; one with `/` begins with it, and so does that of a \
     policy in several parameters";

/// A function's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether anything may be changed.
    pub mode: Mode,
    /// Where the policy is.
    pub policy: PolicySource,
    /// The digest that the policy must have, if it is known.
    pub policy_digest: Option<PolicyDigest>,
    /// The bus for events; `None` publishes none.
    pub event_bus: Option<String>,
    /// The source that events about images must name.
    pub event_source: String,
    /// The prefix of the tags that the function's role allows, if it is known.
    pub tag_prefix: Option<String>,
}

/// Where a policy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicySource {
    /// In a file of the bundle.
    File(PathBuf),
    /// In a variable: its name and its text.
    Variable(String, String),
    /// In SSM parameters of these names: one, or up to 10 that hold one part each.
    Parameters(Vec<String>),
}

impl Settings {
    /// Reads the settings from the variables of the process.
    ///
    /// # Errors
    /// [`FunctionError::Setting`] and [`FunctionError::NotSet`] with the values that are possible, and
    /// [`FunctionError::Template`].
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, FunctionError> {
        // First: in another template, the other variables may mean something else.
        if let Some(found) = var(TEMPLATE).filter(|found| *found != TEMPLATE_VERSION.to_string()) {
            return Err(FunctionError::Template { variable: TEMPLATE, found });
        }
        let mode = match var(MODE).as_deref() {
            None | Some("" | "plan") => Mode::Plan,
            Some("apply") => Mode::Apply,
            Some(other) => return Err(setting(MODE, other, "write `plan` or `apply`")),
        };
        let policy = policy_source(&var)?;
        let policy_digest = match var(POLICY_DIGEST).filter(|digest| !digest.is_empty()) {
            Some(text) => Some(text.parse().map_err(|_| setting(POLICY_DIGEST, &text, DIGEST))?),
            // Parts that are missing at the end, or are of another policy, may make a valid policy.
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
            let remedy = "write the prefix that the function's role has, or remove the variable";
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
            None => Err(setting(POLICY, &place, "but there is no such variable; set it")),
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
    // As it is written, so not `+3` or `03`.
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

    /// With a policy in a variable.
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
    fn nothing_is_changed_unless_it_is_said() {
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
            assert_eq!(error, format!("STEWARD_MODE is `{wrong}`; write `plan` or `apply`"));
        }
    }

    #[test]
    fn one_setting_says_where_the_policy_is() {
        assert_eq!(policy("file:a.toml").unwrap(), PolicySource::File("a.toml".into()));
        assert!(policy("env:P").unwrap_err().contains("no such variable"));
        for wrong in ["policy.toml", "file:", "ssm:", "s3:bucket"] {
            let error = policy(wrong).unwrap_err();
            assert!(error.contains(wrong) && error.contains("write file:PATH"), "{error}");
        }
    }

    #[test]
    fn there_is_no_default_policy() {
        for unset in [settings(&[]).map(|settings| settings.policy), policy("")] {
            let error = unset.unwrap_err();
            assert!(error.starts_with("STEWARD_POLICY is not set; write file:PATH"), "{error}");
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
    fn the_prefix_is_as_it_is_written() {
        let prefix = |value| with(&[("STEWARD_TAG_PREFIX", value)]).map(|one| one.tag_prefix);
        assert_eq!(prefix("image-steward:").unwrap().as_deref(), Some("image-steward:"));
        assert!(prefix("").unwrap_err().contains("remove the variable"));
    }

    #[test]
    fn only_the_known_version_of_the_template_is_accepted() {
        assert!(with(&[("STEWARD_TEMPLATE", "1")]).is_ok());
        for other in ["0", "2", "01", "1.0", " 1", ""] {
            // Whatever else a later template may write.
            let error = settings(&[("STEWARD_TEMPLATE", other), ("STEWARD_MODE", "watch")]);
            assert_eq!(
                error.unwrap_err(),
                format!(
                    "STEWARD_TEMPLATE is `{other}`, but this program is made for version 1 of the template: deploy \
                     the template and the archives of the same release"
                )
            );
        }
    }
}
