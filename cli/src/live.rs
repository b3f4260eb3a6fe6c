//! Connecting to the account.

use std::sync::Arc;

use steward::cloud::CloudError;
use steward::model::AccountRegion;
use steward::policy::Policy;
use steward_aws::{AbsentListError, Aws, Connect};

use crate::args::AwsArgs;
use crate::context::Context;

/// A connected account and Region.
pub struct Live {
    pub aws: Aws,
    pub target: AccountRegion,
}

impl Live {
    /// Treats absent lists as empty where `safety.absent_is_empty` of the policy allows it.
    pub fn under(self, policy: &Policy) -> Result<Self, AbsentListError> {
        let aws = self.aws.accepting_absent_lists(&policy.safety.absent_is_empty)?;
        Ok(Self { aws, ..self })
    }
}

/// Connects with the standard AWS configuration and the given options.
pub async fn connect(place: AwsArgs, context: &Context) -> Result<Live, CloudError> {
    let AwsArgs { region, profile, endpoint_url } = place;
    let options = Connect {
        region,
        profile,
        endpoint: endpoint_url,
        app: Some(format!("image-steward.{}", context.command)),
        progress: Some(Arc::new(context.progress.clone())),
        ..Connect::default()
    };
    let aws = steward_aws::connect(options).await?;
    let target =
        AccountRegion { account: aws.account().clone(), region: Some(aws.region().clone()) };
    Ok(Live { aws, target })
}
