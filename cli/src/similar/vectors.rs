//! Computes the vectors of tracks: the mean of a model's embeddings.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use sleeve::audio::{Ffmpeg, Level};
use sleeve::batch::{BatchExtractor, BatchOptions, BatchSink, Input, Totals};
use sleeve::engine::Purpose;
use sleeve::extractor::{Extractor, Rows, Summary};
use sleeve::model::Model;
use sleeve_files::names;

use super::index::ModelNote;
use super::nearest::Vector;
use crate::default_model;

/// A model that computes the vectors of tracks.
pub struct Embedder {
    extractor: Extractor,
    /// Which of its outputs are embeddings.
    output: usize,
    place: Vec<u8>,
}

impl Embedder {
    /// Opens a model; by default the bundled one for similarity.
    pub fn open(model: Option<&Path>, level: Level, ffmpeg: &Ffmpeg) -> Result<Self> {
        let place = match (model, default_model::of_embeddings()) {
            (Some(model), _) => model.to_owned(),
            (None, Some(name)) => name.into(),
            (None, None) => default_model::of_tags()?.into(),
        };
        let model = Model::open(&place)?;
        let name = model.name().to_owned();
        if model.output(Purpose::Embeddings).is_none() {
            bail!("{name}: this model has no embeddings to compare");
        }
        // The batch extractor's workers are the threads.
        let builder = Extractor::builder(model).threads(1).output("embeddings");
        let extractor = builder.level(level).ffmpeg(ffmpeg.clone()).build()?;
        let output = extractor.outputs().position(|output| output.purpose == Purpose::Embeddings);
        let output = output.with_context(|| format!("{name}: this model has no embeddings to compare"))?;
        // The path of a file is made absolute; a bundled name is not a path.
        let is_bundled = Model::bundled_names().any(|name| Path::new(name) == place) && !place.exists();
        let place = if is_bundled { place } else { std::path::absolute(&place).unwrap_or(place) };
        Ok(Embedder { extractor, output, place: names::to_bytes(&place) })
    }

    /// What an index records of it.
    pub fn note(&self) -> ModelNote {
        let model = self.extractor.model();
        ModelNote {
            name: model.name().to_owned(),
            place: self.place.clone(),
            sha256: model.sha256().to_owned(),
        }
    }

    /// Computes the vectors of tracks, several at a time. `done` receives the index of each with its duration and
    /// vector, or an error.
    pub fn embed(
        &self,
        tracks: &[PathBuf],
        threads: usize,
        stop: &Arc<AtomicBool>,
        done: impl FnMut(usize, Result<(f64, Vector)>),
    ) -> Result<Totals> {
        let options = BatchOptions::default().workers(threads);
        let batch = BatchExtractor::new(&self.extractor, &options)?;
        let patch = self.extractor.patching().duration();
        let mut sink =
            Means { output: self.output, patch, sums: RefCell::default(), stop: Arc::clone(stop), done };
        Ok(batch.run(tracks.iter().map(Input::file), &mut sink)?)
    }
}

/// Sums the rows of each track.
struct Means<F> {
    output: usize,
    /// Seconds of a patch.
    patch: f64,
    sums: RefCell<HashMap<usize, (Vec<f64>, u64)>>,
    stop: Arc<AtomicBool>,
    done: F,
}

impl<F: FnMut(usize, Result<(f64, Vector)>)> BatchSink for Means<F> {
    fn rows(&mut self, recording: usize, _extractor: usize, rows: &Rows<'_>) -> sleeve::Result<()> {
        let values = &rows.outputs[self.output];
        let mut all = self.sums.borrow_mut();
        let (sums, count) = all.entry(recording).or_insert_with(|| (vec![0.0; values.ncols()], 0));
        for row in values.rows() {
            sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
            *count += 1;
        }
        Ok(())
    }

    fn done(&mut self, recording: usize, outcome: sleeve::Result<Summary>) {
        let sums = self.sums.borrow_mut().remove(&recording);
        let outcome = match (outcome, sums) {
            // Neither processed nor failed.
            (Err(sleeve::Error::Cancelled), _) => return,
            (Err(error), _) => Err(error.into()),
            (Ok(summary), None) => Err(anyhow::anyhow!(
                "too short to be compared: {:.1} s, and a patch of the model has {:.1} s",
                summary.seconds,
                self.patch
            )),
            (Ok(summary), Some((sums, count))) => {
                let mean = sums.into_iter().map(|sum| (sum / count as f64) as f32).collect();
                let vector = Vector::new(mean).context("its embedding has no direction");
                vector.map(|vector| (summary.seconds, vector))
            }
        };
        (self.done)(recording, outcome);
    }

    fn cancelled(&mut self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}
