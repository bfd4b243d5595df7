//! The schemas of suites and project files: one struct per table, one field per key.
//!
//! Owns the documentation of every key, its type and its default. Must not read anything: the reader does, with the place
//! of every problem, and a test holds its keys to these. Invariant: the schemas under `suites/` are made from these structs.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};

use crate::suite::model::cache::{CacheKind, CacheMode, CacheTtl, Caching};
use crate::suite::model::parameters::{ReasoningEffort, TokenLimitName};
use crate::suite::value::{defaults, limits};

mod assert;
mod draft;
mod gate;
mod load;
mod project;

pub use assert::{AssertTable, AssertType};
pub use gate::{
    GateLimitTable, GateLimitsTable, GateMetricsTable, GateTable, LimitBoundForm, OnExceededWord,
    OnInconclusiveWord, PointsBoundsTable, RatioBoundsTable, SharedShiftTable, TimeBoundsTable,
    WithinTable,
};

pub use draft::printed_schema;
pub use load::{LoadTable, SyntheticTable, TraceUnitWord};
pub use project::{
    BudgetTable, EndpointTable, LimitTable, PriceTable, ProjectFile, SurchargeTable,
};

use draft::schema_of;

/// A suite of bakeoff: prompts, the variants that are compared, and the settings of a run.
#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("anyOf" = [{ "required": ["prompts"] }, { "required": ["prompt_files"] }, { "required": ["synthetic"] }, { "required": ["load"] }])
)]
pub struct SuiteFile {
    /// Name of the suite and of its folder under `reports/`: letters, digits, `-`, `_` and `.`,
    /// beginning and ending with a letter or digit.
    #[schemars(length(min = 1, max = limits::NAME_CHARS), extend("pattern" = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"))]
    pub name: String,
    /// One sentence for the reader of the report.
    #[schemars(length(min = 1, max = limits::DESCRIPTION_CHARS))]
    pub description: Option<String>,
    /// The compared variants: ids of models, or tables that define a variant of one.
    #[schemars(length(min = 1, max = limits::VARIANTS))]
    pub models: Vec<ModelEntry>,
    /// Label of the variant in use today, which the others are compared with. Default: the first.
    pub reference: Option<String>,
    /// A profile (`sim`, `vercel`, `openrouter`, `openai`, or one of bakeoff.toml), or a base URL.
    #[schemars(extend("default" = defaults::ENDPOINT))]
    pub endpoint: Option<String>,
    /// Repetitions of each prompt for each variant.
    #[schemars(range(min = 1, max = limits::REPETITIONS), extend("default" = defaults::REPETITIONS))]
    pub repetitions: Option<u32>,
    /// Untimed requests per variant before the first round.
    #[schemars(range(min = 0, max = limits::WARMUP), extend("default" = defaults::WARMUP))]
    pub warmup: Option<u32>,
    /// Slots in flight at once; a slot is one request to every variant at the same moment.
    #[schemars(range(min = 1, max = limits::CONCURRENCY), extend("default" = defaults::CONCURRENCY))]
    pub concurrency: Option<u32>,
    /// Seed of every order: the same suite and seed give the same plan.
    #[schemars(range(min = 0, max = limits::SEED), extend("default" = defaults::SEED))]
    pub seed: Option<u64>,
    /// Streams answers; without streaming there is no time to first token.
    #[schemars(extend("default" = defaults::STREAM))]
    pub stream: Option<bool>,
    /// Stores the text of answers in `samples.jsonl`.
    #[schemars(extend("default" = defaults::KEEP_ANSWERS))]
    pub keep_answers: Option<bool>,
    /// The most attempts that one request may take, retries included.
    #[schemars(range(min = 1, max = limits::ATTEMPTS), extend("default" = defaults::MAX_ATTEMPTS))]
    pub max_attempts: Option<u32>,
    /// How long a model may fail before it is dropped and the other models finish, up to `"1h"`. Default: `"5m"`.
    pub patience: Option<String>,
    /// The most that a run may cost in USD, such as `"$0.50"`. Needs `max_tokens`. Default: no limit.
    pub max_cost: Option<Decimal>,
    /// Prompt caches: `as-is` leaves them alone, `bust` opens the system text of every trial with a
    /// number of its own, `warm` sends an untimed request before each trial, which is paid for.
    /// Default: `as-is`. Or a table, which also says what prompts share.
    pub cache: Option<CacheEntry>,
    /// System text of every prompt and variant that has none of its own.
    #[schemars(length(min = 1))]
    pub system: Option<String>,
    /// File that holds the system text, relative to the suite: for a long prefix that several share.
    #[schemars(length(min = 1, max = limits::PATH_CHARS))]
    pub system_file: Option<String>,
    /// Deadlines of one attempt.
    pub timeouts: Option<TimeoutsTable>,
    /// Rules by which a run passes or fails.
    pub gate: Option<GateTable>,
    /// The instants of requests, and the objectives of each. Default: the plan, `concurrency` slots at once.
    pub load: Option<LoadTable>,
    /// Request parameters of every prompt and variant; what is absent is not sent.
    pub parameters: Option<ParametersTable>,
    /// Asserts of every prompt.
    #[schemars(length(max = limits::ASSERTS))]
    pub assert: Option<Vec<AssertTable>>,
    /// Part of an answer that asserts of texts grade, where they state none: see `extract` of an assert.
    #[schemars(length(min = 1, max = limits::ASSERT_PATTERN_BYTES))]
    pub extract: Option<String>,
    /// Weighted score from which an answer passes. Default: every assert must pass.
    #[schemars(range(min = 0, max = 1))]
    pub pass_threshold: Option<f64>,
    /// The model that grades answers by the rubrics of `judge` asserts: an id, or a table as in `models`.
    pub judge: Option<ModelEntry>,
    /// The model whose embeddings `similar` asserts compare, such as `openai/text-embedding-3-small`.
    pub embedding_model: Option<String>,
    /// The prompts, each under its own `[[prompts]]`.
    #[schemars(length(min = 1, max = limits::PROMPTS))]
    pub prompts: Option<Vec<PromptTable>>,
    /// Files whose rows are prompts.
    #[schemars(length(min = 1, max = limits::PROMPT_FILES))]
    pub prompt_files: Option<Vec<PromptFileTable>>,
    /// Prompts of stated lengths, made of common words, each group under its own `[[synthetic]]`.
    #[schemars(length(min = 1, max = limits::SYNTHETIC_GROUPS))]
    pub synthetic: Option<Vec<SyntheticTable>>,
}

/// `cache`: a mode, or a table.
pub enum CacheEntry {
    /// The mode of prompt caching.
    Mode(CacheMode),
    /// The mode with the shared prefix and the span of its reuse.
    Table(CacheTable),
}

/// Prompt caching: the mode, the prefix that prompts share, and the span of its reuse.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CacheTable {
    /// `as-is`, `bust` or `warm`. Default: `as-is`.
    pub mode: Option<CacheMode>,
    /// With `warm`: trials are sent at most so long after the last use of what they share (the prefix, or
    /// else the prompt); only where it was longer, an untimed request goes before. Default: before each.
    pub within: Option<String>,
    /// A text in front of every system text. `system_cache_control` marks its end.
    #[schemars(length(min = 1))]
    pub prefix: Option<String>,
    /// File that holds the prefix, relative to the suite.
    #[schemars(length(min = 1, max = limits::PATH_CHARS))]
    pub prefix_file: Option<String>,
}

/// One of `models`: the id of a model, or a table.
pub enum ModelEntry {
    /// A plain id is a variant of that name.
    Id(String),
    /// A variant of a model.
    Table(Box<VariantTable>),
}

/// A variant: a model under a label, with its declared overrides.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct VariantTable {
    /// The id as the endpoint spells it, `creator/model` on gateways.
    #[schemars(length(min = 1, max = 200))]
    pub model: String,
    /// Name in reports. Default: the model's id.
    #[schemars(length(min = 1, max = limits::ID_CHARS))]
    pub label: Option<String>,
    /// Prompt caching mode that overrides the suite's.
    pub cache: Option<CacheMode>,
    /// System text that overrides the prompt's and the suite's.
    #[schemars(length(min = 1))]
    pub system: Option<String>,
    /// File that holds the system text, relative to the suite: for a long prefix that several share.
    #[schemars(length(min = 1, max = limits::PATH_CHARS))]
    pub system_file: Option<String>,
    /// Parameters that override the prompt's and the suite's. A list of values for `reasoning_effort`, `temperature`,
    /// `top_p` or `max_tokens` makes a variant of each, labelled `LABEL@VALUE`.
    pub parameters: Option<VariantParameters>,
}

/// One prompt: `user`, or `messages` for a conversation.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PromptTable {
    /// Unique in the suite: letters, digits, `-`, `_`, `.`, `/` and `:`.
    #[schemars(length(min = 1, max = limits::ID_CHARS))]
    pub id: String,
    /// The user's message: short for `messages` with one message.
    #[schemars(length(min = 1))]
    pub user: Option<String>,
    /// Images of the `user` message: paths of PNG, JPEG, WebP or GIF files, relative to the suite, or URLs.
    #[schemars(length(max = limits::IMAGES))]
    pub images: Option<Vec<String>>,
    /// The turns of a conversation; the last one is the user's or a tool's.
    #[schemars(length(min = 1, max = limits::MESSAGES))]
    pub messages: Option<Vec<MessageTable>>,
    /// System text that overrides the suite's.
    #[schemars(length(min = 1))]
    pub system: Option<String>,
    /// File that holds the system text, relative to the suite: for a long prefix that several share.
    #[schemars(length(min = 1, max = limits::PATH_CHARS))]
    pub system_file: Option<String>,
    /// Share of your traffic that looks like this prompt, relative to the other prompts.
    #[schemars(range(min = limits::WEIGHT_MIN, max = limits::WEIGHT_MAX), extend("default" = defaults::WEIGHT))]
    pub weight: Option<f64>,
    /// For selection by `--tag`, spelled as ids are.
    #[schemars(length(max = limits::TAGS))]
    pub tags: Option<Vec<String>>,
    /// Values of your own, copied to each sample and to `samples.csv`; they are not sent.
    pub metadata: Option<Map<String, Value>>,
    /// Parameters that override the suite's.
    pub parameters: Option<ParametersTable>,
    /// Asserts of its answers, after those of the suite; one with the `name` of one of these replaces it.
    #[schemars(length(max = limits::ASSERTS))]
    pub assert: Option<Vec<AssertTable>>,
    /// Part of an answer that asserts of texts grade, where they state none: see `extract` of an assert.
    #[schemars(length(min = 1, max = limits::ASSERT_PATTERN_BYTES))]
    pub extract: Option<String>,
    /// Weighted score from which an answer passes. Default: every assert must pass.
    #[schemars(range(min = 0, max = 1))]
    pub pass_threshold: Option<f64>,
}

/// Files whose rows are prompts that fill one template. `{{column}}` in `user`, `system`, `messages`, `images`,
/// `metadata` and `assert` stands for the row's value, `{{'{{'}}` for two braces.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PromptFileTable {
    /// A file, a folder, or a pattern such as `cases/*.txt`, relative to the suite.
    #[schemars(length(min = 1, max = limits::PATH_CHARS))]
    pub path: String,
    /// Format of the files. Default: by their names' extensions.
    pub format: Option<PromptFileFormat>,
    /// Column that holds the ids. Default: a text file's name without its extension; of other rows
    /// that and their line.
    #[schemars(length(min = 1, max = limits::ID_CHARS))]
    pub id: Option<String>,
    /// The user's message. Default for text files: the file's text, which is the column `text`.
    #[schemars(length(min = 1))]
    pub user: Option<String>,
    /// Images of the `user` message: paths relative to the suite, or URLs.
    #[schemars(length(max = limits::IMAGES))]
    pub images: Option<Vec<String>>,
    /// The turns of a conversation; the last one is the user's or a tool's.
    #[schemars(length(min = 1, max = limits::MESSAGES))]
    pub messages: Option<Vec<MessageTable>>,
    /// System text that overrides the suite's.
    #[schemars(length(min = 1))]
    pub system: Option<String>,
    /// File that holds the system text, relative to the suite; its braces are no places.
    #[schemars(length(min = 1, max = limits::PATH_CHARS))]
    pub system_file: Option<String>,
    /// Only so many of the rows, chosen by the suite's `seed` and their ids. Default: all.
    #[schemars(range(min = 1, max = limits::PROMPTS))]
    pub take: Option<usize>,
    /// Share of your traffic that looks like each of these prompts, relative to the others.
    #[schemars(range(min = limits::WEIGHT_MIN, max = limits::WEIGHT_MAX), extend("default" = defaults::WEIGHT))]
    pub weight: Option<f64>,
    /// For selection by `--tag`, spelled as ids are.
    #[schemars(length(max = limits::TAGS))]
    pub tags: Option<Vec<String>>,
    /// Values of your own, copied to each sample and to `samples.csv`; they are not sent.
    pub metadata: Option<Map<String, Value>>,
    /// Parameters that override the suite's.
    pub parameters: Option<ParametersTable>,
    /// Asserts of the answers, as of a prompt.
    #[schemars(length(max = limits::ASSERTS))]
    pub assert: Option<Vec<AssertTable>>,
    /// Part of an answer that asserts of texts grade, where they state none: see `extract` of an assert.
    #[schemars(length(min = 1, max = limits::ASSERT_PATTERN_BYTES))]
    pub extract: Option<String>,
    /// Weighted score from which an answer passes. Default: every assert must pass.
    #[schemars(range(min = 0, max = 1))]
    pub pass_threshold: Option<f64>,
}

/// The format of a file of prompts.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum PromptFileFormat {
    /// A JSON object on each line.
    Jsonl,
    /// A header line, then a record for each prompt.
    Csv,
    /// The whole file is one prompt's text.
    Text,
}

/// One turn of a conversation.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct MessageTable {
    /// The speaker. System text has its own key, `system`.
    pub role: Speaker,
    /// The text; may be omitted if there are `tool_calls`.
    #[schemars(length(min = 1))]
    pub content: Option<String>,
    /// Images of a user's turn: paths relative to the suite, or URLs.
    #[schemars(length(max = limits::IMAGES))]
    pub images: Option<Vec<String>>,
    /// Calls that an assistant's turn makes; each is answered by a tool's turn after it.
    #[schemars(length(max = limits::TOOLS))]
    pub tool_calls: Option<Vec<ToolCallTable>>,
    /// The `id` of the call that a tool's turn answers.
    #[schemars(length(min = 1, max = limits::ID_CHARS))]
    pub tool_call_id: Option<String>,
    /// Marks the turn: the prompt up to its end may be cached.
    pub cache_control: Option<CacheMark>,
}

/// A mark for prompt caches, as the wire spells it.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CacheControlTable {
    /// The kind of cache.
    #[schemars(rename = "type")]
    pub kind: CacheKind,
    /// Time to live in the cache. Default: the provider's, mostly five minutes.
    pub ttl: Option<CacheTtl>,
}

/// A call of a tool that the suite declares as made.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ToolCallTable {
    /// Id to which the tool's turn refers; unique in the prompt.
    #[schemars(length(min = 1, max = limits::ID_CHARS))]
    pub id: String,
    /// The tool's name.
    #[schemars(length(min = 1, max = limits::TOOL_NAME_CHARS), extend("pattern" = "^[A-Za-z0-9_-]+$"))]
    pub name: String,
    /// The arguments as a table, or as a text that holds a JSON object. Default: none.
    pub arguments: Option<TableOrText>,
}

/// A tool that the model may call.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ToolTable {
    /// The function's name.
    #[schemars(length(min = 1, max = limits::TOOL_NAME_CHARS), extend("pattern" = "^[A-Za-z0-9_-]+$"))]
    pub name: String,
    /// Description of the tool, for the model.
    #[schemars(length(min = 1))]
    pub description: Option<String>,
    /// JSON schema of its arguments. Default: an object without properties.
    pub parameters: Option<Map<String, Value>>,
}

/// The speaker in a conversation.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Speaker {
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
}

/// Request parameters; what is absent is not sent. A variant's win over a prompt's, and those over
/// the suite's, key by key.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ParametersTable {
    /// Maximum number of tokens in the answer, reasoning included.
    #[schemars(range(min = 1, max = limits::MAX_TOKENS))]
    pub max_tokens: Option<u64>,
    /// Name under which `max_tokens` is sent. Default: the one that the endpoint and model want.
    pub max_tokens_name: Option<TokenLimitName>,
    /// Sampling temperature.
    #[schemars(range(min = 0, max = 2))]
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub top_p: Option<f64>,
    /// A text, or several, that end the answer.
    pub stop: Option<OneOrMore>,
    /// Seed of the model's sampling, where the endpoint honours one.
    pub seed: Option<i64>,
    /// Reasoning effort of a reasoning model.
    pub reasoning_effort: Option<ReasoningEffort>,
    /// Tools that the model may call.
    #[schemars(length(max = limits::TOOLS))]
    pub tools: Option<Vec<ToolTable>>,
    /// The form of the answer as the request spells it, for instance `{ type = "json_object" }`.
    pub response_format: Option<Map<String, Value>>,
    /// Request to the Vercel AI Gateway to mark prompts for the caches of those providers that need marks: sent
    /// as `providerOptions.gateway.caching`.
    pub caching: Option<Caching>,
    /// Marks the system text, of whichever level it is, so that it may be cached.
    pub system_cache_control: Option<CacheMark>,
    /// Sent as `providerOptions`, for instance `{ gateway = { only = ["azure"] } }`.
    pub provider_options: Option<Map<String, Value>>,
    /// The same under the name that the request has.
    #[schemars(rename = "providerOptions")]
    pub provider_options_alias: Option<Map<String, Value>>,
    /// Any other key of the request's body, sent as it is.
    pub extra: Option<Map<String, Value>>,
}

/// Deadlines of one attempt as texts such as `"250ms"`, `"1.5s"` or `"2m"`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TimeoutsTable {
    /// To open a connection: name look-up, TCP, TLS.
    #[schemars(extend("default" = defaults::TIMEOUT_CONNECT))]
    pub connect: Option<String>,
    /// From sending the request to the answer's headers.
    #[schemars(extend("default" = defaults::TIMEOUT_HEADERS))]
    pub headers: Option<String>,
    /// Between two pieces of the answer.
    #[schemars(extend("default" = defaults::TIMEOUT_GAP))]
    pub gap: Option<String>,
    /// From sending the request to the end of the answer.
    #[schemars(extend("default" = defaults::TIMEOUT_TOTAL))]
    pub total: Option<String>,
}

/// A string or an array of strings.
pub struct OneOrMore;

/// A table, or a text that holds a JSON object.
pub struct TableOrText;

/// `"ephemeral"`, or a table.
pub struct CacheMark;

/// The parameters of a variant: as [`ParametersTable`], some of them also as lists.
pub struct VariantParameters;

/// Parameters whose values may be listed.
pub(super) const LISTED: [&str; 4] = ["reasoning_effort", "temperature", "top_p", "max_tokens"];

/// A number, or a text that holds one; both are taken digit by digit.
pub struct Decimal;

impl JsonSchema for ModelEntry {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ModelEntry".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<VariantTable>();
        json_schema!({ "anyOf": [{ "type": "string", "minLength": 1, "maxLength": 200 }, table] })
    }
}

impl JsonSchema for OneOrMore {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OneOrMore".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let text = json_schema!({ "type": "string", "minLength": 1 });
        json_schema!({ "anyOf": [text, { "type": "array", "items": text }] })
    }
}

impl JsonSchema for VariantParameters {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "VariantParametersTable".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = ParametersTable::json_schema(generator);
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        let properties = properties.expect("a table has properties");
        for key in LISTED {
            let one = &mut properties[key];
            let description = one
                .as_object_mut()
                .and_then(|one| one.remove("description"));
            let several = json_schema!({ "type": "array", "minItems": 1, "items": one.clone() });
            *one =
                serde_json::json!({ "anyOf": [one.take(), several], "description": description });
        }
        schema
    }
}

impl JsonSchema for TableOrText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TableOrText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "object" }, { "type": "string", "minLength": 1 }] })
    }
}

impl JsonSchema for CacheEntry {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CacheEntry".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mode = generator.subschema_for::<CacheMode>();
        let table = generator.subschema_for::<CacheTable>();
        json_schema!({ "anyOf": [mode, table] })
    }
}

impl JsonSchema for CacheMark {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CacheMark".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kind = generator.subschema_for::<CacheKind>();
        let table = generator.subschema_for::<CacheControlTable>();
        json_schema!({ "anyOf": [kind, table] })
    }
}

impl JsonSchema for Decimal {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Decimal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "number", "minimum": 0 }, { "type": "string" }] })
    }
}

/// The text of the JSON schema of a suite file, as it is committed.
pub const SUITE_SCHEMA: &str = include_str!("../../../suites/suite.schema.json");

/// The JSON schema of a suite file, generated from the types: the content of `suites/suite.schema.json`.
pub fn suite_schema() -> Value {
    schema_of::<SuiteFile>("A suite of bakeoff")
}

/// The JSON schema of `bakeoff.toml`, generated from the types: the content of `suites/bakeoff.schema.json`.
pub fn project_schema() -> Value {
    schema_of::<ProjectFile>("bakeoff.toml")
}

/// Keys with another meaning in the table to which they belong: no hint is given for them.
const AMBIGUOUS: [&str; 4] = ["name", "id", "description", "system"];

/// The place in a suite file of each key, for those that stand elsewhere.
static HOMES: LazyLock<BTreeMap<String, &'static str>> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(SUITE_SCHEMA).expect("the committed schema is JSON");
    let mut homes = BTreeMap::new();
    // The first home that claims a key keeps it: `seed` is the suite's before it is a parameter.
    for (pointer, home) in [
        ("", "at the top of the file, above the first `[table]`"),
        ("/definitions/ParametersTable", "in `parameters`"),
        ("/definitions/PromptTable", "in one of `[[prompts]]`"),
        ("/definitions/CacheTable", "in `cache`"),
    ] {
        let table = schema.pointer(pointer);
        let keys = table.and_then(|table| table.get("properties")?.as_object());
        let keys = keys.into_iter().flat_map(Map::keys);
        for key in keys.filter(|key| !AMBIGUOUS.contains(&key.as_str())) {
            homes.entry(key.clone()).or_insert(home);
        }
    }
    homes
});

/// Returns the place of `key` in a suite file, if it is one of its keys.
pub(super) fn suite_home(key: &str) -> Option<&'static str> {
    HOMES.get(key).copied()
}
