//! Likely problems of a suite, before anything is sent: of its models, its requests, its gate.
//!
//! Owns what is worth a warning. Must not know how a warning is worded. Invariant: `run` and `suite check` warn of the
//! same things.

mod gate;
mod requests;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::catalog::{Catalog, MAX_SUGGESTIONS};
use crate::record::{Calibration, ModelRetirement};
use crate::suite::{Metric, Quantity, Suite};
use crate::units::{ModelId, Nanos};

use super::power::Power;

/// A likely problem of a suite.
#[derive(Debug, Clone, PartialEq)]
pub enum Lint {
    /// Of one of its models.
    Model(ModelLint),
    /// Of its requests to a model.
    Request(RequestLint),
    /// Of its verdicts.
    Gate(GateLint),
    /// More requests at once than this machine times well.
    Capacity {
        /// The most requests at once.
        streams: u64,
        /// The most that the machine carries.
        carried: u32,
        /// The error of TTFT within which it carries them.
        bound: Nanos,
    },
    /// Its file has what TOML 1.0 does not allow.
    NewToml {
        /// The line, from 1.
        line: usize,
        /// The part of the syntax, in words.
        what: &'static str,
    },
}

/// A likely problem of a model.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelLint {
    /// The endpoint does not list the model.
    Unlisted {
        /// The model.
        model: ModelId,
        /// Name of the endpoint.
        endpoint: String,
        /// Date of the list, `YYYY-MM-DD`.
        list_date: String,
        /// The ids under which the list has that model.
        moved: Vec<ModelId>,
        /// The nearest ids of the list.
        nearest: Vec<ModelId>,
    },
    /// The simulated gateway has no profile of the model.
    Unplayed {
        /// The model.
        model: ModelId,
        /// The nearest ids of models that it plays.
        nearest: Vec<ModelId>,
    },
    /// The model retires soon, or has retired.
    Retires {
        /// The retirement.
        retirement: ModelRetirement,
        /// The day on which this is said.
        today: Date,
    },
}

/// A likely problem of the requests to a model.
#[derive(Debug, Clone, PartialEq)]
pub enum RequestLint {
    /// Reasoning counts against the token limit and may use it up.
    TruncatedInReasoning {
        /// The model.
        model: ModelId,
        /// The token limit.
        limit: u64,
        /// The minimum limit that leaves room for an answer.
        min: u64,
    },
    /// The token limit is above the model's maximum output.
    AboveOutput {
        /// The model.
        model: ModelId,
        /// The token limit.
        limit: u64,
        /// The model's maximum output tokens.
        max: u64,
    },
    /// Prompts do not fit the context window.
    AboveContext {
        /// The model.
        model: ModelId,
        /// Maximum tokens of prompt and answer together.
        window: u64,
        /// Id of the longest of these prompts.
        prompt: String,
        /// Estimated tokens of that prompt and its token limit.
        tokens: u64,
        /// Number of prompts that do not fit.
        prompts: usize,
    },
    /// Prompts are marked for caching but never read from the cache again.
    WritesUnread {
        /// Label of the variant.
        label: String,
    },
    /// The judge is of the same maker as a model that it grades.
    JudgeOfFamily {
        /// The judge.
        judge: ModelId,
        /// The first such model.
        model: ModelId,
    },
    /// Variants of a model read the prompt cache that others wrote.
    SharedCache {
        /// The model.
        model: ModelId,
        /// Number of these variants.
        variants: usize,
    },
}

/// A problem that keeps verdicts from being reached.
#[derive(Debug, Clone, PartialEq)]
pub enum GateLint {
    /// Too few prompts for a verdict.
    FewPrompts {
        /// The effective number of prompts.
        worth: u64,
        /// The actual number of prompts.
        prompts: u64,
    },
    /// A metric of streamed answers, without streaming.
    NotStreamed(Metric),
    /// A pass rate, without grading.
    NotGraded,
    /// `against_reference` with a single variant.
    NoCandidate,
    /// Only a slowdown to more than twice the time is detectable.
    FindsTooLittle {
        /// The smallest detectable worsening of TTFT.
        smallest: f64,
        /// Primary comparisons that share the error rate.
        comparisons: u64,
    },
    /// An unchanged run would often be inconclusive.
    Flaps {
        /// The metric.
        metric: Metric,
        /// The margin of the metric.
        margin: f64,
        /// The probability that an unchanged run is *ok*.
        ok: f64,
        /// True if inconclusive runs fail.
        fails: bool,
    },
    /// A limit on a percentile that so few answers cannot bound from above: it is never met.
    NoUpperEnd {
        /// The limited quantity.
        quantity: Quantity,
        /// True if each prompt must meet it alone.
        per_prompt: bool,
        /// Answers of each variant, or of each of its prompts.
        answers: u64,
        /// The number of answers that would suffice.
        needs: u64,
        /// True if the answers can at least show that the limit is exceeded.
        can_fail: bool,
    },
    /// A limit on errors that even a run without errors cannot show to be met.
    ErrorRateTooFine {
        /// The bound of the limit.
        bound: f64,
        /// True if each prompt must meet it alone.
        per_prompt: bool,
        /// The upper end of the interval of a run, or of a prompt, without errors.
        reached: f64,
        /// The number of prompts, or of repetitions, that would suffice; absent if no suite is that large.
        needs: Option<u64>,
    },
}

/// Returns the likely problems of a suite's requests and of its gate. `power`: the suite's own.
pub fn lint_suite(suite: &Suite, catalog: &Catalog, power: &Power) -> Vec<Lint> {
    let of_gate = gate::lint_gate(suite, power).into_iter().map(Lint::Gate);
    let of_requests = requests::lint_requests(suite, catalog).into_iter();
    of_gate.chain(of_requests.map(Lint::Request)).collect()
}

/// Returns a lint if so many requests at once are more than this machine carries.
pub fn lint_capacity(streams: u64, calibration: &Calibration) -> Option<Lint> {
    let carried = calibration.carried();
    (streams > u64::from(carried)).then_some(Lint::Capacity {
        streams,
        carried,
        bound: calibration.bound_ns,
    })
}

/// Returns a lint for each of `models` that the list of an endpoint does not have.
pub fn lint_unlisted<'m>(
    models: impl IntoIterator<Item = &'m ModelId>,
    list: &Catalog,
    endpoint: &str,
) -> Vec<ModelLint> {
    let models: BTreeSet<&ModelId> = models.into_iter().collect();
    let missing = models.into_iter().filter(|model| !list.offers(model));
    let lints = missing.map(|model| ModelLint::unlisted(model, list, endpoint));
    lints.collect()
}

/// Returns a lint for each of `models`, which the simulated gateway does not play.
pub fn lint_unplayed<'m>(models: impl IntoIterator<Item = &'m ModelId>) -> Vec<ModelLint> {
    let mut models = models.into_iter().peekable();
    if models.peek().is_none() {
        return Vec::new();
    }
    let list = Catalog::snapshot();
    let lints = models.map(|model| ModelLint::Unplayed {
        model: model.clone(),
        nearest: owned(list.nearest(model.as_str(), MAX_SUGGESTIONS)),
    });
    lints.collect()
}

impl ModelLint {
    /// Creates the lint of a model that the list of an endpoint does not have.
    pub fn unlisted(model: &ModelId, list: &Catalog, endpoint: &str) -> Self {
        Self::Unlisted {
            model: model.clone(),
            endpoint: endpoint.to_owned(),
            list_date: list.source().date.clone(),
            moved: owned(list.moved(model.as_str())),
            nearest: owned(list.nearest(model.as_str(), MAX_SUGGESTIONS)),
        }
    }
}

fn owned(ids: Vec<&ModelId>) -> Vec<ModelId> {
    ids.into_iter().cloned().collect()
}
