//! The page of dialects: its tables of usage are those of the code.

#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

use bakeoff::gateway::response_cache::CACHE_HEADERS;
use bakeoff::gateway::usage::USAGE_PLACES;

/// The rows of the table that begins with this line.
fn rows<'p>(page: &'p str, head: &str) -> Vec<&'p str> {
    let table = page.split_once(head).unwrap().1;
    let rows = table.lines().skip(2);
    rows.take_while(|line| line.starts_with('|')).collect()
}

#[test]
fn places_of_usage_are_documented() {
    // A reader looks up why a count is read as it is: a row that is missing or old misleads.
    let page = std::fs::read_to_string(format!("{}/docs/dialects.md", env!("CARGO_MANIFEST_DIR")))
        .unwrap();
    let places = USAGE_PLACES.iter().map(|place| {
        let (path, words) = (place.path, place.meaning.words());
        format!(
            "| `{path}` | {words} | {} | {} |",
            place.vendor, place.source
        )
    });
    let documented = rows(&page, "| place | read as | vendor | source |");
    assert_eq!(documented, places.collect::<Vec<_>>());
    let headers = CACHE_HEADERS.iter().map(|header| {
        format!(
            "| `{}` | {} | {} |",
            header.name, header.vendor, header.source
        )
    });
    let documented = rows(&page, "| header | vendor | source |");
    assert_eq!(documented, headers.collect::<Vec<_>>());
}
