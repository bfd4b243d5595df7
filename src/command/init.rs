//! `bakeoff init`: a suite and a project file to start from.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::input::{open_regular, read_at_most};

use super::base::exit;
use super::base::failure::Failure;
use super::base::stdio::stdout;

/// The files: their paths and contents.
const FILES: [(&str, &str); 4] = [
    (SUITE, include_str!("init/first.toml")),
    (CI_SUITE, include_str!("../../suites/ci.toml")),
    ("bakeoff.toml", include_str!("init/bakeoff.toml")),
    (IGNORE, include_str!("init/gitignore")),
];
/// The suite, below the folder.
const SUITE: &str = "suites/first.toml";
/// The suite for CI, below the folder.
const CI_SUITE: &str = "suites/ci.toml";
/// The file of patterns that git ignores.
const IGNORE: &str = ".gitignore";

/// The options of `bakeoff init`.
#[derive(Debug)]
pub struct Options {
    /// The folder to begin in; created if it does not exist.
    pub folder: PathBuf,
}

/// Writes the files that do not exist yet, and prints the next commands.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let folder = &options.folder;
    let mut out = stdout();
    let mut is_ignore_incomplete = false;
    for (name, text) in FILES {
        // `.` before the names would only be noise.
        let path = if folder == Path::new(".") {
            PathBuf::from(name)
        } else {
            folder.join(name)
        };
        if create(&path, text)? {
            writeln!(out, "created {}", path.display())?;
        } else {
            writeln!(out, "kept {} (already exists)", path.display())?;
            is_ignore_incomplete |= name == IGNORE && !ignores_all(&path);
        }
    }
    if is_ignore_incomplete {
        writeln!(
            out,
            "\nAdd to {IGNORE}, so that Git ignores runs and keys:\n"
        )?;
        for line in ignored() {
            writeln!(out, "  {line}")?;
        }
    }
    writeln!(out, "\nNext:\n")?;
    if folder != Path::new(".") {
        writeln!(out, "  cd {}", folder.display())?;
    }
    writeln!(
        out,
        "  bakeoff suite check {SUITE}\n  \
         bakeoff run {SUITE}\n\n\
         Six prompts are the minimum for a verdict: replace them with your own, 20 or more.\n\
         No key is needed: the default endpoint is a simulated gateway, and its figures are invented.\n\
         For real figures set AI_GATEWAY_API_KEY, and check first that every model answers:\n\n  \
         bakeoff run {SUITE} --endpoint vercel --verify\n\n\
         For CI, {CI_SUITE} fails where the new configuration is worse than the old one: docs/ci.md has the steps."
    )?;
    Ok(exit::DONE)
}

/// Writes a new file; `false` where there is something of that name.
fn create(path: &Path, text: &str) -> Result<bool, Failure> {
    let failed =
        |error: io::Error| Failure::usage(format!("cannot create `{}`: {error}", path.display()));
    if let Some(folder) = path.parent().filter(|folder| *folder != Path::new("")) {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    // Never in place of another, not even of a link that leads nowhere.
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    match file {
        Ok(mut file) => file.write_all(text.as_bytes()).map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(failed(error)),
    }
    Ok(true)
}

/// Bytes of a `.gitignore` that is looked at: none that people write is larger.
const IGNORE_FILE_BYTES: u64 = 1 << 20;

/// The patterns that a new `.gitignore` gets.
fn ignored() -> impl Iterator<Item = &'static str> {
    let lines = include_str!("init/gitignore").lines();
    lines.filter(|line| !line.starts_with('#'))
}

/// Returns true if the file has every one of these lines.
fn ignores_all(path: &Path) -> bool {
    let read = open_regular(path).and_then(|file| read_at_most(file, IGNORE_FILE_BYTES));
    let bytes = read.ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let mut expected_lines = ignored();
    expected_lines.all(|line| text.lines().any(|own| own.trim() == line))
}

#[cfg(test)]
mod tests {
    use crate::suite::{parse_project, parse_suite, render};

    /// The text with its commented-out keys enabled: `#key = value`, where prose is `# prose`.
    fn with_everything(text: &str) -> String {
        let opened = text.lines().map(|line| {
            let rest = line.strip_prefix('#').unwrap_or(line);
            if rest.starts_with([' ', ':']) || rest.is_empty() {
                line
            } else {
                rest
            }
        });
        opened.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_commented_out_is_valid_too() {
        // A beginner learns by taking the `#` away: that must not end in an error.
        let suite = include_str!("init/first.toml");
        let project = include_str!("init/bakeoff.toml");
        for text in [suite.to_owned(), with_everything(suite)] {
            let problems = parse_suite(&text).err();
            let message = problems.map(|problems| render(&problems, "first.toml", &text, false));
            assert_eq!(message, None);
        }
        for text in [project.to_owned(), with_everything(project)] {
            let problems = parse_project(&text).err();
            let message = problems.map(|problems| render(&problems, "bakeoff.toml", &text, false));
            assert_eq!(message, None);
        }
        let plain = parse_suite(suite).unwrap();
        let full = parse_suite(&with_everything(suite)).unwrap();
        assert_ne!(plain, full, "nothing was commented out");
        assert!(
            !parse_project(&with_everything(project))
                .unwrap()
                .profiles
                .is_empty()
        );
    }
}
