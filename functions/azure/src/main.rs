//! The functions on Azure: one program for all of them, which the Functions host starts.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    steward_azure_functions::run().await
}
