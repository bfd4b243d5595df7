//! Every limit on what a suite or project file may hold, each with its reason.
//!
//! Owns the numbers. Must not know how they are checked: the reader and the JSON schema both take
//! them from here. Invariant: nothing that is read from a file is without a limit.

/// Bytes of a suite file. A million short prompts fit; a file given by mistake does not.
pub const SUITE_BYTES: usize = 16 << 20;
/// Bytes of `bakeoff.toml`: thousands of prices fit.
pub const PROJECT_BYTES: usize = 1 << 20;
/// Bytes up to which all syntax errors of a broken file are reported. The parser stores each in memory, so that
/// only the first is reported for a larger file.
pub const RECOVERED_BYTES: usize = 1 << 20;
/// Times that a broken file is parsed again without the line that the parser stopped at.
pub const REPARSED: usize = 20;
/// Problems that are stored and shown; the others are only counted.
pub const PROBLEMS: usize = 100;

/// Characters of a suite's name: it names folders, whose names end at 255 bytes.
pub const NAME_CHARS: usize = 60;
/// Characters of the description: it is one sentence of a report.
pub const DESCRIPTION_CHARS: usize = 1_000;
/// Characters of a prompt's id, a tag or a label: they are cells of tables.
pub const ID_CHARS: usize = 100;
/// Variants: each is a request in flight for every slot, and a row that a person compares.
pub const VARIANTS: usize = 64;
/// Repetitions: beyond this no interval gets noticeably narrower.
pub const REPETITIONS: u32 = 10_000;
/// Untimed requests per variant: they cost money and measure nothing.
pub const WARMUP: u32 = 100;
/// Slots in flight: with 64 variants this is already more sockets than most systems allow.
pub const CONCURRENCY: u32 = 16_384;
/// Attempts of one trial: a server that fails this often is reported as failing.
pub const ATTEMPTS: u32 = 10;
/// Greatest seed: TOML promises no larger whole numbers.
pub const SEED: u64 = i64::MAX as u64;
/// Longest deadline in nanoseconds, one hour: the histograms of times end there.
pub const TIMEOUT_NS: u64 = 3_600_000_000_000;

/// Prompts of a suite: they are held in memory.
pub const PROMPTS: usize = 1_000_000;
/// Bytes of one prompt, all its messages and its system text together: more than any context.
pub const PROMPT_BYTES: usize = 8 << 20;
/// Messages of one prompt.
pub const MESSAGES: usize = 10_000;
/// `[[prompt_files]]` of a suite.
pub const PROMPT_FILES: usize = 1_000;
/// Characters of a file's path; systems take no longer ones.
pub const PATH_CHARS: usize = 4_096;
/// Bytes of one file of prompts: 100,000 of 2 KiB fit.
pub const PROMPT_FILE_BYTES: usize = 256 << 20;
/// Files that one path may name: each is opened and held in memory.
pub const FOUND_FILES: usize = 100_000;
/// Bytes of all files that a suite names, and of all its prompts after templates are filled and
/// images encoded: both are held in memory.
pub const PROMPTS_BYTES: usize = 1 << 30;
/// Columns of a CSV file of prompts.
pub const COLUMNS: usize = 1_000;
/// Bytes of one image's file; endpoints refuse larger ones.
pub const IMAGE_BYTES: usize = 20 << 20;
/// Bytes of an image's URL; servers refuse longer ones.
pub const IMAGE_URL_BYTES: usize = 8_192;
/// Images of one message; endpoints allow fewer and say so.
pub const IMAGES: usize = 100;
/// Tools of a request, and calls of one turn: what endpoints allow.
pub const TOOLS: usize = 128;
/// Characters of a tool's name: what endpoints allow.
pub const TOOL_NAME_CHARS: usize = 64;
/// Tags of one prompt.
pub const TAGS: usize = 64;
/// Least weight; the range keeps sums and ratios of weights exact enough.
pub const WEIGHT_MIN: f64 = 1e-9;
/// Greatest weight.
pub const WEIGHT_MAX: f64 = 1e9;

/// The token limit of one answer: above every model's, below any mistyped one.
pub const MAX_TOKENS: u64 = 10_000_000;
/// Stop texts; endpoints allow fewer (most of them 4) and say so.
pub const STOPS: usize = 64;
/// Bytes of one stop text.
pub const STOP_BYTES: usize = 1_000;
/// Tables within tables under `provider_options` and `extra`: our own recursion ends there.
pub const JSON_DEPTH: usize = 32;

/// Greatest sum in USD that a cap or a threshold can name.
pub const SUM_USD: u32 = 1_000_000;
/// Endpoints of a project.
pub const ENDPOINTS: usize = 1_000;
/// Bytes of a base URL; servers refuse longer ones.
pub const URL_BYTES: usize = 2_000;
/// Variables that may hold one endpoint's key.
pub const KEY_VARIABLES: usize = 16;
/// Further headers of an endpoint; servers refuse more.
pub const HEADERS: usize = 64;
/// Bytes of one header's value; servers refuse longer ones.
pub const HEADER_BYTES: usize = 4_096;
/// Declared prices of an endpoint.
pub const PRICES: usize = 10_000;
/// Maximum price of a million tokens in USD: a thousand times the most expensive model's today.
pub const PRICE_USD_PER_MTOK: u64 = 1_000_000;
/// Declared surcharges of an endpoint.
pub const SURCHARGES: usize = 1_000;
/// Maximum surcharge of one request in USD: a thousand times the most expensive search.
pub const SURCHARGE_USD: u32 = 1_000;
/// Limits of single models of an endpoint.
pub const MODEL_LIMITS: usize = 1_000;
/// Requests a minute of an endpoint.
pub const REQUESTS_PER_MINUTE: u32 = 10_000_000;
/// Tokens a minute of an endpoint.
pub const TOKENS_PER_MINUTE: u64 = 1_000_000_000_000;

/// `[[synthetic]]` of a suite.
pub const SYNTHETIC_GROUPS: usize = 100;
/// Prompts of one group.
pub const SYNTHETIC_PROMPTS: u32 = 1_000_000;
/// Fewest tokens of a synthetic prompt: its request alone has twelve.
pub const INPUT_TOKENS_MIN: u32 = 16;
/// Most tokens of a synthetic prompt: the longest contexts.
pub const INPUT_TOKENS: u32 = 800_000;
/// Requests a second of a load: more than one machine can send.
pub const LOAD_RATE: f64 = 100_000.0;
/// Requests of one stage of a load to each model: their samples fill a disk.
pub const LOAD_REQUESTS: u64 = 100_000_000;
/// Stages of a load.
pub const LOAD_STAGES: usize = 1_000;
/// Longest stage of a load in nanoseconds, a day.
pub const LOAD_STAGE_NS: u64 = 86_400_000_000_000;
/// Objectives of a load.
pub const SLOS: usize = 16;

/// Greatest error rate of a gate: beyond a coin's nothing is decided.
pub const ALPHA_MAX: f64 = 0.5;
/// Greatest tolerance and margin of a ratio, a share of 1: ten times more.
pub const RATIO_BOUND_MAX: f64 = 10.0;
/// Greatest amount of a limit in USD.
pub const AMOUNT_USD: i128 = 1_000_000;
/// Greatest bound of a number of trials.
pub const LIMIT_TRIALS_MAX: u32 = 1_000_000_000;

/// Bytes of one selection pattern: patterns are compiled.
pub const PATTERN_BYTES: usize = 512;
/// Groups `{...}` of one pattern: each may hold another, and the compiler recurses into them.
pub const GLOB_GROUPS: usize = 16;
/// Alternatives in all groups of one pattern.
pub const GLOB_ALTERNATIVES: usize = 100;

/// Bytes of a prompt's `metadata` as JSON: each of its samples has them.
pub const METADATA_BYTES: usize = 4_096;

/// Bytes of a file that is imported: what is made of it must pass [`SUITE_BYTES`].
pub const IMPORT_BYTES: usize = 64 << 20;
/// Nodes of a YAML file: its aliases may repeat what they name.
pub const YAML_NODES: usize = 1_000_000;
/// Collections within collections of a YAML file: our own recursion ends there.
pub const YAML_DEPTH: usize = 64;
/// Prompts that lists of values may multiply one test to.
pub const PRODUCT: usize = 10_000;

/// Asserts of one prompt, defaults included: each is a row of every answer's grades.
pub const ASSERTS: usize = 100;
/// Bytes of an assert's text value.
pub const ASSERT_VALUE_BYTES: usize = 1 << 20;
/// Values in a list of an assert.
pub const ASSERT_VALUES: usize = 1_000;
/// Bytes of an assert's pattern.
pub const ASSERT_PATTERN_BYTES: usize = 10_000;
/// Bytes of a compiled pattern: dozens of repetitions of Unicode classes fit.
pub const ASSERT_PATTERN_SIZE: usize = 2 << 20;
/// Groups within groups of a pattern.
pub const ASSERT_PATTERN_DEPTH: u32 = 100;
/// Bytes of a schema's file.
pub const ASSERT_SCHEMA_BYTES: usize = 1 << 20;
/// Values within a schema: each is compiled and held in memory.
pub const ASSERT_SCHEMA_NODES: usize = 20_000;
/// Subschemas that may apply to one value of an answer, through references and alternatives.
pub const ASSERT_SCHEMA_FAN_OUT: u64 = 10_000;
/// Subschemas times values of an answer that are checked: a second's work at most.
pub const ASSERT_SCHEMA_WORK: u64 = 50_000_000;
/// Size of an n-gram.
pub const ASSERT_NGRAM: usize = 10;
