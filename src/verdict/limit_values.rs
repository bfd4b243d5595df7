//! The contributions of single trials to limited quantities that verdicts do not need.
//!
//! Owns which samples count for which quantity, as in the columns of the same names. Must not know bounds. Invariant: a
//! run stores these values for the limits of its own gate alone.

use crate::catalog::TokenPrices;
use crate::record::{FailureKind, Flag, HdrReader, Manifest, Sample};
use crate::suite::{Measure, Quantity, Quotient, Statistic, TrialCount};
use crate::units::{Nanos, Usd};

use super::caching::uncached_cost;
use super::quality::time_spent;
use super::run_index::SamplePlace;
use super::tally::is_excluded_from_ttft;

/// A value beyond that of every answer, of a measure of which more is better.
const BEYOND: f64 = 1e12;

/// The values of one limited quantity.
#[derive(Debug, Clone)]
pub struct LimitedQuantity {
    /// The quantity.
    pub quantity: Quantity,
    /// The values by variant and prompt, in any order.
    pub values: Vec<Vec<Vec<LimitValue>>>,
}

/// The value of one trial.
#[derive(Debug, Clone, PartialEq)]
pub enum LimitValue {
    /// Its addends to two sums, whose quotient is limited; a value by itself has a whole of 1.
    Parts {
        /// To the dividend. Not a number where it is not known, but should be.
        part: f64,
        /// To the divisor; absent of an answer without a grade, which is taken to pass as often as the others.
        whole: Option<f64>,
    },
    /// The gaps of an answer: microseconds and their number, and the longest one in ns.
    Gaps {
        /// The counters of the answer's histogram.
        counters: Box<[(u32, u32)]>,
        /// The longest gap.
        longest: Nanos,
    },
}

/// The gatherer of these values.
pub(super) struct LimitFold {
    pub(super) limited: Vec<LimitedQuantity>,
    prices: Vec<Option<TokenPrices>>,
    reader: HdrReader,
}

impl LimitFold {
    pub(super) fn new(manifest: &Manifest) -> Self {
        let suite = &manifest.suite;
        let limits = suite.gate.iter().flat_map(|gate| &gate.limits);
        let mut quantities: Vec<Quantity> = limits.map(|limit| limit.quantity).collect();
        quantities.retain(|quantity| needs_values(*quantity));
        quantities.sort_unstable();
        quantities.dedup();
        let empty = vec![vec![Vec::new(); suite.prompts.len()]; suite.variants.len()];
        let limited = quantities.into_iter().map(|quantity| LimitedQuantity {
            quantity,
            values: empty.clone(),
        });
        let prices = suite.variants.iter();
        Self {
            limited: limited.collect(),
            prices: prices
                .map(|variant| manifest.prices_of(&variant.model))
                .collect(),
            reader: HdrReader::default(),
        }
    }

    pub(super) fn add(&mut self, sample: &Sample, SamplePlace { variant, prompt }: SamplePlace) {
        let prices = self.prices[variant].as_ref();
        for limited in &mut self.limited {
            let value = value(limited.quantity, sample, prices, &mut self.reader);
            limited.values[variant][prompt].extend(value);
        }
    }
}

/// Returns true for a quantity that observations do not have.
fn needs_values(quantity: Quantity) -> bool {
    match quantity {
        Quantity::Spread { .. } => quantity.time_metric().is_none(),
        Quantity::Quotient(_) | Quantity::Count(_) => true,
        _ => false,
    }
}

impl LimitValue {
    fn number(part: f64) -> Self {
        Self::Parts {
            part,
            whole: Some(1.0),
        }
    }

    /// The best value that a trial which is not sent can have; `None` if it need not have one.
    pub(super) fn best(quantity: Quantity) -> Option<Self> {
        let part = match quantity {
            Quantity::Spread {
                measure: Measure::Gap,
                ..
            } => return None,
            Quantity::Quotient(Quotient::CacheHitShare)
            | Quantity::Spread {
                measure: Measure::Score,
                ..
            } => 1.0,
            _ if quantity.has_minimum() => BEYOND,
            _ => 0.0,
        };
        Some(Self::number(part))
    }
}

fn value(
    quantity: Quantity,
    sample: &Sample,
    prices: Option<&TokenPrices>,
    reader: &mut HdrReader,
) -> Option<LimitValue> {
    match quantity {
        Quantity::Spread {
            measure: Measure::Gap,
            statistic,
        } => gaps(statistic, sample, reader),
        Quantity::Spread { measure, .. } => {
            measured(measure, sample, prices).map(LimitValue::number)
        }
        Quantity::Quotient(quotient) => parts(quotient, sample),
        Quantity::Count(count) => {
            let counted = u8::from(is_counted(count, sample));
            Some(LimitValue::number(f64::from(counted)))
        }
        _ => None,
    }
}

/// The gaps of an answer that did not fail. A histogram that cannot be read leaves them out.
fn gaps(statistic: Statistic, sample: &Sample, reader: &mut HdrReader) -> Option<LimitValue> {
    let gaps = sample.gaps.as_ref().filter(|gaps| gaps.count > 0)?;
    if sample.outcome.failure().is_some() {
        return None;
    }
    let mut counters = reader.counters(gaps.hdr.as_deref()?).ok()?;
    let longest = gaps.max_ns.unwrap_or_default();
    match statistic {
        Statistic::Mean => Some(LimitValue::Parts {
            part: gaps.mean_ns.unwrap_or_default().0 as f64 * gaps.count as f64,
            whole: Some(gaps.count as f64),
        }),
        Statistic::Max => Some(LimitValue::number(longest.0 as f64)),
        Statistic::Min => {
            let (smallest, _) = counters.next()?;
            Some(LimitValue::number(smallest as f64 * 1e3))
        }
        _ => {
            let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
            Some(LimitValue::Gaps {
                counters: counters.map(|(us, count)| (narrow(us), count)).collect(),
                longest,
            })
        }
    }
}

/// The value of a measure; `None` of a trial that does not have it.
fn measured(measure: Measure, sample: &Sample, prices: Option<&TokenPrices>) -> Option<f64> {
    let ns = |span: Option<Nanos>| span.map(|span| span.0 as f64);
    let count = |count: Option<u64>| count.map(|count| count as f64);
    let usd = |amount: Option<Usd>| amount.map(Usd::as_f64);
    let answered = sample.outcome.answered();
    let usage = || sample.known_usage();
    match measure {
        Measure::OutputRate => sample.output_rate().filter(|_| answered),
        Measure::EndToEndRate => sample.end_to_end_rate().filter(|_| answered),
        Measure::CharsPerSecond => sample.chars_per_second().filter(|_| answered),
        Measure::Lag => ns(Some(sample.lag())),
        Measure::Connect => ns(sample.connect_ns),
        Measure::Headers => ns(sample.headers_ns).filter(|_| answered),
        Measure::FirstUnit => {
            ns(sample.first_unit_ns).filter(|_| answered && !is_excluded_from_ttft(sample))
        }
        Measure::LastToken => ns(sample.last_token_ns).filter(|_| answered),
        Measure::CacheHitTtft | Measure::CacheMissTtft => {
            let is_hit = sample.cache_usage()?.cached_tokens? > 0;
            let is_counted = answered && !is_excluded_from_ttft(sample);
            let is_of_class = is_hit == (measure == Measure::CacheHitTtft);
            ns(sample.ttft_ns).filter(|_| is_counted && is_of_class)
        }
        Measure::PromptTokens => count(usage()?.prompt_tokens),
        Measure::CompletionTokens => count(usage()?.completion_tokens),
        Measure::ReasoningTokens => count(usage()?.reasoning_tokens),
        Measure::CachedTokens => count(usage()?.cached_tokens),
        Measure::CacheWriteTokens => count(usage()?.cache_write_tokens),
        Measure::AnswerChars => count(sample.answer_chars).filter(|_| answered),
        Measure::ReasoningChars => count(sample.reasoning_chars).filter(|_| answered),
        Measure::FirstChunkChars => count(sample.first_chunk_chars).filter(|_| answered),
        Measure::BilledUsd => usd(sample.billed_usd),
        Measure::MarketUsd => usd(sample.market_usd).filter(|_| !sample.has_unknown_usage()),
        Measure::SurchargeUsd => usd(sample.surcharge_usd),
        Measure::CacheSavedUsd => {
            let usage = sample
                .cache_usage()
                .filter(|usage| usage.cached_tokens.is_some())?;
            let (cost, uncached) = uncached_cost(prices?, &usage)?;
            Some(uncached.as_f64() - cost.as_f64())
        }
        Measure::Score => sample.passed().and(sample.score()),
        // Observations have these, and gaps are no value of a trial.
        Measure::Ttft
        | Measure::Ttfa
        | Measure::ExperiencedTtft
        | Measure::Latency
        | Measure::RequestGap
        | Measure::Gap => None,
    }
}

/// The addends of a trial to both sums of a quotient.
fn parts(quotient: Quotient, sample: &Sample) -> Option<LimitValue> {
    let answered = f64::from(u8::from(sample.outcome.answered()));
    let parts = |part: f64, whole: f64| {
        let whole = Some(whole);
        Some(LimitValue::Parts { part, whole })
    };
    // An answer without a grade has no whole; a failed trial adds to the dividend alone.
    let per_passed = |part: f64| {
        let whole = match sample.passed() {
            Some(passed) => Some(f64::from(u8::from(passed))),
            None if answered > 0.0 => None,
            None => Some(0.0),
        };
        Some(LimitValue::Parts { part, whole })
    };
    // The price of an answer that is not known makes the sum unknown; a failed trial may have none.
    let cost = || {
        let unknown = if answered > 0.0 { f64::NAN } else { 0.0 };
        sample.list_price().map_or(unknown, Usd::as_f64)
    };
    match quotient {
        Quotient::CoalescedShare => {
            let gaps = sample.gaps.as_ref()?;
            if sample.outcome.failure().is_some() {
                return None;
            }
            let coalesced = gaps.coalesced as f64;
            parts(coalesced, coalesced + gaps.count as f64)
        }
        Quotient::CacheHitShare => {
            let read = sample.cache_usage()?.cached_tokens?;
            parts(f64::from(u8::from(read > 0)), 1.0)
        }
        Quotient::CacheReadShare => {
            let usage = sample.cache_usage()?;
            let (read, prompt) = (usage.cached_tokens?, usage.prompt_tokens?);
            (prompt >= read).then(|| parts(read as f64, prompt as f64))?
        }
        Quotient::Consistency => parts(f64::from(u8::from(sample.passed()?)), 1.0),
        Quotient::CostPerCompleted => parts(cost(), answered),
        Quotient::CostPerPassed => per_passed(cost()),
        Quotient::LatencyPerCompleted => parts(time_spent(sample).0 as f64, answered),
        Quotient::LatencyPerPassed => per_passed(time_spent(sample).0 as f64),
    }
}

fn is_counted(count: TrialCount, sample: &Sample) -> bool {
    let failed = |kind: FailureKind| sample.outcome.failure() == Some(kind);
    match count {
        TrialCount::Failed => !sample.outcome.answered(),
        TrialCount::FailedRefusal => failed(FailureKind::Refusal),
        TrialCount::FailedRateLimit => failed(FailureKind::RateLimit),
        TrialCount::FailedTimeout => failed(FailureKind::Timeout),
        TrialCount::FailedServer => failed(FailureKind::Server),
        TrialCount::FailedConnection => failed(FailureKind::Connection),
        TrialCount::FailedRequest => failed(FailureKind::Request),
        TrialCount::FailedProtocol => failed(FailureKind::Protocol),
        TrialCount::Excluded => sample.outcome.answered() && is_excluded_from_ttft(sample),
        TrialCount::Buffered => sample.has(Flag::Buffered),
        TrialCount::Cold => sample.has(Flag::Cold),
        TrialCount::ClientLimited => sample.has(Flag::ClientLimited),
        TrialCount::Fallbacks => sample.has(Flag::Fallback),
        TrialCount::OtherModel => sample.has(Flag::OtherModel),
        TrialCount::HiddenReasoning => sample.has(Flag::HiddenReasoning),
        TrialCount::TruncatedInReasoning => sample.has(Flag::TruncatedInReasoning),
        TrialCount::UsageMismatch => sample.has(Flag::UsageMismatch),
        TrialCount::UsageImpossible => sample.has(Flag::UsageImpossible),
        TrialCount::UsageAmbiguous => sample.has(Flag::UsageAmbiguous),
        TrialCount::UsageUnread => sample.has(Flag::UsageUnread),
        TrialCount::UnpricedTier => sample.has(Flag::UnpricedTier),
        TrialCount::ResponseCached => sample.has(Flag::ResponseCached),
        TrialCount::OwnKeyRefused => sample.has(Flag::OwnKeyRefused),
        TrialCount::ProxyRetried => sample.has(Flag::ProxyRetried),
        TrialCount::Deferred => sample.has(Flag::Deferred),
        TrialCount::Retried => sample.attempts.len() > 1,
    }
}
