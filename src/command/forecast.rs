//! `bakeoff forecast`: the cost of a month, from the samples of a run.
//!
//! Owns which prices other than the run's are used. Must not compute: `verdict` does. Invariant: nothing is
//! sent, and nothing is written.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::catalog::{Catalog, Source, TokenPrices, requested_service_tier};
use crate::record::{JournalError, Manifest, PriceSource, Run};
use crate::report::ForecastView;
use crate::suite::{OwnPrice, Profile, Suite, Variant, named};
use crate::verdict::{
    AnswersFold, ForecastOptions, Mix, Pricing, RunAnswers, Traffic, WhatIf, forecast,
};

use super::base::failure::Failure;
use super::base::model_list::ModelListState;
use super::base::preflight::retirements;
use super::base::reports::style;
use super::base::samples::SampleReader;
use super::base::stdio::{stderr, stdout};
use super::base::{exit, files};

/// The options of `bakeoff forecast`.
#[derive(Debug)]
#[allow(missing_docs)] // Each field is the flag of the same name, documented by `--help`.
pub struct Options {
    pub run: PathBuf,
    pub requests: Traffic,
    pub mix: Option<PathBuf>,
    pub mix_complete: bool,
    /// A share.
    pub retry_rate: Option<f64>,
    /// `--price`.
    pub given: Vec<OwnPrice>,
    /// `--prices now`.
    pub prices_now: bool,
    /// A share, 0 to 1.
    pub cache_hit_rate: Option<f64>,
    pub project: Option<PathBuf>,
    pub form: ForecastFormat,
}

/// A format of a forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The formats are documented by `--help`.
pub enum ForecastFormat {
    Table,
    Csv,
    Json,
    Html,
}

/// Carries out `bakeoff forecast`.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let run = Run::open(&options.run)?;
    let manifest = run.manifest_for_reports()?;
    let mix = match &options.mix {
        Some(path) => read_mix(path, &manifest.suite)?,
        None => Mix::from_suite(&manifest.suite),
    };
    let other = other_prices(options, &manifest)?;
    let (answers, samples) = read(&run, &manifest)?;
    let terms = ForecastOptions {
        traffic: options.requests,
        mix,
        mix_complete: options.mix_complete,
        retry_rate: options.retry_rate,
        what_if: other.as_ref().map(|other| WhatIf {
            pricing: other.pricing.clone(),
            cache_hit_rate: options.cache_hit_rate,
        }),
    };
    let forecast = forecast(&manifest.suite, &answers, &terms);
    let retirements = retiring_models(options, &manifest)?;
    let mix_file = options.mix.as_ref().map(|path| path.display().to_string());
    let view = ForecastView {
        forecast: &forecast,
        terms: &terms,
        manifest: &manifest,
        samples,
        mix_file: mix_file.as_deref(),
        what_if_prices: other.as_ref().and_then(|other| other.source.as_ref()),
        given_prices: &options.given,
        retirements: &retirements,
    };
    let mut out = BufWriter::new(stdout());
    match options.form {
        ForecastFormat::Table => out.write_all(view.terminal(style()).as_bytes())?,
        ForecastFormat::Csv => view.write_csv(&mut out)?,
        ForecastFormat::Json => view.write_json(&mut out)?,
        ForecastFormat::Html => out.write_all(view.html().as_bytes())?,
    }
    out.flush()?;
    if forecast
        .variants
        .iter()
        .all(|variant| variant.ranking_forecast().is_err())
    {
        return Err(Failure::incomplete(
            "nothing to forecast: no model has an answer with a known cost",
        ));
    }
    Ok(exit::DONE)
}

fn read_mix(path: &Path, suite: &Suite) -> Result<Mix, Failure> {
    let text = files::text(path)?;
    let file = path.display().to_string();
    Mix::from_csv(&text, &file, suite).map_err(|error| Failure::usage(error.to_string()))
}

/// The answers of a run, and how many samples it has.
fn read(run: &Run, manifest: &Manifest) -> Result<(RunAnswers, u64), Failure> {
    let mut fold = AnswersFold::new(manifest);
    let mut samples = SampleReader::open(run)?;
    let mut count = 0;
    for sample in samples.by_ref() {
        match sample {
            Ok(sample) => {
                fold.add(&sample);
                count += 1;
            }
            // It was reported.
            Err(JournalError::Line { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    samples.end()?;
    Ok((fold.finish(), count))
}

/// The prices that replace the recorded ones.
struct OtherPrices {
    /// One for each variant.
    pricing: Vec<Pricing>,
    /// Date of the list that was looked up, if any.
    source: Option<PriceSource>,
}

/// The other prices that the options request. Cache hits are counted at the prices that the run stored, else,
/// for runs of older programs, at today's list.
fn other_prices(options: &Options, manifest: &Manifest) -> Result<Option<OtherPrices>, Failure> {
    let by_tokens = options.prices_now || options.cache_hit_rate.is_some();
    if !by_tokens && options.given.is_empty() {
        return Ok(None);
    }
    let suite = &manifest.suite;
    let recorded = |variant: &Variant| {
        let prices = manifest.prices_of(&variant.model);
        prices.filter(|_| !options.prices_now && service_tier(suite, variant).is_none())
    };
    let needs_prices = by_tokens
        && suite
            .variants
            .iter()
            .any(|variant| recorded(variant).is_none());
    let catalog = needs_prices.then(|| today(options, manifest)).transpose()?;
    let mut pricing: Vec<Pricing> = (suite.variants.iter())
        .map(|variant| match (recorded(variant), &catalog) {
            _ if !by_tokens => Pricing::Recorded,
            (Some(prices), _) => Pricing::Custom(prices),
            (None, Some(catalog)) => by_list(catalog, suite, variant),
            (None, None) => Pricing::Unknown,
        })
        .collect();
    let mut priced_by: Vec<Option<&OwnPrice>> = vec![None; pricing.len()];
    for price in &options.given {
        for index in variants_of(price, suite)? {
            if let Some(before) = priced_by[index].replace(price) {
                let label = &suite.variants[index].label;
                return Err(Failure::usage(format!(
                    "--price: `{label}` has two prices, of `{}` and of `{}`; remove one",
                    before.model, price.model
                )));
            }
            pricing[index] = Pricing::Custom(TokenPrices::flat(price.into()));
        }
    }
    let source = match catalog {
        Some(catalog) => {
            let Source {
                words,
                date,
                digest,
            } = catalog.source().clone();
            Some(PriceSource {
                source: words,
                date,
                digest,
                models: Vec::new(),
            })
        }
        None if by_tokens => manifest.prices.clone(),
        None => None,
    };
    Ok(Some(OtherPrices { pricing, source }))
}

/// The profile of the run's endpoint, by its name, else by its URL.
fn profile(options: &Options, manifest: &Manifest) -> Result<Option<Profile>, Failure> {
    let project = files::project(options.project.as_deref())?;
    let endpoint = &manifest.endpoint;
    let by_url = || project.resolve(endpoint.base_url.as_deref()?).ok();
    Ok(project.resolve(&endpoint.name).ok().or_else(by_url))
}

/// A sentence for each model of the run whose retirement has come or is near today.
fn retiring_models(options: &Options, manifest: &Manifest) -> Result<Vec<String>, Failure> {
    let profile = profile(options, manifest)?;
    let known = profile
        .as_ref()
        .map_or_else(ModelListState::compiled_in, ModelListState::from_cache);
    let catalog = known.listed.unwrap_or(known.prices);
    Ok(retirements(&manifest.suite, profile.as_ref(), &catalog))
}

/// The cached list of the run's endpoint, else the compiled-in one, overridden by the project's own prices.
fn today(options: &Options, manifest: &Manifest) -> Result<Catalog, Failure> {
    let Some(profile) = profile(options, manifest)? else {
        return Ok(ModelListState::compiled_in().prices);
    };
    let known = ModelListState::from_cache(&profile);
    for note in &known.notes {
        writeln!(stderr(), "note: {note}")?;
    }
    let models = manifest.suite.variants.iter().map(|variant| &variant.model);
    let own = profile.prices_of(models);
    Ok(known.prices.with_own_prices(&own))
}

/// The service tier that requests of the variant name, if it is not the standard one.
fn service_tier(suite: &Suite, variant: &Variant) -> Option<String> {
    let levels = [&variant.parameters, &suite.parameters];
    let tiers = levels.into_iter().find_map(requested_service_tier);
    tiers.map(str::to_owned)
}

fn by_list(catalog: &Catalog, suite: &Suite, variant: &Variant) -> Pricing {
    let listed = catalog.get(&variant.model);
    let prices = listed.and_then(|model| match service_tier(suite, variant) {
        Some(tier) => model.service_tiers.get(&tier).cloned(),
        None => model.prices.clone(),
    });
    prices.map_or(Pricing::Unknown, Pricing::Custom)
}

/// The indices of the variants that a price is for: by label or model, also by glob.
fn variants_of(price: &OwnPrice, suite: &Suite) -> Result<Vec<usize>, Failure> {
    let variants = suite.variants.iter();
    let names = variants.flat_map(|variant| [variant.label.as_str(), variant.model.as_str()]);
    let found = named("model", price.model.as_str(), names)
        .map_err(|error| Failure::usage(format!("--price: {error}")))?;
    let is_meant = |variant: &Variant| {
        found.contains(&variant.label.as_str()) || found.contains(&variant.model.as_str())
    };
    let indices = suite.variants.iter().enumerate();
    let meant = indices.filter(|(_, variant)| is_meant(variant));
    Ok(meant.map(|(index, _)| index).collect())
}
