//! The metrics of a run: histograms of times, and tokens.
//!
//! Owns their buckets. Must not know spans. Invariant: every bucket count of a histogram adds up to its count.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, metric::Data, number_data_point,
};
use prost::Message as _;

use crate::record::{Sample, Usage};
use crate::units::Nanos;

use super::names::{self, GenAiNames};
use super::{OtlpMessage, RunSource, text};

/// Buckets of times: from 10 ms, doubling.
const TIME_BUCKETS: u32 = 14;
/// Buckets of tokens under the old names: from 1, times four.
const TOKEN_BUCKETS: u32 = 14;

/// The counters of tokens under the current names.
const TOKEN_COUNTERS: [&str; 5] = [
    "gen_ai.client.inference.usage.input_tokens",
    "gen_ai.client.inference.usage.output_tokens",
    "gen_ai.client.inference.usage.cache_read.input_tokens",
    "gen_ai.client.inference.usage.cache_write.input_tokens",
    "gen_ai.client.inference.usage.reasoning.output_tokens",
];

/// The model of a data point, and a second attribute: the outcome of a failure, or the type of tokens.
type PointKey = (String, Option<&'static str>);

/// Values so far in the buckets of a histogram.
struct BucketCounts {
    counts: Vec<u64>,
    sum: f64,
}

/// The fold from samples to metrics.
pub(super) struct MetricsFold {
    names: GenAiNames,
    durations: BTreeMap<PointKey, BucketCounts>,
    first_chunks: BTreeMap<PointKey, BucketCounts>,
    token_usage: BTreeMap<PointKey, BucketCounts>,
    /// Sums of tokens by model, in the order of [`TOKEN_COUNTERS`]; absent where no server counted them.
    tokens: BTreeMap<String, [Option<u64>; TOKEN_COUNTERS.len()]>,
}

impl MetricsFold {
    /// An empty fold.
    pub(super) fn new(names: GenAiNames) -> Self {
        Self {
            names,
            durations: BTreeMap::new(),
            first_chunks: BTreeMap::new(),
            token_usage: BTreeMap::new(),
            tokens: BTreeMap::new(),
        }
    }

    /// Adds a sample: its attempts each have a duration, its answer the rest.
    pub(super) fn add(&mut self, sample: &Sample) {
        let model = sample.model.to_string();
        for attempt in &sample.attempts {
            let failed = (!attempt.outcome.answered()).then(|| attempt.outcome.word());
            let span = attempt.end_ns.since(attempt.sent_ns);
            record(
                &mut self.durations,
                (model.clone(), failed),
                &time_bounds(),
                span.as_secs_f64(),
            );
        }
        if let Some(ttft) = sample.ttft_ns {
            record(
                &mut self.first_chunks,
                (model.clone(), None),
                &time_bounds(),
                ttft.as_secs_f64(),
            );
        }
        let usage = sample.known_usage().unwrap_or_default();
        for (kind, tokens) in [
            ("input", usage.prompt_tokens),
            ("output", usage.completion_tokens),
        ] {
            if let Some(tokens) = tokens {
                let key = (model.clone(), Some(kind));
                record(&mut self.token_usage, key, &token_bounds(), tokens as f64);
            }
        }
        let sums = self.tokens.entry(model).or_default();
        for (sum, tokens) in sums.iter_mut().zip(counted(&usage)) {
            *sum = match (*sum, tokens) {
                (sum, None) => sum,
                (sum, Some(tokens)) => Some(sum.unwrap_or(0).saturating_add(tokens)),
            };
        }
    }

    /// The message with all metrics of a run that ended at `end`.
    pub(super) fn finish(self, source: &RunSource, end: Nanos) -> OtlpMessage {
        let histogram = |name: &str, unit, points, bounds: &[f64], second| Metric {
            name: name.to_owned(),
            unit: str::to_owned(unit),
            data: Some(Data::Histogram(Histogram {
                data_points: data_points(source, end, points, bounds, second),
                aggregation_temporality: AggregationTemporality::Cumulative.into(),
            })),
            ..Metric::default()
        };
        let times = time_bounds();
        let mut metrics = vec![
            histogram(
                self.names.duration(),
                "s",
                self.durations,
                &times,
                names::ERROR_TYPE,
            ),
            histogram(
                self.names.first_chunk(),
                "s",
                self.first_chunks,
                &times,
                names::ERROR_TYPE,
            ),
        ];
        match self.names {
            GenAiNames::Current => metrics.extend(token_counters(source, end, &self.tokens)),
            GenAiNames::Old => metrics.push(histogram(
                "gen_ai.client.token.usage",
                "{token}",
                self.token_usage,
                &token_bounds(),
                names::TOKEN_TYPE,
            )),
        }
        let count = metrics.len();
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(source.resource()),
                scope_metrics: vec![ScopeMetrics {
                    scope: Some(source.scope()),
                    metrics,
                    schema_url: self.names.schema_url().to_owned(),
                }],
                schema_url: String::new(),
            }],
        };
        OtlpMessage {
            path: "v1/metrics",
            body: request.encode_to_vec(),
            count,
        }
    }
}

fn time_bounds() -> Vec<f64> {
    (0..TIME_BUCKETS)
        .map(|power| 0.01 * f64::from(1 << power))
        .collect()
}

fn token_bounds() -> Vec<f64> {
    (0..TOKEN_BUCKETS)
        .map(|power| f64::from(1 << (2 * power)))
        .collect()
}

/// The tokens of an answer, in the order of [`TOKEN_COUNTERS`].
const fn counted(usage: &Usage) -> [Option<u64>; TOKEN_COUNTERS.len()] {
    [
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    ]
}

/// Adds a value to its bucket: the first whose upper bound it does not exceed.
fn record(
    points: &mut BTreeMap<PointKey, BucketCounts>,
    key: PointKey,
    bounds: &[f64],
    value: f64,
) {
    let buckets = points.entry(key).or_insert_with(|| BucketCounts {
        counts: vec![0; bounds.len() + 1],
        sum: 0.0,
    });
    buckets.counts[bounds.partition_point(|bound| *bound < value)] += 1;
    buckets.sum += value;
}

/// The attributes of a data point.
fn attributes(source: &RunSource, (model, second): &PointKey, name: &str) -> Vec<KeyValue> {
    let mut attributes = source.shared(model);
    attributes.extend(second.map(|value| text(name, value)));
    attributes
}

fn data_points(
    source: &RunSource,
    end: Nanos,
    points: BTreeMap<PointKey, BucketCounts>,
    bounds: &[f64],
    second: &str,
) -> Vec<HistogramDataPoint> {
    let point = |(key, buckets): (PointKey, BucketCounts)| HistogramDataPoint {
        attributes: attributes(source, &key, second),
        start_time_unix_nano: source.start,
        time_unix_nano: source.at(end),
        count: buckets.counts.iter().sum(),
        sum: Some(buckets.sum),
        bucket_counts: buckets.counts,
        explicit_bounds: bounds.to_vec(),
        ..HistogramDataPoint::default()
    };
    points.into_iter().map(point).collect()
}

/// A counter for each kind of tokens.
fn token_counters(
    source: &RunSource,
    end: Nanos,
    tokens: &BTreeMap<String, [Option<u64>; TOKEN_COUNTERS.len()]>,
) -> Vec<Metric> {
    let points = |kind: usize| {
        let point = |(model, sums): (&String, &[Option<u64>; TOKEN_COUNTERS.len()])| {
            let sum = i64::try_from(sums[kind]?).unwrap_or(i64::MAX);
            Some(NumberDataPoint {
                attributes: source.shared(model),
                start_time_unix_nano: source.start,
                time_unix_nano: source.at(end),
                value: Some(number_data_point::Value::AsInt(sum)),
                ..NumberDataPoint::default()
            })
        };
        tokens.iter().filter_map(point).collect()
    };
    let counter = |(kind, name): (usize, &&str)| Metric {
        name: (*name).to_owned(),
        unit: "{token}".to_owned(),
        data: Some(Data::Sum(Sum {
            data_points: points(kind),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic: true,
        })),
        ..Metric::default()
    };
    TOKEN_COUNTERS.iter().enumerate().map(counter).collect()
}
