//! From `[[synthetic]]` of a suite file to prompts of a stated length.
//!
//! Owns the keys of a group, and what its prompts are made of. Must not know the words. Invariant: the keys read here are
//! those of [`super::schema`]; a suite and seed give the same prompts.

use super::problem::Code;
use super::prompts::IdRegistry;
use super::reader::{Table, Value};
use crate::suite::model::prompt::{MadeKind, Prompt};
use crate::suite::value::filler::{REQUEST, REQUEST_TOKENS, WORD_BYTES, filler};
use crate::suite::value::percent::parse_percent;
use crate::suite::value::{defaults, limits};

/// Number of the text that the prompts of a group share.
const SHARED_TEXT: u64 = u64::MAX;

/// A group of prompts of one length.
#[derive(Debug, Clone, Copy)]
struct SyntheticGroup {
    prompts: u32,
    input_tokens: u32,
    output_tokens: Option<u64>,
    /// Share of the words that all prompts of the group begin with.
    shared_prefix: f64,
}

/// Reads the groups and makes their prompts, in order.
pub(super) fn synthetic_prompts(
    value: &Value<'_>,
    seed: u64,
    registry: &mut IdRegistry,
) -> Option<Vec<Prompt>> {
    let items = value.items(limits::SYNTHETIC_GROUPS, "an array of tables")?;
    let groups = items
        .iter()
        .map(|item| item.table("a group of `synthetic`", group)?);
    let groups = groups
        .collect::<Vec<_>>()
        .into_iter()
        .collect::<Option<Vec<_>>>()?;
    let prompts: u64 = groups.iter().map(|group| u64::from(group.prompts)).sum();
    let words = |group: &SyntheticGroup| u64::from(group.prompts) * u64::from(group.input_tokens);
    let bytes: u64 = groups
        .iter()
        .map(words)
        .sum::<u64>()
        .saturating_mul(WORD_BYTES);
    if prompts > limits::PROMPTS as u64 || bytes > limits::PROMPTS_BYTES as u64 {
        let message = format!(
            "{} makes {prompts} prompts of {bytes} bytes at most",
            value.name()
        );
        let help = "make fewer or shorter ones: a run cycles its prompts".to_owned();
        value.report(Code::TooLarge, message, Some(help));
        return None;
    }
    let mut made = Vec::new();
    for (number, (group, item)) in (0_u64..).zip(groups.iter().zip(&items)) {
        for index in 0..group.prompts {
            let prompt = synthetic_prompt(group, seed, (number, u64::from(index)));
            registry.register(&prompt, item)?;
            made.push(prompt);
        }
    }
    Some(made)
}

fn group(table: &mut Table<'_>) -> Option<SyntheticGroup> {
    let prompts = table.field("prompts");
    let prompts = prompts.map(|value| value.integer(1..=limits::SYNTHETIC_PROMPTS));
    let input = table.required("input_tokens", "add `input_tokens = 500`");
    let input =
        input.and_then(|value| value.integer(limits::INPUT_TOKENS_MIN..=limits::INPUT_TOKENS));
    let output = table.field("output_tokens");
    let output = output.map(|value| value.integer(1..=limits::MAX_TOKENS));
    let shared = table
        .field("shared_prefix")
        .map(|value| shared_prefix(&value));
    Some(SyntheticGroup {
        prompts: prompts.unwrap_or(Some(defaults::SYNTHETIC_PROMPTS))?,
        input_tokens: input?,
        output_tokens: match output {
            Some(output) => Some(output?),
            None => None,
        },
        shared_prefix: shared.unwrap_or(Some(0.0))?,
    })
}

fn shared_prefix(value: &Value<'_>) -> Option<f64> {
    let share = parse_percent(value.string()?).filter(|share| (0.0..=1.0).contains(share));
    if share.is_none() {
        let help =
            "it is the part of each prompt that all prompts of the group begin with".to_owned();
        value.report_wrong(Code::BadValue, "a percentage such as \"80%\"", Some(help));
    }
    share
}

/// The prompt of this number of the group of this number.
fn synthetic_prompt(group: &SyntheticGroup, seed: u64, (number, index): (u64, u64)) -> Prompt {
    let words = group.input_tokens.saturating_sub(REQUEST_TOKENS);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a number"
    )]
    let shared = (f64::from(words) * group.shared_prefix).round() as u32;
    Prompt::of_length(
        MadeKind::Synthetic,
        &format!("{}-{:04}", number + 1, index + 1),
        prompt_text(seed, (number, index), [shared, words - shared]),
        group.output_tokens,
    )
}

/// Words that are shared, then own ones, then the request.
fn prompt_text(seed: u64, (group, index): (u64, u64), [shared, own]: [u32; 2]) -> String {
    let parts = [
        filler(seed, (group, SHARED_TEXT), shared),
        filler(seed, (group, index), own),
        REQUEST.to_owned(),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<&str> {
        text.split_whitespace().collect()
    }

    proptest! {
        // A prompt has its length, begins with the stated share, and differs from the others after that.
        #[test]
        fn prompts_have_their_length_and_prefix(tokens in 16_u32..400, share in 0.0_f64..=1.0, seed: u64) {
            let group = SyntheticGroup {
                prompts: 2,
                input_tokens: tokens,
                output_tokens: Some(64),
                shared_prefix: share,
            };
            let prompts = [0, 1].map(|index| synthetic_prompt(&group, seed, (0, index)));
            let texts = [0, 1].map(|index: usize| words(&prompts[index].messages[0].content));
            for text in &texts {
                prop_assert_eq!(text.len() + 1, tokens as usize);
            }
            let own = f64::from(tokens - REQUEST_TOKENS);
            let common = texts[0].iter().zip(&texts[1]).take_while(|(a, b)| a == b).count();
            prop_assert!(common as f64 >= (own * share).round());
            // Two words are alike by chance once in 480.
            prop_assert!(common as f64 <= (own * share).round() + 4.0 || common == texts[0].len());
            prop_assert_eq!(prompts[0].parameters.max_tokens, Some(64));
            prop_assert_ne!(&prompts[0].id, &prompts[1].id);
        }
    }
}
