//! The samples of a run as verdicts read them: raw, by variant and prompt.
//!
//! Owns which fields of a sample matter to a verdict, and how time-outs are entered. Must not know the
//! comparisons. Invariant: the order in which samples are added changes nothing.

use std::collections::HashMap;

use crate::record::{FailureKind, Flag, Manifest, Outcome, Sample};
use crate::suite::Metric;
use crate::units::{ModelId, Nanos, Usd};

use super::limit_values::{LimitFold, LimitedQuantity};

/// The number of characters that are stored of a provider's name.
const NAME_CHARS: usize = 100;

/// The samples of one run, by variant and prompt.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Prompts in the order of the suite.
    pub prompts: Vec<PromptKey>,
    /// Variants in the order of the suite.
    pub variants: Vec<VariantEvidence>,
    /// Labels of variants that share a prompt cache.
    pub sharing: Vec<Vec<String>>,
    /// Starts of the parts of a run that was resumed, ascending; empty for a run in one piece.
    pub part_starts: Vec<Nanos>,
    /// Names of providers, sorted; an [`Observation`] stores an index into this list.
    pub providers: Vec<String>,
    /// Values for limits on what observations do not have.
    pub limited: Vec<LimitedQuantity>,
}

/// A prompt and its weight in the traffic.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptKey {
    /// Its id in the suite.
    pub id: String,
    /// Digest of its content; empty where the run has no sample of it.
    pub digest: String,
    /// Weight relative to the other prompts; positive and finite.
    pub weight: f64,
}

/// The observations of one variant.
#[derive(Debug, Clone)]
pub struct VariantEvidence {
    /// The label in reports.
    pub label: String,
    /// The requested model.
    pub model: ModelId,
    /// One list per prompt, in the order of [`Evidence::prompts`]; each in the order of slots.
    pub prompts: Vec<Vec<Observation>>,
}

/// The fields of one sample that matter to a verdict. Times are those of the sample.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about one answer; none excludes another"
)]
pub struct Observation {
    /// Round, from 1.
    pub round: u32,
    /// Slot: observations of one slot were sent at the same moment.
    pub slot: u64,
    /// Send time of the answered (else the last) attempt, since the start of the run.
    pub sent_ns: Nanos,
    /// The outcome of the trial.
    pub outcome: Outcome,
    /// TTFT of the answered attempt; for failed trials only if a token arrived.
    pub ttft_ns: Option<Nanos>,
    /// Time to the first token of the answer, without reasoning.
    pub ttfa_ns: Option<Nanos>,
    /// Time from the first attempt to the first token.
    pub experienced_ttft_ns: Option<Nanos>,
    /// Time to the end of the answer.
    pub latency_ns: Option<Nanos>,
    /// Mean gap between token-bearing chunks.
    pub mean_gap_ns: Option<Nanos>,
    /// Completion tokens per second after the first chunk.
    pub output_rate: Option<f64>,
    /// Completion tokens, reasoning included.
    pub output_tokens: Option<u64>,
    /// Reasoning tokens among them.
    pub reasoning_tokens: Option<u64>,
    /// Characters in the answer.
    pub answer_chars: Option<u64>,
    /// List price: the catalog's, else the gateway's own.
    pub cost: Option<Usd>,
    /// Duration of the longest attempt that was not answered: the trial waited at least that long.
    pub longest_failed_ns: Option<Nanos>,
    /// Excluded from times to a first token: buffered, cold or client-limited.
    pub excluded: bool,
    /// More than one attempt.
    pub retried: bool,
    /// Sent apart from its slot: it is in no pair.
    pub deferred: bool,
    /// True if tokens came from the prompt cache; absent where the server does not report it.
    pub cache_hit: Option<bool>,
    /// Readable reasoning came before the answer.
    pub visible_reasoning: bool,
    /// Reasoning was hidden, summarised or encrypted.
    pub hidden_reasoning: bool,
    /// The provider that answered: an index into [`Evidence::providers`].
    pub provider: Option<u32>,
    /// True if the answer passed its checks; absent where nothing was graded, and of failed trials.
    pub passed: Option<bool>,
}

/// The value of a metric, as a comparison uses it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricValue {
    /// Value in the metric's unit (ns, tokens per second, tokens, pico-dollars); above 0.
    pub value: f64,
    /// True if the actual value is this or more: a deadline passed, or a failed attempt took longer.
    pub censored: bool,
}

impl Observation {
    /// Returns true if the trial was answered to the end.
    pub fn answered(&self) -> bool {
        self.outcome.answered()
    }

    /// Returns true if the trial counts in the share of completed trials: a rate limit says nothing about the
    /// model.
    pub fn counts_toward_completion(&self) -> bool {
        self.outcome.failure() != Some(FailureKind::RateLimit)
    }

    /// The value of a metric on the ratio scale; `None` if this trial has none. A deadline that passed is
    /// entered as the time that had elapsed, so that the slowest requests do not drop out; the same holds for a
    /// failed attempt that took longer than the answered one.
    pub fn value(&self, metric: Metric) -> Option<MetricValue> {
        let plain = |value: f64| {
            (value > 0.0).then_some(MetricValue {
                value,
                censored: false,
            })
        };
        match metric {
            Metric::Ttft | Metric::TtftTail => self.time(self.ttft_ns),
            Metric::Ttfa => self.time(self.ttfa_ns),
            Metric::ExperiencedTtft => self.time(self.experienced_ttft_ns),
            Metric::Latency => self.time(self.latency_ns),
            Metric::InterTokenLatency if self.answered() => plain(self.mean_gap_ns?.0 as f64),
            Metric::OutputRate if self.answered() => plain(self.output_rate?),
            Metric::OutputTokens if self.answered() => plain(self.output_tokens?.max(1) as f64),
            Metric::Cost if self.answered() => plain(self.cost?.0 as f64),
            _ => None,
        }
    }

    /// A time of the answer, or its lower bound where a deadline passed. A time of 0 is a clock error and is
    /// entered as 1 us.
    fn time(&self, span: Option<Nanos>) -> Option<MetricValue> {
        const MIN_NS: u64 = 1_000;
        let waited = self.longest_failed_ns.map_or(0, |span| span.0);
        let (ns, censored) = if self.answered() {
            let ns = span?.0;
            (ns.max(waited), waited > ns)
        } else if self.outcome.failure() == Some(FailureKind::Timeout) {
            // Known only as a lower bound.
            (self.latency_ns?.0.max(waited), true)
        } else {
            return None;
        };
        Some(MetricValue {
            value: ns.max(MIN_NS) as f64,
            censored,
        })
    }
}

impl Evidence {
    /// Index of the part that an instant of the run belongs to.
    pub fn part_at(&self, instant: Nanos) -> usize {
        let begun = self.part_starts.partition_point(|start| *start <= instant);
        begun.saturating_sub(1)
    }

    /// The variant with this label.
    pub fn variant(&self, label: &str) -> Option<&VariantEvidence> {
        self.variants.iter().find(|variant| variant.label == label)
    }
}

/// A fold that builds the evidence from a manifest and its samples.
pub struct EvidenceFold {
    evidence: Evidence,
    variant_indices: HashMap<String, usize>,
    prompt_indices: HashMap<String, usize>,
    provider_indices: HashMap<String, u32>,
    limits: LimitFold,
}

impl EvidenceFold {
    /// An empty fold for the variants and prompts of this run.
    pub fn new(manifest: &Manifest) -> Self {
        let suite = &manifest.suite;
        let prompts: Vec<PromptKey> = suite
            .prompts
            .iter()
            .map(|prompt| PromptKey {
                id: prompt.id.clone(),
                digest: String::new(),
                weight: prompt.weight,
            })
            .collect();
        let variants: Vec<VariantEvidence> = suite
            .variants
            .iter()
            .map(|variant| VariantEvidence {
                label: variant.label.clone(),
                model: variant.model.clone(),
                prompts: vec![Vec::new(); prompts.len()],
            })
            .collect();
        Self {
            variant_indices: index_by_name(variants.iter().map(|variant| &variant.label)),
            prompt_indices: index_by_name(prompts.iter().map(|prompt| &prompt.id)),
            provider_indices: HashMap::new(),
            evidence: Evidence {
                prompts,
                variants,
                sharing: (suite.shared_caches().into_iter())
                    .map(|(_, labels)| labels.into_iter().map(str::to_owned).collect())
                    .collect(),
                part_starts: manifest.parts.iter().map(|part| part.start_ns).collect(),
                providers: Vec::new(),
                limited: Vec::new(),
            },
            limits: LimitFold::new(manifest),
        }
    }

    /// Adds a sample; one that the manifest does not name is skipped (the summary counts it), and so is an
    /// abandoned one, which ended with the run and says nothing of its model.
    pub fn add(&mut self, sample: &Sample) {
        if sample.outcome.is_abandoned() {
            return;
        }
        let variant = self.variant_indices.get(&sample.variant);
        let prompt = self.prompt_indices.get(&sample.prompt);
        let (Some(&variant), Some(&prompt)) = (variant, prompt) else {
            return;
        };
        let provider = sample.provider.as_deref().map(|name| self.provider(name));
        let key = &mut self.evidence.prompts[prompt];
        if key.digest.is_empty() {
            key.digest.clone_from(&sample.prompt_digest);
        }
        let observed = observation(sample, provider);
        self.evidence.variants[variant].prompts[prompt].push(observed);
        self.limits.add(sample, variant, prompt);
    }

    fn provider(&mut self, name: &str) -> u32 {
        let name: String = name.chars().take(NAME_CHARS).collect();
        if let Some(&index) = self.provider_indices.get(&name) {
            return index;
        }
        let names = &mut self.evidence.providers;
        let index = u32::try_from(names.len()).unwrap_or(u32::MAX);
        names.push(name.clone());
        self.provider_indices.insert(name, index);
        index
    }

    /// The evidence so far, independent of the order of samples; more samples can be added afterwards.
    pub fn snapshot(&self) -> Evidence {
        let mut evidence = self.evidence.clone();
        evidence.limited.clone_from(&self.limits.limited);
        in_order(evidence)
    }

    /// The evidence of everything that was added, independent of the order of samples.
    pub fn finish(self) -> Evidence {
        let mut evidence = self.evidence;
        evidence.limited = self.limits.limited;
        in_order(evidence)
    }
}

/// The evidence with its observations in the order of slots, and its providers in that of their names.
fn in_order(mut evidence: Evidence) -> Evidence {
    let mut sorted: Vec<usize> = (0..evidence.providers.len()).collect();
    sorted.sort_unstable_by_key(|&index| &evidence.providers[index]);
    let mut rank = vec![0; sorted.len()];
    for (new, &old) in (0..).zip(&sorted) {
        rank[old] = new;
    }
    evidence.providers.sort_unstable();
    for observations in evidence.variants.iter_mut().flat_map(|v| &mut v.prompts) {
        observations.sort_by_key(|observed| (observed.slot, observed.sent_ns));
        for observed in observations {
            observed.provider = observed.provider.map(|old| rank[old as usize]);
        }
    }
    evidence
}

fn index_by_name<'a>(names: impl Iterator<Item = &'a String>) -> HashMap<String, usize> {
    names
        .enumerate()
        .map(|(index, name)| (name.clone(), index))
        .collect()
}

fn observation(sample: &Sample, provider: Option<u32>) -> Observation {
    let failed = sample.attempts.iter().rev().skip(1);
    let usage = sample.known_usage().unwrap_or_default();
    Observation {
        round: sample.round,
        slot: sample.slot,
        sent_ns: sample.sent_ns,
        outcome: sample.outcome,
        ttft_ns: sample.ttft_ns,
        ttfa_ns: sample.ttfa_ns,
        experienced_ttft_ns: sample.experienced_ttft_ns,
        latency_ns: sample.latency_ns,
        mean_gap_ns: sample.gaps.as_ref().and_then(|gaps| gaps.mean_ns),
        output_rate: sample.output_rate(),
        output_tokens: usage.completion_tokens,
        reasoning_tokens: usage.reasoning_tokens,
        answer_chars: sample.answer_chars,
        cost: sample.list_price(),
        longest_failed_ns: failed
            .map(|attempt| attempt.end_ns.since(attempt.sent_ns))
            .max(),
        excluded: sample.flags.iter().any(|flag| flag.is_excluding()),
        retried: sample.attempts.len() > 1,
        deferred: sample.has(Flag::Deferred),
        cache_hit: usage.cached_tokens.map(|tokens| tokens > 0),
        visible_reasoning: sample.reasoning_chars.unwrap_or(0) > 0,
        hidden_reasoning: sample.has(Flag::HiddenReasoning),
        provider,
        passed: sample.passed(),
    }
}
