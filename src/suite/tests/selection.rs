//! Selection by `--model`, `--prompt` and `--tag`.

use proptest::prelude::*;

use super::*;

#[test]
fn models_are_selected_by_label_model_or_glob() {
    // `-m` is how a user says what is compared today: exactly the named models, in that order.
    let mut suite = full();
    suite.gate = None;
    let labels = |models: &[&str]| {
        let selected = select(&suite, &texts(models), &[], &[]).unwrap();
        let labels: Vec<_> = selected.variants.iter().map(|v| v.label.clone()).collect();
        (labels, selected.reference)
    };
    let of = |list: &[&str], reference: &str| (texts(list), reference.to_owned());
    assert_eq!(labels(&[]), of(&["m/plain", "slow"], "slow"));
    assert_eq!(labels(&["slow"]), of(&["slow"], "slow"));
    // The label names the plain variant alone, the glob every variant of the model.
    assert_eq!(labels(&["m/plain"]), of(&["m/plain"], "m/plain"));
    assert_eq!(labels(&["m*n"]), of(&["m/plain", "slow"], "slow"));
    assert_eq!(labels(&["x/new", "slow"]), of(&["x/new", "slow"], "slow"));
    assert_eq!(
        labels(&["x/new", "*", "x/new"]),
        of(&["x/new", "m/plain", "slow"], "slow")
    );
    assert_eq!(labels(&["x/new"]), of(&["x/new"], "x/new"));
    // A model whose only variants have labels of their own is named by its id too.
    let mut labelled = suite.clone();
    labelled.variants.remove(0);
    let selected = select(&labelled, &texts(&["m/plain"]), &[], &[]).unwrap();
    assert_eq!(selected.variants[0].label, "slow");
}

#[test]
fn a_control_is_not_lost_by_a_selection() {
    // Without its control a run would be judged by another procedure than the suite asks for.
    let suite = full();
    let error_text = |models: &[&str]| {
        let selected = select(&suite, &texts(models), &[], &[]);
        selected.map_or_else(
            |error| error.to_string(),
            |suite| suite.variants.len().to_string(),
        )
    };
    insta::assert_snapshot!(error_text(&["slow"]), @"the gate's control `m/plain` was not selected: select it as well (`-m m/plain`), or take `control` out of the suite");
    insta::assert_snapshot!(error_text(&["m/plain"]), @"the gate's control `m/plain` is the only one selected: select what is compared with it as well");
    insta::assert_snapshot!(error_text(&["x/new", "m/plain"]), @"2");
}

#[test]
fn selections_that_match_nothing_name_the_nearest() {
    // An empty run would look like a success.
    let suite = full();
    let error_text = |models: &[&str], prompts: &[&str], tags: &[&str]| {
        let error = select(&suite, &texts(models), &texts(prompts), &texts(tags)).unwrap_err();
        error.to_string()
    };
    insta::assert_snapshot!(error_text(&["m/plan*"], &[], &[]), @"no model of the suite matches `m/plan*`; did you mean `m/plain`?");
    insta::assert_snapshot!(error_text(&["two words"], &[], &[]), @"`two words` is not a model id: it must be 1 to 200 visible characters without spaces");
    insta::assert_snapshot!(error_text(&["m/{"], &[], &[]), @"`m/{` is not a pattern: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)");
    insta::assert_snapshot!(error_text(&[], &["tow"], &[]), @"no prompt of the suite matches `tow`; did you mean `two`?");
    insta::assert_snapshot!(error_text(&[], &[], &["greetings"]), @"no tag of the suite matches `greetings`; did you mean `greeting`?");
    insta::assert_snapshot!(error_text(&[], &["two"], &["short"]), @"no prompt of the suite has both the prompt ids and the tags that were selected");
    insta::assert_snapshot!(error_text(&[], &[""], &[]), @"`` is not a pattern: it must have 1 to 512 bytes");
    let many: Vec<String> = (0..=limits::VARIANTS).map(|n| format!("m/{n}")).collect();
    let error = select(&suite, &many, &[], &[]).unwrap_err();
    assert_eq!(error, SelectError::TooManyVariants { count: 65 });
}

#[test]
fn copies_of_a_suite_share_its_prompts() {
    // A run, its manifest and its estimate hold a suite of 100,000 prompts once; a change of one is not seen in another.
    let suite = full();
    let mut selected = select(&suite, &[], &[], &[]).unwrap();
    assert!(std::ptr::eq(
        suite.prompts.as_ptr(),
        selected.prompts.as_ptr()
    ));
    selected.prompts[0].weight = 7.0;
    assert!(suite.prompts[0].weight < 7.0);
}

#[test]
fn prompts_are_selected_by_id_and_tag() {
    // Both at once narrow the selection.
    let suite = full();
    let ids = |prompts: &[&str], tags: &[&str]| {
        let selected = select(&suite, &[], &texts(prompts), &texts(tags)).unwrap();
        selected
            .prompts
            .into_iter()
            .map(|p| p.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&[], &[]), ["one", "two"]);
    assert_eq!(ids(&["t*"], &[]), ["two"]);
    assert_eq!(ids(&["two", "one"], &[]), ["one", "two"]);
    assert_eq!(ids(&["*"], &["sh?rt", "greeting"]), ["one"]);
}

proptest! {
    // Selection gives a valid suite whose prompts and variants were in the suite or were named.
    #[test]
    fn selections_are_valid_suites(
        models in prop::collection::vec("(m/plain|slow|other|m/\\*|\\*|\\[|x/y)", 0..4),
        prompts in prop::collection::vec("(one|two|t\\*|three|\\*)", 0..3),
        tags in prop::collection::vec("(short|gr\\*|none)", 0..3),
    ) {
        let suite = full();
        if let Ok(selected) = select(&suite, &models, &prompts, &tags) {
            prop_assert!(is_valid(&selected));
            let known = |variant: &Variant| {
                suite.variants.contains(variant) || models.contains(&variant.label)
            };
            prop_assert!(selected.variants.iter().all(known));
            prop_assert!(selected.prompts.iter().all(|prompt| suite.prompts.contains(prompt)));
        }
    }
}
