//! The counts of a run in progress.
//!
//! Owns what is counted of its events. Must not know how it is displayed. Invariant: it holds a fixed amount per
//! variant however many trials there are.

use hdrhistogram::Histogram;

use crate::engine::{ModelPause, SendingState};
use crate::record::Sample;
use crate::report::{LiveModel, LiveRun, TREND_PARTS};
use crate::suite::Suite;
use crate::units::{ModelId, Nanos, Usd};

use super::time_left::Course;

/// Counts of a run so far.
pub(super) struct TrialTally {
    variants: Vec<VariantTally>,
    pub(super) planned: u64,
    pub(super) done: u64,
    /// Attempts that failed and were followed by another.
    pub(super) retries: u64,
    /// Start of the part on the clock of the run.
    pub(super) start: Nanos,
    /// The end of the last sample, since that start.
    last_end: Nanos,
    /// The instant at which the first sample was sent, since that start.
    first_sent: Option<Nanos>,
    /// The time after which the run ends, where that is known and the number of trials is not.
    pub(super) time_limit: Option<Nanos>,
    course: Course,
}

struct VariantTally {
    label: String,
    model: ModelId,
    /// [`SendingState::Resumed`]: it is sent to as planned.
    sending: SendingState,
    planned: u64,
    done: u64,
    failed: u64,
    output_tokens: u64,
    /// Absent: of none that has ended it is known.
    cost: Option<Usd>,
    ttft_us: Histogram<u32>,
    /// Thousandths of output tokens per second.
    output_rates: Histogram<u32>,
    /// For each part of the run, the sum of the logarithms of TTFT and their number.
    trend: [(f64, u32); TREND_PARTS],
}

impl TrialTally {
    /// The tally of a part that is to send so many trials, before the first one.
    pub(super) fn new(suite: &Suite, trials: u64) -> Self {
        let planned = trials / suite.variants.len().max(1) as u64;
        let histogram = || {
            Histogram::new_with_bounds(1, 3_600_000_000, 3)
                .expect("the bounds are constants that the histogram accepts")
        };
        let variants = suite.variants.iter().map(|variant| VariantTally {
            label: variant.label.clone(),
            model: variant.model.clone(),
            sending: SendingState::Resumed,
            planned,
            done: 0,
            failed: 0,
            output_tokens: 0,
            cost: None,
            ttft_us: histogram(),
            output_rates: histogram(),
            trend: [(0.0, 0); TREND_PARTS],
        });
        Self {
            course: Course::new(suite, trials),
            variants: variants.collect(),
            planned: trials,
            done: 0,
            retries: 0,
            start: Nanos::ZERO,
            last_end: Nanos::ZERO,
            first_sent: None,
            time_limit: suite.time_limit(),
        }
    }

    /// Counts a trial that ended.
    pub(super) fn add(&mut self, sample: &Sample) {
        // It did not end: the run did.
        if sample.outcome.is_abandoned() {
            return;
        }
        self.done += 1;
        let end = sample.sent_ns.0 + sample.latency_ns.map_or(0, |latency| latency.0);
        self.last_end = self.last_end.max(Nanos(end).since(self.start));
        let sent = sample.sent_ns.since(self.start);
        self.first_sent = Some(self.first_sent.map_or(sent, |first| first.min(sent)));
        let variant = self.variants.iter_mut().find(|v| v.label == sample.variant);
        if let Some(variant) = variant {
            variant.add(sample);
        }
    }

    /// Sets the state of a model, and returns the line about it.
    pub(super) fn set_sending(&mut self, model: &ModelId, state: SendingState) -> String {
        for variant in self.variants.iter_mut().filter(|v| v.model == *model) {
            variant.sending = state;
        }
        let words = sending_words(&state).unwrap_or_else(|| "answers again".to_owned());
        let has_others = self.variants.iter().any(|variant| variant.model != *model);
        if has_others && is_dropped(&state) {
            format!("{model}: {words}; the others go on")
        } else {
            format!("{model}: {words}")
        }
    }

    /// Counts the cost of a request that is no trial; `variant` is its index in the suite.
    pub(super) fn pay(&mut self, variant: usize, spent: Option<Usd>) {
        if let Some(variant) = self.variants.get_mut(variant) {
            variant.pay(spent);
        }
    }

    /// The state of the run after so much time.
    pub(super) fn state(&self, elapsed: Nanos) -> LiveRun {
        if let Some(limit) = self.time_limit {
            return self.state_in_time(elapsed, limit);
        }
        LiveRun {
            done: self.done,
            planned: self.planned,
            time_share: None,
            retries: self.retries,
            elapsed,
            left: self.left(),
            models: self.variants.iter().map(VariantTally::state).collect(),
        }
    }

    fn left(&self) -> Option<Nanos> {
        let variants = self.variants.iter();
        let going_on = variants.filter(|variant| !is_dropped(&variant.sending));
        let ended = going_on.map(|variant| variant.done);
        let left = (self.done > 0).then(|| self.course.time_left(ended, self.active()));
        left.flatten()
    }

    /// The time since the first request, up to the last end.
    pub(super) fn active(&self) -> Nanos {
        self.last_end.since(self.first_sent.unwrap_or_default())
    }

    /// The number of whole parts that have ended of a run in so many.
    pub(super) fn parts_ended(&self, parts: u64) -> u64 {
        let (ended, whole) = match self.time_limit {
            Some(limit) => (self.active().0, limit.0),
            None => (self.done, self.planned),
        };
        let ended = u128::from(ended) * u128::from(parts) / u128::from(whole.max(1));
        u64::try_from(ended).unwrap_or(u64::MAX)
    }

    /// The state of a run that ends after `limit`.
    fn state_in_time(&self, elapsed: Nanos, limit: Nanos) -> LiveRun {
        let models = self.variants.iter().map(|variant| LiveModel {
            planned: 0,
            ..variant.state()
        });
        LiveRun {
            done: self.done,
            planned: 0,
            time_share: Some(self.active().as_secs_f64() / limit.as_secs_f64()),
            retries: self.retries,
            elapsed,
            left: self.left(),
            models: models.collect(),
        }
    }
}

impl VariantTally {
    fn add(&mut self, sample: &Sample) {
        self.done += 1;
        self.failed += u64::from(!sample.outcome.answered());
        let usage = sample.known_usage();
        let tokens = usage.and_then(|usage| usage.completion_tokens);
        self.output_tokens += tokens.unwrap_or(0);
        self.pay(sample.billed_usd.max(sample.cost_usd));
        if let Some(rate) = sample.output_rate() {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rate is positive, and casts saturate"
            )]
            self.output_rates.saturating_record((rate * 1e3) as u64);
        }
        let Some(ttft) = sample.ttft_ns.filter(|ttft| *ttft > Nanos::ZERO) else {
            return;
        };
        self.ttft_us.saturating_record(ttft.0 / 1_000);
        let part = (self.done - 1).saturating_mul(TREND_PARTS as u64) / self.planned.max(1);
        let part = usize::try_from(part).unwrap_or(TREND_PARTS);
        let (sum, count) = &mut self.trend[part.min(TREND_PARTS - 1)];
        *sum += (ttft.0 as f64).ln();
        *count += 1;
    }

    fn pay(&mut self, spent: Option<Usd>) {
        self.cost = [self.cost, spent]
            .into_iter()
            .flatten()
            .reduce(|so_far, cost| so_far.plus(cost).unwrap_or(so_far));
    }

    fn state(&self) -> LiveModel {
        let median = |all: &Histogram<u32>| (!all.is_empty()).then(|| all.value_at_quantile(0.5));
        LiveModel {
            label: self.label.clone(),
            done: self.done,
            planned: self.planned,
            failed: self.failed,
            ttft_p50: median(&self.ttft_us).map(|micros| Nanos(micros * 1_000)),
            trend: self
                .trend
                .map(|(sum, count)| (count > 0).then(|| sum / f64::from(count))),
            output_rate: median(&self.output_rates).map(|thousandths| thousandths as f64 / 1e3),
            output_tokens: self.output_tokens,
            cost: self.cost,
            state: sending_words(&self.sending),
        }
    }
}

/// Returns true if nothing more is sent.
const fn is_dropped(state: &SendingState) -> bool {
    matches!(state, SendingState::Dropped { .. })
}

/// The words about a model that is not sent to as planned.
fn sending_words(state: &SendingState) -> Option<String> {
    match state {
        SendingState::Resumed => None,
        SendingState::Paused(pause) => Some(pause_words(pause)),
        SendingState::Dropped {
            outcome,
            failing_for,
        } => Some(format!(
            "dropped after {} of {}",
            seconds(*failing_for),
            outcome.word()
        )),
    }
}

/// The words about a pause: the failure, the next test, and how much of the patience is used up.
fn pause_words(pause: &ModelPause) -> String {
    format!(
        "failing ({}) for {} of {} patience, next try in {}",
        pause.outcome.word(),
        seconds(pause.failing_for),
        seconds(pause.patience),
        seconds(pause.next_try),
    )
}

/// A time in whole seconds, `4 s`.
fn seconds(time: Nanos) -> String {
    format!("{:.0} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::example;
    use crate::record::Outcome;
    use crate::record::example::plain_sample;
    use crate::suite::{ConcurrencyStage, LoadProfile, LoadStage};

    #[test]
    fn an_unknown_cost_is_not_shown_as_zero() {
        // A model without a price has not cost $0.0000.
        let mut sample = plain_sample(0);
        (sample.cost_usd, sample.billed_usd) = (None, None);
        let suite = example::suite(1, 1, 2);
        sample.variant.clone_from(&suite.variants[0].label);
        let mut tally = TrialTally::new(&suite, 2);
        tally.add(&sample);
        assert!(tally.state(Nanos::ZERO).line().ends_with("cost unknown"));
        sample.billed_usd = Some(Usd(Usd::PICO / 4));
        tally.add(&sample);
        assert!(tally.state(Nanos::ZERO).line().ends_with("$0.2500 spent"));
    }

    #[test]
    fn a_trend_fills_from_the_left_as_the_run_goes_on() {
        // Its parts are parts of the plan, so that a character that was drawn stays where it is.
        let suite = example::suite(1, 1, 24);
        let mut sample = plain_sample(0);
        sample.variant.clone_from(&suite.variants[0].label);
        let mut tally = TrialTally::new(&suite, suite.variants.len() as u64 * 24);
        for number in 0..24_u64 {
            sample.ttft_ns = Some(Nanos::from_millis(100 + 100 * (number / 12)));
            tally.add(&sample);
            let model = &tally.state(Nanos::ZERO).models[0];
            let filled = model.trend.iter().flatten().count() as u64;
            assert_eq!(filled, number / 2 + 1);
        }
        let model = &tally.state(Nanos::ZERO).models[0];
        assert!((model.trend[11].unwrap() - model.trend[0].unwrap() - 2_f64.ln()).abs() < 1e-9);
        assert_eq!((model.done, model.planned), (24, 24));
    }

    #[test]
    fn the_first_answers_promise_nothing() {
        // 20 of 160 trials are in flight and take a second each: 7 s are left when the first of them have ended.
        let mut suite = example::suite(8, 5, 4);
        suite.concurrency = 4;
        let mut tally = TrialTally::new(&suite, 160);
        let mut sample = plain_sample(0);
        sample.sent_ns = Nanos::ZERO;
        sample.latency_ns = Some(Nanos::from_millis(1_000));
        let mut left_after_each = || {
            for variant in &suite.variants {
                sample.variant.clone_from(&variant.label);
                tally.add(&sample);
            }
            tally.state(Nanos::ZERO).left
        };
        let first: Vec<Option<u64>> = (0..4)
            .map(|_| Some(left_after_each()?.0 / 1_000_000))
            .collect();
        assert_eq!(first, [None, None, None, Some(4_333)]);
        let last = (4..32).map(|_| left_after_each()).last();
        assert_eq!(last.flatten(), Some(Nanos::ZERO));
    }

    #[test]
    fn a_dropped_model_is_not_waited_for() {
        // Its trials never end.
        let suite = example::suite(8, 2, 4);
        let mut tally = TrialTally::new(&suite, 64);
        let mut sample = plain_sample(0);
        sample.variant.clone_from(&suite.variants[0].label);
        (0..32).for_each(|_| tally.add(&sample));
        assert_eq!(tally.state(Nanos::ZERO).left, None);
        let dropped = SendingState::Dropped {
            outcome: Outcome::ServerError,
            failing_for: Nanos::ZERO,
        };
        let line = tally.set_sending(&suite.variants[1].model, dropped);
        assert!(line.ends_with("; the others go on"), "{line}");
        assert_eq!(tally.state(Nanos::ZERO).left, Some(Nanos::ZERO));
        let alone = example::suite(8, 1, 4);
        let line = TrialTally::new(&alone, 32).set_sending(&alone.variants[0].model, dropped);
        assert!(line.ends_with("server_error"), "{line}");
    }

    #[test]
    fn a_timed_run_counts_down_and_promises_no_number() {
        // The time counts from the first request, after the warm-up; how many trials it holds is not known.
        let mut suite = example::suite(1, 1, 1);
        suite.load = Some(LoadProfile {
            stages: vec![LoadStage::Concurrency(ConcurrencyStage {
                duration_ns: Some(Nanos::from_millis(10_000)),
                ..ConcurrencyStage::new(1)
            })],
            ..LoadProfile::default()
        });
        let mut tally = TrialTally::new(&suite, 20);
        let before = tally.state(Nanos::ZERO);
        assert_eq!((before.planned, before.left), (0, None));
        let mut sample = plain_sample(0);
        sample.sent_ns = Nanos::from_millis(3_000);
        sample.latency_ns = Some(Nanos::from_millis(2_500));
        tally.add(&sample);
        let state = tally.state(Nanos::from_millis(5_500));
        assert_eq!((state.done, state.planned), (1, 0));
        assert_eq!(state.left, Some(Nanos::from_millis(7_500)));
        assert_eq!(state.time_share, Some(0.25));
        assert!(
            state.line().starts_with("1 trial, about 7.5 s left"),
            "{}",
            state.line()
        );
    }
}
