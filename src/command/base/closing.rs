//! Closing runs whose process is gone, by the next command that reads the ledger.
//!
//! Owns the messages about it. Must not know the amounts that such a run counts with. Invariant: a run that
//! cannot be closed stops no command.

use std::io::{self, Write as _};
use std::path::Path;

use crate::record::ledger::{self, LedgerLine};
use crate::record::{JournalError, LockHolder};

use super::failure::Failure;
use super::locks::LockPatience;
use super::stdio::stderr;

/// Closes the runs of this ledger whose process is gone, and prints which, unless `quiet`.
pub(in crate::command) fn close_ended(reports: &Path, quiet: bool) -> io::Result<()> {
    let mut patience = LockPatience::default();
    let closed = ledger::close_ended(reports, &mut |lock| patience.wait(lock));
    report_closed(closed, quiet)
}

/// Prints the closed runs, or the reason why none could be closed.
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

/// The amounts that a closed run counts with.
pub(in crate::command) fn sum(line: &LedgerLine) -> String {
    let unknown: u64 = line.models.iter().map(|model| model.unknown).sum();
    let spent = line.spent();
    match (unknown, line.reserved_usd) {
        (0, None) => format!("it cost ${spent}"),
        (_, Some(reserved)) => format!("it cost ${spent}, and up to ${reserved} more is unknown"),
        (_, None) => {
            format!("it cost ${spent}, and {unknown} of its requests have an unknown cost")
        }
    }
}

/// The failure of a command that needs a run whose process goes on.
pub(in crate::command) fn alive(run: &Path, holder: Option<&LockHolder>) -> Failure {
    let by = holder.map_or_else(String::new, |holder| format!(" in {holder}"));
    Failure::usage(format!(
        "`{}` is still running{by}\n  stop it with Ctrl-C or SIGTERM; it then closes itself",
        run.display()
    ))
}
