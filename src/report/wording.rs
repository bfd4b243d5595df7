//! Verdicts as plain sentences.
//!
//! Owns the sentences: the words for each direction of each metric, and the reasons for a verdict. Must not
//! know tables nor formats. Invariant: words follow the meaning of a change (higher latency, higher cost),
//! never the sign of a number; every number is rounded as the tables round it.

use crate::stats::{MIN_PROMPTS, POWER};
use crate::suite::{Bounds, Direction, Metric, Scale};
use crate::units::{Nanos, plural};
use crate::verdict::{
    Comparison, ComparisonDesign, Effect, LimitStatus, MAX_DROPPED_SHARE, MAX_FAILED_SHARE,
    Procedure, Reason, SampleSize, SharedShift, SizeGoal, Verdict, reaches_margin,
};

use super::figure::{Figure, FigureCell, Probability, Thousandths, share};

/// The words for a metric.
struct Words {
    /// Its name in a table.
    name: &'static str,
    /// The noun in `0.62x the TTFT`.
    noun: &'static str,
    better: &'static str,
    worse: &'static str,
    not_worse: &'static str,
}

#[rustfmt::skip] // A table reads as a table.
const fn words(metric: Metric) -> Words {
    let [name, noun, better, worse, not_worse] = match metric {
        Metric::Ttft => ["TTFT", "TTFT",
            "has a lower TTFT", "has a higher TTFT", "does not have a higher TTFT"],
        Metric::Ttfa => ["TTFA", "TTFA",
            "has a lower TTFA", "has a higher TTFA", "does not have a higher TTFA"],
        Metric::ExperiencedTtft => ["experienced TTFT", "experienced TTFT",
            "has a lower experienced TTFT", "has a higher experienced TTFT",
            "does not have a higher experienced TTFT"],
        Metric::Latency => ["latency", "latency",
            "has a lower latency", "has a higher latency", "does not have a higher latency"],
        Metric::TtftTail => ["TTFT tail", "share of late first tokens",
            "has fewer late first tokens", "has more late first tokens", "does not have more late first tokens"],
        Metric::InterTokenLatency => ["gap", "mean gap",
            "has a lower inter-token latency", "has a higher inter-token latency",
            "does not have a higher inter-token latency"],
        Metric::OutputRate => ["tok/s", "output rate",
            "has a higher output rate", "has a lower output rate", "does not have a lower output rate"],
        Metric::OutputTokens => ["output tokens", "tokens",
            "has fewer output tokens", "has more output tokens", "does not have more output tokens"],
        Metric::Cost => ["cost", "cost", "costs less", "costs more", "does not cost more"],
        Metric::Completed => ["completed", "share of completed answers",
            "has a higher completed share", "has a lower completed share",
            "does not have a lower completed share"],
        Metric::PassRate => ["pass rate", "share of passed answers",
            "has a higher pass rate", "has a lower pass rate", "does not have a lower pass rate"],
    };
    Words { name, noun, better, worse, not_worse }
}

/// The name of a metric in a table.
pub(super) const fn metric_name(metric: Metric) -> &'static str {
    words(metric).name
}

/// The figure of an effect, by scale.
pub(super) fn effect_figure(scale: Scale) -> fn(f64) -> Figure {
    match scale {
        Scale::Ratio => |ratio| Figure::from_option(Some(ratio), Figure::Ratio),
        Scale::Points => Figure::from_points,
    }
}

/// The figure of a change by `change`, in either direction, by scale.
pub(super) fn change_figure(scale: Scale, change: f64) -> Figure {
    let figure = match scale {
        Scale::Ratio => Figure::Worsening,
        Scale::Points => Figure::WorseningPoints,
    };
    Figure::from_option(Some(change), figure)
}

/// Formats a tolerance or margin: `20 %` or `5 points`.
pub(super) fn allowance(scale: Scale, share: f64) -> String {
    let percent = round(share * 100.0);
    match scale {
        Scale::Ratio => format!("{percent} %"),
        Scale::Points => format!("{percent} points"),
    }
}

/// Rounds to one decimal.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Formats a share as per cent: `98.3 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{} %", round(share * 100.0))
}

/// Formats a worsening: `+28 %`.
pub(super) fn worsening(change: f64) -> String {
    format!("+{}", rough_percent(change))
}

/// Formats a share in whole per cent, below ten with one decimal.
pub(super) fn rough_percent(share: f64) -> String {
    let number = share * 100.0;
    // 5 % is 5 %, and 99.96 % of runs is not all of them.
    let tenths = (number * 10.0).round() / 10.0;
    if share > 0.0 && tenths < 0.05 {
        return format!("{} %", (number * 1e6).round() / 1e6);
    }
    if tenths < 10.0 && (tenths.fract()).abs() > 0.05 {
        format!("{tenths:.1} %")
    } else {
        format!("{number:.0} %")
    }
}

/// The number of comparisons among which an error rate is shared, in words.
pub(super) fn comparisons_words(comparisons: u64) -> String {
    match comparisons {
        0 | 1 => "one comparison".to_owned(),
        many => format!("{many} comparisons share the error rate"),
    }
}

/// The printed level of confidence, at most 99.9 %: the levels of early looks would round to 100 %.
pub(super) fn printed_level(level: f64) -> f64 {
    const HIGHEST: f64 = 0.999;
    if level < 1.0 {
        level.min(HIGHEST)
    } else {
        level
    }
}

/// The meaning of a verdict for this metric, in a few words.
pub(super) fn meaning(comparison: &Comparison) -> String {
    let words = words(comparison.metric);
    let floored = comparison
        .reasons
        .iter()
        .any(|reason| matches!(reason, Reason::BelowFloor { .. }));
    match comparison.verdict {
        Verdict::Improved => words.better.to_owned(),
        Verdict::Regressed => words.worse.to_owned(),
        Verdict::Ok if floored => format!("{} by an amount that counts", words.not_worse),
        Verdict::Ok => {
            let Bounds { margin, .. } = comparison.bounds;
            let by = allowance(comparison.metric.scale(), margin);
            format!("{} by more than {by}", words.not_worse)
        }
        Verdict::Inconclusive => "inconclusive".to_owned(),
    }
}

/// A comparison as one sentence, without its reasons.
pub(super) fn sentence(design: ComparisonDesign, comparison: &Comparison) -> String {
    let words = words(comparison.metric);
    let candidate = &comparison.candidate;
    let claim = if comparison.verdict == Verdict::Inconclusive {
        format!("Whether {candidate} {} is inconclusive", words.worse)
    } else {
        let since = if design == ComparisonDesign::Interleaved {
            ""
        } else {
            " than before"
        };
        let meaning = meaning(comparison);
        match comparison.verdict {
            Verdict::Improved if design != ComparisonDesign::Interleaved => {
                format!("{candidate} has improved in {}", words.name)
            }
            Verdict::Regressed => format!("{candidate} {meaning}{since}"),
            _ => format!("{candidate} {meaning}"),
        }
    };
    let Some(effect) = &comparison.effect else {
        return format!("{claim}.");
    };
    let whose = if design == ComparisonDesign::Interleaved {
        format!("of {}", comparison.reference)
    } else if comparison.procedure == Procedure::Departure {
        "before, the shift of all models taken off".to_owned()
    } else {
        "before".to_owned()
    };
    let shown = effect_cell(comparison.metric.scale(), effect);
    let (what, estimate) = (words.noun, shown.figure.shown());
    let size = sample_size(design, &comparison.size);
    let interval = interval_text(&shown, effect.level);
    match comparison.metric.scale() {
        Scale::Ratio => format!("{claim}: {estimate} the {what} {whose}, {interval}, {size}."),
        Scale::Points => {
            format!("{claim}: {estimate} in the {what} against that {whose}, {interval}, {size}.")
        }
    }
}

/// A shared shift as one sentence.
pub(super) fn shared_shift(shift: &SharedShift) -> String {
    let words = words(shift.metric);
    let shown = effect_cell(shift.metric.scale(), &shift.effect);
    let interval = interval_text(&shown, shift.effect.level);
    let max = allowance(shift.metric.scale(), shift.max);
    let models = match shift.models.as_slice() {
        [model] => format!("{model} alone"),
        models => plural(models.len(), "model"),
    };
    let (name, estimate) = (words.noun, shown.figure.shown());
    let shift_text = format!("{estimate} the {name} before ({models}, {interval})");
    match shift.status {
        LimitStatus::Exceeded => format!(
            "Everything is {:.0} % {}: {shift_text}. It is the gateway or our network, and each model is judged by \
             its departure from it.",
            100.0 * (shift.effect.estimate - 1.0).abs(),
            shift_word(shift)
        ),
        LimitStatus::Within => format!("Shared shift: {shift_text}, not worse by more than {max}."),
        LimitStatus::Inconclusive => {
            format!("Shared shift: {shift_text}; worse by more than {max} is not excluded.")
        }
    }
}

/// The word for a shift in the direction of its estimate.
fn shift_word(shift: &SharedShift) -> &'static str {
    let rises = shift.effect.estimate > 1.0;
    let is_worse = match shift.metric.direction() {
        Direction::LowerIsBetter => rises,
        Direction::HigherIsBetter => !rises,
    };
    if is_worse { "slower" } else { "faster" }
}

/// The effect with its interval.
pub(super) fn effect_cell(scale: Scale, effect: &Effect) -> FigureCell {
    let figure = effect_figure(scale);
    FigureCell::within(figure(effect.estimate), effect.interval, figure)
}

/// Formats an interval: `98.3 % CI 0.55–0.70`.
fn interval_text(cell: &FigureCell, level: f64) -> String {
    let ends = cell.interval.as_deref();
    let ends = ends.and_then(|(lower, upper)| cell.figure.shown_ends(lower, upper));
    let ends = ends.unwrap_or_else(|| "without ends".to_owned());
    format!("{} CI {ends}", percent(printed_level(level)))
}

/// Formats the sample size: `20 prompts x 10`, or both counts if the sides differ.
fn sample_size(design: ComparisonDesign, size: &SampleSize) -> String {
    let SampleSize {
        prompts,
        reference,
        candidate,
        runs,
    } = *size;
    let even = prompts > 0 && candidate % prompts == 0;
    if design != ComparisonDesign::Interleaved {
        let runs = plural(runs, "past run");
        format!("{prompts} prompts, {candidate} values, {runs}")
    } else if candidate == reference && even {
        format!("{prompts} prompts x {}", candidate / prompts)
    } else {
        format!("{prompts} prompts, {candidate} against {reference} values")
    }
}

/// The detectable change and the sample size needed, for an inconclusive verdict.
pub(super) fn power(comparison: &Comparison) -> Option<String> {
    if comparison.verdict != Verdict::Inconclusive {
        return None;
    }
    let scale = comparison.metric.scale();
    let bounds = comparison.bounds;
    let mut parts = Vec::new();
    let change = worsening_noun(comparison.metric);
    if let Some(detectable) = comparison.detectable_change {
        let detectable = change_figure(scale, detectable).shown();
        parts.push(format!(
            "This run could detect a {change} of {detectable} or more ({} power).",
            percent(POWER)
        ));
    }
    if let Some(needed) = comparison.required_size {
        let margin = allowance(scale, bounds.margin);
        let (prompts, repetitions) = (needed.prompts, needed.repetitions);
        parts.push(match needed.goal {
            SizeGoal::Detect => format!(
                "To detect a {change} of {margin} it needs about {prompts} prompts x {repetitions} repetitions."
            ),
            SizeGoal::Bound => format!(
                "To exclude a {change} of {margin} it needs about {prompts} prompts x {repetitions} repetitions, \
                 if all answers stay as alike as these."
            ),
        });
    }
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// The noun for a worsening of the metric.
const fn worsening_noun(metric: Metric) -> &'static str {
    match metric {
        Metric::Ttft
        | Metric::Ttfa
        | Metric::ExperiencedTtft
        | Metric::Latency
        | Metric::InterTokenLatency
        | Metric::OutputRate => "slowdown",
        Metric::Cost => "cost increase",
        Metric::OutputTokens => "rise",
        Metric::TtftTail => "rise of late first tokens",
        Metric::Completed | Metric::PassRate => "drop",
    }
}

/// Names the prompt that decides, if there is one.
pub(super) fn influence(design: ComparisonDesign, comparison: &Comparison) -> Option<String> {
    let influence = comparison
        .influence
        .as_ref()
        .filter(|one| one.is_decisive)?;
    Some(format!(
        "One prompt decides: without `{}` it would be {}.",
        influence.prompt,
        influence.verdict_without.printed_word(design)
    ))
}

/// Explains an *ok* whose interval does not exclude the margin: the interval is corrected for all primary comparisons together,
/// the test of the margin is not.
pub(super) fn wide_interval_remark(comparison: &Comparison) -> Option<String> {
    let (effect, tests) = (comparison.effect.as_ref()?, comparison.tests.as_ref()?);
    let stands_alone = !comparison.primary || comparison.verdict != Verdict::Ok;
    if stands_alone || !reaches_margin(comparison) {
        return None;
    }
    let p = Probability::new(tests.within_margin)?;
    Some(format!(
        "The interval is at {}, the level that all primary comparisons share, and does not exclude the margin. That it is not \
         worse by more than the margin was tested by itself (p {}).",
        percent(printed_level(effect.level)),
        Figure::Probability(p).shown()
    ))
}

/// The word that CSV and JSON store for a reason.
pub(super) const fn reason_word(reason: &Reason) -> &'static str {
    match reason {
        Reason::TooWide => "too_wide",
        Reason::TooFewPrompts { .. } => "too_few_prompts",
        Reason::PromptsDropped { .. } => "prompts_dropped",
        Reason::TooManyErrors { .. } => "errors",
        Reason::NotMeasured => "not_measured",
        Reason::ReasoningDiffers => "reasoning_differs",
        Reason::Excluded { .. } => "excluded",
        Reason::CacheHitsDiffer { .. } => "cache_hits_differ",
        Reason::RetriesDiffer { .. } => "retries_differ",
        Reason::BelowFloor { .. } => "below_floor",
        Reason::Drift => "drift",
        Reason::RouteShift { .. } => "route_shift",
        Reason::Unconfirmed => "unconfirmed",
        Reason::NotSeparable => "not_separable",
        Reason::NoHistory => "no_baseline",
        Reason::Incomparable(_) => "incomparable",
        Reason::NoTailInHistory => "no_tail_in_history",
        Reason::LevelMoved { .. } => "baseline_moved",
        Reason::DecidedEarlier { .. } => "decided_earlier",
    }
}

/// A reason as one sentence.
pub(super) fn reason(design: ComparisonDesign, comparison: &Comparison, reason: &Reason) -> String {
    let metric = comparison.metric;
    let shares = |reference: f64, candidate: f64| {
        let (now, then) = (share(candidate).shown(), share(reference).shown());
        match design {
            ComparisonDesign::Interleaved => {
                format!("{now} of the candidate's, {then} of the reference's")
            }
            ComparisonDesign::TwoRuns | ComparisonDesign::History => {
                format!("{now} now, {then} before")
            }
        }
    };
    match reason {
        // Shares of the past are pooled: more requests do narrow them.
        Reason::TooWide
            if design == ComparisonDesign::Interleaved || metric.scale() == Scale::Points =>
        {
            "The interval is too wide: add prompts or repetitions.".to_owned()
        }
        Reason::TooWide => {
            "The interval is too wide: add past runs, or another run; more requests in one run do not help."
                .to_owned()
        }
        Reason::TooFewPrompts { usable } => format!(
            "Prompts with values on both sides: {usable}; a verdict needs {MIN_PROMPTS}."
        ),
        Reason::PromptsDropped { dropped } => format!(
            "Prompts without a value on one side: {dropped}, more than {:.0} % of all.",
            100.0 * MAX_DROPPED_SHARE
        ),
        Reason::TooManyErrors { share: failed } => format!(
            "{} of the requests of one side failed or ran into a deadline (more than {:.0} %): its times \
             cannot be compared.",
            share(*failed).shown(),
            100.0 * MAX_FAILED_SHARE
        ),
        Reason::NotMeasured => "There are no values of it on both sides.".to_owned(),
        Reason::ReasoningDiffers => {
            "One side shows its reasoning and the other does not, so their first tokens are not comparable: TTFA, the time to the first token of the answer, is judged instead."
                .to_owned()
        }
        Reason::Excluded { reference, candidate } => format!(
            "Excluded samples (buffered, cold, client-limited) change the verdict, or their shares differ: \
             {}.",
            shares(*reference, *candidate)
        ),
        Reason::CacheHitsDiffer { reference, candidate, split } => format!(
            "Answers that hit the prompt cache differ in share ({}): {}.",
            shares(*reference, *candidate),
            cache_hits_clause(design, metric, *split)
        ),
        Reason::RetriesDiffer { reference, candidate } => format!(
            "Retried trials differ in share ({}): the experienced TTFT is judged, too.",
            shares(*reference, *candidate)
        ),
        Reason::BelowFloor { change_ns, floor_ns } => format!(
            "At the median over prompts it changed by {change_ns}, less than the floor of {floor_ns}."
        ),
        Reason::Drift => {
            "The level moved during the run, which cannot be distinguished from a change since the past.".to_owned()
        }
        Reason::RouteShift { provider, reference, candidate } => format!(
            "Providers differ in their share of the answers (`{provider}`: {}){}",
            shares(*reference, *candidate),
            routes_clause(design, comparison)
        ),
        Reason::Unconfirmed => {
            "This is the first flag: a second run, an hour or more later, decides.".to_owned()
        }
        Reason::NotSeparable => {
            "It moved apart from the other models by more than chance, but which of them moved is unknown: three \
             or more models, or the reference of the same run, would tell."
                .to_owned()
        }
        Reason::NoHistory => "No past run has a value of it.".to_owned(),
        Reason::Incomparable(incomparable) => incomparable.to_string(),
        Reason::NoTailInHistory => {
            "A history has baselines, not tails: compare variants of one run by tails.".to_owned()
        }
        Reason::LevelMoved { began, change, runs } => format!(
            "Since its level began on {}, accepted runs have moved it by {:+.1} % ({runs} runs).",
            began.strftime("%Y-%m-%d"),
            100.0 * change
        ),
        Reason::DecidedEarlier { round } => format!("Decided after round {round}."),
    }
}

/// The result within each provider that answered on both sides.
fn routes_clause(design: ComparisonDesign, comparison: &Comparison) -> String {
    let routes = comparison.routes.iter();
    let routes: Vec<String> = routes
        .map(|route| format!("`{}` {}", route.provider, route.verdict.word(design)))
        .collect();
    if routes.is_empty() {
        ", so this compares routes as well as models.".to_owned()
    } else {
        format!("; within one provider: {}.", routes.join(", "))
    }
}

/// Explains how hits and misses with different shares were compared.
fn cache_hits_clause(design: ComparisonDesign, metric: Metric, apart: bool) -> String {
    if metric == Metric::Cost {
        "the bill is compared as it is, savings by hits included".to_owned()
    } else if apart {
        "hits and misses were compared separately".to_owned()
    } else if design == ComparisonDesign::Interleaved {
        format!(
            "a comparison of hits and of misses needs {MIN_PROMPTS} prompts with hits on both sides, and as many with misses; the report has the times of both under *Prompt caches*"
        )
    } else {
        "levels mix hits and misses, and cannot be compared".to_owned()
    }
}

/// Everything remarks on a verdict, sentence by sentence.
pub(super) fn remarks(design: ComparisonDesign, comparison: &Comparison) -> Vec<String> {
    let reasons = comparison.reasons.iter();
    let mut remarks: Vec<String> = reasons.map(|one| reason(design, comparison, one)).collect();
    remarks.extend(wide_interval_remark(comparison));
    remarks.extend(power(comparison));
    remarks.extend(influence(design, comparison));
    remarks
}

/// The comparison design of a judgement, and its rationale.
pub(super) const fn question(design: ComparisonDesign) -> &'static str {
    match design {
        ComparisonDesign::Interleaved => {
            "Both sides of every comparison got the same prompts at the same moments, so drift and load affect both alike; the intervals cover chance, with prompts as the units."
        }
        ComparisonDesign::TwoRuns => {
            "One run before, one after: runs differ as wholes, and one past run says little about how \
             much, so intervals are wide."
        }
        ComparisonDesign::History => {
            "Today against the prediction from accepted runs: runs differ as wholes, and more requests in a run do not change that."
        }
    }
}

/// The method of a procedure, and its rationale.
pub(super) const fn procedure(procedure: Procedure) -> &'static str {
    match procedure {
        Procedure::AlignedRanks => {
            "ranks around each prompt's own median (clustered aligned ranks), robust to a few very slow answers; prompts are the units, because repetitions of one say little about others"
        }
        Procedure::RatioOfMeans => {
            "the ratio of mean costs over prompts (Fieller), because a bill is a sum and not a median"
        }
        Procedure::RateDifference => {
            "the difference of shares on each prompt, by Student's t over prompts (Newcombe's interval where \
             all prompts agree or have one answer a side)"
        }
        Procedure::UnpairedRates => "the difference of two independent shares (Newcombe)",
        Procedure::TailShares => {
            "the share of answers beyond the slowest tenth of both sides together, prompt by prompt (Student's t over prompts)"
        }
        Procedure::History => {
            "a prediction from earlier runs, which allows for how much runs differ"
        }
        Procedure::Departure => {
            "a prediction from earlier runs, of the departure from the mean of the other models in the same runs, so \
             that a shift of all of them is no model's"
        }
        Procedure::HistoryOfDifference => {
            "a prediction from earlier runs, of the difference from the control of the same moments"
        }
    }
}

/// Formats the tolerance of a metric: `TTFT 5 % / 20 % (floor 10.0 ms)`.
pub(super) fn tolerances(metric: Metric, bounds: Bounds) -> String {
    let scale = metric.scale();
    let floor = bounds.floor_ns;
    let floor = floor.map_or_else(String::new, |floor| format!(" (floor {floor})"));
    format!(
        "{} {} / {}{floor}",
        metric_name(metric),
        allowance(scale, bounds.tolerance),
        allowance(scale, bounds.margin)
    )
}

/// The figure of a floor.
pub(super) fn floor_figure(floor: Option<Nanos>) -> Figure {
    floor.map_or(Figure::Absent, |floor| {
        Thousandths::new(floor.as_millis_f64()).map_or(Figure::Absent, Figure::Millis)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_shown_with_the_figures_they_have() {
        // A tolerance of 2.5 % must not be shown as 3 %.
        for (share, shown) in [
            (0.05, "5 %"),
            (0.0, "0 %"),
            (0.0001, "0.01 %"),
            (0.025, "2.5 %"),
            (0.2, "20 %"),
            (0.284, "28 %"),
            (1.34, "134 %"),
        ] {
            assert_eq!(rough_percent(share), shown);
        }
    }
}
