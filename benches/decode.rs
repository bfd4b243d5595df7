//! The speed of decoding a stream, and its allocations: `cargo bench --bench decode`. The goals: 1 GB/s on one processor and no
//! allocation per chunk for the common content delta.
//!
//! *Arrival* is what happens between two stamps: the framing of HTTP is removed, and the bytes are copied. *Reading* is
//! what happens after the exchange: from bytes to the answer and its instants. *In full* is the reading of the same chunks with a comment
//! before each, so that none repeats the one before.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's figures go to standard output"
)]

use std::alloc::System;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bakeoff::gateway::http1::Framing;
use bakeoff::gateway::{Body, DoneWatch, ExchangeEnd, Recording, Response, read};
use bakeoff::suite::Redactor;
use bakeoff::units::{ModelId, Nanos};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CHUNKS: usize = 10_000;
/// The fastest of so many repetitions counts: what else runs on the machine only slows them down.
const REPETITIONS: usize = 40;

/// The events of servers, with TEXT in place of the text, and PAD in place of a random padding.
const STREAMS: [(&str, &str); 5] = [
    (
        "OpenAI, chat",
        "data: {\"id\":\"chatcmpl-CB3kL9\",\"object\":\"chat.completion.chunk\",\"created\":1764000000,\"model\":\"gpt-5-mini-2025-08-07\",\
         \"service_tier\":\"default\",\"system_fingerprint\":\"fp_1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"TEXT\"},\
         \"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n",
    ),
    (
        "the same with padding",
        "data: {\"id\":\"chatcmpl-CB3kL9\",\"object\":\"chat.completion.chunk\",\"created\":1764000000,\"model\":\"gpt-5-mini-2025-08-07\",\
         \"service_tier\":\"default\",\"system_fingerprint\":\"fp_1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"TEXT\"},\
         \"logprobs\":null,\"finish_reason\":null}],\"usage\":null,\"obfuscation\":\"PAD\"}\n\n",
    ),
    (
        "vLLM, chat",
        "data: {\"id\":\"chatcmpl-7f\",\"object\":\"chat.completion.chunk\",\"created\":1764000000,\"model\":\"llama-4\",\"choices\":\
         [{\"index\":0,\"delta\":{\"content\":\"TEXT\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n",
    ),
    (
        "vLLM, reasoning",
        "data: {\"id\":\"chatcmpl-7f\",\"object\":\"chat.completion.chunk\",\"created\":1764000000,\"model\":\"llama-4\",\"choices\":\
         [{\"index\":0,\"delta\":{\"reasoning_content\":\"TEXT\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n",
    ),
    (
        "Anthropic, messages",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"TEXT\"}}\n\n",
    ),
];

/// Texts of tokens; one of twelve has an escape.
const TEXTS: [&str; 12] = [
    " the", " model", "s", " begin", " to", " answer", ".", "\\n\\n", " Städte", " and", " 12",
    " rivers",
];

fn main() {
    println!("{CHUNKS} chunks, one read each; MB/s, and allocations per chunk");
    println!(
        "{:24} {:>8} {:>16} {:>16} {:>16}",
        "", "bytes", "arrival", "reading", "in full"
    );
    for (name, event) in STREAMS {
        let repeated: Vec<String> = events(event).collect();
        let commented: Vec<String> = events(event)
            .enumerate()
            .map(|(index, event)| format!(": {}\n{event}", index % 2))
            .collect();
        let figures = [arrival(&repeated), reading(&repeated), reading(&commented)];
        let figures = figures.map(|(rate, allocations)| format!("{rate:>8.0} {allocations:>7.4}"));
        let bytes = repeated.concat().len() / CHUNKS;
        println!("{name:24} {bytes:>8} {}", figures.join(" "));
    }
}

fn events(event: &str) -> impl Iterator<Item = String> {
    (0..CHUNKS).map(move |index| {
        let padding = "x".repeat(1 + index * 7 % 23);
        let event = event.replace("TEXT", TEXTS[index % TEXTS.len()]);
        event.replace("PAD", &padding)
    })
}

/// Rate and allocations of the transport's work for each read, without the system calls.
fn arrival(events: &[String]) -> (f64, f64) {
    let reads: Vec<String> = events
        .iter()
        .map(|event| format!("{:x}\r\n{event}\r\n", event.len()))
        .collect();
    let bytes = events.iter().map(String::len).sum();
    measure(bytes, || {
        let (mut framing, mut body, mut watch) =
            (Framing::CHUNKED, Body::default(), DoneWatch::new());
        for (at, read) in (0..).zip(&reads) {
            let decoded = framing.decode(read.as_bytes(), |piece| {
                watch.feed(piece);
                body.push(Nanos(at), true, piece)
            });
            assert!(decoded.is_ok() && !watch.done());
        }
        body
    })
}

/// Rate and allocations of the way from bytes to the answer.
fn reading(events: &[String]) -> (f64, f64) {
    let mut body = Body::default();
    for (at, event) in (0..).zip(events) {
        body.push(Nanos(at), true, event.as_bytes())
            .expect("the stream is small");
    }
    let bytes = body.bytes().len();
    let recording = Recording {
        sent: Nanos::ZERO,
        connect: None,
        response: Some(Response {
            status: 200,
            headers: Vec::new(),
            at: Nanos::ZERO,
            body,
        }),
        end: Nanos(CHUNKS as u64),
        ending: ExchangeEnd::Complete,
        is_user_stamped: false,
        redactor: Redactor::default(),
    };
    let model: ModelId = "lab/model".parse().expect("it is a model id");
    let answer = read(&recording, &model, true).into_inner();
    let texts = answer.answer.or(answer.reasoning).expect("there is a text");
    let written: String = TEXTS.iter().cycle().take(CHUNKS).copied().collect();
    assert_eq!(texts, written.replace("\\n", "\n"));
    measure(bytes, || read(&recording, &model, true))
}

/// The rate of the fastest repetition in MB/s, and the allocations per chunk.
fn measure<T>(bytes: usize, work: impl Fn() -> T) -> (f64, f64) {
    let (mut fastest, mut allocations) = (Duration::MAX, 0);
    for _ in 0..REPETITIONS {
        let region = Region::new(ALLOCATOR);
        let started = Instant::now();
        let result = black_box(work());
        fastest = fastest.min(started.elapsed());
        let counts = region.change();
        allocations = counts.allocations + counts.reallocations;
        drop(result);
    }
    let rate = bytes as f64 / fastest.as_secs_f64() / 1e6;
    (rate, allocations as f64 / CHUNKS as f64)
}
