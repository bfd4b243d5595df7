//! Generated runs as a history stores them.

use bakeoff::record::{HistoryRun, Manifest};
use bakeoff::verdict::{Evidence, to_history_run};

use super::made;
use super::simulated_runs::RunDesign;

/// Makes history runs of runs of the same models and prompts.
pub(crate) struct HistoryWriter {
    manifest: Manifest,
}

impl HistoryWriter {
    pub(crate) fn new(labels: &[&str], design: RunDesign) -> Self {
        let models = labels.iter();
        let models =
            models.map(|label| format!("{{ model = \"made/{label}\", label = \"{label}\" }}"));
        let models: Vec<String> = models.collect();
        Self {
            manifest: made::manifest(&models, design.prompts, design.repetitions),
        }
    }

    /// The run of this number; `hours` after noon of Monday, 2025-01-06.
    pub(crate) fn to_history_run(
        &self,
        number: usize,
        hours: i64,
        evidence: &Evidence,
    ) -> HistoryRun {
        let mut manifest = self.manifest.clone();
        manifest.run = format!("run-{number:05}");
        let started = jiff::Timestamp::from_second(1_736_164_800 + hours * 3_600);
        manifest.started_at = started.expect("a date");
        to_history_run(&manifest, evidence)
    }
}
