//! Ctrl-C: a command that only reads ends immediately. A command that makes changes starts no new
//! calls, and completes the calls in progress.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use steward::model::Deadline;
use tokio::runtime::Builder;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
#[cfg(windows)]
use tokio::signal::windows::{CtrlBreak, CtrlC, ctrl_break, ctrl_c};

use crate::outcome::INTERRUPTED;
use crate::progress::ProgressDisplay;

/// The command has only read so far.
const READING: u8 = 0;
/// The command may be making changes.
const CHANGING: u8 = 1;
/// The command was asked to stop.
const STOPPING: u8 = 2;
/// The command waits for input after changes, and no call is in progress.
const ASKING: u8 = 3;
/// The command waits for input before any change.
const ASKING_FIRST: u8 = 4;

/// Whether the command was asked to stop. A run treats this as a deadline that has passed.
pub struct Interrupt(Arc<AtomicU8>);

impl Interrupt {
    /// Listens for Ctrl-C and SIGTERM. The second one ends the command immediately.
    pub fn listen(progress: ProgressDisplay) -> Self {
        let state = Arc::new(AtomicU8::new(READING));
        let noticed = state.clone();
        // A separate thread handles signals while the command computes or waits for input.
        std::thread::spawn(move || {
            // Without a handler, the default of the system applies: the process ends immediately.
            if let Ok(runtime) = Builder::new_current_thread().enable_io().build() {
                runtime.block_on(wait(&noticed, &progress));
            }
        });
        Self(state)
    }

    /// Records that changes begin, so that calls in progress are completed. If the command was
    /// already asked to stop, this has no effect, and no change begins.
    pub fn begin_changes(&self) {
        let _ = self.0.compare_exchange(READING, CHANGING, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Waits for input. Until it arrives, Ctrl-C ends the process immediately; so `ask` prints the
    /// prompt too, not its caller.
    pub fn asking<T>(&self, ask: impl FnOnce() -> T) -> T {
        let order = Ordering::SeqCst;
        let states = [(CHANGING, ASKING), (READING, ASKING_FIRST)];
        for (before, asking) in states {
            let _ = self.0.compare_exchange(before, asking, order, order);
        }
        let input = ask();
        for (before, asking) in states {
            let _ = self.0.compare_exchange(asking, before, order, order);
        }
        input
    }

    /// Whether the command was asked to stop.
    pub fn has_come(&self) -> bool {
        self.0.load(Ordering::SeqCst) == STOPPING
    }
}

/// Ctrl-C and the request to terminate: SIGTERM, or Ctrl-Break on Windows.
#[cfg(unix)]
fn signals() -> std::io::Result<(Signal, Signal)> {
    Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
}

#[cfg(windows)]
fn signals() -> std::io::Result<(CtrlC, CtrlBreak)> {
    Ok((ctrl_c()?, ctrl_break()?))
}

/// Waits for signals, and ends the process unless calls are in progress.
async fn wait(state: &AtomicU8, progress: &ProgressDisplay) {
    let Ok((mut interrupt, mut terminate)) = signals() else { return };
    loop {
        tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
        // An atomic swap, so that no change can begin in between.
        let message = match state.swap(STOPPING, Ordering::SeqCst) {
            CHANGING => {
                progress.say(
                    "image-steward: stopping after the calls in progress; interrupt again to stop immediately",
                );
                continue;
            }
            READING => "image-steward: interrupted; nothing was changed",
            ASKING_FIRST => "\nimage-steward: interrupted; nothing was changed",
            ASKING => "\nimage-steward: interrupted; no further changes were made",
            _ => {
                "image-steward: stopped during changes; the next run continues from the current state"
            }
        };
        progress.end();
        eprintln!("{message}");
        std::process::exit(INTERRUPTED);
    }
}

impl Deadline for Interrupt {
    fn left(&self) -> Duration {
        if self.has_come() { Duration::ZERO } else { Duration::MAX }
    }
}
