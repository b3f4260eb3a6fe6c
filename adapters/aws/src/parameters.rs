//! Parameters of Systems Manager.

use super::Aws;
use super::api_call::ApiCall;
use super::error::bad_answer;
use steward::cloud::CloudError;

impl Aws {
    /// The value of the parameter `name`, decrypted if it is a secure string. The name may be
    /// an ARN, and may end with `:VERSION` or `:LABEL`.
    ///
    /// # Errors
    /// [`steward::cloud::ErrorKind::NotFound`] when there is no such parameter.
    pub async fn parameter(&self, name: &str) -> Result<String, CloudError> {
        let request = self.clients.ssm.get_parameter().name(name).with_decryption(true);
        let answer = self.send(ApiCall::GetParameter, request.send()).await.map_err(|error| {
            // What SSM says about a missing parameter does not name it.
            CloudError { message: format!("parameter {name}: {}", error.message), ..error }
        })?;
        answer.parameter.and_then(|parameter| parameter.value).ok_or_else(|| {
            bad_answer(ApiCall::GetParameter, format!("parameter {name} came without a value"))
        })
    }
}
