//! The estimated cost of a run: printed before, compared after, and corrected by experience.

use serde_json::Value;

use super::SUITE;
use super::program::Home;

fn home() -> Home {
    Home::new().with("suite.toml", SUITE)
}

fn json(home: &Home, arguments: &str) -> Value {
    let call = format!("estimate suite.toml --json {arguments}");
    serde_json::from_str(&home.bakeoff(&call).run().out).unwrap()
}

fn usd(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn an_estimate_learns_from_runs() {
    // The first estimate guesses the length of answers, and the run keeps what it came to; the next one
    // knows the answers, and is right about a run that is the same.
    let home = home();
    let guessed = json(&home, "");
    let basis = &guessed["variants"][0]["prompts"][0]["answer_basis"];
    assert_eq!(basis, "token_limit");
    assert_eq!(guessed["past_runs"], 0);
    let call = "run suite.toml --scenario scenario.toml --sim-seed 3";
    let first = home.bakeoff(call).run();
    assert!(
        first.err.contains("note: expected to cost about $"),
        "{}",
        first.err
    );
    let manifest = home.read("reports/small/latest/manifest.json");
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let estimate = &manifest["estimate"];
    assert_eq!(estimate["expected_usd"], guessed["total"]["expected_usd"]);
    let actual = estimate["variants"].as_array().unwrap().iter();
    let cost: f64 = actual.map(|row| usd(&row["actual"]["cost_usd"])).sum();
    let of_samples: f64 = (home.samples("small").iter())
        .map(|sample| usd(&sample["cost_usd"]))
        .sum();
    assert!((cost - of_samples).abs() < 1e-12);
    let learned = json(&home, "");
    let prompt = &learned["variants"][0]["prompts"][0];
    assert_eq!(prompt["answer_basis"], "same_prompt");
    // What the guess was off is not learned: lengths are, and they are not to be corrected twice.
    assert_eq!(learned["past_runs"], 0);
    assert_eq!(
        learned["total"]["expected_usd"],
        learned["total"]["list_usd"]
    );
    // Twice the same: what the second run came to stands beside what was expected of it, and corrects the
    // third, which is right about a run that is the same.
    let second = home.bakeoff(call).run();
    let expected = usd(&learned["total"]["expected_usd"]);
    let sentence = format!("{:.2}x the estimate\n", cost / expected);
    assert!(second.err.contains(&sentence), "{sentence}{}", second.err);
    let third = json(&home, "");
    assert_eq!(third["past_runs"], 1);
    let expected = usd(&third["total"]["expected_usd"]);
    assert!((cost / expected - 1.0).abs() < 0.01, "{cost} {expected}");
}

#[test]
fn an_estimate_sends_nothing() {
    // No server answers there, no key is set, and the prices are the user's own: it is an estimate all the
    // same.
    let home = home().with(
        "bakeoff.toml",
        "[endpoints.own]\nbase_url = \"http://127.0.0.1:9/v1\"\nkey = \"NO_SUCH_KEY\"\n\
         [[endpoints.own.prices]]\nmodel = \"mine\"\n\
         input_usd_per_mtok = 1\noutput_usd_per_mtok = 1000\n",
    );
    let output = home
        .bakeoff("estimate suite.toml -e own -m mine -m unknown --repetitions 3")
        .run();
    insta::assert_snapshot!(output.out, @r#"
    model    requests  prompt tokens  output tokens  expected  worst case
    mine            6             75           1326     $1.33       $7.60
    unknown         6             75           1326         –           –
    total          12            150           2652     $1.33           –

    Prices of 2026-08-21: snapshot shipped with bakeoff, put together from public copies of the Vercel AI Gateway's model list; own prices of 1 model.
    Output tokens: from max_tokens and the reasoning effort (12 requests).
    No 90 % bound: it needs 9 complete past runs with an estimated output length; there are 0.
    The total leaves out 1 of 2 models, because they have no price.
    Prompt tokens of models of other companies are counted with OpenAI's tokenizer and corrected by past runs.
    No worst case: `unknown` has no price; add its price to bakeoff.toml: [[endpoints.own.prices]] with model = "unknown", input_usd_per_mtok = 1 and output_usd_per_mtok = 2.
    Not included: warm-up and retries (except in the worst case), prompt-cache discounts, own provider keys, surcharges that no past run had, price changes.
    "#);
}
