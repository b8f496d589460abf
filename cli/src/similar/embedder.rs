//! Computes embeddings of tracks with a model.

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
use sleeve::similarity::{Embedding, EmbeddingBuilder, Library, Origin};
use sleeve_files::names::shown;

use crate::default_model;

/// A model that computes embeddings, and the activations of its tags if it has some.
pub struct Embedder {
    extractor: Extractor,
    origin: Origin,
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
        let tags = model.output(Purpose::Predictions).is_some() && !model.classes().is_empty();
        // The batch extractor's workers are the threads.
        let mut builder = Extractor::builder(model).threads(1).output("embeddings");
        if tags {
            builder = builder.output("predictions");
        }
        let extractor = builder.level(level).ffmpeg(ffmpeg.clone()).build()?;
        let mut origin = Origin::of(&extractor)?;
        // The path of a file is made absolute; a bundled name is not a path.
        let is_bundled = Model::bundled_names().any(|name| Path::new(name) == place) && !place.exists();
        let place = if is_bundled { place } else { std::path::absolute(&place).unwrap_or(place) };
        origin.place = place.to_str().with_context(|| format!("{}: not UTF-8", shown(&place)))?.to_owned();
        Ok(Embedder { extractor, origin })
    }

    /// Opens the model of a library, or the one that is named in its place.
    pub fn of_library(library: &Library, model: Option<&Path>, ffmpeg: &Ffmpeg) -> Result<Self> {
        let origin = library.origin();
        let place = model.unwrap_or(Path::new(&origin.place));
        let embedder = Embedder::open(Some(place), origin.level.parse()?, ffmpeg)
            .with_context(|| format!("the model that {} was made with", shown(library.path())))?;
        library.check_origin(&embedder.origin)?;
        Ok(embedder)
    }

    /// What the embeddings are.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Computes the embeddings of tracks, several at a time. `done` receives the index of each with its duration and
    /// embedding, or an error.
    pub fn embed(
        &self,
        tracks: &[PathBuf],
        options: Options,
        stop: &Arc<AtomicBool>,
        done: impl FnMut(usize, Result<(f64, Embedding)>),
    ) -> Result<Totals> {
        let batch = BatchExtractor::new(&self.extractor, &BatchOptions::default().workers(options.threads))?;
        let mut sink = Embeddings {
            empty: EmbeddingBuilder::new(&self.extractor, options.patches)?,
            patch: self.extractor.patching().duration(),
            builders: RefCell::default(),
            stop: Arc::clone(stop),
            done,
        };
        Ok(batch.run(tracks.iter().map(Input::file), &mut sink)?)
    }

    /// Computes the embedding of one file.
    pub fn embed_file(&self, track: &Path, threads: usize) -> Result<Vec<f32>> {
        let mut found = None;
        let stop = Arc::new(AtomicBool::new(false));
        let options = Options { threads, patches: false };
        self.embed(&[track.to_owned()], options, &stop, |_, outcome| found = Some(outcome))?;
        let (_, embedding) = found.context("it was not processed")?.with_context(|| shown(track))?;
        Ok(embedding.vector)
    }
}

/// How embeddings are computed.
#[derive(Clone, Copy)]
pub struct Options {
    /// 0 means all cores.
    pub threads: usize,
    /// Whether the vectors of patches are kept.
    pub patches: bool,
}

/// Gathers the rows of each track.
struct Embeddings<F> {
    empty: EmbeddingBuilder,
    /// Seconds of a patch.
    patch: f64,
    builders: RefCell<HashMap<usize, EmbeddingBuilder>>,
    stop: Arc<AtomicBool>,
    done: F,
}

impl<F: FnMut(usize, Result<(f64, Embedding)>)> BatchSink for Embeddings<F> {
    fn rows(&mut self, recording: usize, _extractor: usize, rows: &Rows<'_>) -> sleeve::Result<()> {
        let mut builders = self.builders.borrow_mut();
        builders.entry(recording).or_insert_with(|| self.empty.clone()).add(rows);
        Ok(())
    }

    fn done(&mut self, recording: usize, outcome: sleeve::Result<Summary>) {
        let builder = self.builders.borrow_mut().remove(&recording);
        let outcome = match (outcome, builder.and_then(EmbeddingBuilder::finish)) {
            // Neither processed nor failed.
            (Err(sleeve::Error::Cancelled), _) => return,
            (Err(error), _) => Err(error.into()),
            (Ok(summary), None) => Err(anyhow::anyhow!(
                "too short to be compared: {:.1} s, and a patch of the model has {:.1} s",
                summary.seconds,
                self.patch
            )),
            (Ok(summary), Some(embedding)) => Ok((summary.seconds, embedding)),
        };
        (self.done)(recording, outcome);
    }

    fn cancelled(&mut self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}
