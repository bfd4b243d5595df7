//! `bakeoff report`: the reports of a run, made again from its records.

use std::io::{self, BufWriter};
use std::path::PathBuf;

use crate::record::Run;

use super::base::exit;
use super::base::failure::Failure;
pub use super::base::reports::Format;
use super::base::reports::{make_files, print, print_more, read, show};
use super::base::stdio::stdout;

/// The options of `bakeoff report`.
#[derive(Debug)]
pub struct Options {
    /// Folder of the run, or a `latest`.
    pub run: PathBuf,
    /// Print this instead of writing files.
    pub format: Option<Format>,
    /// Print everything, not the result alone.
    pub verbose: bool,
}

/// Carries out `bakeoff report`.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let run = Run::open(&options.run)?;
    let manifest = run.manifest()?;
    let out = BufWriter::new(stdout());
    match options.format {
        None => {
            let report = make_files(&run, &manifest)?;
            show(&report, options.verbose, out)?;
            print_more(&options.run, options.verbose)?;
        }
        Some(Format::SamplesCsv) => {
            read(&run, &manifest, out)?;
        }
        Some(format) => print(&read(&run, &manifest, io::sink())?, format, out)?,
    }
    Ok(exit::DONE)
}
