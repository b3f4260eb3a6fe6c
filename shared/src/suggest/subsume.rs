//! Whether one rule covers another, so that the second never applies.

use super::write::SuggestedMatch;
use crate::policy::Glob;

impl SuggestedMatch {
    /// Whether this surely matches every image that `other` matches. What cannot be told from the
    /// texts alone is taken for a no.
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

/// Whether one glob matches whatever another matches. One of only text and stars does if it matches
/// the other as a text, in which a star is a character like others.
fn wider(glob: &str, other: &str) -> bool {
    let is_simple = |glob: &str, but: &[char]| !glob.contains(but);
    glob == other
        || is_simple(glob, &['?', '[', '{', '\\'])
            && is_simple(other, &['[', '{', '\\'])
            && Glob::new(glob).is_ok_and(|glob| glob.is_match(other))
}

#[cfg(test)]
mod tests {
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
