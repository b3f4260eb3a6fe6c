//! What all commands share: the time, the terminal, and the way to be stopped.

use std::io::IsTerminal;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use steward::model::{Clock, NoDeadline};
use steward::progress::RunContext;
use steward::report::{Colours, Ids, OutputStyle};
use steward::simulate::MAX_DAYS;
use steward::text_fmt::printable;
use steward::time_input::{DaysInput, TimeInput};
use tracing_subscriber::EnvFilter;

use crate::args::{Arguments, Colour};
use crate::interrupt::Interrupt;
use crate::outcome::CommandError;
use crate::progress::ProgressDisplay;

/// What all commands share.
pub struct Context {
    /// The name of the command.
    pub command: &'static str,
    /// The time at which the command began.
    pub now: Timestamp,
    /// How results are shown on standard output.
    pub style: OutputStyle,
    /// What a person sees while they wait.
    pub progress: ProgressDisplay,
    /// How long the command has taken.
    clock: Stopwatch,
    /// Ctrl-C.
    pub interrupt: Interrupt,
    quiet: bool,
    verbose: bool,
}

impl Context {
    /// Looks at the terminal, and listens for Ctrl-C from now on.
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

    /// Which ids a result lists.
    pub fn ids(&self) -> Ids {
        if self.verbose { Ids::All } else { Ids::First }
    }

    /// The time of `--now`, or the present.
    pub fn planned_for(&self, now: Option<&TimeInput>) -> Result<Timestamp, CommandError> {
        let wrong = |cause| CommandError::Time { option: "--now", cause };
        now.map_or(Ok(self.now), |at| at.as_now(self.now).map_err(wrong))
    }

    /// For how long the command has run.
    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// For reading, without a deadline: Ctrl-C ends the process.
    pub fn reading(&self) -> RunContext<'_> {
        RunContext { deadline: &NoDeadline, clock: &self.clock, progress: &self.progress }
    }

    /// For changing: Ctrl-C stops the run after the calls in flight.
    pub fn changing(&self) -> RunContext<'_> {
        RunContext { deadline: &self.interrupt, clock: &self.clock, progress: &self.progress }
    }

    /// Says something on standard error that is good to know.
    pub fn hint(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            self.warn(text);
        }
    }

    /// Says something on standard error that must be known.
    pub fn warn(&self, text: impl std::fmt::Display) {
        self.progress.say(&format!("image-steward: {}", printable(&text.to_string())));
    }
}

/// The number of days of `--days`, counted from `now`.
pub fn days_from(days: &DaysInput, now: Timestamp, min: u32) -> Result<u32, CommandError> {
    days.as_days(now, min, MAX_DAYS).map_err(|cause| CommandError::Time { option: "--days", cause })
}

/// The time since it was started. The monotonic clock stands still while the computer sleeps, and the
/// time of day may be set back: the larger of both counts.
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
fn style(colour: Colour) -> OutputStyle {
    let terminal = console::Term::stdout();
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    let colours = match colour {
        Colour::Always => Colours::On,
        Colour::Auto if terminal.is_term() && !unwanted && !dumb => Colours::On,
        Colour::Auto | Colour::Never => Colours::Off,
    };
    match (terminal.is_term(), colour) {
        (true, _) => OutputStyle::Terminal { width: usize::from(terminal.size().1), colours },
        // For `| less -R`.
        (false, Colour::Always) => OutputStyle::Terminal { width: usize::MAX, colours },
        (false, _) => OutputStyle::Plain,
    }
}
