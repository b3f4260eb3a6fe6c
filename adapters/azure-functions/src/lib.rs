//! Runs `steward` as Azure Functions, as a custom handler: the Functions host starts one program, and
//! sends it an HTTP request for each invocation of each function.
//!
//! The binary only calls [`run`].
//!
//! - [`AppSettings`]: the environment variables.
//! - [`serve`]: the HTTP server, which only the host can reach.
//! - [`Handler`]: one invocation: request → trigger → run → response.
//! - [`Jobs`]: what the functions do. [`AzureJobs`] does it on a subscription.
//!
//! The contract is described at
//! <https://learn.microsoft.com/azure/azure-functions/functions-custom-handlers>. What the page does
//! not describe, such as the form of the triggers' data, follows the source code of the host
//! (`DefaultHttpWorkerService`, `ScriptInvocationContextExtensions` in azure-functions-host).

mod azure_jobs;
mod functions;
mod handler;
mod invocation;
mod jobs;
mod parse_event;
mod run;
mod server;
mod settings;

pub use azure_jobs::AzureJobs;
pub use functions::{AppFunction, Binding, FUNCTION_TIMEOUT, FUNCTIONS};
pub use handler::{Handler, HandlerResponse, Request};
pub use invocation::{DecodeError, decode};
pub use jobs::{JobFailure, JobInput, JobOutput, Jobs};
pub use parse_event::parse;
pub use run::run;
pub use server::{MAX_BODY, serve};
pub use settings::{AppSettings, PolicySetting, SettingError, SettingsError, TEMPLATE_VERSION};
