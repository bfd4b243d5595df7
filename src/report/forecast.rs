//! The forecast of a month: a table for people, CSV and JSON for programs.
//!
//! Owns its columns and words. Must not know how a forecast is made. Invariant: the same numbers stand in
//! every form; what a figure stands on and what it leaves out is said wherever a person reads it.

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
use super::figure::{Cell, Figure, Thousandths, count, share};
use super::table::{Row, Table};
use super::terminal::{self, Style};

mod document;
#[cfg(test)]
mod tests;

pub use document::ForecastDocument;

/// What no figure of a forecast holds.
const NOT_COVERED: &str =
    "a mix of prompts that drifts, outages, prices that change, discounts, the cost of own keys";
/// Prompts that are named one by one up to this many.
const PROMPTS_NAMED: usize = 5;

/// A forecast, ready to be told.
#[derive(Debug, Clone, Copy)]
pub struct ForecastView<'a> {
    /// What is told.
    pub forecast: &'a Forecast,
    /// What was asked for.
    pub terms: &'a ForecastOptions,
    /// Of this run.
    pub manifest: &'a Manifest,
    /// Trials that have a sample.
    pub samples: u64,
    /// How the file of the mix is called, where there is one.
    pub mix_file: Option<&'a str>,
    /// Where the prices of the what-if come from, where a list was looked up.
    pub other_prices: Option<&'a PriceSource>,
    /// Prices of the what-if that were given; they win over the list's.
    pub given: &'a [OwnPrice],
}

impl ForecastView<'_> {
    /// For a terminal: the cheapest first, then what it stands on.
    pub fn terminal(&self, style: Style) -> String {
        terminal::table(&self.table(), &self.notes(), style)
    }

    /// One row a variant, the cheapest first.
    ///
    /// # Errors
    /// Where `out` fails.
    pub fn write_csv(&self, out: impl io::Write) -> io::Result<()> {
        csv::write_table(&self.table(), out)
    }

    /// For other programs.
    ///
    /// # Errors
    /// Where `out` fails.
    pub fn write_json(&self, mut out: impl io::Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut out, &self.document())?;
        writeln!(out)
    }

    fn table(&self) -> Table {
        let variants = self.forecast.variants.iter();
        Table::from_rows(variants.map(|variant| self.row(variant)))
    }

    fn row(&self, variant: &VariantForecast) -> Row {
        let mut row = Row::default();
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
        let told = |of: fn(&ForecastBasis) -> Figure| basis.map_or(Figure::Absent, of);
        row.put_figure("prompts", told(|basis| count(basis.prompts as u64)));
        row.put_figure("answers", told(|basis| count(basis.answers)));
        row.put_figure("unpriced_answers", told(|basis| count(basis.unpriced)));
        row.put_figure("missing_share", told(|basis| share(basis.missing_share)));
        row.put("retries_per_answer", retries_cell(&variant.retries));
        row.put_figure(
            "unknown",
            (variant.ranking_forecast().err())
                .map_or(Figure::Absent, |why| Figure::Text(word(why).to_owned())),
        );
        self.show(&mut row);
        row
    }

    /// What people see, the least dispensable first.
    fn show(&self, row: &mut Row) {
        row.show("variant", "model", 0);
        if self.terms.what_if.is_some() {
            row.show_within("month_usd", "a month, as recorded", 0, 3);
            row.show_within("what_if_month_usd", "a month, what if", 0, 1);
            row.show("what_if_per_1000_usd", "per 1,000", 2);
        } else {
            row.show_within("month_usd", "a month", 0, 1);
            row.show("per_1000_usd", "per 1,000", 2);
        }
        row.show_within("ratio", "vs reference", 0, 2);
        row.show("prompts", "prompts", 4);
        row.show("answers", "answers", 4);
    }

    /// What the figures stand on, and what they leave out.
    fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.warnings();
        notes.push(self.traffic());
        notes.push(self.mix());
        notes.extend(self.sizes());
        notes.push(self.intervals());
        notes.extend(self.prices());
        notes.extend(self.retries());
        for variant in &self.forecast.variants {
            notes.extend(self.about(variant));
        }
        notes.push(format!("Not covered: {NOT_COVERED}."));
        notes
    }

    /// What a reader must know first.
    fn warnings(&self) -> Vec<String> {
        let simulated = self
            .simulated()
            .then(|| "This run was made on the simulator: its money is invented.".to_owned());
        let (_, warning) = super::view::status(self.manifest, self.samples);
        warning.into_iter().chain(simulated).collect()
    }

    fn simulated(&self) -> bool {
        self.manifest.endpoint.world.is_some()
    }

    fn traffic(&self) -> String {
        let traffic = self.terms.traffic;
        let range = if traffic.lower() < traffic.upper() {
            ": figures are of the middle, their intervals of the whole range"
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
        let told = if left_out.is_empty() {
            String::new()
        } else {
            let named: Vec<String> = (left_out.iter().take(PROMPTS_NAMED))
                .map(|id| format!("`{id}`"))
                .collect();
            let more = left_out.len().saturating_sub(PROMPTS_NAMED);
            let more = match more {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!(
                "; without a share, and left out: {}{more}",
                named.join(", ")
            )
        };
        format!(
            "Mix of {file}: {} of {} prompts{told}.",
            prompts.len() - left_out.len(),
            prompts.len()
        )
    }

    /// Prompts that the mix gives no share.
    fn left_out(&self) -> Vec<&str> {
        let prompts = self.manifest.suite.prompts.iter();
        let with_shares = prompts.zip(&self.terms.mix.shares);
        let without = with_shares.filter(|(_, share)| share.is_none());
        without.map(|(prompt, _)| prompt.id.as_str()).collect()
    }

    /// How much the figures stand on; the same in the columns, where there is room for them.
    fn sizes(&self) -> Option<String> {
        let known = self
            .forecast
            .variants
            .iter()
            .filter_map(|of| of.ranking_forecast().ok());
        let range = |counts: Vec<u64>| -> Option<String> {
            let (least, most) = (*counts.iter().min()?, *counts.iter().max()?);
            Some(if least == most {
                most.to_string()
            } else {
                format!("{least} to {most}")
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
            "In brackets: 95 % intervals for these very prompts, declared to be every kind of request; only \
             repetitions vary."
        } else {
            "In brackets: 95 % intervals for prompts like these."
        };
        match self.ratios() {
            Some(ratios) => format!("{intervals} {ratios}"),
            None => intervals.to_owned(),
        }
    }

    /// What the ratios are of, or why there are none; nothing where the run has one variant.
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
            Ok(_) if ratios.is_empty() => "no prompt was answered by it and by another",
            Ok(_) => "it costs nothing",
            Err(_) => "it has no forecast",
        };
        let label = &reference.label;
        Some(format!("No ratios to the reference, {label}: {why}."))
    }

    fn prices(&self) -> Vec<String> {
        let recorded = match &self.manifest.prices {
            Some(PriceSource { source, date, .. }) => format!("Prices as of {date}: {source}."),
            None => "Prices as the gateway told them with each answer.".to_owned(),
        };
        let mut told = vec![recorded];
        if let Some(PriceSource { source, date, .. }) = self.other_prices {
            told.push(format!(
                "What if: prices as of {date}: {source}; the recorded tokens are paid by them, and nothing beside \
                 tokens."
            ));
        }
        if !self.given.is_empty() {
            let models: Vec<String> = (self.given.iter())
                .map(|price| format!("`{}`", price.model))
                .collect();
            let others = if self.other_prices.is_some() {
                ""
            } else {
                "; all others as recorded"
            };
            told.push(format!(
                "What if: the prices given for {}{others}.",
                models.join(", ")
            ));
        }
        if let Some(rate) = self.terms.what_if.as_ref().and_then(|w| w.cache_hit_rate) {
            told.push(format!(
                "What if {}: that share of the prompt tokens is read from the cache wherever a prompt has \
                 {CACHED_FROM_TOKENS} tokens or more and the model lists a price for it; the rest is paid as fresh \
                 input. What writing to a cache costs is not in it.",
                percent(rate)
            ));
        }
        told
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
            "Retries: {failed} of {of} attempts that may have been billed failed; each model pays for its own, and \
             upper ends allow for as many as its number leaves possible (--retry-rate sets a rate)."
        ))
    }

    /// What is to be known of one variant.
    fn about(&self, variant: &VariantForecast) -> Vec<String> {
        let label = &variant.label;
        let mut told = Vec::new();
        let monthly = match variant.ranking_forecast() {
            Ok(monthly) => monthly,
            Err(why) => return vec![format!("{label}: {}.", reason(why))],
        };
        let basis = &monthly.basis;
        if monthly.month_interval == Interval::NONE {
            told.push(format!(
                "{label}: no interval: {}.",
                self.no_interval(basis.prompts)
            ));
        }
        if basis.missing_share > 0.0 {
            let share = percent(basis.missing_share);
            told.push(format!(
                "{label}: {share} of the mix has no answer with a cost, and is taken to cost as much as the rest."
            ));
        }
        if basis.unpriced > 0 {
            let unpriced = basis.unpriced;
            let why = match basis.contradicting {
                0 => String::new(),
                all if all == unpriced => ": their token counts contradict each other".to_owned(),
                some => format!(": the token counts of {some} contradict each other"),
            };
            told.push(format!(
                "{label}: {unpriced} answers without a cost are left out{why}."
            ));
        }
        if let Some(why) = monthly.ratio.and_then(|ratio| ratio.unbounded)
            && basis.prompts > 1
        {
            let why = unbounded(why);
            told.push(format!(
                "{label}: its ratio to the reference has no bounds: {why}."
            ));
        }
        told.extend(self.hits(variant, basis.answers));
        told.extend(self.warming(variant));
        told
    }

    /// How many answers of a variant cache hits change, where these are supposed.
    fn hits(&self, variant: &VariantForecast, answers: u64) -> Option<String> {
        let what_if = self.terms.what_if.as_ref()?;
        what_if.cache_hit_rate?;
        let (label, can) = (&variant.label, variant.cacheable);
        let mut variants = self.manifest.suite.variants.iter();
        let place = variants.position(|one| one.label == *label)?;
        let unlisted = match what_if.pricing.get(place) {
            Some(Pricing::Custom(prices)) => {
                (prices.tiers().iter()).all(|tier| tier.rates.cache_read.is_none())
            }
            _ => false,
        };
        Some(if unlisted {
            format!("{label}: hits change nothing, because its price has no `cache_read`.")
        } else {
            format!("{label}: {can} of {answers} answers have a prompt that can be cached.")
        })
    }

    /// What was paid beside the samples to warm the caches of a variant, where that was kept.
    fn warming_of(&self, variant: &VariantForecast) -> Option<&Warming> {
        let mut kept = self.manifest.warming.iter();
        kept.find(|one| one.variant == variant.label)
    }

    /// What warming the caches of a variant cost beside every figure.
    fn warming(&self, variant: &VariantForecast) -> Option<String> {
        let label = &variant.label;
        let Some(warming) = self.warming_of(variant) else {
            let mut warmed = self.manifest.suite.warmed_variants();
            return warmed.any(|one| one.label == *label).then(|| {
                format!("{label}: its caches were warmed by untimed requests, whose cost was not kept and is in no figure.")
            });
        };
        let unknown = match warming.unknown {
            0 => String::new(),
            unknown => format!(", the cost of {unknown} not known"),
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
            (false, _) => "its prompts are worth fewer than three of equal share",
        }
    }
}

/// The figures of a month, under names that begin with `prefix`.
fn put_monthly(row: &mut Row, prefix: &str, monthly: Option<&MonthlyCost>) {
    let usd = money;
    let cell = |value: Option<f64>, interval: Option<Interval>, times: f64| {
        let figure = value.map_or(Figure::Absent, |value| usd(value * times));
        let interval = interval.unwrap_or(Interval::NONE);
        Cell::within(figure, interval.map(|end| end * times), usd)
    };
    let month = monthly.map(|monthly| monthly.month);
    let ends = monthly.map(|monthly| monthly.month_interval);
    row.put(format!("{prefix}month_usd"), cell(month, ends, 1.0));
    let request = monthly.map(|monthly| monthly.per_request);
    let ends = monthly.map(|monthly| monthly.per_request_interval);
    row.put(format!("{prefix}per_1000_usd"), cell(request, ends, 1000.0));
}

fn times(value: f64) -> Figure {
    Thousandths::new(value).map_or(Figure::Absent, Figure::Ratio)
}

fn ratio_cell(ratio: Ratio) -> Cell {
    Cell::within(
        ratio.estimate.map_or(Figure::Absent, times),
        ratio.interval,
        times,
    )
}

fn no_ratio() -> Cell {
    Cell::within(Figure::Absent, Interval::NONE, times)
}

fn retries_cell(retries: &Retries) -> Cell {
    let (lower, upper) = retries.limits;
    let mean = |rate| Figure::from_option(Some(rate), Figure::Mean);
    Cell::within(mean(retries.rate), Interval::new(lower, upper), mean)
}

/// `2 %`, `12.5 %`.
fn percent(share: f64) -> String {
    let tenths = (share * 1000.0).round() / 10.0;
    format!("{tenths} %")
}

/// The stored word.
const fn word(why: NoForecast) -> &'static str {
    match why {
        NoForecast::NoAnswers => "no_answers",
        NoForecast::NoCost => "no_cost",
        NoForecast::Contradicting => "contradicting_counts",
        NoForecast::NoOtherPrice => "no_other_price",
    }
}

/// The same as a sentence without its stop, and what to do.
const fn reason(why: NoForecast) -> &'static str {
    match why {
        NoForecast::NoAnswers => "no forecast: no trial of a prompt of the mix was answered",
        NoForecast::NoCost => {
            "no forecast: the run knew no price for it; give one with --price, or use --prices now"
        }
        NoForecast::Contradicting => {
            "no forecast: the token counts of its answers contradict each other"
        }
        NoForecast::NoOtherPrice => {
            "no forecast: the list has no price for it or its answers have no token counts; give one with --price"
        }
    }
}

/// A sum of USD as documents hold it.
fn stored(dollars: f64) -> Option<Usd> {
    match money(dollars) {
        Figure::Money(usd) => Some(usd),
        _ => None,
    }
}

/// A sum of USD with twelve significant figures: products of floats carry dust behind them.
fn money(dollars: f64) -> Figure {
    let rounded = format!("{dollars:.11e}").parse();
    rounded.map_or(Figure::Absent, Figure::Money)
}

/// Why a ratio has no bounds, as a sentence without its stop.
const fn unbounded(why: UnboundedRatio) -> &'static str {
    match why {
        UnboundedRatio::OnePrompt => "both answered only one prompt",
        UnboundedRatio::OneAnswer => {
            "it or the reference answered a prompt only once, and repetitions are all that varies"
        }
        UnboundedRatio::ReferenceNearZero => {
            "these prompts cannot tell the reference's mean cost from 0"
        }
    }
}
