//! The finding: what the figures mean, in two or three plain sentences.
//!
//! Owns which variants may be ranked and the reasons to exclude others. Must not know how the text is
//! rendered. Invariant: every number in it is a figure of the comparison table, with its n; it claims no
//! difference to be real, which is for verdicts to decide.

use crate::record::Flag;
use crate::stats::quantile::Percentile;
use crate::units::Usd;
use crate::verdict::{Distribution, Estimate, RunSummary, VariantSummary};

use super::columns::streams_reasoning;
use super::figure::{Figure, FigureCell};

/// Highest share of failed trials, in percent, with which a variant is ranked by its times: the failed
/// trials might have been the slow ones.
const MAX_FAILED_PERCENT: u64 = 10;
/// Highest share, in percent, of answers that another provider or model gave.
const MAX_FALLBACK_PERCENT: u64 = 10;

/// The metric that variants are ranked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RankingMetric {
    /// Time to first token.
    Ttft,
    /// Time to the first token of the answer: if some variants stream their reasoning and others do not,
    /// their first tokens are different things.
    Ttfa,
    /// Time to the end of the answer: without streaming there is no first token.
    Latency,
}

impl RankingMetric {
    /// Selects the metric that fits all variants of the run.
    pub(super) fn from_summary(summary: &RunSummary) -> Self {
        let answered = |variant: &&VariantSummary| variant.figures.counts.answered > 0;
        let mut reasoning = summary
            .variants
            .iter()
            .filter(answered)
            .map(streams_reasoning);
        let first = reasoning.next();
        let streamed = summary.variants.iter().any(|v| v.figures.ttft_ns.is_some());
        match first {
            _ if !streamed => Self::Latency,
            Some(first) if reasoning.any(|other| other != first) => Self::Ttfa,
            _ => Self::Ttft,
        }
    }

    /// The name of the metric in a sentence.
    const fn word(self) -> &'static str {
        match self {
            Self::Ttft => "TTFT",
            Self::Ttfa => "TTFA (time to the first token of the answer)",
            Self::Latency => "latency",
        }
    }

    fn distribution(self, variant: &VariantSummary) -> Option<&Distribution> {
        match self {
            Self::Ttft => variant.figures.ttft_ns.as_ref(),
            Self::Ttfa => variant.figures.ttfa_ns.as_ref(),
            Self::Latency => variant.figures.latency_ns.as_ref(),
        }
    }
}

/// A variant that may be ranked, with its median.
struct RankedVariant<'a> {
    variant: &'a VariantSummary,
    median: Estimate,
}

impl RankedVariant<'_> {
    /// `312 ms (288–340, n 32)`.
    fn median(&self) -> String {
        let cell = FigureCell::bounded(Some(self.median), Figure::from_ns);
        let shown = cell.shown(true);
        format!("{}, n {})", shown.trim_end_matches(')'), self.median.n)
    }
}

/// Returns the sentences of the finding.
pub(super) fn finding(summary: &RunSummary) -> Vec<String> {
    let metric = RankingMetric::from_summary(summary);
    let mut ranked: Vec<RankedVariant<'_>> = Vec::new();
    let mut excluded: Vec<String> = Vec::new();
    for variant in &summary.variants {
        match rank(variant, metric) {
            Ok(rank) => ranked.push(rank),
            Err(reason) => excluded.push(format!("{} ({reason})", variant.label)),
        }
    }
    ranked.sort_by(|a, b| a.median.value.total_cmp(&b.median.value));
    let mut sentences: Vec<String> = speed_sentence(&ranked, metric).into_iter().collect();
    sentences.extend(cost_sentence(&ranked));
    if ranked.is_empty() {
        sentences.push("No finding: no variant has answers enough to be ranked.".to_owned());
    }
    if !excluded.is_empty() {
        sentences.push(format!("Not ranked: {}.", excluded.join(", ")));
    }
    sentences
}

/// Returns the variant with its median, or the reason why it is not ranked.
fn rank(variant: &VariantSummary, metric: RankingMetric) -> Result<RankedVariant<'_>, String> {
    let counts = &variant.figures.counts;
    let fallbacks = counts.flag(Flag::Fallback) + variant.unreported_fallbacks();
    if counts.done == 0 {
        return Err("no samples".to_owned());
    }
    if counts.failed() * 100 > counts.done * MAX_FAILED_PERCENT {
        return Err(format!(
            "{} of {} trials failed",
            counts.failed(),
            counts.done
        ));
    }
    if fallbacks * 100 > counts.done * MAX_FALLBACK_PERCENT {
        let done = counts.done;
        return Err(format!("{fallbacks} of {done} trials took a fallback"));
    }
    let distribution = metric.distribution(variant);
    let median = distribution.and_then(|all| all.percentile(Percentile::P50));
    match median {
        Some(median) if median.bounded => Ok(RankedVariant { variant, median }),
        _ => {
            let n = distribution.map_or(0, |all| all.n);
            let min_n = Percentile::P50.fewest_for_bounds();
            Err(format!("usable times: {n}, a median needs {min_n}"))
        }
    }
}

fn speed_sentence(ranked: &[RankedVariant<'_>], metric: RankingMetric) -> Option<String> {
    let [first, others @ ..] = ranked else {
        return None;
    };
    let name = &first.variant.label;
    let word = metric.word();
    let median = first.median();
    let reference = others.iter().find(|other| other.variant.is_reference);
    Some(match (reference, others.first()) {
        (Some(reference), _) => format!(
            "{name} was the fastest at the median: {word} p50 {median} against {} for the reference \
             {}.",
            reference.median(),
            reference.variant.label,
        ),
        (None, Some(second)) if first.variant.is_reference => format!(
            "No candidate was faster than the reference {name} at the median: {word} p50 {median}; next \
             came {} with {}.",
            second.variant.label,
            second.median(),
        ),
        (None, Some(second)) => format!(
            "{name} was the fastest at the median: {word} p50 {median}; next came {} with {}. The \
             reference could not be ranked.",
            second.variant.label,
            second.median(),
        ),
        (None, None) => format!("Only {name} could be ranked: {word} p50 {median}."),
    })
}

/// Names the variant with the lowest cost, and the cost of the fastest if that is another.
fn cost_sentence(ranked: &[RankedVariant<'_>]) -> Option<String> {
    let fastest = ranked.first()?.variant;
    let prices = ranked.iter().filter_map(|side| {
        let total = side.variant.figures.ranked_cost();
        total.mean().map(|mean| (side.variant, mean, total.n))
    });
    let prices: Vec<(&VariantSummary, Usd, u64)> = prices.collect();
    let &(cheapest, mean, n) = prices.iter().min_by_key(|(_, mean, _)| *mean)?;
    let amount = Figure::Money(mean).shown();
    let name = &cheapest.label;
    let listed = |side: &RankedVariant<'_>| side.variant.figures.money.list.n > 0;
    let by = if ranked.iter().all(listed) {
        "At list price"
    } else {
        "At list price, or the gateway's where none is listed,"
    };
    if prices.len() == 1 {
        return Some(format!("{by} {name} costs {amount} a request (n {n})."));
    }
    if prices.iter().all(|(_, other, _)| *other == mean) {
        return Some(format!("{by} all cost the same: {amount} a request."));
    }
    let role = if cheapest.is_reference {
        "the reference "
    } else {
        ""
    };
    let mut sentence = format!("{by} {role}{name} is the cheapest: {amount} a request (n {n})");
    // The reference's price is the baseline of a switch; the fastest variant's price is the cost of speed.
    let mut labels = vec![name];
    let comparisons = [
        prices.iter().find(|(v, ..)| v.is_reference),
        prices.iter().find(|(v, ..)| v.label == fastest.label),
    ];
    for &(variant, mean, n) in comparisons.into_iter().flatten() {
        if !labels.contains(&&variant.label) {
            labels.push(&variant.label);
            let amount = Figure::Money(mean).shown();
            sentence = format!("{sentence}; {} costs {amount} (n {n})", variant.label);
        }
    }
    sentence.push('.');
    Some(sentence)
}
