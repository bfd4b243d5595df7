//! The prompts of a suite: each with its turns.
//!
//! Owns what a prompt and a conversation may be. Must not know about files of prompts, which use
//! the same parts. Invariant: a conversation ends where a model has something to answer, and every
//! tool call in it is answered.

use std::collections::HashSet;

use serde_json::{Map, Value as Json};

use super::asserts::{GradingSource, grading};
use super::cache::cache_control;
use super::fields::{identifier, non_empty_string, system, text_of_prompt, tool_name};
use super::parameters::{object, parameters_of};
use super::problem::Code;
use super::reader::{FirstLines, Table, Value};
use super::sources::{FileResolver, image_bytes};
use crate::suite::model::prompt::{DeclaredCall, Message, Prompt, Role};
use crate::suite::value::text::quoted;
use crate::suite::value::{defaults, limits};

/// The ids and the size of all prompts of a suite, from every source.
#[derive(Default)]
pub(super) struct IdRegistry {
    /// Place of the first use of each id.
    pub(super) ids: FirstLines,
    /// Bytes of all prompts so far.
    pub(super) bytes: usize,
    /// Prompts so far.
    pub(super) count: usize,
}

/// A turn as the suite writes it; its images are resolved later.
pub(super) struct TurnSource<'a> {
    pub(super) message: Message,
    /// Place of the text, if there is one.
    pub(super) content: Option<Value<'a>>,
    /// Place of each image's path or URL.
    pub(super) images: Vec<Value<'a>>,
}

/// The prompts under `[[prompts]]`.
pub(super) fn prompts<'a>(
    value: &Value<'a>,
    files: &FileResolver<'_>,
    registry: &mut IdRegistry,
    defaults: &GradingSource<'a>,
) -> Option<Vec<Prompt>> {
    let items = value.items(limits::PROMPTS, "tables under `[[prompts]]`")?;
    if items.is_empty() {
        let message = "`prompts` is empty: nothing would be sent".to_owned();
        value.report(Code::BadValue, message, None);
        return None;
    }
    let prompts: Vec<_> = items
        .iter()
        .map(|item| item.table("a prompt", |table| prompt(table, files, registry, defaults))?)
        .collect();
    prompts.into_iter().collect()
}

fn prompt<'a>(
    table: &mut Table<'a>,
    files: &FileResolver<'_>,
    registry: &mut IdRegistry,
    defaults: &GradingSource<'a>,
) -> Option<Prompt> {
    let id = table
        .required("id", "add `id = \"a-short-name\"`")
        .and_then(|value| unique_id(&value, &mut registry.ids));
    let system = system(table, files, text_of_prompt);
    let turns = conversation(table);
    let messages = turns.and_then(|turns| {
        let messages: Vec<_> = turns.into_iter().map(|turn| message(turn, files)).collect();
        messages.into_iter().collect::<Option<Vec<_>>>()
    });
    let weight = weight(table);
    let tags = tags(table);
    let metadata = metadata(table);
    let parameters = parameters_of(table);
    let grading = grading(table, files, false);
    let grading = grading.and_then(|own| defaults.of_prompt(&own, &tags))?;
    let prompt = Prompt {
        id: id?,
        system: system.into(),
        messages: messages?.into(),
        weight: weight?,
        tags: tags.into(),
        metadata: metadata.into(),
        parameters: parameters.into(),
        asserts: grading.asserts,
        pass_threshold: grading.pass_threshold.into(),
    };
    if let Err(problem) = registry.admit(&prompt) {
        table.report_wrong(Code::TooLarge, problem, None);
        return None;
    }
    Some(prompt)
}

impl IdRegistry {
    /// Counts a prompt, or reports the limit that it exceeds.
    pub(super) fn admit(&mut self, prompt: &Prompt) -> Result<(), String> {
        let texts = prompt.messages.iter().map(|message| &message.content);
        let text_bytes: usize = texts.chain(&*prompt.system).map(String::len).sum();
        if text_bytes > limits::PROMPT_BYTES {
            let max = limits::PROMPT_BYTES;
            return Err(format!(
                "a prompt has {text_bytes} bytes of text; at most {max} are allowed"
            ));
        }
        self.count += 1;
        if self.count > limits::PROMPTS {
            return Err(format!("a suite has at most {} prompts", limits::PROMPTS));
        }
        let images = prompt.messages.iter().flat_map(|message| &message.images);
        self.weigh(text_bytes + images.map(image_bytes).sum::<usize>())
    }

    /// Counts a prompt that was made, and reports at `value` if its id is in use, or a limit exceeded.
    pub(super) fn register(&mut self, prompt: &Prompt, value: &Value<'_>) -> Option<()> {
        if let Some(first) = self.ids.note(&prompt.id, value) {
            let message = format!("the id {} is used twice", quoted(&prompt.id));
            value.report(
                Code::Duplicate,
                message,
                Some(format!("the first is {first}")),
            );
            return None;
        }
        let admitted = self.admit(prompt);
        if let Err(message) = &admitted {
            value.report(Code::TooLarge, message.clone(), None);
        }
        admitted.ok()
    }

    /// Counts bytes of a prompt, or reports that there are too many.
    pub(super) fn weigh(&mut self, bytes: usize) -> Result<(), String> {
        self.bytes += bytes;
        if self.bytes > limits::PROMPTS_BYTES {
            let max = limits::PROMPTS_BYTES >> 20;
            return Err(format!("the prompts of a suite have at most {max} MiB"));
        }
        Ok(())
    }
}

fn unique_id(value: &Value<'_>, ids: &mut FirstLines) -> Option<String> {
    let id = identifier(value)?;
    match ids.note(&id, value) {
        None => Some(id),
        Some(first) => {
            let message = format!("the id {} is used twice", quoted(&id));
            let help = format!("the first is {first}");
            value.report(Code::Duplicate, message, Some(help));
            None
        }
    }
}

/// The message of a turn, with its images; `None` if one of them was reported as invalid.
fn message(turn: TurnSource<'_>, files: &FileResolver<'_>) -> Option<Message> {
    let mut message = turn.message;
    if let Some(value) = &turn.content {
        message.content = text_of_prompt(value)?;
    }
    for value in &turn.images {
        match files.image(value.as_str()?) {
            // Not loaded yet: the result of this pass is discarded.
            None => {}
            Some(Ok(image)) => message.images.push(image),
            Some(Err(problem)) => {
                value.report(Code::File, problem, None);
                return None;
            }
        }
    }
    Some(message)
}

/// Returns the turns of `user` (with `images`) or `messages`.
pub(super) fn conversation<'a>(table: &mut Table<'a>) -> Option<Vec<TurnSource<'a>>> {
    let user = table.field("user");
    let messages = table.field("messages");
    let images = table.field("images");
    match (user, messages) {
        (Some(user), None) => {
            let images = images.map_or(Some(Vec::new()), |value| image_names(&value));
            let content = non_empty_string(&user)?;
            Some(vec![TurnSource {
                message: Message::text(Role::User, content),
                content: Some(user),
                images: images?,
            }])
        }
        (None, Some(messages)) => {
            if let Some(images) = &images {
                let text = "`images` cannot be used with `messages`".to_owned();
                let help = "write it in the message that shows them".to_owned();
                images.report(Code::Conflict, text, Some(help));
            }
            turns(&messages)
        }
        (Some(user), Some(messages)) => {
            non_empty_string(&user);
            turns(&messages);
            let text = "a prompt has both `user` and `messages`".to_owned();
            let help = "keep `user` for one message, `messages` for a conversation".to_owned();
            user.report(Code::Conflict, text, Some(help));
            None
        }
        (None, None) => {
            table.missing(&["user", "messages"], "add `user = \"...\"`");
            None
        }
    }
}

fn turns<'a>(value: &Value<'a>) -> Option<Vec<TurnSource<'a>>> {
    let items = value.items(
        limits::MESSAGES,
        "an array of tables with `role` and `content`",
    )?;
    let turns: Vec<_> = items
        .iter()
        .map(|item| item.table("a message", turn)?)
        .collect();
    let Some(last) = items.last() else {
        value.report(Code::BadValue, "`messages` is empty".to_owned(), None);
        return None;
    };
    let turns: Vec<TurnSource<'a>> = turns.into_iter().collect::<Option<_>>()?;
    let calls = check_calls(&turns, &items);
    if turns
        .last()
        .is_some_and(|turn| turn.message.role == Role::Assistant)
    {
        let message = "the last message must be the user's: there is nothing to answer".to_owned();
        last.report(Code::BadValue, message, None);
        return None;
    }
    calls.then_some(turns)
}

/// Checks that every declared call has a unique id and is answered by the tool's turns right after it, as every
/// endpoint demands; reports what is wrong.
fn check_calls(turns: &[TurnSource<'_>], items: &[Value<'_>]) -> bool {
    let mut fine = true;
    let mut report_wrong = |item: &Value<'_>, message: String, help: &str| {
        item.report(Code::BadValue, message, Some(help.to_owned()));
        fine = false;
    };
    let mut used: HashSet<&str> = HashSet::new();
    // The calls that wait for an answer, and the turn that made them.
    let mut open: Vec<(&str, &Value<'_>)> = Vec::new();
    for (turn, item) in turns.iter().zip(items) {
        let message = &turn.message;
        if let Some(id) = &*message.tool_call_id {
            match open.iter().position(|(call, _)| call == id) {
                Some(place) => {
                    open.swap_remove(place);
                }
                None => report_wrong(
                    item,
                    format!("no call {} awaits an answer here", quoted(id)),
                    "an assistant's message before it declares it under `tool_calls`",
                ),
            }
            continue;
        }
        if message.role == Role::Tool {
            // It lacks its call's id, which is reported; the intended call is unknown.
            open.clear();
            continue;
        }
        for (id, caller) in open.drain(..) {
            let text = format!("the call {} is not answered", quoted(id));
            let help = "add a message with `role = \"tool\"` and its `tool_call_id` after it";
            report_wrong(caller, text, help);
        }
        // Calls of other roles are reported where they stand.
        let calls = message.tool_calls.iter();
        for call in calls.filter(|_| message.role == Role::Assistant) {
            if !used.insert(&call.id) {
                let text = format!("the call {} is made twice", quoted(&call.id));
                report_wrong(item, text, "give each call a unique id");
            }
            open.push((&call.id, item));
        }
    }
    for (id, caller) in open {
        let text = format!("the call {} is not answered", quoted(id));
        let help = "add a message with `role = \"tool\"` and its `tool_call_id` after it";
        report_wrong(caller, text, help);
    }
    fine
}

fn turn<'a>(table: &mut Table<'a>) -> Option<TurnSource<'a>> {
    let role = table
        .required("role", "add `role = \"user\"`")
        .and_then(|value| speaker(&value));
    let tool_calls = table.field("tool_calls");
    let content = if tool_calls.is_some() {
        table.field("content")
    } else {
        table.required("content", "add `content = \"...\"`")
    };
    let has_text = tool_calls.is_some() || content.is_some();
    let text = match &content {
        Some(value) => non_empty_string(value).map(str::to_owned),
        None => has_text.then(String::new),
    };
    let images = table.field("images");
    let call_id = table.field("tool_call_id");
    let mark = table.field("cache_control");
    if let (Some(mark), None) = (&mark, &content) {
        let message = "`cache_control` marks text, and there is none".to_owned();
        mark.report(Code::Conflict, message, Some("add `content`".to_owned()));
    }
    if let Some(role) = role {
        belongs(images.as_ref(), role, Role::User, "a user's");
        belongs(tool_calls.as_ref(), role, Role::Assistant, "an assistant's");
        belongs(call_id.as_ref(), role, Role::Tool, "a tool's");
        if role == Role::Tool && call_id.is_none() {
            table.missing(
                &["tool_call_id"],
                "add the `id` of the call that it answers",
            );
        }
    }
    let images = images.map_or(Some(Vec::new()), |value| image_names(&value));
    let tool_calls = tool_calls.map_or(Some(Vec::new()), |value| calls(&value));
    let tool_call_id = match call_id {
        Some(value) => Some(value.bounded_string(limits::ID_CHARS)?.to_owned()),
        None => None,
    };
    let cache_control = match mark {
        Some(value) => Some(cache_control(&value)?),
        None => None,
    };
    Some(TurnSource {
        message: Message {
            tool_calls: tool_calls?.into(),
            tool_call_id: tool_call_id.into(),
            cache_control,
            ..Message::text(role?, text?)
        },
        content,
        images: images?,
    })
}

fn speaker(value: &Value<'_>) -> Option<Role> {
    const SPEAKERS: [(&str, Role); 3] = [
        ("user", Role::User),
        ("assistant", Role::Assistant),
        ("tool", Role::Tool),
    ];
    if value.as_str() == Some("system") {
        let message = "system text is not a message here".to_owned();
        let help = "write it as `system = \"...\"` of the prompt or of the suite";
        value.report(Code::BadValue, message, Some(help.to_owned()));
        return None;
    }
    value.word(&SPEAKERS)
}

/// Reports a key in a turn of a role to which it does not belong.
fn belongs(value: Option<&Value<'_>>, role: Role, owner: Role, whose: &str) {
    if let Some(value) = value.filter(|_| role != owner) {
        let message = format!("{} is for {whose} message only", value.name());
        value.report(Code::Conflict, message, None);
    }
}

fn image_names<'a>(value: &Value<'a>) -> Option<Vec<Value<'a>>> {
    let items = value.items(limits::IMAGES, "an array of paths and URLs")?;
    let named: Vec<_> = items
        .iter()
        .map(|item| item.bounded_string(limits::IMAGE_URL_BYTES))
        .collect();
    named.iter().all(Option::is_some).then_some(items)
}

fn calls(value: &Value<'_>) -> Option<Vec<DeclaredCall>> {
    let items = value.items(limits::TOOLS, "an array of tables with `id` and `name`")?;
    let calls: Vec<_> = items
        .iter()
        .map(|item| item.table("a tool call", call)?)
        .collect();
    calls.into_iter().collect()
}

fn call(table: &mut Table<'_>) -> Option<DeclaredCall> {
    let id = table
        .required("id", "add `id = \"call-1\"`")
        .and_then(|value| value.bounded_string(limits::ID_CHARS).map(str::to_owned));
    let name = table
        .required("name", "add the tool's `name`")
        .and_then(|value| tool_name(&value));
    let arguments = match table.field("arguments") {
        None => Some("{}".to_owned()),
        Some(value) if value.is_string() => {
            let text = non_empty_string(&value)?;
            let is_object = matches!(serde_json::from_str(text), Ok(serde_json::Value::Object(_)));
            if !is_object {
                value.report_wrong(
                    Code::BadValue,
                    "a table, or a JSON object as a string",
                    None,
                );
            }
            is_object.then(|| text.to_owned())
        }
        Some(value) if value.is_table() => value.json().map(|arguments| arguments.to_string()),
        Some(value) => {
            value.report_wrong(
                Code::WrongType,
                "a table, or a JSON object as a string",
                None,
            );
            None
        }
    };
    Some(DeclaredCall {
        id: id?,
        name: name?,
        arguments: arguments?,
    })
}

pub(super) fn weight(table: &mut Table<'_>) -> Option<f64> {
    let Some(value) = table.field("weight") else {
        return Some(defaults::WEIGHT);
    };
    let range = limits::WEIGHT_MIN..=limits::WEIGHT_MAX;
    value.number("a number above 0, from 1e-9 to 1e9", |weight| {
        range.contains(&weight)
    })
}

/// The user's own values, as JSON.
pub(super) fn metadata(table: &mut Table<'_>) -> Map<String, Json> {
    let Some(value) = table.field("metadata") else {
        return Map::new();
    };
    let object = object(&value).unwrap_or_default();
    let bytes = Json::Object(object.clone()).to_string().len();
    if bytes > limits::METADATA_BYTES {
        let max = limits::METADATA_BYTES;
        let message = format!("`metadata` has {bytes} bytes as JSON; at most {max} are read");
        value.report(Code::TooLarge, message, None);
    }
    object
}

pub(super) fn tags(table: &mut Table<'_>) -> Vec<String> {
    let Some(value) = table.field("tags") else {
        return Vec::new();
    };
    let items = value.items(limits::TAGS, "an array of strings");
    let mut seen = HashSet::new();
    let items = items.unwrap_or_default();
    let tags = items.iter().filter_map(|item| {
        let tag = identifier(item)?;
        if !seen.insert(tag.clone()) {
            let message = format!("the tag {} is duplicate", quoted(&tag));
            item.report(Code::Duplicate, message, None);
        }
        Some(tag)
    });
    tags.collect()
}
