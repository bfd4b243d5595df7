//! The mathematics against reference values that another program computed
//! (`tests/vectors/stat-vectors.json` says which).

#![allow(clippy::unwrap_used)] // A test says what is wrong by failing.

use std::sync::LazyLock;

use bakeoff::stats::history::{self, Levels, Prior};
use bakeoff::stats::hodges_lehmann;
use bakeoff::stats::interval::{Alpha, Interval};
use bakeoff::stats::mean::{Mean, Weights};
use bakeoff::stats::paired::Paired;
use bakeoff::stats::rates::{self, PairCounts, Passes};
use bakeoff::stats::size::{DetectionGoal, Noise};
use bakeoff::stats::{
    car, cost, distributions, drift, multiple, quantile, quantile_interval, sequential, tail,
};
use serde_json::Value;

const ALPHA: Alpha = Alpha::FIVE_PERCENT;

/// The relative difference that a closed form may have.
const CLOSED: f64 = 1e-9;

static VECTORS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../vectors/stat-vectors.json")).unwrap());

fn number(value: &Value) -> f64 {
    match value {
        Value::String(text) if text == "inf" => f64::INFINITY,
        value => value
            .as_f64()
            .unwrap_or_else(|| panic!("not a number: {value}")),
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

fn count(value: f64) -> u64 {
    format!("{value:.0}").parse().unwrap()
}

/// Equal within `tolerance` of the reference, or of 1 where that is smaller than 1e-3: a number near 0
/// that comes of subtracting numbers near 1 has no more digits.
#[track_caller]
fn same(what: &str, ours: f64, reference: f64, tolerance: f64) {
    let scale = if reference.abs() < 1e-3 {
        1e-3
    } else {
        reference.abs()
    };
    let equal =
        ours.to_bits() == reference.to_bits() || (ours - reference).abs() <= tolerance * scale;
    assert!(equal, "{what}: {ours}, reference {reference}");
}

#[track_caller]
fn same_ends(what: &str, ours: Interval, reference: &Value, tolerance: f64) {
    let ends = [ours.lower, ours.upper];
    for (end, reference) in ends.into_iter().zip(reference.as_array().unwrap()) {
        same(what, end.unwrap(), number(reference), tolerance);
    }
}

/// A number of a group, by its closed form.
#[track_caller]
fn agrees(group: &Value, key: &str, ours: f64) {
    same(key, ours, number(&group[key]), CLOSED);
}

/// Both ends of an interval of a group.
#[track_caller]
fn ends_agree(group: &Value, key: &str, ours: Interval) {
    same_ends(key, ours, &group[key], CLOSED);
}

/// Every number of a list of a group.
#[track_caller]
fn all_agree(group: &Value, key: &str, ours: &[f64]) {
    let reference = numbers(&group[key]);
    assert_eq!(ours.len(), reference.len(), "{key}");
    for (ours, reference) in ours.iter().zip(reference) {
        same(key, *ours, reference, CLOSED);
    }
}

fn sides(a: &Value, b: &Value) -> Paired {
    let prompts: Vec<_> = rows(a).into_iter().zip(rows(b)).collect();
    Paired::new(&prompts).unwrap()
}

/// The eight prompts with five values a side that several groups share.
fn shared_sides() -> Paired {
    let group = &VECTORS["paired_ratio_P4"];
    sides(&group["a_ms"], &group["b_ms"])
}

#[test]
fn distributions_agree() {
    // Every critical value of every verdict comes from these.
    let group = &VECTORS["distributions"];
    for (p, x) in group["norm_ppf"].as_object().unwrap() {
        same(
            p,
            distributions::normal_ppf(p.parse().unwrap()),
            number(x),
            CLOSED,
        );
    }
    for row in rows(&group["t_ppf"]) {
        same(
            "t_ppf",
            distributions::t_ppf(row[0], row[1]),
            row[2],
            CLOSED,
        );
    }
    for row in rows(&group["t_sf"]) {
        same("t_sf", distributions::t_sf(row[0], row[1]), row[2], CLOSED);
    }
    for row in rows(&group["binom_cdf"]) {
        let ours = distributions::binomial_cdf(count(row[0]), count(row[1]), row[2]);
        same("binom_cdf", ours, row[3], CLOSED);
    }
}

#[test]
fn quantiles_agree() {
    // The definition of every percentile that is printed.
    let group = &VECTORS["quantiles"];
    let mut x = numbers(&group["x"]);
    x.sort_by(f64::total_cmp);
    for (q, reference) in numbers(&group["q"])
        .into_iter()
        .zip(numbers(&group["type8"]))
    {
        same(
            "type 8",
            quantile::quantile_f64(&x, q).unwrap(),
            reference,
            CLOSED,
        );
    }
    let single = &group["single_value"];
    let ours = quantile::quantile_f64(&numbers(&single["x"]), number(&single["q"]));
    agrees(single, "type8", ours.unwrap());
}

#[test]
fn order_statistics_agree() {
    // Which values bound a percentile, and from how many values on there are two.
    let group = &VECTORS["order_statistic_ci"];
    for row in rows(&group["rows"]) {
        let n = count(row[0]);
        let places = quantile_interval::order_statistics(n, row[1], ALPHA);
        let found = (places.lower.unwrap_or(0), places.upper.unwrap_or(n + 1));
        assert_eq!(found, (count(row[2]), count(row[3])), "{row:?}");
    }
    for (q, min_count) in group["min_n_two_sided"].as_object().unwrap() {
        let both = |n: u64| {
            let places = quantile_interval::order_statistics(n, q.parse().unwrap(), ALPHA);
            places.lower.is_some() && places.upper.is_some()
        };
        let min_count = min_count.as_u64().unwrap();
        assert!(both(min_count) && !both(min_count - 1), "{q}");
    }
}

#[test]
fn woodruff_agrees() {
    // The interval for prompts like these, one end of which may not exist.
    let group = &VECTORS["woodruff"];
    let prompts = rows(&group["x"]);
    for row in group["rows"].as_array().unwrap() {
        let q = number(&row[0]);
        let found = quantile_interval::for_prompts_like_these(&prompts, q, ALPHA).unwrap();
        same("estimate", found.estimate, number(&row[1]), CLOSED);
        same("half width", found.half_width, number(&row[2]), CLOSED);
        assert_eq!(found.places.lower, row[3].as_u64());
        assert_eq!(found.interval.lower, row[5].as_f64());
        assert_eq!(found.interval.upper, row[6].as_f64());
        let place = found.places.upper;
        assert!(place.is_none() || place == row[4].as_u64(), "{place:?}");
        assert_eq!(place.is_none(), row[6].is_null());
    }
}

#[test]
fn the_simple_comparison_agrees() {
    // Log ratios of each prompt and Student's t over them (P4).
    let group = &VECTORS["paired_ratio_P4"];
    let paired = shared_sides();
    let logs = paired.log_ratios();
    all_agree(group, "prompt_log_hl", &logs);
    let mean = paired.mean_log_ratio();
    agrees(group, "log_ratio", mean.estimate);
    agrees(group, "se", mean.standard_error.unwrap());
    agrees(group, "df", mean.df);
    agrees(group, "t", mean.t(0.0).unwrap());
    agrees(group, "p_two_sided", mean.p_two_sided(0.0).unwrap());
    let greater = mean.p_greater(1.05_f64.ln()).unwrap();
    agrees(group, "p_greater_tolerance_5pct", greater);
    let less = mean.p_less(1.2_f64.ln()).unwrap();
    agrees(group, "p_noninferior_margin_20pct", less);
    ends_agree(group, "ci95_log", mean.interval(ALPHA));
    agrees(group, "ratio", mean.estimate.exp());
    ends_agree(group, "ci95_ratio", mean.interval(ALPHA).map(f64::exp));

    let unequal = &group["unequal_reps"];
    let paired = sides(&unequal["a_ms"], &group["b_ms"]);
    all_agree(unequal, "prompt_log_hl", &paired.log_ratios());
    let mean = paired.mean_log_ratio();
    agrees(unequal, "log_ratio", mean.estimate);
    ends_agree(unequal, "ci95_log", mean.interval(ALPHA));

    let identical = &group["identical_arms"];
    let mean = sides(&identical["a_ms"], &identical["b_ms"]).mean_log_ratio();
    agrees(identical, "log_ratio", mean.estimate);
    agrees(identical, "se", mean.standard_error.unwrap());
    ends_agree(identical, "ci95_log", mean.interval(ALPHA));
}

#[test]
fn flipping_signs_agrees() {
    // The exact test that is our oracle for CAR must itself be right: all 2^8 patterns of D.
    let group = &VECTORS["paired_ratio_P4"]["sign_flip_exact"];
    let logs = shared_sides().log_ratios();
    let seen: f64 = logs.iter().sum();
    let flipped: Vec<f64> = (0..1_u32 << logs.len())
        .map(|pattern| {
            let sign = |i: usize| if pattern >> i & 1 == 1 { -1.0 } else { 1.0 };
            logs.iter().enumerate().map(|(i, log)| sign(i) * log).sum()
        })
        .collect();
    let share = |holds: &dyn Fn(f64) -> bool| {
        flipped.iter().filter(|sum| holds(**sum)).count() as f64 / flipped.len() as f64
    };
    let greater = share(&|sum| sum >= seen - 1e-12);
    agrees(group, "p_greater", greater);
    let two_sided = share(&|sum| sum.abs() >= seen.abs() - 1e-12);
    agrees(group, "p_two_sided", two_sided);
}

#[test]
fn car_agrees() {
    // The test and the interval that every latency verdict stands on.
    let group = &VECTORS["car"];
    let tolerance = number(&group["tol"]);
    let paired = shared_sides();
    all_agree(group, "scores", &car::scores(&paired, 0.0));
    let level = car::test(&paired, 0.0);
    agrees(group, "t", level.t(0.0).unwrap());
    agrees(group, "df", level.df);
    agrees(group, "p_two_sided", level.p_two_sided(0.0).unwrap());
    for row in rows(&group["t_at_shift"]) {
        same(
            "t(h)",
            car::test(&paired, row[0]).t(0.0).unwrap(),
            row[1],
            CLOSED,
        );
    }
    let found = car::compare(&paired, ALPHA);
    same(
        "log ratio",
        found.estimate,
        number(&group["log_ratio"]),
        tolerance,
    );
    same("ratio", found.ratio(), number(&group["ratio"]), tolerance);
    same_ends("interval", found.interval, &group["ci95_log"], tolerance);
    same_ends(
        "ratios",
        found.ratio_interval(),
        &group["ci95_ratio"],
        tolerance,
    );
    let swapped = car::compare(&paired.swapped(), ALPHA);
    same(
        "swapped",
        swapped.estimate,
        number(&group["swap_arms_log_ratio"]),
        tolerance,
    );
}

#[test]
fn car_agrees_on_odd_designs() {
    // Unequal repetitions, one repetition, identical sides, a difference without noise.
    let group = &VECTORS["car"];
    let tolerance = number(&group["tol"]);
    let b = &VECTORS["paired_ratio_P4"]["b_ms"];

    let unequal = &group["unequal_reps"];
    let paired = sides(&unequal["a_ms"], b);
    all_agree(unequal, "scores", &car::scores(&paired, 0.0));
    let found = car::compare(&paired, ALPHA);
    agrees(unequal, "t", car::test(&paired, 0.0).t(0.0).unwrap());
    same(
        "unequal",
        found.estimate,
        number(&unequal["log_ratio"]),
        tolerance,
    );
    same_ends("unequal", found.interval, &unequal["ci95_log"], tolerance);

    let single = &group["one_rep"];
    let first = |values: &Value| -> Vec<[f64; 1]> { rows(values).iter().map(|v| [v[0]]).collect() };
    let a = first(&VECTORS["paired_ratio_P4"]["a_ms"]);
    let prompts: Vec<_> = a.into_iter().zip(first(b)).collect();
    let paired = Paired::new(&prompts).unwrap();
    all_agree(single, "scores", &car::scores(&paired, 0.0));
    let found = car::compare(&paired, ALPHA);
    agrees(single, "t", car::test(&paired, 0.0).t(0.0).unwrap());
    same_ends("one", found.interval, &single["ci95_log"], tolerance);

    for name in ["identical_arms", "deterministic_plus_20pct"] {
        let case = &group[name];
        let paired = sides(&case["a_ms"], &case["b_ms"]);
        let found = car::compare(&paired, ALPHA);
        agrees(case, "t", car::test(&paired, 0.0).t(0.0).unwrap());
        same_ends(name, found.interval, &case["ci95_log"], tolerance);
    }
}

#[test]
fn the_tail_agrees() {
    // The threshold both sides share, and what lies beyond it prompt by prompt.
    let group = &VECTORS["tail_exceedance"];
    let found = tail::compare(&shared_sides(), number(&group["q"]));
    let threshold = number(&group["threshold_aligned_log_type8"]);
    same("threshold", found.threshold, threshold, CLOSED);
    agrees(group, "mean", found.difference.estimate);
    ends_agree(group, "ci95", found.difference.interval(ALPHA));
    let p = found.difference.p_greater(0.0).unwrap();
    agrees(group, "p_greater", p);
    let mean = Mean::from_values(&numbers(&group["prompt_differences"])).unwrap();
    same(
        "by prompt",
        mean.standard_error.unwrap(),
        found.difference.standard_error.unwrap(),
        CLOSED,
    );
}

fn passes(rows_of_answers: &Value) -> Vec<Passes> {
    rows(rows_of_answers)
        .iter()
        .map(|row| {
            let passed = row.iter().filter(|answer| **answer > 0.5).count();
            let whole = |number: usize| u32::try_from(number).unwrap();
            Passes::new(whole(passed), whole(row.len())).unwrap()
        })
        .collect()
}

#[test]
fn rates_agree() {
    // Wilson plain and with clusters, and differences prompt by prompt.
    let group = &VECTORS["proportions"];
    for row in group["wilson"].as_array().unwrap() {
        let found = rates::wilson(number(&row[0]), number(&row[1]), ALPHA);
        same("lower", found.lower.unwrap(), number(&row[2]), CLOSED);
        same("upper", found.upper.unwrap(), number(&row[3]), CLOSED);
    }
    let clustered = &group["clustered"];
    let found = rates::rate(&passes(&clustered["x"]), ALPHA).unwrap();
    agrees(clustered, "estimate", found.estimate);
    ends_agree(clustered, "wilson_effective_n", found.interval);
    let all = [Passes::new(4, 4).unwrap(); 8];
    let found = rates::rate(&all, ALPHA).unwrap();
    ends_agree(clustered, "all_pass_8x4", found.interval);

    let paired = &group["paired_prompt_t"];
    let prompts: Vec<_> = passes(&paired["x"])
        .into_iter()
        .zip(passes(&paired["y"]))
        .collect();
    let found = rates::paired_difference(&prompts, ALPHA).unwrap();
    agrees(paired, "diff_y_minus_x", found.mean.estimate);
    ends_agree(paired, "ci95", found.interval);
    agrees(paired, "p_two_sided", found.mean.p_two_sided(0.0).unwrap());
}

#[test]
fn pairs_of_answers_agree() {
    // McNemar and both of Newcombe's intervals.
    let group = &VECTORS["proportions"];
    for row in rows(&group["mcnemar_mid_p"]) {
        same(
            "mid-p",
            rates::mcnemar_mid_p(count(row[0]), count(row[1])),
            row[2],
            CLOSED,
        );
    }
    for row in rows(&group["newcombe_paired"]) {
        let (both, first, second, neither) = (row[0], row[1], row[2], row[3]);
        let pairs = PairCounts {
            both,
            first,
            second,
            neither,
        };
        let found = rates::newcombe_paired(&pairs, ALPHA);
        same("lower", found.lower.unwrap(), row[5], CLOSED);
        same("upper", found.upper.unwrap(), row[6], CLOSED);
        same(
            "difference",
            (first - second) / row[..4].iter().sum::<f64>(),
            row[4],
            CLOSED,
        );
    }
    for row in rows(&group["newcombe_independent"]) {
        let (first, second) = (
            (count(row[0]), count(row[1])),
            (count(row[2]), count(row[3])),
        );
        let found = rates::newcombe_unpaired(first, second, ALPHA);
        same("lower", found.lower.unwrap(), row[5], CLOSED);
        same("upper", found.upper.unwrap(), row[6], CLOSED);
    }
}

#[test]
fn many_comparisons_agree() {
    // What a gate holds against alpha, and what an exploration does.
    let group = &VECTORS["multiplicity"];
    let p = numbers(&group["p"]);
    for (name, ours) in [
        ("holm_adjusted", multiple::holm(&p)),
        ("bh_adjusted", multiple::benjamini_hochberg(&p)),
    ] {
        for (ours, reference) in ours.into_iter().zip(numbers(&group[name])) {
            same(name, ours, reference, CLOSED);
        }
    }
}

#[test]
fn boundaries_agree() {
    // When a run may stop early, on the scales of z and of t.
    let group = &VECTORS["sequential"];
    let tolerance = number(&group["tol"]);
    for schedule in group["obf_one_sided_0.025"].as_array().unwrap() {
        let looks = numbers(&schedule[0]);
        let bounds = sequential::boundaries(&looks, 0.025).unwrap();
        for (ours, reference) in bounds.iter().zip(numbers(&schedule[1])) {
            same(&format!("{looks:?}"), *ours, reference, tolerance);
        }
    }
    for (u, reference) in group["obf_spent_at"].as_object().unwrap() {
        let ours = sequential::spent(u.parse().unwrap(), 0.025);
        same(u, ours, number(reference), CLOSED);
    }
    for row in rows(&group["t_scale"]) {
        same(
            "on t",
            sequential::critical_t(row[0], row[1]),
            row[2],
            CLOSED,
        );
    }
}

#[test]
fn the_drift_check_agrees() {
    // Eight prompts in five rounds, in the order of time.
    let group = &VECTORS["cusum"];
    let prompts = rows(&group["log_values_prompt_by_rep"]);
    let in_time_order: Vec<(usize, f64)> = (0..prompts[0].len())
        .flat_map(|round| {
            prompts
                .iter()
                .enumerate()
                .map(move |(i, values)| (i, values[round]))
        })
        .collect();
    let found = drift::check(&in_time_order).unwrap();
    agrees(group, "statistic", found.statistic);
    agrees(group, "alarm_above", drift::WARN_ABOVE);
}

#[test]
fn the_prediction_from_history_agrees() {
    // Today against four runs, and against the first of them alone.
    let group = &VECTORS["history"];
    let past = Levels::new(rows(&group["past_prompt_levels_log"])).unwrap();
    let today = Levels::new(vec![numbers(&group["today_prompt_levels_log"])]).unwrap();
    let prior = Prior {
        sd: number(&group["prior_sd"]),
        runs: number(&group["nu0"]),
    };
    for (name, runs) in [("K=4", 4), ("K=1", 1)] {
        let reference = &group[name];
        let found = history::predict(&past.slice(0, runs).unwrap(), &today, prior).unwrap();
        agrees(reference, "estimate", found.estimate);
        agrees(reference, "df", found.df);
        ends_agree(reference, "ci95_log", found.interval(ALPHA));
    }
    let level = &group["hl1"];
    let ours = hodges_lehmann::level(&numbers(&level["x"])).unwrap();
    agrees(level, "pseudomedian", ours);
    let floor = &VECTORS["planning"]["baseline_floor"];
    for row in rows(&floor["rows"]) {
        same(
            "floor",
            history::smallest_shift(row[0], 1.0, row[1], ALPHA).exp_m1(),
            row[2],
            CLOSED,
        );
    }
}

#[test]
fn costs_agree() {
    // Mean cost with its skewed interval, weighted, as a ratio, and the factor for estimates.
    let group = &VECTORS["budget"];
    let costs = numbers(&group["prompt_mean_cost"]);
    let found = cost::mean_cost(&costs, &Weights::equal(costs.len())).unwrap();
    agrees(group, "mean", found.mean.estimate);
    agrees(group, "skewness_biased", found.skewness);
    ends_agree(group, "skew_log_t_ci95", found.interval(ALPHA));
    let upper = found.upper_limit(0.05).unwrap();
    agrees(group, "skew_log_t_upper95_one_sided", upper);
    ends_agree(group, "t_ci95", found.mean.interval(ALPHA));

    let weighted = &group["weighted"];
    let weights = Weights::new(&numbers(&weighted["weights"])).unwrap();
    let mean = cost::mean_cost(&costs, &weights).unwrap().mean;
    agrees(weighted, "mean", mean.estimate);
    agrees(weighted, "se", mean.standard_error.unwrap());
    agrees(weighted, "n_eff", mean.effective_count());

    let fieller = &group["fieller"];
    let (a, b) = (numbers(&fieller["a"]), numbers(&fieller["b"]));
    let pairs: Vec<_> = a.into_iter().zip(b).collect();
    let found = cost::ratio(&pairs, &Weights::equal(pairs.len()), ALPHA).unwrap();
    agrees(fieller, "ratio", found.estimate.unwrap());
    ends_agree(fieller, "ci95", found.interval);

    let conformal = &group["conformal"];
    let past = numbers(&conformal["actual_over_estimate"]);
    let level = number(&conformal["level"]);
    let factor = cost::conformal_factor(&past, level).unwrap();
    agrees(conformal, "factor", factor);
    assert_eq!(cost::conformal_factor(&past[..8], level), None);
}

#[test]
fn plans_agree() {
    // How many repetitions, and where no number of them is enough.
    for row in VECTORS["planning"]["rows"].as_array().unwrap() {
        let prompts = row[0].as_u64().unwrap();
        let [change, tolerance, within, between] = [1, 2, 3, 4].map(|column| number(&row[column]));
        let aim = DetectionGoal {
            change,
            tolerance,
            alpha: ALPHA,
            power: 0.8,
        };
        let noise = Noise { within, between };
        assert_eq!(aim.repetitions(prompts, noise), row[5].as_u64(), "{row}");
    }
}
