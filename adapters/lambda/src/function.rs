//! A function that is ready for events, and the way from an event to its answer.

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

/// The variable with the function's own name, which the Lambda runtime sets.
const NAME: &str = "AWS_LAMBDA_FUNCTION_NAME";

/// Why a function failed.
#[derive(Debug, thiserror::Error)]
pub enum FunctionError {
    /// A variable has an invalid value.
    #[error("{variable} is `{value}`; {remedy}")]
    Setting {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What to write.
        remedy: &'static str,
    },
    /// A variable that must be set is not.
    #[error("{variable} is not set; {remedy}")]
    NotSet {
        /// The variable.
        variable: &'static str,
        /// What to write.
        remedy: &'static str,
    },
    /// The template and the archive are of different releases.
    #[error(
        "{variable} is `{found}`, but this program is made for version {TEMPLATE_VERSION} of the template: \
         deploy the template and the archives of the same release"
    )]
    Template {
        /// The variable.
        variable: &'static str,
        /// Its value.
        found: String,
    },
    /// The file with the policy cannot be read.
    #[error("reading the policy {path}: {message}")]
    PolicyFile {
        /// The file.
        path: String,
        /// Why.
        message: std::io::Error,
    },
    /// The parameters with the policy cannot be read.
    #[error("reading the policy that STEWARD_POLICY names: {0}")]
    PolicyParameters(CloudError),
    /// The policy is not valid.
    #[error("the policy is not valid:\n{0}")]
    Policy(#[from] PolicyError),
    /// The policy is another one than that for which the function was configured.
    #[error(
        "the policy has the digest {found}, but STEWARD_POLICY_DIGEST is {expected}: it was changed, or some of its parts \
         were, or there are more parts; validate the whole policy, and deploy its digest (parameter PolicyDigest)"
    )]
    Digest {
        /// That of the policy.
        found: PolicyDigest,
        /// That of the function's settings.
        expected: PolicyDigest,
    },
    /// The policy accepts an absent list where that is not allowed.
    #[error(transparent)]
    AbsentList(#[from] AbsentListError),
    /// The policy wants tags that the function's role does not allow.
    #[error(
        "the policy's tagging.prefix is `{policy}`, but the role of this function allows only tags that begin with \
         `{role}`: change tagging.prefix, or run `make deploy` with this policy, which writes its prefix into the \
         template, or replace `{role}` in the template and deploy it"
    )]
    TagPrefix {
        /// The prefix in the policy.
        policy: String,
        /// The prefix in the role.
        role: String,
    },
    /// A call failed that the function depends on.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The event has to be repeated.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The answer could not be serialized.
    #[error("writing the answer: {0}")]
    Answer(#[from] serde_json::Error),
}

/// A function that is ready for events.
#[derive(Debug)]
pub struct Function {
    kind: FunctionKind,
    /// As CloudWatch knows it: the names of two stacks differ.
    name: String,
    settings: Settings,
    connection: Connection,
    /// From the first event on.
    aws: OnceCell<Aws>,
}

/// One event, and what Lambda says with it.
#[derive(Debug, Clone, Copy)]
pub struct Invocation<'a> {
    /// The event.
    pub event: &'a Value,
    /// The ARN of the function that it came to.
    pub arn: &'a str,
    /// When it came in.
    pub now: Timestamp,
}

impl Function {
    /// Reads the settings and prepares the connection to AWS.
    ///
    /// # Errors
    /// Invalid settings, or no Region.
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

    /// Answers one event. `left` tells how much time the function has, and `took` how much has
    /// passed since the event came in.
    ///
    /// The policy is read each time, so that a changed parameter counts from the next event on.
    ///
    /// # Errors
    /// Credentials that do not work, a policy that is missing or not valid, a sweep of which nothing
    /// succeeded, or an event of which something failed. A malformed event is no error.
    pub async fn answer(
        &self,
        invocation: Invocation<'_>,
        left: impl Fn() -> Duration + Sync,
        took: impl Fn() -> Duration + Sync,
    ) -> Result<Value, FunctionError> {
        // cargo-lambda's local runtime gives every event a deadline in 1970. One that has passed
        // before the work begins is no deadline; the real runtime never sends such.
        let is_bounded = !left().is_zero();
        let left = || if is_bounded { left() } else { Duration::MAX };
        let answered = self.answered(invocation, &left, took).await;
        match &answered {
            Ok(answer) => {
                tracing::info!(answer = answer["answer"].as_str(), mode = ?self.settings.mode, "answered")
            }
            Err(error) => tracing::error!(%error, "failed"),
        }
        answered
    }

    async fn answered(
        &self,
        Invocation { event, arn, now }: Invocation<'_>,
        left: &dyn Deadline,
        took: impl Fn() -> Duration + Sync,
    ) -> Result<Value, FunctionError> {
        let cloud = self.aws.get_or_try_init(|| self.account(arn)).await?;
        let target =
            AccountRegion { account: cloud.account().clone(), region: cloud.region().clone() };
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

    /// A function and its role belong to one account, which the function's ARN names: no
    /// call is needed. Local runtimes have ARNs of their own.
    async fn account(&self, arn: &str) -> Result<Aws, CloudError> {
        let connection = self.connection.clone();
        match account_in(arn) {
            Some(account) => Ok(connection.into_account(account)),
            None => connection.ask().await,
        }
    }

    /// Publishes the events and logs the metrics of a run, which count the events that were lost.
    /// Neither can undo what was done, so only the failure of the run itself is an error.
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
            // Not by way of tracing: the line must be the format's own, to the last field.
            if let Err(error) = writeln!(std::io::stdout(), "{line}") {
                tracing::error!(%error, "the metrics could not be written");
            }
        }
        match report.failure {
            Some(failure) => Err(failure.into()),
            None => Ok(report.response()?),
        }
    }

    /// Reads the policy. On Lambda no call is made before it, and none after it failed.
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

/// The parameters in which a policy is. The lines in an error are those of the joined parts.
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
