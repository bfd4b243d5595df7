//! Scripted answers: right with a stated probability, so that grades can be checked against a known truth.
//!
//! Owns the draw of right or wrong. Must not know how an answer is sent. Invariant:
//! over all draws an answer is right with exactly its model's share, however much of it the prompt decides.

use rand::RngExt;

use super::answer_script::AnswerScript;
use super::draw::{Seed, happens};
use super::request::ChatRequest;
use super::words;
use super::world::{Scenario, SimulatedModel};

/// The words in which a scripted answer refuses.
const REFUSAL: &str = "I'm sorry, but I can't help with that.";

/// The scripted answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptedAnswer {
    /// True for the right answer.
    pub right: bool,
    /// Its text or arguments, in tokens.
    pub pieces: Vec<String>,
    /// The tool that is called.
    pub tool: Option<String>,
}

impl ScriptedAnswer {
    /// Draws the answer to a request; absent if no script is for its prompt.
    pub fn draw(
        scenario: &Scenario,
        model: &SimulatedModel,
        request: &ChatRequest,
        seed: &Seed,
    ) -> Option<Self> {
        let applies = |script: &&AnswerScript| {
            let text = script.when.as_deref();
            text.is_none_or(|text| request.prompt.contains(text))
        };
        let script = scenario.answers.iter().find(applies)?;
        let mut generator = seed.generator("right");
        if happens(&mut generator, model.profile.refusal_share.get()) {
            return Some(Self {
                right: false,
                pieces: words::cut(REFUSAL),
                tool: None,
            });
        }
        let share = script.right_share.get(&model.id);
        let share = share.unwrap_or(&model.profile.right_share).get();
        let own: f64 = generator.random();
        // A draw that all models share makes a prompt hard for all of them; both draws are uniform.
        let drawn = if happens(&mut generator, scenario.prompts.difficulty.get()) {
            let parts = [
                scenario.seed.to_le_bytes(),
                request.prompt_digest.to_le_bytes(),
            ];
            let seed = Seed::from_parts(&[&parts[0], &parts[1]]);
            seed.generator("difficulty").random()
        } else {
            own
        };
        let right = drawn < share;
        let text = if right { &script.right } else { &script.wrong };
        Some(Self {
            right,
            pieces: words::cut(text),
            tool: script.tool.clone(),
        })
    }
}
