//! Runs under a cap, and the ledger they leave.

use serde_json::{Value, json};

use super::SUITE;
use super::program::Home;
use super::server::{Server, Then, response};

/// A suite whose slots cost little at most, so that a small cap holds many.
fn home() -> Home {
    let suite = SUITE.replace("max_tokens = 400", "max_tokens = 40");
    Home::new().with("suite.toml", &format!("max_attempts = 1\n{suite}"))
}

/// The lines of runs that have ended.
fn ledger(home: &Home) -> Vec<Value> {
    let text = home.read("reports/ledger.jsonl");
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .filter(|line: &Value| line["status"] != "running")
        .collect()
}

#[test]
fn a_capped_run_ends_in_order_and_says_so() {
    // What was paid for is kept and reported, CI sees exit code 4, and the ledger knows the sum.
    let home = home();
    home.bakeoff(
        "run suite.toml --scenario scenario.toml --sim-seed 1 --repetitions 1000 --max-cost $0.02",
    )
    .exits(4)
    .says("the cap of $0.02 (--max-cost)")
    .run();
    let manifest: Value =
        serde_json::from_str(&home.read("reports/small/latest/manifest.json")).unwrap();
    let reason = manifest["status"]["incomplete"].as_str().unwrap();
    assert!(reason.contains("--max-cost"), "{reason}");
    // Said of what had ended, not of the moment when the first slot did not fit.
    assert!(!reason.contains("under way"), "{reason}");
    assert!(home.samples("small").len() > 12);
    let lines = ledger(&home);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["status"]["incomplete"], reason);
    assert_eq!(lines[0]["simulated"], true);
    let spent = |line: &Value| {
        let models = line["models"].as_array().unwrap().iter();
        let spent =
            models.map(|model| model["spent_usd"].as_str().unwrap().parse::<f64>().unwrap());
        spent.sum::<f64>()
    };
    let sum = spent(&lines[0]);
    assert!((0.018..=0.02).contains(&sum), "{sum}");
}

#[cfg(unix)]
#[test]
fn a_run_that_no_one_listens_to_goes_on_and_keeps_its_exit_code() {
    // `| head -1` and `| grep -q` leave early: the run was paid for, and CI still sees what became of it.
    let home = home();
    let call =
        "run suite.toml --scenario scenario.toml --sim-seed 1 --repetitions 1000 --max-cost $0.005";
    home.bakeoff(call).exits(4).run_unheard();
    assert!(home.samples("small").len() > 12);
    assert!(home.read("reports/small/latest/report.md").len() > 100);
    home.bakeoff("report reports/small/latest").run_unheard();
    // A mistake stays one.
    home.bakeoff("run missing.toml").exits(2).run_unheard();
    home.bakeoff("run suite.toml --list --repetitions 1000")
        .run_unheard();
}

#[test]
fn the_cap_of_the_day_counts_the_ledger() {
    // The second run of the day has the remainder of the first one, and the message names the cap.
    let home = home().with("bakeoff.toml", "[budget]\nmax_cost_per_day = \"$0.03\"\n");
    let call = "run suite.toml --scenario scenario.toml --sim-seed 1 --quiet --repetitions 1000";
    home.bakeoff(call).exits(4).run();
    home.bakeoff(call)
        .exits(2)
        .complains("max_cost_per_day of bakeoff.toml is $0.03, and the ledger has $0.0")
        .run();
    home.bakeoff(&format!("{call} --list").replace("--quiet", ""))
        .complains("warning: a run would be refused: the cap of $0.0")
        .complains("the next day begins at 00:00 UTC; until then raise max_cost_per_day")
        .run();
    assert_eq!(ledger(&home).len(), 1);
    home.bakeoff("spend")
        .says("not counted: 1 run on the simulator")
        .run();
    home.bakeoff("spend --simulated --by model")
        .says("anthropic/claude-haiku-4.5")
        .run();
    let spent = home
        .bakeoff("spend --simulated --json --endpoint sim")
        .run();
    let spent: Value = serde_json::from_str(&spent.out).unwrap();
    // A folder counts once however it is named, and one without runs is not one that cost nothing.
    let twice = home.bakeoff("spend --simulated --json reports ./reports/../reports reports/");
    let twice: Value = serde_json::from_str(&twice.run().out).unwrap();
    assert_eq!(twice["total"], spent["total"]);
    home.bakeoff("spend nosuch")
        .exits(2)
        .complains("no ledger in `nosuch`")
        .run();
    Home::new().bakeoff("spend").says("no runs yet").run();
    assert_eq!(spent["rows"][0]["name"], "small");
    assert_eq!(spent["total"]["runs"], 1);
    // A simulator that has just begun.
    assert_eq!(
        spent["credits"],
        json!({ "balance_usd": "100", "used_usd": "0" })
    );
}

#[test]
fn the_cap_of_the_day_counts_runs_that_have_not_ended() {
    // Killed, or under way in another process: what such a run may have spent is its whole cap.
    let home = home().with("bakeoff.toml", "[budget]\nmax_cost_per_day = \"$0.03\"\n");
    let now = jiff::Timestamp::now();
    let open = format!(
        r#"{{"version":1,"run":"gone","suite":"small","started_at":"{now}","endpoint":"sim","simulated":true,"status":"running","models":[],"cap_usd":"0.029"}}"#
    );
    std::fs::create_dir_all(home.path("reports")).unwrap();
    let home = home.with("reports/ledger.jsonl", &format!("{open}\n"));
    home.bakeoff("run suite.toml --scenario scenario.toml --sim-seed 1 --repetitions 1000")
        .exits(2)
        .complains("note: small/gone has not ended, or was killed: the cap of the day counts $0.029 for it")
        .complains("the ledger has $0.029 since 00:00 UTC")
        .run();
    home.bakeoff("spend --simulated")
        .says("1 run is still running or was killed")
        .says("$0.029")
        .run();
    assert!(ledger(&home).iter().all(|line| line["run"] != "gone"));
}

#[test]
fn runs_that_begin_together_share_the_cap_of_the_day() {
    // Jobs of one matrix start at once: each must count those that wrote their line before it.
    let home = home().with("bakeoff.toml", "[budget]\nmax_cost_per_day = \"$0.012\"\n");
    let call =
        "run suite.toml --scenario scenario.toml --sim-seed 1 --repetitions 1000 --max-cost $0.008";
    let begun: Vec<_> = (0..8)
        .map(|_| home.bakeoff(call).exits(4).or_exits(2).begin())
        .collect();
    let messages: Vec<String> = begun.into_iter().map(|run| run.end().err).collect();
    let money = |sum: &Value| sum.as_str().map_or(0.0, |sum| sum.parse().unwrap());
    let lines = ledger(&home);
    let spent = |line: &Value| {
        let models = line["models"].as_array().unwrap().iter();
        models.map(|model| money(&model["spent_usd"])).sum::<f64>() + money(&line["reserved_usd"])
    };
    let sum: f64 = lines.iter().map(spent).sum();
    assert!(
        !lines.is_empty() && sum <= 0.012,
        "{sum} in {} runs",
        lines.len()
    );
    // The runs that came too late were refused, and the message names the cap.
    let refused = messages
        .iter()
        .filter(|err| err.contains("since 00:00 UTC"));
    assert!(refused.count() + lines.len() >= 8, "{messages:#?}");
}

#[test]
fn an_unreadable_ledger_is_reported_and_stops_the_daily_cap() {
    // The line may be a run of today: where money is capped by the day, nothing is sent on a guess.
    let home = home();
    let call = "run suite.toml --scenario scenario.toml --sim-seed 1 --quiet";
    home.bakeoff(call).run();
    let ledger = home.read("reports/ledger.jsonl");
    let home = home
        .with(
            "reports/ledger.jsonl",
            &format!("{{\"version\":1,\n{ledger}"),
        )
        .with("bakeoff.toml", "[budget]\nmax_cost_per_day = \"$5\"\n");
    home.bakeoff(call)
        .exits(2)
        .complains("nothing is sent while the ledger in reports has a line that cannot be read")
        .complains("ledger.jsonl:1: column")
        .run();
    home.bakeoff("spend --simulated")
        .complains("ledger.jsonl:1: column")
        .says("not counted: 1 line of the ledger that cannot be read")
        .run();
    let spent = home.bakeoff("spend --simulated --json").run();
    let spent: Value = serde_json::from_str(&spent.out).unwrap();
    assert_eq!(spent["unreadable_lines"], 1);
    assert_eq!(spent["total"]["runs"], 1);
    // Without such a cap the ledger does not matter.
    let home = home.with("bakeoff.toml", "");
    home.bakeoff(call).run();
}

#[test]
fn under_a_cap_nothing_is_sent_without_a_bound() {
    // No price and no token limit: each with the line to add, and no folder for a run that never began.
    let suite = SUITE.replace("max_tokens = 400\n", "");
    let home = Home::new().with("suite.toml", &format!("max_cost = \"$1\"\n{suite}"));
    home.bakeoff("run suite.toml -m openai/gpt-4.1-nano -m no/such")
        .exits(2)
        .complains("under a cap (max_cost of the suite) nothing is sent whose cost is unbounded")
        .complains("`openai/gpt-4.1-nano` has no max_tokens")
        .complains("add max_tokens = 1000 to [parameters] of the suite")
        .complains("`no/such` has no price")
        .complains("[[endpoints.sim.prices]]")
        .run();
    assert!(!home.path("reports").exists());
}

#[test]
fn a_bill_that_an_answer_did_not_bring_is_requested() {
    // The answer broke off before its bill came; the gateway's own record has it.
    let scenario = format!("generation_delay_ms = 0\n{}", home().read("scenario.toml"));
    let home = home().with("scenario.toml", &scenario);
    home.bakeoff(
        "run suite.toml --scenario scenario.toml --sim-seed 1 --quiet -m openai/gpt-4.1-nano+cut",
    )
    .exits(4)
    .run();
    assert!(
        home.samples("small")
            .iter()
            .all(|sample| sample["billed_usd"].is_null())
    );
    let amended = home.read("reports/small/latest/amendments.jsonl");
    assert_eq!(amended.lines().count(), 4);
    let csv = home.read("reports/small/latest/comparison.csv");
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let row = lines.next().unwrap();
    let cell = |name: &str| {
        let index = header.iter().position(|cell| *cell == name).unwrap();
        row[index].to_owned()
    };
    assert!(cell("billed_usd_mean").parse::<f64>().unwrap() > 0.0);
    let line = &ledger(&home)[0]["models"][0];
    // The warm-up's bill alone stays unknown.
    assert_eq!(line["unknown"], 1);
    assert!(line["billed_usd"].as_str().unwrap().parse::<f64>().unwrap() > 0.0);
}

/// A project whose endpoint `own` is a server that answers everything with this text and this usage block, at 10 USD a
/// million tokens; and 100 trials of up to 3,000 tokens.
fn answered_with(text: &str, usage: &str) -> (Server, Home) {
    let answer = format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n\
         data: {{\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}],\"usage\":{usage}}}\n\n\
         data: [DONE]\n\n"
    );
    let server = Server::start(move |_, _| (response("200 OK", "", &answer), Then::Keep));
    let project = format!(
        "[endpoints.own]\nbase_url = \"{}\"\n[[endpoints.own.prices]]\nmodel = \"m/x\"\n\
         input_usd_per_mtok = 10\noutput_usd_per_mtok = 10\n",
        server.base_url()
    );
    let suite = "name = \"z\"\nmodels = [\"m/x\"]\nrepetitions = 100\nwarmup = 0\nconcurrency = 1\n\
                 prompts = [{ id = \"a\", user = \"hi\" }]\n[parameters]\nmax_tokens = 3000\n";
    let home = Home::new()
        .with("bakeoff.toml", &project)
        .with("suite.toml", suite);
    (server, home)
}

#[test]
fn counts_that_cannot_be_true_keep_their_reservation() {
    // A server reports no tokens for answers of 10,000 characters: believed, a run would cost nothing and never come to its cap.
    for (usage, flag) in [
        (
            r#"{"prompt_tokens":0,"completion_tokens":0}"#,
            "usage_impossible",
        ),
        (
            r#"{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}"#,
            "usage_impossible",
        ),
        (
            r#"{"prompt_tokens":9,"completion_tokens":3000,"prompt_tokens_details":{"cached_tokens":10}}"#,
            "usage_impossible",
        ),
    ] {
        let (server, home) = answered_with(&"x".repeat(10_000), usage);
        home.bakeoff("run suite.toml -e own -y --quiet --max-cost $0.50")
            .exits(4)
            .run();
        // 3,000 completion tokens and some hundred bytes of prompt at $10 a million, $0.032 each, beside a reservation of three.
        let samples = home.samples("z");
        assert!(
            (10..=16).contains(&samples.len()),
            "{usage}: {}",
            samples.len()
        );
        assert_eq!(server.questions().len(), samples.len());
        for sample in &samples {
            assert!(sample["cost_usd"].is_null(), "{sample}");
            let flags = sample["flags"].as_array().unwrap();
            assert!(flags.contains(&flag.into()), "{sample}");
        }
        let lines = ledger(&home);
        let model = &lines[0]["models"][0];
        assert_eq!(model["unknown"], samples.len());
        let reserved: f64 = lines[0]["reserved_usd"].as_str().unwrap().parse().unwrap();
        assert!((0.4..=0.5).contains(&reserved), "{lines:?}");
        let report = home.read("reports/z/latest/report.md");
        assert!(
            report.contains("token counts that cannot be true"),
            "{report}"
        );
    }
}

#[test]
fn counts_with_several_readings_settle_at_the_largest() {
    // Reasoning of 2,000 tokens stands beside a completion of 1: either could be billed, and a cap holds for both.
    let usage = r#"{"prompt_tokens":9,"completion_tokens":1,"completion_tokens_details":{"reasoning_tokens":2000}}"#;
    let (_server, home) = answered_with("hi", usage);
    home.bakeoff("run suite.toml -e own -y --quiet --max-cost $0.50")
        .exits(4)
        .run();
    // Each settles at $0.0201; a reservation of three attempts, some $0.095, must fit beside them.
    let samples = home.samples("z");
    assert!((20..=22).contains(&samples.len()), "{}", samples.len());
    assert!(samples.iter().all(|sample| sample["cost_usd"].is_null()));
    let lines = ledger(&home);
    assert_eq!(lines[0]["models"][0]["unknown"], samples.len());
    // With a total that decides there is one reading, and its cost.
    let decided = usage.replace(
        "\"completion_tokens\":1",
        "\"total_tokens\":2010,\"completion_tokens\":1",
    );
    let (_server, home) = answered_with("hi", &decided);
    home.bakeoff("run suite.toml -e own -y --quiet --max-cost $0.50")
        .exits(4)
        .run();
    let samples = home.samples("z");
    assert_eq!(samples[0]["cost_usd"], "0.0201");
    assert_eq!(samples[0]["usage"]["completion_tokens"], 2001);
}
