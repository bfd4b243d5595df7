//! Suites whose prompts, images and system texts lie in files beside them, through the binary and
//! through the two stages of reading.

#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use bakeoff::suite::{
    FileKind, Image, LoadedFile, LoadedFiles, Role, Suite, SuiteReading, read_suite, render,
};
use proptest::prelude::*;

/// The least file that is taken for a PNG image.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\nrest";

/// Reads a suite beside files that exist in the test alone.
fn read(text: &str, files: &[(&str, &[u8])]) -> Result<Suite, String> {
    let mut found = LoadedFiles::default();
    for _ in 0..4 {
        match read_suite(text, &found) {
            Ok(SuiteReading::Suite(suite)) => return Ok(*suite),
            Ok(SuiteReading::NeedsFiles(missing)) => {
                for missing_file in missing {
                    let file = files.iter().find(|(name, _)| *name == missing_file.path);
                    let answer = file.map(|(name, bytes)| {
                        vec![LoadedFile {
                            name: (*name).to_owned(),
                            bytes: bytes.to_vec(),
                        }]
                    });
                    let path = missing_file.path.clone();
                    found.add(missing_file, answer.ok_or(format!("`{path}` is not there")));
                }
            }
            Err(problems) => return Err(render(&problems, "suite.toml", text, false)),
        }
    }
    panic!("the suite wants files without end");
}

fn suite_of(template: &str, name: &str, rows: &str) -> Result<Suite, String> {
    let text = format!(
        "name = \"x\"\nmodels = [\"m\"]\n[[prompt_files]]\npath = \"{name}\"\n{template}\n"
    );
    read(&text, &[(name, rows.as_bytes())])
}

fn ids(suite: &Suite) -> Vec<&str> {
    suite
        .prompts
        .iter()
        .map(|prompt| prompt.id.as_str())
        .collect()
}

fn user_texts(suite: &Suite) -> Vec<&str> {
    let last = |prompt: &'_ bakeoff::suite::Prompt| prompt.messages.len() - 1;
    let prompts = suite.prompts.iter();
    prompts
        .map(|prompt| prompt.messages[last(prompt)].content.as_str())
        .collect()
}

#[test]
fn every_format_gives_its_rows() {
    // The same two questions in three spellings must become the same prompts.
    let jsonl = "{\"q\": \"Why?\", \"n\": 1}\n\n{\"q\": \"A \\\"b\\\"\\nc\", \"n\": 2}\n";
    let csv = "\u{feff}q,n\nWhy?,1\r\n\"A \"\"b\"\"\nc\",2\n";
    let template = "id = \"n\"\nuser = \"{{ q }} ({{n}})\"\nsystem = \"No. {{n}}\"\nweight = 2.0\ntags = [\"t\"]";
    for (name, rows) in [("a.jsonl", jsonl), ("a.csv", csv)] {
        let suite = suite_of(template, name, rows).unwrap();
        assert_eq!(ids(&suite), ["1", "2"], "{name}");
        assert_eq!(user_texts(&suite), ["Why? (1)", "A \"b\"\nc (2)"], "{name}");
        assert_eq!(suite.prompts[1].system.as_deref(), Some("No. 2"));
        assert_eq!(*suite.prompts[1].tags, ["t"]);
        assert_eq!(suite.prompts[1].weight.to_bits(), 2.0_f64.to_bits());
    }
    let text = suite_of("", "cases/why.txt", "Why?\n").unwrap();
    assert_eq!((ids(&text), user_texts(&text)), (vec!["why"], vec!["Why?"]));
    // Without a column of ids, a row is named by its file and its line.
    let numbered = suite_of("user = \"{{q}}\"", "a.jsonl", jsonl).unwrap();
    assert_eq!(ids(&numbered), ["a:1", "a:3"]);
    let numbered = suite_of("user = \"{{q}}\"", "a.csv", "q\n\n\"x\ny\"\nz\n").unwrap();
    assert_eq!(ids(&numbered), ["a:3", "a:5"]);
}

#[test]
fn every_bad_row_is_reported_with_its_file_and_line() {
    // A person repairs a file of thousands of rows by line numbers, and all at once.
    let rows = "{\"id\": \"a\", \"q\": \"x\"}\n{\"id\": \"b\"\n[1]\n{\"id\": \"a\", \"q\": \"y\"}\n\
                {\"id\": \"c\", \"q\": null}\n{\"id\": \"d e\", \"q\": \"z\"}\n{\"id\": \"f\", \"q\": \" \"}\n";
    let rendered = suite_of("id = \"id\"\nuser = \"{{q}}\"", "a.jsonl", rows).unwrap_err();
    insta::assert_snapshot!(rendered, @r"
    error[syntax]: this line is not JSON: EOF while parsing an object (column 10)
    --> a.jsonl:2
     = note: suite.toml:4 names this file

    error[syntax]: this line is not a JSON object
    --> a.jsonl:3
     = note: suite.toml:4 names this file

    error[duplicate]: the id `a` is used twice
    --> a.jsonl:4
     = note: suite.toml:4 names this file
     = help: the first is in `a.jsonl`, line 1

    error[missing_key]: the column `q` has no value
    --> a.jsonl:5
     = note: suite.toml:4 names this file
     = help: its columns are `id`, `q`

    error[bad_value]: `d e` is not an id: 1 to 100 letters, digits, `-`, `_`, `.`, `/` and `:`
    --> a.jsonl:6
     = note: suite.toml:4 names this file
     = help: name another column, or omit `id` to number the rows

    error[bad_value]: the text of a message is blank
    --> a.jsonl:7
     = note: suite.toml:4 names this file

    suite.toml: 6 problems
    ");
    let rendered = suite_of(
        "user = \"{{q}}\"",
        "a.csv",
        "q,r\n1,2\n3\n4,5,6\n\"7\n8\",9,10\n",
    )
    .unwrap_err();
    insta::assert_snapshot!(rendered, @r"
    error[syntax]: this record has 1 fields, the header 2
    --> a.csv:3
     = note: suite.toml:4 names this file

    error[syntax]: this record has 3 fields, the header 2
    --> a.csv:4
     = note: suite.toml:4 names this file

    error[syntax]: this record has 3 fields, the header 2
    --> a.csv:5
     = note: suite.toml:4 names this file

    suite.toml: 3 problems
    ");
    // A quotation mark that is not closed swallows all rows behind it.
    let rendered = suite_of(
        "user = \"{{q}}\"",
        "a.csv",
        "q,r\n\"Hi\" said Bob,1\na,2\nb,\"3\nc,4\n",
    )
    .unwrap_err();
    insta::assert_snapshot!(rendered, @r"
    error[syntax]: text follows the closing quotation mark of a field; in a quoted field, write a quotation mark twice
    --> a.csv:2
     = note: suite.toml:4 names this file

    error[syntax]: the quotation mark that opens a field here is not closed
    --> a.csv:4
     = note: suite.toml:4 names this file

    suite.toml: 2 problems
    ");
    for (name, rows, expected) in [
        ("a.csv", "q,q\n1,2\n", "a.csv:1"),
        ("a.csv", "q\n", "contains no prompt"),
        ("a.jsonl", "\n", "contains no prompt"),
        ("a.json", "[]", "format of `a.json` is not clear"),
    ] {
        let rendered = suite_of("user = \"{{q}}\"", name, rows).unwrap_err();
        assert!(rendered.contains(expected), "{rendered}");
        assert!(rendered.ends_with("1 problem\n"), "{rendered}");
    }
    let rendered = suite_of("", "a.csv", "q\n1\n").unwrap_err();
    assert!(
        rendered.contains("no template that uses them"),
        "{rendered}"
    );
}

#[test]
fn invalid_utf8_is_reported_with_its_line() {
    // A file in another encoding must not become other words.
    let text =
        "name = \"x\"\nmodels = [\"m\"]\n[[prompt_files]]\npath = \"a.csv\"\nuser = \"{{q}}\"";
    let rendered = read(text, &[("a.csv", b"q\nok\ncaf\xe9\n")]).unwrap_err();
    assert!(
        rendered.contains("a.csv:3") && rendered.contains("UTF-8"),
        "{rendered}"
    );
}

#[test]
fn ids_are_unique_over_all_files() {
    // Two prompts of one id would be one row of the report.
    let text = "name = \"x\"\nmodels = [\"m\"]\n[[prompts]]\nid = \"a\"\nuser = \"?\"\n\
                [[prompt_files]]\npath = \"a.txt\"\n[[prompt_files]]\npath = \"b/a.txt\"";
    let rendered = read(text, &[("a.txt", b"1"), ("b/a.txt", b"2")]).unwrap_err();
    assert_eq!(
        rendered.matches("the first is on line 4").count(),
        2,
        "{rendered}"
    );
    let text = text.replace("id = \"a\"", "id = \"b\"");
    let rendered = read(&text, &[("a.txt", b"1"), ("b/a.txt", b"2")]).unwrap_err();
    assert!(rendered.contains("b/a.txt:1"), "{rendered}");
    assert!(
        rendered.contains("the first is in `a.txt`, line 1"),
        "{rendered}"
    );
}

#[test]
fn images_and_system_texts_come_from_files() {
    // What is sent is what lies in the file, not its name.
    let text = r#"
name = "x"
models = ["plain", { model = "m", label = "own", system_file = "own.txt" }]
system_file = "prefix.md"
[[prompts]]
id = "a"
user = "What is this?"
images = ["a.png", "https://example.org/b.jpg"]
[[prompt_files]]
path = "rows.jsonl"
take = 1
system_file = "braces.txt"
messages = [{ role = "user", content = "And {{n}}?", images = ["{{picture}}"] }]
"#;
    let rows = "{\"n\": 1, \"picture\": \"a.png\"}\n{\"n\": 2, \"picture\": \"a.png\"}\n";
    let files: [(&str, &[u8]); 5] = [
        ("own.txt", b"Own."),
        ("prefix.md", b"Shared.\r\n"),
        ("braces.txt", b"{{n}}\n\n"),
        ("a.png", PNG),
        ("rows.jsonl", rows.as_bytes()),
    ];
    let suite = read(text, &files).unwrap();
    assert_eq!(suite.system.as_deref(), Some("Shared."));
    assert_eq!(suite.variants[1].system.as_deref(), Some("Own."));
    let png = Image::Bytes {
        media_type: "image/png".to_owned(),
        base64: "iVBORw0KGgpyZXN0".to_owned(),
    };
    let url = Image::Url("https://example.org/b.jpg".to_owned());
    assert_eq!(*suite.prompts[0].messages[0].images, [png.clone(), url]);
    assert_eq!(suite.prompts.len(), 2);
    assert_eq!(suite.prompts[1].system.as_deref(), Some("{{n}}\n"));
    assert_eq!(*suite.prompts[1].messages[0].images, [png]);

    let rendered = read(
        text,
        &[("rows.jsonl", rows.as_bytes()), ("a.png", b"GIF80")],
    )
    .unwrap_err();
    assert!(
        rendered.contains("is not a PNG, JPEG, WebP or GIF image"),
        "{rendered}"
    );
    assert!(rendered.contains("`own.txt` is not there"), "{rendered}");
    assert!(rendered.contains("rows.jsonl:"), "{rendered}");
}

#[test]
fn tool_turns_and_formats_reach_the_suite() {
    // A declared turn is sent as if it had happened; a lost key would ask something else.
    let text = r#"
name = "x"
models = ["m"]
[parameters]
response_format = { type = "json_object" }
tools = [
  { name = "rain", description = "Will it rain?", parameters = { type = "object", properties = { town = { type = "string" } } } },
  { name = "now" },
]
[[prompts]]
id = "a"
messages = [
  { role = "user", content = "Rain in Bonn?" },
  { role = "assistant", tool_calls = [{ id = "c1", name = "rain", arguments = { town = "Bonn" } }, { id = "c2", name = "now" }] },
  { role = "tool", tool_call_id = "c2", content = "noon" },
  { role = "tool", tool_call_id = "c1", content = "no" },
]
"#;
    let suite = read(text, &[]).unwrap();
    let messages = &suite.prompts[0].messages;
    assert_eq!(messages[1].tool_calls[0].arguments, r#"{"town":"Bonn"}"#);
    assert_eq!(messages[1].tool_calls[1].arguments, "{}");
    assert_eq!(messages[1].content, "");
    assert_eq!(messages[3].role, Role::Tool);
    assert_eq!(messages[3].tool_call_id.as_deref(), Some("c1"));
    let tools = suite.parameters.tools.as_deref().unwrap();
    assert_eq!(tools[0].parameters["properties"]["town"]["type"], "string");
    assert_eq!(tools[1].parameters["type"], "object");
    assert_eq!(
        suite.parameters.response_format.as_ref().unwrap()["type"],
        "json_object"
    );
}

proptest! {
    // A choice of rows is some of them in their order, the same each time; more rows are added to a
    // smaller choice, and rows that come later displace, but never shuffle.
    #[test]
    fn choices_are_stable(rows in 1_usize..60, take in 1_usize..70, seed in 0_u64..5) {
        let file = |rows: usize| {
            let lines: Vec<_> = (0..rows).map(|n| format!("{{\"id\": \"r{n}\"}}")).collect();
            lines.join("\n")
        };
        let chosen = |rows: usize, take: usize| {
            let text = format!(
                "name = \"x\"\nseed = {seed}\nmodels = [\"m\"]\n[[prompt_files]]\n\
                 path = \"a.jsonl\"\nid = \"id\"\nuser = \"{{{{id}}}}\"\ntake = {take}"
            );
            let suite = read(&text, &[("a.jsonl", file(rows).as_bytes())]).unwrap();
            suite.prompts.into_iter().map(|prompt| prompt.id[1..].parse().unwrap()).collect::<Vec<usize>>()
        };
        let some = chosen(rows, take);
        prop_assert_eq!(some.len(), take.min(rows));
        prop_assert!(some.is_sorted());
        prop_assert_eq!(&some, &chosen(rows, take));
        let more = chosen(rows, take + 1);
        prop_assert!(some.iter().all(|row| more.contains(row)));
        let displaced = chosen(rows + 1, take);
        let lost = some.iter().filter(|row| !displaced.contains(row)).count();
        prop_assert!(lost <= 1);
    }

    // Any file becomes a suite or a list of problems.
    #[test]
    fn arbitrary_files_never_panic(
        bytes in "(\\{\"a\": \"|\"\\}|\"|,|a|\n|\r\n|\\PC|\\{|\\}){0,40}",
        name in "a\\.(jsonl|csv|txt)", take in 1_usize..4,
    ) {
        let template = format!("user = \"{{{{a}}}}{{{{'{{{{'}}}}\"\ntake = {take}");
        if let Ok(suite) = suite_of(&template, &name, &bytes) {
            prop_assert!(!suite.prompts.is_empty());
            prop_assert!(user_texts(&suite).iter().all(|text| text.ends_with("{{")));
        }
    }
}

fn bakeoff(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bakeoff"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn files_are_resolved_relative_to_the_suite() {
    // Paths are the suite's, wherever the command is run: folders, patterns and plain names.
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("su[i]tes");
    fs::create_dir_all(folder.join("cases/deep")).unwrap();
    for (name, text) in [
        ("cases/b.txt", "B?"),
        ("cases/a.md", "A?"),
        ("cases/.hidden.txt", "no"),
        ("cases/deep/c.txt", "C?"),
        ("rows.csv", "q\nD?\n"),
        ("p.txt", "Be brief."),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
    fs::write(folder.join("a.png"), PNG).unwrap();
    let suite = |path: &str| {
        let text = format!(
            "name = \"x\"\nmodels = [\"m\"]\nsystem_file = \"p.txt\"\n[[prompts]]\nid = \"own\"\n\
             user = \"?\"\nimages = [\"a.png\"]\n[[prompt_files]]\npath = \"{path}\"\nuser = \"{{{{{}}}}}\"",
            if path.ends_with("csv") { "q" } else { "text" }
        );
        fs::write(folder.join("x.toml"), text).unwrap();
        let output = bakeoff(home.path(), &["suite", "check", "su[i]tes/x.toml"]);
        let rendered = [output.stdout, output.stderr].concat();
        String::from_utf8(rendered).unwrap()
    };
    for (path, prompts) in [
        ("cases", 3),
        ("cases/*.txt", 2),
        ("cases/**/*.txt", 3),
        ("{rows,other}.csv", 2),
        ("./cases/../rows.csv", 2),
    ] {
        let rendered = suite(path);
        assert!(
            rendered.contains(&format!("ok, {prompts} prompts")),
            "{path}: {rendered}"
        );
    }
    assert!(suite("none*.txt").contains("no file matches `none*.txt`"));
    assert!(suite("none.txt").contains("could not be read"));
    assert_eq!(FileKind::Image.max_bytes(), 20 << 20);
}

#[test]
fn rows_are_sent_in_a_run() {
    // The whole way: a file of rows, chosen by a seed, is sent and answered.
    let home = tempfile::tempdir().unwrap();
    let rows: Vec<_> = (0..30)
        .map(|n| format!("{{\"q\": \"What is {n}?\"}}"))
        .collect();
    let rows = rows.join("\n");
    fs::write(home.path().join("rows.jsonl"), rows).unwrap();
    let text = "name = \"x\"\nmodels = [\"openai/gpt-5-mini\"]\nrepetitions = 1\nwarmup = 0\n\
                [[prompt_files]]\npath = \"rows.jsonl\"\nuser = \"{{q}}\"\ntake = 3";
    fs::write(home.path().join("x.toml"), text).unwrap();
    let output = bakeoff(home.path(), &["run", "x.toml", "--verify", "--quiet"]);
    let rendered = String::from_utf8(output.stdout).unwrap();
    assert!(
        rendered.ends_with("3 of 3 trials completed\n"),
        "{rendered}"
    );
}

#[test]
fn the_shown_suite_with_files_is_read() {
    // A reader copies it: every key that it shows must mean what is written beside it.
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/suites.md");
    let page = fs::read_to_string(page).unwrap();
    let blocks = page.split("```toml\n").skip(1);
    let mut shown = blocks.map(|block| block.split("```").next().unwrap());
    let text = shown
        .find(|block| block.contains("[[prompt_files]]"))
        .unwrap();
    let rows = ["a", "b", "c"].map(|id| format!("{{\"qid\": \"{id}\", \"question\": \"?\"}}"));
    let rows = rows.join("\n");
    let files: [(&str, &[u8]); 2] = [
        ("prefix.md", b"Be brief."),
        ("questions.jsonl", rows.as_bytes()),
    ];
    assert_eq!(read(text, &files).unwrap().prompts.len(), 4);
}
