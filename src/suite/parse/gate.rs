//! From `[gate]` of a suite file to a checked [`Gate`].
//!
//! Owns the meaning of each key of the gate and what makes its value wrong. Must not know how anything is
//! judged. Invariant: the keys read here are those of [`super::schema`]; the result satisfies the invariants of
//! [`Gate`].

use crate::units::{Nanos, Usd};

use super::fields::percent;
use super::problem::Code;
use super::reader::{FirstLines, Table, Value};
use crate::suite::model::gate::{
    Bounds, Gate, GateLimit, LimitBound, OnExceeded, OnInconclusive, SharedShiftLimit, SwitchRule,
};
use crate::suite::model::measure::Unit;
use crate::suite::model::metric::{Metric, Scale};
use crate::suite::model::quantity::Quantity;
use crate::suite::model::suite::Variant;
use crate::suite::value::duration::parse_duration;
use crate::suite::value::limits;
use crate::suite::value::text::{nearest, quoted};

/// Reads `[gate]`; `None` if the suite has none, or one that is not a table.
pub(super) fn gate(table: &mut Table<'_>, variants: Option<&[Variant]>) -> Option<Gate> {
    let value = table.field("gate")?;
    value.table("`gate`", |table| gate_of(table, variants))
}

fn gate_of(table: &mut Table<'_>, variants: Option<&[Variant]>) -> Gate {
    let default = Gate::default();
    let alpha = table.field("alpha").and_then(|value| alpha(&value));
    let primary = table.field("primary").and_then(|value| primary(&value));
    let bounds = bounds(table);
    let limits = table.field("limits").and_then(|value| {
        value.table("`gate.limits`", |table| {
            Quantity::all()
                .filter_map(|quantity| limit(table, quantity))
                .collect::<Vec<GateLimit>>()
        })
    });
    let on_inconclusive = table
        .field("on_inconclusive")
        .and_then(|value| value.word(&OnInconclusive::WORDS));
    let boolean = |table: &mut Table<'_>, key| table.field(key).and_then(|value| value.boolean());
    let confirm = boolean(table, "confirm");
    let against_reference = boolean(table, "against_reference");
    let control = table
        .field("control")
        .and_then(|value| control(&value, variants?));
    let shared_shift = table
        .field("shared_shift")
        .and_then(|value| value.table("`gate.shared_shift`", shared_shift));
    let switch = table
        .field("switch")
        .and_then(|value| value.table("`gate.switch`", switch));
    Gate {
        primary: primary.unwrap_or(default.primary),
        alpha: alpha.unwrap_or(default.alpha),
        bounds,
        limits: limits.unwrap_or_default(),
        on_inconclusive: on_inconclusive.unwrap_or(default.on_inconclusive),
        confirm: confirm.unwrap_or(default.confirm),
        against_reference: against_reference.unwrap_or(default.against_reference),
        control,
        shared_shift: shared_shift.unwrap_or_default(),
        switch,
    }
}

fn shared_shift(table: &mut Table<'_>) -> SharedShiftLimit {
    let default = SharedShiftLimit::default();
    let max = table.field("max");
    let on_exceeded = table.field("on_exceeded");
    SharedShiftLimit {
        max: max
            .and_then(|value| share(&value, Scale::Ratio))
            .unwrap_or(default.max),
        on_exceeded: on_exceeded
            .and_then(|value| value.word(&OnExceeded::WORDS))
            .unwrap_or(default.on_exceeded),
    }
}

fn switch(table: &mut Table<'_>) -> SwitchRule {
    let default = SwitchRule::default();
    let saving = table.field("saving").and_then(|value| {
        let expected = "a percentage above \"0%\" and below \"100%\" such as \"10%\"";
        percent(&value, expected, |share| share > 0.0 && share < 1.0)
    });
    SwitchRule {
        saving: saving.unwrap_or(default.saving),
    }
}

fn alpha(value: &Value<'_>) -> Option<f64> {
    let expected = format!("a number above 0 and up to {}", limits::ALPHA_MAX);
    value.number(&expected, |alpha| alpha > 0.0 && alpha <= limits::ALPHA_MAX)
}

fn primary(value: &Value<'_>) -> Option<Vec<Metric>> {
    let words = Metric::ALL.map(|metric| (metric.word(), metric));
    let items = value.items(words.len(), "an array of metrics")?;
    if items.is_empty() {
        let message = "`primary` is empty: nothing could fail".to_owned();
        let help = "omit the key for ttft, cost and completed".to_owned();
        value.report(Code::BadValue, message, Some(help));
        return None;
    }
    let mut first_lines = FirstLines::default();
    items
        .iter()
        .map(|item| {
            let metric = item.word(&words)?;
            if first_lines.note(metric.word(), item).is_some() {
                let message = format!("`{}` is named twice", metric.word());
                item.report(Code::Duplicate, message, None);
                return None;
            }
            Some(metric)
        })
        .collect()
}

/// The bounds that the suite sets for one metric, or for all ratios.
#[derive(Default)]
struct GivenBounds<'a> {
    tolerance: Option<(f64, Value<'a>)>,
    margin: Option<(f64, Value<'a>)>,
    floor_ns: Option<Nanos>,
}

impl<'a> GivenBounds<'a> {
    fn read(table: &mut Table<'a>, scale: Scale) -> Self {
        let mut bound = |key| {
            let value = table.field(key)?;
            Some((share(&value, scale)?, value))
        };
        Self {
            tolerance: bound("tolerance"),
            margin: bound("margin"),
            floor_ns: None,
        }
    }

    /// Returns the given bounds over `default`. Reports a margin that is below the tolerance.
    fn over(&self, default: Bounds, of: &str) -> Bounds {
        let bounds = Bounds {
            tolerance: self.tolerance.as_ref().map_or(default.tolerance, |t| t.0),
            margin: self.margin.as_ref().map_or(default.margin, |m| m.0),
            floor_ns: self.floor_ns.or(default.floor_ns),
        };
        let given = self.margin.as_ref().or(self.tolerance.as_ref());
        if bounds.margin < bounds.tolerance
            && let Some((_, value)) = given
        {
            let percent = |share: f64| (share * 1e8).round() / 1e6;
            let (margin, tolerance) = (percent(bounds.margin), percent(bounds.tolerance));
            let message =
                format!("the margin of {of}, {margin}%, is below its tolerance, {tolerance}%");
            let help = "use a `margin` of at least the `tolerance`";
            value.report(Code::Conflict, message, Some(help.to_owned()));
        }
        bounds
    }
}

/// Tolerance and margin of a metric: a share of 1 for ratios, points for shares.
fn share(value: &Value<'_>, scale: Scale) -> Option<f64> {
    match scale {
        Scale::Ratio => {
            let expected = "a percentage from \"0%\" to \"1000%\" such as \"5%\"";
            percent(value, expected, |share| share <= limits::RATIO_BOUND_MAX)
        }
        Scale::Points => {
            let expected = "percentage points from \"0%\" to \"100%\" such as \"2%\"";
            percent(value, expected, |share| share <= 1.0)
        }
    }
}

/// Returns the bounds of every metric for which any are set: for it alone, or for all ratios.
fn bounds(table: &mut Table<'_>) -> Vec<(Metric, Bounds)> {
    let of_ratios = GivenBounds::read(table, Scale::Ratio);
    let any = of_ratios.tolerance.is_some() || of_ratios.margin.is_some();
    let common = of_ratios.over(Bounds::default_of(Metric::Cost), "ratios");
    let beneath = |metric: Metric| {
        let default = Bounds::default_of(metric);
        match metric.scale() {
            Scale::Ratio => Bounds {
                floor_ns: default.floor_ns,
                ..common
            },
            Scale::Points => default,
        }
    };
    let mut own: Vec<(Metric, Bounds)> = Vec::new();
    if let Some(value) = table.field("metrics") {
        value.table("`gate.metrics`", |table| {
            for metric in Metric::ALL {
                let given = table.field(metric.word()).and_then(|value| {
                    value.table("the gate of a metric", |table| {
                        let mut given = GivenBounds::read(table, metric.scale());
                        given.floor_ns = floor(table, metric);
                        given
                    })
                });
                if let Some(given) = given {
                    own.push((metric, given.over(beneath(metric), &quoted(metric.word()))));
                }
            }
        });
    }
    Metric::ALL
        .into_iter()
        .filter_map(|metric| {
            let given = own.iter().find(|(named, _)| *named == metric);
            let common = any && metric.scale() == Scale::Ratio;
            given
                .copied()
                .or_else(|| common.then(|| (metric, beneath(metric))))
        })
        .collect()
}

fn floor(table: &mut Table<'_>, metric: Metric) -> Option<Nanos> {
    let value = table.field("floor")?;
    if !metric.is_time() {
        let message = format!(
            "`floor` applies only to times, and `{}` is not a time",
            metric.word()
        );
        value.report(Code::Conflict, message, None);
        return None;
    }
    duration(&value, 0)
}

/// A duration of at least so many nanoseconds.
fn duration(value: &Value<'_>, min_ns: u64) -> Option<Nanos> {
    let expected = "a duration such as \"10ms\" or \"1.5s\"";
    let help =
        || Some("write it in quotation marks, with its unit: h, m, s, ms, us or ns".to_owned());
    let Some(text) = value.as_str() else {
        value.report_wrong(Code::WrongType, expected, help());
        return None;
    };
    let Some(time) = parse_duration(text) else {
        value.report_wrong(Code::BadValue, expected, help());
        return None;
    };
    if !(min_ns..=limits::TIMEOUT_NS).contains(&time.0) {
        let expected = if min_ns == 0 {
            "a duration up to \"1h\""
        } else {
            "a duration above 0 and up to \"1h\""
        };
        value.report_wrong(Code::OutOfRange, expected, None);
        return None;
    }
    Some(time)
}

fn limit(table: &mut Table<'_>, quantity: Quantity) -> Option<GateLimit> {
    let value = table.field(quantity.word())?;
    if let Quantity::Within { metric, .. } = quantity {
        return value.table("a share within a time", |table| within(table, metric))?;
    }
    if !value.is_table() {
        return Some(GateLimit {
            quantity,
            bound: limit_bound(&value, quantity)?,
            per_prompt: false,
            abort: false,
        });
    }
    value.table("a limit", |table| {
        let bound = table.required("limit", "write { limit = ..., per_prompt = true }");
        let (per_prompt, abort) = scope(table, quantity);
        Some(GateLimit {
            quantity,
            bound: limit_bound(&bound?, quantity)?,
            per_prompt,
            abort,
        })
    })?
}

/// Reads `per_prompt` and `abort` of a limit.
fn scope(table: &mut Table<'_>, quantity: Quantity) -> (bool, bool) {
    let per_prompt = table.field("per_prompt").and_then(|value| {
        let per_prompt = value.boolean()?;
        if per_prompt && !quantity.can_be_per_prompt() {
            let message = format!("`{}` of one prompt has no interval", quantity.word());
            let help = "leave `per_prompt` out: the limit could neither pass nor fail";
            value.report(Code::Conflict, message, Some(help.to_owned()));
        }
        Some(per_prompt)
    });
    let abort = table.field("abort").and_then(|value| {
        let abort = value.boolean()?;
        if abort && !quantity.can_abort() {
            let message = format!("`{}` cannot end a run early", quantity.word());
            let help = "leave `abort` out: trials that are not sent could change it by any amount";
            value.report(Code::Conflict, message, Some(help.to_owned()));
        }
        Some(abort)
    });
    (per_prompt.unwrap_or(false), abort.unwrap_or(false))
}

/// The bound of a limit that is one value.
fn limit_bound(value: &Value<'_>, quantity: Quantity) -> Option<LimitBound> {
    Some(match quantity.unit() {
        Unit::Time => LimitBound::Time(duration(value, 1)?),
        Unit::Usd => LimitBound::Usd(amount(value)?),
        Unit::Share => LimitBound::Share(inner_share(value)?),
        Unit::Number => {
            let expected = "a number above 0 such as 30";
            LimitBound::Number(value.number(expected, |number| number > 0.0)?)
        }
        Unit::Trials => {
            let trials = value.integer(0..=limits::LIMIT_TRIALS_MAX)?;
            LimitBound::Number(f64::from(trials))
        }
    })
}

/// A share that some number of answers can show to hold: no number shows that a rate is exactly 0 or 1.
fn inner_share(value: &Value<'_>) -> Option<f64> {
    let expected = "a percentage above \"0%\" and below \"100%\" such as \"2%\"";
    percent(value, expected, |share| share > 0.0 && share < 1.0)
}

/// A limit on the share of trials within a time.
fn within(table: &mut Table<'_>, metric: Metric) -> Option<GateLimit> {
    const HELP: &str = "write { time = \"1.5s\", share = \"95%\" }";
    let time = table.required("time", HELP);
    let time = time.and_then(|value| duration(&value, 1));
    let share = table.required("share", HELP);
    let share = share.and_then(|value| inner_share(&value));
    let quantity = |time| Quantity::Within { metric, time };
    let (per_prompt, abort) = scope(table, quantity(Nanos(0)));
    Some(GateLimit {
        quantity: quantity(time?),
        bound: LimitBound::Share(share?),
        per_prompt,
        abort,
    })
}

/// An amount of money: `$0.01`.
fn amount(value: &Value<'_>) -> Option<Usd> {
    let expected = "an amount above $0 and up to $1000000 such as \"$0.01\"";
    if let Some(text) = value
        .as_str()
        .and_then(|text| text.trim().strip_prefix('$'))
    {
        if let Ok(usd) = text.trim().parse::<Usd>() {
            if usd > Usd::ZERO && usd.0 <= limits::AMOUNT_USD * Usd::PICO {
                return Some(usd);
            }
            value.report_wrong(Code::OutOfRange, expected, None);
            return None;
        }
        value.report_wrong(Code::BadValue, expected, None);
        return None;
    }
    let help = value
        .bare_number()
        .map(|number| format!("write \"${number}\", with the sign and in quotation marks"));
    let code = if value.is_string() {
        Code::BadValue
    } else {
        Code::WrongType
    };
    value.report_wrong(code, expected, help);
    None
}

fn control(value: &Value<'_>, variants: &[Variant]) -> Option<String> {
    let text = value.string()?;
    let labels = || variants.iter().map(|variant| variant.label.as_str());
    if !labels().any(|label| label == text) {
        let message = format!("the control {} is not among `models`", quoted(text));
        let help = nearest(text, labels()).map_or_else(
            || format!("the labels are {}", labels().collect::<Vec<_>>().join(", ")),
            |label| format!("did you mean `{label}`?"),
        );
        value.report(Code::BadValue, message, Some(help));
        return None;
    }
    if variants.len() == 1 {
        let message = format!("the control {} is the only one of `models`", quoted(text));
        let help =
            "a control is a second model whose changes are subtracted from the first's".to_owned();
        value.report(Code::Conflict, message, Some(help));
        return None;
    }
    Some(text.to_owned())
}
