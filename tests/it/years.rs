//! Simulated mornings of a CI: the short form of `cargo bench --bench verdicts -- years`, which makes a thousand years.

#![allow(
    dead_code,
    reason = "the benchmark's modules; this test needs a part of them"
)]

#[path = "../../benches/verdicts/years.rs"]
mod bench;
#[path = "../../benches/verdicts/history_writer.rs"]
mod history_writer;
#[path = "../../benches/made/mod.rs"]
mod made;
#[path = "../../benches/verdicts/simulated_runs.rs"]
mod simulated_runs;

use bench::{MONTH, Recipe, Year, year};
use simulated_runs::{NoiseSource, RunDesign};

#[test]
fn a_slowdown_is_caught_within_days() {
    // With the old configuration as the reference of the same run a slowdown of 30 % fails within a week, and a gate
    // that cannot compare says so each month.
    let design = RunDesign {
        prompts: 20,
        repetitions: 10,
    };
    let days = 2 * MONTH;
    for seed in 0..2 {
        let noise = NoiseSource::from_experiment(900, seed);
        let year: Year = year(Recipe::ReferenceAndHistory, design, days, noise);
        let is_caught = year.caught_after.is_some_and(|mornings| mornings <= 5);
        assert!(is_caught || year.slow_from + 5 > days, "{year:?}");
        assert!(year.false_alarms <= 2, "{year:?}");
        assert_eq!(year.unjudged, 1, "{year:?}");
    }
}
