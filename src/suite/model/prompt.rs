//! The prompts of a suite.
//!
//! Owns a prompt and its turns. Must not know how prompts are read, nor what variants add to them. Invariant: what many prompts
//! have alike is held once.

use std::ops::{Deref, DerefMut};
use std::slice;
use std::sync::Arc;
use std::vec;

use schemars::JsonSchema;
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use strum::VariantArray as _;

use super::assert::Asserts;
use super::cache::CacheControl;
use super::parameters::{Parameters, SharedParameters};
use super::rare::Rare;
use crate::suite::value::defaults;

/// One case of the suite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prompt {
    /// Unique in the suite.
    pub id: String,
    /// System text in place of the suite's.
    #[serde(default, skip_serializing_if = "Rare::is_default")]
    pub system: Rare<Option<String>>,
    /// The turns after the system text.
    pub messages: Turns,
    /// Share of the traffic that looks like this prompt; positive and finite.
    pub weight: f64,
    /// For selection by `--tag`.
    #[serde(default)]
    pub tags: Rare<Vec<String>>,
    /// Values of the user's own, copied to each sample; they are not sent.
    #[serde(default, skip_serializing_if = "Rare::is_default")]
    pub metadata: Rare<Map<String, Value>>,
    /// Parameters that win over the suite's.
    #[serde(default)]
    pub parameters: SharedParameters,
    /// The checks of its answers, the suite's defaults among them.
    #[serde(default, skip_serializing_if = "Asserts::is_empty")]
    pub asserts: Asserts,
    /// The weighted score from which an answer passes; absent: every assert must pass.
    #[serde(default, skip_serializing_if = "Rare::is_default")]
    pub pass_threshold: Rare<Option<f64>>,
}

/// The turns of a prompt: at least one, the last one the user's or a tool's; or none, where they were released
/// ([`PromptList::release_turns`]). Released turns cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Vec<Message>")]
pub struct Turns(Box<[Message]>);

impl From<Vec<Message>> for Turns {
    fn from(messages: Vec<Message>) -> Self {
        Self(messages.into())
    }
}

impl Deref for Turns {
    type Target = [Message];

    fn deref(&self) -> &[Message] {
        &self.0
    }
}

impl DerefMut for Turns {
    fn deref_mut(&mut self) -> &mut [Message] {
        &mut self.0
    }
}

impl Serialize for Turns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_empty() {
            return Err(S::Error::custom("the turns of this prompt were released"));
        }
        self.0.serialize(serializer)
    }
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The speaker.
    pub role: Role,
    /// The text; may be empty if an assistant only calls tools.
    pub content: String,
    /// Images in addition to the text; only in a user's turn.
    #[serde(default, skip_serializing_if = "Rare::is_default")]
    pub images: Rare<Vec<Image>>,
    /// Calls of an assistant's turn that the suite declares.
    #[serde(default, skip_serializing_if = "Rare::is_default")]
    pub tool_calls: Rare<Vec<DeclaredCall>>,
    /// Id of the call that a tool's turn answers.
    #[serde(default, skip_serializing_if = "Rare::is_default")]
    pub tool_call_id: Rare<Option<String>>,
    /// The prompt up to here may be cached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<CacheControl>,
}

impl Message {
    /// A turn of text alone.
    pub fn text(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            images: Rare::default(),
            tool_calls: Rare::default(),
            tool_call_id: Rare::default(),
            cache_control: None,
        }
    }
}

/// An image of a user's turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Image {
    /// Fetched by the endpoint.
    Url(String),
    /// Sent along.
    Bytes {
        /// `image/png` and the like.
        media_type: String,
        /// The file, base64.
        base64: String,
    },
}

/// A tool call that a suite declares as made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredCall {
    /// Id to which the tool's turn refers.
    pub id: String,
    /// The function's name.
    pub name: String,
    /// The arguments, JSON as text.
    pub arguments: String,
}

/// The speaker of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
}

impl Prompt {
    /// Creates a prompt of these turns, with nothing else of its own.
    pub fn new(id: String, messages: Vec<Message>) -> Self {
        Self {
            id,
            system: Rare::default(),
            messages: messages.into(),
            weight: defaults::WEIGHT,
            tags: Rare::default(),
            metadata: Rare::default(),
            parameters: SharedParameters::default(),
            asserts: Asserts::default(),
            pass_threshold: Rare::default(),
        }
    }

    /// Creates a prompt of stated lengths: of this text, answered with so many tokens. `kind` is its tag, and begins its id.
    pub(in crate::suite) fn of_length(
        kind: MadeKind,
        number: &str,
        text: String,
        output_tokens: Option<u64>,
    ) -> Self {
        let parameters = Parameters {
            max_tokens: output_tokens,
            ..Parameters::default()
        };
        Self {
            tags: vec![kind.word().to_owned()].into(),
            parameters: parameters.into(),
            ..Self::new(
                format!("{}-{number}", kind.word()),
                vec![Message::text(Role::User, text)],
            )
        }
    }

    fn without_turns(&self) -> Self {
        Self {
            id: self.id.clone(),
            system: self.system.clone(),
            messages: Turns(Box::default()),
            weight: self.weight,
            tags: self.tags.clone(),
            metadata: self.metadata.clone(),
            parameters: self.parameters.clone(),
            asserts: self.asserts.clone(),
            pass_threshold: self.pass_threshold.clone(),
        }
    }

    /// Returns true if its token limit is the planned length of its answers: it was made of a stated length.
    pub fn has_planned_length(&self) -> bool {
        let is_made = MadeKind::VARIANTS.iter().any(|kind| {
            let rest = self.id.strip_prefix(kind.word());
            *self.tags == [kind.word()] && rest.is_some_and(|rest| rest.starts_with('-'))
        });
        is_made && self.parameters.max_tokens.is_some()
    }
}

/// The source of the lengths of a made prompt.
#[derive(Debug, Clone, Copy, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(in crate::suite) enum MadeKind {
    /// `[[synthetic]]` of a suite.
    Synthetic,
    /// A row of a trace.
    Trace,
}

impl MadeKind {
    fn word(self) -> &'static str {
        self.into()
    }
}

/// The prompts of a suite, which its copies share: a run, its manifest and its estimate hold the same ones. Changing a shared
/// list copies it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(from = "Vec<Prompt>")]
pub struct PromptList(Arc<Vec<Prompt>>);

impl PromptList {
    /// Frees the turns of its prompts: figures of a run that was sent and stored need none. Other holders of a shared list keep
    /// theirs.
    pub fn release_turns(&mut self) {
        // What stays is copied from between the turns: else their memory would be free in pieces of one prompt, which lists of
        // samples do not fit.
        *self = self.iter().map(Prompt::without_turns).collect();
    }
}

impl From<Vec<Prompt>> for PromptList {
    fn from(mut prompts: Vec<Prompt>) -> Self {
        prompts.shrink_to_fit();
        Self(Arc::new(prompts))
    }
}

impl FromIterator<Prompt> for PromptList {
    fn from_iter<I: IntoIterator<Item = Prompt>>(prompts: I) -> Self {
        Vec::from_iter(prompts).into()
    }
}

impl Deref for PromptList {
    type Target = Vec<Prompt>;

    fn deref(&self) -> &Vec<Prompt> {
        &self.0
    }
}

impl DerefMut for PromptList {
    fn deref_mut(&mut self) -> &mut Vec<Prompt> {
        Arc::make_mut(&mut self.0)
    }
}

impl IntoIterator for PromptList {
    type Item = Prompt;
    type IntoIter = vec::IntoIter<Prompt>;

    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.0).into_iter()
    }
}

impl<'a> IntoIterator for &'a PromptList {
    type Item = &'a Prompt;
    type IntoIter = slice::Iter<'a, Prompt>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl Serialize for PromptList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_slice().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_prompt_take_little_memory() {
        // A suite of 100,000 prompts of 1 KB is run in twice its size: so much is left for everything else.
        let bytes = size_of::<Prompt>() + size_of::<Message>();
        assert!(bytes <= 160, "{bytes}");
    }

    #[test]
    fn released_turns_are_not_stored() {
        // A manifest without them would replace the only record of what was sent.
        let stored =
            r#"{"id": "p", "messages": [{"role": "user", "content": "Why?"}], "weight": 1}"#;
        let prompt: Prompt = serde_json::from_str(stored).unwrap();
        let mut prompts = PromptList::from(vec![prompt]);
        let others = prompts.clone();
        assert!(serde_json::to_string(&prompts).unwrap().contains("Why?"));
        prompts.release_turns();
        assert!(serde_json::to_string(&prompts).is_err());
        assert_eq!(
            (prompts[0].messages.len(), others[0].messages.len()),
            (0, 1)
        );
    }
}
