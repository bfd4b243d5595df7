//! A thousand runs under random caps on the simulator: how often one costs more than its cap, by the
//! simulator's own book, and how much of a cap is used.
//!
//! `cargo bench --bench cap` (about ten minutes), `cargo bench --bench cap -- quick` (a tenth of the runs).
#![allow(clippy::print_stdout, clippy::unwrap_used)]

#[path = "../tests/support/capped_runs.rs"]
mod capped_runs;

fn main() {
    let quick = std::env::args().any(|argument| argument == "quick");
    let runs = if quick { 100 } else { 1_000 };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut failed = 0;
    // Of caps that hold fifty worst-case slots: used by our book, and by the simulator's.
    let mut used = Vec::new();
    for seed in 0..runs {
        let run = runtime.block_on(capped_runs::run(seed));
        if let Err(why) = capped_runs::judge(&run) {
            failed += 1;
            println!("seed {seed}: {why}");
        }
        if run.slots >= 50 {
            let share = |usd: bakeoff::units::Usd| usd.as_f64() / run.cap.as_f64();
            used.push((share(run.spent_at_most), share(run.charged)));
        }
    }
    let least = |of: fn(&(f64, f64)) -> f64| used.iter().map(of).fold(1.0, f64::min);
    let mean = |of: fn(&(f64, f64)) -> f64| used.iter().map(of).sum::<f64>() / used.len() as f64;
    println!("{runs} runs, {failed} failed");
    println!(
        "{} caps of fifty slots: used at least {:.1} %, {:.1} % at the mean; the simulator charged {:.1} % at \
         the mean, the rest was kept for bills that nobody told",
        used.len(),
        least(|(ours, _)| *ours) * 100.0,
        mean(|(ours, _)| *ours) * 100.0,
        mean(|(_, theirs)| *theirs) * 100.0,
    );
}
