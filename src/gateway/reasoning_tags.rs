//! Marks of reasoning inside the text of an answer.
//!
//! Owns the marks, of which `docs/dialects.md` is a copy. Must not know answers. Invariant: an answer that merely
//! mentions a mark is not marked.

/// A pair of marks around reasoning.
#[derive(Debug, Clone, Copy)]
pub struct ReasoningTag {
    /// The mark before it.
    pub open: &'static str,
    /// The mark behind it.
    pub close: &'static str,
    /// The models that write it, where no parser of their server removes it.
    pub source: &'static str,
}

const fn tag(open: &'static str, close: &'static str, source: &'static str) -> ReasoningTag {
    ReasoningTag {
        open,
        close,
        source,
    }
}

/// Every mark that is known.
pub const REASONING_TAGS: [ReasoningTag; 11] = [
    tag("<think>", "</think>", "DeepSeek R1, Qwen 3, MiniMax"),
    tag("<thinking>", "</thinking>", "prompted models"),
    tag("<thought>", "</thought>", "Gemini's compatible route"),
    tag("<thoughts>", "</thoughts>", "prompted models"),
    tag("<reasoning>", "</reasoning>", "prompted models"),
    tag("<reason>", "</reason>", "prompted models"),
    tag("<seed:think>", "</seed:think>", "Seed-OSS"),
    tag("[THINK]", "[/THINK]", "Magistral"),
    tag("◁think▷", "◁/think▷", "Kimi"),
    tag("<|START_THINKING|>", "<|END_THINKING|>", "Command A"),
    tag("<|channel|>analysis", "<|channel|>final", "gpt-oss"),
];

/// True if the text of an answer has reasoning in it: it begins with a mark, or has the end of one without its
/// beginning, because some templates write the beginning themselves.
pub(super) fn has_reasoning(content: &str) -> bool {
    let content = content.trim_start();
    REASONING_TAGS.iter().any(|tag| {
        content.starts_with(tag.open)
            || content
                .find(tag.close)
                .is_some_and(|end| !content[..end].contains(tag.open))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_is_found_and_none_in_prose() {
        // A rate over text that is half reasoning compares nothing; an answer about XML is no reasoning.
        for ReasoningTag { open, close, .. } in REASONING_TAGS {
            assert!(has_reasoning(&format!("\n{open}Hm{close}Hi")), "{open}");
            assert!(has_reasoning(&format!("Hm{close}\nHi")), "{close}");
            assert!(
                !has_reasoning(&format!("Write {open}x{close} around it.")),
                "{open}"
            );
        }
        assert!(!has_reasoning("<thinker>"));
    }
}
