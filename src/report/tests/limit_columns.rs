//! Every metric of `comparison.csv` and `samples.csv` can be a limit, and a limit reads it as the table does.

use std::collections::BTreeSet;

use crate::catalog::{Rates, TokenPrices};
use crate::record::{Grade, ModelPrices, summarize_gaps};
use crate::suite::{Gate, GateLimit, LimitBound, Metric, Quantity, Unit};
use crate::units::{Nanos, Usd};
use crate::verdict::fixture::plain_run;
use crate::verdict::{EvidenceFold, LimitCheck, LimitStatus, frontier, unreachable_limit};

use super::*;

#[rustfmt::skip] // A table reads as a table.
/// Columns of `comparison.csv` without a limit, each with what stands in its place.
const NO_LIMIT: [(&str, &[&str]); 8] = [
    (
        "what the row is of",
        &["variant", "model", "reference", "prices_date", "status", "simulated"],
    ),
    (
        "the size of the run: a limit is on a share or a mean",
        &["planned", "n", "answered", "graded", "passed", "cache_reported", "cache_hits"],
    ),
    (
        "sums that grow with the run: a limit is on the mean, and `--max-cost` on the run",
        &[
            "prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens", "cache_write_tokens",
            "cost_usd_total", "billed_usd_total", "market_usd_total", "cache_saved_usd_total", "cache_without_usd_total",
        ],
    ),
    (
        "comparisons with the reference, which are judged as such",
        &[
            "ratio_ttft_p50", "ratio_ttfa_p50", "ratio_latency_p50", "ratio_output_rate_p50",
            "ratio_completion_tokens_mean", "ratio_cost_mean", "ratio_cache_hit_ttft_p50",
        ],
    ),
    ("a comparison of all variants", &["dominated_by"]),
    ("a property of the price list", &["cache_break_even_reuses"]),
    ("a property of the client", &["ttft_error_ms"]),
    ("limited as its complement, `error_rate`", &["completed_share"]),
];

/// The key of the limit on a column of `comparison.csv`.
fn key_of(column: &str) -> String {
    match column {
        "cost_usd_mean" => "cost_per_request".to_owned(),
        "cost_usd_per_completed" => "cost_per_completed".to_owned(),
        "cost_usd_per_passed" => "cost_per_passed".to_owned(),
        _ => column.strip_suffix("_ms").unwrap_or(column).to_owned(),
    }
}

/// A column of `samples.csv` that measures a trial, and the quantity that limits it over trials.
const OF_SAMPLES: [(&str, &str); 31] = [
    ("outcome", "error_rate"),
    ("lag_ns", "lag_p95"),
    ("connect_ns", "connect_p95"),
    ("headers_ns", "headers_p95"),
    ("ttft_ns", "ttft_p95"),
    ("ttfa_ns", "ttfa_p95"),
    ("first_unit_ns", "first_unit_p95"),
    ("last_token_ns", "last_token_p95"),
    ("latency_ns", "latency_p95"),
    ("experienced_ttft_ns", "experienced_ttft_p95"),
    ("gaps_mean_ns", "request_gap_p95"),
    ("gaps_p50_ns", "gap_p50"),
    ("gaps_p95_ns", "gap_p95"),
    ("gaps_max_ns", "gap_max"),
    ("gaps_coalesced", "coalesced_share"),
    ("answer_chars", "answer_chars_mean"),
    ("reasoning_chars", "reasoning_chars_mean"),
    ("first_chunk_chars", "first_chunk_chars_mean"),
    ("prompt_tokens", "prompt_tokens_mean"),
    ("completion_tokens", "completion_tokens_mean"),
    ("reasoning_tokens", "reasoning_tokens_mean"),
    ("cached_tokens", "cached_tokens_mean"),
    ("cache_write_tokens", "cache_write_tokens_mean"),
    ("output_rate", "output_rate_p50"),
    ("end_to_end_rate", "end_to_end_rate_p50"),
    ("chars_per_second", "chars_per_second_p50"),
    ("cost_usd", "cost_per_request"),
    ("billed_usd", "billed_usd_mean"),
    ("surcharge_usd", "surcharge_usd_mean"),
    ("market_usd", "market_usd_mean"),
    ("attempts", "retried"),
];

#[rustfmt::skip] // A table reads as a table.
/// Columns of `samples.csv` that identify a trial, order it, describe its answer in words, or are a part of another.
const NO_MEASURE: [&str; 30] = [
    "trial", "slot", "round", "prompt", "prompt_digest", "repetition", "variant", "model", "weight", "tags", "metadata", "answered",
    "failure", "error_status", "error_type", "error_message", "request_id", "sent_ns", "scheduled_ns", "tcp_ns", "tls_ns", "gaps_count",
    "finish_reason", "provider", "served_model", "generation_id", "flags", "passed", "score", "failed_checks",
];

/// A run with every figure of its table, whose gate limits every quantity, in all or per prompt.
fn limited_run(per_prompt: bool) -> (Manifest, Vec<Sample>) {
    let (mut run, mut samples) = plain_run(2, 3, 40);
    let rates = Rates {
        input: Some(Usd(1_000_000)),
        output: Some(Usd(4_000_000)),
        cache_read: Some(Usd(100_000)),
        cache_write: Some(Usd(1_250_000)),
        ..Rates::default()
    };
    for variant in &run.suite.variants {
        let prices = ModelPrices::new(variant.model.clone(), &TokenPrices::flat(rates));
        run.prices.as_mut().unwrap().models.push(prices);
    }
    for (number, sample) in (0_u64..).zip(&mut samples) {
        let gaps: Vec<Nanos> = (1..=9)
            .map(|gap| Nanos((number % 13 + gap * gap) * 777_000))
            .collect();
        sample.gaps = Some(summarize_gaps(&gaps, number % 3));
        let usage = sample.usage.as_mut().unwrap();
        usage.prompt_tokens = Some(50 + number % 7);
        usage.completion_tokens = Some(90 + number % 17);
        usage.reasoning_tokens = Some(number % 5);
        usage.cached_tokens = Some(if number % 3 == 0 { 20 } else { 0 });
        usage.cache_write_tokens = Some(number % 2 * 10);
        sample.cost_usd = Some(Usd(500_000_000 + i128::from(number % 11) * 1_000_000));
        sample.billed_usd = Some(Usd(500_000_000 + i128::from(number % 5) * 1_000_000));
        sample.market_usd = Some(Usd(400_000_000 + i128::from(number % 7) * 1_000_000));
        if number % 4 < 3 {
            let pass = number % 5 > 0;
            sample.grades = vec![Grade::new("right", if pass { 1.0 } else { 0.25 }, pass)];
        }
    }
    for number in [20, 77] {
        samples[number] = failed(samples[number].clone(), Outcome::ServerError, 500, "gone");
    }
    samples[30] = flagged(samples[30].clone(), Flag::Fallback);
    samples[31] = flagged(samples[31].clone(), Flag::Buffered);
    let limits = Quantity::all().map(|quantity| GateLimit {
        quantity,
        bound: match quantity.unit() {
            Unit::Time => LimitBound::Time(Nanos::from_millis(400)),
            Unit::Share => LimitBound::Share(0.5),
            Unit::Usd => LimitBound::Usd(Usd(450_000_000)),
            Unit::Number | Unit::Trials => LimitBound::Number(50.0),
        },
        per_prompt,
        abort: false,
    });
    run.suite.gate = Some(Gate {
        limits: limits.collect(),
        ..Gate::default()
    });
    (run, samples)
}

fn checks(run: &Manifest, samples: &[Sample]) -> Vec<LimitCheck> {
    read(run, samples).evaluation.limits
}

/// The figure of a limit's estimate, as the table writes it.
fn plain(check: &LimitCheck) -> String {
    let figure = limit_wording::figure(check.quantity);
    check
        .estimate
        .map_or(String::new(), |estimate| figure(estimate).plain())
}

#[test]
fn every_metric_of_the_table_can_be_a_limit() {
    // A metric that is shown and cannot be held to anything will not be looked at for long.
    let (run, samples) = limited_run(false);
    let report = read(&run, &samples);
    let frontier = frontier(&report.summary, Metric::Ttft);
    let table = columns::comparison(&report.summary, &frontier, None, ("complete", true));
    let label = &run.suite.variants[0].label;
    let checks: Vec<&LimitCheck> = (report.evaluation.limits.iter())
        .filter(|check| check.variant == *label)
        .collect();
    let without = |name: &str| NO_LIMIT.iter().any(|(_, columns)| columns.contains(&name));
    let mut compared = 0;
    for (column, cell) in table.columns.iter().zip(&table.rows[0]) {
        let name = column.name.as_ref();
        let is_end = name.ends_with("_lower") || name.ends_with("_upper");
        if without(name) || is_end || name.ends_with("_n") {
            continue;
        }
        let key = key_of(name);
        let check = checks.iter().find(|check| check.quantity.word() == key);
        let check = check.unwrap_or_else(|| panic!("no limit `{key}` for the column {name}"));
        // The limit weighs prompts as the suite does, the column counts every sample once.
        if name != "cost_usd_mean" {
            assert_eq!(plain(check), cell.figure.plain(), "{name}");
        }
        assert!(
            check.estimate.is_some() && check.n > 0,
            "{name} is not known here"
        );
        compared += 1;
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn every_measure_of_a_sample_can_be_a_limit() {
    // The columns are taken from the code: a new one is limited, or stands here with a reason.
    let keys: BTreeSet<String> = Quantity::all().map(Quantity::word).collect();
    let header = samples_csv(&small_run().0, &[]);
    let columns: BTreeSet<&str> = header.trim().split(',').collect();
    let known: BTreeSet<&str> = (OF_SAMPLES.iter().map(|(column, _)| *column))
        .chain(NO_MEASURE)
        .collect();
    assert_eq!(columns, known);
    for (column, key) in OF_SAMPLES {
        assert!(keys.contains(key), "{column}: {key}");
    }
}

#[test]
fn a_limit_per_prompt_names_the_prompt() {
    // One slow prompt disappears among the others: each is checked alone, and every output names it.
    let (mut run, mut samples) = plain_run(1, 3, 20);
    let limit = |quantity, bound| GateLimit {
        quantity,
        bound,
        per_prompt: true,
        abort: false,
    };
    let median = Quantity::all()
        .find(|one| one.word() == "ttft_p50")
        .unwrap();
    run.suite.gate = Some(Gate {
        limits: vec![limit(median, LimitBound::Time(Nanos::from_millis(600)))],
        ..Gate::default()
    });
    for sample in samples
        .iter_mut()
        .filter(|sample| sample.prompt == "prompt-001")
    {
        sample.ttft_ns = sample.ttft_ns.map(|ttft| Nanos(3 * ttft.0));
    }
    let report = read(&run, &samples);
    let found = report.evaluation.limits.iter();
    let found: Vec<_> = found
        .map(|check| (check.prompt.as_deref().unwrap(), check.status))
        .collect();
    assert_eq!(
        found,
        [
            ("prompt-000", LimitStatus::Within),
            ("prompt-001", LimitStatus::Exceeded),
            ("prompt-002", LimitStatus::Within),
        ]
    );
    let junit = render(&report, ReportFormat::Junit);
    assert!(
        junit.contains("name=\"creator/model-00: limit ttft_p50 of prompt prompt-001\""),
        "{junit}"
    );
    let json = render(&report, ReportFormat::Json);
    assert!(json.contains("\"prompt\": \"prompt-001\""), "{json}");
    let page = render(&report, ReportFormat::Markdown);
    assert!(
        page.contains("limit ttft_p50 of prompt prompt-001 of at most 600 ms is broken"),
        "{page}"
    );
}

#[test]
fn no_limit_depends_on_the_order_of_samples() {
    // Sums of fractions depend on their order, and answers come in any.
    for per_prompt in [false, true] {
        let (run, samples) = limited_run(per_prompt);
        let reversed: Vec<Sample> = samples.iter().rev().cloned().collect();
        assert_eq!(checks(&run, &samples), checks(&run, &reversed));
    }
}

#[test]
fn what_ends_a_run_is_not_met_in_the_end() {
    // Any quantity that may end a run: its best case is known to be the best.
    let (mut run, samples) = limited_run(false);
    let begun = [40, 120, 200].map(|done| {
        let mut fold = EvidenceFold::new(&run);
        samples[..done].iter().for_each(|sample| fold.add(sample));
        fold.snapshot()
    });
    let mut given_up = 0;
    for bound in [1, 100, 1_000, 10_000] {
        let limits = &mut run.suite.gate.as_mut().unwrap().limits;
        limits.retain(|limit| limit.quantity.can_abort());
        for limit in limits {
            limit.abort = true;
            limit.bound = match limit.bound {
                LimitBound::Time(_) => LimitBound::Time(Nanos(1 + bound * 200_000)),
                LimitBound::Usd(_) => LimitBound::Usd(Usd(i128::from(bound) * 500_000)),
                LimitBound::Number(_) => LimitBound::Number(bound as f64 * 0.06),
                LimitBound::Share(share) => LimitBound::Share(share),
            };
        }
        let end = checks(&run, &samples);
        let gate = run.suite.gate.as_ref().unwrap();
        for (limit, evidence) in gate
            .limits
            .iter()
            .flat_map(|limit| begun.each_ref().map(|one| (limit, one)))
        {
            let alone = Gate {
                limits: vec![limit.clone()],
                ..gate.clone()
            };
            let Some(broken) = unreachable_limit(evidence, &alone, run.suite.repetitions) else {
                continue;
            };
            given_up += 1;
            let is_same = |check: &&LimitCheck| {
                (&check.variant, check.quantity) == (&broken.variant, broken.quantity)
            };
            let end = end.iter().find(is_same).unwrap();
            assert_ne!(end.status, LimitStatus::Within, "{broken:?} {end:?}");
        }
    }
    assert!(given_up > 100, "{given_up}");
}
