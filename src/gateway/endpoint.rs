//! The target of requests: its URL, its headers, its addresses, and the reasons why it cannot be used.
//!
//! Owns the reading of an endpoint's profile. Must not know connections. Invariant: no message shows the key.

use std::net::SocketAddr;

use reqwest::Url;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::suite::Redactor;

use super::authorities::Authorities;
use super::descriptors::TooFewDescriptors;
use super::proxy::Proxy;
use super::request::host_headers;

/// The target of requests, with the key.
pub struct Endpoint {
    /// The base URL without a trailing slash, `/v1` included; a query is sent with every request.
    pub base_url: String,
    /// The key; absent for a keyless endpoint.
    pub key: Option<SecretString>,
    /// The header that holds the bare key; absent: `authorization` with `Bearer`.
    pub key_header: Option<String>,
    /// Further headers, in order.
    pub headers: Vec<(String, String)>,
    /// The proxy on the way to it.
    pub proxy: Option<Proxy>,
    /// Certificate authorities that are trusted beside the system's.
    pub authorities: Authorities,
}

impl Endpoint {
    /// The filter for all text from this endpoint: it removes the key.
    pub fn redactor(&self) -> Redactor {
        Redactor::new(self.key.as_ref().map(ExposeSecret::expose_secret))
    }
}

/// The reason that a transport could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The base URL cannot be used.
    #[error("`{0}` is not a usable base URL")]
    Url(String),
    /// A header of the profile cannot be sent.
    #[error("the header `{0}` cannot be sent: its name or value has characters that HTTP forbids")]
    Header(String),
    /// The key cannot be sent; it is not shown.
    #[error("the key has characters that are invalid in a header (a line break, perhaps)")]
    Key,
    /// The system allows fewer open files than the connections need.
    #[error(transparent)]
    Descriptors(TooFewDescriptors),
    /// The name of the host could not be resolved.
    #[error("the host `{0}` could not be found: {1}")]
    Host(String, String),
    /// The HTTP client could not be built, perhaps for lack of a certificate store.
    #[error("the HTTP client could not be set up: {0}")]
    Client(String),
}

pub(super) fn base_url(endpoint: &Endpoint) -> Result<Url, OpenError> {
    Url::parse(&endpoint.base_url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| OpenError::Url(endpoint.base_url.clone()))
}

pub(super) fn headers(endpoint: &Endpoint) -> Result<HeaderMap, OpenError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        ACCEPT,
        HeaderValue::from_static("text/event-stream, application/json"),
    );
    let url = base_url(endpoint)?;
    for (name, value) in host_headers(url.host_str().unwrap_or_default()) {
        headers.insert(*name, HeaderValue::from_static(value));
    }
    for (name, value) in &endpoint.headers {
        let wrong = || OpenError::Header(name.clone());
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        headers.insert(header, HeaderValue::from_str(value).map_err(|_| wrong())?);
    }
    // Last, so that no profile can ask for compression: compression delays events.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(key) = &endpoint.key {
        let own = endpoint.key_header.as_deref();
        let scheme = if own.is_some() { "" } else { "Bearer " };
        let name = own.unwrap_or("authorization");
        let header = HeaderName::from_bytes(name.as_bytes());
        let header = header.map_err(|_| OpenError::Header(name.to_owned()))?;
        let text = format!("{scheme}{}", key.expose_secret());
        let mut value = HeaderValue::from_str(&text).map_err(|_| OpenError::Key)?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}

/// Resolves the addresses of a host, once: a look-up inside an attempt would be timed as the model's.
pub(super) async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, OpenError> {
    let found = tokio::net::lookup_host((host, port)).await;
    found
        .map(Iterator::collect)
        .map_err(|error| OpenError::Host(host.to_owned(), error.to_string()))
}
