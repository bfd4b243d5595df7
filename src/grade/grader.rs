//! The grader of a suite: the asserts of each prompt, compiled when first used.
//!
//! Owns which samples are graded and how long compiled asserts are held. Must not know any check. Invariant: an
//! error is no wrong answer, so that a trial without an answer gets no grades.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::check::CompiledAssert;
use crate::record::{Grade, Sample};
use crate::suite::{Asserts, Suite};

/// Lists of asserts that stay compiled: a suite whose rows each have patterns of their own must not fill memory.
const COMPILED_LISTS: usize = 1_000;

/// Grades the answers to the prompts of one suite.
#[derive(Debug)]
pub struct Grader {
    prompts: HashMap<String, PromptAsserts>,
    /// By the address of the list, which `prompts` holds.
    compiled: Mutex<HashMap<usize, Arc<[CompiledAssert]>>>,
}

#[derive(Debug)]
struct PromptAsserts {
    asserts: Asserts,
    pass_threshold: Option<f64>,
}

impl Grader {
    /// The grader of a suite; absent if none of its prompts has an assert.
    pub fn new(suite: &Suite) -> Option<Self> {
        let graded = suite.prompts.iter().filter(|p| !p.asserts.is_empty());
        let prompts: HashMap<_, _> = graded
            .map(|prompt| {
                let own = PromptAsserts {
                    asserts: prompt.asserts.clone(),
                    pass_threshold: prompt.pass_threshold,
                };
                (prompt.id.clone(), own)
            })
            .collect();
        (!prompts.is_empty()).then(|| Self {
            prompts,
            compiled: Mutex::default(),
        })
    }

    /// Puts the grades of its answer into a sample.
    pub fn grade(&self, sample: &mut Sample) {
        if let Some((grades, pass_threshold)) = self.grades(sample) {
            sample.grades = grades;
            sample.pass_threshold = pass_threshold;
        }
    }

    /// The grades of a sample's answer, and the score from which it passes; `None` if there is nothing to grade.
    pub fn grades(&self, sample: &Sample) -> Option<(Vec<Grade>, Option<f64>)> {
        let own = self.prompts.get(&sample.prompt)?;
        if !sample.outcome.is_gradable() {
            return None;
        }
        let compiled = self.compile(&own.asserts);
        let rows = own.asserts.as_slice().iter().zip(compiled.iter());
        let grades = rows.map(|(assert, compiled)| {
            let decision = compiled.find(sample).decide(assert.negated);
            Grade::new(&assert.name, decision.score, decision.pass)
                .with_reason(&decision.reason)
                .with_weight(assert.weight)
        });
        Some((grades.collect(), own.pass_threshold))
    }

    fn compile(&self, asserts: &Asserts) -> Arc<[CompiledAssert]> {
        let address = asserts.as_slice().as_ptr().addr();
        let lock = || self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(compiled) = lock().get(&address) {
            return Arc::clone(compiled);
        }
        let compiled: Arc<[CompiledAssert]> =
            asserts.as_slice().iter().map(CompiledAssert::new).collect();
        let mut lists = lock();
        if lists.len() >= COMPILED_LISTS {
            lists.clear();
        }
        lists.insert(address, Arc::clone(&compiled));
        compiled
    }
}
