//! Scripted answers: right with a stated probability, so that grades can be checked against known answers.
//!
//! Owns the draw of right or wrong. Must not know how an answer is sent. Invariant:
//! over all draws an answer is right with exactly its model's share, however much of it the prompt decides.

use rand::RngExt;
use serde_json::{Value, json};

use super::answer_script::AnswerScript;
use super::draw::{Seed, happens};
use super::request::ChatRequest;
use super::scenario::{Scenario, SimulatedModel};
use super::words;

/// Most levels of an answer in JSON: schemas of clients have fewer.
const MAX_DEPTH: usize = 8;
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
        let end = request.stop.iter().filter_map(|stop| text.find(stop)).min();
        let text = &text[..end.unwrap_or(text.len())];
        Some(Self {
            right,
            pieces: words::cut(text),
            tool: script.tool.clone(),
        })
    }

    /// Returns an answer of the requested format, which is neither right nor wrong; absent if text was requested.
    pub fn in_format(request: &ChatRequest) -> Option<Self> {
        let value = instance(request.schema.as_ref()?, 0);
        Some(Self {
            right: false,
            pieces: words::cut(&value.to_string()),
            tool: None,
        })
    }
}

/// Returns a value that a schema allows, as far as it has types, enumerations and properties.
fn instance(schema: &Value, depth: usize) -> Value {
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    match schema["type"].as_str() {
        Some("string") => json!("The answer"),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        Some("array") => json!([]),
        Some("null") => Value::Null,
        _ if depth < MAX_DEPTH => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            let fields =
                properties.map(|(name, schema)| (name.clone(), instance(schema, depth + 1)));
            Value::Object(fields.collect())
        }
        _ => json!({}),
    }
}
