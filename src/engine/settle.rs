//! The cost of one attempt: for its sample, and for the cap.
//!
//! Owns the amount at which an attempt is settled. Must not know reservations. Invariant: nothing is settled
//! below the list cost of any reading of the reported token counts; counts without a reading settle nothing.

use crate::catalog::{
    Catalog, PriceBound, ServiceTiers, TokenCounts, TokenPrices, cost, requested_service_tier,
};
use crate::gateway::{Reading, UsagePart, same_model};
use crate::record::{
    ExchangeSize, Flag, Outcome, ReportedUsage, UsageBound, UsageDialect, UsageReading, check_usage,
};
use crate::suite::{Message, Parameters, is_standard_tier};
use crate::units::Usd;

use super::budget::ActualCost;

/// The cost of an attempt, as far as its answer reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AttemptCost {
    /// The meaning of its token counts.
    pub(super) usage: UsageReading,
    /// The facts about its cost, as flags of its sample.
    pub(super) flags: Vec<Flag>,
    /// At list price; absent where the counts have no reading or several, or a price is missing.
    pub(super) list: Option<Usd>,
    /// The amount at which a cap settles.
    pub(super) bill: ActualCost,
    /// The largest reported amount; absent where the counts cannot be true.
    pub(super) reported: Option<Usd>,
}

/// The size of a conversation that is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PromptSize {
    /// Characters of contents, and of names and arguments of tool calls.
    pub(super) chars: u64,
    /// The number of images.
    pub(super) images: u64,
    /// The service tier that its request names, if that has prices of its own.
    pub(super) service_tier: Option<String>,
    /// The token limit of its answer.
    pub(super) max_tokens: Option<u64>,
}

/// The prices of a variant's model.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct VariantPrices<'a> {
    /// Its list prices.
    pub(super) list: Option<&'a TokenPrices>,
    /// Its prices by service tier.
    pub(super) service_tiers: Option<&'a ServiceTiers>,
    /// The list of all models, for answers of which another one wrote a part.
    pub(super) catalog: Option<&'a Catalog>,
    /// The most expensive of all providers that may answer, surcharges included, where it is known.
    pub(super) bound: Option<&'a PriceBound>,
}

impl PromptSize {
    /// The size of these messages, sent with these parameters.
    pub(super) fn new(messages: &[Message], parameters: &Parameters) -> Self {
        let texts = messages.iter().flat_map(|message| {
            let calls = message.tool_calls.iter();
            let calls = calls.flat_map(|call| [&call.name, &call.arguments]);
            std::iter::once(&message.content).chain(calls)
        });
        Self {
            chars: texts.map(|text| text.chars().count() as u64).sum(),
            images: messages
                .iter()
                .map(|message| message.images.len() as u64)
                .sum(),
            service_tier: requested_service_tier(parameters).map(str::to_owned),
            max_tokens: parameters.max_tokens,
        }
    }
}

impl VariantPrices<'_> {
    /// The list cost of an answer that several models wrote, each part at its model's price; `own` are the prices of the requested
    /// model. `None` if a part cannot be read, or its model has no price.
    fn parts_cost(&self, parts: &[UsagePart], own: &TokenPrices) -> Option<Usd> {
        parts.iter().try_fold(Usd::ZERO, |sum, part| {
            let prices = match &part.model {
                Some(model) => self.served_prices(model)?,
                None => own,
            };
            sum.plus(cost(prices, &part.counts?)?)
        })
    }

    /// The prices of a model by the server's name of it. `None` if the list has no such model, or several with different prices.
    fn served_prices(&self, served: &str) -> Option<&TokenPrices> {
        let catalog = self.catalog?;
        let exact = served.parse().ok().and_then(|id| catalog.get(&id));
        if let Some(model) = exact {
            return model.prices.as_ref();
        }
        let same = catalog
            .models()
            .filter(|model| same_model(model.id.as_str(), served));
        let mut prices = same.map(|model| model.prices.as_ref());
        let first = prices.next()??;
        prices.all(|other| other == Some(first)).then_some(first)
    }
}

impl AttemptCost {
    /// The cost of an answer to a conversation of this size, at these prices.
    pub(super) fn new(reading: &Reading, prompt: &PromptSize, prices: VariantPrices<'_>) -> Self {
        let size = ExchangeSize {
            prompt_chars: prompt.chars,
            answer_chars: (reading.answer_chars.unwrap_or(0)).saturating_add(reading.unread_chars),
            reasoning_chars: reading.reasoning_chars.unwrap_or(0),
            has_hidden_reasoning: reading.flags.contains(&Flag::HiddenReasoning),
            has_reached_limit: reading.outcome == Outcome::Length,
        };
        let reported = ReportedUsage {
            usage: reading.usage.unwrap_or_default(),
            earlier: reading.largest_usage,
            total_tokens: reading.total_tokens,
            dialect: reading.usage_dialect,
        };
        // The tier that served is the one that is paid; one that the answer does not name may be the requested one.
        let tier = reading
            .service_tier
            .as_ref()
            .or(prompt.service_tier.as_ref());
        let tier = tier.filter(|tier| !is_standard_tier(tier));
        let is_standard = tier.is_none();
        let list = match tier {
            Some(tier) => prices.service_tiers.and_then(|tiers| tiers.get(tier)),
            None => prices.list,
        };
        let at_list = |counts: &TokenCounts| {
            if reading.usage_parts.is_empty() {
                return cost(list?, counts);
            }
            // The counts of its parts are the server's own; nothing is decided about them.
            prices.parts_cost(&reading.usage_parts, list.filter(|_| is_standard)?)
        };
        let surcharge = reading.surcharge_usd.unwrap_or(Usd::ZERO);
        let inference = reading.billed_usd.map(|usd| Usd(usd.0 - surcharge.0));
        let is_evidence = reading.usage_dialect != UsageDialect::Recounting;
        let is_billed = |counts: &TokenCounts| {
            let bills = [reading.market_usd, inference].into_iter().flatten();
            let mut bills = bills.filter(|usd| is_evidence && *usd > Usd::ZERO);
            at_list(counts).is_some_and(|cost| bills.any(|billed| !billed.differs_from(cost)))
        };
        let usage = check_usage(&reported, &size, is_billed);
        let counts = usage.known().and_then(|usage| usage.counts());
        let list = counts.as_ref().and_then(at_list);
        // Without a bill any of the model's providers may have answered.
        let has_bill = reading.billed_usd.max(reading.market_usd) > Some(Usd::ZERO);
        let bound = prices.bound.filter(|_| !has_bill);
        let at_most = |counts: &TokenCounts| match bound {
            Some(bound) if is_standard && reading.usage_parts.is_empty() => {
                bound.of_counts(counts, prompt.images)
            }
            // The bound does not know the prices of another tier, or of a model that wrote a part.
            Some(bound) => {
                let list = at_list(counts)?;
                Some(list.max(bound.of_counts(counts, prompt.images)?))
            }
            None => at_list(counts),
        };
        let bill = bill(reading, &usage, &size, at_list, at_most);
        let impossible = usage.flags().contains(&Flag::UsageImpossible);
        let is_known = |max: &Usd| !impossible && (list.is_some() || *max > Usd::ZERO);
        let reported = list.max(reading.billed_usd).filter(is_known);
        let mut flags = usage.flags().to_vec();
        if !is_standard && list.is_none() && prices.list.is_some() && usage.known().is_some() {
            flags.push(Flag::UnpricedTier);
        }
        Self {
            usage,
            flags,
            list,
            bill,
            reported,
        }
    }
}

/// The amount at which a cap settles: the largest cost of any reading of the counts, and the bill (with own
/// keys the gateway's list price is the amount billed by the provider). A bill without counts is accepted where
/// it is not 0 and not below the cost of the fewest tokens; with counts that cannot be true it is not, because
/// it may be computed from them.
fn bill(
    reading: &Reading,
    usage: &UsageReading,
    size: &ExchangeSize,
    at_list: impl Fn(&TokenCounts) -> Option<Usd>,
    at_most: impl Fn(&TokenCounts) -> Option<Usd>,
) -> ActualCost {
    if reading.billed_usd.is_none() && reading.outcome.costs_nothing(reading.status) {
        return ActualCost::Known(Usd::ZERO);
    }
    // An amount that cannot be read may be any, and counts beside it may be wrong as well.
    if reading.has_unreadable_bill {
        return ActualCost::Unknown;
    }
    // Counts of a truncated answer may be those of its beginning.
    if !reading.outcome.is_whole() {
        return ActualCost::Unknown;
    }
    let billed = reading.billed_usd.max(reading.market_usd);
    let readings = match usage {
        UsageReading::Known(usage) => usage.counts().into_iter().collect(),
        UsageReading::Unknown { upper, .. } => match upper {
            UsageBound::Readings(readings) => readings.clone(),
            UsageBound::WorstCase => Vec::new(),
        },
    };
    let costs = readings.iter().map(at_most);
    let max = costs.collect::<Option<Vec<_>>>().unwrap_or_default();
    let max = match max.into_iter().max() {
        Some(max) => billed.max(Some(max)),
        None if !usage.flags().is_empty() => None,
        // No price: the gateway's bill is the only amount.
        None if usage.known().is_some() => billed,
        None => {
            let min = at_list(&size.min_counts()).unwrap_or(Usd::ZERO);
            billed.filter(|billed| *billed > Usd::ZERO && *billed >= min)
        }
    };
    max.map_or(ActualCost::Unknown, ActualCost::Known)
}

#[cfg(test)]
#[path = "settle_tests.rs"]
mod tests;
