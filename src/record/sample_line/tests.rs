//! Tests of reading common lines.

use proptest::prelude::*;

use super::super::example::{plain_sample, sample};
use super::*;
use crate::record::{Flag, Grade};

fn line(sample: &Sample) -> String {
    serde_json::to_string(sample).unwrap()
}

/// The sample as the general reader reads it, without its texts.
fn read_by_serde(line: &[u8]) -> Option<Sample> {
    let sample: Sample = serde_json::from_slice(line).ok()?;
    sample.check().ok()?;
    let is_known = (1..=Sample::VERSION).contains(&sample.version);
    is_known.then(|| Sample {
        answer: None,
        reasoning: None,
        tool_calls: Vec::new(),
        ..sample
    })
}

#[test]
fn lines_of_usual_samples_are_read() {
    // Reports are fast because such lines are not left to the general reader: each of them has fields that others lack.
    let mut retried = plain_sample(1);
    retried.attempts.push(retried.attempts[0].clone());
    retried.flags = vec![Flag::Cold, Flag::Retried];
    retried.connect_ns = Some(Nanos(4_000_000));
    retried.answer = Some("Two\nlines, \"quoted\", \u{1f}é".to_owned());
    let mut graded = plain_sample(3);
    graded.weight = 0.1;
    graded.grades = vec![Grade::new("right", 0.5, false).with_reason("says \"Lyon\"")];
    graded.pass_threshold = Some(0.7);
    graded.metadata = [("origin".to_owned(), 1.into())].into_iter().collect();
    let mut failed = plain_sample(4);
    failed.outcome = Outcome::ServerError;
    failed.gaps = None;
    failed.usage = Some(Usage::default());
    failed.tags.clear();
    let mut read = plain_sample(0);
    for sample in [plain_sample(2), retried, graded, failed, plain_sample(5)] {
        let line = line(&sample);
        assert_eq!(read_line(line.as_bytes(), &mut read), Some(()), "{line}");
        assert_eq!(Some(&read), read_by_serde(line.as_bytes()).as_ref());
    }
}

proptest! {
    // What a line means must not depend on which reader took it, nor on the sample before it: any sample, written by this
    // program, and the same line with one byte replaced, left out, or added.
    #[test]
    fn a_line_that_is_read_means_what_the_general_reader_reads(
        sample in sample(),
        mut before in sample(),
        at in any::<prop::sample::Index>(),
        byte in prop_oneof![any::<u8>(), prop::sample::select(b"\"\\{}[],:0123456789-.eE nu/".to_vec())],
        change in 0..4,
    ) {
        let mut line = line(&sample).into_bytes();
        let at = at.index(line.len());
        match change {
            0 => line[at] = byte,
            1 => drop(line.remove(at)),
            2 => line.insert(at, byte),
            _ => {}
        }
        if read_line(&line, &mut before).is_some() {
            prop_assert_eq!(Some(before), read_by_serde(&line));
        }
    }
}
