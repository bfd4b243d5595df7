//! One fixed run in every format, byte for byte as it is stored in `tests/golden`: a change of any output is seen in
//! its diff. `BAKEOFF_UPDATE=1` stores it again.

use std::fs;
use std::path::Path;

use crate::report::{ReportFormat, Style};

use super::screens::five_models;
use super::{read, render};

#[test]
fn every_format_of_a_fixed_run_is_as_stored() {
    let (run, samples) = five_models();
    let report = read(&run, &samples);
    let files = [
        ReportFormat::Html,
        ReportFormat::Markdown,
        ReportFormat::ComparisonCsv,
    ];
    let mut made: Vec<(String, String)> = files
        .map(|format| (format.file_name().to_owned(), render(&report, format)))
        .into();
    for width in [80, 100, 140] {
        for colour in [false, true] {
            let suffix = if colour { "-colour" } else { "" };
            let screen = report.terminal(Style { colour, width });
            made.push((format!("terminal-{width}{suffix}.txt"), screen));
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for (name, text) in made {
        let path = folder.join(&name);
        if std::env::var_os("BAKEOFF_UPDATE").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let stored = fs::read_to_string(&path).unwrap_or_default();
        let same = text.bytes().zip(stored.bytes()).take_while(|(a, b)| a == b);
        let place = same.count();
        let around = |text: &str| {
            let part = &text.as_bytes()[place.saturating_sub(40).min(text.len())..];
            String::from_utf8_lossy(&part[..part.len().min(120)]).into_owned()
        };
        assert!(
            text == stored,
            "{name} differs at byte {place} (`BAKEOFF_UPDATE=1` stores it anew):\n  stored {:?}\n  made   {:?}",
            around(&stored),
            around(&text)
        );
    }
}
