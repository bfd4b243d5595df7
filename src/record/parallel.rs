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
use super::sample_line::read_line;
use super::{Amendments, Run, RunError, Sample, StandingSamples};

/// Bytes of a piece of the journal: a hundred samples or more, which stay in a processor's cache.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces that one thread has been given, and that were not handed on.
const PIECES_AHEAD: usize = 2;

/// The work of one thread on samples.
pub trait SampleWorker: Send {
    /// Its output for one piece of the journal.
    type Output: Send;

    /// Takes a sample that counts, with its amendments applied and without the texts of its answer: content, reasoning and
    /// tool calls, which no figure needs.
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
    /// The lines, and room behind them.
    bytes: Vec<u8>,
    /// Bytes of the lines.
    length: usize,
    /// Number of lines before them.
    lines_before: u64,
}

/// The result of a piece.
struct ReadPiece<O> {
    /// The room of the piece, for another one.
    bytes: Vec<u8>,
    output: O,
    problems: Vec<JournalError>,
    truncated_line: Option<u64>,
}

/// The samples of a run that count, and what was changed afterwards.
struct Selection {
    standing: Option<StandingSamples>,
    amendments: Amendments,
}

/// The work of a thread, and the sample whose memory its next line uses.
struct LaneReader<'a, W> {
    selection: &'a Selection,
    worker: W,
    sample: Option<Sample>,
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
            let mut hand_on = |number: usize, pieces: Option<&mut Pieces<_>>| {
                let lane = &lanes[number % lanes.len()];
                // Without an output the thread panicked, which joining it passes on.
                let Ok(read) = lane.read.recv() else {
                    return Ok(());
                };
                if let Some(pieces) = pieces {
                    pieces.reuse(read.bytes);
                }
                truncated_line = truncated_line.or(read.truncated_line);
                each(read.output, read.problems)
            };
            let ahead = PIECES_AHEAD * lanes.len();
            let mut count = 0;
            while let Some(piece) = (pieces.next_piece()).map_err(to_run_error("read", &path))? {
                if count >= ahead {
                    hand_on(count - ahead, Some(&mut pieces))?;
                }
                // As above.
                let _ = lanes[count % lanes.len()].pieces.send(piece);
                count += 1;
            }
            for number in count.saturating_sub(ahead)..count {
                hand_on(number, None)?;
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
        worker: W,
        selection: &'scope Selection,
    ) -> Self
    where
        W: 'scope,
    {
        let (pieces, received) = sync_channel::<Piece>(PIECES_AHEAD);
        let (send, read) = sync_channel(PIECES_AHEAD);
        let thread = scope.spawn(move || {
            let mut reader = LaneReader {
                selection,
                worker,
                sample: None,
            };
            for piece in received {
                if send.send(reader.read(piece)).is_err() {
                    break;
                }
            }
            reader.worker
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

impl<W: SampleWorker> LaneReader<'_, W> {
    fn read(&mut self, piece: Piece) -> ReadPiece<W::Output> {
        let mut problems = Vec::new();
        let mut truncated_line = None;
        let lines = &piece.bytes[..piece.length];
        let (mut begin, mut number) = (0, piece.lines_before);
        while begin < lines.len() {
            let newline = memchr::memchr(b'\n', &lines[begin..]);
            let length = newline.map_or(lines.len() - begin, |at| at + 1);
            let line = &lines[begin..begin + length];
            begin += length;
            number += 1;
            if !self.reads_common_line(line) {
                let mut reader = JournalReader::<_, Sample>::new(line);
                reader.skip_numbers(number - 1);
                match reader.next() {
                    Some(Ok(sample)) => self.sample = Some(without_texts(sample)),
                    Some(Err(problem)) => {
                        self.worker.add_lost_line();
                        problems.push(problem);
                        continue;
                    }
                    None => {
                        truncated_line = reader.truncated_line();
                        continue;
                    }
                }
            }
            self.take_sample(number);
        }
        ReadPiece {
            bytes: piece.bytes,
            output: self.worker.output(),
            problems,
            truncated_line,
        }
    }

    /// Reads a line into the sample that was read last, if that is all that it takes.
    fn reads_common_line(&mut self, line: &[u8]) -> bool {
        let read = |sample| read_line(line.strip_suffix(b"\n").unwrap_or(line), sample);
        line.len() < MAX_LINE_BYTES && self.sample.as_mut().and_then(read).is_some()
    }

    /// Hands the sample that was read last, from the line of that number, to the worker if it counts.
    fn take_sample(&mut self, number: u64) {
        let standing = self.selection.standing.as_ref();
        if !standing.is_none_or(|standing| standing.counts(number)) {
            return;
        }
        if let Some(sample) = &mut self.sample {
            self.selection.amendments.apply(sample);
            self.worker.add(sample);
        }
    }
}

/// The sample as a worker is given it.
fn without_texts(sample: Sample) -> Sample {
    Sample {
        answer: None,
        reasoning: None,
        tool_calls: Vec::new(),
        ..sample
    }
}

/// A journal, piece by piece.
struct Pieces<R> {
    source: R,
    /// Bytes that were read with the piece before and are not in it.
    rest: Vec<u8>,
    lines: u64,
    /// Memory of pieces that were read.
    free: Vec<Vec<u8>>,
    /// [`PIECE_BYTES`] and [`MAX_LINE_BYTES`], but for tests.
    sizes: (usize, usize),
}

impl<R: Read> Pieces<R> {
    fn new(source: R) -> Self {
        Self {
            source,
            rest: Vec::new(),
            lines: 0,
            free: Vec::new(),
            sizes: (PIECE_BYTES, MAX_LINE_BYTES),
        }
    }

    /// Takes memory back for another piece; that of a long line is freed.
    fn reuse(&mut self, bytes: Vec<u8>) {
        if bytes.len() <= 2 * self.sizes.0 {
            self.free.push(bytes);
        }
    }

    /// The next whole lines; a last line without its end is whole, and one that is too long is cut just beyond the limit.
    /// `None` at the end.
    fn next_piece(&mut self) -> io::Result<Option<Piece>> {
        let (piece_bytes, line_limit) = self.sizes;
        let mut bytes = self.free.pop().unwrap_or_default();
        let mut length = self.rest.len();
        bytes.resize(bytes.len().max(length), 0);
        bytes[..length].copy_from_slice(&self.rest);
        self.rest.clear();
        // Behind a line that was too long, the rest may hold whole lines.
        let mut searched = 0;
        loop {
            let read = read_more(&mut self.source, piece_bytes, &mut bytes, length)?;
            length += read;
            if let Some(end) = memchr::memrchr(b'\n', &bytes[searched..length]) {
                let whole = searched + end + 1;
                self.rest.extend_from_slice(&bytes[whole..length]);
                length = whole;
                break;
            }
            searched = length;
            if read == 0 {
                break;
            }
            if length > line_limit {
                length = line_limit + 1;
                self.skip_line()?;
                break;
            }
        }
        if length == 0 {
            return Ok(None);
        }
        let lines_before = self.lines;
        let lines = &bytes[..length];
        let is_last_open = lines.last() != Some(&b'\n');
        self.lines += memchr::memchr_iter(b'\n', lines).count() as u64 + u64::from(is_last_open);
        Ok(Some(Piece {
            bytes,
            length,
            lines_before,
        }))
    }

    /// Reads on to the end of a line, and keeps what was read beyond it.
    fn skip_line(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        loop {
            let read = read_more(&mut self.source, self.sizes.0, &mut bytes, 0)?;
            if let Some(end) = memchr::memchr(b'\n', &bytes[..read]) {
                self.rest.extend_from_slice(&bytes[end + 1..read]);
                return Ok(());
            }
            if read == 0 {
                return Ok(());
            }
        }
    }
}

/// Reads up to `count` bytes to this place in `bytes`, fewer at the end alone, and returns their number. Bytes that are there
/// are overwritten: memory that is used again need not be cleared.
fn read_more(
    source: &mut impl Read,
    count: usize,
    bytes: &mut Vec<u8>,
    place: usize,
) -> io::Result<usize> {
    let end = place + count;
    bytes.resize(bytes.len().max(end), 0);
    let mut filled = place;
    while filled < end {
        match source.read(&mut bytes[filled..end]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled - place)
}

#[cfg(test)]
mod tests;
