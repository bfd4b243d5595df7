//! The runs on disk, for people and for programs: the list of runs, and the result of pruning.
//!
//! Owns both layouts and their version. Must not know how runs are found, nor which of them are pruned.
//! Invariant: text from a manifest is sanitised before a terminal shows it.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::aligned::{TableShape, align_columns};
use crate::record::{RunError, RunProgress, Status, StoredRun};
use crate::units::plural;

use super::text::one_line;

/// Version of both documents.
const VERSION: u32 = 1;

/// The document that `bakeoff runs --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RunsDocument {
    /// Version of this document.
    version: u32,
    /// The runs, newest first.
    runs: Vec<RunEntry>,
    /// Folders that cannot be read, or whose manifest cannot, or belongs to another program.
    unreadable: Vec<FolderProblem>,
}

/// One run.
#[derive(Debug, Serialize, JsonSchema)]
struct RunEntry {
    /// Its folder.
    path: String,
    /// Name of its suite.
    suite: String,
    /// Name of the run.
    run: String,
    /// Start of the run, UTC.
    #[schemars(with = "String")]
    started_at: Timestamp,
    /// Age of the run, in seconds.
    age_s: i64,
    /// Status: `running` (or killed), `complete`, `interrupted` or `incomplete`.
    status: &'static str,
    /// Reason why it is incomplete.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Trials in its plan.
    planned: u64,
    /// Trials with a sample; absent if the samples cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    samples: Option<u64>,
    /// Trials with an answer; absent if the samples cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    answered: Option<u64>,
    /// Bytes of its files.
    size_bytes: u64,
    /// True if the `latest` link of its suite points at it.
    latest: bool,
}

/// A problem with a run folder.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Trouble")]
struct FolderProblem {
    /// The folder; absent if the message names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// Description.
    message: String,
}

/// The document that `bakeoff runs prune --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PruneDocument {
    /// Version of this document.
    version: u32,
    /// True if the runs were deleted; false for a dry run.
    deleted: bool,
    /// Runs deleted, or to be deleted, newest first.
    runs: Vec<PrunedEntry>,
    /// Bytes of these runs.
    freed_bytes: u64,
    /// Number of runs that stay.
    stay: usize,
    /// Runs beyond the retention limits that stay, each with the reason.
    protected: Vec<FolderProblem>,
    /// Runs that could not be deleted.
    failed: Vec<FolderProblem>,
}

/// A deleted run.
#[derive(Debug, Serialize, JsonSchema)]
struct PrunedEntry {
    /// Its folder.
    path: String,
    /// Start of the run, UTC.
    #[schemars(with = "String")]
    started_at: Timestamp,
    /// Bytes of its files.
    size_bytes: u64,
}

/// The result of pruning, or its plan.
#[derive(Debug)]
pub struct Pruning<'a> {
    /// True if runs were to be deleted; false for a dry run.
    pub deleted: bool,
    /// Runs deleted, or to be deleted, newest first.
    pub pruned: Vec<&'a StoredRun>,
    /// Runs beyond the retention limits that stay, each with the reason.
    pub protected: Vec<(&'a StoredRun, String)>,
    /// Runs that could not be deleted.
    pub failed: Vec<(&'a StoredRun, RunError)>,
    /// Number of runs that stay, protected and failed ones included.
    pub stay: usize,
}

/// The status word, and the reason, if there is one.
fn status_words(status: &Status) -> (&'static str, Option<&str>) {
    match status {
        Status::Running => ("running", None),
        Status::Complete => ("complete", None),
        Status::Interrupted => ("interrupted", None),
        Status::Incomplete(reason) => ("incomplete", Some(reason)),
    }
}

fn path_of(run: &StoredRun) -> String {
    run.folder.display().to_string()
}

impl RunsDocument {
    /// Creates the document of runs with their progress (`None`: its samples cannot be read); ages count to `now`.
    pub fn new(
        runs: &[(StoredRun, Option<RunProgress>)],
        unreadable: &[RunError],
        now: Timestamp,
    ) -> Self {
        let entry = |(run, progress): &(StoredRun, Option<RunProgress>)| {
            let (status, reason) = status_words(&run.status);
            RunEntry {
                path: path_of(run),
                suite: run.suite.clone(),
                run: run.run.clone(),
                started_at: run.started_at,
                age_s: now.duration_since(run.started_at).as_secs(),
                status,
                reason: reason.map(str::to_owned),
                planned: run.planned_trials,
                samples: progress.map(|progress| progress.samples),
                answered: progress.map(|progress| progress.answered),
                size_bytes: run.size_bytes,
                latest: run.is_latest,
            }
        };
        let problem = |error: &RunError| FolderProblem {
            path: None,
            message: error.to_string(),
        };
        Self {
            version: VERSION,
            runs: runs.iter().map(entry).collect(),
            unreadable: unreadable.iter().map(problem).collect(),
        }
    }
}

impl PruneDocument {
    /// Creates the document of a pruning result.
    pub fn new(pruning: &Pruning<'_>) -> Self {
        let problem = |run: &StoredRun, message: String| FolderProblem {
            path: Some(path_of(run)),
            message,
        };
        let protected = pruning.protected.iter();
        let failed = pruning.failed.iter();
        Self {
            version: VERSION,
            deleted: pruning.deleted,
            runs: pruning
                .pruned
                .iter()
                .map(|run| PrunedEntry {
                    path: path_of(run),
                    started_at: run.started_at,
                    size_bytes: run.size_bytes,
                })
                .collect(),
            freed_bytes: pruning.freed_bytes(),
            stay: pruning.stay,
            protected: protected
                .map(|(run, why)| problem(run, why.clone()))
                .collect(),
            failed: failed
                .map(|(run, error)| problem(run, error.to_string()))
                .collect(),
        }
    }
}

impl Pruning<'_> {
    fn freed_bytes(&self) -> u64 {
        self.pruned.iter().map(|run| run.size_bytes).sum()
    }
}

/// Renders the list for people, one run per line, with headings. `width`: columns of the terminal.
pub fn runs_table(
    runs: &[(StoredRun, Option<RunProgress>)],
    now: Timestamp,
    width: Option<usize>,
) -> String {
    let headings = ["run", "started (UTC)", "age", "answered", "size", "status"];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    for (run, progress) in runs {
        let answered = progress.map_or("?".to_owned(), |progress| progress.answered.to_string());
        let (status, reason) = status_words(&run.status);
        let latest = if run.is_latest { ", latest" } else { "" };
        let reason = reason.map(|reason| format!(": {reason}"));
        let status = format!("{status}{latest}{}", reason.unwrap_or_default());
        rows.push(vec![
            one_line(&path_of(run)).into_owned(),
            run.started_at.strftime("%Y-%m-%d %H:%M").to_string(),
            age_words(now.duration_since(run.started_at)),
            format!("{answered}/{}", run.planned_trials),
            size_words(run.size_bytes),
            one_line(&status).into_owned(),
        ]);
    }
    align_columns(&rows, TableShape::FiguresThenText, width)
}

/// Renders the pruning result for people: each pruned run, each protected run, and the totals.
pub fn prune_lines(pruning: &Pruning<'_>, now: Timestamp) -> String {
    let line = |run: &&StoredRun| {
        let age = age_words(now.duration_since(run.started_at));
        let path = one_line(&path_of(run)).into_owned();
        vec![path, age, size_words(run.size_bytes)]
    };
    let rows: Vec<Vec<String>> = pruning.pruned.iter().map(line).collect();
    let mut text = align_columns(&rows, TableShape::Figures, None);
    let stay = |run: &StoredRun, why: &str| {
        format!("{} stays: {}\n", one_line(&path_of(run)), one_line(why))
    };
    for (run, why) in &pruning.protected {
        text.push_str(&stay(run, why));
    }
    let runs = plural(pruning.pruned.len() as u64, "run");
    let size = size_words(pruning.freed_bytes());
    let others = match pruning.stay {
        1 => "1 stays".to_owned(),
        count => format!("{count} stay"),
    };
    let sum = match (pruning.pruned.is_empty(), pruning.deleted) {
        (true, _) => format!("nothing to delete; {others}\n"),
        (false, true) => format!("deleted {runs}, {size}; {others}\n"),
        (false, false) => format!(
            "would delete {runs}, {size}; {others}\n\
             Nothing was deleted: use --yes to delete; this cannot be undone.\n"
        ),
    };
    text + &sum
}

/// Formats an age: `3 d`, `5 h`, `12 min`; `ahead` for a start in the future, by another clock.
fn age_words(age: SignedDuration) -> String {
    match (age.as_hours(), age.as_mins()) {
        (_, ..0) => "ahead".to_owned(),
        (48.., _) => format!("{} d", age.as_hours() / 24),
        (1.., _) => format!("{} h", age.as_hours()),
        (_, minutes) => format!("{minutes} min"),
    }
}

/// Formats a size: `812 B`, `1.2 kB`, `34.0 MB`; decimal units, one decimal.
fn size_words(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    // In tenths, rounded to the nearest: 999.95 kB are 1.0 MB.
    let mut tenths = (bytes + 50) / 100;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths = (tenths + 500) / 1_000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn run(suite: &str, started_at: &str, status: Status) -> StoredRun {
        let started_at: Timestamp = started_at.parse().unwrap();
        let run = crate::record::run_name(started_at, 7);
        StoredRun {
            folder: format!("reports/{suite}/{run}").into(),
            suite: suite.to_owned(),
            run,
            started_at,
            status,
            planned_trials: 160,
            size_bytes: 1_234_567,
            is_latest: false,
            is_renamed: false,
            foreign: None,
        }
    }

    fn three() -> [StoredRun; 3] {
        let mut newest = run("quickstart", "2026-11-22T11:15:00Z", Status::Complete);
        newest.is_latest = true;
        let reason = "no connection\n\u{1b}[31mto it".to_owned();
        [
            newest,
            run(
                "support",
                "2026-11-21T09:00:00Z",
                Status::Incomplete(reason),
            ),
            run("quickstart", "2026-10-01T09:00:00Z", Status::Running),
        ]
    }

    #[test]
    fn a_list_reads_well() {
        // The list shows the state of old runs, and no text that acts on the terminal.
        let [newest, failed, killed] = three();
        let progress = RunProgress {
            samples: 160,
            answered: 158,
        };
        let runs = [
            (newest, Some(progress)),
            (failed, Some(RunProgress::default())),
            (killed, None),
        ];
        insta::assert_snapshot!(runs_table(&runs, now(), None), @"
        run                                            started (UTC)     age  answered    size  status
        reports/quickstart/20261122T111500Z-000007  2026-11-22 11:15  45 min   158/160  1.2 MB  complete, latest
        reports/support/20261121T090000Z-000007     2026-11-21 09:00    27 h     0/160  1.2 MB  incomplete: no connection �[31mto it
        reports/quickstart/20261001T090000Z-000007  2026-10-01 09:00    52 d     ?/160  1.2 MB  running
        ");
    }

    #[test]
    fn a_plan_says_that_nothing_was_deleted() {
        // A reader of the last line alone must know if the runs still exist.
        let [newest, failed, killed] = three();
        let mut pruning = Pruning {
            deleted: false,
            pruned: vec![&failed, &killed],
            protected: vec![(&newest, "`latest` points to it".to_owned())],
            failed: Vec::new(),
            stay: 1,
        };
        insta::assert_snapshot!(prune_lines(&pruning, now()), @"
        reports/support/20261121T090000Z-000007     27 h  1.2 MB
        reports/quickstart/20261001T090000Z-000007  52 d  1.2 MB
        reports/quickstart/20261122T111500Z-000007 stays: `latest` points to it
        would delete 2 runs, 2.5 MB; 1 stays
        Nothing was deleted: use --yes to delete; this cannot be undone.
        ");
        pruning.deleted = true;
        insta::assert_snapshot!(prune_lines(&pruning, now()), @"
        reports/support/20261121T090000Z-000007     27 h  1.2 MB
        reports/quickstart/20261001T090000Z-000007  52 d  1.2 MB
        reports/quickstart/20261122T111500Z-000007 stays: `latest` points to it
        deleted 2 runs, 2.5 MB; 1 stays
        ");
        pruning.pruned.clear();
        insta::assert_snapshot!(prune_lines(&pruning, now()), @"
        reports/quickstart/20261122T111500Z-000007 stays: `latest` points to it
        nothing to delete; 1 stays
        ");
    }

    #[test]
    fn sizes_are_rounded_to_the_nearest() {
        // A size is read at a glance: never more than four digits, never of the wrong unit.
        for (bytes, words) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (1_250, "1.3 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (34_000_000, "34.0 MB"),
            (2_000_000_000_000_000, "2000.0 TB"),
        ] {
            assert_eq!(size_words(bytes), words);
        }
    }
}
