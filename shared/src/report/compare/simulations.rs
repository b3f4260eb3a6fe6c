//! Compares two simulations: which images only one of the policies removes.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::PlannedFate;
use crate::model::ImageId;
use crate::plan::Decision;
use crate::report::price::{Price, Usd};
use crate::simulate::{GoneImage, Simulation};

/// The images that only one of two policies has removed at the end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimulationComparison {
    /// Removed under the policy under review but not under the other, in order of removal.
    pub gone_under_policy: GoneUnderOne,
    /// Removed under the other policy but not under the policy under review.
    pub gone_under_against: GoneUnderOne,
}

/// The images that one policy removes and the other does not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GoneUnderOne {
    /// The images, in order of removal.
    pub images: Vec<GoneDifference>,
    /// The size of their snapshots, in GiB. An upper bound.
    pub gib: u64,
    /// The cost of these snapshots per month, in USD. An upper bound. Absent if the price is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_month: Option<f64>,
}

/// An image that one policy removes and the other does not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GoneDifference {
    /// The ID of the image.
    pub image_id: ImageId,
    /// The name of the image.
    pub name: Arc<str>,
    /// Whether the image does not exist yet and was created by the simulation.
    pub simulated: bool,
    /// When the image was created, if known.
    pub created_at: Option<Timestamp>,
    /// The size of its snapshots in GiB, if known.
    pub size_gib: Option<u32>,
    /// When the one policy deregisters the image.
    pub deregistered_at: Timestamp,
    /// The outcome under the other policy on the last day.
    pub elsewhere: PlannedFate,
}

/// Compares two simulations of one inventory over the same days.
pub fn compare_simulations(new: &Simulation, old: &Simulation) -> SimulationComparison {
    SimulationComparison {
        gone_under_policy: gone_under_one(new, old),
        gone_under_against: gone_under_one(old, new),
    }
}

fn gone_under_one(one: &Simulation, other: &Simulation) -> GoneUnderOne {
    let left: HashMap<&ImageId, &Decision> =
        other.end.iter().map(|decision| (&decision.image_id, decision)).collect();
    let images = one.gone.iter().filter_map(|gone| {
        let GoneImage { image_id, name, created_at, size_gib, deregistered_at, simulated } = gone;
        Some(GoneDifference {
            elsewhere: PlannedFate::of(left.get(image_id)?),
            image_id: image_id.clone(),
            name: name.clone(),
            simulated: *simulated,
            created_at: *created_at,
            size_gib: *size_gib,
            deregistered_at: *deregistered_at,
        })
    });
    let images: Vec<GoneDifference> = images.collect();
    let gib = images.iter().filter_map(|image| image.size_gib).map(u64::from).sum();
    let usd_month = Price::in_region(&one.region).map(|price| price.of(gib).amount());
    GoneUnderOne { images, gib, usd_month }
}

impl GoneUnderOne {
    /// Returns the cost of these snapshots per month, if the price is known. An upper bound.
    pub fn cost(&self) -> Option<Usd> {
        self.usd_month.map(Usd::from)
    }
}
