//! `bakeoff completions` and `bakeoff man`: texts about the arguments, which the argument parser made.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use super::base::exit;
use super::base::failure::Failure;
use super::base::stdio::{stderr, stdout_as_it_is};

/// The pages to print, or to write into a folder.
#[derive(Debug)]
pub struct Options {
    /// The texts; the first is the one that is printed.
    pub pages: Vec<Page>,
    /// Folder for a file of each; absent: the first one goes to standard output.
    pub folder: Option<PathBuf>,
}

/// One text.
#[derive(Debug)]
pub struct Page {
    /// Name of its file.
    pub file_name: String,
    /// The text.
    pub bytes: Vec<u8>,
}

/// Prints the first page, or writes all of them, in place of older ones.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let Some(folder) = &options.folder else {
        if let Some(page) = options.pages.first() {
            stdout_as_it_is().write_all(&page.bytes)?;
        }
        return Ok(exit::DONE);
    };
    fs::create_dir_all(folder).map_err(|error| {
        Failure::usage(format!("cannot create `{}`: {error}", folder.display()))
    })?;
    for page in &options.pages {
        let path = folder.join(&page.file_name);
        fs::write(&path, &page.bytes).map_err(|error| {
            Failure::usage(format!("cannot write `{}`: {error}", path.display()))
        })?;
        writeln!(stderr(), "{}", path.display())?;
    }
    Ok(exit::DONE)
}
