//! How fast the calls are made: below EC2's rate limits.
//!
//! EC2 keeps a token bucket for every account, Region and action. Running it dry is not only
//! slow: the SDK's retries drain their own quota then, and most of a large run is given up.
//! Staying below the bucket is therefore part of being correct: two of a hundred calls that a bucket
//! holds are left in it, because calls that were sent apart may arrive together. Other callers of the
//! account draw from the same buckets. What they take away is made up for by the SDK's retries; that
//! they get enough is what making few calls is for.
//!
//! How many calls are in flight at once is the caller's business.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use steward::progress::{Pacing, Progress, ProgressEvent};
use tokio::sync::Mutex;

use super::api_call::{ApiCall, Bucket};

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

impl Bucket {
    /// At most 98 % of what the bucket holds, and 99 % of what flows in, `scale` times.
    ///
    /// `n` calls then take `(n - 0.98 × capacity) / (0.99 × refill)` seconds, where a bucket that
    /// is emptied to the last token allows `(n - capacity) / refill`: at most 1.05 times as much
    /// from 2.5 times the capacity on, which are 250 images to deregister.
    fn quota(&self, scale: NonZeroU32) -> Option<Quota> {
        let scale = scale.get();
        let burst = NonZeroU32::new(self.capacity * 98 / 100)?;
        let per_second = f64::from(self.refill) * f64::from(scale) * 0.99;
        let quota = Quota::with_period(Duration::from_secs_f64(per_second.recip()))?;
        Some(quota.allow_burst(burst))
    }
}

/// Makes each call wait until it may be made, and reports it.
#[derive(Debug)]
pub(super) struct RateLimiters {
    /// By call; empty when nothing waits.
    limiters: Vec<RateQueue>,
    progress: Arc<dyn Progress>,
}

/// The calls of one kind that wait. Only the first one looks whether its time has come: if all of them
/// did, one would go, and the others would have woken up for nothing.
#[derive(Debug)]
struct RateQueue {
    limiter: DefaultDirectRateLimiter,
    first: Mutex<()>,
}

impl RateQueue {
    /// Returns when a call may be made, and whether it had to wait.
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

    /// Returns when `call` may be made.
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
        // 100 at once and 5 a second for DeregisterImage: 98 and 4.95 are ours.
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
        // Another call has its own bucket.
        limits.wait_for(ApiCall::DescribeImages).await;
    }
}
