use super::*;
use crate::record::Attempt;
use crate::record::example;

fn sample(outcome: Outcome, costs: [Option<i128>; 3]) -> Sample {
    let [cost_usd, billed_usd, market_usd] = costs.map(|cost| cost.map(Usd));
    let answered = example::plain_sample(0);
    let attempt = |outcome, status| Attempt {
        outcome,
        status,
        ..answered.attempts[0].clone()
    };
    Sample {
        outcome,
        cost_usd,
        billed_usd,
        market_usd,
        attempts: vec![
            attempt(Outcome::RateLimited, Some(429)),
            attempt(Outcome::ServerError, Some(502)),
            attempt(outcome, Some(200)),
        ],
        ..answered
    }
}

#[test]
fn a_request_costs_the_largest_reported_amount() {
    // With own keys the gateway bills nothing, and money is spent all the same. An unreported cost is counted
    // as unknown, except that of an attempt that was rejected.
    let mut spending = Spending::default();
    spending.add_sample(&sample(Outcome::Complete, [Some(5), Some(0), Some(7)]));
    spending.add_sample(&sample(Outcome::Cut, [None, None, None]));
    let model = example::plain_sample(0).model;
    spending.add_untimed(&model, Some("v0"), Outcome::Complete, Some(Usd(3)));
    spending.add_untimed(&model, Some("v0"), Outcome::Complete, None);
    let expected = ModelSpending {
        model,
        variant: Some("v0".to_owned()),
        requests: 8,
        unknown: 2 + 1 + 1,
        spent_usd: Usd(10),
        list_usd: Some(Usd(5)),
        billed_usd: Some(Usd(0)),
        market_usd: Some(Usd(7)),
    };
    assert_eq!(spending.into_models(), [expected]);
}

#[test]
fn a_ledger_is_appended_to_and_read_again() {
    // A broken line costs no other: the sums of a year must survive one crash.
    let folder = tempfile::tempdir().unwrap();
    assert!(read(folder.path()).unwrap().lines.is_empty());
    let line = LedgerLine {
        version: LedgerLine::VERSION,
        run: "r".to_owned(),
        suite: "s".to_owned(),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        resumed_at: None,
        endpoint: "sim".to_owned(),
        simulated: true,
        status: Status::Incomplete("the cap".to_owned()),
        models: Vec::new(),
        reserved_usd: Some(Usd(4)),
        cap_usd: None,
        estimate_usd: None,
    };
    let next = LedgerLine {
        run: "q".to_owned(),
        ..line.clone()
    };
    append(folder.path(), &line, &mut crate::record::example::patient()).unwrap();
    let path = folder.path().join("ledger.jsonl");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"version\":1,\n");
    std::fs::write(&path, text).unwrap();
    append(folder.path(), &next, &mut crate::record::example::patient()).unwrap();
    let ledger = read(folder.path()).unwrap();
    assert_eq!(ledger.lines, [line, next]);
    assert_eq!(ledger.problems.len(), 1);
    assert_eq!(ledger.lines[0].at_most(), Usd(4));
}

#[test]
fn a_run_counts_once_and_a_killed_one_with_its_cap() {
    // Two lines a run would double every sum; and a killed run is not free because it could not say so.
    let folder = tempfile::tempdir().unwrap();
    let open = |run: &str, cap: Option<i128>| LedgerLine {
        version: LedgerLine::VERSION,
        run: run.to_owned(),
        suite: "s".to_owned(),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        resumed_at: None,
        endpoint: "sim".to_owned(),
        simulated: true,
        status: Status::Running,
        models: Vec::new(),
        reserved_usd: None,
        cap_usd: cap.map(Usd),
        estimate_usd: None,
    };
    let mut spending = Spending::default();
    spending.add_sample(&sample(Outcome::Complete, [Some(7), None, None]));
    let ended = LedgerLine {
        status: Status::Complete,
        models: spending.into_models(),
        ..open("ended", Some(100))
    };
    for line in [
        open("ended", Some(100)),
        open("killed", Some(50)),
        open("gone", Some(40)),
        open("uncapped", None),
        ended.clone(),
    ] {
        append(folder.path(), &line, &mut crate::record::example::patient()).unwrap();
    }
    for run in ["killed", "uncapped"] {
        let run = Run::create(folder.path(), "s", run).unwrap();
        run.write_manifest(&example::manifest("s")).unwrap();
        let mut journal = run.new_samples().unwrap();
        let finished = sample(Outcome::Complete, [Some(9), Some(12), None]);
        journal.append(&finished).unwrap();
    }
    let ledger = read(folder.path()).unwrap();
    let lines: Vec<(&str, i128, i128)> = (ledger.lines.iter())
        .map(|line| (line.run.as_str(), line.spent().0, line.at_most().0))
        .collect();
    assert_eq!(
        lines,
        [
            ("killed", 12, 50),
            // Its folder was removed: what is left of it is its cap.
            ("gone", 0, 40),
            ("uncapped", 12, 12),
            ("ended", 7, 7),
        ]
    );
    assert_eq!(ledger.lines[3], ended);
}

#[test]
fn a_last_line_that_was_cut_is_a_problem_like_any_other() {
    // A disk that was full, a copy that broke off: it may be a run of today, and it must not count as nothing.
    let folder = tempfile::tempdir().unwrap();
    for text in ["{\"version\":1,\"run\":\"r\"", "\u{1}\u{2}x"] {
        std::fs::write(folder.path().join("ledger.jsonl"), text).unwrap();
        let ledgers = [read(folder.path()).unwrap(), {
            let held =
                LockedLedger::lock(folder.path(), &mut crate::record::example::patient()).unwrap();
            held.read().unwrap()
        }];
        for ledger in ledgers {
            let problems: Vec<String> = ledger.problems.iter().map(ToString::to_string).collect();
            assert_eq!(
                problems,
                ["ledger.jsonl:1: it is incomplete: the last line has no end"]
            );
        }
    }
}

#[test]
fn who_holds_the_ledger_decides_alone() {
    // Sixteen that begin at once, each of which takes the first place that is free: none is taken twice.
    let folder = tempfile::tempdir().unwrap();
    let take = || {
        let held =
            LockedLedger::lock(folder.path(), &mut crate::record::example::patient()).unwrap();
        assert!(held.lock_error().is_none());
        let taken = held.read().unwrap().lines.len();
        let line = LedgerLine {
            version: LedgerLine::VERSION,
            run: taken.to_string(),
            suite: "s".to_owned(),
            started_at: jiff::Timestamp::UNIX_EPOCH,
            resumed_at: None,
            endpoint: "sim".to_owned(),
            simulated: true,
            status: Status::Complete,
            models: Vec::new(),
            reserved_usd: None,
            cap_usd: None,
            estimate_usd: None,
        };
        held.append(&line).unwrap();
    };
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(take);
        }
    });
    assert_eq!(read(folder.path()).unwrap().lines.len(), 16);
}
