//! Trials ready to be sent, and single exchanges.
//!
//! Owns the requests of a slot, and the meaning of one answer. Must not know attempts and their waits. Invariant:
//! everything that costs time (building the request, reading the answer) happens before the first stamp or after the
//! last.

use std::sync::Arc;

use crate::catalog::{PriceBound, is_above_limit};
use crate::gateway::request::path;
use crate::gateway::{FirstSent, OpeningTimes, OutgoingRequest, Reading, Recording, read};
use crate::plan::{Load, Trial, reserved_tokens};
use crate::record::RequestEvent;
use crate::suite::{CacheMode, Prompt, Redacted, Variant};
use crate::units::{ModelId, Nanos};

use super::cap::{AttemptReservation, TrialReservation};
use super::orders::{Client, RunContext};
use super::pacer::TrialPlace;
use super::request;
use super::settle::{AttemptCost, PromptSize, VariantPrices};

/// Bytes of an answer that take less than a millisecond to read.
const READ_AT_ONCE: usize = 128 << 10;

/// The instant at which a slot was due, and the delay by a limit.
#[derive(Debug, Clone)]
pub(super) struct SlotStart {
    pub(super) scheduled: Nanos,
    pub(super) throttled: Option<Nanos>,
    /// True if a load planned that instant.
    pub(super) is_planned: bool,
    /// The instant at which the first of its requests was sent.
    pub(super) first_sent: Arc<FirstSent>,
}

/// The instant at which a slot should have started.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SlotDue {
    /// The instant that a load planned for it.
    pub(super) planned: Option<Nanos>,
    /// The instant at which it was ready to be sent, if a limit delayed it since.
    pub(super) throttled_since: Option<Nanos>,
}

impl SlotDue {
    /// The same, ready so much later; a planned instant stays.
    pub(super) fn later(self, by: Nanos) -> Self {
        Self {
            throttled_since: self.throttled_since.map(|due| Nanos(due.0 + by.0)),
            ..self
        }
    }
}

impl SlotStart {
    /// The start of a slot that is sent `now`.
    pub(super) fn new(due: SlotDue, now: Nanos) -> Self {
        Self {
            scheduled: due.planned.or(due.throttled_since).unwrap_or(now),
            throttled: due.throttled_since.map(|ready| now.since(ready)),
            is_planned: due.planned.is_some(),
            first_sent: Arc::default(),
        }
    }
}

/// A trial with its request, ready to be sent.
#[derive(Debug)]
pub(super) struct PreparedTrial {
    trial: Trial,
    body: Vec<u8>,
    size: PromptSize,
    /// The reservation for its attempts, if the run has a cap.
    reservation: Option<TrialReservation>,
    /// Its place among the trials of its variant under way.
    place: TrialPlace,
    /// True if it is sent apart from its slot.
    is_deferred: bool,
}

impl PreparedTrial {
    /// Its prompt and its variant.
    pub(super) fn prompt_and_variant<'o>(
        &self,
        context: &'o RunContext,
    ) -> (&'o Prompt, &'o Variant) {
        (
            &context.suite.prompts[self.trial.prompt],
            &context.suite.variants[self.trial.variant],
        )
    }

    /// The variant's index in the suite.
    pub(super) fn variant(&self) -> usize {
        self.trial.variant
    }

    /// Its trial.
    pub(super) fn trial(&self) -> &Trial {
        &self.trial
    }

    /// The rest of its reservation, if the run has a cap.
    pub(super) fn reservation(&self) -> Option<&TrialReservation> {
        self.reservation.as_ref()
    }

    /// Returns true if its first attempt tests a failing model.
    pub(super) fn is_probe(&self) -> bool {
        self.place.is_probe()
    }

    /// Returns true if it is sent apart from its slot.
    pub(super) const fn is_deferred(&self) -> bool {
        self.is_deferred
    }

    /// Its load for the limits, including the request that fills its cache.
    pub(super) fn load(&self, context: &RunContext) -> Load {
        let once = load(
            context,
            self.prompt_and_variant(context).0,
            self.trial.variant,
        );
        let mode = context.suite.cache_of(self.prompt_and_variant(context).1);
        let requests = u64::from(mode.requests_per_trial());
        Load {
            requests: once.requests.saturating_mul(requests),
            tokens: once.tokens.saturating_mul(requests),
            ..once
        }
    }

    /// Its request, as the attempt of this number, which is not timed against its slot.
    pub(super) fn outgoing(&self, context: &RunContext, attempt: u32) -> OutgoingRequest {
        OutgoingRequest {
            path: path(context.wording.api),
            request_id: request_id(context, self.trial.number, attempt),
            body: self.body.clone(),
            first_sent: None,
        }
    }

    /// The log entry of the attempt with this number, written before it is sent.
    pub(super) fn announcement(&self, context: &RunContext, attempt: u32) -> RequestEvent {
        RequestEvent::Sent {
            request_id: request_id(context, self.trial.number, attempt),
            model: self.prompt_and_variant(context).1.model.clone(),
            bound_usd: self.reservation.as_ref().map(TrialReservation::each),
        }
    }

    /// Carries out one exchange and reads it; abandons it once `until` is over.
    pub(super) async fn send<A: Client>(
        &self,
        client: &A,
        context: &RunContext,
        outgoing: OutgoingRequest,
        until: impl Future<Output = ()>,
    ) -> Box<FinishedExchange> {
        let attempt_reservation = self
            .reservation
            .as_ref()
            .map(TrialReservation::reserve_attempt);
        let target = (self.trial.variant, &self.size);
        answer(
            client,
            context,
            target,
            outgoing,
            attempt_reservation,
            until,
        )
        .await
    }
}

/// One exchange, its meaning and its cost. Its bytes are gone: thousands of answers may wait to become samples.
#[derive(Debug)]
pub(super) struct FinishedExchange {
    pub(super) sent: Nanos,
    /// The times of opening a connection, if it opened one.
    pub(super) connect: Option<OpeningTimes>,
    pub(super) reading: Redacted<Reading>,
    pub(super) cost: AttemptCost,
}

fn request_id(context: &RunContext, trial: u64, attempt: u32) -> String {
    format!("{}-{trial}-{attempt}", context.request_prefix)
}

/// One request of this prompt to this variant.
pub(super) fn load(context: &RunContext, prompt: &Prompt, variant: usize) -> Load {
    Load {
        variant,
        requests: 1,
        tokens: reserved_tokens(&context.suite, prompt, &context.suite.variants[variant]),
    }
}

/// The trials of a slot that start now.
#[derive(Debug)]
pub(super) struct SlotTrials {
    /// Identifies the slot to the pacer.
    pub(super) key: u64,
    /// In the order of sending.
    pub(super) trials: Vec<Trial>,
    /// True if they are sent apart from their slot.
    pub(super) is_deferred: bool,
    /// The instant that a load planned for them.
    pub(super) planned: Option<Nanos>,
    /// The instant from which on they may not be sent.
    pub(super) end: Option<Nanos>,
}

/// The trials of a slot in the order of sending, requests built. `reservations`: one for each if the run has a
/// cap, else none.
pub(super) fn prepare_slot(
    context: &RunContext,
    slot: &SlotTrials,
    reservations: Vec<TrialReservation>,
) -> Vec<PreparedTrial> {
    let mut reservations = reservations.into_iter();
    let ready = |trial: &Trial| {
        let prompt = &context.suite.prompts[trial.prompt];
        let variant = &context.suite.variants[trial.variant];
        let mut messages = context.suite.messages_of(prompt, variant);
        if context.suite.cache_of(variant) == CacheMode::Bust {
            request::add_nonce(&mut messages, &context.run, trial.number);
        }
        let body = request::body(&context.suite, prompt, variant, &messages, context.wording);
        let reservation = reservations.next();
        let size = PromptSize::new(&messages, &context.suite.parameters_of(prompt, variant));
        PreparedTrial {
            trial: *trial,
            body,
            size,
            reservation,
            place: context.pacer.place(slot.key, trial.variant),
            is_deferred: slot.is_deferred,
        }
    };
    slot.trials.iter().map(ready).collect()
}

/// Carries out one exchange with a variant (by its index) for a prompt of this size, reads it and settles its
/// reservation. It is abandoned once `until` is over.
pub(super) async fn answer<A: Client>(
    client: &A,
    context: &RunContext,
    (variant, size): (usize, &PromptSize),
    outgoing: OutgoingRequest,
    attempt_reservation: Option<AttemptReservation>,
    until: impl Future<Output = ()>,
) -> Box<FinishedExchange> {
    let began = client.now();
    let recording = tokio::select! {
        biased;
        recording = client.send(outgoing) => recording,
        () = until => Recording::abandoned(began, client.now()),
    };
    let model = context.suite.variants[variant].model.clone();
    let (sent, connect) = (recording.sent, recording.connect);
    let reading = read_answer(recording, model, context.suite.stream).await;
    let listed = context.catalog.get(&context.suite.variants[variant].model);
    let prices = VariantPrices {
        list: listed.and_then(|model| model.prices.as_ref()),
        service_tiers: listed.map(|model| &model.service_tiers),
        catalog: Some(&context.catalog),
        bound: context.bounds.get(variant).and_then(Option::as_ref),
    };
    let cost = AttemptCost::new(&reading, size, prices);
    if let Some(attempt_reservation) = attempt_reservation {
        let bound = context.bounds.get(variant).and_then(Option::as_ref);
        let is_expected = context.is_probing || bound.is_some_and(PriceBound::has_ignored_limit);
        let written = cost.usage.known().and_then(|usage| usage.completion_tokens);
        if let Some((written, limit)) = written.zip(size.max_tokens)
            && is_above_limit(written, limit)
            && !is_expected
        {
            attempt_reservation.report_ignored_limit(written, limit);
        }
        attempt_reservation.settle(cost.bill);
    }
    // The state of a task is copied when it is spawned: what only its end needs is allocated then.
    Box::new(FinishedExchange {
        sent,
        connect,
        reading,
        cost,
    })
}

/// Reads a recording; a long one on another thread, so that no slot starts late.
async fn read_answer(recording: Recording, model: ModelId, streamed: bool) -> Redacted<Reading> {
    let length = recording.body_length();
    let reading = move || read(&recording, &model, streamed);
    if length <= READ_AT_ONCE {
        return reading();
    }
    let reading = tokio::task::spawn_blocking(reading).await;
    reading.expect("reading a recording never panics")
}
