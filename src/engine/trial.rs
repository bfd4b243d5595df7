//! One trial: attempts until one answers or none may follow, and the sample they leave.
//!
//! Owns the bookkeeping of a trial. Must not know other trials. Invariant: everything that costs
//! time (building the request, reading the answer) happens before the first stamp or after the last.

use std::sync::Arc;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::gateway::request::path;
use crate::gateway::{Outgoing, Reading, Recording, read};
use crate::plan::{Load, Slot, Trial, reserved_tokens, warm_up_prompt};
use crate::record::{Attempt, Flag, Outcome, RequestEvent, Sample, summarize_gaps};
use crate::suite::{CacheMode, Prompt, Redacted, Role, Variant};
use crate::units::Nanos;

use super::cap::{Afforded, Cap, Purse, Stake};
use super::event::Event;
use super::orders::{Ask, GiveUp, Orders, Stop, StopRequest, given_up, stopped};
use super::request;
use super::retry::{self, Failed};
use super::settle::{AttemptCost, PricesOf, PromptSize};

/// Share of TTFT above which our own delay spoils a sample.
const CLIENT_LIMITED_SHARE: f64 = 0.05;

/// When a slot was due, and how long a limit held it then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) scheduled: Nanos,
    held: Option<Nanos>,
}

impl Start {
    /// Of a slot that is let go `now`, where a limit held it since it was due.
    pub(super) fn of(held_since: Option<Nanos>, now: Nanos) -> Self {
        Self {
            scheduled: held_since.unwrap_or(now),
            held: held_since.map(|due| now.since(due)),
        }
    }
}

/// A trial with its request, ready to be sent.
#[derive(Debug)]
pub(super) struct Ready {
    trial: Trial,
    body: Vec<u8>,
    size: PromptSize,
    /// What is set aside for its attempts, where the run has a cap.
    purse: Option<Purse>,
}

impl Ready {
    /// The prompt and the variant it pairs.
    fn asks<'o>(&self, orders: &'o Orders) -> (&'o Prompt, &'o Variant) {
        (
            &orders.suite.prompts[self.trial.prompt],
            &orders.suite.variants[self.trial.variant],
        )
    }

    /// The variant's place in the suite.
    pub(super) fn variant(&self) -> usize {
        self.trial.variant
    }

    /// The trial that it is the request of.
    pub(super) fn trial(&self) -> &Trial {
        &self.trial
    }

    /// What it counts against limits, the request that fills its cache included.
    pub(super) fn load(&self, orders: &Orders) -> Load {
        let once = load(orders, self.asks(orders).0, self.trial.variant);
        let mode = orders.suite.cache_of(self.asks(orders).1);
        let requests = u64::from(mode.requests_per_trial());
        Load {
            requests: once.requests.saturating_mul(requests),
            tokens: once.tokens.saturating_mul(requests),
            ..once
        }
    }

    /// Its request, as the attempt of this number.
    pub(super) fn outgoing(&self, orders: &Orders, attempt: u32) -> Outgoing {
        Outgoing {
            path: path(orders.wording.api),
            request_id: request_id(orders, self.trial.number, attempt),
            body: self.body.clone(),
        }
    }

    /// The attempt of this number, as it is written down before it is sent.
    pub(super) fn announcement(&self, orders: &Orders, attempt: u32) -> RequestEvent {
        RequestEvent::Sent {
            request_id: request_id(orders, self.trial.number, attempt),
            model: self.asks(orders).1.model.clone(),
            bound_usd: self.purse.as_ref().map(Purse::each),
        }
    }

    /// One exchange of it, and what that means; abandoned once `until` is over.
    pub(super) async fn ask<A: Ask>(
        &self,
        asker: &A,
        orders: &Orders,
        outgoing: Outgoing,
        until: impl Future<Output = ()>,
    ) -> Answered {
        let stake = self.purse.as_ref().map(Purse::stake);
        let of = (self.trial.variant, self.size);
        answer(asker, orders, of, outgoing, stake, until).await
    }
}

/// One exchange, its meaning and its cost.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) recording: Recording,
    pub(super) reading: Redacted<Reading>,
    pub(super) cost: AttemptCost,
}

fn request_id(orders: &Orders, trial: u64, attempt: u32) -> String {
    format!("{}-{trial}-{attempt}", orders.run)
}

/// One request of this prompt to this variant.
fn load(orders: &Orders, prompt: &Prompt, variant: usize) -> Load {
    Load {
        variant,
        requests: 1,
        tokens: reserved_tokens(&orders.suite, prompt, &orders.suite.variants[variant]),
    }
}

/// The trials of a slot in the order in which they are sent, requests built. `purses`: one for each
/// where the run has a cap, else none.
pub(super) fn of_slot(orders: &Orders, slot: &Slot, purses: Vec<Purse>) -> Vec<Ready> {
    let prompt = &orders.suite.prompts[slot.prompt];
    let mut purses = purses.into_iter();
    let ready = |trial: Trial| {
        let variant = &orders.suite.variants[trial.variant];
        let mut messages = orders.suite.messages_of(prompt, variant);
        if orders.suite.cache_of(variant) == CacheMode::Bust {
            request::bust(&mut messages, &orders.run, trial.number);
        }
        let body = request::body(&orders.suite, prompt, variant, &messages, orders.wording);
        let purse = purses.next();
        let size = PromptSize::new(&messages);
        Ready {
            trial,
            body,
            size,
            purse,
        }
    };
    slot.trials().map(ready).collect()
}

/// Carries out a trial, whose first attempt is announced, and sends its sample. The sample's outcome is
/// returned.
pub(super) async fn carry_out<A: Ask>(
    mut ready: Ready,
    start: Start,
    asker: Arc<A>,
    orders: Arc<Orders>,
    events: mpsc::Sender<Event>,
    (mut stop, mut give_up): (Stop, GiveUp),
) -> Outcome {
    let trial = ready.trial;
    let mut attempts: Vec<Attempt> = Vec::new();
    // A generator of its own for each trial: waits do not depend on which trial failed first.
    let mut jitter = ChaCha8Rng::seed_from_u64(orders.suite.seed ^ (trial.number << 16));
    loop {
        let number = u32::try_from(attempts.len()).map_or(u32::MAX, |before| before + 1);
        let outgoing = ready.outgoing(&orders, number);
        let request_id = outgoing.request_id.clone();
        let until = given_up(&mut give_up);
        let answered = ready.ask(&*asker, &orders, outgoing, until).await;
        let (recording, reading) = (&answered.recording, &answered.reading);
        // A date means something only against the wall clock: the one place where it is asked.
        let retry_after = reading
            .retry_after
            .map(|asked| asked.wait(jiff::Timestamp::now()));
        let failed = Failed {
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
        let wait = retry::wait(&failed, number, orders.suite.max_attempts, jitter.random())
            // A stopped run starts nothing more, and must not say that it will.
            .filter(|_| *stop.borrow() == StopRequest::None && !*give_up.borrow())
            // Nor does one whose bounds do not hold.
            .filter(|_| !ready.purse.as_ref().is_some_and(Purse::is_void));
        if let Some(wait) = wait {
            let (trial, outcome) = (trial.number, reading.outcome);
            let _ = events
                .send(Event::Retried {
                    trial,
                    attempt: number,
                    outcome,
                    wait,
                })
                .await;
            tokio::select! {
                () = sleep(wait.into()) => {
                    let next = ready.announcement(&orders, number.saturating_add(1));
                    if orders.announce(vec![next]).await {
                        // Counted, but not held back: a wait of ours would stand in the experienced TTFT.
                        orders.pace.take(asker.now(), ready.load(&orders));
                        continue;
                    }
                }
                // The failure stands: a stopped run starts nothing more.
                () = stopped(&mut stop) => {}
                () = given_up(&mut give_up) => {}
            }
        }
        let outcome = reading.outcome;
        if outcome.answered() {
            orders
                .warmth
                .used(&orders.suite, ready.trial(), recording.sent);
        }
        // Given back before anybody is told, who may be slow.
        ready.purse = None;
        let sample = sample(&ready, start, &orders, attempts, answered);
        let _ = events.send(Event::Finished(Box::new(sample))).await;
        return outcome;
    }
}

/// One exchange with a variant (by its place) for a prompt of this size, and its meaning; its reservation is settled. It is
/// abandoned once `until` is over. Reading happens on a thread for such work, so that no other stream's stamp
/// waits for it.
async fn answer<A: Ask>(
    asker: &A,
    orders: &Orders,
    (variant, size): (usize, PromptSize),
    outgoing: Outgoing,
    stake: Option<Stake>,
    until: impl Future<Output = ()>,
) -> Answered {
    let began = asker.now();
    let recording = tokio::select! {
        biased;
        recording = asker.ask(outgoing) => recording,
        () = until => Recording::abandoned(began, asker.now()),
    };
    let model = orders.suite.variants[variant].model.clone();
    let streamed = orders.suite.stream;
    let reading = tokio::task::spawn_blocking(move || {
        let reading = read(&recording, &model, streamed);
        (recording, reading)
    });
    let (recording, reading) = reading.await.expect("reading a recording never panics");
    let prices = PricesOf {
        list: orders.prices[variant].as_ref(),
        bound: orders.bounds.get(variant).and_then(Option::as_ref),
    };
    let cost = AttemptCost::new(&reading, size, prices);
    if let Some(stake) = stake {
        stake.settle(cost.bill);
    }
    Answered {
        recording,
        reading,
        cost,
    }
}

/// The end of a warm-up.
#[derive(Debug)]
pub(super) enum WarmUp {
    /// Every request was sent, and has ended.
    Done,
    /// A stop was asked for; requests in flight were abandoned.
    Stopped,
    /// The cap does not hold as much; nothing was sent.
    Unaffordable,
    /// Requests could not be written down, for this reason; nothing further was sent.
    Unwritten(String),
}

/// Asks each variant `warmup` times, variants side by side, so that routes and connections are warm.
pub(super) async fn warm_up<A: Ask>(
    asker: &Arc<A>,
    orders: &Arc<Orders>,
    events: &mpsc::Sender<Event>,
    stop: &Stop,
) -> WarmUp {
    let afforded =
        (orders.cap.as_ref()).map_or_else(|| Afforded::Now(Vec::new()), Cap::afford_warm_up);
    // Nothing else is under way that could leave something later.
    let Afforded::Now(purses) = afforded else {
        return WarmUp::Unaffordable;
    };
    let mut purses = purses.into_iter();
    let prompt = warm_up_prompt(&orders.suite);
    let warming = orders
        .suite
        .variants
        .iter()
        .enumerate()
        .map(|(place, variant)| {
            // Routes and connections are to be warm, not what the prompts share.
            let mut messages = orders.suite.messages_of(&prompt, variant);
            if orders.suite.reuse.prefix.is_some() {
                messages.retain(|message| message.role != Role::System);
            }
            let body = request::body(&orders.suite, &prompt, variant, &messages, orders.wording);
            let load = load(orders, &prompt, place);
            let of = (place, PromptSize::new(&messages));
            let purse = purses.next();
            let mut stop = stop.clone();
            async move {
                for number in 1..=orders.suite.warmup {
                    let request_id = format!("{}-w{place}-{number}", orders.run);
                    let wait = orders.pace.wait(asker.now(), &[load]);
                    if wait > Nanos::ZERO {
                        tokio::select! {
                            () = sleep(wait.into()) => {}
                            () = stopped(&mut stop) => {}
                        }
                    }
                    if *stop.borrow() != StopRequest::None
                        || purse.as_ref().is_some_and(Purse::is_void)
                    {
                        return;
                    }
                    let announced = RequestEvent::Sent {
                        request_id: request_id.clone(),
                        model: variant.model.clone(),
                        bound_usd: purse.as_ref().map(Purse::each),
                    };
                    if !orders.announce(vec![announced]).await {
                        return;
                    }
                    let outgoing = Outgoing {
                        path: path(orders.wording.api),
                        request_id: request_id.clone(),
                        body: body.clone(),
                    };
                    let stake = purse.as_ref().map(Purse::stake);
                    let until = stopped(&mut stop);
                    let answered = answer(&**asker, orders, of, outgoing, stake, until).await;
                    untimed(orders, events, place, request_id, &answered, false).await;
                }
            }
        });
    futures::future::join_all(warming).await;
    if let Some(reason) = orders.unwritten() {
        return WarmUp::Unwritten(reason);
    }
    if *stop.borrow() == StopRequest::None {
        WarmUp::Done
    } else {
        WarmUp::Stopped
    }
}

/// Writes down how a request ended that leaves no sample, and sends the event. `variant` is its place in the
/// suite.
pub(super) async fn untimed(
    orders: &Orders,
    events: &mpsc::Sender<Event>,
    variant: usize,
    request_id: String,
    answered: &Answered,
    for_cache: bool,
) {
    let outcome = answered.reading.outcome;
    let spent = answered.cost.reported;
    let ended = RequestEvent::Ended {
        request_id,
        outcome,
        spent_usd: spent,
    };
    // Where it cannot be written the next request is not sent, and this one counts at its bound.
    let _ = orders.announce(vec![ended]).await;
    let warmed = Event::WarmedUp {
        variant,
        for_cache,
        outcome,
        spent,
    };
    let _ = events.send(warmed).await;
}

/// The sample that a finished trial leaves.
fn sample(
    ready: &Ready,
    start: Start,
    orders: &Orders,
    attempts: Vec<Attempt>,
    answered: Answered,
) -> Sample {
    let Answered {
        recording,
        reading,
        cost,
    } = answered;
    let (trial, (prompt, variant)) = (ready.trial, ready.asks(orders));
    let reading = reading.into_inner();
    let sent = recording.sent;
    let span = |at: Option<Nanos>| at.map(|at| at.since(sent));
    let first_sent = attempts.first().map_or(sent, |attempt| attempt.sent_ns);
    let keep = orders.suite.keep_answers;
    let mut sample = Sample {
        version: Sample::VERSION,
        trial: trial.number,
        slot: trial.slot,
        round: trial.round,
        prompt: prompt.id.clone(),
        prompt_digest: orders.prompt_digests[trial.prompt].clone(),
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
        throttled_ns: start.held,
        connect_ns: recording.connect,
        headers_ns: span(reading.headers),
        ttft_ns: span(reading.first_token),
        ttfa_ns: span(reading.first_answer),
        last_token_ns: span(reading.last_token),
        // Of an abandoned request it would be our own, not the model's.
        latency_ns: span(Some(reading.end)).filter(|_| !reading.outcome.is_abandoned()),
        experienced_ttft_ns: reading.first_token.map(|at| at.since(first_sent)),
        gaps: reading
            .first_token
            .map(|_| summarize_gaps(&reading.gaps.gaps, reading.gaps.coalesced)),
        answer_chars: reading.answer_chars,
        reasoning_chars: reading.reasoning_chars,
        first_chunk_chars: reading.first_chunk_chars,
        usage: cost.usage.known().or(reading.usage),
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
        scores: std::collections::BTreeMap::new(),
        attempts,
    };
    let own_delay = sample.own_delay().0 as f64;
    let ttft = sample.ttft_ns.map_or(f64::INFINITY, |ttft| ttft.0 as f64);
    let own = [
        (Flag::Late, sample.attempts.len() > 1),
        (Flag::Cold, recording.connect.is_some()),
        (Flag::ClientLimited, own_delay > ttft * CLIENT_LIMITED_SHARE),
    ];
    sample.flags.extend(cost.usage.flags());
    sample.flags.extend(
        own.into_iter()
            .filter_map(|(flag, holds)| holds.then_some(flag)),
    );
    sample.flags.sort_unstable();
    sample.flags.dedup();
    sample
}
