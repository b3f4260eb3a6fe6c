//! The rows of the page's document: images, and snapshots whose image is gone.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::sizes::Sizes;
use crate::model::{Image, short_id};
use crate::plan::Decision;
use crate::plan::reason::Reason;
use crate::plan::snapshots::{SnapshotDecision, SnapshotReason};

/// What an image that no rule matches is called on the page.
pub(super) const NOT_COVERED: &str = "not covered";

/// Texts, each once.
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
    let mut reasons = Vec::new();
    let mut references = Vec::new();
    for reason in &decision.reasons {
        match reason {
            Reason::InUse { kind, arn, version, stale, name } => {
                let mut optional =
                    |text: &Option<Arc<str>>| text.as_deref().map(|text| strings.place(text));
                let (version, name) = (optional(version), optional(name));
                let kind = strings.place(&kind.words());
                let id = strings.place(short_id(arn));
                let arn = strings.place(arn);
                references.push(json!([kind, arn, version, name, id, u8::from(*stale)]));
            }
            Reason::NoRule => reasons.push(strings.place(NOT_COVERED)),
            other => reasons.push(strings.place(&other.to_string())),
        }
    }
    json!([
        decision.image_id,
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
        decision.snapshots,
        sizes.shared_with(decision),
    ])
}

/// A snapshot whose image is gone.
pub(super) fn gone(decision: &SnapshotDecision, strings: &mut Strings) -> Option<Value> {
    let reasons = decision.reasons.iter().map(|one| strings.place(&one.to_string()));
    let reasons: Vec<_> = reasons.collect();
    let after = decision.reasons.iter().find_map(|reason| match reason {
        SnapshotReason::NotBefore { at } | SnapshotReason::Due { since: at } => Some(*at),
        _ => decision.delete_after,
    });
    // What an image still uses is not gone.
    let is_used = |reason: &SnapshotReason| {
        matches!(reason, SnapshotReason::ImageExists { .. } | SnapshotReason::UsedBy { .. })
    };
    (!decision.reasons.iter().any(is_used)).then(|| {
        json!([
            decision.image,
            decision.snapshot_id,
            decision.size_gib,
            decision.action,
            after.map(Timestamp::as_second),
            reasons,
        ])
    })
}
