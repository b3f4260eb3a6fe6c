//! The name of an image without what tells its builds apart: dates, versions, numbers, commits.
//!
//! A family that is too small only keeps too much, but one that is too large lets images expire that
//! nothing replaces. So a part of a name that may belong to it stays.

use std::borrow::Cow;

/// What stands between the parts of a name; a full stop does too, before a number.
const SEPARATORS: [char; 10] = ['-', '_', ' ', '/', '@', '+', '(', ')', '[', ']'];
/// Words that stay although the date or version before them goes.
const KINDS: [&str; 20] = [
    "x86_64", "x86-64", "arm64", "aarch64", "amd64", "i386", "x64", "hvm", "ebs", "gp2", "gp3",
    "snapshot", "nightly", "preview", "dev", "pre", "alpha", "beta", "build", "rc",
];
/// Those of them that a number may follow directly, as in `rc1`. The number goes.
const NUMBERED: [&str; 4] = ["alpha", "beta", "build", "rc"];
/// Systems and programs whose versions do not replace one another: the number after them stays.
const SYSTEMS: [&str; 42] = [
    "al",
    "alma",
    "almalinux",
    "amzn",
    "centos",
    "cuda",
    "debian",
    "dotnet",
    "eks",
    "el",
    "es",
    "fedora",
    "freebsd",
    "go",
    "java",
    "jdk",
    "k8s",
    "kubernetes",
    "linux",
    "macos",
    "mariadb",
    "mongodb",
    "mysql",
    "node",
    "nodejs",
    "ol",
    "openjdk",
    "opensuse",
    "pg",
    "php",
    "postgres",
    "postgresql",
    "python",
    "redhat",
    "rhel",
    "rocky",
    "ruby",
    "sles",
    "sql",
    "tomcat",
    "ubuntu",
    "windows",
];
/// What ids of AWS begin with: after it, hexadecimal digits are no commit.
const ID_KINDS: [&str; 10] = ["ami", "eni", "i", "ip", "lt", "sg", "snap", "subnet", "vol", "vpc"];

/// What the builds of a family have in common in their names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NameParts<'a> {
    /// The beginning of the name, up to the first part that goes.
    pub head: &'a str,
    /// The words after it that stay, each with the separator before it.
    pub kinds: Vec<&'a str>,
}

/// A name without its trailing dates, times, versions, numbers and commits. A word such as `arm64`
/// or `rc` after them stays: `web-20261121-arm64` is `web-arm64`.
pub(crate) fn name_prefix(name: &str) -> Cow<'_, str> {
    let NameParts { head, kinds } = NameParts::of(name);
    if kinds.is_empty() { head.into() } else { format!("{head}{}", kinds.concat()).into() }
}

impl<'a> NameParts<'a> {
    /// The parts of `name`.
    pub(crate) fn of(name: &'a str) -> Self {
        // EC2's names have at most 128 characters.
        const MAX_LENGTH: usize = 1000;
        if name.len() > MAX_LENGTH {
            return Self { head: name, kinds: Vec::new() };
        }
        let tokens = Token::all(name);
        let before = |position: usize| {
            let end = tokens.get(position).map_or(name.len(), |token| token.start);
            let head = name.get(..end).unwrap_or_default().trim_end_matches(is_before);
            if head.is_empty() { name } else { head }
        };
        let mut parts = Self { head: before(tokens.len()), kinds: Vec::new() };
        // Words that stay where the part before them goes.
        let mut kinds = Vec::new();
        let mut is_shortened = false;
        let mut left = tokens.as_slice();
        // The first part is the name itself, whatever it is.
        while let [_, .., last] = left {
            if let Some((kind, number)) = last.kind(name) {
                if !number.is_empty() {
                    let end = last.start + last.text.len() - number.len();
                    parts.head = name.get(..end).unwrap_or_default();
                    parts.kinds.append(&mut kinds);
                    is_shortened = true;
                }
                kinds.push(kind);
                left = left.get(..left.len() - 1).unwrap_or_default();
                continue;
            }
            let going = going(left, is_shortened, !kinds.is_empty());
            if going == 0 {
                break;
            }
            left = left.get(..left.len() - going).unwrap_or_default();
            parts.head = before(left.len());
            parts.kinds.append(&mut kinds);
            is_shortened = true;
        }
        parts.kinds.reverse();
        parts
    }
}

/// How many of the last parts go. `is_shortened`: a part behind them has gone; `is_before_kind`: the
/// next one is a word that stays.
fn going(tokens: &[Token<'_>], is_shortened: bool, is_before_kind: bool) -> usize {
    let [_, .., last] = tokens else { return 0 };
    if ends_in_date(tokens) {
        return 3;
    }
    // `web-14-arm64`: the number is as likely a part of the name as not.
    if is_before_kind && !ends_in_stamp(tokens) {
        return 0;
    }
    let previous = tokens.len().checked_sub(2).and_then(|at| tokens.get(at));
    let follows = |words: &[&str]| previous.is_some_and(|token| is_in(words, token.text));
    let is_release = match last.part {
        Part::Number => last.text.len() <= 4,
        Part::Series => true,
        Part::Version => !is_year(last.text),
        _ => false,
    };
    let stays = match last.part {
        Part::Word | Part::DayAndTime => true,
        _ if is_release && follows(&SYSTEMS) => true,
        Part::Number if is_year(last.text) && follows(&["server"]) => true,
        // `postgres-14.2-20261121`: the builds of 14.2, which 15.1 does not replace.
        Part::Series => is_shortened,
        Part::Commit => follows(&ID_KINDS),
        Part::Number | Part::Version | Part::Time => false,
    };
    usize::from(!stays)
}

/// Whether the last parts are surely a date, a time, a long version or a commit.
fn ends_in_stamp(tokens: &[Token<'_>]) -> bool {
    let mut left = tokens;
    while let [rest @ .., last] = left {
        match last.part {
            _ if ends_in_date(left) => return true,
            Part::Time | Part::Version | Part::Commit => return !rest.is_empty(),
            // The time of the day after a date.
            Part::Number => left = rest,
            Part::Word | Part::Series | Part::DayAndTime => return false,
        }
    }
    false
}

/// Whether the last three parts are a year, a month and a day, and are not the whole name.
fn ends_in_date(tokens: &[Token<'_>]) -> bool {
    let [_, .., year, month, day] = tokens else { return false };
    let is_day = day.part == Part::DayAndTime || is_within(day.text, 31);
    is_year(year.text) && year.text.len() == 4 && is_within(month.text, 12) && is_day
}

fn is_within(text: &str, most: u32) -> bool {
    text.len() == 2 && text.parse().is_ok_and(|number: u32| (1..=most).contains(&number))
}

/// Whether it begins with a year, and nothing but dots and more digits follow.
fn is_year(text: &str) -> bool {
    let year = text.split('.').next().unwrap_or_default();
    year.len() == 4 && year.parse().is_ok_and(|year: u32| (1980..=2099).contains(&year))
}

/// What may stand before a part that goes, and goes with it.
fn is_before(character: char) -> bool {
    character == '.' || SEPARATORS.contains(&character) && !matches!(character, ')' | ']')
}

fn is_in(words: &[&str], word: &str) -> bool {
    words.iter().any(|one| one.eq_ignore_ascii_case(word))
}

/// A part of a name.
#[derive(Debug)]
struct Token<'a> {
    text: &'a str,
    /// Where it begins in the name.
    start: usize,
    part: Part,
}

/// What a part of a name may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Anything else.
    Word,
    /// A number of up to seven digits, or a time of day.
    Number,
    /// A longer number, such as a date or seconds since 1970; a date with a time.
    Time,
    /// The last part of a date with dashes, and a time.
    DayAndTime,
    /// Two numbers: `1.2`.
    Series,
    /// Three numbers or more: `1.2.3`.
    Version,
    /// The id of a commit, in hexadecimal digits.
    Commit,
}

impl<'a> Token<'a> {
    fn all(name: &'a str) -> Vec<Self> {
        let mut tokens: Vec<Self> = Vec::new();
        let mut start = 0;
        for text in name.split(SEPARATORS) {
            let at = start;
            start += text.len() + 1;
            let text = text.trim_end_matches('.');
            if text.is_empty() {
                continue;
            }
            // The two parts of `x86_64`.
            if let Some(last) = tokens.last_mut()
                && text == "64"
                && last.text.eq_ignore_ascii_case("x86")
                && last.start + last.text.len() + 1 == at
            {
                last.text = name.get(last.start..at + text.len()).unwrap_or_default();
                continue;
            }
            Self::push(&mut tokens, text, at);
        }
        tokens
    }

    /// `web.20261121.arm64` is three parts: what follows a full stop is one if it is a number, a
    /// commit or a word that stays.
    fn push(tokens: &mut Vec<Self>, text: &'a str, start: usize) {
        const MAX_TAILS: usize = 4;
        let mut head = text;
        let mut tails = Vec::new();
        while Part::of(head) == Part::Word && tails.len() < MAX_TAILS {
            let is_part = |tail: &str| Part::of(tail) != Part::Word || is_in(&KINDS, tail);
            let mut dots = head.match_indices('.').map(|(dot, _)| dot);
            let Some(dot) = dots.find(|dot| head.get(dot + 1..).is_some_and(is_part)) else {
                break;
            };
            let text = head.get(dot + 1..).unwrap_or_default();
            tails.push(Self { text, start: start + dot + 1, part: Part::of(text) });
            head = head.get(..dot).unwrap_or_default();
        }
        if !head.is_empty() {
            tails.push(Self { text: head, start, part: Part::of(head) });
        }
        tokens.extend(tails.into_iter().rev());
    }

    /// The word that stays, with the separator before it, and the number that follows it.
    fn kind(&self, name: &'a str) -> Option<(&'a str, &'a str)> {
        let word = self.text.trim_end_matches(|c: char| c.is_ascii_digit());
        let end = if is_in(&KINDS, self.text) {
            self.text.len()
        } else if is_in(&NUMBERED, word) {
            word.len()
        } else {
            return None;
        };
        let number = self.text.get(end..)?;
        let kind = name.get(self.start.checked_sub(1)?..self.start + end)?;
        Some((kind, number))
    }
}

impl Part {
    fn of(text: &str) -> Self {
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let is_time = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_digit())
                && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.'))
        };
        let number = text.strip_prefix(['v', 'V']).unwrap_or(text);
        if is_digits(number) {
            return if number.len() >= 8 { Self::Time } else { Self::Number };
        }
        if number.split('.').all(is_digits) {
            return if number.matches('.').count() == 1 { Self::Series } else { Self::Version };
        }
        let time = text.strip_suffix(['z', 'Z']).unwrap_or(text);
        if let Some((date, time)) = time.split_once(['t', 'T']) {
            return match date.len() {
                8 if is_digits(date) && is_time(time) => Self::Time,
                2 if is_digits(date) && is_time(time) => Self::DayAndTime,
                _ => Self::Word,
            };
        }
        if time.len() >= 2 && is_time(time) {
            return Self::Number;
        }
        if is_commit(text.strip_prefix('g').unwrap_or(text)) { Self::Commit } else { Self::Word }
    }
}

/// Whether it is the id of a commit, short or whole. A word with a number, such as `facade12`, is
/// none, and neither are ids of AWS, which have 8 or 17 digits after a word of their own.
fn is_commit(text: &str) -> bool {
    let letters = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_word_and_number = letters.bytes().all(|b| b.is_ascii_lowercase());
    matches!(text.len(), 7..=12 | 40)
        && !is_word_and_number
        && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forms of names, by family.
    const FAMILIES: &[(&str, &[&str])] = &[
        (
            "web",
            &[
                "web",
                "web-",
                "web-17",
                "web_v17",
                "web-20261121",
                "web.20261121",
                "web (20261121)",
                "web [17]",
                "web@20261121",
                "web/17",
                "web-2026-11-21",
                "web-2026.11.21",
                "web_2026_11_21",
                "web-20261121-0312",
                "web-2026-11-21-03-12-00",
                "web-2026-11-21T03:12:00Z",
                "web-2026-11-21t03:12:00z",
                "web-2026-11-21T03:12:00+01:00",
                "web-2026-11-21t03-12-00z",
                "web-20261121t031200z",
                "web-20261121T031200Z",
                "web-1763175600",
                "web-1.2",
                "web-1.2.3",
                "web-v1.2.3",
                "web.v1.2.3",
                "web-1.2.3+17",
                "web-1a2b3c4",
                "web-g1a2b3c4",
                "web-0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
                "web-20261121-1a2b3c4",
                "web-1.2.3-5-g1a2b3c4",
                "web--20261121",
            ],
        ),
        ("web-rc", &["web-1.2.3-rc1", "web-1.2.3-rc.2", "web-1.2.4-rc3", "web-rc-4", "web-rc5"]),
        ("web-RC", &["web-1.2.4-RC3"]),
        ("web-1.4-rc", &["web-1.4-rc1", "web-1.4-rc2"]),
        ("web-beta", &["web-beta", "web-beta-2", "web-beta2", "web-1.2.3-beta.1"]),
        (
            "web-arm64",
            &[
                "web-20261121-arm64",
                "web-arm64-20261121",
                "web-arm64-17",
                "web-20261121-0312-arm64",
                "web-2026-11-21-arm64",
                "web-1.2.3-arm64",
                "web-1a2b3c4-arm64",
                "web (20261121)-arm64",
            ],
        ),
        ("web.arm64", &["web.20261121.arm64", "web.arm64.20261121", "web.1.2.3.arm64"]),
        ("web-x86_64", &["web-20261121-x86_64", "web-x86_64-20261121", "web-x86_64"]),
        ("web-rc-arm64", &["web-1.2.3-rc1-arm64", "web-1.2.4-rc2-arm64"]),
        ("web-nightly", &["web-20261121-nightly", "web-nightly-20261121"]),
        ("db", &["db-1", "db-20261121"]),
        ("web-server", &["web-server-2"]),
        ("web-canary", &["web-canary-17"]),
        ("web (prod)", &["web (prod)", "web (prod) 20261121", "web (prod)-17"]),
        // Systems and programs, whose versions do not replace one another.
        ("ubuntu-22.04", &["ubuntu-22.04", "ubuntu-22.04-20261121", "ubuntu-22.04-2026-11-21"]),
        ("ubuntu-24.04", &["ubuntu-24.04", "ubuntu-24.04-20261121"]),
        ("ubuntu", &["ubuntu-20261121", "ubuntu-2026-11-21", "ubuntu-2026.11.21"]),
        (
            "ubuntu-22.04-amd64",
            &["ubuntu-22.04-amd64", "ubuntu-22.04-amd64-20261121", "ubuntu-22.04-20261121-amd64"],
        ),
        ("ubuntu-22.04.3", &["ubuntu-22.04.3-20261121"]),
        ("debian-12", &["debian-12", "debian-12-20261121-1234"]),
        ("windows-server-2019", &["windows-server-2019", "windows-server-2019-2026.11.12"]),
        ("windows-server-2022", &["windows-server-2022-20261112"]),
        ("python-3.11", &["python-3.11", "python-3.11-20261121"]),
        ("amzn2-ami-hvm-x86_64-gp2", &["amzn2-ami-hvm-2.0.20261121.0-x86_64-gp2"]),
        // A number of two parts before a date may be a line of its own.
        ("api-14.2", &["api-14.2-20261121", "api-14.2-17"]),
        ("api-15.1", &["api-15.1-20261121"]),
        ("api-v2.0", &["api-v2.0-1a2b3c4"]),
        // So may a short number before a word.
        ("api-14-arm64", &["api-14-arm64"]),
        ("api-15-arm64", &["api-15-arm64"]),
        // Ids of AWS and words with numbers.
        ("copy-of-i-0a1b2c3d", &["copy-of-i-0a1b2c3d", "copy-of-i-0a1b2c3d-20261121"]),
        ("copy-of-i-0123456789abcdef0", &["copy-of-i-0123456789abcdef0-20261121"]),
        ("web-facade12", &["web-facade12"]),
        ("web-defaced", &["web-defaced"]),
        ("web-dev1", &["web-dev1"]),
        ("web-dev2", &["web-dev2"]),
        ("web-2a", &["web-2a"]),
        ("web-1T", &["web-1T"]),
        ("web.example.com", &["web.example.com", "web.example.com-17", "web.example.com.20261121"]),
        ("ubuntu-22.04-web", &["ubuntu-22.04-web-20261121-0312"]),
        // Nothing but a number.
        ("2026", &["2026", "2026-11-21"]),
        ("20261121", &["20261121", "20261121-1"]),
        ("-1", &["-1"]),
        ("---", &["---"]),
        ("", &[""]),
    ];

    #[test]
    fn names_of_builds_are_one_family_and_others_are_not() {
        let mut wrong = Vec::new();
        for (prefix, names) in FAMILIES {
            for name in *names {
                let found = name_prefix(name);
                if found != *prefix {
                    wrong.push(format!("{name}: {found}, and not {prefix}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        let names: usize = FAMILIES.iter().map(|(_, names)| names.len()).sum();
        assert!(names >= 40);
    }

    #[test]
    fn a_prefix_is_its_own_prefix() {
        for (prefix, _) in FAMILIES {
            // A word that stays is no longer behind what went.
            let again = name_prefix(prefix);
            assert!(prefix.starts_with(&*again), "{prefix}: {again}");
        }
    }
}
