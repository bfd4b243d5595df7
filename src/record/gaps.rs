//! Gaps between token-bearing chunks: from a list to the stored summary, and from many stored
//! histograms to one.
//!
//! Owns the histogram format of a sample (microseconds, 3 digits, HdrHistogram V2 with deflate,
//! base64) and its bounds. Must not know what a chunk is or which sample it came from. Invariant: a
//! gap is recorded within 0.1 % or not at all; what is out of range is never bent into it, so
//! `count` minus the recorded values is the number of gaps out of range.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use zlib_rs::adler32::adler32;
use zlib_rs::{Inflate, InflateFlush, Status};

use crate::stats::quantile::{Percentile, Support, quantile_u64};
use crate::units::Nanos;

use super::Gaps;

/// The shortest span a histogram holds, in microseconds.
const MIN_US: u64 = 1;
/// The longest span a histogram holds, in microseconds: 1 hour.
const MAX_US: u64 = 3_600_000_000;
/// Significant digits a histogram keeps: an error of at most 0.1 %.
const DIGITS: u8 = 3;

/// The maximum number of gaps in one stored histogram: more than an answer can have, and small enough that the
/// sum over any number of samples stays within 64 bits.
const MAX_GAPS: u64 = u32::MAX as u64;
/// Counters of a histogram with the bounds above: 22 doublings of 1024 counters after the first
/// 2048.
const MAX_COUNTERS: usize = 23 * 1024 + 1024;
/// Bytes before the counters in the V2 format.
const HEADER_BYTES: usize = 40;
/// The maximum size in bytes of an unpacked histogram: each counter takes at most 9.
const MAX_BYTES: usize = HEADER_BYTES + 9 * MAX_COUNTERS;
/// The maximum length of a stored histogram: base64 of a histogram that deflate could not shrink.
const MAX_CHARS: usize = 2 * MAX_BYTES;
/// First four bytes of a V2 histogram.
const COOKIE: u32 = 0x1c84_9313;
/// First four bytes of a compressed V2 histogram.
const COMPRESSED_COOKIE: u32 = 0x1c84_9314;
/// The first bytes of a zlib stream that is not compressed.
const STORED_HEAD: [u8; 2] = [0x78, 0x01];
/// The window of a zlib stream, as a power of 2: the largest.
const WINDOW_BITS: u8 = 15;
/// Values below 2^11 microseconds have a counter each (3 digits); above, 2^10 counters per doubling.
const COUNTERS_PER_DOUBLING_LOG2: u32 = 10;

/// Counters of the values up to an hour.
#[allow(
    clippy::cast_possible_truncation,
    reason = "there are fewer than MAX_COUNTERS"
)]
const COUNTERS: usize = index_of(MAX_US) as usize + 1;

/// An empty histogram of spans in microseconds.
pub fn empty_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(MIN_US, MAX_US, DIGITS)
        .expect("the bounds are constants that the histogram accepts")
}

/// The span in whole microseconds, rounded half up; `None` where no histogram can hold it.
pub fn recordable_us(span: Nanos) -> Option<u64> {
    let micros = span.0.saturating_add(500) / 1000;
    (MIN_US..=MAX_US).contains(&micros).then_some(micros)
}

/// The stored summary of one answer's gaps (coalesced ones already left out of `gaps`).
pub fn summarize_gaps(gaps: &[Nanos], coalesced: u64) -> Gaps {
    let mut sorted: Vec<u64> = gaps.iter().map(|gap| gap.0).collect();
    sorted.sort_unstable();
    let count = sorted.len() as u64;
    let at = |percentile: Percentile| quantile_u64(&sorted, percentile.q()).map(round_ns);
    let supports_p95 = Percentile::P95.support(count) != Support::TooFew;
    Gaps {
        count,
        mean_ns: mean(&sorted),
        p50_ns: at(Percentile::P50),
        p95_ns: at(Percentile::P95).filter(|_| supports_p95),
        max_ns: sorted.last().copied().map(Nanos),
        coalesced,
        hdr: encode_histogram(&sorted),
    }
}

/// The mean, rounded half up; `None` of no values.
fn mean(values: &[u64]) -> Option<Nanos> {
    let count = values.len() as u128;
    let sum: u128 = values.iter().map(|&value| u128::from(value)).sum();
    let mean = (sum + count / 2).checked_div(count)?;
    u64::try_from(mean).ok().map(Nanos)
}

fn round_ns(nanos: f64) -> Nanos {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a quantile of unsigned values; `as` stops at the ends of the range"
    )]
    Nanos(nanos.round() as u64)
}

/// The histogram as text; `None` when no gap can be recorded. Its upper bound is the longest gap, not
/// an hour: a reader makes room for the whole range of each histogram it meets. The zlib stream stores its bytes as they
/// are: compressed, it would shorten a sample by 3 %, and take as long to unpack as the rest of the sample takes to read.
fn encode_histogram(sorted_ns: &[u64]) -> Option<String> {
    let micros = || sorted_ns.iter().filter_map(|&ns| recordable_us(Nanos(ns)));
    let longest = micros().next_back()?;
    let mut counters = Vec::new();
    write_counters(micros().map(index_of), &mut counters);
    Some(STANDARD.encode(pack(
        &[&header(counters.len(), longest)[..], &counters].concat(),
    )))
}

/// The bytes before the counters: their number of bytes, the digits, and the bounds.
fn header(length: usize, longest_us: u64) -> [u8; HEADER_BYTES] {
    let length = u32::try_from(length).expect("a histogram has at most MAX_BYTES");
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(&COOKIE.to_be_bytes());
    header[4..8].copy_from_slice(&length.to_be_bytes());
    // Bytes 8 to 12: no offset.
    header[12..16].copy_from_slice(&u32::from(DIGITS).to_be_bytes());
    header[16..24].copy_from_slice(&MIN_US.to_be_bytes());
    header[24..32].copy_from_slice(&longest_us.max(2 * MIN_US).to_be_bytes());
    header[32..].copy_from_slice(&1.0_f64.to_be_bytes());
    header
}

/// Writes the counters of values whose indices ascend. The library's histogram sets, and writes, each counter up to the
/// largest value: for an answer of a minute a hundred times what its gaps take.
fn write_counters(indices: impl Iterator<Item = u64>, bytes: &mut Vec<u8>) {
    let mut next = 0;
    let mut indices = indices.peekable();
    while let Some(index) = indices.next() {
        match index - next {
            0 => {}
            // One counter of 0 is written as itself.
            1 => bytes.push(0),
            skipped => write_varint(2 * skipped - 1, bytes),
        }
        let mut count = 1_u64;
        while indices.next_if_eq(&index).is_some() {
            count += 1;
        }
        write_varint(2 * count, bytes);
        next = index + 1;
    }
}

/// The frame of a compressed V2 histogram, whose zlib stream stores the bytes as they are. A compressor that does so takes 300 KB
/// on each thread.
fn pack(unpacked: &[u8]) -> Vec<u8> {
    let mut packed = vec![0; 8];
    packed.extend(STORED_HEAD);
    let mut blocks = unpacked.chunks(u16::MAX.into()).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).expect("a chunk of at most that length");
        packed.push(u8::from(blocks.peek().is_none()));
        packed.extend(length.to_le_bytes());
        packed.extend((!length).to_le_bytes());
        packed.extend(block);
    }
    packed.extend(adler32(1, unpacked).to_be_bytes());
    let length = u32::try_from(packed.len() - 8).expect("a histogram has at most MAX_BYTES");
    packed[..4].copy_from_slice(&COMPRESSED_COOKIE.to_be_bytes());
    packed[4..8].copy_from_slice(&length.to_be_bytes());
    packed
}

/// The reason why a string is not a histogram of gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HdrError {
    /// Longer than any histogram of gaps can be.
    #[error("longer than a histogram of gaps can be")]
    TooLong,
    /// Not base64.
    #[error("not base64")]
    Base64,
    /// Not a compressed V2 histogram.
    #[error("not a compressed HdrHistogram of version 2")]
    Format,
    /// Another unit, or another number of digits.
    #[error("a histogram of another resolution")]
    Resolution,
    /// Values above an hour, or more of them than an answer can have.
    #[error("counts out of range")]
    Range,
}

/// The counters of a histogram of gaps that others are added to: those of the library's histogram of the same bounds. That
/// finds the counter of each value anew; here a stored counter is added to the one at its place.
#[derive(Debug, Clone)]
pub struct GapCounters(Vec<u64>);

impl Default for GapCounters {
    fn default() -> Self {
        Self(vec![0; COUNTERS])
    }
}

impl GapCounters {
    /// Adds the counters of another histogram.
    pub fn absorb(&mut self, other: &Self) {
        for (ours, theirs) in self.0.iter_mut().zip(&other.0) {
            *ours += theirs;
        }
    }

    /// The histogram.
    pub fn to_histogram(&self) -> Histogram<u64> {
        let mut histogram = empty_histogram();
        for (index, &count) in self.0.iter().enumerate().filter(|(_, count)| **count > 0) {
            histogram
                .record_n(value_at(index as u64), count)
                .expect("no counter is of a value above an hour");
        }
        histogram
    }
}

/// The count of one counter of a stored histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct StoredCounter {
    index: u32,
    count: u32,
}

/// Adds stored histograms to others. Its buffers are reused from one string to the next: a run has as many
/// strings as samples, and the library's own reader allocates the whole range each time.
pub struct HdrReader {
    inflate: Inflate,
    packed: Vec<u8>,
    unpacked: Vec<u8>,
    counters: Vec<StoredCounter>,
}

impl Default for HdrReader {
    fn default() -> Self {
        Self {
            inflate: Inflate::new(true, WINDOW_BITS),
            packed: Vec::new(),
            unpacked: vec![0; MAX_BYTES],
            counters: Vec::new(),
        }
    }
}

impl HdrReader {
    /// Adds the histogram in `hdr` to `sum` and returns the number of values added. On an error `sum` is unchanged.
    pub fn add(&mut self, hdr: &str, sum: &mut GapCounters) -> Result<u64, HdrError> {
        let added = self.read(hdr)?;
        for counter in &self.counters {
            sum.0[counter.index as usize] += u64::from(counter.count);
        }
        Ok(added)
    }

    /// Returns the values of the histogram in `hdr` in microseconds, each with its number.
    pub fn counters(
        &mut self,
        hdr: &str,
    ) -> Result<impl ExactSizeIterator<Item = (u64, u32)>, HdrError> {
        self.read(hdr)?;
        let counters = self.counters.iter();
        Ok(counters.map(|counter| (value_at(counter.index.into()), counter.count)))
    }

    /// Reads the counters of the histogram in `hdr`, and returns the number of its values.
    fn read(&mut self, hdr: &str) -> Result<u64, HdrError> {
        if hdr.len() > MAX_CHARS {
            return Err(HdrError::TooLong);
        }
        self.packed.clear();
        STANDARD
            .decode_vec(hdr, &mut self.packed)
            .map_err(|_| HdrError::Base64)?;
        if u32_at(&self.packed, 0)? != COMPRESSED_COOKIE {
            return Err(HdrError::Format);
        }
        let stream = self.packed.get(8..).ok_or(HdrError::Format)?;
        if u32_at(&self.packed, 4)? as usize != stream.len() {
            return Err(HdrError::Format);
        }
        let unpacked = match stored_bytes(stream) {
            Some(stored) => stored,
            None => unpack(&mut self.inflate, stream, &mut self.unpacked)?,
        };
        check_header(unpacked)?;
        read_counters(&unpacked[HEADER_BYTES..], &mut self.counters)?;
        // Counters ascend.
        let last = self.counters.last();
        if last.is_some_and(|last| last.index as usize >= COUNTERS) {
            return Err(HdrError::Range);
        }
        let counts = self.counters.iter().map(|counter| u64::from(counter.count));
        let total: u64 = counts.sum();
        (total <= MAX_GAPS).then_some(total).ok_or(HdrError::Range)
    }
}

/// The bytes of a zlib stream that stores them in one block, as [`summarize_gaps`] writes it. `None` of any other stream: the
/// general reader decides what that is.
fn stored_bytes(stream: &[u8]) -> Option<&[u8]> {
    let [1, length @ ..] = stream.strip_prefix(&STORED_HEAD)? else {
        return None;
    };
    let (length, rest) = length.split_first_chunk()?;
    let (complement, rest) = rest.split_first_chunk()?;
    let length = u16::from_le_bytes(*length);
    let (bytes, checksum) = rest.split_at_checked(length.into())?;
    let is_sound =
        u16::from_le_bytes(*complement) == !length && *checksum == adler32(1, bytes).to_be_bytes();
    is_sound.then_some(bytes)
}

/// Unpacks a zlib stream.
fn unpack<'a>(
    inflate: &mut Inflate,
    stream: &[u8],
    unpacked: &'a mut [u8],
) -> Result<&'a [u8], HdrError> {
    inflate.reset(true);
    let status = inflate.decompress(stream, unpacked, InflateFlush::Finish);
    if !matches!(status, Ok(Status::StreamEnd)) {
        return Err(HdrError::Format);
    }
    let length = usize::try_from(inflate.total_out()).map_err(|_| HdrError::TooLong)?;
    Ok(&unpacked[..length])
}

/// Checks the 40 bytes before the counters against those that [`summarize_gaps`] writes; the upper bound is
/// free.
fn check_header(unpacked: &[u8]) -> Result<(), HdrError> {
    let payload = unpacked.get(HEADER_BYTES..).ok_or(HdrError::Format)?;
    let normalizing_offset = u32_at(unpacked, 8)?;
    if u32_at(unpacked, 0)? != COOKIE
        || u32_at(unpacked, 4)? as usize != payload.len()
        || normalizing_offset != 0
    {
        return Err(HdrError::Format);
    }
    let digits = u32_at(unpacked, 12)?;
    let lowest = u64_at(unpacked, 16)?;
    let scale = f64::from_bits(u64_at(unpacked, 32)?);
    let ours =
        digits == u32::from(DIGITS) && lowest == MIN_US && scale.to_bits() == 1.0_f64.to_bits();
    ours.then_some(()).ok_or(HdrError::Resolution)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, HdrError> {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field
        .copied()
        .map(u32::from_be_bytes)
        .ok_or(HdrError::Format)
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, HdrError> {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field
        .copied()
        .map(u64::from_be_bytes)
        .ok_or(HdrError::Format)
}

/// Reads the counters that are not 0, in ascending order. Counters are zigzag LEB128 of at most 9 bytes; a negative number
/// skips that many counters of 0.
fn read_counters(mut bytes: &[u8], counters: &mut Vec<StoredCounter>) -> Result<(), HdrError> {
    counters.clear();
    let mut index = 0_u32;
    while !bytes.is_empty() {
        let zigzag = read_varint(&mut bytes)?;
        let half = u32::try_from(zigzag >> 1).map_err(|_| HdrError::Range)?;
        let is_skip = zigzag & 1 == 1;
        if !is_skip && half > 0 {
            let count = half;
            counters.push(StoredCounter { index, count });
        }
        let skipped = if is_skip { half } else { 0 };
        index = (index.checked_add(1))
            .and_then(|next| next.checked_add(skipped))
            .filter(|&next| next as usize <= MAX_COUNTERS)
            .ok_or(HdrError::Range)?;
    }
    Ok(())
}

/// The lowest value that a counter stands for, in microseconds.
const fn value_at(index: u64) -> u64 {
    let per_doubling = 1_u64 << COUNTERS_PER_DOUBLING_LOG2;
    match (index >> COUNTERS_PER_DOUBLING_LOG2).checked_sub(1) {
        None | Some(0) => index,
        Some(doublings) => ((index & (per_doubling - 1)) + per_doubling) << doublings,
    }
}

/// The counter of a value in microseconds.
const fn index_of(value: u64) -> u64 {
    let digits = u64::BITS - value.leading_zeros();
    match digits.checked_sub(COUNTERS_PER_DOUBLING_LOG2 + 1) {
        None | Some(0) => value,
        Some(doublings) => {
            ((doublings as u64) << COUNTERS_PER_DOUBLING_LOG2) + (value >> doublings)
        }
    }
}

/// Writes a number of at most 56 bits as [`read_varint`] reads it.
fn write_varint(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// One number of 7 bits a byte, lowest first; the ninth byte counts whole.
#[inline]
fn read_varint(bytes: &mut &[u8]) -> Result<u64, HdrError> {
    // Most numbers have one byte or two, in no order that a processor could foresee.
    if let [low, high, ..] = **bytes
        && low & high < 0x80
    {
        let has_two = low >> 7;
        *bytes = &bytes[1 + usize::from(has_two)..];
        return Ok(u64::from(low & 0x7f) | u64::from(high * has_two) << 7);
    }
    let mut value = 0;
    for place in 0..9 {
        let (&byte, rest) = bytes.split_first().ok_or(HdrError::Format)?;
        *bytes = rest;
        if place == 8 {
            return Ok(value | u64::from(byte) << 56);
        }
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests;
