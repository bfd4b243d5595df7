//! The state shared by requests: counts of equal bodies, prompt caches, rate limits, spending, generations.
//!
//! Owns everything that makes one request depend on earlier ones. Must not use the clock: instants come as
//! arguments. Invariant: every table has a named limit, and reaching it drops entries instead of growing.

use std::collections::{HashMap, VecDeque};

use super::delay::AnswerQueue;
use super::draw::digest;
use super::model_profile::{Cache, PromptCacheKind, ServerCapacity};
use super::refusal::ErrorResponse;
use super::request::{CHARS_PER_TOKEN, ChatRequest};
use super::scenario::{RateLimit, Scenario, SimulatedModel};
use super::script::GenerationRecord;
use crate::units::{Nanos, Usd};

/// Distinct bodies counted: more than any suite sends, about 16 MB.
const MAX_BODIES: usize = 500_000;
/// Prefixes stored over all models, about 16 MB.
const MAX_PREFIXES: usize = 500_000;
/// Models with a rate limit or a queue stored; models with exact times can have any name.
const MAX_BUCKETS: usize = 10_000;
/// Keys whose spending is stored.
const MAX_KEYS: usize = 10_000;
/// Answers that `/v1/generation` can still return.
const MAX_GENERATIONS: usize = 4_096;

/// The shared state of one simulator.
#[derive(Debug, Default)]
pub struct SimulatorState {
    bodies: HashMap<u64, u64>,
    /// The arrival of the first conversation.
    first: Option<Nanos>,
    /// The instants of their last write or read.
    prefixes: HashMap<u64, Nanos>,
    buckets: HashMap<String, Bucket>,
    queues: HashMap<String, AnswerQueue>,
    spent: HashMap<u64, Usd>,
    total_spent: Usd,
    generations: VecDeque<(Nanos, GenerationRecord)>,
}

/// The use of the prompt cache by one prompt, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheUse {
    /// Tokens read from the cache.
    pub cached: u64,
    /// Tokens written to the cache.
    pub written: u64,
}

impl SimulatorState {
    /// Counts the earlier requests with the same body. The body contains its model.
    pub fn ordinal(&mut self, body_digest: u64) -> u64 {
        if self.bodies.len() >= MAX_BODIES && !self.bodies.contains_key(&body_digest) {
            self.bodies.clear();
        }
        let seen = self.bodies.entry(body_digest).or_default();
        *seen += 1;
        *seen - 1
    }

    /// The time since the first conversation arrived.
    pub fn since_first(&mut self, arrival: Nanos) -> Nanos {
        arrival.since(*self.first.get_or_insert(arrival))
    }

    /// Looks up a prompt in its model's cache and stores it. A prefix that was neither written nor read for
    /// longer than the lifetime of entries is not found.
    pub fn look_up(
        &mut self,
        model: &SimulatedModel,
        request: &ChatRequest,
        now: Nanos,
    ) -> CacheUse {
        let cache = &model.profile.cache;
        let max_chars = match cache.kind {
            PromptCacheKind::None => 0,
            PromptCacheKind::Implicit => usize::MAX,
            PromptCacheKind::Explicit => request.marked_chars,
        };
        if max_chars == 0 || request.prompt_tokens < u64::from(cache.min_tokens) {
            return CacheUse::default();
        }
        let blocks = prefixes(model, cache, request, max_chars);
        let ttl = cache.ttl_s.nanos();
        let is_alive = |used: &Nanos| now.since(*used) <= ttl;
        let known = blocks
            .iter()
            .rev()
            .find(|(_, prefix)| self.prefixes.get(prefix).is_some_and(is_alive));
        let if_long_enough = |tokens: u64| {
            if tokens >= u64::from(cache.min_tokens) {
                tokens
            } else {
                0
            }
        };
        let cached = if_long_enough(known.map_or(0, |(tokens, _)| *tokens));
        let whole = if_long_enough(blocks.last().map_or(0, |(tokens, _)| *tokens));
        if self.prefixes.len().saturating_add(blocks.len()) > MAX_PREFIXES {
            self.prefixes.clear();
        }
        // Reading a prefix renews its lifetime and that of all shorter ones.
        for (_, prefix) in &blocks {
            let used = self.prefixes.entry(*prefix).or_default();
            *used = now.max(*used);
        }
        CacheUse {
            cached,
            // Implicit caches charge nothing for writing and do not report it.
            written: match cache.kind {
                PromptCacheKind::Explicit => whole - cached.min(whole),
                PromptCacheKind::None | PromptCacheKind::Implicit => 0,
            },
        }
    }

    /// Takes a request out of the model's allowance, or returns the time until there is one.
    pub fn admit(&mut self, model: &str, limit: &RateLimit, now: Nanos) -> Result<(), Nanos> {
        if self.buckets.len() >= MAX_BUCKETS && !self.buckets.contains_key(model) {
            self.buckets.clear();
        }
        let bucket = self.buckets.entry(model.to_owned());
        bucket.or_insert(Bucket { full_at: now }).take(limit, now)
    }

    /// Returns the time that an answer of this length waits for a place of its model.
    pub fn enter(
        &mut self,
        model: &str,
        capacity: ServerCapacity,
        arrival: Nanos,
        duration: Nanos,
    ) -> Nanos {
        if self.queues.len() >= MAX_BUCKETS && !self.queues.contains_key(model) {
            self.queues.clear();
        }
        let queue = self.queues.entry(model.to_owned()).or_default();
        queue.enter(capacity, arrival, duration)
    }

    /// Admits a request to a model under the scenario's rate limit and budget. `arrival` on the clock of the server and by the
    /// calendar, in milliseconds.
    pub fn check_limits(
        &mut self,
        scenario: &Scenario,
        (model, key): (&str, u64),
        (arrival, unix_ms): (Nanos, u64),
    ) -> Result<(), ErrorResponse> {
        if let Some(limit) = &scenario.rate_limit
            && let Err(wait) = self.admit(model, limit, arrival)
        {
            let seconds = wait.0.div_ceil(1_000_000_000);
            return Err(ErrorResponse::rate_limited(
                limit.retry_after,
                seconds,
                unix_ms,
            ));
        }
        let spent = self.spent(key);
        match scenario.budget {
            Some(budget) if spent >= budget => Err(ErrorResponse::over_budget(spent, budget)),
            _ => Ok(()),
        }
    }

    /// Returns the spending of a key so far.
    pub fn spent(&self, key: u64) -> Usd {
        self.spent.get(&key).copied().unwrap_or_default()
    }

    /// Returns the spending of all keys so far.
    pub fn total_spent(&self) -> Usd {
        self.total_spent
    }

    /// Charges an amount to a key.
    pub fn spend(&mut self, key: u64, charged: Usd) {
        if self.spent.len() >= MAX_KEYS && !self.spent.contains_key(&key) {
            self.spent.clear();
        }
        let spent = self.spent.entry(key).or_default();
        *spent = spent.plus(charged).unwrap_or(*spent);
        self.total_spent = self.total_spent.plus(charged).unwrap_or(self.total_spent);
    }

    /// Charges an answer and stores it.
    pub fn charge(&mut self, key: u64, arrived: Nanos, account: GenerationRecord) {
        self.spend(key, account.bill.gateway);
        if self.generations.len() >= MAX_GENERATIONS {
            self.generations.pop_front();
        }
        self.generations.push_back((arrived, account));
    }

    /// Returns an answer by its generation id, once `delay` has passed since its arrival.
    pub fn generation(&self, id: &str, delay: Nanos, now: Nanos) -> Option<&GenerationRecord> {
        let found = self
            .generations
            .iter()
            .rev()
            .find(|(_, account)| account.identity.generation_id == id);
        let ready = |(arrived, _): &&(Nanos, GenerationRecord)| now.since(*arrived) >= delay;
        found.filter(ready).map(|(_, account)| account)
    }
}

/// The maximum number of prefixes of one prompt; steps grow for longer prompts.
const MAX_BLOCKS: u64 = 4_096;

/// Returns the prefixes of a prompt's first `max_chars` at the cache's steps: tokens and a name for the text so
/// far.
fn prefixes(
    model: &SimulatedModel,
    cache: &Cache,
    request: &ChatRequest,
    max_chars: usize,
) -> Vec<(u64, u64)> {
    let step = u64::from(cache.step_tokens.get());
    let step = step.max(request.prompt_tokens.div_ceil(MAX_BLOCKS));
    let step_chars = usize::try_from(step * CHARS_PER_TOKEN).unwrap_or(usize::MAX);
    let mut prefixes = Vec::new();
    let mut name = digest(model.id.as_bytes());
    let mut block = String::new();
    let mut chars = 0;
    for character in request.prompt.chars().take(max_chars) {
        block.push(character);
        chars += 1;
        if chars == step_chars {
            let mut chained = name.to_le_bytes().to_vec();
            chained.extend_from_slice(block.as_bytes());
            name = digest(&chained);
            prefixes.push(((prefixes.len() as u64 + 1) * step, name));
            block.clear();
            chars = 0;
        }
    }
    // This count of characters includes roles; a prefix never exceeds the prompt.
    prefixes.retain(|(tokens, _)| *tokens <= request.prompt_tokens);
    prefixes
}

/// A token bucket, counted in nanoseconds of allowance.
#[derive(Debug)]
struct Bucket {
    /// The instant at which the bucket would be full again.
    full_at: Nanos,
}

impl Bucket {
    /// Takes one request. Each one moves the instant of fullness by one interval; more than `burst` intervals
    /// ahead, the bucket is empty.
    fn take(&mut self, limit: &RateLimit, now: Nanos) -> Result<(), Nanos> {
        let interval = 60_000_000_000 / u64::from(limit.requests_per_minute.get());
        let burst = interval.saturating_mul(u64::from(limit.burst.get()));
        let full_at = self.full_at.0.max(now.0).saturating_add(interval);
        let horizon = now.0.saturating_add(burst);
        if full_at > horizon {
            return Err(Nanos(full_at - horizon));
        }
        self.full_at = Nanos(full_at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::request::ChatRoute;
    use crate::sim::scenario::{RetryAfterForm, Scenario};
    use proptest::prelude::*;

    fn request(model: &str, text: &str, marked: bool) -> ChatRequest {
        let caching = if marked { "auto" } else { "none" };
        let body = serde_json::json!({
            "model": model, "messages": [{ "role": "user", "content": text }],
            "providerOptions": { "gateway": { "caching": caching } },
        });
        ChatRequest::from_body(body.to_string().as_bytes(), ChatRoute::Chat).unwrap()
    }

    #[test]
    fn a_repeated_long_prefix_is_cached_in_steps() {
        // Implicit caching as OpenAI does it: nothing below 1024 tokens, then multiples of 128.
        let scenario = Scenario::built_in();
        let model = scenario.model("openai/gpt-4.1-nano").unwrap();
        let mut state = SimulatorState::default();
        let long = "word ".repeat(2_000);
        let first = state.look_up(&model, &request(&model.id, &long, false), Nanos::ZERO);
        assert_eq!(first, CacheUse::default());
        let longer = format!("{long} and more");
        let second = state.look_up(&model, &request(&model.id, &longer, false), Nanos::ZERO);
        assert_eq!((second.cached % 128, second.written), (0, 0));
        assert!((2_300..2_501).contains(&second.cached), "{second:?}");
        let other = scenario.model("openai/gpt-4o-mini").unwrap();
        let elsewhere = state.look_up(&other, &request(&other.id, &long, false), Nanos::ZERO);
        assert_eq!(elsewhere, CacheUse::default());
    }

    #[test]
    fn explicit_caches_write_first_and_read_then() {
        // Caching as Anthropic does it: only marked prompts, written once, then read.
        let scenario = Scenario::built_in();
        let model = scenario.model("anthropic/claude-haiku-4.5").unwrap();
        let mut state = SimulatorState::default();
        let long = "word ".repeat(2_000);
        let unmarked = state.look_up(&model, &request(&model.id, &long, false), Nanos::ZERO);
        assert_eq!(unmarked, CacheUse::default());
        let marked = request(&model.id, &long, true);
        let first = state.look_up(&model, &marked, Nanos::ZERO);
        assert!(first.cached == 0 && first.written > 2_400, "{first:?}");
        let second = state.look_up(&model, &marked, Nanos::ZERO);
        assert_eq!((second.cached, second.written), (first.written, 0));
        assert!(second.cached <= marked.prompt_tokens);
    }

    #[test]
    fn a_mark_covers_the_text_before_it() {
        // The system text is marked: it is written once and read by every question after it; text after the
        // mark is neither. A number in front of it makes another prompt.
        let scenario = Scenario::built_in();
        let model = scenario.model("anthropic/claude-haiku-4.5").unwrap();
        let mut state = SimulatorState::default();
        let system = "word ".repeat(1_200);
        let mark = serde_json::json!({ "type": "ephemeral" });
        let mut cache_use = |system: &str, user: &str| {
            let text =
                serde_json::json!([{ "type": "text", "text": system, "cache_control": mark }]);
            let body = serde_json::json!({ "model": model.id, "messages": [
                { "role": "system", "content": text }, { "role": "user", "content": user },
            ]});
            let request =
                ChatRequest::from_body(body.to_string().as_bytes(), ChatRoute::Chat).unwrap();
            state.look_up(&model, &request, Nanos::ZERO)
        };
        let first = cache_use(&system, &"Why? ".repeat(1_000));
        assert!((1_500..=1_502).contains(&first.written), "{first:?}");
        let second = cache_use(&system, "How?");
        assert_eq!((second.cached, second.written), (first.written, 0));
        let different = cache_use(&format!("493\n\n{system}"), "How?");
        assert!(
            different.cached == 0 && different.written >= first.written,
            "{different:?}"
        );
    }

    #[test]
    fn unused_prefixes_are_dropped() {
        // Five minutes since the last use: reading renews a prefix, and a longer pause drops it.
        let scenario = Scenario::parse(
            "[models.\"a/b\"]\nprice = { input = \"1\", output = \"1\" }\n\
             cache = { kind = \"explicit\", min_tokens = 64, step_tokens = 1, ttft_factor = 1, ttl_s = 300 }",
        );
        let model = scenario.unwrap().model("a/b").unwrap();
        let prompt = request("a/b", &"word ".repeat(200), true);
        let mut state = SimulatorState::default();
        let mut at = |seconds: u64| {
            let used = state.look_up(&model, &prompt, Nanos::from_millis(1_000 * seconds));
            (used.cached > 0, used.written > 0)
        };
        let (written, read) = ((false, true), (true, false));
        // 300 s after the last use it is still there; 301 s after, it is written again.
        assert_eq!(
            [0, 299, 599, 900, 1_200].map(&mut at),
            [written, read, read, written, read]
        );
    }

    proptest! {
        // A rate limit must hold over any arrivals: in every window no more than burst + rate.
        #[test]
        fn the_limit_holds(pauses in prop::collection::vec(0u64..3_000, 1..60)) {
            let limit = RateLimit {
                requests_per_minute: 60.try_into().unwrap(),
                burst: 3.try_into().unwrap(),
                retry_after: RetryAfterForm::None,
            };
            let (mut state, mut now, mut admitted) = (SimulatorState::default(), 0, 0u64);
            for pause in pauses {
                now += pause;
                match state.admit("a/b", &limit, Nanos::from_millis(now)) {
                    Ok(()) => admitted += 1,
                    Err(wait) => {
                        // Coming back after the reported time is enough.
                        let later = Nanos(Nanos::from_millis(now).0 + wait.0);
                        prop_assert!(state.admit("a/b", &limit, later).is_ok());
                        now = later.0.div_ceil(1_000_000);
                        admitted += 1;
                    }
                }
                prop_assert!(admitted <= 3 + now / 1_000 + 1);
            }
        }
    }

    #[test]
    fn equal_bodies_are_counted() {
        // The count stands for repetition and attempt: it must distinguish equal bodies.
        let mut state = SimulatorState::default();
        let seen = [1, 1, 2, 1].map(|body| state.ordinal(body));
        assert_eq!(seen, [0, 1, 0, 2]);
    }
}
