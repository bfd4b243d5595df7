//! A hostile server that repeats the key in every form and in every place: the key, and what acts on a
//! terminal, must not be found in any file or output.

use std::io::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde_json::Value;

use super::program::{Home, ProgramOutput};
use super::server::{ANSWER, Seen, Server, Then, response};

/// Has every character that an escape changes, and no vendor's prefix: only knowing it can keep it out.
const KEY: &str = "K/0123456789abcdef+/0123456789abcdef";

/// The key in every form, for the inside of a JSON string.
fn echo() -> String {
    let unicode = |escape: &str| -> String {
        let escaped = |c| format!("{escape}{:04x}", u32::from(c));
        KEY.chars().map(escaped).collect()
    };
    let mut forms = vec![
        KEY.to_owned(),
        KEY.replace('/', "\\/"),
        unicode("\\u"),
        unicode("\\\\u"),
        KEY[..12].to_owned(),
    ];
    forms.extend(plain_forms());
    forms.join(" . ")
}

/// Forms for a header, or wherever JSON escapes mean nothing.
fn plain_forms() -> Vec<String> {
    let percent = KEY.replace('/', "%2F").replace('+', "%2b");
    let mut forms = vec![KEY.to_owned(), percent];
    for before in ["", "a", "ab"] {
        forms.push(BASE64_STANDARD_NO_PAD.encode(format!("{before}{KEY}")));
    }
    forms
}

/// Texts of which none may be found.
fn needles() -> Vec<String> {
    let mut needles = vec![
        KEY[..12].to_owned(),
        KEY.replace('/', "\\/")[..13].to_owned(),
        KEY.replace('/', "%2F")[..14].to_owned(),
    ];
    // What is left of each alignment without the characters that depend on what stands around.
    for (before, first) in [("", 0), ("a", 2), ("ab", 3)] {
        let text = BASE64_STANDARD_NO_PAD.encode(format!("{before}{}", &KEY[..12]));
        needles.push(text[first..text.len() - 1].to_owned());
    }
    needles
}

/// The text with one layer of JSON's escapes undone.
fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let code = after.strip_prefix('u').and_then(|code| code.get(..4));
        let code = code.and_then(|code| u32::from_str_radix(code, 16).ok());
        if let Some(c) = code.and_then(char::from_u32) {
            plain.push(c);
            rest = &after[5..];
        } else {
            let length = after.chars().next().map_or(0, char::len_utf8);
            plain.push_str(&after[..length]);
            rest = &after[length..];
        }
    }
    plain + rest
}

/// No form of the key is in what was printed and written, its `.env` apart.
fn nowhere(home: &Home, output: &ProgramOutput) {
    let needles = needles();
    let check = |place: &str, text: &str| {
        let once = unescaped(text);
        let twice = unescaped(&once);
        for text in [text, &once, &twice] {
            for needle in &needles {
                if let Some(at) = text.find(needle) {
                    let near: String = text[at..].chars().take(80).collect();
                    panic!("{place} holds `{needle}`: {near}");
                }
            }
        }
    };
    check("standard output", &output.out);
    check("standard error", &output.err);
    for path in home.files() {
        let bytes = std::fs::read(&path).unwrap();
        if !path.ends_with(".env") {
            let name = path.display().to_string();
            check(&name, &String::from_utf8_lossy(&bytes));
        }
    }
}

fn events(chunks: &[String]) -> String {
    let event = |chunk: &String| format!("data: {chunk}\n\n");
    let events: String = chunks.iter().map(event).collect();
    events
        + "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\
           \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":9}}\n\ndata: [DONE]\n\n"
}

fn delta(fields: &str) -> String {
    format!("{{\"choices\":[{{\"index\":0,\"delta\":{{{fields}}}}}]}}")
}

/// A delta for each part of the key: it is whole only once they are joined.
fn split(field: impl Fn(&str) -> String) -> String {
    let (first, rest) = KEY.split_at(7);
    let (second, third) = rest.split_at(11);
    events(&[first, second, third].map(|part| delta(&field(part))))
}

fn gzipped(status: &str, body: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(body.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let length = packed.len();
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n\r\n");
    [head.into_bytes(), packed].concat()
}

/// Errors that repeat a text, by the model that is requested.
fn refusals(echo: &str) -> Vec<(&'static str, Vec<u8>)> {
    let header = plain_forms().join(" . ");
    let error = format!(
        r#"{{"error":{{"message":"bad {echo}","type":"{echo}","code":"{echo}","param":"{echo}"}}}}"#
    );
    let nested = format!(
        r#"{{"error":{{"message":"up","metadata":{{"raw":"{{\"error\":{{\"message\":\"{}\"}}}}"}}}}}}"#,
        KEY.replace('/', "\\\\/")
    );
    let entities = "&#75;&#x2f;0123456789abcdef+/0123456789abcdef";
    let page = format!("<html><title>{header} {entities}</title></html>");
    let location = format!("location: http://127.0.0.1:1/{KEY}\r\n");
    let reason = format!("HTTP/1.1 400 {header}\r\ncontent-length: 0\r\n\r\n");
    let ok = |body: &str| response("200 OK", "", body);
    vec![
        ("error", response("400 Bad Request", "", &error)),
        ("unauthorized", response("401 Unauthorized", "", &error)),
        ("nested", response("500 Server Error", "", &nested)),
        ("page", response("502 Bad Gateway", "", &page)),
        ("ok-page", ok(&page)),
        ("plain", ok(&format!("no {header}"))),
        ("stray", ok(&format!("data: no {echo}\n\n"))),
        (
            "broken",
            ok(&format!("data: {{\"a\":\"{echo}\n\ndata: [DONE]\n\n")),
        ),
        ("stream-error", ok(&format!("data: {error}\n\n"))),
        (
            "event-error",
            ok(&format!("event: error\ndata: no {echo}\n\n")),
        ),
        ("reason", reason.into_bytes()),
        ("redirect", response("307 Moved", &location, "")),
        ("gzip", gzipped("400 Bad Request", &error)),
    ]
}

/// Answers that repeat a text, by the model that is requested.
fn answers(echo: &str) -> Vec<(&'static str, Vec<u8>)> {
    let header = plain_forms().join(" . ");
    let headers = format!(
        "x-echo: {header}\r\nx-generation-id: {header}\r\nx-litellm-model-id: {header}\r\n"
    );
    let encoding = format!("content-encoding: {KEY}\r\n");
    let names = format!(
        r#"{{"id":"{echo}","model":"{echo}","provider":"{echo}","generationId":"{echo}","choices":[{{"delta":{{"content":"a"}}}}]}}"#
    );
    let routing = delta(&format!(
        r#""content":"a","provider_metadata":{{"gateway":{{"generationId":"{echo}","routing":{{"finalProvider":"{echo}","modelAttempts":[{{"canonicalSlug":"{echo}","success":true}}]}}}}}}"#
    ));
    let tool = |part: &str| {
        format!(
            r#""tool_calls":[{{"index":0,"id":"{echo}","function":{{"name":"f","arguments":"{part}"}}}}]"#
        )
    };
    let whole = format!(
        r#"{{"model":"{echo}","choices":[{{"message":{{"content":"{echo}"}},"finish_reason":"stop"}}]}}"#
    );
    let finish = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"a\"}},\"finish_reason\":\"{echo}\"}}]}}\n\n"
    );
    let content = delta(&format!("\"content\":\"{echo}\""));
    let refusal = delta(&format!("\"refusal\":\"{echo}\""));
    let ok = |body: &str| response("200 OK", "", body);
    vec![
        ("ok", ok(ANSWER)),
        ("answer", ok(&events(std::slice::from_ref(&content)))),
        ("refusal", ok(&events(&[refusal]))),
        (
            "split",
            ok(&split(|part| format!("\"content\":\"{part}\""))),
        ),
        (
            "split-thought",
            ok(&split(|part| format!("\"reasoning\":\"{part}\""))),
        ),
        ("split-tool", ok(&split(tool))),
        ("whole", ok(&whole)),
        ("names", ok(&events(&[names]))),
        ("routing", ok(&events(&[routing]))),
        ("finish", ok(&finish)),
        ("header", response("200 OK", &headers, ANSWER)),
        ("encoding", response("200 OK", &encoding, ANSWER)),
        (
            "gzip-answer",
            gzipped("200 OK", &events(std::slice::from_ref(&content))),
        ),
        ("cut", ok(&format!("data: {content}\n\n"))),
    ]
}

/// A server that answers as the model says, and the models.
fn hostile(
    echo: &str,
    lists: impl Fn(&Seen) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> (Server, Vec<&'static str>) {
    let replies = [answers(echo), refusals(echo)].concat();
    let models = replies.iter().map(|(model, _)| *model).collect();
    let server = Server::start_with_lists(lists, move |_, seen| {
        let body: Value = serde_json::from_str(&seen.body).unwrap();
        let reply = replies.iter().find(|(model, _)| body["model"] == *model);
        (reply.unwrap().1.clone(), Then::Keep)
    });
    (server, models)
}

fn home(server: &Server, models: &[&str]) -> Home {
    let suite = format!(
        "name = \"leaks\"\nendpoint = \"own\"\nmodels = {models:?}\nrepetitions = 1\nwarmup = 1\n\
         max_attempts = 1\nconcurrency = 1\nparameters = {{ max_tokens = 50 }}\n\
         prompts = [{{ id = \"a\", user = \"hi\" }}]\n"
    );
    let base_url = server.base_url();
    let project = format!("[endpoints.own]\nbase_url = \"{base_url}\"\nkey = \"OWN_KEY\"\n");
    Home::new()
        .with("suite.toml", &suite)
        .with("bakeoff.toml", &project)
        .with(".env", &format!("OWN_KEY='{KEY}'\n"))
}

/// Makes a call with the cache in the home.
fn call(home: &Home, line: &str, exit: i32) -> ProgramOutput {
    let call = home.bakeoff(line).exits(exit);
    call.env("BAKEOFF_CACHE_DIR", home.path("cache")).run()
}

/// Every file that the program made is for its owner alone.
fn only_the_owner_reads(home: &Home) {
    #[cfg(unix)]
    for path in home.files() {
        use std::os::unix::fs::PermissionsExt as _;
        let ours = ["reports", "cache", "history.jsonl"]
            .iter()
            .any(|made| path.starts_with(home.path(made)));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert!(!ours || mode == 0o600, "{}: {mode:o}", path.display());
    }
}

#[test]
fn the_key_is_in_no_file_and_no_output_of_any_failure() {
    // Records are shared, logs of CI are public: whatever a server says, the key is in none of them.
    let list = format!(
        r#"{{"object":"list","data":[{{"id":"ok","name":"for {0}","owned_by":"{0}","description":"{0}"}},{{"id":"{0}"}}]}}"#,
        echo()
    );
    let offers = format!(
        r#"{{"data":{{"id":"ok","name":"{0}","endpoints":[{{"name":"{0}","provider_name":"{0}","tag":"{0}","pricing":{{"prompt":"0.000001","completion":"0.000002"}}}}]}}}}"#,
        echo()
    );
    let lists = move |seen: &Seen| {
        let for_model = seen.head.contains("/endpoints ");
        let text = if for_model { &offers } else { &list };
        Some(response("200 OK", "", text))
    };
    let (server, models) = hostile(&echo(), lists);
    let home = home(&server, &models);
    for (line, exit) in [
        ("models --endpoint own", 0),
        ("models --endpoint own --json", 0),
        ("models show ok --endpoint own", 0),
        ("run suite.toml --history history.jsonl", 4),
        ("run suite.toml --verify", 4),
        ("run suite.toml --verify --json", 4),
        ("report reports/leaks/latest", 0),
        ("report reports/leaks/latest --format json", 0),
        ("report reports/leaks/latest --format junit", 0),
        ("estimate suite.toml --endpoint own", 0),
        ("spend --endpoint own", 0),
        ("runs", 0),
        ("runs --json", 0),
    ] {
        let output = call(&home, line, exit);
        nowhere(&home, &output);
    }
    // The test would be worth nothing if the server's texts were not there.
    let samples = home.samples("leaks");
    assert_eq!(samples.len(), models.len());
    for sample in &samples {
        let model = sample["model"].as_str().unwrap();
        let silent = ["ok", "reason", "redirect"].contains(&model);
        let redacted = sample.to_string().contains("[redacted]");
        assert!(redacted != silent, "{sample:#}");
    }
    let cached = home.files().into_iter().any(|path| {
        path.starts_with(home.path("cache"))
            && std::fs::read_to_string(path)
                .unwrap()
                .contains("[redacted]")
    });
    assert!(cached);
    only_the_owner_reads(&home);
}

#[test]
fn errors_of_lists_hold_no_key() {
    // A 401 of `GET /models` is the first thing that a user with a wrong key sees, in CI for all to read.
    let error = format!(
        r#"{{"error":{{"message":"Incorrect API key provided: {}"}}}}"#,
        echo()
    );
    let lists = move |_: &Seen| Some(response("401 Unauthorized", "", &error));
    let (server, _) = hostile(&echo(), lists);
    let home = home(&server, &["ok"]);
    let mut quoted = 0;
    for (line, exit) in [
        ("models --endpoint own --refresh", 4),
        ("models --endpoint own", 0),
        ("models show ok --endpoint own", 2),
        ("run suite.toml", 0),
        ("estimate suite.toml --endpoint own", 0),
        ("spend --endpoint own", 0),
    ] {
        let output = call(&home, line, exit);
        nowhere(&home, &output);
        quoted += usize::from(output.err.contains("provided: [redacted]"));
    }
    assert!(quoted >= 3, "{quoted}");
}

#[test]
fn a_bill_holds_no_key() {
    // Bills are looked up at two known hosts alone, but by the same function as every list.
    use bakeoff::gateway::listing::{EndpointQuery, fetch};
    use bakeoff::gateway::{Authorities, Endpoint};
    let bill = format!(r#"{{"data":{{"id":"{}","total_cost":1}}}}"#, echo());
    let server = Server::start_with_lists(
        move |_| Some(response("200 OK", "", &bill)),
        |_, _| (response("200 OK", "", ANSWER), Then::Keep),
    );
    let endpoint = Endpoint {
        base_url: server.base_url(),
        key: Some(KEY.to_owned().into()),
        key_header: None,
        headers: Vec::new(),
        proxy: None,
        authorities: Authorities::default(),
    };
    let patience = std::time::Duration::from_secs(30);
    let fetched = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(fetch(
            &endpoint,
            EndpointQuery::Generation("gen-1"),
            patience,
        ))
        .unwrap();
    assert!(fetched.contains("[redacted]"), "{fetched}");
    for text in [fetched.to_string(), unescaped(&fetched)] {
        for needle in needles() {
            assert!(!text.contains(&needle), "{needle}: {text}");
        }
    }
}

/// Escape sequences, a title, a bidirectional override, an invisible character, C1: as JSON escapes.
const ACTING: &str =
    r"evil\u001b[31mRED\u001b[0m\u001b]0;title\u0007\u009b2J\u202erev\u202c\u200b\u0001\u2028end";

fn nothing_acts(place: &str, text: &str) {
    let acting = text
        .chars()
        .find(|c| *c != '\n' && bakeoff::units::is_unsafe_char(*c));
    assert_eq!(acting, None, "{place}: {text:?}");
}

#[test]
fn no_escape_sequence_of_a_server_reaches_a_terminal_or_a_table() {
    // A server must not rewrite what a person sees, nor colour the log of a CI job.
    let list = format!(r#"{{"error":{{"message":"{ACTING}"}}}}"#);
    let lists = move |_: &Seen| Some(response("401 Unauthorized", "", &list));
    let (server, models) = hostile(ACTING, lists);
    let home = home(&server, &models);
    for (line, exit) in [
        ("run suite.toml", 4),
        ("run suite.toml --verify", 4),
        ("run suite.toml --verify --json", 4),
        ("models --endpoint own --refresh", 4),
        ("report reports/leaks/latest --format json", 0),
    ] {
        let output = call(&home, line, exit);
        nothing_acts(line, &output.out);
        nothing_acts(line, &output.err);
        assert!(format!("{output:?}").contains("evil"), "{line}");
    }
    let mut files = 0;
    for path in home.files() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let records = path
            .extension()
            .is_some_and(|extension| extension == "jsonl");
        let for_people = !records && name != "manifest.json";
        if path.starts_with(home.path("reports")) && for_people {
            nothing_acts(&name, &std::fs::read_to_string(&path).unwrap());
            files += 1;
        }
    }
    assert!(files >= 4);
    // The user still sees that there was something.
    let table = home.read("reports/leaks/latest/samples.csv");
    assert!(table.contains("evil\u{fffd}[31mRED"), "{table}");
}

#[test]
fn a_suite_with_a_secret_in_its_text_is_refused() {
    // The user's text is sent as it is, or not at all: a secret in it would be with the provider, and in the manifest.
    let (server, _) = hostile("x", |_: &Seen| None);
    let secret = "s3cr3t-0123456789-value";
    let prompt = "prompts = [{ id = \"a\", user = \"hi\" }]";
    for (name, value, text, place) in [
        (
            "OWN_KEY",
            KEY,
            format!("prompts = [{{ id = \"a\", user = \"use {KEY} now\" }}]"),
            "prompt `a`: messages[0].content",
        ),
        (
            "DB_PASSWORD",
            secret,
            format!("system = \"{secret}\"\n{prompt}"),
            "system holds",
        ),
        (
            "my_token",
            secret,
            format!("{prompt}\n[parameters]\nstop = [\"{secret}\"]"),
            "parameters: stop",
        ),
        (
            "CLIENT_SECRET_2",
            secret,
            format!("{prompt}\n[parameters.provider_options.x]\n\"{secret}\" = \"y\""),
            "parameters: provider_options.x",
        ),
        (
            "A_KEY",
            secret,
            "prompts = [{ id = \"a\", user = \"hi\", system_file = \"text.txt\" }]".to_owned(),
            "prompt `a`: system",
        ),
        (
            "A_KEY",
            secret,
            format!("prompts = [{{ id = \"{secret}\", user = \"hi\" }}]"),
            "the name of a prompt",
        ),
    ] {
        let suite = format!(
            "name = \"s\"\nendpoint = \"own\"\nmodels = [\"ok\"]\nwarmup = 0\nrepetitions = 1\n{text}\n"
        );
        let home = home(&server, &["ok"])
            .with("suite.toml", &suite)
            .with("text.txt", &format!("a\n{secret}\n"));
        for (verb, in_environment) in [
            ("run suite.toml", true),
            ("run suite.toml --verify", false),
            ("estimate suite.toml", false),
            ("suite check suite.toml", true),
            ("suite check suite.toml --json", false),
        ] {
            let mut call = home.bakeoff(verb).exits(2);
            let own = format!("OWN_KEY='{KEY}'\n");
            let variables = if in_environment {
                call = call.env(name, value);
                own
            } else {
                format!("{own}{name}='{value}'\n")
            };
            std::fs::write(home.path(".env"), variables).unwrap();
            let output = call.run();
            let all = format!("{}{}", output.out, output.err);
            assert!(all.contains(place) && all.contains(name), "{verb}: {all}");
            assert!(!all.contains(value), "{verb}: {all}");
            assert!(!home.path("reports").exists());
        }
    }
    assert!(server.seen().is_empty());
}

#[test]
fn what_is_no_secret_is_no_reason_to_refuse() {
    // False alarms teach people to work around the check: paths, addresses, short words, other names.
    let (server, _) = hostile("x", |_: &Seen| None);
    let home = home(&server, &["ok"]);
    let file = home.path("a-file-of-keys.pem").display().to_string();
    std::fs::write(&file, "x").unwrap();
    let address = "https://login.example.org/oauth/token";
    let words = "an-ordinary-word-of-a-title";
    let text = format!("'{file} {address} {words} shortvalue'");
    let suite = home.read("suite.toml").replace("\"hi\"", &text);
    let home = home.with("suite.toml", &suite);
    home.bakeoff("run suite.toml")
        .env("SSH_KEY_FILE", file)
        .env("TOKEN_ENDPOINT", address)
        .env("PAGE_TITLE", words)
        .env("SHORT_TOKEN", "shortvalue")
        .run();
}
