//! Records: the outcome of an attempt, the sample of a trial, the manifest of a run, and the journal that
//! stores them on disk.
//!
//! Owns the stored formats and their versions. Must not know how requests are sent or what the results mean.
//! Invariant: every record that was written can be read by every later version.

mod amendment;
mod calibration;
mod check;
mod estimate;
#[cfg(test)]
pub(crate) mod example;
mod flag;
mod folders;
mod gaps;
mod grade;
mod history;
mod journal;
pub mod ledger;
mod manifest;
mod manifest_differences;
mod merge;
mod metric_levels;
mod outcome;
mod parallel;
mod prices;
mod requests;
mod retention;
mod retirement;
mod run;
mod run_file;
mod sample;
mod sample_line;
mod samples;
mod score_file;
mod standing;
mod stored_verdict;
mod ttft_error;
mod usage;

pub use crate::units::digest;
pub use amendment::{Amendment, Amendments};
pub use calibration::{Calibration, CalibrationLevel};
pub use check::InvalidRecord;
pub use estimate::{ActualUsage, EstimateRecord, EstimatedVariant};
pub use flag::Flag;
pub use folders::{RunProgress, StoredRun, StoredRuns, find_runs};
pub use gaps::{GapCounters, HdrError, HdrReader, empty_histogram, recordable_us, summarize_gaps};
pub use grade::{GRADES_MAX, Grade};
pub use history::{
    AnswerMix, Conditions, Finding, History, HistoryEntry, HistoryLine, HistoryPrompt, HistoryRun,
    HistoryVariant, RunStanding, Splice,
};
pub use journal::{
    Entry, HeldLock, JournalError, JournalReader, JournalWriter, LineProblem, LockHolder, LockWait,
    MAX_LINE_BYTES, TruncatedLine, move_truncated_line,
};
pub use manifest::{
    CliSelection, ClientSetting, ConnectionSetUp, EndpointRecord, JudgeRepeats, Judging, Manifest,
    ManifestOutline, PriceSource, RunPart, Status, UntilDecided, Warming, Yielding,
};
pub use merge::{MergeError, MergedRun, Shares};
pub use metric_levels::{Level, MetricLevels};
pub use outcome::{FailureKind, Outcome};
pub use parallel::{ReadSamples, SampleWorker};
pub use prices::{ModelPrices, PriceTier};
pub use requests::{RequestEvent, RequestLine, RequestLog, TakenLog};
pub use retention::{Age, AgeError, PruneDecision, Retention};
pub use retirement::ModelRetirement;
pub use run::{Run, RunError, run_name, shard_run_name};
pub use run_file::PreparedFile;
pub use sample::{Attempt, ErrorReport, Gaps, Sample, ToolCall};
pub use samples::Samples;
pub use score_file::{ExternalGrades, ScoreProblem, TrialIndex, read_scores};
pub use standing::StandingSamples;
pub use stored_verdict::StoredVerdict;
pub use ttft_error::{CalibratedError, ClientDelay, TtftError};
pub use usage::{
    ExchangeSize, MAX_CHARS_PER_TOKEN, ReportedUsage, Usage, UsageBound, UsageDialect,
    UsageReading, check_usage,
};
