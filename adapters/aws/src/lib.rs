//! The ports of steward on the AWS SDK.
//!
//! One file for each trait of a port: `images` and `image_lifecycle`, `snapshots`, `permissions`,
//! `references`, `recycle_bin`, `tags`, `instances`, `event_bus`. `api_call` is the table of all
//! calls (names, permissions and rate limits), `error` alone knows what error codes mean, and every
//! call but the one that finds out the account goes through `Aws::send`. `launch_sources` lists
//! the sources of references that launch instances, and `iam_policy` writes the IAM policy for a person as
//! a `policy_document`.

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

/// A call whose empty responses are known, or no call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "safety.absent_is_empty: `{name}` is none of the calls whose empty responses are not known; those \
     are {}",
    ApiCall::UNRECORDED.iter().map(|call| call.name()).collect::<Vec<_>>().join(", ")
)]
pub struct AbsentListError {
    name: String,
}

/// Checks the names of a policy's `safety.absent_is_empty`.
///
/// # Errors
/// A name that is not that of a call whose empty responses are not known.
pub fn check_absent_lists(calls: &[String]) -> Result<(), AbsentListError> {
    ApiCall::with_absent_lists(calls).map(|_| ())
}

/// One account and Region of AWS. Cloning it is cheap, and the clones share their rate limits.
///
/// Every call of the ports is on the heap (`async_trait` boxes it), because the SDK's futures are
/// large: some of them one within the other would come close to a worker's 2 MiB of stack, in a
/// debug build at least.
#[derive(Debug, Clone)]
pub struct Aws {
    clients: Clients,
    limits: Arc<RateLimiters>,
    account: AccountId,
    region: Region,
    /// The calls of which a response without its list is an empty one.
    absent_is_empty: Arc<[ApiCall]>,
}

impl Aws {
    /// The same account, where a response to one of `calls` that lacks its list is an empty listing:
    /// the policy's `safety.absent_is_empty`.
    ///
    /// # Errors
    /// A name that is not that of such a call.
    pub fn accepting_absent_lists(self, calls: &[String]) -> Result<Self, AbsentListError> {
        let absent_is_empty = ApiCall::with_absent_lists(calls)?.into();
        Ok(Self { absent_is_empty, ..self })
    }

    /// The account that the credentials belong to.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The Region that is read and changed.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Sends `request` when `call` may be made, and classifies a failure.
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

    /// The same for a step that is taken only if its `check` is still fresh when the call may be made.
    /// The SDK may repeat it later than that.
    async fn send_if<T, E>(
        &self,
        check: Freshness<'_>,
        call: ApiCall,
        request: impl Future<Output = Result<T, SdkError<E>>>,
    ) -> Option<Result<T, CloudError>>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        // What is too old already must not use up a turn.
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
