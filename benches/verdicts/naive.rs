//! Rules in common use: they pool all requests of a side and ignore the prompts.

use bakeoff::stats::distributions::normal_sf;
use bakeoff::stats::quantile::quantile_f64;
use bakeoff::verdict::VariantEvidence;

/// The results of each rule: true if it calls the candidate slower.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NaiveResults {
    /// p95 above 1.2 times the baseline's.
    pub p95: bool,
    /// Median above 1.1 times the baseline's.
    pub(crate) median: bool,
    /// An unpaired Mann-Whitney test, one-sided 2.5 %.
    pub(crate) mann_whitney: bool,
}

/// The TTFTs of a side, in rising order, ns.
pub(crate) fn pooled(side: &VariantEvidence) -> Vec<f64> {
    let all = side.prompts.iter().flatten();
    let mut values: Vec<f64> = all
        .filter_map(|one| one.ttft_ns.get().map(|span| span.0 as f64))
        .collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// Applies the rules to a baseline and a candidate, each in rising order.
pub(crate) fn rules(baseline: &[f64], candidate: &[f64]) -> NaiveResults {
    let at = |values: &[f64], q| quantile_f64(values, q).expect("there are answers");
    NaiveResults {
        p95: at(candidate, 0.95) > 1.2 * at(baseline, 0.95),
        median: at(candidate, 0.5) > 1.1 * at(baseline, 0.5),
        mann_whitney: mann_whitney(baseline, candidate) < 0.025,
    }
}

/// The one-sided p value of "b is larger", by the normal approximation with its correction for continuity;
/// times in ns have no ties worth correcting for.
fn mann_whitney(a: &[f64], b: &[f64]) -> f64 {
    let (n, m) = (a.len() as f64, b.len() as f64);
    let mut below = 0;
    let mut wins = 0.0;
    for value in b {
        while below < a.len() && a[below] < *value {
            below += 1;
        }
        wins += below as f64;
    }
    let sd = (n * m * (n + m + 1.0) / 12.0).sqrt();
    normal_sf((wins - 0.5 * n * m - 0.5) / sd)
}
