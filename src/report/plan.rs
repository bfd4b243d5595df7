//! A plan before anything is sent: for people, and as JSON.
//!
//! Owns both formats. Must not know where they are printed. Invariant: both name every trial, in
//! starting order, and use no more memory than one round.

use std::fmt;

use schemars::JsonSchema;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use crate::suite::{CacheMode, Suite, Variant};
use crate::units::plural;

use crate::plan::{ORDER_VERSION, Plan, Slot};

/// A plan for people; rendered by `Display`.
#[derive(Debug, Clone, Copy)]
pub struct PlanListing<'a> {
    plan: Plan,
    suite: &'a Suite,
}

/// A plan for programs; rendered by `Serialize`.
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
    /// Number of trials.
    trials: u64,
    /// Every slot, in starting order.
    #[schemars(with = "Vec<SlotEntry<'a>>")]
    slots: SlotList<'a>,
}

#[derive(Debug, Clone, Copy)]
struct SlotList<'a>(PlanListing<'a>);

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
    /// One trial for each variant, in the order of sending.
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
    /// Returns the plan for people; `suite` must be the one it was made from.
    pub fn listing<'a>(&self, suite: &'a Suite) -> PlanListing<'a> {
        PlanListing { plan: *self, suite }
    }

    /// Returns the plan for programs; `suite` must be the one it was made from.
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

/// Writes the cache modes of the suite, if there are any.
fn write_caches(f: &mut fmt::Formatter<'_>, suite: &Suite, plan: &Plan) -> fmt::Result {
    let busting = |variant: &&Variant| suite.cache_of(variant) == CacheMode::Bust;
    let busting = suite.variants.iter().filter(busting).count();
    let all = suite.variants.len();
    let scope_of = |count: usize| match count {
        count if count == all => String::new(),
        count => format!(" of {}", plural(count as u64, "variant")),
    };
    if busting > 0 {
        let scope = scope_of(busting);
        writeln!(f, "cache: bust, a unique number begins every trial{scope}")?;
    }
    let warmed = suite.warmed_variants().count();
    if warmed > 0 {
        let more = plural(plan.slot_count() * warmed as u64, "more request");
        match suite.reuse.within_ns {
            None => {
                let scope = scope_of(warmed);
                writeln!(
                    f,
                    "cache: warm, {more}, one request before each trial{scope}, untimed and paid"
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

impl fmt::Display for PlanListing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, suite } = self;
        writeln!(
            f,
            "{}: {} x {} x {} = {} in {}, seed {}, order {}",
            suite.name,
            plural(suite.prompts.len() as u64, "prompt"),
            plural(suite.variants.len() as u64, "variant"),
            plural(u64::from(plan.rounds()), "repetition"),
            plural(plan.trial_count(), "trial"),
            plural(plan.slot_count(), "slot"),
            plan.seed(),
            plan.digest(),
        )?;
        let warmup = plural(u64::from(suite.warmup), "request");
        writeln!(f, "warm-up: {warmup} for each variant")?;
        if let Some(time) = suite.time_limit() {
            writeln!(
                f,
                "closed loop for {time}: rounds go on until then; the number of repetitions is an expectation"
            )?;
        }
        write_caches(f, suite, plan)?;
        let ids = suite.prompts.iter().map(|prompt| prompt.id.chars().count());
        let width = ids.max().unwrap_or(0);
        for round in 1..=plan.rounds() {
            writeln!(f, "round {round}")?;
            for slot in plan.round_slots(round) {
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
        let PlanListing { plan, suite } = self.0;
        let mut list = serializer.serialize_seq(usize::try_from(plan.slot_count()).ok())?;
        for slot in plan.slots() {
            list.serialize_element(&slot_entry(&slot, suite))?;
        }
        list.end()
    }
}

fn slot_entry<'a>(slot: &Slot, suite: &'a Suite) -> SlotEntry<'a> {
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
