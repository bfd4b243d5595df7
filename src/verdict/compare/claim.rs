//! The three claims that a verdict is based on, and the line of each.
//!
//! Owns the lines, by tolerance, margin and direction. Must not know how a claim is tested. Invariant:
//! exchanging the sides turns the line of *worse* into that of *better*.

use crate::suite::{Bounds, Direction, Metric, Scale};
use crate::verdict::judgement::{Comparison, Tests};

/// A claim that a test can support.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::verdict) enum Claim {
    /// Worse by more than the tolerance.
    Worse,
    /// Better by more than the tolerance.
    Better,
    /// Worse by less than the margin, if at all.
    WithinMargin,
}

/// A line, and the side of it where the effect must lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::verdict) struct Line {
    /// The position: the natural logarithm of the ratio candidate / reference, or a difference of shares.
    pub(in crate::verdict) at: f64,
    /// True if the effect must lie above the line, false if below.
    pub(in crate::verdict) above: bool,
}

impl Claim {
    /// All three claims.
    pub(in crate::verdict) const ALL: [Self; 3] = [Self::Worse, Self::Better, Self::WithinMargin];

    /// The line beyond which the effect must lie for the claim to hold.
    pub(in crate::verdict) fn line(self, metric: Metric, bounds: Bounds) -> Line {
        let allowed = match self {
            Self::Worse | Self::Better => bounds.tolerance,
            Self::WithinMargin => bounds.margin,
        };
        let distance = match metric.scale() {
            Scale::Ratio => allowed.ln_1p(),
            Scale::Points => allowed,
        };
        // As if lower were better; a metric where higher is better is the mirror image.
        let (at, above) = match self {
            Self::Worse => (distance, true),
            Self::Better => (-distance, false),
            Self::WithinMargin => (distance, false),
        };
        match metric.direction() {
            Direction::LowerIsBetter => Line { at, above },
            Direction::HigherIsBetter => Line {
                at: -at,
                above: !above,
            },
        }
    }
}

/// Returns true if the interval of a comparison reaches beyond its margin on the worse side, or has no end there.
pub fn reaches_margin(comparison: &Comparison) -> bool {
    let Some(effect) = &comparison.effect else {
        return false;
    };
    let line = Claim::WithinMargin.line(comparison.metric, comparison.bounds);
    let end = if line.above {
        effect.interval.lower
    } else {
        effect.interval.upper
    };
    let end = end.map(|end| match comparison.metric.scale() {
        Scale::Ratio => end.ln(),
        Scale::Points => end,
    });
    end.is_none_or(|end| {
        if line.above {
            end < line.at
        } else {
            end > line.at
        }
    })
}

/// The p values of the three claims, where `p` gives the p value of a line; `None` where it has none.
pub(in crate::verdict) fn tests(
    metric: Metric,
    bounds: Bounds,
    p: impl Fn(Line) -> Option<f64>,
) -> Option<Tests> {
    let p = |claim: Claim| p(claim.line(metric, bounds)).filter(|p| !p.is_nan());
    Some(Tests {
        worse: p(Claim::Worse)?,
        better: p(Claim::Better)?,
        within_margin: p(Claim::WithinMargin)?,
    })
}

impl Line {
    /// The p value of an effect that is known exactly.
    pub(in crate::verdict) fn certain(self, effect: f64) -> f64 {
        let beyond = if self.above {
            effect - self.at
        } else {
            self.at - effect
        };
        if beyond > 0.0 {
            0.0
        } else if beyond < 0.0 {
            1.0
        } else {
            0.5
        }
    }
}
