//! `histograms.hlog`: the run's histograms as an interval log for HdrHistogram's tools.
//!
//! Owns the tags and headers of the log. Must not know which samples are in a histogram. Invariant:
//! one line per variant and metric that has a value; values are microseconds.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::record::Manifest;
use crate::verdict::RunSummary;

/// Writes the log: times are seconds since the run began, in one interval as long as the run.
pub(super) fn write_log(
    manifest: &Manifest,
    summary: &RunSummary,
    mut out: impl io::Write,
) -> io::Result<()> {
    // The library writes no format line; the other languages' readers look for one.
    writeln!(out, "#[Histogram log format version 1.3]")?;
    let started = manifest.started_at.into();
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Values: microseconds; Tag: variant:metric, percent-encoded]")
        .with_start_time(started)
        .with_base_time(started)
        .begin_log_with(&mut out, &mut serializer)?;
    for variant in &summary.variants {
        for (metric, histogram, out_of_range) in &variant.histograms.metrics {
            let label = tag(&variant.label, metric);
            if *out_of_range > 0 {
                log.write_comment(&format!("{label}: {out_of_range} values out of range"))?;
            }
            if !histogram.is_empty() {
                let interval = Duration::from(summary.end);
                log.write_histogram(histogram, Duration::ZERO, interval, Tag::new(&label))
                    .map_err(|error| io::Error::other(error.to_string()))?;
            }
        }
    }
    out.flush()
}

/// Formats a tag: `openai/gpt-5-mini:ttft`; characters that a tag or a log line may not contain are
/// percent-encoded.
fn tag(label: &str, metric: &str) -> String {
    let mut tag = String::new();
    for c in label.chars() {
        if c == '%' || c == ',' || c.is_whitespace() || c.is_control() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                write!(tag, "%{byte:02X}").expect("a String can always grow");
            }
        } else {
            tag.push(c);
        }
    }
    tag.push(':');
    tag.push_str(metric);
    tag
}
