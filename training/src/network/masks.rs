//! Masks for dropout and stochastic depth.

use super::architecture::{DROPOUT, EMBEDDING, Encoder};
use super::random;

/// Factors for a batch of patches in training: 0 for what is dropped, otherwise one over the probability of being kept,
/// so that the mean is unchanged.
#[derive(Clone, Debug, PartialEq)]
pub struct Masks {
    patches: usize,
    /// For each block one factor per patch, or `None` if the block is never dropped.
    depth: Vec<Option<Vec<f32>>>,
    /// A factor for each value of each patch's embedding, or `None`.
    dropout: Option<Vec<f32>>,
}

impl Masks {
    /// The masks of a batch of `patches` (anchors and positives of all pairs, which are encoded together). They depend
    /// only on the run's seed, the optimizer's step, and the number of the batch among those whose gradients the step
    /// averages, not on machine or device.
    pub fn draw(patches: usize, seed: u64, step: u64, group: u64) -> Self {
        let factors = |layer: &str, count: usize, drop: f64| {
            let names: [&[u8]; 5] =
                [b"masks", &seed.to_le_bytes(), &step.to_le_bytes(), &group.to_le_bytes(), layer.as_bytes()];
            let mut random = random::generator(&names);
            let kept = (1.0 / (1.0 - drop)) as f32;
            (0..count).map(|_| if random::unit(&mut random) < drop { 0.0 } else { kept }).collect()
        };
        let blocks = Encoder::b0().blocks;
        let depth = blocks.iter().map(|block| {
            let is_dropped = block.residual && block.drop > 0.0;
            is_dropped.then(|| factors(&block.project.path, patches, block.drop))
        });
        Masks {
            patches,
            depth: depth.collect(),
            dropout: Some(factors("embedding", patches * EMBEDDING, DROPOUT)),
        }
    }

    /// Masks that drop nothing: batch norm still uses and updates its statistics.
    pub fn none(patches: usize) -> Self {
        Masks { patches, depth: vec![None; Encoder::b0().blocks.len()], dropout: None }
    }

    /// Masks with given factors: for each block a factor for each of the `patches`, or `None`, and a factor for each
    /// value of each embedding.
    ///
    /// # Panics
    /// If the numbers of factors are wrong.
    pub fn from_factors(patches: usize, depth: Vec<Option<Vec<f32>>>, dropout: Vec<f32>) -> Self {
        assert_eq!(depth.len(), Encoder::b0().blocks.len());
        assert!(depth.iter().flatten().all(|factors| factors.len() == patches));
        assert_eq!(dropout.len(), patches * EMBEDDING);
        Masks { patches, depth, dropout: Some(dropout) }
    }

    /// Patches in the batch.
    pub fn patches(&self) -> usize {
        self.patches
    }

    /// The factors of the residual branch of block `index`, one per patch.
    pub fn depth(&self, index: usize) -> Option<&[f32]> {
        self.depth[index].as_deref()
    }

    /// The factors of the embeddings, `[patches, 1280]`.
    pub fn dropout(&self) -> Option<&[f32]> {
        self.dropout.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_follow_seed_step_and_group() {
        let draw = |seed, step, group| Masks::draw(16, seed, step, group);
        assert_eq!(draw(1, 2, 3), draw(1, 2, 3));
        let all = [draw(1, 2, 3), draw(2, 2, 3), draw(1, 3, 3), draw(1, 2, 4), draw(3, 2, 1), draw(2, 1, 3)];
        for (i, one) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|other| other.dropout() != one.dropout()));
        }
    }

    #[test]
    fn as_much_is_dropped_as_is_meant() {
        let masks = Masks::draw(4_000, 5, 0, 0);
        let dropped = |factors: &[f32]| {
            factors.iter().filter(|&&factor| factor == 0.0).count() as f64 / factors.len() as f64
        };
        assert!((dropped(masks.dropout().unwrap()) - 0.2).abs() < 1e-3);
        let mut seen: Vec<&[f32]> = Vec::new();
        for (index, block) in Encoder::b0().blocks.iter().enumerate() {
            assert_eq!(masks.depth(index).is_some(), block.residual, "{index}");
            let Some(factors) = masks.depth(index) else { continue };
            assert!((dropped(factors) - block.drop).abs() < 0.025, "{index}");
            let mean = factors.iter().sum::<f32>() / factors.len() as f32;
            assert!((mean - 1.0).abs() < 0.03, "{index}: {mean}");
            assert!(!seen.contains(&factors));
            seen.push(factors);
        }
        assert_eq!(seen.len(), 9);
    }
}
