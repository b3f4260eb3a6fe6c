//! The data of the HTML report: one JSON document, compact enough for 20,000 images.
//!
//! Texts that occur often (reasons, ARNs) are in one list, and images contain indexes into it.
//! Times are Unix seconds.

mod details;
mod month;
mod rows;
mod sizes;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use self::details::ImageDetails;
use self::month::month;
use self::rows::{NOT_COVERED, Strings, gone, row};
use self::sizes::Sizes;
use super::{Price, family_name, first_deletion};
use crate::model::{Image, ImageId, InWords, Inventory, Provider, Region, Unread};
use crate::plan::snapshots::SnapshotPlan;
use crate::plan::{Plan, Summary};
use crate::policy::Policy;

/// The data of the HTML report.
#[derive(Debug, Serialize)]
pub struct PageData<'a> {
    format: u32,
    /// The provider; absent for AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<Provider>,
    account: &'a str,
    /// Empty on Azure, where the report covers all Regions.
    region: &'a str,
    taken_at: i64,
    planned_at: i64,
    /// The name of the policy file.
    policy: &'a str,
    /// The program name and version.
    program: &'a str,
    keep_tag: &'a str,
    refusal: Option<String>,
    unread: &'a [Unread],
    /// `null` if the price is unknown.
    price: Option<Price>,
    summary: &'a Summary,
    strings: Vec<String>,
    /// The earliest time of a deletion; `None` if nothing is expired or the plan is refused.
    first_deletion: Option<i64>,
    /// Whether the simulation had to assume how long the Recycle Bin retains images.
    bin_days_assumed: bool,
    families: Vec<PageFamily<'a>>,
    images: Vec<Value>,
    /// More about some images, by their index in `images`. Absent if there is nothing.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    details: BTreeMap<usize, ImageDetails<'a>>,
    gone: Vec<Value>,
    /// The steps that daily sweeps would apply in the next month.
    month: Vec<Value>,
    /// The simulation of the policy over time, if requested.
    projection: Option<Value>,
}

#[derive(Debug, Serialize)]
struct PageFamily<'a> {
    /// The display name: `golden · worker · x86_64`.
    name: String,
    #[serde(flatten)]
    key: FamilyKey<'a>,
}

#[derive(Debug, PartialEq, Eq, Hash, Clone, Copy, Serialize)]
struct FamilyKey<'a> {
    rule: Option<&'a str>,
    family: Option<&'a str>,
}

impl FamilyKey<'_> {
    fn name(&self) -> String {
        match (self.rule, self.family) {
            (None, _) => NOT_COVERED.to_owned(),
            (Some(rule), None) => format!("{rule}: family unknown"),
            (Some(rule), Some(family)) => family_name(rule, family),
        }
    }
}

/// Metadata of the report.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The name of the policy file.
    pub policy_file: &'a str,
    /// The program name and version.
    pub program: &'a str,
}

impl<'a> PageData<'a> {
    /// Creates the report of a plan.
    pub fn of(
        inventory: &'a Inventory,
        policy: &'a Policy,
        plan: &'a Plan,
        snapshots: &SnapshotPlan,
        about: About<'a>,
    ) -> Self {
        let words = plan.account.provider().words();
        let mut strings = Strings::default();
        let mut families = Vec::new();
        let mut places = HashMap::new();
        let sizes = Sizes::of(inventory, plan);
        let known: HashMap<&ImageId, &Image> =
            inventory.images.iter().map(|image| (&image.image_id, image)).collect();
        let images = plan.decisions.iter().map(|decision| {
            let key =
                FamilyKey { rule: decision.rule.as_deref(), family: decision.family.as_deref() };
            let family = *places.entry(key).or_insert_with(|| {
                families.push(PageFamily { name: key.name(), key });
                families.len() - 1
            });
            let image = known.get(&decision.image_id).copied();
            row(decision, image, family, &sizes, &mut strings)
        });
        let images = images.collect();
        let details = plan.decisions.iter().enumerate();
        let details = details.filter_map(|(place, decision)| {
            Some((place, ImageDetails::of(known.get(&decision.image_id).copied()?)?))
        });
        let details = details.collect();
        let gone = snapshots.decisions.iter().filter_map(|one| gone(one, &mut strings));
        let gone = gone.collect();
        Self {
            format: 1,
            provider: Some(plan.account.provider()).filter(|one| *one != Provider::Aws),
            account: plan.account.as_str(),
            region: plan.region.as_ref().map_or("", Region::as_str),
            taken_at: inventory.taken_at.as_second(),
            planned_at: plan.planned_at.as_second(),
            policy: about.policy_file,
            program: about.program,
            keep_tag: &policy.tag_names.keep,
            refusal: plan.refusal.as_ref().map(|refusal| refusal.in_words(words).to_string()),
            unread: &inventory.unread,
            price: Price::in_region(&plan.region),
            summary: &plan.summary,
            strings: strings.all,
            first_deletion: first_deletion(plan, snapshots).map(Timestamp::as_second),
            bin_days_assumed: inventory.retention_rules.is_none()
                && plan.account.provider() == Provider::Aws,
            families,
            images,
            details,
            gone,
            month: month(inventory, policy, plan),
            projection: None,
        }
    }

    /// Adds a projection. `families` identifies each family by rule and name. Families that the
    /// report does not contain are dropped here but remain in the totals.
    pub fn with_projection(mut self, mut projection: Value) -> Self {
        if let Some(Value::Array(series)) = projection.get_mut("families") {
            series.retain_mut(|one| {
                let word = |key: &str| one.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
                let (rule, name) = (word("rule"), word("family"));
                let place = self.families.iter().position(|family| {
                    family.key.rule == rule.as_deref() && family.key.family == name.as_deref()
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

#[cfg(test)]
mod tests {
    use super::*;

    const INVENTORY: &str = r#"{"format":1,"account":"123456789012","region":"eu-central-1","taken_at":"2026-12-31T12:00:00Z",
        "images":[
          {"image_id":"ami-1","name":"web-1","owner_id":"123456789012","created_at":"2026-12-01T00:00:00Z","state":"available","snapshots":["snap-1","snap-2"]},
          {"image_id":"ami-2","name":"web-2","owner_id":"123456789012","created_at":"2026-11-01T00:00:00Z","state":"available","snapshots":["snap-1"]},
          {"image_id":"ami-3","name":"other","owner_id":"123456789012","created_at":"2026-11-01T00:00:00Z","state":"available"}],
        "snapshots":[{"snapshot_id":"snap-1","size_gib":8},{"snapshot_id":"snap-2","size_gib":100},
          {"snapshot_id":"snap-9","size_gib":5,"description":"Created by CreateImage(i-9) for ami-9","volume_id":"vol-9","tags":{"image-steward:image":"ami-9","image-steward:delete-after":"2027-01-01T00:00:00Z marked 2026-12-25T00:00:00Z"}}],
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
            (text(&reference[0]), text(&reference[1]), &reference[2]),
            (json!("instance"), json!("arn:i-2"), &json!(7))
        );
        assert_eq!(reference.as_array().unwrap().len(), 4, "{reference}");
        assert_eq!(text(&page["images"][0][6][0]), "1st of last 1");
    }

    #[test]
    fn families_are_named_and_have_their_keys() {
        let page = page();
        assert_eq!(
            page["families"],
            json!([
                {"name": "web", "rule": "web", "family": "all"},
                {"name": "not covered", "rule": null, "family": null},
            ])
        );
        let text = |place: &Value| page["strings"][place.as_u64().unwrap() as usize].clone();
        assert_eq!(text(&page["images"][2][6][0]), "not covered");
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
