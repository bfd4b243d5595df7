//! Usage blocks: the places of token counts and of amounts, by vendor.
//!
//! Owns the table of these places, and the meaning of a block on each route. Must not know times or earlier chunks.
//! Invariants: amounts are parsed from their decimal text, never as floats; a positive number under a name that the table
//! does not have is reported by its name, never dropped in silence.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;

use super::bill::ReportedBill;
use super::lenient::{Count, LenientBool, List, Text};
use crate::catalog::TokenCounts;
use crate::record::Usage;
use crate::units::Usd;

/// Most fields that are read of one block; the largest known ones have some thirty.
const MAX_FIELDS: usize = 256;
/// Most levels of objects inside a block: no vendor has more than three.
const MAX_DEPTH: usize = 4;
/// Most parts of one answer: turns of a tool loop on the server's side, of which real answers have a dozen.
const MAX_PARTS: usize = 64;
/// xAI's unit of money: ticks in a pico-dollar are a hundredth, because 10^10 ticks are a dollar.
const PICO_USD_PER_TICK: i128 = Usd::PICO / 10_000_000_000;

/// The meaning of a number in a usage block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageMeaning {
    /// Prompt tokens, cached ones included.
    Prompt,
    /// Completion tokens.
    Completion,
    /// All tokens.
    Total,
    /// Tokens of reasoning.
    Reasoning,
    /// Prompt tokens read from a cache.
    Cached,
    /// Prompt tokens written to a cache, of any lifetime.
    CacheWrite,
    /// The part of them that is kept for minutes.
    CacheWriteShort,
    /// The part of them that is kept for an hour.
    CacheWriteHour,
    /// The part of them that is kept for twelve hours.
    CacheWriteHalfDay,
    /// Prompt tokens on the Messages route (without cached ones) and on the Responses route (with them).
    Input,
    /// Completion tokens on these two routes.
    Output,
    /// The billed amount in USD, without surcharges.
    Cost,
    /// The billed amount in ticks of 10^-10 USD.
    Ticks,
    /// The amount at list price.
    MarketCost,
    /// The billed amount with surcharges.
    GatewayCost,
    /// The amount that the provider billed to the user's own key.
    UpstreamCost,
    /// A part of another count, a time, or something else that no cost needs.
    Unused,
}

impl UsageMeaning {
    /// The meaning in words, for the documents.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Prompt => "prompt tokens, cached ones included",
            Self::Completion => "completion tokens",
            Self::Total => "all tokens; decides whether reasoning is in the completion",
            Self::Reasoning => "reasoning tokens",
            Self::Cached => "prompt tokens read from a cache",
            Self::CacheWrite => "prompt tokens written to a cache",
            Self::CacheWriteShort => "the part of written tokens kept for minutes",
            Self::CacheWriteHour => "the part of written tokens kept for an hour",
            Self::CacheWriteHalfDay => "the part of written tokens kept for twelve hours",
            Self::Input => "prompt tokens: of Messages without cached ones, of Responses with them",
            Self::Output => "completion tokens of Messages and Responses",
            Self::Cost => "billed, USD",
            Self::Ticks => "billed, 10^10 ticks a USD",
            Self::MarketCost => "list price, USD",
            Self::GatewayCost => "billed with surcharges, USD",
            Self::UpstreamCost => "billed by the provider to an own key, USD",
            Self::Unused => "not used",
        }
    }
}

/// A place of a number in a usage block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsagePlace {
    /// Names from the block on, joined by dots.
    pub path: &'static str,
    /// The meaning of the number.
    pub meaning: UsageMeaning,
    /// The vendors that use the place.
    pub vendor: &'static str,
    /// The package with its version, or the documentation, that states it.
    pub source: &'static str,
}

/// Declares the table: path, meaning, vendor, source.
macro_rules! places {
    ($($path:literal $meaning:ident $vendor:literal $source:literal)*) => {
        /// Every place that is known, in the order of the documents.
        pub const USAGE_PLACES: &[UsagePlace] = &[$(UsagePlace {
            path: $path,
            meaning: UsageMeaning::$meaning,
            vendor: $vendor,
            source: $source,
        },)*];
    };
}

places! {
    "prompt_tokens" Prompt "OpenAI and compatible" "PyPI openai 3.57.0"
    "completion_tokens" Completion "OpenAI and compatible" "PyPI openai 3.57.0"
    "total_tokens" Total "OpenAI and compatible" "PyPI openai 3.57.0"
    "completion_tokens_details.reasoning_tokens" Reasoning "OpenAI and compatible" "PyPI openai 3.57.0"
    "prompt_tokens_details.cached_tokens" Cached "OpenAI and compatible" "PyPI openai 3.57.0"
    "prompt_tokens_details.cache_write_tokens" CacheWrite "OpenAI, OpenRouter" "PyPI openai 3.57.0"
    "prompt_tokens_details.cache_write_tokens_details.ttl_30m_tokens" CacheWriteShort "OpenAI" "PyPI litellm 1.110.2"
    "prompt_tokens_details.cache_write_tokens_details.ttl_12h_tokens" CacheWriteHalfDay "OpenAI" "PyPI litellm 1.110.2"
    "reasoning_tokens" Reasoning "SGLang" "PyPI sglang 0.5.23"
    "cached_tokens" Cached "Moonshot" "npm @ai-sdk/moonshotai 3.0.60"
    "num_cached_tokens" Cached "Mistral" "npm @ai-sdk/mistral 4.0.87"
    "prompt_cache_hit_tokens" Cached "DeepSeek" "PyPI litellm 1.110.2"
    "cache_read_input_tokens" Cached "Anthropic, Databricks" "PyPI anthropic 2.14.0"
    "cache_creation_input_tokens" CacheWrite "Anthropic, Vercel, Databricks" "PyPI anthropic 2.14.0"
    "prompt_tokens_details.cache_creation_input_tokens" CacheWrite "Alibaba" "npm @ai-sdk/alibaba 2.0.58"
    "prompt_tokens_details.cache_creation.ephemeral_5m_input_tokens" CacheWriteShort "Alibaba" "npm @ai-sdk/alibaba 2.0.58"
    "cache_creation.ephemeral_5m_input_tokens" CacheWriteShort "Anthropic, Vercel" "PyPI anthropic 2.14.0"
    "cache_creation.ephemeral_1h_input_tokens" CacheWriteHour "Anthropic, Vercel" "PyPI anthropic 2.14.0"
    "input_tokens" Input "Anthropic; OpenAI Responses" "PyPI anthropic 2.14.0"
    "output_tokens" Output "Anthropic; OpenAI Responses" "PyPI anthropic 2.14.0"
    "output_tokens_details.thinking_tokens" Reasoning "Anthropic" "PyPI anthropic 2.14.0"
    "output_tokens_details.reasoning_tokens" Reasoning "OpenAI Responses" "PyPI openai 3.57.0"
    "input_tokens_details.cached_tokens" Cached "OpenAI Responses" "PyPI openai 3.57.0"
    "input_tokens_details.cache_write_tokens" CacheWrite "OpenAI Responses" "PyPI openai 3.57.0"
    "input_tokens_details.cache_write_tokens_details.ttl_30m_tokens" CacheWriteShort "OpenAI Responses" "PyPI openai 3.57.0"
    "input_tokens_details.cache_write_tokens_details.ttl_12h_tokens" CacheWriteHalfDay "OpenAI Responses" "PyPI openai 3.57.0"
    "cost" Cost "OpenRouter, Vercel" "PyPI openrouter 1.3.84"
    "cost.total_cost" Cost "Perplexity" "PyPI litellm 1.110.2"
    "cost_in_usd_ticks" Ticks "xAI" "npm @ai-sdk/xai 5.0.12"
    "market_cost" MarketCost "Vercel" "npm @ai-sdk/gateway 4.0.146"
    "gateway_cost" GatewayCost "Vercel" "npm @ai-sdk/gateway 4.0.146"
    "cost_details.upstream_inference_cost" UpstreamCost "OpenRouter, Vercel (with `is_byok`)" "PyPI openrouter 1.3.84"
    "cost_details.upstream_inference_prompt_cost" Unused "OpenRouter, Vercel" "PyPI openrouter 1.3.84"
    "cost_details.upstream_inference_completions_cost" Unused "OpenRouter, Vercel" "PyPI openrouter 1.3.84"
    "cost_details.upstream_inference_input_cost" Unused "OpenRouter Responses" "PyPI openrouter 1.3.84"
    "cost_details.upstream_inference_output_cost" Unused "OpenRouter Responses" "PyPI openrouter 1.3.84"
    "cost.input_tokens_cost" Unused "Perplexity" "PyPI litellm 1.110.2"
    "cost.output_tokens_cost" Unused "Perplexity" "PyPI litellm 1.110.2"
    "cost.reasoning_tokens_cost" Unused "Perplexity" "PyPI litellm 1.110.2"
    "cost.citation_tokens_cost" Unused "Perplexity" "PyPI litellm 1.110.2"
    "cost.search_queries_cost" Unused "Perplexity" "PyPI litellm 1.110.2"
    "cost.request_cost" Unused "Perplexity" "PyPI litellm 1.110.2"
    "prompt_cache_miss_tokens" Unused "DeepSeek" "PyPI litellm 1.110.2"
    "prompt_tokens_details.audio_tokens" Unused "OpenAI and compatible" "PyPI openai 3.57.0"
    "prompt_tokens_details.text_tokens" Unused "OpenAI, xAI" "PyPI openai 3.57.0"
    "prompt_tokens_details.image_tokens" Unused "OpenAI, xAI" "PyPI openai 3.57.0"
    "prompt_tokens_details.video_tokens" Unused "OpenRouter, Vercel" "PyPI openrouter 1.3.84"
    "completion_tokens_details.audio_tokens" Unused "OpenAI and compatible" "PyPI openai 3.57.0"
    "completion_tokens_details.text_tokens" Unused "OpenAI" "PyPI openai 3.57.0"
    "completion_tokens_details.image_tokens" Unused "OpenRouter, Vercel" "PyPI openrouter 1.3.84"
    "completion_tokens_details.accepted_prediction_tokens" Unused "OpenAI" "PyPI openai 3.57.0"
    "completion_tokens_details.rejected_prediction_tokens" Unused "OpenAI" "PyPI openai 3.57.0"
    "input_tokens_details.text_tokens" Unused "OpenAI Responses" "PyPI openai 3.57.0"
    "input_tokens_details.image_tokens" Unused "OpenAI Responses" "PyPI openai 3.57.0"
    "input_tokens_details.audio_tokens" Unused "OpenAI Responses" "PyPI openai 3.57.0"
    "output_tokens_details.text_tokens" Unused "OpenAI Responses" "PyPI openai 3.57.0"
    "server_tool_use.web_search_requests" Unused "Anthropic" "PyPI anthropic 2.14.0"
    "server_tool_use.web_fetch_requests" Unused "Anthropic" "PyPI anthropic 2.14.0"
    "num_sources_used" Unused "xAI" "npm @ai-sdk/xai 5.0.12"
    "queue_time" Unused "Groq" "PyPI groq 1.7.0"
    "prompt_time" Unused "Groq" "PyPI groq 1.7.0"
    "completion_time" Unused "Groq" "PyPI groq 1.7.0"
    "total_time" Unused "Groq" "PyPI groq 1.7.0"
}

/// The route of a usage block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UsageRoute {
    /// `/chat/completions`.
    Chat,
    /// `/messages`: `input_tokens` are those without the cache.
    Messages,
    /// `/responses`: `input_tokens` are all.
    Responses,
}

/// A model that wrote a part of an answer, by the count of its part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct WireIteration<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    model: Text<'a>,
}

/// A part of an answer that one model wrote, as the server counts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsagePart {
    /// The model, in the server's spelling; absent: the requested one.
    pub model: Option<String>,
    /// Its tokens; absent if they cannot be read.
    pub counts: Option<TokenCounts>,
}

/// A usage block: its fields by their path.
#[derive(Debug, Default)]
pub(super) struct UsageBlock(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for UsageBlock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = BTreeMap::<String, Box<RawValue>>::deserialize(deserializer)?;
        let mut flat = Vec::new();
        flatten(&mut flat, "", fields, 1);
        flat.truncate(MAX_FIELDS);
        Ok(Self(flat))
    }
}

/// Adds the fields of an object, and those of the objects inside it.
fn flatten(
    flat: &mut Vec<(String, Box<RawValue>)>,
    before: &str,
    fields: BTreeMap<String, Box<RawValue>>,
    depth: usize,
) {
    for (name, value) in fields {
        let path = format!("{before}{name}");
        let inner = (value.get().starts_with('{') && depth < MAX_DEPTH)
            .then(|| serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(value.get()).ok());
        match inner.flatten() {
            Some(inner) => flatten(flat, &format!("{path}."), inner, depth + 1),
            None => flat.push((path, value)),
        }
        if flat.len() > MAX_FIELDS {
            return;
        }
    }
}

impl UsageBlock {
    /// The largest count of this meaning: where several places differ one of them is a placeholder 0.
    pub(super) fn count(&self, meaning: UsageMeaning) -> Option<u64> {
        let counts = self.values(meaning);
        counts.filter_map(to_count).max()
    }

    /// The amount of this meaning in USD.
    fn usd(&self, meaning: UsageMeaning) -> Option<Usd> {
        self.values(meaning).find_map(parse_usd)
    }

    fn values(&self, meaning: UsageMeaning) -> impl Iterator<Item = &RawValue> {
        let of_meaning = move |path: &str| {
            let place = USAGE_PLACES.iter().find(|place| place.path == path);
            place.is_some_and(|place| place.meaning == meaning)
        };
        let fields = self.0.iter().filter(move |(path, _)| of_meaning(path));
        fields.map(|(_, raw)| &**raw)
    }

    fn field(&self, path: &str) -> Option<&RawValue> {
        let field = self.0.iter().find(|(name, _)| name == path);
        field.map(|(_, raw)| &**raw)
    }

    /// The amounts of the block.
    pub(super) fn bill(&self) -> ReportedBill {
        let is_byok = self.field("is_byok").and_then(|raw| {
            let flag = serde_json::from_str::<LenientBool>(raw.get());
            flag.ok()?.0
        });
        let ticks = self.count(UsageMeaning::Ticks);
        let ticks = ticks.map(|ticks| Usd(i128::from(ticks) * PICO_USD_PER_TICK));
        let upstream = self.usd(UsageMeaning::UpstreamCost);
        ReportedBill {
            with_surcharges: self.usd(UsageMeaning::GatewayCost),
            inference: self.usd(UsageMeaning::Cost).or(ticks),
            market: self.usd(UsageMeaning::MarketCost),
            upstream: upstream.filter(|_| is_byok == Some(true)),
            is_unreadable: self
                .0
                .iter()
                .any(|(path, raw)| is_unreadable_bill(path, raw)),
        }
    }

    /// The names of positive numbers that have no place in the table, and of bills that are no amount.
    pub(super) fn unread(&self, route: UsageRoute) -> Vec<String> {
        let is_unread = |(path, raw): &&(String, Box<RawValue>)| {
            let number: Option<f64> = serde_json::from_str(raw.get()).ok();
            let place = USAGE_PLACES.iter().find(|place| place.path == path);
            // The chat route has its own names for these two; without them they are the only counts.
            let is_unread = place.is_none_or(|place| match place.meaning {
                UsageMeaning::Input => {
                    route == UsageRoute::Chat && self.count(UsageMeaning::Prompt).is_none()
                }
                UsageMeaning::Output => {
                    route == UsageRoute::Chat && self.count(UsageMeaning::Completion).is_none()
                }
                _ => false,
            });
            (number.is_some_and(|number| number > 0.0) && is_unread)
                || is_unreadable_bill(path, raw)
        };
        let unread = self.0.iter().filter(is_unread);
        unread.map(|(path, _)| path.clone()).collect()
    }

    /// The model of a fallback on the server's side (Anthropic's `iterations`).
    pub(super) fn fallback_model(&self) -> Option<String> {
        let iterations: List<WireIteration<'_>> =
            serde_json::from_str(self.field("iterations")?.get()).ok()?;
        let fallback = iterations.0.into_iter();
        let mut fallback = fallback.filter(|iteration| iteration.kind.0 == "fallback_message");
        Some(fallback.next_back()?.model.some()?.into_owned())
    }

    /// The parts of the answer by the model that wrote each (Anthropic's `iterations`), where the counts of the block are not those of
    /// one model: a fallback or an advisor wrote a part, or the context was compacted, which the block does not count.
    pub(super) fn parts(&self) -> Vec<UsagePart> {
        let Some(raw) = self.field("iterations") else {
            return Vec::new();
        };
        let iterations = serde_json::from_str::<Vec<Box<RawValue>>>(raw.get()).unwrap_or_default();
        let is_message = |raw: &RawValue| {
            serde_json::from_str::<WireIteration<'_>>(raw.get())
                .is_ok_and(|iteration| iteration.kind.0 == "message")
        };
        if iterations.iter().all(|raw| is_message(raw)) {
            return Vec::new();
        }
        let part = |raw: &RawValue| {
            let counts = serde_json::from_str::<Self>(raw.get()).ok()?;
            let named = serde_json::from_str::<WireIteration<'_>>(raw.get()).ok()?;
            let model = named.model.some().map(std::borrow::Cow::into_owned);
            // Only the model that was requested may be left out.
            let is_known = model.is_some() || matches!(&*named.kind.0, "message" | "compaction");
            Some(UsagePart {
                model,
                counts: counts.message_counts().filter(|_| is_known),
            })
        };
        let unknown = || UsagePart {
            model: None,
            counts: None,
        };
        let parts = iterations.iter().take(MAX_PARTS + 1);
        let mut parts: Vec<UsagePart> =
            parts.map(|raw| part(raw).unwrap_or_else(unknown)).collect();
        if parts.len() > MAX_PARTS {
            parts = vec![unknown()];
        }
        parts
    }

    /// The counts of a block of the Messages route; `None` without those of fresh prompt and completion tokens.
    fn message_counts(&self) -> Option<TokenCounts> {
        let count = |meaning| self.count(meaning).unwrap_or(0);
        let lifetimes = [
            count(UsageMeaning::CacheWriteShort),
            count(UsageMeaning::CacheWriteHour),
            count(UsageMeaning::CacheWriteHalfDay),
        ];
        let by_lifetime = lifetimes
            .into_iter()
            .reduce(u64::saturating_add)
            .unwrap_or(0);
        let cached = count(UsageMeaning::Cached);
        let cache_write = count(UsageMeaning::CacheWrite).max(by_lifetime);
        let fresh = self.count(UsageMeaning::Input)?;
        Some(TokenCounts {
            prompt: fresh.saturating_add(cached).saturating_add(cache_write),
            cached,
            cache_write,
            cache_write_1h: lifetimes[1],
            cache_write_12h: lifetimes[2],
            completion: self.count(UsageMeaning::Output)?,
        })
    }

    /// The service tier that the block names (Anthropic).
    pub(super) fn service_tier(&self) -> Option<String> {
        let raw = self.field("service_tier")?;
        let tier: Text<'_> = serde_json::from_str(raw.get()).ok()?;
        tier.some().map(std::borrow::Cow::into_owned)
    }
}

/// The amount of a JSON number or string; `None` for whatever is not an amount of 0 or more.
pub(super) fn parse_usd(raw: &RawValue) -> Option<Usd> {
    let text = raw.get().trim_matches('"');
    text.parse().ok().filter(|usd| *usd >= Usd::ZERO)
}

/// Returns true if the place is one of a bill, and its value is no amount.
fn is_unreadable_bill(path: &str, raw: &RawValue) -> bool {
    let place = USAGE_PLACES.iter().find(|place| place.path == path);
    let is_bill = place.is_some_and(|place| {
        let bills = [
            UsageMeaning::GatewayCost,
            UsageMeaning::Cost,
            UsageMeaning::MarketCost,
        ];
        bills.contains(&place.meaning)
    });
    is_bill && is_unreadable(raw)
}

/// Returns true if the value is there and is no amount of 0 or more.
pub(super) fn is_unreadable(raw: &RawValue) -> bool {
    raw.get() != "null" && parse_usd(raw).is_none()
}

fn to_count(raw: &RawValue) -> Option<u64> {
    serde_json::from_str::<Count>(raw.get()).ok()?.0
}

/// The counts of `newer`, and those of `older` where they are absent, or 0 where they were not.
pub(super) fn merge_usage(newer: Usage, older: Usage) -> Usage {
    let of = |field: fn(&Usage) -> Option<u64>| newer_count(field(&newer), field(&older));
    Usage {
        prompt_tokens: of(|usage| usage.prompt_tokens),
        completion_tokens: of(|usage| usage.completion_tokens),
        reasoning_tokens: of(|usage| usage.reasoning_tokens),
        cached_tokens: of(|usage| usage.cached_tokens),
        cache_write_tokens: of(|usage| usage.cache_write_tokens),
        cache_write_1h_tokens: of(|usage| usage.cache_write_1h_tokens),
        cache_write_12h_tokens: of(|usage| usage.cache_write_12h_tokens),
    }
}

/// The newer of two counts of the same tokens. A 0 after a count is a placeholder: nothing that was counted goes away.
pub(super) fn newer_count(newer: Option<u64>, older: Option<u64>) -> Option<u64> {
    newer
        .filter(|count| *count > 0 || older.is_none())
        .or(older)
}

#[cfg(test)]
#[path = "usage_tests.rs"]
mod tests;
