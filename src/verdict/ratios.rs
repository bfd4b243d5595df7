//! Ratios of a variant's figures to the reference's.
//!
//! Owns the quotients that reports show beside figures. Must not know how they are shown. Invariant: no ratio has a
//! divisor of 0.

use crate::stats::quantile::Percentile;
use crate::suite::Metric;
use crate::units::Usd;

use super::distribution::{Distribution, Estimate};
use super::figures::Figures;
use super::judgement::Comparison;
use super::tally::TokenKind;

/// Figures divided by the reference's; absent where either is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Ratios {
    /// Ratio of the median TTFTs.
    pub ttft_p50: Option<Estimate>,
    /// Ratio of the median TTFAs.
    pub ttfa_p50: Option<Estimate>,
    /// Ratio of the median latencies.
    pub latency_p50: Option<Estimate>,
    /// Ratio of the median output rates.
    pub output_rate_p50: Option<Estimate>,
    /// Ratio of the mean completion tokens.
    pub completion_tokens_mean: Option<f64>,
    /// Ratio of the mean list prices per request.
    pub cost_mean: Option<f64>,
}

impl Ratios {
    /// The ratios of `ours` to the `reference`'s.
    pub(super) fn new(ours: &Figures, reference: &Figures) -> Self {
        let medians = |ours: &Option<Distribution>, reference: &Option<Distribution>| {
            let ours = ours.as_ref()?.percentile(Percentile::P50)?;
            let reference = reference.as_ref()?.percentile(Percentile::P50)?;
            quotient(ours.value, reference.value).map(|value| Estimate {
                value,
                n: ours.n.min(reference.n),
                bounded: ours.bounded && reference.bounded,
                interval: None,
            })
        };
        let tokens = |figures: &Figures| figures.tokens(TokenKind::Completion).mean();
        let cost = |figures: &Figures| figures.ranked_cost().mean().map(Usd::as_f64);
        let means = |mean_of: &dyn Fn(&Figures) -> Option<f64>| {
            quotient(mean_of(ours)?, mean_of(reference)?)
        };
        Self {
            ttft_p50: medians(&ours.ttft_ns, &reference.ttft_ns),
            ttfa_p50: medians(&ours.ttfa_ns, &reference.ttfa_ns),
            latency_p50: medians(&ours.latency_ns, &reference.latency_ns),
            output_rate_p50: medians(&ours.output_rate, &reference.output_rate),
            completion_tokens_mean: means(&tokens),
            cost_mean: means(&cost),
        }
    }

    /// The ratio of the medians of a metric over all answers, where it contradicts the effect of its comparison, which is by
    /// prompt: they lie on different sides of 1, and further apart than the tolerance.
    pub fn contradiction(&self, comparison: &Comparison) -> Option<f64> {
        let medians = match comparison.metric {
            Metric::Ttft => self.ttft_p50,
            Metric::Ttfa => self.ttfa_p50,
            Metric::Latency => self.latency_p50,
            Metric::OutputRate => self.output_rate_p50,
            _ => None,
        };
        let (medians, effect) = (medians?.value, comparison.effect?.estimate);
        let distance = (medians / effect).ln().abs();
        let opposed = (medians - 1.0) * (effect - 1.0) < 0.0;
        (opposed && distance > comparison.bounds.tolerance.ln_1p()).then_some(medians)
    }
}

/// The quotient; `None` if the divisor is 0.
pub(super) fn quotient(dividend: f64, divisor: f64) -> Option<f64> {
    (divisor > 0.0).then(|| dividend / divisor)
}
