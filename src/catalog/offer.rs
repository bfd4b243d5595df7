//! Who serves a model and how well: from the bytes of `GET /models/{id}/endpoints` to checked offers.
//!
//! Owns the wire shape of that answer, Vercel's and OpenRouter's. Must not know how it was obtained.
//! Invariant: a figure that is missing or cannot be understood is absent, never 0. The figures are the
//! gateway's own, of its live traffic: they are shown beside ours and never mixed with them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::listed::{shortened, understood};
use super::price::{Prices, Rates};
use super::pricing::{OtherPrice, read_pricing};
use super::{ListError, MAX_LIST_BYTES};

/// Providers of one model: real answers have below twenty.
const MAX_OFFERS: usize = 1_000;

/// Every provider of one model, in the gateway's order.
#[derive(Debug, Clone, PartialEq)]
pub struct Offers(pub Vec<Offer>);

/// One provider of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// The provider's slug.
    pub provider: String,
    /// Most tokens of prompt and answer together.
    pub context_window: Option<u64>,
    /// Most tokens of one answer.
    pub max_tokens: Option<u64>,
    /// Prices per token.
    pub prices: Option<Prices>,
    /// Further prices, which a cost by tokens leaves out; by name.
    pub other_prices: Vec<OtherPrice>,
    /// Time to first token in ms, as the gateway measured it.
    pub latency_ms: Option<Percentiles>,
    /// Tokens a second, as the gateway measured them.
    pub throughput: Option<Percentiles>,
    /// Percent of the last hour (OpenRouter: of the last 30 minutes).
    pub uptime_recent: Option<f64>,
    /// Percent of the last day.
    pub uptime_day: Option<f64>,
    /// What the recent figures are of.
    pub window: Window,
}

/// The middle and the slow end of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Percentiles {
    /// Half of the requests are below.
    pub p50: f64,
    /// 19 of 20 requests are below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95: Option<f64>,
}

/// How far back the gateway's recent figures go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// Vercel.
    LastHour,
    /// OpenRouter.
    Last30Minutes,
}

impl Window {
    /// In words.
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
    #[serde(default, deserialize_with = "understood")]
    context_length: Option<u64>,
    #[serde(default, deserialize_with = "understood")]
    max_completion_tokens: Option<u64>,
    #[serde(default, borrow)]
    pricing: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "understood")]
    latency_last_1h: Option<Percentiles>,
    #[serde(default, deserialize_with = "understood")]
    latency_last_30m: Option<Percentiles>,
    #[serde(default, deserialize_with = "understood")]
    throughput_last_1h: Option<Percentiles>,
    #[serde(default, deserialize_with = "understood")]
    throughput_last_30m: Option<Percentiles>,
    #[serde(default, deserialize_with = "understood")]
    uptime_last_1h: Option<f64>,
    #[serde(default, deserialize_with = "understood")]
    uptime_last_30m: Option<f64>,
    #[serde(default, deserialize_with = "understood")]
    uptime_last_1d: Option<f64>,
}

impl Offers {
    /// Reads the answer of `GET /models/{id}/endpoints`; entries without a provider are left out.
    ///
    /// # Errors
    /// Where the bytes are no such answer, or too many.
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
        Ok(Self(read.map(WireOffer::checked).collect()))
    }
}

impl WireOffer<'_> {
    fn checked(self) -> Offer {
        let (prices, other_prices) = read_pricing(self.pricing);
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
            provider: shortened(self.provider_name),
            context_window: self.context_length,
            max_tokens: self.max_completion_tokens,
            prices,
            other_prices,
            latency_ms: latency.and_then(Percentiles::checked),
            throughput: throughput.and_then(Percentiles::checked),
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

    /// Whether longer prompts pay other prices.
    pub fn tiered(&self) -> bool {
        let tiers = |prices: &Prices| prices.tiers().len();
        self.prices.as_ref().is_some_and(|prices| tiers(prices) > 1)
    }
}

impl Percentiles {
    fn checked(self) -> Option<Self> {
        let sane = |value: f64| value.is_finite() && value >= 0.0;
        sane(self.p50).then_some(Self {
            p50: self.p50,
            p95: self.p95.filter(|&p95| sane(p95)),
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
        // Vercel tells of the last hour, OpenRouter of half of it, and either may know nothing.
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
        // Whatever comes, it is an answer or an error.
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
