//! Tokens of a prompt before it is sent: a count where the vocabulary is known, a bound always.
//!
//! Owns which vocabulary a model's maker uses, and what a conversation costs beside its texts. Must not
//! know prices. Invariant: the bound is never below what a byte-level tokenizer makes of the request.

use std::collections::HashMap;
use std::marker::PhantomData;

use crate::suite::{Image, Message, Tool};
use crate::units::ModelId;

/// Tokens that a chat format adds to each message: its beginning, its speaker, its end.
const PER_MESSAGE: u64 = 3;
/// Tokens that it adds once, for the answer to begin.
const PER_REQUEST: u64 = 3;
/// The same in a bound: no known chat format needs as many for a message.
const PER_MESSAGE_AT_MOST: u64 = 16;
/// Tokens that tools add in a bound beside their own text: makers tell of up to 530 (Anthropic's system
/// text for tools).
const FOR_TOOLS_AT_MOST: u64 = 1_024;
/// Tokens that each tool adds in a bound beside its own text.
const PER_TOOL_AT_MOST: u64 = 64;
/// Tokens of an image that nobody declared: the price of a medium one at several makers.
const PER_IMAGE: u64 = 800;

/// How a prompt was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenEstimate {
    /// Prompt tokens.
    pub tokens: u64,
    /// Whether the model's own vocabulary was used; else it is that of another maker, and off by up to
    /// a third until past runs have taught the difference.
    pub own_vocabulary: bool,
}

/// A vocabulary that is compiled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Vocabulary {
    /// 100,000 entries, of the years before 2024.
    Cl100k,
    /// 200,000 entries.
    O200k,
}

impl Vocabulary {
    /// Of this model, and whether it is its own. Ids are `creator/model`, or a bare model.
    fn of(model: &ModelId) -> (Self, bool) {
        let id = model.as_str();
        let (creator, name) = id.rsplit_once('/').unwrap_or(("", id));
        let old = ["gpt-4-", "gpt-3.5"].iter().any(|p| name.starts_with(p)) || name == "gpt-4";
        let known = ["gpt-", "o1", "o3", "o4", "chatgpt"];
        let own = matches!(creator, "openai" | "") && known.iter().any(|p| name.starts_with(p));
        (if old { Self::Cl100k } else { Self::O200k }, own)
    }

    fn count(self, text: &str) -> u64 {
        let vocabulary = match self {
            Self::Cl100k => bpe_openai::cl100k_base(),
            Self::O200k => bpe_openai::o200k_base(),
        };
        vocabulary.count(text) as u64
    }
}

/// Counts conversations, each of their texts once for a vocabulary: a thousand prompts for twenty models
/// are two thousand countings, not twenty thousand.
#[derive(Debug, Default)]
pub struct Counter<'s> {
    /// By the place of the text in memory, which stays as it is while it is borrowed.
    counted: HashMap<(Vocabulary, *const u8, usize), u64>,
    texts: PhantomData<&'s str>,
}

impl<'s> Counter<'s> {
    /// Prompt tokens of a conversation with its tools. An image counts as a medium one.
    pub fn prompt_tokens(
        &mut self,
        model: &ModelId,
        system: impl IntoIterator<Item = &'s str>,
        messages: &'s [Message],
        tools: &'s [Tool],
    ) -> TokenEstimate {
        let (vocabulary, own_vocabulary) = Vocabulary::of(model);
        let mut tokens = PER_REQUEST;
        for system in system {
            tokens += PER_MESSAGE + self.text(vocabulary, system);
        }
        for message in messages {
            tokens += PER_MESSAGE + self.text(vocabulary, &message.content);
            tokens += message.images.len() as u64 * PER_IMAGE;
            for call in &message.tool_calls {
                tokens += self.text(vocabulary, &call.name);
                tokens += self.text(vocabulary, &call.arguments);
            }
        }
        for tool in tools {
            tokens += self.tool(vocabulary, tool);
        }
        TokenEstimate {
            tokens,
            own_vocabulary,
        }
    }

    fn text(&mut self, vocabulary: Vocabulary, text: &'s str) -> u64 {
        if text.is_empty() {
            return 0;
        }
        let key = (vocabulary, text.as_ptr(), text.len());
        let count = || vocabulary.count(text);
        *self.counted.entry(key).or_insert_with(count)
    }

    fn tool(&mut self, vocabulary: Vocabulary, tool: &'s Tool) -> u64 {
        // No text is empty here: a key of length 0 is a tool's.
        let key = (vocabulary, std::ptr::from_ref(tool).cast::<u8>(), 0);
        let count = || {
            let description = tool.description.as_deref().unwrap_or_default();
            vocabulary.count(&tool.name)
                + vocabulary.count(description)
                + vocabulary.count(&tool.parameters.to_string())
        };
        *self.counted.entry(key).or_insert_with(count)
    }
}

/// Counts a conversation with its tools. An image counts as a medium one.
pub fn prompt_tokens(model: &ModelId, messages: &[Message], tools: &[Tool]) -> TokenEstimate {
    Counter::default().prompt_tokens(model, None, messages, tools)
}

/// The most prompt tokens that the text of a request of `body_bytes` bytes can have: a byte-level
/// tokenizer makes at most one token of a byte, a chat format adds less than 16 to a message, and tools
/// have an allowance. Without images: they are paid by their size in pixels, which bytes do not bound.
pub fn text_tokens_at_most(body_bytes: u64, messages: &[Message], tools: usize) -> u64 {
    let images = messages.iter().flat_map(|message| &message.images);
    let base64 = images.map(|image| match image {
        Image::Bytes { base64, .. } => base64.len() as u64,
        Image::Url(_) => 0,
    });
    let for_tools = match tools as u64 {
        0 => 0,
        tools => FOR_TOOLS_AT_MOST + PER_TOOL_AT_MOST * tools,
    };
    body_bytes.saturating_sub(base64.sum())
        + PER_MESSAGE_AT_MOST * (messages.len() as u64 + 1)
        + for_tools
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::suite::Role;

    fn of(model: &str, text: &str) -> TokenEstimate {
        let messages = [Message::text(Role::User, text)];
        prompt_tokens(&model.parse().unwrap(), &messages, &[])
    }

    #[test]
    fn the_models_own_vocabulary_is_used_where_it_is_known() {
        // Makers cut text differently: whoever reads an estimate must know whose scissors were used.
        for (model, own) in [
            ("openai/gpt-5-mini", true),
            ("gpt-4-turbo", true),
            ("openai/o3", true),
            ("anthropic/claude-haiku-4.5", false),
            ("mistral/open-mistral", false),
        ] {
            assert_eq!(of(model, "hello").own_vocabulary, own, "{model}");
        }
        // Four words that both vocabularies know, and what the format adds.
        let four = "hello world hello world";
        assert_eq!(of("openai/gpt-5-mini", four).tokens, 4 + 3 + 3);
        assert_eq!(of("gpt-3.5-turbo", four).tokens, 4 + 3 + 3);
    }

    proptest! {
        // A cap stands on the bound: no text may count for more than it.
        #[test]
        fn a_count_is_never_above_the_bound(text in "\\PC{0,200}") {
            let message = Message::text(Role::User, text);
            let request_bytes = serde_json::to_vec(&message.content).unwrap().len() as u64;
            let messages = [message];
            let bound = text_tokens_at_most(request_bytes, &messages, 0);
            for model in ["openai/gpt-5", "gpt-4-turbo"] {
                let counted = prompt_tokens(&model.parse().unwrap(), &messages, &[]);
                prop_assert!(counted.tokens <= bound);
            }
        }
    }
}
