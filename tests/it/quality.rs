//! The quality of answers, from grades to reports and exit codes, through the built program.

#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

use std::fmt::Write as _;

use crate::support::program::Home;

const LATEST: &str = "reports/small/latest";

/// A suite of eight prompts, two models and two repetitions: 32 trials.
fn suite() -> String {
    let prompts = (0..8)
        .map(|number| format!("[[prompts]]\nid = \"p{number}\"\nuser = \"Question {number}\"\n"));
    let head = "name = \"small\"\nmodels = [\"openai/gpt-4.1-nano\", \"google/gemini-2.5-flash\"]\nreference = \"openai/gpt-4.1-nano\"\n\
                repetitions = 2\nconcurrency = 8\nwarmup = 0\n[gate]\nprimary = [\"pass_rate\"]\n\
                on_inconclusive = \"fail\"\n";
    head.to_owned() + &prompts.collect::<String>()
}

/// A folder with a run of the suite.
fn measured() -> Home {
    let home = Home::new().with("suite.toml", &suite());
    // No answer is graded: the gate is inconclusive.
    home.bakeoff("run suite.toml --quiet --scenario world.toml")
        .run();
    home
}

/// A line for each trial: the reference is always right, the candidate as `is_right` says.
fn scores(home: &Home, is_right: impl Fn(&str, u64) -> bool) -> String {
    let mut lines = String::new();
    for sample in home.samples("small") {
        let (prompt, repetition) = (&sample["prompt"], &sample["repetition"]);
        let is_reference = sample["variant"] == "openai/gpt-4.1-nano";
        let right =
            is_reference || is_right(prompt.as_str().unwrap(), repetition.as_u64().unwrap());
        let variant = &sample["variant"];
        writeln!(
            lines,
            "{{\"prompt\":{prompt},\"variant\":{variant},\"repetition\":{repetition},\"scores\":{{\"right\":{right}}}}}"
        )
        .unwrap();
    }
    lines
}

#[test]
fn grades_of_another_program_move_verdicts_and_exit_codes() {
    // A candidate that is wrong on every second answer is worse, and `compare` fails; before it was graded, nothing
    // was known.
    let home = measured();
    let always_right = scores(&home, |_, _| true);
    let often_wrong = scores(&home, |_, repetition| repetition == 1);
    let home = home
        .with("right.jsonl", &always_right)
        .with("wrong.jsonl", &often_wrong);
    let scored = home
        .bakeoff(&format!("score {LATEST} --from wrong.jsonl"))
        .run();
    assert!(
        scored.err.contains("Stored 32 grades of 32 answers"),
        "{}",
        scored.err
    );
    home.bakeoff(&format!("compare {LATEST}")).exits(1).run();
    // Later grades of the same name replace earlier ones.
    home.bakeoff(&format!("score {LATEST} --from right.jsonl"))
        .run();
    let compared = home
        .bakeoff(&format!("compare {LATEST} --format csv"))
        .exits(3)
        .run();
    // Sixteen answers that agree are too few to exclude a loss of 5 points.
    let row = compared.out.lines().find(|row| row.contains(",pass_rate,"));
    let row = row.unwrap_or_default();
    assert!(row.contains(",inconclusive,"), "{row}");
}

#[test]
fn a_bad_line_stores_nothing() {
    // Half of the grades are a biased sample.
    let home = measured();
    let mut lines = scores(&home, |_, _| true);
    lines.push_str("{\"trial\": 99, \"scores\": {\"right\": 1}}\n");
    let home = home.with("scores.jsonl", &lines);
    let refused = home
        .bakeoff(&format!("score {LATEST} --from scores.jsonl"))
        .exits(2)
        .run();
    assert!(
        refused.err.contains("no grade was stored: 1 line of `scores.jsonl` is wrong\n  scores.jsonl:33: this run has no sample of trial 99"),
        "{}",
        refused.err
    );
    assert!(!home.path(&format!("{LATEST}/amendments.jsonl")).exists());
}
