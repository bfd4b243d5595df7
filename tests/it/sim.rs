//! The simulator over real sockets, asked by a client that shares no code with the project's own.

#![allow(
    clippy::unwrap_used,
    reason = "a failed step of a test is a failed test"
)]

use crate::support::plain_client;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bakeoff::sim::trace::{Playback, TraceRecord};
use bakeoff::sim::{Scenario, Simulator, SimulatorHandle};
use bakeoff::units::Nanos;
use plain_client::{Reply, chat, chat_body, chat_with, connect, get, parse, receive, send};
use serde_json::{Value, json};

fn start(scenario: &str) -> SimulatorHandle {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let scenario = Scenario::parse(scenario).unwrap();
    Simulator::start(scenario, listener, None, 1).unwrap()
}

/// Checks the order of a record's instants.
fn assert_ordered(trace: &TraceRecord) {
    let mut instants = vec![trace.arrival_ns];
    instants.extend(trace.headers_ns);
    instants.extend(trace.first_token_ns);
    instants.extend(&trace.chunks_ns);
    instants.push(trace.end_ns);
    assert!(instants.is_sorted(), "{trace:?}");
    assert_eq!(trace.first_token_ns, trace.chunks_ns.first().copied());
}

#[test]
fn a_client_never_sees_a_token_before_the_truth() {
    // What the whole project rests on: the server trace is a lower bound of what can be measured.
    let running = start("");
    let mut stream = connect(&running);
    let body = chat_body("sim/constant-20ms-5ms-8", true);
    let sent = Instant::now();
    send(
        &mut stream,
        "POST",
        "/v1/chat/completions",
        "x-request-id: r1\r\n",
        &body,
    );
    let (mut bytes, mut first_seen) = (Vec::new(), None);
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        let now = sent.elapsed();
        if read == 0 {
            break;
        }
        bytes.extend_from_slice(&buffer[..read]);
        if String::from_utf8_lossy(&bytes).contains("\"content\"") {
            first_seen.get_or_insert(now);
        }
    }
    let reply = parse(&bytes, None);
    assert!(reply.whole && reply.text().ends_with("data: [DONE]\n\n"));
    let trace = running.trace().pop().unwrap();
    assert_ordered(&trace);
    let true_ttft = trace.first_token_ns.unwrap().since(trace.arrival_ns);
    assert!(Nanos::from(first_seen.unwrap()) >= true_ttft);
    // A deadline is never early.
    assert!(true_ttft >= Nanos::from_millis(20));
    assert_eq!((trace.chunks, trace.completion_tokens), (8, 8));
    assert_eq!(trace.request_id.as_deref(), Some("r1"));
    assert_eq!(trace.playback, Playback::Whole);
}

#[test]
fn whole_answers_carry_the_same_account() {
    // A request that does not stream gets JSON with a length, and the same bill.
    let running = start("generation_delay_ms = 0");
    let reply = chat_with(&running, "", &chat_body("openai/gpt-4.1-nano", false));
    assert_eq!(reply.status, 200);
    assert!(reply.has_header("content-type: application/json"));
    assert!(reply.head.to_ascii_lowercase().contains("content-length: "));
    let answer = reply.json();
    assert_eq!(answer["object"], "chat.completion");
    assert!(
        !answer["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .is_empty()
    );
    let id = answer["id"].as_str().unwrap();
    let generation = get(&running, &format!("/v1/generation?id={id}")).json();
    assert_eq!(generation["data"]["total_cost"], answer["usage"]["cost"]);
    assert_eq!(
        generation["data"]["latency"],
        generation["data"]["generation_time"]
    );
    let credits = get(&running, "/v1/credits").json();
    let used: bakeoff::units::Usd = credits["total_used"].as_str().unwrap().parse().unwrap();
    assert_eq!(Some(used), running.trace()[0].cost_usd);
}

#[test]
fn generations_come_late() {
    // The real gateway answers 404 for seconds: clients must poll.
    let running = start("generation_delay_ms = 600000");
    let reply = chat(&running, "sim/constant-1ms-1ms-1");
    let id = running.trace()[0].generation_id.clone().unwrap();
    assert!(reply.text().contains(&id));
    let early = get(&running, &format!("/v1/generation?id={id}"));
    assert_eq!(early.status, 404);
    assert_eq!(early.json()["error"], "Usage event not found");
    assert_eq!(get(&running, "/v1/generation").status, 400);
    assert_eq!(get(&running, "/v1/generation?id=x").status, 400);
}

#[test]
fn routes_answer_as_the_gateway_does() {
    // Lists, JSON and HTML 404s, empty 405s, and a cheap HEAD to open connections with.
    let running = start("");
    let models = get(&running, "/v1/models").json();
    assert_eq!(models["data"].as_array().unwrap().len(), 58);
    let endpoints = get(&running, "/v1/models/deepseek/deepseek-v3.2/endpoints").json();
    let listed = endpoints["data"]["endpoints"].as_array().unwrap();
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[2]["pricing"]["prompt"], "0.00000056");
    assert_eq!(get(&running, "/v1/models/no/such/endpoints").status, 404);
    // SDKs escape the slash of an id.
    let escaped = get(&running, "/v1/models/openai%2Fgpt-5-mini").json();
    assert_eq!(escaped["id"], "openai/gpt-5-mini");
    assert_eq!(get(&running, "/v1/models/openai%2Fnone").status, 404);
    let unknown = get(&running, "/v1/unknown");
    assert_eq!(unknown.json()["error"]["type"], "not_found_error");
    let outside = get(&running, "/chat/completions");
    assert_eq!(outside.status, 404);
    assert!(outside.text().starts_with("<!DOCTYPE html>"));
    let wrong_method = get(&running, "/v1/chat/completions");
    assert_eq!(
        (wrong_method.status, wrong_method.text().as_str()),
        (405, "")
    );
    for path in ["/v1/chat/completions", "/v1/models", "/v1/credits"] {
        let mut stream = connect(&running);
        send(&mut stream, "HEAD", path, "", "");
        let reply = receive(&mut stream);
        assert_eq!((reply.status, reply.text().as_str()), (200, ""), "{path}");
    }
}

#[test]
fn keys_are_checked() {
    // Three keys: none, a wrong one, a right one; the catalog needs none.
    let running = start("[access]\nkeys = [\"vck_right\"]\nmissing_key = \"refuse\"");
    let body = chat_body("sim/constant-1ms-1ms-1", true);
    let status = |headers: &str| chat_with(&running, headers, &body).status;
    assert_eq!(status(""), 401);
    assert_eq!(status("authorization: Bearer vck_wrong\r\n"), 401);
    assert_eq!(status("authorization: Bearer vck_right\r\n"), 200);
    assert_eq!(get(&running, "/v1/models").status, 200);
    assert_eq!(get(&running, "/v1/credits").status, 401);
}

#[test]
fn bad_requests_are_refused_and_recorded() {
    // Whatever a client sends, there is an answer in the gateway's shape and a record of it.
    let running = start("");
    for (body, status, kind) in [
        ("nonsense", 400, "invalid_request_error"),
        (&chat_body("no/such", true), 404, "model_not_found"),
        (
            &chat_body("openai/gpt-4.1-nano+nonsense", true),
            404,
            "model_not_found",
        ),
        (
            &chat_body("openai/text-embedding-3-small", true),
            400,
            "invalid_request_error",
        ),
    ] {
        let reply = chat_with(&running, "", body);
        assert_eq!(
            (reply.status, &reply.json()["error"]["type"]),
            (status, &json!(kind))
        );
        assert!(reply.whole);
    }
    let statuses: Vec<u16> = running.trace().iter().map(|trace| trace.status).collect();
    assert_eq!(statuses, [400, 404, 404, 400]);
}

#[test]
fn connections_break_as_the_script_says() {
    // Four different ends, which a client has to tell apart.
    let running = start("");
    let ends = |fault: &str| chat(&running, &format!("sim/constant-5ms-1ms-8+{fault}"));
    let cut = ends("cut");
    assert!(cut.whole && cut.text().contains("content") && !cut.text().contains("[DONE]"));
    let transport = ends("cut-transport");
    assert!(!transport.whole && transport.text().contains("content"));
    let reset = ends("reset");
    assert_eq!(reset.error, Some(ErrorKind::ConnectionReset));
    assert_eq!(reset.text().matches("content").count(), 1);
    let silent = ends("reset-headers");
    assert_eq!(
        (silent.status, silent.error),
        (0, Some(ErrorKind::ConnectionReset))
    );
    assert!(
        running
            .trace()
            .iter()
            .all(|trace| trace.playback == Playback::Whole)
    );
    running.trace().iter().for_each(assert_ordered);
}

#[test]
fn a_stall_keeps_the_first_token_flowing() {
    // The first token must reach the client although nothing follows it: each step is flushed.
    let running = start("");
    for (fault, expected) in [
        ("stall", "\"content\""),
        ("stall-first", "\"role\""),
        ("linger", "[DONE]"),
    ] {
        let mut stream = connect(&running);
        let body = chat_body(&format!("sim/constant-5ms-1ms-4+{fault}"), true);
        send(&mut stream, "POST", "/v1/chat/completions", "", &body);
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
        while !String::from_utf8_lossy(&bytes).contains(expected) {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "{fault} ended");
            bytes.extend_from_slice(&buffer[..read]);
        }
        // Nothing more comes, however long one waits; a broken stall would end or go on.
        stream
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let waited = stream.read(&mut buffer).map_err(|e| e.kind());
        let silent = [Err(ErrorKind::WouldBlock), Err(ErrorKind::TimedOut)];
        assert!(silent.contains(&waited), "{fault}: {waited:?}");
    }
}

#[test]
fn bytes_leave_in_the_pieces_of_the_script() {
    // One byte per write means one HTTP chunk per byte; a buffer means pieces of its size.
    let running = start("");
    let bytewise = chat(&running, "sim/constant-2ms-1ms-3+bytewise");
    assert!(bytewise.whole && bytewise.pieces.iter().all(|piece| piece.len() == 1));
    let split = chat(&running, "sim/constant-2ms-1ms-3+split-char");
    let broken = split
        .pieces
        .iter()
        .filter(|piece| std::str::from_utf8(piece).is_err());
    assert!(broken.count() >= 2 && split.text().contains('🙂'));
    let held = chat(&running, "sim/constant-2ms-1ms-3+buffered-100");
    let (_, full) = held.pieces.split_last().unwrap();
    assert!(full.iter().all(|piece| piece.len() == 100));
    assert_eq!(
        chat(&running, "sim/constant-2ms-1ms-3+buffered")
            .pieces
            .len(),
        1
    );
    let gzip = chat(&running, "sim/constant-2ms-1ms-3+gzip");
    assert!(gzip.has_header("content-encoding: gzip"));
}

#[test]
fn limits_are_enforced() {
    // The third request of a minute waits; the request after the budget is spent pays first.
    let rate = "[rate_limit]\nrequests_per_minute = 1\nburst = 2\nretry_after = \"seconds\"";
    let running = start(rate);
    let statuses = [(); 3].map(|()| chat(&running, "sim/constant-1ms-1ms-1").status);
    assert_eq!(statuses, [200, 200, 429]);
    let refused = chat(&running, "sim/constant-1ms-1ms-1");
    assert!(refused.head.to_ascii_lowercase().contains("retry-after: "));
    let running = start("[budget]\nusd_per_key = \"0.000001\"");
    let first = chat(&running, "openai/gpt-4.1-nano");
    assert!(
        first.whole && first.text().contains("[DONE]"),
        "a soft budget completes"
    );
    let second = chat(&running, "openai/gpt-4.1-nano");
    assert_eq!(second.status, 402);
    assert_eq!(second.json()["error"]["type"], "quota_for_entity_exceeded");
}

#[test]
fn repeated_prompts_are_cached_and_repetitions_counted() {
    // Shared state: the second of two equal long prompts reads the cache, and is ordinal 1.
    let running = start("");
    let messages = json!([{ "role": "user", "content": "word ".repeat(2_000) }]);
    let body = json!({ "model": "openai/gpt-4.1-nano", "messages": messages, "max_tokens": 2 });
    for _ in 0..2 {
        assert_eq!(chat_with(&running, "", &body.to_string()).status, 200);
    }
    let trace = running.trace();
    assert_eq!([trace[0].ordinal, trace[1].ordinal], [0, 1]);
    assert_eq!(trace[0].cached_tokens, 0);
    assert!(trace[1].cached_tokens >= 2_304 && trace[1].cost_usd < trace[0].cost_usd);
}

#[test]
fn many_streams_share_one_thread() {
    // Many answers in flight at once (few enough for a small descriptor table), all whole, each
    // with its own record.
    let running = start("");
    let mut streams: Vec<TcpStream> = (0..80).map(|_| connect(&running)).collect();
    let body = chat_body("sim/constant-30ms-2ms-20", true);
    for stream in &mut streams {
        send(stream, "POST", "/v1/chat/completions", "", &body);
    }
    for stream in &mut streams {
        let reply = receive(stream);
        assert!(reply.whole && reply.text().ends_with("data: [DONE]\n\n"));
    }
    let trace = running.trace();
    assert_eq!(trace.len(), 80);
    trace.iter().for_each(assert_ordered);
    assert!(trace.iter().all(|trace| trace.chunks == 20));
}

#[test]
fn connections_are_reused_for_the_next_request() {
    // Timing needs warm connections: an answer, also a cut one, leaves its connection usable.
    let running = start("");
    let mut stream = connect(&running);
    for model in ["sim/constant-1ms-1ms-2+cut", "sim/constant-1ms-1ms-2"] {
        let body = chat_body(model, true);
        let length = body.len();
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: sim\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
        while !bytes.ends_with(b"\r\n0\r\n\r\n") {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "the server closed the connection");
            bytes.extend_from_slice(&buffer[..read]);
        }
        assert!(parse(&bytes, None).whole);
    }
    assert_eq!(running.trace().len(), 2);
}

#[test]
fn bodies_beyond_the_limit_are_refused() {
    // A stranger's body must not fill the memory: beyond 32 MiB the answer is 413.
    let running = start("");
    let mut stream = connect(&running);
    let length = 33 * 1024 * 1024;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: sim\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The server answers from the announced length, before any byte of the body.
    assert_eq!(receive(&mut stream).status, 413);
}

/// Posts a body to a path and gives what came back.
fn post(running: &SimulatorHandle, path: &str, headers: &str, body: &Value) -> Reply {
    let mut stream = connect(running);
    send(&mut stream, "POST", path, headers, &body.to_string());
    receive(&mut stream)
}

#[test]
fn messages_and_responses_are_played_like_chats() {
    // The further routes have the clock, the trace and the bill of the first.
    let running = start("");
    let model = "sim/constant-20ms-5ms-8";
    let turns = json!([{ "role": "user", "content": "Why?" }]);
    let messages = json!({ "model": model, "stream": true, "max_tokens": 50, "messages": turns });
    let responses =
        json!({ "model": model, "stream": true, "max_output_tokens": 50, "input": "Why?" });
    for (path, body, last) in [
        ("/v1/messages", messages, "message_stop"),
        ("/v1/responses", responses, "response.completed"),
    ] {
        let reply = post(&running, path, "", &body);
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.has_header("content-type: text/event-stream"));
        assert!(reply.whole && reply.text().contains(&format!("event: {last}\n")));
        let trace = running.trace().pop().unwrap();
        assert_ordered(&trace);
        assert_eq!((trace.chunks, trace.completion_tokens), (8, 8), "{path}");
        let ttft = trace.first_token_ns.unwrap().since(trace.arrival_ns);
        assert!(ttft >= Nanos::from_millis(20), "{path}");
    }
    let unlimited = json!({ "model": model, "messages": turns });
    let refused = post(&running, "/v1/messages", "", &unlimited);
    assert_eq!(
        (refused.status, &refused.json()["type"]),
        (400, &json!("error"))
    );
}

#[test]
fn keys_come_as_each_route_carries_them() {
    // Clients of Anthropic send x-api-key, clients of Azure api-key; neither is a key elsewhere.
    let access = "[access]\nkeys = [\"right\"]\nmissing_key = \"refuse\"";
    let chat: Value = serde_json::from_str(&chat_body("sim/constant-1ms-1ms-1", true)).unwrap();
    let mut message = chat.clone();
    message["max_tokens"] = json!(5);
    let status = |scenario: &str, path: &str, header: &str| {
        let running = start(&format!("{scenario}\n{access}"));
        let body = if path.ends_with("messages") {
            &message
        } else {
            &chat
        };
        post(&running, path, &format!("{header}: right\r\n"), body).status
    };
    assert_eq!(status("", "/v1/messages", "x-api-key"), 200);
    assert_eq!(status("", "/v1/chat/completions", "x-api-key"), 401);
    let azure = "dialect = \"azure\"";
    assert_eq!(status(azure, "/openai/v1/chat/completions", "api-key"), 200);
    assert_eq!(status("", "/v1/chat/completions", "api-key"), 401);
}

#[test]
fn every_dialect_has_its_path_its_list_and_its_errors() {
    // What a client of that vendor asks first: the base path, the models, and a wrong model.
    let id = "openai/gpt-5-mini";
    for (dialect, base, pointer, expected) in [
        ("vercel", "/v1", "/pricing/input", json!("0.00000025")),
        (
            "openrouter",
            "/api/v1",
            "/pricing/prompt",
            json!("0.00000025"),
        ),
        ("openai", "/v1", "/owned_by", json!("openai")),
        ("litellm", "/v1", "/object", json!("model")),
        ("vllm", "/v1", "/max_model_len", json!(400_000)),
        ("llamacpp", "/v1", "/meta/n_ctx_train", json!(400_000)),
        ("ollama", "/v1", "/id", json!("openai/gpt-5-mini:latest")),
        ("groq", "/openai/v1", "/active", json!(true)),
        ("deepseek", "", "/owned_by", json!("openai")),
        ("mistral", "/v1", "/max_context_length", json!(400_000)),
        (
            "azure",
            "/openai/v1",
            "/capabilities/inference",
            json!(true),
        ),
        ("anthropic", "/v1", "/type", json!("model")),
    ] {
        let running = start(&format!("dialect = \"{dialect}\""));
        let listed = get(&running, &format!("{base}/models")).json();
        let entries = listed["data"].as_array().unwrap();
        let entry = entries.iter().find(|entry| {
            let found = entry["id"].as_str().unwrap();
            found.trim_end_matches(":latest") == id
        });
        let found = entry.unwrap().pointer(pointer).cloned();
        assert_eq!(found, Some(expected), "{dialect}");
        // The id of the list is an id that answers, under the vendor's path and under /v1.
        let listed_id = entry.unwrap()["id"].as_str().unwrap().to_owned();
        for path in [base, "/v1"] {
            let body = serde_json::from_str(&chat_body(&format!("{listed_id}+429"), true));
            let path = format!("{path}/chat/completions");
            let limited = post(&running, &path, "", &body.unwrap());
            assert_eq!(limited.status, 429, "{dialect} {path}");
            assert!(limited.text().contains("Rate limit exceeded"));
        }
        let vercels = get(&running, "/v1/report").status == 403;
        assert_eq!(vercels, dialect == "vercel", "{dialect}");
    }
}

/// A file in memory.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn stopping_records_what_was_in_flight() {
    // A trace file is complete: what a stop cuts off is in it, marked as abandoned.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let sink = Sink::default();
    let trace = Box::new(sink.clone());
    let running = Simulator::start(Scenario::built_in(), listener, Some(trace), 1).unwrap();
    chat(&running, "sim/constant-1ms-1ms-2");
    let mut stream = connect(&running);
    let body = chat_body("sim/constant-1ms-60000ms-2", true);
    send(&mut stream, "POST", "/v1/chat/completions", "", &body);
    let mut buffer = [0; 64];
    assert!(stream.read(&mut buffer).unwrap() > 0);
    running.stop().unwrap();
    let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    let lines = text.lines().map(serde_json::from_str::<TraceRecord>);
    let records: Vec<TraceRecord> = lines.collect::<Result<_, _>>().unwrap();
    let played: Vec<Playback> = records.iter().map(|trace| trace.playback).collect();
    assert_eq!(played, [Playback::Whole, Playback::Abandoned]);
    records.iter().for_each(assert_ordered);
}
