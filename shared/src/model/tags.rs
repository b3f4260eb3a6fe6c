//! Tags, and the names of ours: the only state that the project keeps.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use super::{ImageId, SnapshotId};

/// A resource carries at most 50 tags (EC2, "Tag restrictions"); `aws:` tags do not count.
pub const MAX_TAGS: usize = 50;
/// The longest key that CreateTags takes, in characters.
pub const MAX_KEY: usize = 127;
/// The longest value that CreateTags takes, in characters.
pub const MAX_VALUE: usize = 256;

/// Whether `key` is one of AWS's own, in any case of letters: nobody else can write such tags, and
/// they do not count against the limit.
pub fn is_reserved(key: &str) -> bool {
    key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}

/// The tags of one resource, ordered by key.
///
/// A sorted slice instead of a map: an account may hold a million images, and a tree node
/// alone costs half a KiB.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(from = "BTreeMap<Box<str>, Box<str>>")]
pub struct Tags(Box<[(Box<str>, Box<str>)]>);

impl Tags {
    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(k, _)| (**k).cmp(key)).ok()?;
        self.0.get(at).map(|(_, value)| &**value)
    }

    /// Whether `key` is present, with any value.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Key and value, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// How many tags there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These tags with `more` over them.
    pub fn with(&self, more: &Self) -> Self {
        self.iter().chain(more.iter()).collect()
    }

    /// These tags without `keys`.
    pub fn without(&self, keys: &[String]) -> Self {
        self.iter().filter(|(key, _)| !keys.iter().any(|k| k == key)).collect()
    }
}

/// Of several values for a key, the last one counts.
impl<K: Into<Box<str>>, V: Into<Box<str>>> FromIterator<(K, V)> for Tags {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut all: Vec<(Box<str>, Box<str>)> =
            pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        // The sort is stable, so that the last of equal keys stays last.
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all.reverse();
        all.dedup_by(|a, b| a.0 == b.0);
        all.reverse();
        Self(all.into())
    }
}

impl Serialize for Tags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl From<BTreeMap<Box<str>, Box<str>>> for Tags {
    fn from(map: BTreeMap<Box<str>, Box<str>>) -> Self {
        map.into_iter().collect()
    }
}

/// The names of the project's own tags, under a prefix that the policy may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagNames {
    /// On an image: when it was first found expired; the retire steps count from here.
    pub expired_at: String,
    /// On an image: the launch permissions that it had before we disabled it, after its own id.
    pub launch_permissions: String,
    /// On an image: the deprecation that it had before ours, after its own id.
    pub deprecation: String,
    /// On a snapshot: the image that it backs, to find it when the image no longer exists.
    pub image: String,
    /// On a snapshot: it may be deleted from this time on.
    pub delete_after: String,
    /// On a snapshot: its own id, so that a copy made with all tags is known for one.
    pub snapshot: String,
    /// On image, snapshot or instance, written by people: it is excluded.
    pub keep: String,
    /// On image and snapshot: who made the image.
    pub created_by: String,
    /// On an instance, written by people: retire it once this image (its id or name) is there.
    pub retire_when_imaged: String,
    /// On image and snapshot: the instance that the image was made from.
    pub source_instance: String,
    /// On image and snapshot: the image that the image was copied or made from.
    pub source_image: String,
}

impl TagNames {
    /// The names under `prefix`, for example `image-steward:`.
    pub fn under(prefix: &str) -> Self {
        let name = |rest: &str| format!("{prefix}{rest}");
        Self {
            expired_at: name("expired-at"),
            launch_permissions: name("launch-permissions"),
            deprecation: name("deprecation"),
            image: name("image"),
            delete_after: name("delete-after"),
            snapshot: name("snapshot"),
            keep: name("keep"),
            created_by: name("created-by"),
            retire_when_imaged: name("retire-when-imaged"),
            source_instance: name("source-instance"),
            source_image: name("source-image"),
        }
    }

    /// The tags on a snapshot of a deregistered image: which image it backed, its own id, and from when on it may be
    /// deleted.
    pub fn snapshot_tags(
        &self,
        image: &ImageId,
        snapshot: &SnapshotId,
        delete_after: Timestamp,
    ) -> Tags {
        let delete_after = delete_after.to_string();
        [
            (self.image.as_str(), image.as_str()),
            (self.snapshot.as_str(), snapshot.as_str()),
            (self.delete_after.as_str(), delete_after.as_str()),
        ]
        .into_iter()
        .collect()
    }

    /// What all of them begin with.
    pub fn prefix(&self) -> &str {
        self.keep.strip_suffix("keep").unwrap_or_default()
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
    fn json_is_a_plain_object() {
        let text = r#"{"Name":"web","Team":""}"#;
        let parsed: Tags = serde_json::from_str(text).unwrap();
        assert_eq!(parsed.get("Team"), Some(""));
        assert_eq!(serde_json::to_string(&parsed).unwrap(), text);
    }
}
