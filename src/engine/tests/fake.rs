//! A scripted gateway: its replies, and a record of the requests.

use std::borrow::Cow;
use std::collections::HashMap;
use std::future::pending;
use std::sync::{Mutex, MutexGuard};

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::engine::Client;
use crate::gateway::{Body, ExchangeEnd, OutgoingRequest, Recording, Response};
use crate::units::{Nanos, Usd};

/// A gateway that replies by `script`, under the runtime's clock, and records the requests.
pub(super) struct FakeGateway {
    script: Box<dyn Fn(&SentRequest) -> Reply + Send + Sync>,
    began: Instant,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    requests: Vec<SentRequest>,
    /// The requests and replies, in order.
    lines: Vec<String>,
    in_flight: HashMap<usize, usize>,
    max_in_flight: usize,
    charged: Usd,
}

/// One request, as the gateway receives it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SentRequest {
    pub(super) request_id: String,
    pub(super) variant: usize,
    /// Index of the prompt; `None` for a warm-up.
    pub(super) prompt: Option<usize>,
    /// Number from 1; 0 is the untimed request before the trial.
    pub(super) attempt: u32,
    /// The system text.
    pub(super) system: Option<String>,
    pub(super) at: Nanos,
}

impl SentRequest {
    fn from_outgoing(outgoing: &OutgoingRequest, at: Nanos) -> Self {
        let body: Value = serde_json::from_slice(&outgoing.body).unwrap();
        let number = |text: &str| text.parse().ok();
        let model = body["model"]
            .as_str()
            .and_then(|id| id.strip_prefix("maker/m"));
        let turns = body["messages"].as_array().unwrap();
        let content = |turn: &Value| turn["content"].as_str().map(str::to_owned);
        let system = turns.iter().find(|turn| turn["role"] == "system");
        let question = turns.last().and_then(content);
        let question = question
            .as_deref()
            .and_then(|text| text.strip_prefix("Question ")?.strip_suffix('?'));
        let attempt = outgoing.request_id.rsplit('-').next();
        Self {
            request_id: outgoing.request_id.clone(),
            variant: model.and_then(number).unwrap(),
            prompt: question.and_then(number),
            attempt: attempt.and_then(|text| text.parse().ok()).unwrap(),
            system: system.and_then(content),
            at,
        }
    }

    /// `p0 v1`, `p0 v1 try 2`, `p0 v1 untimed`, `warm-up v1`.
    fn name(&self) -> String {
        let variant = self.variant;
        match (self.prompt, self.attempt) {
            (None, _) => format!("warm-up v{variant}"),
            (Some(prompt), 0) => format!("p{prompt} v{variant} untimed"),
            (Some(prompt), 1) => format!("p{prompt} v{variant}"),
            (Some(prompt), attempt) => format!("p{prompt} v{variant} try {attempt}"),
        }
    }
}

/// A reply, as spans since the request was sent.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    frames: Vec<(Nanos, Cow<'static, str>)>,
    /// The actual charge, reported or not.
    charge: Usd,
    /// True if there is any response.
    responds: bool,
    /// The end of the exchange; `None`: never.
    end: Option<Nanos>,
    ending: ExchangeEnd,
    /// The time that our client needs before it sends the request.
    lag: Nanos,
}

const TOKEN: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n";
const FINISH: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
/// The time until a failure without a given time.
const SOON: Nanos = Nanos::from_millis(5);

impl Reply {
    /// One token after `ttft_ms`, and the end 10 ms later.
    pub(super) fn answer(ttft_ms: u64) -> Self {
        let (first, end) = (
            Nanos::from_millis(ttft_ms),
            Nanos::from_millis(ttft_ms + 10),
        );
        Self {
            status: 200,
            headers: Vec::new(),
            frames: vec![(first, TOKEN.into()), (end, FINISH.into())],
            charge: Usd::ZERO,
            responds: true,
            end: Some(end),
            ending: ExchangeEnd::Complete,
            lag: Nanos::ZERO,
        }
    }

    /// An error of that status.
    pub(super) fn refusal(status: u16) -> Self {
        Self {
            status,
            frames: vec![(SOON, "{\"error\":{\"message\":\"not this model\"}}".into())],
            end: Some(SOON),
            ..Self::answer(0)
        }
    }

    /// 429 with a `Retry-After`.
    pub(super) fn rate_limited(retry_after: &str) -> Self {
        Self {
            headers: vec![("retry-after".to_owned(), retry_after.to_owned())],
            ..Self::refusal(429)
        }
    }

    /// No response at all.
    pub(super) fn failure(ending: ExchangeEnd) -> Self {
        Self {
            responds: false,
            ending,
            ..Self::refusal(0)
        }
    }

    /// The connection breaks before the first token.
    pub(super) fn lost() -> Self {
        Self::failure(ExchangeEnd::ConnectionLost("reset".to_owned()))
    }

    /// The connection breaks after the first token.
    pub(super) fn lost_after_token() -> Self {
        Self {
            frames: vec![(SOON, TOKEN.into())],
            end: Some(SOON),
            ending: ExchangeEnd::ConnectionLost("reset".to_owned()),
            ..Self::answer(0)
        }
    }

    /// The body ends after the first token, in order.
    pub(super) fn cut_after_token() -> Self {
        Self {
            ending: ExchangeEnd::Complete,
            ..Self::lost_after_token()
        }
    }

    /// No response, for ever.
    pub(super) fn silence() -> Self {
        Self {
            end: None,
            ..Self::lost()
        }
    }

    /// The same, so much later.
    pub(super) fn later(mut self, by_ms: u64) -> Self {
        let by = Nanos::from_millis(by_ms);
        for (at, _) in &mut self.frames {
            at.0 += by.0;
        }
        self.end = self.end.map(|end| Nanos(end.0 + by.0));
        self
    }

    /// The same to a request that our client sends so late.
    pub(super) fn sent_late(self, by_ms: u64) -> Self {
        Self {
            lag: Nanos::from_millis(by_ms),
            ..self
        }
    }

    /// The same with a charge that is not reported.
    pub(super) fn charged(self, charge: Usd) -> Self {
        Self { charge, ..self }
    }

    /// The same, with a bill at the end of its answer.
    pub(super) fn billed(self, charge: Usd) -> Self {
        let mut billed = self.charged(charge);
        if let Some((_, last)) = billed.frames.last_mut() {
            *last = format!(
                "data: {{\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}],\
                 \"usage\":{{\"prompt_tokens\":9,\"completion_tokens\":1,\"cost\":{charge}}}}}\n\n\
                 data: [DONE]\n\n"
            )
            .into();
        }
        billed
    }

    fn recording(self, sent: Nanos, end: Nanos) -> Recording {
        let at = |span: Nanos| Nanos(sent.0 + span.0);
        let mut body = Body::default();
        for (span, bytes) in &self.frames {
            body.push(at(*span), true, bytes.as_bytes()).unwrap();
        }
        let first = self.frames.first().map_or(Nanos::ZERO, |(span, _)| *span);
        let response = Response {
            status: self.status,
            headers: self.headers,
            at: at(first),
            body,
        };
        Recording {
            sent,
            connect: None,
            response: self.responds.then_some(response),
            end,
            ending: self.ending,
            is_user_stamped: false,
            redactor: crate::suite::Redactor::default(),
        }
    }
}

impl FakeGateway {
    pub(super) fn new(script: impl Fn(&SentRequest) -> Reply + Send + Sync + 'static) -> Self {
        Self {
            script: Box::new(script),
            began: Instant::now(),
            seen: Mutex::default(),
        }
    }

    /// Every request, in the order of arrival.
    pub(super) fn requests(&self) -> Vec<SentRequest> {
        self.seen().requests.clone()
    }

    /// `> name` for a request and `< name` for a reply, in order.
    pub(super) fn lines(&self) -> Vec<String> {
        self.seen().lines.clone()
    }

    /// Most requests of one variant in flight at once.
    pub(super) fn max_in_flight(&self) -> usize {
        self.seen().max_in_flight
    }

    /// The total charge.
    pub(super) fn charged(&self) -> Usd {
        self.seen().charged
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }
}

impl Client for FakeGateway {
    async fn send(&self, outgoing: OutgoingRequest) -> Recording {
        let mut request = SentRequest::from_outgoing(&outgoing, self.now());
        let reply = (self.script)(&request);
        if reply.lag > Nanos::ZERO {
            sleep(reply.lag.into()).await;
            request.at = self.now();
        }
        if let Some(first_sent) = &outgoing.first_sent {
            first_sent.note(request.at);
        }
        {
            let mut seen = self.seen();
            seen.lines.push(format!("> {}", request.name()));
            let in_flight = seen.in_flight.entry(request.variant).or_default();
            *in_flight += 1;
            let in_flight = *in_flight;
            seen.max_in_flight = seen.max_in_flight.max(in_flight);
            seen.charged = Usd(seen.charged.0 + reply.charge.0);
            seen.requests.push(request.clone());
        }
        let Some(span) = reply.end else {
            return pending().await;
        };
        sleep(span.into()).await;
        {
            let mut seen = self.seen();
            seen.lines.push(format!("< {}", request.name()));
            *seen.in_flight.entry(request.variant).or_default() -= 1;
        }
        // The timer may be late by its rounding; a recording ends when its exchange did.
        reply.recording(request.at, self.now())
    }

    fn now(&self) -> Nanos {
        Nanos::from(self.began.elapsed())
    }
}
