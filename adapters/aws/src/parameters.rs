//! Systems Manager parameters from which launch templates read their image.

use aws_sdk_ssm::types::{Parameter, ParameterType};
use steward::cloud::CloudError;
use steward::model::ImageId;

use super::Aws;
use super::api_call::ApiCall;
use super::error::bad_response;
use super::image_texts::{TextError, images_in};

const CALL: ApiCall = ApiCall::GetParameter;

impl Aws {
    /// The images whose IDs are in the parameter `name`, at least one. The parameter is not decrypted,
    /// and errors do not contain its value: anyone who may write launch templates can choose the
    /// parameter.
    pub(super) async fn images_in_parameter(&self, name: &str) -> Result<Vec<ImageId>, TextError> {
        let found = self.get_parameter(name).await.map_err(TextError::of_parameter)?;
        images_of(name, found)
    }

    async fn get_parameter(&self, name: &str) -> Result<Parameter, CloudError> {
        let request = self.clients.ssm.get_parameter().name(name).with_decryption(false);
        let answer = self.send(CALL, request.send()).await.map_err(|error| {
            // The message of SSM for a missing parameter does not contain its name.
            CloudError { message: format!("parameter {name}: {}", error.message), ..error }
        })?;
        answer
            .parameter
            .ok_or_else(|| bad_response(CALL, format!("the response lacks the parameter {name}")))
    }
}

fn images_of(name: &str, found: Parameter) -> Result<Vec<ImageId>, TextError> {
    match found.r#type {
        Some(ParameterType::String | ParameterType::StringList) => {}
        Some(other) => {
            let message = format!(
                "parameter {name} is of type {other}; image IDs are read only from type String or StringList"
            );
            return Err(TextError::Unreadable(bad_response(CALL, message)));
        }
        None => return Err(TextError::Failed(lacks(name, "type"))),
    }
    let value = found.value.ok_or_else(|| TextError::Failed(lacks(name, "value")))?;
    match images_in(&value) {
        images if images.is_empty() => {
            let message = format!("parameter {name} contains no image ID");
            Err(TextError::Unreadable(bad_response(CALL, message)))
        }
        images => Ok(images),
    }
}

fn lacks(name: &str, what: &str) -> CloudError {
    bad_response(CALL, format!("the response lacks the {what} of parameter {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "correct-horse-battery";

    fn read(kind: Option<ParameterType>, value: Option<&str>) -> Result<Vec<ImageId>, TextError> {
        let parameter = Parameter::builder().set_type(kind).set_value(value.map(Into::into));
        images_of("/golden", parameter.build())
    }

    #[test]
    fn only_plain_parameters_are_read_for_image_ids() {
        let id = "ami-04e2f1a9c3d5b7e68";
        for kind in [ParameterType::String, ParameterType::StringList] {
            assert_eq!(read(Some(kind), Some(id)).unwrap(), [id.parse().unwrap()]);
        }
        for kind in ["SecureString", "Tomorrow"] {
            let error = read(Some(kind.into()), Some(id)).unwrap_err();
            assert!(matches!(error, TextError::Unreadable(_)), "{error:?}");
            let message = CloudError::from(error).message;
            assert!(message.starts_with(&format!("parameter /golden is of type {kind};")));
        }
        for (kind, value, what) in
            [(None, Some(id), "type"), (Some(ParameterType::String), None, "value")]
        {
            let error = read(kind, value).unwrap_err();
            assert!(matches!(error, TextError::Failed(_)), "{error:?}");
            assert!(
                CloudError::from(error)
                    .message
                    .ends_with(&format!("lacks the {what} of parameter /golden"))
            );
        }
    }

    #[test]
    fn no_error_holds_the_value() {
        for kind in ["String", "StringList", "SecureString", "Tomorrow"] {
            let error = read(Some(kind.into()), Some(SECRET)).unwrap_err();
            assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
        }
    }
}
