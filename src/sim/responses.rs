//! An answer on the Responses route: `OpenAI`'s events and bodies.
//!
//! Owns the items of a response and the order of its events. Must not know how events become bytes or how a
//! stream breaks. Invariants: `sequence_number` counts the events from 0; every item and part that is added is
//! done before the next; the last event holds the complete response.

use serde_json::{Map, Value, json};

use super::answer::{Answer, AnswerPiece, Finish, PieceKind};
use super::chat::{self, Identity};
use super::dialect::Dialect;
use super::fault::{Fault, FaultSet};
use super::miscount::reported_counts;
use super::render::{Payload, StreamEvent};
use super::request::ChatRequest;
use crate::units::Nanos;

/// The kind of an output item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OutputItem {
    Reasoning,
    /// A message, whose one part is a text or a refusal.
    Message {
        refused: bool,
    },
    Call,
}

impl OutputItem {
    const fn from_kind(kind: PieceKind) -> Self {
        match kind {
            PieceKind::Thinking | PieceKind::Summary | PieceKind::Encrypted => Self::Reasoning,
            PieceKind::Content => Self::Message { refused: false },
            PieceKind::Refusal => Self::Message { refused: true },
            PieceKind::ToolName | PieceKind::ToolArguments => Self::Call,
        }
    }

    /// Returns the names of the item's part and of its text on the wire.
    const fn names(self) -> Names {
        match self {
            Self::Reasoning => Names {
                part_added: Some("response.reasoning_summary_part.added"),
                delta: "response.reasoning_summary_text.delta",
                done: "response.reasoning_summary_text.done",
                part_done: Some("response.reasoning_summary_part.done"),
                index_key: "summary_index",
                field: "text",
            },
            Self::Message { refused: false } => Names {
                part_added: Some("response.content_part.added"),
                delta: "response.output_text.delta",
                done: "response.output_text.done",
                part_done: Some("response.content_part.done"),
                index_key: "content_index",
                field: "text",
            },
            Self::Message { refused: true } => Names {
                part_added: Some("response.content_part.added"),
                delta: "response.refusal.delta",
                done: "response.refusal.done",
                part_done: Some("response.content_part.done"),
                index_key: "content_index",
                field: "refusal",
            },
            Self::Call => Names {
                part_added: None,
                delta: "response.function_call_arguments.delta",
                done: "response.function_call_arguments.done",
                part_done: None,
                index_key: "",
                field: "arguments",
            },
        }
    }
}

/// The names of the events of one kind of item.
struct Names {
    part_added: Option<&'static str>,
    delta: &'static str,
    done: &'static str,
    part_done: Option<&'static str>,
    /// The key of the part's index; empty: the item has none.
    index_key: &'static str,
    /// The key of the complete text.
    field: &'static str,
}

/// Returns the events of a complete response.
pub fn events(
    answer: &Answer,
    identity: &Identity,
    request: &ChatRequest,
    faults: &FaultSet,
) -> Vec<StreamEvent> {
    let mut stream = ResponseStream {
        identity,
        padded: faults.dialect == Dialect::OpenAi && request.obfuscation,
        late_arguments: faults.has(Fault::ToolCallLate),
        events: Vec::new(),
        output: Vec::new(),
        open: None,
    };
    let has_text = envelope(identity, request, "in_progress");
    for name in ["response.created", "response.in_progress"] {
        stream.push(
            answer.headers_at,
            name,
            json!({ "response": has_text }),
            false,
        );
    }
    for piece in &answer.pieces {
        stream.piece(piece);
    }
    stream.close(answer.finish_at, status(answer));
    let output = std::mem::take(&mut stream.output);
    let complete = complete(answer, identity, request, faults, output);
    let name = match status(answer) {
        "completed" => "response.completed",
        _ => "response.incomplete",
    };
    stream.push(
        answer.finish_at,
        name,
        json!({ "response": complete }),
        false,
    );
    stream.events
}

/// Returns the complete response, for a request that does not stream.
pub fn response(
    answer: &Answer,
    identity: &Identity,
    request: &ChatRequest,
    faults: &FaultSet,
) -> Value {
    let mut output: Vec<Value> = Vec::new();
    let mut pieces = answer.pieces.as_slice();
    while let Some(first) = pieces.first() {
        let kind = OutputItem::from_kind(first.kind);
        let same = |piece: &&AnswerPiece| OutputItem::from_kind(piece.kind) == kind;
        let (now, later) = pieces.split_at(pieces.iter().take_while(same).count());
        let mut open = OpenItem::new(kind);
        for piece in now {
            open.take(piece);
        }
        output.push(open.item(identity, output.len(), status(answer), true));
        pieces = later;
    }
    complete(answer, identity, request, faults, output)
}

fn status(answer: &Answer) -> &'static str {
    match answer.finish {
        Finish::Stop | Finish::ToolCalls => "completed",
        Finish::Length | Finish::ContentFilter => "incomplete",
    }
}

/// Builds a response without content.
fn envelope(identity: &Identity, request: &ChatRequest, status: &str) -> Value {
    json!({
        "id": identity.id, "object": "response", "created_at": identity.created(),
        "status": status, "error": null, "incomplete_details": null, "instructions": null,
        "max_output_tokens": request.max_tokens, "model": identity.model, "output": [],
        "parallel_tool_calls": true, "previous_response_id": null,
        "reasoning": { "effort": null, "summary": null }, "store": false, "temperature": 1.0,
        "text": { "format": { "type": "text" } }, "tool_choice": "auto", "tools": [],
        "top_p": 1.0, "truncation": "disabled", "usage": null, "user": null, "metadata": {},
    })
}

fn complete(
    answer: &Answer,
    identity: &Identity,
    request: &ChatRequest,
    faults: &FaultSet,
    output: Vec<Value>,
) -> Value {
    let mut response = envelope(identity, request, status(answer));
    response["output"] = Value::Array(output);
    let reason = match answer.finish {
        Finish::Length => json!({ "reason": "max_output_tokens" }),
        Finish::ContentFilter => json!({ "reason": "content_filter" }),
        Finish::Stop | Finish::ToolCalls => Value::Null,
    };
    response["incomplete_details"] = reason;
    if faults.has(Fault::NoFinish) {
        response["status"] = Value::Null;
    }
    if !faults.has(Fault::NoUsage) {
        let reported = reported_counts(&answer.usage, answer.usage.completion, faults);
        let used = &reported.usage;
        response["usage"] = json!({
            "input_tokens": used.prompt,
            "input_tokens_details": {
                "cached_tokens": used.cached, "cache_write_tokens": used.written,
            },
            "output_tokens": used.completion,
            "output_tokens_details": { "reasoning_tokens": used.reasoning },
            "total_tokens": reported.total,
        });
    }
    if chat::is_vercel(faults) {
        response["providerMetadata"] = chat::provider_metadata(identity, answer, faults);
    }
    response
}

/// An item in progress.
struct OpenItem {
    kind: OutputItem,
    text: String,
    /// The name of the called tool.
    name: String,
    encrypted: Option<String>,
    /// True if its part was announced.
    part: bool,
}

impl OpenItem {
    const fn new(kind: OutputItem) -> Self {
        Self {
            kind,
            text: String::new(),
            name: String::new(),
            encrypted: None,
            part: false,
        }
    }

    fn take(&mut self, piece: &AnswerPiece) {
        match piece.kind {
            PieceKind::ToolName => self.name.push_str(&piece.text),
            PieceKind::Encrypted => self.encrypted = Some(piece.text.clone()),
            _ => self.text.push_str(&piece.text),
        }
    }

    /// Returns the item's part, with the text so far or empty.
    fn part(&self, with_content: bool) -> Value {
        let text = if with_content { self.text.as_str() } else { "" };
        match self.kind {
            OutputItem::Reasoning => json!({ "type": "summary_text", "text": text }),
            OutputItem::Message { refused: true } => json!({ "type": "refusal", "refusal": text }),
            OutputItem::Message { refused: false } | OutputItem::Call => {
                json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
            }
        }
    }

    /// Returns the item, as it is announced (`with_content` false) or complete.
    fn item(
        &self,
        identity: &Identity,
        index_key: usize,
        status: &str,
        with_content: bool,
    ) -> Value {
        let mark = &identity.mark;
        let parts = || {
            let has_text = with_content && !self.text.is_empty();
            Value::Array(has_text.then(|| self.part(true)).into_iter().collect())
        };
        match self.kind {
            OutputItem::Reasoning => {
                let mut item = json!({
                    "id": format!("rs_{mark}{index_key}"), "type": "reasoning", "summary": parts(),
                });
                if let Some(block) = self.encrypted.as_ref().filter(|_| with_content) {
                    item["encrypted_content"] = json!(block);
                }
                item
            }
            OutputItem::Message { .. } => json!({
                "id": format!("msg_{mark}{index_key}"), "type": "message", "role": "assistant",
                "status": status, "content": parts(),
            }),
            OutputItem::Call => json!({
                "id": format!("fc_{mark}{index_key}"), "type": "function_call", "status": status,
                "call_id": chat::call_id(identity), "name": self.name,
                "arguments": if with_content { self.text.as_str() } else { "" },
            }),
        }
    }
}

struct ResponseStream<'a> {
    identity: &'a Identity,
    /// True if deltas carry padding.
    padded: bool,
    /// True if a call's arguments are sent only when it is done.
    late_arguments: bool,
    events: Vec<StreamEvent>,
    /// The completed items.
    output: Vec<Value>,
    open: Option<OpenItem>,
}

impl ResponseStream<'_> {
    fn push(&mut self, at: Nanos, name: &'static str, fields: Value, token: bool) {
        let mut json = Map::new();
        json.insert("type".to_owned(), json!(name));
        json.insert("sequence_number".to_owned(), json!(self.events.len()));
        if let Value::Object(fields) = fields {
            json.extend(fields);
        }
        let json = Value::Object(json).to_string();
        self.events.push(StreamEvent {
            at,
            payload: Payload::Named(name, json.into_bytes()),
            token,
        });
    }

    /// Returns the fields that identify the open item in its events, and its part with the key `index_key`.
    fn item_fields(&self, index_key: &str) -> Value {
        let output_index = self.output.len();
        let item = self.open.as_ref();
        let id = item.map(|open| open.item(self.identity, output_index, "", false)["id"].clone());
        let mut fields = json!({ "item_id": id, "output_index": output_index });
        if !index_key.is_empty() {
            fields[index_key] = json!(0);
        }
        fields
    }

    fn piece(&mut self, piece: &AnswerPiece) {
        let kind = OutputItem::from_kind(piece.kind);
        if self.open.as_ref().map(|open| open.kind) != Some(kind) {
            self.close(piece.at, "completed");
            let mut open = OpenItem::new(kind);
            if piece.kind == PieceKind::ToolName {
                open.take(piece);
            }
            let index_key = self.output.len();
            let item = open.item(self.identity, index_key, "in_progress", false);
            self.open = Some(open);
            let added = json!({ "output_index": index_key, "item": item });
            // A tool's name is a token like any other; the other announcements carry no content.
            let token = piece.kind == PieceKind::ToolName;
            self.push(piece.at, "response.output_item.added", added, token);
        }
        if piece.kind != PieceKind::ToolName {
            self.add_text(piece, &kind.names());
        }
    }

    /// Adds a piece's text to the open item.
    fn add_text(&mut self, piece: &AnswerPiece, names: &Names) {
        let Some(mut open) = self.open.take() else {
            return;
        };
        open.take(piece);
        // Encrypted reasoning belongs to the item, not to its text.
        let readable = piece.kind != PieceKind::Encrypted;
        let announced = open.part;
        open.part |= readable;
        let part = open.part(false);
        let late = self.late_arguments && open.kind == OutputItem::Call;
        self.open = Some(open);
        if !readable || late {
            return;
        }
        let mut delta = self.item_fields(names.index_key);
        if let Some(added) = names.part_added.filter(|_| !announced) {
            let mut fields = delta.clone();
            fields["part"] = part;
            self.push(piece.at, added, fields, false);
        }
        delta["delta"] = json!(piece.text);
        if names.delta == "response.output_text.delta" {
            delta["logprobs"] = json!([]);
        }
        if self.padded {
            // Deterministic lengths that vary from event to event.
            delta["obfuscation"] = json!("x".repeat(1 + self.events.len() * 7 % 23));
        }
        self.push(piece.at, names.delta, delta, true);
    }

    /// Sends the events for the completion of the open item.
    fn close(&mut self, at: Nanos, status: &str) {
        let Some(open) = self.open.as_ref() else {
            return;
        };
        let names = open.kind.names();
        let item = open.item(self.identity, self.output.len(), status, true);
        let (text, part, name) = (open.text.clone(), open.part(true), open.name.clone());
        if open.part {
            let index_key = self.item_fields(names.index_key);
            let mut done = index_key.clone();
            done[names.field] = json!(text);
            match names.field {
                "arguments" => done["name"] = json!(name),
                "text" if names.index_key == "content_index" => done["logprobs"] = json!([]),
                _ => {}
            }
            // If no delta sent the text, this event is its token.
            let token = self.late_arguments && names.field == "arguments";
            self.push(at, names.done, done, token);
            if let Some(part_done) = names.part_done {
                let mut fields = index_key;
                fields["part"] = part;
                self.push(at, part_done, fields, false);
            }
        }
        let done = json!({ "output_index": self.output.len(), "item": item });
        self.push(at, "response.output_item.done", done, false);
        self.output.push(item);
        self.open = None;
    }
}
