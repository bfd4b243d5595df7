//! One exchange over real sockets: what the HTTP client does, and above all what it must not do
//! behind our back. Every test is on loopback and bounded in time; none asserts a duration.

#![allow(
    clippy::unwrap_used,
    reason = "a failed step of a test is a failed test"
)]

use crate::support::server;

use std::future::Future;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bakeoff::gateway::{
    Authorities, Deadline, Endpoint, ExchangeEnd, FirstSent, OpenError, OutgoingRequest, Proxy,
    Reading, Recording, Transport, read,
};
use bakeoff::record::{Flag, Outcome};
use bakeoff::sim::{Scenario, Simulator, SimulatorHandle};
use bakeoff::suite::{ClockSource, Timeouts};
use bakeoff::units::Nanos;
use futures::future::join_all;
use serde_json::json;
use server::{ANSWER, Server, Then, response};

/// No test takes longer; what hangs is a failure.
const PATIENCE: Duration = Duration::from_secs(40);

/// Deadlines that no test reaches.
const LONG: Timeouts = Timeouts {
    connect_ns: Nanos::from_millis(60_000),
    headers_ns: Nanos::from_millis(60_000),
    gap_ns: Nanos::from_millis(60_000),
    total_ns: Nanos::from_millis(60_000),
};

/// A deadline that a server which says nothing is sure to miss.
const SHORT: Nanos = Nanos::from_millis(60);

/// A deadline that a server which falls silent is sure to miss, and that its first words are not.
const ENOUGH: Nanos = Nanos::from_millis(1_000);

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(async { tokio::time::timeout(PATIENCE, future).await })
        .expect("it hangs")
}

fn simulator() -> SimulatorHandle {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    Simulator::start(Scenario::built_in(), listener, None, 1).unwrap()
}

fn keyless(base_url: &str) -> Endpoint {
    Endpoint {
        base_url: base_url.to_owned(),
        key: None,
        key_header: None,
        headers: Vec::new(),
        proxy: None,
        authorities: Authorities::default(),
    }
}

fn asking(model: &str, request_id: &str) -> OutgoingRequest {
    let messages = json!([{ "role": "user", "content": "Why is the sky blue?" }]);
    let body = json!({ "model": model, "stream": true, "messages": messages });
    OutgoingRequest {
        path: "/chat/completions",
        request_id: request_id.to_owned(),
        body: body.to_string().into_bytes(),
        first_sent: None,
    }
}

fn reading(recording: &Recording) -> Reading {
    read(recording, &"sim/model".parse().unwrap(), true).into_inner()
}

/// A transport with one lane, whose connection is open.
async fn one_lane(base_url: &str, timeouts: Timeouts) -> Transport {
    let (transport, failed) = Transport::open(&keyless(base_url), timeouts, 1, ClockSource::User)
        .await
        .unwrap();
    assert_eq!(failed, None);
    transport
}

/// One exchange with the simulator.
fn ask_simulator(model: &str, timeouts: Timeouts) -> Reading {
    let running = simulator();
    block_on(async {
        let transport = one_lane(&running.base_url(), timeouts).await;
        reading(&transport.exchange(asking(model, "r")).await)
    })
}

/// A server that answers every question well.
fn answering() -> Server {
    Server::start(|_, _| (response("200 OK", "", ANSWER), Then::Keep))
}

#[test]
fn lanes_are_open_before_the_clock() {
    // The first answers of a run must not carry the time of a handshake.
    let server = answering();
    block_on(async {
        let (transport, failed) =
            Transport::open(&keyless(&server.base_url()), LONG, 8, ClockSource::User)
                .await
                .unwrap();
        assert_eq!(failed, None);
        let opened = server.seen();
        assert_eq!(opened.len(), 8);
        assert!(
            opened
                .iter()
                .all(|seen| seen.head.starts_with("OPTIONS /v1/chat/completions "))
        );
        let exchanges = (0..8).map(|_| transport.exchange(asking("m", "r")));
        for recording in join_all(exchanges).await {
            assert_eq!(recording.connect, None);
            assert_eq!(reading(&recording).outcome, Outcome::Complete);
            assert!(!reading(&recording).flags.contains(&Flag::Cold));
        }
    });
    let questions = server.questions();
    assert_eq!(questions.len(), 8);
    assert!(questions.iter().all(|seen| seen.connection < 8));
}

#[test]
fn requests_of_a_slot_note_the_first_instant() {
    // What a request is late by, in a closed loop, is counted from it: it is the earliest `sent` of them all, to the nanosecond.
    let server = answering();
    block_on(async {
        let endpoint = keyless(&server.base_url());
        let opened = Transport::open(&endpoint, LONG, 8, ClockSource::User).await;
        let (transport, _) = opened.unwrap();
        let first_sent = Arc::new(FirstSent::default());
        assert_eq!(first_sent.get(), None);
        let exchanges = (0..8).map(|_| {
            transport.exchange(OutgoingRequest {
                first_sent: Some(Arc::clone(&first_sent)),
                ..asking("m", "r")
            })
        });
        let recordings = join_all(exchanges).await;
        let earliest = recordings.iter().map(|recording| recording.sent).min();
        assert_eq!(first_sent.get(), earliest);
    });
}

#[test]
fn lanes_keep_their_connections() {
    // A connection opened in mid-run would make its sample cold; the longest-rested lane is taken,
    // so that its connection is back by then.
    let running = simulator();
    block_on(async {
        let (transport, _) =
            Transport::open(&keyless(&running.base_url()), LONG, 8, ClockSource::User)
                .await
                .unwrap();
        for _ in 0..40 {
            let recording = transport
                .exchange(asking("sim/constant-5ms-1ms-2", "r"))
                .await;
            assert_eq!(recording.connect, None);
        }
    });
}

#[test]
fn more_requests_than_lanes_are_rejected_and_not_queued() {
    // A queue in front of a connection would be measured as the model's time.
    let running = simulator();
    block_on(async {
        let transport = one_lane(&running.base_url(), LONG).await;
        let exchange = || transport.exchange(asking("sim/constant-50ms-1ms-2", "r"));
        let (first, second) = tokio::join!(exchange(), exchange());
        assert_eq!(first.ending, ExchangeEnd::Complete);
        assert!(matches!(second.ending, ExchangeEnd::ConnectFailed(_)));
    });
    assert_eq!(running.trace().len(), 1);
}

#[test]
fn requests_are_sent_as_configured() {
    // HTTP/1.1, no compression, our id, the profile's headers; a key only where there is one, and
    // never with the request that opens the connection.
    let server = answering();
    let with_key = Endpoint {
        base_url: server.base_url(),
        key: Some("marker-key".to_owned().into()),
        key_header: None,
        headers: vec![
            ("x-title".to_owned(), "bakeoff".to_owned()),
            ("accept-encoding".to_owned(), "gzip".to_owned()),
        ],
        proxy: None,
        authorities: Authorities::default(),
    };
    block_on(async {
        for endpoint in [&with_key, &keyless(&server.base_url())] {
            let (transport, _) = Transport::open(endpoint, LONG, 1, ClockSource::User)
                .await
                .unwrap();
            transport.exchange(asking("m", "run-0-1")).await;
        }
    });
    let seen = server.seen();
    let [opening, keyed, _, bare] = seen.as_slice() else {
        panic!("{seen:?}")
    };
    assert_eq!(opening.header("authorization"), None);
    assert_eq!(keyed.header("authorization"), Some("Bearer marker-key"));
    assert_eq!(keyed.header("x-title"), Some("bakeoff"));
    assert_eq!(bare.header("authorization"), None);
    assert_eq!(bare.header("x-title"), None);
    for question in [keyed, bare] {
        let line = question.head.lines().next();
        assert_eq!(line, Some("POST /v1/chat/completions HTTP/1.1"));
        assert_eq!(question.header("accept-encoding"), Some("identity"));
        assert_eq!(question.header("content-type"), Some("application/json"));
        assert_eq!(question.header("x-request-id"), Some("run-0-1"));
        assert!(
            question
                .header("user-agent")
                .unwrap()
                .starts_with("bakeoff/")
        );
        assert_eq!(question.body.as_bytes(), asking("m", "").body);
    }
}

#[test]
fn a_closed_connection_is_reopened_before_the_clock() {
    // Servers that close after each answer are ordinary: their answers must be comparable, not cold. The same
    // goes for a server that is about to close, by its own words.
    for (headers, then) in [
        ("connection: close\r\n", Then::Close),
        ("connection: close\r\n", Then::Hold),
        ("keep-alive: timeout=0\r\n", Then::Keep),
    ] {
        let server = Server::start(move |_, _| (response("200 OK", headers, ANSWER), then));
        block_on(async {
            let transport = one_lane(&server.base_url(), LONG).await;
            for _ in 0..4 {
                transport.prepare(1).await;
                let recording = transport.exchange(asking("m", "r")).await;
                assert_eq!(recording.connect, None, "{headers}");
                let reading = reading(&recording);
                assert_eq!(reading.outcome, Outcome::Complete);
                assert_eq!(reading.flags, []);
            }
        });
        let connections: Vec<usize> = server
            .questions()
            .iter()
            .map(|seen| seen.connection)
            .collect();
        assert_eq!(connections, [0, 1, 2, 3], "{headers}");
    }
}

#[test]
fn an_unannounced_end_is_seen_before_the_clock() {
    // Node closes an idle connection after 5 s, in the middle of the longer answer of another model.
    let server = Server::start(|_, _| (response("200 OK", "", ANSWER), Then::Close));
    block_on(async {
        let transport = one_lane(&server.base_url(), LONG).await;
        for ended in 0..4 {
            server.wait_until_closed(ended);
            let recording = transport.exchange(asking("m", "r")).await;
            assert_eq!(reading(&recording).outcome, Outcome::Complete);
            assert_eq!(recording.connect, None);
        }
    });
}

#[test]
fn a_silently_closed_connection_is_cold_or_lost_and_never_used_twice() {
    // The server closes without saying so. Whether the client notices before it writes is chance;
    // what must not happen is another outcome, or a request that is sent twice in secret.
    let server = Server::start(|_, _| (response("200 OK", "", ANSWER), Then::Close));
    let mut ids = Vec::new();
    block_on(async {
        let transport = one_lane(&server.base_url(), LONG).await;
        for number in 0..20 {
            let id = format!("r{number}");
            let recording = transport.exchange(asking("m", &id)).await;
            let outcome = reading(&recording).outcome;
            match (&recording.ending, recording.connect) {
                (ExchangeEnd::Complete, _) => assert_eq!(outcome, Outcome::Complete),
                (ExchangeEnd::ConnectionLost(_), None) => {
                    assert_eq!(outcome, Outcome::ConnectionLost);
                }
                other => panic!("{other:?}"),
            }
            ids.push(id);
        }
    });
    for id in ids {
        let times = server
            .questions()
            .iter()
            .filter(|seen| seen.header("x-request-id") == Some(&id))
            .count();
        assert!(times <= 1, "{id} was sent {times} times");
    }
}

#[test]
fn an_unanswered_request_is_not_sent_again() {
    // A second, silent try would be paid for and hidden in the first one's time.
    let server = Server::start(|number, _| match number {
        0 => (response("200 OK", "", ANSWER), Then::Keep),
        _ => (Vec::new(), Then::Close),
    });
    block_on(async {
        let transport = one_lane(&server.base_url(), LONG).await;
        transport.exchange(asking("m", "first")).await;
        let lost = transport.exchange(asking("m", "second")).await;
        assert_eq!(reading(&lost).outcome, Outcome::ConnectionLost);
        assert_eq!(lost.response, None);
    });
    assert_eq!(server.questions().len(), 2);
}

#[test]
fn no_one_there_is_a_failed_connection() {
    // Refused: reported when the run begins, and again by each exchange.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    block_on(async {
        let (transport, failed) = Transport::open(&keyless(&url), LONG, 2, ClockSource::User)
            .await
            .unwrap();
        let Some(ExchangeEnd::ConnectFailed(words)) = failed.as_deref() else {
            panic!("{failed:?}")
        };
        assert!(words.to_lowercase().contains("refused"), "{words}");
        let recording = transport.exchange(asking("m", "r")).await;
        assert_eq!(reading(&recording).outcome, Outcome::ConnectFailed);
    });
}

#[test]
fn plain_http_under_https_is_a_tls_failure() {
    // The commonest slip with own servers: it must not look like a dead server.
    let running = simulator();
    let url = running.base_url().replace("http://", "https://");
    block_on(async {
        let (transport, failed) = Transport::open(&keyless(&url), LONG, 1, ClockSource::User)
            .await
            .unwrap();
        assert!(
            matches!(failed.as_deref(), Some(ExchangeEnd::TlsFailed(_))),
            "{failed:?}"
        );
        let recording = transport.exchange(asking("m", "r")).await;
        assert_eq!(reading(&recording).outcome, Outcome::TlsFailed);
    });
    assert!(running.trace().is_empty());
}

#[test]
fn unusable_endpoints_are_refused_without_showing_the_key() {
    // The message goes to terminals and logs.
    let open = |base_url: &str, key: Option<&str>, header: Option<(&str, &str)>| {
        let endpoint = Endpoint {
            base_url: base_url.to_owned(),
            key: key.map(|key| key.to_owned().into()),
            key_header: None,
            headers: header
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into_iter()
                .collect(),
            proxy: None,
            authorities: Authorities::default(),
        };
        block_on(Transport::open(&endpoint, LONG, 1, ClockSource::User))
            .err()
            .unwrap()
    };
    let fine = "http://127.0.0.1:9/v1";
    assert!(matches!(
        open("ftp://host/v1", None, None),
        OpenError::Url(_)
    ));
    let key = open(fine, Some("marker\nkey"), None);
    assert!(matches!(key, OpenError::Key) && !key.to_string().contains("marker"));
    let header = open(fine, None, Some(("x-a", "line\nbreak")));
    assert!(matches!(header, OpenError::Header(_)) && header.to_string().contains("x-a"));
    let host = open("http://no-such-host.invalid/v1", None, None);
    assert!(matches!(host, OpenError::Host(..)), "{host}");
}

#[test]
fn a_redirect_is_an_outcome_and_the_key_stays_here() {
    // Following it would time two requests as one, and send the key to any host that is named.
    let elsewhere = answering();
    let location = format!("location: {}/chat/completions\r\n", elsewhere.base_url());
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let location = location.clone();
        let server = Server::start(move |_, _| (response(status, &location, ""), Then::Keep));
        let endpoint = Endpoint {
            key: Some("marker-key".to_owned().into()),
            ..keyless(&server.base_url())
        };
        block_on(async {
            let (transport, _) = Transport::open(&endpoint, LONG, 1, ClockSource::User)
                .await
                .unwrap();
            let reading = reading(&transport.exchange(asking("m", "r")).await);
            assert_eq!(reading.outcome, Outcome::Rejected);
            assert_eq!(reading.status.map(|status| status / 100), Some(3));
        });
    }
    assert!(elsewhere.seen().is_empty());
}

#[test]
fn a_compressed_answer_is_decoded_and_flagged() {
    // We ask for none, but proxies do as they please.
    for fault in ["gzip", "brotli"] {
        let reading = ask_simulator(&format!("sim/constant-5ms-2ms-12+{fault}"), LONG);
        assert_eq!(reading.outcome, Outcome::Complete, "{fault}");
        assert!(reading.flags.contains(&Flag::Compressed));
        assert!(!reading.answer.unwrap().is_empty() && reading.first_token.is_some());
    }
    let held = ask_simulator("sim/constant-5ms-2ms-12+gzip-held", LONG);
    assert!(held.flags.contains(&Flag::Buffered) && held.flags.contains(&Flag::Compressed));
    let plain = ask_simulator("sim/constant-5ms-2ms-12", LONG);
    assert!(!plain.flags.contains(&Flag::Compressed));
}

#[test]
fn an_answer_whose_beginning_was_held_back_is_flagged() {
    // A proxy that waits for 4 KiB, or for 200 ms, lets everything after them through: only the first read shows
    // that its TTFT is not the model's.
    for fault in ["buffered-4096", "buffered-100ms", "buffered"] {
        let reading = ask_simulator(&format!("sim/constant-20ms-5ms-48+{fault}"), LONG);
        assert_eq!(reading.outcome, Outcome::Complete, "{fault}");
        assert!(reading.flags.contains(&Flag::Buffered), "{fault}");
    }
}

/// Request line and headers of the next request.
fn read_head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.extend_from_slice(&byte);
    }
    String::from_utf8(head).unwrap()
}

/// A proxy for one connection, which leads to `target` whatever is asked for. Returns its URL and the thread, which
/// ends with the request for the tunnel.
fn proxy(target: String, reply: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://user:pass@{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = read_head(&mut client);
        client.write_all(reply.as_bytes()).unwrap();
        if reply.contains(" 200 ") {
            let mut server = TcpStream::connect(target).unwrap();
            let (mut from_client, mut to_server) =
                (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
            let _ = std::io::copy(&mut server, &mut client);
        }
        head
    });
    (url, thread)
}

fn behind(proxy_url: &str) -> Endpoint {
    let base_url = "http://gateway.invalid/v1";
    let variable = |name: &str| (name == "ALL_PROXY").then(|| proxy_url.to_owned());
    Endpoint {
        proxy: Proxy::from_variables(base_url, variable).unwrap(),
        ..keyless(base_url)
    }
}

#[test]
fn a_proxy_makes_a_tunnel() {
    // The name of the endpoint is the proxy's to resolve; what goes through the tunnel is as without it.
    let running = simulator();
    let target = running.base_url();
    let target = target.trim_start_matches("http://").trim_end_matches("/v1");
    let (url, thread) = proxy(
        target.to_owned(),
        "HTTP/1.1 200 Connection established\r\n\r\n",
    );
    block_on(async {
        let (transport, failed) = Transport::open(&behind(&url), LONG, 1, ClockSource::User)
            .await
            .unwrap();
        assert_eq!(failed, None);
        for _ in 0..2 {
            let recording = transport
                .exchange(asking("sim/constant-2ms-1ms-4", "r"))
                .await;
            assert_eq!(recording.connect, None);
            assert_eq!(reading(&recording).outcome, Outcome::Complete);
        }
    });
    drop(running);
    let head = thread.join().unwrap();
    assert!(
        head.starts_with("CONNECT gateway.invalid:80 HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(
        head.contains("proxy-authorization: Basic dXNlcjpwYXNz\r\n"),
        "{head}"
    );
}

#[test]
fn a_proxy_that_refuses_is_named_without_its_password() {
    for (reply, words) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "HTTP 407",
        ),
        (
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
            "HTTP 403",
        ),
        ("SSH-2.0-OpenSSH_9.9\r\n", "proxy"),
    ] {
        let (url, thread) = proxy(String::new(), reply);
        block_on(async {
            let (_, failed) = Transport::open(&behind(&url), LONG, 1, ClockSource::User)
                .await
                .unwrap();
            let Some(ExchangeEnd::ConnectFailed(message)) = failed.as_deref() else {
                panic!("{failed:?}")
            };
            assert!(
                message.contains(words) && message.contains("proxy"),
                "{message}"
            );
            assert!(!message.contains("pass@"), "{message}");
        });
        thread.join().unwrap();
    }
}

#[test]
fn done_is_the_end_although_the_line_stays_open() {
    // Some proxies keep the body open for minutes after `[DONE]`: a run must not wait for that.
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let server = Server::start(move |_, _| (format!("{head}{ANSWER}").into_bytes(), Then::Hold));
    let hour = Nanos::from_millis(3_600_000);
    let patient = Timeouts {
        gap_ns: hour,
        total_ns: hour,
        ..LONG
    };
    block_on(async {
        let transport = one_lane(&server.base_url(), patient).await;
        let recording = transport.exchange(asking("m", "r")).await;
        assert_eq!(recording.ending, ExchangeEnd::Complete);
        assert_eq!(reading(&recording).outcome, Outcome::Complete);
        // The wait for the end is not part of the answer.
        let last = recording
            .response
            .as_ref()
            .unwrap()
            .body
            .frames()
            .last()
            .unwrap()
            .at;
        assert_eq!(recording.end, last);
        assert_eq!(reading(&recording).end, last);
    });
}

#[test]
fn each_deadline_has_its_outcome() {
    // What to raise in the suite depends on which one passed.
    let headers = Timeouts {
        headers_ns: SHORT,
        ..LONG
    };
    let gap = |gap_ns| Timeouts { gap_ns, ..LONG };
    let total = |total_ns| Timeouts { total_ns, ..LONG };
    let model = |fault: &str| format!("sim/constant-1ms-1ms-4+{fault}");
    for (model, timeouts, outcome, has_token) in [
        (
            model("stall-headers"),
            headers,
            Outcome::TimedOutHeaders,
            false,
        ),
        (
            model("stall-first"),
            gap(SHORT),
            Outcome::TimedOutGap,
            false,
        ),
        (model("stall"), gap(ENOUGH), Outcome::TimedOutGap, true),
        (
            model("stall-headers"),
            total(SHORT),
            Outcome::TimedOutTotal,
            false,
        ),
        (
            model("stall-first"),
            total(SHORT),
            Outcome::TimedOutTotal,
            false,
        ),
        (model("stall"), total(ENOUGH), Outcome::TimedOutTotal, true),
    ] {
        let reading = ask_simulator(&model, timeouts);
        assert_eq!(reading.outcome, outcome, "{model}");
        assert_eq!(reading.first_token.is_some(), has_token, "{model}");
    }
}

#[test]
fn a_handshake_that_is_not_answered_ends_by_the_connect_deadline() {
    // A firewall that swallows packets: the time belongs to the connection, not to the model.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/v1", silent.local_addr().unwrap());
    let impatient = Timeouts {
        connect_ns: SHORT,
        ..LONG
    };
    block_on(async {
        let (transport, failed) = Transport::open(&keyless(&url), impatient, 1, ClockSource::User)
            .await
            .unwrap();
        assert_eq!(
            failed.as_deref(),
            Some(&ExchangeEnd::TimedOut(Deadline::Connect))
        );
        let recording = transport.exchange(asking("m", "r")).await;
        assert_eq!(reading(&recording).outcome, Outcome::TimedOutConnect);
    });
}

#[test]
fn a_lane_recovers_from_a_failure() {
    // After a timeout, a reset, a cut, the next exchange on the lane is an ordinary one, cold at worst.
    let running = simulator();
    let timeouts = Timeouts {
        gap_ns: ENOUGH,
        ..LONG
    };
    block_on(async {
        let transport = one_lane(&running.base_url(), timeouts).await;
        for (fault, outcome) in [
            ("stall", Outcome::TimedOutGap),
            ("reset", Outcome::ConnectionLost),
            ("reset-headers", Outcome::ConnectionLost),
            ("cut-transport", Outcome::ConnectionLost),
            ("cut", Outcome::Cut),
            ("linger", Outcome::Complete),
        ] {
            let model = format!("sim/constant-2ms-1ms-4+{fault}");
            let failed = reading(&transport.exchange(asking(&model, "r")).await);
            assert_eq!(failed.outcome, outcome, "{fault}");
            let next = transport
                .exchange(asking("sim/constant-2ms-1ms-4", "r"))
                .await;
            assert_eq!(reading(&next).outcome, Outcome::Complete, "after {fault}");
        }
    });
}

#[test]
fn what_is_not_http_is_a_protocol_error() {
    // Such a server may leave the connection open: it must need no deadline, and look like no network fault.
    for reply in [
        "SSH-2.0-OpenSSH_9.9\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ] {
        let server = Server::start(move |_, _| (reply.as_bytes().to_vec(), Then::Hold));
        block_on(async {
            let transport = one_lane(&server.base_url(), LONG).await;
            let recording = transport.exchange(asking("m", "r")).await;
            assert!(
                matches!(recording.ending, ExchangeEnd::InvalidHttp(_)),
                "{reply}"
            );
            assert_eq!(reading(&recording).outcome, Outcome::ProtocolError);
        });
    }
}

#[test]
fn events_that_arrived_together_are_no_gaps() {
    // However they were framed: what one read brings tells nothing about the time between its events.
    let event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"yes\"}}]}\n\n";
    let chunk = format!("{:x}\r\n{event}\r\n", event.len());
    let last = format!("{:x}\r\n{ANSWER}\r\n0\r\n\r\n", ANSWER.len());
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let burst = format!("{head}{}{last}", chunk.repeat(29));
    let server = Server::start(move |_, _| (burst.clone().into_bytes(), Then::Keep));
    block_on(async {
        let transport = one_lane(&server.base_url(), LONG).await;
        for _ in 0..8 {
            let recording = transport.exchange(asking("m", "r")).await;
            let reading = reading(&recording);
            assert_eq!(reading.outcome, Outcome::Complete);
            assert_eq!((reading.gaps.gaps.len(), reading.gaps.coalesced), (0, 29));
        }
    });
}

#[test]
fn comments_alone_meet_the_deadline_between_two_parts_of_an_answer() {
    // Gateways send comments while they wait for a provider, for ever if it never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The request that opens the connection, and then the question.
        read_head(&mut stream);
        stream
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .unwrap();
        read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        // Until the client hangs up.
        while stream.write_all(b": processing\n\n").is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let impatient = Timeouts {
        gap_ns: SHORT,
        ..LONG
    };
    block_on(async {
        let transport = one_lane(&url, impatient).await;
        let recording = transport.exchange(asking("m", "r")).await;
        assert_eq!(recording.ending, ExchangeEnd::TimedOut(Deadline::Gap));
    });
    server.join().unwrap();
}

#[test]
fn an_endless_answer_ends_at_the_limit() {
    // A server that never stops must fill neither memory nor time.
    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let event = format!(
        "data: {{\"choices\":[],\"padding\":\"{}\"}}\n\n",
        "x".repeat(1_000)
    );
    while endless.len() <= bakeoff::gateway::recording::BYTES_PER_ANSWER + event.len() {
        endless.extend_from_slice(event.as_bytes());
    }
    let server = Server::start(move |_, _| (endless.clone(), Then::Close));
    block_on(async {
        let transport = one_lane(&server.base_url(), LONG).await;
        let recording = transport.exchange(asking("m", "r")).await;
        assert_eq!(recording.ending, ExchangeEnd::TooLarge);
        let stored_bytes = recording.response.as_ref().unwrap().body.bytes().len();
        assert!(stored_bytes <= bakeoff::gateway::recording::BYTES_PER_ANSWER);
        assert_eq!(reading(&recording).outcome, Outcome::TooLarge);
    });
}

#[test]
fn whatever_a_server_says_is_an_outcome() {
    // Strangers' bytes: never a panic, never a success, and what was understood is kept.
    let many_headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(10_000));
    for reply in [
        "",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 999 Beyond\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope",
        "HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n<!DOCTYPE html>",
        &many_headers,
    ] {
        let bytes = reply.as_bytes().to_vec();
        let server = Server::start(move |_, _| (bytes.clone(), Then::Close));
        let reading = block_on(async {
            let transport = one_lane(&server.base_url(), LONG).await;
            reading(&transport.exchange(asking("m", "r")).await)
        });
        let shown = &reply[..reply.len().min(60)];
        assert!(
            !reading.outcome.answered(),
            "{shown:?}: {:?}",
            reading.outcome
        );
        assert!(reading.error.is_some(), "{shown:?}");
        assert_eq!(reading.answer, None, "{shown:?}");
    }
}
