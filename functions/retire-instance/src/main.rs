//! The Lambda function `retire-instance`.

use steward_lambda::FunctionKind;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    steward_lambda::run(FunctionKind::RetireInstance).await
}
