//! Ranks neighbours by the cosine of vectors and measures the rankings.

use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use super::collection::{Collection, Verdict};
use super::precision::Figures;
use crate::pairs::Association;

/// Queries whose cosines are computed at once.
const BLOCK: usize = 64;

/// The outcome of one query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Its track.
    pub track: u32,
    /// The figures of its ranking.
    pub figures: Figures,
    /// The expected figures of a random ranking.
    pub chance: Figures,
}

/// Ranks the collection for each of its tracks. `queries` are the tracks' vectors as queries and `vectors` those that
/// are ranked, both `[tracks, dimensions]`, each of length 1 or 0. Tracks without a relevant track are left out.
///
/// # Panics
/// If the numbers of vectors and tracks differ.
pub fn rank(
    collection: &Collection,
    association: Association,
    queries: ArrayView2<f32>,
    vectors: ArrayView2<f32>,
) -> Vec<Outcome> {
    assert_eq!((queries.nrows(), vectors.nrows()), (collection.len(), collection.len()));
    let condition = collection.condition(association);
    let starts: Vec<usize> = (0..collection.len()).step_by(BLOCK).collect();
    let blocks = starts.into_par_iter().map(|start| {
        let end = (start + BLOCK).min(collection.len());
        let cosines = queries.slice(s![start..end, ..]).dot(&vectors.t());
        let mut outcomes = Vec::new();
        let mut candidates = Vec::new();
        for (cosines, track) in cosines.axis_iter(Axis(0)).zip(start as u32..) {
            candidates.clear();
            for (&cosine, other) in cosines.iter().zip(0..) {
                match Verdict::of(&condition, track, other) {
                    Verdict::Dropped => {}
                    // Turns -0 into 0, so that ties do not depend on the sign.
                    verdict => candidates.push((cosine + 0.0, verdict == Verdict::Relevant)),
                }
            }
            let relevant = candidates.iter().filter(|one| one.1).count();
            let chance = Figures::chance(candidates.len(), relevant);
            if let (Some(figures), Some(chance)) = (Figures::of(&mut candidates), chance) {
                outcomes.push(Outcome { track, figures, chance });
            }
        }
        outcomes
    });
    blocks.flatten().collect()
}

/// Normalises every row to length 1; rows of zeros stay, and have the cosine 0 with everything.
pub fn normalise(vectors: &mut Array2<f32>) {
    for mut row in vectors.axis_iter_mut(Axis(0)) {
        let length = row.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        if length > 0.0 {
            row.mapv_inplace(|value| (f64::from(value) / length) as f32);
        }
    }
}

/// A stack of models: their vectors side by side, each normalised to length 1 first, so that every model has the same
/// weight whatever the size of its values. The stack's cosine is the mean of the models' cosines.
///
/// # Panics
/// If there are none, or they have different numbers of tracks.
pub fn stack(parts: &[ArrayView2<f32>]) -> Array2<f32> {
    let mut stacked = ndarray::concatenate(Axis(1), parts).expect("vectors of the same tracks");
    normalise(&mut stacked);
    stacked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::retrieval::collection::{Held, Track};
    use crate::features::Content;
    use crate::links::Links;
    use crate::pairs::{ExcludedPairs, TrackMetadata};
    use proptest::prelude::*;

    fn collection(printed: &[(Vec<u32>, Vec<u32>, Vec<u32>)], doubles: &[(u32, u32)]) -> Collection {
        let track = |at: usize| Track {
            path: at.to_string(),
            content: Content::from_hex(&format!("{at:064x}")).expect("64 digits"),
        };
        let metadata = TrackMetadata {
            releases: Links::from_lists(printed.iter().map(|one| &one.0), 9),
            artists: Links::from_lists(printed.iter().map(|one| &one.1), 9),
            labels: Links::from_lists(printed.iter().map(|one| &one.2), 9),
        };
        let mut excluded = ExcludedPairs::default();
        doubles.iter().for_each(|&(a, b)| excluded.add_pair(a, b));
        Collection::new((0..printed.len()).map(track).collect(), metadata, excluded, Held::default())
    }

    #[test]
    fn a_hand_made_collection() {
        // Angles on a circle; artist 0 has tracks on two releases, artist 1 on two, artist 2 on one.
        let printed = [
            (vec![0], vec![0], vec![]), // 0 degrees
            (vec![0], vec![0], vec![]), // 5: same release, no matter how near
            (vec![1], vec![0], vec![]), // 40
            (vec![2], vec![1], vec![]), // 20
            (vec![3], vec![1], vec![]), // 90
            (vec![4], vec![2], vec![]), // 30
        ];
        let angles = [0.0f32, 5.0, 40.0, 20.0, 90.0, 30.0];
        let vectors = Array2::from_shape_fn((6, 2), |(track, axis)| {
            let angle = angles[track].to_radians();
            if axis == 0 { angle.cos() } else { angle.sin() }
        });
        let collection = collection(&printed, &[]);
        let outcomes = rank(&collection, Association::Artist, vectors.view(), vectors.view());
        let found: Vec<(u32, f64)> = outcomes.iter().map(|one| (one.track, one.figures.values[0])).collect();
        // 0 ranks 3 (20), 5 (30), 2 (40), 4: the relevant one is third. 1 the same. 2 ranks 5, 3, 1 (35), 0 (40), 4:
        // third and fourth. 3 ranks 5 (10), 1 (15), 0 and 2 (20 both), 4: fifth. 4 ranks 2, 5, 3, 1, 0: third. 5 has no
        // relevant track.
        let third = 1.0 / 3.0;
        let expected = [(0, third), (1, third), (2, (third + 0.5) / 2.0), (3, 0.2), (4, third)];
        for (one, other) in found.iter().zip(&expected) {
            assert!(one.0 == other.0 && (one.1 - other.1).abs() < 1e-9, "{found:?}");
        }
        assert_eq!(found.len(), expected.len());
        // Chance level for 0: one relevant of four, so the mean of 1, 1/2, 1/3 and 1/4.
        assert!((outcomes[0].chance.values[0] - (1.0 + 0.5 + third + 0.25) / 4.0).abs() < 1e-12);
        let releases = rank(&collection, Association::Release, vectors.view(), vectors.view());
        assert_eq!(releases.iter().map(|one| one.track).collect::<Vec<_>>(), [0, 1]);
        assert!(releases.iter().all(|one| one.figures.values == [1.0, 1.0, 0.2, 0.1]));
    }

    /// The definition, track by track, with ranks counted instead of sorted.
    fn plain(
        collection: &Collection,
        printed: &[(Vec<u32>, Vec<u32>, Vec<u32>)],
        doubles: &[(u32, u32)],
        vectors: &Array2<f32>,
        query: usize,
    ) -> Option<f64> {
        let meets = |a: &[u32], b: &[u32]| a.iter().any(|value| b.contains(value));
        let dot = |other: usize| (vectors.row(query).dot(&vectors.row(other)) * 64.0).round();
        let ranked: Vec<usize> = (0..collection.len())
            .filter(|&other| {
                let pair = |&(a, b): &(u32, u32)| {
                    (a, b) == (query as u32, other as u32) || (b, a) == (query as u32, other as u32)
                };
                other != query && !meets(&printed[query].0, &printed[other].0) && !doubles.iter().any(pair)
            })
            .collect();
        let relevant: Vec<usize> =
            ranked.iter().copied().filter(|&other| meets(&printed[query].1, &printed[other].1)).collect();
        // The expected precision at one relevant track's rank, over all ranks of its tie.
        let mut sum = 0.0;
        for &one in &relevant {
            let above = |among: &[usize]| among.iter().filter(|&&other| dot(other) > dot(one)).count();
            let equal = |among: &[usize]| among.iter().filter(|&&other| dot(other) == dot(one)).count() - 1;
            let (all, right) = (above(&ranked), above(&relevant));
            let (ties, ties_right) = (equal(&ranked), equal(&relevant));
            for place in 0..=ties {
                let before = if ties == 0 { 0.0 } else { place as f64 * ties_right as f64 / ties as f64 };
                sum += (right as f64 + before + 1.0) / (all + place + 1) as f64 / (ties + 1) as f64;
            }
        }
        (!relevant.is_empty()).then(|| sum / relevant.len() as f64)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn figures_equal_the_definition(
            printed in prop::collection::vec(
                (prop::collection::vec(0u32..6, 1..3), prop::collection::vec(0u32..4, 0..3), prop::collection::vec(0u32..3, 0..2)),
                1..90,
            ),
            doubles in prop::collection::vec((0u32..90, 0u32..90), 0..8),
            seed in any::<u64>(),
        ) {
            use rand::{RngExt, SeedableRng};
            let count = printed.len();
            let doubles: Vec<(u32, u32)> =
                doubles.into_iter().filter(|&(a, b)| a != b && (a.max(b) as usize) < count).collect();
            let collection = collection(&printed, &doubles);
            // Multiples of 1/8, whose products are exact: many cosines are equal.
            let mut random = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(seed);
            let vectors = Array2::from_shape_fn((count, 2), |_| random.random_range(-3i8..4) as f32 / 8.0);
            let outcomes = rank(&collection, Association::Artist, vectors.view(), vectors.view());
            let mut outcomes = outcomes.into_iter().peekable();
            for query in 0..count {
                let expected = plain(&collection, &printed, &doubles, &vectors, query);
                let found = outcomes.next_if(|one| one.track == query as u32).map(|one| one.figures.values[0]);
                match (found, expected) {
                    (Some(found), Some(expected)) => prop_assert!((found - expected).abs() < 1e-9, "{found} {expected}"),
                    (found, expected) => prop_assert_eq!(found, expected),
                }
            }
        }
    }

    #[test]
    fn an_encoder_that_hears_nothing_is_chance() {
        let printed: Vec<_> = (0..40u32).map(|at| (vec![at % 8], vec![at % 5], vec![])).collect();
        let collection = collection(&printed, &[]);
        for value in [0.0, 0.25] {
            let vectors = Array2::from_elem((40, 3), value);
            let outcomes = rank(&collection, Association::Artist, vectors.view(), vectors.view());
            assert_eq!(outcomes.len(), 40);
            for one in outcomes {
                for (found, chance) in one.figures.values.iter().zip(&one.chance.values) {
                    assert!((found - chance).abs() < 1e-12, "{one:?}");
                }
            }
        }
    }

    #[test]
    fn models_of_a_stack_weigh_the_same() {
        let mut quiet = ndarray::array![[0.001, 0.0], [0.0, 0.001], [0.0, 0.0]];
        let mut loud = ndarray::array![[100.0, 0.0], [100.0, 100.0], [0.0, 50.0]];
        normalise(&mut quiet);
        normalise(&mut loud);
        let stacked = stack(&[quiet.view(), loud.view()]);
        let cosine = stacked.row(0).dot(&stacked.row(1));
        assert!((cosine - 0.5f32.sqrt() / 2.0).abs() < 1e-6, "{cosine}");
        assert_eq!(quiet.row(2).to_vec(), [0.0, 0.0]);
    }
}
