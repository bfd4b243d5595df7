//! Tests of the comparison of outputs.

use proptest::prelude::*;

use super::*;
use crate::record::{Flag, Manifest, Sample};
use crate::verdict::fixture::{answered, failed, manifest};
use crate::verdict::{DeclaredChange, EvidenceFold, pair_runs, to_history_run};

const PROMPTS: [&str; 8] = ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"];

/// Builds a run of these variants on eight prompts x 2; `change` modifies each sample.
fn samples(run: &Manifest, change: impl Fn(&mut Sample, usize)) -> Vec<Sample> {
    let mut samples: Vec<Sample> = (0..run.planned_trials)
        .map(|trial| answered(run, trial, 400))
        .collect();
    for sample in &mut samples {
        let prompt = PROMPTS.iter().position(|id| *id == sample.prompt).unwrap();
        change(sample, prompt);
    }
    samples
}

fn evidence(run: &Manifest, samples: &[Sample]) -> Evidence {
    let mut fold = EvidenceFold::new(run);
    for sample in samples {
        fold.add(sample);
    }
    fold.snapshot()
}

fn count(sample: &mut Sample, completion: u64, reasoning: u64, chars: u64) {
    let usage = sample.usage.as_mut().unwrap();
    usage.completion_tokens = Some(completion);
    usage.reasoning_tokens = Some(reasoning);
    sample.answer_chars = Some(chars);
}

fn near(value: f64, expected: f64) -> bool {
    (value / expected - 1.0).abs() < 1e-9
}

#[test]
fn more_hidden_reasoning_than_output_is_no_count() {
    // A server that reports 500 reasoning tokens of 50 output tokens is not believed: the sum would exceed the
    // bill.
    let run = manifest(&["a/x", "b/y"], &PROMPTS, 2);
    let samples = samples(&run, |sample, prompt| {
        let reasoning = if prompt == 0 { 500 } else { 20 };
        count(sample, 50, reasoning, 200);
        sample.flags.push(Flag::HiddenReasoning);
    });
    let changes = output_changes_within_run(&evidence(&run, &samples), "a/x");
    let hidden = changes[0].candidate_output;
    assert_eq!((hidden.hidden, hidden.hidden_contradicting), (16, 2));
    assert_eq!(hidden.hidden_tokens, 14 * 20);
}

#[test]
fn verbosity_and_reasoning_are_distinguished() {
    // Three times the tokens: the answer is as long as before, the rest is hidden reasoning.
    let run = manifest(&["a/x", "b/y"], &PROMPTS, 2);
    let samples = samples(&run, |sample, prompt| {
        let answer = 100 + 10 * prompt as u64;
        if sample.variant == "a/x" {
            count(sample, answer, 0, 4 * answer);
        } else {
            count(sample, 3 * answer, 2 * answer, 4 * answer);
            sample.flags.push(Flag::HiddenReasoning);
        }
    });
    let changes = output_changes_within_run(&evidence(&run, &samples), "a/x");
    let [change] = changes.as_slice() else {
        panic!("one candidate: {changes:?}");
    };
    assert_eq!(
        (change.candidate.0.as_str(), change.reference.0.as_str()),
        ("b/y", "a/x")
    );
    let tokens = change.tokens.unwrap();
    assert!(near(tokens.ratio, 3.0) && tokens.beyond_noise, "{tokens:?}");
    let chars = change.answer_chars.unwrap();
    assert!(near(chars.ratio, 1.0) && !chars.beyond_noise, "{chars:?}");
    assert!(near(change.visible_tokens.unwrap().ratio, 1.0));
    // On no prompt do both reason: there is no ratio, and the shares show it.
    assert_eq!(change.reasoning_tokens, None);
    assert_eq!(change.reference_output.reasoning_share(), Some(0.0));
    assert!(near(
        change.candidate_output.reasoning_share().unwrap(),
        2.0 / 3.0
    ));
    let hidden = change.candidate_output;
    assert_eq!(
        (hidden.hidden, hidden.hidden_tokens),
        (16, 2 * 2 * (8 * 100 + 10 * 28))
    );
    assert_eq!(change.reference_output.hidden, 0);
}

#[test]
fn the_prompts_with_the_largest_change_come_first() {
    // A third as long is as much of a change as three times as long.
    let run = manifest(&["a/x", "b/y"], &PROMPTS, 2);
    let samples = samples(&run, |sample, prompt| {
        let length = match (sample.variant.as_str(), prompt) {
            ("b/y", 2) => 400,
            ("b/y", 5) => 20,
            _ => 100,
        };
        count(sample, length, 0, length);
    });
    let change = output_changes_within_run(&evidence(&run, &samples), "a/x").remove(0);
    assert_eq!(&*change.prompts[0].0, "p5");
    assert!(near(change.prompts[0].1, 0.2));
    assert_eq!(&*change.prompts[1].0, "p2");
    assert!(near(change.prompts[1].1, 4.0));
}

#[test]
fn unreported_counts_are_not_zero() {
    // Servers omit counts, trials fail, and a count of reasoning can be more than the whole: none of it makes
    // an output shorter.
    let run = manifest(&["a/x", "b/y"], &PROMPTS, 2);
    let mut samples = samples(&run, |sample, prompt| {
        count(sample, 100, 0, 400);
        if sample.variant == "b/y" {
            match prompt {
                0 => sample.usage = None,
                1 => sample.usage.as_mut().unwrap().reasoning_tokens = None,
                2 => count(sample, 100, 101, 400),
                _ => {}
            }
        }
    });
    let index = samples
        .iter()
        .position(|s| s.variant == "b/y" && s.prompt == "p3")
        .unwrap();
    samples[index] = failed(samples[index].clone(), Outcome::ServerError, 500, "no");
    let change = output_changes_within_run(&evidence(&run, &samples), "a/x").remove(0);
    let tokens = change.tokens.unwrap();
    assert_eq!((tokens.prompts, tokens.ratio), (7, 1.0));
    assert_eq!(change.visible_tokens.unwrap().prompts, 5);
    let output = change.candidate_output;
    assert_eq!(
        (output.answered, output.answers, output.reporting),
        (15, 13, 9)
    );
    assert!(!change.is_notable());
    assert_eq!(
        output_changes_within_run(&evidence(&run, &samples), "unknown"),
        []
    );
}

#[test]
fn five_prompts_show_no_change() {
    // However large a ratio is: with fewer than six prompts no change is claimed.
    let run = manifest(&["a/x", "b/y"], &PROMPTS[..5], 4);
    let samples = samples(&run, |sample, _| {
        let length = if sample.variant == "b/y" { 900 } else { 100 };
        count(sample, length, 0, 400);
    });
    let change = output_changes_within_run(&evidence(&run, &samples), "a/x").remove(0);
    assert!(near(change.tokens.unwrap().ratio, 9.0));
    assert!(!change.is_notable());
}

#[test]
fn a_model_is_compared_with_the_one_before() {
    // The label is the same, its model is another; prompts pair by their text, whatever their order.
    let before = manifest(&["a/x"], &PROMPTS, 2);
    let mut after = manifest(
        &["b/y"],
        &["p7", "p6", "p5", "p4", "p3", "p2", "p1", "p0"],
        2,
    );
    after.run = "20250103T030405Z-7Z".to_owned();
    let evidence_with_factor = |run: &Manifest, factor: u64| {
        let samples = samples(run, |sample, prompt| {
            count(sample, factor * (50 + prompt as u64), 0, 400);
        });
        evidence(run, &samples)
    };
    let (then, now) = (
        evidence_with_factor(&before, 1),
        evidence_with_factor(&after, 2),
    );
    let (line, next) = (to_history_run(&before, &then), to_history_run(&after, &now));
    let pairing = pair_runs(line, &next, &[DeclaredChange::Model]).unwrap();
    let change = output_changes_between_runs(&then, &now, &pairing).remove(0);
    assert_eq!(change.design, ComparisonDesign::TwoRuns);
    assert_eq!(
        (change.reference.1.as_str(), change.candidate.1.as_str()),
        ("a/x", "b/y")
    );
    let tokens = change.tokens.unwrap();
    assert!(near(tokens.ratio, 2.0), "{tokens:?}");
    assert_eq!(
        tokens.interval.half_width().map(|half| half < 1e-9),
        Some(true)
    );
}

/// Output tokens, reasoning and characters of both sides: sixteen answers each.
fn lengths() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
    prop::collection::vec((1_u64..5_000, 0_u64..5_000, 1_u64..20_000), 32)
}

fn output_change(
    reference: &str,
    lengths: &[(u64, u64, u64)],
    order: impl Fn(&mut Vec<Sample>),
) -> OutputChange {
    let run = manifest(&["a/x", "b/y"], &PROMPTS, 2);
    let mut samples = samples(&run, |sample, _| {
        let (visible, reasoning, chars) = lengths[usize::try_from(sample.trial).unwrap()];
        count(sample, visible + reasoning, reasoning, chars);
    });
    order(&mut samples);
    output_changes_within_run(&evidence(&run, &samples), reference).remove(0)
}

fn ratios_of(change: &OutputChange) -> Vec<Option<RatioChange>> {
    vec![
        change.tokens,
        change.visible_tokens,
        change.answer_chars,
        change.reasoning_tokens,
        change.request_cost,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    // With the other side as the reference, the ratio is the inverse, its ends change places, and the counts
    // are the same.
    #[test]
    fn swapped_sides_invert(lengths in lengths()) {
        let (one, other) = (output_change("a/x", &lengths, |_| {}), output_change("b/y", &lengths, |_| {}));
        for (one, other) in ratios_of(&one).into_iter().zip(ratios_of(&other)) {
            let (Some(one), Some(other)) = (one, other) else {
                prop_assert_eq!(one, other);
                continue;
            };
            prop_assert!(near(one.ratio * other.ratio, 1.0));
            prop_assert!(near(one.interval.lower.unwrap() * other.interval.upper.unwrap(), 1.0));
            prop_assert_eq!(one.beyond_noise, other.beyond_noise);
        }
        prop_assert_eq!(one.candidate_output, other.reference_output);
        prop_assert_eq!(one.is_notable(), other.is_notable());
    }

    // A candidate that writes k times as much has k times the ratio and the same relative interval.
    #[test]
    fn ratios_scale(lengths in lengths(), factor in 2_u64..9) {
        let longer: Vec<(u64, u64, u64)> = lengths
            .iter()
            .enumerate()
            .map(|(trial, &(visible, reasoning, chars))| {
                let factor = if trial % 2 == 1 { factor } else { 1 };
                (visible * factor, reasoning * factor, chars * factor)
            })
            .collect();
        let (plain, scaled) = (output_change("a/x", &lengths, |_| {}), output_change("a/x", &longer, |_| {}));
        for (plain, scaled) in ratios_of(&plain).into_iter().zip(ratios_of(&scaled)).take(4) {
            let (Some(plain), Some(scaled)) = (plain, scaled) else {
                prop_assert_eq!(plain.is_none(), scaled.is_none());
                continue;
            };
            prop_assert!(near(scaled.ratio, plain.ratio * factor as f64));
            let width = |change: RatioChange| change.interval.upper.unwrap() / change.interval.lower.unwrap();
            prop_assert!((width(plain) / width(scaled) - 1.0).abs() < 1e-6);
        }
    }

    // The order in which samples came changes nothing.
    #[test]
    fn order_changes_nothing(lengths in lengths(), from in 0_usize..32) {
        let turned = output_change("a/x", &lengths, |samples| {
            samples.rotate_left(from);
            samples.reverse();
        });
        prop_assert_eq!(output_change("a/x", &lengths, |_| {}), turned);
    }
}
