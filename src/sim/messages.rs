//! An answer on the Messages route: Anthropic's events and bodies, and the gateway's variant.
//!
//! Owns the blocks of a message and the order of its events. Must not know how events become bytes or how a
//! stream breaks. Invariants: every block is closed before the next one opens; usage is cumulative; in
//! Anthropic's own form it begins with the prompt's tokens, in the gateway's with zeros.

use serde_json::{Value, json};

use super::answer::{Answer, AnswerPiece, Finish, PieceKind};
use super::chat::{self, Identity};
use super::dialect::Dialect;
use super::fault::{Fault, FaultSet};
use super::miscount::reported_counts;
use super::render::{Payload, StreamEvent};
use crate::units::Nanos;

/// The kind of a content block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Thinking,
    Redacted,
    Text,
    Tool,
}

impl Block {
    const fn from_kind(kind: PieceKind) -> Self {
        match kind {
            PieceKind::Thinking | PieceKind::Summary => Self::Thinking,
            PieceKind::Encrypted => Self::Redacted,
            PieceKind::Content | PieceKind::Refusal => Self::Text,
            PieceKind::ToolName | PieceKind::ToolArguments => Self::Tool,
        }
    }
}

/// Returns true if the message has the gateway's form rather than Anthropic's own.
fn is_gateway_form(faults: &FaultSet) -> bool {
    faults.dialect == Dialect::Vercel
}

/// Returns the events of a complete message.
pub fn events(answer: &Answer, identity: &Identity, faults: &FaultSet) -> Vec<StreamEvent> {
    let mut stream = MessageStream {
        identity,
        events: Vec::new(),
        blocks: 0,
        open: None,
    };
    let own = !is_gateway_form(faults);
    let mut message = message(answer, identity, faults);
    message["content"] = json!([]);
    message["stop_reason"] = Value::Null;
    message["usage"] = first_usage(answer, faults);
    let start = json!({ "type": "message_start", "message": message });
    stream.push(answer.headers_at, "message_start", &start, false);
    if own {
        stream.push(answer.headers_at, "ping", &json!({ "type": "ping" }), false);
    }
    for piece in &answer.pieces {
        stream.piece(piece);
    }
    let end = answer.finish_at;
    stream.close(end);
    let mut delta = json!({
        "type": "message_delta",
        "delta": { "stop_reason": stop_reason(answer, faults), "stop_sequence": null },
    });
    if !faults.has(Fault::NoUsage) {
        delta["usage"] = usage(answer, faults);
    }
    if !own {
        delta["provider_metadata"] = chat::provider_metadata(identity, answer, faults);
    }
    stream.push(end, "message_delta", &delta, false);
    let stop = json!({ "type": "message_stop" });
    stream.push(end, "message_stop", &stop, false);
    stream.events
}

/// Returns the complete message, for a request that does not stream.
pub fn message(answer: &Answer, identity: &Identity, faults: &FaultSet) -> Value {
    let mut content = Vec::new();
    let thinking = chat::text(answer, &[PieceKind::Thinking, PieceKind::Summary]);
    if !thinking.is_empty() {
        let signature = signature(identity);
        content.push(json!({ "type": "thinking", "thinking": thinking, "signature": signature }));
    }
    let redacted = chat::text(answer, &[PieceKind::Encrypted]);
    if !redacted.is_empty() {
        content.push(json!({ "type": "redacted_thinking", "data": redacted }));
    }
    let text = chat::text(answer, &[PieceKind::Content, PieceKind::Refusal]);
    if !text.is_empty() {
        let block = json!({ "type": "text", "text": text });
        // The gateway was seen to put the text before the reasoning, Anthropic puts it after.
        let index = if is_gateway_form(faults) {
            0
        } else {
            content.len()
        };
        content.insert(index, block);
    }
    let name = chat::text(answer, &[PieceKind::ToolName]);
    if !name.is_empty() {
        let arguments = chat::text(answer, &[PieceKind::ToolArguments]);
        // Arguments truncated by the token limit are no JSON: the call then has none.
        let input: Value = serde_json::from_str(&arguments).unwrap_or_else(|_| json!({}));
        let id = tool_id(identity);
        content.push(json!({ "type": "tool_use", "id": id, "name": name, "input": input }));
    }
    let mut message = json!({
        "id": identity.id, "type": "message", "role": "assistant", "model": identity.model,
        "content": content,
        "stop_reason": stop_reason(answer, faults), "stop_sequence": null,
        "usage": usage(answer, faults),
    });
    if is_gateway_form(faults) {
        message["provider_metadata"] = chat::provider_metadata(identity, answer, faults);
    }
    message
}

fn stop_reason(answer: &Answer, faults: &FaultSet) -> Value {
    if faults.has(Fault::NoFinish) {
        return Value::Null;
    }
    let refused = answer
        .pieces
        .iter()
        .any(|piece| piece.kind == PieceKind::Refusal);
    json!(match answer.finish {
        _ if refused => "refusal",
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::ContentFilter => "refusal",
    })
}

/// Returns the usage of the first event.
fn first_usage(answer: &Answer, faults: &FaultSet) -> Value {
    let mut first = usage(answer, faults);
    if !is_gateway_form(faults) {
        first["output_tokens"] = json!(answer.usage.completion.min(1));
        return first;
    }
    for key in [
        "input_tokens",
        "output_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
    ] {
        first[key] = json!(0);
    }
    first["cache_creation"]["ephemeral_5m_input_tokens"] = json!(0);
    first
}

/// Returns tokens as this route counts them: those read from or written to the cache are separate.
fn usage(answer: &Answer, faults: &FaultSet) -> Value {
    let used = reported_counts(&answer.usage, answer.usage.completion, faults).usage;
    let fresh = used.prompt.saturating_sub(used.cached + used.written);
    json!({
        "input_tokens": fresh,
        "cache_creation_input_tokens": used.written,
        "cache_read_input_tokens": used.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": used.written, "ephemeral_1h_input_tokens": 0,
        },
        "output_tokens": used.completion,
    })
}

fn tool_id(identity: &Identity) -> String {
    format!("toolu_{}", identity.mark)
}

fn signature(identity: &Identity) -> String {
    format!("sig{}", identity.mark)
}

struct MessageStream<'a> {
    identity: &'a Identity,
    events: Vec<StreamEvent>,
    /// The number of blocks opened so far.
    blocks: u32,
    open: Option<Block>,
}

impl MessageStream<'_> {
    fn push(&mut self, at: Nanos, name: &'static str, json: &Value, token: bool) {
        self.events.push(StreamEvent {
            at,
            payload: Payload::Named(name, json.to_string().into_bytes()),
            token,
        });
    }

    fn piece(&mut self, piece: &AnswerPiece) {
        let block = Block::from_kind(piece.kind);
        if self.open != Some(block) {
            self.close(piece.at);
            self.open(piece, block);
        }
        let delta = match block {
            Block::Thinking => json!({ "type": "thinking_delta", "thinking": piece.text }),
            Block::Text => json!({ "type": "text_delta", "text": piece.text }),
            Block::Tool if piece.kind == PieceKind::ToolArguments => {
                json!({ "type": "input_json_delta", "partial_json": piece.text })
            }
            // The name and the redacted block are in the opening event.
            Block::Tool | Block::Redacted => return,
        };
        self.delta(piece.at, &delta, true);
    }

    fn delta(&mut self, at: Nanos, delta: &Value, token: bool) {
        let index = self.blocks - 1;
        let event = json!({ "type": "content_block_delta", "index": index, "delta": delta });
        self.push(at, "content_block_delta", &event, token);
    }

    fn open(&mut self, piece: &AnswerPiece, block: Block) {
        let content = match block {
            Block::Thinking => json!({ "type": "thinking", "thinking": "", "signature": "" }),
            Block::Redacted => json!({ "type": "redacted_thinking", "data": piece.text }),
            Block::Text => json!({ "type": "text", "text": "" }),
            Block::Tool => {
                let id = tool_id(self.identity);
                json!({ "type": "tool_use", "id": id, "name": piece.text, "input": {} })
            }
        };
        let index = self.blocks;
        let event =
            json!({ "type": "content_block_start", "index": index, "content_block": content });
        // A tool's name is a token like any other; the other openings carry no content.
        let token = block == Block::Tool;
        self.push(piece.at, "content_block_start", &event, token);
        self.blocks += 1;
        self.open = Some(block);
    }

    fn close(&mut self, at: Nanos) {
        let Some(block) = self.open.take() else {
            return;
        };
        if block == Block::Thinking {
            let signature = signature(self.identity);
            let delta = json!({ "type": "signature_delta", "signature": signature });
            self.delta(at, &delta, false);
        }
        let event = json!({ "type": "content_block_stop", "index": self.blocks - 1 });
        self.push(at, "content_block_stop", &event, false);
    }
}
