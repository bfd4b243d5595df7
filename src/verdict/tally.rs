//! The fold over the samples of one variant.
//!
//! Owns which sample counts for which sum. Must not know the figures themselves. Invariant: a sample takes no memory
//! here, whatever it contains; adding is commutative.

use strum::VariantArray as _;

use crate::record::{FailureKind, Flag, Outcome, Sample};
use crate::suite::Prompt;

use super::money::Money;
use super::quality::QualityTally;

/// Numbers of samples by outcome and flag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SampleCounts {
    /// Trials in the plan.
    pub planned: u64,
    /// Trials that ended, answered or not; abandoned ones are not among them.
    pub done: u64,
    /// Trials answered to the end.
    pub answered: u64,
    /// Answered, but excluded from times to a first token.
    pub excluded: u64,
    /// Those of them by reason, in the order of [`Flag::EXCLUDING`].
    excluded_by: [u64; Flag::EXCLUDING.len()],
    /// Answered, but delayed by this machine: client-limited or client-paused.
    pub client_bound: u64,
    /// Answered trials with readable reasoning.
    pub visible_reasoning: u64,
    /// Trials that took more than one attempt.
    pub retried: u64,
    /// Answers that the token limit ended before the model did; none of a prompt whose limit is the planned length, and no
    /// empty one.
    pub truncated: u64,
    outcomes: [u64; Outcome::ALL.len()],
    flags: [u64; FLAGS.len()],
}

/// Every flag, in the order of its declaration: the order of the table in [`SampleCounts`].
const FLAGS: [Flag; 22] = [
    Flag::Buffered,
    Flag::Cold,
    Flag::Retried,
    Flag::ClientLimited,
    Flag::ClientPaused,
    Flag::UserStamped,
    Flag::TtftBounded,
    Flag::Fallback,
    Flag::OtherModel,
    Flag::Compressed,
    Flag::HiddenReasoning,
    Flag::TruncatedInReasoning,
    Flag::ThinkTags,
    Flag::UsageMismatch,
    Flag::UsageImpossible,
    Flag::UsageAmbiguous,
    Flag::UsageUnread,
    Flag::UnpricedTier,
    Flag::ResponseCached,
    Flag::OwnKeyRefused,
    Flag::ProxyRetried,
    Flag::Deferred,
];

impl SampleCounts {
    /// The counts of trials alone: those of flags, retries and kinds of failure are 0.
    pub(super) fn of_trials(planned: u64, done: u64, answered: u64) -> Self {
        Self {
            planned,
            done,
            answered,
            ..Self::default()
        }
    }

    /// Trials that failed.
    pub const fn failed(&self) -> u64 {
        self.done - self.answered
    }

    /// Trials with this outcome.
    pub const fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// Trials whose last request was in flight when the run ended: sent, and in no rate.
    pub const fn abandoned(&self) -> u64 {
        self.outcome(Outcome::Abandoned)
    }

    /// Trials that failed with this class of failure.
    pub fn failure(&self, failure: FailureKind) -> u64 {
        let of_class = |outcome: &Outcome| outcome.failure() == Some(failure);
        let outcomes = Outcome::ALL.into_iter().filter(of_class);
        outcomes.map(|outcome| self.outcome(outcome)).sum()
    }

    /// Samples with this flag.
    pub const fn flag(&self, flag: Flag) -> u64 {
        self.flags[flag as usize]
    }

    /// Answers that are excluded from times to a first token because of this flag; `None` if it excludes none.
    pub fn excluded_by(&self, flag: Flag) -> Option<u64> {
        let mut reasons = Flag::EXCLUDING.iter().zip(self.excluded_by);
        let (_, count) = reasons.find(|(reason, _)| **reason == flag)?;
        Some(count)
    }

    fn add(&mut self, sample: &Sample, prompt: &Prompt) {
        self.outcomes[sample.outcome as usize] += 1;
        if sample.outcome.is_abandoned() {
            return;
        }
        self.done += 1;
        self.retried += u64::from(sample.attempts.len() > 1);
        for &flag in &sample.flags {
            self.flags[flag as usize] += 1;
        }
        let is_truncated = sample.outcome == Outcome::Length
            && !sample.has(Flag::TruncatedInReasoning)
            && !prompt.has_planned_length();
        self.truncated += u64::from(is_truncated);
        if sample.outcome.answered() {
            self.answered += 1;
            if let Some(reason) = exclusion(sample) {
                self.excluded += 1;
                self.excluded_by[reason] += 1;
            }
            let is_bound = sample.has(Flag::ClientLimited) || sample.has(Flag::ClientPaused);
            self.client_bound += u64::from(is_bound);
            let characters = sample.reasoning_chars.unwrap_or(0);
            self.visible_reasoning += u64::from(characters > 0);
        }
    }

    fn absorb(&mut self, other: &Self) {
        self.planned += other.planned;
        self.done += other.done;
        self.answered += other.answered;
        self.excluded += other.excluded;
        self.client_bound += other.client_bound;
        self.visible_reasoning += other.visible_reasoning;
        self.retried += other.retried;
        self.truncated += other.truncated;
        let outcomes = self.outcomes.iter_mut().zip(other.outcomes);
        let flags = self.flags.iter_mut().zip(other.flags);
        let reasons = self.excluded_by.iter_mut().zip(other.excluded_by);
        for (ours, theirs) in outcomes.chain(flags).chain(reasons) {
            *ours += theirs;
        }
    }
}

/// Returns true if the sample is excluded from times to a first token.
pub(super) fn is_excluded_from_ttft(sample: &Sample) -> bool {
    exclusion(sample).is_some()
}

/// The index in [`Flag::EXCLUDING`] of the reason for which a sample is excluded from times to a first token.
fn exclusion(sample: &Sample) -> Option<usize> {
    let mut reasons = Flag::EXCLUDING.iter();
    reasons.position(|flag| sample.has(*flag))
}

/// A kind of token that servers count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum TokenKind {
    /// Prompt tokens, including cached ones.
    #[strum(serialize = "prompt_tokens")]
    Prompt,
    /// Completion tokens, including reasoning.
    #[strum(serialize = "completion_tokens")]
    Completion,
    /// Completion tokens spent on reasoning.
    #[strum(serialize = "reasoning_tokens")]
    Reasoning,
    /// Prompt tokens read from the prompt cache.
    #[strum(serialize = "cached_tokens")]
    Cached,
    /// Prompt tokens written to the prompt cache.
    #[strum(serialize = "cache_write_tokens")]
    CacheWrite,
}

impl TokenKind {
    /// Every kind, in the order of columns.
    pub const ALL: [Self; Self::VARIANTS.len()] = *Self::VARIANTS.first_chunk().expect("as many");

    /// The stored name, as in `usage` of a sample.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// Total tokens of the samples whose server counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenTotal {
    /// Sum of the counts.
    pub sum: u128,
    /// Samples with a count.
    pub n: u64,
    /// Samples with a count of 0.
    pub zeros: u64,
}

impl TokenTotal {
    /// Mean tokens per sample.
    pub fn mean(&self) -> Option<f64> {
        (self.n > 0).then(|| self.sum as f64 / self.n as f64)
    }
}

/// The tokens of a sample by kind, in the order of [`TokenKind::ALL`]; absent where the server did not count them.
pub(super) fn token_counts(sample: &Sample) -> [Option<u64>; TokenKind::ALL.len()] {
    let usage = sample.known_usage().unwrap_or_default();
    TokenKind::ALL.map(|kind| match kind {
        TokenKind::Prompt => usage.prompt_tokens,
        TokenKind::Completion => usage.completion_tokens,
        TokenKind::Reasoning => usage.reasoning_tokens,
        TokenKind::Cached => usage.cached_tokens,
        TokenKind::CacheWrite => usage.cache_write_tokens,
    })
}

/// Counts, tokens and costs of some samples.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) counts: SampleCounts,
    pub(super) tokens: [TokenTotal; TokenKind::ALL.len()],
    pub(super) money: Money,
    pub(super) quality: QualityTally,
}

impl Tally {
    /// Adds a sample of this prompt, whatever its outcome; of an abandoned one nothing but that it was sent.
    pub(super) fn add(&mut self, sample: &Sample, prompt: &Prompt) {
        self.counts.add(sample, prompt);
        if sample.outcome.is_abandoned() {
            return;
        }
        self.money.add(sample);
        self.quality.add(sample);
        self.add_tokens(sample);
    }

    fn add_tokens(&mut self, sample: &Sample) {
        for (count, total) in token_counts(sample).into_iter().zip(&mut self.tokens) {
            if let Some(count) = count {
                total.sum += u128::from(count);
                total.n += 1;
                total.zeros += u64::from(count == 0);
            }
        }
    }

    /// Merges the samples of `other` into this tally.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.counts.absorb(&other.counts);
        for (ours, theirs) in self.tokens.iter_mut().zip(other.tokens) {
            ours.sum += theirs.sum;
            ours.n += theirs.n;
            ours.zeros += theirs.zeros;
        }
        self.money.absorb(&other.money);
        self.quality.absorb(&other.quality);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_follow_the_order_of_declaration() {
        // Counts are stored in tables indexed by `as usize`: a word out of order would count another's.
        for (index, flag) in FLAGS.into_iter().enumerate() {
            assert_eq!(flag as usize, index);
        }
        for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
    }
}
