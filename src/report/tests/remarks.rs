//! Tests of the remarks on a verdict: reasons, obstacles, and what would help.

use crate::stats::interval::Interval;
use crate::suite::{Gate, Metric};
use crate::verdict::fixture::{comparison, route_shift};
use crate::verdict::{Comparison, ComparisonDesign, Judgement, Reason, SizeGoal, Verdict};

use super::*;

/// The remarks on a comparison.
fn remarks(one: &Comparison) -> String {
    wording::remarks(ComparisonDesign::Interleaved, one).join(" ")
}

#[test]
fn identical_answers_get_the_sample_size_that_bounds_them() {
    // If nothing failed, no worsening is looked for: more such answers take the interval within the margin.
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
    insta::assert_snapshot!(remarks(&one), @"The interval is too wide: add prompts or repetitions. This run could detect a drop of 31.0 points or more (80 % power). To exclude a drop of 5 points it needs about 24 prompts x 10 repetitions, if all answers stay as alike as these.");
}

#[test]
fn the_remark_says_how_hits_and_misses_were_compared() {
    // "Compared apart" only if they were; otherwise the remark points to the times of both.
    let text = |metric: Metric, design: ComparisonDesign, apart: bool| {
        let one = comparison(metric, Verdict::Inconclusive, 1.0, Interval::NONE);
        let reason = Reason::CacheHitsDiffer {
            reference: 0.0,
            candidate: 1.0,
            split: apart,
        };
        wording::reason(design, &one, &reason)
    };
    let lines = [
        text(Metric::Ttft, ComparisonDesign::Interleaved, true),
        text(Metric::Ttft, ComparisonDesign::Interleaved, false),
        text(Metric::Ttft, ComparisonDesign::History, false),
        text(Metric::Cost, ComparisonDesign::Interleaved, false),
    ];
    insta::assert_snapshot!(lines.join("\n"), @"
    Answers that hit the prompt cache differ in share (100.0 % of the candidate's, 0.0 % of the reference's): hits and misses were compared separately.
    Answers that hit the prompt cache differ in share (100.0 % of the candidate's, 0.0 % of the reference's): a comparison of hits and of misses needs 6 prompts with hits on both sides, and as many with misses; the report has the times of both under *Prompt caches*.
    Answers that hit the prompt cache differ in share (100.0 % now, 0.0 % before): levels mix hits and misses, and cannot be compared.
    Answers that hit the prompt cache differ in share (100.0 % of the candidate's, 0.0 % of the reference's): the bill is compared as it is, savings by hits included.
    ");
}

#[test]
fn a_route_shift_names_the_provider_and_the_result_within_each() {
    // Without a provider of both sides, routes are compared as well as models.
    let mut one = comparison(Metric::Ttft, Verdict::Ok, 1.0, Interval::new(0.9, 1.1));
    one.reasons = vec![route_shift()];
    insta::assert_snapshot!(remarks(&one), @"Providers differ in their share of the answers (`azure`: 40.0 % of the candidate's, 90.0 % of the reference's), so this compares routes as well as models.");
    one.routes = vec![crate::verdict::RouteComparison {
        provider: "azure".to_owned(),
        share_reference: 0.9,
        share_candidate: 0.4,
        effect: None,
        verdict: Verdict::Inconclusive,
    }];
    insta::assert_snapshot!(remarks(&one), @"Providers differ in their share of the answers (`azure`: 40.0 % of the candidate's, 90.0 % of the reference's); within one provider: `azure` inconclusive.");
}

#[test]
fn an_ok_whose_interval_is_wide_says_what_it_stands_on() {
    // "Not worse by more than 20 %" beside an interval that ends at 1.23: the interval has the shared level, the margin is tested
    // at its own. One repetition bounds no interval at all.
    let mut one = comparison(Metric::Ttft, Verdict::Ok, 0.4, Interval::NONE);
    one.tests.as_mut().unwrap().within_margin = 0.001;
    insta::assert_snapshot!(remarks(&one), @"The interval is at 98.3 %, the level that all primary comparisons share, and does not exclude the margin. That it is not worse by more than the margin was tested by itself (p 0.0010).");
    let text = remarks(&one);
    one.effect.as_mut().unwrap().interval.upper = Some(1.23);
    assert_eq!(remarks(&one), text);
    // With an end within the margin there is nothing to explain.
    one.effect.as_mut().unwrap().interval.upper = Some(1.1);
    assert_eq!(remarks(&one), "");
    one.metric = Metric::OutputRate;
    assert_ne!(remarks(&one), "");
}

#[test]
fn an_exploratory_comparison_without_a_verdict_has_its_reason() {
    // TTFA replaces TTFT: the screen gives the reason next to the verdicts, and below the table of exploratory
    // comparisons. An interval that is too wide is visible in the table.
    let mut ttfa = comparison(Metric::Ttfa, Verdict::Ok, 1.0, Interval::new(0.9, 1.1));
    ttfa.primary = true;
    let mut first_token = comparison(
        Metric::Ttft,
        Verdict::Inconclusive,
        1.0,
        Interval::new(0.9, 1.1),
    );
    (first_token.primary, first_token.reasons) = (false, vec![Reason::ReasoningDiffers]);
    let mut latency = comparison(
        Metric::Latency,
        Verdict::Inconclusive,
        1.0,
        Interval::new(0.5, 2.0),
    );
    (latency.primary, latency.reasons) = (false, vec![Reason::TooWide]);
    let comparisons = vec![ttfa, first_token, latency];
    let judgement = Judgement::new(ComparisonDesign::Interleaved, comparisons, Vec::new());
    let verdicts = Verdicts::new(&Evaluation::from_judgement(judgement, &Gate::default()));
    let section = &verdicts.sections[0];
    insta::assert_snapshot!(section.exploratory_reasons.join("\n"), @"TTFT of anthropic/claude: One side shows its reasoning and the other does not, so their first tokens are not comparable: TTFA, the time to the first token of the answer, is judged instead.");
    assert_eq!(section.remarks, section.exploratory_reasons);
    assert_eq!(section.exploratory_shown.rows.len(), 2);
}
