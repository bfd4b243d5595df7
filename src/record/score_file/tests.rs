use proptest::prelude::*;

use super::*;
use crate::record::Outcome;
use crate::record::example::plain_sample;

/// Four trials: two repetitions of one prompt by `v0` and `v1`; the last one timed out.
fn trials() -> TrialIndex {
    let mut index = TrialIndex::default();
    for trial in 0..4_u32 {
        let outcome = if trial == 3 {
            Outcome::TimedOutTotal
        } else {
            Outcome::Complete
        };
        index.add(&Sample {
            variant: format!("v{}", trial % 2),
            repetition: 1 + trial / 2,
            outcome,
            ..plain_sample(trial.into())
        });
    }
    index
}

fn read(text: &str) -> Result<ExternalGrades<'_>, Vec<String>> {
    read_scores(text, &trials(), 1.0).map_err(|problems| {
        let line = |problem: ScoreProblem| format!("{}: {}", problem.line, problem.text);
        problems.into_iter().map(line).collect()
    })
}

#[test]
fn lines_find_their_trials() {
    // By number or by prompt, variant and repetition; a line for each check, or one for all.
    let read = read(
        r#"{"trial": 1, "scores": {"right": 1, "polite": 0.5}}
{"prompt": "capital", "variant": "v0", "repetition": 2, "grades": [{"name": "right", "pass": true, "reason": "says\nParis", "weight": 2}]}

{"trial": 1, "grades": [{"name": "short", "score": 0.8, "pass": true}], "pass_threshold": 0.7}
{"trial": 3, "scores": {"right": false}}"#,
    )
    .unwrap();
    assert_eq!(read.skipped, 1, "a time-out has no answer");
    let external = |grade: Grade| Grade {
        external: true,
        ..grade
    };
    let amendments: Vec<Amendment> = read.amendments().collect();
    let [first, second] = amendments.as_slice() else {
        panic!("{read:#?}");
    };
    assert_eq!((read.answers, read.grades), (2, 4));
    assert_eq!((first.trial, first.pass_threshold), (1, Some(0.7)));
    let expected = [
        ("polite", 0.5, false),
        ("right", 1.0, true),
        ("short", 0.8, true),
    ];
    let expected = expected.map(|(name, score, pass)| external(Grade::new(name, score, pass)));
    assert_eq!(first.grades, expected);
    assert_eq!(second.trial, 2);
    let right = Grade::new("right", 1.0, true)
        .with_weight(2.0)
        .with_reason("says Paris");
    assert_eq!(second.grades, [external(right)]);
}

#[test]
fn scores_pass_from_where_the_user_says() {
    // A judge's 0.7 of 1 may be good enough.
    let line = r#"{"trial": 0, "scores": {"judge": 0.7}}"#;
    let trials = trials();
    let passes = |pass_at| {
        let read = read_scores(line, &trials, pass_at).unwrap();
        read.amendments().next().unwrap().grades[0].pass
    };
    assert!(passes(0.7) && !passes(0.71));
}

#[test]
fn every_bad_line_is_named_and_nothing_is_read() {
    // Half of a file of grades is a biased sample: all or nothing.
    let problems = read(
        r#"{"trial": 0, "scores": {"right": 1}}
{"trial": 0, "scores": {"right": 0}}
{"trial": 9, "scores": {"right": 1}}
{"trial": 1, "score": {"right": 1}}
{"trial": 1, "scores": {"right": 7}}
{"trial": 1, "scores": {"right": "yes"}}
{"trial": 1}
{"trial": 1, "prompt": "capital", "scores": {"right": 1}}
{"prompt": "capital", "variant": "v7", "repetition": 1, "scores": {"right": 1}}
{"trial": 1, "grades": [{"name": "right"}]}
{"trial": 1, "grades": [{"name": " ", "score": 1}]}
{"trial": 1, "grades": [{"name": "right", "score": 1, "weight": -1}]}
{"trial": 2, "sc"#,
    )
    .unwrap_err();
    insta::assert_snapshot!(problems.join("\n"), @r#"
    2: trial 0 has `right` already, from line 1
    3: this run has no sample of trial 9
    4: column 20: unknown field `score`, expected one of `trial`, `prompt`, `variant`, `repetition`, `scores`, `grades`, `pass_threshold`
    5: the score of `right` is 7: scale scores to 0 to 1
    6: column 38: invalid type: string "yes", expected a number from 0 to 1, or a boolean
    7: a line needs `scores` or `grades`
    8: a line needs either `trial`, or `prompt`, `variant` and `repetition`
    9: this run has no sample of prompt `capital` of `v7`, repetition 1
    10: `right` needs a `score` or a `pass`
    11: the name of a check has 1 to 100 characters
    12: `grades` has a `weight` that is not a number of at least 0
    13: column 16: EOF while parsing a string
    "#);
    assert_eq!(
        read("\n \n").unwrap_err(),
        ["1: there is no line with scores"]
    );
}

#[test]
fn a_key_in_a_reason_does_not_reach_the_record() {
    // A judge that was asked about an answer with a key in it repeats the key.
    let key = ["sk-", "proj-", "abcdefghijklmnopqrstuvwxyz0123456789"].concat();
    let line = format!(
        r#"{{"trial": 0, "grades": [{{"name": "right", "score": 0, "reason": "it leaks {key}"}}]}}"#
    );
    let read = read(&line).unwrap();
    let amendment = read.amendments().next().unwrap();
    let reason = amendment.grades[0].reason.clone().unwrap();
    assert!(
        !reason.contains(&key) && reason.starts_with("it leaks "),
        "{reason}"
    );
}

proptest! {
    // Whatever a file holds, it is read or its problems are named; what is read can be stored.
    #[test]
    fn no_file_is_too_strange(lines in prop::collection::vec(prop_oneof![
        any::<String>(),
        (0..5_u64, "[a-z]{0,2}", any::<f64>())
            .prop_map(|(trial, name, score)| format!(r#"{{"trial":{trial},"scores":{{"{name}":{score:e}}}}}"#)),
    ], 0..6)) {
        match read(&lines.join("\n")) {
            Ok(read) => for amendment in read.amendments() {
                prop_assert_eq!(check_grades(&amendment.grades, amendment.pass_threshold), Ok(()));
            },
            Err(problems) => prop_assert!(!problems.is_empty()),
        }
    }
}
