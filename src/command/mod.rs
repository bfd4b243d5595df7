//! One file per verb: each reads what it needs, wires the rooms together, and prints.
//!
//! Owns the terminal, the files a user names, and exit codes. Must not compute: a figure that a
//! verb prints comes from a room below. Invariant: whatever goes wrong ends in one message that
//! says what, where and what to do, and in a documented exit code.

pub mod accept;
mod baseline;
mod bills;
mod bounds;
mod cap;
mod catalogue;
pub mod compare;
mod endpoint;
pub mod estimate;
mod exposed;
mod files;
pub mod forecast;
mod foresight;
mod github;
pub mod history;
pub mod import;
pub mod init;
mod job;
mod judging;
mod looking;
pub mod models;
mod named;
mod offered;
pub mod pages;
mod printed;
mod progress;
mod records;
mod remedies;
pub mod report;
pub mod run;
pub mod runs;
pub mod schema;
mod session;
pub mod sim;
pub mod size;
pub mod spend;
pub mod suite;

use rand::TryRng;
use std::io::{self, IsTerminal, Write};

/// Name and version of the program, as records keep them.
const TOOL: &str = concat!("bakeoff ", env!("CARGO_PKG_VERSION"));

/// What the user asked for.
#[derive(Debug)]
pub enum Verb {
    /// `bakeoff run`
    Run(run::Options),
    /// `bakeoff estimate`
    Estimate(estimate::Options),
    /// `bakeoff report`
    Report(report::Options),
    /// `bakeoff compare`
    Compare(compare::Options),
    /// `bakeoff accept`
    Accept(accept::Options),
    /// `bakeoff history`
    History(history::Options),
    /// `bakeoff size`
    Size(size::Options),
    /// `bakeoff suite check`
    SuiteCheck(suite::Options),
    /// `bakeoff forecast`
    Forecast(forecast::Options),
    /// `bakeoff spend`
    Spend(spend::Options),
    /// `bakeoff models`
    Models(models::Options),
    /// `bakeoff runs`
    Runs(runs::Options),
    /// `bakeoff init`
    Init(init::Options),
    /// `bakeoff schema`
    Schema(schema::Shape),
    /// `bakeoff completions` and `bakeoff man`
    Pages(pages::Options),
    /// `bakeoff import`
    Import(import::Options),
    /// `bakeoff sim`
    Sim(sim::Options),
}

/// Exit codes, as the README and `--help` list them.
pub mod exit {
    /// Done; every gate passed.
    pub const DONE: u8 = 0;
    /// A gate failed: a primary metric regressed, or a limit is broken.
    pub const FAILED: u8 = 1;
    /// Bad usage, suite, project file or run folder.
    pub const USAGE: u8 = 2;
    /// A primary comparison could not be told, and the suite asks that to fail.
    pub const INCONCLUSIVE: u8 = 3;
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

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::usage(format!("the output could not be written: {error}"))
    }
}

/// Carries out a verb and returns the process's exit code.
pub fn execute(verb: Verb) -> u8 {
    let result = match verb {
        Verb::Run(options) => run::execute(&options),
        Verb::Estimate(options) => estimate::execute(&options),
        Verb::Report(options) => report::execute(&options),
        Verb::Compare(options) => compare::execute(&options),
        Verb::Accept(options) => accept::execute(&options),
        Verb::History(options) => history::execute(&options),
        Verb::Size(options) => size::execute(&options),
        Verb::SuiteCheck(options) => suite::check(&options),
        Verb::Forecast(options) => forecast::execute(&options),
        Verb::Spend(options) => spend::execute(&options),
        Verb::Models(options) => models::execute(&options),
        Verb::Runs(options) => runs::execute(&options),
        Verb::Init(options) => init::execute(&options),
        Verb::Schema(shape) => schema::execute(shape),
        Verb::Pages(options) => pages::execute(&options),
        Verb::Import(options) => import::execute(&options),
        Verb::Sim(options) => sim::execute(&options),
    };
    result.unwrap_or_else(|failure| {
        // Where standard error cannot be written either, there is nobody left to tell.
        let _ = writeln!(printed::stderr(), "{} {failure}", error_word());
        failure.code
    })
}

/// A document for programs, pretty-printed, with a line break at its end.
fn print_json(out: &mut impl Write, document: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, document)?;
    writeln!(out)
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
