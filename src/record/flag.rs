//! Flags of samples.
//!
//! Owns the closed list and its stored words. Must not know how a flag is found. Invariant: a word never changes its
//! meaning.

use serde::{Deserialize, Serialize};

/// A fact that matters before comparing a sample.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Flag {
    /// Something on the way held back the beginning of the answer, and sent it in one burst: its TTFT is not a TTFT.
    Buffered,
    /// The attempt opened a connection.
    Cold,
    /// It took more than one attempt, and started after its slot.
    #[serde(alias = "late")]
    Retried,
    /// Our own delay was above a stated share of TTFT.
    ClientLimited,
    /// This process did not run for a while during the attempt: stopped, suspended, or without a processor.
    ClientPaused,
    /// The run's clock is the kernel's, and the stamps of this sample are the program's own: a timestamp was absent or could not be
    /// true, or the wall clock was set meanwhile.
    UserStamped,
    /// The first token arrived in one read with later ones: its time is an upper bound.
    TtftBounded,
    /// The gateway reports that another provider or model than the first choice answered: it spoils a
    /// comparison.
    Fallback,
    /// The answer names another model than the requested one, and no gateway gives the reason: an alias, or an
    /// unreported fallback.
    OtherModel,
    /// The body came compressed although the request did not accept compression.
    Compressed,
    /// Reasoning was hidden, summarised or encrypted: rates over visible time mean nothing.
    HiddenReasoning,
    /// The token limit was used up by reasoning: the answer is empty.
    #[serde(alias = "eaten_by_reasoning")]
    TruncatedInReasoning,
    /// `<think>` text stood in the answer.
    ThinkTags,
    /// The token counts contradict each other.
    UsageMismatch,
    /// The token counts cannot be true: no cost.
    UsageImpossible,
    /// The token counts can be read in several ways: no cost.
    UsageAmbiguous,
    /// A usage block has numbers without a known meaning.
    UsageUnread,
    /// Served in a service tier whose prices are not known: no cost.
    UnpricedTier,
    /// Answered from the gateway's response cache: its times are not the model's.
    ResponseCached,
    /// The user's own key was refused, and the gateway's credentials were used and billed.
    OwnKeyRefused,
    /// A proxy retried before it answered: its time holds that of failed attempts.
    ProxyRetried,
    /// Sent later than its slot, because its model failed or did not end its requests then: it is in no pair.
    Deferred,
}

impl Flag {
    /// The stored word.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// The flags that exclude a sample from TTFT figures, with a count. Of a sample with several the first one counts, because
    /// it may have caused the others: what a stopped client reads late comes in one burst.
    pub const EXCLUDING: [Self; 5] = [
        Self::ClientPaused,
        Self::ClientLimited,
        Self::ResponseCached,
        Self::Cold,
        Self::Buffered,
    ];
}
