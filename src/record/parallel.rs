//! The samples of a run, read by several threads.
//!
//! Owns how a journal is cut into pieces of whole lines: each thread reads the next one from the file when it is done with one,
//! so that its bytes are in the cache of the processor that parses them. Must not know what is made of a sample. Invariant: what the threads make of the lines is handed on in the order of the journal, so that the number of
//! threads changes nothing; memory grows with the number of threads, not with the journal.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, Scope, ScopedJoinHandle};

use crate::input::open_regular;
use crate::threads::{Threads, lock};

use super::journal::{JournalError, JournalReader, MAX_LINE_BYTES};
use super::run::to_run_error;
use super::sample_line::read_line;
use super::{Amendments, Run, RunError, Sample, StandingSamples};

/// Bytes of a piece of the journal: some hundred samples, which stay in a processor's cache.
const PIECE_BYTES: usize = 512 << 10;
/// Results of one thread that were not handed on.
const RESULTS_AHEAD: usize = 2;

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

/// A thread, and the results of its pieces in their order.
struct ReadingLane<'scope, W: SampleWorker> {
    results: Receiver<io::Result<ReadPiece<W::Output>>>,
    thread: ScopedJoinHandle<'scope, W>,
}

/// The pieces of a journal, and the number of the thread that took each.
struct SharedPieces<R> {
    pieces: Pieces<R>,
    takers: Sender<usize>,
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
        let (takers, taken) = channel();
        let pieces = Pieces::new(file);
        let source = Arc::new(Mutex::new(SharedPieces { pieces, takers }));
        let first = workers.first_mut().expect("the caller has a worker");
        for _ in &problems {
            first.add_lost_line();
        }
        each(first.output(), problems)?;
        thread::scope(|scope| {
            let numbered = workers.into_iter().enumerate();
            let lanes: Vec<ReadingLane<'_, W>> = numbered
                .map(|(number, worker)| {
                    let reader = LaneReader::new(&selection, worker);
                    ReadingLane::new(scope, reader, (number, Arc::clone(&source)))
                })
                .collect();
            // The last thread to end ends the list of those that took a piece.
            drop(source);
            let mut truncated_line = None;
            for taker in taken {
                // Without a result the thread panicked, which joining it passes on.
                let Ok(result) = lanes[taker].results.recv() else {
                    continue;
                };
                let read = result.map_err(to_run_error("read", &path))?;
                truncated_line = truncated_line.or(read.truncated_line);
                each(read.output, read.problems)?;
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
    fn new<'env: 'scope, R: Read + Send + 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        mut reader: LaneReader<'scope, W>,
        (number, source): (usize, Arc<Mutex<SharedPieces<R>>>),
    ) -> Self
    where
        W: 'scope,
    {
        let (send, results) = sync_channel(RESULTS_AHEAD);
        let thread = scope.spawn(move || {
            let mut room = Vec::new();
            loop {
                // The others read while this thread parses.
                let taken = lock(&source).take(number, room);
                let result = match taken {
                    None => break,
                    Some(Err(error)) => {
                        room = Vec::new();
                        Err(error)
                    }
                    Some(Ok(piece)) => {
                        let read = reader.read(&piece);
                        room = piece.bytes;
                        Ok(read)
                    }
                };
                if send.send(result).is_err() {
                    break;
                }
            }
            reader.worker
        });
        Self { results, thread }
    }

    /// The worker, once it has nothing more to do.
    fn end(self) -> W {
        let joined = self.thread.join();
        joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl<R: Read> SharedPieces<R> {
    /// The next piece, in memory that may be used again, for the thread of this number; `None` at the end.
    fn take(&mut self, number: usize, room: Vec<u8>) -> Option<io::Result<Piece>> {
        let piece = self.pieces.next_piece(room).transpose()?;
        // A caller that has given up does not wait for it.
        let _ = self.takers.send(number);
        Some(piece)
    }
}

impl<'a, W> LaneReader<'a, W> {
    const fn new(selection: &'a Selection, worker: W) -> Self {
        Self {
            selection,
            worker,
            sample: None,
        }
    }
}

impl<W: SampleWorker> LaneReader<'_, W> {
    fn read(&mut self, piece: &Piece) -> ReadPiece<W::Output> {
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

    /// The next whole lines, in the memory of another piece unless that was of a long line; a last line without its end is
    /// whole, and one that is too long is cut just beyond the limit. `None` at the end.
    fn next_piece(&mut self, room: Vec<u8>) -> io::Result<Option<Piece>> {
        let (piece_bytes, line_limit) = self.sizes;
        let mut bytes = Some(room)
            .filter(|room| room.len() <= 2 * piece_bytes)
            .unwrap_or_default();
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
