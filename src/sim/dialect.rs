//! The dialects of answers: the servers that the simulator can imitate.
//!
//! Owns the closed list of dialects, their names and their properties (the field of reasoning, the position of
//! usage, the base path). Must not know answers, JSON or sockets. Invariant: a dialect changes the form of an
//! answer, never its content nor its number of tokens.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use strum::VariantArray as _;

/// A server that the simulator imitates.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub enum Dialect {
    /// The Vercel AI Gateway.
    #[default]
    Vercel,
    /// `OpenRouter`.
    OpenRouter,
    /// `OpenAI` itself.
    OpenAi,
    /// The `LiteLLM` proxy.
    LiteLlm,
    /// vLLM's own server.
    Vllm,
    /// llama.cpp's own server.
    LlamaCpp,
    /// Ollama.
    Ollama,
    /// Groq.
    Groq,
    /// `DeepSeek`.
    DeepSeek,
    /// Mistral.
    Mistral,
    /// Azure.
    Azure,
    /// Anthropic itself: its own events, model list and errors.
    Anthropic,
}

/// The field in which a server shows reasoning in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkingField {
    /// `reasoning`, and `reasoning_details`.
    Detailed,
    /// `reasoning`.
    Reasoning,
    /// `reasoning_content`.
    ReasoningContent,
    /// A part of `content`.
    Part,
    /// None.
    Absent,
}

/// The position of the usage in a streamed chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsagePosition {
    /// In the finish chunk, always.
    Finish,
    /// In a chunk after the finish, always.
    After,
    /// In a chunk after the finish, if requested.
    AfterOnRequest,
}

/// A string that names no dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a dialect; there are {names}", names = Dialect::names())]
pub struct UnknownDialect(String);

impl Dialect {
    /// Every dialect, in the order of the documentation.
    pub const ALL: [Self; Self::VARIANTS.len()] = *Self::VARIANTS.first_chunk().expect("as many");

    /// Returns its name in scenarios and in model ids.
    pub fn name(self) -> &'static str {
        self.into()
    }

    fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// Returns the path under which the vendor serves its routes; empty: the root.
    pub const fn base_path(self) -> &'static str {
        match self {
            Self::OpenRouter => "/api/v1",
            Self::Groq | Self::Azure => "/openai/v1",
            Self::DeepSeek => "",
            _ => "/v1",
        }
    }

    /// Returns the field in which a chat shows reasoning.
    pub const fn thinking_field(self) -> ThinkingField {
        match self {
            Self::Vercel | Self::OpenRouter => ThinkingField::Detailed,
            Self::Vllm | Self::Ollama | Self::Groq => ThinkingField::Reasoning,
            Self::LiteLlm | Self::LlamaCpp | Self::DeepSeek => ThinkingField::ReasoningContent,
            Self::Mistral => ThinkingField::Part,
            Self::OpenAi | Self::Azure | Self::Anthropic => ThinkingField::Absent,
        }
    }

    /// Returns the position of the usage in a streamed chat.
    pub const fn usage_position(self) -> UsagePosition {
        match self {
            Self::Vercel | Self::Mistral | Self::DeepSeek | Self::Groq => UsagePosition::Finish,
            Self::OpenRouter => UsagePosition::After,
            _ => UsagePosition::AfterOnRequest,
        }
    }

    /// Returns true if encrypted reasoning is sent at all.
    pub const fn shows_encrypted(self) -> bool {
        matches!(self, Self::Vercel | Self::OpenRouter)
    }

    /// Returns true if a key may come in the header `api-key`.
    pub const fn accepts_api_key_header(self) -> bool {
        matches!(self, Self::Azure)
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Self, UnknownDialect> {
        let found = Self::ALL.into_iter().find(|dialect| dialect.name() == name);
        found.ok_or_else(|| UnknownDialect(name.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Dialect {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}
