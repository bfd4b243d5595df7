//! Level changes in a series of runs.
//!
//! Owns the monitoring of pooled late runs and the search for change points. Must not know the times of runs,
//! nor which were accepted. Invariant: a single outlying run is never called a change of level.

use super::distributions::t_sf;
use super::history::{Levels, Prediction, Prior, RUNS_MAX, predict};
use super::interval::Alpha;

/// The numbers of last runs to pool: a lasting small step shows only if several runs after it are taken
/// together.
pub const POOLED: [usize; 4] = [1, 2, 4, 8];

/// The p below which a split is accepted: chosen among many, it must be far beyond a single test's level.
const SPLIT_P: f64 = 0.001;

/// The minimum number of runs on each side of a split: one or two outlying runs are no level.
const SPLIT_RUNS: usize = 3;

/// The maximum number of runs in which changes are searched for: the search is quadratic.
pub const SEARCH_MAX: usize = 2_000;

/// The last runs pooled, compared with those before them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pooled {
    /// The comparison; `today` is the number of pooled runs.
    pub prediction: Prediction,
    /// The level of its interval: alpha shared by the four poolings.
    pub alpha: Alpha,
    /// Its two-sided p, to be compared with `alpha`.
    pub p: f64,
}

impl Pooled {
    /// Returns true if the pooled runs differ from those before them.
    pub fn moved(&self) -> bool {
        self.p < self.alpha.two_sided()
    }
}

/// Tests the mean of the last 1, 2, 4 and 8 runs against up to 20 before them, each at a quarter of `alpha`;
/// runs from the oldest to the newest. Poolings that leave no run before them are skipped.
pub fn test(runs: &Levels, prior: Prior, alpha: Alpha) -> Vec<Pooled> {
    let alpha = alpha.shared_by(POOLED.len());
    POOLED
        .iter()
        .filter_map(|&pooled| {
            let end = runs.runs();
            let first_late = end.checked_sub(pooled)?;
            let past = runs.slice(first_late.saturating_sub(RUNS_MAX), first_late)?;
            let prediction = predict(&past, &runs.slice(first_late, end)?, prior)?;
            let p = prediction.mean().p_two_sided(0.0)?;
            Some(Pooled {
                prediction,
                alpha,
                p,
            })
        })
        .collect()
}

/// A change of level inside a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The first run of the new level, counted from 0.
    pub at: usize,
    /// The rise from the level before to the new level, as a natural logarithm.
    pub shift: f64,
    /// The two-sided p of the change between its neighbours, chosen as the best of many.
    pub p: f64,
}

/// The changes of level in a series of run means, the oldest first: the best split in two by Welch's t,
/// accepted if p < 0.001, and again in each part (as in E-divisive; Matteson and James, JASA 109, 2014); at the
/// end every change must also pass between its neighbours. For cutting a history at a past change, not for
/// verdicts. Values that are not finite, and more than [`SEARCH_MAX`] of them, give no changes.
pub fn changes(means: &[f64]) -> Vec<Change> {
    if means.len() > SEARCH_MAX || !means.iter().all(|mean| mean.is_finite()) {
        return Vec::new();
    }
    let mut places = Vec::new();
    // Parts still to be searched, instead of recursion.
    let mut parts = vec![(0, means.len())];
    while let Some((first, end)) = parts.pop() {
        if let Some(split) = best_split(&means[first..end]) {
            let at = first + split.at;
            places.push(at);
            parts.extend([(first, at), (at, end)]);
        }
    }
    places.sort_unstable();
    confirmed(means, places)
}

/// The changes that still pass between their neighbours: the first split of a series with several levels may
/// lie anywhere. The weakest is dropped until all pass.
fn confirmed(means: &[f64], mut places: Vec<usize>) -> Vec<Change> {
    loop {
        let found: Vec<Change> = (0..places.len())
            .map(|index| {
                let first = if index == 0 { 0 } else { places[index - 1] };
                let end = places.get(index + 1).copied().unwrap_or(means.len());
                let change = welch(&means[first..end], places[index] - first);
                Change {
                    at: places[index],
                    ..change
                }
            })
            .collect();
        let weakest = (0..found.len()).max_by(|&a, &b| found[a].p.total_cmp(&found[b].p));
        match weakest {
            Some(index) if found[index].p >= SPLIT_P => {
                places.remove(index);
            }
            _ => return found,
        }
    }
}

/// The split with the smallest p, if that is small enough.
fn best_split(means: &[f64]) -> Option<Change> {
    let last = means.len().checked_sub(SPLIT_RUNS)?;
    (SPLIT_RUNS..=last)
        .map(|at| welch(means, at))
        .filter(|split| split.p < SPLIT_P)
        .min_by(|a, b| {
            a.p.total_cmp(&b.p)
                .then(b.shift.abs().total_cmp(&a.shift.abs()))
        })
}

/// Welch's t test ("The generalization of Student's problem", Biometrika 34, 1947) of the runs before `at`
/// against those from it on.
fn welch(means: &[f64], at: usize) -> Change {
    let (before, after) = means.split_at(at);
    let moments = |part: &[f64]| {
        let n = part.len() as f64;
        let mean = part.iter().sum::<f64>() / n;
        let squares: f64 = part.iter().map(|value| (value - mean).powi(2)).sum();
        (mean, squares / (n - 1.0) / n, n)
    };
    let ((mean_1, error_1, n_1), (mean_2, error_2, n_2)) = (moments(before), moments(after));
    let (shift, error) = (mean_2 - mean_1, error_1 + error_2);
    let size = mean_1.abs().max(mean_2.abs());
    let p = if shift.abs() <= 4.0 * f64::EPSILON * size * (n_1 + n_2) {
        1.0
    } else if error <= 0.0 {
        0.0
    } else {
        let df = error.powi(2) / (error_1.powi(2) / (n_1 - 1.0) + error_2.powi(2) / (n_2 - 1.0));
        2.0 * t_sf(shift.abs() / error.sqrt(), df)
    };
    Change { at, shift, p }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `count` runs around `level`, 1 % apart in a fixed pattern.
    fn around(level: f64, count: u32) -> Vec<f64> {
        (0..count)
            .map(|i| level + 0.01 * f64::from(i * 7 % 5) - 0.02)
            .collect()
    }

    #[test]
    fn changes_are_found_with_their_position() {
        // Ten runs, ten a fifth slower, ten back again: two changes, each at its first run.
        let series = [around(6.0, 10), around(6.2, 10), around(6.0, 10)].concat();
        let found = changes(&series);
        assert_eq!(
            found.iter().map(|change| change.at).collect::<Vec<_>>(),
            [10, 20]
        );
        assert!(
            (found[0].shift - 0.2).abs() < 0.15 && found[0].shift > 0.0,
            "{found:?}"
        );
        // A series without spread but for a step is the clearest of all.
        assert_eq!(changes(&[1.0, 1.0, 1.0, 2.0, 2.0, 2.0]).len(), 1);
    }

    #[test]
    fn a_single_odd_run_is_no_change() {
        // One run three times as slow, amid twenty: an outlier, not a level.
        let mut series = around(6.0, 20);
        series[10] += 1.1;
        assert_eq!(changes(&series), []);
        assert_eq!(changes(&[6.0; 30]), []);
        assert_eq!(changes(&[]), []);
        assert_eq!(changes(&[0.1, f64::NAN, 0.1, 0.1, 0.1, 0.1]), []);
    }

    #[test]
    fn pooling_finds_what_one_run_cannot() {
        // A lasting 9 %: inside the noise of one run, outside that of eight together.
        let prompts = |means: Vec<f64>| {
            let run = |mean: f64| (0..6).map(|prompt| mean + f64::from(prompt)).collect();
            Levels::new(means.into_iter().map(run).collect()).unwrap()
        };
        let runs = prompts([around(6.0, 12), around(6.09, 8)].concat());
        let prior = Prior::default();
        let looks = test(&runs, prior, Alpha::FIVE_PERCENT);
        let found: Vec<(usize, bool)> = looks
            .iter()
            .map(|look| (look.prediction.today, look.moved()))
            .collect();
        assert_eq!(found[0], (1, false), "{looks:?}");
        assert_eq!(found[3], (8, true), "{looks:?}");
        // With three runs only the poolings that leave a run before them exist.
        let short = test(&prompts(around(6.0, 3)), prior, Alpha::FIVE_PERCENT);
        assert_eq!(short.len(), 2);
    }

    proptest! {
        // Changes come in order, leave three runs on each side, and their p is small.
        #[test]
        fn changes_are_apart(means in prop::collection::vec(-1.0..1.0_f64, 0..60)) {
            let mut last = 0;
            for change in changes(&means) {
                prop_assert!(change.at >= last + SPLIT_RUNS && change.p < SPLIT_P);
                last = change.at;
            }
            prop_assert!(last == 0 || means.len() >= last + SPLIT_RUNS);
        }
    }
}
