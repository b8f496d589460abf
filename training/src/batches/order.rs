//! Random orders and seeds that depend only on their names.

use rand::seq::SliceRandom;

use crate::network::random;

/// The numbers `0..count` in a random order that depends on all arguments.
pub(super) fn shuffled(count: usize, what: &str, seed: u64, epoch: u64, pass: u32) -> Vec<u32> {
    let names: [&[u8]; 5] = [
        b"order",
        what.as_bytes(),
        &seed.to_le_bytes(),
        &epoch.to_le_bytes(),
        &u64::from(pass).to_le_bytes(),
    ];
    let mut order: Vec<u32> = (0..count as u32).collect();
    order.shuffle(&mut random::generator(&names));
    order
}

/// A seed that depends on a run's seed and an epoch.
pub(super) fn seed(what: &str, seed: u64, epoch: u64) -> u64 {
    use rand::Rng;
    let names: [&[u8]; 4] = [b"seed", what.as_bytes(), &seed.to_le_bytes(), &epoch.to_le_bytes()];
    random::generator(&names).next_u64()
}
