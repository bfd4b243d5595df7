//! The chunks of one answer, joined.
//!
//! Owns what accumulates over chunks: texts, tool calls, usage, bills. Must not know bytes or times. Invariant:
//! the order of chunks is the order of the answer; counts are the last reported ones, never sums.

use std::collections::BTreeSet;

use super::bill::ReportedBill;
use super::chunk::{Chunk, ChunkPiece, Route, ToolFragment};
use super::fault::ApiError;
use super::surrogates;
use super::usage::{UsagePart, merge_usage, newer_count};
use crate::record::{ToolCall, Usage};

/// Most tool calls of one answer. Real answers have a few; each is searched in this list.
pub(super) const TOOL_CALLS_PER_ANSWER: usize = 256;

/// Most names of unknown places of usage that are kept: a chunk with usage each can have others each time.
const UNREAD_PLACES: usize = 16;

/// Prompt tokens that were read from a cache or written to it.
fn cache_tokens(usage: &Usage) -> u64 {
    let cache = [usage.cached_tokens, usage.cache_write_tokens];
    cache.into_iter().flatten().fold(0, u64::saturating_add)
}

/// The answer so far.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each says one thing of the answer, and any of them can hold together"
)]
#[derive(Debug, Default)]
pub(super) struct Transcript {
    pub(super) content: String,
    pub(super) refusal: String,
    pub(super) reasoning: String,
    pub(super) answer_chars: u64,
    pub(super) reasoning_chars: u64,
    /// See [`Chunk::unread_chars`].
    unread_chars: u64,
    pub(super) finish_reason: Option<String>,
    pub(super) usage: Option<Usage>,
    /// The largest prompt and completion counts of any state of `usage`.
    pub(super) largest_usage: Usage,
    /// See [`Chunk::fresh_prompt_tokens`].
    fresh_prompt_tokens: Option<u64>,
    pub(super) total_tokens: Option<u64>,
    pub(super) bill: ReportedBill,
    /// True if an amount came in xAI's unit.
    pub(super) has_ticks: bool,
    /// The service tier that served the answer.
    pub(super) service_tier: Option<String>,
    /// See [`Chunk::unread_usage`]; sorted, no duplicates.
    pub(super) unread_usage: BTreeSet<String>,
    /// The model of a fallback on the server's side.
    pub(super) fallback_model: Option<String>,
    /// The parts of the answer by model.
    pub(super) usage_parts: Vec<UsagePart>,
    pub(super) route: Option<Route>,
    pub(super) provider: Option<String>,
    /// The model that the server names.
    pub(super) model: Option<String>,
    /// The gateway's id of the generation.
    pub(super) generation_id: Option<String>,
    /// The id on the envelopes.
    pub(super) envelope_id: Option<String>,
    pub(super) hidden_reasoning: bool,
    pub(super) has_choice: bool,
    /// The answer has something that is not read, such as an image.
    has_other_output: bool,
    /// The server says that the answer is not whole.
    pub(super) is_incomplete: bool,
    /// Texts may have stand-ins for halves of surrogate pairs.
    has_halves: bool,
    pub(super) error: Option<ApiError>,
    /// More tool calls than [`TOOL_CALLS_PER_ANSWER`].
    pub(super) too_many_calls: bool,
    /// A tool call has all its arguments.
    pub(super) has_complete_call: bool,
    calls: Vec<Call>,
}

#[derive(Debug, Default)]
struct Call {
    index: Option<u64>,
    joined: ToolCall,
    arguments: JsonDepth,
}

/// The depth of a JSON text that comes in parts.
#[derive(Debug, Default)]
struct JsonDepth {
    depth: u64,
    has_begun: bool,
    in_string: bool,
    is_escaped: bool,
}

impl JsonDepth {
    /// Adds the next part.
    fn add(&mut self, part: &str) {
        for byte in part.bytes() {
            match byte {
                _ if std::mem::take(&mut self.is_escaped) => {}
                b'\\' if self.in_string => self.is_escaped = true,
                b'"' => self.in_string ^= true,
                b'{' | b'[' if !self.in_string => {
                    self.has_begun = true;
                    self.depth += 1;
                }
                b'}' | b']' if !self.in_string => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    /// True outside of every object and string, also before the first one.
    const fn is_balanced(&self) -> bool {
        self.depth == 0 && !self.in_string
    }

    /// True behind an object.
    const fn is_complete(&self) -> bool {
        self.has_begun && self.is_balanced()
    }
}

impl Call {
    /// True if a fragment continues this call, as far as ids and names tell.
    ///
    /// A new id opens a new call: some servers number every call 0. But others give every fragment an id of its
    /// own, and others repeat the name with each: such a fragment continues arguments that are not complete.
    fn continues_with(&self, part: &ToolFragment<'_>) -> bool {
        let known_id = self.joined.id.as_deref();
        let is_new_id = !part.id.is_empty() && known_id.is_some_and(|known| known != part.id);
        let has_name = !part.name.is_empty();
        let same_name = part.name == self.joined.name;
        if is_new_id {
            return if has_name {
                same_name && !self.arguments.is_balanced()
            } else {
                !(self.arguments.is_complete() && part.arguments.is_empty())
            };
        }
        let is_known = part.index.is_some() || (!part.id.is_empty() && known_id.is_some());
        // Without numbers and ids, a name is all that can open a call.
        let opens = has_name && !self.joined.name.is_empty();
        is_known || !opens || (same_name && !self.arguments.is_complete())
    }
}

/// The characters that one chunk added; a chunk that added none bears no token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct AddedChars {
    /// Content, refusal, tool calls.
    pub(super) answer_chars: u64,
    /// Visible reasoning.
    pub(super) reasoning_chars: u64,
}

impl AddedChars {
    pub(super) const fn chars(self) -> u64 {
        self.answer_chars + self.reasoning_chars
    }
}

impl Transcript {
    /// Adds the next chunk.
    pub(super) fn add_chunk(&mut self, chunk: Chunk<'_>) -> AddedChars {
        self.has_halves |= chunk.has_halves;
        let has_halves = self.has_halves;
        let own = |text: std::borrow::Cow<'_, str>| {
            if has_halves {
                surrogates::without_halves(&text).into_owned()
            } else {
                text.into_owned()
            }
        };
        self.has_choice |= chunk.has_choice;
        self.unread_chars += chunk.unread_chars;
        self.has_other_output |= chunk.has_other_output;
        self.is_incomplete |= chunk.is_incomplete;
        self.hidden_reasoning |= chunk.hidden_reasoning;
        self.hidden_reasoning |= chunk.signed_reasoning && self.reasoning_chars == 0;
        if self.envelope_id.is_none() {
            self.envelope_id = chunk.id.map(own);
        }
        if self.model.is_none() {
            self.model = chunk.model.map(own);
        }
        if self.provider.is_none() {
            self.provider = chunk.provider.map(own);
        }
        if let Some(id) = chunk.generation_id {
            self.generation_id = Some(own(id));
        }
        if let Some(reason) = chunk.finish_reason {
            self.finish_reason = Some(own(reason));
        }
        self.has_ticks |= chunk.has_ticks;
        self.fallback_model = chunk.fallback_model.or(self.fallback_model.take());
        if !chunk.usage_parts.is_empty() {
            self.usage_parts = chunk.usage_parts;
        }
        if let Some(tier) = chunk.service_tier {
            self.service_tier = Some(own(tier));
        }
        if self.unread_usage.len() < UNREAD_PLACES {
            self.unread_usage.extend(chunk.unread_usage);
        }
        let cache_before = self.usage.as_ref().map_or(0, cache_tokens);
        if chunk.usage != Usage::default() {
            self.usage = Some(merge_usage(chunk.usage, self.usage.unwrap_or_default()));
        }
        // A 0 is news only beside cached tokens that were not counted before: those are the prompt.
        let is_first_cache = cache_tokens(&chunk.usage) > 0 && cache_before == 0;
        self.fresh_prompt_tokens = match chunk.fresh_prompt_tokens {
            Some(0) if is_first_cache => Some(0),
            fresh => newer_count(fresh, self.fresh_prompt_tokens),
        };
        if let Some(fresh) = self.fresh_prompt_tokens {
            let usage = self.usage.get_or_insert_default();
            usage.prompt_tokens = Some(fresh.saturating_add(cache_tokens(usage)));
        }
        let usage = self.usage.unwrap_or_default();
        let largest = &mut self.largest_usage;
        largest.prompt_tokens = largest.prompt_tokens.max(usage.prompt_tokens);
        largest.completion_tokens = largest.completion_tokens.max(usage.completion_tokens);
        self.total_tokens = newer_count(chunk.total_tokens, self.total_tokens);
        self.bill = chunk.bill.or_older(self.bill);
        if chunk.route.is_some() {
            self.route = chunk.route;
        }
        if self.error.is_none() {
            self.error = chunk.error;
        }
        // A whole message after its own deltas repeats them.
        let repeated = chunk.whole && self.answer_chars + self.reasoning_chars > 0;
        if repeated {
            return AddedChars::default();
        }
        chunk
            .pieces
            .into_iter()
            .fold(AddedChars::default(), |added, piece| {
                self.add_piece(piece, added)
            })
    }

    /// Adds a piece to what its chunk added before.
    pub(super) fn add_piece(&mut self, piece: ChunkPiece<'_>, mut added: AddedChars) -> AddedChars {
        let has_halves = self.has_halves;
        let mut chars = piece.chars();
        // The second half of a character completes one that was counted: it bears a token, and is none more.
        let mut joined = 0;
        match piece {
            ChunkPiece::Reasoning(text) => {
                joined = append(&mut self.reasoning, &text, has_halves);
                self.reasoning_chars += chars - joined;
                added.reasoning_chars += chars;
                return added;
            }
            ChunkPiece::Content(text) => joined = append(&mut self.content, &text, has_halves),
            ChunkPiece::Refusal(text) => joined = append(&mut self.refusal, &text, has_halves),
            ChunkPiece::ToolCall(part) => (chars, joined) = self.add_call(&part),
            ChunkPiece::CompletedCall(part) => chars = self.add_completed_call(&part),
        }
        self.answer_chars += chars - joined;
        added.answer_chars += chars;
        added
    }

    /// Adds a fragment to its call: the last one of its index, where the server numbers them, else the last
    /// one. Returns its characters, and how many of them complete others. A name that the call has already adds
    /// nothing: some servers repeat it with every fragment.
    fn add_call(&mut self, part: &ToolFragment<'_>) -> (u64, u64) {
        let belongs = |call: &Call| {
            let same_index = part.index.is_none() || call.index == part.index;
            same_index && call.continues_with(part)
        };
        // Unnumbered fragments continue the last call or open one.
        let reach = if part.index.is_some() {
            self.calls.len()
        } else {
            1
        };
        let found = self.calls.iter().rev().take(reach).position(belongs);
        let index = match found {
            Some(back) => self.calls.len() - 1 - back,
            None if self.calls.len() < TOOL_CALLS_PER_ANSWER => {
                self.calls.push(Call {
                    index: part.index,
                    ..Call::default()
                });
                self.calls.len() - 1
            }
            None => {
                self.too_many_calls = true;
                return (0, 0);
            }
        };
        let has_halves = self.has_halves;
        let call = &mut self.calls[index];
        if !part.id.is_empty() && call.joined.id.is_none() {
            call.joined.id = Some(part.id.clone().into_owned());
        }
        let (mut chars, mut joined) = (part.arguments.chars().count() as u64, 0);
        if part.name != call.joined.name {
            chars += part.name.chars().count() as u64;
            joined += append(&mut call.joined.name, &part.name, has_halves);
        }
        joined += append(&mut call.joined.arguments, &part.arguments, has_halves);
        call.arguments.add(&part.arguments);
        self.has_complete_call |= call.arguments.is_complete();
        (chars, joined)
    }

    /// Adds the parts of a complete call that its fragments did not have, and returns their characters. It is
    /// the call of its id, else the last one of its index, where the server numbers them.
    fn add_completed_call(&mut self, done: &ToolFragment<'_>) -> u64 {
        self.has_complete_call = true;
        let same_id =
            |call: &Call| !done.id.is_empty() && call.joined.id.as_deref() == Some(&*done.id);
        let same_index = |call: &Call| {
            let same = done.index.is_none() || call.index == done.index;
            same && (done.id.is_empty() || call.joined.id.is_none())
        };
        let known = self.calls.iter().rposition(same_id);
        let Some(index) = known.or_else(|| self.calls.iter().rposition(same_index)) else {
            self.add_call(done);
            return ChunkPiece::CompletedCall(done.clone()).chars();
        };
        let call = &mut self.calls[index].joined;
        if call.id.is_none() && !done.id.is_empty() {
            call.id = Some(done.id.clone().into_owned());
        }
        let mut chars = 0;
        for (known, whole) in [
            (&mut call.name, &done.name),
            (&mut call.arguments, &done.arguments),
        ] {
            if known.is_empty() {
                known.push_str(whole);
                chars += whole.chars().count() as u64;
            }
        }
        chars
    }

    /// The tool calls, in the order in which they were opened. One without a name and arguments is none.
    pub(super) fn tool_calls(&mut self) -> Vec<ToolCall> {
        let calls = std::mem::take(&mut self.calls).into_iter();
        let calls = calls.map(|call| call.joined);
        calls
            .filter(|call| !(call.name.is_empty() && call.arguments.is_empty()))
            .collect()
    }

    /// Replaces halves of surrogate pairs that are left at the ends of texts.
    pub(super) fn close_texts(&mut self) {
        if !self.has_halves {
            return;
        }
        let calls = self.calls.iter_mut().map(|call| &mut call.joined);
        let calls = calls.flat_map(|call| [&mut call.name, &mut call.arguments]);
        let texts = [&mut self.content, &mut self.refusal, &mut self.reasoning];
        for text in texts.into_iter().chain(calls) {
            *text = surrogates::without_halves(text).into_owned();
        }
        if let Some(error) = &mut self.error {
            error.message = surrogates::without_halves(&error.message).into_owned();
        }
    }

    /// True if no token came.
    pub(super) const fn is_silent(&self) -> bool {
        self.answer_chars + self.reasoning_chars == 0
    }

    /// True if nothing came that could be an answer.
    pub(super) const fn is_empty(&self) -> bool {
        self.is_silent() && !self.has_other_output
    }

    /// Characters of output that is paid for and not read; an image or sound is one at least.
    pub(super) fn unread_chars(&self) -> u64 {
        self.unread_chars
            .saturating_add(self.has_other_output.into())
    }

    /// True if the model refused: the text of a refusal and nothing else.
    pub(super) fn is_refusal(&self) -> bool {
        !self.refusal.is_empty() && self.content.is_empty() && self.calls.is_empty()
    }
}

/// Appends a text. Returns the number of characters of it that complete others.
fn append(text: &mut String, part: &str, has_halves: bool) -> u64 {
    if has_halves {
        surrogates::append(text, part)
    } else {
        text.push_str(part);
        0
    }
}
