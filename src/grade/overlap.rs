//! Likeness of texts by their words and letters: ROUGE-N, BLEU and Levenshtein.
//!
//! Owns the formulae. Must not know thresholds. Invariants: a score lies from 0 to 1, equal texts score 1, and
//! the work is linear in the words, but for Levenshtein, which refuses long pairs.

use std::collections::HashMap;

/// Letters of one text times those of the other that are compared: a fraction of a second.
const LEVENSHTEIN_WORK: usize = 100_000_000;
/// Largest n-gram of BLEU.
const BLEU_ORDER: usize = 4;
/// Stands for a precision of 0, whose logarithm does not exist (the value of promptfoo).
const BLEU_SMALLEST: f64 = 1e-7;

/// The number of n-grams of a text, by their words.
type Counts<'t> = HashMap<Vec<&'t str>, u64>;

fn counts<'t>(words: &[&'t str], n: usize) -> Counts<'t> {
    let mut counts = Counts::new();
    for gram in words.windows(n) {
        *counts.entry(gram.to_vec()).or_default() += 1;
    }
    counts
}

/// N-grams that both have, each as often as in the text that has it less often.
fn common(left: &Counts<'_>, right: &Counts<'_>) -> u64 {
    let shared = left.iter().filter_map(|(gram, count)| {
        let other = right.get(gram)?;
        Some(*count.min(other))
    });
    shared.sum()
}

/// Words and single punctuation marks.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    for part in text.split_whitespace() {
        let mut rest = part;
        while let Some(first) = rest.chars().next() {
            let is_word = |c: char| c.is_alphanumeric() || c == '\'' || c == '_';
            let end = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else {
                first.len_utf8()
            };
            let (token, after) = rest.split_at(end);
            tokens.push(token);
            rest = after;
        }
    }
    tokens
}

/// ROUGE-N as the F1 of n-grams in lower case (Lin, 2004, with recall and precision of equal weight).
pub(super) fn rouge_n(answer: &str, reference: &str, n: usize) -> f64 {
    let (answer, reference) = (answer.to_lowercase(), reference.to_lowercase());
    let (answer, reference) = (tokens(&answer), tokens(&reference));
    let (answer, reference) = (counts(&answer, n), counts(&reference, n));
    let total = |counts: &Counts<'_>| counts.values().sum::<u64>();
    let both = total(&answer) + total(&reference);
    if both == 0 {
        // Texts shorter than an n-gram.
        return f64::from(u8::from(n > 1 && answer == reference));
    }
    2.0 * common(&answer, &reference) as f64 / both as f64
}

/// BLEU-4 (Papineni et al., 2002) with equal weights, on words in lower case: clipped precisions by all
/// references, and the brevity penalty by the reference nearest in length.
pub(super) fn bleu(answer: &str, references: &[String]) -> f64 {
    let answer = answer.to_lowercase();
    let answer: Vec<&str> = answer.split_whitespace().collect();
    let references: Vec<String> = references.iter().map(|text| text.to_lowercase()).collect();
    let references: Vec<Vec<&str>> = references
        .iter()
        .map(|text| text.split_whitespace().collect())
        .collect();
    if answer.is_empty() {
        return 0.0;
    }
    let mut logs = 0.0;
    for n in 1..=BLEU_ORDER {
        let own = counts(&answer, n);
        let mut max_counts = Counts::new();
        for reference in &references {
            for (gram, count) in counts(reference, n) {
                let entry = max_counts.entry(gram).or_default();
                *entry = count.max(*entry);
            }
        }
        let total: u64 = own.values().sum();
        let precision = if total == 0 {
            0.0
        } else {
            common(&own, &max_counts) as f64 / total as f64
        };
        logs += precision.max(BLEU_SMALLEST).ln() / BLEU_ORDER as f64;
    }
    let lengths = references.iter().map(Vec::len);
    let nearest = lengths.min_by_key(|length| (length.abs_diff(answer.len()), *length));
    let nearest = nearest.unwrap_or_default() as f64;
    let brevity = (1.0 - nearest / answer.len() as f64).min(0.0).exp();
    (brevity * logs.exp()).clamp(0.0, 1.0)
}

/// The edits between two texts, or why they are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edits {
    /// Exactly so many.
    Exactly(u64),
    /// So many or more, which is beyond the limit already.
    AtLeast(u64),
    /// The texts are too long to compare.
    TooLong,
}

/// Insertions, deletions and replacements of characters that make one text of the other; not counted where the
/// lengths alone differ by more than `max`.
pub(super) fn edits(left: &str, right: &str, max: u64) -> Edits {
    let (left_chars, right_chars) = (left.chars().count(), right.chars().count());
    let min = left_chars.abs_diff(right_chars) as u64;
    if min > max {
        return Edits::AtLeast(min);
    }
    if left_chars.saturating_mul(right_chars) > LEVENSHTEIN_WORK {
        return Edits::TooLong;
    }
    Edits::Exactly(strsim::levenshtein(left, right) as u64)
}
