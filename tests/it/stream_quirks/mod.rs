//! The quirks of real streams, one test each, numbered as in the project's notes on the wire:
//! when the clock stops (1 to 9), bytes and framing (10 to 17), the end of a stream (18 to 22),
//! errors inside HTTP 200 (23 to 25), shapes of content (26 to 30), transport (31, 32).

use crate::support::recorded;

mod any_stream;
mod clock;
mod content;
mod endings;
mod framing;
mod transport;

use bakeoff::gateway::{Reading, Recording};
use bakeoff::record::{Flag, Outcome};
use recorded::{ms, read_recording};

const REQUESTED_MODEL: &str = "openai/gpt-5-mini";

const STREAM: [(&str, &str); 1] = [("content-type", "text/event-stream")];

/// An answer of HTTP 200 whose frames were waited for: frame `n` (from 1) came at `10 n` ms.
fn recording(frames: &[impl AsRef<[u8]>]) -> Recording {
    recorded::recording(200, &STREAM, frames)
}

fn streamed(frames: &[impl AsRef<[u8]>]) -> Reading {
    read(&recording(frames), true)
}

fn read(recording: &Recording, streamed: bool) -> Reading {
    read_recording(REQUESTED_MODEL, streamed, recording)
}

fn with_status(status: u16, body: &str) -> Reading {
    read(&recorded::recording(status, &STREAM, &[body]), true)
}

/// An event of one chunk.
fn event(chunk: &str) -> String {
    format!("data: {chunk}\n\n")
}

/// A chunk with this delta.
fn delta(delta: &str) -> String {
    event(&format!(
        r#"{{"id":"gen_1","choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#
    ))
}

fn content(text: &str) -> String {
    delta(&format!(r#"{{"content":"{text}"}}"#))
}

fn finish(reason: &str) -> String {
    event(&format!(
        r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}"#
    ))
}

const ROLE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";
