//! The commands' way to the real account.

use steward_aws::{self, Aws, Connect};
use steward::cloud::CloudError;
use steward::model::AccountRegion;

use crate::args::AwsArgs;

/// An account that the credentials open.
pub struct Live {
    pub aws: Aws,
    pub target: AccountRegion,
}

/// Connects by the standard chain.
pub async fn connect(place: Place) -> Result<Live, CloudError> {
    let Place { region, profile, endpoint_url } = place;
    let options = Connect { region, profile, endpoint: endpoint_url, ..Connect::default() };
    let aws = aws::connect(options).await?;
    let target = AccountRegion { account: aws.account().clone(), region: aws.region().clone() };
    Ok(Live { aws, target })
}
