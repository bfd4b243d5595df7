//! The order of all trials of a run.
//!
//! Owns the derivation of an order from a seed. Must not know the content of prompts or variants: it
//! uses their indices in the suite. Invariant: every (prompt, variant, repetition) is planned
//! exactly once, and every slot has all variants.

use std::collections::HashSet;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::load::LoadPlan;
use crate::suite::{LoadProfile, Message, Parameters, Prompt, Role, Suite};
use crate::units::digest;

use super::Shard;

/// Version of the derivation of an order from a seed. Another derivation is another version, so
/// that two different orders of one seed are never taken for the same.
pub const ORDER_VERSION: u32 = 1;

/// Fills the generator's key after seed and round, so that no other use of the seed draws the
/// same numbers.
const KEY_TAG: &[u8; 16] = b"bakeoff order v1";

/// The order of all trials in compact form: rounds are derived on demand, so that a
/// plan of any length uses no more memory than one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    seed: u64,
    prompts: usize,
    variants: usize,
    repetitions: u32,
    warmup: u32,
    /// The share that is sent; absent: all of it.
    shard: Option<Shard>,
    /// The number of slots, where a load ends before its last round.
    length: Option<u64>,
    /// True if prompts are sent in the order of the suite: that of a trace.
    is_in_order: bool,
    /// True if time ends the plan, and not its last round.
    is_timed: bool,
}

/// The trials of one prompt and repetition over all variants, started at the same moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Number from 0, in starting order.
    pub number: u64,
    /// Round, from 1.
    pub round: u32,
    /// Repetition, from 1. A round is one repetition of every prompt, so it equals the round.
    pub repetition: u32,
    /// Index of the prompt in the suite.
    pub prompt: usize,
    /// Indices of the variants in the suite, in starting order; each occurs once.
    pub order: Vec<usize>,
}

/// One planned request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Trial {
    /// Number from 0, in starting order: unique in the plan.
    pub number: u64,
    /// Number of its slot.
    pub slot: u64,
    /// Round, from 1.
    pub round: u32,
    /// Repetition, from 1.
    pub repetition: u32,
    /// Index of the prompt in the suite.
    pub prompt: usize,
    /// Index of the variant in the suite.
    pub variant: usize,
}

/// One untimed request before the first round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WarmUp {
    /// Number from 1, for each variant.
    pub number: u32,
    /// Index of the variant in the suite.
    pub variant: usize,
}

/// Creates the plan of a suite.
pub fn plan(suite: &Suite) -> Plan {
    let load = LoadPlan::of_stages(suite);
    Plan {
        seed: suite.seed,
        prompts: suite.prompts.len(),
        variants: suite.variants.len(),
        repetitions: suite.repetitions,
        warmup: suite.warmup,
        shard: None,
        length: load.map(|load| load.slot_count()),
        is_in_order: (suite.load.as_ref().and_then(LoadProfile::trace))
            .is_some_and(|trace| trace.has_prompts),
        is_timed: suite.time_limit().is_some(),
    }
}

/// The prompt of warm-up requests: it is not in the suite, so it warms no cache of the suite's
/// prompts. It requests a short answer, because the answer is discarded. Where the suite has no token limit but each prompt
/// has its own, it has the highest of them: under a cap nothing may be sent without one.
pub fn warm_up_prompt(suite: &Suite) -> Prompt {
    let suite_texts: HashSet<&str> = (suite.prompts.iter())
        .flat_map(|prompt| prompt.messages.iter())
        .map(|message| message.content.as_str())
        .collect();
    let text = |attempt: usize| match attempt {
        0 => "Reply with the single word: ready".to_owned(),
        _ => format!("Reply with the single word: ready ({attempt})"),
    };
    let content = (0..=suite_texts.len())
        .map(text)
        .find(|text| !suite_texts.contains(text.as_str()))
        .expect("of more texts than the suite has, one is not in it");
    let messages = vec![Message::text(Role::User, content)];
    let mut limits = suite
        .prompts
        .iter()
        .map(|prompt| prompt.parameters.max_tokens);
    let max_tokens = limits.try_fold(0, |max, limit| Some(limit?.max(max)));
    let max_tokens = max_tokens.filter(|max| *max > 0 && suite.parameters.max_tokens.is_none());
    let parameters = Parameters {
        max_tokens,
        ..Parameters::default()
    };
    Prompt {
        parameters: parameters.into(),
        ..Prompt::new("warm-up".to_owned(), messages)
    }
}

impl Plan {
    /// Seed of the order.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Number of rounds: one for each repetition.
    pub fn rounds(&self) -> u32 {
        self.repetitions
    }

    /// The same plan, of which this share is sent. Numbers and digest stay those of the whole.
    #[must_use]
    pub fn share(self, shard: Option<Shard>) -> Self {
        Self { shard, ..self }
    }

    /// The share that is sent; `None`: all of it.
    pub fn shard(&self) -> Option<Shard> {
        self.shard
    }

    /// Number of slots of the whole plan.
    pub fn whole_slot_count(&self) -> u64 {
        let rounds = self.prompts as u64 * u64::from(self.repetitions);
        self.length.map_or(rounds, |length| length.min(rounds))
    }

    /// Number of slots that are sent.
    pub fn slot_count(&self) -> u64 {
        let whole = self.whole_slot_count();
        self.shard.map_or(whole, |shard| shard.slots_of(whole))
    }

    /// Returns the requests to each variant for each prompt in the first `rounds` rounds, in the suite's order.
    pub fn prompt_repetitions(&self, rounds: u32) -> Vec<u32> {
        if self.shard.is_none() {
            let prompts = self.prompts.max(1) as u64;
            let slots = self.whole_slot_count().min(prompts * u64::from(rounds));
            let full = u32::try_from(slots / prompts).unwrap_or(u32::MAX);
            let mut repetitions = vec![full; self.prompts];
            // A load may end within a round.
            if !slots.is_multiple_of(prompts) {
                self.round_slots(full.saturating_add(1))
                    .for_each(|slot| repetitions[slot.prompt] += 1);
            }
            return repetitions;
        }
        let mut repetitions = vec![0; self.prompts];
        for slot in self.slots().take_while(|slot| slot.round <= rounds) {
            repetitions[slot.prompt] += 1;
        }
        repetitions
    }

    /// Number of trials that are sent, without warm-up.
    pub fn trial_count(&self) -> u64 {
        self.slot_count() * self.variants as u64
    }

    /// Every slot that may be sent, in starting order: of a plan that time ends, one round after the other without an end.
    pub fn slots_to_send(&self) -> impl Iterator<Item = Slot> + Send + use<> {
        let mut plan = *self;
        if plan.is_timed {
            (plan.repetitions, plan.length) = (u32::MAX, None);
        }
        plan.slots()
    }

    /// Every planned slot of the share, in starting order.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + Send + use<> {
        let plan = *self;
        (1..=plan.repetitions).flat_map(move |round| plan.round_slots(round))
    }

    /// The slots of one round (from 1) that are sent, in starting order: in the whole plan each prompt once.
    pub(crate) fn round_slots(&self, round: u32) -> impl Iterator<Item = Slot> + Send + use<> {
        let (variants, shard) = (self.variants, self.shard);
        let earlier = self.prompts as u64 * u64::from(round - 1);
        let mut rng = OrderRng::new(self.seed, round);
        let prompts = if self.is_in_order {
            (0..self.prompts).collect()
        } else {
            rng.permutation(self.prompts)
        };
        let slots = (earlier..self.whole_slot_count())
            .zip(prompts)
            .map(move |(number, prompt)| Slot {
                number,
                round,
                repetition: round,
                prompt,
                // Drawn for the slots of other shares, too: the next slot's draw follows it.
                order: rng.permutation(variants),
            });
        slots.filter(move |slot| shard.is_none_or(|shard| shard.has_slot(slot.number)))
    }

    /// The untimed requests before the first round: variants take turns.
    pub fn warm_ups(&self) -> impl Iterator<Item = WarmUp> + Send + use<> {
        let variants = self.variants;
        (1..=self.warmup)
            .flat_map(move |number| (0..variants).map(move |variant| WarmUp { number, variant }))
    }

    /// The digest of the order of the whole plan. With the digest of the suite, which identifies prompts and variants, it
    /// identifies the plan: two runs that agree in both sent the same requests in the same order.
    ///
    /// The digest of one line of text per round, after a line with version, prompts, variants,
    /// rounds and warm-up. A round's line is the digest of its slots, each as 8-byte little-endian
    /// numbers: the prompt's index and then the variants'.
    pub fn digest(&self) -> String {
        let mut lines = format!(
            "{ORDER_VERSION} {} {} {} {}\n",
            self.prompts, self.variants, self.repetitions, self.warmup
        );
        let mut bytes = Vec::new();
        for round in 1..=self.repetitions {
            bytes.clear();
            for slot in self.share(None).round_slots(round) {
                for index in std::iter::once(&slot.prompt).chain(&slot.order) {
                    bytes.extend((*index as u64).to_le_bytes());
                }
            }
            lines.push_str(&digest(&bytes));
            lines.push('\n');
        }
        digest(lines.as_bytes())
    }
}

impl Slot {
    /// Its trials, in starting order.
    pub fn trials(&self) -> impl Iterator<Item = Trial> {
        let first = self.number * self.order.len() as u64;
        (first..).zip(&self.order).map(|(number, variant)| Trial {
            number,
            slot: self.number,
            round: self.round,
            repetition: self.repetition,
            prompt: self.prompt,
            variant: *variant,
        })
    }
}

/// The random numbers of one round. Everything here is spelled out, down to the draw of a bounded
/// number, so that no library's next version can change an order.
struct OrderRng(ChaCha8Rng);

impl OrderRng {
    /// `ChaCha8` with a zero nonce and this key: the seed and the round as 8 bytes each,
    /// little-endian, then the tag. A round does not depend on those before it.
    fn new(seed: u64, round: u32) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&u64::from(round).to_le_bytes());
        key[16..].copy_from_slice(KEY_TAG);
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A number below `bound`, each equally likely: the high half of the next 64 bits x `bound`,
    /// drawn again where the low half is among the 2^64 mod `bound` smallest. (D. Lemire, "Fast
    /// random integer generation in an interval", 2019, algorithm 5.)
    fn below(&mut self, bound: u64) -> u64 {
        let bias_threshold = bound.wrapping_neg() % bound;
        loop {
            let draw = self.0.next_u64();
            let product = u128::from(draw) * u128::from(bound);
            if draw.wrapping_mul(bound) >= bias_threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// The numbers below `length` in random order: Fisher-Yates from the last index down, each
    /// swapped with one that is not above it.
    fn permutation(&mut self, length: usize) -> Vec<usize> {
        let mut indices: Vec<usize> = (0..length).collect();
        for last in (1..length).rev() {
            let other = self.below(last as u64 + 1);
            indices.swap(last, usize::try_from(other).expect("it is at most `last`"));
        }
        indices
    }
}

#[cfg(test)]
mod tests;
