//! A plan to read before anything is sent: for people, and as JSON.
//!
//! Owns the two forms. Must not know where they are printed. Invariant: both name every trial, in
//! the order of starting, and take no more memory than one round.

use std::fmt;

use schemars::JsonSchema;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use crate::suite::{CacheMode, Suite, Variant};
use crate::units::counted;

use crate::plan::{ORDER_VERSION, Plan, Slot};

/// A plan for people: display it.
#[derive(Debug, Clone, Copy)]
pub struct Listing<'a> {
    plan: Plan,
    suite: &'a Suite,
}

/// A plan for programs: serialize it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PlanDocument<'a> {
    /// Version of this document and of the order.
    version: u32,
    /// Name of the suite.
    suite: &'a str,
    /// Seed of the order.
    seed: u64,
    /// Digest of the order of all trials.
    digest: String,
    /// Untimed requests for each variant before the first round.
    warmup: u32,
    /// How many trials there are.
    trials: u64,
    /// Every slot, in the order of starting.
    #[schemars(with = "Vec<SlotEntry<'a>>")]
    slots: SlotList<'a>,
}

#[derive(Debug, Clone, Copy)]
struct SlotList<'a>(Listing<'a>);

/// The trials of one prompt and repetition, which are sent at the same moment.
#[derive(Debug, Serialize, JsonSchema)]
struct SlotEntry<'a> {
    /// Number, from 0.
    slot: u64,
    /// Round, from 1.
    round: u32,
    /// Repetition of the prompt, from 1.
    repetition: u32,
    /// Id of the prompt.
    prompt: &'a str,
    /// One for each variant, in the order of sending.
    trials: Vec<TrialEntry<'a>>,
}

/// One request.
#[derive(Debug, Serialize, JsonSchema)]
struct TrialEntry<'a> {
    /// Number, from 0.
    trial: u64,
    /// Label of the variant.
    variant: &'a str,
    /// The model, as the endpoint spells it.
    model: &'a str,
}

impl Plan {
    /// The plan for people; `suite` must be the one it was made from.
    pub fn listing<'a>(&self, suite: &'a Suite) -> Listing<'a> {
        Listing { plan: *self, suite }
    }

    /// The plan for programs; `suite` must be the one it was made from.
    pub fn document<'a>(&self, suite: &'a Suite) -> PlanDocument<'a> {
        PlanDocument {
            version: ORDER_VERSION,
            suite: &suite.name,
            seed: self.seed(),
            digest: self.digest(),
            warmup: suite.warmup,
            trials: self.trial_count(),
            slots: SlotList(self.listing(suite)),
        }
    }
}

/// What is done about prompt caches, as far as something is.
fn write_caches(f: &mut fmt::Formatter<'_>, suite: &Suite, plan: &Plan) -> fmt::Result {
    let busted = |variant: &&Variant| suite.cache_of(variant) == CacheMode::Bust;
    let busted = suite.variants.iter().filter(busted).count();
    let all = suite.variants.len();
    let of_some = |count: usize| match count {
        count if count == all => String::new(),
        count => format!(" of {}", counted(count as u64, "variant")),
    };
    if busted > 0 {
        let whose = of_some(busted);
        writeln!(
            f,
            "cache: bust, a number of its own opens every trial{whose}"
        )?;
    }
    let warmed = suite.warmed_variants().count();
    if warmed > 0 {
        let more = counted(plan.slot_count() * warmed as u64, "more request");
        match suite.reuse.within_ns {
            None => {
                let whose = of_some(warmed);
                writeln!(
                    f,
                    "cache: warm, {more}, one before each trial{whose}, untimed and paid"
                )?;
            }
            Some(within) => writeln!(
                f,
                "cache: warm within {within}, at most {more}, untimed and paid"
            )?,
        }
    }
    Ok(())
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, suite } = self;
        writeln!(
            f,
            "{}: {} x {} x {} = {} in {}, seed {}, order {}",
            suite.name,
            counted(suite.prompts.len() as u64, "prompt"),
            counted(suite.variants.len() as u64, "variant"),
            counted(u64::from(plan.rounds()), "repetition"),
            counted(plan.trial_count(), "trial"),
            counted(plan.slot_count(), "slot"),
            plan.seed(),
            plan.digest(),
        )?;
        let warmup = counted(u64::from(suite.warmup), "request");
        writeln!(f, "warm-up: {warmup} for each variant")?;
        write_caches(f, suite, plan)?;
        let ids = suite.prompts.iter().map(|prompt| prompt.id.chars().count());
        let width = ids.max().unwrap_or(0);
        for round in 1..=plan.rounds() {
            writeln!(f, "round {round}")?;
            for slot in plan.slots_of(round) {
                let prompt = &suite.prompts[slot.prompt].id;
                let labels: Vec<&str> = (slot.order.iter())
                    .map(|variant| suite.variants[*variant].label.as_str())
                    .collect();
                let labels = labels.join("  ");
                writeln!(f, "  slot {:>4}  {prompt:width$}  {labels}", slot.number)?;
            }
        }
        Ok(())
    }
}

impl Serialize for SlotList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Listing { plan, suite } = self.0;
        let mut list = serializer.serialize_seq(usize::try_from(plan.slot_count()).ok())?;
        for slot in plan.slots() {
            list.serialize_element(&entry(&slot, suite))?;
        }
        list.end()
    }
}

fn entry<'a>(slot: &Slot, suite: &'a Suite) -> SlotEntry<'a> {
    let trials = slot.trials().map(|trial| TrialEntry {
        trial: trial.number,
        variant: &suite.variants[trial.variant].label,
        model: suite.variants[trial.variant].model.as_str(),
    });
    SlotEntry {
        slot: slot.number,
        round: slot.round,
        repetition: slot.repetition,
        prompt: &suite.prompts[slot.prompt].id,
        trials: trials.collect(),
    }
}

#[cfg(test)]
mod tests;
