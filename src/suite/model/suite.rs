//! The checked suite, as the rest of the program sees it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cache::{CacheMode, Reuse};
use crate::units::{ModelId, Nanos, Usd};

use super::gate::Gate;
use super::load::LoadProfile;
use super::parameters::Parameters;
use super::prompt::{Message, Prompt, PromptList, Role};
use crate::suite::value::defaults;
use crate::suite::value::duration::parse_duration;

/// A checked suite: prompts, the variants that are compared, and the settings of a run. Serialized into the
/// manifest of a run as the *resolved suite*.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suite {
    /// Name of the suite and of its folder under `reports/`: letters, digits, `-`, `_`, `.`.
    pub name: String,
    /// One sentence for the reader of the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Name of a profile, or a base URL.
    pub endpoint: String,
    /// The compared variants: at least one, labels unique.
    pub variants: Vec<Variant>,
    /// Label of the variant in use today; the others are candidates.
    pub reference: String,
    /// Repetitions of each prompt for each variant.
    pub repetitions: u32,
    /// Untimed requests per variant before the first round, with a prompt that is not in the set.
    pub warmup: u32,
    /// Slots in flight at once.
    pub concurrency: u32,
    /// Seed of every order.
    pub seed: u64,
    /// Streams answers if true; without streaming there is no TTFT.
    pub stream: bool,
    /// Stores the text of answers in `samples.jsonl` if true.
    pub keep_answers: bool,
    /// The most attempts one trial may take, at least 1.
    pub max_attempts: u32,
    /// The time for which a model may fail before it is dropped and the others finish.
    #[serde(
        default = "default_patience",
        skip_serializing_if = "is_default_patience"
    )]
    pub patience_ns: Nanos,
    /// The load of the run; absent: the plan, `concurrency` slots at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<LoadProfile>,
    /// The most that a run may cost; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<Usd>,
    /// Deadlines of one attempt.
    pub timeouts: Timeouts,
    /// The gate, if the suite defines one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// Cache mode of every variant that sets none.
    #[serde(default, skip_serializing_if = "CacheMode::is_as_is")]
    pub cache: CacheMode,
    /// Prefix that requests share and the span of its reuse, if the suite sets them.
    #[serde(default, skip_serializing_if = "Reuse::is_default")]
    pub reuse: Reuse,
    /// System text of every prompt that has none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Request parameters of every prompt and variant.
    #[serde(default)]
    pub parameters: Parameters,
    /// The model that grades answers by rubrics; its label is that of its requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<Variant>,
    /// The model whose embeddings `similar` asserts compare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding_model: Option<ModelId>,
    /// At least one, ids unique.
    pub prompts: PromptList,
}

/// The patience of a suite that sets none.
pub(in crate::suite) fn default_patience() -> Nanos {
    parse_duration(defaults::PATIENCE).expect("a test reads every default")
}

// Absent from the resolved suite, so that digests of older runs stay comparable.
#[allow(clippy::trivially_copy_pass_by_ref)] // The signature that serde calls.
fn is_default_patience(patience: &Nanos) -> bool {
    *patience == default_patience()
}

/// One of the compared variants: a model under a label, with its declared overrides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// Name in reports; the model's id by default.
    pub label: String,
    /// The id as the endpoint spells it.
    pub model: ModelId,
    /// Cache mode that overrides the suite's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheMode>,
    /// System text in place of the suite's and the prompt's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Parameters that win over the prompt's and the suite's.
    #[serde(default)]
    pub parameters: Parameters,
}

/// Deadlines of one attempt, each counted on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// To open a connection: name look-up, TCP, TLS.
    pub connect_ns: Nanos,
    /// From `sent` to the response's headers.
    pub headers_ns: Nanos,
    /// Between two reads of the body, and from the headers to the first.
    pub gap_ns: Nanos,
    /// From `sent` to the end.
    pub total_ns: Nanos,
}

impl Suite {
    /// Its load, if that has stages; `None` for a plan that is sent as places get free.
    pub fn staged_load(&self) -> Option<&LoadProfile> {
        self.load.as_ref().filter(|load| load.has_stages())
    }

    /// The time after which its closed loop ends; `None` where the number of its requests is known before.
    pub fn time_limit(&self) -> Option<Nanos> {
        self.load.as_ref()?.time_limit()
    }

    /// The suite of requests that the program sends for itself, once each, to the same endpoint under the same deadlines: no
    /// warm-up, load, gate, cap, grading, system text or parameter of this suite applies to them. The first variant is the reference.
    #[must_use]
    pub fn with_own_requests(
        &self,
        variants: Vec<Variant>,
        parameters: Parameters,
        prompts: Vec<Prompt>,
    ) -> Self {
        let reference = variants.first();
        Self {
            description: None,
            reference: reference.map_or_else(String::new, |first| first.label.clone()),
            variants,
            repetitions: 1,
            warmup: 0,
            keep_answers: true,
            load: None,
            max_cost: None,
            gate: None,
            cache: CacheMode::AsIs,
            reuse: Reuse::default(),
            system: None,
            parameters,
            judge: None,
            embedding_model: None,
            prompts: prompts.into(),
            ..self.clone()
        }
    }

    /// The models of its variants, in their order.
    pub fn models(&self) -> impl Iterator<Item = &ModelId> {
        self.variants.iter().map(|variant| &variant.model)
    }

    /// Returns true if a prompt has a check that is made after the requests of a run.
    pub fn has_deferred_checks(&self) -> bool {
        let mut asserts = (self.prompts.iter()).flat_map(|one| one.asserts.as_slice());
        asserts.any(|assert| assert.check.is_deferred())
    }

    /// Trials of a whole run.
    pub fn trials(&self) -> u64 {
        self.prompts.len() as u64 * self.variants.len() as u64 * u64::from(self.repetitions)
    }

    /// The variant with this label.
    pub fn variant(&self, label: &str) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.label == label)
    }

    /// The parameters of one trial: the suite's under the prompt's under the variant's.
    pub fn parameters_of(&self, prompt: &Prompt, variant: &Variant) -> Parameters {
        let prompt_over_suite = prompt.parameters.over(&self.parameters);
        variant.parameters.over(&prompt_over_suite)
    }

    /// One key of [`Self::parameters_of`], without copying the others.
    pub fn parameter_of<'s, T: ?Sized>(
        &'s self,
        prompt: &'s Prompt,
        variant: &'s Variant,
        key: impl Fn(&'s Parameters) -> Option<&'s T>,
    ) -> Option<&'s T> {
        let levels = [&variant.parameters, &prompt.parameters, &self.parameters];
        levels.into_iter().find_map(key)
    }

    /// The system text of one trial.
    pub fn system_of<'s>(&'s self, prompt: &'s Prompt, variant: &'s Variant) -> Option<&'s str> {
        let levels = [&variant.system, &*prompt.system, &self.system];
        levels.into_iter().find_map(Option::as_deref)
    }

    /// The text before the turns of one trial: the shared prefix, then the system text.
    pub fn opening_of<'s>(
        &'s self,
        prompt: &'s Prompt,
        variant: &'s Variant,
    ) -> impl Iterator<Item = &'s str> {
        let prefix = self.reuse.prefix.as_deref();
        prefix.into_iter().chain(self.system_of(prompt, variant))
    }

    /// The whole conversation of one trial: the opening as one system text, which bears its mark, then the
    /// turns. A mark ends the shared prefix: the system text behind it is then a turn of its own, so that
    /// it is not marked with it.
    pub fn messages_of(&self, prompt: &Prompt, variant: &Variant) -> Vec<Message> {
        let mark = self
            .parameter_of(prompt, variant, |p| p.system_cache_control.as_ref())
            .copied();
        let opening: Vec<&str> = self.opening_of(prompt, variant).collect();
        let texts = match mark {
            Some(_) => opening.into_iter().map(str::to_owned).collect(),
            None if opening.is_empty() => Vec::new(),
            None => vec![opening.join("\n\n")],
        };
        let system = texts.into_iter().enumerate();
        let system = system.map(|(index, content)| Message {
            cache_control: mark.filter(|_| index == 0),
            ..Message::text(Role::System, content)
        });
        system.chain(prompt.messages.iter().cloned()).collect()
    }
}

/// The prompt's own content as JSON with sorted keys: system text, messages and parameters at the
/// suite's and the prompt's level, no variant's overrides. Two prompts with the same text here ask
/// the same; digests are made of it.
pub fn prompt_canonical(suite: &Suite, prompt: &Prompt) -> String {
    let mut content = serde_json::json!({
        "system": prompt.system.as_ref().or(suite.system.as_ref()),
        "messages": prompt.messages,
        "parameters": prompt.parameters.over(&suite.parameters),
    });
    if let Some(prefix) = &suite.reuse.prefix {
        content["prefix"] = Value::from(prefix.as_str());
    }
    content.sort_all_objects();
    content.to_string()
}
