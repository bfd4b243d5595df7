//! `bakeoff import`: another tool's file becomes a suite.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::suite::import::{ImportSource, Origin, SkippedItem, import};
use crate::suite::{FileKind, FileRef, limits};

use super::base::boundary::Reach;
use super::base::failure::Failure;
use super::base::stdio::{stderr, stdout_as_it_is};
use super::base::suite_files::Folder;
use super::base::{exit, files};

/// The options of `bakeoff import`.
#[derive(Debug)]
pub struct Options {
    /// The format of the file.
    pub origin: Origin,
    /// The file.
    pub file: PathBuf,
    /// Only the first so many prompts of a file of rows.
    pub take: Option<usize>,
    /// Read files outside the project that the file names.
    pub allow_outside: bool,
    /// File to write the suite to; absent: standard output.
    pub output: Option<PathBuf>,
}

/// Writes the suite, and lists on standard error the parts that it leaves out.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let file = files::shown(&options.file);
    let name = options.file.file_name().unwrap_or_default();
    let bytes = match options.take {
        // The beginning is enough, however large the file is.
        Some(_) => files::beginning(&options.file, limits::IMPORT_BYTES + 1)?,
        None => files::bytes(&options.file)?,
    };
    let folder = RefCell::new(Folder::of(
        &options.file,
        Reach::from_flag(options.allow_outside),
    )?);
    let open = |path: &str| {
        folder.borrow_mut().find(&FileRef {
            path: path.to_owned(),
            kind: FileKind::Prompts,
        })
    };
    let source = ImportSource {
        file: &name.to_string_lossy(),
        bytes: &bytes,
        take: options.take,
        folder: &way_to_source(options),
        open: &open,
    };
    let imported = import(options.origin, &source);
    match imported {
        Ok(imported) => {
            print_left_out(&file, &imported.left_out)?;
            write(options, &imported.suite)?;
            Ok(exit::DONE)
        }
        Err(error) => {
            print_left_out(&file, &error.left_out)?;
            let line = error.line.map(|line| format!(":{line}"));
            let place = file + &line.unwrap_or_default();
            Err(Failure::usage(format!("{place}: {}", error.message)))
        }
    }
}

/// The way from the folder of the suite to that of the source, with a slash at its end; empty if they are one. A suite
/// that is printed will lie beside the source.
fn way_to_source(options: &Options) -> String {
    let folder = |path: &Path| {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        folder.unwrap_or(Path::new(".")).canonicalize()
    };
    let Some(output) = &options.output else {
        return String::new();
    };
    let (Ok(from), Ok(to)) = (folder(output), folder(&options.file)) else {
        return String::new();
    };
    let shared = from
        .iter()
        .zip(to.iter())
        .take_while(|(a, b)| a == b)
        .count();
    let up = from.iter().skip(shared).map(|_| "..".into());
    let down = to.iter().skip(shared).map(|part| part.to_string_lossy());
    up.chain(down)
        .fold(String::new(), |way, part: Cow<'_, str>| way + &part + "/")
}

fn write(options: &Options, suite: &str) -> Result<(), Failure> {
    let Some(path) = &options.output else {
        return Ok(stdout_as_it_is().write_all(suite.as_bytes())?);
    };
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(suite.as_bytes()));
    written.map_err(|error| Failure::usage(format!("cannot write `{}`: {error}", path.display())))
}

/// Prints each omitted part once, with all its lines.
fn print_left_out(file: &str, left_out: &[SkippedItem]) -> Result<(), Failure> {
    let mut lines_of: Vec<(&str, Vec<usize>)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for SkippedItem { line, what } in left_out {
        let place = *places.entry(what.as_str()).or_insert(lines_of.len());
        if place == lines_of.len() {
            lines_of.push((what, Vec::new()));
        }
        lines_of[place].1.push(*line);
    }
    let mut err = stderr();
    for (what, lines) in lines_of {
        writeln!(err, "{file}:{}: {what}", ranges(&lines))?;
    }
    Ok(())
}

/// Sorted lines as `1-3,7`.
fn ranges(lines: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &line in lines {
        match ranges.last_mut() {
            Some((_, last)) if line <= *last + 1 => *last = line,
            _ => ranges.push((line, line)),
        }
    }
    let shown = ranges.iter().map(|(first, last)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    });
    shown.collect::<Vec<_>>().join(",")
}
