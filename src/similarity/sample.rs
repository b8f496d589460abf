//! A few tracks that cover a library.

use super::query::Filter;
use super::random::Random;
use super::{Library, Match};
use crate::Result;

/// How a sample is made.
#[derive(Clone, Debug, Default)]
pub struct SampleOptions {
    /// Which tracks may be in it, and are to be covered.
    pub filter: Filter,
    /// The first track follows from the seed, and all others from the first.
    pub seed: u64,
    /// The number of threads; 0 means all cores. The sample does not depend on it.
    pub threads: usize,
}

impl Library {
    /// A sample of `count` tracks that covers the library: the first by chance, then always the track that is farthest
    /// from all before (Gonzalez's algorithm for k-center), so that no track is more than twice as far from the sample
    /// as it must be. [`Match::cosine`] is the largest cosine with a track before; that of the first is 1.
    ///
    /// # Errors
    /// `InvalidArgument` if the filter names an activation that the library does not have.
    pub fn sample(&self, count: usize, options: &SampleOptions) -> Result<Vec<Match>> {
        let filter = options.filter.ready(self)?;
        let tracks: Vec<usize> = (0..self.len()).filter(|&track| filter.takes(track)).collect();
        let mut sample = Vec::new();
        if tracks.is_empty() || count == 0 {
            return Ok(sample);
        }
        let mut next = (tracks[Random::new(options.seed).below(tracks.len())], 1.0);
        let mut nearest = vec![f32::NEG_INFINITY; self.len()];
        loop {
            let (track, cosine) = next;
            sample.push(Match::new(track, cosine));
            if sample.len() == count.min(tracks.len()) {
                return Ok(sample);
            }
            let cosines = self.cosines(&self.unit_vector(track), options.threads);
            nearest.iter_mut().zip(cosines).for_each(|(nearest, cosine)| *nearest = nearest.max(cosine));
            // Not again, even where its cosine with itself is rounded.
            nearest[track] = f32::INFINITY;
            let farthest =
                tracks.iter().copied().min_by(|&one, &other| nearest[one].total_cmp(&nearest[other]));
            next = farthest.map(|track| (track, nearest[track])).unwrap_or(next);
        }
    }
}
