//! Files of JSON: a row on each line, or one array of conversations.
//!
//! Owns the keys under which other tools keep prompts. Must not know how a suite is written.
//! Invariant: until there are enough prompts, every row becomes one, or is reported with its line and the reason.

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::ImportError;
use super::chat::{Chat, chat};
use super::draft::{DraftGrading, DraftPrompt, SuiteDraft};
use super::evals::{evals_turns, foreign_samples};
use crate::suite::model::prompt::{Message, Role};
use crate::suite::parse::rows::fault_of_line;
use crate::units::plural;

/// Keys that hold the text of a prompt, the first that is there wins: those of `GuideLLM`, which
/// knows the habits of most data sets.
const PROMPT_KEYS: [&str; 9] = [
    "prompt",
    "instruction",
    "question",
    "input",
    "context",
    "content",
    "conversation",
    "turn",
    "text",
];
/// Keys that hold a whole conversation.
const CHAT_KEYS: [&str; 2] = ["messages", "conversations"];
/// Keys that hold the system text.
const SYSTEM_KEYS: [&str; 3] = ["system_prompt", "system", "prefix"];
/// Keys that hold an id.
const ID_KEYS: [&str; 4] = ["id", "custom_id", "key", "session_id"];
/// Keys that hold the expected answer.
const ANSWER_KEYS: [&str; 6] = [
    "ideal",
    "target",
    "expected",
    "answer",
    "completion",
    "output",
];

/// The rows of a file, as far as they were read.
#[derive(Clone, Copy)]
pub(super) struct Rows<'t> {
    pub(super) text: &'t str,
    /// True if the file goes on behind `text`.
    pub(super) is_cut: bool,
    /// The most prompts that are made.
    pub(super) take: usize,
}

impl Rows<'_> {
    /// Hands every JSON line to `add`, until there are enough prompts.
    fn each(self, draft: &mut SuiteDraft, mut add: impl FnMut(&mut SuiteDraft, usize, JsonRow)) {
        let whole = if self.is_cut {
            self.text.rfind('\n').map_or("", |end| &self.text[..end])
        } else {
            self.text
        };
        for (index, text) in whole.lines().enumerate() {
            let line = index + 1;
            // Some writers put several objects on a line.
            let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text)
                .into_iter()
                .collect();
            let values = match values {
                Ok(values) => values,
                Err(error) => {
                    draft.skip(line, fault_of_line(&error));
                    continue;
                }
            };
            for value in values {
                if draft.cases.len() >= self.take {
                    return;
                }
                match value {
                    Value::Object(row) => add(draft, line, row),
                    _ => draft.skip(line, "this line is not a JSON object"),
                }
            }
        }
    }

    /// The entries of a JSON array; of one that is cut, those that are whole.
    fn entries(&self) -> Result<Vec<&RawValue>, ImportError> {
        if !self.is_cut {
            return serde_json::from_str(self.text).map_err(|error| {
                let line = Some(error.line()).filter(|line| *line > 0);
                let message = format!("it is not an array of JSON objects: {error}");
                ImportError::new(line, message)
            });
        }
        let begins = self.text.trim_start().strip_prefix('[');
        let mut rest = begins
            .ok_or_else(|| ImportError::new(Some(1), "it is not an array of JSON objects"))?;
        let mut entries = Vec::new();
        loop {
            let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
            let Some(Ok(entry)) = stream.next() else {
                return Ok(entries);
            };
            entries.push(entry);
            let after = rest[stream.byte_offset()..].trim_start();
            let Some(next) = after.strip_prefix(',') else {
                return Ok(entries);
            };
            rest = next;
        }
    }
}

/// One JSON line.
type JsonRow = Map<String, Value>;

/// Samples of `OpenAI` evals: `input` is a text or a conversation, `ideal` the expected answer.
pub(super) fn openai_evals(rows: Rows<'_>, draft: &mut SuiteDraft) {
    let mut other: Option<JsonRow> = None;
    rows.each(draft, |draft, line, row| {
        if !row
            .get("input")
            .is_some_and(|input| input.is_string() || input.is_array())
        {
            other.get_or_insert_with(|| row.clone());
        }
        let mut notes = Vec::new();
        add(draft, line, row, |row| {
            let input = row.remove("input").ok_or("it has no `input`")?;
            to_chat(match input {
                Value::Array(items) => Value::Array(evals_turns(items, &mut notes)),
                other => other,
            })
        });
        for note in notes {
            draft.skip(line, note);
        }
    });
    draft.empty_reason = other.map(|row| format!("it is not imported: {}", foreign_samples(&row)));
}

/// JSON lines of unknown making.
pub(super) fn any(rows: Rows<'_>, draft: &mut SuiteDraft) {
    rows.each(draft, |draft, line, row| {
        add(draft, line, row, |row| {
            if let Some(Value::Object(body)) = row.remove("body") {
                // A batch of requests: the prompt is in the body of each one.
                row.extend(body);
            }
            let mut keys = CHAT_KEYS.iter().chain(&PROMPT_KEYS);
            let key = keys.find(|key| row.contains_key(**key));
            let key = key.ok_or("none of its keys is known as a prompt")?;
            to_chat(row.remove(*key).unwrap_or_default())
        });
    });
}

/// Conversations, each message with `from` and `value`: an array of them, or one on each line.
pub(super) fn sharegpt(rows: Rows<'_>, draft: &mut SuiteDraft) -> Result<(), ImportError> {
    let text = rows.text;
    if text.trim_start().starts_with('{') {
        rows.each(draft, add_conversation);
        return Ok(());
    }
    // Entries are parts of the text, in its order: their lines are counted as we go.
    let (mut line, mut counted) = (1, 0);
    for entry in rows.entries()? {
        if draft.cases.len() >= rows.take {
            break;
        }
        let at = entry.get().as_ptr() as usize - text.as_ptr() as usize;
        line += memchr::memchr_iter(b'\n', &text.as_bytes()[counted..at]).count();
        counted = at;
        match serde_json::from_str(entry.get()) {
            Ok(Value::Object(row)) => add_conversation(draft, line, row),
            _ => draft.skip(line, "this entry is not an object"),
        }
    }
    Ok(())
}

/// Adds a conversation without what the assistant said before its user: such parts are the rest of an earlier
/// conversation that was cut.
fn add_conversation(draft: &mut SuiteDraft, line: usize, mut row: JsonRow) {
    let key = CHAT_KEYS.iter().rev().find(|key| row.contains_key(**key));
    let mut dropped = 0;
    if let Some(Value::Array(turns)) = key.and_then(|key| row.get_mut(*key)) {
        let is_system = |turn: &Value| matches!(role_of(turn), Some("system"));
        let first = turns.iter().position(|turn| !is_system(turn));
        let first = first.unwrap_or(turns.len());
        let of_assistant = |turn: &&Value| !matches!(role_of(turn), Some("human" | "user"));
        let leading = turns[first..].iter().take_while(of_assistant).count();
        // A conversation without a user is left out whole, with that reason.
        if first + leading < turns.len() {
            turns.drain(first..first + leading);
            dropped = leading;
        }
    }
    let cases = draft.cases.len();
    add(draft, line, row, |row| {
        let turns = key.and_then(|key| row.remove(*key));
        to_chat(turns.ok_or("it has no `conversations`")?)
    });
    if dropped > 0 && draft.cases.len() > cases {
        let turns = plural(dropped, "turn");
        draft.skip(
            line,
            format!("{turns} of the assistant before the first of the user left out"),
        );
    }
}

/// The speaker of a turn, in either spelling.
fn role_of(turn: &Value) -> Option<&str> {
    turn.get("from").or_else(|| turn.get("role"))?.as_str()
}

fn add(
    draft: &mut SuiteDraft,
    line: usize,
    mut row: JsonRow,
    prompt: impl FnOnce(&mut JsonRow) -> Result<Chat, String>,
) {
    let mut chat = match prompt(&mut row) {
        Ok(chat) => chat,
        Err(reason) => {
            return draft.skip(line, format!("the prompt is skipped: {reason}"));
        }
    };
    let id = ID_KEYS.iter().find_map(|key| row.remove(*key)).map(plain);
    if chat.system.is_none() {
        let system = SYSTEM_KEYS
            .iter()
            .find_map(|key| row.remove(*key))
            .map(plain);
        chat.system = system.filter(|text| !text.trim().is_empty());
    }
    let mut notes = Vec::new();
    for key in ANSWER_KEYS {
        if let Some(answer) = row.remove(key) {
            notes.push(format!("{key}: {answer}"));
            draft.skip(
                line,
                format!("`{key}` became a comment: add an `assert` that says what is right"),
            );
        }
    }
    if let Some(answer) = chat.answer {
        notes.push(format!("answer: {}", Value::from(answer)));
        draft.skip(line, "the answer at the end became a comment");
    }
    for key in row.keys() {
        draft.skip(line, format!("the key `{key}` is not imported"));
    }
    draft.cases.push(DraftPrompt {
        line,
        id,
        system: chat.system,
        messages: chat.messages,
        notes,
        grading: DraftGrading::default(),
    });
}

/// Converts a prompt's value: a text, or a conversation in either spelling.
fn to_chat(value: Value) -> Result<Chat, String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Ok(Chat {
            system: None,
            messages: vec![Message::text(Role::User, text)],
            answer: None,
        }),
        Value::Array(items) => {
            let turns: Vec<Value> = items.into_iter().map(spelled_as_chat).collect();
            chat(&Value::from(turns))
        }
        _ => Err("its prompt is neither a string nor a conversation".to_owned()),
    }
}

/// `from` and `value` as `role` and `content`.
fn spelled_as_chat(mut item: Value) -> Value {
    if item.get("from").is_some() && item.get("role").is_none() {
        let [from, value] = ["from", "value"].map(|key| item[key].take());
        return json!({ "role": from, "content": value });
    }
    item
}

/// A text as it is, anything else as JSON.
fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
