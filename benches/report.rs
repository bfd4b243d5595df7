//! How long the reports of a run of 100,000 samples take, and how much memory: `cargo bench --bench
//! report`. The goal: under 2 s and under 300 MB, for answers of 500 bytes with 64 gaps.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's figures go to standard output"
)]

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use bakeoff::record::{
    Attempt, EndpointRecord, Manifest, Outcome, Sample, Selection, Status, Usage, gaps_of,
};
use bakeoff::report::{Format, Report, SAMPLES_CSV};
use bakeoff::suite::{Message, Parameters, Prompt, Role, Suite, Timeouts, Variant};
use bakeoff::units::{Nanos, Usd};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};

const VARIANTS: usize = 5;
const PROMPTS: usize = 40;
const REPETITIONS: usize = 500;
const GAPS: usize = 64;
const ANSWER_BYTES: usize = 500;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let journal = folder.path().join("samples.jsonl");
    let manifest = manifest();
    write_journal(&manifest, &journal)?;
    let bytes = std::fs::metadata(&journal)?.len();
    let memory_before = peak_memory_mb();

    let begin = Instant::now();
    let samples = BufReader::with_capacity(1 << 20, File::open(&journal)?)
        .lines()
        .map(|line| Ok::<Sample, io::Error>(serde_json::from_str(&line?)?));
    let rows = File::create(folder.path().join(SAMPLES_CSV))?;
    let report = Report::read(&manifest, samples, |_| false, rows)?;
    let read = begin.elapsed();
    for format in Format::FILES {
        let file = File::create(folder.path().join(format.file_name()))?;
        report.write(format, BufWriter::new(file))?;
    }
    let all = begin.elapsed();

    let trials = manifest.planned_trials;
    println!("{trials} samples, {:.0} MB of journal", bytes as f64 / 1e6);
    println!("read and summarised: {:.2} s", read.as_secs_f64());
    println!("with every report:   {:.2} s", all.as_secs_f64());
    match (memory_before, peak_memory_mb()) {
        (Some(before), Some(after)) => println!("peak memory: {after} MB ({before} MB before)"),
        _ => println!("peak memory: not known on this system"),
    }
    Ok(())
}

/// The most memory this process has had, where the system tells.
fn peak_memory_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024)
}

fn write_journal(manifest: &Manifest, path: &Path) -> io::Result<()> {
    let mut journal = BufWriter::new(File::create(path)?);
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for trial in 0..manifest.planned_trials {
        serde_json::to_writer(&mut journal, &sample(manifest, trial, &mut rng))?;
        journal.write_all(b"\n")?;
    }
    journal.flush()
}

fn sample(manifest: &Manifest, trial: u64, rng: &mut ChaCha8Rng) -> Sample {
    let suite = &manifest.suite;
    let at = |count: usize, step: usize| (usize::try_from(trial).unwrap_or(0) / step) % count;
    let variant = &suite.variants[at(VARIANTS, 1)];
    let prompt = &suite.prompts[at(PROMPTS, VARIANTS)];
    let repetition = at(REPETITIONS, VARIANTS * PROMPTS) + 1;
    let sent = Nanos(trial * 2_000_000);
    let ttft = Nanos(rng.random_range(80_000_000..900_000_000));
    let gaps: Vec<Nanos> = (0..GAPS)
        .map(|_| Nanos(rng.random_range(2_000_000..40_000_000)))
        .collect();
    let streaming: u64 = gaps.iter().map(|gap| gap.0).sum();
    let last_token = Nanos(ttft.0 + streaming);
    let latency = Nanos(last_token.0 + 300_000);
    let request_id = format!("01JD{trial:022}");
    let repetition = u32::try_from(repetition).unwrap_or(u32::MAX);
    Sample {
        version: Sample::VERSION,
        trial,
        slot: trial / VARIANTS as u64,
        round: repetition,
        prompt: prompt.id.clone(),
        prompt_digest: format!("{:064x}", at(PROMPTS, VARIANTS)),
        repetition,
        variant: variant.label.clone(),
        model: variant.model.clone(),
        weight: 1.0,
        tags: vec!["bench".to_owned()],
        outcome: Outcome::Complete,
        error: None,
        request_id: request_id.clone(),
        sent_ns: sent,
        scheduled_ns: sent,
        connect_ns: None,
        headers_ns: Some(Nanos(ttft.0 - 1_000_000)),
        ttft_ns: Some(ttft),
        ttfa_ns: Some(ttft),
        last_token_ns: Some(last_token),
        latency_ns: Some(latency),
        experienced_ttft_ns: Some(ttft),
        gaps: Some(gaps_of(&gaps, 2)),
        answer_chars: Some(ANSWER_BYTES as u64),
        reasoning_chars: None,
        first_chunk_chars: Some(8),
        usage: Some(Usage {
            prompt_tokens: Some(420),
            completion_tokens: Some(GAPS as u64 + 1),
            reasoning_tokens: Some(0),
            cached_tokens: Some(0),
            cache_write_tokens: None,
        }),
        finish_reason: Some("stop".to_owned()),
        cost_usd: Some(Usd(1_234_500_000)),
        billed_usd: Some(Usd(1_234_500_000)),
        market_usd: Some(Usd(1_234_500_000)),
        provider: Some("provider".to_owned()),
        provider_attempts: Some(1),
        served_model: None,
        generation_id: Some(format!("gen_{request_id}")),
        flags: Vec::new(),
        attempts: vec![Attempt {
            request_id,
            sent_ns: sent,
            end_ns: Nanos(sent.0 + latency.0),
            outcome: Outcome::Complete,
            status: Some(200),
            retry_after_ms: None,
        }],
        answer: Some("Ten bytes.".repeat(ANSWER_BYTES / 10)),
        reasoning: None,
        tool_calls: Vec::new(),
        scores: std::collections::BTreeMap::new(),
    }
}

fn manifest() -> Manifest {
    let variants = (0..VARIANTS).map(|number| Variant {
        label: format!("creator/model-{number}"),
        model: format!("creator/model-{number}")
            .parse()
            .expect("a model id"),
        system: None,
        parameters: Parameters::default(),
    });
    let prompts = (0..PROMPTS).map(|number| Prompt {
        id: format!("prompt-{number}"),
        system: None,
        messages: vec![Message {
            role: Role::User,
            content: "Say something.".to_owned(),
        }],
        weight: 1.0,
        tags: Vec::new(),
        parameters: Parameters::default(),
    });
    let suite = Suite {
        name: "bench".to_owned(),
        description: None,
        endpoint: "sim".to_owned(),
        variants: variants.collect(),
        reference: "creator/model-0".to_owned(),
        repetitions: u32::try_from(REPETITIONS).unwrap_or(u32::MAX),
        warmup: 0,
        concurrency: 1,
        seed: 7,
        stream: true,
        keep_answers: true,
        max_attempts: 1,
        timeouts: Timeouts {
            connect_ns: Nanos::from_millis(1000),
            headers_ns: Nanos::from_millis(1000),
            gap_ns: Nanos::from_millis(1000),
            total_ns: Nanos::from_millis(1000),
        },
        system: None,
        parameters: Parameters::default(),
        prompts: prompts.collect(),
    };
    Manifest {
        version: Manifest::VERSION,
        tool: "bakeoff".to_owned(),
        run: "bench".to_owned(),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        status: Status::Complete,
        suite_digest: String::new(),
        suite,
        selection: Selection::default(),
        endpoint: EndpointRecord {
            name: "sim".to_owned(),
            base_url: None,
            key_variable: None,
            world: None,
        },
        prices: None,
        client: Vec::new(),
        planned_trials: (VARIANTS * PROMPTS * REPETITIONS) as u64,
        plan_digest: String::new(),
        platform: String::new(),
    }
}
