//! Tests of the formats, on a small run.

use std::io;

use crate::record::{Flag, Manifest, Outcome, Sample, Status};
use crate::verdict::fixture::{answered, failed, flagged, manifest};

use super::*;

mod golden;
mod html;
mod limit_columns;
mod pages;
mod partial_answers;
mod recommendations;
mod remarks;
mod screens;
mod tables;
mod truths;
mod verdicts;

/// Error type of the samples: reading them never fails here, writing could.
#[derive(Debug)]
struct UnreadableSample;

impl From<io::Error> for UnreadableSample {
    fn from(_: io::Error) -> Self {
        Self
    }
}

fn read<'a>(run: &'a Manifest, samples: &[Sample]) -> Report<'a> {
    let samples = samples.iter().cloned().map(Ok::<_, UnreadableSample>);
    Report::read(run, samples, |_| false, None, io::sink()).unwrap()
}

pub(super) fn render(report: &Report<'_>, format: ReportFormat) -> String {
    let mut bytes = Vec::new();
    report.write(format, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn samples_csv(run: &Manifest, samples: &[Sample]) -> String {
    let mut bytes = Vec::new();
    let samples = samples.iter().cloned().map(Ok::<_, UnreadableSample>);
    Report::read(run, samples, |_| false, None, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Two variants, two prompts, four repetitions: the candidate has the lower TTFT, and one of its trials failed.
fn small_run() -> (Manifest, Vec<Sample>) {
    let run = manifest(
        &["openai/gpt-5-mini", "anthropic/claude"],
        &["greet", "sum"],
        4,
    );
    let mut samples: Vec<Sample> = (0..16)
        .map(|trial| {
            let candidate = trial % 2 == 1;
            let ttft_ms = if candidate {
                200 + trial
            } else {
                400 + 3 * trial
            };
            answered(&run, trial, ttft_ms)
        })
        .collect();
    for sample in samples
        .iter_mut()
        .filter(|s| s.variant == "anthropic/claude")
    {
        sample.cost_usd = "0.00125".parse().ok();
        sample.billed_usd = "0.0015".parse().ok();
        sample.market_usd = None;
    }
    samples[6] = flagged(samples[6].clone(), Flag::Cold);
    samples[8] = flagged(samples[8].clone(), Flag::TruncatedInReasoning);
    samples[8].outcome = Outcome::Length;
    (run, samples)
}

/// The small run with a failure of the candidate, which then may not be ranked.
fn failing_run() -> (Manifest, Vec<Sample>) {
    let (mut run, mut samples) = small_run();
    run.status = Status::Interrupted;
    samples.truncate(15);
    let message = "slow down | see <a href=x>";
    samples[13] = failed(samples[13].clone(), Outcome::RateLimited, 429, message);
    (run, samples)
}

/// A CSV with its columns as lines, to be read: each name, and its values in the order of the rows.
fn on_its_side(csv: &[u8]) -> String {
    let mut reader = ::csv::Reader::from_reader(csv);
    let names = reader.headers().unwrap().clone();
    let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let lines = names.iter().enumerate().map(|(index, name)| {
        let values: Vec<&str> = rows.iter().map(|row| &row[index]).collect();
        format!("{name}: {}", values.join(" | "))
            .trim_end()
            .to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}
