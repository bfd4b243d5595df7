//! Tests of reading a journal by several threads.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::super::{JournalWriter, example};
use super::*;

/// Notes which samples and lines it was given.
#[derive(Default)]
struct Notes {
    seen: Vec<u64>,
    lost: usize,
    total: usize,
}

impl SampleWorker for Notes {
    type Output = Vec<u64>;

    fn add(&mut self, sample: &Sample) {
        self.seen.push(sample.trial);
        self.total += 1;
    }

    fn add_lost_line(&mut self) {
        self.lost += 1;
    }

    fn output(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.seen)
    }
}

fn workers(count: usize) -> Vec<Notes> {
    std::iter::repeat_with(Notes::default).take(count).collect()
}

/// A run of so many samples, with a damaged line after every 50th and an incomplete one at the end.
fn damaged_run(folder: &std::path::Path, samples: u64, template: &Sample) -> Run {
    let run = Run::create(folder, "suite", "run").unwrap();
    run.write_manifest(&example::manifest("run")).unwrap();
    let mut journal: JournalWriter<Sample> = run.new_samples().unwrap();
    for trial in 0..samples {
        let sample = Sample {
            trial,
            answer: Some("x".repeat(3_000)),
            ..template.clone()
        };
        journal.append(&sample).unwrap();
        if trial % 50 == 0 {
            append(&run, b"damaged\n");
        }
    }
    append(&run, br#"{"version":2,"tri"#);
    run
}

fn append(run: &Run, bytes: &[u8]) {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.append(true).open(run.samples_path()).unwrap();
    io::Write::write_all(&mut file, bytes).unwrap();
}

#[test]
fn any_number_of_threads_reads_the_same() {
    // A report must not depend on the processors of the machine that makes it: the order of samples, the numbers of
    // damaged lines and the incomplete last one are those of the iterator.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let template = example::sample().new_tree(&mut runner).unwrap().current();
    let folder = tempfile::tempdir().unwrap();
    let run = damaged_run(folder.path(), 600, &template);
    let mut one_by_one = run.samples().unwrap();
    let (mut trials, mut problems) = (Vec::new(), Vec::new());
    for read in one_by_one.by_ref() {
        match read {
            Ok(sample) => trials.push(sample.trial),
            Err(problem) => problems.push(problem.to_string()),
        }
    }
    assert_eq!((trials.len(), problems.len()), (600, 12));
    for count in [1, 2, 3, 7] {
        let (mut read_trials, mut read_problems) = (Vec::new(), Vec::new());
        let read = run.read_samples(workers(count), |output, problems| {
            read_trials.extend(output);
            read_problems.extend(problems.iter().map(ToString::to_string));
            Ok::<(), RunError>(())
        });
        let read = read.unwrap();
        assert_eq!(read_trials, trials);
        assert_eq!(read_problems, problems);
        assert_eq!(read.truncated_line, one_by_one.truncated_line());
        let lost: usize = read.workers.iter().map(|worker| worker.lost).sum();
        let total: usize = read.workers.iter().map(|worker| worker.total).sum();
        assert_eq!((total, lost), (600, 12));
        assert!(read.workers.len() == count);
    }
}

#[test]
fn an_error_of_the_caller_ends_the_reading() {
    // A closed pipe must end the threads, and not wait for them for ever.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let template = example::sample().new_tree(&mut runner).unwrap().current();
    let folder = tempfile::tempdir().unwrap();
    let run = damaged_run(folder.path(), 600, &template);
    let mut calls = 0;
    let read = run.read_samples(workers(2), |_, _| {
        calls += 1;
        if calls < 3 {
            return Ok(());
        }
        Err(RunError::Name("closed".to_owned()))
    });
    assert!(matches!(read.map(|_| ()), Err(RunError::Name(_))));
}

proptest! {
    // Pieces are the lines of the journal, each line in one piece, but for those beyond the limit, which keep their
    // number.
    #[test]
    fn pieces_are_whole_lines(text in "([a-z]{0,9}\n){0,12}[a-z]{0,9}", piece in 1_usize..9, limit in 1_usize..8) {
        let mut pieces = Pieces::new(text.as_bytes());
        pieces.sizes = (piece, limit.max(piece));
        let limit = limit.max(piece);
        let mut lines = Vec::new();
        let mut room = Vec::new();
        while let Some(piece) = pieces.next_piece(room).unwrap() {
            prop_assert_eq!(piece.lines_before, lines.len() as u64);
            let text = str::from_utf8(&piece.bytes[..piece.length]).unwrap();
            lines.extend(text.lines().map(str::to_owned));
            room = piece.bytes;
        }
        let whole: Vec<&str> = text.lines().collect();
        prop_assert_eq!(lines.len(), whole.len());
        for (line, whole) in lines.iter().zip(whole) {
            let is_cut = line.len() == limit + 1 && whole.starts_with(line.as_str());
            prop_assert!(line == whole || is_cut, "{line} {whole}");
        }
    }
}
