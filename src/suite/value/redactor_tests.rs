use base64::prelude::BASE64_URL_SAFE;
use proptest::prelude::*;

use super::super::secret::KEY_PREFIXES;
use super::*;

const KEY: &str = "K/0123456789abcdef+/0123456789abcdef";

/// A key in every form in which a server may repeat it.
fn forms(key: &str) -> Vec<String> {
    let unicode = |open: &str| -> String {
        let escape = |c: char| format!("{open}{:04x}", u32::from(c));
        key.chars().map(escape).collect()
    };
    let percent = |upper: bool| -> String {
        let escape = |byte: u8| match (byte.is_ascii_alphanumeric(), upper) {
            (true, _) => char::from(byte).to_string(),
            (false, true) => format!("%{byte:02X}"),
            (false, false) => format!("%{byte:02x}"),
        };
        key.bytes().map(escape).collect()
    };
    let json = serde_json::to_string(key).unwrap();
    let json = json.trim_matches('"').to_owned();
    let entity = |c| format!("&#{};", u32::from(c));
    let entities: String = key.chars().map(entity).collect();
    let spaced: Vec<String> = key.chars().map(|c| c.to_string()).collect();
    let each = |form: &dyn Fn(u32) -> String| {
        let forms = key.chars().map(|c| form(u32::from(c)));
        forms.collect::<Vec<_>>().concat()
    };
    let mut forms = vec![
        key.to_owned(),
        json.replace('\\', "\\\\"),
        json.replace('/', "\\/"),
        json,
        unicode("\\u"),
        unicode("\\\\u"),
        percent(true),
        percent(false),
        entities,
        key.to_uppercase(),
        spaced.join("\u{200b}"),
        spaced.join("\u{fe0f}"),
        spaced.join(" "),
        format!("{}\n{}", &key[..9], &key[9..]),
        each(&|c| format!("&amp;#{c};")),
        each(&|c| format!("&#x{c:x}")) + ";",
        each(&|c| format!("&#{c:012};")),
        key.replace('/', "&sol;").replace('+', "&plus;"),
    ];
    for before in ["", "a", "ab"] {
        let text = format!("{before}{key}");
        forms.push(BASE64_STANDARD_NO_PAD.encode(&text));
        forms.push(BASE64_URL_SAFE.encode(&text));
    }
    forms
}

/// Returns true if eight consecutive bytes of `whole` occur in `text`.
fn holds_a_part(text: &str, whole: &str) -> bool {
    let parts = (0..whole.len()).filter_map(|start| whole.get(start..start + 8));
    parts.into_iter().any(|part| text.contains(part))
}

#[test]
fn every_form_of_a_key_is_removed() {
    // Whichever way a server repeats the key, no more than the few characters stay that share bits with others.
    let redactor = Redactor::new(Some(KEY));
    for form in forms(KEY) {
        let clean = redactor.clean(&format!("a {form} b {form}")).into_owned();
        assert!(!holds_a_part(&clean, &form), "{form}: {clean}");
        assert!(clean.starts_with("a ") && clean.contains(" b "), "{clean}");
        assert_eq!(clean.matches(REDACTED).count(), 2, "{clean}");
    }
}

#[test]
fn the_beginning_of_a_key_is_removed() {
    // "Your key sk-proj-abc..." shows enough to guess the owner; a vendor's prefix alone shows nothing.
    let redactor = Redactor::new(Some("sk-proj-0123456789abcdefghij"));
    for (text, clean) in [
        ("sk-proj-0123456789abcdefghi.", "[redacted]."),
        ("sk-proj-0123456789ab", "[redacted]"),
        ("sk-proj-0123456789a", "sk-proj-0123456789a"),
        ("sk-proj-", "sk-proj-"),
    ] {
        assert_eq!(redactor.clean(text), clean);
    }
    let redactor = Redactor::new(Some(KEY));
    assert_eq!(redactor.clean("K/0123456789 x"), "[redacted] x");
    assert_eq!(redactor.clean("K/012345678 x"), "K/012345678 x");
}

#[test]
fn a_placeholder_is_no_key() {
    // Own servers accept `none`: their answers must not lose the word.
    for key in [None, Some(""), Some(" none "), Some("ollama")] {
        let redactor = Redactor::new(key);
        assert_eq!(redactor.clean("none of ollama's"), "none of ollama's");
    }
    // A short key is removed whole, and no beginning of it.
    let redactor = Redactor::new(Some("password1234"));
    assert_eq!(
        redactor.clean("password1234 password123"),
        "[redacted] password123"
    );
}

#[test]
fn a_long_text_is_searched_to_its_end() {
    // Windows must not lose a key that lies across their bounds, in the longest of disguises.
    let redactor = Redactor::new(Some(KEY));
    let escape = |c| format!("\\\\u{:04x}", u32::from(c));
    let escaped: String = KEY.chars().map(escape).collect();
    for offset in (0..escaped.len()).step_by(63) {
        let text = format!(
            "{}{escaped}{}",
            "é".repeat((WINDOW - offset) / 2),
            "x".repeat(WINDOW)
        );
        let clean = redactor.clean(&text);
        assert_eq!(clean.matches(REDACTED).count(), 1);
        assert_eq!(clean.len(), text.len() - escaped.len() + REDACTED.len());
    }
}

#[test]
fn a_key_across_windows_is_found_however_it_is_spread() {
    // Windows of the text are not windows of what is left when invisible characters are dropped.
    let redactor = Redactor::new(Some(KEY));
    for hidden in [
        "\u{200b}".repeat(3_000),
        "\n".repeat(9_000),
        "\\u200b".repeat(1_500),
    ] {
        let spread: Vec<String> = KEY.chars().map(|c| c.to_string()).collect();
        let spread = spread.join(&hidden);
        let text = format!(
            "{}{spread}{}",
            "x".repeat(WINDOW - 5_000),
            "z".repeat(WINDOW)
        );
        let clean = redactor.clean(&text);
        assert_eq!(clean.matches(REDACTED).count(), 1);
        assert_eq!(clean.len(), text.len() - spread.len() + REDACTED.len());
    }
}

#[test]
fn a_key_with_its_scheme_is_two_keys() {
    // Servers echo what follows `Bearer`.
    let redactor = Redactor::new(Some("Bearer sk-test-0123456789abcdefgh"));
    assert_eq!(
        redactor.clean("no sk-test-0123456789abcdefgh."),
        "no [redacted]."
    );
    assert_eq!(
        redactor.clean("bearer sk-test-0123456789abcdefgh"),
        "[redacted]"
    );
    assert_eq!(redactor.clean("a bearer of news"), "a bearer of news");
}

#[test]
fn secrets_do_not_survive() {
    // Servers echo keys and headers in their errors; records are shared in pull requests.
    for (text, clean) in [
        (
            "key sk-proj-abcdef123456 is wrong",
            "key [redacted] is wrong",
        ),
        ("vck_0123456789abcdef", "[redacted]"),
        (
            "Authorization: Bearer abc123def456ghi",
            "Authorization: Bearer [redacted]",
        ),
        (
            r#"{"clientSessionId":"9f8e7d6c5b4a"}"#,
            r#"{"clientSessionId":"[redacted]"}"#,
        ),
        ("token eyJhbGciOi.eyJzdWIi.c2ln", "token [redacted]"),
        (
            "the task-force asked for Bearer authentication",
            "the task-force asked for Bearer authentication",
        ),
        (
            "the header api-key: 0123456789abcdef is unknown",
            "the header api-key: [redacted] is unknown",
        ),
        (
            r#"{"api_key":"0123456789abcdef"}"#,
            r#"{"api_key":"[redacted]"}"#,
        ),
        (
            "your api_key is missing, set api-key",
            "your api_key is missing, set api-key",
        ),
        ("basic plan", "basic plan"),
    ] {
        assert_eq!(Redactor::default().clean_error(text, 200), clean);
    }
}

#[test]
fn a_long_message_is_cut() {
    // An echoed prompt must not fill the records.
    let cut = Redactor::default().clean_error(&"é".repeat(10_000), 2_000);
    assert_eq!(cut.chars().count(), 2_001);
}

proptest! {
    // Any key in any text, mixed of raw and escaped characters: the rest of the text stays, and JSON stays JSON.
    #[test]
    fn a_key_is_removed_and_nothing_else(
        key in "[!#$(-~]{16,60}",
        disguise in prop::collection::vec(0_u8..4, 60),
        before in "[ .é]{0,20}", after in "[ .é]{0,20}",
    ) {
        let form: String = key.chars().zip(disguise).map(|(c, disguise)| match disguise {
            0 => format!("\\u{:04X}", u32::from(c)),
            1 if c == '/' => "\\/".to_owned(),
            _ if c == '\\' => "\\\\".to_owned(),
            _ => c.to_string(),
        }).collect();
        let redactor = Redactor::new(Some(&key));
        let json = format!("{{\"a\":\"{before}{form}{after}\"}}");
        let clean = redactor.clean(&json).into_owned();
        let read: serde_json::Value = serde_json::from_str(&clean).unwrap();
        let text = read["a"].as_str().unwrap();
        prop_assert_eq!(text, format!("{before}{REDACTED}{after}"));
        let plain = format!("{before}{key}{after}");
        prop_assert_eq!(redactor.clean(&plain), text);
    }

    // Arbitrary text is never cut within a character, and is untouched without a key in it.
    #[test]
    fn any_text_is_searched(text in any::<String>(), key in "[a-z0-9]{16,40}") {
        let redactor = Redactor::new(Some(&key));
        prop_assert_eq!(redactor.clean(&text), text.as_str());
        let both = format!("{text}|{key}|{text}");
        let clean = format!("{text}|{REDACTED}|{text}");
        prop_assert_eq!(redactor.clean(&both), clean.as_str());
    }

    // A key-like word is removed from an error whatever stands around it, as long as it does not stand inside a word.
    #[test]
    fn key_like_words_are_found_anywhere(
        before in "(\\PC{0,20}[^A-Za-z0-9])?",
        prefix in prop::sample::select(KEY_PREFIXES.to_vec()),
        rest in "[A-Za-z0-9]{8,30}",
        upper in any::<bool>(),
        after in "([ \",]\\PC{0,10})?",
    ) {
        let key = format!("{prefix}{rest}");
        let key = if upper { key.to_uppercase() } else { key };
        let clean = Redactor::default().clean_error(&format!("{before}{key}{after}"), 2_000);
        prop_assert!(!clean.contains(&key), "{clean}");
    }
}
