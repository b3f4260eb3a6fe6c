//! The clock and the waits of the client, so that tests need no real time.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

/// A monotonic clock that can wait.
#[async_trait]
pub(crate) trait Time: fmt::Debug + Send + Sync {
    /// The time since a fixed moment.
    fn now(&self) -> Duration;

    /// Waits for `duration`.
    async fn sleep(&self, duration: Duration);
}

/// The time of the operating system.
#[derive(Debug)]
pub(crate) struct SystemTime(tokio::time::Instant);

impl SystemTime {
    pub(crate) fn start() -> Self {
        Self(tokio::time::Instant::now())
    }
}

#[async_trait]
impl Time for SystemTime {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
