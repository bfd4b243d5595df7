//! A small run built by hand, for the tests of this module and of `report`.

use crate::record::{
    Attempt, EndpointRecord, ErrorReport, Flag, Manifest, Outcome, PriceSource, Sample, Usage,
    summarize_gaps,
};
use crate::stats::interval::Interval;
use crate::suite::{Bounds, Message, Metric, Quantity, Role, Suite, Timeouts};
use crate::units::{Nanos, Usd};
use crate::{plan, record};

use super::judgement::{
    Comparison, ComparisonDesign, Effect, Influence, Judgement, LimitCheck, LimitStatus, Procedure,
    Reason, RequiredSize, RouteComparison, SampleSize, SizeGoal, Tests, Verdict,
};

/// Builds the manifest of a complete run of these variants (the first is the reference) and prompts.
pub(crate) fn manifest(variants: &[&str], prompts: &[&str], repetitions: u32) -> Manifest {
    let trials = variants.len() * prompts.len() * repetitions as usize;
    Manifest {
        started_at: "2025-01-02T03:04:05Z".parse().unwrap(),
        suite_digest: "sha256:5017e".to_owned(),
        suite: suite(variants, prompts, repetitions),
        endpoint: EndpointRecord {
            name: "vercel".to_owned(),
            base_url: Some("https://gateway.example/v1".to_owned()),
            key_variable: Some("AI_GATEWAY_API_KEY".to_owned()),
            scenario: None,
        },
        prices: Some(PriceSource {
            source: "snapshot shipped with bakeoff".to_owned(),
            date: "2025-01-01".to_owned(),
            digest: "sha256:9ad".to_owned(),
            models: Vec::new(),
        }),
        planned_trials: trials as u64,
        plan_digest: "sha256:914a".to_owned(),
        ..record::example::manifest("20250102T030405Z-7Z")
    }
}

fn suite(variants: &[&str], prompts: &[&str], repetitions: u32) -> Suite {
    let mut suite = plan::example::suite(prompts.len(), variants.len(), repetitions);
    for (variant, label) in suite.variants.iter_mut().zip(variants) {
        variant.label = (*label).to_owned();
        variant.model = label.parse().unwrap();
    }
    for (prompt, id) in suite.prompts.iter_mut().zip(prompts) {
        prompt.id = (*id).to_owned();
        prompt.messages = vec![Message::text(Role::User, "Why?".to_owned())].into();
    }
    Suite {
        name: "quickstart".to_owned(),
        endpoint: "vercel".to_owned(),
        reference: variants[0].to_owned(),
        concurrency: 4,
        max_attempts: 3,
        timeouts: Timeouts {
            connect_ns: Nanos::from_millis(5_000),
            headers_ns: Nanos::from_millis(30_000),
            gap_ns: Nanos::from_millis(20_000),
            total_ns: Nanos::from_millis(120_000),
        },
        ..suite
    }
}

/// Builds the sample of a trial of the manifest's plan, in the order variant, prompt, repetition: a plain
/// answer with this TTFT, ten gaps of 10 ms and 101 completion tokens for $0.0005.
pub(crate) fn answered(manifest: &Manifest, trial: u64, ttft_ms: u64) -> Sample {
    let suite = &manifest.suite;
    let index = usize::try_from(trial).unwrap();
    let variant = &suite.variants[index % suite.variants.len()];
    let slot = index / suite.variants.len();
    let prompt = &suite.prompts[slot % suite.prompts.len()];
    let repetition = u32::try_from(slot / suite.prompts.len()).unwrap() + 1;
    let (sent, ttft) = (
        Nanos::from_millis(1000 * trial),
        Nanos::from_millis(ttft_ms),
    );
    let latency = Nanos::from_millis(ttft_ms + 105);
    let request_id = format!("01J{trial}");
    Sample {
        slot: slot as u64,
        round: repetition,
        prompt: prompt.id.clone(),
        prompt_digest: format!("sha256:{}", prompt.id),
        repetition,
        variant: variant.label.clone(),
        model: variant.model.clone(),
        request_id: request_id.clone(),
        sent_ns: sent,
        scheduled_ns: sent,
        headers_ns: Some(Nanos::from_millis(ttft_ms - 1)),
        ttft_ns: Some(ttft),
        ttfa_ns: Some(ttft),
        first_unit_ns: Some(Nanos::from_millis(ttft_ms + 30)),
        last_token_ns: Some(Nanos::from_millis(ttft_ms + 100)),
        latency_ns: Some(latency),
        experienced_ttft_ns: Some(ttft),
        gaps: Some(summarize_gaps(&[Nanos::from_millis(10); 10], 0)),
        answer_chars: Some(440),
        first_chunk_chars: Some(40),
        usage: Some(Usage {
            prompt_tokens: Some(50),
            completion_tokens: Some(101),
            reasoning_tokens: Some(0),
            cached_tokens: Some(0),
            ..Usage::default()
        }),
        cost_usd: Some(Usd(500_000_000)),
        billed_usd: Some(Usd(500_000_000)),
        surcharge_usd: None,
        market_usd: Some(Usd(500_000_000)),
        provider: Some("azure".to_owned()),
        generation_id: Some(format!("gen_{trial}")),
        attempts: vec![Attempt {
            request_id,
            sent_ns: sent,
            end_ns: Nanos(sent.0 + latency.0),
            outcome: Outcome::Complete,
            status: Some(200),
            retry_after_ms: None,
            throttled_ns: None,
        }],
        answer: Some("Because.".to_owned()),
        ..record::example::plain_sample(trial)
    }
}

/// A run of many models and prompts: `creator/model-00`, ..., with TTFTs that differ by model, prompt and trial.
pub(crate) fn plain_run(
    models: usize,
    prompts: usize,
    repetitions: u32,
) -> (Manifest, Vec<Sample>) {
    let models: Vec<String> = (0..models)
        .map(|n| format!("creator/model-{n:02}"))
        .collect();
    let prompts: Vec<String> = (0..prompts).map(|n| format!("prompt-{n:03}")).collect();
    let model_names: Vec<&str> = models.iter().map(String::as_str).collect();
    let prompt_names: Vec<&str> = prompts.iter().map(String::as_str).collect();
    let run = manifest(&model_names, &prompt_names, repetitions);
    let count = models.len() as u64;
    let samples = (0..run.planned_trials).map(|trial| {
        let (model, slot) = (trial % count, trial / count);
        let ttft_ms = 300 + 40 * model + 7 * (slot % prompts.len() as u64) + (trial * 7_919) % 101;
        answered(&run, trial, ttft_ms)
    });
    let samples = samples.collect();
    (run, samples)
}

/// Turns the sample into a failure: no times, no tokens, no cost.
pub(crate) fn failed(mut sample: Sample, outcome: Outcome, status: u16, message: &str) -> Sample {
    sample.outcome = outcome;
    sample.error = Some(ErrorReport {
        status: Some(status),
        kind: None,
        message: message.to_owned(),
    });
    sample.ttft_ns = None;
    sample.ttfa_ns = None;
    sample.first_unit_ns = None;
    sample.last_token_ns = None;
    sample.experienced_ttft_ns = None;
    sample.gaps = None;
    sample.answer_chars = None;
    sample.first_chunk_chars = None;
    sample.usage = None;
    sample.finish_reason = None;
    sample.cost_usd = None;
    sample.billed_usd = None;
    sample.surcharge_usd = None;
    sample.market_usd = None;
    sample.provider = None;
    sample.answer = None;
    sample.attempts[0].outcome = outcome;
    sample.attempts[0].status = Some(status);
    sample
}

/// Adds a flag to the sample.
pub(crate) fn flagged(mut sample: Sample, flag: Flag) -> Sample {
    sample.flags.push(flag);
    sample.flags.sort_unstable();
    sample
}

/// Builds a primary comparison of `anthropic/claude` against `openai/gpt-5-mini` over 20 prompts x 10.
pub(crate) fn comparison(
    metric: Metric,
    verdict: Verdict,
    estimate: f64,
    ends: Interval,
) -> Comparison {
    Comparison {
        candidate: "anthropic/claude".to_owned(),
        reference: "openai/gpt-5-mini".to_owned(),
        metric,
        primary: true,
        procedure: match metric {
            Metric::Cost => Procedure::RatioOfMeans,
            Metric::Completed | Metric::PassRate => Procedure::RateDifference,
            Metric::TtftTail => Procedure::TailShares,
            _ => Procedure::AlignedRanks,
        },
        bounds: Bounds::default_of(metric),
        effect: Some(Effect {
            estimate,
            interval: ends,
            level: 1.0 - 0.05 / 3.0,
        }),
        size: SampleSize {
            prompts: 20,
            reference: 200,
            candidate: 200,
            runs: 0,
        },
        tests: Some(Tests {
            worse: 0.999,
            better: 0.000_001,
            within_margin: 0.25,
        }),
        verdict,
        reasons: Vec::new(),
        detectable_change: Some(0.31),
        required_size: Some(RequiredSize {
            prompts: 24,
            repetitions: 10,
            goal: SizeGoal::Detect,
        }),
        per_prompt: [
            ("greet".into(), estimate),
            ("sum".into(), 1.0),
            ("long".into(), estimate * 1.5),
        ]
        .into_iter()
        .collect(),
        influence: None,
        routes: Vec::new(),
    }
}

/// Builds a judgement of the candidates of one run with every verdict in it.
pub(crate) fn judgement() -> Judgement {
    let ttft = comparison(
        Metric::Ttft,
        Verdict::Improved,
        0.62,
        Interval::new(0.55, 0.7),
    );
    let mut cost = comparison(
        Metric::Cost,
        Verdict::Regressed,
        2.5,
        Interval::new(2.4, 2.6),
    );
    cost.influence = Some(Influence {
        prompt: "long".to_owned(),
        verdict_without: Verdict::Ok,
        is_decisive: true,
    });
    let mut completed = comparison(
        Metric::Completed,
        Verdict::Inconclusive,
        -0.02,
        Interval::new(-0.05, 0.01),
    );
    completed.reasons = vec![Reason::TooWide, route_shift()];
    completed.detectable_change = Some(0.065);
    completed.size.candidate = 197;
    completed.routes = vec![RouteComparison {
        provider: "azure".to_owned(),
        share_reference: 0.9,
        share_candidate: 0.4,
        effect: None,
        verdict: Verdict::Inconclusive,
    }];
    let mut latency = comparison(Metric::Latency, Verdict::Ok, 1.02, Interval::new(0.95, 1.1));
    latency.primary = false;
    let note = "The level of `anthropic/claude` rose by 12 % during the run.".to_owned();
    let comparisons = vec![ttft, latency, cost, completed];
    Judgement::new(ComparisonDesign::Interleaved, comparisons, vec![note])
}

/// Builds the caveat that `azure` gave other shares of the answers.
pub(crate) fn route_shift() -> Reason {
    Reason::RouteShift {
        provider: "azure".to_owned(),
        reference: 0.9,
        candidate: 0.4,
    }
}

/// Builds a limit that is exceeded, one that is met and one that is inconclusive.
pub(crate) fn limit_checks() -> Vec<LimitCheck> {
    let ttft = Quantity::Time {
        metric: Metric::Ttft,
        percent: 75,
    };
    let check = |quantity, bound, estimate, interval, status| LimitCheck {
        variant: "anthropic/claude".to_owned(),
        prompt: None,
        quantity,
        bound,
        estimate: Some(estimate),
        interval,
        n: 200,
        status,
    };
    vec![
        check(
            ttft,
            1.5e9,
            1.8e9,
            Interval::new(1.7e9, 2.0e9),
            LimitStatus::Exceeded,
        ),
        check(
            Quantity::ErrorRate,
            0.02,
            0.015,
            Interval::new(0.004, 0.04),
            LimitStatus::Inconclusive,
        ),
        check(
            Quantity::CostPerRequest,
            0.01,
            0.00125,
            Interval::new(0.001, 0.0015),
            LimitStatus::Within,
        ),
    ]
}
