//! The first useful unit of an answer: a sentence, a complete tool call, or JSON that parses.
//!
//! Owns the end of a unit in a text, and the frame that brought it. Must not know HTTP, nor what a unit is used for. Invariant: however the
//! text was cut into chunks, the unit ends at the same byte.

use serde::de::IgnoredAny;

use super::reasoning_tags::{REASONING_TAGS, has_reasoning};

/// Marks that end a sentence if a space or a line follows.
const ENDS: [char; 4] = ['.', '!', '?', '…'];
/// Marks that end a sentence by themselves.
const FULL_ENDS: [char; 4] = ['。', '！', '？', '｡'];
/// Marks that may close a sentence behind its end.
const CLOSERS: [char; 12] = ['"', '\'', ')', ']', '}', '»', '”', '’', '*', '_', '`', '」'];
/// Words before a full stop that do not end a sentence, in lower case.
const ABBREVIATIONS: [&str; 10] = [
    "approx", "cf", "dr", "etc", "fig", "inc", "mr", "mrs", "ms", "vs",
];

/// The lengths of an answer's text after each chunk that added to it, and the frames of these chunks.
#[derive(Debug, Default)]
pub(super) struct UnitFrames {
    lengths: Vec<(usize, usize)>,
    /// The frame that completed the first tool call.
    call: Option<usize>,
}

impl UnitFrames {
    /// Adds a chunk of this frame, after which the text has `length` bytes.
    pub(super) fn add(&mut self, frame: usize, length: usize, has_complete_call: bool) {
        if self.lengths.last().map_or(0, |(before, _)| *before) < length {
            self.lengths.push((length, frame));
        }
        if has_complete_call {
            self.call.get_or_insert(frame);
        }
    }

    /// The frame that completed the first useful unit. `is_whole`: the answer came to its end, so that its last sentence is
    /// complete without a mark.
    pub(super) fn first(&self, content: &str, is_whole: bool) -> Option<usize> {
        let end = unit_end(content, is_whole);
        let text = end.and_then(|end| {
            let place = self.lengths.partition_point(|(length, _)| *length < end);
            self.lengths.get(place).map(|(_, frame)| *frame)
        });
        [text, self.call].into_iter().flatten().min()
    }
}

/// The end of the first useful unit of a text, in bytes.
fn unit_end(content: &str, is_whole: bool) -> Option<usize> {
    let begin = answer_begin(content)?;
    let text = &content[begin..];
    let json = text.strip_prefix("```").map_or(text, |fenced| {
        fenced.split_once('\n').map_or("", |(_, rest)| rest)
    });
    let end = if json.starts_with(['{', '[']) {
        json_end(json).map(|end| text.len() - json.len() + end)
    } else {
        let whole = || Some(text.trim_end().len()).filter(|end| is_whole && *end > 0);
        sentence_end(text).or_else(whole)
    };
    end.map(|end| begin + end)
}

/// The begin of an answer's text, behind spaces and reasoning within the text.
fn answer_begin(content: &str) -> Option<usize> {
    let mut begin = 0;
    if has_reasoning(content) {
        let ends = REASONING_TAGS.iter().filter_map(|tag| {
            let at = content.find(tag.close)?;
            Some(at + tag.close.len())
        });
        begin = ends.min()?;
    }
    let rest = content[begin..].trim_start();
    (!rest.is_empty()).then(|| content.len() - rest.len())
}

/// The end of the JSON value at the begin of a text, if it is one.
fn json_end(text: &str) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let parsed = values.next()?;
    parsed.ok().map(|_| values.byte_offset())
}

/// The end of the first sentence, or of the first line that is no heading; `None` if the text is not known to go on behind it.
fn sentence_end(text: &str) -> Option<usize> {
    let (mut line, mut has_word) = (0, false);
    for (at, mark) in text.char_indices() {
        let behind = at + mark.len_utf8();
        let before = &text[line..at];
        if mark == '\n' {
            let begin = before.trim_start();
            if has_word && !begin.starts_with('#') && !begin.starts_with("```") {
                return Some(line + before.trim_end().len());
            }
            (line, has_word) = (behind, false);
        } else if has_word && FULL_ENDS.contains(&mark) {
            return Some(behind);
        } else if has_word && ENDS.contains(&mark) && !(mark == '.' && is_within(before)) {
            let rest = text[behind..].trim_start_matches(CLOSERS);
            if rest.starts_with(char::is_whitespace) {
                return Some(text.len() - rest.len());
            }
        }
        has_word |= mark.is_alphanumeric();
    }
    None
}

/// Returns true if a full stop behind this text belongs to a word: an initial, an abbreviation, the number of a list.
fn is_within(before: &str) -> bool {
    let word = before.rsplit(|c: char| !c.is_alphanumeric()).next();
    let word = word.unwrap_or_default();
    let is_letter = || word.chars().count() == 1 && word.chars().all(char::is_alphabetic);
    let in_front = &before[..before.len() - word.len()];
    let is_item = || word.chars().all(|c| c.is_ascii_digit()) && in_front.trim_end().is_empty();
    is_letter() || is_item() || ABBREVIATIONS.contains(&&*word.to_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unit(text: &str) -> Option<&str> {
        unit_end(text, true).map(|end| &text[..end])
    }

    #[test]
    fn the_first_unit_of_an_answer() {
        for (text, expected) in [
            ("Paris.", Some("Paris.")),
            (
                "It is Paris. It has 2 million people.",
                Some("It is Paris."),
            ),
            ("Is it? Yes.", Some("Is it?")),
            ("He said \"no.\" Then he left.", Some("He said \"no.\"")),
            ("About 3.14 m. Or so.", Some("About 3.14 m. Or so.")),
            ("E.g. the U.S. has it. More.", Some("E.g. the U.S. has it.")),
            ("Dr. No is here. Hide.", Some("Dr. No is here.")),
            ("1. Open it. 2. Close it.", Some("1. Open it.")),
            (
                "# Title\n\nFirst line\nsecond",
                Some("# Title\n\nFirst line"),
            ),
            ("今日は晴れ。明日は雨。", Some("今日は晴れ。")),
            ("no end", Some("no end")),
            ("  \n", None),
            ("", None),
            ("...", Some("...")),
            ("{\"a\": \"x. y\"} trailing.", Some("{\"a\": \"x. y\"}")),
            (" [1, 2]\n[3]", Some(" [1, 2]")),
            (
                "```json\n{\"a\": 1}\n```\nDone.",
                Some("```json\n{\"a\": 1}"),
            ),
            ("{\"a\": 1", None),
            ("{broken} And a sentence.", None),
            ("```python\nprint(1)\n```", Some("```python\nprint(1)")),
            (
                "<think>Hm. Well.</think>\nParis. Yes.",
                Some("<think>Hm. Well.</think>\nParis."),
            ),
            ("<think>Hm. Well.", None),
        ] {
            assert_eq!(unit(text), expected, "{text:?}");
        }
        // An answer that was cut off is not known to end a sentence.
        assert_eq!(unit_end("no end", false), None);
        assert_eq!(unit_end("The end.", false), None);
        assert_eq!(unit_end("The end. And", false), Some(8));
    }

    #[test]
    fn the_work_is_linear() {
        // An answer may have 64 MiB: if each mark looked back to the begin of its line this would take days.
        let size = 4 << 20;
        for (begin, one) in [
            ("", "-"),
            ("", "."),
            ("a", "."),
            (" ", "a."),
            ("a", ".)"),
            (" ", "1."),
        ] {
            let text = format!("{}{}", begin.repeat(size), one.repeat(size));
            let _ = unit_end(&text, false);
        }
    }

    #[test]
    fn the_frame_is_that_of_the_chunk_with_its_end() {
        let mut frames = UnitFrames::default();
        for (frame, length) in [(1, 4), (2, 6), (2, 6), (5, 13)] {
            frames.add(frame, length, false);
        }
        assert_eq!(frames.first("It i\ns ok. Yes", true), Some(1));
        assert_eq!(frames.first("It is. And so", true), Some(2));
        assert_eq!(frames.first("It is it, yes", true), Some(5));
        assert_eq!(frames.first("It is it, yes", false), None);
        frames.add(6, 13, true);
        frames.add(7, 13, true);
        assert_eq!(frames.first("It is it, yes", false), Some(6));
    }

    proptest! {
        // Whatever the text and its chunks, the unit ends in the first chunk that reaches its last byte.
        #[test]
        fn any_cut_gives_the_same_end(text in "([a-z.!?{}\\[\\]\":,0-9 \n#]|。){0,60}", cuts in prop::collection::vec(1_usize..9, 0..40)) {
            let mut frames = UnitFrames::default();
            let mut length = 0;
            for (frame, cut) in cuts.iter().enumerate() {
                length = (length + cut).min(text.len());
                frames.add(frame, length, false);
            }
            frames.add(cuts.len(), text.len(), false);
            let mut ends = vec![0];
            ends.extend(cuts.iter().scan(0, |sum, cut| { *sum = (*sum + cut).min(text.len()); Some(*sum) }));
            ends.push(text.len());
            let expected = unit_end(&text, true).map(|end| ends[1..].iter().position(|reached| *reached >= end).unwrap());
            prop_assert_eq!(frames.first(&text, true), expected);
            if let Some(end) = unit_end(&text, true) {
                prop_assert!(text.is_char_boundary(end) && !text[..end].trim().is_empty());
            }
        }

        // More text never moves the end of a sentence that was complete.
        #[test]
        fn an_end_stays(text in "[a-z.!? \n#]{0,40}", more in "[a-z.!? \n#]{0,40}") {
            if let Some(end) = unit_end(&text, false) {
                prop_assert_eq!(unit_end(&format!("{text}{more}"), false), Some(end));
            }
        }
    }
}
