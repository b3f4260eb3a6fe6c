//! The Lambda function `reap-snapshots`.

use steward_lambda::FunctionKind;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    steward_lambda::run(FunctionKind::ReapSnapshots).await
}
