//! What went wrong: everything a reader must know before trusting the table, with its remedy.
//!
//! Owns which conditions are told and how they are called. Must not know how they are written.
//! Invariant: a condition that spoils a comparison is never told by a mark alone.

use crate::record::{Failure, Flag, Manifest};
use crate::suite::CacheMode;
use crate::units::Usd;
use crate::verdict::{PairTotal, RunSummary, TokenKind, VariantSummary};

use super::figure::{Figure, Thousandths};
use super::finding::Clock;

/// Most names of providers or models told in one sentence: the rest is counted.
const NAMES_SHOWN: usize = 5;

/// One thing that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Problem {
    /// The variant, or `run`.
    pub subject: String,
    /// What happened, with its count.
    pub text: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<&'static str>,
}

/// Everything that went wrong, of the run and then of each variant.
pub(super) fn problems(manifest: &Manifest, summary: &RunSummary) -> Vec<Problem> {
    let mut all = of_run(manifest, summary);
    for (variant, asked) in summary.variants.iter().zip(&manifest.suite.variants) {
        let mut told = Told {
            subject: &variant.label,
            all: &mut all,
        };
        failures(&mut told, variant);
        comparability(&mut told, variant);
        measurement(&mut told, variant);
        answers(&mut told, variant);
        caches(&mut told, manifest.suite.cache_of(asked), variant);
        if manifest.suite.writes_unread(asked) {
            written_unread(&mut told, variant);
        }
        costs(&mut told, variant);
    }
    all
}

/// Where the problems of one variant go.
struct Told<'a> {
    subject: &'a str,
    all: &'a mut Vec<Problem>,
}

impl Told<'_> {
    fn tell(&mut self, text: String, remedy: Option<&'static str>) {
        self.all.push(Problem {
            subject: self.subject.to_owned(),
            text,
            remedy,
        });
    }

    /// Tells of the samples with a flag, where there are any.
    fn tell_flag(
        &mut self,
        variant: &VariantSummary,
        flag: Flag,
        text: &str,
        remedy: Option<&'static str>,
    ) {
        let counts = &variant.figures.counts;
        let (count, done) = (counts.flag(flag), counts.done);
        if count > 0 {
            self.tell(format!("{text}: {count} of {done} samples"), remedy);
        }
    }
}

fn of_run(manifest: &Manifest, summary: &RunSummary) -> Vec<Problem> {
    let mut all = Vec::new();
    let mut told = Told {
        subject: "run",
        all: &mut all,
    };
    let done: u64 = summary.variants.iter().map(|v| v.figures.counts.done).sum();
    let missing = manifest.planned_trials.saturating_sub(done);
    if missing > 0 {
        let planned = manifest.planned_trials;
        told.tell(
            format!("without a sample: {missing} of {planned} planned trials"),
            None,
        );
    }
    if summary.lost_lines > 0 {
        let lost = summary.lost_lines;
        told.tell(
            format!("not readable in samples.jsonl, in no figure: {lost} lines"),
            None,
        );
    }
    if summary.torn_past > 0 {
        let torn = summary.torn_past;
        told.tell(
            format!("cut off in past.jsonl, so that the run is not judged by all of its past: {torn} lines"),
            Some("bring the file back from a copy"),
        );
    }
    if summary.strays > 0 {
        let strays = summary.strays;
        told.tell(
            format!("of a variant or prompt that the manifest does not name, in no figure: {strays} samples"),
            None,
        );
    }
    if Clock::of(summary) == Clock::Ttfa {
        told.tell(
            "some variants stream their reasoning and others do not: their TTFTs are times to \
             different things"
                .to_owned(),
            Some("compare TTFA, the time to the first token of the answer"),
        );
    }
    shared_caches(&mut told, manifest, summary);
    all
}

/// Variants of one model, unless the servers say that no cache held anything.
fn shared_caches(told: &mut Told<'_>, manifest: &Manifest, summary: &RunSummary) {
    for (model, labels) in manifest.suite.shared_caches() {
        let variants = summary.variants.iter();
        let read_nothing = variants
            .filter(|variant| labels.contains(&variant.label.as_str()))
            .map(|variant| variant.figures.tokens(TokenKind::Cached))
            .all(|cached| cached.n > 0 && cached.zeros == cached.n);
        if !read_nothing {
            let count = labels.len();
            told.tell(
                format!(
                    "{count} variants ask `{model}` and share its prompt cache: in a slot one can read \
                     what another wrote"
                ),
                Some("set `cache = \"bust\"` in the suite"),
            );
        }
    }
}

fn failures(told: &mut Told<'_>, variant: &VariantSummary) {
    let counts = &variant.figures.counts;
    let failed = counts.failed();
    if failed > 0 {
        let classes: Vec<String> = Failure::ALL
            .into_iter()
            .filter(|&class| counts.failure(class) > 0)
            .map(|class| format!("{} {}", counts.failure(class), class.word()))
            .collect();
        let timeouts = counts.failure(Failure::Timeout) > 0;
        told.tell(
            format!(
                "{failed} of {} trials failed: {}",
                counts.done,
                classes.join(", ")
            ),
            timeouts.then_some(
                "a timed-out trial has no time in this table: read its variant's times as too good",
            ),
        );
    }
    if counts.retried > 0 {
        let (retried, done) = (counts.retried, counts.done);
        let text = format!("took more than one attempt: {retried} of {done} trials");
        told.tell(
            text,
            Some("experienced TTFT in comparison.csv counts the waiting"),
        );
    }
}

fn comparability(told: &mut Told<'_>, variant: &VariantSummary) {
    let served = names(&variant.served_models);
    let providers = names(&variant.providers);
    let by = match (served.is_empty(), providers.is_empty()) {
        (false, _) => format!(" (models: {served})"),
        (true, false) => format!(" (providers: {providers})"),
        (true, true) => String::new(),
    };
    told.tell_flag(
        variant,
        Flag::Fallback,
        &format!("answered by another provider or model than the first choice{by}, which spoils the comparison"),
        Some("pin the provider in the variant's provider_options"),
    );
    match variant.alias() {
        Some(alias) => told.tell(
            format!("every answer names the model `{alias}`, taken for another name of the same"),
            None,
        ),
        None => told.tell_flag(
            variant,
            Flag::OtherModel,
            &format!("named another model than the one asked for{by}, which spoils the comparison"),
            Some("ask for one of these by its own id"),
        ),
    }
    told.tell_flag(
        variant,
        Flag::Buffered,
        "buffered (all in one burst), set aside from TTFT",
        Some("look for a buffering proxy on the way"),
    );
    told.tell_flag(
        variant,
        Flag::Cold,
        "cold (the server had closed the connection, or a retry came), set aside from TTFT",
        None,
    );
    told.tell_flag(
        variant,
        Flag::ClientLimited,
        "client-limited (held up by this machine), set aside from TTFT",
        Some("lower concurrency, or run on a quieter machine"),
    );
    told.tell_flag(
        variant,
        Flag::HiddenReasoning,
        "reasoning hidden, summarised or encrypted, so without an output rate",
        None,
    );
}

/// `a 28, b 4`: the most frequent names with their counts.
fn names(counted: &std::collections::BTreeMap<String, u64>) -> String {
    let mut sorted: Vec<(&String, &u64)> = counted.iter().collect();
    sorted.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), (*name).clone()));
    let shown = sorted.iter().take(NAMES_SHOWN);
    let mut parts: Vec<String> = shown
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    if sorted.len() > NAMES_SHOWN {
        parts.push(format!("{} more", sorted.len() - NAMES_SHOWN));
    }
    parts.join(", ")
}

fn measurement(told: &mut Told<'_>, variant: &VariantSummary) {
    if let Some(share) = variant.delayed_ack_share.and_then(Thousandths::new) {
        let share = Figure::Share(share).shown();
        told.tell(
            format!("{share} of TTFTs lie near 40 ms: likely the server's delayed acknowledgement, not the model"),
            Some("the server should set TCP_NODELAY"),
        );
    }
    let gaps = &variant.gaps;
    if gaps.out_of_range > 0 {
        let count = gaps.out_of_range;
        let text = format!("below 1 us or above 1 h, in no gap percentile: {count} gaps");
        told.tell(text, None);
    }
    if gaps.unreadable > 0 {
        let count = gaps.unreadable;
        told.tell(
            format!("gap histogram not readable, in no gap figure: {count} samples"),
            Some("samples.jsonl is damaged"),
        );
    }
    told.tell_flag(
        variant,
        Flag::Compressed,
        "compressed although identity was asked for, so chunk times are the decoder's too",
        None,
    );
}

fn answers(told: &mut Told<'_>, variant: &VariantSummary) {
    let counts = &variant.figures.counts;
    told.tell_flag(
        variant,
        Flag::EatenByReasoning,
        "answer empty because reasoning used up the token limit",
        Some("raise max_tokens, or lower reasoning_effort"),
    );
    let cut = counts
        .outcome(crate::record::Outcome::Length)
        .saturating_sub(counts.flag(Flag::EatenByReasoning));
    if cut > 0 {
        let done = counts.done;
        let text = format!("ended by the token limit: {cut} of {done} samples");
        told.tell(text, Some("raise max_tokens where whole answers matter"));
    }
    told.tell_flag(
        variant,
        Flag::ThinkTags,
        "<think> text in the answer, counted as answer",
        None,
    );
    told.tell_flag(
        variant,
        Flag::UsageMismatch,
        "token counts that do not add up",
        None,
    );
    told.tell_flag(
        variant,
        Flag::UsageImpossible,
        "token counts that cannot be true: they have no cost and no rate",
        Some("check what the server reports as usage"),
    );
    told.tell_flag(
        variant,
        Flag::UsageAmbiguous,
        "token counts that can be read in several ways: they have no cost and no rate",
        None,
    );
}

/// Caches that did not do what the suite wanted of them.
fn caches(told: &mut Told<'_>, mode: CacheMode, variant: &VariantSummary) {
    let cached = variant.figures.tokens(TokenKind::Cached);
    let (zeros, n) = (cached.zeros, cached.n);
    match mode {
        CacheMode::Bust if n > zeros => told.tell(
            format!(
                "read from a prompt cache although the suite busts them: {} of {n} samples",
                n - zeros
            ),
            Some("most models put `tools` before the system text, where no number keeps them apart"),
        ),
        CacheMode::Warm if zeros > 0 => told.tell(
            format!("found nothing in the prompt cache that was warmed: {zeros} of {n} samples"),
            Some("short prompts are not cached, and some models want marks (`caching`, `cache_control`)"),
        ),
        CacheMode::AsIs | CacheMode::Bust | CacheMode::Warm => {}
    }
}

/// Marks for caches in which, these being busted, nobody finds anything.
fn written_unread(told: &mut Told<'_>, variant: &VariantSummary) {
    let written = variant.figures.tokens(TokenKind::CacheWrite);
    let (wrote, n) = (written.n - written.zeros, written.n);
    if wrote > 0 {
        told.tell(
            format!(
                "wrote to a prompt cache what nobody reads, because the suite busts caches: {wrote} of {n} samples"
            ),
            Some("leave out the marks and `caching`, or `cache = \"bust\"`"),
        );
    }
}

fn costs(told: &mut Told<'_>, variant: &VariantSummary) {
    let (counts, money) = (&variant.figures.counts, &variant.figures.money);
    let priced = money.list.n.max(money.market.n);
    if priced < counts.answered {
        let (answered, unknown) = (counts.answered, counts.answered - priced);
        let contradicting = money.contradicting.min(unknown);
        if contradicting > 0 {
            told.tell(
                format!(
                    "the cost of {contradicting} of {answered} answers is not known: their token counts contradict each \
                     other or cannot be true"
                ),
                Some("a declared price does not help: the reported usage is wrong or can be read in several ways"),
            );
        }
        if unknown > contradicting {
            let unpriced = unknown - contradicting;
            told.tell(
                format!("the cost of {unpriced} of {answered} answers is not known"),
                Some("declare the model's price in bakeoff.toml"),
            );
        }
    }
    told.tell_pair(&money.list_and_billed, "was billed");
    told.tell_pair(&money.list_and_market, "is the gateway's own list price");
    let surcharges = money.surcharges;
    if surcharges.n > 0 {
        let sum = Figure::Money(surcharges.sum).shown();
        let (n, done) = (surcharges.n, counts.done);
        told.tell(
            format!("surcharges of the gateway on top of what tokens cost: {sum} on {n} of {done} samples"),
            Some("they are billed, and in no list price"),
        );
    }
    if money.free_of_charge > 0 {
        let (free, done) = (money.free_of_charge, counts.done);
        let text = format!("billed $0 (own keys), so bills say nothing: {free} of {done} samples");
        told.tell(text, None);
    }
}

impl Told<'_> {
    /// Tells of a difference between our list prices and what the gateway says.
    fn tell_pair(&mut self, pair: &PairTotal, what: &str) {
        if pair.different == 0 {
            return;
        }
        let (list, gateway) = (Figure::Money(pair.list), Figure::Money(pair.gateway));
        let by = percent_over(pair.gateway, pair.list).unwrap_or_default();
        self.tell(
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

/// `, +5.0 %` of the first over the second.
fn percent_over(amount: Usd, base: Usd) -> Option<String> {
    (base > Usd::ZERO).then(|| {
        let percent = (amount.as_f64() / base.as_f64() - 1.0) * 100.0;
        format!(", {percent:+.1} %")
    })
}
