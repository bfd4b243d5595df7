//! A thousand runs under random caps on the simulator: the number of runs that cost more than their cap, by the
//! simulator's own records, and the used share of a cap.
//!
//! `cargo bench --bench cap` (about ten minutes), `cargo bench --bench cap -- quick` (a tenth of the runs).
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used)]

#[path = "../tests/it/support/capped_runs.rs"]
mod capped_runs;

const AT_ONCE: usize = 25;

fn main() {
    let quick = std::env::args().any(|argument| argument == "quick");
    let runs = if quick { 100 } else { 1_000 };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut failed = 0;
    // Caps of at least fifty worst-case slots: the used share by the program's ledger, and by the simulator's.
    let mut used = Vec::new();
    // Several at once: they mostly wait for answers that never come.
    for first in (0..runs).step_by(AT_ONCE) {
        eprintln!("{first} of {runs} runs");
        let last = runs.min(first + AT_ONCE as u64);
        let some = (first..last).map(|seed| runtime.spawn(capped_runs::run(seed)));
        let some: Vec<_> = some.collect();
        for (seed, run) in (first..).zip(some) {
            let run = runtime.block_on(run).unwrap();
            if let Err(why) = capped_runs::judge(&run) {
                failed += 1;
                println!("seed {seed}: {why}");
            }
            if run.slots >= 50 {
                let share = |usd: bakeoff::units::Usd| usd.as_f64() / run.cap.as_f64();
                used.push((share(run.spent_at_most), share(run.charged)));
            }
        }
    }
    let minimum = |of: fn(&(f64, f64)) -> f64| used.iter().map(of).fold(1.0, f64::min);
    let mean = |of: fn(&(f64, f64)) -> f64| used.iter().map(of).sum::<f64>() / used.len() as f64;
    println!("{runs} runs, {failed} failed");
    println!(
        "{} caps of fifty slots: used at least {:.1} %, {:.1} % at the mean; the simulator charged {:.1} % at \
         the mean, the rest was reserved for unreported bills",
        used.len(),
        minimum(|(ours, _)| *ours) * 100.0,
        mean(|(ours, _)| *ours) * 100.0,
        mean(|(_, theirs)| *theirs) * 100.0,
    );
}
