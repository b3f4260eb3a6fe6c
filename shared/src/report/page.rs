//! What the report's page is made of: one JSON document, short enough for 20,000 images.
//!
//! Texts that come often (reasons, ARNs) stand in one list, and images name their places in it.
//! Times are Unix seconds.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::Price;
use crate::model::{ArnAndVersion, Image, ImageId, Inventory, SnapshotId, Unread};
use crate::plan::reason::Reason;
use crate::plan::snapshots::{SnapshotDecision, SnapshotPlan, SnapshotReason};
use crate::plan::{Decision, Plan, Summary};
use crate::policy::Policy;
use crate::simulate::{Coming, ComingStep, coming};

/// What the page shows.
#[derive(Debug, Serialize)]
pub struct PageData<'a> {
    format: u32,
    account: &'a str,
    region: &'a str,
    taken_at: i64,
    planned_at: i64,
    /// What the policy is called.
    policy: &'a str,
    /// The program, with its version.
    program: &'a str,
    keep_tag: &'a str,
    refusal: Option<String>,
    unread: &'a [Unread],
    price: Price,
    summary: &'a Summary,
    strings: Vec<String>,
    families: Vec<PageFamily<'a>>,
    images: Vec<Value>,
    gone: Vec<Value>,
    /// What daily sweeps would do in the next month.
    month: Vec<Value>,
    /// What the policy would do over time, if that was asked for.
    projection: Option<Value>,
}

#[derive(Debug, PartialEq, Eq, Hash, Clone, Copy, Serialize)]
struct PageFamily<'a> {
    rule: Option<&'a str>,
    family: Option<&'a str>,
}

/// Texts, each once.
#[derive(Default)]
struct Strings {
    all: Vec<String>,
    places: HashMap<String, usize>,
}

impl Strings {
    fn place(&mut self, text: &str) -> usize {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        self.all.push(text.to_owned());
        self.places.insert(text.to_owned(), self.all.len() - 1);
        self.all.len() - 1
    }
}

/// What a page is about, beside the world and the plan.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// What the policy is called.
    pub policy_file: &'a str,
    /// The program, with its version.
    pub program: &'a str,
}

impl<'a> PageData<'a> {
    /// The page of a plan.
    pub fn of(
        inventory: &'a Inventory,
        policy: &'a Policy,
        plan: &'a Plan,
        snapshots: &SnapshotPlan,
        about: About<'a>,
    ) -> Self {
        let mut strings = Strings::default();
        let mut families = Vec::new();
        let mut places = HashMap::new();
        let sizes = Sizes::of(inventory, plan);
        let known: HashMap<&ImageId, &Image> =
            inventory.images.iter().map(|image| (&image.image_id, image)).collect();
        let images = plan.decisions.iter().map(|decision| {
            let family =
                PageFamily { rule: decision.rule.as_deref(), family: decision.family.as_deref() };
            let family = *places.entry(family).or_insert_with(|| {
                families.push(family);
                families.len() - 1
            });
            let image = known.get(&decision.image_id).copied();
            row(decision, image, family, &sizes, &mut strings)
        });
        let images = images.collect();
        let gone = snapshots.decisions.iter().filter_map(|one| gone(one, &mut strings));
        let gone = gone.collect();
        Self {
            format: 2,
            account: plan.account.as_str(),
            region: plan.region.as_str(),
            taken_at: inventory.taken_at.as_second(),
            planned_at: plan.planned_at.as_second(),
            policy: about.policy_file,
            program: about.program,
            keep_tag: &policy.tag_names.keep,
            refusal: plan.refusal.as_ref().map(ToString::to_string),
            unread: &inventory.unread,
            price: Price::in_region(&plan.region),
            summary: &plan.summary,
            strings: strings.all,
            families,
            images,
            gone,
            month: month(inventory, policy, plan),
            projection: None,
        }
    }

    /// The page with a projection. `families` names each family by rule and name; what is no
    /// family of the page is left out, and still in the totals.
    pub fn with_projection(mut self, mut projection: Value) -> Self {
        if let Some(Value::Array(series)) = projection.get_mut("families") {
            series.retain_mut(|one| {
                let word = |key: &str| one.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
                let (rule, name) = (word("rule"), word("family"));
                let place = self.families.iter().position(|family| {
                    family.rule == rule.as_deref() && family.family == name.as_deref()
                });
                if let (Some(place), Some(fields)) = (place, one.as_object_mut()) {
                    fields.insert("family".to_owned(), json!(place));
                }
                place.is_some()
            });
        }
        self.projection = Some(projection);
        self
    }
}

/// The size of each image. A snapshot that several share counts for one of them only: for one that
/// stays, if there is one, and then for the oldest.
struct Sizes<'a> {
    gib: HashMap<&'a ImageId, u64>,
    /// The image for which a snapshot counts.
    counted: HashMap<&'a SnapshotId, &'a ImageId>,
    /// The place of each image on the page.
    places: HashMap<&'a ImageId, usize>,
}

impl<'a> Sizes<'a> {
    fn of(inventory: &'a Inventory, plan: &'a Plan) -> Self {
        let sizes: HashMap<&SnapshotId, u32> = inventory
            .snapshots
            .iter()
            .filter_map(|one| Some((&one.snapshot_id, one.size_gib?)))
            .collect();
        let mut images: Vec<&Decision> = plan.decisions.iter().collect();
        images.sort_by_key(|one| (!one.action.stays(), one.created_at, &one.image_id));
        let (mut gib, mut counted) = (HashMap::new(), HashMap::new());
        for image in images {
            for snapshot in &image.snapshots {
                let Some(size) = sizes.get(snapshot) else { continue };
                let is_first =
                    *counted.entry(snapshot).or_insert(&image.image_id) == &image.image_id;
                *gib.entry(&image.image_id).or_insert(0) +=
                    if is_first { u64::from(*size) } else { 0 };
            }
        }
        let places = plan.decisions.iter().enumerate();
        let places = places.map(|(place, one)| (&one.image_id, place)).collect();
        Self { gib, counted, places }
    }

    /// The place of another image for which a snapshot of this one counts.
    fn shared_with(&self, decision: &Decision) -> Option<usize> {
        let others = decision.snapshots.iter().filter_map(|id| self.counted.get(id));
        let other = others.copied().find(|other| **other != decision.image_id)?;
        self.places.get(other).copied()
    }
}

fn row(
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
            Reason::InUse { kind, arn, version, stale, name: _ } => {
                let kind = strings.place(&kind.to_string());
                let resource = ArnAndVersion(arn, version.as_deref()).to_string();
                let resource = strings.place(&resource);
                references.push(json!([kind, resource, u8::from(*stale)]));
            }
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
fn gone(decision: &SnapshotDecision, strings: &mut Strings) -> Option<Value> {
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

/// What daily sweeps would do in the next month, as the page has it: `[step, at, [places]]` for
/// images of the page, of which all that they have is deleted; `[place, step, at, [snapshots], gib]`
/// for what is otherwise.
fn month(inventory: &Inventory, policy: &Policy, plan: &Plan) -> Vec<Value> {
    const DAYS: u32 = 31;
    let images = plan.decisions.iter().enumerate();
    let images: HashMap<&ImageId, (usize, &Decision)> =
        images.map(|(place, one)| (&one.image_id, (place, one))).collect();
    let sizes: HashMap<&SnapshotId, u32> = inventory
        .snapshots
        .iter()
        .filter_map(|one| Some((&one.snapshot_id, one.size_gib?)))
        .collect();
    let mut month = Vec::new();
    let mut together: Option<(ComingStep, Timestamp, Vec<usize>)> = None;
    for Coming { image, step, at, snapshots } in coming(inventory, policy, plan.planned_at, DAYS) {
        let found = image.as_ref().and_then(|image| images.get(image));
        let whole = |one: &Decision| {
            step != ComingStep::DeleteSnapshots
                || snapshots.iter().collect::<BTreeSet<_>>() == one.snapshots.iter().collect()
        };
        if let Some((place, _)) = found.filter(|(_, decision)| whole(decision)) {
            match &mut together {
                Some((same, then, places)) if (*same, *then) == (step, at) => places.push(*place),
                _ => {
                    month.extend(together.take().map(row_of_many));
                    together = Some((step, at, vec![*place]));
                }
            }
            continue;
        }
        let known = snapshots.iter().filter_map(|id| sizes.get(id)).copied().map(u64::from);
        let known: Vec<u64> = known.collect();
        let gib = (!known.is_empty()).then(|| known.iter().sum::<u64>());
        let place = found.map(|(place, _)| place);
        month.extend(together.take().map(row_of_many));
        month.push(json!([place, step, at.as_second(), snapshots, gib]));
    }
    month.extend(together.take().map(row_of_many));
    month
}

fn row_of_many((step, at, places): (ComingStep, Timestamp, Vec<usize>)) -> Value {
    json!([step, at.as_second(), places])
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVENTORY: &str = r#"{"account":"123456789012","region":"eu-central-1","taken_at":"2026-12-31T12:00:00Z",
        "images":[
          {"image_id":"ami-1","name":"web-1","owner_id":"123456789012","created_at":"2026-12-01T00:00:00Z","state":"available","snapshots":["snap-1","snap-2"]},
          {"image_id":"ami-2","name":"web-2","owner_id":"123456789012","created_at":"2026-11-01T00:00:00Z","state":"available","snapshots":["snap-1"]},
          {"image_id":"ami-3","name":"other","owner_id":"123456789012","created_at":"2026-11-01T00:00:00Z","state":"available"}],
        "snapshots":[{"snapshot_id":"snap-1","size_gib":8},{"snapshot_id":"snap-2","size_gib":100},
          {"snapshot_id":"snap-9","size_gib":5,"description":"Created by CreateImage(i-9) for ami-9","volume_id":"vol-9","tags":{"image-steward:image":"ami-9","image-steward:delete-after":"2027-01-01T00:00:00Z"}}],
        "recycled_images":[{"image_id":"ami-9","entered_at":"2026-12-20T00:00:00Z"}],
        "references":[{"image_id":"ami-2","kind":"instance","arn":"arn:i-2"}]}"#;
    const POLICY: &str = "version = 1\n[[rule]]\nname = \"web\"\nmatch = { name = \"web-*\" }\nkeep = { last = 1 }\n";

    fn page() -> Value {
        let inventory = Inventory::from_json(INVENTORY).unwrap();
        let policy = Policy::parse(POLICY, "policy").unwrap();
        let plan = crate::plan::plan(&inventory, &policy, "2026-12-31T12:00:00Z".parse().unwrap());
        let snapshots =
            crate::plan::snapshots::plan_snapshots(&inventory, &policy, plan.planned_at);
        let about = About { policy_file: "policy.toml", program: "image-steward" };
        let page = PageData::of(&inventory, &policy, &plan, &snapshots, about).with_projection(json!({
            "families": [{"rule": "web", "family": "all", "gib": [1]}, {"rule": "x", "family": "y"}]
        }));
        serde_json::to_value(page).unwrap()
    }

    #[test]
    fn a_snapshot_that_is_shared_counts_once_for_the_oldest_that_stays() {
        let page = page();
        let gib: Vec<_> = page["images"].as_array().unwrap().iter().map(|one| &one[11]).collect();
        assert_eq!(gib, [&json!(100), &json!(8), &Value::Null]);
        let shared: Vec<_> =
            page["images"].as_array().unwrap().iter().map(|one| &one[13]).collect();
        assert_eq!(shared, [&json!(1), &Value::Null, &Value::Null]);
    }

    #[test]
    fn references_and_reasons_are_places_in_the_list_of_texts() {
        let page = page();
        let used = &page["images"][1];
        assert_eq!(used[0], "ami-2");
        let reference = &used[7][0];
        let text = |place: &Value| page["strings"][place.as_u64().unwrap() as usize].clone();
        assert_eq!(
            (text(&reference[0]), text(&reference[1])),
            (json!("instance"), json!("arn:i-2"))
        );
        assert_eq!(text(&page["images"][0][6][0]), "last 1 of 1");
    }

    #[test]
    fn what_is_gone_is_told_by_its_snapshots() {
        let at = "2027-01-01T00:00:00Z".parse::<Timestamp>().unwrap().as_second();
        let page = page();
        let [gone] = &page["gone"].as_array().unwrap()[..] else { panic!("{}", page["gone"]) };
        assert_eq!(
            gone.as_array().unwrap()[..5],
            [json!("ami-9"), json!("snap-9"), json!(5), json!("keep"), json!(at)]
        );
        let deleted = json!([null, "delete_snapshots", at + 12 * 3600, ["snap-9"], 5]);
        assert_eq!(page["month"], json!([deleted]));
    }

    #[test]
    fn a_projection_names_the_families_of_the_page() {
        let page = page();
        let series = page["projection"]["families"].as_array().unwrap();
        assert_eq!(series.len(), 1);
        assert_eq!(page["families"][series[0]["family"].as_u64().unwrap() as usize]["rule"], "web");
    }
}
