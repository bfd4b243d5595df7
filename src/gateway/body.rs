//! What the bodies of all routes are made with.
//!
//! Owns what a route has no word for, and how an object of ours is laid over one of the suite's. Must not know
//! a route. Invariant: what a route cannot carry is an error, never left out.

use serde_json::{Map, Value};

use crate::suite::{Api, Image};

/// Something that a suite asks for and a route has no word for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{what} cannot be sent on the `{}` route: {remedy}", api.word())]
pub struct UnsupportedParameter {
    /// What cannot be sent, as the suite spells it.
    pub what: String,
    /// The route.
    pub api: Api,
    /// What to do about it.
    pub remedy: &'static str,
}

/// Our object under this key, laid over what `extra` has there.
pub(super) fn merge_into(extra: &Map<String, Value>, key: &str, ours: Map<String, Value>) -> Value {
    let mut both = match extra.get(key) {
        Some(Value::Object(theirs)) => theirs.clone(),
        _ => Map::new(),
    };
    both.extend(ours);
    Value::Object(both)
}

/// Where an image is, or the whole of it.
pub(super) fn image_url(image: &Image) -> String {
    match image {
        Image::Url(url) => url.clone(),
        Image::Bytes { media_type, base64 } => format!("data:{media_type};base64,{base64}"),
    }
}
