//! Recognition of secrets, so that none gets from a file or an answer into a record.
//!
//! Owns the marks of keys. Must not know where a text comes from. Invariant: a text without a known mark
//! is not called a secret; this guards against slips, not against intent.

use std::ops::Range;

/// Prefixes of the keys of gateways, providers and forges: the one list, for text from files and from servers.
pub(super) const KEY_PREFIXES: [&str; 11] = [
    "vck_",
    "sk-",
    "sk_",
    "gsk_",
    "xai-",
    "AIza",
    "hf_",
    "ghp_",
    "github_pat_",
    // A JSON object in base64, as every signed token is.
    "eyJ",
    "r8_",
];

/// Longer beginnings that all keys of one kind have in common.
const FAMILY_PREFIXES: [&str; 8] = [
    "sk-proj-",
    "sk-svcacct-",
    "sk-admin-",
    "sk-ant-",
    "sk-ant-api03-",
    "sk-ant-admin01-",
    "sk-or-v1-",
    "sk_live_",
];

/// Characters after the prefix from which on a text is long enough to be a key.
const MIN_CHARS: usize = 8;

/// Names whose value is a secret, or a fingerprint of the user: the value is removed from errors.
const SECRET_NAMES: [&str; 9] = [
    "bearer",
    "basic",
    "authorization",
    "x-api-key",
    "api-key",
    "api_key",
    "apikey",
    "clientsessionid",
    "client_session_id",
];

/// Bytes at the beginning of `key` that other keys of its vendor have, too.
pub(super) fn prefix_len(key: &str) -> usize {
    let prefixes = KEY_PREFIXES.iter().chain(&FAMILY_PREFIXES);
    let common = prefixes.filter(|prefix| key.starts_with(**prefix));
    common.map(|prefix| prefix.len()).max().unwrap_or(0)
}

/// Returns the spans that look like a key, the value of an authorization header or a session's fingerprint, in
/// order and apart from each other.
pub(super) fn key_like_spans(text: &str) -> Vec<Range<usize>> {
    let lower = text.to_ascii_lowercase();
    let mut spans = Vec::new();
    let mut at = 0;
    let mut after_word = false;
    while at < text.len() {
        let secret = (!after_word).then(|| secret_at(&lower[at..])).flatten();
        if let Some(secret) = secret {
            spans.push(at + secret.start..at + secret.end);
            at += secret.end;
            after_word = false;
            continue;
        }
        let next = text[at..].chars().next().unwrap_or(' ');
        after_word = next.is_ascii_alphanumeric();
        at += next.len_utf8();
    }
    spans
}

/// Returns the span of the secret, if its mark stands at the beginning.
fn secret_at(lower: &str) -> Option<Range<usize>> {
    // Servers change the case of what they echo: it is ignored.
    let begins = |prefix: &&str| {
        let head = lower.get(..prefix.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(prefix))
    };
    if KEY_PREFIXES.iter().any(begins) {
        let end = run(lower);
        return (end >= MIN_CHARS).then_some(0..end);
    }
    let name = SECRET_NAMES.iter().find(|name| lower.starts_with(**name))?;
    let between = |c: char| matches!(c, ' ' | '"' | '\'' | ':' | '=' | '\\');
    let after = &lower[name.len()..];
    let value = after.trim_start_matches(between);
    let start = lower.len() - value.len();
    // "Authorization: Bearer …" is dealt with at the second word.
    if start == name.len() || SECRET_NAMES.iter().any(|name| value.starts_with(name)) {
        return None;
    }
    let length = run(value);
    // "Bearer authentication" is prose: a key has digits in it.
    let key = length >= MIN_CHARS && value[..length].bytes().any(|byte| byte.is_ascii_digit());
    key.then_some(start..start + length)
}

/// Length of the run of characters that a key or a header's value can be made of.
fn run(text: &str) -> usize {
    text.find(|c: char| c.is_whitespace() || "\"'\\,;()[]{}<>&".contains(c))
        .unwrap_or(text.len())
}

/// Returns true if `text` looks like a key or an `authorization` header's value.
pub(in crate::suite) fn looks_like_key(text: &str) -> bool {
    let text = text.trim();
    let is_one_word = |text: &str| !text.chars().any(|c| c.is_whitespace() || c.is_control());
    if let Some((scheme, token)) = text.split_once(' ')
        && scheme.eq_ignore_ascii_case("bearer")
        && is_one_word(token)
    {
        return true;
    }
    KEY_PREFIXES.iter().any(|prefix| {
        text.strip_prefix(prefix)
            .is_some_and(|rest| rest.len() >= MIN_CHARS && is_one_word(rest))
    })
}

/// Returns true if a header or JSON key of this name holds a secret, whatever its value looks like.
pub(in crate::suite) fn names_a_key(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    [
        "authorization",
        "proxyauthorization",
        "xapikey",
        "apikey",
        "xgoogapikey",
        "cookie",
        "setcookie",
        "accesstoken",
        "apitoken",
        "authtoken",
        "xauthtoken",
        "secretaccesskey",
        "secret",
        "password",
    ]
    .contains(&plain.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_distinguished_from_words() {
        // A key in a committed file must be refused; an ordinary word must not be.
        for key in [
            "vck_0123456789abcdef",
            "sk-ant-api03-xxxxxxxx",
            " sk-proj-0123456789 ",
            "Bearer x",
        ] {
            assert!(looks_like_key(key), "{key}");
        }
        for word in [
            "",
            "sk-",
            "sk-learn",
            "skip this one",
            "bearer",
            "vck_",
            "priority",
            "basic support",
            "bearer of bad news",
        ] {
            assert!(!looks_like_key(word), "{word}");
        }
        // Whatever begins like one is one.
        for prefix in KEY_PREFIXES {
            assert!(looks_like_key(&format!("{prefix}0123456789")), "{prefix}");
            assert!(
                !looks_like_key(&format!("a {prefix}0123456789")),
                "{prefix}"
            );
        }
        assert!(names_a_key("X-Api-Key") && names_a_key("apiKey") && names_a_key("COOKIE"));
        assert!(!names_a_key("x-title") && !names_a_key("key_points"));
    }
}
