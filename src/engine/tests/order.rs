//! The order of requests and answers.

use super::*;
use crate::record::Flag;

/// A run with the plan of seed 7, and the exact expected order of requests and answers.
#[must_use = "nothing is checked before `run`"]
pub(super) struct OrderTest {
    context: RunContext,
    script: fn(&SentRequest) -> Reply,
    expected: Vec<String>,
}

impl OrderTest {
    /// Variant 0 answers after 100 ms, variant 1 after 110 ms, ...
    pub(super) fn new(suite: Suite) -> Self {
        Self {
            context: context(suite),
            script: |request| Reply::answer(100 + 10 * request.variant as u64),
            expected: Vec::new(),
        }
    }

    pub(super) fn script(self, script: fn(&SentRequest) -> Reply) -> Self {
        Self { script, ..self }
    }

    /// The next request.
    pub(super) fn sends(mut self, name: &str) -> Self {
        self.expected.push(format!("> {name}"));
        self
    }

    /// The next answer.
    pub(super) fn gets(mut self, name: &str) -> Self {
        self.expected.push(format!("< {name}"));
        self
    }

    pub(super) fn run(self) {
        let result = carry_out(self.context, self.script);
        assert_eq!(result.ending, RunEnd::Complete);
        assert_eq!(result.fake.lines(), self.expected);
    }
}

#[test]
fn slots_follow_each_other_and_trials_start_together() {
    // With one slot in flight, every variant is sent before any answers, and nothing else is.
    OrderTest::new(suite(2, 2, 2))
        .sends("p1 v0")
        .sends("p1 v1")
        .gets("p1 v0")
        .gets("p1 v1")
        .sends("p0 v1")
        .sends("p0 v0")
        .gets("p0 v0")
        .gets("p0 v1")
        .sends("p1 v0")
        .sends("p1 v1")
        .gets("p1 v0")
        .gets("p1 v1")
        .sends("p0 v0")
        .sends("p0 v1")
        .gets("p0 v0")
        .gets("p0 v1")
        .run();
}

#[test]
fn warm_up_comes_first_and_is_over_before_anything_counts() {
    // A measured request in parallel with a warm-up would be slowed by it.
    let suite = Suite {
        warmup: 2,
        ..suite(1, 2, 1)
    };
    OrderTest::new(suite)
        .sends("warm-up v0")
        .sends("warm-up v1")
        .gets("warm-up v0")
        .sends("warm-up v0")
        .gets("warm-up v1")
        .sends("warm-up v1")
        .gets("warm-up v0")
        .gets("warm-up v1")
        .sends("p0 v1")
        .sends("p0 v0")
        .gets("p0 v0")
        .gets("p0 v1")
        .run();
}

#[test]
fn a_retry_holds_its_slot_and_no_other_variant() {
    // The next slot waits for the retried trial; the other variant's answer does not.
    let suite = Suite {
        max_attempts: 2,
        ..suite(2, 2, 1)
    };
    OrderTest::new(suite)
        .script(
            |request| match (request.prompt, request.variant, request.attempt) {
                (Some(1), 0, 1) => Reply::refusal(503),
                _ => Reply::answer(100 + 10 * request.variant as u64),
            },
        )
        .sends("p1 v0")
        .sends("p1 v1")
        .gets("p1 v0")
        .gets("p1 v1")
        .sends("p1 v0 try 2")
        .gets("p1 v0 try 2")
        .sends("p0 v1")
        .sends("p0 v0")
        .gets("p0 v0")
        .gets("p0 v1")
        .run();
}

#[test]
fn a_free_place_is_taken_by_the_next_slot() {
    // Two in flight: the third slot starts when one of the first two is over, not when both are.
    let suite = Suite {
        concurrency: 2,
        ..suite(3, 1, 1)
    };
    OrderTest::new(suite)
        .script(|request| {
            Reply::answer(if request.prompt == Some(2) {
                1_000
            } else {
                100
            })
        })
        .sends("p2 v0")
        .sends("p1 v0")
        .gets("p1 v0")
        .sends("p0 v0")
        .gets("p0 v0")
        .gets("p2 v0")
        .run();
}

#[test]
fn warm_ups_are_reported_and_leave_no_sample() {
    // A consumer that counts samples must not find the warm-up's, failed or not.
    let suite = Suite {
        warmup: 2,
        ..suite(1, 2, 1)
    };
    let result = carry_out(context(suite), |request| match request.prompt {
        None if request.variant == 1 => Reply::refusal(500),
        _ => Reply::answer(10),
    });
    let warmed: Vec<_> = (result.events.iter())
        .filter_map(|event| match event {
            RunEvent::WarmedUp {
                variant, outcome, ..
            } => Some((*variant, outcome.word())),
            _ => None,
        })
        .collect();
    let (well, badly) = ((0, "complete"), (1, "server_error"));
    assert_eq!(warmed, [badly, badly, well, well]);
    assert_eq!(result.samples().len(), 2);
    assert_eq!(result.ending, RunEnd::Complete);
}

#[test]
fn a_slow_listener_delays_slots_and_no_stamp() {
    // A full disk or a slow terminal must not be measured as the model's time.
    let slow = Listener {
        room: 1,
        look: Nanos::from_millis(10_000),
        ..QUIET
    };
    let result = carry_out_with(context(suite(3, 2, 2)), slow, |_| Reply::answer(70));
    assert_eq!(result.samples().len(), 12);
    for sample in result.samples() {
        assert_eq!(sample.lag(), Nanos::ZERO);
        assert_eq!(sample.ttft_ns, Some(Nanos::from_millis(70)));
        assert_eq!(sample.latency_ns, Some(Nanos::from_millis(80)));
    }
}

#[test]
fn a_run_ends_without_a_listener() {
    // A listener that went away must leave neither a hanging run nor a panic.
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let ending = runtime.block_on(async {
        let fake = Arc::new(FakeGateway::new(|_| Reply::answer(10)));
        let (sender, taken) = mpsc::channel(1);
        drop(taken);
        let (_stop, stopped) = watch::channel(StopRequest::None);
        let (_, continue_signal) = mpsc::channel(1);
        let context = RunContext {
            looks: vec![1],
            ..context(suite(2, 2, 2))
        };
        run(fake, Arc::new(context), sender, stopped, continue_signal).await
    });
    assert_eq!(ending, RunEnd::Complete);
}

#[test]
fn a_request_is_late_by_the_first_one_of_its_slot() {
    // In a closed loop the slot begins when its first request is sent: a client that needs 30 ms for all of them delays
    // none, and one that needs 30 ms more for one of them has asked that model at another moment. A TTFT of 200 ms bears 10.
    let limited = |lags: [u64; 2], suite: Suite| {
        let run = carry_out(context(suite), move |request| {
            Reply::answer(200).sent_late(lags[request.variant])
        });
        let samples = run.samples().into_iter();
        let limited = samples.filter(|sample| sample.has(Flag::ClientLimited));
        let mut limited: Vec<String> = limited.map(|sample| sample.variant.clone()).collect();
        limited.sort();
        limited
    };
    let closed = || suite(1, 2, 1);
    assert_eq!(limited([30, 30], closed()), [""; 0]);
    assert_eq!(limited([0, 10], closed()), [""; 0]);
    assert_eq!(limited([0, 12], closed()), ["v1"]);
    assert_eq!(limited([45, 30], closed()), ["v0"]);
}
