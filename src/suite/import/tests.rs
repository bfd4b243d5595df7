//! Properties of importing: whatever comes in, a valid suite or a reason comes out.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::suite::parse_suite;

proptest! {
    // Any text survives its way into TOML and back: quotation marks, control characters, line breaks.
    #[test]
    fn texts_are_read_back(text in "(\"{1,4}|\\\\|\n|\r|\t|\u{7f}|\u{1}|[a-c]|\\PC){1,30}") {
        let toml = format!("x = {}", draft::text(&text));
        let table: toml::Table = toml.parse().unwrap();
        prop_assert_eq!(table["x"].as_str(), Some(text.as_str()));
    }

    // Rows of any ids and texts become a valid suite with as many prompts and the same texts.
    #[test]
    fn rows_become_prompts(rows in prop::collection::vec(("\\PC{0,130}", "\\PC{0,20}[a-z]"), 1..8)) {
        let text: String = rows
            .iter()
            .map(|(id, prompt)| serde_json::json!({"id": id, "prompt": prompt}).to_string() + "\n")
            .collect();
        let imported = import(Origin::Jsonl, &ImportSource::alone("rows.jsonl", text.as_bytes())).unwrap();
        let suite = parse_suite(&imported.suite).unwrap();
        let prompts: Vec<_> = suite.prompts.iter().map(|p| p.messages[0].content.as_str()).collect();
        let given: Vec<_> = rows.iter().map(|(_, prompt)| prompt.as_str()).collect();
        prop_assert_eq!(prompts, given);
    }

    // Text that looks like YAML or JSON never panics, in any format, and what is made is valid.
    #[test]
    fn arbitrary_files_never_panic(
        text in "(prompts: |tests:\n|providers: |- |  |\n|vars: |a: |\\{\\{a\\}\\}|\\[|\\]|\\{|\\}|\"|'|&x |\\*x|<<: |\\||,|:|[a-c]|\\PC){0,40}",
    ) {
        for origin in [Origin::Promptfoo, Origin::OpenaiEvals, Origin::Sharegpt, Origin::Jsonl] {
            if let Ok(imported) = import(origin, &ImportSource::alone("x", text.as_bytes())) {
                prop_assert!(parse_suite(&imported.suite).is_ok());
            }
        }
    }
}

#[test]
fn yaml_cannot_outgrow_its_limits() {
    // A few lines of aliases can stand for more than any memory holds, and depth ends the stack.
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let inner = vec![format!("*a{}", n - 1); 10].join(", ");
        writeln!(bomb, "a{n}: &a{n} [{inner}]").unwrap();
    }
    let deep = "- ".repeat(100_000);
    let flow = "[".repeat(100_000);
    for (text, expected) in [(bomb, "values"), (deep, "deeper"), (flow, "")] {
        let error = import(
            Origin::Promptfoo,
            &ImportSource::alone("x.yaml", text.as_bytes()),
        )
        .unwrap_err();
        assert!(error.message.contains(expected), "{error:?}");
        assert!(error.line.is_some());
    }
}
