//! Pauses of our own process: stopped, suspended with the machine, or left without a processor.
//!
//! Owns a tick, its delay, and the list of pauses. Must not know what a pause spoils. Invariant: a pause is
//! known before anything is decided by a time that lies after it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::record::ClientDelay;
use crate::threads::lock;
use crate::units::Nanos;

use super::clock::{Clock, suspended};

/// The time between two ticks.
const TICK: Duration = Duration::from_millis(10);

/// A tick that is late by more is a pause: timers and schedulers are late by less.
const NOTICEABLE: Duration = Duration::from_millis(20);

/// The step of the runtime's timer, which rounds up: a tick that is late by less was on time.
const TIMER_STEP: Duration = Duration::from_millis(1);

/// Fewest ticks with a 99th percentile.
const TICKS_MIN: u64 = 100;

/// The longest delay that is counted as such, in microseconds: a minute.
const DELAY_MAX_US: u64 = 60_000_000;

/// Most pauses that are stored: the latest, since exchanges look back no further than their own beginning.
const PAUSES: usize = 4_096;

/// The pauses of this process, seen by a tick.
#[derive(Debug)]
pub(super) struct PauseLog(Mutex<Ticks>);

#[derive(Debug)]
struct Ticks {
    last: Instant,
    /// The time that the machine was suspended since its start.
    suspended: Duration,
    pauses: VecDeque<Pause>,
    delays: TickDelays,
}

/// Nothing ran for `length` somewhere in between, perhaps right after the tick at `from`; a suspension has a length, and no time on the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pause {
    from: Instant,
    to: Instant,
    length: Duration,
}

impl PauseLog {
    /// A log that begins now.
    pub(super) fn new(clock: Clock) -> Self {
        Self::starting(clock.instant(clock.now()), suspended().unwrap_or_default())
    }

    fn starting(at: Instant, suspended: Duration) -> Self {
        Self(Mutex::new(Ticks {
            last: at,
            suspended,
            pauses: VecDeque::new(),
            delays: TickDelays::new(),
        }))
    }

    /// Ticks for ever.
    pub(super) async fn watch(&self, clock: Clock) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = ticks.tick().await;
            let now = clock.instant(clock.now());
            let late = now.saturating_duration_since(due);
            self.ticked(now).delays.add(late);
        }
    }

    /// Forgets the delays so far.
    pub(super) fn restart_delays(&self) {
        lock(&self.0).delays = TickDelays::new();
    }

    /// The delay of the ticks; `None` while they are too few for a percentile.
    pub(super) fn delay(&self) -> Option<ClientDelay> {
        lock(&self.0).delays.summarize()
    }

    /// The longest pause that overlaps this time.
    pub(super) fn longest(&self, from: Instant, to: Instant, now: Instant) -> Duration {
        let ticks = self.ticked(now);
        let overlapping = ticks.pauses.iter();
        let overlapping = overlapping.filter(|pause| pause.from < to && pause.to > from);
        let lengths = overlapping.map(|pause| pause.length);
        lengths.max().unwrap_or_default()
    }

    /// The time between `from` and `now` that lies in pauses.
    pub(super) fn total(&self, from: Instant, now: Instant) -> Duration {
        let ticks = self.ticked(now);
        let overlaps = ticks.pauses.iter();
        let overlaps =
            overlaps.map(|pause| pause.to.saturating_duration_since(pause.from.max(from)));
        overlaps.sum()
    }

    /// Ticks: also between two ticks of the timer, so that a pause that has just ended is known.
    fn ticked(&self, now: Instant) -> MutexGuard<'_, Ticks> {
        let mut ticks = lock(&self.0);
        ticks.tick(now, suspended());
        ticks
    }
}

impl Ticks {
    fn tick(&mut self, now: Instant, suspended: Option<Duration>) {
        let due = self.last + TICK;
        let lateness = now.saturating_duration_since(due);
        let slept = suspended.map_or(Duration::ZERO, |suspended| {
            suspended.saturating_sub(self.suspended)
        });
        let length = slept + lateness;
        if length > NOTICEABLE {
            if self.pauses.len() == PAUSES {
                self.pauses.pop_front();
            }
            self.pauses.push_back(Pause {
                from: self.last,
                to: now,
                length,
            });
        }
        self.suspended = suspended.unwrap_or(self.suspended);
        self.last = self.last.max(now);
    }
}

/// The delays of the ticks in microseconds, as far as the timer does not explain them. A pause is one late tick, whatever its
/// length: it excludes the samples that it delayed.
#[derive(Debug)]
struct TickDelays(Histogram<u64>);

impl TickDelays {
    fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, DELAY_MAX_US, 2);
        Self(histogram.expect("its bounds are valid"))
    }

    fn add(&mut self, late: Duration) {
        let delay = late.saturating_sub(TIMER_STEP).as_micros();
        self.0
            .saturating_record(u64::try_from(delay).unwrap_or(u64::MAX));
    }

    fn summarize(&self) -> Option<ClientDelay> {
        let ticks = self.0.len();
        (ticks >= TICKS_MIN).then(|| ClientDelay {
            ticks,
            p99_ns: Nanos(self.0.value_at_quantile(0.99) * 1_000),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn log(start: Instant) -> PauseLog {
        PauseLog::starting(start, Duration::ZERO)
    }

    #[test]
    fn a_late_tick_is_a_pause_of_what_it_overlaps() {
        // A process that was stopped for half a second must not report that time as a model's.
        let start = Instant::now();
        let log = log(start);
        let tick = |at: u64| {
            lock(&log.0).tick(start + ms(at), None);
        };
        // The second one is late by 15 ms, which a busy machine explains.
        for at in [10, 35, 45, 555, 565] {
            tick(at);
        }
        let now = start + ms(570);
        let longest = |from: u64, to: u64| log.longest(start + ms(from), start + ms(to), now);
        assert_eq!(longest(0, 45), ms(0));
        // It may have begun before the next tick was due.
        assert_eq!(longest(0, 46), ms(500));
        assert_eq!(longest(0, 56), ms(500));
        assert_eq!(longest(300, 400), ms(500));
        assert_eq!(longest(556, 570), ms(0));
        assert_eq!(log.total(start, now), ms(510));
        assert_eq!(log.total(start + ms(255), now), ms(300));
        // A pause that has just ended, before the timer's own tick.
        assert_eq!(log.total(start + ms(570), start + ms(700)), ms(130));
    }

    #[test]
    fn a_suspension_has_a_length_without_time_on_the_clock() {
        let start = Instant::now();
        let log = log(start);
        let mut ticks = lock(&log.0);
        ticks.tick(start + ms(10), Some(ms(0)));
        ticks.tick(start + ms(20), Some(ms(60_000)));
        ticks.tick(start + ms(30), Some(ms(60_000)));
        let pauses: Vec<Duration> = ticks.pauses.iter().map(|pause| pause.length).collect();
        assert_eq!(pauses, [ms(60_000)]);
    }

    #[test]
    fn the_log_is_bounded() {
        let start = Instant::now();
        let log = log(start);
        let mut ticks = lock(&log.0);
        for tick in 1..=2 * PAUSES as u64 {
            ticks.tick(start + ms(tick * 50), None);
        }
        assert_eq!(ticks.pauses.len(), PAUSES);
    }

    #[test]
    fn a_stop_is_one_late_tick() {
        // 1 ms late is the timer. A stop of 5 s excludes the samples that it meets, and says nothing of the others; a machine on
        // which every fiftieth tick is 12 ms late delays one read in fifty.
        let mut delays = TickDelays::new();
        for _ in 0..TICKS_MIN - 1 {
            delays.add(Duration::from_micros(900));
        }
        assert_eq!(delays.summarize(), None);
        delays.add(ms(1));
        delays.add(ms(5_000));
        let calm = delays.summarize().unwrap();
        assert_eq!((calm.ticks, calm.p99_ns), (TICKS_MIN + 1, Nanos::ZERO));
        for tick in 0..500 {
            delays.add(ms(if tick % 50 == 0 { 13 } else { 0 }));
        }
        let p99 = delays.summarize().unwrap().p99_ns.as_millis_f64();
        assert!((11.9..12.1).contains(&p99), "{p99}");
    }
}
