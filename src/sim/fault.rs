//! The closed list of faults: every way in which an answer can fail or look unusual, with names.
//!
//! Owns the names, their meaning and the grammar of model ids that select them (`MODEL+FAULT+FAULT`). Must not
//! know how a fault is implemented: `refusal`, `render`, `framing` and `script` do that. Invariant: a name
//! stands for one fault, and every fault has a name.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::dialect::Dialect;
use crate::units::Nanos;

/// The largest buffer of `buffered-N`, in bytes: more than any simulated answer, so that a larger number would
/// mean the same.
pub const MAX_BUFFER_BYTES: usize = 16 * 1024 * 1024;

/// The longest time of `buffered-Nms`, in milliseconds: an answer that is held back for longer is a stall.
pub const MAX_BUFFER_HOLD_MS: u64 = 60_000;

/// The maximum number of faults in one model id: enough for any sensible combination, and a bound on the work
/// per request.
pub const MAX_FAULTS_PER_ID: usize = 8;

/// Declares the closed list once: variant, name in scenarios and model ids, meaning.
macro_rules! faults {
    ($($variant:ident $name:literal $meaning:literal)*) => {
        /// A difference between an answer and a plain, complete one of the Vercel dialect.
        #[allow(clippy::doc_markdown, reason = "meanings are plain text: scenarios show them too")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            // The name and not the meaning, which may hold brackets and tags: they are markup here.
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Fault {
            /// Every fault, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns its name in scenarios and in model ids.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Returns its effect, in one line.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

faults! {
    // Answered instead of a completion.
    BadRequest "400" "400 invalid_request_error"
    TypeMismatch "400-type" "400 whose `param` is an object, with provider metadata beside it"
    Unauthenticated "401" "401 authentication_error"
    NoFunds "402-funds" "402 insufficient_funds"
    QuotaExceeded "402-quota" "402 quota_for_entity_exceeded"
    NoCard "403-card" "403 customer_verification_required"
    Forbidden "403-forbidden" "403 forbidden by a routing rule, with `param.ruleId`"
    UnknownModel "404" "404 model_not_found"
    Timeout "408" "408 timeout_error"
    Conflict "409" "409 conflict"
    TooLarge "413" "413 request too large"
    Dependency "424" "424 failed_dependency"
    RateLimited "429" "429 without Retry-After"
    RateLimitedSeconds "429-seconds" "429 with Retry-After in seconds (1)"
    RateLimitedDate "429-date" "429 with Retry-After as an HTTP date (2 s from now)"
    RateLimitedMillis "429-ms" "429 with retry-after-ms (1500)"
    RateLimitedBody "429-body" "429 with the wait in the body alone (1.5 s)"
    RateLimitedLong "429-long" "429 with a Retry-After of an hour"
    RateLimitedJunk "429-junk" "429 with a Retry-After that means nothing"
    RateLimitedFreeTier "429-free" "429 of a free tier: copied `param`, generation id, provider metadata"
    RateLimitedByProvider "429-provider" "429 with the provider's own body"
    QuotaAs429 "429-quota" "429 whose type is quota_for_entity_exceeded: the type tells, not the status"
    ServerError "500" "500 internal_server_error"
    BadGatewayHtml "502" "502 with an HTML page of a proxy"
    Unavailable "503" "503 service_unavailable_error"
    Overloaded "529" "529 with an OpenRouter error body (numeric code, metadata)"
    Redirect "redirect" "307 to another host, which no client should follow"
    HtmlOk "html" "200 with an HTML page"

    // Errors inside an answer that began with 200.
    ErrorFirst "error-first" "the first event is an error"
    ErrorMidstream "error-midstream" "an error event after half of the tokens, then the end"
    ErrorMidstreamDone "error-midstream-done" "the same, with [DONE] after it"
    ErrorWithChoices "error-choices" "an error beside `choices` whose finish_reason is `error`"
    ErrorNamedEvent "error-event" "an event named `error` with a bare error object"
    ErrorKeys "error-beside" "`error_type` and `error_message` beside `choices`"
    ErrorNested "error-nested" "the useful text is JSON inside `error.value.error_message`"
    ErrorInChoice "error-in-choice" "a rate limit inside the first choice"
    FinishError "finish-error" "finish_reason `error` and usage null"
    FinishAbort "finish-abort" "half an answer, then finish_reason `abort`"
    FinishPause "finish-pause" "half an answer, then finish_reason `pause_turn`"
    FinishUnknown "finish-unknown" "half an answer, then an unknown finish_reason"

    // Endings.
    Cut "cut" "the body ends in order after half of the tokens: no finish, no [DONE]"
    CutDone "cut-done" "half of the tokens, then [DONE], without a finish reason"
    CutTransport "cut-transport" "the connection closes after half of the tokens, without the last chunk of HTTP"
    DoneOnly "done-only" "nothing but [DONE]"
    NoDone "no-done" "complete, but without [DONE]"
    NoFinish "no-finish" "complete, but the finish reason stays null"
    NoLastBlank "no-last-blank" "no [DONE], and the last event lacks its blank line"
    StallHeaders "stall-headers" "nothing is ever answered"
    StallFirst "stall-first" "headers and the role chunk, then nothing more"
    Stall "stall" "nothing more after the first token"
    Linger "linger" "the body stays open after [DONE]"
    ResetHeaders "reset-headers" "the connection is reset before the headers"
    Reset "reset" "the connection is reset after the first token"

    // Bytes and framing.
    Bytewise "bytewise" "one byte per write"
    SplitChar "split-char" "writes that end inside a character"
    SplitCrlf "split-crlf" "CRLF line ends, each CR and LF in different writes"
    Crlf "crlf" "CRLF line ends"
    Cr "cr" "bare CR line ends"
    NoSpace "no-space" "no space after `data:`"
    MultiLine "multi-line" "JSON spread over several `data:` lines of one event"
    ByteOrderMark "bom" "a UTF-8 byte order mark first"
    Comments "comments" "comment lines before every event"
    Fields "fields" "`event:`, `id:` and `retry:` lines, and an unknown field"
    BlankLines "blank-lines" "blank lines before the JSON body, or before the first event"
    HugeEvent "huge-event" "one event of a megabyte"
    BadJson "bad-json" "one event that is not JSON"
    BadUtf8 "bad-utf8" "one event that is not UTF-8"

    // Transport.
    Gzip "gzip" "gzip, flushed after each event"
    GzipHeld "gzip-held" "gzip without flushes: all arrives at the end"
    Brotli "brotli" "brotli (stored blocks), flushed after each event"
    Buffered "buffered" "held back by a proxy and sent at once; `buffered-N`: in pieces of N bytes, `buffered-Nms`: only what comes within N ms"
    NoAccelHeader "no-accel-header" "without `x-accel-buffering: no`, by which a proxy knows a stream"

    // Usage and shape of a chat's chunks.
    NoUsage "no-usage" "no usage at all"
    OpenAiUsage "openai-usage" "usage in a chunk of its own after the finish, only if asked for; null before"
    UsageEach "usage-each" "cumulative usage on every chunk"
    UsageEachNull "usage-each-null" "cumulative usage on every chunk, null on the last"
    UsageZeros "usage-zeros" "usage of zeros on every chunk but the last"
    UsageZero "usage-zero" "usage of zeros on every chunk, whatever was used and is charged"
    UsageNoPrompt "usage-no-prompt" "0 prompt tokens, whatever was used and is charged"
    UsageNoCompletion "usage-no-completion" "0 completion tokens, whatever was used and is charged"
    UsageHalf "usage-half" "half of the completion tokens, whatever is charged"
    UsageCachedAbove "usage-cached-above" "more cached than prompt tokens"
    ReasoningExcluded "reasoning-beside" "completion tokens without reasoning, a total with it"
    ReasoningInTotal "reasoning-in-total" "reasoning tokens in the total alone"
    ReasoningUncounted "reasoning-outside" "completion and total tokens without reasoning, which is charged"
    ReasoningContent "reasoning-content" "reasoning under the name `reasoning_content`"
    ReasoningBoth "reasoning-both" "reasoning under both names at once"
    AzureFirst "azure-first" "a first chunk with empty id, model and choices, and filter results"
    Progress "progress" "chunks that report progress before any token"
    Obfuscation "obfuscation" "a random padding text on every chunk"
    NullChoices "null-choices" "chunks whose `choices` are null, missing or empty between the others"
    EmptyContent "empty-content" "empty and null contents before the first token"
    OneChunk "one-chunk" "the whole answer, its finish and its usage in one chunk"
    NoToken "no-token" "an empty answer that ends with `stop`"
    EatenByLength "eaten-by-length" "reasoning uses up the token limit: an empty answer that ends with `length`"
    Refusal "refusal" "the model refuses: `delta.refusal`"
    Filtered "filtered" "half an answer, then finish_reason content_filter"
    ToolCall "tool-call" "a tool call in fragments instead of an answer"
    ToolCallNoIndex "tool-no-index" "the same, without `index`"
    ToolNameRepeated "tool-name" "the same, with its name on every fragment"
    ToolCallLate "tool-late" "a tool call whose arguments /v1/responses tells only when it is done"
    ThinkTags "think-tags" "reasoning as <think> text inside the content"

    // Parameters.
    IgnoresLimit "ignores-max-tokens" "the answer is as long as the model likes, whatever the token limit"
    IgnoresStop "ignores-stop" "the answer goes on behind a stop text"
    IgnoresFormat "ignores-format" "prose, whatever response_format asks for"
    IgnoresSeed "ignores-seed" "another answer to every request, whatever the seed"
    IgnoresEffort "ignores-effort" "as much reasoning at every effort"
    RefusesLimit "refuses-max-tokens" "400 for a token limit"
    RefusesStop "refuses-stop" "400 for a stop text"
    RefusesFormat "refuses-format" "400 for a response_format"
    RefusesSeed "refuses-seed" "400 for a seed"
    RefusesEffort "refuses-effort" "400 for a reasoning effort"

    // Routing and money.
    Fallback "fallback" "the first provider fails with 429, another answers"
    FallbackModel "fallback-model" "the model fails, another model answers"
    OwnKey "byok" "an own provider key: cost 0, the price under market_cost"
    Surcharge "surcharge" "a surcharge of 0.0001 USD on top"
}

/// A string that names no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a fault; the default scenario lists them all")]
pub struct UnknownFault(pub String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, UnknownFault> {
        let found = Self::ALL.iter().find(|fault| fault.name() == name);
        found.copied().ok_or_else(|| UnknownFault(name.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

/// The subset of identical requests that the faults of a model id apply to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FaultTurn {
    /// All of them.
    #[default]
    Always,
    /// Only the first one: `+once`.
    Once,
    /// The first, third, fifth ...: `+every-other`, so that each repetition is retried once.
    EveryOther,
}

impl FaultTurn {
    /// Returns true if the request after `ordinal` identical ones gets the faults.
    pub const fn applies_to(self, ordinal: u64) -> bool {
        match self {
            Self::Always => true,
            Self::Once => ordinal == 0,
            Self::EveryOther => ordinal.is_multiple_of(2),
        }
    }
}

/// The faults of one answer, and its dialect.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FaultSet {
    chosen: Vec<Fault>,
    /// The dialect of the answer.
    pub dialect: Dialect,
    /// Bytes that a proxy buffers before it forwards them, for [`Fault::Buffered`]; absent: all.
    pub buffer_bytes: Option<usize>,
    /// The time for which a proxy holds back the beginning of an answer, for [`Fault::Buffered`].
    pub buffer_hold: Option<Nanos>,
}

impl FaultSet {
    /// Returns true if `fault` is among them.
    pub fn has(&self, fault: Fault) -> bool {
        self.chosen.contains(&fault)
    }

    /// Adds `fault`, once.
    pub fn add(&mut self, fault: Fault) {
        if !self.has(fault) {
            self.chosen.push(fault);
        }
    }

    /// Returns all of them, in the order in which they were named.
    pub fn iter(&self) -> impl Iterator<Item = Fault> + '_ {
        self.chosen.iter().copied()
    }
}

impl FromIterator<Fault> for FaultSet {
    fn from_iter<I: IntoIterator<Item = Fault>>(iter: I) -> Self {
        let mut faults = Self::default();
        iter.into_iter().for_each(|fault| faults.add(fault));
        faults
    }
}

/// A parsed model id: `MODEL`, or `MODEL+FAULT+...` with `+once` or `+every-other`, and with the name of a
/// dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSelector {
    /// The id without its faults.
    pub model: String,
    /// The named faults.
    pub faults: FaultSet,
    /// The subset of identical requests that they apply to.
    pub turn: FaultTurn,
    /// The named dialect; a turn does not limit it.
    pub dialect: Option<Dialect>,
}

impl FromStr for ModelSelector {
    type Err = UnknownFault;

    fn from_str(id: &str) -> Result<Self, UnknownFault> {
        let mut words = id.split('+');
        let model = words.next().unwrap_or_default().to_owned();
        let mut selector = Self {
            model,
            faults: FaultSet::default(),
            turn: FaultTurn::Always,
            dialect: None,
        };
        for (index, word) in words.enumerate() {
            if index >= MAX_FAULTS_PER_ID {
                return Err(UnknownFault(word.to_owned()));
            }
            match word {
                "once" => selector.turn = FaultTurn::Once,
                "every-other" => selector.turn = FaultTurn::EveryOther,
                _ => match word.parse() {
                    Ok(dialect) => selector.dialect = Some(dialect),
                    Err(_) => selector.faults.add_named(word)?,
                },
            }
        }
        Ok(selector)
    }
}

impl FaultSet {
    /// Adds the fault with that name, `buffered-N` and `buffered-Nms` included.
    fn add_named(&mut self, name: &str) -> Result<(), UnknownFault> {
        let Some(bytes) = name.strip_prefix("buffered-") else {
            self.add(name.parse()?);
            return Ok(());
        };
        if let Some(millis) = bytes.strip_suffix("ms") {
            let millis = millis.parse::<u64>().ok();
            let millis = millis.filter(|millis| (1..=MAX_BUFFER_HOLD_MS).contains(millis));
            let millis = millis.ok_or_else(|| UnknownFault(name.to_owned()))?;
            self.buffer_hold = Some(Nanos::from_millis(millis));
            self.add(Fault::Buffered);
            return Ok(());
        }
        let bytes = bytes.parse::<usize>().ok();
        let bytes = bytes.filter(|bytes| (1..=MAX_BUFFER_BYTES).contains(bytes));
        self.buffer_bytes = Some(bytes.ok_or_else(|| UnknownFault(name.to_owned()))?);
        self.add(Fault::Buffered);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_name_stands_for_one_fault() {
        // A test names its fault by a word: the word must lead back to that fault and no other.
        for fault in Fault::ALL {
            assert_eq!(fault.name().parse(), Ok(*fault));
            let id = format!("openai/gpt-5-mini+{fault}+once");
            let selector: ModelSelector = id.parse().unwrap();
            assert_eq!(selector.model, "openai/gpt-5-mini");
            assert_eq!(selector.faults.iter().collect::<Vec<_>>(), [*fault]);
            assert_eq!(selector.turn, FaultTurn::Once);
        }
    }

    #[test]
    fn an_id_may_combine_faults_and_size_its_buffer() {
        // Real proxies combine faults: CRLF and buffering at once.
        let selector: ModelSelector = "a/b+crlf+buffered-4096+every-other".parse().unwrap();
        assert!(selector.faults.has(Fault::Crlf) && selector.faults.has(Fault::Buffered));
        assert_eq!(selector.faults.buffer_bytes, Some(4096));
        let held: ModelSelector = "a/b+buffered-200ms".parse().unwrap();
        assert!(held.faults.has(Fault::Buffered));
        assert_eq!(held.faults.buffer_hold, Some(Nanos::from_millis(200)));
        assert!(
            selector.turn.applies_to(0)
                && !selector.turn.applies_to(1)
                && selector.turn.applies_to(2)
        );
        for invalid in [
            "a/b+",
            "a/b+nonsense",
            "a/b+buffered-0",
            "a/b+buffered-x",
            "a/b+buffered-0ms",
        ] {
            assert!(invalid.parse::<ModelSelector>().is_err(), "{invalid}");
        }
    }

    proptest! {
        // Model ids are untrusted: any text is a selector or an error, never a panic.
        #[test]
        fn any_id_is_parsed_or_rejected(id in "\\PC{0,120}") {
            if let Ok(selector) = id.parse::<ModelSelector>() {
                prop_assert!(id.starts_with(&selector.model));
                prop_assert!(selector.faults.iter().count() <= MAX_FAULTS_PER_ID);
            }
        }
    }
}
