//! Project files: every key, endpoints, request keys.

use std::num::{NonZeroU32, NonZeroU64};

use proptest::prelude::*;

use super::*;
use crate::units::{ModelId, Usd};

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
            ignoring_max_tokens: Vec::new(),
            retirements: Vec::new(),
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
                cache_write_1h_usd: None,
                cache_write_12h_usd: None,
                service_tier: None,
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
            ca_file: None,
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
    let problem_codes = |endpoint: &str| {
        let error = project.resolve(endpoint).unwrap_err();
        format!("{error}; {}", error.help().unwrap_or_default())
    };
    insta::assert_snapshot!(problem_codes("vercell"), @"unknown endpoint `vercell`; did you mean `vercel`?");
    insta::assert_snapshot!(problem_codes("zzz"), @"unknown endpoint `zzz`; the endpoints are anthropic, openai, openrouter, sim, staging, vercel; a base URL such as http://127.0.0.1:8000/v1 works as well");
    insta::assert_snapshot!(problem_codes("http://localhost:8000"), @"the base URL `http://localhost:8000` has no path; write `http://localhost:8000/v1` (or `http://localhost:8000/` where its API has no path)");
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
fn own_prices_have_service_tiers_and_lifetimes() {
    // A price of flex replaces none of the standard tier, and twelve hours cost more than minutes.
    let table = |model: &str, input: u32, more: &str| {
        format!(
            "[[endpoints.own.prices]]\nmodel = \"{model}\"\ninput_usd_per_mtok = {input}\noutput_usd_per_mtok = 9\n{more}\n"
        )
    };
    let project = |tables: &[String]| {
        parse_project(&format!(
            "[endpoints.own]\nbase_url = \"https://x.example.org/v1\"\n{}",
            tables.concat()
        ))
    };
    let text = [
        table(
            "a/*",
            2,
            "cache_write_1h_usd_per_mtok = 4\ncache_write_12h_usd_per_mtok = 5",
        ),
        table("a/*", 1, "service_tier = \"Flex\""),
    ];
    let profile = project(&text).unwrap().resolve("own").unwrap();
    let prices = profile.prices_of(&["a/one".parse().unwrap()]);
    let written: Vec<String> = prices
        .iter()
        .map(|price| {
            let million = |usd: Option<Usd>| usd.map(|usd| usd.0 / 1_000_000);
            format!(
                "{} {:?} {:?} {:?}",
                price.input_usd.0 / 1_000_000,
                price.service_tier,
                million(price.cache_write_1h_usd),
                million(price.cache_write_12h_usd)
            )
        })
        .collect();
    assert_eq!(
        written,
        ["2 None Some(4) Some(5)", "1 Some(\"flex\") None None"]
    );
    let problems = |tables: &[String]| format!("{:?}", project(tables).unwrap_err());
    let twice = [text[1].clone(), text[1].clone()];
    assert!(
        problems(&twice).contains("duplicate"),
        "{}",
        problems(&twice)
    );
    let standard = [table("a/*", 1, "service_tier = \"default\"")];
    assert!(
        problems(&standard).contains("other than the standard one"),
        "{}",
        problems(&standard)
    );
}

#[test]
fn own_prices_take_globs_as_surcharges_do() {
    // A server with a hundred models has a few prices; the first table that matches applies.
    let table = |model: &str, input: u32| {
        format!(
            "[[endpoints.own.prices]]\nmodel = \"{model}\"\ninput_usd_per_mtok = {input}\noutput_usd_per_mtok = 9\n"
        )
    };
    let text = format!(
        "[endpoints.own]\nbase_url = \"https://x.example.org/v1\"\n{}{}{}",
        table("a/one", 1),
        table("a/*", 2),
        table("a/two", 3)
    );
    let profile = parse_project(&text).unwrap().resolve("own").unwrap();
    let models = ["a/one", "a/three", "b/four"].map(|id| id.parse::<ModelId>().unwrap());
    let priced = profile.prices_of(&models);
    let priced: Vec<String> = priced
        .iter()
        .map(|price| format!("{} {}", price.model, price.input_usd.0 / 1_000_000))
        .collect();
    // An exact id is priced whether or not it is asked for, here by the glob before it.
    assert_eq!(priced, ["a/one 1", "a/three 2", "a/two 2"]);
    // Nothing but the globs' own text is no model.
    assert!(
        profile
            .prices_of([])
            .iter()
            .all(|price| !price.model.as_str().contains('*'))
    );
    let broken = format!(
        "[endpoints.own]\nbase_url = \"https://x.example.org/v1\"\n{}",
        table("a/[", 1)
    );
    let problems = parse_project(&broken).unwrap_err();
    assert_eq!(
        problems
            .iter()
            .map(|problem| problem.code)
            .collect::<Vec<_>>(),
        [Code::BadValue]
    );
}

#[test]
fn stream_options_can_be_left_out() {
    // Strict servers reject the key, and no suite can take it away.
    let wording = |line: &str| {
        let text = format!("[endpoints.own]\nbase_url = \"https://x.example.org/v1\"\n{line}\n");
        parse_project(&text)
            .unwrap()
            .resolve("own")
            .unwrap()
            .wording
    };
    assert!(wording("stream_options = false").omits_stream_options);
    assert!(!wording("stream_options = true").omits_stream_options);
    assert!(!wording("").omits_stream_options);
}

#[test]
fn wrong_request_keys_are_reported() {
    // A key of another route, a value that is no header, a query, and a key where a name belongs.
    let problem_codes = |line: &str| {
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
        ("api = \"messages\"\nstream_options = false", Code::Conflict),
        ("stream_options = \"no\"", Code::WrongType),
        ("key_header = \"authorization\"", Code::BadValue),
        ("key_header = \"content-length\"", Code::BadValue),
        ("key_header = \"sk-0123456789abcdef\"", Code::Secret),
        ("api_version = \"1&key=2\"", Code::BadValue),
        ("api_version = \"\"", Code::BadValue),
    ] {
        assert_eq!(problem_codes(line), [code], "{line}");
    }
}

proptest! {
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
                let problem_codes = render(&problems, "bakeoff.toml", &text, false);
                prop_assert!(problem_codes.contains("bakeoff.toml"));
            }
        }
    }
}
