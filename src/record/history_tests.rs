//! Tests of the history file and of the past stored beside a run.

use std::collections::BTreeSet;
use std::fs;

use proptest::prelude::*;

use super::*;
use crate::record::Level;

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z/.-]{0,8}", any::<String>()]
}

fn prompt() -> impl Strategy<Value = HistoryPrompt> {
    let counts = (0_u32..9, 0_u32..9, 0_u32..9, 0_u32..9);
    let metric = prop::sample::select(Metric::ALL.to_vec());
    let level = (-50.0..50.0_f64, 1_u32..).prop_map(|(ln, n)| Level { ln, n });
    let levels = prop::collection::vec((metric, level), 0..4);
    let levels = levels.prop_map(MetricLevels::from_iter);
    let by_provider = prop::collection::btree_map(text(), levels.clone(), 0..2);
    (text(), text(), counts, levels, by_provider).prop_map(
        |(prompt, digest, counts, levels, levels_by_provider)| HistoryPrompt {
            prompt: prompt.into(),
            text: digest.as_str().into(),
            parameters: digest.as_str().into(),
            digest: digest.into(),
            trials: counts.0.max(counts.1),
            completed: counts.0.min(counts.1),
            graded: counts.2.max(counts.3),
            passed: counts.2.min(counts.3),
            levels,
            levels_by_provider,
        },
    )
}

fn variant() -> impl Strategy<Value = HistoryVariant> {
    let prompts = prop::collection::vec(prompt(), 0..3);
    let providers = prop::collection::btree_map(text(), any::<u64>(), 0..3);
    (text(), prompts, providers, any::<bool>(), any::<u64>()).prop_map(
        |(label, prompts, providers, drifted, count)| HistoryVariant {
            overrides: label.clone(),
            label,
            model: "maker/model".parse().unwrap(),
            providers,
            drifted,
            mix: AnswerMix {
                answered: count,
                ..AnswerMix::default()
            },
            spliced: None,
            prompts,
        },
    )
}

/// Any run, under one of few names, so that lines of the same run meet.
fn run() -> impl Strategy<Value = HistoryRun> {
    let variants = prop::collection::vec(variant(), 0..3);
    let environment = prop::option::of(text());
    ("[a-e]", 0_i64..1 << 32, text(), variants, environment).prop_map(
        |(run, second, suite, variants, environment)| HistoryRun {
            run,
            suite,
            started_at: jiff::Timestamp::from_second(second).unwrap(),
            tool: "bakeoff 0.1.0".to_owned(),
            conditions: Conditions {
                environment,
                ..Conditions::default()
            },
            variants,
        },
    )
}

fn standing() -> impl Strategy<Value = RunStanding> {
    use RunStanding::{Accepted, BaselineReset, Cleared, Confirmed, Flagged, Pending, Recovered};
    prop::sample::select(vec![
        Accepted,
        BaselineReset,
        Pending,
        Flagged,
        Confirmed,
        Cleared,
        Recovered,
    ])
}

fn line() -> impl Strategy<Value = HistoryLine> {
    let finding = (text(), prop::sample::select(Metric::ALL.to_vec()))
        .prop_map(|(variant, metric)| Finding { variant, metric });
    let findings = prop::collection::vec(finding, 0..3);
    prop_oneof![
        (run(), standing(), findings)
            .prop_map(|(run, standing, findings)| HistoryLine::run(run, standing, findings)),
        ("[a-f]", standing()).prop_map(|(run, standing)| HistoryLine::Mark { run, standing }),
    ]
}

fn plain(name: &str, second: i64) -> HistoryRun {
    HistoryRun {
        run: name.to_owned(),
        started_at: jiff::Timestamp::from_second(second).unwrap(),
        ..HistoryRun::default()
    }
}

fn accepted(name: &str, second: i64) -> HistoryLine {
    HistoryLine::run(plain(name, second), RunStanding::Accepted, Vec::new())
}

fn mark(name: &str, standing: RunStanding) -> HistoryLine {
    HistoryLine::Mark {
        run: name.to_owned(),
        standing,
    }
}

fn standings(history: &History) -> Vec<(&str, RunStanding)> {
    let entries = history.entries().iter();
    entries
        .map(|entry| (entry.run.run.as_str(), entry.standing))
        .collect()
}

#[test]
fn the_last_mark_wins_and_runs_are_in_order_of_time() {
    // Lines may come in any order: two branches of a repository are merged line by line.
    let lines = [
        accepted("c", 30),
        mark("b", RunStanding::Cleared),
        accepted("a", 10),
        HistoryLine::run(plain("b", 20), RunStanding::Pending, Vec::new()),
        mark("b", RunStanding::Confirmed),
        mark("b", RunStanding::BaselineReset),
        mark("x", RunStanding::Cleared),
    ];
    let history = History::resolve(lines);
    assert_eq!(
        standings(&history),
        [
            ("a", RunStanding::Accepted),
            ("b", RunStanding::BaselineReset),
            ("c", RunStanding::Accepted)
        ]
    );
    assert_eq!(history.level_start(), 1);
    assert_eq!(history.unmatched_marks(), ["x"]);
    assert_eq!(history.entry("b").unwrap().run, plain("b", 20));
}

#[test]
fn a_history_begins_with_its_first_line() {
    // The first `accept` makes the file and its folder; before that there is none, which is no error.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("baselines/ci.jsonl");
    assert_eq!(History::read_or_empty(&file).unwrap(), History::default());
    assert!(History::read(&file).is_err());
    History::append(
        &file,
        &[accepted("a", 1)],
        &mut crate::record::example::patient(),
    )
    .unwrap();
    History::append(
        &file,
        &[accepted("b", 2), mark("a", RunStanding::Cleared)],
        &mut crate::record::example::patient(),
    )
    .unwrap();
    let history = History::read(&file).unwrap();
    assert_eq!(
        standings(&history),
        [("a", RunStanding::Cleared), ("b", RunStanding::Accepted)]
    );
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 3);
}

#[test]
fn a_line_that_is_none_is_named_with_its_place() {
    // A conflict left by a merge, or a line of a newer version, must not pass as a shorter past.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ci.jsonl");
    let good = serde_json::to_string(&accepted("a", 1)).unwrap();
    let message_of = |second: &str| {
        fs::write(&file, format!("{good}\n{second}\n{good}\n")).unwrap();
        let error = History::read(&file).unwrap_err().to_string();
        let folder = format!("{}/", folder.path().display());
        error.replace(&folder, "")
    };
    let no_run = r#"{"version":1,"kind":"run","standing":"accepted"}"#;
    let messages = [
        message_of("<<<<<<< HEAD"),
        message_of(&good.replace("\"version\":3", "\"version\":4")),
        message_of(&good.replace("\"concurrency\":0", "\"concurrency\":-1")),
        message_of(&good.replace("\"accepted\"", "\"excepted\"")),
        message_of(no_run),
        message_of(&good.replace("\"run\":\"a\"", "\"run\":\"\"")),
    ];
    insta::assert_snapshot!(messages.join("\n"), @"
    ci.jsonl:2: column 1: expected value
    ci.jsonl:2: version 4, but this program reads up to version 3: it was written by a newer one
    ci.jsonl:2: column 166: invalid value: integer `-1`, expected u32
    ci.jsonl:2: column 47: unknown variant `excepted`, expected one of `accepted`, `baseline_reset`, `new_level`, `pending`, `flagged`, `confirmed`, `cleared`, `recovered`
    ci.jsonl:2: column 0: a line of kind `run` holds a `run` and no `of`
    ci.jsonl:2: `run` has no name
    ");
}

#[test]
fn impossible_lines_are_not_written() {
    // A level that is not a number would poison every later comparison.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ci.jsonl");
    let mut run = plain("a", 1);
    let level = |ln| MetricLevels::from([(Metric::Ttft, Level { ln, n: 1 })]);
    run.variants.push(HistoryVariant {
        label: "v".to_owned(),
        model: "m".parse().unwrap(),
        overrides: String::new(),
        providers: BTreeMap::new(),
        drifted: false,
        spliced: None,
        mix: AnswerMix::default(),
        prompts: vec![HistoryPrompt {
            prompt: "p".into(),
            digest: "d".into(),
            text: "".into(),
            parameters: "".into(),
            trials: 1,
            completed: 1,
            graded: 0,
            passed: 0,
            levels: level(f64::NAN),
            levels_by_provider: BTreeMap::new(),
        }],
    });
    let refused = |run: &HistoryRun| {
        let line = HistoryLine::run(run.clone(), RunStanding::Accepted, Vec::new());
        History::append(
            &file,
            &[accepted("b", 1), line],
            &mut crate::record::example::patient(),
        )
        .is_err()
    };
    assert!(refused(&run));
    run.variants[0].prompts[0].levels = level(1.0);
    run.variants[0].prompts[0].completed = 2;
    assert!(refused(&run));
    // Not the sound one before it either: what one verb appends belongs together.
    assert_eq!(fs::read(&file).unwrap(), b"");
}

#[test]
fn processes_that_append_do_not_interleave() {
    // Two jobs of one pipeline may accept at the same moment: every line stays whole.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ci.jsonl");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let file = &file;
            scope.spawn(move || {
                for line in 0..25 {
                    let name = |part: &str| format!("{writer}-{line}-{part}");
                    let lines = [accepted(&name("a"), 1), accepted(&name("b"), 2)];
                    History::append(file, &lines, &mut crate::record::example::patient()).unwrap();
                }
            });
        }
    });
    let history = History::read(&file).unwrap();
    let names: BTreeSet<&str> = history
        .entries()
        .iter()
        .map(|e| e.run.run.as_str())
        .collect();
    assert_eq!(names.len(), 200);
}

#[test]
fn a_run_stores_the_history_it_was_judged_by() {
    // Its reports are generated again from it, even after the history has changed.
    let reports = tempfile::tempdir().unwrap();
    let run = Run::create(reports.path(), "ci", "one").unwrap();
    assert_eq!(run.past().unwrap(), None);
    run.write_past(&[]).unwrap();
    assert_eq!(run.past().unwrap(), Some(History::default()));
    let lines = [accepted("a", 1), accepted("b", 2)];
    run.write_past(&lines).unwrap();
    assert_eq!(run.past().unwrap().unwrap().lines(), lines);
    fs::write(run.folder().join("past.jsonl"), "nonsense\n").unwrap();
    let error = run.past().unwrap_err().to_string();
    assert!(error.starts_with("past.jsonl:1: column 2"), "{error}");
}

#[test]
fn a_line_cut_within_a_number_is_unfinished() {
    // A number that is cut after its sign or point is a wrong number, not an end that came too early.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ci.jsonl");
    let line = serde_json::to_string(&accepted("z", 9)).unwrap();
    for cut in ["-", "1.", "2e", "2e+"] {
        fs::write(&file, format!("{{\"version\":{cut}\n{line}\n")).unwrap();
        let history = History::read(&file).unwrap();
        assert_eq!(
            (history.truncated_lines(), history.entries().len()),
            (&[1][..], 1),
            "{cut}"
        );
    }
    // What is no line of ours is a problem, whatever it ends with.
    fs::write(&file, format!("done -\n{line}\n")).unwrap();
    assert!(History::read(&file).is_err());
}

proptest! {
    // A history is read as it was written, and written again as it was read.
    #[test]
    fn histories_survive_being_written(lines in prop::collection::vec(line(), 0..8)) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ci.jsonl");
        History::append(&file, &lines, &mut crate::record::example::patient()).unwrap();
        let history = History::read(&file).unwrap();
        prop_assert_eq!(&history, &History::resolve(lines));
        let again = History::resolve(history.lines());
        prop_assert_eq!(again.entries(), history.entries());
    }

    // A process may be killed at any byte: what was whole before stays readable, and can be added to.
    #[test]
    fn every_prefix_is_readable(
        lines in prop::collection::vec(line(), 1..4), cut in any::<prop::sample::Index>(),
    ) {
        let whole: Vec<String> = lines.iter().map(|l| serde_json::to_string(l).unwrap()).collect();
        let bytes = whole.join("\n").into_bytes();
        let cut = cut.index(bytes.len() + 1);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ci.jsonl");
        fs::write(&file, &bytes[..cut]).unwrap();
        let mut ends = 0;
        let complete = whole.iter().take_while(|line| {
            ends += line.len() + 1;
            ends <= cut + 1
        });
        let complete = complete.count();
        let history = History::read(&file).unwrap();
        let expected = History::resolve(lines[..complete].iter().cloned());
        prop_assert_eq!(history.entries(), expected.entries());
        History::append(&file, &[accepted("z", 9)], &mut crate::record::example::patient()).unwrap();
        let longer = History::read(&file).unwrap();
        prop_assert!(longer.entry("z").is_some());
        prop_assert_eq!(longer.truncated_lines(), history.truncated_lines());
        prop_assert_eq!(longer.entries().len(), history.entries().len() + 1);
    }

    // The order of lines of runs that began at different times says nothing.
    #[test]
    fn order_of_runs_is_of_time(
        (runs, shuffled) in prop::collection::btree_set("[a-z]{1,3}", 0..8)
            .prop_map(|runs| (0..).zip(&runs).map(|(at, name)| accepted(name, at)).collect::<Vec<_>>())
            .prop_flat_map(|lines| (Just(lines.clone()), Just(lines).prop_shuffle())),
    ) {
        prop_assert_eq!(History::resolve(runs), History::resolve(shuffled));
    }
}
