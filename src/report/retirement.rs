//! Sentences about models that retire.
//!
//! Owns the words. Must not know which models are listed: `record` does. Invariant: every sentence has the date
//! and its source, and none says that a model cannot be used: an endpoint may serve it on.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::record::{Manifest, ModelRetirement};

/// The warning about a model that retires, or has retired by `today`.
pub fn retirement_line(one: &ModelRetirement, today: Date) -> String {
    let ModelRetirement {
        model,
        date,
        source,
    } = one;
    if *date <= today {
        format!(
            "`{model}` retired on {date} ({source}): requests may fail, or another model may answer"
        )
    } else {
        format!(
            "`{model}` retires on {date} ({source}): a history against it ends then; run its successor beside it \
             and use `bakeoff accept --successor-of`"
        )
    }
}

/// The warnings about the models of a run that had retired, or were about to, when it began.
pub fn retirement_lines(manifest: &Manifest) -> Vec<String> {
    let began = manifest.started_at.to_zoned(TimeZone::UTC).date();
    let near = manifest.retirements.iter();
    near.map(|one| retirement_line(one, began)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_of_the_retirement_is_the_first_without_the_model() {
        // "Retires today" would leave open whether requests still work.
        let one = ModelRetirement {
            model: "a/b".parse().unwrap(),
            date: "2026-12-11".parse().unwrap(),
            source: "bakeoff.toml".to_owned(),
        };
        let line = |today: &str| retirement_line(&one, today.parse().unwrap());
        let before = line("2026-12-10");
        assert!(before.starts_with("`a/b` retires on 2026-12-11 (bakeoff.toml)"));
        let after = line("2026-12-11");
        assert!(after.starts_with("`a/b` retired on 2026-12-11 (bakeoff.toml)"));
    }
}
