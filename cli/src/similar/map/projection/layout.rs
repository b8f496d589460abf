//! From some tens of dimensions to two, by t-SNE (van der Maaten and Hinton, 2008), so that neighbours stay neighbours.
//!
//! The crate bhtsne computes it, with exact neighbours from this module; forces are computed by a Barnes-Hut tree, or
//! for large collections by interpolation on a grid (FIt-SNE). It starts from the first two principal components, which
//! preserves the global structure and does not depend on luck. Sums over threads have no fixed order, and t-SNE
//! amplifies small differences. So the layout runs on one thread, and the same embeddings, seed and machine give the
//! same map.

use anyhow::{Result, bail};
use bhtsne::{Neighbor, tSNE};
use ndarray::{Array2, ArrayView2, Axis};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use super::Options;

/// From this many tracks, forces are interpolated on a grid.
const MANY: usize = 20_000;
/// Below this many, t-SNE's neighbourhoods are meaningless, and the first two components are the map.
const FEW: usize = 12;

/// Positions `[n, 2]` for vectors `[n, k]`, n at least 3.
///
/// # Errors
/// If a position is not finite.
pub fn lay_out(vectors: ArrayView2<f64>, options: &Options) -> Result<Array2<f64>> {
    let n = vectors.nrows();
    let start = start(vectors, options.seed);
    if n < FEW {
        return Ok(start);
    }
    // bhtsne uses three times as many neighbours as the perplexity, and needs more points than that.
    let perplexity = options.perplexity.clamp(2.0, 200.0).min((n - 2) as f64 / 3.0);
    let count = ((3.0 * perplexity) as usize).clamp(1, n - 1);
    let neighbours = neighbours(vectors, count);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let places = pool.install(|| {
        let points: Vec<usize> = (0..n).collect();
        let mut layout: tSNE<f64, usize> = tSNE::new(&points);
        layout
            .perplexity(perplexity)
            .epochs(options.steps)
            .stop_lying_epoch(options.steps / 4)
            .initial_embedding(start.into_raw_vec_and_offset().0);
        match n < MANY {
            true => layout.barnes_hut_with_neighbors(0.5, &neighbours),
            false => layout.fit_sne_with_neighbors(&neighbours),
        };
        layout.embedding()
    });
    if places.iter().any(|place| !place.is_finite()) {
        bail!("the layout diverged: a position is not finite");
    }
    Ok(Array2::from_shape_vec((n, 2), places)?)
}

/// The first two components, scaled down, with small random offsets so that equal tracks can separate.
fn start(vectors: ArrayView2<f64>, seed: u64) -> Array2<f64> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let spread = vectors.column(0).mapv(|value| value * value).mean().unwrap_or_default().sqrt();
    let scale = if spread > 0.0 { 1e-4 / spread } else { 0.0 };
    Array2::from_shape_fn((vectors.nrows(), 2), |(row, column)| {
        let value = vectors.get((row, column)).copied().unwrap_or_default();
        value * scale + 1e-6 * random.random_range(-1.0..1.0)
    })
}

/// The nearest others of every vector, the nearest first; ties in the order of the vectors.
fn neighbours(vectors: ArrayView2<f64>, count: usize) -> Vec<Vec<Neighbor<f64>>> {
    let squares: Vec<f64> = vectors.rows().into_iter().map(|row| row.dot(&row)).collect();
    let blocks: Vec<(usize, ArrayView2<f64>)> =
        vectors.axis_chunks_iter(Axis(0), 128).enumerate().map(|(at, block)| (128 * at, block)).collect();
    let found = blocks.into_par_iter().flat_map_iter(|(first, block)| {
        let products = block.dot(&vectors.t());
        let squares = &squares;
        (0..block.nrows()).map(move |row| {
            let own = first + row;
            let mut all: Vec<(f64, usize)> = products
                .row(row)
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != own)
                .map(|(other, product)| ((squares[own] + squares[other] - 2.0 * product).max(0.0), other))
                .collect();
            let nearer = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
            all.select_nth_unstable_by(count - 1, nearer);
            all.truncate(count);
            all.sort_unstable_by(nearer);
            all.into_iter()
                .map(|(square, index)| Neighbor { index, distance: square.sqrt() })
                .collect::<Vec<_>>()
        })
    });
    found.collect()
}
