//! One entry of a model list: from the bytes of `GET /v1/models` to a checked [`Model`].
//!
//! Owns the wire shape of an entry. Must not know where the list came from. Invariant: a fact that
//! is missing or cannot be understood is absent; only an entry without an id is turned down.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::units::{ModelId, acts};

use super::listed::{shortened, understood};
use super::price::Prices;
use super::pricing::{OtherPrice, REGIONAL, Treatment, read_pricing, read_regional};

/// Tags kept of one model: real lists have up to 8.
const MAX_TAGS: usize = 64;

/// The tag of a model that may answer with images.
const MAKES_IMAGES: &str = "image-generation";

/// A model that an endpoint offers.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The id as the endpoint spells it.
    pub id: ModelId,
    /// Its name for people; the id where the list has none.
    pub name: String,
    /// What it makes.
    pub kind: Kind,
    /// Most tokens of prompt and answer together.
    pub context_window: Option<u64>,
    /// Most tokens of one answer. Absent for kinds that do not answer in tokens: lists put other
    /// numbers there, such as the size of an embedding.
    pub max_tokens: Option<u64>,
    /// `reasoning`, `tool-use`, `vision`, ...
    pub tags: Vec<String>,
    /// List prices per token; absent where the list has none.
    pub prices: Option<Prices>,
    /// Prices per token of regions, where the list has them. A cost by tokens leaves them out, a bound
    /// does not.
    pub regional: Vec<Prices>,
    /// Further prices (per image, per search, by region, ...), which a cost by tokens leaves out, and
    /// those per token that cannot be believed; by name.
    pub other_prices: Vec<OtherPrice>,
    /// When its maker released it, UTC.
    pub released: Option<Date>,
    /// A lasting name of what stands behind the id, where the list has one.
    pub canonical: Option<String>,
}

/// What a model makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The words are the wire's own.
pub enum Kind {
    Language,
    Embedding,
    Image,
    Video,
    Reranking,
    Transcription,
    Speech,
    Realtime,
    /// A kind this program does not know, or none was given, as in the lists of plain servers.
    Other,
}

/// One entry of `data`, as sent. Keys that are not here are not used.
#[derive(Debug, Deserialize)]
pub(super) struct WireModel<'a> {
    id: String,
    #[serde(default, deserialize_with = "understood")]
    name: Option<String>,
    #[serde(rename = "type", default, deserialize_with = "understood")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "understood")]
    context_window: Option<u64>,
    /// OpenRouter's name of it.
    #[serde(default, deserialize_with = "understood")]
    context_length: Option<u64>,
    /// vLLM's: what the server was started with.
    #[serde(default, deserialize_with = "understood")]
    max_model_len: Option<u64>,
    #[serde(default, deserialize_with = "understood")]
    meta: Option<WireMeta>,
    #[serde(default, deserialize_with = "understood")]
    max_tokens: Option<u64>,
    /// Groq's name of it.
    #[serde(default, deserialize_with = "understood")]
    max_completion_tokens: Option<u64>,
    #[serde(default, deserialize_with = "understood")]
    top_provider: Option<WireTopProvider>,
    #[serde(default, deserialize_with = "understood")]
    tags: Option<Vec<String>>,
    #[serde(default, deserialize_with = "understood")]
    architecture: Option<WireArchitecture>,
    #[serde(default, deserialize_with = "understood")]
    supported_parameters: Option<Vec<String>>,
    #[serde(default, borrow)]
    pricing: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "understood")]
    released: Option<i64>,
    /// The same at OpenRouter. Elsewhere it may be the moment of the answer, or the same for all.
    #[serde(default, deserialize_with = "understood")]
    created: Option<i64>,
    /// OpenRouter's alone.
    #[serde(default, deserialize_with = "understood")]
    canonical_slug: Option<String>,
}

/// What llama.cpp's server tells of its model.
#[derive(Debug, Deserialize)]
struct WireMeta {
    #[serde(default, deserialize_with = "understood")]
    n_ctx: Option<u64>,
}

/// What OpenRouter tells of the provider it asks first.
#[derive(Debug, Deserialize)]
struct WireTopProvider {
    #[serde(default, deserialize_with = "understood")]
    max_completion_tokens: Option<u64>,
}

/// What OpenRouter tells of what goes in and comes out.
#[derive(Debug, Default, Deserialize)]
struct WireArchitecture {
    #[serde(default, deserialize_with = "understood")]
    input_modalities: Option<Vec<String>>,
    #[serde(default, deserialize_with = "understood")]
    output_modalities: Option<Vec<String>>,
}

impl WireModel<'_> {
    /// The checked entry; `None` where its id is not one, or could not be shown.
    pub(super) fn checked(self) -> Option<Model> {
        let id: ModelId = self.id.parse().ok()?;
        if id.as_str().contains(acts) {
            return None;
        }
        let architecture = self.architecture.unwrap_or_default();
        let kind = match self.kind.as_deref() {
            Some(word) => Kind::from_wire(word),
            None if holds(architecture.output_modalities.as_ref(), "text") => Kind::Language,
            None => Kind::Other,
        };
        let tags = self.tags.unwrap_or_else(|| {
            let parameters = self.supported_parameters.as_ref();
            let told = [
                ("reasoning", holds(parameters, "reasoning")),
                ("tool-use", holds(parameters, "tools")),
                (
                    "vision",
                    holds(architecture.input_modalities.as_ref(), "image"),
                ),
                (
                    MAKES_IMAGES,
                    holds(architecture.output_modalities.as_ref(), "image"),
                ),
            ];
            (told.iter().filter(|(_, holds)| *holds))
                .map(|(tag, _)| (*tag).to_owned())
                .collect()
        });
        let (prices, other_prices) = read_pricing(self.pricing);
        let regional = read_regional(self.pricing).unwrap_or_default();
        let answers_in_tokens = matches!(kind, Kind::Language | Kind::Other);
        let created = self.created.filter(|_| self.canonical_slug.is_some());
        let top_most = self.top_provider.and_then(|top| top.max_completion_tokens);
        Some(Model {
            name: self.name.map_or_else(|| id.to_string(), shortened),
            kind,
            context_window: (self.context_window.or(self.context_length))
                .or(self.max_model_len)
                .or(self.meta.and_then(|meta| meta.n_ctx)),
            max_tokens: (self.max_tokens.or(self.max_completion_tokens).or(top_most))
                .filter(|_| answers_in_tokens),
            tags: tags.into_iter().take(MAX_TAGS).map(shortened).collect(),
            prices,
            regional,
            other_prices,
            released: self.released.or(created).and_then(day),
            canonical: self.canonical_slug.map(shortened),
            id,
        })
    }
}

/// The day of an instant in Unix seconds; none before 1970, which is how some lists say "not known".
fn day(seconds: i64) -> Option<Date> {
    let instant = Timestamp::from_second(seconds).ok()?;
    (seconds > 0).then(|| instant.to_zoned(TimeZone::UTC).date())
}

fn holds(words: Option<&Vec<String>>, wanted: &str) -> bool {
    words.is_some_and(|words| words.iter().any(|word| word == wanted))
}

impl Model {
    /// A model of which nothing but its id is known.
    pub(super) fn unlisted(id: ModelId) -> Self {
        Self {
            name: id.to_string(),
            id,
            kind: Kind::Other,
            context_window: None,
            max_tokens: None,
            tags: Vec::new(),
            prices: None,
            regional: Vec::new(),
            other_prices: Vec::new(),
            released: None,
            canonical: None,
        }
    }

    /// What becomes of a further price of its list.
    pub fn treatment(&self, price: &OtherPrice) -> Treatment {
        if price.name == REGIONAL && !self.regional.is_empty() {
            return Treatment::Bounded;
        }
        price.treatment(self.makes_images())
    }

    /// Whether it costs what `other` costs.
    pub(super) fn has_prices_of(&self, other: &Self) -> bool {
        (&self.prices, &self.regional, &self.other_prices)
            == (&other.prices, &other.regional, &other.other_prices)
    }

    /// Whether its list has a price per token that cannot be believed; then it has no prices.
    pub fn has_unbelieved_price(&self) -> bool {
        let mut prices = self.other_prices.iter();
        prices.any(|price| self.treatment(price) == Treatment::Unbelieved)
    }

    /// What becomes of a further price of a provider that serves it.
    pub fn offer_treatment(&self, price: &OtherPrice) -> Treatment {
        price.treatment(self.makes_images())
    }

    /// Whether it may answer with images.
    fn makes_images(&self) -> bool {
        self.kind == Kind::Image || self.tags.iter().any(|tag| tag == MAKES_IMAGES)
    }
}

impl Kind {
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

    /// The word of the wire.
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
