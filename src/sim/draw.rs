//! Seeded randomness: seeds, and the few distributions the simulator draws from.
//!
//! Owns how a seed is made and how numbers follow from it. Must not know their meaning. Invariant: the same
//! parts and purpose give the same numbers; different purposes are independent, so that one more draw for a
//! text changes no instant.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use sha2::{Digest, Sha256};

/// The seed of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// Creates a seed from labelled parts, each separated from the next by its length.
    pub fn from_parts(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// A generator for one purpose.
    pub fn generator(&self, purpose: &str) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(Self::from_parts(&[&self.0, purpose.as_bytes()]).0)
    }
}

/// Returns the first 8 bytes of the SHA-256 of `bytes`: a name for equal texts.
pub fn digest(bytes: &[u8]) -> u64 {
    let hash = Sha256::digest(bytes);
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    u64::from_le_bytes(first)
}

/// Draws a standard normal number (Box and Muller 1958).
pub fn normal(generator: &mut ChaCha8Rng) -> f64 {
    // 1 - u lies in (0, 1]: its logarithm is finite.
    let radius = (-2.0 * (1.0 - generator.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * generator.random::<f64>()).cos()
}

/// Draws a log-normal number with that median; `sigma` is the standard deviation of its logarithm.
pub fn log_normal(generator: &mut ChaCha8Rng, median: f64, sigma: f64) -> f64 {
    median * (sigma * normal(generator)).exp()
}

/// Draws whether an event of probability `share` happens.
pub fn happens(generator: &mut ChaCha8Rng, share: f64) -> bool {
    generator.random::<f64>() < share
}

/// Draws `count` letters and digits.
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
        // Determinism makes scripts predictable in tests; independence makes them comparable.
        let seed = Seed::from_parts(&[b"a", b"bc"]);
        let draw = |seed: Seed, purpose| seed.generator(purpose).random::<u64>();
        assert_eq!(draw(seed, "timing"), draw(seed, "timing"));
        assert_ne!(draw(seed, "timing"), draw(seed, "text"));
        assert_ne!(seed, Seed::from_parts(&[b"ab", b"c"]));
    }

    #[test]
    fn log_normal_has_its_median() {
        // A scenario states medians: half of the draws must fall on each side (binomial bound of 5 standard
        // deviations, fixed seed).
        let mut generator = Seed::from_parts(&[b"median"]).generator("test");
        let below = (0..10_000)
            .filter(|_| log_normal(&mut generator, 300.0, 0.5) < 300.0)
            .count();
        assert!((4_750..=5_250).contains(&below), "{below}");
    }
}
