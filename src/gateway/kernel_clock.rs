//! From the kernel's timestamps, which are wall-clock time, to instants of the run.
//!
//! Owns the pairs of the two clocks, and the choice of the clock of an exchange. Must not know how timestamps are read. Invariant: all
//! stamps of an exchange are of one clock; each lies between the request and the read that brought its bytes.
//!
//! On Linux both clocks are slewed alike, so that their distance changes only where one is set or the machine is suspended. The mapping
//! does not rely on it: between two pairs it follows any drift below [`STEP_NS`] in [`PAIR_INTERVAL`].

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::threads::lock;
use crate::units::Nanos;

use super::clock::{Clock, wall_reading};
use super::receive::{WallNanos, out_of_order_segments};
use super::recording::ReadStamp;

/// The time between two pairs.
const PAIR_INTERVAL: Duration = Duration::from_millis(100);

/// Most pairs that are stored: an hour of them, longer than any exchange.
const PAIRS: usize = 36_000;

/// Readings of which the narrowest is a pair.
const READINGS: usize = 8;

/// The widest pair that is used, in nanoseconds: it is wrong by half of this at most.
const BRACKET_NS: i64 = 10_000;

/// A change of the distance between the clocks from one pair to the next, in nanoseconds, above which the wall clock was set.
const STEP_NS: i64 = 50_000;

/// A wait of bytes between their timestamp and their read, in nanoseconds, above which their order matters: TCP delivers in order, so that bytes
/// which overtook a lost segment are stamped when they arrived, and can be read when that segment has come again.
const WAIT_NS: u64 = 1_000_000;

/// The wall-clock time of an instant.
#[derive(Debug, Clone, Copy)]
struct ClockPair {
    at: Instant,
    wall_ns: i64,
    /// Segments that this system had received out of order; unknown where it does not count them.
    out_of_order: Option<u64>,
}

impl ClockPair {
    /// Reads both clocks, wall-clock time between two readings of the other. `None` if this process was held up each time.
    fn now() -> Option<Self> {
        let readings = (0..READINGS).filter_map(|_| wall_reading());
        let (before, width, wall_ns) = readings.min_by_key(|(_, width, _)| *width)?;
        (width < Duration::from_nanos(BRACKET_NS.unsigned_abs())).then(|| Self {
            at: before + width / 2,
            wall_ns,
            out_of_order: None,
        })
    }
}

/// The pairs of a run.
#[derive(Debug, Default)]
pub(super) struct PairLog(Mutex<VecDeque<ClockPair>>);

impl PairLog {
    /// A log that begins now.
    pub(super) fn new() -> Self {
        let log = Self::default();
        log.add_pair();
        log
    }

    /// Adds pairs for ever.
    pub(super) async fn watch(&self) {
        let mut ticks = interval(PAIR_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.add_pair();
        }
    }

    fn add_pair(&self) {
        let out_of_order = out_of_order_segments();
        let pair = ClockPair::now().map(|pair| ClockPair {
            out_of_order,
            ..pair
        });
        let mut pairs = lock(&self.0);
        if pairs.len() == PAIRS {
            pairs.pop_front();
        }
        pairs.extend(pair);
    }

    /// The instants of the timestamps of the reads of an exchange, in order. `None` if one has no timestamp, or one that cannot be true;
    /// if the wall clock was set meanwhile; or if bytes waited for their read while segments came out of order.
    pub(super) fn instants(
        &self,
        clock: Clock,
        sent: Nanos,
        reads: &[ReadStamp],
    ) -> Option<Vec<Nanos>> {
        let (mapping, out_of_order) = self.mapping(clock, sent)?;
        let instants = mapping.instants(sent, reads)?;
        let mut waits = reads.iter().zip(&instants);
        let has_waited = waits.any(|(read, at)| read.at.since(*at).0 > WAIT_NS);
        let is_in_order = || out_of_order.is_some() && out_of_order == out_of_order_segments();
        (!has_waited || is_in_order()).then_some(instants)
    }

    /// The mapping of timestamps since an instant of `clock`, and the segments that had come out of order before. `None` if the wall
    /// clock was set meanwhile, or was not read before and after.
    fn mapping(&self, clock: Clock, from: Nanos) -> Option<(Mapping, Option<u64>)> {
        let last = ClockPair::now()?;
        let from = clock.instant(from);
        let pairs = lock(&self.0);
        let first = pairs
            .partition_point(|pair| pair.at <= from)
            .checked_sub(1)?;
        let out_of_order = pairs[first].out_of_order;
        let pairs = pairs.range(first..).chain([&last]);
        let mapping = Mapping::new(pairs.map(|pair| (pair.wall_ns, clock.signed(pair.at))))?;
        Some((mapping, out_of_order))
    }
}

/// Pairs of wall-clock time and of the run's clock, ascending; at least one.
#[derive(Debug)]
struct Mapping(Vec<(i64, i64)>);

impl Mapping {
    /// A mapping through these pairs. `None` if there are none, or if the distance of the clocks jumps between two.
    fn new(pairs: impl Iterator<Item = (i64, i64)>) -> Option<Self> {
        let pairs: Vec<(i64, i64)> = pairs.collect();
        let is_steady = pairs.windows(2).all(|pair| {
            let [(wall, at), (next_wall, next_at)] = [pair[0], pair[1]];
            let moved = (next_wall - wall) - (next_at - at);
            moved.abs() <= STEP_NS && next_wall >= wall
        });
        (is_steady && !pairs.is_empty()).then_some(Self(pairs))
    }

    /// The instant of a timestamp, in nanoseconds of the run's clock.
    fn at(&self, wall: i64) -> i64 {
        let after = self.0.partition_point(|(start, _)| *start <= wall);
        let next = self.0.get(after);
        let Some((start, at)) = after.checked_sub(1).map(|before| self.0[before]) else {
            let (start, at) = self.0[0];
            return at - (start - wall);
        };
        match next {
            Some((end, next_at)) => {
                let part = i128::from(wall - start) * i128::from(next_at - at);
                let part = part / i128::from(end - start);
                at + i64::try_from(part).unwrap_or(i64::MAX)
            }
            None => at + (wall - start),
        }
    }

    /// The instant of a timestamp, if it lies between `from` and the read.
    fn instant(&self, stamp: ReadStamp, from: Nanos) -> Option<Nanos> {
        let WallNanos(wall) = stamp.kernel?;
        let at = self.at(i64::try_from(wall.get()).ok()?);
        let at = Nanos(u64::try_from(at).ok()?);
        (from <= at && at <= stamp.at).then_some(at)
    }

    /// The instants of the timestamps of reads after `sent`, in order. `None` if one has no timestamp, or one that cannot be true.
    fn instants(&self, sent: Nanos, reads: &[ReadStamp]) -> Option<Vec<Nanos>> {
        let mut last = sent;
        let instants = reads.iter().map(|stamp| {
            last = self.instant(*stamp, last)?;
            Some(last)
        });
        instants.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use proptest::prelude::*;

    use super::*;

    /// The wall-clock time at which the run's clock read 0.
    const WALL: i64 = 1_700_000_000_000_000_000;

    fn read(wall: i64, at: i64) -> ReadStamp {
        ReadStamp {
            at: Nanos(at.unsigned_abs()),
            kernel: NonZeroU64::new(wall.unsigned_abs()).map(WallNanos),
        }
    }

    fn instants(mapping: &Mapping, sent: u64, reads: &[ReadStamp]) -> Option<Vec<u64>> {
        let instants = mapping.instants(Nanos(sent), reads)?;
        Some(instants.into_iter().map(|at| at.0).collect())
    }

    #[test]
    fn a_wall_clock_that_was_set_maps_nothing() {
        // A timestamp of before and a pair of after would be apart by the step.
        let ms = 1_000_000;
        for (step, is_mapped) in [
            (0, true),
            (STEP_NS, true),
            (-STEP_NS, true),
            (STEP_NS + 1, false),
            (-STEP_NS - 1, false),
            (3_600_000 * ms, false),
            (-3_600_000 * ms, false),
        ] {
            let pairs = [(WALL, 0), (WALL + 100 * ms + step, 100 * ms)];
            let mapping = Mapping::new(pairs.into_iter());
            assert_eq!(mapping.is_some(), is_mapped, "{step}");
        }
        assert!(Mapping::new(std::iter::empty()).is_none());
    }

    #[test]
    fn a_timestamp_that_cannot_be_true_is_refused() {
        // One clock for all stamps of an exchange: with one of them refused, or absent, it is the program's own.
        let mapping = Mapping::new([(WALL, 0), (WALL + 1_000, 1_000)].into_iter()).unwrap();
        let absent = ReadStamp {
            at: Nanos(500),
            kernel: None,
        };
        let good = read(WALL + 200, 300);
        for (reads, expected) in [
            (&[good][..], Some(vec![200])),
            (&[read(WALL + 200, 200)], Some(vec![200])),
            // After the read, before the request, before the read before it.
            (&[good, read(WALL + 501, 500)], None),
            (&[read(WALL + 99, 300), good], None),
            (&[read(WALL - 1_000_000, 300)], None),
            (&[good, read(WALL + 199, 400)], None),
            (&[good, absent], None),
            (&[], Some(vec![])),
        ] {
            assert_eq!(instants(&mapping, 100, reads), expected, "{reads:?}");
        }
    }

    #[test]
    fn the_clocks_of_this_machine_agree_with_a_log_of_theirs() {
        // What was read on both clocks at once is mapped from the one to the other.
        let (log, clock) = (PairLog::new(), Clock::new());
        let sent = clock.now();
        let pair = ClockPair::now().unwrap();
        let (mapping, _) = log.mapping(clock, sent).unwrap();
        let error = mapping.at(pair.wall_ns) - clock.signed(pair.at);
        assert!(error.abs() <= STEP_NS, "{error}");
    }

    #[test]
    fn bytes_that_waited_are_trusted_while_segments_come_in_order() {
        // A segment that overtook a lost one waits for it, and its timestamp says nothing of that.
        let clock = Clock::new();
        let at = ClockPair::now().unwrap();
        let log = |out_of_order| {
            let pair = ClockPair { out_of_order, ..at };
            PairLog(Mutex::new(VecDeque::from([pair])))
        };
        let base = clock.signed(at.at);
        let waited = |nanos: u64| ReadStamp {
            at: Nanos(base.unsigned_abs() + nanos),
            ..read(at.wall_ns, 0)
        };
        let segments = out_of_order_segments();
        let is_used = |out_of_order, wait: u64| {
            let sent = Nanos(base.unsigned_abs());
            let instants = log(out_of_order).instants(clock, sent, &[waited(wait)]);
            instants.is_some()
        };
        for (out_of_order, wait, used) in [
            (segments, WAIT_NS, true),
            (segments.map(|count| count + 1), WAIT_NS, true),
            (segments.map(|count| count + 1), WAIT_NS + 1, false),
            (None, WAIT_NS, true),
            (None, WAIT_NS + 1, false),
        ] {
            assert_eq!(is_used(out_of_order, wait), used, "{out_of_order:?} {wait}");
        }
    }

    proptest! {
        // Whatever the drift, and however far each pair is off within its bracket, a timestamp is mapped as well as its pairs are.
        #[test]
        fn a_mapping_follows_drift(
            drift_ppm in -400_i64..400, errors in prop::collection::vec(-BRACKET_NS / 2..BRACKET_NS / 2, 2..40), place in 0.0..1.0,
        ) {
            let interval = 100_000_000;
            let wall_at = |at: i64| WALL + at + at * drift_ppm / 1_000_000;
            let pairs = errors.iter().zip(0..).map(|(error, index)| {
                let at = index * interval;
                (wall_at(at) + error, at)
            });
            let mapping = Mapping::new(pairs).unwrap();
            let last = i64::try_from(errors.len() - 1).unwrap() * interval;
            #[allow(clippy::cast_possible_truncation)] // A share of some seconds.
            let at = (last as f64 * place) as i64;
            let error = mapping.at(wall_at(at)) - at;
            prop_assert!(error.abs() <= BRACKET_NS / 2 + 2, "{}", error);
        }

        // A later timestamp is never an earlier instant.
        #[test]
        fn a_mapping_keeps_the_order(
            steps in prop::collection::vec((1_000_i64..1_000_000, -STEP_NS / 2..STEP_NS / 2), 1..20),
            walls in prop::collection::vec(-10_000_000_i64..30_000_000, 2..20),
        ) {
            let mut pair = (WALL, 0);
            let pairs = steps.iter().map(|(step, moved)| {
                pair = (pair.0 + (step + moved).max(0), pair.1 + step);
                pair
            });
            let mapping = Mapping::new(pairs).unwrap();
            let mut walls = walls;
            walls.sort_unstable();
            let instants: Vec<i64> = walls.iter().map(|wall| mapping.at(WALL + wall)).collect();
            prop_assert!(instants.is_sorted(), "{instants:?}");
        }
    }

    /// Real sockets.
    #[cfg(target_os = "linux")]
    mod sockets {
        use std::future::poll_fn;
        use std::io::Write as _;
        use std::net::{TcpListener, TcpStream as StdStream};

        use tokio::net::TcpStream;

        use super::*;
        use crate::gateway::receive::{poll_receive, request_stamps, supported_clock};
        use crate::suite::ClockSource;

        /// Reads once what was written in these pieces, each at the next of the instants. Returns the instant of the kernel's
        /// timestamp, between the last two; `None` if the wall clock was set meanwhile, or a piece came later.
        async fn stamped(pieces: &[&[u8]]) -> Option<(Vec<Nanos>, Nanos, Nanos)> {
            let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let mut peer = StdStream::connect(listener.local_addr().unwrap()).unwrap();
            peer.set_nodelay(true).unwrap();
            let (stream, _) = listener.accept().unwrap();
            stream.set_nonblocking(true).unwrap();
            let stream = TcpStream::from_std(stream).unwrap();
            request_stamps(&stream).unwrap();
            let (pairs, clock) = (PairLog::new(), Clock::new());
            let written = pieces.iter().map(|piece| {
                let at = clock.now();
                peer.write_all(piece).unwrap();
                at
            });
            let written: Vec<Nanos> = written.collect();
            let mut buffer = [0; 64];
            let received = poll_fn(|context| poll_receive(&stream, context, &mut buffer)).await;
            let (length, kernel) = received.unwrap();
            if buffer[..length] != pieces.concat() {
                return None;
            }
            let read = ReadStamp {
                at: clock.now(),
                kernel,
            };
            let instants = pairs.instants(clock, Nanos::ZERO, &[read])?;
            Some((written, instants[0], read.at))
        }

        #[tokio::test]
        async fn a_timestamp_lies_between_its_write_and_its_read() {
            // That of the last byte, where one read brings what was written at several instants.
            let supported = supported_clock(ClockSource::Kernel);
            assert_eq!(
                supported,
                ClockSource::Kernel,
                "this system has no timestamps"
            );
            for pieces in [&[&b"one"[..]][..], &[b"one", b"two"], &[b"a", b"b", b"c"]] {
                let mut tries = 0..100;
                let stamped = loop {
                    tries.next().expect("no timestamp is mapped");
                    if let Some(stamped) = stamped(pieces).await {
                        break stamped;
                    }
                };
                let (written, kernel, read) = stamped;
                // A pair of clocks is wrong by half of its width at most.
                let error = Nanos(BRACKET_NS.unsigned_abs() / 2);
                let last = *written.last().unwrap();
                assert!(
                    last.since(kernel) <= error && kernel <= read,
                    "{written:?} {kernel:?} {read:?}"
                );
            }
        }
    }
}
