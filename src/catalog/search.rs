//! One word of a search in a list of models.
//!
//! Owns what a word can be. Must not know how many words there are. Invariant: a word without a
//! wildcard finds every model whose id holds it.

use globset::{Glob, GlobBuilder, GlobMatcher};

use super::model::Model;

/// A word that is not a glob although it has a wildcard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a glob: {1}")]
pub struct BadGlob(String, String);

pub(super) enum Word {
    /// In lower case.
    Part(String),
    Glob(Box<GlobMatcher>),
}

impl Word {
    pub(super) fn read(text: &str) -> Result<Self, BadGlob> {
        if !text.contains(['*', '?', '[']) {
            return Ok(Self::Part(text.to_lowercase()));
        }
        // `*` crosses `/`: a person who types `*mini` does not think of folders.
        let glob = GlobBuilder::new(text).case_insensitive(true).build();
        glob.map(|glob: Glob| Self::Glob(Box::new(glob.compile_matcher())))
            .map_err(|error| BadGlob(text.to_owned(), error.kind().to_string()))
    }

    pub(super) fn fits(&self, model: &Model) -> bool {
        match self {
            Self::Part(part) => {
                let holds = |text: &str| text.to_lowercase().contains(part);
                holds(model.id.as_str())
                    || holds(&model.name)
                    || model.tags.iter().any(|tag| holds(tag))
            }
            Self::Glob(glob) => {
                glob.is_match(model.id.as_str()) || model.tags.iter().any(|tag| glob.is_match(tag))
            }
        }
    }
}
