//! An answer by the Responses route: `OpenAI`'s events and bodies.
//!
//! Owns the items of a response and the order of its events. Must not know how events become bytes
//! or how a stream ends badly. Invariants: `sequence_number` counts the events from 0; every item
//! and part that is added is done before the next; the last event holds the whole response.

use serde_json::{Map, Value, json};

use super::answer::{Answer, Finish, Kind, Piece};
use super::chat::{self, Identity};
use super::dialect::Dialect;
use super::fault::{Fault, Faults};
use super::miscount::reported;
use super::render::{Event, Payload};
use super::request::ChatRequest;
use crate::units::Nanos;

/// What an item of the output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Reasoning,
    /// A message, whose one part is a text or a refusal.
    Message {
        refused: bool,
    },
    Call,
}

impl Item {
    const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Thinking | Kind::Summary | Kind::Encrypted => Self::Reasoning,
            Kind::Content => Self::Message { refused: false },
            Kind::Refusal => Self::Message { refused: true },
            Kind::ToolName | Kind::ToolArguments => Self::Call,
        }
    }

    /// Where the item's text stands: the part's name on the wire, and that of its text.
    const fn names(self) -> Names {
        match self {
            Self::Reasoning => Names {
                part_added: Some("response.reasoning_summary_part.added"),
                delta: "response.reasoning_summary_text.delta",
                done: "response.reasoning_summary_text.done",
                part_done: Some("response.reasoning_summary_part.done"),
                place: "summary_index",
                field: "text",
            },
            Self::Message { refused: false } => Names {
                part_added: Some("response.content_part.added"),
                delta: "response.output_text.delta",
                done: "response.output_text.done",
                part_done: Some("response.content_part.done"),
                place: "content_index",
                field: "text",
            },
            Self::Message { refused: true } => Names {
                part_added: Some("response.content_part.added"),
                delta: "response.refusal.delta",
                done: "response.refusal.done",
                part_done: Some("response.content_part.done"),
                place: "content_index",
                field: "refusal",
            },
            Self::Call => Names {
                part_added: None,
                delta: "response.function_call_arguments.delta",
                done: "response.function_call_arguments.done",
                part_done: None,
                place: "",
                field: "arguments",
            },
        }
    }
}

/// The events of one kind of item.
struct Names {
    part_added: Option<&'static str>,
    delta: &'static str,
    done: &'static str,
    part_done: Option<&'static str>,
    /// The key that says which part; empty: the item has none.
    place: &'static str,
    /// The key of the whole text.
    field: &'static str,
}

/// The events of a complete response.
pub fn events(
    answer: &Answer,
    identity: &Identity,
    request: &ChatRequest,
    faults: &Faults,
) -> Vec<Event> {
    let mut stream = Stream {
        identity,
        padded: faults.dialect == Dialect::OpenAi && request.obfuscation,
        late_arguments: faults.has(Fault::ToolCallLate),
        events: Vec::new(),
        output: Vec::new(),
        open: None,
    };
    let begun = envelope(identity, request, "in_progress");
    for name in ["response.created", "response.in_progress"] {
        stream.push(answer.headers_at, name, json!({ "response": begun }), false);
    }
    for piece in &answer.pieces {
        stream.piece(piece);
    }
    stream.close(answer.finish_at, status(answer));
    let output = std::mem::take(&mut stream.output);
    let whole = whole(answer, identity, request, faults, output);
    let name = match status(answer) {
        "completed" => "response.completed",
        _ => "response.incomplete",
    };
    stream.push(answer.finish_at, name, json!({ "response": whole }), false);
    stream.events
}

/// The whole response, for a request that does not stream.
pub fn response(
    answer: &Answer,
    identity: &Identity,
    request: &ChatRequest,
    faults: &Faults,
) -> Value {
    let mut output: Vec<Value> = Vec::new();
    let mut pieces = answer.pieces.as_slice();
    while let Some(first) = pieces.first() {
        let kind = Item::of(first.kind);
        let same = |piece: &&Piece| Item::of(piece.kind) == kind;
        let (now, later) = pieces.split_at(pieces.iter().take_while(same).count());
        let mut open = Open::new(kind);
        for piece in now {
            open.take(piece);
        }
        output.push(open.item(identity, output.len(), status(answer), true));
        pieces = later;
    }
    whole(answer, identity, request, faults, output)
}

fn status(answer: &Answer) -> &'static str {
    match answer.finish {
        Finish::Stop | Finish::ToolCalls => "completed",
        Finish::Length | Finish::ContentFilter => "incomplete",
    }
}

/// A response before anything is said.
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

fn whole(
    answer: &Answer,
    identity: &Identity,
    request: &ChatRequest,
    faults: &Faults,
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
        let reported = reported(&answer.usage, answer.usage.completion, faults);
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

/// An item that is being said.
struct Open {
    kind: Item,
    text: String,
    /// The called tool.
    name: String,
    encrypted: Option<String>,
    /// Whether its part was announced.
    part: bool,
}

impl Open {
    const fn new(kind: Item) -> Self {
        Self {
            kind,
            text: String::new(),
            name: String::new(),
            encrypted: None,
            part: false,
        }
    }

    fn take(&mut self, piece: &Piece) {
        match piece.kind {
            Kind::ToolName => self.name.push_str(&piece.text),
            Kind::Encrypted => self.encrypted = Some(piece.text.clone()),
            _ => self.text.push_str(&piece.text),
        }
    }

    /// The item's part, with the text said so far or without any.
    fn part(&self, said: bool) -> Value {
        let text = if said { self.text.as_str() } else { "" };
        match self.kind {
            Item::Reasoning => json!({ "type": "summary_text", "text": text }),
            Item::Message { refused: true } => json!({ "type": "refusal", "refusal": text }),
            Item::Message { refused: false } | Item::Call => {
                json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
            }
        }
    }

    /// The item, as it is announced (`said` false) or whole.
    fn item(&self, identity: &Identity, place: usize, status: &str, said: bool) -> Value {
        let mark = &identity.mark;
        let parts = || {
            let begun = said && !self.text.is_empty();
            Value::Array(begun.then(|| self.part(true)).into_iter().collect())
        };
        match self.kind {
            Item::Reasoning => {
                let mut item = json!({
                    "id": format!("rs_{mark}{place}"), "type": "reasoning", "summary": parts(),
                });
                if let Some(block) = self.encrypted.as_ref().filter(|_| said) {
                    item["encrypted_content"] = json!(block);
                }
                item
            }
            Item::Message { .. } => json!({
                "id": format!("msg_{mark}{place}"), "type": "message", "role": "assistant",
                "status": status, "content": parts(),
            }),
            Item::Call => json!({
                "id": format!("fc_{mark}{place}"), "type": "function_call", "status": status,
                "call_id": chat::call_id(identity), "name": self.name,
                "arguments": if said { self.text.as_str() } else { "" },
            }),
        }
    }
}

struct Stream<'a> {
    identity: &'a Identity,
    /// Whether deltas carry padding.
    padded: bool,
    /// Whether a call's arguments are told only when it is done.
    late_arguments: bool,
    events: Vec<Event>,
    /// The items that are whole.
    output: Vec<Value>,
    open: Option<Open>,
}

impl Stream<'_> {
    fn push(&mut self, at: Nanos, name: &'static str, fields: Value, token: bool) {
        let mut json = Map::new();
        json.insert("type".to_owned(), json!(name));
        json.insert("sequence_number".to_owned(), json!(self.events.len()));
        if let Value::Object(fields) = fields {
            json.extend(fields);
        }
        let json = Value::Object(json).to_string();
        self.events.push(Event {
            at,
            payload: Payload::Named(name, json.into_bytes()),
            token,
        });
    }

    /// What names the open item in its events: by `place`, its part too.
    fn within(&self, place: &str) -> Value {
        let output_index = self.output.len();
        let item = self.open.as_ref();
        let id = item.map(|open| open.item(self.identity, output_index, "", false)["id"].clone());
        let mut fields = json!({ "item_id": id, "output_index": output_index });
        if !place.is_empty() {
            fields[place] = json!(0);
        }
        fields
    }

    fn piece(&mut self, piece: &Piece) {
        let kind = Item::of(piece.kind);
        if self.open.as_ref().map(|open| open.kind) != Some(kind) {
            self.close(piece.at, "completed");
            let mut open = Open::new(kind);
            if piece.kind == Kind::ToolName {
                open.take(piece);
            }
            let place = self.output.len();
            let item = open.item(self.identity, place, "in_progress", false);
            self.open = Some(open);
            let added = json!({ "output_index": place, "item": item });
            // A tool's name is a token like any other; the other announcements say nothing.
            let token = piece.kind == Kind::ToolName;
            self.push(piece.at, "response.output_item.added", added, token);
        }
        if piece.kind != Kind::ToolName {
            self.say(piece, &kind.names());
        }
    }

    /// Adds a piece's text to the open item.
    fn say(&mut self, piece: &Piece, names: &Names) {
        let Some(mut open) = self.open.take() else {
            return;
        };
        open.take(piece);
        // What nobody can read belongs to the item, not to its text.
        let readable = piece.kind != Kind::Encrypted;
        let announced = open.part;
        open.part |= readable;
        let part = open.part(false);
        let late = self.late_arguments && open.kind == Item::Call;
        self.open = Some(open);
        if !readable || late {
            return;
        }
        let mut delta = self.within(names.place);
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

    /// Tells that the open item is done.
    fn close(&mut self, at: Nanos, status: &str) {
        let Some(open) = self.open.as_ref() else {
            return;
        };
        let names = open.kind.names();
        let item = open.item(self.identity, self.output.len(), status, true);
        let (said, part, name) = (open.text.clone(), open.part(true), open.name.clone());
        if open.part {
            let place = self.within(names.place);
            let mut done = place.clone();
            done[names.field] = json!(said);
            match names.field {
                "arguments" => done["name"] = json!(name),
                "text" if names.place == "content_index" => done["logprobs"] = json!([]),
                _ => {}
            }
            // Where no delta told the text, this event is its token.
            let token = self.late_arguments && names.field == "arguments";
            self.push(at, names.done, done, token);
            if let Some(part_done) = names.part_done {
                let mut fields = place;
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
