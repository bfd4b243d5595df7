//! Untimed requests for embeddings: `POST {base}/embeddings`.
//!
//! Owns the wire shape of request and response. Must not know what is embedded, or compared. Invariant: a reply has one vector for
//! each text, all finite and of one length, or it is an error.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::record::Outcome;
use crate::units::{ModelId, Usd};

use super::endpoint::Endpoint;
use super::listing::{FetchError, post};
use super::wire::{Amount, usd};

/// Texts of one request: servers take some hundreds, and a reply of this many fits the limit of its size.
pub const MAX_TEXTS: usize = 32;

/// The embeddings of some texts.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingsReply {
    /// One vector for each text, in the order of the request.
    pub vectors: Vec<Vec<f64>>,
    /// Prompt tokens, as the server counts them.
    pub prompt_tokens: Option<u64>,
    /// The amount that the gateway billed, where it reports one.
    pub billed_usd: Option<Usd>,
}

/// A request for embeddings that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddingsError {
    /// Its outcome: whether it may have been billed, and whether another attempt makes sense.
    pub outcome: Outcome,
    /// The reason in words.
    pub message: String,
}

#[derive(Serialize)]
struct WireEmbeddingsRequest<'a> {
    model: &'a ModelId,
    input: &'a [String],
    encoding_format: &'static str,
}

#[derive(Deserialize)]
struct WireEmbeddingsReply {
    data: Vec<WireEmbedding>,
    #[serde(default)]
    usage: Option<WireEmbeddingsUsage>,
    #[serde(default, rename = "providerMetadata", alias = "provider_metadata")]
    metadata: Option<WireEmbeddingsMetadata>,
}

#[derive(Deserialize)]
struct WireEmbedding {
    embedding: Vec<f64>,
    #[serde(default)]
    index: Option<usize>,
}

#[derive(Deserialize)]
struct WireEmbeddingsUsage {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    cost: Amount,
}

#[derive(Deserialize)]
struct WireEmbeddingsMetadata {
    #[serde(default)]
    gateway: Option<WireEmbeddingsGateway>,
}

#[derive(Deserialize)]
struct WireEmbeddingsGateway {
    #[serde(default)]
    cost: Amount,
}

/// The body of a request for the embeddings of these texts.
pub fn body(model: &ModelId, texts: &[String]) -> Vec<u8> {
    let request = WireEmbeddingsRequest {
        model,
        input: texts,
        encoding_format: "float",
    };
    serde_json::to_vec(&request).expect("ids and texts are JSON strings")
}

/// Requests the embeddings of `texts`, once, with a body of [`body`].
///
/// # Errors
/// If there is no reply in time, or not one vector for each text.
pub async fn embed(
    endpoint: &Endpoint,
    request_id: &str,
    (body, texts): (Vec<u8>, usize),
    time_limit: Duration,
) -> Result<EmbeddingsReply, EmbeddingsError> {
    let reply = post(endpoint, "embeddings", request_id, body, time_limit).await;
    match reply {
        Ok(text) => EmbeddingsReply::from_json(&text, texts).map_err(|message| EmbeddingsError {
            outcome: Outcome::ProtocolError,
            message,
        }),
        Err(error) => Err(EmbeddingsError {
            outcome: outcome_of(&error),
            message: error.to_string(),
        }),
    }
}

fn outcome_of(error: &FetchError) -> Outcome {
    match error {
        FetchError::Open(_) | FetchError::NotConnected(_) => Outcome::ConnectFailed,
        FetchError::Connection(_) => Outcome::ConnectionLost,
        FetchError::TimedOut(_) => Outcome::TimedOutTotal,
        FetchError::TooLarge => Outcome::TooLarge,
        FetchError::Status { status, .. } => match status {
            401 => Outcome::Unauthorized,
            402 => Outcome::PaymentRequired,
            403 => Outcome::Forbidden,
            404 => Outcome::ModelNotFound,
            // A provider may have begun what took too long.
            408 | 500.. => Outcome::ServerError,
            429 => Outcome::RateLimited,
            _ => Outcome::Rejected,
        },
        FetchError::Encoding(_) | FetchError::NotText | FetchError::Page(_) => {
            Outcome::ProtocolError
        }
    }
}

impl EmbeddingsReply {
    /// Parses the response to a request with `texts` texts.
    ///
    /// # Errors
    /// If it has not one vector for each text, or one that cannot be compared.
    pub fn from_json(reply: &str, texts: usize) -> Result<Self, String> {
        let wire: WireEmbeddingsReply = serde_json::from_str(reply)
            .map_err(|error| format!("the reply has no embeddings: {error}"))?;
        let mut vectors: Vec<Option<Vec<f64>>> = vec![None; texts];
        let count = wire.data.len();
        for (place, one) in wire.data.into_iter().enumerate() {
            if let Some(vector) = vectors.get_mut(one.index.unwrap_or(place)) {
                *vector = Some(one.embedding);
            }
        }
        let vectors: Option<Vec<Vec<f64>>> = vectors.into_iter().collect();
        let vectors = vectors.filter(|_| count == texts).ok_or_else(|| {
            format!("the reply has {count} embeddings, and {texts} texts were sent")
        })?;
        let length = vectors.first().map_or(0, Vec::len);
        let is_sound = |vector: &Vec<f64>| {
            let norm: f64 = vector.iter().map(|value| value * value).sum();
            vector.len() == length && norm.is_finite() && norm > 0.0
        };
        if !vectors.iter().all(is_sound) {
            return Err("the embeddings have different lengths, or no direction".to_owned());
        }
        let usage = wire.usage.as_ref();
        let gateway = wire.metadata.and_then(|metadata| metadata.gateway);
        let billed = gateway.and_then(|gateway| usd(&gateway.cost));
        Ok(Self {
            vectors,
            prompt_tokens: usage.and_then(|usage| usage.prompt_tokens),
            billed_usd: billed.or_else(|| usd(&usage?.cost)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_has_one_vector_for_each_text() {
        // Vectors that change places would grade one answer by another.
        let read = |reply: &str, texts| EmbeddingsReply::from_json(reply, texts);
        let reply = read(
            r#"{"object":"list","data":[{"index":1,"embedding":[0,2]},{"index":0,"embedding":[1,0]}],"model":"a/b",
            "usage":{"prompt_tokens":7,"total_tokens":7},"providerMetadata":{"gateway":{"cost":"0.00000014"}}}"#,
            2,
        )
        .unwrap();
        assert_eq!(reply.vectors, [vec![1.0, 0.0], vec![0.0, 2.0]]);
        assert_eq!(reply.prompt_tokens, Some(7));
        assert_eq!(reply.billed_usd, Some(Usd(140_000)));
        let bare = read(r#"{"data":[{"embedding":[1]},{"embedding":[2]}]}"#, 2).unwrap();
        assert_eq!(
            (bare.vectors.len(), bare.prompt_tokens, bare.billed_usd),
            (2, None, None)
        );
        let router = r#"{"data":[{"embedding":[1]}],"usage":{"prompt_tokens":1,"cost":0.5}}"#;
        assert_eq!(
            read(router, 1).unwrap().billed_usd,
            Some(Usd(Usd::PICO / 2))
        );
        for (broken, texts) in [
            ("", 1),
            ("[]", 1),
            (r#"{"data":[]}"#, 1),
            (r#"{"data":[{"embedding":[1]}]}"#, 2),
            (r#"{"data":[{"embedding":[1]},{"embedding":[1]}]}"#, 1),
            (
                r#"{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}"#,
                2,
            ),
            (r#"{"data":[{"index":9,"embedding":[1]}]}"#, 1),
            (r#"{"data":[{"embedding":[1]},{"embedding":[1,2]}]}"#, 2),
            (r#"{"data":[{"embedding":[0,0]}]}"#, 1),
            (r#"{"data":[{"embedding":[]}]}"#, 1),
            (r#"{"data":[{"embedding":"AACAPw=="}]}"#, 1),
            (r#"{"data":[{"embedding":[1e300,1e300]}]}"#, 1),
        ] {
            assert!(read(broken, texts).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_request_has_model_and_texts() {
        let texts = ["a \"b\"".to_owned()];
        let body = body(&"openai/text-embedding-3-small".parse().unwrap(), &texts);
        let expected = r#"{"model":"openai/text-embedding-3-small","input":["a \"b\""],"encoding_format":"float"}"#;
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }
}
