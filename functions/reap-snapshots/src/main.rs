//! The Lambda function `reap-snapshots`: deletes snapshots that no image needs.

use steward_lambda::FunctionKind;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    steward_lambda::run(FunctionKind::ReapSnapshots).await
}
