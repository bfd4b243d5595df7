//! `bakeoff suite`: reports every problem of suite files, and for a valid suite the changes it can detect and
//! its likely problems.

use std::io::Write;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::catalog::Catalog;
use crate::report::suite_check;
use crate::report::{grader_lines, history_power};
use crate::suite::{ProblemDocument, Suite, needs_toml_1_1};
use crate::units::plural;
use crate::verdict::{Lint, Power, TYPICAL_NOISE, power};

use super::base::boundary::Reach;
use super::base::endpoint::read_scenario;
use super::base::failure::Failure;
use super::base::files::{self, BadSuite, CheckedSuite};
use super::base::grader_cost::graders_before_runs;
use super::base::history::{accepted, open_for_suite};
use super::base::json::print_json;
use super::base::model_list::ModelListState;
use super::base::preflight::{Facts, Preflight};
use super::base::stdio::{stderr, stdout};
use super::base::{exit, exposed, worst_case};

/// The result of checking a suite without problems.
#[derive(Debug)]
struct SuiteCheck {
    /// Detectable changes, cost and assumptions: one sentence each.
    findings: Vec<String>,
    /// Likely problems, one sentence each.
    warnings: Vec<String>,
}

/// Version of the JSON that this verb prints.
const VERSION: u32 = 2;

/// The options of `bakeoff suite check`.
#[derive(Debug)]
pub struct Options {
    /// The suites.
    pub files: Vec<PathBuf>,
    /// The history that runs of the suite are judged by.
    pub history: Option<PathBuf>,
    /// Read files outside the project that the suites name.
    pub allow_outside: bool,
    /// Print JSON.
    pub json: bool,
}

/// The JSON output of `bakeoff suite check`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CheckDocument {
    /// Version of this document.
    version: u32,
    /// True if every file is a valid suite.
    ok: bool,
    /// The files, in the order in which they were named.
    files: Vec<FileEntry>,
}

/// One file.
#[derive(Debug, Serialize, JsonSchema)]
struct FileEntry {
    /// The file, as it was named.
    file: String,
    /// Its contents; absent if it is not a valid suite.
    #[serde(skip_serializing_if = "Option::is_none")]
    suite: Option<SuiteEntry>,
    /// The reason why it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Everything that is wrong with it, by place.
    problems: Vec<ProblemDocument>,
    /// Problems that were found and are not listed, because there are too many.
    problems_skipped: usize,
    /// The changes that a valid suite can detect and its cost, in words.
    finds: Vec<String>,
    /// The likely problems of a valid suite, in words.
    warnings: Vec<String>,
}

/// The contents of a suite.
#[derive(Debug, Serialize, JsonSchema)]
struct SuiteEntry {
    /// Its name.
    name: String,
    /// Number of prompts.
    prompts: usize,
    /// Number of models, or variants of them.
    variants: usize,
    /// Number of requests of a run, without warm-up and retries.
    trials: u64,
}

/// Checks each file and reports its problems; all files are checked, even after a failure. Likely problems are
/// warnings and no failure.
pub(crate) fn check(options: &Options) -> Result<u8, Failure> {
    let mut out = stdout();
    let mut code = exit::DONE;
    let mut files = Vec::new();
    let reach = Reach::from_flag(options.allow_outside);
    for path in &options.files {
        let checked = match files::checked_suite(path, reach) {
            Ok(CheckedSuite { suite, text }) => match refuse_exposed(&suite) {
                Ok(()) => {
                    let preview = preview(&suite, &text, options.history.as_deref())?;
                    Ok((preview, suite))
                }
                Err(failure) => Err(BadSuite::Unreadable(failure)),
            },
            Err(bad) => Err(bad),
        };
        if checked.is_err() {
            code = exit::USAGE;
        }
        if options.json {
            files.push(FileEntry::new(path, checked));
            continue;
        }
        match checked {
            Ok((preview, suite)) => {
                writeln!(
                    out,
                    "{}: ok, {}, {}, {}",
                    path.display(),
                    plural(suite.prompts.len(), "prompt"),
                    plural(suite.variants.len(), "model"),
                    plural(suite.trials(), "trial"),
                )?;
                for line in preview.findings {
                    writeln!(out, "  {line}")?;
                }
                for line in preview.warnings {
                    writeln!(out, "  warning: {line}")?;
                }
            }
            Err(bad) => writeln!(stderr(), "{}", bad.into_failure(path))?,
        }
    }
    if options.json {
        let document = CheckDocument {
            version: VERSION,
            ok: code == exit::DONE,
            files,
        };
        print_json(&mut out, &document)?;
    }
    Ok(code)
}

/// Refuses a suite that holds a secret, the key of its endpoint among them where that is known.
fn refuse_exposed(suite: &Suite) -> Result<(), Failure> {
    let profile = files::project(None)?.resolve(&suite.endpoint).ok();
    exposed::refuse(suite, profile.as_ref())
}

/// The findings and warnings about a valid suite before anything is sent.
fn preview(suite: &Suite, text: &str, history: Option<&Path>) -> Result<SuiteCheck, Failure> {
    // The endpoint is not known for certain, so none is contacted.
    let (cost, catalog) = worst_case::worst_cost(suite, None)?;
    let power = power(suite, TYPICAL_NOISE);
    let mut findings = suite_check::findings(suite, &power, &cost, &catalog.source().date);
    let graders = graders_before_runs(suite, &catalog);
    findings.extend(grader_lines(&graders));
    if let Some(path) = history {
        let accepted = accepted(&open_for_suite(path, &suite.name)?);
        let file = path.display().to_string();
        let line = history_power::history_line(suite, &power, &file, accepted);
        findings.insert(0, line);
    }
    Ok(SuiteCheck {
        findings,
        warnings: warnings(suite, text, &catalog, &power)?,
    })
}

/// The likely problems of a suite, as far as they are known without a request. `catalog`: the list to use where the
/// endpoint's own is not known.
fn warnings(
    suite: &Suite,
    text: &str,
    catalog: &Catalog,
    power: &Power,
) -> Result<Vec<String>, Failure> {
    let profile = files::project(None)?.resolve(&suite.endpoint).ok();
    let simulated = profile
        .as_ref()
        .is_some_and(|profile| profile.base_url.is_none());
    let scenario = simulated.then(|| read_scenario(None)).transpose()?;
    let list = profile.as_ref().map(ModelListState::from_cache);
    let listed = list.and_then(|state| state.listed);
    let facts = Facts {
        profile: profile.as_ref(),
        listed: listed.as_ref(),
        catalog: listed.as_ref().unwrap_or(catalog),
        scenario: scenario.as_ref().map(|(scenario, _)| scenario),
    };
    let mut preflight = Preflight::new(suite, facts, power);
    if let Some((line, what)) = needs_toml_1_1(text) {
        preflight.push(Lint::NewToml { line, what });
    }
    Ok(preflight.sentences())
}

impl FileEntry {
    fn new(path: &Path, checked: Result<(SuiteCheck, Suite), BadSuite>) -> Self {
        let mut entry = Self {
            file: path.display().to_string(),
            suite: None,
            error: None,
            problems: Vec::new(),
            problems_skipped: 0,
            finds: Vec::new(),
            warnings: Vec::new(),
        };
        match checked {
            Ok((preview, suite)) => {
                (entry.finds, entry.warnings) = (preview.findings, preview.warnings);
                entry.suite = Some(SuiteEntry {
                    prompts: suite.prompts.len(),
                    variants: suite.variants.len(),
                    trials: suite.trials(),
                    name: suite.name,
                });
            }
            Err(BadSuite::Unreadable(failure)) => entry.error = Some(failure.to_string()),
            Err(BadSuite::Wrong(problems, text)) => {
                let listed = problems.iter().map(|problem| problem.document(&text));
                entry.problems = listed.collect();
                entry.problems_skipped = problems.count() - entry.problems.len();
            }
        }
        entry
    }
}
