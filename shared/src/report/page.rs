//! What the report's page is made of: one JSON document, short enough for 20,000 images.
//!
//! Texts that come often (reasons, ARNs) stand in one list, and images name their places in it.
//! Times are Unix seconds.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::Price;
use crate::ids::{ImageId, SnapshotId};
use crate::inventory::{Image, Inventory, Unread};
use crate::plan::reap::made_for;
use crate::plan::reason::Reason;
use crate::plan::{Decision, Plan, Summary};
use crate::policy::Policy;

/// What the page shows.
#[derive(Debug, Serialize)]
pub struct Page<'a> {
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
    families: Vec<Family<'a>>,
    images: Vec<Value>,
    gone: Vec<Value>,
    /// What the policy would do over time, if that was asked for.
    projection: Option<Value>,
}

#[derive(Debug, PartialEq, Eq, Hash, Clone, Copy, Serialize)]
struct Family<'a> {
    rule: Option<&'a str>,
    group: Option<&'a str>,
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

impl<'a> Page<'a> {
    /// The page of a plan.
    pub fn of(
        inventory: &'a Inventory,
        policy: &'a Policy,
        plan: &'a Plan,
        about: About<'a>,
    ) -> Self {
        let mut strings = Strings::default();
        let mut families = Vec::new();
        let mut places = HashMap::new();
        let sizes = Sizes::of(inventory);
        let known: HashMap<&ImageId, &Image> =
            inventory.images.iter().map(|image| (&image.image_id, image)).collect();
        let images = plan.decisions.iter().map(|decision| {
            let family =
                Family { rule: decision.rule.as_deref(), group: decision.group.as_deref() };
            let family = *places.entry(family).or_insert_with(|| {
                families.push(family);
                families.len() - 1
            });
            let image = known.get(&decision.image_id).copied();
            row(decision, image, family, &sizes, &mut strings)
        });
        let images = images.collect();
        Self {
            format: 1,
            account: plan.account.as_str(),
            region: plan.region.as_str(),
            taken_at: inventory.taken_at.as_second(),
            planned_at: plan.planned_at.as_second(),
            policy: about.policy_file,
            program: about.program,
            keep_tag: &policy.names.keep,
            refusal: plan.refusal.as_ref().map(ToString::to_string),
            unread: &inventory.unread,
            price: Price::in_region(&plan.region),
            summary: &plan.summary,
            strings: strings.all,
            families,
            images,
            gone: gone(inventory, policy),
            projection: None,
        }
    }

    /// The page with a projection. `families` names each family by rule and group; what is no
    /// family of the page is left out, and still in the totals.
    pub fn with_projection(mut self, mut projection: Value) -> Self {
        if let Some(Value::Array(series)) = projection.get_mut("families") {
            series.retain_mut(|one| {
                let word = |key: &str| one.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
                let (rule, group) = (word("rule"), word("group"));
                let place = self.families.iter().position(|family| {
                    family.rule == rule.as_deref() && family.group == group.as_deref()
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

/// The size of each image: a snapshot that several share counts for the oldest of them.
struct Sizes<'a>(HashMap<&'a ImageId, u64>);

impl<'a> Sizes<'a> {
    fn of(inventory: &'a Inventory) -> Self {
        let sizes: HashMap<&SnapshotId, u32> = inventory
            .snapshots
            .iter()
            .filter_map(|one| Some((&one.snapshot_id, one.size_gib?)))
            .collect();
        let mut images: Vec<&Image> = inventory.images.iter().collect();
        images.sort_by_key(|image| (image.created_at, &image.image_id));
        let mut counted: HashSet<&SnapshotId> = HashSet::new();
        let mut all = HashMap::new();
        for image in images {
            let known: Vec<u32> = image
                .snapshots
                .iter()
                .filter_map(|id| {
                    sizes.get(id).map(|size| if counted.insert(id) { *size } else { 0 })
                })
                .collect();
            if !known.is_empty() {
                all.insert(&image.image_id, known.into_iter().map(u64::from).sum());
            }
        }
        Self(all)
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
    let mut because = Vec::new();
    let mut holders = Vec::new();
    for reason in &decision.because {
        match reason {
            Reason::InUse { kind, by, stale } => {
                holders.push(json!([strings.place(kind), strings.place(by), u8::from(*stale)]));
            }
            other => because.push(strings.place(&other.to_string())),
        }
    }
    json!([
        decision.image_id,
        decision.name,
        family,
        decision.created_at.map(seconds),
        image.map(|image| image.state),
        decision.action.word(),
        because,
        holders,
        decision.expired_at.map(seconds),
        decision.next.map(|next| next.action),
        decision.next.map(|next| seconds(next.at)),
        sizes.0.get(&decision.image_id),
        decision.snapshots,
    ])
}

/// What is left of an image that is gone.
#[derive(Default)]
struct Remains<'a> {
    snapshots: Vec<&'a SnapshotId>,
    gib: Option<u64>,
    delete_after: Option<i64>,
}

/// The images that are gone while snapshots of theirs are still there.
fn gone(inventory: &Inventory, policy: &Policy) -> Vec<Value> {
    let here: HashSet<&str> = inventory.images.iter().map(|one| one.image_id.as_str()).collect();
    let mut gone: BTreeMap<String, Remains<'_>> = BTreeMap::new();
    for snapshot in &inventory.snapshots {
        let ledger = snapshot.tags.get(&policy.names.image).map(ToOwned::to_owned);
        let told = || snapshot.description.as_deref().and_then(made_for).map(|id| id.to_string());
        let Some(image) = ledger.or_else(told).filter(|image| !here.contains(image.as_str()))
        else {
            continue;
        };
        let remains = gone.entry(image).or_default();
        remains.snapshots.push(&snapshot.snapshot_id);
        if let Some(size) = snapshot.size_gib {
            remains.gib = Some(remains.gib.unwrap_or(0) + u64::from(size));
        }
        let after = snapshot.tags.get(&policy.names.delete_after);
        let after = after.and_then(|at| at.parse::<Timestamp>().ok()).map(|at| at.as_second());
        remains.delete_after = remains.delete_after.max(after);
    }
    gone.into_iter()
        .map(|(image, Remains { snapshots, gib, delete_after })| {
            json!([image, snapshots, gib, delete_after])
        })
        .collect()
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
          {"snapshot_id":"snap-9","size_gib":5,"tags":{"image-steward:image":"ami-9","image-steward:delete-after":"2027-01-01T00:00:00Z"}}],
        "references":[{"image_id":"ami-2","kind":"instance","by":"arn:i-2"}]}"#;
    const POLICY: &str = "version = 1\n[[rule]]\nname = \"web\"\nmatch = { name = \"web-*\" }\nkeep = { last = 1 }\n";

    fn page() -> Value {
        let inventory = Inventory::from_json(INVENTORY).unwrap();
        let policy = Policy::parse(POLICY, "policy").unwrap();
        let plan = crate::plan::plan(&inventory, &policy, "2026-12-31T12:00:00Z".parse().unwrap());
        let about = About { policy_file: "policy.toml", program: "image-steward" };
        let page = Page::of(&inventory, &policy, &plan, about).with_projection(json!({
            "families": [{"rule": "web", "group": "all", "gib": [1]}, {"rule": "x", "group": "y"}]
        }));
        serde_json::to_value(page).unwrap()
    }

    #[test]
    fn a_snapshot_that_is_shared_counts_once_for_the_oldest() {
        let page = page();
        let gib: Vec<_> = page["images"].as_array().unwrap().iter().map(|one| &one[11]).collect();
        assert_eq!(gib, [&json!(100), &json!(8), &Value::Null]);
    }

    #[test]
    fn holders_and_reasons_are_places_in_the_list_of_texts() {
        let page = page();
        let used = &page["images"][1];
        assert_eq!(used[0], "ami-2");
        let holder = &used[7][0];
        let text = |place: &Value| page["strings"][place.as_u64().unwrap() as usize].clone();
        assert_eq!((text(&holder[0]), text(&holder[1])), (json!("instance"), json!("arn:i-2")));
        assert_eq!(text(&page["images"][0][6][0]), "last 1 of 1");
    }

    #[test]
    fn what_is_gone_is_told_by_its_snapshots() {
        let at = "2027-01-01T00:00:00Z".parse::<Timestamp>().unwrap().as_second();
        assert_eq!(page()["gone"], json!([["ami-9", ["snap-9"], 5, at]]));
    }

    #[test]
    fn a_projection_names_the_families_of_the_page() {
        let page = page();
        let series = page["projection"]["families"].as_array().unwrap();
        assert_eq!(series.len(), 1);
        assert_eq!(page["families"][series[0]["family"].as_u64().unwrap() as usize]["rule"], "web");
    }
}
