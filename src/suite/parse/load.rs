//! From `[load]` of a suite file to a checked [`LoadProfile`].
//!
//! Owns the keys of the table. Must not know instants. Invariant: the keys read here are those of [`super::schema`].

use super::fields::span_of_time;
use super::problem::Code;
use super::reader::{Table, Value};
use super::sources::FileResolver;
use super::trace::{RequestTrace, TraceOptions, TraceUnit, trace};
use crate::suite::model::load::{ArrivalProcess, LoadProfile, SLO_FORM, Slo};
use crate::suite::model::load_settings::LoadSettings;
use crate::suite::value::limits;

/// A load as it was read.
pub(super) struct LoadReading {
    pub(super) profile: LoadProfile,
    /// Its trace, if it replays one.
    pub(super) trace: Option<RequestTrace>,
}

/// Reads `[load]`; `None` if the suite has none, or one that is wrong. `concurrency`: requests in flight of a closed loop.
pub(super) fn load(
    table: &mut Table<'_>,
    files: &FileResolver<'_>,
    concurrency: u32,
) -> Option<LoadReading> {
    let value = table.field("load")?;
    value.table("`load`", |table| load_of(table, files, concurrency))?
}

fn load_of(
    table: &mut Table<'_>,
    files: &FileResolver<'_>,
    concurrency: u32,
) -> Option<LoadReading> {
    let text = |table: &mut Table<'_>, key| {
        let value = table.field(key)?;
        value.string().map(str::to_owned)
    };
    let rate = text(table, "rate");
    let sweep = text(table, "sweep");
    let arrivals = table.field("arrivals");
    let arrivals = arrivals.and_then(|value| value.word(&ArrivalProcess::WORDS));
    let duration = table.field("duration");
    let duration = duration.and_then(|value| span_of_time(&value, limits::LOAD_STAGE_NS, "24h"));
    let requests = table.field("requests");
    let requests = requests.and_then(|value| value.integer(1..=limits::LOAD_REQUESTS));
    let slos = table.field("slo").map(|value| slos(&value));
    let yields = table.field("yield_on_429");
    let yields = yields.and_then(|value| value.boolean());
    let trace = trace_of(table, files);
    let settings = LoadSettings {
        rate,
        sweep,
        trace: trace.as_ref().map(RequestTrace::stage),
        arrivals,
        duration,
        requests,
        slos: slos.flatten().unwrap_or_default(),
        yields_on_429: yields.unwrap_or(false),
    };
    match settings.profile(concurrency) {
        Ok(profile) => Some(LoadReading { profile, trace }),
        Err((key, message)) => {
            if let Some(value) = table.peek(key) {
                let code = if key == "trace" {
                    Code::Conflict
                } else {
                    Code::BadValue
                };
                value.report(code, message, None);
            }
            None
        }
    }
}

/// The trace of a load, if it has one that is valid.
fn trace_of(table: &mut Table<'_>, files: &FileResolver<'_>) -> Option<RequestTrace> {
    let value = table.field("trace");
    let unit = table.field("trace_unit");
    let unit = unit.and_then(|value| value.word(&TraceUnit::WORDS));
    let speed = table.field("trace_speed");
    let speed = speed.map(|value| value.number(TraceOptions::SPEED_FORM, TraceOptions::is_speed));
    let rows = table.field("trace_rows");
    let rows = rows.map(|value| value.integer(1..=limits::PROMPTS));
    let options = TraceOptions {
        unit,
        speed: speed.unwrap_or(Some(1.0))?,
        rows: rows.unwrap_or(Some(limits::PROMPTS))?,
    };
    let Some(value) = value else {
        let mut keys = ["trace_unit", "trace_speed", "trace_rows"].into_iter();
        let useless = keys.find_map(|key| table.peek(key));
        if let Some(useless) = useless {
            useless.report(
                Code::Conflict,
                format!(
                    "{} says how a `trace` is read, and there is none",
                    useless.name()
                ),
                None,
            );
        }
        return None;
    };
    trace(&value, files, options)
}

fn slos(value: &Value<'_>) -> Option<Vec<Slo>> {
    let items = value.items(limits::SLOS, "an array of objectives")?;
    let read = items.iter().map(|item| {
        let slo = item.string()?.parse();
        if slo.is_err() {
            item.report_wrong(Code::BadValue, SLO_FORM, None);
        }
        slo.ok()
    });
    read.collect::<Vec<_>>().into_iter().collect()
}
