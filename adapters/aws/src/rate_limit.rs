//! The adapter's calls, and how fast each may be made.
//!
//! EC2 keeps a token bucket for every account, Region and action. Running it dry is not only
//! slow: the SDK's retries drain their own quota then, and most of a large run is given up.
//! Staying below the bucket is therefore part of being correct. Other callers of the account
//! draw from the same buckets, so that a tenth of what a bucket holds and a little of what flows
//! in are left to them.
//!
//! How many calls are in flight at once is the caller's business.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use steward::progress::{self, ProgressEvent, Pacing};

/// Whether calls wait for their turn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RateLimit {
    /// Below the token buckets of EC2.
    #[default]
    BelowBuckets,
    /// Below buckets that are filled so many times as fast: for a stand-in that keeps the buckets
    /// of EC2, and in which time runs so many times as fast.
    Scaled(NonZeroU32),
    /// As fast as they come, and repeated soon: for a stand-in, which needs no sparing.
    Unpaced,
}

/// Every call that the adapter makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ApiCall {
    CreateTags,
    DeleteSnapshot,
    DeleteTags,
    DeregisterImage,
    DescribeFleets,
    DescribeImageAttribute,
    DescribeImageReferences,
    DescribeImages,
    DescribeInstanceAttribute,
    DescribeInstances,
    DescribeLaunchTemplateVersions,
    DescribeLaunchTemplates,
    DescribeLockedSnapshots,
    DescribeSnapshotAttribute,
    DescribeSnapshots,
    DescribeSpotFleetRequests,
    DescribeSpotInstanceRequests,
    DescribeTags,
    DisableImage,
    DisableImageDeprecation,
    EnableImage,
    EnableImageDeprecation,
    ListImagesInRecycleBin,
    ListSnapshotsInRecycleBin,
    ModifyImageAttribute,
    RestoreImageFromRecycleBin,
    RestoreSnapshotFromRecycleBin,
    StopInstances,
    TerminateInstances,
    DescribeAutoScalingGroups,
    DescribeAutoScalingInstances,
    DescribeLaunchConfigurations,
    DescribeComputeEnvironments,
    PutEvents,
    GetRule,
    ListRules,
    GetParameter,
    GetCallerIdentity,
}

/// A token bucket: what it holds when full, and what flows in every second.
struct Bucket {
    capacity: u32,
    refill: u32,
}

impl ApiCall {
    /// In the order of the variants, because a limiter is found by the variant's number.
    const ALL: [Self; 38] = [
        Self::CreateTags,
        Self::DeleteSnapshot,
        Self::DeleteTags,
        Self::DeregisterImage,
        Self::DescribeFleets,
        Self::DescribeImageAttribute,
        Self::DescribeImageReferences,
        Self::DescribeImages,
        Self::DescribeInstanceAttribute,
        Self::DescribeInstances,
        Self::DescribeLaunchTemplateVersions,
        Self::DescribeLaunchTemplates,
        Self::DescribeLockedSnapshots,
        Self::DescribeSnapshotAttribute,
        Self::DescribeSnapshots,
        Self::DescribeSpotFleetRequests,
        Self::DescribeSpotInstanceRequests,
        Self::DescribeTags,
        Self::DisableImage,
        Self::DisableImageDeprecation,
        Self::EnableImage,
        Self::EnableImageDeprecation,
        Self::ListImagesInRecycleBin,
        Self::ListSnapshotsInRecycleBin,
        Self::ModifyImageAttribute,
        Self::RestoreImageFromRecycleBin,
        Self::RestoreSnapshotFromRecycleBin,
        Self::StopInstances,
        Self::TerminateInstances,
        Self::DescribeAutoScalingGroups,
        Self::DescribeAutoScalingInstances,
        Self::DescribeLaunchConfigurations,
        Self::DescribeComputeEnvironments,
        Self::PutEvents,
        Self::GetRule,
        Self::ListRules,
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
            Self::DescribeFleets => "ec2:DescribeFleets",
            Self::DescribeImageAttribute => "ec2:DescribeImageAttribute",
            Self::DescribeImageReferences => "ec2:DescribeImageReferences",
            Self::DescribeImages => "ec2:DescribeImages",
            Self::DescribeInstanceAttribute => "ec2:DescribeInstanceAttribute",
            Self::DescribeInstances => "ec2:DescribeInstances",
            Self::DescribeLaunchTemplateVersions => "ec2:DescribeLaunchTemplateVersions",
            Self::DescribeLaunchTemplates => "ec2:DescribeLaunchTemplates",
            Self::DescribeLockedSnapshots => "ec2:DescribeLockedSnapshots",
            Self::DescribeSnapshotAttribute => "ec2:DescribeSnapshotAttribute",
            Self::DescribeSnapshots => "ec2:DescribeSnapshots",
            Self::DescribeSpotFleetRequests => "ec2:DescribeSpotFleetRequests",
            Self::DescribeSpotInstanceRequests => "ec2:DescribeSpotInstanceRequests",
            Self::DescribeTags => "ec2:DescribeTags",
            Self::DisableImage => "ec2:DisableImage",
            Self::DisableImageDeprecation => "ec2:DisableImageDeprecation",
            Self::EnableImage => "ec2:EnableImage",
            Self::EnableImageDeprecation => "ec2:EnableImageDeprecation",
            Self::ListImagesInRecycleBin => "ec2:ListImagesInRecycleBin",
            Self::ListSnapshotsInRecycleBin => "ec2:ListSnapshotsInRecycleBin",
            Self::ModifyImageAttribute => "ec2:ModifyImageAttribute",
            Self::RestoreImageFromRecycleBin => "ec2:RestoreImageFromRecycleBin",
            Self::RestoreSnapshotFromRecycleBin => "ec2:RestoreSnapshotFromRecycleBin",
            Self::StopInstances => "ec2:StopInstances",
            Self::TerminateInstances => "ec2:TerminateInstances",
            Self::DescribeAutoScalingGroups => "autoscaling:DescribeAutoScalingGroups",
            Self::DescribeAutoScalingInstances => "autoscaling:DescribeAutoScalingInstances",
            Self::DescribeLaunchConfigurations => "autoscaling:DescribeLaunchConfigurations",
            Self::DescribeComputeEnvironments => "batch:DescribeComputeEnvironments",
            Self::PutEvents => "events:PutEvents",
            Self::GetRule => "rbin:GetRule",
            Self::ListRules => "rbin:ListRules",
            Self::GetParameter => "ssm:GetParameter",
            Self::GetCallerIdentity => "sts:GetCallerIdentity",
        }
    }

    /// EC2's figures are from "Request throttling for the Amazon EC2 API" in its developer
    /// guide; those of the describing and listing calls hold because each of ours pages or
    /// filters, and the calls that it does not name share the figures of their category.
    /// SSM documents 40 GetParameter calls a second, EventBridge 400 PutEvents in its smallest
    /// Regions. Auto Scaling, Batch, the Recycle Bin's rules
    /// and STS publish no figures, so theirs are a cautious guess.
    fn bucket(self) -> Bucket {
        let (capacity, refill) = match self {
            Self::DeregisterImage | Self::DeleteSnapshot | Self::ModifyImageAttribute => (100, 5),
            Self::CreateTags | Self::DeleteTags => (100, 10),
            Self::DisableImage
            | Self::DisableImageDeprecation
            | Self::EnableImage
            | Self::EnableImageDeprecation
            | Self::RestoreImageFromRecycleBin
            | Self::RestoreSnapshotFromRecycleBin
            | Self::StopInstances
            | Self::TerminateInstances => (50, 5),
            Self::DescribeSpotFleetRequests => (50, 3),
            Self::DescribeFleets
            | Self::DescribeImageAttribute
            | Self::DescribeImageReferences
            | Self::DescribeImages
            | Self::DescribeInstanceAttribute
            | Self::DescribeInstances
            | Self::DescribeLaunchTemplateVersions
            | Self::DescribeLaunchTemplates
            | Self::DescribeLockedSnapshots
            | Self::DescribeSnapshotAttribute
            | Self::DescribeSnapshots
            | Self::DescribeSpotInstanceRequests
            | Self::DescribeTags
            | Self::ListImagesInRecycleBin
            | Self::ListSnapshotsInRecycleBin => (100, 20),
            Self::GetParameter => (40, 40),
            Self::PutEvents => (400, 400),
            Self::DescribeAutoScalingGroups
            | Self::DescribeAutoScalingInstances
            | Self::DescribeLaunchConfigurations
            | Self::DescribeComputeEnvironments
            | Self::GetRule
            | Self::ListRules
            | Self::GetCallerIdentity => (20, 5),
        };
        Bucket { capacity, refill }
    }
}

impl Bucket {
    /// Nine tenths of what the bucket holds, and 97 % of what flows in, `scale` times.
    ///
    /// `n` calls then take `(n - 0.9 × capacity) / (0.97 × refill)` seconds, where a bucket that
    /// is emptied to the last token allows `(n - capacity) / refill`: at most 1.05 times as much
    /// from 14 times the capacity on, which are 1,400 images to deregister. In shorter runs it
    /// weighs more that a tenth of the capacity is left alone; those are short in any case.
    fn quota(&self, scale: NonZeroU32) -> Option<Quota> {
        let scale = scale.get();
        let burst = NonZeroU32::new(self.capacity * 9 / 10)?;
        let per_second = f64::from(self.refill) * f64::from(scale) * 0.97;
        let quota = Quota::with_period(Duration::from_secs_f64(per_second.recip()))?;
        Some(quota.allow_burst(burst))
    }
}

/// Makes each call wait until its action may be called again.
#[derive(Debug)]
pub(super) struct RateLimiters {
    /// By action; empty when nothing waits.
    limiters: Vec<DefaultDirectRateLimiter>,
}

impl RateLimiters {
    pub(super) fn new(rate_limit: RateLimit) -> Self {
        let scale = match rate_limit {
            RateLimit::BelowBuckets => NonZeroU32::MIN,
            RateLimit::Scaled(scale) => scale,
            RateLimit::Unpaced => return Self { limiters: Vec::new() },
        };
        let quotas = ApiCall::ALL.iter().filter_map(|action| action.bucket().quota(scale));
        Self { limiters: quotas.map(RateLimiter::direct).collect() }
    }

    /// Returns when `action` may be called.
    pub(super) async fn wait_for(&self, action: ApiCall) {
        let mut turn = Pacing::Immediate;
        if let Some(limiter) = self.limiters.get(action as usize)
            && limiter.check().is_err()
        {
            turn = Pacing::Delayed;
            limiter.until_ready().await;
        }
        progress::tell(ProgressEvent::Call { name: action.name(), turn });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_finds_its_own_limiter() {
        for (place, action) in ApiCall::ALL.into_iter().enumerate() {
            assert_eq!(place, action as usize, "{}", action.name());
            assert!(action.bucket().quota(NonZeroU32::MIN).is_some(), "{}", action.name());
        }
        assert_eq!(RateLimiters::new(RateLimit::BelowBuckets).limiters.len(), ApiCall::ALL.len());
    }

    #[test]
    fn a_run_stays_below_the_bucket() {
        // 100 at once and 5 a second for DeregisterImage: 90 and 4.85 are ours.
        let bucket = ApiCall::DeregisterImage.bucket();
        let quota = bucket.quota(NonZeroU32::MIN).unwrap();
        assert_eq!(quota.burst_size().get(), 90);
        assert_eq!(quota.replenish_interval().as_micros(), 206_185);
        let quota = bucket.quota(NonZeroU32::new(100).unwrap()).unwrap();
        assert_eq!(quota.burst_size().get(), 90);
        assert_eq!(quota.replenish_interval().as_micros(), 2_061);
    }

    #[test]
    fn a_long_run_takes_little_longer_than_the_bucket_allows() {
        for action in ApiCall::ALL {
            let bucket = action.bucket();
            let quota = bucket.quota(NonZeroU32::MIN).unwrap();
            let calls = f64::from(bucket.capacity) * 14.0;
            let ours = (calls - f64::from(quota.burst_size().get()))
                * quota.replenish_interval().as_secs_f64();
            let allowed = (calls - f64::from(bucket.capacity)) / f64::from(bucket.refill);
            assert!(ours > allowed && ours <= allowed * 1.05, "{}: {ours}", action.name());
        }
    }

    #[tokio::test]
    async fn the_call_after_the_burst_waits() {
        let limits = RateLimiters::new(RateLimit::BelowBuckets);
        for _ in 0..18 {
            limits.wait_for(ApiCall::GetCallerIdentity).await;
        }
        let next = limits.wait_for(ApiCall::GetCallerIdentity);
        assert!(tokio::time::timeout(Duration::from_millis(20), next).await.is_err());
        // Another action has its own bucket.
        limits.wait_for(ApiCall::DescribeImages).await;
    }
}
