use proptest::prelude::*;

use super::*;

fn read(list: &str) -> Catalog {
    Catalog::read(list, "a test".to_owned(), "2026-01-02".to_owned()).unwrap()
}

fn id(text: &str) -> ModelId {
    text.parse().unwrap()
}

fn names(model: &ListedModel) -> Vec<&str> {
    let prices = model.other_prices.iter();
    prices.map(|price| price.name.as_str()).collect()
}

fn usd(text: &str) -> Option<Usd> {
    text.parse().ok()
}

#[test]
fn the_snapshot_is_read_whole() {
    // Every entry of the compiled-in list must survive its own reader, and say its date.
    let catalog = Catalog::snapshot();
    assert_eq!(catalog.unreadable_entries(), 0);
    assert_eq!(catalog.models().count(), 58);
    assert_eq!(catalog.source().date, "2026-08-21");
    let priced = catalog.models().filter(|model| model.prices.is_some());
    assert_eq!(priced.count(), 57, "all but perplexity/sonar");
}

#[test]
fn long_prompts_have_their_own_prices_in_the_snapshot() {
    // Without them a long prompt looks half as expensive as it is, and a cap does not hold.
    let catalog = Catalog::snapshot();
    let tiered = catalog.models().filter_map(|model| {
        let tiers = model.prices.as_ref()?.tiers();
        let [short, long] = tiers else { return None };
        assert!(long.rates.input >= short.rates.input.map(|usd| Usd(usd.0 * 2)));
        assert!(long.rates.output > short.rates.output);
        Some(format!("{} {}", model.id, long.from_prompt_tokens))
    });
    assert_eq!(
        tiered.collect::<Vec<_>>(),
        [
            "alibaba/qwen3.7-plus 256000",
            "anthropic/claude-sonnet-4.5 200001",
            "google/gemini-2.5-pro 200001",
            "google/gemini-3.1-pro-preview 200001",
            "minimax/minimax-m3 512001",
            "openai/gpt-5.4 272001",
            "openai/gpt-5.5 272001",
            "openai/gpt-5.6-luna 272001",
            "openai/gpt-5.6-sol 272001",
            "openai/gpt-6-luna 272001",
            "spacexai/grok-4.6 200001",
        ]
    );
}

#[test]
fn a_bare_array_is_a_list() {
    // Together AI sends no object around the entries; spaces before it are legal.
    let ids = |text: &str| -> Vec<String> {
        read(text)
            .models()
            .map(|model| model.id.to_string())
            .collect()
    };
    assert_eq!(
        ids(r#"[{"id":"m","object":"model","context_length":8192}]"#),
        ["m"]
    );
    assert_eq!(ids(" \n[{\"id\":\"b\"},7,{\"id\":\"a\"}]"), ["a", "b"]);
    for broken in ["[{", "[7]", "[]", r#"[{"name":"m"}]"#] {
        assert!(
            Catalog::read(broken, String::new(), String::new()).is_err(),
            "{broken}"
        );
    }
}

#[test]
fn an_entry_becomes_a_model() {
    // One entry with everything: each fact lands where it belongs.
    let catalog = Catalog::snapshot();
    let model = catalog.get(&id("anthropic/claude-haiku-4.5")).unwrap();
    assert_eq!(model.name, "Claude Haiku 4.5");
    assert_eq!(model.kind, ModelKind::Language);
    assert_eq!(model.context_window, Some(200_000));
    assert_eq!(model.max_tokens, Some(64_000));
    assert!(model.tags.contains(&"reasoning".to_owned()));
    assert_eq!(names(model), ["input_cache_write_1h_tiers", "regional"]);
    let rates = *model.prices.as_ref().unwrap().rates(0);
    assert_eq!(rates.input, usd("0.000001"));
    assert_eq!(rates.output, usd("0.000005"));
    assert_eq!(rates.cache_read, usd("0.0000001"));
    assert_eq!(rates.cache_write, usd("0.00000125"));
    assert_eq!(rates.cache_write_1h, usd("0.000002"));
}

#[test]
fn the_snapshot_has_prices_of_service_tiers_and_lifetimes() {
    // Without them flex would be priced at twice its cost, or not at all.
    let catalog = Catalog::snapshot();
    let tiers = |tier: &str| {
        let models = catalog.models();
        models
            .filter(|model| model.service_tiers.get(tier).is_some())
            .count()
    };
    assert_eq!((tiers("flex"), tiers("priority")), (17, 17));
    let luna = catalog.get(&id("openai/gpt-6-luna")).unwrap();
    let rates = |tier: &str, prompt| *luna.service_tiers.get(tier).unwrap().rates(prompt);
    assert_eq!(rates("flex", 0).output, usd("0.00000025"));
    assert_eq!(rates("priority", 272_001).input, usd("0.0000004"));
    let standard = luna.prices.as_ref().unwrap();
    assert_eq!(standard.rates(0).cache_write_12h, usd("0.00000025"));
    assert_eq!(standard.rates(272_001).cache_write_12h, usd("0.0000005"));
}

#[test]
fn prices_that_are_not_known_are_absent() {
    // An empty object, none at all, prices of other things, negative ones and nonsense: no price
    // per token, never 0.
    for pricing in [
        r"{}",
        r"null",
        r#""free""#,
        r#"{"image": "0.04", "web_search": "0.01"}"#,
        r#"{"input": "-1", "output": "-1"}"#,
        r#"{"input": "cheap", "output": "0.1"}"#,
        r#"{"input": {}, "output": "0.1"}"#,
    ] {
        let catalog = read(&format!(
            r#"{{"data":[{{"id":"a/b","pricing":{pricing}}}]}}"#
        ));
        assert_eq!(catalog.get(&id("a/b")).unwrap().prices, None, "{pricing}");
    }
    let catalog =
        read(r#"{"data":[{"id":"a/b"},{"id":"a/c","pricing":{"image":"1","x":{"us":1}}}]}"#);
    assert_eq!(catalog.get(&id("a/b")).unwrap().prices, None);
    assert_eq!(names(catalog.get(&id("a/c")).unwrap()), ["image", "x"]);
}

#[test]
fn invalid_prices_are_reported() {
    // A price that vanishes silently looks like a model without one: the page shows the text of the
    // list, why it does not count, and what to do.
    for (pricing, price) in [
        (r#"{"input":"0.000001","output":"NaN"}"#, "output: NaN"),
        (r#"{"input":"0.000001","output":"-1"}"#, "output: -1"),
        (r#"{"input":"0.000001","output":1e400}"#, "output: 1e400"),
        (r#"{"prompt":"1","completion":"0.1"}"#, "prompt: 1"),
        (
            r#"{"input":"0.1e-5","output":"0.1e-5","output_tiers":[{"cost":"x","min":0}]}"#,
            r#"output_tiers: [{"cost":"x","min":0}]"#,
        ),
        (r#""free""#, "pricing: free"),
    ] {
        let catalog = read(&format!(
            r#"{{"data":[{{"id":"a/b","pricing":{pricing}}}, {{"id":"a/c","pricing":{{"input":"0.1e-5"}}}}]}}"#
        ));
        let model = catalog.get(&id("a/b")).unwrap();
        assert_eq!(model.prices, None, "{pricing}");
        let others = model.other_prices.iter();
        let others: Vec<_> = others
            .map(|price| format!("{}: {}", price.name, price.value))
            .collect();
        assert!(others.iter().any(|other| other == price), "{others:?}");
        assert_eq!(
            catalog.price_warnings(),
            ["prices of 1 model are invalid and are not used: see `bakeoff models show a/b`"]
        );
        let own = OwnPrice {
            model: id("a/b"),
            input_usd: Usd(1),
            output_usd: Usd(2),
            cache_read_usd: None,
            cache_write_usd: None,
            cache_write_1h_usd: None,
            cache_write_12h_usd: None,
            service_tier: None,
        };
        assert!(catalog.with_own_prices(&[own]).price_warnings().is_empty());
    }
    assert!(Catalog::snapshot().price_warnings().is_empty());
}

#[test]
fn a_duplicate_id_with_other_prices_is_reported() {
    // The first entry may be the cheaper one: the user must know of the other.
    let twice = |second: &str| {
        read(&format!(
            r#"{{"data":[{{"id":"a/b","pricing":{{"input":"0.000001"}}}},
                {{"id":"a/b","name":"again","pricing":{{"input":"{second}"}}}}]}}"#
        ))
    };
    assert!(twice("0.0000010").price_warnings().is_empty());
    let price_warnings = twice("0.000002").price_warnings();
    assert_eq!(price_warnings.len(), 1);
    assert!(
        price_warnings[0].starts_with("`a/b` is listed twice"),
        "{price_warnings:?}"
    );
}

#[test]
fn further_prices_are_shown_as_the_list_spells_them() {
    // A price that is not included must still be readable, to the last digit and key, and on one line.
    let catalog = read(
        r#"{"data":[{"id":"a/b","pricing":{"web_search":"0.0100","image": 0.10, "request":"0",
            "image_dimension_quality_pricing":[{"size":"1024x1024", "cost":"0.04"}],
            "regional": {"eu": {"input":"0.1"},
              "us": {}}}}]}"#,
    );
    let model = catalog.get(&id("a/b")).unwrap();
    let lines = model.other_prices.iter().map(|price| {
        let treatment = model.treatment(price).words();
        format!("{}: {} ({treatment})", price.name, price.value)
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r#"
    image: 0.10 (billed for images only: caps reject images until `usd_per_image` declares it)
    image_dimension_quality_pricing: [{"size":"1024x1024", "cost":"0.04"}] (not supported: caps refuse the model until `surcharges` declares its maximum)
    regional: {"eu": {"input":"0.1"},              "us": {}} (not supported: caps refuse the model until `surcharges` declares its maximum)
    web_search: 0.0100 (not supported: caps refuse the model until `surcharges` declares its maximum)
    "#);
    // A region whose prices cannot be read bounds nothing; one that can does.
    let catalog = Catalog::snapshot();
    let haiku = catalog.get(&id("anthropic/claude-haiku-4.5")).unwrap();
    assert_eq!(haiku.treatment(&haiku.other_prices[0]), Treatment::Counted);
    assert_eq!(haiku.treatment(&haiku.other_prices[1]), Treatment::Bounded);
    assert!(
        haiku.other_prices[1]
            .value
            .contains(r#""input_cache_write": "0.000001375""#)
    );
}

#[test]
fn lists_of_every_server_are_read() {
    // OpenRouter's names, OpenAI's bare list, vLLM's, llama.cpp's and Groq's limits: each has its own
    // facts, and missing ones are absent.
    let catalog = read(
        r#"{"object":"list","data":[
            {"id":"o/router","name":"O: Router","context_length":128000,"canonical_slug":"o/router-1",
             "architecture":{"input_modalities":["text","image"],"output_modalities":["text"]},
             "top_provider":{"context_length":64000,"max_completion_tokens":8192},
             "supported_parameters":["tools","temperature"],"pricing":{"prompt":"0.0000005",
             "completion":"0.0000015","request":"0","image":"0.001","input_cache_read":"0.00000005",
             "overrides":[],"discount":0}},
            {"id":"o/auto","pricing":{"prompt":"-1","completion":"-1"}},
            {"id":"o/varies","pricing":{"prompt":"0.0000005","completion":"0.0000015",
             "overrides":[{"prompt":"0.000001"}]}},
            {"id":"gpt-5","object":"model","created":1,"owned_by":"openai"},
            {"id":"vllm","max_model_len":4096},
            {"id":"llama.gguf","meta":{"n_ctx":8192,"n_ctx_train":131072}},
            {"id":"groq","context_window":131072,"max_completion_tokens":32768}]}"#,
    );
    assert_eq!(catalog.unreadable_entries(), 0);
    let model = |text| catalog.get(&id(text)).unwrap();
    let router = model("o/router");
    let limits = (router.context_window, router.max_tokens, router.kind);
    assert_eq!(limits, (Some(128_000), Some(8192), ModelKind::Language));
    assert_eq!(router.tags, ["tool-use", "vision"]);
    assert_eq!(names(router), ["image"], "a price of 0 is none");
    let rates = *router.prices.as_ref().unwrap().rates(0);
    assert_eq!(
        (rates.input, rates.output),
        (usd("0.0000005"), usd("0.0000015"))
    );
    assert_eq!(rates.cache_read, usd("0.00000005"));
    assert_eq!(model("o/auto").prices, None);
    let varies = *model("o/varies").prices.as_ref().unwrap().rates(0);
    assert_eq!(
        varies.input,
        usd("0.000001"),
        "no condition: it always applies"
    );
    assert_eq!(model("gpt-5").prices, None);
    assert_eq!(model("vllm").context_window, Some(4096));
    assert_eq!(model("llama.gguf").context_window, Some(8192));
    assert_eq!(model("groq").max_tokens, Some(32768));
}

#[test]
fn prices_in_another_unit_are_not_believed() {
    // Some servers list USD per million tokens under the same names: 0.18 USD a token would make
    // every figure a million times too high.
    let catalog = read(r#"{"data":[{"id":"a/b","pricing":{"input":0.18,"output":0.59}}]}"#);
    assert_eq!(catalog.get(&id("a/b")).unwrap().prices, None);
}

#[test]
fn a_list_without_models_is_a_list() {
    // A server on which nothing is installed says null or an empty list.
    for text in [r#"{"object":"list","data":null}"#, r#"{"data":[]}"#] {
        assert_eq!(read(text).models().count(), 0);
    }
}

#[test]
fn words_of_a_list_cannot_move_a_terminal() {
    // Names come from outside and are printed: no control character, no change of direction.
    let catalog = read(
        r#"{"data":[{"id":"a/b","name":"a\u001b[2Jb\u202ec","tags":["x\ny"]},{"id":"a/\u202eb"}]}"#,
    );
    let model = catalog.get(&id("a/b")).unwrap();
    assert_eq!(
        (model.name.as_str(), model.tags[0].as_str()),
        ("a[2Jbc", "xy")
    );
    assert_eq!(catalog.unreadable_entries(), 1);
}

#[test]
fn ids_that_moved_are_found_under_their_new_creator() {
    // A gateway renamed a creator: the same model part is found, and no other id is suggested.
    let catalog = Catalog::snapshot();
    let moved = |text| -> Vec<String> {
        catalog
            .moved(text)
            .into_iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(moved("xai/grok-4.6"), ["spacexai/grok-4.6"]);
    assert_eq!(moved("grok-4.6"), ["spacexai/grok-4.6"]);
    assert!(moved("xai/grok-0.1").is_empty());
    assert!(moved("spacexai/grok-4.6").is_empty());
}

#[test]
fn ids_with_suffixes_are_known() {
    // A routing suffix and a default tag are part of a request, not of a list: no false alarm.
    let catalog = read(r#"{"data":[{"id":"o/m"},{"id":"llama3:latest"},{"id":"q:7b"}]}"#);
    for known in ["o/m", "o/m:nitro", "llama3", "llama3:latest", "q:7b"] {
        assert!(catalog.offers(&id(known)), "{known}");
    }
    for unknown in ["m", "o/n", "q", "q:8b", "o/m/x"] {
        assert!(!catalog.offers(&id(unknown)), "{unknown}");
    }
}

#[test]
fn searches_narrow_with_every_word() {
    // People type parts, globs and tags, in any case; all of them must hold.
    let catalog = Catalog::snapshot();
    let found = |words: &[&str]| -> Vec<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let models = catalog.search(&words).unwrap();
        models.iter().map(|model| model.id.to_string()).collect()
    };
    assert_eq!(found(&[]).len(), 58);
    assert_eq!(found(&["Claude", "HAIKU"]), ["anthropic/claude-haiku-4.5"]);
    assert_eq!(found(&["*haiku-4.5"]), ["anthropic/claude-haiku-4.5"]);
    assert!(found(&["haiku-4"]) == found(&["*haiku-4*"]) && found(&["haiku-?"]).is_empty());
    assert!(found(&["openai/*", "reasoning"]).len() < found(&["openai/*"]).len());
    assert!(catalog.search(&["[".to_owned()]).is_err());
}

#[test]
fn prices_as_numbers_keep_their_digits() {
    // Some servers send numbers: they are read by their digits, not through a float.
    let catalog =
        read(r#"{"data":[{"id":"a/b","pricing":{"input":0.000000123457,"output":2e-6}}]}"#);
    let prices = catalog.get(&id("a/b")).unwrap().prices.clone().unwrap();
    assert_eq!(prices.rates(0).input, Some(Usd(123_457)));
    assert_eq!(prices.rates(0).output, Some(Usd(2_000_000)));
}

#[test]
fn tiers_of_several_prices_are_laid_over_each_other() {
    // Input changes at 10, output at 20, cached input never: three tiers, each complete.
    let catalog = read(
        r#"{"data":[{"id":"a/b","pricing":{
            "input":"0.001","input_tiers":[{"cost":"0.001","min":0,"max":10},{"cost":"0.002","min":10}],
            "output":"0.003","output_tiers":[{"cost":"0.003","min":0,"max":20},{"cost":"0.004","min":20}],
            "input_cache_read":"0.0005"}}]}"#,
    );
    let prices = catalog.get(&id("a/b")).unwrap().prices.clone().unwrap();
    let seen: Vec<_> = (prices.tiers().iter())
        .map(|tier| {
            let Rates {
                input,
                output,
                cache_read,
                cache_write,
                ..
            } = tier.rates;
            (
                tier.from_prompt_tokens,
                input,
                output,
                cache_read,
                cache_write,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (0, usd("0.001"), usd("0.003"), usd("0.0005"), None),
            (10, usd("0.002"), usd("0.003"), usd("0.0005"), None),
            (20, usd("0.002"), usd("0.004"), usd("0.0005"), None),
        ]
    );
}

#[test]
fn tiers_with_a_hole_are_no_prices() {
    // A prompt between two tiers would have no price: then none is known.
    for tiers in [
        r"[]",
        r#"[{"cost":"0.001","min":1}]"#,
        r#"[{"cost":"0.001","min":0,"max":10}]"#,
        r#"[{"cost":"0.001","min":0,"max":10},{"cost":"0.002","min":11}]"#,
        r#"[{"cost":"0.001","min":0},{"cost":"0.002","min":10}]"#,
        r#"[{"cost":"0.001","min":0,"max":0},{"cost":"0.002","min":0}]"#,
    ] {
        let pricing = format!(r#"{{"input":"0.001","input_tiers":{tiers}}}"#);
        let catalog = read(&format!(
            r#"{{"data":[{{"id":"a/b","pricing":{pricing}}}]}}"#
        ));
        assert_eq!(catalog.get(&id("a/b")).unwrap().prices, None, "{tiers}");
    }
}

#[test]
fn one_strange_entry_does_not_hide_the_others() {
    // Lists grow keys and kinds without notice.
    let catalog = read(
        r#"{"object":"list","data":[
            {"id":7}, {"id":"has a space"}, {}, null, "x",
            {"id":"a/new","type":"hologram","context_window":"large","tags":"none","name":null},
            {"id":"plain","object":"model","created":1,"owned_by":"me"},
            {"id":"plain","name":"a second one"}]}"#,
    );
    assert_eq!(catalog.unreadable_entries(), 5);
    let new = catalog.get(&id("a/new")).unwrap();
    assert_eq!((new.kind, new.context_window), (ModelKind::Other, None));
    assert_eq!((new.name.as_str(), new.tags.len()), ("a/new", 0));
    assert_eq!(catalog.get(&id("plain")).unwrap().name, "plain");
}

#[test]
fn what_is_not_a_list_is_an_error() {
    // An error page or another shape must not look like an empty list.
    for text in ["", "<html>", "[]", "{}", r#"{"data":{}}"#] {
        let error = Catalog::read(text, String::new(), String::new()).unwrap_err();
        assert!(matches!(error, ListError::NotAList(_)), "{text}");
    }
}

#[test]
fn own_prices_win_and_are_named() {
    // The user's price replaces the list's, adds an unlisted model, and changes the source that
    // reports show, so that no cost looks as if it came from the list alone.
    let own = |model: &str, input: i128| OwnPrice {
        model: id(model),
        input_usd: Usd(input),
        output_usd: Usd(2),
        cache_read_usd: None,
        cache_write_usd: Some(Usd(3)),
        cache_write_1h_usd: None,
        cache_write_12h_usd: None,
        service_tier: None,
    };
    let listed = Catalog::snapshot();
    let catalog = Catalog::snapshot().with_own_prices(&[own("openai/gpt-4.1", 1), own("mine", 5)]);
    let rates = |id_text| {
        let model = catalog.get(&id(id_text)).unwrap();
        *model.prices.as_ref().unwrap().rates(0)
    };
    assert_eq!(rates("openai/gpt-4.1").input, Some(Usd(1)));
    assert_eq!(rates("mine").cache_write, Some(Usd(3)));
    let model = catalog.get(&id("openai/gpt-4.1")).unwrap();
    assert_eq!(model.context_window, Some(1_047_576), "other facts stay");
    assert!(catalog.source().words.ends_with("; own prices of 2 models"));
    assert!(catalog.source().has_own_prices() && !Catalog::snapshot().source().has_own_prices());
    assert_ne!(catalog.source().digest, listed.source().digest);
    assert_eq!(Catalog::snapshot().with_own_prices(&[]), listed);
}

#[test]
fn near_ids_are_found() {
    // Typical input: a creator that was renamed or left out, a slip, other case, a part alone.
    let catalog = Catalog::snapshot();
    for (wrong, right) in [
        ("xai/grok-4.6", "spacexai/grok-4.6"),
        ("gpt-5-mini", "openai/gpt-5-mini"),
        ("openai/gpt5-mini", "openai/gpt-5-mini"),
        ("anthropic/claude-haiku-4-5", "anthropic/claude-haiku-4.5"),
        ("Google/Gemini-2.5-Flash", "google/gemini-2.5-flash"),
        ("gemini-2.5-falsh", "google/gemini-2.5-flash"),
        ("haiku", "anthropic/claude-haiku-4.5"),
    ] {
        let near = catalog.nearest(wrong, 3);
        assert_eq!(near.first().map(|id| id.as_str()), Some(right), "{wrong}");
        assert!(near.len() <= 3);
    }
    assert!(catalog.nearest("zzz/qqq", 3).is_empty());
    assert!(catalog.nearest("", 3).is_empty());
}

/// The text of a `pricing` object: known keys, with values that a careless server might send.
fn pricing() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "input",
        "output",
        "input_cache_read",
        "input_tiers",
        "output_tiers",
        "image",
    ]);
    let tier = (any::<u64>(), prop::option::of(any::<u64>())).prop_map(|(min, max)| {
        let max = max.map_or_else(String::new, |max| format!(r#","max":{max}"#));
        format!(r#"{{"cost":"0.1","min":{min}{max}}}"#)
    });
    let value = prop_oneof![
        any::<f64>().prop_map(|number| serde_json::json!(number).to_string()),
        "[0-9.e-]{0,70}".prop_map(|text| serde_json::json!(text).to_string()),
        "\\PC{0,9}".prop_map(|text| serde_json::json!(text).to_string()),
        prop::collection::vec(tier, 0..4).prop_map(|tiers| format!("[{}]", tiers.join(","))),
    ];
    prop::collection::vec((key, value), 0..6).prop_map(|entries| {
        let entries: Vec<_> = (entries.iter())
            .map(|(key, value)| format!(r#""{key}":{value}"#))
            .collect();
        format!("{{{}}}", entries.join(","))
    })
}

proptest! {
    // Whatever an endpoint sends for prices, the entry stays, and a price that is read is usable.
    #[test]
    fn strange_prices_do_no_harm(pricing in pricing()) {
        let catalog = read(&format!(r#"{{"data":[{{"id":"a/b","pricing":{pricing}}}]}}"#));
        let model = catalog.get(&id("a/b")).unwrap();
        if let Some(prices) = &model.prices {
            let none = cost(prices, &TokenCounts::default());
            prop_assert_eq!(none, Some(Usd::ZERO));
            for tier in prices.tiers() {
                prop_assert!(tier.rates.input >= Some(Usd::ZERO) || tier.rates.input.is_none());
            }
        }
    }

    // Any text is a list or an error, and any id can be looked up as a similar one.
    #[test]
    fn reading_never_panics(text in "\\PC{0,200}", wrong in "\\PC{0,300}") {
        let _ = Catalog::read(&text, String::new(), String::new());
        prop_assert!(Catalog::snapshot().nearest(&wrong, 5).len() <= 5);
    }
}
