//! How text is shown: on a terminal with signs, colours and a width; elsewhere plainly.

use std::fmt::Write as _;

/// How text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStyle {
    /// In a file or a pipe: no signs, no colours, no lines wrapped.
    Plain,
    /// On a terminal.
    Terminal {
        /// Its width in columns.
        width: usize,
        /// Whether it may show colours.
        colours: Colours,
    },
}

/// Whether a terminal may show colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// It may.
    On,
    /// It may not, or nobody wants it to (`NO_COLOR`).
    Off,
}

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Heading,
    Gone,
    Change,
    Back,
    Quiet,
}

impl Tone {
    /// The parameters of the terminal's "select graphic rendition" (ECMA-48).
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
    /// `text` in a tone, where there are colours.
    pub(super) fn tone(self, tone: Tone, text: &str) -> String {
        match self {
            Self::Terminal { colours: Colours::On, .. } => {
                format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code())
            }
            _ => text.to_owned(),
        }
    }

    /// Whether it is a terminal.
    pub(super) fn is_terminal(self) -> bool {
        matches!(self, Self::Terminal { .. })
    }

    /// The width in columns; `None` where there is no limit.
    pub(super) fn width(self) -> Option<usize> {
        match self {
            Self::Plain | Self::Terminal { width: usize::MAX, .. } => None,
            Self::Terminal { width, .. } => Some(width),
        }
    }

    /// Whether `line` fits into one line behind so many characters.
    pub(super) fn has_room_for(self, indent: usize, line: &str) -> bool {
        match self {
            Self::Plain => true,
            Self::Terminal { width, .. } => {
                textwrap::core::display_width(line).saturating_add(indent) <= width
            }
        }
    }

    /// `text` with each of its lines wrapped to the terminal.
    pub fn wrapped(self, text: &str) -> String {
        let mut wrapped = String::new();
        for line in text.lines() {
            let words = line.trim_start();
            self.paragraph(&mut wrapped, line.len() - words.len(), words);
        }
        wrapped
    }

    /// Appends `text` as lines that begin with `indent` spaces. On a terminal they are wrapped
    /// between words; a word that is too long, such as an ARN, stands whole on a line of its own.
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
        let style = OutputStyle::Terminal { width: 30, colours: Colours::Off };
        let mut wrapped = String::new();
        style.paragraph(&mut wrapped, 4, &text);
        assert_eq!(wrapped, format!("    in use: instance\n    {arn};\n    last 1 of 5\n"));
        let mut plain = String::new();
        OutputStyle::Plain.paragraph(&mut plain, 2, &text);
        assert_eq!(plain, format!("  {text}\n"));
    }

    #[test]
    fn colours_only_where_they_are_wanted() {
        let style = |colours| OutputStyle::Terminal { width: 80, colours };
        assert_eq!(style(Colours::On).tone(Tone::Gone, "x"), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(style(Colours::Off).tone(Tone::Gone, "x"), "x");
        assert_eq!(OutputStyle::Plain.tone(Tone::Gone, "x"), "x");
    }
}
