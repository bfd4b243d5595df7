//! The common line of a sample: its fields in the order in which this program writes them.
//!
//! Owns the way from such a line to a sample whose memory is used again. Must not know what the sample is read for.
//! Invariant: a line is read only where the general reader reads the same sample; in doubt it is left to that.

#![allow(
    clippy::inline_always,
    reason = "a comparison with bytes that the compiler knows takes a nanosecond, a call for it four"
)]

use serde::de::DeserializeOwned;

use crate::units::{Nanos, Usd};

use super::{Attempt, Gaps, Outcome, Sample, Usage};

/// The most lists and objects in a user's own values that are read here: the general reader has a limit of its own.
const MAX_NESTED: usize = 100;

/// The begin of a field that is not the first of its object.
macro_rules! field {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

/// Reads a line into `sample`, without the texts of the answer (content, reasoning, tool calls). `None` if the line is not
/// written as this program writes it, or is no sound sample; then `sample` may hold anything.
pub(super) fn read_line(line: &[u8], sample: &mut Sample) -> Option<()> {
    // No line that was written here holds a control character, and a string may not.
    let has_control = line.iter().fold(u8::MAX, |least, &byte| least.min(byte)) < b' ';
    if has_control {
        return None;
    }
    let mut fields = FieldReader {
        rest: str::from_utf8(line).ok()?,
        begins_object: false,
    };
    fields.sample(sample)?;
    (fields.rest.is_empty() && sample.version == Sample::VERSION && sample.check().is_ok())
        .then_some(())
}

/// The rest of a line.
struct FieldReader<'a> {
    rest: &'a str,
    /// The next field is the first of its object: no comma stands before it.
    begins_object: bool,
}

impl FieldReader<'_> {
    #[allow(clippy::too_many_lines, reason = "two lines for each field")]
    fn sample(&mut self, sample: &mut Sample) -> Option<()> {
        // Every field is named, so that a new one does not compile before it is read here.
        let Sample {
            version,
            trial,
            slot,
            round,
            prompt,
            prompt_digest,
            repetition,
            variant,
            model,
            weight,
            tags,
            metadata,
            outcome,
            error,
            request_id,
            sent_ns,
            scheduled_ns,
            throttled_ns,
            connect_ns,
            tcp_ns,
            tls_ns,
            headers_ns,
            ttft_ns,
            ttfa_ns,
            first_unit_ns,
            last_token_ns,
            latency_ns,
            experienced_ttft_ns,
            gaps,
            answer_chars,
            reasoning_chars,
            first_chunk_chars,
            usage,
            unread_usage,
            service_tier,
            finish_reason,
            cost_usd,
            billed_usd,
            surcharge_usd,
            market_usd,
            provider,
            provider_attempts,
            served_model,
            generation_id,
            flags,
            attempts,
            answer,
            reasoning,
            tool_calls,
            grades,
            pass_threshold,
        } = sample;
        self.begin()?;
        self.required(field!("version"), |of| of.number(version))?;
        self.required(field!("trial"), |of| of.number(trial))?;
        self.required(field!("slot"), |of| of.number(slot))?;
        self.required(field!("round"), |of| of.number(round))?;
        self.required(field!("prompt"), |of| of.string(prompt))?;
        self.required(field!("prompt_digest"), |of| of.string(prompt_digest))?;
        self.required(field!("repetition"), |of| of.number(repetition))?;
        self.required(field!("variant"), |of| of.string(variant))?;
        self.required(field!("model"), |of| of.parsed(model))?;
        self.required(field!("weight"), |of| of.weight(weight))?;
        self.strings(field!("tags"), tags)?;
        metadata.clear();
        if self.has(field!("metadata")) {
            *metadata = self.shallow_value()?;
        }
        self.required(field!("outcome"), |of| of.outcome(outcome))?;
        self.optional_value(field!("error"), error)?;
        self.required(field!("request_id"), |of| of.string(request_id))?;
        self.required(field!("sent_ns"), |of| of.nanos(sent_ns))?;
        self.required(field!("scheduled_ns"), |of| of.nanos(scheduled_ns))?;
        self.span(field!("throttled_ns"), throttled_ns)?;
        self.span(field!("connect_ns"), connect_ns)?;
        self.span(field!("tcp_ns"), tcp_ns)?;
        self.span(field!("tls_ns"), tls_ns)?;
        self.span(field!("headers_ns"), headers_ns)?;
        self.span(field!("ttft_ns"), ttft_ns)?;
        self.span(field!("ttfa_ns"), ttfa_ns)?;
        self.span(field!("first_unit_ns"), first_unit_ns)?;
        self.span(field!("last_token_ns"), last_token_ns)?;
        self.span(field!("latency_ns"), latency_ns)?;
        self.span(field!("experienced_ttft_ns"), experienced_ttft_ns)?;
        self.gaps(gaps)?;
        self.optional_number(field!("answer_chars"), answer_chars)?;
        self.optional_number(field!("reasoning_chars"), reasoning_chars)?;
        self.optional_number(field!("first_chunk_chars"), first_chunk_chars)?;
        self.usage(usage)?;
        self.strings(field!("unread_usage"), unread_usage)?;
        self.optional_string(field!("service_tier"), service_tier)?;
        self.optional_string(field!("finish_reason"), finish_reason)?;
        self.money(field!("cost_usd"), cost_usd)?;
        self.money(field!("billed_usd"), billed_usd)?;
        self.money(field!("surcharge_usd"), surcharge_usd)?;
        self.money(field!("market_usd"), market_usd)?;
        self.optional_string(field!("provider"), provider)?;
        self.optional_number(field!("provider_attempts"), provider_attempts)?;
        self.optional_string(field!("served_model"), served_model)?;
        self.optional_string(field!("generation_id"), generation_id)?;
        self.list(field!("flags"), flags)?;
        self.required(field!("attempts"), |of| of.attempts(attempts))?;
        self.skip_text(field!("answer"), answer)?;
        self.skip_text(field!("reasoning"), reasoning)?;
        self.list(field!("tool_calls"), tool_calls)?;
        tool_calls.clear();
        self.list(field!("grades"), grades)?;
        self.optional_value(field!("pass_threshold"), pass_threshold)?;
        self.end()
    }

    fn gaps(&mut self, gaps: &mut Option<Gaps>) -> Option<()> {
        if !self.has(field!("gaps")) {
            *gaps = None;
            return Some(());
        }
        let Gaps {
            count,
            mean_ns,
            p50_ns,
            p95_ns,
            max_ns,
            coalesced,
            hdr,
        } = gaps.get_or_insert_with(|| Gaps {
            count: 0,
            mean_ns: None,
            p50_ns: None,
            p95_ns: None,
            max_ns: None,
            coalesced: 0,
            hdr: None,
        });
        self.begin()?;
        self.required(field!("count"), |of| of.number(count))?;
        self.span(field!("mean_ns"), mean_ns)?;
        self.span(field!("p50_ns"), p50_ns)?;
        self.span(field!("p95_ns"), p95_ns)?;
        self.span(field!("max_ns"), max_ns)?;
        self.required(field!("coalesced"), |of| of.number(coalesced))?;
        self.optional_string(field!("hdr"), hdr)?;
        self.end()
    }

    fn usage(&mut self, usage: &mut Option<Usage>) -> Option<()> {
        if !self.has(field!("usage")) {
            *usage = None;
            return Some(());
        }
        let Usage {
            prompt_tokens,
            completion_tokens,
            reasoning_tokens,
            cached_tokens,
            cache_write_tokens,
            cache_write_1h_tokens,
            cache_write_12h_tokens,
        } = usage.insert(Usage::default());
        self.begin()?;
        self.optional_number(field!("prompt_tokens"), prompt_tokens)?;
        self.optional_number(field!("completion_tokens"), completion_tokens)?;
        self.optional_number(field!("reasoning_tokens"), reasoning_tokens)?;
        self.optional_number(field!("cached_tokens"), cached_tokens)?;
        self.optional_number(field!("cache_write_tokens"), cache_write_tokens)?;
        self.optional_number(field!("cache_write_1h_tokens"), cache_write_1h_tokens)?;
        self.optional_number(field!("cache_write_12h_tokens"), cache_write_12h_tokens)?;
        self.end()
    }

    fn attempts(&mut self, attempts: &mut Vec<Attempt>) -> Option<()> {
        let empty = || Attempt {
            request_id: String::new(),
            sent_ns: Nanos::ZERO,
            end_ns: Nanos::ZERO,
            outcome: Outcome::Complete,
            status: None,
            retry_after_ms: None,
            throttled_ns: None,
        };
        self.items(attempts, empty, Self::attempt)
    }

    fn attempt(&mut self, attempt: &mut Attempt) -> Option<()> {
        let Attempt {
            request_id,
            sent_ns,
            end_ns,
            outcome,
            status,
            retry_after_ms,
            throttled_ns,
        } = attempt;
        self.begin()?;
        self.required(field!("request_id"), |of| of.string(request_id))?;
        self.required(field!("sent_ns"), |of| of.nanos(sent_ns))?;
        self.required(field!("end_ns"), |of| of.nanos(end_ns))?;
        self.required(field!("outcome"), |of| of.outcome(outcome))?;
        self.optional_number(field!("status"), status)?;
        self.optional_number(field!("retry_after_ms"), retry_after_ms)?;
        self.span(field!("throttled_ns"), throttled_ns)?;
        self.end()
    }
}

/// Fields.
impl FieldReader<'_> {
    fn begin(&mut self) -> Option<()> {
        self.literal("{")?;
        self.begins_object = true;
        Some(())
    }

    fn end(&mut self) -> Option<()> {
        self.begins_object = false;
        self.literal("}")
    }

    fn literal(&mut self, literal: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(literal)?;
        Some(())
    }

    /// Skips the name of a field, if that comes next.
    #[inline(always)]
    fn has(&mut self, field: &str) -> bool {
        let rest = if self.begins_object {
            self.rest.strip_prefix(&field[1..])
        } else {
            self.rest.strip_prefix(field)
        };
        let Some(rest) = rest else {
            return false;
        };
        self.rest = rest;
        self.begins_object = false;
        true
    }

    #[inline(always)]
    fn required(&mut self, field: &str, read: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        self.has(field).then_some(())?;
        read(self)
    }

    #[inline(always)]
    fn optional<T>(
        &mut self,
        field: &str,
        value: &mut Option<T>,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<()> {
        *value = None;
        if self.has(field) {
            *value = Some(read(self)?);
        }
        Some(())
    }

    #[inline(always)]
    fn span(&mut self, field: &str, span: &mut Option<Nanos>) -> Option<()> {
        self.optional(field, span, |of| of.integer().map(Nanos))
    }

    #[inline(always)]
    fn optional_number<N: TryFrom<u64>>(
        &mut self,
        field: &str,
        number: &mut Option<N>,
    ) -> Option<()> {
        self.optional(field, number, |of| of.integer()?.try_into().ok())
    }

    #[inline(always)]
    fn money(&mut self, field: &str, amount: &mut Option<Usd>) -> Option<()> {
        self.optional(field, amount, |of| of.plain_string()?.parse().ok())
    }

    #[inline(always)]
    fn optional_string(&mut self, field: &str, string: &mut Option<String>) -> Option<()> {
        if self.has(field) {
            return self.string(string.get_or_insert_default());
        }
        *string = None;
        Some(())
    }

    fn optional_value<T: DeserializeOwned>(
        &mut self,
        field: &str,
        value: &mut Option<T>,
    ) -> Option<()> {
        self.optional(field, value, Self::value)
    }

    /// Reads a list that few samples have.
    fn list<T: DeserializeOwned>(&mut self, field: &str, list: &mut Vec<T>) -> Option<()> {
        list.clear();
        if self.has(field) {
            *list = self.value()?;
        }
        Some(())
    }

    fn strings(&mut self, field: &str, strings: &mut Vec<String>) -> Option<()> {
        if self.has(field) {
            return self.items(strings, String::new, Self::string);
        }
        strings.clear();
        Some(())
    }

    /// Reads a list that has items into the memory of those before.
    fn items<T>(
        &mut self,
        items: &mut Vec<T>,
        empty: impl Fn() -> T,
        read: impl Fn(&mut Self, &mut T) -> Option<()>,
    ) -> Option<()> {
        self.literal("[")?;
        let mut count = 0;
        while count == 0 || self.has(",") {
            if items.len() == count {
                items.push(empty());
            }
            read(self, &mut items[count])?;
            count += 1;
        }
        items.truncate(count);
        self.literal("]")
    }

    /// Skips a text, whose escapes are checked.
    fn skip_text(&mut self, field: &str, text: &mut Option<String>) -> Option<()> {
        *text = None;
        if !self.has(field) {
            return Some(());
        }
        let bytes = self.rest.strip_prefix('"')?.as_bytes();
        let mut end = 0;
        loop {
            end += memchr::memchr2(b'"', b'\\', &bytes[end..])?;
            if bytes[end] == b'"' {
                break;
            }
            if !matches!(
                bytes.get(end + 1)?,
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't'
            ) {
                return self.value().map(|_: String| ());
            }
            end += 2;
        }
        self.rest = self.rest.get(end + 2..)?;
        Some(())
    }
}

/// Values.
impl<'a> FieldReader<'a> {
    fn number<N: TryFrom<u64>>(&mut self, number: &mut N) -> Option<()> {
        *number = self.integer()?.try_into().ok()?;
        Some(())
    }

    fn nanos(&mut self, nanos: &mut Nanos) -> Option<()> {
        nanos.0 = self.integer()?;
        Some(())
    }

    /// Reads the digits of an integer; what follows them is up to the caller.
    #[inline]
    fn integer(&mut self) -> Option<u64> {
        /// The most digits that always fit.
        const DIGITS: usize = 19;
        let bytes = self.rest.as_bytes();
        let (mut value, mut length) = (0_u64, 0);
        while let Some(digit) = bytes.get(length).map(|byte| byte.wrapping_sub(b'0')) {
            if digit > 9 {
                break;
            }
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            length += 1;
        }
        let (digits, rest) = self.rest.split_at_checked(length)?;
        if length == 0 || (length > 1 && digits.starts_with('0')) {
            return None;
        }
        self.rest = rest;
        if length > DIGITS {
            return digits.parse().ok();
        }
        Some(value)
    }

    /// Reads a weight; most are 1.
    fn weight(&mut self, weight: &mut f64) -> Option<()> {
        if let Some(rest) = self.rest.strip_prefix("1.0,") {
            *weight = 1.0;
            self.rest = &self.rest[self.rest.len() - rest.len() - 1..];
            return Some(());
        }
        *weight = self.value()?;
        Some(())
    }

    fn outcome(&mut self, outcome: &mut Outcome) -> Option<()> {
        *outcome = match self.rest.strip_prefix("\"complete\"") {
            Some(rest) => {
                self.rest = rest;
                Outcome::Complete
            }
            None => self.value()?,
        };
        Some(())
    }

    fn parsed<T: std::str::FromStr>(&mut self, parsed: &mut T) -> Option<()> {
        *parsed = self.plain_string()?.parse().ok()?;
        Some(())
    }

    fn string(&mut self, string: &mut String) -> Option<()> {
        match self.plain_string() {
            Some(plain) => {
                string.clear();
                string.push_str(plain);
            }
            None => *string = self.value()?,
        }
        Some(())
    }

    /// Reads a string without escapes; any other is left where it is.
    fn plain_string(&mut self) -> Option<&'a str> {
        let text = self.rest.strip_prefix('"')?;
        let end = memchr::memchr2(b'"', b'\\', text.as_bytes())?;
        let (plain, rest) = text.split_at_checked(end)?;
        self.rest = rest.strip_prefix('"')?;
        Some(plain)
    }

    /// Reads a value whose depth is limited.
    fn shallow_value<T: DeserializeOwned>(&mut self) -> Option<T> {
        let before = self.rest;
        let value = self.value()?;
        let read = &before[..before.len() - self.rest.len()];
        let nested = read.bytes().filter(|byte| matches!(byte, b'{' | b'['));
        (nested.count() < MAX_NESTED).then_some(value)
    }

    /// Reads any value as the general reader does.
    fn value<T: DeserializeOwned>(&mut self) -> Option<T> {
        let mut values = serde_json::Deserializer::from_str(self.rest).into_iter::<T>();
        let value = values.next()?.ok()?;
        self.rest = self.rest.get(values.byte_offset()..)?;
        Some(value)
    }
}

#[cfg(test)]
mod tests;
