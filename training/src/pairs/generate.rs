//! The pool algorithm.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::pool::{ExcludedPairs, Pool};
use super::{Association, TrackMetadata};
use crate::links::Links;

/// The order of anchors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Random over all tracks, as in the paper.
    #[default]
    Uniform,
    /// Balanced by artist: in rounds, each of which takes one track of every artist that has any left, in random order.
    /// Prolific artists then do not dominate the anchors.
    ByArtist {
        /// The maximum number of rounds, and so of anchors per artist.
        rounds: Option<u32>,
    },
}

/// Draws the pairs of one association over all tracks of `metadata`: the numbers of anchor and positive. The same
/// arguments give the same pairs.
pub fn generate(
    association: Association,
    metadata: &TrackMetadata,
    excluded: &ExcludedPairs,
    order: Order,
    seed: u64,
) -> Vec<(u32, u32)> {
    // Each association has its own random sequence.
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed ^ ((association as u64 + 1) << 56));
    let anchors = anchors(metadata, order, &mut random);
    let Some(condition) = association.condition(metadata, excluded) else {
        return anchors.into_iter().map(|track| (track, track)).collect();
    };
    let mut pool = Pool::new(condition);
    for track in 0..metadata.tracks() as u32 {
        if !association.eligible(metadata, track) {
            pool.remove(track);
        }
    }
    let mut pairs = Vec::new();
    for anchor in anchors {
        if !pool.holds(anchor) {
            continue;
        }
        if let Some(positive) = pool.draw(anchor, &mut random) {
            pool.remove(anchor);
            pool.remove(positive);
            pairs.push((anchor, positive));
        }
    }
    pairs
}

fn anchors(metadata: &TrackMetadata, order: Order, random: &mut impl Rng) -> Vec<u32> {
    let mut tracks: Vec<u32> = (0..metadata.tracks() as u32).collect();
    tracks.shuffle(random);
    match order {
        Order::Uniform => tracks,
        Order::ByArtist { rounds } => in_rounds(&tracks, &metadata.artists, rounds, random),
    }
}

/// The order of anchors in rounds over the artists; a track of several artists is taken with the first of them.
fn in_rounds(tracks: &[u32], artists: &Links, rounds: Option<u32>, random: &mut impl Rng) -> Vec<u32> {
    let mut of_artist: Vec<Vec<u32>> = vec![Vec::new(); artists.distinct()];
    let mut nobodys = Vec::new();
    for &track in tracks {
        if artists.of(track).is_empty() {
            nobodys.push(track);
        }
        artists.of(track).iter().for_each(|&artist| of_artist[artist as usize].push(track));
    }
    let mut offered = vec![false; artists.tracks()];
    let mut waiting: Vec<u32> = (0..artists.distinct() as u32).collect();
    let mut anchors = Vec::with_capacity(tracks.len());
    let mut round = 0;
    while !waiting.is_empty() && rounds.is_none_or(|rounds| round < rounds) {
        waiting.shuffle(random);
        waiting.retain(|&artist| {
            let own = &mut of_artist[artist as usize];
            while let Some(track) = own.pop() {
                if !std::mem::replace(&mut offered[track as usize], true) {
                    anchors.push(track);
                    return true;
                }
            }
            false
        });
        round += 1;
    }
    // Tracks without an artist have releases; they come after all others.
    anchors.extend(nobodys);
    anchors
}
