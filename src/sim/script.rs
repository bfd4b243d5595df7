//! What one request gets, instant by instant and byte by byte.
//!
//! Owns the way from a request to a [`Script`]. Must not touch clock or network. Invariant: a
//! script is a pure function of world, model, request and moment, and its offsets never decrease.

use serde_json::Value;

use super::answer::{self, Answer, Finish, Moment};
use super::bill::{Bill, Usage};
use super::chat::{self, Identity};
use super::dialect::Dialect;
use super::draw::{Seed, happens};
use super::ending::{self, Ending};
use super::fault::{Fault, Faults, Selection};
use super::framing::{self, Step};
use super::messages;
use super::refusal::{Context, Refused};
use super::render;
use super::request::{Api, ChatRequest};
use super::responses;
use super::world::{Model, World};
use crate::units::Nanos;

/// How often a blank line comes while `blank-lines` waits for a JSON body.
const BLANK_EVERY: Nanos = Nanos::from_millis(100);
/// The most blank lines, so that a long wait stays a short script.
const MAX_BLANK_LINES: u64 = 100;

/// What one request gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// When the head leaves, since arrival; absent: never, and the ending comes at once.
    pub head_at: Option<Nanos>,
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// The writes of the body.
    pub steps: Vec<Step>,
    /// What happens after the last byte.
    pub ending: Ending,
    /// What is billed and remembered; absent for refusals.
    pub account: Option<Account>,
    /// The faults that shaped it.
    pub faults: Faults,
}

/// What the gateway remembers of an answer, for bills and `/v1/generation`.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Its names.
    pub identity: Identity,
    /// Who answered.
    pub provider: String,
    /// Whether it was streamed.
    pub streamed: bool,
    /// Whether the user's own key paid.
    pub own_key: bool,
    /// Why it stopped.
    pub finish: Finish,
    /// Tokens.
    pub usage: Usage,
    /// Money.
    pub bill: Bill,
    /// Scripted time to the first token; the whole time where it is not streamed.
    pub latency: Nanos,
    /// Scripted time of the whole answer.
    pub duration: Nanos,
}

impl Script {
    /// A refusal, sent at once.
    pub fn refused(refused: Refused) -> Self {
        Self {
            head_at: Some(Nanos::ZERO),
            status: refused.status,
            headers: refused.headers,
            steps: vec![Step::plain(Nanos::ZERO, refused.body)],
            ending: Ending::Clean,
            account: None,
            faults: Faults::default(),
        }
    }

    /// A script that never begins.
    fn silent(ending: Ending, faults: Faults) -> Self {
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

    /// Writes the script of one request. `selection` is what the request's model id asks for,
    /// `model` the model it names.
    pub fn write(
        world: &World,
        model: &Model,
        selection: &Selection,
        request: &ChatRequest,
        moment: &Moment,
    ) -> Self {
        let seed = answer::seed(world, model, request, moment);
        let mut faults = chosen(&seed, model, selection, moment.ordinal);
        faults.dialect = world.dialect_of(model, selection);
        let identity = Identity::new(&seed, request, faults.dialect, moment.unix_ms);
        let context = Context {
            model: &request.model,
            generation_id: &identity.generation_id,
            unix_ms: moment.unix_ms,
        };
        let refused = faults.iter().find_map(|fault| Refused::of(fault, &context));
        let refused = refused.or_else(|| unsupported(model, request, faults.dialect));
        if let Some(refused) = refused {
            let refused = Self::refused(refused.told(faults.dialect, request.api));
            return Self { faults, ..refused };
        }
        if faults.has(Fault::StallHeaders) {
            return Self::silent(Ending::Stall, faults);
        }
        if faults.has(Fault::ResetHeaders) {
            return Self::silent(Ending::Reset, faults);
        }
        let answer = Answer::draw(world, model, request, moment, &faults);
        if answer.attempts.is_empty() {
            let message = "No provider of this model is allowed by `providerOptions.gateway.only`";
            let refused = Refused::bad_request(message, "only");
            let refused = Self::refused(refused.told(faults.dialect, request.api));
            return Self { faults, ..refused };
        }
        if request.stream {
            streamed(&answer, &identity, request, faults)
        } else {
            whole(&answer, &identity, request, faults)
        }
    }
}

/// What `OpenAI` refuses of its o-series: the old name of the token limit.
fn unsupported(model: &Model, request: &ChatRequest, dialect: Dialect) -> Option<Refused> {
    let strict = matches!(dialect, Dialect::OpenAi | Dialect::Azure);
    let name = model.id.rsplit('/').next().unwrap_or_default();
    let mut letters = name.chars();
    let o_series =
        letters.next() == Some('o') && letters.next().is_some_and(|c| c.is_ascii_digit());
    let old = request.api == Api::Chat && request.old_limit_name;
    (strict && o_series && old).then(|| Refused::unsupported("max_tokens", "max_completion_tokens"))
}

/// The faults of a request: those its model id names, those the model always has, and one drawn
/// by share.
fn chosen(seed: &Seed, model: &Model, selection: &Selection, ordinal: u64) -> Faults {
    let mut faults = if selection.turn.covers(ordinal) {
        selection.faults.clone()
    } else {
        Faults::default()
    };
    let character = &model.character;
    character.always.iter().for_each(|fault| faults.add(*fault));
    let mut generator = seed.generator("faults");
    let mut left = 1.0;
    for (fault, share) in &character.faults {
        // The chance of this one, given that none before it happened: shares are of all requests.
        if left > 0.0 && happens(&mut generator, (share.get() / left).min(1.0)) {
            faults.add(*fault);
            break;
        }
        left -= share.get();
    }
    faults
}

fn account(answer: &Answer, identity: &Identity, streamed: bool) -> Account {
    let first = answer.pieces.first().map_or(answer.finish_at, |p| p.at);
    Account {
        identity: identity.clone(),
        provider: answer.provider().to_owned(),
        streamed,
        own_key: answer.own_key,
        finish: answer.finish,
        usage: answer.usage,
        bill: answer.bill,
        latency: if streamed { first } else { answer.finish_at },
        duration: answer.finish_at,
    }
}

fn headers(
    content_type: &str,
    identity: &Identity,
    answer: &Answer,
    faults: &Faults,
    api: Api,
) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("content-type", content_type.to_owned()),
        // A proxy on the way must neither keep nor hold back what is streamed.
        ("cache-control", "no-cache".to_owned()),
        ("x-accel-buffering", "no".to_owned()),
    ];
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
        Dialect::Vercel if api == Api::Messages => headers.push(("request-id", request_id)),
        _ => {}
    }
    headers
}

/// What a `LiteLLM` proxy adds. Its headers leave before the answer: only a whole answer's have the
/// cost.
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
    // A world may name its models with any letters; a header may not.
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

fn streamed(answer: &Answer, identity: &Identity, request: &ChatRequest, faults: Faults) -> Script {
    let mut events = match request.api {
        Api::Chat => render::events(answer, identity, request, &faults),
        Api::Messages => messages::events(answer, identity, &faults),
        Api::Responses => responses::events(answer, identity, request, &faults),
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

/// A JSON body at the end of the answer's time; faults of streams apply as far as they make sense.
fn whole(answer: &Answer, identity: &Identity, request: &ChatRequest, faults: Faults) -> Script {
    let at = answer.finish_at;
    let error = in_body_error(&faults, request.api);
    let body = error.unwrap_or_else(|| match request.api {
        Api::Chat => chat::completion(identity, answer, &faults, request.parsed_reasoning),
        Api::Messages => messages::message(answer, identity, &faults),
        Api::Responses => responses::response(answer, identity, request, &faults),
    });
    let mut body = body.to_string().into_bytes();
    let breaks = [
        (Fault::Cut, Ending::Clean),
        (Fault::CutTransport, Ending::Cut),
        (Fault::Reset, Ending::Reset),
        (Fault::Stall, Ending::Stall),
    ];
    let broken = breaks.into_iter().find(|(fault, _)| faults.has(*fault));
    if broken.is_some() || faults.has(Fault::BadJson) {
        body.truncate(body.len() / 2);
    }
    let mut head_at = at;
    let mut steps = Vec::new();
    // DeepSeek keeps a queued request alive with them.
    if faults.has(Fault::BlankLines) || faults.dialect == Dialect::DeepSeek {
        head_at = answer.headers_at;
        let count = (at.since(head_at).0 / BLANK_EVERY.0).clamp(1, MAX_BLANK_LINES);
        let blank =
            |step: u64| Step::plain(Nanos((head_at.0 + step * BLANK_EVERY.0).min(at.0)), "\n");
        steps.extend((0..count).map(blank));
    }
    steps.push(Step::plain(at, body));
    Script {
        head_at: Some(head_at),
        status: 200,
        headers: headers("application/json", identity, answer, &faults, request.api),
        steps: framing::bodies(steps, &faults),
        ending: broken.map_or(Ending::Clean, |(_, ending)| ending),
        account: Some(account(answer, identity, false)),
        faults,
    }
}

/// An error that came after the status: 200 with nothing but an error.
fn in_body_error(faults: &Faults, api: Api) -> Option<Value> {
    let kinds = [
        Fault::ErrorFirst,
        Fault::ErrorMidstream,
        Fault::ErrorMidstreamDone,
    ];
    let failed = kinds.into_iter().any(|fault| faults.has(fault));
    failed.then(|| ending::error_body(faults.dialect, api))
}
