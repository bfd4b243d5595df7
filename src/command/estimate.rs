//! `bakeoff estimate`: what a run would cost; no model is asked.

use std::io::{BufWriter, Write};

use super::base::exit;
use super::base::failure::Failure;
use super::base::model_list::{CachePolicy, ModelListState};
use super::base::reports::style;
use super::base::stdio::{stderr, stdout};
use super::run::estimate::{estimate, view};
use super::run::job::{self, Job, ResolvedRun};
use super::run::provider_prices;

/// What `bakeoff estimate` was told.
#[derive(Debug)]
pub struct Options {
    /// What is to be run.
    pub run: job::Options,
    /// How the estimate is printed.
    pub form: Form,
}

/// How an estimate is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A table.
    Table,
    /// A row for each model and prompt.
    Csv,
    /// All of it.
    Json,
}

/// Carries out `bakeoff estimate`.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let asked = ResolvedRun::read(&options.run)?;
    let known = ModelListState::kept(&asked.profile);
    let mut job = Job::new(asked, known);
    let mut notes = job.notes();
    let named = options.run.endpoint.is_some();
    let (opened, unasked) = provider_prices::for_estimate(&job.asked.profile, named)?;
    notes.extend(unasked);
    if let Some(opened) = opened {
        notes.extend(provider_prices::ask(&mut job, &opened, CachePolicy::Fresh)?);
    }
    let mut err = stderr();
    for note in notes {
        writeln!(err, "{note}")?;
    }
    let estimate = estimate(&job, &options.run.output);
    let view = view(&job, &estimate);
    let mut out = BufWriter::new(stdout());
    match options.form {
        Form::Table => out.write_all(view.terminal(style()).as_bytes())?,
        Form::Csv => view.write_csv(&mut out)?,
        Form::Json => view.write_json(&mut out)?,
    }
    out.flush()?;
    Ok(exit::DONE)
}
