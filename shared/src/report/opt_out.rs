//! Formats the results of `keep` and `unkeep`.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::model::KeepTag;
use crate::opt_out::{OptOut, OptOutStatus};
use crate::text_fmt::printable;

/// Lists the changes to the tag `key`, one line per resource.
pub fn opt_out_text(all: &[OptOut], key: &str) -> String {
    let mut text = String::new();
    for OptOut { resource, name, status, before, value, problem } in all {
        let is_shown =
            |name: &&Arc<str>| resource.as_image().is_none_or(|image| !image.contains_name(name));
        let name = name.as_ref().filter(is_shown);
        let name = name.map_or(String::new(), |name| format!(" {name}"));
        let before = before.as_deref().map(meaning);
        let was = before.as_ref().map_or(String::new(), |was| format!(" (before: {was})"));
        let now = value.as_deref().map(meaning).unwrap_or_default();
        let what = match status {
            OptOutStatus::Kept => format!("{now}{was}"),
            OptOutStatus::AlreadyKept => format!("nothing to do: already {now}"),
            OptOutStatus::KeptLonger => {
                format!("unchanged: {now}, which is longer; pass --shorten to replace it")
            }
            OptOutStatus::Removed => format!("no longer kept{was}"),
            OptOutStatus::NotKept => format!("nothing to remove: the tag {key} does not exist"),
            OptOutStatus::Gone => {
                let owned = resource.provider().words().owned;
                format!("not found among the images and snapshots {owned}")
            }
            OptOutStatus::Failed => {
                let why = problem.as_ref().map_or("", |failure| &failure.message);
                format!("failed: {why}")
            }
        };
        let _ = writeln!(text, "{}", printable(&format!("{}{name}: {what}", resource.short())));
    }
    text
}

/// Describes the meaning of the tag's value.
fn meaning(value: &str) -> String {
    let tag = KeepTag::read(value, &TimeZone::UTC);
    let note = tag.note.map_or(String::new(), |note| format!(": {note}"));
    if tag.until.is_none() {
        return format!("kept permanently{note}");
    }
    // A date is in the policy's time zone, which is not known here.
    let end = value.trim().strip_suffix(note.trim_start_matches(": ")).unwrap_or(value).trim();
    let end = if end.contains(':') { end.to_owned() } else { format!("the end of {end}") };
    format!("kept until {end}{note}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_told_in_words() {
        for (value, expected) in [
            ("true", "kept permanently"),
            ("legal hold", "kept permanently: legal hold"),
            ("2w", "kept permanently: 2w"),
            ("2026-12-12", "kept until the end of 2026-12-12"),
            ("2026-12-12 rc", "kept until the end of 2026-12-12: rc"),
            ("2026-12-12T10:00:00Z rc: 2", "kept until 2026-12-12T10:00:00Z: rc: 2"),
        ] {
            assert_eq!(meaning(value), expected);
        }
    }
}
