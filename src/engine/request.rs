//! The request of a trial: its body, and the nonce that makes prompt caches miss.
//!
//! Owns both. Must not know when anything is sent. Invariant: a nonce is a function of the run's name and the
//! trial's number, and always has the same length.

use std::collections::BTreeMap;

use crate::gateway::UnsupportedParameter;
use crate::gateway::request;
use crate::plan::warm_up_prompt;
use crate::suite::{Api, Message, Prompt, Role, Suite, Variant, Wording};
use crate::units::digest;

/// Digits of a nonce: the most that 64 bits always hold. Digits, because tokenizers cut them evenly: letters
/// would make prompts of slightly different token counts.
const NONCE_DIGITS: usize = 18;

/// The number of nonces with so many digits.
const NONCES: u64 = 1_000_000_000_000_000_000;

/// Puts the trial's nonce in front of the system text, which every prompt begins with; a prompt without one
/// gets a system text that is the nonce.
pub(super) fn add_nonce(messages: &mut Vec<Message>, run: &str, trial: u64) {
    let nonce = nonce(run, trial);
    match messages.first_mut() {
        Some(first) if first.role == Role::System => {
            first.content = format!("{nonce}\n\n{}", first.content);
        }
        _ => messages.insert(0, Message::text(Role::System, nonce)),
    }
}

/// The nonce of the trial: unique among the trials of all runs, as far as chance allows.
fn nonce(run: &str, trial: u64) -> String {
    let drawn = digest(format!("{run} {trial}").as_bytes());
    let drawn = u64::from_str_radix(&drawn, 16).expect("a digest is 16 hex digits");
    format!("{:0NONCE_DIGITS$}", drawn % NONCES)
}

pub(super) fn body(
    suite: &Suite,
    prompt: &Prompt,
    variant: &Variant,
    messages: &[Message],
    wording: Wording,
) -> Vec<u8> {
    try_body(suite, prompt, variant, messages, wording)
        .expect("unsupported parameters are rejected before the run")
}

fn try_body(
    suite: &Suite,
    prompt: &Prompt,
    variant: &Variant,
    messages: &[Message],
    wording: Wording,
) -> Result<Vec<u8>, UnsupportedParameter> {
    request::body(
        &variant.model,
        messages,
        &suite.parameters_of(prompt, variant),
        suite.stream,
        wording,
    )
}

/// The parameters of a suite that the endpoint's route does not support, each once, with the first prompt and
/// variant that has it. With any of them a run must not begin.
pub fn unsupported_parameters(
    suite: &Suite,
    wording: Wording,
) -> Vec<(UnsupportedParameter, String)> {
    if wording.api == Api::Chat {
        // It supports everything: the suite's names are its names.
        return Vec::new();
    }
    let warm_up = (suite.warmup > 0).then(|| warm_up_prompt(suite));
    let mut met = BTreeMap::new();
    for prompt in suite.prompts.iter().chain(&warm_up) {
        for variant in &suite.variants {
            let messages = suite.messages_of(prompt, variant);
            if let Err(what) = try_body(suite, prompt, variant, &messages, wording) {
                let first_use = || format!("{} on {}", prompt.id, variant.label);
                met.entry(what).or_insert_with(first_use);
            }
        }
    }
    met.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_nonce_opens_the_system_text() {
        // Caches match the beginning of a prompt: with another nonce it is another prompt.
        let question = Message::text(Role::User, "Why?");
        let mut with = vec![Message::text(Role::System, "Be brief."), question.clone()];
        let mut without = vec![question.clone()];
        add_nonce(&mut with, "run", 3);
        add_nonce(&mut without, "run", 3);
        let nonce = nonce("run", 3);
        let text = |content: String| Message::text(Role::System, content);
        assert_eq!(
            with,
            [text(format!("{nonce}\n\nBe brief.")), question.clone()]
        );
        assert_eq!(without, [text(nonce), question]);
    }

    proptest! {
        // Every trial of every run has its own, and all have the same token count.
        #[test]
        fn nonces_differ_and_are_as_long(run in "[0-9A-Z-]{1,30}", trial in 0..u64::MAX - 1) {
            let own = nonce(&run, trial);
            prop_assert_eq!(own.len(), NONCE_DIGITS);
            prop_assert!(own.bytes().all(|byte| byte.is_ascii_digit()));
            prop_assert_eq!(&own, &nonce(&run, trial));
            prop_assert_ne!(&own, &nonce(&run, trial + 1));
            prop_assert_ne!(own, nonce(&format!("{run}0"), trial));
        }
    }
}
