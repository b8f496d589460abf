//! Nearest neighbours by cosine: HNSW (a small-world graph, by the crate instant-distance) for large libraries, and a
//! linear search for small ones, where it is as fast.

use instant_distance::{Builder, HnswMap, Point, Search};
use serde::{Deserialize, Serialize};

/// Candidates that a search in the graph keeps: the larger, the fewer neighbours it misses.
const CANDIDATES: usize = 200;
/// Up to this number of tracks, each is compared, which takes some milliseconds.
const FEW: usize = 20_000;

/// An embedding, normalised to length 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vector(Vec<f32>);

impl Vector {
    /// Normalises values to length 1; `None` if they are all 0 or not finite.
    pub fn new(mut values: Vec<f32>) -> Option<Self> {
        let length = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        if !length.is_finite() || length == 0.0 {
            return None;
        }
        values.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
        Some(Vector(values))
    }

    /// The number of values.
    pub fn dimensions(&self) -> usize {
        self.0.len()
    }

    /// The cosine with another vector, from -1 to 1.
    pub fn cosine(&self, other: &Vector) -> f32 {
        // Eight sums, which a CPU computes in one vector.
        let mut sums = [0.0_f32; 8];
        let (ours, theirs) = (self.0.chunks_exact(8), other.0.chunks_exact(8));
        let rest: f32 = ours.remainder().iter().zip(theirs.remainder()).map(|(a, b)| a * b).sum();
        for (ours, theirs) in ours.zip(theirs) {
            (0..8).for_each(|at| sums[at] += ours[at] * theirs[at]);
        }
        (sums.iter().sum::<f32>() + rest).clamp(-1.0, 1.0)
    }
}

impl Point for Vector {
    fn distance(&self, other: &Self) -> f32 {
        1.0 - self.cosine(other)
    }
}

/// Vectors by number, and the graph that connects near ones.
#[derive(Serialize, Deserialize)]
pub struct Nearest(HnswMap<Vector, u32>);

impl Nearest {
    /// Builds the graph of vectors, which are numbered in order.
    pub fn new(vectors: Vec<Vector>) -> Self {
        let numbers = (0..vectors.len() as u32).collect();
        let builder = Builder::default().seed(0).ef_construction(CANDIDATES).ef_search(CANDIDATES);
        Nearest(builder.build(vectors, numbers))
    }

    /// The vectors in the order of their numbers; `None` unless each number occurs exactly once.
    pub fn vectors(&self) -> Option<Vec<&Vector>> {
        let mut all = vec![None; self.0.values.len()];
        for ((_, vector), &number) in self.0.iter().zip(&self.0.values) {
            all.get_mut(number as usize)?.replace(vector);
        }
        all.into_iter().collect()
    }

    /// The `count` vectors with the largest cosines, without number `except`: numbers and cosines, nearest first. With
    /// `exact`, the search is not approximate.
    pub fn find(&self, vector: &Vector, count: usize, except: Option<u32>, exact: bool) -> Vec<(u32, f32)> {
        let wanted = |number: u32| Some(number) != except;
        // One more than requested, because `except` may be among them.
        if exact || self.0.values.len() <= FEW || count + 1 > CANDIDATES / 2 {
            let cosines = self.0.iter().zip(&self.0.values).map(|((_, other), &number)| (number, other));
            let cosines = cosines.filter(|&(number, _)| wanted(number));
            let mut found: Vec<(u32, f32)> =
                cosines.map(|(number, other)| (number, vector.cosine(other))).collect();
            found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            found.truncate(count);
            return found;
        }
        self.search(vector).filter(|&(number, _)| wanted(number)).take(count).collect()
    }

    /// The result of the graph, nearest first.
    pub fn search(&self, vector: &Vector) -> impl Iterator<Item = (u32, f32)> {
        let mut search = Search::default();
        let found: Vec<(u32, f32)> =
            self.0.search(vector, &mut search).map(|item| (*item.value, 1.0 - item.distance)).collect();
        found.into_iter()
    }
}
