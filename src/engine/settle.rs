//! The cost of one attempt: for its sample, and for the cap.
//!
//! Owns which amount an attempt is settled at. Must not know reservations. Invariant: nothing is settled below the list cost
//! of any reading of the reported token counts; counts without a reading settle nothing.

use crate::catalog::{Prices, TokenCounts, cost};
use crate::gateway::Reading;
use crate::record::{
    ExchangeSize, Flag, Outcome, ReportedUsage, UsageBound, UsageReading, check_usage,
};
use crate::units::Usd;

use super::budget::Bill;

/// The cost of an attempt, as far as its answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AttemptCost {
    /// The meaning of its token counts.
    pub(super) usage: UsageReading,
    /// By list price; absent where the counts have no reading or several, or a price is missing.
    pub(super) list: Option<Usd>,
    /// The amount at which a cap settles.
    pub(super) bill: Bill,
    /// The largest reported amount; absent where the counts cannot be true.
    pub(super) reported: Option<Usd>,
}

impl AttemptCost {
    /// The cost of an answer to a conversation of so many characters, at these list prices.
    pub(super) fn new(reading: &Reading, prompt_chars: u64, prices: Option<&Prices>) -> Self {
        let size = ExchangeSize {
            prompt_chars,
            answer_chars: reading.answer_chars.unwrap_or(0),
            reasoning_chars: reading.reasoning_chars.unwrap_or(0),
            is_reasoning_summarised: reading.flags.contains(&Flag::HiddenReasoning),
        };
        let reported = ReportedUsage {
            usage: reading.usage.unwrap_or_default(),
            total_tokens: reading.total_tokens,
        };
        let usage = check_usage(&reported, &size);
        let at_list = |counts: &TokenCounts| cost(prices?, counts);
        let counts = usage.known().and_then(|usage| usage.counts());
        let list = counts.as_ref().and_then(at_list);
        let bill = bill(reading, &usage, &size, list, at_list);
        let impossible = usage.flags().contains(&Flag::UsageImpossible);
        let reported = list.max(reading.billed_usd).filter(|_| !impossible);
        Self {
            usage,
            list,
            bill,
            reported,
        }
    }
}

/// The amount that a cap counts: the larger of list cost and bill (with own keys the gateway's list price is what the provider
/// billed). A bill alone counts where it is not 0 and not below what the fewest tokens cost; beside counts that cannot
/// be true it does not, because it can be made of them.
fn bill(
    reading: &Reading,
    usage: &UsageReading,
    size: &ExchangeSize,
    list: Option<Usd>,
    at_list: impl Fn(&TokenCounts) -> Option<Usd>,
) -> Bill {
    if reading.billed_usd.is_none() && reading.outcome.costs_nothing(reading.status) {
        return Bill::Known(Usd::ZERO);
    }
    // Counts of an answer that was cut short may be those of its beginning.
    let whole = matches!(
        reading.outcome,
        Outcome::Complete | Outcome::Length | Outcome::Ended | Outcome::Refused | Outcome::Filtered
    );
    if !whole {
        return Bill::Unknown;
    }
    let billed = reading.billed_usd.max(reading.market_usd);
    let most = match usage {
        UsageReading::Known(_) if list.is_some() => list.max(billed),
        UsageReading::Unknown {
            upper: UsageBound::Readings(readings),
            ..
        } => {
            let costs = readings.iter().map(at_list).collect::<Option<Vec<_>>>();
            costs.and_then(|costs| costs.into_iter().max().max(billed))
        }
        UsageReading::Unknown { flags, .. } if !flags.is_empty() => None,
        // No counts, or no price for them.
        UsageReading::Known(_) | UsageReading::Unknown { .. } => {
            let least = at_list(&size.min_counts()).unwrap_or(Usd::ZERO);
            billed.filter(|billed| *billed > Usd::ZERO && *billed >= least)
        }
    };
    most.map_or(Bill::Unknown, Bill::Known)
}

#[cfg(test)]
#[path = "settle_tests.rs"]
mod tests;
