//! Output tokens in words: how much longer answers are, what that length was spent on, and what it costs.
//!
//! Owns which changes are worth a sentence. Must not know how a change was found. Invariant: a difference
//! is called one only where its interval says so; where all is within the noise and no reasoning was
//! hidden, nothing is said and the tables stand in JSON alone.

use crate::stats::interval::Interval;
use crate::units::{ModelId, counted};
use crate::verdict::{ComparisonDesign, OutputChange, OutputTotals, RatioChange};

use super::figure::{Cell, Figure, count};
use super::table::{Row, Table};
use super::verdict_tables::situation_word;

/// Most prompts that one sentence names.
const PROMPTS_NAMED: usize = 3;
/// Between two runs.
const AFTER: &str = "after over before";
/// A prompt is named where its ratio is as far from 1 as this, up or down.
const WORTH_NAMING: f64 = 1.1;

/// Outputs of candidates against their references', ready to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outputs {
    /// What ratios are of: `candidate over reference`, or `after over before`.
    pub over: &'static str,
    /// One paragraph for each candidate whose answers differ in length beyond the noise.
    pub told: Vec<String>,
    /// One sentence for each side whose reasoning was hidden.
    pub hidden: Vec<String>,
    /// How to read it; empty where nothing is told.
    pub notes: Vec<String>,
    /// One row a candidate.
    pub models: Table,
    /// One row a candidate and prompt, the largest change first.
    pub prompts: Table,
}

impl Outputs {
    /// Of every candidate.
    pub fn new(changes: &[OutputChange]) -> Self {
        let notable = changes.iter().filter(|change| change.is_notable());
        let told: Vec<String> = notable.map(paragraph).collect();
        let mut hidden: Vec<String> = Vec::new();
        for sentence in changes.iter().flat_map(of_hidden) {
            // A reference stands beside each of its candidates.
            if !hidden.contains(&sentence) {
                hidden.push(sentence);
            }
        }
        let between_runs = |change: &OutputChange| change.design != ComparisonDesign::Interleaved;
        let over = if changes.iter().any(between_runs) {
            AFTER
        } else {
            "candidate over reference"
        };
        Self {
            over,
            notes: if told.is_empty() && hidden.is_empty() {
                Vec::new()
            } else {
                notes(over)
            },
            told,
            hidden,
            models: Table::from_rows(changes.iter().map(model_row)),
            prompts: Table::from_rows(changes.iter().flat_map(prompt_rows)),
        }
    }

    /// Whether there is anything to tell people.
    pub fn is_worth_telling(&self) -> bool {
        !self.told.is_empty() || !self.hidden.is_empty()
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
    if over == AFTER {
        notes.push(
            "These intervals stand for these two runs alone; those of the verdicts, `output_tokens` among the \
             exploratory ones included, also allow for how much runs differ as wholes, and are wider."
                .to_owned(),
        );
    }
    notes
}

/// Everything worth telling of one candidate.
fn paragraph(change: &OutputChange) -> String {
    let names = Names::of(change);
    let sentences = [
        change.tokens.map(|tokens| of_tokens(&names, tokens)),
        change.answer_chars.map(of_chars),
        of_reasoning(&names, change),
        named_prompts(change),
        of_cost(change),
        of_cut(&names, change),
    ];
    sentences
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ")
}

/// What the two sides are called in a sentence.
struct Names {
    candidate: String,
    reference: String,
}

impl Names {
    fn of(change: &OutputChange) -> Self {
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
                candidate: named(label, model.as_str()),
                reference: format!("{} before", named(then_label, then_model.as_str())),
            },
        }
    }
}

fn named(label: &str, model: &str) -> String {
    if label == model {
        label.to_owned()
    } else {
        format!("{label} ({model})")
    }
}

fn of_tokens(names: &Names, tokens: RatioChange) -> String {
    let Names {
        candidate,
        reference,
    } = names;
    let shown = shown(tokens);
    let prompts = counted(tokens.prompts, "prompt");
    if tokens.beyond_noise {
        let word = if tokens.ratio > 1.0 { "more" } else { "fewer" };
        format!(
            "{candidate} writes {word} output tokens: {shown} those of {reference}, on {prompts}."
        )
    } else {
        format!(
            "No difference in output tokens is shown: {candidate} writes {shown} those of {reference}, on \
             {prompts}."
        )
    }
}

/// The answer itself, without what went before it.
fn of_chars(chars: RatioChange) -> String {
    let shown = shown(chars);
    if chars.beyond_noise {
        let word = if chars.ratio > 1.0 {
            "longer"
        } else {
            "shorter"
        };
        format!("The answers themselves are {word}: {shown} the characters.")
    } else {
        format!("The answers themselves are not shown to differ in length: {shown} the characters.")
    }
}

fn of_reasoning(names: &Names, change: &OutputChange) -> Option<String> {
    let of_side = |output: OutputTotals| {
        let share = Figure::from_option(output.reasoning_share(), Figure::Share);
        match share {
            Figure::Absent => "a part that is not told".to_owned(),
            share => share.shown(),
        }
    };
    let (candidate, reference) = (change.candidate_output, change.reference_output);
    if candidate.reasoning_tokens == 0 && reference.reasoning_tokens == 0 {
        return None;
    }
    let ratio = change.reasoning_tokens.map_or_else(String::new, |ratio| {
        let sure = if ratio.beyond_noise {
            ""
        } else {
            ", no difference shown"
        };
        format!(" ({} the reasoning tokens{sure})", shown(ratio))
    });
    Some(format!(
        "Reasoning is {} of the output of {}, and {} of that of {}{ratio}.",
        of_side(candidate),
        names.candidate,
        of_side(reference),
        names.reference,
    ))
}

/// Of both sides, the reference first.
fn of_hidden(change: &OutputChange) -> Vec<String> {
    let names = Names::of(change);
    let sides = [
        (names.reference, change.reference_output),
        (names.candidate, change.candidate_output),
    ];
    let sentences = sides
        .iter()
        .filter_map(|(name, output)| hidden(name, *output));
    sentences.collect()
}

fn hidden(name: &str, output: OutputTotals) -> Option<String> {
    if output.hidden == 0 {
        return None;
    }
    let spent = match (output.hidden_tokens, output.hidden_contradicting) {
        (0, 0) => "how many tokens it took is not told".to_owned(),
        (0, _) => "how many tokens it took is not known, because its server counts more reasoning than output tokens"
            .to_owned(),
        (tokens, 0) => format!("by the count of its server it took {tokens} output tokens"),
        (tokens, some) => format!(
            "by the count of its server it took {tokens} output tokens, without {some} answers of which it counts more \
             reasoning than output tokens"
        ),
    };
    Some(format!(
        "Hidden reasoning of {name}: in {} of {} answers it was hidden, summarised or encrypted; {spent}.",
        output.hidden, output.answered
    ))
}

fn named_prompts(change: &OutputChange) -> Option<String> {
    let far = |ratio: f64| ratio.max(1.0 / ratio) >= WORTH_NAMING;
    let named = change.prompts.iter().filter(|(_, ratio)| far(*ratio));
    let named: Vec<String> = named
        .take(PROMPTS_NAMED)
        .map(|(id, ratio)| format!("{id} {}", ratio_figure(*ratio).shown()))
        .collect();
    (!named.is_empty()).then(|| format!("Output tokens changed most on {}.", named.join(", ")))
}

fn of_cost(change: &OutputChange) -> Option<String> {
    let cost = change.request_cost?;
    let shown = shown(cost);
    Some(if cost.beyond_noise {
        let word = if cost.ratio > 1.0 { "more" } else { "less" };
        format!("By list price a request, its prompt included, costs {word}: {shown}.")
    } else {
        format!(
            "By list price a request, its prompt included, is not shown to cost more or less: {shown}."
        )
    })
}

fn of_cut(names: &Names, change: &OutputChange) -> Option<String> {
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

fn cell(change: Option<RatioChange>) -> Cell {
    change.map_or_else(Cell::absent, |change| {
        Cell::within(ratio_figure(change.ratio), change.interval, ratio_figure)
    })
}

fn shown(change: RatioChange) -> String {
    cell(Some(change)).shown(true)
}

fn put_names(row: &mut Row, change: &OutputChange) {
    let text = |text: &str| Figure::Text(text.to_owned());
    row.put_figure("situation", text(situation_word(change.design)));
    row.put_figure("candidate", text(&change.candidate.0));
    row.put_figure("reference", text(&change.reference.0));
    row.show("candidate", "candidate", 0);
}

fn model_row(change: &OutputChange) -> Row {
    let mut row = Row::default();
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
        // The ends of an interval are columns also where there is none: rows are alike.
        let ends = ratio.map_or(Interval::NONE, |ratio| ratio.interval);
        let figure = ratio.map_or(Figure::Absent, |ratio| ratio_figure(ratio.ratio));
        row.put(name, Cell::within(figure, ends, ratio_figure));
        row.show_within(name, heading, 0, 2);
        let beyond = ratio.map_or(Figure::Absent, |ratio| Figure::Truth(ratio.beyond_noise));
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

fn prompt_rows(change: &OutputChange) -> impl Iterator<Item = Row> {
    change.prompts.iter().map(move |(id, ratio)| {
        let mut row = Row::default();
        put_names(&mut row, change);
        row.put_figure("prompt", Figure::Text(id.clone()));
        row.show("prompt", "prompt", 0);
        row.put_figure("output_tokens", ratio_figure(*ratio));
        row.show("output_tokens", "output tokens", 0);
        row
    })
}

#[cfg(test)]
mod tests;
