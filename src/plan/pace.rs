//! Pacing under an endpoint's limits per minute.
//!
//! Owns the arithmetic. Must not know a clock: it takes the time and returns a time.
//! Invariant: for any calls, a window of a minute never holds more than a limit and one
//! slot.

use std::num::NonZeroU64;

use crate::suite::{PerMinute, RateLimits, Suite};
use crate::units::{ModelId, Nanos};

const MINUTE_NS: u128 = 60_000_000_000;

/// Requests of one variant that count against limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Index of the variant in the suite.
    pub variant: usize,
    /// Number of requests.
    pub requests: u64,
    /// Their estimated tokens, prompts and answers.
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
pub struct RatePacer {
    whole: RateQueues,
    /// Limits of each model that has one.
    models: Vec<RateQueues>,
    /// Index in `models` for each variant; two variants of one model share it.
    model_by_variant: Vec<Option<usize>>,
}

/// One limit, for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacingLimit {
    /// The model it applies to; `None` for the endpoint as a whole.
    pub model: Option<ModelId>,
    /// The number allowed per minute.
    pub per_minute: u64,
    /// The unit that is counted.
    pub unit: LimitUnit,
}

/// The unit of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitUnit {
    /// Requests.
    Requests,
    /// Tokens, of prompts and answers.
    Tokens,
}

impl LimitUnit {
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
struct RateQueues {
    /// The model; `None` for the endpoint.
    model: Option<ModelId>,
    requests: RateQueue,
    tokens: RateQueue,
}

/// The queue of one limit.
#[derive(Debug, Clone)]
struct RateQueue {
    /// The limit; `None` if there is none.
    per_minute: Option<NonZeroU64>,
    /// The instant at which the last slot's share of the minute is used up.
    free_at: Nanos,
}

impl RatePacer {
    /// Creates a pacer for the variants of a suite.
    pub fn new(suite: &Suite, limits: &RateLimits) -> Self {
        let mut limited: Vec<&ModelId> = Vec::new();
        let mut models = Vec::new();
        let model_by_variant = suite.variants.iter().map(|variant| {
            let model = &variant.model;
            if let Some(index) = limited.iter().position(|known| *known == model) {
                return Some(index);
            }
            let per_minute = limits.for_model(model);
            (per_minute != PerMinute::default()).then(|| {
                limited.push(model);
                models.push(RateQueues::new(Some(model.clone()), per_minute));
                models.len() - 1
            })
        });
        let model_by_variant = model_by_variant.collect();
        Self {
            whole: RateQueues::new(None, limits.whole),
            models,
            model_by_variant,
        }
    }

    /// Returns the instant, at or after `now`, at which a slot of these loads may start, and counts it as
    /// started then: call it once per slot. `Nanos(u64::MAX)`, 584 years on, means never.
    pub fn wait(&mut self, now: Nanos, slot: &[Load]) -> Nanos {
        let touched = slot.iter().filter_map(|load| self.model_index(load));
        let free = touched.map(|index| self.models[index].free_at()).max();
        let start = now.max(self.whole.free_at()).max(free.unwrap_or_default());
        self.take(start, slot);
        start
    }

    /// Counts requests that are sent at `now` without waiting: later slots wait longer.
    pub fn take(&mut self, now: Nanos, slot: &[Load]) {
        for load in slot {
            self.whole.occupy(now, load);
            if let Some(index) = self.model_index(load) {
                self.models[index].occupy(now, load);
            }
        }
    }

    /// Every limit that applies, the endpoint's first.
    pub fn limits(&self) -> impl Iterator<Item = PacingLimit> {
        self.queues().map(|(limit, _)| limit)
    }

    /// The limit that stays busy longest with everything counted so far, and until when. The first
    /// one among equals.
    pub fn busiest(&self) -> Option<(Nanos, PacingLimit)> {
        let busy = self.queues().map(|(limit, until)| (until, limit));
        busy.reduce(|latest, next| if next.0 > latest.0 { next } else { latest })
    }

    /// Every limit, with the instant at which it is free.
    fn queues(&self) -> impl Iterator<Item = (PacingLimit, Nanos)> {
        let all = std::iter::once(&self.whole).chain(&self.models);
        all.flat_map(|queues| {
            let both = [
                (&queues.requests, LimitUnit::Requests),
                (&queues.tokens, LimitUnit::Tokens),
            ];
            both.into_iter().filter_map(|(queue, unit)| {
                let limit = PacingLimit {
                    model: queues.model.clone(),
                    per_minute: queue.per_minute?.get(),
                    unit,
                };
                Some((limit, queue.free_at))
            })
        })
    }

    fn model_index(&self, load: &Load) -> Option<usize> {
        self.model_by_variant.get(load.variant).copied().flatten()
    }
}

impl RateQueues {
    fn new(model: Option<ModelId>, per_minute: PerMinute) -> Self {
        Self {
            model,
            requests: RateQueue::new(per_minute.requests.map(NonZeroU64::from)),
            tokens: RateQueue::new(per_minute.tokens),
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

impl RateQueue {
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
