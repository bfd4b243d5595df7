//! The view: the content of a report, before any format renders it.
//!
//! Owns the content and its order. Must not know Markdown, CSV or a terminal. Invariant: a
//! pure function of manifest and summary; every format is rendered from it and adds no number.

use crate::record::{ConnectionSetUp, JudgeRepeats, Judging, Manifest, Status, UntilDecided};
use crate::stats::interval::Alpha;
use crate::stats::kappa::agreement;
use crate::stats::quantile::Percentile;
use crate::suite::{CacheMode, Suite};
use crate::units::plural;
use crate::verdict::{ComparisonDesign, Evaluation, PromptSummaries, RunSummary, frontier};

use super::alerts::Alert;
use super::caching::{CachingSection, caching};
use super::columns;
use super::figure::Figure;
use super::frontier::frontier_remark;
use super::instrument;
use super::load::{LoadSection, load_section};
use super::problems::{RunProblem, problems, remarks};
use super::screen::{ResultScreen, speed_metric};
use super::table::{FigureTable, MAX_PROMPT_ROWS};
use super::text::push;
use super::verdicts::{Section, Verdicts};

/// The content of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Name of the suite.
    pub suite: String,
    /// Purpose of the suite, in its author's words.
    pub description: Option<String>,
    /// Name of the run's folder.
    pub run: String,
    /// Status of the run: `complete`, `interrupted`, ...
    pub status: &'static str,
    /// Warning to read first; absent for a complete run.
    pub warning: Option<String>,
    /// The result in ten seconds.
    pub screen: ResultScreen,
    /// One row per variant.
    pub comparison: FigureTable,
    /// The legend of the tables.
    pub notes: Vec<String>,
    /// Date of the price list, `YYYY-MM-DD`.
    pub prices_date: Option<String>,
    /// Verdicts and limits.
    pub verdicts: Verdicts,
    /// The prompt-cache section; absent if caching played no part.
    pub caching: Option<CachingSection>,
    /// The load section; absent for a run without a load.
    pub load: Option<LoadSection>,
    /// One row per prompt and variant; those that the page shows are kept.
    pub prompts: FigureTable,
    /// Problems of the run: what is wrong with it.
    pub problems: Vec<RunProblem>,
    /// Facts about the run that a reader may need, and that are not wrong.
    pub remarks: Vec<RunProblem>,
    /// One row per kind of error and variant.
    pub errors: FigureTable,
    /// Settings and circumstances of the run: names and values.
    pub method: Vec<(&'static str, String)>,
}

impl View {
    /// Builds the view of a run.
    pub fn new(
        manifest: &Manifest,
        summary: &RunSummary,
        evaluation: &Evaluation,
        prompts: PromptSummaries<'_>,
    ) -> Self {
        let done: u64 = summary.variants.iter().map(|v| v.figures.counts.done).sum();
        let (status, mut warning) = status(manifest, done);
        let of_variants = summary.variants.iter();
        let abandoned: u64 = of_variants.map(|v| v.figures.counts.abandoned()).sum();
        if let Some(text) = warning.as_mut().filter(|_| abandoned > 0) {
            let trials = plural(abandoned, "trial");
            push(
                text,
                format_args!(" Abandoned in flight: {trials}, which count in no figure."),
            );
        }
        let prices_date = manifest.prices.as_ref().map(|prices| prices.date.clone());
        let simulated = manifest.endpoint.scenario.is_some();
        let speed = speed_metric(summary, evaluation);
        let frontier = frontier(summary, speed);
        let run = (status, simulated);
        let comparison = columns::comparison(summary, &frontier, prices_date.as_deref(), run);
        let prompts = columns::prompts(summary, prompts, MAX_PROMPT_ROWS);
        let notes = notes([&comparison, &prompts], &price_source(manifest));
        let verdicts = Verdicts::new(evaluation);
        let of_past = |section: &&Section| section.design != ComparisonDesign::Interleaved;
        let of_past = verdicts.sections.iter().filter(of_past);
        let past_notes: Vec<String> = of_past.flat_map(|one| one.notes.clone()).collect();
        let sections = verdicts.sections.iter();
        let judged: Vec<Alert> = sections
            .flat_map(|one| &one.alerts)
            .map(|alert| Alert::new(alert.text.clone()))
            .collect();
        Self {
            suite: manifest.suite.name.clone(),
            description: manifest.suite.description.clone(),
            run: manifest.run.clone(),
            status,
            warning,
            screen: ResultScreen::new(
                manifest,
                summary,
                evaluation,
                (&comparison, &past_notes),
                judged,
            ),
            comparison,
            notes,
            prices_date,
            verdicts,
            caching: caching(manifest, summary),
            load: (summary.load.as_ref()).map(|load| load_section(load, manifest)),
            prompts,
            problems: problems(manifest, summary),
            remarks: frontier_remark(summary, &frontier, speed)
                .into_iter()
                .chain(remarks(summary))
                .collect(),
            errors: columns::errors(summary),
            method: method(manifest, summary),
        }
    }
}

/// The status word of a run, and the warning for a reader of one that is not complete.
pub(super) fn status(manifest: &Manifest, done: u64) -> (&'static str, Option<String>) {
    let planned = manifest.planned_trials;
    let so_far = format!("{done} of {planned} trials have a sample.");
    match &manifest.status {
        Status::Complete if done >= planned => ("complete", None),
        Status::Complete => {
            let text = format!("Samples are missing: {so_far}");
            ("complete", Some(text))
        }
        Status::Running => {
            let text = format!("This run has not finished, or was killed: {so_far}");
            ("running", Some(text))
        }
        Status::Interrupted => {
            let text = format!("This run was interrupted: {so_far}");
            ("interrupted", Some(text))
        }
        Status::Incomplete(reason) => {
            let text = format!("This run is incomplete ({reason}): {so_far}");
            ("incomplete", Some(text))
        }
    }
}

/// The prices behind the costs: the list and its date, and the models whose price the user declared.
fn price_source(manifest: &Manifest) -> String {
    let Some(prices) = &manifest.prices else {
        return "list price".to_owned();
    };
    let (own, listed): (Vec<_>, Vec<_>) = prices.models.iter().partition(|model| model.own);
    let own: Vec<String> = own.iter().map(|of| format!("`{}`", of.model)).collect();
    match (own.is_empty(), listed.is_empty()) {
        (true, _) => format!("list price of {}", prices.date),
        (false, true) => "own price of bakeoff.toml".to_owned(),
        (false, false) => {
            let (own, date) = (own.join(", "), &prices.date);
            format!("list price of {date}, of {own} own price of bakeoff.toml")
        }
    }
}

/// The legend of the shown tables.
fn notes(tables: [&FigureTable; 2], price_source: &str) -> Vec<String> {
    let mut notes = vec![
        "TTFT: from sending the request to its first token, reasoning included; latency: to the end of \
         the answer. Times are of answered trials, the answered attempt alone; excluded samples \
         (buffered, cold, client-limited) are not in TTFT."
            .to_owned(),
        format!(
            "tok/s: completion tokens a second after the first chunk. cost: {price_source}. completed: share of \
             trials answered to the end, rate-limited ones left out."
        ),
        "In brackets: 95 % intervals, percentiles (quantiles of type 8) for these prompts, means and shares for prompts like these."
            .to_owned(),
    ];
    if tables.iter().any(|table| table.has_low_n()) {
        let bounds = per_percentile(Percentile::min_for_bounds);
        notes.push(format!(
            "An interval that is open, such as 407–, or missing: n too small for its end (both ends need: {bounds}; means two \
             prompts)."
        ));
    }
    let points = per_percentile(Percentile::min_for_point);
    notes.push(format!(
        "– unknown, or n too small for any estimate (needed: {points})."
    ));
    notes
}

/// Lists a count for each percentile: `p50 6, p75 13, ...`.
fn per_percentile(count: fn(Percentile) -> u64) -> String {
    let parts =
        Percentile::ALL.map(|percentile| format!("{} {}", percentile.word(), count(percentile)));
    parts.join(", ")
}
/// The parts of a run that was resumed or merged, with their starts.
fn parts(manifest: &Manifest) -> String {
    let parts = manifest.parts.iter().map(|part| {
        let repeated = match part.repeated_failures {
            0 => plural(part.trials, "trial"),
            failed => format!("{} repeated", plural(failed, "failed trial")),
        };
        let shard = part
            .shard
            .map_or_else(String::new, |shard| format!("shard {shard} from "));
        format!("{shard}{} ({repeated}, {})", part.started_at, part.tool)
    });
    parts.collect::<Vec<_>>().join("; ")
}

fn method(manifest: &Manifest, summary: &RunSummary) -> Vec<(&'static str, String)> {
    let suite = &manifest.suite;
    let endpoint = &manifest.endpoint;
    let mut method = vec![
        ("run", manifest.run.clone()),
        ("started", manifest.started_at.to_string()),
        (
            "program",
            format!("{} on {}", manifest.tool, manifest.platform),
        ),
        (
            "endpoint",
            match &endpoint.base_url {
                Some(url) if *url != endpoint.name => format!("{}, {url}", endpoint.name),
                _ => endpoint.name.clone(),
            },
        ),
    ];
    if let Some(shard) = manifest.shard {
        method.push(("shard", format!("{shard}: a share of the plan")));
    }
    if !manifest.parts.is_empty() {
        method.push(("parts", parts(manifest)));
    }
    if let Some(looks) = &manifest.until_decided {
        method.push(("until decided", until_decided(looks, suite.repetitions)));
    }
    if let Some(scenario) = &endpoint.scenario {
        method.push(("simulated scenario", scenario.clone()));
    }
    let streaming = if suite.stream {
        "streamed"
    } else {
        "not streamed"
    };
    method.extend([
        (
            "plan",
            format!(
                "{} prompts x {} variants x {} = {} trials, digest {}",
                suite.prompts.len(),
                suite.variants.len(),
                suite.time_limit().map_or_else(
                    || format!("{} repetitions", manifest.rounds()),
                    |time| format!("as many rounds as {time} holds"),
                ),
                manifest.planned_trials,
                manifest.plan_digest,
            ),
        ),
        (
            "order",
            format!(
                "all variants of a prompt at the same moment; prompts and variants in a fresh order each \
                 round, seed {}",
                suite.seed,
            ),
        ),
        (
            "load",
            format!(
                "slots in flight {}, warm-up requests per variant {}, most attempts {}, {streaming}",
                suite.concurrency, suite.warmup, suite.max_attempts,
            ),
        ),
        (
            "timeouts",
            format!(
                "connect {}, headers {}, gap {}, total {}",
                suite.timeouts.connect_ns,
                suite.timeouts.headers_ns,
                suite.timeouts.gap_ns,
                suite.timeouts.total_ns,
            ),
        ),
        ("suite digest", manifest.suite_digest.clone()),
        (
            "prices",
            manifest.prices.as_ref().map_or_else(
                || "none known".to_owned(),
                |prices| format!("{}, {}", prices.source, prices.date),
            ),
        ),
    ]);
    let optional = [
        ("prompt caches", caches(suite)),
        ("selected", selection(manifest)),
        ("delay before sending", delay(summary)),
        ("set-up of connections", manifest.set_up.map(set_up)),
        ("error of TTFT", instrument::evidence(manifest)),
        ("judge", manifest.judging.as_ref().map(judge)),
        ("embeddings", manifest.embeddings.as_ref().map(embeddings)),
    ];
    let known = |(name, value): (&'static str, Option<String>)| Some((name, value?));
    method.extend(optional.into_iter().filter_map(known));
    method
}

/// The steps that opened the connections.
fn set_up(set_up: ConnectionSetUp) -> String {
    let tls = set_up.tls_ns.map(|tls| format!(", TLS {tls}"));
    format!(
        "name look-up {}, TCP {}{}; before the first request, medians of {}",
        set_up.look_up_ns,
        set_up.tcp_ns,
        tls.unwrap_or_default(),
        plural(set_up.connections, "connection"),
    )
}

/// The verdicts of a judge and their known cost.
pub fn judging_line(judging: &Judging) -> String {
    counted(judging, "verdict")
}

/// The comparisons of embeddings and their known cost.
pub fn embeddings_line(found: &Judging) -> String {
    counted(found, "comparison")
}

fn counted(of: &Judging, noun: &str) -> String {
    let cached = match of.cached {
        0 => String::new(),
        cached => format!(" ({cached} from the cache)"),
    };
    format!(
        "{}{cached}, {}",
        plural(of.verdicts, noun),
        Figure::Money(of.spent_usd).shown()
    )
}

/// The judge, its verdicts and their cost, and its agreement with itself.
fn judge(judging: &Judging) -> String {
    let repeats = judging.repeats.map(JudgeRepeats::pairs);
    let agreed = repeats.and_then(|pairs| agreement(&[pairs], Alpha::FIVE_PERCENT));
    let agreed = agreed.map_or_else(String::new, |found| {
        let kappa = found
            .kappa
            .map_or_else(String::new, |kappa| format!(" (kappa {kappa:.2})"));
        format!(
            "; judged twice, it agreed with itself on {} of {}{kappa}",
            Figure::from_option(Some(found.agreed), Figure::Share).shown(),
            plural(found.answers, "verdict")
        )
    });
    with_cost(judging, &judging_line(judging)) + &agreed
}

fn embeddings(found: &Judging) -> String {
    with_cost(found, &embeddings_line(found))
}

fn with_cost(of: &Judging, line: &str) -> String {
    let unknown = match of.unknown {
        0 => String::new(),
        unknown => format!(", and {} of unknown cost", plural(unknown, "request")),
    };
    format!("{}, {line}{unknown}, in no figure of a variant", of.model)
}

/// The longest delay of requests caused by this program or by a rate limit, over all variants; it is in no
/// variant's figures.
fn delay(summary: &RunSummary) -> Option<String> {
    let lags = || summary.variants.iter().filter_map(|v| v.lag.as_ref());
    let longest = lags().map(|lag| lag.max).reduce(f64::max)?;
    let p95 = lags().filter_map(|lag| Some(lag.percentile(Percentile::P95)?.value));
    let typical = p95.reduce(f64::max).map(|p95| {
        let p95 = Figure::from_ns(p95).shown();
        format!("p95 {p95}, ")
    });
    let (typical, longest) = (
        typical.unwrap_or_default(),
        Figure::from_ns(longest).shown(),
    );
    Some(format!(
        "{typical}at most {longest}, waits of our own and of rate limits: in no figure of a variant"
    ))
}

/// The cache modes, if any: the suite's, then those of variants that differ.
fn caches(suite: &Suite) -> Option<String> {
    let mut parts: Vec<String> = mode(suite, suite.cache).into_iter().collect();
    for variant in &suite.variants {
        if let Some(own) = variant.cache.filter(|own| *own != suite.cache) {
            let words = mode(suite, own).unwrap_or_else(|| "as-is".to_owned());
            parts.push(format!("{}: {words}", variant.label));
        }
    }
    if let Some(prefix) = &suite.reuse.prefix {
        let characters = prefix.chars().count();
        parts.push(format!(
            "every prompt starts with a prefix of {characters} characters"
        ));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn mode(suite: &Suite, mode: CacheMode) -> Option<String> {
    match (mode, suite.reuse.within_ns) {
        (CacheMode::AsIs, _) => None,
        (CacheMode::Bust, _) => {
            Some("bust: the system text of each trial starts with a unique number".to_owned())
        }
        (CacheMode::Warm, None) => Some(
            "warm: the same request is sent before each trial, untimed and billed, in no figure"
                .to_owned(),
        ),
        (CacheMode::Warm, Some(within)) => {
            let shared = match &suite.reuse.prefix {
                Some(_) => "prefix",
                None => "prompt",
            };
            Some(format!(
                "warm within {within}: the same request is sent before each trial whose {shared} was not used for longer, untimed and billed, in no figure"
            ))
        }
    }
}

/// The interim looks that were planned, and their result.
fn until_decided(looks: &UntilDecided, rounds_max: u32) -> String {
    let rounds: Vec<String> = looks.looks.iter().map(u32::to_string).collect();
    let ended = match looks.decided_after {
        Some(round) => format!("ended after round {round} of at most {rounds_max}"),
        None => "not ended early".to_owned(),
    };
    format!("looks planned after rounds {}; {ended}", rounds.join(", "))
}

/// The selection on the command line, if any.
fn selection(manifest: &Manifest) -> Option<String> {
    let selection = &manifest.selection;
    let flags = [
        ("--model", &selection.models),
        ("--prompt", &selection.prompts),
        ("--tag", &selection.tags),
    ];
    let parts: Vec<String> = flags
        .into_iter()
        .flat_map(|(flag, values)| values.iter().map(move |value| format!("{flag} {value}")))
        .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Rates, TokenPrices};
    use crate::record::{ModelPrices, PriceSource, example};

    #[test]
    fn an_own_price_is_not_called_a_list_price() {
        // The user who declared a price must not read that it is of a list, nor of that list's date.
        let priced = |model: &str, own| ModelPrices {
            own,
            ..ModelPrices::new(model.parse().unwrap(), &TokenPrices::flat(Rates::default()))
        };
        let words = |models| {
            let mut manifest = example::manifest("run");
            manifest.prices = Some(PriceSource {
                source: "a list".to_owned(),
                date: "2026-08-21".to_owned(),
                digest: String::new(),
                models,
            });
            price_source(&manifest)
        };
        assert_eq!(words(vec![]), "list price of 2026-08-21");
        assert_eq!(
            words(vec![priced("a/b", false)]),
            "list price of 2026-08-21"
        );
        assert_eq!(
            words(vec![priced("a/b", true)]),
            "own price of bakeoff.toml"
        );
        assert_eq!(
            words(vec![priced("a/b", true), priced("a/c", false)]),
            "list price of 2026-08-21, of `a/b` own price of bakeoff.toml"
        );
    }
}
