//! Finding credentials and the Region with the standard AWS provider chain.

use std::sync::Arc;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, SdkConfig};
use aws_sdk_ec2::config::Credentials;
use steward::cloud::{CloudError, ErrorKind};
use steward::model::{AccountId, Region};
use steward::progress::{NoProgress, Progress};

use super::api_call::ApiCall;
use super::endpoints::check_endpoints;
use super::error::failed;
use super::rate_limit::{RateLimit, RateLimiters};
use super::response_check::{BodyFormat, ResponseCheck};
use super::{Aws, error};

/// Maximum attempts per call. The rate limits make throttling rare, so retries mostly handle lost
/// connections and internal errors.
const ATTEMPTS: u32 = 4;
/// The SDK's default initial backoff, the maximum wait before the first retry.
const BACKOFF: Duration = Duration::from_secs(1);
/// The initial backoff for a stand-in, which has no rate limit.
const UNPACED_BACKOFF: Duration = Duration::from_millis(20);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Read timeout. EC2 needs some seconds for a page of 1,000 images.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Time limit for PutEvents, retries included. It is less than the margin in `publish`.
const PUBLISH_WITHIN: Duration = Duration::from_secs(5);

/// Overrides for the standard provider chain (environment, profile, container, instance).
#[derive(Debug, Clone, Default)]
pub struct Connect {
    /// Overrides `AWS_REGION` and the Region of the profile.
    pub region: Option<String>,
    /// Overrides `AWS_PROFILE`.
    pub profile: Option<String>,
    /// Overrides `AWS_ENDPOINT_URL`, for a stand-in.
    pub endpoint: Option<String>,
    /// Overrides the credentials of the chain, for a stand-in.
    pub keys: Option<StaticKeys>,
    /// The rate limits of calls.
    pub rate_limit: RateLimit,
    /// The application name in the user agent, shown in CloudTrail and other logs, for example
    /// `image-steward.prune-images`. The default is `image-steward`.
    pub app: Option<String>,
    /// Receives a report of every call and of all throttling.
    pub progress: Option<Arc<dyn Progress>>,
}

/// An access key that replaces the credentials of the provider chain.
#[derive(Clone)]
pub struct StaticKeys {
    /// The access key ID, which is not secret.
    pub id: String,
    /// The secret access key.
    pub secret: String,
}

/// Omits the secret, because options are logged.
impl std::fmt::Debug for StaticKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StaticKeys").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Clients with credentials and a Region, before the account of the credentials is known.
#[derive(Debug, Clone)]
pub struct Connection {
    config: SdkConfig,
    region: Region,
    limits: Arc<RateLimiters>,
    clients: Clients,
}

/// A client for each service.
#[derive(Debug, Clone)]
pub(super) struct Clients {
    pub(super) ec2: aws_sdk_ec2::Client,
    pub(super) autoscaling: aws_sdk_autoscaling::Client,
    pub(super) batch: aws_sdk_batch::Client,
    pub(super) events: aws_sdk_eventbridge::Client,
    pub(super) rbin: aws_sdk_rbin::Client,
    pub(super) ssm: aws_sdk_ssm::Client,
}

impl Connection {
    /// Finds the Region and the credentials provider, and creates the clients. Makes no AWS call,
    /// unless the provider chain has to request the Region.
    ///
    /// # Errors
    /// [`ErrorKind::Credentials`] without a Region, and an endpoint that is not allowed
    /// ([`check_endpoint`](super::check_endpoint)).
    pub async fn prepare(options: Connect) -> Result<Self, CloudError> {
        let progress = options.progress.clone().unwrap_or_else(|| Arc::new(NoProgress));
        let limits = Arc::new(RateLimiters::new(options.rate_limit, progress.clone()));
        let config = load(options).await;
        check_endpoints(&config)?;
        let region = region_of(&config)?;
        let clients = Clients::new(&config, &progress);
        Ok(Self { config, region, limits, clients })
    }

    /// Connects to a known account, for example the one in a function's ARN. Makes no call.
    pub fn into_account(self, account: AccountId) -> Aws {
        let Self { config: _, region, limits, clients } = self;
        Aws { clients, limits, account, region, absent_is_empty: Arc::default() }
    }

    /// Requests the account of the credentials from STS.
    ///
    /// # Errors
    /// [`ErrorKind::Credentials`] without valid credentials, [`ErrorKind::Unreachable`] if AWS does
    /// not respond.
    pub async fn ask(self) -> Result<Aws, CloudError> {
        self.limits.wait_for(ApiCall::GetCallerIdentity).await;
        let caller = aws_sdk_sts::Client::new(&self.config).get_caller_identity().send().await;
        let caller = caller.map_err(|error| failed(ApiCall::GetCallerIdentity, &error))?;
        let account =
            caller.account().unwrap_or_default().parse().map_err(|cause| {
                error::bad_response(ApiCall::GetCallerIdentity, format!("{cause}"))
            })?;
        Ok(self.into_account(account))
    }
}

impl Clients {
    fn new(config: &SdkConfig, progress: &Arc<dyn Progress>) -> Self {
        let check = |format| ResponseCheck { format, progress: progress.clone() };
        let (xml, json) = (check(BodyFormat::Xml), check(BodyFormat::Json));
        let ec2 = aws_sdk_ec2::config::Builder::from(config).interceptor(xml.clone());
        let autoscaling = aws_sdk_autoscaling::config::Builder::from(config).interceptor(xml);
        let batch = aws_sdk_batch::config::Builder::from(config).interceptor(json.clone());
        let rbin = aws_sdk_rbin::config::Builder::from(config).interceptor(json.clone());
        let ssm = aws_sdk_ssm::config::Builder::from(config).interceptor(json);
        let events =
            aws_sdk_eventbridge::config::Builder::from(config).timeout_config(publish_within());
        Self {
            ec2: aws_sdk_ec2::Client::from_conf(ec2.build()),
            autoscaling: aws_sdk_autoscaling::Client::from_conf(autoscaling.build()),
            batch: aws_sdk_batch::Client::from_conf(batch.build()),
            events: aws_sdk_eventbridge::Client::from_conf(events.build()),
            rbin: aws_sdk_rbin::Client::from_conf(rbin.build()),
            ssm: aws_sdk_ssm::Client::from_conf(ssm.build()),
        }
    }
}

/// Connects to AWS and requests the account of the credentials.
///
/// # Errors
/// Same as [`Connection::prepare`] and [`Connection::ask`].
pub async fn connect(options: Connect) -> Result<Aws, CloudError> {
    Connection::prepare(options).await?.ask().await
}

/// Publishing must not delay the run, so the time limit includes retries.
fn publish_within() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(PUBLISH_WITHIN)
        .operation_timeout(PUBLISH_WITHIN)
        .build()
}

async fn load(options: Connect) -> SdkConfig {
    let Connect { region, profile, endpoint, keys, rate_limit, app, progress: _ } = options;
    let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS);
    let retries = match rate_limit {
        RateLimit::BelowBuckets => retries,
        RateLimit::Scaled(scale) => retries.with_initial_backoff(BACKOFF / scale.get()),
        RateLimit::Unpaced => retries.with_initial_backoff(UNPACED_BACKOFF),
    };
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_WITHIN)
        .operation_attempt_timeout(ANSWER_WITHIN)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(retries)
        .timeout_config(timeouts);
    if let Ok(name) = AppName::new(app.unwrap_or_else(|| "image-steward".to_owned())) {
        loader = loader.app_name(name);
    }
    if let Some(region) = region {
        loader = loader.region(aws_config::Region::new(region));
    }
    if let Some(profile) = profile {
        // An explicit profile takes precedence over keys in the environment, as in the AWS CLI.
        // Otherwise the run could change the wrong account.
        let provider = ProfileFileCredentialsProvider::builder().profile_name(&profile).build();
        loader = loader.profile_name(profile).credentials_provider(provider);
    }
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(StaticKeys { id, secret }) = keys {
        loader = loader.credentials_provider(
            Credentials::builder()
                .access_key_id(id)
                .secret_access_key(secret)
                .provider_name("static")
                .build(),
        );
    }
    loader.load().await
}

fn region_of(config: &SdkConfig) -> Result<Region, CloudError> {
    // An empty variable counts as unset.
    let region = config.region().map(AsRef::<str>::as_ref).filter(|region| !region.is_empty());
    let message = match region.map(str::parse) {
        Some(Ok(region)) => return Ok(region),
        Some(Err(cause)) => cause.to_string(),
        None => "no Region; pass --region, or set AWS_REGION or a Region in the profile".to_owned(),
    };
    let call = "AWS configuration";
    Err(CloudError { call, kind: ErrorKind::Credentials, code: String::new(), message })
}
