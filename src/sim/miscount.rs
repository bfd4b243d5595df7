//! Reported usage: the true counts, or those of a server that counts in another way or wrongly.
//!
//! Owns how faults change counts. Must not know bills: the charge follows from the true counts. Invariant:
//! without a fault of this kind the reported counts are the true ones.

use super::bill::SimulatedUsage;
use super::fault::{Fault, FaultSet};

/// Counts as a server reports them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportedCounts {
    /// The counts; `completion` may be without reasoning.
    pub usage: SimulatedUsage,
    /// The reported total.
    pub total: u64,
}

/// Returns the counts that are reported of an answer with `completed` completion tokens so far.
pub fn reported_counts(used: &SimulatedUsage, completed: u64, faults: &FaultSet) -> ReportedCounts {
    let mut usage = SimulatedUsage {
        completion: completed,
        reasoning: used.reasoning.min(completed),
        ..*used
    };
    let whole = used.prompt + completed;
    if faults.has(Fault::UsageHalf) {
        usage.completion /= 2;
        usage.reasoning = usage.reasoning.min(usage.completion);
    }
    if faults.has(Fault::UsageNoCompletion) {
        (usage.completion, usage.reasoning) = (0, 0);
    }
    if faults.has(Fault::UsageNoPrompt) {
        (usage.prompt, usage.cached, usage.written) = (0, 0, 0);
    }
    if faults.has(Fault::UsageCachedAbove) {
        usage.cached = usage.prompt + 1;
    }
    if faults.has(Fault::UsageZero) {
        usage = SimulatedUsage::default();
    }
    let mut total = usage.prompt + usage.completion;
    if faults.has(Fault::ReasoningExcluded) || faults.has(Fault::ReasoningInTotal) {
        usage.completion = usage.completion.saturating_sub(usage.reasoning);
        total = whole;
    }
    if faults.has(Fault::ReasoningInTotal) {
        usage.reasoning = 0;
    }
    if faults.has(Fault::ReasoningUncounted) {
        usage.completion = usage.completion.saturating_sub(usage.reasoning);
        total = usage.prompt + usage.completion;
    }
    ReportedCounts { usage, total }
}
