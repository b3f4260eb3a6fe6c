//! Mutated responses. Every value of every response is left out, renamed, emptied, replaced by null, by
//! another shape or by another word. The decoder must then fail and name the place, or read something
//! that protects at least as much. `exceptions.toml` lists the values for which this is not possible,
//! because Azure leaves them out too, or because they are free text.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::findings::{Effects, Protects};
use super::json::{self, MutatedJson, PathStep, ValueChange};
use super::{decode_all, fixture};
use crate::types::*;

/// The exceptions of one type: reasons, each with its paths.
type Reasons = BTreeMap<String, Vec<String>>;

#[derive(Deserialize)]
struct Exceptions {
    /// Values that Azure leaves out of valid responses.
    absent: BTreeMap<String, Reasons>,
    /// Texts that are not words of Azure.
    text: BTreeMap<String, Reasons>,
}

impl Exceptions {
    fn read() -> Self {
        toml::from_str(include_str!("exceptions.toml")).unwrap()
    }

    fn has(listed: &BTreeMap<String, Reasons>, kind: &str, path: &str) -> bool {
        let paths = |kind: &str| listed.get(kind).into_iter().flat_map(BTreeMap::values).flatten();
        paths(kind).chain(paths("all")).any(|one| matches(one, path))
    }

    fn allows(&self, kind: &str, mutation: &MutatedJson) -> bool {
        let path = json::named(&mutation.place);
        // Resource Graph only adds references. A row is not checked, but searched.
        if kind == "graph-row" && path.starts_with("properties/") {
            return true;
        }
        match mutation.change {
            ValueChange::InAnotherShape => false,
            ValueChange::AnotherWord => Self::has(&self.text, kind, &path),
            ValueChange::LeftOut
            | ValueChange::Renamed
            | ValueChange::Null
            | ValueChange::Emptied => {
                // A page does not state how many items it has.
                path.is_empty() || path == "value" || Self::has(&self.absent, kind, &path)
            }
        }
    }
}

/// Whether `listed` is `path`, or ends with `*` and `path` begins with the rest.
fn matches(listed: &str, path: &str) -> bool {
    match listed.strip_suffix('*') {
        Some(start) => path.starts_with(start),
        None => listed == path,
    }
}

/// What was read, or the path and the message of the error.
type FixtureResult = Result<Vec<Effects>, (String, String)>;

/// A fixture and how it is read.
struct FixtureReading {
    kind: &'static str,
    file: &'static str,
    read: fn(&str) -> FixtureResult,
}

fn reading<T: DeserializeOwned + Protects>(
    kind: &'static str,
    file: &'static str,
) -> FixtureReading {
    let read = |text: &str| match decode_all::<T>(text) {
        Ok(all) => Ok(all.iter().map(T::finding).collect()),
        Err(error) => Err((error.path().to_string(), error.inner().to_string())),
    };
    FixtureReading { kind, file, read }
}

fn readings() -> Vec<FixtureReading> {
    vec![
        reading::<Gallery>("gallery", "gallery-soft-delete.json"),
        reading::<Gallery>("gallery", "gallery-private.json"),
        reading::<Gallery>("gallery", "gallery-groups.json"),
        reading::<Gallery>("gallery", "gallery-community.json"),
        reading::<ImageDefinition>("definition", "definition.json"),
        reading::<ImageVersion>("version", "versions.json"),
        reading::<ImageVersion>("version", "version-vm-source.json"),
        reading::<ImageVersion>("version", "version-updating.json"),
        reading::<ImageVersion>("version", "version-region-excluded.json"),
        reading::<ImageVersion>("version", "version-end-of-life.json"),
        reading::<ImageVersion>("version", "version-replication.json"),
        reading::<ImageVersion>("version", "version-shallow.json"),
        reading::<ImageVersion>("version", "version-snapshot-source.json"),
        reading::<SoftDeletedVersion>("soft-deleted", "soft-deleted-versions.json"),
        reading::<ManagedImage>("managed-image", "managed-images.json"),
        reading::<VirtualMachine>("virtual-machine", "virtual-machines.json"),
        reading::<VirtualMachine>("virtual-machine", "virtual-machine-definition.json"),
        reading::<ScaleSet>("scale-set", "scale-set-shared.json"),
        reading::<ScaleSet>("scale-set", "scale-set-definition.json"),
        reading::<ScaleSet>("scale-set", "scale-set-flexible-empty.json"),
        reading::<ScaleSetInstance>("instance", "scale-set-instance.json"),
        reading::<Disk>("disk", "disks.json"),
        reading::<DiskSnapshot>("snapshot", "snapshots.json"),
        reading::<DiskSnapshot>("snapshot", "snapshot-locked.json"),
        reading::<Lock>("lock", "locks.json"),
        reading::<BuilderTemplate>("template", "image-templates.json"),
        reading::<BuilderTemplate>("template", "image-template-platform.json"),
        reading::<BuilderTemplate>("template", "image-template-managed.json"),
        reading::<BuilderTemplate>("template", "image-template-version.json"),
        reading::<Subscription>("subscription", "subscriptions.json"),
        reading::<GraphRow>("graph-row", "graph-rows.json"),
    ]
}

/// Whether an error at `path` names the place of a mutation: the place itself or something around it.
/// An error around it must name a field or an ID.
fn names(path: &str, message: &str, place: &[PathStep]) -> bool {
    let place = json::dotted(place);
    let is_place = path == place;
    let is_around = path == "."
        || place
            .strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('.') || rest.starts_with('['));
    is_place || (is_around && message.contains('`'))
}

#[test]
fn no_mutation_hides_what_protects() {
    let exceptions = Exceptions::read();
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for FixtureReading { kind, file, read } in readings() {
        let text = fixture(file);
        let baseline = read(&text).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        for mutation in json::mutations(&document) {
            if exceptions.allows(kind, &mutation) {
                continue;
            }
            tried += 1;
            let MutatedJson { place, change, text } = &mutation;
            let what = format!("{kind}, {file}: {} {change:?}", json::named(place));
            match read(text) {
                Err((path, message)) if names(&path, &message, place) => {}
                Err((path, message)) => wrong.push(format!("{what}: error at {path}: {message}")),
                Ok(other) if other.len() != baseline.len() => {
                    wrong.push(format!("{what}: an item"))
                }
                Ok(other) => {
                    let lost =
                        baseline.iter().zip(&other).flat_map(|(one, other)| one.lost_in(other));
                    wrong.extend(lost.map(|lost| format!("{what}: {lost}")));
                }
            }
        }
    }
    println!("{tried} mutations");
    assert!(tried > 3_000, "{tried} mutations");
    assert!(wrong.is_empty(), "{} misread:\n{}", wrong.len(), wrong.join("\n"));
}

/// A truncated body is an error.
#[test]
fn no_truncation_is_read() {
    for FixtureReading { file, read, .. } in readings() {
        let text = fixture(file);
        let text = text.trim_end();
        for end in (0..text.len()).step_by(7).filter(|end| text.is_char_boundary(*end)) {
            assert!(read(&text[..end]).is_err(), "{file} cut at {end}");
        }
    }
}

/// The lists must not contain values that no response has, or that are not needed.
#[test]
fn every_exception_is_in_a_response() {
    let exceptions = Exceptions::read();
    let mut paths: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for FixtureReading { kind, file, .. } in readings() {
        let document: Value = serde_json::from_str(&fixture(file)).unwrap();
        let named = json::paths(&document).iter().map(|path| json::named(path)).collect::<Vec<_>>();
        paths.entry(kind).or_default().extend(named.iter().cloned());
        paths.entry("all").or_default().extend(named);
    }
    for listed in [&exceptions.absent, &exceptions.text] {
        for (kind, reasons) in listed {
            for path in reasons.values().flatten() {
                let mut known = paths.get(kind.as_str()).into_iter().flatten();
                assert!(known.any(|known| matches(path, known)), "{kind} has no {path}");
            }
        }
    }
}

/// Every fixture is read by a test.
#[test]
fn every_fixture_is_read() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    let files = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().file_name());
    let files: BTreeSet<String> = files
        .map(|name| name.into_string().unwrap())
        .filter(|name| name.ends_with(".json"))
        .collect();
    let read: BTreeSet<String> = readings().iter().map(|one| one.file.to_owned()).collect();
    assert_eq!(files, read);
}
