//! The drawn answer: content and times, before its form on the wire.
//!
//! Owns the draw: times, texts, token counts, reasoning, the choice of provider. Must not know JSON, SSE or
//! sockets. Invariants: instants never decrease; completion tokens never exceed the limit; the same arguments
//! give the same answer.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::bill::{BillTerms, SimulatedBill, SimulatedUsage};
use super::draw::{Seed, happens, log_normal, normal};
use super::fault::{Fault, FaultSet};
use super::model_profile::{
    MAX_ANSWER_TOKENS, ModelProfile, ReasoningDisplay, TimeSpread, nanos_of_millis,
};
use super::request::ChatRequest;
use super::scenario::{Scenario, SimulatedModel};
use super::scripted::ScriptedAnswer;
use super::words;
use crate::units::{Nanos, Usd};

/// The delay of the answer for each provider that failed first.
pub const FALLBACK_DELAY: Nanos = Nanos::from_millis(80);
/// The amount of the fault `surcharge`: that of the recorded case.
const SURCHARGE: Usd = Usd(100_000_000);
/// The number of reasoning chunks per summary.
const CHUNKS_PER_SUMMARY: usize = 4;
/// The reasoning tokens of `eaten-by-length` if the request sets no limit.
const EATEN_TOKENS: u64 = 64;
/// Text with characters of two, three and four bytes.
const WIDE_TEXT: &str = "Ünï→🙂";

/// The circumstances of a request: its arrival and the effects of earlier ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Requests with the same body before this one.
    pub ordinal: u64,
    /// The run's sim seed; 0 if the scenario fixes it.
    pub sim_seed: u64,
    /// Wall time of arrival, ms since 1970: for ids and labels only.
    pub unix_ms: u64,
    /// Minutes since the simulator began.
    pub minutes: f64,
    /// Prompt tokens found in the cache.
    pub cached: u64,
    /// Prompt tokens written to the cache.
    pub written: u64,
}

/// The kind of text of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceKind {
    /// Reasoning as text.
    Thinking,
    /// A summary of reasoning.
    Summary,
    /// Encrypted reasoning: not a token to a client.
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

/// A piece of the answer that is sent at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerPiece {
    /// Time since the request's arrival.
    pub at: Nanos,
    /// The kind of its text.
    pub kind: PieceKind,
    /// Its text.
    pub text: String,
    /// Completion tokens so far, this piece included.
    pub completed: u64,
}

/// The reason why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Finish {
    /// The answer is complete.
    Stop,
    /// The token limit was reached.
    Length,
    /// A tool is called.
    ToolCalls,
    /// A content filter intervened.
    ContentFilter,
}

impl Finish {
    /// Returns the word on the wire.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// One attempt at one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderAttempt {
    /// The provider's slug.
    pub provider: String,
    /// Its HTTP status.
    pub status: u16,
}

/// A complete answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The time of headers and role chunk.
    pub headers_at: Nanos,
    /// The content, in order of time.
    pub pieces: Vec<AnswerPiece>,
    /// The time of the finish.
    pub finish_at: Nanos,
    /// The finish reason.
    pub finish: Finish,
    /// Token counts.
    pub usage: SimulatedUsage,
    /// Providers tried; the last one answered.
    pub attempts: Vec<ProviderAttempt>,
    /// Its cost.
    pub bill: SimulatedBill,
    /// True if the user's own key was used.
    pub own_key: bool,
    /// True if it is the right one of a script; absent: it is not scripted.
    pub right: Option<bool>,
}

/// Returns the seed of all draws of one answer. The digest stands for prompt and parameters, the ordinal for
/// repetition and attempt.
pub fn seed(
    scenario: &Scenario,
    model: &SimulatedModel,
    request: &ChatRequest,
    moment: &Moment,
) -> Seed {
    let sim_seed = if scenario.fixed_sim_seed {
        0
    } else {
        moment.sim_seed
    };
    Seed::from_parts(&[
        &scenario.seed.to_le_bytes(),
        &sim_seed.to_le_bytes(),
        model.id.as_bytes(),
        &request.draw_digest.to_le_bytes(),
        &moment.ordinal.to_le_bytes(),
    ])
}

/// Returns the seed of the words and the lengths: with a seed in the request, the same for every repetition.
fn content_seed(
    seed: Seed,
    scenario: &Scenario,
    model: &SimulatedModel,
    request: &ChatRequest,
    moment: &Moment,
) -> Seed {
    if request.seed.is_none() {
        return seed;
    }
    let first = Moment {
        ordinal: 0,
        ..*moment
    };
    self::seed(scenario, model, request, &first)
}

impl Answer {
    /// Draws the answer.
    pub fn draw(
        scenario: &Scenario,
        model: &SimulatedModel,
        request: &ChatRequest,
        moment: &Moment,
        faults: &FaultSet,
    ) -> Self {
        let request = &request.without_ignored(faults);
        let seed = seed(scenario, model, request, moment);
        let effect = PromptFactors::new(scenario, model, request);
        let (attempts, price_per_mille) = providers(&seed, &model.profile, request, faults);
        let mut timing = seed.generator("timing");
        let ttft = ttft(&mut timing, model, request, moment, effect.ttft);
        let failed = (attempts.len() as u64).saturating_sub(1);
        let first_at = Nanos(ttft.0 + failed * FALLBACK_DELAY.0);
        let headers_at =
            nanos_of_millis(first_at.as_millis_f64() * model.profile.headers_share.get());
        let content = content_seed(seed, scenario, model, request, moment);
        let scripted = ScriptedAnswer::draw(scenario, model, request, &seed);
        let formatted = ScriptedAnswer::in_format(request);
        let script = scripted.as_ref().or(formatted.as_ref());
        let plan = Lengths::draw(&content, model, request, faults, (effect.tokens, script));
        let mut writer = PieceWriter {
            timing,
            text: content.generator("text"),
            model,
            at: first_at,
            completed: 0,
            pieces: Vec::new(),
        };
        writer.think(&plan);
        writer.speak(&plan, faults, script);
        let mut pieces = writer.pieces;
        let finish_at = Nanos(writer.at.0.max(first_at.0));
        if faults.has(Fault::OneChunk) {
            pieces = merged(pieces);
        }
        let usage = SimulatedUsage {
            prompt: request.prompt_tokens,
            completion: plan.thinking + plan.speaking,
            reasoning: plan.thinking,
            cached: moment.cached,
            written: moment.written,
        };
        let own_key = request.own_key || faults.has(Fault::OwnKey);
        let surcharged = faults.has(Fault::Surcharge);
        let terms = BillTerms {
            price_per_mille,
            own_key,
            surcharge: if surcharged { SURCHARGE } else { Usd::ZERO },
        };
        let free = super::bill::Prices::free();
        let bill = SimulatedBill::new(&usage, model.prices.as_ref().unwrap_or(&free), &terms);
        Self {
            headers_at,
            pieces,
            finish_at,
            finish: plan.finish,
            usage,
            attempts,
            bill,
            own_key,
            right: scripted.map(|scripted| scripted.right),
        }
    }

    /// Returns the provider that answered.
    pub fn provider(&self) -> &str {
        self.attempts.last().map_or("", |attempt| &attempt.provider)
    }
}

/// The effects of a prompt on all models alike.
struct PromptFactors {
    tokens: f64,
    ttft: f64,
}

impl PromptFactors {
    fn new(scenario: &Scenario, model: &SimulatedModel, request: &ChatRequest) -> Self {
        if model.exact {
            let (tokens, ttft) = (1.0, 1.0);
            return Self { tokens, ttft };
        }
        let parts = [
            scenario.seed.to_le_bytes(),
            request.prompt_digest.to_le_bytes(),
        ];
        let mut generator = Seed::from_parts(&[&parts[0], &parts[1]]).generator("prompt");
        Self {
            tokens: log_normal(&mut generator, 1.0, scenario.prompts.tokens_sigma.get()),
            ttft: log_normal(&mut generator, 1.0, scenario.prompts.ttft_sigma.get()),
        }
    }
}

/// Draws a time, in milliseconds.
fn draw_time(generator: &mut ChaCha8Rng, draw_time: &TimeSpread) -> f64 {
    let millis = log_normal(generator, draw_time.median_ms.get(), draw_time.sigma.get());
    if happens(generator, draw_time.outlier_share.get()) {
        millis * draw_time.outlier_factor.get()
    } else {
        millis
    }
}

fn ttft(
    timing: &mut ChaCha8Rng,
    model: &SimulatedModel,
    request: &ChatRequest,
    moment: &Moment,
    effect: f64,
) -> Nanos {
    let profile = &model.profile;
    let fresh = request.prompt_tokens.saturating_sub(moment.cached);
    let prefill = profile.prefill_ms_per_ktok.get() * fresh as f64 / 1000.0;
    let drift = (1.0 + profile.drift_per_minute.get()).powf(moment.minutes);
    let hit = match moment.cached {
        0 => 1.0,
        _ => profile.cache.ttft_factor.get(),
    };
    let drawn = draw_time(timing, &profile.ttft);
    nanos_of_millis((drawn + prefill) * effect * drift * hit)
}

/// Returns the attempts and the price of the provider that answers, in thousandths of the list price.
fn providers(
    seed: &Seed,
    profile: &ModelProfile,
    request: &ChatRequest,
    faults: &FaultSet,
) -> (Vec<ProviderAttempt>, u32) {
    let allowed = |name: &String| request.only.is_empty() || request.only.contains(name);
    let mut choice: Vec<_> = profile
        .providers
        .iter()
        .filter(|provider| allowed(&provider.name))
        .collect();
    let place = |name: &String| request.order.iter().position(|property| property == name);
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
            // There is no fallback: the simulator adds one.
            0 | 1 => attempts.push(attempt("fallback-provider", 200)),
            _ => attempts.push(attempt(&choice[1].name, 200)),
        }
        let answering = choice.get(1).or(choice.first());
        return (attempts, answering.map_or(1000, |p| p.price_per_mille()));
    }
    for (index, provider) in choice.iter().enumerate() {
        let last = index + 1 == choice.len();
        // The last one always answers: complete failures are faults.
        if last || !happens(&mut generator, provider.failure_share.get()) {
            attempts.push(attempt(&provider.name, 200));
            return (attempts, provider.price_per_mille());
        }
        attempts.push(attempt(&provider.name, 429));
    }
    (attempts, 1000)
}

/// The lengths of reasoning and content, and the finish reason.
struct Lengths {
    thinking: u64,
    speaking: u64,
    shown: ReasoningDisplay,
    finish: Finish,
    tool: Option<String>,
}

impl Lengths {
    fn draw(
        seed: &Seed,
        model: &SimulatedModel,
        request: &ChatRequest,
        faults: &FaultSet,
        (effect, script): (f64, Option<&ScriptedAnswer>),
    ) -> Self {
        let profile = &model.profile;
        let mut generator = seed.generator("lengths");
        let answer_tokens = log_normal(
            &mut generator,
            f64::from(profile.tokens.median) * effect,
            profile.tokens.sigma.get(),
        );
        // Drawn for every model, so that an effort of none changes nothing else.
        let thought = normal(&mut generator) * profile.reasoning.sigma.get();
        let thought = f64::from(profile.reasoning.median) * request.thinking * thought.exp();
        let limit = request.max_tokens.unwrap_or(u64::MAX);
        let limit = limit.min(model.max_tokens).min(MAX_ANSWER_TOKENS);
        let thought = whole(thought).min(request.max_thinking.unwrap_or(u64::MAX));
        let answer_tokens = match (script, profile.tokens.median) {
            (Some(script), _) => script.pieces.len() as u64,
            (None, 0) => 0,
            (None, _) => whole(answer_tokens).max(1),
        };
        let scripted_tool = script.map(|script| script.tool.clone());
        let tool = scripted_tool.unwrap_or_else(|| request.forced_tool.clone());
        let tool = tool.or_else(|| {
            let calls = [
                Fault::ToolCall,
                Fault::ToolCallNoIndex,
                Fault::ToolNameRepeated,
                Fault::ToolCallLate,
            ];
            let calls_tool = calls.into_iter().any(|fault| faults.has(fault));
            let name = || request.first_tool.clone().unwrap_or("look_up".to_owned());
            calls_tool.then(name)
        });
        let thinking = thought.min(limit);
        let mut plan = Self {
            thinking,
            speaking: answer_tokens.min(limit - thinking),
            shown: if request.hide_thinking {
                ReasoningDisplay::Hidden
            } else {
                profile.reasoning.display
            },
            finish: match (thought.saturating_add(answer_tokens) > limit, &tool) {
                (true, _) => Finish::Length,
                (false, Some(_)) => Finish::ToolCalls,
                (false, None) => Finish::Stop,
            },
            tool,
        };
        plan.apply(faults, request.max_tokens.map(|_| limit));
        plan
    }

    /// Applies the faults that concern lengths.
    fn apply(&mut self, faults: &FaultSet, limit: Option<u64>) {
        if faults.has(Fault::NoToken) {
            (self.thinking, self.speaking) = (0, 0);
            self.finish = Finish::Stop;
        }
        if faults.has(Fault::EatenByLength) {
            self.thinking = limit.unwrap_or(self.thinking.max(EATEN_TOKENS));
            self.speaking = 0;
            self.finish = Finish::Length;
        }
        let stops = [Fault::FinishAbort, Fault::FinishPause, Fault::FinishUnknown];
        if stops.into_iter().any(|fault| faults.has(fault)) {
            self.speaking = self.speaking.div_ceil(2);
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
            // These show reasoning, so there must be some to show; the answer becomes shorter.
            let moved = (self.speaking / 2).min(EATEN_TOKENS);
            if self.thinking == 0 {
                self.thinking = moved;
                self.speaking -= moved;
            }
            self.shown = ReasoningDisplay::Visible;
        }
    }
}

/// Rounds a drawn number to a number of tokens.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of an answer"
)]
fn whole(tokens: f64) -> u64 {
    tokens.round().clamp(0.0, MAX_ANSWER_TOKENS as f64) as u64
}

/// A writer of pieces on the time line.
struct PieceWriter<'a> {
    timing: ChaCha8Rng,
    text: ChaCha8Rng,
    model: &'a SimulatedModel,
    /// The time of the next piece.
    at: Nanos,
    completed: u64,
    pieces: Vec<AnswerPiece>,
}

impl PieceWriter<'_> {
    /// Cuts `tokens` into chunks and returns the tokens of each.
    fn chunks(&mut self, tokens: u64) -> Vec<u64> {
        let mean = u64::from(self.model.profile.tokens_per_chunk);
        let mut left = tokens;
        let mut chunks = Vec::new();
        while left > 0 {
            let size = self.timing.random_range(1..=2 * mean - 1).min(left);
            chunks.push(size);
            left -= size;
        }
        chunks
    }

    fn push(&mut self, kind: PieceKind, text: String) {
        self.pieces.push(AnswerPiece {
            at: self.at,
            kind,
            text,
            completed: self.completed,
        });
    }

    fn wait(&mut self) {
        let gap = nanos_of_millis(draw_time(&mut self.timing, &self.model.profile.gap));
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
                ReasoningDisplay::Visible => self.push(PieceKind::Thinking, text),
                ReasoningDisplay::Summary if index % CHUNKS_PER_SUMMARY == 0 => {
                    self.push(PieceKind::Summary, text);
                }
                ReasoningDisplay::Summary
                | ReasoningDisplay::Encrypted
                | ReasoningDisplay::Hidden => {}
            }
            self.wait();
        }
        if matches!(
            plan.shown,
            ReasoningDisplay::Summary | ReasoningDisplay::Encrypted
        ) {
            let block = super::draw::letters(&mut self.text, 64);
            self.push(PieceKind::Encrypted, block);
        }
    }

    fn speak(&mut self, plan: &Lengths, faults: &FaultSet, script: Option<&ScriptedAnswer>) {
        if plan.speaking == 0 {
            return;
        }
        let kind = match (&plan.tool, faults.has(Fault::Refusal)) {
            (Some(name), _) => {
                self.push(PieceKind::ToolName, name.clone());
                PieceKind::ToolArguments
            }
            (None, true) => PieceKind::Refusal,
            (None, false) => PieceKind::Content,
        };
        let is_random = script.is_none();
        let mut words = match script {
            Some(script) => script.pieces.clone(),
            None => self.words(plan.speaking),
        };
        if faults.has(Fault::SplitChar)
            && let Some(first) = words.first_mut()
        {
            WIDE_TEXT.clone_into(first);
        }
        let tool = plan.tool.as_ref().filter(|_| is_random);
        if let (Some(first), Some(_)) = (words.first_mut(), tool) {
            // The fragments add up to JSON: an object with one string.
            first.insert_str(0, "{\"query\":\"");
        }
        if let (Some(last), Some(_)) = (words.last_mut(), tool) {
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

/// Converts tokens to a number of pieces: an answer's tokens fit any machine's `usize`.
fn size_of_chunk(tokens: u64) -> usize {
    usize::try_from(tokens).unwrap_or(usize::MAX)
}

/// Merges all pieces of a kind into one, at the instant of the last.
fn merged(pieces: Vec<AnswerPiece>) -> Vec<AnswerPiece> {
    let mut merged: Vec<AnswerPiece> = Vec::new();
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
