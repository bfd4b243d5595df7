//! Recordings made of bytes, as a transport would have made them.

use bakeoff::gateway::{Body, ExchangeEnd, GapList, Reading, Recording, Response, read};
use bakeoff::record::Flag;
use bakeoff::suite::Redactor;
use bakeoff::units::Nanos;

pub(crate) const fn ms(millis: u64) -> Nanos {
    Nanos::from_millis(millis)
}

/// A response whose frames were waited for: frame `n` (from 1) came at `10 n` ms; it ended after a second, or with them.
pub(crate) fn recording(
    status: u16,
    headers: &[(&str, &str)],
    frames: &[impl AsRef<[u8]>],
) -> Recording {
    let mut body = Body::default();
    for (at, frame) in (1..).zip(frames) {
        body.push(ms(10 * at), true, frame.as_ref())
            .expect("test frames are far below the limits");
    }
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Recording {
        sent: ms(1),
        connect: None,
        response: Some(Response {
            status,
            headers: headers.iter().map(own).collect(),
            at: ms(5),
            body,
        }),
        end: ms(1_000.max(10 * frames.len() as u64)),
        ending: ExchangeEnd::Complete,
        is_user_stamped: false,
        redactor: Redactor::default(),
    }
}

/// Reads an answer of HTTP 200 to this model, streamed or not, whose frames are these.
pub(crate) fn answered(model: &str, streamed: bool, frames: &[impl AsRef<[u8]>]) -> Reading {
    read_recording(model, streamed, &recording(200, &[], frames))
}

/// Reads an error.
pub(crate) fn failed(model: &str, status: u16, body: &str) -> Reading {
    read_recording(model, true, &recording(status, &[], &[body]))
}

pub(crate) fn read_recording(model: &str, streamed: bool, recording: &Recording) -> Reading {
    read(
        recording,
        &model.parse().expect("the id is well formed"),
        streamed,
    )
    .into_inner()
}

/// The reading without what depends on how the network cut the bytes: instants and what follows from them.
pub(crate) fn timeless(reading: Reading) -> Reading {
    let mut flags = reading.flags;
    // Both depend on what came together.
    flags.retain(|flag| !matches!(flag, Flag::Buffered | Flag::TtftBounded));
    Reading {
        headers: None,
        first_token: reading.first_token.map(|_| Nanos::ZERO),
        first_answer: reading.first_answer.map(|_| Nanos::ZERO),
        first_unit: reading.first_unit.map(|_| Nanos::ZERO),
        last_token: reading.last_token.map(|_| Nanos::ZERO),
        end: Nanos::ZERO,
        gaps: GapList::default(),
        flags,
        ..reading
    }
}
