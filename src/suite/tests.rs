//! Properties of reading: nothing panics, nothing wrong gets through, one fault hides no other.

use std::num::{NonZeroU32, NonZeroU64};

use proptest::prelude::*;
use serde_json::json;

use super::duration::parse_duration;
use super::*;

/// A suite that uses every key, as a stock of valid text to change.
const FULL: &str = r#"
name = "full.suite-1"
description = "All keys"
reference = "slow"
endpoint = "vercel"
repetitions = 3
warmup = 0
concurrency = 2
seed = 7
stream = false
keep_answers = false
max_attempts = 1
max_cost = "$0.50"
cache = "warm"
system = "Be brief."
models = [
  "m/plain",
  { model = "m/plain", label = "slow", system = "Think.", parameters = { reasoning_effort = "high", system_cache_control = "ephemeral" } },
]

[timeouts]
connect = "1s"
headers = "1.5s"
gap = "250ms"
total = "2m"

[parameters]
max_tokens = 64
max_tokens_name = "max_completion_tokens"
temperature = 1
top_p = 0.5
stop = "END"
seed = -1
caching = "off"
system_cache_control = { type = "ephemeral", ttl = "1h" }
providerOptions = { gateway = { only = ["azure"] } }
extra = { logit_bias = { 5 = -1.5 }, parallel_tool_calls = true }

[gate]
primary = ["latency", "completed"]
alpha = 0.1
tolerance = "2.5%"
margin = "10%"
on_inconclusive = "fail"
confirm = true
against_reference = true
control = "m/plain"

[gate.metrics.latency]
margin = "30%"
floor = "25ms"

[gate.metrics.completed]
tolerance = "1%"

[gate.limits]
ttft_p75 = "1.5s"
error_rate = "2%"
cost_per_request = "$0.01"
pass_rate = "90%"

[[prompts]]
id = "one"
user = "Hello"
weight = 2.5
tags = ["short", "greeting"]

[[prompts]]
id = "two"
system = "Be long."
parameters = { stop = ["A", "\n"], max_tokens = 10 }
messages = [
  { role = "user", content = "Hello", cache_control = "ephemeral" },
  { role = "assistant", content = "Yes?" },
  { role = "user", content = "Why?" },
]
"#;

/// A project file that uses every key.
const PROJECT: &str = r#"
confirm_above = "$2.50"

[endpoints.staging]
base_url = "https://staging.example.org/v1/"
key = "STAGING_KEY"
headers = { x-title = "bakeoff", http-referer = "https://example.org" }
requests_per_minute = 60
tokens_per_minute = 1_000_000
max_tokens_name = "max_tokens"

[[endpoints.staging.limits]]
model = "m/*"
requests_per_minute = 6
tokens_per_minute = 2_000

[[endpoints.staging.prices]]
model = "m/one"
input_usd_per_mtok = 0.15
output_usd_per_mtok = "0.6"
cache_read_usd_per_mtok = 1.5e-2

[[endpoints.staging.surcharges]]
model = "m/*"
usd_per_request = 0.001
usd_per_image = "$0.02"

[endpoints.vercel]
requests_per_minute = 10

[endpoints.openai]
base_url = "http://localhost:4000/v1"
key = []
"#;

fn full() -> Suite {
    parse_suite(FULL).unwrap_or_else(|problems| panic!("{}", render(&problems, "", FULL, false)))
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|&text| text.to_owned()).collect()
}

/// What must hold of every suite that exists, checked without the reader's own code.
fn is_valid(suite: &Suite) -> bool {
    let unique = |names: Vec<&String>| {
        let mut sorted = names.clone();
        sorted.sort();
        sorted.dedup();
        !names.is_empty() && sorted.len() == names.len()
    };
    unique(suite.variants.iter().map(|v| &v.label).collect())
        && unique(suite.prompts.iter().map(|p| &p.id).collect())
        && suite.variant(&suite.reference).is_some()
        && suite
            .gate
            .as_ref()
            .is_none_or(|gate| is_valid_gate(suite, gate))
        && suite.repetitions > 0
        && suite.concurrency > 0
        && suite.max_attempts > 0
        && suite.prompts.iter().all(|prompt| {
            prompt.weight > 0.0
                && prompt.weight.is_finite()
                && prompt
                    .messages
                    .last()
                    .is_some_and(|last| last.role != Role::Assistant)
        })
}

/// The invariant of a gate, and that its control can be compared with.
fn is_valid_gate(suite: &Suite, gate: &Gate) -> bool {
    let bounded = |bounds: &Bounds| (0.0..=bounds.margin).contains(&bounds.tolerance);
    let positive = |limit: &Limit| match limit.bound {
        LimitBound::Time(time) => time.0 > 0,
        LimitBound::Share(share) => share > 0.0 && share < 1.0,
        LimitBound::Usd(usd) => usd.0 > 0,
    };
    gate.alpha > 0.0
        && gate.alpha <= 0.5
        && !gate.primary.is_empty()
        && gate.bounds.iter().all(|(_, bounds)| bounded(bounds))
        && gate.bounds.is_sorted_by_key(|(metric, _)| *metric)
        && gate.limits.iter().all(positive)
        && gate
            .control
            .as_ref()
            .is_none_or(|control| suite.variant(control).is_some() && suite.variants.len() > 1)
}

#[test]
fn every_key_reaches_the_suite() {
    // A key that is read but lost would silently measure something else than was asked.
    let suite = full();
    assert!(is_valid(&suite));
    let ratio = |margin: f64, floor_ns: Option<u64>| match floor_ns {
        Some(floor_ns) => json!({ "tolerance": 0.025, "margin": margin, "floor_ns": floor_ns }),
        None => json!({ "tolerance": 0.025, "margin": margin }),
    };
    let expected = json!({
        "name": "full.suite-1",
        "description": "All keys",
        "endpoint": "vercel",
        "variants": [
            { "label": "m/plain", "model": "m/plain", "parameters": {} },
            { "label": "slow", "model": "m/plain", "system": "Think.",
              "parameters": { "reasoning_effort": "high",
                "system_cache_control": { "type": "ephemeral" } } },
        ],
        "reference": "slow",
        "repetitions": 3, "warmup": 0, "concurrency": 2, "seed": 7,
        "stream": false, "keep_answers": false, "max_attempts": 1, "max_cost": "0.5",
        "timeouts": { "connect_ns": 1_000_000_000, "headers_ns": 1_500_000_000,
                      "gap_ns": 250_000_000, "total_ns": 120_000_000_000_u64 },
        "cache": "warm",
        "system": "Be brief.",
        "parameters": {
            "max_tokens": 64, "max_tokens_name": "max_completion_tokens", "temperature": 1.0,
            "top_p": 0.5, "stop": ["END"], "seed": -1,
            "caching": "off", "system_cache_control": { "type": "ephemeral", "ttl": "1h" },
            "provider_options": { "gateway": { "only": ["azure"] } },
            "extra": { "logit_bias": { "5": -1.5 }, "parallel_tool_calls": true },
        },
        "gate": {
            "primary": ["latency", "completed"],
            "alpha": 0.1,
            "bounds": [
                ["ttft", ratio(0.1, Some(10_000_000))], ["ttfa", ratio(0.1, Some(10_000_000))],
                ["experienced_ttft", ratio(0.1, Some(10_000_000))],
                ["latency", ratio(0.3, Some(25_000_000))],
                ["inter_token_latency", ratio(0.1, None)], ["output_rate", ratio(0.1, None)],
                ["output_tokens", ratio(0.1, None)], ["cost", ratio(0.1, None)],
                ["completed", { "tolerance": 0.01, "margin": 0.05 }],
            ],
            "limits": [
                { "quantity": { "time": { "metric": "ttft", "percent": 75 } },
                  "bound": { "time": 1_500_000_000 } },
                { "quantity": "error_rate", "bound": { "share": 0.02 } },
                { "quantity": "cost_per_request", "bound": { "usd": "0.01" } },
                { "quantity": "pass_rate", "bound": { "share": 0.9 } },
            ],
            "on_inconclusive": "fail", "confirm": true, "against_reference": true,
            "control": "m/plain",
        },
        "prompts": [
            { "id": "one", "messages": [{ "role": "user", "content": "Hello" }], "weight": 2.5,
              "tags": ["short", "greeting"], "parameters": {} },
            { "id": "two", "system": "Be long.", "weight": 1.0, "tags": [],
              "parameters": { "stop": ["A", "\n"], "max_tokens": 10 },
              "messages": [
                { "role": "user", "content": "Hello",
                  "cache_control": { "type": "ephemeral" } },
                { "role": "assistant", "content": "Yes?" },
                { "role": "user", "content": "Why?" },
              ] },
        ],
    });
    assert_eq!(serde_json::to_value(&suite).unwrap(), expected);
    let again: Suite = serde_json::from_value(expected).unwrap();
    assert_eq!(again, suite);
}

#[test]
fn words_are_the_serialized_ones() {
    // The word in a suite and the word in a manifest and a request must never drift apart.
    for (word, effort) in ReasoningEffort::WORDS {
        assert_eq!(serde_json::to_value(effort).unwrap(), word);
    }
    for (word, name) in TokenLimitName::WORDS {
        assert_eq!(serde_json::to_value(name).unwrap(), word);
    }
    for (word, mode) in CacheMode::WORDS {
        assert_eq!(serde_json::to_value(mode).unwrap(), word);
    }
    for (word, caching) in Caching::WORDS {
        assert_eq!(serde_json::to_value(caching).unwrap(), word);
    }
    for (word, kind) in CacheKind::WORDS {
        assert_eq!(serde_json::to_value(kind).unwrap(), word);
    }
    for (word, ttl) in CacheTtl::WORDS {
        assert_eq!(serde_json::to_value(ttl).unwrap(), word);
    }
    for (word, answer) in OnInconclusive::WORDS {
        assert_eq!(serde_json::to_value(answer).unwrap(), word);
    }
    for code in [
        Code::Syntax,
        Code::UnknownKey,
        Code::TooLarge,
        Code::Secret,
        Code::OutOfRange,
    ] {
        assert_eq!(serde_json::to_value(code).unwrap(), code.word());
    }
}

#[test]
fn default_deadlines_are_durations() {
    // They are read where a suite is read, and must not fail there.
    for text in [
        defaults::TIMEOUT_CONNECT,
        defaults::TIMEOUT_HEADERS,
        defaults::TIMEOUT_GAP,
        defaults::TIMEOUT_TOTAL,
    ] {
        let time = parse_duration(text).unwrap();
        assert!((1..=limits::TIMEOUT_NS).contains(&time.0), "{text}");
    }
}

#[test]
fn limits_hold() {
    // What is too large ends in a problem before it costs memory or time.
    let code_of = |text: &str| parse_suite(text).unwrap_err().iter().next().unwrap().code;
    let huge = " ".repeat(limits::SUITE_BYTES + 1);
    assert_eq!(code_of(&huge), Code::TooLarge);
    let long_prompt = format!(
        "name = \"x\"\nmodels = [\"m\"]\n[[prompts]]\nid = \"a\"\nmessages = [\n\
         {{ role = \"assistant\", content = \"{0}\" }},\n{{ role = \"user\", content = \"{0}\" }}]",
        "a".repeat(limits::PROMPT_BYTES / 2 + 1)
    );
    assert_eq!(code_of(&long_prompt), Code::TooLarge);
    let models: Vec<String> = (0..=limits::VARIANTS)
        .map(|n| format!("\"m/{n}\""))
        .collect();
    let many_models = FULL.replace("\"m/plain\",\n", &format!("{},\n", models.join(",")));
    assert_eq!(code_of(&many_models), Code::TooLarge);
    let unknown: Vec<String> = (0..500).map(|n| format!("key{n} = 1\n")).collect();
    let unknown = unknown.concat();
    let problems = parse_suite(&format!("{unknown}{FULL}")).unwrap_err();
    assert_eq!(
        (problems.count(), problems.iter().count()),
        (500, limits::PROBLEMS)
    );
    assert!(render(&problems, "x.toml", &unknown, false).contains("... and 400 more"));
}

#[test]
fn hostile_nesting_does_not_overflow() {
    // Our own recursion must end long before the stack does, whatever the parser lets through.
    let dotted = ["a"; 70].join(".");
    let deep = format!("{}1{}", format!("{{{dotted} = ").repeat(70), "}".repeat(70));
    let lists = format!("{}{}", "[".repeat(75), "]".repeat(75));
    for text in [
        format!("[parameters]\nextra = {{ deep = {deep} }}"),
        format!("[parameters]\nprovider_options = {{ deep = {lists} }}"),
        format!("{}1", "a = [".repeat(50_000)),
        "[[prompts]]\n".repeat(50_000),
        format!("{} = 1", vec!["a"; 50_000].join(".")),
    ] {
        assert!(parse_suite(&text).is_err());
    }
}

#[test]
fn a_large_broken_file_is_told_its_first_fault() {
    // Recovery keeps every error in memory: it must not be used on what may be all errors.
    let text = "x = \"\n".repeat(limits::RECOVERED_BYTES / 6 + 1);
    assert_eq!(parse_suite(&text).unwrap_err().count(), 1);
}

#[test]
fn places_are_counted_as_people_count() {
    // An editor jumps to line and column: both from 1, columns in characters, whatever the width.
    let text = "name = \"x\"\r\n\"日本\" = 1\n";
    let problems = parse_suite(text).unwrap_err();
    let places: Vec<_> = problems
        .iter()
        .filter(|problem| problem.code == Code::UnknownKey)
        .map(|problem| problem.place(text))
        .collect();
    assert_eq!(places, [Place { line: 2, column: 1 }]);
    let text = "name = \"x\"\ndescription = { \"日本\" = 1 }\n";
    let problems = parse_suite(text).unwrap_err();
    assert!(problems.iter().any(|p| p.place(text)
        == Place {
            line: 2,
            column: 15
        }));
}

#[test]
fn long_lines_are_cut_around_the_mark() {
    // A prompt may be one line of megabytes; its problem must fit a screen and name the true column.
    let text = format!("x = {{ text = \"{}\", y = 1 }}", "a".repeat(5_000));
    let problems = parse_suite(&text).unwrap_err();
    let told = render(&problems, "x.toml", &text, false);
    assert!(
        told.lines().all(|line| line.chars().count() < 400),
        "{told}"
    );
    let text = format!("models = [\"{}\", 5]", "a".repeat(5_000));
    let told = render(&parse_suite(&text).unwrap_err(), "x.toml", &text, false);
    assert!(told.contains("x.toml:1:5015"), "{told}");
}

#[test]
fn variants_that_share_a_cache_are_found() {
    // Two efforts of one model read what the other wrote; other system texts or tools stand before
    // the prompt and keep them apart; a nonce does so too, and what is warmed is warm for both.
    let mut suite = full();
    suite.cache = CacheMode::AsIs;
    assert!(suite.shared_caches().is_empty());
    suite.variants[1].system = None;
    let model = suite.variants[0].model.clone();
    let shared = vec![(&model, vec!["m/plain", "slow"])];
    assert_eq!(suite.shared_caches(), shared);
    suite.variants[1].parameters.tools = Some(Vec::new());
    assert!(suite.shared_caches().is_empty());
    suite.variants[1].parameters.tools = None;
    for cache in [CacheMode::Bust, CacheMode::Warm] {
        suite.cache = cache;
        assert!(suite.shared_caches().is_empty());
    }
}

#[test]
fn a_mark_of_the_system_text_follows_it() {
    // Whichever level the text is of and whichever level marks it; no text, no mark.
    let mut suite = full();
    let marks = |suite: &Suite| -> Vec<_> {
        let pairs = suite
            .variants
            .iter()
            .map(|variant| (&suite.prompts[0], variant));
        pairs
            .map(|(prompt, variant)| {
                let system = suite.messages_of(prompt, variant).swap_remove(0);
                (system.role, system.cache_control.map(|mark| mark.ttl))
            })
            .collect()
    };
    let hour = Some(CacheTtl::Hour);
    assert_eq!(
        marks(&suite),
        [(Role::System, Some(hour)), (Role::System, Some(None))]
    );
    suite.system = None;
    let unmarked = (Role::User, None);
    assert_eq!(marks(&suite), [unmarked, (Role::System, Some(None))]);
}

#[test]
fn the_canonical_text_follows_the_content() {
    // Prompts are paired across runs by this text: it must change with what is asked and with
    // nothing else, variants' overrides least of all.
    let suite = full();
    let [one, two] = suite.prompts.as_slice() else {
        panic!("two prompts")
    };
    insta::assert_snapshot!(
        prompt_canonical(&suite, one),
        @r#"{"messages":[{"content":"Hello","role":"user"}],"parameters":{"caching":"off","extra":{"logit_bias":{"5":-1.5},"parallel_tool_calls":true},"max_tokens":64,"max_tokens_name":"max_completion_tokens","provider_options":{"gateway":{"only":["azure"]}},"seed":-1,"stop":["END"],"system_cache_control":{"ttl":"1h","type":"ephemeral"},"temperature":1.0,"top_p":0.5},"system":"Be brief."}"#
    );
    assert!(prompt_canonical(&suite, two).contains("\"system\":\"Be long.\""));
    let mut changed = suite.clone();
    changed.variants.truncate(1);
    changed.repetitions += 1;
    changed.cache = CacheMode::Bust;
    changed.prompts[0].weight = 9.0;
    changed.prompts[0].tags.clear();
    changed.prompts[0].id = "renamed".to_owned();
    assert_eq!(
        prompt_canonical(&changed, &changed.prompts[0]),
        prompt_canonical(&suite, one)
    );
    changed.system = Some("Be brief!".to_owned());
    assert_ne!(
        prompt_canonical(&changed, &changed.prompts[0]),
        prompt_canonical(&suite, one)
    );
    assert_eq!(
        prompt_canonical(&changed, &changed.prompts[1]),
        prompt_canonical(&suite, two)
    );
}

/// Independent faults of [`FULL`]: a piece of its text, what it becomes, and the problem's code.
const FAULTS: [(&str, &str, Code); 17] = [
    ("repetitions = 3", "repetitions = 0", Code::OutOfRange),
    ("warmup = 0", "warmup = \"0\"", Code::WrongType),
    ("seed = 7", "sead = 7", Code::UnknownKey),
    (
        "reference = \"slow\"",
        "reference = \"fast\"",
        Code::BadValue,
    ),
    ("stream = false", "stream = no", Code::Syntax),
    ("name = \"full.suite-1\"", "name = \"a/b\"", Code::BadValue),
    ("gap = \"250ms\"", "gap = \"250\"", Code::BadValue),
    ("total = \"2m\"", "total = \"2h\"", Code::OutOfRange),
    ("top_p = 0.5", "top_p = 2", Code::OutOfRange),
    ("extra = { ", "extra = { n_ = 2000-01-01, ", Code::WrongType),
    ("weight = 2.5", "weight = -1", Code::OutOfRange),
    ("alpha = 0.1", "alpha = 0", Code::OutOfRange),
    ("margin = \"30%\"", "margin = \"2%\"", Code::Conflict),
    ("\"1.5s\"\nerror", "1.5\nerror", Code::WrongType),
    ("id = \"two\"", "id = \"one\"", Code::Duplicate),
    ("\"greeting\"", "\"two words\"", Code::BadValue),
    ("role = \"assistant\"", "role = \"robot\"", Code::BadValue),
];

proptest! {
    // One wrong value hides no other, and none is said twice: any set of faults gives exactly as
    // many problems, each of its own code.
    #[test]
    fn every_fault_is_told_once(chosen in prop::collection::btree_set(0..FAULTS.len(), 1..FAULTS.len())) {
        let mut text = FULL.to_owned();
        let mut expected = Vec::new();
        for &index in &chosen {
            let (piece, fault, code) = FAULTS[index];
            let changed = text.replacen(piece, fault, 1);
            prop_assert_ne!(&changed, &text);
            text = changed;
            expected.push(code);
        }
        let problems = parse_suite(&text).unwrap_err();
        let mut told: Vec<_> = problems.iter().map(|problem| problem.code).collect();
        expected.sort();
        told.sort();
        prop_assert_eq!(told, expected, "{}", render(&problems, "x", &text, false));
    }

    // Whatever is cut out of or put into a good suite: it is valid, or it is told what is wrong,
    // in places that can be shown.
    #[test]
    fn changed_suites_never_panic(
        at in 0..FULL.len(), removed in 0_usize..80, put in "[\\PC\n\r\t\\[\\]{}=\"'.,#-]{0,6}",
        colour: bool,
    ) {
        let end = (at + removed).min(FULL.len());
        let text = format!("{}{put}{}", &FULL[..at], &FULL[end..]);
        match parse_suite(&text) {
            Ok(suite) => prop_assert!(is_valid(&suite)),
            Err(problems) => {
                let told = render(&problems, "x.toml", &text, colour);
                prop_assert!(told.contains("x.toml"));
                for problem in &problems {
                    prop_assert!(problem.span.end <= text.len());
                    prop_assert!(problem.place(&text).line <= text.lines().count() + 1);
                }
            }
        }
        let _ = parse_project(&text);
    }

    // The same for project files.
    #[test]
    fn changed_projects_never_panic(
        at in 0..PROJECT.len(), removed in 0_usize..60, put in "[\\PC\n\\[\\]{}=\"'.,#-]{0,6}",
    ) {
        let end = (at + removed).min(PROJECT.len());
        let text = format!("{}{put}{}", &PROJECT[..at], &PROJECT[end..]);
        match parse_project(&text) {
            Ok(project) => {
                let safe = |profile: &Profile| {
                    profile.base_url.as_ref().is_none_or(|url| url.starts_with("http"))
                        && profile.headers.iter().all(|(name, _)| name != "authorization")
                };
                prop_assert!(project.profiles.values().all(safe));
            }
            Err(problems) => {
                let told = render(&problems, "bakeoff.toml", &text, false);
                prop_assert!(told.contains("bakeoff.toml"));
            }
        }
    }

    // Arbitrary text that looks a little like TOML never panics.
    #[test]
    fn arbitrary_text_never_panics(text in "(\\[{0,2}|\\]{0,2}|[a-c.]{1,3}|=|\\{|\\}|\"{1,3}|'{1,3}|#|,|\n|-?[0-9]{1,3}|\\PC|prompts|models|parameters|endpoints| ){0,40}") {
        for problems in [parse_suite(&text).err(), parse_project(&text).err()].iter().flatten() {
            render(problems, "x.toml", &text, true);
        }
    }

    // Selection gives a valid suite whose prompts and variants were in the suite or were named.
    #[test]
    fn selections_are_valid_suites(
        models in prop::collection::vec("(m/plain|slow|other|m/\\*|\\*|\\[|x/y)", 0..4),
        prompts in prop::collection::vec("(one|two|t\\*|three|\\*)", 0..3),
        tags in prop::collection::vec("(short|gr\\*|none)", 0..3),
    ) {
        let suite = full();
        if let Ok(selected) = select(&suite, &models, &prompts, &tags) {
            prop_assert!(is_valid(&selected));
            let known = |variant: &Variant| {
                suite.variants.contains(variant) || models.contains(&variant.label)
            };
            prop_assert!(selected.variants.iter().all(known));
            prop_assert!(selected.prompts.iter().all(|prompt| suite.prompts.contains(prompt)));
        }
    }

    // A suite that is written as TOML from its parts is read as those parts.
    #[test]
    fn written_suites_are_read_back(
        ids in prop::collection::btree_set("[a-z0-9._:/-]{1,12}", 1..5),
        labels in prop::collection::btree_set("[A-Za-z0-9][A-Za-z0-9 ()/-]{0,8}[A-Za-z0-9]", 1..5),
        said in "\\PC{0,40}[a-z]",
        weight in limits::WEIGHT_MIN..limits::WEIGHT_MAX,
        seed in 0..=limits::SEED,
    ) {
        let mut file = toml::Table::new();
        file.insert("name".into(), "x".into());
        file.insert("seed".into(), i64::try_from(seed).unwrap().into());
        let models: Vec<toml::Value> = labels.iter().map(|label| {
            toml::Table::from_iter([
                ("label".to_owned(), label.as_str().into()),
                ("model".to_owned(), "m/one".into()),
            ]).into()
        }).collect();
        file.insert("models".into(), models.into());
        let prompts: Vec<toml::Value> = ids.iter().map(|id| {
            toml::Table::from_iter([
                ("id".to_owned(), id.as_str().into()),
                ("user".to_owned(), said.as_str().into()),
                ("weight".to_owned(), weight.into()),
            ]).into()
        }).collect();
        file.insert("prompts".into(), prompts.into());
        let text = toml::to_string(&file).unwrap();
        let suite = parse_suite(&text).unwrap();
        prop_assert_eq!(suite.seed, seed);
        prop_assert!(suite.variants.iter().map(|v| &v.label).eq(&labels));
        prop_assert!(suite.prompts.iter().map(|p| &p.id).eq(&ids));
        prop_assert!(suite.prompts.iter().all(|p| p.messages[0].content == said));
        prop_assert!(suite.prompts.iter().all(|p| p.weight.to_bits() == weight.to_bits()));
    }
}

#[test]
fn models_are_selected_by_label_model_or_glob() {
    // `-m` is how a user says what competes today: exactly what was named, in that order.
    let mut suite = full();
    suite.gate = None;
    let labels = |models: &[&str]| {
        let selected = select(&suite, &texts(models), &[], &[]).unwrap();
        let labels: Vec<_> = selected.variants.iter().map(|v| v.label.clone()).collect();
        (labels, selected.reference)
    };
    let of = |list: &[&str], reference: &str| (texts(list), reference.to_owned());
    assert_eq!(labels(&[]), of(&["m/plain", "slow"], "slow"));
    assert_eq!(labels(&["slow"]), of(&["slow"], "slow"));
    // The label names the plain variant alone, the glob every variant of the model.
    assert_eq!(labels(&["m/plain"]), of(&["m/plain"], "m/plain"));
    assert_eq!(labels(&["m*n"]), of(&["m/plain", "slow"], "slow"));
    assert_eq!(labels(&["x/new", "slow"]), of(&["x/new", "slow"], "slow"));
    assert_eq!(
        labels(&["x/new", "*", "x/new"]),
        of(&["x/new", "m/plain", "slow"], "slow")
    );
    assert_eq!(labels(&["x/new"]), of(&["x/new"], "x/new"));
    // A model whose only variants have labels of their own is named by its id too.
    let mut labelled = suite.clone();
    labelled.variants.remove(0);
    let selected = select(&labelled, &texts(&["m/plain"]), &[], &[]).unwrap();
    assert_eq!(selected.variants[0].label, "slow");
}

#[test]
fn a_control_is_not_lost_by_a_selection() {
    // Without its control a run would be judged by another procedure than the suite asks for.
    let suite = full();
    let told = |models: &[&str]| {
        let selected = select(&suite, &texts(models), &[], &[]);
        selected.map_or_else(
            |error| error.to_string(),
            |suite| suite.variants.len().to_string(),
        )
    };
    insta::assert_snapshot!(told(&["slow"]), @"the gate's control `m/plain` was not selected: select it as well (`-m m/plain`), or take `control` out of the suite");
    insta::assert_snapshot!(told(&["m/plain"]), @"the gate's control `m/plain` is all that was selected: select what is compared with it as well");
    insta::assert_snapshot!(told(&["x/new", "m/plain"]), @"2");
}

#[test]
fn limits_are_named_by_their_keys() {
    // The key in a suite is the word in a report: one each, no two the same.
    let words: Vec<&str> = Quantity::all().map(Quantity::word).collect();
    assert_eq!(words.len(), 23);
    assert!(!words.contains(&"time"));
    let mut unique = words.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), words.len());
}

#[test]
fn selections_that_match_nothing_name_the_nearest() {
    // An empty run would look like a success.
    let suite = full();
    let told = |models: &[&str], prompts: &[&str], tags: &[&str]| {
        let error = select(&suite, &texts(models), &texts(prompts), &texts(tags)).unwrap_err();
        error.to_string()
    };
    insta::assert_snapshot!(told(&["m/plan*"], &[], &[]), @"no model of the suite matches `m/plan*`; did you mean `m/plain`?");
    insta::assert_snapshot!(told(&["two words"], &[], &[]), @"`two words` is not a model id: it must be 1 to 200 visible characters without spaces");
    insta::assert_snapshot!(told(&["m/{"], &[], &[]), @"`m/{` is not a pattern: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)");
    insta::assert_snapshot!(told(&[], &["tow"], &[]), @"no prompt of the suite matches `tow`; did you mean `two`?");
    insta::assert_snapshot!(told(&[], &[], &["greetings"]), @"no tag of the suite matches `greetings`; did you mean `greeting`?");
    insta::assert_snapshot!(told(&[], &["two"], &["short"]), @"no prompt of the suite has both the prompt ids and the tags that were selected");
    insta::assert_snapshot!(told(&[], &[""], &[]), @"`` is not a pattern: it must have 1 to 512 bytes");
    let many: Vec<String> = (0..=limits::VARIANTS).map(|n| format!("m/{n}")).collect();
    let error = select(&suite, &many, &[], &[]).unwrap_err();
    assert_eq!(error, SelectError::TooManyVariants { count: 65 });
}

#[test]
fn prompts_are_selected_by_id_and_tag() {
    // Both at once narrow the selection.
    let suite = full();
    let ids = |prompts: &[&str], tags: &[&str]| {
        let selected = select(&suite, &[], &texts(prompts), &texts(tags)).unwrap();
        selected
            .prompts
            .into_iter()
            .map(|p| p.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&[], &[]), ["one", "two"]);
    assert_eq!(ids(&["t*"], &[]), ["two"]);
    assert_eq!(ids(&["two", "one"], &[]), ["one", "two"]);
    assert_eq!(ids(&["*"], &["sh?rt", "greeting"]), ["one"]);
}

#[test]
fn endpoints_are_resolved() {
    // A name, an own name, a URL: each leads to one profile, and a slip to the nearest name.
    let project = parse_project(PROJECT).unwrap();
    let staging = project.resolve("staging").unwrap();
    let usd = |text: &str| text.parse::<crate::units::Usd>().unwrap();
    assert_eq!(project.confirm_above, Some(usd("2.5")));
    let per_minute = |requests, tokens| PerMinute {
        requests: NonZeroU32::new(requests),
        tokens: NonZeroU64::new(tokens),
    };
    assert_eq!(
        staging,
        Profile {
            name: "staging".to_owned(),
            base_url: Some("https://staging.example.org/v1".to_owned()),
            key_variables: texts(&["STAGING_KEY"]),
            headers: vec![
                ("x-title".to_owned(), "bakeoff".to_owned()),
                ("http-referer".to_owned(), "https://example.org".to_owned()),
            ],
            prices: vec![OwnPrice {
                model: "m/one".parse().unwrap(),
                input_usd: usd("0.00000015"),
                output_usd: usd("0.0000006"),
                cache_read_usd: Some(usd("0.000000015")),
                cache_write_usd: None,
            }],
            surcharges: vec![Surcharge {
                model: "m/*".to_owned(),
                per_request: Some(usd("0.001")),
                per_image: Some(usd("0.02")),
            }],
            limits: RateLimits {
                whole: per_minute(60, 1_000_000),
                models: vec![ModelLimit {
                    model: "m/*".to_owned(),
                    per_minute: per_minute(6, 2_000),
                }],
            },
            wording: Wording {
                max_tokens_name: Some(TokenLimitName::MaxTokens),
                ..Wording::default()
            },
            key_header: None,
            api_version: None,
        }
    );
    // An own profile changes only what it says of the built-in one.
    let vercel = project.resolve("vercel").unwrap();
    assert_eq!(
        vercel.base_url.as_deref(),
        Some("https://ai-gateway.vercel.sh/v1")
    );
    assert_eq!(
        vercel.key_variables,
        ["AI_GATEWAY_API_KEY", "VERCEL_OIDC_TOKEN"]
    );
    assert_eq!(vercel.limits.whole, per_minute(10, 0));
    let openai = project.resolve("openai").unwrap();
    assert_eq!(openai.base_url.as_deref(), Some("http://localhost:4000/v1"));
    assert!(openai.key_variables.is_empty());

    let sim = Project::default().resolve(SIM).unwrap();
    assert_eq!((sim.base_url, sim.key_variables), (None, Vec::new()));
    let by_url = project.resolve("http://127.0.0.1:8000/v1/").unwrap();
    assert_eq!(by_url.name, "http://127.0.0.1:8000/v1");
    assert_eq!(by_url.base_url.as_deref(), Some("http://127.0.0.1:8000/v1"));
    assert!(by_url.key_variables.is_empty());

    let anthropic = project.resolve("anthropic").unwrap();
    assert_eq!(anthropic.wording.api, Api::Messages);
    assert_eq!(anthropic.key_header.as_deref(), Some("x-api-key"));
    let told = |endpoint: &str| {
        let error = project.resolve(endpoint).unwrap_err();
        format!("{error}; {}", error.help().unwrap_or_default())
    };
    insta::assert_snapshot!(told("vercell"), @"there is no endpoint `vercell`; did you mean `vercel`?");
    insta::assert_snapshot!(told("zzz"), @"there is no endpoint `zzz`; the endpoints are anthropic, openai, openrouter, sim, staging, vercel; a base URL such as http://127.0.0.1:8000/v1 does too");
    insta::assert_snapshot!(told("http://localhost:8000"), @"the base URL `http://localhost:8000` has no path; write `http://localhost:8000/v1` (or `http://localhost:8000/` where its API has no path)");
}

#[test]
fn a_project_says_what_may_be_spent() {
    // A cap that is misread is worse than none.
    let read = |text: &str| parse_project(&format!("[budget]\n{text}")).map(|it| it.budget);
    let budget = read("max_cost_per_run = \"$0.50\"\nmax_cost_per_day = 2").unwrap();
    assert_eq!(budget.max_cost_per_run, Some("0.5".parse().unwrap()));
    assert_eq!(budget.max_cost_per_day, Some("2".parse().unwrap()));
    for wrong in [
        "max_cost_per_run = -1",
        "max_cost_per_run = \"50c\"",
        "max_cost = 1",
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn an_endpoint_says_how_its_requests_are_worded() {
    // What differs in the request cannot be learnt from the answer: the profile must say it.
    let azure = "[endpoints.azure]\nbase_url = \"https://x.example.org/openai/deployments/d\"\n\
         key_header = \"Api-Key\"\napi_version = \"2024-10-21\"\nreasoning_name = \"reasoning\"\n\
         [endpoints.sim]\napi = \"responses\"\n[endpoints.anthropic]\nrequests_per_minute = 5\n";
    let project = parse_project(azure).unwrap();
    let azure = project.resolve("azure").unwrap();
    assert_eq!(azure.key_header.as_deref(), Some("api-key"));
    assert_eq!(azure.api_version.as_deref(), Some("2024-10-21"));
    assert_eq!(azure.wording.reasoning_name, ReasoningName::Reasoning);
    assert_eq!(azure.wording.api, Api::Chat);
    let sim = project.resolve("sim").unwrap();
    assert_eq!((sim.wording.api, sim.base_url), (Api::Responses, None));
    // A built-in endpoint that is only slowed down keeps its route and its header.
    let anthropic = project.resolve("anthropic").unwrap();
    assert_eq!(anthropic.wording.api, Api::Messages);
    assert_eq!(anthropic.key_header.as_deref(), Some("x-api-key"));
}

#[test]
fn wrong_wordings_are_told() {
    // A key of another route, a value that is no header, a query, and a key where a name belongs.
    let told = |line: &str| {
        let text = format!("[endpoints.own]\nbase_url = \"https://x.example.org/v1\"\n{line}\n");
        let problems = parse_project(&text).unwrap_err();
        problems
            .iter()
            .map(|problem| problem.code)
            .collect::<Vec<_>>()
    };
    for (line, code) in [
        ("api = \"completions\"", Code::BadValue),
        (
            "api = \"messages\"\nmax_tokens_name = \"max_tokens\"",
            Code::Conflict,
        ),
        (
            "api = \"responses\"\nreasoning_name = \"reasoning\"",
            Code::Conflict,
        ),
        ("key_header = \"authorization\"", Code::BadValue),
        ("key_header = \"content-length\"", Code::BadValue),
        ("key_header = \"sk-0123456789abcdef\"", Code::Secret),
        ("api_version = \"1&key=2\"", Code::BadValue),
        ("api_version = \"\"", Code::BadValue),
    ] {
        assert_eq!(told(line), [code], "{line}");
    }
}

#[test]
fn a_shared_prefix_opens_every_prompt() {
    // Whatever system text a prompt or a variant has, the prefix stands before it, in one text; a mark ends
    // the prefix, so that what differs behind it is not marked with it. Other prefixes are other prompts.
    let text = "name = \"x\"\nmodels = [\"m\", { model = \"m\", label = \"own\", system = \"Think.\", cache = \"bust\" }]\n\
                cache = { mode = \"warm\", within = \"90s\", prefix = \"Handbook.\" }\n\
                [[prompts]]\nid = \"a\"\nuser = \"Why?\"";
    let suite = parse_suite(text).unwrap();
    assert_eq!(
        suite.reuse.within_ns,
        Some(crate::units::Nanos::from_millis(90_000))
    );
    let modes = suite.variants.iter().map(|variant| suite.cache_of(variant));
    assert_eq!(
        modes.collect::<Vec<_>>(),
        [CacheMode::Warm, CacheMode::Bust]
    );
    let opening = |suite: &Suite, variant: usize| -> Vec<(String, bool)> {
        let messages = suite.messages_of(&suite.prompts[0], &suite.variants[variant]);
        let system = messages.into_iter().filter(|one| one.role == Role::System);
        system
            .map(|one| (one.content, one.cache_control.is_some()))
            .collect()
    };
    assert_eq!(opening(&suite, 0), [("Handbook.".to_owned(), false)]);
    assert_eq!(
        opening(&suite, 1),
        [("Handbook.\n\nThink.".to_owned(), false)]
    );
    let marked = format!(
        "{}\n[parameters]\nsystem_cache_control = \"ephemeral\"",
        &text[..text.find("[[").unwrap()]
    );
    let marked = parse_suite(&format!("{marked}\n{}", &text[text.find("[[").unwrap()..])).unwrap();
    assert_eq!(opening(&marked, 0), [("Handbook.".to_owned(), true)]);
    assert_eq!(
        opening(&marked, 1),
        [("Handbook.".to_owned(), true), ("Think.".to_owned(), false)]
    );
    let other = parse_suite(&text.replace("Handbook", "Guide")).unwrap();
    assert_ne!(
        prompt_canonical(&suite, &suite.prompts[0]),
        prompt_canonical(&other, &other.prompts[0])
    );
    // Read back from a manifest it is the same suite.
    let stored = serde_json::to_string(&suite).unwrap();
    assert_eq!(serde_json::from_str::<Suite>(&stored).unwrap(), suite);
}
