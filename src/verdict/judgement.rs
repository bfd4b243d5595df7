//! The shapes of a verdict: its words, its evidence, and the reasons to withhold it.
//!
//! Owns the types that every procedure fills and every report reads. Must not know procedures or formats.
//! Invariant: an *inconclusive* always has a reason.

use jiff::Timestamp;

use crate::stats::interval::Interval;
use crate::suite::{Bounds, Metric, Quantity};
use crate::units::Nanos;

use super::incomparable::IncomparableHistory;
use super::prompt_effects::EffectByPrompt;

/// The verdict on a candidate: worse means slower, more expensive or less often correct, better the opposite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Worse by more than the tolerance.
    Regressed,
    /// Better by more than the tolerance.
    Improved,
    /// Not worse by more than the margin.
    Ok,
    /// The run cannot decide.
    Inconclusive,
}

impl Verdict {
    /// The stored word. Between variants of one run nothing regressed: one is worse than the other.
    pub const fn word(self, design: ComparisonDesign) -> &'static str {
        match (self, design) {
            (Self::Regressed, ComparisonDesign::Interleaved) => "worse",
            (Self::Improved, ComparisonDesign::Interleaved) => "better",
            (Self::Ok, ComparisonDesign::Interleaved) => "not_worse",
            (Self::Regressed, _) => "regressed",
            (Self::Improved, _) => "improved",
            (Self::Ok, _) => "ok",
            (Self::Inconclusive, _) => "inconclusive",
        }
    }

    /// The word in reports.
    pub const fn printed_word(self, design: ComparisonDesign) -> &'static str {
        match (self, design) {
            (Self::Ok, ComparisonDesign::Interleaved) => "not worse",
            _ => self.word(design),
        }
    }
}

/// The design of a comparison, which selects its family of procedures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ComparisonDesign {
    /// Variants of one run, sent at the same moments: only chance within the run matters.
    Interleaved,
    /// A run before and a run after: runs differ as wholes, and one past run says little about how much.
    TwoRuns,
    /// Today against the accepted runs of a history.
    History,
}

impl ComparisonDesign {
    /// The word that CSV and JSON have.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// All comparisons of a run, and the notes on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The design that all comparisons share.
    pub design: ComparisonDesign,
    /// The reason why the history, or a part of it, cannot be compared with this run: to be read first.
    pub incomparable: Option<IncomparableHistory>,
    /// The shifts that all unchanged models share, one for each primary metric that has one.
    pub shared_shifts: Vec<SharedShift>,
    /// The comparisons, candidates in the order of the suite, metrics in the order of
    /// [`Metric::ALL`].
    pub comparisons: Vec<Comparison>,
    /// Notes on the whole run, as sentences.
    pub notes: Vec<String>,
}

impl Judgement {
    /// Creates a judgement whose runs can be compared.
    pub const fn new(
        design: ComparisonDesign,
        comparisons: Vec<Comparison>,
        notes: Vec<String>,
    ) -> Self {
        Self {
            design,
            incomparable: None,
            shared_shifts: Vec::new(),
            comparisons,
            notes,
        }
    }
}

/// A shift of a metric that all unchanged models share since the past: the gateway's or the network's, not a
/// model's.
#[derive(Debug, Clone, PartialEq)]
pub struct SharedShift {
    /// The metric.
    pub metric: Metric,
    /// Labels of the models that it is estimated from.
    pub models: Vec<String>,
    /// Its ratio, today over the past.
    pub effect: Effect,
    /// The largest worsening that is tolerated: 0.05 for 5 %.
    pub max: f64,
    /// The result of checking it.
    pub status: LimitStatus,
}

/// One metric of one candidate against its reference, or against its own past.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Label of the candidate.
    pub candidate: String,
    /// Label of the reference; for [`ComparisonDesign::TwoRuns`] and [`ComparisonDesign::History`] the candidate's own.
    pub reference: String,
    /// The compared metric.
    pub metric: Metric,
    /// True if it can fail a build, false if it is exploratory.
    pub primary: bool,
    /// The statistical procedure.
    pub procedure: Procedure,
    /// The tolerance, margin and floor.
    pub bounds: Bounds,
    /// Candidate / reference (a ratio), or candidate minus reference (a difference of shares), according to the
    /// metric's [`crate::suite::Scale`]. Absent where there was nothing to compare.
    pub effect: Option<Effect>,
    /// The sample size.
    pub size: SampleSize,
    /// The one-sided p values of the three claims; absent where no test was possible.
    pub tests: Option<Tests>,
    /// The verdict.
    pub verdict: Verdict,
    /// Reasons for the verdict, and its caveats; never empty if inconclusive.
    pub reasons: Vec<Reason>,
    /// The smallest worsening that this comparison would have detected with a power of 80 %, the tolerance
    /// included: 0.2 for +20 % (or 20 points). Absent where it cannot be computed.
    pub detectable_change: Option<f64>,
    /// The sample size required for a decision; [`RequiredSize::goal`] is the goal of that size.
    pub required_size: Option<RequiredSize>,
    /// The effect on each prompt that took part, by id; ratios or differences of shares.
    pub per_prompt: EffectByPrompt,
    /// The most influential prompt.
    pub influence: Option<Influence>,
    /// The same comparison within each provider that answered both sides, where shares of providers differ.
    pub routes: Vec<RouteComparison>,
}

/// The size of a difference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// A ratio (1.1: a tenth more) or a difference of shares (0.02: 2 points more).
    pub estimate: f64,
    /// Its confidence interval, in the same unit.
    pub interval: Interval,
    /// Confidence level of the interval: 0.95, or more where several comparisons share the error rate.
    pub level: f64,
}

/// The sample size of a comparison.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SampleSize {
    /// Prompts that took part.
    pub prompts: u64,
    /// Values of the reference (for past runs: of their levels, where known).
    pub reference: u64,
    /// Values of the candidate.
    pub candidate: u64,
    /// Past runs, for a history.
    pub runs: u64,
}

/// One-sided p values, independent of the metric's direction: a small one supports the claim.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tests {
    /// Worse by more than the tolerance.
    pub worse: f64,
    /// Better by more than the tolerance.
    pub better: f64,
    /// Worse by less than the margin, if at all.
    pub within_margin: f64,
}

/// The statistical procedure of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Procedure {
    /// Clustered aligned ranks on logarithms, prompts as clusters.
    AlignedRanks,
    /// Ratio of mean costs over prompts, by Fieller.
    RatioOfMeans,
    /// Difference of rates, Student's t over prompts.
    RateDifference,
    /// Difference of rates of different prompts or runs, by Newcombe.
    UnpairedRates,
    /// Shares beyond the common 90th percentile, Student's t over prompts.
    TailShares,
    /// Prediction from earlier runs.
    History,
    /// The same prediction for the difference from a control.
    HistoryOfDifference,
    /// The same prediction for the departure from the shift that all models share.
    Departure,
}

impl Procedure {
    /// The stored word.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// The sample size that a run requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequiredSize {
    /// Prompts.
    pub prompts: u64,
    /// Repetitions of each prompt.
    pub repetitions: u64,
    /// The goal of that size.
    pub goal: SizeGoal,
}

/// The goal of a required sample size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeGoal {
    /// Detect a worsening by the margin with a power of 80 %.
    Detect,
    /// Take the interval within the margin, if all answers are alike, as these were.
    Bound,
}

/// The most influential prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Influence {
    /// The id of the prompt.
    pub prompt: String,
    /// The verdict without it.
    pub verdict_without: Verdict,
    /// True if that differs from the verdict: one prompt decides.
    pub is_decisive: bool,
}

/// A comparison within the answers of one provider.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteComparison {
    /// The provider, as the gateway names it.
    pub provider: String,
    /// Its share of the reference's answers.
    pub share_reference: f64,
    /// Its share of the candidate's answers.
    pub share_candidate: f64,
    /// The effect within its answers; absent where too few prompts have answers of it on both sides.
    pub effect: Option<Effect>,
    /// The verdict on this part alone.
    pub verdict: Verdict,
}

/// A reason for a verdict, or a caveat. Each has one sentence in reports.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// The interval contains both a regression and no change: more samples would decide.
    TooWide,
    /// Too few prompts with values on both sides.
    TooFewPrompts {
        /// Prompts with values on both sides (or as many as the weights are worth).
        usable: u64,
    },
    /// More than 20 % of prompts have no value on a side.
    PromptsDropped {
        /// Prompts without a value, among those that were sent.
        dropped: u64,
    },
    /// More than 10 % of a side's requests failed or ran into a deadline.
    TooManyErrors {
        /// The larger share of the two sides.
        share: f64,
    },
    /// The sides have no value of this metric.
    NotMeasured,
    /// One side shows its reasoning and the other does not: their first tokens are not comparable.
    ReasoningDiffers,
    /// The verdict differs with and without the excluded samples, or their shares differ.
    Excluded {
        /// Share of the reference's samples.
        reference: f64,
        /// Share of the candidate's samples.
        candidate: f64,
    },
    /// Shares of prompt-cache hits differ by more than 10 points.
    CacheHitsDiffer {
        /// Share of hits of the reference.
        reference: f64,
        /// Share of hits of the candidate.
        candidate: f64,
        /// True if hits were compared with hits and misses with misses.
        split: bool,
    },
    /// Shares of retried trials differ by more than 2 points: the experienced TTFT is judged, too.
    RetriesDiffer {
        /// Share of the reference's trials.
        reference: f64,
        /// Share of the candidate's trials.
        candidate: f64,
    },
    /// A significant change, but smaller than the absolute floor.
    BelowFloor {
        /// The change at the median over prompts.
        change_ns: Nanos,
        /// The absolute floor.
        floor_ns: Nanos,
    },
    /// The metric drifted during the run, which cannot be distinguished from a change since the past.
    Drift,
    /// The shares of providers differ by more than 10 points, between the sides or from before.
    RouteShift {
        /// The provider whose shares differ most.
        provider: String,
        /// Its share of the reference's answers, or of those in the past.
        reference: f64,
        /// Its share of the candidate's answers.
        candidate: f64,
    },
    /// A first regression: a second run, an hour or more later, decides.
    Unconfirmed,
    /// It differs from the other models by more than chance, but which of them moved is unknown.
    NotSeparable,
    /// No past run has a value to compare with.
    NoHistory,
    /// No past run can be compared with this variant: something was changed. The judgement states it first.
    Incomparable(IncomparableHistory),
    /// A history has levels, not tails.
    NoTailInHistory,
    /// The baseline has itself moved, over the accepted runs of the level.
    LevelMoved {
        /// When the level began.
        began: Timestamp,
        /// By how much of its own unit.
        change: f64,
        /// Accepted runs of the level.
        runs: usize,
    },
    /// The verdict is the one of an earlier look.
    DecidedEarlier {
        /// The round of that look.
        round: u32,
    },
}

/// An absolute limit, judged with the interval of the estimate.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitCheck {
    /// Label of the variant.
    pub variant: String,
    /// Id of the prompt, of a limit per prompt.
    pub prompt: Option<String>,
    /// The limited quantity.
    pub quantity: Quantity,
    /// The bound in the quantity's unit: ns, share, USD, or a number.
    pub bound: f64,
    /// Point estimate in that unit; absent where there is none.
    pub estimate: Option<f64>,
    /// Its interval: of 95 %, which the prompts of a limit per prompt share. A fact of the run has none.
    pub interval: Interval,
    /// Number of samples.
    pub n: u64,
    /// The result of the check.
    pub status: LimitStatus,
}

/// The result of checking a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitStatus {
    /// The whole interval lies within the bound.
    Within,
    /// The whole interval lies beyond the bound.
    Exceeded,
    /// The interval contains the bound, or has no end on that side.
    Inconclusive,
}
