//! One trial: attempts until one answers or none may follow, and the resulting sample.
//!
//! Owns the records of a trial. Must not know other trials. Invariant: everything that costs time (building the
//! request, reading the answer) happens before the first stamp or after the last.

use std::sync::Arc;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::gateway::request::path;
use crate::gateway::{OutgoingRequest, Reading, Recording, read};
use crate::plan::{Load, Trial, reserved_tokens, warm_up_prompt};
use crate::record::{Attempt, Flag, Outcome, RequestEvent, Sample, summarize_gaps};
use crate::suite::{CacheMode, Prompt, Redacted, Role, Variant};
use crate::units::Nanos;

use super::cap::{AttemptReservation, Cap, ReserveOutcome, TrialReservation};
use super::event::RunEvent;
use super::orders::{
    Client, GiveUp, RunContext, Stop, StopRequest, wait_for_any_stop, wait_for_give_up,
};
use super::request;
use super::retry::{self, FailedAttempt};
use super::settle::{AttemptCost, PromptSize, VariantPrices};

/// Share of TTFT above which our own delay invalidates a sample.
const CLIENT_LIMITED_SHARE: f64 = 0.05;

/// The shortest pause before the first token that invalidates a sample, in nanoseconds.
const PAUSE_NS: f64 = 20e6;

/// The same after it, where it moves no TTFT: long answers meet a short one on any machine.
const LATER_PAUSE_NS: f64 = 100e6;

/// The instant at which a slot was due, and the delay by a limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlotStart {
    pub(super) scheduled: Nanos,
    throttled: Option<Nanos>,
}

impl SlotStart {
    /// The start of a slot that is sent `now`, delayed by a limit since it was due.
    pub(super) fn new(throttled_since: Option<Nanos>, now: Nanos) -> Self {
        Self {
            scheduled: throttled_since.unwrap_or(now),
            throttled: throttled_since.map(|due| now.since(due)),
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
}

impl PreparedTrial {
    /// Its prompt and its variant.
    fn prompt_and_variant<'o>(&self, context: &'o RunContext) -> (&'o Prompt, &'o Variant) {
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

    /// Its request, as the attempt of this number.
    pub(super) fn outgoing(&self, context: &RunContext, attempt: u32) -> OutgoingRequest {
        OutgoingRequest {
            path: path(context.wording.api),
            request_id: request_id(context, self.trial.number, attempt),
            body: self.body.clone(),
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
    ) -> FinishedExchange {
        let attempt_reservation = self
            .reservation
            .as_ref()
            .map(TrialReservation::reserve_attempt);
        let target = (self.trial.variant, self.size);
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

/// One exchange, its meaning and its cost.
#[derive(Debug)]
pub(super) struct FinishedExchange {
    pub(super) recording: Recording,
    pub(super) reading: Redacted<Reading>,
    pub(super) cost: AttemptCost,
}

fn request_id(context: &RunContext, trial: u64, attempt: u32) -> String {
    format!("{}-{trial}-{attempt}", context.request_prefix)
}

/// One request of this prompt to this variant.
fn load(context: &RunContext, prompt: &Prompt, variant: usize) -> Load {
    Load {
        variant,
        requests: 1,
        tokens: reserved_tokens(&context.suite, prompt, &context.suite.variants[variant]),
    }
}

/// Trials of one slot, in the order of sending, requests built. `reservations`: one for each if the run has a
/// cap, else none.
pub(super) fn prepare_slot(
    context: &RunContext,
    trials: &[Trial],
    reservations: Vec<TrialReservation>,
) -> Vec<PreparedTrial> {
    let mut reservations = reservations.into_iter();
    let ready = |&trial: &Trial| {
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
            trial,
            body,
            size,
            reservation,
        }
    };
    trials.iter().map(ready).collect()
}

/// Carries out a trial, whose first attempt is logged, and sends its sample. Returns the sample's outcome.
pub(super) async fn carry_out<A: Client>(
    mut ready: PreparedTrial,
    start: SlotStart,
    client: Arc<A>,
    context: Arc<RunContext>,
    events: mpsc::Sender<RunEvent>,
    (mut stop, mut give_up): (Stop, GiveUp),
) -> Outcome {
    let trial = ready.trial;
    let mut attempts: Vec<Attempt> = Vec::new();
    // A generator of its own for each trial: waits do not depend on which trial failed first.
    let mut jitter = ChaCha8Rng::seed_from_u64(context.suite.seed ^ (trial.number << 16));
    loop {
        let number = u32::try_from(attempts.len()).map_or(u32::MAX, |before| before + 1);
        let outgoing = ready.outgoing(&context, number);
        let request_id = outgoing.request_id.clone();
        let until = wait_for_give_up(&mut give_up);
        let exchange = ready.send(&*client, &context, outgoing, until).await;
        let (recording, reading) = (&exchange.recording, &exchange.reading);
        // A date means something only against the wall clock: the one place where it is read.
        let retry_after = reading
            .retry_after
            .map(|date_or_span| date_or_span.wait(jiff::Timestamp::now()));
        let failed = FailedAttempt {
            outcome: reading.outcome,
            status: reading.status,
            token_arrived: reading.first_token.is_some(),
            retry_after,
        };
        attempts.push(Attempt {
            request_id,
            sent_ns: recording.sent,
            end_ns: reading.end,
            outcome: reading.outcome,
            status: reading.status,
            retry_after_ms: retry_after.map(|wait| wait.0 / 1_000_000),
        });
        let wait = retry::wait(&failed, number, context.suite.max_attempts, jitter.random())
            // A stopped run starts nothing more, and must not announce it.
            .filter(|_| *stop.borrow() == StopRequest::None && !*give_up.borrow())
            // Nor does one whose bounds do not hold.
            .filter(|_| {
                !ready
                    .reservation
                    .as_ref()
                    .is_some_and(TrialReservation::is_overrun)
            });
        if let Some(wait) = wait {
            let (trial, outcome) = (trial.number, reading.outcome);
            let _ = events
                .send(RunEvent::Retried {
                    trial,
                    attempt: number,
                    outcome,
                    wait,
                })
                .await;
            tokio::select! {
                () = sleep(wait.into()) => {
                    let next = ready.announcement(&context, number.saturating_add(1));
                    if context.announce(vec![next]).await {
                        client.prepare(1).await;
                        // Counted, but not delayed: a wait of ours would be part of the experienced TTFT.
                        context.pace.take(client.now(), ready.load(&context));
                        continue;
                    }
                }
                // The failure stands: a stopped run starts nothing more.
                () = wait_for_any_stop(&mut stop) => {}
                () = wait_for_give_up(&mut give_up) => {}
            }
        }
        let outcome = reading.outcome;
        if outcome.answered() {
            context
                .cache_uses
                .record_use(&context.suite, ready.trial(), recording.sent);
        }
        // Returned before any event is sent, because the receiver may be slow.
        ready.reservation = None;
        let (sent, end) = (exchange.recording.sent, exchange.reading.end);
        let first = exchange.reading.first_token.unwrap_or(end);
        let pauses = Pauses {
            before_token: client.longest_pause(sent, first),
            after_token: client.longest_pause(first, end),
        };
        let sample = sample(&ready, (start, pauses), &context, attempts, exchange);
        let _ = events.send(RunEvent::Finished(Box::new(sample))).await;
        return outcome;
    }
}

/// Carries out one exchange with a variant (by its index) for a prompt of this size, reads it and settles its
/// reservation. It is abandoned once `until` is over. Reading happens on a blocking thread, so that no other
/// stream's stamp waits for it.
async fn answer<A: Client>(
    client: &A,
    context: &RunContext,
    (variant, size): (usize, PromptSize),
    outgoing: OutgoingRequest,
    attempt_reservation: Option<AttemptReservation>,
    until: impl Future<Output = ()>,
) -> FinishedExchange {
    let began = client.now();
    let recording = tokio::select! {
        biased;
        recording = client.send(outgoing) => recording,
        () = until => Recording::abandoned(began, client.now()),
    };
    let model = context.suite.variants[variant].model.clone();
    let streamed = context.suite.stream;
    let reading = tokio::task::spawn_blocking(move || {
        let reading = read(&recording, &model, streamed);
        (recording, reading)
    });
    let (recording, reading) = reading.await.expect("reading a recording never panics");
    let prices = VariantPrices {
        list: context.prices[variant].as_ref(),
        bound: context.bounds.get(variant).and_then(Option::as_ref),
    };
    let cost = AttemptCost::new(&reading, size, prices);
    if let Some(attempt_reservation) = attempt_reservation {
        attempt_reservation.settle(cost.bill);
    }
    FinishedExchange {
        recording,
        reading,
        cost,
    }
}

/// The end of a warm-up.
#[derive(Debug)]
pub(super) enum WarmUpEnd {
    /// Every request was sent, and has ended.
    Done,
    /// A stop was requested; requests in flight were abandoned.
    Stopped,
    /// The cap is too low; nothing was sent.
    OverCap,
    /// Requests could not be logged, for this reason; nothing further was sent.
    LogFailed(String),
}

/// Sends `warmup` requests to each variant, variants side by side, so that routes and connections are warm.
pub(super) async fn warm_up<A: Client>(
    client: &Arc<A>,
    context: &Arc<RunContext>,
    events: &mpsc::Sender<RunEvent>,
    stop: &Stop,
) -> WarmUpEnd {
    let outcome = (context.cap.as_ref())
        .map_or_else(|| ReserveOutcome::Now(Vec::new()), Cap::reserve_warm_up);
    // Nothing else is in flight that could free money later.
    let ReserveOutcome::Now(reservations) = outcome else {
        return WarmUpEnd::OverCap;
    };
    let mut reservations = reservations.into_iter();
    let prompt = warm_up_prompt(&context.suite);
    let warming = context
        .suite
        .variants
        .iter()
        .enumerate()
        .map(|(index, variant)| {
            // Routes and connections are to be warm, not the shared prefix of the prompts.
            let mut messages = context.suite.messages_of(&prompt, variant);
            if context.suite.reuse.prefix.is_some() {
                messages.retain(|message| message.role != Role::System);
            }
            let body = request::body(&context.suite, &prompt, variant, &messages, context.wording);
            let load = load(context, &prompt, index);
            let parameters = context.suite.parameters_of(&prompt, variant);
            let target = (index, PromptSize::new(&messages, &parameters));
            let reservation = reservations.next();
            let mut stop = stop.clone();
            async move {
                for number in 1..=context.suite.warmup {
                    let request_id = format!("{}-w{index}-{number}", context.request_prefix);
                    let wait = context.pace.wait(client.now(), &[load]);
                    if wait > Nanos::ZERO {
                        tokio::select! {
                            () = sleep(wait.into()) => {}
                            () = wait_for_any_stop(&mut stop) => {}
                        }
                    }
                    if *stop.borrow() != StopRequest::None
                        || reservation
                            .as_ref()
                            .is_some_and(TrialReservation::is_overrun)
                    {
                        return;
                    }
                    let announced = RequestEvent::Sent {
                        request_id: request_id.clone(),
                        model: variant.model.clone(),
                        bound_usd: reservation.as_ref().map(TrialReservation::each),
                    };
                    if !context.announce(vec![announced]).await {
                        return;
                    }
                    let outgoing = OutgoingRequest {
                        path: path(context.wording.api),
                        request_id: request_id.clone(),
                        body: body.clone(),
                    };
                    let attempt_reservation =
                        reservation.as_ref().map(TrialReservation::reserve_attempt);
                    let until = wait_for_any_stop(&mut stop);
                    let exchange = answer(
                        &**client,
                        context,
                        target,
                        outgoing,
                        attempt_reservation,
                        until,
                    )
                    .await;
                    finish_untimed(context, events, index, request_id, &exchange, false).await;
                }
            }
        });
    futures::future::join_all(warming).await;
    if let Some(reason) = context.log_failure() {
        return WarmUpEnd::LogFailed(reason);
    }
    if *stop.borrow() == StopRequest::None {
        WarmUpEnd::Done
    } else {
        WarmUpEnd::Stopped
    }
}

/// Logs the end of a request that leaves no sample, and sends the event. `variant` is its index in the suite.
pub(super) async fn finish_untimed(
    context: &RunContext,
    events: &mpsc::Sender<RunEvent>,
    variant: usize,
    request_id: String,
    exchange: &FinishedExchange,
    for_cache: bool,
) {
    let outcome = exchange.reading.outcome;
    let spent = exchange.cost.reported;
    let ended = RequestEvent::Ended {
        request_id,
        outcome,
        spent_usd: spent,
    };
    // If it cannot be logged the next request is not sent, and this one counts at its bound.
    let _ = context.announce(vec![ended]).await;
    let warmed = RunEvent::WarmedUp {
        variant,
        for_cache,
        outcome,
        spent,
    };
    let _ = events.send(warmed).await;
}

/// The longest pauses of this process during an attempt.
struct Pauses {
    before_token: Nanos,
    after_token: Nanos,
}

impl Pauses {
    /// True if they invalidate a sample with this TTFT, in nanoseconds.
    fn are_excessive(&self, ttft: f64) -> bool {
        let share = ttft * CLIENT_LIMITED_SHARE;
        self.before_token.0 as f64 > share.max(PAUSE_NS)
            || self.after_token.0 as f64 > share.max(LATER_PAUSE_NS)
    }
}

/// The sample of a finished trial.
fn sample(
    ready: &PreparedTrial,
    (start, pauses): (SlotStart, Pauses),
    context: &RunContext,
    attempts: Vec<Attempt>,
    exchange: FinishedExchange,
) -> Sample {
    let FinishedExchange {
        recording,
        reading,
        cost,
    } = exchange;
    let (trial, (prompt, variant)) = (ready.trial, ready.prompt_and_variant(context));
    let reading = reading.into_inner();
    let sent = recording.sent;
    let span = |at: Option<Nanos>| at.map(|at| at.since(sent));
    let first_sent = attempts.first().map_or(sent, |attempt| attempt.sent_ns);
    let keep = context.suite.keep_answers;
    let mut sample = Sample {
        version: Sample::VERSION,
        trial: trial.number,
        slot: trial.slot,
        round: trial.round,
        prompt: prompt.id.clone(),
        prompt_digest: context.prompt_digests[trial.prompt].clone(),
        repetition: trial.repetition,
        variant: variant.label.clone(),
        model: variant.model.clone(),
        weight: prompt.weight,
        tags: prompt.tags.clone(),
        outcome: reading.outcome,
        error: reading.error,
        request_id: attempts
            .last()
            .map(|last| last.request_id.clone())
            .unwrap_or_default(),
        sent_ns: sent,
        scheduled_ns: start.scheduled,
        throttled_ns: start.throttled,
        connect_ns: recording.connect,
        headers_ns: span(reading.headers),
        ttft_ns: span(reading.first_token),
        ttfa_ns: span(reading.first_answer),
        last_token_ns: span(reading.last_token),
        // For an abandoned request it would be our own, not the model's.
        latency_ns: span(Some(reading.end)).filter(|_| !reading.outcome.is_abandoned()),
        experienced_ttft_ns: reading.first_token.map(|at| at.since(first_sent)),
        gaps: reading
            .first_token
            .map(|_| summarize_gaps(&reading.gaps.gaps, reading.gaps.coalesced)),
        answer_chars: reading.answer_chars,
        reasoning_chars: reading.reasoning_chars,
        first_chunk_chars: reading.first_chunk_chars,
        usage: cost.usage.known().or(reading.usage),
        unread_usage: reading.unread_usage,
        service_tier: reading.service_tier,
        finish_reason: reading.finish_reason,
        cost_usd: cost.list,
        billed_usd: reading.billed_usd,
        surcharge_usd: reading.surcharge_usd,
        market_usd: reading.market_usd,
        provider: reading.provider,
        provider_attempts: reading.provider_attempts,
        served_model: reading.served_model,
        generation_id: reading.generation_id,
        flags: reading.flags,
        answer: reading.answer.filter(|_| keep),
        reasoning: reading.reasoning.filter(|_| keep),
        tool_calls: if keep { reading.tool_calls } else { Vec::new() },
        grades: Vec::new(),
        pass_threshold: None,
        attempts,
    };
    let own_delay = sample.own_delay().0 as f64;
    let ttft = sample.ttft_ns.map_or(f64::INFINITY, |ttft| ttft.0 as f64);
    let own = [
        (Flag::Retried, sample.attempts.len() > 1),
        (Flag::Cold, recording.connect.is_some()),
        (Flag::ClientLimited, own_delay > ttft * CLIENT_LIMITED_SHARE),
        (Flag::ClientPaused, pauses.are_excessive(ttft)),
    ];
    sample.flags.extend(cost.flags);
    sample.flags.extend(
        own.into_iter()
            .filter_map(|(flag, holds)| holds.then_some(flag)),
    );
    sample.flags.sort_unstable();
    sample.flags.dedup();
    sample
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_spoils_what_it_moves() {
        // A stop over the first token moves TTFT; a short one in the middle of a long answer does not.
        let excessive = |before: u64, after: u64, ttft: f64| {
            let pauses = Pauses {
                before_token: Nanos::from_millis(before),
                after_token: Nanos::from_millis(after),
            };
            pauses.are_excessive(ttft)
        };
        for (before, after, ttft, expected) in [
            (0, 0, 300e6, false),
            (19, 0, 300e6, false),
            (21, 0, 300e6, true),
            (21, 0, 1_000e6, false),
            (51, 0, 1_000e6, true),
            (0, 60, 300e6, false),
            (0, 200, 300e6, true),
            // An attempt without a token has no TTFT to spoil.
            (900, 900, f64::INFINITY, false),
        ] {
            assert_eq!(excessive(before, after, ttft), expected, "{before} {after}");
        }
    }
}
