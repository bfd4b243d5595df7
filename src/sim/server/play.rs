//! The player of scripts: absolute deadlines, stamps, and the record of the actual instants.
//!
//! Owns the timing of an answer. Must not know the content of its bytes. Invariants: a stamp is taken
//! immediately before its bytes are passed on; every request leaves exactly one record, however it ends.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use tokio::time::{sleep, sleep_until};

use super::socket::ResetHandle;
use super::{PreparedResponse, ServerContext, respond};
use crate::sim::ending::{BREAK_DELAY, ConnectionEnd};
use crate::sim::framing::WriteStep;
use crate::sim::script::GenerationRecord;
use crate::sim::trace::{MAX_CHUNK_INSTANTS, Playback, TRACE_VERSION, TraceRecord};
use crate::units::Nanos;

/// The time a stalled answer holds its connection: longer than any client waits.
const MAX_STALL: Duration = Duration::from_mins(15);

/// A script that is being sent to a client.
pub(super) struct Player {
    shared: Arc<ServerContext>,
    handle: ResetHandle,
    status: u16,
    headers: Vec<(&'static str, String)>,
    head_at: Option<Nanos>,
    steps: std::vec::IntoIter<WriteStep>,
    ending: ConnectionEnd,
    account: Option<GenerationRecord>,
    key: u64,
    /// The record, until it is written.
    record: Option<TraceRecord>,
    arrival: Nanos,
}

/// The error that makes the server close a connection in the middle of a body.
#[derive(Debug, thiserror::Error)]
#[error("the script breaks the connection here")]
struct ScriptedBreak;

impl Player {
    pub(super) fn new(
        shared: Arc<ServerContext>,
        handle: ResetHandle,
        arrival: Nanos,
        prepared: PreparedResponse,
        request_id: Option<String>,
    ) -> Self {
        let record = new_record(arrival, &prepared, request_id);
        let script = prepared.script;
        let mut headers = script.headers;
        let streams = headers
            .iter()
            .any(|(_, value)| value == "text/event-stream");
        if !streams && script.ending == ConnectionEnd::Clean {
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
            key: prepared.key,
            record: Some(record),
            arrival,
        }
    }

    /// Waits for the head's time and returns the response whose body plays the rest.
    pub(super) async fn answer(mut self) -> Response {
        let Some(head_at) = self.head_at else {
            return self.without_head().await;
        };
        self.wait_for(head_at).await;
        let headers = std::mem::take(&mut self.headers);
        let status = self.status;
        let now = self.shared.now();
        if let Some(record) = &mut self.record {
            record.headers_ns = Some(now);
        }
        let body = Body::from_stream(futures::stream::unfold(self, Self::next));
        respond(status, &headers, body)
    }

    /// Never sends a head: a stall or a reset. The response is dropped by the broken connection.
    async fn without_head(mut self) -> Response {
        self.finish(Playback::Whole);
        if self.ending == ConnectionEnd::Stall {
            sleep(MAX_STALL).await;
        }
        self.handle.reset();
        respond(500, &[], Body::empty())
    }

    /// Returns the next write of the body.
    async fn next(mut self) -> Option<(Result<Bytes, ScriptedBreak>, Self)> {
        let Some(step) = self.steps.next() else {
            return self.end().await;
        };
        if step.separate {
            // Lets the server write what it already has, so that this step's bytes do not join it.
            tokio::task::yield_now().await;
        }
        self.wait_for(step.at).await;
        let now = self.shared.now();
        if let Some(record) = self.record.as_mut().filter(|_| step.chunks > 0) {
            record.first_token_ns.get_or_insert(now);
            record.chunks += u64::from(step.chunks);
            let room = MAX_CHUNK_INSTANTS.saturating_sub(record.chunks_ns.len());
            let count = usize::try_from(step.chunks).unwrap_or(room).min(room);
            record.chunks_ns.extend(std::iter::repeat_n(now, count));
        }
        Some((Ok(Bytes::from(step.bytes)), self))
    }

    /// Plays the ending after the last write.
    async fn end(mut self) -> Option<(Result<Bytes, ScriptedBreak>, Self)> {
        self.finish(Playback::Whole);
        match self.ending {
            ConnectionEnd::Clean => return None,
            // The pause lets the last bytes reach the client before the connection breaks.
            ConnectionEnd::Cut | ConnectionEnd::Reset => sleep(BREAK_DELAY.into()).await,
            ConnectionEnd::Stall => sleep(MAX_STALL).await,
        }
        if self.ending == ConnectionEnd::Reset {
            self.handle.reset();
        }
        Some((Err(ScriptedBreak), self))
    }

    /// Waits until `offset` after the request's arrival: an absolute deadline, so that delays do not add up.
    async fn wait_for(&self, offset: Nanos) {
        let deadline = Nanos(self.arrival.0.saturating_add(offset.0));
        let deadline = self.shared.began + Duration::from(deadline);
        sleep_until(deadline.into()).await;
    }

    /// Charges the answer and writes its record, once.
    fn finish(&mut self, playback: Playback) {
        let Some(mut record) = self.record.take() else {
            return;
        };
        if let Some(account) = self.account.take() {
            let (key, arrival) = (self.key, self.arrival);
            self.shared
                .with_state(|state| state.charge(key, arrival, account));
        }
        record.playback = playback;
        record.end_ns = self.shared.now();
        self.shared.log.push(record);
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.finish(Playback::Abandoned);
    }
}

/// Creates the record of a request that has just arrived.
fn new_record(
    arrival: Nanos,
    prepared: &PreparedResponse,
    request_id: Option<String>,
) -> TraceRecord {
    let script = &prepared.script;
    let account = script.account.as_ref();
    let usage = account.map(|account| account.usage).unwrap_or_default();
    let faults = script.faults.iter().map(|fault| fault.name().to_owned());
    let has_head = script.head_at.is_some();
    TraceRecord {
        version: TRACE_VERSION,
        request_id,
        model: prepared.model.clone(),
        body_digest: prepared.body_digest.clone(),
        ordinal: prepared.ordinal,
        status: if has_head { script.status } else { 0 },
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
        right: account.and_then(|account| account.right),
        playback: Playback::Abandoned,
    }
}
