//! The problems that change how a run is read, one short line each.
//!
//! Owns which conditions are worth a line next to the result, their order and their words. Must not know how a
//! line is rendered. Invariant: a condition that several variants share is one line; nothing is listed that is
//! not wrong (the details are in `problems.rs`).

use jiff::tz::TimeZone;

use crate::record::{FailureKind, Flag, Manifest};
use crate::suite::CacheMode;
use crate::units::plural;
use crate::verdict::{RunSummary, SampleCounts, TokenKind, VariantSummary};

use super::instrument;
use super::recommendations::ShortNames;

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// The problem, with its count.
    pub text: String,
    /// The remedy, or how to read the figures; left out where a line has no room for it.
    pub remedy: Option<&'static str>,
}

impl Alert {
    /// Creates an alert without a remedy.
    pub(super) fn new(text: String) -> Self {
        Self { text, remedy: None }
    }

    /// The alert with its remedy.
    pub fn line(&self) -> String {
        match self.remedy {
            Some(remedy) => format!("{}; {remedy}", self.text),
            None => self.text.clone(),
        }
    }
}

/// The alerts of a run, the gravest first.
pub(super) fn alerts(manifest: &Manifest, summary: &RunSummary, names: &ShortNames) -> Vec<Alert> {
    let run = RunCounts { summary, names };
    let mut alerts = Vec::new();
    alerts.extend(unreadable(summary));
    alerts.extend(retirements(manifest, names));
    alerts.extend(
        summary
            .variants
            .iter()
            .filter_map(|one| failures(one, names)),
    );
    alerts.extend(run.line(
        |one| one.figures.counts.flag(Flag::Fallback) + one.unreported_fallbacks(),
        |one| one.figures.counts.done,
        "answered by another provider or model",
        "pin it in provider_options",
    ));
    let answered = |one: &VariantSummary| one.figures.counts.answered;
    alerts.extend(run.line(
        |one| one.figures.counts.truncated,
        answered,
        "hit max_tokens",
        "raise it where whole answers matter",
    ));
    alerts.extend(run.flag(
        Flag::TruncatedInReasoning,
        "empty: reasoning used up max_tokens",
        if summary.variants.iter().any(is_mostly_empty) {
            "raise it; no TTFA where half or more are empty"
        } else {
            "raise it"
        },
    ));
    alerts.extend(excluded(summary));
    alerts.extend(run.line(
        |one| one.figures.counts.retried,
        |one| one.figures.counts.done,
        "took more than one attempt",
        "TTFT is of the last one",
    ));
    alerts.extend(run.line(
        unpriced,
        answered,
        "without a known cost",
        "declare prices in bakeoff.toml",
    ));
    alerts.extend(run.line(
        |one| {
            let money = &one.figures.money;
            money
                .list_and_billed
                .different
                .max(money.list_and_market.different)
        },
        |one| one.figures.counts.done,
        "with another price at the gateway than listed",
        "see report.md",
    ));
    for flag in [Flag::UsageImpossible, Flag::UsageAmbiguous] {
        alerts.extend(run.flag(
            flag,
            "with token counts that contradict each other",
            "no cost, no tok/s",
        ));
    }
    alerts.extend(caches(manifest, &run));
    alerts.extend(delayed(summary, names));
    let error = instrument::error_sentence(manifest, summary, |label| names.of(label));
    alerts.extend(error.map(|text| Alert {
        text,
        remedy: Some(instrument::REMEDY),
    }));
    alerts
}

/// Stored lines that could not be used. (Trials without a sample have the warning above the table.)
fn unreadable(summary: &RunSummary) -> Vec<Alert> {
    let mut alerts = Vec::new();
    let lost = summary.lost_lines + summary.unmatched_marks;
    if lost > 0 {
        let lines = plural(lost, "line");
        alerts.push(Alert::new(format!(
            "{lines} of samples.jsonl could not be used"
        )));
    }
    if summary.truncated_history_lines > 0 {
        let truncated_lines = plural(summary.truncated_history_lines, "line");
        alerts.push(Alert::new(format!(
            "{truncated_lines} of past.jsonl truncated: part of the past is missing"
        )));
    }
    alerts
}

/// The variants whose model had retired, or was about to, when the run began.
fn retirements(manifest: &Manifest, names: &ShortNames) -> Vec<Alert> {
    let began = manifest.started_at.to_zoned(TimeZone::UTC).date();
    let retiring = manifest.retirements.iter().filter_map(|one| {
        let mut variants = manifest.suite.variants.iter();
        let variant = variants.find(|variant| variant.model == one.model)?;
        let is_past = one.date <= began;
        let verb = if is_past { "retired" } else { "retires" };
        let (name, date, source) = (names.of(&variant.label), one.date, &one.source);
        Some(Alert {
            text: format!("{name} {verb} on {date} ({source})"),
            remedy: Some("replace it (`accept --successor-of`)"),
        })
    });
    retiring.collect()
}

/// The failures of a variant: its times are those of the requests that were answered.
fn failures(variant: &VariantSummary, names: &ShortNames) -> Option<Alert> {
    let counts = &variant.figures.counts;
    let failed = counts.failed();
    if failed == 0 {
        return None;
    }
    let kinds = FailureKind::ALL.into_iter();
    let kinds = kinds.filter(|&kind| counts.failure(kind) > 0);
    let kinds = kinds.map(|kind| format!("{} {}", counts.failure(kind), kind.word()));
    let kinds: Vec<String> = kinds.collect();
    // A request that timed out has no time in any figure.
    let biased = counts.failure(FailureKind::Timeout) > 0;
    Some(Alert {
        text: format!(
            "{}: {failed} of {} failed ({})",
            names.of(&variant.label),
            counts.done,
            kinds.join(", ")
        ),
        remedy: biased.then_some("its times look too good"),
    })
}

/// Answers that are excluded from times to a first token, by reason.
fn excluded(summary: &RunSummary) -> Option<Alert> {
    let sum = |count: &dyn Fn(&SampleCounts) -> u64| -> u64 {
        let variants = summary.variants.iter();
        variants.map(|one| count(&one.figures.counts)).sum()
    };
    let excluded = sum(&|counts| counts.excluded);
    if excluded == 0 {
        return None;
    }
    let reasons = [
        (Flag::Buffered, "buffered"),
        (Flag::Cold, "cold"),
        (Flag::ClientLimited, "client-limited"),
        (Flag::ClientPaused, "while this process was paused"),
        (Flag::ResponseCached, "from the gateway's response cache"),
    ];
    let reasons = reasons.into_iter().filter_map(|(flag, word)| {
        let count = sum(&|counts| counts.excluded_by(flag).unwrap_or(0));
        (count > 0).then(|| format!("{count} {word}"))
    });
    let reasons: Vec<String> = reasons.collect();
    let answered = sum(&|counts| counts.answered);
    Some(Alert {
        text: format!(
            "{excluded} of {answered} answers excluded from TTFT ({})",
            reasons.join(", ")
        ),
        remedy: summary
            .client_bottleneck()
            .map(|_| "lower concurrency, or use a quieter machine"),
    })
}

/// Returns true if so many answers are empty that the variant has no TTFA.
fn is_mostly_empty(variant: &VariantSummary) -> bool {
    let figures = &variant.figures;
    let any_empty = figures.counts.flag(Flag::TruncatedInReasoning) > 0;
    any_empty && figures.ttfa_ns.is_none()
}

/// Answers whose cost is not known.
fn unpriced(variant: &VariantSummary) -> u64 {
    let money = &variant.figures.money;
    let priced = money.list.n.max(money.market.n);
    variant.figures.counts.answered.saturating_sub(priced)
}

/// Caches that did not work as the suite configured them, and caches that variants share.
fn caches(manifest: &Manifest, run: &RunCounts<'_>) -> Vec<Alert> {
    let suite = &manifest.suite;
    let mode_of = |variant: &VariantSummary| {
        let mut variants = suite.variants.iter();
        let variant = variants.find(|one| one.label == variant.label);
        variant.map(|variant| suite.cache_of(variant))
    };
    let known = |one: &VariantSummary| one.figures.tokens(TokenKind::Cached).n;
    let zeros = |one: &VariantSummary| one.figures.tokens(TokenKind::Cached).zeros;
    let read = run.line(
        |one| match mode_of(one) {
            Some(CacheMode::Bust) => known(one) - zeros(one),
            _ => 0,
        },
        known,
        "read from a prompt cache although cache = \"bust\"",
        "see report.md",
    );
    let cold = run.line(
        |one| match mode_of(one) {
            Some(CacheMode::Warm) => zeros(one),
            _ => 0,
        },
        known,
        "found nothing in the warmed prompt cache",
        "see report.md",
    );
    let shared = suite
        .shared_caches()
        .into_iter()
        .filter_map(|(model, labels)| {
            let variants = run.summary.variants.iter();
            let read_nothing = variants
                .filter(|variant| labels.contains(&variant.label.as_str()))
                .all(|variant| known(variant) > 0 && zeros(variant) == known(variant));
            let count = labels.len();
            (!read_nothing).then(|| Alert {
                text: format!("{count} variants of {model} share its prompt cache"),
                remedy: Some("set cache = \"bust\""),
            })
        });
    read.into_iter().chain(cold).chain(shared).collect()
}

/// Times near 40 ms, which are the network's and not the model's.
fn delayed(summary: &RunSummary, names: &ShortNames) -> Vec<Alert> {
    let variants = summary.variants.iter();
    let delayed = variants.filter(|one| one.delayed_ack_share.is_some());
    delayed
        .map(|one| {
            let name = names.of(&one.label);
            let text = format!("{name}: TTFTs near 40 ms are likely delayed acknowledgements");
            Alert {
                text,
                remedy: Some("the server should set TCP_NODELAY"),
            }
        })
        .collect()
}

/// Counts over the variants of a run.
struct RunCounts<'a> {
    summary: &'a RunSummary,
    names: &'a ShortNames,
}

impl RunCounts<'_> {
    /// A line about the samples that `count` counts among those that `among` counts, over all variants; none if
    /// there are none.
    fn line(
        &self,
        count: impl Fn(&VariantSummary) -> u64,
        among: impl Fn(&VariantSummary) -> u64,
        text: &str,
        remedy: &'static str,
    ) -> Option<Alert> {
        let variants = &self.summary.variants;
        let counted = variants.iter().map(|variant| (variant, count(variant)));
        let counted: Vec<(&VariantSummary, u64)> =
            counted.filter(|(_, count)| *count > 0).collect();
        let total: u64 = counted.iter().map(|(_, count)| count).sum();
        // The first of those with the largest count.
        let (max, largest) = counted.iter().rev().max_by_key(|(_, count)| *count)?;
        let name = self.names.of(&max.label);
        let text = if counted.len() == 1 {
            format!("{name}: {total} of {} {text}", among(max))
        } else {
            let all: u64 = variants.iter().map(among).sum();
            format!("{total} of {all} {text}, {largest} of them from {name}")
        };
        Some(Alert {
            text,
            remedy: Some(remedy),
        })
    }

    fn flag(&self, flag: Flag, text: &str, remedy: &'static str) -> Option<Alert> {
        self.line(
            |one| one.figures.counts.flag(flag),
            |one| one.figures.counts.done,
            text,
            remedy,
        )
    }
}
