//! Keys: where they come from, where they go, and where they must never be found.

use serde_json::Value;

use super::program::{Home, ProgramOutput};
use super::server::{ANSWER, Server, Then, response};

/// Looks like no vendor's key, so that only knowing it can keep it out.
const MARKER: &str = "marker.of.a.key.that.no.one.may.see";

const SUITE: &str = r#"
name = "own"
endpoint = "staging"
max_attempts = 1
models = ["our-model"]
repetitions = 3
concurrency = 1
warmup = 1
[[prompts]]
id = "hello"
user = "Hello"
"#;

/// A project with the server as the endpoint `staging`.
fn home(server: &Server) -> Home {
    let project = format!(
        r#"
[endpoints.staging]
base_url = "{}"
key = "STAGING_KEY"
headers = {{ x-team = "search" }}

[[endpoints.staging.prices]]
model = "our-model"
input_usd_per_mtok = 2
output_usd_per_mtok = "8.50"
"#,
        server.base_url()
    );
    Home::new()
        .with("suite.toml", SUITE)
        .with("bakeoff.toml", &project)
}

fn answering() -> Server {
    Server::start(|_, _| (response("200 OK", "", ANSWER), Then::Keep))
}

/// The key is in the test's `.env` alone.
fn nowhere_else(home: &Home, output: &ProgramOutput) {
    assert!(
        !output.out.contains(MARKER) && !output.err.contains(MARKER),
        "{output:?}"
    );
    for path in home.files() {
        let bytes = std::fs::read(&path).unwrap();
        let found = String::from_utf8_lossy(&bytes).contains(MARKER);
        assert!(
            !found || path.ends_with(".env"),
            "{} holds the key",
            path.display()
        );
    }
}

#[test]
fn an_own_endpoint_has_its_key_header_and_prices() {
    // Development, staging and production are three tables of `bakeoff.toml`.
    let server = answering();
    let home = home(&server);
    let output = home
        .bakeoff("run suite.toml")
        .env("STAGING_KEY", MARKER)
        .says("our-model")
        .run();
    let questions = server.questions();
    assert_eq!(questions.len(), 4);
    for question in &questions {
        let bearer = format!("Bearer {MARKER}");
        assert_eq!(question.header("authorization"), Some(bearer.as_str()));
        assert_eq!(question.header("x-team"), Some("search"));
        let body: Value = serde_json::from_str(&question.body).unwrap();
        assert_eq!(body["model"], "our-model");
    }
    // Every request has an id of its own, and the samples have the same ones.
    let samples = home.samples("own");
    let ids = samples.iter().map(|sample| sample["request_id"].as_str());
    assert!(
        ids.eq(questions[1..]
            .iter()
            .map(|seen| seen.header("x-request-id")))
    );
    // 3 tokens in, 1 out: 3 x 2 + 1 x 8.5 millionths of a dollar.
    assert!(
        samples
            .iter()
            .all(|sample| sample["cost_usd"] == "0.0000145")
    );
    let manifest: Value =
        serde_json::from_str(&home.read("reports/own/latest/manifest.json")).unwrap();
    assert_eq!(manifest["endpoint"]["key_variable"], "STAGING_KEY");
    nowhere_else(&home, &output);
}

#[test]
fn a_dot_env_is_read_and_the_environment_wins() {
    // What is exported for one call must not be overruled by a file that was forgotten.
    let server = answering();
    let home = home(&server).with(".env", &format!("STAGING_KEY={MARKER}\n"));
    let from_file = home.bakeoff("run suite.toml").run();
    nowhere_else(&home, &from_file);
    home.bakeoff("run suite.toml")
        .env("STAGING_KEY", "exported")
        .run();
    let keys: Vec<String> = (server.questions().iter())
        .map(|seen| seen.header("authorization").unwrap().to_owned())
        .collect();
    let expected = [format!("Bearer {MARKER}"), "Bearer exported".to_owned()];
    assert_eq!(keys.len(), 8);
    assert!(keys[..4].iter().all(|key| *key == expected[0]));
    assert!(keys[4..].iter().all(|key| *key == expected[1]));
}

#[test]
fn an_empty_key_is_a_missing_one() {
    // A template of `.env` that was never filled in: reported before anything is sent without a key.
    let server = answering();
    let home = home(&server).with(".env", "STAGING_KEY=\"  \"\n");
    home.bakeoff("run suite.toml")
        .exits(2)
        .complains("STAGING_KEY")
        .run();
    assert!(server.seen().is_empty());
}

#[test]
fn lines_of_a_dot_env_that_set_nothing_do_no_harm() {
    // Many projects have a `.env` of their own, for tools with other rules: the key is found all the same, and its
    // `$` is no reference to a variable.
    let server = answering();
    let lines = "\u{feff}no assignment\nNAME=O'Brien\nFLAG\nPATHX=C:\\Users\\x\nGREETING=hello world\n\
                 STAGING_KEY=abc$HOME.123 # of staging\nJSON={\"a\": 1}\n";
    let home = home(&server).with(".env", lines);
    home.bakeoff("run suite.toml").run();
    for question in server.questions() {
        assert_eq!(
            question.header("authorization"),
            Some("Bearer abc$HOME.123")
        );
    }
}

#[test]
fn a_broken_dot_env_does_not_show_its_lines() {
    // The line that cannot be read may be the one with the key.
    let server = answering();
    let home = home(&server).with(".env", &format!("STAGING_KEY = '{MARKER}\n"));
    let output = home
        .bakeoff("run suite.toml")
        .exits(2)
        .complains(".env")
        .run();
    nowhere_else(&home, &output);
    assert!(server.seen().is_empty());
}

#[test]
fn a_key_that_the_server_repeats_is_not_stored() {
    // "Invalid key: ..." is an ordinary error message; records and reports are shared.
    let error = format!(r#"{{"error":{{"message":"Invalid key: {MARKER}","type":"{MARKER}"}}}}"#);
    let header = format!("x-echo: {MARKER}\r\nx-generation-id: {MARKER}\r\n");
    let event = format!("data: {{\"error\":{{\"message\":\"no {MARKER}\"}}}}\n\n");
    let page = format!("<html><title>{MARKER}</title></html>");
    let plain = format!("what is {MARKER}?");
    let answer = ANSWER.replace("yes", MARKER);
    for (status, body) in [
        ("401 Unauthorized", &error),
        ("400 Bad Request", &error),
        ("500 Internal Server Error", &page),
        ("200 OK", &event),
        ("200 OK", &page),
        ("200 OK", &plain),
        ("200 OK", &answer),
    ] {
        let reply = response(status, &header, body);
        let server = Server::start(move |_, _| (reply.clone(), Then::Keep));
        let home = home(&server);
        for call in [
            "run suite.toml --json",
            "run suite.toml",
            "run suite.toml --verify",
        ] {
            let failed = if *body == answer { 0 } else { 4 };
            let output = home
                .bakeoff(call)
                .env("STAGING_KEY", MARKER)
                .exits(failed)
                .run();
            nowhere_else(&home, &output);
        }
        assert!(!server.questions().is_empty());
    }
}

#[test]
fn a_key_that_no_header_can_hold_is_refused_unseen() {
    // A line break from a careless copy: reported, and not shown.
    let server = answering();
    let home = home(&server);
    let output = home
        .bakeoff("run suite.toml")
        .env("STAGING_KEY", format!("{MARKER}\nmore"))
        .exits(4)
        .complains("key")
        .run();
    nowhere_else(&home, &output);
    assert!(server.seen().is_empty());
}

#[test]
fn a_secret_as_a_name_is_refused_unseen() {
    // Names and labels go into every file and report; the refusal must not show them either.
    const TOKEN: &str = "tok-ABCDEFGHIJKLMNOP1234";
    let server = answering();
    for (from, to, place) in [
        (
            "name = \"own\"",
            format!("name = \"{TOKEN}\""),
            "name holds the value",
        ),
        (
            "models = [\"our-model\"]",
            format!("models = [{{ model = \"our-model\", label = \"{TOKEN}\" }}]"),
            "the name of a prompt or a model holds the value",
        ),
    ] {
        let home = home(&server).with("suite.toml", &SUITE.replace(from, &to));
        for command in ["run suite.toml", "suite check suite.toml"] {
            let call = home
                .bakeoff(command)
                .env("MY_TOKEN", TOKEN)
                .env("STAGING_KEY", MARKER);
            let output = call.exits(2).complains(place).run();
            assert!(!output.err.contains(TOKEN), "{output:?}");
        }
    }
    assert!(server.seen().is_empty());
}
