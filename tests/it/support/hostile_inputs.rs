//! Every input from outside, as bytes that anything may have written: what must hold of each, and files to start from.
//!
//! `fuzz/` feeds them with a fuzzer, `tests/it/hostile_inputs.rs` with mutations of the seeds.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bakeoff::catalog::{Catalog, ListDiff, Offers, PriceBound, TokenCounts, cost};
use bakeoff::gateway::{Recording, read};
use bakeoff::plan::plan;
use bakeoff::record::{History, HistoryRun, JournalReader, Manifest, Run, Sample, ledger};
use bakeoff::report::spend::{self, GroupBy};
use bakeoff::report::{Report, ReportFormat, Style, Trends, history_page, models};
use bakeoff::suite::import::{ImportSource, Origin, import};
use bakeoff::suite::{
    LoadedFile, LoadedFiles, Metric, Problems, Suite, SuiteReading, parse_own_price, parse_project,
    parse_suite, read_suite, render,
};
use bakeoff::verdict::PastRuns;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::recorded::{recording, timeless};

/// An input: its name, the check of its bytes, and the files it is seeded with, relative to the package.
pub(crate) struct Input {
    pub(crate) name: &'static str,
    pub(crate) check: fn(&[u8]),
    seeds: &'static [&'static str],
    /// Lines of a seed; longer files are cut into several.
    lines: usize,
}

pub(crate) const INPUTS: [Input; 9] = [
    input("stream", stream, &["fuzz/seeds/stream"], 400),
    input("suite", suite, &["suites", "tests/bad_suites"], 400),
    input(
        "project",
        project,
        &["tests/stored_0_1", "tests/bad_suites", "fuzz/seeds/project"],
        400,
    ),
    input("samples", samples, &["reports/example", STORED], 8),
    input("manifest", manifest, &["reports/example", STORED], 4_000),
    input("history", history, &["tests/stored_0_1", STORED], 3),
    input("ledger", ledger, &["tests/stored_0_1/reports"], 4),
    input("prices", prices, &["fuzz/seeds/prices"], 400),
    input("imports", imports, &["fuzz/seeds/imports"], 400),
];

/// A stored run of version 0.1, with the history that it was judged by.
const STORED: &str = "tests/stored_0_1/reports/stored/20261130T022150Z-c7yyd2";

const fn input(
    name: &'static str,
    check: fn(&[u8]),
    seeds: &'static [&'static str],
    lines: usize,
) -> Input {
    Input {
        name,
        check,
        seeds,
        lines,
    }
}

impl Input {
    /// The seeds, in files of the package.
    pub(crate) fn seeds(&self) -> Vec<Vec<u8>> {
        let folders = self.seeds.iter().map(|folder| package().join(folder));
        let mut files: Vec<PathBuf> = folders
            .flat_map(|folder| fs::read_dir(folder).unwrap())
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file() && self.is_seed(path))
            .collect();
        files.sort();
        let cut = |path: PathBuf| {
            let text = fs::read(path).unwrap();
            let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
            let parts: Vec<Vec<u8>> = lines.chunks(self.lines).map(<[_]>::concat).collect();
            parts
        };
        files.into_iter().flat_map(cut).collect()
    }

    fn is_seed(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap().to_string_lossy();
        match self.name {
            "samples" => name == "samples.jsonl",
            "manifest" => name == "manifest.json",
            "history" => ["history.jsonl", "past.jsonl"].contains(&&*name),
            "ledger" => name == "ledger.jsonl",
            "suite" | "project" => name.ends_with(".toml"),
            _ => true,
        }
    }
}

/// The body of a response, or with a first byte that says so an error, compressed, not streamed: any cut of it gives the
/// same reading, and a failure has a reason.
fn stream(bytes: &[u8]) {
    let (settings, body) = bytes.split_first().unwrap_or((&0, &[]));
    let streamed = settings & 1 == 0;
    let status = if settings & 2 == 0 { 200 } else { 429 };
    let encoding = ["", "gzip", "br", "deflate"][usize::from(settings >> 2 & 3)];
    let step = usize::from(settings >> 4) * 3 + 1;
    let read_in = |pieces: &[&[u8]]| -> Recording {
        let headers = [("content-encoding", encoding), ("retry-after", "2")];
        recording(status, &headers, pieces)
    };
    let model = "maker/m".parse().unwrap();
    let whole = read(&read_in(&[body]), &model, streamed).into_inner();
    let pieces: Vec<&[u8]> = body.chunks(step).collect();
    let split = read(&read_in(&pieces), &model, streamed).into_inner();
    assert!(split.first_token <= split.last_token);
    assert!(split.last_token.is_none_or(|last| last <= split.end));
    assert_eq!(timeless(split), timeless(whole));
}

/// A suite, and behind a zero byte the content of every file that it names: what is valid can be planned and stored, what is
/// not can be shown.
fn suite(bytes: &[u8]) {
    let (text, file) = match bytes.iter().position(|byte| *byte == 0) {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &b"text"[..]),
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let mut found = LoadedFiles::default();
    // Rows of a file may name images, in a second turn.
    for _ in 0..4 {
        match read_suite(text, &found) {
            Ok(SuiteReading::Suite(suite)) => return check_suite(&suite),
            Ok(SuiteReading::NeedsFiles(missing)) => {
                for missing_file in missing {
                    let name = missing_file.path.clone();
                    let bytes = file.to_vec();
                    found.add(missing_file, Ok(vec![LoadedFile { name, bytes }]));
                }
            }
            Err(problems) => return check_problems(&problems, text),
        }
    }
    panic!("it asks for files without end");
}

fn check_suite(suite: &Suite) {
    is_read_back(suite);
    let plan = plan(suite);
    let trials: usize = plan
        .slots()
        .take(20)
        .map(|slot| slot.trials().count())
        .sum();
    assert!(trials > 0);
}

fn check_problems(problems: &Problems, text: &str) {
    for colour in [false, true] {
        assert!(!render(problems, "suite.toml", text, colour).is_empty());
    }
}

/// A project file: every endpoint of it can be resolved, every problem shown.
fn project(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match parse_project(text) {
        Ok(project) => {
            for name in project.profiles.keys() {
                project.resolve(name).unwrap();
            }
            let _ = project.resolve("no-such-endpoint");
        }
        Err(problems) => check_problems(&problems, text),
    }
}

/// Samples: each that is read can be written and read again, and whatever they are the reports of the run can be made.
fn samples(bytes: &[u8]) {
    thread_local! {
        static MANIFEST: Manifest = stored_run().manifest().unwrap();
    }
    for sample in JournalReader::<_, Sample>::new(bytes).flatten() {
        is_read_back(&sample);
    }
    MANIFEST.with(|manifest| {
        let samples = JournalReader::<_, Sample>::new(bytes);
        let samples = samples.map(|sample| sample.map_err(io::Error::other));
        check_reports(manifest, samples, None);
    });
}

/// A manifest: what is read can be written and read again, and the reports of the samples of another one can be made.
fn manifest(bytes: &[u8]) {
    thread_local! {
        static SAMPLES: Vec<Sample> = stored_run().samples().unwrap().flatten().take(12).collect();
    }
    let manifest = with_file("manifest.json", bytes, |path| {
        Run::open(path.parent()?)
            .and_then(|run| run.manifest())
            .ok()
    });
    let Some(manifest) = manifest else {
        return;
    };
    is_read_back(&manifest);
    SAMPLES.with(|samples| {
        let samples = samples.iter().cloned().map(Ok);
        check_reports(&manifest, samples, None);
    });
}

/// A history: its trends and pages can be made, and a run can be judged by it.
fn history(bytes: &[u8]) {
    thread_local! {
        static RUN: (Manifest, Vec<Sample>) = {
            let run = stored_run();
            (run.manifest().unwrap(), run.samples().unwrap().flatten().take(12).collect())
        };
    }
    let Ok(history) = with_file("history.jsonl", bytes, History::read) else {
        return;
    };
    for line in history.lines() {
        is_read_back(&line);
    }
    for metric in Metric::ALL {
        let trends = Trends::from_history(&history, metric, None);
        let _ = (trends.text(), trends.json(), history_page(&trends));
    }
    RUN.with(|(manifest, samples)| {
        let today = HistoryRun {
            run: manifest.run.clone(),
            started_at: manifest.started_at,
            ..HistoryRun::default()
        };
        let past = PastRuns::from_history(&history, &today);
        let samples = samples.iter().cloned().map(Ok);
        check_reports(manifest, samples, Some(&past));
    });
}

/// A ledger: its sums can be formed.
fn ledger(bytes: &[u8]) {
    let ledger = with_file("ledger.jsonl", bytes, |path| {
        ledger::read(path.parent().unwrap()).unwrap()
    });
    for line in &ledger.lines {
        let _ = (line.spent(), line.at_most());
    }
    for line in JournalReader::<_, ledger::LedgerLine>::new(bytes).flatten() {
        is_read_back(&line);
    }
    for by in [
        GroupBy::Suite,
        GroupBy::Day,
        GroupBy::Project,
        GroupBy::Model,
    ] {
        let lines = ledger.lines.iter().map(|line| ("project", line));
        let _ = spend::table(&spend::sum_lines(lines, by), by);
    }
}

/// A list of models, of a model's providers, or a price as it is typed: everything that shows or uses prices works.
fn prices(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let _ = parse_own_price(text);
    let offers = Offers::read(text).ok();
    let list = Catalog::read(text, "a list".to_owned(), "2026-11-30".to_owned());
    let list = list.unwrap_or_else(|_| Catalog::snapshot());
    let snapshot = Catalog::snapshot();
    let _ = models::diff_table(&ListDiff::new(&snapshot, &list));
    let counts = TokenCounts {
        prompt: u64::MAX,
        cached: 7,
        completion: 1 << 40,
        ..TokenCounts::default()
    };
    for model in list.models().take(8) {
        let _ = models::page(model, None);
        if let Some(prices) = &model.prices {
            let _ = (cost(prices, &counts), prices.rates(300_000));
        }
        if let Some(offers) = &offers {
            let _ = models::offers_table(model, offers);
        }
        if let Ok(bound) = PriceBound::new(&model.id, &list, offers.as_ref(), &[]) {
            let _ = bound.of_counts(&counts, 3);
        }
    }
}

/// A file of another tool, chosen by the first byte: what is made of it is a valid suite.
fn imports(bytes: &[u8]) {
    let (origin, file) = bytes.split_first().unwrap_or((&0, &[]));
    let origin = match origin % 4 {
        0 => Origin::Promptfoo,
        1 => Origin::OpenaiEvals,
        2 => Origin::Sharegpt,
        _ => Origin::Jsonl,
    };
    if let Ok(imported) = import(origin, &ImportSource::alone("file", file)) {
        parse_suite(&imported.suite)
            .unwrap_or_else(|problems| panic!("{problems:?}\n{}", imported.suite));
    }
}

/// Makes every report of these samples; errors are lines that are none.
fn check_reports(
    manifest: &Manifest,
    samples: impl IntoIterator<Item = io::Result<Sample>>,
    past: Option<&PastRuns>,
) {
    let report = Report::read(manifest, samples, |_| true, past, io::sink()).unwrap();
    for format in ReportFormat::FILES.into_iter().chain([ReportFormat::Json]) {
        report.write(format, io::sink()).unwrap();
    }
    let style = Style {
        colour: true,
        width: 80,
    };
    let _ = (report.terminal(style), report.terminal_details(style));
}

/// Checks that a record is written as what is read from it.
fn is_read_back<T: Serialize + DeserializeOwned>(record: &T) {
    let written = serde_json::to_vec(record).unwrap();
    let again: T = serde_json::from_slice(&written)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&written)));
    let again = serde_json::to_vec(&again).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&again),
        String::from_utf8_lossy(&written)
    );
}

/// The folder of the package, also from that of the fuzzer in it.
pub(crate) fn package() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    if here.ends_with("fuzz") {
        here.parent().unwrap()
    } else {
        here
    }
}

fn stored_run() -> Run {
    Run::open(&package().join(STORED)).unwrap()
}

/// The result of reading a file of this name with these bytes, alone in its folder.
fn with_file<T>(name: &str, bytes: &[u8], read: impl FnOnce(&Path) -> T) -> T {
    thread_local! {
        static FOLDER: RefCell<tempfile::TempDir> = RefCell::new(tempfile::tempdir().unwrap());
    }
    FOLDER.with_borrow(|folder| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let result = read(&path);
        fs::remove_file(&path).unwrap();
        result
    })
}
