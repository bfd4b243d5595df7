//! The ranks of the values of two sides, aligned at a hypothetical log ratio h.
//!
//! Owns the order of aligned values. Must not know the test. Invariant: sums of ranks are whole numbers and exact,
//! whatever was ranked before; beside the values, memory is that of the values that lie close to others and of a slice of the
//! order, or of all of it where sides are many.
//!
//! The values of each side are sorted once and for all, and another h moves them together. A slice of the order, a few
//! values of each side that fit into a processor's cache, is cut into many more buckets than it has values, a bit for
//! each: a value that is alone in its bucket and between two empty ones has the rank that the bits below it count. Only
//! the others are sorted. And another h that moves no value by half a bucket changes no other rank, so that a search that
//! comes closer ranks these few again. Where sides are many and have few values, all of them are sorted instead.

use std::ops::Range;

use crate::stats::paired::Paired;

use super::aligned::{Alignment, ROUNDING_KEYS, RankedSides, RankedValue, within_reach};
use super::nearby::{NearbyRanks, RankSums};
use super::slice::Slice;

/// The number of prompts left out in one pass over all values: their parts of every score stay in a processor's
/// cache, and memory stays small however many prompts there are.
pub(super) const LEFT_OUT_AT_ONCE: usize = 64;

/// The number of sides above which all values are sorted at once: each slice looks at every side, and these have few values.
const MANY_SIDES: usize = 4_096;
/// The number of values of which one shows how far apart neighbours are, ...
const GAPS_SAMPLED: usize = 8;
/// ... and the share of them that are closer than the others: as many as share a bucket of a slice.
const CLOSE_SHARE: usize = 20;

/// The ranks of the values of two sides.
#[derive(Debug, Clone)]
pub(super) struct Ranking {
    sides: RankedSides,
    slice: Slice,
    /// All values are sorted at once.
    pub(super) sorts_all: bool,
    /// The ranks near the h that all values were ranked at last.
    nearby: Option<NearbyRanks>,
    /// The ranks in a part of that range, which takes less time.
    settled: Option<NearbyRanks>,
}

impl Ranking {
    /// The ranking of all values.
    pub(super) fn new(paired: &Paired) -> Self {
        Self::of(paired, RankedSides::all(paired))
    }

    /// The ranking of one value in `stride` of each side, in the middle of those that it stands for. Its scores are
    /// about `stride` squared times smaller.
    pub(super) fn thinned(paired: &Paired, stride: usize) -> Self {
        Self::of(paired, RankedSides::thinned(paired, stride))
    }

    fn of(paired: &Paired, sides: RankedSides) -> Self {
        Self {
            sides,
            slice: Slice::default(),
            sorts_all: 2 * paired.prompt_count() > MANY_SIDES,
            nearby: None,
            settled: None,
        }
    }

    /// The number of values that are ranked one by one.
    pub(super) fn len(&self, paired: &Paired) -> usize {
        let sides = self.sides.iter(paired);
        sides.map(|(values, logs)| values.ranked(logs).len()).sum()
    }

    /// The scores T at log ratio `h`, one a prompt, of the sides that the ranking was created with. `h` must be finite.
    pub(super) fn scores(&mut self, paired: &Paired, h: f64) -> Vec<f64> {
        self.scores_between(paired, h, (h, f64::INFINITY))
    }

    /// The same during a search that has come between two numbers, both included, and is to come closer. Ranks that
    /// are settled by then are forgotten for an h that is not near them.
    pub(super) fn scores_between(
        &mut self,
        paired: &Paired,
        h: f64,
        (low, high): (f64, f64),
    ) -> Vec<f64> {
        let holds = |nearby: &Option<NearbyRanks>| nearby.as_ref().is_some_and(|one| one.holds(h));
        if !holds(&self.settled) {
            self.settled = None;
        }
        let alignment = Alignment::new(paired, h);
        if self.settled.is_none() && !holds(&self.nearby) {
            self.rank(paired, h, &alignment);
        }
        let nearby = self.settled.as_mut().or(self.nearby.as_mut());
        let (sums, settled) = nearby
            .map(|nearby| (nearby.sums(&alignment), nearby.settle_more((low, high))))
            .unwrap_or_default();
        self.settled = settled.or(self.settled.take());
        // Twice the sums of ranks are whole numbers: equal scores are equal to the last bit.
        self.to_scores(paired, &sums)
    }

    /// The scores of twice the sums of the ranks of each side.
    fn to_scores(&self, paired: &Paired, sums: &[u64]) -> Vec<f64> {
        let sums = sums.chunks_exact(2).zip(self.counts(paired));
        sums.map(|(sums, counts)| score(sums[0], sums[1], counts))
            .collect()
    }

    /// The numbers around `h` at which scores take little time after those at `h`; `None` if those were not the last.
    pub(super) fn near(&self, h: f64) -> Option<(f64, f64)> {
        let nearby = self.settled.as_ref().or(self.nearby.as_ref());
        nearby
            .filter(|nearby| nearby.holds(h))
            .map(|nearby| nearby.within)
    }

    /// Ranks all values at `h`.
    fn rank(&mut self, paired: &Paired, h: f64, alignment: &Alignment) {
        // Those before are of another h.
        self.nearby = None;
        let mut nearby = NearbyRanks::new(alignment.sides());
        let width = if self.sorts_all {
            self.rank_sorted(paired, alignment, &mut nearby)
        } else {
            self.rank_slices(paired, alignment, &mut nearby)
        };
        nearby.end_chain();
        // Those further apart than the width keep their order while each moves by less than half of it.
        nearby.within = within_reach(h, width);
        self.nearby = Some(nearby);
    }

    /// Ranks all values slice by slice, and returns the width of the narrowest bucket.
    fn rank_slices(
        &mut self,
        paired: &Paired,
        alignment: &Alignment,
        nearby: &mut NearbyRanks,
    ) -> u64 {
        let mut sides = alignment.align(&self.sides, paired);
        let (mut below, mut width) = (0, u64::MAX);
        self.slice.walk(&mut sides, |slice, sides| {
            below += slice.rank(sides, below, nearby);
            width = width.min(slice.width());
        });
        width
    }

    /// Ranks all values in their order, and returns the distance of the closest twentieth of neighbours.
    fn rank_sorted(&self, paired: &Paired, alignment: &Alignment, nearby: &mut NearbyRanks) -> u64 {
        let mut sorted = Vec::with_capacity(self.len(paired));
        for (side, (values, logs)) in (0..).zip(self.sides.iter(paired)) {
            let counts = values.counts();
            let ranked = values.ranked(logs).iter().enumerate();
            sorted.extend(ranked.map(|(index, &log)| RankedValue {
                key: alignment.key(side, log),
                log,
                side,
                count: counts.get(index).copied().unwrap_or(1),
            }));
        }
        sorted.sort_unstable_by_key(|value| value.key);
        let width = close_distance(&sorted);
        let mut below = 0;
        for value in sorted {
            nearby.add_close(value, below, width);
            below += u64::from(value.count);
        }
        width
    }

    /// The number of values of both sides of each prompt.
    fn counts<'a>(&'a self, paired: &'a Paired) -> impl Iterator<Item = (usize, usize)> + use<'a> {
        let counts = self.sides.iter(paired);
        let mut counts = counts.map(|(values, logs)| values.count(logs));
        std::iter::from_fn(move || counts.next().zip(counts.next()))
    }

    /// The scores at log ratio `h`, and for every prompt (row by row) and each of those to be left out: how much of the
    /// prompt's score comes from the other's values lying below its own. A value's rank among all is 1/2 + the values below it +
    /// half of those tied with it, itself included.
    pub(super) fn scores_and_parts(
        &mut self,
        paired: &Paired,
        h: f64,
        left_out: Range<usize>,
    ) -> (Vec<f64>, Vec<f64>) {
        let width = left_out.len();
        let mut ranks = RankSums::new(2 * paired.prompt_count());
        // Twice the number of the values below, and of each side the sums of it.
        let mut below = vec![0_u64; width];
        let mut sums = vec![0_u64; 2 * paired.prompt_count() * width];
        let mut sides = Alignment::new(paired, h).align(&self.sides, paired);
        let mut sorted = Vec::new();
        self.slice.walk(&mut sides, |slice, sides| {
            slice.sort(sides, &mut sorted);
            ranks.add(&sorted);
            for tied in sorted.chunk_by(|one, next| one.key == next.key) {
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
        let rows = sums.chunks_exact(2 * width).zip(self.counts(paired));
        let parts = rows.flat_map(|(row, counts)| {
            let (a, b) = row.split_at(width);
            a.iter().zip(b).map(move |(&a, &b)| score(a, b, counts))
        });
        (self.to_scores(paired, &ranks.doubled), parts.collect())
    }
}

/// The distance of neighbours, in keys, that a twentieth of them are closer than; those that rounding may separate do not count. At
/// least 1.
fn close_distance(sorted: &[RankedValue]) -> u64 {
    let neighbours = sorted.windows(2).step_by(GAPS_SAMPLED);
    let distances = neighbours.map(|two| two[1].key.abs_diff(two[0].key));
    let mut distances: Vec<u64> = distances
        .filter(|distance| *distance > ROUNDING_KEYS)
        .collect();
    let place = distances.len() / CLOSE_SHARE;
    if distances.is_empty() {
        return 1;
    }
    *distances.select_nth_unstable(place).1
}

/// T, from twice the sums of both sides' ranks: the sum of b's ranks less as many mean ranks of the prompt.
fn score(ranks_a: u64, ranks_b: u64, (of_a, of_b): (usize, usize)) -> f64 {
    let (of_a, of_b) = (of_a as i128, of_b as i128);
    let difference = i128::from(ranks_b) * of_a - i128::from(ranks_a) * of_b;
    difference as f64 / (2 * (of_a + of_b)) as f64
}
