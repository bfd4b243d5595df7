//! Token counts of one exchange: the reported ones, and the readings of them that can be true.
//!
//! Owns the decision which counts are believed. Must not know prices, nor under which names a route reports counts. Invariant:
//! [`check_usage`] is pure and total: any counts and any sizes give a reading, and counts that cannot be true are never
//! [`UsageReading::Known`].

use serde::{Deserialize, Serialize};

use super::flag::Flag;
use crate::catalog::TokenCounts;

/// The most characters (Unicode scalar values) of a text that one token can stand for; no known tokenizer reaches it.
///
/// A token of a byte-level vocabulary is a run of bytes, so that it has at most as many characters as bytes. The longest tokens
/// of public vocabularies, read from their files in November 2026: 1,024 bytes in Claude's of 2023 (spaces; NUL), 128 in cl100k,
/// o200k, Llama 3, Qwen 3, `DeepSeek` V3 and Tekken, 31 in Gemma's. Arguments of a tool call are counted as JSON, where a character
/// can be written as six (`\u0000`): 1,024 x 6 = 6,144, and the next power of two. CJK text has far fewer characters a token.
pub const MAX_CHARS_PER_TOKEN: u64 = 8_192;

/// Token counts as the server gave them; `prompt_tokens` includes cached ones and
/// `completion_tokens` includes reasoning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Prompt tokens, cached ones included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u64>,
    /// Completion tokens, reasoning included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_tokens: Option<u64>,
    /// Completion tokens spent on reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// Prompt tokens read from the prompt cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
    /// Prompt tokens written to the prompt cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// The part of these that is kept for an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h_tokens: Option<u64>,
    /// The part of these that is kept for twelve hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_12h_tokens: Option<u64>,
}

impl Usage {
    /// The counts that a cost needs; without prompt and completion tokens there is none.
    pub fn counts(&self) -> Option<TokenCounts> {
        Some(TokenCounts {
            prompt: self.prompt_tokens?,
            completion: self.completion_tokens?,
            cached: self.cached_tokens.unwrap_or(0),
            cache_write: self.cache_write_tokens.unwrap_or(0),
            cache_write_1h: self.cache_write_1h_tokens.unwrap_or(0),
            cache_write_12h: self.cache_write_12h_tokens.unwrap_or(0),
        })
    }

    /// Returns true if more prompt tokens are reported as read from a cache and written to it than there are:
    /// no list price applies to such counts.
    pub fn contradicts_itself(&self) -> bool {
        self.counts().is_some_and(|counts| counts.fresh().is_none())
    }
}

/// Token counts as a server reported them, of whichever route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReportedUsage {
    /// The counts, as if `completion_tokens` included reasoning: whether it does is what [`check_usage`] decides.
    pub usage: Usage,
    /// `total_tokens`; 0 is a placeholder, because no exchange has none.
    pub total_tokens: Option<u64>,
    /// The largest prompt and completion counts, where an earlier block of the same answer has more than the last one.
    pub earlier: Usage,
    /// The server's way to count reasoning.
    pub dialect: UsageDialect,
}

/// The way in which a server counts reasoning, as far as its answer shows which server it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UsageDialect {
    /// Any other server: reasoning is a part of the completion unless the total or the bill says otherwise.
    #[default]
    Standard,
    /// xAI: reasoning stands beside the completion.
    Xai,
    /// Gemini's compatible route: reasoning is in the total alone.
    Gemini,
    /// A Google model of the Vercel AI Gateway: recorded with reasoning outside both completion and total.
    VercelGoogle,
    /// A proxy that computes the bill from counts of its own: its bill is no evidence for these counts.
    Recounting,
}

/// Sizes of the texts of one exchange, in characters (Unicode scalar values).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExchangeSize {
    /// Texts of the conversation that was sent: contents, names and arguments of tool calls; not images, not tools.
    pub prompt_chars: u64,
    /// Content, refusal and tool calls of the answer.
    pub answer_chars: u64,
    /// Visible reasoning.
    pub reasoning_chars: u64,
    /// True if there was reasoning that is not visible, or summarised: characters are no measure of its tokens,
    /// but it has some.
    pub has_hidden_reasoning: bool,
    /// True if the answer reached its token limit, which is one at least.
    pub has_reached_limit: bool,
}

/// The meaning of the reported counts of one exchange, in tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageReading {
    /// The only possible reading, by the conventions of [`Usage`].
    Known(Usage),
    /// No reading, or several.
    Unknown {
        /// The upper bound of the true counts.
        upper: UsageBound,
        /// The reasons, as flags of a sample; empty where counts are missing.
        flags: Vec<Flag>,
    },
}

/// An upper bound of unknown token counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageBound {
    /// The most expensive of these readings, at least one. Which one that is depends on prices.
    Readings(Vec<TokenCounts>),
    /// The worst case of the request, as it was reserved: nothing reported bounds the counts.
    WorstCase,
}

impl ExchangeSize {
    /// The fewest prompt tokens: a chat format alone needs one.
    pub fn min_prompt_tokens(&self) -> u64 {
        min_tokens(self.prompt_chars).max(1)
    }

    /// The fewest completion tokens without those of reasoning.
    pub fn min_answer_tokens(&self) -> u64 {
        min_tokens(self.answer_chars)
    }

    /// The fewest completion tokens, reasoning included.
    pub fn min_completion_tokens(&self) -> u64 {
        let reasoning = if self.has_hidden_reasoning {
            1
        } else {
            self.reasoning_chars
        };
        let visible = min_tokens(self.answer_chars.saturating_add(reasoning));
        visible.max(self.has_reached_limit.into())
    }

    /// The smallest counts of an exchange of this size, with the whole prompt read from a cache.
    pub fn min_counts(&self) -> TokenCounts {
        TokenCounts {
            prompt: self.min_prompt_tokens(),
            cached: self.min_prompt_tokens(),
            completion: self.min_completion_tokens(),
            ..TokenCounts::default()
        }
    }
}

/// The fewest tokens of a text of so many characters.
fn min_tokens(chars: u64) -> u64 {
    chars.div_ceil(MAX_CHARS_PER_TOKEN)
}

impl UsageReading {
    /// The counts, where there is one reading.
    pub fn known(&self) -> Option<Usage> {
        match self {
            Self::Known(usage) => Some(*usage),
            Self::Unknown { .. } => None,
        }
    }

    /// The counts that can be true; `None` where any can.
    fn readings(&self) -> Option<Vec<TokenCounts>> {
        match self {
            Self::Known(usage) => usage.counts().map(|counts| vec![counts]),
            Self::Unknown { upper, .. } => match upper {
                UsageBound::Readings(readings) => Some(readings.clone()),
                UsageBound::WorstCase => None,
            },
        }
    }

    /// The flags of a sample whose counts are read so.
    pub fn flags(&self) -> &[Flag] {
        match self {
            Self::Known(_) => &[],
            Self::Unknown { flags, .. } => flags,
        }
    }
}

/// Decides which token counts an exchange had, from the reported ones and the sizes of its texts. `is_billed` returns true for
/// counts whose list cost is what the server billed.
///
/// Tokens in, tokens out; sizes in characters ([`ExchangeSize`]). In this order:
/// 1. Without prompt or completion count nothing is known.
/// 2. A count below the fewest tokens of its text ([`MAX_CHARS_PER_TOKEN`]) is no valid reading: 0 for a prompt, 0 for an answer
///    with text, reasoning or tool calls, or that reached its token limit, and proportionally for long texts.
/// 3. More cached and written than prompt tokens leave no reading.
/// 4. A total that is prompt, completion and reasoning together puts reasoning outside the completion (xAI; litellm folds by
///    the same equation).
/// 5. Of several readings the only one that was billed is right.
/// 6. Where neither decides, the dialect does: xAI counts reasoning beside the completion, Gemini's compatible route in the total
///    alone, Vercel's gateway outside both for Google's models (certain only where there is more of it than completion tokens).
/// 7. Reasoning is a part of the completion (`OpenAI`'s convention) unless the counts contradict it. Reasoning above the
///    completion alone decides nothing: two tokenizers count so too, and a total of prompt and completion is often a sum that
///    the gateway made. Then both readings are possible.
/// 8. A total that no reading gives: what it has above the sum may belong to the prompt or to the completion.
/// 9. An earlier block with larger counts: what was counted does not go away, so that both blocks are possible.
pub fn check_usage(
    reported: &ReportedUsage,
    size: &ExchangeSize,
    is_billed: impl Fn(&TokenCounts) -> bool,
) -> UsageReading {
    let last = check_block(reported, size, &is_billed);
    let earlier = reported.earlier;
    let usage = Usage {
        prompt_tokens: reported.usage.prompt_tokens.max(earlier.prompt_tokens),
        completion_tokens: (reported.usage.completion_tokens).max(earlier.completion_tokens),
        ..reported.usage
    };
    let is_billed_once = |reading: &UsageReading| {
        let counts = reading.known().and_then(|usage| usage.counts());
        counts.is_some_and(|counts| is_billed(&counts))
    };
    if usage == reported.usage || is_billed_once(&last) {
        return last;
    }
    // The total is one of the last block.
    let larger = ReportedUsage {
        usage,
        total_tokens: None,
        ..*reported
    };
    let larger = check_block(&larger, size, &is_billed);
    let mut flags = [last.flags(), larger.flags(), &[Flag::UsageAmbiguous]].concat();
    flags.sort_unstable();
    flags.dedup();
    let upper = match (last.readings(), larger.readings()) {
        (Some(last), Some(larger)) => UsageBound::Readings([last, larger].concat()),
        _ => UsageBound::WorstCase,
    };
    UsageReading::Unknown { upper, flags }
}

/// Decides by the last block alone.
fn check_block(
    reported: &ReportedUsage,
    size: &ExchangeSize,
    is_billed: impl Fn(&TokenCounts) -> bool,
) -> UsageReading {
    let usage = reported.usage;
    let mut flags = Vec::new();
    if contradicts(reported) {
        flags.push(Flag::UsageMismatch);
    }
    let too_small =
        |count: Option<u64>, min_count: u64| count.is_some_and(|count| count < min_count);
    let total = reported.total_tokens.filter(|total| *total > 0);
    let agrees = |counts: &TokenCounts| total == counts.prompt.checked_add(counts.completion);
    let reasoning = usage.reasoning_tokens.unwrap_or(0);
    let outside = usage.counts().filter(|_| reasoning > 0).map(|counts| {
        let completion = counts.completion.saturating_add(reasoning);
        with_completion(counts, completion)
    });
    let outside = outside.filter(|counts| counts.completion >= size.min_completion_tokens());
    let is_outside = outside.as_ref().is_some_and(agrees);
    // A completion without its reasoning holds at least the answer, but for a server that counts all of it as reasoning.
    if too_small(usage.prompt_tokens, size.min_prompt_tokens())
        || (too_small(usage.completion_tokens, size.min_answer_tokens()) && !is_outside)
    {
        return no_reading(flags);
    }
    let Some(counts) = usage.counts() else {
        let upper = UsageBound::WorstCase;
        return UsageReading::Unknown { upper, flags };
    };
    if usage.contradicts_itself() {
        return no_reading(flags);
    }
    let known = |counts: TokenCounts| UsageReading::Known(with_counts(usage, counts));
    if let Some(outside) = outside.filter(agrees) {
        return known(outside);
    }
    let inside = Some(counts).filter(|_| counts.completion >= size.min_completion_tokens());
    let excess = total.and_then(|total| {
        let beyond_prompt = total.checked_sub(counts.prompt)?;
        beyond_prompt.checked_sub(counts.completion)
    });
    let excess = excess.filter(|excess| *excess > 0);
    let above_prompt = excess.filter(|_| inside.is_some()).map(|excess| {
        let prompt = counts.prompt.saturating_add(excess);
        TokenCounts { prompt, ..counts }
    });
    let above_completion = excess
        .map(|excess| with_completion(counts, counts.completion.saturating_add(excess)))
        .filter(|counts| counts.completion >= size.min_completion_tokens());
    let readings = [inside, outside, above_prompt, above_completion];
    let readings: Vec<TokenCounts> = readings.into_iter().flatten().collect();
    let mut billed = readings.iter().filter(|counts| is_billed(counts));
    if let (Some(only), None) = (billed.next(), billed.next()) {
        return known(*only);
    }
    let is_reasoning_above = reasoning > counts.completion;
    match (reported.dialect, inside, outside) {
        (UsageDialect::Xai, _, Some(outside)) if total.is_none() => return known(outside),
        (UsageDialect::Gemini, ..) if above_completion.is_some() => {
            return above_completion.map_or_else(|| no_reading(flags), known);
        }
        (UsageDialect::VercelGoogle, _, Some(outside)) if is_reasoning_above => {
            return known(outside);
        }
        // A completion that holds the reasoning would look the same.
        (UsageDialect::VercelGoogle, _, Some(_)) => {}
        (_, Some(inside), _) if !is_reasoning_above && (total.is_none() || agrees(&inside)) => {
            return known(inside);
        }
        // The visible part of the reasoning has no place inside.
        (_, None, Some(outside)) if total.is_none() => return known(outside),
        _ => {}
    }
    if readings.is_empty() {
        return no_reading(flags);
    }
    flags.push(Flag::UsageAmbiguous);
    flags.sort_unstable();
    let upper = UsageBound::Readings(readings);
    UsageReading::Unknown { upper, flags }
}

/// The usage with these counts. Reasoning above the completion, by a tokenizer of its own, is no count of the same tokens.
fn with_counts(usage: Usage, counts: TokenCounts) -> Usage {
    let reasoning = usage.reasoning_tokens;
    Usage {
        prompt_tokens: Some(counts.prompt),
        completion_tokens: Some(counts.completion),
        reasoning_tokens: reasoning.filter(|reasoning| *reasoning <= counts.completion),
        ..usage
    }
}

fn with_completion(counts: TokenCounts, completion: u64) -> TokenCounts {
    TokenCounts {
        completion,
        ..counts
    }
}

fn no_reading(mut flags: Vec<Flag>) -> UsageReading {
    flags.push(Flag::UsageImpossible);
    flags.sort_unstable();
    let upper = UsageBound::WorstCase;
    UsageReading::Unknown { upper, flags }
}

/// Returns true if the counts contradict each other. An absent count contradicts nothing.
fn contradicts(reported: &ReportedUsage) -> bool {
    let usage = reported.usage;
    let exceeds = |part: Option<u64>, whole: Option<u64>| {
        part.zip(whole).is_some_and(|(part, whole)| part > whole)
    };
    let cache = [usage.cached_tokens, usage.cache_write_tokens];
    let cache = cache.into_iter().flatten().reduce(u64::saturating_add);
    let sum = usage.prompt_tokens.zip(usage.completion_tokens);
    let sum = sum.map(|(prompt, completion)| prompt.saturating_add(completion));
    let total = reported.total_tokens.filter(|total| *total > 0);
    exceeds(cache, usage.prompt_tokens)
        || exceeds(usage.reasoning_tokens, usage.completion_tokens)
        || total.zip(sum).is_some_and(|(total, sum)| total != sum)
}

#[cfg(test)]
#[path = "usage_tests.rs"]
mod tests;
