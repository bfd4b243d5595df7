//! Bursts and compressed answers: items 31 and 32.

use std::io::Write;

use bakeoff::units::Nanos;

use super::*;

#[test]
fn item_31_a_burst_is_buffered() {
    // Held back by a proxy, an answer comes all at once: its TTFT is its latency.
    let burst = |chunks: usize, waited: bool| {
        let mut recording = recording(&[ROLE]);
        let body = &mut recording.response.as_mut().unwrap().body;
        for chunk in 0..chunks {
            let at = ms(500 + chunk as u64);
            body.push(at, chunk == 0 || waited, content("word ").as_bytes())
                .unwrap();
        }
        body.push(
            ms(600),
            false,
            format!("{}{DONE}", finish("stop")).as_bytes(),
        )
        .unwrap();
        read(&recording, true)
    };
    let buffered = burst(8, false);
    assert_eq!(buffered.flags, [Flag::Buffered]);
    assert_eq!((buffered.gaps.gaps.len(), buffered.gaps.coalesced), (0, 7));
    assert_eq!(burst(7, false).flags, []);
    assert_eq!(burst(8, true).flags, []);
    assert_eq!(burst(8, true).gaps.gaps, [ms(1); 7]);
    let one_read = streamed(&[[content("w").repeat(8), finish("stop")].concat()]);
    assert_eq!(one_read.flags, [Flag::Buffered]);
}

#[test]
fn item_31_a_burst_in_several_reads_is_buffered() {
    // A quick reader is done with one part of a burst before the next is there: it waited, but for
    // the copying alone, and such a sample must not bring in its latency as a TTFT.
    let parts = |apart_us: u64, chunks: usize| {
        let mut recording = recording(&[ROLE]);
        let body = &mut recording.response.as_mut().unwrap().body;
        for chunk in 0..chunks {
            let at = Nanos(500_000_000 + chunk as u64 * apart_us * 1_000);
            body.push(at, true, content("word ").as_bytes()).unwrap();
        }
        let end = format!("{}{DONE}", finish("stop"));
        body.push(ms(600), false, end.as_bytes()).unwrap();
        read(&recording, true)
    };
    assert_eq!(parts(99, 8).flags, [Flag::Buffered]);
    assert_eq!(parts(99, 7).flags, []);
    assert_eq!(parts(100, 8).flags, []);
}

#[test]
fn item_32_compressed_answers_are_decoded_and_flagged() {
    // We ask for identity; a proxy that compresses all the same is read with its times.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut frames = Vec::new();
    for text in [content("Hi"), content(" there"), finish("stop")] {
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.flush().unwrap();
        frames.push(std::mem::take(encoder.get_mut()));
    }
    frames.push(encoder.finish().unwrap());
    let with_encoding = |encoding: &str| {
        let mut recording = recording(&frames);
        let headers = &mut recording.response.as_mut().unwrap().headers;
        headers.push(("content-encoding".to_owned(), encoding.to_owned()));
        read(&recording, true)
    };
    let reading = with_encoding("gzip");
    assert_eq!(
        (reading.outcome, reading.answer.as_deref()),
        (Outcome::Complete, Some("Hi there"))
    );
    assert_eq!(
        (reading.first_token, reading.last_token),
        (Some(ms(10)), Some(ms(20)))
    );
    assert_eq!(reading.flags, [Flag::Compressed]);
    let unknown = with_encoding("zstd");
    assert_eq!(unknown.outcome, Outcome::ProtocolError);
    assert!(unknown.error.unwrap().message.contains("zstd"));
}
