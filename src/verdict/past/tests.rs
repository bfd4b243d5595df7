//! Tests of comparisons with past runs: verdicts, matching, confirmation, error rates.

mod confirmation;
mod shared_shift;

use proptest::prelude::*;

use super::fixture::{SeededNoise, flat, noon, run, variant};
use super::*;
use crate::record::{Flag, Manifest, MetricLevels, Outcome, Sample};
use crate::suite::Bounds;
use crate::units::Nanos;
use crate::verdict::fixture::{answered, failed, flagged, manifest};
use crate::verdict::judgement::Procedure;
use crate::verdict::{DeclaredChange, EvidenceFold, SampleSize};

/// A gate on TTFT alone, without tolerance.
fn strict() -> Gate {
    let bounds = Bounds {
        tolerance: 0.0,
        margin: 0.2,
        floor_ns: None,
    };
    Gate {
        primary: vec![Metric::Ttft],
        bounds: vec![(Metric::Ttft, bounds)],
        ..Gate::default()
    }
}

fn past(accepted: Vec<HistoryRun>) -> PastRuns {
    PastRuns {
        accepted,
        ..PastRuns::default()
    }
}

/// Returns `count` quiet runs, a week apart, the last in the week before week 30.
fn quiet(count: i64) -> Vec<HistoryRun> {
    let mut noise = SeededNoise::with_seed(11);
    (30 - count..30)
        .map(|week| run(week, &noise.levels(20, 0.02, 0.0)))
        .collect()
}

fn ttft(judgement: &Judgement) -> &Comparison {
    let mut of_ttft = judgement.comparisons.iter();
    of_ttft.find(|c| c.metric == Metric::Ttft).unwrap()
}

fn history_run(manifest: &Manifest, samples: &[Sample]) -> HistoryRun {
    let mut fold = EvidenceFold::new(manifest);
    for sample in samples {
        fold.add(sample);
    }
    to_history_run(manifest, &fold.snapshot())
}

#[test]
fn a_run_is_condensed_without_its_turns() {
    // Two runs of a large suite are compared with the turns of neither in memory.
    let mut manifest = manifest(&["a/x", "b/y"], &["p", "q"], 1);
    let samples: Vec<Sample> = (0..4).map(|t| answered(&manifest, t, 100)).collect();
    let whole = history_run(&manifest, &samples);
    let mut fold = EvidenceFold::new(&manifest);
    for sample in &samples {
        fold.add(sample);
    }
    let digests = PromptDigests::new(&manifest.suite);
    manifest.suite.prompts.release_turns();
    assert_eq!(condense_run(&manifest, &digests, &fold.snapshot()), whole);
    assert!(!whole.variants[0].prompts[1].text.is_empty());
}

#[test]
fn a_history_run_has_levels_and_counts() {
    // A history must store enough to judge by: robust levels, the models and prompts, the providers.
    let manifest = manifest(&["a/x"], &["p", "q"], 5);
    let mut samples: Vec<Sample> = (0..10).map(|t| answered(&manifest, t, 100)).collect();
    samples[0] = flagged(answered(&manifest, 0, 3), Flag::Buffered);
    samples[2] = failed(samples[2].clone(), Outcome::ServerError, 500, "gone");
    samples[4] = failed(samples[4].clone(), Outcome::RateLimited, 429, "wait");
    // A deadline that passed after 20 s counts as 20 s, and one value of four does not move the level far.
    samples[6] = failed(samples[6].clone(), Outcome::TimedOutTotal, 200, "late");
    samples[6].latency_ns = Some(Nanos::from_millis(20_000));
    let run = history_run(&manifest, &samples);
    let variant = &run.variants[0];
    assert_eq!(run.run, manifest.run);
    assert_eq!(run.conditions.slot_size, 1);
    assert_eq!(variant.providers.get("azure"), Some(&7));
    assert_eq!((variant.mix.answered, variant.mix.excluded), (7, 1));
    let prompt = &variant.prompts[0];
    assert_eq!((prompt.trials, prompt.completed, prompt.graded), (4, 2, 0));
    // Excluded: no TTFT, but a latency and a cost.
    assert_eq!(prompt.levels.get(Metric::Ttft).unwrap().n, 2);
    assert_eq!(prompt.levels.get(Metric::Latency).unwrap().n, 3);
    assert_eq!(prompt.levels.get(Metric::Cost).unwrap().n, 2);
    let other = &variant.prompts[1];
    assert!((other.levels.get(Metric::Ttft).unwrap().ln - 100e6_f64.ln()).abs() < 1e-12);
    assert!((other.levels.get(Metric::Cost).unwrap().ln - 5e8_f64.ln()).abs() < 1e-12);
    assert!(other.levels.get(Metric::TtftTail).is_none());
    assert!(!variant.drifted);
}

#[test]
fn a_level_that_moves_during_the_run_is_marked() {
    // Compared with past runs, a slow second half cannot be distinguished from a slow day.
    let manifest = manifest(&["a/x"], &["p", "q", "r", "s", "t"], 40);
    let sample = |trial: u64| {
        let noise = trial * 7919 % 40;
        answered(
            &manifest,
            trial,
            300 + noise + if trial < 100 { 0 } else { 120 },
        )
    };
    let samples: Vec<Sample> = (0..200).map(sample).collect();
    let run = history_run(&manifest, &samples);
    assert!(run.variants[0].drifted);
    let mut today = run.clone();
    today.started_at = noon(3);
    today.run = "today".to_owned();
    let judgement = compare_with_history(&today, &past(vec![run]), &Gate::default());
    let comparison = ttft(&judgement);
    assert_eq!(comparison.verdict, Verdict::Inconclusive);
    assert!(
        comparison.reasons.contains(&Reason::Drift),
        "{comparison:?}"
    );
    assert_eq!(comparison.tests, None);
}

#[test]
fn the_first_run_has_no_comparison_and_explains_how_to_start() {
    // A new history must not fail its first build, and must show its user the next step.
    let judgement = compare_with_history(
        &run(0, &flat(8, 0.0)),
        &PastRuns::default(),
        &Gate::default(),
    );
    assert_eq!(judgement.comparisons, []);
    assert!(judgement.notes[0].contains("bakeoff accept RUN --history FILE"));
}

#[test]
fn a_slower_model_regresses_and_an_unchanged_one_does_not() {
    // The purpose of every build, with ten quiet runs before it.
    let past = past(quiet(10));
    let judged = |shift: f64| {
        let today = run(30, &SeededNoise::with_seed(5).levels(20, 0.02, shift));
        compare_with_history(&today, &past, &Gate::default())
    };
    let slower = judged(0.35);
    let comparison = ttft(&slower);
    assert_eq!(comparison.verdict, Verdict::Regressed, "{comparison:?}");
    assert_eq!(comparison.procedure, Procedure::History);
    assert_eq!(
        comparison.size,
        SampleSize {
            prompts: 20,
            reference: 2000,
            candidate: 200,
            runs: 10
        }
    );
    let effect = comparison.effect.unwrap();
    assert!(effect.estimate > 1.25 && effect.interval.contains(1.419));
    // Three primary comparisons share the error rate.
    assert!((effect.level - (1.0 - 0.05 / 3.0)).abs() < 1e-12);
    assert!(
        comparison
            .detectable_change
            .is_some_and(|floor| floor > 0.1 && floor < 0.3)
    );
    assert_eq!(ttft(&judged(-0.35)).verdict, Verdict::Improved);
    assert_eq!(ttft(&judged(0.0)).verdict, Verdict::Ok);
    for metric in [Metric::Cost, Metric::Completed] {
        let mut of_metric = slower.comparisons.iter();
        let same = of_metric.find(|c| c.metric == metric).unwrap();
        assert_eq!(same.verdict, Verdict::Ok, "{same:?}");
    }
}

#[test]
fn a_change_of_a_few_milliseconds_is_not_worse() {
    // A third more of 12 ms is 4 ms: certain, and below the floor of 10 ms.
    let small = |week, shift| run(week, &[12e6_f64.ln() + shift; 8]);
    let past = past((0..10).map(|week| small(week, 0.0)).collect());
    let judgement = compare_with_history(&small(11, 0.3), &past, &Gate::default());
    let comparison = ttft(&judgement);
    assert_eq!(comparison.verdict, Verdict::Ok);
    let Reason::BelowFloor { change_ns, .. } = comparison.reasons[0] else {
        panic!("{comparison:?}");
    };
    assert!(change_ns > Nanos::from_millis(4) && change_ns < Nanos::from_millis(5));
}

#[test]
fn failures_decide_by_their_share() {
    // A model that fails in a third of its trials has no trustworthy time, and fewer answers for certain.
    let mut today = run(30, &flat(20, 0.0));
    for prompt in &mut today.variants[0].prompts[..18] {
        prompt.completed = 6;
    }
    let judgement = compare_with_history(&today, &past(quiet(6)), &Gate::default());
    assert!(
        matches!(ttft(&judgement).reasons[0], Reason::TooManyErrors { share } if share > 0.3),
        "{judgement:?}"
    );
    let mut all = judgement.comparisons.iter();
    let completed = all.find(|c| c.metric == Metric::Completed).unwrap();
    assert_eq!(completed.verdict, Verdict::Regressed);
    assert_eq!(completed.procedure, Procedure::RateDifference);
    let effect = completed.effect.unwrap();
    assert!((effect.estimate + 0.36).abs() < 1e-9, "{effect:?}");
}

#[test]
fn runs_with_other_conditions_are_skipped_and_counted() {
    // Another load or another model is another experiment.
    let mut runs = quiet(6);
    runs[0].conditions.concurrency = 9;
    runs[1].tool = "bakeoff 1.0.0".to_owned();
    runs[2].conditions.environment = Some("laptop".to_owned());
    runs[3].variants[0].model = "a/y".parse().unwrap();
    let judgement = compare_with_history(&run(30, &flat(20, 0.0)), &past(runs), &Gate::default());
    assert_eq!(ttft(&judgement).size.runs, 2);
    insta::assert_snapshot!(judgement.notes.join("\n"), @"
    1 run was left out of 6 earlier ones: another concurrency.
    1 run was left out of 6 earlier ones: another environment (`--environment`).
    1 run was left out of 6 earlier ones: another major version of the program.
    a/x: 1 run of 3 earlier ones lack it, or have another model or other parameters for it.
    ");
}

#[test]
fn a_variant_without_history_cannot_be_judged() {
    // A model added to the suite must not pass as unchanged.
    let mut today = run(30, &flat(20, 0.0));
    today.variants[0].overrides = "other".to_owned();
    let judgement = compare_with_history(&today, &past(quiet(4)), &Gate::default());
    assert_eq!(judgement.comparisons.len(), 3);
    let incomparable = judgement.incomparable.unwrap();
    for comparison in &judgement.comparisons {
        assert_eq!(comparison.verdict, Verdict::Inconclusive);
        assert_eq!(
            comparison.reasons,
            [Reason::Incomparable(incomparable.clone())]
        );
    }
    insta::assert_snapshot!(incomparable, @"4 accepted runs cannot be compared: a/x has other parameters or another system text of its own. Reset the baseline (`accept --reset`), or compare with `--changed parameters`.");
}

#[test]
fn five_runs_of_the_same_hour_suffice_alone() {
    // The nights of a gateway are faster than its days.
    let at = |week: i64, hours: i64, shift: f64| {
        let mut run = run(week, &flat(8, shift));
        let second = noon(week).as_second() + 3600 * hours;
        run.started_at = jiff::Timestamp::from_second(second).unwrap();
        run.run = format!("{week}-{hours}");
        run
    };
    let mut runs: Vec<HistoryRun> = (0..7).map(|week| at(week, 1, 0.0)).collect();
    runs.extend((0..7).map(|week| at(week, -10, -0.3)));
    let judged =
        |today: HistoryRun| compare_with_history(&today, &past(runs.clone()), &Gate::default());
    let judgement = judged(at(9, 26, 0.0));
    assert_eq!(ttft(&judgement).size.runs, 7);
    assert_eq!(ttft(&judgement).verdict, Verdict::Ok);
    assert!(judgement.notes[0].contains("between 12:00 and 15:00 UTC on weekdays"));
    // On a Saturday there are none of that time: all are used, and a note reports it.
    let saturday = judged(at(9, 120, 0.0));
    assert_eq!(ttft(&saturday).size.runs, 14);
    assert!(
        saturday.notes[0].contains("Only 0 of 14"),
        "{:?}",
        saturday.notes
    );
}

#[test]
fn a_control_cancels_a_common_slowdown() {
    // A slow hour of the whole gateway affects the model and its control alike.
    let with_control = |week: i64, hour: f64, own: f64| {
        let mut run = run(week, &flat(8, hour + own));
        run.variants.push(variant("c/ontrol", &flat(8, hour)));
        run
    };
    let hours = [0.02, -0.03, 0.01, 0.0, 0.03, -0.02];
    let days = (0..).zip(hours);
    let past = past(
        days.map(|(week, hour)| with_control(week, hour, 0.0))
            .collect(),
    );
    let gate = Gate {
        control: Some("c/ontrol".to_owned()),
        ..Gate::default()
    };
    let slow_hour = with_control(20, 0.5, 0.0);
    // Without a control the other model takes its part.
    let shared = compare_with_history(&slow_hour, &past, &Gate::default());
    assert_eq!(ttft(&shared).verdict, Verdict::Ok);
    assert_eq!(ttft(&shared).procedure, Procedure::Departure);
    let judgement = compare_with_history(&slow_hour, &past, &gate);
    assert!(judgement.comparisons.iter().all(|c| c.candidate == "a/x"));
    assert_eq!(ttft(&judgement).verdict, Verdict::Ok);
    assert_eq!(ttft(&judgement).procedure, Procedure::HistoryOfDifference);
    let slow_model = compare_with_history(&with_control(20, 0.5, 0.4), &past, &gate);
    assert_eq!(ttft(&slow_model).verdict, Verdict::Regressed);
}

#[test]
fn answers_of_another_kind_are_not_compared() {
    // Hidden reasoning, a cold cache, buffering: the level moved, but not because the model is slower.
    let reasoned = |mut run: HistoryRun, share: u64| {
        run.variants[0].mix.reasoned = run.variants[0].mix.answered * share / 100;
        run
    };
    let shown: Vec<HistoryRun> = quiet(5).into_iter().map(|run| reasoned(run, 100)).collect();
    let hidden = run(30, &flat(20, 0.0));
    let judgement = compare_with_history(&hidden, &past(shown), &Gate::default());
    let comparison = ttft(&judgement);
    assert!(!comparison.primary || comparison.reasons.is_empty());
    let primary: Vec<_> = judgement
        .comparisons
        .iter()
        .map(|c| (c.metric, c.primary))
        .collect();
    assert_eq!(primary[0], (Metric::Ttft, false));
    assert_eq!(primary[1], (Metric::Ttfa, true));
    assert_eq!(comparison.reasons, [Reason::ReasoningDiffers]);

    let mut buffered = run(30, &flat(20, 0.0));
    buffered.variants[0].mix.excluded = 60;
    let judgement = compare_with_history(&buffered, &past(quiet(5)), &Gate::default());
    assert!(matches!(
        ttft(&judgement).reasons[0],
        Reason::Excluded { .. }
    ));

    let mut rerouted = run(30, &flat(20, 0.0));
    rerouted.variants[0].providers = [("openai".to_owned(), 200)].into();
    let judgement = compare_with_history(&rerouted, &past(quiet(5)), &Gate::default());
    assert_eq!(ttft(&judgement).verdict, Verdict::Ok);
    let shifted =
        |one: &Reason| matches!(one, Reason::RouteShift { candidate, .. } if *candidate > 0.5);
    assert!(ttft(&judgement).reasons.iter().any(shifted));
    assert!(ttft(&judgement).routes.is_empty());
}

#[test]
fn changed_prompts_are_skipped() {
    // A rewritten prompt has another digest: its times are of another question.
    let mut today = run(30, &flat(20, 0.0));
    for prompt in &mut today.variants[0].prompts[..12] {
        prompt.digest = format!("{}-rewritten", prompt.digest).into();
    }
    let judgement = compare_with_history(&today, &past(quiet(5)), &Gate::default());
    assert_eq!(ttft(&judgement).size.prompts, 8);
    assert_eq!(ttft(&judgement).verdict, Verdict::Ok);
    for prompt in &mut today.variants[0].prompts[12..15] {
        prompt.digest = format!("{}-rewritten", prompt.digest).into();
    }
    let few = compare_with_history(&today, &past(quiet(5)), &Gate::default());
    // Too few for a verdict: as if nothing could be compared, so that the gate says so.
    assert!(matches!(ttft(&few).reasons[..], [Reason::Incomparable(_)]));
    assert!(ttft(&few).effect.is_some() && ttft(&few).tests.is_none());
}

#[test]
fn small_accepted_steps_are_reported_as_drift() {
    // Each step is within the noise; twelve of them are not.
    let creeping: Vec<HistoryRun> = (0..12)
        .map(|week| run(week, &flat(8, 0.02 * (week as f64))))
        .collect();
    let judgement =
        compare_with_history(&run(14, &flat(8, 0.24)), &past(creeping), &Gate::default());
    let drift = ttft(&judgement)
        .reasons
        .iter()
        .find_map(|reason| match reason {
            Reason::LevelMoved {
                began,
                change,
                runs,
            } => Some(format!("{began}, {change:+.3}, {runs} runs")),
            _ => None,
        });
    insta::assert_snapshot!(drift.unwrap(), @"2025-01-06T12:00:00Z, +0.150, 12 runs");
    insta::assert_snapshot!(judgement.notes.last().unwrap(), @"a/x, ttft: the last 8 runs (today's, and accepted ones) together lie 13.9 % above the 5 before them: a change that lasts.");
}

/// Returns how often TTFT is called regressed, of 400 experiments with `count` past runs at a run SD of 3.5 %.
fn regressed(count: i64, shift: f64) -> u32 {
    let mut noise = SeededNoise::with_seed(0x5eed);
    let gate = strict();
    let experiments = (0..400).filter(|_| {
        let mut run = |week: i64, shift: f64| {
            let mut run = run(week, &noise.levels(20, 0.035, shift));
            // TTFT only: metrics without values cost no time.
            for prompt in &mut run.variants[0].prompts {
                let levels = prompt
                    .levels
                    .iter()
                    .filter(|(metric, _)| *metric != Metric::Cost);
                prompt.levels = levels.collect();
                (prompt.trials, prompt.completed) = (0, 0);
            }
            run
        };
        let past = past((0..count).map(|week| run(week, 0.0)).collect());
        let today = run(count, shift);
        ttft(&compare_with_history(&today, &past, &gate)).verdict == Verdict::Regressed
    });
    u32::try_from(experiments.count()).unwrap()
}

#[test]
fn false_alarms_are_rare_and_a_fifth_is_found() {
    // 2.5 % of 400 are 10, three standard errors above are 19. With ten runs +20 % is found in four of five
    // cases, with one run in two of five.
    let fifth = 1.2_f64.ln();
    let [alarms_of_one, alarms_of_ten] = [1, 10].map(|count| regressed(count, 0.0));
    let [found_by_one, found_by_ten] = [1, 10].map(|count| regressed(count, fifth));
    assert!(
        alarms_of_one <= 19 && alarms_of_ten <= 19,
        "{alarms_of_one} {alarms_of_ten}"
    );
    assert!(found_by_ten >= 300, "{found_by_ten}");
    assert!((100..300).contains(&found_by_one), "{found_by_one}");
}

#[test]
fn trends_show_levels_changes_and_the_floor() {
    // A person looks at the whole history once a month, and must see where it changed.
    let line = |week: i64, shift: f64| {
        let levels = flat(8, shift + 0.01 * (week * 7 % 5) as f64);
        HistoryLine::run(run(week, &levels), RunStanding::Accepted, Vec::new())
    };
    let lines = (0..10)
        .map(|week| line(week, 0.0))
        .chain((10..20).map(|week| line(week, 0.3)));
    let trends = trends(&History::resolve(lines), &Gate::default());
    let trend = &trends[0];
    assert_eq!(
        (trend.variant.as_str(), trend.metric),
        ("a/x", Metric::Ttft)
    );
    assert_eq!((trend.points.len(), trend.skipped), (20, 0));
    assert_eq!(trend.changes.iter().map(|c| c.at).collect::<Vec<_>>(), [10]);
    assert!(trend.points[0].level > 400e6 && trend.points[0].level < 700e6);
    assert!(
        trend
            .detectable_worsening
            .is_some_and(|floor| floor.worsening > 0.05 && !floor.at_least)
    );
    let completed = trends
        .iter()
        .find(|t| t.metric == Metric::Completed)
        .unwrap();
    assert!(
        completed
            .points
            .iter()
            .all(|p| (p.level - 1.0).abs() < 1e-12)
    );
    // A single run has the floor of the prior alone: 4 % of a run, two runs, 80 % power. It contains nothing of
    // the noise within a run, and so promises nothing.
    let single = super::trends(&History::resolve([line(0, 0.0)]), &strict());
    let floor = single[0].detectable_worsening.unwrap();
    assert!((floor.worsening - 0.172).abs() < 0.001, "{floor:?}");
    assert!(floor.at_least);
}

#[test]
fn a_flagged_run_is_marked_for_the_variant_that_regressed() {
    // A reader who sees `flagged` beside a model that did not change looks for a fault where there is none.
    let mut both = run(0, &flat(8, 0.0));
    both.variants = vec![variant("a/x", &flat(8, 0.0)), variant("b/y", &flat(8, 0.3))];
    let finding = crate::record::Finding {
        variant: "b/y".to_owned(),
        metric: Metric::Ttft,
    };
    let line = HistoryLine::run(both, RunStanding::Flagged, vec![finding]);
    let trends = trends(&History::resolve([line]), &Gate::default());
    let concerned = |label: &str| {
        let trend = trends.iter().find(|trend| trend.variant == label).unwrap();
        trend.points[0].concerned
    };
    assert_eq!((concerned("a/x"), concerned("b/y")), (false, true));
}

#[test]
fn the_floor_of_a_history_is_that_of_its_next_run() {
    // Two reports with different smallest changes for one history would both be doubted.
    let history = History::resolve(
        quiet(12)
            .into_iter()
            .map(|run| HistoryLine::run(run, RunStanding::Accepted, Vec::new())),
    );
    let today = run(30, &flat(20, 0.0));
    for gate in [Gate::default(), strict()] {
        let floor = trends(&history, &gate)[0]
            .detectable_worsening
            .unwrap()
            .worsening;
        let judgement =
            compare_with_history(&today, &PastRuns::from_history(&history, &today), &gate);
        let reported = ttft(&judgement).detectable_change.unwrap();
        assert!((floor / reported - 1.0).abs() < 0.1, "{floor} {reported}");
    }
}

/// Any run of up to two variants, on prompts that may come and go.
fn any_run(week: i64) -> impl Strategy<Value = HistoryRun> {
    let cell = (-3.0..3.0_f64, 0_u32..4, 0_usize..9);
    let mix = (0_u64..20, 0_u64..20, 0_u64..20, any::<bool>());
    let variants = prop::collection::vec((prop::collection::vec(cell, 0..10), mix), 0..3);
    variants.prop_map(move |variants| {
        let mut any = run(week, &[]);
        any.variants.clear();
        for (index, (cells, mix)) in variants.into_iter().enumerate() {
            let levels: Vec<f64> = cells.iter().map(|(ln, ..)| ln + 19.0).collect();
            let mut variant = variant(["a/x", "b/y"][index % 2], &levels);
            for (prompt, (_, completed, digest)) in variant.prompts.iter_mut().zip(&cells) {
                prompt.trials = 3;
                prompt.completed = 3.min(*completed);
                prompt.digest = format!("digest-{digest}").into();
                if *completed == 0 {
                    prompt.levels = MetricLevels::default();
                }
            }
            (
                variant.mix.excluded,
                variant.mix.retried,
                variant.mix.reasoned,
                variant.drifted,
            ) = mix;
            any.variants.push(variant);
        }
        any
    })
}

fn any_past() -> impl Strategy<Value = Vec<HistoryRun>> {
    (0..12_usize).prop_flat_map(|count| {
        (0..i64::try_from(count).unwrap())
            .map(any_run)
            .collect::<Vec<_>>()
    })
}

proptest! {
    // For any history, judging ends, and every inconclusive verdict has a reason.
    #[test]
    fn any_history_can_be_judged(
        accepted in any_past(), flagged in any_past(), today in any_run(40),
        control in any::<bool>(), confirm in any::<bool>(),
    ) {
        let gate = Gate {
            primary: Metric::ALL.to_vec(),
            control: control.then(|| "b/y".to_owned()),
            confirm,
            ..Gate::default()
        };
        let past = PastRuns { accepted, flagged, ..PastRuns::default() };
        let judgement = compare_with_history(&today, &past, &gate);
        for comparison in &judgement.comparisons {
            let unsure = comparison.verdict == Verdict::Inconclusive;
            prop_assert!(!unsure || !comparison.reasons.is_empty(), "{:?}", comparison);
        }
        let after = history_updates(&today, &past, &judgement);
        prop_assert!(after.len() <= 1 + past.open.len());
        trends(&History::resolve(past.lines()), &Gate::default());
        if let Some(before) = past.accepted.last()
            && let Ok(pair) = pair_runs(before.clone(), &today, &DeclaredChange::ALL)
        {
            compare_runs(&today, &pair, &gate);
        }
    }

    // The order in which runs are stored is irrelevant; a stored history gives the same judgement.
    #[test]
    fn storage_changes_nothing(
        (accepted, shuffled) in any_past().prop_flat_map(|runs| (Just(runs.clone()), Just(runs).prop_shuffle())),
        today in any_run(40),
    ) {
        let gate = Gate::default();
        let ours = compare_with_history(&today, &past(accepted), &gate);
        let shuffled = past(shuffled);
        prop_assert_eq!(&ours, &compare_with_history(&today, &shuffled, &gate));
        let stored = PastRuns::from_history(&History::resolve(shuffled.lines()), &today);
        prop_assert_eq!(&ours, &compare_with_history(&today, &stored, &gate));
    }

    // Nanoseconds or seconds: the unit of all levels changes no ratio (except through the absolute floor).
    #[test]
    fn the_unit_of_times_is_irrelevant(seed in any::<u64>(), unit in -10.0..5.0_f64, shift in -0.3..0.3_f64) {
        let judged = |unit: f64| {
            let mut noise = SeededNoise::with_seed(seed);
            let runs = (0..5).map(|week| run(week, &noise.levels(8, 0.03, unit)));
            let past = past(runs.collect());
            let today = run(9, &noise.levels(8, 0.03, unit + shift));
            ttft(&compare_with_history(&today, &past, &strict())).clone()
        };
        let (ours, theirs) = (judged(0.0), judged(unit));
        let (a, b) = (ours.effect.unwrap(), theirs.effect.unwrap());
        prop_assert!((a.estimate / b.estimate - 1.0).abs() < 1e-9);
        let (p, q) = (ours.tests.unwrap(), theirs.tests.unwrap());
        prop_assert!((p.worse - q.worse).abs() < 1e-9);
    }

    // However precise each run is, the interval is no narrower than the spread between runs allows.
    #[test]
    fn precise_runs_are_no_certain_difference(means in prop::collection::vec(-0.2..0.2_f64, 2..12)) {
        let runs = (0..).zip(&means).map(|(week, mean)| run(week, &flat(30, *mean)));
        let judgement = compare_with_history(&run(30, &flat(30, 0.0)), &past(runs.collect()), &strict());
        let interval = ttft(&judgement).effect.unwrap().interval.map(f64::ln);
        let k = means.len() as f64;
        let centre = means.iter().sum::<f64>() / k;
        let squares: f64 = means.iter().map(|mean| (mean - centre).powi(2)).sum();
        let sd = ((6.0 * 0.04_f64.powi(2) + squares) / (6.0 + k - 1.0)).sqrt();
        prop_assert!(interval.half_width().unwrap() >= 1.95 * sd * (1.0 + 1.0 / k).sqrt());
    }
}
