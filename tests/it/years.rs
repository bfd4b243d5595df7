//! Two simulated years of a morning CI: the short form of `cargo bench --bench verdicts`, which makes a thousand.

#![allow(
    dead_code,
    reason = "the benchmark's modules; this test needs a part of them"
)]

#[path = "../../benches/verdicts/years.rs"]
mod bench;
#[path = "../../benches/verdicts/condenser.rs"]
mod condenser;
#[path = "../../benches/made/mod.rs"]
mod made;
#[path = "../../benches/verdicts/world.rs"]
mod world;

use bench::{Recipe, Year, year};
use world::{NoiseSource, RunDesign};

#[test]
fn a_slowdown_is_caught_within_days() {
    // With the old configuration as the reference of the same run a slowdown of 30 % fails within a week, and a gate
    // that cannot compare says so each month.
    let design = RunDesign {
        prompts: 20,
        repetitions: 4,
    };
    let years = |recipe| -> Vec<Year> {
        let seeds = 0..2;
        let years = seeds.map(|seed| year(recipe, design, NoiseSource::from_experiment(900, seed)));
        years.collect()
    };
    for year in years(Recipe::ReferenceAndHistory) {
        assert!(
            year.caught_after.is_some_and(|mornings| mornings <= 5),
            "{year:?}"
        );
        assert!(year.false_alarms <= 6, "{year:?}");
        assert_eq!(year.unjudged, 11, "{year:?}");
    }
}
