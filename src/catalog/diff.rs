//! The differences between two lists of models.
//!
//! Owns the matching of models and the comparison of their facts. Must not know the source of the lists,
//! nor how a difference is rendered. Invariants: a list does not differ from itself; the difference in the
//! other direction is the same with its sides swapped; applied to the older list it gives the newer one.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value as Json;

use crate::units::Usd;

use super::Catalog;
use super::model::ListedModel;
use super::price::{Rates, TokenPrices};

/// The difference of two lists. Every part is ordered by id (of the newer list, if a part has both).
#[derive(Debug, Clone, PartialEq)]
pub struct ListDiff<'a> {
    /// Models missing from the older list.
    pub added: Vec<&'a ListedModel>,
    /// Models missing from the newer list.
    pub gone: Vec<&'a ListedModel>,
    /// Models that both lists have under different ids; some of their facts may differ as well.
    pub moved: Vec<ModelPair<'a>>,
    /// Models that both lists have under one id, with a different price or limit.
    pub changed: Vec<ModelPair<'a>>,
}

/// One model in both lists.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelPair<'a> {
    /// In the older list.
    pub before: &'a ListedModel,
    /// In the newer list.
    pub after: &'a ListedModel,
}

/// A fact that differs; a side is absent if its list lacks the fact, and at least one side is present.
#[derive(Debug, Clone, PartialEq)]
pub struct FactChange {
    /// The fact.
    pub fact: Fact,
    /// Value in the older list.
    pub before: Option<FactValue>,
    /// Value in the newer list.
    pub after: Option<FactValue>,
}

/// A fact of a model that can change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A price per token.
    Price {
        /// Kind of tokens.
        of: PricedTokens,
        /// The smallest prompt that pays it.
        from_prompt_tokens: u64,
    },
    /// Maximum tokens of prompt and answer together.
    ContextWindow,
    /// Maximum tokens of one answer.
    MaxTokens,
    /// A further price, by its name in the list; within a table, by its path:
    /// `regional.us.input`.
    OtherPrice(String),
}

/// The kind of tokens that a price applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The fields of `Rates`.
pub enum PricedTokens {
    Input,
    Output,
    CacheRead,
    CacheWrite,
}

impl PricedTokens {
    const ALL: [Self; 4] = [Self::Input, Self::Output, Self::CacheRead, Self::CacheWrite];

    fn price(self, rates: &Rates) -> Option<Usd> {
        match self {
            Self::Input => rates.input,
            Self::Output => rates.output,
            Self::CacheRead => rates.cache_read,
            Self::CacheWrite => rates.cache_write,
        }
    }
}

/// One side of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactValue {
    /// USD per token.
    Price(Usd),
    /// A number of tokens.
    Count(u64),
    /// Text as the list spells it.
    Text(String),
}

impl<'a> ListDiff<'a> {
    /// Computes the changes from the list `before` to the list `after`.
    pub fn new(before: &'a Catalog, after: &'a Catalog) -> Self {
        let without = |a: &'a Catalog, b: &'a Catalog| -> Vec<&'a ListedModel> {
            let missing = |model: &&ListedModel| b.get(&model.id).is_none();
            a.models().filter(missing).collect()
        };
        let (mut gone, mut added) = (without(before, after), without(after, before));
        let mut moved = Vec::new();
        // A list's own canonical names come before mere similarity.
        pair_up(&mut gone, &mut added, &mut moved, |model| {
            model.canonical.clone()
        });
        pair_up(&mut gone, &mut added, &mut moved, |model| {
            Some(model.id.as_str().rsplit('/').next()?.to_lowercase())
        });
        pair_up(&mut gone, &mut added, &mut moved, |model| {
            (model.name != model.id.as_str()).then(|| model.name.to_lowercase())
        });
        moved.sort_by(|a, b| a.after.id.cmp(&b.after.id));
        let both = after.models().filter_map(|after| {
            let before = before.get(&after.id)?;
            Some(ModelPair { before, after })
        });
        let changed = both.filter(|pair| !pair.changes().is_empty()).collect();
        Self {
            added,
            gone,
            moved,
            changed,
        }
    }

    /// Number of models in the difference.
    pub fn count(&self) -> usize {
        self.added.len() + self.gone.len() + self.moved.len() + self.changed.len()
    }
}

/// Moves models with the same key from both lists to `moved`, if the key is unique on each side:
/// of two candidates neither can be chosen.
fn pair_up<'a>(
    gone: &mut Vec<&'a ListedModel>,
    added: &mut Vec<&'a ListedModel>,
    moved: &mut Vec<ModelPair<'a>>,
    key: impl Fn(&ListedModel) -> Option<String>,
) {
    let by_key = |models: &[&'a ListedModel]| {
        let mut found: BTreeMap<String, Vec<&'a ListedModel>> = BTreeMap::new();
        for model in models {
            if let Some(key) = key(model) {
                found.entry(key).or_default().push(model);
            }
        }
        found
    };
    let mut new = by_key(added);
    let pairs = by_key(gone).into_iter().filter_map(|(key, old)| {
        match (old.as_slice(), new.remove(&key)?.as_slice()) {
            ([before], [after]) => Some(ModelPair { before, after }),
            _ => None,
        }
    });
    let pairs: Vec<ModelPair<'a>> = pairs.collect();
    gone.retain(|model| pairs.iter().all(|pair| pair.before.id != model.id));
    added.retain(|model| pairs.iter().all(|pair| pair.after.id != model.id));
    moved.extend(pairs);
}

impl ModelPair<'_> {
    /// The facts that differ: prices by size of the prompt, then limits, then further prices by name.
    pub fn changes(&self) -> Vec<FactChange> {
        let (before, after) = (self.before, self.after);
        let tokens = |fact, before: Option<u64>, after: Option<u64>| FactChange {
            fact,
            before: before.map(FactValue::Count),
            after: after.map(FactValue::Count),
        };
        let limits = [
            tokens(
                Fact::ContextWindow,
                before.context_window,
                after.context_window,
            ),
            tokens(Fact::MaxTokens, before.max_tokens, after.max_tokens),
        ];
        let mut changes = self.price_changes();
        changes.extend(limits);
        changes.extend(self.other_changes());
        changes.retain(|change| change.before != change.after);
        changes
    }

    fn price_changes(&self) -> Vec<FactChange> {
        let sides = [&self.before.prices, &self.after.prices].map(Option::as_ref);
        let tiers = sides.iter().flatten().flat_map(|prices| prices.tiers());
        let mut boundaries: Vec<u64> = tiers.map(|tier| tier.from_prompt_tokens).collect();
        boundaries.sort_unstable();
        boundaries.dedup();
        let mut changes = Vec::new();
        for from_prompt_tokens in boundaries {
            let rates = |prices: Option<&TokenPrices>| {
                prices.map(|prices| *prices.rates(from_prompt_tokens))
            };
            let [before, after] = sides.map(rates);
            for of in PricedTokens::ALL {
                let price = |rates: Option<Rates>| of.price(&rates?).map(FactValue::Price);
                changes.push(FactChange {
                    fact: Fact::Price {
                        of,
                        from_prompt_tokens,
                    },
                    before: price(before),
                    after: price(after),
                });
            }
        }
        changes
    }

    fn other_changes(&self) -> Vec<FactChange> {
        let sides = [self.before, self.after].map(|model| {
            let mut found = BTreeMap::new();
            for price in &model.other_prices {
                add_leaf_prices(&price.name, &price.value, &mut found);
            }
            found
        });
        let mut names: Vec<&String> = sides.iter().flat_map(BTreeMap::keys).collect();
        names.sort_unstable();
        names.dedup();
        let changes = names.into_iter().map(|name| {
            let [before, after] = sides.each_ref().map(|side| side.get(name).cloned());
            FactChange {
                fact: Fact::OtherPrice(name.clone()),
                before: before.map(FactValue::Text),
                after: after.map(FactValue::Text),
            }
        });
        changes
            .filter(|change| change.share() != Some(0.0))
            .collect()
    }
}

/// Adds a price, or each of those in a table or a list, by its path: the spelling and order of a
/// table are no prices.
fn add_leaf_prices(path: &str, text: &str, found: &mut BTreeMap<String, String>) {
    let within = match serde_json::from_str(text) {
        Ok(Json::Object(table)) => table.into_iter().collect(),
        Ok(Json::Array(items)) => (items.into_iter().enumerate())
            .map(|(index, item)| (index.to_string(), item))
            .collect(),
        _ => Vec::new(),
    };
    if within.is_empty() {
        found.insert(path.to_owned(), text.to_owned());
    }
    for (name, value) in within {
        let text = match value {
            Json::String(text) => text,
            other => other.to_string(),
        };
        add_leaf_prices(&format!("{path}.{name}"), &text, found);
    }
}

impl FactChange {
    /// The relative increase: 0.2 for a fifth more. Absent if a side is absent,
    /// is not a number, or was 0.
    pub fn share(&self) -> Option<f64> {
        let number = |value: &Option<FactValue>| match value.as_ref()? {
            FactValue::Price(usd) => Some(usd.0 as f64),
            FactValue::Count(count) => Some(*count as f64),
            FactValue::Text(text) => text.parse().ok().map(|usd: Usd| usd.0 as f64),
        };
        let (before, after) = (number(&self.before)?, number(&self.after)?);
        (before > 0.0).then(|| after / before - 1.0)
    }
}

impl Fact {
    /// Its name for programs.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Price { of, .. } => match of {
                PricedTokens::Input => "input_usd_per_mtok",
                PricedTokens::Output => "output_usd_per_mtok",
                PricedTokens::CacheRead => "cache_read_usd_per_mtok",
                PricedTokens::CacheWrite => "cache_write_usd_per_mtok",
            },
            Self::ContextWindow => "context_window",
            Self::MaxTokens => "max_tokens",
            Self::OtherPrice(_) => "other_price",
        }
    }

    /// The smallest prompt that pays this price, for a price per token.
    pub const fn from_prompt_tokens(&self) -> Option<u64> {
        match self {
            Self::Price {
                from_prompt_tokens, ..
            } => Some(*from_prompt_tokens),
            _ => None,
        }
    }

    /// The name in the list, for a further price.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::OtherPrice(name) => Some(name),
            _ => None,
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Price {
                of,
                from_prompt_tokens,
            } => {
                f.write_str(match of {
                    PricedTokens::Input => "input",
                    PricedTokens::Output => "output",
                    PricedTokens::CacheRead => "cache read",
                    PricedTokens::CacheWrite => "cache write",
                })?;
                match from_prompt_tokens {
                    0 => Ok(()),
                    from => write!(f, ", prompts from {from}"),
                }
            }
            Self::ContextWindow => f.write_str("context"),
            Self::MaxTokens => f.write_str("max output"),
            Self::OtherPrice(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests;
