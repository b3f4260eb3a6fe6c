//! The rows of the HTML report: images, and snapshots whose image no longer exists.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::sizes::Sizes;
use crate::model::{Image, ImageId, InWords, SnapshotId, short_id};
use crate::plan::Decision;
use crate::plan::reason::Reason;
use crate::plan::snapshots::{SnapshotDecision, SnapshotReason};

/// The family name in the report for images that no rule matches.
pub(super) const NOT_COVERED: &str = "not covered";

/// A list of distinct texts.
#[derive(Default)]
pub(super) struct Strings {
    pub(super) all: Vec<String>,
    places: HashMap<String, usize>,
}

impl Strings {
    pub(super) fn place(&mut self, text: &str) -> usize {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        self.all.push(text.to_owned());
        self.places.insert(text.to_owned(), self.all.len() - 1);
        self.all.len() - 1
    }
}

pub(super) fn row(
    decision: &Decision,
    image: Option<&Image>,
    family: usize,
    sizes: &Sizes<'_>,
    strings: &mut Strings,
) -> Value {
    let seconds = |at: Timestamp| at.as_second();
    let words = decision.image_id.provider().words();
    let mut reasons = Vec::new();
    let mut references = Vec::new();
    for reason in &decision.reasons {
        match reason {
            Reason::InUse { kind, arn, version, stale, name } => {
                // The part of the ARN to display, as a length in UTF-16 code units, which
                // JavaScript uses. The short form of an ARM ID is not a part of it.
                let short = short_id(arn);
                let end = short.encode_utf16().count();
                let name = name.as_deref().or_else(|| (!arn.ends_with(&*short)).then_some(&*short));
                let (kind, arn) = (strings.place(&kind.words()), strings.place(arn));
                let mut reference = json!([kind, arn, end, u8::from(*stale)]);
                if let (Some(row), true) =
                    (reference.as_array_mut(), version.is_some() || name.is_some())
                {
                    let more = [version.as_deref(), name];
                    let more = more.map(|text| text.map(|text| strings.place(text)));
                    row.extend(more.map(|place| json!(place)));
                }
                references.push(reference);
            }
            Reason::NoRule => reasons.push(strings.place(NOT_COVERED)),
            other => reasons.push(strings.place(&other.in_words(words).to_string())),
        }
    }
    let mut row = json!([
        decision.image_id.short(),
        decision.name,
        family,
        decision.created_at.map(seconds),
        image.map(|image| image.state),
        decision.action.kind(),
        reasons,
        references,
        decision.expired_at.map(seconds),
        decision.next.map(|next| next.action),
        decision.next.map(|next| seconds(next.at)),
        sizes.gib.get(&decision.image_id),
        decision.snapshots.iter().map(SnapshotId::short).collect::<Vec<_>>(),
    ]);
    // Omit nulls: most images share no snapshot, and 20,000 nulls are long.
    if let (Some(row), Some(other)) = (row.as_array_mut(), sizes.shared_with(decision)) {
        row.push(json!(other));
    }
    row
}

/// Creates the row of a snapshot whose image no longer exists.
pub(super) fn gone(decision: &SnapshotDecision, strings: &mut Strings) -> Option<Value> {
    let words = decision.snapshot_id.provider().words();
    let reasons = decision.reasons.iter();
    let reasons = reasons.map(|one| strings.place(&one.in_words(words).to_string()));
    let reasons: Vec<_> = reasons.collect();
    let after = decision.reasons.iter().find_map(|reason| match reason {
        SnapshotReason::NotBefore { at } | SnapshotReason::Due { since: at } => Some(*at),
        _ => decision.delete_after,
    });
    // A snapshot that an image still uses is not listed here.
    let is_used = |reason: &SnapshotReason| {
        matches!(reason, SnapshotReason::ImageExists { .. } | SnapshotReason::UsedBy { .. })
    };
    (!decision.reasons.iter().any(is_used)).then(|| {
        json!([
            decision.image.as_ref().map(ImageId::short),
            decision.snapshot_id.short(),
            decision.size_gib,
            decision.action,
            after.map(Timestamp::as_second),
            reasons,
        ])
    })
}
