//! One exchange on an open connection: a request is written, and what comes back is recorded.
//!
//! Owns the deadlines and the end of an exchange. Must not know lanes, or the meaning of an answer. Invariant:
//! between two stamps nothing happens but removing the framing and copying bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep_until};

use crate::suite::Timeouts;
use crate::units::Nanos;

use super::clock::Clock;
use super::connect::message;
use super::connection::{Arrival, Connection};
use super::http1::{DecodeStop, Framing, HeadReader, HttpError, Persistence, ResponseHead};
use super::recording::{Body, BodyTooLarge, Deadline, DoneWatch, ExchangeEnd, Response};

/// After `[DONE]` the body should end at once; a server that leaves the connection open has this long before
/// the client hangs up (the connection is then lost, the answer is not).
const AFTER_DONE: Nanos = Nanos::from_millis(100);

/// A finished exchange.
#[derive(Debug)]
pub(super) struct Exchanged {
    pub(super) response: Option<Response>,
    pub(super) end: Nanos,
    pub(super) ending: ExchangeEnd,
    /// If the connection can carry another request: the time for which the server keeps it open, where it is
    /// known.
    pub(super) reusable: Option<Option<Duration>>,
}

impl Exchanged {
    /// An exchange that ended before a response.
    pub(super) fn without_response(end: Nanos, ending: ExchangeEnd) -> Self {
        Self {
            response: None,
            end,
            ending,
            reusable: None,
        }
    }
}

/// Carries out the exchange whose request is queued on the connection. `sent`: the instant from which its
/// deadlines count.
pub(super) async fn exchange(
    connection: &mut Connection,
    clock: Clock,
    timeouts: Timeouts,
    sent: Nanos,
) -> Exchanged {
    let mut state = ExchangeState::new(timeouts, sent);
    let mut timer = std::pin::pin!(sleep_until(clock.instant(state.limit())));
    let mut is_armed = false;
    let (end, ending) = std::future::poll_fn(|context| {
        state.poll(connection, clock, timer.as_mut(), &mut is_armed, context)
    })
    .await;
    state.finish(end, ending)
}

/// The state of an exchange.
struct ExchangeState {
    timeouts: Timeouts,
    sent: Nanos,
    is_writing: bool,
    write_error: Option<String>,
    head: HeadReader,
    response: Option<Response>,
    framing: Framing,
    persistence: Persistence,
    done: DoneWatch,
    /// The instant of the last bytes of the body, else of the headers.
    last: Nanos,
    /// The same without comments.
    last_content: Nanos,
    /// True if the next read had to be waited for.
    waited: bool,
    /// True if bytes came after the response.
    has_excess: bool,
}

impl ExchangeState {
    fn new(timeouts: Timeouts, sent: Nanos) -> Self {
        Self {
            timeouts,
            sent,
            is_writing: true,
            write_error: None,
            head: HeadReader::default(),
            response: None,
            framing: Framing::UntilClose,
            persistence: Persistence::Close,
            done: DoneWatch::new(),
            last: sent,
            last_content: sent,
            waited: true,
            has_excess: false,
        }
    }

    fn poll(
        &mut self,
        connection: &mut Connection,
        clock: Clock,
        mut timer: Pin<&mut Sleep>,
        is_armed: &mut bool,
        context: &mut Context<'_>,
    ) -> Poll<(Nanos, ExchangeEnd)> {
        let mut has_read = false;
        loop {
            if self.is_writing {
                match connection.poll_flush(context) {
                    Poll::Ready(written) => {
                        self.is_writing = false;
                        // The server may have answered before it closed: that is read first.
                        self.write_error = written.err().map(|error| message(&error));
                    }
                    Poll::Pending => {}
                }
            }
            let read = connection.poll_read(context, clock, |at, bytes| self.take(at, bytes));
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
        // The timer costs more than a read: it is only moved when it fires, or when it must fire earlier.
        let limit = clock.instant(self.limit());
        if timer.deadline() > limit {
            timer.as_mut().reset(limit);
        } else if has_read && *is_armed && !timer.is_elapsed() {
            return Poll::Pending;
        }
        *is_armed = true;
        while timer.as_mut().poll(context).is_ready() {
            let now = clock.now();
            if now >= self.limit() {
                return Poll::Ready(self.timed_out(now));
            }
            timer.as_mut().reset(limit);
        }
        Poll::Pending
    }

    /// The instant at which the next deadline passes.
    fn limit(&self) -> Nanos {
        let total = self.deadline(Deadline::Total);
        match &self.response {
            None => self.deadline(Deadline::Headers).min(total),
            Some(_) if self.done.done() => Nanos(self.last.0.saturating_add(AFTER_DONE.0)),
            Some(_) => self.deadline(Deadline::Gap).min(total),
        }
    }

    fn deadline(&self, deadline: Deadline) -> Nanos {
        let (from, span) = match deadline {
            Deadline::Connect => (self.sent, self.timeouts.connect_ns),
            Deadline::Headers => (self.sent, self.timeouts.headers_ns),
            Deadline::Gap => (self.last_content, self.timeouts.gap_ns),
            Deadline::Total => (self.sent, self.timeouts.total_ns),
        };
        Nanos(from.0.saturating_add(span.0))
    }

    fn timed_out(&self, now: Nanos) -> (Nanos, ExchangeEnd) {
        if self.done.done() {
            return (self.last, ExchangeEnd::Complete);
        }
        let deadline = match &self.response {
            None => Deadline::Headers,
            Some(_) => Deadline::Gap,
        };
        let is_first = self.deadline(deadline) < self.deadline(Deadline::Total);
        let deadline = if is_first { deadline } else { Deadline::Total };
        (now, ExchangeEnd::TimedOut(deadline))
    }

    /// Handles the bytes of one read. Returns the end of the exchange, if this is it.
    fn take(&mut self, at: Nanos, bytes: &[u8]) -> Option<(Nanos, ExchangeEnd)> {
        if self.response.is_some() {
            return self.take_body(at, bytes);
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
                    at,
                    body: Body::default(),
                });
                self.last = at;
                self.last_content = at;
                self.take_body(at, &rest)
            }
            Err(error) => Some((at, invalid(&error))),
        }
    }

    fn take_body(&mut self, at: Nanos, bytes: &[u8]) -> Option<(Nanos, ExchangeEnd)> {
        let body = &mut self.response.as_mut()?.body;
        let mut frame = body.frame(at, self.waited);
        let (done, mut has_content) = (&mut self.done, false);
        let decoded = self.framing.decode(bytes, |piece| {
            frame.push(piece)?;
            done.feed(piece);
            has_content |= done.has_content();
            Ok::<(), BodyTooLarge>(())
        });
        self.has_excess |= decoded.as_ref().is_ok_and(|used| *used < bytes.len());
        match decoded {
            Err(DecodeStop::TooLarge(_)) => return Some((at, ExchangeEnd::TooLarge)),
            Err(DecodeStop::Http(_)) if self.done.done() => {
                return Some((self.last, ExchangeEnd::Complete));
            }
            Err(DecodeStop::Http(error)) => return Some((at, invalid(&error))),
            Ok(_) if self.framing.is_done() => return Some((at, ExchangeEnd::Complete)),
            Ok(_) => {}
        }
        if !bytes.is_empty() {
            self.last = at;
        }
        if has_content {
            self.last_content = at;
        }
        None
    }

    fn closed(&self, at: Nanos, is_clean: bool) -> (Nanos, ExchangeEnd) {
        if self.done.done() {
            return (self.last, ExchangeEnd::Complete);
        }
        let words = match (&self.response, &self.write_error) {
            (Some(_), _) if self.framing == Framing::UntilClose && is_clean => {
                return (at, ExchangeEnd::Complete);
            }
            (Some(_), _) => "the server closed the connection before the end of the response",
            (None, Some(error)) => error,
            (None, None) if self.head.is_empty() => {
                "the server closed the connection without a response"
            }
            (None, None) => "the server closed the connection within the head of the response",
        };
        (at, ExchangeEnd::ConnectionLost(words.to_owned()))
    }

    fn broken(&self, at: Nanos, error: &io::Error) -> (Nanos, ExchangeEnd) {
        if self.done.done() {
            return (self.last, ExchangeEnd::Complete);
        }
        (at, ExchangeEnd::ConnectionLost(message(error)))
    }

    fn finish(self, end: Nanos, ending: ExchangeEnd) -> Exchanged {
        let is_whole = ending == ExchangeEnd::Complete
            && self.framing.is_done()
            && !self.has_excess
            && !self.is_writing
            && self.write_error.is_none();
        let reusable = match self.persistence {
            Persistence::Keep(limit) if is_whole => Some(limit),
            _ => None,
        };
        Exchanged {
            response: self.response,
            end,
            ending,
            reusable,
        }
    }
}

fn invalid(error: &HttpError) -> ExchangeEnd {
    ExchangeEnd::InvalidHttp(error.to_string())
}
