//! One recording to embeddings and predictions.
//!
//! An [`Extractor`] is a model ready to run, with its engine and any heads behind it. It gives everything
//! at once as an [`Analysis`], or row by row to a [`Sink`], in memory that does not grow with the
//! recording. Several extractors can share one decoding and one mel-spectrogram: [`run_file_together`].

mod analysis;
mod builder;
mod frames;
mod lane;
mod lanes;
mod pipeline;
mod predictor;
mod run;
mod sink;
mod values;

use std::path::Path;
use std::sync::Arc;

use ndarray::ArrayView3;

use crate::Result;
use crate::audio::Resampler;
use crate::engine::{Engine, Purpose};
use crate::model::Model;
use crate::patches::{LastPatch, Patching};

pub use analysis::{Analysis, OutputRows};
pub use builder::ExtractorBuilder;
pub(crate) use frames::Frames;
pub use frames::{each_frame, each_frame_of};
pub(crate) use pipeline::Pipeline;
pub use predictor::Predictor;
pub(crate) use run::shared_front;
pub use run::{Summary, run_file_together};
pub use sink::{Rows, Sink};
pub(crate) use values::Values;

/// One stream of rows that an extractor gives: an output of its model, or of a head behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputInfo {
    /// The model or head it comes from.
    pub model: String,
    /// The tensor's name in that model's graph.
    pub tensor: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Values a row.
    pub dim: usize,
    /// The names of the values, where the metadata gives `dim` of them; else empty.
    pub classes: Vec<String>,
    /// Whether it comes from a head.
    pub from_head: bool,
}

/// A model ready to turn recordings into rows. It may be used from several threads at once; clones are cheap and
/// share the networks with their threads.
#[derive(Clone)]
pub struct Extractor {
    model: Model,
    engine: Arc<dyn Engine>,
    /// Which of the engine's outputs are computed; those that feed heads come along even if not wanted.
    computed: Vec<usize>,
    heads: Arc<[Head]>,
    /// What is given to the caller, in order, and where each is found.
    outputs: Arc<[(OutputInfo, Source)]>,
    patching: Patching,
    last_patch: LastPatch,
    resampler: Resampler,
    batch_size: usize,
    warnings: Vec<String>,
}

/// A network behind the model: one of its computed outputs in, outputs out.
#[derive(Clone)]
struct Head {
    model: Model,
    engine: Arc<dyn Engine>,
    /// The position in `Extractor::computed` of the output it reads.
    reads: usize,
    computed: Vec<usize>,
}

/// Where an output's rows are found after a batch has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// A position in `Extractor::computed`.
    Model(usize),
    /// A head, and a position in its `computed`.
    Head(usize, usize),
}

impl Extractor {
    /// Starts an extractor of `model` with the default options.
    pub fn builder(model: Model) -> ExtractorBuilder {
        ExtractorBuilder::new(model)
    }

    /// The model it runs.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The models of the heads behind it, in order.
    pub fn heads(&self) -> impl Iterator<Item = &Model> {
        self.heads.iter().map(|head| &head.model)
    }

    /// The engine it runs on.
    pub fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    /// What it gives, in the order in which rows hold it.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = &OutputInfo> {
        self.outputs.iter().map(|(info, _)| info)
    }

    /// How the mel-spectrogram is cut into patches, and when each starts.
    pub fn patching(&self) -> Patching {
        self.patching
    }

    /// How audio at other rates is brought to the model's.
    pub fn resampler(&self) -> Resampler {
        self.resampler
    }

    /// What becomes of the frames after the last complete patch.
    pub fn last_patch(&self) -> LastPatch {
        self.last_patch
    }

    /// Patches a batch.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// What a user should know about how the model was read or the engine chosen.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Analyses one audio file.
    ///
    /// # Errors
    /// When the file cannot be read or decoded, holds non-finite samples, or the network fails.
    pub fn extract_file(&self, path: impl AsRef<Path>) -> Result<Analysis> {
        let mut analysis = Analysis::collect(self);
        let summary = self.run_file(path, &mut analysis)?;
        Ok(analysis.finish(summary.warnings))
    }

    /// Analyses mono samples at `sample_rate` Hz, full scale being 1.
    ///
    /// # Errors
    /// `NonFinite` with the index of the first NaN or infinite sample; `InvalidArgument` for a sample rate
    /// out of range; `Engine` when the network fails.
    pub fn extract_samples(&self, samples: &[f32], sample_rate: u32) -> Result<Analysis> {
        self.extract_interleaved(samples, 1, sample_rate)
    }

    /// Analyses interleaved samples of `channels` channels, which are averaged.
    ///
    /// # Errors
    /// As [`Extractor::extract_samples`], and `InvalidArgument` if there is no channel or `samples` is no whole
    /// number of frames.
    pub fn extract_interleaved(&self, samples: &[f32], channels: u16, sample_rate: u32) -> Result<Analysis> {
        let mut analysis = Analysis::collect(self);
        run::samples(self, samples, channels, sample_rate, &mut analysis)?;
        Ok(analysis.finish(Vec::new()))
    }

    /// Runs the model on mel patches that the caller has: `[patches, frames, bands]`, of the model's frames and
    /// bands. Times are those of consecutive patches.
    ///
    /// # Errors
    /// `InvalidArgument` when the shape is not the model's; `Engine` when the network fails.
    pub fn extract_patches(&self, patches: ArrayView3<'_, f32>) -> Result<Analysis> {
        let mut analysis = Analysis::collect(self);
        run::patches(self, patches, &mut analysis)?;
        Ok(analysis.finish(Vec::new()))
    }

    /// Gives the rows of one audio file to `sink` as they come, in bounded memory.
    ///
    /// # Errors
    /// As [`Extractor::extract_file`], and whatever the sink returns, which ends the run.
    pub fn run_file(&self, path: impl AsRef<Path>, sink: &mut dyn Sink) -> Result<Summary> {
        run_file_together(&mut [(self, sink)], path)
    }

    /// The same for callers that run batches on several threads of their own: the same bits, with the engines of
    /// [`Engine::concurrent`]. Also whether the model has one; if not, batches take turns.
    pub(crate) fn concurrent(&self) -> (Self, bool) {
        // Heads have one thread already.
        let mut sibling = self.clone();
        let Some(engine) = self.engine.concurrent() else { return (sibling, false) };
        if self.batch_size == self.engine.batch_size() {
            sibling.batch_size = engine.batch_size();
        }
        sibling.engine = engine;
        (sibling, true)
    }

    /// The same front end with another engine behind it.
    #[cfg(test)]
    pub(crate) fn with_engine(&self, engine: Arc<dyn Engine>) -> Self {
        Extractor { batch_size: engine.batch_size(), engine, ..self.clone() }
    }
}
