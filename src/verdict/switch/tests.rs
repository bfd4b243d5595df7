use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::record::Outcome;
use crate::stats::distributions::normal_sf;
use crate::suite::SwitchRule;
use crate::units::Usd;
use crate::verdict::interleaved::tests::{failure, run, slower};
use crate::verdict::{Observation, Verdict, primary_verdicts};

/// The truth about one variant.
#[derive(Debug, Clone, Copy)]
struct Truth {
    /// Chance that an answer is right, as a mean over prompts.
    right: f64,
    /// Chance that a request fails.
    fails: f64,
    /// Its times over the reference's.
    time: f64,
    /// Its cost over the reference's.
    cost: f64,
}

const USUAL: Truth = Truth {
    right: 0.9,
    fails: 0.01,
    time: 1.0,
    cost: 1.0,
};

/// One run of the reference and the candidates on 40 prompts, five times each. Prompts are of different difficulty.
fn simulated(seed: u64, prompts: usize, truths: &[Truth]) -> Evidence {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let difficulty: Vec<f64> = (0..prompts)
        .map(|_| rng.random_range(-0.08..0.08))
        .collect();
    let draws = truths.len() * prompts * 5;
    let draws: Vec<[f64; 4]> = (0..draws)
        .map(|_| [(); 4].map(|()| rng.random::<f64>()))
        .collect();
    run(
        (truths.len(), prompts, 5),
        |one, variant, prompt, repetition| {
            let truth = truths[variant];
            let [right, fails, time, cost] = draws[(variant * prompts + prompt) * 5 + repetition];
            let mut one: Observation = slower(one, truth.time * (0.4 * (time - 0.5)).exp());
            let usd = 5e8 * truth.cost * (0.5 * (cost - 0.5)).exp();
            #[allow(clippy::cast_possible_truncation, reason = "far below 2^53")]
            let usd = Usd(usd as i128);
            one.cost = Some(usd).into();
            one.passed = Some(right < truth.right + difficulty[prompt]);
            if fails < truth.fails {
                one.passed = None;
                return failure(one, Outcome::ServerError);
            }
            one
        },
    )
}

fn gate(saving: f64) -> Gate {
    Gate {
        switch: Some(SwitchRule { saving }),
        ..Gate::default()
    }
}

/// The shares of runs that end in each outcome: switch, undecided, do not.
fn shares(runs: u64, prompts: usize, truths: &[Truth]) -> [f64; 3] {
    let mut counts = [0_u32; 3];
    for seed in 0..runs {
        let evidence = simulated(seed, prompts, truths);
        let decisions = decide_switches(&evidence, "a", &gate(0.1));
        counts[SwitchOutcome::of_all(&decisions).unwrap() as usize] += 1;
    }
    counts.map(|count| f64::from(count) / runs as f64)
}

#[test]
fn a_wrong_switch_is_rare() {
    // Each row breaks one condition by no more than its line: the cheaper model is less often right, fails more (and
    // is terse, so that its answers are cheaper still), is slower, or saves less than was asked for.
    let cheaper = Truth {
        time: 0.8,
        cost: 0.5,
        ..USUAL
    };
    for truth in [
        Truth {
            right: 0.85,
            fails: 0.01,
            ..cheaper
        },
        Truth {
            fails: 0.07,
            cost: 0.3,
            ..cheaper
        },
        Truth {
            time: 1.2,
            ..cheaper
        },
        Truth {
            cost: 0.9,
            ..cheaper
        },
    ] {
        let [switch, ..] = shares(60, 40, &[USUAL, truth]);
        assert!(switch <= 0.05, "{switch} of {truth:?}");
    }
    // Four such candidates share the level.
    let wrong = Truth {
        right: 0.85,
        ..cheaper
    };
    let [switch, ..] = shares(20, 40, &[USUAL, wrong, wrong, wrong, wrong]);
    assert!(switch <= 0.05, "{switch} of four");
}

#[test]
fn a_right_switch_is_found_and_a_bad_one_refused() {
    // With enough prompts, the cheaper model that is as good is recognised; one that is wrong on a quarter is refused.
    let cheaper = Truth {
        time: 0.8,
        cost: 0.5,
        ..USUAL
    };
    let [switch, _, refused] = shares(20, 160, &[USUAL, cheaper]);
    assert!(switch >= 0.8 && refused <= 0.0, "{switch} {refused}");
    let bad = Truth {
        right: 0.7,
        ..cheaper
    };
    let [switch, _, refused] = shares(20, 40, &[USUAL, bad]);
    assert!(switch <= 0.0 && refused >= 0.9, "{switch} {refused}");
}

#[test]
fn worse_pass_rates_are_found_as_often_as_theory_says() {
    // 0.90 against 0.80 on 40 prompts, five times each: the t test beyond 2 points. Equal rates are hardly ever worse.
    let gate = Gate {
        primary: vec![Metric::PassRate],
        ..Gate::default()
    };
    let worse = |right: [f64; 2]| {
        let truths = right.map(|right| Truth {
            right,
            fails: 0.0,
            ..USUAL
        });
        let runs = 300;
        let found = (0..runs).filter(|seed| {
            let evidence = simulated(*seed, 40, &truths);
            let verdicts = primary_verdicts(&evidence, "a", &gate);
            verdicts
                .iter()
                .any(|(.., verdict)| *verdict == Verdict::Regressed)
        });
        found.count() as f64 / runs as f64
    };
    // Difficulty is common to both sides, and lowers the variance within a prompt a little.
    let within = |p: f64| p * (1.0 - p) - 0.08_f64.powi(2) / 3.0;
    let error = ((within(0.9) + within(0.8)) / 5.0 / 40.0).sqrt();
    let critical = Alpha::FIVE_PERCENT.critical_t(39.0).unwrap();
    let theory = normal_sf(critical - (0.1 - 0.02) / error);
    let found = worse([0.9, 0.8]);
    assert!(found >= theory - 0.05, "{found} of {theory}");
    let equal = worse([0.85, 0.85]);
    assert!(equal <= 0.036, "{equal}");
}

#[test]
fn quality_that_is_not_known_decides_nothing() {
    // Without grades, speed and price are not enough; a price that is no lower is enough to refuse.
    let evidence = |cost: f64| {
        let truth = Truth { cost, ..USUAL };
        let mut evidence = simulated(1, 40, &[USUAL, truth]);
        let all = evidence.variants.iter_mut().flat_map(|v| &mut v.prompts);
        all.flatten().for_each(|one| one.passed = None);
        evidence
    };
    let [decision] = decide_switches(&evidence(0.5), "a", &gate(0.1))
        .try_into()
        .unwrap();
    assert_eq!(decision.outcome, SwitchOutcome::Undecided);
    assert_eq!(decision.conditions[0].metric, Metric::PassRate);
    assert_eq!(decision.conditions[0].reasons, [Reason::NotMeasured]);
    assert_eq!(
        decision.more_prompts(),
        None,
        "prompts do not grade answers"
    );
    let [decision] = decide_switches(&evidence(1.5), "a", &gate(0.1))
        .try_into()
        .unwrap();
    assert_eq!(decision.outcome, SwitchOutcome::DoNotSwitch);
    // A gate without the table has no opinion.
    assert_eq!(decide_switches(&evidence(0.5), "a", &Gate::default()), []);
}

#[test]
fn failures_count_as_no_right_answer() {
    // Every answer is right, but every tenth request fails: nine of ten right answers, on the graded prompts alone.
    let failing = |one: Observation, variant: usize, prompt: usize, repetition: usize| {
        let mut one = one;
        one.passed = (prompt < 20).then_some(true);
        if variant == 1 && (prompt + repetition).is_multiple_of(10) {
            one.passed = None;
            return failure(one, Outcome::TimedOutTotal);
        }
        one
    };
    let evidence = run((2, 40, 10), failing);
    let evidence = with_failures_as_wrong(&evidence);
    let passes = |variant: usize| {
        let all = evidence.variants[variant].prompts.iter().flatten();
        let graded: Vec<bool> = all.filter_map(|one| one.passed).collect();
        (
            graded.iter().filter(|passed| **passed).count(),
            graded.len(),
        )
    };
    assert_eq!((passes(0), passes(1)), ((200, 200), (180, 200)));
}

#[test]
fn an_open_condition_names_the_prompts_that_would_settle_it() {
    // A run that is too small for a good candidate says how much larger it has to be.
    let cheaper = Truth {
        time: 0.8,
        cost: 0.5,
        ..USUAL
    };
    let more = (0..8).filter_map(|seed| {
        let evidence = simulated(seed, 24, &[USUAL, cheaper]);
        let [decision] = decide_switches(&evidence, "a", &gate(0.1))
            .try_into()
            .ok()?;
        (decision.outcome == SwitchOutcome::Undecided).then(|| decision.more_prompts())
    });
    let more: Vec<Option<u64>> = more.collect();
    let known: Vec<u64> = more.iter().copied().flatten().collect();
    assert!(
        known.len() * 2 > more.len() && !known.is_empty(),
        "{more:?}"
    );
    assert!(
        known.iter().any(|more| (20..1_000).contains(more)),
        "{known:?}"
    );
}
