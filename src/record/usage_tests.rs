use proptest::prelude::*;

use super::*;
use crate::catalog::{Rates, TokenPrices, cost};
use crate::units::Usd;

/// Sizes of a short exchange with an answer of two characters.
const SHORT: ExchangeSize = ExchangeSize {
    prompt_chars: 20,
    answer_chars: 2,
    reasoning_chars: 0,
    has_hidden_reasoning: false,
    has_reached_limit: false,
};

/// Counts as `P C`, followed by `r7` (reasoning), `h7` (cached), `w7` (written), `t7` (total); `-` is absent.
fn reported(text: &str) -> ReportedUsage {
    let mut reported = ReportedUsage::default();
    let mut words = text.split(' ');
    let mut next = || words.next().and_then(|count| count.parse().ok());
    reported.usage.prompt_tokens = next();
    reported.usage.completion_tokens = next();
    for word in words {
        let count = Some(word[1..].parse().unwrap());
        match &word[..1] {
            "r" => reported.usage.reasoning_tokens = count,
            "h" => reported.usage.cached_tokens = count,
            "w" => reported.usage.cache_write_tokens = count,
            "t" => reported.total_tokens = count,
            other => panic!("{other}"),
        }
    }
    reported
}

/// A reading in words: `P C`, or the flags and the upper bound, `worst` or every reading.
fn words(reading: &UsageReading) -> String {
    match reading {
        UsageReading::Known(usage) => {
            let counts = usage.counts().unwrap();
            format!("{} {}", counts.prompt, counts.completion)
        }
        UsageReading::Unknown { upper, flags } => {
            let flags: Vec<&str> = flags.iter().map(|flag| flag.word()).collect();
            let upper = match upper {
                UsageBound::WorstCase => "worst".to_owned(),
                UsageBound::Readings(readings) => {
                    let each = readings.iter();
                    let each =
                        each.map(|counts| format!("{} {}", counts.prompt, counts.completion));
                    each.collect::<Vec<_>>().join(", ")
                }
            };
            format!("[{}] {upper}", flags.join(" "))
        }
    }
}

#[test]
fn each_dialect_has_its_reading() {
    // The conventions of servers, and the ways in which they contradict themselves: a wrong reading is a wrong cost.
    for (counts, expected) in [
        // OpenAI, OpenRouter, vLLM, DeepSeek: the total is the sum, reasoning and cache are parts.
        ("10 5 t15", "10 5"),
        ("10 5", "10 5"),
        ("10 50 r40 h8 w2 t60", "10 50"),
        ("10 40 r40", "10 40"),
        // Anthropic, with the cache counted to the prompt: no total.
        ("1000 5 h900 w50", "1000 5"),
        // A total of 0 is a placeholder.
        ("10 5 t0", "10 5"),
        // xAI: the total says that reasoning is outside; also where it is below the completion.
        ("32 9 r94 t135", "32 103"),
        ("32 100 r40 t172", "32 140"),
        // Reasoning above the completion decides nothing by itself, nor with a total that is a mere sum.
        (
            "10 30 r33 t40",
            "[usage_mismatch usage_ambiguous] 10 30, 10 63",
        ),
        ("10 30 r33", "[usage_mismatch usage_ambiguous] 10 30, 10 63"),
        // Gemini's compatible route: thinking in the total alone.
        (
            "10 5 t100",
            "[usage_mismatch usage_ambiguous] 10 5, 95 5, 10 90",
        ),
        // A total below the sum.
        ("10 5 t12", "[usage_mismatch usage_ambiguous] 10 5"),
        // A total that neither reading gives.
        (
            "10 5 r3 t100",
            "[usage_mismatch usage_ambiguous] 10 5, 10 8, 95 5, 10 90",
        ),
        // More cached and written than prompt tokens, each alone or together.
        ("10 5 h11", "[usage_mismatch usage_impossible] worst"),
        ("10 5 w11", "[usage_mismatch usage_impossible] worst"),
        ("10 5 h6 w6 t15", "[usage_mismatch usage_impossible] worst"),
        // Zeros: of both, of one.
        ("0 0", "[usage_impossible] worst"),
        ("0 0 t0", "[usage_impossible] worst"),
        ("0 5 t5", "[usage_impossible] worst"),
        ("10 0 t10", "[usage_impossible] worst"),
        // All of it counted as reasoning, which the total confirms.
        ("10 0 r40 t50", "10 40"),
        ("10 0 r40 t10", "[usage_mismatch usage_impossible] worst"),
        ("- 0", "[usage_impossible] worst"),
        // Missing.
        ("- -", "[] worst"),
        ("10 -", "[] worst"),
        ("- 5 r6", "[usage_mismatch] worst"),
        ("10 - h11", "[usage_mismatch] worst"),
    ] {
        let reading = check_usage(&reported(counts), &SHORT, unbilled);
        assert_eq!(words(&reading), expected, "{counts}");
    }
}

#[test]
fn a_dialect_decides_where_the_total_does_not() {
    // The same numbers mean different things at different servers.
    let several = "[usage_mismatch usage_ambiguous] 10 5, 10 35";
    for (dialect, counts, expected) in [
        (UsageDialect::Standard, "10 5 r30 t15", several),
        (UsageDialect::VercelGoogle, "10 5 r30 t15", "10 35"),
        (UsageDialect::VercelGoogle, "10 5 r30", "10 35"),
        // A completion that holds its reasoning looks the same.
        (
            UsageDialect::VercelGoogle,
            "10 40 r30 t50",
            "[usage_ambiguous] 10 40, 10 70",
        ),
        (UsageDialect::VercelGoogle, "10 40 t50", "10 40"),
        (UsageDialect::VercelGoogle, "10 5 r30 t45", "10 35"),
        // xAI: also without a total; a total that is a mere sum has the reasoning inside.
        (UsageDialect::Xai, "10 40 r30", "10 70"),
        (UsageDialect::Xai, "10 40 r30 t50", "10 40"),
        (UsageDialect::Xai, "10 5 r30 t45", "10 35"),
        // Gemini: the total alone has the reasoning.
        (UsageDialect::Gemini, "10 5 t100", "10 90"),
        (UsageDialect::Gemini, "21 9 t930", "21 909"),
        (UsageDialect::Gemini, "10 50 r40 t60", "10 50"),
        (UsageDialect::Recounting, "10 5 r30 t15", several),
    ] {
        let reported = ReportedUsage {
            dialect,
            ..reported(counts)
        };
        let reading = check_usage(&reported, &SHORT, unbilled);
        assert_eq!(words(&reading), expected, "{dialect:?} {counts}");
    }
}

#[test]
fn a_bill_picks_the_reading_that_it_pays_for() {
    // Two tokenizers count more reasoning than completion, and so does a server that counts it apart: only money tells.
    for (counts, billed, expected) in [
        ("10 30 r33 t40", 30, "10 30"),
        ("10 30 r33 t40", 63, "10 63"),
        ("10 40 r30 t50", 70, "10 70"),
        ("10 40 r30 t50", 40, "10 40"),
        ("21 9 t930", 909, "21 909"),
        // A bill for other counts decides nothing.
        (
            "10 30 r33 t40",
            31,
            "[usage_mismatch usage_ambiguous] 10 30, 10 63",
        ),
        ("10 40 r30 t50", 99, "10 40"),
        // Nor does one that pays for what cannot be.
        ("10 5 h11", 5, "[usage_mismatch usage_impossible] worst"),
    ] {
        let paid = |counts: &TokenCounts| counts.completion == billed;
        let reading = check_usage(&reported(counts), &SHORT, paid);
        assert_eq!(words(&reading), expected, "{counts} {billed}");
    }
    // One that pays for both, as where output is free, decides nothing.
    let reading = check_usage(&reported("10 30 r33 t40"), &SHORT, |_| true);
    assert_eq!(
        words(&reading),
        "[usage_mismatch usage_ambiguous] 10 30, 10 63"
    );
    // Reasoning of another tokenizer is no count of these tokens.
    let inside = check_usage(&reported("10 30 r33 t40"), &SHORT, |counts| {
        counts.completion == 30
    });
    assert_eq!(inside.known().unwrap().reasoning_tokens, None);
}

// Two blocks of one answer, the later one smaller: a cap settles at the larger one, and nothing is known without a bill.
#[test]
fn counts_that_shrink_leave_two_readings() {
    for (last, earlier, right) in [
        ("100 20", "100 20", "100 20"),
        ("100 20", "- 15", "100 20"),
        ("100 20", "90 -", "100 20"),
        ("100 20", "100 5000", "[usage_ambiguous] 100 20, 100 5000"),
        ("100 20", "1500 20", "[usage_ambiguous] 100 20, 1500 20"),
        (
            "100 20 t120",
            "1500 5000",
            "[usage_ambiguous] 100 20, 1500 5000",
        ),
        (
            "0 20",
            "1500 20",
            "[usage_impossible usage_ambiguous] worst",
        ),
        ("- 20", "1500 30", "[usage_ambiguous] worst"),
    ] {
        let reported = ReportedUsage {
            earlier: reported(earlier).usage,
            ..reported(last)
        };
        let reading = check_usage(&reported, &SHORT, unbilled);
        assert_eq!(words(&reading), right, "{last} after {earlier}");
    }
    let shrunk = ReportedUsage {
        earlier: reported("100 5000").usage,
        ..reported("100 20")
    };
    let reading = check_usage(&shrunk, &SHORT, |counts| counts.completion == 20);
    assert_eq!(words(&reading), "100 20", "the last block was billed");
}

#[test]
fn a_count_below_its_text_is_no_reading() {
    // A server that counts next to nothing lets a cap be crossed in silence.
    let of = |counts: &str, prompt_chars: u64, answer_chars: u64, reasoning_chars: u64| {
        let size = ExchangeSize {
            prompt_chars,
            answer_chars,
            reasoning_chars,
            ..ExchangeSize::default()
        };
        words(&check_usage(&reported(counts), &size, unbilled))
    };
    let long = 3 * MAX_CHARS_PER_TOKEN;
    let impossible = "[usage_impossible] worst";
    for (counts, prompt, answer, reasoning, expected) in [
        ("3 3", long, long, 0, "3 3"),
        ("2 3", long, long, 0, impossible),
        ("3 2", long, long, 0, impossible),
        ("3 3", long, long + 1, 0, impossible),
        // Visible reasoning counts as text.
        ("1 0", 1, 0, 1, impossible),
        ("1 1", 1, 0, 1, "1 1"),
        ("1 2", 1, 0, long, impossible),
        ("1 3", 1, long - 1, 1, "1 3"),
        // Outside the completion it is possible.
        ("1 0 r9", 1, 0, 1, "1 9"),
        ("1 1 r9 t11", 1, 1, 1, "1 10"),
        // Nothing came: 0 is right. An image alone is a prompt, and so is a chat format.
        ("1 0", 1, 0, 0, "1 0"),
        ("0 0", 0, 0, 0, impossible),
    ] {
        let got = of(counts, prompt, answer, reasoning);
        assert_eq!(got, expected, "{counts} {prompt} {answer} {reasoning}");
    }
    // A limit that was reached is a token at least, visible or not.
    let eaten = ExchangeSize {
        answer_chars: 0,
        has_reached_limit: true,
        ..SHORT
    };
    assert_eq!(
        words(&check_usage(&reported("9 1"), &eaten, unbilled)),
        "9 1"
    );
    assert_eq!(
        words(&check_usage(&reported("9 0"), &eaten, unbilled)),
        impossible
    );
    // A summary is written by another model: it only shows that there was reasoning.
    let summary = ExchangeSize {
        reasoning_chars: long,
        has_hidden_reasoning: true,
        answer_chars: 0,
        ..SHORT
    };
    assert_eq!(
        words(&check_usage(&reported("9 1"), &summary, unbilled)),
        "9 1"
    );
    assert_eq!(
        words(&check_usage(&reported("9 0"), &summary, unbilled)),
        impossible
    );
}

#[test]
fn no_compiled_in_vocabulary_undercuts_the_bound() {
    // The bound is a fact about tokenizers: where a vocabulary is at hand, its longest token is looked up.
    let vocabularies =
        ["cl100k_base", "o200k_base"].map(|name| tiktoken::get_encoding(name).unwrap());
    for vocabulary in vocabularies {
        let tokens = u32::try_from(vocabulary.vocab_size()).unwrap();
        let longest = (0..tokens)
            .map(|token| vocabulary.decode(&[token]).len())
            .max();
        assert_eq!(longest, Some(128));
    }
    // Texts that compress best, and those that do not.
    let thousand = |text: &str| text.repeat(10_000);
    for text in [
        " ", "\n", "\t", "a", "=", "-", ".", "\0", "的", "ا", "🙂", "word ",
    ] {
        let text = thousand(text);
        let size = ExchangeSize {
            answer_chars: text.chars().count() as u64,
            ..SHORT
        };
        for vocabulary in vocabularies {
            let tokens = vocabulary.count(&text) as u64;
            assert!(tokens >= size.min_answer_tokens(), "{:?}", &text[..4]);
        }
    }
}

fn any_count() -> impl Strategy<Value = Option<u64>> {
    let count = prop_oneof![0_u64..40, any::<u64>(), Just(u64::MAX)];
    prop::option::of(count)
}

fn any_dialect() -> impl Strategy<Value = UsageDialect> {
    prop::sample::select(vec![
        UsageDialect::Standard,
        UsageDialect::Xai,
        UsageDialect::Gemini,
        UsageDialect::VercelGoogle,
        UsageDialect::Recounting,
    ])
}

/// No bill decides.
fn unbilled(_: &TokenCounts) -> bool {
    false
}

prop_compose! {
    fn any_reported()(counts in prop::array::uniform6(any_count()), dialect in any_dialect()) -> ReportedUsage {
        let [prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens, cache_write_tokens, total_tokens] = counts;
        ReportedUsage {
            usage: Usage { prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens, cache_write_tokens, ..Usage::default() },
            total_tokens,
            dialect,
            ..ReportedUsage::default()
        }
    }
}

prop_compose! {
    fn any_size()(
        chars in prop::array::uniform3(prop_oneof![0_u64..3, 0_u64..100_000, any::<u64>()]),
        [has_hidden_reasoning, has_reached_limit] in any::<[bool; 2]>(),
    ) -> ExchangeSize {
        let [prompt_chars, answer_chars, reasoning_chars] = chars;
        ExchangeSize { prompt_chars, answer_chars, reasoning_chars, has_hidden_reasoning, has_reached_limit }
    }
}

/// The highest amount of a reading, as a cap settles it; `None`: the reservation.
fn settled(reading: &UsageReading, prices: &TokenPrices) -> Option<Usd> {
    match reading {
        UsageReading::Known(usage) => cost(prices, &usage.counts()?),
        UsageReading::Unknown {
            upper: UsageBound::Readings(readings),
            ..
        } => {
            let costs: Option<Vec<Usd>> =
                readings.iter().map(|counts| cost(prices, counts)).collect();
            costs?.into_iter().max()
        }
        UsageReading::Unknown { .. } => None,
    }
}

fn prices() -> impl Strategy<Value = TokenPrices> {
    prop::array::uniform4(0_i128..1_000).prop_map(|[input, output, read, write]| {
        TokenPrices::flat(Rates {
            input: Some(Usd(input)),
            output: Some(Usd(output)),
            cache_read: Some(Usd(read)),
            cache_write: Some(Usd(write)),
            ..Rates::default()
        })
    })
}

proptest! {
    // Counts are a stranger's: any of them give a reading, and what is known is never below its text nor contradictory.
    #[test]
    fn what_is_known_can_be_true(reported in any_reported(), size in any_size()) {
        let check = |counts: &TokenCounts| {
            counts.prompt >= size.min_prompt_tokens()
                && counts.completion >= size.min_completion_tokens()
                && counts.fresh().is_some()
        };
        match check_usage(&reported, &size, unbilled) {
            UsageReading::Known(usage) => {
                let counts = usage.counts().unwrap();
                prop_assert!(check(&counts));
                prop_assert!(counts.completion >= reported.usage.completion_tokens.unwrap());
                prop_assert!(usage.reasoning_tokens <= usage.completion_tokens);
            }
            UsageReading::Unknown { upper, flags } => {
                prop_assert!(flags.is_sorted_by(|a, b| a < b));
                if let UsageBound::Readings(readings) = upper {
                    prop_assert!(!readings.is_empty() && readings.iter().all(check));
                    prop_assert!(flags.contains(&Flag::UsageAmbiguous));
                }
            }
        }
    }

    // The reason for all of this: whatever the true counts are, and in whichever convention they are reported, a cap never
    // settles below their cost.
    #[test]
    fn no_convention_settles_below_the_true_cost(
        prompt in 1_u64..10_000,
        (answer, reasoning) in (1_u64..10_000, 0_u64..10_000),
        (cached, written) in (0.0..=0.5_f64, 0.0..=0.5_f64),
        prices in prices(),
        (convention, has_bill) in (0..5, any::<bool>()),
        size in any_size(),
    ) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let share = |share: f64| (prompt as f64 * share) as u64;
        let truth = TokenCounts {
            prompt,
            cached: share(cached),
            cache_write: share(written),
            completion: answer + reasoning,
            ..TokenCounts::default()
        };
        let usage = Usage {
            prompt_tokens: Some(prompt),
            completion_tokens: Some(answer),
            reasoning_tokens: Some(reasoning),
            cached_tokens: Some(truth.cached),
            cache_write_tokens: Some(truth.cache_write),
            ..Usage::default()
        };
        let inside = Usage { completion_tokens: Some(truth.completion), ..usage };
        let unreported = Usage { reasoning_tokens: None, ..usage };
        let whole = Some(prompt + truth.completion);
        let (usage, total_tokens) = match convention {
            0 => (inside, whole),
            1 => (inside, None),
            2 => (usage, whole),
            3 => (unreported, whole),
            // Reasoning below the completion, outside it and in no total, is a lie of omission.
            _ => (if reasoning > answer { usage } else { inside }, Some(prompt + answer)),
        };
        let dialect = if convention == 2 { UsageDialect::Xai } else { UsageDialect::Standard };
        let is_billed = |counts: &TokenCounts| has_bill && cost(&prices, counts) == cost(&prices, &truth);
        let reading = check_usage(&ReportedUsage { usage, total_tokens, dialect, ..ReportedUsage::default() }, &size, is_billed);
        if let Some(settled) = settled(&reading, &prices) {
            prop_assert!(settled >= cost(&prices, &truth).unwrap(), "{reading:?}");
        }
    }

    // More reported tokens never settle lower, as long as they have the same reading.
    #[test]
    fn larger_counts_settle_no_lower(
        (prompt, completion) in (1_u64..10_000, 0_u64..10_000),
        (more_prompt, more_completion) in (0_u64..100, 0_u64..100),
        reasoning in prop::option::of(0_u64..20_000),
        prices in prices(),
    ) {
        let of = |prompt, completion| {
            let usage = Usage {
                prompt_tokens: Some(prompt),
                completion_tokens: Some(completion),
                reasoning_tokens: reasoning,
                ..Usage::default()
            };
            let reported = ReportedUsage { usage, ..ReportedUsage::default() };
            check_usage(&reported, &ExchangeSize::default(), unbilled)
        };
        let (less, more) = (of(prompt, completion), of(prompt + more_prompt, completion + more_completion));
        if less.flags() == more.flags() {
            prop_assert!(settled(&less, &prices) <= settled(&more, &prices));
        }
    }

    // An earlier block, whatever it has, never settles lower, and larger counts in it leave nothing known without a bill.
    #[test]
    fn an_earlier_block_settles_no_lower(
        last in any_reported(),
        earlier in any_reported(),
        size in any_size(),
        prices in prices(),
    ) {
        let both = ReportedUsage { earlier: earlier.usage, ..last };
        let (alone, both) = (check_usage(&last, &size, unbilled), check_usage(&both, &size, unbilled));
        let (settled_alone, settled_both) = (settled(&alone, &prices), settled(&both, &prices));
        prop_assert!(settled_both.is_none() || settled_both >= settled_alone);
        let is_larger = earlier.usage.prompt_tokens > last.usage.prompt_tokens
            || earlier.usage.completion_tokens > last.usage.completion_tokens;
        prop_assert!(!is_larger || both.known().is_none());
    }

    // A longer text never makes an impossible count possible.
    #[test]
    fn a_longer_text_believes_no_more(reported in any_reported(), size in any_size(), more in 0_u64..1_000_000) {
        let longer = ExchangeSize {
            prompt_chars: size.prompt_chars.saturating_add(more),
            answer_chars: size.answer_chars.saturating_add(more),
            ..size
        };
        let impossible = |size| check_usage(&reported, size, unbilled).flags().contains(&Flag::UsageImpossible);
        prop_assert!(!impossible(&size) || impossible(&longer));
    }
}
