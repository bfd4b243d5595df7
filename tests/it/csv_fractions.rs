//! Fractional columns of CSV files have a decimal point in every row: a reader that takes a column's type from its
//! first rows (`DuckDB`: 20,480) would otherwise take it for a column of integers and round later fractions.

#![cfg(unix)]

use std::collections::BTreeSet;

use crate::support::program::{FAST_SCENARIO, Home};

/// Returns true if a column holds fractions: money, times in milliseconds, shares, ratios, rates, means.
fn is_fractional(column: &str) -> bool {
    const WORDS: [&str; 15] = [
        "weight",
        "usd",
        "ms",
        "share",
        "ratio",
        "rate",
        "second",
        "tolerance",
        "margin",
        "effect",
        "level",
        "worse",
        "better",
        "detectable",
        "mean",
    ];
    let is_count = column.ends_with("_n")
        || column.ends_with("_ns")
        || ["n", "prompts_worse", "prompts_better", "failed_rate_limit"].contains(&column)
        || column.starts_with("retry_after");
    !is_count && column.split('_').any(|part| WORDS.contains(&part))
}

#[test]
fn fractions_have_a_point_in_every_row() {
    // Whole amounts, weights and shares are the usual first rows.
    let project = "[endpoints.sim]\n[[endpoints.sim.prices]]\nmodel = \"openai/gpt-4.1-nano\"\n\
                   input_usd_per_mtok = 1000000\noutput_usd_per_mtok = 1000000\n";
    let prompts = (0..6).map(|number| {
        format!("[[prompts]]\nid = \"p{number}\"\nuser = \"{number}?\"\nweight = 2\n")
    });
    let suite = format!(
        "name = \"whole\"\nmodels = [\"openai/gpt-4.1-nano\", \"openai/gpt-5-mini\"]\n\
         reference = \"openai/gpt-5-mini\"\nrepetitions = 2\nwarmup = 0\n{}",
        prompts.collect::<String>()
    );
    let home = Home::new()
        .with("scenario.toml", FAST_SCENARIO)
        .with("bakeoff.toml", project)
        .with("suite.toml", &suite);
    home.bakeoff("run suite.toml --scenario scenario.toml --sim-seed 1 --quiet --yes")
        .run();
    let mut seen = BTreeSet::new();
    for (call, exit) in [
        ("report reports/whole/latest --format csv", 0),
        ("report reports/whole/latest --format samples-csv", 0),
        ("compare reports/whole/latest --format csv", 1),
        ("estimate suite.toml --csv", 0),
        ("forecast reports/whole/latest --requests 1000/day --csv", 0),
    ] {
        let output = home.bakeoff(call).exits(exit).run();
        let mut reader = csv::Reader::from_reader(output.out.as_bytes());
        let names = reader.headers().unwrap().clone();
        for row in reader.records() {
            let row = row.unwrap();
            let cells = names
                .iter()
                .zip(&row)
                .filter(|(name, cell)| is_fractional(name) && !cell.is_empty());
            for (name, cell) in cells {
                let digits = cell.trim_start_matches('-');
                assert!(
                    digits.contains('.') && digits.chars().all(|c| c.is_ascii_digit() || c == '.'),
                    "{call}: {name} is `{cell}`"
                );
                seen.insert(name.to_owned());
            }
        }
    }
    for name in [
        "weight",
        "cost_usd",
        "effect",
        "completed_share",
        "expected_usd",
        "month_usd",
    ] {
        assert!(seen.contains(name), "no row has {name}");
    }
    assert!(seen.len() > 60, "{seen:?}");
}
