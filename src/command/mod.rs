//! One file per verb: each reads what it needs, wires the rooms together, and prints.
//!
//! Owns the terminal, the files a user names, and exit codes. Must not compute: a figure that a
//! verb prints comes from a room below. Invariant: whatever goes wrong ends in one message that
//! says what, where and what to do, and in a documented exit code.

mod bills;
mod cap;
mod catalogue;
mod endpoint;
mod files;
mod foresight;
pub mod import;
mod job;
pub mod models;
mod named;
mod progress;
mod remedies;
pub mod report;
pub mod run;
mod session;
pub mod sim;
pub mod spend;
mod suite;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use rand::TryRng;

/// What the user asked for.
#[derive(Debug)]
pub enum Verb {
    /// `bakeoff run`
    Run(run::Options),
    /// `bakeoff report`
    Report(report::Options),
    /// `bakeoff suite check`
    SuiteCheck(Vec<PathBuf>),
    /// `bakeoff suite schema`
    SuiteSchema,
    /// `bakeoff suite schema project`
    ProjectSchema,
    /// `bakeoff spend`
    Spend(spend::Options),
    /// `bakeoff models`
    Models(models::Options),
    /// `bakeoff import`
    Import(import::Options),
    /// `bakeoff sim`
    Sim(sim::Options),
}

/// Exit codes, as the README and `--help` list them.
pub mod exit {
    /// Done; every gate passed.
    pub const DONE: u8 = 0;
    /// Bad usage, suite, project file or run folder.
    pub const USAGE: u8 = 2;
    /// The run is incomplete: endpoint unreachable, too many failures to judge.
    pub const INCOMPLETE: u8 = 4;
    /// Interrupted; what finished is kept.
    pub const INTERRUPTED: u8 = 130;
}

/// Why a verb could not do its work: a message ready to be printed, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    fn usage(message: impl Into<String>) -> Self {
        Self {
            code: exit::USAGE,
            message: message.into(),
        }
    }

    fn incomplete(message: impl Into<String>) -> Self {
        Self {
            code: exit::INCOMPLETE,
            message: message.into(),
        }
    }
}

/// A standard output that went away (`| head`) is the reader's choice, not a failure.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::BrokenPipe => exit::DONE,
            _ => exit::USAGE,
        };
        Self {
            code,
            message: format!("the output could not be written: {error}"),
        }
    }
}

/// Carries out a verb and returns the process's exit code.
pub fn execute(verb: Verb) -> u8 {
    let result = match verb {
        Verb::Run(options) => run::execute(&options),
        Verb::Report(options) => report::execute(&options),
        Verb::SuiteCheck(files) => suite::check(&files),
        Verb::SuiteSchema => schema(&crate::suite::wire::suite_schema()),
        Verb::ProjectSchema => schema(&crate::suite::wire::project_schema()),
        Verb::Spend(options) => spend::execute(&options),
        Verb::Models(options) => models::execute(&options),
        Verb::Import(options) => import::execute(&options),
        Verb::Sim(options) => sim::execute(&options),
    };
    result.unwrap_or_else(|failure| {
        if failure.code != exit::DONE {
            // With standard error gone there is nobody left to tell.
            let _ = writeln!(io::stderr(), "{} {failure}", error_word());
        }
        failure.code
    })
}

fn schema(schema: &serde_json::Value) -> Result<u8, Failure> {
    writeln!(io::stdout(), "{schema:#}")?;
    Ok(exit::DONE)
}

/// A number that nobody can foresee: for names of runs and salts, never for an order.
fn unforeseen() -> Result<u64, Failure> {
    rand::rngs::SysRng
        .try_next_u64()
        .map_err(|error| Failure::usage(format!("the system gave no random number: {error}")))
}

fn error_word() -> &'static str {
    if colour(&io::stderr()) {
        "\u{1b}[1;31merror:\u{1b}[0m"
    } else {
        "error:"
    }
}

/// Whether to colour what goes to `stream`: a terminal, and `NO_COLOR` not set.
fn colour(stream: &impl IsTerminal) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    stream.is_terminal() && !set("NO_COLOR") && !dumb
}

/// The runtime of everything that waits: as many workers as the machine has processors, at least
/// two, so that one stream's work does not hold up another's stamp.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(processors.max(2))
        // Answers are read on one thread beside the workers: many would take the processors away
        // from those who stamp.
        .max_blocking_threads(1)
        .enable_all()
        .build()
}

/// Returns when someone asks the process to end: Ctrl-C, or the request that a CI service or a
/// container sends. Where no signal can be heard it never returns.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut asked) = signal(SignalKind::terminate()) {
            tokio::select! {
                result = tokio::signal::ctrl_c() => if result.is_ok() { return },
                Some(()) = asked.recv() => return,
            }
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
