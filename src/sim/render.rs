//! An answer as the events of a streamed chat, in any dialect.
//!
//! Owns the JSON of each chunk and the order of events. Must not know how events become bytes on the wire, nor
//! how a stream breaks: that is in `framing` and `ending`. Invariant: events are in order of time, and exactly
//! those are marked as tokens whose text a reader would count.

use serde_json::{Value, json};

use super::answer::{Answer, AnswerPiece, PieceKind};
use super::chat::{self, Identity};
use super::dialect::{Dialect, ThinkingField, UsagePosition};
use super::fault::{Fault, FaultSet};
use super::request::ChatRequest;
use crate::units::Nanos;

/// The size of the event of `huge-event`, in bytes: larger than any line limit that a client might set
/// carelessly.
const HUGE_EVENT_BYTES: usize = 1024 * 1024;
/// The interval of comments of a server that sends them while it waits.
const COMMENT_EVERY: Nanos = Nanos::from_millis(100);
/// The maximum number of comments while waiting, so that a long wait is a short script.
const MAX_COMMENTS: u64 = 100;

/// The content of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// The text after `data:`.
    Chunk(Vec<u8>),
    /// A named event with its data.
    Named(&'static str, Vec<u8>),
    /// A comment.
    Comment(&'static str),
}

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEvent {
    /// Time since the request's arrival.
    pub at: Nanos,
    /// Its content.
    pub payload: Payload,
    /// True if it carries a token.
    pub token: bool,
}

impl StreamEvent {
    /// Creates a chunk without tokens.
    pub fn chunk(at: Nanos, json: impl Into<Vec<u8>>) -> Self {
        Self {
            at,
            payload: Payload::Chunk(json.into()),
            token: false,
        }
    }

    /// Creates the event that ends a stream.
    pub fn done(at: Nanos) -> Self {
        Self::chunk(at, "[DONE]")
    }
}

/// Returns the events of a complete answer, `[DONE]` included.
pub fn events(
    answer: &Answer,
    identity: &Identity,
    request: &ChatRequest,
    faults: &FaultSet,
) -> Vec<StreamEvent> {
    let stream = ChatStream {
        answer,
        envelope: Envelope::new(identity, faults.dialect),
        identity,
        faults,
        request,
    };
    let mut events = stream.preamble();
    let merge = stream.is_dialect(Dialect::Mistral) || faults.has(Fault::OneChunk);
    let shown = answer.pieces.iter().filter(|piece| stream.shows(piece));
    let shown: Vec<&AnswerPiece> = shown.collect();
    let last = shown.len().checked_sub(1).filter(|_| merge);
    let mut thinking = false;
    for (index, piece) in shown.iter().copied().enumerate() {
        let tags = stream.think_tags(piece, &mut thinking);
        let (finish, extra) = if last == Some(index) {
            (stream.finish_word(), stream.finish_extra())
        } else {
            ("null".to_owned(), stream.chunk_extra(piece, index))
        };
        let delta = stream.delta(piece, tags, index == 0);
        events.push(StreamEvent {
            at: piece.at,
            payload: Payload::Chunk(stream.envelope.chunk(&delta, &finish, &extra).into_bytes()),
            token: piece.kind != PieceKind::Encrypted,
        });
    }
    if let Some(at) = last.and_then(|_| shown.last()).map(|piece| piece.at) {
        events.push(StreamEvent::done(at));
        return events;
    }
    events.extend(stream.epilogue(thinking));
    events
}

/// The JSON that all chunks of an answer share, written once.
pub struct Envelope {
    /// The beginning up to the delta.
    head: String,
    /// The envelope without `choices`, for chunks that have none.
    bare: String,
    /// The JSON between the choices and their chunk's own keys.
    tail: String,
}

impl Envelope {
    /// Creates the envelope of an answer.
    pub fn new(identity: &Identity, dialect: Dialect) -> Self {
        let mut bare = format!(
            r#"{{"id":{},"object":"chat.completion.chunk","created":{},"model":{}"#,
            json!(identity.id),
            identity.created(),
            json!(identity.model),
        );
        if dialect == Dialect::OpenAi {
            bare.push_str(r#","service_tier":"default""#);
        }
        let tail = match dialect {
            // vLLM sends it on its last chunk only, Mistral never.
            Dialect::Vllm | Dialect::Mistral => String::new(),
            _ => format!(
                r#","system_fingerprint":"{}""#,
                identity.fingerprint(dialect)
            ),
        };
        Self {
            head: format!(r#"{bare},"choices":[{{"index":0,"delta":"#),
            bare,
            tail,
        }
    }

    /// Returns a chunk: `delta` and `finish` are JSON, `extra` is empty or begins with a comma.
    fn chunk(&self, delta: &str, finish: &str, extra: &str) -> String {
        format!(
            r#"{}{delta},"logprobs":null,"finish_reason":{finish}}}]{}{extra}}}"#,
            self.head, self.tail
        )
    }

    /// Returns a chunk without choices; `extra` begins with a comma.
    pub fn bare(&self, extra: &str) -> String {
        format!("{}{extra}}}", self.bare)
    }
}

struct ChatStream<'a> {
    answer: &'a Answer,
    envelope: Envelope,
    identity: &'a Identity,
    faults: &'a FaultSet,
    request: &'a ChatRequest,
}

impl ChatStream<'_> {
    fn has(&self, fault: Fault) -> bool {
        self.faults.has(fault)
    }

    fn is_dialect(&self, dialect: Dialect) -> bool {
        self.faults.dialect == dialect
    }

    /// Returns true if a piece is visible in this dialect at all.
    fn shows(&self, piece: &AnswerPiece) -> bool {
        match piece.kind {
            PieceKind::Thinking | PieceKind::Summary => {
                let field = chat::thinking_field(self.faults, self.request.parsed_reasoning);
                let anyway = self.has(Fault::ThinkTags) || self.has(Fault::ReasoningBoth);
                anyway || field != ThinkingField::Absent
            }
            PieceKind::Encrypted => self.faults.dialect.shows_encrypted(),
            _ => true,
        }
    }

    /// Returns everything before the first piece.
    fn preamble(&self) -> Vec<StreamEvent> {
        let at = self.answer.headers_at;
        let chunk = |delta: &str| StreamEvent::chunk(at, self.envelope.chunk(delta, "null", ""));
        let mut events = Vec::new();
        if self.is_dialect(Dialect::OpenRouter) {
            events.extend(self.comments("OPENROUTER PROCESSING"));
        }
        if self.is_dialect(Dialect::DeepSeek) {
            events.extend(self.comments("keep-alive"));
        }
        if self.is_dialect(Dialect::Azure) || self.has(Fault::AzureFirst) {
            events.push(StreamEvent::chunk(at, azure_first_chunk()));
        }
        let progress = self.is_dialect(Dialect::LlamaCpp) && self.request.progress;
        if progress || self.has(Fault::Progress) {
            events.extend(self.progress());
        }
        if self.has(Fault::HugeEvent) {
            let padding = "A".repeat(HUGE_EVENT_BYTES);
            events.push(chunk(&format!(
                r#"{{"provider_metadata":{{"padding":"{padding}"}}}}"#
            )));
        }
        if self.has(Fault::OneChunk) {
            events.sort_by_key(|event| event.at);
            return events;
        }
        let (delta, extra) = self.role();
        events.push(StreamEvent::chunk(
            at,
            self.envelope.chunk(delta, "null", &extra),
        ));
        if self.has(Fault::EmptyContent) {
            events.push(chunk(r#"{"content":""}"#));
            events.push(chunk(r#"{"content":null}"#));
            events.push(chunk("{}"));
        }
        if self.has(Fault::NullChoices) {
            events.push(StreamEvent::chunk(
                at,
                self.envelope.bare(r#","choices":null"#),
            ));
            events.push(StreamEvent::chunk(at, self.envelope.bare("")));
            events.push(StreamEvent::chunk(
                at,
                self.envelope.bare(r#","choices":[]"#),
            ));
        }
        events.sort_by_key(|event| event.at);
        events
    }

    fn role(&self) -> (&'static str, String) {
        let delta = match self.faults.dialect {
            Dialect::OpenAi | Dialect::Azure => {
                r#"{"role":"assistant","content":"","refusal":null}"#
            }
            Dialect::Vercel | Dialect::LiteLlm => r#"{"role":"assistant"}"#,
            Dialect::LlamaCpp => r#"{"role":"assistant","content":null}"#,
            _ => r#"{"role":"assistant","content":""}"#,
        };
        let mut extra = self.usage_before_finish(0);
        if self.is_dialect(Dialect::Groq) {
            add(&mut extra, "x_groq", &json!({ "id": self.groq_id() }));
        }
        (delta, extra)
    }

    fn groq_id(&self) -> String {
        format!("req_{}", self.identity.mark)
    }

    /// Returns comments from the headers until the first token.
    fn comments(&self, text: &'static str) -> Vec<StreamEvent> {
        let begin = self.answer.headers_at.0;
        let first = self.answer.pieces.first().map_or(begin, |piece| piece.at.0);
        let count = (first.saturating_sub(begin) / COMMENT_EVERY.0).min(MAX_COMMENTS);
        (0..=count)
            .map(|step| StreamEvent {
                at: Nanos(begin + step * COMMENT_EVERY.0),
                payload: Payload::Comment(text),
                token: false,
            })
            .collect()
    }

    /// Returns two reports on the processing of the prompt, half and complete.
    fn progress(&self) -> Vec<StreamEvent> {
        let total = self.answer.usage.prompt;
        let report = |processed: u64| {
            let progress =
                json!({ "total": total, "cache": 0, "processed": processed, "time_ms": 1 });
            let extra = format!(r#","prompt_progress":{progress}"#);
            let delta = r#"{"role":"assistant","content":null}"#;
            let chunk = self.envelope.chunk(delta, "null", &extra);
            StreamEvent::chunk(self.answer.headers_at, chunk)
        };
        vec![report(total / 2), report(total)]
    }

    /// Returns the tag of `think-tags` before a piece's text.
    fn think_tags(&self, piece: &AnswerPiece, thinking: &mut bool) -> &'static str {
        let thinks = matches!(piece.kind, PieceKind::Thinking | PieceKind::Summary);
        let tag = match (*thinking, thinks) {
            (false, true) => "<think>",
            (true, false) => "</think>\n\n",
            _ => "",
        };
        *thinking = thinks;
        if self.has(Fault::ThinkTags) { tag } else { "" }
    }

    /// Returns the delta of a piece, as JSON.
    fn delta(&self, piece: &AnswerPiece, tag: &str, first: bool) -> String {
        let text = || json!(format!("{tag}{}", piece.text)).to_string();
        let fields = match piece.kind {
            PieceKind::Thinking if self.has(Fault::ThinkTags) => format!(r#""content":{}"#, text()),
            PieceKind::Thinking | PieceKind::Summary => self.thinking_fields(piece.kind, &text()),
            PieceKind::Encrypted => format!(
                r#""reasoning_details":[{{"type":"reasoning.encrypted","data":{},"format":"openai-responses-v1","index":0}}]"#,
                text()
            ),
            PieceKind::Content if self.is_dialect(Dialect::Mistral) => {
                format!(r#""content":[{{"type":"text","text":{}}}]"#, text())
            }
            PieceKind::Content => format!(r#""content":{}"#, text()),
            PieceKind::Refusal => format!(r#""refusal":{}"#, text()),
            PieceKind::ToolName => format!(
                r#""tool_calls":[{{{}"id":"{}","type":"function","function":{{"name":{},"arguments":""}}}}]"#,
                self.tool_index(),
                chat::call_id(self.identity),
                text()
            ),
            PieceKind::ToolArguments if self.has(Fault::ToolNameRepeated) => format!(
                r#""tool_calls":[{{{}"id":"{}","type":"function","function":{{"name":{},"arguments":{}}}}}]"#,
                self.tool_index(),
                chat::call_id(self.identity),
                json!(chat::text(self.answer, &[PieceKind::ToolName])),
                text()
            ),
            PieceKind::ToolArguments => format!(
                r#""tool_calls":[{{{}"function":{{"arguments":{}}}}}]"#,
                self.tool_index(),
                text()
            ),
        };
        if first && self.has(Fault::OneChunk) {
            format!(r#"{{"role":"assistant",{fields}}}"#)
        } else {
            format!("{{{fields}}}")
        }
    }

    fn tool_index(&self) -> &'static str {
        if self.has(Fault::ToolCallNoIndex) {
            ""
        } else {
            r#""index":0,"#
        }
    }

    fn thinking_fields(&self, kind: PieceKind, text: &str) -> String {
        if self.has(Fault::ReasoningBoth) {
            return format!(r#""reasoning":{text},"reasoning_content":{text}"#);
        }
        match chat::thinking_field(self.faults, self.request.parsed_reasoning) {
            ThinkingField::Part => {
                return format!(
                    r#""content":[{{"type":"thinking","thinking":[{{"type":"text","text":{text}}}]}}]"#
                );
            }
            ThinkingField::ReasoningContent => return format!(r#""reasoning_content":{text}"#),
            ThinkingField::Reasoning if self.is_dialect(Dialect::Ollama) => {
                return format!(r#""content":"","reasoning":{text}"#);
            }
            ThinkingField::Reasoning => return format!(r#""reasoning":{text}"#),
            ThinkingField::Detailed | ThinkingField::Absent => {}
        }
        let detail = match kind {
            PieceKind::Summary => {
                format!(
                    r#""type":"reasoning.summary","summary":{text},"format":"openai-responses-v1""#
                )
            }
            _ => format!(r#""type":"reasoning.text","text":{text},"format":"unknown""#),
        };
        format!(r#""reasoning":{text},"reasoning_details":[{{{detail},"index":0}}]"#)
    }

    /// Returns the usage on chunks before the last.
    fn usage_before_finish(&self, completed: u64) -> String {
        let per_chunk = self.is_dialect(Dialect::Vllm) && self.request.usage_each;
        let cumulative = per_chunk || self.has(Fault::UsageEach) || self.has(Fault::UsageEachNull);
        if cumulative {
            let usage = chat::usage(self.answer, completed, self.faults);
            format!(r#","usage":{usage}"#)
        } else if self.has(Fault::UsageZeros) {
            r#","usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#.to_owned()
        } else if self.request.include_usage && chat::usage_dialect(self.faults) == Dialect::OpenAi
        {
            r#","usage":null"#.to_owned()
        } else {
            String::new()
        }
    }

    /// Returns the keys next to the choices of a piece's chunk.
    fn chunk_extra(&self, piece: &AnswerPiece, index: usize) -> String {
        let mut extra = self.usage_before_finish(piece.completed);
        let padded = self.is_dialect(Dialect::OpenAi) && self.request.obfuscation;
        if padded || self.has(Fault::Obfuscation) {
            // Deterministic lengths that vary from chunk to chunk.
            add(
                &mut extra,
                "obfuscation",
                &json!("x".repeat(1 + index * 7 % 23)),
            );
        }
        if self.is_dialect(Dialect::Mistral) {
            add(&mut extra, "p", &json!("abcdefgh".repeat(1 + index % 4)));
        }
        extra
    }

    fn finish_word(&self) -> String {
        json!(chat::finish_word(self.answer, self.faults)).to_string()
    }

    /// Returns the keys next to the choices of the finish chunk.
    fn finish_extra(&self) -> String {
        let usage = || {
            let completed = self.answer.usage.completion;
            chat::usage(self.answer, completed, self.faults)
        };
        let mut extra = String::new();
        let null = [Fault::FinishError, Fault::UsageEachNull];
        let null = null.into_iter().any(|fault| self.has(fault));
        let late = self.has_late_usage();
        let comes_later = late
            && self.request.include_usage
            && chat::usage_dialect(self.faults) == Dialect::OpenAi;
        if null || comes_later {
            add(&mut extra, "usage", &Value::Null);
        } else if !late && !self.has(Fault::NoUsage) {
            add(&mut extra, "usage", &usage());
        }
        match self.faults.dialect {
            Dialect::Groq if !self.has(Fault::NoUsage) => {
                let ends = json!({ "id": self.groq_id(), "usage": usage() });
                add(&mut extra, "x_groq", &ends);
            }
            // The last chunk has the timings: the one with the usage, if there is one.
            Dialect::LlamaCpp if !self.request.include_usage => {
                add(&mut extra, "timings", &chat::timings(self.answer));
            }
            Dialect::Vllm => {
                let name = self.identity.fingerprint(Dialect::Vllm);
                add(&mut extra, "system_fingerprint", &json!(name));
            }
            Dialect::OpenRouter => {
                add(&mut extra, "provider", &json!(self.answer.provider()));
            }
            _ => {}
        }
        if chat::is_vercel(self.faults) {
            add(
                &mut extra,
                "generationId",
                &json!(self.identity.generation_id),
            );
        }
        extra
    }

    /// Returns true if usage has a chunk of its own after the finish.
    fn has_late_usage(&self) -> bool {
        let place = self.faults.dialect.usage_position();
        self.has(Fault::OpenAiUsage) || place != UsagePosition::Finish
    }

    /// Returns the finish, late usage and `[DONE]`.
    fn epilogue(&self, thinking: bool) -> Vec<StreamEvent> {
        let at = self.answer.finish_at;
        let mut events = Vec::new();
        let delta = if chat::is_vercel(self.faults) {
            let metadata = chat::provider_metadata(self.identity, self.answer, self.faults);
            format!(r#"{{"provider_metadata":{metadata}}}"#)
        } else {
            "{}".to_owned()
        };
        if thinking && self.has(Fault::ThinkTags) {
            let close = self.envelope.chunk(r#"{"content":"</think>"}"#, "null", "");
            events.push(StreamEvent::chunk(at, close));
        }
        let finish = self
            .envelope
            .chunk(&delta, &self.finish_word(), &self.finish_extra());
        events.push(StreamEvent::chunk(at, finish));
        let place = self.faults.dialect.usage_position();
        let wants_usage = self.request.include_usage || place == UsagePosition::After;
        if self.has_late_usage() && wants_usage && !self.has(Fault::NoUsage) {
            let usage = chat::usage(self.answer, self.answer.usage.completion, self.faults);
            let mut extra = format!(r#","choices":[],"usage":{usage}"#);
            if self.is_dialect(Dialect::LlamaCpp) {
                add(&mut extra, "timings", &chat::timings(self.answer));
            }
            let late = self.envelope.bare(&extra);
            events.push(StreamEvent::chunk(at, late));
        }
        events.push(StreamEvent::done(at));
        events
    }
}

/// Adds a key next to the choices.
fn add(extra: &mut String, key: &str, value: &Value) {
    for part in [",\"", key, "\":", &value.to_string()] {
        extra.push_str(part);
    }
}

/// The first chunk of a stream from Azure: nothing in it names the answer.
fn azure_first_chunk() -> String {
    let safe = json!({ "filtered": false, "severity": "safe" });
    let results = json!({ "hate": safe, "violence": safe });
    json!({
        "id": "", "object": "", "created": 0, "model": "", "choices": [],
        "prompt_filter_results": [{ "prompt_index": 0, "content_filter_results": results }],
    })
    .to_string()
}
