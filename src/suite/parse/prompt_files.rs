//! Prompts from files: each row of a file fills the same template.
//!
//! Owns the row template (`[[prompt_files]]`), its filling, and the seeded choice of rows. Must not know how a
//! file is written ([`crate::suite::parse::rows`]) or where it lies. Invariant: a problem of a row names its
//! file and line, and every invalid row is reported, selected or not.

use std::sync::Arc;

use serde_json::{Map, Value as Json};
use sha2::{Digest as _, Sha256};

use super::assert::AssertFault;
use super::asserts::{GradingSource, PromptGrading, grading};
use super::fields::{is_identifier, non_empty_string, system};
use super::parameters::parameters_of;
use super::problem::{Code, RowPlace as Place};
use super::prompts::{IdRegistry, TurnSource, conversation, metadata, tags, weight};
use super::reader::{Table, Value};
use super::rows::{Row, RowFormat, each_row_of_owned};
use super::sources::{FileResolver, LoadedFile, image_bytes};
use crate::suite::model::parameters::SharedParameters;
use crate::suite::model::prompt::{Message, Prompt, Role};
use crate::suite::value::limits;
use crate::suite::value::template::{FillError, Template};
use crate::suite::value::text::quoted;

/// The settings of the suite that the rows of all files share.
pub(super) struct RowSettings<'s, 'a> {
    /// Chooses among rows.
    pub(super) seed: u64,
    /// Defaults of asserts.
    pub(super) grading: &'s GradingSource<'a>,
}

/// The template that every row of some files fills.
struct RowTemplate<'a> {
    /// Column that holds the ids.
    id: Option<String>,
    /// Filled for each row; a system file's text is taken as it is.
    system: Option<Template>,
    system_text: Option<String>,
    turns: Option<Vec<TurnTemplate>>,
    weight: f64,
    tags: Vec<String>,
    /// Its strings are filled for each row.
    metadata: Map<String, Json>,
    parameters: SharedParameters,
    grading: GradingSource<'a>,
    /// The grading of every row, if no column fills a part of it.
    constant_grading: Option<PromptGrading>,
}

struct TurnTemplate {
    /// The turn, without its text.
    message: Message,
    content: Template,
    images: Vec<Template>,
}

/// A row put into its template.
struct FilledRow {
    prompt: Prompt,
    /// Its images; a file of many rows has none.
    images: Option<Box<RowImages>>,
}

/// The images of a row.
struct RowImages {
    /// The turn of each image, and its path or URL.
    names: Vec<(usize, String)>,
    place: Place,
}

/// A problem of a row, and its correction.
struct RowFault {
    code: Code,
    message: String,
    help: Option<String>,
}

impl RowFault {
    fn new(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            code,
            message,
            help: None,
        }
    }
}

/// The prompts of every `[[prompt_files]]`, after one another.
pub(super) fn prompt_files<'a>(
    value: &Value<'a>,
    files: &FileResolver<'_>,
    settings: &RowSettings<'_, 'a>,
    registry: &mut IdRegistry,
) -> Option<Vec<Prompt>> {
    let items = value.items(limits::PROMPT_FILES, "tables under `[[prompt_files]]`")?;
    if items.is_empty() {
        let message = "`prompt_files` is empty: nothing would be sent".to_owned();
        value.report(Code::BadValue, message, None);
        return None;
    }
    let path_of = |item: &Value<'a>| item.inside("path")?.as_str().map(str::to_owned);
    let paths: Vec<Option<String>> = items.iter().map(path_of).collect();
    let mut all = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let is_used_again = paths[index + 1..].contains(&paths[index]);
        let prompts = item.table("`prompt_files`", |table| {
            entry(table, (files, is_used_again), settings, registry)
        });
        add_prompts(&mut all, prompts.flatten().unwrap_or_default());
    }
    Some(all)
}

/// Adds prompts to others, without a copy of many.
pub(super) fn add_prompts(all: &mut Vec<Prompt>, mut more: Vec<Prompt>) {
    if all.is_empty() {
        *all = more;
    } else {
        all.append(&mut more);
    }
}

fn entry<'a>(
    table: &mut Table<'a>,
    (files, is_used_again): (&FileResolver<'_>, bool),
    settings: &RowSettings<'_, 'a>,
    registry: &mut IdRegistry,
) -> Option<Vec<Prompt>> {
    let path = table.required("path", "add `path = \"questions.jsonl\"`");
    let named = path
        .as_ref()
        .and_then(|value| value.bounded_string(limits::PATH_CHARS));
    let format = table
        .field("format")
        .and_then(|value| value.word(&RowFormat::WORDS));
    let take = table
        .field("take")
        .and_then(|value| value.integer(1..=limits::PROMPTS));
    let row_template = row_template(table, files, settings.grading);
    let (path, named) = (path?, named?);
    let answer = files.take_prompts(named, is_used_again)?;
    let (row_template, loaded) = match (row_template, answer) {
        (Some(row_template), Ok(loaded)) => (row_template, loaded),
        (_, Err(problem)) => {
            path.report(Code::File, problem, None);
            return None;
        }
        (None, _) => return None,
    };
    let template_filler = TemplateFiller {
        row_template: &row_template,
        defaults: settings.grading,
        path: &path,
        files,
    };
    let mut filled = Vec::new();
    for file in loaded {
        template_filler.file(file, format, registry, &mut filled);
    }
    if filled.is_empty() {
        let message = format!("{} contains no prompt", quoted(named));
        path.report_if_first(Code::File, message);
    }
    if let Some(take) = take {
        choose(&mut filled, take, settings.seed);
    }
    // Images of rows that were not selected are never read.
    let prompts = filled
        .into_iter()
        .map(|filled| template_filler.shown(filled, registry));
    Some(prompts.collect())
}

fn row_template<'a>(
    table: &mut Table<'a>,
    files: &FileResolver<'_>,
    defaults: &GradingSource<'a>,
) -> Option<RowTemplate<'a>> {
    let id = table
        .field("id")
        .map(|value| value.bounded_string(limits::ID_CHARS).map(str::to_owned));
    let system_place = table.peek("system");
    let system_text = system(table, files, |value| {
        non_empty_string(value).map(str::to_owned)
    });
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
    let metadata = metadata(table);
    let parameters = parameters_of(table);
    let grading = grading(table, files, false);
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
    let grading = grading?;
    let constant_grading = if defaults.is_constant(&grading, &tags) {
        Some(defaults.of_prompt(&grading, &tags)?)
    } else {
        None
    };
    Some(RowTemplate {
        grading,
        constant_grading,
        id,
        system,
        system_text,
        turns,
        weight: weight?,
        tags,
        metadata,
        parameters: parameters.into(),
    })
}

fn turn(turn: TurnSource<'_>) -> Option<TurnTemplate> {
    let content = match &turn.content {
        Some(value) => template(value),
        None => Template::parse("").ok(),
    };
    let images: Vec<_> = turn.images.iter().map(template).collect();
    Some(TurnTemplate {
        message: turn.message,
        content: content?,
        images: images.into_iter().collect::<Option<_>>()?,
    })
}

fn template(value: &Value<'_>) -> Option<Template> {
    match Template::parse(value.as_str()?) {
        Ok(template) => Some(template),
        Err(error) => {
            let help = "a placeholder is written `{{column}}`, literal braces `{{'{{'}}`";
            value.report(Code::BadValue, error.to_string(), Some(help.to_owned()));
            None
        }
    }
}

/// Fills one template with the rows of the files of one `path`.
struct TemplateFiller<'f, 'a> {
    row_template: &'f RowTemplate<'a>,
    defaults: &'f GradingSource<'a>,
    path: &'f Value<'a>,
    files: &'f FileResolver<'f>,
}

impl TemplateFiller<'_, '_> {
    /// Adds a prompt for every row of `file`.
    fn file(
        &self,
        file: LoadedFile,
        format: Option<RowFormat>,
        registry: &mut IdRegistry,
        all: &mut Vec<FilledRow>,
    ) {
        let Some(format) = format.or_else(|| RowFormat::from_name(&file.name)) else {
            let message = format!("the format of `{}` is not clear from its name", file.name);
            let help = "add `format = \"jsonl\"`, `\"csv\"` or `\"text\"`".to_owned();
            return self.path.report(Code::File, message, Some(help));
        };
        if self.row_template.turns.is_none() && format != RowFormat::Text {
            let message = format!(
                "`{}` has columns, and no template that uses them",
                file.name
            );
            let help = "add `user = \"... {{column}} ...\"` or `messages`".to_owned();
            return self.path.report(Code::MissingKey, message, Some(help));
        }
        let name: Arc<str> = file.name.as_str().into();
        let stem = stem_of(&file.name);
        let mut full = false;
        each_row_of_owned(file.bytes, format, |row| {
            if full {
                return;
            }
            let (line, filled) = match row {
                Ok(row) => (row.line, self.prompt(&row, format, stem)),
                Err(bad) => (bad.line, Err(RowFault::new(Code::Syntax, bad.message))),
            };
            let place = Place {
                file: Arc::clone(&name),
                line,
            };
            let admitted = filled.and_then(|(prompt, images)| {
                if let Some(first) = registry.ids.note_row(&prompt.id, &place) {
                    let message = format!("the id {} is used twice", quoted(&prompt.id));
                    let help = Some(format!("the first is {first}"));
                    return Err(RowFault {
                        code: Code::Duplicate,
                        message,
                        help,
                    });
                }
                registry.admit(&prompt).map_err(|message| {
                    full = true;
                    RowFault::new(Code::TooLarge, message)
                })?;
                let place = place.clone();
                let images = (!images.is_empty()).then(|| {
                    let names = images;
                    Box::new(RowImages { names, place })
                });
                Ok(FilledRow { prompt, images })
            });
            match admitted {
                Ok(filled) => all.push(filled),
                Err(fault) => self
                    .path
                    .report_row(place, fault.code, fault.message, fault.help),
            }
        });
    }

    fn prompt(
        &self,
        row: &Row<'_>,
        format: RowFormat,
        stem: &str,
    ) -> Result<(Prompt, Vec<(usize, String)>), RowFault> {
        let id = self.id(row, format, stem)?;
        let system = match &self.row_template.system {
            Some(template) => Some(fill(template, row)?),
            None => self.row_template.system_text.clone(),
        };
        let turns = self.row_template.turns.as_ref();
        let mut messages = Vec::with_capacity(turns.map_or(1, Vec::len));
        let mut images = Vec::new();
        if let Some(turns) = turns {
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
        let grading = self.grading(row)?;
        let prompt = Prompt {
            id,
            system: system.into(),
            messages: messages.into(),
            weight: self.row_template.weight,
            tags: self.row_template.tags.clone().into(),
            metadata: fill_entries(&self.row_template.metadata, row)?.into(),
            parameters: self.row_template.parameters.clone(),
            asserts: grading.asserts,
            pass_threshold: grading.pass_threshold.into(),
        };
        Ok((prompt, images))
    }

    /// The asserts of a row's prompt.
    fn grading(&self, row: &Row<'_>) -> Result<PromptGrading, RowFault> {
        if let Some(constant) = &self.row_template.constant_grading {
            return Ok(constant.clone());
        }
        let (own, tags) = (&self.row_template.grading, &self.row_template.tags);
        let filled = self.defaults.of_row(own, tags, |column| row.cell(column));
        filled.map_err(|fault| match fault {
            AssertFault::Missing(column) => missing(row, &column),
            AssertFault::Other(message) => RowFault::new(Code::BadValue, message),
        })
    }

    /// Returns the prompt with its images; reports an invalid one.
    fn shown(&self, filled: FilledRow, registry: &mut IdRegistry) -> Prompt {
        let mut prompt = filled.prompt;
        let Some(images) = filled.images else {
            return prompt;
        };
        for (turn, named) in images.names {
            // Not loaded yet: the result of this pass is discarded.
            let Some(image) = self.files.image(&named) else {
                continue;
            };
            let weighed = image
                .map_err(|message| (Code::File, message))
                .and_then(|image| {
                    let weighed = registry.weigh(image_bytes(&image));
                    weighed.map_err(|message| (Code::TooLarge, message))?;
                    Ok(image)
                });
            match weighed {
                Ok(image) => prompt.messages[turn].images.push(image),
                Err((code, message)) => {
                    self.path
                        .report_row(images.place.clone(), code, message, None);
                    break;
                }
            }
        }
        prompt
    }

    /// The id in the row's column; without one, a text's is its file's stem, and a row's that and
    /// its line.
    fn id(&self, row: &Row<'_>, format: RowFormat, stem: &str) -> Result<String, RowFault> {
        let id = match (&self.row_template.id, format) {
            (Some(column), _) => row
                .cell(column)
                .ok_or_else(|| missing(row, column))?
                .into_owned(),
            (None, RowFormat::Text) => stem.to_owned(),
            (None, _) => format!("{stem}:{}", row.line),
        };
        if is_identifier(&id) {
            return Ok(id);
        }
        let max = limits::ID_CHARS;
        let message = format!(
            "{} is not an id: 1 to {max} letters, digits, `-`, `_`, `.`, `/` and `:`",
            quoted(&id)
        );
        let help = match (&self.row_template.id, format) {
            (Some(_), _) => "name another column, or omit `id` to number the rows",
            (None, _) => "rename the file",
        };
        let help = Some(help.to_owned());
        Err(RowFault {
            code: Code::BadValue,
            message,
            help,
        })
    }
}

fn message(turn: &TurnTemplate, row: &Row<'_>) -> Result<Message, RowFault> {
    let mut message = turn.message.clone();
    if !message.content.is_empty() {
        message.content = fill(&turn.content, row)?;
        not_blank(&message.content)?;
    }
    Ok(message)
}

fn fill(template: &Template, row: &Row<'_>) -> Result<String, RowFault> {
    template
        .fill(|column| row.cell(column), limits::PROMPT_BYTES)
        .map_err(|error| unfilled(row, error))
}

/// Fills the strings of the user's own values.
fn fill_entries(entries: &Map<String, Json>, row: &Row<'_>) -> Result<Map<String, Json>, RowFault> {
    let filled = entries
        .iter()
        .map(|(key, value)| Ok((key.clone(), fill_value(value, row)?)));
    filled.collect()
}

fn fill_value(value: &Json, row: &Row<'_>) -> Result<Json, RowFault> {
    Ok(match value {
        Json::String(text) if text.contains("{{") => {
            let template = Template::parse(text)
                .map_err(|error| RowFault::new(Code::BadValue, error.to_string()))?;
            let filled = template.fill(|column| row.cell(column), limits::METADATA_BYTES);
            Json::from(filled.map_err(|error| unfilled(row, error))?)
        }
        Json::Array(items) => {
            let items = items.iter().map(|item| fill_value(item, row));
            Json::Array(items.collect::<Result<_, _>>()?)
        }
        Json::Object(entries) => Json::Object(fill_entries(entries, row)?),
        other => other.clone(),
    })
}

fn unfilled(row: &Row<'_>, error: FillError) -> RowFault {
    match error {
        FillError::Missing(column) => missing(row, &column),
        FillError::TooLong(max) => {
            let message = format!("the text has more than {max} bytes");
            RowFault::new(Code::TooLarge, message)
        }
    }
}

fn not_blank(text: &str) -> Result<(), RowFault> {
    if text.trim().is_empty() {
        return Err(RowFault::new(
            Code::BadValue,
            "the text of a message is blank",
        ));
    }
    Ok(())
}

fn missing(row: &Row<'_>, column: &str) -> RowFault {
    /// Columns that a message lists.
    const LISTED: usize = 20;
    let columns: Vec<_> = row.columns().into_iter().take(LISTED).map(quoted).collect();
    RowFault {
        code: Code::MissingKey,
        message: format!("the column {} has no value", quoted(column)),
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

/// Selects `take` of the prompts, in their order: those whose ids have the smallest digests with the seed. So
/// the selection of a row does not depend on its neighbours: when rows are added to a file, the selected ones
/// stay, except those that a new one displaces.
fn choose(prompts: &mut Vec<FilledRow>, take: usize, seed: u64) {
    if prompts.len() <= take {
        return;
    }
    let rank = |filled: &FilledRow| {
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
