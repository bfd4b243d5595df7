//! Searching and sorting a list of models.
//!
//! Owns the syntax of a query's words, and the sort keys. Must not know the number of
//! words. Invariants: a word without a wildcard finds every model whose id contains it; models that lack the
//! sort key come last.

use std::cmp::Reverse;

use crate::suite::{Glob, GlobStyle};
use crate::units::Usd;

use super::model::ListedModel;

/// Separates the alternatives of one word.
const OR: char = '|';
/// Prompt tokens per token of an answer, in the price that a list is sorted by: prompts of chat models are
/// longer than answers.
const BLENDED_INPUT: u64 = 3;

/// Error in a word of a query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// It has a wildcard and is not a valid glob.
    #[error("`{0}` is not a glob: {1}")]
    Glob(String, String),
    /// One side of a `|` is empty. Positions count from 1.
    #[error(
        "alternative {position} of `{word}` is empty (at character {character}): put a word on each side of `|`, \
         or leave the `|` out"
    )]
    EmptyAlternative {
        /// The whole word.
        word: String,
        /// Position of the empty alternative.
        position: usize,
        /// Character position at which it should begin.
        character: usize,
    },
}

/// The sort key of a list; ties are ordered by id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// The id.
    #[default]
    Id,
    /// [`ListedModel::blended_price`], lowest first.
    Price,
    /// The context window, largest first.
    Context,
    /// The release date, newest first.
    Released,
}

impl Sort {
    /// Sorts models.
    pub fn apply(self, models: &mut [&ListedModel]) {
        models.sort_by(|a, b| a.id.cmp(&b.id));
        // The sort is stable: ties stay in the order of ids.
        match self {
            Self::Id => {}
            Self::Price => models.sort_by_key(|model| last_if_absent(model.blended_price())),
            Self::Context => {
                models.sort_by_key(|model| last_if_absent(model.context_window.map(Reverse)));
            }
            Self::Released => {
                models.sort_by_key(|model| last_if_absent(model.released.map(Reverse)));
            }
        }
    }
}

fn last_if_absent<T>(value: Option<T>) -> (bool, Option<T>) {
    (value.is_none(), value)
}

impl ListedModel {
    /// The mean price of a token for requests with three prompt tokens per token of the answer, at the
    /// prices of short prompts; rounded up to a pico-dollar. Absent if the list lacks either price.
    pub fn blended_price(&self) -> Option<Usd> {
        let rates = self.prices.as_ref()?.rates(0);
        let sum = rates.input?.times(BLENDED_INPUT)?.plus(rates.output?)?;
        let tokens = i128::from(BLENDED_INPUT + 1);
        Some(Usd(sum.0.checked_add(tokens - 1)?.div_euclid(tokens)))
    }
}

/// One word of a query: it matches if one of its alternatives does.
pub(super) struct Word(Vec<Alternative>);

enum Alternative {
    /// In lower case.
    Part(String),
    Glob(Box<Glob>),
}

impl Word {
    pub(super) fn read(text: &str) -> Result<Self, QueryError> {
        if !text.contains(OR) {
            return Ok(Self(vec![Alternative::read(text)?]));
        }
        let mut character = 1;
        let mut alternatives = Vec::new();
        for (position, alternative) in (1..).zip(text.split(OR)) {
            if alternative.is_empty() {
                return Err(QueryError::EmptyAlternative {
                    word: text.to_owned(),
                    position,
                    character,
                });
            }
            alternatives.push(Alternative::read(alternative)?);
            character += alternative.chars().count() + 1;
        }
        Ok(Self(alternatives))
    }

    pub(super) fn matches(&self, model: &ListedModel) -> bool {
        let Self(alternatives) = self;
        alternatives
            .iter()
            .any(|alternative| alternative.matches(model))
    }
}

impl Alternative {
    fn read(text: &str) -> Result<Self, QueryError> {
        if !text.contains(['*', '?', '[']) {
            return Ok(Self::Part(text.to_lowercase()));
        }
        // `*` matches `/` too: a user who types `*mini` does not think of path segments.
        let glob = Glob::new(text, GlobStyle::IdsInAnyCase);
        glob.map(|glob| Self::Glob(Box::new(glob)))
            .map_err(|reason| QueryError::Glob(text.to_owned(), reason))
    }

    fn matches(&self, model: &ListedModel) -> bool {
        match self {
            Self::Part(part) => {
                let contains = |text: &str| text.to_lowercase().contains(part);
                contains(model.id.as_str())
                    || contains(&model.name)
                    || model.tags.iter().any(|tag| contains(tag))
            }
            Self::Glob(glob) => {
                glob.is_match(model.id.as_str()) || model.tags.iter().any(|tag| glob.is_match(tag))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Catalog;
    use super::*;

    fn read(list: &str) -> Catalog {
        Catalog::read(list, "a test".to_owned(), "2026-01-02".to_owned()).unwrap()
    }

    fn ids(models: &[&ListedModel]) -> Vec<String> {
        models.iter().map(|model| model.id.to_string()).collect()
    }

    #[test]
    fn alternatives_are_joined_by_or_and_words_by_and() {
        // `'gpt|haiku'` is how people say "one of these"; a second word still narrows.
        let catalog = Catalog::snapshot();
        let found = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            ids(&catalog.search(&words).unwrap())
        };
        let mut either = found(&["GPT"]);
        either.extend(found(&["haiku"]));
        either.sort_unstable();
        either.dedup();
        assert_eq!(found(&["gpt|Haiku"]), either);
        assert!(found(&["gpt|haiku", "anthropic"]) == found(&["haiku"]));
        assert_eq!(found(&["*haiku-4.5|*gpt-5-mini"]).len(), 2);
        assert_eq!(found(&["*haiku-4.5|no-such-model"]).len(), 1);
    }

    #[test]
    fn an_empty_alternative_is_reported_with_its_position() {
        // An empty alternative would match every model, which is never intended.
        let message = |word: &str| Word::read(word).err().unwrap().to_string();
        insta::assert_snapshot!(
            ["gpt|", "|gpt", "gpt||haiku", "|", "é*|[|x"].map(message).join("\n"),
            @"
        alternative 2 of `gpt|` is empty (at character 5): put a word on each side of `|`, or leave the `|` out
        alternative 1 of `|gpt` is empty (at character 1): put a word on each side of `|`, or leave the `|` out
        alternative 2 of `gpt||haiku` is empty (at character 5): put a word on each side of `|`, or leave the `|` out
        alternative 1 of `|` is empty (at character 1): put a word on each side of `|`, or leave the `|` out
        `[` is not a glob: unclosed character class; missing ']'
        "
        );
    }

    #[test]
    fn the_blend_is_three_to_one() {
        // The price that a list is sorted by is the one that `--help` names.
        let catalog = read(
            r#"{"data":[{"id":"a","pricing":{"input":"0.000001","output":"0.000005"}},
                {"id":"b","pricing":{"input":"0.000001"}},{"id":"c"}]}"#,
        );
        let blended: Vec<_> = catalog.models().map(ListedModel::blended_price).collect();
        assert_eq!(blended, [Some(Usd(2_000_000)), None, None]);
    }

    #[test]
    fn lists_are_put_in_order() {
        // Unknown values come last in any order, and ids settle the rest.
        let catalog = read(
            r#"{"data":[
                {"id":"d","context_window":9,"released":1760486400,"pricing":{"input":"0.000002","output":"0.000002"}},
                {"id":"c","context_window":10,"released":"soon","pricing":{"input":"0.000001","output":"0.000002"}},
                {"id":"b","released":1770486400},
                {"id":"a","context_window":10,"created":7,"pricing":{"input":"0.000001"}}]}"#,
        );
        let sorted = |sort: Sort| {
            let mut models: Vec<&ListedModel> = catalog.models().rev().collect();
            sort.apply(&mut models);
            ids(&models).join(" ")
        };
        assert_eq!(sorted(Sort::Id), "a b c d");
        assert_eq!(sorted(Sort::Price), "c d a b");
        assert_eq!(sorted(Sort::Context), "a c d b");
        assert_eq!(sorted(Sort::Released), "b d a c");
    }

    proptest! {
        // Any text is a query or an error, and only an empty alternative or a broken glob is one.
        #[test]
        fn words_are_read(text in "\\PC{0,40}", parts in prop::collection::vec("[a-z]{1,5}", 1..5)) {
            let _ = Word::read(&text);
            prop_assert!(Word::read(&parts.join("|")).is_ok());
            let query = format!("{}|", parts.join("|"));
            let broken = Word::read(&query).err();
            prop_assert_eq!(broken, Some(QueryError::EmptyAlternative {
                position: parts.len() + 1,
                character: query.len() + 1,
                word: query,
            }));
        }
    }
}
