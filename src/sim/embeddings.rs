//! Embeddings: the response to `POST /v1/embeddings`.
//!
//! Owns the vectors. Must not know sockets. Invariant: the cosine of two texts is that of their counts of words, so that a test
//! knows it; texts without a common word have none in common but by a rare collision.

use serde::Deserialize;
use serde_json::{Value, json};

use super::draw::digest;
use super::scenario::SimulatedModel;
use crate::units::Usd;

/// Numbers of a vector.
const DIMENSIONS: usize = 1_536;
/// Characters that count as one token.
const CHARS_PER_TOKEN: u64 = 4;
/// Texts of one request at most.
const MAX_TEXTS: usize = 2_048;

/// A request for embeddings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddingsRequest {
    /// The model id.
    pub model: String,
    /// The texts.
    pub texts: Vec<String>,
}

#[derive(Deserialize)]
struct EmbeddingsBody {
    model: String,
    input: EmbeddingsInput,
}

/// One text or several.
struct EmbeddingsInput(Vec<String>);

impl<'de> Deserialize<'de> for EmbeddingsInput {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = match Value::deserialize(deserializer)? {
            Value::String(text) => Some(vec![text]),
            Value::Array(items) => items
                .into_iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect(),
            _ => None,
        };
        texts.map(Self).ok_or_else(|| {
            serde::de::Error::custom("`input` must be a string or an array of strings")
        })
    }
}

impl EmbeddingsRequest {
    /// Reads a request's body.
    ///
    /// # Errors
    /// The problem, and the parameter.
    pub fn from_body(body: &[u8]) -> Result<Self, (String, &'static str)> {
        let wire: EmbeddingsBody =
            serde_json::from_slice(body).map_err(|error| (error.to_string(), "input"))?;
        let EmbeddingsBody {
            model,
            input: EmbeddingsInput(texts),
        } = wire;
        if texts.is_empty() || texts.len() > MAX_TEXTS || texts.iter().any(String::is_empty) {
            let message = format!("`input` must have 1 to {MAX_TEXTS} texts, none of them empty");
            return Err((message, "input"));
        }
        Ok(Self { model, texts })
    }

    /// Prompt tokens of all texts.
    pub fn tokens(&self) -> u64 {
        let of = |text: &String| (text.chars().count() as u64).div_ceil(CHARS_PER_TOKEN);
        self.texts.iter().map(of).sum()
    }
}

/// The price of the request at the model's list price of input.
pub fn price(model: &SimulatedModel, tokens: u64) -> Usd {
    let input = model.entry["pricing"]["input"].as_str();
    let input: Option<Usd> = input.and_then(|text| text.parse().ok());
    input
        .and_then(|input| input.times(tokens))
        .unwrap_or_default()
}

/// The body of the response.
pub fn response(request: &EmbeddingsRequest, tokens: u64, cost: Usd) -> Value {
    let data = request.texts.iter().enumerate();
    let data: Vec<Value> = data
        .map(|(index, text)| json!({ "object": "embedding", "index": index, "embedding": vector(text) }))
        .collect();
    json!({
        "object": "list", "data": data, "model": request.model,
        "usage": { "prompt_tokens": tokens, "total_tokens": tokens },
        "providerMetadata": { "gateway": { "cost": cost } },
    })
}

/// The counts of a text's words, upper and lower case alike, without marks around them.
fn vector(text: &str) -> Vec<u32> {
    let mut counts = vec![0; DIMENSIONS];
    let words = text.split_whitespace().map(|word| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        word.to_lowercase()
    });
    let mut words = words.filter(|word| !word.is_empty()).peekable();
    if words.peek().is_none() {
        // Marks alone are a word of their own.
        counts[0] = 1;
    }
    for word in words {
        let place = digest(word.as_bytes()) % DIMENSIONS as u64;
        counts[usize::try_from(place).unwrap_or(0)] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosine_is_that_of_words() {
        let dot = |a: &str, b: &str| -> u32 {
            let (a, b) = (vector(a), vector(b));
            a.iter().zip(&b).map(|(a, b)| a * b).sum()
        };
        assert_eq!(dot("Within 14 days.", "within 14 DAYS"), 3);
        assert_eq!(dot("red shoes", "red boots"), 1);
        assert_eq!(dot("red shoes", "green boots"), 0);
        assert_eq!(dot("?!", "..."), 1);
    }

    #[test]
    fn requests_are_read_or_refused() {
        let read = |body: &str| EmbeddingsRequest::from_body(body.as_bytes());
        let one = read(r#"{"model":"a/b","input":"12345678"}"#).unwrap();
        assert_eq!((one.texts.len(), one.tokens()), (1, 2));
        assert_eq!(
            read(r#"{"model":"a/b","input":["a","b"]}"#)
                .unwrap()
                .tokens(),
            2
        );
        for broken in [
            "",
            "{}",
            r#"{"model":"a/b","input":[]}"#,
            r#"{"model":"a/b","input":[1]}"#,
            r#"{"model":"a/b","input":""}"#,
        ] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }
}
