//! Tests of outputs in words: every sentence is true of what it is made from.

use super::*;
use crate::report::tests::written;
use crate::report::{Format, Report};
use crate::stats::interval::Interval;
use crate::suite::Gate;
use crate::verdict::Judged;
use crate::verdict::fixture::{judgement, manifest};
use crate::verdict::{RunSummary, Summaries};

fn ratio(ratio: f64, (lower, upper): (f64, f64)) -> Change {
    Change {
        ratio,
        interval: Interval::new(lower, upper),
        prompts: 20,
        beyond_noise: lower > 1.0 || upper < 1.0,
    }
}

/// 200 answers a side; the candidate reasons where nobody sees it, and answers no longer than the reference.
fn reasoning() -> OutputChange {
    let output = Output {
        answered: 200,
        answers: 200,
        tokens: 20_000,
        told: 200,
        told_tokens: 20_000,
        ..Output::default()
    };
    OutputChange {
        situation: Situation::Interleaved,
        candidate: ("new".to_owned(), "b/y".parse().unwrap()),
        reference: ("old".to_owned(), "a/x".parse().unwrap()),
        tokens: Some(ratio(1.62, (1.5, 1.75))),
        visible_tokens: Some(ratio(1.01, (0.95, 1.08))),
        answer_chars: Some(ratio(1.02, (0.97, 1.07))),
        reasoning_tokens: None,
        request_cost: Some(ratio(2.5, (2.4, 2.6))),
        candidate_output: Output {
            tokens: 32_400,
            told_tokens: 32_400,
            reasoning_tokens: 12_400,
            hidden: 180,
            hidden_tokens: 12_400,
            cut: 3,
            ..output
        },
        reference_output: output,
        prompts: vec![
            ("long".to_owned(), 3.1),
            ("sum".to_owned(), 0.5),
            ("greet".to_owned(), 1.05),
        ],
    }
}

fn told(change: OutputChange) -> String {
    Outputs::new(&[change]).told.join("\n")
}

#[test]
fn hidden_reasoning_is_named() {
    // The bill rose and the answers did not: whoever pays must read why.
    insta::assert_snapshot!(Outputs::new(&[reasoning()]).hidden.join("\n"), @"Hidden reasoning of new: in 180 of 200 answers it was hidden, summarised or encrypted; by the count of its server it took 12400 output tokens.");
    insta::assert_snapshot!(told(reasoning()), @"new writes more output tokens: 1.62x (1.50–1.75) those of old, on 20 prompts. The answers themselves are not shown to differ in length: 1.02x (0.97–1.07) the characters. Reasoning is 38.3 % of the output of new, and 0.0 % of that of old. Output tokens changed most on long 3.10x, sum 0.50x. By list price a request, its prompt included, costs more: 2.50x (2.40–2.60). Ended by the token limit, and so shorter than they would have been: of new 3 answers, of old 0.");
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
    insta::assert_snapshot!(with(0, 180), @"Hidden reasoning of new: in 180 of 200 answers it was hidden, summarised or encrypted; how many tokens it took is not known, because its server counts more reasoning than output tokens.");
    insta::assert_snapshot!(with(400, 20), @"Hidden reasoning of new: in 180 of 200 answers it was hidden, summarised or encrypted; by the count of its server it took 400 output tokens, without 20 answers of which it counts more reasoning than output tokens.");
}

#[test]
fn a_model_before_and_after() {
    // Shorter answers of another model behind the same label; what is within the noise is called so.
    let mut change = reasoning();
    change.situation = Situation::TwoRuns;
    change.reference.0 = "new".to_owned();
    change.tokens = Some(ratio(0.8, (0.7, 0.9)));
    change.answer_chars = Some(ratio(0.75, (0.7, 0.8)));
    change.reasoning_tokens = Some(ratio(1.3, (0.9, 1.9)));
    change.reference_output.reasoning_tokens = 9_000;
    change.reference_output.told_tokens = 18_000;
    change.candidate_output.hidden = 0;
    change.candidate_output.cut = 0;
    change.request_cost = Some(ratio(0.98, (0.9, 1.07)));
    change.prompts.truncate(1);
    insta::assert_snapshot!(told(change), @"new (b/y) writes fewer output tokens: 0.80x (0.70–0.90) those of new (a/x) before, on 20 prompts. The answers themselves are shorter: 0.75x (0.70–0.80) the characters. Reasoning is 38.3 % of the output of new (b/y), and 50.0 % of that of new (a/x) before (1.30x (0.90–1.90) the reasoning tokens, no difference shown). Output tokens changed most on long 3.10x. By list price a request, its prompt included, is not shown to cost more or less: 0.98x (0.90–1.07).");
}

#[test]
fn nothing_is_said_of_noise() {
    // A paragraph that says that nothing differs would be read as a difference.
    let mut change = reasoning();
    change.tokens = Some(ratio(1.02, (0.9, 1.15)));
    change.candidate_output.hidden = 0;
    let outputs = Outputs::new(&[change]);
    assert!(!outputs.is_worth_telling() && outputs.notes.is_empty());
    assert_eq!(
        (outputs.models.rows.len(), outputs.prompts.rows.len()),
        (1, 3)
    );
}

#[test]
fn the_reference_is_told_once() {
    // Beside four candidates its hidden reasoning is the same one.
    let mut change = reasoning();
    change.tokens = Some(ratio(1.0, (0.9, 1.1)));
    change.reference_output.hidden = 5;
    let mut other = change.clone();
    other.candidate.0 = "third".to_owned();
    let outputs = Outputs::new(&[change, other]);
    assert!(outputs.is_worth_telling() && outputs.told.is_empty());
    let of: Vec<&str> = outputs
        .hidden
        .iter()
        .map(|told| told.split(':').next().unwrap())
        .collect();
    assert_eq!(
        of,
        [
            "Hidden reasoning of old",
            "Hidden reasoning of new",
            "Hidden reasoning of third"
        ]
    );
}

#[test]
fn what_is_not_told_is_called_so() {
    // Hidden reasoning without a count, and sides that tell nothing of reasoning: no share is invented.
    let mut change = reasoning();
    change.candidate_output.hidden_tokens = 0;
    change.reference_output.told_tokens = 0;
    change.answer_chars = None;
    change.request_cost = None;
    let hidden = Outputs::new(std::slice::from_ref(&change)).hidden.join(" ");
    assert!(
        hidden.contains("how many tokens it took is not told"),
        "{hidden}"
    );
    let told = told(change);
    assert!(
        told.contains("a part that is not told of that of old"),
        "{told}"
    );
    assert!(
        !told.contains("characters") && !told.contains("list price"),
        "{told}"
    );
}

#[test]
fn every_format_tells_it() {
    // The same paragraph on the page and in JSON, beside the rows of both tables.
    let run = manifest(&["old", "new"].map(|_| "a/x"), &["long"], 1);
    let mut judged = Judged::of_judgement(judgement(), &Gate::default());
    judged.outputs = vec![reasoning()];
    let summary: RunSummary = Summaries::new(&run).finish();
    let report = Report::new(&run, summary, judged);
    let paragraph = told(reasoning());
    let json: serde_json::Value = serde_json::from_str(&written(&report, Format::Json)).unwrap();
    assert_eq!(json["output_tokens"]["told"][0], paragraph.as_str());
    assert_eq!(
        json["output_tokens"]["models"][0]["output_tokens_upper"],
        1.75
    );
    assert_eq!(json["output_tokens"]["prompts"][1]["prompt"], "sum");
    let page = written(&report, Format::Markdown);
    let section = page.split("## Output tokens").nth(1).unwrap();
    let section = section.split("## What went wrong").next().unwrap();
    insta::assert_snapshot!(section, @"


    - new writes more output tokens: 1.62x (1.50–1.75) those of old, on 20 prompts. The answers themselves are not shown to differ in length: 1.02x (0.97–1.07) the characters. Reasoning is 38.3 % of the output of new, and 0.0 % of that of old. Output tokens changed most on long 3.10x, sum 0.50x. By list price a request, its prompt included, costs more: 2.50x (2.40–2.60). Ended by the token limit, and so shorter than they would have been: of new 3 answers, of old 0.
    - Hidden reasoning of new: in 180 of 200 answers it was hidden, summarised or encrypted; by the count of its server it took 12400 output tokens.
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
fn two_runs_are_told_as_such() {
    // Two 95 % intervals of one number stand on one page: what the one leaves out must be said.
    let within = Outputs::new(&[reasoning()]);
    assert_eq!(
        (within.over, within.notes.len()),
        ("candidate over reference", 2)
    );
    let mut change = reasoning();
    change.situation = Situation::TwoRuns;
    let between = Outputs::new(&[change]);
    assert!(
        between.notes[1].starts_with("Ratios are after over before:"),
        "{:?}",
        between.notes
    );
    assert!(between.notes[2].starts_with("These intervals stand for these two runs alone"));
}
