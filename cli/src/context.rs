//! State shared by all commands: the time, the terminal, and interruption.

use std::io::IsTerminal;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use steward::model::{Clock, NoDeadline};
use steward::progress::RunContext;
use steward::report::{Colors, Ids, OutputStyle};
use steward::simulate::MAX_DAYS;
use steward::text_fmt::printable;
use steward::time_input::{DaysInput, TimeInput};
use tracing_subscriber::EnvFilter;

use crate::args::{Arguments, Color};
use crate::interrupt::Interrupt;
use crate::outcome::CommandError;
use crate::progress::ProgressDisplay;

/// State shared by all commands.
pub struct Context {
    /// The name of the command, for example `plan`.
    pub command: &'static str,
    /// The time at which the command started.
    pub now: Timestamp,
    /// The style of results on standard output.
    pub style: OutputStyle,
    /// The progress line on standard error.
    pub progress: ProgressDisplay,
    /// Measures the duration of the command.
    clock: Stopwatch,
    /// Handles Ctrl-C.
    pub interrupt: Interrupt,
    quiet: bool,
    verbose: bool,
}

impl Context {
    /// Detects the terminal, sets up logging, and starts to listen for Ctrl-C.
    pub fn begin(arguments: &Arguments, now: Timestamp) -> Self {
        let progress = match std::io::stderr().is_terminal() {
            true if !arguments.quiet && !arguments.verbose => ProgressDisplay::on_terminal(),
            _ => ProgressDisplay::silent(),
        };
        let filter = EnvFilter::new(if arguments.verbose { "steward=debug,warn" } else { "off" });
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
        Self {
            command: (&arguments.command).into(),
            now,
            style: style(arguments.color),
            interrupt: Interrupt::listen(progress.clone()),
            progress,
            clock: Stopwatch::start(),
            quiet: arguments.quiet,
            verbose: arguments.verbose,
        }
    }

    /// Which IDs a result lists: all with `--verbose`.
    pub fn ids(&self) -> Ids {
        if self.verbose { Ids::All } else { Ids::First }
    }

    /// The time of `--now`, or the present.
    pub fn planned_for(&self, now: Option<&TimeInput>) -> Result<Timestamp, CommandError> {
        let wrong = |cause| CommandError::Time { option: "--now", cause };
        now.map_or(Ok(self.now), |at| at.as_now(self.now).map_err(wrong))
    }

    /// The duration of the command so far.
    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// The context for reading, without a deadline: Ctrl-C ends the process.
    pub fn reading(&self) -> RunContext<'_> {
        RunContext { deadline: &NoDeadline, clock: &self.clock, progress: &self.progress }
    }

    /// The context for changes: Ctrl-C stops the run after the calls in progress.
    pub fn changing(&self) -> RunContext<'_> {
        RunContext { deadline: &self.interrupt, clock: &self.clock, progress: &self.progress }
    }

    /// Prints a hint on standard error, unless `--quiet` is given.
    pub fn hint(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            self.warn(text);
        }
    }

    /// Prints a warning on standard error, even with `--quiet`.
    pub fn warn(&self, text: impl std::fmt::Display) {
        self.progress.say(&format!("image-steward: {}", printable(&text.to_string())));
    }
}

/// The number of days of `--days`, counted from `now`, at least `min`.
pub fn days_from(days: &DaysInput, now: Timestamp, min: u32) -> Result<u32, CommandError> {
    days.as_days(now, min, MAX_DAYS).map_err(|cause| CommandError::Time { option: "--days", cause })
}

/// Measures elapsed time. The monotonic clock stops while the computer sleeps, and the time of day
/// can be set back, so the larger of both is used.
struct Stopwatch {
    monotonic: Instant,
    time_of_day: SystemTime,
}

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "the core has no clock of its own")]
    fn start() -> Self {
        Self { monotonic: Instant::now(), time_of_day: SystemTime::now() }
    }
}

impl Clock for Stopwatch {
    fn elapsed(&self) -> Duration {
        let by_day = self.time_of_day.elapsed().unwrap_or_default();
        self.monotonic.elapsed().max(by_day)
    }
}

#[expect(clippy::disallowed_methods, reason = "NO_COLOR is for programs with a terminal")]
fn style(color: Color) -> OutputStyle {
    let terminal = console::Term::stdout();
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    let colors = match color {
        Color::Always => Colors::On,
        Color::Auto if terminal.is_term() && !unwanted && !dumb => Colors::On,
        Color::Auto | Color::Never => Colors::Off,
    };
    match (terminal.is_term(), color) {
        (true, _) => OutputStyle::Terminal { width: usize::from(terminal.size().1), colors },
        // For `| less -R`.
        (false, Color::Always) => OutputStyle::Terminal { width: usize::MAX, colors },
        (false, _) => OutputStyle::Plain,
    }
}
