//! The forecast as JSON.
//!
//! Owns its layout. Must not know how a forecast is computed. Invariant: absent means not known, never 0;
//! money is a decimal string.

use schemars::JsonSchema;
use serde::Serialize;

use crate::stats::interval::Interval;
use crate::units::{ModelId, Usd};
use crate::verdict::{MonthlyCost, Ratio, Retries, VariantForecast};

use crate::report::estimate::PricesDocument;

use super::{ForecastView, NOT_COVERED, stored_usd, unknown_word};

/// Version of the JSON's layout.
const VERSION: u32 = 2;
/// Confidence level of every interval.
const CONFIDENCE: f64 = 0.95;

/// The document that `forecast --json` prints.
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
    /// Warnings to read first: an incomplete run, invented money.
    warnings: Vec<String>,
    /// True if the run used the simulator, whose money is invented.
    simulated: bool,
    /// Fewest requests a month.
    requests_lower: f64,
    /// Most requests a month.
    requests_upper: f64,
    /// Confidence of every interval.
    level: f64,
    /// The mix of requests.
    mix: MixDocument<'a>,
    /// Source of the list prices of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    prices: Option<PricesDocument<'a>>,
    /// The assumptions that replace recorded values.
    #[serde(skip_serializing_if = "Option::is_none")]
    what_if: Option<WhatIfDocument<'a>>,
    /// Costs that no figure includes.
    not_covered: &'static str,
    /// One entry per variant, lowest cost first; those without a forecast last.
    variants: Vec<VariantForecastDocument<'a>>,
}

/// The mix of requests.
#[derive(Debug, Serialize, JsonSchema)]
struct MixDocument<'a> {
    /// The file it was read from; absent: the weights of the suite.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    /// True if the prompts were declared to cover every kind of request: then only repetitions vary.
    complete: bool,
    /// Prompts with a share, in the order of the suite.
    prompts: Vec<ShareDocument<'a>>,
    /// Prompts of the run without a share.
    skipped: Vec<&'a str>,
}

/// The share of the traffic that resembles a prompt.
#[derive(Debug, Serialize, JsonSchema)]
struct ShareDocument<'a> {
    /// Its id.
    prompt: &'a str,
    /// Its share; all shares sum to 1.
    share: f64,
}

/// The assumptions that replace recorded values.
#[derive(Debug, Serialize, JsonSchema)]
struct WhatIfDocument<'a> {
    /// Source of the assumed prices, if a list was fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    prices: Option<PricesDocument<'a>>,
    /// Models whose prices were given by the user; they override the list.
    given: Vec<&'a str>,
    /// Share of prompt tokens read from the cache, for prompts that can be cached.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_hit_rate: Option<f64>,
}

/// The forecast of one variant.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "VariantDocument")]
struct VariantForecastDocument<'a> {
    /// Its label.
    variant: &'a str,
    /// The requested model.
    #[schemars(with = "String")]
    model: &'a ModelId,
    /// True if it is the reference, the model in use today.
    reference: bool,
    /// Attempts that are paid in addition to an answer.
    retries: RetriesDocument,
    /// Cost of warming its caches in the run, which no figure includes; absent if it was not recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    warming_usd: Option<Usd>,
    /// Forecast at the list prices of the run; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<MonthDocument>,
    /// Reason why that is absent: `no_answers`, `no_cost` or `contradicting_counts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<&'static str>,
    /// Forecast under the what-if, if one was requested and is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    what_if: Option<MonthDocument>,
    /// Reason why that is absent: `no_answers`, `no_other_price` or `contradicting_counts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    what_if_unknown: Option<&'static str>,
    /// Answers whose prompt can be cached, if a hit rate was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    cacheable_answers: Option<u64>,
}

/// Attempts that are paid in addition to an answer.
#[derive(Debug, Serialize, JsonSchema)]
struct RetriesDocument {
    /// Attempts that failed and may have been billed.
    failed: u64,
    /// Failed attempts that may have been billed, and answers.
    of: u64,
    /// Paid failed attempts per answer: above 1 if more attempts fail than succeed.
    per_answer: f64,
    /// Its lower limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_answer_lower: Option<f64>,
    /// Its upper limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_answer_upper: Option<f64>,
    /// True if the rate was given by the user instead of measured.
    declared: bool,
}

/// The cost of a month; sums are decimal strings of USD.
#[derive(Debug, Serialize, JsonSchema)]
struct MonthDocument {
    /// Cost of a month at the middle of the traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    month_usd: Option<Usd>,
    /// Lower end, at the minimum traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    month_usd_lower: Option<Usd>,
    /// Upper end, at the maximum traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    month_usd_upper: Option<Usd>,
    /// Cost of a thousand requests, retries included.
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
    /// The answers that pass; absent if none was graded.
    #[serde(skip_serializing_if = "Option::is_none")]
    passed: Option<PassedDocument>,
    /// Prompts of the mix that have an answer with a cost.
    prompts: usize,
    /// Answers with a cost.
    answers: u64,
    /// Answers without a cost, which are excluded.
    unpriced_answers: u64,
    /// Share of the mix that has no answer with a cost.
    missing_share: f64,
}

/// The answers of a month that pass.
#[derive(Debug, Serialize, JsonSchema)]
struct PassedDocument {
    /// Share of answers that pass.
    pass_rate: f64,
    /// Its lower end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pass_rate_lower: Option<f64>,
    /// Its upper end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pass_rate_upper: Option<f64>,
    /// Passed answers of a month, at the middle of the traffic.
    answers: f64,
    /// Cost of a thousand passed answers, retries included.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    per_1000_passed_usd: Option<Usd>,
    /// Its lower end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    per_1000_passed_usd_lower: Option<Usd>,
    /// Its upper end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    per_1000_passed_usd_upper: Option<Usd>,
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
            level: CONFIDENCE,
            mix: self.mix_document(),
            prices: self.manifest.prices.as_ref().map(PricesDocument::from),
            what_if: what_if.map(|what_if| WhatIfDocument {
                prices: self.what_if_prices.map(PricesDocument::from),
                given: (self.given_prices.iter())
                    .map(|price| price.model.as_str())
                    .collect(),
                cache_hit_rate: what_if.cache_hit_rate,
            }),
            not_covered: NOT_COVERED,
            variants: (self.forecast.variants.iter())
                .map(|of| VariantForecastDocument {
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
            skipped: self.left_out(),
        }
    }
}

fn variant(of: &VariantForecast, with_hits: bool) -> VariantForecastDocument<'_> {
    let Retries {
        failed,
        total: all,
        rate,
        limits,
        declared,
    } = of.retries;
    let finite = |end: f64| end.is_finite().then_some(end);
    VariantForecastDocument {
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
        unknown: of.recorded.as_ref().err().map(|why| unknown_word(*why)),
        what_if: (of.what_if.as_ref()).and_then(|what_if| what_if.as_ref().ok().map(month)),
        what_if_unknown: (of.what_if.as_ref())
            .and_then(|what_if| what_if.as_ref().err().map(|why| unknown_word(*why))),
        cacheable_answers: with_hits.then_some(of.cacheable),
    }
}

fn month(monthly: &MonthlyCost) -> MonthDocument {
    let end = |end: Option<f64>, times: f64| stored_usd(end? * times);
    let Interval { lower, upper } = monthly.month_interval;
    let request = monthly.per_request_interval;
    let none = Ratio {
        estimate: None,
        interval: Interval::NONE,
        unbounded: None,
    };
    let ratio = monthly.ratio.unwrap_or(none);
    MonthDocument {
        month_usd: stored_usd(monthly.month),
        month_usd_lower: end(lower, 1.0),
        month_usd_upper: end(upper, 1.0),
        per_1000_usd: stored_usd(monthly.per_request * 1000.0),
        per_1000_usd_lower: end(request.lower, 1000.0),
        per_1000_usd_upper: end(request.upper, 1000.0),
        ratio: ratio.estimate,
        ratio_lower: ratio.interval.lower,
        ratio_upper: ratio.interval.upper,
        passed: monthly.passed.as_ref().map(|passed| PassedDocument {
            pass_rate: passed.pass_rate,
            pass_rate_lower: passed.pass_rate_interval.lower,
            pass_rate_upper: passed.pass_rate_interval.upper,
            answers: passed.month,
            per_1000_passed_usd: passed.per_passed.and_then(|usd| stored_usd(usd * 1000.0)),
            per_1000_passed_usd_lower: end(passed.per_passed_interval.lower, 1000.0),
            per_1000_passed_usd_upper: end(passed.per_passed_interval.upper, 1000.0),
        }),
        prompts: monthly.basis.prompts,
        answers: monthly.basis.answers,
        unpriced_answers: monthly.basis.unpriced,
        missing_share: monthly.basis.missing_share,
    }
}
