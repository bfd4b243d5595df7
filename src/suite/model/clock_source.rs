//! The source of the instants at which bytes arrived.

use serde::{Deserialize, Serialize};

/// The clock that stamps what arrives. Samples of different ones are not comparable.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ClockSource {
    /// The program's own clock, right after each read.
    #[default]
    User,
    /// The kernel's receive timestamps.
    Kernel,
}

impl ClockSource {
    /// The stored word.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// Returns true for the default, which older records do not store.
    #[allow(clippy::trivially_copy_pass_by_ref)] // The signature is serde's.
    pub const fn is_user(&self) -> bool {
        matches!(self, Self::User)
    }
}
