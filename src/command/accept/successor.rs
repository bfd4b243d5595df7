//! `bakeoff accept --successor-of`: a history goes on with the successor of one of its models.
//!
//! Owns which two variants are meant. Must not compute levels: `verdict` does. Invariant: the history's own lines
//! are never changed, only added to.

use std::io::Write;

use schemars::JsonSchema;
use serde::Serialize;

use crate::command::base::failure::Failure;
use crate::command::base::history::accepted;
use crate::command::base::json::print_json;
use crate::command::base::stdio::stdout;
use crate::command::base::{exit, samples};
use crate::record::{History, Manifest, Run};
use crate::suite::{Suite, named};
use crate::units::plural;
use crate::verdict::{splice, to_history_run};

use super::{Done, Options, VERSION, why_not};

/// A replacement in a history.
#[derive(Serialize, JsonSchema)]
pub(super) struct Spliced<'a> {
    /// The variant that was replaced.
    successor_of: &'a str,
    /// The variant that replaces it.
    successor: &'a str,
    /// Runs of the history in which it was replaced.
    runs: usize,
}

/// Replaces a variant of the history by its successor.
pub(super) fn replace(
    options: &Options,
    run: &Run,
    manifest: &Manifest,
    old: &str,
) -> Result<u8, Failure> {
    let old = one_label(&manifest.suite, old, "--successor-of")?;
    let new = match &options.successor {
        Some(new) => one_label(&manifest.suite, new, "--successor")?,
        None => default_successor(&manifest.suite, old)?,
    };
    if old == new {
        return Err(Failure::usage(format!(
            "`{old}` cannot be its own successor"
        )));
    }
    let read = samples::read(run, manifest)?;
    if let Some(why) = why_not(manifest, &read.summary).filter(|_| !options.force) {
        return Err(Failure::usage(format!(
            "{} is not used: {why}\n  every level of the history would be scaled by it; --force uses it all the same",
            manifest.run
        )));
    }
    let bridge = to_history_run(manifest, &read.evidence);
    let mut spliced = 0;
    let after = History::update(&options.history, |history| {
        let lines = splice(history, &bridge, old, new).map_err(|error| {
            Failure::usage(format!(
                "{} cannot continue {}: {error}",
                manifest.run,
                options.history.display()
            ))
        })?;
        spliced = lines.len();
        Ok::<_, Failure>(lines)
    })?;
    let mut out = stdout();
    let file = options.history.display();
    if options.json {
        let done = Done {
            version: VERSION,
            run: &manifest.run,
            history: file.to_string(),
            standing: "spliced",
            accepted: accepted(&after),
            spliced: Some(Spliced {
                successor_of: old,
                successor: new,
                runs: spliced,
            }),
        };
        print_json(&mut out, &done)?;
        return Ok(exit::DONE);
    }
    let runs = plural(spliced, "run");
    writeln!(
        out,
        "{file}: {new} replaces {old} in {runs}, scaled by {}\n\
         Remove {old} from the suite, and judge later runs with:  bakeoff run SUITE --history {file}",
        manifest.run
    )?;
    Ok(exit::DONE)
}

/// The label that a flag names: a label, or the model of exactly one variant.
fn one_label<'s>(suite: &'s Suite, text: &str, flag: &str) -> Result<&'s str, Failure> {
    let labels = || suite.variants.iter().map(|variant| variant.label.as_str());
    if let Some(label) = labels().find(|label| *label == text) {
        return Ok(label);
    }
    let of_model = suite.variants.iter();
    let of_model = of_model.filter(|variant| variant.model.as_str() == text);
    let of_model: Vec<&str> = of_model.map(|variant| variant.label.as_str()).collect();
    match of_model.as_slice() {
        [one] => Ok(one),
        _ => match named("variant", text, labels()) {
            Ok(found) if found.len() == 1 => Ok(found[0]),
            Ok(_) => Err(Failure::usage(format!(
                "{flag}: `{text}` names several variants; name one of them by its label"
            ))),
            Err(error) => Err(Failure::usage(format!("{flag}: {error}"))),
        },
    }
}

/// The reference of a run, or its only other variant.
fn default_successor<'s>(suite: &'s Suite, old: &str) -> Result<&'s str, Failure> {
    let mut others = suite.variants.iter().map(|variant| variant.label.as_str());
    let others: Vec<&str> = others.by_ref().filter(|label| *label != old).collect();
    match others.as_slice() {
        [one] => Ok(one),
        _ if suite.reference != old => Ok(&suite.reference),
        _ => Err(Failure::usage(format!(
            "--successor-of {old}: which variant is the successor? Add `--successor` with one of {}",
            others.join(", ")
        ))),
    }
}
