//! Estimated token counts of a request, before any server counted them.
//!
//! Owns the estimate. Must not know any tokenizer: they differ between makers, and not all are
//! public. Invariant: it is for limits, warnings and expectations, never for a figure.

use crate::suite::{Message, Prompt, Suite, Tool, Variant};

/// Bytes of text per token, roughly, for English; other scripts have fewer.
const BYTES_PER_TOKEN: u64 = 4;

/// Tokens of an image: makers count one of ordinary size at a few hundred to 1,600.
const IMAGE_TOKENS: u64 = 1_000;

/// Tokens of an answer that a limit of tokens per minute reserves if no token limit is set.
const ANSWER_TOKENS_RESERVED: u64 = 1_024;

/// Estimates the tokens of a prompt for this variant, system text and tools included.
pub fn prompt_tokens(suite: &Suite, prompt: &Prompt, variant: &Variant) -> u64 {
    let system: usize = suite.opening_of(prompt, variant).map(str::len).sum();
    let tools = suite.parameter_of(prompt, variant, |parameters| parameters.tools.as_ref());
    let tools: usize = tools.into_iter().flatten().map(tool_bytes).sum();
    let messages: usize = prompt.messages.iter().map(message_bytes).sum();
    let images: usize = prompt.messages.iter().map(|turn| turn.images.len()).sum();
    let text = (system + tools + messages) as u64;
    text.div_ceil(BYTES_PER_TOKEN) + images as u64 * IMAGE_TOKENS
}

/// Estimates the tokens that a request reserves from a limit of tokens per minute: its prompt, and its answer
/// at the token limit.
pub fn reserved_tokens(suite: &Suite, prompt: &Prompt, variant: &Variant) -> u64 {
    let max_tokens =
        suite.parameter_of(prompt, variant, |parameters| parameters.max_tokens.as_ref());
    let answer = max_tokens.copied().unwrap_or(ANSWER_TOKENS_RESERVED);
    prompt_tokens(suite, prompt, variant).saturating_add(answer)
}

fn message_bytes(message: &Message) -> usize {
    let calls = message.tool_calls.iter();
    let calls: usize = calls
        .map(|call| call.name.len() + call.arguments.len())
        .sum();
    message.content.len() + calls
}

fn tool_bytes(tool: &Tool) -> usize {
    let description = tool.description.as_ref().map_or(0, String::len);
    tool.name.len() + description + tool.parameters.to_string().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::example::suite;
    use crate::suite::Image;

    #[test]
    fn everything_that_is_sent_counts_once() {
        // A picture is not its base64, and of three system texts one is sent.
        let mut suite = suite(1, 1, 1);
        suite.system = Some("s".repeat(4_000));
        suite.prompts[0].system = Some("p".repeat(400)).into();
        suite.prompts[0].messages[0].content = "c".repeat(40);
        let tokens = |suite: &Suite| prompt_tokens(suite, &suite.prompts[0], &suite.variants[0]);
        assert_eq!(tokens(&suite), 110);
        *suite.prompts[0].messages[0].images = vec![Image::Bytes {
            media_type: "image/png".to_owned(),
            base64: "A".repeat(1_000_000),
        }];
        suite.parameters.tools = Some(vec![Tool {
            name: "rain".to_owned(),
            description: Some("it".to_owned()),
            parameters: serde_json::json!({}),
        }]);
        assert_eq!(tokens(&suite), 110 + 1_000 + 2);
    }

    #[test]
    fn an_answer_is_reserved_at_its_limit() {
        // Endpoints count the token limit, not what was written, when they admit a request.
        let mut suite = suite(1, 1, 1);
        suite.prompts[0].messages[0].content = "c".repeat(40);
        let tokens = |suite: &Suite| reserved_tokens(suite, &suite.prompts[0], &suite.variants[0]);
        assert_eq!(tokens(&suite), 10 + ANSWER_TOKENS_RESERVED);
        suite.parameters.max_tokens = Some(50);
        suite.variants[0].parameters.max_tokens = Some(500);
        assert_eq!(tokens(&suite), 510);
    }
}
