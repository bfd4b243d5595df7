//! A gate never disarms itself: whatever is changed after runs were accepted, the gate says so and does not pass in
//! silence. Makes the table of docs/ci.md; `BAKEOFF_UPDATE=1` writes it again.

#![cfg(unix)]

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::program::Home;

const HISTORY: &str = "--history h.jsonl";
const LATEST: &str = "reports/ci/latest";
/// Accepted runs before the change.
const ACCEPTED: usize = 10;
/// TTFT of a model before it became slower, and after.
const USUAL_MS: u32 = 60;
const SLOW_MS: u32 = 600;

/// Three models; the second takes `ttft_ms`.
fn scenario(ttft_ms: u32) -> String {
    let model = |name: &str, ttft_ms: u32| {
        format!(
            "[models.\"{name}\"]\nttft = {{ median_ms = {ttft_ms}, sigma = 0.05 }}\n\
             price = {{ input = \"0.000001\", output = \"0.000002\" }}\n"
        )
    };
    format!(
        "[default]\ngap = {{ median_ms = 1, sigma = 0.1 }}\ntokens = {{ median = 4, sigma = 0.1 }}\n\
         prefill_ms_per_ktok = 0\n{}{}{}",
        model("a/usual", USUAL_MS),
        model("a/other", ttft_ms),
        model("b/new", USUAL_MS)
    )
}

const SUITE: &str = r#"name = "ci"
models = ["a/usual", "a/other"]
repetitions = 1
concurrency = 8
warmup = 0
[parameters]
max_tokens = 60
[gate]
primary = ["latency"]
on_inconclusive = "warn"
"#;

fn suite() -> String {
    let prompts = (0..8).map(|number| {
        format!(
            "[[prompts]]\nid = \"p{number}\"\nuser = \"A question of arithmetic: {number} + 1\"\n"
        )
    });
    SUITE.to_owned() + &prompts.collect::<String>()
}

/// A kind of change: its name, the text of the suite that is replaced, and the flags of the run.
struct Change {
    name: &'static str,
    from: &'static str,
    to: &'static str,
    flags: &'static str,
}

const CHANGES: [Change; 9] = [
    Change {
        name: "a word of the prompts",
        from: "question of",
        to: "riddle of",
        flags: "",
    },
    Change {
        name: "a parameter (`max_tokens`)",
        from: "max_tokens = 60",
        to: "max_tokens = 61",
        flags: "",
    },
    Change {
        name: "a model",
        from: "\"a/other\"]",
        to: "{ model = \"b/new\", label = \"a/other\" }]",
        flags: "",
    },
    Change {
        name: "a model more",
        from: "\"a/other\"]",
        to: "\"a/other\", \"b/new\"]",
        flags: "",
    },
    Change {
        name: "the provider",
        from: "\"a/other\"]",
        to: "{ model = \"a/other\", parameters = { provider_options = { gateway = { order = [\"x\"] } } } }]",
        flags: "",
    },
    Change {
        name: "the endpoint",
        from: "",
        to: "",
        flags: "--endpoint other",
    },
    Change {
        name: "the concurrency",
        from: "concurrency = 8",
        to: "concurrency = 4",
        flags: "",
    },
    Change {
        name: "`--environment`",
        from: "",
        to: "",
        flags: "--environment laptop",
    },
    Change {
        name: "the name of the suite",
        from: "name = \"ci\"",
        to: "name = \"nightly\"",
        flags: "",
    },
];

/// A folder with the suite and the scenarios.
fn new_home() -> Home {
    Home::new()
        .with("suite.toml", &suite())
        .with("usual.toml", &scenario(USUAL_MS))
        .with("slow.toml", &scenario(SLOW_MS))
}

/// A folder with ten accepted runs of the suite.
fn accepted() -> Home {
    let home = new_home();
    home.bakeoff("run suite.toml --quiet --scenario usual.toml")
        .run();
    home.bakeoff(&format!("accept {LATEST} {HISTORY}")).run();
    let line: Value = serde_json::from_str(&home.read("h.jsonl")).unwrap();
    let lines = (0..ACCEPTED).map(|number| {
        let mut line = line.clone();
        line["run"]["run"] = format!("run-{number}").into();
        line["run"]["started_at"] = format!("2026-01-{:02}T06:00:00Z", number + 1).into();
        format!("{line}\n")
    });
    let lines: String = lines.collect();
    home.with("h.jsonl", &lines)
}

/// The exit code and the message of a run after a change, and those of `accept`.
struct ChangeResult {
    run: i32,
    message: String,
    accept: i32,
}

/// The message about the history in an output.
fn message(text: &str) -> String {
    let mut lines = text.lines().filter(|line| !line.starts_with("::"));
    let line = lines.find(|line| {
        line.contains("cannot be compared") || line.contains("is the history of the suite")
    });
    let line = line.unwrap_or_else(|| panic!("it is silent: {text}"));
    let line = line
        .trim_start_matches("warning: ")
        .trim_start_matches("error: ");
    line.to_owned()
}

fn after(home: &Home, change: &Change, on_inconclusive: &str) -> ChangeResult {
    let setting = format!("on_inconclusive = \"{on_inconclusive}\"");
    let changed = suite().replace("on_inconclusive = \"warn\"", &setting);
    // What can still be compared must not fail on a busy machine: the exit code is that of what cannot.
    let changed = changed.replace("\"latency\"", "\"completed\"");
    fs::write(
        home.path("suite.toml"),
        changed.replace(change.from, change.to),
    )
    .unwrap();
    let history = home.read("h.jsonl");
    let scenario = if change.flags.contains("--endpoint") {
        ""
    } else {
        "--scenario slow.toml"
    };
    let renamed = change.name.contains("name");
    let run = match (on_inconclusive, renamed) {
        (_, true) => 2,
        ("fail", _) => 3,
        _ => 0,
    };
    let arguments = format!(
        "run suite.toml --quiet {scenario} {HISTORY} {}",
        change.flags
    );
    let output = home
        .bakeoff(&arguments)
        .env("GITHUB_ACTIONS", "true")
        .exits(run)
        .run();
    let message = message(&output.err);
    if renamed {
        // Nothing was sent: there is no run to accept.
        return ChangeResult {
            run,
            message,
            accept: 2,
        };
    }
    assert!(output.err.contains("::warning title=bakeoff"), "{output:?}");
    // Reports and `accept` are looked at where a run could most easily pass in silence.
    if on_inconclusive == "pass" {
        is_in_every_output(home, &message);
        // Neither a job nor a hand takes the run as the next baseline by mistake.
        for flags in ["", "--unless-flagged", "--force"] {
            home.bakeoff(&format!("accept {LATEST} {HISTORY} {flags}"))
                .exits(2)
                .complains("--reset")
                .run();
        }
    }
    assert_eq!(home.read("h.jsonl"), history, "{}", change.name);
    ChangeResult {
        run,
        message,
        accept: 2,
    }
}

fn is_in_every_output(home: &Home, message: &str) {
    // Markdown and XML escape, and a terminal wraps.
    let words = |text: &str| -> String { text.chars().filter(|c| c.is_alphanumeric()).collect() };
    for format in ["terminal", "markdown", "summary", "json", "junit"] {
        let report = home.bakeoff(&format!("report {LATEST} --format {format}"));
        let text = report.run().out;
        assert!(words(&text).contains(&words(message)), "{format}: {text}");
    }
}

/// The row of the table of docs/ci.md for a change: made after it with each setting.
fn row(change: &Change, history: &str, project: &str) -> String {
    let home = new_home()
        .with("h.jsonl", history)
        .with("bakeoff.toml", project);
    let results = ["pass", "warn", "fail"].map(|setting| after(&home, change, setting));
    let [pass, warn, fail] = &results;
    assert_eq!(
        (&pass.message, &warn.message),
        (&warn.message, &fail.message)
    );
    format!(
        "| {} | {} | {} | {} | {} | {} |\n",
        change.name, pass.run, warn.run, fail.run, fail.accept, fail.message
    )
}

#[test]
fn no_change_passes_in_silence() {
    // A changed word of a prompt gave exit 0 and "no past to compare with", with `fail` and a slower model, too.
    let home = accepted();
    let served = home.bakeoff("sim --port 0 --scenario slow.toml").begin();
    let project = format!("[endpoints.other]\nbase_url = \"{}\"\n", served.next_url());
    let history = home.read("h.jsonl");
    let mut table = String::from(
        "| changed since the accepted runs | `pass` | `warn` | `fail` | `accept` | message |\n\
         | --- | ---: | ---: | ---: | ---: | --- |\n",
    );
    // Runs wait for answers most of the time: the changes are made side by side.
    std::thread::scope(|scope| {
        let started = CHANGES
            .each_ref()
            .map(|change| scope.spawn(|| row(change, &history, &project)));
        for row in started {
            table.push_str(&row.join().unwrap());
        }
    });
    served.signal(Signal::INT);
    served.end();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("<!-- changes -->\n").unwrap();
    let (shown, after) = rest.split_once("<!-- end of changes -->").unwrap();
    if std::env::var_os("BAKEOFF_UPDATE").is_some() {
        let page = format!("{before}<!-- changes -->\n{table}<!-- end of changes -->{after}");
        fs::write(&path, page).unwrap();
    } else {
        assert_eq!(shown, table, "run this test with BAKEOFF_UPDATE=1");
    }
}

#[test]
fn a_reset_baseline_arms_the_gate_again() {
    // The way out is one command, and the next slow run is found: so slow that no busy machine makes the other model as slow,
    // which would be a shift that both share.
    let home = accepted().with("slow.toml", &scenario(5 * SLOW_MS));
    let changed = suite().replace("question of", "riddle of");
    fs::write(home.path("suite.toml"), changed).unwrap();
    home.bakeoff("run suite.toml --quiet --scenario usual.toml")
        .run();
    home.bakeoff(&format!("accept {LATEST} {HISTORY} --reset"))
        .says("resets the baseline")
        .run();
    home.bakeoff(&format!(
        "run suite.toml --quiet --scenario slow.toml {HISTORY}"
    ))
    .exits(1)
    .run();
}

#[test]
fn a_wrong_clock_does_not_disarm_the_gate() {
    // Runs that seem to begin before every accepted one have no past: that is not a first run.
    let home = accepted();
    let later = home.read("h.jsonl").replace("2026-01", "2096-01");
    fs::write(home.path("h.jsonl"), later).unwrap();
    let output = home
        .bakeoff(&format!(
            "run suite.toml --quiet --scenario slow.toml {HISTORY}"
        ))
        .complains("10 accepted runs cannot be compared: they began after this run")
        .run();
    assert!(
        !output.out.contains("no accepted run to compare with"),
        "{output:?}"
    );
}

#[test]
fn eight_accepts_at_once_leave_one_line() {
    // Two jobs of one pipeline accept the same run: it must not count twice.
    let home = new_home();
    home.bakeoff("run suite.toml --quiet --scenario usual.toml")
        .run();
    let codes: Vec<Option<i32>> = std::thread::scope(|scope| {
        let accept = || {
            let mut accept = std::process::Command::new(env!("CARGO_BIN_EXE_bakeoff"));
            accept.args(["accept", LATEST, "--history", "h.jsonl"]);
            let output = accept.current_dir(home.path("")).output().unwrap();
            output.status.code()
        };
        let started: Vec<_> = (0..8).map(|_| scope.spawn(accept)).collect();
        started.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(
        codes.iter().filter(|code| **code == Some(0)).count(),
        1,
        "{codes:?}"
    );
    assert_eq!(
        codes.iter().filter(|code| **code == Some(2)).count(),
        7,
        "{codes:?}"
    );
    assert_eq!(home.read("h.jsonl").lines().count(), 1);
}
