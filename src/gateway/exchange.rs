//! One exchange on an open connection: a request is written, and what comes back is recorded.
//!
//! Owns the deadlines and the end of an exchange. Must not know lanes, or the meaning of an answer. Invariant:
//! between two stamps nothing happens but removing the framing and copying bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::{Sleep, sleep_until};

use crate::suite::Timeouts;
use crate::units::Nanos;

use super::clock::Clock;
use super::connect::message;
use super::connection::{Arrival, Connection};
use super::http1::{DecodeStop, Framing, HeadReader, HttpError, Persistence, ResponseHead};
use super::memory::MemoryLimit;
use super::pauses::PauseLog;
use super::recording::{Body, BodyTooLarge, Deadline, DoneWatch, ExchangeEnd, ReadStamp, Response};

/// After `[DONE]` the body should end at once; a server that leaves the connection open has this long before
/// the client hangs up (the connection is then lost, the answer is not).
const AFTER_DONE: Nanos = Nanos::from_millis(100);

/// A finished exchange.
#[derive(Debug)]
pub(super) struct Exchanged {
    pub(super) response: Option<Response>,
    /// The stamp of the headers, if there are any.
    headers: Option<ReadStamp>,
    pub(super) end: ReadStamp,
    pub(super) ending: ExchangeEnd,
    /// The connection afterwards.
    pub(super) persistence: Persistence,
}

impl Exchanged {
    /// An exchange that ended before a response.
    pub(super) fn without_response(end: Nanos, ending: ExchangeEnd) -> Self {
        Self {
            response: None,
            headers: None,
            end: ReadStamp::user(end),
            ending,
            persistence: Persistence::Close,
        }
    }

    /// Takes the kernel's timestamps for the instants of all reads, by what maps them. Returns false, and changes nothing, if they cannot
    /// be used.
    pub(super) fn use_kernel_stamps(
        &mut self,
        instants: impl FnOnce(&[ReadStamp]) -> Option<Vec<Nanos>>,
    ) -> bool {
        let (Some(response), Some(headers)) = (&mut self.response, self.headers) else {
            // Nothing was read.
            return true;
        };
        // An end that no bytes brought, a deadline for one, is of our own clock.
        let end = Some(self.end).filter(|end| end.kernel.is_some());
        let reads = [headers]
            .into_iter()
            .chain(response.body.stamps())
            .chain(end);
        let Some(instants) = instants(&reads.collect::<Vec<_>>()) else {
            return false;
        };
        if end.is_some() {
            self.end.at = instants.last().copied().unwrap_or(self.end.at);
        }
        let mut instants = instants.into_iter();
        response.at = instants.next().unwrap_or(response.at);
        response.body.set_instants(instants);
        true
    }
}

/// The rules of an exchange.
#[derive(Clone, Copy)]
pub(super) struct Limits<'a> {
    pub(super) timeouts: Timeouts,
    /// Pauses of our own, which no deadline counts.
    pub(super) pauses: &'a PauseLog,
    /// The limit of all answers together.
    pub(super) memory: &'a Arc<MemoryLimit>,
}

/// Carries out the exchange whose request is queued on the connection. `sent`: the instant from which its
/// deadlines count.
pub(super) async fn exchange(
    connection: &mut Connection,
    clock: Clock,
    limits: Limits<'_>,
    sent: Nanos,
) -> Exchanged {
    let mut state = ExchangeState::new(limits, sent);
    let first = clock.instant(state.limit(&|_| Nanos::ZERO));
    let mut timer = Timer {
        sleep: std::pin::pin!(sleep_until(first)),
        is_armed: false,
        clock,
        pauses: limits.pauses,
    };
    let (end, ending) =
        std::future::poll_fn(|context| state.poll(connection, &mut timer, context)).await;
    state.finish(end, ending)
}

/// The timer of the deadlines. It costs more than a read: it is only moved when it fires, or when it must fire
/// earlier.
struct Timer<'a> {
    sleep: Pin<&'a mut Sleep>,
    /// True once it wakes the task.
    is_armed: bool,
    clock: Clock,
    pauses: &'a PauseLog,
}

impl Timer<'_> {
    /// Sets the timer, if it must fire earlier. Returns true if it must be polled, because it is not armed or may
    /// have fired.
    fn must_be_polled(&mut self, limit: Nanos, has_read: bool) -> bool {
        let limit = self.clock.instant(limit);
        if self.sleep.deadline() > limit {
            self.sleep.as_mut().reset(limit);
            self.is_armed = false;
        }
        let must = !self.is_armed || !has_read || self.sleep.is_elapsed();
        self.is_armed = true;
        must
    }

    /// The time since an instant that no deadline counts.
    fn paused(&self, from: Nanos, now: Nanos) -> Nanos {
        let (from, now) = (self.clock.instant(from), self.clock.instant(now));
        Nanos::from(self.pauses.total(from, now))
    }
}

/// The state of an exchange.
struct ExchangeState<'a> {
    timeouts: Timeouts,
    memory: &'a Arc<MemoryLimit>,
    sent: Nanos,
    is_writing: bool,
    write_error: Option<String>,
    head: HeadReader,
    response: Option<Response>,
    headers: Option<ReadStamp>,
    framing: Framing,
    persistence: Persistence,
    done: DoneWatch,
    /// The stamp of the last bytes of the body, else of the headers.
    last: ReadStamp,
    /// The same without comments.
    last_content: Nanos,
    /// True if the next read had to be waited for.
    waited: bool,
    /// True if bytes came after the response.
    has_excess: bool,
}

impl<'a> ExchangeState<'a> {
    fn new(limits: Limits<'a>, sent: Nanos) -> Self {
        Self {
            timeouts: limits.timeouts,
            memory: limits.memory,
            sent,
            is_writing: true,
            write_error: None,
            head: HeadReader::default(),
            response: None,
            headers: None,
            framing: Framing::UntilClose,
            persistence: Persistence::Close,
            done: DoneWatch::new(),
            last: ReadStamp::user(sent),
            last_content: sent,
            waited: true,
            has_excess: false,
        }
    }

    fn poll(
        &mut self,
        connection: &mut Connection,
        timer: &mut Timer<'_>,
        context: &mut Context<'_>,
    ) -> Poll<(ReadStamp, ExchangeEnd)> {
        let clock = timer.clock;
        let mut has_read = false;
        loop {
            // Also after the request: TLS has messages of its own.
            if self.write_error.is_none()
                && let Poll::Ready(written) = connection.poll_flush(context)
            {
                self.is_writing = false;
                // The server may have answered before it closed: that is read first.
                self.write_error = written.err().map(|error| message(&error));
            }
            let read = connection.poll_read(context, clock, |stamp, bytes| self.take(stamp, bytes));
            let ended = match read {
                Poll::Pending => break,
                Poll::Ready(Ok(Arrival::Bytes(ended))) => ended,
                Poll::Ready(Ok(Arrival::Closed { at, is_clean })) => {
                    Some(self.closed(at, is_clean))
                }
                Poll::Ready(Err(error)) => Some(self.broken(clock.now(), &error)),
            };
            if let Some(ended) = ended {
                return Poll::Ready(ended);
            }
            has_read = true;
            self.waited = false;
        }
        self.waited = true;
        let limit = self.limit(&|_| Nanos::ZERO);
        if !timer.must_be_polled(limit, has_read) {
            return Poll::Pending;
        }
        while timer.sleep.as_mut().poll(context).is_ready() {
            let now = clock.now();
            let paused = |from| timer.paused(from, now);
            let limit = self.limit(&paused);
            if now >= limit {
                return Poll::Ready(self.timed_out(now, &paused));
            }
            timer.sleep.as_mut().reset(clock.instant(limit));
        }
        Poll::Pending
    }

    /// The instant at which the next deadline passes, given the time that does not count since an instant.
    fn limit(&self, paused: &dyn Fn(Nanos) -> Nanos) -> Nanos {
        let total = self.deadline(Deadline::Total, paused);
        match &self.response {
            None => self.deadline(Deadline::Headers, paused).min(total),
            Some(_) if self.done.done() => Nanos(self.last.at.0.saturating_add(AFTER_DONE.0)),
            Some(_) => self.deadline(Deadline::Gap, paused).min(total),
        }
    }

    fn deadline(&self, deadline: Deadline, paused: &dyn Fn(Nanos) -> Nanos) -> Nanos {
        let (from, span) = match deadline {
            Deadline::Connect => (self.sent, self.timeouts.connect_ns),
            Deadline::Headers => (self.sent, self.timeouts.headers_ns),
            Deadline::Gap => (self.last_content, self.timeouts.gap_ns),
            Deadline::Total => (self.sent, self.timeouts.total_ns),
        };
        Nanos((from.0.saturating_add(span.0)).saturating_add(paused(from).0))
    }

    fn timed_out(&self, now: Nanos, paused: &dyn Fn(Nanos) -> Nanos) -> (ReadStamp, ExchangeEnd) {
        if self.done.done() {
            return (self.last, ExchangeEnd::Complete);
        }
        let deadline = match &self.response {
            None => Deadline::Headers,
            Some(_) => Deadline::Gap,
        };
        let is_first = self.deadline(deadline, paused) < self.deadline(Deadline::Total, paused);
        let deadline = if is_first { deadline } else { Deadline::Total };
        (ReadStamp::user(now), ExchangeEnd::TimedOut(deadline))
    }

    /// Handles the bytes of one read. Returns the end of the exchange, if this is it.
    fn take(&mut self, stamp: ReadStamp, bytes: &[u8]) -> Option<(ReadStamp, ExchangeEnd)> {
        if self.response.is_some() {
            return self.take_body(stamp, bytes);
        }
        match self.head.feed(bytes) {
            Ok(None) => None,
            Ok(Some((head, rest))) => {
                let ResponseHead {
                    status,
                    headers,
                    framing,
                    persistence,
                } = head;
                self.framing = framing;
                self.persistence = persistence;
                self.response = Some(Response {
                    status,
                    headers,
                    at: stamp.at,
                    body: Body::within(self.memory),
                });
                self.headers = Some(stamp);
                self.last = stamp;
                self.last_content = stamp.at;
                self.take_body(stamp, &rest)
            }
            Err(error) => Some((stamp, invalid(&error))),
        }
    }

    fn take_body(&mut self, stamp: ReadStamp, bytes: &[u8]) -> Option<(ReadStamp, ExchangeEnd)> {
        let body = &mut self.response.as_mut()?.body;
        let mut frame = body.frame(stamp, self.waited);
        let (done, mut has_content) = (&mut self.done, false);
        let decoded = self.framing.decode(bytes, |piece| {
            frame.push(piece)?;
            done.feed(piece);
            has_content |= done.has_content();
            Ok::<(), BodyTooLarge>(())
        });
        self.has_excess |= decoded.as_ref().is_ok_and(|used| *used < bytes.len());
        match decoded {
            Err(DecodeStop::TooLarge(_)) => return Some((stamp, ExchangeEnd::TooLarge)),
            Err(DecodeStop::Http(_)) if self.done.done() => {
                return Some((self.last, ExchangeEnd::Complete));
            }
            Err(DecodeStop::Http(error)) => return Some((stamp, invalid(&error))),
            Ok(_) if self.framing.is_done() => return Some((stamp, ExchangeEnd::Complete)),
            Ok(_) => {}
        }
        if !bytes.is_empty() {
            self.last = stamp;
        }
        if has_content {
            self.last_content = stamp.at;
        }
        None
    }

    fn closed(&self, at: Nanos, is_clean: bool) -> (ReadStamp, ExchangeEnd) {
        if self.done.done() {
            return (self.last, ExchangeEnd::Complete);
        }
        let words = match (&self.response, &self.write_error) {
            (Some(_), _) if self.framing == Framing::UntilClose && is_clean => {
                return (ReadStamp::user(at), ExchangeEnd::Complete);
            }
            (Some(_), _) => "the server closed the connection before the end of the response",
            (None, Some(error)) => error,
            (None, None) if self.head.is_empty() => {
                "the server closed the connection without a response"
            }
            (None, None) => "the server closed the connection within the head of the response",
        };
        let lost = ExchangeEnd::ConnectionLost(words.to_owned());
        (ReadStamp::user(at), lost)
    }

    fn broken(&self, at: Nanos, error: &io::Error) -> (ReadStamp, ExchangeEnd) {
        if self.done.done() {
            return (self.last, ExchangeEnd::Complete);
        }
        let lost = ExchangeEnd::ConnectionLost(message(error));
        (ReadStamp::user(at), lost)
    }

    fn finish(self, end: ReadStamp, ending: ExchangeEnd) -> Exchanged {
        let is_whole = ending == ExchangeEnd::Complete
            && self.framing.is_done()
            && !self.has_excess
            && !self.is_writing
            && self.write_error.is_none();
        let persistence = if is_whole {
            self.persistence
        } else {
            Persistence::Close
        };
        Exchanged {
            response: self.response,
            headers: self.headers,
            end,
            ending,
            persistence,
        }
    }
}

fn invalid(error: &HttpError) -> ExchangeEnd {
    ExchangeEnd::InvalidHttp(error.to_string())
}
