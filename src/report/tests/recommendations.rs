//! The recommendations of simulated runs, in every format.

use std::collections::BTreeSet;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;

use crate::units::Usd;
use crate::verdict::fixture::plain_run;

use super::*;

/// Number of simulated runs.
const RUNS: u64 = 200;

/// A run of three variants whose TTFT and cost lie anywhere from half to twice the reference's, and of which
/// some lose answers.
fn simulated_run(seed: u64) -> (Manifest, Vec<Sample>) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let labels = ["a/reference", "b/one", "c/two"];
    let run = manifest(
        &labels,
        &["p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8"],
        6,
    );
    let mut around = |low: f64, high: f64| random.random_range(low..high);
    let ratios: Vec<[f64; 3]> = (0..labels.len())
        .map(|_| {
            [
                around(-1.0, 1.0).exp2(),
                around(-1.0, 1.0).exp2(),
                around(-0.2, 0.15),
            ]
        })
        .collect();
    let samples = (0..run.planned_trials).map(|trial| {
        let index = usize::try_from(trial).unwrap() % labels.len();
        let [times, price, lost] = if index == 0 {
            [1.0, 1.0, 0.0]
        } else {
            ratios[index]
        };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Far below 2^53.
        let mut sample = answered(&run, trial, (400.0 * times * around(0.8, 1.25)) as u64);
        #[allow(clippy::cast_possible_truncation)]
        let cost = Usd((500e6 * price * around(0.9, 1.1)) as i128);
        (sample.cost_usd, sample.billed_usd, sample.market_usd) = (Some(cost), None, None);
        if around(0.0, 1.0) < lost {
            sample = failed(sample, Outcome::ServerError, 503, "overloaded");
        }
        sample
    });
    let samples: Vec<Sample> = samples.collect();
    (run, samples)
}

/// The verdict words of a candidate's primary metrics.
fn primary_verdicts(document: &Value, candidate: &str) -> Vec<(String, String)> {
    let rows = document["verdicts"][0]["comparisons"].as_array().unwrap();
    let own = rows
        .iter()
        .filter(|row| row["primary"] == true && row["candidate"] == candidate);
    let word = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    own.map(|row| (word(row, "metric"), word(row, "verdict")))
        .collect()
}

#[test]
fn recommendations_of_simulated_runs_contradict_no_verdict() {
    // A user switches because of one sentence: it must follow from the verdicts, and be the same everywhere.
    let mut seen = BTreeSet::new();
    for seed in 0..RUNS {
        let (run, samples) = simulated_run(seed);
        let report = read(&run, &samples);
        let document: Value = serde_json::from_str(&render(&report, ReportFormat::Json)).unwrap();
        let junit = render(&report, ReportFormat::Junit);
        let page = render(&report, ReportFormat::Markdown);
        let summary = github::summary(&report.job_summary());
        let screen = report.terminal(Style {
            colour: false,
            width: usize::MAX,
        });
        for one in document["recommendations"].as_array().unwrap() {
            let candidate = one["candidate"].as_str().unwrap();
            let sentence = one["sentence"].as_str().unwrap();
            let advice = one["advice"].as_str().unwrap();
            seen.insert(advice.to_owned());
            let verdicts = primary_verdicts(&document, candidate);
            assert_eq!(verdicts.len(), 3, "{verdicts:?}");
            let any = |word: &str| verdicts.iter().any(|(_, verdict)| verdict == word);
            let consistent = match advice {
                "switch" => any("better") && !any("worse"),
                "trade_off" => any("better") && any("worse"),
                "undecided" => !any("worse") && any("inconclusive"),
                "keep_reference" => !any("better"),
                _ => false,
            };
            assert!(consistent, "seed {seed}: {sentence} {verdicts:?}");
            for (metric, verdict, words) in [
                ("ttft", "better", "lower TTFT"),
                ("ttft", "worse", "higher TTFT"),
                ("ttft", "not_worse", "TTFT not worse"),
                ("ttft", "inconclusive", "TTFT inconclusive"),
                ("cost", "better", "costs less"),
                ("cost", "worse", "costs more"),
                ("cost", "not_worse", "cost not worse"),
                ("cost", "inconclusive", "cost inconclusive"),
                ("completed", "better", "completes more"),
                ("completed", "worse", "completes fewer"),
            ] {
                let is = verdicts.contains(&(metric.to_owned(), verdict.to_owned()));
                assert_eq!(
                    sentence.contains(words),
                    is,
                    "seed {seed}: {sentence} {verdicts:?}"
                );
            }
            let (words, advice) = sentence.rsplit_once(": ").unwrap();
            assert!(
                junit.contains(&format!("{candidate}: {words}: {advice}")),
                "{junit}"
            );
            let cell = format!("{advice}: {words} |");
            assert!(
                page.contains(&cell) && summary.contains(&cell),
                "{cell} {page}"
            );
            let on_screen = screen
                .lines()
                .any(|line| line.ends_with(&format!(": {advice}")));
            assert!(on_screen, "{screen}");
        }
    }
    let all = ["keep_reference", "switch", "trade_off", "undecided"];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn a_side_without_an_answer_has_no_result() {
    // "Undecided" asks for more prompts where an id or a key is wrong, which no prompt mends.
    let (run, samples) = plain_run(3, 6, 4);
    let without = |label: &str| {
        let samples = samples.iter().cloned().map(|sample| {
            if sample.variant.ends_with(label) {
                failed(sample, Outcome::ModelNotFound, 404, "no such model")
            } else {
                sample
            }
        });
        samples.collect::<Vec<Sample>>()
    };
    let (of_candidate, of_reference) = (without("01"), without("00"));
    for (samples, candidate, sentence) in [
        (&of_candidate, "model-01", "answered none of 24 requests"),
        (
            &of_reference,
            "model-02",
            "the reference answered none of 24 requests",
        ),
    ] {
        let report = read(&run, samples);
        let screen = report.terminal(Style {
            colour: false,
            width: usize::MAX,
        });
        let line = format!("x {candidate}  {sentence}: no result\n");
        assert!(screen.contains(&line), "{screen}");
        assert!(!screen.contains("undecided"), "{screen}");
        let page = render(&report, ReportFormat::Markdown);
        assert!(
            page.contains(&format!("x no result: {sentence} |")),
            "{page}"
        );
        let html = render(&report, ReportFormat::Html);
        assert!(html.contains("No result") && html.contains(&format!("{sentence}.")));
        let document: Value = serde_json::from_str(&render(&report, ReportFormat::Json)).unwrap();
        let all = document["recommendations"].as_array().unwrap();
        let is_it = |one: &&Value| one["candidate"].as_str().unwrap().ends_with(candidate);
        assert_eq!(all.iter().find(is_it).unwrap()["advice"], "no_result");
    }
    let summary = github::summary(&read(&run, &of_reference).job_summary());
    assert!(summary.contains("x no result"), "{summary}");
}

/// A run of two models on eight prompts of very different times: the candidate takes 0.9 of the reference's time on each but
/// the two in the middle, which decide the median over all answers.
fn contradictory_run() -> (Manifest, Vec<Sample>) {
    let labels = ["a/reference", "b/other"];
    let run = manifest(
        &labels,
        &["p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8"],
        4,
    );
    let sample = |trial: u64| {
        let (variant, slot) = (trial % 2, trial / 2);
        let (prompt, noise) = (slot % 8, (slot * 7) % 5);
        let ttft_ms = match (variant, prompt) {
            (1, 3 | 4) => 530,
            (1, prompt) => 90 * (prompt + 1),
            (_, prompt) => 100 * (prompt + 1),
        };
        answered(&run, trial, ttft_ms + noise)
    };
    let samples = (0..run.planned_trials).map(sample).collect();
    (run, samples)
}

#[test]
fn a_median_that_contradicts_its_effect_is_explained() {
    // A reader took "468 ms against 425 ms, TTFT not worse (0.96x)" for an error: every format with both says why, once.
    let sentence =
        "Prompt by prompt, TTFT is 0.91x for other, although p50 over all answers is higher.";
    let documents = |(run, samples): (Manifest, Vec<Sample>)| {
        let report = read(&run, &samples);
        let style = Style {
            colour: false,
            width: usize::MAX,
        };
        let formats = [
            ReportFormat::Markdown,
            ReportFormat::Html,
            ReportFormat::Json,
        ];
        let mut documents = formats.map(|format| render(&report, format)).to_vec();
        documents.push(github::summary(&report.job_summary()));
        documents.push(report.terminal(style));
        documents
    };
    for document in documents(contradictory_run()) {
        assert_eq!(document.matches(sentence).count(), 1, "{document}");
    }
    // Where both say the same, nothing needs to be explained.
    for document in documents(simulated_run(1)) {
        assert!(!document.contains("Prompt by prompt,"), "{document}");
    }
}
