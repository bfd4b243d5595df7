//! The conversion of a run into a line of history.
//!
//! Owns which figures of a run are stored for later comparisons. Must not know what they will be compared with.
//! Invariant: the order of samples changes nothing, and the result has no text of prompts or answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use crate::record::{
    AnswerMix, Conditions, HistoryPrompt, HistoryRun, HistoryVariant, Level, Manifest,
    MetricLevels, digest,
};
use crate::stats::{drift, history};
use crate::suite::{LoadStage, Metric, Suite, Variant};
use crate::units::Nanos;

use super::super::evidence::{Evidence, PromptKey, VariantEvidence};
use super::super::observation::Observation;

/// The digests of the prompts of a suite, which a history knows them by. They are computed from the turns, which may be
/// released afterwards.
#[derive(Debug, Clone)]
pub struct PromptDigests(Vec<PromptDigest>);

/// The digests of one prompt.
#[derive(Debug, Clone)]
struct PromptDigest {
    /// Of its system text and messages.
    text: Arc<str>,
    /// Of its parameters.
    parameters: Arc<str>,
}

impl PromptDigests {
    /// Computes the digests of the prompts of a suite.
    pub fn new(suite: &Suite) -> Self {
        let mut last: Option<Arc<str>> = None;
        let prompts = suite.prompts.iter().map(|prompt| {
            let text = digest_of(json!({
                "system": prompt.system.as_ref().or(suite.system.as_ref()),
                "messages": prompt.messages,
            }));
            let parameters = digest_of(json!(prompt.parameters.over(&suite.parameters)));
            // Most prompts have those of the one before.
            let parameters = match &last {
                Some(last) if **last == *parameters => Arc::clone(last),
                _ => Arc::clone(last.insert(parameters.into())),
            };
            PromptDigest {
                text: text.into(),
                parameters,
            }
        });
        Self(prompts.collect())
    }
}

/// Condenses a run into the form that a history stores.
pub fn to_history_run(manifest: &Manifest, evidence: &Evidence) -> HistoryRun {
    condense_run(manifest, &PromptDigests::new(&manifest.suite), evidence)
}

/// [`to_history_run`] with the digests of the prompts, whose turns may have been released.
pub fn condense_run(
    manifest: &Manifest,
    digests: &PromptDigests,
    evidence: &Evidence,
) -> HistoryRun {
    let suite = &manifest.suite;
    HistoryRun {
        run: manifest.run.clone(),
        suite: suite.name.clone(),
        started_at: manifest.started_at,
        tool: manifest.tool.clone(),
        conditions: Conditions {
            endpoint: manifest.endpoint.name.clone(),
            concurrency: suite.concurrency,
            slot_size: u32::try_from(suite.variants.len()).unwrap_or(u32::MAX),
            stream: suite.stream,
            environment: manifest.environment.clone(),
            clock: manifest.clock,
            load: load_digest(suite),
        },
        variants: suite
            .variants
            .iter()
            .filter_map(|variant| {
                let variant_evidence = evidence.variant(&variant.label)?;
                Some(variant_entry(variant, digests, evidence, variant_evidence))
            })
            .collect(),
    }
}

/// The digest of the stages of a load; `None` for a plan that is sent as places get free.
fn load_digest(suite: &Suite) -> Option<String> {
    let load = suite.staged_load()?;
    let mut stages = load.stages.clone();
    for stage in &mut stages {
        if let LoadStage::Concurrency(stage) = stage {
            // An expectation changes with what is known of the models, and no request with it.
            stage.expected_requests = None;
        }
    }
    let stages = serde_json::to_vec(&stages).expect("stages are always JSON");
    Some(digest(&stages))
}

fn variant_entry(
    variant: &Variant,
    digests: &PromptDigests,
    evidence: &Evidence,
    variant_evidence: &VariantEvidence,
) -> HistoryVariant {
    let providers = providers(evidence, variant_evidence);
    let mut prompts: Vec<HistoryPrompt> = digests
        .0
        .iter()
        .zip(&evidence.prompts)
        .zip(&variant_evidence.prompts)
        // A prompt without a sample has nothing to store.
        .filter(|((_, key), _)| !key.digest.is_empty())
        .map(|((digest, key), observations)| HistoryPrompt {
            levels_by_provider: levels_by_provider(evidence, &providers, observations),
            ..history_prompt(digest, key, observations)
        })
        .collect();
    prompts.shrink_to_fit();
    HistoryVariant {
        label: variant.label.clone(),
        model: variant.model.clone(),
        overrides: digest_of(json!({
            "system": variant.system,
            "parameters": variant.parameters,
        })),
        providers,
        drifted: drifted(evidence, variant_evidence),
        mix: mix(variant_evidence),
        spliced: None,
        prompts,
    }
}

/// Digest of a value as JSON with sorted keys.
fn digest_of(mut value: serde_json::Value) -> String {
    value.sort_all_objects();
    digest(value.to_string().as_bytes())
}

fn providers(evidence: &Evidence, variant_evidence: &VariantEvidence) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for observed in variant_evidence
        .prompts
        .iter()
        .flatten()
        .filter(|o| o.answered())
    {
        if let Some(name) = provider_name(evidence, observed) {
            *counts.entry(name.to_owned()).or_insert(0) += 1;
        }
    }
    counts
}

fn provider_name<'a>(evidence: &'a Evidence, observed: &Observation) -> Option<&'a str> {
    let index = usize::try_from(observed.provider.get()?).ok()?;
    evidence.providers.get(index).map(String::as_str)
}

/// The levels of a prompt within the answers of each provider; empty where `providers` of the variant has only one,
/// whose levels are all.
fn levels_by_provider(
    evidence: &Evidence,
    providers: &BTreeMap<String, u64>,
    observations: &[Observation],
) -> BTreeMap<String, MetricLevels> {
    let several = providers.keys().filter(|_| providers.len() > 1);
    let levels = several.map(|name| {
        let of_name = |one: &&Observation| provider_name(evidence, one) == Some(name);
        let answers: Vec<&Observation> = observations.iter().filter(of_name).collect();
        (name.clone(), levels(&answers))
    });
    levels.filter(|(_, levels)| !levels.is_empty()).collect()
}

fn mix(variant_evidence: &VariantEvidence) -> AnswerMix {
    let mut mix = AnswerMix::default();
    for observed in variant_evidence
        .prompts
        .iter()
        .flatten()
        .filter(|o| o.answered())
    {
        mix.answered += 1;
        mix.excluded += u64::from(observed.excluded);
        mix.retried += u64::from(observed.retried);
        mix.reasoned += u64::from(observed.visible_reasoning);
        mix.cache_reported += u64::from(observed.cache_hit.is_some());
        mix.cache_hits += u64::from(observed.cache_hit == Some(true));
    }
    mix
}

/// Returns true if the TTFT (or the latency, if nothing was streamed) drifted during the run, or during a part of it.
fn drifted(evidence: &Evidence, variant_evidence: &VariantEvidence) -> bool {
    let in_time_order = |metric: Metric| {
        let mut values: Vec<(u64, usize, f64)> = Vec::new();
        for (prompt, observations) in variant_evidence.prompts.iter().enumerate() {
            for observed in observations.iter().filter(|o| is_included(o, metric)) {
                if let Some(value) = observed.value(metric) {
                    values.push((observed.sent_ns.0, prompt, value.value.ln()));
                }
            }
        }
        values.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2)));
        let part_at = |sent_ns: u64| evidence.part_at(Nanos(sent_ns));
        let parts = values.chunk_by(|one, next| part_at(one.0) == part_at(next.0));
        let logs = parts.map(|part| part.iter().map(|&(_, prompt, log)| (prompt, log)).collect());
        logs.collect::<Vec<Vec<(usize, f64)>>>()
    };
    let streamed = variant_evidence
        .prompts
        .iter()
        .flatten()
        .any(|o| o.ttft_ns.get().is_some());
    let metric = if streamed {
        Metric::Ttft
    } else {
        Metric::Latency
    };
    let mut parts = in_time_order(metric).into_iter();
    parts.any(|part| drift::check(&part).is_some_and(|drift| drift.warns()))
}

/// Returns true if an observation counts for the level of a metric: excluded samples have a first token that is
/// not the model's, but valid latency, tokens and cost.
fn is_included(observed: &Observation, metric: Metric) -> bool {
    let to_first_token = matches!(
        metric,
        Metric::Ttft | Metric::Ttfa | Metric::ExperiencedTtft
    );
    !(observed.excluded && to_first_token)
}

fn history_prompt(
    digest: &PromptDigest,
    key: &PromptKey,
    observations: &[Observation],
) -> HistoryPrompt {
    let count = |holds: &dyn Fn(&Observation) -> bool| {
        let counted = observations.iter().filter(|observed| holds(observed));
        u32::try_from(counted.count()).unwrap_or(u32::MAX)
    };
    HistoryPrompt {
        prompt: Arc::clone(&key.id),
        digest: Arc::clone(&key.digest),
        text: Arc::clone(&digest.text),
        parameters: Arc::clone(&digest.parameters),
        trials: count(&Observation::counts_toward_completion),
        completed: count(&Observation::answered),
        graded: count(&|observed| observed.passed.is_some()),
        passed: count(&|observed| observed.passed == Some(true)),
        levels: levels(&observations.iter().collect::<Vec<_>>()),
        levels_by_provider: BTreeMap::new(),
    }
}

fn levels(observations: &[&Observation]) -> MetricLevels {
    let metrics = Metric::ALL.into_iter();
    metrics
        // The tail is a share beyond a common threshold, which a level does not contain.
        .filter(|metric| *metric != Metric::TtftTail)
        .filter_map(|metric| Some((metric, level(metric, observations)?)))
        .collect()
}

/// The level of a metric: robust for times and rates; the mean for money and tokens, which are summed in the
/// end.
fn level(metric: Metric, observations: &[&Observation]) -> Option<Level> {
    let entering = observations.iter().filter(|o| is_included(o, metric));
    let mut values: Vec<f64> = entering
        .filter_map(|observed| Some(observed.value(metric)?.value))
        .collect();
    values.sort_unstable_by(f64::total_cmp);
    let ln = if matches!(metric, Metric::Cost | Metric::OutputTokens) {
        (values.iter().sum::<f64>() / values.len() as f64).ln()
    } else {
        history::level(&values.iter().map(|value| value.ln()).collect::<Vec<_>>())?
    };
    let n = u32::try_from(values.len()).unwrap_or(u32::MAX);
    ln.is_finite().then_some(Level { ln, n })
}
