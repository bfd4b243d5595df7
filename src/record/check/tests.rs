use proptest::prelude::*;

use super::*;
use crate::record::example::{plain_sample, sample};
use crate::record::{Flag, Grade};

/// The error of `check` for a plain sample after `spoil`.
fn problem_of(spoil: impl FnOnce(&mut Sample)) -> String {
    let mut sample = plain_sample(3);
    spoil(&mut sample);
    sample.check().unwrap_err().to_string()
}

fn gaps(sample: &mut Sample) -> &mut Gaps {
    sample.gaps.as_mut().unwrap()
}

#[test]
fn each_contradiction_is_named() {
    // A figure that cannot be true must be named, so that its source can be fixed.
    assert_eq!(plain_sample(3).check(), Ok(()));
    let millis = |count| Some(Nanos::from_millis(count));
    for (message, actual) in [
        (
            "`ttft_ns` is below `headers_ns`",
            problem_of(|s| s.ttft_ns = millis(80)),
        ),
        (
            "`ttfa_ns` is below `ttft_ns`",
            problem_of(|s| s.ttfa_ns = millis(99)),
        ),
        (
            "`last_token_ns` is below `ttfa_ns`",
            problem_of(|s| s.last_token_ns = millis(99)),
        ),
        (
            "`latency_ns` is below `last_token_ns`",
            problem_of(|s| s.latency_ns = millis(280)),
        ),
        (
            "`experienced_ttft_ns` is below `ttft_ns`",
            problem_of(|s| s.experienced_ttft_ns = millis(99)),
        ),
        (
            "`round` is 0, but counts from 1",
            problem_of(|s| s.round = 0),
        ),
        (
            "`repetition` is 0, but counts from 1",
            problem_of(|s| s.repetition = 0),
        ),
        (
            "`weight` is not a positive number",
            problem_of(|s| s.weight = f64::NAN),
        ),
        (
            "`grades` has two rows of one name",
            problem_of(|s| s.grades = vec![Grade::new("x", 1.0, true); 2]),
        ),
        (
            "`flags` is not sorted, or names one twice",
            problem_of(|s| s.flags = vec![Flag::Cold, Flag::Cold]),
        ),
        (
            "`attempts` is empty, but every trial takes one",
            problem_of(|s| s.attempts.clear()),
        ),
        (
            "`attempts` has one that ended before it was sent",
            problem_of(|s| s.attempts[0].end_ns = Nanos(0)),
        ),
        (
            "`attempts` is not in the order of sending",
            problem_of(|s| {
                let mut earlier = s.attempts[0].clone();
                earlier.sent_ns = Nanos(0);
                s.attempts.push(earlier);
            }),
        ),
        (
            "`gaps` has figures of no gap",
            problem_of(|s| gaps(s).count = 0),
        ),
        (
            "`gaps` has `max_ns` that is below `p95_ns`",
            problem_of(|s| gaps(s).max_ns = millis(8)),
        ),
        (
            "`gaps` has `max_ns` that is below `mean_ns`",
            problem_of(|s| gaps(s).mean_ns = millis(21)),
        ),
    ] {
        assert_eq!(actual, message);
    }
}

#[test]
fn a_time_that_is_absent_hides_no_other() {
    // Without a TTFA the last token is still held against the TTFT.
    let message = problem_of(|sample| {
        sample.ttfa_ns = None;
        sample.last_token_ns = Some(Nanos::from_millis(99));
    });
    assert_eq!(message, "`last_token_ns` is below `ttft_ns`");
}

proptest! {
    // The samples that other tests draw are consistent, or those tests would show nothing.
    #[test]
    fn drawn_samples_are_sound(sample in sample()) {
        prop_assert_eq!(sample.check(), Ok(()));
    }
}
