//! The answers of a run, all models side by side, with their grades.
//!
//! Owns the layout of `bakeoff answers`: columns where the width allows them, else one below the other. Must not know
//! where answers come from. Invariant: no character of an answer acts on a terminal, and no line is wider than asked
//! for.

use std::collections::BTreeMap;

use similar::{ChangeTag, TextDiff};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::record::{Grade, Manifest, Outcome, Sample};

use super::figure::Figure;
use super::terminal::Style;
use super::text::{one_line, push};

/// Narrowest column in which an answer can be read.
const MIN_COLUMN: usize = 36;
/// Width of answers below each other where the width is not limited.
const STACKED_COLUMN: usize = 100;
/// Text between two columns.
const GAP: &str = "  ";
/// Maximum characters of a prompt in the heading of its answers.
const PROMPT_CHARS: usize = 200;

/// One answer.
#[derive(Debug, Clone)]
struct AnswerCard {
    outcome: Outcome,
    error: Option<String>,
    passed: Option<bool>,
    score: Option<f64>,
    grades: Vec<Grade>,
    latency: Figure,
    cost: Figure,
    text: Option<String>,
}

/// The answers of a run by prompt and repetition.
#[derive(Debug)]
pub struct AnswerPages {
    variants: Vec<(String, bool)>,
    prompts: Vec<(String, String)>,
    cards: BTreeMap<(usize, u32), Vec<Option<AnswerCard>>>,
}

/// The answers to show, and how.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnswerOptions {
    /// Only prompts and repetitions of which a model's answer did not pass.
    pub failed: bool,
    /// Show what differs from the reference's answer in place of the others' answers.
    pub diff: bool,
}

impl AnswerPages {
    /// Pages without answers yet.
    pub fn new(manifest: &Manifest) -> Self {
        let suite = &manifest.suite;
        let variants = suite.variants.iter();
        let prompts = suite.prompts.iter().map(|prompt| {
            let last = prompt.messages.last();
            let text = last.map(|message| message.content.clone());
            (prompt.id.clone(), text.unwrap_or_default())
        });
        Self {
            variants: variants
                .map(|variant| (variant.label.clone(), variant.label == suite.reference))
                .collect(),
            prompts: prompts.collect(),
            cards: BTreeMap::new(),
        }
    }

    /// Adds a sample; one of a prompt or variant that the run does not name is ignored.
    pub fn add(&mut self, sample: &Sample) {
        let prompt = self.prompts.iter().position(|(id, _)| *id == sample.prompt);
        let mut labels = self.variants.iter();
        let variant = labels.position(|(label, _)| *label == sample.variant);
        let (Some(prompt), Some(variant)) = (prompt, variant) else {
            return;
        };
        let count = self.variants.len();
        let slot = self.cards.entry((prompt, sample.repetition));
        slot.or_insert_with(|| vec![None; count])[variant] = Some(AnswerCard::new(sample));
    }

    /// Renders what was added; `None` if nothing is left to show.
    pub fn render(&self, style: Style, options: AnswerOptions) -> Option<String> {
        let mut page = String::new();
        for ((prompt, repetition), cards) in &self.cards {
            let is_failed = |card: &AnswerCard| card.passed == Some(false);
            if options.failed && !cards.iter().flatten().any(is_failed) {
                continue;
            }
            if !page.is_empty() {
                page.push('\n');
            }
            let (id, text) = &self.prompts[*prompt];
            let heading = format!("{id}, repetition {repetition}: {}", cut(text, PROMPT_CHARS));
            let width = style
                .width
                .min(STACKED_COLUMN.max(MIN_COLUMN * self.variants.len()));
            for line in wrap(&heading, width) {
                push(&mut page, format_args!("{line}\n"));
            }
            page.push('\n');
            self.push_cards(&mut page, cards, style, options.diff);
        }
        (!page.is_empty()).then_some(page)
    }

    fn push_cards(
        &self,
        page: &mut String,
        cards: &[Option<AnswerCard>],
        style: Style,
        diff: bool,
    ) {
        let reference = self
            .variants
            .iter()
            .position(|(_, is_reference)| *is_reference);
        let base = reference.and_then(|at| cards[at].as_ref()?.text.as_deref());
        let count = self.variants.len();
        let gaps = GAP.len() * count.saturating_sub(1);
        let column = style.width.saturating_sub(gaps) / count.max(1);
        let stacked = column < MIN_COLUMN || style.width == usize::MAX;
        let width = if stacked {
            style.width.min(STACKED_COLUMN)
        } else {
            column
        };
        let blocks = self
            .variants
            .iter()
            .zip(cards)
            .map(|((label, is_ref), card)| {
                let mark = if *is_ref { " (ref)" } else { "" };
                let mut lines = wrap(&format!("{label}{mark}"), width);
                match card {
                    Some(card) => lines.extend(card.lines(width, base.filter(|_| diff && !is_ref))),
                    None => lines.push("no sample".to_owned()),
                }
                lines
            });
        let blocks: Vec<Vec<String>> = blocks.collect();
        if stacked {
            for (index, block) in blocks.iter().enumerate() {
                page.push_str(if index > 0 { "\n" } else { "" });
                for line in block {
                    push(page, format_args!("{line}\n"));
                }
            }
        } else {
            push_columns(page, &blocks, width);
        }
    }
}

fn push_columns(page: &mut String, blocks: &[Vec<String>], width: usize) {
    let height = blocks.iter().map(Vec::len).max().unwrap_or(0);
    for row in 0..height {
        let mut line = String::new();
        for (index, block) in blocks.iter().enumerate() {
            let cell = block.get(row).map_or("", String::as_str);
            line.push_str(if index > 0 { GAP } else { "" });
            line.push_str(cell);
            line.push_str(&" ".repeat(width.saturating_sub(cell.width())));
        }
        push(page, format_args!("{}\n", line.trim_end()));
    }
}

impl AnswerCard {
    fn new(sample: &Sample) -> Self {
        let calls = sample.tool_calls.iter();
        let calls = calls.map(|call| format!("{}({})", call.name, call.arguments));
        let parts: Vec<String> = sample.answer.iter().cloned().chain(calls).collect();
        Self {
            outcome: sample.outcome,
            error: sample.error.as_ref().map(|error| error.message.clone()),
            passed: sample.passed(),
            score: sample.score(),
            grades: sample.grades.clone(),
            latency: sample
                .latency_ns
                .map_or(Figure::Absent, |span| Figure::from_ns(span.0 as f64)),
            cost: sample.list_price().map_or(Figure::Absent, Figure::Money),
            text: (!parts.is_empty()).then(|| parts.join("\n")),
        }
    }

    /// The lines of a column, as wide as it; with `base`, the answer as its difference from that text.
    fn lines(&self, width: usize, base: Option<&str>) -> Vec<String> {
        let mut lines = wrap(&self.status(), width);
        for grade in &self.grades {
            if let Some(text) = grade_line(grade) {
                lines.extend(wrap(&text, width));
            }
        }
        lines.push("-".repeat(width.min(MIN_COLUMN)));
        match (&self.text, base) {
            (Some(text), Some(base)) => lines.extend(wrap(&difference(base, text), width)),
            (Some(text), None) => lines.extend(wrap(text, width)),
            (None, _) => {
                let error = self.error.as_deref().unwrap_or("no text");
                lines.extend(wrap(&format!("no answer: {error}"), width));
            }
        }
        lines
    }

    /// `passed (0.85), 412 ms, $0.000123`.
    fn status(&self) -> String {
        let result = match (self.passed, self.score) {
            (Some(passed), Some(score)) => {
                let word = if passed { "passed" } else { "FAILED" };
                format!("{word} ({score:.2})")
            }
            _ if self.outcome.is_gradable() => "not graded".to_owned(),
            _ => self.outcome.word().replace('_', " "),
        };
        format!("{result}, {}, {}", self.latency.shown(), self.cost.shown())
    }
}

/// A grade that failed, or that has a reason.
fn grade_line(grade: &Grade) -> Option<String> {
    let word = if grade.pass { "pass" } else { "fail" };
    let reason = grade.reason.as_ref().map(|reason| format!(": {reason}"));
    (!grade.pass || reason.is_some()).then(|| {
        let reason = reason.unwrap_or_default();
        format!("{word} {} ({:.2}){reason}", grade.name, grade.score)
    })
}

/// The words that differ: `[-gone-]` and `{+new+}`.
fn difference(base: &str, text: &str) -> String {
    let diff = TextDiff::from_words(base, text);
    let mut marked = String::new();
    let mut open: Option<ChangeTag> = None;
    let close = |marked: &mut String, open: Option<ChangeTag>| {
        marked.push_str(match open {
            Some(ChangeTag::Delete) => "-]",
            Some(ChangeTag::Insert) => "+}",
            _ => "",
        });
    };
    for change in diff.iter_all_changes() {
        let tag = Some(change.tag());
        if tag != open {
            close(&mut marked, open);
            marked.push_str(match change.tag() {
                ChangeTag::Delete => "[-",
                ChangeTag::Insert => "{+",
                ChangeTag::Equal => "",
            });
            open = tag;
        }
        marked.push_str(change.value());
    }
    close(&mut marked, open);
    marked
}

fn cut(text: &str, chars: usize) -> String {
    let line = one_line(text);
    match line.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.into_owned(),
    }
}

/// The text in lines of at most `width` columns, without a character that acts; its own line breaks stay, and a word
/// that is wider is broken.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(2);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let paragraph = one_line(paragraph.strip_suffix('\r').unwrap_or(paragraph));
        let mut line = String::new();
        let mut used = 0;
        for word in paragraph.split_inclusive(' ') {
            let wide = word.trim_end().width();
            if used > 0 && used + wide > width {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
                used = 0;
            }
            for c in word.chars() {
                let wide = c.width().unwrap_or(0);
                if used + wide > width {
                    if c == ' ' {
                        continue;
                    }
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                }
                line.push(c);
                used += wide;
            }
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

#[cfg(test)]
mod tests;
