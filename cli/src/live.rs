//! The commands' way to the real account.

use std::sync::Arc;

use steward::cloud::CloudError;
use steward::model::AccountRegion;
use steward::policy::Policy;
use steward_aws::{AbsentListError, Aws, Connect};

use crate::args::AwsArgs;
use crate::context::Context;

/// An account that the credentials open.
pub struct Live {
    pub aws: Aws,
    pub target: AccountRegion,
}

impl Live {
    /// The same account, read as the policy says.
    pub fn under(self, policy: &Policy) -> Result<Self, AbsentListError> {
        let aws = self.aws.accepting_absent_lists(&policy.safety.absent_is_empty)?;
        Ok(Self { aws, ..self })
    }
}

/// Connects by the standard chain.
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
    let target = AccountRegion { account: aws.account().clone(), region: aws.region().clone() };
    Ok(Live { aws, target })
}
