//! Compares the embeddings before and after the weights are rounded.

use std::path::Path;

use sleeve::engine::{EngineChoice, EngineOptions};
use sleeve::model::Model;

use crate::batches::crop::{Crop, read_patch};
use crate::error::{Error, Result};
use crate::features::Store;
use crate::network::architecture::{BANDS, EMBEDDING, FRAMES};

/// The number of patches that are compared: one of each recording, several if there are fewer recordings.
const PATCHES: usize = 256;

/// The cosines between the embeddings of the same patches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Closeness {
    /// The number of patches.
    pub patches: usize,
    /// The lowest of them.
    pub lowest: f64,
    /// Their mean.
    pub mean: f64,
}

/// Embeds patches of `features`, always the same ones, with both models.
///
/// # Errors
/// If there are no features, or they cannot be read.
pub fn closeness(exact: &Model, rounded: &Model, features: &Path) -> Result<Closeness> {
    let patches = patches(features)?;
    let [exact, rounded] = [embeddings(exact, &patches)?, embeddings(rounded, &patches)?];
    let cosines: Vec<f64> =
        exact.chunks(EMBEDDING).zip(rounded.chunks(EMBEDDING)).map(|(a, b)| cosine(a, b)).collect();
    let lowest = cosines.iter().copied().fold(f64::INFINITY, f64::min);
    let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
    Ok(Closeness { patches: cosines.len(), lowest, mean })
}

fn patches(folder: &Path) -> Result<Vec<f32>> {
    let store = Store::new(folder);
    let named = store.named()?;
    if named.is_empty() {
        return Err(Error::format(folder, "its tables name no recording that has features"));
    }
    let mut recordings: Vec<_> = named.into_values().collect();
    recordings.sort_unstable_by_key(ToString::to_string);
    recordings.dedup();
    // Evenly spaced recordings, so that all of a large collection is sampled.
    let step = recordings.len().div_ceil(PATCHES);
    let some: Vec<_> = recordings.into_iter().step_by(step).collect();
    let mut patches = vec![0.0; PATCHES * FRAMES * BANDS];
    for (number, patch) in patches.chunks_mut(FRAMES * BANDS).enumerate() {
        let mut recording = store.open(some[number % some.len()])?;
        let crop = Crop { seed: 0, epoch: 0, track: number as u32, number: 0 };
        let start = crop.start(recording.frames());
        read_patch(&mut recording, start, patch)?;
    }
    Ok(patches)
}

fn embeddings(model: &Model, patches: &[f32]) -> Result<Vec<f32>> {
    let options = EngineOptions::default().engine(EngineChoice::Effnet);
    let index = model.output_named(super::onnx::EMBEDDINGS).expect("every exported network has them");
    let mut embeddings = vec![0.0; PATCHES * EMBEDDING];
    model.engine(&options)?.run(patches, PATCHES, &mut [(index, &mut embeddings)])?;
    Ok(embeddings)
}

/// 1 for two zero vectors.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let product =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    let lengths = (product(a, a) * product(b, b)).sqrt();
    if lengths > 0.0 { product(a, b) / lengths } else { f64::from(u8::from(a == b)) }
}
