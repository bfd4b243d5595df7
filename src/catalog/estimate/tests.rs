use std::sync::LazyLock;

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::ChaCha8Rng;

use super::*;
use crate::catalog::{PastAnswer, PastVariant};
use crate::suite::{OwnPrice, parse_suite};

const MODEL: &str = "maker/model";

fn model() -> ModelId {
    MODEL.parse().unwrap()
}

/// A suite of prompts `p0`, `p1`, ... of one model, priced 1 and 10 USD a million tokens.
fn suite(prompts: usize, repetitions: u32, max_tokens: Option<u64>) -> Suite {
    let limit = max_tokens.map_or(String::new(), |limit| {
        format!("[parameters]\nmax_tokens = {limit}\n")
    });
    let prompt = |index: usize| {
        let tag = index % 2;
        format!(
            "[[prompts]]\nid = \"p{index}\"\nuser = \"Question {index}?\"\ntags = [\"t{tag}\"]\n"
        )
    };
    let prompts = (0..prompts).map(prompt).collect::<Vec<_>>().concat();
    let text = format!(
        "name = \"s\"\nmodels = [\"{MODEL}\"]\nrepetitions = {repetitions}\nwarmup = 1\nmax_attempts = 1\n{limit}{prompts}"
    );
    parse_suite(&text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn catalog() -> Catalog {
    let own = OwnPrice {
        model: model(),
        input_usd: Usd(1_000_000),
        output_usd: Usd(10_000_000),
        cache_read_usd: None,
        cache_write_usd: None,
        cache_write_1h_usd: None,
        cache_write_12h_usd: None,
        service_tier: None,
    };
    Catalog::read(
        "{\"data\":[]}",
        "a list".to_owned(),
        "2026-01-01".to_owned(),
    )
    .unwrap()
    .with_own_prices(&[own])
}

static VOCABULARIES: LazyLock<Vocabularies> = LazyLock::new(Vocabularies::default);

fn estimated(suite: &Suite, past: &CostHistory, bound: Usd) -> CostEstimate {
    let digests: Vec<String> = suite
        .prompts
        .iter()
        .map(|p| format!("d-{}", p.id))
        .collect();
    EstimateInputs {
        suite,
        vocabularies: &VOCABULARIES,
        counted: CountedPrompts::All,
        prompt_digests: &digests,
        repetitions: &vec![suite.repetitions; suite.prompts.len()],
        catalog: &catalog(),
        past,
        worst: WorstCase::new(suite, |_, _| Ok(bound)),
    }
    .estimate()
}

fn answer(past: &mut CostHistory, prompt: usize, completion_tokens: u64) {
    past.add_answer(&PastAnswer {
        variant: MODEL,
        model: &model(),
        prompt_digest: &format!("d-p{prompt}"),
        tags: &[format!("t{}", prompt % 2)],
        completion_tokens,
    });
}

/// Adds a run whose actual cost was `cost` to the history.
fn run(past: &mut CostHistory, estimate: &CostEstimate, cost: Usd) {
    let variant = &estimate.variants[0];
    past.add_run(&[PastVariant {
        variant: &variant.variant,
        model: &variant.model,
        requests: variant.sums.requests,
        learned: variant.learned_requests(),
        counted_prompt_tokens: variant.counted_prompt_tokens,
        list: variant.sums.list,
        costed: (variant.sums.requests, cost),
        measured: (
            variant.sums.requests,
            variant.counted_prompt_tokens.unwrap(),
        ),
    }]);
}

#[test]
fn an_answer_is_as_long_as_the_most_similar_past_ones() {
    // The same prompt is the best basis, then its tags, then the suite; without any of it the
    // limit gives a guess that later runs correct.
    let plain = suite(4, 1, Some(400));
    let bases = |past: &CostHistory, suite: &Suite| {
        let estimate = estimated(suite, past, Usd(Usd::PICO));
        let prompts = estimate.variants[0].prompts.iter();
        prompts
            .map(|prompt| format!("{} {}", prompt.answer_tokens(), prompt.basis.word()))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut past = CostHistory::default();
    assert_eq!(bases(&past, &suite(1, 1, None)), "300 assumed");
    assert_eq!(bases(&past, &suite(1, 1, Some(402))), "222 token_limit");
    answer(&mut past, 0, 10);
    assert_eq!(
        bases(&past, &plain),
        "10 same_prompt, 10 other_prompts, 10 same_tags, 10 other_prompts"
    );
    for tokens in [50, 40, 9_000] {
        answer(&mut past, 1, tokens);
    }
    // A past answer longer than today's limit is capped at it.
    assert_eq!(
        bases(&past, &suite(2, 1, Some(30))),
        "10 same_prompt, 30 same_prompt"
    );
    // Another label of the same model may have other parameters.
    let mut renamed = plain.clone();
    renamed.variants[0].label = "thinking".to_owned();
    assert!(bases(&past, &renamed).starts_with("221 token_limit"));
}

#[test]
fn small_limits_are_expected_to_be_reached_and_large_ones_not() {
    // A quarter of a small limit was half of what answers cost, and a quarter of a large one many times as much.
    let expected = |limit: Option<u64>| {
        estimated(&suite(1, 1, limit), &CostHistory::default(), Usd(Usd::PICO))
            .total
            .completion_tokens
    };
    assert_eq!(
        [1, 60, 200].map(|limit| expected(Some(limit))),
        [1, 55, 146]
    );
    assert_eq!(expected(Some(10_000_000)), expected(None));
    let rising: Vec<u64> = (0..20).map(|power| expected(Some(1 << power))).collect();
    assert!(rising.is_sorted(), "{rising:?}");
}

#[test]
fn an_answer_is_expected_to_be_longer_at_a_higher_effort() {
    // The efforts of one model are compared because of their cost: one estimate for all of them says nothing.
    let expected = |limit: Option<u64>, effort: Option<ReasoningEffort>| {
        let mut suite = suite(1, 1, limit);
        suite.variants[0].parameters.reasoning_effort = effort;
        estimated(&suite, &CostHistory::default(), Usd(Usd::PICO))
            .total
            .completion_tokens
    };
    let efforts: Vec<Option<ReasoningEffort>> = [None]
        .into_iter()
        .chain(ReasoningEffort::WORDS.map(|(_, effort)| Some(effort)))
        .collect();
    for limit in [None, Some(8_000)] {
        let tokens: Vec<u64> = efforts.iter().map(|one| expected(limit, *one)).collect();
        // Without reasoning, `none` and `minimal`: as short as an answer of any model.
        assert_eq!(tokens[..2], [tokens[2], tokens[2]], "{tokens:?}");
        let rising = tokens[2..].windows(2).all(|pair| pair[0] < pair[1]);
        assert!(rising, "{tokens:?}");
        assert!(limit.is_none_or(|limit| tokens.iter().all(|&one| one <= limit)));
    }
}

#[test]
fn prompts_without_a_price_are_counted_only_on_demand() {
    // A vocabulary takes 24 MB for the whole run: a local server, which has no prices, needs none.
    let suite = suite(1, 2, Some(400));
    let estimate = |counted, catalog: &Catalog, vocabularies: &Vocabularies| {
        EstimateInputs {
            suite: &suite,
            vocabularies,
            counted,
            prompt_digests: &["d".to_owned()],
            repetitions: &[2],
            catalog,
            past: &CostHistory::default(),
            worst: WorstCase::new(&suite, |_, _| Ok(Usd::ZERO)),
        }
        .estimate()
    };
    let unpriced = Catalog::read("{\"data\":[]}", String::new(), String::new()).unwrap();
    let vocabularies = Vocabularies::default();
    let uncounted = estimate(CountedPrompts::Priced, &unpriced, &vocabularies);
    assert!(vocabularies.is_empty());
    assert_eq!(uncounted.variants[0].counted_prompt_tokens, None);
    assert_eq!(uncounted.total.prompt_tokens, None);
    // All else is the same.
    let counted = estimate(CountedPrompts::All, &unpriced, &vocabularies);
    assert!(!vocabularies.is_empty());
    assert!(counted.total.prompt_tokens.is_some());
    assert_eq!(
        uncounted.total.completion_tokens,
        counted.total.completion_tokens
    );
    assert_eq!(uncounted.total.expected, None);
    // Those with a price are counted either way, and cost the same.
    let [priced, all] = [CountedPrompts::Priced, CountedPrompts::All]
        .map(|counted| estimate(counted, &catalog(), &vocabularies));
    assert_eq!(priced, all);
    let lengths_alone = estimate(CountedPrompts::None, &catalog(), &vocabularies);
    assert_eq!(lengths_alone.total.list, None);
}

#[test]
fn prompt_tokens_are_corrected_by_their_family() {
    // Makers split text differently, and every model of a maker alike.
    let suite = suite(2, 3, Some(400));
    let before = estimated(&suite, &CostHistory::default(), Usd(Usd::PICO));
    let counted = before.variants[0].counted_prompt_tokens.unwrap();
    assert_eq!(before.variants[0].sums.prompt_tokens, Some(counted));
    assert!(!before.variants[0].own_vocabulary);
    let mut past = CostHistory::default();
    past.add_run(&[PastVariant {
        variant: "other",
        model: &"maker/other".parse().unwrap(),
        requests: 8,
        learned: 0,
        counted_prompt_tokens: Some(800),
        list: None,
        costed: (0, Usd::ZERO),
        // Two requests have no known tokens.
        measured: (6, 1_200),
    }]);
    let after = estimated(&suite, &past, Usd(Usd::PICO));
    assert_eq!(after.variants[0].sums.prompt_tokens, Some(2 * counted));
    assert_eq!(after.variants[0].counted_prompt_tokens, Some(counted));
}

#[test]
fn a_variant_without_a_price_has_no_cost() {
    // Absent, never 0; the total says how many it leaves out.
    let mut suite = suite(2, 1, Some(400));
    let mut other = suite.variants[0].clone();
    (other.label, other.model) = ("free?".to_owned(), "maker/unlisted".parse().unwrap());
    suite.variants.push(other);
    let estimate = estimated(&suite, &CostHistory::default(), Usd(Usd::PICO));
    let [known, unknown] = &estimate.variants[..] else {
        panic!("{estimate:?}")
    };
    assert_eq!((unknown.sums.list, unknown.sums.expected), (None, None));
    assert_eq!(estimate.total.expected, known.sums.expected);
    assert_eq!(estimate.unpriced, 1);
    // Two requests and the warm-up, for each of two variants.
    assert_eq!(estimate.total.worst, Ok(Usd(6 * Usd::PICO)));
    // A suite of 100,000 prompts is estimated in twice its size.
    assert!(size_of::<PromptEstimate>() <= 24);
}

#[test]
fn the_sums_of_prompts_are_those_of_their_variant() {
    // They are computed when they are read, from the little that is stored of a prompt.
    let suite = suite(3, 2, Some(400));
    let mut past = CostHistory::default();
    answer(&mut past, 0, 10);
    let first = estimated(&suite, &past, Usd(Usd::PICO));
    let list = first.total.list.unwrap();
    run(&mut past, &first, Usd(list.0 / 2));
    let mut estimate = estimated(&suite, &past, Usd(Usd::PICO));
    let prompts = || (0..3).map(|prompt| estimate.prompt_sums(0, prompt));
    let variant = &estimate.variants[0].sums;
    assert_eq!(prompts().map(|sums| sums.requests).sum::<u64>(), 6);
    let tokens: u64 = prompts().map(|sums| sums.completion_tokens).sum();
    assert_eq!(tokens, variant.completion_tokens);
    let sum = |of: fn(Sums) -> Option<Usd>| prompts().filter_map(of).sum::<Usd>();
    assert_eq!(Some(sum(|sums| sums.list)), variant.list);
    let difference = sum(|sums| sums.expected).0 - variant.expected.unwrap().0;
    assert!(difference.abs() <= 3 && variant.expected < variant.list);
    // Without the warm-up.
    assert_eq!(sum(|sums| sums.worst.ok()), Usd(6 * Usd::PICO));
    estimate.take_bounds_away(&UnboundedCost::OpenEnded);
    let unbounded = estimate.prompt_sums(0, 1).worst;
    assert_eq!(unbounded, Err(UnboundedCost::OpenEnded));
}

#[test]
fn nine_runs_of_ten_stay_below_the_bound() {
    // The guarantee of the bound, for the whole procedure: each replicate learns from ten runs of its
    // own, the first of them estimated without any history, and the eleventh is judged. Lengths of answers
    // differ between prompts, between runs and by chance.
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let suite = suite(4, 2, Some(4_000));
    let mut covered = 0;
    for _ in 0..1_000 {
        let mut normal = |spread: f64| {
            let sum: f64 = (0..12).map(|_| random.random::<f64>()).sum();
            ((sum - 6.0) * spread).exp()
        };
        let typical: Vec<f64> = (0..4).map(|_| 200.0 * normal(0.8)).collect();
        let mut past = CostHistory::default();
        for number in 0..=10 {
            let estimate = estimated(&suite, &past, Usd(Usd::PICO));
            let mood = normal(0.2);
            let mut cost = Usd::ZERO;
            let mut answers = Vec::new();
            for (prompt, typical) in typical.iter().enumerate() {
                for _ in 0..suite.repetitions {
                    let tokens = scaled(1, typical * mood * normal(0.5)).min(4_000);
                    answers.push((prompt, tokens));
                    let per_token = i128::from(tokens) * 10_000_000;
                    cost = cost.plus(Usd(per_token + 10_000_000)).unwrap();
                }
            }
            if number == 10 {
                covered += u32::from(cost <= estimate.total.bound_90.unwrap());
                break;
            }
            // The error of the first estimate, a guess, does not affect the others.
            assert_eq!(estimate.total.bound_90.is_some(), number >= 10);
            run(&mut past, &estimate, cost);
            for (prompt, tokens) in answers {
                answer(&mut past, prompt, tokens);
            }
        }
    }
    assert!(covered >= 880, "{covered} of 1000");
    // A bound that covers everything would be of no use.
    assert!(covered <= 980, "{covered} of 1000");
}

proptest! {
    // For any past costs: expected and bound are between nothing and the worst case, the bound is
    // not below the middle, and a run that cost what was estimated changes nothing.
    #[test]
    fn estimates_stay_within_reason(
        percents in prop::collection::vec(1_i128..1_000, 0..20),
        prompts in 1_usize..5,
        repetitions in 1_u32..4,
    ) {
        let suite = suite(prompts, repetitions, Some(400));
        let bound = Usd(10_000_000_000);
        let guess = estimated(&suite, &CostHistory::default(), bound);
        let list = guess.total.list.unwrap();
        prop_assert_eq!(guess.total.expected, Some(list));
        // A guessed run adds its answer lengths, as long as the guess here, and not the error of the
        // guess.
        let mut past = CostHistory::default();
        run(&mut past, &guess, Usd(list.0 * 5));
        for prompt in 0..prompts {
            answer(&mut past, prompt, 221);
        }
        let first = estimated(&suite, &past, bound);
        prop_assert_eq!((first.total.expected, first.total.past_runs), (Some(list), 0));
        run(&mut past, &first, list);
        prop_assert_eq!(estimated(&suite, &past, bound).total.expected, Some(list));
        for percent in &percents {
            run(&mut past, &first, Usd(list.0 * percent / 100));
        }
        let total = estimated(&suite, &past, bound).total;
        let worst = total.worst.unwrap();
        let requests = suite.trials() + 1;
        prop_assert_eq!(worst, bound.times(requests).unwrap());
        prop_assert_eq!(total.past_runs, percents.len() + 1);
        prop_assert_eq!(total.bound_90.is_some(), total.past_runs >= 9);
        prop_assert!(total.expected.unwrap() <= worst);
        if let Some(bound) = total.bound_90 {
            prop_assert!(total.expected.unwrap() <= bound && bound <= worst);
        }
    }
}
