//! The instants of an answer: the frame of each token.
//!
//! Owns the times of tokens and gaps, as METHODOLOGY defines them. Must not know the text. Invariant: every
//! instant is a frame's; a gap is only measured where the reader waited for it.

use super::recording::BodyFrame;
use super::transcript::AddedChars;
use crate::units::Nanos;

/// From this many token-bearing chunks in one burst on, an answer was buffered on its way: shorter answers do come
/// in one piece.
pub const BUFFERED_CHUNKS: u64 = 8;

/// The same where most chunks of the answer came together with others: a proxy held back little at a time.
const SEVERAL_CHUNKS: u64 = 3;

/// A burst: token-bearing chunks closer together than this on average. Shorter than any model's interval
/// (10,000 chunks a second), and longer than it takes to copy a buffered chunk. A reader that never had to wait
/// proves a burst as well, but a fast reader waits between two parts of one.
pub(super) const BURST_CHUNK_NS: u64 = 100_000;

/// Times between token-bearing chunks, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GapList {
    /// Gaps for whose second chunk the reader had to wait.
    pub gaps: Vec<Nanos>,
    /// Gaps that are not measured: the chunks came in one frame, or in frames that were there already.
    pub coalesced: u64,
}

/// The instants so far.
#[derive(Debug)]
pub(super) struct Stamps<'a> {
    frames: &'a [BodyFrame],
    /// Frame of the first token-bearing chunk.
    first_frame: Option<usize>,
    /// Frame of the last one.
    last_frame: Option<usize>,
    pub(super) first_token: Option<Nanos>,
    pub(super) first_answer: Option<Nanos>,
    pub(super) last_token: Option<Nanos>,
    pub(super) first_chunk_chars: Option<u64>,
    pub(super) gaps: GapList,
    /// Chunks that came together with the first one.
    first_burst: u64,
    /// True if the read that brought the first token brought a later one, too: the first came at its instant or before.
    pub(super) is_first_bounded: bool,
}

impl<'a> Stamps<'a> {
    pub(super) fn new(frames: &'a [BodyFrame]) -> Self {
        Self {
            frames,
            first_frame: None,
            last_frame: None,
            first_token: None,
            first_answer: None,
            last_token: None,
            first_chunk_chars: None,
            gaps: GapList::default(),
            first_burst: 0,
            is_first_bounded: false,
        }
    }

    /// Adds a chunk that was completed by this frame. Frames never go backwards.
    pub(super) fn add_chunk(&mut self, frame: usize, added: AddedChars) {
        if added.chars() == 0 {
            return;
        }
        let at = self.frames[frame].at;
        if added.answer_chars > 0 {
            self.first_answer.get_or_insert(at);
        }
        self.first_token.get_or_insert(at);
        self.is_first_bounded |= self.first_frame == Some(frame);
        self.first_frame.get_or_insert(frame);
        self.first_chunk_chars.get_or_insert(added.chars());
        if let (Some(last_frame), Some(last)) = (self.last_frame, self.last_token) {
            let between = &self.frames[last_frame + 1..=frame.max(last_frame)];
            if between.iter().any(|frame| frame.waited) {
                self.gaps.gaps.push(at.since(last));
            } else {
                self.gaps.coalesced += 1;
            }
        }
        if self.gaps.gaps.is_empty() {
            self.first_burst += 1;
        }
        self.last_frame = Some(frame);
        self.last_token = Some(at);
    }

    /// True if the answer, or its beginning, was held back and came in one burst.
    pub(super) fn is_buffered(&self) -> bool {
        let (Some(first), Some(last)) = (self.first_token, self.last_token) else {
            return false;
        };
        let between = self.gaps.gaps.len() as u64 + self.gaps.coalesced;
        let all_at_once = last.since(first).0 < between.saturating_mul(BURST_CHUNK_NS);
        let mostly_together =
            self.first_burst >= SEVERAL_CHUNKS && self.gaps.coalesced > between / 2;
        between + 1 >= BUFFERED_CHUNKS
            && (all_at_once || mostly_together || self.first_burst >= BUFFERED_CHUNKS)
    }
}

#[cfg(test)]
mod tests {
    use super::super::recording::Body;
    use super::*;

    /// The stamps of reads with so many token-bearing chunks each, 5 ms apart.
    fn is_buffered(reads: &[usize]) -> bool {
        stamped(reads).0
    }

    /// Whether such an answer is buffered, and its first token bounded.
    fn stamped(reads: &[usize]) -> (bool, bool) {
        let mut body = Body::default();
        for read in 0..reads.len() {
            let at = Nanos::from_millis(5 * read as u64);
            body.push(at, true, b"x").unwrap();
        }
        let mut stamps = Stamps::new(body.frames());
        let added = AddedChars {
            answer_chars: 1,
            reasoning_chars: 0,
        };
        for (frame, chunks) in reads.iter().enumerate() {
            (0..*chunks).for_each(|_| stamps.add_chunk(frame, added));
        }
        (stamps.is_buffered(), stamps.is_first_bounded)
    }

    #[test]
    fn a_first_token_that_came_with_others_is_bounded() {
        // A read has one stamp, that of its last byte: the first token may have come earlier.
        for (reads, bounded) in [
            (&[1, 1, 1][..], false),
            (&[1], false),
            (&[2, 1], true),
            (&[1, 3], false),
            (&[0, 1, 2], false),
            (&[0, 2], true),
            (&[], false),
        ] {
            assert_eq!(stamped(reads).1, bounded, "{reads:?}");
        }
    }

    #[test]
    fn a_buffer_on_the_way_shows_in_the_first_burst() {
        // A proxy that holds back the first 4 KiB, or 200 ms, makes TTFT several times too high and lets the rest
        // through: everything but the first read looks well.
        let rest = [1; 40];
        for (first, rest, buffered) in [
            (25, &rest[..], true),
            (8, &rest, true),
            (7, &rest, false),
            (3, &rest, false),
            (1, &rest, false),
            // All of it, of a short answer and of a long one.
            (7, &[], false),
            (8, &[], true),
            // Little at a time.
            (4, &[4, 4, 4, 4], true),
            (2, &[4, 4, 4, 4], false),
            (4, &[1, 4, 1, 1, 1, 1, 1, 1], false),
        ] {
            let reads = [&[first], rest].concat();
            assert_eq!(is_buffered(&reads), buffered, "{reads:?}");
        }
    }
}
