//! Files of scores: the grades that another program gave to a run's answers.
//!
//! Owns the wire form of a line, how it finds its trial, and every problem with its line number. Must not know
//! where the grades are stored. Invariant: a file with one bad line yields no grade at all.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::Deserialize;

use crate::suite::Redactor;

use super::check::check_grades;
use super::{Amendment, Grade, Sample};

/// Maximum characters of a check's name in such a file; a longer one is a mistake.
const NAME_CHARS: usize = 100;
/// Maximum characters of a reason in which what looks like a key is searched; the record has fewer.
const REASON_CHARS: usize = 400;

/// A line, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScoreLineWire {
    trial: Option<u64>,
    prompt: Option<String>,
    variant: Option<String>,
    repetition: Option<u32>,
    #[serde(default)]
    scores: BTreeMap<String, ScoreWire>,
    #[serde(default)]
    grades: Vec<GradeWire>,
    pass_threshold: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GradeWire {
    name: String,
    score: Option<ScoreWire>,
    pass: Option<bool>,
    weight: Option<f64>,
    reason: Option<String>,
}

/// A number, or `true` and `false` for 1 and 0.
struct ScoreWire(f64);

impl<'de> Deserialize<'de> for ScoreWire {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrBool;
        #[allow(clippy::cast_precision_loss, reason = "beyond 1 it is an error anyway")]
        impl serde::de::Visitor<'_> for NumberOrBool {
            type Value = ScoreWire;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number from 0 to 1, or a boolean")
            }

            fn visit_bool<E>(self, value: bool) -> Result<ScoreWire, E> {
                Ok(ScoreWire(f64::from(u8::from(value))))
            }

            fn visit_f64<E>(self, value: f64) -> Result<ScoreWire, E> {
                Ok(ScoreWire(value))
            }

            fn visit_u64<E>(self, value: u64) -> Result<ScoreWire, E> {
                Ok(ScoreWire(value as f64))
            }

            fn visit_i64<E>(self, value: i64) -> Result<ScoreWire, E> {
                Ok(ScoreWire(value as f64))
            }
        }
        deserializer.deserialize_any(NumberOrBool)
    }
}

/// The trial that a line names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum TrialKey {
    Number(u64),
    Named(String, String, u32),
}

impl fmt::Display for TrialKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(trial) => write!(f, "trial {trial}"),
            Self::Named(prompt, variant, repetition) => {
                write!(
                    f,
                    "prompt `{prompt}` of `{variant}`, repetition {repetition}"
                )
            }
        }
    }
}

struct ScoreLine {
    key: TrialKey,
    grades: Vec<Grade>,
    pass_threshold: Option<f64>,
}

/// A problem with a line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreProblem {
    /// The line, from 1.
    pub line: usize,
    /// The problem, as a sentence without its full stop.
    pub text: String,
}

/// The trials of a run, as lines of scores name them.
#[derive(Debug, Default)]
pub struct TrialIndex {
    gradable: HashMap<u64, bool>,
    prompts: NameIndex,
    variants: NameIndex,
    /// By the indices of prompt and variant, and the repetition.
    numbers: HashMap<(u32, u32, u32), u64>,
}

/// Names, each stored once.
#[derive(Debug, Default)]
struct NameIndex(HashMap<String, u32>);

impl NameIndex {
    /// The index of a name, which is new or in it.
    fn add(&mut self, name: &str) -> u32 {
        if let Some(&index) = self.0.get(name) {
            return index;
        }
        let index = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0.insert(name.to_owned(), index);
        index
    }
}

impl TrialIndex {
    /// Adds a trial.
    pub fn add(&mut self, sample: &Sample) {
        let is_gradable = sample.outcome.is_gradable();
        self.gradable.insert(sample.trial, is_gradable);
        let prompt = self.prompts.add(&sample.prompt);
        let variant = self.variants.add(&sample.variant);
        let key = (prompt, variant, sample.repetition);
        self.numbers.insert(key, sample.trial);
    }

    /// The number of the trial, and true if it has an answer to grade.
    fn find(&self, key: &TrialKey) -> Option<(u64, bool)> {
        let trial = match key {
            TrialKey::Number(trial) => *trial,
            TrialKey::Named(prompt, variant, repetition) => {
                let (prompt, variant) =
                    (self.prompts.0.get(prompt)?, self.variants.0.get(variant)?);
                *self.numbers.get(&(*prompt, *variant, *repetition))?
            }
        };
        Some((trial, *self.gradable.get(&trial)?))
    }
}

/// A line that names a trial of the run.
#[derive(Debug, Clone, Copy, PartialEq)]
struct TrialLine<'a> {
    trial: u64,
    is_gradable: bool,
    /// From 1.
    number: usize,
    content: &'a str,
}

/// The grades of a file, put together by trial. They are made when they are needed: a run may have very many.
#[derive(Debug, Default, PartialEq)]
pub struct ExternalGrades<'a> {
    /// Those of trials with an answer, in the order of trials.
    lines: Vec<TrialLine<'a>>,
    pass_at: f64,
    /// Number of graded answers.
    pub answers: usize,
    /// Number of their grades.
    pub grades: usize,
    /// Lines of trials that failed, which have no answer to grade.
    pub skipped: usize,
}

impl ExternalGrades<'_> {
    /// An amendment for each graded trial, in the order of trials.
    pub fn amendments(&self) -> impl Iterator<Item = Amendment> {
        let by_trial = self.lines.chunk_by(|one, next| one.trial == next.trial);
        by_trial.map(|lines| {
            let mut amendment = no_grades(lines[0].trial);
            for line in lines {
                // It was read before.
                if let Ok(parsed) = parse_line(line.content, self.pass_at) {
                    add_grades(&mut amendment, parsed);
                }
            }
            amendment
        })
    }
}

/// An amendment that changes nothing yet.
fn no_grades(trial: u64) -> Amendment {
    Amendment {
        version: Amendment::VERSION,
        trial,
        ..Amendment::default()
    }
}

fn add_grades(amendment: &mut Amendment, line: ScoreLine) {
    amendment.grades.extend(line.grades);
    amendment.pass_threshold = line.pass_threshold.or(amendment.pass_threshold);
}

/// Reads a file of scores. A row without `pass` passes from `pass_at` on.
///
/// # Errors
/// Every line that is wrong; also a file without a line.
pub fn read_scores<'a>(
    text: &'a str,
    trials: &TrialIndex,
    pass_at: f64,
) -> Result<ExternalGrades<'a>, Vec<ScoreProblem>> {
    let mut lines = Vec::new();
    let mut problems = Vec::new();
    let numbered = (1..).zip(text.lines());
    for (number, content) in numbered.filter(|(_, content)| !content.trim().is_empty()) {
        let found = parse_line(content, pass_at).and_then(|parsed| {
            let found = trials.find(&parsed.key);
            found.ok_or_else(|| format!("this run has no sample of {}", parsed.key))
        });
        match found {
            Ok((trial, is_gradable)) => lines.push(TrialLine {
                trial,
                is_gradable,
                number,
                content,
            }),
            Err(text) => problems.push(ScoreProblem { line: number, text }),
        }
    }
    if lines.is_empty() && problems.is_empty() {
        let text = "there is no line with scores".to_owned();
        problems.push(ScoreProblem { line: 1, text });
    }
    lines.sort_unstable_by_key(|line| (line.trial, line.number));
    let mut read = ExternalGrades {
        pass_at,
        ..ExternalGrades::default()
    };
    for of_trial in lines.chunk_by(|one, next| one.trial == next.trial) {
        let grades = check_trial(of_trial, pass_at, &mut problems);
        if of_trial[0].is_gradable {
            read.answers += 1;
            read.grades += grades;
        } else {
            read.skipped += of_trial.len();
        }
    }
    if !problems.is_empty() {
        problems.sort_by_key(|problem| problem.line);
        return Err(problems);
    }
    lines.retain(|line| line.is_gradable);
    Ok(ExternalGrades { lines, ..read })
}

/// Checks that the grades of a trial go together, and returns their number.
fn check_trial(lines: &[TrialLine<'_>], pass_at: f64, problems: &mut Vec<ScoreProblem>) -> usize {
    let mut amendment = no_grades(lines[0].trial);
    // The last line of each check.
    let mut line_of = HashMap::new();
    for line in lines {
        let Ok(parsed) = parse_line(line.content, pass_at) else {
            continue;
        };
        let mut problem = |text: String| {
            problems.push(ScoreProblem {
                line: line.number,
                text,
            });
        };
        let mut has_twice = false;
        for Grade { name, .. } in &parsed.grades {
            if let Some(before) = line_of.insert(name.clone(), line.number) {
                has_twice = true;
                let trial = line.trial;
                problem(format!(
                    "trial {trial} has `{name}` already, from line {before}"
                ));
            }
        }
        add_grades(&mut amendment, parsed);
        // Two rows of one name are reported above, with both lines.
        let checked = check_grades(&amendment.grades, amendment.pass_threshold);
        if let Err(invalid) = checked
            && line.is_gradable
            && !has_twice
        {
            problem(invalid.to_string());
        }
    }
    amendment.grades.len()
}

fn parse_line(content: &str, pass_at: f64) -> Result<ScoreLine, String> {
    let wire: ScoreLineWire = serde_json::from_str(content).map_err(|error| {
        let text = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let text = text.strip_suffix(&place).unwrap_or(&text);
        format!("column {}: {text}", error.column())
    })?;
    let key = match (wire.trial, wire.prompt, wire.variant, wire.repetition) {
        (Some(trial), None, None, None) => TrialKey::Number(trial),
        (None, Some(prompt), Some(variant), Some(repetition)) => {
            TrialKey::Named(prompt, variant, repetition)
        }
        _ => {
            return Err(
                "a line needs either `trial`, or `prompt`, `variant` and `repetition`".to_owned(),
            );
        }
    };
    let scores = wire.scores.into_iter().map(|(name, score)| GradeWire {
        name,
        score: Some(score),
        pass: None,
        weight: None,
        reason: None,
    });
    let rows = scores.chain(wire.grades);
    let grades = rows
        .map(|row| to_grade(row, pass_at))
        .collect::<Result<Vec<_>, _>>()?;
    if grades.is_empty() {
        return Err("a line needs `scores` or `grades`".to_owned());
    }
    Ok(ScoreLine {
        key,
        grades,
        pass_threshold: wire.pass_threshold,
    })
}

fn to_grade(row: GradeWire, pass_at: f64) -> Result<Grade, String> {
    let name = row.name;
    if name.trim().is_empty() || name.chars().count() > NAME_CHARS {
        return Err(format!(
            "the name of a check has 1 to {NAME_CHARS} characters"
        ));
    }
    let given = row.score.map(|score| score.0);
    let (score, pass) = match (given, row.pass) {
        (None, None) => return Err(format!("`{name}` needs a `score` or a `pass`")),
        (None, Some(pass)) => (f64::from(u8::from(pass)), pass),
        (Some(score), pass) => (score, pass.unwrap_or(score >= pass_at)),
    };
    if !(0.0..=1.0).contains(&score) {
        return Err(format!(
            "the score of `{name}` is {score}: scale scores to 0 to 1"
        ));
    }
    let mut grade = Grade {
        external: true,
        weight: row.weight.unwrap_or(1.0),
        ..Grade::new(&name, score, pass)
    };
    if let Some(reason) = row.reason {
        let clean = Redactor::default().clean_error(&reason, REASON_CHARS);
        grade = grade.with_reason(&clean);
    }
    Ok(grade)
}

#[cfg(test)]
mod tests;
