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
    /// Balanced by artist: in rounds, in each of which every artist has one turn, in random order. Prolific artists then
    /// do not dominate the anchors. In its turn, an artist offers a random one of its tracks that can be in a pair, has
    /// not been offered before and is still in the pool. A track of several artists is offered once, by the first of them
    /// who comes to it. All tracks without an artist together have the turns of one artist.
    ByArtist {
        /// The maximum number of rounds, and so of anchors that an artist offers.
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
    let mut drawing = Drawing::new(association, metadata, excluded);
    let mut tracks: Vec<u32> = (0..metadata.tracks() as u32).collect();
    tracks.shuffle(&mut random);
    match order {
        Order::Uniform => {
            for track in tracks {
                if drawing.holds(track) {
                    drawing.draw(track, &mut random);
                }
            }
        }
        Order::ByArtist { rounds } => {
            in_rounds(&tracks, &metadata.artists, rounds, &mut drawing, &mut random)
        }
    }
    drawing.pairs
}

/// The pairs drawn so far, and the tracks that may still be in one.
struct Drawing<'a> {
    association: Association,
    metadata: &'a TrackMetadata,
    /// `None` for tracks with themselves.
    pool: Option<Pool<'a>>,
    /// Tracks that have had their attempt.
    offered: Vec<bool>,
    pairs: Vec<(u32, u32)>,
}

impl<'a> Drawing<'a> {
    fn new(association: Association, metadata: &'a TrackMetadata, excluded: &'a ExcludedPairs) -> Self {
        let mut pool = association.condition(metadata, excluded).map(Pool::new);
        if let Some(pool) = &mut pool {
            for track in 0..metadata.tracks() as u32 {
                if !association.eligible(metadata, track) {
                    pool.remove(track);
                }
            }
        }
        let offered = vec![false; metadata.tracks()];
        Drawing { association, metadata, pool, offered, pairs: Vec::new() }
    }

    /// Whether a track may be an anchor.
    fn holds(&self, track: u32) -> bool {
        let is_there = match &self.pool {
            Some(pool) => pool.holds(track),
            None => self.association.eligible(self.metadata, track),
        };
        is_there && !self.offered[track as usize]
    }

    /// A track's one attempt.
    fn draw(&mut self, anchor: u32, random: &mut impl Rng) {
        self.offered[anchor as usize] = true;
        let Some(pool) = &mut self.pool else {
            self.pairs.push((anchor, anchor));
            return;
        };
        if let Some(positive) = pool.draw(anchor, random) {
            pool.remove(anchor);
            pool.remove(positive);
            self.pairs.push((anchor, positive));
        }
    }
}

/// Draws in rounds over the artists.
fn in_rounds(
    tracks: &[u32],
    artists: &Links,
    rounds: Option<u32>,
    drawing: &mut Drawing,
    random: &mut impl Rng,
) {
    // The last list is that of tracks without an artist.
    let nobody = artists.distinct();
    let mut of_artist: Vec<Vec<u32>> = vec![Vec::new(); nobody + 1];
    for &track in tracks {
        match artists.of(track) {
            [] => of_artist[nobody].push(track),
            own => own.iter().for_each(|&artist| of_artist[artist as usize].push(track)),
        }
    }
    let mut waiting: Vec<u32> = (0..=nobody as u32).collect();
    let mut round = 0;
    while !waiting.is_empty() && rounds.is_none_or(|rounds| round < rounds) {
        waiting.shuffle(random);
        waiting.retain(|&artist| {
            let own = &mut of_artist[artist as usize];
            while let Some(track) = own.pop() {
                if drawing.holds(track) {
                    drawing.draw(track, random);
                    return true;
                }
            }
            false
        });
        round += 1;
    }
}
