//! The differences between tracks that belong together.

use ndarray::{Array1, Array2, Axis};
use rustc_hash::FxHashMap;

use crate::evaluation::retrieval::collection::Collection;
use crate::pairs::Association;

/// At most this many partners of a track are used, spread evenly over all.
const PARTNERS: usize = 256;
/// Differences that are multiplied at once.
const BLOCK: usize = 4096;

/// The covariance of half the difference of two tracks that belong together.
#[derive(Clone, Debug)]
pub struct Scatter {
    /// `[dimensions, dimensions]`. Every anchor has the same weight, however many partners it has, as when pairs are
    /// drawn.
    pub covariance: Array2<f64>,
    /// Tracks that have a partner.
    pub anchors: u64,
}

impl Scatter {
    /// The scatter of all pairs that an association allows in a collection, from the tracks' vectors.
    ///
    /// # Panics
    /// For [`Association::Track`], or if the numbers of vectors and tracks differ.
    pub fn of(collection: &Collection, association: Association, vectors: &Array2<f64>) -> Self {
        assert_eq!(vectors.nrows(), collection.len());
        let condition = collection.condition(association);
        let mut tracks_with: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for track in 0..collection.len() as u32 {
            condition
                .same
                .of(track)
                .iter()
                .for_each(|&value| tracks_with.entry(value).or_default().push(track));
        }
        let dimensions = vectors.ncols();
        let mut sum = Sum::new(dimensions);
        let mut anchors = 0;
        for anchor in 0..collection.len() as u32 {
            let shared = condition.same.of(anchor).iter().flat_map(|value| &tracks_with[value]);
            let mut partners: Vec<u32> =
                shared.copied().filter(|&other| condition.holds(anchor, other)).collect();
            partners.sort_unstable();
            partners.dedup();
            if partners.is_empty() {
                continue;
            }
            anchors += 1;
            let some = partners.iter().step_by(partners.len().div_ceil(PARTNERS));
            let weight = (0.5 / some.len() as f64).sqrt();
            for &partner in some {
                let difference = &vectors.row(anchor as usize) - &vectors.row(partner as usize);
                sum.add(&(difference * weight));
            }
        }
        let covariance = sum.finish() / f64::max(anchors as f64, 1.0);
        Scatter { covariance, anchors }
    }
}

/// A sum of outer products of vectors, computed in blocks.
pub struct Sum {
    total: Array2<f64>,
    block: Array2<f64>,
    filled: usize,
}

impl Sum {
    /// An empty sum.
    pub fn new(dimensions: usize) -> Self {
        Sum {
            total: Array2::zeros((dimensions, dimensions)),
            block: Array2::zeros((BLOCK, dimensions)),
            filled: 0,
        }
    }

    /// Adds the outer product of a vector with itself.
    pub fn add(&mut self, vector: &Array1<f64>) {
        self.block.row_mut(self.filled).assign(vector);
        self.filled += 1;
        if self.filled == BLOCK {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let (rows, _) = self.block.view().split_at(Axis(0), self.filled);
        self.total += &rows.t().dot(&rows);
        self.filled = 0;
    }

    /// The matrix.
    pub fn finish(mut self) -> Array2<f64> {
        self.flush();
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::retrieval::collection::{Held, Track};
    use crate::features::Content;
    use crate::links::Links;
    use crate::pairs::{ExcludedPairs, TrackMetadata};

    #[test]
    fn every_anchor_counts_the_same() {
        // A release of three tracks and one of two, with a near-duplicate among the three; all artists differ.
        let track = |at: usize| Track {
            path: at.to_string(),
            content: Content::from_hex(&format!("{at:064x}")).expect("64 digits"),
        };
        let metadata = TrackMetadata {
            releases: Links::from_lists([[0u32], [0], [0], [1], [1], [2]], 3),
            artists: Links::from_lists((0..6u32).map(|at| [at]), 6),
            labels: Links::from_lists([[0u32]; 6], 1),
        };
        let mut excluded = ExcludedPairs::default();
        excluded.add_pair(0, 1);
        let collection = Collection::new((0..6).map(track).collect(), metadata, excluded, Held::default());
        let vectors = Array2::from_shape_vec((6, 1), vec![0.0, 1.0, 3.0, 10.0, 12.0, 99.0]).unwrap();
        let scatter = Scatter::of(&collection, Association::Release, &vectors);
        assert_eq!(scatter.anchors, 5);
        // 0: 3^2; 1: 2^2; 2: the mean of both; 3 and 4: 2^2; all halved.
        let expected = (9.0 + 4.0 + 6.5 + 4.0 + 4.0) / 2.0 / 5.0;
        assert!((scatter.covariance[[0, 0]] - expected).abs() < 1e-12, "{scatter:?}");
        let nobody = Scatter::of(&collection, Association::Artist, &vectors);
        assert_eq!((nobody.anchors, nobody.covariance[[0, 0]]), (0, 0.0));
    }

    #[test]
    fn blocks_add_up() {
        let mut sum = Sum::new(2);
        let mut expected = Array2::<f64>::zeros((2, 2));
        for at in 0..BLOCK * 2 + 7 {
            let vector = ndarray::array![(at % 13) as f64, (at % 7) as f64 - 3.0];
            for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                expected[[i, j]] += vector[i] * vector[j];
            }
            sum.add(&vector);
        }
        assert_eq!(sum.finish(), expected);
    }
}
