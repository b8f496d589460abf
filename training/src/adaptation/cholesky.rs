//! The Cholesky factor of a covariance, inverted.

use ndarray::{Array2, s};

/// `L^-1` of a symmetric positive definite matrix `L L^T`; `None` where it is not positive definite, or no square of numbers.
pub fn inverse_factor(matrix: &Array2<f64>) -> Option<Array2<f64>> {
    let size = matrix.nrows();
    if matrix.ncols() != size {
        return None;
    }
    let mut factor = Array2::<f64>::zeros((size, size));
    for i in 0..size {
        for j in 0..=i {
            let sum = factor.slice(s![i, ..j]).dot(&factor.slice(s![j, ..j]));
            let rest = matrix[[i, j]] - sum;
            if i == j {
                if !(rest > 0.0 && rest.is_finite()) {
                    return None;
                }
                factor[[i, i]] = rest.sqrt();
            } else {
                factor[[i, j]] = rest / factor[[j, j]];
            }
        }
    }
    // Row by row, each of those above.
    let mut inverse = Array2::<f64>::zeros((size, size));
    for i in 0..size {
        let above = factor.slice(s![i, ..i]).dot(&inverse.slice(s![..i, ..]));
        inverse.row_mut(i).assign(&(-above / factor[[i, i]]));
        inverse[[i, i]] = 1.0 / factor[[i, i]];
    }
    Some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_whitens() {
        let size = 40;
        let root = Array2::from_shape_fn((size, size), |(i, j)| ((i * 7 + j * j * 3) % 11) as f64 - 5.0);
        let matrix = root.dot(&root.t()) + Array2::<f64>::eye(size);
        let inverse = inverse_factor(&matrix).unwrap();
        let white = inverse.dot(&matrix).dot(&inverse.t());
        let error =
            (&white - &Array2::<f64>::eye(size)).iter().fold(0.0f64, |most, value| most.max(value.abs()));
        assert!(error < 1e-9, "{error}");
        assert!((0..size).all(|i| (i + 1..size).all(|j| inverse[[i, j]] == 0.0)), "lower triangle");
    }

    #[test]
    fn what_has_no_factor_is_told() {
        assert!(inverse_factor(&Array2::zeros((3, 3))).is_none());
        assert!(inverse_factor(&Array2::from_elem((2, 2), f64::NAN)).is_none());
        assert!(inverse_factor(&Array2::ones((2, 3))).is_none());
        let indefinite = ndarray::array![[1.0, 2.0], [2.0, 1.0]];
        assert!(inverse_factor(&indefinite).is_none());
    }
}
