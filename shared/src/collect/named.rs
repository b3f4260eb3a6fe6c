//! Finding images by name.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::cloud::{CloudError, View};
use crate::model::{Image, ImageId, ImageRef, Inventory, RecycledImage};
use crate::text_fmt::{hours_or_days, printable};

/// The maximum number of similar names in an error.
const MAX_SIMILAR: usize = 3;
/// The minimum similarity of a name in an error, from 0 to 1.
const MIN_SIMILARITY: f64 = 0.85;

/// An image that the user may have meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The image's ID.
    pub image_id: ImageId,
    /// The image's name.
    pub name: Arc<str>,
    /// The image's age, or the text that it is in the Recycle Bin.
    pub age: String,
}

/// A name that does not identify exactly one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameError {
    /// No image has the name.
    Unknown {
        /// The name that was not found.
        name: String,
        /// Images with similar names, the most similar first.
        similar: Vec<Candidate>,
    },
    /// Several images have the name.
    Ambiguous {
        /// The ambiguous name.
        name: String,
        /// The images with this name.
        candidates: Vec<Candidate>,
    },
}

/// The reason that images could not be found by name.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// A name does not identify exactly one image.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A call failed.
    #[error(transparent)]
    Cloud(#[from] CloudError),
}

impl std::error::Error for NameError {}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = match self {
            Self::Unknown { name, similar } => {
                write!(
                    f,
                    "no image has the name `{}` (the whole name must match)",
                    printable(name)
                )?;
                if !similar.is_empty() {
                    f.write_str("; similar names:")?;
                }
                similar
            }
            Self::Ambiguous { name, candidates } => {
                let (count, name) = (candidates.len(), printable(name));
                write!(f, "{count} images have the name `{name}`; pass an image ID instead:")?;
                candidates
            }
        };
        for Candidate { image_id, name, age } in list {
            write!(f, "\n  {image_id}  {}  {age}", printable(name))?;
        }
        Ok(())
    }
}

impl Candidate {
    fn live(image: &Image, now: Timestamp) -> Self {
        let age = image.created_at.map_or("age unknown".to_owned(), |created_at| {
            format!("{} old", hours_or_days(created_at, now))
        });
        Self { image_id: image.image_id.clone(), name: image.name.clone(), age }
    }

    fn recycled(image: &RecycledImage, now: Timestamp) -> Self {
        let since = image
            .entered_at
            .map_or(String::new(), |entered_at| format!(" for {}", hours_or_days(entered_at, now)));
        let age = format!("{}{since}", image.image_id.provider().words().in_bin);
        Self { image_id: image.image_id.clone(), name: image.name.clone(), age }
    }
}

/// Finds the image that `asked` identifies in an inventory. If no existing image has the name,
/// images in the Recycle Bin are searched too.
///
/// # Errors
/// Returns an error if no image or more than one has the name.
pub fn find_in(
    asked: &ImageRef,
    inventory: &Inventory,
    now: Timestamp,
) -> Result<ImageId, NameError> {
    let name = match asked {
        ImageRef::Id(id) => return Ok(id.clone()),
        ImageRef::Name(name) => name,
    };
    let live = inventory.images.iter().map(|one| Candidate::live(one, now));
    let recycled = inventory.recycled_images.iter().flatten();
    let recycled = recycled.map(|one| Candidate::recycled(one, now));
    // An existing image takes precedence.
    let found = choose(name, live.collect()).or_else(|error| match error {
        NameError::Unknown { similar, .. } => {
            choose(name, recycled.collect()).map_err(|error| match error {
                NameError::Unknown { name, similar: more } => {
                    let similar = similar.into_iter().chain(more).take(MAX_SIMILAR).collect();
                    NameError::Unknown { name, similar }
                }
                ambiguous => ambiguous,
            })
        }
        ambiguous => Err(ambiguous),
    });
    found.map(|one| one.image_id)
}

/// Finds the images that `asked` identifies, in the same order: existing images and, with
/// `recycled`, images in the Recycle Bin. IDs take no call. Names take one call in total, and
/// another for the Recycle Bin.
///
/// # Errors
/// Returns an error if a name does not identify exactly one image, or if a call fails.
pub async fn find_named(
    asked: &[ImageRef],
    recycled: bool,
    now: Timestamp,
    view: &dyn View,
) -> Result<Vec<ImageId>, FindError> {
    let names = asked.iter().filter_map(|one| match one {
        ImageRef::Id(_) => None,
        ImageRef::Name(name) => Some(name.clone()),
    });
    let names: Vec<String> = names.collect();
    let mut known = Vec::new();
    if !names.is_empty() {
        let live = view.find_images_named(&names).await?;
        known.extend(live.iter().map(|one| Candidate::live(one, now)));
        if recycled {
            let recycled = view.list_recycled_images().await?;
            known.extend(recycled.iter().map(|one| Candidate::recycled(one, now)));
        }
    }
    let id_of = |one: &ImageRef| match one {
        ImageRef::Id(id) => Ok(id.clone()),
        ImageRef::Name(name) => choose(name, known.clone()).map(|found| found.image_id),
    };
    Ok(asked.iter().map(id_of).collect::<Result<_, _>>()?)
}

/// Returns the image of `known` that has `name`, which must be the only one.
fn choose(name: &str, known: Vec<Candidate>) -> Result<Candidate, NameError> {
    let (mut named, others): (Vec<_>, Vec<_>) = known
        .into_iter()
        .partition(|one| *one.name == *name || one.image_id.is_called(name, &one.name));
    named.sort_by(|a, b| a.image_id.cmp(&b.image_id));
    let name = name.to_owned();
    match named.len() {
        0 => Err(NameError::Unknown { similar: similar(&name, others), name }),
        1 => Ok(named.remove(0)),
        _ => Err(NameError::Ambiguous { name, candidates: named }),
    }
}

/// Returns the images with similar names, the most similar first.
fn similar(name: &str, known: Vec<Candidate>) -> Vec<Candidate> {
    let lower = name.to_lowercase();
    let similarity = |one: Candidate| {
        let its = one.name.to_lowercase();
        let is_part = !its.is_empty() && its.contains(&lower);
        let score = if is_part { 1.0 } else { strsim::jaro_winkler(&lower, &its) };
        (score >= MIN_SIMILARITY).then_some((score, one))
    };
    let mut found: Vec<_> = known.into_iter().filter_map(similarity).collect();
    found.sort_by(|(a, one), (b, other)| {
        b.total_cmp(a).then_with(|| (&one.name, &one.image_id).cmp(&(&other.name, &other.image_id)))
    });
    found.into_iter().map(|(_, one)| one).take(MAX_SIMILAR).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-28T06:00:00Z".parse().unwrap()
    }

    fn inventory() -> Inventory {
        let image = |id: &str, name: &str| json!({"image_id": id, "name": name, "created_at": "2026-11-18T06:00:00Z"});
        let text = json!({
            "format": 1, "account": "123456789012", "region": "eu-central-1", "taken_at": "2026-11-28T06:00:00Z",
            "images": [
                image("ami-1", "web-1"), image("ami-2", "web-2"), image("ami-3", "twin"),
                image("ami-4", "twin"), image("ami-5", "both"),
            ],
            "references": [], "snapshots": [],
            "recycled_images": [
                {"image_id": "ami-6", "name": "both"},
                {"image_id": "ami-7", "name": "gone", "entered_at": "2026-11-27T18:00:00Z"},
            ],
        });
        Inventory::from_json(&text.to_string()).unwrap()
    }

    fn find(name: &str) -> Result<String, String> {
        let found = find_in(&name.parse().unwrap(), &inventory(), now());
        found.map(|id| id.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_image_is_found_by_its_id_or_whole_name() {
        assert_eq!(find("ami-99"), Ok("ami-99".to_owned()));
        assert_eq!(find("web-1"), Ok("ami-1".to_owned()));
        assert_eq!(find("both"), Ok("ami-5".to_owned()));
        assert_eq!(find("gone"), Ok("ami-7".to_owned()));
    }

    #[test]
    fn a_name_of_several_images_lists_them() {
        let expected = "2 images have the name `twin`; pass an image ID instead:\n  ami-3  twin  10 days old\n  \
                        ami-4  twin  10 days old";
        assert_eq!(find("twin"), Err(expected.to_owned()));
    }

    #[test]
    fn an_unknown_name_lists_similar_ones() {
        let error = find("Web").unwrap_err();
        assert!(
            error.starts_with("no image has the name `Web` (the whole name must match); "),
            "{error}"
        );
        assert!(error.contains("ami-1  web-1") && error.contains("ami-2  web-2"), "{error}");
        assert!(find("wbe-1").unwrap_err().contains("ami-1  web-1"));
        assert!(find("gon").unwrap_err().contains("ami-7  gone  in the Recycle Bin for 12 hours"));
        assert!(find("zzz").unwrap_err().ends_with("(the whole name must match)"));
    }
}
