//! Trustworthiness of a projection (Venna and Kaski, 2001): whether neighbours on the map are neighbours among the
//! vectors.

use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;

use super::products;

/// The number of neighbours on the map that are checked.
pub const NEIGHBOURS: usize = 12;
/// The maximum number of tracks that are checked, evenly chosen; for larger collections the result is an estimate.
const MOST: usize = 2000;

/// The trustworthiness of positions `[n, 2]` for vectors `[n, d]` of length 1, whose nearness is their cosine. It is 1
/// if the `k` neighbours of each on the map are its `k` nearest vectors, and decreases with their rank beyond that.
/// `None` if there are too few tracks: it is defined for 2n > 3k + 1.
pub fn trustworthiness(vectors: ArrayView2<f32>, places: ArrayView2<f64>, k: usize) -> Option<f64> {
    let n = vectors.nrows();
    let k = k.min(n.saturating_sub(2) / 2);
    if k == 0 {
        return None;
    }
    let step = n.div_ceil(MOST);
    let chosen: Vec<usize> = (0..n).step_by(step).collect();
    let penalties: Vec<f64> = chosen
        .par_chunks(64)
        .flat_map_iter(|own| {
            let near = products(vectors.select(Axis(0), own).view(), vectors);
            let penalty = |(row, &own): (usize, &usize)| {
                let distance = |other: usize| {
                    (places[[own, 0]] - places[[other, 0]]).hypot(places[[own, 1]] - places[[other, 1]])
                };
                let mut others: Vec<(f64, usize)> =
                    (0..n).filter(|&other| other != own).map(|other| (distance(other), other)).collect();
                let nearer = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
                others.select_nth_unstable_by(k - 1, nearer);
                let near = near.row(row);
                let beyond = |&(_, other): &(f64, usize)| {
                    // Its rank among the vectors, from 1; ties rank behind it.
                    let nearer = |at: &usize| *at != own && near[*at] > near[other];
                    let rank = 1 + (0..n).filter(nearer).count();
                    rank.saturating_sub(k) as f64
                };
                others[..k].iter().map(beyond).sum::<f64>()
            };
            own.iter().enumerate().map(penalty).collect::<Vec<_>>()
        })
        .collect();
    let (n, k) = (n as f64, k as f64);
    // The worst possible order gives 0.
    let worst = k * (2.0 * n - 3.0 * k - 1.0) / 2.0;
    Some(1.0 - penalties.iter().sum::<f64>() / (worst * chosen.len() as f64))
}
