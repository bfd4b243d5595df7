//! The health of one model: its failures in a row, its breaker, and the retries that it allows.
//!
//! Owns when a failing model may be sent to. Must not know the clock, nor other models: instants are arguments.
//! Invariant: from the first failure of a row to the next answer, a model is sent at most [`SENDS_IN_ROW`]
//! requests, and then one probe at a time, each after the next of [`PROBE_WAITS`].

use crate::record::Outcome;
use crate::units::Nanos;

/// Failures in a row that open the breaker; of failures that no wait mends, the number that drops the model.
const FAILURES_IN_ROW: u32 = 10;

/// The number of attempts of which half may fail before the breaker opens.
const WINDOW: u32 = 20;

/// Requests that are sent after the first failure of a row before it is known how they end: with those in flight
/// and the probes of a minute they are all that a failing model gets.
const SENDS_IN_ROW: u32 = 4;

/// Retries that may be sent without an answer in between: each takes a token, and an answer brings one back.
const RETRY_TOKENS: u32 = 10;

/// The seconds between probes of an open breaker; the last one repeats.
const PROBE_WAITS: [u64; 6] = [1, 2, 4, 8, 16, 30];

/// The time for which slots wait for a model that began to fail; later ones start without it.
const AWAITED: Nanos = Nanos::from_millis(3_000);

/// The part of the patience that no wait between two attempts exceeds: little patience tests often.
const PATIENCE_PER_WAIT: u64 = 5;

/// The part of the patience that a model gets which has not answered yet, while others do.
const PATIENCE_OF_UNANSWERED: u64 = 10;

/// The shortest time between probes that the recovery of another model may cause.
const EARLY_PROBE_PAUSE: Nanos = Nanos::from_millis(6_000);

/// The effect of an attempt on the health of its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum AttemptEffect {
    /// The model answered.
    Answer,
    /// It says nothing of the model: the request itself was rejected, or abandoned.
    Neutral,
    /// The model, or the way to it, failed.
    Failure {
        /// The outcome, for messages.
        outcome: Outcome,
        /// The wait that the server demands.
        demanded: Option<Nanos>,
        /// True if no wait within the patience can help.
        permanent: bool,
    },
}

impl AttemptEffect {
    /// The effect of an attempt with this outcome.
    pub(super) fn new(
        outcome: Outcome,
        status: Option<u16>,
        demanded: Option<Nanos>,
        patience: Nanos,
    ) -> Self {
        let failure = |permanent| Self::Failure {
            outcome,
            demanded,
            permanent,
        };
        match outcome {
            Outcome::Complete
            | Outcome::Length
            | Outcome::Ended
            | Outcome::Refused
            | Outcome::Filtered
            | Outcome::Empty
            | Outcome::Incomplete
            | Outcome::UnknownFinish => Self::Answer,
            Outcome::Rejected if !matches!(status, Some(408 | 409)) => Self::Neutral,
            Outcome::TooLarge | Outcome::Abandoned => Self::Neutral,
            Outcome::Unauthorized
            | Outcome::Forbidden
            | Outcome::ModelNotFound
            | Outcome::PaymentRequired
            | Outcome::TlsFailed => failure(true),
            _ => failure(demanded.is_some_and(|wait| wait > patience)),
        }
    }
}

impl AttemptEffect {
    /// The same in a load, whose requests are sent at their instants: only a failure that no wait mends says that a
    /// model is not worth another request.
    pub(super) fn of_load(self) -> Self {
        match self {
            Self::Failure {
                permanent: false, ..
            } => Self::Neutral,
            effect => effect,
        }
    }
}

/// The turn of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SendTurn {
    /// The first attempt of a trial.
    First,
    /// A further attempt.
    Retry,
}

/// The decision about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Admission {
    /// It is sent now.
    Send {
        /// True if it tests a failing model.
        probe: bool,
    },
    /// It waits for a change.
    Wait,
    /// It is not sent.
    Refused,
}

/// A change of the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BreakerChange {
    /// It opened, or a probe failed: the next one is sent at this instant.
    Paused {
        /// The instant.
        next: Nanos,
    },
    /// A probe was answered.
    Resumed,
    /// The model is sent nothing more in this run.
    Dropped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breaker {
    Closed,
    Open {
        next: Nanos,
        /// Index in [`PROBE_WAITS`] of the wait that goes before the next probe.
        step: usize,
        probing: bool,
        last: Nanos,
    },
    Dropped,
}

/// The health of one model.
#[derive(Debug, Clone)]
pub(super) struct ModelHealth {
    patience: Nanos,
    breaker: Breaker,
    failures: u32,
    /// Failures in a row that no wait mends.
    permanent_failures: u32,
    /// The instant at which the first failure of the row was sent.
    since: Nanos,
    /// Requests sent since the first failure of the row.
    sends: u32,
    last_failure: Option<Outcome>,
    /// The latest attempts, 1 for a failure.
    window: u32,
    window_len: u32,
    tokens: u32,
    in_flight: u32,
    awaited_until: Nanos,
    /// The longest answer so far.
    longest: Option<Nanos>,
    /// True if another model of the run has answered.
    others_answer: bool,
}

/// The longest wait between two attempts that is not demanded by the server.
pub(super) const fn longest_wait(patience: Nanos) -> Nanos {
    Nanos(patience.0 / PATIENCE_PER_WAIT)
}

impl ModelHealth {
    pub(super) const fn new(patience: Nanos) -> Self {
        Self {
            patience,
            breaker: Breaker::Closed,
            failures: 0,
            permanent_failures: 0,
            since: Nanos::ZERO,
            sends: 0,
            last_failure: None,
            window: 0,
            window_len: 0,
            tokens: RETRY_TOKENS,
            in_flight: 0,
            awaited_until: Nanos::ZERO,
            longest: None,
            others_answer: false,
        }
    }

    /// Notes that another model has answered: the endpoint is there.
    pub(super) const fn note_other_answer(&mut self) {
        self.others_answer = true;
    }

    /// The time for which it may fail. A model that only ever failed, while others answer, is seldom one that recovers.
    pub(super) fn patience(&self) -> Nanos {
        if self.others_answer && self.failures > 0 && self.longest.is_none() {
            Nanos(self.patience.0 / PATIENCE_OF_UNANSWERED)
        } else {
            self.patience
        }
    }

    /// The time for which slots wait for it once it fails.
    fn awaited(&self) -> Nanos {
        AWAITED.min(longest_wait(self.patience))
    }

    /// The decision about a request, without its effect.
    pub(super) fn peek(&self, now: Nanos, turn: SendTurn) -> Admission {
        match self.breaker {
            Breaker::Dropped => Admission::Refused,
            Breaker::Open { next, probing, .. } => {
                if !probing && now >= next {
                    Admission::Send { probe: true }
                } else {
                    Admission::Wait
                }
            }
            Breaker::Closed => {
                // With nothing in flight, no change would ever end the wait.
                let may_wait = self.in_flight > 0;
                let is_beyond = self.failures > 0 && self.sends >= self.max_sends();
                let has_no_token = turn == SendTurn::Retry && self.tokens == 0;
                if may_wait && (is_beyond || has_no_token) {
                    Admission::Wait
                } else {
                    Admission::Send { probe: false }
                }
            }
        }
    }

    /// The decision about a request; one that is sent is counted.
    pub(super) fn admit(&mut self, now: Nanos, turn: SendTurn) -> Admission {
        let admission = self.peek(now, turn);
        if let Admission::Send { probe } = admission {
            self.in_flight += 1;
            if let Breaker::Open { probing, last, .. } = &mut self.breaker {
                (*probing, *last) = (probe, now);
            } else {
                self.sends += u32::from(self.failures > 0);
                if turn == SendTurn::Retry {
                    self.tokens = self.tokens.saturating_sub(1);
                }
            }
        }
        admission
    }

    /// Takes an admission back: the request was not sent.
    pub(super) fn cancel(&mut self, probe: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.sends = self.sends.saturating_sub(u32::from(!probe));
        self.end_probe(probe);
    }

    /// Counts the end of an attempt that was sent at `sent`.
    pub(super) fn record(
        &mut self,
        now: Nanos,
        sent: Nanos,
        effect: AttemptEffect,
        probe: bool,
    ) -> Option<BreakerChange> {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.end_probe(probe);
        if self.breaker == Breaker::Dropped {
            return None;
        }
        match effect {
            AttemptEffect::Answer => {
                self.longest = self.longest.max(Some(now.since(sent)));
                self.tokens = (self.tokens + 1).min(RETRY_TOKENS);
                self.push(false);
                self.recover()
            }
            // A model that rejects a probe is there.
            AttemptEffect::Neutral if probe => self.recover(),
            AttemptEffect::Neutral => None,
            AttemptEffect::Failure {
                outcome,
                demanded,
                permanent,
            } => self.fail(now, sent, (outcome, demanded, permanent), probe),
        }
    }

    /// Drops the model if its patience is over and no probe is in flight.
    pub(super) fn tick(&mut self, now: Nanos) -> Option<BreakerChange> {
        let Breaker::Open { probing: false, .. } = self.breaker else {
            return None;
        };
        (now >= self.patience_end()).then(|| self.drop_model())
    }

    /// Opens the breaker of a model whose requests in flight are all overdue.
    pub(super) fn open_stalled(&mut self, now: Nanos, since: Nanos) -> Option<BreakerChange> {
        if self.breaker != Breaker::Closed {
            return None;
        }
        if self.failures == 0 {
            self.since = since;
        }
        self.last_failure.get_or_insert(Outcome::TimedOutHeaders);
        Some(self.open(now, None))
    }

    /// Makes the next probe due at once, because another model of the endpoint recovered: both may have failed
    /// for the same reason.
    pub(super) fn probe_early(&mut self, now: Nanos) {
        let awaited_until = Nanos(now.0 + self.awaited().0);
        if let Breaker::Open {
            next,
            probing: false,
            last,
            ..
        } = &mut self.breaker
            && now.since(*last) >= EARLY_PROBE_PAUSE
        {
            *next = now.min(*next);
            self.awaited_until = awaited_until;
        }
    }

    pub(super) fn is_dropped(&self) -> bool {
        self.breaker == Breaker::Dropped
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.breaker, Breaker::Open { .. })
    }

    /// Returns true if slots wait for this model rather than start without it.
    pub(super) fn is_awaited(&self, now: Nanos) -> bool {
        now < self.awaited_until
    }

    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) const fn last_failure(&self) -> Option<Outcome> {
        self.last_failure
    }

    /// The instant since which it has failed.
    pub(super) const fn since(&self) -> Nanos {
        self.since
    }

    pub(super) const fn longest(&self) -> Option<Nanos> {
        self.longest
    }

    /// The next instant after `now` at which a decision may change by itself.
    pub(super) fn next_change(&self, now: Nanos) -> Option<Nanos> {
        let awaited = (self.failures > 0 || self.is_open()).then_some(self.awaited_until);
        let (probe, patience) = match self.breaker {
            Breaker::Open {
                next,
                probing: false,
                ..
            } => (Some(next), Some(self.patience_end())),
            _ => (None, None),
        };
        let all = [awaited, probe, patience].into_iter().flatten();
        all.filter(|at| *at > now).min()
    }

    fn patience_end(&self) -> Nanos {
        Nanos(self.since.0.saturating_add(self.patience().0))
    }

    /// Requests that may be sent in a row of failures: if no wait mends them, as many as drop the model.
    fn max_sends(&self) -> u32 {
        if self.permanent_failures == self.failures {
            FAILURES_IN_ROW - 1
        } else {
            SENDS_IN_ROW
        }
    }

    fn end_probe(&mut self, probe: bool) {
        if let Breaker::Open { probing, .. } = &mut self.breaker
            && probe
        {
            *probing = false;
        }
    }

    fn push(&mut self, failed: bool) {
        self.window = (self.window << 1) | u32::from(failed);
        self.window_len = (self.window_len + 1).min(WINDOW);
    }

    fn recover(&mut self) -> Option<BreakerChange> {
        (self.failures, self.permanent_failures, self.sends) = (0, 0, 0);
        if self.is_open() {
            self.breaker = Breaker::Closed;
            self.window_len = 0;
            return Some(BreakerChange::Resumed);
        }
        None
    }

    fn fail(
        &mut self,
        now: Nanos,
        sent: Nanos,
        (outcome, demanded, permanent): (Outcome, Option<Nanos>, bool),
        probe: bool,
    ) -> Option<BreakerChange> {
        self.push(true);
        self.last_failure = Some(outcome);
        if self.failures == 0 {
            if !self.is_open() {
                self.since = sent;
                self.awaited_until = Nanos(now.0 + self.awaited().0);
            }
            self.sends = 0;
        }
        self.failures += 1;
        self.permanent_failures = if permanent {
            self.permanent_failures + 1
        } else {
            0
        };
        if self.permanent_failures >= FAILURES_IN_ROW {
            return Some(self.drop_model());
        }
        match self.breaker {
            Breaker::Closed if self.is_broken() => Some(self.open(now, demanded)),
            Breaker::Open { step, last, .. } if probe => {
                if now >= self.patience_end() {
                    return Some(self.drop_model());
                }
                let step = (step + 1).min(PROBE_WAITS.len() - 1);
                Some(self.pause(now, demanded, (step, last)))
            }
            _ => None,
        }
    }

    /// Returns true if the breaker must open.
    fn is_broken(&self) -> bool {
        // What no wait mends is not waited for: it drops the model after as many failures.
        if self.permanent_failures == self.failures {
            return false;
        }
        let recent = (self.window & ((1 << WINDOW) - 1)).count_ones();
        self.failures >= FAILURES_IN_ROW
            || self.sends >= SENDS_IN_ROW
            || (self.window_len == WINDOW && recent * 2 >= WINDOW)
    }

    fn open(&mut self, now: Nanos, demanded: Option<Nanos>) -> BreakerChange {
        self.awaited_until = Nanos(now.0 + self.awaited().0);
        self.pause(now, demanded, (0, now))
    }

    fn pause(
        &mut self,
        now: Nanos,
        demanded: Option<Nanos>,
        (step, last): (usize, Nanos),
    ) -> BreakerChange {
        let wait = Nanos::from_millis(PROBE_WAITS[step] * 1_000);
        let wait = wait.min(longest_wait(self.patience));
        // A demand beyond the longest step would never be tested within the patience.
        let longest = Nanos::from_millis(PROBE_WAITS[PROBE_WAITS.len() - 1] * 1_000);
        let wait = wait.max(demanded.unwrap_or(Nanos::ZERO).min(longest));
        let next = Nanos(now.0 + wait.0);
        self.breaker = Breaker::Open {
            next,
            step,
            probing: false,
            last,
        };
        BreakerChange::Paused { next }
    }

    fn drop_model(&mut self) -> BreakerChange {
        self.breaker = Breaker::Dropped;
        BreakerChange::Dropped
    }
}

#[cfg(test)]
mod tests;
