//! What happened: the outcome of an attempt, the sample of a trial, the manifest of a run, and the
//! journal that keeps them on disk.
//!
//! Owns the stored formats and their versions. Must not know how anything was asked or what it
//! means. Invariant: whatever was written can be read by every later version.

mod gaps;
mod manifest;
mod outcome;
mod sample;

pub use gaps::{HdrError, HdrReader, empty_histogram, gaps_of, recordable_us};
pub use manifest::{ClientSetting, EndpointRecord, Manifest, PriceSource, Selection, Status};
pub use outcome::{Failure, Outcome};
pub use sample::{Attempt, ErrorReport, Flag, Gaps, Sample, ToolCall, Usage};
