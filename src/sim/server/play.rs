//! Playing a script: absolute deadlines, stamps, and the record of what really happened.
//!
//! Owns the time of an answer. Must not know what its bytes say. Invariants: a stamp is taken right
//! before the bytes it speaks of are handed over; every request leaves exactly one record, however
//! it ends.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use tokio::time::{sleep, sleep_until};

use super::socket::Handle;
use super::{Asked, Shared, respond};
use crate::sim::ending::{BREAK_DELAY, Ending};
use crate::sim::framing::Step;
use crate::sim::script::Account;
use crate::sim::truth::{MAX_CHUNK_INSTANTS, Played, TRUTH_VERSION, Truth};
use crate::units::Nanos;

/// How long a stalled answer keeps its connection: longer than any client waits.
const MAX_STALL: Duration = Duration::from_mins(15);

/// A script on its way to a client.
pub(super) struct Player {
    shared: Arc<Shared>,
    handle: Handle,
    status: u16,
    headers: Vec<(&'static str, String)>,
    head_at: Option<Nanos>,
    steps: std::vec::IntoIter<Step>,
    ending: Ending,
    account: Option<Account>,
    key: u64,
    /// The record, until it is written.
    truth: Option<Truth>,
    arrival: Nanos,
}

/// The error that makes the server close a connection in the middle of a body.
#[derive(Debug, thiserror::Error)]
#[error("the script breaks the connection here")]
struct Broken;

impl Player {
    pub(super) fn new(
        shared: Arc<Shared>,
        handle: Handle,
        arrival: Nanos,
        asked: Asked,
        request_id: Option<String>,
    ) -> Self {
        let truth = record(arrival, &asked, request_id);
        let script = asked.script;
        let mut headers = script.headers;
        let streams = headers
            .iter()
            .any(|(_, value)| value == "text/event-stream");
        if !streams && script.ending == Ending::Clean {
            let bytes: usize = script.steps.iter().map(|step| step.bytes.len()).sum();
            headers.push(("content-length", bytes.to_string()));
        }
        Self {
            shared,
            handle,
            status: script.status,
            headers,
            head_at: script.head_at,
            steps: script.steps.into_iter(),
            ending: script.ending,
            account: script.account,
            key: asked.key,
            truth: Some(truth),
            arrival,
        }
    }

    /// Waits for the head's time and gives the response whose body plays the rest.
    pub(super) async fn answer(mut self) -> Response {
        let Some(head_at) = self.head_at else {
            return self.never().await;
        };
        self.wait_for(head_at).await;
        let headers = std::mem::take(&mut self.headers);
        let status = self.status;
        let now = self.shared.now();
        if let Some(truth) = &mut self.truth {
            truth.headers_ns = Some(now);
        }
        let body = Body::from_stream(futures::stream::unfold(self, Self::next));
        respond(status, &headers, body)
    }

    /// No head ever: a stall or a reset. The response is thrown away by the broken connection.
    async fn never(mut self) -> Response {
        self.finish(Played::Whole);
        if self.ending == Ending::Stall {
            sleep(MAX_STALL).await;
        }
        self.handle.reset();
        respond(500, &[], Body::empty())
    }

    /// The next write of the body.
    async fn next(mut self) -> Option<(Result<Bytes, Broken>, Self)> {
        let Some(step) = self.steps.next() else {
            return self.end().await;
        };
        if step.apart {
            // Lets the server write what it already has, so that this step's bytes do not join it.
            tokio::task::yield_now().await;
        }
        self.wait_for(step.at).await;
        let now = self.shared.now();
        if let Some(truth) = self.truth.as_mut().filter(|_| step.chunks > 0) {
            truth.first_token_ns.get_or_insert(now);
            truth.chunks += u64::from(step.chunks);
            let room = MAX_CHUNK_INSTANTS.saturating_sub(truth.chunks_ns.len());
            let listed = usize::try_from(step.chunks).unwrap_or(room).min(room);
            truth.chunks_ns.extend(std::iter::repeat_n(now, listed));
        }
        Some((Ok(Bytes::from(step.bytes)), self))
    }

    /// What comes after the last write.
    async fn end(mut self) -> Option<(Result<Bytes, Broken>, Self)> {
        self.finish(Played::Whole);
        match self.ending {
            Ending::Clean => return None,
            // The pause lets the last bytes reach the client before the connection breaks.
            Ending::Cut | Ending::Reset => sleep(BREAK_DELAY.into()).await,
            Ending::Stall => sleep(MAX_STALL).await,
        }
        if self.ending == Ending::Reset {
            self.handle.reset();
        }
        Some((Err(Broken), self))
    }

    /// Waits until `offset` after the request's arrival: an absolute deadline, so that lateness
    /// does not add up.
    async fn wait_for(&self, offset: Nanos) {
        let deadline = Nanos(self.arrival.0.saturating_add(offset.0));
        let deadline = self.shared.began + Duration::from(deadline);
        sleep_until(deadline.into()).await;
    }

    /// Charges the answer and writes its record, once.
    fn finish(&mut self, played: Played) {
        let Some(mut truth) = self.truth.take() else {
            return;
        };
        if let Some(account) = self.account.take() {
            let (key, arrival) = (self.key, self.arrival);
            self.shared
                .with_state(|state| state.charge(key, arrival, account));
        }
        truth.played = played;
        truth.end_ns = self.shared.now();
        self.shared.log.push(truth);
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.finish(Played::Abandoned);
    }
}

/// The record of a request that has just arrived.
fn record(arrival: Nanos, asked: &Asked, request_id: Option<String>) -> Truth {
    let script = &asked.script;
    let account = script.account.as_ref();
    let usage = account.map(|account| account.usage).unwrap_or_default();
    let faults = script.faults.iter().map(|fault| fault.name().to_owned());
    let head_comes = script.head_at.is_some();
    Truth {
        version: TRUTH_VERSION,
        request_id,
        model: asked.model.clone(),
        ordinal: asked.ordinal,
        status: if head_comes { script.status } else { 0 },
        faults: faults.collect(),
        arrival_ns: arrival,
        headers_ns: None,
        first_token_ns: None,
        chunks_ns: Vec::new(),
        chunks: 0,
        end_ns: arrival,
        prompt_tokens: usage.prompt,
        completion_tokens: usage.completion,
        reasoning_tokens: usage.reasoning,
        cached_tokens: usage.cached,
        cache_write_tokens: usage.written,
        cost_usd: account.map(|account| account.bill.cost),
        provider: account.map(|account| account.provider.clone()),
        generation_id: account.map(|account| account.identity.generation_id.clone()),
        played: Played::Abandoned,
    }
}
