//! What a verdict is: its words, what it stands on, and why it may be withheld.
//!
//! Owns the shapes that every procedure fills and every report reads. Must not know procedures nor
//! formats. Invariant: an *inconclusive* always has a reason.

use jiff::Timestamp;

use crate::stats::interval::Interval;
use crate::suite::{Bounds, Metric, Quantity};
use crate::units::Nanos;

/// The four answers to "has it become worse?", from the candidate's point of view: *regressed* is
/// slower, dearer or less often right, *improved* the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Worse by more than the tolerance.
    Regressed,
    /// Better by more than the tolerance.
    Improved,
    /// Not worse by more than the margin.
    Ok,
    /// The run cannot tell.
    Inconclusive,
}

impl Verdict {
    /// The stored word, also the one in reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Regressed => "regressed",
            Self::Improved => "improved",
            Self::Ok => "ok",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// Which of three questions was asked, and so which family of procedures answered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Situation {
    /// Variants of one run, sent at the same moments: nothing but chance within the run to allow for.
    Interleaved,
    /// A run before and a run after: runs differ as wholes, and one past run says little about how much.
    TwoRuns,
    /// Today against the accepted runs of a history.
    History,
}

/// All that was found out about a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Which question was asked.
    pub situation: Situation,
    /// The comparisons, candidates in the order of the suite, metrics in the order of
    /// [`Metric::ALL`].
    pub comparisons: Vec<Comparison>,
    /// What a reader must know of the whole, in plain sentences.
    pub notes: Vec<String>,
}

/// One metric of one candidate against its reference, or against its own past.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Label of the candidate.
    pub candidate: String,
    /// Label of the reference; of [`Situation::TwoRuns`] and [`Situation::History`] the candidate's own.
    pub reference: String,
    /// What is compared.
    pub metric: Metric,
    /// Whether it can fail a build (else it is exploratory).
    pub primary: bool,
    /// How it was compared.
    pub procedure: Procedure,
    /// What was tolerated.
    pub bounds: Bounds,
    /// Candidate over reference (a ratio), or candidate less reference (a difference of shares): by the
    /// metric's [`crate::suite::Scale`]. Absent where there was nothing to compare.
    pub effect: Option<Effect>,
    /// What it stands on.
    pub size: Size,
    /// The one-sided p values of the three questions; absent where no test was possible.
    pub tests: Option<Tests>,
    /// The answer.
    pub verdict: Verdict,
    /// Why there is no better answer, or what to know beside it; never empty where inconclusive.
    pub reasons: Vec<Reason>,
    /// The smallest worsening that this comparison would have found with a chance of 80 %, the tolerance
    /// included: 0.2 for +20 % (or 20 points). Absent where it cannot be told.
    pub detectable: Option<f64>,
    /// What a run would need to tell; [`Needed::aim`] says what that is.
    pub needed: Option<Needed>,
    /// The effect on each prompt that took part, by id; ratios or differences of shares.
    pub per_prompt: Vec<(String, f64)>,
    /// The prompt whose absence changes most.
    pub influence: Option<Influence>,
    /// The same comparison within each provider that answered both sides, where shares of providers
    /// differ.
    pub within_routes: Vec<Route>,
}

/// How big a difference is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// A ratio (1.1: a tenth more) or a difference of shares (0.02: 2 points more).
    pub estimate: f64,
    /// In the same unit.
    pub interval: Interval,
    /// Confidence of the interval: 0.95, or more where several comparisons share the error rate.
    pub level: f64,
}

/// What a comparison stands on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Prompts that took part.
    pub prompts: u64,
    /// Values of the reference (of past runs: of their levels, where known).
    pub reference: u64,
    /// Values of the candidate.
    pub candidate: u64,
    /// Past runs, of a history.
    pub runs: u64,
}

/// One-sided p values, whichever direction is better: small means that the answer is yes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tests {
    /// Worse by more than the tolerance?
    pub worse: f64,
    /// Better by more than the tolerance?
    pub better: f64,
    /// Worse by less than the margin, if at all?
    pub within_margin: f64,
}

/// How a comparison was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    /// The same of the difference from a control.
    HistoryOfDifference,
}

impl Procedure {
    /// The stored word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::AlignedRanks => "aligned_ranks",
            Self::RatioOfMeans => "ratio_of_means",
            Self::RateDifference => "rate_difference",
            Self::UnpairedRates => "unpaired_rates",
            Self::TailShares => "tail_shares",
            Self::History => "history",
            Self::HistoryOfDifference => "history_of_difference",
        }
    }
}

/// What a run would need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needed {
    /// Prompts.
    pub prompts: u64,
    /// Repetitions of each.
    pub repetitions: u64,
    /// What such a run would do.
    pub aim: Aim,
}

/// What a run of the needed size would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// Find a worsening by the margin with a chance of 80 %.
    Find,
    /// Take the interval within the margin, if its answers are all alike, as these were.
    Bound,
}

/// The most influential prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Influence {
    /// Its id.
    pub prompt: String,
    /// The verdict without it.
    pub verdict_without: Verdict,
    /// Whether that is another one: one prompt decides.
    pub decides: bool,
}

/// A comparison within the answers of one provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// As the gateway names it.
    pub provider: String,
    /// Its share of the reference's answers.
    pub share_reference: f64,
    /// Its share of the candidate's answers.
    pub share_candidate: f64,
    /// Within its answers; absent where too few prompts have it on both sides.
    pub effect: Option<Effect>,
    /// Of this part alone.
    pub verdict: Verdict,
}

/// Why a verdict is what it is. Each has one sentence in reports.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// The interval holds both a regression and none: more samples would tell.
    TooWide,
    /// Fewer prompts with values on both sides than a verdict can stand on.
    TooFewPrompts {
        /// With values on both sides (or as many as the weights are worth).
        usable: u64,
    },
    /// More than 20 % of prompts have no value on a side.
    PromptsDropped {
        /// Of those that were asked.
        dropped: u64,
    },
    /// More than 10 % of a side's requests failed or ran into a deadline.
    TooManyErrors {
        /// The larger share of the two sides.
        share: f64,
    },
    /// The sides have no value of this metric.
    NotMeasured,
    /// One side shows its reasoning and the other does not: first tokens are different things.
    ReasoningDiffers,
    /// With and without the samples set aside the verdict differs, or their shares do.
    SetAside {
        /// Share of the reference's.
        reference: f64,
        /// Share of the candidate's.
        candidate: f64,
    },
    /// Shares of prompt-cache hits differ by more than 10 points.
    CacheHitsDiffer {
        /// Share of the reference's.
        reference: f64,
        /// Share of the candidate's.
        candidate: f64,
        /// Whether hits were compared with hits and misses with misses.
        apart: bool,
    },
    /// Shares of retried trials differ by more than 2 points: the experienced TTFT is judged as well.
    RetriesDiffer {
        /// Share of the reference's.
        reference: f64,
        /// Share of the candidate's.
        candidate: f64,
    },
    /// Statistically a change, but by less than the absolute floor.
    BelowFloor {
        /// At the median over prompts.
        change_ns: Nanos,
        /// The floor.
        floor_ns: Nanos,
    },
    /// The level moved during the run, and against the past that cannot be told from a change.
    Drift,
    /// Another provider answers than before.
    RouteShift,
    /// The first flag: a second run, an hour or more later, decides.
    Unconfirmed,
    /// There is no past to compare with yet.
    NoPast,
    /// A history has levels, not tails.
    NoTailInHistory,
    /// What it is compared with has itself moved, over the accepted runs of the level.
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

/// An absolute limit, judged with its interval.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitCheck {
    /// Label of the variant.
    pub variant: String,
    /// What is held.
    pub quantity: Quantity,
    /// In the quantity's unit: ns, share, USD.
    pub bound: f64,
    /// Point estimate in that unit; absent where there is none.
    pub estimate: Option<f64>,
    /// Its 95 % interval.
    pub interval: Interval,
    /// Samples.
    pub n: u64,
    /// Whether it holds.
    pub holds: Holds,
}

/// Whether a limit holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// The whole interval lies within.
    Yes,
    /// The whole interval lies beyond.
    No,
    /// The interval holds the bound, or has no end there.
    CannotTell,
}
