use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::plan::{Slot, plan};
use crate::record::{Outcome, Sample, example};

/// A stored share in `folder`: of the trials of its slots, each sample sent at `sent(trial)`.
fn store(
    folder: &Path,
    (name, index, count): (&str, u32, u32),
    repetitions: u32,
    sent: impl Fn(u64) -> u64,
) -> (Run, Vec<Sample>) {
    let mut manifest = example::manifest(name);
    manifest.suite.repetitions = repetitions;
    manifest.shard = Some(Shard::new(index, count).unwrap());
    let shares: Vec<_> = manifest.plan().slots().collect();
    let mut samples: Vec<Sample> = (shares.iter().flat_map(Slot::trials))
        .map(|trial| Sample {
            slot: trial.slot,
            ..example::plain_sample(trial.number)
        })
        .collect();
    for sample in &mut samples {
        let start = sent(sample.trial);
        let spans = sample.attempts[0].end_ns.since(sample.attempts[0].sent_ns);
        (sample.sent_ns, sample.scheduled_ns) = (Nanos(start), Nanos(start));
        sample.attempts[0].sent_ns = Nanos(start);
        sample.attempts[0].end_ns = Nanos(start + spans.0);
    }
    samples.sort_by_key(|sample| (sample.end(), sample.trial));
    manifest.planned_trials = samples.len() as u64;
    let run = Run::create(folder, "example", &format!("{index}")).unwrap();
    run.write_manifest(&manifest).unwrap();
    let mut journal = run.new_samples().unwrap();
    journal.append_all(&samples).unwrap();
    (run, samples)
}

fn merged(runs: Vec<Run>, out: &Path) -> (Manifest, Vec<Sample>) {
    let merged = Shares::new(runs).unwrap().merge_into(out).unwrap();
    assert_eq!(merged.run.manifest().unwrap(), merged.manifest);
    assert!(merged.lost.is_empty());
    let samples = merged.run.all_samples().unwrap();
    (merged.manifest, samples.map(Result::unwrap).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    // Shares of one recording are laid over each other again, in the order of their ends; the run has no seam.
    #[test]
    fn shares_of_one_clock_come_back(count in 1_u32..6, repetitions in 3_u32..6, seed: u64) {
        let folder = tempfile::tempdir().unwrap();
        let sent = |trial: u64| (trial + 1).wrapping_mul(seed | 1) % 1_000_000;
        let mut runs = Vec::new();
        let mut all = Vec::new();
        for index in 1..=count {
            let (run, samples) = store(folder.path(), ("run", index, count), repetitions, sent);
            runs.push(run);
            all.extend(samples);
        }
        runs.reverse();
        all.sort_by_key(|sample| (sample.end(), sample.trial));
        let (manifest, samples) = merged(runs, &folder.path().join("out"));
        prop_assert_eq!(samples, all);
        prop_assert_eq!(manifest.status, Status::Complete);
        prop_assert_eq!((manifest.parts.len(), manifest.shard), (0, None));
        prop_assert_eq!(manifest.planned_trials, plan(&manifest.suite).trial_count());
        prop_assert_eq!(manifest.run, "run");
    }

    // Shares with clocks of their own lie one after the other, so that no instant is in two of them, and only their place
    // on the clock changes.
    #[test]
    fn shares_of_several_clocks_share_no_instant(count in 2_u32..6, repetitions in 3_u32..6, seed: u64) {
        let folder = tempfile::tempdir().unwrap();
        let sent = |trial: u64| (trial + 1).wrapping_mul(seed | 1) % 1_000_000;
        let mut runs = Vec::new();
        let mut stored = BTreeMap::new();
        for index in 1..=count {
            let name = format!("run-{index}");
            let (run, samples) = store(folder.path(), (&name, index, count), repetitions, sent);
            runs.push(run);
            stored.insert(index, samples);
        }
        let (manifest, samples) = merged(runs, &folder.path().join("out"));
        prop_assert_eq!(manifest.parts.len(), count as usize);
        prop_assert!(manifest.is_merged());
        let mut found: BTreeMap<u32, Vec<Sample>> = BTreeMap::new();
        for sample in samples {
            let part = &manifest.parts[manifest.part_at(sample.sent_ns)];
            prop_assert_eq!(manifest.part_at(sample.sent_ns), manifest.part_at(sample.end()));
            found.entry(part.shard.unwrap().index()).or_default().push(sample);
        }
        for (index, samples) in &mut stored {
            let part = manifest.parts.iter().find(|part| part.shard.unwrap().index() == *index).unwrap();
            for sample in samples.iter_mut() {
                sample.move_by(part.start_ns);
            }
            prop_assert_eq!(&found[index], samples);
        }
    }
}

#[test]
fn an_abandoned_trial_is_no_end() {
    // A share that says it is complete but whose trial was left open would otherwise make a complete run.
    let folder = tempfile::tempdir().unwrap();
    let runs = (1..=2).map(|index| {
        let (run, mut samples) = store(
            folder.path(),
            (&format!("run-{index}"), index, 2),
            1,
            |trial| trial,
        );
        if index == 2 {
            std::fs::remove_file(run.samples_path()).unwrap();
            samples[0].outcome = Outcome::Abandoned;
            run.new_samples().unwrap().append_all(&samples).unwrap();
        }
        run
    });
    let (manifest, _) = merged(runs.collect(), &folder.path().join("out"));
    let Status::Incomplete(reason) = manifest.status else {
        panic!("{:?}", manifest.status);
    };
    assert_eq!(reason, "1 trial without a sample that can be read");
}
