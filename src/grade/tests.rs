//! Tables of cases and properties of the asserts, through suites as users write them.

use proptest::prelude::*;

use super::Grader;
use crate::record::example::plain_sample;
use crate::record::{Flag, Grade, Outcome, Sample, ToolCall, Usage};
use crate::suite::{Suite, parse_suite};
use crate::units::{Nanos, Usd};

/// A suite whose only prompt has these asserts, as TOML tables without braces.
fn suite(asserts: &[&str]) -> Suite {
    let tables: Vec<String> = asserts
        .iter()
        .map(|table| format!("{{ {table} }}"))
        .collect();
    let text = format!(
        "name = \"x\"\nmodels = [\"m\"]\n[[prompts]]\nid = \"p\"\nuser = \"b\"\nassert = [{}]\n",
        tables.join(", ")
    );
    parse_suite(&text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"))
}

fn answered(text: &str) -> Sample {
    Sample {
        prompt: "p".to_owned(),
        outcome: Outcome::Complete,
        finish_reason: Some("stop".to_owned()),
        answer: Some(text.to_owned()),
        tool_calls: Vec::new(),
        grades: Vec::new(),
        ..plain_sample(0)
    }
}

fn grade_sample(assert: &str, sample: &Sample) -> Grade {
    let grader = Grader::new(&suite(&[assert])).unwrap();
    let (mut rows, _) = grader.grades(sample).unwrap();
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

fn grade(assert: &str, answer: &str) -> Grade {
    grade_sample(assert, &answered(answer))
}

#[test]
#[allow(clippy::too_many_lines, reason = "it is one table")]
fn texts_are_graded_by_the_table() {
    // A type that passes or fails the wrong answers makes every verdict about quality wrong.
    let cases: &[(&str, &[&str], &[&str])] = &[
        (
            "type = 'equals', value = 'Paris'",
            &["Paris"],
            &["paris", "Paris.", "Paris\n", ""],
        ),
        (
            "type = 'equals', value = 'Paris', ignore_case = true",
            &["paris", "PARIS"],
            &["Pari"],
        ),
        ("type = 'equals', value = 42", &["42"], &["42.0", "4"]),
        (
            "type = 'equals', value = { a = [1, 2] }",
            &["{\"a\": [1,2]}"],
            &["{\"a\": [2,1]}", "a"],
        ),
        (
            "type = 'contains', value = '14 days'",
            &["within 14 days."],
            &["within 14 Days", ""],
        ),
        (
            "type = 'contains', value = '14 days', ignore_case = true",
            &["14 DAYS"],
            &["14"],
        ),
        (
            "type = 'icontains', value = 'Größe'",
            &["die GRÖSSE und die größe"],
            &["Grosse"],
        ),
        (
            "type = 'contains-any', value = ['a1', 'b2']",
            &["xb2", "a1"],
            &["a 1", ""],
        ),
        (
            "type = 'contains-any', value = 'a1, b2'",
            &["xb2", "a1"],
            &["a, b"],
        ),
        (
            "type = 'icontains-any', value = ['YES', 'sure']",
            &["yes", "Sure"],
            &["no"],
        ),
        (
            "type = 'contains-all', value = ['a', 'b']",
            &["b, a"],
            &["a", "b", ""],
        ),
        (
            "type = 'icontains-all', value = ['A', 'b']",
            &["B, a"],
            &["a"],
        ),
        (
            "type = 'starts-with', value = 'Dear'",
            &["Dear Ms"],
            &[" Dear", "dear"],
        ),
        (
            "type = 'regex', value = '(?i)\\bno\\b'",
            &["No, thanks"],
            &["none"],
        ),
        (
            "type = 'is-json'",
            &["{}", " [1]\n", "3", "\"x\""],
            &["{", "{} {}", "", "```json\n{}\n```"],
        ),
        (
            "type = 'is-json', value = { required = ['a'] }",
            &["{\"a\":1}"],
            &["{\"b\":1}", "a"],
        ),
        (
            "type = 'json-schema', value = { type = 'array' }",
            &["[]"],
            &["{}", "x"],
        ),
        (
            "type = 'json-schema', value = '{\"type\": \"array\"}'",
            &["[]"],
            &["{}"],
        ),
        (
            "type = 'contains-json'",
            &["Here: {\"a\": 1}.", "[1] x"],
            &["{a}", "no", "\"text\" 3"],
        ),
        (
            "type = 'contains-json', value = { required = ['a'] }",
            &["{\"b\":1} then {\"a\":1}"],
            &["{\"b\":1}", "a"],
        ),
        (
            "type = 'is-refusal'",
            &[
                "I'm sorry, but I can't help with that.",
                "I\u{2019}m unable to do it.",
                "",
                " \n",
            ],
            &["Sure. He said he cannot come.", "I can help."],
        ),
        (
            "type = 'word-count', value = 3",
            &["one  two\nthree"],
            &["one", "one two three four", ""],
        ),
        (
            "type = 'word-count', value = { min = 2, max = 3 }",
            &["a b", "a b c"],
            &["a", "a b c d"],
        ),
        (
            "type = 'word-count', value = { max = 1 }",
            &["a", ""],
            &["a b"],
        ),
        (
            "type = 'levenshtein', value = 'kitten', threshold = 3",
            &["sitting", "kitten"],
            &["biting me"],
        ),
        (
            "type = 'levenshtein', value = 'abcdefgh'",
            &["abc"],
            &["ab"],
        ),
        (
            "type = 'rouge-n', value = 'the cat sat'",
            &["the cat sat", "The cat sat."],
            &["a dog", ""],
        ),
        (
            "type = 'rouge-n', value = 'a b c', n = 2, threshold = 1",
            &["a b c"],
            &["b c a"],
        ),
        (
            "type = 'bleu', value = 'the cat sat on the mat'",
            &["the cat sat on the mat", "The cat sat on the mat"],
            &["the the the the the the", "mat", ""],
        ),
        (
            "type = 'bleu', value = ['a b c d', 'e f g h'], threshold = 0.9",
            &["e f g h"],
            &["a b g h"],
        ),
    ];
    for (assert, passing, failing) in cases {
        for (answers, expected) in [(passing, true), (failing, false)] {
            for answer in *answers {
                let plain = grade(assert, answer);
                assert_eq!(plain.pass, expected, "{assert} of {answer:?}: {plain:?}");
                assert!(plain.reason.is_some(), "{assert} of {answer:?}");
                // The prefix inverts what could be decided.
                let negated = assert.replacen("type = '", "type = 'not-", 1);
                let inverse = grade(&negated, answer);
                assert_eq!(inverse.pass, !expected, "{negated} of {answer:?}");
                assert!((inverse.score + plain.score - 1.0).abs() < 1e-12);
                assert_eq!(inverse.reason, plain.reason);
            }
        }
    }
}

#[test]
fn facts_other_than_the_text_are_graded_by_the_table() {
    let sample = Sample {
        cost_usd: Some(Usd(Usd::PICO / 500)),
        market_usd: None,
        latency_ns: Some(Nanos::from_millis(1_500)),
        ttft_ns: Some(Nanos::from_millis(300)),
        flags: Vec::new(),
        usage: Some(Usage {
            completion_tokens: Some(120),
            ..Usage::default()
        }),
        tool_calls: vec![
            ToolCall {
                id: None,
                name: "refund".to_owned(),
                arguments: "{\"order\": 7}".to_owned(),
            },
            ToolCall {
                id: None,
                name: "now".to_owned(),
                arguments: String::new(),
            },
        ],
        ..answered("")
    };
    let order =
        "arguments = { required = ['order'], properties = { order = { type = 'integer' } } }";
    for (assert, expected) in [
        ("type = 'cost', threshold = 0.002".to_owned(), true),
        ("type = 'cost', threshold = '$0.0019'".to_owned(), false),
        ("type = 'latency', threshold = 1500".to_owned(), true),
        ("type = 'latency', threshold = '1.4s'".to_owned(), false),
        ("type = 'ttft', threshold = '300ms'".to_owned(), true),
        ("type = 'ttft', threshold = 299.5".to_owned(), false),
        ("type = 'max-output-tokens', value = 120".to_owned(), true),
        ("type = 'max-output-tokens', value = 119".to_owned(), false),
        ("type = 'tool-call', value = 'refund'".to_owned(), true),
        ("type = 'tool-call', value = 'cancel'".to_owned(), false),
        (
            format!("type = 'tool-call', value = {{ name = 'refund', {order} }}"),
            true,
        ),
        (
            format!("type = 'tool-call', value = {{ name = 'now', {order} }}"),
            false,
        ),
        ("type = 'finish-reason', value = 'stop'".to_owned(), true),
        (
            "type = 'finish-reason', value = 'tool_calls'".to_owned(),
            true,
        ),
        ("type = 'finish-reason', value = 'length'".to_owned(), false),
        ("type = 'is-refusal'".to_owned(), false),
    ] {
        let grade = grade_sample(&assert, &sample);
        assert_eq!(grade.pass, expected, "{assert}: {grade:?}");
        let negated = assert.replacen("type = '", "type = 'not-", 1);
        assert_eq!(grade_sample(&negated, &sample).pass, !expected, "{negated}");
    }
}

#[test]
fn what_is_not_known_fails_whether_negated_or_not() {
    // A check that could not be made must not pass because it was inverted.
    let unknown = Sample {
        cost_usd: None,
        market_usd: None,
        latency_ns: None,
        ttft_ns: None,
        usage: None,
        finish_reason: None,
        ..answered("no number")
    };
    for assert in [
        "cost', threshold = 1",
        "latency', threshold = 1",
        "ttft', threshold = 1",
        "max-output-tokens', value = 1",
        "finish-reason', value = 'stop'",
        "contains', value = 'no', extract = 'answer: (.*)'",
        "contains', value = 'no', extract = 'json'",
    ] {
        for prefix in ["", "not-"] {
            let grade = grade_sample(&format!("type = '{prefix}{assert}"), &unknown);
            assert!(
                !grade.pass && grade.score.abs() < 1e-12,
                "{prefix}{assert}: {grade:?}"
            );
        }
    }
    // Counts that cannot be true are not known either.
    let impossible = Sample {
        flags: vec![Flag::UsageImpossible],
        ..answered("x")
    };
    assert!(!grade_sample("type = 'not-max-output-tokens', value = 1", &impossible).pass);
}

#[test]
fn a_stated_part_of_the_answer_is_graded() {
    // Most wrong grades come from text around the answer that was meant.
    let answer = "Thinking: 41 or 42?\n```json\n{\"answer\": 42}\n```\nAnswer: 42\n\n";
    for (extract, equals, expected) in [
        ("last-line", "Answer: 42", true),
        ("Answer: ([0-9]+)", "42", true),
        ("[0-9]+", "41", true),
        ("all", "42", false),
        ("json", "{\"answer\": 42}", true),
    ] {
        let value = equals.replace('"', "\\\"");
        let assert = format!("type = 'equals', value = \"{value}\", extract = '{extract}'");
        assert_eq!(grade(&assert, answer).pass, expected, "{assert}");
    }
    let schema = "type = 'is-json', value = { required = ['answer'] }, extract = 'json'";
    assert!(grade(schema, answer).pass);
    let nothing = grade("type = 'equals', value = 'x', extract = 'last-line'", " \n");
    assert!(nothing.reason.unwrap().contains("`extract`"));
}

#[test]
fn an_error_is_no_wrong_answer_and_a_refusal_is_an_answer() {
    let grader = Grader::new(&suite(&["type = 'contains', value = 'x'"])).unwrap();
    for outcome in Outcome::ALL {
        let sample = Sample {
            outcome,
            ..answered("y")
        };
        let has_rows = grader.grades(&sample).is_some();
        assert_eq!(
            has_rows,
            outcome.answered() || outcome == Outcome::Refused,
            "{outcome:?}"
        );
    }
    let refused = Sample {
        outcome: Outcome::Refused,
        answer: None,
        ..answered("")
    };
    assert!(grade_sample("type = 'is-refusal'", &refused).pass);
    assert!(!grade_sample("type = 'contains', value = 'x'", &refused).pass);
}

#[test]
fn deep_and_large_answers_end_in_a_grade() {
    // An answer is text from outside: it must not cost more than a moment, nor end the program.
    let deep = "[".repeat(200_000);
    let unclosed = "{\"a\":".repeat(50_000);
    let many = "[1] ".repeat(100_000);
    let long = "a".repeat(200_000);
    for answer in [&deep, &unclosed, &many, &long] {
        for assert in [
            "type = 'is-json'",
            "type = 'contains-json', value = { type = 'object' }",
            "type = 'is-json', extract = 'json'",
            "type = 'regex', value = '^(a+)+$'",
            "type = 'levenshtein', value = 'a', threshold = 1000000",
            "type = 'rouge-n', value = 'a b'",
            "type = 'bleu', value = 'a b'",
        ] {
            assert!(grade(assert, answer).reason.is_some(), "{assert}");
        }
    }
    let pair = "type = 'levenshtein', threshold = 1000000, value = '".to_owned() + &long + "'";
    let refused = grade(&pair, &long);
    assert!(!refused.pass && refused.reason.unwrap().contains("too long"));
}

#[test]
fn names_weights_and_thresholds_reach_the_sample() {
    let text = "name = 'x'\nmodels = ['m']\npass_threshold = 0.5\n[[assert]]\ntype = 'contains'\nvalue = 'a'\nweight = 3\n\
                [[prompts]]\nid = 'p'\nuser = 'b'\n\
                assert = [{ type = 'contains', value = 'b' }, { type = 'not-contains', value = 'c', name = 'no c', weight = 0 }]";
    let grader = Grader::new(&parse_suite(text).unwrap()).unwrap();
    let mut sample = answered("a c");
    grader.grade(&mut sample);
    let names: Vec<&str> = sample.grades.iter().map(|grade| &*grade.name).collect();
    assert_eq!(names, ["contains", "contains-2", "no c"]);
    assert_eq!(sample.score(), Some(0.75));
    assert_eq!(sample.passed(), Some(true));
    sample.pass_threshold = None;
    assert_eq!(sample.passed(), Some(false));
}

proptest! {
    // Any answer gets a grade within the range, the same each time, with a reason on one line.
    #[test]
    fn any_answer_is_graded(answer in "(\\PC|\\n|[{}\\[\\]\",:]|[a-c ]){0,60}") {
        for assert in [
            "type = 'equals', value = 'a'", "type = 'icontains', value = 'A b'", "type = 'regex', value = '[a-c]+'",
            "type = 'is-json'", "type = 'contains-json'", "type = 'is-refusal'", "type = 'word-count', value = 3",
            "type = 'levenshtein', value = 'abc'", "type = 'rouge-n', value = 'a b'", "type = 'bleu', value = 'a b c'",
        ] {
            let first = grade(assert, &answer);
            prop_assert!((0.0..=1.0).contains(&first.score));
            let reason = first.reason.clone().unwrap_or_default();
            let unsafe_char = reason.contains(crate::units::is_unsafe_char);
            prop_assert!(!unsafe_char, "{}", reason);
            prop_assert_eq!(&first, &grade(assert, &answer));
        }
    }

    // Equal texts are as like as texts can be, and likeness does not depend on the order of arguments.
    #[test]
    fn likeness_is_one_for_equal_texts(words in prop::collection::vec("[a-z]{1,5}", 4..12), n in 1_usize..4) {
        use super::overlap::{Edits, bleu, edits, rouge_n};
        let text = words.join(" ");
        prop_assert!((rouge_n(&text, &text, n) - 1.0).abs() < 1e-12);
        prop_assert!((bleu(&text, std::slice::from_ref(&text)) - 1.0).abs() < 1e-12);
        let shorter = words[1..].join(" ");
        prop_assert!((rouge_n(&text, &shorter, n) - rouge_n(&shorter, &text, n)).abs() < 1e-12);
        let removed = words[0].chars().count() as u64 + 1;
        prop_assert_eq!(edits(&text, &shorter, 100), Edits::Exactly(removed));
        prop_assert_eq!(edits(&shorter, &text, removed - 1), Edits::AtLeast(removed));
    }

    // What stands in the text as JSON is found, whatever is around it.
    #[test]
    fn json_within_text_is_found(before in "[a-z{\\[ ]{0,8}", number in any::<i32>(), after in "[a-z}\\] ]{0,8}") {
        let value = serde_json::json!({ "n": number });
        let text = format!("{before} {value} {after}");
        let found: Vec<_> = super::json::json_values(&text).collect();
        let written = value.to_string();
        let is_same = |found: &super::json::FoundJson| found.value == value && text[found.place.clone()] == written;
        // In brackets of its own it is a part of a larger value.
        prop_assert!(found.iter().any(|one| is_same(one) || one.value.to_string().contains(&written)));
    }
}
