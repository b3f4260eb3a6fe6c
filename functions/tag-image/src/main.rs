//! The Lambda function `tag-image`.

use steward_lambda::FunctionKind;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    steward_lambda::run(FunctionKind::TagImage).await
}
