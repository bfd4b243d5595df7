//! The figures of each variant, and the verdicts on their differences.
//!
//! Owns which sample counts for which figure. Must not know how a figure is written or shown. Invariant: a
//! figure states the number of samples behind it; a failed trial has no times and stays in every denominator;
//! the order of samples changes nothing.

mod caching;
mod cell_tally;
mod compare;
mod conditions;
mod delayed_ack;
mod distribution;
mod error_groups;
mod evidence;
pub mod exit_code;
mod figures;
#[cfg(test)]
pub(crate) mod fixture;
mod fold;
mod forecast;
mod frontier;
mod gate;
mod incomparable;
mod interleaved;
mod judge;
mod judgement;
mod limit_abort;
mod limit_estimates;
mod limit_values;
mod lint;
mod load;
mod means;
mod money;
mod observation;
mod output_tokens;
mod part_span;
mod past;
mod planning;
mod power;
mod prompt_effects;
mod prompt_summary;
mod quality;
mod ratios;
mod recommendation;
mod rule;
mod run_index;
mod sequential;
mod summary;
mod switch;
mod tail;
mod tally;
#[cfg(test)]
mod tests;
mod time_parts;
mod timings;

pub use caching::{BreakEven, CacheFigures, CacheSaving};
pub use compare::claim::reaches_margin;
pub use conditions::{MAX_DROPPED_SHARE, MAX_FAILED_SHARE};
pub use distribution::{Distribution, Estimate};
pub use error_groups::ErrorGroup;
pub use evidence::{Evidence, EvidenceFold, PromptKey, VariantEvidence};
pub use figures::Figures;
pub use fold::{FoldedRun, RunFold, SampleFold};
pub use forecast::{
    AnswersFold, CACHED_FROM_TOKENS, Forecast, ForecastBasis, ForecastOptions, MONTH_DAYS, Mix,
    MixError, MixProblem, MonthlyCost, NoForecast, PassedForecast, Pricing, Ratio, Retries,
    RunAnswers, Traffic, TrafficError, UnboundedRatio, VariantForecast, WhatIf, forecast,
};
pub use frontier::{Frontier, FrontierStanding, frontier};
pub use gate::{GateStatus, check_limits, gate_status};
pub use incomparable::{DeclaredChange, IncomparableHistory};
pub use interleaved::{compare_interleaved, primary_verdicts};
pub use judge::{Evaluation, GatedJudgement};
pub use judgement::{
    Comparison, ComparisonDesign, Effect, Influence, Judgement, LimitCheck, LimitStatus, Procedure,
    Reason, RequiredSize, RouteComparison, SampleSize, SharedShift, SizeGoal, Tests, Verdict,
};
pub use limit_abort::unreachable_limit;
pub use limit_values::{LimitValue, LimitedQuantity};
pub use lint::{
    GateLint, Lint, ModelLint, RequestLint, lint_capacity, lint_suite, lint_unlisted, lint_unplayed,
};
pub use load::{
    Attainment, AttainmentStatus, Capacity, LoadFold, LoadSummary, StageFigures, StageSummary,
};
pub use means::MeanIntervals;
pub use money::{Money, PairTotal, Total};
pub use observation::{MetricValue, Observation};
pub use output_tokens::{
    OutputChange, OutputTotals, RatioChange, output_changes_between_runs, output_changes_within_run,
};
pub use past::{
    DetectableWorsening, IncomparableRuns, PastRuns, PromptDigests, RouteChange, RunPair,
    SpliceError, Trend, TrendPoint, compare_runs, compare_with_history, condense_run,
    history_updates, incomparable_history, pair_runs, splice, to_history_run, trends,
};
pub use planning::{PilotNoise, PlannedSize, WorstCost, noisiest, pilot_noise, planned_sizes};
pub use power::{
    COMPLETED_NEAR, DetectableChanges, PASS_RATE_NEAR, PAST_RUNS, Power, TYPICAL_NOISE,
    effective_prompts, history_power, power, shared_alpha,
};
pub use prompt_effects::EffectByPrompt;
pub use prompt_summary::{PromptSpeed, PromptSummaries, PromptSummary, PromptSums};
pub use quality::QualityTally;
pub use ratios::Ratios;
pub use recommendation::{
    Advice, Recommendation, RecommendationComponent, UnansweredSide, recommend,
};
pub use rule::{decide, decide_family};
pub use sequential::{
    ComparisonState, InterimLooks, SequentialState, compare_sequential, sequential_state,
};
pub use summary::{GapFigures, Histograms, RunSummary, SummaryFold, VariantSummary};
pub use switch::{
    ConditionStatus, SwitchCondition, SwitchDecision, SwitchOutcome, decide_switches,
};
pub use tail::{MeanParts, TailExplanation};
pub use tally::{SampleCounts, TokenKind, TokenTotal};
pub use time_parts::{STALL_GAPS, STALL_MIN, TimePart};
pub use timings::{LevelDrift, RunTimings, TrialTiming, VariantTimings};
