//! A job on GitHub: its summary and annotations, if the environment names one.
//!
//! Owns which variables are read. Must not know the contents of the summary. Invariant: a summary that cannot
//! be written is a warning, never the end of a run that was paid for.

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

/// Appends to the job's summary and prints annotations, if this is a job.
pub(in crate::command) fn append_job_summary(job: &JobSummary<'_>) -> io::Result<()> {
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
