//! The bodies of all responses other than chats: models, endpoints, credits, generations.
//!
//! Owns their shapes. Must not know sockets. Invariant: figures about a model follow from its profile, so that
//! two look-ups agree.

use serde_json::{Value, json};

use super::bill::Prices;
use super::dialect::Dialect;
use super::refusal::ErrorResponse;
use super::scenario::{Scenario, SimulatedModel};
use super::script::GenerationRecord;
use crate::units::{Nanos, Usd};

/// Builds the body of `GET /v1/models`, in the scenario's dialect.
pub fn models(scenario: &Scenario) -> Value {
    let dialect = scenario.dialect;
    let entries: Vec<Value> = scenario
        .models()
        .filter(|model| model.language || dialect == Dialect::Vercel)
        .map(|model| entry(model, dialect))
        .collect();
    if dialect == Dialect::Anthropic {
        let id = |entry: Option<&Value>| entry.map(|entry| entry["id"].clone());
        let (first, last) = (id(entries.first()), id(entries.last()));
        return json!({
            "data": entries, "has_more": false, "first_id": first, "last_id": last,
        });
    }
    json!({ "object": "list", "data": entries })
}

/// Builds the entry of one model, as the vendor lists it.
pub fn entry(model: &SimulatedModel, dialect: Dialect) -> Value {
    let known = &model.entry;
    if dialect == Dialect::Vercel {
        return known.clone();
    }
    let mut entry = json!({
        "id": model.id, "object": "model", "created": known["created"],
        "owned_by": owner(model, dialect),
    });
    let extra = match dialect {
        Dialect::OpenRouter => return openrouter_entry(model),
        Dialect::Anthropic => return anthropic_entry(model),
        Dialect::Ollama => json!({ "id": format!("{}:latest", model.id) }),
        Dialect::Vllm => json!({
            "root": model.id, "parent": null, "max_model_len": known["context_window"],
            "permission": [],
        }),
        Dialect::LlamaCpp => json!({ "meta": { "n_ctx_train": known["context_window"] } }),
        Dialect::Groq => json!({
            "active": true, "context_window": known["context_window"],
            "max_completion_tokens": model.max_tokens, "public_apps": null,
        }),
        Dialect::Mistral => json!({
            "name": known["name"], "description": known["description"],
            "max_context_length": known["context_window"], "aliases": [], "type": "base",
            "capabilities": { "completion_chat": true, "function_calling": true },
        }),
        Dialect::Azure => json!({
            "lifecycle_status": "generally-available",
            "capabilities": { "chat_completion": true, "inference": true },
        }),
        _ => json!({}),
    };
    if let (Value::Object(entry), Value::Object(extra)) = (&mut entry, extra) {
        entry.extend(extra);
    }
    entry
}

/// Returns the owner of a model: self-hosted servers name themselves; the others name the model's creator.
fn owner(model: &SimulatedModel, dialect: Dialect) -> &str {
    match dialect {
        Dialect::Vllm => "vllm",
        Dialect::LlamaCpp => "llamacpp",
        Dialect::LiteLlm => "openai",
        Dialect::Mistral => "mistralai",
        _ => model.creator(),
    }
}

fn openrouter_entry(model: &SimulatedModel) -> Value {
    let known = &model.entry;
    let pricing = model.prices.as_ref().map_or(json!({}), |prices| {
        let mut pricing = json!({
            "prompt": prices.input.at(0), "completion": prices.output.at(0),
            "request": "0", "image": "0", "web_search": "0", "internal_reasoning": "0",
        });
        for (key, rate) in [
            ("input_cache_read", &prices.cache_read),
            ("input_cache_write", &prices.cache_write),
        ] {
            if let Some(rate) = rate {
                pricing[key] = json!(rate.at(0));
            }
        }
        pricing
    });
    json!({
        "id": model.id, "canonical_slug": model.id, "name": known["name"],
        "created": known["created"], "description": known["description"],
        "context_length": known["context_window"],
        "architecture": { "modality": "text->text", "tokenizer": "Other", "instruct_type": null },
        "pricing": pricing,
        "top_provider": {
            "context_length": known["context_window"],
            "max_completion_tokens": model.max_tokens, "is_moderated": false,
        },
        "supported_parameters": ["max_tokens", "temperature", "stop", "tools"],
    })
}

fn anthropic_entry(model: &SimulatedModel) -> Value {
    let seconds = model.entry["created"].as_i64().unwrap_or_default();
    let created = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    json!({
        "type": "model", "id": model.id, "display_name": model.entry["name"],
        "created_at": created.to_string(),
    })
}

/// Builds the body of `GET /v1/models/{creator}/{model}/endpoints`.
pub fn endpoints(model: &SimulatedModel) -> Value {
    let entry = &model.entry;
    let endpoints: Vec<Value> = model
        .profile
        .providers
        .iter()
        .enumerate()
        .map(|(index, provider)| endpoint(model, &provider.name, provider.price_per_mille(), index))
        .collect();
    json!({ "data": {
        "id": model.id,
        "name": entry["name"],
        "created": entry["created"],
        "released": entry["released"],
        "description": entry["description"],
        "architecture": {
            "tokenizer": null,
            "instruct_type": null,
            "modality": "text->text",
            "input_modalities": entry["modalities"]["input"],
            "output_modalities": entry["modalities"]["output"],
        },
        "endpoints": endpoints,
    }})
}

/// Builds one provider's endpoint. The measured figures are those of the profile, in the gateway's units: ms to
/// the first token, tokens per second.
fn endpoint(model: &SimulatedModel, provider: &str, per_mille: u32, index: usize) -> Value {
    let profile = &model.profile;
    // Later choices are a little slower; the last of many have no measurement.
    let slowness = 1.0 + 0.2 * index as f64;
    let ttft = profile.ttft.median_ms.get() * slowness;
    // The 95th percentile of a log-normal: 1.645 deviations above the median.
    let tail = (1.645 * profile.ttft.sigma.get()).exp();
    let gap = profile.gap.median_ms.get().max(0.001) * slowness;
    let rate = f64::from(profile.tokens_per_chunk) * 1000.0 / gap;
    let percentiles = |p50: f64, p95: f64| match index {
        0..4 => json!({ "p50": p50.round(), "p95": p95.round() }),
        _ => Value::Null,
    };
    let entry = &model.entry;
    json!({
        "name": format!("{provider} | {}", model.id),
        "model_name": entry["name"],
        "provider_name": provider,
        "context_length": entry["context_window"],
        "max_completion_tokens": model.max_tokens,
        "max_prompt_tokens": null,
        "quantization": null,
        "tags": entry["tags"],
        "supported_parameters": ["max_tokens", "temperature", "stop", "tools"],
        "status": 0,
        "supports_implicit_caching":
            profile.cache.kind == super::model_profile::PromptCacheKind::Implicit,
        "uptime_last_15m": 100,
        "uptime_last_1h": 99.9,
        "uptime_last_1d": 99.9,
        "latency_last_1h": percentiles(ttft, ttft * tail),
        "throughput_last_1h": percentiles(rate, rate * tail),
        "pricing": model.prices.as_ref().map_or(json!({}), |p| endpoint_pricing(p, per_mille)),
    })
}

/// Builds the prices under the names of this route.
fn endpoint_pricing(prices: &Prices, per_mille: u32) -> Value {
    let scaled = |usd: Usd| Usd(usd.0.saturating_mul(i128::from(per_mille)) / 1000);
    let mut pricing = json!({
        "prompt": scaled(prices.input.at(0)),
        "completion": scaled(prices.output.at(0)),
        "request": "0",
        "discount": 0,
    });
    if let Some(read) = &prices.cache_read {
        pricing["input_cache_read"] = json!(scaled(read.at(0)));
    }
    if let Some(write) = &prices.cache_write {
        pricing["input_cache_write"] = json!(scaled(write.at(0)));
    }
    pricing
}

/// Builds the body of `GET /v1/credits`: strings, USD; numbers at `OpenRouter`.
pub fn credits(scenario: &Scenario, used: Usd) -> Value {
    let balance = Usd(scenario.credits.0.saturating_sub(used.0).max(0));
    if scenario.dialect == Dialect::OpenRouter {
        let (credits, used) = (scenario.credits.as_f64(), used.as_f64());
        return json!({ "data": { "total_credits": credits, "total_usage": used } });
    }
    json!({ "balance": balance, "total_used": used })
}

/// Builds the body of `GET /v1/generation?id=...`.
pub fn generation(account: &GenerationRecord) -> Value {
    let millis = |nanos: Nanos| nanos.as_millis_f64().round();
    let bill = &account.bill;
    let usage = &account.usage;
    let created_ms = i64::try_from(account.identity.unix_ms).unwrap_or(0);
    let created = jiff::Timestamp::from_millisecond(created_ms).unwrap_or_default();
    let model = account.identity.model.split('+').next();
    json!({ "data": {
        "id": account.identity.generation_id,
        "created_at": created.to_string(),
        "model": model,
        "provider_name": account.provider,
        "streamed": account.streamed,
        "is_byok": account.own_key,
        "finish_reason": account.finish.word(),
        "total_cost": bill.gateway.as_f64(),
        "usage": bill.gateway.as_f64(),
        "upstream_inference_cost": bill.upstream.map_or(0.0, Usd::as_f64),
        "market_cost": bill.market.as_f64(),
        "surcharge_cost": bill.surcharge.as_f64(),
        "gateway_cost": bill.gateway.as_f64(),
        "latency": millis(account.latency),
        "generation_time": millis(account.duration),
        "tokens_prompt": usage.prompt,
        "tokens_completion": usage.completion,
        "native_tokens_prompt": usage.prompt,
        "native_tokens_completion": usage.completion,
        "native_tokens_reasoning": usage.reasoning,
        "native_tokens_cached": usage.cached,
        "native_tokens_cache_creation": usage.written,
        "billable_web_search_calls": 0,
    }})
}

/// The flat errors of the generation route.
pub fn no_generation(id: Option<&str>) -> ErrorResponse {
    match id {
        None | Some("") => ErrorResponse::json(400, &json!({ "error": "id is required" })),
        Some(id) if !is_generation_id(id) => {
            let error = "Invalid generation ID format. Expected gen_ and a ULID";
            ErrorResponse::json(400, &json!({ "error": error }))
        }
        Some(id) => {
            let message = "The usage event is not there, or not there yet";
            let error = "Usage event not found";
            ErrorResponse::json(
                404,
                &json!({ "error": error, "id": id, "message": message }),
            )
        }
    }
}

fn is_generation_id(id: &str) -> bool {
    let ulid = id.strip_prefix("gen_");
    ulid.is_some_and(|text| text.len() == 26 && text.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// 403 of `/v1/report`, which needs a paid plan.
pub fn report() -> ErrorResponse {
    let error =
        json!({ "message": "The report needs a Pro or Enterprise plan", "type": "forbidden" });
    ErrorResponse::json(403, &json!({ "error": error }))
}
