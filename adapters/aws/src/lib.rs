//! The AWS adapter: implements the ports of `steward` with the AWS SDK.
//!
//! Each trait has its own file: `images` and `image_lifecycle`, `snapshots`, `permissions`,
//! `references`, `recycle_bin`, `tags`, `instances`, `event_bus`. `api_call` is the table of all calls
//! with their permissions and rate limits. `error` classifies all error codes. All calls use
//! `Aws::send`, except the call that requests the account. `launch_sources` lists the kinds of
//! resource that launch instances. `iam_policy` builds the IAM policy for a person, as a
//! `policy_document`.

mod api_call;
mod auto_scaling_groups;
mod compute_environments;
mod connect;
mod endpoints;
mod error;
mod event_bus;
mod fleets;
mod iam_policy;
mod image_lifecycle;
mod image_references;
mod image_texts;
mod images;
mod instance_references;
mod instances;
mod launch_configurations;
mod launch_sources;
mod launch_templates;
mod pagination;
mod parameters;
mod permissions;
mod policy_document;
mod policy_parameters;
mod rate_limit;
mod recycle_bin;
mod references;
mod response_check;
mod retention_rules;
mod snapshots;
mod tags;
mod template_versions;
mod time;

use std::error::Error;
use std::future::Future;
use std::sync::Arc;

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use steward::cloud::{CloudError, Freshness};
use steward::model::{AccountId, Region};

use self::api_call::ApiCall;
use self::connect::Clients;
pub use self::connect::{Connect, Connection, StaticKeys, connect};
pub use self::endpoints::{EndpointError, check_endpoint};
pub use self::iam_policy::{Permissions, Use};
pub use self::policy_document::{
    Conditions, MAX_INLINE_POLICY, MAX_MANAGED_POLICY, PolicyDocument, Statement,
};
pub use self::rate_limit::RateLimit;
use self::rate_limit::RateLimiters;

/// The name is not a call for which a policy may set `safety.absent_is_empty`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "safety.absent_is_empty: `{name}` is not allowed; use only calls for which the \
     form of an empty response is unknown: {}",
    ApiCall::UNRECORDED.iter().map(|call| call.name()).collect::<Vec<_>>().join(", ")
)]
pub struct AbsentListError {
    name: String,
}

/// Checks the names of a policy's `safety.absent_is_empty`.
///
/// # Errors
/// A name is not in the list of allowed calls.
pub fn check_absent_lists(calls: &[String]) -> Result<(), AbsentListError> {
    ApiCall::with_absent_lists(calls).map(|_| ())
}

/// One AWS account and Region. Clones are cheap and share their rate limits.
///
/// `async_trait` allocates the future of each port method on the heap. The SDK's futures are large:
/// nested futures would almost fill the 2 MiB stack of a worker thread, at least in a debug build.
#[derive(Debug, Clone)]
pub struct Aws {
    clients: Clients,
    limits: Arc<RateLimiters>,
    account: AccountId,
    region: Region,
    /// The calls for which a response without its list counts as empty.
    absent_is_empty: Arc<[ApiCall]>,
}

impl Aws {
    /// Accepts a response to one of `calls` without its list as an empty listing. `calls` are the
    /// names in the policy's `safety.absent_is_empty`.
    ///
    /// # Errors
    /// A name is not in the list of allowed calls.
    pub fn accepting_absent_lists(self, calls: &[String]) -> Result<Self, AbsentListError> {
        let absent_is_empty = ApiCall::with_absent_lists(calls)?.into();
        Ok(Self { absent_is_empty, ..self })
    }

    /// The account of the credentials.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The Region in which resources are read and changed.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Waits for the rate limit of `call`, sends `request`, and classifies a failure.
    async fn send<T, E>(
        &self,
        call: ApiCall,
        request: impl Future<Output = Result<T, SdkError<E>>>,
    ) -> Result<T, CloudError>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        self.limits.wait_for(call).await;
        tracing::debug!(call = call.name(), "calling");
        request.await.map_err(|error| error::failed(call, &error))
    }

    /// Like `send`, but fails if `check` is too old after waiting for the rate limit. The SDK may
    /// still retry the call later.
    async fn send_if<T, E>(
        &self,
        check: Freshness<'_>,
        call: ApiCall,
        request: impl Future<Output = Result<T, SdkError<E>>>,
    ) -> Option<Result<T, CloudError>>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        // Do not use rate limit capacity if the check is already too old.
        if !check() {
            return None;
        }
        self.limits.wait_for(call).await;
        if !check() {
            return None;
        }
        tracing::debug!(call = call.name(), "calling");
        Some(request.await.map_err(|error| error::failed(call, &error)))
    }

    /// The ARN of a resource in this account and Region.
    fn arn(&self, service: &str, rest: &str) -> String {
        let Self { account, region, .. } = self;
        format!("arn:{}:{service}:{region}:{account}:{rest}", region.partition())
    }
}
