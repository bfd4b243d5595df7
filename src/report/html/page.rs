//! The frame of every page: head, policy, style and script.
//!
//! Owns the document around a report. Must not know its sections. Invariant: a page requests nothing from any
//! host, and runs no style and no script but those whose digests its policy names.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The parts of a page around its sections.
pub(super) struct PageFrame {
    /// Everything before them.
    pub(super) before: String,
    /// Everything after them.
    pub(super) after: String,
}

/// A page of this title; `header` stands above the sections.
pub(super) fn document(title: &str, header: &Markup, main: &Markup, footer: &Markup) -> String {
    let PageFrame { before, after } = PageFrame::new(title, header, footer);
    before + &main.0 + &after
}

impl PageFrame {
    /// The frame of a page of this title.
    pub(super) fn new(title: &str, header: &Markup, footer: &Markup) -> Self {
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; base-uri 'none'; \
         form-action 'none'",
            hash(STYLE),
            hash(SCRIPT)
        );
        let before = html! {
            (DOCTYPE)
            (PreEscaped("<html lang=\"en\">"))
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="referrer" content="no-referrer";
                title { (title) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            (PreEscaped("<body>"))
            a.skip href="#content" { "Skip to the content" }
            header { (header) }
            (PreEscaped("<main id=\"content\">"))
        };
        let after = html! {
            (PreEscaped("</main>"))
            footer { (footer) }
            script { (PreEscaped(SCRIPT)) }
            (PreEscaped("</body></html>\n"))
        };
        Self {
            before: before.into_string(),
            after: after.into_string(),
        }
    }
}

/// The digest of an inline element, as a policy writes it.
fn hash(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text.as_bytes()))
}
