//! Tests of the comparison of two runs.

use super::super::fixture::{flat, run, variant};
use super::*;
use crate::suite::Metric;
use crate::verdict::judgement::Verdict;

fn refusal(before: &HistoryRun, after: &HistoryRun, changed: &[DeclaredChange]) -> String {
    pair_runs(before.clone(), after, changed)
        .unwrap_err()
        .to_string()
}

#[test]
fn a_difference_is_rejected_with_the_flag_that_allows_it() {
    // A comparison of two runs that differ in three ways answers no question; all three are reported at once.
    let before = run(0, &flat(8, 0.0));
    let mut after = run(1, &flat(8, 0.0));
    after.variants[0].model = "a/y".parse().unwrap();
    after.conditions.concurrency = 8;
    for prompt in &mut after.variants[0].prompts[..3] {
        prompt.digest = format!("{}-new", prompt.digest).into();
        prompt.text = format!("{}-new", prompt.text).into();
    }
    insta::assert_snapshot!(refusal(&before, &after, &[]), @"these runs cannot be compared: the concurrency was 4 and is 8; a/x was a/x and is a/y; 3 prompts have other texts. If you changed that, run with: --changed prompt --changed model --changed parameters");
    insta::assert_snapshot!(refusal(&before, &after, &[DeclaredChange::Model, DeclaredChange::Parameters]), @"these runs cannot be compared: 3 prompts have other texts. If you changed that, run with: --changed prompt");
    let all = pair_runs(before, &after, &DeclaredChange::ALL).unwrap();
    insta::assert_snapshot!(all.notes.join("\n"), @"
    Declared as changed: the concurrency was 4 and is 8.
    Declared as changed: a/x was a/x and is a/y.
    Declared as changed: 3 prompts have other texts.
    ");
    let judgement = compare_runs(&after, &all, &Gate::default());
    assert_eq!(judgement.design, ComparisonDesign::TwoRuns);
    assert_eq!(judgement.comparisons[0].size.prompts, 8);
}

#[test]
fn runs_in_reverse_order_get_a_note() {
    // With the later run first, every regression would read as an improvement.
    let (earlier, later) = (run(0, &flat(8, 0.0)), run(1, &flat(8, 0.0)));
    assert_eq!(
        pair_runs(earlier.clone(), &later, &[]).unwrap().notes,
        [""; 0]
    );
    insta::assert_snapshot!(pair_runs(later, &earlier, &[]).unwrap().notes.join("\n"), @"run-0000 is older than run-0001, which is named first: changes since then are reported in the wrong direction.");
}

#[test]
fn another_major_version_is_rejected_with_any_flag() {
    // Its figures may have another meaning, and no flag changes that.
    let (mut before, after) = (run(0, &flat(8, 0.0)), run(1, &flat(8, 0.0)));
    before.tool = "bakeoff 1.2.0".to_owned();
    insta::assert_snapshot!(refusal(&before, &after, &DeclaredChange::ALL), @"these runs cannot be compared: they were made by bakeoff 1.2.0 and bakeoff 0.1.0, whose figures may differ in meaning");
}

#[test]
fn runs_are_compared_on_shared_prompts() {
    // Prompts added or removed, a model added: the rest can be compared, and the report lists it.
    let mut before = run(0, &flat(8, 0.0));
    let mut after = run(1, &flat(10, 0.5));
    before.variants[0].prompts.remove(0);
    after.variants.push(variant("b/y", &flat(10, 0.0)));
    after.conditions.slot_size = 2;
    let pair = pair_runs(before, &after, &[]).unwrap();
    insta::assert_snapshot!(pair.notes.join("\n"), @"
    1 variant was asked at the same moment before, 2 after: a different load.
    Only in the run after, and so not compared: b/y.
    Compared on the 7 prompts of both runs; 0 only before, 3 only after.
    ");
    let judgement = compare_runs(&after, &pair, &Gate::default());
    let ttft = &judgement.comparisons[0];
    assert_eq!(
        (ttft.metric, ttft.size.prompts, ttft.size.runs),
        (Metric::Ttft, 7, 1)
    );
    assert_eq!(ttft.verdict, Verdict::Regressed);
}

#[test]
fn runs_without_shared_prompts_are_rejected() {
    // Two suites compared by mistake.
    let before = run(0, &flat(8, 0.0));
    let mut after = run(1, &flat(8, 0.0));
    for prompt in &mut after.variants[0].prompts {
        prompt.prompt = format!("{}-other", prompt.prompt).into();
        prompt.digest = format!("{}-other", prompt.digest).into();
    }
    after.variants.push(variant("b/y", &flat(8, 0.0)));
    after.variants[0].label = "c".to_owned();
    after.variants[0].model = "c/z".parse().unwrap();
    insta::assert_snapshot!(refusal(&before, &after, &DeclaredChange::ALL), @"these runs cannot be compared: they have no common variant");
}

#[test]
fn variants_pair_by_label_then_by_model_then_if_single() {
    // A label may be renamed, a model may be replaced; two different ones are never taken for one.
    let before = run(0, &flat(8, 0.0));
    let mut renamed = run(1, &flat(8, 0.0));
    renamed.variants[0].label = "fast".to_owned();
    let pair = pair_runs(before.clone(), &renamed, &[]).unwrap();
    assert_eq!(pair.before.variants[0].label, "fast");
    let replaced = {
        let mut run = run(1, &[]);
        run.variants = vec![variant("b/y", &flat(8, 0.0))];
        run
    };
    insta::assert_snapshot!(refusal(&before, &replaced, &[]), @"these runs cannot be compared: the model was a/x and is b/y. If you changed that, run with: --changed model");
    let pair = pair_runs(before, &replaced, &[DeclaredChange::Model]).unwrap();
    assert_eq!(pair.before.variants[0].label, "b/y");
}
