//! The sample: the recorded outcome of one trial, and the row that all later analysis reads.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::units::{ModelId, Nanos, Usd};

use super::flag::Flag;
use super::{Grade, Outcome, Usage, grade};

/// One line of `samples.jsonl`. Absent means not known, never 0.
///
/// `scheduled_ns` and `sent_ns` are instants (nanoseconds since the run began); every other time
/// is a span that begins at `sent_ns` of the answered attempt, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Version of this format: [`Sample::VERSION`].
    pub version: u32,
    /// Number of the trial in the plan, from 0.
    pub trial: u64,
    /// Number of the slot in the plan, from 0: the unit of pairing.
    pub slot: u64,
    /// Round, from 1.
    pub round: u32,
    /// Id of the prompt.
    pub prompt: String,
    /// Digest of what the prompt asks (system text, messages, parameters), for pairing by content.
    pub prompt_digest: String,
    /// Repetition of the prompt, from 1.
    pub repetition: u32,
    /// Label of the variant.
    pub variant: String,
    /// The requested model.
    pub model: ModelId,
    /// Weight of the prompt.
    pub weight: f64,
    /// Tags of the prompt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The user's own values of the prompt.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// Outcome of the last attempt.
    pub outcome: Outcome,
    /// The error, verbatim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorReport>,
    /// The `x-request-id` of the answered (else the last) attempt.
    pub request_id: String,
    /// Time at which the answered (else the last) attempt was sent.
    pub sent_ns: Nanos,
    /// Time at which the slot was due: when a place for it was free.
    pub scheduled_ns: Nanos,
    /// Time for which a rate limit of the endpoint's profile delayed the slot after that; absent if none did.
    #[serde(default, alias = "held_ns", skip_serializing_if = "Option::is_none")]
    pub throttled_ns: Option<Nanos>,
    /// Time to open a connection, only when this attempt opened one. It lies inside the attempt, after
    /// `sent_ns`; the sample is flagged `cold` and not compared with warm ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_ns: Option<Nanos>,
    /// The part of it that connecting took, to the server or to the proxy in front of it; absent in older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_ns: Option<Nanos>,
    /// The part of it that the TLS handshake took; absent without TLS and in older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_ns: Option<Nanos>,
    /// Time to the response's headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers_ns: Option<Nanos>,
    /// TTFT: time to the first non-empty piece of reasoning, content, refusal or tool call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_ns: Option<Nanos>,
    /// TTFA: the same without reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttfa_ns: Option<Nanos>,
    /// Time to the first useful unit of the answer: a complete sentence, a complete tool call, or JSON that parses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_unit_ns: Option<Nanos>,
    /// Time to the last token-bearing chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_token_ns: Option<Nanos>,
    /// Time to the end of the answer (of the failure, if it failed).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ns: Option<Nanos>,
    /// Time from the first attempt's `sent` to the first token, less the `throttled_ns` of attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experienced_ttft_ns: Option<Nanos>,
    /// Times between token-bearing chunks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gaps: Option<Gaps>,
    /// Characters (Unicode scalar values) of the answer: content, refusal and tool calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_chars: Option<u64>,
    /// Characters of visible reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_chars: Option<u64>,
    /// Characters (reasoning and answer) of the first token-bearing chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_chunk_chars: Option<u64>,
    /// Token counts as the server reported them; by the conventions of [`Usage`] where they have one reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Paths of positive numbers in the server's usage that have no known meaning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread_usage: Vec<String>,
    /// The service tier that served the answer, in the server's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    /// The finish reason, verbatim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    /// Cost at the catalog's list prices by the formula of METHODOLOGY.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Usd>,
    /// The amount that the gateway billed, as it reports it (0 with own keys).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billed_usd: Option<Usd>,
    /// The part of `billed_usd` that the gateway added to the price of inference; absent if it added nothing,
    /// or does not report the two separately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surcharge_usd: Option<Usd>,
    /// The list price, as the gateway reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market_usd: Option<Usd>,
    /// The provider that answered, as the gateway names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Number of providers that the gateway tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_attempts: Option<u32>,
    /// The model that answered, if it is not the requested one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_model: Option<String>,
    /// The gateway's id of the generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation_id: Option<String>,
    /// Facts that matter before comparing this sample; sorted, no duplicates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
    /// Every HTTP exchange of the trial, in order; at least one.
    pub attempts: Vec<Attempt>,
    /// Text of the answer (content, or the refusal's text).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Text of visible reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// Tool calls, put together from their fragments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// One row for each check of the answer; empty where it was not graded.
    #[serde(
        default,
        alias = "scores",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "super::grade::rows_or_scores"
    )]
    pub grades: Vec<Grade>,
    /// The weighted score from which the answer passes; absent: every check must pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass_threshold: Option<f64>,
}

/// An error as the server or the client reported it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReport {
    /// HTTP status, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The server's own word (`error.type`, else `error.code`).
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Verbatim, cut at a stated length.
    pub message: String,
}

/// Times between token-bearing chunks of one answer, coalesced ones left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gaps {
    /// Gaps measured.
    pub count: u64,
    /// Their mean; absent when `count` is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_ns: Option<Nanos>,
    /// Their median; absent when `count` is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_ns: Option<Nanos>,
    /// Their 95th percentile (by type 8); absent where `count` does not support it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95_ns: Option<Nanos>,
    /// The longest; absent when `count` is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ns: Option<Nanos>,
    /// Gaps left out because their chunks came together (one frame, or without waiting).
    pub coalesced: u64,
    /// Histogram of the gaps in microseconds, HdrHistogram V2 with deflate, base64; absent when
    /// `count` is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hdr: Option<String>,
}

/// One HTTP exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The `x-request-id` that was sent.
    pub request_id: String,
    /// Since the run began.
    pub sent_ns: Nanos,
    /// Since the run began.
    pub end_ns: Nanos,
    /// Its outcome.
    pub outcome: Outcome,
    /// HTTP status, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The wait before the next attempt that the server requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Time for which this attempt was held back after the back-off, because its model failed; it is part of no
    /// other time. Absent if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttled_ns: Option<Nanos>,
}

impl Sample {
    /// Moves its instants from the clock of a part, which began at `start` of the run, to the clock of the run.
    pub fn move_by(&mut self, start: Nanos) {
        let later = |instant: Nanos| Nanos(instant.0.saturating_add(start.0));
        self.sent_ns = later(self.sent_ns);
        self.scheduled_ns = later(self.scheduled_ns);
        for attempt in &mut self.attempts {
            attempt.sent_ns = later(attempt.sent_ns);
            attempt.end_ns = later(attempt.end_ns);
        }
    }

    /// The end of its last attempt, since the run began.
    pub fn end(&self) -> Nanos {
        let ends = self.attempts.iter().map(|attempt| attempt.end_ns);
        ends.max().unwrap_or(self.sent_ns)
    }
}

impl Attempt {
    /// The wait that the server demanded before the next attempt.
    pub fn demanded_wait(&self) -> Option<Nanos> {
        let millis = self.retry_after_ms?;
        Some(Nanos(millis.saturating_mul(1_000_000)))
    }
}

/// A tool call, put together from its fragments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The server's id of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The function's name.
    pub name: String,
    /// The arguments, verbatim.
    pub arguments: String,
}

impl Sample {
    /// Version of the stored format.
    pub const VERSION: u32 = 2;

    /// Returns true if the sample has this flag.
    pub fn has(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }

    /// The known cost: the largest of list price, bill and the gateway's list price, so that neither own keys
    /// nor surcharges make it look cheap. Absent if the counts cannot be true, because a bill that comes with
    /// them can be computed from them, and if a bill of 0 is the only figure.
    pub fn spent(&self) -> Option<Usd> {
        let amounts = [self.cost_usd, self.billed_usd, self.market_usd];
        let max = amounts.into_iter().flatten().max();
        let is_known = |max: &Usd| self.cost_usd.is_some() || *max > Usd::ZERO;
        max.filter(|max| is_known(max) && !self.has(Flag::UsageImpossible))
    }

    /// The list price by the catalog, else as the gateway reports it; absent where the token counts have no reading or several.
    pub fn list_price(&self) -> Option<Usd> {
        let price = self.cost_usd.or(self.market_usd);
        price.filter(|_| !self.has_unknown_usage())
    }

    /// The list price as the gateway reports it, else by the catalog; absent where the token counts have no reading or several.
    pub fn market_price(&self) -> Option<Usd> {
        let price = self.market_usd.or(self.cost_usd);
        price.filter(|_| !self.has_unknown_usage())
    }

    /// The token counts, where they have one reading.
    pub fn known_usage(&self) -> Option<Usage> {
        self.usage.filter(|_| !self.has_unknown_usage())
    }

    /// The token counts as far as the use of a prompt cache is concerned: counts of a cache that exceed the prompt's are
    /// counted; others that cannot be true are left out.
    pub fn cache_usage(&self) -> Option<Usage> {
        let is_usable = |usage: &Usage| usage.contradicts_itself() || !self.has_unknown_usage();
        self.usage.filter(is_usable)
    }

    /// Returns true if token counts were reported that have no reading, or several.
    pub fn has_unknown_usage(&self) -> bool {
        self.has(Flag::UsageImpossible) || self.has(Flag::UsageAmbiguous)
    }

    /// The delay of the trial after its due time, by bakeoff itself or for a rate limit. A retry's wait is not
    /// lag: the first attempt counts.
    pub fn lag(&self) -> Nanos {
        self.first_sent().since(self.scheduled_ns)
    }

    /// The instant at which the first attempt was sent.
    pub fn first_sent(&self) -> Nanos {
        let first = self.attempts.first();
        first.map_or(self.sent_ns, |attempt| attempt.sent_ns)
    }

    /// The part of [`Self::lag`] that no rate limit caused.
    pub fn own_delay(&self) -> Nanos {
        self.lag().since(self.throttled_ns.unwrap_or_default())
    }

    /// Whether the answer passed: every check that has a weight did, or, where there is a threshold, the weighted
    /// score reaches it. `None` where nothing was graded, and of a trial that failed: an error is no wrong answer.
    pub fn passed(&self) -> Option<bool> {
        grade::passed(&self.grades, self.pass_threshold).filter(|_| self.outcome.is_gradable())
    }

    /// The weighted mean of the scores; `None` where [`Sample::passed`] is.
    pub fn score(&self) -> Option<f64> {
        grade::weighted_score(&self.grades).filter(|_| self.outcome.is_gradable())
    }

    /// Completion tokens a second after the first chunk (METHODOLOGY's *output rate*): completion tokens
    /// x share of characters after the first chunk / (last token - first token). Absent without
    /// streaming, without usage, where all came in one chunk or burst, or where reasoning was hidden.
    pub fn output_rate(&self) -> Option<f64> {
        if self.has(Flag::HiddenReasoning) || self.has(Flag::Buffered) {
            return None;
        }
        let tokens = self.known_usage()?.completion_tokens? as f64;
        let chars = self.answer_chars.unwrap_or(0) + self.reasoning_chars.unwrap_or(0);
        let later = chars.checked_sub(self.first_chunk_chars?)? as f64;
        let span = self.last_token_ns?.since(self.ttft_ns?).as_secs_f64();
        (span > 0.0 && later > 0.0).then(|| tokens * (later / chars as f64) / span)
    }

    /// Completion tokens a second over the whole latency.
    pub fn end_to_end_rate(&self) -> Option<f64> {
        let tokens = self.known_usage()?.completion_tokens? as f64;
        let span = self.latency_ns?.as_secs_f64();
        (span > 0.0).then(|| tokens / span)
    }

    /// Visible characters (reasoning and answer) a second over the whole latency: the rate that
    /// does not depend on a tokenizer.
    pub fn chars_per_second(&self) -> Option<f64> {
        let chars = self.answer_chars? + self.reasoning_chars.unwrap_or(0);
        let span = self.latency_ns?.as_secs_f64();
        (span > 0.0 && chars > 0).then(|| chars as f64 / span)
    }
}
