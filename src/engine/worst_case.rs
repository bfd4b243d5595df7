//! The worst-case cost of each request of a suite, by its body as it is sent.
//!
//! Owns the requests to bound. Must not know how a bound is computed. Invariant: a bounded body is as long as the one
//! that is sent.

use crate::catalog::{Request, UnboundedCost, WorstCase};
use crate::plan::warm_up_prompt;
use crate::suite::{CacheMode, Suite, Wording};
use crate::units::Usd;

use super::request;

/// The worst case of every request that a run of this suite sends. `bound` returns the maximum bill of a request to the
/// variant at an index in the suite.
pub fn worst_case(
    suite: &Suite,
    wording: Wording,
    bound: impl Fn(usize, &Request<'_>) -> Result<Usd, UnboundedCost>,
) -> WorstCase {
    let warm_up = warm_up_prompt(suite);
    WorstCase::new(suite, |prompt, index| {
        let variant = &suite.variants[index];
        let has_nonce = prompt.is_some() && suite.cache_of(variant) == CacheMode::Bust;
        let prompt = prompt.unwrap_or(&warm_up);
        let mut messages = suite.messages_of(prompt, variant);
        if has_nonce {
            // Any nonce will do: all have the same length.
            request::add_nonce(&mut messages, "", 0);
        }
        bound(
            index,
            &Request {
                body: &request::body(suite, prompt, variant, &messages, wording),
                messages: &messages,
                parameters: &suite.parameters_of(prompt, variant),
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::parse_suite;

    #[test]
    fn a_request_is_bounded_with_its_nonce() {
        // An estimate without the nonces of `bust` is below what a cap reserves for the same run.
        let suite = |cache: &str| {
            let text = format!(
                "name = \"x\"\nmodels = [\"a/x\"]\nwarmup = 1\ncache = \"{cache}\"\n[[prompts]]\nid = \"p\"\nuser = \"P\"\n"
            );
            let suite = parse_suite(&text).unwrap();
            worst_case(&suite, Wording::default(), |_, request| {
                Ok(Usd(request.body.len() as i128))
            })
        };
        let (plain, with_nonce) = (suite("as-is"), suite("bust"));
        let attempt = |worst: &WorstCase| worst.attempt(0, 0).unwrap().0;
        assert!(attempt(&with_nonce) > attempt(&plain) + 18);
        assert_eq!(with_nonce.warm_up(0), plain.warm_up(0));
    }
}
