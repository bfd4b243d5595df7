//! The suite that is being made, and its text.
//!
//! Owns the names that prompts get, and how values are written as TOML. Must not know where they
//! come from. Invariant: what is written is read again by the reader of suites before it is given
//! away.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;

use serde_json::Value;

use super::{ImportError, ImportSource, Imported, OpenFiles, SkippedItem};
use crate::suite::model::prompt::{Image, Message, Role};
use crate::suite::parse::problem;
use crate::suite::parse::sources::LoadedFiles;
use crate::suite::parse::suite::{SuiteReading, read_suite};
use crate::suite::value::limits;
use crate::suite::value::template::escape_places;
use crate::suite::value::text::quoted;

/// The model of a suite whose source names none.
const ANY_MODEL: &str = "openai/gpt-5.6-luna";

/// The embedding model of a suite whose source names none.
const ANY_EMBEDDING_MODEL: &str = "openai/text-embedding-3-small";

/// The content of the source that was understood so far.
#[derive(Default)]
pub(super) struct SuiteDraft {
    pub(super) description: Option<String>,
    pub(super) models: Vec<DraftModel>,
    pub(super) repetitions: Option<u64>,
    /// Requests at the same time, to all models together, and the line that says so.
    pub(super) requests_in_flight: Option<(usize, u64)>,
    pub(super) cases: Vec<DraftPrompt>,
    pub(super) prompt_files: Vec<DraftPromptFile>,
    /// The file that is being read in place of the source, and the line of the source that names it.
    pub(super) within: Option<(String, usize)>,
    /// The reason why there is no prompt, if it is known.
    pub(super) empty_reason: Option<String>,
    /// The model that grades by rubrics, if an assert needs one.
    judge: Option<NeededGrader>,
    /// The same for the model whose embeddings are compared.
    embedding_model: Option<NeededGrader>,
    slots: Option<u64>,
    left_out: BTreeSet<SkippedItem>,
}

/// The model that asserts need; absent where the source names none.
#[derive(Default)]
struct NeededGrader(Option<String>);

/// A model that grades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GraderKind {
    /// By rubrics.
    Judge,
    /// By its embeddings.
    EmbeddingModel,
}

/// A model of the source.
pub(super) struct DraftModel {
    pub(super) id: String,
    pub(super) label: Option<String>,
    /// Names and values of parameters, as TOML.
    pub(super) parameters: Vec<(&'static str, String)>,
}

/// A prompt of the source.
pub(super) struct DraftPrompt {
    /// Line of the source.
    pub(super) line: usize,
    /// As the source spells it.
    pub(super) id: Option<String>,
    pub(super) system: Option<String>,
    pub(super) messages: Vec<Message>,
    /// Content that is not sent but worth recording, such as the expected answer.
    pub(super) notes: Vec<String>,
    pub(super) grading: DraftGrading,
}

/// A file whose rows are prompts.
#[derive(Debug)]
pub(super) struct DraftPromptFile {
    /// Path as the source spells it.
    pub(super) path: String,
    /// The format, where the name of the file does not show it.
    pub(super) format: Option<&'static str>,
    /// Templates with names of columns; none for files that are texts.
    pub(super) turns: Vec<(Role, String)>,
    pub(super) grading: DraftGrading,
}

/// The grading of a prompt.
#[derive(Debug, Default, Clone)]
pub(super) struct DraftGrading {
    /// Each an inline table, valid in a suite.
    pub(super) asserts: Vec<String>,
    /// The score from which an answer passes, a number.
    pub(super) pass_threshold: Option<String>,
}

impl SuiteDraft {
    /// Records that an item is not carried over.
    pub(super) fn skip(&mut self, line: usize, what: impl Into<String>) {
        let what = match &self.within {
            Some((file, _)) => format!("`{file}`, line {line}: {}", what.into()),
            None => what.into(),
        };
        let line = self.line_of(line);
        self.left_out.insert(SkippedItem { line, what });
    }

    /// Records that an assert on this line needs a model that grades; a suite has one of each kind.
    pub(super) fn need(&mut self, grader: GraderKind, id: Option<String>, line: usize) {
        let known = match grader {
            GraderKind::Judge => self.judge.get_or_insert_default(),
            GraderKind::EmbeddingModel => self.embedding_model.get_or_insert_default(),
        };
        match (&known.0, id) {
            (None, Some(id)) => known.0 = Some(id),
            (Some(known), Some(id)) if *known != id => {
                let what = format!("a suite has one grader of a kind: `{known}`, not `{id}`");
                self.skip(line, what);
            }
            _ => {}
        }
    }

    /// The line of the source for a line of the file that is being read.
    pub(super) fn line_of(&self, line: usize) -> usize {
        self.within.as_ref().map_or(line, |(_, named_at)| *named_at)
    }

    /// The items that are not carried over so far.
    pub(super) fn take_skipped(&mut self) -> Vec<SkippedItem> {
        std::mem::take(&mut self.left_out).into_iter().collect()
    }

    /// The suite as a file.
    pub(super) fn finish(mut self, source: &ImportSource<'_>) -> Result<Imported, ImportError> {
        let suite = if self.cases.is_empty() && self.prompt_files.is_empty() {
            let reason = self.empty_reason.take();
            Err(reason.unwrap_or_else(|| "it contains no prompt that can be imported".to_owned()))
        } else {
            self.limit_slots();
            let suite = self.written(source.file, "");
            check(&suite, source.open).map(|()| {
                if self.prompt_files.is_empty() {
                    suite
                } else {
                    self.written(source.file, source.folder)
                }
            })
        };
        let left_out = self.take_skipped();
        match suite {
            Ok(suite) => Ok(Imported { suite, left_out }),
            Err(message) => Err(ImportError {
                line: None,
                message,
                left_out,
            }),
        }
    }

    /// Requests of the source as slots, each of which is a request to every model.
    fn limit_slots(&mut self) {
        let Some((line, requests)) = self.requests_in_flight else {
            return;
        };
        let models = self.models.len().max(1) as u64;
        self.slots = Some((requests / models).clamp(1, u64::from(limits::CONCURRENCY)));
        if requests < models {
            let what = format!(
                "`maxConcurrency` is {requests}, but a prompt goes to all {models} models at once"
            );
            self.skip(line, what);
        }
    }

    /// The suite's text; paths of files begin with `folder`.
    fn written(&mut self, file: &str, folder: &str) -> String {
        let mut out = String::new();
        let from = comment(file);
        let _ = writeln!(out, "# Made by `bakeoff import` from {from}.\n");
        let _ = writeln!(out, "name = {}", text(&suite_name(file)));
        if let Some(description) = &self.description {
            let cut: String = description
                .chars()
                .take(limits::DESCRIPTION_CHARS)
                .collect();
            let _ = writeln!(out, "description = {}", text(&cut));
        }
        let _ = writeln!(
            out,
            "\n# Where to send requests: `sim` is the simulator, which needs no key."
        );
        let _ = writeln!(out, "endpoint = \"sim\"\n");
        if self.models.is_empty() {
            let _ = writeln!(out, "# The source names no model: add those to compare.");
            let _ = writeln!(out, "models = [{}]\n", text(ANY_MODEL));
        } else {
            let _ = writeln!(
                out,
                "# The first one is the model in use today.\nmodels = ["
            );
            for model in &self.models {
                let _ = writeln!(out, "  {},", model.written());
            }
            let _ = writeln!(out, "]\n");
        }
        let numbers = [
            ("repetitions", self.repetitions),
            ("concurrency", self.slots),
        ];
        for (key, number) in numbers {
            if let Some(number) = number {
                let _ = writeln!(out, "{key} = {number}");
            }
        }
        let graders = [
            ("judge", &self.judge, ANY_MODEL),
            (
                "embedding_model",
                &self.embedding_model,
                ANY_EMBEDDING_MODEL,
            ),
        ];
        for (key, named, any) in graders {
            let Some(NeededGrader(named)) = named else {
                continue;
            };
            if named.is_none() {
                let _ = writeln!(out, "# The source names no grader: set the one to use.");
            }
            let model = text(named.as_deref().unwrap_or(any));
            let _ = writeln!(out, "{key} = {model}");
        }
        let mut taken = HashSet::new();
        let cases = std::mem::take(&mut self.cases);
        for (index, case) in cases.iter().enumerate() {
            let id = self.id_of(case, index, &mut taken);
            case.write(&id, &mut out);
        }
        self.cases = cases;
        for file in &self.prompt_files {
            file.write(folder, &mut out);
        }
        out
    }

    /// An id that a suite may have, like the source's.
    fn id_of(&mut self, case: &DraftPrompt, index: usize, taken: &mut HashSet<String>) -> String {
        /// Characters that a number behind an id may take.
        const ROOM: usize = 8;
        let fits = |c: char| c.is_alphanumeric() || "-_./:".contains(c);
        let id = match &case.id {
            Some(id) => {
                let mapped = id.trim().chars().map(|c| if fits(c) { c } else { '-' });
                let mapped: String = mapped.take(limits::ID_CHARS - ROOM).collect();
                mapped.trim_matches('-').to_owned()
            }
            None => String::new(),
        };
        let id = if id.is_empty() {
            format!("prompt-{}", index + 1)
        } else {
            id
        };
        let numbered = (2_usize..).map(|number| format!("{id}-{number}"));
        let id = std::iter::once(id.clone())
            .chain(numbered)
            .find(|id| !taken.contains(id))
            .unwrap_or(id);
        if let Some(source) = case.id.as_ref().filter(|source| **source != id) {
            let message = format!("the id {} became `{id}`", quoted(source));
            self.skip(case.line, message);
        }
        taken.insert(id.clone());
        id
    }
}

impl DraftModel {
    /// A model without parameters.
    pub(super) fn plain(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            label: None,
            parameters: Vec::new(),
        }
    }

    fn written(&self) -> String {
        if self.label.is_none() && self.parameters.is_empty() {
            return text(&self.id);
        }
        let mut table = format!("{{ model = {}", text(&self.id));
        if let Some(label) = &self.label {
            let _ = write!(table, ", label = {}", text(label));
        }
        if !self.parameters.is_empty() {
            let parameters = self.parameters.iter();
            let pairs: Vec<_> = parameters
                .map(|(key, value)| format!("{key} = {value}"))
                .collect();
            let _ = write!(table, ", parameters = {{ {} }}", pairs.join(", "));
        }
        table + " }"
    }
}

impl DraftGrading {
    fn write(&self, out: &mut String) {
        if let Some(threshold) = &self.pass_threshold {
            let _ = writeln!(out, "pass_threshold = {threshold}");
        }
        if let [_, ..] = self.asserts.as_slice() {
            let _ = writeln!(out, "assert = [");
            for assert in &self.asserts {
                let _ = writeln!(out, "  {assert},");
            }
            let _ = writeln!(out, "]");
        }
    }
}

impl DraftPromptFile {
    /// Name of the file without its folder and extension, which begins the ids of its rows.
    pub(super) fn stem(&self) -> Option<&std::ffi::OsStr> {
        std::path::Path::new(&self.path).file_stem()
    }

    fn write(&self, folder: &str, out: &mut String) {
        let _ = writeln!(out, "\n[[prompt_files]]");
        let _ = writeln!(out, "path = {}", text(&format!("{folder}{}", self.path)));
        if let Some(format) = self.format {
            let _ = writeln!(out, "format = {}", text(format));
        }
        self.grading.write(out);
        let (system, turns): (Vec<_>, Vec<_>) = self
            .turns
            .iter()
            .partition(|(role, _)| *role == Role::System);
        if let [(_, system)] = system.as_slice() {
            let _ = writeln!(out, "system = {}", text(system));
        }
        match turns.as_slice() {
            [] => {}
            [(Role::User, only)] => {
                let _ = writeln!(out, "user = {}", text(only));
            }
            turns => {
                let _ = writeln!(out, "messages = [");
                for (role, template) in turns {
                    let (role, template) = (word_of(*role), text(template));
                    let _ = writeln!(out, "  {{ role = \"{role}\", content = {template} }},");
                }
                let _ = writeln!(out, "]");
            }
        }
    }
}

/// Reads the suite as `bakeoff run` would.
fn check(suite: &str, open: &OpenFiles<'_>) -> Result<(), String> {
    if suite.len() > limits::SUITE_BYTES {
        let (bytes, max) = (suite.len() >> 20, limits::SUITE_BYTES >> 20);
        return Err(format!(
            "the suite would have {bytes} MiB, and {max} MiB are read: `--take N` takes the first prompts only"
        ));
    }
    let mut found = LoadedFiles::default();
    loop {
        match read_suite(suite, &found) {
            Ok(SuiteReading::Suite(_)) => return Ok(()),
            Ok(SuiteReading::NeedsFiles(missing)) => {
                for file in missing {
                    let answer = open(&file.path);
                    found.add(file, answer);
                }
            }
            Err(problems) => {
                let rendered = problem::render(&problems, "the suite", suite, false);
                return Err(format!("the imported suite is invalid\n\n{rendered}"));
            }
        }
    }
}

impl DraftPrompt {
    /// One text of a user.
    pub(super) fn plain(text: &str) -> Self {
        Self {
            line: 1,
            id: None,
            system: None,
            messages: vec![Message::text(Role::User, text)],
            notes: Vec::new(),
            grading: DraftGrading::default(),
        }
    }

    fn write(&self, id: &str, out: &mut String) {
        let _ = writeln!(out, "\n[[prompts]]");
        for note in &self.notes {
            let _ = writeln!(out, "# {}", comment(note));
        }
        let _ = writeln!(out, "id = {}", text(id));
        if let Some(system) = &self.system {
            let _ = writeln!(out, "system = {}", text(&escape_places(system)));
        }
        self.grading.write(out);
        if let [only] = self.messages.as_slice()
            && only.role == Role::User
        {
            let _ = writeln!(out, "user = {}", text(&escape_places(&only.content)));
            if !only.images.is_empty() {
                let _ = writeln!(out, "images = [{}]", images(only));
            }
            return;
        }
        let _ = writeln!(out, "messages = [");
        for message in &self.messages {
            let _ = writeln!(out, "  {},", turn(message));
        }
        let _ = writeln!(out, "]");
    }
}

const fn word_of(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

fn turn(message: &Message) -> String {
    let role = word_of(message.role);
    let mut keys = vec![format!("role = \"{role}\"")];
    if !message.content.is_empty() {
        keys.push(format!(
            "content = {}",
            text(&escape_places(&message.content))
        ));
    }
    if !message.images.is_empty() {
        keys.push(format!("images = [{}]", images(message)));
    }
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| {
            let [id, name, arguments] = [&call.id, &call.name, &call.arguments].map(|s| text(s));
            format!("{{ id = {id}, name = {name}, arguments = {arguments} }}")
        });
        keys.push(format!(
            "tool_calls = [{}]",
            calls.collect::<Vec<_>>().join(", ")
        ));
    }
    if let Some(id) = &*message.tool_call_id {
        keys.push(format!("tool_call_id = {}", text(id)));
    }
    format!("{{ {} }}", keys.join(", "))
}

fn images(message: &Message) -> String {
    let urls = message.images.iter().filter_map(|image| match image {
        Image::Url(url) => Some(text(url)),
        Image::Bytes { .. } => None,
    });
    urls.collect::<Vec<_>>().join(", ")
}

/// A text as TOML: over several lines where it has them.
pub(super) fn text(text: &str) -> String {
    if !text.contains('\n') {
        // JSON's escapes are TOML's; TOML has one more character that must not stand for itself.
        return Value::from(text).to_string().replace('\u{7f}', "\\u007f");
    }
    let mut out = String::from("\"\"\"\n");
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            '\\' => out.push_str("\\\\"),
            // Escaped after another one only, so that no three stand together.
            '"' if out.ends_with('"') => out.push_str("\\\""),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    if out.ends_with('"') && !out.ends_with("\\\"") {
        out.pop();
        out.push_str("\\\"");
    }
    out + "\"\"\""
}

/// A text within a comment: on one line, and not endless.
fn comment(text: &str) -> String {
    const CHARS: usize = 300;
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut cut: String = line.take(CHARS).collect();
    if text.chars().nth(CHARS).is_some() {
        cut.push_str(" ...");
    }
    cut
}

/// The name of the suite: the file's, with what a name may have.
fn suite_name(file: &str) -> String {
    let stem = file
        .split('.')
        .find(|part| !part.is_empty())
        .unwrap_or(file);
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let name: String = stem
        .chars()
        .map(|c| if fits(c) { c } else { '-' })
        .collect();
    let name: String = name
        .trim_matches(['-', '_'])
        .chars()
        .take(limits::NAME_CHARS)
        .collect();
    let name = name.trim_matches(['-', '_']).to_owned();
    if name.is_empty() {
        "imported".to_owned()
    } else {
        name
    }
}
