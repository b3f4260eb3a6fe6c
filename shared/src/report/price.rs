//! The cost of snapshot storage at list prices. It is an upper bound, not a bill.

use std::fmt;

use serde::Serialize;

use crate::model::Region;
use crate::text_fmt::thousands;

/// EBS snapshots, standard tier, list price: `region,usd_per_gib_month`, as of [`AS_OF`].
const TABLE: &str = include_str!("prices.csv");
/// The date of the prices in the table.
const AS_OF: &str = "2026-11-26";

/// The price of snapshot storage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Price {
    /// The price in USD per GiB and month.
    pub usd_per_gib_month: f64,
    /// The Region of the price.
    pub region: String,
    /// The date of the price.
    pub as_of: &'static str,
    /// The type of price, as text.
    pub note: String,
}

impl Price {
    /// Returns the price in `region`, or the highest price of the table if it does not contain the
    /// Region. `None` without a Region, as on Azure: the table has no prices of Azure, and the prices
    /// differ by Region.
    pub fn in_region(region: &Option<Region>) -> Option<Self> {
        let region = region.as_ref()?;
        // The header and comments have no number in this column.
        let rows = TABLE.lines().filter_map(|line| {
            let (region, usd) = line.split_once(',')?;
            Some((region, usd.trim().parse::<f64>().ok()?))
        });
        let is_ours = |row: &(&str, f64)| row.0 == region.as_str();
        let found = rows.clone().find(is_ours);
        let dearest = || rows.clone().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or(("", 0.0));
        let (of, usd_per_gib_month) = found.unwrap_or_else(dearest);
        let mut note = "EBS snapshots, standard tier, list price".to_owned();
        if found.is_none() {
            note.push_str(&format!(
                "; the price in {region} is unknown, so this is the highest known price, and the real price can be \
                 higher"
            ));
        }
        Some(Self { usd_per_gib_month, region: of.to_owned(), as_of: AS_OF, note })
    }

    /// Returns the monthly cost of `gib` GiB.
    pub fn of(&self, gib: u64) -> Usd {
        #[expect(clippy::cast_precision_loss, reason = "nobody stores 2^52 GiB")]
        Usd(gib as f64 * self.usd_per_gib_month)
    }
}

/// Returns the size and its monthly cost, joined with `join`: `12 GiB, USD 0.60 a month`. Without a
/// price, only the size.
pub(super) fn size_and_cost(gib: u64, price: Option<&Price>, join: &str) -> String {
    let cost = price.map(|price| format!("{join}{} a month", price.of(gib).about()));
    format!("{} GiB{}", thousands(gib), cost.unwrap_or_default())
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { usd_per_gib_month, region, as_of, note } = self;
        write!(f, "USD {usd_per_gib_month} per GiB-month in {region} ({note}, {as_of})")
    }
}

/// An amount in USD, formatted in whole cents.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usd(f64);

impl Usd {
    /// Returns the amount in USD, rounded to cents.
    pub fn amount(self) -> f64 {
        (self.0 * 100.0).round() / 100.0
    }

    /// Formats the amount without the currency, for a column: `6,172.80`.
    pub(super) fn in_cents(self) -> String {
        let cents = format!("{:.2}", self.0);
        let (whole, cents) = cents.split_once('.').unwrap_or((&cents, "00"));
        format!("{}.{cents}", thousands(whole))
    }

    /// Formats the amount for a sentence: from ten dollars, rounded up to whole dollars.
    pub fn about(self) -> String {
        format!("USD {}", self.short())
    }

    /// Formats the amount like [`about`](Self::about) without the currency, for a column: `157`,
    /// `9.95`.
    pub fn short(self) -> String {
        if self.0 < 10.0 {
            return self.in_cents();
        }
        thousands(format!("{:.0}", self.0.ceil()))
    }
}

impl From<f64> for Usd {
    fn from(usd: f64) -> Self {
        Self(usd)
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "USD {}", self.in_cents())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(region: &str) -> Price {
        Price::in_region(&Some(region.parse().unwrap())).unwrap()
    }

    #[test]
    fn every_line_of_the_table_is_a_region_and_a_price() {
        for line in TABLE.lines().filter(|line| !line.starts_with('#')).skip(1) {
            let (region, usd) = line.split_once(',').unwrap();
            assert!(region.parse::<Region>().is_ok(), "{line}");
            assert!((0.01..1.0).contains(&usd.parse::<f64>().unwrap()), "{line}");
        }
    }

    #[test]
    fn an_unknown_region_costs_what_the_dearest_does() {
        let unknown = price("zz-nowhere-1");
        assert!(unknown.usd_per_gib_month >= price("us-east-1").usd_per_gib_month);
        assert!(unknown.note.contains("zz-nowhere-1"), "{}", unknown.note);
        assert_eq!(price("us-east-1").region, "us-east-1");
    }

    #[test]
    fn without_a_price_there_is_only_a_size() {
        assert_eq!(Price::in_region(&None), None);
        assert_eq!(size_and_cost(1_200, None, ", "), "1,200 GiB");
        let price = Price { usd_per_gib_month: 0.05, ..price("us-east-1") };
        assert_eq!(size_and_cost(1_200, Some(&price), " and "), "1,200 GiB and USD 60 a month");
    }

    #[test]
    fn money_is_read_with_commas_and_cents() {
        let price = Price { usd_per_gib_month: 0.05, ..price("us-east-1") };
        assert_eq!(price.of(123_456).to_string(), "USD 6,172.80");
        assert_eq!(price.of(0).to_string(), "USD 0.00");
        assert_eq!(price.of(123_456).about(), "USD 6,173");
        assert_eq!(price.of(199).about(), "USD 9.95");
        assert_eq!([0, 199, 123_456].map(|gib| price.of(gib).short()), ["0.00", "9.95", "6,173"]);
        assert!((price.of(33).amount() - 1.65).abs() < f64::EPSILON);
    }
}
