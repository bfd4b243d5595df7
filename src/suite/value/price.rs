//! Prices as people write them, USD per million tokens, into exact amounts per token.
//!
//! Owns the exact division. Must not know whose price it is. Invariant: exact or an error; nothing
//! is rounded.

use crate::units::{ModelId, Usd};

use super::limits::PRICE_USD_PER_MTOK;
use super::text::{nearest, quoted};

/// A price the user declares, USD per token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPrice {
    /// The id as the endpoint spells it.
    pub model: ModelId,
    /// A prompt token.
    pub input_usd: Usd,
    /// A completion token.
    pub output_usd: Usd,
    /// A prompt token read from the prompt cache; absent: as input.
    pub cache_read_usd: Option<Usd>,
    /// A prompt token written to the prompt cache for the shortest lifetime; absent: as input.
    pub cache_write_usd: Option<Usd>,
    /// A prompt token written to the prompt cache for an hour; absent: unknown.
    pub cache_write_1h_usd: Option<Usd>,
    /// A prompt token written to the prompt cache for twelve hours; absent: unknown.
    pub cache_write_12h_usd: Option<Usd>,
    /// The service tier that has these prices; absent: the standard one.
    pub service_tier: Option<String>,
}

/// Words of the service tier whose prices are the list's: `OpenAI`'s, Anthropic's and Groq's.
const STANDARD_TIERS: [&str; 5] = ["default", "auto", "standard", "standard_only", "on_demand"];

/// Returns true if the list prices are those of the service tier with this word.
pub fn is_standard_tier(word: &str) -> bool {
    STANDARD_TIERS
        .iter()
        .any(|standard| word.eq_ignore_ascii_case(standard))
}

/// The reason why a text is not a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::suite) enum PriceError {
    /// It is not a decimal number.
    NotAmount,
    /// It is below 0 or above the limit.
    OutOfRange,
    /// It is finer than 1e-12 USD per token.
    TooFine,
}

/// `text` USD per million tokens, as USD per token.
pub(in crate::suite) fn usd_per_token(text: &str) -> Result<Usd, PriceError> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => {
            let exponent = text[at + 1..].parse::<i32>();
            (&text[..at], exponent.map_err(|_| PriceError::NotAmount)?)
        }
        None => (text, 0),
    };
    let (negative, magnitude) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PriceError::NotAmount);
    }
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Ok(Usd::ZERO);
    }
    if negative {
        return Err(PriceError::OutOfRange);
    }
    // One USD per million tokens is 1e6 pico-dollars per token.
    let trailing = digits.len() - digits.trim_end_matches('0').len();
    let decimals = i64::try_from(trailing).map_err(|_| PriceError::NotAmount)?
        - i64::try_from(fraction.len()).map_err(|_| PriceError::NotAmount)?
        + i64::from(exponent)
        + 6;
    let decimals = u32::try_from(decimals).map_err(|_| PriceError::TooFine)?;
    let max = i128::from(PRICE_USD_PER_MTOK) * 1_000_000;
    significant
        .parse::<i128>()
        .ok()
        .and_then(|value| value.checked_mul(10_i128.checked_pow(decimals)?))
        .filter(|pico| *pico <= max)
        .map(Usd)
        .ok_or(PriceError::OutOfRange)
}

/// A model's prices as they are typed: `MODEL:input=0.25,output=2,cache_read=0.025`, USD per million tokens.
/// Prices of the cache (`cache_read`, `cache_write`, `cache_write_1h`, `cache_write_12h`) may be left out.
///
/// # Errors
/// Returns what is wrong with the text, and what to write.
pub fn parse_own_price(text: &str) -> Result<OwnPrice, String> {
    const NAMES: [&str; 6] = [
        "input",
        "output",
        "cache_read",
        "cache_write",
        "cache_write_1h",
        "cache_write_12h",
    ];
    // An id may hold colons; prices do not.
    let (model, listed) = text.rsplit_once(':').ok_or_else(|| {
        "write MODEL:input=0.25,output=2 (USD per million tokens; cache_read and cache_write too)"
            .to_owned()
    })?;
    let model = model.parse().map_err(|error| format!("{error}"))?;
    let mut prices = [None; NAMES.len()];
    for part in listed.split(',') {
        let (name, amount) = part
            .split_once('=')
            .ok_or_else(|| format!("{} is not NAME=USD, such as input=0.25", quoted(part)))?;
        let (name, amount) = (name.trim(), amount.trim());
        let Some(index) = NAMES.iter().position(|known| *known == name) else {
            let hint = nearest(name, NAMES)
                .map_or_else(String::new, |known| format!("; did you mean `{known}`?"));
            let known = NAMES.join(", ");
            return Err(format!(
                "{} is not a price; the prices are {known}{hint}",
                quoted(name)
            ));
        };
        let usd = usd_per_token(amount).map_err(|error| {
            let why = match error {
                PriceError::NotAmount => "is not a decimal number".to_owned(),
                PriceError::OutOfRange => format!("is not between 0 and {PRICE_USD_PER_MTOK}"),
                PriceError::TooFine => "has more than 6 decimals".to_owned(),
            };
            format!(
                "{name}={}: the USD per million tokens {why}",
                quoted(amount)
            )
        })?;
        if prices[index].replace(usd).is_some() {
            return Err(format!("`{name}` is duplicate"));
        }
    }
    let [
        input,
        output,
        cache_read_usd,
        cache_write_usd,
        hour,
        half_day,
    ] = prices;
    let needed = |price: Option<Usd>, name: &str| {
        price.ok_or_else(|| format!("`{name}` is missing: add {name}=USD, per million tokens"))
    };
    Ok(OwnPrice {
        model,
        input_usd: needed(input, "input")?,
        output_usd: needed(output, "output")?,
        cache_read_usd,
        cache_write_usd,
        cache_write_1h_usd: hour,
        cache_write_12h_usd: half_day,
        service_tier: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prices_are_divided_exactly() {
        // A list price must come out to the last digit, or the bill never agrees with it.
        for (text, pico) in [
            ("0.25", 250_000),
            ("2", 2_000_000),
            ("+1.50", 1_500_000),
            ("0.000001", 1),
            ("1e-6", 1),
            ("25E-2", 250_000),
            ("1000000", 1_000_000_000_000),
            ("0", 0),
            ("-0.0", 0),
            (".5", 500_000),
            ("0.0000010000", 1),
        ] {
            assert_eq!(usd_per_token(text), Ok(Usd(pico)), "{text}");
        }
        for (text, error) in [
            ("", PriceError::NotAmount),
            (".", PriceError::NotAmount),
            ("$2", PriceError::NotAmount),
            ("nan", PriceError::NotAmount),
            ("inf", PriceError::NotAmount),
            ("1e", PriceError::NotAmount),
            ("1,5", PriceError::NotAmount),
            ("-1", PriceError::OutOfRange),
            ("1000000.000001", PriceError::OutOfRange),
            ("1e99", PriceError::OutOfRange),
            ("0.0000001", PriceError::TooFine),
            ("0.1234567", PriceError::TooFine),
            ("1e-99", PriceError::TooFine),
        ] {
            assert_eq!(usd_per_token(text), Err(error), "{text}");
        }
    }

    #[test]
    fn typed_prices_are_read_or_refused() {
        // A what-if on a price that was misread would be an answer to another question.
        let price = parse_own_price("a/b:free:input=0.25, output=2,cache_read=.025").unwrap();
        assert_eq!(price.model.as_str(), "a/b:free");
        assert_eq!(
            (price.input_usd, price.output_usd),
            (Usd(250_000), Usd(2_000_000))
        );
        assert_eq!(
            (price.cache_read_usd, price.cache_write_usd),
            (Some(Usd(25_000)), None)
        );
        for (text, error_text) in [
            ("a/b", "write MODEL:input=0.25,output=2"),
            (":input=1,output=2", "is not a model id"),
            ("m:input=1", "`output` is missing"),
            ("m:output=1", "`input` is missing"),
            ("m:input=1,output", "is not NAME=USD"),
            ("m:input=1,ouput=2", "did you mean `output`?"),
            ("m:input=1,input=1,output=2", "duplicate"),
            ("m:input=$1,output=2", "not a decimal number"),
            ("m:input=-1,output=2", "not between 0 and"),
            ("m:input=0.0000001,output=2", "more than 6 decimals"),
        ] {
            let error = parse_own_price(text).unwrap_err();
            assert!(error.contains(error_text), "{text}: {error}");
        }
    }

    proptest! {
        // A price per token times a million is the price that was written.
        #[test]
        fn a_million_tokens_cost_what_was_written(micro in 0_u64..=1_000_000_000_000) {
            let text = format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000);
            let each = usd_per_token(&text).unwrap();
            prop_assert_eq!(each.times(1_000_000), Some(text.parse::<Usd>().unwrap()));
        }

        // Arbitrary text is a price or an error, never a panic.
        #[test]
        fn arbitrary_text_never_panics(text in "[-+0-9.eE\\PC]{0,60}") {
            let _ = usd_per_token(&text);
        }
    }
}
