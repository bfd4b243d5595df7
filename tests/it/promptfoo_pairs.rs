//! The grades of promptfoo and ours for the same pairs of an answer and an assert: `tests/promptfoo/pairs.jsonl`.

use bakeoff::grade::Grader;
use bakeoff::record::{Outcome, Sample};
use bakeoff::suite::parse_suite;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Pair {
    assert: Value,
    answer: String,
    pass: bool,
    score: f64,
}

/// Types whose grades differ, for how many of the answers, and why.
const DIFFERENCES: [(&str, usize, &str); 4] = [
    (
        "bleu",
        1,
        "with several references promptfoo takes the one with the most n-grams; here each n-gram counts as often as in \
         any of them, as BLEU is defined (Papineni et al., 2002)",
    ),
    (
        "contains-json",
        5,
        "an array is JSON; `{a: 1}` and an object that is not closed are not, which promptfoo repairs first",
    ),
    (
        "is-refusal",
        1,
        "an empty answer passes with the score 0 there, and 1 here",
    ),
    ("not-contains-json", 3, "as `contains-json`"),
];

/// An answer without anything but its text.
fn sample(answer: &str) -> Sample {
    let sample = json!({
        "version": Sample::VERSION, "trial": 0, "slot": 0, "round": 1, "prompt": "p", "prompt_digest": "", "repetition": 1,
        "variant": "m", "model": "m", "weight": 1.0, "outcome": Outcome::Complete, "request_id": "", "sent_ns": 0,
        "scheduled_ns": 0, "attempts": [], "answer": answer,
    });
    serde_json::from_value(sample).unwrap()
}

#[test]
fn answers_get_the_grades_of_promptfoo() {
    // Who moves a configuration here must not find other answers right without a stated reason.
    let text = include_str!("../promptfoo/pairs.jsonl");
    let mut different = std::collections::BTreeMap::<String, Vec<String>>::new();
    let mut pairs = 0;
    for line in text.lines() {
        let pair: Pair = serde_json::from_str(line).unwrap();
        pairs += 1;
        let suite = json!({
            "name": "x", "models": ["m"], "prompts": [{ "id": "p", "user": "b", "assert": [pair.assert] }],
        });
        let suite = parse_suite(&toml::to_string(&suite).unwrap());
        let suite = suite.unwrap_or_else(|problems| panic!("{line}: {problems:?}"));
        let (rows, _) = Grader::new(&suite)
            .unwrap()
            .grades(&sample(&pair.answer))
            .unwrap();
        let same = rows[0].pass == pair.pass && (rows[0].score - pair.score).abs() < 0.005;
        if !same {
            let kind = pair.assert["type"].as_str().unwrap().to_owned();
            let ours = format!("{line}\n  here: {:?}", rows[0]);
            different.entry(kind).or_default().push(ours);
        }
    }
    assert!(pairs >= 250);
    let found: Vec<_> = different
        .iter()
        .map(|(kind, lines)| (kind.as_str(), lines.len()))
        .collect();
    let expected: Vec<_> = DIFFERENCES
        .iter()
        .map(|(kind, count, _)| (*kind, *count))
        .collect();
    let lines: Vec<String> = different.values().flatten().cloned().collect();
    assert_eq!(found, expected, "{}", lines.join("\n"));
}
