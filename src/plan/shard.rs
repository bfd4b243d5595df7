//! Shares of a plan: what each of several machines sends of one run.
//!
//! Owns which slots a share has, and how money and rate limits are divided. Must not know where a share runs.
//! Invariant: every slot is in exactly one share, and the divided amounts add up to the whole.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::suite::{ModelLimit, PerMinute, RateLimits};
use crate::units::Usd;

/// The share of a plan that one machine sends: of `count` shares the slots `index - 1`, `index - 1 + count`, ...
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "StoredShard")]
pub struct Shard {
    index: u32,
    count: u32,
}

/// The stored form of a share, which may be impossible.
#[derive(Deserialize)]
struct StoredShard {
    index: u32,
    count: u32,
}

impl TryFrom<StoredShard> for Shard {
    type Error = String;

    fn try_from(stored: StoredShard) -> Result<Self, String> {
        Self::new(stored.index, stored.count)
    }
}

impl Shard {
    /// The share `index` (from 1) of `count`.
    ///
    /// # Errors
    /// If there is no such share, as a sentence.
    pub fn new(index: u32, count: u32) -> Result<Self, String> {
        if (1..=count).contains(&index) {
            Ok(Self { index, count })
        } else {
            Err(format!(
                "there is no shard {index} of {count}: shards count from 1"
            ))
        }
    }

    /// Its number, from 1.
    pub const fn index(self) -> u32 {
        self.index
    }

    /// The number of shares.
    pub const fn count(self) -> u32 {
        self.count
    }

    /// Returns true if the slot of this number is in the share.
    pub fn has_slot(self, slot: u64) -> bool {
        slot % u64::from(self.count) == u64::from(self.index - 1)
    }

    /// The number of its slots, among the first `slots` of the whole plan.
    pub fn slots_of(self, slots: u64) -> u64 {
        slots_before(self.index, self.count, slots)
            - slots_before(self.index - 1, self.count, slots)
    }

    /// Its part of rate limits that hold for all shares together: the parts of a limit add up to it.
    ///
    /// # Errors
    /// If a limit is smaller than the number of shares, so that nothing of it is left for this one, as a sentence.
    pub fn part_of_limits(self, whole: &RateLimits) -> Result<RateLimits, String> {
        let part = |per_minute: PerMinute| {
            let requests = per_minute
                .requests
                .map(|max| self.part_of_limit(max.get().into(), "requests"));
            let tokens = per_minute
                .tokens
                .map(|max| self.part_of_limit(max.get(), "tokens"));
            // A part is no larger than the whole.
            let requests = requests
                .transpose()?
                .map(|max| NonZeroU32::try_from(max).unwrap_or(NonZeroU32::MAX));
            Ok::<_, String>(PerMinute {
                requests,
                tokens: tokens.transpose()?,
            })
        };
        let models = whole.models.iter().map(|limit| {
            Ok::<_, String>(ModelLimit {
                model: limit.model.clone(),
                per_minute: part(limit.per_minute)?,
            })
        });
        Ok(RateLimits {
            whole: part(whole.whole)?,
            models: models.collect::<Result<_, _>>()?,
        })
    }

    fn part_of_limit(self, whole: u64, what: &str) -> Result<NonZeroU64, String> {
        NonZeroU64::new(self.slots_of(whole)).ok_or_else(|| {
            format!(
                "the limit of {whole} {what} a minute leaves none for shard {self}: divide the run into at most {whole} shards"
            )
        })
    }

    /// The part of `whole` that its slots may cost, in proportion to their number; `slots`: those of the whole plan. The
    /// parts of all shares add up to `whole`, whatever the remainders are.
    pub fn part_of(self, whole: Usd, slots: u64) -> Usd {
        let up_to = |index| {
            let (before, all) = (
                i128::from(slots_before(index, self.count, slots)),
                i128::from(slots.max(1)),
            );
            // In two steps: the product of a large amount and a large plan would not fit.
            whole.0 / all * before + whole.0 % all * before / all
        };
        Usd(up_to(self.index) - up_to(self.index - 1))
    }
}

/// The number of slots in the first `shards` of `count` shares.
fn slots_before(shards: u32, count: u32, slots: u64) -> u64 {
    let (shards, count) = (u64::from(shards), u64::from(count));
    slots / count * shards + (slots % count).min(shards)
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (index, count) = text.split_once('/').ok_or("not INDEX/COUNT, such as 3/8")?;
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = is_number.then(|| text.parse::<u32>().ok()).flatten();
            number.ok_or_else(|| format!("`{text}` is not a number of shards"))
        };
        Self::new(number(index)?, number(count)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::{example::suite, plan};

    #[test]
    fn only_shares_that_exist_can_be_named() {
        // A share counted from 0, as Kubernetes counts, would leave the last one unsent.
        assert_eq!("3/8".parse::<Shard>(), Shard::new(3, 8));
        for wrong in [
            "0/8",
            "9/8",
            "1/0",
            "3",
            "/8",
            "3/",
            "+3/8",
            "3/8/2",
            " 3/8",
            "a/b",
            "1/99999999999",
        ] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
        let stored = |text| serde_json::from_str::<Shard>(text);
        assert!(stored(r#"{"index":9,"count":8}"#).is_err());
        let shard = Shard::new(3, 8).unwrap();
        assert_eq!(
            serde_json::to_string(&shard).unwrap(),
            r#"{"index":3,"count":8}"#
        );
    }

    proptest! {
        // Every slot is sent by exactly one machine, whole, with the numbers that it has in the whole plan; the shares
        // name the order of the whole.
        #[test]
        fn shares_cover_the_plan_once(
            prompts in 1_usize..9, variants in 1_usize..4, repetitions in 1_u32..5, count in 1_u32..12, seed: u64,
        ) {
            let mut suite = suite(prompts, variants, repetitions);
            suite.seed = seed;
            let whole = plan(&suite);
            let mut joined = Vec::new();
            let mut trials = 0;
            for index in 1..=count {
                let share = whole.share(Some(Shard::new(index, count).unwrap()));
                let slots: Vec<_> = share.slots().collect();
                prop_assert_eq!(slots.len() as u64, share.slot_count());
                let per_prompt = share.prompt_repetitions(repetitions);
                prop_assert_eq!(per_prompt.len(), prompts);
                prop_assert_eq!(per_prompt.iter().map(|&n| u64::from(n)).sum::<u64>(), share.slot_count());
                prop_assert_eq!(share.digest(), whole.digest());
                trials += share.trial_count();
                joined.extend(slots);
            }
            joined.sort_by_key(|slot| slot.number);
            prop_assert_eq!(joined, whole.slots().collect::<Vec<_>>());
            prop_assert_eq!(trials, whole.trial_count());
        }

        // A cap that is divided is neither exceeded nor lost, to the last fraction of a cent, and no share is negative.
        #[test]
        fn parts_of_an_amount_add_up(whole in 0_i128..i128::MAX / 4, slots in 1_u64..u64::MAX / 2, count in 1_u32..200) {
            let parts: Vec<i128> = (1..=count)
                .map(|index| Shard::new(index, count).unwrap().part_of(Usd(whole), slots).0)
                .collect();
            prop_assert!(parts.iter().all(|part| *part >= 0));
            prop_assert_eq!(parts.iter().sum::<i128>(), whole);
        }

        // Machines that each keep their part keep the limit together, and use all of it.
        #[test]
        fn parts_of_limits_add_up(requests in 1_u32.., tokens in 1_u64.., of_model in 1_u32..5_000, count in 1_u32..200) {
            let limit = |requests: u32, tokens: Option<u64>| PerMinute {
                requests: NonZeroU32::new(requests),
                tokens: tokens.and_then(NonZeroU64::new),
            };
            let whole = RateLimits {
                whole: limit(requests, Some(tokens)),
                models: vec![ModelLimit { model: "a/*".to_owned(), per_minute: limit(of_model, None) }],
            };
            let parts = (1..=count).map(|index| Shard::new(index, count).unwrap().part_of_limits(&whole));
            let is_divisible = u64::from(requests.min(of_model)).min(tokens) >= u64::from(count);
            match parts.collect::<Result<Vec<_>, _>>() {
                Ok(parts) => {
                    prop_assert!(is_divisible);
                    let all = |of: &dyn Fn(&RateLimits) -> u64| parts.iter().map(|part| u128::from(of(part))).sum::<u128>();
                    let requests_of = |per_minute: PerMinute| u64::from(per_minute.requests.unwrap().get());
                    prop_assert_eq!(all(&|part| requests_of(part.whole)), u128::from(requests));
                    prop_assert_eq!(all(&|part| part.whole.tokens.unwrap().get()), u128::from(tokens));
                    prop_assert_eq!(all(&|part| requests_of(part.models[0].per_minute)), u128::from(of_model));
                    prop_assert!(parts.iter().all(|part| part.models[0].per_minute.tokens.is_none()));
                }
                Err(message) => {
                    prop_assert!(!is_divisible);
                    prop_assert!(message.contains("a minute leaves none"), "{}", message);
                }
            }
        }

        // Shares of one size have parts of one size, but for a remainder.
        #[test]
        fn parts_follow_the_slots(whole in 0_i128..1 << 60, slots in 1_u64..10_000, count in 1_u32..50) {
            for index in 1..=count {
                let shard = Shard::new(index, count).unwrap();
                let fair = whole * i128::from(shard.slots_of(slots)) / i128::from(slots);
                let part = shard.part_of(Usd(whole), slots).0;
                prop_assert!((part - fair).abs() <= 1, "{} {}", part, fair);
            }
        }
    }
}
