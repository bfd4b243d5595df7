//! The quantities used throughout: times, money, model ids, digests of contents.
//!
//! Owns parsing and display of single values. Must not know the source of a value. Invariant:
//! a value of one of these types carries its unit in its type, and money is an exact integer.

pub mod compact;

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// Formats a count with a noun whose plural ends in s: `1 run`, `2 runs`.
pub fn plural<N: fmt::Display + Copy + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    let ending = if count == N::from(1) { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// Returns true if a character can affect a terminal or hide in a line: control characters, those that change the direction
/// of writing or end a line, and those that cannot be seen.
pub fn is_unsafe_char(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{00ad}'
                | '\u{034f}'
                | '\u{061c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{17b4}'
                | '\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{fffe}'
                | '\u{ffff}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Text from outside for one line of a terminal, a table or a file that is shown in one: characters that
/// are [unsafe](is_unsafe_char) are visible as U+FFFD, line breaks are spaces.
pub fn one_line(text: &str) -> Cow<'_, str> {
    let is_plain_ascii = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if is_plain_ascii || !text.contains(is_unsafe_char) {
        return Cow::Borrowed(text);
    }
    let harmless = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if is_unsafe_char(c) => '\u{fffd}',
        c => c,
    };
    Cow::Owned(text.chars().map(harmless).collect())
}

/// A span of time, or an instant as nanoseconds since the run began (the clock of a run).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Nanos(pub u64);

impl Nanos {
    /// Zero: the instant a run began, or an empty span.
    pub const ZERO: Self = Self(0);

    /// Converts milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// The span from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    /// The time in milliseconds, with fractions.
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The time in seconds, with fractions.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl From<Duration> for Nanos {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Nanos> for Duration {
    fn from(nanos: Nanos) -> Self {
        Self::from_nanos(nanos.0)
    }
}

/// Formats with three significant figures in the unit that fits: `412 us`, `38.2 ms`, `1.24 s`.
impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0 as f64;
        // The unit is chosen after rounding, so that 999.96 ms is shown as 1.00 s.
        let (value, unit) = [(1e3, "us"), (1e6, "ms")]
            .into_iter()
            .map(|(scale, unit)| (nanos / scale, unit))
            .find(|(value, _)| *value < 999.5)
            .unwrap_or((nanos / 1e9, "s"));
        let decimals = match value {
            v if v >= 99.95 => 0,
            v if v >= 9.995 => 1,
            _ => 2,
        };
        f.pad(&format!("{value:.decimals$} {unit}"))
    }
}

/// An exact amount of money in pico-dollars (1e-12 USD). It may be negative, as differences are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Usd(pub i128);

/// Error for text that is not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an amount in USD: write a decimal number such as 0.0000025")]
pub struct UsdError(pub String);

impl Usd {
    /// Zero.
    pub const ZERO: Self = Self(0);
    /// Pico-dollars in a dollar.
    pub const PICO: i128 = 1_000_000_000_000;

    /// Dollars as a float, for charts and ratios only: sums stay exact.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / Self::PICO as f64
    }

    /// Multiplies by `count`; `None` beyond the range of the type.
    pub fn times(self, count: u64) -> Option<Self> {
        self.0.checked_mul(i128::from(count)).map(Self)
    }

    /// Returns true if two amounts for one request differ by more than rounding on the way to a bill explains: by more than a
    /// thousandth of the larger, and by more than half of the eighth decimal, the finest that gateways report.
    pub fn differs_from(self, other: Self) -> bool {
        let difference = self.0.abs_diff(other.0);
        let larger = self.0.unsigned_abs().max(other.0.unsigned_abs());
        difference.saturating_mul(1_000) > larger && difference > 5_000
    }

    /// Adds two amounts; `None` beyond the range of the type.
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }
}

impl std::iter::Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, |a, b| Self(a.0.saturating_add(b.0)))
    }
}

/// Parses plain decimals and exponents (`1.5`, `2e-6`). Digits below 1e-12 USD are rounded half up:
/// billing systems print floats whose last digits are noise.
impl FromStr for Usd {
    type Err = UsdError;

    fn from_str(text: &str) -> Result<Self, UsdError> {
        if let Some(pico) = short_decimal(text) {
            return Ok(Self(pico.into()));
        }
        let error = || UsdError(text.to_owned());
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
            Some(at) => (
                &unsigned[..at],
                unsigned[at + 1..].parse::<i32>().map_err(|_| error())?,
            ),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if digits.is_empty() || digits.len() > 60 || !digits.iter().all(u8::is_ascii_digit) {
            return Err(error());
        }
        if !(-60..=60).contains(&exponent) {
            return Err(error());
        }
        // The number of digits before the pico-dollar point.
        let whole_digits =
            i64::try_from(whole.len()).map_err(|_| error())? + i64::from(exponent) + 12;
        let mut pico: i128 = 0;
        for index in 0..whole_digits.max(0) {
            let digit = usize::try_from(index)
                .ok()
                .and_then(|p| digits.get(p))
                .copied();
            pico = pico
                .checked_mul(10)
                .and_then(|p| p.checked_add(i128::from(digit.unwrap_or(b'0') - b'0')))
                .ok_or_else(error)?;
        }
        let next = usize::try_from(whole_digits)
            .ok()
            .and_then(|p| digits.get(p));
        if next.is_some_and(|&digit| digit >= b'5') {
            pico += 1;
        }
        Ok(Self(if negative { -pico } else { pico }))
    }
}

/// The pico-dollars of a decimal as a journal has it: at most six digits, and up to twelve after a point. `None` for any
/// other text.
fn short_decimal(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (Some(missing), 1..=6) = (12_usize.checked_sub(fraction.len()), whole.len()) else {
        return None;
    };
    let mut pico = 0_u64;
    for digit in whole.bytes().chain(fraction.bytes()) {
        if !digit.is_ascii_digit() {
            return None;
        }
        pico = pico * 10 + u64::from(digit - b'0');
    }
    Some((0..missing).fold(pico, |pico, _| pico * 10))
}

/// Formats the exact decimal without trailing zeros: `0.00289765`, `12`, `-0.5`.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SMALL_PICO: u64 = 1_000_000_000_000;
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        let pico = Self::PICO.unsigned_abs();
        // A division of 128 bits takes longer than all else.
        let (whole, mut fraction) = if let Ok(small) = u64::try_from(magnitude) {
            (u128::from(small / SMALL_PICO), small % SMALL_PICO)
        } else {
            let fraction = u64::try_from(magnitude % pico).expect("less than 10^12");
            (magnitude / pico, fraction)
        };
        let mut decimals = *b".000000000000";
        for digit in decimals[1..].iter_mut().rev() {
            *digit += u8::try_from(fraction % 10).expect("a digit");
            fraction /= 10;
        }
        let decimals = str::from_utf8(&decimals).expect("digits");
        let decimals = decimals.trim_end_matches('0').trim_end_matches('.');
        if f.width().is_some() || f.precision().is_some() {
            return f.pad(&format!("{sign}{whole}{decimals}"));
        }
        if magnitude < pico {
            // Less than a dollar, as the cost of nearly every request.
            f.write_str(sign)?;
            f.write_str("0")?;
            return f.write_str(decimals);
        }
        write!(f, "{sign}{whole}{decimals}")
    }
}

/// Serialised as a decimal string, never as a float.
impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A model's id as the endpoint spells it, `creator/model` on gateways.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelId(String);

/// Error for text that cannot be a model id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a model id: it must be 1 to 200 visible characters without spaces")]
pub struct ModelIdError(pub String);

impl ModelId {
    /// The id as a string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ModelId {
    type Err = ModelIdError;

    fn from_str(text: &str) -> Result<Self, ModelIdError> {
        let visible = |c: char| !c.is_whitespace() && !c.is_control();
        if (1..=200).contains(&text.chars().count()) && text.chars().all(visible) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ModelIdError(text.to_owned()))
        }
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Returns the digest of a value as JSON, whose text is never held whole.
pub fn digest_of_json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    /// Hashes what is written.
    struct Hashing(Sha256);
    impl io::Write for Hashing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut written = io::BufWriter::new(Hashing(Sha256::new()));
    serde_json::to_writer(&mut written, value)?;
    let hashing = written
        .into_inner()
        .map_err(|error| serde_json::Error::io(error.into_error()))?;
    Ok(head_of(&hashing.0.finalize()))
}

/// Returns a digest of `bytes`: the first 64 bits of their SHA-256 as 16 hex digits. It distinguishes contents
/// that differ by chance or mistake; it does not resist deliberate collisions.
pub fn digest(bytes: &[u8]) -> String {
    head_of(&Sha256::digest(bytes))
}

fn head_of(hash: &[u8]) -> String {
    let first = hash.first_chunk().expect("SHA-256 has 32 bytes");
    format!("{:016x}", u64::from_be_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn digests_are_the_head_of_sha_256() {
        // Digests can be checked with `sha256sum`: these are the published test vectors.
        assert_eq!(digest(b""), "e3b0c44298fc1c14");
        assert_eq!(digest(b"abc"), "ba7816bf8f01cfea");
    }

    #[test]
    fn the_digest_of_a_value_is_that_of_its_json() {
        // Manifests of older versions hold digests of the text: a run can be resumed and merged only if they are the same.
        let value = vec!["é\n".repeat(5_000), String::new()];
        let text = serde_json::to_vec(&value).unwrap();
        assert_eq!(digest_of_json(&value).unwrap(), digest(&text));
    }

    #[test]
    fn nanos_show_three_significant_figures() {
        // A reader compares columns: every time shows as many figures as it supports, no more.
        for (nanos, shown) in [
            (0, "0.00 us"),
            (412_000, "412 us"),
            (38_230_000, "38.2 ms"),
            (999_960_000, "1.00 s"),
            (1_240_000_000, "1.24 s"),
            (61_000_000_000, "61.0 s"),
        ] {
            assert_eq!(Nanos(nanos).to_string(), shown);
        }
    }

    #[test]
    fn money_reads_what_gateways_write() {
        // Bills come as plain decimals, as floats with exponents, and as long floats with noise.
        for (text, pico) in [
            ("0.00289765", 2_897_650_000),
            ("3.2e-6", 3_200_000),
            ("0.0000000028", 2_800),
            ("1E2", 100_000_000_000_000),
            ("-0.5", -500_000_000_000),
            ("0.0000037999999999999997", 3_800_000),
            ("7", 7_000_000_000_000),
            (".5", 500_000_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Usd(pico)), "{text}");
        }
        for text in [
            "", ".", "-", "1,5", "0x1", "1e", "1e999", "NaN", "1_0", "$1",
        ] {
            assert!(text.parse::<Usd>().is_err(), "{text}");
        }
    }

    proptest! {
        // Money survives being written and read: a stored cost is the cost.
        #[test]
        fn money_round_trips(pico in any::<i64>()) {
            let usd = Usd(i128::from(pico));
            prop_assert_eq!(usd.to_string().parse(), Ok(usd));
            let json = serde_json::to_string(&usd).unwrap();
            prop_assert_eq!(serde_json::from_str::<Usd>(&json).unwrap(), usd);
        }

        // The short way to read a decimal reads what the long way does.
        #[test]
        fn short_decimals_are_amounts(whole in "[0-9]{0,8}", point in "\\.?", fraction in "[0-9]{0,14}") {
            let text = format!("{whole}{point}{fraction}");
            if let Some(pico) = short_decimal(&text) {
                // An exponent takes the long way.
                prop_assert_eq!(format!("{text}e0").parse(), Ok(Usd(pico.into())));
            }
        }

        // Arbitrary text is an amount or an error, never a panic.
        #[test]
        fn money_never_panics(text in "\\PC{0,80}") {
            let _ = text.parse::<Usd>();
        }
    }
}
