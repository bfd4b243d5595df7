//! Prompt caches: what a suite asks for, what the simulator's caches then did, and what samples say.

use std::collections::HashMap;
use std::net::TcpListener;

use bakeoff::record::Sample;
use bakeoff::sim::trace::TraceRecord;
use bakeoff::sim::{Scenario, Simulator};

use super::program::{FAST_SCENARIO, Home};

const ROUTES: [&str; 3] = ["chat", "messages", "responses"];
/// Keeps any prefix that is long enough, and says nothing of writing.
const IMPLICIT: &str = "openai/gpt-4.1-nano";
/// Keeps what is marked.
const EXPLICIT: &str = "anthropic/claude-haiku-4.5";
const REPETITIONS: usize = 3;

/// A run of a suite with a long system text, and what the simulator knows of it.
struct Seen {
    samples: Vec<Sample>,
    traces: HashMap<String, TraceRecord>,
    report: String,
}

impl Seen {
    /// The tokens that each sample of a model read from the cache and wrote to it, in the order of the plan,
    /// equal in the sample and in the simulator's trace.
    fn cache_use(&self, model: &str) -> Vec<(u64, u64)> {
        let samples = self.samples.iter();
        let samples = samples.filter(|sample| sample.model.as_str() == model);
        samples
            .map(|sample| {
                let trace = &self.traces[&sample.request_id];
                let usage = sample.usage.unwrap();
                assert_eq!(usage.cached_tokens, Some(trace.cached_tokens));
                assert_eq!(
                    usage.cache_write_tokens.unwrap_or(0),
                    trace.cache_write_tokens
                );
                (trace.cached_tokens, trace.cache_write_tokens)
            })
            .collect()
    }

    /// The server trace of the untimed request before a sample.
    fn untimed(&self, sample: &Sample) -> Option<&TraceRecord> {
        let (trial, _) = sample.request_id.rsplit_once('-').unwrap();
        self.traces.get(&format!("{trial}-0"))
    }
}

/// The suite: `keys` at its top, `parameters` among its parameters.
fn suite(keys: &str, parameters: &str) -> String {
    let system = "You answer for a shop that sells bicycles and lights. ".repeat(130);
    format!(
        "name = \"caches\"\nmodels = [\"{IMPLICIT}\", \"{EXPLICIT}\"]\nrepetitions = {REPETITIONS}\n\
         concurrency = 1\nwarmup = 0\nsystem = \"{system}\"\n{keys}\n\
         [parameters]\nmax_tokens = 60\n{parameters}\n\
         [[prompts]]\nid = \"light\"\nuser = \"My light is broken. What now?\"\n"
    )
}

fn see(route: &str, keys: &str, parameters: &str) -> Seen {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let scenario = Scenario::parse(FAST_SCENARIO).unwrap();
    let running = Simulator::start(scenario, listener, None, 5).unwrap();
    let project = format!(
        "[endpoints.here]\nbase_url = \"{}\"\napi = \"{route}\"\n",
        running.base_url()
    );
    let home = Home::new()
        .with("suite.toml", &suite(keys, parameters))
        .with("bakeoff.toml", &project);
    home.bakeoff("run suite.toml --quiet --endpoint here").run();
    let samples = home.samples("caches").into_iter();
    let samples: Vec<Sample> = samples
        .map(|sample| serde_json::from_value(sample).unwrap())
        .collect();
    assert_eq!(samples.len(), 2 * REPETITIONS);
    let traces = running.trace().into_iter();
    Seen {
        samples,
        traces: traces
            .map(|trace| (trace.request_id.clone().unwrap(), trace))
            .collect(),
        report: home.read("reports/caches/latest/report.md"),
    }
}

#[test]
fn as_is_the_first_fills_the_cache_for_the_others() {
    // A user who leaves caches alone must see them: a miss, and then hits.
    for route in ROUTES {
        let seen = see(route, "", "");
        let [first, others @ ..] = &seen.cache_use(IMPLICIT)[..] else {
            panic!("no samples")
        };
        assert_eq!(*first, (0, 0), "{route}");
        assert!(
            others.iter().all(|(read, _)| *read > 1_024),
            "{route}: {others:?}"
        );
        // A model that wants marks caches nothing without them.
        assert_eq!(seen.cache_use(EXPLICIT), [(0, 0); REPETITIONS], "{route}");
        assert_eq!(seen.traces.len(), seen.samples.len());
        assert!(!seen.report.contains("prompt caches"));
    }
}

#[test]
fn caching_has_the_gateway_mark_prompts() {
    // One word of the suite on every route; what is written once is read from then on.
    for route in ROUTES {
        let seen = see(route, "", "caching = \"auto\"");
        let [first, others @ ..] = &seen.cache_use(EXPLICIT)[..] else {
            panic!("no samples")
        };
        assert!(first.0 == 0 && first.1 > 1_024, "{route}: {first:?}");
        assert!(
            others.iter().all(|other| *other == (first.1, 0)),
            "{route}: {others:?}"
        );
    }
}

#[test]
fn marks_of_the_suite_cover_the_system_text() {
    // The mark ends behind the system text: less is written than of the whole prompt.
    let mark = "system_cache_control = { type = \"ephemeral\", ttl = \"1h\" }";
    for route in ["chat", "messages"] {
        let seen = see(route, "", mark);
        let written = seen.cache_use(EXPLICIT)[0].1;
        let whole = see(route, "", "caching = \"auto\"").cache_use(EXPLICIT)[0].1;
        assert!(
            written > 1_024 && written < whole,
            "{route}: {written} of {whole}"
        );
        assert!(
            seen.cache_use(EXPLICIT)[1..]
                .iter()
                .all(|other| *other == (written, 0))
        );
    }
    // What a route cannot carry is an error before anything is sent.
    Home::new()
        .with("suite.toml", &suite("", mark))
        .with("bakeoff.toml", "[endpoints.sim]\napi = \"responses\"\n")
        .bakeoff("run suite.toml")
        .exits(2)
        .complains("`cache_control` cannot be sent on the `responses` route")
        .run();
}

#[test]
fn bust_keeps_every_trial_out_of_the_cache() {
    // Not one hit, on any route, of either kind of cache; and prompts still pair.
    for route in ROUTES {
        let seen = see(route, "cache = \"bust\"", "caching = \"auto\"");
        assert_eq!(seen.cache_use(IMPLICIT), [(0, 0); REPETITIONS], "{route}");
        let explicit = seen.cache_use(EXPLICIT);
        assert!(
            explicit
                .iter()
                .all(|(read, written)| *read == 0 && *written > 1_024)
        );
        let one = &seen.samples[0];
        let same = |sample: &Sample| {
            let prompt_tokens = |sample: &Sample| sample.usage.unwrap().prompt_tokens;
            sample.prompt_digest == one.prompt_digest && prompt_tokens(sample) == prompt_tokens(one)
        };
        assert!(seen.samples.iter().all(same), "{route}");
        assert!(seen.report.contains("bust: the system text of each trial"));
        assert!(!seen.report.contains("although the suite busts them"));
    }
    let plain = see("chat", "", "");
    let busted = see("chat", "cache = \"bust\"", "");
    assert_eq!(
        plain.samples[0].prompt_digest,
        busted.samples[0].prompt_digest
    );
}

#[test]
fn warm_makes_every_trial_a_hit() {
    // The first as well; the requests that fill the caches are no samples, and are over before any
    // trial of their slot arrives.
    for route in ROUTES {
        let seen = see(route, "cache = \"warm\"", "caching = \"auto\"");
        for model in [IMPLICIT, EXPLICIT] {
            let used = seen.cache_use(model);
            assert!(
                used.iter().all(|(read, _)| *read > 1_024),
                "{route}: {used:?}"
            );
        }
        assert_eq!(seen.traces.len(), 2 * seen.samples.len());
        for sample in &seen.samples {
            let slot = seen
                .samples
                .iter()
                .filter(|other| other.slot == sample.slot);
            let arrival = seen.traces[&sample.request_id].arrival_ns;
            for other in slot {
                let filled = seen.untimed(other).unwrap();
                assert!(filled.chunks_ns.last().unwrap() < &arrival, "{route}");
            }
        }
        assert!(
            seen.report
                .contains("warm: the same request is sent before each trial")
        );
        assert!(!seen.report.contains("found nothing"));
    }
}

#[test]
fn short_prompts_stay_cold_and_that_is_reported() {
    // No provider caches a short prompt: a suite that warms it pays for nothing, and must hear so.
    let suite = suite("cache = \"warm\"", "").replace("bicycles", "");
    let short = suite.replace(
        &"You answer for a shop that sells  and lights. ".repeat(130),
        "Hi",
    );
    let home = Home::new().with("suite.toml", &short);
    home.bakeoff("run suite.toml --scenario scenario.toml --quiet")
        .run();
    let report = home.read("reports/caches/latest/report.md");
    assert!(
        report.contains("found no hit in the warmed prompt cache: 3 of 3"),
        "{report}"
    );
}

#[test]
fn a_try_of_every_pair_warms_nothing() {
    // `--verify` measures no time: it is not worth twice its price.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let scenario = Scenario::parse(FAST_SCENARIO).unwrap();
    let running = Simulator::start(scenario, listener, None, 5).unwrap();
    let home = Home::new().with("suite.toml", &suite("cache = \"warm\"", ""));
    let url = running.base_url();
    home.bakeoff(&format!("run suite.toml --verify --endpoint {url}"))
        .says("2 of 2 trials completed")
        .run();
    // One trial of each variant, and ten probes of its parameters.
    assert_eq!(running.trace().len(), 2 + 2 * 10);
}

#[test]
fn variants_that_share_a_cache_are_noted_when_a_suite_is_checked() {
    // Before anything is paid for; the suite is valid all the same.
    let models = format!("[{{ label = \"low\", model = \"{IMPLICIT}\" }}, \"{IMPLICIT}\"]");
    let two = suite("", "").replace(&format!("[\"{IMPLICIT}\", \"{EXPLICIT}\"]"), &models);
    let home = Home::new().with("two.toml", &two).with(
        "apart.toml",
        &two.replace("warmup = 0", "warmup = 0\ncache = \"bust\""),
    );
    home.bakeoff("suite check two.toml")
        .says("two.toml: ok")
        .says("warning: 2 variants of `openai/gpt-4.1-nano` share its prompt cache")
        .run();
    let apart = home.bakeoff("suite check apart.toml").run();
    assert!(!apart.out.contains("share"), "{}", apart.out);
}
