//! Bars of a distribution in a column of a terminal's table.
//!
//! Owns how a spread is drawn. Must not know which table it stands in. Invariant: all bars of a column share one scale,
//! which begins at 0, and each fits its width.

use crate::stats::quantile::Percentile;
use crate::suite::Metric;
use crate::units::Nanos;
use crate::verdict::{Distribution, RunSummary};

/// The least width of a bar: below it two models look alike.
pub(super) const BAR_WIDTH_MIN: usize = 12;
/// The width beyond which a bar shows nothing more.
pub(super) const BAR_WIDTH_MAX: usize = 30;

/// The spread of a measure in each row of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpreadColumn {
    /// Its heading.
    pub(super) heading: &'static str,
    /// Smallest value, median and 95th percentile (the largest value where n is too small for one).
    rows: Vec<Option<[Nanos; 3]>>,
}

impl SpreadColumn {
    /// The spread of a speed metric in the rows of a run's variants.
    pub(super) fn new(summary: &RunSummary, metric: Metric) -> Self {
        let figures = summary.variants.iter().map(|variant| &variant.figures);
        let (heading, distributions): (_, Vec<&Option<Distribution>>) = match metric {
            Metric::Ttft => ("TTFT spread", figures.map(|one| &one.ttft_ns).collect()),
            Metric::Ttfa => ("TTFA spread", figures.map(|one| &one.ttfa_ns).collect()),
            _ => (
                "latency spread",
                figures.map(|one| &one.latency_ns).collect(),
            ),
        };
        let row = |distribution: &Option<Distribution>| {
            let distribution = distribution.as_ref()?;
            let value = |percentile| Some(distribution.percentile(percentile)?.value);
            let high = value(Percentile::P95).unwrap_or(distribution.max);
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "times are positive and far below 2^64"
            )]
            let nanos = |value: f64| Nanos(value as u64);
            Some([distribution.min, value(Percentile::P50)?, high].map(nanos))
        };
        let rows = distributions.into_iter().map(row).collect();
        Self { heading, rows }
    }

    /// One bar for each row, at most `width` columns; empty where a row has no values.
    pub(super) fn bars(&self, width: usize) -> Vec<String> {
        let highs = self.rows.iter().flatten().map(|[_, _, high]| high.0);
        let scale = u128::from(highs.max().unwrap_or(0).max(1));
        let place = |value: &Nanos| {
            let place = u128::from(value.0) * width as u128 / scale;
            usize::try_from(place).map_or(width, |place| place.min(width - 1))
        };
        let bar = |[low, middle, high]: &[Nanos; 3]| {
            let (low, middle, high) = (place(low), place(middle), place(high));
            let mark = |index: usize| match index {
                index if index == middle => '┃',
                index if index < low => ' ',
                _ => '─',
            };
            (0..=high).map(mark).collect()
        };
        let rows = self.rows.iter();
        rows.map(|row| row.as_ref().map_or_else(String::new, bar))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn column(rows: impl IntoIterator<Item = Option<[u64; 3]>>) -> SpreadColumn {
        let rows = rows.into_iter().map(|row| row.map(|row| row.map(Nanos)));
        SpreadColumn {
            heading: "TTFT spread",
            rows: rows.collect(),
        }
    }

    #[test]
    fn a_bar_goes_from_the_least_value_to_p95() {
        let rows = [Some([20, 40, 60]), Some([60, 90, 120]), None, Some([0; 3])];
        let bars = column(rows).bars(12);
        assert_eq!(bars, ["  ──┃──", "      ───┃──", "", "┃"]);
        assert_eq!(column([None]).bars(12), [""]);
    }

    proptest! {
        // A larger median never stands further left, and nothing is wider than its column.
        #[test]
        fn bars_keep_the_order_of_their_values(
            rows in prop::collection::vec(any::<[u64; 3]>(), 1..8),
            width in 1_usize..40,
        ) {
            let sorted = |mut row: [u64; 3]| {
                row.sort_unstable();
                row
            };
            let rows: Vec<[u64; 3]> = rows.into_iter().map(sorted).collect();
            let bars = column(rows.iter().copied().map(Some)).bars(width);
            let middle = |bar: &String| bar.chars().position(|c| c == '┃');
            for (row, bar) in rows.iter().zip(&bars) {
                prop_assert!(bar.chars().count() <= width);
                for (other, other_bar) in rows.iter().zip(&bars) {
                    if row[1] <= other[1] {
                        prop_assert!(middle(bar) <= middle(other_bar));
                    }
                }
            }
        }
    }
}
