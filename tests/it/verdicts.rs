//! Verdicts through the whole program, on the simulator: accepting, judging against a history, comparing
//! runs, ending when the verdict is in. Scenarios differ fourfold and tolerances are wide, so that no verdict
//! here hangs on a busy machine.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]
#![allow(
    dead_code,
    reason = "the support of all tests; this one needs a part of it"
)]

use crate::support::program;

use std::fs;

use serde_json::Value;

use program::Home;

const RUN: &str = "run suite.toml --quiet --sim-seed 7 --scenario";
const WITH_HISTORY: &str = "--history base/h.jsonl";
const LATEST: &str = "reports/verdicts/latest";

/// Times of two models in milliseconds, and the rest of a scenario.
fn scenario(usual: u32, other: u32) -> String {
    let model = |name: &str, ttft: u32| {
        format!(
            "[models.\"a/{name}\"]\nttft = {{ median_ms = {ttft}, sigma = 0.05 }}\n\
             price = {{ input = \"0.000001\", output = \"0.000002\" }}\n"
        )
    };
    format!(
        "[default]\ngap = {{ median_ms = 1, sigma = 0.1 }}\ntokens = {{ median = 4, sigma = 0.1 }}\n\
         prefill_ms_per_ktok = 0\n{}{}",
        model("usual", usual),
        model("other", other)
    )
}

/// Eight prompts, asked `repetitions` times; `word` is part of each.
fn suite(repetitions: u32, gate: &str, word: &str) -> String {
    let mut text = format!(
        "name = \"verdicts\"\nmodels = [\"a/usual\", \"a/other\"]\nreference = \"a/usual\"\n\
         repetitions = {repetitions}\nconcurrency = 8\nwarmup = 0\n\
         [gate]\nprimary = [\"latency\"]\ntolerance = \"50%\"\nmargin = \"150%\"\n{gate}\n"
    );
    let prompt = |number| format!("[[prompts]]\nid = \"p{number}\"\nuser = \"{word} {number}?\"\n");
    text.extend((0..8).map(prompt));
    text
}

/// A suite with this gate; `fast.toml`, and `slow.toml` where the second model takes four times as long.
fn home(gate: &str) -> Home {
    Home::new()
        .with("suite.toml", &suite(2, gate, "Question"))
        .with("fast.toml", &scenario(60, 60))
        .with("slow.toml", &scenario(60, 240))
        .with("slow_day.toml", &scenario(240, 240))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Name of the newest run.
fn newest(home: &Home) -> String {
    let target = fs::read_link(home.path(LATEST)).unwrap();
    target.to_string_lossy().into_owned()
}

/// Number of runs.
fn runs(home: &Home) -> usize {
    let folder = fs::read_dir(home.path("reports/verdicts"));
    folder.map_or(0, |folder| folder.count().saturating_sub(1))
}

/// A history whose one run is the newest of a fast scenario.
fn with_history(home: &Home) -> String {
    home.bakeoff(&format!("{RUN} fast.toml")).run();
    home.bakeoff(&format!("accept {LATEST} {WITH_HISTORY}"))
        .run();
    newest(home)
}

#[test]
fn the_first_run_passes_and_says_what_to_type_next() {
    // A first build must not fail for lack of a history; and the printed command must work.
    let home = home("");
    let output = home
        .bakeoff(&format!("{RUN} fast.toml {WITH_HISTORY}"))
        .complains("has no run to compare with yet")
        .run();
    let next = output
        .err
        .lines()
        .find(|line| line.contains("bakeoff accept"));
    let next = next.unwrap().trim().strip_prefix("bakeoff ").unwrap();
    home.bakeoff(next)
        .says("base/h.jsonl has 1 run to compare with")
        .run();
    home.bakeoff(&format!("{RUN} fast.toml {WITH_HISTORY}"))
        .run();
    // What passed leaves no line: only accepted runs are the past.
    assert_eq!(home.read("base/h.jsonl").lines().count(), 1);
}

#[test]
fn a_slower_run_fails_and_is_noted() {
    // The job that CI is there for: named in the reports, exit 1, a line in the history.
    let home = home("");
    with_history(&home);
    home.bakeoff(&format!("{RUN} slow.toml {WITH_HISTORY}"))
        .exits(1)
        .says("regressed")
        .complains("--reset")
        .run();
    let history = home.read("base/h.jsonl");
    assert_eq!(history.lines().count(), 2);
    let noted = json(history.lines().last().unwrap());
    assert_eq!(noted["standing"], "flagged");
    assert_eq!(noted["findings"][0]["metric"], "latency");
    assert!(
        home.read(&format!("{LATEST}/report.md"))
            .contains("regressed")
    );
    assert!(
        home.read(&format!("{LATEST}/junit.xml"))
            .contains("<failure")
    );

    // The reports are made again from the folder alone, byte for byte: the past is in it.
    let files = ["report.md", "comparison.csv", "junit.xml"];
    let texts = || files.map(|name| home.read(&format!("{LATEST}/{name}")));
    let before = texts();
    fs::remove_file(home.path("base/h.jsonl")).unwrap();
    home.bakeoff(&format!("report {LATEST}")).run();
    assert_eq!(texts(), before);
}

#[test]
fn a_slow_day_is_the_gateways() {
    // Both models take four times as long: reported first, and no model's fault; a suite may let it fail.
    let home = home("");
    with_history(&home);
    let slow = format!("{RUN} slow_day.toml {WITH_HISTORY}");
    home.bakeoff(&slow).says("Everything is").run();
    let report = home.read(&format!("{LATEST}/report.md"));
    let (shift, verdicts) = (report.find("Everything is"), report.find("- **"));
    assert!(shift.unwrap() < verdicts.unwrap(), "{report}");
    let strict = suite(2, "[gate.shared_shift]\non_exceeded = \"fail\"", "Question");
    fs::write(home.path("suite.toml"), strict).unwrap();
    home.bakeoff(&slow).exits(1).run();
}

#[test]
fn a_baseline_reset_forgives() {
    // A change that is here to stay must not fail every later build.
    let home = home("");
    with_history(&home);
    home.bakeoff(&format!("{RUN} slow.toml {WITH_HISTORY}"))
        .exits(1)
        .run();
    home.bakeoff(&format!("accept {LATEST} {WITH_HISTORY}"))
        .exits(2)
        .complains("--reset accepts the change")
        .run();
    home.bakeoff(&format!("accept {LATEST} {WITH_HISTORY} --unless-flagged"))
        .complains("is not accepted")
        .run();
    home.bakeoff(&format!("accept {LATEST} {WITH_HISTORY} --reset"))
        .says("resets the baseline")
        .run();
    home.bakeoff(&format!("{RUN} slow.toml {WITH_HISTORY}"))
        .run();
    let output = home.bakeoff("history base/h.jsonl --metric latency").run();
    let standings = output
        .out
        .lines()
        .filter_map(|line| line.split("ms  ").nth(1));
    let standings: Vec<&str> = standings.collect();
    assert_eq!(
        standings,
        ["accepted", "baseline_reset", "accepted", "baseline_reset"]
    );
}

#[test]
fn a_first_flag_waits_for_a_second() {
    // One night in twenty is noise: `confirm` lets an hour pass before it fails a build.
    let home = home("confirm = true\non_inconclusive = \"fail\"");
    with_history(&home);
    home.bakeoff(&format!("{RUN} slow.toml {WITH_HISTORY}"))
        .exits(3)
        .complains("a run an hour or more later decides")
        .run();
    let pending = newest(&home);
    let slow = format!("{RUN} slow.toml {WITH_HISTORY}");
    // Another one at once says nothing new.
    home.bakeoff(&slow).exits(3).run();
    // Hours later: the marks are set back instead of waiting for them.
    let history = home.read("base/h.jsonl");
    let set_back = history.lines().map(|line| {
        let mut line = json(line);
        line["run"]["started_at"] = "2026-01-01T00:00:00Z".into();
        format!("{line}\n")
    });
    fs::write(home.path("base/h.jsonl"), set_back.collect::<String>()).unwrap();
    home.bakeoff(&slow).exits(1).complains("confirmed").run();
    let marks = home.read("base/h.jsonl");
    let mark = marks.lines().map(json).find(|line| line["of"] == pending);
    assert_eq!(mark.unwrap()["standing"], "confirmed");
}

#[test]
fn what_is_no_fair_past_is_not_accepted() {
    // Every later run would be compared with it.
    let home = home("")
        .with(
            "dead.toml",
            &format!("{}always = [\"500\"]\n", scenario(60, 60)),
        )
        .with(
            "other.toml",
            &suite(2, "", "Question").replace("\"verdicts\"", "\"others\""),
        );
    let name = with_history(&home);
    home.bakeoff(&format!("accept {LATEST} {WITH_HISTORY}"))
        .exits(2)
        .complains(&format!("{name} is already accepted"))
        .run();
    home.bakeoff(&format!("{RUN} dead.toml --patience 1s"))
        .exits(4)
        .run();
    home.bakeoff(&format!("accept {LATEST} {WITH_HISTORY}"))
        .exits(2)
        .complains("it is incomplete (`a/other` failed until it was dropped")
        .complains("--force")
        .run();
    // Another suite's run: reported before anything is sent.
    home.bakeoff("run other.toml --quiet --scenario fast.toml --history base/h.jsonl")
        .exits(2)
        .complains("is the history of the suite `verdicts`")
        .run();
    assert!(!home.path("reports/others").exists());
    assert_eq!(home.read("base/h.jsonl").lines().count(), 1);
    home.bakeoff(&format!("accept {LATEST} {WITH_HISTORY} --force --json"))
        .run();
    assert_eq!(home.read("base/h.jsonl").lines().count(), 2);
}

#[test]
fn a_broken_history_is_reported_before_anything_is_sent() {
    // A run that cannot be judged at its end would be paid for in vain.
    let home = home("");
    with_history(&home);
    let good = home.read("base/h.jsonl");
    fs::write(
        home.path("base/h.jsonl"),
        format!("{good}{{\"version\":1}}\n{good}"),
    )
    .unwrap();
    home.bakeoff(&format!("{RUN} fast.toml {WITH_HISTORY}"))
        .exits(2)
        .complains("base/h.jsonl:2")
        .run();
    assert_eq!(runs(&home), 1);
    // A line that is incomplete may have been the baseline: without it a slower run would pass.
    fs::write(home.path("base/h.jsonl"), format!("{good}{{\"vers")).unwrap();
    home.bakeoff(&format!("{RUN} fast.toml {WITH_HISTORY}"))
        .exits(2)
        .complains("base/h.jsonl:2 is incomplete")
        .complains("remove this line")
        .run();
    home.bakeoff(&format!("accept {LATEST} {WITH_HISTORY} --reset"))
        .exits(2)
        .complains("base/h.jsonl:2 is incomplete")
        .run();
    let newer = good.replacen("\"version\":3", "\"version\":9", 1);
    fs::write(home.path("base/h.jsonl"), format!("{good}{newer}")).unwrap();
    home.bakeoff(&format!("{RUN} fast.toml {WITH_HISTORY}"))
        .exits(2)
        .complains("base/h.jsonl:2")
        .complains("newer")
        .run();
    assert_eq!(runs(&home), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn an_unwritable_history_is_reported_before_anything_is_sent() {
    // It is written after the run: what was paid for would be judged, and not kept. Not even root may write
    // into /proc.
    let home = home("");
    home.bakeoff(&format!("{RUN} fast.toml --history /proc/h.jsonl"))
        .exits(2)
        .complains("the history cannot be written: /proc/h.jsonl")
        .complains("nothing was sent")
        .run();
    assert_eq!(runs(&home), 0);
    // Of a check that went well nothing is left.
    home.bakeoff(&format!("{RUN} fast.toml {WITH_HISTORY}"))
        .run();
    let left = fs::read_dir(home.path("base")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["h.jsonl"]);
}

#[test]
fn a_damaged_history_is_reported() {
    // Reports are made again from the past that lies beside them: one that has lost a line judges by less.
    let home = home("");
    with_history(&home);
    home.bakeoff(&format!("{RUN} fast.toml {WITH_HISTORY}"))
        .run();
    let file = home.path(&format!("{LATEST}/past.jsonl"));
    let whole = fs::read_to_string(&file).unwrap();
    let truncated_lines = format!("{whole}{}", &whole[..whole.len() / 2]);
    fs::write(&file, truncated_lines).unwrap();
    home.bakeoff(&format!("report {LATEST}"))
        .complains("past.jsonl:2 is incomplete")
        .run();
    let page = home.read(&format!("{LATEST}/report.md"));
    assert!(page.contains("cut off in past.jsonl"), "{page}");
    fs::write(&file, format!("nonsense\n{whole}")).unwrap();
    home.bakeoff(&format!("report {LATEST}"))
        .exits(2)
        .complains("past.jsonl:1")
        .complains("restore")
        .run();
    // What a newer program wrote is not damaged, and must not be taken away.
    let newer = whole.replacen("\"version\":3", "\"version\":9", 1);
    fs::write(&file, newer).unwrap();
    let output = home
        .bakeoff(&format!("report {LATEST}"))
        .exits(2)
        .complains("it was written by a newer one")
        .run();
    assert!(!output.err.contains("take it away"), "{}", output.err);
}

#[test]
fn quiet_hides_inconclusive_warnings() {
    // `--quiet` leaves the result and errors; the warning is for interactive use.
    let home = home("against_reference = true");
    let loud = RUN.replace(" --quiet", "");
    home.bakeoff(&format!("{loud} fast.toml -p p1"))
        .complains("warning: inconclusive")
        .run();
    let output = home.bakeoff(&format!("{RUN} fast.toml -p p1")).run();
    assert!(!output.err.contains("inconclusive"), "{}", output.err);
}

#[test]
fn environments_are_pasts_of_their_own() {
    // A laptop is no runner of a CI service: a slower place must not look like a slower model.
    let home = home("");
    home.bakeoff(&format!("{RUN} fast.toml --environment ci"))
        .run();
    home.bakeoff(&format!("accept {LATEST} {WITH_HISTORY}"))
        .run();
    home.bakeoff(&format!(
        "{RUN} slow.toml {WITH_HISTORY} --environment laptop"
    ))
    .complains("the environment was `ci` and is `laptop`")
    .run();
    home.bakeoff(&format!("{RUN} slow.toml {WITH_HISTORY} --environment ci"))
        .exits(1)
        .run();
}

#[test]
fn the_models_of_one_run_are_compared() {
    // A plain run only reports; `compare` turns the same judgement into an exit code.
    let home = home("").with("apart.toml", &scenario(60, 240));
    home.bakeoff(&format!("{RUN} apart.toml"))
        .says("- other  higher latency (")
        .says(": keep reference")
        .run();
    home.bakeoff(&format!("compare {LATEST}"))
        .exits(1)
        .says("a/other")
        .says("worse")
        .run();
    // Also where the reader leaves before the end, as `grep -q` does.
    let compare = || home.bakeoff(&format!("compare {LATEST}")).exits(1);
    compare().begin_unread().end();
    compare().run_unheard();
    for (format, expected) in [
        ("markdown", "| a/other |"),
        ("csv", "a/other,"),
        ("json", "\"verdict\": \"worse\""),
        ("junit", "<failure"),
    ] {
        let compared = home
            .bakeoff(&format!("compare {LATEST} --format {format}"))
            .exits(1)
            .says(expected)
            .run();
        // Rows have no title to mark.
        let is_marked = compared.out.contains("simulated figures");
        assert_eq!(is_marked, format != "csv", "{}", compared.out);
    }
    let short = compare().says("simulated figures").run().out;
    assert!(!short.contains("Exploratory"), "{short}");
    home.bakeoff(&format!("compare {LATEST} --verbose"))
        .exits(1)
        .says("Exploratory")
        .run();
    let output = home
        .bakeoff(&format!("compare {LATEST} --json"))
        .exits(1)
        .run();
    assert!(json(&output.out)["version"].is_u64());
    // The other way round it is an improvement.
    home.bakeoff(&format!("{RUN} turned.toml"))
        .exits(2)
        .complains("turned.toml")
        .run();
    let turned = home.with("turned.toml", &scenario(240, 60));
    turned.bakeoff(&format!("{RUN} turned.toml")).run();
    turned
        .bakeoff(&format!("compare {LATEST}"))
        .says("better")
        .run();
    // One model cannot be compared with another.
    turned.bakeoff(&format!("{RUN} fast.toml -m a/usual")).run();
    turned
        .bakeoff(&format!("compare {LATEST}"))
        .exits(2)
        .complains("nothing to compare it with")
        .run();
}

#[test]
fn a_suite_may_fail_its_own_run() {
    // Interleaving beats history, so a suite can ask for it: `against_reference`.
    let home = home("against_reference = true").with("apart.toml", &scenario(60, 240));
    home.bakeoff(&format!("{RUN} apart.toml")).exits(1).run();
    home.bakeoff(&format!("{RUN} fast.toml")).run();
}

#[test]
fn two_runs_are_before_and_after() {
    // After a change of model, prompt or provider: each model against itself.
    let home = home("");
    home.bakeoff(&format!("{RUN} fast.toml")).run();
    let before = format!("reports/verdicts/{}", newest(&home));
    home.bakeoff(&format!("{RUN} slow.toml")).run();
    home.bakeoff(&format!("compare {before} {LATEST}"))
        .exits(1)
        .says("a/usual")
        .says("regressed")
        .run();
    home.bakeoff(&format!("compare {LATEST} {before}"))
        .says("improved")
        .run();
    // The same run twice, also by two names, is a slip: it must not end in "nothing regressed".
    let after = format!("reports/verdicts/{}", newest(&home));
    home.bakeoff(&format!("compare {after} {LATEST}"))
        .exits(2)
        .complains("both folders hold the run")
        .run();
    // Other prompts are no comparison, unless that is what was changed.
    fs::write(home.path("suite.toml"), suite(2, "", "Riddle")).unwrap();
    home.bakeoff(&format!("{RUN} fast.toml")).run();
    home.bakeoff(&format!("compare {before} {LATEST}"))
        .exits(2)
        .complains("cannot be compared")
        .complains("--changed prompt")
        .run();
    home.bakeoff(&format!("compare {before} {LATEST} --changed prompt"))
        .run();
}

#[test]
fn too_many_failures_are_no_comparison() {
    // Half of the answers missing says more about who was left than about the models.
    let broken = scenario(60, 60).replace(
        "[models.\"a/other\"]\n",
        "[models.\"a/other\"]\nalways = [\"500\"]\n",
    );
    let home = home("").with("broken.toml", &broken);
    home.bakeoff(&format!("{RUN} broken.toml --patience 1s"))
        .exits(4)
        .run();
    home.bakeoff(&format!("compare {LATEST}"))
        .exits(4)
        .complains("fewer than half")
        .run();
}

#[test]
fn a_run_ends_when_its_verdict_is_in() {
    // A fourfold difference is settled long before the last round; nothing more is paid for.
    let home = home("")
        .with("suite.toml", &suite(12, "", "Question"))
        .with("apart.toml", &scenario(40, 160));
    home.bakeoff("run suite.toml --sim-seed 7 --until-decided --scenario apart.toml")
        .complains("look after round 2 of 12")
        .says("- other  higher latency (")
        .run();
    let manifest = json(&home.read(&format!("{LATEST}/manifest.json")));
    let round = manifest["until_decided"]["decided_after"].as_u64().unwrap();
    assert!((2..12).contains(&round), "{round}");
    assert_eq!(manifest["status"], "complete");
    assert_eq!(manifest["planned_trials"], round * 8 * 2);
    assert_eq!(home.samples("verdicts").len() as u64, round * 8 * 2);
    let report = home.read(&format!("{LATEST}/report.md"));
    assert!(report.contains("of at most 12"), "{report}");
    assert!(!report.contains("Samples are missing"), "{report}");
    home.bakeoff(&format!("compare {LATEST}")).exits(1).run();
    // Its levels lean to the verdict that ended it: no fair past.
    home.bakeoff(&format!("accept {LATEST} {WITH_HISTORY}"))
        .exits(2)
        .complains("once its verdict was decided")
        .run();
}

#[test]
fn looking_needs_something_to_look_at() {
    // Reported at once, not after the run.
    let home = home("");
    home.bakeoff("run suite.toml --until-decided -m a/usual --scenario fast.toml")
        .exits(2)
        .complains("is the only model")
        .run();
    home.bakeoff("run suite.toml --until-decided --scenario fast.toml")
        .exits(2)
        .complains("at least 3 are needed")
        .run();
}

#[test]
fn a_job_on_github_gets_summary_and_annotations() {
    // The summary is appended to what other steps wrote; annotations go where commands are read and
    // standard output stays the result.
    let home = home("against_reference = true")
        .with("apart.toml", &scenario(60, 240))
        .with("summary.md", "before\n");
    let output = home
        .bakeoff(&format!("{RUN} apart.toml --json"))
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", home.path("summary.md"))
        .exits(1)
        .complains("::error title=bakeoff")
        .run();
    json(&output.out);
    let summary = home.read("summary.md");
    assert!(
        summary.starts_with("before\n<!-- bakeoff:verdicts -->\n"),
        "{summary}"
    );
    assert!(summary.contains("worse"), "{summary}");
    let again = home
        .bakeoff(&format!("report {LATEST} --format summary"))
        .run();
    assert_eq!(summary, format!("before\n{}", again.out));
    // A summary that cannot be written costs no run.
    home.bakeoff(&format!("{RUN} fast.toml"))
        .env("GITHUB_STEP_SUMMARY", home.path("no/such/folder"))
        .complains("summary could not be written")
        .run();
}

#[test]
fn a_history_shows_its_trend() {
    // Levels run by run, in the order of time, with what was decided about each.
    let home = home("");
    let name = with_history(&home);
    let output = home.bakeoff("history base/h.jsonl -m latency").run();
    for part in [
        "verdicts: 1 run, 1 accepted",
        "a/usual, latency",
        &name,
        "accepted",
    ] {
        assert!(output.out.contains(part), "{part}: {}", output.out);
    }
    // The smallest change follows from a gate, and the gate is named: the suite tolerates 50 %.
    assert!(
        output.out.contains("from the defaults of [gate]"),
        "{}",
        output.out
    );
    let own = home
        .bakeoff("history base/h.jsonl -m latency --suite suite.toml")
        .run();
    assert!(!own.out.contains("the defaults of [gate]"), "{}", own.out);
    let min = |text: &str| -> f64 {
        // One run says nothing of the noise within a run: there is no promise.
        let begin = "can detect nothing below +";
        let rest = &text[text.find(begin).unwrap() + begin.len()..];
        rest[..rest.find(' ').unwrap()].parse().unwrap()
    };
    assert!(
        min(&own.out) > 50.0 && min(&output.out) < 50.0,
        "{}",
        own.out
    );
    let history = home.bakeoff("history base/h.jsonl --json").run();
    let history = json(&history.out);
    assert_eq!(history["variants"][0]["detectable_at_least"], true);
    assert_eq!(history["metric"], "ttft");
    assert_eq!(history["variants"][1]["variant"], "a/other");
    let level = history["variants"][1]["runs"][0]["level"].as_f64().unwrap();
    assert!(level > 50e6, "{level}");
    home.bakeoff("history nowhere.jsonl")
        .exits(2)
        .complains("nowhere.jsonl")
        .run();
    home.bakeoff("history base/h.jsonl --metric speed")
        .exits(2)
        .run();
    // The gate of another suite judges none of these runs.
    let other = suite(2, "", "Question").replacen("verdicts", "others", 1);
    fs::write(home.path("other.toml"), other).unwrap();
    home.bakeoff("history base/h.jsonl --suite other.toml")
        .exits(2)
        .complains("is the history of the suite `verdicts`, not of `others`")
        .run();
    fs::write(home.path("base/h.jsonl"), "").unwrap();
    home.bakeoff("history base/h.jsonl")
        .says("The history holds no run yet")
        .run();
    fs::write(home.path("base/h.jsonl"), "garbage\n").unwrap();
    home.bakeoff("history base/h.jsonl")
        .exits(2)
        .complains("base/h.jsonl:1: column 1")
        .complains("restore the file from a copy")
        .run();
}
