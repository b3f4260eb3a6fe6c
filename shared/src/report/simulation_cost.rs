//! A simulation as JSON, with the cost of the snapshots.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::price::Price;
use crate::model::{AccountId, Region};
use crate::plan::Refusal;
use crate::simulate::{FamilySeries, Point, Simulation};

/// A simulation with the cost of the snapshots at each point.
#[derive(Debug, Serialize)]
pub struct PricedSimulation<'a> {
    account: &'a AccountId,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a Region>,
    from: Timestamp,
    days: u32,
    growing: usize,
    still: usize,
    sizes_unknown: usize,
    refusal: Option<&'a Refusal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Price>,
    points: Vec<PricedPoint<'a>>,
    families: Vec<PricedFamily<'a>>,
}

#[derive(Debug, Serialize)]
struct PricedPoint<'a> {
    #[serde(flatten)]
    point: &'a Point,
    /// The monthly cost of `gib`, in USD. An upper bound. Absent if the price is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    usd_month: Option<f64>,
}

#[derive(Debug, Serialize)]
struct PricedFamily<'a> {
    rule: &'a Option<Arc<str>>,
    family: &'a Option<Arc<str>>,
    images: &'a [usize],
    gib: &'a [u64],
    /// The monthly cost of the `gib` of each point, in USD. An upper bound. Absent if the price is
    /// unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    usd_month: Option<Vec<f64>>,
}

impl<'a> PricedSimulation<'a> {
    /// Computes the costs at the list price of the simulation's Region, if it is known.
    pub fn of(simulation: &'a Simulation) -> Self {
        let Simulation {
            account,
            region,
            from,
            days,
            growing,
            still,
            sizes_unknown,
            refusal,
            points,
            families,
            gone: _,
            end: _,
        } = simulation;
        let price = Price::in_region(region);
        let usd_month = |gib: u64| Some(price.as_ref()?.of(gib).amount());
        let points =
            points.iter().map(|point| PricedPoint { point, usd_month: usd_month(point.gib) });
        let families =
            families.iter().map(|FamilySeries { rule, family, images, gib }| PricedFamily {
                rule,
                family,
                images,
                gib,
                usd_month: gib.iter().map(|gib| usd_month(*gib)).collect(),
            });
        Self {
            account,
            region: region.as_ref(),
            from: *from,
            days: *days,
            growing: *growing,
            still: *still,
            sizes_unknown: *sizes_unknown,
            refusal: refusal.as_ref(),
            points: points.collect(),
            families: families.collect(),
            price,
        }
    }
}
