//! Random numbers that depend only on a list of names, on any machine.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use sha2::{Digest, Sha256};

/// A separate generator for every list of names.
pub(crate) fn generator(names: &[&[u8]]) -> Xoshiro256PlusPlus {
    let mut hash = Sha256::new();
    for name in names {
        // With their lengths, so that different lists are never the same bytes.
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
    }
    Xoshiro256PlusPlus::from_seed(hash.finalize().into())
}

/// Uniform in 0..1.
pub(crate) fn unit(random: &mut Xoshiro256PlusPlus) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Normally distributed with mean 0 and standard deviation 1 (Box and Muller).
pub(crate) fn normal(random: &mut Xoshiro256PlusPlus) -> f64 {
    let radius = (-2.0 * (1.0 - unit(random)).ln()).sqrt();
    radius * (std::f64::consts::TAU * unit(random)).cos()
}
