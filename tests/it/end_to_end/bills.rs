//! Cost of answers and the bills for them, from the bytes of a bill to the report.

use serde_json::{Value, json};

use super::SUITE;
use super::program::Home;
use super::server::{Server, Then, response};

/// Calls that were made on the live gateway: model, prompt, prompt tokens, of them cached, completion tokens,
/// of them reasoning, and what was billed.
type Recorded = (&'static str, &'static str, u64, u64, u64, u64, &'static str);
const RECORDED: [Recorded; 5] = [
    ("openai/gpt-4.1-nano", "one", 20, 0, 3, 0, "0.0000032"),
    ("openai/gpt-4.1-nano", "two", 61, 0, 32, 0, "0.0000189"),
    ("anthropic/claude-haiku-4.5", "one", 13, 0, 5, 0, "0.000038"),
    (
        "google/gemini-2.5-flash",
        "one",
        4543,
        4075,
        1054,
        0,
        "0.00289765",
    ),
    (
        "google/gemini-2.5-flash",
        "two",
        4815,
        4076,
        631,
        508,
        "0.00192148",
    ),
];

/// The end of a recorded stream, with amounts as numbers in the usage and as texts beside it.
fn answer(call: &Recorded) -> String {
    let (model, _, prompt, cached, completion, reasoning, billed) = call;
    let text = json!({"id": "gen_1", "model": model, "choices": [{"index": 0, "delta": {"content": "Hi"}}]});
    let mut end = json!({
        "id": "gen_1",
        "model": model,
        "choices": [{
            "index": 0,
            "delta": {"provider_metadata": {"gateway": {
                "cost": billed, "marketCost": billed, "surchargeCost": "0", "gatewayCost": billed,
            }}},
            "finish_reason": "stop",
        }],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": reasoning},
            "cache_creation_input_tokens": 0,
        },
    });
    for key in ["cost", "market_cost", "gateway_cost"] {
        end["usage"][key] = serde_json::from_str(billed).unwrap();
    }
    format!("data: {text}\n\ndata: {end}\n\ndata: [DONE]\n\n")
}

/// The rows of a CSV file of the newest run, each by its columns' names.
fn rows(home: &Home, suite: &str, file: &str) -> Vec<Value> {
    let text = home.read(&format!("reports/{suite}/latest/{file}"));
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let row = |line: Vec<&str>| {
        let cells = header.iter().zip(line);
        cells
            .map(|(name, cell)| ((*name).to_owned(), json!(cell)))
            .collect()
    };
    lines.map(row).collect()
}

#[test]
fn recorded_bills_come_out_to_the_last_digit() {
    // List cost by the formula and the gateway's bill, through the whole program: equal, and no difference is
    // reported.
    let server = Server::start(|_, request| {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let prompt = body["messages"][0]["content"].as_str().unwrap();
        let call = RECORDED.iter().find(|call| {
            // One call of a model was recorded: it answers both prompts.
            body["model"] == call.0 && (prompt == call.1 || call.0.starts_with("anthropic"))
        });
        let headers = "content-type: text/event-stream\r\n";
        (
            response("200 OK", headers, &answer(call.unwrap())),
            Then::Keep,
        )
    });
    let suite = r#"
        name = "recorded"
        models = ["openai/gpt-4.1-nano", "anthropic/claude-haiku-4.5", "google/gemini-2.5-flash"]
        repetitions = 1
        warmup = 0
        [[prompts]]
        id = "one"
        user = "one"
        [[prompts]]
        id = "two"
        user = "two"
    "#;
    let home = Home::new().with("suite.toml", suite);
    let call = format!("run suite.toml --quiet --endpoint {}", server.base_url());
    home.bakeoff(&call).run();
    let samples = home.samples("recorded");
    assert_eq!(samples.len(), 6);
    for sample in &samples {
        let call = RECORDED.iter().find(|call| {
            sample["model"] == call.0
                && (sample["prompt"] == call.1 || call.0.starts_with("anthropic"))
        });
        for key in ["cost_usd", "billed_usd", "market_usd"] {
            assert_eq!(sample[key], call.unwrap().6, "{key} of {sample}");
        }
        assert!(sample.get("surcharge_usd").is_none(), "{sample}");
    }
    let rows = rows(&home, "recorded", "comparison.csv");
    let totals: Vec<(&Value, &Value)> = (rows.iter())
        .map(|row| (&row["cost_usd_total"], &row["billed_usd_total"]))
        .collect();
    for ((list, billed), expected) in
        totals
            .into_iter()
            .zip(["0.0000221", "0.000076", "0.00481913"])
    {
        assert_eq!((list, billed), (&json!(expected), &json!(expected)));
    }
    let report = home.read("reports/recorded/latest/report.md");
    assert!(!report.contains("samples differs"), "{report}");
}

#[test]
fn own_keys_are_ranked_by_what_others_would_pay() {
    // The dear model is billed nothing, because the user pays its maker: it is not the cheaper one.
    let models = "-m openai/gpt-4.1-nano -m anthropic/claude-haiku-4.5+byok";
    let home = Home::new().with("suite.toml", &SUITE.replace("reference", "# reference"));
    home.bakeoff(&format!(
        "run suite.toml --scenario scenario.toml --sim-seed 1 --quiet --endpoint sim {models}"
    ))
    .run();
    let rows = rows(&home, "small", "comparison.csv");
    let number = |row: usize, name: &str| rows[row][name].as_str().unwrap().parse::<f64>().unwrap();
    assert!(number(0, "billed_usd_total") > 0.0);
    assert_eq!(rows[1]["billed_usd_total"], "0.0");
    // No list has its price: what the gateway says of it is all that there is.
    assert_eq!(rows[1]["cost_usd_mean"], "");
    assert!(number(1, "market_usd_mean") > number(0, "cost_usd_mean"));
    let report = home.read("reports/small/latest/report.md");
    assert!(
        report.contains("billed $0 (own keys), so bills carry no information: 4 of 4 samples"),
        "{report}"
    );
    assert!(!report.contains("samples differs"), "{report}");
    let json = home
        .bakeoff("report reports/small/latest --format json")
        .run();
    let json: Value = serde_json::from_str(&json.out).unwrap();
    let comparisons = json["verdicts"][0]["comparisons"].as_array().unwrap();
    let cost = comparisons
        .iter()
        .find(|one| one["metric"] == "cost")
        .unwrap();
    assert!(cost["effect"].as_f64().unwrap() > 1.0, "{cost}");
}

#[test]
fn surcharges_are_separate_from_prices() {
    // What tokens cost is what the list says; what came on top is a sum of its own, with an own key as well.
    let models = "-m openai/gpt-4.1-nano+surcharge -m openai/gpt-4.1-nano+surcharge+byok";
    let price = |model: &str| {
        format!(
            "[[endpoints.sim.prices]]\nmodel = \"{model}\"\ninput_usd_per_mtok = 0.1\n\
             output_usd_per_mtok = 0.4\ncache_read_usd_per_mtok = 0.025\n"
        )
    };
    let home = Home::new()
        .with("suite.toml", &SUITE.replace("reference", "# reference"))
        .with(
            "bakeoff.toml",
            &[
                price("openai/gpt-4.1-nano+surcharge"),
                price("openai/gpt-4.1-nano+surcharge+byok"),
            ]
            .concat(),
        );
    home.bakeoff(&format!(
        "run suite.toml --scenario scenario.toml --sim-seed 1 --quiet --endpoint sim {models}"
    ))
    .run();
    for sample in home.samples("small") {
        assert_eq!(sample["surcharge_usd"], "0.0001", "{sample}");
        assert_eq!(sample["cost_usd"], sample["market_usd"], "{sample}");
    }
    let report = home.read("reports/small/latest/report.md");
    let sentence =
        "surcharges of the gateway beyond the cost of tokens: $0.000400 on 4 of 4 samples";
    assert_eq!(report.matches(sentence).count(), 2, "{report}");
    assert!(
        report.contains("billed $0 (own keys), so bills carry no information: 4 of 4 samples"),
        "{report}"
    );
    assert!(!report.contains("samples differs"), "{report}");
}

#[test]
fn wrong_list_prices_are_reported_by_model() {
    // The user's own price is a tenth too low for one model: of this one the report says so, of no other.
    let project = r#"
        [[endpoints.sim.prices]]
        model = "openai/gpt-4.1-nano"
        input_usd_per_mtok = 0.09
        output_usd_per_mtok = 0.36
    "#;
    let home = Home::new()
        .with("suite.toml", SUITE)
        .with("bakeoff.toml", project);
    home.bakeoff("run suite.toml --scenario scenario.toml --sim-seed 1 --quiet --endpoint sim")
        .run();
    let report = home.read("reports/small/latest/report.md");
    let differing: Vec<&str> = report
        .lines()
        .filter(|line| line.contains("samples differs"))
        .collect();
    assert_eq!(differing.len(), 2, "{report}");
    for line in differing {
        assert!(
            line.starts_with("- **openai/gpt-4.1-nano**: the cost of 4 of 4 samples differs"),
            "{line}"
        );
        assert!(line.contains("+11.1 %"), "{line}");
    }
}

#[test]
fn longer_outputs_are_reported_by_compare() {
    // Twice the words behind the same label: `compare` says so in words and in JSON, and fails nothing by it.
    let prompts = (0..8).map(|n| format!("[[prompts]]\nid = \"p{n}\"\nuser = \"Say {n}\"\n"));
    let prompts = prompts.collect::<Vec<_>>().concat();
    let suite = |words: u32| {
        format!(
            "name = \"writer\"\nendpoint = \"sim\"\nrepetitions = 2\nwarmup = 0\n\
             models = [{{ label = \"writer\", model = \"sim/constant-2ms-1ms-{words}\" }}]\n{prompts}"
        )
    };
    let home = Home::new()
        .with("short.toml", &suite(10))
        .with("long.toml", &suite(20));
    home.bakeoff("run short.toml --quiet --sim-seed 1 --output before")
        .run();
    home.bakeoff("run long.toml --quiet --sim-seed 1 --output after")
        .run();
    let call = "compare before/writer/latest after/writer/latest --changed model --format";
    let json = home.bakeoff(&format!("{call} json")).run();
    let json: Value = serde_json::from_str(&json.out).unwrap();
    let outputs = &json["output_tokens"];
    assert_eq!(outputs["models"][0]["output_tokens"], 2.0, "{outputs}");
    assert_eq!(outputs["prompts"].as_array().unwrap().len(), 8);
    let sentence = outputs["paragraphs"][0].as_str().unwrap();
    let expected = "writer (sim/constant-2ms-1ms-20) has more output tokens: 2.00x (2.00–2.00) those of \
                    writer (sim/constant-2ms-1ms-10) before, on 8 prompts.";
    assert!(sentence.starts_with(expected), "{sentence}");
    for format in ["terminal", "markdown"] {
        home.bakeoff(&format!("{call} {format}"))
            .says("has more output tokens")
            .run();
    }
}
