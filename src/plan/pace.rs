//! When the next slot may start under an endpoint's limits per minute.
//!
//! Owns the arithmetic. Must not know a clock: it is told the time and answers with a time.
//! Invariant: whatever it is asked, a window of a minute never holds more than a limit and one
//! slot.

use std::num::NonZeroU64;

use crate::suite::{PerMinute, RateLimits, Suite};
use crate::units::{ModelId, Nanos};

const MINUTE_NS: u128 = 60_000_000_000;

/// Requests of one variant that count against limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Place of the variant in the suite, from 0.
    pub variant: usize,
    /// How many requests.
    pub requests: u64,
    /// Their tokens, prompts and answers, as far as they can be foreseen.
    pub tokens: u64,
}

/// Spaces slots so that no limit is exceeded, over any minute and not only on average.
///
/// Each limit is a queue with room for one slot: a slot of `n` requests keeps the queue busy for
/// `n` minutes / limit, and the next starts when it is free. So in any window shorter than or equal
/// to a minute the slots but the last amount to less than the limit, and the whole to less than the
/// limit plus the last slot: a slot is never divided, because its trials belong together. Time that
/// passes unused is not saved up, so there is no burst after a pause. A slot counts against the
/// endpoint's limits as a whole and, with the requests of each model, against that model's: it
/// starts when all of them are free.
#[derive(Debug, Clone)]
pub struct Pacer {
    whole: Lanes,
    /// Of each model that has a limit.
    models: Vec<Lanes>,
    /// Place in `models` for each variant; two variants of one model share it.
    of_variant: Vec<Option<usize>>,
}

/// One limit, for whoever must be told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The model that it is a limit of; `None`: of the endpoint as a whole.
    pub model: Option<ModelId>,
    /// How many are allowed.
    pub per_minute: u64,
    /// Of what.
    pub unit: Unit,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Requests.
    Requests,
    /// Tokens, of prompts and answers.
    Tokens,
}

impl Unit {
    /// The key of a profile that sets such a limit.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Requests => "requests_per_minute",
            Self::Tokens => "tokens_per_minute",
        }
    }
}

/// The two limits of an endpoint or a model.
#[derive(Debug, Clone)]
struct Lanes {
    /// `None`: of the endpoint.
    model: Option<ModelId>,
    requests: Lane,
    tokens: Lane,
}

/// One limit.
#[derive(Debug, Clone)]
struct Lane {
    /// `None`: no limit.
    per_minute: Option<NonZeroU64>,
    /// When the last slot's share of the minute is used up.
    free_at: Nanos,
}

impl Pacer {
    /// A pacer for the variants of a suite.
    pub fn new(suite: &Suite, limits: &RateLimits) -> Self {
        let mut limited: Vec<&ModelId> = Vec::new();
        let mut models = Vec::new();
        let of_variant = suite.variants.iter().map(|variant| {
            let model = &variant.model;
            if let Some(place) = limited.iter().position(|known| *known == model) {
                return Some(place);
            }
            let per_minute = limits.of(model);
            (per_minute != PerMinute::default()).then(|| {
                limited.push(model);
                models.push(Lanes::new(Some(model.clone()), per_minute));
                models.len() - 1
            })
        });
        let of_variant = of_variant.collect();
        Self {
            whole: Lanes::new(None, limits.whole),
            models,
            of_variant,
        }
    }

    /// The instant, at or after `now`, at which a slot of these loads may start. It counts as
    /// started then: ask once for each. `Nanos(u64::MAX)`, 584 years on, means never.
    pub fn wait(&mut self, now: Nanos, slot: &[Load]) -> Nanos {
        let touched = slot.iter().filter_map(|load| self.model_of(load));
        let free = touched.map(|place| self.models[place].free_at()).max();
        let start = now.max(self.whole.free_at()).max(free.unwrap_or_default());
        self.take(start, slot);
        start
    }

    /// Counts what is sent at `now` without having waited: the slots after it wait the longer.
    pub fn take(&mut self, now: Nanos, slot: &[Load]) {
        for load in slot {
            self.whole.occupy(now, load);
            if let Some(place) = self.model_of(load) {
                self.models[place].occupy(now, load);
            }
        }
    }

    /// Every limit that something here is counted against, the endpoint's first.
    pub fn limits(&self) -> impl Iterator<Item = Limit> {
        self.lanes().map(|(limit, _)| limit)
    }

    /// The limit that is busy the longest with what was counted so far, and until when. Of two that
    /// are, the first.
    pub fn busiest(&self) -> Option<(Nanos, Limit)> {
        let busy = self.lanes().map(|(limit, until)| (until, limit));
        busy.reduce(|most, next| if next.0 > most.0 { next } else { most })
    }

    /// Every limit, and when it is free.
    fn lanes(&self) -> impl Iterator<Item = (Limit, Nanos)> {
        let all = std::iter::once(&self.whole).chain(&self.models);
        all.flat_map(|lanes| {
            let both = [
                (&lanes.requests, Unit::Requests),
                (&lanes.tokens, Unit::Tokens),
            ];
            both.into_iter().filter_map(|(lane, unit)| {
                let limit = Limit {
                    model: lanes.model.clone(),
                    per_minute: lane.per_minute?.get(),
                    unit,
                };
                Some((limit, lane.free_at))
            })
        })
    }

    fn model_of(&self, load: &Load) -> Option<usize> {
        self.of_variant.get(load.variant).copied().flatten()
    }
}

impl Lanes {
    fn new(model: Option<ModelId>, per_minute: PerMinute) -> Self {
        Self {
            model,
            requests: Lane::new(per_minute.requests.map(NonZeroU64::from)),
            tokens: Lane::new(per_minute.tokens),
        }
    }

    fn free_at(&self) -> Nanos {
        self.requests.free_at.max(self.tokens.free_at)
    }

    fn occupy(&mut self, start: Nanos, load: &Load) {
        self.requests.occupy(start, load.requests);
        self.tokens.occupy(start, load.tokens);
    }
}

impl Lane {
    fn new(per_minute: Option<NonZeroU64>) -> Self {
        Self {
            per_minute,
            free_at: Nanos::ZERO,
        }
    }

    fn occupy(&mut self, start: Nanos, amount: u64) {
        let Some(per_minute) = self.per_minute else {
            return;
        };
        // Rounded up: a rounded-down share would let the limit slip, a nanosecond at a time.
        let busy = (u128::from(amount) * MINUTE_NS).div_ceil(u128::from(per_minute.get()));
        let busy = u64::try_from(busy).unwrap_or(u64::MAX);
        self.free_at = Nanos(start.max(self.free_at).0.saturating_add(busy));
    }
}

#[cfg(test)]
mod tests;
