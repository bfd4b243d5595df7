//! Finish reasons: the words by which servers say why an answer ended, and their outcomes.
//!
//! Owns the table, of which `docs/dialects.md` is a copy. Must not know answers. Invariant: a word that is not in
//! the table is no success.

use crate::record::Outcome;

/// A finish reason of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinishWord {
    /// The word, in one of its spellings: case and separators do not matter.
    pub word: &'static str,
    /// The outcome of an answer that ends with it.
    pub outcome: Outcome,
    /// The vendors or packages that use it.
    pub source: &'static str,
}

const fn word(word: &'static str, outcome: Outcome, source: &'static str) -> FinishWord {
    FinishWord {
        word,
        outcome,
        source,
    }
}

const ANTHROPIC: &str = "Anthropic Messages (anthropic 2.14.0)";
const BEDROCK: &str = "Amazon Bedrock Converse (types-boto3-bedrock-runtime 1.43.62)";
const COHERE: &str = "Cohere (cohere 7.3.1)";
const GEMINI: &str = "Gemini's own words, seen on compatible routes (litellm 1.110.2)";
const OPENAI: &str = "OpenAI Chat Completions (openai 3.57.0)";
/// Words that no documentation or package was found to have: precautions.
const OTHERS: &str = "unverified";
const RESPONSES: &str = "OpenAI Responses (openai 3.57.0)";
const VLLM: &str = "vLLM 0.33.0, SGLang 0.5.23";

/// Every finish reason that is known.
pub const FINISH_WORDS: [FinishWord; 75] = [
    word("stop", Outcome::Complete, OPENAI),
    word("tool_calls", Outcome::Complete, OPENAI),
    word("function_call", Outcome::Complete, OPENAI),
    word("completed", Outcome::Complete, RESPONSES),
    word("end_turn", Outcome::Complete, ANTHROPIC),
    word("stop_sequence", Outcome::Complete, ANTHROPIC),
    word("tool_use", Outcome::Complete, ANTHROPIC),
    word("tool_call", Outcome::Complete, COHERE),
    word("complete", Outcome::Complete, COHERE),
    word("eos", Outcome::Complete, "Together (litellm 1.110.2)"),
    word(
        "eos_token",
        Outcome::Complete,
        "Hugging Face (litellm 1.110.2)",
    ),
    word("end", Outcome::Complete, OTHERS),
    word("end_of_turn", Outcome::Complete, OTHERS),
    word(
        "done",
        Outcome::Complete,
        "Ollama's own route, passed on (unverified)",
    ),
    word("finished", Outcome::Complete, "Amazon Titan (unverified)"),
    word("normal", Outcome::Complete, "Baidu Qianfan (unverified)"),
    word("length", Outcome::Length, OPENAI),
    word("max_output_tokens", Outcome::Length, RESPONSES),
    word("max_tokens", Outcome::Length, ANTHROPIC),
    word("model_context_window_exceeded", Outcome::Length, ANTHROPIC),
    word("context_window_exceeded", Outcome::Length, OTHERS),
    word("model_length", Outcome::Length, "Mistral (mistralai 3.7.0)"),
    word("error_limit", Outcome::Length, COHERE),
    word("continuation", Outcome::Length, GEMINI),
    word("token_limit", Outcome::Length, OTHERS),
    word("max_length", Outcome::Length, OTHERS),
    word("refusal", Outcome::Refused, ANTHROPIC),
    word("content_filter", Outcome::Filtered, OPENAI),
    word("content_filtered", Outcome::Filtered, BEDROCK),
    word("guardrail_intervened", Outcome::Filtered, BEDROCK),
    word(
        "sensitive",
        Outcome::Filtered,
        "Z.ai (pydantic-ai-slim 2.68.0)",
    ),
    word("safety", Outcome::Filtered, GEMINI),
    word("recitation", Outcome::Filtered, GEMINI),
    word("prohibited_content", Outcome::Filtered, GEMINI),
    word("spii", Outcome::Filtered, GEMINI),
    word("blocklist", Outcome::Filtered, GEMINI),
    word("language", Outcome::Filtered, GEMINI),
    word("model_armor", Outcome::Filtered, GEMINI),
    word("image_safety", Outcome::Filtered, GEMINI),
    word("image_prohibited_content", Outcome::Filtered, GEMINI),
    word("image_recitation", Outcome::Filtered, GEMINI),
    word("error_toxic", Outcome::Filtered, COHERE),
    word("escalation", Outcome::Filtered, GEMINI),
    word("blocked", Outcome::Filtered, OTHERS),
    word("moderation", Outcome::Filtered, OTHERS),
    word("incomplete", Outcome::Incomplete, RESPONSES),
    word("max_messages", Outcome::Incomplete, RESPONSES),
    word("max_tool_calls", Outcome::Incomplete, RESPONSES),
    word("pause_turn", Outcome::Incomplete, ANTHROPIC),
    word("compaction", Outcome::Incomplete, ANTHROPIC),
    word("repetition", Outcome::Incomplete, "unverified"),
    word(
        "interrupted",
        Outcome::Incomplete,
        "AI SDK (@ai-sdk/provider 4.0.38)",
    ),
    word("abort", Outcome::StreamError, VLLM),
    word("aborted", Outcome::StreamError, OTHERS),
    word("error", Outcome::StreamError, "OpenRouter, vLLM 0.33.0"),
    word("failed", Outcome::StreamError, RESPONSES),
    word("cancelled", Outcome::StreamError, RESPONSES),
    word("canceled", Outcome::StreamError, OTHERS),
    word("user_cancel", Outcome::StreamError, COHERE),
    word(
        "network_error",
        Outcome::StreamError,
        "Z.ai (pydantic-ai-slim 2.68.0)",
    ),
    word(
        "insufficient_system_resource",
        Outcome::StreamError,
        "DeepSeek (public clients)",
    ),
    word("timeout", Outcome::StreamError, OTHERS),
    word("overloaded", Outcome::StreamError, OTHERS),
    word("server_error", Outcome::StreamError, OTHERS),
    word("internal_error", Outcome::StreamError, OTHERS),
    word("engine_error", Outcome::StreamError, OTHERS),
    word("malformed_function_call", Outcome::StreamError, GEMINI),
    word("unexpected_tool_call", Outcome::StreamError, GEMINI),
    word("too_many_tool_calls", Outcome::StreamError, GEMINI),
    word("malformed_response", Outcome::StreamError, GEMINI),
    word("missing_thought_signature", Outcome::StreamError, GEMINI),
    word("image_other", Outcome::StreamError, GEMINI),
    word("no_image", Outcome::StreamError, GEMINI),
    word("malformed_model_output", Outcome::StreamError, BEDROCK),
    word("malformed_tool_use", Outcome::StreamError, BEDROCK),
];

/// Prefix of the words of an enumeration that is sent with its name: `FINISH_REASON_SAFETY`.
const ENUMERATION: &str = "finishreason";

/// The outcome that a finish reason means; [`Outcome::UnknownFinish`] for a word that is not in the table.
pub(super) fn outcome_of_word(reason: &str) -> Outcome {
    let plain = plain_word(reason);
    let bare = plain.strip_prefix(ENUMERATION).unwrap_or(&plain);
    let known = FINISH_WORDS
        .iter()
        .find(|known| plain_word(known.word) == bare);
    known.map_or(Outcome::UnknownFinish, |known| known.outcome)
}

/// The letters and digits of a word, in lower case.
pub(super) fn plain_word(word: &str) -> String {
    let letters = word.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Spellings of a word: `content_filter`, `content-filter`, `CONTENT FILTER`, `ContentFilter`.
    fn spellings(word: &str) -> [String; 4] {
        let camel = word.split('_').map(|part| {
            let (first, rest) = part.split_at(1);
            first.to_uppercase() + rest
        });
        [
            word.to_owned(),
            word.replace('_', "-"),
            word.replace('_', " ").to_uppercase(),
            camel.collect(),
        ]
    }

    #[test]
    fn every_spelling_of_a_word_means_the_same() {
        // The same reason is written in every way by the servers of one gateway.
        for known in FINISH_WORDS {
            for spelling in spellings(known.word) {
                assert_eq!(outcome_of_word(&spelling), known.outcome, "{spelling}");
            }
        }
        assert_eq!(outcome_of_word("FINISH_REASON_SAFETY"), Outcome::Filtered);
        assert_eq!(outcome_of_word("FinishReason.STOP"), Outcome::Complete);
    }

    #[test]
    fn a_word_has_one_meaning() {
        // Of two rows with the same letters only the first would count.
        let mut words: Vec<String> = FINISH_WORDS.map(|known| plain_word(known.word)).to_vec();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), FINISH_WORDS.len());
    }

    proptest! {
        // Whatever a server writes: a success only by a word of the table.
        #[test]
        fn no_other_word_is_a_success(reason in "\\PC{0,30}") {
            let plain = plain_word(&reason);
            let bare = plain.strip_prefix(ENUMERATION).unwrap_or(&plain);
            let known = FINISH_WORDS.iter().any(|known| plain_word(known.word) == bare);
            prop_assert_eq!(outcome_of_word(&reason) == Outcome::UnknownFinish, !known);
        }
    }
}
