//! One entry of a model list: from the bytes of `GET /v1/models` to a checked [`ListedModel`].
//!
//! Owns the wire shape of an entry. Must not know the source of the list. Invariant: a fact that
//! is missing or cannot be parsed is absent; only an entry without a valid id is rejected.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::units::{ModelId, is_unsafe_char};

use super::listed::{lenient, sanitize_word};
use super::price::TokenPrices;
use super::pricing::{
    OVERRIDES, OtherPrice, PEAK, REGIONAL, Treatment, read_hourly, read_pricing, read_regional,
    read_service_tiers,
};
use super::retirement::listed_day;
use super::service_tier::ServiceTiers;

/// Maximum tags of one model: real lists have up to 8.
const MAX_TAGS: usize = 64;

/// The tag of a model that may answer with images.
const MAKES_IMAGES: &str = "image-generation";

/// A model that an endpoint offers.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedModel {
    /// The id as the endpoint spells it.
    pub id: ModelId,
    /// Its name for people; the id if the list has none.
    pub name: String,
    /// Kind of its output.
    pub kind: ModelKind,
    /// Maximum tokens of prompt and answer together.
    pub context_window: Option<u64>,
    /// Maximum tokens of one answer. Absent for kinds that do not answer in tokens: lists put other
    /// numbers there, such as the size of an embedding.
    pub max_tokens: Option<u64>,
    /// `reasoning`, `tool-use`, `vision`, ...
    pub tags: Vec<String>,
    /// List prices per token; absent if the list has none.
    pub prices: Option<TokenPrices>,
    /// Prices per token of regions, if the list has them. A cost by tokens excludes them, a bound
    /// does not.
    pub regional: Vec<TokenPrices>,
    /// Prices per token of certain hours, if the list has them. A cost by tokens excludes them, a bound
    /// does not.
    pub hourly: Vec<TokenPrices>,
    /// Prices per token of requests that name a service tier.
    pub service_tiers: ServiceTiers,
    /// Further prices (per image, per search, by region, ...), which a cost by tokens excludes, and
    /// invalid prices per token; by name.
    pub other_prices: Vec<OtherPrice>,
    /// Release date by its maker, UTC.
    pub released: Option<Date>,
    /// The day from which it is no longer served, if the list says so, UTC.
    pub retires: Option<Date>,
    /// A stable name of the model behind the id, if the list has one.
    pub canonical: Option<String>,
}

/// The kind of a model's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The words are the wire's own.
pub enum ModelKind {
    Language,
    Embedding,
    Image,
    Video,
    Reranking,
    Transcription,
    Speech,
    Realtime,
    /// A kind this program does not know, or none given, as in the lists of plain servers.
    Other,
}

/// One entry of `data`, as sent. Other keys are ignored.
#[derive(Debug, Deserialize)]
pub(super) struct WireModel<'a> {
    id: String,
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(rename = "type", default, deserialize_with = "lenient")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    context_window: Option<u64>,
    /// The context window, under OpenRouter's name.
    #[serde(default, deserialize_with = "lenient")]
    context_length: Option<u64>,
    /// The context window that vLLM's server was started with.
    #[serde(default, deserialize_with = "lenient")]
    max_model_len: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    meta: Option<WireMeta>,
    #[serde(default, deserialize_with = "lenient")]
    max_tokens: Option<u64>,
    /// The maximum output, under Groq's name.
    #[serde(default, deserialize_with = "lenient")]
    max_completion_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    top_provider: Option<WireTopProvider>,
    #[serde(default, deserialize_with = "lenient")]
    tags: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    architecture: Option<WireArchitecture>,
    #[serde(default, deserialize_with = "lenient")]
    supported_parameters: Option<Vec<String>>,
    #[serde(default, borrow)]
    pricing: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    released: Option<i64>,
    /// The release at OpenRouter. Elsewhere it may be the time of the response, or the same for all.
    #[serde(default, deserialize_with = "lenient")]
    created: Option<i64>,
    /// The day of retirement, under OpenRouter's name.
    #[serde(default, deserialize_with = "lenient")]
    expiration_date: Option<Value>,
    /// The same, under `LiteLLM`'s name.
    #[serde(default, deserialize_with = "lenient")]
    deprecation_date: Option<Value>,
    /// The same, under Mistral's name.
    #[serde(default, deserialize_with = "lenient")]
    deprecation: Option<Value>,
    /// OpenRouter only.
    #[serde(default, deserialize_with = "lenient")]
    canonical_slug: Option<String>,
}

/// Metadata of llama.cpp's server.
#[derive(Debug, Deserialize)]
struct WireMeta {
    #[serde(default, deserialize_with = "lenient")]
    n_ctx: Option<u64>,
}

/// OpenRouter's first-choice provider.
#[derive(Debug, Deserialize)]
struct WireTopProvider {
    #[serde(default, deserialize_with = "lenient")]
    max_completion_tokens: Option<u64>,
}

/// OpenRouter's input and output modalities.
#[derive(Debug, Default, Deserialize)]
struct WireArchitecture {
    #[serde(default, deserialize_with = "lenient")]
    input_modalities: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    output_modalities: Option<Vec<String>>,
}

impl WireModel<'_> {
    /// Validates the entry; `None` if its id is invalid or could not be printed.
    pub(super) fn into_model(self) -> Option<ListedModel> {
        let id: ModelId = self.id.parse().ok()?;
        if id.as_str().contains(is_unsafe_char) {
            return None;
        }
        let architecture = self.architecture.unwrap_or_default();
        let kind = match self.kind.as_deref() {
            Some(word) => ModelKind::from_wire(word),
            None if contains(architecture.output_modalities.as_ref(), "text") => {
                ModelKind::Language
            }
            None => ModelKind::Other,
        };
        let tags = self.tags.unwrap_or_else(|| {
            let parameters = self.supported_parameters.as_ref();
            let tags = [
                ("reasoning", contains(parameters, "reasoning")),
                ("tool-use", contains(parameters, "tools")),
                (
                    "vision",
                    contains(architecture.input_modalities.as_ref(), "image"),
                ),
                (
                    MAKES_IMAGES,
                    contains(architecture.output_modalities.as_ref(), "image"),
                ),
            ];
            (tags.iter().filter(|(_, is_set)| *is_set))
                .map(|(tag, _)| (*tag).to_owned())
                .collect()
        });
        let (prices, other_prices) = read_pricing(self.pricing);
        let regional = read_regional(self.pricing).unwrap_or_default();
        let hourly = read_hourly(self.pricing).unwrap_or_default();
        let service_tiers = read_service_tiers(self.pricing);
        let answers_in_tokens = matches!(kind, ModelKind::Language | ModelKind::Other);
        let created = self.created.filter(|_| self.canonical_slug.is_some());
        let top_max = self.top_provider.and_then(|top| top.max_completion_tokens);
        Some(ListedModel {
            name: self.name.map_or_else(|| id.to_string(), sanitize_word),
            kind,
            context_window: (self.context_window.or(self.context_length))
                .or(self.max_model_len)
                .or(self.meta.and_then(|meta| meta.n_ctx)),
            max_tokens: (self.max_tokens.or(self.max_completion_tokens).or(top_max))
                .filter(|_| answers_in_tokens),
            tags: tags.into_iter().take(MAX_TAGS).map(sanitize_word).collect(),
            prices,
            regional,
            hourly,
            service_tiers,
            other_prices,
            released: self.released.or(created).and_then(day),
            retires: [
                &self.expiration_date,
                &self.deprecation_date,
                &self.deprecation,
            ]
            .into_iter()
            .find_map(|date| listed_day(date.as_ref()?)),
            canonical: self.canonical_slug.map(sanitize_word),
            id,
        })
    }
}

/// The date of a Unix timestamp in seconds; `None` before 1970, which some lists use for "not known".
fn day(seconds: i64) -> Option<Date> {
    let instant = Timestamp::from_second(seconds).ok()?;
    (seconds > 0).then(|| instant.to_zoned(TimeZone::UTC).date())
}

fn contains(words: Option<&Vec<String>>, word: &str) -> bool {
    words.is_some_and(|words| words.iter().any(|other| other == word))
}

impl ListedModel {
    /// Creates a model of which only the id is known.
    pub(super) fn from_id(id: ModelId) -> Self {
        Self {
            name: id.to_string(),
            id,
            kind: ModelKind::Other,
            context_window: None,
            max_tokens: None,
            tags: Vec::new(),
            prices: None,
            regional: Vec::new(),
            hourly: Vec::new(),
            service_tiers: ServiceTiers::default(),
            other_prices: Vec::new(),
            released: None,
            retires: None,
            canonical: None,
        }
    }

    /// The treatment of a further price of its list.
    pub fn treatment(&self, price: &OtherPrice) -> Treatment {
        if (price.name == REGIONAL && !self.regional.is_empty())
            || ([OVERRIDES, PEAK].contains(&&*price.name) && !self.hourly.is_empty())
        {
            return Treatment::Bounded;
        }
        price.treatment(self.makes_images())
    }

    /// Returns true if it has the same prices as `other`.
    pub(super) fn has_same_prices(&self, other: &Self) -> bool {
        (
            &self.prices,
            &self.regional,
            &self.hourly,
            &self.service_tiers,
            &self.other_prices,
        ) == (
            &other.prices,
            &other.regional,
            &other.hourly,
            &other.service_tiers,
            &other.other_prices,
        )
    }

    /// Returns true if its list has an invalid price per token; then it has no prices.
    pub fn has_invalid_price(&self) -> bool {
        let mut prices = self.other_prices.iter();
        prices.any(|price| self.treatment(price) == Treatment::Unbelieved)
    }

    /// The treatment of a further price of a provider that serves it.
    pub fn offer_treatment(&self, price: &OtherPrice) -> Treatment {
        price.treatment(self.makes_images())
    }

    /// Returns true if it may answer with images.
    fn makes_images(&self) -> bool {
        self.kind == ModelKind::Image || self.tags.iter().any(|tag| tag == MAKES_IMAGES)
    }
}

impl ModelKind {
    fn from_wire(word: &str) -> Self {
        match word {
            "language" => Self::Language,
            "embedding" => Self::Embedding,
            "image" => Self::Image,
            "video" => Self::Video,
            "reranking" => Self::Reranking,
            "transcription" => Self::Transcription,
            "speech" => Self::Speech,
            "realtime" => Self::Realtime,
            _ => Self::Other,
        }
    }

    /// The word in the list.
    pub fn word(self) -> &'static str {
        match self {
            Self::Language => "language",
            Self::Embedding => "embedding",
            Self::Image => "image",
            Self::Video => "video",
            Self::Reranking => "reranking",
            Self::Transcription => "transcription",
            Self::Speech => "speech",
            Self::Realtime => "realtime",
            Self::Other => "other",
        }
    }
}
