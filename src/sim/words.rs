//! The text of simulated answers: seeded, plausible, meaningless English in token-sized pieces.
//!
//! Owns the vocabulary and how sentences are cut into tokens. Must not know models beyond the name that selects
//! their words, nor when the tokens are sent. Invariant: exactly as many pieces as requested, none empty.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::draw::digest;

/// Subjects, verbs, objects and endings: any combination of one each makes a sentence.
const SUBJECTS: &[&str] = &[
    "The service",
    "A small cache",
    "This approach",
    "The second step",
    "Every request",
    "The customer",
    "A careful reader",
    "The index",
    "Our example",
    "The team",
    "A simple rule",
    "The answer",
    "Most of the time this",
    "In practice the queue",
    "The naïve version",
    "The first draft",
];
const VERBS: &[&str] = &[
    "keeps", "explains", "needs", "returns", "avoids", "measures", "replaces", "follows", "shows",
    "confirms", "limits", "prefers", "moves", "protects", "repeats", "settles",
];
const OBJECTS: &[&str] = &[
    "the same result",
    "one clear reason",
    "a shorter path",
    "the order of events",
    "fewer surprises",
    "the oldest entry",
    "a stable interface",
    "both sides of the trade",
    "what was promised",
    "the cost of a retry",
    "an honest estimate",
    "the next page",
    "a default that works",
    "the refund policy",
    "all open tickets",
    "a line of code",
];
const ENDINGS: &[&str] = &[
    "before anything else changes.",
    "without extra work.",
    "because order matters here.",
    "so check it twice.",
    "and that is usually enough.",
    "when traffic grows.",
    "as the table shows.",
    "if the limit allows it.",
    "in under a minute.",
    "for each new user.",
    "while the rest waits.",
    "unless you say otherwise.",
];

/// Letters of a piece: with the space before it, about 4 characters a token on average.
const LETTERS_PER_PIECE: usize = 5;

/// Draws `count` pieces of text, one a token. The model's name shifts the choice of words.
pub fn pieces(generator: &mut ChaCha8Rng, model: &str, count: usize) -> Vec<String> {
    let flavour = usize::from(digest(model.as_bytes()).to_le_bytes()[0]);
    let mut pieces = Vec::with_capacity(count);
    while pieces.len() < count {
        let mut pick = |list: &[&'static str]| {
            // Half of the words come from a model's own quarter of the list.
            let quarter = list.len() / 4;
            let any = generator.random_range(0..list.len());
            let own = (flavour + generator.random_range(0..quarter)) % list.len();
            list[if generator.random() { any } else { own }]
        };
        let parts = [pick(SUBJECTS), pick(VERBS), pick(OBJECTS), pick(ENDINGS)];
        for word in parts.iter().flat_map(|part| part.split(' ')) {
            add_word(word, &mut pieces);
        }
    }
    pieces.truncate(count);
    pieces
}

/// Cuts a word into pieces; the first one includes the space before it.
fn add_word(word: &str, pieces: &mut Vec<String>) {
    let mut piece = String::new();
    if !pieces.is_empty() {
        piece.push(' ');
    }
    for (index, letter) in word.chars().enumerate() {
        if index > 0 && index % LETTERS_PER_PIECE == 0 {
            pieces.push(std::mem::take(&mut piece));
        }
        piece.push(letter);
    }
    pieces.push(piece);
}

/// Cuts a text into pieces that add up to it; a piece begins with at most one space.
pub fn cut(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut letters = 0;
    for letter in text.chars() {
        match pieces.last_mut() {
            Some(piece) if letter != ' ' && letters < LETTERS_PER_PIECE => piece.push(letter),
            _ => {
                pieces.push(letter.to_string());
                letters = 0;
            }
        }
        letters += usize::from(letter != ' ');
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::draw::Seed;
    use proptest::prelude::*;

    proptest! {
        // Usage reports the number of tokens: the text must have exactly that many pieces.
        #[test]
        fn as_many_pieces_as_requested(count in 0usize..500, name in "[a-z]{1,8}") {
            let mut generator = Seed::from_parts(&[name.as_bytes()]).generator("text");
            let pieces = pieces(&mut generator, &name, count);
            prop_assert_eq!(pieces.len(), count);
            prop_assert!(pieces.iter().all(|piece| !piece.is_empty()));
        }
    }

    proptest! {
        // A scripted answer must arrive as it was written, in pieces that are never empty.
        #[test]
        fn pieces_of_a_text_add_up_to_it(text in "(\\PC| |\\n){0,60}") {
            let pieces = cut(&text);
            prop_assert_eq!(pieces.concat(), text);
            prop_assert!(pieces.iter().all(|piece| !piece.is_empty()));
        }
    }

    #[test]
    fn a_token_has_about_four_characters() {
        // Clients estimate tokens from characters: the ratio must be that of English.
        let mut generator = Seed::from_parts(&[b"ratio"]).generator("text");
        let text = pieces(&mut generator, "a/b", 10_000).concat();
        let per_token = text.chars().count() as f64 / 10_000.0;
        assert!((3.5..5.0).contains(&per_token), "{per_token}");
    }
}
