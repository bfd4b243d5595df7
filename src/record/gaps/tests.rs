use std::io::Write as _;

use flate2::Compression;
use flate2::write::{ZlibDecoder, ZlibEncoder};
use hdrhistogram::serialization::{
    Deserializer, Serializer as _, V2DeflateSerializer, V2Serializer,
};
use proptest::prelude::*;

use super::*;

/// The histogram that the library itself reads from a stored string.
fn read_by_library(hdr: &str) -> Histogram<u64> {
    let bytes = STANDARD.decode(hdr).unwrap();
    Deserializer::new()
        .deserialize(&mut bytes.as_slice())
        .unwrap()
}

#[test]
fn no_gaps_give_no_figures() {
    // An answer of one chunk has no gap: its figures are absent, never 0.
    let gaps = summarize_gaps(&[], 3);
    assert_eq!(gaps.coalesced, 3);
    assert_eq!(gaps.count, 0);
    let figures = [gaps.mean_ns, gaps.p50_ns, gaps.p95_ns, gaps.max_ns];
    assert_eq!(figures, [None; 4]);
    assert_eq!(gaps.hdr, None);
}

#[test]
fn a_summary_has_no_percentile_that_its_count_cannot_support() {
    // 19 gaps have no 95th percentile, 20 have one.
    let gaps: Vec<Nanos> = (1..=20).map(Nanos::from_millis).collect();
    assert_eq!(summarize_gaps(&gaps[..19], 0).p95_ns, None);
    let twenty = summarize_gaps(&gaps, 0);
    assert!(twenty.p95_ns.is_some());
    assert_eq!(twenty.mean_ns, Some(Nanos(10_500_000)));
    assert_eq!(twenty.p50_ns, Some(Nanos(10_500_000)));
    assert_eq!(twenty.max_ns, Some(Nanos::from_millis(20)));
}

#[test]
fn what_is_out_of_range_is_not_recorded() {
    // 0.4 us and 61 minutes are in the count and not in the histogram: the difference shows them.
    let hour = Nanos::from_millis(3_600_000);
    let gaps = summarize_gaps(
        &[
            Nanos(400),
            Nanos::from_millis(5),
            hour,
            Nanos(hour.0 + 60_000_000_000),
        ],
        0,
    );
    let mut sum = GapCounters::default();
    let recorded = HdrReader::default().add(&gaps.hdr.unwrap(), &mut sum);
    assert_eq!((gaps.count, recorded), (4, Ok(2)));
    let sum = sum.to_histogram();
    assert_eq!(sum.max(), sum.highest_equivalent(MAX_US));
}

#[test]
fn texts_that_are_no_histogram_of_gaps_are_refused() {
    // A journal may be damaged or forged: each fault has its name and nothing is added.
    let mut coarse = Histogram::<u64>::new_with_bounds(1, 1000, 2).unwrap();
    coarse.record(7).unwrap();
    let mut crowded = Histogram::<u64>::new_with_bounds(1, 1000, 3).unwrap();
    crowded.record_n(7, 1 << 40).unwrap();
    let mut distant = Histogram::<u64>::new_with_bounds(1, 1 << 40, 3).unwrap();
    distant.record(1 << 39).unwrap();
    let text = |histogram: &Histogram<u64>| {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(histogram, &mut bytes)
            .unwrap();
        STANDARD.encode(bytes)
    };
    let mut cut = STANDARD.decode(text(&crowded)).unwrap();
    cut.pop();
    let mut sum = GapCounters::default();
    let mut reader = HdrReader::default();
    for (hdr, error) in [
        ("?".to_owned(), HdrError::Base64),
        (String::new(), HdrError::Format),
        ("A".repeat(MAX_CHARS + 4), HdrError::TooLong),
        (STANDARD.encode(cut), HdrError::Format),
        (text(&coarse), HdrError::Resolution),
        (text(&crowded), HdrError::Range),
        (text(&distant), HdrError::Range),
    ] {
        assert_eq!(reader.add(&hdr, &mut sum), Err(error), "{hdr:.40}");
    }
    assert!(sum.to_histogram().is_empty());
}

#[test]
fn a_stream_of_several_blocks_stores_its_bytes() {
    // No answer has as many gaps as a second block takes; another program may read one all the same.
    for length in [1, 65_535, 65_536, 200_000] {
        let bytes: Vec<u8> = (0..length).map(|at: u32| at.to_le_bytes()[0]).collect();
        let packed = pack(&bytes);
        let mut zlib = ZlibDecoder::new(Vec::new());
        zlib.write_all(&packed[8..]).unwrap();
        assert!(zlib.finish().unwrap() == bytes);
        assert_eq!(stored_bytes(&packed[8..]).is_some(), length <= 65_535);
    }
}

proptest! {
    // The fast reader and the library read the same counts, text after text, in one sum; and a compressed stream, as
    // older versions wrote them, has the same counts.
    #[test]
    fn merging_equals_the_librarys_own_reading(
        samples in prop::collection::vec(
            prop::collection::vec(0_u64..5_000_000_000_000, 1..80),
            1..8,
        ),
    ) {
        let (mut ours, mut theirs) = (GapCounters::default(), empty_histogram());
        let mut reader = HdrReader::default();
        for sample in samples {
            let list: Vec<Nanos> = sample.into_iter().map(Nanos).collect();
            let Some(hdr) = summarize_gaps(&list, 0).hdr else { continue };
            let recorded = reader.add(&hdr, &mut ours).unwrap();
            let library = read_by_library(&hdr);
            prop_assert_eq!(recorded, library.len());
            let mut compressed = Vec::new();
            V2DeflateSerializer::new().serialize(&library, &mut compressed).unwrap();
            let counters: Vec<_> = reader.counters(&STANDARD.encode(compressed)).unwrap().collect();
            prop_assert!(reader.counters(&hdr).unwrap().eq(counters));
            for step in library.iter_recorded() {
                let lowest = library.lowest_equivalent(step.value_iterated_to());
                theirs.record_n(lowest, step.count_at_value()).unwrap();
            }
        }
        prop_assert_eq!(ours.to_histogram(), theirs);
    }

    // The stored bytes are those that the library writes of the same values, neighbours and repetitions among them.
    #[test]
    fn stored_bytes_are_the_librarys(
        micros in prop::collection::vec(prop_oneof![1_u64..50, 1_u64..100_000, 1..=MAX_US], 1..80),
    ) {
        let list: Vec<Nanos> = micros.iter().map(|&value| Nanos(1_000 * value)).collect();
        let longest = micros.iter().copied().max().unwrap_or(MIN_US).max(2);
        let mut library = Histogram::<u64>::new_with_bounds(MIN_US, longest, DIGITS).unwrap();
        for value in micros {
            library.record(value).unwrap();
        }
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&library, &mut bytes).unwrap();
        prop_assert_eq!(summarize_gaps(&list, 0).hdr, Some(STANDARD.encode(pack(&bytes))));
    }

    // Arbitrary bytes behind a right cookie end in an error or a sum, never in a panic.
    #[test]
    fn hostile_texts_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut unpacked = header(bytes.len(), MAX_US).to_vec();
        unpacked.extend(&bytes);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&unpacked).unwrap();
        let stream = zlib.finish().unwrap();
        let mut packed = COMPRESSED_COOKIE.to_be_bytes().to_vec();
        packed.extend(u32::try_from(stream.len()).unwrap().to_be_bytes());
        packed.extend(stream);
        let mut sum = GapCounters::default();
        let added = HdrReader::default().add(&STANDARD.encode(packed), &mut sum);
        prop_assert_eq!(added.unwrap_or(0), sum.to_histogram().len());
    }
}
