//! The tags of resources.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use super::arm_id::fold_case;

/// The maximum number of tags of a resource (EC2, "Tag restrictions"). Tags with the prefix `aws:`
/// do not count.
pub const MAX_TAGS: usize = 50;
/// The maximum length of a key in CreateTags, in characters.
pub const MAX_KEY: usize = 127;
/// The maximum length of a value in CreateTags, in characters.
pub const MAX_VALUE: usize = 256;

/// Whether `key` has the prefix `aws:`, in any case. Only AWS can write such tags, and they do not
/// count against the limit.
pub fn is_reserved(key: &str) -> bool {
    key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}

/// The tags of one resource, sorted by key.
///
/// They are stored in a sorted slice instead of a map, because an account may have a million images
/// and a single tree node takes half a KiB.
///
/// Keys differ by case, unless [`ignore_case`](Self::ignore_case) was called: Azure compares tag names
/// without regard to case, and EC2 does not.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(from = "BTreeMap<Box<str>, Box<str>>")]
pub struct Tags {
    pairs: Box<[(Box<str>, Box<str>)]>,
    ignores_case: bool,
}

impl Tags {
    /// Compares keys without regard to case from now on, as Azure does.
    pub fn ignore_case(&mut self) {
        self.ignores_case = true;
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        if self.ignores_case {
            return self.iter().find(|(k, _)| self.is_same_key(k, key)).map(|(_, value)| value);
        }
        let at = self.pairs.binary_search_by(|(k, _)| (**k).cmp(key)).ok()?;
        self.pairs.get(at).map(|(_, value)| &**value)
    }

    /// Whether `a` and `b` are the same key for the provider of the resource.
    pub fn is_same_key(&self, a: &str, b: &str) -> bool {
        a == b || (self.ignores_case && fold_case(a) == fold_case(b))
    }

    /// Whether `key` begins with `prefix` for the provider of the resource.
    pub fn begins_with(&self, key: &str, prefix: &str) -> bool {
        key.starts_with(prefix)
            || (self.ignores_case && fold_case(key).starts_with(&fold_case(prefix)))
    }

    /// The tags whose keys begin with `prefix`.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.iter().filter(move |(key, _)| self.begins_with(key, prefix))
    }

    /// Whether there is a tag `key`, with any value.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(key, value)| (&**key, &**value))
    }

    /// The number of tags.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are no tags.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// These tags combined with `more`. If both contain a key, the value in `more` is used.
    pub fn with(&self, more: &Self) -> Self {
        let by_provider = if more.ignores_case { more } else { self };
        let replaced =
            |key: &str| more.iter().any(|(other, _)| by_provider.is_same_key(key, other));
        let kept = self.iter().filter(|(key, _)| !replaced(key));
        Self { ignores_case: by_provider.ignores_case, ..kept.chain(more.iter()).collect() }
    }

    /// These tags without the tags in `keys`.
    pub fn without(&self, keys: &[String]) -> Self {
        self.filter(|key, _| !keys.iter().any(|other| self.is_same_key(key, other)))
    }

    /// These tags without those whose keys begin with `prefix`.
    pub fn without_prefix(&self, prefix: &str) -> Self {
        self.filter(|key, _| !self.begins_with(key, prefix))
    }

    /// Those of these tags that `is_kept` accepts by key and value. In contrast to collecting
    /// [`iter`](Self::iter), the result compares keys as these tags do.
    pub fn filter(&self, is_kept: impl Fn(&str, &str) -> bool) -> Self {
        let kept = self.iter().filter(|(key, value)| is_kept(key, value)).collect();
        Self { ignores_case: self.ignores_case, ..kept }
    }
}

/// If a key occurs several times, its last value is used. The result compares keys exactly: use it
/// for tags to write, and [`Tags::filter`] for a part of the tags of a resource.
impl<K: Into<Box<str>>, V: Into<Box<str>>> FromIterator<(K, V)> for Tags {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut all: Vec<(Box<str>, Box<str>)> =
            pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        // The sort is stable, so the last of several equal keys stays last.
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all.reverse();
        all.dedup_by(|a, b| a.0 == b.0);
        all.reverse();
        Self { pairs: all.into(), ignores_case: false }
    }
}

impl Serialize for Tags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl From<BTreeMap<Box<str>, Box<str>>> for Tags {
    fn from(map: BTreeMap<Box<str>, Box<str>>) -> Self {
        Self { pairs: map.into_iter().collect(), ignores_case: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().copied().collect()
    }

    #[test]
    fn the_last_value_of_a_key_counts_and_order_is_by_key() {
        let found = tags(&[("b", "1"), ("a", "2"), ("b", "3")]);
        assert_eq!(found.iter().collect::<Vec<_>>(), [("a", "2"), ("b", "3")]);
        assert_eq!(found.get("b"), Some("3"));
        assert_eq!(found.get("c"), None);
    }

    #[test]
    fn with_and_without() {
        let found = tags(&[("a", "1"), ("b", "2")]).with(&tags(&[("b", "3"), ("c", "4")]));
        assert_eq!(found, tags(&[("a", "1"), ("b", "3"), ("c", "4")]));
        assert_eq!(found.without(&["a".into(), "x".into()]), tags(&[("b", "3"), ("c", "4")]));
    }

    #[test]
    fn azure_compares_keys_without_regard_to_case() {
        let pairs = [("Image-Steward:Keep", "1"), ("Team", "2")];
        let aws = tags(&pairs);
        assert_eq!((aws.get("team"), aws.under("image-steward:").count()), (None, 0));
        let mut azure = aws;
        azure.ignore_case();
        assert_eq!((azure.get("team"), azure.get("TEAM")), (Some("2"), Some("2")));
        assert_eq!(azure.under("image-steward:").count(), 1);
        let less = azure.without(&["image-steward:keep".into()]);
        assert_eq!((less.len(), less.get("TEAM")), (1, Some("2")));
        let others = azure.without_prefix("image-steward:");
        assert_eq!((others.len(), others.get("TEAM")), (1, Some("2")));
        let kept = azure.filter(|_, value| value == "1");
        assert_eq!((kept.len(), kept.get("image-steward:KEEP")), (1, Some("1")));
        let more = azure.with(&tags(&[("TEAM", "3")]));
        assert_eq!((more.len(), more.get("team")), (2, Some("3")));
        let under = tags(&[("TEAM", "3")]).with(&azure);
        assert_eq!((under.len(), under.get("team")), (2, Some("2")));
    }

    #[test]
    fn json_is_a_plain_object() {
        let text = r#"{"Name":"web","Team":""}"#;
        let parsed: Tags = serde_json::from_str(text).unwrap();
        assert_eq!(parsed.get("Team"), Some(""));
        assert_eq!(serde_json::to_string(&parsed).unwrap(), text);
    }
}
