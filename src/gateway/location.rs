//! The parts of a base URL that connections and requests need.
//!
//! Owns the reading of a URL. Must not know headers or keys. Invariant: it holds no user name and no password.

use reqwest::Url;

/// The parts of a base URL that a connection and a request need.
#[derive(Debug, Clone)]
pub(super) struct Location {
    /// True for `https`.
    pub(super) is_tls: bool,
    /// The host, an IPv6 address without its brackets.
    pub(super) host: String,
    /// The port.
    pub(super) port: u16,
    /// The value of the `host` header.
    pub(super) authority: String,
    path: String,
    query: String,
}

impl Location {
    /// The location of this base URL.
    pub(super) fn new(base_url: &Url) -> Self {
        let host = base_url.host_str().unwrap_or_default();
        let port = base_url.port().map(|port| format!(":{port}"));
        let query = base_url.query().map(|query| format!("?{query}"));
        Self {
            is_tls: base_url.scheme() == "https",
            host: host.trim_matches(['[', ']']).to_owned(),
            port: base_url.port_or_known_default().unwrap_or(443),
            authority: format!("{host}{}", port.unwrap_or_default()),
            path: base_url.path().trim_end_matches('/').to_owned(),
            query: query.unwrap_or_default(),
        }
    }

    /// The target of a request to this path below the base URL.
    pub(super) fn target(&self, path: &str) -> String {
        format!("{}{path}{}", self.path, self.query)
    }
}
