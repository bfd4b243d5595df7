//! Patterns of asserts: regular expressions that match in time linear in the text.
//!
//! Owns the limits of a pattern and the message about a wrong one. Must not know what is matched. Invariant: a
//! pattern that compiles here has a bounded size.

use regex::{Regex, RegexBuilder};

use super::limits;

/// Compiles a pattern, or returns the reason why it is none.
pub fn compile_pattern(text: &str) -> Result<Regex, String> {
    if text.len() > limits::ASSERT_PATTERN_BYTES {
        let max = limits::ASSERT_PATTERN_BYTES;
        return Err(format!("the pattern has more than {max} bytes"));
    }
    let built = RegexBuilder::new(text)
        .size_limit(limits::ASSERT_PATTERN_SIZE)
        .nest_limit(limits::ASSERT_PATTERN_DEPTH)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            "the pattern is too large: its repetitions multiply to too many states".to_owned()
        }
        // The library draws the pattern over several lines; the last one holds the reason.
        error => {
            let message = error.to_string();
            let last = message.lines().last().unwrap_or_default();
            let reason = last.strip_prefix("error: ").unwrap_or(last);
            format!("the pattern is not valid: {reason}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_and_wrong_patterns_are_errors() {
        // Each would otherwise take memory or time without a bound, or match nothing that its author meant.
        for (pattern, reason) in [
            ("(", "unclosed group"),
            ("(?=a)", "look-around"),
            (r"(a)\1", "backreferences"),
            ("(((a{200}){200}){200}){200}", "too large"),
        ] {
            let error = compile_pattern(pattern).unwrap_err();
            assert!(error.contains(reason), "{pattern}: {error}");
        }
        let deep = "(".repeat(300) + "a" + &")".repeat(300);
        assert!(compile_pattern(&deep).unwrap_err().contains("nest"), "deep");
        let long = "a".repeat(limits::ASSERT_PATTERN_BYTES + 1);
        assert!(compile_pattern(&long).is_err());
        assert!(compile_pattern(r"(?i)\b\w{3,40}\b").is_ok());
    }

    #[test]
    fn a_pattern_that_backtracks_elsewhere_ends() {
        // Engines that backtrack take exponential time for this pair.
        let pattern = compile_pattern("^(a+)+$").unwrap();
        assert!(!pattern.is_match(&("a".repeat(100_000) + "b")));
    }
}
