//! The instants of an answer: the frame of each token.
//!
//! Owns the times of tokens and gaps, as METHODOLOGY defines them. Must not know the text. Invariant: every
//! instant is a frame's; a gap is only measured where the reader waited for it.

use super::recording::BodyFrame;
use super::transcript::AddedChars;
use crate::units::Nanos;

/// From this many token-bearing chunks on, an answer that came in one burst was buffered on its way: shorter
/// answers do come in one piece.
pub const BUFFERED_CHUNKS: u64 = 8;

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
    /// Frame of the last token-bearing chunk.
    last_frame: Option<usize>,
    pub(super) first_token: Option<Nanos>,
    pub(super) first_answer: Option<Nanos>,
    pub(super) last_token: Option<Nanos>,
    pub(super) first_chunk_chars: Option<u64>,
    pub(super) gaps: GapList,
}

impl<'a> Stamps<'a> {
    pub(super) fn new(frames: &'a [BodyFrame]) -> Self {
        Self {
            frames,
            last_frame: None,
            first_token: None,
            first_answer: None,
            last_token: None,
            first_chunk_chars: None,
            gaps: GapList::default(),
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
        self.first_chunk_chars.get_or_insert(added.chars());
        if let (Some(last_frame), Some(last)) = (self.last_frame, self.last_token) {
            let between = &self.frames[last_frame + 1..=frame.max(last_frame)];
            if between.iter().any(|frame| frame.waited) {
                self.gaps.gaps.push(at.since(last));
            } else {
                self.gaps.coalesced += 1;
            }
        }
        self.last_frame = Some(frame);
        self.last_token = Some(at);
    }

    /// True if everything came in one burst.
    pub(super) fn is_buffered(&self) -> bool {
        let (Some(first), Some(last)) = (self.first_token, self.last_token) else {
            return false;
        };
        let between = self.gaps.gaps.len() as u64 + self.gaps.coalesced;
        let burst = self.gaps.gaps.is_empty()
            || last.since(first).0 < between.saturating_mul(BURST_CHUNK_NS);
        burst && between + 1 >= BUFFERED_CHUNKS
    }
}
