//! The states of a finding: a second run confirms it, clears it, or its level becomes the new baseline.

use super::*;

/// Returns the standings and findings that the lines add to a history.
fn standings(lines: &[HistoryLine]) -> Vec<(String, RunStanding)> {
    let line = |line: &HistoryLine| match line {
        HistoryLine::Run(entry) => (entry.run.run.clone(), entry.standing),
        HistoryLine::Mark { run, standing } => (run.clone(), *standing),
    };
    lines.iter().map(line).collect()
}

#[test]
fn a_first_finding_waits_for_a_second_run() {
    // One run of 40 is flagged by chance: with `confirm` a build fails only after a second finding.
    let gate = Gate {
        confirm: true,
        ..strict()
    };
    let mut lines: Vec<HistoryLine> = quiet(8)
        .into_iter()
        .map(|run| HistoryLine::run(run, RunStanding::Accepted, Vec::new()))
        .collect();
    let mut judged = |name: &str, minutes: i64, shift: f64| {
        let mut today = run(30, &flat(20, shift));
        today.run = name.to_owned();
        let second = noon(30).as_second() + 60 * minutes;
        today.started_at = jiff::Timestamp::from_second(second).unwrap();
        let past = PastRuns::from_history(&History::resolve(lines.clone()), &today);
        let judgement = compare_with_history(&today, &past, &gate);
        let after = history_updates(&today, &past, &judgement);
        lines.extend(after.clone());
        (ttft(&judgement).verdict, standings(&after))
    };
    let named = |name: &str, standing| (name.to_owned(), standing);
    let (verdict, lines) = judged("first", 0, 0.4);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert_eq!(lines, [named("first", RunStanding::Pending)]);
    // Half an hour later is the same slow hour.
    let (verdict, lines) = judged("soon", 30, 0.4);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert_eq!(lines, [named("soon", RunStanding::Pending)]);
    let (verdict, lines) = judged("later", 61, 0.4);
    assert_eq!(verdict, Verdict::Regressed);
    let confirmed = RunStanding::Confirmed;
    assert_eq!(
        lines,
        [
            named("first", confirmed),
            named("soon", confirmed),
            named("later", confirmed)
        ]
    );
    // It lasts: no waiting again. Then it is over, and the next finding is a first one.
    assert_eq!(judged("lasting", 70, 0.4).0, Verdict::Regressed);
    let (verdict, lines) = judged("clean", 140, 0.0);
    assert_eq!(verdict, Verdict::Ok);
    assert!(lines.len() == 4 && lines.iter().all(|(_, s)| *s == RunStanding::Recovered));
    assert_eq!(judged("again", 210, 0.4).0, Verdict::Inconclusive);
    assert_eq!(
        judged("calm", 280, 0.0).1,
        [named("again", RunStanding::Cleared)]
    );
}

#[test]
fn noise_stays_in_the_variance_and_a_confirmed_change_does_not() {
    // Without the runs that were called regressed by chance, a history looks calmer than it is.
    let today = run(30, &flat(20, 0.1));
    let entry = |standing| {
        let run = run(29, &flat(20, 0.3));
        let finding = crate::record::Finding {
            variant: "a/x".to_owned(),
            metric: Metric::Ttft,
        };
        let mut lines: Vec<HistoryLine> = quiet(6)
            .into_iter()
            .map(|mut run| {
                run.run.push_str("-accepted");
                HistoryLine::run(run, RunStanding::Accepted, Vec::new())
            })
            .collect();
        lines.push(HistoryLine::run(run, standing, vec![finding]));
        let past = PastRuns::from_history(&History::resolve(lines), &today);
        let half = ttft(&compare_with_history(&today, &past, &strict()))
            .effect
            .unwrap()
            .interval;
        half.map(f64::ln).half_width().unwrap()
    };
    let without = entry(RunStanding::Recovered);
    assert!(entry(RunStanding::Cleared) > 1.3 * without);
    for standing in [RunStanding::Confirmed, RunStanding::Pending] {
        assert!((entry(standing) - without).abs() < 1e-12);
    }
}

#[test]
fn a_new_baseline_replaces_the_old_one() {
    // After an accepted change the old level is no longer compared with.
    let mut lines: Vec<HistoryLine> = (0..6)
        .map(|week| HistoryLine::run(run(week, &flat(8, 0.0)), RunStanding::Accepted, Vec::new()))
        .collect();
    lines.push(HistoryLine::run(
        run(6, &flat(8, 0.5)),
        RunStanding::BaselineReset,
        Vec::new(),
    ));
    let today = run(8, &flat(8, 0.5));
    let past = PastRuns::from_history(&History::resolve(lines), &today);
    assert_eq!(past.accepted.len(), 1);
    assert_eq!(
        ttft(&compare_with_history(&today, &past, &Gate::default()))
            .size
            .runs,
        1
    );
}
