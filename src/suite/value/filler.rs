//! Text of a stated length in tokens, for prompts that are made and not written.
//!
//! Owns the words. Must not know their use. Invariant: the same seed gives the same text; a text of n tokens
//! has n words, each of which is one token for the tokenizers `o200k_base` and `cl100k_base` (checked with `gpt-tokenizer`
//! 4.0.0), and about one for others.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// Fills the generator's key after the seed and the two numbers of a text.
const KEY_TAG: &[u8; 8] = b"fillers1";

/// The end of every prompt: models answer it at length.
pub(in crate::suite) const REQUEST: &str = "Write a very long story that uses all of these words.";

/// Tokens of [`REQUEST`].
pub(in crate::suite) const REQUEST_TOKENS: u32 = 12;

/// Most bytes of a word with the space before it.
pub(in crate::suite) const WORD_BYTES: u64 = 10;

/// Common English words.
const WORDS: &str = "\
    about above after again air all along also always animal another answer any area around ask away back \
    ball base because been before begin below best better between big bird blue board boat body book both box \
    bring brown build busy call came can care carry case change child circle city class clear close cold \
    color come common complete contain cook cool corn cost could country course cover cross cry dark day deep \
    desk develop did different direct distance does door down draw dress drive dry during each early earth \
    ease east eat edge egg end engine even ever every example exercise eye face fact fall family far farm \
    fast father feel few field figure fill find fine first fish five floor flow fly follow food foot force \
    form forward found four free friend from front full game general get girl give glass gold good got grand \
    grass great green ground group grow had half hand hard has have head hear heard heart heat heavy help \
    here high hill history hold home horse hot hour house ice idea image inch interest job join jump just \
    keep kind king know land language large last late law lay lead learn leave left less letter level life \
    light like line list listen little live long look lot love low machine made main make man many map mark \
    market matter mean measure meet men mile mind minute money moon more most mother move much music must \
    name nation near need never new next night north note nothing notice number object off offer office often \
    oil old once one only open order other our out over own page paint paper part pass past path pattern pay \
    people person phone picture piece place plain plan plane plant play point port position power present \
    press problem produce product pull push put question quick race rain ran reach read ready real reason \
    record red remember rest right ring rise river road rock roll room round rule run safe said salt same \
    sand say school science sea season second see seed self sell sentence serve set seven shape share sharp \
    ship shop short should show side sign silver simple since sing sit six size skin sky sleep slow small \
    snow soft some song soon sound south space special speed spring square stand star start state station \
    stay step stick still stone stop store story street strong study such summer sun sure surface table tail \
    take talk team tell ten term test than that them then there these thing think third those thought three \
    through time tool top total touch town track trade train travel tree trip true try turn two under unit \
    until use usual value very view visit voice wait walk wall want warm watch water wave way wear weather \
    week weight well west what wheel when where which while white whole wide wild will wind window winter";

/// So many words, drawn by the seed for the text of these two numbers.
pub(in crate::suite) fn filler(seed: u64, (group, text): (u64, u64), words: u32) -> String {
    let mut key = [0; 32];
    for (part, number) in key.chunks_exact_mut(8).zip([seed, group, text]) {
        part.copy_from_slice(&number.to_le_bytes());
    }
    key[24..].copy_from_slice(KEY_TAG);
    let mut rng = ChaCha8Rng::from_seed(key);
    let known: Vec<&str> = WORDS.split_whitespace().collect();
    let count = known.len() as u128;
    let mut filled = String::new();
    for _ in 0..words {
        // The bias of the high half of a product is below 2^-55.
        let index = (u128::from(rng.next_u64()) * count) >> 64;
        if !filled.is_empty() {
            filled.push(' ');
        }
        filled.push_str(known[usize::try_from(index).expect("below the count")]);
    }
    filled
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_text_has_as_many_words_as_tokens() {
        for words in [0, 1, 2, 500] {
            assert_eq!(
                filler(7, (0, 0), words).split_whitespace().count(),
                words as usize
            );
        }
        assert_eq!(
            REQUEST.split_whitespace().count() + 1,
            REQUEST_TOKENS as usize
        );
        assert!(
            WORDS
                .split_whitespace()
                .all(|word| (word.len() as u64) < WORD_BYTES)
        );
    }

    #[test]
    fn texts_differ_by_each_number() {
        // Two prompts that begin alike would share a prompt cache, and be faster than what they stand for.
        let texts = [
            filler(7, (0, 0), 20),
            filler(8, (0, 0), 20),
            filler(7, (1, 0), 20),
            filler(7, (0, 1), 20),
        ];
        let openings: HashSet<&str> = texts.iter().map(|text| &text[..20]).collect();
        assert_eq!(openings.len(), 4);
        assert_eq!(filler(7, (0, 0), 20), texts[0]);
    }
}
