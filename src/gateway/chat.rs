//! A chunk of the chat route.
//!
//! Owns the conversion of the route's wire structs into pieces of an answer. Must not know times or earlier
//! chunks. Invariant: a field of an unexpected type is an absent field, never a lost chunk.

use std::borrow::Cow;

use serde_json::Value;

use super::chunk::{Chunk, ChunkPiece, ToolFragment, add_metadata, add_usage, to_openrouter_route};
use super::fault;
use super::finish::outcome_of_word;
use super::lenient::TextOrList;
use super::usage::UsageRoute;
use super::wire::{WireChoice, WireChunk, WireDelta, WireDetail, WireFunction, WireThinking};
use crate::record::Outcome;

/// Converts the wire struct.
pub(super) fn to_chunk(wire: WireChunk<'_>) -> Chunk<'_> {
    let mut chunk = Chunk {
        id: wire.id.some(),
        model: wire.model.some(),
        has_choice: !wire.choices.0.is_empty(),
        provider: wire.provider.some(),
        service_tier: wire.service_tier.some(),
        generation_id: wire.generation_id.some(),
        error: fault::from_chunk(&wire.error, &wire.error_type.0, &wire.error_message.0),
        ..Chunk::default()
    };
    if let Some(groq) = wire.x_groq.0 {
        add_usage(&mut chunk, groq.usage.0, UsageRoute::Chat);
        if chunk.error.is_none() {
            chunk.error = fault::from_chunk(&Value::Null, "", &groq.error.0);
        }
    }
    if chunk.error.is_none() {
        chunk.error = fault::from_base_resp(&wire.base_resp);
    }
    add_usage(&mut chunk, wire.usage.0, UsageRoute::Chat);
    chunk.route = wire.openrouter_metadata.0.as_ref().map(to_openrouter_route);
    add_metadata(
        &mut chunk,
        [wire.provider_metadata, wire.provider_metadata_camel],
    );
    for choice in wire.choices.0 {
        // There are other choices only where a suite requests several (`n`): their texts must not be mixed.
        if choice.index.0.unwrap_or(0) != 0 {
            chunk.unread_chars += chars_of(choice);
            continue;
        }
        let native = choice.native_finish_reason.some();
        let mapped = choice.provider_specific_fields.0;
        let mapped = mapped.and_then(|fields| fields.native_finish_reason.some());
        if let Some(reason) = choice.finish_reason.some() {
            chunk.finish_reason = Some(finish_word(reason, mapped, native));
        }
        if chunk.error.is_none() {
            chunk.error = fault::from_chunk(&choice.error, "", "");
        }
        add_usage(&mut chunk, choice.usage.0, UsageRoute::Chat);
        chunk.whole = choice.delta.0.is_none();
        add_output(
            &mut chunk,
            choice.delta.0.or(choice.message.0),
            choice.text.0,
        );
    }
    chunk
}

/// The finish reason of an answer: the gateway's, unless it stands for another word of the provider that says less well of
/// the answer. `LiteLLM` maps every word that it does not know to `stop`, so that an unknown one counts; `OpenRouter` maps on purpose.
fn finish_word<'a>(
    reason: Cow<'a, str>,
    mapped: Option<Cow<'a, str>>,
    native: Option<Cow<'a, str>>,
) -> Cow<'a, str> {
    let outcome = outcome_of_word(&reason);
    if !matches!(outcome, Outcome::Complete | Outcome::Length) {
        return reason;
    }
    let is_worse = |word: &Cow<'a, str>| {
        let own = outcome_of_word(word);
        own != Outcome::Complete && own != outcome
    };
    let is_known = |word: &Cow<'a, str>| outcome_of_word(word) != Outcome::UnknownFinish;
    let native = native.filter(is_known);
    mapped.or(native).filter(is_worse).unwrap_or(reason)
}

/// The characters of a choice; an image or sound counts as one.
fn chars_of(choice: WireChoice<'_>) -> u64 {
    let mut own = Chunk::default();
    add_output(&mut own, choice.delta.0.or(choice.message.0), choice.text.0);
    let chars: u64 = own.pieces.iter().map(ChunkPiece::chars).sum();
    chars + u64::from(own.has_other_output)
}

/// Adds what the model wrote. The text of the older form counts where the newer one has none.
fn add_output<'a>(chunk: &mut Chunk<'a>, delta: Option<WireDelta<'a>>, older: Cow<'a, str>) {
    if let Some(delta) = delta {
        add_delta(chunk, delta);
    }
    if chunk.pieces.is_empty() && !older.is_empty() {
        chunk.pieces.push(ChunkPiece::Content(older));
    }
}

fn add_delta<'a>(chunk: &mut Chunk<'a>, delta: WireDelta<'a>) {
    let mut thoughts = Vec::new();
    let mut texts = Vec::new();
    match delta.content {
        TextOrList::Text(text) => texts.push(ChunkPiece::Content(text)),
        TextOrList::List(parts) => {
            for part in parts {
                let is_thought = is_reasoning(&part.kind.0);
                if is_thought {
                    thoughts.push(part.text.0);
                } else {
                    texts.push(ChunkPiece::Content(part.text.0));
                }
                texts.push(ChunkPiece::Refusal(part.refusal.0));
                for thought in [part.thinking, part.reasoning] {
                    thoughts.extend(texts_of(thought));
                }
                if is_thought && !part.summary.0.is_empty() {
                    chunk.hidden_reasoning = true;
                    thoughts.extend(part.summary.0.into_iter().map(|part| part.text.0));
                }
            }
        }
    }
    texts.push(ChunkPiece::Refusal(delta.refusal.0));
    chunk.has_other_output |= !delta.images.0.is_empty() || delta.audio.0.is_some();

    let hidden = |detail: &WireDetail<'_>| {
        matches!(&*detail.kind.0, "reasoning.encrypted" | "reasoning.summary")
    };
    chunk.hidden_reasoning |= delta.reasoning_details.0.iter().any(hidden);
    let details = delta.reasoning_details.0.into_iter();
    let details: Vec<_> = details
        .flat_map(|detail| [detail.text.0, detail.summary.0])
        .collect();
    // The same text may be in several of these fields: the first that is not empty is used.
    let reasoning = [
        vec![delta.reasoning.0],
        vec![delta.reasoning_content.0],
        texts_of(delta.thinking),
        details,
        thoughts,
    ]
    .into_iter()
    .find(|texts| texts.iter().any(|text| !text.is_empty()))
    .unwrap_or_default();

    let calls = delta.tool_calls.0.into_iter().map(|call| {
        let function = call.function.0.unwrap_or_default();
        fragment(call.index.0, call.id.0, function)
    });
    let older_call = delta.function_call.0.into_iter();
    let older_call = older_call.map(|function| fragment(None, Cow::Borrowed(""), function));
    let pieces = reasoning
        .into_iter()
        .map(ChunkPiece::Reasoning)
        .chain(texts);
    let pieces = pieces.chain(calls).chain(older_call);
    chunk.pieces.extend(pieces.filter(ChunkPiece::is_non_empty));
    add_usage(chunk, delta.usage.0, UsageRoute::Chat);
    add_metadata(chunk, [delta.provider_metadata]);
}

/// The texts of reasoning, one or several.
fn texts_of<'a>(thinking: TextOrList<'a, WireThinking<'a>>) -> Vec<Cow<'a, str>> {
    match thinking {
        TextOrList::Text(text) => vec![text],
        TextOrList::List(parts) => parts.into_iter().map(|part| part.text.0).collect(),
    }
}

/// True for the `type` of a content part that holds reasoning: `reasoning`, `thinking`, `reasoning_text`, `thought`.
fn is_reasoning(kind: &str) -> bool {
    ["reason", "think", "thought"]
        .iter()
        .any(|begin| kind.starts_with(begin))
}

fn fragment<'a>(
    index: Option<u64>,
    id: Cow<'a, str>,
    function: WireFunction<'a>,
) -> ChunkPiece<'a> {
    ChunkPiece::ToolCall(ToolFragment {
        index,
        id,
        name: function.name.0,
        arguments: function.arguments.0,
    })
}
