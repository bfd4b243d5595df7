//! `bakeoff report RUN --otlp URL`: the spans and metrics of a run, sent to an OpenTelemetry receiver.
//!
//! Owns the receiver's headers and the line about what was sent. Must not know what a message holds. Invariant: a header's
//! value is never printed.

use std::io::Write as _;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;

use crate::gateway::listing::FetchError;
use crate::gateway::{Authorities, Endpoint, OtlpSender, Proxy, percent_decode};
use crate::record::{JournalError, Manifest, Run};
pub use crate::report::GenAiNames;
use crate::report::{OtlpFold, OtlpMessage};
use crate::units::plural;

use super::base::failure::Failure;
use super::base::runtime::runtime;
use super::base::samples::SampleReader;
use super::base::stdio::stdout;

/// The variable that holds further headers, `name=value,name=value`, as for every OpenTelemetry exporter.
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// The time that connecting and each message may take.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The receiver of a run.
#[derive(Debug)]
pub struct OtlpTarget {
    /// Its base URL, without `/v1/traces`.
    pub url: String,
    /// The names of metrics and attributes.
    pub names: GenAiNames,
}

/// Sends a run.
pub(super) fn send(run: &Run, manifest: &Manifest, target: &OtlpTarget) -> Result<(), Failure> {
    let receiver = receiver(&target.url)?;
    let failed = |error: FetchError| {
        let message = format!("`{}` did not take the run: {error}", target.url);
        match error {
            FetchError::Open(_) => Failure::usage(message),
            _ => Failure::incomplete(message),
        }
    };
    let runtime = runtime()?;
    let sender = runtime
        .block_on(OtlpSender::open(receiver, TIME_LIMIT))
        .map_err(failed)?;
    let (mut spans, mut rejected) = (0, 0);
    let mut post = |message: OtlpMessage| {
        let answer = runtime.block_on(sender.post(message.path, message.body, TIME_LIMIT))?;
        // Both kinds of answers have the number of what was rejected at the same place.
        let answer = ExportTraceServiceResponse::decode(&*answer).unwrap_or_default();
        rejected += answer.partial_success.map_or(0, |part| part.rejected_spans);
        Ok::<usize, FetchError>(message.count)
    };
    let mut fold = OtlpFold::new(manifest, target.names);
    let mut samples = SampleReader::open(run)?;
    for sample in samples.by_ref() {
        match sample {
            Ok(sample) => {
                if let Some(message) = fold.add(&sample) {
                    spans += post(message).map_err(failed)?;
                }
            }
            // It was reported.
            Err(JournalError::Line { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    samples.end()?;
    let [last, metrics] = fold.finish();
    spans += post(last).map_err(failed)?;
    let metrics = match post(metrics) {
        // Some receivers take traces alone.
        Err(FetchError::Status {
            status: status @ (404 | 405 | 501),
            ..
        }) => format!("no metrics, which it does not take (HTTP {status})"),
        posted => plural(posted.map_err(failed)? as u64, "metric"),
    };
    let sent = format!("{} and {metrics}", plural(spans as u64, "span"));
    if rejected > 0 {
        return Err(Failure::incomplete(format!(
            "`{}` rejected {rejected} of {sent}",
            target.url
        )));
    }
    Ok(writeln!(stdout(), "{}: {sent}", target.url)?)
}

/// The receiver at this URL, with the headers of the environment.
fn receiver(url: &str) -> Result<Endpoint, Failure> {
    let has_user = url.split('/').nth(2).is_some_and(|host| host.contains('@'));
    if has_user || url.contains(['?', '#']) {
        return Err(Failure::usage(format!(
            "the URL of `--otlp` may hold no user, password or query: put credentials into {HEADERS}"
        )));
    }
    let proxy = Proxy::from_variables(url, |name| std::env::var(name).ok());
    let variable = std::env::var(HEADERS).unwrap_or_default();
    Ok(Endpoint {
        base_url: url.trim_end_matches('/').to_owned(),
        key: None,
        key_header: None,
        headers: headers(&variable).ok_or_else(|| {
            Failure::usage(format!(
                "{HEADERS} must be `name=value`, separated by commas"
            ))
        })?,
        proxy: proxy.map_err(|error| Failure::usage(error.to_string()))?,
        authorities: Authorities::default(),
    })
}

/// Headers as the variable has them; `None` if it cannot be read.
fn headers(variable: &str) -> Option<Vec<(String, String)>> {
    let pairs = variable.split(',').map(str::trim);
    let pairs = pairs.filter(|pair| !pair.is_empty());
    let header = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        Some((name.trim().to_owned(), percent_decode(value.trim())))
    };
    pairs.map(header).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_other_exporters_read_them() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(headers(""), Some(Vec::new()));
        assert_eq!(
            headers("authorization=Bearer%20a=b, x-team = tests,"),
            Some(vec![
                pair("authorization", "Bearer a=b"),
                pair("x-team", "tests")
            ])
        );
        assert_eq!(headers("authorization"), None);
    }

    #[test]
    fn a_url_with_a_password_is_refused() {
        // It would be printed, and stand in the logs of proxies.
        for url in ["http://user:secret@host/", "https://host/?key=secret"] {
            let error = receiver(url).err().unwrap().message;
            assert!(
                error.contains(HEADERS) && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
