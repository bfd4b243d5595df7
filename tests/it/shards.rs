//! Runs that several processes send, a share of the plan each, and that are merged.

use std::collections::{BTreeMap, BTreeSet};

use bakeoff::record::Manifest;
use bakeoff::units::Usd;
use serde_json::{Value, json};

use crate::support::program::Home;
use crate::support::server::{Server, Then, response};

const SHARDS: u32 = 8;
/// The size of the sharded suite: 7 prompts, 2 models, 3 repetitions.
const TRIALS: u64 = 42;

fn suite(keys: &str) -> String {
    let prompts: Vec<String> = (0..7)
        .map(|number| format!("[[prompts]]\nid = \"p{number}\"\nuser = \"Question {number}?\"\n"))
        .collect();
    format!(
        "name = \"load\"\nmodels = [\"anthropic/claude-haiku-4.5\", \"openai/gpt-6-luna\"]\nrepetitions = 3\n\
         concurrency = 3\n{keys}\n[parameters]\nmax_tokens = 40\n{}",
        prompts.concat()
    )
}

/// The folders of the shards of the suite `load` in `reports`, by name.
fn folders(home: &Home, reports: &str) -> Vec<String> {
    let names = std::fs::read_dir(home.path(&format!("{reports}/load"))).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let shards = names.filter(|name| name.contains("-shard-"));
    let mut folders: Vec<String> = shards
        .map(|name| format!("{reports}/load/{name}"))
        .collect();
    folders.sort_by_key(|name| name.rsplit("-shard-").next().map(str::to_owned));
    folders
}

fn manifest(home: &Home, folder: &str) -> Manifest {
    serde_json::from_str(&home.read(&format!("{folder}/manifest.json"))).unwrap()
}

fn samples(home: &Home, folder: &str) -> Vec<Value> {
    let text = home.read(&format!("{folder}/samples.jsonl"));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Runs these shards of eight, one after the other.
fn run_shards(home: &Home, flags: &str, indices: impl IntoIterator<Item = u32>) {
    for index in indices {
        home.bakeoff(&format!(
            "run suite.toml --quiet --scenario scenario.toml --sim-seed 3 --shard {index}/{SHARDS} {flags}"
        ))
        .run();
    }
}

/// The fields of a sample that are its trial's, whichever process sent it.
fn key(sample: &Value) -> Value {
    json!([
        sample["trial"],
        sample["slot"],
        sample["round"],
        sample["repetition"],
        sample["prompt"],
        sample["prompt_digest"],
        sample["variant"],
        sample["model"]
    ])
}

#[test]
fn shards_cover_the_plan_once_and_their_caps_add_up() {
    // Eight machines that together send a trial twice, or none, or more than the cap, make another run than the plan.
    let home = Home::new().with(
        "suite.toml",
        &suite("max_cost = 0.070000000001\nwarmup = 1"),
    );
    home.bakeoff("run suite.toml --quiet --scenario scenario.toml --sim-seed 3 --output whole")
        .run();
    run_shards(&home, "", 1..=SHARDS);
    let folders = folders(&home, "reports");
    assert_eq!(folders.len(), SHARDS as usize);
    let merged = home
        .bakeoff(&format!(
            "merge {} -o reports/load/all --json",
            folders.join(" ")
        ))
        .run();
    let document: Value = serde_json::from_str(&merged.out).unwrap();
    assert_eq!(document["status"], "complete");

    let whole: BTreeMap<u64, Value> = samples(&home, "whole/load/latest")
        .iter()
        .map(|sample| (sample["trial"].as_u64().unwrap(), key(sample)))
        .collect();
    assert_eq!(whole.len() as u64, TRIALS);
    let joined = samples(&home, "reports/load/all");
    assert_eq!(joined.len() as u64, TRIALS);
    for sample in &joined {
        assert_eq!(whole[&sample["trial"].as_u64().unwrap()], key(sample));
    }
    let mut places = BTreeSet::new();
    for (folder, part) in folders
        .iter()
        .zip(&manifest(&home, "reports/load/all").parts)
    {
        assert_eq!(part.shard, manifest(&home, folder).shard);
        for sample in samples(&home, folder) {
            // The slot of the shard is whole: both models were sent at the same moment.
            places.insert((sample["slot"].as_u64(), part.shard));
            let mut moved: bakeoff::record::Sample = serde_json::from_value(sample).unwrap();
            moved.move_by(part.start_ns);
            let moved = serde_json::to_value(&moved).unwrap();
            assert!(joined.contains(&moved), "{moved}");
        }
    }
    assert_eq!(places.len() as u64, TRIALS / 2);

    let ledger = home.read("reports/ledger.jsonl");
    let lines = ledger
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let caps: BTreeMap<String, Usd> = lines
        .map(|line| {
            (
                line["run"].to_string(),
                serde_json::from_value(line["cap_usd"].clone()).unwrap(),
            )
        })
        .collect();
    assert_eq!(caps.len(), SHARDS as usize);
    assert_eq!(
        caps.values().copied().sum::<Usd>(),
        "0.070000000001".parse().unwrap()
    );

    for format in [
        "terminal",
        "markdown",
        "html",
        "csv",
        "samples-csv",
        "json",
        "junit",
        "summary",
        "hlog",
    ] {
        home.bakeoff(&format!("report reports/load/all --format {format}"))
            .run();
    }
    home.bakeoff("resume reports/load/all")
        .complains("was merged from shards")
        .exits(2)
        .run();
}

#[test]
fn shards_in_the_simulator_belong_together() {
    // A first try of `--shard`, without a key or a seed, gives runs that can be merged, and each says which share it is.
    let home = Home::new().with("suite.toml", &suite("warmup = 0"));
    for index in 1..=2 {
        home.bakeoff(&format!("run suite.toml --quiet --shard {index}/2"))
            .says(&format!("2 models x 7 prompts x 3, shard {index}/2, "))
            .run();
    }
    home.bakeoff("merge reports/load -o all")
        .says("7 prompts x 3, 42 of 42 answered")
        .exits(0)
        .run();
}

#[test]
fn requests_of_shards_are_those_of_the_whole() {
    // A share that asks something else, or under another name, measures another run.
    let answer = || {
        let body = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Yes\"},\"finish_reason\":\"stop\"}],\
                    \"usage\":{\"prompt_tokens\":4,\"completion_tokens\":1,\"total_tokens\":5}}\n\ndata: [DONE]\n\n";
        response("200 OK", "Content-Type: text/event-stream\r\n", body)
    };
    let bodies = |shards: &[String]| {
        let server = Server::start(move |_, _| (answer(), Then::Keep));
        let home = Home::new().with("suite.toml", &suite("warmup = 0"));
        for shard in shards {
            home.bakeoff(&format!(
                "run suite.toml --quiet --endpoint {} {shard}",
                server.base_url()
            ))
            .run();
        }
        let mut bodies: Vec<String> = server
            .questions()
            .into_iter()
            .map(|seen| seen.body)
            .collect();
        bodies.sort();
        bodies
    };
    let whole = bodies(&[String::new()]);
    assert_eq!(whole.len() as u64, TRIALS);
    let shards: Vec<String> = (1..=3).map(|index| format!("--shard {index}/3")).collect();
    assert_eq!(bodies(&shards), whole);
}

/// Splits a stored run by its plan into folders that look like shards of it.
fn split(home: &Home, folder: &str, count: u32) -> Vec<String> {
    let whole: Value =
        serde_json::from_str(&home.read(&format!("{folder}/manifest.json"))).unwrap();
    let text = |name: &str| home.read(&format!("{folder}/{name}"));
    let (samples, amendments) = (text("samples.jsonl"), text("amendments.jsonl"));
    let slot_of: BTreeMap<u64, u64> = samples
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|sample| {
            (
                sample["trial"].as_u64().unwrap(),
                sample["slot"].as_u64().unwrap(),
            )
        })
        .collect();
    let split = (1..=count).map(|index| {
        let share = format!("split/{index}");
        std::fs::create_dir_all(home.path(&share)).unwrap();
        let is_own = |line: &&str| {
            let line: Value = serde_json::from_str(line).unwrap();
            let slot = slot_of[&line["trial"].as_u64().unwrap()];
            slot % u64::from(count) == u64::from(index - 1)
        };
        let of_share = |text: &str| {
            text.split_inclusive('\n')
                .filter(is_own)
                .collect::<String>()
        };
        let own = of_share(&samples);
        let mut manifest = whole.clone();
        manifest["shard"] = json!({"index": index, "count": count});
        manifest["planned_trials"] = json!(own.lines().count());
        for (name, text) in [
            ("samples.jsonl", own),
            ("amendments.jsonl", of_share(&amendments)),
            ("manifest.json", manifest.to_string()),
        ] {
            std::fs::write(home.path(&format!("{share}/{name}")), text).unwrap();
        }
        share
    });
    split.collect()
}

#[test]
fn a_recorded_run_comes_back_from_its_shards() {
    // Merging loses nothing, adds nothing and rounds nothing: the shares of a recording are that recording again.
    let home = Home::new().with("suite.toml", &suite("warmup = 1"));
    home.bakeoff("run suite.toml --quiet --scenario scenario.toml --sim-seed 3")
        .run();
    let run = std::fs::read_link(home.path("reports/load/latest")).unwrap();
    let run = format!("reports/load/{}", run.display());
    let scores: Vec<String> = (0..TRIALS)
        .map(|trial| {
            format!(
                "{{\"trial\":{trial},\"scores\":{{\"right\":{}}}}}\n",
                trial % 2
            )
        })
        .collect();
    let home = home.with("scores.jsonl", &scores.concat());
    home.bakeoff(&format!("score {run} --from scores.jsonl"))
        .run();
    let shares = split(&home, &run, SHARDS);
    home.bakeoff(&format!("merge {} -o again --quiet", shares.join(" ")))
        .run();

    let names = std::fs::read_dir(home.path(&run)).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    // What the requests of each process were is not joined: their cost is in the ledgers.
    let names: Vec<String> = names.filter(|name| name != "requests.jsonl").collect();
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        let (before, after) = (
            home.read(&format!("{run}/{name}")),
            home.read(&format!("again/{name}")),
        );
        if ["samples.jsonl", "samples.csv", "amendments.jsonl"].contains(&name.as_str()) {
            // Line by line: two that ended in the same microsecond may have been written in either order.
            let sorted = |text: &str| {
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                lines.sort();
                lines
            };
            assert_eq!(sorted(&before), sorted(&after), "{name}");
        } else {
            assert_eq!(before, after, "{name}");
        }
    }
}

#[test]
fn missing_shards_are_named_until_they_are_there() {
    // A merged run that lacks machines would otherwise look like a smaller one that is complete.
    let home = Home::new().with("suite.toml", &suite("warmup = 0"));
    run_shards(
        &home,
        "",
        (1..=SHARDS).filter(|index| ![2, 5].contains(index)),
    );
    home.bakeoff(&format!(
        "merge {} -o some",
        folders(&home, "reports").join(" ")
    ))
    .exits(4)
    .complains("warning: the merged run is incomplete: shards 2, 5 of 8 are missing")
    .run();
    let some = manifest(&home, "some");
    assert_eq!(some.planned_trials, TRIALS);
    home.bakeoff("merge some -o other")
        .exits(2)
        .complains("is not a shard")
        .run();
    // One of the others was killed in its middle, and is finished by itself.
    run_shards(&home, "", [2, 5]);
    let killed = folders(&home, "reports").swap_remove(3);
    let path = home.path(&format!("{killed}/samples.jsonl"));
    let text = std::fs::read_to_string(&path).unwrap();
    let first_line: String = text.split_inclusive('\n').take(1).collect();
    std::fs::write(&path, format!("{first_line}{{\"version\":2,\"tri")).unwrap();
    let running = home
        .read(&format!("{killed}/manifest.json"))
        .replace("\"status\": \"complete\"", "\"status\": \"running\"");
    std::fs::write(home.path(&format!("{killed}/manifest.json")), running).unwrap();
    let merge = |home: &Home, out: &str| {
        home.bakeoff(&format!(
            "merge {} -o {out}",
            folders(home, "reports").join(" ")
        ))
    };
    merge(&home, "killed")
        .exits(4)
        .complains("incomplete: shard 4/8 is still running, or was killed")
        .run();
    home.bakeoff(&format!("resume {killed} --quiet --scenario scenario.toml"))
        .run();
    assert_eq!(manifest(&home, &killed).parts.len(), 2);
    merge(&home, "all").run();
    assert_eq!(manifest(&home, "all").parts.len(), SHARDS as usize + 1);
    let trials: BTreeSet<u64> = samples(&home, "all")
        .iter()
        .map(|sample| sample["trial"].as_u64().unwrap())
        .collect();
    assert!(trials.into_iter().eq(0..TRIALS));
    // Where there is no shell to list them, the folder will do; other runs in it are left alone.
    home.bakeoff("run suite.toml --quiet --scenario scenario.toml")
        .run();
    home.bakeoff("merge reports/load -o by-folder --quiet")
        .run();
    assert_eq!(manifest(&home, "all"), manifest(&home, "by-folder"));
    merge(&home, "all")
        .exits(2)
        .complains("`all` exists already")
        .run();
}

#[test]
fn shards_that_do_not_belong_together_are_refused() {
    // A figure over two suites, endpoints, price lists or seeds is a figure of neither.
    let home = Home::new().with("suite.toml", &suite("warmup = 0"));
    run_shards(&home, "", [1]);
    let one = folders(&home, "reports").swap_remove(0);
    let refused = |other: &str, sentence: &str| {
        home.bakeoff(&format!("merge {one} {other} -o all"))
            .exits(2)
            .complains(sentence)
            .run();
        assert!(!home.path("all").exists());
    };
    let other = |flags: &str, shard: &str| {
        let reports = format!("other{}", flags.len() + shard.len());
        let _ = std::fs::remove_dir_all(home.path(&reports));
        home.bakeoff(&format!(
            "run suite.toml --quiet --scenario scenario.toml --output {reports} --shard {shard} {flags}"
        ))
        .run();
        folders(&home, &reports).swap_remove(0)
    };
    refused(&other("--sim-seed 3 --seed 9", "2/8"), "seed: 1 and 9");
    refused(
        &other("--sim-seed 3 --repetitions 2", "2/8"),
        "digest of the suite",
    );
    refused(&other("--sim-seed 4", "2/8"), "scenario: ");
    refused(&other("--sim-seed 3", "2/7"), "number of shards: 8 and 7");
    refused(
        &other("--sim-seed 3 --environment eu", "2/8"),
        "environment: none and eu",
    );
    let again = other("--sim-seed 3", "1/8");
    refused(&again, "are both shard 1/8");
    let fitting = other("--sim-seed 3", "2/8");
    let path = home.path(&format!("{fitting}/manifest.json"));
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to, sentence) in [
        (
            "\"tool\": \"bakeoff ",
            "\"tool\": \"bakeoff 9",
            "version: bakeoff",
        ),
        (
            "\"name\": \"sim\"",
            "\"name\": \"vercel\"",
            "endpoint: sim and vercel",
        ),
        ("\"input_usd\": \"", "\"input_usd\": \"1", "prices: "),
        (
            "\"plan_digest\": \"",
            "\"plan_digest\": \"0",
            "order of the plan: ",
        ),
        ("Question 3?", "Question 4?", "digest of the suite"),
        (
            "\"index\": 2",
            "\"index\": 3",
            "which shard 3/8 does not have",
        ),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        std::fs::write(&path, changed).unwrap();
        refused(&fitting, sentence);
    }
    std::fs::write(&path, text).unwrap();
    home.bakeoff(&format!("merge {one} {fitting} -o all"))
        .exits(4)
        .run();
}

#[test]
fn the_index_comes_from_the_scheduler() {
    // One manifest for all machines: only the scheduler's variable differs.
    let home = Home::new().with("suite.toml", &suite("warmup = 0"));
    let listed = |shard: &str, variables: &[(&str, &str)]| {
        let call = home.bakeoff(&format!("run suite.toml --quiet --list --shard {shard}"));
        let call = variables
            .iter()
            .fold(call, |call, (name, value)| call.env(name, value));
        call.run().out
    };
    let second = listed("2/8", &[]);
    assert_eq!(listed("auto/8", &[("JOB_COMPLETION_INDEX", "1")]), second);
    let array = [
        ("SLURM_ARRAY_TASK_ID", "12"),
        ("SLURM_ARRAY_TASK_COUNT", "8"),
        ("SLURM_ARRAY_TASK_MIN", "10"),
        ("SLURM_ARRAY_TASK_MAX", "24"),
        ("SLURM_ARRAY_TASK_STEP", "2"),
    ];
    assert_eq!(listed("auto/8", &array), second);
    let by_variable = home
        .bakeoff("run suite.toml --quiet --list")
        .env("BAKEOFF_SHARD", "auto/8")
        .env("JOB_COMPLETION_INDEX", "1")
        .run();
    assert_eq!(by_variable.out, second);
    home.bakeoff("run suite.toml --list --shard auto/7")
        .env("JOB_COMPLETION_INDEX", "7")
        .exits(2)
        .complains("`completions` of the Job must be 7")
        .run();
    home.bakeoff("run suite.toml --list --shard 1/8")
        .env("JOB_COMPLETION_INDEX", "1")
        .exits(2)
        .complains("contradicts JOB_COMPLETION_INDEX=1, which says 2/8")
        .run();
    home.bakeoff("run suite.toml --list --shard 1/22")
        .exits(2)
        .complains("the plan has 21 slots, which is the largest number of shards")
        .run();
    home.bakeoff("run suite.toml --shard 1/2 --until-decided")
        .exits(2)
        .run();
}

/// A `sbatch` that runs what it is given at once: each task of an array after the other, or one job.
const SBATCH: &str = r#"#!/bin/sh
for flag in "$@"; do
  case $flag in --array=1-*) tasks=${flag#--array=1-} ;; esac
done
cat > job.sh
if [ -z "${tasks:-}" ]; then sh job.sh > merged.out 2>&1; echo $? > merged.code; echo 72; exit; fi
export SLURM_ARRAY_JOB_ID=71 SLURM_ARRAY_TASK_COUNT=$tasks SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_MAX=$tasks
export SLURM_ARRAY_TASK_STEP=1 SLURM_ARRAY_TASK_ID=1
while [ "$SLURM_ARRAY_TASK_ID" -le "$tasks" ]; do
  # The third one is started twice, as after a requeue.
  sh job.sh > /dev/null 2>&1
  if [ "$SLURM_ARRAY_TASK_ID" = 3 ]; then sh job.sh > again.out 2>&1; fi
  SLURM_ARRAY_TASK_ID=$((SLURM_ARRAY_TASK_ID + 1))
done
echo 71
"#;

#[test]
fn the_shipped_manifests_send_and_merge_every_shard() {
    // They are copied as they are: a flag that is renamed must not live on in them.
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let page = |name: &str| std::fs::read_to_string(docs.join(name)).unwrap();
    let quick = |home: Home| {
        home.with(
            "suite.toml",
            &suite("warmup = 0").replace("\"load\"", "\"quickstart\""),
        )
        .with("slurm.sh", &page("slurm.sh"))
        .with("sbatch", SBATCH)
    };
    let home = quick(Home::new());
    home.shell("chmod +x sbatch && PATH=$PWD:$PATH sh slurm.sh suite.toml 8")
        .env("BAKEOFF_SCENARIO", "scenario.toml")
        .env("BAKEOFF_SIM_SEED", "3")
        .says("array 71, then 72")
        .run();
    assert_eq!(
        home.read("merged.code"),
        "0\n",
        "{}",
        home.read("merged.out")
    );
    assert!(
        home.read("again.out")
            .contains("is complete; nothing was sent")
    );
    assert_eq!(samples(&home, "reports/merged-71").len() as u64, TRIALS);

    let home = quick(Home::new());
    let text = page("kubernetes.yml");
    let lines: Vec<String> = (text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("args: [")))
    .map(|args| args.split(']').next().unwrap().replace(", ", " "))
    .map(|args| {
        args.replace("/suite/suite.toml", "suite.toml")
            .replace("/runs", "runs")
    })
    .collect();
    let [run, merge] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    for index in 0..SHARDS {
        home.bakeoff(run)
            .env("JOB_COMPLETION_INDEX", index.to_string())
            .env("BAKEOFF_SCENARIO", "scenario.toml")
            .env("BAKEOFF_SIM_SEED", "3")
            .run();
    }
    home.bakeoff(merge).run();
    assert_eq!(samples(&home, "runs/merged").len() as u64, TRIALS);
}

#[test]
fn shards_of_a_rate_are_one_load_again() {
    // Four machines at an eighth of 40/s: together the requests of the plan, and figures of all of them at once.
    let home = Home::new().with("suite.toml", &suite("warmup = 0"));
    for index in 1..=4 {
        home.bakeoff(&format!(
            "run suite.toml --quiet --scenario scenario.toml --sim-seed 3 --rate 40/s --duration 2s --shard {index}/4"
        ))
        .exits(0)
        .says(&format!("This is shard {index}/4: it sent one in 4 requests of the load."))
        .run();
    }
    home.bakeoff(&format!(
        "merge {} -o all",
        folders(&home, "reports").join(" ")
    ))
    .exits(0)
    .run();
    let slots: BTreeSet<u64> = samples(&home, "all")
        .iter()
        .map(|sample| sample["slot"].as_u64().unwrap())
        .collect();
    assert_eq!(slots, (0..80).collect());
    let text = home.read("all/load.csv");
    let rows = csv::Reader::from_reader(text.as_bytes())
        .deserialize::<BTreeMap<String, String>>()
        .map(|row| row.unwrap())
        .collect::<Vec<_>>();
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert_eq!(
            (row["planned"].as_str(), row["requests"].as_str()),
            ("80", "80")
        );
        // A busy machine sends late: lag alone may move arrivals away from the plan of two seconds, by its share of them.
        let number = |column: &str| row[column].parse::<f64>().unwrap();
        let by_lag = number("lag_max_ms") / 2_000.0;
        assert!(number("arrival_distance") < by_lag + 0.05, "{row:?}");
    }
}

#[test]
fn a_rate_limit_holds_for_all_shards_together() {
    // Eight machines that each keep the whole limit break it eight times over; and the merged run has the whole one.
    let project = "[endpoints.sim]\nrequests_per_minute = 50000\n[[endpoints.sim.limits]]\nmodel = \"openai/*\"\n\
        requests_per_minute = 10001\n";
    let home = Home::new()
        .with("suite.toml", &suite("warmup = 0"))
        .with("bakeoff.toml", project);
    let mut parts = Vec::new();
    for index in 1..=4 {
        let run = home
            .bakeoff(&format!(
                "run suite.toml --scenario scenario.toml --sim-seed 3 --shard {index}/4"
            ))
            .run();
        assert!(
            run.err.contains(&format!(
                "note: shard {index}/4 takes 12500 of 50000 requests per minute at `sim`"
            )),
            "{}",
            run.err
        );
    }
    let settings = |folder: &str| {
        let client = manifest(&home, folder).client.into_iter();
        client
            .filter(|setting| setting.name.starts_with("requests_per_minute"))
            .map(|setting| (setting.value, setting.of_share))
            .collect::<Vec<_>>()
    };
    for folder in folders(&home, "reports") {
        parts.push(settings(&folder));
    }
    let of_model: Vec<u64> = parts.iter().map(|part| part[1].1.unwrap()).collect();
    assert_eq!((of_model.iter().sum::<u64>(), of_model[0]), (10_001, 2_501));
    home.bakeoff(&format!(
        "merge {} -o all --quiet",
        folders(&home, "reports").join(" ")
    ))
    .run();
    assert_eq!(
        settings("all"),
        [("50000".to_owned(), None), ("10001".to_owned(), None)]
    );
    let home = home.with("bakeoff.toml", "[endpoints.sim]\nrequests_per_minute = 3\n");
    home.bakeoff("run suite.toml --shard 4/4")
        .exits(2)
        .complains("the limit of 3 requests a minute leaves none for shard 4/4")
        .run();
}

#[test]
fn a_merged_run_is_judged_by_a_history() {
    // A baseline of merged runs is compared with merged runs, as those of one machine are.
    let home = Home::new().with("suite.toml", &suite("warmup = 0"));
    let merge = |out: &str, reports: &str| {
        for index in 1..=2 {
            home.bakeoff(&format!(
                "run suite.toml --quiet --scenario scenario.toml --sim-seed 3 --shard {index}/2 --output {reports}"
            ))
            .run();
        }
        let shards = folders(&home, reports).join(" ");
        home.bakeoff(&format!("merge {shards} -o {out} --history history.jsonl"))
            .exits(0)
            .run()
    };
    let first = merge("first", "a");
    assert!(
        first
            .err
            .contains("history.jsonl has no run to compare with yet"),
        "{}",
        first.err
    );
    home.bakeoff("accept first --history history.jsonl")
        .exits(0)
        .run();
    merge("second", "b");
    assert!(home.path("second/past.jsonl").exists());
    let document = home.bakeoff("report second --format json").run();
    let document: Value = serde_json::from_str(&document.out).unwrap();
    let designs = document["verdicts"].as_array().unwrap().iter();
    assert!(
        designs
            .map(|one| &one["design"])
            .any(|design| design == "history")
    );
}
