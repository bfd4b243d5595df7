//! `bakeoff import`: each format becomes a suite that `suite check` accepts, and skipped items are reported
//! with their lines.

#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

use std::fs;
use std::process::Command;

use bakeoff::suite::parse_suite;

use crate::support::program::Home;

/// The suite that is printed and what is said beside it.
fn imported(format: &str, name: &str, text: &str) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), text).unwrap();
    let bakeoff = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_bakeoff"))
            .current_dir(folder.path())
            .args(arguments)
            .output()
            .unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|b| String::from_utf8(b).unwrap());
        (output.status.code().unwrap(), out, err)
    };
    let (code, suite, notes) = bakeoff(&["import", format, name]);
    assert_eq!(code, 0, "{notes}");
    let (code, nothing, again) = bakeoff(&["import", format, name, "-o", "made.toml"]);
    assert_eq!((code, nothing.as_str(), &again), (0, "", &notes));
    assert_eq!(
        fs::read_to_string(folder.path().join("made.toml")).unwrap(),
        suite
    );
    let (code, _, _) = bakeoff(&["suite", "check", "made.toml"]);
    assert_eq!(code, 0);
    let (code, _, err) = bakeoff(&["import", format, name, "-o", "made.toml"]);
    assert_eq!(code, 2, "a file was overwritten");
    assert!(err.contains("cannot write `made.toml`"), "{err}");
    (suite, notes)
}

#[test]
fn promptfoo_configurations_are_carried_over() {
    // Prompts x tests x lists of values, as promptfoo sends them; code and grading are reported.
    let config = r#"
description: Capitals
prompts:
  - "Name the capital of {{country}}."
  - id: brief
    label: chat
    raw: '[{"role": "system", "content": "One word."}, {"role": "user", "content": "{{ country }}?"}]'
  - file://prompt.txt
  - "{% if x %}Hello{% endif %}"
providers:
  - openai:chat:gpt-5-mini
  - id: anthropic:messages:claude-haiku-4.5
    label: haiku
    config: { temperature: 0.5, max_tokens: 50, apiKey: none }
  - python:own.py
defaultTest:
  vars: &defaults
    tone: kind
  options:
    transform: output.trim()
tests:
  - description: two countries
    vars:
      <<: *defaults
      country: [France, "Peru \"south\""]
    assert:
      - type: icontains
        value: Paris
      - type: javascript
        value: output.length < 10
  - vars: { town: Bonn }
  - file://more.csv
evaluateOptions: { repeat: 3, maxConcurrency: 2, cache: false }
outputPath: out.json
"#;
    let (suite, notes) = imported("promptfoo", "promptfooconfig.yaml", config);
    insta::assert_snapshot!(suite, @r##"
    # Made by `bakeoff import` from promptfooconfig.yaml.

    name = "promptfooconfig"
    description = "Capitals"

    # Where to send requests: `sim` is the simulator, which needs no key.
    endpoint = "sim"

    # The first one is the model in use today.
    models = [
      "openai/gpt-5-mini",
      { model = "anthropic/claude-haiku-4.5", label = "haiku", parameters = { temperature = 0.5, max_tokens = 50 } },
    ]

    repetitions = 3
    concurrency = 1

    [[prompts]]
    # assert javascript: "output.length < 10"
    id = "two-countries"
    assert = [
      { type = "icontains", value = "Paris" },
    ]
    user = "Name the capital of France."

    [[prompts]]
    # assert javascript: "output.length < 10"
    id = "two-countries-2"
    assert = [
      { type = "icontains", value = "Paris" },
    ]
    user = "Name the capital of Peru \"south\"."

    [[prompts]]
    # assert javascript: "output.length < 10"
    id = "two-countries:chat"
    system = "One word."
    assert = [
      { type = "icontains", value = "Paris" },
    ]
    user = "France?"

    [[prompts]]
    # assert javascript: "output.length < 10"
    id = "two-countries:chat-2"
    system = "One word."
    assert = [
      { type = "icontains", value = "Paris" },
    ]
    user = "Peru \"south\"?"
    "##);
    insta::assert_snapshot!(notes, @r##"
    promptfooconfig.yaml:8: the prompt is skipped: `prompt.txt` could not be read: No such file or directory (os error 2)
    promptfooconfig.yaml:14: a provider's `apiKey` is not imported
    promptfooconfig.yaml:15: the provider `python:own.py` is no model of a gateway
    promptfooconfig.yaml:19: every test's `options` is not imported
    promptfooconfig.yaml:22: the id `two countries:chat` became `two-countries:chat-2`
    promptfooconfig.yaml:22: the id `two countries:chat` became `two-countries:chat`
    promptfooconfig.yaml:22: the id `two countries` became `two-countries-2`
    promptfooconfig.yaml:22: the id `two countries` became `two-countries`
    promptfooconfig.yaml:22,31: the test is skipped: one of its messages is blank
    promptfooconfig.yaml:29: assertion `javascript` is not imported: code is not run
    promptfooconfig.yaml:31: the test is skipped: it has no variable `country`
    promptfooconfig.yaml:32: tests are left out: `more.csv` could not be read: No such file or directory (os error 2)
    promptfooconfig.yaml:33: the option `cache` is not imported
    promptfooconfig.yaml:34: `outputPath` is not imported
    "##);
}

/// The ids of the models of a suite that was made of a promptfoo configuration with these providers.
fn models_of(providers: &str) -> (Vec<String>, String) {
    let config = format!(
        "prompts: ['Hi {{{{x}}}}']\nproviders: {providers}\ntests: [{{ vars: {{ x: y }} }}]\n"
    );
    let (suite, notes) = imported("promptfoo", "p.yaml", &config);
    let models = parse_suite(&suite).unwrap();
    (models.models().map(ToString::to_string).collect(), notes)
}

#[test]
fn ids_of_promptfoo_providers_stand_as_they_are_sent() {
    // What follows `openai:chat:` is sent as it stands: an id with a creator is the gateway's.
    let (models, notes) = models_of(
        "[openai:chat:anthropic/claude-haiku-4.5, openai:gpt-5-mini, litellm:chat:google/gemini-2.5-flash, \
         openrouter:deepseek/deepseek-v3.2, vercel:xai/grok-4, 'openai:{{env.MODEL}}']",
    );
    assert_eq!(
        models,
        [
            "anthropic/claude-haiku-4.5",
            "openai/gpt-5-mini",
            "google/gemini-2.5-flash",
            "deepseek/deepseek-v3.2",
            "xai/grok-4"
        ]
    );
    insta::assert_snapshot!(notes, @"p.yaml:2: the provider `openai:{{env.MODEL}}` is a template: write the model's id");
}

#[test]
fn a_configuration_without_a_usable_provider_is_an_error() {
    // A suite with a model of our choice would be run, and taken for theirs.
    let folder = tempfile::tempdir().unwrap();
    let config = "prompts: [Hi]\nproviders:\n  - openai:{{env.MODEL}}\n  - python:own.py\n";
    fs::write(folder.path().join("p.yaml"), config).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_bakeoff"))
        .current_dir(folder.path())
        .args(["import", "promptfoo", "p.yaml", "-o", "out.toml"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(!folder.path().join("out.toml").exists());
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @r"
    p.yaml:3: the provider `openai:{{env.MODEL}}` is a template: write the model's id
    p.yaml:4: the provider `python:own.py` is no model of a gateway
    error: p.yaml:2: none of its providers is a model of a gateway
    ");
}

#[test]
fn braces_of_an_imported_text_are_sent_as_they_are() {
    // `{{name}}` without rows is an error in a suite of one's own; in a recorded text it is content.
    let row = "{\"prompt\": \"Explain {{ user.name }} and {{'x'}} of Jinja.\", \"system\": \"Use {{tools}}.\"}\n";
    let (suite, _) = imported("jsonl", "jinja.jsonl", row);
    let read = parse_suite(&suite).unwrap();
    let prompt = &read.prompts[0];
    assert_eq!(
        prompt.messages[0].content,
        "Explain {{ user.name }} and {{'x'}} of Jinja."
    );
    assert_eq!(prompt.system.as_deref(), Some("Use {{tools}}."));
}

#[test]
fn rows_of_evals_and_conversations_are_carried_over() {
    // The ids stay the source's, the expected answers stay readable.
    let evals = "{\"input\": [{\"role\": \"system\", \"content\": \"Add.\"}, {\"role\": \"user\", \"content\": \"2 + 2\"}], \"ideal\": \"4\"}\n\
                 {\"input\": \"3 + 3\", \"ideal\": [\"6\", \"six\"], \"metadata\": 1}\n{\"ideal\": \"7\"}\nnothing\n";
    let (suite, notes) = imported("openai-evals", "sums.jsonl", evals);
    let read = parse_suite(&suite).unwrap();
    assert_eq!(read.name, "sums");
    assert_eq!(read.prompts.len(), 2);
    assert_eq!(read.prompts[0].system.as_deref(), Some("Add."));
    assert!(suite.contains("# ideal: [\"6\",\"six\"]"), "{suite}");
    insta::assert_snapshot!(notes, @r##"
    sums.jsonl:1-2: `ideal` became a comment: add an `assert` that says what is right
    sums.jsonl:2: the key `metadata` is not imported
    sums.jsonl:3: the prompt is skipped: it has no `input`
    sums.jsonl:4: this line is not JSON: expected ident (column 2)
    "##);

    let sharegpt = "[\n  {\"id\": \"a b\", \"conversations\": [\n    {\"from\": \"human\", \"value\": \"Hi\\nthere\"},\n    \
                    {\"from\": \"gpt\", \"value\": \"Hello\"}]},\n  {\"id\": \"c\", \"conversations\": []},\n  \
                    {\"id\": \"c\", \"conversations\": [{\"from\": \"system\", \"value\": \"Be kind.\"}, {\"from\": \"human\", \"value\": \"1\"}, \
                    {\"from\": \"gpt\", \"value\": \"2\"}, {\"from\": \"human\", \"value\": \"3\"}]}\n]\n";
    let (suite, notes) = imported("sharegpt", "chats.json", sharegpt);
    let read = parse_suite(&suite).unwrap();
    let ids: Vec<_> = read
        .prompts
        .iter()
        .map(|prompt| prompt.id.as_str())
        .collect();
    assert_eq!(ids, ["a-b", "c"]);
    assert_eq!(read.prompts[0].messages[0].content, "Hi\nthere");
    assert_eq!(read.prompts[1].messages.len(), 3);
    insta::assert_snapshot!(notes, @r##"
    chats.json:2: the answer at the end became a comment
    chats.json:2: the id `a b` became `a-b`
    chats.json:5: the prompt is skipped: it has no user message
    "##);
}

#[test]
fn cut_conversations_begin_with_their_user() {
    // A third of the public file begins in the middle of a conversation; other programs write it as JSON lines.
    let lines = r#"{"id": "cut", "conversations": [{"from": "gpt", "value": "Old"}, {"from": "bard", "value": "Old"}, {"from": "human", "value": "1"}, {"from": "chatgpt", "value": "2"}, {"from": "human", "value": "3"}]}
{"id": "only", "conversations": [{"from": "bing", "value": "Alone"}]}
{"id": "whole", "conversations": [{"from": "system", "value": "Be kind."}, {"from": "gpt", "value": "Old"}, {"from": "human", "value": "4"}]}
"#;
    let (suite, notes) = imported("sharegpt", "cut.jsonl", lines);
    let read = parse_suite(&suite).unwrap();
    let texts = |prompt: &bakeoff::suite::Prompt| -> Vec<String> {
        let turns = prompt.messages.iter();
        turns.map(|message| message.content.clone()).collect()
    };
    assert_eq!(texts(&read.prompts[0]), ["1", "2", "3"]);
    assert_eq!(texts(&read.prompts[1]), ["4"]);
    assert_eq!(read.prompts[1].system.as_deref(), Some("Be kind."));
    insta::assert_snapshot!(notes, @r##"
    cut.jsonl:1: 2 turns of the assistant before the first of the user left out
    cut.jsonl:2: the prompt is skipped: it has no user message
    cut.jsonl:3: 1 turn of the assistant before the first of the user left out
    "##);
}

#[test]
fn json_lines_of_many_makers_are_carried_over() {
    // Each maker has keys of its own; a row that matches none is reported, not guessed.
    let rows = r#"{"prompt": "One?", "id": 7}
{"messages": [{"role": "user", "content": [{"type": "text", "text": "Two?"}, {"type": "image_url", "image_url": {"url": "https://example.org/2.png"}}]}]}
{"custom_id": "three", "method": "POST", "body": {"model": "gpt", "messages": [{"role": "user", "content": "Three?"}, {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}}]}, {"role": "tool", "tool_call_id": "c", "content": "3"}]}}
{"question": "Four?", "system_prompt": "Be brief."}
{"colour": "blue"}
"#;
    let (suite, notes) = imported("jsonl", "mixed.jsonl", rows);
    let read = parse_suite(&suite).unwrap();
    let ids: Vec<_> = read
        .prompts
        .iter()
        .map(|prompt| prompt.id.as_str())
        .collect();
    assert_eq!(ids, ["7", "prompt-2", "three", "prompt-4"]);
    assert_eq!(read.prompts[1].messages[0].images.len(), 1);
    assert_eq!(
        read.prompts[2].messages[1].tool_calls[0].arguments,
        "{\"a\": 1}"
    );
    assert_eq!(read.prompts[3].system.as_deref(), Some("Be brief."));
    insta::assert_snapshot!(notes, @r##"
    mixed.jsonl:3: the key `method` is not imported
    mixed.jsonl:3: the key `model` is not imported
    mixed.jsonl:5: the prompt is skipped: none of its keys is known as a prompt
    "##);
}

#[test]
fn asserts_of_promptfoo_are_carried_over_with_their_variables() {
    // A configuration that grades must still grade, and what cannot be carried over must be named with its line.
    let config = r#"
prompts: ["Capital of {{country}}?"]
providers: [openai:gpt-5-mini]
defaultTest:
  threshold: 0.5
  options:
    provider: { text: "openai:chat:gpt-5.6-terra", embedding: "openai:embedding:text-embedding-3-large" }
  assert:
    - { type: not-icontains, value: "{{country}}" }
tests:
  - vars: { country: France, city: Paris }
    assert:
      - { type: equals, value: "{{city}}", weight: 2, metric: right }
      - { type: contains-any, value: [Paris, "{{city}} (France)"] }
      - type: is-json
        value: { type: object, required: [a], additionalProperties: false, properties: { a: { minimum: 1, const: "1" } } }
      - { type: word-count, value: { max: 5 } }
      - { type: levenshtein, value: Paris, threshold: 3 }
      - { type: latency, threshold: 2000 }
      - { type: cost, threshold: 0.002 }
      - { type: regex, value: "(?=look)" }
      - { type: llm-rubric, value: "names {{city}}", threshold: 0.8 }
      - { type: not-llm-rubric, value: rude, provider: "openai:gpt-5-mini" }
      - { type: similar, value: "The city is {{city}}.", threshold: 0.7 }
      - { type: factuality, value: x }
      - { type: python, value: "len(output) > 1" }
      - { type: contains, value: file://x.txt }
      - { type: contains, value: x, transform: output.trim() }
      - { type: perplexity, threshold: 5 }
"#;
    let (suite, notes) = imported("promptfoo", "p.yaml", config);
    let read = parse_suite(&suite).unwrap();
    assert_eq!(read.prompts[0].asserts.as_slice().len(), 11);
    let graders = suite
        .lines()
        .filter(|line| line.contains("judge") || line.contains("embedding"));
    insta::assert_snapshot!(graders.take(2).collect::<Vec<_>>().join("\n"), @r#"
    judge = "openai/gpt-5.6-terra"
    embedding_model = "openai/text-embedding-3-large"
    "#);
    assert_eq!(*read.prompts[0].pass_threshold, Some(0.5));
    let asserts = suite.split("assert = [").nth(1).unwrap();
    insta::assert_snapshot!(asserts.split("\n]").next().unwrap(), @r##"
      { type = "not-icontains", value = "France" },
      { type = "equals", value = "Paris", weight = 2, name = "right" },
      { type = "contains-any", value = ["Paris", "Paris (France)"] },
      { type = "is-json", value = "{\"additionalProperties\":false,\"properties\":{\"a\":{\"const\":\"1\",\"minimum\":1}},\"required\":[\"a\"],\"type\":\"object\"}" },
      { type = "word-count", value = { max = 5 } },
      { type = "levenshtein", value = "Paris", threshold = 3 },
      { type = "latency", threshold = 2000 },
      { type = "cost", threshold = 0.002 },
      { type = "judge", rubric = "names Paris", threshold = 0.8 },
      { type = "not-judge", rubric = "rude" },
      { type = "similar", value = "The city is Paris.", threshold = 0.7 },
    "##);
    insta::assert_snapshot!(notes, @r##"
    p.yaml:21: assertion `regex` is not imported: the assert `regex`: the pattern is not valid: look-around, including look-ahead and look-behind, is not supported
    p.yaml:23: a suite has one grader of a kind: `openai/gpt-5.6-terra`, not `openai/gpt-5-mini`
    p.yaml:25: assertion `factuality` is not imported: of graders that are models, only `llm-rubric` and `similar` are
    p.yaml:26: assertion `python` is not imported: code is not run
    p.yaml:27: assertion `contains` is not imported: its value lies in a file
    p.yaml:28: assertion `contains` is not imported: `transform` of an assertion is not imported
    p.yaml:29: assertion `perplexity` is not imported: `perplexity` is no type of assert
    "##);
}

#[test]
fn configurations_as_they_are_published_run_on_the_simulator() {
    // Ten shapes of the other tool's documents and repositories: what is made of each must not only be valid, but ask
    // its models and be answered.
    const COUNTS: [(&str, usize); 10] = [
        ("01-translate", 2 * 2 * 2),
        ("02-chat-file", 2 * 2),
        ("03-table", 2 * 2),
        ("04-expected", 2 * 3 * 2),
        ("05-parameters", 3 * 2 * 2),
        ("06-statements", 2),
        ("07-product", 6 * 2),
        ("08-test-file", 2),
        ("09-json", 1),
        ("10-no-tests", 2 * 2),
    ];
    let configs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/promptfoo/configs");
    std::thread::scope(|scope| {
        for (name, trials) in COUNTS {
            let folder = configs.join(name);
            scope.spawn(move || {
                let home = Home::new();
                for entry in fs::read_dir(folder).unwrap() {
                    let entry = entry.unwrap();
                    fs::copy(entry.path(), home.path(entry.file_name().to_str().unwrap())).unwrap();
                }
                // The simulator's answers have no fixed text, and a grade is no failure.
                let line = "bakeoff import promptfoo promptfooconfig.* -o made.toml && \
                            bakeoff run made.toml --quiet --repetitions 1 --scenario scenario.toml";
                let output = home.shell(line).run();
                assert!(
                    output
                        .out
                        .contains(&format!("{trials} of {trials} answered")),
                    "{name}: {}",
                    output.out
                );
                let samples = home.samples("promptfooconfig");
                let complete = samples
                    .iter()
                    .filter(|sample| sample["outcome"] == "complete");
                assert_eq!(complete.count(), trials, "{name}");
            });
        }
    });
}

/// The suite printed for a file among others, and the notes.
fn import_with_notes(home: &Home, arguments: &str) -> (String, String) {
    let output = home.bakeoff(&format!("import {arguments}")).run();
    (output.out, output.err)
}

#[test]
fn tables_of_tests_stay_files() {
    // Questions that are kept in a table are edited there; where its answers are more than texts, or a prompt
    // more than names, its rows become prompts.
    let config = "prompts: ['Capital of {{country}}?']\nproviders: [openai:gpt-5.6-luna]\ntests: file://c.csv\n";
    let home = Home::new()
        .with("p.yaml", config)
        .with("c.csv", "country,__expected\nPeru,Lima\n");
    let (suite, notes) = import_with_notes(&home, "promptfoo p.yaml");
    assert_eq!(notes, "");
    insta::assert_snapshot!(suite.split("[[").last().unwrap(), @r#"
    prompt_files]]
    path = "c.csv"
    assert = [
      { type = "equals", value = "{{__expected}}" },
    ]
    user = "Capital of {{country}}?"
    "#);
    // Another folder has another way to the table.
    home.shell("mkdir made && bakeoff import promptfoo p.yaml -o made/s.toml --allow-outside")
        .run();
    assert!(home.read("made/s.toml").contains("path = \"../c.csv\""));
    let home = home.with("c.csv", "country,__expected\nPeru,icontains: lima\nChad,\n");
    let (suite, _) = import_with_notes(&home, "promptfoo p.yaml");
    assert!(
        suite.contains(r#"{ type = "icontains", value = "lima" }"#),
        "{suite}"
    );
    assert!(suite.contains("user = \"Capital of Chad?\""), "{suite}");
    let home = home.with("p.yaml", &config.replace("country}}", "country | upper }}"));
    let (suite, _) = import_with_notes(&home, "promptfoo p.yaml");
    assert!(suite.contains("user = \"Capital of PERU?\""), "{suite}");
}

#[test]
fn samples_of_evals_have_the_roles_of_chats() {
    // Their examples are system text with names, and a third of their files has no other message at all.
    let rows = r#"{"input": [{"role": "system", "content": "Add."}, {"role": "system", "content": "Briefly."}, {"role": "system", "name": "example_user", "content": "1+1"}, {"role": "system", "name": "example_assistant", "content": "2"}, {"role": "user", "content": "2+2"}]}{"input": [{"role": "system", "content": "3+3"}]}
"#;
    let (suite, notes) = imported("openai-evals", "sums.jsonl", rows);
    let read = parse_suite(&suite).unwrap();
    assert_eq!(read.prompts[0].system.as_deref(), Some("Add.\n\nBriefly."));
    assert_eq!(read.prompts[0].messages.len(), 3);
    assert_eq!(read.prompts[1].messages[0].content, "3+3");
    insta::assert_snapshot!(notes, @"sums.jsonl:1: the system text, which stands alone, became the message of the user");
    let games = Home::new().with("games.jsonl", "{\"previous_moves\": [], \"game_idx\": 1}\n");
    games
        .bakeoff("import openai-evals games.jsonl")
        .exits(2)
        .complains("games.jsonl: it is not imported: its samples are chess games")
        .run();
}

#[test]
fn the_first_conversations_of_a_large_file_are_enough() {
    // The public file has 642 MB; 200 conversations of it must not need all of them converted, or split.
    let entry = |n: usize| {
        let text = format!("{n} {}", "x".repeat(1 << 20));
        format!("{{\"conversations\": [{{\"from\": \"human\", \"value\": \"{text}\"}}]}}")
    };
    let entries: Vec<String> = (0..66).map(entry).collect();
    let home = Home::new().with("chats.json", &format!("[\n{}\n]\n", entries.join(",\n")));
    home.bakeoff("import sharegpt chats.json")
        .exits(2)
        .complains("it is larger than 64 MiB, the maximum: `--take N` takes the first prompts only")
        .run();
    let (suite, _) = import_with_notes(&home, "sharegpt chats.json --take 3");
    assert_eq!(parse_suite(&suite).unwrap().prompts.len(), 3);
    home.bakeoff("import sharegpt chats.json --take 65")
        .exits(2)
        .complains("take no more")
        .run();
}
