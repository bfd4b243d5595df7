//! Secrets in a suite's own text: found before anything is written or sent.
//!
//! Owns where a suite is searched and which variables hold secrets. Must not know how variables are read, nor change
//! the suite: the user's text is sent as it is, or not at all. Invariant: a value is never part of what is returned.

use std::fmt::{self, Write as _};

use aho_corasick::AhoCorasick;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;

use super::suite::Suite;

/// Fewest bytes of a value that is searched for: shorter ones are words of ordinary text.
const VALUE_BYTES_MIN: usize = 16;
/// Bytes of a longer value that are searched for: enough to know it by, and its search stays fast.
const VALUE_BYTES_SEARCHED: usize = 1024;
/// Parts of the names of variables that hold secrets.
const NAME_PARTS: [&str; 4] = ["KEY", "TOKEN", "SECRET", "PASSWORD"];

/// A variable and its value.
#[derive(Debug, Clone)]
pub struct NamedSecret {
    name: String,
    value: SecretString,
}

impl NamedSecret {
    /// The key of an endpoint, whatever its variable is called; `None` for one that is too short to search for.
    pub fn from_key(name: &str, value: &str) -> Option<Self> {
        let value = value.trim();
        (value.len() >= VALUE_BYTES_MIN).then(|| Self {
            name: name.to_owned(),
            value: value.to_owned().into(),
        })
    }

    /// A variable whose name says that it holds a secret, and whose value can be one.
    pub fn from_variable(name: &str, value: &str) -> Option<Self> {
        let upper = name.to_ascii_uppercase();
        let named = NAME_PARTS.iter().any(|part| upper.contains(part));
        (named && !is_public_url(value.trim()))
            .then(|| Self::from_key(name, value))
            .flatten()
    }
}

/// Returns true if the value is a web address without credentials, as in `TOKEN_ENDPOINT` or `KEYCLOAK_URL`.
fn is_public_url(value: &str) -> bool {
    let address = value
        .strip_prefix("https://")
        .or_else(|| value.strip_prefix("http://"));
    address.is_some_and(|address| !address.contains(['@', '?', '#']))
}

/// A variable whose value stands in a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExposedSecret {
    /// Part of the suite that holds it: `prompt `id`: messages[0].content`.
    pub place: String,
    /// Name of the variable.
    pub variable: String,
}

impl fmt::Display for ExposedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, variable } = self;
        write!(f, "{place} holds the value of the variable `{variable}`")
    }
}

/// Every part of the resolved suite that holds one of these values, in the suite's order.
pub fn exposed_secrets(suite: &Suite, secrets: &[NamedSecret]) -> Vec<ExposedSecret> {
    let values = secrets.iter().map(|secret| {
        let value = secret.value.expose_secret();
        &value[..value.floor_char_boundary(VALUE_BYTES_SEARCHED)]
    });
    let Ok(finder) = AhoCorasick::new(values) else {
        return Vec::new();
    };
    let mut search = SecretSearch {
        finder,
        secrets,
        found: Vec::new(),
    };
    if secrets.is_empty() {
        return search.found;
    }
    search.part("name", &suite.name);
    search.part("description", &suite.description);
    search.part("endpoint", &suite.endpoint);
    search.part("prefix", &suite.reuse);
    search.part("system", &suite.system);
    search.part("parameters", &suite.parameters);
    for variant in &suite.variants {
        // A model's id is the endpoint's word, and may well stand in a variable.
        let place = format!("model `{}`", variant.label);
        if variant.label != variant.model.as_str() {
            search.part(&place, &variant.label);
        }
        search.part(&place, &variant.system);
        search.part(&place, &variant.parameters);
    }
    for prompt in &suite.prompts {
        search.part(&format!("prompt `{}`", prompt.id), prompt);
    }
    search.found
}

struct SecretSearch<'s> {
    finder: AhoCorasick,
    secrets: &'s [NamedSecret],
    found: Vec<ExposedSecret>,
}

impl SecretSearch<'_> {
    fn part(&mut self, place: &str, part: &impl Serialize) {
        let value = serde_json::to_value(part).expect("a part of a suite is always JSON");
        let before = self.found.len();
        self.value(place, &value, &mut String::new());
        // A place whose own name is the secret must not show it.
        for exposed in &mut self.found[before..] {
            if self.finder.is_match(&exposed.place) {
                "the name of a prompt or a model".clone_into(&mut exposed.place);
            }
        }
    }

    /// Searches every string below `value`; `path` is the way there from the part.
    fn value(&mut self, place: &str, value: &Value, path: &mut String) {
        let length = path.len();
        match value {
            Value::String(text) => self.text(place, path, text),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    write!(path, "[{index}]").expect("a String can always grow");
                    self.value(place, item, path);
                    path.truncate(length);
                }
            }
            Value::Object(fields) => {
                for (key, field) in fields {
                    self.text(place, path, key);
                    path.push_str(if length == 0 { "" } else { "." });
                    path.push_str(key);
                    self.value(place, field, path);
                    path.truncate(length);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn text(&mut self, place: &str, path: &str, text: &str) {
        for hit in self.finder.find_overlapping_iter(text) {
            let separator = if path.is_empty() { "" } else { ": " };
            let exposed = ExposedSecret {
                place: format!("{place}{separator}{path}"),
                variable: self.secrets[hit.pattern().as_usize()].name.clone(),
            };
            if !self.found.contains(&exposed) {
                self.found.push(exposed);
            }
        }
    }
}
