//! Tests of the sentences on output tokens: each is true of the data behind it.

use super::*;
use crate::report::tests::render;
use crate::report::{Report, ReportFormat};
use crate::stats::interval::Interval;
use crate::suite::Gate;
use crate::verdict::Evaluation;
use crate::verdict::fixture::{judgement, manifest};
use crate::verdict::{RunFold, RunSummary};

fn ratio(ratio: f64, (lower, upper): (f64, f64)) -> RatioChange {
    RatioChange {
        ratio,
        interval: Interval::new(lower, upper),
        prompts: 20,
        beyond_noise: lower > 1.0 || upper < 1.0,
    }
}

/// 200 answers a side; the candidate's reasoning is hidden, and its answers are no longer than the reference's.
fn reasoning() -> OutputChange {
    let output = OutputTotals {
        answered: 200,
        answers: 200,
        tokens: 20_000,
        reporting: 200,
        reporting_tokens: 20_000,
        ..OutputTotals::default()
    };
    OutputChange {
        design: ComparisonDesign::Interleaved,
        candidate: ("new".to_owned(), "b/y".parse().unwrap()),
        reference: ("old".to_owned(), "a/x".parse().unwrap()),
        tokens: Some(ratio(1.62, (1.5, 1.75))),
        visible_tokens: Some(ratio(1.01, (0.95, 1.08))),
        answer_chars: Some(ratio(1.02, (0.97, 1.07))),
        reasoning_tokens: None,
        request_cost: Some(ratio(2.5, (2.4, 2.6))),
        candidate_output: OutputTotals {
            tokens: 32_400,
            reporting_tokens: 32_400,
            reasoning_tokens: 12_400,
            hidden: 180,
            hidden_tokens: 12_400,
            truncated: 3,
            ..output
        },
        reference_output: output,
        prompts: [
            ("long".into(), 3.1),
            ("sum".into(), 0.5),
            ("greet".into(), 1.05),
        ]
        .into(),
    }
}

fn paragraphs(change: OutputChange) -> String {
    Outputs::new(&[change]).paragraphs.join("\n")
}

#[test]
fn hidden_reasoning_is_named() {
    // The bill rose and the answers did not: the user must see the cause.
    insta::assert_snapshot!(Outputs::new(&[reasoning()]).hidden.join("\n"), @"Hidden reasoning of new: in 180 of 200 answers it was hidden, summarised or encrypted; its server reports 12400 output tokens for it.");
    insta::assert_snapshot!(paragraphs(reasoning()), @"new has more output tokens: 1.62x (1.50–1.75) those of old, on 20 prompts. No significant difference in the length of visible answers: 1.02x (0.97–1.07) the characters. Reasoning is 38.3 % of the output of new, and 0.0 % of that of old. Output tokens changed most on long 3.10x, sum 0.50x. At list price a request, its prompt included, costs more on the typical prompt (geometric mean): 2.50x (2.40–2.60). Ended by the token limit, and so shorter than they would have been: of new 3 answers, of old 0.");
}

#[test]
fn hidden_reasoning_above_the_output_is_not_believed() {
    // Tokens that were never written would be called spent.
    let with = |tokens, contradicting| {
        let mut change = reasoning();
        change.candidate_output.hidden_tokens = tokens;
        change.candidate_output.hidden_contradicting = contradicting;
        Outputs::new(&[change]).hidden.join("\n")
    };
    insta::assert_snapshot!(with(0, 180), @"Hidden reasoning of new: in 180 of 200 answers it was hidden, summarised or encrypted; its token count is unknown, because its server reports more reasoning than output tokens.");
    insta::assert_snapshot!(with(400, 20), @"Hidden reasoning of new: in 180 of 200 answers it was hidden, summarised or encrypted; its server reports 400 output tokens for it, without 20 answers for which it reports more reasoning than output tokens.");
}

#[test]
fn a_model_before_and_after() {
    // Shorter answers of another model behind the same label; what is within the noise is called so.
    let mut change = reasoning();
    change.design = ComparisonDesign::TwoRuns;
    change.reference.0 = "new".to_owned();
    change.tokens = Some(ratio(0.8, (0.7, 0.9)));
    change.answer_chars = Some(ratio(0.75, (0.7, 0.8)));
    change.reasoning_tokens = Some(ratio(1.3, (0.9, 1.9)));
    change.reference_output.reasoning_tokens = 9_000;
    change.reference_output.reporting_tokens = 18_000;
    change.candidate_output.hidden = 0;
    change.candidate_output.truncated = 0;
    change.request_cost = Some(ratio(0.98, (0.9, 1.07)));
    change.prompts = change.prompts[..1].into();
    insta::assert_snapshot!(paragraphs(change), @"new (b/y) has fewer output tokens: 0.80x (0.70–0.90) those of new (a/x) before, on 20 prompts. The visible answers are shorter: 0.75x (0.70–0.80) the characters. Reasoning is 38.3 % of the output of new (b/y), and 50.0 % of that of new (a/x) before (1.30x (0.90–1.90) the reasoning tokens, no significant difference). Output tokens changed most on long 3.10x. At list price a request, its prompt included, is not shown to cost more or less on the typical prompt (geometric mean): 0.98x (0.90–1.07).");
}

#[test]
fn noise_gets_no_sentence() {
    // A paragraph that says that nothing differs would be read as a difference.
    let mut change = reasoning();
    change.tokens = Some(ratio(1.02, (0.9, 1.15)));
    change.candidate_output.hidden = 0;
    let outputs = Outputs::new(&[change]);
    assert!(!outputs.is_notable() && outputs.notes.is_empty());
    assert_eq!(
        (outputs.models.rows.len(), outputs.prompts.rows.len()),
        (1, 3)
    );
}

#[test]
fn the_reference_is_reported_once() {
    // With four candidates, the hidden reasoning of the reference is reported once.
    let mut change = reasoning();
    change.tokens = Some(ratio(1.0, (0.9, 1.1)));
    change.reference_output.hidden = 5;
    let mut other = change.clone();
    other.candidate.0 = "third".to_owned();
    let outputs = Outputs::new(&[change, other]);
    assert!(outputs.is_notable() && outputs.paragraphs.is_empty());
    let subjects: Vec<&str> = outputs
        .hidden
        .iter()
        .map(|sentence| sentence.split(':').next().unwrap())
        .collect();
    assert_eq!(
        subjects,
        [
            "Hidden reasoning of old",
            "Hidden reasoning of new",
            "Hidden reasoning of third"
        ]
    );
}

#[test]
fn unreported_counts_are_called_so() {
    // Hidden reasoning without a count, and sides that report no reasoning: no share is invented.
    let mut change = reasoning();
    change.candidate_output.hidden_tokens = 0;
    change.reference_output.reporting_tokens = 0;
    change.answer_chars = None;
    change.request_cost = None;
    let hidden = Outputs::new(std::slice::from_ref(&change)).hidden.join(" ");
    assert!(
        hidden.contains("how many tokens it took is not reported"),
        "{hidden}"
    );
    let paragraph = paragraphs(change);
    assert!(
        paragraph.contains("a part that is not reported of that of old"),
        "{paragraph}"
    );
    assert!(
        !paragraph.contains("characters") && !paragraph.contains("list price"),
        "{paragraph}"
    );
}

#[test]
fn every_format_has_the_paragraph() {
    // The same paragraph on the page and in JSON, with the rows of both tables.
    let run = manifest(&["old", "new"].map(|_| "a/x"), &["long"], 1);
    let mut evaluation = Evaluation::from_judgement(judgement(), &Gate::default());
    evaluation.outputs = vec![reasoning()];
    let summary: RunSummary = RunFold::new(&run).finish([]).summary;
    let report = Report::new(
        &run,
        summary,
        evaluation,
        crate::verdict::RunTimings::default(),
    );
    let paragraph = paragraphs(reasoning());
    let json: serde_json::Value =
        serde_json::from_str(&render(&report, ReportFormat::Json)).unwrap();
    assert_eq!(json["output_tokens"]["paragraphs"][0], paragraph.as_str());
    assert_eq!(
        json["output_tokens"]["models"][0]["output_tokens_upper"],
        1.75
    );
    assert_eq!(json["output_tokens"]["prompts"][1]["prompt"], "sum");
    let page = render(&report, ReportFormat::Markdown);
    let section = page
        .split("<summary>Output tokens</summary>")
        .nth(1)
        .unwrap();
    let section = section
        .split("\n</details>\n\n<details><summary>Problems")
        .next()
        .unwrap();
    insta::assert_snapshot!(section, @"
    - new has more output tokens: 1.62x (1.50–1.75) those of old, on 20 prompts. No significant difference in the length of visible answers: 1.02x (0.97–1.07) the characters. Reasoning is 38.3 % of the output of new, and 0.0 % of that of old. Output tokens changed most on long 3.10x, sum 0.50x. At list price a request, its prompt included, costs more on the typical prompt (geometric mean): 2.50x (2.40–2.60). Ended by the token limit, and so shorter than they would have been: of new 3 answers, of old 0.
    - Hidden reasoning of new: in 180 of 200 answers it was hidden, summarised or encrypted; its server reports 12400 output tokens for it.
    - Models count tokens with tokenizers of their own: the characters of the answer compare across models, output tokens are what is paid.
    - Ratios are candidate over reference: geometric means over prompts of the ratio of mean counts, in brackets 95 % intervals (Student's t, prompts as units). They are not corrected for their number, and fail nothing.

    | candidate | output tokens | without reasoning | characters | cost of a request | prompts |
    | --- | ---: | ---: | ---: | ---: | ---: |
    | new | 1.62x (1.50–1.75) | 1.01x (0.95–1.08) | 1.02x (0.97–1.07) | 2.50x (2.40–2.60) | 20 |

    <details><summary>Output tokens on each prompt</summary>

    | candidate | prompt | output tokens |
    | --- | --- | ---: |
    | new | long | 3.10x |
    | new | sum | 0.50x |
    | new | greet | 1.05x |

    </details>
    ");
}

#[test]
fn two_runs_are_described_as_such() {
    // Two 95 % intervals of one number stand on one page: the report must say what each leaves out.
    let within = Outputs::new(&[reasoning()]);
    assert_eq!(
        (within.over, within.notes.len()),
        ("candidate over reference", 2)
    );
    let mut change = reasoning();
    change.design = ComparisonDesign::TwoRuns;
    let between = Outputs::new(&[change]);
    assert!(
        between.notes[1].starts_with("Ratios are after over before:"),
        "{:?}",
        between.notes
    );
    assert!(between.notes[2].starts_with("These intervals stand for these two runs alone"));
}
