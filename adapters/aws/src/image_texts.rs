//! Resolving the image and snapshot fields of templates, Auto Scaling groups and fleets.
//!
//! EC2 accepts any text in these fields. A text without an ID is an error, because it may refer to an
//! image in an unknown form. Errors do not contain the text: it may be a secret, and errors are
//! written to logs and emails.

use std::collections::BTreeMap;
use std::str::FromStr;

use steward::cloud::{CloudError, ErrorKind};
use steward::model::{ImageId, SnapshotId};

use super::Aws;
use super::api_call::ApiCall;
use super::error::bad_response;

/// The prefixes of an image field that refers to another resource, or to a Systems Manager parameter.
const ALIAS: &str = "resolve:";
const SSM_ALIAS: &str = "resolve:ssm:";
/// The lengths of IDs without their prefix, in hexadecimal digits.
const ID_LENGTHS: [usize; 2] = [8, 17];

/// The resolved texts, so that each parameter is read only once.
#[derive(Debug, Default)]
pub(super) struct ResolvedImages(BTreeMap<String, Result<Vec<ImageId>, TextError>>);

/// Why a text could not be resolved.
#[derive(Debug, Clone)]
pub(super) enum TextError {
    /// The text has no ID, or refers to a parameter that does not exist, is encrypted or has no ID.
    /// A policy may ignore the template.
    Unreadable(CloudError),
    /// A call failed or was denied.
    Failed(CloudError),
}

impl TextError {
    /// Classifies an error from reading a parameter.
    pub(super) fn of_parameter(error: CloudError) -> Self {
        match error.kind {
            ErrorKind::NotFound => Self::Unreadable(error),
            ErrorKind::Denied => {
                let message = format!("{}; grant ssm:GetParameter on the parameter", error.message);
                Self::Failed(CloudError { message, ..error })
            }
            _ => Self::Failed(error),
        }
    }

    /// Adds the resource whose field contains the text.
    fn named_by(self, user: &str) -> Self {
        let named = |error: CloudError| {
            let message = format!("{user}: {}", error.message);
            CloudError { message, ..error }
        };
        match self {
            Self::Unreadable(error) => Self::Unreadable(named(error)),
            Self::Failed(error) => Self::Failed(named(error)),
        }
    }

    /// The error for a text in the launch template `id`, with the setting that ignores the template.
    pub(super) fn in_template(self, id: &str) -> CloudError {
        match self {
            Self::Unreadable(error) => {
                let message = format!(
                    "{}; to ignore the template, set safety.ignore_templates = [\"{id}\"]",
                    error.message
                );
                CloudError { message, ..error }
            }
            Self::Failed(error) => error,
        }
    }
}

impl From<TextError> for CloudError {
    fn from(error: TextError) -> Self {
        match error {
            TextError::Unreadable(error) | TextError::Failed(error) => error,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Meaning<'a> {
    Images(Vec<ImageId>),
    /// The images whose IDs are in this parameter.
    Parameter(&'a str),
    /// An image that cannot be determined.
    Unknown,
}

fn meaning(text: &str) -> Meaning<'_> {
    let text = text.trim();
    match text.strip_prefix(SSM_ALIAS) {
        Some(parameter) if is_parameter_name(parameter) => return Meaning::Parameter(parameter),
        None if !text.starts_with(ALIAS) => {}
        _ => return Meaning::Unknown,
    }
    match images_in(text) {
        ids if ids.is_empty() => Meaning::Unknown,
        ids => Meaning::Images(ids),
    }
}

/// Whether `text` can be the name or ARN of a parameter, with an optional version or label. Errors
/// contain the name, so it must not be arbitrary text.
fn is_parameter_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_.-:".contains(&byte);
    !text.is_empty() && text.bytes().all(is_allowed)
}

/// All image IDs in `text`.
pub(super) fn images_in(text: &str) -> Vec<ImageId> {
    ids_in("ami-", text)
}

/// All IDs in `text`, in upper or lower case, with any text around them.
fn ids_in<T: FromStr>(prefix: &str, text: &str) -> Vec<T> {
    let text = text.to_lowercase();
    let is_part = |c: &char| c.is_ascii_alphanumeric();
    let id_at = |(at, _): (usize, &str)| {
        let rest = text.get(at + prefix.len()..)?;
        let digits: String = rest.chars().take_while(is_part).collect();
        let is_id = ID_LENGTHS.contains(&digits.len())
            && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        format!("{prefix}{digits}").parse().ok().filter(|_| is_id)
    };
    text.match_indices(prefix).filter_map(id_at).collect()
}

/// All snapshot IDs in `text`, at least one. The error contains `user` and `call`.
pub(super) fn snapshots_in(
    call: ApiCall,
    text: &str,
    user: impl FnOnce() -> String,
) -> Result<Vec<SnapshotId>, TextError> {
    let found = ids_in("snap-", text);
    if found.is_empty() {
        let error = bad_response(call, "the snapshot field contains no snapshot ID".to_owned());
        return Err(TextError::Unreadable(error).named_by(&user()));
    }
    Ok(found)
}

impl Aws {
    /// The images that `text` from a response to `call` refers to, at least one. The error contains
    /// `user`.
    pub(super) async fn images_behind(
        &self,
        images: &mut ResolvedImages,
        call: ApiCall,
        text: &str,
        user: impl FnOnce() -> String + Send,
    ) -> Result<Vec<ImageId>, TextError> {
        let answer = match images.0.get(text) {
            Some(answer) => answer.clone(),
            None => {
                let answer = self.look_up(call, text).await;
                images.0.insert(text.to_owned(), answer.clone());
                answer
            }
        };
        answer.map_err(|error| error.named_by(&user()))
    }

    async fn look_up(&self, call: ApiCall, text: &str) -> Result<Vec<ImageId>, TextError> {
        match meaning(text) {
            Meaning::Images(images) => Ok(images),
            Meaning::Parameter(parameter) => self.images_in_parameter(parameter).await,
            Meaning::Unknown => {
                let message = "the image field contains no image ID".to_owned();
                Err(TextError::Unreadable(bad_response(call, message)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_in_a_text_is_meant_and_a_text_without_one_is_not_nothing() {
        let images =
            |ids: &[&str]| Meaning::Images(ids.iter().map(|id| id.parse().unwrap()).collect());
        let (one, two) = ("ami-04e2f1a9c3d5b7e68", "ami-0a1b2c3d");
        let arn = format!("arn:aws:ec2:eu-central-1::image/{one}");
        let both = format!("{two},{one}");
        for (text, expected) in [
            ("ami-04e2f1a9c3d5b7e68-old", images(&[one])),
            (one, images(&[one])),
            ("AMI-04E2F1A9C3D5B7E68", images(&[one])),
            (" ami-04e2f1a9c3d5b7e68\n", images(&[one])),
            (&arn, images(&[one])),
            (&both, images(&[two, one])),
            ("resolve:ssm:/golden:3", Meaning::Parameter("/golden:3")),
            (
                "resolve:ssm:arn:aws:ssm:eu-central-1:123456789012:parameter/golden:live",
                Meaning::Parameter("arn:aws:ssm:eu-central-1:123456789012:parameter/golden:live"),
            ),
            ("resolve:ssm:", Meaning::Unknown),
            ("resolve:ssm:call this number, please", Meaning::Unknown),
            ("resolve:tomorrow:golden", Meaning::Unknown),
            ("to be filled in", Meaning::Unknown),
            // The ID has neither of the two lengths. It may be truncated.
            ("my ami-04e2f1a9c3d5b7e6", Meaning::Unknown),
            ("ami-1", Meaning::Unknown),
            ("ami-placeholder", Meaning::Unknown),
            ("ami-04e2f1a9c3d5b7e68x", Meaning::Unknown),
            ("", Meaning::Unknown),
        ] {
            assert_eq!(meaning(text), expected, "{text}");
        }
    }

    #[test]
    fn a_snapshot_is_found_in_its_arn_and_a_text_without_one_names_its_user() {
        let found = |text| {
            let user = || "launch template lt-1 version 3".to_owned();
            snapshots_in(ApiCall::DescribeLaunchTemplateVersions, text, user)
        };
        let arn = "arn:aws:ec2:eu-central-1::snapshot/snap-0a1b2c3d";
        assert_eq!(found(arn).unwrap(), ["snap-0a1b2c3d".parse().unwrap()]);
        let error = found("later").unwrap_err();
        let remedy = error.clone().in_template("lt-1").to_string();
        assert!(remedy.ends_with("set safety.ignore_templates = [\"lt-1\"]"), "{remedy}");
        let error = CloudError::from(error).to_string();
        assert!(
            error.ends_with(
                "launch template lt-1 version 3: the snapshot field contains no snapshot ID"
            ),
            "{error}"
        );
    }
}
