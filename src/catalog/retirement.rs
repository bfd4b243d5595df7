//! The dates on which models stop being served.
//!
//! Owns the compiled-in dates, and which of several sources counts: the user's own entries, then the endpoint's
//! list, then the compiled-in ones. Must not know how a date is printed. Invariant: every date names its source.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;

use crate::suite::OwnRetirement;
use crate::units::ModelId;

use super::Catalog;

/// The compiled-in dates, by maker.
const TABLE: &str = include_str!("retirements.json");

/// Days before a retirement from which it is reported: makers announce one at least 60 days ahead, and a
/// replacement needs a few runs beside the old model.
const NOTICE_DAYS: i32 = 90;

/// Unix times above this are in milliseconds: as seconds it is the year 5138.
const MAX_SECONDS: i64 = 100_000_000_000;

/// The retirement of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retirement {
    /// The day from which it is no longer served.
    pub date: Date,
    /// The source of the date, in words.
    pub source: String,
}

impl Retirement {
    /// Returns true from `NOTICE_DAYS` before the retirement on.
    pub fn is_near(&self, today: Date) -> bool {
        let days = today.until(self.date).map(|span| span.get_days());
        days.is_ok_and(|days| days <= NOTICE_DAYS)
    }

    /// Returns true if the day has come.
    pub fn is_past(&self, today: Date) -> bool {
        self.date <= today
    }
}

#[derive(Debug, Deserialize)]
struct WireTable {
    checked: Date,
    makers: Vec<WireMaker>,
}

#[derive(Debug, Deserialize)]
struct WireMaker {
    creator: String,
    source: String,
    models: BTreeMap<String, Date>,
}

/// The day of a list's date, UTC, in any of the forms that lists use: `YYYY-MM-DD`, a time, or a Unix time in
/// seconds or milliseconds; `None` if it is no date.
pub(super) fn listed_day(value: &Value) -> Option<Date> {
    if let Some(text) = value.as_str() {
        return text.get(..10).unwrap_or(text).parse().ok();
    }
    let number = value.as_i64().filter(|number| *number > 0)?;
    let instant = if number > MAX_SECONDS {
        Timestamp::from_millisecond(number)
    } else {
        Timestamp::from_second(number)
    };
    Some(instant.ok()?.to_zoned(TimeZone::UTC).date())
}

static RETIREMENTS: LazyLock<WireTable> = LazyLock::new(|| {
    serde_json::from_str(TABLE).expect("the table is compiled in, and a test reads it")
});

/// The compiled-in retirement of a model, by `creator/model` or by the model's name alone, as its maker's own
/// endpoint spells it.
fn compiled_in(id: &ModelId) -> Option<Retirement> {
    let (creator, name) = match id.as_str().split_once('/') {
        Some((creator, name)) => (Some(creator), name),
        None => (None, id.as_str()),
    };
    let table = &*RETIREMENTS;
    let mut makers = table.makers.iter();
    makers.find_map(|maker| {
        let is_maker = creator.is_none_or(|creator| creator == maker.creator);
        let date = is_maker.then(|| maker.models.get(name)).flatten()?;
        Some(Retirement {
            date: *date,
            source: format!("{}, read {}", maker.source, table.checked),
        })
    })
}

impl Catalog {
    /// The retirement of a model: by the user's own entries, the first that matches; else by this list, else by
    /// the compiled-in dates. An own entry without a date says that the endpoint serves the model on.
    pub fn retirement(&self, id: &ModelId, own: &[OwnRetirement]) -> Option<Retirement> {
        if let Some(entry) = own.iter().find(|entry| entry.fits(id)) {
            return entry.date.map(|date| Retirement {
                date,
                source: "bakeoff.toml".to_owned(),
            });
        }
        let listed = self.get(id).and_then(|model| model.retires);
        let listed = listed.map(|date| Retirement {
            date,
            source: format!("{}, {}", self.source().words, self.source().date),
        });
        listed.or_else(|| compiled_in(id))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn list(entry: &str) -> Catalog {
        let list = format!(r#"{{"data":[{entry}]}}"#);
        Catalog::read(&list, "list of here".to_owned(), "2026-11-01".to_owned()).unwrap()
    }

    #[test]
    fn own_entries_win_over_the_list_and_the_list_over_the_table() {
        // A gateway may serve a model longer than its maker, and a user may know better than both.
        let id: ModelId = "openai/gpt-4.1-nano".parse().unwrap();
        let own = |date: Option<&str>| OwnRetirement {
            model: "openai/*".to_owned(),
            date: date.map(|text| text.parse().unwrap()),
        };
        let plain = list(r#"{"id":"openai/gpt-4.1-nano"}"#);
        let found = plain.retirement(&id, &[]).unwrap();
        assert_eq!(found.date, date("2026-10-23"));
        assert_eq!(found.source, "OpenAI's deprecations page, read 2026-11-29");
        let dated = list(r#"{"id":"openai/gpt-4.1-nano","expiration_date":"2027-05-01"}"#);
        let found = dated.retirement(&id, &[]).unwrap();
        assert_eq!(found.date, date("2027-05-01"));
        assert_eq!(found.source, "list of here, 2026-11-01");
        let found = dated.retirement(&id, &[own(Some("2028-01-01"))]).unwrap();
        assert_eq!(
            (found.date, found.source.as_str()),
            (date("2028-01-01"), "bakeoff.toml")
        );
        assert_eq!(dated.retirement(&id, &[own(None)]), None);
    }

    #[test]
    fn a_model_is_found_as_its_maker_spells_it_and_under_no_other_maker() {
        // `azure/gpt-4.1-nano` has dates of its own, which this table does not have.
        let catalog = list("{\"id\":\"x\"}");
        let found = |id: &str| {
            catalog
                .retirement(&id.parse().unwrap(), &[])
                .map(|r| r.date)
        };
        assert_eq!(found("gpt-5-mini"), Some(date("2026-12-11")));
        assert_eq!(found("azure/gpt-5-mini"), None);
        assert_eq!(found("openai/gpt-5.6-luna"), None);
        assert_eq!(
            found("anthropic/claude-sonnet-4.5"),
            Some(date("2026-11-30"))
        );
    }

    #[test]
    fn dates_of_lists_are_read_in_every_form() {
        // OpenRouter sends days, Mistral times; anything else is no date.
        for (value, expected) in [
            ("\"2026-12-11\"", Some("2026-12-11")),
            ("\"2026-12-11T08:00:00Z\"", Some("2026-12-11")),
            ("1796947200", Some("2026-12-11")),
            ("1796947200000", Some("2026-12-11")),
            ("null", None),
            ("\"soon\"", None),
            ("\"é2026-12-1\"", None),
            ("{}", None),
            ("0", None),
        ] {
            for key in ["expiration_date", "deprecation_date", "deprecation"] {
                let catalog = list(&format!(r#"{{"id":"a/b","{key}":{value}}}"#));
                let found = catalog.models().next().unwrap().retires;
                assert_eq!(found, expected.map(date), "{key}: {value}");
            }
        }
    }

    proptest! {
        /// A retirement is reported from 90 days before it, and then for good.
        #[test]
        fn notice_begins_once_and_never_ends(days in -2_000_i64..2_000) {
            let retirement = Retirement { date: date("2027-01-14"), source: String::new() };
            let today = retirement.date.saturating_sub(jiff::Span::new().days(days));
            prop_assert_eq!(retirement.is_near(today), days <= i64::from(NOTICE_DAYS));
            prop_assert_eq!(retirement.is_past(today), days <= 0);
        }
    }
}
