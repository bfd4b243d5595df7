//! The providers of a model: from the bytes of `GET /models/{id}/endpoints` to checked offers.
//!
//! Owns the wire shape of that response, Vercel's and OpenRouter's. Must not know how it was obtained.
//! Invariant: a figure that is missing or cannot be parsed is absent, never 0. The figures are the
//! gateway's own, of its live traffic: they are shown next to ours and never mixed with them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::listed::{lenient, sanitize_word};
use super::price::{Rates, TokenPrices};
use super::pricing::{OtherPrice, read_pricing, read_service_tiers};
use super::service_tier::ServiceTiers;
use super::{ListError, MAX_LIST_BYTES};

/// Maximum providers of one model: real responses have fewer than twenty.
const MAX_OFFERS: usize = 1_000;

/// Every provider of one model, in the gateway's order.
#[derive(Debug, Clone, PartialEq)]
pub struct Offers(pub Vec<Offer>);

/// One provider of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// The provider's slug.
    pub provider: String,
    /// Maximum tokens of prompt and answer together.
    pub context_window: Option<u64>,
    /// Maximum tokens of one answer.
    pub max_tokens: Option<u64>,
    /// Prices per token.
    pub prices: Option<TokenPrices>,
    /// Prices per token of requests that name a service tier.
    pub service_tiers: ServiceTiers,
    /// Further prices, which a cost by tokens excludes; by name.
    pub other_prices: Vec<OtherPrice>,
    /// Time to first token in ms, as the gateway measured it.
    pub latency_ms: Option<Percentiles>,
    /// Tokens per second, as the gateway measured them.
    pub throughput: Option<Percentiles>,
    /// Uptime in percent of the last hour (OpenRouter: of the last 30 minutes).
    pub uptime_recent: Option<f64>,
    /// Uptime in percent of the last day.
    pub uptime_day: Option<f64>,
    /// Time window of the recent figures.
    pub window: Window,
}

/// The median and the slow end of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Percentiles {
    /// Median: half of the requests are below.
    pub p50: f64,
    /// 19 of 20 requests are below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95: Option<f64>,
}

/// The time window of the gateway's recent figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// The last hour (Vercel).
    LastHour,
    /// The last 30 minutes (OpenRouter).
    Last30Minutes,
}

impl Window {
    /// The window in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::LastHour => "the last hour",
            Self::Last30Minutes => "the last 30 minutes",
        }
    }
}

#[derive(Debug, Deserialize)]
struct WireAnswer<'a> {
    #[serde(borrow)]
    data: WireEndpoints<'a>,
}

#[derive(Debug, Deserialize)]
struct WireEndpoints<'a> {
    #[serde(borrow)]
    endpoints: Vec<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct WireOffer<'a> {
    provider_name: String,
    #[serde(default, deserialize_with = "lenient")]
    context_length: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    max_completion_tokens: Option<u64>,
    #[serde(default, borrow)]
    pricing: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    latency_last_1h: Option<Percentiles>,
    #[serde(default, deserialize_with = "lenient")]
    latency_last_30m: Option<Percentiles>,
    #[serde(default, deserialize_with = "lenient")]
    throughput_last_1h: Option<Percentiles>,
    #[serde(default, deserialize_with = "lenient")]
    throughput_last_30m: Option<Percentiles>,
    #[serde(default, deserialize_with = "lenient")]
    uptime_last_1h: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    uptime_last_30m: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    uptime_last_1d: Option<f64>,
}

impl Offers {
    /// Reads the response of `GET /models/{id}/endpoints`; entries without a provider are skipped.
    ///
    /// # Errors
    /// Returns an error if the bytes are not such a response, or too many.
    pub fn read(answer: &str) -> Result<Self, ListError> {
        if answer.len() > MAX_LIST_BYTES {
            return Err(ListError::TooLarge);
        }
        let wire: WireAnswer<'_> = serde_json::from_str(answer)?;
        if wire.data.endpoints.len() > MAX_OFFERS {
            return Err(ListError::TooLarge);
        }
        let entries = wire.data.endpoints.into_iter();
        let read = entries.filter_map(|raw| serde_json::from_str::<WireOffer<'_>>(raw.get()).ok());
        Ok(Self(read.map(WireOffer::validate).collect()))
    }
}

impl WireOffer<'_> {
    fn validate(self) -> Offer {
        let (prices, other_prices) = read_pricing(self.pricing);
        let service_tiers = read_service_tiers(self.pricing);
        let hourly = self.latency_last_1h.is_some()
            || self.throughput_last_1h.is_some()
            || self.uptime_last_1h.is_some();
        let half_hourly = self.latency_last_30m.is_some()
            || self.throughput_last_30m.is_some()
            || self.uptime_last_30m.is_some();
        let window = match (hourly, half_hourly) {
            (false, true) => Window::Last30Minutes,
            _ => Window::LastHour,
        };
        let (latency, throughput, uptime) = match window {
            Window::LastHour => (
                self.latency_last_1h,
                self.throughput_last_1h,
                self.uptime_last_1h,
            ),
            Window::Last30Minutes => (
                self.latency_last_30m,
                self.throughput_last_30m,
                self.uptime_last_30m,
            ),
        };
        Offer {
            provider: sanitize_word(self.provider_name),
            context_window: self.context_length,
            max_tokens: self.max_completion_tokens,
            prices,
            service_tiers,
            other_prices,
            latency_ms: latency.and_then(Percentiles::validate),
            throughput: throughput.and_then(Percentiles::validate),
            uptime_recent: uptime.and_then(percent),
            uptime_day: self.uptime_last_1d.and_then(percent),
            window,
        }
    }
}

impl Offer {
    /// Prices per token of the smallest prompts.
    pub fn rates(&self) -> Option<&Rates> {
        self.prices.as_ref().map(|prices| prices.rates(0))
    }

    /// Returns true if longer prompts have other prices.
    pub fn is_tiered(&self) -> bool {
        let tiers = |prices: &TokenPrices| prices.tiers().len();
        self.prices.as_ref().is_some_and(|prices| tiers(prices) > 1)
    }
}

impl Percentiles {
    fn validate(self) -> Option<Self> {
        let is_valid = |value: f64| value.is_finite() && value >= 0.0;
        is_valid(self.p50).then_some(Self {
            p50: self.p50,
            p95: self.p95.filter(|&p95| is_valid(p95)),
        })
    }
}

fn percent(value: f64) -> Option<f64> {
    (0.0..=100.0).contains(&value).then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_gateways_are_read() {
        // Vercel reports the last hour, OpenRouter the last half, and either may report nothing.
        let offers = Offers::read(
            r#"{"data":{"id":"a/b","endpoints":[
                {"provider_name":"one","context_length":1000,"max_completion_tokens":100,
                 "latency_last_1h":{"p50":675,"p95":3277},"throughput_last_1h":{"p50":23.5,"p95":81},
                 "uptime_last_1h":99.5,"uptime_last_1d":100,
                 "pricing":{"prompt":"0.000001","completion":"0.000002","input_cache_read":"0.0000001",
                   "discount":0,"request":"0"}},
                {"provider_name":"two","latency_last_30m":{"p50":10},"uptime_last_30m":98,
                 "pricing":{"prompt":"0.1e-5","completion":"0.2e-5"}},
                {"provider_name":"three","latency_last_1h":null,"throughput_last_1h":"fast",
                 "uptime_last_1h":140,"pricing":{}},
                {"provider_name":7}, null]}}"#,
        )
        .unwrap()
        .0;
        let [one, two, three] = &offers[..] else {
            panic!("{offers:?}");
        };
        assert_eq!(
            (one.context_window, one.max_tokens),
            (Some(1000), Some(100))
        );
        assert_eq!(one.latency_ms.unwrap().p95, Some(3277.0));
        assert_eq!(one.rates().unwrap().output, "0.000002".parse().ok());
        assert_eq!(
            (two.window, one.window),
            (Window::Last30Minutes, Window::LastHour)
        );
        assert_eq!(
            two.latency_ms,
            Some(Percentiles {
                p50: 10.0,
                p95: None
            })
        );
        assert_eq!(two.rates().unwrap().input, one.rates().unwrap().input);
        let nothing = (
            three.latency_ms,
            three.throughput,
            three.uptime_recent,
            three.rates(),
        );
        assert_eq!(nothing, (None, None, None, None));
    }

    proptest! {
        // Any input gives a result or an error.
        #[test]
        fn reading_never_panics(text in "\\PC{0,200}", value in "[-0-9.e]{1,9}") {
            let _ = Offers::read(&text);
            let _ = Offers::read(&format!(
                r#"{{"data":{{"endpoints":[{{"provider_name":"p","uptime_last_1h":{value},
                    "latency_last_1h":{{"p50":{value}}},"pricing":{{"prompt":{value}}}}}]}}}}"#
            ));
        }
    }
}
