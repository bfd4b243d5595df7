//! The forecast as JSON.
//!
//! Owns its layout. Must not know how a forecast is made. Invariant: absent means not known, never 0; money
//! is a decimal string.

use schemars::JsonSchema;
use serde::Serialize;

use crate::record::PriceSource;
use crate::stats::interval::Interval;
use crate::units::{ModelId, Usd};
use crate::verdict::{MonthlyCost, Ratio, Retries, VariantForecast};

use super::{ForecastView, NOT_COVERED, stored, word};

/// Version of the JSON's layout.
const VERSION: u32 = 1;
/// Of every interval.
const LEVEL: f64 = 0.95;

/// What `forecast --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ForecastDocument<'a> {
    /// Version of this document.
    version: u32,
    /// Name of the suite.
    suite: &'a str,
    /// Name of the run's folder.
    run: &'a str,
    /// `complete`, `running`, `interrupted` or `incomplete`.
    status: &'static str,
    /// What a reader must know first: an incomplete run, invented money.
    warnings: Vec<String>,
    /// Whether the run was made on the simulator, whose money is invented.
    simulated: bool,
    /// Fewest requests a month.
    requests_lower: f64,
    /// Most requests a month.
    requests_upper: f64,
    /// Confidence of every interval.
    level: f64,
    /// Of which kinds of requests.
    mix: MixDocument<'a>,
    /// Where the list prices of the run came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    prices: Option<PricesDocument<'a>>,
    /// What was supposed in place of what was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    what_if: Option<WhatIfDocument<'a>>,
    /// What no figure holds.
    not_covered: &'static str,
    /// The cheapest first; those without a forecast last.
    variants: Vec<VariantDocument<'a>>,
}

/// Of which kinds of requests.
#[derive(Debug, Serialize, JsonSchema)]
struct MixDocument<'a> {
    /// The file it was read from; absent: the weights of the suite.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    /// Whether the prompts were declared to be every kind of request: then only repetitions vary.
    complete: bool,
    /// Prompts with a share, in the order of the suite.
    prompts: Vec<ShareDocument<'a>>,
    /// Prompts of the run without a share.
    left_out: Vec<&'a str>,
}

/// How much of the traffic looks like a prompt.
#[derive(Debug, Serialize, JsonSchema)]
struct ShareDocument<'a> {
    /// Its id.
    prompt: &'a str,
    /// All shares together are 1.
    share: f64,
}

/// Where list prices came from.
#[derive(Debug, Serialize, JsonSchema)]
struct PricesDocument<'a> {
    /// In words.
    source: &'a str,
    /// `YYYY-MM-DD`.
    date: &'a str,
    /// Digest of the list.
    digest: &'a str,
}

/// What was supposed.
#[derive(Debug, Serialize, JsonSchema)]
struct WhatIfDocument<'a> {
    /// Where other prices come from, where a list was looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    prices: Option<PricesDocument<'a>>,
    /// Models whose prices were given; they win over the list's.
    given: Vec<&'a str>,
    /// Share of prompt tokens that are read from the cache where a prompt can be cached.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_hit_rate: Option<f64>,
}

/// One variant.
#[derive(Debug, Serialize, JsonSchema)]
struct VariantDocument<'a> {
    /// Its label.
    variant: &'a str,
    /// The model asked for.
    #[schemars(with = "String")]
    model: &'a ModelId,
    /// Whether it is the one in use today.
    reference: bool,
    /// Attempts that are paid beside an answer.
    retries: RetriesDocument,
    /// What warming its caches cost in the run, which no figure holds; absent where that was not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    warming_usd: Option<Usd>,
    /// By the list prices of the run; absent where there is no forecast.
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<MonthDocument>,
    /// Why that is absent: `no_answers`, `no_cost` or `contradicting_counts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<&'static str>,
    /// What would be, where that was asked for and is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    what_if: Option<MonthDocument>,
    /// Why that is absent: `no_answers`, `no_other_price` or `contradicting_counts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    what_if_unknown: Option<&'static str>,
    /// Answers whose prompt can be cached, where a rate of hits was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    cacheable_answers: Option<u64>,
}

/// Attempts that are paid beside an answer.
#[derive(Debug, Serialize, JsonSchema)]
struct RetriesDocument {
    /// Attempts that failed and may have been billed.
    failed: u64,
    /// The same, and answers.
    of: u64,
    /// Paid attempts beside an answer, for each answer: above 1 where more fail than answer.
    per_answer: f64,
    /// Its lower limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_answer_lower: Option<f64>,
    /// Its upper limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_answer_upper: Option<f64>,
    /// Whether it was given, and not measured.
    declared: bool,
}

/// What a month costs; sums are decimal strings of USD.
#[derive(Debug, Serialize, JsonSchema)]
struct MonthDocument {
    /// At the middle of the traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    month_usd: Option<Usd>,
    /// The lower end at the least traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    month_usd_lower: Option<Usd>,
    /// The upper end at the most traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    month_usd_upper: Option<Usd>,
    /// Of a thousand requests, retries included.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    per_1000_usd: Option<Usd>,
    /// Its lower end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    per_1000_usd_lower: Option<Usd>,
    /// Its upper end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    per_1000_usd_upper: Option<Usd>,
    /// Mean cost of an answer over the reference's, without retries.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    /// Its lower end.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio_lower: Option<f64>,
    /// Its upper end.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio_upper: Option<f64>,
    /// Prompts of the mix that have an answer with a cost.
    prompts: usize,
    /// These answers.
    answers: u64,
    /// Answers without a cost, which are left out.
    unpriced_answers: u64,
    /// Share of the mix without an answer with a cost.
    missing_share: f64,
}

impl ForecastView<'_> {
    pub(super) fn document(&self) -> ForecastDocument<'_> {
        let (status, _) = crate::report::view::status(self.manifest, self.samples);
        let what_if = self.terms.what_if.as_ref();
        ForecastDocument {
            version: VERSION,
            suite: &self.manifest.suite.name,
            run: &self.manifest.run,
            status,
            warnings: self.warnings(),
            simulated: self.simulated(),
            requests_lower: self.terms.traffic.lower(),
            requests_upper: self.terms.traffic.upper(),
            level: LEVEL,
            mix: self.mix_document(),
            prices: self.manifest.prices.as_ref().map(PricesDocument::from),
            what_if: what_if.map(|what_if| WhatIfDocument {
                prices: self.other_prices.map(PricesDocument::from),
                given: (self.given.iter())
                    .map(|price| price.model.as_str())
                    .collect(),
                cache_hit_rate: what_if.cache_hit_rate,
            }),
            not_covered: NOT_COVERED,
            variants: (self.forecast.variants.iter())
                .map(|of| VariantDocument {
                    warming_usd: self.warming_of(of).map(|warming| warming.spent_usd),
                    ..variant(of, what_if.is_some_and(|w| w.cache_hit_rate.is_some()))
                })
                .collect(),
        }
    }

    fn mix_document(&self) -> MixDocument<'_> {
        let shares = &self.terms.mix.shares;
        let sum: f64 = shares.iter().flatten().sum();
        let prompts = self.manifest.suite.prompts.iter().zip(shares);
        let with_share = prompts.filter_map(|(prompt, share)| {
            Some(ShareDocument {
                prompt: &prompt.id,
                share: (*share)? / sum,
            })
        });
        MixDocument {
            file: self.mix_file,
            complete: self.terms.mix_complete,
            prompts: with_share.collect(),
            left_out: self.left_out(),
        }
    }
}

impl<'a> From<&'a PriceSource> for PricesDocument<'a> {
    fn from(prices: &'a PriceSource) -> Self {
        Self {
            source: &prices.source,
            date: &prices.date,
            digest: &prices.digest,
        }
    }
}

fn variant(of: &VariantForecast, with_hits: bool) -> VariantDocument<'_> {
    let Retries {
        failed,
        total: all,
        rate,
        limits,
        declared,
    } = of.retries;
    let finite = |end: f64| end.is_finite().then_some(end);
    VariantDocument {
        variant: &of.label,
        model: &of.model,
        reference: of.reference,
        retries: RetriesDocument {
            failed,
            of: all,
            per_answer: rate,
            per_answer_lower: finite(limits.0),
            per_answer_upper: finite(limits.1),
            declared,
        },
        warming_usd: None,
        recorded: of.recorded.as_ref().ok().map(month),
        unknown: of.recorded.as_ref().err().map(|why| word(*why)),
        what_if: (of.what_if.as_ref()).and_then(|what_if| what_if.as_ref().ok().map(month)),
        what_if_unknown: (of.what_if.as_ref())
            .and_then(|what_if| what_if.as_ref().err().map(|why| word(*why))),
        cacheable_answers: with_hits.then_some(of.cacheable),
    }
}

fn month(monthly: &MonthlyCost) -> MonthDocument {
    let end = |end: Option<f64>, times: f64| stored(end? * times);
    let Interval { lower, upper } = monthly.month_interval;
    let request = monthly.per_request_interval;
    let none = Ratio {
        estimate: None,
        interval: Interval::NONE,
        unbounded: None,
    };
    let ratio = monthly.ratio.unwrap_or(none);
    MonthDocument {
        month_usd: stored(monthly.month),
        month_usd_lower: end(lower, 1.0),
        month_usd_upper: end(upper, 1.0),
        per_1000_usd: stored(monthly.per_request * 1000.0),
        per_1000_usd_lower: end(request.lower, 1000.0),
        per_1000_usd_upper: end(request.upper, 1000.0),
        ratio: ratio.estimate,
        ratio_lower: ratio.interval.lower,
        ratio_upper: ratio.interval.upper,
        prompts: monthly.basis.prompts,
        answers: monthly.basis.answers,
        unpriced_answers: monthly.basis.unpriced,
        missing_share: monthly.basis.missing_share,
    }
}
