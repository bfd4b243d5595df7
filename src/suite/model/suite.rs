//! The checked suite, as the rest of the program sees it.

use std::ops::{Deref, DerefMut};
use std::slice;
use std::sync::Arc;
use std::vec;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::assert::Asserts;
use super::cache::{CacheControl, CacheMode, Caching, Reuse};
use crate::units::{ModelId, Nanos, Usd};

use super::gate::Gate;
use super::load::LoadProfile;
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

/// One case of the suite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prompt {
    /// Unique in the suite.
    pub id: String,
    /// System text in place of the suite's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The turns after the system text, at least one, the last one the user's or a tool's.
    pub messages: Vec<Message>,
    /// Share of the traffic that looks like this prompt; positive and finite.
    pub weight: f64,
    /// For selection by `--tag`.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Values of the user's own, copied to each sample; they are not sent.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// Parameters that win over the suite's.
    #[serde(default)]
    pub parameters: Parameters,
    /// The checks of its answers, the suite's defaults among them.
    #[serde(default, skip_serializing_if = "Asserts::is_empty")]
    pub asserts: Asserts,
    /// The weighted score from which an answer passes; absent: every assert must pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass_threshold: Option<f64>,
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The speaker.
    pub role: Role,
    /// The text; may be empty if an assistant only calls tools.
    pub content: String,
    /// Images in addition to the text; only in a user's turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// Calls of an assistant's turn that the suite declares.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<DeclaredCall>,
    /// Id of the call that a tool's turn answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// The prompt up to here may be cached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<CacheControl>,
}

impl Message {
    /// A turn of text alone.
    pub fn text(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            images: Vec::new(),
            tool_calls: Vec::new(),
            tool_call_id: None,
            cache_control: None,
        }
    }
}

/// An image of a user's turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Image {
    /// Fetched by the endpoint.
    Url(String),
    /// Sent along.
    Bytes {
        /// `image/png` and the like.
        media_type: String,
        /// The file, base64.
        base64: String,
    },
}

/// A tool call that a suite declares as made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredCall {
    /// Id to which the tool's turn refers.
    pub id: String,
    /// The function's name.
    pub name: String,
    /// The arguments, JSON as text.
    pub arguments: String,
}

/// A tool that the model may call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// The function's name.
    pub name: String,
    /// Description of the tool, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON schema of its arguments.
    pub parameters: Value,
}

/// The speaker of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
}

/// Request parameters; an absent one is not sent. Three levels are merged: the suite's, then the prompt's, then
/// the variant's (the last one that sets a key wins, key by key).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Parameters {
    /// Maximum number of tokens in the answer, reasoning included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Name under which `max_tokens` is sent; absent: the endpoint's and model's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens_name: Option<TokenLimitName>,
    /// Sampling temperature, 0 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling, above 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Vec<String>>,
    /// Seed of the model's sampling, where the endpoint honours one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Reasoning effort of a reasoning model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<ReasoningEffort>,
    /// Tools that the model may call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Tool>>,
    /// The form of the answer, as the chat route spells it (`json_schema` ...).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<Value>,
    /// Request to the gateway to mark prompts for caches; absent: not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caching: Option<Caching>,
    /// Cache mark of the system text, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_cache_control: Option<CacheControl>,
    /// Sent as `providerOptions`; merged key by key with the level below.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub provider_options: Map<String, Value>,
    /// Any other key of the request body; merged key by key with the level below.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

/// The two names of the token limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenLimitName {
    /// `max_tokens`, the older name, understood by most servers.
    MaxTokens,
    /// `max_completion_tokens`, required by the reasoning models of `OpenAI`.
    MaxCompletionTokens,
}

/// Reasoning effort of a reasoning model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // The words are the wire's own.
pub enum ReasoningEffort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
    Max,
}

impl TokenLimitName {
    /// Every name by its word.
    pub const WORDS: [(&'static str, Self); 2] = [
        ("max_tokens", Self::MaxTokens),
        ("max_completion_tokens", Self::MaxCompletionTokens),
    ];
}

impl ReasoningEffort {
    /// Every effort by its word.
    pub const WORDS: [(&'static str, Self); 7] = [
        ("none", Self::None),
        ("minimal", Self::Minimal),
        ("low", Self::Low),
        ("medium", Self::Medium),
        ("high", Self::High),
        ("xhigh", Self::Xhigh),
        ("max", Self::Max),
    ];
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

impl Prompt {
    /// Creates a prompt of these turns, with nothing else of its own.
    pub fn new(id: String, messages: Vec<Message>) -> Self {
        Self {
            id,
            system: None,
            messages,
            weight: 1.0,
            tags: Vec::new(),
            metadata: Map::new(),
            parameters: Parameters::default(),
            asserts: Asserts::default(),
            pass_threshold: None,
        }
    }
}

/// The prompts of a suite, which its copies share: a run, its manifest and its estimate hold the same ones. Changing a shared
/// list copies it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(from = "Vec<Prompt>")]
pub struct PromptList(Arc<Vec<Prompt>>);

impl From<Vec<Prompt>> for PromptList {
    fn from(mut prompts: Vec<Prompt>) -> Self {
        prompts.shrink_to_fit();
        Self(Arc::new(prompts))
    }
}

impl FromIterator<Prompt> for PromptList {
    fn from_iter<I: IntoIterator<Item = Prompt>>(prompts: I) -> Self {
        Vec::from_iter(prompts).into()
    }
}

impl Deref for PromptList {
    type Target = Vec<Prompt>;

    fn deref(&self) -> &Vec<Prompt> {
        &self.0
    }
}

impl DerefMut for PromptList {
    fn deref_mut(&mut self) -> &mut Vec<Prompt> {
        Arc::make_mut(&mut self.0)
    }
}

impl IntoIterator for PromptList {
    type Item = Prompt;
    type IntoIter = vec::IntoIter<Prompt>;

    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.0).into_iter()
    }
}

impl<'a> IntoIterator for &'a PromptList {
    type Item = &'a Prompt;
    type IntoIter = slice::Iter<'a, Prompt>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl Serialize for PromptList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_slice().serialize(serializer)
    }
}

impl Suite {
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
        let levels = [&variant.system, &prompt.system, &self.system];
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

impl Parameters {
    /// `self` laid over `below`: what `self` says wins, objects merge key by key at their top.
    #[must_use]
    pub fn over(&self, below: &Self) -> Self {
        let merged = |above: &Map<String, Value>, below: &Map<String, Value>| {
            let mut all = below.clone();
            all.extend(above.clone());
            all
        };
        Self {
            max_tokens: self.max_tokens.or(below.max_tokens),
            max_tokens_name: self.max_tokens_name.or(below.max_tokens_name),
            temperature: self.temperature.or(below.temperature),
            top_p: self.top_p.or(below.top_p),
            stop: self.stop.clone().or_else(|| below.stop.clone()),
            seed: self.seed.or(below.seed),
            reasoning_effort: self.reasoning_effort.or(below.reasoning_effort),
            tools: self.tools.clone().or_else(|| below.tools.clone()),
            response_format: self
                .response_format
                .clone()
                .or_else(|| below.response_format.clone()),
            caching: self.caching.or(below.caching),
            system_cache_control: self.system_cache_control.or(below.system_cache_control),
            provider_options: merged(&self.provider_options, &below.provider_options),
            extra: merged(&self.extra, &below.extra),
        }
    }
}
