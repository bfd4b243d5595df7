//! Names of the semantic conventions for generative AI.
//!
//! Owns both generations of names. Must not know what is measured. Current names are those of v0.1.0 of
//! `open-telemetry/semantic-conventions-genai`, status "development"; older ones those of 1.37.0 of the general conventions,
//! which most programs still send.

/// The generation of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GenAiNames {
    /// `gen_ai.client.inference.*`.
    #[default]
    Current,
    /// `gen_ai.client.operation.*` and `gen_ai.client.token.usage`.
    Old,
}

pub(super) const OPERATION: &str = "gen_ai.operation.name";
pub(super) const PROVIDER: &str = "gen_ai.provider.name";
pub(super) const REQUEST_MODEL: &str = "gen_ai.request.model";
pub(super) const REQUEST_STREAM: &str = "gen_ai.request.stream";
pub(super) const RESPONSE_MODEL: &str = "gen_ai.response.model";
pub(super) const RESPONSE_ID: &str = "gen_ai.response.id";
pub(super) const FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
pub(super) const SPAN_FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
pub(super) const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
pub(super) const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
pub(super) const CACHE_READ: &str = "gen_ai.usage.cache_read.input_tokens";
pub(super) const REASONING: &str = "gen_ai.usage.reasoning.output_tokens";
pub(super) const TOKEN_TYPE: &str = "gen_ai.token.type";
pub(super) const ERROR_TYPE: &str = "error.type";
pub(super) const SERVER_ADDRESS: &str = "server.address";
pub(super) const SERVER_PORT: &str = "server.port";
pub(super) const STATUS_CODE: &str = "http.response.status_code";

impl GenAiNames {
    /// The schema that the names belong to; the current ones have no published one.
    pub(super) const fn schema_url(self) -> &'static str {
        match self {
            Self::Current => "",
            Self::Old => "https://opentelemetry.io/schemas/1.37.0",
        }
    }

    /// The attribute for tokens written to a cache.
    pub(super) const fn cache_write(self) -> &'static str {
        match self {
            Self::Current => "gen_ai.usage.cache_write.input_tokens",
            Self::Old => "gen_ai.usage.cache_creation.input_tokens",
        }
    }

    /// The histogram of durations.
    pub(super) const fn duration(self) -> &'static str {
        match self {
            Self::Current => "gen_ai.client.inference.duration",
            Self::Old => "gen_ai.client.operation.duration",
        }
    }

    /// The histogram of times to the first chunk.
    pub(super) const fn first_chunk(self) -> &'static str {
        match self {
            Self::Current => "gen_ai.client.inference.time_to_first_chunk",
            Self::Old => "gen_ai.client.operation.time_to_first_chunk",
        }
    }
}
