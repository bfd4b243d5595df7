//! What is said beside a verdict: why, what was in the way, and what would help.

use crate::stats::interval::Interval;
use crate::suite::{Gate, Metric};
use crate::verdict::fixture::comparison;
use crate::verdict::{Comparison, ComparisonDesign, Judgement, Reason, SizeGoal, Verdict};

use super::*;

/// The sentences beside a comparison.
fn beside(one: &Comparison) -> String {
    wording::remarks(ComparisonDesign::Interleaved, one).join(" ")
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
    let mut needed = one.required_size.unwrap();
    needed.goal = SizeGoal::Bound;
    one.required_size = Some(needed);
    insta::assert_snapshot!(beside(&one), @"The interval is too wide to tell: more prompts or repetitions would. A worsening by 31.0 points, the tolerance of 2 points included, would have been found with a chance of 80 %. About 24 prompts x 10 repetitions whose answers are all as alike as these would take the interval within the margin of 5 points.");
}

#[test]
fn what_became_of_hits_and_misses_is_told() {
    // "Compared apart" only where they were; else where the times of both can be read.
    let of = |metric: Metric, situation: ComparisonDesign, apart: bool| {
        let one = comparison(metric, Verdict::Inconclusive, 1.0, Interval::NONE);
        let reason = Reason::CacheHitsDiffer {
            reference: 0.0,
            candidate: 1.0,
            split: apart,
        };
        wording::reason(situation, &one, &reason)
    };
    let lines = [
        of(Metric::Ttft, ComparisonDesign::Interleaved, true),
        of(Metric::Ttft, ComparisonDesign::Interleaved, false),
        of(Metric::Ttft, ComparisonDesign::History, false),
        of(Metric::Cost, ComparisonDesign::Interleaved, false),
    ];
    insta::assert_snapshot!(lines.join("\n"), @"
    Answers that hit the prompt cache differ in share (100.0 % of the candidate's, 0.0 % of the reference's): hits and misses were compared apart.
    Answers that hit the prompt cache differ in share (100.0 % of the candidate's, 0.0 % of the reference's): to compare them apart takes 6 prompts with hits on both sides, and as many with misses on both; the run's report has the times of hits and of misses under *Prompt caches*.
    Answers that hit the prompt cache differ in share (100.0 % of the candidate's, 0.0 % of the reference's): levels hold hits and misses together, and cannot be compared.
    Answers that hit the prompt cache differ in share (100.0 % of the candidate's, 0.0 % of the reference's): the bill is compared as it is, with what hits save in it.
    ");
}

#[test]
fn routes_are_pointed_to_only_where_there_are_any() {
    // A reader is not sent to a table that is not printed.
    let mut one = comparison(Metric::Ttft, Verdict::Ok, 1.0, Interval::new(0.9, 1.1));
    one.reasons = vec![Reason::RouteShift];
    assert!(!beside(&one).contains("table"), "{}", beside(&one));
    one.routes = vec![crate::verdict::RouteComparison {
        provider: "azure".to_owned(),
        share_reference: 0.9,
        share_candidate: 0.4,
        effect: None,
        verdict: Verdict::Inconclusive,
    }];
    assert!(beside(&one).contains("*Within the answers of one provider*"));
}

#[test]
fn an_ok_without_an_interval_says_what_it_stands_on() {
    // One repetition bounds no interval of the shared level; the margin is tested at its own.
    let mut one = comparison(Metric::Ttft, Verdict::Ok, 0.4, Interval::NONE);
    one.tests.as_mut().unwrap().within_margin = 0.001;
    insta::assert_snapshot!(beside(&one), @"So few values bound no interval of 98.3 %, the level that all primary comparisons share. That it is not worse by more than the margin was tested by itself (p 0.0010).");
    // With an end on the side that matters there is nothing to explain.
    one.effect.as_mut().unwrap().interval.upper = Some(1.1);
    assert_eq!(beside(&one), "");
    one.metric = Metric::OutputRate;
    assert_ne!(beside(&one), "");
}

#[test]
fn an_exploratory_comparison_without_a_verdict_has_its_reason() {
    // TTFA stands where TTFT was asked for: the screen says why beside the verdicts, and below the table of the
    // exploratory ones. That chance is in the way is seen in the table.
    let mut judged = comparison(Metric::Ttfa, Verdict::Ok, 1.0, Interval::new(0.9, 1.1));
    judged.primary = true;
    let mut ttft = comparison(
        Metric::Ttft,
        Verdict::Inconclusive,
        1.0,
        Interval::new(0.9, 1.1),
    );
    (ttft.primary, ttft.reasons) = (false, vec![Reason::ReasoningDiffers]);
    let mut latency = comparison(
        Metric::Latency,
        Verdict::Inconclusive,
        1.0,
        Interval::new(0.5, 2.0),
    );
    (latency.primary, latency.reasons) = (false, vec![Reason::TooWide]);
    let judgement = Judgement {
        design: ComparisonDesign::Interleaved,
        comparisons: vec![judged, ttft, latency],
        notes: Vec::new(),
    };
    let verdicts = Verdicts::new(&Judged::of_judgement(judgement, &Gate::default()));
    let section = &verdicts.sections[0];
    insta::assert_snapshot!(section.unexplored.join("\n"), @"TTFT of anthropic/claude: One side shows its reasoning and the other does not, so their first tokens are different things: TTFA, the time to the first token of the answer, is judged in its place.");
    assert_eq!(section.remarks, section.unexplored);
    assert_eq!(section.explored.rows.len(), 2);
}
