//! Notes on events during a run: drift, failures in bursts, a cache that two variants share.
//!
//! Owns the sentences about them. Must not know verdicts: none of these vetoes one, because both sides were
//! sent at the same moments. Invariant: the order of samples changes nothing.

use crate::stats::drift;
use crate::suite::Metric;
use crate::threads::Threads;
use crate::units::{Nanos, plural};
use crate::verdict::evidence::{Evidence, VariantEvidence};
use crate::verdict::observation::Observation;

/// Failures of one variant less than this apart belong to one burst.
const BURST_WITHIN: Nanos = Nanos::from_millis(10_000);

/// The notes that a reader needs about the course of the run, as sentences.
pub(in crate::verdict) fn run_notes(evidence: &Evidence) -> Vec<String> {
    let drifts =
        Threads::for_processors().map(&evidence.variants, |variant| drift_notes(evidence, variant));
    let bursts = evidence.variants.iter();
    let bursts = bursts.filter_map(|variant| burst_note(evidence, variant));
    (drifts.into_iter().flatten())
        .chain(bursts)
        .chain(shared_cache_notes(evidence))
        .collect()
}

/// Notes on a TTFT that drifted during the run, or during a part of it: between two parts anything may have changed.
fn drift_notes(evidence: &Evidence, variant: &VariantEvidence) -> Vec<String> {
    let mut timed: Vec<(Nanos, u32, usize, f64)> = Vec::new();
    for (prompt, observations) in variant.prompts.iter().enumerate() {
        for one in observations.iter().filter(|one| !one.excluded) {
            if let Some(value) = one.value(Metric::Ttft) {
                timed.push((one.sent_ns, one.slot, prompt, value.value.ln()));
            }
        }
    }
    timed.sort_unstable_by_key(|&(sent, slot, prompt, _)| (sent, slot, prompt));
    let parts = timed.chunk_by(|one, next| evidence.part_at(one.0) == evidence.part_at(next.0));
    let drifts = parts.filter_map(|part| {
        let in_time_order: Vec<(usize, f64)> =
            part.iter().map(|&(_, _, p, log)| (p, log)).collect();
        drift::check(&in_time_order).filter(drift::Drift::warns)
    });
    drifts.map(|found| drift_note(variant, &found)).collect()
}

fn drift_note(variant: &VariantEvidence, found: &drift::Drift) -> String {
    format!(
        "The TTFT of {} moved during the run: after {} of its {} answers it was {:.2}x what it was before. \
         Both sides of a comparison were sent at the same moments, so verdicts of this run hold.",
        variant.label,
        found.after,
        found.values,
        found.shift.exp()
    )
}

/// A note on failures in bursts: they are not independent and carry less information than their number
/// suggests.
fn burst_note(evidence: &Evidence, variant: &VariantEvidence) -> Option<String> {
    let mut failed: Vec<Nanos> = variant
        .prompts
        .iter()
        .flatten()
        .filter(|one: &&Observation| !one.answered())
        .map(|one| one.sent_ns)
        .collect();
    failed.sort_unstable();
    // Between two parts, which lie next to each other on the clock, any time may have passed.
    let near = |one: &Nanos, next: &Nanos| {
        next.since(*one) < BURST_WITHIN && evidence.part_at(*one) == evidence.part_at(*next)
    };
    let groups = failed.chunk_by(near);
    let sizes: Vec<usize> = groups
        .map(<[Nanos]>::len)
        .filter(|&size| size > 1)
        .collect();
    let within: usize = sizes.iter().sum();
    let bursts = plural(sizes.len(), "burst");
    (!sizes.is_empty()).then(|| {
        format!(
            "{within} of the {} failures of {} came in {bursts} (sent less than 10 s apart): they are not independent, and carry less information than their number suggests.",
            failed.len(),
            variant.label
        )
    })
}

/// Notes on variants that share a prompt cache, according to the suite, where there are hits.
fn shared_cache_notes(evidence: &Evidence) -> Vec<String> {
    let hits = |variant: &VariantEvidence| {
        let mut all = variant.prompts.iter().flatten();
        all.any(|one| one.cache_hit == Some(true))
    };
    let mut notes = Vec::new();
    for labels in &evidence.sharing {
        let sharing = labels.iter().filter_map(|label| evidence.variant(label));
        let sharing: Vec<&VariantEvidence> = sharing.collect();
        for (index, variant) in sharing.iter().enumerate() {
            for other in &sharing[index + 1..] {
                if hits(variant) || hits(other) {
                    notes.push(format!(
                        "{} and {} use one model at the same moments and share its prompt cache: one can cause a hit of the other (`cache = \"bust\"` keeps them apart).",
                        variant.label, other.label
                    ));
                }
            }
        }
    }
    notes
}
