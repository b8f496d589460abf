//! Cached embeddings of one encoder, or of several side by side.

use ndarray::{Array2, s};

use super::super::cache::{Cache, Patches, read_all};
use super::super::encoders::{Encoder, FrontEnd};
use super::super::results::Source;
use crate::error::Result;
use crate::features::Content;

/// The properties of an encoder, without the encoder itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name in results.
    pub name: String,
    /// The key of its embeddings in the cache.
    pub identity: String,
    /// The spectrogram that it reads.
    pub front_end: FrontEnd,
    /// Frames of its patches; 0 if it gives rows of recordings.
    pub frames: usize,
    /// Values of its embeddings.
    pub dimensions: usize,
}

impl Member {
    /// Those of an encoder.
    pub fn of(encoder: &dyn Encoder) -> Self {
        Member {
            name: encoder.name().to_owned(),
            identity: encoder.identity(),
            front_end: encoder.front_end(),
            frames: encoder.frames(),
            dimensions: encoder.dimensions(),
        }
    }

    /// Its entry in results.
    pub fn source(&self) -> Source {
        Source { name: self.name.clone(), identity: self.identity.clone(), dimensions: self.dimensions }
    }

    /// The middle of one of its half-overlapped patches, in seconds.
    fn middle(&self, patch: usize) -> f64 {
        let start = patch * (self.frames / 2).max(1);
        (start as f64 + self.frames as f64 / 2.0) / self.front_end.rate()
    }

    /// The half-overlapped patch, of `patches`, whose middle is closest to a time in seconds.
    fn closest(&self, seconds: f64, patches: usize) -> usize {
        let start = seconds * self.front_end.rate() - self.frames as f64 / 2.0;
        let patch = (start / (self.frames / 2).max(1) as f64).round().max(0.0);
        (patch as usize).min(patches - 1)
    }
}

/// Encoders whose embeddings are concatenated.
#[derive(Clone, Debug)]
pub struct Stack {
    cache: Cache,
    members: Vec<Member>,
}

impl Stack {
    /// A stack of these encoders, whose embeddings are in a cache.
    ///
    /// # Panics
    /// If there is none.
    pub fn new(cache: Cache, members: Vec<Member>) -> Self {
        assert!(!members.is_empty(), "a stack needs at least one encoder");
        Stack { cache, members }
    }

    /// The encoders.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Values of a concatenated embedding.
    pub fn dimensions(&self) -> usize {
        self.members.iter().map(|member| member.dimensions).sum()
    }

    /// Reads one concatenated embedding into `values`: of drawn patches the `number`-th (starting again from the first
    /// if there are fewer); of half-overlapped patches the one at `share`, in 0..1, of all. For members with other
    /// patches, it is the one nearest to the same position in the recording.
    ///
    /// # Errors
    /// If an embedding is missing or damaged.
    ///
    /// # Panics
    /// If `values` has another length.
    pub fn one(
        &self,
        content: Content,
        patches: Patches,
        number: usize,
        share: f64,
        values: &mut [f32],
    ) -> Result<()> {
        assert_eq!(values.len(), self.dimensions());
        let mut readers = Vec::with_capacity(self.members.len());
        for member in &self.members {
            readers.push(self.cache.open_as(&member.identity, member.dimensions, content, patches)?);
        }
        let counts: Vec<usize> = readers.iter().map(sleeve_files::npy::NpyReader::rows).collect();
        let rows = match patches {
            Patches::Drawn { count, .. } => vec![number % count.max(1); readers.len()],
            Patches::Overlapped => {
                let most = counts.iter().max().copied().unwrap_or(1);
                self.aligned(&counts, ((share * most as f64) as usize).min(most - 1))
            }
        };
        let mut rest = values;
        for ((member, reader), row) in self.members.iter().zip(&mut readers).zip(rows) {
            let (own, others) = rest.split_at_mut(member.dimensions);
            reader.read_rows(row, own)?;
            rest = others;
        }
        Ok(())
    }

    /// All concatenated embeddings of a recording's half-overlapped patches, `[patches, dimensions]`: as many as the
    /// member with the most has.
    ///
    /// # Errors
    /// If one is missing or damaged.
    pub fn all(&self, content: Content) -> Result<Array2<f32>> {
        let mut parts = Vec::with_capacity(self.members.len());
        for member in &self.members {
            let patches = Patches::Overlapped;
            parts.push(read_all(&mut self.cache.open_as(
                &member.identity,
                member.dimensions,
                content,
                patches,
            )?)?);
        }
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        let counts: Vec<usize> = parts.iter().map(Array2::nrows).collect();
        let most = counts.iter().max().copied().unwrap_or(0);
        let mut joined = Array2::zeros((most, self.dimensions()));
        for patch in 0..most {
            let mut start = 0;
            for (part, row) in parts.iter().zip(self.aligned(&counts, patch)) {
                let end = start + part.ncols();
                joined.slice_mut(s![patch, start..end]).assign(&part.row(row));
                start = end;
            }
        }
        Ok(joined)
    }

    /// For each member, the patch that belongs to the `patch`-th one of the member with the most patches.
    fn aligned(&self, counts: &[usize], patch: usize) -> Vec<usize> {
        let most = counts.iter().max().copied().unwrap_or(0);
        // Where the times of rows are not known, they are taken as spread evenly over the recording.
        if self.members.iter().any(|member| member.frames == 0) {
            return counts.iter().map(|&count| (2 * patch + 1) * count / (2 * most.max(1))).collect();
        }
        let first = counts.iter().position(|&count| count == most).unwrap_or(0);
        let middle = self.members[first].middle(patch);
        let member = |(member, &count): (&Member, &usize)| match count == most {
            true => patch,
            false => member.closest(middle, count),
        };
        self.members.iter().zip(counts).map(member).collect()
    }
}

/// All combinations of at least two and at most `most` of `count` things, the smaller ones first.
pub fn combinations(count: usize, most: usize) -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = (0u32..1 << count)
        .map(|bits| (0..count).filter(|index| bits & (1 << index) != 0).collect::<Vec<_>>())
        .filter(|chosen| (2..=most).contains(&chosen.len()))
        .collect();
    all.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(frames: usize, front_end: FrontEnd) -> Member {
        Member { name: "m".into(), identity: format!("{frames}"), front_end, frames, dimensions: 2 }
    }

    #[test]
    fn five_encoders_make_twenty_six_stacks() {
        let all = combinations(5, 5);
        assert_eq!(all.len(), 26);
        assert_eq!((&all[0], &all[9], &all[25]), (&vec![0, 1], &vec![3, 4], &vec![0, 1, 2, 3, 4]));
        assert_eq!(combinations(3, 2), [[0, 1], [0, 2], [1, 2]]);
        assert!(combinations(1, 5).is_empty());
    }

    #[test]
    fn rows_without_times_are_spread_over_the_recording() {
        let members = vec![member(128, FrontEnd::MusiCnn), member(0, FrontEnd::MusiCnn)];
        let stack = Stack::new(Cache::new("nowhere"), members);
        let rows = |counts: [usize; 2]| -> Vec<usize> {
            (0..counts[0].max(counts[1])).map(|patch| stack.aligned(&counts, patch)[1]).collect()
        };
        assert_eq!(rows([6, 3]), [0, 0, 1, 1, 2, 2]);
        assert_eq!((rows([4, 1]), rows([2, 4])), (vec![0; 4], vec![0, 1, 2, 3]));
    }

    #[test]
    fn patches_of_other_lengths_are_joined_by_their_middles() {
        let members = vec![
            member(128, FrontEnd::MusiCnn),
            member(187, FrontEnd::MusiCnn),
            member(96, FrontEnd::VggIsh),
        ];
        let stack = Stack::new(Cache::new("nowhere"), members);
        // Of 1875 frames, 30 s: 28 patches of 128, 19 of 187; of 3000 frames 61 of 96, the most.
        let counts = [28, 19, 61];
        for patch in 0..61 {
            let found = stack.aligned(&counts, patch);
            let middle = stack.members[2].middle(patch);
            assert_eq!(found[2], patch);
            for (member, (&row, count)) in stack.members.iter().zip(found.iter().zip(counts)) {
                // No other patch is closer.
                let distance = |row: usize| (member.middle(row) - middle).abs();
                assert!(
                    (0..count).all(|other| distance(row) <= distance(other) + 1e-9),
                    "{patch}: {found:?}"
                );
            }
        }
        // With the same patches, the same rows, whatever the rounding.
        let same = Stack::new(Cache::new("nowhere"), vec![member(127, FrontEnd::MusiCnn); 2]);
        assert!((0..500).all(|patch| same.aligned(&[500, 500], patch) == [patch, patch]));
    }
}
