//! The JSON of an answer: usage, provider metadata, and the whole answer of a request that does
//! not stream.
//!
//! Owns the shapes that streamed and whole answers share. Must not know SSE. Invariant: amounts
//! come from the bill alone: numbers in `usage`, decimal strings under `provider_metadata`.

use serde_json::{Map, Value, json};
use ulid::Ulid;

use super::answer::{Answer, Kind};
use super::draw::{self, Seed};
use super::fault::{Fault, Faults};
use crate::units::{Nanos, Usd};
use rand::RngExt;

/// What names one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `gen_` and a ULID whose time is the arrival.
    pub generation_id: String,
    /// `fp_` and ten characters.
    pub fingerprint: String,
    /// The id asked for.
    pub model: String,
    /// Arrival, ms since 1970.
    pub unix_ms: u64,
}

impl Identity {
    /// Names an answer.
    pub fn new(seed: &Seed, model: &str, unix_ms: u64) -> Self {
        let mut generator = seed.generator("identity");
        let ulid = Ulid::from_parts(unix_ms, generator.random());
        Self {
            generation_id: format!("gen_{ulid}"),
            fingerprint: format!("fp_{}", draw::letters(&mut generator, 10)),
            model: model.to_owned(),
            unix_ms,
        }
    }

    /// Arrival in Unix seconds.
    pub const fn created(&self) -> u64 {
        self.unix_ms / 1000
    }
}

/// An amount as a JSON number. The nearest float to an exact amount prints as that amount: ours
/// have far fewer than its 15 digits.
fn number(usd: Usd) -> Value {
    json!(usd.as_f64())
}

/// Which usage keys a server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UsageStyle {
    Vercel,
    OpenRouter,
    DeepSeek,
    Groq,
    Plain,
}

impl UsageStyle {
    fn of(faults: &Faults) -> Self {
        let plain = [Fault::OpenAiUsage, Fault::LlamaCpp, Fault::Ollama];
        if faults.has(Fault::OpenRouter) {
            Self::OpenRouter
        } else if faults.has(Fault::DeepSeek) {
            Self::DeepSeek
        } else if faults.has(Fault::Groq) {
            Self::Groq
        } else if plain.into_iter().any(|fault| faults.has(fault)) {
            Self::Plain
        } else {
            Self::Vercel
        }
    }
}

/// Whether the answer speaks as the Vercel gateway, with routing metadata, or as another server.
pub fn is_vercel(faults: &Faults) -> bool {
    UsageStyle::of(faults) == UsageStyle::Vercel
}

/// The `usage` object. `completed` are the completion tokens so far, for cumulative usage.
pub fn usage(answer: &Answer, completed: u64, faults: &Faults) -> Value {
    let used = &answer.usage;
    let mut usage = json!({
        "prompt_tokens": used.prompt,
        "completion_tokens": completed,
        "total_tokens": used.prompt + completed,
        "prompt_tokens_details": { "cached_tokens": used.cached, "audio_tokens": 0 },
        "completion_tokens_details": { "reasoning_tokens": used.reasoning.min(completed) },
    });
    let bill = &answer.bill;
    match UsageStyle::of(faults) {
        UsageStyle::Vercel => {
            usage["prompt_tokens_details"]["video_tokens"] = json!(0);
            usage["completion_tokens_details"]["image_tokens"] = json!(0);
            usage["cache_creation_input_tokens"] = json!(used.written);
            usage["market_cost"] = number(bill.market);
            usage["gateway_cost"] = number(bill.gateway);
            add_cost(&mut usage, answer);
        }
        UsageStyle::OpenRouter => {
            usage["prompt_tokens_details"]["cache_write_tokens"] = json!(used.written);
            add_cost(&mut usage, answer);
        }
        UsageStyle::DeepSeek => {
            usage["prompt_cache_hit_tokens"] = json!(used.cached);
            usage["prompt_cache_miss_tokens"] = json!(used.prompt - used.cached.min(used.prompt));
        }
        UsageStyle::Groq => {
            let total = answer.finish_at.as_secs_f64();
            let prompt = answer.headers_at.as_secs_f64();
            usage["queue_time"] = json!(0.001);
            usage["prompt_time"] = json!(prompt);
            usage["completion_time"] = json!(total - prompt);
            usage["total_time"] = json!(total);
        }
        UsageStyle::Plain => {}
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

/// The `provider_metadata` object: who was tried, who answered, what it cost.
pub fn provider_metadata(identity: &Identity, answer: &Answer, faults: &Faults) -> Value {
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
    let own = json!({ "responseId": format!("resp_{}", &identity.fingerprint[3..]) });
    metadata.insert(answer.provider().to_owned(), own);
    metadata.insert("gateway".to_owned(), gateway);
    Value::Object(metadata)
}

/// The plain id: what is asked for, without its faults.
fn slug(identity: &Identity) -> &str {
    let model = identity.model.split('+').next();
    model.unwrap_or_default()
}

fn routing(identity: &Identity, answer: &Answer, faults: &Faults) -> Value {
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
        "clientSessionId": format!("sim-{}", identity.fingerprint),
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

/// One provider attempt; times are ms since 1970, after the id's own time.
fn attempt(
    identity: &Identity,
    provider: &str,
    status: u16,
    answer: &Answer,
    index: usize,
) -> Value {
    /// What the gateway itself takes before it asks a provider: the least that was recorded.
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

/// The whole answer, for a request that does not stream.
pub fn completion(identity: &Identity, answer: &Answer, faults: &Faults) -> Value {
    let text = |wanted: &[Kind]| -> String {
        let pieces = answer.pieces.iter();
        let pieces = pieces.filter(|piece| wanted.contains(&piece.kind));
        pieces.map(|piece| piece.text.as_str()).collect()
    };
    let thinking = text(&[Kind::Thinking, Kind::Summary]);
    let mut content = text(&[Kind::Content]);
    let mut message = json!({ "role": "assistant" });
    if !thinking.is_empty() {
        if faults.has(Fault::ThinkTags) {
            content = format!("<think>{thinking}</think>\n\n{content}");
        } else {
            add_thinking(&mut message, &thinking, faults);
        }
    }
    message["content"] = json!(content);
    let refusal = text(&[Kind::Refusal]);
    if !refusal.is_empty() {
        message["refusal"] = json!(refusal);
        message["content"] = Value::Null;
    }
    let name = text(&[Kind::ToolName]);
    if !name.is_empty() {
        let arguments = text(&[Kind::ToolArguments]);
        let function = json!({ "name": name, "arguments": arguments });
        let call = json!({ "id": call_id(identity), "type": "function", "function": function });
        message["tool_calls"] = json!([call]);
        message["content"] = Value::Null;
    }
    if is_vercel(faults) {
        message["provider_metadata"] = provider_metadata(identity, answer, faults);
    }
    let finish = match (faults.has(Fault::NoFinish), faults.has(Fault::FinishError)) {
        (true, _) => Value::Null,
        (false, true) => json!("error"),
        (false, false) => json!(answer.finish.word()),
    };
    let mut body = json!({
        "id": identity.generation_id,
        "object": "chat.completion",
        "created": identity.created(),
        "model": identity.model,
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": finish }],
        "system_fingerprint": identity.fingerprint,
        "generationId": identity.generation_id,
    });
    if faults.has(Fault::FinishError) {
        body["usage"] = Value::Null;
    } else if !faults.has(Fault::NoUsage) {
        body["usage"] = usage(answer, answer.usage.completion, faults);
    }
    body
}

fn add_thinking(message: &mut Value, thinking: &str, faults: &Faults) {
    let old_name = [Fault::ReasoningContent, Fault::DeepSeek, Fault::LlamaCpp];
    let both = faults.has(Fault::ReasoningBoth);
    let old = both || old_name.into_iter().any(|fault| faults.has(fault));
    if old {
        message["reasoning_content"] = json!(thinking);
    }
    if both || !old {
        message["reasoning"] = json!(thinking);
    }
}

/// The id of the answer's tool call.
pub fn call_id(identity: &Identity) -> String {
    format!("call_{}", &identity.fingerprint[3..])
}
