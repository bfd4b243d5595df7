//! The monthly cost forecast: a table for people, CSV and JSON for programs.
//!
//! Owns its columns and sentences. Must not know how a forecast is computed. Invariant: the same numbers
//! stand in every format; assumptions and exclusions are named wherever a person reads a figure.

use std::io;

use crate::record::{Manifest, PriceSource, Warming};
use crate::stats::interval::Interval;
use crate::suite::OwnPrice;
use crate::units::Usd;
use crate::verdict::{
    CACHED_FROM_TOKENS, Forecast, ForecastBasis, ForecastOptions, MonthlyCost, NoForecast, Pricing,
    Ratio, Retries, UnboundedRatio, VariantForecast,
};

use super::csv;
use super::figure::{Figure, FigureCell, Thousandths, count, share};
use super::html::{ForecastBar, ForecastPage, forecast_page};
use super::table::{FigureRow, FigureTable};
use super::terminal::{self, Style};
use super::wording::percent;

mod document;
mod passed;
#[cfg(test)]
mod tests;

pub use document::ForecastDocument;
use passed::{PASSED_NOTE, put_passed};

/// Costs that no figure of a forecast includes.
const NOT_COVERED: &str =
    "drift of the mix of prompts, outages, price changes, discounts, the cost of own keys";
/// Prompts that are listed by name; the rest is counted.
const MAX_NAMED_PROMPTS: usize = 5;

/// A cost forecast, ready to be rendered.
#[derive(Debug, Clone, Copy)]
pub struct ForecastView<'a> {
    /// The forecast.
    pub forecast: &'a Forecast,
    /// The traffic, mix and what-if of the forecast.
    pub terms: &'a ForecastOptions,
    /// The manifest of the run it is based on.
    pub manifest: &'a Manifest,
    /// Trials that have a sample.
    pub samples: u64,
    /// Name of the mix file, if one was given.
    pub mix_file: Option<&'a str>,
    /// Source of the what-if prices, if a list was fetched.
    pub what_if_prices: Option<&'a PriceSource>,
    /// Prices that the user gave for the what-if; they override the list.
    pub given_prices: &'a [OwnPrice],
    /// A sentence for each model that retires.
    pub retirements: &'a [String],
}

impl ForecastView<'_> {
    /// Renders the table for a terminal, lowest cost first, then the assumptions.
    pub fn terminal(&self, style: Style) -> String {
        terminal::table(&self.table(), &self.notes(), style)
    }

    /// Renders the page with a chart.
    pub fn html(&self) -> String {
        let bars = self.forecast.variants.iter().filter_map(|variant| {
            let monthly = variant.ranking_forecast().ok()?;
            Some(ForecastBar {
                label: variant.label.clone(),
                month: monthly.month,
                interval: monthly.month_interval,
            })
        });
        let bars: Vec<ForecastBar> = bars.collect();
        forecast_page(&ForecastPage {
            suite: &self.manifest.suite.name,
            traffic: &self.traffic(),
            warnings: &self.warnings(),
            table: &self.table(),
            bars: &bars,
            notes: &self.notes(),
        })
    }

    /// Writes one row per variant, lowest cost first.
    ///
    /// # Errors
    /// Returns an error if writing to `out` fails.
    pub fn write_csv(&self, out: impl io::Write) -> io::Result<()> {
        csv::write_table(&self.table(), out)
    }

    /// Writes the forecast as JSON.
    ///
    /// # Errors
    /// Returns an error if writing to `out` fails.
    pub fn write_json(&self, mut out: impl io::Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut out, &self.document())?;
        writeln!(out)
    }

    fn table(&self) -> FigureTable {
        let variants = self.forecast.variants.iter();
        FigureTable::from_rows(variants.map(|variant| self.row(variant)))
    }

    fn row(&self, variant: &VariantForecast) -> FigureRow {
        let mut row = FigureRow::default();
        let label = Figure::Label(variant.label.clone(), variant.reference);
        row.put_figure("variant", label);
        row.put_figure("model", Figure::Text(variant.model.to_string()));
        put_monthly(&mut row, "", variant.recorded.as_ref().ok());
        let shown = variant.ranking_forecast().ok();
        if self.terms.what_if.is_some() {
            put_monthly(&mut row, "what_if_", shown);
        }
        let ratio = shown.and_then(|monthly| monthly.ratio);
        row.put("ratio", ratio.map_or_else(no_ratio, ratio_cell));
        let basis = shown.map(|monthly| &monthly.basis);
        let from_basis =
            |figure: fn(&ForecastBasis) -> Figure| basis.map_or(Figure::Absent, figure);
        row.put_figure("prompts", from_basis(|basis| count(basis.prompts as u64)));
        row.put_figure("answers", from_basis(|basis| count(basis.answers)));
        row.put_figure(
            "unpriced_answers",
            from_basis(|basis| count(basis.unpriced)),
        );
        row.put_figure(
            "missing_share",
            from_basis(|basis| share(basis.missing_share)),
        );
        row.put("retries_per_answer", retries_cell(&variant.retries));
        row.put_figure(
            "unknown",
            (variant.ranking_forecast().err()).map_or(Figure::Absent, |why| {
                Figure::Text(unknown_word(why).to_owned())
            }),
        );
        self.show(&mut row);
        row
    }

    /// Selects the columns for people, in order of importance.
    fn show(&self, row: &mut FigureRow) {
        row.show("variant", "model", 0);
        if self.terms.what_if.is_some() {
            row.show_within("month_usd", "a month, as recorded", 0, 3);
            row.show_within("what_if_month_usd", "a month, what if", 0, 1);
            row.show("what_if_per_1000_usd", "per 1,000", 2);
            if self.is_graded() {
                row.show_within("what_if_pass_rate", "pass rate", 1, 3);
                row.show_within("what_if_per_1000_passed_usd", "per 1,000 passed", 1, 3);
            }
        } else {
            row.show_within("month_usd", "a month", 0, 1);
            row.show("per_1000_usd", "per 1,000", 2);
            if self.is_graded() {
                row.show_within("pass_rate", "pass rate", 1, 3);
                row.show_within("per_1000_passed_usd", "per 1,000 passed", 1, 3);
            }
        }
        row.show_within("ratio", "vs reference", 0, 2);
        row.show("prompts", "prompts", 4);
        row.show("answers", "answers", 4);
    }

    /// Returns true if answers of any variant were graded.
    fn is_graded(&self) -> bool {
        let mut variants = self.forecast.variants.iter();
        variants.any(|of| {
            of.ranking_forecast()
                .is_ok_and(|monthly| monthly.passed.is_some())
        })
    }

    /// The assumptions behind the figures, and what they exclude.
    fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.warnings();
        notes.push(self.traffic());
        notes.push(self.mix());
        notes.extend(self.sizes());
        notes.push(self.intervals());
        notes.extend(self.prices());
        notes.extend(self.retries());
        if self.is_graded() {
            notes.push(PASSED_NOTE.to_owned());
        }
        for variant in &self.forecast.variants {
            notes.extend(self.variant_notes(variant));
        }
        notes.push(format!("Not covered: {NOT_COVERED}."));
        notes
    }

    /// Warnings that come before all other notes.
    fn warnings(&self) -> Vec<String> {
        let simulated = self
            .simulated()
            .then(|| "This run was made on the simulator: its costs are invented.".to_owned());
        let (_, warning) = super::view::status(self.manifest, self.samples);
        let retiring = self.retirements.iter().map(|line| format!("{line}."));
        (warning.into_iter().chain(simulated))
            .chain(retiring)
            .collect()
    }

    fn simulated(&self) -> bool {
        self.manifest.endpoint.scenario.is_some()
    }

    fn traffic(&self) -> String {
        let traffic = self.terms.traffic;
        let range = if traffic.lower() < traffic.upper() {
            ": figures are for the middle of the range, intervals for all of it"
        } else {
            ""
        };
        format!("{traffic}, a month of 365.25/12 days{range}.")
    }

    fn mix(&self) -> String {
        let Some(file) = self.mix_file else {
            return "Mix: the prompts of the run, by the weights of its suite.".to_owned();
        };
        let prompts = &self.manifest.suite.prompts;
        let left_out = self.left_out();
        let exclusions = if left_out.is_empty() {
            String::new()
        } else {
            let named: Vec<String> = (left_out.iter().take(MAX_NAMED_PROMPTS))
                .map(|id| format!("`{id}`"))
                .collect();
            let more = left_out.len().saturating_sub(MAX_NAMED_PROMPTS);
            let more = match more {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!(
                "; excluded, because they have no share: {}{more}",
                named.join(", ")
            )
        };
        format!(
            "Mix of {file}: {} of {} prompts{exclusions}.",
            prompts.len() - left_out.len(),
            prompts.len()
        )
    }

    /// Ids of the prompts that have no share of the mix.
    fn left_out(&self) -> Vec<&str> {
        let prompts = self.manifest.suite.prompts.iter();
        let with_shares = prompts.zip(&self.terms.mix.shares);
        let without = with_shares.filter(|(_, share)| share.is_none());
        without.map(|(prompt, _)| prompt.id.as_str()).collect()
    }

    /// States the sample sizes behind the figures; the columns have them too, if there is room.
    fn sizes(&self) -> Option<String> {
        let known = self
            .forecast
            .variants
            .iter()
            .filter_map(|of| of.ranking_forecast().ok());
        let range = |counts: Vec<u64>| -> Option<String> {
            let (min, max) = (*counts.iter().min()?, *counts.iter().max()?);
            Some(if min == max {
                max.to_string()
            } else {
                format!("{min} to {max}")
            })
        };
        let prompts = range(known.clone().map(|of| of.basis.prompts as u64).collect())?;
        let answers = range(known.map(|of| of.basis.answers).collect())?;
        let of_whom = if self
            .forecast
            .variants
            .iter()
            .all(|of| of.ranking_forecast().is_ok())
        {
            "each model"
        } else {
            "each model with a forecast"
        };
        Some(format!(
            "Prompts with a cost: {prompts}; answers of {of_whom}: {answers}."
        ))
    }

    fn intervals(&self) -> String {
        let intervals = if self.terms.mix_complete {
            "In brackets: 95 % intervals for exactly these prompts, declared to be every kind of request; only repetitions vary."
        } else {
            "In brackets: 95 % intervals for prompts like these."
        };
        match self.ratios() {
            Some(ratios) => format!("{intervals} {ratios}"),
            None => intervals.to_owned(),
        }
    }

    /// Explains the ratios, or why there are none; `None` if the run has one variant.
    fn ratios(&self) -> Option<String> {
        let variants = &self.forecast.variants;
        let known = || variants.iter().filter_map(|of| of.ranking_forecast().ok());
        let ratios: Vec<Ratio> = known().filter_map(|of| of.ratio).collect();
        if ratios.iter().any(|ratio| ratio.estimate.is_some()) {
            let mut rates = (variants.iter())
                .filter(|of| of.ranking_forecast().is_ok())
                .map(|of| of.retries.rate);
            let first = rates.next();
            let without = if rates.any(|rate| Some(rate) != first) {
                ", without retries"
            } else {
                ""
            };
            let on = if self.terms.mix_complete {
                ""
            } else {
                ", on the prompts that both answered"
            };
            return Some(format!(
                "vs reference: the mean cost of an answer{without}{on}."
            ));
        }
        let reference = variants.iter().find(|of| of.reference)?;
        let others = variants
            .iter()
            .any(|of| !of.reference && of.ranking_forecast().is_ok());
        let why = match reference.ranking_forecast() {
            _ if !others => return None,
            Ok(_) if ratios.is_empty() => "it shares no answered prompt with another model",
            Ok(_) => "it costs nothing",
            Err(_) => "it has no forecast",
        };
        let label = &reference.label;
        Some(format!("No ratios to the reference, {label}: {why}."))
    }

    fn prices(&self) -> Vec<String> {
        let recorded = match &self.manifest.prices {
            Some(PriceSource { source, date, .. }) => format!("Prices as of {date}: {source}."),
            None => "Prices as the gateway reported them with each answer.".to_owned(),
        };
        let mut notes = vec![recorded];
        if let Some(PriceSource { source, date, .. }) = self.what_if_prices {
            notes.push(format!(
                "What if: prices as of {date}: {source}; the recorded tokens are priced with them, and nothing but tokens is counted."
            ));
        }
        if !self.given_prices.is_empty() {
            let models: Vec<String> = (self.given_prices.iter())
                .map(|price| format!("`{}`", price.model))
                .collect();
            let others = if self.what_if_prices.is_some() {
                ""
            } else {
                "; all others as recorded"
            };
            notes.push(format!(
                "What if: the prices given for {}{others}.",
                models.join(", ")
            ));
        }
        if let Some(rate) = self.terms.what_if.as_ref().and_then(|w| w.cache_hit_rate) {
            notes.push(format!(
                "What if {}: that share of the prompt tokens is read from the cache wherever a prompt has \
                 {CACHED_FROM_TOKENS} tokens or more and the model lists a price for it; the rest is paid as fresh \
                 input. What writing to a cache costs is not in it.",
                percent(rate)
            ));
        }
        notes
    }

    fn retries(&self) -> Option<String> {
        let variants = self.forecast.variants.iter();
        let known: Vec<&VariantForecast> = variants
            .filter(|of| of.ranking_forecast().is_ok())
            .collect();
        let first = known.first()?;
        if first.retries.declared {
            let rate = percent(first.retries.rate);
            return Some(format!(
                "Retries: {rate} of requests are paid twice, as declared."
            ));
        }
        let failed: u64 = known.iter().map(|of| of.retries.failed).sum();
        let of: u64 = known.iter().map(|of| of.retries.total).sum();
        Some(format!(
            "Retries: {failed} of {of} attempts that may have been billed failed; each model is charged for its own, and \
             upper ends include the upper limit of its failure rate (--retry-rate sets a rate)."
        ))
    }

    /// Notes on one variant.
    fn variant_notes(&self, variant: &VariantForecast) -> Vec<String> {
        let label = &variant.label;
        let mut notes = Vec::new();
        let monthly = match variant.ranking_forecast() {
            Ok(monthly) => monthly,
            Err(why) => return vec![format!("{label}: {}.", unknown_reason(why))],
        };
        let basis = &monthly.basis;
        if monthly.month_interval == Interval::NONE {
            notes.push(format!(
                "{label}: no interval: {}.",
                self.no_interval(basis.prompts)
            ));
        }
        if basis.missing_share > 0.0 {
            let share = percent(basis.missing_share);
            notes.push(format!(
                "{label}: {share} of the mix has no answer with a cost, and is assumed to cost as much as the rest."
            ));
        }
        if basis.unpriced > 0 {
            let unpriced = basis.unpriced;
            let why = match basis.contradicting {
                0 => String::new(),
                all if all == unpriced => ": their token counts are inconsistent".to_owned(),
                some => format!(": the token counts of {some} are inconsistent"),
            };
            notes.push(format!(
                "{label}: {unpriced} answers without a cost are excluded{why}."
            ));
        }
        if let Some(why) = monthly.ratio.and_then(|ratio| ratio.unbounded)
            && basis.prompts > 1
        {
            let why = unbounded(why);
            notes.push(format!(
                "{label}: its ratio to the reference has no bounds: {why}."
            ));
        }
        notes.extend(self.hits(variant, basis.answers));
        notes.extend(self.warming(variant));
        notes
    }

    /// States how many answers of a variant the assumed cache hits change.
    fn hits(&self, variant: &VariantForecast, answers: u64) -> Option<String> {
        let what_if = self.terms.what_if.as_ref()?;
        what_if.cache_hit_rate?;
        let (label, can) = (&variant.label, variant.cacheable);
        let mut variants = self.manifest.suite.variants.iter();
        let index = variants.position(|one| one.label == *label)?;
        let unlisted = match what_if.pricing.get(index) {
            Some(Pricing::Custom(prices)) => {
                (prices.tiers().iter()).all(|tier| tier.rates.cache_read.is_none())
            }
            _ => false,
        };
        Some(if unlisted {
            format!("{label}: hits have no effect, because its price has no `cache_read`.")
        } else {
            format!("{label}: {can} of {answers} answers have a cacheable prompt.")
        })
    }

    /// The recorded cost of warming the caches of a variant, if there is one.
    fn warming_of(&self, variant: &VariantForecast) -> Option<&Warming> {
        let mut warming = self.manifest.warming.iter();
        warming.find(|one| one.variant == variant.label)
    }

    /// States the cost of warming the caches of a variant, which no figure includes.
    fn warming(&self, variant: &VariantForecast) -> Option<String> {
        let label = &variant.label;
        let Some(warming) = self.warming_of(variant) else {
            let mut warmed = self.manifest.suite.warmed_variants();
            return warmed.any(|one| one.label == *label).then(|| {
                format!("{label}: its caches were warmed by untimed requests, whose cost was not recorded and is in no figure.")
            });
        };
        let unknown = match warming.unknown {
            0 => String::new(),
            unknown => format!(", {unknown} with an unknown cost"),
        };
        let each = if variant.trials > 0 {
            let each = warming.spent_usd.as_f64() / variant.trials as f64;
            format!(", {} a trial", Figure::from_usd(each).shown())
        } else {
            String::new()
        };
        Some(format!(
            "{label}: warming its caches cost {}{each}, beside these figures and in none of them (untimed requests: \
             {}{unknown}).",
            Figure::Money(warming.spent_usd).shown(),
            warming.requests,
        ))
    }

    fn no_interval(&self, prompts: usize) -> &'static str {
        match (self.terms.mix_complete, prompts) {
            (true, _) => "a prompt was answered only once, and repetitions are all that varies",
            (false, ..2) => "one prompt",
            (false, _) => "its shares are worth fewer than three equal prompts",
        }
    }
}

/// Adds the figures of a month, under names that begin with `prefix`.
fn put_monthly(row: &mut FigureRow, prefix: &str, monthly: Option<&MonthlyCost>) {
    let usd = money;
    let cell = |value: Option<f64>, interval: Option<Interval>, times: f64| {
        let figure = value.map_or(Figure::Absent, |value| usd(value * times));
        let interval = interval.unwrap_or(Interval::NONE);
        FigureCell::within(figure, interval.map(|end| end * times), usd)
    };
    let month = monthly.map(|monthly| monthly.month);
    let ends = monthly.map(|monthly| monthly.month_interval);
    row.put(format!("{prefix}month_usd"), cell(month, ends, 1.0));
    let request = monthly.map(|monthly| monthly.per_request);
    let ends = monthly.map(|monthly| monthly.per_request_interval);
    row.put(format!("{prefix}per_1000_usd"), cell(request, ends, 1000.0));
    put_passed(row, prefix, monthly.and_then(|monthly| monthly.passed));
}

fn times(value: f64) -> Figure {
    Thousandths::new(value).map_or(Figure::Absent, Figure::Ratio)
}

fn ratio_cell(ratio: Ratio) -> FigureCell {
    FigureCell::within(
        ratio.estimate.map_or(Figure::Absent, times),
        ratio.interval,
        times,
    )
}

fn no_ratio() -> FigureCell {
    FigureCell::within(Figure::Absent, Interval::NONE, times)
}

fn retries_cell(retries: &Retries) -> FigureCell {
    let (lower, upper) = retries.limits;
    let mean = |rate| Figure::from_option(Some(rate), Figure::Mean);
    FigureCell::within(mean(retries.rate), Interval::new(lower, upper), mean)
}

/// The word that CSV and JSON store.
const fn unknown_word(why: NoForecast) -> &'static str {
    match why {
        NoForecast::NoAnswers => "no_answers",
        NoForecast::NoCost => "no_cost",
        NoForecast::Contradicting => "contradicting_counts",
        NoForecast::NoOtherPrice => "no_other_price",
    }
}

/// The reason as a sentence without its full stop, with its remedy.
const fn unknown_reason(why: NoForecast) -> &'static str {
    match why {
        NoForecast::NoAnswers => "no forecast: no trial of a prompt of the mix was answered",
        NoForecast::NoCost => {
            "no forecast: the run has no price for it; set one with --price, or use --prices now"
        }
        NoForecast::Contradicting => {
            "no forecast: the token counts of its answers are inconsistent"
        }
        NoForecast::NoOtherPrice => {
            "no forecast: the list has no price for it, or its answers have no token counts; set one with --price"
        }
    }
}

/// Converts an amount into USD as documents store it.
fn stored_usd(dollars: f64) -> Option<Usd> {
    match money(dollars) {
        Figure::Money(usd) => Some(usd),
        _ => None,
    }
}

/// Converts an amount into USD with twelve significant figures: products of floats carry rounding noise.
fn money(dollars: f64) -> Figure {
    let rounded = format!("{dollars:.11e}").parse();
    rounded.map_or(Figure::Absent, Figure::Money)
}

/// The reason why a ratio has no bounds, as a sentence without its full stop.
const fn unbounded(why: UnboundedRatio) -> &'static str {
    match why {
        UnboundedRatio::OnePrompt => "both answered only one prompt",
        UnboundedRatio::OneAnswer => {
            "it or the reference answered a prompt only once, and repetitions are all that varies"
        }
        UnboundedRatio::ReferenceNearZero => {
            "these prompts cannot distinguish the reference's mean cost from 0"
        }
    }
}
