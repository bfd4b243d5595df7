//! When the caches of a run were last used.
//!
//! Owns how long a cache is trusted. Must not know what is sent. Invariant: what is trusted here was used by
//! an answered request of this run.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::plan::Trial;
use crate::suite::Suite;
use crate::units::Nanos;

/// When what trials share was last used, as far as this run knows: for suites that say how long a cache
/// is trusted.
#[derive(Debug, Default)]
pub struct CacheUses(Mutex<HashMap<CacheKey, Nanos>>);

/// What a trial shares with others: the variant, and the prompt where the suite has no prefix for all.
type CacheKey = (usize, Option<usize>);

impl CacheUses {
    fn key(suite: &Suite, trial: &Trial) -> CacheKey {
        let prompt = suite.reuse.prefix.is_none().then_some(trial.prompt);
        (trial.variant, prompt)
    }

    /// Whether what the trial shares was used as short a time ago as the suite says.
    pub(super) fn is_warm(&self, suite: &Suite, trial: &Trial, now: Nanos) -> bool {
        let Some(within) = suite.reuse.within_ns else {
            return false;
        };
        let uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = uses.get(&Self::key(suite, trial));
        last.is_some_and(|last| now.since(*last) <= within)
    }

    /// Notes that an answered request, sent then, used what the trial shares. Providers count from a use
    /// that comes after its sending: what is trusted here is kept there.
    pub(super) fn record_use(&self, suite: &Suite, trial: &Trial, sent: Nanos) {
        if suite.reuse.within_ns.is_none() {
            return;
        }
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = uses.entry(Self::key(suite, trial)).or_default();
        *last = sent.max(*last);
    }
}
