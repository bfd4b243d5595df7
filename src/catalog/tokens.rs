//! Prompt tokens of a request before it is sent: a count if the vocabulary is known, an upper bound always.
//!
//! Owns the vocabulary of each maker, and the overhead of a conversation. Must not
//! know prices. Invariant: the bound is never below the count of a byte-level tokenizer for the request.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::OnceLock;

use tiktoken::CoreBpe;
use tiktoken::encoding::{cl100k_base, o200k_base};

use crate::suite::{Image, Message, Tool};
use crate::units::ModelId;

/// Tokens that a chat format adds to each message: its beginning, its speaker, its end.
const PER_MESSAGE: u64 = 3;
/// Tokens that it adds once, for the answer to begin.
const PER_REQUEST: u64 = 3;
/// Tokens per message in the bound: no known chat format needs as many.
const MAX_PER_MESSAGE: u64 = 16;
/// Tokens that tools add in the bound, in addition to their own text: makers document up to 530 (Anthropic's system
/// text for tools).
const MAX_FOR_TOOLS: u64 = 1_024;
/// Tokens that each tool adds in the bound, in addition to its own text.
const MAX_PER_TOOL: u64 = 64;
/// Tokens of an image without a declared price: those of a medium one at several makers.
const PER_IMAGE: u64 = 800;

/// Bytes of a text whose tokens are counted at once: the merges of one long run of letters or spaces take more than
/// linear time.
const WINDOW: usize = 64 * 1024;

/// An estimated number of prompt tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenEstimate {
    /// Prompt tokens.
    pub tokens: u64,
    /// True if the model's own vocabulary was used; otherwise the count may be off by up to a
    /// third until past runs correct it.
    pub own_vocabulary: bool,
}

/// A compiled-in vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Vocabulary {
    /// 100,000 entries, of the years before 2024.
    Cl100k,
    /// 200,000 entries.
    O200k,
}

impl Vocabulary {
    /// Selects the vocabulary for a model, and returns true if it is its own. Ids are `creator/model`, or a bare model.
    fn from_model(model: &ModelId) -> (Self, bool) {
        let id = model.as_str();
        let (creator, name) = id.rsplit_once('/').unwrap_or(("", id));
        let old = ["gpt-4-", "gpt-3.5", "gpt-35"]
            .iter()
            .any(|p| name.starts_with(p))
            || name == "gpt-4";
        let known = ["gpt-", "o1", "o3", "o4", "chatgpt"];
        let own = matches!(creator, "openai" | "") && known.iter().any(|p| name.starts_with(p));
        (if old { Self::Cl100k } else { Self::O200k }, own)
    }
}

/// The vocabularies that were needed so far: each takes 24 MB until this is dropped.
#[derive(Default)]
pub struct Vocabularies {
    cl100k: OnceLock<CoreBpe>,
    o200k: OnceLock<CoreBpe>,
}

impl Vocabularies {
    /// Returns true if none was needed so far.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.cl100k.get().is_none() && self.o200k.get().is_none()
    }

    fn get(&self, vocabulary: Vocabulary) -> &CoreBpe {
        match vocabulary {
            Vocabulary::Cl100k => self.cl100k.get_or_init(cl100k_base),
            Vocabulary::O200k => self.o200k.get_or_init(o200k_base),
        }
    }

    /// Returns the tokens of a text. One of more than [`WINDOW`] bytes is counted piece by piece, which takes time in
    /// proportion to its length whatever it holds, and can find a token or two more for each piece.
    fn count(&self, vocabulary: Vocabulary, text: &str) -> u64 {
        let encoding = self.get(vocabulary);
        windows(text).map(|text| encoding.count(text) as u64).sum()
    }
}

/// The pieces of a text in which tokens are counted: at most [`WINDOW`] bytes each, cut before a space between two
/// letters where there is one, because no token of either vocabulary reaches over such a place.
fn windows(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (window, after) = rest.split_at(window_end(rest));
        rest = after;
        Some(window)
    })
}

fn window_end(text: &str) -> usize {
    if text.len() <= WINDOW {
        return text.len();
    }
    let between_words = |three: &[u8]| matches!(three, [a, b' ', b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic());
    let bytes = &text.as_bytes()[..WINDOW];
    match bytes.windows(3).rposition(between_words) {
        Some(place) => place + 1,
        None => text.floor_char_boundary(WINDOW),
    }
}

/// Counts the tokens of conversations, each text once per vocabulary: a thousand prompts for twenty models
/// are counted two thousand times, not twenty thousand.
pub struct TokenCounter<'v, 's> {
    vocabularies: &'v Vocabularies,
    /// Keyed by the address of the text, which stays valid while it is borrowed.
    counts: HashMap<(Vocabulary, *const u8, usize), u64>,
    texts: PhantomData<&'s str>,
}

impl<'v, 's> TokenCounter<'v, 's> {
    /// A counter that has counted nothing.
    pub fn new(vocabularies: &'v Vocabularies) -> Self {
        Self {
            vocabularies,
            counts: HashMap::new(),
            texts: PhantomData,
        }
    }

    /// Counts the prompt tokens of a conversation with its tools. An image counts as a medium one.
    pub fn prompt_tokens(
        &mut self,
        model: &ModelId,
        system: impl IntoIterator<Item = &'s str>,
        messages: &'s [Message],
        tools: &'s [Tool],
    ) -> TokenEstimate {
        let (vocabulary, own_vocabulary) = Vocabulary::from_model(model);
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
        let count = || self.vocabularies.count(vocabulary, text);
        *self.counts.entry(key).or_insert_with(count)
    }

    fn tool(&mut self, vocabulary: Vocabulary, tool: &'s Tool) -> u64 {
        // No text is empty here: a key of length 0 is a tool's.
        let key = (vocabulary, std::ptr::from_ref(tool).cast::<u8>(), 0);
        let count = || {
            let description = tool.description.as_deref().unwrap_or_default();
            let count = |text: &str| self.vocabularies.count(vocabulary, text);
            count(&tool.name) + count(description) + count(&tool.parameters.to_string())
        };
        *self.counts.entry(key).or_insert_with(count)
    }
}

/// Counts the prompt tokens of a conversation with its tools. An image counts as a medium one.
pub fn prompt_tokens(
    vocabularies: &Vocabularies,
    model: &ModelId,
    messages: &[Message],
    tools: &[Tool],
) -> TokenEstimate {
    TokenCounter::new(vocabularies).prompt_tokens(model, None, messages, tools)
}

/// The maximum prompt tokens that the text of a request of `body_bytes` bytes can have: a byte-level
/// tokenizer makes at most one token of a byte, a chat format adds less than 16 to a message, and tools
/// have an allowance. Without images: they are paid by their size in pixels, which bytes do not bound.
pub fn max_text_tokens(body_bytes: u64, messages: &[Message], tools: usize) -> u64 {
    let images = messages.iter().flat_map(|message| &message.images);
    let base64 = images.map(|image| match image {
        Image::Bytes { base64, .. } => base64.len() as u64,
        Image::Url(_) => 0,
    });
    let for_tools = match tools as u64 {
        0 => 0,
        tools => MAX_FOR_TOOLS + MAX_PER_TOOL * tools,
    };
    body_bytes.saturating_sub(base64.sum())
        + MAX_PER_MESSAGE * (messages.len() as u64 + 1)
        + for_tools
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::suite::Role;

    static VOCABULARIES: LazyLock<Vocabularies> = LazyLock::new(Vocabularies::default);

    fn estimate(model: &str, text: &str) -> TokenEstimate {
        let messages = [Message::text(Role::User, text)];
        prompt_tokens(&VOCABULARIES, &model.parse().unwrap(), &messages, &[])
    }

    #[test]
    fn the_models_own_vocabulary_is_used_where_it_is_known() {
        // Makers split text differently: a reader of an estimate must know which vocabulary was used.
        for (model, own) in [
            ("openai/gpt-5-mini", true),
            ("gpt-4-turbo", true),
            ("openai/o3", true),
            ("anthropic/claude-haiku-4.5", false),
            ("mistral/open-mistral", false),
        ] {
            assert_eq!(estimate(model, "hello").own_vocabulary, own, "{model}");
        }
        // Four words that both vocabularies know, and what the format adds.
        let four = "hello world hello world";
        assert_eq!(estimate("openai/gpt-5-mini", four).tokens, 4 + 3 + 3);
        assert_eq!(estimate("gpt-3.5-turbo", four).tokens, 4 + 3 + 3);
        // Azure's name of a model has the vocabulary of that model, not of the newest ones.
        let text = "Übergrößenträger, naïve façade — 東京の天気";
        let tokens = |model: &str| estimate(model, text).tokens;
        assert_eq!(tokens("gpt-35-turbo"), tokens("gpt-3.5-turbo"));
        assert_ne!(tokens("gpt-35-turbo"), tokens("openai/gpt-5-mini"));
    }

    #[test]
    fn a_long_text_has_the_tokens_of_its_whole() {
        // Documents of some hundred kilobytes are common in prompts: cutting them must not change an estimate.
        let text = "The quick brown fox can't jump over 12,345 lazy dogs; naïve façades aside.\n"
            .repeat(5_000);
        assert!(text.len() > 5 * WINDOW);
        for vocabulary in [Vocabulary::Cl100k, Vocabulary::O200k] {
            assert_eq!(
                VOCABULARIES.count(vocabulary, &text),
                VOCABULARIES.get(vocabulary).count(&text) as u64
            );
        }
        // Where no word ends, each piece can end in a token of its own.
        for one in ["a", " ", "\n", "-", "的", "\u{1f642}"] {
            let text = one.repeat(300_000);
            let pieces = windows(&text).count() as u64;
            assert!(pieces > 1 && windows(&text).all(|piece| piece.len() <= WINDOW));
            let whole = VOCABULARIES.get(Vocabulary::O200k).count(&text) as u64;
            let counted = VOCABULARIES.count(Vocabulary::O200k, &text);
            assert!(
                (whole..=whole + 2 * pieces).contains(&counted),
                "{one:?}: {whole}, {counted}"
            );
        }
    }

    proptest! {
        #[test]
        fn windows_are_a_partition(text in "[a-c \\n的]{0,40}", times in 1_usize..6_000) {
            let text = text.repeat(times);
            let joined: String = windows(&text).collect();
            prop_assert_eq!(joined, text);
        }

        // A cap stands on the bound: no text may count for more than it.
        #[test]
        fn a_count_is_never_above_the_bound(text in "\\PC{0,200}") {
            let message = Message::text(Role::User, text);
            let request_bytes = serde_json::to_vec(&message.content).unwrap().len() as u64;
            let messages = [message];
            let bound = max_text_tokens(request_bytes, &messages, 0);
            for model in ["openai/gpt-5", "gpt-4-turbo"] {
                let counts = prompt_tokens(&VOCABULARIES, &model.parse().unwrap(), &messages, &[]);
                prop_assert!(counts.tokens <= bound);
            }
        }
    }
}
