//! One trial: attempts until one answers or none may follow, and the sample they leave.
//!
//! Owns the bookkeeping of a trial. Must not know other trials. Invariant: everything that costs
//! time (building the request, reading the answer) happens before the first stamp or after the last.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::catalog::cost;
use crate::gateway::request::{self, Unsayable};
use crate::gateway::{Outgoing, Reading, Recording, read};
use crate::plan::{Load, Slot, Trial, reserved_tokens, warm_up_prompt};
use crate::record::{Attempt, Flag, Outcome, Sample, gaps_of};
use crate::suite::{Api, CacheMode, Message, Prompt, Redacted, Role, Suite, Variant, Wording};
use crate::units::{Nanos, Usd};

use super::cache;
use super::cap::{Afforded, Cap, Purse, Stake, bill_of};
use super::event::Event;
use super::orders::{Ask, Orders, Stop, stopped};
use super::retry::{self, Failed};

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

    /// The prompt's place in the suite.
    pub(super) fn prompt(&self) -> usize {
        self.trial.prompt
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
            path: request::path(orders.wording.api),
            request_id: format!("{}-{}-{attempt}", orders.run, self.trial.number),
            body: self.body.clone(),
        }
    }

    /// One exchange of it, and what that means.
    pub(super) async fn ask<A: Ask>(
        &self,
        asker: &A,
        orders: &Orders,
        outgoing: Outgoing,
    ) -> (Recording, Redacted<Reading>) {
        let stake = self.purse.as_ref().map(Purse::stake);
        answer(asker, orders, self.trial.variant, outgoing, stake).await
    }
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
            cache::bust(&mut messages, &orders.run, trial.number);
        }
        let body = body(&orders.suite, prompt, variant, &messages, orders.wording);
        let purse = purses.next();
        Ready { trial, body, purse }
    };
    slot.trials().map(ready).collect()
}

pub(super) fn body(
    suite: &Suite,
    prompt: &Prompt,
    variant: &Variant,
    messages: &[Message],
    wording: Wording,
) -> Vec<u8> {
    worded(suite, prompt, variant, messages, wording)
        .expect("whoever gives the orders asked `unsayable` first")
}

fn worded(
    suite: &Suite,
    prompt: &Prompt,
    variant: &Variant,
    messages: &[Message],
    wording: Wording,
) -> Result<Vec<u8>, Unsayable> {
    request::body(
        &variant.model,
        messages,
        &suite.parameters_of(prompt, variant),
        suite.stream,
        wording,
    )
}

/// What of a suite the endpoint's route cannot carry, each thing once, with the prompt and the
/// variant where it was met first. With any of it a run must not begin.
pub fn unsayable(suite: &Suite, wording: Wording) -> Vec<(Unsayable, String)> {
    if wording.api == Api::Chat {
        // It carries everything: the words of suites are its words.
        return Vec::new();
    }
    let warm_up = (suite.warmup > 0).then(|| warm_up_prompt(suite));
    let mut met = BTreeMap::new();
    for prompt in suite.prompts.iter().chain(&warm_up) {
        for variant in &suite.variants {
            let messages = suite.messages_of(prompt, variant);
            if let Err(what) = worded(suite, prompt, variant, &messages, wording) {
                let place = || format!("{} on {}", prompt.id, variant.label);
                met.entry(what).or_insert_with(place);
            }
        }
    }
    met.into_iter().collect()
}

/// Carries out a trial and tells of its sample. The sample's outcome is returned.
pub(super) async fn carry_out<A: Ask>(
    mut ready: Ready,
    start: Start,
    asker: Arc<A>,
    orders: Arc<Orders>,
    events: mpsc::Sender<Event>,
    mut stop: Stop,
) -> Outcome {
    let trial = ready.trial;
    let mut attempts: Vec<Attempt> = Vec::new();
    // A generator of its own for each trial: waits do not depend on which trial failed first.
    let mut jitter = ChaCha8Rng::seed_from_u64(orders.suite.seed ^ (trial.number << 16));
    loop {
        let number = u32::try_from(attempts.len()).map_or(u32::MAX, |before| before + 1);
        let outgoing = ready.outgoing(&orders, number);
        let request_id = outgoing.request_id.clone();
        let (recording, reading) = ready.ask(&*asker, &orders, outgoing).await;
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
            .filter(|_| !*stop.borrow())
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
                    // Counted, but not held back: a wait of ours would stand in the experienced TTFT.
                    orders.pace.take(asker.now(), ready.load(&orders));
                    continue;
                }
                // The failure stands: a stopped run starts nothing more.
                () = stopped(&mut stop) => {}
            }
        }
        let outcome = reading.outcome;
        if outcome.answered() {
            orders.warmth.used(&orders.suite, &ready, recording.sent);
        }
        // Given back before anybody is told, who may be slow.
        ready.purse = None;
        let sample = sample(&ready, start, &orders, attempts, &recording, reading);
        let _ = events.send(Event::Finished(Box::new(sample))).await;
        return outcome;
    }
}

/// One exchange with a variant, by its place, and what it means; what was set aside for it is settled. Reading happens on a thread for such work, so that no other
/// stream's stamp waits for it.
async fn answer<A: Ask>(
    asker: &A,
    orders: &Orders,
    variant: usize,
    outgoing: Outgoing,
    stake: Option<Stake>,
) -> (Recording, Redacted<Reading>) {
    let recording = asker.ask(outgoing).await;
    let model = orders.suite.variants[variant].model.clone();
    let streamed = orders.suite.stream;
    let reading = tokio::task::spawn_blocking(move || {
        let reading = read(&recording, &model, streamed);
        (recording, reading)
    });
    let (recording, reading) = reading.await.expect("reading a recording never panics");
    if let Some(stake) = stake {
        stake.settle(bill_of(&reading, list_cost(orders, variant, &reading)));
    }
    (recording, reading)
}

/// Asks each variant `warmup` times, variants side by side, so that routes and connections are warm.
/// `false` where the cap does not hold as much; then nothing was sent.
pub(super) async fn warm_up<A: Ask>(
    asker: &Arc<A>,
    orders: &Arc<Orders>,
    events: &mpsc::Sender<Event>,
) -> bool {
    let afforded =
        (orders.cap.as_ref()).map_or_else(|| Afforded::Now(Vec::new()), Cap::afford_warm_up);
    // Nothing else is under way that could leave something later.
    let Afforded::Now(purses) = afforded else {
        return false;
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
            let body = body(&orders.suite, &prompt, variant, &messages, orders.wording);
            let load = load(orders, &prompt, place);
            let purse = purses.next();
            async move {
                for number in 1..=orders.suite.warmup {
                    let request_id = format!("{}-w{place}-{number}", orders.run);
                    let outgoing = Outgoing {
                        path: request::path(orders.wording.api),
                        request_id,
                        body: body.clone(),
                    };
                    let wait = orders.pace.wait(asker.now(), &[load]);
                    if wait > Nanos::ZERO {
                        sleep(wait.into()).await;
                    }
                    if purse.as_ref().is_some_and(Purse::is_void) {
                        return;
                    }
                    let stake = purse.as_ref().map(Purse::stake);
                    let answered = answer(&**asker, orders, place, outgoing, stake).await;
                    let told = untimed(orders, place, &answered.1, false);
                    let _ = events.send(told).await;
                }
            }
        });
    futures::future::join_all(warming).await;
    true
}

/// What is told of an answer that is no sample. `variant` is its place in the suite.
pub(super) fn untimed(
    orders: &Orders,
    variant: usize,
    reading: &Reading,
    for_cache: bool,
) -> Event {
    Event::WarmedUp {
        variant,
        for_cache,
        outcome: reading.outcome,
        spent: reading.billed_usd.max(list_cost(orders, variant, reading)),
    }
}

/// What an answer costs by list price, where that is known.
fn list_cost(orders: &Orders, variant: usize, reading: &Reading) -> Option<Usd> {
    let usage = reading.usage.as_ref()?;
    cost(orders.prices[variant].as_ref()?, &usage.counts()?)
}

/// The sample that a finished trial leaves.
fn sample(
    ready: &Ready,
    start: Start,
    orders: &Orders,
    attempts: Vec<Attempt>,
    recording: &Recording,
    reading: Redacted<Reading>,
) -> Sample {
    let (trial, (prompt, variant)) = (ready.trial, ready.asks(orders));
    let reading = reading.into_inner();
    let sent = recording.sent;
    let span = |at: Option<Nanos>| at.map(|at| at.since(sent));
    let first_sent = attempts.first().map_or(sent, |attempt| attempt.sent_ns);
    let keep = orders.suite.keep_answers;
    let cost_usd = list_cost(orders, trial.variant, &reading);
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
        held_ns: start.held,
        connect_ns: recording.connect,
        headers_ns: span(reading.headers),
        ttft_ns: span(reading.first_token),
        ttfa_ns: span(reading.first_answer),
        last_token_ns: span(reading.last_token),
        latency_ns: span(Some(reading.end)),
        experienced_ttft_ns: reading.first_token.map(|at| at.since(first_sent)),
        gaps: reading
            .first_token
            .map(|_| gaps_of(&reading.gaps.gaps, reading.gaps.coalesced)),
        answer_chars: reading.answer_chars,
        reasoning_chars: reading.reasoning_chars,
        first_chunk_chars: reading.first_chunk_chars,
        usage: reading.usage,
        finish_reason: reading.finish_reason,
        cost_usd,
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
    sample.flags.extend(
        own.into_iter()
            .filter_map(|(flag, holds)| holds.then_some(flag)),
    );
    sample.flags.sort_unstable();
    sample.flags.dedup();
    sample
}
