//! Chance with a known origin: seeds, and the few distributions the simulator draws from.
//!
//! Owns how a seed is made and how numbers follow from it. Must not know what they stand for.
//! Invariant: the same parts and purpose give the same numbers; different purposes are unrelated,
//! so that one more draw for a text moves no instant.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use sha2::{Digest, Sha256};

/// Where the chance of one answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// A seed out of labelled parts, each kept apart from the next by its length.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// A generator for one purpose.
    pub fn generator(&self, purpose: &str) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(Self::of(&[&self.0, purpose.as_bytes()]).0)
    }
}

/// The first 8 bytes of the SHA-256 of `bytes`: a name for equal texts.
pub fn digest(bytes: &[u8]) -> u64 {
    let hash = Sha256::digest(bytes);
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    u64::from_le_bytes(first)
}

/// A standard normal number (Box and Muller 1958).
pub fn normal(generator: &mut ChaCha8Rng) -> f64 {
    // 1 - u lies in (0, 1]: its logarithm is finite.
    let radius = (-2.0 * (1.0 - generator.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * generator.random::<f64>()).cos()
}

/// A log-normal number with that median; `sigma` is the deviation of its logarithm.
pub fn log_normal(generator: &mut ChaCha8Rng, median: f64, sigma: f64) -> f64 {
    median * (sigma * normal(generator)).exp()
}

/// Whether an event of that probability happens.
pub fn happens(generator: &mut ChaCha8Rng, share: f64) -> bool {
    generator.random::<f64>() < share
}

/// `count` letters and digits.
pub fn letters(generator: &mut ChaCha8Rng, count: usize) -> String {
    const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    (0..count)
        .map(|_| char::from(ALPHABET[generator.random_range(0..ALPHABET.len())]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_are_unrelated_and_repeatable() {
        // Determinism is what lets a test know the script; independence keeps scripts comparable.
        let seed = Seed::of(&[b"a", b"bc"]);
        let draw = |seed: Seed, purpose| seed.generator(purpose).random::<u64>();
        assert_eq!(draw(seed, "timing"), draw(seed, "timing"));
        assert_ne!(draw(seed, "timing"), draw(seed, "text"));
        assert_ne!(seed, Seed::of(&[b"ab", b"c"]));
    }

    #[test]
    fn log_normal_has_its_median() {
        // A world states medians: half of the draws must fall on each side (binomial bound of
        // 5 standard deviations, fixed seed).
        let mut generator = Seed::of(&[b"median"]).generator("test");
        let below = (0..10_000)
            .filter(|_| log_normal(&mut generator, 300.0, 0.5) < 300.0)
            .count();
        assert!((4_750..=5_250).contains(&below), "{below}");
    }
}
