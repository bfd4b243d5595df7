//! Tests of the text of verdicts: every sentence, every format, for any label.

#![allow(clippy::too_many_lines, reason = "a test holds a whole page")]

use proptest::prelude::*;

use crate::stats::interval::Interval;
use crate::suite::{Bounds, Direction, Gate, Metric};
use crate::units::Nanos;
use crate::verdict::fixture::{comparison, judgement, limit_checks, route_shift};
use crate::verdict::{
    ComparisonDesign, DeclaredChange, EffectByPrompt, GatedJudgement, IncomparableHistory,
    Judgement, Reason, Verdict,
};

use super::*;

/// The fixture's judgement and limits, as one that can fail or not.
fn evaluation(gates: bool) -> Evaluation {
    Evaluation {
        judgements: vec![GatedJudgement {
            judgement: judgement(),
            gates,
        }],
        limits: limit_checks(),
        outputs: Vec::new(),
        switches: Vec::new(),
        gate: Gate::default(),
    }
}

fn comparison_report(evaluation: &Evaluation) -> ComparisonReport {
    ComparisonReport::new("quickstart", "run A", "bakeoff 0.1.0", evaluation)
}

#[test]
fn a_page_of_verdicts() {
    // Sentences first, exploratory ones folded, every inconclusive with what it would need.
    insta::assert_snapshot!(comparison_report(&evaluation(true)).markdown(), @r"
    # bakeoff: quickstart

    run A

    ## Verdicts

    ### Against the reference openai/gpt-5-mini

    - **better**: anthropic/claude has a lower TTFT: 0.62x the TTFT of openai/gpt-5-mini, 98.3 % CI 0.55–0.70, 20 prompts x 10.
    - **worse**: anthropic/claude costs more: 2.50x the cost of openai/gpt-5-mini, 98.3 % CI 2.40–2.60, 20 prompts x 10. One prompt decides: without \`long\` it would be not worse.
    - **inconclusive**: Whether anthropic/claude has a lower completed share is inconclusive: -2.0 points in the share of completed answers against that of openai/gpt-5-mini, 98.3 % CI -5.0 to +1.0, 20 prompts, 197 against 200 values. The interval is too wide: add prompts or repetitions. Providers differ in their share of the answers (\`azure\`: 40.0 % of the candidate's, 90.0 % of the reference's); within one provider: \`azure\` inconclusive. This run could detect a drop of 6.5 points or more (80 % power). To detect a drop of 5 points it needs about 24 prompts x 10 repetitions.
    - The level of \`anthropic/claude\` rose by 12 % during the run.

    | candidate | metric | effect | CI | prompts | n | n ref | verdict | in words | detectable | would need |
    | --- | --- | ---: | ---: | ---: | ---: | ---: | --- | --- | ---: | ---: |
    | anthropic/claude | ttft | 0.62x (0.55–0.70) | 98.3 % | 20 | 200 | 200 | better | has a lower TTFT | – | – |
    | anthropic/claude | cost | 2.50x (2.40–2.60) | 98.3 % | 20 | 200 | 200 | worse | costs more | – | – |
    | anthropic/claude | completed | -2.0 points (-5.0 to +1.0) | 98.3 % | 20 | 197 | 200 | inconclusive | inconclusive | 6.5 points | 24 x 10 |

    - Effects are candidate over reference (points: candidate less reference), in brackets their 98.3 % intervals. Of times: the typical ratio on the same prompt (aligned ranks), not the ratio of medians; of cost: the ratio of mean costs over prompts.
    - Worse or better: by more than the tolerance; not worse: surely not worse by more than the margin. Tolerance / margin: TTFT 5 % / 20 % (floor 10.0 ms), cost 5 % / 20 %, completed 2 points / 5 points.

    <details><summary>Exploratory comparisons, adjusted for their number (Benjamini-Hochberg); they fail nothing</summary>

    | candidate | metric | effect | CI | prompts | n | n ref | verdict | in words |
    | --- | --- | ---: | ---: | ---: | ---: | ---: | --- | --- |
    | anthropic/claude | latency | 1.02x (0.95–1.10) | 98.3 % | 20 | 200 | 200 | not worse | does not have a higher latency by more than 20 % |

    </details>

    <details><summary>On how many prompts, and where most</summary>

    | candidate | metric | worse on | equal on | better on | worst prompt | there | best prompt | there |
    | --- | --- | ---: | ---: | ---: | --- | ---: | --- | ---: |
    | anthropic/claude | ttft | 0 | 1 | 2 | sum | 1.00x | greet | 0.62x |
    | anthropic/claude | cost | 2 | 1 | 0 | long | 3.75x | sum | 1.00x |
    | anthropic/claude | completed | 2 | 0 | 1 | long | -3.0 points | sum | +100.0 points |

    </details>

    <details><summary>The effect on each prompt</summary>

    | prompt | candidate | TTFT | cost | completed |
    | --- | --- | ---: | ---: | ---: |
    | greet | anthropic/claude | 0.62x | 2.50x | -2.0 points |
    | sum | anthropic/claude | 1.00x | 1.00x | +100.0 points |
    | long | anthropic/claude | 0.93x | 3.75x | -3.0 points |

    </details>

    <details><summary>Within the answers of one provider</summary>

    | candidate | metric | provider | of the reference | of the candidate | verdict |
    | --- | --- | --- | ---: | ---: | --- |
    | anthropic/claude | completed | azure | 90.0 % | 40.0 % | inconclusive |

    </details>

    <details><summary>How it was judged, and why so</summary>

    - Both sides of every comparison got the same prompts at the same moments, so drift and load affect both alike; the intervals cover chance, with prompts as the units.
    - The probability of calling any of the 3 primary comparisons worse where none is worse by more than its tolerance is at most 2.5 % in all; the same for better. Exploratory ones are adjusted for their number (Benjamini-Hochberg): of those called worse, a share of at most 2.5 % is expected to be wrong.
    - TTFT, latency: ranks around each prompt's own median (clustered aligned ranks), robust to a few very slow answers; prompts are the units, because repetitions of one say little about others.
    - cost: the ratio of mean costs over prompts (Fieller), because a bill is a sum and not a median.
    - completed: the difference of shares on each prompt, by Student's t over prompts (Newcombe's interval where all prompts agree or have one answer a side).

    </details>

    ## Limits

    | variant | limit | bound | measured | n | holds |
    | --- | --- | ---: | ---: | ---: | --- |
    | anthropic/claude | ttft_p75 | 1.50 s | 1.80 s (1.70–2.00) | 200 | no |
    | anthropic/claude | error_rate | 2.0 % | 1.5 % (0.4–4.0) | 200 | inconclusive |
    | anthropic/claude | cost_per_request | $0.0100 | $0.00125 (0.00100–0.00150) | 200 | yes |
    ");
}

#[test]
fn a_screen_of_verdicts() {
    // One line a comparison; what is true of several stands once below.
    let style = Style {
        colour: false,
        width: 120,
    };
    insta::assert_snapshot!(comparison_report(&evaluation(false)).terminal(style, true), @"
    run A

    Against the reference openai/gpt-5-mini
    candidate         metric                         effect  prompts    n  verdict       detectable  would need
    anthropic/claude  ttft                0.62x (0.55–0.70)       20  200  better                 –           –
    anthropic/claude  cost                2.50x (2.40–2.60)       20  200  worse                  –           –
    anthropic/claude  completed  -2.0 points (-5.0 to +1.0)       20  197  inconclusive  6.5 points     24 x 10
    left out at this width: CI, n ref, in words
    cost of anthropic/claude: One prompt decides: without `long` it would be not worse.
    completed of anthropic/claude: The interval is too wide: add prompts or repetitions. Providers differ in their share of
    the answers (`azure`: 40.0 % of the candidate's, 90.0 % of the reference's); within one provider: `azure` inconclusive.
    The level of `anthropic/claude` rose by 12 % during the run.
    Effects are candidate over reference (points: candidate less reference), in brackets their 98.3 % intervals. Of times:
    the typical ratio on the same prompt (aligned ranks), not the ratio of medians; of cost: the ratio of mean costs over
    prompts.
    Worse or better: by more than the tolerance; not worse: surely not worse by more than the margin. Tolerance / margin:
    TTFT 5 % / 20 % (floor 10.0 ms), cost 5 % / 20 %, completed 2 points / 5 points.
    These verdicts do not affect the exit code; `against_reference = true` under [gate] would make them.

    Limits
    variant           limit               bound                    measured    n  holds
    anthropic/claude  ttft_p75           1.50 s          1.80 s (1.70–2.00)  200  no
    anthropic/claude  error_rate          2.0 %             1.5 % (0.4–4.0)  200  inconclusive
    anthropic/claude  cost_per_request  $0.0100  $0.00125 (0.00100–0.00150)  200  yes

    Exploratory, adjusted for their number (Benjamini-Hochberg); they fail nothing
    candidate         metric              effect  prompts    n  verdict    in words
    anthropic/claude  latency  1.02x (0.95–1.10)       20  200  not worse  does not have a higher latency by more than 20 %
    left out at this width: CI, n ref
    ");
}

#[test]
fn a_narrow_screen_of_verdicts() {
    // On 80 columns the name, the effect and the verdict stay.
    let style = Style {
        colour: false,
        width: 80,
    };
    insta::assert_snapshot!(comparison_report(&evaluation(false)).terminal(style, true), @"
    run A

    Against the reference openai/gpt-5-mini
    candidate         metric                         effect  verdict
    anthropic/claude  ttft                0.62x (0.55–0.70)  better
    anthropic/claude  cost                2.50x (2.40–2.60)  worse
    anthropic/claude  completed  -2.0 points (-5.0 to +1.0)  inconclusive
    left out at this width: CI, prompts, n, n ref, in words, detectable, would need
    cost of anthropic/claude: One prompt decides: without `long` it would be not
    worse.
    completed of anthropic/claude: The interval is too wide: add prompts or
    repetitions. Providers differ in their share of the answers (`azure`: 40.0 % of
    the candidate's, 90.0 % of the reference's); within one provider: `azure`
    inconclusive.
    The level of `anthropic/claude` rose by 12 % during the run.
    Effects are candidate over reference (points: candidate less reference), in
    brackets their 98.3 % intervals. Of times: the typical ratio on the same prompt
    (aligned ranks), not the ratio of medians; of cost: the ratio of mean costs over
    prompts.
    Worse or better: by more than the tolerance; not worse: surely not worse by more
    than the margin. Tolerance / margin: TTFT 5 % / 20 % (floor 10.0 ms), cost 5 % /
    20 %, completed 2 points / 5 points.
    These verdicts do not affect the exit code; `against_reference = true` under
    [gate] would make them.

    Limits
    variant           limit               bound  measured  holds
    anthropic/claude  ttft_p75           1.50 s    1.80 s  no
    anthropic/claude  error_rate          2.0 %     1.5 %  inconclusive
    anthropic/claude  cost_per_request  $0.0100  $0.00125  yes
    left out at this width: n

    Exploratory, adjusted for their number (Benjamini-Hochberg); they fail nothing
    candidate         metric              effect  prompts    n  verdict
    anthropic/claude  latency  1.02x (0.95–1.10)       20  200  not worse
    left out at this width: CI, n ref, in words
    ");
}

#[test]
fn verdicts_as_test_cases() {
    // A regression is a failure, an inconclusive is skipped with its reason, and names are stable.
    insta::assert_snapshot!(comparison_report(&evaluation(true)).junit(), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="bakeoff" tests="6" failures="2" errors="0">
      <testsuite name="quickstart" tests="6" failures="2" errors="0" skipped="2">
        <testcase classname="anthropic/claude" name="anthropic/claude: ttft against openai/gpt-5-mini">
          <system-out>anthropic/claude has a lower TTFT: 0.62x the TTFT of openai/gpt-5-mini, 98.3 % CI 0.55–0.70, 20 prompts x 10.</system-out>
        </testcase>
        <testcase classname="anthropic/claude" name="anthropic/claude: cost against openai/gpt-5-mini">
          <failure type="worse" message="anthropic/claude costs more: 2.50x the cost of openai/gpt-5-mini, 98.3 % CI 2.40–2.60, 20 prompts x 10. One prompt decides: without `long` it would be not worse.">anthropic/claude costs more: 2.50x the cost of openai/gpt-5-mini, 98.3 % CI 2.40–2.60, 20 prompts x 10. One prompt decides: without `long` it would be not worse.</failure>
        </testcase>
        <testcase classname="anthropic/claude" name="anthropic/claude: completed against openai/gpt-5-mini">
          <skipped message="Whether anthropic/claude has a lower completed share is inconclusive: -2.0 points in the share of completed answers against that of openai/gpt-5-mini, 98.3 % CI -5.0 to +1.0, 20 prompts, 197 against 200 values. The interval is too wide: add prompts or repetitions. Providers differ in their share of the answers (`azure`: 40.0 % of the candidate&apos;s, 90.0 % of the reference&apos;s); within one provider: `azure` inconclusive. This run could detect a drop of 6.5 points or more (80 % power). To detect a drop of 5 points it needs about 24 prompts x 10 repetitions."/>
        </testcase>
        <testcase classname="anthropic/claude" name="anthropic/claude: limit ttft_p75">
          <failure type="limit" message="anthropic/claude: the limit ttft_p75 of at most 1.50 s is broken: 1.80 s (1.70–2.00), n 200.">anthropic/claude: the limit ttft_p75 of at most 1.50 s is broken: 1.80 s (1.70–2.00), n 200.</failure>
        </testcase>
        <testcase classname="anthropic/claude" name="anthropic/claude: limit error_rate">
          <skipped message="anthropic/claude: the limit error_rate of at most 2.0 % is inconclusive: 1.5 % (0.4–4.0), n 200."/>
        </testcase>
        <testcase classname="anthropic/claude" name="anthropic/claude: limit cost_per_request">
          <system-out>anthropic/claude: the limit cost_per_request of at most $0.0100 holds: $0.00125 (0.00100–0.00150), n 200.</system-out>
        </testcase>
      </testsuite>
    </testsuites>
    "#);
}

#[test]
fn only_what_is_inconclusive_is_a_skipped_test_case() {
    // A plain run fails nothing but by its limits, and its test report must not either; what was judged is no
    // skipped test, whichever way it went.
    let xml = comparison_report(&evaluation(false)).junit();
    assert!(
        xml.contains(r#"tests="6" failures="1" errors="0" skipped="2""#),
        "{xml}"
    );
    assert!(
        xml.contains("<system-out>anthropic/claude has a lower TTFT"),
        "{xml}"
    );
    assert!(
        xml.contains("<system-out>anthropic/claude costs more"),
        "{xml}"
    );
}

#[test]
fn a_job_summary_and_its_annotations() {
    // The summary is short: what is bad in full, what is well folded.
    let comparison_report = comparison_report(&evaluation(true));
    insta::assert_snapshot!(github::summary(&comparison_report.job_summary()), @r"
    <!-- bakeoff:quickstart -->
    ### bakeoff quickstart: limits broken: 1, 1 worse, 1 inconclusive, 1 better

    - anthropic/claude: the limit ttft_p75 of at most 1.50 s is broken: 1.80 s (1.70–2.00), n 200.
    - anthropic/claude: the limit error_rate of at most 2.0 % is inconclusive: 1.5 % (0.4–4.0), n 200.

    **Against the reference openai/gpt-5-mini**

    - **worse**: anthropic/claude costs more: 2.50x the cost of openai/gpt-5-mini, 98.3 % CI 2.40–2.60, 20 prompts x 10. One prompt decides: without \`long\` it would be not worse.
    - **inconclusive**: Whether anthropic/claude has a lower completed share is inconclusive: -2.0 points in the share of completed answers against that of openai/gpt-5-mini, 98.3 % CI -5.0 to +1.0, 20 prompts, 197 against 200 values. The interval is too wide: add prompts or repetitions. Providers differ in their share of the answers (\`azure\`: 40.0 % of the candidate's, 90.0 % of the reference's); within one provider: \`azure\` inconclusive. This run could detect a drop of 6.5 points or more (80 % power). To detect a drop of 5 points it needs about 24 prompts x 10 repetitions.

    <details><summary>Passed: 1</summary>

    - **better**: anthropic/claude has a lower TTFT: 0.62x the TTFT of openai/gpt-5-mini, 98.3 % CI 0.55–0.70, 20 prompts x 10.

    </details>
    - The level of \`anthropic/claude\` rose by 12 % during the run.

    <sub>run A</sub>
    ");
    insta::assert_snapshot!(github::annotations(&comparison_report.job_summary()), @"
    ::error title=bakeoff%3A anthropic/claude cost%3A worse::anthropic/claude costs more: 2.50x the cost of openai/gpt-5-mini, 98.3 %25 CI 2.40–2.60, 20 prompts x 10.
    ::error title=bakeoff%3A anthropic/claude ttft_p75::anthropic/claude: the limit ttft_p75 of at most 1.50 s is broken: 1.80 s (1.70–2.00), n 200.
    ::warning title=bakeoff%3A anthropic/claude completed%3A inconclusive::Whether anthropic/claude has a lower completed share is inconclusive: -2.0 points in the share of completed answers against that of openai/gpt-5-mini, 98.3 %25 CI -5.0 to +1.0, 20 prompts, 197 against 200 values.
    ::warning title=bakeoff%3A anthropic/claude error_rate::anthropic/claude: the limit error_rate of at most 2.0 %25 is inconclusive: 1.5 %25 (0.4–4.0), n 200.
    ");
}

#[test]
fn verdicts_as_csv_and_json() {
    // Every field of every comparison, primary ones first, under names that FORMAT.md explains.
    let comparison_report = comparison_report(&evaluation(true));
    let mut bytes = Vec::new();
    comparison_report.write_csv(&mut bytes).unwrap();
    insta::assert_snapshot!(on_its_side(&bytes), @"
    design: interleaved | interleaved | interleaved | interleaved
    candidate: anthropic/claude | anthropic/claude | anthropic/claude | anthropic/claude
    reference: openai/gpt-5-mini | openai/gpt-5-mini | openai/gpt-5-mini | openai/gpt-5-mini
    metric: ttft | cost | completed | latency
    primary: true | true | true | false
    procedure: aligned_ranks | ratio_of_means | rate_difference | aligned_ranks
    tolerance: 0.050 | 0.050 | 0.020 | 0.050
    margin: 0.200 | 0.200 | 0.050 | 0.200
    floor_ms: 10.000 |  |  | 10.000
    effect: 0.620 | 2.500 | -0.020 | 1.020
    level: 0.983 | 0.983 | 0.983 | 0.983
    prompts: 20 | 20 | 20 | 20
    candidate_n: 200 | 200 | 197 | 200
    reference_n: 200 | 200 | 200 | 200
    past_runs: 0 | 0 | 0 | 0
    p_worse: 0.999000 | 0.999000 | 0.999000 | 0.999000
    p_better: 0.000001 | 0.000001 | 0.000001 | 0.000001
    p_within_margin: 0.250000 | 0.250000 | 0.250000 | 0.250000
    verdict: better | worse | inconclusive | not_worse
    meaning: has a lower TTFT | costs more | inconclusive | does not have a higher latency by more than 20 %
    reasons:  |  | too_wide;route_shift |
    explanation:  | One prompt decides: without `long` it would be not worse. | The interval is too wide: add prompts or repetitions. Providers differ in their share of the answers (`azure`: 40.0 % of the candidate's, 90.0 % of the reference's); within one provider: `azure` inconclusive. This run could detect a drop of 6.5 points or more (80 % power). To detect a drop of 5 points it needs about 24 prompts x 10 repetitions. |
    detectable:  |  | 0.065 |
    needed:  |  | 24x10 |
    prompts_worse: 0 | 2 | 2 | 2
    prompts_better: 2 | 0 | 1 | 0
    influential_prompt:  | long |  |
    verdict_without:  | not_worse |  |
    one_prompt_decides:  | true |  |
    effect_lower: 0.550 | 2.400 | -0.050 | 0.950
    effect_upper: 0.700 | 2.600 | 0.010 | 1.100
    ");
    let mut json = Vec::new();
    comparison_report.write_json(&mut json).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["version"], 2);
    let comparisons = &json["verdicts"][0]["comparisons"];
    assert_eq!(comparisons.as_array().unwrap().len(), 4);
    assert_eq!(comparisons[0]["effect"], 0.62);
    assert_eq!(comparisons[2]["effect"], -0.02);
    assert_eq!(comparisons[2]["reasons"], "too_wide;route_shift");
    assert_eq!(json["verdicts"][0]["primary"][1]["verdict"], "worse");
    assert_eq!(json["limits"][0]["holds"], "no");
}

/// The sentences of one comparison in a design.
fn sentences(design: ComparisonDesign, comparison: crate::verdict::Comparison) -> String {
    let judgement = Judgement::new(design, vec![comparison], Vec::new());
    let verdicts = Verdicts::new(&Evaluation::from_judgement(judgement, &Gate::default()));
    let text = &verdicts.sections[0].comparison_texts[0];
    format!("{} {}", text.sentence, text.remarks.join(" "))
        .trim()
        .to_owned()
}

#[test]
fn words_follow_the_direction_of_a_metric() {
    // *Regressed* means slower, more expensive or less often right, whichever way the number goes.
    let lines = Metric::ALL.map(|metric| {
        let (better, same, worse) = match (metric.scale(), metric.direction()) {
            (crate::suite::Scale::Ratio, Direction::LowerIsBetter) => (0.8, 1.0, 1.25),
            (crate::suite::Scale::Ratio, Direction::HigherIsBetter) => (1.25, 1.0, 0.8),
            (crate::suite::Scale::Points, Direction::LowerIsBetter) => (-0.1, 0.0, 0.1),
            (crate::suite::Scale::Points, Direction::HigherIsBetter) => (0.1, 0.0, -0.1),
        };
        [
            (Verdict::Improved, better),
            (Verdict::Regressed, worse),
            (Verdict::Ok, same),
        ]
        .map(|(verdict, effect)| {
            let ends = Interval::new(effect - 0.05, effect + 0.05);
            sentences(
                ComparisonDesign::Interleaved,
                comparison(metric, verdict, effect, ends),
            )
        })
        .join("\n")
    });
    insta::assert_snapshot!(lines.join("\n"), @"
    anthropic/claude has a lower TTFT: 0.80x the TTFT of openai/gpt-5-mini, 98.3 % CI 0.75–0.85, 20 prompts x 10.
    anthropic/claude has a higher TTFT: 1.25x the TTFT of openai/gpt-5-mini, 98.3 % CI 1.20–1.30, 20 prompts x 10.
    anthropic/claude does not have a higher TTFT by more than 20 %: 1.00x the TTFT of openai/gpt-5-mini, 98.3 % CI 0.95–1.05, 20 prompts x 10.
    anthropic/claude has a lower TTFA: 0.80x the TTFA of openai/gpt-5-mini, 98.3 % CI 0.75–0.85, 20 prompts x 10.
    anthropic/claude has a higher TTFA: 1.25x the TTFA of openai/gpt-5-mini, 98.3 % CI 1.20–1.30, 20 prompts x 10.
    anthropic/claude does not have a higher TTFA by more than 20 %: 1.00x the TTFA of openai/gpt-5-mini, 98.3 % CI 0.95–1.05, 20 prompts x 10.
    anthropic/claude has a lower experienced TTFT: 0.80x the experienced TTFT of openai/gpt-5-mini, 98.3 % CI 0.75–0.85, 20 prompts x 10.
    anthropic/claude has a higher experienced TTFT: 1.25x the experienced TTFT of openai/gpt-5-mini, 98.3 % CI 1.20–1.30, 20 prompts x 10.
    anthropic/claude does not have a higher experienced TTFT by more than 20 %: 1.00x the experienced TTFT of openai/gpt-5-mini, 98.3 % CI 0.95–1.05, 20 prompts x 10.
    anthropic/claude has a lower latency: 0.80x the latency of openai/gpt-5-mini, 98.3 % CI 0.75–0.85, 20 prompts x 10.
    anthropic/claude has a higher latency: 1.25x the latency of openai/gpt-5-mini, 98.3 % CI 1.20–1.30, 20 prompts x 10.
    anthropic/claude does not have a higher latency by more than 20 %: 1.00x the latency of openai/gpt-5-mini, 98.3 % CI 0.95–1.05, 20 prompts x 10.
    anthropic/claude has fewer late first tokens: -10.0 points in the share of late first tokens against that of openai/gpt-5-mini, 98.3 % CI -15.0 to -5.0, 20 prompts x 10.
    anthropic/claude has more late first tokens: +10.0 points in the share of late first tokens against that of openai/gpt-5-mini, 98.3 % CI +5.0 to +15.0, 20 prompts x 10.
    anthropic/claude does not have more late first tokens by more than 5 points: 0.0 points in the share of late first tokens against that of openai/gpt-5-mini, 98.3 % CI -5.0 to +5.0, 20 prompts x 10.
    anthropic/claude has a lower inter-token latency: 0.80x the mean gap of openai/gpt-5-mini, 98.3 % CI 0.75–0.85, 20 prompts x 10.
    anthropic/claude has a higher inter-token latency: 1.25x the mean gap of openai/gpt-5-mini, 98.3 % CI 1.20–1.30, 20 prompts x 10.
    anthropic/claude does not have a higher inter-token latency by more than 20 %: 1.00x the mean gap of openai/gpt-5-mini, 98.3 % CI 0.95–1.05, 20 prompts x 10.
    anthropic/claude has a higher output rate: 1.25x the output rate of openai/gpt-5-mini, 98.3 % CI 1.20–1.30, 20 prompts x 10.
    anthropic/claude has a lower output rate: 0.80x the output rate of openai/gpt-5-mini, 98.3 % CI 0.75–0.85, 20 prompts x 10.
    anthropic/claude does not have a lower output rate by more than 20 %: 1.00x the output rate of openai/gpt-5-mini, 98.3 % CI 0.95–1.05, 20 prompts x 10.
    anthropic/claude has fewer output tokens: 0.80x the tokens of openai/gpt-5-mini, 98.3 % CI 0.75–0.85, 20 prompts x 10.
    anthropic/claude has more output tokens: 1.25x the tokens of openai/gpt-5-mini, 98.3 % CI 1.20–1.30, 20 prompts x 10.
    anthropic/claude does not have more output tokens by more than 20 %: 1.00x the tokens of openai/gpt-5-mini, 98.3 % CI 0.95–1.05, 20 prompts x 10.
    anthropic/claude costs less: 0.80x the cost of openai/gpt-5-mini, 98.3 % CI 0.75–0.85, 20 prompts x 10.
    anthropic/claude costs more: 1.25x the cost of openai/gpt-5-mini, 98.3 % CI 1.20–1.30, 20 prompts x 10.
    anthropic/claude does not cost more by more than 20 %: 1.00x the cost of openai/gpt-5-mini, 98.3 % CI 0.95–1.05, 20 prompts x 10.
    anthropic/claude has a higher completed share: +10.0 points in the share of completed answers against that of openai/gpt-5-mini, 98.3 % CI +5.0 to +15.0, 20 prompts x 10.
    anthropic/claude has a lower completed share: -10.0 points in the share of completed answers against that of openai/gpt-5-mini, 98.3 % CI -15.0 to -5.0, 20 prompts x 10.
    anthropic/claude does not have a lower completed share by more than 5 points: 0.0 points in the share of completed answers against that of openai/gpt-5-mini, 98.3 % CI -5.0 to +5.0, 20 prompts x 10.
    anthropic/claude has a higher pass rate: +10.0 points in the share of passed answers against that of openai/gpt-5-mini, 98.3 % CI +5.0 to +15.0, 20 prompts x 10.
    anthropic/claude has a lower pass rate: -10.0 points in the share of passed answers against that of openai/gpt-5-mini, 98.3 % CI -15.0 to -5.0, 20 prompts x 10.
    anthropic/claude does not have a lower pass rate by more than 5 points: 0.0 points in the share of passed answers against that of openai/gpt-5-mini, 98.3 % CI -5.0 to +5.0, 20 prompts x 10.
    ");
}

#[test]
fn the_past_has_its_own_words() {
    // Against the past a model is compared with itself, and the reader must see that.
    let lines = [
        Verdict::Improved,
        Verdict::Regressed,
        Verdict::Ok,
        Verdict::Inconclusive,
    ]
    .map(|verdict| {
        let (effect, ends) = match verdict {
            Verdict::Ok => (1.0, Interval::new(0.9, 1.1)),
            _ => (1.3, Interval::new(1.1, 1.5)),
        };
        let mut one = comparison(Metric::Ttft, verdict, effect, ends);
        one.reference = one.candidate.clone();
        one.size.runs = 10;
        one.reasons = vec![Reason::TooWide];
        sentences(ComparisonDesign::History, one)
    });
    insta::assert_snapshot!(lines.join("\n"), @"
    anthropic/claude has improved in TTFT: 1.30x the TTFT before, 98.3 % CI 1.10–1.50, 20 prompts, 200 values, 10 past runs. The interval is too wide: add past runs, or another run; more requests in one run do not help.
    anthropic/claude has a higher TTFT than before: 1.30x the TTFT before, 98.3 % CI 1.10–1.50, 20 prompts, 200 values, 10 past runs. The interval is too wide: add past runs, or another run; more requests in one run do not help.
    anthropic/claude does not have a higher TTFT by more than 20 %: 1.00x the TTFT before, 98.3 % CI 0.90–1.10, 20 prompts, 200 values, 10 past runs. The interval is too wide: add past runs, or another run; more requests in one run do not help.
    Whether anthropic/claude has a higher TTFT is inconclusive: 1.30x the TTFT before, 98.3 % CI 1.10–1.50, 20 prompts, 200 values, 10 past runs. The interval is too wide: add past runs, or another run; more requests in one run do not help. This run could detect a slowdown of 31 % or more (80 % power). To detect a slowdown of 20 % it needs about 24 prompts x 10 repetitions.
    ");
}

#[test]
fn every_reason_is_a_sentence() {
    // No reader is left with *inconclusive* alone.
    let (reference, candidate) = (0.05, 0.25);
    let reasons = [
        Reason::TooWide,
        Reason::TooFewPrompts { usable: 5 },
        Reason::PromptsDropped { dropped: 7 },
        Reason::TooManyErrors { share: 0.125 },
        Reason::NotMeasured,
        Reason::ReasoningDiffers,
        Reason::Excluded {
            reference,
            candidate,
        },
        Reason::CacheHitsDiffer {
            reference,
            candidate,
            split: true,
        },
        Reason::RetriesDiffer {
            reference,
            candidate,
        },
        Reason::BelowFloor {
            change_ns: Nanos::from_millis(4),
            floor_ns: Nanos::from_millis(10),
        },
        Reason::Drift,
        route_shift(),
        Reason::Unconfirmed,
        Reason::NotSeparable,
        Reason::NoHistory,
        Reason::Incomparable(IncomparableHistory {
            runs: 10,
            variants: Vec::new(),
            reasons: vec!["20 prompts have other texts".to_owned()],
            missing_flags: [DeclaredChange::Prompt].into(),
        }),
        Reason::NoTailInHistory,
        Reason::LevelMoved {
            began: "2025-01-06T12:00:00Z".parse().unwrap(),
            change: 0.15,
            runs: 12,
        },
        Reason::DecidedEarlier { round: 3 },
    ];
    let one = comparison(Metric::Ttft, Verdict::Inconclusive, 1.0, Interval::NONE);
    let lines = reasons.map(|reason| wording::reason(ComparisonDesign::Interleaved, &one, &reason));
    for line in &lines {
        assert!(
            line.ends_with('.') && line.starts_with(char::is_alphanumeric),
            "{line}"
        );
    }
    insta::assert_snapshot!(lines.join("\n"), @"
    The interval is too wide: add prompts or repetitions.
    Prompts with values on both sides: 5; a verdict needs 6.
    Prompts without a value on one side: 7, more than 20 % of all.
    12.5 % of the requests of one side failed or ran into a deadline (more than 10 %): its times cannot be compared.
    There are no values of it on both sides.
    One side shows its reasoning and the other does not, so their first tokens are not comparable: TTFA, the time to the first token of the answer, is judged instead.
    Excluded samples (buffered, cold, client-limited) change the verdict, or their shares differ: 25.0 % of the candidate's, 5.0 % of the reference's.
    Answers that hit the prompt cache differ in share (25.0 % of the candidate's, 5.0 % of the reference's): hits and misses were compared separately.
    Retried trials differ in share (25.0 % of the candidate's, 5.0 % of the reference's): the experienced TTFT is judged, too.
    At the median over prompts it changed by 4.00 ms, less than the floor of 10.0 ms.
    The level moved during the run, which cannot be distinguished from a change since the past.
    Providers differ in their share of the answers (`azure`: 40.0 % of the candidate's, 90.0 % of the reference's), so this compares routes as well as models.
    This is the first flag: a second run, an hour or more later, decides.
    It moved apart from the other models by more than chance, but which of them moved is unknown: three or more models, or the reference of the same run, would tell.
    No past run has a value of it.
    10 accepted runs cannot be compared: 20 prompts have other texts. Reset the baseline (`accept --reset`), or compare with `--changed prompt`.
    A history has baselines, not tails: compare variants of one run by tails.
    Since its level began on 2025-01-06, accepted runs have moved it by +15.0 % (12 runs).
    Decided after round 3.
    ");
}

#[test]
fn a_comparison_without_an_effect_has_a_sentence() {
    // A metric that one side lacks is reported, not left out.
    let mut one = comparison(Metric::Cost, Verdict::Inconclusive, 1.0, Interval::NONE);
    one.effect = None;
    one.tests = None;
    one.detectable_change = None;
    one.required_size = None;
    one.per_prompt = EffectByPrompt::default();
    one.reasons = vec![Reason::NotMeasured];
    assert_eq!(
        sentences(ComparisonDesign::Interleaved, one),
        "Whether anthropic/claude costs more is inconclusive. There are no values of it on both sides."
    );
}

#[test]
fn bounds_are_printed_in_the_unit_of_their_metric() {
    // 0.2 of a ratio is 20 %, 0.05 of a share are 5 points.
    let ttft = wording::tolerances(Metric::Ttft, Bounds::default_of(Metric::Ttft));
    let completed = wording::tolerances(Metric::Completed, Bounds::default_of(Metric::Completed));
    assert_eq!(ttft, "TTFT 5 % / 20 % (floor 10.0 ms)");
    assert_eq!(completed, "completed 2 points / 5 points");
}

/// Reads a document of elements, attributes and texts strictly, as XML 1.0 has them, and returns the
/// (attributes, text) of every element of this name.
fn elements(xml: &str, element: &str) -> Vec<(Vec<(String, String)>, String)> {
    let allowed = |c: char| {
        matches!(c, '\n' | '\t')
            || (c >= ' ' && !matches!(c, '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}'))
    };
    assert!(
        xml.chars().all(allowed),
        "a character that XML does not allow"
    );
    let unescape = |text: &str| {
        for (at, _) in text.match_indices('&') {
            let known = ["&amp;", "&lt;", "&gt;", "&quot;", "&apos;"];
            assert!(
                known.iter().any(|one| text[at..].starts_with(one)),
                "{text}"
            );
        }
        assert!(!text.contains('<'), "{text}");
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&apos;", "'")
            .replace("&amp;", "&")
    };
    let mut open: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    let mut rest = xml
        .strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>")
        .unwrap();
    while let Some((text, after)) = rest.split_once('<') {
        unescape(text);
        // `>` is escaped in attributes: the first one ends the tag.
        let (tag, after) = after.split_once('>').unwrap();
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
            continue;
        }
        let (tag, empty) = tag
            .strip_suffix('/')
            .map_or((tag, false), |tag| (tag, true));
        let (name, mut attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut pairs = Vec::new();
        while let Some((key, after)) = attributes.split_once("=\"") {
            let (value, after) = after.split_once('"').unwrap();
            pairs.push((key.trim().to_owned(), unescape(value)));
            attributes = after;
        }
        assert!(attributes.trim().is_empty(), "{tag}");
        if name == element {
            let inner = if empty {
                ""
            } else {
                rest.split_once('<').unwrap().0
            };
            found.push((pairs, unescape(inner)));
        }
        if !empty {
            open.push(name);
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty());
    found
}

proptest! {
    // For any model name of a gateway or a suite, junit.xml is XML and the name survives except one
    // line in which nothing allow.
    #[test]
    fn any_label_is_a_test_case(label in any::<String>()) {
        let mut evaluation = evaluation(true);
        for comparison in &mut evaluation.judgements[0].judgement.comparisons {
            comparison.candidate.clone_from(&label);
        }
        let xml = comparison_report(&evaluation).junit();
        let cases = elements(&xml, "testcase");
        prop_assert_eq!(cases.len(), 6);
        let expected: String = crate::units::one_line(&label).into_owned();
        prop_assert!(!expected.contains(crate::units::is_unsafe_char));
        prop_assert_eq!(&cases[0].0[0], &("classname".to_owned(), expected));
        prop_assert_eq!(elements(&xml, "failure").len(), 2);
        prop_assert_eq!(elements(&xml, "skipped").len(), 2);
    }

    // No label acts on a page, in a terminal or as a workflow command.
    #[test]
    fn no_label_acts(label in any::<String>()) {
        let mut evaluation = evaluation(true);
        for comparison in &mut evaluation.judgements[0].judgement.comparisons {
            comparison.candidate.clone_from(&label);
            let prompts = comparison.per_prompt.iter().map(|(_, effect)| effect);
            comparison.per_prompt = prompts.map(|effect| (label.as_str().into(), effect)).collect();
        }
        let comparison_report = comparison_report(&evaluation);
        let page = github::summary(&comparison_report.job_summary());
        let lines = page.lines().filter(|line| line.starts_with("- **worse**"));
        prop_assert_eq!(lines.count(), 1);
        let commands = github::annotations(&comparison_report.job_summary());
        prop_assert_eq!(commands.lines().count(), 4);
        prop_assert!(commands.lines().all(|line| line.starts_with("::error ") || line.starts_with("::warning ")));
        let screen = comparison_report.terminal(Style { colour: false, width: 100 }, true);
        prop_assert!(!screen.chars().any(|c| c.is_control() && c != '\n'));
    }

    // No line is wider than the terminal.
    #[test]
    fn verdicts_fit_the_terminal(width in 70_usize..200) {
        let screen = comparison_report(&evaluation(true)).terminal(Style { colour: false, width }, true);
        for line in screen.lines() {
            let columns = unicode_width::UnicodeWidthStr::width(line);
            prop_assert!(columns <= width, "{} > {}: {}", columns, width, line);
            prop_assert!(!line.ends_with(' '));
        }
    }
}
