//! The order of all trials of a run.
//!
//! Owns how an order follows from a seed. Must not know what prompts say or what variants are: it
//! deals in their places in the suite. Invariant: every (prompt, variant, repetition) is planned
//! exactly once, and all variants stand in every slot.

use std::collections::HashSet;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::suite::{Message, Parameters, Prompt, Role, Suite};
use crate::units::digest;

/// Version of the derivation of an order from a seed. Another derivation is another version, so
/// that nobody takes two orders of one seed for the same.
pub const ORDER_VERSION: u32 = 1;

/// Fills the generator's key behind seed and round, so that no other use of the seed draws the
/// same numbers.
const KEY_TAG: &[u8; 16] = b"bakeoff order v1";

/// The order of all trials, in a few words: rounds are derived when they are asked for, so that a
/// plan of any length takes no more memory than one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    seed: u64,
    prompts: usize,
    variants: usize,
    repetitions: u32,
    warmup: u32,
}

/// The trials of one prompt and repetition over all variants, started at the same moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// From 0, in the order of starting.
    pub number: u64,
    /// From 1.
    pub round: u32,
    /// From 1. A round is one repetition of every prompt, so it is the number of the round.
    pub repetition: u32,
    /// Place of the prompt in the suite, from 0.
    pub prompt: usize,
    /// Places of the variants in the suite, in the order of starting; each stands here once.
    pub order: Vec<usize>,
}

/// One planned request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Trial {
    /// From 0, in the order of starting: unique in the plan.
    pub number: u64,
    /// Number of its slot.
    pub slot: u64,
    /// From 1.
    pub round: u32,
    /// From 1.
    pub repetition: u32,
    /// Place of the prompt in the suite, from 0.
    pub prompt: usize,
    /// Place of the variant in the suite, from 0.
    pub variant: usize,
}

/// One untimed request before the first round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WarmUp {
    /// From 1, for each variant.
    pub number: u32,
    /// Place of the variant in the suite, from 0.
    pub variant: usize,
}

/// The plan of a suite.
pub fn plan(suite: &Suite) -> Plan {
    Plan {
        seed: suite.seed,
        prompts: suite.prompts.len(),
        variants: suite.variants.len(),
        repetitions: suite.repetitions,
        warmup: suite.warmup,
    }
}

/// What warm-up requests ask: a prompt that is not in the suite, so that no cache of the set is
/// warmed by it. It asks for a short answer, because nobody reads it.
pub fn warm_up_prompt(suite: &Suite) -> Prompt {
    let asked: HashSet<&str> = (suite.prompts.iter())
        .flat_map(|prompt| &prompt.messages)
        .map(|message| message.content.as_str())
        .collect();
    let text = |attempt: usize| match attempt {
        0 => "Reply with the single word: ready".to_owned(),
        _ => format!("Reply with the single word: ready ({attempt})"),
    };
    let content = (0..=asked.len())
        .map(text)
        .find(|text| !asked.contains(text.as_str()))
        .expect("of more texts than the suite has, one is not in it");
    Prompt {
        id: "warm-up".to_owned(),
        system: None,
        messages: vec![Message::text(Role::User, content)],
        weight: 1.0,
        tags: Vec::new(),
        parameters: Parameters::default(),
    }
}

impl Plan {
    /// Seed of the order.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How many rounds there are: one for each repetition.
    pub fn rounds(&self) -> u32 {
        self.repetitions
    }

    /// How many slots there are.
    pub fn slot_count(&self) -> u64 {
        self.prompts as u64 * u64::from(self.repetitions)
    }

    /// How many trials there are, warm-up not counted.
    pub fn trial_count(&self) -> u64 {
        self.slot_count() * self.variants as u64
    }

    /// Every slot, in the order of starting.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + Send + use<> {
        let plan = *self;
        (1..=plan.repetitions).flat_map(move |round| plan.slots_of(round))
    }

    /// The slots of one round (from 1), in the order of starting: each prompt once.
    pub(crate) fn slots_of(&self, round: u32) -> impl Iterator<Item = Slot> + Send + use<> {
        let variants = self.variants;
        let earlier = self.prompts as u64 * u64::from(round - 1);
        let mut dice = Dice::of_round(self.seed, round);
        let prompts = dice.permutation(self.prompts);
        (earlier..).zip(prompts).map(move |(number, prompt)| Slot {
            number,
            round,
            repetition: round,
            prompt,
            order: dice.permutation(variants),
        })
    }

    /// The untimed requests before the first round: variants take turns.
    pub fn warm_ups(&self) -> impl Iterator<Item = WarmUp> + Send + use<> {
        let variants = self.variants;
        (1..=self.warmup)
            .flat_map(move |number| (0..variants).map(move |variant| WarmUp { number, variant }))
    }

    /// Names this order. Beside the digest of the suite, which says what stands at each place, it
    /// names the plan: two runs with both the same asked the same in the same order.
    ///
    /// The digest of one line of text per round, after a line with version, prompts, variants,
    /// rounds and warm-up. A round's line is the digest of its slots, each as 8-byte little-endian
    /// numbers: the prompt's place and then the variants'.
    pub fn digest(&self) -> String {
        let mut lines = format!(
            "{ORDER_VERSION} {} {} {} {}\n",
            self.prompts, self.variants, self.repetitions, self.warmup
        );
        let mut bytes = Vec::new();
        for round in 1..=self.repetitions {
            bytes.clear();
            for slot in self.slots_of(round) {
                for place in std::iter::once(&slot.prompt).chain(&slot.order) {
                    bytes.extend((*place as u64).to_le_bytes());
                }
            }
            lines.push_str(&digest(&bytes));
            lines.push('\n');
        }
        digest(lines.as_bytes())
    }
}

impl Slot {
    /// Its trials, in the order of starting.
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
struct Dice(ChaCha8Rng);

impl Dice {
    /// `ChaCha8` with a zero nonce and this key: the seed and the round as 8 bytes each,
    /// little-endian, then the tag. A round does not depend on those before it.
    fn of_round(seed: u64, round: u32) -> Self {
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
        let biased = bound.wrapping_neg() % bound;
        loop {
            let drawn = self.0.next_u64();
            let product = u128::from(drawn) * u128::from(bound);
            if drawn.wrapping_mul(bound) >= biased {
                return (product >> 64) as u64;
            }
        }
    }

    /// The numbers below `length` in random order: Fisher-Yates from the last place down, each
    /// place swapped with one that is not above it.
    fn permutation(&mut self, length: usize) -> Vec<usize> {
        let mut places: Vec<usize> = (0..length).collect();
        for last in (1..length).rev() {
            let other = self.below(last as u64 + 1);
            places.swap(last, usize::try_from(other).expect("it is at most `last`"));
        }
        places
    }
}

#[cfg(test)]
mod tests;
