//! From the text of a suite file to a checked [`Suite`].
//!
//! Owns what each key of a suite means and what makes its value wrong. Must not know how TOML is
//! walked or how problems are shown. Invariant: the keys read here are those of [`super::schema`].

use super::assert_schemas::Reported;
use super::asserts::{GradingSource, grading};
use super::cache::{cache_plan, cache_word, check_reuse_window};
use super::fields::{base_url, dollars, identifier, model_id, system, text_of_prompt, timeout};
use super::gate::gate;
use super::load::load;
use super::parameters::{matrix_of, parameters_of};
use super::problem::{Code, Problems};
use super::prompt_files::{RowSettings, add_prompts, prompt_files};
use super::prompts::{IdRegistry, prompts};
use super::reader::{self, File, FirstLines, Table, Value};
use super::schema;
use super::sources::{FileRef, FileResolver, LoadedFiles};
use super::synthetic::synthetic_prompts;
use super::trace::RequestTrace;
use crate::suite::model::assert::{Assert, Check};
use crate::suite::model::load::LoadProfile;
use crate::suite::model::parameters::Parameters;
use crate::suite::model::prompt::Prompt;
use crate::suite::model::suite::{Suite, Timeouts, Variant, default_patience};
use crate::suite::value::base_url::is_url;
use crate::suite::value::duration::parse_duration;
use crate::suite::value::text::{nearest, quoted};
use crate::suite::value::{defaults, limits};
use crate::units::ModelId;

/// The result of reading a suite as far as its files are loaded.
#[derive(Debug)]
pub enum SuiteReading {
    /// The complete suite.
    Suite(Box<Suite>),
    /// The files that are missing: load them, then read again.
    NeedsFiles(Vec<FileRef>),
}

/// Reads a suite file with the files that were `found`, or returns everything that is wrong with it. Problems
/// are returned once every named file has an answer, so that those of the suite and of its files come together;
/// rows of a file may name images, so that missing files may come in more than one turn.
pub fn read_suite(text: &str, found: &LoadedFiles) -> Result<SuiteReading, Problems> {
    const FILE: File = File {
        what: "the suite",
        max_bytes: limits::SUITE_BYTES,
        home: schema::suite_home,
    };
    let files = FileResolver::new(found);
    let read = reader::read(text, &FILE, |table| suite(table, &files));
    let missing = files.into_missing();
    if missing.is_empty() {
        return read.map(|suite| SuiteReading::Suite(Box::new(suite)));
    }
    Ok(SuiteReading::NeedsFiles(missing))
}

/// Reads a suite that stands alone: a file that it names is a problem.
pub fn parse_suite(text: &str) -> Result<Suite, Problems> {
    let mut found = LoadedFiles::default();
    loop {
        match read_suite(text, &found)? {
            SuiteReading::Suite(suite) => return Ok(*suite),
            SuiteReading::NeedsFiles(missing) => {
                for file in missing {
                    let message = format!("{} is not read here", quoted(&file.path));
                    found.add(file, Err(message));
                }
            }
        }
    }
}

fn suite(table: &mut Table<'_>, files: &FileResolver<'_>) -> Option<Suite> {
    // Every key is read before a missing one ends the function, so that all problems are reported.
    let name = table
        .required("name", "add `name = \"my-suite\"`")
        .and_then(|value| suite_name(&value));
    let description = table
        .field("description")
        .and_then(|value| value.bounded_string(limits::DESCRIPTION_CHARS))
        .map(str::to_owned);
    let variants = table
        .required("models", "add `models = [\"openai/gpt-5.6-luna\"]`")
        .and_then(|value| variants(&value, files));
    let reference = reference(table, variants.as_deref());
    let endpoint = endpoint(table);
    let repetitions = table
        .field("repetitions")
        .and_then(|value| value.integer(1..=limits::REPETITIONS));
    let warmup = table
        .field("warmup")
        .and_then(|value| value.integer(0..=limits::WARMUP));
    let concurrency = table
        .field("concurrency")
        .and_then(|value| value.integer(1..=limits::CONCURRENCY));
    let seed = table
        .field("seed")
        .and_then(|value| value.integer(0..=limits::SEED));
    let stream = table.field("stream").and_then(|value| value.boolean());
    let keep_answers = table
        .field("keep_answers")
        .and_then(|value| value.boolean());
    let max_attempts = table
        .field("max_attempts")
        .and_then(|value| value.integer(1..=limits::ATTEMPTS));
    let patience = table.field("patience").and_then(|value| timeout(&value));
    let load = load(table, files, concurrency.unwrap_or(defaults::CONCURRENCY));
    let max_cost = table
        .field("max_cost")
        .and_then(|value| dollars(&value, limits::SUM_USD));
    let timeouts = timeouts(table);
    let cache = table
        .field("cache")
        .and_then(|value| cache_plan(&value, files));
    let graders = GraderFields::read(table, files);
    let (cache, reuse) = cache.unwrap_or_default();
    if let Some(variants) = &variants {
        check_reuse_window(table, cache, variants);
    }
    let gate = gate(table, variants.as_deref());
    let system = system(table, files, text_of_prompt);
    let parameters = parameters_of(table);
    let seed = seed.unwrap_or(defaults::SEED);
    let defaults = grading(table, files, true);
    let (mut load, trace) = load.map_or((None, None), |load| (Some(load.profile), load.trace));
    let mut sources = PromptSources::new(files, seed, defaults.as_ref(), trace.as_ref());
    let prompts = sources.all_prompts(table, load.as_mut());
    if let (Some(variants), Some(prompts)) = (&variants, &prompts)
        && reuse.prefix.is_none()
        && system.is_none()
        && has_no_system_text(variants, prompts)
    {
        check_system_mark(table);
    }
    if let Some(prompts) = &prompts {
        check_deferred(table, prompts, &graders, keep_answers);
    }
    Some(Suite {
        name: name?,
        description,
        endpoint: endpoint?,
        variants: variants?,
        reference: reference?,
        repetitions: repetitions.unwrap_or(defaults::REPETITIONS),
        warmup: warmup.unwrap_or(defaults::WARMUP),
        concurrency: (concurrency.or(load.as_ref().and_then(LoadProfile::default_in_flight)))
            .unwrap_or(defaults::CONCURRENCY),
        seed,
        stream: stream.unwrap_or(defaults::STREAM),
        keep_answers: keep_answers.unwrap_or(defaults::KEEP_ANSWERS),
        max_attempts: max_attempts.unwrap_or(defaults::MAX_ATTEMPTS),
        patience_ns: patience.unwrap_or(default_patience()),
        load,
        max_cost,
        timeouts,
        gate,
        cache,
        reuse,
        system,
        parameters,
        judge: graders.judge.transpose().ok()?,
        embedding_model: graders.embedding_model.transpose().ok()?,
        prompts: prompts?.into(),
    })
}

/// The models that grade: absent, or an error that was reported.
struct GraderFields {
    judge: Option<Result<Variant, Reported>>,
    embedding_model: Option<Result<ModelId, Reported>>,
}

impl GraderFields {
    fn read(table: &mut Table<'_>, files: &FileResolver<'_>) -> Self {
        let judge = table.field("judge");
        let model = table.field("embedding_model");
        Self {
            judge: judge.map(|value| judge_of(&value, files).ok_or(Reported)),
            embedding_model: model.map(|value| model_id(&value).ok_or(Reported)),
        }
    }
}

/// Reports asserts that are made after a run, where the suite lacks what they need.
fn check_deferred(
    table: &mut Table<'_>,
    prompts: &[Prompt],
    graders: &GraderFields,
    keep_answers: Option<bool>,
) {
    let asserts = prompts.iter().flat_map(|prompt| prompt.asserts.as_slice());
    let deferred: Vec<&Assert> = asserts
        .filter(|assert| assert.check.is_deferred())
        .collect();
    let Some(first) = deferred.first() else {
        return;
    };
    if let Some(keep) = table
        .peek("keep_answers")
        .filter(|_| keep_answers == Some(false))
    {
        let name = quoted(&first.name);
        let message = format!("the assert {name} reads stored answers, and none are stored");
        let help = "remove `keep_answers = false`".to_owned();
        keep.report(Code::Conflict, message, Some(help));
    }
    let is_judge = |assert: &&Assert| matches!(assert.check, Check::Judge { .. });
    if graders.judge.is_none() && deferred.iter().any(is_judge) {
        let help = "add `judge = \"creator/model\"`, the model that grades by rubrics";
        table.missing(&["judge"], help);
    }
    let is_similar = |assert: &&Assert| matches!(assert.check, Check::Similar { .. });
    if graders.embedding_model.is_none() && deferred.iter().any(is_similar) {
        let help = "add `embedding_model = \"openai/text-embedding-3-small\"`, whose embeddings are compared";
        table.missing(&["embedding_model"], help);
    }
}

/// Returns true if no variant and no prompt has a system text of its own.
fn has_no_system_text(variants: &[Variant], prompts: &[Prompt]) -> bool {
    let own = variants.iter().map(|variant| &variant.system);
    let mut all = own.chain(prompts.iter().map(|prompt| &*prompt.system));
    all.all(Option::is_none)
}

/// Reports a system text mark in a suite without system texts.
fn check_system_mark(table: &Table<'_>) {
    let parameters = table.peek("parameters");
    if let Some(mark) = parameters.and_then(|value| value.inside("system_cache_control")) {
        let message = "`system_cache_control` marks the system text, and there is none".to_owned();
        let help = "add a `system`, or write `cache_control` in a message".to_owned();
        mark.report(Code::Conflict, message, Some(help));
    }
}

fn suite_name(value: &Value<'_>) -> Option<String> {
    let name = value.bounded_string(limits::NAME_CHARS)?;
    let inside = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let at_ends = |c: char| c.is_ascii_alphanumeric();
    if name.chars().all(inside) && name.starts_with(at_ends) && name.ends_with(at_ends) {
        return Some(name.to_owned());
    }
    let expected = "made of letters, digits, `-`, `_` and `.`, with a letter or digit at each end";
    let help = "a folder under reports/ gets this name".to_owned();
    value.report_wrong(Code::BadValue, expected, Some(help));
    None
}

fn endpoint(table: &mut Table<'_>) -> Option<String> {
    let Some(value) = table.field("endpoint") else {
        return Some(defaults::ENDPOINT.to_owned());
    };
    let text = value.bounded_string(limits::URL_BYTES)?;
    if !is_url(text) {
        // Only the project file shows if a profile has this name.
        return identifier(&value);
    }
    base_url(&value).map(|url| url.0)
}

/// The judge, which is one variant.
fn judge_of(value: &Value<'_>, files: &FileResolver<'_>) -> Option<Variant> {
    let mut variants = variants_of(value, files, &mut FirstLines::default())?;
    if variants.len() > 1 {
        let message = "`judge` is one model, and lists of parameters make several".to_owned();
        value.report(Code::BadValue, message, None);
        return None;
    }
    variants.pop()
}

fn variants(value: &Value<'_>, files: &FileResolver<'_>) -> Option<Vec<Variant>> {
    let items = value.items(limits::VARIANTS, "an array of model ids and tables")?;
    if items.is_empty() {
        let message = "`models` is empty: nothing would be sent".to_owned();
        value.report(Code::BadValue, message, None);
        return None;
    }
    let mut first_lines = FirstLines::default();
    let made: Vec<_> = items
        .iter()
        .map(|item| variants_of(item, files, &mut first_lines))
        .collect();
    let made = made.into_iter().collect::<Option<Vec<_>>>()?;
    let variants: Vec<Variant> = made.into_iter().flatten().collect();
    if variants.len() > limits::VARIANTS {
        let max = limits::VARIANTS;
        let message = format!("the lists of `models` make more than {max} variants");
        value.report(Code::TooLarge, message, None);
        return None;
    }
    Some(variants)
}

/// The variants of one entry of `models`: several where its parameters have lists.
fn variants_of(
    value: &Value<'_>,
    files: &FileResolver<'_>,
    first_lines: &mut FirstLines,
) -> Option<Vec<Variant>> {
    let (variants, labelled_at) = if value.is_string() {
        let model = model_id(value)?;
        let variant = Variant {
            label: model.to_string(),
            model,
            cache: None,
            system: None,
            parameters: Parameters::default(),
        };
        (vec![variant], value.clone())
    } else if value.is_table() {
        value.table("a model", |table| variant_table(table, files, value))??
    } else {
        let expected = "a model's id or a table such as { model = \"...\", label = \"...\" }";
        value.report_wrong(Code::WrongType, expected, None);
        return None;
    };
    for variant in &variants {
        if let Some(first) = first_lines.note(&variant.label, &labelled_at) {
            let message = format!("the label {} is used twice", quoted(&variant.label));
            let help = format!("the first is {first}; give one of them another `label`");
            labelled_at.report(Code::Duplicate, message, Some(help));
            return None;
        }
    }
    Some(variants)
}

/// Returns the variants, and the place of their label.
fn variant_table<'a>(
    table: &mut Table<'a>,
    files: &FileResolver<'_>,
    entry: &Value<'a>,
) -> Option<(Vec<Variant>, Value<'a>)> {
    let model_value = table.required("model", "add `model = \"creator/model\"`");
    let model = model_value.as_ref().and_then(model_id);
    let label_value = table.field("label");
    let label = match &label_value {
        Some(value) => label(value),
        None => model.as_ref().map(ToString::to_string),
    };
    let cache_value = table.field("cache");
    let cache = cache_value.and_then(|value| cache_word(&value));
    let system = system(table, files, text_of_prompt);
    let points = matrix_of(table);
    let (label, model) = (label?, model?);
    let variants = points.into_iter().map(|point| Variant {
        label: if point.chosen.is_empty() {
            label.clone()
        } else {
            format!("{label}@{}", point.chosen.join(","))
        },
        model: model.clone(),
        cache,
        system: system.clone(),
        parameters: point.parameters,
    });
    let labelled_at = label_value.or(model_value).unwrap_or_else(|| entry.clone());
    Some((variants.collect(), labelled_at))
}

fn label(value: &Value<'_>) -> Option<String> {
    let text = value.bounded_string(limits::ID_CHARS)?;
    if text.chars().any(char::is_control) || text.trim() != text {
        let expected = "one line without leading or trailing spaces";
        value.report_wrong(Code::BadValue, expected, None);
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
    let text = value.string()?;
    let labels = || variants.iter().map(|variant| variant.label.as_str());
    if labels().any(|label| label == text) {
        return Some(text.to_owned());
    }
    let message = format!("the reference {} is not among `models`", quoted(text));
    let help = nearest(text, labels()).map_or_else(
        || format!("the labels are {}", labels().collect::<Vec<_>>().join(", ")),
        |label| format!("did you mean `{label}`?"),
    );
    value.report(Code::BadValue, message, Some(help));
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

/// Everything that prompts are made of, but the table that names them.
struct PromptSources<'s, 'a, 'f> {
    files: &'s FileResolver<'f>,
    seed: u64,
    defaults: Option<&'s GradingSource<'a>>,
    trace: Option<&'s RequestTrace>,
}

impl<'s, 'a, 'f> PromptSources<'s, 'a, 'f> {
    fn new(
        files: &'s FileResolver<'f>,
        seed: u64,
        defaults: Option<&'s GradingSource<'a>>,
        trace: Option<&'s RequestTrace>,
    ) -> Self {
        Self {
            files,
            seed,
            defaults,
            trace,
        }
    }

    /// The prompts of the suite itself, then those of its files, then those of stated lengths; a trace stands for prompts
    /// where there are none.
    fn all_prompts(
        &mut self,
        table: &mut Table<'a>,
        load: Option<&mut LoadProfile>,
    ) -> Option<Vec<Prompt>> {
        let mut registry = IdRegistry::default();
        let own = table.field("prompts");
        let from_files = table.field("prompt_files");
        let synthetic = table.field("synthetic");
        let is_traced = load.as_ref().is_some_and(|load| load.trace().is_some());
        if own.is_none() && from_files.is_none() && synthetic.is_none() {
            if is_traced {
                return self.traced_prompts(table, load);
            }
            let help = "add a `[[prompts]]` with an `id` and a `user` text";
            table.missing(&["prompts", "prompt_files", "synthetic"], help);
            return None;
        }
        let nothing = GradingSource::default();
        let grading = self.defaults.unwrap_or(&nothing);
        let own = own.map_or(Some(Vec::new()), |value| {
            prompts(&value, self.files, &mut registry, grading)
        });
        let from_files = from_files.map_or(Some(Vec::new()), |value| {
            let settings = RowSettings {
                seed: self.seed,
                grading,
            };
            prompt_files(&value, self.files, &settings, &mut registry)
        });
        let synthetic = synthetic.map_or(Some(Vec::new()), |value| {
            synthetic_prompts(&value, self.seed, &mut registry)
        });
        let mut all = own?;
        add_prompts(&mut all, from_files?);
        add_prompts(&mut all, synthetic?);
        Some(all)
    }

    /// The prompts that stand for the requests of the trace.
    fn traced_prompts(
        &self,
        table: &Table<'a>,
        load: Option<&mut LoadProfile>,
    ) -> Option<Vec<Prompt>> {
        if let Some(trace) = load.and_then(LoadProfile::trace_mut) {
            trace.has_prompts = true;
        }
        let value = table.peek("load")?.inside("trace")?;
        let made = self.trace?.prompts(self.seed);
        let help = "read fewer requests of the trace by `trace_rows`";
        made.map_err(|message| value.report(Code::TooLarge, message, Some(help.to_owned())))
            .ok()
    }
}
