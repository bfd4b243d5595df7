use super::*;
use crate::record::Grade;
use crate::units::is_unsafe_char;
use crate::verdict::fixture::{answered, failed, manifest};

/// Two models, one prompt: the reference is right, the candidate is not.
fn pages(candidate: &str) -> AnswerPages {
    let run = manifest(&["a/usual", "b/new"], &["refund"], 1);
    let mut pages = AnswerPages::new(&run);
    let mut usual = answered(&run, 0, 400);
    usual.answer = Some("Within 14 days, with the receipt.".to_owned());
    usual.grades = vec![Grade::new("right", 1.0, true)];
    let mut new = answered(&run, 1, 300);
    new.answer = Some(candidate.to_owned());
    new.grades = vec![Grade::new("right", 0.0, false).with_reason("says 30 days")];
    pages.add(&usual);
    pages.add(&new);
    pages
}

fn style(width: usize) -> Style {
    Style {
        colour: false,
        width,
    }
}

#[test]
fn answers_stand_side_by_side() {
    // Where the width allows it the answers are read next to each other.
    let page = pages("Within 30 days.").render(style(80), AnswerOptions::default());
    insta::assert_snapshot!(page.unwrap(), @"
    refund, repetition 1: Why?

    a/usual (ref)                            b/new
    passed (1.00), 505 ms, $0.000500         FAILED (0.00), 405 ms, $0.000500
    ------------------------------------     fail right (0.00): says 30 days
    Within 14 days, with the receipt.        ------------------------------------
                                             Within 30 days.
    ");
}

#[test]
fn a_narrow_screen_has_them_below_each_other() {
    // Columns of a few words cannot be read; `--diff` marks the words that differ.
    let options = AnswerOptions {
        diff: true,
        failed: true,
    };
    let page = pages("Within 30 days, with the receipt.").render(style(60), options);
    insta::assert_snapshot!(page.unwrap(), @"
    refund, repetition 1: Why?

    a/usual (ref)
    passed (1.00), 505 ms, $0.000500
    ------------------------------------
    Within 14 days, with the receipt.

    b/new
    FAILED (0.00), 405 ms, $0.000500
    fail right (0.00): says 30 days
    ------------------------------------
    Within [-14-]{+30+} days, with the receipt.
    ");
}

#[test]
fn only_failed_answers_are_shown_on_request() {
    // An error is no wrong answer: it is not listed among the failed ones.
    let run = manifest(&["a/usual", "b/new"], &["refund"], 1);
    let mut pages = AnswerPages::new(&run);
    pages.add(&answered(&run, 0, 400));
    pages.add(&failed(
        answered(&run, 1, 300),
        Outcome::TimedOutGap,
        200,
        "it stopped",
    ));
    let failed = AnswerOptions {
        failed: true,
        diff: false,
    };
    assert_eq!(pages.render(style(80), failed), None);
    let page = pages.render(style(80), AnswerOptions::default()).unwrap();
    assert!(page.contains("no answer: it stopped"), "{page}");
}

proptest::proptest! {
    // Whatever a model answers, no character acts, and no line is wider than the screen.
    #[test]
    fn no_answer_acts(text in "\\PC{0,60}|(\u{1b}|\r|\n|a|é|\u{202e}|漢){0,80}", width in 20..200_usize, diff: bool) {
        let options = AnswerOptions { failed: false, diff };
        let page = pages(&text).render(style(width), options).unwrap();
        for line in page.lines() {
            proptest::prop_assert!(!line.contains(is_unsafe_char), "{:?}", line);
            proptest::prop_assert!(line.width() <= width, "{} {:?}", width, line);
        }
    }
}
