//! The texts that a page holds with `--with-answers`: one answer per model and prompt, and failures.
//!
//! Owns which texts a page holds and how long they are. Must not know markup. Invariant: all texts together stay
//! below [`MAX_BYTES`] as the page writes them; the order of samples changes nothing.

use std::collections::{BTreeMap, HashMap};

use crate::record::{Manifest, Sample};
use crate::suite::{Message, Role};

use crate::report::text::push;

use super::roster::Roster;

/// Maximum bytes of all texts of a page: with everything else it stays below 5 MB.
const MAX_BYTES: usize = 4_000_000;
/// The lengths of a text in characters that are tried, from the longest.
const LENGTHS: [usize; 8] = [16_000, 8_000, 4_000, 2_000, 1_000, 500, 200, 0];
/// Maximum failed trials whose messages a page holds, for each model and prompt.
const MAX_FAILURES: usize = 3;

/// A text of one trial, with its heading.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct TrialText {
    round: u32,
    trial: u64,
    heading: String,
    /// Its beginning.
    text: String,
    /// The characters of the whole text.
    characters: usize,
}

/// The texts of one model and prompt.
#[derive(Debug, Clone, Default)]
struct CellTexts {
    answer: Option<TrialText>,
    /// The first failures by round.
    failures: Vec<TrialText>,
}

/// The texts of a page.
#[derive(Debug, Clone)]
pub struct PageAnswers {
    variants: HashMap<String, usize>,
    prompt_indices: HashMap<String, usize>,
    prompt_texts: Vec<String>,
    /// By prompt and variant.
    cells: BTreeMap<(usize, usize), CellTexts>,
    /// Maximum characters of a text.
    length: usize,
}

impl PageAnswers {
    /// No texts yet of the prompts of this run.
    pub fn new(manifest: &Manifest) -> Self {
        let suite = &manifest.suite;
        let variants = suite.variants.iter().enumerate();
        let prompts = suite.prompts.iter().enumerate();
        Self {
            variants: variants
                .map(|(index, one)| (one.label.clone(), index))
                .collect(),
            prompt_indices: prompts
                .map(|(index, one)| (one.id.clone(), index))
                .collect(),
            prompt_texts: suite
                .prompts
                .iter()
                .map(|prompt| conversation(&prompt.messages))
                .collect(),
            cells: BTreeMap::new(),
            length: LENGTHS[0],
        }
    }

    /// Adds the text of a sample, if the page needs it.
    pub fn add(&mut self, sample: &Sample) {
        let variant = self.variants.get(&sample.variant);
        let prompt = self.prompt_indices.get(&sample.prompt);
        let (Some(&variant), Some(&prompt)) = (variant, prompt) else {
            return;
        };
        let cell = self.cells.entry((prompt, variant)).or_default();
        if sample.outcome.answered() {
            let is_first = cell
                .answer
                .as_ref()
                .is_none_or(|known| (sample.round, sample.trial) < (known.round, known.trial));
            if let Some(answer) = sample.answer.as_ref().filter(|_| is_first) {
                cell.answer = Some(TrialText::new(sample, answer));
            }
        } else if !sample.outcome.is_abandoned() {
            let message = sample.error.as_ref().map(|error| error.message.as_str());
            let partial = sample.answer.as_deref().filter(|answer| !answer.is_empty());
            let texts: Vec<&str> = message.into_iter().chain(partial).collect();
            cell.failures
                .push(TrialText::new(sample, &texts.join("\n")));
            cell.failures.sort_unstable();
            cell.failures.truncate(MAX_FAILURES);
        }
    }

    /// Chooses the length of texts with which all of them fit into a page.
    #[must_use]
    pub fn fitted(mut self) -> Self {
        let size = |length: usize| -> usize {
            let cells = self.cells.values();
            let texts = cells.flat_map(|cell| cell.answer.iter().chain(&cell.failures));
            let texts = texts.map(|one| written_bytes(&one.text, length) + one.heading.len() + 16);
            let prompts = self
                .prompt_texts
                .iter()
                .map(|text| written_bytes(text, length) + 16);
            texts.chain(prompts).sum()
        };
        self.length = LENGTHS
            .into_iter()
            .find(|&length| size(length) <= MAX_BYTES)
            .unwrap_or(0);
        self
    }

    /// The text of a prompt.
    pub(super) fn prompt_text(&self, prompt: usize) -> Option<String> {
        self.prompt_texts
            .get(prompt)
            .map(|text| self.cut(text, text.chars().count()))
    }

    /// The answers to a prompt with their headings, models in the order of the charts.
    pub(super) fn of_prompt(&self, prompt: usize, roster: &Roster) -> Vec<(String, String)> {
        let cells = roster.models.iter().filter_map(|model| {
            let cell = self.cells.get(&(prompt, model.index))?;
            Some((model, cell))
        });
        let texts = cells.flat_map(|(model, cell)| {
            let texts = cell.answer.iter().chain(&cell.failures);
            texts.map(|one| {
                (
                    format!("{}, {}", model.marked_name(), one.heading),
                    self.cut(&one.text, one.characters),
                )
            })
        });
        texts.collect()
    }

    fn cut(&self, text: &str, characters: usize) -> String {
        let mut cut: String = text.chars().take(self.length).map(visible).collect();
        if characters > self.length {
            let more = characters - self.length;
            push(&mut cut, format_args!("… ({more} more characters)"));
        }
        cut
    }
}

impl TrialText {
    fn new(sample: &Sample, text: &str) -> Self {
        Self {
            round: sample.round,
            trial: sample.trial,
            heading: format!(
                "repetition {}: {}",
                sample.repetition,
                sample.outcome.word().replace('_', " ")
            ),
            // What cannot be shown in any case is not stored.
            text: text.chars().take(LENGTHS[0]).collect(),
            characters: text.chars().count(),
        }
    }
}

/// Text that keeps its lines and loses what could hide in them.
fn visible(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        c if crate::units::is_unsafe_char(c) => '\u{fffd}',
        c => c,
    }
}

/// The bytes of a text of at most `length` characters in the data block of a page.
fn written_bytes(text: &str, length: usize) -> usize {
    let bytes = |c: char| match c {
        '<' | '>' | '&' => 6,
        '"' | '\\' | '\n' | '\t' => 2,
        c if c.is_control() => 6,
        c => c.len_utf8(),
    };
    text.chars().take(length).map(bytes).sum::<usize>() + 32
}

/// The messages of a prompt as one text.
fn conversation(messages: &[Message]) -> String {
    let parts = messages.iter().map(|message| {
        let role = match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        };
        if messages.len() == 1 {
            message.content.clone()
        } else {
            format!("{role}: {}", message.content)
        }
    });
    parts.collect::<Vec<_>>().join("\n\n")
}
