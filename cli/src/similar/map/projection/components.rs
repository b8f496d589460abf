//! Principal component analysis: the directions in which vectors differ most.

use nalgebra::DMatrix;
use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// The number of components for a projection; further ones are mostly noise, and cost time.
pub const MOST: usize = 50;
/// Additional directions in the iteration, so that the last components converge as well as the first.
const BESIDE: usize = 10;
/// Rounds of the iteration. Neighbours depend on the space that the components span, not on each component.
const ROUNDS: usize = 60;

/// Vectors `[n, d]` in coordinates of their first components, at most `most`, `n` and `d`: `[n, k]`, centred, the first
/// component first. The sign of each makes its largest loading positive.
pub fn reduce(vectors: ArrayView2<f32>, most: usize, seed: u64) -> Array2<f64> {
    let (n, d) = vectors.dim();
    let kept = most.min(d).min(n);
    let mean: Array1<f64> = vectors.mapv(f64::from).mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(d));
    // In single precision, like the vectors, summed in blocks in double precision.
    let mut covariance = Array2::<f64>::zeros((d, d));
    for block in vectors.axis_chunks_iter(Axis(0), 4096) {
        let centred = block.mapv(f64::from) - &mean;
        covariance += &centred.t().dot(&centred);
    }
    covariance /= n.max(1) as f64;
    let basis = leading(&covariance, (kept + BESIDE).min(d), seed);
    let basis = basis.slice(s![.., ..kept]);
    let mut reduced = Array2::zeros((n, kept));
    for (block, mut out) in
        vectors.axis_chunks_iter(Axis(0), 4096).zip(reduced.axis_chunks_iter_mut(Axis(0), 4096))
    {
        out.assign(&(block.mapv(f64::from) - &mean).dot(&basis));
    }
    reduced
}

/// The leading eigenvectors of a symmetric matrix as columns, by orthogonal iteration from random directions. With a
/// thousand dimensions, computing all eigenvectors takes ten times as long.
fn leading(matrix: &Array2<f64>, count: usize, seed: u64) -> Array2<f64> {
    let size = matrix.nrows();
    let matrix = DMatrix::from_fn(size, size, |row, column| matrix[[row, column]]);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut basis = DMatrix::from_fn(size, count, |_, _| random.random_range(-1.0..1.0)).qr().q();
    for _ in 0..ROUNDS {
        basis = (&matrix * basis).qr().q();
    }
    // Rotate the basis inside its space, so that each column is an eigenvector.
    let turned = (basis.transpose() * matrix * &basis).symmetric_eigen();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| turned.eigenvalues[b].total_cmp(&turned.eigenvalues[a]));
    let mut basis = basis * turned.eigenvectors.select_columns(&order);
    for mut column in basis.column_iter_mut() {
        if column[column.iamax()] < 0.0 {
            column.neg_mut();
        }
    }
    Array2::from_shape_fn((size, count), |at| basis[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_components_are_where_vectors_differ_most() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        // Standard deviations 3, 2 and 0.1 along rotated axes.
        let (a, b, c) = ([0.6, 0.8, 0.0], [-0.8, 0.6, 0.0], [0.0, 0.0, 1.0]);
        let mut own = Array2::<f64>::zeros((500, 3));
        let vectors = Array2::from_shape_fn((500, 3), |(row, column)| {
            if column == 0 {
                for (at, deviation) in [3.0, 2.0, 0.1].into_iter().enumerate() {
                    own[[row, at]] = deviation * 12.0_f64.sqrt() * random.random_range(-0.5..0.5);
                }
            }
            (5.0 + own[[row, 0]] * a[column] + own[[row, 1]] * b[column] + own[[row, 2]] * c[column]) as f32
        });
        let reduced = reduce(vectors.view(), 2, 7);
        assert_eq!(reduced.dim(), (500, 2));
        let own = &own - &own.mean_axis(Axis(0)).unwrap();
        for at in 0..2 {
            let (found, wanted) = (reduced.column(at), own.column(at));
            let cosine = found.dot(&wanted) / (found.dot(&found) * wanted.dot(&wanted)).sqrt();
            assert!(cosine.abs() > 0.99, "{at}: {cosine}");
        }
        assert_eq!(reduced, reduce(vectors.view(), 2, 7));
    }

    #[test]
    fn fewer_vectors_than_values_are_no_matter() {
        let vectors = Array2::from_shape_fn((3, 200), |(row, column)| ((row * 31 + column * 7) % 13) as f32);
        let reduced = reduce(vectors.view(), MOST, 0);
        assert_eq!(reduced.dim(), (3, 3));
        // Distances are preserved.
        let distance =
            |a: usize, b: usize| (&vectors.row(a) - &vectors.row(b)).mapv(|x| f64::from(x).powi(2)).sum();
        let kept = |a: usize, b: usize| (&reduced.row(a) - &reduced.row(b)).mapv(|x: f64| x.powi(2)).sum();
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            assert!((distance(a, b) - kept(a, b)).abs() < 1e-6 * distance(a, b), "{a} {b}");
        }
    }
}
