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
fn a_request_costs_the_largest_of_what_is_told() {
    // With own keys the gateway bills nothing, and money is spent all the same. What nobody tells is
    // counted as unknown: an attempt that was turned down is not.
    let mut spending = Spending::default();
    spending.add_sample(&sample(Outcome::Complete, [Some(5), Some(0), Some(7)]));
    spending.add_sample(&sample(Outcome::Cut, [None, None, None]));
    let model = example::plain_sample(0).model;
    spending.add_untimed(&model, Outcome::Complete, Some(Usd(3)));
    spending.add_untimed(&model, Outcome::Complete, None);
    let expected = ModelSpending {
        model,
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
        version: 1,
        run: "r".to_owned(),
        suite: "s".to_owned(),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        endpoint: "sim".to_owned(),
        simulated: true,
        status: Status::Incomplete("the cap".to_owned()),
        models: Vec::new(),
        kept_usd: Some(Usd(4)),
        estimate_usd: None,
    };
    append(folder.path(), &line).unwrap();
    let path = folder.path().join("ledger.jsonl");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"version\":1,\n");
    std::fs::write(&path, text).unwrap();
    append(folder.path(), &line).unwrap();
    let ledger = read(folder.path()).unwrap();
    assert_eq!(ledger.lines, [line.clone(), line]);
    assert_eq!(ledger.problems.len(), 1);
    assert_eq!(ledger.lines[0].at_most(), Usd(4));
}
