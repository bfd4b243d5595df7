//! Showing a page in the user's browser.
//!
//! Owns the programs that open files. Must not know the page. Invariant: a page that cannot be shown is a note, not
//! a failure: the file is there.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use super::stdio::stderr;

/// The program that opens a file in the program that the user chose for its kind, with its first arguments.
const OPENER: &[&str] = if cfg!(target_os = "macos") {
    &["open"]
} else if cfg!(windows) {
    &["cmd", "/C", "start", ""]
} else {
    &["xdg-open"]
};

/// Opens a page; prints where it is if that fails.
pub(in crate::command) fn open(page: &Path) -> io::Result<()> {
    let [program, arguments @ ..] = OPENER else {
        return Ok(());
    };
    let started = Command::new(program)
        .args(arguments)
        .arg(page)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match started {
        Ok(_) => Ok(()),
        Err(error) => writeln!(
            stderr(),
            "note: `{program}` cannot be started ({error}); open `{}` in a browser",
            page.display()
        ),
    }
}
