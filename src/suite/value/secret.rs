//! What a secret looks like, so that none gets from a file or an answer into a record.
//!
//! Owns the marks of keys. Must not know where a text comes from. Invariant: a text without a known mark
//! is not called a secret; this guards against slips, not against intent.

/// How the keys of gateways, providers and forges begin: the one list, for what is read from a file
/// and for what a server says.
pub const KEY_PREFIXES: [&str; 11] = [
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

/// Characters after the prefix from which on a text is long enough to be a key.
const LEAST_CHARS: usize = 8;

/// Whether `text` looks like a key or an `authorization` header's value.
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
            .is_some_and(|rest| rest.len() >= LEAST_CHARS && is_one_word(rest))
    })
}

/// Whether a header or JSON key of this name holds a secret, whatever its value looks like.
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
    fn keys_are_told_from_words() {
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
