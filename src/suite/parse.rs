//! From the text of a suite file to a checked [`Suite`].
//!
//! Owns what each key of a suite means and what makes its value wrong. Must not know how TOML is
//! walked or how problems are shown. Invariant: the keys read here are those of [`super::wire`].

use std::collections::HashSet;

use crate::units::{ModelId, Nanos};

use super::base_url::{BaseUrl, is_url};
use super::duration::parse_duration;
use super::model::{Message, Parameters, Prompt, Role, Suite, Timeouts, Variant};
use super::parameters::parameters_of;
use super::problem::{Code, Problems, nearest, quoted};
use super::reader::{self, File, FirstLines, Table, Value};
use super::{defaults, limits, wire};

/// Reads a suite file, or says everything that is wrong with it.
pub fn parse_suite(text: &str) -> Result<Suite, Problems> {
    const FILE: File = File {
        what: "the suite",
        max_bytes: limits::SUITE_BYTES,
        home: wire::suite_home,
    };
    reader::read(text, &FILE, suite)
}

fn suite(table: &mut Table<'_>) -> Option<Suite> {
    // Every key is read before a missing one ends the whole, so that all problems are told.
    let name = table
        .required("name", "add `name = \"my-suite\"`")
        .and_then(|value| suite_name(&value));
    let description = table
        .field("description")
        .and_then(|value| value.written(limits::DESCRIPTION_CHARS))
        .map(str::to_owned);
    let variants = table
        .required("models", "add `models = [\"openai/gpt-5-mini\"]`")
        .and_then(|value| variants(&value));
    let reference = reference(table, variants.as_deref());
    let endpoint = endpoint(table);
    let repetitions = table
        .field("repetitions")
        .and_then(|value| value.whole(1..=limits::REPETITIONS));
    let warmup = table
        .field("warmup")
        .and_then(|value| value.whole(0..=limits::WARMUP));
    let concurrency = table
        .field("concurrency")
        .and_then(|value| value.whole(1..=limits::CONCURRENCY));
    let seed = table
        .field("seed")
        .and_then(|value| value.whole(0..=limits::SEED));
    let stream = table.field("stream").and_then(|value| value.truth());
    let keep_answers = table.field("keep_answers").and_then(|value| value.truth());
    let max_attempts = table
        .field("max_attempts")
        .and_then(|value| value.whole(1..=limits::ATTEMPTS));
    let timeouts = timeouts(table);
    let system = system(table);
    let parameters = parameters_of(table);
    let prompts = table
        .required(
            "prompts",
            "add a `[[prompts]]` with an `id` and a `user` text",
        )
        .and_then(|value| prompts(&value));
    Some(Suite {
        name: name?,
        description,
        endpoint: endpoint?,
        variants: variants?,
        reference: reference?,
        repetitions: repetitions.unwrap_or(defaults::REPETITIONS),
        warmup: warmup.unwrap_or(defaults::WARMUP),
        concurrency: concurrency.unwrap_or(defaults::CONCURRENCY),
        seed: seed.unwrap_or(defaults::SEED),
        stream: stream.unwrap_or(defaults::STREAM),
        keep_answers: keep_answers.unwrap_or(defaults::KEEP_ANSWERS),
        max_attempts: max_attempts.unwrap_or(defaults::MAX_ATTEMPTS),
        timeouts,
        system,
        parameters,
        prompts: prompts?,
    })
}

fn suite_name(value: &Value<'_>) -> Option<String> {
    let name = value.written(limits::NAME_CHARS)?;
    let inside = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let at_ends = |c: char| c.is_ascii_alphanumeric();
    if name.chars().all(inside) && name.starts_with(at_ends) && name.ends_with(at_ends) {
        return Some(name.to_owned());
    }
    let wanted = "made of letters, digits, `-`, `_` and `.`, with a letter or digit at each end";
    let help = "a folder under reports/ gets this name".to_owned();
    value.wrong(Code::BadValue, wanted, Some(help));
    None
}

fn endpoint(table: &mut Table<'_>) -> Option<String> {
    let Some(value) = table.field("endpoint") else {
        return Some(defaults::ENDPOINT.to_owned());
    };
    let text = value.written(limits::URL_BYTES)?;
    if !is_url(text) {
        // Whether a profile has this name is known only beside the project file.
        return identifier(&value);
    }
    BaseUrl::read(&value).map(|url| url.0)
}

/// An id, a tag or a profile's name: what can be typed after a flag without quotation marks.
fn identifier(value: &Value<'_>) -> Option<String> {
    let text = value.written(limits::ID_CHARS)?;
    if is_identifier(text) {
        return Some(text.to_owned());
    }
    let wanted = "made of letters, digits, `-`, `_`, `.`, `/` and `:`";
    value.wrong(Code::BadValue, wanted, None);
    None
}

/// Whether `text` is made of the characters of ids, tags and profiles' names.
pub(super) fn is_identifier(text: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || "-_./:".contains(c);
    !text.is_empty() && text.chars().all(fits) && text.chars().nth(limits::ID_CHARS).is_none()
}

pub(super) fn model_id(value: &Value<'_>) -> Option<ModelId> {
    let text = value.text()?;
    let id = text.parse();
    if id.is_err() {
        let wanted = "a model's id, 1 to 200 visible characters without spaces";
        value.wrong(Code::BadValue, wanted, None);
    }
    id.ok()
}

fn variants(value: &Value<'_>) -> Option<Vec<Variant>> {
    let items = value.items(limits::VARIANTS, "a list of model ids and tables")?;
    if items.is_empty() {
        let message = "`models` is empty: nothing would be asked".to_owned();
        value.say(Code::BadValue, message, None);
        return None;
    }
    let mut first_lines = FirstLines::default();
    let variants: Vec<_> = items
        .iter()
        .map(|item| variant(item, &mut first_lines))
        .collect();
    variants.into_iter().collect()
}

fn variant(value: &Value<'_>, first_lines: &mut FirstLines) -> Option<Variant> {
    let (variant, labelled_at) = if value.is_text() {
        let model = model_id(value)?;
        let variant = Variant {
            label: model.to_string(),
            model,
            system: None,
            parameters: Parameters::default(),
        };
        (variant, value.clone())
    } else if value.is_table() {
        value.table("a model", |table| variant_table(table, value))??
    } else {
        let wanted = "a model's id or a table such as { model = \"...\", label = \"...\" }";
        value.wrong(Code::WrongType, wanted, None);
        return None;
    };
    match first_lines.note(&variant.label, &labelled_at) {
        None => Some(variant),
        Some(line) => {
            let message = format!("the label {} is used twice", quoted(&variant.label));
            let help = format!("the first is on line {line}; give one of them another `label`");
            labelled_at.say(Code::Duplicate, message, Some(help));
            None
        }
    }
}

/// The variant, and where its label stands.
fn variant_table<'a>(table: &mut Table<'a>, whole: &Value<'a>) -> Option<(Variant, Value<'a>)> {
    let model_value = table.required("model", "add `model = \"creator/model\"`");
    let model = model_value.as_ref().and_then(model_id);
    let label_value = table.field("label");
    let label = match &label_value {
        Some(value) => label(value),
        None => model.as_ref().map(ToString::to_string),
    };
    let system = system(table);
    let parameters = parameters_of(table);
    let variant = Variant {
        label: label?,
        model: model?,
        system,
        parameters,
    };
    let labelled_at = label_value.or(model_value).unwrap_or_else(|| whole.clone());
    Some((variant, labelled_at))
}

fn label(value: &Value<'_>) -> Option<String> {
    let text = value.written(limits::ID_CHARS)?;
    if text.chars().any(char::is_control) || text.trim() != text {
        let wanted = "one line without spaces at its ends";
        value.wrong(Code::BadValue, wanted, None);
        return None;
    }
    Some(text.to_owned())
}

fn reference(table: &mut Table<'_>, variants: Option<&[Variant]>) -> Option<String> {
    let value = table.field("reference");
    let variants = variants?;
    let Some(value) = value else {
        return variants.first().map(|variant| variant.label.clone());
    };
    let text = value.text()?;
    let labels = || variants.iter().map(|variant| variant.label.as_str());
    if labels().any(|label| label == text) {
        return Some(text.to_owned());
    }
    let message = format!("the reference {} is not among `models`", quoted(text));
    let help = nearest(text, labels()).map_or_else(
        || format!("the labels are {}", labels().collect::<Vec<_>>().join(", ")),
        |label| format!("did you mean `{label}`?"),
    );
    value.say(Code::BadValue, message, Some(help));
    None
}

fn timeouts(table: &mut Table<'_>) -> Timeouts {
    let default = |text| parse_duration(text).expect("a test reads every default");
    let mut timeouts = Timeouts {
        connect_ns: default(defaults::TIMEOUT_CONNECT),
        headers_ns: default(defaults::TIMEOUT_HEADERS),
        gap_ns: default(defaults::TIMEOUT_GAP),
        total_ns: default(defaults::TIMEOUT_TOTAL),
    };
    if let Some(value) = table.field("timeouts") {
        value.table("`timeouts`", |table| {
            for (key, deadline) in [
                ("connect", &mut timeouts.connect_ns),
                ("headers", &mut timeouts.headers_ns),
                ("gap", &mut timeouts.gap_ns),
                ("total", &mut timeouts.total_ns),
            ] {
                if let Some(given) = table.field(key).and_then(|value| timeout(&value)) {
                    *deadline = given;
                }
            }
        });
    }
    timeouts
}

fn timeout(value: &Value<'_>) -> Option<Nanos> {
    let wanted = "a time such as \"250ms\", \"1.5s\" or \"2m\"";
    if !value.is_text() {
        let help = "write it in quotation marks, with its unit".to_owned();
        value.wrong(Code::WrongType, wanted, Some(help));
        return None;
    }
    let Some(time) = parse_duration(value.text()?) else {
        let help = "the units are h, m, s, ms, us and ns".to_owned();
        value.wrong(Code::BadValue, wanted, Some(help));
        return None;
    };
    if !(1..=limits::TIMEOUT_NS).contains(&time.0) {
        value.wrong(Code::OutOfRange, "a time above 0 and up to \"1h\"", None);
        return None;
    }
    Some(time)
}

fn system(table: &mut Table<'_>) -> Option<String> {
    let value = table.field("system")?;
    said(&value).map(str::to_owned)
}

/// The text of a message: with something in it, and within the limit of a prompt.
fn said<'a>(value: &Value<'a>) -> Option<&'a str> {
    value.written(limits::PROMPT_BYTES)
}

fn prompts(value: &Value<'_>) -> Option<Vec<Prompt>> {
    let items = value.items(limits::PROMPTS, "tables under `[[prompts]]`")?;
    if items.is_empty() {
        let message = "`prompts` is empty: nothing would be asked".to_owned();
        value.say(Code::BadValue, message, None);
        return None;
    }
    let mut first_lines = FirstLines::default();
    let prompts: Vec<_> = items
        .iter()
        .map(|item| item.table("a prompt", |table| prompt(table, &mut first_lines))?)
        .collect();
    prompts.into_iter().collect()
}

fn prompt(table: &mut Table<'_>, first_lines: &mut FirstLines) -> Option<Prompt> {
    let id = table
        .required("id", "add `id = \"a-short-name\"`")
        .and_then(|value| unique_id(&value, first_lines));
    let system = system(table);
    let messages = conversation(table);
    let weight = match table.field("weight") {
        Some(value) => weight(&value),
        None => Some(defaults::WEIGHT),
    };
    let tags = table
        .field("tags")
        .and_then(|value| tags(&value))
        .unwrap_or_default();
    let parameters = parameters_of(table);
    let prompt = Prompt {
        id: id?,
        system,
        messages: messages?,
        weight: weight?,
        tags,
        parameters,
    };
    let texts = prompt.messages.iter().map(|message| &message.content);
    let bytes: usize = texts.chain(&prompt.system).map(String::len).sum();
    if bytes > limits::PROMPT_BYTES {
        let most = limits::PROMPT_BYTES;
        let message = format!("a prompt has {bytes} bytes of text; at most {most} are read");
        table.wrong(Code::TooLarge, message, None);
        return None;
    }
    Some(prompt)
}

fn unique_id(value: &Value<'_>, first_lines: &mut FirstLines) -> Option<String> {
    let id = identifier(value)?;
    match first_lines.note(&id, value) {
        None => Some(id),
        Some(line) => {
            let message = format!("the id {} is used twice", quoted(&id));
            let help = format!("the first is on line {line}");
            value.say(Code::Duplicate, message, Some(help));
            None
        }
    }
}

/// What `user` or `messages` say.
fn conversation(table: &mut Table<'_>) -> Option<Vec<Message>> {
    let user = table.field("user");
    let messages = table.field("messages");
    match (user, messages) {
        (Some(user), None) => said(&user).map(|content| vec![message(Role::User, content)]),
        (None, Some(messages)) => turns(&messages),
        (Some(user), Some(messages)) => {
            said(&user);
            turns(&messages);
            let text = "a prompt has both `user` and `messages`".to_owned();
            let help = "keep `user` for one message, `messages` for a conversation".to_owned();
            user.say(Code::Conflict, text, Some(help));
            None
        }
        (None, None) => {
            table.missing(&["user", "messages"], "add `user = \"...\"`");
            None
        }
    }
}

fn turns(value: &Value<'_>) -> Option<Vec<Message>> {
    let items = value.items(
        limits::MESSAGES,
        "a list of tables with `role` and `content`",
    )?;
    let turns: Vec<_> = items
        .iter()
        .map(|item| item.table("a message", turn)?)
        .collect();
    let Some(last) = items.last() else {
        value.say(Code::BadValue, "`messages` is empty".to_owned(), None);
        return None;
    };
    let turns: Vec<Message> = turns.into_iter().collect::<Option<_>>()?;
    if turns.last().is_some_and(|turn| turn.role != Role::User) {
        let message = "the last message must be the user's: there is nothing to answer".to_owned();
        last.say(Code::BadValue, message, None);
        return None;
    }
    Some(turns)
}

fn turn(table: &mut Table<'_>) -> Option<Message> {
    const SPEAKERS: [(&str, Role); 2] = [("user", Role::User), ("assistant", Role::Assistant)];
    let role = table
        .required("role", "add `role = \"user\"`")
        .and_then(|value| {
            if value.as_text() == Some("system") {
                let message = "system text is not a message here".to_owned();
                let help = "write it as `system = \"...\"` of the prompt or of the suite";
                value.say(Code::BadValue, message, Some(help.to_owned()));
                return None;
            }
            value.word(&SPEAKERS)
        });
    let content = table
        .required("content", "add `content = \"...\"`")
        .and_then(|value| said(&value));
    Some(message(role?, content?))
}

fn message(role: Role, content: &str) -> Message {
    Message::text(role, content)
}

fn weight(value: &Value<'_>) -> Option<f64> {
    let range = limits::WEIGHT_MIN..=limits::WEIGHT_MAX;
    value.number("a number above 0, from 1e-9 to 1e9", |weight| {
        range.contains(&weight)
    })
}

fn tags(value: &Value<'_>) -> Option<Vec<String>> {
    let items = value.items(limits::TAGS, "a list of texts")?;
    let mut seen = HashSet::new();
    let tags = items.iter().filter_map(|item| {
        let tag = identifier(item)?;
        if !seen.insert(tag.clone()) {
            let message = format!("the tag {} is given twice", quoted(&tag));
            item.say(Code::Duplicate, message, None);
        }
        Some(tag)
    });
    Some(tags.collect())
}
