//! Ranks that are the same for every h in a range, and the values whose ranks are still open.
//!
//! Owns which values may change places. Must not know how values are brought into order. Invariant: sums of ranks are whole
//! numbers and exact at every h in the range.

use super::aligned::{Alignment, RankedValue, reach};

/// Values that may be out of order are sorted by insertion up to this number.
pub(super) const INSERT_MAX: usize = 32;

/// The share of the range before that is worth settling more ranks.
const SETTLE_AGAIN: f64 = 0.125;

/// Twice the sum of the ranks of each side, while values are added in rising order.
#[derive(Debug, Clone)]
pub(super) struct RankSums {
    pub(super) doubled: Vec<u64>,
    /// The number of values so far.
    below: u64,
}

/// The ranks of all values where h lies between two numbers.
#[derive(Debug, Clone)]
pub(super) struct NearbyRanks {
    /// The range.
    pub(super) within: (f64, f64),
    /// The sums of the ranks that are the same for all these h.
    settled: RankSums,
    /// The values whose ranks are open, block by block.
    open: Vec<RankedValue>,
    blocks: Vec<OpenBlock>,
    /// The block that values are added to.
    chain: OpenBlock,
}

/// Open values that may change places among themselves, but with no other.
#[derive(Debug, Clone, Copy)]
struct OpenBlock {
    len: usize,
    /// The number of values below all of them.
    below: u64,
}

impl RankSums {
    /// No values of so many sides.
    pub(super) fn new(sides: usize) -> Self {
        Self {
            doubled: vec![0; sides],
            below: 0,
        }
    }

    /// Adds values in rising order, above those so far; of tied ones all.
    pub(super) fn add(&mut self, sorted: &[RankedValue]) {
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

impl NearbyRanks {
    /// No values of so many sides.
    pub(super) fn new(sides: usize) -> Self {
        Self::with_sums((0.0, 0.0), vec![0; sides])
    }

    fn with_sums(within: (f64, f64), doubled: Vec<u64>) -> Self {
        Self {
            within,
            settled: RankSums { doubled, below: 0 },
            open: Vec::new(),
            blocks: Vec::new(),
            chain: OpenBlock { len: 0, below: 0 },
        }
    }

    /// Returns true if the ranks are those at h.
    pub(super) fn holds(&self, h: f64) -> bool {
        self.within.0 <= h && h <= self.within.1
    }

    /// Adds values of a side that change places with no other; `below` is the sum of the numbers of the values below each.
    pub(super) fn add_alone(&mut self, side: u32, values: u64, below: u64) {
        // A rank is 1 more than the number of the values below.
        self.settled.doubled[side as usize] += 2 * (below + values);
    }

    /// Adds a value with the number of those below it. If it lies within `reach` of the one before, they may change
    /// places.
    pub(super) fn add_close(&mut self, value: RankedValue, below: u64, reach: u64) {
        if self
            .open
            .last()
            .is_some_and(|last| value.key.abs_diff(last.key) > reach)
        {
            self.end_chain();
        }
        if self.chain.len == 0 {
            self.chain.below = below;
        }
        self.chain.len += 1;
        self.open.push(value);
    }

    /// Makes a block of the values since the last call, which no value to come can change places with.
    pub(super) fn end_chain(&mut self) {
        let chain = std::mem::replace(&mut self.chain, OpenBlock { len: 0, below: 0 });
        if chain.len > 1 {
            self.blocks.push(chain);
        } else if chain.len == 1
            && let Some(alone) = self.open.pop()
        {
            self.settled.below = chain.below;
            self.settled.add(&[alone]);
        }
    }

    /// Twice the sums of ranks, at an h within.
    pub(super) fn sums(&mut self, alignment: &Alignment) -> Vec<u64> {
        let mut sums = RankSums {
            doubled: self.settled.doubled.clone(),
            below: 0,
        };
        let mut rest = self.open.as_mut_slice();
        for block in &self.blocks {
            let (values, others) = rest.split_at_mut(block.len);
            rest = others;
            for value in &mut *values {
                value.key = alignment.key(value.side, value.log);
            }
            sort(values, values.len() > INSERT_MAX);
            sums.below = block.below;
            sums.add(values);
        }
        sums.doubled
    }

    /// The ranks in a much shorter range, which the last h is in: more of them are the same in all of it. `None` where the range
    /// is not much shorter.
    pub(super) fn settle_more(&self, range: (f64, f64)) -> Option<Self> {
        let within = (range.0.max(self.within.0), range.1.min(self.within.1));
        if within.1 - within.0 > SETTLE_AGAIN * (self.within.1 - self.within.0) {
            return None;
        }
        let reach = reach(within);
        let doubled = self.settled.doubled.clone();
        let mut shorter = Self::with_sums(within, doubled);
        let mut rest = self.open.as_slice();
        for block in &self.blocks {
            let (values, others) = rest.split_at(block.len);
            rest = others;
            let mut below = block.below;
            for value in values {
                shorter.add_close(*value, below, reach);
                below += u64::from(value.count);
            }
            shorter.end_chain();
        }
        Some(shorter)
    }
}

/// Sorts values that are nearly sorted, or far from it.
pub(super) fn sort(values: &mut [RankedValue], is_far: bool) {
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
