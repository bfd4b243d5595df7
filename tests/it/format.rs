//! FORMAT.md names every key and column that the program stores, and no other; METHODOLOGY.md has
//! its table of percentiles.
//!
//! Records are built here field by field, all fields filled: a new field does not compile until it
//! stands here, and does not pass until it stands on the page.

#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use bakeoff::plan::Shard;
use bakeoff::record::ledger::{LedgerLine, ModelSpending};
use bakeoff::record::{
    ActualUsage, Amendment, AnswerMix, Attempt, CalibratedError, CliSelection, ClientDelay,
    ClientSetting, Conditions, ConnectionSetUp, EndpointRecord, ErrorReport, EstimateRecord,
    EstimatedVariant, FailureKind, Finding, Flag, Gaps, Grade, HistoryLine, HistoryPrompt,
    HistoryRun, HistoryVariant, JudgeRepeats, Judging, Level, Manifest, MetricLevels, ModelPrices,
    ModelRetirement, Outcome, PriceSource, PriceTier, RequestEvent, RequestLine, RunPart,
    RunStanding, Sample, Splice, Status, ToolCall, TtftError, UntilDecided, Usage, Warming,
    Yielding,
};
use bakeoff::report::ComparisonReport;
use bakeoff::stats::interval::Interval;
use bakeoff::stats::quantile::Percentile;
use bakeoff::suite::{
    ArrivalProcess, Assert, Bounds, CacheControl, CacheKind, CacheMode, CacheTtl, Caching, Check,
    ClockSource, ConcurrencyStage, Extract, Gate, GateLimit, LimitBound, LoadProfile, LoadStage,
    Measure, Message, Metric, OnExceeded, Parameters, Prompt, Quantity, Quotient, RateStage,
    ReasoningEffort, Reuse, Role, SharedShiftLimit, Statistic, Suite, SwitchRule, TextCheck,
    TextsCheck, Timeouts, TokenLimitName, Tool, TraceStage, TrialCount, Variant,
};
use bakeoff::units::{Nanos, Usd};
use bakeoff::verdict::Evaluation;
use bakeoff::verdict::{
    Comparison, ComparisonDesign, DeclaredChange, Effect, IncomparableHistory, Judgement,
    Procedure, Reason, RouteComparison, SampleSize, Verdict,
};
use serde_json::{Map, Value, json};

pub(crate) type Names = BTreeSet<String>;

/// Objects whose keys are the user's or the server's own.
const FREE: [&str; 5] = [
    "metadata",
    "provider_options",
    "extra",
    "providers",
    "levels_by_provider",
];

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The names in the first column of the tables below a heading of FORMAT.md.
pub(crate) fn documented(heading: &str) -> Names {
    let page = file("FORMAT.md");
    let after = page.split(&format!("# {heading}\n")).nth(1).unwrap();
    let section = after.split("\n#").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut names = Names::new();
    for row in rows {
        let first_cell = row.split(" | ").next().unwrap();
        let spans = first_cell.trim_end_matches('`').split("`, `");
        for name in spans.flat_map(expanded) {
            assert!(names.insert(name.clone()), "{heading} names {name} twice");
        }
    }
    names
}

/// Every name that a pattern with `{a,b}` stands for.
fn expanded(pattern: &str) -> Vec<String> {
    let Some((before, rest)) = pattern.split_once('{') else {
        return vec![pattern.to_owned()];
    };
    let (words, after) = rest.split_once('}').unwrap();
    let ends = expanded(after);
    let with_word = |word| ends.iter().map(move |end| format!("{before}{word}{end}"));
    words.split(',').flat_map(with_word).collect()
}

/// The paths of a value's leaves: `list[].key`.
fn paths(value: &Value) -> Names {
    fn walk(value: &Value, path: &str, found: &mut Names) {
        let free = FREE.iter().any(|name| path.ends_with(name));
        match value {
            Value::Object(object) if !free => {
                for (key, inner) in object {
                    let dot = if path.is_empty() { "" } else { "." };
                    walk(inner, &format!("{path}{dot}{key}"), found);
                }
            }
            Value::Array(list) if list.iter().any(Value::is_object) => {
                for inner in list {
                    walk(inner, &format!("{path}[]"), found);
                }
            }
            _ => {
                found.insert(path.to_owned());
            }
        }
    }
    let mut found = Names::new();
    walk(value, "", &mut found);
    found
}

/// Without the `[]` of lists of words: whether one is empty is not a matter of the format.
fn bare(names: Names) -> Names {
    let bare = |name: String| name.strip_suffix("[]").map_or(name.clone(), str::to_owned);
    names.into_iter().map(bare).collect()
}

pub(crate) fn assert_same(documented: Names, written: Names, what: &str) {
    let (documented, written) = (bare(documented), bare(written));
    let missing: Vec<_> = written.difference(&documented).collect();
    let stale: Vec<_> = documented.difference(&written).collect();
    assert!(
        missing.is_empty(),
        "FORMAT.md does not name, of {what}: {missing:?}"
    );
    assert!(
        stale.is_empty(),
        "FORMAT.md names what is not there, of {what}: {stale:?}"
    );
}

const MARK: CacheControl = CacheControl {
    kind: CacheKind::Ephemeral,
    ttl: Some(CacheTtl::Hour),
};

fn parameters() -> Parameters {
    let object = Map::from_iter([("own".to_owned(), json!(1))]);
    Parameters {
        max_tokens: Some(1),
        max_tokens_name: Some(TokenLimitName::MaxTokens),
        temperature: Some(1.0),
        top_p: Some(1.0),
        stop: Some(vec!["end".to_owned()]),
        seed: Some(1),
        reasoning_effort: Some(ReasoningEffort::Low),
        tools: Some(vec![Tool {
            name: "t".to_owned(),
            description: Some("what for".to_owned()),
            parameters: json!(true),
        }]),
        response_format: Some(json!(true)),
        caching: Some(Caching::Auto),
        system_cache_control: Some(MARK),
        provider_options: object.clone(),
        extra: object,
    }
}

/// A load with every key that one can have.
fn load_profile() -> LoadProfile {
    let minute = bakeoff::units::Nanos::from_millis(60_000);
    let rate = RateStage::new((1.0, 2.0), ArrivalProcess::Poisson, minute).unwrap();
    LoadProfile {
        stages: vec![
            LoadStage::Rate(rate),
            LoadStage::Concurrency(ConcurrencyStage {
                in_flight: 1,
                requests: Some(1),
                duration_ns: Some(minute),
                expected_requests: Some(1),
            }),
            LoadStage::Trace(TraceStage {
                file: "t.jsonl".to_owned(),
                instants_ns: vec![minute],
                has_prompts: true,
            }),
        ],
        is_sweep: true,
        slos: vec!["ttft_p95 < 1s".parse().unwrap()],
        yields_on_429: true,
    }
}

/// Asserts with every key that one can have.
fn asserts() -> Vec<Assert> {
    let value = || "x".to_owned();
    let ignore_case = true;
    let checks = vec![
        Check::Contains(TextCheck {
            value: value(),
            ignore_case,
        }),
        Check::ContainsAny(TextsCheck {
            values: vec![value()],
            ignore_case,
        }),
        Check::Judge {
            rubric: value(),
            threshold: 0.5,
        },
        Check::Exec {
            command: vec![value()],
            timeout_ns: Nanos(1),
            threshold: 0.5,
        },
        Check::IsJson {
            schema: Some(json!(true)),
        },
        Check::WordCount {
            min: Some(1),
            max: Some(2),
        },
        Check::RougeN {
            value: value(),
            n: 1,
            threshold: 0.5,
        },
        Check::ToolCall {
            name: value(),
            arguments: Some(json!(true)),
        },
    ];
    let extracts = [Extract::LastLine, Extract::Regex("x".to_owned())];
    let assert = |(check, extract): (Check, &Extract)| Assert {
        name: "days".to_owned(),
        check,
        negated: true,
        weight: 2.0,
        extract: Some(extract.clone()),
    };
    let pairs = checks.into_iter().zip(extracts.iter().cycle());
    pairs.map(assert).collect()
}

/// A gate with every kind of limit.
fn gate() -> Gate {
    let limit = |quantity, bound| GateLimit {
        quantity,
        bound,
        per_prompt: true,
        abort: true,
    };
    let within = Quantity::Within {
        metric: Metric::Latency,
        time: Nanos(1),
    };
    let time = Quantity::Time {
        metric: Metric::Ttft,
        percent: 75,
    };
    let gap = Quantity::Spread {
        measure: Measure::Gap,
        statistic: Statistic::P95,
    };
    Gate {
        bounds: vec![(Metric::Ttft, Bounds::default_of(Metric::Ttft))],
        limits: vec![
            limit(time, LimitBound::Time(Nanos(1))),
            limit(within, LimitBound::Share(0.9)),
            limit(Quantity::ErrorRate, LimitBound::Share(0.02)),
            limit(Quantity::CostPerRequest, LimitBound::Usd(Usd(1))),
            limit(gap, LimitBound::Time(Nanos(1))),
            limit(
                Quantity::Quotient(Quotient::CacheHitShare),
                LimitBound::Share(0.5),
            ),
            limit(
                Quantity::Count(TrialCount::Fallbacks),
                LimitBound::Number(0.0),
            ),
        ],
        control: Some("v".to_owned()),
        switch: Some(SwitchRule { saving: 0.1 }),
        shared_shift: SharedShiftLimit {
            max: 0.1,
            on_exceeded: OnExceeded::Fail,
        },
        ..Gate::default()
    }
}

fn suite() -> Suite {
    let second = Nanos(1_000_000_000);
    Suite {
        name: "s".to_owned(),
        description: Some("what for".to_owned()),
        endpoint: "sim".to_owned(),
        variants: vec![Variant {
            label: "v".to_owned(),
            model: "m".parse().unwrap(),
            cache: Some(CacheMode::Warm),
            system: Some("be brief".to_owned()),
            parameters: parameters(),
        }],
        reference: "v".to_owned(),
        repetitions: 1,
        warmup: 0,
        concurrency: 1,
        seed: 1,
        stream: true,
        keep_answers: true,
        gate: Some(gate()),
        max_attempts: 1,
        patience_ns: second,
        load: Some(load_profile()),
        max_cost: Some(bakeoff::units::Usd(1)),
        timeouts: Timeouts {
            connect_ns: second,
            headers_ns: second,
            gap_ns: second,
            total_ns: second,
        },
        cache: CacheMode::Bust,
        reuse: Reuse {
            prefix: Some("the handbook".to_owned()),
            within_ns: Some(second),
        },
        system: Some("be brief".to_owned()),
        parameters: parameters(),
        judge: Some(Variant {
            label: "judge".to_owned(),
            model: "m".parse().unwrap(),
            cache: None,
            system: None,
            parameters: Parameters::default(),
        }),
        embedding_model: Some("m".parse().unwrap()),
        prompts: vec![Prompt {
            id: "p".to_owned(),
            system: Some("be brief".to_owned()).into(),
            messages: vec![Message {
                cache_control: Some(MARK),
                ..Message::text(Role::User, "Hello".to_owned())
            }]
            .into(),
            weight: 1.0,
            tags: vec!["t".to_owned()].into(),
            metadata: Map::from_iter([("team".to_owned(), "billing".into())]).into(),
            parameters: parameters().into(),
            asserts: asserts().into(),
            pass_threshold: Some(0.5).into(),
        }]
        .into(),
    }
}

#[allow(
    clippy::too_many_lines,
    reason = "it has every key that a manifest can have"
)]
fn manifest(status: Status) -> Manifest {
    let names = || vec!["n".to_owned()];
    Manifest {
        version: Manifest::VERSION,
        tool: "bakeoff".to_owned(),
        run: "r".to_owned(),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        status,
        suite_digest: "d".to_owned(),
        clock: ClockSource::Kernel,
        suite: suite(),
        selection: CliSelection {
            models: names(),
            prompts: names(),
            tags: names(),
        },
        endpoint: EndpointRecord {
            name: "e".to_owned(),
            base_url: Some("u".to_owned()),
            key_variable: Some("K".to_owned()),
            scenario: Some("w".to_owned()),
        },
        prices: Some(PriceSource {
            source: "s".to_owned(),
            date: "d".to_owned(),
            digest: "d".to_owned(),
            models: vec![ModelPrices {
                model: "m".parse().unwrap(),
                own: true,
                tiers: vec![PriceTier {
                    from_prompt_tokens: 0,
                    input_usd: Some(Usd(1)),
                    output_usd: Some(Usd(1)),
                    cache_read_usd: Some(Usd(1)),
                    cache_write_usd: Some(Usd(1)),
                    cache_write_1h_usd: Some(Usd(1)),
                    cache_write_12h_usd: Some(Usd(1)),
                }],
            }],
        }),
        retirements: vec![ModelRetirement {
            model: "m".parse().unwrap(),
            date: "2026-12-11".parse().unwrap(),
            source: "s".to_owned(),
        }],
        client: vec![ClientSetting {
            name: "n".to_owned(),
            value: "v".to_owned(),
            reason: "r".to_owned(),
            of_share: Some(1),
        }],
        environment: Some("e".to_owned()),
        until_decided: Some(UntilDecided {
            looks: vec![1],
            decided_after: Some(1),
        }),
        set_up: Some(ConnectionSetUp {
            connections: 1,
            look_up_ns: Nanos(1),
            tcp_ns: Nanos(1),
            tls_ns: Some(Nanos(1)),
        }),
        ttft_error: TtftError {
            calibrated: Some(CalibratedError {
                requests: 1,
                p99_ns: Nanos(1),
                measured_at: jiff::Timestamp::UNIX_EPOCH,
            }),
            client_delay: Some(ClientDelay {
                ticks: 100,
                p99_ns: Nanos(1),
            }),
        },
        estimate: Some(EstimateRecord {
            expected_usd: Some(Usd(1)),
            bound_90_usd: Some(Usd(1)),
            worst_usd: Some(Usd(1)),
            variants: vec![EstimatedVariant {
                variant: "v".to_owned(),
                model: "m".parse().unwrap(),
                requests: 1,
                learned_requests: 1,
                counted_prompt_tokens: Some(1),
                prompt_tokens: Some(1),
                completion_tokens: 1,
                list_usd: Some(Usd(1)),
                actual: Some(ActualUsage::default()),
            }],
        }),
        judging: Some(Judging {
            verdicts: 8,
            cached: 2,
            unknown: 1,
            spent_usd: "0.004".parse().unwrap(),
            repeats: Some(JudgeRepeats {
                both: 1,
                first: 1,
                second: 1,
                neither: 1,
            }),
            ..Judging::new("maker/judge".parse().unwrap())
        }),
        embeddings: Some(Judging {
            unknown: 1,
            ..Judging::new("maker/embeddings".parse().unwrap())
        }),
        yielding: vec![Yielding {
            variant: "v".to_owned(),
            halvings: 1,
            lowest: 1,
        }],
        warming: vec![Warming {
            variant: "v".to_owned(),
            requests: 1,
            unknown: 0,
            spent_usd: Usd(1),
        }],
        shard: Shard::new(1, 2).ok(),
        planned_trials: 1,
        plan_digest: "d".to_owned(),
        parts: vec![RunPart {
            shard: Shard::new(1, 2).ok(),
            started_at: jiff::Timestamp::UNIX_EPOCH,
            start_ns: Nanos(1),
            tool: "t".to_owned(),
            trials: 1,
            repeated_failures: 1,
            differences: vec!["d".to_owned()],
        }],
        platform: "p".to_owned(),
    }
}

fn grades() -> Vec<Grade> {
    vec![Grade {
        name: "s".to_owned(),
        score: 1.0,
        pass: true,
        weight: 2.0,
        reason: Some("r".to_owned()),
        external: true,
    }]
}

fn sample() -> Sample {
    let (time, usd) = (Some(Nanos(1)), Some(Usd(1)));
    Sample {
        version: Sample::VERSION,
        trial: 0,
        slot: 0,
        round: 1,
        prompt: "p".to_owned(),
        prompt_digest: "d".to_owned(),
        repetition: 1,
        variant: "v".to_owned(),
        model: "m".parse().unwrap(),
        weight: 1.0,
        tags: vec!["t".to_owned()],
        metadata: [("team".to_owned(), "billing".into())]
            .into_iter()
            .collect(),
        outcome: Outcome::Complete,
        error: Some(ErrorReport {
            status: Some(500),
            kind: Some("k".to_owned()),
            message: "m".to_owned(),
        }),
        request_id: "r".to_owned(),
        sent_ns: Nanos(1),
        scheduled_ns: Nanos(1),
        throttled_ns: time,
        connect_ns: time,
        tcp_ns: time,
        tls_ns: time,
        headers_ns: time,
        ttft_ns: time,
        ttfa_ns: time,
        first_unit_ns: time,
        last_token_ns: time,
        latency_ns: time,
        experienced_ttft_ns: time,
        gaps: Some(Gaps {
            count: 1,
            mean_ns: time,
            p50_ns: time,
            p95_ns: time,
            max_ns: time,
            coalesced: 0,
            hdr: Some("h".to_owned()),
        }),
        answer_chars: Some(1),
        reasoning_chars: Some(1),
        first_chunk_chars: Some(1),
        usage: Some(Usage {
            prompt_tokens: Some(1),
            completion_tokens: Some(1),
            reasoning_tokens: Some(1),
            cached_tokens: Some(1),
            cache_write_tokens: Some(1),
            cache_write_1h_tokens: Some(1),
            cache_write_12h_tokens: Some(1),
        }),
        unread_usage: vec!["u".to_owned()],
        service_tier: Some("flex".to_owned()),
        finish_reason: Some("stop".to_owned()),
        cost_usd: usd,
        billed_usd: usd,
        surcharge_usd: usd,
        market_usd: usd,
        provider: Some("p".to_owned()),
        provider_attempts: Some(1),
        served_model: Some("m".to_owned()),
        generation_id: Some("g".to_owned()),
        flags: vec![Flag::Cold],
        attempts: vec![Attempt {
            request_id: "r".to_owned(),
            sent_ns: Nanos(1),
            end_ns: Nanos(1),
            outcome: Outcome::Complete,
            status: Some(200),
            retry_after_ms: Some(1),
            throttled_ns: Some(Nanos(1)),
        }],
        answer: Some("a".to_owned()),
        reasoning: Some("r".to_owned()),
        tool_calls: vec![ToolCall {
            id: Some("i".to_owned()),
            name: "n".to_owned(),
            arguments: "{}".to_owned(),
        }],
        grades: grades(),
        pass_threshold: Some(0.5),
    }
}

fn history_run() -> HistoryRun {
    // Every metric but the tail, of which a level says nothing.
    let metrics = Metric::ALL.into_iter().filter(|metric| {
        let rated = [Metric::TtftTail, Metric::Completed, Metric::PassRate];
        !rated.contains(metric)
    });
    HistoryRun {
        run: "r".to_owned(),
        suite: "s".to_owned(),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        tool: "bakeoff".to_owned(),
        conditions: Conditions {
            endpoint: "e".to_owned(),
            concurrency: 1,
            slot_size: 1,
            stream: true,
            environment: Some("e".to_owned()),
            clock: ClockSource::Kernel,
            load: Some("d".to_owned()),
        },
        variants: vec![HistoryVariant {
            label: "v".to_owned(),
            model: "m".parse().unwrap(),
            overrides: "d".to_owned(),
            providers: BTreeMap::from([("p".to_owned(), 1)]),
            drifted: true,
            mix: AnswerMix {
                answered: 1,
                excluded: 0,
                retried: 0,
                reasoned: 0,
                cache_reported: 0,
                cache_hits: 0,
            },
            spliced: Some(Splice {
                label: "v".to_owned(),
                model: "m".parse().unwrap(),
                bridge: "r".to_owned(),
            }),
            prompts: vec![HistoryPrompt {
                prompt: "p".into(),
                digest: "d".into(),
                text: "d".into(),
                parameters: "d".into(),
                trials: 1,
                completed: 1,
                graded: 1,
                passed: 1,
                levels: metrics
                    .map(|metric| (metric, Level { ln: 1.0, n: 1 }))
                    .collect(),
                levels_by_provider: BTreeMap::from([("p".to_owned(), MetricLevels::default())]),
            }],
        }],
    }
}

fn ledger_line(status: Status) -> LedgerLine {
    let usd = Some(Usd(1));
    LedgerLine {
        version: LedgerLine::VERSION,
        run: "r".to_owned(),
        suite: "s".to_owned(),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        resumed_at: Some(jiff::Timestamp::UNIX_EPOCH),
        endpoint: "e".to_owned(),
        simulated: true,
        status,
        models: vec![ModelSpending {
            model: "m".parse().unwrap(),
            variant: Some("v".to_owned()),
            requests: 1,
            unknown: 1,
            spent_usd: Usd(1),
            list_usd: usd,
            billed_usd: usd,
            market_usd: usd,
        }],
        reserved_usd: usd,
        cap_usd: usd,
        estimate_usd: usd,
    }
}

fn header(path: &str) -> Names {
    let text = file(path);
    text.lines()
        .next()
        .unwrap()
        .split(',')
        .map(str::to_owned)
        .collect()
}

#[test]
fn records_have_the_documented_keys() {
    // Users who read a run with a program of their own read this page first.
    let stored = |value: Result<Value, serde_json::Error>| paths(&value.unwrap());
    let mut of_manifest = stored(serde_json::to_value(manifest(Status::Running)));
    let incomplete = Status::Incomplete("why".to_owned());
    of_manifest.extend(stored(serde_json::to_value(manifest(incomplete))));
    assert_same(documented("`manifest.json`"), of_manifest, "the manifest");
    let of_sample = stored(serde_json::to_value(sample()));
    assert_same(documented("`samples.jsonl`"), of_sample, "a sample");
    let amendment = Amendment {
        version: Amendment::VERSION,
        trial: 0,
        request_id: Some("r-0-1".to_owned()),
        billed_usd: Some(Usd(1)),
        market_usd: Some(Usd(1)),
        grades: grades(),
        pass_threshold: Some(0.5),
        regraded: true,
    };
    let of_amendment = stored(serde_json::to_value(amendment));
    assert_same(
        documented("`amendments.jsonl`"),
        of_amendment,
        "an amendment",
    );
    let mut of_ledger = Names::new();
    for status in [Status::Complete, Status::Incomplete("why".to_owned())] {
        of_ledger.extend(stored(serde_json::to_value(ledger_line(status))));
    }
    assert_same(documented("`ledger.jsonl`"), of_ledger, "the ledger");
    let request_id = "r-0-1".to_owned();
    let events = [
        RequestEvent::Opened {
            boot: Some("b".to_owned()),
            reserved_usd: Some(Usd(1)),
        },
        RequestEvent::Sent {
            request_id: request_id.clone(),
            model: "maker/m".parse().unwrap(),
            bound_usd: Some(Usd(1)),
        },
        RequestEvent::Ended {
            request_id,
            outcome: Outcome::Complete,
            spent_usd: Some(Usd(1)),
        },
    ];
    let mut of_requests = Names::new();
    for event in events {
        let version = RequestLine::VERSION;
        of_requests.extend(stored(serde_json::to_value(RequestLine { version, event })));
    }
    assert_same(
        documented("`requests.jsonl`"),
        of_requests,
        "the log of requests",
    );
}

#[test]
fn histories_have_the_documented_keys() {
    // A history is committed and outlives many versions of the program.
    let finding = Finding {
        variant: "v".to_owned(),
        metric: Metric::Ttft,
    };
    let run = HistoryLine::run(history_run(), RunStanding::Pending, vec![finding]);
    let mark = HistoryLine::Mark {
        run: "r".to_owned(),
        standing: RunStanding::Cleared,
    };
    let mut written = paths(&serde_json::to_value(run).unwrap());
    written.extend(paths(&serde_json::to_value(mark).unwrap()));
    let heading = "History files, and `past.jsonl`";
    assert_same(documented(heading), written, "a history");
    let standings = all_standings().map(|standing| standing.word().to_owned());
    assert_same(documented("Standings"), standings.collect(), "standings");
}

#[test]
fn the_example_run_has_only_documented_keys() {
    // The records above are ours; these were written by a run.
    let within = |text: &str, heading: &str| {
        let written = bare(paths(&serde_json::from_str(text).unwrap()));
        let documented = bare(documented(heading));
        let missing: Vec<_> = written.difference(&documented).collect();
        assert!(missing.is_empty(), "FORMAT.md does not name: {missing:?}");
    };
    within(&file("reports/example/manifest.json"), "`manifest.json`");
    for line in file("reports/example/samples.jsonl").lines() {
        within(line, "`samples.jsonl`");
    }
}

#[test]
fn tables_have_the_documented_columns() {
    // A script in CI that reads a column relies on its name.
    for name in ["comparison.csv", "samples.csv"] {
        let columns = header(&format!("reports/example/{name}"));
        assert_same(documented(&format!("`{name}`")), columns, name);
    }
    let log = file("reports/example/histograms.hlog");
    let lines = log.lines().filter_map(|line| line.strip_prefix("Tag="));
    let metrics = lines.map(|line| line.split(',').next().unwrap().rsplit(':').next().unwrap());
    let metrics = metrics.map(str::to_owned).collect();
    assert_same(documented("`histograms.hlog`"), metrics, "the histograms");
}

/// A judgement of one comparison with everything in it.
fn judgement() -> Judgement {
    let metric = Metric::Ttft;
    let effect = Effect {
        estimate: 1.1,
        interval: Interval::new(1.0, 1.2),
        level: 0.95,
    };
    let comparisons = vec![Comparison {
        candidate: "c".to_owned(),
        reference: "r".to_owned(),
        metric,
        primary: true,
        procedure: Procedure::AlignedRanks,
        bounds: Bounds::default_of(metric),
        effect: Some(effect),
        size: SampleSize::default(),
        tests: None,
        verdict: Verdict::Inconclusive,
        reasons: vec![Reason::TooWide],
        detectable_change: None,
        required_size: None,
        per_prompt: [("p".into(), 1.1)].into_iter().collect(),
        influence: None,
        routes: vec![RouteComparison {
            provider: "p".to_owned(),
            share_reference: 0.5,
            share_candidate: 0.5,
            effect: Some(effect),
            verdict: Verdict::Ok,
        }],
    }];
    let mut judgement = Judgement::new(ComparisonDesign::History, comparisons, Vec::new());
    judgement.incomparable = Some(IncomparableHistory {
        runs: 1,
        variants: Vec::new(),
        reasons: vec!["a reason".to_owned()],
        missing_flags: [DeclaredChange::Prompt].into(),
    });
    judgement
}

#[test]
fn verdicts_have_the_documented_columns() {
    // A script that acts on a verdict relies on its column.
    let judged = Evaluation::from_judgement(judgement(), &Gate::default());
    let compared = ComparisonReport::new("s", "what", "bakeoff", &judged);
    let mut bytes = Vec::new();
    compared.write_csv(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let columns = text.lines().next().unwrap().split(',').map(str::to_owned);
    assert_same(
        documented("`comparisons.csv`"),
        columns.collect(),
        "comparisons.csv",
    );
    let page = file("FORMAT.md");
    let mut bytes = Vec::new();
    compared.write_json(&mut bytes).unwrap();
    let document: Value = serde_json::from_slice(&bytes).unwrap();
    let section = document["verdicts"][0].as_object().unwrap();
    let comparison = section["primary"][0].as_object().unwrap();
    let keys = document.as_object().unwrap().keys();
    for key in keys.chain(section.keys()).chain(comparison.keys()) {
        assert!(page.contains(&format!("`{key}`")), "{key}");
    }
}

#[test]
fn the_json_comparison_has_the_documented_keys() {
    // The same for a script that prefers JSON.
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_bakeoff"))
        .args(["report", "reports/example", "--format", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let comparison: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut written: Names = comparison.as_object().unwrap().keys().cloned().collect();
    // The example run is complete: it has no warning, no switch gate and no load. Whether caches took part is a matter of the
    // run.
    written.extend(["warning", "caching", "switch", "load"].map(str::to_owned));
    assert_same(documented("The comparison as JSON"), written, "the JSON");
}

#[test]
fn estimates_have_the_documented_keys() {
    // The same of what a run would cost: one of a model with a price, and of one without.
    let graded = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("graded.toml");
    let judge = "judge = \"anthropic/claude-haiku-4.5\"\nassert = [{ type = \"judge\", rubric = \"Right.\" }]\nmodels";
    let suite =
        include_str!("../../suites/quickstart.toml").replacen("\nmodels", &format!("\n{judge}"), 1);
    std::fs::write(&graded, suite).unwrap();
    let estimate = |form: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_bakeoff"))
            .arg("estimate")
            .arg(&graded)
            .args(["-m", "no/price"])
            .args(["-m", "openai/gpt-5-mini", "--output", "no-past", form])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let documented = documented("The estimate as JSON and CSV");
    let mut written = paths(&serde_json::from_str(&estimate("--json")).unwrap());
    // Only nine past runs make a bound.
    written.extend(["total.bound_90_usd", "variants[].total.bound_90_usd"].map(str::to_owned));
    // With a model without a worst case the whole run has none.
    written.insert("total.worst_usd".to_owned());
    assert_same(documented.clone(), written, "the estimate");
    let last = |name: &String| name.rsplit('.').next().unwrap().to_owned();
    let words: Names = documented.iter().map(last).collect();
    let table = estimate("--csv");
    for column in table.lines().next().unwrap().split(',') {
        assert!(words.contains(column), "{column}");
    }
}

#[test]
fn forecasts_have_the_documented_keys() {
    // The same of what a month will cost: as much of it as one call can show.
    let forecast = |form: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_bakeoff"))
            .args(["forecast", "reports/example", "--requests", "2M/month"])
            .args(["--price", "deepseek/*:input=1,output=2", "--prices", "now"])
            .args(["--cache-hit-rate", "50%", form])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let documented = documented("The forecast as JSON and CSV");
    let mut written = paths(&serde_json::from_str(&forecast("--json")).unwrap());
    // No answer of the example is graded.
    for side in ["recorded", "what_if"] {
        let ends = ["", "_lower", "_upper"];
        let own = ends.map(|end| {
            [
                format!("pass_rate{end}"),
                format!("per_1000_passed_usd{end}"),
            ]
        });
        let own = own.into_iter().flatten().chain(["answers".to_owned()]);
        written.extend(own.map(|name| format!("variants[].{side}.passed.{name}")));
    }
    // No file of a mix was read, every model has a price, and no cache was warmed.
    written.insert("mix.file".to_owned());
    written.extend(
        [
            "variants[].unknown",
            "variants[].what_if_unknown",
            "variants[].warming_usd",
        ]
        .map(str::to_owned),
    );
    assert_same(documented.clone(), written, "the forecast");
    let last = |name: &String| name.rsplit('.').next().unwrap().to_owned();
    let words: Names = documented.iter().map(last).collect();
    let table = forecast("--csv");
    for column in table.lines().next().unwrap().split(',') {
        let plain = column.strip_prefix("what_if_").unwrap_or(column);
        let plain = plain.strip_prefix("retries_").unwrap_or(plain);
        assert!(words.contains(plain), "{column}");
    }
}

#[test]
fn every_word_is_documented() {
    // The lists are closed: a word that is not on the page is a riddle in someone's table.
    let outcomes = Outcome::ALL.map(|outcome| outcome.word().to_owned());
    assert_same(documented("Outcomes"), outcomes.into(), "outcomes");
    let page = file("FORMAT.md");
    for outcome in Outcome::ALL {
        let class = outcome
            .failure()
            .map_or(String::new(), |class| format!("`{}` ", class.word()));
        let row = format!("| `{}` | {class}|", outcome.word());
        assert!(page.contains(&row), "{row}");
    }
    let classes = FailureKind::ALL.map(|class| format!("failed_{}", class.word()));
    assert!(documented("`comparison.csv`").is_superset(&classes.into()));
    let flags = all_flags().map(|flag| flag.word().to_owned());
    assert_same(documented("Flags"), flags.collect(), "flags");
}

#[test]
fn the_percentiles_table_is_the_rule() {
    // Users who plan a run read from METHODOLOGY.md how many samples a percentile needs.
    let page = file("METHODOLOGY.md");
    for percentile in Percentile::ALL {
        let (point, bounds) = (percentile.min_for_point(), percentile.min_for_bounds());
        let row = format!("| {} | {point} | {bounds} |\n", percentile.word());
        assert!(page.contains(&row), "{row}");
    }
}

/// Every flag: a new one does not compile until it has a successor here.
fn all_flags() -> impl Iterator<Item = Flag> {
    std::iter::successors(Some(Flag::Buffered), |flag| match flag {
        Flag::Buffered => Some(Flag::Cold),
        Flag::Cold => Some(Flag::Retried),
        Flag::Retried => Some(Flag::ClientLimited),
        Flag::ClientLimited => Some(Flag::ClientPaused),
        Flag::ClientPaused => Some(Flag::UserStamped),
        Flag::UserStamped => Some(Flag::TtftBounded),
        Flag::TtftBounded => Some(Flag::Fallback),
        Flag::Fallback => Some(Flag::OtherModel),
        Flag::OtherModel => Some(Flag::Compressed),
        Flag::Compressed => Some(Flag::HiddenReasoning),
        Flag::HiddenReasoning => Some(Flag::TruncatedInReasoning),
        Flag::TruncatedInReasoning => Some(Flag::ThinkTags),
        Flag::ThinkTags => Some(Flag::UsageMismatch),
        Flag::UsageMismatch => Some(Flag::UsageImpossible),
        Flag::UsageImpossible => Some(Flag::UsageAmbiguous),
        Flag::UsageAmbiguous => Some(Flag::UsageUnread),
        Flag::UsageUnread => Some(Flag::UnpricedTier),
        Flag::UnpricedTier => Some(Flag::ResponseCached),
        Flag::ResponseCached => Some(Flag::OwnKeyRefused),
        Flag::OwnKeyRefused => Some(Flag::ProxyRetried),
        Flag::ProxyRetried => Some(Flag::Deferred),
        Flag::Deferred => None,
    })
}

/// The same of standings.
fn all_standings() -> impl Iterator<Item = RunStanding> {
    std::iter::successors(Some(RunStanding::Accepted), |standing| match standing {
        RunStanding::Accepted => Some(RunStanding::BaselineReset),
        RunStanding::BaselineReset => Some(RunStanding::Pending),
        RunStanding::Pending => Some(RunStanding::Flagged),
        RunStanding::Flagged => Some(RunStanding::Confirmed),
        RunStanding::Confirmed => Some(RunStanding::Cleared),
        RunStanding::Cleared => Some(RunStanding::Recovered),
        RunStanding::Recovered => None,
    })
}
