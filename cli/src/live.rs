//! The commands' way to the real account.

use steward::aws::{self, Aws, Connect};
use steward::cloud::CloudError;
use steward::survey::Home;

use crate::arguments::Place;

/// An account that the credentials open.
pub struct Live {
    pub aws: Aws,
    pub home: Home,
}

/// Connects by the standard chain.
pub async fn connect(place: Place) -> Result<Live, CloudError> {
    let Place { region, profile, endpoint_url } = place;
    let options = Connect { region, profile, endpoint: endpoint_url, ..Connect::default() };
    let aws = aws::connect(options).await?;
    let home = Home { account: aws.account().clone(), region: aws.region().clone() };
    Ok(Live { aws, home })
}
