//! Models, their providers and the differences of lists as JSON.
//!
//! Owns the documents and their version. Must not know where they are printed. Invariant: prices are
//! exact decimals, and an unknown value has no key.

use schemars::JsonSchema;
use serde::Serialize;

use crate::units::{ModelId, Usd};

use super::models::per_mtok;
use crate::catalog::Catalog;
use crate::catalog::ListedModel;
use crate::catalog::OtherPrice;
use crate::catalog::Retirement;
use crate::catalog::Treatment;
use crate::catalog::{FactChange, FactValue, ListDiff, ModelPair};
use crate::catalog::{Offer, Offers, Percentiles, Window};
use crate::catalog::{Rates, TokenPrices};

/// Version of these documents. 2: further prices have values.
const VERSION: u32 = 2;

/// The document that `bakeoff models --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ModelsDocument<'a> {
    /// Version of this document.
    version: u32,
    /// The endpoint: name of a profile, or a base URL.
    endpoint: &'a str,
    source: SourceDocument<'a>,
    /// The matching models, in the requested order.
    models: Vec<ModelDocument<'a>>,
}

/// The document that `bakeoff models show --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ModelShownDocument<'a> {
    /// Version of this document.
    version: u32,
    /// The endpoint: name of a profile, or a base URL.
    endpoint: &'a str,
    source: SourceDocument<'a>,
    model: ModelDocument<'a>,
    /// Its retirement; absent if none is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    retires: Option<RetirementDocument>,
    /// Its providers, in the gateway's order; absent if not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    providers: Option<Vec<OfferDocument<'a>>>,
}

/// The retirement of a model.
#[derive(Debug, Serialize, JsonSchema)]
struct RetirementDocument {
    /// The day from which it is no longer served, `YYYY-MM-DD`.
    #[schemars(with = "String")]
    date: jiff::civil::Date,
    /// The source of the date, in words.
    source: String,
}

/// Source of the list of models.
#[derive(Debug, Serialize, JsonSchema)]
struct SourceDocument<'a> {
    /// The source in words.
    words: &'a str,
    /// Date of the list, `YYYY-MM-DD`.
    date: &'a str,
}

impl<'a> ModelsDocument<'a> {
    /// Creates the document of models of `endpoint`'s list.
    pub fn new(endpoint: &'a str, list: &'a Catalog, models: Vec<&'a ListedModel>) -> Self {
        Self {
            version: VERSION,
            endpoint,
            source: SourceDocument::new(list),
            models: models.into_iter().map(Into::into).collect(),
        }
    }
}

impl<'a> ModelShownDocument<'a> {
    /// Creates the document of a model of `endpoint`'s list, with its providers, if known.
    pub fn new(
        endpoint: &'a str,
        list: &'a Catalog,
        model: &'a ListedModel,
        retirement: Option<Retirement>,
        offers: Option<&'a Offers>,
    ) -> Self {
        Self {
            version: VERSION,
            endpoint,
            source: SourceDocument::new(list),
            model: model.into(),
            retires: retirement
                .map(|Retirement { date, source }| RetirementDocument { date, source }),
            providers: offers.map(|offers| {
                let offers = offers.0.iter();
                offers
                    .map(|offer| OfferDocument::new(model, offer))
                    .collect()
            }),
        }
    }
}

impl<'a> SourceDocument<'a> {
    fn new(list: &'a Catalog) -> Self {
        let source = list.source();
        Self {
            words: &source.words,
            date: &source.date,
        }
    }
}

/// One model as JSON: absent means not known.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ModelDocument<'a> {
    /// The id, as the endpoint spells it.
    #[schemars(with = "String")]
    id: &'a ModelId,
    /// Its name for people.
    name: &'a str,
    /// `language`, `embedding`, ...
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_window: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    tags: &'a [String],
    /// Prices by size of the prompt; empty if no price per token is known.
    prices: Vec<RatesDocument>,
    /// Further prices, which a cost by tokens excludes.
    other_prices: Vec<OtherPriceDocument<'a>>,
    /// Release date by its maker, `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    released: Option<jiff::civil::Date>,
}

/// A price that is not one of the four per token.
#[derive(Debug, Serialize, JsonSchema)]
struct OtherPriceDocument<'a> {
    /// Its name in the list.
    name: &'a str,
    /// Its value as the list spells it: a string without its quotes, anything else as JSON.
    value: &'a str,
    /// The treatment of the price.
    treatment: Treatment,
}

/// One provider of a model as JSON.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OfferDocument<'a> {
    /// The provider's slug.
    provider: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_window: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prices: Option<RatesDocument>,
    /// Further prices, which a cost by tokens excludes.
    other_prices: Vec<OtherPriceDocument<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttft_ms: Option<Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_per_s: Option<Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_percent_recent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_percent_day: Option<f64>,
    window: Window,
}

fn other_prices(
    prices: &[OtherPrice],
    treatment: impl Fn(&OtherPrice) -> Treatment,
) -> Vec<OtherPriceDocument<'_>> {
    let documents = prices.iter().map(|price| OtherPriceDocument {
        name: &price.name,
        value: &price.value,
        treatment: treatment(price),
    });
    documents.collect()
}

/// Prices in USD per million tokens, decimal strings.
#[derive(Debug, Serialize, JsonSchema)]
struct RatesDocument {
    /// The smallest prompt that pays them.
    from_prompt_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    input_usd_per_mtok: Option<Usd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    output_usd_per_mtok: Option<Usd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    cache_read_usd_per_mtok: Option<Usd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    cache_write_usd_per_mtok: Option<Usd>,
}

impl RatesDocument {
    fn new(from_prompt_tokens: u64, rates: &Rates) -> Self {
        Self {
            from_prompt_tokens,
            input_usd_per_mtok: per_mtok(rates.input),
            output_usd_per_mtok: per_mtok(rates.output),
            cache_read_usd_per_mtok: per_mtok(rates.cache_read),
            cache_write_usd_per_mtok: per_mtok(rates.cache_write),
        }
    }
}

impl<'a> From<&'a ListedModel> for ModelDocument<'a> {
    fn from(model: &'a ListedModel) -> Self {
        let tiers = model.prices.iter().flat_map(TokenPrices::tiers);
        Self {
            id: &model.id,
            name: &model.name,
            kind: model.kind.word(),
            context_window: model.context_window,
            max_tokens: model.max_tokens,
            tags: &model.tags,
            prices: tiers
                .map(|tier| RatesDocument::new(tier.from_prompt_tokens, &tier.rates))
                .collect(),
            other_prices: other_prices(&model.other_prices, |price| model.treatment(price)),
            released: model.released,
        }
    }
}

impl<'a> OfferDocument<'a> {
    fn new(model: &ListedModel, offer: &'a Offer) -> Self {
        Self {
            provider: &offer.provider,
            context_window: offer.context_window,
            max_tokens: offer.max_tokens,
            prices: offer.rates().map(|rates| RatesDocument::new(0, rates)),
            other_prices: other_prices(&offer.other_prices, |price| model.offer_treatment(price)),
            ttft_ms: offer.latency_ms,
            output_tokens_per_s: offer.throughput,
            uptime_percent_recent: offer.uptime_recent,
            uptime_percent_day: offer.uptime_day,
            window: offer.window,
        }
    }
}

/// The document that `bakeoff models diff --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ModelsDiffDocument<'a> {
    /// Version of this document.
    version: u32,
    /// The endpoint: name of a profile, or a base URL.
    endpoint: &'a str,
    /// The older list.
    before: ComparedDocument<'a>,
    /// The newer list.
    after: ComparedDocument<'a>,
    /// Models missing from the older list.
    added: Vec<ModelDocument<'a>>,
    /// Models missing from the newer list.
    gone: Vec<ModelDocument<'a>>,
    /// Models that both lists have under different ids.
    moved: Vec<MovedDocument<'a>>,
    /// Models with a different price or limit, moved ones included.
    changed: Vec<ChangedDocument<'a>>,
}

/// One of two lists that are compared.
#[derive(Debug, Serialize, JsonSchema)]
struct ComparedDocument<'a> {
    /// Source of the list in words.
    words: &'a str,
    /// Its date, `YYYY-MM-DD`.
    date: &'a str,
    /// True if it is the list that is compiled into the program.
    compiled_in: bool,
}

/// A model with another id.
#[derive(Debug, Serialize, JsonSchema)]
struct MovedDocument<'a> {
    #[schemars(with = "String")]
    before: &'a ModelId,
    #[schemars(with = "String")]
    after: &'a ModelId,
}

/// A model that changed.
#[derive(Debug, Serialize, JsonSchema)]
struct ChangedDocument<'a> {
    /// Its id in the newer list.
    #[schemars(with = "String")]
    id: &'a ModelId,
    changes: Vec<FactChangeDocument>,
}

/// A fact that differs. At least one of `before` and `after` is present; absent means not listed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ChangeDocument")]
struct FactChangeDocument {
    /// `input_usd_per_mtok`, `output_usd_per_mtok`, `cache_read_usd_per_mtok`, `cache_write_usd_per_mtok`,
    /// `context_window`, `max_tokens`, or `other_price`.
    fact: &'static str,
    /// The smallest prompt that pays this price, for a price per token.
    #[serde(skip_serializing_if = "Option::is_none")]
    from_prompt_tokens: Option<u64>,
    /// Name in the list, for another price; within a table its path, `regional.us.input`.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// As text: sums of money are decimal strings.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    /// As text: sums of money are decimal strings.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// Relative increase in per cent; absent if there is no such figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<f64>,
}

impl<'a> ModelsDiffDocument<'a> {
    /// Creates the document of two lists of `endpoint`; the older one may be the compiled-in one.
    pub fn new(
        endpoint: &'a str,
        (before, compiled_in): (&'a Catalog, bool),
        after: &'a Catalog,
        diff: &ListDiff<'a>,
    ) -> Self {
        let documents =
            |models: &[&'a ListedModel]| models.iter().map(|model| (*model).into()).collect();
        let changed = diff.moved.iter().chain(&diff.changed);
        let changed = changed.map(|pair| ChangedDocument {
            id: &pair.after.id,
            changes: pair.changes().iter().map(Into::into).collect(),
        });
        let moved = |pair: &ModelPair<'a>| MovedDocument {
            before: &pair.before.id,
            after: &pair.after.id,
        };
        Self {
            version: VERSION,
            endpoint,
            before: ComparedDocument::new(before, compiled_in),
            after: ComparedDocument::new(after, false),
            added: documents(&diff.added),
            gone: documents(&diff.gone),
            moved: diff.moved.iter().map(moved).collect(),
            changed: changed.filter(|of| !of.changes.is_empty()).collect(),
        }
    }
}

impl<'a> ComparedDocument<'a> {
    fn new(list: &'a Catalog, compiled_in: bool) -> Self {
        let source = list.source();
        Self {
            words: &source.words,
            date: &source.date,
            compiled_in,
        }
    }
}

impl From<&FactChange> for FactChangeDocument {
    fn from(change: &FactChange) -> Self {
        let text = |value: &Option<FactValue>| match value.as_ref()? {
            FactValue::Price(usd) => per_mtok(Some(*usd)).map(|usd| usd.to_string()),
            FactValue::Count(count) => Some(count.to_string()),
            FactValue::Text(text) => Some(text.clone()),
        };
        Self {
            fact: change.fact.word(),
            from_prompt_tokens: change.fact.from_prompt_tokens(),
            name: change.fact.name().map(str::to_owned),
            before: text(&change.before),
            after: text(&change.after),
            percent: change.share().map(|share| share * 100.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_the_same_prices() {
        // A program reads the same prices, as exact decimals, and an unknown value has no key.
        let catalog = Catalog::read(
            r#"{"data":[
                {"id":"a/one","released":1760486400,"pricing":{"input":"0.000001","output":"0.000005",
                 "input_cache_write":"0.00000125","web_search":"0.01"}},
                {"id":"b/tiered","pricing":{"input":"0.000002","output":"0.00001",
                 "input_tiers":[{"cost":"0.000002","min":0,"max":200001},{"cost":"0.000004","min":200001}]}},
                {"id":"plain"}]}"#,
            "a test".to_owned(),
            "2026-01-02".to_owned(),
        )
        .unwrap();
        let documents: Vec<ModelDocument<'_>> = catalog.models().map(Into::into).collect();
        let json = serde_json::to_value(&documents).unwrap();
        assert_eq!(json[1]["prices"][1]["from_prompt_tokens"], 200_001);
        assert_eq!(json[1]["prices"][1]["input_usd_per_mtok"], "4");
        assert_eq!(json[0]["prices"][0]["cache_write_usd_per_mtok"], "1.25");
        let search =
            serde_json::json!([{ "name": "web_search", "value": "0.01", "treatment": "declare" }]);
        assert_eq!(json[0]["other_prices"], search);
        assert_eq!(json[0]["released"], "2025-10-15");
        assert_eq!(json[2].get("context_window"), None);
        assert_eq!(json[2]["prices"], serde_json::json!([]));
    }

    #[test]
    fn changes_are_reported_to_programs() {
        // The same as the table, with exact sums, and no key for a fact that a side lacks.
        let read =
            |list: &str| Catalog::read(list, "a test".to_owned(), "2026-01-02".to_owned()).unwrap();
        let before = read(
            r#"{"data":[{"id":"x/m","max_tokens":4},{"id":"a/b","pricing":{"input":"0.000001"}}]}"#,
        );
        let after = read(
            r#"{"data":[{"id":"y/m","max_tokens":5},{"id":"a/b","pricing":{"input":"0.0000015","web_search":"1"}}]}"#,
        );
        let diff = ListDiff::new(&before, &after);
        let document = ModelsDiffDocument::new("here", (&before, true), &after, &diff);
        let json = serde_json::to_value(&document).unwrap();
        assert_eq!(json["before"]["compiled_in"], true);
        assert_eq!(
            json["moved"],
            serde_json::json!([{ "before": "x/m", "after": "y/m" }])
        );
        assert_eq!(
            json["changed"],
            serde_json::json!([
                { "id": "y/m", "changes": [
                    { "fact": "max_tokens", "before": "4", "after": "5", "percent": 25.0 }] },
                { "id": "a/b", "changes": [
                    { "fact": "input_usd_per_mtok", "from_prompt_tokens": 0, "before": "1",
                      "after": "1.5", "percent": 50.0 },
                    { "fact": "other_price", "name": "web_search", "after": "1" }] },
            ])
        );
    }
}
