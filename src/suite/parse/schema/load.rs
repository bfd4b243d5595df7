//! `[load]` of a suite file as it is written.
//!
//! Owns the documentation of its keys. Must not read anything. Invariant: as of [`super`].

use schemars::JsonSchema;

use crate::suite::model::load::ArrivalProcess;
use crate::suite::value::{defaults, limits};

/// The load of a run: an open loop at a rate, or a sweep over levels; and the objectives of each request.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct LoadTable {
    /// Open loop: requests to each model, whether or not earlier ones were answered. A rate such as `"20/s"` or
    /// `"600/m"`, a ramp `"5/s..50/s"`, or several as steps: `"10/s, 20/s"`.
    #[schemars(length(min = 1))]
    pub rate: Option<String>,
    /// Levels one after the other: `"concurrency=1,4,16,64"` (requests in flight to each model) or
    /// `"rate=1/s,2/s,5/s"`. A level begins when the one before has ended.
    #[schemars(length(min = 1))]
    pub sweep: Option<String>,
    /// Process of the arrivals at a rate. Default: `constant`.
    pub arrivals: Option<ArrivalProcess>,
    /// Length of each step, ramp or level of a rate, by default 1 minute. Without `rate`, `sweep` and `trace`: a closed loop
    /// for that time, in which `concurrency` requests are in flight to each model.
    pub duration: Option<String>,
    /// Requests to each model of each level of a concurrency, or the most of a closed loop. Default: the trials of the
    /// plan, or 20 times the concurrency if that is more; with a `duration`, as many as it takes.
    #[schemars(range(min = 1, max = limits::LOAD_REQUESTS))]
    pub requests: Option<u64>,
    /// Trace to replay, relative to the suite: JSON lines of Mooncake (`timestamp` in milliseconds, `input_length`,
    /// `output_length`, `hash_ids`), or CSV of `BurstGPT` or of Azure LLM inference. Where the suite has no prompts, they are
    /// made with the trace's numbers of tokens.
    #[schemars(length(min = 1, max = limits::PATH_CHARS))]
    pub trace: Option<String>,
    /// Unit of the trace's times, if it is not that of its shape.
    pub trace_unit: Option<TraceUnitWord>,
    /// Replays the trace so many times faster.
    #[schemars(range(min = 0.001, max = 1000), extend("default" = 1))]
    pub trace_speed: Option<f64>,
    /// The most requests of the trace, from its beginning. Default: all.
    #[schemars(range(min = 1, max = limits::PROMPTS))]
    pub trace_rows: Option<usize>,
    /// Objectives such as `"ttft_p95 < 1.5s"`, `"latency_p99 < 20s"`, `"itl_p95 < 50ms"` or `"error_rate < 1%"`. A
    /// request that meets all of them counts as goodput.
    #[schemars(length(min = 1, max = limits::SLOS))]
    pub slo: Option<Vec<String>>,
    /// Halves the concurrency of a level after a 429, and raises it again as requests are answered.
    #[schemars(extend("default" = false))]
    pub yield_on_429: Option<bool>,
}

/// Unit of a trace's times.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum TraceUnitWord {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
}

/// A group of prompts of one length.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SyntheticTable {
    /// Number of prompts.
    #[schemars(range(min = 1, max = limits::SYNTHETIC_PROMPTS), extend("default" = defaults::SYNTHETIC_PROMPTS))]
    pub prompts: Option<u32>,
    /// Tokens of each prompt by the tokenizers of `OpenAI`; others count some percent more or fewer.
    #[schemars(range(min = limits::INPUT_TOKENS_MIN, max = limits::INPUT_TOKENS))]
    pub input_tokens: u32,
    /// `max_tokens` of each prompt; the request asks for a longer answer. Default: the suite's.
    #[schemars(range(min = 1, max = limits::MAX_TOKENS))]
    pub output_tokens: Option<u64>,
    /// Share of each prompt that all prompts of the group begin with, such as `"80%"`: what a prompt cache can hold.
    /// Default: none.
    pub shared_prefix: Option<String>,
}
