//! Keeps calls below the rate limits of EC2.
//!
//! EC2 has a token bucket for each account, Region and action. An empty bucket does not only slow a run
//! down: the SDK's retries then exhaust their own quota, and most steps of a large run fail. So runs must
//! stay below the limits. 2 % of each bucket's capacity stays unused, because calls that were sent at
//! different times may arrive together. Other callers in the account use the same buckets. The SDK's
//! retries handle throttling that they cause, and few calls per run leave enough tokens for them.
//!
//! Callers limit the number of concurrent calls.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use steward::progress::{Pacing, Progress, ProgressEvent};
use tokio::sync::Mutex;

use super::api_call::{ApiCall, Bucket};

/// The rate limits of calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RateLimit {
    /// Limits below EC2's token buckets.
    #[default]
    BelowBuckets,
    /// Limits for buckets that refill faster by this factor. For a stand-in with EC2's buckets in which
    /// time passes faster by the same factor.
    Scaled(NonZeroU32),
    /// No limits, and short waits before retries. For a stand-in without buckets.
    Unpaced,
}

impl Bucket {
    /// 98 % of the capacity and 99 % of the refill rate, the latter multiplied by `scale`.
    ///
    /// `n` calls then take `(n - 0.98 × capacity) / (0.99 × refill)` seconds. A bucket that is emptied
    /// completely would allow `(n - capacity) / refill` seconds. From 2.5 times the capacity (250 images
    /// to deregister), the former is at most 1.05 times the latter.
    fn quota(&self, scale: NonZeroU32) -> Option<Quota> {
        let scale = scale.get();
        let burst = NonZeroU32::new(self.capacity * 98 / 100)?;
        let per_second = f64::from(self.refill) * f64::from(scale) * 0.99;
        let quota = Quota::with_period(Duration::from_secs_f64(per_second.recip()))?;
        Some(quota.allow_burst(burst))
    }
}

/// Delays each call until the rate limit allows it, and reports the call.
#[derive(Debug)]
pub(super) struct RateLimiters {
    /// Indexed by call. Empty without rate limits.
    limiters: Vec<RateQueue>,
    progress: Arc<dyn Progress>,
}

/// The queue of waiting calls of one kind. Only the first one checks the limiter. If all did, all would
/// wake up, and only one could continue.
#[derive(Debug)]
struct RateQueue {
    limiter: DefaultDirectRateLimiter,
    first: Mutex<()>,
}

impl RateQueue {
    /// Waits until a call may be made. Returns whether it was delayed.
    async fn wait(&self) -> Pacing {
        let (_first, mut pacing) = match self.first.try_lock() {
            Ok(first) => (first, Pacing::Immediate),
            Err(_) => (self.first.lock().await, Pacing::Delayed),
        };
        while let Err(too_early) = self.limiter.check() {
            pacing = Pacing::Delayed;
            tokio::time::sleep(too_early.wait_time_from(DefaultClock::default().now())).await;
        }
        pacing
    }
}

impl RateLimiters {
    pub(super) fn new(rate_limit: RateLimit, progress: Arc<dyn Progress>) -> Self {
        let scale = match rate_limit {
            RateLimit::BelowBuckets => NonZeroU32::MIN,
            RateLimit::Scaled(scale) => scale,
            RateLimit::Unpaced => return Self { limiters: Vec::new(), progress },
        };
        let quotas = ApiCall::ALL.iter().filter_map(|call| call.bucket().quota(scale));
        let queues = quotas.map(|quota| RateQueue {
            limiter: RateLimiter::direct(quota),
            first: Mutex::default(),
        });
        Self { limiters: queues.collect(), progress }
    }

    /// Waits until `call` may be made.
    pub(super) async fn wait_for(&self, call: ApiCall) {
        let pacing = match self.limiters.get(call as usize) {
            Some(queue) => queue.wait().await,
            None => Pacing::Immediate,
        };
        self.progress.report(ProgressEvent::Call { name: call.name(), pacing });
    }
}

#[cfg(test)]
mod tests {
    use steward::progress::NoProgress;

    use super::*;

    #[test]
    fn every_call_has_a_limiter() {
        for call in ApiCall::ALL {
            assert!(call.bucket().quota(NonZeroU32::MIN).is_some(), "{}", call.name());
        }
        assert_eq!(
            RateLimiters::new(RateLimit::BelowBuckets, Arc::new(NoProgress)).limiters.len(),
            ApiCall::ALL.len()
        );
    }

    #[test]
    fn a_run_stays_below_the_bucket() {
        // DeregisterImage allows 100 calls at once and 5 a second. 98 and 4.95 of these are used.
        let bucket = ApiCall::DeregisterImage.bucket();
        let quota = bucket.quota(NonZeroU32::MIN).unwrap();
        assert_eq!(quota.burst_size().get(), 98);
        assert_eq!(quota.replenish_interval().as_micros(), 202_020);
        let quota = bucket.quota(NonZeroU32::new(100).unwrap()).unwrap();
        assert_eq!(quota.burst_size().get(), 98);
        assert_eq!(quota.replenish_interval().as_micros(), 2_020);
    }

    #[test]
    fn a_long_run_takes_little_longer_than_the_bucket_allows() {
        for call in ApiCall::ALL.iter().copied() {
            let bucket = call.bucket();
            let quota = bucket.quota(NonZeroU32::MIN).unwrap();
            let calls = f64::from(bucket.capacity) * 2.5;
            let ours = (calls - f64::from(quota.burst_size().get()))
                * quota.replenish_interval().as_secs_f64();
            let allowed = (calls - f64::from(bucket.capacity)) / f64::from(bucket.refill);
            assert!(ours > allowed && ours <= allowed * 1.05, "{}: {ours}", call.name());
        }
    }

    #[tokio::test]
    async fn the_call_after_the_burst_waits() {
        let limits = RateLimiters::new(RateLimit::BelowBuckets, Arc::new(NoProgress));
        for _ in 0..19 {
            limits.wait_for(ApiCall::GetCallerIdentity).await;
        }
        let next = limits.wait_for(ApiCall::GetCallerIdentity);
        assert!(tokio::time::timeout(Duration::from_millis(20), next).await.is_err());
        // Each call has its own bucket.
        limits.wait_for(ApiCall::DescribeImages).await;
    }
}
