//! Splits image names into the family name and the parts that differ between builds: dates,
//! versions, numbers and commit IDs. Also finds the architecture in a name.
//!
//! A family that is too small only keeps too many images. A family that is too large lets images
//! expire although nothing replaces them. Therefore a part that may belong to the family name is
//! treated as part of it. Submodules: `token` (the parts of a name) and `words` (the words that
//! decide).

mod token;
mod words;

use std::borrow::Cow;

use token::{Part, SEPARATORS, Token, ends_in_date, is_date_of_three, is_year, time_of_day};
pub(crate) use words::architecture;

/// The parts of an image name, each with its role.
#[derive(Debug)]
pub(crate) struct NameParts<'a> {
    name: &'a str,
    parts: Vec<(Token<'a>, TokenRole)>,
}

/// The role of a part of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenRole {
    /// The part belongs to the family name.
    Stays,
    /// The first bytes of the part belong to the family name; the value is their number. The number
    /// after them in the name differs between builds.
    Begins(usize),
    /// The part is a name of this architecture.
    Architecture(&'static str),
    /// The part differs between builds.
    Goes,
}

/// A piece of a name, including the separators before it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Text that is the same in the names of all builds.
    Fixed(&'a str),
    /// Text that differs between builds.
    Varies(&'a str),
}

/// The family name: `name` without dates, times, three-part versions and commit IDs, and without
/// trailing numbers and versions. The architecture is not part of it: `web-20261121-arm64` and
/// `web-amd64-17` both have the family name `web`.
pub(crate) fn name_prefix(name: &str) -> Cow<'_, str> {
    NameParts::of(name).prefix()
}

impl<'a> NameParts<'a> {
    /// Splits `name` into parts.
    pub(crate) fn of(name: &'a str) -> Self {
        // Names in EC2 have at most 128 characters.
        const MAX_LENGTH: usize = 1000;
        if name.len() > MAX_LENGTH {
            return Self { name, parts: Vec::new() };
        }
        let tokens = Token::all(name);
        let architectures: Vec<_> =
            tokens.iter().map(|one| words::architecture(one.text)).collect();
        let others = tokens.iter().zip(&architectures);
        let others: Vec<&Token<'_>> =
            others.filter(|(_, known)| known.is_none()).map(|(token, _)| token).collect();
        let mut roles = roles(&others, |token| {
            let next = tokens.iter().position(|one| one.start > token.start);
            next.is_some_and(|next| architectures.get(next).is_some_and(Option::is_some))
        });
        // If no part belongs to the family name, the first part becomes the family name.
        let is_nothing = roles.iter().all(|role| *role == TokenRole::Goes);
        let is_bare = is_nothing && architectures.first().is_some_and(Option::is_some);
        if let Some(first) = roles.first_mut().filter(|_| is_nothing && !is_bare) {
            *first = TokenRole::Stays;
        }
        let mut roles = roles.into_iter();
        let parts = tokens.into_iter().zip(architectures).enumerate();
        let parts = parts.map(|(position, (token, architecture))| {
            let role = match architecture {
                Some(_) if is_bare && position == 0 => TokenRole::Stays,
                Some(architecture) => TokenRole::Architecture(architecture),
                None => roles.next().unwrap_or(TokenRole::Stays),
            };
            (token, role)
        });
        Self { name, parts: parts.collect() }
    }

    /// The family name, without the architecture.
    pub(crate) fn prefix(&self) -> Cow<'a, str> {
        let Self { name, parts } = self;
        let varying = parts.iter().position(|(_, role)| *role != TokenRole::Stays);
        let Some(varying) = varying else {
            let trimmed = name.trim_end_matches(is_before);
            return if trimmed.is_empty() { *name } else { trimmed }.into();
        };
        // The head keeps a closing bracket at its end: `web (prod)`.
        let end = parts.get(varying).map_or(0, |(first, _)| first.start);
        let head = name.get(..end).unwrap_or_default().trim_end_matches(is_before);
        let mut prefix = Cow::from(head);
        for (token, role) in parts.iter().skip(varying) {
            let length = match role {
                TokenRole::Stays => token.text.len(),
                TokenRole::Begins(length) => *length,
                TokenRole::Architecture(_) | TokenRole::Goes => continue,
            };
            let text = token.text.get(..length).unwrap_or_default();
            if !prefix.is_empty() {
                let before = name.get(..token.start).unwrap_or_default().chars().next_back();
                prefix.to_mut().push(match before {
                    Some(')' | ']' | '(' | '[') | None => ' ',
                    Some(separator) => separator,
                });
            }
            prefix.to_mut().push_str(text);
        }
        if prefix.is_empty() { (*name).into() } else { prefix }
    }

    /// The architectures in the name, as EC2 calls them, each once: `x86_64`, or `x86_64+arm64`.
    pub(crate) fn architecture(&self) -> Option<Cow<'static, str>> {
        let mut found: Vec<&'static str> = Vec::new();
        for (_, role) in &self.parts {
            if let TokenRole::Architecture(one) = role
                && !found.contains(one)
            {
                found.push(one);
            }
        }
        match *found {
            [] => None,
            [one] => Some(one.into()),
            _ => Some(found.join("+").into()),
        }
    }

    /// The name as a sequence of pieces.
    pub(crate) fn pieces(&self) -> Vec<Piece<'a>> {
        let Self { name, parts } = self;
        let mut varying: Vec<(usize, usize)> = Vec::new();
        let mut is_after_varying = false;
        for (token, role) in parts {
            let from = match role {
                TokenRole::Goes => token.start,
                TokenRole::Begins(length) => token.start + length,
                TokenRole::Stays | TokenRole::Architecture(_) => token.end(),
            };
            match varying.last_mut() {
                // The separator between two varying parts varies too.
                Some((_, end)) if is_after_varying && *role == TokenRole::Goes => {
                    *end = token.end()
                }
                _ if from < token.end() => varying.push((from, token.end())),
                _ => {}
            }
            is_after_varying = from < token.end();
        }
        let mut pieces = Vec::new();
        let mut done = 0;
        for (start, end) in varying {
            pieces.extend(name.get(done..start).filter(|text| !text.is_empty()).map(Piece::Fixed));
            pieces.extend(name.get(start..end).map(Piece::Varies));
            done = end;
        }
        pieces.extend(name.get(done..).filter(|text| !text.is_empty()).map(Piece::Fixed));
        pieces
    }
}

/// What follows a part of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing that belongs to the family name.
    End,
    /// An architecture.
    Architecture,
    /// A word that belongs to the family name.
    Kind,
}

/// The role of each part, except architectures.
fn roles(
    tokens: &[&Token<'_>],
    is_before_architecture: impl Fn(&Token<'_>) -> bool,
) -> Vec<TokenRole> {
    let mut roles = vec![TokenRole::Stays; tokens.len()];
    let mut set = |position: usize, role| {
        if let Some(one) = roles.get_mut(position) {
            *one = role;
        }
    };
    // First, the end of the name: most parts that differ between builds are there, and only there a
    // plain number counts as a build number.
    let (mut is_shortened, mut is_before_kind) = (false, false);
    let mut left = tokens;
    while let [rest @ .., last] = left {
        if let Some(length) = words::kind(last.text) {
            if length < last.text.len() {
                is_shortened = true;
                set(rest.len(), TokenRole::Begins(length));
            }
            is_before_kind = true;
            left = rest;
            continue;
        }
        let before = match is_before_kind {
            true => Before::Kind,
            false if is_before_architecture(last) => Before::Architecture,
            false => Before::End,
        };
        let going = going(left, is_shortened, before);
        let mut last = left.len().saturating_sub(going)..left.len();
        let going = last.rfind(|at| is_fixed(left, *at)).map_or(going, |at| left.len() - at - 1);
        if going == 0 {
            break;
        }
        let remaining = left.len() - going;
        (remaining..left.len()).for_each(|position| set(position, TokenRole::Goes));
        left = left.get(..remaining).unwrap_or_default();
        (is_shortened, is_before_kind) = (true, false);
    }
    // Then, the rest of the name: only parts that certainly do not belong to the family name are
    // removed.
    let mut position = 0;
    while position < left.len() {
        let (role, count) = role_within(tokens, position);
        (position..position + count).for_each(|position| set(position, role));
        position += count;
    }
    roles
}

/// The role of the part at `position`, which is not at the end, and the number of parts from there
/// that have the same role.
fn role_within(tokens: &[&Token<'_>], position: usize) -> (TokenRole, usize) {
    let Some((token, after)) = tokens.get(position..).and_then(<[_]>::split_first) else {
        return (TokenRole::Stays, 1);
    };
    let previous = position.checked_sub(1).and_then(|at| tokens.get(at));
    let follows = |is: fn(&str) -> bool| previous.is_some_and(|token| is(token.text));
    if is_fixed(tokens, position) {
        return (TokenRole::Stays, 1);
    }
    if let [month, day, rest @ ..] = after
        && is_date_of_three(token, month, day)
    {
        return (TokenRole::Goes, 3 + time_of_day(day, rest));
    }
    if token.is_date() {
        return (TokenRole::Goes, 1 + time_of_day(token, after));
    }
    let follows_build = follows(|word| word.eq_ignore_ascii_case("build"));
    let follows_version = previous.is_some_and(|token| token.part == Part::Version);
    let is_before_commit = after.first().is_some_and(|token| token.part == Part::Commit);
    let role = match token.part {
        _ if follows(words::is_owner) => TokenRole::Stays,
        Part::Commit if follows(words::begins_aws_id) => TokenRole::Stays,
        Part::Version if follows(is_ip) => TokenRole::Stays,
        Part::Version if follows(words::is_system) => {
            token.before_date().map_or(TokenRole::Stays, TokenRole::Begins)
        }
        Part::Version | Part::Commit => TokenRole::Goes,
        Part::Time if token.is_epoch() => TokenRole::Goes,
        // `1.2.3-5-g1a2b3c4`: the fifth commit after a release.
        Part::Number if follows_build || (follows_version && is_before_commit) => TokenRole::Goes,
        Part::Word => match words::kind(token.text) {
            // `build42` anywhere, `rc1` after a version.
            Some(length)
                if length < token.text.len()
                    && (follows_version || token.text.get(..length) == Some("build")) =>
            {
                TokenRole::Begins(length)
            }
            _ => TokenRole::Stays,
        },
        Part::Number | Part::Time | Part::DayAndTime | Part::Series => TokenRole::Stays,
    };
    (role, 1)
}

/// Whether the part at `position` belongs to an AWS ID or an IP address, whatever it looks like.
/// Images named after different IDs or addresses do not replace one another.
fn is_fixed(tokens: &[&Token<'_>], position: usize) -> bool {
    const QUAD: usize = 4;
    // A word always belongs to the family name.
    let Some(token) = tokens.get(position).filter(|one| one.part != Part::Word) else {
        return false;
    };
    let before = |back: usize| position.checked_sub(back).and_then(|at| tokens.get(at));
    let is_id = matches!(token.text.len(), 8 | 17)
        && token.text.bytes().all(|b| b.is_ascii_hexdigit())
        && before(1).is_some_and(|word| words::begins_aws_id(word.text));
    let is_address = is_private_address(token.text);
    // `ip-10-0-1-12`, the form of EC2 host names.
    let is_octet = |token: &Token<'_>| token.text.parse::<u8>().is_ok();
    let is_of_host = (1..=QUAD).any(|back| {
        before(back).is_some_and(|word| is_ip(word.text))
            && (1..=back).all(|at| before(back - at).is_some_and(|token| is_octet(token)))
    });
    is_id || is_address || is_of_host
}

/// The number of trailing parts that differ between builds. `is_shortened`: a part after them was
/// already removed.
fn going(tokens: &[&Token<'_>], is_shortened: bool, before: Before) -> usize {
    let [rest @ .., last] = tokens else { return 0 };
    if ends_in_date(tokens) {
        return 3;
    }
    let follows = |is: fn(&str) -> bool| rest.last().is_some_and(|token| is(token.text));
    let digits = last.text.len();
    // `web-14-arm64`: a small number is as likely to belong to the family name as not.
    let is_build = last.part == Part::Number && (3..=7).contains(&digits) && !is_year(last.text);
    match before {
        Before::End => {}
        Before::Architecture if is_build => {}
        Before::Architecture | Before::Kind if ends_in_stamp(tokens) => {}
        Before::Architecture | Before::Kind => return 0,
    }
    let is_release = match last.part {
        Part::Number => digits <= 4,
        Part::Series | Part::Version => true,
        _ => false,
    };
    let stays = match last.part {
        Part::Word | Part::DayAndTime => true,
        _ if last.is_date() => false,
        _ if is_release && follows(words::is_system) => true,
        _ if follows(words::is_owner) => true,
        Part::Number if digits <= 2 && follows(words::is_compass) => true,
        Part::Number => is_year(last.text) && follows(|word| word.eq_ignore_ascii_case("server")),
        // `postgres-14.2-20261121`: builds of 14.2 are not replaced by builds of 15.1.
        Part::Series => is_shortened,
        Part::Commit => follows(words::begins_aws_id),
        Part::Version => follows(is_ip),
        // An account ID.
        Part::Time => digits == 12,
    };
    usize::from(!stays)
}

/// Whether the name certainly ends in a date, a time, a long version or a commit ID.
fn ends_in_stamp(tokens: &[&Token<'_>]) -> bool {
    let mut left = tokens;
    while let [rest @ .., last] = left {
        match last.part {
            _ if ends_in_date(left) => return true,
            Part::Time | Part::Version | Part::Commit => return true,
            // A time of day after a date.
            Part::Number => left = rest,
            Part::Word | Part::Series | Part::DayAndTime => return false,
        }
    }
    false
}

/// Whether the text is an IPv4 address for private networks (RFC 1918).
fn is_private_address(text: &str) -> bool {
    let octets: Option<Vec<u8>> = text.split('.').map(|one| one.parse().ok()).collect();
    match octets.as_deref() {
        Some([10, _, _, _] | [192, 168, _, _]) => true,
        Some([172, second, _, _]) => (16..=31).contains(second),
        _ => false,
    }
}

fn is_ip(word: &str) -> bool {
    word.eq_ignore_ascii_case("ip")
}

/// Whether the character is a separator that is removed together with the part that follows it.
fn is_before(character: char) -> bool {
    character == '.' || SEPARATORS.contains(&character) && !matches!(character, ')' | ']')
}

#[cfg(test)]
mod tests;
