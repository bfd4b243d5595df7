//! Values that a shell completes: endpoints, models, prompts and tags.
//!
//! Owns which files they are read from. Must not know the shell, nor send a request. Invariant: what cannot be read
//! completes to nothing, without a message.

use std::path::Path;

use crate::suite::{SIM, Suite};

use super::base::boundary::Reach;
use super::base::files;
use super::base::model_list::ModelListState;

/// The words of the command line that say what its other values can be.
#[derive(Debug, Default)]
pub struct CompletionContext {
    /// `--endpoint`.
    pub endpoint: Option<String>,
    /// `--project`.
    pub project: Option<String>,
    /// The suite file.
    pub suite: Option<String>,
}

impl CompletionContext {
    /// The endpoints of the project and the built-in ones.
    pub fn endpoints(&self) -> Vec<String> {
        let project = files::project(self.project.as_deref().map(Path::new));
        project.unwrap_or_default().endpoint_names()
    }

    /// The labels of the suite, then the ids of the endpoint's cached list, or of the built-in one.
    pub fn models(&self) -> Vec<String> {
        let suite = self.read_suite();
        let of_suite = suite.as_ref().map(|suite| suite.endpoint.as_str());
        let endpoint = self.endpoint.as_deref().or(of_suite).unwrap_or(SIM);
        let project = files::project(self.project.as_deref().map(Path::new)).unwrap_or_default();
        let list = match project.resolve(endpoint) {
            Ok(profile) => ModelListState::from_cache(&profile),
            Err(_) => ModelListState::compiled_in(),
        };
        let listed = list.listed.unwrap_or(list.prices);
        let labels = suite.into_iter().flat_map(|suite| suite.variants);
        let labels = labels.map(|variant| variant.label);
        let mut all: Vec<String> = labels
            .chain(listed.models().map(|model| model.id.to_string()))
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The ids of the suite's prompts.
    pub fn prompts(&self) -> Vec<String> {
        let prompts = self
            .read_suite()
            .into_iter()
            .flat_map(|suite| suite.prompts);
        prompts.map(|prompt| prompt.id).collect()
    }

    /// The tags of the suite's prompts.
    pub fn tags(&self) -> Vec<String> {
        let prompts = self
            .read_suite()
            .into_iter()
            .flat_map(|suite| suite.prompts);
        let mut tags: Vec<String> = prompts.flat_map(|prompt| prompt.tags.to_vec()).collect();
        tags.sort_unstable();
        tags.dedup();
        tags
    }

    fn read_suite(&self) -> Option<Suite> {
        files::suite(Path::new(self.suite.as_ref()?), Reach::from_flag(false)).ok()
    }
}
