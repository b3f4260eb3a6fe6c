//! A Lambda function: starting it, and processing events.

use std::io::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use steward::cloud::{CloudError, NamedBus};
use steward::jobs::{FunctionKind, Job, JobError, JobReport};
use steward::model::{AccountId, AccountRegion, Deadline};
use steward::policy::{Policy, PolicyDigest, PolicyError};
use steward::progress::{NoProgress, RunContext};
use steward::report;
use steward_aws::{AbsentListError, Aws, Connect, Connection};
use steward_eventbridge::EventOrigin;
use tokio::sync::OnceCell;

use crate::settings::{PolicySource, Settings, TEMPLATE_VERSION};

/// The environment variable with the function's name, which the Lambda runtime sets.
const NAME: &str = "AWS_LAMBDA_FUNCTION_NAME";

/// Why a function failed.
#[derive(Debug, thiserror::Error)]
pub enum FunctionError {
    /// An environment variable has an invalid value.
    #[error("{variable} is `{value}`; {remedy}")]
    Setting {
        /// The name of the variable.
        variable: &'static str,
        /// Its current value.
        value: String,
        /// The valid values.
        remedy: &'static str,
    },
    /// A required environment variable is not set.
    #[error("{variable} is not set; {remedy}")]
    NotSet {
        /// The name of the variable.
        variable: &'static str,
        /// The valid values.
        remedy: &'static str,
    },
    /// The template and the archive are of different releases.
    #[error(
        "{variable} is `{found}`, but this version of image-steward requires version {TEMPLATE_VERSION} of the \
         template; deploy the template and the archives of the same release"
    )]
    Template {
        /// The name of the variable.
        variable: &'static str,
        /// Its current value.
        found: String,
    },
    /// The file with the policy cannot be read.
    #[error("cannot read the policy {path}: {message}")]
    PolicyFile {
        /// The path of the file.
        path: String,
        /// The I/O error.
        message: std::io::Error,
    },
    /// The parameters with the policy cannot be read.
    #[error("cannot read the policy in STEWARD_POLICY: {0}")]
    PolicyParameters(CloudError),
    /// The policy is not valid.
    #[error("invalid policy:\n{0}")]
    Policy(#[from] PolicyError),
    /// The policy has a different digest than the function's settings.
    #[error(
        "the policy has the digest {found}, but STEWARD_POLICY_DIGEST is {expected}: the policy or some of its parts were \
         changed, or parts were added; validate the whole policy, and deploy its digest (parameter PolicyDigest)"
    )]
    Digest {
        /// The digest of the policy.
        found: PolicyDigest,
        /// The digest in the function's settings.
        expected: PolicyDigest,
    },
    /// The policy's `safety.absent_is_empty` contains a call that is not allowed.
    #[error(transparent)]
    AbsentList(#[from] AbsentListError),
    /// The policy has a tag prefix that the function's role does not allow.
    #[error(
        "the policy's tagging.prefix is `{policy}`, but the role of this function allows only tags with the prefix \
         `{role}`; change tagging.prefix, or deploy a template with the policy's prefix: either run `make deploy` with \
         this policy, or replace `{role}` in the template and deploy it"
    )]
    TagPrefix {
        /// The prefix in the policy.
        policy: String,
        /// The prefix in the role.
        role: String,
    },
    /// An AWS call failed that the function depends on.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The run failed, and the event must be sent again.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The response could not be serialized.
    #[error("cannot serialize the response: {0}")]
    Answer(#[from] serde_json::Error),
}

/// A function that is ready to process events.
#[derive(Debug)]
pub struct Function {
    kind: FunctionKind,
    /// The name in Lambda and CloudWatch, which contains the prefix of the stack.
    name: String,
    settings: Settings,
    connection: Connection,
    /// Initialized by the first event.
    aws: OnceCell<Aws>,
}

/// One event, with its context from Lambda.
#[derive(Debug, Clone, Copy)]
pub struct Invocation<'a> {
    /// The payload of the event.
    pub event: &'a Value,
    /// The ARN of the invoked function.
    pub arn: &'a str,
    /// When the function received the event.
    pub now: Timestamp,
}

impl Function {
    /// Reads the settings and prepares the connection to AWS.
    ///
    /// # Errors
    /// A setting is invalid, or no Region is set.
    pub async fn start(
        kind: FunctionKind,
        var: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, FunctionError> {
        let settings = Settings::from_vars(&var)?;
        let name = var(NAME).unwrap_or_else(|| kind.name().to_owned());
        let app = Some(format!("image-steward.{}", kind.name()));
        let connection = Connection::prepare(Connect { app, ..Connect::default() }).await?;
        Ok(Self { kind, name, settings, connection, aws: OnceCell::new() })
    }

    /// Processes one event. `left` returns the remaining time of the function, and `took` the time since
    /// it received the event.
    ///
    /// The policy is read for each event, so a changed parameter takes effect with the next event.
    ///
    /// # Errors
    /// Invalid credentials, a missing or invalid policy, a sweep in which every step failed, or an event
    /// for which a step failed. A malformed event is not an error.
    pub async fn respond(
        &self,
        invocation: Invocation<'_>,
        left: impl Fn() -> Duration + Sync,
        took: impl Fn() -> Duration + Sync,
    ) -> Result<Value, FunctionError> {
        // The local runtime of cargo-lambda sets every deadline to 1970. A deadline that has passed
        // before the run begins is ignored. The real runtime never sends one.
        let is_bounded = !left().is_zero();
        let left = || if is_bounded { left() } else { Duration::MAX };
        let result = self.process(invocation, &left, took).await;
        match &result {
            Ok(response) => {
                tracing::info!(answer = response["answer"].as_str(), mode = ?self.settings.mode, "event processed")
            }
            Err(error) => tracing::error!(%error, "failed"),
        }
        result
    }

    async fn process(
        &self,
        Invocation { event, arn, now }: Invocation<'_>,
        left: &dyn Deadline,
        took: impl Fn() -> Duration + Sync,
    ) -> Result<Value, FunctionError> {
        let cloud = self.aws.get_or_try_init(|| self.account(arn)).await?;
        let target = AccountRegion {
            account: cloud.account().clone(),
            region: Some(cloud.region().clone()),
        };
        let policy = self.policy(cloud).await?;
        let cloud = &cloud.clone().accepting_absent_lists(&policy.safety.absent_is_empty)?;
        let mode = self.settings.mode;
        let context = RunContext { deadline: left, clock: &took, progress: &NoProgress };
        let (instances, target, policy) = (cloud, &target, &policy);
        let bus = self.settings.event_bus.as_deref().map(|name| NamedBus { bus: cloud, name });
        let job = Job { cloud, instances, bus, target, policy, mode, now, context };
        let origin = EventOrigin { source: &self.settings.event_source, target };
        let report = job.run(self.kind, &steward_eventbridge::parse(event, origin)).await?;
        self.publish(bus, target, report, now, left, took).await
    }

    /// Connects to the account in the function's ARN, which is also the account of its role. No call is
    /// needed. The ARNs of local runtimes contain no account, so STS is called there.
    async fn account(&self, arn: &str) -> Result<Aws, CloudError> {
        let connection = self.connection.clone();
        match account_in(arn) {
            Some(account) => Ok(connection.into_account(account)),
            None => connection.ask().await,
        }
    }

    /// Publishes the events of a run and logs its metrics, which include the number of lost events.
    /// Failures of both are not errors, because the run has already made its changes.
    async fn publish(
        &self,
        to: Option<NamedBus<'_>>,
        target: &AccountRegion,
        mut report: JobReport,
        now: Timestamp,
        left: &dyn Deadline,
        took: impl Fn() -> Duration,
    ) -> Result<Value, FunctionError> {
        if let Some(to) = to {
            report.publish(to, target, left).await;
        }
        if let Some(counts) = &report.counts {
            let line = report::metrics(&self.name, counts, report.is_sweep, took(), now);
            // Not with tracing, which would add fields to the metric format.
            if let Err(error) = writeln!(std::io::stdout(), "{line}") {
                tracing::error!(%error, "cannot write the metrics");
            }
        }
        match report.failure {
            Some(failure) => Err(failure.into()),
            None => Ok(report.response()?),
        }
    }

    /// Reads the policy. On Lambda, this is the first call, and no other follows if it fails.
    async fn policy(&self, cloud: &Aws) -> Result<Policy, FunctionError> {
        let (origin, text) = match &self.settings.policy {
            PolicySource::File(path) => {
                let shown = path.display().to_string();
                let text = std::fs::read_to_string(path).map_err(|message| {
                    FunctionError::PolicyFile { path: shown.clone(), message }
                })?;
                (shown, text)
            }
            PolicySource::Variable(name, text) => (name.clone(), text.clone()),
            PolicySource::Parameters(names) => {
                let read = cloud.policy_parameters(names).await;
                let parts = read.map_err(FunctionError::PolicyParameters)?;
                (shown(names), parts.join("\n"))
            }
        };
        let (policy, found) = Policy::parse_with_digest(&text, &origin)?;
        if let Some(expected) = &self.settings.policy_digest
            && *expected != found
        {
            return Err(FunctionError::Digest { found, expected: expected.clone() });
        }
        match &self.settings.tag_prefix {
            Some(role) if role != policy.tag_names.prefix() => Err(FunctionError::TagPrefix {
                policy: policy.tag_names.prefix().to_owned(),
                role: role.clone(),
            }),
            _ => Ok(policy),
        }
    }
}

/// The source of the policy in errors. Line numbers refer to the joined parts.
fn shown(names: &[String]) -> String {
    match names {
        [first, .., last] => format!("{first} to {last} joined"),
        _ => names.concat(),
    }
}

/// The account in the ARN of a function: `arn:aws:lambda:REGION:ACCOUNT:function:NAME`.
fn account_in(arn: &str) -> Option<AccountId> {
    let parts: Vec<_> = arn.split(':').collect();
    match parts[..] {
        ["arn", _, "lambda", _, account, "function", ..] => account.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arn_of_a_function_names_its_account() {
        let account = |arn| account_in(arn).map(|account| account.to_string());
        for arn in [
            "arn:aws:lambda:eu-central-1:123456789012:function:prune-images",
            "arn:aws-cn:lambda:cn-north-1:123456789012:function:prune-images:live",
        ] {
            assert_eq!(account(arn).as_deref(), Some("123456789012"), "{arn}");
        }
        for arn in [
            "",
            "arn::myarn",
            "arn:aws:lambda:us-east-1:xxxxxxxx:function:a",
            "function-arn",
            "arn:aws:iam:us-east-1:123456789012:function:a",
        ] {
            assert_eq!(account(arn), None, "{arn}");
        }
    }
}
