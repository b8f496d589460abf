//! The matrices of Toom and Cook's algorithm: four results of a filter from its values at points.

use super::kernels::spread::{GROUP, MAX_POINTS};

/// The transforms for filters of up to `taps` taps.
pub(super) struct Toom {
    /// Taps of one group.
    pub taps: usize,
    /// `[point][neighbour]`: the input's.
    pub input: Vec<[f32; MAX_POINTS]>,
    /// `[point][tap]`: the filters'.
    pub filter: Vec<Vec<f64>>,
    /// Positive points of the pairs, with squares and cubes.
    pub pairs: Vec<[f32; 3]>,
    pub single: Option<[f32; 3]>,
}

impl Toom {
    /// For groups of 4 or 7 taps.
    pub fn new(taps: usize) -> Self {
        // Small fractions with different sizes: of those tried, the ones with the smallest error. Two more points for
        // groups of 7 (1/4 and 4) have twice the error.
        let (pairs, single): (&[f64], Option<f64>) = match taps {
            4 => (&[1.0, 0.5], Some(2.0)),
            _ => (&[1.0, 2.0, 0.5, 1.5], None),
        };
        let mut points = vec![0.0];
        for &point in pairs {
            points.extend([point, -point]);
        }
        points.extend(single);
        let count = points.len() + 1;
        debug_assert_eq!(count, taps + GROUP - 1);
        // The polynomial with these roots, from the lowest power.
        let product = |skipped: Option<usize>| {
            let mut polynomial = vec![1.0];
            for (_, root) in points.iter().enumerate().filter(|(i, _)| Some(*i) != skipped) {
                let mut next = vec![0.0; polynomial.len() + 1];
                for (i, value) in polynomial.iter().enumerate() {
                    next[i] -= root * value;
                    next[i + 1] += value;
                }
                polynomial = next;
            }
            polynomial
        };
        let mut input = Vec::new();
        let mut filter = Vec::new();
        for at in 0..count {
            let is_finite = at < points.len();
            let row = product(is_finite.then_some(at));
            // A power of two moves between the two sides: it costs no rounding, and keeps the values near 1.
            let largest = row.iter().fold(0.0f64, |most, value| most.max(value.abs()));
            let scale = largest.log2().round().exp2();
            let mut padded = [0.0; MAX_POINTS];
            for (to, from) in padded.iter_mut().zip(&row) {
                *to = (from / scale) as f32;
            }
            input.push(padded);
            filter.push(if is_finite {
                let others = points.iter().enumerate().filter(|(i, _)| *i != at);
                let divisor: f64 = others.map(|(_, other)| points[at] - other).product();
                (0..taps).map(|k| points[at].powi(k as i32) / divisor * scale).collect()
            } else {
                (0..taps).map(|k| if k + 1 == taps { scale } else { 0.0 }).collect()
            });
        }
        let powers = |p: f64| [p as f32, (p * p) as f32, (p * p * p) as f32];
        Self {
            taps,
            input,
            filter,
            pairs: pairs.iter().map(|&p| powers(p)).collect(),
            single: single.map(powers),
        }
    }

    pub fn points(&self) -> usize {
        self.input.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_results_are_those_of_the_direct_sum() {
        for taps in [4, 7] {
            let toom = Toom::new(taps);
            let n = toom.points();
            let x: Vec<f64> = (0..n).map(|i| ((i * 7 + 3) % 11) as f64 - 5.0).collect();
            let w: Vec<f64> = (0..taps).map(|i| ((i * 5 + 1) % 7) as f64 - 3.0).collect();
            let product: Vec<f64> = (0..n)
                .map(|a| {
                    let x: f64 = (0..n).map(|b| f64::from(toom.input[a][b]) * x[b]).sum();
                    let w: f64 = (0..taps).map(|k| toom.filter[a][k] * w[k]).sum();
                    x * w
                })
                .collect();
            for i in 0..GROUP {
                let direct: f64 = (0..taps).map(|k| w[k] * x[i + k]).sum();
                let mut found = if i == 0 { product[0] } else { 0.0 };
                for (j, pair) in toom.pairs.iter().enumerate() {
                    let power = |sign: f64| (sign * f64::from(pair[0])).powi(i as i32);
                    found += power(1.0) * product[1 + 2 * j] + power(-1.0) * product[2 + 2 * j];
                }
                if let Some(single) = toom.single {
                    found += f64::from(single[0]).powi(i as i32) * product[n - 2];
                }
                if i + 1 == GROUP {
                    found += product[n - 1];
                }
                assert!((found - direct).abs() < 1e-9, "{taps} taps, result {i}: {found}, not {direct}");
            }
        }
    }
}
