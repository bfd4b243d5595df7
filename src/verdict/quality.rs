//! The quality figures of some samples: how many were graded, how many passed, and the time that all trials took.
//!
//! Owns what counts as graded, as passed and as paid for. Must not know how an answer was graded. Invariant: a trial
//! that failed is never counted as a wrong answer, and its cost and time are counted with the others.

use crate::record::Sample;
use crate::units::Nanos;

/// Units of a score of 1 in a sum of scores, which must not depend on the order of samples.
const SCORE_UNITS: f64 = 1e9;

/// Counts of graded answers, and the time that all trials took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QualityTally {
    /// Answers that were graded.
    pub graded: u64,
    /// Graded answers that passed.
    pub passed: u64,
    /// Sum of the scores, in billionths.
    score_units: u128,
    /// Time of all trials from the first attempt to the end of the last, failed ones included.
    spent_ns: u128,
}

impl QualityTally {
    /// Adds a trial that was not abandoned.
    pub(super) fn add(&mut self, sample: &Sample) {
        self.spent_ns += u128::from(time_spent(sample).0);
        let Some((passed, units)) = graded_score(sample) else {
            return;
        };
        self.graded += 1;
        self.passed += u64::from(passed);
        self.score_units += u128::from(units);
    }

    /// Graded answers, without the time of trials; the score is in billionths.
    pub(super) const fn of_grades(graded: u64, passed: u64, score_units: u128) -> Self {
        Self {
            graded,
            passed,
            score_units,
            spent_ns: 0,
        }
    }

    /// Adds the trials of another tally.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.graded += other.graded;
        self.passed += other.passed;
        self.score_units += other.score_units;
        self.spent_ns += other.spent_ns;
    }

    /// The mean score of graded answers.
    pub fn score_mean(&self) -> Option<f64> {
        (self.graded > 0).then(|| self.score_units as f64 / SCORE_UNITS / self.graded as f64)
    }

    /// The time of all trials over so many answers, ns.
    pub(super) fn time_over(&self, answers: u64) -> Option<f64> {
        (answers > 0).then(|| self.spent_ns as f64 / answers as f64)
    }

    /// The share of graded answers that passed.
    pub fn pass_rate(&self) -> Option<f64> {
        (self.graded > 0).then(|| self.passed as f64 / self.graded as f64)
    }
}

/// The verdict on a graded answer and its score in billionths; `None` of one that was not graded.
pub(super) fn graded_score(sample: &Sample) -> Option<(bool, u64)> {
    let (passed, score) = (sample.passed()?, sample.score()?);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a score lies within 0 and 1"
    )]
    let units = (score * SCORE_UNITS).round() as u64;
    Some((passed, units))
}

/// The time of a trial, from its first attempt to the end of the last.
pub(super) fn time_spent(sample: &Sample) -> Nanos {
    let first = sample.attempts.first().map(|attempt| attempt.sent_ns);
    let last = sample.attempts.iter().map(|attempt| attempt.end_ns).max();
    let spent = last.zip(first).map(|(last, first)| last.since(first));
    spent.unwrap_or_default()
}

/// The share of pairs of repetitions with the same result; `None` of fewer than two answers.
pub(super) fn agreement(graded: u64, passed: u64) -> Option<f64> {
    let pairs = |n: u64| n as f64 * (n as f64 - 1.0) / 2.0;
    let all = pairs(graded);
    let same = pairs(passed) + pairs(graded - passed);
    (all > 0.0).then(|| same / all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::record::{Grade, Outcome};
    use crate::verdict::fixture::{answered, failed, manifest};
    use crate::verdict::{Figures, MeanIntervals, RunFold};

    /// The summary's first variant of so many prompts, graded as `results` says: `None` of a trial that failed.
    fn figures(results: &[Vec<Option<bool>>]) -> (Figures, MeanIntervals) {
        let names: Vec<String> = (0..results.len()).map(|at| format!("p{at}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let repetitions = results.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let run = manifest(&["a/x"], &names, u32::try_from(repetitions).unwrap());
        let run_fold = RunFold::new(&run);
        let mut fold = run_fold.samples();
        let mut trial = 0;
        for (prompt, results) in results.iter().enumerate() {
            for result in results {
                let mut sample = answered(&run, trial, 400);
                trial += 1;
                sample.prompt = names[prompt].to_owned();
                let sample = match result {
                    Some(right) => {
                        let score = if *right { 1.0 } else { 0.25 };
                        sample.grades = vec![Grade::new("right", score, *right)];
                        sample
                    }
                    None => failed(sample, Outcome::ServerError, 500, "gone"),
                };
                fold.add(&sample);
            }
        }
        let sums = fold.end();
        let summary = run_fold.finish([sums]).summary;
        let variant = summary.variants.into_iter().next().unwrap();
        (variant.figures, variant.means)
    }

    fn is_about(value: Option<f64>, expected: f64) -> bool {
        value.is_some_and(|value| (value - expected).abs() < 1e-9)
    }

    #[test]
    fn failures_are_paid_for_and_are_no_wrong_answers() {
        // Three of four answers right, one more trial failed: the pass rate is of answers, the price of a right
        // answer is that of all five trials.
        let right = Some(true);
        let (figures, quality) = figures(&[vec![right, right, None], vec![right, Some(false)]]);
        assert_eq!((figures.quality.graded, figures.quality.passed), (4, 3));
        assert!(is_about(quality.pass_rate.map(|rate| rate.value), 0.75));
        assert!(is_about(figures.quality.score_mean(), (3.0 + 0.25) / 4.0));
        // The first prompt agrees with itself, the second does not.
        assert!(is_about(quality.consistency, 0.5));
        let known = figures.ranked_cost().sum.as_f64();
        assert!(is_about(figures.cost_per_completed(), known / 4.0));
        assert!(is_about(figures.cost_per_passed(), known / 3.0));
        let (completed, passed) = (
            figures.latency_per_completed(),
            figures.latency_per_passed(),
        );
        assert!(is_about(passed, completed.unwrap() * 4.0 / 3.0));
        let mean = figures.latency_ns.unwrap().mean;
        assert!(completed.unwrap() >= mean, "{completed:?} {mean}");
    }

    #[test]
    fn nothing_graded_is_not_known() {
        // Unknown quality is absent, never 0 or 100 %.
        let (figures, quality) = figures(&[vec![None, None]]);
        assert_eq!((quality.pass_rate, quality.consistency), (None, None));
        assert_eq!(figures.quality.score_mean(), None);
        assert_eq!(
            (figures.cost_per_completed(), figures.cost_per_passed()),
            (None, None)
        );
        assert_eq!(
            (
                figures.latency_per_completed(),
                figures.latency_per_passed()
            ),
            (None, None)
        );
    }

    proptest! {
        // Shares lie within 0 and 1, and a right answer never costs less than an answer.
        #[test]
        fn a_right_answer_costs_no_less(results in prop::collection::vec(
            prop::collection::vec(prop::option::of(any::<bool>()), 1..5), 1..5,
        )) {
            let (figures, quality) = figures(&results);
            let shares = [quality.consistency, quality.pass_rate.map(|rate| rate.value), figures.quality.score_mean()];
            for share in shares.into_iter().flatten() {
                prop_assert!((0.0..=1.0).contains(&share), "{:?}", shares);
            }
            if let Some(passed) = figures.cost_per_passed() {
                prop_assert!(passed + 1e-15 >= figures.cost_per_completed().unwrap());
            }
        }
    }
}
