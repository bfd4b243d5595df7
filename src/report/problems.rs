//! The problems of a run: everything that is wrong with it, with its remedy.
//!
//! Owns which conditions are reported and how they are worded. Must not know how they are rendered.
//! Invariant: a condition that spoils a comparison is always reported in words, never by a mark alone.

use crate::gateway::HONOURED_WAIT_MAX;
use crate::record::{FailureKind, Flag, Manifest};
use crate::suite::CacheMode;
use crate::units::{Nanos, Usd, plural};
use crate::verdict::{PairTotal, RunSummary, TokenKind, VariantSummary};

use super::figure::{Figure, Thousandths};
use super::instrument;

/// Maximum names of providers or models in one sentence: the rest is counted.
const MAX_NAMES: usize = 5;

/// One problem of a run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "Problem")]
pub struct RunProblem {
    /// The variant's label, or `run`.
    pub subject: String,
    /// Description, with its count.
    pub text: String,
    /// Remedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<&'static str>,
}

/// Returns the problems of the run, then of each variant.
pub(super) fn problems(manifest: &Manifest, summary: &RunSummary) -> Vec<RunProblem> {
    let mut all = run_problems(manifest, summary);
    for (variant, suite_variant) in summary.variants.iter().zip(&manifest.suite.variants) {
        let mut problems = ProblemList {
            subject: &variant.label,
            all: &mut all,
        };
        failures(&mut problems, variant);
        comparability(&mut problems, variant);
        measurement(&mut problems, variant);
        answers(&mut problems, variant);
        caches(
            &mut problems,
            manifest.suite.cache_of(suite_variant),
            variant,
        );
        if manifest.suite.writes_unused_cache(suite_variant) {
            written_unread(&mut problems, variant);
        }
        costs(&mut problems, variant);
    }
    all
}

/// Collects the problems of one subject.
struct ProblemList<'a> {
    subject: &'a str,
    all: &'a mut Vec<RunProblem>,
}

impl ProblemList<'_> {
    fn push(&mut self, text: String, remedy: Option<&'static str>) {
        self.all.push(RunProblem {
            subject: self.subject.to_owned(),
            text,
            remedy,
        });
    }

    /// Adds a problem for the samples with a flag, if there are any.
    fn push_flag(
        &mut self,
        variant: &VariantSummary,
        flag: Flag,
        text: &str,
        remedy: Option<&'static str>,
    ) {
        let counts = &variant.figures.counts;
        let excluded = counts.excluded_by(flag);
        let (count, done) = (excluded.unwrap_or_else(|| counts.flag(flag)), counts.done);
        if count > 0 {
            self.push(format!("{text}: {count} of {done} samples"), remedy);
        }
    }
}

fn run_problems(manifest: &Manifest, summary: &RunSummary) -> Vec<RunProblem> {
    let mut all = Vec::new();
    let mut problems = ProblemList {
        subject: "run",
        all: &mut all,
    };
    let done: u64 = summary.variants.iter().map(|v| v.figures.counts.done).sum();
    let of_variants = summary.variants.iter();
    let abandoned: u64 = of_variants.map(|v| v.figures.counts.abandoned()).sum();
    if abandoned > 0 {
        problems.push(
            format!("abandoned in flight at its end, in no figure: {abandoned} trials"),
            None,
        );
    }
    let missing = manifest.planned_trials.saturating_sub(done + abandoned);
    if missing > 0 {
        let planned = manifest.planned_trials;
        problems.push(
            format!("trials without a sample: {missing} of {planned}"),
            None,
        );
    }
    resumed(&mut problems, manifest);
    let words = merged(summary.variants.iter().map(|v| &v.unknown_finishes));
    if !words.is_empty() {
        problems.push(
            format!(
                "finish reasons that are not known, so that their answers count as failures: {}",
                names(&words)
            ),
            Some("report the words to bakeoff, so that its table gets them"),
        );
    }
    if summary.lost_lines > 0 {
        let lost = summary.lost_lines;
        problems.push(
            format!("unreadable lines in samples.jsonl, excluded from every figure: {lost}"),
            None,
        );
    }
    if summary.truncated_history_lines > 0 {
        let truncated_lines = summary.truncated_history_lines;
        problems.push(
            format!("cut off in past.jsonl, so that the run is not compared with its whole history: {truncated_lines} lines"),
            Some("restore the file from a copy"),
        );
    }
    if summary.unmatched_marks > 0 {
        let unmatched_marks = summary.unmatched_marks;
        problems.push(
            format!("of a variant or prompt that the manifest does not name, in no figure: {unmatched_marks} samples"),
            None,
        );
    }
    if let Some(error) = instrument::error_sentence(manifest, summary, str::to_owned) {
        problems.push(error, Some(instrument::REMEDY));
    }
    unread_usage(&mut problems, summary);
    shared_caches(&mut problems, manifest, summary);
    all
}

/// Adds what a reader must know of a share, and of the parts of a resumed run.
fn resumed(problems: &mut ProblemList<'_>, manifest: &Manifest) {
    if let Some(shard) = manifest.shard {
        problems.push(
            format!(
                "only shard {shard} of the plan: its gates are judged when all shards are merged"
            ),
            Some("`bakeoff merge` joins the shards"),
        );
    }
    for (part, number) in manifest.parts.iter().zip(1_u32..) {
        if part.repeated_failures > 0 {
            let trials = plural(part.repeated_failures, "failed trial");
            problems.push(
                format!(
                    "repeated on request in part {number}: {trials}, whose first outcome is in no figure: failures are \
                     undercounted"
                ),
                None,
            );
        }
        for difference in &part.differences {
            problems.push(
                format!("part {number} was sent under other conditions (--force): {difference}"),
                None,
            );
        }
    }
}

/// Reports numbers in usage blocks that have no known meaning, once for the run.
fn unread_usage(problems: &mut ProblemList<'_>, summary: &RunSummary) {
    let mut unread = std::collections::BTreeMap::new();
    for (path, count) in summary.variants.iter().flat_map(|v| &v.unread_usage) {
        *unread.entry(format!("`{path}`")).or_insert(0) += count;
    }
    if !unread.is_empty() {
        problems.push(
            format!(
                "numbers in `usage` without a known meaning, in no cost: {}",
                names(&unread)
            ),
            Some("compare the list cost with what was billed"),
        );
    }
}

/// Reports variants of one model, unless the servers report that no cache was read.
fn shared_caches(problems: &mut ProblemList<'_>, manifest: &Manifest, summary: &RunSummary) {
    for (model, labels) in manifest.suite.shared_caches() {
        let variants = summary.variants.iter();
        let read_nothing = variants
            .filter(|variant| labels.contains(&variant.label.as_str()))
            .map(|variant| variant.figures.tokens(TokenKind::Cached))
            .all(|cached| cached.n > 0 && cached.zeros == cached.n);
        if !read_nothing {
            let count = labels.len();
            problems.push(
                format!(
                    "{count} variants use `{model}` and share its prompt cache: in a slot one can read what another wrote"
                ),
                Some("set `cache = \"bust\"` in the suite"),
            );
        }
    }
}

fn failures(problems: &mut ProblemList<'_>, variant: &VariantSummary) {
    let counts = &variant.figures.counts;
    let failed = counts.failed();
    if failed > 0 {
        let classes: Vec<String> = FailureKind::ALL
            .into_iter()
            .filter(|&class| counts.failure(class) > 0)
            .map(|class| format!("{} {}", counts.failure(class), class.word()))
            .collect();
        let timeouts = counts.failure(FailureKind::Timeout) > 0;
        problems.push(
            format!(
                "{failed} of {} trials failed: {}",
                counts.done,
                classes.join(", ")
            ),
            timeouts.then_some(
                "a timed-out trial has no time in this table, so its variant's times look better than they are",
            ),
        );
    }
    if let Some(wait) = variant
        .longest_wait
        .filter(|wait| *wait > HONOURED_WAIT_MAX)
    {
        let seconds = |wait: Nanos| wait.0 / 1_000_000_000;
        let (wait, honoured) = (seconds(wait), seconds(HONOURED_WAIT_MAX));
        problems.push(
            format!("the server demanded a wait of up to {wait} s, and more than {honoured} s is not waited for"),
            Some("run again after that wait, or lower the rate of requests"),
        );
    }
    if counts.retried > 0 {
        let (retried, done) = (counts.retried, counts.done);
        let text = format!("took more than one attempt: {retried} of {done} trials");
        problems.push(
            text,
            Some("experienced TTFT in comparison.csv includes the wait"),
        );
    }
}

fn comparability(problems: &mut ProblemList<'_>, variant: &VariantSummary) {
    let served = names(&variant.served_models);
    let providers = names(&variant.providers);
    let by = match (served.is_empty(), providers.is_empty()) {
        (false, _) => format!(" (models: {served})"),
        (true, false) => format!(" (providers: {providers})"),
        (true, true) => String::new(),
    };
    problems.push_flag(
        variant,
        Flag::Fallback,
        &format!("answered by another provider or model than the first choice{by}, which biases the comparison"),
        Some("pin the provider in the variant's provider_options"),
    );
    if variant.alias().is_none() {
        problems.push_flag(
            variant,
            Flag::OtherModel,
            &format!(
                "answered by another model than the requested one{by}, which biases the comparison"
            ),
            Some("request one of these by its own id"),
        );
    }
    problems.push_flag(
        variant,
        Flag::Buffered,
        "buffered on the way (the answer, or its beginning, came in one burst), excluded from TTFT",
        Some(
            "a proxy holds tokens back: nginx needs `proxy_buffering off` (or the server's header \
             `X-Accel-Buffering: no`), HAProxy `option http-no-delay`",
        ),
    );
    problems.push_flag(
        variant,
        Flag::Cold,
        "cold (the server had closed the connection, or a retry came), excluded from TTFT",
        None,
    );
    problems.push_flag(
        variant,
        Flag::ClientLimited,
        "client-limited (held up by this machine), excluded from TTFT",
        Some("lower concurrency, or run on a quieter machine"),
    );
    problems.push_flag(
        variant,
        Flag::ClientPaused,
        "measured while this process did not run (stopped, suspended, or without a processor), excluded from TTFT",
        Some("run on a quieter machine that does not go to sleep"),
    );
    problems.push_flag(
        variant,
        Flag::UserStamped,
        "stamped by the program's own clock, because the kernel's timestamps were absent or the wall clock was set",
        None,
    );
    problems.push_flag(
        variant,
        Flag::ResponseCached,
        "answered from the gateway's response cache, excluded from TTFT",
        Some("switch the response cache off, or set `cache = \"bust\"` in the suite"),
    );
    problems.push_flag(
        variant,
        Flag::ProxyRetried,
        "retried by the proxy before it answered, so that times include its failed attempts",
        Some("switch the proxy's retries off, or read its log"),
    );
    problems.push_flag(
        variant,
        Flag::Deferred,
        "sent apart from the other models because this one failed or hung then, and in no comparison",
        None,
    );
    problems.push_flag(
        variant,
        Flag::OwnKeyRefused,
        "own provider key refused, answered and billed with the gateway's credentials",
        Some("renew the provider key at the gateway"),
    );
}

/// Returns facts that are not wrong, and that explain a figure or its absence.
pub(super) fn remarks(summary: &RunSummary) -> Vec<RunProblem> {
    let mut all = Vec::new();
    for variant in &summary.variants {
        let mut remarks = ProblemList {
            subject: &variant.label,
            all: &mut all,
        };
        if let Some(alias) = variant.alias() {
            remarks.push(
                format!(
                    "every answer names the model `{alias}`, treated as another name of the same model"
                ),
                None,
            );
        }
        remarks.push_flag(
            variant,
            Flag::HiddenReasoning,
            "reasoning hidden, summarised or encrypted, so without an output rate",
            None,
        );
        let money = &variant.figures.money;
        if money.free_of_charge > 0 {
            let (free, done) = (money.free_of_charge, variant.figures.counts.done);
            let text = format!(
                "billed $0 (own keys), so bills carry no information: {free} of {done} samples"
            );
            remarks.push(text, None);
        }
    }
    all
}

/// The counts of all variants together.
fn merged<'a>(
    counted: impl Iterator<Item = &'a std::collections::BTreeMap<String, u64>>,
) -> std::collections::BTreeMap<String, u64> {
    let mut merged = std::collections::BTreeMap::new();
    for (name, count) in counted.flatten() {
        *merged.entry(name.clone()).or_default() += count;
    }
    merged
}

/// `a 28, b 4`: the most frequent names with their counts.
fn names(counted: &std::collections::BTreeMap<String, u64>) -> String {
    let mut sorted: Vec<(&String, &u64)> = counted.iter().collect();
    sorted.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), (*name).clone()));
    let shown = sorted.iter().take(MAX_NAMES);
    let mut parts: Vec<String> = shown
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    if sorted.len() > MAX_NAMES {
        parts.push(format!("{} more", sorted.len() - MAX_NAMES));
    }
    parts.join(", ")
}

fn measurement(problems: &mut ProblemList<'_>, variant: &VariantSummary) {
    if let Some(share) = variant.delayed_ack_share.and_then(Thousandths::new) {
        let share = Figure::Share(share).shown();
        problems.push(
            format!("{share} of TTFTs are near 40 ms: likely the server's delayed acknowledgement, not the model"),
            Some("the server should set TCP_NODELAY"),
        );
    }
    let gaps = &variant.gaps;
    if gaps.out_of_range > 0 {
        let count = gaps.out_of_range;
        let text = format!("below 1 us or above 1 h, in no gap percentile: {count} gaps");
        problems.push(text, None);
    }
    if gaps.unreadable > 0 {
        let count = gaps.unreadable;
        problems.push(
            format!("gap histogram not readable, in no gap figure: {count} samples"),
            Some("samples.jsonl is damaged"),
        );
    }
    problems.push_flag(
        variant,
        Flag::Compressed,
        "compressed although identity was asked for, so chunk times are the decoder's too",
        None,
    );
}

fn answers(problems: &mut ProblemList<'_>, variant: &VariantSummary) {
    let counts = &variant.figures.counts;
    problems.push_flag(
        variant,
        Flag::TruncatedInReasoning,
        "answer empty because reasoning used up the token limit",
        Some("raise max_tokens, or lower reasoning_effort"),
    );
    let (truncated, done) = (counts.truncated, counts.done);
    if truncated > 0 {
        let text = format!("ended by the token limit: {truncated} of {done} samples");
        problems.push(text, Some("raise max_tokens where whole answers matter"));
    }
    problems.push_flag(
        variant,
        Flag::ThinkTags,
        "reasoning between marks such as <think> in the answer, counted as answer",
        None,
    );
    problems.push_flag(
        variant,
        Flag::UsageMismatch,
        "token counts that do not add up",
        None,
    );
    problems.push_flag(
        variant,
        Flag::UsageImpossible,
        "token counts that cannot be true: they have no cost and no rate",
        Some("check what the server reports as usage"),
    );
    problems.push_flag(
        variant,
        Flag::UsageAmbiguous,
        "token counts that can be read in several ways: they have no cost and no rate",
        None,
    );
    let tiers = names(&variant.service_tiers);
    let tiers = if tiers.is_empty() {
        String::new()
    } else {
        format!(" ({tiers})")
    };
    problems.push_flag(
        variant,
        Flag::UnpricedTier,
        &format!("in a service tier{tiers} whose prices are not known: no list cost"),
        Some("compare what was billed, or leave the service tier out"),
    );
}

/// Reports caches that did not work as the suite configured them.
fn caches(problems: &mut ProblemList<'_>, mode: CacheMode, variant: &VariantSummary) {
    let cached = variant.figures.tokens(TokenKind::Cached);
    let (zeros, n) = (cached.zeros, cached.n);
    match mode {
        CacheMode::Bust if n > zeros => problems.push(
            format!(
                "read from a prompt cache although the suite busts them: {} of {n} samples",
                n - zeros
            ),
            Some("most models put `tools` before the system text, where the unique number does not separate them"),
        ),
        CacheMode::Warm if zeros > 0 => problems.push(
            format!("found no hit in the warmed prompt cache: {zeros} of {n} samples"),
            Some("short prompts are not cached, and some models need marks (`caching`, `cache_control`)"),
        ),
        CacheMode::AsIs | CacheMode::Bust | CacheMode::Warm => {}
    }
}

/// Reports cache marks that have no effect, because the suite busts caches.
fn written_unread(problems: &mut ProblemList<'_>, variant: &VariantSummary) {
    let written = variant.figures.tokens(TokenKind::CacheWrite);
    let (wrote, n) = (written.n - written.zeros, written.n);
    if wrote > 0 {
        problems.push(
            format!(
                "wrote to a prompt cache what no request reads, because the suite busts caches: {wrote} of {n} samples"
            ),
            Some("remove the marks and `caching`, or `cache = \"bust\"`"),
        );
    }
}

fn costs(problems: &mut ProblemList<'_>, variant: &VariantSummary) {
    let (counts, money) = (&variant.figures.counts, &variant.figures.money);
    let priced = money.list.n.max(money.market.n);
    if priced < counts.answered {
        let (answered, unknown) = (counts.answered, counts.answered - priced);
        let contradicting = money.contradicting.min(unknown);
        if contradicting > 0 {
            problems.push(
                format!(
                    "the cost of {contradicting} of {answered} answers is not known: their token counts are inconsistent"
                ),
                Some("a declared price does not help: the reported usage is wrong or can be read in several ways"),
            );
        }
        // Those of a service tier are reported with their tier: a declared price would be that of another one.
        let of_tier = counts.flag(Flag::UnpricedTier).min(unknown - contradicting);
        let uncounted = money.uncounted.min(unknown - contradicting - of_tier);
        if uncounted > 0 {
            problems.push(
                format!(
                    "the cost of {uncounted} of {answered} answers is not known: the server did not report their token counts"
                ),
                Some("a declared price does not help: the server must report `usage`"),
            );
        }
        let unpriced = unknown - contradicting - of_tier - uncounted;
        if unpriced > 0 {
            problems.push(
                format!("the cost of {unpriced} of {answered} answers is not known"),
                Some("declare the model's price in bakeoff.toml"),
            );
        }
    }
    problems.push_price_difference(&money.list_and_billed, "was billed");
    problems.push_price_difference(&money.list_and_market, "is the gateway's own list price");
    let surcharges = money.surcharges;
    if surcharges.n > 0 {
        let sum = Figure::Money(surcharges.sum).shown();
        let (n, done) = (surcharges.n, counts.done);
        problems.push(
            format!("surcharges of the gateway beyond the cost of tokens: {sum} on {n} of {done} samples"),
            Some("they are billed, but are in no list price"),
        );
    }
}

impl ProblemList<'_> {
    /// Adds a problem if our list prices and the gateway's amounts differ.
    fn push_price_difference(&mut self, pair: &PairTotal, what: &str) {
        if pair.different == 0 {
            return;
        }
        let (list, gateway) = (Figure::Money(pair.list), Figure::Money(pair.gateway));
        let by = percent_over(pair.gateway, pair.list).unwrap_or_default();
        self.push(
            format!(
                "the cost of {} of {} samples differs: {} by list, {} {what}{by}",
                pair.different,
                pair.n,
                list.shown(),
                gateway.shown(),
            ),
            Some("check the date of the price list, and surcharges"),
        );
    }
}

/// Formats the excess of the first over the second: `, +5.0 %`.
fn percent_over(amount: Usd, base: Usd) -> Option<String> {
    (base > Usd::ZERO).then(|| {
        let percent = (amount.as_f64() / base.as_f64() - 1.0) * 100.0;
        format!(", {percent:+.1} %")
    })
}
