//! The wire structs of a chat chunk and of a whole chat answer, and of the parts that all routes share (usage,
//! a gateway's metadata): names and positions, nothing else.
//!
//! Owns the spelling of every field that is read. Must not know what the fields mean. Invariant: every field
//! may be absent, and no value of a field fails the struct.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::lenient::{Count, LenientBool, List, Loose, Object, Text, TextOrList};
use super::usage::{UsageBlock, parse_usd};
use crate::units::Usd;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WireChunk<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    /// The `type` of events and answers on the other routes.
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) object: Text<'a>,
    #[serde(borrow)]
    pub(super) model: Text<'a>,
    #[serde(borrow)]
    pub(super) choices: List<WireChoice<'a>>,
    pub(super) usage: Object<UsageBlock>,
    #[serde(borrow)]
    pub(super) x_groq: Object<WireGroq<'a>>,
    pub(super) error: Value,
    /// `MiniMax`'s status of the answer.
    pub(super) base_resp: Value,
    #[serde(borrow)]
    pub(super) error_type: Text<'a>,
    #[serde(borrow)]
    pub(super) error_message: Text<'a>,
    #[serde(borrow)]
    pub(super) provider: Text<'a>,
    #[serde(borrow)]
    pub(super) service_tier: Text<'a>,
    #[serde(borrow)]
    pub(super) openrouter_metadata: Object<WireOpenRouter<'a>>,
    #[serde(borrow)]
    pub(super) provider_metadata: Object<WireMetadata<'a>>,
    #[serde(borrow, rename = "providerMetadata")]
    pub(super) provider_metadata_camel: Object<WireMetadata<'a>>,
    #[serde(borrow, rename = "generationId")]
    pub(super) generation_id: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WireGroq<'a> {
    pub(super) usage: Object<UsageBlock>,
    #[serde(borrow)]
    pub(super) error: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WireChoice<'a> {
    pub(super) index: Count,
    #[serde(borrow)]
    pub(super) delta: Object<WireDelta<'a>>,
    #[serde(borrow)]
    pub(super) message: Object<WireDelta<'a>>,
    /// The text of a server that answers in the older form of completions.
    #[serde(borrow)]
    pub(super) text: Text<'a>,
    #[serde(borrow)]
    pub(super) finish_reason: Text<'a>,
    /// The provider's own word, which `OpenRouter` maps.
    #[serde(borrow)]
    pub(super) native_finish_reason: Text<'a>,
    #[serde(borrow)]
    pub(super) provider_specific_fields: Object<WireProviderFields<'a>>,
    pub(super) error: Value,
    /// Moonshot's place of a stream's usage.
    pub(super) usage: Object<UsageBlock>,
}

/// Fields beside those of `OpenAI` that `LiteLLM` passes on.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WireProviderFields<'a> {
    /// The provider's own word, where `LiteLLM` maps it to another one.
    #[serde(borrow)]
    pub(super) native_finish_reason: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WireDelta<'a> {
    #[serde(borrow)]
    pub(super) content: TextOrList<'a, WirePart<'a>>,
    #[serde(borrow)]
    pub(super) reasoning: Text<'a>,
    #[serde(borrow)]
    pub(super) reasoning_content: Text<'a>,
    #[serde(borrow)]
    pub(super) thinking: TextOrList<'a, WireThinking<'a>>,
    #[serde(borrow)]
    pub(super) reasoning_details: List<WireDetail<'a>>,
    #[serde(borrow)]
    pub(super) refusal: Text<'a>,
    #[serde(borrow)]
    pub(super) tool_calls: List<WireToolCall<'a>>,
    /// Images and sound in place of text: only their presence is read.
    pub(super) images: List<WirePresence>,
    pub(super) audio: Object<WirePresence>,
    /// The older form of a single tool call.
    #[serde(borrow)]
    pub(super) function_call: Object<WireFunction<'a>>,
    #[serde(borrow)]
    pub(super) provider_metadata: Object<WireMetadata<'a>>,
    pub(super) usage: Object<UsageBlock>,
}

/// An object of which no field is read.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WirePresence {}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WirePart<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) reasoning: TextOrList<'a, WireThinking<'a>>,
    #[serde(borrow)]
    pub(super) summary: List<WireThinking<'a>>,
    #[serde(borrow)]
    pub(super) text: Text<'a>,
    #[serde(borrow)]
    pub(super) thinking: TextOrList<'a, WireThinking<'a>>,
    #[serde(borrow)]
    pub(super) refusal: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WireThinking<'a> {
    #[serde(borrow)]
    pub(super) text: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WireDetail<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) text: Text<'a>,
    #[serde(borrow)]
    pub(super) summary: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WireToolCall<'a> {
    pub(super) index: Count,
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) function: Object<WireFunction<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WireFunction<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) arguments: Loose<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WireMetadata<'a> {
    #[serde(borrow)]
    pub(super) gateway: Object<WireGateway<'a>>,
}

/// The gateway's metadata. `routing.clientSessionId`, a fingerprint, is not read.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WireGateway<'a> {
    #[serde(borrow)]
    pub(super) routing: Object<WireRouting<'a>>,
    pub(super) cost: Amount,
    #[serde(rename = "marketCost")]
    pub(super) market_cost: Amount,
    #[serde(rename = "gatewayCost")]
    pub(super) gateway_cost: Amount,
    #[serde(borrow, rename = "generationId")]
    pub(super) generation_id: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WireRouting<'a> {
    #[serde(borrow)]
    pub(super) final_provider: Text<'a>,
    pub(super) model_attempt_count: Count,
    pub(super) total_provider_attempt_count: Count,
    #[serde(borrow)]
    pub(super) model_attempts: List<WireModelAttempt<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WireModelAttempt<'a> {
    #[serde(borrow)]
    pub(super) canonical_slug: Text<'a>,
    pub(super) success: LenientBool,
    #[serde(borrow)]
    pub(super) provider_attempts: List<WireProviderAttempt<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WireProviderAttempt<'a> {
    #[serde(borrow)]
    pub(super) provider: Text<'a>,
    pub(super) success: LenientBool,
    /// `byok` for a key of the user's, `system` for one of the gateway's.
    #[serde(borrow)]
    pub(super) credential_type: Text<'a>,
    pub(super) status_code: Count,
}

/// `OpenRouter`'s metadata of a route, requested by a header.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WireOpenRouter<'a> {
    /// The number of the attempt that answered, from 1.
    pub(super) attempt: Count,
    #[serde(borrow)]
    pub(super) attempts: List<WireOpenRouterAttempt<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WireOpenRouterAttempt<'a> {
    #[serde(borrow)]
    pub(super) model: Text<'a>,
    #[serde(borrow)]
    pub(super) provider: Text<'a>,
    pub(super) status: Count,
}

/// An amount of money as the server wrote it: a number or a string.
pub(super) type Amount = Option<Box<RawValue>>;

/// The amount, from its text; `None` for whatever is not an amount of 0 or more.
pub(super) fn usd(amount: &Amount) -> Option<Usd> {
    amount.as_deref().and_then(parse_usd)
}
