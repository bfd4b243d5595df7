//! Configurations of promptfoo: prompts x tests x providers.
//!
//! Owns the meaning of its keys here. Must not know YAML's syntax. Invariants: each prompt is filled with each
//! test's variables, once; code, files and filters are skipped and reported.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::ImportError;
use super::asserts::carried_over;
use super::chat::chat;
use super::draft::{DraftGrading, DraftModel, DraftPrompt, SuiteDraft};
use super::yaml::{self, Node, Yaml};
use crate::suite::model::suite::{Message, Role};
use crate::suite::value::limits;
use crate::suite::value::template::{FillError, Template};
use crate::suite::value::text::quoted;

/// Variables and their values: one for each prompt that is made.
type Vars<'a> = BTreeMap<&'a str, &'a str>;

/// A prompt with places for variables.
struct PromptForm {
    line: usize,
    label: Option<String>,
    turns: Vec<(Role, Template)>,
}

/// Reads a configuration into `draft`.
pub(super) fn read(text: &str, draft: &mut SuiteDraft) -> Result<(), ImportError> {
    let root = yaml::parse(text)?;
    if root.entries().is_empty() {
        let message = "it is not a configuration: its keys would be prompts, providers, tests";
        return Err(ImportError::new(Some(root.line), message));
    }
    let mut forms = Vec::new();
    let nothing = Vec::new();
    let mut tests: &[Node] = &nothing;
    let mut defaults = None;
    // The line of its providers, if it names any.
    let mut providers = None;
    for (key, node) in root.entries() {
        match key.as_str() {
            "description" => draft.description = node.text().map(str::to_owned),
            "prompts" => forms.extend(node.items().iter().filter_map(|item| form(item, draft))),
            "providers" | "targets" => {
                providers = Some(node.line);
                node.items().iter().for_each(|item| model(item, draft));
            }
            "tests" => tests = node.items(),
            "defaultTest" => defaults = Some(node),
            "evaluateOptions" => options(node, draft),
            "$schema" => {}
            _ => draft.skip(node.line, format!("`{key}` is not carried over")),
        }
    }
    if let (Some(line), true) = (providers, draft.models.is_empty()) {
        let message = "none of its providers is a model of a gateway";
        return Err(ImportError {
            left_out: draft.take_skipped(),
            ..ImportError::new(Some(line), message)
        });
    }
    if let Some(test) = defaults {
        skip_rest(test, "every test's ", draft);
    }
    if tests.is_empty() {
        fill_all(&forms, None, defaults, draft);
    }
    for test in tests {
        if test.entries().is_empty() {
            let what =
                "tests in a file or script are left out: see `[[prompt_files]]` for CSV files";
            draft.skip(test.line, what);
        } else {
            fill_all(&forms, Some(test), defaults, draft);
        }
    }
    Ok(())
}

/// One of `prompts`, if it is a text or a chat that stands here.
fn form(node: &Node, draft: &mut SuiteDraft) -> Option<PromptForm> {
    let label = node.get("label").or_else(|| node.get("id"));
    let raw = node.get("raw").or_else(|| node.get("id")).unwrap_or(node);
    for (key, value) in node.entries() {
        if !["id", "label", "raw"].contains(&key.as_str()) {
            draft.skip(
                value.line,
                format!("a prompt's `{key}` is not carried over"),
            );
        }
    }
    let made = match raw.text() {
        Some(text) => turns(text),
        None => Err("it is not a string".to_owned()),
    };
    match made {
        Ok(turns) => Some(PromptForm {
            line: node.line,
            label: label.and_then(Node::text).map(str::to_owned),
            turns,
        }),
        Err(reason) => {
            draft.skip(node.line, format!("the prompt is left out: {reason}"));
            None
        }
    }
}

/// A chat as JSON, or one text of the user.
fn turns(text: &str) -> Result<Vec<(Role, Template)>, String> {
    const FILES: [&str; 9] = [
        ".txt", ".json", ".jsonl", ".yaml", ".yml", ".csv", ".js", ".py", ".md",
    ];
    let is_file = !text.contains('\n') && FILES.iter().any(|end| text.ends_with(end));
    if text.starts_with("file://") || is_file {
        return Err("it lies in a file; put its text here, or see `[[prompt_files]]`".to_owned());
    }
    if let Ok(Value::Array(items)) = serde_json::from_str(text) {
        let chat = chat(&Value::Array(items))?;
        let system = chat.system.map(|text| Message::text(Role::System, text));
        let plain = |m: &Message| m.images.is_empty() && m.tool_calls.is_empty();
        if chat.answer.is_some() || !chat.messages.iter().all(plain) {
            return Err("its chat has more than texts that end with a user's".to_owned());
        }
        let messages = system.into_iter().chain(chat.messages);
        return messages
            .map(|m| Ok((m.role, template(&m.content)?)))
            .collect();
    }
    Ok(vec![(Role::User, template(text)?)])
}

/// A template without anything but names between its braces.
fn template(text: &str) -> Result<Template, String> {
    if text.contains("{%") || text.contains("{#") {
        return Err("it has statements of Nunjucks".to_owned());
    }
    let template = Template::parse(text).map_err(|error| error.to_string())?;
    let is_name = |name: &str| {
        name.chars()
            .all(|c| c.is_alphanumeric() || "_-.".contains(c))
    };
    if let Some(other) = template.columns().find(|name| !is_name(name)) {
        return Err(format!("it has the expression {}", quoted(other)));
    }
    Ok(template)
}

/// Puts the variables of one test into every prompt.
fn fill_all<'a>(
    forms: &[PromptForm],
    test: Option<&'a Node>,
    defaults: Option<&'a Node>,
    draft: &mut SuiteDraft,
) {
    let line = test.map_or(1, |test| test.line);
    if let Some(test) = test {
        skip_rest(test, "", draft);
    }
    let vars_of = |test: Option<&'a Node>| test.and_then(|test| test.get("vars"));
    let sets = match products(vars_of(defaults), vars_of(test)) {
        Ok(sets) => sets,
        Err((line, reason)) => {
            return draft.skip(line, format!("the test is left out: {reason}"));
        }
    };
    let description = test.and_then(|test| test.get("description")?.text());
    for form in forms {
        for vars in &sets {
            let line = if test.is_some() { line } else { form.line };
            match messages(form, vars) {
                Ok((system, messages)) => {
                    let mut notes = Vec::new();
                    let grading = grading(defaults, test, vars, &mut notes, draft);
                    draft.cases.push(DraftPrompt {
                        line,
                        id: id_of(description, form, forms.len()),
                        system,
                        messages,
                        notes,
                        grading,
                    });
                }
                Err(reason) => draft.skip(line, format!("the test is left out: {reason}")),
            }
        }
    }
}

fn id_of(description: Option<&str>, form: &PromptForm, forms: usize) -> Option<String> {
    let label = form
        .label
        .as_deref()
        .filter(|_| forms > 1 || description.is_none());
    let parts: Vec<&str> = description.into_iter().chain(label).collect();
    (!parts.is_empty()).then(|| parts.join(":"))
}

fn messages(form: &PromptForm, vars: &Vars<'_>) -> Result<(Option<String>, Vec<Message>), String> {
    let mut system = None;
    let mut messages = Vec::new();
    for (role, template) in &form.turns {
        let value = |name: &str| vars.get(name).map(|value| Cow::Borrowed(*value));
        let text = template
            .fill(value, limits::PROMPT_BYTES)
            .map_err(|error| match error {
                FillError::Missing(name) => format!("it has no variable {}", quoted(&name)),
                FillError::TooLong(most) => format!("it has more than {most} bytes"),
            })?;
        if text.trim().is_empty() {
            return Err("a message of it is blank".to_owned());
        }
        match role {
            Role::System => system = Some(text),
            role => messages.push(Message::text(*role, text)),
        }
    }
    Ok((system, messages))
}

/// Every choice of one value for each variable; the test's own win over the defaults.
fn products<'a>(
    defaults: Option<&'a Node>,
    own: Option<&'a Node>,
) -> Result<Vec<Vars<'a>>, (usize, String)> {
    let mut values: BTreeMap<&str, &Node> = BTreeMap::new();
    for vars in [defaults, own].into_iter().flatten() {
        if vars.entries().is_empty() {
            return Err((vars.line, "its variables lie in a file".to_owned()));
        }
        values.extend(
            vars.entries()
                .iter()
                .map(|(name, value)| (name.as_str(), value)),
        );
    }
    let mut sets = vec![Vars::new()];
    for (name, value) in values {
        let mut choices = Vec::new();
        for item in value.items() {
            choices.push(match &item.value {
                Yaml::Null => "",
                Yaml::Text(text) if text.starts_with("file://") => {
                    return Err((item.line, format!("the variable `{name}` lies in a file")));
                }
                Yaml::Text(text) if text.contains("{{") => {
                    let reason = format!("the variable `{name}` is a template itself");
                    return Err((item.line, reason));
                }
                Yaml::Text(text) => text,
                Yaml::List(_) | Yaml::Map(_) => {
                    return Err((item.line, format!("the variable `{name}` is not a string")));
                }
            });
        }
        if sets.len() * choices.len() > limits::PRODUCT {
            let most = limits::PRODUCT;
            return Err((
                value.line,
                format!("its lists make more than {most} prompts"),
            ));
        }
        sets = sets
            .iter()
            .flat_map(|set| {
                choices.iter().map(move |choice| {
                    let mut set = set.clone();
                    set.insert(name, choice);
                    set
                })
            })
            .collect();
    }
    Ok(sets)
}

/// Reports the keys of a test that are not carried over.
fn skip_rest(test: &Node, whose: &str, draft: &mut SuiteDraft) {
    const KNOWN: [&str; 4] = ["vars", "description", "assert", "threshold"];
    for (key, node) in test.entries() {
        if !KNOWN.contains(&key.as_str()) {
            draft.skip(node.line, format!("{whose}`{key}` is not carried over"));
        }
    }
}

/// The asserts of every test, then those of this one, with its variables. What is not carried over is reported
/// and becomes a comment.
fn grading(
    defaults: Option<&Node>,
    test: Option<&Node>,
    vars: &Vars<'_>,
    notes: &mut Vec<String>,
    draft: &mut SuiteDraft,
) -> DraftGrading {
    let mut grading = DraftGrading::default();
    for level in [defaults, test].into_iter().flatten() {
        if let Some(threshold) = level.get("threshold") {
            let number = threshold.text().filter(|text| {
                let number = text.parse::<f64>();
                number.is_ok_and(|number| (0.0..=1.0).contains(&number))
            });
            match number {
                Some(number) => grading.pass_threshold = Some(number.to_owned()),
                None => draft.skip(threshold.line, "`threshold` is not carried over"),
            }
        }
        let asserts = level.get("assert");
        for assert in asserts.map(Node::items).unwrap_or_default() {
            let value = |name: &str| vars.get(name).map(|value| Cow::Borrowed(*value));
            match carried_over(assert, value) {
                Ok(table) => grading.asserts.push(table),
                Err(reason) => {
                    let kind = assert.get("type").and_then(Node::text).unwrap_or("?");
                    let value = assert.get("value").and_then(Node::text).unwrap_or_default();
                    notes.push(format!("assert {kind}: {}", Value::from(value)));
                    let what = format!("assertion `{kind}` is not carried over: {reason}");
                    draft.skip(assert.line, what);
                }
            }
        }
    }
    grading
}

/// One of `providers`, if it is a model that a gateway may have.
fn model(node: &Node, draft: &mut SuiteDraft) {
    // `id: {config}` is the short form of `{id, config}`.
    let short = match node.entries() {
        [(id, config)] if id != "id" => Some((id.as_str(), config)),
        _ => None,
    };
    let fields = short.map_or(node, |(_, config)| config);
    let id = match short {
        Some((id, _)) => Some(id),
        None => node.text().or_else(|| node.get("id")?.text()),
    };
    let Some(id) = id.and_then(gateway_id) else {
        let id = id.unwrap_or_default();
        let reason = if id.contains("{{") {
            "is a template: write the model's id"
        } else {
            "is no model of a gateway"
        };
        return draft.skip(node.line, format!("the provider {} {reason}", quoted(id)));
    };
    let mut model = DraftModel {
        id,
        label: None,
        parameters: Vec::new(),
    };
    for (key, value) in fields.entries() {
        match key.as_str() {
            "id" => {}
            "label" => model.label = value.text().map(str::to_owned),
            "config" => config(value, &mut model, draft),
            _ => draft.skip(
                value.line,
                format!("a provider's `{key}` is not carried over"),
            ),
        }
    }
    let name = |model: &DraftModel| model.label.as_ref().unwrap_or(&model.id).clone();
    let name_here = name(&model);
    if draft.models.iter().any(|other| name(other) == name_here) {
        let what = format!("the provider {} is duplicate", quoted(&name_here));
        return draft.skip(node.line, what);
    }
    draft.models.push(model);
}

/// Parameters of a provider: those that we have too.
fn config(node: &Node, model: &mut DraftModel, draft: &mut SuiteDraft) {
    for (key, value) in node.entries() {
        match parameter(key, value) {
            Some(found) if model.parameters.iter().all(|(key, _)| *key != found.0) => {
                model.parameters.push(found);
            }
            _ => {
                let what = format!("a provider's `{key}` is not carried over");
                draft.skip(value.line, what);
            }
        }
    }
}

/// `openai:chat:gpt-4o` as `openai/gpt-4o`. An id that names its creator stands as it is: it is what promptfoo
/// sends.
fn gateway_id(id: &str) -> Option<String> {
    let (host, rest) = id.split_once(':')?;
    let routes = ["chat:", "responses:", "messages:", "completion:"];
    let model = routes
        .iter()
        .find_map(|route| rest.strip_prefix(route))
        .unwrap_or(rest);
    if model.is_empty() || model.contains("{{") || model.contains(char::is_whitespace) {
        return None;
    }
    match host {
        "openrouter" | "vercel" | "litellm" => Some(model.to_owned()),
        "openai" | "anthropic" | "google" | "mistral" | "deepseek" | "xai" | "cohere" => {
            let has_creator = model.contains('/');
            Some(if has_creator {
                model.to_owned()
            } else {
                format!("{host}/{model}")
            })
        }
        _ => None,
    }
}

fn parameter(key: &str, value: &Node) -> Option<(&'static str, String)> {
    let text = value.text()?;
    match key {
        "temperature" => {
            let number: f64 = text.parse().ok()?;
            (0.0..=2.0)
                .contains(&number)
                .then(|| ("temperature", format!("{number}")))
        }
        "top_p" => {
            let number: f64 = text.parse().ok()?;
            (number > 0.0 && number <= 1.0).then(|| ("top_p", format!("{number}")))
        }
        "max_tokens" | "max_completion_tokens" | "max_output_tokens" => {
            let number: u64 = text.parse().ok()?;
            let fits = (1..=limits::MAX_TOKENS).contains(&number);
            fits.then(|| ("max_tokens", number.to_string()))
        }
        _ => None,
    }
}

/// Reads repetitions and concurrency.
fn options(node: &Node, draft: &mut SuiteDraft) {
    for (key, value) in node.entries() {
        let number = value.text().and_then(|text| text.parse::<u64>().ok());
        match (key.as_str(), number) {
            ("repeat", Some(n)) if (1..=u64::from(limits::REPETITIONS)).contains(&n) => {
                draft.repetitions = Some(n);
            }
            ("maxConcurrency", Some(n)) if (1..=u64::from(limits::CONCURRENCY)).contains(&n) => {
                draft.concurrency = Some(n);
            }
            _ => draft.skip(
                value.line,
                format!("the option `{key}` is not carried over"),
            ),
        }
    }
}
