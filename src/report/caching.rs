//! The prompt-cache section of a report: a table, and what caching saved or cost.
//!
//! Owns the columns and sentences about caching, and the rule for when they appear. Must not know how the
//! figures were computed. Invariant: only what a server reports is printed; hits and misses stay apart.

use crate::record::Manifest;
use crate::stats::interval::Interval;
use crate::stats::quantile::Percentile;
use crate::suite::CacheTtl;
use crate::units::{Usd, plural};
use crate::verdict::{
    BreakEven, CacheFigures, CacheSaving, Distribution, RunSummary, VariantSummary,
};

use super::figure::{Figure, FigureCell, count, share};
use super::table::{FigureRow, FigureTable};

/// The prompt-cache section of a report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CachingSection {
    /// True if the suite configures caching: every variant has a row then. Otherwise only variants whose
    /// server reported tokens read or written have one.
    pub suite_uses_caches: bool,
    /// One row per variant.
    pub table: FigureTable,
    /// One or two sentences per variant on what caching saved or cost.
    pub sentences: Vec<String>,
    /// The legend: what the columns mean and what they exclude.
    pub legend: Vec<String>,
}

/// Returns the section of a run, or `None` if caching played no part: the suite does not configure it and
/// no server reported tokens read or written.
pub(super) fn caching(manifest: &Manifest, summary: &RunSummary) -> Option<CachingSection> {
    let suite_uses_caches = manifest.suite.configures_caches();
    let is_listed = |variant: &&VariantSummary| {
        let caching = variant.caching.as_ref();
        suite_uses_caches || caching.is_some_and(CacheFigures::is_in_use)
    };
    let variants: Vec<&VariantSummary> = summary.variants.iter().filter(is_listed).collect();
    if variants.is_empty() {
        return None;
    }
    Some(CachingSection {
        suite_uses_caches,
        table: table(&variants),
        sentences: variants
            .iter()
            .map(|variant| sentence(variant) + &warming(manifest, &variant.label))
            .collect(),
        legend: legend(manifest, &variants),
    })
}

/// Adds the caching columns of a variant; absent figures if its servers reported nothing.
pub(super) fn put(row: &mut FigureRow, caching: Option<&CacheFigures>) {
    row.put_figure(
        "cache_reported",
        count(caching.map_or(0, |all| all.reporting)),
    );
    let hits = caching.map_or(Figure::Absent, |all| count(all.hits));
    row.put_figure("cache_hits", hits);
    let hit_share = caching.and_then(|all| all.hit_share);
    row.put("cache_hit_share", FigureCell::bounded(hit_share, share));
    let read_share = caching.and_then(|all| all.read_share);
    let read_share = Figure::from_option(read_share, Figure::Share);
    row.put_figure("cache_read_share", read_share);
    put_saving(row, caching.and_then(|all| all.saving.as_ref()));
    let reuses = match caching.and_then(|all| all.break_even) {
        Some(BreakEven::Reuses(reuses)) => count(reuses),
        Some(BreakEven::NoPremium) => count(0),
        Some(BreakEven::Never) | None => Figure::Absent,
    };
    row.put_figure("cache_break_even_reuses", reuses);
    put_median(
        row,
        "cache_hit_ttft",
        caching.and_then(|all| all.hit_ttft_ns.as_ref()),
    );
    put_median(
        row,
        "cache_miss_ttft",
        caching.and_then(|all| all.miss_ttft_ns.as_ref()),
    );
    let ratio = caching.and_then(CacheFigures::ttft_ratio);
    let ratio_of = |ratio| Figure::from_option(Some(ratio), Figure::Ratio);
    row.put(
        "ratio_cache_hit_ttft_p50",
        FigureCell::estimate(ratio, ratio_of),
    );
}

fn put_saving(row: &mut FigureRow, saving: Option<&CacheSaving>) {
    let money = |usd: Option<Usd>| usd.map_or(Figure::Absent, Figure::Money);
    let n = saving.map_or(0, |saving| saving.n);
    row.put_figure("cache_saved_usd_n", count(n));
    let total = money(saving.map(CacheSaving::saved));
    row.put_figure("cache_saved_usd_total", total);
    let mean = money(saving.map(CacheSaving::mean));
    let interval = saving.map(|saving| saving.per_request);
    let interval = interval.unwrap_or(Interval::NONE);
    let mean = FigureCell::within(mean, interval, Figure::from_usd);
    row.put("cache_saved_usd_mean", mean);
    row.put_figure(
        "cache_without_usd_total",
        money(saving.map(|saving| saving.uncached_cost)),
    );
}

fn put_median(row: &mut FigureRow, name: &'static str, spans: Option<&Distribution>) {
    let n = spans.map_or(0, |spans| u128::from(spans.n));
    row.put_figure(format!("{name}_n"), Figure::Count(n));
    let median = spans.and_then(|spans| spans.percentile(Percentile::P50));
    let median = FigureCell::bounded(median, Figure::from_ns);
    row.put(format!("{name}_p50_ms"), median);
}

fn table(variants: &[&VariantSummary]) -> FigureTable {
    FigureTable::from_rows(variants.iter().map(|variant| {
        let mut row = FigureRow::default();
        let label = Figure::Label(variant.label.clone(), variant.is_reference);
        row.put_figure("variant", label);
        let caching = variant.caching.as_ref();
        put(&mut row, caching);
        let tokens = |count: Option<u128>| count.map_or(Figure::Absent, Figure::Count);
        row.put_figure("read", tokens(caching.and_then(|all| all.tokens_read)));
        row.put_figure(
            "written",
            tokens(caching.and_then(|all| all.tokens_written)),
        );
        row.show("variant", "variant", 0);
        row.show("cache_reported", "reported", 5);
        row.show_within("cache_hit_share", "hits", 0, 6);
        row.show("cache_read_share", "of prompt tokens", 4);
        row.show_within("cache_saved_usd_mean", "saved/request", 0, 7);
        row.show("cache_break_even_reuses", "pays from reuse", 3);
        row.show_within("cache_hit_ttft_p50_ms", "TTFT p50 of hits", 1, 8);
        row.show("cache_hit_ttft_n", "hits timed", 9);
        row.show_within("cache_miss_ttft_p50_ms", "TTFT p50 of misses", 1, 8);
        row.show("cache_miss_ttft_n", "misses timed", 9);
        row.show("ratio_cache_hit_ttft_p50", "hits/misses", 2);
        row.show("read", "tokens read", 2);
        row.show("written", "tokens written", 2);
        row
    }))
}

/// Summarises caching for a variant: `a/b: caching saved $0.0030 of $0.0100 by list price (30.0 %), ...`.
fn sentence(variant: &VariantSummary) -> String {
    let label = &variant.label;
    let Some(caching) = &variant.caching else {
        return format!("{label}: no answer reported its use of a prompt cache.");
    };
    if !caching.is_in_use() {
        let n = caching.reporting;
        let written = match caching.tokens_written {
            Some(_) => " or written to it",
            None => ", and the server does not report writes",
        };
        return format!("{label}: nothing was read from a cache{written}, n {n}.");
    }
    let Some(saving) = &caching.saving else {
        let why = if caching.contradicting == caching.reporting {
            "the token counts of every answer are inconsistent"
        } else {
            "no answer has both token counts and a price in the run's records"
        };
        return format!("{label}: savings by caching are unknown: {why}.");
    };
    let saved = saving.saved();
    let verb = if saved < Usd::ZERO { "lost" } else { "saved" };
    let share = saving.share().map_or_else(String::new, |share| {
        format!(" ({:.1} %)", share.abs() * 100.0)
    });
    let mut sentence = format!(
        "{label}: caching {verb} {}{share}: {} at list price against {} for the same tokens without \
         caches, n {}.",
        Figure::Money(Usd(saved.0.abs())).shown(),
        Figure::Money(saving.cost).shown(),
        Figure::Money(saving.uncached_cost).shown(),
        saving.n,
    );
    if let Some(break_even) = caching.break_even {
        sentence.push(' ');
        sentence.push_str(&pays(break_even));
    }
    sentence
}

/// The cost of the untimed requests that warmed the variant's caches; empty if it was not recorded.
fn warming(manifest: &Manifest, label: &str) -> String {
    let Some(warming) = manifest.warming.iter().find(|one| one.variant == label) else {
        return String::new();
    };
    let requests = plural(warming.requests, "untimed request");
    let unknown = match warming.unknown {
        0 => String::new(),
        unknown => format!(", {unknown} of them with an unknown cost"),
    };
    let spent = Figure::Money(warming.spent_usd).shown();
    format!(" Warming its caches cost another {spent}: {requests}{unknown}.")
}

fn pays(break_even: BreakEven) -> String {
    match break_even {
        BreakEven::Reuses(reuses) => format!(
            "What is written has paid for itself once it was read {}.",
            plural(reuses, "time")
        ),
        BreakEven::NoPremium => {
            "Cache writes cost nothing extra: every read saves money.".to_owned()
        }
        BreakEven::Never => {
            "Cache writes cost more and reads save nothing: no number of reuses breaks even."
                .to_owned()
        }
    }
}

/// The legend of the table: what its columns mean and what they exclude.
fn legend(manifest: &Manifest, variants: &[&VariantSummary]) -> Vec<String> {
    let mut legend = vec![
        "hits: samples of which the server says that prompt tokens were read from a cache, over those of \
         which it says either way. Times of hits and of misses stand apart; they may be of different \
         prompts. Excluded samples are in neither."
            .to_owned(),
    ];
    let priced = variants.iter().any(|variant| {
        let caching = variant.caching.as_ref();
        caching.is_some_and(|caching| caching.saving.is_some())
    });
    if let Some(prices) = manifest.prices.as_ref().filter(|_| priced) {
        legend.push(format!(
            "saved: list prices of {} on the tokens as they were reported, against every prompt token at the \
             input price; below 0: lost. pays from reuse: how often what was written must be read, while \
             the cache keeps it, until its discount makes up for what writing cost.",
            prices.date
        ));
    }
    if manifest.suite.warmed_variants().next().is_some() {
        legend.push(
            "The untimed requests that warm the caches are in no figure; their cost is not subtracted from the savings."
                .to_owned(),
        );
    }
    if manifest.suite.has_mark_with_ttl(CacheTtl::Hour) {
        legend.push(
            "Marks of an hour are computed at the list's one price of writing, which is that of the cache of \
             minutes: the provider may charge more."
                .to_owned(),
        );
    }
    legend
}
