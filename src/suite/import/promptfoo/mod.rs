//! Configurations of promptfoo: prompts x tests x providers.
//!
//! Owns the meaning of its keys here. Must not know YAML's syntax, nor read a file but through its opener. Invariants:
//! each prompt is filled with each test's variables, once; code is skipped and reported.

mod asserts;
mod cases;
mod forms;
mod ids;
mod nunjucks;
mod providers;
mod yaml;

use serde_json::Value;

use super::draft::{DraftGrading, DraftPrompt, DraftPromptFile, GraderKind, SuiteDraft};
use super::{ImportError, OpenFiles};
use asserts::{CarriedAssert, carried_over};
use cases::{TestFile, products, test_files};
use forms::{PromptForm, add_forms, named_file};
use ids::grader_id;
use nunjucks::Vars;
use providers::{add_model, add_options};
use yaml::Node;

/// The parts of a configuration that every test needs.
struct Config<'c> {
    forms: Vec<PromptForm>,
    defaults: Option<&'c Node>,
    open: &'c OpenFiles<'c>,
}

/// Reads a configuration into `draft`.
pub(super) fn read(
    text: &str,
    open: &OpenFiles<'_>,
    draft: &mut SuiteDraft,
) -> Result<(), ImportError> {
    let root = yaml::parse(text)?;
    if root.entries().is_empty() {
        let message = "it is not a promptfoo configuration (keys `prompts`, `providers`, `tests`)";
        return Err(ImportError::new(Some(root.line), message));
    }
    let mut config = Config {
        forms: Vec::new(),
        defaults: None,
        open,
    };
    let mut tests: &[Node] = &[];
    // The line of its providers, if it names any.
    let mut providers = None;
    for (key, node) in root.entries() {
        match key.as_str() {
            "description" => draft.description = node.text().map(str::to_owned),
            "prompts" => {
                for item in node.items() {
                    add_forms(item, open, &mut config.forms, draft);
                }
            }
            "providers" | "targets" => {
                providers = Some(node.line);
                node.items().iter().for_each(|item| add_model(item, draft));
            }
            "tests" => tests = node.items(),
            "defaultTest" if node.text().is_some() => {
                draft.skip(node.line, "`defaultTest` in a file is not imported");
            }
            "defaultTest" => config.defaults = Some(node),
            "evaluateOptions" => add_options(node, draft),
            "$schema" => {}
            _ => draft.skip(node.line, format!("`{key}` is not imported")),
        }
    }
    if let (Some(line), true) = (providers, draft.models.is_empty()) {
        let message = "none of its providers is a model of a gateway";
        return Err(ImportError {
            left_out: draft.take_skipped(),
            ..ImportError::new(Some(line), message)
        });
    }
    if let Some(test) = config.defaults {
        skip_rest(test, "every test's ", draft);
    }
    if tests.is_empty() {
        config.add_untested(draft);
    }
    for test in tests {
        let path = test.text().or_else(|| test.get("path")?.text());
        match path {
            Some(path) => config.add_files(path, test.line, draft),
            None => config.add_test(Some(test), draft),
        }
    }
    Ok(())
}

impl Config<'_> {
    /// Adds the prompts of a configuration without tests: a file that is a prompt stays one.
    fn add_untested(&self, draft: &mut SuiteDraft) {
        let forms = self.forms.iter();
        let (files, others): (Vec<_>, Vec<_>) =
            forms.partition(|form| form.file.is_some() && self.defaults.is_none());
        let others = Config {
            forms: others.into_iter().cloned().collect(),
            ..*self
        };
        if !others.forms.is_empty() {
            others.add_test(None, draft);
        }
        for form in files {
            draft.prompt_files.push(DraftPromptFile {
                path: form.file.clone().unwrap_or_default(),
                format: Some("text"),
                turns: Vec::new(),
                grading: DraftGrading::default(),
            });
        }
    }

    /// Adds the tests of the files that `path` names.
    fn add_files(&self, path: &str, line: usize, draft: &mut SuiteDraft) {
        let files = match test_files(path, self.open) {
            Ok(files) => files,
            Err(reason) => return draft.skip(line, format!("tests are left out: {reason}")),
        };
        if let [file] = files.as_slice()
            && let Some(table) = self.as_rows(path, file)
            && draft
                .prompt_files
                .iter()
                .all(|other| other.stem() != table.stem())
        {
            return draft.prompt_files.push(table);
        }
        for file in files {
            draft.within = Some((file.name, line));
            for (line, problem) in file.problems {
                draft.skip(line, problem);
            }
            for test in &file.tests {
                self.add_test(Some(test), draft);
            }
            draft.within = None;
        }
    }

    /// The rows of a table as a file of prompts, if one prompt and answers that stand in it are all there is.
    fn as_rows(&self, path: &str, file: &TestFile) -> Option<DraftPromptFile> {
        let columns = file.plain_columns.as_ref()?;
        let [form] = self.forms.as_slice() else {
            return None;
        };
        let is_column = |name: &String| columns.contains(name);
        if self.defaults.is_some()
            || !form.is_row_template()
            || !form.places().iter().all(is_column)
        {
            return None;
        }
        let mut grading = DraftGrading::default();
        if columns.iter().any(|column| column == "__expected") {
            let assert = "{ type = \"equals\", value = \"{{__expected}}\" }";
            grading.asserts.push(assert.to_owned());
        }
        let path = named_file(path)?;
        Some(DraftPromptFile {
            path: path.strip_prefix("./").unwrap_or(path).to_owned(),
            format: None,
            turns: form.turns.clone(),
            grading,
        })
    }

    /// Puts the variables of one test into every prompt.
    fn add_test(&self, test: Option<&Node>, draft: &mut SuiteDraft) {
        let line = test.map_or(1, |test| test.line);
        if let Some(test) = test {
            skip_rest(test, "", draft);
        }
        let vars = |test: Option<&Node>| test.and_then(|test| test.get("vars")).cloned();
        let (defaults, own) = (vars(self.defaults), vars(test));
        let sets = match products(defaults.as_ref(), own.as_ref(), self.open) {
            Ok(sets) => sets,
            Err((line, reason)) => {
                return draft.skip(line, format!("the test is skipped: {reason}"));
            }
        };
        let description = test.and_then(|test| test.get("description")?.text());
        for form in &self.forms {
            for vars in &sets {
                let line = if test.is_some() { line } else { form.line };
                match form.filled(vars) {
                    Ok((system, messages)) => {
                        let mut notes = Vec::new();
                        let grading = self.grading(test, vars, &mut notes, draft);
                        let line = draft.line_of(line);
                        draft.cases.push(DraftPrompt {
                            line,
                            id: id_of(description, form, self.forms.len()),
                            system,
                            messages,
                            notes,
                            grading,
                        });
                    }
                    Err(reason) => draft.skip(line, format!("the test is skipped: {reason}")),
                }
            }
        }
    }

    /// The asserts of every test, then those of this one, with its variables. What is not carried over is reported
    /// and becomes a comment.
    fn grading(
        &self,
        test: Option<&Node>,
        vars: &Vars,
        notes: &mut Vec<String>,
        draft: &mut SuiteDraft,
    ) -> DraftGrading {
        let mut grading = DraftGrading::default();
        for level in [self.defaults, test].into_iter().flatten() {
            if let Some(threshold) = level.get("threshold") {
                let number = threshold.text().filter(|text| {
                    let number = text.parse::<f64>();
                    number.is_ok_and(|number| (0.0..=1.0).contains(&number))
                });
                match number {
                    Some(number) => grading.pass_threshold = Some(number.to_owned()),
                    None => draft.skip(threshold.line, "`threshold` is not imported"),
                }
            }
            let asserts = level.get("assert");
            for assert in asserts.map(Node::items).unwrap_or_default() {
                match carried_over(assert, vars) {
                    Ok(CarriedAssert { table, grader }) => {
                        if let Some((grader, id)) = grader {
                            let id = id.or_else(|| self.default_grader(test, grader));
                            draft.need(grader, id, assert.line);
                        }
                        grading.asserts.push(table);
                    }
                    Err(reason) => {
                        let kind = assert.get("type").and_then(Node::text).unwrap_or("?");
                        let value = assert.get("value").and_then(Node::text).unwrap_or_default();
                        notes.push(format!("assert {kind}: {}", Value::from(value)));
                        let what = format!("assertion `{kind}` is not imported: {reason}");
                        draft.skip(assert.line, what);
                    }
                }
            }
        }
        grading
    }
}

impl Config<'_> {
    /// The model that grades a test by the options of the test or of every test.
    fn default_grader(&self, test: Option<&Node>, grader: GraderKind) -> Option<String> {
        let levels = [test, self.defaults].into_iter().flatten();
        let mut providers = levels.filter_map(|level| level.get("options")?.get("provider"));
        providers.find_map(|provider| {
            let (own, other) = match grader {
                GraderKind::Judge => ("text", "embedding"),
                GraderKind::EmbeddingModel => ("embedding", "text"),
            };
            match (provider.get(own), provider.get(other)) {
                (Some(own), _) => grader_id(own),
                (None, None) if grader == GraderKind::Judge => grader_id(provider),
                (None, _) => None,
            }
        })
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

/// Reports the keys of a test that are not carried over.
fn skip_rest(test: &Node, whose: &str, draft: &mut SuiteDraft) {
    const KNOWN: [&str; 4] = ["vars", "description", "assert", "threshold"];
    for (key, node) in test.entries() {
        let is_grader = key == "options" && node.entries().iter().all(|(key, _)| key == "provider");
        if !KNOWN.contains(&key.as_str()) && !is_grader {
            draft.skip(node.line, format!("{whose}`{key}` is not imported"));
        }
    }
}
