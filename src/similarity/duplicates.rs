//! Near-duplicates: the same recording in another encoding or from another release.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::kernels::FloatQuery;
use super::search::on_threads;
use super::{Library, Origin};

/// Tracks that are compared with each other at a time.
const TILE: usize = 1024;

/// When two tracks count as the same recording: both conditions hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DuplicateRule {
    /// The least cosine of their vectors.
    pub cosine: f32,
    /// The largest difference of their durations in seconds.
    pub seconds: f64,
}

impl Default for DuplicateRule {
    /// For vectors of models that nobody has measured: few other recordings are as close. `cargo xtask bench similar
    /// --music FOLDER` prints precision and recall on re-encoded copies.
    fn default() -> Self {
        DuplicateRule { cosine: 0.97, seconds: 2.0 }
    }
}

/// The SHA-256 of `sleeve-musicnn-1`.
const MEASURED: &str = "0d0f2205c2fd8488ff8df3f7819ab30a5fa44e9969f833a3ddac8123798fab86";

impl DuplicateRule {
    /// The rule for vectors of an origin. For `sleeve-musicnn-1`, whose vectors are far apart, the cosine is 0.9: of 558
    /// pieces of game music, 2,123 pairs are of one duration to 2 s; it finds four, of which three are
    /// the same recording and one is not known to be, and 76 % of copies at the lowest bit rates (MP3 at 64 kbit/s, Opus at 32, the least
    /// quality of Vorbis), and all that are quieter. For other models it is the [`default`](Self::default).
    pub fn of(origin: &Origin) -> Self {
        let usual = DuplicateRule::default();
        if origin.sha256 == MEASURED { DuplicateRule { cosine: 0.9, ..usual } } else { usual }
    }
}

/// Tracks that are the same recording.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DuplicateGroup {
    /// Their indices, ascending; at least two.
    pub tracks: Vec<usize>,
    /// The lowest cosine of the first track with another one. Where one track is like two that are less like each other,
    /// it may be below the rule's.
    pub cosine: f32,
}

impl Library {
    /// What counts as the same recording among its vectors, unless a query says otherwise: [`DuplicateRule::of`].
    pub fn duplicate_rule(&self) -> DuplicateRule {
        DuplicateRule::of(self.origin())
    }

    /// Whether two tracks count as the same recording.
    ///
    /// # Panics
    /// If there is no such track.
    pub fn are_duplicates(&self, one: usize, other: usize, rule: &DuplicateRule) -> bool {
        self.cosine(one, other) >= rule.cosine
            && (self.track(one).seconds - self.track(other).seconds).abs() <= rule.seconds
    }

    /// Groups of tracks that are the same recording, in the order of their first tracks. Only tracks of similar duration
    /// are compared, so that the work grows less than with the square of their number. 0 threads means all cores.
    pub fn duplicates(&self, rule: &DuplicateRule, threads: usize) -> Vec<DuplicateGroup> {
        let seconds: Vec<f64> = self.tracks().map(|track| track.seconds).collect();
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by(|&one, &other| seconds[one].total_cmp(&seconds[other]).then(one.cmp(&other)));
        let tiles: Vec<&[usize]> = order.chunks(TILE).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            let mut pairs = Vec::new();
            loop {
                let first = next.fetch_add(1, Ordering::Relaxed);
                let Some(tile) = tiles.get(first) else { return pairs };
                let longest = seconds[tile[tile.len() - 1]];
                for second in &tiles[first..] {
                    if seconds[second[0]] - longest > rule.seconds {
                        break;
                    }
                    self.compare(tile, second, &seconds, rule, &mut pairs);
                }
            }
        };
        let mut groups = Groups::new(self.len());
        for (one, other) in on_threads(threads, tiles.len(), &work).into_iter().flatten() {
            groups.join(one, other);
        }
        let groups = groups.into_groups().into_iter().map(|tracks| {
            let cosines = tracks[1..].iter().map(|&other| self.cosine(tracks[0], other));
            let cosine = cosines.fold(1.0, f32::min);
            DuplicateGroup { tracks, cosine }
        });
        groups.collect()
    }

    /// The pairs of two tiles; a tile with itself gives each pair once.
    fn compare(
        &self,
        first: &[usize],
        second: &[usize],
        seconds: &[f64],
        rule: &DuplicateRule,
        pairs: &mut Vec<(usize, usize)>,
    ) {
        let same = first.as_ptr() == second.as_ptr();
        // Next to each other, for the kernel.
        let rows: Vec<f32> = second.iter().flat_map(|&track| self.unit_vector(track)).collect();
        let mut cosines = vec![0.0; second.len()];
        let mut start = 0;
        for (at, &one) in first.iter().enumerate() {
            while start < second.len() && seconds[one] - seconds[second[start]] > rule.seconds {
                start += 1;
            }
            let from = if same { at + 1 } else { start };
            let end = second.partition_point(|&other| seconds[other] - seconds[one] <= rule.seconds);
            if from >= end {
                continue;
            }
            let query = FloatQuery::new(&self.unit_vector(one), self.kernels());
            let cosines = &mut cosines[from..end];
            self.kernels().products(&query, &rows[from * self.dim()..end * self.dim()], cosines);
            let alike = cosines.iter().enumerate().filter(|(_, cosine)| **cosine >= rule.cosine);
            pairs.extend(alike.map(|(number, _)| (one, second[from + number])));
        }
    }
}

/// Sets that are joined pair by pair.
struct Groups(Vec<u32>);

impl Groups {
    fn new(count: usize) -> Self {
        Groups((0..count as u32).collect())
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.0[at] as usize != at {
            self.0[at] = self.0[self.0[at] as usize];
            at = self.0[at] as usize;
        }
        at
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.0[one.max(other)] = one.min(other) as u32;
    }

    /// The sets of two or more.
    fn into_groups(mut self) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for at in 0..self.0.len() {
            let root = self.root(at);
            if root != at {
                groups.entry(root).or_insert_with(|| vec![root]).push(at);
            }
        }
        groups.into_values().collect()
    }
}

#[cfg(all(test, feature = "bundled-model"))]
mod tests {
    use super::*;
    use crate::model::Model;

    #[test]
    fn the_rule_of_the_bundled_model_is_the_measured_one() {
        let rule = |name: &str| {
            let model = Model::bundled(name).unwrap();
            DuplicateRule::of(&Origin::other(name, model.sha256(), 200)).cosine
        };
        assert_eq!((rule("sleeve-musicnn-1"), rule("msd-musicnn-1")), (0.9, 0.97));
    }
}
