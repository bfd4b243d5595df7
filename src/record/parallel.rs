//! The samples of a run, read by several threads.
//!
//! Owns how a journal is cut into pieces of whole lines, and which thread reads which. Must not know what is made of a
//! sample. Invariant: what the threads make of the lines is handed on in the order of the journal, so that the number of
//! threads changes nothing; memory grows with the number of threads, not with the journal.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Scope, ScopedJoinHandle};

use crate::input::open_regular;
use crate::threads::Threads;

use super::journal::{JournalError, JournalReader, MAX_LINE_BYTES};
use super::run::to_run_error;
use super::{Amendments, Run, RunError, Sample, StandingSamples};

/// Bytes of a piece of the journal: fifty samples or more, which stay in a processor's cache.
const PIECE_BYTES: usize = 128 << 10;
/// Pieces that one thread has been given, and that were not handed on.
const PIECES_AHEAD: usize = 2;

/// The work of one thread on samples.
pub trait SampleWorker: Send {
    /// Its output for one piece of the journal.
    type Output: Send;

    /// Takes a sample that counts, with its amendments applied.
    fn add(&mut self, sample: &Sample);

    /// Takes note of a line that is no record.
    fn add_lost_line(&mut self);

    /// The output for the samples since the last call.
    fn output(&mut self) -> Self::Output;
}

/// The workers of a journal that was read to its end.
pub struct ReadSamples<W> {
    /// Each with the samples that it was given.
    pub workers: Vec<W>,
    /// Number of the last line of samples, where it is incomplete.
    pub truncated_line: Option<u64>,
}

/// Whole lines of a journal.
struct Piece {
    bytes: Vec<u8>,
    /// Number of lines before them.
    lines_before: u64,
}

/// The result of a piece.
struct ReadPiece<O> {
    output: O,
    problems: Vec<JournalError>,
    truncated_line: Option<u64>,
}

/// The samples of a run that count, and what was changed afterwards.
struct Selection {
    standing: Option<StandingSamples>,
    amendments: Amendments,
}

/// A thread, the way to it, and the way back.
struct ReadingLane<'scope, W: SampleWorker> {
    pieces: SyncSender<Piece>,
    read: Receiver<ReadPiece<W::Output>>,
    thread: ScopedJoinHandle<'scope, W>,
}

impl Run {
    /// The number of threads that [`Run::read_samples`] makes good use of here.
    pub fn reading_threads(&self) -> usize {
        let bytes = usize::try_from(self.samples_bytes()).unwrap_or(usize::MAX);
        let pieces = bytes.div_ceil(PIECE_BYTES).max(1);
        Threads::for_processors().count().min(pieces)
    }

    /// Reads the sample of each trial, as [`Run::samples`], on a thread for each of `workers`, at least one. Meanwhile
    /// `each` is given their output, in the order of the journal, with the lines that are no records.
    ///
    /// # Errors
    /// As [`Run::samples`]; where the journal fails; or an error of `each`.
    pub fn read_samples<W: SampleWorker, E: From<RunError>>(
        &self,
        mut workers: Vec<W>,
        mut each: impl FnMut(W::Output, Vec<JournalError>) -> Result<(), E>,
    ) -> Result<ReadSamples<W>, E> {
        let (standing, amendments, problems) = self.selection()?;
        let selection = Selection {
            standing,
            amendments,
        };
        let path = self.samples_path();
        let file = open_regular(&path)
            .map_err(|source| RunError::from(super::journal::file_error(&path, source)))?;
        let mut pieces = Pieces::new(file);
        let first = workers.first_mut().expect("the caller has a worker");
        for _ in &problems {
            first.add_lost_line();
        }
        each(first.output(), problems)?;
        thread::scope(|scope| {
            let lanes: Vec<ReadingLane<'_, W>> = workers
                .into_iter()
                .map(|worker| ReadingLane::new(scope, worker, &selection))
                .collect();
            let mut truncated_line = None;
            let mut hand_on = |number: usize| {
                let lane = &lanes[number % lanes.len()];
                // Without an output the thread panicked, which joining it passes on.
                let Ok(read) = lane.read.recv() else {
                    return Ok(());
                };
                truncated_line = truncated_line.or(read.truncated_line);
                each(read.output, read.problems)
            };
            let ahead = PIECES_AHEAD * lanes.len();
            let mut count = 0;
            while let Some(piece) = (pieces.next_piece()).map_err(to_run_error("read", &path))? {
                if count >= ahead {
                    hand_on(count - ahead)?;
                }
                // As above.
                let _ = lanes[count % lanes.len()].pieces.send(piece);
                count += 1;
            }
            for number in count.saturating_sub(ahead)..count {
                hand_on(number)?;
            }
            let workers = lanes.into_iter().map(ReadingLane::end).collect();
            Ok(ReadSamples {
                workers,
                truncated_line,
            })
        })
    }
}

impl<'scope, W: SampleWorker> ReadingLane<'scope, W> {
    fn new<'env: 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        mut worker: W,
        selection: &'scope Selection,
    ) -> Self
    where
        W: 'scope,
    {
        let (pieces, received) = sync_channel::<Piece>(PIECES_AHEAD);
        let (send, read) = sync_channel(PIECES_AHEAD);
        let thread = scope.spawn(move || {
            for piece in received {
                let read = selection.read(&piece, &mut worker);
                if send.send(read).is_err() {
                    break;
                }
            }
            worker
        });
        Self {
            pieces,
            read,
            thread,
        }
    }

    /// The worker, once it has nothing more to do.
    fn end(self) -> W {
        drop(self.pieces);
        let joined = self.thread.join();
        joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Selection {
    fn read<W: SampleWorker>(&self, piece: &Piece, worker: &mut W) -> ReadPiece<W::Output> {
        let mut reader = JournalReader::<_, Sample>::new(piece.bytes.as_slice());
        reader.skip_numbers(piece.lines_before);
        let mut problems = Vec::new();
        while let Some(read) = reader.next() {
            match read {
                Ok(mut sample) => {
                    let standing = self.standing.as_ref();
                    if standing.is_none_or(|standing| standing.counts(reader.line())) {
                        self.amendments.apply(&mut sample);
                        worker.add(&sample);
                    }
                }
                Err(problem) => {
                    worker.add_lost_line();
                    problems.push(problem);
                }
            }
        }
        ReadPiece {
            output: worker.output(),
            problems,
            truncated_line: reader.truncated_line(),
        }
    }
}

/// A journal, piece by piece.
struct Pieces<R> {
    source: R,
    /// The begin of a line that was read with the piece before.
    rest: Vec<u8>,
    lines: u64,
    /// [`PIECE_BYTES`] and [`MAX_LINE_BYTES`], but for tests.
    sizes: (usize, usize),
}

impl<R: Read> Pieces<R> {
    fn new(source: R) -> Self {
        Self {
            source,
            rest: Vec::new(),
            lines: 0,
            sizes: (PIECE_BYTES, MAX_LINE_BYTES),
        }
    }

    /// The next whole lines; a last line without its end is whole, and one that is too long is cut just beyond the limit.
    /// `None` at the end.
    fn next_piece(&mut self) -> io::Result<Option<Piece>> {
        let (piece_bytes, line_limit) = self.sizes;
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.reserve(2 * piece_bytes);
        // Behind a line that was too long, the rest may hold whole lines.
        let mut searched = 0;
        loop {
            let read = self.read_more(piece_bytes, &mut bytes)?;
            if let Some(end) = memchr::memrchr(b'\n', &bytes[searched..]) {
                self.rest = bytes.split_off(searched + end + 1);
                break;
            }
            searched = bytes.len();
            if read == 0 {
                break;
            }
            if bytes.len() > line_limit {
                bytes.truncate(line_limit + 1);
                self.skip_line()?;
                break;
            }
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let lines_before = self.lines;
        let ends = memchr::memchr_iter(b'\n', &bytes).count() as u64;
        let is_last_open = bytes.last() != Some(&b'\n');
        self.lines += ends + u64::from(is_last_open);
        Ok(Some(Piece {
            bytes,
            lines_before,
        }))
    }

    fn read_more(&mut self, count: usize, bytes: &mut Vec<u8>) -> io::Result<usize> {
        (&mut self.source).take(count as u64).read_to_end(bytes)
    }

    /// Reads on to the end of a line, and keeps what was read beyond it.
    fn skip_line(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        while self.read_more(self.sizes.0, &mut bytes)? > 0 {
            if let Some(end) = memchr::memchr(b'\n', &bytes) {
                self.rest = bytes.split_off(end + 1);
                return Ok(());
            }
            bytes.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
