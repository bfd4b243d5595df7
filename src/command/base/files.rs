//! The files a user names: suites, the project file, `.env`.
//!
//! Owns reading them and the message when that fails. Must not know their contents. Invariant: a file is read
//! whole and at most once, and never beyond the limit of its kind.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::input::{STANDARD_INPUT, open_named, open_regular, read_at_most};
use crate::suite::{self, LoadedFiles, Problems, Project, Suite, SuiteReading};

use super::boundary::Reach;
use super::dot_env::parse_dot_env;
use super::failure::Failure;
use super::stdio::colour;
use super::suite_files::Folder;

/// The largest TOML file that is read: a suite of this size holds a million short prompts.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// The largest `.env` that is read: variables of a system are limited to less.
const DOT_ENV_BYTES_MAX: u64 = 1 << 20;

/// Name of the default project file.
pub(super) const PROJECT: &str = "bakeoff.toml";

/// The reason why a file holds no suite.
pub(in crate::command) enum BadSuite {
    /// It could not be read.
    Unreadable(Failure),
    /// It is wrong, and this is its text.
    Wrong(Problems, String),
}

/// A checked suite with every file it names, or every problem of its files in one message.
pub(in crate::command) fn suite(path: &Path, reach: Reach) -> Result<Suite, Failure> {
    let checked = checked_suite(path, reach).map_err(|bad| bad.into_failure(path))?;
    Ok(checked.suite)
}

/// A checked suite, and its text.
pub(in crate::command) struct CheckedSuite {
    pub(in crate::command) suite: Suite,
    pub(in crate::command) text: String,
}

/// A suite of the texts and models of the command line.
pub(in crate::command) fn suite_of_texts(
    texts: &[String],
    models: &[String],
) -> Result<Suite, Failure> {
    if texts.is_empty() {
        return Err(Failure::usage(
            "nothing to send: name a suite file, or give a prompt with `-p` and models with `-m`",
        ));
    }
    if models.is_empty() {
        return Err(Failure::usage(
            "a prompt without a suite needs models: add `-m openai/gpt-5.6-luna`, or name a suite file",
        ));
    }
    suite::import::suite_of_texts(texts, models).map_err(|error| Failure::usage(error.to_string()))
}

/// A checked suite with every file it names, or its problems.
pub(in crate::command) fn checked_suite(
    path: &Path,
    reach: Reach,
) -> Result<CheckedSuite, BadSuite> {
    let text = text(path).map_err(BadSuite::Unreadable)?;
    let mut folder = Folder::of(path, reach).map_err(BadSuite::Unreadable)?;
    let mut found = LoadedFiles::default();
    loop {
        match suite::read_suite(&text, &found) {
            Ok(SuiteReading::Suite(suite)) => {
                return Ok(CheckedSuite {
                    suite: *suite,
                    text,
                });
            }
            Ok(SuiteReading::NeedsFiles(missing)) => {
                for file in missing {
                    let answer = folder.find(&file);
                    found.add(file, answer);
                }
            }
            Err(problems) => return Err(BadSuite::Wrong(problems, text)),
        }
    }
}

impl BadSuite {
    /// All of it in one message.
    pub(in crate::command) fn into_failure(self, path: &Path) -> Failure {
        match self {
            Self::Unreadable(failure) => failure,
            Self::Wrong(problems, text) => to_failure(&problems, path, &text),
        }
    }
}

/// The project file: the one that was named, else the default one, else none.
pub(in crate::command) fn project(named: Option<&Path>) -> Result<Project, Failure> {
    let Some(path) = named.map(Path::to_owned).or_else(default_project) else {
        return Ok(Project::default());
    };
    let text = text(&path)?;
    let project = suite::parse_project(&text);
    let project = project.map_err(|problems| to_failure(&problems, &path, &text))?;
    Ok(project.in_folder(path.parent().unwrap_or(Path::new(""))))
}

/// The default project file: `bakeoff.toml` in the current folder, else in the nearest folder above it that belongs
/// to the same repository, else in the user's configuration. A folder above that is in no repository may be
/// anybody's, and a project file decides where keys are sent.
fn default_project() -> Option<PathBuf> {
    let here = PathBuf::from(PROJECT);
    if here.exists() {
        return Some(here);
    }
    above(&std::env::current_dir().ok()?).or_else(|| {
        let file = configuration()?.join("bakeoff").join(PROJECT);
        file.exists().then_some(file)
    })
}

/// The nearest project file above a folder, up to the root of its repository.
fn above(folder: &Path) -> Option<PathBuf> {
    let root = folder
        .ancestors()
        .find(|folder| folder.join(".git").exists())?;
    let mut within = folder
        .ancestors()
        .take_while(|folder| folder.starts_with(root));
    within.find_map(|folder| {
        let file = folder.join(PROJECT);
        file.exists().then_some(file)
    })
}

/// The folder of the user's configuration.
fn configuration() -> Option<PathBuf> {
    let folder = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        // A relative one would lie in whatever folder the user is in.
        path.is_absolute().then_some(path)
    };
    folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))
}

/// The bytes of a file.
pub(in crate::command) fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed =
        |error: io::Error| Failure::usage(format!("`{}` could not be read: {error}", shown(path)));
    let file = open_named(path).map_err(failed)?;
    read_at_most(file, FILE_BYTES_MAX)
        .map_err(failed)?
        .ok_or_else(|| {
            let max = FILE_BYTES_MAX >> 20;
            Failure::usage(format!("`{}` is larger than {max} MiB", shown(path)))
        })
}

/// The first bytes of a file, at most so many.
pub(in crate::command) fn beginning(path: &Path, max: usize) -> Result<Vec<u8>, Failure> {
    let read = || {
        let mut bytes = Vec::new();
        open_named(path)?.take(max as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error: io::Error| {
        Failure::usage(format!("`{}` could not be read: {error}", shown(path)))
    })
}

/// A file as UTF-8.
pub(in crate::command) fn text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(bytes(path)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::usage(format!("`{}` is not UTF-8 text (byte {at})", shown(path)))
    })
}

/// The name of a file in messages.
pub(in crate::command) fn shown(path: &Path) -> String {
    if path == Path::new(STANDARD_INPUT) {
        return "standard input".to_owned();
    }
    path.display().to_string()
}

fn to_failure(problems: &Problems, path: &Path, text: &str) -> Failure {
    let name = shown(path);
    let rendered = suite::render(problems, &name, text, colour(&io::stderr()));
    Failure::usage(format!("{name} has {problems}\n\n{rendered}"))
}

/// Environment variables: the process's own, and those of `.env` where there is one. The process's
/// own win, as every tool that reads such a file does.
pub(in crate::command) struct Variables {
    dot_env: HashMap<String, SecretString>,
}

impl Variables {
    /// The variables as far as they can be read: a `.env` that cannot be is passed over.
    pub(in crate::command) fn read_readable() -> Self {
        Self::read().unwrap_or_else(|_| Self {
            dot_env: HashMap::new(),
        })
    }

    /// Every variable with its value: of one that is in both places, both values.
    pub(super) fn all(&self) -> Vec<(String, SecretString)> {
        let own = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?.into()))
        });
        let filed = self.dot_env.iter();
        own.chain(filed.map(|(name, value)| (name.clone(), value.clone())))
            .collect()
    }

    /// The variables.
    ///
    /// # Errors
    /// If `.env` is no regular file, or too large.
    pub(in crate::command) fn read() -> Result<Self, Failure> {
        let bytes = dot_env_bytes()?;
        let text = String::from_utf8_lossy(&bytes);
        let set = parse_dot_env(&text).into_iter();
        // `NAME=` of a template that was never filled in sets nothing.
        let set = set.filter(|(_, value)| !value.trim().is_empty());
        let dot_env = set
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        Ok(Self { dot_env })
    }

    /// The value of a variable, unless it is unset or empty.
    pub(in crate::command) fn get(&self, name: &str) -> Option<SecretString> {
        let set = |value: &str| {
            let value = value.trim();
            (!value.is_empty()).then(|| value.to_owned().into())
        };
        let own = std::env::var(name).ok().and_then(|value| set(&value));
        let filed = self.dot_env.get(name).map(ExposeSecret::expose_secret);
        own.or_else(|| filed.and_then(set))
    }
}

/// The bytes of `.env`; none where there is no such file.
fn dot_env_bytes() -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| Failure::usage(format!("`.env` could not be read: {error}"));
    let file = match open_regular(Path::new(".env")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file.map_err(failed)?,
    };
    let bytes = read_at_most(file, DOT_ENV_BYTES_MAX).map_err(failed)?;
    bytes.ok_or_else(|| {
        let max = DOT_ENV_BYTES_MAX >> 20;
        Failure::usage(format!("`.env` is larger than {max} MiB"))
    })
}
