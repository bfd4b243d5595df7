//! Default values of suite keys, in one place.
//!
//! Owns the values. The reader executes them and the JSON schema documents them, both from here.
//! Must not know either. Invariant: durations are valid texts (a test reads them).

/// Default profile: the embedded simulator, which needs neither key nor network.
pub const ENDPOINT: &str = "sim";
/// Repetitions of each prompt.
pub const REPETITIONS: u32 = 5;
/// Untimed requests per variant.
pub const WARMUP: u32 = 1;
/// Slots in flight.
pub const CONCURRENCY: u32 = 4;
/// Seed of every order.
pub const SEED: u64 = 1;
/// Streams answers.
pub const STREAM: bool = true;
/// Stores the text of answers.
pub const KEEP_ANSWERS: bool = true;
/// Attempts of one trial.
pub const MAX_ATTEMPTS: u32 = 3;
/// Time for which a model may fail before it is dropped.
pub const PATIENCE: &str = "5m";
/// Prompts of a group of synthetic ones.
pub const SYNTHETIC_PROMPTS: u32 = 100;
/// Length of a stage of a load.
pub const LOAD_DURATION: &str = "1m";
/// Deadline to open a connection.
pub const TIMEOUT_CONNECT: &str = "10s";
/// Deadline from sending to the headers: reasoning models and queues may keep us waiting here.
pub const TIMEOUT_HEADERS: &str = "120s";
/// Deadline between two reads of the body.
pub const TIMEOUT_GAP: &str = "60s";
/// Deadline of a whole attempt.
pub const TIMEOUT_TOTAL: &str = "10m";
/// A prompt's share of the traffic.
pub const WEIGHT: f64 = 1.0;
/// Most edits between an answer and the text of `levenshtein`.
pub const EDITS: u64 = 5;
/// Least score of `rouge-n`.
pub const ROUGE: f64 = 0.75;
/// Least score of `judge`.
pub const JUDGE: f64 = 0.5;
/// Least similarity of `similar`.
pub const SIMILAR: f64 = 0.75;
/// Least score of `exec`.
pub const EXEC: f64 = 1.0;
/// The time after which `exec` is stopped.
pub const EXEC_TIMEOUT: &str = "10s";
/// Least score of `bleu`.
pub const BLEU: f64 = 0.5;
