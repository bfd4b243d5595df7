use proptest::prelude::*;

use super::*;
use crate::record::check::check_grades as check;
use crate::record::example::plain_sample;
use crate::record::{Outcome, Sample};

fn graded(grades: &[Grade], pass_threshold: Option<f64>) -> Sample {
    Sample {
        grades: grades.to_vec(),
        pass_threshold,
        ..plain_sample(1)
    }
}

fn is_about(value: Option<f64>, expected: f64) -> bool {
    value.is_some_and(|value| (value - expected).abs() < 1e-12)
}

#[test]
fn every_check_with_a_weight_has_to_pass() {
    // One failed check makes a wrong answer, unless it was only to be reported.
    let right = Grade::new("right", 1.0, true);
    let polite = Grade::new("polite", 0.4, false);
    let sample = graded(&[right.clone(), polite.clone()], None);
    assert_eq!(sample.passed(), Some(false));
    assert!(is_about(sample.score(), 0.7));
    let sample = graded(&[right, polite.clone().with_weight(0.0)], None);
    assert_eq!(sample.passed(), Some(true));
    assert!(is_about(sample.score(), 1.0));
    // Nothing decides: nothing was graded.
    let sample = graded(&[polite.with_weight(0.0)], None);
    assert_eq!((sample.passed(), sample.score()), (None, None));
}

#[test]
fn a_threshold_replaces_the_passing_of_every_check() {
    // 3 x 1 and 1 x 0 are 0.75, which reaches 0.75 however the sum was rounded.
    let grades = [
        Grade::new("right", 1.0, true).with_weight(3.0),
        Grade::new("polite", 0.0, false),
    ];
    assert_eq!(graded(&grades, Some(0.75)).passed(), Some(true));
    assert_eq!(graded(&grades, Some(0.76)).passed(), Some(false));
    let thirds = [0.1, 0.2, 0.3].map(|score| Grade::new(&score.to_string(), score, true));
    assert_eq!(graded(&thirds, Some(0.2)).passed(), Some(true));
}

#[test]
fn an_error_is_no_wrong_answer() {
    // A trial that failed has no answer, so that its grades say nothing; a refusal is an answer.
    let mut sample = graded(&[Grade::new("right", 0.0, false)], None);
    for outcome in Outcome::ALL {
        sample.outcome = outcome;
        let expected = matches!(
            outcome,
            Outcome::Complete | Outcome::Length | Outcome::Ended | Outcome::Refused
        );
        assert_eq!(sample.passed().is_some(), expected, "{outcome:?}");
        assert_eq!(sample.score().is_some(), expected, "{outcome:?}");
    }
}

#[test]
fn scores_of_earlier_versions_are_read() {
    // Before there were rows, a grader appended a map; what reached 1 passed.
    let read = |json: &str| {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        rows_or_scores(&mut deserializer)
    };
    let scores = read(r#"{"right": 1.0, "polite": 0.5, "long": 3}"#).unwrap();
    let expected = [
        ("right", 1.0, true),
        ("polite", 0.5, false),
        ("long", 1.0, true),
    ];
    let expected = expected.map(|(name, score, pass)| Grade {
        external: true,
        ..Grade::new(name, score, pass)
    });
    assert_eq!(scores, expected);
    assert_eq!(check(&scores, None), Ok(()));
    let rows = read(r#"[{"name": "right", "score": 0.5, "pass": true}]"#).unwrap();
    assert_eq!(rows, [Grade::new("right", 0.5, true)]);
    assert!(read("3").is_err());
}

#[test]
fn each_contradiction_is_named() {
    // A row that cannot be true must be named, so that its source can be fixed.
    let right = Grade::new("right", 1.0, true);
    let with = |change: fn(&mut Grade)| {
        let mut grade = right.clone();
        change(&mut grade);
        check(&[grade], None).unwrap_err().to_string()
    };
    let messages = [
        with(|grade| grade.score = 1.5),
        with(|grade| grade.score = f64::NAN),
        with(|grade| grade.weight = -1.0),
        with(|grade| grade.name = " ".to_owned()),
        check(&[right.clone(), right.clone()], None)
            .unwrap_err()
            .to_string(),
        check(&[right], Some(2.0)).unwrap_err().to_string(),
    ];
    let expected = [
        "`grades` has a `score` that is not a number from 0 to 1",
        "`grades` has a `score` that is not a number from 0 to 1",
        "`grades` has a `weight` that is not a number of at least 0",
        "`grades` has a row without a name",
        "`grades` has two rows of one name",
        "`pass_threshold` is not a number from 0 to 1",
    ];
    assert_eq!(messages, expected);
}

#[test]
fn text_from_outside_is_harmless() {
    // A judge's reason must not move the cursor, begin a line or fill a page.
    let reason = format!("no\x1b[2J\nyes {}", "x".repeat(1000));
    let grade = Grade::new("a\tb", 0.0, false).with_reason(&reason);
    assert_eq!(grade.name, "a b");
    let reason = grade.reason.unwrap();
    assert!(reason.starts_with("no\u{fffd}[2J yes x"), "{reason}");
    assert_eq!(reason.chars().count(), REASON_CHARS + 1);
    assert_eq!(Grade::new("a", 0.0, false).with_reason(" \n").reason, None);
}

proptest! {
    // Whatever a grader returns, the row can be stored.
    #[test]
    fn every_grade_can_be_stored(name in "\\PC{1,300}", score: f64, pass: bool, reason in any::<String>()) {
        prop_assume!(!name.trim().is_empty());
        let grade = Grade::new(&name, score, pass).with_reason(&reason);
        prop_assert_eq!(check(std::slice::from_ref(&grade), None), Ok(()));
        let json = serde_json::to_string(&grade).unwrap();
        prop_assert_eq!(serde_json::from_str::<Grade>(&json).unwrap(), grade);
    }

    // The score of a sample lies between its lowest and its highest, and passing all is passing.
    #[test]
    fn a_score_is_a_mean(rows in prop::collection::vec((0.0..=1.0_f64, 0.01..5.0_f64), 1..8)) {
        let grades: Vec<Grade> = rows.iter().enumerate()
            .map(|(at, (score, weight))| {
                Grade::new(&at.to_string(), *score, *score >= 0.5).with_weight(*weight)
            })
            .collect();
        let sample = graded(&grades, None);
        let score = sample.score().unwrap();
        let scores = || rows.iter().map(|(score, _)| *score);
        prop_assert!(scores().any(|one| one <= score + 1e-9) && scores().any(|one| one >= score - 1e-9));
        prop_assert_eq!(sample.passed(), Some(scores().all(|one| one >= 0.5)));
        prop_assert_eq!(graded(&grades, Some(score)).passed(), Some(true));
    }
}
