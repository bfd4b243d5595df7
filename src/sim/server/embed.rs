//! The route `/embeddings`.
//!
//! Owns its order of checks and its record in the trace. Must not know vectors. Invariant: every request leaves one record.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::{ServerContext, admitted_key, header, json, read_whole, refuse};
use crate::sim::draw::digest;
use crate::sim::embeddings::{EmbeddingsRequest, price, response};
use crate::sim::refusal::ErrorResponse;
use crate::sim::request::ChatRoute;
use crate::sim::trace::{Playback, TRACE_VERSION, TraceRecord};
use crate::units::{Nanos, Usd};

/// A request that is answered, and its charge.
struct Admitted {
    request: EmbeddingsRequest,
    tokens: u64,
    cost: Usd,
}

pub(super) async fn embeddings(
    State(shared): State<Arc<ServerContext>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let read = read_whole(body).await;
    let arrival = shared.now();
    let admitted = match &read {
        Some(body) => admit(&shared, &headers, body, arrival),
        None => Err(ErrorResponse::too_large()),
    };
    let mut record = record(&shared, &headers, read.as_ref(), arrival);
    let response = match admitted {
        Ok(Admitted {
            request,
            tokens,
            cost,
        }) => {
            record.status = 200;
            record.prompt_tokens = tokens;
            record.cost_usd = Some(cost);
            record.model = Some(request.model.clone());
            json(200, response(&request, tokens, cost).to_string())
        }
        Err(refused) => {
            record.status = refused.status;
            refuse(&shared, refused)
        }
    };
    record.end_ns = shared.now();
    shared.log.push(record);
    response
}

fn admit(
    shared: &ServerContext,
    headers: &HeaderMap,
    body: &Bytes,
    arrival: Nanos,
) -> Result<Admitted, ErrorResponse> {
    let scenario = &shared.scenario;
    let key = admitted_key(scenario, headers, ChatRoute::Chat)?;
    let request = EmbeddingsRequest::from_body(body)
        .map_err(|(message, parameter)| ErrorResponse::bad_request(&message, parameter))?;
    let model = scenario.model(&request.model);
    let model = model.ok_or_else(|| ErrorResponse::unknown_model(&request.model))?;
    if model.language {
        let message = format!("Model '{}' is not an embedding model", model.id);
        return Err(ErrorResponse::bad_request(&message, "model"));
    }
    let tokens = request.tokens();
    let cost = price(&model, tokens);
    let unix_ms = shared.unix_ms(arrival);
    shared.with_state(|state| {
        state.check_limits(scenario, (&model.id, key), (arrival, unix_ms))?;
        state.spend(key, cost);
        Ok(())
    })?;
    Ok(Admitted {
        request,
        tokens,
        cost,
    })
}

/// The record of a request that has no answer yet.
fn record(
    shared: &ServerContext,
    headers: &HeaderMap,
    body: Option<&Bytes>,
    arrival: Nanos,
) -> TraceRecord {
    let request_id = header(headers, "x-request-id");
    let body_digest = body.map(|body| digest(body));
    TraceRecord {
        version: TRACE_VERSION,
        request_id: request_id.filter(|id| id.len() <= super::MAX_REQUEST_ID_BYTES),
        model: None,
        body_digest: body_digest.map(|digest| format!("{digest:016x}")),
        ordinal: body_digest.map_or(0, |digest| shared.with_state(|state| state.ordinal(digest))),
        status: 0,
        faults: Vec::new(),
        arrival_ns: arrival,
        headers_ns: Some(shared.now()),
        first_token_ns: None,
        chunks_ns: Vec::new(),
        chunks: 0,
        end_ns: arrival,
        completion_tokens: 0,
        reasoning_tokens: 0,
        prompt_tokens: 0,
        cached_tokens: 0,
        cache_write_tokens: 0,
        cost_usd: None,
        provider: None,
        generation_id: None,
        right: None,
        playback: Playback::Whole,
    }
}
