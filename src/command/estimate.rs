//! `bakeoff estimate`: the cost of a run, estimated without sending requests.

use std::io::{BufWriter, Write};

use super::base::exit;
use super::base::failure::Failure;
use super::base::model_list::{CachePolicy, ModelListState};
use super::base::reports::style;
use super::base::stdio::{stderr, stdout};
use super::run::estimate::{estimate, view};
use super::run::job::{self, Job, ResolvedRun};
use super::run::provider_prices;
use crate::catalog::CountedPrompts;

/// The options of `bakeoff estimate`.
#[derive(Debug)]
pub struct Options {
    /// The options of the run.
    pub run: job::Options,
    /// Format of the estimate.
    pub form: EstimateFormat,
}

/// The formats of an estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EstimateFormat {
    /// A table.
    Table,
    /// A row for each model and prompt.
    Csv,
    /// All of it.
    Json,
}

/// Carries out `bakeoff estimate`.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let resolved = ResolvedRun::read(&options.run)?;
    let known = ModelListState::from_cache(&resolved.profile);
    let mut job = Job::new(resolved, known);
    job.expect_requests(options.run.scenario.as_deref())?;
    let mut notes = job.notes();
    let named = options.run.endpoint.is_some();
    let (opened, unasked) = provider_prices::for_estimate(&job.resolved.profile, named)?;
    notes.extend(unasked);
    if let Some(opened) = opened {
        notes.extend(provider_prices::ask(&mut job, &opened, CachePolicy::Fresh)?);
    }
    let mut err = stderr();
    for note in notes {
        writeln!(err, "{note}")?;
    }
    let estimate = estimate(&job, &options.run.output, CountedPrompts::All);
    let view = view(&job, &estimate);
    let mut out = BufWriter::new(stdout());
    match options.form {
        EstimateFormat::Table => out.write_all(view.terminal(style()).as_bytes())?,
        EstimateFormat::Csv => view.write_csv(&mut out)?,
        EstimateFormat::Json => view.write_json(&mut out)?,
    }
    out.flush()?;
    Ok(exit::DONE)
}
