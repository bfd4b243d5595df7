//! Output tokens in words: differences in answer length, what the tokens were spent on, and their cost.
//!
//! Owns which differences are worth a sentence. Must not know how a difference was computed. Invariant: a
//! difference is claimed only if its interval excludes 1; if everything is within the noise and no reasoning
//! was hidden, nothing is printed and the tables stand in JSON alone.

use crate::stats::interval::Interval;
use crate::units::{ModelId, plural};
use crate::verdict::{ComparisonDesign, OutputChange, OutputTotals, RatioChange};

use super::figure::{Figure, FigureCell, count};
use super::table::{FigureRow, FigureTable, MAX_PROMPT_ROWS};

/// Maximum prompts that one sentence names.
const MAX_NAMED_PROMPTS: usize = 3;
/// Description of ratios between two runs.
const AFTER_OVER_BEFORE: &str = "after over before";
/// A prompt is named if its ratio is at least this far from 1, up or down.
const MIN_NAMED_RATIO: f64 = 1.1;

/// Answer lengths of candidates against their references, ready to be rendered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outputs {
    /// Description of the ratios: `candidate over reference`, or `after over before`.
    pub over: &'static str,
    /// One paragraph for each candidate whose answers differ in length beyond the noise.
    pub paragraphs: Vec<String>,
    /// One sentence for each side whose reasoning was hidden.
    pub hidden: Vec<String>,
    /// Explanations; empty if there is neither a paragraph nor a sentence on hidden reasoning.
    pub notes: Vec<String>,
    /// One row per candidate.
    pub models: FigureTable,
    /// One row per candidate and prompt, the largest change first. The first rows alone are stored.
    pub prompts: FigureTable,
    changes: Vec<OutputChange>,
}

impl Outputs {
    /// Describes the changes of all candidates.
    pub fn new(changes: &[OutputChange]) -> Self {
        let notable = changes.iter().filter(|change| change.is_notable());
        let paragraphs: Vec<String> = notable.map(paragraph).collect();
        let mut hidden: Vec<String> = Vec::new();
        for sentence in changes.iter().flat_map(hidden_sentences) {
            // A reference is paired with each of its candidates.
            if !hidden.contains(&sentence) {
                hidden.push(sentence);
            }
        }
        let between_runs = |change: &OutputChange| change.design != ComparisonDesign::Interleaved;
        let over = if changes.iter().any(between_runs) {
            AFTER_OVER_BEFORE
        } else {
            "candidate over reference"
        };
        Self {
            over,
            notes: if paragraphs.is_empty() && hidden.is_empty() {
                Vec::new()
            } else {
                notes(over)
            },
            paragraphs,
            hidden,
            models: FigureTable::from_rows(changes.iter().map(model_row)),
            prompts: FigureTable::from_first_rows(
                changes.iter().flat_map(prompt_rows),
                MAX_PROMPT_ROWS,
            ),
            changes: changes.to_vec(),
        }
    }

    /// All rows of prompts, each made when it is written.
    pub(super) fn prompt_rows(&self) -> impl Iterator<Item = FigureRow> {
        self.changes.iter().flat_map(prompt_rows)
    }

    /// Returns true if there is a difference or hidden reasoning to print.
    pub fn is_notable(&self) -> bool {
        !self.paragraphs.is_empty() || !self.hidden.is_empty()
    }
}

fn notes(over: &str) -> Vec<String> {
    let mut notes = vec![
        "Models count tokens with tokenizers of their own: the characters of the answer compare across models, \
         output tokens are what is paid."
            .to_owned(),
        format!(
            "Ratios are {over}: geometric means over prompts of the ratio of mean counts, in brackets 95 % \
             intervals (Student's t, prompts as units). They are not corrected for their number, and fail \
             nothing."
        ),
    ];
    if over == AFTER_OVER_BEFORE {
        notes.push(
            "These intervals stand for these two runs alone; those of the verdicts, `output_tokens` among the \
             exploratory ones included, also allow for how much runs differ as wholes, and are wider."
                .to_owned(),
        );
    }
    notes
}

/// The paragraph on one candidate.
fn paragraph(change: &OutputChange) -> String {
    let names = SideNames::new(change);
    let sentences = [
        change.tokens.map(|tokens| tokens_sentence(&names, tokens)),
        change.answer_chars.map(chars_sentence),
        reasoning_sentence(&names, change),
        prompts_sentence(change),
        cost_sentence(change),
        truncation_sentence(&names, change),
    ];
    sentences
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ")
}

/// The names of the two sides in a sentence.
struct SideNames {
    candidate: String,
    reference: String,
}

impl SideNames {
    fn new(change: &OutputChange) -> Self {
        let ((label, model), (then_label, then_model)) = (&change.candidate, &change.reference);
        match change.design {
            ComparisonDesign::Interleaved => Self {
                candidate: label.clone(),
                reference: then_label.clone(),
            },
            _ if model == then_model => Self {
                candidate: label.clone(),
                reference: format!("{then_label} before"),
            },
            // A label may stay while the model behind it changes.
            _ => Self {
                candidate: label_with_model(label, model.as_str()),
                reference: format!(
                    "{} before",
                    label_with_model(then_label, then_model.as_str())
                ),
            },
        }
    }
}

fn label_with_model(label: &str, model: &str) -> String {
    if label == model {
        label.to_owned()
    } else {
        format!("{label} ({model})")
    }
}

fn tokens_sentence(names: &SideNames, tokens: RatioChange) -> String {
    let SideNames {
        candidate,
        reference,
    } = names;
    let shown = shown(tokens);
    let prompts = plural(tokens.prompts, "prompt");
    if tokens.beyond_noise {
        let word = if tokens.ratio > 1.0 { "more" } else { "fewer" };
        format!("{candidate} has {word} output tokens: {shown} those of {reference}, on {prompts}.")
    } else {
        format!(
            "No significant difference in output tokens: {candidate} has {shown} those of {reference}, on {prompts}."
        )
    }
}

/// Compares the answers themselves, without reasoning.
fn chars_sentence(chars: RatioChange) -> String {
    let shown = shown(chars);
    if chars.beyond_noise {
        let word = if chars.ratio > 1.0 {
            "longer"
        } else {
            "shorter"
        };
        format!("The visible answers are {word}: {shown} the characters.")
    } else {
        format!(
            "No significant difference in the length of visible answers: {shown} the characters."
        )
    }
}

fn reasoning_sentence(names: &SideNames, change: &OutputChange) -> Option<String> {
    let share_text = |output: OutputTotals| {
        let share = Figure::from_option(output.reasoning_share(), Figure::Share);
        match share {
            Figure::Absent => "a part that is not reported".to_owned(),
            share => share.shown(),
        }
    };
    let (candidate, reference) = (change.candidate_output, change.reference_output);
    if candidate.reasoning_tokens == 0 && reference.reasoning_tokens == 0 {
        return None;
    }
    let ratio = change.reasoning_tokens.map_or_else(String::new, |ratio| {
        let caveat = if ratio.beyond_noise {
            ""
        } else {
            ", no significant difference"
        };
        format!(" ({} the reasoning tokens{caveat})", shown(ratio))
    });
    Some(format!(
        "Reasoning is {} of the output of {}, and {} of that of {}{ratio}.",
        share_text(candidate),
        names.candidate,
        share_text(reference),
        names.reference,
    ))
}

/// One sentence per side with hidden reasoning, the reference first.
fn hidden_sentences(change: &OutputChange) -> Vec<String> {
    let names = SideNames::new(change);
    let sides = [
        (names.reference, change.reference_output),
        (names.candidate, change.candidate_output),
    ];
    let sentences = sides
        .iter()
        .filter_map(|(name, output)| hidden_sentence(name, *output));
    sentences.collect()
}

fn hidden_sentence(name: &str, output: OutputTotals) -> Option<String> {
    if output.hidden == 0 {
        return None;
    }
    let spent = match (output.hidden_tokens, output.hidden_contradicting) {
        (0, 0) => "how many tokens it took is not reported".to_owned(),
        (0, _) => "its token count is unknown, because its server reports more reasoning than output tokens"
            .to_owned(),
        (tokens, 0) => format!("its server reports {tokens} output tokens for it"),
        (tokens, some) => format!(
            "its server reports {tokens} output tokens for it, without {some} answers for which it reports more reasoning than output tokens"
        ),
    };
    Some(format!(
        "Hidden reasoning of {name}: in {} of {} answers it was hidden, summarised or encrypted; {spent}.",
        output.hidden, output.answered
    ))
}

fn prompts_sentence(change: &OutputChange) -> Option<String> {
    let is_far = |ratio: f64| ratio.max(1.0 / ratio) >= MIN_NAMED_RATIO;
    let named = change.prompts.iter().filter(|(_, ratio)| is_far(*ratio));
    let named: Vec<String> = named
        .take(MAX_NAMED_PROMPTS)
        .map(|(id, ratio)| format!("{id} {}", ratio_figure(*ratio).shown()))
        .collect();
    (!named.is_empty()).then(|| format!("Output tokens changed most on {}.", named.join(", ")))
}

fn cost_sentence(change: &OutputChange) -> Option<String> {
    let cost = change.request_cost?;
    let shown = shown(cost);
    Some(if cost.beyond_noise {
        let word = if cost.ratio > 1.0 { "more" } else { "less" };
        format!(
            "At list price a request, its prompt included, costs {word} on the typical prompt (geometric mean): \
             {shown}."
        )
    } else {
        format!(
            "At list price a request, its prompt included, is not shown to cost more or less on the typical prompt \
             (geometric mean): {shown}."
        )
    })
}

fn truncation_sentence(names: &SideNames, change: &OutputChange) -> Option<String> {
    let (candidate, reference) = (
        change.candidate_output.truncated,
        change.reference_output.truncated,
    );
    (candidate + reference > 0).then(|| {
        format!(
            "Ended by the token limit, and so shorter than they would have been: of {} {candidate} answers, of \
             {} {reference}.",
            names.candidate, names.reference
        )
    })
}

fn ratio_figure(ratio: f64) -> Figure {
    Figure::from_option(Some(ratio), Figure::Ratio)
}

fn cell(change: Option<RatioChange>) -> FigureCell {
    change.map_or_else(FigureCell::empty, |change| {
        FigureCell::within(ratio_figure(change.ratio), change.interval, ratio_figure)
    })
}

fn shown(change: RatioChange) -> String {
    cell(Some(change)).shown(true)
}

fn put_names(row: &mut FigureRow, change: &OutputChange) {
    let text = |text: &str| Figure::Text(text.to_owned());
    row.put_figure("design", text(change.design.word()));
    row.put_figure("candidate", text(&change.candidate.0));
    row.put_figure("reference", text(&change.reference.0));
    row.show("candidate", "candidate", 0);
}

fn model_row(change: &OutputChange) -> FigureRow {
    let mut row = FigureRow::default();
    put_names(&mut row, change);
    let model = |model: &ModelId| Figure::Text(model.to_string());
    row.put_figure("candidate_model", model(&change.candidate.1));
    row.put_figure("reference_model", model(&change.reference.1));
    for (name, heading, ratio) in [
        ("output_tokens", "output tokens", change.tokens),
        ("visible_tokens", "without reasoning", change.visible_tokens),
        ("answer_chars", "characters", change.answer_chars),
        (
            "reasoning_tokens",
            "reasoning tokens",
            change.reasoning_tokens,
        ),
        ("request_cost", "cost of a request", change.request_cost),
    ] {
        // The ends of an interval are columns even if there is none: all rows have the same columns.
        let ends = ratio.map_or(Interval::NONE, |ratio| ratio.interval);
        let figure = ratio.map_or(Figure::Absent, |ratio| ratio_figure(ratio.ratio));
        row.put(name, FigureCell::within(figure, ends, ratio_figure));
        row.show_within(name, heading, 0, 2);
        let beyond = ratio.map_or(Figure::Absent, |ratio| Figure::Bool(ratio.beyond_noise));
        row.put_figure(format!("{name}_beyond_noise"), beyond);
    }
    let prompts = change.tokens.map_or(0, |tokens| tokens.prompts);
    row.put_figure("prompts", count(prompts));
    row.show("prompts", "prompts", 3);
    for (side, output) in [
        ("candidate", change.candidate_output),
        ("reference", change.reference_output),
    ] {
        let mean = Figure::from_option(output.mean_tokens(), Figure::Mean);
        let share = Figure::from_option(output.reasoning_share(), Figure::Share);
        row.put_figure(format!("{side}_answers"), count(output.answers));
        row.put_figure(format!("{side}_mean_output_tokens"), mean);
        row.put_figure(format!("{side}_reasoning_share"), share);
        row.put_figure(format!("{side}_hidden_reasoning"), count(output.hidden));
        row.put_figure(format!("{side}_hidden_tokens"), count(output.hidden_tokens));
        row.put_figure(format!("{side}_cut"), count(output.truncated));
    }
    row
}

fn prompt_rows(change: &OutputChange) -> impl Iterator<Item = FigureRow> {
    change.prompts.iter().map(move |(id, ratio)| {
        let mut row = FigureRow::default();
        put_names(&mut row, change);
        row.put_figure("prompt", Figure::Text(id.to_string()));
        row.show("prompt", "prompt", 0);
        row.put_figure("output_tokens", ratio_figure(*ratio));
        row.show("output_tokens", "output tokens", 0);
        row
    })
}

#[cfg(test)]
mod tests;
