//! A slice of the order of all values: as many as fit into a processor's cache.
//!
//! Owns how the values of a slice are found and brought into order. Must not know what ranks are for. Invariant: slices
//! follow each other in rising order, every value is in one of them, and tied ones are in the same.

use super::aligned::{AlignedSide, RankedValue};
use super::nearby::{INSERT_MAX, NearbyRanks, sort};

/// The maximum number of words of a slice, of a bit for each of 64 buckets: they stay in a processor's cache. Fewer values
/// have a word each.
const MAX_WORDS: usize = 2_048;
/// The number of values in a slice below which the next one is twice as wide, ...
const FEW_IN_SLICE: usize = 1_280;
/// ... above which it is half as wide ...
const MANY_IN_SLICE: usize = 3_072;
/// ... and above which the slice itself is made narrower, unless all of its values are equal.
const MAX_IN_SLICE: usize = 8_192;

/// The maximum width of a bucket, as a power of 2: a slice is no wider than the numbers that keys are.
const MAX_WIDTH_BITS: u32 = 45;

/// A slice of the order, in memory that is used again for the next.
#[derive(Debug, Clone, Default)]
pub(super) struct Slice {
    /// The key of the lower end.
    from: i64,
    /// The width of a bucket is this power of 2: a shift finds it.
    width_bits: u32,
    /// The number of its buckets.
    bucket_count: usize,
    /// Between an end of the slice and its neighbour there is a word for what may lie beyond.
    words: Vec<BucketWord>,
    /// The buckets of its values, side by side, ...
    buckets: Vec<u32>,
    /// ... and where those of each side end.
    ends: Vec<usize>,
    /// The values that are not alone, in rising order.
    close: Vec<RankedValue>,
}

/// 64 buckets.
#[derive(Debug, Clone, Copy, Default)]
struct BucketWord {
    /// One bit for each bucket that has a value.
    bits: u64,
    /// One bit for each of those that has more than one.
    shared: u64,
    /// One bit for each that has one, between two that have none, if no bucket of the word is shared.
    alone: u64,
    /// The number of values in them, and later that of all values below them in the slice.
    values: u32,
}

impl Slice {
    /// Calls `each` with the slices of all values in rising order, and the sides from there on. Tied values come
    /// together.
    pub(super) fn walk(
        &mut self,
        sides: &mut [AlignedSide<'_>],
        mut each: impl FnMut(&mut Self, &[AlignedSide<'_>]),
    ) {
        let last = |side: &AlignedSide<'_>| Some(side.key(*side.logs.last()?));
        let last = sides.iter().filter_map(last).max();
        let (Some(first), Some(last)) = (first_key(sides), last) else {
            return;
        };
        let count: usize = sides.iter().map(|side| side.logs.len()).sum();
        self.bucket_count = 64 * count.next_power_of_two().min(MAX_WORDS);
        let slices = (count / MANY_IN_SLICE).max(1);
        let width = last.abs_diff(first) / (slices * self.bucket_count) as u64 + 1;
        self.width_bits = width.next_power_of_two().trailing_zeros();
        while let Some(from) = first_key(sides) {
            self.from = from;
            if !self.take(sides) {
                self.width_bits -= self.width_bits.min(3);
                continue;
            }
            each(self, sides);
            let mut first = 0;
            for (side, end) in sides.iter_mut().zip(&self.ends) {
                side.advance(end - first);
                first = *end;
            }
            if self.buckets.len() > MANY_IN_SLICE {
                self.width_bits = self.width_bits.saturating_sub(1);
            } else if self.buckets.len() < FEW_IN_SLICE {
                self.width_bits = (self.width_bits + 1).min(MAX_WIDTH_BITS);
            }
        }
    }

    /// The width of a bucket, in keys.
    pub(super) const fn width(&self) -> u64 {
        1 << self.width_bits
    }

    /// Takes the values that have a bucket. Returns false if a narrower slice would have fewer, and these are too many.
    fn take(&mut self, sides: &[AlignedSide<'_>]) -> bool {
        let words = self.bucket_count / 64;
        self.words.clear();
        self.words.resize(words + 2, BucketWord::default());
        // Whether a value at an end is alone is not known.
        self.words[0].bits = 1 << 63;
        self.words[words + 1].bits = 1;
        self.buckets.clear();
        self.ends.clear();
        for side in sides {
            if side.counts.is_empty() {
                self.take_side(side, |_| 1);
            } else {
                self.take_side(side, |index| side.counts[index]);
            }
            if self.buckets.len() > MAX_IN_SLICE && self.width_bits > 0 {
                return false;
            }
            self.ends.push(self.buckets.len());
        }
        true
    }

    fn take_side(&mut self, side: &AlignedSide<'_>, count: impl Fn(usize) -> u32) {
        let (from, width_bits) = (self.from, self.width_bits);
        let end = self.bucket_count as u64;
        for (index, &log) in side.logs.iter().enumerate() {
            let bucket = side.key(log).abs_diff(from) >> width_bits;
            if bucket >= end {
                break;
            }
            let bucket = padded(bucket);
            let word = &mut self.words[bucket as usize / 64];
            let count = count(index);
            let bit = 1 << (bucket % 64);
            word.shared |= if count > 1 { bit } else { word.bits & bit };
            word.bits |= bit;
            word.values += count;
            self.buckets.push(bucket);
        }
    }

    /// Adds the values of the slice to ranks, and returns their number; `below_slice` is that of the values below.
    pub(super) fn rank(
        &mut self,
        sides: &[AlignedSide<'_>],
        below_slice: u64,
        nearby: &mut NearbyRanks,
    ) -> u64 {
        let values = self.count_below();
        self.find_alone();
        self.close.clear();
        let mut first = 0;
        for ((number, side), &end) in (0..).zip(sides).zip(&self.ends) {
            let (mut below, mut alone) = (0, 0);
            for (index, &bucket) in self.buckets[first..end].iter().enumerate() {
                let word = self.words[bucket as usize / 64];
                if word.alone >> (bucket % 64) & 1 == 1 {
                    below += u64::from(word.below(bucket));
                    alone += 1;
                } else {
                    let log = side.logs[index];
                    self.close.push(RankedValue {
                        key: side.key(log),
                        log,
                        side: number,
                        count: side.count(index),
                    });
                }
            }
            nearby.add_alone(number, alone, below + alone * below_slice);
            first = end;
        }
        self.close.sort_unstable_by_key(|value| value.key);
        // The number of values so far in the bucket's word.
        let (mut in_word, mut word) = (0, 0);
        for value in &self.close {
            let bucket = padded(value.key.abs_diff(self.from) >> self.width_bits);
            if bucket / 64 != word {
                (in_word, word) = (0, bucket / 64);
            }
            let of_word = self.words[word as usize];
            let below = if of_word.shared == 0 {
                of_word.below(bucket)
            } else {
                of_word.values + in_word
            };
            in_word += value.count;
            nearby.add_close(*value, below_slice + u64::from(below), self.width());
        }
        u64::from(values)
    }

    /// Sorts the values of the slice.
    pub(super) fn sort(&mut self, sides: &[AlignedSide<'_>], sorted: &mut Vec<RankedValue>) {
        for word in &mut self.words {
            word.values = 0;
        }
        for &bucket in &self.buckets {
            self.words[bucket as usize / 64].values += 1;
        }
        let is_full = |word: &BucketWord| word.shared != 0 && word.values as usize > INSERT_MAX;
        let any_full = self.words.iter().any(is_full);
        self.count_below();
        sorted.clear();
        sorted.resize(self.buckets.len(), RankedValue::default());
        let mut first = 0;
        for ((number, side), &end) in (0..).zip(sides).zip(&self.ends) {
            let taken = self.buckets[first..end].iter().zip(side.logs);
            for (index, (&bucket, &log)) in taken.enumerate() {
                let word = &mut self.words[bucket as usize / 64];
                let place = if word.shared == 0 {
                    word.below(bucket)
                } else {
                    word.values += 1;
                    word.values - 1
                };
                sorted[place as usize] = RankedValue {
                    key: side.key(log),
                    log,
                    side: number,
                    count: side.count(index),
                };
            }
            first = end;
        }
        // Out of order are only those of one word.
        sort(sorted, any_full);
    }

    /// Replaces the numbers of the words by the sums of those below, and returns the sum of all.
    fn count_below(&mut self) -> u32 {
        let mut below = 0;
        for word in &mut self.words {
            below += std::mem::replace(&mut word.values, below);
        }
        below
    }

    /// Finds the buckets with one value whose neighbours have none.
    fn find_alone(&mut self) {
        let mut below = self.words[0].bits;
        for index in 1..self.words.len() - 1 {
            let above = self.words[index + 1].bits;
            let BucketWord { bits, shared, .. } = self.words[index];
            let neighbours = bits << 1 | below >> 63 | bits >> 1 | above << 63;
            self.words[index].alone = if shared == 0 { bits & !neighbours } else { 0 };
            below = bits;
        }
    }
}

impl BucketWord {
    /// The number of values of the slice below a bucket of this word, if none of its buckets is shared.
    const fn below(self, bucket: u32) -> u32 {
        self.values + (self.bits & ((1 << (bucket % 64)) - 1)).count_ones()
    }
}

/// The number of a bucket, counted with those of the word below the slice.
#[allow(
    clippy::cast_possible_truncation,
    reason = "below the number of buckets"
)]
const fn padded(bucket: u64) -> u32 {
    bucket as u32 + 64
}

/// The first key of all sides.
fn first_key(sides: &[AlignedSide<'_>]) -> Option<i64> {
    let first = |side: &AlignedSide<'_>| Some(side.key(*side.logs.first()?));
    sides.iter().filter_map(first).min()
}
