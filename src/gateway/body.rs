//! Parts that the request bodies of all routes share.
//!
//! Owns the error for parameters that a route does not support, and the merge of an object into one of the
//! suite's. Must not know a route. Invariant: a parameter that a route does not support is an error, never
//! dropped.

use serde_json::{Map, Value};

use crate::suite::{Api, Image};

/// A parameter of the suite that the route does not support.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{what} cannot be sent on the `{}` route: {remedy}", api.word())]
pub struct UnsupportedParameter {
    /// The name of the parameter, in the suite's spelling.
    pub what: String,
    /// The route.
    pub api: Api,
    /// The advice to the user.
    pub remedy: &'static str,
}

/// The object under `key` of `extra`, with the entries of `ours` on top.
pub(super) fn merge_into(extra: &Map<String, Value>, key: &str, ours: Map<String, Value>) -> Value {
    let mut both = match extra.get(key) {
        Some(Value::Object(theirs)) => theirs.clone(),
        _ => Map::new(),
    };
    both.extend(ours);
    Value::Object(both)
}

/// The URL of an image, or a data URL with its bytes.
pub(super) fn image_url(image: &Image) -> String {
    match image {
        Image::Url(url) => url.clone(),
        Image::Bytes { media_type, base64 } => format!("data:{media_type};base64,{base64}"),
    }
}
