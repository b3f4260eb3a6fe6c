//! All API calls of the adapter in one table: names, permissions and rate limits.

use super::AbsentListError;
use super::iam_policy::Grant::{self, *};
use super::iam_policy::Use::{self, *};

/// A token bucket that limits the rate of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Maximum burst, in calls.
    pub(super) capacity: u32,
    /// Sustained rate, in calls per second.
    pub(super) refill: u32,
}

const fn bucket(capacity: u32, refill: u32) -> Bucket {
    Bucket { capacity, refill }
}

// The EC2 limits are from "Request throttling for the Amazon EC2 API" in its developer guide. The
// limits of Describe and List calls hold because all our calls are paginated or filtered. Calls that
// the guide does not name have the limits of their category.
const DELETING: Bucket = bucket(100, 5);
const TAGGING: Bucket = bucket(100, 10);
const CHANGING: Bucket = bucket(50, 5);
const DESCRIBING: Bucket = bucket(100, 20);
const SPOT_FLEETS: Bucket = bucket(50, 3);
/// Systems Manager documents 40 calls a second for GetParameter and GetParameters together. A run makes
/// only one GetParameters call, so that call has a separate bucket here.
const PARAMETERS: Bucket = bucket(40, 40);
/// EventBridge documents 400 PutEvents calls a second in its smallest Regions.
const EVENTS: Bucket = bucket(400, 400);
/// A conservative guess for Auto Scaling, Batch, Recycle Bin rules and STS, which publish no limits.
const UNPUBLISHED: Bucket = bucket(20, 5);

impl ApiCall {
    /// The listings without a publicly recorded empty response. It is not verified whether AWS omits
    /// their list if it is empty. All other listings contain the list in recorded responses.
    pub(super) const UNRECORDED: &[Self] = &[
        Self::DescribeComputeEnvironments,
        Self::DescribeFleets,
        Self::DescribeImageReferences,
        Self::DescribeLockedSnapshots,
        Self::DescribeSpotFleetRequests,
        Self::DescribeSpotInstanceRequests,
        Self::ListImagesInRecycleBin,
        Self::ListRules,
        Self::ListSnapshotsInRecycleBin,
    ];

    /// The policy setting that disables the call, if there is one.
    pub(super) fn switched_off_by(self) -> Option<&'static str> {
        match self {
            Self::DescribeImageReferences => Some("safety.references_check = \"off\""),
            Self::DescribeComputeEnvironments => Some("safety.compute_environments = \"off\""),
            Self::ListRules | Self::GetRule => Some("safety.recycle_bin = \"optional\""),
            _ => None,
        }
    }

    /// Parses names of calls. All must be in [`Self::UNRECORDED`].
    pub(super) fn with_absent_lists(names: &[String]) -> Result<Vec<Self>, AbsentListError> {
        let call_of = |name: &String| {
            let mut known = Self::UNRECORDED.iter().copied();
            let found = known.find(|call| call.name() == name);
            found.ok_or_else(|| AbsentListError { name: name.clone() })
        };
        names.iter().map(call_of).collect()
    }
}

macro_rules! api_calls {
    ($($service:literal { $($call:ident: $bucket:ident [$($by:ident: $grant:ident),*],)+ })+) => {
        /// A call of an AWS API.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum ApiCall {
            $($($call,)+)+
        }

        impl ApiCall {
            /// All calls, in the order of the variants. Limiters are looked up by the variant's number.
            pub(super) const ALL: &[Self] = &[$($(Self::$call,)+)+];

            /// The name of the call, which is also its IAM action.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $($(Self::$call => concat!($service, ":", stringify!($call)),)+)+
                }
            }

            /// The token bucket that the call draws from.
            pub(super) fn bucket(self) -> Bucket {
                match self {
                    $($(Self::$call => $bucket,)+)+
                }
            }

            /// The uses for which a person needs the call, and the grant for each. Empty if only a
            /// function makes the call, or if it needs no permission.
            pub(super) fn needed_by(self) -> &'static [(Use, Grant)] {
                match self {
                    $($(Self::$call => &[$(($by, $grant)),*],)+)+
                }
            }
        }
    };
}

api_calls! {
    "ec2" {
        CreateTags: TAGGING [Apply: WriteStateTags, Restore: WriteStateTags, Keep: WriteKeepTag],
        DeleteSnapshot: DELETING [Apply: DeleteSnapshots],
        DeleteTags: TAGGING [Apply: WriteStateTags, Restore: WriteStateTags, Keep: WriteKeepTag],
        DeregisterImage: DELETING [Apply: Retire],
        DescribeFleets: DESCRIBING [Plan: Read],
        DescribeImageAttribute: DESCRIBING [Plan: ReadAttributes, Restore: ReadAttributes],
        DescribeImageReferences: DESCRIBING [Plan: Read],
        DescribeImages: DESCRIBING [Plan: Read, Restore: Read, Keep: Read],
        DescribeInstanceAttribute: DESCRIBING [],
        DescribeInstances: DESCRIBING [Plan: Read],
        DescribeLaunchTemplateVersions: DESCRIBING [Plan: Read],
        DescribeLaunchTemplates: DESCRIBING [Plan: Read],
        DescribeLockedSnapshots: DESCRIBING [Plan: Read],
        DescribeSnapshotAttribute: DESCRIBING [Plan: ReadAttributes],
        DescribeSnapshots: DESCRIBING [Plan: Read, Restore: Read, Keep: Read],
        DescribeSpotFleetRequests: SPOT_FLEETS [Plan: Read],
        DescribeSpotInstanceRequests: DESCRIBING [Plan: Read],
        DescribeTags: DESCRIBING [Plan: Read, Restore: Read],
        DisableImage: CHANGING [Apply: Retire],
        DisableImageDeprecation: CHANGING [Apply: Retire, Restore: RestoreDeprecation],
        EnableImage: CHANGING [Apply: Retire, Restore: Enable],
        EnableImageDeprecation: CHANGING [Apply: Retire, Restore: RestoreDeprecation],
        ListImagesInRecycleBin: DESCRIBING [Plan: Read, Restore: Read],
        ListSnapshotsInRecycleBin: DESCRIBING [Plan: Read, Restore: Read],
        ModifyImageAttribute: DELETING [Apply: ShareAgain, Restore: Share],
        RestoreImageFromRecycleBin: CHANGING [Restore: Recover],
        RestoreSnapshotFromRecycleBin: CHANGING [Restore: Recover],
        StopInstances: CHANGING [],
        TerminateInstances: CHANGING [],
    }
    "autoscaling" {
        DescribeAutoScalingGroups: UNPUBLISHED [Plan: Read],
        DescribeAutoScalingInstances: UNPUBLISHED [],
        DescribeLaunchConfigurations: UNPUBLISHED [Plan: Read],
    }
    "batch" {
        DescribeComputeEnvironments: UNPUBLISHED [Plan: Read],
    }
    "events" {
        PutEvents: EVENTS [],
    }
    "rbin" {
        GetRule: UNPUBLISHED [Plan: ReadRecycleBinRules],
        ListRules: UNPUBLISHED [Plan: Read],
    }
    "ssm" {
        GetParameter: PARAMETERS [Plan: ReadParameters],
        GetParameters: PARAMETERS [],
    }
    "sts" {
        GetCallerIdentity: UNPUBLISHED [],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_an_empty_response_is_not_known_may_its_list_be_absent() {
        let of = |name: &str| ApiCall::with_absent_lists(&[name.to_owned()]);
        assert_eq!(of("ec2:DescribeFleets"), Ok(vec![ApiCall::DescribeFleets]));
        for name in ["ec2:DescribeInstances", "DescribeFleets", "ec2:describefleets", ""] {
            let error = of(name).unwrap_err().to_string();
            assert!(error.contains(&format!("`{name}`")) && error.contains("rbin:ListRules"));
        }
    }
}
