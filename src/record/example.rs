//! Records for tests: any sound sample, and plain ones.

use proptest::option::of;
use proptest::prelude::*;

use crate::plan::example::suite;
use crate::suite::ClockSource;
use crate::units::{Nanos, Usd};

use super::{
    Attempt, CliSelection, EndpointRecord, ErrorReport, Flag, Gaps, Grade, Manifest, Outcome,
    Sample, Status, ToolCall, Usage,
};

/// A complete answer: 500 bytes of text after 100 ms, ended after 300 ms.
pub(crate) fn plain_sample(trial: u64) -> Sample {
    let sent_ns = Nanos(trial * 1_000_000);
    let millis = |count| Some(Nanos::from_millis(count));
    Sample {
        version: Sample::VERSION,
        trial,
        slot: trial / 2,
        round: 1,
        prompt: "capital".to_owned(),
        prompt_digest: "0123456789abcdef".to_owned(),
        repetition: 1,
        variant: format!("v{}", trial % 2),
        model: "maker/model".parse().expect("a valid id"),
        weight: 1.0,
        tags: vec!["short".to_owned()],
        metadata: serde_json::Map::new(),
        outcome: Outcome::Complete,
        error: None,
        request_id: format!("request-{trial}"),
        sent_ns,
        scheduled_ns: sent_ns,
        throttled_ns: None,
        connect_ns: None,
        tcp_ns: None,
        tls_ns: None,
        headers_ns: millis(90),
        ttft_ns: millis(100),
        ttfa_ns: millis(100),
        first_unit_ns: None,
        last_token_ns: millis(290),
        latency_ns: millis(300),
        experienced_ttft_ns: millis(100),
        gaps: Some(Gaps {
            count: 40,
            mean_ns: millis(4),
            p50_ns: millis(4),
            p95_ns: millis(9),
            max_ns: millis(20),
            coalesced: 3,
            hdr: Some("HISTFAAAABx4nJNpmSzMwMDAxgABzFCaEUoz2X+AsQAz4wNf".repeat(2)),
        }),
        answer_chars: Some(500),
        reasoning_chars: None,
        first_chunk_chars: Some(5),
        usage: Some(Usage {
            prompt_tokens: Some(20),
            completion_tokens: Some(120),
            ..Usage::default()
        }),
        finish_reason: Some("stop".to_owned()),
        cost_usd: Some(Usd(3_200_000)),
        billed_usd: None,
        surcharge_usd: None,
        market_usd: None,
        provider: Some("maker".to_owned()),
        provider_attempts: Some(1),
        unread_usage: Vec::new(),
        service_tier: None,
        served_model: None,
        generation_id: Some("gen_01HZZZZZZZZZZZZZZZZZZZZZZZ".to_owned()),
        flags: Vec::new(),
        attempts: vec![Attempt {
            request_id: format!("request-{trial}"),
            sent_ns,
            end_ns: Nanos(sent_ns.0 + 300_000_000),
            outcome: Outcome::Complete,
            status: Some(200),
            retry_after_ms: None,
            throttled_ns: None,
        }],
        answer: Some("Lorem ipsum, \"quoted\"\n".repeat(25)[..500].to_owned()),
        reasoning: None,
        tool_calls: Vec::new(),
        grades: Vec::new(),
        pass_threshold: None,
    }
}

/// The manifest of a complete run of `name`.
pub(crate) fn manifest(name: &str) -> Manifest {
    Manifest {
        version: Manifest::VERSION,
        tool: "bakeoff 0.1.0".to_owned(),
        run: name.to_owned(),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        status: Status::Complete,
        suite_digest: "0123456789abcdef".to_owned(),
        suite: suite(2, 2, 1),
        selection: CliSelection::default(),
        endpoint: EndpointRecord {
            name: "sim".to_owned(),
            base_url: None,
            key_variable: None,
            scenario: None,
        },
        prices: None,
        retirements: Vec::new(),
        clock: ClockSource::User,
        client: Vec::new(),
        environment: None,
        until_decided: None,
        warming: Vec::new(),
        yielding: Vec::new(),
        judging: None,
        embeddings: None,
        parts: Vec::new(),
        estimate: None,
        set_up: None,
        ttft_error: super::TtftError::default(),
        shard: None,
        planned_trials: 4,
        plan_digest: "0123456789abcdef".to_owned(),
        platform: "linux x86_64".to_owned(),
    }
}

/// Any text that JSON can hold, control characters and the line separators of Unicode included.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z/.-]{0,12}",
        any::<String>(),
        "(\n|\r|\u{2028}|\\\\|\"|\u{0}|é|😀){0,20}"
    ]
}

fn grades() -> impl Strategy<Value = (Vec<Grade>, Option<f64>)> {
    let row = (
        0.0..=1.0_f64,
        any::<bool>(),
        0.0..3.0_f64,
        of(text()),
        any::<bool>(),
    );
    let rows = prop::collection::vec(row, 0..3).prop_map(|rows| {
        let row = |(at, (score, pass, weight, reason, external)): (usize, (_, _, _, _, _))| Grade {
            name: format!("check {at}"),
            score,
            pass,
            weight,
            reason,
            external,
        };
        rows.into_iter().enumerate().map(row).collect()
    });
    (rows, of(0.0..=1.0_f64))
}

fn number() -> impl Strategy<Value = f64> {
    prop::num::f64::POSITIVE | prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL
}

fn usd() -> impl Strategy<Value = Usd> {
    any::<i64>().prop_map(|pico| Usd(i128::from(pico)))
}

/// `count` times, each present or not, the present ones ascending.
fn ascending_times(count: usize) -> impl Strategy<Value = Vec<Option<Nanos>>> {
    prop::collection::vec(of(0_u64..1 << 40), count).prop_map(|mut times| {
        let mut present: Vec<u64> = times.iter().copied().flatten().collect();
        present.sort_unstable();
        for (time, sorted) in times.iter_mut().flatten().zip(present) {
            *time = sorted;
        }
        times.into_iter().map(|time| time.map(Nanos)).collect()
    })
}

fn gaps() -> impl Strategy<Value = Gaps> {
    let figures = (ascending_times(3), of(text()), 1_u64..);
    (figures, any::<bool>(), any::<u64>()).prop_map(|((times, hdr, count), some, coalesced)| Gaps {
        count: if some { count } else { 0 },
        mean_ns: times[2].filter(|_| some),
        p50_ns: times[0].filter(|_| some),
        p95_ns: times[1].filter(|_| some),
        max_ns: times[2].filter(|_| some),
        coalesced,
        hdr: hdr.filter(|_| some),
    })
}

fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let outcome = prop::sample::select(Outcome::ALL.to_vec());
    let attempt = (
        text(),
        0_u64..1 << 40,
        0_u64..1 << 40,
        outcome,
        of(any::<u16>()),
        of(any::<u64>()),
    );
    prop::collection::vec(attempt, 1..4).prop_map(|rows| {
        let mut attempts: Vec<Attempt> = rows
            .into_iter()
            .map(
                |(request_id, sent, lasted, outcome, status, retry_after_ms)| Attempt {
                    request_id,
                    sent_ns: Nanos(sent),
                    end_ns: Nanos(sent + lasted),
                    outcome,
                    status,
                    retry_after_ms,
                    throttled_ns: None,
                },
            )
            .collect();
        attempts.sort_by_key(|attempt| attempt.sent_ns);
        attempts
    })
}

fn usage() -> impl Strategy<Value = Usage> {
    let count = || of(any::<u64>());
    (count(), count(), count(), count(), count()).prop_map(
        |(prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens, written)| Usage {
            prompt_tokens,
            completion_tokens,
            reasoning_tokens,
            cached_tokens,
            cache_write_tokens: written,
            cache_write_1h_tokens: written.map(|written| written / 2),
            cache_write_12h_tokens: None,
        },
    )
}

fn flags() -> impl Strategy<Value = Vec<Flag>> {
    prop::sample::subsequence(
        vec![Flag::Buffered, Flag::Cold, Flag::Retried, Flag::Fallback],
        0..=4,
    )
}

fn tool_call() -> impl Strategy<Value = ToolCall> {
    (of(text()), text(), text()).prop_map(|(id, name, arguments)| ToolCall {
        id,
        name,
        arguments,
    })
}

/// Any sound sample.
pub(crate) fn sample() -> impl Strategy<Value = Sample> {
    let place = (any::<u64>(), any::<u64>(), 1_u32.., 1_u32.., number());
    let words = (
        text(),
        text(),
        text(),
        text(),
        prop::collection::vec(text(), 0..3),
    );
    let error = of((of(any::<u16>()), of(text()), text())).prop_map(|error| {
        error.map(|(status, kind, message)| ErrorReport {
            status,
            kind,
            message,
        })
    });
    let times = (
        ascending_times(5),
        of(0_u64..1 << 40),
        of(gaps()),
        any::<u32>(),
    );
    let money = (of(usd()), of(usd()), of(usd()), of(usage()));
    let texts = (
        of(text()),
        of(text()),
        of(text()),
        of(text()),
        of(text()),
        of(text()),
    );
    let lists = (
        flags(),
        attempts(),
        prop::collection::vec(tool_call(), 0..3),
        grades(),
    );
    (place, words, error, times, money, texts, lists).prop_map(
        |(place, words, error, times, money, texts, lists)| {
            let (trial, slot, round, repetition, weight) = place;
            let (prompt, variant, prompt_digest, request_id, tags) = words;
            let (spans, waited, gaps, sent) = times;
            let (cost_usd, billed_usd, market_usd, usage) = money;
            let (finish_reason, provider, served_model, generation_id, answer, reasoning) = texts;
            let (flags, attempts, tool_calls, (grades, pass_threshold)) = lists;
            Sample {
                version: Sample::VERSION,
                trial,
                slot,
                round,
                prompt,
                prompt_digest,
                repetition,
                variant,
                model: "maker/model".parse().expect("a valid id"),
                weight,
                metadata: tags.iter().map(|tag| (tag.clone(), 1.into())).collect(),
                tags: tags.clone(),
                outcome: attempts.last().expect("at least one").outcome,
                error,
                request_id,
                sent_ns: Nanos(u64::from(sent)),
                scheduled_ns: Nanos(u64::from(sent / 2)),
                throttled_ns: spans[0].filter(|_| trial % 2 == 0),
                connect_ns: waited.map(Nanos),
                tcp_ns: spans[0].filter(|_| waited.is_some()),
                tls_ns: spans[1].filter(|_| waited.is_some()),
                headers_ns: spans[0],
                ttft_ns: spans[1],
                ttfa_ns: spans[2],
                first_unit_ns: spans[2].or(spans[1]),
                last_token_ns: spans[3],
                latency_ns: spans[4],
                experienced_ttft_ns: spans[1].map(|ttft| Nanos(ttft.0 + waited.unwrap_or(0))),
                gaps,
                answer_chars: waited,
                reasoning_chars: spans[0].map(|time| time.0),
                first_chunk_chars: spans[1].map(|time| time.0),
                usage,
                unread_usage: tags.clone(),
                service_tier: served_model.clone(),
                finish_reason,
                cost_usd,
                billed_usd,
                surcharge_usd: billed_usd,
                market_usd,
                provider,
                provider_attempts: waited.map(|_| sent),
                served_model,
                generation_id,
                flags,
                attempts,
                answer,
                reasoning,
                tool_calls,
                grades,
                pass_threshold,
            }
        },
    )
}

/// Waits for a lock as long as it takes.
pub(crate) fn patient() -> impl FnMut(&super::HeldLock<'_>) -> std::ops::ControlFlow<()> {
    |_| {
        std::thread::yield_now();
        std::ops::ControlFlow::Continue(())
    }
}
