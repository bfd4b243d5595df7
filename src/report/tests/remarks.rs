//! What is said beside a verdict: why, what was in the way, and what would help.

use crate::stats::interval::Interval;
use crate::suite::{Gate, Metric};
use crate::verdict::fixture::comparison;
use crate::verdict::{Aim, Comparison, Judgement, Reason, Situation, Verdict};

use super::*;

/// The sentences beside a comparison.
fn beside(one: &Comparison) -> String {
    wording::remarks(Situation::Interleaved, one).join(" ")
}

#[test]
fn answers_all_alike_are_told_what_more_of_them_would_do() {
    // Where nothing failed no worsening is looked for: more such answers take the interval within the margin.
    let mut one = comparison(
        Metric::Completed,
        Verdict::Inconclusive,
        0.0,
        Interval::new(-0.3, 0.3),
    );
    one.reasons = vec![Reason::TooWide];
    let mut needed = one.needed.unwrap();
    needed.aim = Aim::Bound;
    one.needed = Some(needed);
    insta::assert_snapshot!(beside(&one), @"The interval is too wide to tell: more prompts or repetitions would. A worsening by 31.0 points, the tolerance of 2 points included, would have been found with a chance of 80 %. About 24 prompts x 10 repetitions whose answers are all as alike as these would take the interval within the margin of 5 points.");
}
