use super::*;
use crate::record::{Outcome, Sample, Status};
use crate::suite::parse_own_price;
use crate::verdict::{AnswersFold, Mix, Pricing, WhatIf, fixture, forecast};

/// Wide enough for all columns.
const STYLE: Style = Style {
    colour: false,
    width: 200,
};

struct ForecastInputs {
    manifest: Manifest,
    samples: Vec<Sample>,
    terms: ForecastOptions,
}

/// Three models, four prompts with different costs, and a run that ended early.
fn inputs() -> ForecastInputs {
    let prompts = ["greet", "sum", "long", "hard"];
    let mut manifest = fixture::manifest(&["a", "b", "c"], &prompts, 2);
    manifest.status = Status::Incomplete("its cap was reached".to_owned());
    let mut samples = Vec::new();
    for trial in 0..manifest.planned_trials - 1 {
        let mut sample = fixture::answered(&manifest, trial, 400);
        let index = prompts.iter().position(|id| *id == sample.prompt).unwrap();
        let pico = 100_000_000 * (index as i128 + 1);
        match sample.variant.as_str() {
            "a" => sample.market_usd = Some(Usd(pico)),
            "b" => sample.market_usd = Some(Usd(3 * pico)),
            _ => (sample.market_usd, sample.cost_usd) = (None, None),
        }
        samples.push(sample);
    }
    let cut = samples[0].clone();
    samples[0] = fixture::failed(cut, Outcome::Cut, 200, "cut");
    let terms = ForecastOptions {
        traffic: "2M/month".parse().unwrap(),
        mix: Mix::from_suite(&manifest.suite),
        mix_complete: false,
        retry_rate: None,
        what_if: None,
    };
    ForecastInputs {
        manifest,
        samples,
        terms,
    }
}

impl ForecastInputs {
    /// Returns what `render` makes of it.
    fn view_with<T>(&self, mix_file: Option<&str>, render: impl Fn(&ForecastView<'_>) -> T) -> T {
        let mut fold = AnswersFold::new(&self.manifest);
        for sample in &self.samples {
            fold.add(sample);
        }
        let forecast = forecast(&self.manifest.suite, &fold.finish(), &self.terms);
        render(&ForecastView {
            forecast: &forecast,
            terms: &self.terms,
            manifest: &self.manifest,
            samples: self.samples.len() as u64,
            mix_file,
            what_if_prices: None,
            given_prices: &[],
            retirements: &[],
        })
    }
}

#[test]
fn a_forecast_says_what_it_stands_on() {
    // Lowest cost first, what is not known with its reason, and the state of the run before anything else.
    let shown = inputs().view_with(None, |view| view.terminal(STYLE));
    insta::assert_snapshot!(shown, @"
    model                            a month  per 1,000       vs reference  prompts  answers
    a (reference)   $571.43 (224.88–2149.24)     $0.286                  –        4        7
    b              $1500.00 (659.52–5049.73)     $0.750  3.00x (3.00–3.00)        4        8
    c                                      –          –                  –        –        –

    This run is incomplete (its cap was reached): 23 of 24 trials have a sample.
    2.00M requests a month, a month of 365.25/12 days.
    Mix: the prompts of the run, by the weights of its suite.
    Prompts with a cost: 4; answers of each model with a forecast: 7 to 8.
    In brackets: 95 % intervals for prompts like these. vs reference: the mean cost of an answer, without retries, on the prompts that both answered.
    Prices as of 2025-01-01: snapshot shipped with bakeoff.
    Retries: 1 of 16 attempts that may have been billed failed; each model is charged for its own, and upper ends include the upper limit of its failure rate (--retry-rate sets a rate).
    c: no forecast: the run has no price for it; set one with --price, or use --prices now.
    Not covered: drift of the mix of prompts, outages, price changes, discounts, the cost of own keys.
    ");
}

#[test]
fn contradicting_counts_are_the_reason_given() {
    // No --price would help a model whose server reports more cached than prompt tokens.
    let mut inputs = inputs();
    let mut others = 0;
    for sample in &mut inputs.samples {
        others += u64::from(sample.variant == "b");
        if sample.variant == "c" || sample.variant == "b" && others < 3 {
            (sample.market_usd, sample.cost_usd) = (None, None);
            if let Some(usage) = &mut sample.usage {
                usage.cached_tokens = usage.prompt_tokens.map(|all| all + 1);
            }
        }
    }
    let shown = inputs.view_with(None, |view| view.terminal(STYLE));
    for note in [
        "b: 2 answers without a cost are excluded: their token counts are inconsistent.",
        "c: no forecast: the token counts of its answers are inconsistent.",
    ] {
        assert!(shown.contains(note), "{note}: {shown}");
    }
}

#[test]
fn prompts_left_out_of_a_mix_are_named() {
    // A mix of one prompt: points without intervals, and the range of the traffic in words.
    let mut inputs = inputs();
    inputs.terms.mix = Mix::from_csv(
        "prompt,share\nlong,1\n",
        "traffic.csv",
        &inputs.manifest.suite,
    )
    .unwrap();
    inputs.terms.traffic = "1M-3M/month".parse().unwrap();
    inputs.terms.retry_rate = Some(0.02);
    let shown = inputs.view_with(Some("traffic.csv"), |view| view.terminal(STYLE));
    insta::assert_snapshot!(shown, @"
    model           a month  per 1,000  vs reference  prompts  answers
    a (reference)   $612.00     $0.306             –        1        2
    b              $1836.00     $0.918         3.00x        1        2
    c                     –          –             –        –        –

    This run is incomplete (its cap was reached): 23 of 24 trials have a sample.
    1.00M to 3.00M requests a month, a month of 365.25/12 days: figures are for the middle of the range, intervals for all of it.
    Mix of traffic.csv: 1 of 4 prompts; excluded, because they have no share: `greet`, `sum`, `hard`.
    Prompts with a cost: 1; answers of each model with a forecast: 2.
    In brackets: 95 % intervals for prompts like these. vs reference: the mean cost of an answer, on the prompts that both answered.
    Prices as of 2025-01-01: snapshot shipped with bakeoff.
    Retries: 2 % of requests are paid twice, as declared.
    a: no interval: one prompt.
    b: no interval: one prompt.
    c: no forecast: the run has no price for it; set one with --price, or use --prices now.
    Not covered: drift of the mix of prompts, outages, price changes, discounts, the cost of own keys.
    ");
}

#[test]
fn a_what_if_stands_next_to_recorded_values() {
    // Before and after, with the assumption about caches in words.
    let mut inputs = inputs();
    inputs.manifest.endpoint.scenario = Some("sim seed 1".to_owned());
    inputs.manifest.status = Status::Complete;
    inputs.manifest.planned_trials = 1;
    for sample in &mut inputs.samples {
        if let Some(usage) = &mut sample.usage
            && sample.prompt == "long"
        {
            usage.prompt_tokens = Some(8_000);
        }
    }
    let price = parse_own_price("c:input=1,output=4,cache_read=0.1").unwrap();
    let prices = crate::catalog::TokenPrices::flat(crate::catalog::Rates {
        input: Some(price.input_usd),
        output: Some(price.output_usd),
        cache_read: price.cache_read_usd,
        cache_write: None,
        ..crate::catalog::Rates::default()
    });
    inputs.terms.what_if = Some(WhatIf {
        pricing: vec![Pricing::Unknown, Pricing::Recorded, Pricing::Custom(prices)],
        cache_hit_rate: Some(0.6),
    });
    let shown = inputs.view_with(None, |view| {
        let given = [price.clone()];
        ForecastView {
            given_prices: &given,
            retirements: &[],
            ..*view
        }
        .terminal(STYLE)
    });
    insta::assert_snapshot!(shown, @"
    model               a month, as recorded             a month, what if  per 1,000  prompts  answers
    b              $1500.00 (659.52–5049.73)    $1500.00 (659.52–5049.73)     $0.750        4        8
    c                                      –  $2723.00 (326.44–137518.85)      $1.36        4        7
    a (reference)   $571.43 (224.88–2149.24)                            –          –        –        –

    This run was made on the simulator: its costs are invented.
    2.00M requests a month, a month of 365.25/12 days.
    Mix: the prompts of the run, by the weights of its suite.
    Prompts with a cost: 4; answers of each model with a forecast: 7 to 8.
    In brackets: 95 % intervals for prompts like these. No ratios to the reference, a: it has no forecast.
    Prices as of 2025-01-01: snapshot shipped with bakeoff.
    What if: the prices given for `c`; all others as recorded.
    What if 60 %: that share of the prompt tokens is read from the cache wherever a prompt has 1024 tokens or more and the model lists a price for it; the rest is paid as fresh input. What writing to a
    cache costs is not in it.
    Retries: 0 of 15 attempts that may have been billed failed; each model is charged for its own, and upper ends include the upper limit of its failure rate (--retry-rate sets a rate).
    b: 0 of 8 answers have a cacheable prompt.
    c: 2 of 7 answers have a cacheable prompt.
    a: no forecast: the list has no price for it, or its answers have no token counts; set one with --price.
    Not covered: drift of the mix of prompts, outages, price changes, discounts, the cost of own keys.
    ");
}

#[test]
fn a_ratio_without_bounds_says_so() {
    // A ratio without its interval would be taken for a certain one.
    let mut inputs = inputs();
    let mix = "prompt,share\ngreet,1\nhard,1\n";
    inputs.terms.mix = Mix::from_csv(mix, "mix.csv", &inputs.manifest.suite).unwrap();
    for sample in &mut inputs.samples {
        if sample.prompt == "hard" {
            sample.market_usd = sample.market_usd.and_then(|usd| usd.times(1_000_000));
        }
    }
    let shown = inputs.view_with(Some("mix.csv"), |view| view.terminal(STYLE));
    assert!(shown.contains("3.00x  "), "{shown}");
    let note = "b: its ratio to the reference has no bounds: these prompts cannot distinguish the reference's mean cost";
    assert!(shown.contains(note), "{shown}");
}

/// Prices by the token, the same for input and output.
fn price(usd_per_token: i128, cache_read: Option<i128>) -> Pricing {
    Pricing::Custom(crate::catalog::TokenPrices::flat(crate::catalog::Rates {
        input: Some(Usd(usd_per_token)),
        output: Some(Usd(usd_per_token)),
        cache_read: cache_read.map(Usd),
        cache_write: None,
        ..crate::catalog::Rates::default()
    }))
}

#[test]
fn the_cost_of_warming_is_reported_with_the_figures() {
    // It was paid, and no figure has it: a month with warmed caches would look cheaper than it is.
    let mut inputs = inputs();
    inputs.manifest.suite.variants[1].cache = Some(crate::suite::CacheMode::Warm);
    inputs.manifest.suite.variants[0].cache = Some(crate::suite::CacheMode::Warm);
    inputs.manifest.warming.push(Warming {
        variant: "b".to_owned(),
        requests: 8,
        unknown: 1,
        spent_usd: Usd(4_000_000_000),
    });
    let (shown, json) = inputs.view_with(None, |view| {
        let mut json = Vec::new();
        view.write_json(&mut json).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        (view.terminal(STYLE), json)
    });
    let warmed: Vec<&str> = (shown.lines())
        .filter(|line| line.contains("warm"))
        .collect();
    insta::assert_snapshot!(warmed.join("\n"), @"
    a: its caches were warmed by untimed requests, whose cost was not recorded and is in no figure.
    b: warming its caches cost $0.00400, $0.000500 a trial, beside these figures and in none of them (untimed requests: 8, 1 with an unknown cost).
    ");
    assert_eq!(json["variants"][1]["warming_usd"], "0.004");
}

#[test]
fn a_ratio_that_lacks_says_why() {
    // A prompt that the reference answered once (the other answer was cut); one variant; a reference that costs nothing.
    let mut once = inputs();
    once.terms.mix_complete = true;
    let shown = once.view_with(None, |view| view.terminal(STYLE));
    let note = "b: its ratio to the reference has no bounds: it or the reference answered a prompt only once";
    assert!(shown.contains(note), "{shown}");

    let mut alone = inputs();
    alone.manifest.suite.variants.truncate(1);
    let shown = alone.view_with(None, |view| view.terminal(STYLE));
    assert!(!shown.contains("vs reference"), "{shown}");

    let mut free = inputs();
    free.terms.what_if = Some(WhatIf {
        pricing: vec![price(0, None), price(1_000, None), price(1_000, None)],
        cache_hit_rate: Some(0.5),
    });
    let shown = free.view_with(None, |view| view.terminal(STYLE));
    for note in [
        "No ratios to the reference, a: it costs nothing.",
        "b: hits have no effect, because its price has no `cache_read`.",
    ] {
        assert!(shown.contains(note), "{note}: {shown}");
    }
    free.terms.what_if.as_mut().unwrap().pricing[1] = price(1_000, Some(100));
    let shown = free.view_with(None, |view| view.terminal(STYLE));
    assert!(shown.contains("b: 0 of 8 answers have a cacheable prompt."));
}

#[test]
fn sums_have_no_rounding_noise() {
    // 2139.843750000001 is what floats make of 2139.84375.
    assert_eq!(money(2_139.843_750_000_001).plain(), "2139.84375");
    assert_eq!(money(0.000_000_123_456_789_012_3).plain(), "0.000000123457");
    assert_eq!(money(0.0).plain(), "0");
    assert_eq!(money(f64::NAN), Figure::Absent);
}

#[test]
fn every_form_has_the_same_numbers() {
    // A script that changes from CSV to JSON must not change its budget.
    let (csv, json) = inputs().view_with(None, |view| {
        let (mut csv, mut json) = (Vec::new(), Vec::new());
        view.write_csv(&mut csv).unwrap();
        view.write_json(&mut json).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        (String::from_utf8(csv).unwrap(), json)
    });
    let mut rows = csv::lines(&csv);
    let header = rows.remove(0);
    assert_eq!(rows.len(), 3);
    for (row, variant) in rows.iter().zip(json["variants"].as_array().unwrap()) {
        for (column, cell) in header.iter().zip(row) {
            let stored = match *column {
                "variant" => &variant["variant"],
                "unknown" => &variant["unknown"],
                name if name.ends_with("_usd") || name.contains("_usd_") => {
                    &variant["recorded"][name]
                }
                "prompts" | "answers" => &variant["recorded"][*column],
                _ => continue,
            };
            let stored = match stored {
                serde_json::Value::Null => String::new(),
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            // In CSV a whole amount has a decimal point.
            assert_eq!(stored, cell.strip_suffix(".0").unwrap_or(cell), "{column}");
        }
    }
}

/// Reads CSV without quotation marks.
mod csv {
    pub(super) fn lines(text: &str) -> Vec<Vec<&str>> {
        text.lines().map(|line| line.split(',').collect()).collect()
    }
}
