//! What holds images: the opposite question to what goes.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::{ArnAndVersion, ImageId};
use crate::plan::reason::Reason;
use crate::plan::{Decision, Plan};
use crate::text_fmt::{printable, short_age};

/// An image with references that nothing seems to need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stale {
    /// The image.
    pub image_id: ImageId,
    /// Its name.
    pub name: Arc<str>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// What refers to it, and launches no instance as far as is known.
    pub references: Vec<StaleReference>,
    /// How many other reasons keep it. Without any, it would expire once these are gone.
    pub other_reasons: usize,
}

/// A reference that nothing seems to need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StaleReference {
    /// The ARN of what refers to the image.
    pub arn: Arc<str>,
    /// Its version; see [`Reference::version`](crate::model::Reference::version).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Arc<str>>,
}

/// The images that are held by stale references, the oldest first.
pub fn stale(plan: &Plan) -> Vec<Stale> {
    let of = |decision: &Decision| {
        let mut references: Vec<StaleReference> = Vec::new();
        for reason in &decision.reasons {
            if let Reason::InUse { arn, version, stale: true, .. } = reason {
                references.push(StaleReference { arn: arn.clone(), version: version.clone() });
            }
        }
        // EC2 itself names a template without its version: that is the same template.
        let is_same = |arn: &str| {
            references.iter().any(|known| known.version.is_some() && *known.arn == *arn)
        };
        let others = decision.reasons.iter().filter(|reason| match reason {
            Reason::InUse { arn, version, stale, .. } => {
                let is_repeated = version.is_none() && is_same(arn);
                !stale && !is_repeated
            }
            _ => true,
        });
        let other_reasons = others.count();
        (!references.is_empty()).then(|| Stale {
            image_id: decision.image_id.clone(),
            name: decision.name.clone(),
            created_at: decision.created_at,
            references,
            other_reasons,
        })
    };
    let mut found: Vec<Stale> = plan.decisions.iter().filter_map(of).collect();
    found.sort_by_key(|one| (one.created_at, one.image_id.clone()));
    found
}

/// [`stale`] for people.
pub fn stale_text(plan: &Plan) -> String {
    let found = stale(plan);
    let mut text = String::new();
    for Stale { image_id, name, created_at, references, other_reasons } in &found {
        let made = created_at.map(|made| short_age(made, plan.planned_at)).unwrap_or_default();
        let name = printable(name);
        let alone = match other_reasons {
            0 => "nothing else that was read keeps it".to_owned(),
            1 => "1 other reason keeps it".to_owned(),
            more => format!("{more} other reasons keep it"),
        };
        let _ = writeln!(text, "{image_id} {name} ({made} old): {alone}");
        for StaleReference { arn, version } in references {
            let resource = ArnAndVersion(arn, version.as_deref()).to_string();
            let _ = writeln!(text, "  {}", printable(&resource));
        }
    }
    if found.is_empty() {
        text.push_str(
            "No reference is stale, as far as is known: groups, fleets or instances use all that refer to images.\n",
        );
    } else {
        text.push_str(
            "No group, fleet or compute environment uses these. A person or a program may all the same: \
             ask before you delete them.\n",
        );
    }
    text
}
