//! A comparison with the past before its verdict: what was measured, how far it lies from the past,
//! and why it may have to be withheld.
//!
//! Owns the figures of one metric of one variant. Must not know the other comparisons, which share the
//! error rate with it. Invariant: what is withheld has no test, so that it takes no share of it.

use std::collections::BTreeMap;

use crate::record::{AnswerMix, HistoryRun, HistoryVariant};
use crate::stats::FEWEST_PROMPTS;
use crate::stats::distributions::normal_isf;
use crate::stats::history::{Prediction, Prior, predict_beside};
use crate::stats::interval::{Alpha, Interval};
use crate::stats::quantile::quantile_f64;
use crate::stats::rates::{Passes, newcombe_p_greater, newcombe_unpaired, paired_difference};
use crate::suite::{Bounds, Direction, Metric, Scale};

use super::super::judgement::{Comparison, Procedure, Reason, Size, Tests, Verdict};
use super::levels::{Asked, Series};
use super::matching::{Matching, same_variant};

/// Shares of errors above which a time is not judged.
const ERRORS_MAX: f64 = 0.10;
/// A difference of shares above which answers are of another kind.
const MIX_POINTS: f64 = 0.10;
/// A difference of shares of retried answers that is told.
const RETRIED_POINTS: f64 = 0.02;
/// The power that a floor is stated for.
const POWER: f64 = 0.8;

/// A comparison without its verdict.
pub(super) struct Draft {
    /// With reasons that withhold the verdict, and tests where nothing does.
    pub comparison: Comparison,
    /// How far today lies from the past.
    pub excess: Excess,
}

/// How far today lies from the past.
pub(super) enum Excess {
    /// Nothing to compare.
    None,
    /// Of levels, as logarithms.
    Levels(LevelExcess),
    /// Of shares.
    Rates(RateExcess),
}

/// How far a level lies from those of the past.
pub(super) struct LevelExcess {
    /// By procedure H.
    pub prediction: Prediction,
    /// By how much of its own unit, at the median over prompts.
    pub median_change: f64,
    /// The prompt that moves the estimate most, and the tests without it.
    pub without: Option<(String, Tests)>,
}

/// How far a share lies from that of the past.
pub(super) struct RateExcess {
    /// Past and today of each prompt.
    prompts: Vec<(Passes, Passes)>,
    /// Passed and asked of all prompts.
    past: (u64, u64),
    today: (u64, u64),
}

impl Excess {
    /// The estimate and its interval, on the metric's scale: a ratio or a difference of shares.
    pub(super) fn effect(&self, alpha: Alpha) -> Option<(f64, Interval)> {
        match self {
            Self::None => None,
            Self::Levels(excess) => Some((
                excess.prediction.estimate.exp(),
                excess.prediction.interval(alpha).map(f64::exp),
            )),
            Self::Rates(rates) => Some(rates.effect(alpha)),
        }
    }

    /// The smallest worsening beyond `tolerance` that would have been found with a chance of 80 %.
    pub(super) fn floor(&self, tolerance: f64, alpha: Alpha) -> Option<f64> {
        let floor = match self {
            Self::None => return None,
            Self::Levels(excess) => {
                let shift = excess.prediction.smallest_shift(alpha);
                (tolerance.ln_1p() + shift).exp_m1()
            }
            Self::Rates(rates) => {
                let half = rates.effect(alpha).1.half_width()?;
                let z = alpha.critical_z();
                tolerance + half * (z + normal_isf(1.0 - POWER)) / z
            }
        };
        floor.is_finite().then_some(floor)
    }
}

impl RateExcess {
    /// Whether the prompts decide, by Student's t over their differences; else all counts together.
    fn by_prompt(&self) -> bool {
        let differs =
            |(past, today): &(Passes, Passes)| past.rate().to_bits() != today.rate().to_bits();
        self.prompts.len() >= FEWEST_PROMPTS
            && paired_difference(&self.prompts, Alpha::FIVE_PERCENT)
                .is_some_and(|difference| !difference.equal_on_all)
            && self.prompts.iter().any(differs)
    }

    fn effect(&self, alpha: Alpha) -> (f64, Interval) {
        if self.by_prompt()
            && let Some(difference) = paired_difference(&self.prompts, alpha)
        {
            return (difference.mean.estimate, difference.interval);
        }
        let rate = |(passed, of): (u64, u64)| passed as f64 / of as f64;
        let estimate = rate(self.today) - rate(self.past);
        (estimate, newcombe_unpaired(self.today, self.past, alpha))
    }

    fn tests(&self, metric: Metric, bounds: Bounds) -> Option<Tests> {
        if self.by_prompt() {
            let mean = paired_difference(&self.prompts, Alpha::FIVE_PERCENT)?.mean;
            return three(metric, bounds, |b| mean.p_greater(b), |b| mean.p_less(b));
        }
        three(
            metric,
            bounds,
            |bound| Some(newcombe_p_greater(self.today, self.past, bound)),
            |bound| Some(newcombe_p_greater(self.past, self.today, -bound)),
        )
    }
}

/// The three questions of a verdict, from the chances that the truth is a bound where a figure above
/// or below it was found.
fn three(
    metric: Metric,
    bounds: Bounds,
    greater: impl Fn(f64) -> Option<f64>,
    less: impl Fn(f64) -> Option<f64>,
) -> Option<Tests> {
    let on_scale = |bound: f64| match metric.scale() {
        Scale::Ratio => bound.ln_1p(),
        Scale::Points => bound,
    };
    let (tolerance, margin) = (on_scale(bounds.tolerance), on_scale(bounds.margin));
    Some(match metric.direction() {
        Direction::LowerIsBetter => Tests {
            worse: greater(tolerance)?,
            better: less(-tolerance)?,
            within_margin: less(margin)?,
        },
        Direction::HigherIsBetter => Tests {
            worse: less(-tolerance)?,
            better: greater(tolerance)?,
            within_margin: greater(-margin)?,
        },
    })
}

/// What the runs that match say of one variant.
pub(super) struct Subject<'a> {
    pub today: &'a HistoryRun,
    pub variant: &'a HistoryVariant,
    pub control: Option<&'a HistoryVariant>,
    pub matching: &'a Matching<'a>,
    /// All that its accepted runs answered, together.
    pub pooled: Pooled,
}

/// What accepted runs of a variant answered, together.
#[derive(Default)]
pub(super) struct Pooled {
    /// How many runs have the variant.
    pub runs: usize,
    asked: u64,
    completed: u64,
    mix: AnswerMix,
    providers: BTreeMap<String, u64>,
}

impl Pooled {
    pub(super) fn of(variant: &HistoryVariant, runs: &[&HistoryRun]) -> Self {
        let mut pooled = Self::default();
        let same = |run: &&HistoryRun| run.variants.iter().any(|v| same_variant(v, variant));
        pooled.runs = runs.iter().filter(|run| same(run)).count();
        let all = runs.iter().flat_map(|run| &run.variants);
        for then in all.filter(|then| same_variant(then, variant)) {
            pooled.add(then);
        }
        pooled
    }

    fn add(&mut self, then: &HistoryVariant) {
        for prompt in &then.prompts {
            self.asked += u64::from(prompt.asked);
            self.completed += u64::from(prompt.completed);
        }
        for (provider, count) in &then.providers {
            *self.providers.entry(provider.clone()).or_insert(0) += count;
        }
        let (sum, own) = (&mut self.mix, &then.mix);
        sum.answered += own.answered;
        sum.set_aside += own.set_aside;
        sum.retried += own.retried;
        sum.reasoned += own.reasoned;
        sum.cache_told += own.cache_told;
        sum.cache_hits += own.cache_hits;
    }

    fn error_share(&self) -> f64 {
        share(self.asked.saturating_sub(self.completed), self.asked).unwrap_or(0.0)
    }
}

fn share(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

/// Both shares, where they are further apart than `points`.
fn apart(then: Option<f64>, now: Option<f64>, points: f64) -> Option<(f64, f64)> {
    let (then, now) = (then?, now?);
    ((then - now).abs() > points).then_some((then, now))
}

impl Subject<'_> {
    fn now(&self) -> Pooled {
        let mut now = Pooled::default();
        now.add(self.variant);
        now
    }

    /// Whether reasoning is shown on one side and not on the other.
    pub(super) fn reasoning_differs(&self) -> bool {
        let shown = |mix: AnswerMix| share(mix.reasoned, mix.answered);
        apart(shown(self.pooled.mix), shown(self.variant.mix), 0.5).is_some()
    }

    /// Whether answers needed more attempts than before, or fewer.
    pub(super) fn retries_differ(&self) -> Option<(f64, f64)> {
        let retried = |mix: AnswerMix| share(mix.retried, mix.answered);
        let (then, now) = (retried(self.pooled.mix), retried(self.variant.mix));
        apart(then, now, RETRIED_POINTS)
    }

    fn routes_differ(&self) -> bool {
        let total = |providers: &BTreeMap<String, u64>| providers.values().sum::<u64>();
        let (then, now) = (&self.pooled.providers, &self.variant.providers);
        let of = |providers: &BTreeMap<String, u64>, name: &String| {
            share(providers.get(name).copied().unwrap_or(0), total(providers))
        };
        let mut names = then.keys().chain(now.keys());
        names.any(|name| apart(of(then, name), of(now, name), MIX_POINTS).is_some())
    }

    /// Why a metric cannot be judged, whatever its figures.
    fn withheld(&self, metric: Metric) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let rated = metric.is_time() || metric == Metric::OutputRate;
        let to_first_token = matches!(
            metric,
            Metric::Ttft | Metric::Ttfa | Metric::ExperiencedTtft
        );
        let (then, now) = (self.pooled.mix, self.variant.mix);
        let errors = self.pooled.error_share().max(self.now().error_share());
        if rated && errors > ERRORS_MAX {
            reasons.push(Reason::TooManyErrors { share: errors });
        }
        // A control that drifts alike takes the drift off.
        let drifts_apart = self.variant.drifted != self.control.is_some_and(|c| c.drifted);
        if rated && drifts_apart {
            reasons.push(Reason::Drift);
        }
        if matches!(metric, Metric::Ttft | Metric::ExperiencedTtft) && self.reasoning_differs() {
            reasons.push(Reason::ReasoningDiffers);
        }
        let aside = |mix: AnswerMix| share(mix.set_aside, mix.answered);
        if let Some((reference, candidate)) = apart(aside(then), aside(now), MIX_POINTS)
            && to_first_token
        {
            reasons.push(Reason::SetAside {
                reference,
                candidate,
            });
        }
        let hits = |mix: AnswerMix| share(mix.cache_hits, mix.cache_told);
        if let Some((reference, candidate)) = apart(hits(then), hits(now), MIX_POINTS)
            && (to_first_token || metric == Metric::Latency)
        {
            reasons.push(Reason::CacheHitsDiffer {
                reference,
                candidate,
            });
        }
        reasons
    }

    /// What to know beside a verdict.
    fn beside(&self, metric: Metric) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if metric == Metric::Ttft
            && let Some((reference, candidate)) = self.retries_differ()
        {
            reasons.push(Reason::RetriesDiffer {
                reference,
                candidate,
            });
        }
        if metric.scale() == Scale::Ratio && self.routes_differ() {
            reasons.push(Reason::RouteShift);
        }
        reasons
    }

    fn blank(&self, metric: Metric, primary: bool, bounds: Bounds) -> Comparison {
        Comparison {
            candidate: self.variant.label.clone(),
            reference: self.variant.label.clone(),
            metric,
            primary,
            procedure: Procedure::History,
            bounds,
            effect: None,
            size: Size::default(),
            tests: None,
            verdict: Verdict::Inconclusive,
            reasons: Vec::new(),
            detectable: None,
            needed: None,
            per_prompt: Vec::new(),
            influence: None,
            within_routes: Vec::new(),
        }
    }

    /// The comparison of a metric; `None` where there is nothing to compare and nobody relies on it.
    pub(super) fn draft(
        &self,
        metric: Metric,
        primary: bool,
        bounds: Bounds,
        prior: Prior,
    ) -> Option<Draft> {
        let blank = self.blank(metric, primary, bounds);
        let found = match metric {
            Metric::TtftTail => Err(Reason::Said(
                "A history keeps levels, not tails: compare variants of one run by it.".to_owned(),
            )),
            Metric::Completed | Metric::PassRate => self.rates(&blank),
            _ => self.levels(&blank, prior),
        };
        match found {
            Ok(draft) => Some(draft),
            Err(reason) => primary.then(|| Draft {
                comparison: Comparison {
                    reasons: vec![reason],
                    ..blank
                },
                excess: Excess::None,
            }),
        }
    }

    fn levels(&self, blank: &Comparison, prior: Prior) -> Result<Draft, Reason> {
        let metric = blank.metric;
        // What slows a whole gateway changes times, not prices nor tokens.
        let rated = metric.is_time() || metric == Metric::OutputRate;
        let asked = Asked {
            variant: self.variant,
            control: self.control.filter(|_| rated),
            metric,
        };
        if !self
            .variant
            .prompts
            .iter()
            .any(|p| p.levels.contains_key(&metric))
        {
            return Err(Reason::NotMeasured);
        }
        let (accepted, beside) = (&self.matching.accepted, &self.matching.beside);
        let series = Series::new(self.today, accepted, beside, asked).ok_or(Reason::NoPast)?;
        let predicted = series.levels(None).and_then(|(past, beside, today)| {
            predict_beside(&past, beside.as_ref(), &today, prior)
        });
        let prediction = predicted.ok_or(Reason::NoPast)?;
        let excess = series.excess();
        let mut reasons = self.withheld(metric);
        let usable = series.prompts.len();
        if usable < FEWEST_PROMPTS {
            reasons.push(Reason::TooFewPrompts {
                usable: usable as u64,
            });
        }
        let dropped = series.shared.saturating_sub(usable);
        if dropped * 5 > series.shared {
            reasons.push(Reason::PromptsDropped {
                dropped: dropped as u64,
            });
        }
        let mean = prediction.mean();
        let tests = || {
            three(
                metric,
                blank.bounds,
                |b| mean.p_greater(b),
                |b| mean.p_less(b),
            )
        };
        let tests = reasons.is_empty().then(tests).flatten();
        reasons.extend(self.beside(metric));
        let changes = series.plain.iter().zip(&excess);
        let mut changes: Vec<f64> = changes.map(|(ln, d)| ln.exp() - (ln - d).exp()).collect();
        changes.sort_unstable_by(f64::total_cmp);
        let without = tests.and_then(|_| without_one(&series, &excess, blank, prior));
        Ok(Draft {
            comparison: Comparison {
                procedure: match asked.control {
                    Some(_) => Procedure::HistoryOfDifference,
                    None => Procedure::History,
                },
                size: Size {
                    prompts: usable as u64,
                    reference: series.values.0,
                    candidate: series.values.1,
                    runs: prediction.past as u64,
                },
                tests,
                reasons,
                per_prompt: series
                    .prompts
                    .iter()
                    .cloned()
                    .zip(excess.iter().map(|d| d.exp()))
                    .collect(),
                ..blank.clone()
            },
            excess: Excess::Levels(LevelExcess {
                prediction,
                median_change: quantile_f64(&changes, 0.5).unwrap_or(0.0),
                without,
            }),
        })
    }

    fn rates(&self, blank: &Comparison) -> Result<Draft, Reason> {
        let metric = blank.metric;
        let counts = |variant: &HistoryVariant| {
            let mut counts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
            for prompt in &variant.prompts {
                let (passed, of) = match metric {
                    Metric::PassRate => (prompt.passed, prompt.graded),
                    _ => (prompt.completed, prompt.asked),
                };
                let entry = counts.entry(prompt.digest.clone()).or_insert((0, 0));
                *entry = (entry.0 + u64::from(passed), entry.1 + u64::from(of));
            }
            counts.retain(|_, (_, of)| *of > 0);
            counts
        };
        let today = counts(self.variant);
        if today.is_empty() {
            return Err(Reason::NotMeasured);
        }
        let mut past: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        let newest = self.matching.accepted.iter().rev();
        let mut runs = 0;
        for then in newest
            .filter_map(|run| run.variants.iter().find(|v| same_variant(v, self.variant)))
            .take(crate::stats::history::RUNS_MAX)
        {
            runs += 1;
            for (digest, (passed, of)) in counts(then) {
                let entry = past.entry(digest).or_insert((0, 0));
                *entry = (entry.0 + passed, entry.1 + of);
            }
        }
        let mut rates = RateExcess {
            prompts: Vec::new(),
            past: (0, 0),
            today: (0, 0),
        };
        let mut per_prompt = Vec::new();
        // In the order of the suite; of two prompts that ask the same the first stands for both.
        let mut left = today;
        for prompt in &self.variant.prompts {
            let Some(&then) = past.get(&prompt.digest) else {
                continue;
            };
            let Some(now) = left.remove(&prompt.digest) else {
                continue;
            };
            let passes = |(passed, of): (u64, u64)| {
                Passes::new(u32::try_from(passed).ok()?, u32::try_from(of).ok()?)
            };
            if let (Some(then), Some(now)) = (passes(then), passes(now)) {
                per_prompt.push((prompt.prompt.clone(), now.rate() - then.rate()));
                rates.prompts.push((then, now));
            }
            rates.past = (rates.past.0 + then.0, rates.past.1 + then.1);
            rates.today = (rates.today.0 + now.0, rates.today.1 + now.1);
        }
        if rates.prompts.is_empty() {
            return Err(Reason::NoPast);
        }
        Ok(Draft {
            comparison: Comparison {
                procedure: if rates.by_prompt() {
                    Procedure::RateDifference
                } else {
                    Procedure::UnpairedRates
                },
                size: Size {
                    prompts: rates.prompts.len() as u64,
                    reference: rates.past.1,
                    candidate: rates.today.1,
                    runs,
                },
                tests: rates.tests(metric, blank.bounds),
                reasons: self.beside(metric),
                per_prompt,
                ..blank.clone()
            },
            excess: Excess::Rates(rates),
        })
    }
}

/// The prompt that moves the estimate most, and the tests without it; `None` where too few remain.
fn without_one(
    series: &Series,
    excess: &[f64],
    blank: &Comparison,
    prior: Prior,
) -> Option<(String, Tests)> {
    if excess.len() <= FEWEST_PROMPTS {
        return None;
    }
    let mean = excess.iter().sum::<f64>() / excess.len() as f64;
    let distance = |place: &usize| (excess[*place] - mean).abs();
    let farthest = (0..excess.len()).max_by(|a, b| distance(a).total_cmp(&distance(b)))?;
    let (past, beside, today) = series.levels(Some(farthest))?;
    let mean = predict_beside(&past, beside.as_ref(), &today, prior)?.mean();
    let tests = three(
        blank.metric,
        blank.bounds,
        |b| mean.p_greater(b),
        |b| mean.p_less(b),
    )?;
    Some((series.prompts[farthest].clone(), tests))
}
