//! Tests of the verdicts of one run.

use crate::record::Outcome;
use crate::suite::{Bounds, Gate, Metric};
use crate::units::{Nanos, Usd};
use crate::verdict::evidence::{Evidence, PromptKey, VariantEvidence};
use crate::verdict::judgement::Procedure::{
    AlignedRanks, RateDifference, RatioOfMeans, TailShares,
};
use crate::verdict::judgement::{Comparison, Judgement, Procedure, Reason, SizeGoal, Verdict};
use crate::verdict::observation::Observation;

use super::*;

/// Returns an answer with this TTFT: tokens and a cost that are always the same.
pub(crate) fn answer(slot: usize, round: usize, ttft_ns: u64) -> Observation {
    let ttft = Some(Nanos(ttft_ns)).into();
    Observation {
        round: u32::try_from(round).unwrap(),
        slot: u32::try_from(slot).unwrap(),
        sent_ns: Nanos::from_millis(1_000 * slot as u64),
        ttft_ns: ttft,
        ttfa_ns: ttft,
        latency_ns: Some(Nanos(ttft_ns + 500_000_000)).into(),
        mean_gap_ns: Some(Nanos(10_000_000)).into(),
        output_rate: Some(100.0).into(),
        output_tokens: Some(101).into(),
        reasoning_tokens: Some(0).into(),
        answer_chars: Some(440).into(),
        cost: Some(Usd(500_000_000)).into(),
        cache_hit: Some(false),
        provider: Some(0).into(),
        ..Observation::UNKNOWN
    }
}

/// Turns the answer into a failure.
pub(crate) fn failure(mut observed: Observation, outcome: Outcome) -> Observation {
    observed.outcome = outcome;
    observed.ttft_ns = None.into();
    observed.ttfa_ns = None.into();
    observed.latency_ns = Some(Nanos::from_millis(30_000)).into();
    observed.mean_gap_ns = None.into();
    observed.output_rate = None.into();
    observed.output_tokens = None.into();
    observed.cost = None.into();
    observed.provider = None.into();
    observed
}

/// Builds a run of variants "a" (the reference), "b", ... on so many prompts and repetitions; `change` turns
/// the plain answer of (variant, prompt, repetition), each from 0, into the observed one. Plain answers have a
/// TTFT of about 400 ms that differs by prompt.
pub(crate) fn run(
    (variants, prompts, repetitions): (usize, usize, usize),
    change: impl Fn(Observation, usize, usize, usize) -> Observation,
) -> Evidence {
    let noise = |variant: usize, prompt: usize, repetition: usize| {
        // Scattered evenly over some 20 %, in no order that a procedure could mistake for a difference.
        let place = (variant * 7919 + prompt * 104_729 + repetition * 1_299_709) * 2_654_435_761;
        1.0 + 0.2 * ((place >> 7) % 1009) as f64 / 1009.0
    };
    let of_prompt = |variant: usize, prompt: usize| -> Vec<Observation> {
        (0..repetitions)
            .map(|repetition| {
                let level = 400e6 * (1.0 + prompt as f64 / 10.0);
                let ns = level * noise(variant, prompt, repetition);
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                // Far below 2^53.
                let plain = answer(repetition * prompts + prompt, repetition + 1, ns as u64);
                change(plain, variant, prompt, repetition)
            })
            .collect()
    };
    Evidence {
        prompts: (0..prompts)
            .map(|prompt| PromptKey {
                id: format!("p{prompt}").into(),
                digest: format!("sha256:{prompt}").into(),
                weight: 1.0,
            })
            .collect(),
        variants: (0..variants)
            .map(|variant| VariantEvidence {
                label: label(variant),
                model: format!("made/{}", label(variant)).parse().unwrap(),
                prompts: (0..prompts).map(|p| of_prompt(variant, p)).collect(),
            })
            .collect(),
        sharing: Vec::new(),
        part_starts: Vec::new(),
        providers: vec!["azure".to_owned(), "bedrock".to_owned()],
        limited: Vec::new(),
    }
}

fn label(variant: usize) -> String {
    char::from(b'a' + u8::try_from(variant).unwrap()).to_string()
}

/// Multiplies all times of the answer by `factor`.
pub(crate) fn slower(mut observed: Observation, factor: f64) -> Observation {
    let times = [
        &mut observed.ttft_ns,
        &mut observed.ttfa_ns,
        &mut observed.latency_ns,
    ];
    for time in times {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Far below 2^53.
        let longer = time
            .get()
            .map(|span| Nanos((span.0 as f64 * factor) as u64));
        *time = longer.into();
    }
    observed
}

fn judge(evidence: &Evidence) -> Judgement {
    compare_interleaved(evidence, "a", &Gate::default())
}

fn comparison(judgement: &Judgement, metric: Metric) -> &Comparison {
    let mut found = judgement.comparisons.iter();
    found.find(|one| one.metric == metric).unwrap()
}

#[test]
fn a_slower_model_has_regressed_and_a_faster_one_improved() {
    // The first question of all, from both sides: half as slow again.
    let evidence = run((2, 20, 10), |one, variant, _, _| {
        slower(one, if variant == 1 { 1.5 } else { 1.0 })
    });
    let judgement = judge(&evidence);
    let ttft = comparison(&judgement, Metric::Ttft);
    assert_eq!(ttft.verdict, Verdict::Regressed, "{ttft:#?}");
    let effect = ttft.effect.unwrap();
    assert!((effect.estimate - 1.5).abs() < 0.05, "{effect:?}");
    assert!(effect.interval.contains(1.5), "{effect:?}");
    assert_eq!(ttft.size.prompts, 20);
    assert_eq!((ttft.size.reference, ttft.size.candidate), (200, 200));
    assert_eq!(ttft.per_prompt.len(), 20);
    assert!(!ttft.influence.as_ref().unwrap().is_decisive);
    let back = compare_interleaved(&evidence, "b", &Gate::default());
    assert_eq!(comparison(&back, Metric::Ttft).verdict, Verdict::Improved);
    // An unchanged metric is ok: the cost is equal on every prompt.
    assert_eq!(comparison(&judgement, Metric::Cost).verdict, Verdict::Ok);
}

/// The default gate with other primary metrics.
fn primary(metrics: &[Metric]) -> Gate {
    Gate {
        primary: metrics.to_vec(),
        ..Gate::default()
    }
}

/// The default gate with another tolerance of TTFT and no floor.
fn tolerating(tolerance: f64) -> Gate {
    let bounds = |metric| {
        let bounds = Bounds {
            tolerance,
            margin: tolerance.max(0.2),
            floor_ns: None,
        };
        (metric, bounds)
    };
    Gate {
        bounds: Metric::ALL.map(bounds).to_vec(),
        ..Gate::default()
    }
}

#[test]
fn eleven_metrics_have_four_procedures() {
    // Each metric that both sides have is compared, by the procedure made for it; a metric that neither has is
    // not reported, except for the primary ones.
    let evidence = run((2, 8, 3), |one, _, _, _| one);
    let judgement = judge(&evidence);
    let procedures: Vec<(Metric, bool, Procedure)> = judgement
        .comparisons
        .iter()
        .map(|one| (one.metric, one.primary, one.procedure))
        .collect();
    assert_eq!(
        procedures,
        [
            (Metric::Ttft, true, AlignedRanks),
            (Metric::Ttfa, false, AlignedRanks),
            (Metric::ExperiencedTtft, false, AlignedRanks),
            (Metric::Latency, false, AlignedRanks),
            (Metric::TtftTail, false, TailShares),
            (Metric::InterTokenLatency, false, AlignedRanks),
            (Metric::OutputRate, false, AlignedRanks),
            (Metric::OutputTokens, false, AlignedRanks),
            (Metric::Cost, true, RatioOfMeans),
            (Metric::Completed, true, RateDifference),
        ]
    );
    // No price is known: a primary metric without a value is reported, with its reason.
    let unpriced = run((2, 8, 3), |one, _, _, _| Observation {
        cost: None.into(),
        ..one
    });
    let cost = judge(&unpriced);
    let cost = comparison(&cost, Metric::Cost);
    assert_eq!(cost.verdict, Verdict::Inconclusive);
    assert_eq!(cost.reasons, [Reason::NotMeasured]);
    assert_eq!((cost.effect, cost.tests), (None, None));
}

#[test]
fn metrics_where_more_is_better() {
    // Half the output rate is a regression although the ratio is below 1; so is answering less often.
    let evidence = run((2, 20, 10), |mut one, variant, prompt, repetition| {
        if variant == 1 {
            one.output_rate = Some(50.0 + (prompt + repetition) as f64 / 10.0).into();
        }
        if variant == 1 && (prompt + repetition) % 3 == 0 {
            failure(one, Outcome::ServerError)
        } else {
            one
        }
    });
    let gate = primary(&[Metric::OutputRate, Metric::Completed]);
    let judgement = compare_interleaved(&evidence, "a", &gate);
    let completed = comparison(&judgement, Metric::Completed);
    assert_eq!(completed.verdict, Verdict::Regressed, "{completed:#?}");
    assert!(completed.effect.unwrap().estimate < -0.3);
    // A third of the requests failed: the rate decides nothing, the share of completed ones decides.
    let rate = comparison(&judgement, Metric::OutputRate);
    assert_eq!(rate.verdict, Verdict::Inconclusive);
    assert!(matches!(rate.reasons[..], [Reason::TooManyErrors { share }] if share > 0.3));
    assert!(rate.tests.is_none() && rate.effect.is_some());
    let all = run((2, 20, 10), |mut one, variant, _, _| {
        one.output_rate = Some(if variant == 1 { 50.0 } else { 100.0 }).into();
        one
    });
    let judgement = compare_interleaved(&all, "a", &gate);
    assert_eq!(
        comparison(&judgement, Metric::OutputRate).verdict,
        Verdict::Regressed
    );
}

#[test]
fn few_prompts_have_numbers_and_no_verdict() {
    // With five prompts even all signs agreeing happens by chance in one of sixteen cases.
    let twice = |one, variant, _, _| slower(one, if variant == 1 { 2.0 } else { 1.0 });
    let judgement = judge(&run((2, 5, 10), twice));
    let ttft = comparison(&judgement, Metric::Ttft);
    assert_eq!(ttft.reasons, [Reason::TooFewPrompts { usable: 5 }]);
    let effect = ttft.effect.unwrap();
    assert!(effect.estimate > 1.8 && effect.interval.lower.is_none());
    // Six are enough, unless one of them is nearly all of the traffic.
    let mut six = run((2, 6, 10), twice);
    assert_eq!(
        comparison(&judge(&six), Metric::Ttft).verdict,
        Verdict::Regressed
    );
    six.prompts[0].weight = 20.0;
    let weighted = judge(&six);
    assert_eq!(
        comparison(&weighted, Metric::Ttft).reasons,
        [Reason::TooFewPrompts { usable: 1 }]
    );
}

#[test]
fn prompts_that_drop_out_withhold_the_verdict() {
    // A quarter of the prompts was never answered by one side: the others are no longer the suite.
    let evidence = run((2, 20, 4), |mut one, variant, prompt, _| {
        if variant == 1 && prompt % 4 == 0 {
            one.output_tokens = None.into();
        }
        one
    });
    let judgement = judge(&evidence);
    let tokens = comparison(&judgement, Metric::OutputTokens);
    assert_eq!(tokens.verdict, Verdict::Inconclusive);
    assert_eq!(tokens.reasons, [Reason::PromptsDropped { dropped: 5 }]);
    assert_eq!(tokens.size.prompts, 15);
}

#[test]
fn a_deadline_counts_as_the_time_that_had_passed() {
    // One answer in twelve ran into its deadline: dropped, the slowest model would look like the other.
    let evidence = run((2, 20, 12), |one, variant, prompt, repetition| {
        if variant == 1 && (prompt + repetition) % 12 == 0 {
            failure(one, Outcome::TimedOutTotal)
        } else {
            one
        }
    });
    let judgement = judge(&evidence);
    let ttft = comparison(&judgement, Metric::Ttft);
    assert_eq!((ttft.size.reference, ttft.size.candidate), (240, 240));
    assert!(ttft.tests.is_some());
    // Rate-limited trials count neither for the share of completed ones nor for times.
    let limited = run((2, 20, 12), |one, variant, prompt, repetition| {
        if variant == 1 && (prompt + repetition) % 12 == 0 {
            failure(one, Outcome::RateLimited)
        } else {
            one
        }
    });
    let judgement = judge(&limited);
    let completed = comparison(&judgement, Metric::Completed);
    assert_eq!(
        (completed.size.reference, completed.size.candidate),
        (240, 220)
    );
    assert!(completed.effect.unwrap().estimate.abs() < 1e-12);
}

#[test]
fn eight_per_cent_of_forty_milliseconds_is_below_the_floor() {
    // A change that is certain and smaller than the floor is ok, both ways.
    let evidence = run((2, 20, 10), |mut one, variant, prompt, repetition| {
        let ns = 40_000_000 + 1_000 * (prompt * 31 + repetition * 17 + variant * 7) as u64 % 90_000;
        let by = if variant == 1 { 3_300_000 } else { 0 };
        one.ttft_ns = Some(Nanos(ns + by)).into();
        one
    });
    let judgement = judge(&evidence);
    let ttft = comparison(&judgement, Metric::Ttft);
    assert_eq!(ttft.verdict, Verdict::Ok);
    let change = match ttft.reasons[..] {
        [
            Reason::BelowFloor {
                change_ns,
                floor_ns,
            },
        ] if floor_ns == Nanos::from_millis(10) => change_ns,
        _ => panic!("{:?}", ttft.reasons),
    };
    assert!((3_200_000..3_400_000).contains(&change.0), "{change}");
    let back = compare_interleaved(&evidence, "b", &Gate::default());
    let back = comparison(&back, Metric::Ttft);
    assert_eq!(back.verdict, Verdict::Ok);
    assert!(matches!(back.reasons[..], [Reason::BelowFloor { .. }]));
    let without_floor = compare_interleaved(&evidence, "a", &tolerating(0.05));
    assert_eq!(
        comparison(&without_floor, Metric::Ttft).verdict,
        Verdict::Regressed
    );
}

#[test]
fn visible_reasoning_makes_ttfa_primary_instead_of_ttft() {
    // The first token of reasoning comes early, the answer late: they are different things.
    let evidence = run((2, 20, 10), |mut one, variant, _, _| {
        if variant == 1 {
            one.visible_reasoning = true;
            one.ttft_ns = one.ttft_ns.get().map(|span| Nanos(span.0 / 4)).into();
            one.ttfa_ns = one.ttfa_ns.get().map(|span| Nanos(span.0 * 3)).into();
        }
        one
    });
    let generous = Bounds {
        tolerance: 0.5,
        margin: 0.6,
        floor_ns: None,
    };
    let gate = Gate {
        bounds: vec![(Metric::Ttft, generous)],
        ..Gate::default()
    };
    let judgement = compare_interleaved(&evidence, "a", &gate);
    let ttft = comparison(&judgement, Metric::Ttft);
    assert_eq!((ttft.primary, ttft.verdict), (false, Verdict::Inconclusive));
    assert_eq!(ttft.reasons, [Reason::ReasoningDiffers]);
    assert_eq!((ttft.effect, ttft.tests), (None, None));
    let answer = comparison(&judgement, Metric::Ttfa);
    assert_eq!((answer.primary, answer.verdict), (true, Verdict::Regressed));
    assert!(
        (answer.bounds.tolerance - 0.5).abs() < 1e-12,
        "the bounds of TTFT"
    );
}

#[test]
fn retries_make_the_experienced_ttft_primary_as_well() {
    // Every tenth trial was retried and waited: the answered attempts alone hide it.
    let evidence = run((2, 20, 10), |mut one, variant, prompt, repetition| {
        if variant == 1 && (prompt + repetition) % 10 == 0 {
            one.retried = true;
            one.set_retry_times(Some(Nanos::from_millis(9_000)), None);
        }
        one
    });
    let judgement = judge(&evidence);
    let reason = Reason::RetriesDiffer {
        reference: 0.0,
        candidate: 0.1,
    };
    for metric in [Metric::Ttft, Metric::ExperiencedTtft] {
        let found = comparison(&judgement, metric);
        assert!(
            found.primary && found.reasons.contains(&reason),
            "{found:#?}"
        );
    }
    // Below two points there is no note.
    let once = run((2, 20, 10), |mut one, variant, prompt, repetition| {
        one.retried = variant == 1 && (prompt, repetition) == (3, 3);
        one
    });
    let judgement = judge(&once);
    assert!(!comparison(&judgement, Metric::ExperiencedTtft).primary);
    assert!(comparison(&judgement, Metric::Ttft).reasons.is_empty());
}

#[test]
fn excluded_samples_must_not_decide() {
    // Slow ones on one side that are excluded: with them another verdict, so there is none.
    let with = |every: usize| {
        run((2, 20, 20), move |one, variant, prompt, repetition| {
            let aside = variant == 1 && (prompt + repetition) % every == 0;
            let mut one = slower(one, if aside { 30.0 } else { 1.0 });
            one.excluded = aside;
            one
        })
    };
    let judgement = judge(&with(5));
    let ttft = comparison(&judgement, Metric::Ttft);
    assert_eq!(ttft.verdict, Verdict::Inconclusive);
    assert!(matches!(ttft.reasons[..], [Reason::Excluded { candidate, .. }] if candidate > 0.15));
    // The latency of a buffered answer is valid.
    assert!(comparison(&judgement, Metric::Latency).tests.is_some());
    let judgement = judge(&with(40));
    let ttft = comparison(&judgement, Metric::Ttft);
    assert_eq!((ttft.verdict, ttft.size.candidate), (Verdict::Ok, 399));
}

#[test]
fn hits_of_a_cache_are_compared_with_hits() {
    // Two in three answers of one side come from its cache, one in three of the other's; a hit takes half the
    // time on both. Pooled, the one would seem faster.
    let evidence = run((2, 20, 12), |one, variant, prompt, repetition| {
        let hit = (prompt + repetition) % 3 < if variant == 1 { 2 } else { 1 };
        let mut one = slower(one, if hit { 0.5 } else { 1.0 });
        one.cache_hit = Some(hit);
        one
    });
    let judgement = judge(&evidence);
    let ttft = comparison(&judgement, Metric::Ttft);
    assert_eq!(ttft.verdict, Verdict::Ok, "{ttft:#?}");
    assert!(matches!(
        ttft.reasons[..],
        [Reason::CacheHitsDiffer { split: true, .. }]
    ));
    let effect = ttft.effect.unwrap();
    assert!((effect.estimate - 1.0).abs() < 0.05, "{effect:?}");
    // A side that never hits cannot be compared with one that mostly does.
    let never = run((2, 20, 12), |mut one, variant, _, repetition| {
        one.cache_hit = Some(variant == 1 && repetition % 3 > 0);
        one
    });
    let judgement = judge(&never);
    let ttft = comparison(&judgement, Metric::Ttft);
    assert_eq!(ttft.verdict, Verdict::Inconclusive);
    assert!(matches!(
        ttft.reasons[..],
        [Reason::CacheHitsDiffer { split: false, .. }]
    ));
    // The bill is compared as it is, and the reason reported.
    let cost = comparison(&judgement, Metric::Cost);
    assert_eq!(cost.verdict, Verdict::Ok);
    assert!(matches!(cost.reasons[..], [Reason::CacheHitsDiffer { .. }]));
}

#[test]
fn another_provider_is_reported_and_compared() {
    // Half of the candidate's answers come from a slow provider: within the other nothing changed.
    let evidence = run((2, 20, 10), |one, variant, _, repetition| {
        let other = variant == 1 && repetition % 2 == 0;
        let mut one = slower(one, if other { 3.0 } else { 1.0 });
        one.provider = Some(u32::from(other)).into();
        one
    });
    let judgement = judge(&evidence);
    let ttft = comparison(&judgement, Metric::Ttft);
    assert_eq!(ttft.verdict, Verdict::Regressed);
    let shift = Reason::RouteShift {
        provider: "bedrock".to_owned(),
        reference: 0.0,
        candidate: 0.5,
    };
    assert!(ttft.reasons.contains(&shift), "{:?}", ttft.reasons);
    let [route] = &ttft.routes[..] else {
        panic!("{:?}", ttft.routes)
    };
    assert_eq!(route.provider, "azure");
    assert!((route.share_candidate - 0.5).abs() < 1e-12);
    assert_eq!(route.verdict, Verdict::Ok);
    // Models that no provider shares have no routes to compare.
    let apart = run((2, 20, 4), |mut one, variant, _, _| {
        one.provider = Some(u32::try_from(variant).unwrap()).into();
        one
    });
    assert!(comparison(&judge(&apart), Metric::Ttft).reasons.is_empty());
}

#[test]
fn one_prompt_that_decides_is_named() {
    // Money: one prompt costs ten times as much as before, all others the same.
    let evidence = run((2, 20, 3), |mut one, variant, prompt, repetition| {
        let usd = 1_000_000 * (prompt as i128 + 10) + 7 * repetition as i128;
        let dear = if variant == 1 && prompt == 7 { 10 } else { 1 };
        one.cost = Some(Usd(usd * dear)).into();
        one
    });
    let judgement = judge(&evidence);
    let cost = comparison(&judgement, Metric::Cost);
    assert_eq!(cost.verdict, Verdict::Inconclusive);
    let influence = cost.influence.as_ref().unwrap();
    assert_eq!(
        (influence.prompt.as_str(), influence.verdict_without),
        ("p7", Verdict::Ok)
    );
    assert!(influence.is_decisive);
    assert!(cost.reasons.contains(&Reason::TooWide) && cost.detectable_change.is_some());
    let required_size = cost.required_size.unwrap();
    assert!(
        required_size.prompts > 20 && required_size.goal == SizeGoal::Detect,
        "{required_size:?}"
    );
}

#[test]
fn free_models_are_compared_by_money_as_well() {
    // Zero against zero is equal; an amount against zero has no ratio, but costs more.
    let priced = |a: i128, b: i128| {
        let evidence = run((2, 8, 3), move |mut one, variant, _, _| {
            one.cost = Some(Usd(if variant == 1 { b } else { a })).into();
            one
        });
        let judgement = judge(&evidence);
        let cost = comparison(&judgement, Metric::Cost).clone();
        (cost.verdict, cost.effect.map(|effect| effect.estimate))
    };
    assert_eq!(priced(0, 0), (Verdict::Ok, Some(1.0)));
    assert_eq!(priced(5, 0), (Verdict::Improved, Some(0.0)));
    assert_eq!(priced(0, 5), (Verdict::Regressed, None));
    assert_eq!(priced(5, 5), (Verdict::Ok, Some(1.0)));
}

#[test]
fn shares_that_agree_everywhere_have_uncertainty() {
    // All answered on both sides: of 20 prompts a loss of 5 points cannot be excluded, of 80 it can.
    let completed = |prompts| {
        let judgement = judge(&run((2, prompts, 2), |one, _, _, _| one));
        comparison(&judgement, Metric::Completed).clone()
    };
    let few = completed(20);
    assert_eq!(few.verdict, Verdict::Inconclusive);
    assert_eq!(few.reasons, [Reason::TooWide]);
    assert_eq!(completed(80).verdict, Verdict::Ok);
}

#[test]
fn one_answer_a_prompt_is_judged_by_mcnemar() {
    // Twelve prompts that only the reference got right, of forty: a loss of 30 points.
    let graded = |lost: usize| {
        let evidence = run((2, 40, 1), move |mut one, variant, prompt, _| {
            one.passed = Some(variant == 0 || prompt >= lost);
            one
        });
        let gate = primary(&[Metric::PassRate]);
        let judgement = compare_interleaved(&evidence, "a", &gate);
        comparison(&judgement, Metric::PassRate).clone()
    };
    let lost = graded(12);
    assert_eq!(lost.verdict, Verdict::Regressed, "{lost:#?}");
    assert!((lost.effect.unwrap().estimate + 0.3).abs() < 1e-12);
    assert_eq!(graded(2).verdict, Verdict::Inconclusive);
}

#[test]
fn the_course_of_a_run_is_reported() {
    // A level that moved, failures in a burst, a shared cache: reported, and no verdict withheld.
    let mut evidence = run((2, 20, 10), |mut one, variant, prompt, repetition| {
        one.cache_hit = Some(prompt % 2 == 0);
        let one = slower(one, if repetition > 4 { 1.6 } else { 1.0 });
        if variant == 1 && repetition == 2 && prompt < 3 {
            failure(one, Outcome::ServerError)
        } else {
            one
        }
    });
    assert!(!(judge(&evidence).notes.iter()).any(|note| note.contains("prompt cache")));
    evidence.sharing = vec![vec!["a".to_owned(), "b".to_owned()]];
    let judgement = judge(&evidence);
    let has_note = |text: &str| judgement.notes.iter().any(|note| note.contains(text));
    assert!(
        has_note("The TTFT of a moved during the run: after 100 of its 200 answers"),
        "{:#?}",
        judgement.notes
    );
    assert!(has_note("3 of the 3 failures of b came in 1 burst"));
    assert!(has_note("share its prompt cache"));
    assert_eq!(comparison(&judgement, Metric::Ttft).verdict, Verdict::Ok);
    let unknown = compare_interleaved(&evidence, "unknown", &Gate::default());
    assert!(unknown.comparisons.is_empty() && unknown.notes.len() == 1);
}

#[test]
fn nothing_is_compared_across_the_parts_of_a_run() {
    // Shards of a merged run lie next to each other on its clock, but each was sent by a machine of its own: another level
    // there is no drift, and failures on both sides of the seam are no burst.
    let mut evidence = run((2, 20, 10), |one, variant, prompt, repetition| {
        let one = slower(one, if repetition > 4 { 1.6 } else { 1.0 });
        match (variant, prompt, repetition) {
            (1, 19, 4) | (1, 0, 5) => failure(one, Outcome::ServerError),
            _ => one,
        }
    });
    let notes = |evidence: &Evidence| judge(evidence).notes.concat();
    let whole = notes(&evidence);
    assert!(
        whole.contains("The TTFT of a moved during the run"),
        "{whole}"
    );
    assert!(
        whole.contains("2 of the 2 failures of b came in 1 burst"),
        "{whole}"
    );
    let seam = evidence.variants[1].prompts[0][5].sent_ns;
    evidence.part_starts = vec![Nanos::ZERO, seam];
    let parts = notes(&evidence);
    assert!(
        !parts.contains("moved") && !parts.contains("burst"),
        "{parts}"
    );
}

#[test]
fn the_required_prompts_for_completed_are_enough() {
    // Nothing failed, and too few answers to exclude a loss: the reported size makes it `ok` by the rule that
    // judges, and one repetition of one prompt less would leave the interval open.
    let completed = |prompts: usize, repetitions: usize| {
        let evidence = run((2, prompts, repetitions), |one, _, _, _| one);
        let judgement = compare_interleaved(&evidence, "a", &Gate::default());
        let mut all = judgement.comparisons.into_iter();
        all.find(|one| one.metric == Metric::Completed).unwrap()
    };
    for repetitions in [1, 3] {
        let few = completed(8, repetitions);
        assert_eq!(few.verdict, Verdict::Inconclusive);
        let required_size = few.required_size.unwrap();
        assert_eq!(required_size.repetitions, repetitions as u64);
        // With more such answers the interval fits the margin; failures were not expected.
        assert_eq!(required_size.goal, SizeGoal::Bound);
        let prompts = usize::try_from(required_size.prompts).unwrap();
        assert!(
            (20..400).contains(&(prompts * repetitions)),
            "{required_size:?}"
        );
        assert_eq!(completed(prompts, repetitions).verdict, Verdict::Ok);
        let lower = |prompts| {
            completed(prompts, repetitions)
                .effect
                .unwrap()
                .interval
                .lower
        };
        assert!(lower(prompts).unwrap() > -0.05 && lower(prompts - 1).unwrap() <= -0.05);
    }
}

#[test]
fn a_model_that_gives_up_looks_neither_fast_nor_cheap() {
    // Stumps end early and cost little: counted as answers, the worse a model fails the better it looked.
    let failing = Outcome::ALL
        .into_iter()
        .filter(|one| one.failure().is_some());
    for outcome in failing {
        let evidence = run((2, 20, 4), |one, variant, _, repetition| {
            if variant == 0 || repetition % 2 == 0 {
                return one;
            }
            Observation {
                latency_ns: Some(Nanos::from_millis(20)).into(),
                cost: Some(Usd(5_000_000)).into(),
                ..failure(one, outcome)
            }
        });
        let judgement = judge(&evidence);
        for metric in [Metric::Cost, Metric::Latency] {
            let verdict = comparison(&judgement, metric).verdict;
            assert_ne!(verdict, Verdict::Improved, "{outcome:?} {metric:?}");
        }
    }
}
