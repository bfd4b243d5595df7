//! The recommendation on each candidate as one sentence, the same in every format.
//!
//! Owns the words of advice and of each verdict behind it. Must not know how advice is given nor how a sentence
//! is rendered. Invariant: a word of direction ("lower", "costs less") stands only where the verdict is *better*
//! or *worse*; numbers are those of the verdicts.

use std::collections::BTreeMap;

use crate::suite::Metric;
use crate::units::plural;
use crate::verdict::{
    Advice, Comparison, Recommendation, RecommendationComponent, RequiredSize, UnansweredSide,
    VariantSummary, Verdict,
};

use super::figure::FigureCell;
use super::wording;

/// A recommendation in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecommendationText {
    /// Label of the candidate.
    pub candidate: String,
    /// Label of the reference.
    pub reference: String,
    /// The candidate's label without its creator, where that is unique in the run.
    pub name: String,
    /// The advice.
    pub advice: Advice,
    /// The verdicts behind it: stored words of metric and verdict.
    pub components: Vec<(&'static str, &'static str)>,
    /// The sentence without the candidate's name, from the longest form to the shortest.
    forms: [String; 3],
}

/// The numbers that a form of the sentence contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbers {
    /// Every effect, with its interval.
    Intervals,
    /// Every effect.
    Effects,
    /// The effects that are better or worse.
    DecidedEffects,
}

/// The mark of an advice; colour repeats it.
pub(super) const fn symbol(advice: Advice) -> char {
    match advice {
        Advice::Switch => '+',
        Advice::TradeOff | Advice::Undecided => '~',
        Advice::KeepReference => '-',
        Advice::NoResult => 'x',
    }
}

/// The advice in words.
pub(super) const fn advice_words(advice: Advice) -> &'static str {
    match advice {
        Advice::Switch => "switch",
        Advice::TradeOff => "trade-off",
        Advice::Undecided => "undecided",
        Advice::KeepReference => "keep reference",
        Advice::NoResult => "no result",
    }
}

/// The words for *better*, *worse* and the metric itself.
#[rustfmt::skip] // A table reads as a table.
pub(super) const fn metric_words(metric: Metric) -> [&'static str; 3] {
    match metric {
        Metric::Ttft => ["lower TTFT", "higher TTFT", "TTFT"],
        Metric::Ttfa => ["lower TTFA", "higher TTFA", "TTFA"],
        Metric::ExperiencedTtft =>
            ["lower experienced TTFT", "higher experienced TTFT", "experienced TTFT"],
        Metric::Latency => ["lower latency", "higher latency", "latency"],
        Metric::TtftTail => ["fewer late first tokens", "more late first tokens", "TTFT tail"],
        Metric::InterTokenLatency =>
            ["lower inter-token latency", "higher inter-token latency", "inter-token latency"],
        Metric::OutputRate => ["higher tok/s", "lower tok/s", "tok/s"],
        Metric::OutputTokens => ["fewer output tokens", "more output tokens", "output tokens"],
        Metric::Cost => ["costs less", "costs more", "cost"],
        Metric::Completed => ["completes more", "completes fewer", "completed share"],
        Metric::PassRate => ["higher pass rate", "lower pass rate", "pass rate"],
    }
}

impl RecommendationText {
    fn new(recommendation: &Recommendation, names: &ShortNames) -> Self {
        let components = sorted(&recommendation.components);
        let form = |numbers: Numbers| {
            let reasons = if let Some(side) = recommendation.unanswered {
                unanswered_text(side)
            } else {
                let parts = components.iter().map(|one| phrase(one, numbers));
                parts.collect::<Vec<String>>().join(", ")
            };
            format!("{reasons}: {}", advice_words(recommendation.advice))
        };
        let interleaved = crate::verdict::ComparisonDesign::Interleaved;
        let stored = recommendation.components.iter();
        Self {
            candidate: recommendation.candidate.clone(),
            reference: recommendation.reference.clone(),
            name: names.of(&recommendation.candidate),
            advice: recommendation.advice,
            components: stored
                .map(|one| (one.metric.word(), one.verdict.word(interleaved)))
                .collect(),
            forms: [
                form(Numbers::Intervals),
                form(Numbers::Effects),
                form(Numbers::DecidedEffects),
            ],
        }
    }

    /// The sentence for documents: every effect, without intervals.
    pub fn sentence(&self) -> &str {
        &self.forms[1]
    }

    /// The sentence for a test report or a program: the mark, the candidate, the sentence.
    pub fn line(&self) -> String {
        format!(
            "{} {}: {}",
            symbol(self.advice),
            self.candidate,
            self.sentence()
        )
    }

    /// The advice first, as a table's cell shows it: `+ switch: costs less (0.19x)`.
    pub(super) fn cell(&self) -> String {
        let (symbol, advice) = (symbol(self.advice), advice_words(self.advice));
        let verdicts = self.sentence().rsplit_once(": ");
        format!(
            "{symbol} {advice}: {}",
            verdicts.map_or("", |(first, _)| first)
        )
    }

    /// The forms of the sentence, from the longest to the shortest.
    pub(super) fn forms(&self) -> &[String; 3] {
        &self.forms
    }
}

/// The recommendations of a run in words.
pub(super) fn recommendation_texts(
    recommendations: &[Recommendation],
    names: &ShortNames,
) -> Vec<RecommendationText> {
    let texts = recommendations.iter();
    texts
        .map(|one| RecommendationText::new(one, names))
        .collect()
}

/// `answered none of 20 requests`, of the candidate that the sentence is about or of the reference.
fn unanswered_text(side: UnansweredSide) -> String {
    let who = if side.is_reference {
        "the reference "
    } else {
        ""
    };
    match side.requests {
        0 => format!("{who}has no request that ended"),
        requests => format!("{who}answered none of {}", plural(requests, "request")),
    }
}

/// The answer to "should we switch?" as a headline: the candidates of the best advice that any has.
pub(super) fn headline(texts: &[RecommendationText]) -> Option<String> {
    let reference = &texts.first()?.reference;
    let named = |advice: Advice| {
        let names = texts.iter().filter(|text| text.advice == advice);
        let names: Vec<&str> = names.map(|text| text.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    Some(if let Some(names) = named(Advice::Switch) {
        format!("switch to {names}")
    } else if let Some(names) = named(Advice::TradeOff) {
        format!("trade-off with {names}")
    } else if let Some(names) = named(Advice::Undecided) {
        format!("undecided on {names}")
    } else if named(Advice::KeepReference).is_some() {
        format!("keep {reference}")
    } else {
        "no result".to_owned()
    })
}

/// The components that the sentence names, decided ones first, cost before speed. Completion is named where it
/// is better or worse, or blocks a switch.
fn sorted(components: &[RecommendationComponent]) -> Vec<RecommendationComponent> {
    let decided = |one: &RecommendationComponent| {
        matches!(one.verdict, Verdict::Improved | Verdict::Regressed)
    };
    let named = |one: &&RecommendationComponent| {
        one.metric != Metric::Completed || decided(one) || one.blocks() || components.len() == 1
    };
    let mut named: Vec<RecommendationComponent> =
        components.iter().filter(named).copied().collect();
    named.sort_by_key(|one| (!decided(one), one.metric != Metric::Cost));
    named
}

/// `costs less (0.19x)`, `TTFA not worse (0.98x)`, `TTFA inconclusive`.
fn phrase(component: &RecommendationComponent, numbers: Numbers) -> String {
    let [better, worse, name] = metric_words(component.metric);
    let (words, decided) = match component.verdict {
        Verdict::Improved => (better.to_owned(), true),
        Verdict::Regressed => (worse.to_owned(), true),
        Verdict::Ok => (format!("{name} not worse"), false),
        Verdict::Inconclusive => (format!("{name} inconclusive"), false),
    };
    let Some(effect) = component
        .effect
        .filter(|_| decided || numbers != Numbers::DecidedEffects)
    else {
        return words;
    };
    let cell = wording::effect_cell(component.metric.scale(), &effect);
    format!(
        "{words} ({})",
        effect_text(&cell, numbers == Numbers::Intervals)
    )
}

/// `0.19x`, or `0.19x, 0.16–0.22` with its interval.
pub(super) fn effect_text(cell: &FigureCell, with_interval: bool) -> String {
    let figure = cell.figure.shown();
    let ends = cell.interval.as_deref().filter(|_| with_interval);
    match ends.and_then(|(lower, upper)| cell.figure.shown_ends(lower, upper)) {
        Some(ends) => format!("{figure}, {ends}"),
        None => figure,
    }
}

/// Lists the inconclusive verdicts that may speak against a switch, by metric, with the largest sample size that one of
/// them needs: `TTFA of a, b (needs about 54 prompts x 4), cost of all 4`.
pub(super) fn inconclusive(
    recommendations: &[Recommendation],
    names: &ShortNames,
) -> Option<String> {
    // More prompts do not help where nothing is answered.
    let answered = recommendations
        .iter()
        .filter(|one| one.unanswered.is_none());
    let answered: Vec<&Recommendation> = answered.collect();
    let mut by_metric: BTreeMap<Metric, (Vec<String>, Option<RequiredSize>)> = BTreeMap::new();
    for one in &answered {
        let components = one.components.iter();
        for component in components.filter(|one| one.blocks()) {
            let (candidates, largest) = by_metric.entry(component.metric).or_default();
            candidates.push(names.of(&one.candidate));
            let requests = |size: &RequiredSize| size.prompts.saturating_mul(size.repetitions);
            *largest = (*largest)
                .into_iter()
                .chain(component.required_size)
                .max_by_key(requests);
        }
    }
    let all = answered.len();
    let parts = by_metric.iter().map(|(metric, (candidates, size))| {
        let [_, _, name] = metric_words(*metric);
        let candidates = if candidates.len() == all && all > 2 {
            format!("all {all}")
        } else {
            candidates.join(", ")
        };
        let needed = size.map_or_else(String::new, |size| {
            format!(
                " (needs about {} prompts x {})",
                size.prompts, size.repetitions
            )
        });
        (name, format!("{candidates}{needed}"))
    });
    // Metrics of the same candidates and size are named together.
    let mut groups: Vec<(Vec<&str>, String)> = Vec::new();
    for (name, rest) in parts {
        match groups.iter_mut().find(|(_, same)| *same == rest) {
            Some((names, _)) => names.push(name),
            None => groups.push((vec![name], rest)),
        }
    }
    let groups = groups
        .iter()
        .map(|(names, rest)| format!("{} of {rest}", names.join(", ")));
    let groups: Vec<String> = groups.collect();
    (!groups.is_empty()).then(|| format!("Inconclusive: {}.", groups.join(", ")))
}

/// Names the effects that the medians beside them contradict, because effects are by prompt: a reader would take one of the
/// two for an error. `Prompt by prompt, TTFT is 0.96x for a, although p50 over all answers is higher.`
pub(super) fn contradictions<'a>(
    comparisons: impl IntoIterator<Item = &'a Comparison>,
    variants: &[VariantSummary],
    names: &ShortNames,
) -> Vec<String> {
    let mut candidates: BTreeMap<(Metric, bool), Vec<String>> = BTreeMap::new();
    for comparison in comparisons {
        let mut labelled = variants.iter();
        let variant = labelled.find(|variant| variant.label == comparison.candidate);
        let medians = variant.and_then(|variant| variant.ratios.contradiction(comparison));
        if let (Some(medians), Some(effect)) = (medians, &comparison.effect) {
            let cell = wording::effect_cell(comparison.metric.scale(), effect);
            let name = names.of(&comparison.candidate);
            let same = candidates.entry((comparison.metric, medians > 1.0));
            same.or_default()
                .push(format!("{} for {name}", effect_text(&cell, false)));
        }
    }
    let sentences = candidates.iter().map(|((metric, is_higher), candidates)| {
        let [_, _, name] = metric_words(*metric);
        let word = if *is_higher { "higher" } else { "lower" };
        format!(
            "Prompt by prompt, {name} is {}, although p50 over all answers is {word}.",
            candidates.join(", ")
        )
    });
    sentences.collect()
}

/// The labels of a run without their creators, where these names are unique.
#[derive(Debug, Clone, Default)]
pub(super) struct ShortNames(BTreeMap<String, String>);

impl ShortNames {
    /// The short names of these labels.
    pub(super) fn new<'a>(labels: impl IntoIterator<Item = &'a str>) -> Self {
        let labels: Vec<&str> = labels.into_iter().collect();
        let short = |label: &str| label.rsplit('/').next().unwrap_or_default().to_owned();
        let unique = |name: &str| labels.iter().filter(|label| short(label) == name).count() == 1;
        let names = labels.iter().map(|label| {
            let name = Some(short(label)).filter(|name| !name.is_empty() && unique(name));
            (
                (*label).to_owned(),
                name.unwrap_or_else(|| (*label).to_owned()),
            )
        });
        Self(names.collect())
    }

    /// The short name of a label; an unknown label itself.
    pub(super) fn of(&self, label: &str) -> String {
        self.0.get(label).map_or(label, String::as_str).to_owned()
    }
}
