//! Finds near misses: what a value in the policy that matches nothing was probably meant to be.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use strsim::damerau_levenshtein;

use super::condition::{NearKind, NearMiss, ValueCount};
use crate::model::Image;
use crate::policy::{Glob, literal};

/// Shorter values, in characters, are not searched inside other values or compared by spelling.
const MIN_LENGTH: usize = 3;
/// The maximum number of values in a note.
const MAX_VALUES: usize = 3;
/// If there are more different values, the most frequent ones are not useful.
const MAX_DIFFERENT: usize = 20;
/// Synonyms of the architecture names in EC2.
const SYNONYMS: [(&str, &str); 4] =
    [("amd64", "x86_64"), ("x64", "x86_64"), ("x86-64", "x86_64"), ("aarch64", "arm64")];

/// The number of occurrences of each value.
pub(super) type Frequencies<'a> = BTreeMap<&'a str, usize>;

pub(super) fn frequencies<'a>(values: impl Iterator<Item = &'a str>) -> Frequencies<'a> {
    let mut counts = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    counts
}

/// The most frequent values, if there are few different values.
pub(super) fn most_frequent(frequencies: &Frequencies<'_>) -> Vec<ValueCount> {
    if frequencies.len() > MAX_DIFFERENT {
        return Vec::new();
    }
    let counts = frequencies.iter();
    let mut values: Vec<_> = counts
        .map(|(value, images)| ValueCount { value: (*value).to_owned(), images: *images })
        .collect();
    values.sort_by_key(|one| Reverse(one.images));
    values.truncate(MAX_VALUES);
    values
}

/// The most similar tag key that images have, for a `key` that no image has. Among equally similar
/// keys, a key with a value that `glob` matches is preferred, and then the most frequent one.
pub(super) fn tag_key(key: &str, glob: Option<&Glob>, images: &[&Image]) -> Option<NearMiss> {
    // For each key, the number of images that have it, and the number with a value that the glob
    // matches.
    let mut keys: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (other, value) in images.iter().flat_map(|image| image.tags.iter()) {
        let (all, matching) = keys.entry(other).or_default();
        *all += 1;
        *matching += usize::from(glob.is_some_and(|glob| glob.is_match(value)));
    }
    let folded = folded_key(key);
    let similar = keys.into_iter().filter_map(|(other, (images, matching))| {
        let distance = distance(&folded, &folded_key(other))?;
        Some((distance, Reverse(matching > 0), Reverse(images), other))
    });
    let (_, _, Reverse(images), other) = similar.min()?;
    Some(NearMiss { kind: NearKind::TagKey, text: other.to_owned(), images })
}

/// The key that differs from `key` only in letter case or separators, with the number of images
/// whose value for it matches `glob`.
pub(super) fn tag_key_with(key: &str, glob: &Glob, images: &[&Image]) -> Option<NearMiss> {
    let folded = folded_key(key);
    let tags = images.iter().flat_map(|image| image.tags.iter());
    let is_same = |other: &str| other != key && folded_key(other) == folded;
    let matching = tags.filter(|(other, value)| is_same(other) && glob.is_match(value));
    let keys = frequencies(matching.map(|(other, _)| other));
    let (other, images) = keys.into_iter().max_by_key(|(_, images)| *images)?;
    Some(NearMiss { kind: NearKind::TagKey, text: other.to_owned(), images })
}

/// A glob that is similar to `glob`, which matches none of the values, and that matches some of
/// them.
pub(super) fn text(glob: &Glob, values: &Frequencies<'_>) -> Option<NearMiss> {
    let candidates: Vec<(NearKind, usize, String)> = match Literal::of(glob.as_str()) {
        Some(literal) => values.keys().filter_map(|value| literal.near(value)).collect(),
        None => near_pattern(glob, values),
    };
    let counted = |(kind, distance, text): (NearKind, usize, String)| {
        let glob = Glob::new(&text).ok()?;
        let matched = values.iter().filter(|(value, _)| glob.is_match(value));
        let images: usize = matched.map(|(_, images)| images).sum();
        Some((kind, distance, Reverse(images), text))
    };
    let nearest = candidates.iter().map(|(kind, distance, _)| (*kind, *distance)).min()?;
    let mut texts: Vec<_> = candidates
        .into_iter()
        .filter(|(kind, distance, _)| (*kind, *distance) == nearest)
        .collect();
    texts.sort();
    texts.dedup();
    let (kind, _, Reverse(images), text) = texts.into_iter().filter_map(counted).min()?;
    Some(NearMiss { kind, text, images })
}

/// Candidates for a glob with wildcards other than a `*` at its end.
fn near_pattern(glob: &Glob, values: &Frequencies<'_>) -> Vec<(NearKind, usize, String)> {
    let mut candidates = Vec::new();
    if let Ok(folded_glob) = Glob::new(&folded(glob.as_str())) {
        let same = values.keys().filter(|value| folded_glob.is_match(&folded(value)));
        candidates.extend(same.map(|value| (NearKind::LetterCase, 0, literal(value))));
    }
    let open = format!("{glob}*");
    let begins_with_text = glob.as_str().chars().take(MIN_LENGTH).all(char::is_alphanumeric);
    if begins_with_text
        && let Ok(open_glob) = Glob::new(&open)
        && values.keys().any(|value| open_glob.is_match(value))
    {
        candidates.push((NearKind::MissingWildcard, 0, open));
    }
    candidates
}

/// A glob without wildcards other than an optional `*` at its end.
struct Literal<'a> {
    text: &'a str,
    folded: String,
    length: usize,
    is_open: bool,
}

impl<'a> Literal<'a> {
    fn of(glob: &'a str) -> Option<Self> {
        let (text, is_open) = match glob.strip_suffix('*') {
            Some(text) => (text, true),
            None => (glob, false),
        };
        let is_plain = !text.is_empty() && !text.contains(['*', '?', '[', ']', '{', '}', '\\']);
        let length = text.chars().count();
        is_plain.then(|| Self { text, folded: folded(text), length, is_open })
    }

    /// How `value` differs from this text, and a glob that matches `value`.
    fn near(&self, value: &str) -> Option<(NearKind, usize, String)> {
        let Self { text, folded: wanted, length, is_open } = self;
        let begin = |length: usize| value.chars().take(length).collect::<String>();
        let star = if *is_open { "*" } else { "" };
        let other = folded(value);
        let is_whole = if *is_open { other.starts_with(wanted) } else { other == *wanted };
        if is_whole {
            return Some((NearKind::LetterCase, 0, literal(&begin(*length)) + star));
        }
        if other.starts_with(wanted) {
            let distance = usize::from(!value.starts_with(text));
            return Some((NearKind::MissingWildcard, distance, literal(&begin(*length)) + "*"));
        }
        if *length < MIN_LENGTH {
            return None;
        }
        if let Some(at) = other.find(wanted.as_str()) {
            let skipped = other.get(..at)?.chars().count();
            let part: String = value.chars().skip(skipped).take(*length).collect();
            let distance = if part == *text { 2 } else { 3 };
            return Some((NearKind::MissingWildcard, distance, format!("*{}*", literal(&part))));
        }
        if SYNONYMS.contains(&(wanted, value)) {
            return Some((NearKind::Spelling, 0, literal(value)));
        }
        if !is_open {
            return Some((NearKind::Spelling, distance(wanted, &other)?, literal(value)));
        }
        // A letter may be missing or superfluous.
        let lengths = [*length, length + 1, length - 1];
        let begins = lengths.into_iter().filter_map(|length| {
            let part = begin(length);
            Some((distance(wanted, &folded(&part))?, part))
        });
        let (distance, part) = begins.min_by_key(|(distance, _)| *distance)?;
        Some((NearKind::Spelling, distance, literal(&part) + "*"))
    }
}

/// The number of characters that differ, if they are few enough for a typing error.
fn distance(a: &str, b: &str) -> Option<usize> {
    let lengths = [a.chars().count(), b.chars().count()];
    let most = match lengths.into_iter().min().unwrap_or_default() {
        0..MIN_LENGTH => 0,
        MIN_LENGTH..6 => 1,
        _ => 2,
    };
    if lengths[0].abs_diff(lengths[1]) > most {
        return None;
    }
    Some(damerau_levenshtein(a, b)).filter(|distance| *distance <= most)
}

/// Converts text to lower case with the same number of characters.
fn folded(text: &str) -> String {
    text.chars().map(|c| c.to_lowercase().next().unwrap_or(c)).collect()
}

/// Converts a tag key to lower case without separators, so that `cost-center` and `CostCenter` are
/// equal.
fn folded_key(key: &str) -> String {
    folded(key).chars().filter(|c| !matches!(c, '-' | '_' | '.' | ' ' | ':' | '/')).collect()
}
