//! What it means: the figures of each variant, and their ratios to the reference's.
//!
//! Owns which sample counts for which figure. Must not know how a figure is written or shown.
//! Invariant: a figure says how many samples it stands on; a failed trial has no times and stays
//! in every denominator; the order of samples changes nothing.

mod caching;
mod compare;
mod conditions;
mod distribution;
mod error_groups;
mod evidence;
pub mod exit_code;
mod figures;
#[cfg(test)]
pub(crate) mod fixture;
mod forecast;
mod gate;
mod interleaved;
mod judge;
mod judgement;
mod means;
mod money;
mod output_tokens;
mod past;
mod planning;
mod power;
mod rule;
mod sequential;
mod summary;
mod tally;
#[cfg(test)]
mod tests;

pub use caching::{BreakEven, Caching, Saving};
pub use distribution::{Distribution, Estimate};
pub use error_groups::ErrorGroup;
pub use evidence::{Evidence, EvidenceFold, Observation, PromptKey, Value, VariantEvidence};
pub use figures::Figures;
pub use forecast::{
    Answers, AnswersFold, Basis, CACHED_FROM_TOKENS, Forecast, MONTH_DAYS, Mix, MixError,
    MixProblem, Monthly, Pricing, Ratio, Retries, Terms, Traffic, TrafficError, Unbounded, Unknown,
    VariantForecast, WhatIf, forecast,
};
pub use gate::{Passing, limits, passing};
pub use interleaved::{interleaved, primary_verdicts};
pub use judge::{Gated, Judged};
pub use judgement::{
    Aim, Comparison, Effect, Holds, Influence, Judgement, LimitCheck, Needed, Procedure, Reason,
    Route, Situation, Size, Tests, Verdict,
};
pub use means::Means;
pub use money::{Money, PairTotal, Total};
pub use output_tokens::{Change, Output, OutputChange, outputs_between, outputs_within};
pub use past::{
    Changed, Comparable, Floor, Past, Refusal, Trend, TrendPoint, aftermath, against_past,
    against_run, comparable, condense, trend,
};
pub use planning::{Planned, Shown, WorstCost, noise_shown, noisiest, sizes, worst_cost};
pub use power::{
    COMPLETED_NEAR, Found, Lint, PASS_RATE_NEAR, PAST_RUNS, POWER, Power, TYPICAL_NOISE, power,
    prompts_worth, shared_alpha,
};
pub use rule::{decide, family};
pub use sequential::{Looks, SequentialState, Standing, decided, sequential};
pub use summary::{
    GapFigures, Histograms, PromptSummary, Ratios, RunSummary, Summaries, VariantSummary,
};
pub use tally::{Counts, TokenKind, TokenTotal};
