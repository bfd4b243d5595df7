//! The JSON of a chat answer: usage, provider metadata, and the complete answer of a request that does not
//! stream.
//!
//! Owns the shapes that streamed and complete answers share. Must not know SSE. Invariant: amounts come from
//! the bill alone: numbers in `usage`, decimal strings under `provider_metadata`.

use serde_json::{Map, Value, json};
use ulid::Ulid;

use super::answer::{Answer, PieceKind};
use super::dialect::{Dialect, ThinkingField};
use super::draw::{self, Seed};
use super::fault::{Fault, FaultSet};
use super::miscount::reported_counts;
use super::request::{ChatRequest, ChatRoute};
use crate::units::{Nanos, Usd};
use rand::RngExt;

/// The names of one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The answer's id, as its dialect and route write it.
    pub id: String,
    /// Its id at `/v1/generation`: at Vercel, `gen_` and a ULID whose time is the arrival.
    pub generation_id: String,
    /// Ten characters that other ids of the answer are made of.
    pub mark: String,
    /// The requested model id.
    pub model: String,
    /// Arrival, ms since 1970.
    pub unix_ms: u64,
}

impl Identity {
    /// Draws the names of an answer.
    pub fn new(seed: &Seed, request: &ChatRequest, dialect: Dialect, unix_ms: u64) -> Self {
        let mut generator = seed.generator("identity");
        let ulid = Ulid::from_parts(unix_ms, generator.random());
        let mark = draw::letters(&mut generator, 10);
        let long = draw::letters(&mut generator, 20);
        let generation_id = match dialect {
            Dialect::OpenRouter => format!("gen-{}-{long}", unix_ms / 1000),
            _ => format!("gen_{ulid}"),
        };
        let id = match (dialect, request.api) {
            (Dialect::Vercel | Dialect::OpenRouter, _) => generation_id.clone(),
            (_, ChatRoute::Messages) => format!("msg_{long}"),
            (_, ChatRoute::Responses) => format!("resp_{long}"),
            (Dialect::Mistral, ChatRoute::Chat) => long,
            (_, ChatRoute::Chat) => format!("chatcmpl-{long}"),
        };
        Self {
            id,
            generation_id,
            mark,
            model: request.model.clone(),
            unix_ms,
        }
    }

    /// Returns the arrival in Unix seconds.
    pub const fn created(&self) -> u64 {
        self.unix_ms / 1000
    }

    /// Returns the `system_fingerprint`.
    pub fn fingerprint(&self, dialect: Dialect) -> String {
        match dialect {
            Dialect::Ollama => "fp_ollama".to_owned(),
            _ => format!("fp_{}", self.mark),
        }
    }
}

/// Converts an amount to a JSON number. The nearest float to an exact amount prints as that amount: these have
/// far fewer than its 15 digits.
fn number(usd: Usd) -> Value {
    json!(usd.as_f64())
}

/// Returns the dialect of usage and finish: the answer's, unless a fault selects another.
pub fn usage_dialect(faults: &FaultSet) -> Dialect {
    match faults.dialect {
        Dialect::Vercel if faults.has(Fault::OpenAiUsage) => Dialect::OpenAi,
        dialect => dialect,
    }
}

/// Returns true if the answer has the Vercel gateway's form, with routing metadata.
pub fn is_vercel(faults: &FaultSet) -> bool {
    usage_dialect(faults) == Dialect::Vercel
}

/// Builds the `usage` object of a chat. `completed` are the completion tokens so far, for cumulative usage.
pub fn usage(answer: &Answer, completed: u64, faults: &FaultSet) -> Value {
    let reported = reported_counts(&answer.usage, completed, faults);
    let used = &reported.usage;
    let mut usage = json!({
        "prompt_tokens": used.prompt,
        "completion_tokens": used.completion,
        "total_tokens": reported.total,
    });
    let usage_dialect = usage_dialect(faults);
    if usage_dialect == Dialect::Ollama {
        return usage;
    }
    usage["prompt_tokens_details"] = json!({ "cached_tokens": used.cached });
    let reasoning = used.reasoning;
    if !matches!(
        usage_dialect,
        Dialect::Vllm | Dialect::LlamaCpp | Dialect::Mistral
    ) {
        usage["completion_tokens_details"] = json!({ "reasoning_tokens": reasoning });
    }
    match usage_dialect {
        Dialect::Vercel => {
            usage["prompt_tokens_details"]["audio_tokens"] = json!(0);
            usage["prompt_tokens_details"]["video_tokens"] = json!(0);
            usage["completion_tokens_details"]["image_tokens"] = json!(0);
            usage["cache_creation_input_tokens"] = json!(used.written);
            usage["market_cost"] = number(answer.bill.market);
            usage["gateway_cost"] = number(answer.bill.gateway);
            add_cost(&mut usage, answer);
        }
        Dialect::OpenRouter => {
            for (key, count) in [
                ("cache_write_tokens", used.written),
                ("audio_tokens", 0),
                ("video_tokens", 0),
            ] {
                usage["prompt_tokens_details"][key] = json!(count);
            }
            add_cost(&mut usage, answer);
        }
        Dialect::OpenAi | Dialect::Azure | Dialect::LiteLlm => {
            usage["prompt_tokens_details"]["audio_tokens"] = json!(0);
            usage["prompt_tokens_details"]["cache_write_tokens"] = json!(used.written);
            for key in [
                "audio_tokens",
                "accepted_prediction_tokens",
                "rejected_prediction_tokens",
            ] {
                usage["completion_tokens_details"][key] = json!(0);
            }
        }
        Dialect::DeepSeek => {
            usage["prompt_cache_hit_tokens"] = json!(used.cached);
            usage["prompt_cache_miss_tokens"] = json!(used.prompt - used.cached.min(used.prompt));
        }
        Dialect::Groq => {
            let total = answer.finish_at.as_secs_f64();
            let prompt = answer.headers_at.as_secs_f64();
            usage["queue_time"] = json!(0.001);
            usage["prompt_time"] = json!(prompt);
            usage["completion_time"] = json!(total - prompt);
            usage["total_time"] = json!(total);
        }
        _ => {}
    }
    usage
}

fn add_cost(usage: &mut Value, answer: &Answer) {
    usage["cost"] = number(answer.bill.cost);
    usage["is_byok"] = json!(answer.own_key);
    // The last two were 0 in every recording, own keys included.
    usage["cost_details"] = json!({
        "upstream_inference_cost": answer.bill.upstream.map(number),
        "upstream_inference_prompt_cost": 0,
        "upstream_inference_completions_cost": 0,
    });
}

/// Builds the `provider_metadata` object: attempts, provider and cost.
pub fn provider_metadata(identity: &Identity, answer: &Answer, faults: &FaultSet) -> Value {
    let bill = &answer.bill;
    let mut gateway = json!({
        "routing": routing(identity, answer, faults),
        "cost": bill.cost,
        "marketCost": bill.market,
        "surchargeCost": bill.surcharge,
        "gatewayCost": bill.gateway,
        "inferenceCost": bill.cost,
        "inputInferenceCost": bill.input,
        "outputInferenceCost": bill.output,
        "generationId": identity.generation_id,
    });
    if faults.has(Fault::Surcharge) {
        gateway["providerAllowlistCost"] = json!(bill.surcharge);
    }
    let mut metadata = Map::new();
    let own = json!({ "responseId": format!("resp_{}", identity.mark) });
    metadata.insert(answer.provider().to_owned(), own);
    metadata.insert("gateway".to_owned(), gateway);
    Value::Object(metadata)
}

/// Returns the plain model id, without its faults.
fn slug(identity: &Identity) -> &str {
    let model = identity.model.split('+').next();
    model.unwrap_or_default()
}

fn routing(identity: &Identity, answer: &Answer, faults: &FaultSet) -> Value {
    let slug = slug(identity);
    let mut models = Vec::new();
    if faults.has(Fault::FallbackModel) {
        let refused = [attempt(identity, "openai", 503, answer, 0)];
        models.push(model_attempt(slug, false, &refused));
    }
    let tried = answer.attempts.iter().enumerate();
    let attempts: Vec<Value> = tried
        .map(|(index, tried)| attempt(identity, &tried.provider, tried.status, answer, index))
        .collect();
    let answering = if faults.has(Fault::FallbackModel) {
        "openai/gpt-4.1-nano"
    } else {
        slug
    };
    let provider_attempts = attempts.len() + models.len();
    models.push(model_attempt(answering, true, &attempts));
    json!({
        "originalModelId": slug,
        "resolvedProvider": answer.attempts.first().map(|tried| &tried.provider),
        "fallbacksAvailable": [],
        "planningReasoning": "Simulated routing.",
        "canonicalSlug": answering,
        "finalProvider": answer.provider(),
        "modelAttemptCount": models.len(),
        "modelAttempts": models,
        "totalProviderAttemptCount": provider_attempts,
        "affinity": { "outcome": "skipped_below_min_prefix" },
        "clientSessionId": format!("sim-{}", identity.mark),
        "clientSessionIdSource": "fingerprint",
    })
}

fn model_attempt(slug: &str, success: bool, attempts: &[Value]) -> Value {
    json!({
        "canonicalSlug": slug,
        "success": success,
        "providerAttemptCount": attempts.len(),
        "providerAttempts": attempts,
    })
}

/// Builds one provider attempt; times are ms since 1970, after the id's own time.
fn attempt(
    identity: &Identity,
    provider: &str,
    status: u16,
    answer: &Answer,
    index: usize,
) -> Value {
    /// The overhead of the gateway before it calls a provider: the minimum of the recordings.
    const OVERHEAD_MS: u64 = 26;
    let millis = |nanos: Nanos| nanos.0 / 1_000_000;
    let delay = millis(super::answer::FALLBACK_DELAY) * index as u64;
    let begin = identity.unix_ms + OVERHEAD_MS.min(millis(answer.headers_at)) + delay;
    let end = match status {
        200 => identity.unix_ms + millis(answer.finish_at),
        _ => begin + millis(super::answer::FALLBACK_DELAY),
    };
    let own_key = answer.own_key;
    let mut attempt = json!({
        "provider": provider,
        "credentialType": if own_key { "byok" } else { "system" },
        "success": status == 200,
        "startTime": begin,
        "endTime": end.max(begin),
        "statusCode": status,
    });
    if status != 200 {
        attempt["error"] = json!("Too Many Requests");
    }
    attempt
}

/// Joins the texts of an answer's pieces of those kinds.
pub fn text(answer: &Answer, kinds: &[PieceKind]) -> String {
    let pieces = answer.pieces.iter();
    let pieces = pieces.filter(|piece| kinds.contains(&piece.kind));
    pieces.map(|piece| piece.text.as_str()).collect()
}

/// Builds the complete answer, for a request that does not stream.
pub fn completion(identity: &Identity, answer: &Answer, faults: &FaultSet, parsed: bool) -> Value {
    let dialect = faults.dialect;
    let finish = finish_word(answer, faults);
    let message = message(identity, answer, faults, parsed);
    let mut body = json!({
        "id": identity.id,
        "object": "chat.completion",
        "created": identity.created(),
        "model": identity.model,
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": finish }],
        "system_fingerprint": identity.fingerprint(dialect),
    });
    if is_vercel(faults) {
        body["generationId"] = json!(identity.generation_id);
    }
    if faults.has(Fault::FinishError) {
        body["usage"] = Value::Null;
    } else if !faults.has(Fault::NoUsage) {
        body["usage"] = usage(answer, answer.usage.completion, faults);
    }
    match dialect {
        Dialect::LlamaCpp => body["timings"] = timings(answer),
        Dialect::Groq => {
            body["x_groq"] = json!({ "id": format!("req_{}", identity.mark) });
        }
        Dialect::OpenRouter => body["provider"] = json!(answer.provider()),
        Dialect::OpenAi => body["service_tier"] = json!("default"),
        _ => {}
    }
    body
}

/// The reason for the end of an answer; `None` where it stays null.
pub fn finish_word(answer: &Answer, faults: &FaultSet) -> Option<&'static str> {
    let words = [
        (Fault::FinishError, "error"),
        (Fault::FinishAbort, "abort"),
        (Fault::FinishPause, "pause_turn"),
        (Fault::FinishUnknown, "moon_phase"),
    ];
    let word = words.into_iter().find(|(fault, _)| faults.has(*fault));
    let word = word.map_or_else(|| answer.finish.word(), |(_, word)| word);
    (!faults.has(Fault::NoFinish)).then_some(word)
}

/// Builds the complete message of the assistant.
fn message(identity: &Identity, answer: &Answer, faults: &FaultSet, parsed: bool) -> Value {
    let thinking = text(answer, &[PieceKind::Thinking, PieceKind::Summary]);
    let mut content = json!(text(answer, &[PieceKind::Content]));
    let mut message = json!({ "role": "assistant" });
    if !thinking.is_empty() {
        if faults.has(Fault::ThinkTags) {
            let text = text(answer, &[PieceKind::Content]);
            content = json!(format!("<think>{thinking}</think>\n\n{text}"));
        } else if thinking_field(faults, parsed) == ThinkingField::Part {
            let thinking = json!([{ "type": "text", "text": thinking }]);
            content = json!([
                { "type": "thinking", "thinking": thinking }, { "type": "text", "text": content },
            ]);
        } else {
            add_thinking(&mut message, &thinking, faults, parsed);
        }
    }
    message["content"] = content;
    let refusal = text(answer, &[PieceKind::Refusal]);
    if !refusal.is_empty() {
        message["refusal"] = json!(refusal);
        message["content"] = Value::Null;
    }
    let name = text(answer, &[PieceKind::ToolName]);
    if !name.is_empty() {
        let arguments = text(answer, &[PieceKind::ToolArguments]);
        let function = json!({ "name": name, "arguments": arguments });
        let call = json!({ "id": call_id(identity), "type": "function", "function": function });
        message["tool_calls"] = json!([call]);
        message["content"] = Value::Null;
    }
    if is_vercel(faults) {
        message["provider_metadata"] = provider_metadata(identity, answer, faults);
    }
    message
}

/// Returns the field in which a chat shows reasoning. Groq shows it only if `parsed`.
pub fn thinking_field(faults: &FaultSet, parsed: bool) -> ThinkingField {
    match faults.dialect {
        Dialect::Groq if !parsed => ThinkingField::Absent,
        _ if faults.has(Fault::ReasoningContent) => ThinkingField::ReasoningContent,
        dialect => dialect.thinking_field(),
    }
}

fn add_thinking(message: &mut Value, thinking: &str, faults: &FaultSet, parsed: bool) {
    let field = thinking_field(faults, parsed);
    let both = faults.has(Fault::ReasoningBoth);
    if both || field == ThinkingField::ReasoningContent {
        message["reasoning_content"] = json!(thinking);
    }
    if both || matches!(field, ThinkingField::Detailed | ThinkingField::Reasoning) {
        message["reasoning"] = json!(thinking);
    }
}

/// Builds llama.cpp's measurements of an answer.
pub fn timings(answer: &Answer) -> Value {
    let cached = answer.usage.cached;
    let fresh = answer.usage.prompt.saturating_sub(cached);
    let predicted = answer.usage.completion;
    let prompt_ms = answer.headers_at.as_millis_f64();
    let predicted_ms = answer.finish_at.as_millis_f64() - prompt_ms;
    // For nothing, or in no time, the rate is 0, which JSON can hold.
    let per = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    json!({
        "cache_n": cached,
        "prompt_n": fresh, "prompt_ms": prompt_ms,
        "prompt_per_token_ms": per(prompt_ms, fresh as f64),
        "prompt_per_second": per(fresh as f64 * 1000.0, prompt_ms),
        "predicted_n": predicted, "predicted_ms": predicted_ms,
        "predicted_per_token_ms": per(predicted_ms, predicted as f64),
        "predicted_per_second": per(predicted as f64 * 1000.0, predicted_ms),
    })
}

/// Returns the id of the answer's tool call.
pub fn call_id(identity: &Identity) -> String {
    format!("call_{}", identity.mark)
}
