//! The times of opening the connections of a run.
//!
//! Owns their summary. Must not know how a connection is opened. Invariant: a connection that failed is in no figure.

use crate::record::ConnectionSetUp;
use crate::units::Nanos;

use super::recording::OpeningTimes;

/// The medians of these times; `None` where no connection could be opened.
pub(super) fn summarize(look_up: Nanos, opened: &[OpeningTimes]) -> Option<ConnectionSetUp> {
    let tls = opened.iter().filter_map(|times| times.tls);
    Some(ConnectionSetUp {
        connections: opened.len() as u64,
        look_up_ns: look_up,
        tcp_ns: median(opened.iter().map(|times| times.tcp))?,
        tls_ns: median(tls),
    })
}

/// The lower median.
fn median(spans: impl Iterator<Item = Nanos>) -> Option<Nanos> {
    let mut spans: Vec<Nanos> = spans.collect();
    let middle = spans.len().checked_sub(1)? / 2;
    Some(*spans.select_nth_unstable(middle).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_of_an_opening_are_apart() {
        // Whether a new connection costs a round trip or a slow handshake decides what to change.
        let opened = |tcp, tls: Option<u64>| OpeningTimes {
            total: Nanos(tcp + tls.unwrap_or_default()),
            tcp: Nanos(tcp),
            tls: tls.map(Nanos),
        };
        let set_up = summarize(
            Nanos(7),
            &[
                opened(9, Some(50)),
                opened(1, Some(20)),
                opened(2, Some(30)),
            ],
        );
        let expected = ConnectionSetUp {
            connections: 3,
            look_up_ns: Nanos(7),
            tcp_ns: Nanos(2),
            tls_ns: Some(Nanos(30)),
        };
        assert_eq!(set_up, Some(expected));
        let plain = summarize(Nanos(7), &[opened(1, None)]);
        assert_eq!(plain.and_then(|set_up| set_up.tls_ns), None);
        assert_eq!(summarize(Nanos(7), &[]), None);
    }
}
