//! Prompts from files: each row of a file put into the same mould.
//!
//! Owns the mould (`[[prompt_files]]`), its filling, and the seeded choice of rows. Must not know
//! how a file is written ([`crate::suite::parse::rows`]) or where it lies. Invariant: a row is wrong with its file
//! and line, and every wrong row is told, chosen or not.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::fields::{is_identifier, system};
use super::parameters::parameters_of;
use super::problem::{Code, Row as Place};
use super::prompts::{Census, Turn, conversation, tags, weight};
use super::reader::{Table, Value};
use super::rows::{Format, Row, each_row};
use super::sources::{FoundFile, Sources, WantedKind, image_bytes};
use crate::suite::model::suite::{Message, Parameters, Prompt, Role};
use crate::suite::value::limits;
use crate::suite::value::template::{FillError, Template};
use crate::suite::value::text::quoted;

/// What every row of some files is put into.
struct Mould {
    /// Column that holds the ids.
    id: Option<String>,
    /// Filled for each row; a system file's text is taken as it is.
    system: Option<Template>,
    system_text: Option<String>,
    turns: Option<Vec<TurnMould>>,
    weight: f64,
    tags: Vec<String>,
    parameters: Parameters,
}

struct TurnMould {
    /// The turn, its text aside.
    message: Message,
    content: Template,
    images: Vec<Template>,
}

/// A row in its mould.
struct Filled {
    prompt: Prompt,
    /// The turn of each image, and its path or URL.
    images: Vec<(usize, String)>,
    place: Place,
}

/// What is wrong with a row, and what to do.
struct Fault {
    code: Code,
    message: String,
    help: Option<String>,
}

impl Fault {
    fn new(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            code,
            message,
            help: None,
        }
    }
}

/// The prompts of every `[[prompt_files]]`, after one another. `seed` chooses among rows.
pub(super) fn prompt_files(
    value: &Value<'_>,
    sources: &Sources<'_>,
    seed: u64,
    census: &mut Census,
) -> Option<Vec<Prompt>> {
    let items = value.items(limits::PROMPT_FILES, "tables under `[[prompt_files]]`")?;
    if items.is_empty() {
        let message = "`prompt_files` is empty: nothing would be asked".to_owned();
        value.say(Code::BadValue, message, None);
        return None;
    }
    let mut all = Vec::new();
    for item in &items {
        let prompts = item.table("`prompt_files`", |table| {
            entry(table, sources, seed, census)
        });
        all.extend(prompts.flatten().unwrap_or_default());
    }
    Some(all)
}

fn entry(
    table: &mut Table<'_>,
    sources: &Sources<'_>,
    seed: u64,
    census: &mut Census,
) -> Option<Vec<Prompt>> {
    let path = table.required("path", "add `path = \"questions.jsonl\"`");
    let named = path
        .as_ref()
        .and_then(|value| value.written(limits::PATH_CHARS));
    let format = table
        .field("format")
        .and_then(|value| value.word(&Format::WORDS));
    let take = table
        .field("take")
        .and_then(|value| value.whole(1..=limits::PROMPTS));
    let mould = mould(table, sources);
    let (path, named) = (path?, named?);
    let answer = sources.ask(named, WantedKind::Prompts)?;
    let (mould, files) = match (mould, answer) {
        (Some(mould), Ok(files)) => (mould, files),
        (_, Err(problem)) => {
            path.say(Code::File, problem.to_owned(), None);
            return None;
        }
        (None, _) => return None,
    };
    let filling = Filling {
        mould: &mould,
        path: &path,
        sources,
    };
    let mut filled = Vec::new();
    for file in files {
        filling.file(file, format, census, &mut filled);
    }
    if filled.is_empty() {
        let message = format!("{} holds no prompt", quoted(named));
        path.say_if_quiet(Code::File, message);
    }
    if let Some(take) = take {
        choose(&mut filled, take, seed);
    }
    // Images of rows that were not chosen are never read.
    let prompts = filled
        .into_iter()
        .map(|filled| filling.shown(filled, census));
    Some(prompts.collect())
}

fn mould(table: &mut Table<'_>, sources: &Sources<'_>) -> Option<Mould> {
    let id = table
        .field("id")
        .map(|value| value.written(limits::ID_CHARS).map(str::to_owned));
    let system_place = table.peek("system");
    let system_text = system(table, sources);
    let given = ["user", "messages", "images"]
        .iter()
        .any(|key| table.peek(key).is_some());
    let turns = if given {
        conversation(table).map(|turns| turns.into_iter().map(turn).collect::<Option<Vec<_>>>())
    } else {
        for key in ["user", "messages", "images"] {
            table.field(key);
        }
        Some(None)
    };
    let weight = weight(table);
    let tags = tags(table);
    let parameters = parameters_of(table);
    let system = match &system_place {
        Some(value) => Some(template(value)?),
        None => None,
    };
    let turns = turns?;
    if given && turns.is_none() {
        return None;
    }
    let id = match id {
        Some(column) => Some(column?),
        None => None,
    };
    Some(Mould {
        id,
        system,
        system_text,
        turns,
        weight: weight?,
        tags,
        parameters,
    })
}

fn turn(turn: Turn<'_>) -> Option<TurnMould> {
    let content = match &turn.content {
        Some(value) => template(value),
        None => Template::parse("").ok(),
    };
    let images: Vec<_> = turn.images.iter().map(template).collect();
    Some(TurnMould {
        message: turn.message,
        content: content?,
        images: images.into_iter().collect::<Option<_>>()?,
    })
}

fn template(value: &Value<'_>) -> Option<Template> {
    match Template::parse(value.as_text()?) {
        Ok(template) => Some(template),
        Err(error) => {
            let help = "a place is written `{{column}}`, two braces as such `{{'{{'}}`";
            value.say(Code::BadValue, error.to_string(), Some(help.to_owned()));
            None
        }
    }
}

/// One mould being filled from the files of one `path`.
struct Filling<'f, 'a> {
    mould: &'f Mould,
    path: &'f Value<'a>,
    sources: &'f Sources<'f>,
}

impl Filling<'_, '_> {
    /// Adds a prompt for every row of `file`.
    fn file(
        &self,
        file: &FoundFile,
        format: Option<Format>,
        census: &mut Census,
        all: &mut Vec<Filled>,
    ) {
        let Some(format) = format.or_else(|| Format::of_name(&file.name)) else {
            let message = format!("the format of `{}` is not known by its name", file.name);
            let help = "add `format = \"jsonl\"`, `\"csv\"` or `\"text\"`".to_owned();
            return self.path.say(Code::File, message, Some(help));
        };
        if self.mould.turns.is_none() && format != Format::Text {
            let message = format!("`{}` has columns, and no text to put them into", file.name);
            let help = "add `user = \"... {{column}} ...\"` or `messages`".to_owned();
            return self.path.say(Code::MissingKey, message, Some(help));
        }
        let name: Arc<str> = file.name.as_str().into();
        let stem = stem_of(&file.name);
        let mut full = false;
        each_row(&file.bytes, format, |row| {
            if full {
                return;
            }
            let (line, filled) = match row {
                Ok(row) => (row.line, self.prompt(&row, format, stem)),
                Err(bad) => (bad.line, Err(Fault::new(Code::Syntax, bad.message))),
            };
            let place = Place {
                file: Arc::clone(&name),
                line,
            };
            let admitted = filled.and_then(|(prompt, images)| {
                if let Some(first) = census.ids.note_row(&prompt.id, &place) {
                    let message = format!("the id {} is used twice", quoted(&prompt.id));
                    let help = Some(format!("the first is {first}"));
                    return Err(Fault {
                        code: Code::Duplicate,
                        message,
                        help,
                    });
                }
                census.admit(&prompt).map_err(|message| {
                    full = true;
                    Fault::new(Code::TooLarge, message)
                })?;
                let place = place.clone();
                Ok(Filled {
                    prompt,
                    images,
                    place,
                })
            });
            match admitted {
                Ok(filled) => all.push(filled),
                Err(fault) => self
                    .path
                    .say_row(place, fault.code, fault.message, fault.help),
            }
        });
    }

    fn prompt(
        &self,
        row: &Row<'_>,
        format: Format,
        stem: &str,
    ) -> Result<(Prompt, Vec<(usize, String)>), Fault> {
        let id = self.id(row, format, stem)?;
        let system = match &self.mould.system {
            Some(template) => Some(fill(template, row)?),
            None => self.mould.system_text.clone(),
        };
        let mut messages = Vec::new();
        let mut images = Vec::new();
        if let Some(turns) = &self.mould.turns {
            for (index, turn) in turns.iter().enumerate() {
                messages.push(message(turn, row)?);
                for template in &turn.images {
                    images.push((index, fill(template, row)?));
                }
            }
        } else {
            let text = row.cell("text").unwrap_or_default();
            not_blank(&text)?;
            messages.push(Message::text(Role::User, text));
        }
        let prompt = Prompt {
            id,
            system,
            messages,
            weight: self.mould.weight,
            tags: self.mould.tags.clone(),
            parameters: self.mould.parameters.clone(),
        };
        Ok((prompt, images))
    }

    /// The prompt with its images; what is wrong with one is said.
    fn shown(&self, filled: Filled, census: &mut Census) -> Prompt {
        let mut prompt = filled.prompt;
        for (turn, named) in filled.images {
            // Not there yet: what is read now is thrown away.
            let Some(image) = self.sources.image(&named) else {
                continue;
            };
            let weighed = image
                .map_err(|message| (Code::File, message))
                .and_then(|image| {
                    let weighed = census.weigh(image_bytes(&image));
                    weighed.map_err(|message| (Code::TooLarge, message))?;
                    Ok(image)
                });
            match weighed {
                Ok(image) => prompt.messages[turn].images.push(image),
                Err((code, message)) => {
                    self.path.say_row(filled.place.clone(), code, message, None);
                    break;
                }
            }
        }
        prompt
    }

    /// The id in the row's column; without one, a text's is its file's stem, and a row's that and
    /// its line.
    fn id(&self, row: &Row<'_>, format: Format, stem: &str) -> Result<String, Fault> {
        let id = match (&self.mould.id, format) {
            (Some(column), _) => row
                .cell(column)
                .ok_or_else(|| missing(row, column))?
                .into_owned(),
            (None, Format::Text) => stem.to_owned(),
            (None, _) => format!("{stem}:{}", row.line),
        };
        if is_identifier(&id) {
            return Ok(id);
        }
        let most = limits::ID_CHARS;
        let message = format!(
            "{} is not an id: 1 to {most} letters, digits, `-`, `_`, `.`, `/` and `:`",
            quoted(&id)
        );
        let help = match (&self.mould.id, format) {
            (Some(_), _) => "name another column, or leave `id` out to number the rows",
            (None, _) => "rename the file",
        };
        let help = Some(help.to_owned());
        Err(Fault {
            code: Code::BadValue,
            message,
            help,
        })
    }
}

fn message(turn: &TurnMould, row: &Row<'_>) -> Result<Message, Fault> {
    let mut message = turn.message.clone();
    if !message.content.is_empty() {
        message.content = fill(&turn.content, row)?;
        not_blank(&message.content)?;
    }
    Ok(message)
}

fn fill(template: &Template, row: &Row<'_>) -> Result<String, Fault> {
    template
        .fill(|column| row.cell(column), limits::PROMPT_BYTES)
        .map_err(|error| match error {
            FillError::Missing(column) => missing(row, &column),
            FillError::TooLong(most) => {
                let message = format!("the text has more than {most} bytes");
                Fault::new(Code::TooLarge, message)
            }
        })
}

fn not_blank(text: &str) -> Result<(), Fault> {
    if text.trim().is_empty() {
        return Err(Fault::new(Code::BadValue, "the text of a message is blank"));
    }
    Ok(())
}

fn missing(row: &Row<'_>, column: &str) -> Fault {
    /// Columns that a message lists.
    const LISTED: usize = 20;
    let columns: Vec<_> = row.columns().into_iter().take(LISTED).map(quoted).collect();
    Fault {
        code: Code::MissingKey,
        message: format!("there is no value in the column {}", quoted(column)),
        help: Some(format!("its columns are {}", columns.join(", "))),
    }
}

/// The name of a file without its folder and its extension.
fn stem_of(name: &str) -> &str {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    match file.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => file,
    }
}

/// Keeps `take` of the prompts, in their order: those whose ids have the least digests with the
/// seed. So a row's luck does not depend on its neighbours: when rows are added to a file, the
/// chosen ones stay, but for those that a new one displaces.
fn choose(prompts: &mut Vec<Filled>, take: usize, seed: u64) {
    if prompts.len() <= take {
        return;
    }
    let rank = |filled: &Filled| {
        let mut hash = Sha256::new();
        hash.update(seed.to_le_bytes());
        hash.update(filled.prompt.id.as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        digest
    };
    let mut ranked: Vec<_> = prompts.iter().map(rank).enumerate().collect();
    ranked.sort_unstable_by_key(|(_, rank)| *rank);
    let mut chosen = vec![false; prompts.len()];
    for (index, _) in ranked.into_iter().take(take) {
        chosen[index] = true;
    }
    let mut chosen = chosen.into_iter();
    prompts.retain(|_| chosen.next().unwrap_or(false));
}
