//! The progress line: the current stage, the amount done, the rate, and whether calls are delayed.
//! It is shown only on a terminal.

use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use steward::progress::{Pacing, Progress, ProgressEvent};
use steward::text_fmt::thousands;

/// A line on the terminal that is redrawn periodically, or nothing.
#[derive(Clone)]
pub struct ProgressDisplay {
    bar: ProgressBar,
    /// `None` if nothing is shown.
    line: Option<Arc<Mutex<ProgressLine>>>,
}

/// The content of the line.
struct ProgressLine {
    stage: &'static str,
    /// Whether the line counts items with a known total, instead of calls.
    counted: bool,
    note: String,
    /// Calls delayed to stay within EC2's rate limits.
    delayed: usize,
    /// Calls that EC2 throttled; they are retried.
    throttled: usize,
}

impl Progress for ProgressDisplay {
    fn report(&self, event: ProgressEvent) {
        let Some(line) = &self.line else { return };
        let bar = &self.bar;
        // Nothing is drawn before the first event.
        if bar.is_hidden() && !bar.is_finished() {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
            bar.enable_steady_tick(Duration::from_millis(250));
        }
        // A poisoned lock must not end the run.
        if let Ok(mut line) = line.lock() {
            line.take(event, bar);
        }
    }
}

impl ProgressDisplay {
    /// Shows progress on the terminal of standard error.
    pub fn on_terminal() -> Self {
        let bar = ProgressBar::hidden();
        bar.set_style(style(CALLS));
        let line = ProgressLine::default();
        bar.set_message(line.stage);
        Self { bar, line: Some(Arc::new(Mutex::new(line))) }
    }

    /// Shows no progress.
    pub fn silent() -> Self {
        Self { bar: ProgressBar::hidden(), line: None }
    }

    /// Prints a line on standard error, above the progress line.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// Runs `write` while the progress line is removed.
    pub fn pause<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    /// Removes the line until the next event.
    pub fn hide(&self) {
        self.bar.finish_and_clear();
        self.bar.disable_steady_tick();
        self.bar.set_draw_target(ProgressDrawTarget::hidden());
        self.bar.reset();
    }

    /// Removes the line before a result is printed.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

// Text that does not fit on the line is cut off.
const CALLS: &str = "{spinner} {pos} calls, {rate}: {wide_msg}";
const COUNTED: &str = "{spinner} {pos} of {len}, {rate}, {left} left: {wide_msg}";

impl Default for ProgressLine {
    fn default() -> Self {
        Self { stage: "connecting", counted: false, note: String::new(), delayed: 0, throttled: 0 }
    }
}

impl ProgressLine {
    fn take(&mut self, event: ProgressEvent, bar: &ProgressBar) {
        match event {
            ProgressEvent::Stage { name, total } => {
                bar.reset();
                self.counted = total.is_some();
                if let Some(total) = total.and_then(|total| u64::try_from(total).ok()) {
                    bar.set_length(total);
                }
                bar.set_style(style(if self.counted { COUNTED } else { CALLS }));
                (self.stage, self.note) = (name, String::new());
            }
            ProgressEvent::Read { what, count } => {
                self.note = format!(": {} {}", thousands(count), what.replace('_', " "));
            }
            ProgressEvent::Done(count) => {
                if self.counted {
                    bar.inc(u64::try_from(count).unwrap_or(0));
                }
                return;
            }
            ProgressEvent::Call { name, pacing } => {
                if !self.counted {
                    bar.inc(1);
                }
                if pacing == Pacing::Immediate {
                    return;
                }
                self.delayed += 1;
                self.note = format!(": {name}");
            }
            ProgressEvent::Throttled => self.throttled += 1,
        }
        let count = |calls: usize, what: &str| match calls {
            0 => String::new(),
            calls => format!("[{} {what}] ", thousands(calls)),
        };
        let delayed = count(self.delayed, "delayed");
        let throttled = count(self.throttled, "throttled");
        bar.set_message(format!("{throttled}{delayed}{}{}", self.stage, self.note));
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
    let rate = |state: &ProgressState, out: &mut dyn Write| {
        let _ = write!(out, "{:.1} per second", state.per_sec());
    };
    let left = |state: &ProgressState, out: &mut dyn Write| {
        // There is no estimate before the first item is done.
        let _ = match state.pos() {
            0 => out.write_str("?"),
            _ => write!(out, "{}", HumanDuration(state.eta())),
        };
    };
    style.with_key("rate", rate).with_key("left", left)
}
