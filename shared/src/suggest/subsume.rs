//! Checks whether one rule covers another, so that the second rule never applies.

use super::text::shown;
use super::write::{SuggestedKeep, SuggestedMatch, SuggestedRule};
use crate::policy::Glob;

impl SuggestedMatch {
    /// Returns whether this certainly matches every image that `other` matches. `false` if the
    /// texts alone do not show it.
    pub fn covers(&self, other: &Self) -> bool {
        let Self { name, tags, architecture, platform, older_than, not } = self;
        let field = |mine: &Option<String>, theirs: &Option<String>| {
            mine.as_ref().is_none_or(|mine| theirs.as_ref().is_some_and(|glob| wider(mine, glob)))
        };
        field(name, &other.name)
            && field(architecture, &other.architecture)
            && field(platform, &other.platform)
            && tags
                .iter()
                .all(|(key, mine)| other.tags.get(key).is_some_and(|theirs| wider(mine, theirs)))
            && (older_than.is_none() || *older_than == other.older_than)
            && (not.is_none() || *not == other.not)
    }
}

/// A count or an age of at least this much keeps all images.
const ALL_IMAGES: u32 = 1_000_000;
const FOR_EVER: &str = "100y";

impl SuggestedRule {
    /// Returns why the rule keeps every image that it matches, if the rule alone shows it.
    pub fn keeps_all_by(&self) -> Option<String> {
        let SuggestedKeep { last, within, launched_within: _, tags } = &self.keep;
        if let Some(within) = within.as_deref().filter(|within| *within == FOR_EVER) {
            return Some(format!("within = \"{within}\""));
        }
        if let Some(last) = last.filter(|last| *last >= ALL_IMAGES) {
            return Some(format!("last = {last}"));
        }
        let matched = &self.matches.tags;
        let mut keys = tags
            .iter()
            .filter(|(key, kept)| matched.get(*key).is_some_and(|matched| wider(kept, matched)));
        keys.next().map(|(key, _)| format!("keep.tags.{}, which match.tags requires", shown(key)))
    }
}

/// Returns whether one glob matches everything that another matches. For globs with only text and
/// stars this holds if the first matches the text of the second, with its stars as ordinary
/// characters.
fn wider(glob: &str, other: &str) -> bool {
    let is_simple = |glob: &str, but: &[char]| !glob.contains(but);
    glob == other
        || is_simple(glob, &['?', '[', '{', '\\'])
            && is_simple(other, &['[', '{', '\\'])
            && Glob::new(glob).is_ok_and(|glob| glob.is_match(other))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn named(name: &str) -> SuggestedMatch {
        SuggestedMatch { name: Some(name.to_owned()), ..SuggestedMatch::default() }
    }

    #[test]
    fn globs_are_compared_by_their_texts() {
        for (wide, narrow) in
            [("*", "web-?"), ("*web*", "*web-db*"), ("web-*", "web-*-x"), ("[ab]", "[ab]")]
        {
            assert!(named(wide).covers(&named(narrow)), "{wide} {narrow}");
            assert_eq!(named(narrow).covers(&named(wide)), wide == narrow, "{narrow} {wide}");
        }
        for (one, other) in [("web-*", "db-*"), ("web-?", "web-*"), ("a*", "{a,b}"), ("a*", "[a]")]
        {
            assert!(!named(one).covers(&named(other)), "{one} {other}");
        }
    }

    #[test]
    fn a_rule_that_keeps_all_of_its_images_is_told_from_others() {
        let tags = |value: &str| BTreeMap::from([("Team".to_owned(), value.to_owned())]);
        let rule = |keep: SuggestedKeep| SuggestedRule {
            matches: SuggestedMatch { tags: tags("web-*"), ..SuggestedMatch::default() },
            keep,
            ..SuggestedRule::default()
        };
        let by = |keep: SuggestedKeep| rule(keep).keeps_all_by();
        let tagged = |value: &str| SuggestedKeep { tags: tags(value), ..SuggestedKeep::default() };
        let said = "keep.tags.Team, which match.tags requires";
        assert_eq!(by(tagged("*")).as_deref(), Some(said));
        assert_eq!(by(tagged("web-1")), None);
        let within = |age: &str| SuggestedKeep { within: Some(age.to_owned()), ..tagged("x") };
        assert_eq!(by(within("100y")).as_deref(), Some("within = \"100y\""));
        assert_eq!(by(within("99y")), None);
        let last = |last| SuggestedKeep { last: Some(last), ..SuggestedKeep::default() };
        assert_eq!(by(last(ALL_IMAGES)).as_deref(), Some("last = 1000000"));
        assert_eq!(by(last(5)), None);
    }

    #[test]
    fn every_condition_counts() {
        let old =
            |days: &str| SuggestedMatch { older_than: Some(days.to_owned()), ..named("web-*") };
        let but =
            |name: &str| SuggestedMatch { not: Some(Box::new(named(name))), ..named("web-*") };
        let tagged = |value: &str| SuggestedMatch {
            tags: [("Env".to_owned(), value.to_owned())].into(),
            ..SuggestedMatch::default()
        };
        assert!(
            SuggestedMatch::default().covers(&but("x"))
                && SuggestedMatch::default().covers(&old("3d"))
        );
        assert!(named("web-*").covers(&old("3d")) && !old("3d").covers(&named("web-*")));
        assert!(but("x").covers(&but("x")) && !but("x").covers(&but("y")));
        assert!(tagged("*").covers(&tagged("dev")) && !tagged("dev").covers(&tagged("*")));
        assert!(!tagged("*").covers(&SuggestedMatch::default()));
    }
}
