//! The releases, artists or labels of tracks, as consecutive numbers in flat arrays: at the paper's scale there are
//! tens of millions of such links.

use rustc_hash::FxHashMap;

/// A list of numbers for each track, ascending and without duplicates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    offsets: Vec<u32>,
    values: Vec<u32>,
    /// The number of distinct values, which are numbered from 0.
    distinct: u32,
}

impl Links {
    /// From lists of numbers smaller than `distinct`, in any order.
    pub fn from_lists<T: AsRef<[u32]>>(lists: impl IntoIterator<Item = T>, distinct: u32) -> Self {
        let mut links = Links { offsets: vec![0], values: Vec::new(), distinct };
        for list in lists {
            links.push(list.as_ref());
        }
        links
    }

    fn push(&mut self, list: &[u32]) {
        let start = self.values.len();
        self.values.extend_from_slice(list);
        if !list.is_sorted_by(|a, b| a < b) {
            self.values[start..].sort_unstable();
            let mut kept = start;
            for at in start..self.values.len() {
                if at == start || self.values[at] != self.values[kept - 1] {
                    self.values[kept] = self.values[at];
                    kept += 1;
                }
            }
            self.values.truncate(kept);
        }
        self.offsets.push(u32::try_from(self.values.len()).expect("fewer than four thousand million links"));
    }

    /// Number of tracks.
    pub fn tracks(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of distinct values.
    pub fn distinct(&self) -> usize {
        self.distinct as usize
    }

    /// The values of a track.
    #[inline]
    pub fn of(&self, track: u32) -> &[u32] {
        &self.values[self.range(track)]
    }

    /// The range of a track's values among all.
    #[inline]
    pub fn range(&self, track: u32) -> std::ops::Range<usize> {
        self.offsets[track as usize] as usize..self.offsets[track as usize + 1] as usize
    }

    /// All values, track after track.
    pub fn values(&self) -> &[u32] {
        &self.values
    }

    /// The links of some tracks only, renumbered in the given order. Values keep their numbers.
    pub fn select(&self, tracks: &[u32]) -> Self {
        Self::from_lists(tracks.iter().map(|&track| self.of(track)), self.distinct)
    }
}

/// Gives ids consecutive numbers in the order of their first appearance.
#[derive(Default)]
pub struct Numbering {
    numbers: FxHashMap<i64, u32>,
    links: Vec<u32>,
    offsets: Vec<u32>,
}

impl Numbering {
    /// Appends the ids of the next track, the union of several lists.
    pub fn push(&mut self, lists: &[&[i64]]) {
        for &id in lists.iter().copied().flatten() {
            let next = self.numbers.len() as u32;
            self.links.push(*self.numbers.entry(id).or_insert(next));
        }
        self.offsets.push(u32::try_from(self.links.len()).expect("fewer than four thousand million links"));
    }

    /// The links of all tracks.
    pub fn finish(self) -> Links {
        let mut start = 0;
        let lists = self.offsets.iter().map(|&end| {
            let list = &self.links[start..end as usize];
            start = end as usize;
            list
        });
        Links::from_lists(lists, self.numbers.len() as u32)
    }
}

/// Size of the intersection of two ascending lists.
#[inline]
pub fn shared(a: &[u32], b: &[u32]) -> usize {
    let (mut at, mut other, mut count) = (0, 0, 0);
    while at < a.len() && other < b.len() {
        match a[at].cmp(&b[other]) {
            std::cmp::Ordering::Less => at += 1,
            std::cmp::Ordering::Greater => other += 1,
            std::cmp::Ordering::Equal => {
                count += 1;
                at += 1;
                other += 1;
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_sets_of_dense_numbers() {
        let mut numbering = Numbering::default();
        numbering.push(&[&[700, 5], &[5, 9]]);
        numbering.push(&[]);
        numbering.push(&[&[9]]);
        let links = numbering.finish();
        assert_eq!((links.tracks(), links.distinct()), (3, 3));
        assert_eq!((links.of(0), links.of(1), links.of(2)), (&[0, 1, 2][..], &[][..], &[2][..]));
        assert_eq!(links.select(&[2, 0]).of(1), &[0, 1, 2]);
        assert_eq!((shared(&[1, 3, 5], &[0, 3, 4, 5]), shared(&[], &[1])), (2, 0));
    }
}
