//! Which images are gone under one policy and not under another, after the same days.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::PlannedFate;
use crate::model::ImageId;
use crate::plan::Decision;
use crate::report::price::{Price, Usd};
use crate::simulate::{GoneImage, Simulation};

/// The images that are gone at the end under one of two policies only.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimulationComparison {
    /// Gone under the policy that is asked about, and not under the other: the first to go first.
    pub gone_under_policy: GoneUnderOne,
    /// Gone under the other policy, and not under the one that is asked about.
    pub gone_under_against: GoneUnderOne,
}

/// The images that are gone under one policy and not under the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GoneUnderOne {
    /// The images.
    pub images: Vec<GoneDifference>,
    /// The size of their snapshots: an upper bound, as everywhere.
    pub gib: u64,
    /// What these cost a month at most.
    pub usd_month: f64,
}

/// An image that is gone under one policy and not under the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GoneDifference {
    /// The image.
    pub image_id: ImageId,
    /// Its name.
    pub name: Arc<str>,
    /// Whether the simulation made it: it does not exist yet.
    pub simulated: bool,
    /// When it was created, if that is known.
    pub created_at: Option<Timestamp>,
    /// The size of its snapshots, if that is known.
    pub size_gib: Option<u32>,
    /// When the one policy deregisters it.
    pub deregistered_at: Timestamp,
    /// What the other policy does about it on the last day.
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
    let usd_month = Price::in_region(&one.region).of(gib).amount();
    GoneUnderOne { images, gib, usd_month }
}

impl GoneUnderOne {
    /// What they cost a month at most.
    pub fn cost(&self) -> Usd {
        Usd::from(self.usd_month)
    }
}
