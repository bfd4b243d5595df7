//! What a model says and when, before anyone decides how it looks on the wire.
//!
//! Owns the draw: times, texts, token counts, thinking, the choice of provider. Must not know JSON,
//! SSE or sockets. Invariants: instants never decrease; completion tokens never exceed the limit;
//! the same arguments give the same answer.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::bill::{Bill, Terms, Usage};
use super::character::{Character, MAX_ANSWER_TOKENS, Shown, Spread, nanos_of_millis};
use super::draw::{Seed, happens, log_normal, normal};
use super::fault::{Fault, Faults};
use super::request::ChatRequest;
use super::words;
use super::world::{Model, World};
use crate::units::{Nanos, Usd};

/// How much later the answer comes for each provider that failed first.
pub const FALLBACK_DELAY: Nanos = Nanos::from_millis(80);
/// What the fault `surcharge` adds: the amount of the recorded case.
const SURCHARGE: Usd = Usd(100_000_000);
/// Every so many chunks of thinking, one is summarised.
const CHUNKS_PER_SUMMARY: usize = 4;
/// Thinking that `eaten-by-length` pretends when the request sets no limit.
const EATEN_TOKENS: u64 = 64;
/// Text that holds characters of two, three and four bytes.
const WIDE_TEXT: &str = "Ünï→🙂";

/// What is not in the request: when it came and what came before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Requests with the same body before this one.
    pub ordinal: u64,
    /// The run's salt; 0 where the world fixes it.
    pub salt: u64,
    /// Wall time of arrival, ms since 1970: for ids and labels only.
    pub unix_ms: u64,
    /// Minutes since the simulator began.
    pub minutes: f64,
    /// Prompt tokens found in the cache.
    pub cached: u64,
    /// Prompt tokens written to the cache.
    pub written: u64,
}

/// What kind of text a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Thinking as text.
    Thinking,
    /// A summary of thinking.
    Summary,
    /// Thinking nobody can read: not a token to a client.
    Encrypted,
    /// The answer.
    Content,
    /// A refusal instead of the answer.
    Refusal,
    /// The name of a called tool.
    ToolName,
    /// A fragment of a called tool's arguments.
    ToolArguments,
}

/// What leaves at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Since the request's arrival.
    pub at: Nanos,
    /// What it is.
    pub kind: Kind,
    /// Its text.
    pub text: String,
    /// Completion tokens so far, this piece included.
    pub completed: u64,
}

/// Why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It was done.
    Stop,
    /// The token limit.
    Length,
    /// It calls a tool.
    ToolCalls,
    /// A filter stepped in.
    ContentFilter,
}

impl Finish {
    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
        }
    }
}

/// One try at one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderAttempt {
    /// The provider's slug.
    pub provider: String,
    /// What it answered.
    pub status: u16,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// When headers and role chunk leave.
    pub headers_at: Nanos,
    /// What is said, in order of time.
    pub pieces: Vec<Piece>,
    /// When the finish is told.
    pub finish_at: Nanos,
    /// Why it stopped.
    pub finish: Finish,
    /// Tokens.
    pub usage: Usage,
    /// Providers tried; the last one answered.
    pub attempts: Vec<ProviderAttempt>,
    /// What it costs.
    pub bill: Bill,
    /// Whether the user's own key paid.
    pub own_key: bool,
}

/// The seed of everything about one answer. The digest stands for prompt and
/// parameters, the ordinal for repetition and attempt.
pub fn seed(world: &World, model: &Model, request: &ChatRequest, moment: &Moment) -> Seed {
    let salt = if world.fixed_salt { 0 } else { moment.salt };
    Seed::of(&[
        &world.seed.to_le_bytes(),
        &salt.to_le_bytes(),
        model.id.as_bytes(),
        &request.draw_digest.to_le_bytes(),
        &moment.ordinal.to_le_bytes(),
    ])
}

impl Answer {
    /// Draws the answer.
    pub fn draw(
        world: &World,
        model: &Model,
        request: &ChatRequest,
        moment: &Moment,
        faults: &Faults,
    ) -> Self {
        let seed = seed(world, model, request, moment);
        let effect = PromptFactors::of(world, model, request);
        let (attempts, price_per_mille) = providers(&seed, &model.character, request, faults);
        let mut timing = seed.generator("timing");
        let ttft = ttft(&mut timing, model, request, moment, effect.ttft);
        let failed = (attempts.len() as u64).saturating_sub(1);
        let first_at = Nanos(ttft.0 + failed * FALLBACK_DELAY.0);
        let headers_at =
            nanos_of_millis(first_at.as_millis_f64() * model.character.headers_share.get());
        let plan = Lengths::draw(&seed, model, request, faults, effect.tokens);
        let mut writer = Writer {
            timing,
            text: seed.generator("text"),
            model,
            at: first_at,
            completed: 0,
            pieces: Vec::new(),
        };
        writer.think(&plan);
        writer.speak(&plan, faults);
        let mut pieces = writer.pieces;
        let finish_at = Nanos(writer.at.0.max(first_at.0));
        if faults.has(Fault::OneChunk) {
            pieces = merged(pieces);
        }
        let usage = Usage {
            prompt: request.prompt_tokens,
            completion: plan.thinking + plan.speaking,
            reasoning: plan.thinking,
            cached: moment.cached,
            written: moment.written,
        };
        let own_key = request.own_key || faults.has(Fault::OwnKey);
        let surcharged = faults.has(Fault::Surcharge);
        let terms = Terms {
            price_per_mille,
            own_key,
            surcharge: if surcharged { SURCHARGE } else { Usd::ZERO },
        };
        let free = super::bill::Prices::free();
        let bill = Bill::of(&usage, model.prices.as_ref().unwrap_or(&free), &terms);
        Self {
            headers_at,
            pieces,
            finish_at,
            finish: plan.finish,
            usage,
            attempts,
            bill,
            own_key,
        }
    }

    /// The provider that answered.
    pub fn provider(&self) -> &str {
        self.attempts.last().map_or("", |attempt| &attempt.provider)
    }
}

/// What a prompt does to every model alike.
struct PromptFactors {
    tokens: f64,
    ttft: f64,
}

impl PromptFactors {
    fn of(world: &World, model: &Model, request: &ChatRequest) -> Self {
        if model.exact {
            let (tokens, ttft) = (1.0, 1.0);
            return Self { tokens, ttft };
        }
        let parts = [
            world.seed.to_le_bytes(),
            request.prompt_digest.to_le_bytes(),
        ];
        let mut generator = Seed::of(&[&parts[0], &parts[1]]).generator("prompt");
        Self {
            tokens: log_normal(&mut generator, 1.0, world.prompts.tokens_sigma.get()),
            ttft: log_normal(&mut generator, 1.0, world.prompts.ttft_sigma.get()),
        }
    }
}

/// A time out of a spread.
fn spread(generator: &mut ChaCha8Rng, spread: &Spread) -> f64 {
    let millis = log_normal(generator, spread.median_ms.get(), spread.sigma.get());
    if happens(generator, spread.outlier_share.get()) {
        millis * spread.outlier_factor.get()
    } else {
        millis
    }
}

fn ttft(
    timing: &mut ChaCha8Rng,
    model: &Model,
    request: &ChatRequest,
    moment: &Moment,
    effect: f64,
) -> Nanos {
    let character = &model.character;
    let fresh = request.prompt_tokens.saturating_sub(moment.cached);
    let prefill = character.prefill_ms_per_ktok.get() * fresh as f64 / 1000.0;
    let drift = (1.0 + character.drift_per_minute.get()).powf(moment.minutes);
    let hit = match moment.cached {
        0 => 1.0,
        _ => character.cache.ttft_factor.get(),
    };
    let drawn = spread(timing, &character.ttft);
    nanos_of_millis((drawn + prefill) * effect * drift * hit)
}

/// The providers tried and the price of the one that answers, in thousandths of the list price.
fn providers(
    seed: &Seed,
    character: &Character,
    request: &ChatRequest,
    faults: &Faults,
) -> (Vec<ProviderAttempt>, u32) {
    let allowed = |name: &String| request.only.is_empty() || request.only.contains(name);
    let mut choice: Vec<_> = character
        .providers
        .iter()
        .filter(|provider| allowed(&provider.name))
        .collect();
    let place = |name: &String| request.order.iter().position(|wanted| wanted == name);
    choice.sort_by_key(|provider| place(&provider.name).unwrap_or(usize::MAX));
    let mut generator = seed.generator("providers");
    let mut attempts = Vec::new();
    let attempt = |provider: &str, status| ProviderAttempt {
        provider: provider.to_owned(),
        status,
    };
    if faults.has(Fault::Fallback) {
        let first = choice.first().map_or("", |provider| &provider.name);
        attempts.push(attempt(first, 429));
        match choice.len() {
            // Nobody to fall back on: the world invents one.
            0 | 1 => attempts.push(attempt("fallback-provider", 200)),
            _ => attempts.push(attempt(&choice[1].name, 200)),
        }
        let answering = choice.get(1).or(choice.first());
        return (attempts, answering.map_or(1000, |p| p.price_per_mille()));
    }
    for (index, provider) in choice.iter().enumerate() {
        let last = index + 1 == choice.len();
        // The last one always answers: answers that fail altogether are faults.
        if last || !happens(&mut generator, provider.failure_share.get()) {
            attempts.push(attempt(&provider.name, 200));
            return (attempts, provider.price_per_mille());
        }
        attempts.push(attempt(&provider.name, 429));
    }
    (attempts, 1000)
}

/// How much is thought and said, and why it stops.
struct Lengths {
    thinking: u64,
    speaking: u64,
    shown: Shown,
    finish: Finish,
    tool: Option<String>,
}

impl Lengths {
    fn draw(
        seed: &Seed,
        model: &Model,
        request: &ChatRequest,
        faults: &Faults,
        effect: f64,
    ) -> Self {
        let character = &model.character;
        let mut generator = seed.generator("lengths");
        let spoken = log_normal(
            &mut generator,
            f64::from(character.tokens.median) * effect,
            character.tokens.sigma.get(),
        );
        // Drawn whether or not the model thinks, so that an effort of none changes nothing else.
        let thought = normal(&mut generator) * character.reasoning.sigma.get();
        let thought = f64::from(character.reasoning.median) * request.thinking * thought.exp();
        let limit = request.max_tokens.unwrap_or(u64::MAX);
        let limit = limit.min(model.max_tokens).min(MAX_ANSWER_TOKENS);
        let thought = whole(thought).min(request.max_thinking.unwrap_or(u64::MAX));
        let spoken = match character.tokens.median {
            0 => 0,
            _ => whole(spoken).max(1),
        };
        let tool = request.forced_tool.clone().or_else(|| {
            let calls = [Fault::ToolCall, Fault::ToolCallNoIndex, Fault::ToolCallLate];
            let asked = calls.into_iter().any(|fault| faults.has(fault));
            let name = || request.first_tool.clone().unwrap_or("look_up".to_owned());
            asked.then(name)
        });
        let thinking = thought.min(limit);
        let mut plan = Self {
            thinking,
            speaking: spoken.min(limit - thinking),
            shown: if request.hide_thinking {
                Shown::Hidden
            } else {
                character.reasoning.shown
            },
            finish: match (thought.saturating_add(spoken) > limit, &tool) {
                (true, _) => Finish::Length,
                (false, Some(_)) => Finish::ToolCalls,
                (false, None) => Finish::Stop,
            },
            tool,
        };
        plan.apply(faults, request.max_tokens.map(|_| limit));
        plan
    }

    /// The faults that concern how much is said.
    fn apply(&mut self, faults: &Faults, limit: Option<u64>) {
        if faults.has(Fault::NoToken) {
            (self.thinking, self.speaking) = (0, 0);
            self.finish = Finish::Stop;
        }
        if faults.has(Fault::EatenByLength) {
            self.thinking = limit.unwrap_or(self.thinking.max(EATEN_TOKENS));
            self.speaking = 0;
            self.finish = Finish::Length;
        }
        if faults.has(Fault::Filtered) {
            self.speaking = self.speaking.div_ceil(2);
            self.finish = Finish::ContentFilter;
        }
        let thinks = [
            Fault::ThinkTags,
            Fault::ReasoningContent,
            Fault::ReasoningBoth,
        ];
        if thinks.into_iter().any(|fault| faults.has(fault)) {
            // These show thinking, so there must be some to show; the answer makes room for it.
            let some = (self.speaking / 2).min(EATEN_TOKENS);
            if self.thinking == 0 {
                self.thinking = some;
                self.speaking -= some;
            }
            self.shown = Shown::Visible;
        }
    }
}

/// A drawn number as a number of tokens.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of an answer"
)]
fn whole(tokens: f64) -> u64 {
    tokens.round().clamp(0.0, MAX_ANSWER_TOKENS as f64) as u64
}

/// Puts pieces on the time line.
struct Writer<'a> {
    timing: ChaCha8Rng,
    text: ChaCha8Rng,
    model: &'a Model,
    /// When the next piece leaves.
    at: Nanos,
    completed: u64,
    pieces: Vec<Piece>,
}

impl Writer<'_> {
    /// `tokens` cut into chunks: for each its tokens.
    fn chunks(&mut self, tokens: u64) -> Vec<u64> {
        let mean = u64::from(self.model.character.tokens_per_chunk);
        let mut left = tokens;
        let mut chunks = Vec::new();
        while left > 0 {
            let size = self.timing.random_range(1..=2 * mean - 1).min(left);
            chunks.push(size);
            left -= size;
        }
        chunks
    }

    fn push(&mut self, kind: Kind, text: String) {
        self.pieces.push(Piece {
            at: self.at,
            kind,
            text,
            completed: self.completed,
        });
    }

    fn wait(&mut self) {
        let gap = nanos_of_millis(spread(&mut self.timing, &self.model.character.gap));
        self.at = Nanos(self.at.0.saturating_add(gap.0));
    }

    fn think(&mut self, plan: &Lengths) {
        if plan.thinking == 0 {
            return;
        }
        let mut words = self.words(plan.thinking).into_iter();
        let chunks = self.chunks(plan.thinking);
        for (index, size) in chunks.into_iter().enumerate() {
            self.completed += size;
            let text: String = words.by_ref().take(size_of_chunk(size)).collect();
            match plan.shown {
                Shown::Visible => self.push(Kind::Thinking, text),
                Shown::Summary if index % CHUNKS_PER_SUMMARY == 0 => self.push(Kind::Summary, text),
                Shown::Summary | Shown::Encrypted | Shown::Hidden => {}
            }
            self.wait();
        }
        if matches!(plan.shown, Shown::Summary | Shown::Encrypted) {
            let block = super::draw::letters(&mut self.text, 64);
            self.push(Kind::Encrypted, block);
        }
    }

    fn speak(&mut self, plan: &Lengths, faults: &Faults) {
        if plan.speaking == 0 {
            return;
        }
        let kind = match (&plan.tool, faults.has(Fault::Refusal)) {
            (Some(name), _) => {
                self.push(Kind::ToolName, name.clone());
                Kind::ToolArguments
            }
            (None, true) => Kind::Refusal,
            (None, false) => Kind::Content,
        };
        let mut words = self.words(plan.speaking);
        if faults.has(Fault::SplitChar)
            && let Some(first) = words.first_mut()
        {
            WIDE_TEXT.clone_into(first);
        }
        if let (Some(first), Some(_)) = (words.first_mut(), &plan.tool) {
            // The fragments add up to JSON: an object with one text.
            first.insert_str(0, "{\"query\":\"");
        }
        if let (Some(last), Some(_)) = (words.last_mut(), &plan.tool) {
            last.push_str("\"}");
        }
        let mut words = words.into_iter();
        for size in self.chunks(plan.speaking) {
            self.completed += size;
            let text = words.by_ref().take(size_of_chunk(size)).collect();
            self.push(kind, text);
            self.wait();
        }
    }

    fn words(&mut self, tokens: u64) -> Vec<String> {
        words::pieces(&mut self.text, &self.model.id, size_of_chunk(tokens))
    }
}

/// Tokens as a number of pieces: an answer's tokens fit any machine's `usize`.
fn size_of_chunk(tokens: u64) -> usize {
    usize::try_from(tokens).unwrap_or(usize::MAX)
}

/// All pieces of a kind in one, at the instant of the last.
fn merged(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut merged: Vec<Piece> = Vec::new();
    let end = pieces.last().map_or(Nanos::ZERO, |piece| piece.at);
    for piece in pieces {
        match merged.last_mut() {
            Some(last) if last.kind == piece.kind => {
                last.text.push_str(&piece.text);
                last.completed = piece.completed;
            }
            _ => merged.push(piece),
        }
    }
    for piece in &mut merged {
        piece.at = end;
    }
    merged
}
