//! The error rates and the power of verdicts: `cargo bench --bench verdicts` (about ten minutes; `-- quick` for
//! a tenth of the experiments; `-- history days` for these tables only). Every experiment makes the
//! samples of a whole run from seeded noise and gives them to the code that judges real runs. Next to the
//! verdicts are the results of rules in common use for the same samples. It prints Markdown tables with limits,
//! and fails if a limit is broken.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's figures go to standard output"
)]

mod coverage;
mod days;
mod families;
mod history_writer;
#[path = "../made/mod.rs"]
mod made;
mod naive;
mod simulated_runs;
mod speed;
mod tables;
mod years;

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

/// Makes a table of this number of experiments. Returns true if its limits hold.
type MakeTable = fn(u64) -> bool;

/// The tables by name: named ones alone are made.
const TABLES: [(&str, MakeTable); 9] = [
    ("interleaved", tables::interleaved),
    ("looks", tables::looks),
    ("history", tables::history),
    ("days", days::shared),
    ("wholes", days::wholes),
    ("years", |experiments| mornings(experiments / 2)),
    ("families", families::table),
    ("coverage", coverage::tables),
    ("speed", |_| speed::table()),
];

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
    println!("{experiments} experiments a row.");
    let is_named = |(name, _): &(&str, fn(u64) -> bool)| has_argument(name);
    let any_named = TABLES.iter().any(is_named);
    for table in TABLES.iter().filter(|table| !any_named || is_named(table)) {
        all_hold &= table.1(experiments);
    }
    println!("\n{:.0} s.", started.elapsed().as_secs_f64());
    // A tenth of the experiments has three times the error: its limits are only printed.
    if all_hold || has_argument("quick") {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Prints what a morning CI catches in this many years, and how often it is wrong.
fn mornings(count: u64) -> bool {
    println!("\n### {count} years of a morning CI (20 x 10, one slowdown of 30 % a year)\n");
    println!(
        "| recipe | caught | limit | on the first morning | within five | median mornings | false alarms a year | \
         limit | mornings a year that said they could not judge |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let design = simulated_runs::RunDesign {
        prompts: 20,
        repetitions: 10,
    };
    let recipes = [
        (
            "reference in the run, then history",
            years::Recipe::ReferenceAndHistory,
            ShareLimit::AtLeast(0.99),
            3.0,
        ),
        (
            "history alone",
            years::Recipe::HistoryAlone,
            ShareLimit::None,
            3.0,
        ),
    ];
    let mut all_hold = true;
    for (number, (name, recipe, limit, alarms_max)) in (700_u64..).zip(recipes) {
        let results = experiments(count, |experiment| {
            let noise = simulated_runs::NoiseSource::from_experiment(number, experiment);
            years::year(recipe, design, years::DAYS, noise)
        });
        let within = |mornings: usize| {
            share(&results, |year| {
                year.caught_after.is_some_and(|after| after <= mornings)
            })
        };
        let mut delays: Vec<usize> = results
            .iter()
            .filter_map(|year| year.caught_after)
            .collect();
        delays.sort_unstable();
        let median = delays.get(delays.len() / 2).map_or(0, |after| *after);
        let mean = |of: fn(&years::Year) -> usize| {
            results.iter().map(of).sum::<usize>() as f64 / results.len() as f64
        };
        let alarms = mean(|year| year.false_alarms);
        let (caught_limit, caught_holds) = limit.format_and_check(within(usize::MAX));
        let alarms_hold = alarms <= alarms_max;
        all_hold &= caught_holds && alarms_hold;
        let mark = if alarms_hold { "pass" } else { "FAIL" };
        println!(
            "| {name} | {} | {caught_limit} | {} | {} | {median} | {alarms:.2} | at most {alarms_max} {mark} | {:.1} |",
            percent(within(usize::MAX)),
            percent(within(1)),
            percent(within(5)),
            mean(|year| year.unjudged),
        );
    }
    all_hold
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
