use proptest::prelude::*;

use super::*;
use crate::record::Grade;
use crate::record::example::{plain_sample, sample};

fn line(sample: &Sample) -> String {
    serde_json::to_string(sample).unwrap() + "\n"
}

fn read(bytes: &[u8]) -> (Vec<Result<Sample, String>>, Option<u64>) {
    let mut reader = JournalReader::new(bytes);
    let read = reader
        .by_ref()
        .map(|read| read.map_err(|error| error.to_string()))
        .collect();
    (read, reader.truncated_line())
}

fn read_folder(folder: &Path) -> Vec<Result<Sample, String>> {
    let reader = JournalReader::<_, Sample>::open(folder).unwrap();
    reader
        .map(|read| read.map_err(|error| error.to_string()))
        .collect()
}

#[test]
fn a_new_journal_never_takes_the_place_of_an_old_one() {
    // Samples cost money: nothing may overwrite them.
    let folder = tempfile::tempdir().unwrap();
    let mut writer = JournalWriter::create(folder.path()).unwrap();
    writer.append(&plain_sample(0)).unwrap();
    let error = JournalWriter::<Sample>::create(folder.path()).unwrap_err();
    assert!(matches!(error, JournalError::File { .. }), "{error}");
    assert_eq!(read_folder(folder.path()), [Ok(plain_sample(0))]);
}

#[test]
fn a_sample_can_be_read_as_soon_as_it_was_appended() {
    // What `append` returned from is in the kernel's hands: another reader sees it while the
    // writer lives on, with nothing held back in a buffer.
    let folder = tempfile::tempdir().unwrap();
    let mut writer = JournalWriter::create(folder.path()).unwrap();
    for count in 1..4 {
        writer.append(&plain_sample(count)).unwrap();
        assert_eq!(read_folder(folder.path()).len() as u64, count);
    }
    writer.sync().unwrap();
}

#[cfg(unix)]
#[test]
fn journals_are_for_their_owner_only() {
    // Answers may hold text that no other user of the machine should read.
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    JournalWriter::<Sample>::create(folder.path()).unwrap();
    JournalWriter::<Amendment>::append_to(folder.path()).unwrap();
    for name in [Sample::FILE, Amendment::FILE] {
        let mode = folder
            .path()
            .join(name)
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_sample_that_could_not_be_read_again_is_not_written() {
    // The maker of a contradictory sample hears of it at once, and the journal stays whole.
    let folder = tempfile::tempdir().unwrap();
    let mut writer = JournalWriter::create(folder.path()).unwrap();
    let mut invalid = plain_sample(0);
    invalid.weight = f64::NAN;
    let error = writer.append(&invalid).unwrap_err();
    insta::assert_snapshot!(error, @"samples.jsonl: not written: `weight` is not a positive number");
    let mut future = plain_sample(0);
    future.version = Sample::VERSION + 1;
    assert!(writer.append(&future).is_err());
    writer.append(&plain_sample(1)).unwrap();
    assert_eq!(read_folder(folder.path()), [Ok(plain_sample(1))]);
}

#[test]
fn appending_to_a_truncated_journal_loses_only_the_incomplete_line() {
    // After a kill in mid-write, the next record must not be glued to the stump of the last.
    let folder = tempfile::tempdir().unwrap();
    let stump = r#"{"version":1,"trial":0,"#;
    std::fs::write(folder.path().join(Sample::FILE), stump).unwrap();
    let mut writer = JournalWriter::append_to(folder.path()).unwrap();
    writer.append(&plain_sample(1)).unwrap();
    writer.append(&plain_sample(2)).unwrap();
    let read = read_folder(folder.path());
    assert!(read[0].is_err());
    assert_eq!(read[1..], [Ok(plain_sample(1)), Ok(plain_sample(2))]);
}

#[test]
fn a_broken_line_is_reported_with_its_place_and_the_rest_is_read() {
    // Nothing is lost by one bad line: each is a value that says where and what.
    let good = line(&plain_sample(1));
    let newer = good.replace("\"version\":2", "\"version\":7");
    let zeroth = good.replace("\"version\":2", "\"version\":0");
    let no_trial = good.replace("\"trial\":1,", "");
    let invalid = good.replace("\"ttft_ns\":100000000", "\"ttft_ns\":1");
    let text = [
        "{\"version\":1,\n",
        &good,
        "\n \n",
        "[]\n",
        &newer,
        &zeroth,
        &no_trial,
        &invalid,
        &good,
    ];
    let mut bytes = text.concat().into_bytes();
    bytes.extend(b"{\"version\":\xff}\n");
    let mut reader = JournalReader::<_, Sample>::new(bytes.as_slice());
    let mut messages = Vec::new();
    let mut samples = 0;
    for read in reader.by_ref() {
        match read {
            Ok(read) => {
                assert_eq!(read, plain_sample(1));
                samples += 1;
            }
            Err(error) => messages.push(error.to_string()),
        }
    }
    insta::assert_snapshot!(messages.join("\n"), @"
    samples.jsonl:1: column 13: EOF while parsing a value
    samples.jsonl:5: column 2: invalid length 0, expected an object with a version
    samples.jsonl:6: version 7, but this program reads up to version 2: it was written by a newer one
    samples.jsonl:7: version 0 does not exist
    samples.jsonl:8: column 1527: missing field `trial`
    samples.jsonl:9: `ttft_ns` is below `headers_ns`
    samples.jsonl:11: column 12: expected value
    ");
    assert_eq!(samples, 2);
    assert_eq!(reader.broken(), messages.len() as u64);
    assert_eq!(reader.truncated_line(), None);
}

#[test]
fn keys_of_no_known_meaning_are_passed_over() {
    // A later program may add a key without making a new version.
    let added =
        line(&plain_sample(1)).replace("\"version\":2,", "\"version\":2,\"colour\":\"red\",");
    assert_eq!(read(added.as_bytes()).0, [Ok(plain_sample(1))]);
}

#[test]
fn a_line_beyond_the_limit_is_passed_over_in_bounded_memory() {
    // A file that is one endless line must not fill the memory; what follows is still read.
    let limit = 16_384;
    let endless = io::repeat(b' ').take(10 * limit);
    let good = format!("\n{}", line(&plain_sample(1)));
    let mut reader =
        JournalReader::<_, Sample>::new(BufReader::new(endless.chain(good.as_bytes())));
    reader.limit = usize::try_from(limit).unwrap();
    let first = reader.next().unwrap().unwrap_err();
    insta::assert_snapshot!(first, @"samples.jsonl:1: longer than 268435456 bytes");
    assert!(reader.line.capacity() <= reader.limit);
    assert_eq!(reader.next().unwrap().unwrap(), plain_sample(1));
    assert!(reader.next().is_none());
}

#[test]
fn a_source_that_fails_ends_the_reading() {
    // A disk error is reported once, not for ever.
    struct FailingReader;
    impl Read for FailingReader {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let mut reader = JournalReader::<_, Sample>::new(BufReader::new(FailingReader));
    let error = reader.next().unwrap().unwrap_err();
    insta::assert_snapshot!(error, @"samples.jsonl: the disk is gone");
    assert!(reader.next().is_none());
}

#[test]
fn the_stored_names_are_pinned() {
    // These names are a promise to everybody who reads the file: a changed one needs a new version.
    let mut sample = plain_sample(2);
    sample.answer = Some("Paris".to_owned());
    sample.grades = vec![Grade::new("right", 0.5, false).with_reason("says Lyon")];
    insta::assert_snapshot!(line(&sample).trim_end(), @r#"{"version":2,"trial":2,"slot":1,"round":1,"prompt":"capital","prompt_digest":"0123456789abcdef","repetition":1,"variant":"v0","model":"maker/model","weight":1.0,"tags":["short"],"outcome":"complete","request_id":"request-2","sent_ns":2000000,"scheduled_ns":2000000,"headers_ns":90000000,"ttft_ns":100000000,"ttfa_ns":100000000,"last_token_ns":290000000,"latency_ns":300000000,"experienced_ttft_ns":100000000,"gaps":{"count":40,"mean_ns":4000000,"p50_ns":4000000,"p95_ns":9000000,"max_ns":20000000,"coalesced":3,"hdr":"HISTFAAAABx4nJNpmSzMwMDAxgABzFCaEUoz2X+AsQAz4wNfHISTFAAAABx4nJNpmSzMwMDAxgABzFCaEUoz2X+AsQAz4wNf"},"answer_chars":500,"first_chunk_chars":5,"usage":{"prompt_tokens":20,"completion_tokens":120},"finish_reason":"stop","cost_usd":"0.0000032","provider":"maker","provider_attempts":1,"generation_id":"gen_01HZZZZZZZZZZZZZZZZZZZZZZZ","attempts":[{"request_id":"request-2","sent_ns":2000000,"end_ns":302000000,"outcome":"complete","status":200}],"answer":"Paris","grades":[{"name":"right","score":0.5,"pass":false,"reason":"says Lyon"}]}"#);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // The journal stores every sample exactly, in order, one line for each.
    #[test]
    fn samples_survive_the_disk(samples in prop::collection::vec(sample(), 0..6)) {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = JournalWriter::create(folder.path()).unwrap();
        for sample in &samples {
            writer.append(sample).unwrap();
        }
        let text = std::fs::read_to_string(folder.path().join(Sample::FILE)).unwrap();
        prop_assert_eq!(text.matches('\n').count(), samples.len());
        let read: Vec<_> = read_folder(folder.path()).into_iter().map(Result::unwrap).collect();
        prop_assert_eq!(read, samples);
    }

    // A kill at any byte: every whole line is read, the rest is reported as truncated and is no error. Only the
    // newline may be missing of a line that counts as whole.
    #[test]
    fn a_kill_costs_at_most_the_last_line(
        samples in prop::collection::vec(sample(), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let lines: Vec<String> = samples.iter().map(line).collect();
        let all = lines.concat();
        let cut = cut.index(all.len() + 1);
        let (read, truncated_line) = read(&all.as_bytes()[..cut]);
        let mut whole = 0;
        let mut end = 0;
        while whole < lines.len() && end + lines[whole].len() - 1 <= cut {
            end += lines[whole].len();
            whole += 1;
        }
        let expected: Vec<_> = samples[..whole].iter().cloned().map(Ok).collect();
        prop_assert_eq!(read, expected);
        prop_assert_eq!(truncated_line, (cut > end).then_some(whole as u64 + 1));
    }

    // Garbage between good lines costs no good line, and is reported once for each line of it.
    #[test]
    fn garbage_costs_no_other_line(
        garbage in prop::collection::vec(any::<u8>().prop_filter("one line", |byte| *byte != b'\n'), 1..80),
        before in 0_u64..3,
        after in 1_u64..3,
    ) {
        prop_assume!(!garbage.trim_ascii().is_empty());
        let good = |count| (0..count).map(|trial| line(&plain_sample(trial))).collect::<String>();
        let bytes = [good(before).as_bytes(), &garbage, b"\n", good(after).as_bytes()].concat();
        let (read, truncated_line) = read(&bytes);
        prop_assert_eq!(read.iter().filter(|read| read.is_ok()).count() as u64, before + after);
        prop_assert_eq!(read.iter().filter(|read| read.is_err()).count(), 1);
        let place = format!("samples.jsonl:{}: ", before + 1);
        let message = read[usize::try_from(before).unwrap()].as_ref().unwrap_err();
        prop_assert!(message.starts_with(&place), "{}", message);
        prop_assert_eq!(truncated_line, None);
    }
}
