//! A run as OpenTelemetry spans and metrics, in the encoding of OTLP.
//!
//! Owns what is sent of a run. Must not know where it is sent. Invariants: it is a function of the records, so that sending
//! a run twice sends the same ids; it holds no prompt, no answer, no message of a server and no key.

mod metrics;
mod names;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{
    ResourceSpans, ScopeSpans, Span, Status, span::SpanKind, status::StatusCode,
};
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use crate::record::{Attempt, Manifest, Sample};
use crate::units::{Nanos, one_line};

use metrics::MetricsFold;
pub use names::GenAiNames;

/// Spans of one message: far below the usual limit of receivers, 4 MB.
const SPANS_PER_MESSAGE: usize = 500;
/// The flag of a span whose trace is recorded.
const SAMPLED: u32 = 1;

/// A message for an OTLP receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpMessage {
    /// The path below the receiver's base URL.
    pub path: &'static str,
    /// The body, `application/x-protobuf`.
    pub body: Vec<u8>,
    /// Spans, or data points, that it holds.
    pub count: usize,
}

/// The fold from samples to messages.
pub struct OtlpFold {
    source: RunSource,
    spans: Vec<Span>,
    metrics: MetricsFold,
    end: Nanos,
}

/// The facts of a run that every message holds.
struct RunSource {
    run: String,
    suite: String,
    tool: String,
    provider: String,
    /// Address and port of the endpoint.
    server: Option<(String, u16)>,
    is_simulated: bool,
    streams: bool,
    names: GenAiNames,
    /// Start of the run, Unix time in nanoseconds.
    start: u64,
    /// Starts of the parts of a merged run, on the run's clock and as Unix time: its shards went on side by side.
    parts: Vec<(Nanos, u64)>,
    trace_id: Vec<u8>,
    root_id: Vec<u8>,
}

impl OtlpFold {
    /// The fold of a run, with these names.
    pub fn new(manifest: &Manifest, names: GenAiNames) -> Self {
        let endpoint = &manifest.endpoint;
        let id = |of: &str| Sha256::digest(format!("{of} {}", manifest.run).as_bytes()).to_vec();
        let server = endpoint.base_url.as_deref().and_then(server_of);
        let source = RunSource {
            run: manifest.run.clone(),
            suite: manifest.suite.name.clone(),
            tool: manifest.tool.clone(),
            provider: endpoint.name.clone(),
            server: server.map(|(host, port)| (host.to_owned(), port)),
            is_simulated: endpoint.scenario.is_some(),
            streams: manifest.suite.stream,
            names,
            start: unix_nanos(manifest.started_at),
            parts: {
                let parts = manifest.parts.iter().filter(|part| part.shard.is_some());
                let parts = parts.map(|part| (part.start_ns, unix_nanos(part.started_at)));
                parts.collect()
            },
            trace_id: id("trace")[..16].to_vec(),
            root_id: id("root")[..8].to_vec(),
        };
        Self {
            metrics: MetricsFold::new(names),
            source,
            spans: Vec::new(),
            end: Nanos::ZERO,
        }
    }

    /// Adds a sample; returns a message once enough spans are there.
    pub fn add(&mut self, sample: &Sample) -> Option<OtlpMessage> {
        let last = sample.attempts.len().saturating_sub(1);
        for (number, attempt) in sample.attempts.iter().enumerate() {
            let answered = (number == last).then_some(sample);
            let span = self.source.span(sample, attempt, number, answered);
            self.spans.push(span);
        }
        let ends = [self.end, sample.end()];
        // The shards of a merged run lie one after the other on its clock, but went on side by side.
        self.end = (ends.into_iter().max_by_key(|end| self.source.at(*end))).unwrap_or(self.end);
        self.metrics.add(sample);
        (self.spans.len() >= SPANS_PER_MESSAGE).then(|| self.flush())
    }

    /// The last messages: the rest of the spans with that of the run, then the metrics.
    pub fn finish(mut self) -> [OtlpMessage; 2] {
        let root = self.source.root(self.end);
        self.spans.push(root);
        let spans = self.flush();
        [spans, self.metrics.finish(&self.source, self.end)]
    }

    fn flush(&mut self) -> OtlpMessage {
        let spans = std::mem::take(&mut self.spans);
        let count = spans.len();
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(self.source.resource()),
                scope_spans: vec![ScopeSpans {
                    scope: Some(self.source.scope()),
                    spans,
                    schema_url: self.source.names.schema_url().to_owned(),
                }],
                schema_url: String::new(),
            }],
        };
        OtlpMessage {
            path: "v1/traces",
            body: request.encode_to_vec(),
            count,
        }
    }
}

impl RunSource {
    fn resource(&self) -> Resource {
        let mut attributes = vec![
            text("service.name", "bakeoff"),
            text("bakeoff.run", &self.run),
            text("bakeoff.suite", &self.suite),
        ];
        if self.is_simulated {
            attributes.push(attribute("bakeoff.simulated", Value::BoolValue(true)));
        }
        Resource {
            attributes,
            ..Resource::default()
        }
    }

    fn scope(&self) -> InstrumentationScope {
        InstrumentationScope {
            name: "bakeoff".to_owned(),
            version: self.tool.trim_start_matches("bakeoff ").to_owned(),
            ..InstrumentationScope::default()
        }
    }

    /// Unix time of an instant of the run.
    fn at(&self, instant: Nanos) -> u64 {
        let begun = self.parts.partition_point(|(start, _)| *start <= instant);
        match begun.checked_sub(1).map(|part| self.parts[part]) {
            Some((start, at)) => at.saturating_add(instant.since(start).0),
            None => self.start.saturating_add(instant.0),
        }
    }

    /// The attributes that spans and data points of a sample share.
    fn shared(&self, model: &str) -> Vec<KeyValue> {
        let mut attributes = vec![
            text(names::OPERATION, "chat"),
            text(names::PROVIDER, &self.provider),
            text(names::REQUEST_MODEL, model),
        ];
        if let Some((host, port)) = &self.server {
            attributes.push(text(names::SERVER_ADDRESS, host));
            attributes.push(count(names::SERVER_PORT, u64::from(*port)));
        }
        attributes
    }

    /// The span of the run.
    fn root(&self, end: Nanos) -> Span {
        Span {
            trace_id: self.trace_id.clone(),
            span_id: self.root_id.clone(),
            name: format!("bakeoff run {}", one_line(&self.suite)),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: self.start,
            end_time_unix_nano: self.at(end),
            flags: SAMPLED,
            ..Span::default()
        }
    }

    /// The span of an attempt; `answered` is its sample if it is the last one.
    fn span(
        &self,
        sample: &Sample,
        attempt: &Attempt,
        number: usize,
        answered: Option<&Sample>,
    ) -> Span {
        let mut attributes = self.shared(sample.model.as_str());
        attributes.extend([
            attribute(names::REQUEST_STREAM, Value::BoolValue(self.streams)),
            text("bakeoff.variant", &sample.variant),
            text("bakeoff.prompt", &sample.prompt),
            count("bakeoff.trial", sample.trial),
            count("bakeoff.round", u64::from(sample.round)),
            count("bakeoff.attempt", number as u64 + 1),
            text("bakeoff.request_id", &attempt.request_id),
        ]);
        if let Some(status) = attempt.status {
            attributes.push(count(names::STATUS_CODE, u64::from(status)));
        }
        let failed = !attempt.outcome.answered();
        if failed {
            attributes.push(text(names::ERROR_TYPE, attempt.outcome.word()));
        }
        if let Some(sample) = answered {
            attributes.extend(self.of_answer(sample));
        }
        let span_id = format!("{} {} {number}", self.run, attempt.request_id);
        Span {
            trace_id: self.trace_id.clone(),
            span_id: Sha256::digest(span_id.as_bytes())[..8].to_vec(),
            parent_span_id: self.root_id.clone(),
            name: format!("chat {}", sample.model),
            kind: SpanKind::Client.into(),
            start_time_unix_nano: self.at(attempt.sent_ns),
            end_time_unix_nano: self.at(attempt.end_ns),
            attributes,
            flags: SAMPLED,
            status: failed.then(|| Status {
                message: String::new(),
                code: StatusCode::Error.into(),
            }),
            ..Span::default()
        }
    }

    /// The attributes of an answer: times, tokens, cost, and who answered.
    fn of_answer(&self, sample: &Sample) -> Vec<KeyValue> {
        let mut attributes = Vec::new();
        if let Some(ttft) = sample.ttft_ns {
            attributes.push(number(names::SPAN_FIRST_CHUNK, ttft.as_secs_f64()));
        }
        if let Some(ttfa) = sample.ttfa_ns {
            attributes.push(number("bakeoff.time_to_first_answer", ttfa.as_secs_f64()));
        }
        let usage = sample.known_usage().unwrap_or_default();
        let tokens = [
            (names::INPUT_TOKENS, usage.prompt_tokens),
            (names::OUTPUT_TOKENS, usage.completion_tokens),
            (names::REASONING, usage.reasoning_tokens),
            (names::CACHE_READ, usage.cached_tokens),
            (self.names.cache_write(), usage.cache_write_tokens),
        ];
        for (name, tokens) in tokens {
            attributes.extend(tokens.map(|tokens| count(name, tokens)));
        }
        if let Some(reason) = &sample.finish_reason {
            let values = vec![AnyValue {
                value: Some(Value::StringValue(one_line(reason).into_owned())),
            }];
            let value = Value::ArrayValue(ArrayValue { values });
            attributes.push(attribute(names::FINISH_REASONS, value));
        }
        let served = sample.served_model.as_deref();
        for (name, value) in [
            (names::RESPONSE_MODEL, served),
            (names::RESPONSE_ID, sample.generation_id.as_deref()),
            ("bakeoff.provider", sample.provider.as_deref()),
        ] {
            attributes.extend(value.map(|value| text(name, value)));
        }
        if let Some(cost) = sample.list_price() {
            attributes.push(number("bakeoff.cost_usd", cost.as_f64()));
        }
        attributes
    }
}

/// The host and the port of a URL.
fn server_of(url: &str) -> Option<(&str, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let host = authority.rsplit('@').next()?;
    let colon = host
        .rfind(':')
        .filter(|colon| !host[*colon..].contains(']'));
    let default = if scheme == "https" { 443 } else { 80 };
    match colon {
        Some(colon) => Some((&host[..colon], host[colon + 1..].parse().ok()?)),
        None => Some((host, default)),
    }
}

fn unix_nanos(at: jiff::Timestamp) -> u64 {
    u64::try_from(at.as_nanosecond()).unwrap_or(0)
}

fn attribute(name: &str, value: Value) -> KeyValue {
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn text(name: &str, value: &str) -> KeyValue {
    attribute(name, Value::StringValue(one_line(value).into_owned()))
}

fn count(name: &str, value: u64) -> KeyValue {
    attribute(
        name,
        Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)),
    )
}

fn number(name: &str, value: f64) -> KeyValue {
    attribute(name, Value::DoubleValue(value))
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;

    use crate::record::Outcome;
    use crate::verdict::fixture;

    use super::*;

    fn export(names: GenAiNames) -> (Vec<Span>, ExportMetricsServiceRequest) {
        let run = fixture::manifest(&["a/b", "c/d"], &["p", "q"], 2);
        let mut fold = OtlpFold::new(&run, names);
        for trial in 0..run.planned_trials {
            let mut sample = fixture::answered(&run, trial, 200);
            sample.answer = Some("the secret answer".to_owned());
            if trial == 3 {
                sample.outcome = Outcome::RateLimited;
                sample.attempts[0].outcome = Outcome::RateLimited;
            }
            assert_eq!(fold.add(&sample), None);
        }
        let [spans, metrics] = fold.finish();
        for message in [&spans, &metrics] {
            let bytes = String::from_utf8_lossy(&message.body);
            assert!(!bytes.contains("secret"), "{}", message.path);
        }
        let spans = ExportTraceServiceRequest::decode(&*spans.body).unwrap();
        let spans = spans.resource_spans[0].scope_spans[0].spans.clone();
        (
            spans,
            ExportMetricsServiceRequest::decode(&*metrics.body).unwrap(),
        )
    }

    fn value<'a>(span: &'a Span, name: &str) -> Option<&'a Value> {
        let found = span.attributes.iter().find(|one| one.key == name)?;
        found.value.as_ref()?.value.as_ref()
    }

    #[test]
    fn a_run_is_one_trace_with_a_span_for_each_request() {
        let (spans, _) = export(GenAiNames::Current);
        let (root, requests) = spans.split_last().unwrap();
        assert_eq!(requests.len(), 8);
        assert!(root.parent_span_id.is_empty() && root.span_id.len() == 8);
        let ids: std::collections::BTreeSet<_> = spans.iter().map(|one| &one.span_id).collect();
        assert_eq!(ids.len(), 9);
        for span in requests {
            assert_eq!(
                (&span.parent_span_id, &span.trace_id),
                (&root.span_id, &root.trace_id)
            );
            assert!(span.start_time_unix_nano >= root.start_time_unix_nano);
            assert!(span.end_time_unix_nano <= root.end_time_unix_nano);
        }
        assert_eq!(
            value(&spans[0], names::OPERATION),
            Some(&Value::StringValue("chat".to_owned()))
        );
        assert_eq!(
            value(&spans[0], names::SPAN_FIRST_CHUNK),
            Some(&Value::DoubleValue(0.2))
        );
        assert_eq!(
            value(&spans[3], names::ERROR_TYPE),
            Some(&Value::StringValue("rate_limited".to_owned()))
        );
        // The same ids every time: a receiver can tell that a run was sent twice.
        assert_eq!(export(GenAiNames::Current).0, spans);
    }

    #[test]
    fn metrics_have_the_names_that_were_chosen() {
        let names_of = |chosen| {
            let (_, request) = export(chosen);
            let metrics = request.resource_metrics[0].scope_metrics[0].metrics.clone();
            metrics
                .into_iter()
                .map(|one| (one.name, one.data.unwrap()))
                .collect::<Vec<_>>()
        };
        let current = names_of(GenAiNames::Current);
        let listed: Vec<&str> = current.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            listed,
            [
                "gen_ai.client.inference.duration",
                "gen_ai.client.inference.time_to_first_chunk",
                "gen_ai.client.inference.usage.input_tokens",
                "gen_ai.client.inference.usage.output_tokens",
                "gen_ai.client.inference.usage.cache_read.input_tokens",
                "gen_ai.client.inference.usage.cache_write.input_tokens",
                "gen_ai.client.inference.usage.reasoning.output_tokens",
            ]
        );
        let Data::Histogram(first_chunk) = &current[1].1 else {
            panic!("{current:?}")
        };
        // 0.2 s lies above the bound of 0.16 s and below that of 0.32 s.
        let point = &first_chunk.data_points[0];
        assert_eq!((point.count, point.bucket_counts[5]), (4, 4));
        assert_eq!(
            (point.explicit_bounds.len(), point.bucket_counts.len()),
            (14, 15)
        );
        let old = names_of(GenAiNames::Old);
        let listed: Vec<&str> = old.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            listed,
            [
                "gen_ai.client.operation.duration",
                "gen_ai.client.operation.time_to_first_chunk",
                "gen_ai.client.token.usage",
            ]
        );
    }

    #[test]
    fn the_host_and_port_of_an_endpoint_are_its_address() {
        // The conventions want a port wherever there is an address.
        for (url, host, port) in [
            (
                "https://ai-gateway.vercel.sh/v1",
                "ai-gateway.vercel.sh",
                443,
            ),
            ("http://127.0.0.1:8787/v1", "127.0.0.1", 8787),
            ("http://[::1]:8787", "[::1]", 8787),
            ("http://[::1]", "[::1]", 80),
        ] {
            assert_eq!(server_of(url), Some((host, port)));
        }
    }
}
