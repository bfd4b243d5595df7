//! The failure of a command: a message ready to be printed, and the exit code.
//!
//! Owns how it is printed. Must not know commands. Invariant: a message gives the problem, the place and the
//! remedy.

use std::io::{self, Write};

use crate::record::{JournalError, RunError};

use super::exit;
use super::stdio::{colour, stderr};

/// The failure of a command: a message ready to be printed, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub(in crate::command) code: u8,
    pub(in crate::command) message: String,
}

impl Failure {
    pub(in crate::command) fn usage(message: impl Into<String>) -> Self {
        Self {
            code: exit::USAGE,
            message: message.into(),
        }
    }

    pub(in crate::command) fn incomplete(message: impl Into<String>) -> Self {
        Self {
            code: exit::INCOMPLETE,
            message: message.into(),
        }
    }

    /// Prints it, and returns its exit code.
    pub(crate) fn report(&self) -> u8 {
        // If standard error cannot be written either, the message is lost.
        let _ = writeln!(stderr(), "{} {self}", error_word());
        self.code
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::usage(format!("the output could not be written: {error}"))
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let code = match error {
            // The user gave up waiting.
            JournalError::Held { .. } => exit::INTERRUPTED,
            _ => exit::USAGE,
        };
        Self {
            code,
            message: error.to_string(),
        }
    }
}

fn error_word() -> &'static str {
    if colour(&io::stderr()) {
        "\u{1b}[1;31merror:\u{1b}[0m"
    } else {
        "error:"
    }
}
