//! What verdicts read: the samples of a run, kept raw, side by side.
//!
//! Owns what of a sample can bear on a verdict, and how time-outs are entered. Must not know what is
//! compared. Invariant: the order in which samples are added changes nothing.

use std::collections::HashMap;

use crate::record::{Failure, Flag, Manifest, Outcome, Sample};
use crate::suite::Metric;
use crate::units::{ModelId, Nanos, Usd};

/// Most characters kept of a provider's name.
const NAME_CHARS: usize = 100;

/// The samples of one run, by variant and prompt.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// In the order of the suite.
    pub prompts: Vec<PromptKey>,
    /// In the order of the suite.
    pub variants: Vec<VariantEvidence>,
    /// Labels of variants that can find in a prompt cache what another of them left there.
    pub sharing: Vec<Vec<String>>,
    /// Names of providers, sorted; an [`Observation`] holds a place in this list.
    pub providers: Vec<String>,
}

/// Which prompt, and how much of the traffic looks like it.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptKey {
    /// Its id in the suite.
    pub id: String,
    /// Digest of what it asks; empty where the run holds no sample of it.
    pub digest: String,
    /// Relative to the other prompts; positive and finite.
    pub weight: f64,
}

/// What one variant answered.
#[derive(Debug, Clone)]
pub struct VariantEvidence {
    /// How reports call it.
    pub label: String,
    /// The model asked for.
    pub model: ModelId,
    /// One list a prompt, in the order of [`Evidence::prompts`]; each in the order of slots.
    pub prompts: Vec<Vec<Observation>>,
}

/// What of one sample can bear on a verdict. Spans are those of the sample.
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
    /// When the answered (else the last) attempt was sent, since the run began.
    pub sent_ns: Nanos,
    /// How the trial ended.
    pub outcome: Outcome,
    /// TTFT of the answered attempt; of failed trials only where a token came.
    pub ttft_ns: Option<Nanos>,
    /// The same without reasoning.
    pub ttfa_ns: Option<Nanos>,
    /// From the first attempt to the first token.
    pub experienced_ttft_ns: Option<Nanos>,
    /// To the end.
    pub latency_ns: Option<Nanos>,
    /// Mean gap between token-bearing chunks.
    pub mean_gap_ns: Option<Nanos>,
    /// Completion tokens a second after the first chunk.
    pub output_rate: Option<f64>,
    /// Completion tokens, reasoning included.
    pub output_tokens: Option<u64>,
    /// Of these: reasoning.
    pub reasoning_tokens: Option<u64>,
    /// Characters of the answer.
    pub answer_chars: Option<u64>,
    /// List price: the catalogue's, else the gateway's own.
    pub cost: Option<Usd>,
    /// Longest attempt that was not the answered one; a trial waited at least so long.
    pub longest_failed_ns: Option<Nanos>,
    /// Buffered, cold or client-limited.
    pub set_aside: bool,
    /// More than one attempt.
    pub retried: bool,
    /// Whether tokens came from the prompt cache; absent where the server does not say.
    pub cache_hit: Option<bool>,
    /// Readable reasoning came before the answer.
    pub visible_reasoning: bool,
    /// Reasoning was hidden, summarised or encrypted.
    pub hidden_reasoning: bool,
    /// Who answered: a place in [`Evidence::providers`].
    pub provider: Option<u32>,
    /// Whether every check passed; absent where nothing was graded.
    pub passed: Option<bool>,
}

/// A value of a metric, as a comparison enters it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Value {
    /// In the metric's unit (ns, tokens a second, tokens, pico-dollars); above 0.
    pub value: f64,
    /// The true value is this or more: a deadline passed, or a failed attempt took longer.
    pub censored: bool,
}

impl Observation {
    /// Whether the trial was answered to the end.
    pub fn answered(&self) -> bool {
        self.outcome.answered()
    }

    /// Whether the trial counts for the share of completed trials: a rate limit says nothing of the
    /// model.
    pub fn counts_as_asked(&self) -> bool {
        self.outcome.failure() != Some(Failure::RateLimit)
    }

    /// The value of a metric on the ratio scale; `None` where this trial has none. Deadlines that passed
    /// are entered as the time that had passed, so that the slowest do not drop out; so is a failed attempt
    /// that took longer than the answered one.
    pub fn value(&self, metric: Metric) -> Option<Value> {
        let plain = |value: f64| {
            (value > 0.0).then_some(Value {
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
            Metric::Cost => plain(self.cost?.0 as f64),
            _ => None,
        }
    }

    /// A time of the answer, or what is known of it where a deadline passed. A time of 0 is a fault of a
    /// clock: it is entered as 1 us.
    fn time(&self, span: Option<Nanos>) -> Option<Value> {
        const LEAST_NS: u64 = 1_000;
        let waited = self.longest_failed_ns.map_or(0, |span| span.0);
        let (ns, censored) = if self.answered() {
            let ns = span?.0;
            (ns.max(waited), waited > ns)
        } else if self.outcome.failure() == Some(Failure::Timeout) {
            // Known only to have lasted so long.
            (self.latency_ns?.0.max(waited), true)
        } else {
            return None;
        };
        Some(Value {
            value: ns.max(LEAST_NS) as f64,
            censored,
        })
    }
}

impl Evidence {
    /// The variant of this label.
    pub fn variant(&self, label: &str) -> Option<&VariantEvidence> {
        self.variants.iter().find(|variant| variant.label == label)
    }
}

/// The fold that makes it: from a manifest, fed with samples.
pub struct EvidenceFold {
    evidence: Evidence,
    variant_places: HashMap<String, usize>,
    prompt_places: HashMap<String, usize>,
    provider_places: HashMap<String, u32>,
}

impl EvidenceFold {
    /// An empty one for the variants and prompts of this run.
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
            variant_places: places(variants.iter().map(|variant| &variant.label)),
            prompt_places: places(prompts.iter().map(|prompt| &prompt.id)),
            provider_places: HashMap::new(),
            evidence: Evidence {
                prompts,
                variants,
                sharing: (suite.shared_caches().into_iter())
                    .map(|(_, labels)| labels.into_iter().map(str::to_owned).collect())
                    .collect(),
                providers: Vec::new(),
            },
        }
    }

    /// Adds a sample; one that the manifest does not name is left out (the summary counts it).
    pub fn add(&mut self, sample: &Sample) {
        let variant = self.variant_places.get(&sample.variant);
        let prompt = self.prompt_places.get(&sample.prompt);
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
    }

    fn provider(&mut self, name: &str) -> u32 {
        let name: String = name.chars().take(NAME_CHARS).collect();
        if let Some(&place) = self.provider_places.get(&name) {
            return place;
        }
        let names = &mut self.evidence.providers;
        let place = u32::try_from(names.len()).unwrap_or(u32::MAX);
        names.push(name.clone());
        self.provider_places.insert(name, place);
        place
    }

    /// Everything that was added so far, in one order for every order; the fold goes on.
    pub fn snapshot(&self) -> Evidence {
        let mut evidence = self.evidence.clone();
        let mut sorted: Vec<usize> = (0..evidence.providers.len()).collect();
        sorted.sort_unstable_by_key(|&place| &self.evidence.providers[place]);
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
}

fn places<'a>(names: impl Iterator<Item = &'a String>) -> HashMap<String, usize> {
    names
        .enumerate()
        .map(|(place, name)| (name.clone(), place))
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
        set_aside: sample.flags.iter().any(|flag| flag.sets_aside()),
        retried: sample.attempts.len() > 1,
        cache_hit: usage.cached_tokens.map(|tokens| tokens > 0),
        visible_reasoning: sample.reasoning_chars.unwrap_or(0) > 0,
        hidden_reasoning: sample.has(Flag::HiddenReasoning),
        provider,
        passed: (!sample.scores.is_empty())
            .then(|| sample.scores.values().all(|&score| score >= 1.0)),
    }
}
