//! The functions on a subscription: policy → connection → run → response.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use jiff::Timestamp;
use steward::cloud::CloudError;
use steward::jobs::{FunctionKind, Job, JobError};
use steward::model::{AccountRegion, Provider};
use steward::policy::{Policy, PolicyDigest, PolicyError, UnsupportedPolicy};
use steward::progress::{NoProgress, RunContext};
use steward_azure::{Azure, AzureOptions, CredentialKind};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use crate::jobs::{JobFailure, JobInput, JobOutput, Jobs};
use crate::settings::{AppSettings, PolicySetting};

/// The application name in the user agent.
const APP: &str = "image-steward.functions";

/// Runs the functions on the subscription in the settings, with the managed identity of the function
/// app.
#[derive(Debug)]
pub struct AzureJobs(Arc<Runner>);

#[derive(Debug)]
struct Runner {
    settings: AppSettings,
    /// Connected by the first invocation, and by the next one if that failed.
    azure: OnceCell<Azure>,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("cannot read the policy {path}: {message}")]
    PolicyFile { path: String, message: std::io::Error },
    #[error("invalid policy:\n{0}")]
    Policy(#[from] PolicyError),
    #[error(
        "the policy has the digest {found}, but STEWARD_POLICY_DIGEST is {expected}: the policy was changed; validate \
         it, and deploy its digest (parameter policyDigest)"
    )]
    Digest { found: PolicyDigest, expected: PolicyDigest },
    #[error(transparent)]
    UnsupportedPolicy(#[from] UnsupportedPolicy),
    #[error("cannot connect to Azure: {0}")]
    Connection(CloudError),
    #[error(transparent)]
    Job(#[from] JobError),
    #[error("cannot serialize the response: {0}")]
    Answer(#[from] serde_json::Error),
}

impl AzureJobs {
    /// Makes no call: the first invocation connects.
    pub fn new(settings: AppSettings) -> Self {
        Self(Arc::new(Runner { settings, azure: OnceCell::new() }))
    }

    /// Runs on a thread of its own, so that planning does not delay the responses to other
    /// invocations. The futures of the core cannot be sent to another thread either.
    async fn run(&self, kind: FunctionKind, call: JobInput) -> Result<JobOutput, JobFailure> {
        let (runner, runtime) = (self.0.clone(), Handle::current());
        let run = move || runtime.block_on(runner.run(kind, &call));
        let result = tokio::task::spawn_blocking(run).await;
        let failure = |message: String| JobFailure { message, logs: Vec::new() };
        match result {
            Ok(result) => result.map_err(|error| failure(error.to_string())),
            Err(error) => Err(failure(format!("the run ended unexpectedly: {error}"))),
        }
    }
}

impl Runner {
    #[expect(clippy::disallowed_methods, reason = "a run begins here, and reads the clock")]
    async fn run(&self, kind: FunctionKind, call: &JobInput) -> Result<JobOutput, RunError> {
        let (now, began) = (Timestamp::now(), Instant::now());
        let left = || call.left(Instant::now());
        let took = || began.elapsed();
        let context = RunContext { deadline: &left, clock: &took, progress: &NoProgress };
        self.process(kind, call, now, context).await
    }

    async fn process(
        &self,
        kind: FunctionKind,
        call: &JobInput,
        now: Timestamp,
        context: RunContext<'_>,
    ) -> Result<JobOutput, RunError> {
        let policy = &self.policy()?;
        let connected = self.azure.get_or_try_init(|| self.connect());
        // What other invocations read must not serve in this one.
        let cloud = &connected.await.map_err(RunError::Connection)?.for_another_run();
        let target = &AccountRegion { account: cloud.subscription().clone(), region: None };
        let mode = self.settings.mode;
        let job = Job { cloud, instances: cloud, bus: None, target, policy, mode, now, context };
        let report = job.run(kind, &call.trigger).await?;
        if let Some(counts) = &report.counts {
            let counts = serde_json::to_string(counts)?;
            let seconds = context.elapsed().as_secs_f64();
            let invocation_id = call.invocation_id.as_deref();
            tracing::info!(
                function = kind.name(),
                ?mode,
                seconds,
                counts,
                invocation_id,
                "run ended"
            );
        }
        match report.failure {
            Some(failure) => Err(failure.into()),
            None => Ok(JobOutput { response: report.response()?, logs: Vec::new() }),
        }
    }

    /// Uses the managed identity and no other credentials, and never waits for Azure to carry out a
    /// change: a later run sees the result.
    async fn connect(&self) -> Result<Azure, CloudError> {
        let options = AzureOptions {
            endpoint: self.settings.endpoint.clone(),
            credentials: Some(CredentialKind::ManagedIdentity),
            app: Some(APP.to_owned()),
            patience: None,
            ..AzureOptions::to(self.settings.subscription.clone())
        };
        let azure = steward_azure::connect(options).await?;
        tracing::info!(subscription = %azure.subscription(), credentials = azure.credentials(), "connected");
        Ok(azure)
    }

    /// Reads the policy before the first call, so that no call follows if it is invalid.
    fn policy(&self) -> Result<Policy, RunError> {
        let (origin, text) = match &self.settings.policy {
            PolicySetting::File(path) => {
                let shown = path.display().to_string();
                let text = std::fs::read_to_string(path)
                    .map_err(|message| RunError::PolicyFile { path: shown.clone(), message })?;
                (shown, text)
            }
            PolicySetting::Variable(name, text) => (name.clone(), text.clone()),
        };
        let (policy, found) = Policy::parse_with_digest(&text, &origin)?;
        if let Some(expected) = &self.settings.policy_digest
            && *expected != found
        {
            return Err(RunError::Digest { found, expected: expected.clone() });
        }
        policy.check_for(Provider::Azure)?;
        Ok(policy)
    }
}

#[async_trait]
impl Jobs for AzureJobs {
    async fn prune_images(&self, call: JobInput) -> Result<JobOutput, JobFailure> {
        self.run(FunctionKind::PruneImages, call).await
    }

    async fn reap_snapshots(&self, call: JobInput) -> Result<JobOutput, JobFailure> {
        self.run(FunctionKind::ReapSnapshots, call).await
    }

    async fn tag_image(&self, call: JobInput) -> Result<JobOutput, JobFailure> {
        self.run(FunctionKind::TagImage, call).await
    }

    async fn retire_instances(&self, call: JobInput) -> Result<JobOutput, JobFailure> {
        self.run(FunctionKind::RetireInstance, call).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use steward::events::Trigger;
    use steward::jobs::Mode;

    use super::*;

    const POLICY: &str =
        "version = 1\n[[rule]]\nname = \"all\"\nmatch = { name = \"*\" }\nkeep = { last = 1 }\n";

    /// The message of a failed sweep with this policy.
    #[expect(clippy::disallowed_methods, reason = "tests read the clock")]
    async fn failure(policy: PolicySetting, digest: Option<&str>) -> String {
        let jobs = AzureJobs::new(AppSettings {
            port: 1,
            subscription: "0f0e0d0c-1234-5678-9abc-def012345678".parse().unwrap(),
            mode: Mode::Apply,
            policy,
            policy_digest: digest.map(|digest| digest.parse().unwrap()),
            // Nobody listens there: a call would fail in another way.
            endpoint: Some("https://127.0.0.1:1".to_owned()),
        });
        let deadline = Instant::now() + Duration::from_secs(60);
        let call = JobInput { trigger: Trigger::Schedule, invocation_id: None, deadline };
        jobs.prune_images(call).await.unwrap_err().message
    }

    fn text(policy: &str) -> PolicySetting {
        PolicySetting::Variable("RULES".to_owned(), policy.to_owned())
    }

    #[tokio::test]
    async fn a_policy_that_cannot_be_used_fails_before_any_call() {
        let missing = PolicySetting::File("missing/policy.toml".into());
        let error = failure(missing, None).await;
        assert!(error.starts_with("cannot read the policy missing/policy.toml: "), "{error}");
        let error = failure(text(&POLICY.replace("last", "lost")), None).await;
        assert!(error.starts_with("invalid policy:\nRULES:"), "{error}");
        let digest = format!("sha256:{:064}", 7);
        let error = failure(text(POLICY), Some(&digest)).await;
        assert!(error.contains(&format!("STEWARD_POLICY_DIGEST is {digest}")), "{error}");
        let launched = POLICY.replace("last = 1", "launched_within = \"30d\"");
        let error = failure(text(&launched), None).await;
        assert!(error.contains("keep.launched_within"), "{error}");
    }
}
