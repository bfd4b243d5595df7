//! History runs built by hand, and seeded noise, for the tests of this module.

use std::collections::BTreeMap;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};

use crate::record::{
    AnswerMix, Conditions, HistoryPrompt, HistoryRun, HistoryVariant, Level, MetricLevels,
};
use crate::suite::{ClockSource, Metric};

/// Noon of a Monday, the first on 2025-01-06: all runs of the tests are at the same time of the week.
pub(super) fn noon(week: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(1_736_164_800 + week * 7 * 86_400).unwrap()
}

/// Builds a run of one variant `a/x` at noon of a Monday: these TTFT levels (natural logarithms of ns), a cost
/// of $0.0005 and ten of ten answers on every prompt.
pub(super) fn run(week: i64, levels: &[f64]) -> HistoryRun {
    HistoryRun {
        run: format!("run-{week:04}"),
        suite: "ci".to_owned(),
        started_at: noon(week),
        tool: "bakeoff 0.1.0".to_owned(),
        conditions: Conditions {
            endpoint: "vercel".to_owned(),
            concurrency: 4,
            slot_size: 1,
            stream: true,
            environment: None,
            clock: ClockSource::User,
            load: None,
        },
        variants: vec![variant("a/x", levels)],
    }
}

/// Builds a variant with these TTFT levels.
pub(super) fn variant(label: &str, levels: &[f64]) -> HistoryVariant {
    let level = |ln| Level { ln, n: 10 };
    let prompt = |(index, ln): (usize, &f64)| HistoryPrompt {
        prompt: format!("p{index}").into(),
        digest: format!("digest-{index}").into(),
        text: format!("text-{index}").into(),
        parameters: "parameters".into(),
        trials: 10,
        completed: 10,
        graded: 0,
        passed: 0,
        levels: MetricLevels::from([
            (Metric::Ttft, level(*ln)),
            (Metric::Cost, level(500_000_000_f64.ln())),
        ]),
        levels_by_provider: BTreeMap::new(),
    };
    HistoryVariant {
        label: label.to_owned(),
        model: label.parse().unwrap(),
        overrides: "none".to_owned(),
        providers: BTreeMap::from([("azure".to_owned(), 10 * levels.len() as u64)]),
        drifted: false,
        mix: AnswerMix {
            answered: 10 * levels.len() as u64,
            ..AnswerMix::default()
        },
        spliced: None,
        prompts: levels.iter().enumerate().map(prompt).collect(),
    }
}

/// Returns different levels per prompt, around 400 ms, all higher by `shift`.
pub(super) fn flat(prompts: usize, shift: f64) -> Vec<f64> {
    let level = |prompt: usize| 400e6_f64.ln() + 0.1 * (prompt as f64) + shift;
    (0..prompts).map(level).collect()
}

/// Seeded noise: nearly normal, from twelve uniform numbers.
pub(super) struct SeededNoise(ChaCha8Rng);

impl SeededNoise {
    pub(super) fn with_seed(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub(super) fn normal(&mut self, sd: f64) -> f64 {
        let sum: f64 = (0..12).map(|_| self.0.random::<f64>()).sum();
        sd * (sum - 6.0)
    }

    /// Returns the levels of a run: a level of the run, and noise per prompt.
    pub(super) fn levels(&mut self, prompts: usize, run_sd: f64, shift: f64) -> Vec<f64> {
        let own = self.normal(run_sd) + shift;
        let flat = flat(prompts, own);
        flat.into_iter()
            .map(|level| level + self.normal(0.16))
            .collect()
    }
}
