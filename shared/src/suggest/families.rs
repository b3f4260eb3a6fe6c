//! Finds families: first by image definitions, then by tags whose values look like family names, and
//! then by image names.
//!
//! This module makes no decisions about images. The families become rules, and a plan measures
//! them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Image, Inventory};
use crate::plan::{NameParts, Piece, may_have_family, name_prefix};
use crate::policy::literal;

/// Tag keys that often contain the name of a family, in the order in which they are tried. They are
/// compared case-insensitively.
const FAMILY_KEYS: [&str; 13] = [
    "family",
    "image-family",
    "image_family",
    "imagefamily",
    "application",
    "app",
    "service",
    "component",
    "role",
    "product",
    "project",
    "name",
    "os",
];
/// Tag keys that often distinguish images that do not replace one another.
const DIVIDING_KEYS: [&str; 6] = ["environment", "env", "stage", "channel", "variant", "flavor"];
/// The minimum size of a family. Nothing replaces a single image.
const MIN_FAMILY_SIZE: usize = 2;

/// The property that the images of a family have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The image definition.
    Definition,
    /// The value of the tag with this key. The number is the position of the key in the list.
    Tag(usize, String),
    /// The name without its trailing dates, versions and numbers.
    Name,
}

/// Images that seem to replace one another.
#[derive(Debug)]
pub(super) struct FamilyStats {
    pub kind: Kind,
    /// The definition, the tag's value, or the common part of the names.
    pub value: String,
    /// Globs for the images' names; an image matches one of them. For families by tag, globs for
    /// the value.
    pub globs: BTreeSet<String>,
    /// The properties in which the images differ, for `group_by`.
    pub divided_by: Vec<String>,
    /// The number of images.
    pub size: usize,
    /// Whether the names differ in more than trailing numbers, dates and versions.
    pub is_mixed: bool,
}

/// Returns the families of an inventory, largest first, then by value.
pub(super) fn find(inventory: &Inventory) -> Vec<FamilyStats> {
    let mut images: Vec<&Image> = inventory
        .images
        .iter()
        .filter(|image| may_have_family(image, &inventory.account) && !image.name.is_empty())
        .collect();
    let mut families = Vec::new();
    for (definition, members) in by_definition(&images) {
        if members.len() >= MIN_FAMILY_SIZE {
            let globs = version_globs(definition, &members);
            families.push(family(Kind::Definition, definition, globs, &members));
        }
    }
    let taken: BTreeSet<&str> = families.iter().map(|family| family.value.as_str()).collect();
    images.retain(|image| image.definition.as_deref().is_none_or(|one| !taken.contains(one)));
    for (order, key) in family_keys(&images) {
        let by_value = by_value(&images, &key);
        if !tells_families(&images, &by_value) {
            continue;
        }
        let mut taken = BTreeSet::new();
        for (value, members) in by_value {
            if members.len() >= MIN_FAMILY_SIZE {
                taken.extend(members.iter().map(|image| image.image_id.clone()));
                let kind = Kind::Tag(order, key.clone());
                let globs = BTreeSet::from([literal(value)]);
                families.push(family(kind, value, globs, &members));
            }
        }
        images.retain(|image| !taken.contains(&image.image_id));
    }
    for (prefix, members) in by_prefix(&images) {
        if members.len() >= MIN_FAMILY_SIZE {
            let globs = members.iter().map(|image| name_glob(&image.name)).collect();
            families.push(family(Kind::Name, &prefix, globs, &members));
        }
    }
    families.sort_by(|a, b| {
        b.size.cmp(&a.size).then_with(|| (&a.kind, &a.value).cmp(&(&b.kind, &b.value)))
    });
    families
}

fn family(kind: Kind, value: &str, globs: BTreeSet<String>, members: &[&Image]) -> FamilyStats {
    let divided_by = dividers(&kind, members);
    let names: BTreeSet<Cow<'_, str>> =
        members.iter().map(|image| name_prefix(&image.name)).collect();
    let is_mixed = names.len() > 1 && !divided_by.iter().any(|by| by == "name_prefix");
    FamilyStats { kind, value: value.to_owned(), globs, divided_by, size: members.len(), is_mixed }
}

/// Returns the keys of tags that could name families, as spelled in this account.
fn family_keys(images: &[&Image]) -> BTreeSet<(usize, String)> {
    let place = |key: &str| FAMILY_KEYS.iter().position(|known| key.eq_ignore_ascii_case(known));
    let keys = images.iter().flat_map(|image| image.tags.iter());
    keys.filter_map(|(key, _)| Some((place(key)?, key.to_owned()))).collect()
}

fn by_definition<'a>(images: &[&'a Image]) -> BTreeMap<&'a str, Vec<&'a Image>> {
    let mut definitions: BTreeMap<&str, Vec<&Image>> = BTreeMap::new();
    for image in images {
        if let Some(definition) = image.definition.as_deref().filter(|one| !one.is_empty()) {
            definitions.entry(definition).or_default().push(image);
        }
    }
    definitions
}

/// Returns globs for the names of the versions of a definition, which are the name of the definition
/// and a number: `gallery/definition/1.2.3`.
fn version_globs(definition: &str, versions: &[&Image]) -> BTreeSet<String> {
    let begin = format!("{definition}/");
    match versions.iter().all(|version| version.name.starts_with(&begin)) {
        true => BTreeSet::from([format!("{}*", literal(&begin))]),
        false => versions.iter().map(|version| name_glob(&version.name)).collect(),
    }
}

fn by_value<'a>(images: &[&'a Image], key: &str) -> BTreeMap<&'a str, Vec<&'a Image>> {
    let mut values: BTreeMap<&str, Vec<&Image>> = BTreeMap::new();
    for image in images {
        if let Some(value) = image.tags.get(key).filter(|value| !value.is_empty()) {
            values.entry(value).or_default().push(image);
        }
    }
    values
}

fn by_prefix<'a>(images: &[&'a Image]) -> BTreeMap<Cow<'a, str>, Vec<&'a Image>> {
    let mut prefixes: BTreeMap<Cow<'_, str>, Vec<&Image>> = BTreeMap::new();
    for image in images {
        prefixes.entry(name_prefix(&image.name)).or_default().push(image);
    }
    prefixes
}

/// Returns whether the values of a tag look like families: there are few values for many images,
/// and most images with similar names have the tag.
fn tells_families(images: &[&Image], by_value: &BTreeMap<&str, Vec<&Image>>) -> bool {
    let tagged: usize = by_value.values().map(Vec::len).sum();
    let prefixes: BTreeSet<Cow<'_, str>> =
        by_value.values().flatten().map(|image| name_prefix(&image.name)).collect();
    let alike = images.iter().filter(|image| prefixes.contains(&name_prefix(&image.name))).count();
    tagged >= 3 * by_value.len().max(1) && 10 * tagged >= 8 * alike
}

/// Returns the properties that divide a family into images that do not replace one another: the
/// architecture, the platform, and tags that every image has. For families by tag, also the name,
/// unless nearly every image has a different name. The versions of a definition replace one another
/// whatever their names are.
fn dividers(kind: &Kind, members: &[&Image]) -> Vec<String> {
    let mut by: BTreeSet<&str> = BTreeSet::new();
    for image in members {
        for (key, _) in image.tags.iter() {
            let known = FAMILY_KEYS.iter().chain(&DIVIDING_KEYS);
            let is_its_own = matches!(kind, Kind::Tag(_, own) if own == key);
            let is_known = known.into_iter().any(|known| key.eq_ignore_ascii_case(known));
            if !is_its_own && is_known && !by.iter().any(|one| image.tags.is_same_key(one, key)) {
                by.insert(key);
            }
        }
    }
    let mut dividers = Vec::new();
    let by_name = match kind {
        Kind::Definition => false,
        Kind::Tag(..) => divides(members, |image| Some(name_prefix(&image.name))),
        Kind::Name => true,
    };
    if by_name {
        dividers.push("name_prefix".to_owned());
    }
    for key in by {
        if divides(members, |image| image.tags.get(key).map(Cow::from)) {
            dividers.push(format!("tag:{key}"));
        }
    }
    for (name, part) in [
        ("architecture", (|image| image.architecture.as_deref()) as fn(&Image) -> Option<&str>),
        ("platform", |image| image.platform.as_deref()),
    ] {
        let values: BTreeSet<_> = members.iter().filter_map(|image| part(image)).collect();
        if values.len() > 1 {
            dividers.push(name.to_owned());
        }
    }
    dividers
}

/// Returns whether every image has a value, and there are several values with at least two images
/// each on average.
fn divides<'a>(members: &[&'a Image], part: impl Fn(&'a Image) -> Option<Cow<'a, str>>) -> bool {
    let values: Option<BTreeSet<Cow<'_, str>>> =
        members.iter().map(|image| part(image).filter(|value| !value.is_empty())).collect();
    values.is_some_and(|values| values.len() > 1 && members.len() >= 2 * values.len())
}

/// Returns a glob for names that differ from this one only in build numbers, dates and versions.
/// This part must begin with a digit, so that `web-*` does not match `web-beta-1`.
fn name_glob(name: &str) -> String {
    let mut glob = String::new();
    for piece in NameParts::of(name).pieces() {
        match piece {
            Piece::Fixed(text) => glob.push_str(&literal(text)),
            Piece::Varies(text) => {
                let number = text.trim_start_matches(['v', 'V', 'g']);
                glob.push_str(text.get(..text.len() - number.len()).unwrap_or_default());
                if number.starts_with(|c: char| c.is_ascii_digit()) && !text.starts_with('g') {
                    glob.push_str("[0-9]*");
                } else {
                    // The hash of a commit.
                    glob.push_str(&"[0-9a-f]".repeat(7));
                    glob.push('*');
                }
            }
        }
    }
    glob
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_glob_takes_its_own_name_and_not_the_neighbours() {
        for name in [
            "web-1",
            "web-v1.2.3",
            "web",
            "web--20261121-0312",
            "w*b_2026-11-21T03:12:00Z",
            "2026-11-21",
            "web (20261121)",
            "web.20261121",
            "web-1a2b3c4",
            "web-ab12cd3",
            "web-1.2.3-5-g1a2b3c4",
            "web-ga1b2c3d",
            "web-1.2.3-rc1",
            "web-1.4-rc1",
            "web-20261121-arm64",
            "web-1.2.3-rc1-arm64",
            "web_20261121_x86_64",
            "web-v1.2.3-20261121-amd64",
            "web-20261121-prod-17",
        ] {
            let glob = crate::policy::Glob::new(&name_glob(name)).unwrap();
            assert!(glob.is_match(name), "{name}: {}", glob);
            assert!(!glob.is_match("web-beta-1") && !glob.is_match("web-vault"), "{name}");
        }
    }
}
