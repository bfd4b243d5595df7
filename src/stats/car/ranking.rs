//! The ranks of the values of two sides, aligned at a hypothetical log ratio h.
//!
//! Owns the order of aligned values. Must not know the test. Invariant: sums of ranks are whole numbers and exact,
//! whatever was ranked before; beside the values, memory is that of a slice of their order.
//!
//! The values of each side are sorted once and for all, and another h moves them together: the order of all of them
//! is made slice by slice, from a few values of each side at a time that fit into a processor's cache. Where h is
//! known to within less than the distance of most values, only those that may still change places are ranked again.

use std::ops::Range;

use crate::stats::paired::{Paired, Sides};

/// The distance below which aligned values are equal: subtracting medians must not separate equal values.
pub(super) const TIES_WITHIN: f64 = 1e-12;
const TIES_PER_UNIT: f64 = 1.0 / TIES_WITHIN;

/// The number of equal intervals of keys for each value: few values share one.
const INTERVALS_PER_VALUE: usize = 4;
/// The minimum number of values for a slice: they and the counts of their intervals stay in a processor's cache.
const SLICE_MIN: usize = 1_024;
/// The number of values of each side for a slice: a side should have some values in most slices.
const SLICE_PER_SIDE: usize = 8;

/// Values that share an interval are sorted by insertion up to this number.
const INSERT_MAX: u32 = 32;

/// The product of the number of values and a range of h below which most ranks are the same in all of the range.
const SETTLE_WITHIN: f64 = 0.5;
/// The share of the range before that is worth settling more ranks.
const SETTLE_AGAIN: f64 = 0.125;
/// More than the rounding errors of two keys together.
const ROUNDING_KEYS: i64 = 16;

/// The number of prompts left out in one pass over all values: their parts of every score stay in a processor's
/// cache, and memory stays small however many prompts there are.
pub(super) const LEFT_OUT_AT_ONCE: usize = 64;

/// Equal values of one side.
#[derive(Debug, Clone, Copy, Default)]
struct RankedValue {
    /// The aligned value in units of [`TIES_WITHIN`].
    key: i64,
    log: f64,
    /// Twice the number of its prompt, and 1 more for a value of b: an index instead of a branch that no
    /// processor could predict.
    side: u32,
    count: u32,
}

/// The ranks of the values of two sides.
pub(super) struct Ranking<'a> {
    paired: &'a Paired,
    count: usize,
    slice: Slice,
    nearby: Option<NearbyRanks>,
}

/// Room for a slice of the order, used again for each.
#[derive(Default)]
struct Slice {
    /// Its values, side by side ...
    taken: Vec<RankedValue>,
    /// ... and in rising order.
    sorted: Vec<RankedValue>,
    /// The first of each interval of keys in the rising order.
    starts: Vec<u32>,
}

/// A side of a prompt, aligned at one h.
struct AlignedSide<'a> {
    /// The values above the slices so far.
    logs: &'a [f64],
    shift: f64,
    centre: f64,
}

/// Equal intervals of keys, as wide as a power of two, so that a shift finds them.
#[derive(Clone, Copy)]
struct Intervals {
    min: i64,
    width_bits: u32,
}

/// Twice the sum of the ranks of each side, while values are added in rising order.
struct RankSums {
    doubled: Vec<u64>,
    /// The number of values so far.
    below: u64,
}

/// The ranks of all values where h lies between two numbers.
struct NearbyRanks {
    within: (f64, f64),
    /// The sums of the ranks that are the same for all these h; `below` counts their values and the open ones.
    settled: RankSums,
    /// The values whose ranks are open, block by block.
    open: Vec<RankedValue>,
    blocks: Vec<OpenBlock>,
}

/// Open values that may change places among themselves, but with no other.
#[derive(Clone, Copy)]
struct OpenBlock {
    len: usize,
    /// The number of values below all of them.
    below: u64,
}

impl<'a> Ranking<'a> {
    pub(super) fn new(paired: &'a Paired) -> Self {
        Self {
            paired,
            count: paired.prompts().iter().map(Sides::len).sum(),
            slice: Slice::default(),
            nearby: None,
        }
    }

    /// The scores T at log ratio `h`, one a prompt. `h` must be finite.
    pub(super) fn scores(&mut self, h: f64) -> Vec<f64> {
        self.scores_between(h, (h, f64::INFINITY))
    }

    /// The same during a search that has come between two numbers, both included, and is to come closer. Ranks that
    /// are settled by then are forgotten for an h that is not between them.
    pub(super) fn scores_between(&mut self, h: f64, (low, high): (f64, f64)) -> Vec<f64> {
        let range = high - low;
        let sums = match &mut self.nearby {
            Some(nearby) if nearby.within.0 <= h && h <= nearby.within.1 => {
                let sums = nearby.sums(&aligned_sides(self.paired, h));
                if range <= SETTLE_AGAIN * (nearby.within.1 - nearby.within.0) {
                    nearby.settle_more((low, high));
                }
                sums
            }
            _ if range * self.count as f64 <= SETTLE_WITHIN => self.settle(h, (low, high)),
            _ => {
                let mut sums = self.no_sums();
                self.in_order(h, |values| sums.add(values));
                sums.doubled
            }
        };
        // Twice the sums of ranks are whole numbers: equal scores are equal to the last bit.
        sums.chunks_exact(2)
            .zip(self.paired.prompts())
            .map(|(sums, sides)| score(sums[0], sums[1], sides))
            .collect()
    }

    fn no_sums(&self) -> RankSums {
        RankSums {
            doubled: vec![0; 2 * self.paired.prompts().len()],
            below: 0,
        }
    }

    /// Twice the sums of ranks at `h`, which is within the range, and the ranks that are the same in all of it.
    fn settle(&mut self, h: f64, within: (f64, f64)) -> Vec<u64> {
        let mut sums = self.no_sums();
        let mut nearby = NearbyRanks::new(within, self.no_sums());
        let reach = reach(within);
        let mut chain: Vec<RankedValue> = Vec::new();
        self.in_order(h, |values| {
            sums.add(values);
            for near in values.chunk_by(|one, next| next.key - one.key <= reach) {
                if chain
                    .last()
                    .is_some_and(|last| near[0].key - last.key > reach)
                {
                    nearby.add_chain(&chain);
                    chain.clear();
                }
                chain.extend_from_slice(near);
            }
        });
        nearby.add_chain(&chain);
        self.nearby = Some(nearby);
        sums.doubled
    }

    /// Calls `each` with all values in rising order, a slice at a time; tied ones come together.
    fn in_order(&mut self, h: f64, mut each: impl FnMut(&[RankedValue])) {
        let mut sides = aligned_sides(self.paired, h);
        let ends = |side: &AlignedSide<'_>| {
            let (first, last) = (side.logs.first()?, side.logs.last()?);
            Some((side.key(*first), side.key(*last)))
        };
        let ends = sides.iter().filter_map(ends);
        let Some((min, max)) = ends.reduce(|one, next| (one.0.min(next.0), one.1.max(next.1)))
        else {
            return;
        };
        let range = max.abs_diff(min);
        let values_in_slice = (SLICE_PER_SIDE * sides.len())
            .max(SLICE_MIN)
            .min(self.count);
        let [all, in_slice] = [self.count, values_in_slice]
            .map(|values| INTERVALS_PER_VALUE * values.next_power_of_two());
        let intervals = Intervals {
            min,
            width_bits: (range / all as u64 + 1)
                .next_power_of_two()
                .trailing_zeros(),
        };
        self.slice.starts.resize(in_slice + 1, 0);
        let last = range >> intervals.width_bits;
        for from in (0..=last).step_by(in_slice) {
            each(self.slice.fill(&mut sides, intervals, from));
        }
    }

    /// For every prompt (row by row) and each of those to be left out: how much of the prompt's score at `h` comes
    /// from the other's values lying below its own. A value's rank among all is 1/2 + the values below it + half of
    /// those tied with it, itself included.
    pub(super) fn parts(&mut self, h: f64, left_out: Range<usize>) -> Vec<f64> {
        let paired = self.paired;
        let width = left_out.len();
        // Twice the number of the values below, and of each side the sums of it.
        let mut below = vec![0_u64; width];
        let mut sums = vec![0_u64; 2 * paired.prompts().len() * width];
        self.in_order(h, |values| {
            for tied in values.chunk_by(|one, next| one.key == next.key) {
                let pass_half = |below: &mut [u64]| {
                    for value in tied {
                        let prompt = value.side as usize / 2;
                        if left_out.contains(&prompt) {
                            below[prompt - left_out.start] += u64::from(value.count);
                        }
                    }
                };
                pass_half(&mut below);
                for value in tied {
                    let row = &mut sums[value.side as usize * width..][..width];
                    let count = u64::from(value.count);
                    if count == 1 {
                        row.iter_mut()
                            .zip(&below)
                            .for_each(|(sum, below)| *sum += below);
                    } else {
                        row.iter_mut()
                            .zip(&below)
                            .for_each(|(sum, below)| *sum += count * below);
                    }
                }
                pass_half(&mut below);
            }
        });
        let rows = sums.chunks_exact(2 * width).zip(paired.prompts());
        rows.flat_map(|(row, sides)| {
            let (a, b) = row.split_at(width);
            a.iter().zip(b).map(|(&a, &b)| score(a, b, sides))
        })
        .collect()
    }
}

impl Slice {
    /// The values of the intervals from `from` on, as many as there is room for, in rising order.
    fn fill(
        &mut self,
        sides: &mut [AlignedSide<'_>],
        intervals: Intervals,
        from: u64,
    ) -> &[RankedValue] {
        self.starts.fill(0);
        self.taken.clear();
        let count = self.starts.len() - 1;
        for (side, number) in sides.iter_mut().zip(0..) {
            self.take(side, number, |key| {
                let interval = intervals.place(key, from);
                (interval < count).then_some(interval)
            });
        }
        let max_in_one = self.starts.iter().copied().max().unwrap_or(0);
        let mut start = 0;
        for count in &mut self.starts {
            start += *count;
            *count = start;
        }
        if self.sorted.len() < self.taken.len() {
            self.sorted.resize(self.taken.len(), RankedValue::default());
        }
        for value in &self.taken {
            let start = &mut self.starts[intervals.place(value.key, from)];
            self.sorted[*start as usize] = *value;
            *start += 1;
        }
        let sorted = &mut self.sorted[..self.taken.len()];
        sort(sorted, max_in_one > INSERT_MAX);
        sorted
    }

    /// Takes the values of a side that have an interval, and counts those of each.
    fn take(
        &mut self,
        side: &mut AlignedSide<'_>,
        number: u32,
        interval: impl Fn(i64) -> Option<usize>,
    ) {
        let mut logs = side.logs;
        while let [log, rest @ ..] = logs {
            let key = side.key(*log);
            let Some(interval) = interval(key) else {
                break;
            };
            let is_equal = |other: &&f64| other.to_bits() == log.to_bits();
            let equal = rest.iter().take_while(is_equal).count();
            logs = &rest[equal..];
            self.starts[interval + 1] += 1;
            self.taken.push(RankedValue {
                key,
                log: *log,
                side: number,
                count: u32::try_from(equal + 1).expect("memory holds fewer values"),
            });
        }
        side.logs = logs;
    }
}

/// All sides, two a prompt, aligned at `h` on the prompt's common median.
fn aligned_sides(paired: &Paired, h: f64) -> Vec<AlignedSide<'_>> {
    let prompts = paired.prompts().iter();
    let both = prompts.flat_map(|sides| {
        let centre = common_median(sides, h);
        let aligned = |logs, shift| AlignedSide {
            logs,
            shift,
            centre,
        };
        [aligned(sides.a(), 0.0), aligned(sides.b(), h)]
    });
    both.collect()
}

impl AlignedSide<'_> {
    fn key(&self, log: f64) -> i64 {
        rounded((log - self.shift - self.centre) * TIES_PER_UNIT)
    }
}

impl Intervals {
    /// The number of the interval of a key, counted from the interval `from`, which is no later.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "at most the number of intervals"
    )]
    fn place(self, key: i64, from: u64) -> usize {
        ((key.abs_diff(self.min) >> self.width_bits) - from) as usize
    }
}

/// Sorts values that are nearly sorted, or not.
fn sort(values: &mut [RankedValue], is_far: bool) {
    if is_far {
        values.sort_unstable_by_key(|value| value.key);
        return;
    }
    for index in 1..values.len() {
        let value = values[index];
        let mut hole = index;
        while hole > 0 && values[hole - 1].key > value.key {
            values[hole] = values[hole - 1];
            hole -= 1;
        }
        values[hole] = value;
    }
}

impl RankSums {
    /// Adds values in rising order, above those so far; of tied ones all.
    fn add(&mut self, sorted: &[RankedValue]) {
        let mut rest = sorted;
        while let [value, others @ ..] = rest {
            let tied = others
                .iter()
                .take_while(|other| other.key == value.key)
                .count();
            let (tied, above) = rest.split_at(tied + 1);
            let count: u64 = tied.iter().map(|value| u64::from(value.count)).sum();
            // Ranks count from 1: the first and the last of the group add up to twice their mean.
            let doubled = 2 * self.below + count + 1;
            for value in tied {
                self.doubled[value.side as usize] += doubled * u64::from(value.count);
            }
            self.below += count;
            rest = above;
        }
    }
}

/// The distance of two keys, in rising order at some h of a range, beyond which they keep that order in all of it: a
/// value moves by no more than h does.
fn reach((low, high): (f64, f64)) -> i64 {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "ranges that are settled are short, and a cast of anything else saturates"
    )]
    let keys = (2.0 * (high - low) * TIES_PER_UNIT).ceil() as i64;
    keys.saturating_add(ROUNDING_KEYS)
}

impl NearbyRanks {
    fn new(within: (f64, f64), settled: RankSums) -> Self {
        Self {
            within,
            settled,
            open: Vec::new(),
            blocks: Vec::new(),
        }
    }

    /// Adds values that may change places among themselves, but neither with those so far nor with those above.
    fn add_chain(&mut self, chain: &[RankedValue]) {
        if let [alone] = chain {
            self.settled.add(std::slice::from_ref(alone));
            return;
        }
        self.open.extend_from_slice(chain);
        self.blocks.push(OpenBlock {
            len: chain.len(),
            below: self.settled.below,
        });
        let counts = chain.iter().map(|value| u64::from(value.count));
        self.settled.below += counts.sum::<u64>();
    }

    /// Twice the sums of ranks, at an h within.
    fn sums(&mut self, sides: &[AlignedSide<'_>]) -> Vec<u64> {
        let mut sums = RankSums {
            doubled: self.settled.doubled.clone(),
            below: 0,
        };
        let mut rest = self.open.as_mut_slice();
        for block in &self.blocks {
            let (values, others) = rest.split_at_mut(block.len);
            rest = others;
            for value in &mut *values {
                value.key = sides[value.side as usize].key(value.log);
            }
            sort(values, values.len() > INSERT_MAX as usize);
            sums.below = block.below;
            sums.add(values);
        }
        sums.doubled
    }

    /// Settles the ranks that are the same in all of a shorter range, which the last h is in.
    fn settle_more(&mut self, within: (f64, f64)) {
        let reach = reach(within);
        let doubled = std::mem::take(&mut self.settled.doubled);
        let mut shorter = Self::new(within, RankSums { doubled, below: 0 });
        let mut rest = self.open.as_slice();
        for block in &self.blocks {
            let (values, others) = rest.split_at(block.len);
            rest = others;
            shorter.settled.below = block.below;
            for chain in values.chunk_by(|one, next| next.key - one.key <= reach) {
                shorter.add_chain(chain);
            }
        }
        *self = shorter;
    }
}

/// T, from twice the sums of both sides' ranks: the sum of b's ranks less as many mean ranks of the prompt.
fn score(ranks_a: u64, ranks_b: u64, sides: &Sides) -> f64 {
    let (of_a, of_b) = (sides.a().len() as i128, sides.b().len() as i128);
    let difference = i128::from(ranks_b) * of_a - i128::from(ranks_a) * of_b;
    difference as f64 / (2 * (of_a + of_b)) as f64
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
fn common_median(sides: &Sides, h: f64) -> f64 {
    let (a, b) = (sides.a(), sides.b());
    let half = sides.len().div_ceil(2);
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
    if sides.len().is_multiple_of(2) {
        0.5 * (last + of_either(from_a(of_a), from_b(of_b), f64::min))
    } else {
        last
    }
}
