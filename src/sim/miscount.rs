//! Usage as it is reported: the true counts, or those of a server that counts in another way or wrongly.
//!
//! Owns how faults change counts. Must not know bills: what is charged is made of the true counts. Invariant: without a fault of
//! this kind the reported counts are the true ones.

use super::bill::Usage;
use super::fault::{Fault, Faults};

/// Counts as a server reports them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportedCounts {
    /// The counts; `completion` may be without reasoning.
    pub usage: Usage,
    /// The total beside them.
    pub total: u64,
}

/// The counts that are reported of an answer that has `completed` completion tokens so far.
pub fn reported(used: &Usage, completed: u64, faults: &Faults) -> ReportedCounts {
    let mut usage = Usage {
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
        usage = Usage::default();
    }
    let mut total = usage.prompt + usage.completion;
    if faults.has(Fault::ReasoningBeside) || faults.has(Fault::ReasoningInTotal) {
        usage.completion = usage.completion.saturating_sub(usage.reasoning);
        total = whole;
    }
    if faults.has(Fault::ReasoningInTotal) {
        usage.reasoning = 0;
    }
    ReportedCounts { usage, total }
}
