//! What a template, a group or a fleet means by the text that it names its image with.

use std::collections::BTreeMap;

use steward::cloud::CloudError;
use steward::model::ImageId;

use super::Aws;
use super::api_call::ApiCall;
use super::error::bad_answer;

/// How a template says that something else, or a Systems Manager parameter, holds its image.
const ALIAS: &str = "resolve:";
const SSM_ALIAS: &str = "resolve:ssm:";

/// What each text means, once found out: each parameter is asked for once.
#[derive(Debug, Default)]
pub(super) struct ResolvedImages(BTreeMap<String, Result<Option<ImageId>, CloudError>>);

#[derive(Debug, PartialEq, Eq)]
enum Meaning<'a> {
    Image(ImageId),
    /// The image whose id this parameter holds.
    Parameter(&'a str),
    /// An image, and we cannot tell which.
    SomeImage,
    /// EC2 takes any text when a template is made, and this one is the id of no image.
    NoImage,
}

fn meaning(text: &str) -> Meaning<'_> {
    if let Some(parameter) = text.strip_prefix(SSM_ALIAS) {
        return Meaning::Parameter(parameter);
    }
    if text.starts_with(ALIAS) {
        return Meaning::SomeImage;
    }
    text.parse().map_or(Meaning::NoImage, Meaning::Image)
}

impl Aws {
    /// The image that `text` means, if it means one. An error says whose text it is.
    pub(super) async fn image_behind(
        &self,
        images: &mut ResolvedImages,
        text: &str,
        user: impl FnOnce() -> String + Send,
    ) -> Result<Option<ImageId>, CloudError> {
        let answer = match images.0.get(text) {
            Some(answer) => answer.clone(),
            None => {
                let answer = self.look_up(text).await;
                images.0.insert(text.to_owned(), answer.clone());
                answer
            }
        };
        answer.map_err(|error| {
            let message = format!("{} (named by {})", error.message, user());
            CloudError { message, ..error }
        })
    }

    async fn look_up(&self, text: &str) -> Result<Option<ImageId>, CloudError> {
        match meaning(text) {
            Meaning::Image(image) => Ok(Some(image)),
            Meaning::Parameter(parameter) => {
                let value = self.parameter(parameter).await?;
                value.trim().parse().map(Some).map_err(|cause| {
                    bad_answer(ApiCall::GetParameter, format!("parameter {parameter}: {cause}"))
                })
            }
            Meaning::SomeImage => {
                let message = format!("`{text}` is an alias of a kind that is not known");
                Err(bad_answer(ApiCall::DescribeLaunchTemplateVersions, message))
            }
            Meaning::NoImage => {
                tracing::warn!(text, "what is named as an image is not an image id");
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_of_an_unknown_kind_is_not_taken_for_no_image() {
        for (text, expected) in [
            ("ami-1", Meaning::Image("ami-1".parse().unwrap())),
            ("resolve:ssm:/golden:3", Meaning::Parameter("/golden:3")),
            ("resolve:tomorrow:golden", Meaning::SomeImage),
            ("to be filled in", Meaning::NoImage),
        ] {
            assert_eq!(meaning(text), expected, "{text}");
        }
    }
}
