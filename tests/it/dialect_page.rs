//! `docs/dialects.md`: its tables are those of the code. `BAKEOFF_UPDATE=1` writes them again.

use std::fs;
use std::path::Path;

use bakeoff::gateway::HONOURED_WAIT_MAX;
use bakeoff::gateway::error_class::{ERROR_PHRASES, ERROR_WORDS, ErrorCause};
use bakeoff::gateway::fault::ERROR_PLACES;
use bakeoff::gateway::finish::FINISH_WORDS;
use bakeoff::gateway::proxy_page::PROXIES;
use bakeoff::gateway::reasoning_tags::REASONING_TAGS;
use bakeoff::gateway::waits::{DEMANDS, FIELDS, PHRASES, RESETS, UPSTREAM_PREFIX, WaitUnit};
use bakeoff::report::PROBE_RULES;

const PAGE: &str = "docs/dialects.md";

/// A Markdown table. Cells may hold pipes.
fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let own =
        |cells: &[&str]| -> Vec<String> { cells.iter().map(|cell| (*cell).to_owned()).collect() };
    let mut text = line(&own(head)) + &format!("|{}\n", " --- |".repeat(head.len()));
    for row in rows {
        text += &line(&row);
    }
    text
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// The remedy or consequence of a cause, in the words of the page.
fn consequence(cause: ErrorCause) -> &'static str {
    match cause {
        ErrorCause::RateLimit => "tried again after the wait",
        ErrorCause::Money | ErrorCause::Key => "stops the run where a whole slot fails so",
        ErrorCause::Permission => "check plan and allowed models",
        ErrorCause::AccountSetting => "change the account's setting",
        ErrorCause::Model => "the nearest ids are named",
        ErrorCause::Parameter => "leave the parameter out",
        ErrorCause::ContextLength => "shorten the prompt",
        ErrorCause::Policy => "reword the prompt",
        ErrorCause::Refusal => "read the refusal",
        ErrorCause::Server => "tried again",
        ErrorCause::Request => "change the request",
    }
}

fn unit(unit: WaitUnit) -> String {
    match unit {
        WaitUnit::Seconds => "seconds",
        WaitUnit::Milliseconds => "milliseconds",
        WaitUnit::SecondsOrEpoch => "seconds, or an instant since 1970",
    }
    .to_owned()
}

/// The name of each table, and its text.
#[allow(clippy::too_many_lines, reason = "one table after the other")]
fn tables() -> Vec<(&'static str, String)> {
    let finish = FINISH_WORDS.map(|known| {
        vec![
            code(known.word),
            code(known.outcome.word()),
            known.source.to_owned(),
        ]
    });
    let places = ERROR_PLACES.map(|known| {
        let example = known.example.replace('\n', " ⏎ ");
        vec![
            known.place.to_owned(),
            known.source.to_owned(),
            code(&example),
        ]
    });
    let row = |text: String, cause: ErrorCause, source: &str| {
        let outcome = code(cause.outcome().word());
        vec![
            text,
            outcome,
            consequence(cause).to_owned(),
            source.to_owned(),
        ]
    };
    let words = ERROR_WORDS.map(|known| {
        let mut row = row(code(known.word), known.cause, "");
        row.pop();
        row
    });
    let phrases = ERROR_PHRASES.map(|known| {
        let parts: Vec<String> = known
            .parts
            .iter()
            .map(|part| format!("\"{part}\""))
            .collect();
        row(parts.join(" … "), known.cause, known.source)
    });
    let demands = DEMANDS.map(|header| {
        vec![
            code(header.name),
            unit(header.unit),
            "any failure".to_owned(),
            header.source.to_owned(),
        ]
    });
    let resets = RESETS.map(|header| {
        let left = header.remaining.map_or_else(String::new, |left| {
            format!(", unless {} is above 0", code(left))
        });
        vec![
            code(header.name),
            unit(header.unit),
            format!("a rate limit{left}"),
            header.source.to_owned(),
        ]
    });
    let fields =
        FIELDS.map(|field| vec![code(field.name), unit(field.unit), field.source.to_owned()]);
    let proxies = PROXIES.map(|proxy| {
        let quote = |text: &str| {
            if text.is_empty() {
                String::new()
            } else {
                code(text)
            }
        };
        vec![
            proxy.name.to_owned(),
            quote(proxy.server),
            quote(proxy.words),
            proxy.timeout.map(code).unwrap_or_default(),
        ]
    });
    let tags =
        REASONING_TAGS.map(|tag| vec![code(tag.open), code(tag.close), tag.source.to_owned()]);
    let waits = demands.into_iter().chain(resets);
    let probes = PROBE_RULES.map(|rule| {
        vec![
            code(rule.parameter),
            rule.probe.to_owned(),
            rule.honoured.to_owned(),
            rule.ignored.to_owned(),
        ]
    });
    vec![
        (
            "finish-reasons",
            table(&["word", "outcome", "source"], finish),
        ),
        (
            "error-places",
            table(&["place", "source", "example"], places),
        ),
        ("error-words", table(&["word", "outcome", "then"], words)),
        (
            "error-phrases",
            table(&["message with", "outcome", "then", "source"], phrases),
        ),
        (
            "wait-headers",
            table(
                &["header", "a bare number is", "counts with", "source"],
                waits,
            ),
        ),
        (
            "wait-fields",
            table(&["field", "a bare number is", "source"], fields),
        ),
        (
            "proxies",
            table(
                &[
                    "proxy",
                    "`Server` begins with",
                    "or its page has",
                    "time-out",
                ],
                proxies,
            ),
        ),
        (
            "probes",
            table(
                &[
                    "parameter",
                    "probe",
                    "honoured: the answer",
                    "ignored: the answer",
                ],
                probes,
            ),
        ),
        ("reasoning-tags", table(&["begin", "end", "source"], tags)),
    ]
}

#[test]
fn the_page_of_dialects_has_the_tables_of_the_code() {
    // A reader who looks a word up must find what this version makes of it.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let before = fs::read_to_string(&path).unwrap();
    let mut page = before.clone();
    for (name, table) in tables() {
        let (begin, end) = (
            format!("<!-- begin {name} -->\n"),
            format!("<!-- end {name} -->"),
        );
        let start = page
            .find(&begin)
            .unwrap_or_else(|| panic!("{PAGE} has no {begin}"))
            + begin.len();
        let length = page[start..]
            .find(&end)
            .unwrap_or_else(|| panic!("{PAGE} has no {end}"));
        page.replace_range(start..start + length, &table);
    }
    if std::env::var_os("BAKEOFF_UPDATE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert!(
        page == before,
        "{PAGE} is not current: run the test again with BAKEOFF_UPDATE=1"
    );
    // What stands in sentences.
    let seconds = format!("{} s", HONOURED_WAIT_MAX.0 / 1_000_000_000);
    for text in PHRASES
        .iter()
        .map(|phrase| phrase.trim_end())
        .chain([&*seconds, UPSTREAM_PREFIX])
    {
        assert!(page.contains(text), "{PAGE} does not mention `{text}`");
    }
}
