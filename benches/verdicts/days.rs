//! Days that differ: a shift that all models share, and runs of one model that differ as wholes.

use bakeoff::record::HistoryRun;
use bakeoff::suite::{Gate, Metric};
use bakeoff::verdict::{
    Judgement, PastRuns, Verdict, compare_runs, compare_with_history, pair_runs,
};

use super::history_writer::HistoryWriter;
use super::simulated_runs::{
    CALM, NoiseProfile, NoiseSource, RunDesign, RunSide, TYPICAL, levels, run,
};
use super::tables::strict;
use super::{ShareLimit, experiments, percent, share};

/// The models of a suite; the second is the one that changes.
const MODELS: [&str; 3] = ["a", "b", "c"];
/// A slow day, as the shift of every time: 15 %.
const SLOW_DAY: f64 = 1.15;
const SLOWER: f64 = 1.3;
const FALSE_ALARMS: ShareLimit = ShareLimit::AtMost(0.036);

/// A row: `models` compared with `past` runs, days differing by `days` (a standard deviation of logarithms).
struct DayRow {
    profile: NoiseProfile,
    design: RunDesign,
    models: usize,
    past: usize,
    days: f64,
    /// The change of the second model, on a slow day.
    ratio: Option<f64>,
    limit: ShareLimit,
}

/// The result of one comparison.
struct DayResult {
    /// Any model that was not changed is called worse.
    blamed: bool,
    /// The changed model is called worse.
    found: bool,
    /// Any model is called worse if each is judged by its own past alone.
    alone: bool,
}

fn rows() -> Vec<DayRow> {
    let usual = RunDesign {
        prompts: 20,
        repetitions: 10,
    };
    let large = RunDesign {
        prompts: 40,
        repetitions: 10,
    };
    let row = |profile, design, models, past, days, ratio, limit| DayRow {
        profile,
        design,
        models,
        past,
        days,
        ratio,
        limit,
    };
    let mut rows = Vec::new();
    for (models, past) in [(2, 1), (3, 1), (3, 10)] {
        let days = [0.0, 0.05, 0.10, 0.15];
        rows.extend(days.map(|days| row(TYPICAL, usual, models, past, days, None, FALSE_ALARMS)));
    }
    let found = ShareLimit::AtLeast(0.9);
    rows.extend([
        row(TYPICAL, usual, 3, 10, 0.05, Some(SLOWER), found),
        row(TYPICAL, large, 3, 1, 0.05, Some(SLOWER), found),
        row(CALM, usual, 3, 1, 0.05, Some(SLOWER), found),
        row(TYPICAL, usual, 3, 1, 0.05, Some(SLOWER), ShareLimit::None),
        row(TYPICAL, usual, 2, 10, 0.05, Some(SLOWER), ShareLimit::None),
        row(
            TYPICAL,
            usual,
            3,
            10,
            0.05,
            Some(1.0 / SLOWER),
            ShareLimit::None,
        ),
    ]);
    rows
}

/// Prints how often a shared shift is blamed on a model, and a changed model found beneath it.
pub(crate) fn shared(count: u64) -> bool {
    println!("\n### A shift that all models share (TTFT, tolerance 0)\n");
    println!(
        "| noise | size | models | past runs | days differ by | change | an unchanged model is worse | limit | the \
         changed one is worse | limit | each by its own past: any worse |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let mut all_hold = true;
    for (number, row) in (500_u64..).zip(rows()) {
        let results = experiments(count, |experiment| {
            one_day(&row, NoiseSource::from_experiment(number, experiment))
        });
        let none = ShareLimit::None;
        let limits = match row.ratio {
            None => (row.limit, none),
            Some(_) => (none, row.limit),
        };
        let blamed = share(&results, |one| one.blamed);
        let found = share(&results, |one| one.found);
        let (blame_limit, blame_holds) = limits.0.format_and_check(blamed);
        let (found_limit, found_holds) = limits.1.format_and_check(found);
        all_hold &= blame_holds && found_holds;
        let change = row.ratio.map_or("none".to_owned(), |ratio| {
            format!(
                "one {:+.0} % on a day {:+.0} %",
                100.0 * (ratio - 1.0),
                100.0 * (SLOW_DAY - 1.0)
            )
        });
        let cells = [
            row.profile.name.to_owned(),
            format!("{} x {}", row.design.prompts, row.design.repetitions),
            row.models.to_string(),
            row.past.to_string(),
            percent(row.days),
            change,
            percent(blamed),
            blame_limit,
            row.ratio.map_or(String::new(), |_| percent(found)),
            found_limit,
            percent(share(&results, |one| one.alone)),
        ];
        println!("| {} |", cells.join(" | "));
    }
    all_hold
}

fn one_day(row: &DayRow, mut noise: NoiseSource) -> DayResult {
    let prompts = row.design.prompts;
    let labels = &MODELS[..row.models];
    let levels = levels(row.profile, prompts, &mut noise);
    let writer = HistoryWriter::new(labels, row.design);
    let mut one = |number: usize, shift: f64, changed: Option<f64>| {
        let side = |(index, label): (usize, &'static str), noise: &mut NoiseSource| match changed {
            Some(ratio) if index == 1 => RunSide::other(label, prompts, ratio, noise),
            _ => RunSide::plain(label, prompts),
        };
        let labels = labels.iter().copied().enumerate();
        let sides: Vec<RunSide> = labels.map(|one| side(one, &mut noise)).collect();
        let level = noise.normal(row.days) + shift;
        let evidence = run(
            (row.profile, row.design),
            &levels,
            &sides,
            level,
            &mut noise,
        );
        let hours = i64::try_from(number).expect("few runs") * 7 * 24;
        writer.to_history_run(number, hours, &evidence)
    };
    let accepted: Vec<HistoryRun> = (0..row.past).map(|number| one(number, 0.0, None)).collect();
    let shift = row.ratio.map_or(0.0, |_| SLOW_DAY.ln());
    let today = one(row.past, shift, row.ratio);
    let gate = strict();
    let judgement = judged(&today, &accepted, &gate);
    let is_worse = |judgement: &Judgement, label: &str| {
        let comparisons = judgement.comparisons.iter();
        let mut of_ttft = comparisons.filter(|one| one.metric == Metric::Ttft);
        of_ttft.any(|one| one.candidate == label && one.verdict == Verdict::Regressed)
    };
    let is_changed = |label: &str| row.ratio.is_some() && label == MODELS[1];
    let alone = labels.iter().any(|label| {
        let only = |run: &HistoryRun| {
            let mut run = run.clone();
            run.variants.retain(|variant| variant.label == *label);
            run
        };
        let accepted: Vec<HistoryRun> = accepted.iter().map(only).collect();
        is_worse(&judged(&only(&today), &accepted, &gate), label)
    });
    let mut labels = labels.iter();
    DayResult {
        blamed: labels.any(|label| !is_changed(label) && is_worse(&judgement, label)),
        found: is_worse(&judgement, MODELS[1]),
        alone,
    }
}

/// The judgement of today's run: of two runs, or by a history.
fn judged(today: &HistoryRun, accepted: &[HistoryRun], gate: &Gate) -> Judgement {
    if let [before] = accepted {
        let pair = pair_runs(before.clone(), today, &[]).expect("nothing was changed");
        return compare_runs(today, &pair, gate);
    }
    let past = PastRuns {
        accepted: accepted.to_vec(),
        ..PastRuns::default()
    };
    compare_with_history(today, &past, gate)
}

/// Prints the false alarms of one model whose runs differ as wholes.
pub(crate) fn wholes(count: u64) -> bool {
    println!(
        "\n### Runs of one model that differ as wholes, nothing changed (20 x 10, typical noise)\n"
    );
    println!(
        "| past runs | runs differ by | regressed at tolerance 0 | limit | at the default tolerance | limit |"
    );
    println!("|---|---|---|---|---|---|");
    let design = RunDesign {
        prompts: 20,
        repetitions: 10,
    };
    let mut all_hold = true;
    let sizes = [5_usize, 10].into_iter();
    let rows = sizes.flat_map(|past| [0.05, 0.10, 0.15].map(|days| (past, days)));
    for (number, (past, days)) in (600_u64..).zip(rows) {
        let results = experiments(count, |experiment| {
            let mut noise = NoiseSource::from_experiment(number, experiment);
            let levels = levels(TYPICAL, design.prompts, &mut noise);
            let writer = HistoryWriter::new(&["a"], design);
            let runs: Vec<HistoryRun> = (0..=past)
                .map(|number| {
                    let level = noise.normal(days);
                    let side = [RunSide::plain("a", design.prompts)];
                    let evidence = run((TYPICAL, design), &levels, &side, level, &mut noise);
                    let hours = i64::try_from(number).expect("few runs") * 7 * 24;
                    writer.to_history_run(number, hours, &evidence)
                })
                .collect();
            let (today, accepted) = runs.split_last().expect("there are runs");
            let usual = Gate {
                primary: vec![Metric::Ttft],
                ..Gate::default()
            };
            [strict(), usual].map(|gate| {
                let judgement = judged(today, accepted, &gate);
                let mut comparisons = judgement.comparisons.iter();
                comparisons.any(|one| one.primary && one.verdict == Verdict::Regressed)
            })
        });
        let strict = share(&results, |one| one[0]);
        let usual = share(&results, |one| one[1]);
        // Five runs know little of how much runs differ: at tolerance 0 their rate is only printed.
        let strict_limit = if past == 10 {
            FALSE_ALARMS
        } else {
            ShareLimit::None
        };
        let (strict_limit, strict_holds) = strict_limit.format_and_check(strict);
        let (usual_limit, usual_holds) = FALSE_ALARMS.format_and_check(usual);
        all_hold &= strict_holds && usual_holds;
        let cells = [
            past.to_string(),
            percent(days),
            percent(strict),
            strict_limit,
            percent(usual),
            usual_limit,
        ];
        println!("| {} |", cells.join(" | "));
    }
    all_hold
}
