//! What changed between two lists of models.
//!
//! Owns which models belong together and which of their facts differ. Must not know where the lists came
//! from, nor how a difference is told. Invariants: a list does not differ from itself; the difference the
//! other way round is the same with its sides swapped; laid over the older list it gives the newer one.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value as Json;

use crate::units::Usd;

use super::Catalog;
use super::model::Model;
use super::price::{Prices, Rates};

/// The difference of two lists. Every part is in order of ids (of the newer list, where a part has both).
#[derive(Debug, Clone, PartialEq)]
pub struct ListDiff<'a> {
    /// Models that the older list does not have.
    pub added: Vec<&'a Model>,
    /// Models that the newer list does not have.
    pub gone: Vec<&'a Model>,
    /// Models that both have under different ids; some of their facts may differ as well.
    pub moved: Vec<Pair<'a>>,
    /// Models that both have under one id, with a price or a limit that is another one.
    pub changed: Vec<Pair<'a>>,
}

/// One model in both lists.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair<'a> {
    /// In the older list.
    pub before: &'a Model,
    /// In the newer list.
    pub after: &'a Model,
}

/// A fact that is another one; a side is absent where its list does not have it, and both never are.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Which fact.
    pub fact: Fact,
    /// In the older list.
    pub before: Option<Value>,
    /// In the newer list.
    pub after: Option<Value>,
}

/// What can change of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A price per token.
    Price {
        /// Of which tokens.
        of: Tokens,
        /// The smallest prompt that pays it.
        from_prompt_tokens: u64,
    },
    /// Most tokens of prompt and answer together.
    ContextWindow,
    /// Most tokens of one answer.
    MaxTokens,
    /// A further price, by its name in the list; within a price that is a table, with the way to it:
    /// `regional.us.input`.
    OtherPrice(String),
}

/// What a price per token is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The fields of `Rates`.
pub enum Tokens {
    Input,
    Output,
    CacheRead,
    CacheWrite,
}

impl Tokens {
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
pub enum Value {
    /// USD per token.
    Price(Usd),
    /// A number of tokens.
    Tokens(u64),
    /// As the list spells it.
    Text(String),
}

impl<'a> ListDiff<'a> {
    /// What changed from the list `before` to the list `after`.
    pub fn new(before: &'a Catalog, after: &'a Catalog) -> Self {
        let without = |a: &'a Catalog, b: &'a Catalog| -> Vec<&'a Model> {
            let missing = |model: &&Model| b.get(&model.id).is_none();
            a.models().filter(missing).collect()
        };
        let (mut gone, mut added) = (without(before, after), without(after, before));
        let mut moved = Vec::new();
        // What a list says itself comes before what only looks alike.
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
            Some(Pair { before, after })
        });
        let changed = both.filter(|pair| !pair.changes().is_empty()).collect();
        Self {
            added,
            gone,
            moved,
            changed,
        }
    }

    /// How many models it tells of.
    pub fn count(&self) -> usize {
        self.added.len() + self.gone.len() + self.moved.len() + self.changed.len()
    }
}

/// Takes out of both lists the models that have the same key, where it is one model's alone on each side:
/// of two that fit nobody can say which one moved.
fn pair_up<'a>(
    gone: &mut Vec<&'a Model>,
    added: &mut Vec<&'a Model>,
    moved: &mut Vec<Pair<'a>>,
    key: impl Fn(&Model) -> Option<String>,
) {
    let by_key = |models: &[&'a Model]| {
        let mut found: BTreeMap<String, Vec<&'a Model>> = BTreeMap::new();
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
            ([before], [after]) => Some(Pair { before, after }),
            _ => None,
        }
    });
    let pairs: Vec<Pair<'a>> = pairs.collect();
    gone.retain(|model| pairs.iter().all(|pair| pair.before.id != model.id));
    added.retain(|model| pairs.iter().all(|pair| pair.after.id != model.id));
    moved.extend(pairs);
}

impl Pair<'_> {
    /// The facts that are others: prices by size of the prompt, then limits, then further prices by name.
    pub fn changes(&self) -> Vec<Change> {
        let (before, after) = (self.before, self.after);
        let tokens = |fact, before: Option<u64>, after: Option<u64>| Change {
            fact,
            before: before.map(Value::Tokens),
            after: after.map(Value::Tokens),
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

    fn price_changes(&self) -> Vec<Change> {
        let sides = [&self.before.prices, &self.after.prices].map(Option::as_ref);
        let tiers = sides.iter().flatten().flat_map(|prices| prices.tiers());
        let mut boundaries: Vec<u64> = tiers.map(|tier| tier.from_prompt_tokens).collect();
        boundaries.sort_unstable();
        boundaries.dedup();
        let mut changes = Vec::new();
        for from_prompt_tokens in boundaries {
            let rates =
                |prices: Option<&Prices>| prices.map(|prices| *prices.rates(from_prompt_tokens));
            let [before, after] = sides.map(rates);
            for of in Tokens::ALL {
                let price = |rates: Option<Rates>| of.price(&rates?).map(Value::Price);
                changes.push(Change {
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

    fn other_changes(&self) -> Vec<Change> {
        let sides = [self.before, self.after].map(|model| {
            let mut found = BTreeMap::new();
            for price in &model.other_prices {
                add_leaves(&price.name, &price.value, &mut found);
            }
            found
        });
        let mut names: Vec<&String> = sides.iter().flat_map(BTreeMap::keys).collect();
        names.sort_unstable();
        names.dedup();
        let changes = names.into_iter().map(|name| {
            let [before, after] = sides.each_ref().map(|side| side.get(name).cloned());
            Change {
                fact: Fact::OtherPrice(name.clone()),
                before: before.map(Value::Text),
                after: after.map(Value::Text),
            }
        });
        changes
            .filter(|change| change.share() != Some(0.0))
            .collect()
    }
}

/// Adds a price, or each of those in a table or a list, under the way to it: how a table is spelled, and in
/// which order, is no price.
fn add_leaves(way: &str, text: &str, found: &mut BTreeMap<String, String>) {
    let within = match serde_json::from_str(text) {
        Ok(Json::Object(table)) => table.into_iter().collect(),
        Ok(Json::Array(items)) => (items.into_iter().enumerate())
            .map(|(place, item)| (place.to_string(), item))
            .collect(),
        _ => Vec::new(),
    };
    if within.is_empty() {
        found.insert(way.to_owned(), text.to_owned());
    }
    for (name, value) in within {
        let text = match value {
            Json::String(text) => text,
            other => other.to_string(),
        };
        add_leaves(&format!("{way}.{name}"), &text, found);
    }
}

impl Change {
    /// How much more it is, as a share of what it was: 0.2 for a fifth more. Absent where a side is absent,
    /// is no number, or was 0.
    pub fn share(&self) -> Option<f64> {
        let number = |value: &Option<Value>| match value.as_ref()? {
            Value::Price(usd) => Some(usd.0 as f64),
            Value::Tokens(count) => Some(*count as f64),
            Value::Text(text) => text.parse().ok().map(|usd: Usd| usd.0 as f64),
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
                Tokens::Input => "input_usd_per_mtok",
                Tokens::Output => "output_usd_per_mtok",
                Tokens::CacheRead => "cache_read_usd_per_mtok",
                Tokens::CacheWrite => "cache_write_usd_per_mtok",
            },
            Self::ContextWindow => "context_window",
            Self::MaxTokens => "max_tokens",
            Self::OtherPrice(_) => "other_price",
        }
    }

    /// Of a price per token: the smallest prompt that pays it.
    pub const fn from_prompt_tokens(&self) -> Option<u64> {
        match self {
            Self::Price {
                from_prompt_tokens, ..
            } => Some(*from_prompt_tokens),
            _ => None,
        }
    }

    /// Of a further price: its name in the list.
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
                    Tokens::Input => "input",
                    Tokens::Output => "output",
                    Tokens::CacheRead => "cache read",
                    Tokens::CacheWrite => "cache write",
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
