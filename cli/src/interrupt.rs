//! Ctrl-C: what only reads ends at once; what changes something begins nothing new, and brings the
//! calls in flight to their end.

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

/// Only reading so far.
const READING: u8 = 0;
/// Something may be changed from now on.
const CHANGING: u8 = 1;
/// Somebody wants the command to stop.
const STOPPING: u8 = 2;
/// A person is being asked something, and nothing is in flight.
const ASKING: u8 = 3;
/// The same, before anything was changed.
const ASKING_FIRST: u8 = 4;

/// Whether somebody wants the command to stop. For a run it is a deadline that has come.
pub struct Interrupt(Arc<AtomicU8>);

impl Interrupt {
    /// Listens for Ctrl-C, and for a polite `kill`. The second one ends the command at once.
    pub fn listen(progress: ProgressDisplay) -> Self {
        let state = Arc::new(AtomicU8::new(READING));
        let noticed = state.clone();
        // On a thread of its own, so that it is noticed while the command computes or waits for a person.
        std::thread::spawn(move || {
            // Without a handler the system's own stays in place, which is to end at once.
            if let Ok(runtime) = Builder::new_current_thread().enable_io().build() {
                runtime.block_on(wait(&noticed, &progress));
            }
        });
        Self(state)
    }

    /// From now on something may be changed: what is in flight must come to its end. If somebody
    /// wants the command to stop already, that stays so, and nothing is begun.
    pub fn begin_changes(&self) {
        let _ = self.0.compare_exchange(READING, CHANGING, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Waits for a person's answer: until it comes, Ctrl-C ends the process at once.
    pub fn asking<T>(&self, ask: impl FnOnce() -> T) -> T {
        let order = Ordering::SeqCst;
        let states = [(CHANGING, ASKING), (READING, ASKING_FIRST)];
        for (before, asking) in states {
            let _ = self.0.compare_exchange(before, asking, order, order);
        }
        let answer = ask();
        for (before, asking) in states {
            let _ = self.0.compare_exchange(asking, before, order, order);
        }
        answer
    }

    /// Whether somebody wants the command to stop.
    pub fn has_come(&self) -> bool {
        self.0.load(Ordering::SeqCst) == STOPPING
    }
}

/// Ctrl-C, and what asks a process politely to end.
#[cfg(unix)]
fn signals() -> std::io::Result<(Signal, Signal)> {
    Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
}

#[cfg(windows)]
fn signals() -> std::io::Result<(CtrlC, CtrlBreak)> {
    Ok((ctrl_c()?, ctrl_break()?))
}

/// Waits for signals, and ends the process where nothing is in flight.
async fn wait(state: &AtomicU8, progress: &ProgressDisplay) {
    let Ok((mut interrupt, mut terminate)) = signals() else { return };
    loop {
        tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
        // In one step, so that nothing begins to change in between.
        let last_words = match state.swap(STOPPING, Ordering::SeqCst) {
            CHANGING => {
                progress.say(
                    "image-steward: stopping after the calls in flight; once more stops at once",
                );
                continue;
            }
            READING => "image-steward: interrupted; nothing was changed",
            ASKING_FIRST => "\nimage-steward: interrupted; nothing was changed",
            ASKING => "\nimage-steward: interrupted; nothing more was changed",
            _ => "image-steward: stopped in the middle; the next run goes on from what it finds",
        };
        progress.end();
        eprintln!("{last_words}");
        std::process::exit(INTERRUPTED);
    }
}

impl Deadline for Interrupt {
    fn left(&self) -> Duration {
        if self.has_come() { Duration::ZERO } else { Duration::MAX }
    }
}
