//! Connecting to the account.

use std::sync::Arc;
use std::time::Duration;

use steward::cloud::{Cloud, Instances};
use steward::model::{AccountRegion, Provider};
use steward::policy::Policy;
use steward_aws::Aws;
use steward_azure::Azure;

use crate::args::{AccountArgs, AzureArgs};
use crate::context::Context;
use crate::outcome::CommandError;

/// How long `restore` waits for Azure to carry out a change. A person waits for it. Recorded
/// deletions took 3 minutes and creations 7, for one version in one Region.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// A connected account.
pub struct Live {
    connected: Connected,
    pub target: AccountRegion,
}

enum Connected {
    Aws(Aws),
    Azure(Azure),
}

impl Live {
    /// Checks that the policy has a meaning for the account's provider. On AWS, treats absent lists
    /// as empty where `safety.absent_is_empty` of the policy allows it.
    pub fn under(self, policy: &Policy) -> Result<Self, CommandError> {
        policy.check_for(self.provider())?;
        let connected = match self.connected {
            Connected::Aws(aws) => {
                Connected::Aws(aws.accepting_absent_lists(&policy.safety.absent_is_empty)?)
            }
            azure @ Connected::Azure(_) => azure,
        };
        Ok(Self { connected, ..self })
    }

    /// The ports to the account.
    pub fn cloud(&self) -> &dyn Cloud {
        match &self.connected {
            Connected::Aws(aws) => aws,
            Connected::Azure(azure) => azure,
        }
    }

    /// The port to the account's instances.
    pub fn instances(&self) -> &dyn Instances {
        match &self.connected {
            Connected::Aws(aws) => aws,
            Connected::Azure(azure) => azure,
        }
    }

    /// The provider of the account.
    pub fn provider(&self) -> Provider {
        self.target.account.provider()
    }
}

/// Connects with the given options: to a subscription if one is given, else with the standard AWS
/// configuration.
pub async fn connect(place: AccountArgs, context: &Context) -> Result<Live, CommandError> {
    let AccountArgs { region, profile, endpoint_url, azure } = place;
    let AzureArgs { subscription, credentials } = azure;
    let app = Some(format!("image-steward.{}", context.command));
    let progress: Option<Arc<dyn steward::progress::Progress>> =
        Some(Arc::new(context.progress.clone()));
    let Some(subscription) = subscription else {
        let options = steward_aws::Connect {
            region,
            profile,
            endpoint: endpoint_url,
            app,
            progress,
            ..steward_aws::Connect::default()
        };
        let aws = steward_aws::connect(options).await?;
        let target =
            AccountRegion { account: aws.account().clone(), region: Some(aws.region().clone()) };
        return Ok(Live { connected: Connected::Aws(aws), target });
    };
    let options = steward_azure::AzureOptions {
        endpoint: endpoint_url,
        credentials,
        app,
        progress,
        patience: (context.command == "restore").then_some(PATIENCE),
        ..steward_azure::AzureOptions::to(subscription)
    };
    let azure = steward_azure::connect(options).await?;
    context.hint(format_args!("credentials: {}", azure.credentials()));
    let target = AccountRegion { account: azure.subscription().clone(), region: None };
    Ok(Live { connected: Connected::Azure(azure), target })
}
