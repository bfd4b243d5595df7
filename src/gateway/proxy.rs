//! The proxy between this machine and an endpoint, by the variables that every tool reads.
//!
//! Owns the choice, and the request for a tunnel. Must not know connections. Invariant: no text of this module
//! shows the proxy's credentials.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::location::Location;

/// A proxy that makes tunnels (CONNECT). It is shown without its credentials.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Its host, an IPv6 address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// `user:password`, decoded.
    credentials: Option<SecretString>,
}

/// A variable whose proxy cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "{variable} names no proxy that can be used: {reason}\n  write `http://host:port`, or clear the variable"
)]
pub struct ProxyError {
    variable: &'static str,
    reason: &'static str,
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "http://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "http://{}:{}", self.host, self.port)
        }
    }
}

impl Proxy {
    /// The proxy for this base URL, given a look-up of variables: `HTTPS_PROXY` for `https`, else `ALL_PROXY`, in
    /// either case, unless `NO_PROXY` names the host. The machine itself is never behind a proxy.
    ///
    /// # Errors
    /// If the variable holds something else.
    pub fn from_variables(
        base_url: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, ProxyError> {
        let Ok(url) = Url::parse(base_url) else {
            return Ok(None);
        };
        let location = Location::new(&url);
        let get = |name: &'static str| {
            let value = variable(name).or_else(|| variable(&name.to_ascii_lowercase()));
            let value = value.map(|value| value.trim().to_owned());
            value
                .filter(|value| !value.is_empty())
                .map(|value| (name, value))
        };
        let named = location.is_tls.then(|| get("HTTPS_PROXY")).flatten();
        let Some((name, value)) = named.or_else(|| get("ALL_PROXY")) else {
            return Ok(None);
        };
        let exceptions = get("NO_PROXY").map(|(_, value)| value);
        if is_local(&location.host) || is_exception(&location, &exceptions.unwrap_or_default()) {
            return Ok(None);
        }
        Self::parse(&value).map(Some).map_err(|reason| ProxyError {
            variable: name,
            reason,
        })
    }

    fn parse(value: &str) -> Result<Self, &'static str> {
        let with_scheme = if value.contains("://") {
            value.to_owned()
        } else {
            format!("http://{value}")
        };
        let url = Url::parse(&with_scheme).map_err(|_| "it is no URL")?;
        if url.scheme() != "http" {
            return Err("only proxies that are reached by `http://` are supported");
        }
        let location = Location::new(&url);
        if location.host.is_empty() {
            return Err("it has no host");
        }
        let decoded = |text: &str| percent_decode(text);
        let credentials = (!url.username().is_empty()).then(|| {
            let password = decoded(url.password().unwrap_or_default());
            SecretString::from(format!("{}:{password}", decoded(url.username())))
        });
        Ok(Self {
            host: location.host,
            port: location.port,
            credentials,
        })
    }

    /// The value of `proxy-authorization`, if there are credentials.
    pub(super) fn authorization(&self) -> Option<String> {
        let credentials = self.credentials.as_ref()?.expose_secret();
        Some(format!("Basic {}", STANDARD.encode(credentials)))
    }

    /// The request for a tunnel to a location.
    pub(super) fn tunnel_request(&self, location: &Location) -> Vec<u8> {
        let authority = if location.host.contains(':') {
            format!("[{}]:{}", location.host, location.port)
        } else {
            format!("{}:{}", location.host, location.port)
        };
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n");
        if let Some(authorization) = self.authorization() {
            request.push_str("proxy-authorization: ");
            request.push_str(&authorization);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        request.into_bytes()
    }
}

/// True for this machine.
fn is_local(host: &str) -> bool {
    let address = host.parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost")
        || host.to_ascii_lowercase().ends_with(".localhost")
        || address.is_ok_and(|address| address.is_loopback())
}

/// True if one of the exceptions names the location: `*`, a host with its subdomains, an address, each with a port
/// or without.
fn is_exception(location: &Location, exceptions: &str) -> bool {
    let host = location.host.to_ascii_lowercase();
    exceptions.split(',').any(|exception| {
        let exception = exception.trim().to_ascii_lowercase();
        let port = format!(":{}", location.port);
        let name = exception.strip_suffix(&port).unwrap_or(&exception);
        let name = name.trim_matches(['[', ']']);
        let name = name.trim_start_matches("*.").trim_start_matches('.');
        let is_below = || {
            let rest = host.strip_suffix(name);
            rest.is_some_and(|rest| rest.ends_with('.'))
        };
        exception == "*" || (!name.is_empty() && (host == name || is_below()))
    })
}

/// Decodes `%XX`; what is no escape stays.
pub fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(escaped) if byte == b'%' => {
                bytes.push(escaped);
                rest = &after[2..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(base_url: &str, variables: &[(&str, &str)]) -> Result<Option<Proxy>, ProxyError> {
        Proxy::from_variables(base_url, |name| {
            let mut found = variables.iter().filter(|(key, _)| *key == name);
            found.next().map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_variables_choose_the_proxy() {
        // A company's machine reaches nothing without it, and its own servers only without it.
        let both = [("HTTPS_PROXY", "http://p:3128"), ("all_proxy", "q")];
        let except = |exceptions| [("HTTPS_PROXY", "http://p:3128"), ("NO_PROXY", exceptions)];
        for (base_url, variables, shown) in [
            ("https://api.host.com/v1", &both[..], Some("http://p:3128")),
            ("http://api.host.com/v1", &both, Some("http://q:80")),
            ("https://api.host.com/v1", &both[1..], Some("http://q:80")),
            ("https://api.host.com/v1", &[("https_proxy", " ")], None),
            ("https://api.host.com/v1", &[], None),
            ("https://127.0.0.1:8000/v1", &both, None),
            ("https://localhost/v1", &both, None),
            ("https://[::1]/v1", &both, None),
            (
                "https://api.host.com/v1",
                &except("other.com, HOST.com"),
                None,
            ),
            ("https://api.host.com/v1", &except(".host.com"), None),
            ("https://api.host.com/v1", &except("*.host.com"), None),
            ("https://api.host.com/v1", &except("api.host.com:443"), None),
            ("https://api.host.com/v1", &except("*"), None),
            ("https://10.0.0.7/v1", &except("10.0.0.7"), None),
            (
                "https://api.host.com/v1",
                &except("api.host.com:80"),
                Some("http://p:3128"),
            ),
            (
                "https://api.host.com/v1",
                &except("st.com,"),
                Some("http://p:3128"),
            ),
        ] {
            let found = proxy(base_url, variables).unwrap();
            let found = found.map(|proxy| proxy.to_string());
            assert_eq!(found.as_deref(), shown, "{base_url} {variables:?}");
        }
    }

    #[test]
    fn credentials_are_sent_and_never_shown() {
        let secret = [("HTTPS_PROXY", "http://user:p%40ss@[fd00::1]:8080")];
        let found = proxy("https://api.host.com/v1", &secret).unwrap().unwrap();
        let shown = format!("{found} {found:?}");
        assert!(
            found.to_string() == "http://[fd00::1]:8080" && !shown.contains("ss"),
            "{shown}"
        );
        let location = Location::new(&Url::parse("https://api.host.com/v1").unwrap());
        let request = String::from_utf8(found.tunnel_request(&location)).unwrap();
        assert_eq!(
            request,
            "CONNECT api.host.com:443 HTTP/1.1\r\nhost: api.host.com:443\r\n\
             proxy-authorization: Basic dXNlcjpwQHNz\r\n\r\n"
        );
        for value in ["socks5://user:secret@p", "https://user:secret@p", "http://"] {
            let error = proxy("https://api.host.com/v1", &[("ALL_PROXY", value)]).unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains("ALL_PROXY") && !text.contains("secret"),
                "{text}"
            );
        }
    }
}
