//! Does prompt caching pay? What a report says of it, against the book of a simulator whose caches are known.
//!
//! Everything goes through sockets and the built program. Counts and money are compared, which no busy
//! machine changes; no time is.

#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]
#![allow(
    dead_code,
    reason = "the support of all tests; this one needs a part of it"
)]

use crate::support::program;

use std::net::TcpListener;

use bakeoff::sim::trace::TraceRecord;
use bakeoff::sim::{Scenario, Simulator};
use serde_json::Value;

use program::{FAST_SCENARIO, Home};

/// Caches what is marked: 25 % more to write, 90 % less to read.
const MARKED: &str = "known/marked";
/// Caches any prefix, in steps: nothing more to write, half the price to read.
const PLAIN: &str = "known/plain";

/// Pico-dollars a token: input, output, cache read, cache write.
const MARKED_PRICES: [i128; 4] = [1_000_000, 5_000_000, 100_000, 1_250_000];
const PLAIN_PRICES: [i128; 4] = [400_000, 1_600_000, 200_000, 400_000];

fn scenario(ttl_s: f64) -> String {
    format!(
        "{FAST_SCENARIO}\n[models.\"{MARKED}\"]\n\
         price = {{ input = \"0.000001\", output = \"0.000005\", cache_read = \"0.0000001\", cache_write = \"0.00000125\" }}\n\
         cache = {{ kind = \"explicit\", min_tokens = 256, step_tokens = 1, ttft_factor = 0.3, ttl_s = {ttl_s} }}\n\
         [models.\"{PLAIN}\"]\n\
         price = {{ input = \"0.0000004\", output = \"0.0000016\", cache_read = \"0.0000002\" }}\n\
         cache = {{ kind = \"implicit\", min_tokens = 256, step_tokens = 64, ttft_factor = 0.5, ttl_s = {ttl_s} }}\n"
    )
}

/// Four prompts, three times; `keys` at the top, `models` competing, `parameters` among them.
fn suite(models: &str, keys: &str, parameters: &str) -> String {
    let prompt = |number: u32| {
        let question = format!("Which of our {number} lights is the best?");
        format!("[[prompts]]\nid = \"p{number}\"\nuser = \"{question}\"\n")
    };
    let prompts = (1..=4).map(prompt).collect::<Vec<_>>().concat();
    format!(
        "name = \"caching\"\nmodels = [{models}]\nrepetitions = 3\nconcurrency = 1\n{keys}\n\
         [parameters]\nmax_tokens = 40\n{parameters}\n{prompts}"
    )
}

fn handbook() -> String {
    "Lights are sold with a warranty of two years, bicycles with one of five. ".repeat(60)
}

/// A run and what the simulator knows of it.
struct Seen {
    comparison: Vec<Value>,
    sentences: Vec<String>,
    page: String,
    samples: Vec<Value>,
    manifest: Value,
    traces: Vec<TraceRecord>,
}

fn see(ttl_s: f64, suite: &str) -> Seen {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let scenario = Scenario::parse(&scenario(ttl_s)).unwrap();
    let running = Simulator::start(scenario, listener, None, 3).unwrap();
    let home = Home::new().with("suite.toml", suite);
    let url = running.base_url();
    home.bakeoff(&format!("run suite.toml --quiet --endpoint {url}"))
        .run();
    let report = home
        .bakeoff("report reports/caching/latest --format json")
        .run();
    let report: Value = serde_json::from_str(&report.out).unwrap();
    let sentences = report["caching"].as_array().unwrap().iter();
    Seen {
        comparison: report["comparison"].as_array().unwrap().clone(),
        sentences: sentences
            .map(|line| line.as_str().unwrap().to_owned())
            .collect(),
        page: home.read("reports/caching/latest/report.md"),
        samples: home.samples("caching"),
        manifest: serde_json::from_str(&home.read("reports/caching/latest/manifest.json")).unwrap(),
        traces: running.trace(),
    }
}

/// Figures of the simulator's trace for the samples of a variant: requests, hits, tokens read and written, and
/// pico-dollars that caches saved.
#[derive(Debug, PartialEq)]
struct Book {
    requests: u64,
    hits: u64,
    prompt: u64,
    read: u64,
    written: u64,
    saved: i128,
}

impl Seen {
    fn book(&self, variant: &str, [input, output, ..]: [i128; 4]) -> Book {
        let samples = self
            .samples
            .iter()
            .filter(|sample| sample["variant"] == variant);
        let ids: Vec<&str> = samples.map(|s| s["request_id"].as_str().unwrap()).collect();
        let of = |trace: &&TraceRecord| ids.contains(&trace.request_id.as_deref().unwrap());
        let traces: Vec<&TraceRecord> = self.traces.iter().filter(of).collect();
        let sum =
            |count: fn(&TraceRecord) -> u64| traces.iter().map(|trace| count(trace)).sum::<u64>();
        // What was billed, against every token at its plain price.
        let billed: i128 = traces.iter().map(|trace| trace.cost_usd.unwrap().0).sum();
        let plain = i128::from(sum(|trace| trace.prompt_tokens)) * input
            + i128::from(sum(|trace| trace.completion_tokens)) * output;
        Book {
            requests: traces.len() as u64,
            hits: sum(|trace| u64::from(trace.cached_tokens > 0)),
            prompt: sum(|trace| trace.prompt_tokens),
            read: sum(|trace| trace.cached_tokens),
            written: sum(|trace| trace.cache_write_tokens),
            saved: plain - billed,
        }
    }

    fn row(&self, variant: &str) -> &Value {
        let row = self.comparison.iter().find(|row| row["variant"] == variant);
        row.unwrap()
    }

    fn sentence(&self, variant: &str) -> &str {
        let begins = format!("{variant}: ");
        self.sentences
            .iter()
            .find(|trace| trace.starts_with(&begins))
            .unwrap()
    }

    /// The report's figures are the book's: counts and money to the last digit, shares to the three
    /// decimals that are written.
    fn agrees(&self, variant: &str, book: &Book) {
        let row = self.row(variant);
        assert_eq!(row["cache_reported"], book.requests, "{row:#}");
        assert_eq!(row["cache_hits"], book.hits);
        assert_eq!(row["cached_tokens"], book.read);
        assert_eq!(
            row["cache_write_tokens"].as_u64().unwrap_or(0),
            book.written
        );
        let near = |column: &str, expected: f64| {
            let trace = row[column].as_f64().unwrap();
            assert!(
                (trace - expected).abs() <= 0.000_501,
                "{column}: {trace} for {expected}"
            );
        };
        near("cache_hit_share", book.hits as f64 / book.requests as f64);
        near("cache_read_share", book.read as f64 / book.prompt as f64);
        assert_eq!(row["cache_saved_usd_n"], book.requests);
        let saved: bakeoff::units::Usd = row["cache_saved_usd_total"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(saved.0, book.saved, "{variant}");
        // Times of hits and of misses are of the samples that a busy machine left alone.
        let timed = |hit: bool| {
            let samples = self.samples.iter();
            let of = |sample: &&Value| {
                let spoilt = ["buffered", "cold", "client_limited", "client_paused"];
                let mut flags = sample["flags"].as_array().into_iter().flatten();
                sample["variant"] == variant
                    && (sample["usage"]["cached_tokens"].as_u64() > Some(0)) == hit
                    && !flags.any(|flag| spoilt.contains(&flag.as_str().unwrap()))
            };
            samples.filter(of).count()
        };
        assert_eq!(row["cache_hit_ttft_n"], timed(true));
        assert_eq!(row["cache_miss_ttft_n"], timed(false));
    }
}

#[test]
fn a_known_cache_is_found() {
    // The first request of each model writes the shared text, the eleven others read it.
    let models = format!("\"{MARKED}\", \"{PLAIN}\"");
    let prefix = format!("[cache]\nprefix = \"{}\"", handbook());
    let parameters = "system_cache_control = \"ephemeral\"";
    // The warm-up asks without the prefix, so that the first sample finds no cache.
    let keys = "warmup = 1";
    let seen = see(
        300.0,
        &suite(&models, &format!("{keys}\n{prefix}"), parameters),
    );
    let marked = seen.book(MARKED, MARKED_PRICES);
    assert_eq!((marked.requests, marked.hits), (12, 11));
    assert!(
        marked.read == 11 * marked.written && marked.written > 1_000,
        "{marked:?}"
    );
    seen.agrees(MARKED, &marked);
    assert_eq!(seen.row(MARKED)["cache_break_even_reuses"], 1);
    assert!(
        seen.sentence(MARKED).contains("caching saved $0.0"),
        "{:?}",
        seen.sentences
    );
    let plain = seen.book(PLAIN, PLAIN_PRICES);
    assert_eq!((plain.requests, plain.hits, plain.written), (12, 11, 0));
    seen.agrees(PLAIN, &plain);
    // Its list has no price of writing: every read saves money.
    assert_eq!(seen.row(PLAIN)["cache_break_even_reuses"], 0);
    assert!(seen.sentence(PLAIN).ends_with("every read saves money."));
    assert!(marked.saved > 0 && plain.saved > 0);
    assert!(
        seen.page.contains("<summary>Prompt caches</summary>"),
        "{}",
        seen.page
    );
    assert!(seen.page.contains("a prefix of"), "{}", seen.page);
}

#[test]
fn writing_what_no_one_reads_loses() {
    // Every trial opens with a number of its own and is marked: a quarter more for nothing.
    let models = format!("\"{MARKED}\"");
    let keys = format!("warmup = 0\nsystem = \"{}\"\ncache = \"bust\"", handbook());
    let seen = see(
        300.0,
        &suite(&models, &keys, "system_cache_control = \"ephemeral\""),
    );
    let book = seen.book(MARKED, MARKED_PRICES);
    assert_eq!((book.requests, book.hits, book.read), (12, 0, 0));
    assert_eq!(book.saved, -i128::from(book.written) * 250_000);
    seen.agrees(MARKED, &book);
    assert!(
        seen.sentence(MARKED).contains("caching lost $0.0"),
        "{:?}",
        seen.sentences
    );
    assert!(seen.sentence(MARKED).ends_with("once it was read 1 time."));
}

#[test]
fn a_cache_that_keeps_nothing_saves_nothing() {
    // Entries that age at once: marks are paid for and never read, although nothing keeps requests apart.
    let models = format!("\"{MARKED}\", \"{PLAIN}\"");
    let keys = format!("warmup = 0\nsystem = \"{}\"", handbook());
    let seen = see(
        0.0,
        &suite(&models, &keys, "system_cache_control = \"ephemeral\""),
    );
    let marked = seen.book(MARKED, MARKED_PRICES);
    assert_eq!((marked.hits, marked.saved < 0), (0, true));
    seen.agrees(MARKED, &marked);
    assert!(seen.sentence(MARKED).contains("caching lost"));
    let plain = seen.book(PLAIN, PLAIN_PRICES);
    seen.agrees(PLAIN, &plain);
    assert!(
        seen.sentence(PLAIN)
            .starts_with("known/plain: nothing was read from a cache")
    );
}

#[test]
fn cold_warm_and_marked_compete_in_one_run() {
    // One model four times: never cached, warmed with marks of the suite, warmed with the gateway's, and
    // warmed without marks, which this model does not cache.
    let mark = "parameters = { system_cache_control = \"ephemeral\" }";
    let models = format!(
        "{{ model = \"{MARKED}\", label = \"cold\", cache = \"bust\", {mark} }},\n\
         {{ model = \"{MARKED}\", label = \"warm\", {mark} }},\n\
         {{ model = \"{MARKED}\", label = \"auto\", parameters = {{ caching = \"auto\" }} }},\n\
         {{ model = \"{MARKED}\", label = \"unmarked\" }}"
    );
    let keys = format!(
        "warmup = 0\ncache = {{ mode = \"warm\", within = \"5m\", prefix = \"{}\" }}",
        handbook()
    );
    let seen = see(300.0, &suite(&models, &keys, ""));
    let hits = |label: &str| {
        let book = seen.book(label, MARKED_PRICES);
        seen.agrees(label, &book);
        book.hits
    };
    assert_eq!(
        ["cold", "warm", "auto", "unmarked"].map(hits),
        [0, 12, 12, 0]
    );
    // What all share is warmed once for each warmed variant and then kept warm by being used.
    let untimed = seen.traces.len() - seen.samples.len();
    assert_eq!(untimed, 3);
    // The cost of that belongs to no sample, and is reported for each.
    let warming = seen.manifest["warming"].as_array().unwrap();
    let spent = warming.iter().map(|one| {
        let spent = one["spent_usd"].as_str().unwrap();
        spent.parse::<bakeoff::units::Usd>().unwrap()
    });
    let of_samples: Vec<&str> = seen
        .samples
        .iter()
        .map(|one| one["request_id"].as_str().unwrap())
        .collect();
    let book = seen
        .traces
        .iter()
        .filter(|trace| !of_samples.contains(&trace.request_id.as_deref().unwrap()));
    let book: bakeoff::units::Usd = book.map(|trace| trace.cost_usd.unwrap()).sum();
    assert_eq!(spent.sum::<bakeoff::units::Usd>(), book);
    assert!(
        seen.sentence("warm").ends_with(": 1 untimed request."),
        "{:?}",
        seen.sentences
    );
    assert!(!seen.sentence("cold").contains("untimed"));
    assert!(seen.page.contains("warm within"), "{}", seen.page);
    assert!(seen.page.contains("are in no figure"), "{}", seen.page);
    let unmarked = "found no hit in the warmed prompt cache: 12 of 12";
    assert!(seen.page.contains(unmarked), "{}", seen.page);
}
