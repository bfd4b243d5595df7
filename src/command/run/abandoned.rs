//! Requests that were in flight when a run ended.
//!
//! Owns their count and the line about them. Must not know why the run ended. Invariant: their cost is bounded
//! in the same way as under a cap, or reported to have no bound.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use crate::engine::RunEvent;
use crate::record::Outcome;
use crate::suite::Suite;
use crate::units::{Usd, plural};

use super::cost_cap;
use super::job::Job;
use crate::command::base::stdio::stderr;

/// The abandoned requests of a run.
#[derive(Debug, Default)]
pub(super) struct Abandoned {
    /// By the place of the prompt in the suite (absent: an untimed request) and that of the variant.
    requests: BTreeMap<(Option<usize>, usize), u64>,
}

impl Abandoned {
    /// Notes an event that says that a request was abandoned.
    pub(super) fn note(&mut self, event: &RunEvent, suite: &Suite) {
        let request = match event {
            RunEvent::Finished(sample) if sample.outcome.is_abandoned() => {
                let prompt = (suite.prompts.iter()).position(|prompt| prompt.id == sample.prompt);
                let mut variants = suite.variants.iter();
                variants
                    .position(|variant| variant.label == sample.variant)
                    .map(|variant| (prompt, variant))
            }
            RunEvent::WarmedUp {
                variant,
                outcome: Outcome::Abandoned,
                ..
            } => Some((None, *variant)),
            _ => None,
        };
        if let Some(request) = request {
            *self.requests.entry(request).or_default() += 1;
        }
    }

    /// Prints the line about them, unless `quiet`.
    ///
    /// # Errors
    /// If standard error cannot be written.
    pub(super) fn print(&self, job: &Job, quiet: bool) -> io::Result<()> {
        let line = self.line(job).filter(|_| !quiet);
        line.map_or(Ok(()), |line| writeln!(stderr(), "{line}"))
    }

    /// The line about them: how many they are, and what they may cost at most. `None` where there is none.
    fn line(&self, job: &Job) -> Option<String> {
        let count: u64 = self.requests.values().sum();
        if count == 0 {
            return None;
        }
        let requests = plural(count, "request");
        let cost = match (self.bound(job), &job.cap) {
            (Some(bound), Some(_)) => format!("may cost up to ${bound}"),
            (Some(bound), None) => format!("may cost up to ${bound} at list price"),
            (None, _) => "may cost money, and nothing bounds how much".to_owned(),
        };
        Some(format!(
            "abandoned in flight: {requests}, which {cost}; the ledger counts this as unknown"
        ))
    }

    fn bound(&self, job: &Job) -> Option<Usd> {
        let worst = cost_cap::worst_case(job);
        let mut each = self.requests.iter();
        each.try_fold(Usd::ZERO, |sum, (&(prompt, variant), &count)| {
            let one = match prompt {
                Some(prompt) => worst.attempt(prompt, variant),
                None => worst.max_request(variant),
            };
            sum.plus(one.ok()?.times(count)?)
        })
    }
}
