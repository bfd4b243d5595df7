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
    home.bakeoff("run suite.toml --quiet --scenario scenario.toml")
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

#[test]
fn answers_are_shown_with_their_grades() {
    // Side by side, to choose with one's own eyes; a file of answers is for its owner alone.
    let home = measured();
    let wrong = scores(&home, |prompt, _| prompt != "p3");
    let home = home.with("scores.jsonl", &wrong);
    home.bakeoff(&format!("score {LATEST} --from scores.jsonl"))
        .run();
    let failed = home
        .bakeoff(&format!("answers {LATEST} --failed"))
        .env("COLUMNS", "100")
        .run();
    assert!(
        failed.out.contains("p3, repetition 1: Question 3"),
        "{}",
        failed.out
    );
    assert!(!failed.out.contains("p4"), "{}", failed.out);
    assert!(failed.out.contains("fail right (0.00)"), "{}", failed.out);
    home.bakeoff(&format!(
        "answers {LATEST} --prompt p? --diff -o answers.txt"
    ))
    .run();
    assert!(home.read("answers.txt").contains("p7, repetition 2"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(home.path("answers.txt"))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }
    home.bakeoff(&format!("answers {LATEST} --prompt nothing"))
        .exits(2)
        .run();
}

#[test]
fn a_run_without_answers_names_the_setting() {
    // An empty page would look like a broken command.
    let without = suite().replace("warmup = 0", "warmup = 0\nkeep_answers = false");
    let home = Home::new().with("suite.toml", &without);
    home.bakeoff("run suite.toml --quiet --scenario scenario.toml")
        .run();
    home.bakeoff(&format!("answers {LATEST}"))
        .exits(2)
        .complains("keep_answers = false")
        .run();
}

#[test]
fn the_switch_gate_says_the_same_everywhere() {
    // Without grades a cheaper model is never switched to, whatever `on_inconclusive` says; one that costs more is
    // refused. Terminal, page, JSON and JUnit have one sentence.
    let cheaper = suite()
        .replace(
            "reference = \"openai/gpt-4.1-nano\"",
            "reference = \"google/gemini-2.5-flash\"",
        )
        .replace("on_inconclusive = \"fail\"", "on_inconclusive = \"pass\"");
    let home = Home::new().with("suite.toml", &cheaper);
    let run = home
        .bakeoff("run suite.toml --quiet --scenario scenario.toml --gate switch")
        .exits(3)
        .run();
    let sentence = |text: &str| {
        let line = text.lines().find(|line| line.contains("Switch gate: "));
        line.unwrap_or_else(|| panic!("no switch gate in {text}"))
            .to_owned()
    };
    let printed = sentence(&run.out);
    assert!(
        printed.contains("openai/gpt-4.1-nano: undecided: "),
        "{printed}"
    );
    assert!(printed.contains("answers are not graded"), "{printed}");
    let plain = |text: &str| text.replace(['\\', '`'], "").replace("&amp;", "&");
    let sentence = plain(printed.trim_start_matches("~ "));
    for file in ["report.md", "junit.xml"] {
        let text = plain(&home.read(&format!("{LATEST}/{file}")));
        assert!(
            text.contains(&sentence),
            "{file} lacks `{sentence}`: {text}"
        );
    }
    let json = home
        .bakeoff(&format!("report {LATEST} --format json"))
        .run();
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["switch"][0]["outcome"], "undecided");
    assert_eq!(
        plain(json["switch"][0]["sentence"].as_str().unwrap()),
        sentence
    );
    // The reference of the other suite is the cheaper one.
    let home = measured();
    home.bakeoff(&format!("compare {LATEST} --gate switch"))
        .exits(1)
        .says("google/gemini-2.5-flash: do not switch: ")
        .run();
    home.bakeoff("run suite.toml --gate switch --until-decided")
        .exits(2)
        .run();
}
