//! The sample of a finished trial.
//!
//! Owns the flags that the engine itself finds. Must not know how a trial is carried out. Invariant: no wait of ours
//! is part of a time.

use crate::plan::Trial;
use crate::record::{Attempt, Flag, Sample, summarize_gaps};
use crate::units::Nanos;

use super::orders::RunContext;
use super::prepared::{FinishedExchange, SlotStart};

/// Share of TTFT above which our own delay invalidates a sample.
const CLIENT_LIMITED_SHARE: f64 = 0.05;

/// The shortest pause before the first token that invalidates a sample, in nanoseconds.
const PAUSE_NS: f64 = 20e6;

/// The same after it, where it moves no TTFT: long answers meet a short one on any machine.
const LATER_PAUSE_NS: f64 = 100e6;

/// A trial is apart from its slot if it was held back for longer than this between its attempts.
const DEFERRED_AFTER: Nanos = Nanos::from_millis(3_000);

/// The longest pauses of this process during an attempt.
#[derive(Debug)]
pub(super) struct Pauses {
    pub(super) before_token: Nanos,
    pub(super) after_token: Nanos,
}

impl Pauses {
    /// True if they invalidate a sample with this TTFT, in nanoseconds.
    fn are_excessive(&self, ttft: f64) -> bool {
        let share = ttft * CLIENT_LIMITED_SHARE;
        self.before_token.0 as f64 > share.max(PAUSE_NS)
            || self.after_token.0 as f64 > share.max(LATER_PAUSE_NS)
    }
}

/// A trial of which nothing more is sent.
#[derive(Debug)]
pub(super) struct EndedTrial {
    pub(super) trial: Trial,
    /// True if it was sent apart from its slot.
    pub(super) is_deferred: bool,
    pub(super) start: SlotStart,
    pub(super) pauses: Pauses,
    pub(super) attempts: Vec<Attempt>,
    pub(super) exchange: Box<FinishedExchange>,
}

/// The sample of a trial.
pub(super) fn sample(ended: EndedTrial, context: &RunContext) -> Sample {
    let EndedTrial {
        trial,
        is_deferred,
        start,
        pauses,
        attempts,
        exchange,
    } = ended;
    let FinishedExchange {
        sent,
        connect,
        reading,
        cost,
    } = *exchange;
    let prompt = &context.suite.prompts[trial.prompt];
    let variant = &context.suite.variants[trial.variant];
    let reading = reading.into_inner();
    let span = |at: Option<Nanos>| at.map(|at| at.since(sent));
    let first_sent = attempts.first().map_or(sent, |attempt| attempt.sent_ns);
    let throttled = attempts.iter().filter_map(|attempt| attempt.throttled_ns);
    let throttled = Nanos(throttled.map(|held| held.0).sum());
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
        tags: prompt.tags.to_vec(),
        metadata: (*prompt.metadata).clone(),
        outcome: reading.outcome,
        error: reading.error,
        request_id: attempts
            .last()
            .map(|last| last.request_id.clone())
            .unwrap_or_default(),
        sent_ns: sent,
        scheduled_ns: start.scheduled,
        throttled_ns: start.throttled,
        connect_ns: connect.map(|times| times.total),
        tcp_ns: connect.map(|times| times.tcp),
        tls_ns: connect.and_then(|times| times.tls),
        headers_ns: span(reading.headers),
        ttft_ns: span(reading.first_token),
        ttfa_ns: span(reading.first_answer),
        first_unit_ns: span(reading.first_unit),
        last_token_ns: span(reading.last_token),
        // For an abandoned request it would be our own, not the model's.
        latency_ns: span(Some(reading.end)).filter(|_| !reading.outcome.is_abandoned()),
        experienced_ttft_ns: reading
            .first_token
            .map(|at| at.since(first_sent).since(throttled)),
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
        answer: reading.answer,
        reasoning: reading.reasoning,
        tool_calls: reading.tool_calls,
        grades: Vec::new(),
        pass_threshold: None,
        attempts,
    };
    let is_apart = is_deferred || throttled > DEFERRED_AFTER;
    let own = own_flags(&sample, &start, &pauses);
    sample.flags.extend(cost.flags);
    sample.flags.extend(own);
    sample.flags.extend(is_apart.then_some(Flag::Deferred));
    sample.flags.sort_unstable();
    sample.flags.dedup();
    sample
}

/// The flags that the times of a sample show.
fn own_flags(sample: &Sample, start: &SlotStart, pauses: &Pauses) -> Vec<Flag> {
    let delay = if start.is_planned {
        sample.own_delay()
    } else {
        // A closed loop has no instant but the one at which the slot begins.
        let first_sent = sample.first_sent();
        first_sent.since(start.first_sent.get().unwrap_or(first_sent))
    };
    let ttft = sample.ttft_ns.map_or(f64::INFINITY, |ttft| ttft.0 as f64);
    let is_limited = delay.0 as f64 > ttft * CLIENT_LIMITED_SHARE;
    let own = [
        (Flag::Retried, sample.attempts.len() > 1),
        (Flag::Cold, sample.connect_ns.is_some()),
        (Flag::ClientLimited, is_limited),
        (Flag::ClientPaused, pauses.are_excessive(ttft)),
    ];
    own.into_iter()
        .filter_map(|(flag, holds)| holds.then_some(flag))
        .collect()
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
