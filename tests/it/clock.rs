//! The clock of what arrives, under both sources: what is bounded, and what our own pauses spoil.

use bakeoff::gateway::{Authorities, Endpoint, OutgoingRequest, Transport, read, supported_clock};
use bakeoff::record::{Flag, Manifest};
use bakeoff::suite::{ClockSource, Timeouts};
use bakeoff::units::Nanos;

use crate::support::program::Home;
use crate::support::server::{ANSWER, Server, Then};

/// Deadlines that no test reaches.
const LONG: Timeouts = Timeouts {
    connect_ns: Nanos::from_millis(60_000),
    headers_ns: Nanos::from_millis(60_000),
    gap_ns: Nanos::from_millis(60_000),
    total_ns: Nanos::from_millis(60_000),
};

/// The sources that this system has.
fn sources() -> impl Iterator<Item = ClockSource> {
    let requested = [ClockSource::User, ClockSource::Kernel].into_iter();
    requested.filter(|source| supported_clock(*source) == *source)
}

#[test]
fn a_first_token_among_others_is_bounded() {
    // One read has one stamp, that of its last byte. A first token alone is exact, and says so by the absence of the flag.
    let event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"yes\"}}]}\n\n";
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for source in sources() {
        for (events, is_bounded) in [(0, false), (1, true), (4, true)] {
            // ANSWER has one token of its own.
            let body = format!("{}{ANSWER}", event.repeat(events));
            let length = body.len();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
            let server = Server::start(move |_, _| (answer.clone().into_bytes(), Then::Keep));
            let endpoint = Endpoint {
                base_url: server.base_url(),
                key: None,
                key_header: None,
                headers: Vec::new(),
                proxy: None,
                authorities: Authorities::default(),
            };
            let recording = runtime.block_on(async {
                let opened = Transport::open(&endpoint, LONG, 1, source).await;
                let (transport, _) = opened.unwrap();
                let request = OutgoingRequest {
                    path: "/chat/completions",
                    request_id: "r".to_owned(),
                    body: b"{}".to_vec(),
                    first_sent: None,
                };
                transport.exchange(request).await
            });
            let reading = read(&recording, &"sim/model".parse().unwrap(), true).into_inner();
            let flags = &reading.flags;
            assert_eq!(flags.contains(&Flag::TtftBounded), is_bounded, "{flags:?}");
            let first = reading.first_token.unwrap();
            assert!(recording.sent <= first && first <= reading.end);
        }
    }
}

#[test]
fn a_run_with_more_than_the_machine_carries_warns() {
    // By the calibration of its own clock, one line, and nothing without one.
    let suite = "name = \"many\"\nmodels = [\"sim/constant-5ms-1ms-2\"]\nconcurrency = 65\n\
                 [[prompts]]\nid = \"a\"\nuser = \"Hello?\"\n";
    let home = Home::new().with("suite.toml", suite);
    let cache = home.path("cache");
    std::fs::create_dir(&cache).unwrap();
    let list = |arguments: &str| {
        let call = home.bakeoff(&format!("run suite.toml --list {arguments}"));
        let listed = call.env("BAKEOFF_CACHE_DIR", &cache).run();
        listed
            .err
            .contains("requests at once are more than this machine")
    };
    assert!(!list(""));
    let calibration = r#"{"version":1,"tool":"t","measured_at":"2026-01-01T00:00:00Z","clock":"user","bound_ns":10000000,"levels":[
        {"streams":64,"answers":9,"failed":0,"error_p50_ns":1,"error_p99_ns":2}]}"#;
    std::fs::write(cache.join("calibration-user.json"), calibration).unwrap();
    assert!(list("") && !list("--concurrency 64"));
    // Measured by the program itself, it takes the place of the other.
    home.bakeoff("calibrate --time 1s --streams 1")
        .env("BAKEOFF_CACHE_DIR", &cache)
        .says("streams  answers")
        .run();
    assert!(list("--concurrency 64"));
}

#[test]
fn a_run_carries_the_error_of_the_machine() {
    // Reports of a run are made elsewhere, too: what the calibration says of it is stored with it, by the clock of the run and
    // for its own number of requests at once.
    let suite = "name = \"error\"\nmodels = [\"sim/constant-5ms-1ms-2\"]\nconcurrency = 2\nwarmup = 0\n\
                 [[prompts]]\nid = \"a\"\nuser = \"Hello?\"\n";
    let home = Home::new().with("suite.toml", suite);
    let (cache, elsewhere) = (home.path("cache"), home.path("elsewhere"));
    std::fs::create_dir(&cache).unwrap();
    let levels = r#"[{"streams":1,"answers":9,"failed":0,"error_p99_ns":1},{"streams":64,"answers":9,"failed":0,"error_p99_ns":10000000000}]"#;
    let calibration = format!(
        r#"{{"version":1,"tool":"t","measured_at":"2026-01-01T00:00:00Z","clock":"user","bound_ns":10000000,"levels":{levels}}}"#
    );
    std::fs::write(cache.join("calibration-user.json"), calibration).unwrap();
    let run = |concurrency: u32| {
        let call = home.bakeoff(&format!("run suite.toml --yes --concurrency {concurrency}"));
        call.env("BAKEOFF_CACHE_DIR", &cache).run();
        let manifest = home.read("reports/error/latest/manifest.json");
        let manifest: Manifest = serde_json::from_str(&manifest).unwrap();
        let calibrated = manifest.ttft_error.calibrated;
        let report = home.bakeoff("report reports/error/latest");
        let printed = report.env("BAKEOFF_CACHE_DIR", &elsewhere).run().out;
        (
            calibrated.map(|error| (error.requests, error.p99_ns)),
            printed,
        )
    };
    let (calibrated, printed) = run(2);
    assert_eq!(calibrated, Some((2, Nanos::from_millis(10_000))));
    assert!(
        printed.contains("TTFT is up to 10.0 s too high"),
        "{printed}"
    );
    assert!(
        printed.contains("at 2 requests at once on this machine"),
        "{printed}"
    );
    // More than were calibrated: nothing is known, and nothing is said.
    let (calibrated, printed) = run(65);
    assert_eq!(calibrated, None);
    assert!(!printed.contains("requests at once"), "{printed}");
}

/// A client that is stopped while it reads.
#[cfg(unix)]
mod stopped {
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use bakeoff::record::Sample;
    use bakeoff::sim::trace::TraceRecord;
    use bakeoff::sim::{Scenario, Simulator};
    use rustix::process::Signal;

    use super::*;

    /// The length of a stop.
    const STOP: Duration = Duration::from_millis(200);

    /// Answers of 1.2 s that begin after 400 ms, 12 at once.
    const SUITE: &str = "name = \"stopped\"\nmodels = [\"sim/constant-400ms-20ms-40\"]\nrepetitions = 36\n\
                         concurrency = 12\nwarmup = 0\n[[prompts]]\nid = \"a\"\nuser = \"Hello?\"\n";

    /// True for an answer that the stop met as a whole: its client waited for it before and after.
    fn is_met(trace: &TraceRecord, (from, to): (Nanos, Nanos)) -> bool {
        let last = trace.chunks_ns.last().copied();
        trace.arrival_ns <= from && last.is_some_and(|last| to <= last)
    }

    #[test]
    fn every_answer_that_a_stop_met_is_marked() {
        // A stop of 200 ms, over the first token or in mid-stream, must not be a model's time under any clock.
        for source in sources() {
            let home = Home::new().with("suite.toml", SUITE);
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let begun = Instant::now();
            let simulator = Simulator::start(Scenario::built_in(), listener, None, 1).unwrap();
            let (url, clock) = (simulator.base_url(), source.word());
            let run = home
                .bakeoff(&format!(
                    "run suite.toml --yes --clock {clock} --endpoint {url}"
                ))
                .begin();
            let mut stops = Vec::new();
            // The answers begin in waves: the stops meet the begin, the first tokens, and the middle of the second one.
            while simulator.trace().len() < 8 {
                std::thread::sleep(Duration::from_millis(5));
            }
            for _ in 0..4 {
                run.signal(Signal::STOP);
                // From here on it does not run, whatever the time of the signal.
                let from = Nanos::from(begun.elapsed());
                std::thread::sleep(STOP);
                let to = Nanos::from(begun.elapsed());
                run.signal(Signal::CONT);
                stops.push((from, to));
                std::thread::sleep(STOP);
            }
            run.end();
            let samples = home.samples("stopped").into_iter();
            let samples = samples.map(|sample| serde_json::from_value::<Sample>(sample).unwrap());
            let trace = simulator.trace();
            let mut met = 0;
            for sample in samples {
                let mut records = trace.iter();
                let id = Some(&sample.request_id);
                let record = records.find(|one| one.request_id.as_ref() == id).unwrap();
                if stops.iter().any(|stop| is_met(record, *stop)) {
                    met += 1;
                    assert!(
                        sample.has(Flag::ClientPaused),
                        "{clock}: {sample:?} {stops:?}"
                    );
                }
            }
            assert!(met >= 8, "{clock}: {met}");
        }
    }
}
