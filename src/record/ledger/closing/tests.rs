use super::super::{ModelSpending, append};
use super::*;
use crate::record::{Attempt, Outcome, RequestEvent, RequestLog, Sample, example};

const CAP: i128 = 1_000;

fn open_line(run: &str, cap: Option<i128>) -> LedgerLine {
    LedgerLine {
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
    }
}

fn sent(request_id: &str) -> RequestEvent {
    RequestEvent::Sent {
        request_id: request_id.to_owned(),
        model: example::plain_sample(0).model,
        bound_usd: Some(Usd(100)),
    }
}

/// A sample whose attempts have these ids and outcomes, of which the last cost so much.
fn sample(attempts: &[(&str, Outcome, Option<u16>)], cost: Option<i128>) -> Sample {
    let plain = example::plain_sample(0);
    let attempt = |&(request_id, outcome, status): &(&str, Outcome, Option<u16>)| Attempt {
        request_id: request_id.to_owned(),
        outcome,
        status,
        ..plain.attempts[0].clone()
    };
    Sample {
        outcome: attempts.last().unwrap().1,
        cost_usd: cost.map(Usd),
        billed_usd: None,
        market_usd: None,
        attempts: attempts.iter().map(attempt).collect(),
        ..plain.clone()
    }
}

/// A run in `reports` with these samples and requests, and its log, which is held.
fn begin(
    reports: &Path,
    name: &str,
    cap: Option<i128>,
    samples: &[Sample],
    events: Vec<RequestEvent>,
) -> RequestLog {
    let run = Run::create(reports, "s", name).unwrap();
    let mut manifest = example::manifest("s");
    manifest.status = Status::Running;
    run.write_manifest(&manifest).unwrap();
    let mut journal = run.new_samples().unwrap();
    for sample in samples {
        journal.append(sample).unwrap();
    }
    let log = RequestLog::create(run.folder()).unwrap().unwrap();
    assert!(log.append(events));
    append(
        reports,
        &open_line(name, cap),
        &mut crate::record::example::patient(),
    )
    .unwrap();
    log
}

#[test]
fn a_killed_run_counts_with_what_it_cost_and_what_it_can_have_cost() {
    // $0.18 were spent and a day of $135 was closed: of each request either its cost counts, or its bound.
    let folder = tempfile::tempdir().unwrap();
    let samples = [
        sample(&[("known", Outcome::Complete, Some(200))], Some(7)),
        // The first attempt may have been billed, the rejected one was not.
        sample(
            &[
                ("failed", Outcome::ServerError, Some(502)),
                ("rejected", Outcome::Rejected, Some(400)),
            ],
            None,
        ),
        // The counts of an answer that was cut are those of its beginning.
        sample(&[("cut", Outcome::Cut, Some(200))], Some(30)),
    ];
    let ended = |request_id: &str, spent: Option<i128>| RequestEvent::Ended {
        request_id: request_id.to_owned(),
        outcome: Outcome::Complete,
        spent_usd: spent.map(Usd),
    };
    let mut events: Vec<_> = [
        "warm-up",
        "billed",
        "known",
        "failed",
        "rejected",
        "cut",
        "in flight",
    ]
    .map(sent)
    .into();
    events.extend([ended("warm-up", Some(3)), ended("billed", None)]);
    let log = begin(folder.path(), "r", Some(CAP), &samples, events);
    drop(log);
    let closed = close_ended(folder.path(), &mut crate::record::example::patient()).unwrap();
    assert_eq!(closed.len(), 1);
    let line = &closed[0];
    assert_eq!(line.status, Status::Incomplete(KILLED.to_owned()));
    assert_eq!(line.spent(), Usd(7 + 30 + 3));
    // `failed`, `billed` and `in flight` at their bound, `cut` above what its counts say.
    assert_eq!(line.reserved_usd, Some(Usd(3 * 100 + 70)));
    // The warm-up has no variant, and so a row of its own.
    let sum = |count: fn(&ModelSpending) -> u64| -> u64 { line.models.iter().map(count).sum() };
    assert_eq!((sum(|row| row.requests), sum(|row| row.unknown)), (7, 3));
    // The manifest has the status too, and the ledger has one line more.
    let run = Run::open(&folder.path().join("s/r")).unwrap();
    assert_eq!(run.manifest().unwrap().status, line.status);
    assert_eq!(super::super::read(folder.path()).unwrap().lines, closed);
    assert_eq!(
        close_ended(folder.path(), &mut crate::record::example::patient()).unwrap(),
        []
    );
}

#[test]
fn a_run_that_goes_on_is_left_alone() {
    // A live run that is closed would spend on top of a cap that counts it as over.
    let folder = tempfile::tempdir().unwrap();
    let log = begin(folder.path(), "r", Some(CAP), &[], vec![sent("a")]);
    assert_eq!(
        close_ended(folder.path(), &mut crate::record::example::patient()).unwrap(),
        []
    );
    let mut held =
        LockedLedger::lock(folder.path(), &mut crate::record::example::patient()).unwrap();
    assert!(matches!(
        held.close_run("r").unwrap(),
        CloseOutcome::Alive(_)
    ));
    assert_eq!(held.close_run("other").unwrap(), CloseOutcome::NotFound);
    drop(held);
    assert!(super::super::read(folder.path()).unwrap().lines[0].is_open());
    drop(log);
    let mut held =
        LockedLedger::lock(folder.path(), &mut crate::record::example::patient()).unwrap();
    let CloseOutcome::Closed(line) = held.close_run("r").unwrap() else {
        panic!("its process is gone")
    };
    let again = held.close_run("r").unwrap();
    assert_eq!(again, CloseOutcome::AlreadyEnded(line));
}

#[test]
fn without_a_whole_log_the_rest_of_the_cap_counts() {
    // Runs of an earlier version have no log, and one of before a crash of the system may lack its last lines.
    let folder = tempfile::tempdir().unwrap();
    append(
        folder.path(),
        &open_line("earlier", Some(CAP)),
        &mut crate::record::example::patient(),
    )
    .unwrap();
    let mut held =
        LockedLedger::lock(folder.path(), &mut crate::record::example::patient()).unwrap();
    assert_eq!(held.close_run("earlier").unwrap(), CloseOutcome::Unknown);
    drop(held);
    let samples = [sample(&[("a", Outcome::Complete, Some(200))], Some(7))];
    let log = begin(folder.path(), "r", Some(CAP), &samples, vec![sent("a")]);
    drop(log);
    let path = folder.path().join("s/r").join(RequestLine::FILE);
    let text = fs::read_to_string(&path).unwrap();
    for lost in [
        "no line\n",
        "{\"version\":1,\"event\":{\"opened\":{\"boot\":\"x\"}}}\n",
    ] {
        let ours = text.split_once('\n').unwrap().1;
        fs::write(&path, format!("{lost}{ours}")).unwrap();
        let mut line = open_line("r", Some(CAP));
        let log = fs::File::open(&path).unwrap();
        settle(&mut line, &folder.path().join("s/r"), &log).unwrap();
        assert_eq!(line.spent(), Usd(7));
        assert_eq!(line.reserved_usd, Some(Usd(CAP - 7)), "{lost}");
    }
}

#[test]
fn a_run_without_a_cap_has_unknown_requests_and_no_bound() {
    // Nothing bounds them, so that a sum would be an invention.
    let folder = tempfile::tempdir().unwrap();
    let log = begin(folder.path(), "r", None, &[], vec![sent("a"), sent("b")]);
    drop(log);
    let closed = close_ended(folder.path(), &mut crate::record::example::patient()).unwrap();
    assert_eq!(closed[0].reserved_usd, None);
    assert_eq!(closed[0].models[0].unknown, 2);
}

#[test]
fn several_that_close_a_run_leave_one_line() {
    // Every command that reads the ledger closes what it finds, and several do at the same moment.
    let folder = tempfile::tempdir().unwrap();
    let log = begin(folder.path(), "r", Some(CAP), &[], vec![sent("a")]);
    drop(log);
    let closed: usize = std::thread::scope(|scope| {
        let each = (0..8).map(|_| {
            scope.spawn(|| {
                close_ended(folder.path(), &mut crate::record::example::patient())
                    .unwrap()
                    .len()
            })
        });
        let each: Vec<_> = each.collect();
        each.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(closed, 1);
    let ledger = fs::read_to_string(folder.path().join(LedgerLine::FILE)).unwrap();
    assert_eq!(ledger.lines().count(), 2);
}
