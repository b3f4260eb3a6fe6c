//! Runs `steward` as Azure Functions, as a custom handler: the Functions host starts one program, and
//! sends it an HTTP request for each invocation of each function.
//!
//! - [`Settings`]: the environment variables.
//! - [`serve`]: the HTTP server, which only the host can reach.
//! - [`Handler`]: one invocation: request → trigger → run → response.
//! - [`Jobs`]: what the functions do. This crate calls no API of Azure.
//!
//! The contract is described at
//! <https://learn.microsoft.com/azure/azure-functions/functions-custom-handlers>. What the page does
//! not describe, such as the form of the triggers' data, follows the source code of the host
//! (`DefaultHttpWorkerService`, `ScriptInvocationContextExtensions` in azure-functions-host).

mod functions;
mod handler;
mod invocation;
mod jobs;
mod parse_event;
mod server;
mod settings;

pub use functions::{Binding, FUNCTION_TIMEOUT, FUNCTIONS, Function};
pub use handler::{Handler, Request, Response};
pub use invocation::{DecodeError, decode};
pub use jobs::{Answer, Call, JobFailure, Jobs};
pub use parse_event::parse;
pub use server::{MAX_BODY, serve};
pub use settings::{PolicySource, SettingError, Settings, SettingsError, TEMPLATE_VERSION};
