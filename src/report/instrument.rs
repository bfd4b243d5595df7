//! The error of our own instrument, in words.
//!
//! Owns its sentence and its evidence. Must not decide what is known or notable. Invariant: an error is named with its
//! origin.

use jiff::tz::TimeZone;

use crate::record::{Manifest, TtftError};
use crate::suite::ClockSource;
use crate::units::{Nanos, plural};
use crate::verdict::RunSummary;

use super::figure::Figure;

/// The remedy of a large error.
pub(super) const REMEDY: &str = "lower concurrency, or use a quieter machine";

/// The sentence about the error of TTFT and the model that it distorts most; `None` where it is small or not known. `name`
/// gives the name of a label.
pub(super) fn error_sentence(
    manifest: &Manifest,
    summary: &RunSummary,
    name: impl Fn(&str) -> String,
) -> Option<String> {
    let (error, (variant, share)) = (summary.ttft_error?, summary.notable_error()?);
    let calibrated = manifest.ttft_error.calibrated;
    let calibrated = calibrated.filter(|calibrated| calibrated.p99_ns == error);
    let reason = match calibrated {
        Some(found) => {
            let requests = plural(found.requests, "request");
            format!(" at {requests} at once on this machine")
        }
        None => ": this machine was busy".to_owned(),
    };
    let share = Figure::from_option(Some(share), Figure::Share).shown();
    let name = name(&variant.label);
    Some(format!(
        "TTFT is up to {error} too high ({share} of {name}'s){reason}"
    ))
}

/// The known errors of TTFT with their origin; `None` if nothing is known.
pub(super) fn evidence(manifest: &Manifest) -> Option<String> {
    let TtftError {
        calibrated,
        client_delay,
    } = manifest.ttft_error;
    let calibrated = calibrated.map(|found| {
        let date = found.measured_at.to_zoned(TimeZone::UTC).date();
        let (p99, requests) = (found.p99_ns, plural(found.requests, "request"));
        format!("up to {p99} (p99) at {requests} at once, calibrated on {date}")
    });
    let delay = client_delay.filter(|_| manifest.clock == ClockSource::User);
    let delay = delay.map(|delay| match delay.p99_ns {
        Nanos::ZERO => "the program was not delayed".to_owned(),
        delay => format!("the program was delayed by up to {delay} (p99)"),
    });
    let parts: Vec<String> = calibrated.into_iter().chain(delay).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}
