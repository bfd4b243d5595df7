//! Delays of whole answers: queues of models with a capacity, and pauses of the server.
//!
//! Owns which bytes leave how much later. Must not use the clock: instants are arguments. Invariant: a model never
//! answers more requests at once than its capacity; what is due in a pause leaves at its end.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::model_profile::ServerCapacity;
use super::outage::ServerPause;
use super::script::Script;
use crate::units::Nanos;

/// The requests that a model answers, by the instants of their ends.
#[derive(Debug, Default)]
pub struct AnswerQueue(BinaryHeap<Reverse<Nanos>>);

impl AnswerQueue {
    /// Takes in an answer that lasts `duration`, and returns the time that it waits for a place.
    pub fn enter(&mut self, capacity: ServerCapacity, arrival: Nanos, duration: Nanos) -> Nanos {
        let places = capacity.get() as usize;
        let free = if self.0.len() < places {
            arrival
        } else {
            self.0.pop().map_or(arrival, |Reverse(free)| free)
        };
        let start = arrival.max(free);
        self.0
            .push(Reverse(Nanos(start.0.saturating_add(duration.0))));
        start.since(arrival)
    }
}

/// The script, whose bytes leave so much later.
pub fn delayed(mut script: Script, by: Nanos) -> Script {
    let later = |at: Nanos| Nanos(at.0.saturating_add(by.0));
    script.head_at = script.head_at.map(later);
    for step in &mut script.steps {
        step.at = later(step.at);
    }
    script
}

/// The script of a request that arrived so long after the first one, as the pauses let it pass.
pub fn with_pauses(mut script: Script, pauses: &[ServerPause], since_first: Nanos) -> Script {
    let leaves_at = |at: Nanos| {
        let due = Nanos(since_first.0.saturating_add(at.0));
        let leaves = pauses.iter().fold(due, |due, pause| pause.postpone(due));
        leaves.since(since_first)
    };
    script.head_at = script.head_at.map(leaves_at);
    for step in &mut script.steps {
        step.at = leaves_at(step.at);
    }
    script
}

/// The time from the arrival of a request to the last byte of its answer.
pub fn duration(script: &Script) -> Nanos {
    let head = script.head_at.unwrap_or_default();
    script
        .steps
        .iter()
        .fold(head, |last, step| last.max(step.at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sim::ending::ConnectionEnd;
    use crate::sim::fault::FaultSet;
    use crate::sim::framing::WriteStep;
    use crate::sim::model_profile::{MAX_CAPACITY, Millis};

    fn ms(millis: u64) -> Nanos {
        Nanos::from_millis(millis)
    }

    fn script(offsets: &[u64]) -> Script {
        Script {
            head_at: Some(ms(offsets[0])),
            status: 200,
            headers: Vec::new(),
            steps: offsets
                .iter()
                .map(|at| WriteStep::plain(ms(*at), "x"))
                .collect(),
            ending: ConnectionEnd::Clean,
            account: None,
            faults: FaultSet::default(),
        }
    }

    fn offsets(script: &Script) -> Vec<u64> {
        script
            .steps
            .iter()
            .map(|step| step.at.0 / 1_000_000)
            .collect()
    }

    #[test]
    fn a_third_request_waits_for_two_places() {
        let capacity = ServerCapacity::try_from(2).unwrap();
        let mut queue = AnswerQueue::default();
        let waits =
            [0, 0, 10, 20, 500].map(|at| queue.enter(capacity, ms(at), ms(100)).0 / 1_000_000);
        assert_eq!(waits, [0, 0, 90, 80, 0]);
        assert!(ServerCapacity::try_from(0).is_err());
        assert!(ServerCapacity::try_from(MAX_CAPACITY + 1).is_err());
    }

    #[test]
    fn what_is_due_in_a_pause_leaves_at_its_end() {
        let pause = ServerPause {
            from_ms: Millis::clamped(1_000.0),
            for_ms: Millis::clamped(2_000.0),
        };
        let paused =
            |since_first| with_pauses(script(&[100, 900, 2_600]), &[pause], ms(since_first));
        assert_eq!(offsets(&paused(0)), [100, 900, 3_000]);
        assert_eq!(offsets(&paused(500)), [100, 2_500, 2_600]);
        assert_eq!(offsets(&paused(1_200)), [1_800, 1_800, 2_600]);
        assert_eq!(paused(1_200).head_at, Some(ms(1_800)));
        assert_eq!(offsets(&delayed(script(&[100, 900]), ms(50))), [150, 950]);
        assert_eq!(duration(&script(&[100, 900, 2_600])), ms(2_600));
    }

    proptest! {
        // However requests come, a model never answers more at once than it has places, and no place stays empty while
        // one waits.
        #[test]
        fn a_capacity_holds(
            places in 1_u32..5, requests in prop::collection::vec((0_u64..200, 1_u64..300), 1..60),
        ) {
            let capacity = ServerCapacity::try_from(places).unwrap();
            let (mut queue, mut now) = (AnswerQueue::default(), 0);
            let mut spans: Vec<(u64, u64)> = Vec::new();
            for (pause, length) in requests {
                now += pause;
                let wait = queue.enter(capacity, Nanos(now), Nanos(length)).0;
                let busy = |at: u64| spans.iter().filter(|(from, to)| (*from..*to).contains(&at)).count();
                if wait > 0 {
                    prop_assert_eq!(busy(now + wait - 1), places as usize);
                }
                prop_assert!(busy(now + wait) < places as usize);
                spans.push((now + wait, now + wait + length));
            }
        }
    }
}
