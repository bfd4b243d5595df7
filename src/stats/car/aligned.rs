//! The values of both sides, aligned at a hypothetical log ratio h.
//!
//! Owns which values of a side are ranked, and when two are tied. Must not know ranks. Invariant: equal keys are tied, and
//! keys rise as the values of a side do.

use crate::stats::paired::{Paired, Sides};

/// The distance below which aligned values are equal: subtracting medians must not separate equal values.
pub(super) const TIES_WITHIN: f64 = 1e-12;
const TIES_PER_UNIT: f64 = 1.0 / TIES_WITHIN;
/// More than the rounding errors of two keys together.
pub(super) const ROUNDING_KEYS: u64 = 16;

/// Equal values of one side.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RankedValue {
    /// The aligned value in units of [`TIES_WITHIN`].
    pub(super) key: i64,
    /// The value itself, not aligned.
    pub(super) log: f64,
    /// Twice the number of its prompt, and 1 more for a value of b.
    pub(super) side: u32,
    /// The number of values.
    pub(super) count: u32,
}

/// The ranked values of one side of a prompt.
#[derive(Debug, Clone)]
pub(super) enum SideValues {
    /// All of its values, one by one.
    All,
    /// Each value once, with their number.
    Distinct(Vec<f64>, Vec<u32>),
    /// Some of its values.
    Some(Vec<f64>),
}

/// The ranked values of all sides, two a prompt.
#[derive(Debug, Clone)]
pub(super) enum RankedSides {
    /// All values of every side, one by one: nothing is stored for them.
    All,
    /// Side by side.
    Each(Vec<SideValues>),
}

/// The alignment of all values at one h.
pub(super) struct Alignment {
    h: f64,
    /// The common median of each prompt.
    centres: Vec<f64>,
}

/// The rest of the values of a side of a prompt, aligned at one h.
pub(super) struct AlignedSide<'a> {
    /// The values above the slices so far, ...
    pub(super) logs: &'a [f64],
    /// ... and the number of each; empty where that is 1.
    pub(super) counts: &'a [u32],
    shift: f64,
    centre: f64,
}

impl RankedSides {
    /// All values of the sides.
    pub(super) fn all(paired: &Paired) -> Self {
        let is_listed = |logs: &[f64]| !matches!(SideValues::all(logs), SideValues::All);
        if side_logs(paired).any(is_listed) {
            Self::Each(side_logs(paired).map(SideValues::all).collect())
        } else {
            Self::All
        }
    }

    /// One value in `stride` of each side, in the middle of those that it stands for.
    pub(super) fn thinned(paired: &Paired, stride: usize) -> Self {
        let thinned = |logs: &[f64]| SideValues::thinned(logs, stride);
        Self::Each(side_logs(paired).map(thinned).collect())
    }

    /// Each side's values, of those that these were created with.
    pub(super) fn iter<'a>(
        &'a self,
        paired: &'a Paired,
    ) -> impl Iterator<Item = (&'a SideValues, &'a [f64])> {
        let values = move |side: usize| match self {
            Self::All => &SideValues::All,
            Self::Each(sides) => &sides[side],
        };
        let sides = side_logs(paired).enumerate();
        sides.map(move |(side, logs)| (values(side), logs))
    }
}

/// The values of all sides, two a prompt.
fn side_logs(paired: &Paired) -> impl Iterator<Item = &[f64]> {
    paired.prompts().flat_map(Sides::both)
}

impl Alignment {
    /// Aligns both sides of each prompt on the prompt's common median.
    pub(super) fn new(paired: &Paired, h: f64) -> Self {
        let centres = paired.prompts().map(|sides| common_median(sides, h));
        Self {
            h,
            centres: centres.collect(),
        }
    }

    /// The number of sides.
    pub(super) fn sides(&self) -> usize {
        2 * self.centres.len()
    }

    /// The aligned value of a side in units of [`TIES_WITHIN`].
    pub(super) fn key(&self, side: u32, log: f64) -> i64 {
        let (shift, centre) = self.place(side as usize);
        key(log, shift, centre)
    }

    /// Those sides, aligned.
    pub(super) fn align<'a>(
        &self,
        sides: &'a RankedSides,
        paired: &'a Paired,
    ) -> Vec<AlignedSide<'a>> {
        let sides = sides.iter(paired).enumerate();
        let aligned = sides.map(|(side, (values, logs))| {
            let (shift, centre) = self.place(side);
            AlignedSide {
                logs: values.ranked(logs),
                counts: values.counts(),
                shift,
                centre,
            }
        });
        aligned.collect()
    }

    /// What is subtracted from the values of a side.
    fn place(&self, side: usize) -> (f64, f64) {
        let shift = if side.is_multiple_of(2) { 0.0 } else { self.h };
        (shift, self.centres[side / 2])
    }
}

fn key(log: f64, shift: f64, centre: f64) -> i64 {
    rounded((log - shift - centre) * TIES_PER_UNIT)
}

impl SideValues {
    /// All values of a side.
    pub(super) fn all(logs: &[f64]) -> Self {
        let equal = |one: &f64, next: &f64| one.to_bits() == next.to_bits();
        let distinct = 1 + logs
            .windows(2)
            .filter(|two| !equal(&two[0], &two[1]))
            .count();
        // Their numbers take memory and time: only where equal values are many.
        if 2 * distinct > logs.len() {
            return Self::All;
        }
        let groups = logs.chunk_by(equal);
        let groups = groups.map(|equal| {
            let count = u32::try_from(equal.len()).expect("memory holds fewer values");
            (equal[0], count)
        });
        let (distinct, counts) = groups.unzip();
        Self::Distinct(distinct, counts)
    }

    /// One value in `stride`, in the middle of those that it stands for.
    pub(super) fn thinned(logs: &[f64], stride: usize) -> Self {
        let first = (logs.len().min(stride) - 1) / 2;
        Self::Some(logs.iter().skip(first).step_by(stride).copied().collect())
    }

    /// The values that are ranked, of all `logs`.
    pub(super) fn ranked<'a>(&'a self, logs: &'a [f64]) -> &'a [f64] {
        match self {
            Self::All => logs,
            Self::Distinct(values, _) | Self::Some(values) => values,
        }
    }

    /// The number of each; empty where that is 1.
    pub(super) fn counts(&self) -> &[u32] {
        match self {
            Self::Distinct(_, counts) => counts,
            Self::All | Self::Some(_) => &[],
        }
    }

    /// The number of values, with equal ones.
    pub(super) fn count(&self, logs: &[f64]) -> usize {
        match self {
            Self::Some(values) => values.len(),
            Self::All | Self::Distinct(..) => logs.len(),
        }
    }
}

impl AlignedSide<'_> {
    /// The aligned value in units of [`TIES_WITHIN`].
    pub(super) fn key(&self, log: f64) -> i64 {
        key(log, self.shift, self.centre)
    }

    /// The number of the values equal to the one at this index.
    pub(super) fn count(&self, index: usize) -> u32 {
        self.counts.get(index).copied().unwrap_or(1)
    }

    /// Leaves out the first values.
    pub(super) fn advance(&mut self, values: usize) {
        self.logs = &self.logs[values..];
        self.counts = self.counts.get(values..).unwrap_or_default();
    }
}

/// The distance of two keys, in rising order at some h of a range, beyond which they keep that order in all of it: a
/// value moves by no more than h does.
pub(super) fn reach((low, high): (f64, f64)) -> u64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "ranges that are settled are short, and a cast of anything else saturates"
    )]
    let keys = (2.0 * (high - low) * TIES_PER_UNIT).ceil() as u64;
    keys.saturating_add(ROUNDING_KEYS)
}

/// The numbers around h that have at most this reach from it.
pub(super) fn within_reach(h: f64, keys: u64) -> (f64, f64) {
    let distance = 0.5 * TIES_WITHIN * keys.saturating_sub(ROUNDING_KEYS) as f64;
    (h - distance, h + distance)
}

/// The nearest whole number, the even one of two. Where a number is small enough, an addition rounds it:
/// the ulp of what is between 2^52 and 2^53 is 1. Before processors round by themselves (SSE 4.1) it is a call
/// a value.
pub(super) fn rounded(number: f64) -> i64 {
    const REACH: f64 = (1_u64 << 51) as f64;
    const SHIFT: f64 = 3.0 * REACH;
    if number.abs() < REACH {
        (number + SHIFT).to_bits().cast_signed() - SHIFT.to_bits().cast_signed()
    } else {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "logarithms are below 750, and a cast of anything else saturates"
        )]
        let whole = number.round_ties_even() as i64;
        whole
    }
}

/// The median of a prompt's values of both sides, b's less `h`: looks for how many of each side make up the
/// lower half.
fn common_median(sides: Sides<'_>, h: f64) -> f64 {
    let (a, b) = (sides.a(), sides.b());
    let half = sides.count().div_ceil(2);
    let (mut of_a, mut max) = (half.saturating_sub(b.len()), half.min(a.len()));
    while of_a < max {
        let middle = of_a.midpoint(max);
        if a[middle] < b[half - middle - 1] - h {
            of_a = middle + 1;
        } else {
            max = middle;
        }
    }
    let of_b = half - of_a;
    let from_a = |place: usize| a.get(place).copied();
    let from_b = |place: usize| b.get(place).map(|log| log - h);
    let of_either = |one: Option<f64>, other: Option<f64>, pick: fn(f64, f64) -> f64| {
        let both = one.zip(other).map(|(one, other)| pick(one, other));
        both.or(one).or(other).unwrap_or_default()
    };
    let before = |count: usize| count.checked_sub(1);
    let (last_a, last_b) = (before(of_a).and_then(from_a), before(of_b).and_then(from_b));
    let last = of_either(last_a, last_b, f64::max);
    if sides.count().is_multiple_of(2) {
        0.5 * (last + of_either(from_a(of_a), from_b(of_b), f64::min))
    } else {
        last
    }
}
