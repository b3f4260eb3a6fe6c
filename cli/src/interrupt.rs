//! Ctrl-C: nothing new is begun, and what is in flight comes to its end.

use std::future::Future;
use std::time::Duration;

use steward::apply::Deadline;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::outcome::CommandError;
use crate::progress::Progress;

/// Whether somebody wants the command to stop. For a run it is a deadline that has come.
pub struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens for Ctrl-C, and for a polite `kill`. The second one ends the command at once.
    pub fn listen(progress: Progress) -> Self {
        let (tell, told) = watch::channel(false);
        let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
        // Without a handler the system's own stays in place, which is to end at once.
        if let (Ok(mut interrupt), Ok(mut terminate)) = signals {
            tokio::spawn(async move {
                let mut often = 0;
                loop {
                    tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
                    often += 1;
                    if often > 1 {
                        std::process::exit(130);
                    }
                    progress.say("image-steward: stopping after the calls in flight; once more stops at once");
                    let _ = tell.send(true);
                }
            });
        }
        Self(told)
    }

    /// Waits for reading that may be given up at any moment, because it changes nothing.
    ///
    /// # Errors
    /// [`CommandError::Interrupted`].
    pub async fn or<T>(&self, reading: impl Future<Output = T>) -> Result<T, CommandError> {
        let mut told = self.0.clone();
        tokio::select! {
            result = reading => Ok(result),
            Ok(_) = told.wait_for(|stop| *stop) => Err(CommandError::Interrupted),
        }
    }

    /// Whether it has come.
    pub fn has_come(&self) -> bool {
        *self.0.borrow()
    }
}

impl Deadline for Interrupt {
    fn left(&self) -> Duration {
        if self.has_come() { Duration::ZERO } else { Duration::MAX }
    }
}
