//! The pool of tracks without a partner.
//!
//! A partner is drawn uniformly among the distinct remaining tracks that meet the condition, however many releases,
//! artists or labels they share with the anchor: a track is drawn through a random link, and accepted with probability
//! 1/n, where n is the number of links between the two. If that fails repeatedly (nearly all remaining tracks are
//! excluded), all candidates are listed. If a kind of anchor has no candidate left, this stays true, because the pool
//! only shrinks. It is remembered, so that the many tracks of an artist who is alone on a label do not each list all
//! others.

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::links::{Links, shared};

/// Draws through links before all candidates are listed.
const DRAWS: usize = 64;

/// The condition for partners.
#[derive(Clone, Copy)]
pub struct Condition<'a> {
    /// At least one of these in common.
    pub same: &'a Links,
    /// None of these in common.
    pub different: Option<&'a Links>,
    /// Recordings that are the same under two names; they are not paired.
    pub excluded: &'a ExcludedPairs,
}

impl Condition<'_> {
    /// Whether two different tracks meet the condition, apart from what they must have in common.
    pub fn allows(&self, anchor: u32, other: u32) -> bool {
        self.different.is_none_or(|links| shared(links.of(anchor), links.of(other)) == 0)
            && !self.excluded.forbids(anchor, other)
    }

    /// Whether two tracks have in common what they must.
    pub fn shares(&self, anchor: u32, other: u32) -> bool {
        shared(self.same.of(anchor), self.same.of(other)) > 0
    }

    /// Whether two tracks meet the condition.
    pub fn holds(&self, anchor: u32, other: u32) -> bool {
        anchor != other && self.shares(anchor, other) && self.allows(anchor, other)
    }

    /// What determines the partners of a track that is not in `excluded`.
    fn kind(&self, track: u32) -> (&[u32], &[u32]) {
        (self.same.of(track), self.different.map_or(&[], |links| links.of(track)))
    }
}

/// Pairs that must not be drawn.
#[derive(Clone, Debug, Default)]
pub struct ExcludedPairs {
    /// For tracks whose files are the same, a common number.
    copies: FxHashMap<u32, u32>,
    pairs: FxHashSet<(u32, u32)>,
    /// Tracks in `pairs`.
    named: FxHashSet<u32>,
}

impl ExcludedPairs {
    /// Marks these tracks as copies of one file.
    pub fn add_copies(&mut self, tracks: &[u32]) {
        self.copies.extend(tracks.iter().map(|&track| (track, tracks[0])));
    }

    /// Marks these two as the same recording.
    pub fn add_pair(&mut self, a: u32, b: u32) {
        self.pairs.insert((a.min(b), a.max(b)));
        self.named.extend([a, b]);
    }

    /// Whether two tracks must not be paired.
    pub fn forbids(&self, a: u32, b: u32) -> bool {
        let copies = || self.copies.get(&a).is_some_and(|number| self.copies.get(&b) == Some(number));
        let named = || self.named.contains(&a) && self.pairs.contains(&(a.min(b), a.max(b)));
        (!self.copies.is_empty() && copies()) || (!self.pairs.is_empty() && named())
    }

    /// The exclusions of some tracks only, renumbered in the given order.
    pub fn select(&self, tracks: &[u32]) -> Self {
        let mut selected = ExcludedPairs::default();
        if self.copies.is_empty() && self.pairs.is_empty() {
            return selected;
        }
        let numbers: FxHashMap<u32, u32> = tracks.iter().copied().zip(0..).collect();
        for (track, &number) in &numbers {
            if let Some(&of) = self.copies.get(track) {
                selected.copies.insert(number, of);
            }
        }
        for (a, b) in &self.pairs {
            if let (Some(&a), Some(&b)) = (numbers.get(a), numbers.get(b)) {
                selected.add_pair(a, b);
            }
        }
        selected
    }

    /// The tracks for which `inside` is true that are the same recording as one for which it is false.
    pub fn across(&self, inside: impl Fn(u32) -> bool) -> FxHashSet<u32> {
        let mut across = FxHashSet::default();
        for &(a, b) in &self.pairs {
            match (inside(a), inside(b)) {
                (true, false) => across.insert(a),
                (false, true) => across.insert(b),
                _ => false,
            };
        }
        let outside: FxHashSet<u32> =
            self.copies.iter().filter(|&(&track, _)| !inside(track)).map(|(_, &number)| number).collect();
        let copies = self.copies.iter().filter(|&(&track, number)| inside(track) && outside.contains(number));
        across.extend(copies.map(|(&track, _)| track));
        across
    }

    fn mentions(&self, track: u32) -> bool {
        self.copies.contains_key(&track) || self.named.contains(&track)
    }
}

/// The remaining tracks.
pub struct Pool<'a> {
    condition: Condition<'a>,
    /// Links (positions in the values of `same`) by value; the first `left` of each value are those of tracks in the
    /// pool.
    members: Vec<u32>,
    starts: Vec<u32>,
    left: Vec<u32>,
    /// The position of each link in `members`.
    places: Vec<u32>,
    /// The track of each link.
    tracks: Vec<u32>,
    gone: Vec<bool>,
    /// Kinds of anchor that have no candidates left.
    lonely: FxHashSet<u128>,
}

impl<'a> Pool<'a> {
    /// A pool of all tracks.
    pub fn new(condition: Condition<'a>) -> Self {
        let links = condition.same;
        let mut starts = vec![0u32; links.distinct() + 1];
        for &value in links.values() {
            starts[value as usize + 1] += 1;
        }
        let left = starts[1..].to_vec();
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut members = vec![0; links.values().len()];
        let mut places = vec![0; links.values().len()];
        let mut tracks = vec![0; links.values().len()];
        for track in 0..links.tracks() as u32 {
            for link in links.range(track) {
                let place = &mut next[links.values()[link] as usize];
                members[*place as usize] = link as u32;
                places[link] = *place;
                tracks[link] = track;
                *place += 1;
            }
        }
        let gone = vec![false; links.tracks()];
        Pool { condition, members, starts, left, places, tracks, gone, lonely: FxHashSet::default() }
    }

    /// Whether a track is still in the pool.
    pub fn holds(&self, track: u32) -> bool {
        !self.gone[track as usize]
    }

    /// Takes a track out.
    pub fn remove(&mut self, track: u32) {
        self.gone[track as usize] = true;
        for link in self.condition.same.range(track) {
            let value = self.condition.same.values()[link] as usize;
            self.left[value] -= 1;
            // The last remaining one takes its place.
            let (hole, last) = (self.places[link], self.starts[value] + self.left[value]);
            let moved = self.members[last as usize];
            self.members[hole as usize] = moved;
            self.places[moved as usize] = hole;
            self.members[last as usize] = link as u32;
            self.places[link] = last;
        }
    }

    /// Draws a partner for `anchor`, which is in the pool; both stay in it.
    pub fn draw(&mut self, anchor: u32, random: &mut impl Rng) -> Option<u32> {
        let condition = self.condition;
        let groups = condition.same.of(anchor);
        let total: u64 = groups.iter().map(|&group| u64::from(self.left[group as usize])).sum();
        if total == groups.len() as u64 {
            // Only the anchor itself is left.
            return None;
        }
        if !self.lonely.is_empty() && self.lonely.contains(&self.kind(anchor)) {
            return None;
        }
        for _ in 0..DRAWS {
            let mut at = random.random_range(0..total);
            let mut member = 0;
            for &group in groups {
                let left = u64::from(self.left[group as usize]);
                if at < left {
                    member = self.starts[group as usize] + at as u32;
                    break;
                }
                at -= left;
            }
            let other = self.tracks[self.members[member as usize] as usize];
            if other == anchor || !condition.allows(anchor, other) {
                continue;
            }
            let links = shared(groups, condition.same.of(other)) as u32;
            if links == 1 || random.random_range(0..links) == 0 {
                return Some(other);
            }
        }
        let candidates = self.candidates(anchor);
        if candidates.is_empty() && !condition.excluded.mentions(anchor) {
            let kind = self.kind(anchor);
            self.lonely.insert(kind);
        }
        candidates.choose(random).copied()
    }

    /// All tracks in the pool that may be the anchor's partner.
    fn candidates(&self, anchor: u32) -> Vec<u32> {
        let mut candidates = Vec::new();
        for &group in self.condition.same.of(anchor) {
            let start = self.starts[group as usize] as usize;
            for &link in &self.members[start..start + self.left[group as usize] as usize] {
                let other = self.tracks[link as usize];
                if other != anchor && self.condition.allows(anchor, other) {
                    candidates.push(other);
                }
            }
        }
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }

    /// A number for a track's kind of anchor. With 128 bits, collisions are practically impossible.
    fn kind(&self, track: u32) -> u128 {
        let (same, different) = self.condition.kind(track);
        let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
        for value in same.iter().copied().chain([u32::MAX]).chain(different.iter().copied()) {
            // FNV-1a over whole values, mixed so that high bits count as well.
            hash = (hash ^ u128::from(value)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
            hash ^= hash >> 61;
        }
        hash
    }
}
