//! The trends of a history, for people and as JSON.
//!
//! Owns the layout of a trend. Must not know how levels, changes and floors were computed. Invariant: a
//! level is rounded as every other report rounds it.

use schemars::JsonSchema;
use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use crate::record::History;
use crate::suite::{Gate, Metric, Scale};
use crate::units::plural;
use crate::verdict::{Trend, TrendPoint, trends};

use super::figure::{Figure, Thousandths, share};
use super::json;
use super::sparkline::sparkline;
use super::text::{self, push};
use super::wording::metric_name;

/// Version of the JSON's layout.
const VERSION: u32 = 2;
/// Maximum runs in a sparkline; older ones are left out of it.
const MAX_DRAWN_RUNS: usize = 60;
/// Number of the newest runs that are listed one by one.
const MAX_LISTED_RUNS: usize = 10;
/// Printed for a run that was set apart for another variant.
const NOT_CONCERNED: &str = "other variant";

/// The trends of a history in one metric.
#[derive(Debug)]
pub struct Trends {
    suite: String,
    metric: Metric,
    runs: usize,
    accepted: usize,
    /// Metrics that the history contains, this one included.
    metrics: Vec<Metric>,
    /// One trend per variant.
    variants: Vec<Trend>,
    /// True if no suite defines the gate of the next run, so that the defaults apply.
    uses_default_gate: bool,
}

/// The document that `history --json` prints.
#[derive(Serialize, JsonSchema)]
pub struct TrendsDocument<'a> {
    /// Version of this document.
    version: u32,
    /// Name of the suite.
    suite: &'a str,
    /// The metric shown.
    metric: Metric,
    /// Unit of its levels.
    unit: &'static str,
    /// Runs since the baseline was reset.
    runs: usize,
    /// Accepted runs among them.
    accepted: usize,
    /// One entry per variant.
    variants: Vec<VariantTrendDocument<'a>>,
}

/// The trend of one variant.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "VariantDocument")]
struct VariantTrendDocument<'a> {
    /// Its label.
    variant: &'a str,
    /// The runs, oldest first.
    runs: Vec<RunDocument<'a>>,
    /// Changes of level.
    changes: Vec<LevelChangeDocument<'a>>,
    /// The newest change of the providers from one run to the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    route_change: Option<RouteChangeDocument<'a>>,
    /// The smallest worsening that the next run can detect under the gate: 0.2 for +20 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    detectable: Option<f64>,
    /// True if that allows for differences between runs alone, because one run says nothing about those within
    /// it: the true value is higher then.
    #[serde(skip_serializing_if = "Option::is_none")]
    detectable_at_least: Option<bool>,
    /// Runs that cannot be compared with the newest.
    skipped: usize,
}

/// One run.
#[derive(Serialize, JsonSchema)]
struct RunDocument<'a> {
    /// Its name.
    run: &'a str,
    /// Start of the run, UTC.
    #[schemars(with = "String")]
    started_at: jiff::Timestamp,
    /// Level in the unit of the metric.
    level: f64,
    /// Standing of the run: what was decided about it.
    standing: &'static str,
    /// False if the run was set apart for another variant.
    concerned: bool,
}

/// One change of level.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChangeDocument")]
struct LevelChangeDocument<'a> {
    /// The first run of the new level.
    first_run: &'a str,
    /// New level over old; of shares new less old.
    change: f64,
    /// Chance of such a split without a change, chosen as the best of many.
    p: f64,
}

/// A change of the providers.
#[derive(Serialize, JsonSchema)]
struct RouteChangeDocument<'a> {
    /// The first run after it.
    first_run: &'a str,
    /// The provider whose share of the answers changed most.
    provider: &'a str,
    /// Its share before: 0.9 for 90 %.
    share_before: f64,
    /// Its share after.
    share_after: f64,
}

impl Trends {
    /// Computes the trends of every variant that has the metric. The detectable change follows from `gate`, or
    /// from the default gate without one.
    pub fn from_history(history: &History, metric: Metric, gate: Option<&Gate>) -> Self {
        let level = &history.entries()[history.level_start()..];
        let accepted = level.iter().filter(|entry| entry.standing.accepted());
        let all = trends(history, gate.unwrap_or(&Gate::default()));
        let has = |metric: &Metric| all.iter().any(|trend| trend.metric == *metric);
        let newest = history.entries().last();
        Self {
            suite: newest.map_or_else(String::new, |entry| entry.run.suite.clone()),
            metric,
            runs: history.entries().len(),
            accepted: accepted.count(),
            metrics: Metric::ALL.into_iter().filter(has).collect(),
            variants: all
                .into_iter()
                .filter(|trend| trend.metric == metric)
                .collect(),
            uses_default_gate: gate.is_none(),
        }
    }

    /// Renders the trends for a terminal.
    pub fn text(&self) -> String {
        if self.runs == 0 {
            return "The history holds no run yet. `bakeoff accept RUN --history FILE` makes a run that you trust \
                    its first.\n"
                .to_owned();
        }
        let mut page = format!("{}: {}\n", text::one_line(&self.suite), self.heading());
        for trend in &self.variants {
            self.push_variant(&mut page, trend);
        }
        let others = self.metrics.iter().filter(|metric| **metric != self.metric);
        let others: Vec<&str> = others.map(|metric| metric.word()).collect();
        if self.variants.is_empty() {
            let name = metric_name(self.metric);
            push(&mut page, format_args!("\nNo run has a level of {name}.\n"));
        }
        let has_floor = self
            .variants
            .iter()
            .any(|trend| trend.detectable_worsening.is_some());
        if has_floor && self.uses_default_gate {
            page.push_str(
                "\nThe detectable change of the next run follows from the defaults of [gate]; --suite takes a \
                 suite's own.\n",
            );
        }
        if !others.is_empty() {
            push(
                &mut page,
                format_args!("\nOther metrics: {}\n", others.join(", ")),
            );
        }
        page
    }

    /// Name of the suite.
    pub(super) fn suite(&self) -> &str {
        &self.suite
    }

    /// The trends of the variants.
    pub(super) fn variants(&self) -> &[Trend] {
        &self.variants
    }

    /// Name of the metric.
    pub(super) const fn metric_name(&self) -> &'static str {
        metric_name(self.metric)
    }

    /// The scale on which levels are compared.
    pub(super) const fn scale(&self) -> Scale {
        self.metric.scale()
    }

    /// The unit of stored levels.
    pub(super) const fn unit(&self) -> &'static str {
        unit(self.metric)
    }

    /// A level on an axis: in dollars for money, in its own unit otherwise.
    pub(super) fn scaled(&self, level: f64) -> f64 {
        match self.metric {
            Metric::Cost => level / 1e12,
            _ => level,
        }
    }

    /// A level as every other report shows it.
    pub(super) fn shown_level(&self, level: f64) -> String {
        self.level(level).shown()
    }

    /// The number of runs, and of those in the current baseline.
    pub(super) fn heading(&self) -> String {
        let runs = plural(self.runs, "run");
        format!("{runs}, {} accepted in the current level", self.accepted)
    }

    /// The changes of a trend, what the next run can show, and what was skipped, as sentences.
    pub(super) fn facts(&self, trend: &Trend) -> Vec<String> {
        let changes = trend.changes.iter().map(|change| {
            let first = &trend.points[change.at];
            let day = first.started_at.strftime("%Y-%m-%d");
            let shift = self.shift(change.shift);
            format!(
                "changed by {shift} with {} ({day})",
                text::one_line(&first.run)
            )
        });
        let route = trend.route_change.as_ref().map(|change| {
            let first = &trend.points[change.at];
            let (before, after) = change.shares;
            format!(
                "other route since {} ({}): `{}` gave {} of the answers, before that {}",
                text::one_line(&first.run),
                first.started_at.strftime("%Y-%m-%d"),
                text::one_line(&change.provider),
                share(after).shown(),
                share(before).shown(),
            )
        });
        let detectable = trend.detectable_worsening.map(|floor| {
            let min = signed_percent(floor.worsening);
            if floor.at_least {
                format!(
                    "the next run can detect nothing below {min}: the variation within a run, which a single run does not show, comes on top"
                )
            } else {
                format!("the next run can detect {min} or more")
            }
        });
        let skipped = (trend.skipped > 0).then(|| {
            let runs = plural(trend.skipped, "run");
            format!("{runs} left out: without this variant, or of other prompts")
        });
        let changes = changes.chain(route);
        changes.chain(detectable).chain(skipped).collect()
    }

    fn push_variant(&self, page: &mut String, trend: &Trend) {
        let name = metric_name(self.metric);
        let label = text::one_line(&trend.variant);
        push(page, format_args!("\n{label}, {name}\n"));
        let drawn = &trend.points[trend.points.len().saturating_sub(MAX_DRAWN_RUNS)..];
        let heights: Vec<Option<f64>> = drawn
            .iter()
            .map(|point| match self.metric.scale() {
                Scale::Ratio => Some(point.level.ln()),
                Scale::Points => Some(point.level),
            })
            .collect();
        push(page, format_args!("  {}\n", sparkline(&heights)));
        for fact in self.facts(trend) {
            push(page, format_args!("  {fact}\n"));
        }
        self.push_runs(page, trend);
    }

    /// Lists the newest runs, the newest last.
    fn push_runs(&self, page: &mut String, trend: &Trend) {
        let earlier = trend.points.len().saturating_sub(MAX_LISTED_RUNS);
        let listed = &trend.points[earlier..];
        let levels: Vec<String> = listed
            .iter()
            .map(|point| self.level(point.level).shown())
            .collect();
        let width = levels.iter().map(|level| level.width()).max().unwrap_or(0);
        if earlier > 0 {
            push(
                page,
                format_args!("  ... {} before\n", plural(earlier, "run")),
            );
        }
        for (point, level) in listed.iter().zip(levels) {
            let began = point.started_at.strftime("%Y-%m-%d %H:%M");
            let pad = " ".repeat(width - level.width());
            let standing = standing_words(point);
            push(
                page,
                format_args!("  {began}  {}  {pad}{level}  {standing}\n", point.run),
            );
        }
    }

    fn level(&self, level: f64) -> Figure {
        match self.metric {
            Metric::Cost => Figure::from_usd(level / 1e12),
            Metric::OutputRate => Figure::from_option(Some(level), Figure::Rate),
            Metric::OutputTokens => Figure::from_option(Some(level), Figure::Mean),
            Metric::Completed | Metric::PassRate | Metric::TtftTail => {
                Thousandths::new(level).map_or(Figure::Absent, Figure::Share)
            }
            _ => Figure::from_ns(level),
        }
    }

    /// Formats a change, given as the logarithm of a ratio or a difference of shares.
    pub(super) fn shift(&self, shift: f64) -> String {
        match self.metric.scale() {
            Scale::Ratio => signed_percent(shift.exp_m1()),
            Scale::Points => format!("{:+.1} points", shift * 100.0),
        }
    }

    /// Renders the trends as JSON.
    pub fn json(&self) -> String {
        let change = |shift: f64| match self.metric.scale() {
            Scale::Ratio => shift.exp(),
            Scale::Points => shift,
        };
        let variants = self.variants.iter().map(|trend| VariantTrendDocument {
            variant: &trend.variant,
            runs: trend
                .points
                .iter()
                .map(|point| RunDocument {
                    run: &point.run,
                    started_at: point.started_at,
                    level: point.level,
                    standing: point.standing.word(),
                    concerned: point.concerned,
                })
                .collect(),
            changes: trend
                .changes
                .iter()
                .map(|found| LevelChangeDocument {
                    first_run: &trend.points[found.at].run,
                    change: change(found.shift),
                    p: found.p,
                })
                .collect(),
            route_change: trend
                .route_change
                .as_ref()
                .map(|change| RouteChangeDocument {
                    first_run: &trend.points[change.at].run,
                    provider: &change.provider,
                    share_before: change.shares.0,
                    share_after: change.shares.1,
                }),
            detectable: trend.detectable_worsening.map(|floor| floor.worsening),
            detectable_at_least: trend.detectable_worsening.map(|floor| floor.at_least),
            skipped: trend.skipped,
        });
        let document = TrendsDocument {
            version: VERSION,
            suite: &self.suite,
            metric: self.metric,
            unit: unit(self.metric),
            runs: self.runs,
            accepted: self.accepted,
            variants: variants.collect(),
        };
        json::pretty(&document)
    }
}

/// The standing of a run, where it is about the variant of the trend.
pub(super) fn standing_words(point: &TrendPoint) -> &'static str {
    if point.concerned {
        point.standing.word()
    } else {
        NOT_CONCERNED
    }
}

/// The unit in which levels of a metric are stored.
const fn unit(metric: Metric) -> &'static str {
    match metric {
        Metric::Cost => "pico-USD",
        Metric::OutputRate => "tokens/s",
        Metric::OutputTokens => "tokens",
        Metric::Completed | Metric::PassRate | Metric::TtftTail => "share",
        _ => "ns",
    }
}

/// Formats a relative change: `+12 %`.
fn signed_percent(change: f64) -> String {
    format!("{:+.0} %", change * 100.0)
}
