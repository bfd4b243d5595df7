//! The last use of each prompt cache of a run.
//!
//! Owns the time for which a cache is trusted. Must not know the requests. Invariant: a trusted cache was used
//! by an answered request of this run.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::plan::Trial;
use crate::suite::Suite;
use crate::threads::lock;
use crate::units::Nanos;

/// The last known use of each shared part of trials: for suites that limit the time for which a cache is
/// trusted.
#[derive(Debug, Default)]
pub struct CacheUses(Mutex<HashMap<CacheKey, Nanos>>);

/// The part that a trial shares with others: the variant, and the prompt if the suite has no prefix for all.
type CacheKey = (usize, Option<usize>);

impl CacheUses {
    fn key(suite: &Suite, trial: &Trial) -> CacheKey {
        let prompt = suite.reuse.prefix.is_none().then_some(trial.prompt);
        (trial.variant, prompt)
    }

    /// True if the trial's shared part was used within the time that the suite allows.
    pub(super) fn is_warm(&self, suite: &Suite, trial: &Trial, now: Nanos) -> bool {
        let Some(within) = suite.reuse.within_ns else {
            return false;
        };
        let uses = lock(&self.0);
        let last = uses.get(&Self::key(suite, trial));
        last.is_some_and(|last| now.since(*last) <= within)
    }

    /// Records that an answered request, sent then, used the trial's shared part. Providers count from a use
    /// that comes after its sending: a cache that is trusted here still exists there.
    pub(super) fn record_use(&self, suite: &Suite, trial: &Trial, sent: Nanos) {
        if suite.reuse.within_ns.is_none() {
            return;
        }
        let mut uses = lock(&self.0);
        let last = uses.entry(Self::key(suite, trial)).or_default();
        *last = sent.max(*last);
    }
}
