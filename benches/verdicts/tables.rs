//! The tables of verdicts: one run, interim looks, a history.

use bakeoff::record::HistoryRun;
use bakeoff::suite::{Bounds, Gate, Metric};
use bakeoff::verdict::{
    Evidence, InterimLooks, PastRuns, Verdict, compare_sequential, compare_with_history,
    primary_verdicts, sequential_state, to_history_run,
};

use crate::naive::{NaiveResults, pooled, rules};
use crate::simulated_runs::{
    CACHE, CALM, NoiseProfile, NoiseSource, ROUGH, RunDesign, RunSide, STICKY, TYPICAL, levels, run,
};
use crate::{ShareLimit, experiments, percent, share};

const USUAL: RunDesign = RunDesign {
    prompts: 20,
    repetitions: 10,
};
/// Past runs of a history.
const PAST_RUNS: usize = 10;
/// They were made weekly, from week 0.
const THIS_WEEK: i64 = 10;

/// TTFT only, with tolerance 0: error rates and power are stated for it.
pub(crate) fn strict() -> Gate {
    let bounds = Bounds {
        tolerance: 0.0,
        margin: 0.2,
        floor_ns: None,
    };
    Gate {
        bounds: vec![(Metric::Ttft, bounds)],
        ..usual()
    }
}

/// TTFT only, as in a suite without a gate.
fn usual() -> Gate {
    Gate {
        primary: vec![Metric::Ttft],
        ..Gate::default()
    }
}

struct TableRow {
    profile: NoiseProfile,
    design: RunDesign,
    ratio: f64,
    limit: ShareLimit,
}

fn rows() -> Vec<TableRow> {
    let row = |profile, (prompts, repetitions), ratio, limit| TableRow {
        profile,
        design: RunDesign {
            prompts,
            repetitions,
        },
        ratio,
        limit,
    };
    let false_alarms = ShareLimit::AtMost(0.036);
    vec![
        row(TYPICAL, (20, 10), 1.0, false_alarms),
        row(ROUGH, (20, 10), 1.0, false_alarms),
        row(CACHE, (20, 10), 1.0, false_alarms),
        row(STICKY, (20, 10), 1.0, false_alarms),
        row(CALM, (20, 10), 1.0, false_alarms),
        row(TYPICAL, (10, 5), 1.0, false_alarms),
        row(TYPICAL, (50, 4), 1.0, false_alarms),
        row(TYPICAL, (20, 10), 1.2, ShareLimit::AtLeast(0.76)),
        row(TYPICAL, (20, 10), 1.5, ShareLimit::AtLeast(0.99)),
        row(TYPICAL, (10, 5), 1.5, ShareLimit::AtLeast(0.82)),
        row(TYPICAL, (50, 4), 1.2, ShareLimit::AtLeast(0.82)),
        row(TYPICAL, (20, 10), 0.8, ShareLimit::None),
    ]
}

/// The results of one experiment: at tolerance 0, at the default, and by other rules.
struct ExperimentResult {
    strict: Verdict,
    usual: Verdict,
    naive: NaiveResults,
}

fn verdict_of(evidence: &Evidence, gate: &Gate) -> Verdict {
    let verdicts = primary_verdicts(evidence, "a", gate);
    verdicts.first().expect("one candidate, one metric").2
}

/// Candidates against the reference of the same run.
pub(crate) fn interleaved(count: u64) -> bool {
    println!("\n### Models of one run (TTFT)\n");
    println!(
        "| noise | prompts x repetitions | true change | regressed | limit | improved | ok | at the default tolerance: \
         regressed | improved | ok | p95 > 1.2x | median > 1.1x | Mann-Whitney |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let mut all_hold = true;
    for (number, row) in (1_u64..).zip(rows()) {
        let tried = experiments(count, |experiment| one_run(&row, number, experiment));
        let strict = |verdict| share(&tried, |one| one.strict == verdict);
        let usual = |verdict| share(&tried, |one| one.usual == verdict);
        let (limit, holds) = row.limit.format_and_check(strict(Verdict::Regressed));
        all_hold &= holds;
        let cells = [
            row.profile.name.to_owned(),
            format!("{} x {}", row.design.prompts, row.design.repetitions),
            change(row.ratio),
            percent(strict(Verdict::Regressed)),
            limit,
            percent(strict(Verdict::Improved)),
            percent(strict(Verdict::Ok)),
            percent(usual(Verdict::Regressed)),
            percent(usual(Verdict::Improved)),
            percent(usual(Verdict::Ok)),
            percent(share(&tried, |one| one.naive.p95)),
            percent(share(&tried, |one| one.naive.median)),
            percent(share(&tried, |one| one.naive.mann_whitney)),
        ];
        println!("| {} |", cells.join(" | "));
    }
    all_hold
}

fn one_run(row: &TableRow, number: u64, experiment: u64) -> ExperimentResult {
    let mut noise = NoiseSource::from_experiment(number, experiment);
    let evidence = pair(row, &mut noise);
    ExperimentResult {
        strict: verdict_of(&evidence, &strict()),
        usual: verdict_of(&evidence, &usual()),
        naive: rules(
            &pooled(&evidence.variants[0]),
            &pooled(&evidence.variants[1]),
        ),
    }
}

fn pair(row: &TableRow, noise: &mut NoiseSource) -> Evidence {
    let prompts = row.design.prompts;
    let levels = levels(row.profile, prompts, noise);
    let sides = [
        RunSide::plain("a", prompts),
        RunSide::other("b", prompts, row.ratio, noise),
    ];
    run((row.profile, row.design), &levels, &sides, 0.0, noise)
}

fn change(ratio: f64) -> String {
    if (ratio - 1.0).abs() < 1e-9 {
        "none".to_owned()
    } else {
        format!("{:+.0} %", 100.0 * (ratio - 1.0))
    }
}

/// Interim looks after every round from the second on.
pub(crate) fn looks(count: u64) -> bool {
    println!("\n### The same, stopping when the verdict is in (20 x 10 at most)\n");
    println!(
        "| noise | true change | regressed | limit | improved | ok | requests used | limit | looking with one look's \
         boundary each time | cut short by chance: regressed |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let none = ShareLimit::None;
    let table = [
        (
            TYPICAL,
            1.0,
            ShareLimit::AtMost(0.039),
            ShareLimit::AtMost(0.85),
        ),
        (ROUGH, 1.0, ShareLimit::AtMost(0.039), none),
        (STICKY, 1.0, ShareLimit::AtMost(0.039), none),
        (TYPICAL, 1.2, ShareLimit::AtLeast(0.73), none),
        (
            TYPICAL,
            1.5,
            ShareLimit::AtLeast(0.99),
            ShareLimit::AtMost(0.52),
        ),
        (TYPICAL, 0.8, none, none),
        (TYPICAL, 0.7, none, none),
    ];
    let mut all_hold = true;
    for (number, (profile, ratio, limit, use_limit)) in (100_u64..).zip(table) {
        let row = TableRow {
            profile,
            design: USUAL,
            ratio,
            limit,
        };
        let rounds = u32::try_from(row.design.repetitions).expect("few rounds");
        let looks = InterimLooks::new(rounds, 1, &strict());
        let tried = experiments(count, |experiment| {
            stopped(
                (&row, &looks),
                NoiseSource::from_experiment(number, experiment),
            )
        });
        let of = |verdict| share(&tried, |one| one.verdict == verdict);
        let used = tried.iter().map(|one| one.used).sum::<f64>() / tried.len() as f64;
        let (limit, holds) = row.limit.format_and_check(of(Verdict::Regressed));
        let (used_limit, use_holds) = use_limit.format_and_check(used);
        all_hold &= holds && use_holds;
        let cells = [
            profile.name.to_owned(),
            change(ratio),
            percent(of(Verdict::Regressed)),
            limit,
            percent(of(Verdict::Improved)),
            percent(of(Verdict::Ok)),
            percent(used),
            used_limit,
            percent(share(&tried, |one| one.peeked)),
            percent(share(&tried, |one| one.cut == Verdict::Regressed)),
        ];
        println!("| {} |", cells.join(" | "));
    }
    all_hold
}

/// The result of a run with interim looks.
struct StoppedRun {
    verdict: Verdict,
    /// Share of the planned rounds.
    used: f64,
    /// True if any look would have called it regressed by the boundary of a single one.
    peeked: bool,
    /// The verdict if something else ended the run after a random round.
    cut: Verdict,
}

fn stopped((row, looks): (&TableRow, &InterimLooks), mut noise: NoiseSource) -> StoppedRun {
    let evidence = pair(row, &mut noise);
    let gate = strict();
    let rounds = looks.rounds().last().copied().expect("a last look");
    let is_in = |round: &u32| {
        sequential_state(&evidence, "a", &gate, looks, *round).all_decided || *round == rounds
    };
    let look_rounds = looks.rounds().iter().copied();
    let used = look_rounds.clone().find(is_in).unwrap_or(rounds);
    let final_verdict = |done| {
        let judgement = compare_sequential(&evidence, "a", &gate, looks, done);
        let mut all = judgement.comparisons.into_iter();
        let ttft = all.find(|one| one.metric == Metric::Ttft);
        ttft.expect("TTFT is primary").verdict
    };
    let peeked = look_rounds.into_iter().any(|round| {
        let mut part = evidence.clone();
        for observed in part.variants.iter_mut().flat_map(|v| &mut v.prompts) {
            observed.retain(|one| one.round <= round);
        }
        verdict_of(&part, &gate) == Verdict::Regressed
    });
    // A cap on spending applies without looking at results.
    let cut = 2.0 + (noise.uniform() * f64::from(rounds - 2)).floor();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a round of a few"
    )]
    let cut = (cut as u32).min(used);
    StoppedRun {
        verdict: final_verdict(used),
        used: f64::from(used) / f64::from(rounds),
        peeked,
        cut: final_verdict(cut),
    }
}

/// Compares today with ten accepted runs.
pub(crate) fn history(count: u64) -> bool {
    println!("\n### Today against ten past runs (20 x 10, typical noise)\n");
    println!(
        "| run-to-run SD | true change | regressed | limit | improved | ok | inconclusive | at the default tolerance: \
         regressed | p95 > 1.2x last | median > 1.1x past | Mann-Whitney, last |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let table = [
        (0.0, 1.0, ShareLimit::AtMost(0.036)),
        (0.02, 1.0, ShareLimit::AtMost(0.036)),
        (0.035, 1.0, ShareLimit::AtMost(0.036)),
        (0.06, 1.0, ShareLimit::AtMost(0.055)),
        (0.02, 1.2, ShareLimit::AtLeast(0.76)),
        (0.035, 1.2, ShareLimit::AtLeast(0.76)),
        (0.06, 1.2, ShareLimit::None),
    ];
    let mut all_hold = true;
    for (number, (run_sd, ratio, limit)) in (200_u64..).zip(table) {
        let tried = experiments(count, |experiment| {
            today(
                run_sd,
                ratio,
                NoiseSource::from_experiment(number, experiment),
            )
        });
        let strict = |verdict| share(&tried, |one| one.strict == verdict);
        let (limit, holds) = limit.format_and_check(strict(Verdict::Regressed));
        all_hold &= holds;
        let cells = [
            percent(run_sd),
            change(ratio),
            percent(strict(Verdict::Regressed)),
            limit,
            percent(strict(Verdict::Improved)),
            percent(strict(Verdict::Ok)),
            percent(strict(Verdict::Inconclusive)),
            percent(share(&tried, |one| one.usual == Verdict::Regressed)),
            percent(share(&tried, |one| one.naive.p95)),
            percent(share(&tried, |one| one.naive.median)),
            percent(share(&tried, |one| one.naive.mann_whitney)),
        ];
        println!("| {} |", cells.join(" | "));
    }
    all_hold
}

fn today(run_sd: f64, ratio: f64, mut noise: NoiseSource) -> ExperimentResult {
    let prompts = USUAL.prompts;
    let levels = levels(TYPICAL, prompts, &mut noise);
    // Another ratio is another model with the same name: its effect differs by prompt.
    let changed = if (ratio - 1.0).abs() > 1e-9 {
        RunSide::other("a", prompts, ratio, &mut noise)
    } else {
        RunSide::plain("a", prompts)
    };
    let mut one = |side: RunSide| {
        let level = noise.normal(run_sd);
        run((TYPICAL, USUAL), &levels, &[side], level, &mut noise)
    };
    let past: Vec<Evidence> = (0..PAST_RUNS)
        .map(|_| one(RunSide::plain("a", prompts)))
        .collect();
    let now = one(changed);
    let manifest = crate::made::manifest(
        &["{ model = \"made/a\", label = \"a\" }".to_owned()],
        prompts,
        USUAL.repetitions,
    );
    let condensed = |(week, evidence): (i64, &Evidence)| -> HistoryRun {
        let mut manifest = manifest.clone();
        manifest.run = format!("run-{week:03}");
        // Noon of a Monday: one time of the week.
        let started = jiff::Timestamp::from_second(1_736_164_800 + week * 7 * 86_400);
        manifest.started_at = started.expect("a date");
        to_history_run(&manifest, evidence)
    };
    let accepted: Vec<HistoryRun> = (0..).zip(&past).map(condensed).collect();
    let current = condensed((THIS_WEEK, &now));
    let past_runs = PastRuns {
        accepted,
        ..PastRuns::default()
    };
    let verdict = |gate: &Gate| {
        let judgement = compare_with_history(&current, &past_runs, gate);
        let mut all = judgement.comparisons.into_iter();
        let ttft = all.find(|one| one.metric == Metric::Ttft);
        ttft.expect("TTFT is primary").verdict
    };
    let of = |evidence: &Evidence| pooled(&evidence.variants[0]);
    let (last, current_values) = (of(&past[PAST_RUNS - 1]), of(&now));
    let median = |values: &[f64]| {
        bakeoff::stats::quantile::quantile_f64(values, 0.5).expect("there are answers")
    };
    let medians: f64 = past.iter().map(|one| median(&of(one))).sum();
    ExperimentResult {
        strict: verdict(&strict()),
        usual: verdict(&usual()),
        naive: NaiveResults {
            median: median(&current_values) > 1.1 * medians / PAST_RUNS as f64,
            ..rules(&last, &current_values)
        },
    }
}
