//! The gate of a suite: which differences count, with what confidence, and which limits must hold.
//!
//! Owns the rules' values and their defaults. Must not know how anything is judged. Invariant: a
//! tolerance is never above its margin, alpha lies within (0, 0.5], and limits are positive.

use serde::{Deserialize, Serialize};

use crate::units::{Nanos, Usd};

use super::metric::{Metric, Scale};
use super::quantity::Quantity;

/// `[gate]` of a suite, checked. The default applies where a suite has none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// The metrics that can fail a build; all others are exploratory. Not empty, no duplicates.
    pub primary: Vec<Metric>,
    /// Two-sided error rate of all primary comparisons together.
    pub alpha: f64,
    /// Bounds of each metric that was named, in the order of [`Metric::ALL`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bounds: Vec<(Metric, Bounds)>,
    /// Limits that must hold for every variant, independent of comparisons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<GateLimit>,
    /// Effect of an inconclusive primary comparison.
    pub on_inconclusive: OnInconclusive,
    /// Requires that a second run, an hour or more later, repeats a regression before it fails.
    pub confirm: bool,
    /// Makes `run` fail also if a candidate is worse than the reference of the same run.
    pub against_reference: bool,
    /// Label of the unchanged variant whose drift is subtracted from that of every other one (against a
    /// history).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// Limit of the shift that all unchanged models share since the past.
    #[serde(default, skip_serializing_if = "SharedShiftLimit::is_default")]
    pub shared_shift: SharedShiftLimit,
    /// The rule of the switch gate; absent: the run does not decide whether to switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch: Option<SwitchRule>,
}

/// The rule by which traffic moves to a candidate: right answers and TTFT not worse by more than their margins, and
/// a lower cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SwitchRule {
    /// The candidate must cost less by at least this share: 0.1 for 10 %.
    pub saving: f64,
}

impl Default for SwitchRule {
    fn default() -> Self {
        Self { saving: 0.1 }
    }
}

/// Limit of a shift that all unchanged models share, such as that of a slow gateway.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SharedShiftLimit {
    /// A worsening up to this is tolerated: 0.05 means 5 %.
    pub max: f64,
    /// Effect of a larger one.
    pub on_exceeded: OnExceeded,
}

impl Default for SharedShiftLimit {
    fn default() -> Self {
        Self {
            max: 0.05,
            on_exceeded: OnExceeded::Warn,
        }
    }
}

impl SharedShiftLimit {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Effect of a limit that is exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExceeded {
    /// A line in the report only.
    Pass,
    /// A warning, exit code 0.
    Warn,
    /// Exit code 1.
    Fail,
}

impl OnExceeded {
    /// Every value with its word.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("pass", Self::Pass),
        ("warn", Self::Warn),
        ("fail", Self::Fail),
    ];
}

/// Bounds of one metric: for a ratio 0.05 means 5 %, for a share 0.02 means 2 points.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// A worsening up to this is no regression.
    pub tolerance: f64,
    /// *ok* means: a worsening by more than this is excluded.
    pub margin: f64,
    /// A time must also have changed by at least this, at the median over prompts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor_ns: Option<Nanos>,
}

/// A limit on one variant, independent of the other side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateLimit {
    /// The limited quantity.
    pub quantity: Quantity,
    /// The bound: a maximum for times, money and errors, a minimum for rates of output, a pass rate and a share within
    /// a time.
    pub bound: LimitBound,
    /// True if each prompt must meet it alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub per_prompt: bool,
    /// True if a run ends as soon as the limit can no longer hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub abort: bool,
}

/// The bound of a limit, in the unit of its quantity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitBound {
    /// A time.
    Time(Nanos),
    /// A share, 0 to 1.
    Share(f64),
    /// Money.
    Usd(Usd),
    /// A number, of trials or of the quantity's own unit.
    Number(f64),
}

/// Effect of an inconclusive primary comparison on the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnInconclusive {
    /// A line in the report only.
    Pass,
    /// A warning, exit code 0.
    Warn,
    /// Exit code 3.
    Fail,
}

impl OnInconclusive {
    /// Every value with its word.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("pass", Self::Pass),
        ("warn", Self::Warn),
        ("fail", Self::Fail),
    ];
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            primary: vec![Metric::Ttft, Metric::Cost, Metric::Completed],
            alpha: 0.05,
            bounds: Vec::new(),
            limits: Vec::new(),
            on_inconclusive: OnInconclusive::Warn,
            confirm: false,
            against_reference: false,
            control: None,
            shared_shift: SharedShiftLimit::default(),
            switch: None,
        }
    }
}

impl Bounds {
    /// The default bounds of a metric: 5 % and 20 % of a ratio, 2 and 5 points of a share, and 10 ms of a time
    /// to a first token or to the end.
    pub fn default_of(metric: Metric) -> Self {
        let (tolerance, margin) = match metric.scale() {
            Scale::Ratio => (0.05, 0.20),
            Scale::Points => (0.02, 0.05),
        };
        let to_a_token = metric.is_time() && metric != Metric::InterTokenLatency;
        Self {
            tolerance,
            margin,
            floor_ns: to_a_token.then(|| Nanos::from_millis(10)),
        }
    }
}

impl Gate {
    /// The bounds of a metric.
    pub fn bounds_of(&self, metric: Metric) -> Bounds {
        let named = self.bounds.iter().find(|(named, _)| *named == metric);
        named.map_or_else(|| Bounds::default_of(metric), |(_, bounds)| *bounds)
    }

    /// Returns true if a metric can fail a build.
    pub fn is_primary(&self, metric: Metric) -> bool {
        self.primary.contains(&metric)
    }
}
