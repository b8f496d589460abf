//! A map of a collection: each recording is a dot near those that sound like it.
//!
//! The modules, in the order in which data flows: [`embeddings`] reads the output of `sleeve extract`, [`groups`] finds
//! the group of each recording, [`components`] and [`projection`] reduce embeddings to two dimensions, [`trust`]
//! measures how far the picture can be trusted, and [`crate::plot`] draws it.

pub mod components;
pub mod embeddings;
pub mod groups;
pub mod projection;
pub mod trust;

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView2};

use crate::error::{Error, Result};
use crate::plot::{GROUPS, Group, Scatter};
use embeddings::Embeddings;
use projection::Options;

/// The minimum number of recordings on a map.
pub const LEAST: usize = 3;

/// A map: a position for every recording, in the order of the embeddings.
#[derive(Clone, Debug)]
pub struct Map {
    /// Positions `[recordings, 2]`.
    pub places: Array2<f64>,
    /// How far neighbours on the map are also neighbours among the embeddings, from 0 to 1: see [`trust`].
    pub trust: Option<f64>,
}

/// Computes positions for embeddings: normalises them to length 1, so that their cosine decides, reduces them to their
/// principal components, and lays them out by t-SNE.
///
/// # Errors
/// If there are fewer than [`LEAST`], if one contains NaN or infinity or is zero, or if all are the same.
pub fn map(embeddings: &Embeddings, options: &Options) -> Result<Map> {
    let vectors = directions(embeddings)?;
    let reduced = components::reduce(vectors.view(), components::MOST, options.seed);
    let places = projection::project(reduced.view(), options)
        .map_err(|reason| Error::Nothing { path: embeddings.folder.clone(), reason })?;
    let trust = trust::trustworthiness(vectors.view(), places.view(), trust::NEIGHBOURS);
    Ok(Map { places, trust })
}

/// The embeddings, normalised to length 1.
fn directions(embeddings: &Embeddings) -> Result<Array2<f32>> {
    let folder = &embeddings.folder;
    let count = embeddings.names.len();
    if count < LEAST {
        let reason = format!("{count} recordings with embeddings; a map needs {LEAST}");
        return Err(Error::Nothing { path: folder.clone(), reason });
    }
    let mut vectors = embeddings.values.clone();
    for (mut row, name) in vectors.rows_mut().into_iter().zip(&embeddings.names) {
        let path = folder.join(name);
        if let Some(at) = row.iter().position(|value| !value.is_finite()) {
            return Err(Error::format(path, format!("value {at} of its embedding is {}", row[at])));
        }
        let length = row.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        if length == 0.0 {
            return Err(Error::format(path, "its embedding is zero, which has no direction"));
        }
        row.mapv_inplace(|value| (f64::from(value) / length) as f32);
    }
    let first = vectors.row(0).to_owned();
    if vectors.rows().into_iter().all(|row| row == first) {
        let reason = format!("all {count} embeddings are the same");
        return Err(Error::Nothing { path: folder.clone(), reason });
    }
    Ok(vectors)
}

/// The picture: the largest groups are coloured, all others faint.
pub fn picture(map: &Map, groups: &[Option<String>], title: &str, by: &str) -> Scatter {
    let place = |at: usize| (map.places[[at, 0]], map.places[[at, 1]]);
    let mut found: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    let mut others = Vec::new();
    for (at, group) in groups.iter().enumerate() {
        match group {
            Some(group) => found.entry(group).or_default().push(place(at)),
            None => others.push(place(at)),
        }
    }
    let distinct = found.len();
    let mut found: Vec<(&str, Vec<(f64, f64)>)> = found.into_iter().collect();
    // The largest first; ties in the order of their names.
    found.sort_by_key(|(_, points)| std::cmp::Reverse(points.len()));
    // A group of one is not coloured.
    let coloured = found.iter().take(GROUPS).take_while(|(_, points)| points.len() > 1).count();
    others.extend(found.split_off(coloured).into_iter().flat_map(|(_, points)| points));
    let groups = found.into_iter().map(|(label, points)| Group { label: label.to_owned(), points });
    let note = map.trust.map_or_else(String::new, |trust| format!("trustworthiness {trust:.3}"));
    Scatter {
        title: title.to_owned(),
        note,
        groups: groups.collect(),
        others,
        others_label: format!("others ({distinct} {by}s in all)"),
    }
}

/// Products of all pairs of rows, in blocks that fit in some megabytes.
fn products(rows: ArrayView2<f32>, all: ArrayView2<f32>) -> Array2<f32> {
    rows.dot(&all.t())
}

#[cfg(test)]
mod tests;
