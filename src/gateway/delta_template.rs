//! The common event of a stream: it differs from the one before it in its text alone.
//!
//! Owns the bytes that such events share, and the way from the bytes between to the text. Must not know what the shared
//! bytes mean. Invariant: a text is read only where the full decoder reads the same text from an event that is
//! otherwise like the last one; in doubt nothing is read.

use super::bill::ReportedBill;
use super::chunk::{Chunk, ChunkPiece};
use super::sse::BYTES_PER_EVENT;
use crate::record::Usage;

/// The beginning of a string that `OpenAI` draws at random for each chunk: no route reads a key of this name.
const PADDING: &[u8] = br#","obfuscation":""#;

/// An event with a hole for its text, and perhaps one for its padding.
#[derive(Debug, Clone, Copy)]
pub(super) struct DeltaTemplate<'a> {
    is_reasoning: bool,
    /// The bytes up to the text, its quote included.
    before: &'a [u8],
    /// The bytes after the text: all of them, or those up to the padding.
    after: &'a [u8],
    /// The bytes after the padding, if there is any.
    after_padding: Option<&'a [u8]>,
}

impl<'a> DeltaTemplate<'a> {
    /// The template of an event, given its chunk. `None` if other events of the same bytes around the text could mean
    /// something else, or have to be read again.
    pub(super) fn new(event: &'a [u8], chunk: &Chunk<'_>) -> Option<Self> {
        let piece = only_piece(chunk)?;
        let (is_reasoning, text) = match piece {
            ChunkPiece::Content(text) => (false, text),
            ChunkPiece::Reasoning(text) => (true, text),
            _ => return None,
        };
        // A text without escapes is borrowed from the event.
        let start = text.as_ptr().addr().checked_sub(event.as_ptr().addr())?;
        let (before, text_and_after) = event.split_at_checked(start)?;
        let (_, after) = text_and_after.split_at_checked(text.len())?;
        if !(before.ends_with(b"\"") && after.starts_with(b"\"")) {
            return None;
        }
        let mut template = Self {
            is_reasoning,
            before,
            after,
            after_padding: None,
        };
        if let Some(at) = memchr::memmem::find(after, PADDING) {
            let (after, padding) = after.split_at(at + PADDING.len());
            template.after = after;
            template.after_padding = Some(&padding[string_end(padding)?..]);
        }
        Some(template)
    }

    /// Reads the event at the begin of these bytes. Returns its text and its length, if it fits; escapes are replaced in
    /// `scratch`.
    pub(super) fn read<'b>(
        &self,
        bytes: &'b [u8],
        scratch: &'b mut String,
    ) -> Option<(ChunkPiece<'b>, usize)> {
        let text_and_after = bytes.strip_prefix(self.before)?;
        let (text, after) = text_and_after.split_at(string_end(text_and_after)?);
        let mut rest = after.strip_prefix(self.after)?;
        if let Some(after_padding) = self.after_padding {
            let (padding, after) = rest.split_at(string_end(rest)?);
            if !padding.is_ascii() || padding.contains(&b'\\') {
                return None;
            }
            rest = after.strip_prefix(after_padding)?;
        }
        let length = bytes.len() - rest.len();
        if text.is_empty() || length > BYTES_PER_EVENT {
            return None;
        }
        let text = unescaped(std::str::from_utf8(text).ok()?, scratch)?;
        let piece = if self.is_reasoning {
            ChunkPiece::Reasoning(text.into())
        } else {
            ChunkPiece::Content(text.into())
        };
        Some((piece, length))
    }
}

/// The piece of a chunk that has one, and nothing else that would count if it came again.
fn only_piece<'b, 'a>(chunk: &'b Chunk<'a>) -> Option<&'b ChunkPiece<'a>> {
    // Every field is named, so that a new one does not compile before it is thought of here.
    let Chunk {
        id: _,
        model: _,
        has_choice: _,
        provider: _,
        generation_id: _,
        service_tier: _,
        hidden_reasoning: _,
        pieces,
        unread_chars: 0,
        whole: false,
        signed_reasoning: false,
        has_other_output: false,
        is_incomplete: false,
        finish_reason: None,
        usage,
        fresh_prompt_tokens: None,
        total_tokens: None,
        bill,
        has_ticks: false,
        fallback_model: None,
        usage_parts,
        unread_usage,
        route: None,
        error: None,
        has_halves: false,
        is_last: false,
    } = chunk
    else {
        return None;
    };
    let has_counts = *usage != Usage::default() || *bill != ReportedBill::default();
    let has_lists = !usage_parts.is_empty() || !unread_usage.is_empty();
    match &pieces[..] {
        [piece] if !has_counts && !has_lists => Some(piece),
        _ => None,
    }
}

/// The length of the rest of a JSON string, up to its closing quote. `None` for bytes that no string has.
fn string_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += bytes[at..]
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
        match bytes[at] {
            b'"' => return Some(at),
            b'\\' if at + 2 <= bytes.len() => at += 2,
            _ => return None,
        }
    }
}

/// The text with its escapes replaced. `None` for what is no escape, and for half a surrogate pair.
fn unescaped<'b>(text: &'b str, scratch: &'b mut String) -> Option<&'b str> {
    let Some((plain, mut rest)) = text.split_once('\\') else {
        return Some(text);
    };
    scratch.clear();
    scratch.push_str(plain);
    loop {
        let mut escape = rest.chars();
        scratch.push(match escape.next()? {
            c @ ('"' | '\\' | '/') => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = unit(&mut escape)?;
                let is_half = (0xD800..0xDC00).contains(&first);
                let second = if is_half && escape.as_str().starts_with("\\u") {
                    escape = escape.as_str()[2..].chars();
                    Some(unit(&mut escape)?)
                } else {
                    None
                };
                let units = [first].into_iter().chain(second);
                char::decode_utf16(units).next()?.ok()?
            }
            _ => return None,
        });
        let Some((plain, after)) = escape.as_str().split_once('\\') else {
            scratch.push_str(escape.as_str());
            return Some(scratch);
        };
        scratch.push_str(plain);
        rest = after;
    }
}

/// The number of four hexadecimal digits.
fn unit(digits: &mut std::str::Chars<'_>) -> Option<u16> {
    (0..4).try_fold(0, |unit, _| {
        let digit = digits.next()?.to_digit(16)?;
        Some(unit << 4 | u16::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::{route, sse};
    use proptest::prelude::*;

    /// Texts as JSON writes them, with every kind of escape, halves of surrogate pairs, and what is none.
    fn json_text() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            8 => "[a-zA-Z ,.:{}\\[\\]']{0,8}",
            2 => "[äß世🦀\u{7f}\u{2028}]{1,3}",
            2 => prop::sample::select(vec!["\\n", "\\\"", "\\\\", "\\/", "\\t", "\\r", "\\b", "\\f"]).prop_map(str::to_owned),
            1 => "\\\\u[0-9a-fA-F]{4}",
            1 => "\\\\ud[89ab][0-9a-f]{2}\\\\ud[c-f][0-9a-f]{2}",
            1 => prop::sample::select(vec!["\\x", "\\u12", "\\u+123", "\n", "\t", "\0", "\"", "\\"]).prop_map(str::to_owned),
        ];
        prop::collection::vec(part, 0..4).prop_map(|parts| parts.concat())
    }

    /// The events of servers, without their texts: the bytes before, those after.
    fn envelope() -> impl Strategy<Value = (&'static str, &'static str)> {
        prop::sample::select(vec![
            (
                r#"data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","service_tier":"default","choices":[{"index":0,"delta":{"content":""#,
                "\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n",
            ),
            (
                r#"data: {"id":"c1","choices":[{"index":0,"delta":{"role":"assistant","content":""#,
                "\"}}],\"obfuscation\":\"PAD\"}\r\n\r\n",
            ),
            (
                r#"data:{"choices":[{"delta":{"reasoning_content":""#,
                "\",\"content\":null}}]}\r\r",
            ),
            (
                r#"data: {"choices":[{"delta":{"reasoning":""#,
                "\",\"content\":\"\"}}]}\n\n",
            ),
            (
                r#"data: {"choices":[{"delta":{"content":[{"type":"text","text":""#,
                "\"}]}}]}\n\n",
            ),
            (
                "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"",
                "\"}}\n\n",
            ),
            (
                "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"",
                "\",\"obfuscation\":\"PAD\"}\n\n",
            ),
            // Not common: what they add is more than a text.
            (r#"data: {"choices":[{"text":""#, "\"}]}\n\n"),
            (r#"data: {"choices":[{"message":{"content":""#, "\"}}]}\n\n"),
            (
                r#"data: {"choices":[{"index":1,"delta":{"content":""#,
                "\"}}]}\n\n",
            ),
            (
                r#"data: {"choices":[{"delta":{"content":""#,
                "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"completion_tokens\":3}}\n\n",
            ),
            (
                r#"data: {"choices":[{"delta":{"refusal":""#,
                "\",\"content\":\"a\"}}]}\n\n",
            ),
        ])
    }

    /// The chunk of the first of these events, as the full decoder reads it, and the offset at which it was complete.
    fn full(bytes: &[u8]) -> Option<(Chunk<'_>, usize)> {
        let event = sse::events(bytes)
            .next()?
            .ok()
            .filter(|event| event.closed)?;
        let std::borrow::Cow::Borrowed(text) = event.text else {
            return None;
        };
        Some((route::parse(text)?, event.end))
    }

    proptest! {
        // The fast path has no opinion of its own: what it reads, the full decoder reads, and nothing else with it.
        #[test]
        fn a_repeated_event_is_read_as_in_full(
            (before, after) in envelope(), pads in ["[a-z]{0,9}", "[a-z\\\\n\u{e4}]{0,9}"], other in json_text(),
            damage in prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>())),
        ) {
            let first = format!("{before}text{}", after.replace("PAD", &pads[0]));
            let (first_chunk, end) = full(first.as_bytes()).unwrap();
            let Some(template) = DeltaTemplate::new(&first.as_bytes()[..end], &first_chunk) else {
                return Ok(());
            };
            let mut next = format!("{before}{other}{}", after.replace("PAD", &pads[1])).into_bytes();
            if let Some((at, byte)) = damage {
                *at.get_mut(&mut next) = byte;
            }
            let rest = [&next[..], first.as_bytes()].concat();
            let mut scratch = String::new();
            let Some((piece, length)) = template.read(&rest, &mut scratch) else {
                return Ok(());
            };
            let Some((mut chunk, end)) = full(&rest) else {
                return Err(TestCaseError::fail("the full decoder reads no chunk"));
            };
            prop_assert_eq!(length, end);
            prop_assert_eq!(&chunk.pieces, &[piece]);
            chunk.pieces.clone_from(&first_chunk.pieces);
            prop_assert_eq!(chunk, first_chunk);
        }

        // The fast path is taken: any text that servers write, with any escape, in any common event.
        #[test]
        fn common_events_are_repeated(
            (before, after) in envelope().prop_filter("common", |(_, after)| {
                !["stop", "\"}]}\n", "\"a\"", "\"}}]}\n"].iter().any(|rare| after.contains(rare)) || after.contains("PAD")
            }),
            pads in ["[a-zA-Z0-9]{0,9}", "[a-zA-Z0-9]{0,9}"], text in "([a-z \n\"\\\\]|[äß世🦀\u{1}]){1,20}", is_ascii in any::<bool>(),
        ) {
            let first = format!("{before}text{}", after.replace("PAD", &pads[0]));
            let (chunk, end) = full(first.as_bytes()).unwrap();
            let template = DeltaTemplate::new(&first.as_bytes()[..end], &chunk).unwrap();
            let mut json = serde_json::to_string(&text).unwrap();
            if is_ascii {
                json = json.chars().map(|c| if c.is_ascii() { c.to_string() } else {
                    let units: Vec<String> = c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect();
                    units.concat()
                }).collect();
            }
            let next = format!("{before}{}{}", &json[1..json.len() - 1], after.replace("PAD", &pads[1]));
            let mut scratch = String::new();
            let (piece, _) = template.read(next.as_bytes(), &mut scratch).unwrap();
            let (ChunkPiece::Content(read) | ChunkPiece::Reasoning(read)) = piece else { unreachable!() };
            prop_assert_eq!(read, text);
        }
    }

    #[test]
    fn events_that_add_more_than_a_text_have_no_template() {
        // Their other parts would be lost: counts, the end of the answer, a second piece.
        for event in [
            r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"delta":{"content":"a"}}],"usage":{"completion_tokens":3}}"#,
            r#"{"choices":[{"delta":{"content":"a","reasoning":"b"}}]}"#,
            r#"{"choices":[{"delta":{"content":""}}]}"#,
            r#"{"choices":[{"delta":{"content":"a\n"}}]}"#,
            r#"{"choices":[{"message":{"content":"a"}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"a"}}]}}]}"#,
        ] {
            let event = format!("data: {event}\n\n");
            let (chunk, _) = full(event.as_bytes()).unwrap();
            assert!(
                DeltaTemplate::new(event.as_bytes(), &chunk).is_none(),
                "{event}"
            );
        }
    }
}
