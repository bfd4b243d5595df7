//! The script of a response, instant by instant and byte by byte.
//!
//! Owns the path from a request to a [`Script`]. Must not use clock or network. Invariant: a script is a pure
//! function of scenario, model, request and moment, and its offsets never decrease.

use serde_json::Value;

use super::answer::{self, Answer, Finish, Moment};
use super::bill::{SimulatedBill, SimulatedUsage};
use super::chat::{self, Identity};
use super::dialect::Dialect;
use super::draw::{Seed, happens};
use super::ending::{self, ConnectionEnd};
use super::fault::{Fault, FaultSet, ModelSelector};
use super::framing::{self, WriteStep};
use super::messages;
use super::refusal::{Context, ErrorResponse};
use super::render;
use super::request::{ChatRequest, ChatRoute};
use super::responses;
use super::scenario::{Scenario, SimulatedModel};
use crate::units::Nanos;

/// The interval of blank lines while `blank-lines` waits for a JSON body.
const BLANK_EVERY: Nanos = Nanos::from_millis(100);
/// The maximum number of blank lines, so that a long wait is a short script.
const MAX_BLANK_LINES: u64 = 100;

/// The response to one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// The time of the head, since arrival; absent: it is never sent, and the ending comes at once.
    pub head_at: Option<Nanos>,
    /// HTTP status.
    pub status: u16,
    /// Response headers.
    pub headers: Vec<(&'static str, String)>,
    /// The writes of the body.
    pub steps: Vec<WriteStep>,
    /// The ending after the last byte.
    pub ending: ConnectionEnd,
    /// The billed and stored data; absent for refusals.
    pub account: Option<GenerationRecord>,
    /// The faults that shaped it.
    pub faults: FaultSet,
}

/// The data that the gateway stores of an answer, for bills and `/v1/generation`.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationRecord {
    /// Its names.
    pub identity: Identity,
    /// The provider that answered.
    pub provider: String,
    /// True if it was streamed.
    pub streamed: bool,
    /// True if the user's own key was used.
    pub own_key: bool,
    /// The finish reason.
    pub finish: Finish,
    /// Token counts.
    pub usage: SimulatedUsage,
    /// True if it is the right answer of a script; absent: it is not scripted.
    pub right: Option<bool>,
    /// Costs.
    pub bill: SimulatedBill,
    /// Scripted time to the first token; the whole time if it is not streamed.
    pub latency: Nanos,
    /// Scripted time of the whole answer.
    pub duration: Nanos,
}

impl Script {
    /// Creates the script of an error, sent at once.
    pub fn from_error(refused: ErrorResponse) -> Self {
        Self {
            head_at: Some(Nanos::ZERO),
            status: refused.status,
            headers: refused.headers,
            steps: vec![WriteStep::plain(Nanos::ZERO, refused.body)],
            ending: ConnectionEnd::Clean,
            account: None,
            faults: FaultSet::default(),
        }
    }

    /// Creates a script without a response.
    fn without_response(ending: ConnectionEnd, faults: FaultSet) -> Self {
        Self {
            head_at: None,
            status: 0,
            headers: Vec::new(),
            steps: Vec::new(),
            ending,
            account: None,
            faults,
        }
    }

    /// Writes the script of one request. `selector` is its parsed model id, `model` the model it names.
    pub fn write(
        scenario: &Scenario,
        model: &SimulatedModel,
        selector: &ModelSelector,
        request: &ChatRequest,
        moment: &Moment,
    ) -> Self {
        let seed = answer::seed(scenario, model, request, moment);
        let mut faults = select_faults(&seed, model, selector, moment.ordinal);
        faults.dialect = scenario.dialect_for(model, selector);
        let identity = Identity::new(&seed, request, faults.dialect, moment.unix_ms);
        let context = Context {
            model: &request.model,
            generation_id: &identity.generation_id,
            unix_ms: moment.unix_ms,
        };
        let refused = faults
            .iter()
            .find_map(|fault| ErrorResponse::from_fault(fault, &context));
        let refused = refused.or_else(|| unsupported(model, request, faults.dialect));
        let refused = refused.or_else(|| refused_parameter(request, &faults));
        if let Some(refused) = refused {
            let refused = Self::from_error(refused.in_dialect(faults.dialect, request.api));
            return Self { faults, ..refused };
        }
        if faults.has(Fault::StallHeaders) {
            return Self::without_response(ConnectionEnd::Stall, faults);
        }
        if faults.has(Fault::ResetHeaders) {
            return Self::without_response(ConnectionEnd::Reset, faults);
        }
        let answer = Answer::draw(scenario, model, request, moment, &faults);
        if answer.attempts.is_empty() {
            let message = "No provider of this model is allowed by `providerOptions.gateway.only`";
            let refused = ErrorResponse::bad_request(message, "only");
            let refused = Self::from_error(refused.in_dialect(faults.dialect, request.api));
            return Self { faults, ..refused };
        }
        if request.stream {
            streamed(&answer, &identity, request, faults)
        } else {
            unstreamed(&answer, &identity, request, faults)
        }
    }
}

/// The refusal of `OpenAI` for its o-series: the old name of the token limit.
fn unsupported(
    model: &SimulatedModel,
    request: &ChatRequest,
    dialect: Dialect,
) -> Option<ErrorResponse> {
    let strict = matches!(dialect, Dialect::OpenAi | Dialect::Azure);
    let name = model.id.rsplit('/').next().unwrap_or_default();
    let mut letters = name.chars();
    let o_series =
        letters.next() == Some('o') && letters.next().is_some_and(|c| c.is_ascii_digit());
    let old = request.api == ChatRoute::Chat && request.old_limit_name;
    (strict && o_series && old)
        .then(|| ErrorResponse::unsupported("max_tokens", "max_completion_tokens"))
}

/// The refusal of a parameter that the faults name, if the request has it.
fn refused_parameter(request: &ChatRequest, faults: &FaultSet) -> Option<ErrorResponse> {
    let parameters = [
        (
            Fault::RefusesLimit,
            "max_tokens",
            request.max_tokens.is_some(),
        ),
        (Fault::RefusesStop, "stop", !request.stop.is_empty()),
        (
            Fault::RefusesFormat,
            "response_format",
            request.schema.is_some(),
        ),
        (Fault::RefusesSeed, "seed", request.seed.is_some()),
        (Fault::RefusesEffort, "reasoning_effort", request.has_effort),
    ];
    let mut refused = parameters.into_iter();
    let (_, name, _) = refused.find(|(fault, _, is_present)| *is_present && faults.has(*fault))?;
    let message = format!("Unsupported parameter: '{name}' is not supported with this model.");
    Some(ErrorResponse::bad_request(&message, name))
}

/// Collects the faults of a request: those its model id names, those of every answer of the model, and one
/// drawn by share.
fn select_faults(
    seed: &Seed,
    model: &SimulatedModel,
    selector: &ModelSelector,
    ordinal: u64,
) -> FaultSet {
    let mut faults = if selector.turn.applies_to(ordinal) {
        selector.faults.clone()
    } else {
        FaultSet::default()
    };
    let profile = &model.profile;
    profile.always.iter().for_each(|fault| faults.add(*fault));
    let mut generator = seed.generator("faults");
    let mut left = 1.0;
    for (fault, share) in &profile.faults {
        // The probability of this one, given that none before it happened: shares are of all requests.
        if left > 0.0 && happens(&mut generator, (share.get() / left).min(1.0)) {
            faults.add(*fault);
            break;
        }
        left -= share.get();
    }
    faults
}

fn account(answer: &Answer, identity: &Identity, streamed: bool) -> GenerationRecord {
    let first = answer.pieces.first().map_or(answer.finish_at, |p| p.at);
    GenerationRecord {
        identity: identity.clone(),
        provider: answer.provider().to_owned(),
        streamed,
        own_key: answer.own_key,
        finish: answer.finish,
        usage: answer.usage,
        right: answer.right,
        bill: answer.bill,
        latency: if streamed { first } else { answer.finish_at },
        duration: answer.finish_at,
    }
}

fn headers(
    content_type: &str,
    identity: &Identity,
    answer: &Answer,
    faults: &FaultSet,
    api: ChatRoute,
) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("content-type", content_type.to_owned()),
        // A proxy between must neither store nor delay a stream.
        ("cache-control", "no-cache".to_owned()),
    ];
    if !faults.has(Fault::NoAccelHeader) {
        headers.push(("x-accel-buffering", "no".to_owned()));
    }
    if let Some(encoding) = framing::encoding(faults) {
        headers.push(("content-encoding", encoding.to_owned()));
    }
    let request_id = format!("req_{}", identity.mark);
    match faults.dialect {
        Dialect::OpenRouter => headers.push(("x-generation-id", identity.generation_id.clone())),
        Dialect::LiteLlm => headers.extend(litellm_headers(content_type, identity, answer)),
        Dialect::OpenAi | Dialect::Groq | Dialect::Azure => {
            headers.push(("x-request-id", request_id));
        }
        Dialect::Anthropic => headers.push(("request-id", request_id)),
        Dialect::Vercel if api == ChatRoute::Messages => headers.push(("request-id", request_id)),
        _ => {}
    }
    headers
}

/// Returns the headers of a `LiteLLM` proxy. They are sent before the answer: only a whole answer's headers
/// contain the cost.
fn litellm_headers(
    content_type: &str,
    identity: &Identity,
    answer: &Answer,
) -> Vec<(&'static str, String)> {
    let group = identity.model.split('+').next().unwrap_or_default();
    let mut headers = vec![
        ("x-litellm-call-id", identity.id.clone()),
        ("x-litellm-model-id", identity.mark.clone()),
        ("x-litellm-version", "0.0.0-simulated".to_owned()),
        ("x-litellm-attempted-retries", "0".to_owned()),
        ("x-litellm-attempted-fallbacks", "0".to_owned()),
        ("x-ratelimit-limit-requests", "1000".to_owned()),
        ("x-ratelimit-remaining-requests", "999".to_owned()),
    ];
    // A scenario may name its models with any letters; a header may not.
    if group.bytes().all(|byte| byte.is_ascii_graphic()) {
        headers.push(("x-litellm-model-group", group.to_owned()));
    }
    if content_type == "application/json" {
        let millis = answer.finish_at.as_millis_f64().round();
        headers.push(("x-litellm-response-cost", answer.bill.cost.to_string()));
        headers.push(("x-litellm-response-duration-ms", millis.to_string()));
    }
    headers
}

fn streamed(
    answer: &Answer,
    identity: &Identity,
    request: &ChatRequest,
    faults: FaultSet,
) -> Script {
    let mut events = match request.api {
        ChatRoute::Chat => render::events(answer, identity, request, &faults),
        ChatRoute::Messages => messages::events(answer, identity, &faults),
        ChatRoute::Responses => responses::events(answer, identity, request, &faults),
    };
    let ending = ending::apply(&mut events, identity, &faults, request.api);
    Script {
        head_at: Some(answer.headers_at),
        status: 200,
        headers: headers("text/event-stream", identity, answer, &faults, request.api),
        steps: framing::steps(&events, &faults),
        ending,
        account: Some(account(answer, identity, true)),
        faults,
    }
}

/// Scripts a JSON body at the end of the answer's time; faults of streams apply as far as possible.
fn unstreamed(
    answer: &Answer,
    identity: &Identity,
    request: &ChatRequest,
    faults: FaultSet,
) -> Script {
    let at = answer.finish_at;
    let error = in_body_error(&faults, request.api);
    let body = error.unwrap_or_else(|| match request.api {
        ChatRoute::Chat => chat::completion(identity, answer, &faults, request.parsed_reasoning),
        ChatRoute::Messages => messages::message(answer, identity, &faults),
        ChatRoute::Responses => responses::response(answer, identity, request, &faults),
    });
    let mut body = body.to_string().into_bytes();
    let breaks = [
        (Fault::Cut, ConnectionEnd::Clean),
        (Fault::CutTransport, ConnectionEnd::Cut),
        (Fault::Reset, ConnectionEnd::Reset),
        (Fault::Stall, ConnectionEnd::Stall),
    ];
    let broken = breaks.into_iter().find(|(fault, _)| faults.has(*fault));
    if broken.is_some() || faults.has(Fault::BadJson) {
        body.truncate(body.len() / 2);
    }
    let mut head_at = at;
    let mut steps = Vec::new();
    // DeepSeek sends them while a request is queued.
    if faults.has(Fault::BlankLines) || faults.dialect == Dialect::DeepSeek {
        head_at = answer.headers_at;
        let count = (at.since(head_at).0 / BLANK_EVERY.0).clamp(1, MAX_BLANK_LINES);
        let blank =
            |step: u64| WriteStep::plain(Nanos((head_at.0 + step * BLANK_EVERY.0).min(at.0)), "\n");
        steps.extend((0..count).map(blank));
    }
    steps.push(WriteStep::plain(at, body));
    Script {
        head_at: Some(head_at),
        status: 200,
        headers: headers("application/json", identity, answer, &faults, request.api),
        steps: framing::body_steps(steps, &faults),
        ending: broken.map_or(ConnectionEnd::Clean, |(_, ending)| ending),
        account: Some(account(answer, identity, false)),
        faults,
    }
}

/// An error after the status: 200 with nothing but an error.
fn in_body_error(faults: &FaultSet, api: ChatRoute) -> Option<Value> {
    let kinds = [
        Fault::ErrorFirst,
        Fault::ErrorMidstream,
        Fault::ErrorMidstreamDone,
    ];
    let failed = kinds.into_iter().any(|fault| faults.has(fault));
    failed.then(|| ending::error_body(faults.dialect, api))
}
