//! The Lambda function `prune-images`: plans which images expire and, in apply mode, retires them.

use steward_lambda::FunctionKind;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    steward_lambda::run(FunctionKind::PruneImages).await
}
