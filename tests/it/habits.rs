//! The habits of a good tool: a place to begin, old runs listed and pruned, completions, manual pages.

// The printed commands are a POSIX shell's.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

use crate::support::program;
use crate::support::verbs;

use std::fs;
use std::os::unix::fs::symlink;

use program::Home;
use serde_json::Value;
use verbs::verbs;

/// One prompt of a model that answers at once.
const SUITE: &str = r#"
name = "first"
models = ["sim/constant-1ms-1ms-2"]
repetitions = 2
[[prompts]]
id = "p"
user = "hi"
"#;

#[test]
fn what_init_says_is_next_works() {
    // A beginner types what stands there: it must end in a comparison, without a key.
    let home = Home::new();
    let output = home.bakeoff("init new/comparison").run().out;
    let next: Vec<&str> = output
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.contains("vercel"))
        .collect();
    assert_eq!(
        next,
        [
            "cd new/comparison",
            "bakeoff suite check suites/first.toml",
            "bakeoff run suites/first.toml"
        ]
    );
    // Once each: that the whole suite runs as well is seen by the examples of `--help`.
    let line = format!("{} --repetitions 1 --quiet", next.join(" && "));
    home.shell(&line)
        .says("ok, 6 prompts, 3 models, 54 trials")
        .says("openai/gpt-5.6-luna (ref)")
        .run();
    let ran = home.path("new/comparison/reports/first/latest/report.md");
    assert!(ran.exists());
    // A first comparison must be able to end in a verdict.
    let report = fs::read_to_string(ran).unwrap();
    assert!(report.contains(", 6 prompts x 1."), "{report}");
}

#[test]
fn init_overwrites_nothing() {
    // Somebody's suite, project file or list for git is worth more than ours.
    let home = Home::new()
        .with("bakeoff.toml", "# mine\n")
        .with(".gitignore", "/reports/\n/target/\n");
    symlink("elsewhere", home.path("suites")).unwrap();
    fs::create_dir(home.path("elsewhere")).unwrap();
    symlink("nowhere", home.path("elsewhere/first.toml")).unwrap();
    let output = home.bakeoff("init").run().out;
    for name in ["suites/first.toml", "bakeoff.toml", ".gitignore"] {
        let message = format!("kept {name} (already exists)\n");
        assert!(output.contains(&message), "{output}");
    }
    assert!(
        output.contains(
            "Add to .gitignore, so that Git ignores runs and keys:\n\n  /reports/\n  .env\n"
        ),
        "{output}"
    );
    assert_eq!(home.read("bakeoff.toml"), "# mine\n");
    assert_eq!(home.read(".gitignore"), "/reports/\n/target/\n");
    assert!(!home.path("elsewhere/nowhere").exists());
    assert!(!home.path("nowhere").exists());
}

/// A folder with `count` runs; the first is the oldest.
fn with_runs(count: usize) -> Home {
    let home = Home::new().with("suite.toml", SUITE);
    for _ in 0..count {
        home.bakeoff("run suite.toml --quiet").run();
    }
    home
}

fn listed(home: &Home) -> Vec<Value> {
    let output = home.bakeoff("runs --json").run();
    let document: Value = serde_json::from_str(&output.out).unwrap();
    document["runs"].as_array().unwrap().clone()
}

/// Rewrites a part of a run's manifest.
fn edit(home: &Home, run: &Value, change: impl FnOnce(&mut Value)) {
    let path = home
        .path(run["path"].as_str().unwrap())
        .join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut manifest);
    fs::write(&path, manifest.to_string()).unwrap();
}

#[test]
fn runs_are_listed_with_what_they_hold() {
    // The list answers which runs there are, whether they are whole, and what they take.
    let home = with_runs(2);
    let runs = listed(&home);
    assert_eq!(runs.len(), 2);
    for run in &runs {
        assert_eq!((&run["answered"], &run["samples"]), (&2.into(), &2.into()));
        assert_eq!(run["planned"], 2);
        assert_eq!(run["status"], "complete");
        let folder = home.path(run["path"].as_str().unwrap());
        let files = fs::read_dir(folder).unwrap();
        let bytes = files.map(|file| file.unwrap().metadata().unwrap().len());
        assert_eq!(run["size_bytes"], bytes.sum::<u64>());
    }
    let latest = fs::read_link(home.path("reports/first/latest")).unwrap();
    let pointed_at: Vec<&Value> = runs.iter().filter(|run| run["latest"] == true).collect();
    assert_eq!(pointed_at.len(), 1);
    assert_eq!(pointed_at[0]["run"], latest.to_str().unwrap());

    // A run that was killed says how far it got.
    edit(&home, &runs[1], |manifest| {
        manifest["status"] = "running".into();
    });
    home.bakeoff("runs").says("2/2").says("running").run();
}

#[test]
fn a_folder_without_runs_is_no_mistake_unless_it_was_named() {
    // In a new project the list is empty; a slip in a name must not look like that.
    let home = with_runs(0);
    home.bakeoff("runs").complains("no runs yet").run();
    home.bakeoff("runs prune --keep 3 --yes")
        .says("nothing to delete")
        .run();
    home.bakeoff("runs report")
        .exits(2)
        .complains("report")
        .run();
    home.bakeoff("run suite.toml --quiet").run();
    home.bakeoff("runs reports/first/latest")
        .exits(2)
        .complains("is a single run")
        .run();
}

#[test]
fn pruning_needs_a_bound_and_a_yes() {
    // What is deleted is gone: nothing goes by a slip.
    let home = with_runs(3);
    let before = home.files();
    home.bakeoff("runs prune")
        .exits(2)
        .complains("--older-than")
        .run();
    home.bakeoff("runs prune --yes")
        .exits(2)
        .complains("--keep")
        .run();
    home.bakeoff("runs prune --keep 1 --older-than 30")
        .exits(2)
        .complains("such as `30d`")
        .run();
    home.bakeoff("runs prune --keep 0 --yes --dry-run")
        .exits(2)
        .run();
    for plan in ["", "--dry-run"] {
        home.bakeoff(&format!("runs prune --keep 1 {plan}"))
            .says("would delete 2 runs")
            .says("Nothing was deleted")
            .run();
    }
    home.bakeoff("runs prune --older-than 1h --yes")
        .says("nothing to delete; 3 stay")
        .run();
    assert_eq!(home.files(), before);
}

#[test]
fn pruning_deletes_the_listed_runs_and_no_others() {
    // Five runs: the latest, one that may be going on, one killed long ago, one old and one young.
    let home = with_runs(5);
    let runs = listed(&home);
    let (latest, others): (Vec<&Value>, Vec<&Value>) =
        runs.iter().partition(|run| run["latest"] == true);
    let age = |run: &Value, days: i64, status: &str| {
        let began = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(days * 24);
        edit(&home, run, |manifest| {
            manifest["started_at"] = began.to_string().into();
            manifest["status"] = status.into();
        });
    };
    age(latest[0], 60, "complete");
    age(others[0], 5, "running");
    age(others[1], 40, "running");
    age(others[2], 50, "interrupted");
    age(others[3], 3, "complete");

    let output = home
        .bakeoff("runs prune --older-than 4d --yes --json")
        .run();
    let document: Value = serde_json::from_str(&output.out).unwrap();
    let paths = |list: &Value| -> Vec<String> {
        let entries = list.as_array().unwrap().iter();
        entries
            .map(|entry| entry["path"].as_str().unwrap().to_owned())
            .collect()
    };
    let of = |run: &Value| run["path"].as_str().unwrap().to_owned();
    assert_eq!(paths(&document["runs"]), [of(others[1]), of(others[2])]);
    assert_eq!(
        paths(&document["protected"]),
        [of(others[0]), of(latest[0])]
    );
    assert_eq!(
        (&document["deleted"], &document["stay"]),
        (&true.into(), &3.into())
    );
    for run in &runs {
        let is_there = home.path(&of(run)).exists();
        assert_eq!(
            is_there,
            !paths(&document["runs"]).contains(&of(run)),
            "{run}"
        );
    }
    // What is left can be reported, by its old name.
    home.bakeoff("report reports/first/latest --format json")
        .run();
    assert_eq!(listed(&home).len(), 3);
}

#[test]
fn completions_know_every_verb() {
    // Each shell has its script, which asks the program; and what bash gets is bash.
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        home.bakeoff(&format!("completions {shell}"))
            .says("BAKEOFF_COMPLETE")
            .run();
    }
    home.shell("bakeoff completions bash | bash -n").run();
    let words = completed(&home, "''");
    for verb in verbs().iter().filter(|verb| !verb.name.contains(' ')) {
        assert!(
            words.contains(&verb.name) || verb.name.is_empty(),
            "{words:?}"
        );
    }
    assert_eq!(completed(&home, "runs prune --older"), ["--older-than"]);
}

/// The completions of an unfinished line.
fn completed(home: &Home, line: &str) -> Vec<String> {
    let completion = home
        .shell(&format!("bakeoff -- bakeoff {line}"))
        .env("BAKEOFF_COMPLETE", "fish");
    let lines = completion.run().out;
    let words = lines.lines().filter_map(|line| line.split('\t').next());
    words.map(str::to_owned).collect()
}

#[test]
fn completions_know_endpoints_models_and_prompts() {
    // The longest words of a line are those that are nowhere on the screen.
    let suite = SUITE.replace("id = \"p\"", "id = \"a-long-name\"\ntags = [\"slow\"]");
    let home = Home::new().with("suite.toml", &suite).with(
        "bakeoff.toml",
        "[endpoints.staging]\nbase_url = \"http://127.0.0.1:9/v1\"\n",
    );
    assert_eq!(completed(&home, "run suite.toml -p a-l"), ["a-long-name"]);
    assert_eq!(completed(&home, "run suite.toml --tag s"), ["slow"]);
    assert_eq!(completed(&home, "models --endpoint sta"), ["staging"]);
    assert_eq!(
        completed(&home, "run suite.toml -m sim/con"),
        ["sim/constant-1ms-1ms-2"]
    );
    assert_eq!(
        completed(&home, "models show openai/gpt-5.6-lu"),
        ["openai/gpt-5.6-luna"]
    );
    // What cannot be read completes to nothing.
    let none = completed(&home, "run missing.toml -p ''");
    assert_eq!(none, Vec::<String>::new());
}

#[test]
fn a_prompt_and_models_need_no_file() {
    // The first thing that somebody tries has one question and no suite.
    let home = Home::new();
    let models = "-m sim/constant-1ms-1ms-2 -m sim/constant-1ms-1ms-3";
    let line = format!("bakeoff run -p 'Why {{{{so}}}} blue?' -p Second {models} -r 1 --quiet");
    home.shell(&line).says("2 prompts").run();
    let manifest = home.read("reports/prompt/latest/manifest.json");
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let text = &manifest["suite"]["prompts"][0]["messages"][0]["content"];
    assert_eq!(text, "Why {{so}} blue?");
    home.shell("bakeoff run -p Hello")
        .exits(2)
        .complains("a prompt without a suite needs models")
        .run();
    home.bakeoff("run")
        .exits(2)
        .complains("name a suite file")
        .run();
    home.bakeoff("estimate -p Hello -m openai/gpt-5.6-luna")
        .says("Output tokens: assumed")
        .run();
}

#[test]
fn a_dash_is_standard_input() {
    // A suite may be made by another program; its problems have a name all the same.
    let home = Home::new().with("suite.toml", SUITE);
    home.shell("bakeoff run - --list < suite.toml")
        .says("2 trials")
        .run();
    home.shell("bakeoff suite check - < suite.toml")
        .says("ok, 1 prompt")
        .run();
    home.shell("echo 'name = 1' | bakeoff run -")
        .exits(2)
        .complains("standard input:1")
        .run();
    home.shell("echo '{\"prompt\": \"Hello\"}' | bakeoff import jsonl - | bakeoff run - --list")
        .says("prompt-1")
        .run();
}

#[test]
fn lists_of_parameters_make_variants() {
    // Which effort is worth its price: one line instead of three, and a row for each.
    let suite = r#"
name = "matrix"
models = [{ model = "sim/constant-1ms-1ms-2", label = "m", parameters = { reasoning_effort = ["low", "high"], temperature = [0, 0.5] } }]
repetitions = 1
warmup = 0
[[prompts]]
id = "p"
user = "hi"
metadata = { team = "billing", level = 2 }
"#;
    let home = Home::new().with("suite.toml", suite);
    home.bakeoff("run suite.toml --quiet").run();
    let labels: Vec<String> = home
        .samples("matrix")
        .iter()
        .map(|sample| sample["variant"].as_str().unwrap().to_owned())
        .collect();
    for label in ["m@low,temperature=0", "m@high,temperature=0.5"] {
        assert!(labels.iter().any(|made| made == label), "{labels:?}");
    }
    assert_eq!(labels.len(), 4);
    home.bakeoff("spend --simulated --by variant")
        .says("m@low,temperature=0.5 (sim/constant-1ms-1ms-2)")
        .run();
    home.bakeoff("spend --simulated --by model")
        .says("sim/constant-1ms-1ms-2     1  ")
        .run();
    // What the author says of a prompt stands beside each of its samples.
    let sample = &home.samples("matrix")[0];
    assert_eq!(sample["metadata"]["team"], "billing");
    let table = home.read("reports/matrix/latest/samples.csv");
    let last = table.lines().nth(1).unwrap();
    assert!(
        last.ends_with(r#"{""level"":2,""team"":""billing""}""#),
        "{last}"
    );
    let misplaced = suite.replace(
        "warmup = 0",
        "warmup = 0\nparameters = { temperature = [0, 1] }",
    );
    let home = home.with("suite.toml", &misplaced);
    home.bakeoff("suite check suite.toml")
        .exits(2)
        .complains("an array of values makes variants")
        .run();
}

#[test]
fn every_verb_has_a_manual_page() {
    // Written into a folder, with the examples of its help; the program's own goes to a pipe.
    let home = Home::new();
    home.bakeoff("man pages/man1").run();
    for verb in verbs() {
        let name = format!("bakeoff {}", verb.name);
        let file = format!("pages/man1/{}.1", name.trim().replace(' ', "-"));
        let page = home.read(&file);
        assert!(page.contains("\n.SH NAME\n"), "{file}");
        for example in verb.examples() {
            let written = example.replace('-', "\\-");
            let found = page.contains(example) || page.contains(&written) || example.contains('\'');
            assert!(found, "{file} does not show `{example}`");
        }
    }
    let printed = home.bakeoff("man").run().out;
    assert_eq!(printed, home.read("pages/man1/bakeoff.1"));
}

#[test]
fn help_is_a_command_too_and_a_misspelt_one_suggests_the_nearest() {
    // `help run` and `estimat` are what hands type first.
    let home = Home::new();
    let helped = home.bakeoff("help run").run();
    assert_eq!(helped.out, home.bakeoff("run --help").run().out);
    home.bakeoff("help models show")
        .says("Model id, as the endpoint spells it")
        .run();
    home.bakeoff("estimat suite.toml")
        .exits(2)
        .complains("'estimate'")
        .run();
}

#[cfg(unix)]
#[test]
fn a_project_file_is_found_above_in_the_repository_and_in_the_configuration() {
    // From a subfolder a project must not lose its endpoints; but a folder above that is in no repository may be
    // anybody's, and a project file decides where keys are sent.
    let home = Home::new();
    home.shell("mkdir -p repository/sub/deep config/bakeoff")
        .run();
    let endpoint =
        |name: &str| format!("[endpoints.{name}]\nbase_url = \"http://127.0.0.1:9/v1\"\n");
    let home = home
        .with("bakeoff.toml", &endpoint("foreign"))
        .with("repository/bakeoff.toml", &endpoint("ours"))
        .with("config/bakeoff/bakeoff.toml", &endpoint("mine"));
    let resolves = |name: &str, configured: bool| {
        let call = format!("cd repository/sub/deep && bakeoff models --endpoint {name}");
        let call = home.shell(&call);
        if configured {
            call.env("XDG_CONFIG_HOME", home.path("config"))
        } else {
            call
        }
    };
    for name in ["ours", "foreign"] {
        resolves(name, false)
            .exits(2)
            .complains(&format!("unknown endpoint `{name}`"))
            .run();
    }
    resolves("mine", true)
        .complains("cannot fetch the model list from http://127.0.0.1:9/v1")
        .run();
    home.shell("mkdir repository/.git").run();
    resolves("ours", true)
        .complains("cannot fetch the model list from http://127.0.0.1:9/v1")
        .run();
    resolves("mine", true)
        .exits(2)
        .complains("unknown endpoint `mine`")
        .run();
    resolves("foreign", false).exits(2).run();
}

#[test]
fn a_variable_stands_for_a_flag() {
    // A job sets its endpoint once: above the suite's, below a flag. A wrong value must be found in the variable.
    let suite = SUITE.replace("repetitions", "endpoint = \"of-the-suite\"\nrepetitions");
    let home = Home::new().with("suite.toml", &suite);
    let listed = |flags: &str| {
        home.bakeoff(&format!("run suite.toml --list {flags}"))
            .env("BAKEOFF_ENDPOINT", "of-the-variable")
    };
    listed("").exits(2).complains("`of-the-variable`").run();
    listed("--endpoint sim").says("2 trials").run();
    listed("")
        .env("BAKEOFF_ENDPOINT", "")
        .exits(2)
        .complains("`of-the-suite`")
        .run();
    listed("--endpoint sim")
        .env("BAKEOFF_MAX_COST", "much")
        .exits(2)
        .complains("--max-cost")
        .complains("the value is that of the variable BAKEOFF_MAX_COST")
        .run();
}

#[test]
fn a_variable_stands_for_a_flag_without_a_value() {
    // A job that wants quiet runs says so once; a word that is no boolean is an error, and not a yes.
    let home = Home::new().with("suite.toml", SUITE);
    let run = |name: &str, value: &str| {
        home.bakeoff("run suite.toml --scenario scenario.toml")
            .env(name, value)
    };
    for value in ["1", "true", "yes", "ON"] {
        assert_eq!(run("BAKEOFF_QUIET", value).run().err, "", "{value}");
    }
    for value in ["0", "false", "no", "off", ""] {
        run("BAKEOFF_QUIET", value).complains("note: ").run();
    }
    run("BAKEOFF_QUIET", "perhaps")
        .exits(2)
        .complains("the value is that of the variable BAKEOFF_QUIET")
        .run();
    let document = run("BAKEOFF_JSON", "1").run().out;
    serde_json::from_str::<serde_json::Value>(&document).unwrap();
    // Where a flag excludes what a variable sets, the message leads to the variable.
    run("BAKEOFF_HISTORY", "absent.jsonl").run();
    home.bakeoff("run suite.toml --verify")
        .env("BAKEOFF_HISTORY", "absent.jsonl")
        .exits(2)
        .complains("BAKEOFF_HISTORY is set: unset it for this command")
        .run();
}

#[test]
fn a_pilot_has_the_endpoint_of_the_variable() {
    // The endpoint of `size` is that of its pilot: without one the variable of the other commands must not be in the way.
    let home = Home::new().with("suite.toml", SUITE);
    home.bakeoff("size suite.toml --detect 60%")
        .env("BAKEOFF_ENDPOINT", "elsewhere")
        .run();
    home.bakeoff("size suite.toml --detect 60% --pilot")
        .env("BAKEOFF_ENDPOINT", "elsewhere")
        .exits(2)
        .complains("`elsewhere`")
        .run();
}

#[test]
fn standard_input_is_read_once() {
    // The second reader of a pipe finds nothing in it: a pilot run was refused for an empty suite.
    let home = Home::new().with("suite.toml", SUITE);
    home.shell("cat suite.toml | bakeoff size - --detect 60% --pilot --scenario scenario.toml")
        .complains("trials")
        .run();
    home.shell("cat suite.toml | bakeoff suite check - -")
        .exits(2)
        .complains("`standard input` could not be read: it was read already, and can be named by `-` only once")
        .run();
}
