//! The gate of a suite: which differences count, with what confidence, and which limits must hold.
//!
//! Owns the rules' values and their defaults. Must not know how anything is judged. Invariant: a
//! tolerance is never above its margin, alpha lies within (0, 0.5], and limits are positive.

use serde::{Deserialize, Serialize};

use crate::units::{Nanos, Usd};

use super::metric::{Metric, Scale};

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
    /// The bound: a maximum for times, money and errors, a minimum for a pass rate and a share within a time.
    pub bound: LimitBound,
    /// True if a run ends as soon as the limit can no longer hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub abort: bool,
}

/// A quantity that a limit can apply to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// A percentile (50, 75, 90, 95, 99) of a time: TTFT, TTFA, experienced TTFT, latency or mean gap.
    Time {
        /// The time.
        metric: Metric,
        /// The percentile, in percent.
        percent: u8,
    },
    /// Share of trials answered within a time, rate-limited ones excluded: a service level objective.
    Within {
        /// The metric.
        metric: Metric,
        /// The time.
        time: Nanos,
    },
    /// Share of trials that were not answered to the end, rate-limited ones excluded.
    ErrorRate,
    /// Mean list price of a request.
    CostPerRequest,
    /// Share of graded answers that passed.
    PassRate,
}

/// The keys of limits on times, by metric; their percentiles in the order of [`PERCENTS`].
const TIMES: [(Metric, [&str; 5]); 5] = [
    (
        Metric::Ttft,
        ["ttft_p50", "ttft_p75", "ttft_p90", "ttft_p95", "ttft_p99"],
    ),
    (
        Metric::Ttfa,
        ["ttfa_p50", "ttfa_p75", "ttfa_p90", "ttfa_p95", "ttfa_p99"],
    ),
    (
        Metric::ExperiencedTtft,
        [
            "experienced_ttft_p50",
            "experienced_ttft_p75",
            "experienced_ttft_p90",
            "experienced_ttft_p95",
            "experienced_ttft_p99",
        ],
    ),
    (
        Metric::Latency,
        [
            "latency_p50",
            "latency_p75",
            "latency_p90",
            "latency_p95",
            "latency_p99",
        ],
    ),
    (
        Metric::InterTokenLatency,
        [
            "request_gap_p50",
            "request_gap_p75",
            "request_gap_p90",
            "request_gap_p95",
            "request_gap_p99",
        ],
    ),
];

/// The keys of limits on the share of trials within a time, by metric.
const WITHIN: [(Metric, &str); 4] = [
    (Metric::Ttft, "ttft_within"),
    (Metric::Ttfa, "ttfa_within"),
    (Metric::ExperiencedTtft, "experienced_ttft_within"),
    (Metric::Latency, "latency_within"),
];

const PERCENTS: [u8; 5] = [50, 75, 90, 95, 99];

impl Quantity {
    /// Every quantity that can be limited, in the order of the documentation; shares within a time have the time 0.
    pub fn all() -> impl Iterator<Item = Self> {
        let times = TIMES.iter().flat_map(|(metric, _)| {
            PERCENTS.map(|percent| Self::Time {
                metric: *metric,
                percent,
            })
        });
        let within = WITHIN.map(|(metric, _)| Self::Within {
            metric,
            time: Nanos(0),
        });
        let others = [Self::ErrorRate, Self::CostPerRequest, Self::PassRate];
        times.chain(within).chain(others)
    }

    /// Returns true if its bound is a minimum.
    pub const fn has_minimum(self) -> bool {
        matches!(self, Self::PassRate | Self::Within { .. })
    }

    /// Its key in `[gate.limits]`, also the word in reports; `time` for a combination that no suite can name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Time { metric, percent } => {
                let words = TIMES.iter().find(|(named, _)| *named == metric);
                let place = PERCENTS.iter().position(|named| *named == percent);
                words
                    .zip(place)
                    .map_or("time", |((_, words), place)| words[place])
            }
            Self::Within { metric, .. } => {
                let found = WITHIN.iter().find(|(named, _)| *named == metric);
                found.map_or("time", |(_, word)| word)
            }
            Self::ErrorRate => "error_rate",
            Self::CostPerRequest => "cost_per_request",
            Self::PassRate => "pass_rate",
        }
    }
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
