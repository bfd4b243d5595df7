//! The grader of a suite: the asserts of each prompt, compiled when first used.
//!
//! Owns which samples are graded and how long compiled asserts are held. Must not know any check. Invariant: an
//! error is no wrong answer, so that a trial without an answer gets no grades.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::check::CompiledAssert;
use super::deferred::{DeferredGrade, DeferredTask};
use crate::record::{Grade, Sample};
use crate::suite::{Asserts, Prompt, Suite};
use crate::threads::lock;

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
                    pass_threshold: *prompt.pass_threshold,
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
    ///
    /// A prompt with deferred checks has none before their results are there.
    pub fn grades(&self, sample: &Sample) -> Option<(Vec<Grade>, Option<f64>)> {
        self.grades_with(sample, &[])
    }

    /// As [`Grader::grades`], with the results of its deferred checks in their order.
    pub fn grades_with(
        &self,
        sample: &Sample,
        deferred: &[DeferredGrade],
    ) -> Option<(Vec<Grade>, Option<f64>)> {
        let own = self.gradable(sample)?;
        let asserts = own.asserts.as_slice();
        let count = asserts.iter().filter(|one| one.check.is_deferred()).count();
        if count != deferred.len() {
            return None;
        }
        let compiled = self.compile(&own.asserts);
        let mut deferred = deferred.iter();
        let rows = asserts.iter().zip(compiled.iter());
        let grades = rows.map(|(assert, compiled)| {
            let own = assert.check.is_deferred().then(|| deferred.next());
            let finding = match own.flatten() {
                Some(grade) => grade.finding(&assert.check),
                None => compiled.find(sample),
            };
            let decision = finding.decide(assert.negated);
            Grade::new(&assert.name, decision.score, decision.pass)
                .with_reason(&decision.reason)
                .with_weight(assert.weight)
        });
        Some((grades.collect(), own.pass_threshold))
    }

    /// The work of the deferred checks of a sample, in the order of the suite, or why one cannot be made; empty if it has
    /// none. `system` is the system text of its `prompt`.
    pub fn deferred(
        &self,
        prompt: &Prompt,
        system: Option<&str>,
        sample: &Sample,
    ) -> Vec<Result<DeferredTask, String>> {
        let Some(own) = self.gradable(sample) else {
            return Vec::new();
        };
        let compiled = self.compile(&own.asserts);
        let rows = own.asserts.as_slice().iter().zip(compiled.iter());
        let tasks = rows.filter_map(|(assert, compiled)| {
            DeferredTask::new(&assert.check, system, prompt, compiled.part(sample))
        });
        tasks.collect()
    }

    /// Returns true if a sample has an answer that asserts grade.
    pub fn has_asserts(&self, sample: &Sample) -> bool {
        self.gradable(sample).is_some()
    }

    /// The asserts of a sample that has an answer to grade.
    fn gradable(&self, sample: &Sample) -> Option<&PromptAsserts> {
        let own = self.prompts.get(&sample.prompt)?;
        sample.outcome.is_gradable().then_some(own)
    }

    fn compile(&self, asserts: &Asserts) -> Arc<[CompiledAssert]> {
        let address = asserts.as_slice().as_ptr().addr();
        if let Some(compiled) = lock(&self.compiled).get(&address) {
            return Arc::clone(compiled);
        }
        let compiled: Arc<[CompiledAssert]> =
            asserts.as_slice().iter().map(CompiledAssert::new).collect();
        let mut lists = lock(&self.compiled);
        if lists.len() >= COMPILED_LISTS {
            lists.clear();
        }
        lists.insert(address, Arc::clone(&compiled));
        compiled
    }
}
