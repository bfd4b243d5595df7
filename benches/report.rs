//! The duration and the memory of `report` and `compare` of a run of 100,000 samples: `cargo bench --bench report`, of another
//! number with `-- --samples 1000000`, alternated with another program with `-- --other PATH`, so many times with `-- --runs 9`.
//! Answers of 500 bytes with 64 gaps. The goal for a million samples: 5 s and 200 MB.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's figures go to standard output"
)]

mod made;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bakeoff::record::{Attempt, Manifest, Outcome, Run, Sample, Usage, summarize_gaps};
use bakeoff::units::{Nanos, Usd};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};

const VARIANTS: usize = 5;
const PROMPTS: usize = 40;
const SAMPLES: usize = 100_000;
const GAPS: usize = 64;
const ANSWER_BYTES: usize = 500;
/// The number of times the program runs by default: the first finds the journal in the file cache, as it was just written.
const RUNS: usize = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options: Vec<String> = std::env::args().collect();
    let option = |name: &str| {
        let at = options.iter().position(|word| word == name)?;
        options.get(at + 1)
    };
    let samples = option("--samples").map_or(Ok(SAMPLES), |text| text.parse())?;
    let runs = option("--runs").map_or(Ok(RUNS), |text| text.parse())?;
    let repetitions = samples / (VARIANTS * PROMPTS);
    let folder = tempfile::tempdir()?;
    let run = Run::create(folder.path(), "bench", "run")?;
    let model = |number| format!("\"creator/model-{number}\"");
    let models: Vec<String> = (0..VARIANTS).map(model).collect();
    let manifest = made::manifest(&models, PROMPTS, repetitions);
    run.write_manifest(&manifest)?;
    let mut journal = run.new_samples()?;
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for trial in 0..manifest.planned_trials {
        journal.append(&sample(&manifest, trial, &mut rng))?;
    }
    journal.sync()?;
    let bytes = std::fs::metadata(run.folder().join("samples.jsonl"))?.len();
    println!(
        "{} samples, {:.0} MB of journal",
        manifest.planned_trials,
        bytes as f64 / 1e6
    );
    for _ in 0..runs {
        let own = (env!("CARGO_BIN_EXE_bakeoff"), "bakeoff");
        let other = option("--other").map(|path| (path.as_str(), "other"));
        for command in ["report", "compare"] {
            for (program, name) in other.into_iter().chain([own]) {
                let (seconds, memory) = measure(program, command, run.folder())?;
                match memory {
                    Some(mb) => println!("{name} {command}: {seconds:.2} s, {mb} MB at most"),
                    None => println!(
                        "{name} {command}: {seconds:.2} s, memory not known on this system"
                    ),
                }
            }
        }
    }
    Ok(())
}

/// Measures a command of a program on a run: seconds, and peak memory in MB.
fn measure(
    program: &str,
    command: &str,
    run: &Path,
) -> Result<(f64, Option<u64>), Box<dyn std::error::Error>> {
    let begin = Instant::now();
    let mut child = Command::new(program)
        .arg(command)
        .arg(run)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut memory = None;
    while child.try_wait()?.is_none() {
        memory = memory.max(peak_memory_mb(child.id()));
        std::thread::sleep(Duration::from_millis(5));
    }
    let seconds = begin.elapsed().as_secs_f64();
    if !child.wait()?.success() {
        return Err(format!("`{program} {command}` failed").into());
    }
    Ok((seconds, memory))
}

/// The peak memory of a process so far, if the system reports it.
fn peak_memory_mb(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024)
}

fn sample(manifest: &Manifest, trial: u64, rng: &mut ChaCha8Rng) -> Sample {
    let suite = &manifest.suite;
    let at = |count: usize, step: usize| (usize::try_from(trial).unwrap_or(0) / step) % count;
    let variant = &suite.variants[at(VARIANTS, 1)];
    let prompt = &suite.prompts[at(PROMPTS, VARIANTS)];
    let repetition = at(usize::MAX, VARIANTS * PROMPTS) + 1;
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
        metadata: serde_json::Map::new(),
        outcome: Outcome::Complete,
        error: None,
        request_id: request_id.clone(),
        sent_ns: sent,
        scheduled_ns: sent,
        throttled_ns: None,
        connect_ns: None,
        tcp_ns: None,
        tls_ns: None,
        headers_ns: Some(Nanos(ttft.0 - 1_000_000)),
        ttft_ns: Some(ttft),
        ttfa_ns: Some(ttft),
        first_unit_ns: Some(ttft),
        last_token_ns: Some(last_token),
        latency_ns: Some(latency),
        experienced_ttft_ns: Some(ttft),
        gaps: Some(summarize_gaps(&gaps, 2)),
        answer_chars: Some(ANSWER_BYTES as u64),
        reasoning_chars: None,
        first_chunk_chars: Some(8),
        usage: Some(Usage {
            prompt_tokens: Some(420),
            completion_tokens: Some(GAPS as u64 + 1),
            reasoning_tokens: Some(0),
            cached_tokens: Some(0),
            cache_write_tokens: None,
            ..Usage::default()
        }),
        unread_usage: Vec::new(),
        service_tier: None,
        finish_reason: Some("stop".to_owned()),
        cost_usd: Some(Usd(1_234_500_000)),
        billed_usd: Some(Usd(1_234_500_000)),
        surcharge_usd: None,
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
            throttled_ns: None,
        }],
        answer: Some("Ten bytes.".repeat(ANSWER_BYTES / 10)),
        reasoning: None,
        tool_calls: Vec::new(),
        grades: Vec::new(),
        pass_threshold: None,
    }
}
