//! The error rates and the power of verdicts: `cargo bench --bench verdicts` (about ten minutes; `-- quick` for
//! a tenth of the experiments; `-- speed` for the duration of verdicts only). Every experiment makes the
//! samples of a whole run from seeded noise and gives them to the code that judges real runs. Next to the
//! verdicts are the results of rules in common use for the same samples. It prints Markdown tables with limits,
//! and fails if a limit is broken.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's figures go to standard output"
)]

mod coverage;
mod families;
#[path = "../made/mod.rs"]
mod made;
mod naive;
mod speed;
mod tables;
mod world;

use std::process::ExitCode;
use std::thread;
use std::time::Instant;

/// Experiments of each row of a table.
const EXPERIMENTS: u64 = 2_000;

/// A share that an experiment measured, against its limit.
#[derive(Debug, Clone, Copy)]
enum ShareLimit {
    /// Not above.
    AtMost(f64),
    /// Not below.
    AtLeast(f64),
    /// No limit: printed only.
    None,
}

impl ShareLimit {
    fn format_and_check(self, measured: f64) -> (String, bool) {
        let (word, bound, holds) = match self {
            Self::AtMost(bound) => ("at most", bound, measured <= bound),
            Self::AtLeast(bound) => ("at least", bound, measured >= bound),
            Self::None => return (String::new(), true),
        };
        let mark = if holds { "pass" } else { "FAIL" };
        (format!("{word} {} {mark}", percent(bound)), holds)
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has_argument = |word: &str| arguments.iter().any(|argument| argument == word);
    let experiments = if has_argument("quick") {
        EXPERIMENTS / 10
    } else {
        EXPERIMENTS
    };
    let started = Instant::now();
    let mut all_hold = true;
    if !has_argument("speed") {
        println!("{experiments} experiments a row.");
        all_hold &= tables::interleaved(experiments);
        all_hold &= tables::looks(experiments);
        all_hold &= tables::history(experiments);
        all_hold &= families::table(experiments);
        all_hold &= coverage::tables(experiments);
    }
    all_hold &= speed::table();
    println!("\n{:.0} s.", started.elapsed().as_secs_f64());
    // A tenth of the experiments has three times the error: its limits are only printed.
    if all_hold || has_argument("quick") {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Returns the results of experiments 0 to `count`, distributed over all cores. Each makes its noise from its
/// own number, so that the result does not depend on the number of cores.
fn experiments<T: Send>(count: u64, one: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let workers = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let work = |worker: u64| -> Vec<T> {
        let own = (0..count).filter(|number| number % workers == worker);
        own.map(&one).collect()
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..workers)
            .map(|worker| scope.spawn(move || work(worker)))
            .collect();
        running
            .into_iter()
            .flat_map(|one| one.join().expect("no experiment panics"))
            .collect()
    })
}

/// The share of the results that hold.
fn share<T>(results: &[T], holds: impl Fn(&T) -> bool) -> f64 {
    results.iter().filter(|result| holds(result)).count() as f64 / results.len() as f64
}
