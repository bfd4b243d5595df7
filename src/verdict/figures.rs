//! The figures of some samples.
//!
//! Owns which figures there are. Must not know whose samples they are of. Invariant: times are of answered
//! samples only.

use super::cell_tally::CellTally;
use super::distribution::{Distribution, RankBounds};
use super::money::{Money, Total};
use super::observation::Observation;
use super::quality::QualityTally;
use super::tally::{SampleCounts, Tally, TokenKind, TokenTotal};
use crate::suite::Metric;
use crate::units::Nanos;

/// The figures of some samples. Times are in ns, of answered samples only.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Numbers of samples by outcome.
    pub counts: SampleCounts,
    /// Time to the first token; excluded samples left out.
    pub ttft_ns: Option<Distribution>,
    /// Time to the first token of the answer; excluded samples left out. Absent unless more than half of the others have one:
    /// an empty answer has none, and a median over few others would be called the answers' median.
    pub ttfa_ns: Option<Distribution>,
    /// Time to the first useful unit of the answer; excluded samples left out.
    pub first_unit_ns: Option<Distribution>,
    /// Time from the first attempt to the first token; excluded samples left out.
    pub experienced_ttft_ns: Option<Distribution>,
    /// Time to the end of the answer.
    pub latency_ns: Option<Distribution>,
    /// Mean gap per answer.
    pub request_gap_ns: Option<Distribution>,
    /// Completion tokens per second after the first chunk.
    pub output_rate: Option<Distribution>,
    /// Completion tokens per second over the latency.
    pub end_to_end_rate: Option<Distribution>,
    /// Visible characters per second over the latency.
    pub chars_per_second: Option<Distribution>,
    /// Tokens, in the order of [`TokenKind::ALL`].
    tokens: [TokenTotal; TokenKind::ALL.len()],
    /// Costs of the samples.
    pub money: Money,
    /// Graded answers, and the time of all trials.
    pub quality: QualityTally,
}

impl Figures {
    /// Computes the figures of some samples from their sums and their observations.
    pub(super) fn new(tally: &Tally, samples: &CellSamples<'_>, ends: &mut RankBounds) -> Self {
        let mut values = MeasureValues::new(samples, ends);
        Self {
            counts: tally.counts.clone(),
            ttft_ns: values.spans(ttft),
            ttfa_ns: values.ttfa(),
            first_unit_ns: values.spans(|one| one.first_unit_ns.get().filter(|_| !one.excluded)),
            experienced_ttft_ns: values
                .spans(|one| one.experienced_ttft().filter(|_| !one.excluded)),
            latency_ns: values.spans(latency),
            request_gap_ns: values.spans(|one| one.mean_gap_ns.get()),
            output_rate: values.rates(|one| one.output_rate.get()),
            end_to_end_rate: values.rates(Observation::end_to_end_rate),
            chars_per_second: values.rates(Observation::chars_per_second),
            tokens: tally.tokens,
            money: tally.money,
            quality: tally.quality,
        }
    }

    /// The figures that reports have of one prompt, from its sums and its observations; the others are absent.
    pub(super) fn of_prompt(
        cell: &CellTally,
        samples: &CellSamples<'_>,
        ends: &mut RankBounds,
    ) -> Self {
        let mut values = MeasureValues::new(samples, ends);
        Self {
            counts: cell.counts(),
            ttft_ns: values.spans(ttft),
            ttfa_ns: values.ttfa(),
            first_unit_ns: None,
            experienced_ttft_ns: None,
            latency_ns: values.spans(latency),
            request_gap_ns: None,
            output_rate: values.rates(|one| one.output_rate.get()),
            end_to_end_rate: None,
            chars_per_second: None,
            tokens: TokenKind::ALL.map(|kind| cell.tokens(kind)),
            money: Money {
                list: cell.list(),
                billed: cell.billed(),
                market: cell.market(),
                ..Money::default()
            },
            quality: cell.quality(),
        }
    }

    /// Total tokens of a kind.
    pub const fn tokens(&self, kind: TokenKind) -> TokenTotal {
        self.tokens[kind as usize]
    }

    /// The price per request that variants are ranked by: the catalog's list price, else the gateway's own.
    /// Billed amounts are not ranked, because own keys make them 0.
    pub const fn ranked_cost(&self) -> Total {
        if self.money.list.n > 0 {
            self.money.list
        } else {
            self.money.market
        }
    }

    /// The list price of all trials, failed ones included, over the completed answers, USD; `None` where the price
    /// of an answer is not known.
    pub fn cost_per_completed(&self) -> Option<f64> {
        let (cost, answered) = (self.ranked_cost(), self.counts.answered);
        (answered > 0 && cost.n >= answered).then(|| cost.sum.as_f64() / answered as f64)
    }

    /// The same over the answers that passed: where some answers were not graded, they are taken to pass as often
    /// as the others.
    pub fn cost_per_passed(&self) -> Option<f64> {
        let rate = self.quality.pass_rate().filter(|rate| *rate > 0.0)?;
        Some(self.cost_per_completed()? / rate)
    }

    /// The time of all trials, with retries, their waits and failures, over the completed answers, ns.
    pub fn latency_per_completed(&self) -> Option<f64> {
        self.quality.time_over(self.counts.answered)
    }

    /// The same over the answers that passed, ns.
    pub fn latency_per_passed(&self) -> Option<f64> {
        let rate = self.quality.pass_rate().filter(|rate| *rate > 0.0)?;
        Some(self.latency_per_completed()? / rate)
    }
}

/// The observations of some samples, prompt by prompt.
pub(super) struct CellSamples<'a>(pub(super) &'a [Vec<Observation>]);

impl CellSamples<'_> {
    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Observation> {
        self.0.iter().flatten()
    }

    /// Those that were answered.
    pub(super) fn answered(&self) -> impl Iterator<Item = &Observation> {
        self.all().filter(|one| one.answered())
    }

    /// The distribution of a speed metric (TTFT, TTFA or latency), ns.
    pub(super) fn speed(&self, metric: Metric, ends: &mut RankBounds) -> Option<Distribution> {
        let mut values = MeasureValues::new(self, ends);
        match metric {
            Metric::Ttft => values.spans(ttft),
            Metric::Ttfa => values.ttfa(),
            _ => values.spans(latency),
        }
    }
}

fn ttft(one: &Observation) -> Option<Nanos> {
    one.ttft_ns.get().filter(|_| !one.excluded)
}

fn ttfa(one: &Observation) -> Option<Nanos> {
    one.ttfa_ns.get().filter(|_| !one.excluded)
}

fn latency(one: &Observation) -> Option<Nanos> {
    one.latency_ns.get()
}

/// The values of one measure after the other, in memory that is used again.
struct MeasureValues<'a> {
    samples: &'a CellSamples<'a>,
    ends: &'a mut RankBounds,
    integers: Vec<u64>,
    floats: Vec<f64>,
    /// The last spans and their distribution: without reasoning and retries, all times to a first token are equal.
    last: (Vec<u64>, Option<Distribution>),
}

impl<'a> MeasureValues<'a> {
    const fn new(samples: &'a CellSamples<'a>, ends: &'a mut RankBounds) -> Self {
        Self {
            samples,
            ends,
            integers: Vec::new(),
            floats: Vec::new(),
            last: (Vec::new(), None),
        }
    }

    fn spans(&mut self, value: impl Fn(&Observation) -> Option<Nanos>) -> Option<Distribution> {
        self.integers.clear();
        let spans = self.samples.answered().filter_map(value);
        self.integers.extend(spans.map(|span| span.0));
        if self.integers != self.last.0 {
            self.last.0.clone_from(&self.integers);
            self.last.1 = Distribution::from_integers(&mut self.integers, self.ends);
        }
        self.last.1.clone()
    }

    fn ttfa(&mut self) -> Option<Distribution> {
        let timed = self.samples.answered().filter(|one| !one.excluded);
        let timed = timed.count() as u64;
        self.spans(ttfa).filter(|times| times.n * 2 > timed)
    }

    fn rates(&mut self, value: impl Fn(&Observation) -> Option<f64>) -> Option<Distribution> {
        self.floats.clear();
        self.floats
            .extend(self.samples.answered().filter_map(value));
        Distribution::from_floats(&mut self.floats, self.ends)
    }
}
