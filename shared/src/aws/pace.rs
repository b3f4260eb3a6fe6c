//! The adapter's calls, and how fast each may be made.
//!
//! EC2 keeps a token bucket for every account, Region and action. Running it dry is not only
//! slow: the SDK's retries drain their own quota then, and most of a large run is given up.
//! Staying below the bucket is therefore part of being correct. Other callers of the account
//! draw from the same buckets, so that a tenth of each is left to them.
//!
//! How many calls are in flight at once is the caller's business.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// Whether calls wait for their turn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pace {
    /// Below the token buckets of EC2.
    #[default]
    BelowBuckets,
    /// As fast as they come, and repeated soon: for a stand-in, which needs no sparing.
    Unpaced,
}

/// Every call that the adapter makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    CreateTags,
    DeleteSnapshot,
    DeleteTags,
    DeregisterImage,
    DescribeImageAttribute,
    DescribeImages,
    DescribeInstances,
    DescribeLaunchTemplateVersions,
    DescribeLaunchTemplates,
    DescribeSnapshots,
    DescribeAutoScalingGroups,
    DescribeLaunchConfigurations,
    GetParameter,
    GetCallerIdentity,
}

/// A token bucket: what it holds when full, and what flows in every second.
struct Bucket {
    capacity: u32,
    refill: u32,
}

impl Action {
    /// In the order of the variants, because a limiter is found by the variant's number.
    const ALL: [Self; 14] = [
        Self::CreateTags,
        Self::DeleteSnapshot,
        Self::DeleteTags,
        Self::DeregisterImage,
        Self::DescribeImageAttribute,
        Self::DescribeImages,
        Self::DescribeInstances,
        Self::DescribeLaunchTemplateVersions,
        Self::DescribeLaunchTemplates,
        Self::DescribeSnapshots,
        Self::DescribeAutoScalingGroups,
        Self::DescribeLaunchConfigurations,
        Self::GetParameter,
        Self::GetCallerIdentity,
    ];

    /// The call as errors name it, which is also the name of its IAM action.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::CreateTags => "ec2:CreateTags",
            Self::DeleteSnapshot => "ec2:DeleteSnapshot",
            Self::DeleteTags => "ec2:DeleteTags",
            Self::DeregisterImage => "ec2:DeregisterImage",
            Self::DescribeImageAttribute => "ec2:DescribeImageAttribute",
            Self::DescribeImages => "ec2:DescribeImages",
            Self::DescribeInstances => "ec2:DescribeInstances",
            Self::DescribeLaunchTemplateVersions => "ec2:DescribeLaunchTemplateVersions",
            Self::DescribeLaunchTemplates => "ec2:DescribeLaunchTemplates",
            Self::DescribeSnapshots => "ec2:DescribeSnapshots",
            Self::DescribeAutoScalingGroups => "autoscaling:DescribeAutoScalingGroups",
            Self::DescribeLaunchConfigurations => "autoscaling:DescribeLaunchConfigurations",
            Self::GetParameter => "ssm:GetParameter",
            Self::GetCallerIdentity => "sts:GetCallerIdentity",
        }
    }

    /// EC2's figures are from "Request throttling for the Amazon EC2 API" in its developer
    /// guide; those of the describing calls hold because each of ours pages or filters.
    /// SSM documents 40 GetParameter calls a second. Auto Scaling and STS publish no figures,
    /// so theirs are a cautious guess.
    fn bucket(self) -> Bucket {
        let (capacity, refill) = match self {
            Self::DeregisterImage | Self::DeleteSnapshot => (100, 5),
            Self::CreateTags | Self::DeleteTags => (100, 10),
            Self::DescribeImageAttribute
            | Self::DescribeImages
            | Self::DescribeInstances
            | Self::DescribeLaunchTemplateVersions
            | Self::DescribeLaunchTemplates
            | Self::DescribeSnapshots => (100, 20),
            Self::GetParameter => (40, 40),
            Self::DescribeAutoScalingGroups
            | Self::DescribeLaunchConfigurations
            | Self::GetCallerIdentity => (20, 5),
        };
        Bucket { capacity, refill }
    }
}

impl Bucket {
    /// Nine tenths of the bucket, in capacity and in refill.
    fn quota(&self) -> Option<Quota> {
        let burst = NonZeroU32::new(self.capacity * 9 / 10)?;
        let per_second = f64::from(self.refill) * 0.9;
        let quota = Quota::with_period(Duration::from_secs_f64(per_second.recip()))?;
        Some(quota.allow_burst(burst))
    }
}

/// Makes each call wait until its action may be called again.
#[derive(Debug)]
pub(super) struct Pacer {
    /// By action; empty when nothing waits.
    limiters: Vec<DefaultDirectRateLimiter>,
}

impl Pacer {
    pub(super) fn new(pace: Pace) -> Self {
        let limiters = match pace {
            Pace::BelowBuckets => Action::ALL
                .iter()
                .filter_map(|action| action.bucket().quota())
                .map(RateLimiter::direct)
                .collect(),
            Pace::Unpaced => Vec::new(),
        };
        Self { limiters }
    }

    /// Returns when `action` may be called.
    pub(super) async fn wait_for(&self, action: Action) {
        if let Some(limiter) = self.limiters.get(action as usize) {
            limiter.until_ready().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_finds_its_own_limiter() {
        for (place, action) in Action::ALL.into_iter().enumerate() {
            assert_eq!(place, action as usize, "{}", action.name());
            assert!(action.bucket().quota().is_some(), "{}", action.name());
        }
        assert_eq!(Pacer::new(Pace::BelowBuckets).limiters.len(), Action::ALL.len());
    }

    #[test]
    fn a_run_stays_below_the_bucket() {
        // 100 at once and 5 a second for DeregisterImage: nine tenths are 90 and 4.5.
        let quota = Action::DeregisterImage.bucket().quota().unwrap();
        assert_eq!(quota.burst_size().get(), 90);
        assert_eq!(quota.replenish_interval().as_millis(), 222);
    }

    #[tokio::test]
    async fn the_call_after_the_burst_waits() {
        let pacer = Pacer::new(Pace::BelowBuckets);
        for _ in 0..18 {
            pacer.wait_for(Action::GetCallerIdentity).await;
        }
        let next = pacer.wait_for(Action::GetCallerIdentity);
        assert!(tokio::time::timeout(Duration::from_millis(20), next).await.is_err());
        // Another action has its own bucket.
        pacer.wait_for(Action::DescribeImages).await;
    }
}
