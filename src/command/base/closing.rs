//! Runs whose process is gone, closed by whoever reads the ledger next.
//!
//! Owns what is said of it. Must not know what such a run counts with. Invariant: a run that cannot be closed
//! keeps no command from its work.

use std::io::{self, Write as _};
use std::path::Path;

use crate::record::JournalError;
use crate::record::ledger::{self, LedgerLine};

use super::stdio::stderr;

/// Closes the runs of this ledger whose process is gone, and says which, unless it is to be `quiet`.
pub(in crate::command) fn close_ended(reports: &Path, quiet: bool) -> io::Result<()> {
    report_closed(ledger::close_ended(reports), quiet)
}

/// Says what was closed, or why nothing could be.
pub(in crate::command) fn report_closed(
    closed: Result<Vec<LedgerLine>, JournalError>,
    quiet: bool,
) -> io::Result<()> {
    if quiet {
        return Ok(());
    }
    match closed {
        Ok(lines) => lines.iter().try_for_each(|line| {
            writeln!(stderr(), "note: {} was killed; {}", name(line), sum(line))
        }),
        Err(error) => writeln!(stderr(), "note: killed runs are not closed: {error}"),
    }
}

/// A run as lines name it.
pub(in crate::command) fn name(line: &LedgerLine) -> String {
    format!("{}/{}", line.suite, line.run)
}

/// What a closed run counts with.
pub(in crate::command) fn sum(line: &LedgerLine) -> String {
    let unknown: u64 = line.models.iter().map(|model| model.unknown).sum();
    let spent = line.spent();
    match (unknown, line.reserved_usd) {
        (0, None) => format!("it cost ${spent}"),
        (_, Some(kept)) => format!("it cost ${spent}, and up to ${kept} more is unknown"),
        (_, None) => {
            format!("it cost ${spent}, and {unknown} of its requests have an unknown cost")
        }
    }
}
