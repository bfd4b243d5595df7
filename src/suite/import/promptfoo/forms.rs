//! Prompts of promptfoo: texts and chats with places for variables.
//!
//! Owns where a prompt stands (in the configuration, in a file), and what of it is a chat. Must not know the tests.
//! Invariant: a prompt is read once; code is reported, not run.

use std::path::Path;

use serde_json::Value;

use super::nunjucks::{Vars, is_template, render};
use super::yaml::{self, Node};
use crate::suite::LoadedFile;
use crate::suite::import::OpenFiles;
use crate::suite::import::chat::chat;
use crate::suite::import::draft::SuiteDraft;
use crate::suite::model::prompt::{Message, Role};
use crate::suite::value::template::Template;
use crate::suite::value::text::quoted;

/// Extensions of prompts that are texts.
const TEXTS: [&str; 2] = ["txt", "md"];
/// Extensions of prompts that are chats.
const CHATS: [&str; 3] = ["json", "yaml", "yml"];

/// A prompt with places for variables.
#[derive(Debug, Clone)]
pub(super) struct PromptForm {
    pub(super) line: usize,
    pub(super) label: Option<String>,
    /// Each a template.
    pub(super) turns: Vec<(Role, String)>,
    /// The file of texts that is this prompt, and nothing but it.
    pub(super) file: Option<String>,
}

/// Adds the prompts of one entry of `prompts`.
pub(super) fn add_forms(
    node: &Node,
    open: &OpenFiles<'_>,
    forms: &mut Vec<PromptForm>,
    draft: &mut SuiteDraft,
) {
    let label = node.get("label").or_else(|| node.get("id"));
    let label = label.and_then(Node::text).map(str::to_owned);
    let raw = node.get("raw").or_else(|| node.get("id")).unwrap_or(node);
    for (key, value) in node.entries() {
        if !["id", "label", "raw"].contains(&key.as_str()) {
            draft.skip(value.line, format!("a prompt's `{key}` is not imported"));
        }
    }
    let made = match raw.text() {
        Some(text) => match named_file(text) {
            Some(path) => of_files(path, open),
            None => turns(text).map(|turns| vec![(turns, None)]),
        },
        None => Err("it is not a string".to_owned()),
    };
    match made {
        Ok(made) => forms.extend(made.into_iter().map(|(turns, file)| PromptForm {
            line: node.line,
            label: label.clone(),
            turns,
            file,
        })),
        Err(reason) => draft.skip(node.line, format!("the prompt is skipped: {reason}")),
    }
}

/// The path of a text that names a file.
pub(super) fn named_file(text: &str) -> Option<&str> {
    const SCRIPTS: [&str; 7] = ["csv", "js", "cjs", "mjs", "ts", "py", "jsonl"];
    if let Some(path) = text.strip_prefix("file://") {
        return Some(path);
    }
    let extension = extension(text)?;
    let known = [TEXTS.as_slice(), &CHATS, &SCRIPTS].concat();
    let is_line = !text.contains('\n') && !is_template(text) && !text.contains(' ');
    (is_line && known.contains(&extension)).then_some(text)
}

/// The extension of a path, of a script without the name of its function.
pub(super) fn extension(path: &str) -> Option<&str> {
    Path::new(path).extension()?.to_str()?.split(':').next()
}

/// A file as text.
pub(super) fn text_of(file: &LoadedFile) -> Result<&str, String> {
    let text = std::str::from_utf8(&file.bytes);
    let text = text.map_err(|_| format!("`{}` is not UTF-8 text", file.name))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The turns of a prompt, and the file that is this prompt alone.
type FileForm = (Vec<(Role, String)>, Option<String>);

fn of_files(path: &str, open: &OpenFiles<'_>) -> Result<Vec<FileForm>, String> {
    let is_known = |extension: &str| TEXTS.contains(&extension) || CHATS.contains(&extension);
    match extension(path) {
        Some("js" | "cjs" | "mjs" | "ts" | "py") => return Err("code is not run".to_owned()),
        Some(extension) if is_known(extension) => {}
        _ => {
            let reason = format!("{} is no file of texts or of a chat", quoted(path));
            return Err(reason);
        }
    }
    let files = open(path)?;
    let is_one = files.len() == 1;
    let mut all = Vec::new();
    for file in &files {
        let text = text_of(file)?;
        let is_text = extension(&file.name).is_some_and(|end| TEXTS.contains(&end));
        // A line of three hyphens divides the prompts of one file.
        let parts: Vec<&str> = if is_text {
            text.split("\n---\n").map(str::trim).collect()
        } else {
            vec![text]
        };
        let is_whole = is_one && is_text && parts.len() == 1 && !is_template(text);
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            all.push((turns(part)?, is_whole.then(|| path.to_owned())));
        }
    }
    Ok(all)
}

/// A chat as JSON or YAML, or one text of the user.
fn turns(text: &str) -> Result<Vec<(Role, String)>, String> {
    let items = match serde_json::from_str(text) {
        Ok(Value::Array(items)) => Some(Value::Array(items)),
        _ if text.trim_start().starts_with("- role:") => {
            let node = yaml::parse(text).map_err(|error| error.message)?;
            Some(node.json())
        }
        _ => None,
    };
    match items {
        Some(items) => turns_of_chat(&items),
        None => Ok(vec![(Role::User, text.to_owned())]),
    }
}

fn turns_of_chat(items: &Value) -> Result<Vec<(Role, String)>, String> {
    let chat = chat(items)?;
    let system = chat.system.map(|text| Message::text(Role::System, text));
    let plain = |m: &Message| m.images.is_empty() && m.tool_calls.is_empty();
    if chat.answer.is_some() || !chat.messages.iter().all(plain) {
        return Err("its chat must have only text messages and end with a user message".to_owned());
    }
    let messages = system.into_iter().chain(chat.messages);
    Ok(messages.map(|m| (m.role, m.content)).collect())
}

impl PromptForm {
    /// The prompt with these variables: its system text and its messages.
    pub(super) fn filled(&self, vars: &Vars) -> Result<(Option<String>, Vec<Message>), String> {
        let mut turns = Vec::new();
        for (role, template) in &self.turns {
            turns.push((*role, render(template, vars)?));
        }
        // Statements around the turns of a chat are evaluated before it is one.
        if let [(Role::User, text)] = turns.as_slice()
            && let Ok(Value::Array(items)) = serde_json::from_str(text)
            && items.iter().all(|item| item.get("role").is_some())
            && !items.is_empty()
        {
            turns = turns_of_chat(&Value::Array(items))?;
        }
        let mut system = None;
        let mut messages = Vec::new();
        for (role, text) in turns {
            if text.trim().is_empty() {
                return Err("one of its messages is blank".to_owned());
            }
            match role {
                Role::System => system = Some(text),
                role => messages.push(Message::text(role, text)),
            }
        }
        Ok((system, messages))
    }

    /// Returns true if nothing but names stands between its braces, so that rows of a file can fill it.
    pub(super) fn is_row_template(&self) -> bool {
        self.turns.iter().all(|(_, text)| {
            let is_name = |name: &str| name.chars().all(|c| c.is_alphanumeric() || c == '_');
            !text.contains("{%")
                && !text.contains("{#")
                && Template::parse(text).is_ok_and(|template| template.columns().all(is_name))
        })
    }

    /// The names between its braces.
    pub(super) fn places(&self) -> Vec<String> {
        let templates = self.turns.iter().map(|(_, text)| Template::parse(text));
        let names = templates.flatten().flat_map(|template| {
            let names: Vec<String> = template.columns().map(str::to_owned).collect();
            names
        });
        names.collect()
    }
}
