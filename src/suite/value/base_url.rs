//! Base URLs of endpoints.
//!
//! Owns what a base URL may look like. Must not know the network: the HTTP client parses URLs on
//! its own. Invariant: a [`BaseUrl`] is `http` or `https`, has a host, and holds neither user,
//! password, query nor trailing slash.

use super::limits;
use super::text::quoted;

/// A checked base URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::suite) struct BaseUrl(pub(in crate::suite) String);

/// The reason why a text is not a base URL, and its correction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::suite) struct BadUrl {
    /// True if the text contains a secret, which must not be shown.
    pub(in crate::suite) holds_secret: bool,
    pub(in crate::suite) message: String,
    pub(in crate::suite) help: Option<String>,
}

/// Returns true if `text` is meant as a URL rather than as the name of a profile.
pub(in crate::suite) fn is_url(text: &str) -> bool {
    text.contains("://")
}

impl BaseUrl {
    /// Checks a URL and takes the trailing slash away.
    pub(in crate::suite) fn parse(text: &str) -> Result<Self, BadUrl> {
        let bad = |holds_secret, message: &str, help: Option<&str>| BadUrl {
            holds_secret,
            message: message.to_owned(),
            help: help.map(str::to_owned),
        };
        let Some(rest) = ["http://", "https://"]
            .iter()
            .find_map(|s| text.strip_prefix(s))
        else {
            let help = Some("write it as `https://host/v1`");
            return Err(bad(
                false,
                "a base URL starts with http:// or https://",
                help,
            ));
        };
        let (host, path) = match rest.find(['/', '?', '#']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if host.contains('@') {
            let help = Some("name the variable that holds the key as `key` of an endpoint");
            return Err(bad(
                true,
                "a base URL must not contain a user or password",
                help,
            ));
        }
        if path.contains(['?', '#']) {
            let help = Some("end it after the path");
            return Err(bad(false, "a base URL has no `?` and no `#`", help));
        }
        if text.len() > limits::URL_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = "a base URL has only visible ASCII characters";
            return Err(bad(false, message, None));
        }
        if !is_host(host) {
            return Err(bad(false, "the base URL has no valid host", None));
        }
        if path.is_empty() {
            let message = format!("the base URL {} has no path", quoted(text));
            let help = format!("write `{text}/v1` (or `{text}/` where its API has no path)");
            return Err(bad(false, &message, Some(&help)));
        }
        let url = text.trim_end_matches('/');
        if let Some(base) = url.strip_suffix("/chat/completions") {
            let help = format!("write `{base}`: the rest is added");
            return Err(bad(false, "this is the URL of one request", Some(&help)));
        }
        Ok(Self(url.to_owned()))
    }
}

/// A name, an IPv4 address or an IPv6 address in brackets, and perhaps a port.
fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            ("ipv6", port)
        }
        None => match host.find(':') {
            Some(at) => host.split_at(at),
            None => (host, ""),
        },
    };
    let named = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    let port_fits = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    named && port_fits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn base_urls_are_checked_before_anything_is_sent() {
        // A wrong URL must be reported as a wrong URL, not as a refused connection.
        for (text, url) in [
            (
                "https://ai-gateway.vercel.sh/v1",
                "https://ai-gateway.vercel.sh/v1",
            ),
            (
                "https://ai-gateway.vercel.sh/v1/",
                "https://ai-gateway.vercel.sh/v1",
            ),
            ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
            ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
            ("http://localhost/", "http://localhost"),
        ] {
            assert_eq!(BaseUrl::parse(text), Ok(BaseUrl(url.to_owned())), "{text}");
        }
        for text in [
            "",
            "ftp://host/v1",
            "https://",
            "https:///v1",
            "https://host",
            "https://host:0/v1",
            "https://host:99999/v1",
            "https://host/v1?key=1",
            "https://host#x",
            "https://ho st/v1",
            "https://[::zz]/v1",
            "https://host/v1/chat/completions",
        ] {
            assert!(BaseUrl::parse(text).is_err(), "{text}");
        }
        let secret = BaseUrl::parse("https://user:password@host/v1").unwrap_err();
        assert!(secret.holds_secret);
        assert!(!secret.message.contains("password@"));
    }

    proptest! {
        // Arbitrary text is a base URL or a problem; what is accepted is accepted again unchanged
        // but for the root, whose slash is the only path it had.
        #[test]
        fn checking_is_stable(text in "https?://[a-z0-9.:\\[\\]@/?# é-]{0,30}") {
            if let Ok(url) = BaseUrl::parse(&text) {
                prop_assert!(!url.0.ends_with('/'));
                let again = BaseUrl::parse(&format!("{}/", url.0));
                prop_assert_eq!(again, Ok(url));
            }
        }
    }
}
