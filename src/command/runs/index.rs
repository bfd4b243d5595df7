//! `index.html` over the runs in a folder.
//!
//! Owns where the page lies and what it takes from the ledger. Must not know its markup. Invariant: nothing of a run
//! is changed.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::path::Path;

use crate::private_file;
use crate::record::ledger::LedgerLine;
use crate::record::{JournalReader, StoredRun, StoredRuns};
use crate::report::{IndexEntry, ReportFormat, index_page};

use crate::command::base::failure::Failure;
use crate::command::base::stdio::stdout;
use crate::command::base::{exit, viewer};

/// Name of the page.
const INDEX: &str = "index.html";

/// Writes the page over these runs into their folder.
pub(super) fn write(reports: &Path, found: StoredRuns, open: bool) -> Result<u8, Failure> {
    if !reports.is_dir() {
        return Err(Failure::usage(format!(
            "no folder at `{}`: `bakeoff run SUITE` creates it",
            reports.display()
        )));
    }
    let ledger = ledger(reports);
    let entries: Vec<IndexEntry> = found
        .runs
        .into_iter()
        .filter_map(|run| to_entry(reports, run, &ledger))
        .collect();
    let unreadable: Vec<String> = found.unreadable.iter().map(ToString::to_string).collect();
    let page = index_page(&entries, &unreadable);
    let path = reports.join(INDEX);
    let failed =
        |error: io::Error| Failure::usage(format!("cannot write `{}`: {error}", path.display()));
    let mut file = private_file::create(&path).map_err(failed)?;
    file.write_all(page.as_bytes()).map_err(failed)?;
    writeln!(stdout(), "{}", path.display())?;
    if open {
        viewer::open(&path)?;
    }
    Ok(exit::DONE)
}

/// The last line of each run in the ledger of the folder, or of the one above it; empty if none can be read.
fn ledger(reports: &Path) -> HashMap<String, LedgerLine> {
    let folders = [Some(reports), reports.parent()];
    let mut folders = folders.into_iter().flatten();
    let lines = folders.find_map(|folder| JournalReader::<_, LedgerLine>::open(folder).ok());
    let lines = lines.into_iter().flatten().filter_map(Result::ok);
    lines.map(|line| (line.run.clone(), line)).collect()
}

fn to_entry(
    reports: &Path,
    run: StoredRun,
    ledger: &HashMap<String, LedgerLine>,
) -> Option<IndexEntry> {
    let inside = run.folder.strip_prefix(reports).ok()?;
    let folders = inside
        .iter()
        .map(|name| name.to_string_lossy().into_owned());
    let line = ledger.get(&run.run);
    Some(IndexEntry {
        folders: folders.collect(),
        has_page: run.folder.join(ReportFormat::Html.file_name()).is_file(),
        cost: line.map(LedgerLine::spent),
        simulated: line.is_some_and(|line| line.simulated),
        run,
    })
}
