//! `bakeoff suite`: say every problem of suite files, and what of them will disappoint.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::catalog::Catalog;
use crate::suite::{ProblemDocument, Suite};

use super::files::{self, BadSuite};
use super::{Failure, exit, foresight, print_json};

/// Version of the JSON that this verb prints.
const VERSION: u32 = 1;

/// What `bakeoff suite check` was told.
#[derive(Debug)]
pub struct Options {
    /// The suites.
    pub files: Vec<PathBuf>,
    /// Print JSON.
    pub json: bool,
}

/// What `bakeoff suite check --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CheckDocument {
    /// Version of this document.
    version: u32,
    /// Whether every file is a suite.
    ok: bool,
    /// The files, in the order in which they were named.
    files: Vec<FileEntry>,
}

/// One file.
#[derive(Debug, Serialize, JsonSchema)]
struct FileEntry {
    /// The file, as it was named.
    file: String,
    /// What it holds; absent where it is no suite.
    #[serde(skip_serializing_if = "Option::is_none")]
    suite: Option<SuiteEntry>,
    /// Why it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Everything that is wrong with it, by place.
    problems: Vec<ProblemDocument>,
    /// Problems that were found and are not listed, because there are too many.
    problems_left_out: usize,
    /// What of a sound suite will disappoint, in words.
    warnings: Vec<String>,
}

/// What a suite holds.
#[derive(Debug, Serialize, JsonSchema)]
struct SuiteEntry {
    /// Its name.
    name: String,
    /// How many prompts.
    prompts: usize,
    /// How many models, or variants of them.
    variants: usize,
    /// How many requests a run of it is, warm-up and retries apart.
    trials: u64,
}

/// Checks each file and says what is wrong with it; all files are checked, whatever the first says.
pub(super) fn check(options: &Options) -> Result<u8, Failure> {
    let mut out = io::stdout().lock();
    // Which endpoint will be asked is not known, so that its own list cannot be.
    let catalog = Catalog::snapshot();
    let mut code = exit::DONE;
    let mut files = Vec::new();
    for path in &options.files {
        let checked = files::checked_suite(path);
        if checked.is_err() {
            code = exit::USAGE;
        }
        if options.json {
            files.push(FileEntry::new(path, checked, &catalog));
            continue;
        }
        match checked {
            Ok(suite) => {
                writeln!(
                    out,
                    "{}: ok, {} prompts, {} models, {} trials",
                    path.display(),
                    suite.prompts.len(),
                    suite.variants.len(),
                    suite.trials(),
                )?;
                for said in warnings(&suite, &catalog) {
                    writeln!(io::stderr(), "warning: {}: {said}", path.display())?;
                }
            }
            Err(bad) => writeln!(io::stderr(), "{}", bad.told(path))?,
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

/// What of a sound suite will disappoint, one sentence each.
fn warnings(suite: &Suite, catalog: &Catalog) -> Vec<String> {
    let foreseen = foresight::warnings(suite, catalog);
    let shared = suite.shared_caches().into_iter().map(|(model, labels)| {
        format!(
            "{} variants ask `{model}` and share its prompt cache: in a slot one can read what another \
             wrote; `cache = \"bust\"` keeps them apart",
            labels.len()
        )
    });
    foreseen
        .into_iter()
        .map(|(_, said)| said)
        .chain(shared)
        .collect()
}

impl FileEntry {
    fn new(path: &Path, checked: Result<Suite, BadSuite>, catalog: &Catalog) -> Self {
        let mut entry = Self {
            file: path.display().to_string(),
            suite: None,
            error: None,
            problems: Vec::new(),
            problems_left_out: 0,
            warnings: Vec::new(),
        };
        match checked {
            Ok(suite) => {
                entry.warnings = warnings(&suite, catalog);
                entry.suite = Some(SuiteEntry {
                    prompts: suite.prompts.len(),
                    variants: suite.variants.len(),
                    trials: suite.trials(),
                    name: suite.name,
                });
            }
            Err(BadSuite::Unread(failure)) => entry.error = Some(failure.to_string()),
            Err(BadSuite::Wrong(problems, text)) => {
                let listed = problems.iter().map(|problem| problem.document(&text));
                entry.problems = listed.collect();
                entry.problems_left_out = problems.count() - entry.problems.len();
            }
        }
        entry
    }
}
