//! The committed example run, `reports/example`: it is what this program makes of today's quickstart.
//!
//! `BAKEOFF_UPDATE=1` makes its files again from its records, and the run itself anew where it is no
//! longer one of today's quickstart (which takes half a minute). A new run on purpose: remove the folder first.

#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use bakeoff::catalog::Catalog;
use bakeoff::plan::plan;
use bakeoff::record::{Manifest, Run, Status, digest};
use bakeoff::report::{ReportFormat, SAMPLES_CSV};
use bakeoff::sim::scenario::DEFAULT_SCENARIO;
use bakeoff::suite::{Suite, parse_suite};

/// Sim seed of the run's simulated answers.
const SIM_SEED: &str = "1";

/// The files that a run writes; everything else in its folder is made from them.
const SOURCES: [&str; 2] = ["manifest.json", "samples.jsonl"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn made_files() -> BTreeSet<&'static str> {
    let files = ReportFormat::FILES.map(ReportFormat::file_name);
    files.into_iter().chain([SAMPLES_CSV]).collect()
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    entries
        .map(|entry| name(entry).into_string().unwrap())
        .collect()
}

/// The example's folder, brought up to date first where that was asked for.
fn example() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = root().join("reports/example");
        if std::env::var_os("BAKEOFF_UPDATE").is_some() {
            if !differences(&folder).is_empty() {
                run_anew(&folder);
            }
            let made = make_again(&folder);
            for name in made_files() {
                fs::copy(made.path().join(name), folder.join(name)).unwrap();
            }
        }
        folder
    });
    &FOLDER
}

/// Runs the quickstart and puts what it recorded in place of the folder.
fn run_anew(folder: &Path) {
    let reports = tempfile::tempdir().unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_bakeoff"))
        .current_dir(reports.path())
        .args(["run", "--quiet", "--sim-seed", SIM_SEED, "--output"])
        .arg(reports.path())
        .arg(root().join("suites/quickstart.toml"))
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let run = Run::open(&reports.path().join("quickstart/latest")).unwrap();
    if folder.exists() {
        fs::remove_dir_all(folder).unwrap();
    }
    fs::create_dir_all(folder).unwrap();
    for name in SOURCES {
        // Read and written, not copied: in a checkout a file has the usual mode.
        fs::write(
            folder.join(name),
            fs::read(run.folder().join(name)).unwrap(),
        )
        .unwrap();
    }
}

/// A copy of the run's records, with every other file made from them by `bakeoff report`.
fn make_again(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in SOURCES {
        fs::copy(folder.join(name), copy.path().join(name)).unwrap();
    }
    let made = Command::new(env!("CARGO_BIN_EXE_bakeoff"))
        .arg("report")
        .arg(copy.path())
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    copy
}

fn quickstart() -> Suite {
    let text = fs::read_to_string(root().join("suites/quickstart.toml")).unwrap();
    parse_suite(&text).unwrap()
}

/// The digest of the order of all trials that `bakeoff run --list` prints.
fn listed_plan_digest() -> String {
    let listed = Command::new(env!("CARGO_BIN_EXE_bakeoff"))
        .args(["run", "suites/quickstart.toml", "--list", "--json"])
        .current_dir(root())
        .output()
        .unwrap();
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    listed["digest"].as_str().unwrap().to_owned()
}

/// Differences between the records and a run of today's quickstart by today's program.
fn differences(folder: &Path) -> Vec<String> {
    let manifest = match Run::open(folder).and_then(|run| run.manifest()) {
        Ok(manifest) => manifest,
        Err(error) => return vec![error.to_string()],
    };
    let suite = quickstart();
    let resolved = serde_json::to_vec(&suite).unwrap();
    let scenario = format!(
        "{} sim seed {SIM_SEED}",
        digest(format!("{DEFAULT_SCENARIO}\n").as_bytes())
    );
    let prices = manifest
        .prices
        .as_ref()
        .map(|prices| prices.digest.as_str());
    let mut all = Vec::new();
    for (what, then, now) in [
        (
            "version",
            manifest.version.to_string(),
            Manifest::VERSION.to_string(),
        ),
        (
            "program",
            manifest.tool.clone(),
            format!("bakeoff {}", env!("CARGO_PKG_VERSION")),
        ),
        ("suite", manifest.suite_digest.clone(), digest(&resolved)),
        ("plan", manifest.plan_digest.clone(), listed_plan_digest()),
        (
            "trials",
            manifest.planned_trials.to_string(),
            plan(&suite).trial_count().to_string(),
        ),
        (
            "scenario",
            manifest.endpoint.scenario.clone().unwrap_or_default(),
            scenario,
        ),
        (
            "prices",
            prices.unwrap_or_default().to_owned(),
            Catalog::snapshot().source().digest.clone(),
        ),
    ] {
        if then != now {
            all.push(format!("{what}: {then} in the example, {now} today"));
        }
    }
    all
}

#[test]
fn it_is_a_run_of_todays_quickstart() {
    // A user who follows the README must get what the README shows.
    let stale = differences(example());
    assert!(
        stale.is_empty(),
        "reports/example is of another time; make it anew with BAKEOFF_UPDATE=1 cargo test:\n{}",
        stale.join("\n")
    );
}

#[test]
fn it_is_whole() {
    // An example of an interrupted run, or with lost lines, would teach the wrong thing.
    let run = Run::open(example()).unwrap();
    let manifest = run.manifest().unwrap();
    assert_eq!(manifest.status, Status::Complete);
    let samples: Vec<_> = run.samples().unwrap().map(Result::unwrap).collect();
    let trials: BTreeSet<u64> = samples.iter().map(|sample| sample.trial).collect();
    assert!(trials.into_iter().eq(0..manifest.planned_trials));
    for sample in &samples {
        sample.check().unwrap();
        assert!(sample.outcome.answered(), "trial {}", sample.trial);
    }
}

#[test]
fn its_files_are_made_from_its_records() {
    // The promise of `report`: the same records give the same files, byte for byte, at any time.
    let expected: BTreeSet<String> = made_files()
        .into_iter()
        .chain(SOURCES)
        .map(str::to_owned)
        .collect();
    assert_eq!(names_in(example()), expected);
    let again = make_again(example());
    for name in made_files() {
        let made = fs::read(again.path().join(name)).unwrap();
        assert!(
            made == fs::read(example().join(name)).unwrap(),
            "{name} is not what `bakeoff report` makes today; BAKEOFF_UPDATE=1 cargo test makes it again"
        );
    }
}

#[test]
fn it_contains_nothing_of_the_machine() {
    // The example is published, and every user's run is made in the same way.
    let homes = ["HOME", "USERPROFILE", "CARGO_HOME"].map(|name| std::env::var(name).ok());
    let own = [root(), &std::env::temp_dir()].map(|path| Some(path.display().to_string()));
    let words = ["authorization", "bearer", "clientsessionid"].map(|word| Some(word.to_owned()));
    let forbidden: Vec<String> = homes
        .into_iter()
        .chain(own)
        .chain(words)
        .flatten()
        // A home that is the root of all folders would forbid every `/`.
        .filter(|word| word.len() > 3)
        .map(|word| word.to_lowercase())
        .collect();
    for name in names_in(example()) {
        let text = fs::read_to_string(example().join(&name))
            .unwrap()
            .to_lowercase();
        for word in &forbidden {
            assert!(!text.contains(word), "{name} holds `{word}`");
        }
    }
}
