//! The effects of a judgement's comparisons on each prompt, as rows of a table.
//!
//! Owns the order of the rows. Must not know formats. Invariant: a row is made when it is written, because many prompts,
//! candidates and metrics make many.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use super::figure::Figure;
use super::table::FigureRow;
use super::wording;
use crate::suite::{Metric, Scale};
use crate::verdict::{EffectByPrompt, Judgement};

/// The effects on each prompt: one row per prompt and candidate, prompts in the order in which comparisons have them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PromptEffects(Vec<ComparisonEffects>);

/// The effects of one comparison.
#[derive(Debug, Clone, PartialEq)]
struct ComparisonEffects {
    candidate: String,
    metric: Metric,
    primary: bool,
    per_prompt: EffectByPrompt,
}

impl PromptEffects {
    /// The effects of the comparisons of a judgement, which it shares.
    pub(super) fn new(judgement: &Judgement) -> Self {
        let comparisons = judgement.comparisons.iter();
        let with_effects = comparisons.filter(|one| !one.per_prompt.is_empty());
        let effects = with_effects.map(|one| ComparisonEffects {
            candidate: one.candidate.clone(),
            metric: one.metric,
            primary: one.primary,
            per_prompt: one.per_prompt.clone(),
        });
        Self(effects.collect())
    }

    /// The rows, all with the same columns.
    pub(super) fn rows(&self) -> impl Iterator<Item = FigureRow> {
        let mut candidates: Vec<&str> = Vec::new();
        let mut metrics: BTreeMap<Metric, bool> = BTreeMap::new();
        let mut prompts: Vec<&str> = Vec::new();
        let mut indices: HashMap<&str, usize> = HashMap::new();
        for one in &self.0 {
            if !candidates.contains(&one.candidate.as_str()) {
                candidates.push(&one.candidate);
            }
            *metrics.entry(one.metric).or_default() |= one.primary;
            for (prompt, _) in one.per_prompt.iter() {
                indices.entry(prompt).or_insert_with(|| {
                    prompts.push(prompt);
                    prompts.len() - 1
                });
            }
        }
        // For each list of ids, where it has each prompt: beyond its end, if nowhere.
        let mut places: HashMap<*const [Arc<str>], Rc<[usize]>> = HashMap::new();
        let mut effects = HashMap::new();
        for one in &self.0 {
            let ids = one.per_prompt.ids();
            let places = places.entry(Arc::as_ptr(ids)).or_insert_with(|| {
                let mut places = vec![usize::MAX; prompts.len()];
                for (place, id) in ids.iter().enumerate() {
                    if let Some(&index) = indices.get(&**id) {
                        places[index] = place;
                    }
                }
                places.into()
            });
            let of_prompts = (&one.per_prompt, Rc::clone(places));
            effects.insert((one.candidate.as_str(), one.metric), of_prompts);
        }
        drop(indices);
        prompts
            .into_iter()
            .enumerate()
            .flat_map(move |(index, prompt)| {
                let row = |candidate: &&str| {
                    let effect = |metric| {
                        let (of_prompts, places) = effects.get(&(*candidate, metric))?;
                        of_prompts
                            .at(places[index])
                            .filter(|effect| effect.is_finite())
                    };
                    row((prompt, candidate), &metrics, effect)
                };
                candidates.iter().map(row).collect::<Vec<_>>()
            })
    }
}

fn row(
    (prompt, candidate): (&str, &str),
    metrics: &BTreeMap<Metric, bool>,
    effect: impl Fn(Metric) -> Option<f64>,
) -> FigureRow {
    let mut row = FigureRow::default();
    row.put_figure("prompt", Figure::Text(prompt.to_owned()));
    row.put_figure("candidate", Figure::Text(candidate.to_owned()));
    row.show("prompt", "prompt", 0);
    row.show("candidate", "candidate", 0);
    for (&metric, &primary) in metrics {
        let (figure, kind) = (wording::effect_figure(metric.scale()), kind(metric));
        let name = format!("{kind}_{}", metric.word());
        row.put_figure(name.clone(), effect(metric).map_or(Figure::Absent, figure));
        if primary {
            row.show(&name, wording::metric_name(metric), 1);
        }
    }
    row
}

/// The kind of an effect of this metric.
const fn kind(metric: Metric) -> &'static str {
    match metric.scale() {
        Scale::Ratio => "ratio",
        Scale::Points => "difference",
    }
}
