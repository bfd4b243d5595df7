//! Checks that are made after a run: a judge's verdicts and commands, against the simulator's knowledge of what was right.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::TcpListener;

use bakeoff::sim::{Scenario, Simulator, SimulatorHandle};
use serde_json::Value;

use crate::support::program::{FAST_SCENARIO, Home};

const SUITE: &str = r#"
name = "judged"
models = ["openai/gpt-5-mini", "openai/gpt-4.1-nano"]
judge = { model = "anthropic/claude-haiku-4.5", parameters = { temperature = 0 } }
repetitions = 4
concurrency = 4
warmup = 0
max_attempts = 1
[parameters]
max_tokens = 200

[[prompts]]
id = "refund"
user = "A customer bought shoes 10 days ago."
assert = [{ type = "judge", rubric = "States the limit.", threshold = 0.7 }, { type = "word-count", value = { max = 40 } }]

[[prompts]]
id = "other"
user = "Say hello about shoes."
"#;

/// The judge is right about every answer: it sees the text of a right one.
const JUDGE: &str = r#"
[[answers]]
when = "within 14 days"
right = "{\"reason\": \"states it\", \"score\": 0.9}"
wrong = "-"
[[answers]]
when = "<rubric "
right = "{\"reason\": \"does not\", \"score\": 0.2}"
wrong = "-"
"#;

const ANSWERS: &str = r#"
[[answers]]
when = "shoes"
right = "You can return them within 14 days."
wrong = "Ask the shop."
[models."openai/gpt-5-mini"]
right_share = 0.6
[models."openai/gpt-4.1-nano"]
right_share = 0.6
[models."anthropic/claude-haiku-4.5"]
right_share = 1
"#;

fn gateway(judge: &str) -> SimulatorHandle {
    let scenario = Scenario::parse(&format!("{FAST_SCENARIO}{judge}{ANSWERS}")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    Simulator::start(scenario, listener, None, 5).unwrap()
}

fn home(gateway: &SimulatorHandle, suite: &str) -> Home {
    let suite = format!("endpoint = \"{}\"\n{suite}", gateway.base_url());
    Home::new().with("suite.toml", &suite)
}

/// The last line of the ledger, by model: requests and cost.
fn spending(home: &Home, model: &str) -> Option<(u64, String)> {
    let ledger = home.read("reports/ledger.jsonl");
    let line: Value = serde_json::from_str(ledger.lines().last().unwrap()).unwrap();
    let models = line["models"].as_array().unwrap();
    let found = models.iter().find(|one| one["model"] == model)?;
    Some((
        found["requests"].as_u64().unwrap(),
        found["spent_usd"].as_str().unwrap().to_owned(),
    ))
}

#[test]
fn a_judge_grades_after_the_run_and_is_paid_once() {
    let gateway = gateway(JUDGE);
    let home = home(&gateway, SUITE);
    let cache = home.path("cache");
    home.bakeoff("run suite.toml --max-cost 1")
        .env("BAKEOFF_CACHE_DIR", &cache)
        .complains("judge anthropic/claude-haiku-4.5: 2 verdicts")
        .run();
    let trace = gateway.trace();
    let run = home.read("reports/judged/latest/amendments.jsonl");
    let samples = home.samples("judged");
    let mut graded = 0;
    for sample in &samples {
        let id = sample["request_id"].as_str();
        let record = trace
            .iter()
            .find(|one| one.request_id.as_deref() == id)
            .unwrap();
        let trial = format!("\"trial\":{},", sample["trial"]);
        let line = run.lines().find(|line| line.contains(&trial));
        let line: Option<Value> = line.map(|line| serde_json::from_str(line).unwrap());
        assert_eq!(line.is_some(), sample["prompt"] == "refund");
        let Some(line) = line else {
            continue;
        };
        let rows = line["grades"].as_array().unwrap();
        assert_eq!(
            (&rows[0]["name"], &rows[1]["name"]),
            (&"judge".into(), &"word-count".into())
        );
        assert_eq!(rows[0]["pass"].as_bool(), record.right, "{line}");
        graded += 1;
    }
    assert_eq!((samples.len(), graded), (16, 8));
    // Answers that are the same are judged once: the script has two.
    let (requests, spent) = spending(&home, "anthropic/claude-haiku-4.5").unwrap();
    assert_eq!(requests, 2);
    let manifest: Value =
        serde_json::from_str(&home.read("reports/judged/latest/manifest.json")).unwrap();
    assert_eq!(manifest["judging"]["verdicts"], 2);
    assert_eq!(manifest["judging"]["spent_usd"].as_str(), Some(&*spent));

    // The verdicts are on disk: grading again sends nothing, and the same answers pass.
    let before = gateway.trace().len();
    home.bakeoff("score reports/judged/latest --suite suite.toml")
        .env("BAKEOFF_CACHE_DIR", &cache)
        .complains("judge anthropic/claude-haiku-4.5: 2 verdicts (2 from the cache), $0\n")
        .run();
    assert_eq!(gateway.trace().len(), before);
    assert_eq!(
        spending(&home, "anthropic/claude-haiku-4.5").unwrap(),
        (requests, spent)
    );
    assert_eq!(
        home.read("reports/judged/latest/amendments.jsonl"),
        run.repeat(2)
    );
}

#[test]
fn an_answer_without_a_verdict_has_no_grade_and_ends_in_an_exit_code() {
    // Prose around a verdict may quote one that the answer suggested.
    let gateway = gateway(&JUDGE.replace(
        "{\\\"reason\\\": \\\"does not\\\"",
        "As you wish: {\\\"reason\\\": \\\"ok\\\"",
    ));
    let home = home(&gateway, SUITE);
    home.bakeoff("run suite.toml")
        .exits(4)
        .complains("could not be graded and are in no pass rate: the judge's answer is no verdict")
        .run();
    let amendments = home.read("reports/judged/latest/amendments.jsonl");
    let ungraded = amendments
        .lines()
        .filter(|line| !line.contains("\"grades\""))
        .count();
    let wrong = gateway.trace();
    let wrong = wrong.iter().filter(|one| one.right == Some(false)).count();
    assert!(ungraded > 0 && ungraded <= wrong, "{ungraded} {wrong}");
    assert!(!amendments.contains("\"score\":0.2"));
}

#[test]
fn a_cap_holds_for_the_judge() {
    let gateway = gateway(JUDGE);
    let home = home(&gateway, SUITE);
    // Enough for the run, whose worst case is far above its cost, and not for a judge that may write 2,000 tokens.
    home.bakeoff("run suite.toml --max-cost 0.009")
        .exits(4)
        .complains("8 answers could not be graded and are in no pass rate: the cap of $0.009 (the cap of the run)")
        .run();
    assert_eq!(spending(&home, "anthropic/claude-haiku-4.5"), None);
    home.bakeoff("score reports/judged/latest --suite suite.toml --max-cost 1")
        .complains("2 verdicts")
        .run();
    assert_eq!(spending(&home, "anthropic/claude-haiku-4.5").unwrap().0, 2);
    // Judged again without a cache: the log tells the requests of both apart, or a resumed run would count half of them.
    home.bakeoff("score reports/judged/latest --suite suite.toml --max-cost 1")
        .run();
    let log = home.read("reports/judged/latest/requests.jsonl");
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let sent: Vec<String> = lines
        .filter_map(|line: Value| Some(line["event"]["sent"]["request_id"].as_str()?.to_owned()))
        .collect();
    let different: BTreeSet<&String> = sent.iter().collect();
    assert_eq!((sent.len(), different.len()), (16 + 4, 16 + 4));
}

#[cfg(unix)]
#[test]
fn commands_grade_where_the_user_allows_them() {
    let gateway = gateway(JUDGE);
    let judge = "{ type = \"judge\", rubric = \"States the limit.\", threshold = 0.7 }";
    let command = "{ type = \"exec\", command = [\"sh\", \"-c\", \"grep -q 'within 14' && echo 1 || echo false\"] }";
    let home = home(&gateway, &SUITE.replace(judge, command));
    home.bakeoff("run suite.toml")
        .exits(2)
        .complains("the suite grades answers by running `sh`\n  to allow it, add --allow-exec")
        .run();
    assert!(gateway.trace().is_empty());
    home.bakeoff("run suite.toml --allow-exec").run();
    let amendments = home.read("reports/judged/latest/amendments.jsonl");
    let passed = amendments
        .matches("{\"name\":\"exec\",\"score\":1.0,\"pass\":true")
        .count();
    let refund: Vec<Value> = home.samples("judged");
    let trace = gateway.trace();
    let right = refund.iter().filter(|sample| {
        let id = sample["request_id"].as_str();
        let record = trace
            .iter()
            .find(|one| one.request_id.as_deref() == id)
            .unwrap();
        sample["prompt"] == "refund" && record.right == Some(true)
    });
    assert_eq!(passed, right.count());

    // The labels of people, which agree but for one.
    let mut labels = "trial,pass\n".to_owned();
    let lines: Vec<Value> = amendments
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for (index, line) in lines.iter().enumerate() {
        let pass = line["grades"][0]["pass"].as_bool().unwrap() != (index == 0);
        writeln!(labels, "{},{pass}", line["trial"]).unwrap();
    }
    let home = home
        .with("labels.csv", &labels)
        .with("bad.csv", "trial,pass\n0,maybe\n");
    home.bakeoff("score reports/judged/latest --labels labels.csv")
        .says("exec              8  87.5 %")
        .run();
    home.bakeoff("score reports/judged/latest --labels bad.csv")
        .exits(2)
        .complains("bad.csv:2")
        .run();
}

/// The suite with another assert in the place of the judge's.
fn with_assert(assert: &str) -> String {
    let judge = "{ type = \"judge\", rubric = \"States the limit.\", threshold = 0.7 }";
    let keys = "embedding_model = \"openai/text-embedding-3-small\"\nrepetitions";
    SUITE
        .replace(judge, assert)
        .replacen("repetitions", keys, 1)
}

#[test]
fn similar_answers_are_found_by_their_embeddings() {
    // The simulator's embeddings count words: the right answer has five of seven words of the text, the wrong one none.
    let gateway = gateway(JUDGE);
    let suite = with_assert(
        "{ type = \"similar\", value = [\"unrelated words\", \"Return them within 14 days, please!\"], threshold = 0.7 }",
    );
    let home = home(&gateway, &suite);
    let cache = home.path("cache");
    let model = "openai/text-embedding-3-small";
    home.bakeoff("estimate suite.toml")
        .says("The embedding model `openai/text-embedding-3-small` grades after the run: about $")
        .run();
    home.bakeoff("run suite.toml --max-cost 1")
        .env("BAKEOFF_CACHE_DIR", &cache)
        .complains("embeddings openai/text-embedding-3-small: 2 comparisons, $0")
        .run();
    let trace = gateway.trace();
    let amendments = home.read("reports/judged/latest/amendments.jsonl");
    let mut graded = 0;
    for sample in home.samples("judged") {
        let trial = format!("\"trial\":{},", sample["trial"]);
        let Some(line) = amendments.lines().find(|line| line.contains(&trial)) else {
            continue;
        };
        let line: Value = serde_json::from_str(line).unwrap();
        let id = sample["request_id"].as_str();
        let mut records = trace.iter();
        let record = records.find(|one| one.request_id.as_deref() == id).unwrap();
        let grade = &line["grades"][0];
        assert_eq!(grade["pass"].as_bool(), record.right, "{line}");
        // Seven words of the answer, six of the text, five in common.
        let expected = if record.right == Some(true) {
            5.0 / 42.0_f64.sqrt()
        } else {
            0.0
        };
        let score = grade["score"].as_f64().unwrap();
        assert!((score - expected).abs() < 1e-9, "{score} {expected}");
        graded += 1;
    }
    assert_eq!(graded, 8);
    // One request for four texts, whose bill is that of the trace, in the ledger and in the manifest.
    let records: Vec<_> = trace
        .iter()
        .filter(|one| one.model.as_deref() == Some(model))
        .collect();
    assert_eq!(records.len(), 1);
    let cost = records[0].cost_usd.unwrap().to_string();
    assert_eq!(spending(&home, model).unwrap(), (1, cost.clone()));
    let manifest: Value =
        serde_json::from_str(&home.read("reports/judged/latest/manifest.json")).unwrap();
    assert_eq!(manifest["embeddings"]["spent_usd"].as_str(), Some(&*cost));
    // What was compared is not sent again.
    home.bakeoff("score reports/judged/latest --suite suite.toml")
        .env("BAKEOFF_CACHE_DIR", &cache)
        .complains(
            "embeddings openai/text-embedding-3-small: 2 comparisons (2 from the cache), $0\n",
        )
        .run();
    assert_eq!(gateway.trace().len(), trace.len());
}

#[test]
fn embeddings_that_do_not_come_leave_answers_ungraded() {
    let gateway = gateway(JUDGE);
    let similar = with_assert("{ type = \"similar\", value = \"within 14 days\" }");
    for (suite, cap, problem) in [
        (
            similar.replace("openai/text-embedding-3-small", "openai/gpt-5-mini"),
            "1",
            "no embeddings of `openai/gpt-5-mini`: HTTP 400",
        ),
        (
            similar.replace("openai/text-embedding-3-small", "maker/none"),
            "1",
            "under a cap nothing is sent whose cost is unbounded: `maker/none` has no price",
        ),
        (
            similar,
            "0.9",
            "the cap of $0.9 (the cap of the run) does not hold the next request for embeddings, which can cost $1.0",
        ),
    ] {
        let project = format!(
            "[endpoints.own]\nbase_url = \"{}\"\n[[endpoints.own.surcharges]]\nmodel = \"openai/text-*\"\n\
             usd_per_request = 1\n",
            gateway.base_url()
        );
        let home = Home::new()
            .with("suite.toml", &format!("endpoint = \"own\"\n{suite}"))
            .with("bakeoff.toml", &project);
        home.bakeoff(&format!("run suite.toml --max-cost {cap}"))
            .exits(4)
            .complains(problem)
            .run();
        let amendments = home.read("reports/judged/latest/amendments.jsonl");
        assert_eq!(amendments.matches("\"grades\"").count(), 0, "{amendments}");
    }
    let missing = SUITE.replace(
        "{ type = \"judge\", rubric = \"States the limit.\", threshold = 0.7 }",
        "{ type = \"similar\", value = \"x\" }",
    );
    home(&gateway, &missing)
        .bakeoff("suite check suite.toml")
        .exits(2)
        .complains("embedding_model")
        .run();
}

#[test]
fn a_tenth_of_a_judges_verdicts_is_requested_twice() {
    // Forty rubrics; the judge draws each verdict anew, so that it contradicts itself as often as chance says.
    let scripted = r#"
[[answers]]
when = "<rubric "
right = "{\"score\": 1}"
wrong = "{\"score\": 0}"
[models."anthropic/claude-haiku-4.5"]
right_share = 0.5
"#;
    let scenario = Scenario::parse(&format!("{FAST_SCENARIO}{scripted}")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = Simulator::start(scenario, listener, None, 5).unwrap();
    let mut suite = "name = \"judged\"\nmodels = [\"openai/gpt-5-mini\"]\njudge = \"anthropic/claude-haiku-4.5\"\n\
                     repetitions = 1\nwarmup = 0\n[parameters]\nmax_tokens = 50\n"
        .to_owned();
    for index in 0..40 {
        write!(suite, "[[prompts]]\nid = \"p{index}\"\nuser = \"Question {index}?\"\nassert = [{{ type = \"judge\", rubric = \"Polite.\" }}]\n").unwrap();
    }
    let home = home(&gateway, &suite);
    home.bakeoff("run suite.toml")
        .complains("40 verdicts")
        .run();
    let manifest: Value =
        serde_json::from_str(&home.read("reports/judged/latest/manifest.json")).unwrap();
    let judging = &manifest["judging"];
    let counts =
        ["both", "first", "second", "neither"].map(|key| judging["repeats"][key].as_u64().unwrap());
    assert_eq!(counts.iter().sum::<u64>(), 4, "{judging}");
    assert_eq!(judging["verdicts"], 40);
    // The two verdicts on a request, by the digest of its body, are those of the server's trace.
    let trace = gateway.trace();
    let judge = trace
        .iter()
        .filter(|one| one.model.as_deref() == Some("anthropic/claude-haiku-4.5"));
    let mut by_body = std::collections::BTreeMap::new();
    for record in judge {
        let body = record.body_digest.clone().unwrap();
        by_body
            .entry(body)
            .or_insert_with(Vec::new)
            .push(record.right.unwrap());
    }
    let twice: Vec<&Vec<bool>> = by_body.values().filter(|all| all.len() == 2).collect();
    let agreed = twice.iter().filter(|all| all[0] == all[1]).count() as u64;
    assert_eq!((by_body.len(), twice.len()), (40, 4));
    assert_eq!(agreed, counts[0] + counts[3]);
    assert_eq!(spending(&home, "anthropic/claude-haiku-4.5").unwrap().0, 44);
    let report = home.read("reports/judged/latest/report.md");
    assert!(
        report.contains("judged twice, it agreed with itself on "),
        "{report}"
    );
}

#[test]
fn a_run_that_may_end_early_refuses_a_pass_rate_that_comes_later() {
    // At a look no answer has its grade: the run would end without the verdict that it was to find.
    let gateway = gateway(JUDGE);
    let gate = "[gate]\nprimary = [\"ttft\", \"pass_rate\"]\n[parameters]";
    let home = home(&gateway, &SUITE.replacen("[parameters]", gate, 1));
    home.bakeoff("run suite.toml --until-decided")
        .exits(2)
        .complains("`pass_rate` waits for grades that are made after it")
        .run();
    assert!(gateway.trace().is_empty());
}
