//! A job on GitHub: its summary and annotations, where the environment says that this is one.
//!
//! Owns which variables are looked at. Must not know what is told. Invariant: a summary that cannot be
//! written is a warning, never the end of a run that was paid for.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use crate::private_file::options_for_new;
use crate::report::github::{JobSummary, annotations, summary};

use super::stdio::stderr;

/// Names the file that a job's summary is appended to.
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";
/// Is `true` in a job, whose log is read for workflow commands.
const JOB: &str = "GITHUB_ACTIONS";

/// Tells the job, if there is one.
pub(in crate::command) fn tell_job(job: &JobSummary<'_>) -> io::Result<()> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(file) = set(SUMMARY)
        && let Err(error) = append(&file, &summary(job))
    {
        let file = Path::new(&file).display();
        writeln!(
            stderr(),
            "warning: the job's summary could not be written to {file}: {error}"
        )?;
    }
    if set(JOB).is_some_and(|value| value == "true") {
        // On standard error, where commands are read as well: standard output is the result.
        stderr().write_all(annotations(job).as_bytes())?;
    }
    Ok(())
}

fn append(file: &OsString, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options_for_new(options.create(true).append(true)).open(file)?;
    file.write_all(text.as_bytes())
}
