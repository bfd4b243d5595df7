//! From the text of `bakeoff.toml` to checked profiles, and from an endpoint's name to one of them.
//!
//! Owns what each key of an endpoint means. Must not know where the file lies or how requests are
//! sent. Invariants: no profile holds a key, and prices are exact.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use crate::units::Usd;

use super::fields::{base_url, dollars, is_identifier, model_id};
use super::problem::{Code, Problems};
use super::rate_limits::rate_limits;
use super::reader::{self, File, FirstLines, Key, Table, Value};
use super::retirements::retirements;
use super::surcharge::surcharges;
use crate::suite::model::parameters::TokenLimitName;
use crate::suite::model::profile::{Api, BUILT_IN, Profile, ReasoningName, SIM, Wording};
use crate::suite::model::select::Pattern;
use crate::suite::value::base_url::{BadUrl, BaseUrl, is_url};
use crate::suite::value::limits;
use crate::suite::value::price::{OwnPrice, PriceError, is_standard_tier, usd_per_token};
use crate::suite::value::secret::{looks_like_key, names_a_key};
use crate::suite::value::text::{nearest, quoted};

/// The endpoints of a project, in addition to the built-in ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Project {
    /// Expected cost in USD above which a run needs confirmation; absent: the default.
    pub confirm_above: Option<Usd>,
    /// Spending limits.
    pub budget: ProjectBudget,
    /// Own profiles by name; one with the name of a built-in one replaces it.
    pub profiles: BTreeMap<String, Profile>,
}

/// Cost caps of every run of a project.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProjectBudget {
    /// The maximum cost of one run.
    pub max_cost_per_run: Option<Usd>,
    /// The maximum cost of all runs of a day (UTC) together.
    pub max_cost_per_day: Option<Usd>,
}

/// The reason why a text names no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No profile has this name.
    #[error("unknown endpoint {}", quoted(name))]
    Unknown {
        /// The requested name.
        name: String,
        /// The profile most like it, if any is.
        nearest: Option<String>,
        /// Every profile there is, sorted.
        known: Vec<String>,
    },
    /// It is meant as a base URL but is not one.
    #[error("{message}")]
    BadUrl {
        /// The error, in words.
        message: String,
        /// The correction, if known.
        help: Option<String>,
    },
}

impl EndpointError {
    /// The correction, as a help text.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::BadUrl { help, .. } => help.clone(),
            Self::Unknown {
                nearest: Some(nearest),
                ..
            } => Some(format!("did you mean `{nearest}`?")),
            Self::Unknown { known, .. } => Some(format!(
                "the endpoints are {}; a base URL such as http://127.0.0.1:8000/v1 works as well",
                known.join(", ")
            )),
        }
    }
}

impl Project {
    /// Makes the paths of its profiles start where this folder does.
    #[must_use]
    pub fn in_folder(mut self, folder: &Path) -> Self {
        for profile in self.profiles.values_mut() {
            profile.ca_file = profile.ca_file.take().map(|file| folder.join(file));
        }
        self
    }

    /// The names of all profiles, sorted.
    pub fn endpoint_names(&self) -> Vec<String> {
        let built_in = BUILT_IN.iter().map(|profile| profile.name);
        let mut known: Vec<String> = built_in.map(str::to_owned).collect();
        known.extend(self.profiles.keys().cloned());
        known.sort_unstable();
        known.dedup();
        known
    }

    /// The profile of this name, own ones first, or a keyless one for a base URL.
    pub fn resolve(&self, endpoint: &str) -> Result<Profile, EndpointError> {
        if is_url(endpoint) {
            return match BaseUrl::parse(endpoint) {
                Ok(url) => Ok(Profile::keyless(url.0)),
                Err(BadUrl { message, help, .. }) => Err(EndpointError::BadUrl { message, help }),
            };
        }
        if let Some(own) = self.profiles.get(endpoint) {
            return Ok(own.clone());
        }
        if let Some(built_in) = Profile::built_in(endpoint) {
            return Ok(built_in);
        }
        let known = self.endpoint_names();
        Err(EndpointError::Unknown {
            name: endpoint.to_owned(),
            nearest: nearest(endpoint, known.iter().map(String::as_str)).map(str::to_owned),
            known,
        })
    }
}

/// Reads a project file, or returns everything that is wrong with it.
pub fn parse_project(text: &str) -> Result<Project, Problems> {
    const FILE: File = File {
        what: "the project file",
        max_bytes: limits::PROJECT_BYTES,
        home: |_| None,
    };
    reader::read(text, &FILE, |table| {
        let confirm_above = table
            .field("confirm_above")
            .and_then(|value| dollars(&value, limits::SUM_USD));
        let budget = match table.field("budget") {
            Some(value) => value.table("a budget", budget),
            None => Some(ProjectBudget::default()),
        };
        let profiles = match table.field("endpoints") {
            Some(endpoints) => endpoints.free_table(profiles)??,
            None => BTreeMap::new(),
        };
        Some(Project {
            confirm_above,
            budget: budget?,
            profiles,
        })
    })
}

fn budget(table: &mut Table<'_>) -> ProjectBudget {
    let mut sum = |key| {
        table
            .field(key)
            .and_then(|value| dollars(&value, limits::SUM_USD))
    };
    ProjectBudget {
        max_cost_per_run: sum("max_cost_per_run"),
        max_cost_per_day: sum("max_cost_per_day"),
    }
}

fn profiles(table: &Table<'_>) -> Option<BTreeMap<String, Profile>> {
    let all = table.all();
    if all.len() > limits::ENDPOINTS {
        let message = format!("at most {} endpoints are allowed", limits::ENDPOINTS);
        table.report_wrong(Code::TooLarge, message, None);
        return None;
    }
    let profiles: Vec<_> = all
        .into_iter()
        .map(|(key, value)| {
            let name = profile_name(&key);
            let profile = value.table("an endpoint", |table| profile(table, key.text))?;
            Some((name?, profile?))
        })
        .collect();
    profiles.into_iter().collect()
}

fn profile_name(key: &Key<'_>) -> Option<String> {
    if is_identifier(key.text) && !is_url(key.text) {
        return Some(key.text.to_owned());
    }
    let expected = "an endpoint's name has only letters, digits, `-`, `_`, `.`, `/` and `:`";
    key.report_wrong(Code::BadValue, expected.to_owned(), None);
    None
}

/// An own profile; a key that it does not set is taken from the built-in one of the same name.
fn profile(table: &mut Table<'_>, name: &str) -> Option<Profile> {
    let built_in = Profile::built_in(name);
    let base_url = match table.field("base_url") {
        Some(value) if name == SIM => {
            let message = format!("`{SIM}` is the embedded simulator, which has no URL");
            let help = "give an endpoint with a URL another name".to_owned();
            value.report(Code::Conflict, message, Some(help));
            None
        }
        Some(value) => base_url(&value).map(|url| Some(url.0)),
        None => {
            if built_in.is_none() {
                table.missing(&["base_url"], "add `base_url = \"https://host/v1\"`");
            }
            built_in.as_ref().map(|profile| profile.base_url.clone())
        }
    };
    let key_variables = match table.field("key") {
        Some(value) => key_variables(&value),
        None => Some(
            built_in
                .as_ref()
                .map(|profile| profile.key_variables.clone())
                .unwrap_or_default(),
        ),
    };
    let headers = match table.field("headers") {
        Some(value) => headers(&value),
        None => Some(Vec::new()),
    };
    let limits = rate_limits(table);
    let wording = wording(table, built_in.as_ref());
    let key_header = match table.field("key_header") {
        Some(value) => key_header(&value).map(Some),
        None => Some(built_in.and_then(|profile| profile.key_header)),
    };
    let api_version = match table.field("api_version") {
        Some(value) => api_version(&value).map(Some),
        None => Some(None),
    };
    let ca_file = match table.field("ca_file") {
        Some(value) => value.string().map(|text| Some(PathBuf::from(text))),
        None => Some(None),
    };
    let prices = match table.field("prices") {
        Some(value) => prices(&value),
        None => Some(Vec::new()),
    };
    let surcharges = match table.field("surcharges") {
        Some(value) => surcharges(&value),
        None => Some(Vec::new()),
    };
    let ignoring_max_tokens = match table.field("ignores_max_tokens") {
        Some(value) => model_patterns(&value),
        None => Some(Vec::new()),
    };
    let retirements = match table.field("retires") {
        Some(value) => retirements(&value),
        None => Some(Vec::new()),
    };
    Some(Profile {
        ignoring_max_tokens: ignoring_max_tokens?,
        retirements: retirements?,
        name: name.to_owned(),
        base_url: base_url?,
        key_variables: key_variables?,
        headers: headers?,
        prices: prices?,
        surcharges: surcharges?,
        limits: limits?,
        wording,
        key_header: key_header?,
        api_version: api_version?,
        ca_file: ca_file?,
    })
}

/// The wording of requests. Key names of the chat route have no meaning on another route.
fn wording(table: &mut Table<'_>, built_in: Option<&Profile>) -> Wording {
    let api = table
        .field("api")
        .and_then(|value| value.word(&Api::WORDS))
        .or(built_in.map(|profile| profile.wording.api))
        .unwrap_or_default();
    let fields = [
        table.field("max_tokens_name"),
        table.field("reasoning_name"),
        table.field("stream_options"),
    ];
    if api != Api::Chat {
        let keys = ["max_tokens_name", "reasoning_name", "stream_options"];
        for (value, key) in fields.iter().zip(keys) {
            if let Some(value) = value {
                let message = format!("`{key}` applies to the chat route, not to `{}`", api.word());
                value.report(Code::Conflict, message, Some("leave it out".to_owned()));
            }
        }
    }
    let [max_tokens_name, reasoning_name, stream_options] = fields;
    Wording {
        api,
        max_tokens_name: max_tokens_name.and_then(|value| value.word(&TokenLimitName::WORDS)),
        reasoning_name: reasoning_name
            .and_then(|value| value.word(&ReasoningName::WORDS))
            .unwrap_or_default(),
        omits_stream_options: stream_options.and_then(|value| value.boolean()) == Some(false),
    }
}

/// The name of the header that holds the key. `authorization` is the default.
fn key_header(value: &Value<'_>) -> Option<String> {
    let text = value.string()?;
    if looks_like_key(text) {
        value.secret();
        return None;
    }
    let name = text.to_ascii_lowercase();
    if !is_header_name(&name) || OWN_HEADERS.contains(&name.as_str()) || name == "authorization" {
        let expected = "the name of a header such as \"api-key\" or \"x-api-key\"";
        let help = "without it the key is sent as `authorization: Bearer`".to_owned();
        value.report_wrong(Code::BadValue, expected, Some(help));
        return None;
    }
    Some(name)
}

/// A version as Azure writes them, a date mostly: nothing that would need escaping in a URL.
fn api_version(value: &Value<'_>) -> Option<String> {
    let text = value.string()?;
    let inside = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if looks_like_key(text) {
        value.secret();
        return None;
    }
    if !(1..=limits::ID_CHARS).contains(&text.len()) || !text.chars().all(inside) {
        value.report_wrong(Code::BadValue, "a version such as \"2024-10-21\"", None);
        return None;
    }
    Some(text.to_owned())
}

fn key_variables(value: &Value<'_>) -> Option<Vec<String>> {
    if value.is_string() {
        return variable(value).map(|name| vec![name]);
    }
    let items = value.items(
        limits::KEY_VARIABLES,
        "a variable's name or an array of names",
    )?;
    let names: Vec<_> = items.iter().map(variable).collect();
    names.into_iter().collect()
}

fn variable(value: &Value<'_>) -> Option<String> {
    let name = value.string()?;
    if looks_like_key(name) {
        value.secret();
        return None;
    }
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let fits = (1..=limits::ID_CHARS).contains(&name.len())
        && name.chars().all(inside)
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if !fits {
        // It may be a key after all, of a maker we do not know: it is not shown.
        let message = "`key` must name an environment variable such as MY_GATEWAY_KEY".to_owned();
        let help = "the key itself belongs in the environment or in .env, never here".to_owned();
        value.report(Code::Secret, message, Some(help));
        return None;
    }
    Some(name.to_owned())
}

/// Headers that are made for each request and would only be broken by a second value.
const OWN_HEADERS: [&str; 10] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
    "x-request-id",
];

fn headers(value: &Value<'_>) -> Option<Vec<(String, String)>> {
    value.free_table(|table| {
        let all = table.all();
        if all.len() > limits::HEADERS {
            let message = format!("at most {} headers are allowed", limits::HEADERS);
            table.report_wrong(Code::TooLarge, message, None);
            return None;
        }
        let mut seen = HashMap::new();
        let headers: Vec<_> = all
            .iter()
            .map(|(key, value)| header(key, value, &mut seen))
            .collect();
        headers.into_iter().collect()
    })?
}

fn is_header_name(name: &str) -> bool {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    (1..=limits::ID_CHARS).contains(&name.len()) && name.chars().all(is_token)
}

fn header<'a>(
    key: &Key<'a>,
    value: &Value<'a>,
    seen: &mut HashMap<String, &'a str>,
) -> Option<(String, String)> {
    let name = key.text.to_ascii_lowercase();
    if !is_header_name(&name) {
        let message = format!("{} is not a valid header name", quoted(key.text));
        key.report_wrong(Code::BadValue, message, None);
        return None;
    }
    if OWN_HEADERS.contains(&name.as_str()) {
        let message = format!("the header `{name}` is set by bakeoff for each request");
        key.report_wrong(Code::Conflict, message, Some("leave it out".to_owned()));
        return None;
    }
    if let Some(first) = seen.insert(name.clone(), key.text) {
        let message = format!("the header `{name}` is duplicate, first as `{first}`");
        key.report_wrong(Code::Duplicate, message, None);
        return None;
    }
    // Before the value's type or length is looked at: what is shown of it depends on this.
    if names_a_key(&name) || value.as_str().is_some_and(looks_like_key) {
        value.secret();
        return None;
    }
    let text = value.string()?;
    let visible = text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    if !visible || text.trim() != text || !(1..=limits::HEADER_BYTES).contains(&text.len()) {
        let expected = format!(
            "1 to {} visible ASCII characters without leading or trailing spaces",
            limits::HEADER_BYTES
        );
        value.report_wrong(Code::BadValue, &expected, None);
        return None;
    }
    Some((name, text.to_owned()))
}

/// Ids of models, or globs.
fn model_patterns(value: &Value<'_>) -> Option<Vec<String>> {
    let items = value.items(
        limits::PRICES,
        "an array of models, or of patterns such as \"creator/*\"",
    )?;
    let patterns = items.iter().map(|item| {
        let model = model_id(item)?;
        if let Err(error) = Pattern::new(model.as_str()) {
            item.report(Code::BadValue, error.to_string(), None);
            return None;
        }
        Some(model.to_string())
    });
    let patterns: Vec<_> = patterns.collect();
    patterns.into_iter().collect()
}

fn prices(value: &Value<'_>) -> Option<Vec<OwnPrice>> {
    let items = value.items(limits::PRICES, "tables under `[[endpoints.NAME.prices]]`")?;
    let mut first_lines = FirstLines::default();
    let prices: Vec<_> = items
        .iter()
        .map(|item| item.table("a price", |table| price(table, &mut first_lines))?)
        .collect();
    prices.into_iter().collect()
}

fn price(table: &mut Table<'_>, first_lines: &mut FirstLines) -> Option<OwnPrice> {
    let help = "add `model = \"creator/model\"`, or a pattern such as \"creator/*\"";
    let model_value = table.required("model", help);
    let mut model = model_value.as_ref().and_then(model_id);
    let broken = model
        .as_ref()
        .and_then(|model| Pattern::new(model.as_str()).err());
    if let (Some(value), Some(error)) = (&model_value, broken) {
        value.report(Code::BadValue, error.to_string(), None);
        model = None;
    }
    let tier_value = table.field("service_tier");
    let service_tier = tier_value.as_ref().map(service_tier);
    if let (Some(value), Some(model)) = (&model_value, &model) {
        let named = match service_tier.as_ref() {
            Some(Some(tier)) => format!("{model} {tier}"),
            _ => model.to_string(),
        };
        if let Some(first) = first_lines.note(&named, value) {
            let message = format!("the price of {} is duplicate", quoted(model.as_str()));
            let help = format!("the first is {first}");
            value.report(Code::Duplicate, message, Some(help));
        }
    }
    let example = "add it in USD per million tokens, such as 0.25";
    let input_usd = table
        .required("input_usd_per_mtok", example)
        .and_then(|value| amount(&value));
    let output_usd = table
        .required("output_usd_per_mtok", example)
        .and_then(|value| amount(&value));
    let mut optional = |key| table.field(key).and_then(|value| amount(&value));
    Some(OwnPrice {
        cache_read_usd: optional("cache_read_usd_per_mtok"),
        cache_write_usd: optional("cache_write_usd_per_mtok"),
        cache_write_1h_usd: optional("cache_write_1h_usd_per_mtok"),
        cache_write_12h_usd: optional("cache_write_12h_usd_per_mtok"),
        model: model?,
        input_usd: input_usd?,
        output_usd: output_usd?,
        service_tier: match service_tier {
            Some(tier) => Some(tier?),
            None => None,
        },
    })
}

/// The word of a service tier, in lower case.
fn service_tier(value: &Value<'_>) -> Option<String> {
    let text = value.string()?;
    if !is_identifier(text) || is_standard_tier(text) {
        let expected = "the word of a service tier other than the standard one, such as \"flex\"";
        value.report_wrong(
            Code::BadValue,
            expected,
            Some("leave it out for standard prices".to_owned()),
        );
        return None;
    }
    Some(text.to_ascii_lowercase())
}

/// An amount per million tokens, as one per token.
fn amount(value: &Value<'_>) -> Option<Usd> {
    let expected = format!(
        "an amount from 0 to {} in USD per million tokens, such as 0.25",
        limits::PRICE_USD_PER_MTOK
    );
    let text = value.decimal(&expected)?;
    match usd_per_token(text) {
        Ok(usd) => Some(usd),
        Err(PriceError::NotAmount) => {
            value.report_wrong(Code::BadValue, &expected, None);
            None
        }
        Err(PriceError::OutOfRange) => {
            value.report_wrong(Code::OutOfRange, &expected, None);
            None
        }
        Err(PriceError::TooFine) => {
            let help = "a price is counted in 1e-12 USD per token: at most 6 decimals here";
            value.report_wrong(Code::BadValue, &expected, Some(help.to_owned()));
            None
        }
    }
}
