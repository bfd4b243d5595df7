//! The note on a run's expected duration.
//!
//! Owns the words. Must not compute: `plan` does. Invariant: one line for each thing, with its remedy.

use std::fmt::Write as _;

use crate::plan::{Basis, ExpectedAnswer, LimitUnit, PacingLimit, RunDuration};
use crate::suite::{Profile, Suite};
use crate::units::Nanos;

/// The expected duration of a run, as a line for standard error.
pub fn duration_line(
    duration: &RunDuration,
    suite: &Suite,
    profile: &Profile,
    basis: Basis,
) -> String {
    let asking = about(duration.answering);
    let binding_limit = duration.binding_limit();
    let binding_limit = binding_limit.map(|(min, limit)| (about(*min), limit));
    // What is the same in words is not worth a warning.
    if let Some((all, limit)) = binding_limit.filter(|(all, _)| *all != asking) {
        let limit = limit_words(limit, &profile.name);
        let (slots, variants) = (suite.concurrency, suite.variants.len());
        return format!(
            "warning: {limit} holds the run back: with {slots} x {variants} requests at once the run would take about {asking}, under the limit {all}"
        );
    }
    let basis = match basis {
        Basis::Simulated => "by the simulated models' typical times".to_owned(),
        Basis::Assumed => {
            let ExpectedAnswer {
                first_token,
                per_token,
                ..
            } = ExpectedAnswer::ASSUMED;
            let rate = 1_000_000_000 / per_token.0;
            let first = first_token.0 / 1_000_000_000;
            format!("assuming a TTFT of {first} s and {rate} tokens per second")
        }
    };
    format!("note: about {asking}, {basis}; an estimate")
}

fn limit_words(limit: &PacingLimit, endpoint: &str) -> String {
    let mut words = format!("the limit of {} ", limit.per_minute);
    words.push_str(match limit.unit {
        LimitUnit::Requests => "requests a minute",
        LimitUnit::Tokens => "tokens a minute",
    });
    if let Some(model) = &limit.model {
        let _ = write!(words, " of `{model}`");
    }
    let _ = write!(words, " at `{endpoint}`");
    words
}

/// A span as people say it: no finer than it is known.
fn about(span: Nanos) -> String {
    let seconds = span.0.div_ceil(1_000_000_000);
    match seconds {
        ..10 => format!("{} s", seconds.max(1)),
        10..90 => format!("{} s", seconds.div_ceil(5) * 5),
        90..5_400 => format!("{} min", (seconds + 30) / 60),
        5_400..172_800 => format!("{} h", (seconds + 1_800) / 3_600),
        _ => format!("{} days", (seconds + 43_200) / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_printed_as_coarsely_as_it_is_known() {
        // "1 min 37 s" would promise what an estimate cannot keep.
        let words = |seconds: u64| about(Nanos(seconds * 1_000_000_000));
        let words: Vec<String> = [0, 1, 9, 11, 88, 90, 5_399, 5_400, 90_000, 900_000]
            .map(words)
            .into();
        assert_eq!(
            words.join(", "),
            "1 s, 1 s, 9 s, 15 s, 90 s, 2 min, 90 min, 2 h, 25 h, 10 days"
        );
        assert_eq!(about(Nanos(u64::MAX)), "213504 days");
    }
}
