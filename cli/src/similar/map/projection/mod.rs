//! From vectors to places on a map: tracks that are alike lie near each other.
//!
//! [`components`] reduces vectors to their principal components, [`layout`] lays these out in two dimensions, and
//! [`trust`] measures how far the map can be trusted.

pub mod components;
pub mod layout;
pub mod trust;

use anyhow::{Result, bail};
use ndarray::{Array2, ArrayView2};

/// The options of a map.
#[derive(Clone, Debug)]
pub struct Options {
    /// Seed of the random choices.
    pub seed: u64,
    /// Roughly how many neighbours of a track count; from 2 to 200. Small libraries use fewer.
    pub perplexity: f64,
    /// Steps of the layout.
    pub steps: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { seed: 0, perplexity: 30.0, steps: 1000 }
    }
}

/// A place for every track, in the order of the vectors.
#[derive(Clone, Debug)]
pub struct Places {
    /// Places `[tracks, 2]`, each from 0 to 1; the map fills the square in its larger direction.
    pub places: Array2<f64>,
    /// How far neighbours on the map are also neighbours among the vectors, from 0 to 1: see [`trust`].
    pub trust: Option<f64>,
}

/// Computes places for vectors `[tracks, values]`: normalises them to length 1, so that their cosine decides, reduces
/// them to their principal components, and lays them out by t-SNE. Fewer than three vectors, or vectors that are all the
/// same, are placed on a circle.
///
/// # Errors
/// If a vector contains NaN or infinity, or is zero, or if the layout diverges.
pub fn places(vectors: ArrayView2<f32>, options: &Options) -> Result<Places> {
    let vectors = directions(vectors)?;
    let count = vectors.nrows();
    let all_same = vectors.rows().into_iter().all(|row| row == vectors.row(0));
    if count < 3 || all_same {
        let angle = |row: usize| std::f64::consts::TAU * row as f64 / count.max(1) as f64;
        let places = Array2::from_shape_fn((count, 2), |(row, axis)| match axis {
            0 => angle(row).cos(),
            _ => angle(row).sin(),
        });
        return Ok(Places { places: fill_square(places), trust: None });
    }
    let reduced = components::reduce(vectors.view(), components::MOST, options.seed);
    let places = layout::lay_out(reduced.view(), options)?;
    let trust = trust::trustworthiness(vectors.view(), places.view(), trust::NEIGHBOURS);
    Ok(Places { places: fill_square(places), trust })
}

/// The vectors, normalised to length 1.
fn directions(vectors: ArrayView2<f32>) -> Result<Array2<f32>> {
    let mut vectors = vectors.to_owned();
    for (track, mut row) in vectors.rows_mut().into_iter().enumerate() {
        if let Some(at) = row.iter().position(|value| !value.is_finite()) {
            bail!("value {at} of the vector of track {track} is {}", row[at]);
        }
        let length = row.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        if length == 0.0 {
            bail!("the vector of track {track} is zero, which has no direction");
        }
        row.mapv_inplace(|value| (f64::from(value) / length) as f32);
    }
    Ok(vectors)
}

/// Scales and shifts places so that they fill the unit square in their larger direction, and are centred in the other.
fn fill_square(mut places: Array2<f64>) -> Array2<f64> {
    let range = |axis: usize| {
        let column = places.column(axis);
        let low = column.iter().copied().fold(f64::INFINITY, f64::min);
        let high = column.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (low, high)
    };
    let ranges = [range(0), range(1)];
    let span = ranges.iter().map(|(low, high)| high - low).fold(0.0, f64::max);
    for (axis, (low, high)) in ranges.into_iter().enumerate() {
        let middle = 0.5 * (low + high);
        let scale = if span > 0.0 { 1.0 / span } else { 0.0 };
        places.column_mut(axis).mapv_inplace(|value| (0.5 + (value - middle) * scale).clamp(0.0, 1.0));
    }
    places
}

/// Products of all pairs of rows, in blocks that fit in some megabytes.
fn products(rows: ArrayView2<f32>, all: ArrayView2<f32>) -> Array2<f32> {
    rows.dot(&all.t())
}

#[cfg(test)]
mod tests;
