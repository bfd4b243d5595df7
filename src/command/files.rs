//! The files a user names: suites, the project file, `.env`.
//!
//! Owns reading them and the message when that fails. Must not know what is in them. Invariant: a
//! file is read whole and at most once, and never beyond the limit of its kind.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use crate::suite::{self, Found, Problems, Project, Reading, Suite};

use super::named::Folder;
use super::{Failure, colour};

/// The largest TOML file that is read: a suite of this size holds a million short prompts.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Name of the project file that is read when nothing else was said.
const PROJECT: &str = "bakeoff.toml";

/// Why a file holds no suite.
pub(super) enum BadSuite {
    /// It could not be read.
    Unread(Failure),
    /// It is wrong, and this is its text.
    Wrong(Problems, String),
}

/// A checked suite with everything it names, or every problem of its files in one message.
pub(super) fn suite(path: &Path) -> Result<Suite, Failure> {
    checked_suite(path).map_err(|bad| bad.told(path))
}

/// A checked suite with everything it names, or what is wrong with it.
pub(super) fn checked_suite(path: &Path) -> Result<Suite, BadSuite> {
    let text = text(path).map_err(BadSuite::Unread)?;
    let mut folder = Folder::of(path);
    let mut found = Found::default();
    loop {
        match suite::read_suite(&text, &found) {
            Ok(Reading::Suite(suite)) => return Ok(*suite),
            Ok(Reading::Wants(wanted)) => {
                for wanted in wanted {
                    let answer = folder.find(&wanted);
                    found.add(wanted, answer);
                }
            }
            Err(problems) => return Err(BadSuite::Wrong(problems, text)),
        }
    }
}

impl BadSuite {
    /// All of it in one message.
    pub(super) fn told(self, path: &Path) -> Failure {
        match self {
            Self::Unread(failure) => failure,
            Self::Wrong(problems, text) => told(&problems, path, &text),
        }
    }
}

/// The project file: the one that was named, else `bakeoff.toml` where there is one, else none.
pub(super) fn project(named: Option<&Path>) -> Result<Project, Failure> {
    let path = named.unwrap_or(Path::new(PROJECT));
    if named.is_none() && !path.exists() {
        return Ok(Project::default());
    }
    let text = text(path)?;
    suite::parse_project(&text).map_err(|problems| told(&problems, path, &text))
}

/// A file as UTF-8.
pub(super) fn text(path: &Path) -> Result<String, Failure> {
    let failed = |error: io::Error| {
        Failure::usage(format!("`{}` could not be read: {error}", path.display()))
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let most = FILE_BYTES_MAX >> 20;
        let message = format!("`{}` is larger than {most} MiB", path.display());
        return Err(Failure::usage(message));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::usage(format!(
            "`{}` is not UTF-8 text (byte {at})",
            path.display()
        ))
    })
}

fn told(problems: &Problems, path: &Path, text: &str) -> Failure {
    let name = path.display().to_string();
    let rendered = suite::render(problems, &name, text, colour(&io::stderr()));
    Failure::usage(format!("{name} has {problems}\n\n{rendered}"))
}

/// Environment variables: the process's own, and those of `.env` where there is one. The process's
/// own win, as every tool that reads such a file does.
pub(super) struct Variables {
    dot_env: HashMap<String, SecretString>,
}

impl Variables {
    /// The variables as far as they can be read: lines of `.env` that cannot be are passed over.
    pub(super) fn read_what_can_be_read() -> Self {
        let lines = dotenvy::from_path_iter(".env").into_iter().flatten();
        let readable = lines.map_while(|line| match line {
            Err(dotenvy::Error::Io(_)) => None,
            line => Some(line),
        });
        let dot_env = readable
            .flatten()
            .map(|(name, value)| (name, value.into()))
            .collect();
        Self { dot_env }
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

    pub(super) fn read() -> Result<Self, Failure> {
        let mut dot_env = HashMap::new();
        match dotenvy::from_path_iter(".env") {
            Ok(lines) => {
                for line in lines {
                    // The parser's message holds the line, and the line may hold a key.
                    let (name, value) = line.map_err(|error| {
                        Failure::usage(match error {
                            dotenvy::Error::Io(_) => "`.env` could not be read",
                            _ => "`.env` holds a line that is not NAME=value",
                        })
                    })?;
                    // `NAME=` of a template that was never filled in sets nothing.
                    if !value.trim().is_empty() {
                        dot_env.insert(name, value.into());
                    }
                }
            }
            Err(dotenvy::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => return Err(Failure::usage("`.env` could not be read")),
        }
        Ok(Self { dot_env })
    }

    /// The value of a variable, unless it is unset or empty.
    pub(super) fn get(&self, name: &str) -> Option<SecretString> {
        let set = |value: &str| {
            let value = value.trim();
            (!value.is_empty()).then(|| value.to_owned().into())
        };
        let own = std::env::var(name).ok().and_then(|value| set(&value));
        let filed = self.dot_env.get(name).map(ExposeSecret::expose_secret);
        own.or_else(|| filed.and_then(set))
    }
}
