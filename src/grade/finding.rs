//! The result of a check before its negation: facts about an answer.
//!
//! Owns the negation. Must not know any check. Invariant: a reason states a fact that holds whether the check
//! was negated or not.

/// The result of a check.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum CheckFinding {
    /// The check holds, or does not, for this reason.
    Decided { holds: bool, fact: String },
    /// The check gives a score, which holds from a threshold on.
    Scored {
        score: f64,
        holds: bool,
        fact: String,
    },
    /// The check could not be made: it fails, negated or not.
    Unknown(String),
}

/// A grade without its name and weight.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Decision {
    pub(super) score: f64,
    pub(super) pass: bool,
    pub(super) reason: String,
}

impl CheckFinding {
    pub(super) fn decided(holds: bool, fact: impl Into<String>) -> Self {
        let fact = fact.into();
        Self::Decided { holds, fact }
    }

    /// The grade, with its negation where the assert has one.
    pub(super) fn decide(self, negated: bool) -> Decision {
        let (score, holds, reason) = match self {
            Self::Decided { holds, fact } => (f64::from(u8::from(holds)), holds, fact),
            Self::Scored { score, holds, fact } => (score, holds, fact),
            Self::Unknown(reason) => {
                let (score, pass) = (0.0, false);
                return Decision {
                    score,
                    pass,
                    reason,
                };
            }
        };
        Decision {
            score: if negated { 1.0 - score } else { score },
            pass: holds != negated,
            reason,
        }
    }
}
