//! Prices of tokens, and the cost of a request.
//!
//! Owns the cost formula. Must not know the source of prices or token counts. Invariant: costs are
//! exact integers; a cost that is not known is absent, never 0.

use crate::suite::OwnPrice;
use crate::units::Usd;

/// Prices in USD per token of each kind; absent if not listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// A prompt token that was neither read from the prompt cache nor written to it.
    pub input: Option<Usd>,
    /// A completion token, reasoning included.
    pub output: Option<Usd>,
    /// A prompt token read from the prompt cache; absent: as input.
    pub cache_read: Option<Usd>,
    /// A prompt token written to the prompt cache; absent: as input.
    pub cache_write: Option<Usd>,
    /// A prompt token written to the prompt cache for an hour; absent: unknown.
    pub cache_write_1h: Option<Usd>,
    /// A prompt token written to the prompt cache for twelve hours; absent: unknown.
    pub cache_write_12h: Option<Usd>,
}

impl From<&OwnPrice> for Rates {
    fn from(price: &OwnPrice) -> Self {
        Self {
            input: Some(price.input_usd),
            output: Some(price.output_usd),
            cache_read: price.cache_read_usd,
            cache_write: price.cache_write_usd,
            cache_write_1h: price.cache_write_1h_usd,
            cache_write_12h: price.cache_write_12h_usd,
        }
    }
}

/// Rates for requests of a certain size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// The smallest prompt, in tokens, of a request that pays these rates.
    pub from_prompt_tokens: u64,
    /// Prices of its tokens.
    pub rates: Rates,
}

/// List prices of one model: one tier or more, the first from 0 tokens, in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPrices(Vec<Tier>);

/// Error for tiers that do not form a price list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("price tiers must start at 0 prompt tokens and ascend")]
pub struct TiersError;

/// Tokens of one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenCounts {
    /// Prompt tokens, those read from the cache and written to it included.
    pub prompt: u64,
    /// Prompt tokens read from the prompt cache.
    pub cached: u64,
    /// Prompt tokens written to the prompt cache.
    pub cache_write: u64,
    /// The part of these that is kept for an hour.
    pub cache_write_1h: u64,
    /// The part of these that is kept for twelve hours.
    pub cache_write_12h: u64,
    /// Completion tokens, reasoning included.
    pub completion: u64,
}

impl TokenCounts {
    /// Prompt tokens that were neither read from the prompt cache nor written to it; `None` if the
    /// counts contradict each other: more cached and written than prompt tokens, or more of a lifetime than written.
    pub fn fresh(&self) -> Option<u64> {
        self.short_write()?;
        self.prompt
            .checked_sub(self.cached)?
            .checked_sub(self.cache_write)
    }

    /// Tokens written to the prompt cache for the shortest lifetime.
    fn short_write(&self) -> Option<u64> {
        self.cache_write
            .checked_sub(self.cache_write_1h)?
            .checked_sub(self.cache_write_12h)
    }
}

impl TokenPrices {
    /// Creates a price list with the same rates for every request.
    pub fn flat(rates: Rates) -> Self {
        Self(vec![Tier {
            from_prompt_tokens: 0,
            rates,
        }])
    }

    /// Creates a price list whose rates depend on the size of the prompt.
    ///
    /// # Errors
    /// Returns an error if the first tier does not begin at 0, or tiers do not ascend.
    pub fn tiered(tiers: Vec<Tier>) -> Result<Self, TiersError> {
        let from_zero = tiers
            .first()
            .is_some_and(|tier| tier.from_prompt_tokens == 0);
        let ascending = tiers.is_sorted_by(|a, b| a.from_prompt_tokens < b.from_prompt_tokens);
        if from_zero && ascending {
            Ok(Self(tiers))
        } else {
            Err(TiersError)
        }
    }

    /// Every tier, the first from 0 tokens.
    pub fn tiers(&self) -> &[Tier] {
        &self.0
    }

    /// The rates of a request with this many prompt tokens, cached ones included.
    pub fn rates(&self, prompt_tokens: u64) -> &Rates {
        let above = self
            .0
            .partition_point(|tier| tier.from_prompt_tokens <= prompt_tokens);
        &self.0[above.saturating_sub(1)].rates
    }
}

/// Computes the cost of a request at these list prices; `None` if a needed price is not listed, the
/// counts contradict each other, or the sum is beyond the range of [`Usd`].
///
/// fresh x input + cached x cache read + written x cache write (by lifetime) + completion x output, where
/// fresh = prompt - cached - written. This is the gateway's formula, checked against recorded bills to
/// the last digit; only the term of cache writes rests on documentation instead of a bill.
///
/// If prices have tiers, the *whole* request pays the rates of the tier its prompt (cached
/// tokens included) falls in. The gateway does not say so; it is how the providers behind it
/// charge, and it is never below a reading that charges only the tokens above the boundary, as
/// long as rates ascend.
pub fn cost(prices: &TokenPrices, counts: &TokenCounts) -> Option<Usd> {
    let fresh = counts.fresh()?;
    let rates = prices.rates(counts.prompt);
    let terms = [
        (fresh, rates.input),
        (counts.cached, rates.cache_read.or(rates.input)),
        (counts.short_write()?, rates.cache_write.or(rates.input)),
        (counts.cache_write_1h, rates.cache_write_1h),
        (counts.cache_write_12h, rates.cache_write_12h),
        (counts.completion, rates.output),
    ];
    // Unused kinds of tokens cost nothing, even if their price is not known.
    terms
        .into_iter()
        .filter(|(tokens, _)| *tokens > 0)
        .try_fold(Usd::ZERO, |sum, (tokens, rate)| {
            sum.plus(rate?.times(tokens)?)
        })
}

#[cfg(test)]
mod tests;
