//! One chunk of a streamed answer, or a whole answer that was not streamed.
//!
//! Owns the content of a chunk, whatever its route, and the parts that all routes share: counts, amounts, a
//! gateway's routing. Must not know times or earlier chunks. Invariant: amounts are parsed from their decimal
//! text, never as floats.

use std::borrow::Cow;

use super::bill::ReportedBill;
use super::fault::ApiError;
use super::lenient::Object;
use super::usage::{
    UsageBlock, UsageMeaning, UsagePart, UsageRoute, is_unreadable, merge_usage, newer_count,
};
use super::wire::{
    WireGateway, WireMetadata, WireOpenRouter, WireProviderAttempt, WireRouting, usd,
};
use crate::record::Usage;

/// The content of one chunk.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each says one thing of the chunk, and any of them can hold together"
)]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// The id on the chunk's envelope.
    pub id: Option<Cow<'a, str>>,
    /// The model that the server names.
    pub model: Option<Cow<'a, str>>,
    /// True if the chunk has any choice.
    pub has_choice: bool,
    /// The pieces in order; never empty ones.
    pub pieces: Vec<ChunkPiece<'a>>,
    /// Characters of the choices beside the first one, which are paid for and not read.
    pub unread_chars: u64,
    /// True if the pieces come from a whole `message`, not from a `delta`: some servers send both.
    pub whole: bool,
    /// True if reasoning is encrypted or a summary.
    pub hidden_reasoning: bool,
    /// True if a block of reasoning was closed: if none of its text was seen, it was hidden.
    pub signed_reasoning: bool,
    /// True if the answer has something that is not read: an image, sound, a server's own tool call.
    pub has_other_output: bool,
    /// True if the server says that the answer is not whole, whatever its reason.
    pub is_incomplete: bool,
    /// The finish reason, verbatim.
    pub finish_reason: Option<Cow<'a, str>>,
    /// Token counts so far; counts that this chunk does not report are absent.
    pub usage: Usage,
    /// Prompt tokens that were neither read from the cache nor written to it, where the server counts them
    /// separately: the sum of the three is the number of prompt tokens.
    pub fresh_prompt_tokens: Option<u64>,
    /// `total_tokens`, for checking the counts against each other.
    pub total_tokens: Option<u64>,
    /// Amounts so far.
    pub bill: ReportedBill,
    /// True if the amount came in xAI's unit, which no other vendor uses.
    pub has_ticks: bool,
    /// The model of a fallback on the server's side, which wrote the answer.
    pub fallback_model: Option<String>,
    /// The parts of the answer by model, where its counts are not those of one model.
    pub usage_parts: Vec<UsagePart>,
    /// The service tier that served the answer.
    pub service_tier: Option<Cow<'a, str>>,
    /// Paths of positive numbers in usage blocks that have no known meaning.
    pub unread_usage: Vec<String>,
    /// The gateway's routing.
    pub route: Option<Route>,
    /// The provider, where a gateway names it on the chunk itself.
    pub provider: Option<Cow<'a, str>>,
    /// The gateway's id of the generation.
    pub generation_id: Option<Cow<'a, str>>,
    /// An error reported in this chunk.
    pub error: Option<ApiError>,
    /// True if texts may have stand-ins for halves of surrogate pairs.
    pub has_halves: bool,
    /// True if the answer is over: the equivalent of `[DONE]` on other routes.
    pub is_last: bool,
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkPiece<'a> {
    /// Visible reasoning.
    Reasoning(Cow<'a, str>),
    /// The answer's text.
    Content(Cow<'a, str>),
    /// The text of a refusal.
    Refusal(Cow<'a, str>),
    /// Part of a tool call.
    ToolCall(ToolFragment<'a>),
    /// A complete tool call: it adds something only where its fragments did not come before.
    CompletedCall(ToolFragment<'a>),
}

/// Part of a tool call; fields that it does not have are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolFragment<'a> {
    /// The index of the call, where the server numbers them.
    pub index: Option<u64>,
    /// The call's id: only on its first fragment.
    pub id: Cow<'a, str>,
    /// The function's name: only on its first fragment.
    pub name: Cow<'a, str>,
    /// The next part of the arguments.
    pub arguments: Cow<'a, str>,
}

/// The route that a gateway took until a provider answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    /// The provider that answered.
    pub provider: Option<String>,
    /// The number of providers tried.
    pub attempts: Option<u32>,
    /// True if the first attempt was not the one that answered.
    pub fell_back: bool,
    /// True if the user's own key was refused and the same provider answered with the gateway's credentials.
    pub own_key_refused: bool,
    /// True if the gateway is Vercel's.
    pub is_vercel: bool,
    /// The model that answered, where it is not the one that was tried first.
    pub other_model: Option<String>,
}

impl Chunk<'_> {
    /// True if nothing of an answer was found.
    pub(super) fn is_blank(&self) -> bool {
        let known = self.has_choice || self.has_other_output || self.is_last;
        let answer = self.finish_reason.is_some() || !self.pieces.is_empty();
        let counts = self.usage != Usage::default() || self.bill != ReportedBill::default();
        !known && !answer && !counts && self.error.is_none()
    }
}

impl ChunkPiece<'_> {
    /// True if the piece has any content. A tool call's bare id counts: it opens the call.
    pub(super) fn is_non_empty(&self) -> bool {
        match self {
            Self::Reasoning(text) | Self::Content(text) | Self::Refusal(text) => !text.is_empty(),
            Self::ToolCall(part) | Self::CompletedCall(part) => {
                !(part.id.is_empty() && part.name.is_empty() && part.arguments.is_empty())
            }
        }
    }

    /// Characters (Unicode scalar values) that the model wrote: 0 for a tool call's bare id, which is no token.
    pub fn chars(&self) -> u64 {
        let chars = |text: &str| text.chars().count() as u64;
        match self {
            Self::Reasoning(text) | Self::Content(text) | Self::Refusal(text) => chars(text),
            Self::ToolCall(part) | Self::CompletedCall(part) => {
                chars(&part.name) + chars(&part.arguments)
            }
        }
    }
}

/// Merges a usage block of this route into the chunk; amounts and counts that it does not have stay as they are.
pub(super) fn add_usage(chunk: &mut Chunk<'_>, block: Option<UsageBlock>, route: UsageRoute) {
    let Some(block) = block else { return };
    chunk.bill = block.bill().or_older(chunk.bill);
    let count = |meaning| block.count(meaning);
    let lifetimes = [
        count(UsageMeaning::CacheWriteShort),
        count(UsageMeaning::CacheWriteHour),
        count(UsageMeaning::CacheWriteHalfDay),
    ];
    let by_lifetime = lifetimes.into_iter().flatten().reduce(u64::saturating_add);
    let (prompt, completion) = match route {
        UsageRoute::Chat => (UsageMeaning::Prompt, UsageMeaning::Completion),
        UsageRoute::Messages | UsageRoute::Responses => (UsageMeaning::Input, UsageMeaning::Output),
    };
    let usage = Usage {
        prompt_tokens: count(prompt).filter(|_| route != UsageRoute::Messages),
        completion_tokens: count(completion),
        reasoning_tokens: count(UsageMeaning::Reasoning),
        cached_tokens: count(UsageMeaning::Cached),
        cache_write_tokens: count(UsageMeaning::CacheWrite).max(by_lifetime),
        cache_write_1h_tokens: lifetimes[1],
        cache_write_12h_tokens: lifetimes[2],
    };
    chunk.usage = merge_usage(usage, chunk.usage);
    chunk.total_tokens = newer_count(count(UsageMeaning::Total), chunk.total_tokens);
    if route == UsageRoute::Messages {
        chunk.fresh_prompt_tokens = count(prompt);
    }
    chunk.has_ticks |= count(UsageMeaning::Ticks).is_some();
    chunk.fallback_model = block.fallback_model().or(chunk.fallback_model.take());
    chunk.usage_parts = block.parts();
    if chunk.service_tier.is_none() {
        chunk.service_tier = block.service_tier().map(std::borrow::Cow::Owned);
    }
    chunk.unread_usage.extend(block.unread(route));
}

/// Adds the gateway's metadata, under each spelling of the key; amounts of the usage block, read before, have
/// precedence.
pub(super) fn add_metadata<'a, const N: usize>(
    chunk: &mut Chunk<'a>,
    spellings: [Object<WireMetadata<'a>>; N],
) {
    let metadata = spellings.into_iter().filter_map(|metadata| metadata.0);
    for gateway in metadata.filter_map(|metadata| metadata.gateway.0) {
        add_gateway(chunk, gateway);
    }
}

fn add_gateway<'a>(chunk: &mut Chunk<'a>, gateway: WireGateway<'a>) {
    let bill = ReportedBill {
        with_surcharges: usd(&gateway.gateway_cost),
        inference: usd(&gateway.cost),
        market: usd(&gateway.market_cost),
        upstream: None,
        is_unreadable: [&gateway.gateway_cost, &gateway.cost, &gateway.market_cost]
            .into_iter()
            .flatten()
            .any(|raw| is_unreadable(raw)),
    };
    chunk.bill = chunk.bill.or_older(bill);
    if chunk.generation_id.is_none() {
        chunk.generation_id = gateway.generation_id.some();
    }
    if let Some(routing) = gateway.routing.0 {
        chunk.route = Some(to_route(routing));
    }
}

/// Converts Vercel's routing.
fn to_route(routing: WireRouting<'_>) -> Route {
    let models = &routing.model_attempts.0;
    let tried: Vec<_> = models
        .iter()
        .flat_map(|model| &model.provider_attempts.0)
        .collect();
    let answered = tried
        .iter()
        .rposition(|attempt| attempt.success.0 == Some(true));
    let listed = (!tried.is_empty()).then_some(tried.len() as u64);
    let attempts = routing.total_provider_attempt_count.0.or(listed);
    let first_model = models.first().map(|model| &model.canonical_slug.0);
    let last_model = models
        .iter()
        .rfind(|model| model.success.0 == Some(true))
        .map(|model| &model.canonical_slug.0);
    let several = [attempts, routing.model_attempt_count.0]
        .into_iter()
        .flatten()
        .any(|count| count > 1);
    // The same provider with other credentials is no other choice of provider.
    let failed = answered.map_or(&[][..], |index| &tried[..index]);
    let last = answered.map(|index| tried[index]);
    let is_own_key = |attempt: &&&WireProviderAttempt<'_>| {
        let same_provider = last.is_some_and(|last| last.provider.0 == attempt.provider.0);
        same_provider && attempt.credential_type.0 == "byok"
    };
    let own_key_refused = last.is_some_and(|last| last.credential_type.0 == "system")
        && failed
            .iter()
            .filter(is_own_key)
            .any(|attempt| matches!(attempt.status_code.0, Some(401 | 403)));
    let is_only_own_key = own_key_refused && failed.iter().all(|attempt| is_own_key(&attempt));
    Route {
        provider: routing
            .final_provider
            .some()
            .map(Cow::into_owned)
            .or_else(|| answered.map(|index| tried[index].provider.0.to_string()))
            .filter(|provider| !provider.is_empty()),
        attempts: attempts.and_then(|count| u32::try_from(count).ok()),
        // Where attempts are only counted, more than one means that the first one failed.
        fell_back: answered.map_or(several, |index| index > 0 && !is_only_own_key),
        own_key_refused,
        is_vercel: true,
        other_model: last_model
            .filter(|slug| !slug.is_empty() && first_model != Some(slug))
            .map(ToString::to_string),
    }
}

/// Converts `OpenRouter`'s metadata.
pub(super) fn to_openrouter_route(metadata: &WireOpenRouter<'_>) -> Route {
    let tried = &metadata.attempts.0;
    let answered = tried
        .iter()
        .rposition(|attempt| matches!(attempt.status.0, Some(200..=299)));
    let number = metadata.attempt.0.or(Some(tried.len() as u64));
    let number = number.filter(|number| *number > 0);
    let last = answered.map(|index| &tried[index]);
    let own = |text: &Cow<'_, str>| Some(text.to_string()).filter(|text| !text.is_empty());
    let first_model = tried.first().map(|attempt| &attempt.model.0);
    Route {
        provider: last.and_then(|attempt| own(&attempt.provider.0)),
        attempts: number.and_then(|count| u32::try_from(count).ok()),
        fell_back: number > Some(1),
        other_model: last
            .filter(|attempt| first_model != Some(&attempt.model.0))
            .and_then(|attempt| own(&attempt.model.0)),
        ..Route::default()
    }
}
