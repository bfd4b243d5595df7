//! Many comparisons at once: three models against a reference on three metrics, none of them changed.

use bakeoff::record::Outcome;
use bakeoff::suite::{Bounds, Gate, Metric};
use bakeoff::units::Usd;
use bakeoff::verdict::{Evidence, Verdict, compare_interleaved};

use crate::simulated_runs::{NoiseSource, ROUGH, RunDesign, RunSide, TYPICAL, levels, run};
use crate::{ShareLimit, experiments, percent, share};

const LABELS: [&str; 4] = ["a", "b", "c", "d"];
const DESIGN: RunDesign = RunDesign {
    prompts: 20,
    repetitions: 10,
};
/// A request costs about a tenth of a cent, in pico-dollars.
const COST_PUSD: f64 = 1e9;
const COST_SD_OF_PROMPTS: f64 = 0.7;
const COST_SD_WITHIN: f64 = 0.3;
const COMPLETED: f64 = 0.98;
const ALIKE: f64 = 0.2;

struct FamilyOutcome {
    regressed: bool,
    /// Regressed or improved.
    anything: bool,
    /// The same if each comparison had been judged as the only one.
    alone: bool,
}

/// Prints the rate of findings where nothing changed.
pub(crate) fn table(count: u64) -> bool {
    println!(
        "\n### Three models, three primary metrics (TTFT, cost, completed), nothing changed, tolerance 0\n"
    );
    println!(
        "| noise | any regressed | any regressed or improved | limit | without sharing the error rate |"
    );
    println!("|---|---|---|---|---|");
    let mut all_hold = true;
    for (number, profile) in (300_u64..).zip([TYPICAL, ROUGH]) {
        let outcomes = experiments(count, |experiment| {
            let mut noise = NoiseSource::from_experiment(number, experiment);
            let levels = levels(profile, DESIGN.prompts, &mut noise);
            let sides: Vec<RunSide> = LABELS
                .iter()
                .map(|label| RunSide::other(label, DESIGN.prompts, 1.0, &mut noise))
                .collect();
            let mut evidence = run((profile, DESIGN), &levels, &sides, 0.0, &mut noise);
            price_and_fail(&mut evidence, &mut noise);
            outcome(&evidence)
        });
        let anything = share(&outcomes, |one| one.anything);
        let (limit, holds) = ShareLimit::AtMost(0.055).format_and_check(anything);
        all_hold &= holds;
        println!(
            "| {} | {} | {} | {limit} | {} |",
            profile.name,
            percent(share(&outcomes, |one| one.regressed)),
            percent(anything),
            percent(share(&outcomes, |one| one.alone))
        );
    }
    all_hold
}

fn outcome(evidence: &Evidence) -> FamilyOutcome {
    let bounds = Bounds {
        tolerance: 0.0,
        margin: 0.2,
        floor_ns: None,
    };
    let gate = Gate {
        bounds: Metric::ALL.map(|metric| (metric, bounds)).to_vec(),
        ..Gate::default()
    };
    let judgement = compare_interleaved(evidence, "a", &gate);
    let primary = judgement.comparisons.iter().filter(|one| one.primary);
    let any = |holds: &dyn Fn(&bakeoff::verdict::Comparison) -> bool| primary.clone().any(holds);
    FamilyOutcome {
        regressed: any(&|one| one.verdict == Verdict::Regressed),
        anything: any(&|one| matches!(one.verdict, Verdict::Regressed | Verdict::Improved)),
        alone: any(&|one| {
            one.tests
                .is_some_and(|tests| tests.worse < 0.025 || tests.better < 0.025)
        }),
    }
}

/// Gives every request a cost, and lets some fail, prompts differing in both.
#[allow(
    clippy::cast_possible_truncation,
    reason = "costs are positive and far below 2^53"
)]
fn price_and_fail(evidence: &mut Evidence, noise: &mut NoiseSource) {
    let prices: Vec<f64> = (0..DESIGN.prompts)
        .map(|_| noise.normal(COST_SD_OF_PROMPTS))
        .collect();
    for variant in &mut evidence.variants {
        for (observed, price) in variant.prompts.iter_mut().zip(&prices) {
            let completed = noise.rate(COMPLETED, ALIKE);
            let price = price + noise.normal(0.1);
            for one in observed {
                let cost = COST_PUSD * (price + noise.normal(COST_SD_WITHIN)).exp();
                one.cost = Some(Usd(cost as i128)).into();
                if !noise.happens(completed) {
                    one.outcome = Outcome::ServerError;
                    one.cost = None.into();
                }
            }
        }
    }
}
