//! What a person sees while they wait: what is being done, how much of it, how fast, and whether
//! calls are held back. Nothing is shown in pipes.

use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use steward::progress::{Pacing, Progress, ProgressEvent};
use steward::text_fmt::thousands;

/// A line on the terminal that is redrawn now and then, or nothing.
#[derive(Clone)]
pub struct ProgressDisplay {
    bar: ProgressBar,
    /// `None` where nothing is shown.
    line: Option<Arc<Mutex<ProgressLine>>>,
}

/// What the line shows.
struct ProgressLine {
    stage: &'static str,
    /// Whether the things to do are counted, and not the calls.
    counted: bool,
    note: String,
    /// Calls that waited, so that EC2's limits are not reached.
    delayed: usize,
    /// Calls that EC2 did not take because of its limits: they are made again.
    throttled: usize,
}

impl Progress for ProgressDisplay {
    fn report(&self, event: ProgressEvent) {
        let Some(line) = &self.line else { return };
        let bar = &self.bar;
        // Nothing is drawn before there is something to wait for.
        if bar.is_hidden() && !bar.is_finished() {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
            bar.enable_steady_tick(Duration::from_millis(250));
        }
        // A lock that is poisoned must not end the run.
        if let Ok(mut line) = line.lock() {
            line.take(event, bar);
        }
    }
}

impl ProgressDisplay {
    /// On the terminal behind standard error.
    pub fn on_terminal() -> Self {
        let bar = ProgressBar::hidden();
        bar.set_style(style(CALLS));
        let line = ProgressLine::default();
        bar.set_message(line.stage);
        Self { bar, line: Some(Arc::new(Mutex::new(line))) }
    }

    /// Nothing is shown.
    pub fn silent() -> Self {
        Self { bar: ProgressBar::hidden(), line: None }
    }

    /// Writes a line to standard error without disturbing what is drawn there.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// Does something that writes, without disturbing what is drawn.
    pub fn pause<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    /// Takes the line away until there is something to wait for again.
    pub fn hide(&self) {
        self.bar.finish_and_clear();
        self.bar.disable_steady_tick();
        self.bar.set_draw_target(ProgressDrawTarget::hidden());
        self.bar.reset();
    }

    /// Takes the line away: a result comes.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

// What does not fit into the line is cut off: it is drawn anew all the time.
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
        let held = count(self.delayed, "held back");
        let again = count(self.throttled, "throttled");
        bar.set_message(format!("{again}{held}{}{}", self.stage, self.note));
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
    let rate = |state: &ProgressState, out: &mut dyn Write| {
        let _ = write!(out, "{:.1} a second", state.per_sec());
    };
    let left = |state: &ProgressState, out: &mut dyn Write| {
        // Nobody knows before the first is done.
        let _ = match state.pos() {
            0 => out.write_str("?"),
            _ => write!(out, "{}", HumanDuration(state.eta())),
        };
    };
    style.with_key("rate", rate).with_key("left", left)
}
