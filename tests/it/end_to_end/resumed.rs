//! Runs that ended before their plan did, and are finished by `bakeoff resume`.

use serde_json::Value;

use super::program::Home;

/// The only run of the suite.
fn folder(home: &Home) -> String {
    let runs = std::fs::read_dir(home.path("reports/half")).unwrap();
    let names = runs.map(|run| run.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.filter(|name| name != "latest").collect();
    assert_eq!(names.len(), 1);
    format!("reports/half/{}", names[0])
}

fn suite(repetitions: u32) -> String {
    format!(
        "name = \"half\"\nmodels = [\"openai/gpt-4.1-nano\", \"openai/gpt-5-mini\"]\nrepetitions = {repetitions}\n\
         warmup = 1\nconcurrency = 2\n[parameters]\nmax_tokens = 40\n\
         [[prompts]]\nid = \"a\"\nuser = \"Why?\"\n[[prompts]]\nid = \"b\"\nuser = \"How?\"\n"
    )
}

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn manifest(home: &Home, folder: &str) -> Value {
    serde_json::from_str(&home.read(&format!("{folder}/manifest.json"))).unwrap()
}

/// A complete run whose samples are cut after so many lines, as a kill would leave it.
fn cut(home: &Home, whole_lines: usize, tail: &str) -> String {
    home.bakeoff("run suite.toml --scenario scenario.toml --sim-seed 1 --max-cost 5")
        .run();
    let folder = folder(home);
    let path = home.path(&format!("{folder}/samples.jsonl"));
    let text = std::fs::read_to_string(&path).unwrap();
    let left: Vec<&str> = text.split_inclusive('\n').take(whole_lines).collect();
    std::fs::write(&path, format!("{}{tail}", left.concat())).unwrap();
    let manifest = home.read(&format!("{folder}/manifest.json"));
    let running = manifest.replace("\"status\": \"complete\"", "\"status\": \"running\"");
    assert_ne!(manifest, running);
    std::fs::write(home.path(&format!("{folder}/manifest.json")), running).unwrap();
    std::fs::remove_file(home.path("reports/half/latest")).unwrap();
    folder
}

#[test]
fn what_is_missing_is_sent_and_nothing_else() {
    // A run costs money and time: what was paid for is not paid for again.
    let home = Home::new().with("suite.toml", &suite(5));
    let folder = cut(&home, 9, "{\"version\":2,\"tri");
    let before = home.read(&format!("{folder}/samples.jsonl"));
    let output = home
        .bakeoff(&format!("resume {folder} --scenario scenario.toml"))
        .complains("note: the last line is truncated; its 17 bytes are in")
        .complains("resuming: 11 trials of 20 are left")
        .run();
    let after = home.read(&format!("{folder}/samples.jsonl"));
    let whole_lines: String = before.split_inclusive('\n').take(9).collect();
    assert!(after.starts_with(&whole_lines));
    let truncated = home.read(&format!("{folder}/samples.jsonl.truncated"));
    assert_eq!(truncated, "{\"version\":2,\"tri\n");
    let samples = lines(&after);
    let mut trials: Vec<u64> = samples
        .iter()
        .filter_map(|one| one["trial"].as_u64())
        .collect();
    trials.sort_unstable();
    assert!(trials.into_iter().eq(0..20));
    // The second part is behind the first one on the clock of the run, and in the names of its requests.
    let manifest = manifest(&home, &folder);
    assert_eq!(manifest["status"], "complete");
    let parts = manifest["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 2);
    assert_eq!(
        (&parts[0]["trials"], &parts[1]["trials"]),
        (&20.into(), &11.into())
    );
    let start = parts[1]["start_ns"].as_u64().unwrap();
    for (index, sample) in samples.iter().enumerate() {
        assert_eq!(sample["sent_ns"].as_u64().unwrap() >= start, index >= 9);
        assert_eq!(
            sample["request_id"].as_str().unwrap().contains("-p2-"),
            index >= 9
        );
    }
    // `latest` follows, and the reports are those that the records give.
    assert!(home.path("reports/half/latest").exists());
    let made = [
        "report.md",
        "samples.csv",
        "comparison.csv",
        "junit.xml",
        "report.json",
    ];
    let made: Vec<(String, String)> = made
        .iter()
        .map(|name| format!("{folder}/{name}"))
        .filter(|path| home.path(path).exists())
        .map(|path| (home.read(&path), path))
        .collect();
    assert!(made.len() >= 4);
    let printed = home.bakeoff(&format!("report {folder}")).run();
    assert_eq!(printed.out, output.out);
    for (text, path) in made {
        assert_eq!(home.read(&path), text, "{path}");
    }
    assert!(
        home.read(&format!("{folder}/report.md"))
            .contains("| parts |")
    );
    // Once.
    home.bakeoff(&format!("resume {folder} --scenario scenario.toml"))
        .complains("is complete; nothing was sent")
        .run();
    assert_eq!(home.read(&format!("{folder}/samples.jsonl")), after);
}

#[test]
fn differences_are_named_and_refused() {
    // Two halves measured under other conditions are no run.
    let home = Home::new().with("suite.toml", &suite(5));
    let folder = cut(&home, 9, "");
    home.bakeoff(&format!("resume {folder}"))
        .exits(2)
        .complains("scenario: was ")
        .complains("accept it with --force")
        .run();
    let path = format!("{folder}/manifest.json");
    let changed = home
        .read(&path)
        .replace("\"tool\": \"bakeoff 0.", "\"tool\": \"bakeoff 9.")
        .replace("\"Why?\"", "\"Why not?\"");
    std::fs::write(home.path(&path), changed).unwrap();
    home.bakeoff(&format!("resume {folder} --scenario scenario.toml"))
        .exits(2)
        .complains("version: was bakeoff 9.")
        .complains("suite in the manifest: was ")
        .run();
    home.bakeoff(&format!("resume {folder} --scenario scenario.toml --force"))
        .run();
    let report = home.read(&format!("{folder}/report.md"));
    assert!(
        report
            .contains("part 2 was sent under other conditions (--force): version: was bakeoff 9."),
        "{report}"
    );
}

#[test]
fn a_cap_counts_the_parts_before_and_can_be_raised() {
    // A run that is resumed ten times must not spend ten caps.
    let home = Home::new().with("suite.toml", &suite(40));
    home.bakeoff("run suite.toml --scenario scenario.toml --sim-seed 1 --max-cost 0.001")
        .exits(4)
        .run();
    let folder = folder(&home);
    let first = home.samples("half").len();
    assert!(first < 160, "{first}");
    home.bakeoff(&format!("resume {folder} --scenario scenario.toml"))
        .exits(4)
        .complains("the cap of $0.001 (the cap of its earlier parts)")
        .complains("give it a new one with --max-cost")
        .run();
    assert_eq!(home.samples("half").len(), first);
    home.bakeoff(&format!(
        "resume {folder} --scenario scenario.toml --max-cost 5"
    ))
    .run();
    assert_eq!(home.samples("half").len(), 160);
    let line = lines(&home.read("reports/ledger.jsonl")).pop().unwrap();
    assert_eq!(line["status"], "complete");
    let requests: u64 = line["models"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|model| model["requests"].as_u64())
        .sum();
    // Two warm-ups in each part.
    assert_eq!(requests, 160 + 4);
}

#[test]
fn failed_trials_are_repeated_on_request() {
    // A trial that failed is repeated once, the others are not, and the report says so.
    let home = Home::new()
        .with("suite.toml", &suite(5).replace("= 40", "= 2000"))
        .with(
            "faulty.toml",
            &format!(
                "{}faults = {{ \"400\" = 0.4 }}
",
                super::program::FAST_SCENARIO
            ),
        );
    home.bakeoff("run suite.toml --scenario faulty.toml --sim-seed 1")
        .run();
    let folder = folder(&home);
    let failed = |home: &Home| {
        let samples = lines(&home.read(&format!("{folder}/samples.jsonl")));
        samples
            .iter()
            .filter(|one| one["outcome"] != "complete")
            .count()
    };
    let before = failed(&home);
    assert!(before > 0);
    home.bakeoff(&format!(
        "resume {folder} --scenario scenario.toml --retry-failed --force"
    ))
    .complains(&format!(
        "resuming: {before} trials of 20 failed and are repeated"
    ))
    .run();
    let report = home.read(&format!("{folder}/report.md"));
    assert!(report.contains("failures are undercounted"), "{report}");
    assert_eq!(
        lines(&home.read(&format!("{folder}/samples.jsonl"))).len(),
        20 + before
    );
    let rows = home.read(&format!("{folder}/samples.csv"));
    assert_eq!(rows.lines().count(), 21);
    home.bakeoff(&format!(
        "resume {folder} --scenario scenario.toml --retry-failed"
    ))
    .complains("no trial failed; nothing was sent")
    .run();
}
