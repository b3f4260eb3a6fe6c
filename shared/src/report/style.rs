//! Text output: signs, colors and wrapping on a terminal, plain text elsewhere.

use std::fmt::Write as _;

/// The style of text output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStyle {
    /// For a file or a pipe: no signs, no colors, no wrapping.
    Plain,
    /// For a terminal.
    Terminal {
        /// The width of the terminal, in columns.
        width: usize,
        /// Whether to use colors.
        colors: Colors,
    },
}

/// Whether to use colors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colors {
    /// Use colors.
    On,
    /// Do not use colors, because the terminal has none or because of `NO_COLOR`.
    Off,
}

/// The meaning of a color.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Heading,
    Gone,
    Change,
    Back,
    Quiet,
}

impl Tone {
    /// Returns the parameters of the "select graphic rendition" sequence (ECMA-48).
    fn code(self) -> &'static str {
        match self {
            Self::Heading => "1",
            Self::Gone => "31",
            Self::Change => "33",
            Self::Back => "32",
            Self::Quiet => "2",
        }
    }
}

impl OutputStyle {
    /// Formats `text` in a tone, if colors are on.
    pub(super) fn tone(self, tone: Tone, text: &str) -> String {
        match self {
            Self::Terminal { colors: Colors::On, .. } => {
                format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code())
            }
            _ => text.to_owned(),
        }
    }

    /// Returns whether the output is a terminal.
    pub(super) fn is_terminal(self) -> bool {
        matches!(self, Self::Terminal { .. })
    }

    /// Returns the width in columns; `None` if there is no limit.
    pub(super) fn width(self) -> Option<usize> {
        match self {
            Self::Plain | Self::Terminal { width: usize::MAX, .. } => None,
            Self::Terminal { width, .. } => Some(width),
        }
    }

    /// Returns whether `line` fits into one line after `indent` characters.
    pub(super) fn has_room_for(self, indent: usize, line: &str) -> bool {
        match self {
            Self::Plain => true,
            Self::Terminal { width, .. } => {
                textwrap::core::display_width(line).saturating_add(indent) <= width
            }
        }
    }

    /// Wraps each line of `text` to the width of the terminal.
    pub fn wrapped(self, text: &str) -> String {
        let mut wrapped = String::new();
        for line in text.lines() {
            let words = line.trim_start();
            self.paragraph(&mut wrapped, line.len() - words.len(), words);
        }
        wrapped
    }

    /// Appends `text` as lines that are indented by `indent` spaces. On a terminal, lines are
    /// wrapped between words. A word that is too long, for example an ARN, gets a line of its own.
    pub(super) fn paragraph(self, into: &mut String, indent: usize, text: &str) {
        let Self::Terminal { width, .. } = self else {
            let _ = writeln!(into, "{:indent$}{text}", "");
            return;
        };
        let options = textwrap::Options::new(width.saturating_sub(indent).max(20))
            .break_words(false)
            .word_splitter(textwrap::WordSplitter::NoHyphenation)
            .word_separator(textwrap::WordSeparator::AsciiSpace);
        for line in textwrap::wrap(text, options) {
            let _ = writeln!(into, "{:indent$}{line}", "");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_never_broken_and_plain_text_is_never_wrapped() {
        let arn = "arn:aws:ec2:eu-central-1:123456789012:instance/i-0123456789abcdef0";
        let text = format!("in use: instance {arn}; last 1 of 5");
        let style = OutputStyle::Terminal { width: 30, colors: Colors::Off };
        let mut wrapped = String::new();
        style.paragraph(&mut wrapped, 4, &text);
        assert_eq!(wrapped, format!("    in use: instance\n    {arn};\n    last 1 of 5\n"));
        let mut plain = String::new();
        OutputStyle::Plain.paragraph(&mut plain, 2, &text);
        assert_eq!(plain, format!("  {text}\n"));
    }

    #[test]
    fn colors_only_where_they_are_wanted() {
        let style = |colors| OutputStyle::Terminal { width: 80, colors };
        assert_eq!(style(Colors::On).tone(Tone::Gone, "x"), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(style(Colors::Off).tone(Tone::Gone, "x"), "x");
        assert_eq!(OutputStyle::Plain.tone(Tone::Gone, "x"), "x");
    }
}
