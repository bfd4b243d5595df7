//! The changes that make runs incomparable, and the finding that a whole history is.
//!
//! Owns the kinds of change that a user declares and the sentence about an incomparable history. Must not know
//! how changes are found. Invariant: a history that cannot be compared is a finding with its reason, never an
//! absence of comparisons.

use std::collections::BTreeSet;
use std::fmt;

use crate::units::plural;

/// A change between two runs that the user declares (`--changed`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum DeclaredChange {
    /// Texts of prompts: they are paired by id.
    Prompt,
    /// The model of a variant.
    Model,
    /// Request parameters, streaming or concurrency.
    Parameters,
    /// The endpoint or the provider behind it.
    Provider,
}

impl DeclaredChange {
    /// All kinds of change.
    pub const ALL: [Self; 4] = [Self::Prompt, Self::Model, Self::Parameters, Self::Provider];

    /// The word on the command line.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// The flags that declare these changes, separated by spaces.
pub(super) fn flags(changes: &BTreeSet<DeclaredChange>) -> String {
    let flags = changes.iter().map(|c| format!("--changed {}", c.word()));
    flags.collect::<Vec<_>>().join(" ")
}

/// The reason why a run cannot be compared with a history that has runs: the gate cannot judge it, and a build
/// must not pass as if it had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomparableHistory {
    /// Accepted runs of the baseline.
    pub runs: usize,
    /// The variants that cannot be compared; empty if none can.
    pub variants: Vec<String>,
    /// The differences and missing parts, as clauses without a full stop; at least one.
    pub reasons: Vec<String>,
    /// The changes to declare when two runs are compared instead; empty if that would not help.
    pub missing_flags: BTreeSet<DeclaredChange>,
}

impl fmt::Display for IncomparableHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = plural(self.runs, "accepted run");
        let reasons = self.reasons.join("; ");
        write!(f, "{runs} cannot be compared")?;
        if !self.variants.is_empty() {
            write!(f, " with {}", self.variants.join(", "))?;
        }
        write!(f, ": {reasons}. Reset the baseline (`accept --reset`)")?;
        if self.missing_flags.is_empty() {
            f.write_str(".")
        } else {
            write!(f, ", or compare with `{}`.", flags(&self.missing_flags))
        }
    }
}
