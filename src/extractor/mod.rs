//! Embeddings and predictions of one recording.
//!
//! An [`Extractor`] is a loaded model with its engine and its heads. It returns everything at once as an [`Analysis`],
//! or gives rows to a [`Sink`] as they are computed, in memory that does not grow with the recording.
//! [`run_file_together`] decodes a file once for several extractors. A [`Predictor`] runs a head on stored embeddings.

mod analysis;
mod builder;
pub(crate) mod frames;
mod heads;
mod lane;
mod lanes;
mod pipeline;
mod pitch;
mod predictor;
mod run;
mod selection;
mod sink;
mod tempo;
mod values;

use std::path::Path;
use std::sync::Arc;

use ndarray::ArrayView3;

use crate::Result;
use crate::audio::AudioOptions;
use crate::engine::{Engine, Purpose};
use crate::front_end::FrontEnd;
use crate::model::{Meaning, Model};
use crate::patches::{LastPatch, Patching, Preparation};

pub use analysis::{Analysis, OutputRows};
pub use builder::ExtractorBuilder;
pub(crate) use frames::{Completed, Frames};
pub use frames::{each_frame, each_frame_of, each_frame_of_samples};
pub(crate) use pipeline::Pipeline;
pub use pitch::median_pitch;
pub use predictor::Predictor;
pub(crate) use run::{Decoding, decodings};
pub use run::{Summary, run_file_together};
pub use sink::{Rows, Sink};
pub use tempo::global_tempo;
use values::Computed;
pub(crate) use values::Values;

/// One output of an extractor, from its model or from a head.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OutputInfo {
    /// The name of the model or head.
    pub model: String,
    /// The name of the tensor in the graph.
    pub tensor: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Values per row.
    pub dim: usize,
    /// The names of the values; empty if the metadata does not name them.
    pub classes: Vec<String>,
    /// What the values are.
    pub meaning: Meaning,
    /// Whether it is an output of a head.
    pub from_head: bool,
}

/// A loaded model that turns recordings into rows: embeddings, predictions, or both.
///
/// It may be used from several threads at once. Clones are cheap: they share the networks and their threads.
///
/// ```
/// # #[cfg(feature = "bundled-model")] {
/// use sleeve::extractor::Extractor;
/// use sleeve::model::Model;
///
/// let extractor = Extractor::builder(Model::bundled("msd-musicnn-1")?).threads(1).build()?;
/// let samples = vec![0.1; 44_100 * 5];
/// let analysis = extractor.extract_samples(&samples, 44_100)?;
/// assert_eq!(analysis.patch_count(), 2);
/// let embeddings = analysis.embeddings().expect("the model has embeddings");
/// let predictions = analysis.predictions().expect("the model has predictions");
/// assert_eq!((embeddings.ncols(), predictions.ncols()), (200, 50));
/// # }
/// # Ok::<(), sleeve::Error>(())
/// ```
#[derive(Clone)]
pub struct Extractor {
    model: Model,
    engine: Arc<dyn Engine>,
    /// What is computed: the requested outputs, and those that heads read.
    computed: Computed,
    heads: Arc<[Head]>,
    /// The outputs for the caller, in order, and where the values of each are.
    outputs: Arc<[(OutputInfo, Source)]>,
    patching: Patching,
    preparation: Preparation,
    last_patch: LastPatch,
    audio: AudioOptions,
    batch_size: usize,
    warnings: Vec<String>,
}

/// A head: a network whose input is one of the model's computed outputs.
#[derive(Clone)]
struct Head {
    model: Model,
    engine: Arc<dyn Engine>,
    /// The selection of `Extractor::computed` that it reads.
    reads: usize,
    /// Indices of its engine's outputs.
    computed: Vec<usize>,
}

/// Where the values of an output are after a batch was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// A selection of `Extractor::computed`.
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

    /// The models of the heads, in order.
    pub fn heads(&self) -> impl Iterator<Item = &Model> {
        self.heads.iter().map(|head| &head.model)
    }

    /// The engine it runs on.
    pub fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    /// The outputs, in the order of [`Rows::outputs`].
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = &OutputInfo> {
        self.outputs.iter().map(|(info, _)| info)
    }

    /// The front end whose frames the model takes.
    pub fn front_end(&self) -> FrontEnd {
        self.patching.front_end()
    }

    /// What is done to a patch before the network takes it.
    pub fn preparation(&self) -> Preparation {
        self.preparation
    }

    /// How frames are cut into patches, and when each starts.
    pub fn patching(&self) -> Patching {
        self.patching
    }

    /// How recordings are read: resampler, level, FFmpeg.
    pub fn audio_options(&self) -> &AudioOptions {
        &self.audio
    }

    /// The policy for the mel frames after the last complete patch.
    pub fn last_patch(&self) -> LastPatch {
        self.last_patch
    }

    /// Patches per batch.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// Warnings about the model's metadata and the choice of the engine, to show to users.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Analyses one audio file.
    ///
    /// # Errors
    /// `Io` or `Audio` if the file cannot be read or decoded, `NonFinite` if it has NaN or infinite samples, `Engine`
    /// if the network fails.
    pub fn extract_file(&self, path: impl AsRef<Path>) -> Result<Analysis> {
        let mut analysis = Analysis::collect(self);
        let summary = self.run_file(path, &mut analysis)?;
        Ok(analysis.finish(summary.level, summary.warnings))
    }

    /// Analyses the bytes of an audio file. Error messages contain `name` in angle brackets.
    ///
    /// # Errors
    /// As [`Extractor::extract_file`].
    pub fn extract_bytes(&self, name: &str, bytes: impl Into<Arc<[u8]>>) -> Result<Analysis> {
        let mut analysis = Analysis::collect(self);
        let summary = self.run_bytes(name, bytes, &mut analysis)?;
        Ok(analysis.finish(summary.level, summary.warnings))
    }

    /// Analyses mono samples at `sample_rate` Hz; full scale is 1.
    ///
    /// # Errors
    /// `NonFinite` with the index of the first NaN or infinite sample; `InvalidArgument` for a sample rate
    /// out of range, or if the samples are to be levelled and their loudness cannot be measured; `Engine` when the
    /// network fails.
    pub fn extract_samples(&self, samples: &[f32], sample_rate: u32) -> Result<Analysis> {
        self.extract_interleaved(samples, 1, sample_rate)
    }

    /// Analyses interleaved samples of `channels` channels. The channels are averaged.
    ///
    /// # Errors
    /// As [`Extractor::extract_samples`], and `InvalidArgument` for 0 channels or a partial sample frame at the end.
    pub fn extract_interleaved(&self, samples: &[f32], channels: u16, sample_rate: u32) -> Result<Analysis> {
        let mut analysis = Analysis::collect(self);
        let summary = self.run_interleaved(samples, channels, sample_rate, &mut analysis)?;
        Ok(analysis.finish(summary.level, summary.warnings))
    }

    /// Runs the model on patches of its front end's frames, `[patches, frames, bands]`; they are normalised here. The
    /// times are those of consecutive patches.
    ///
    /// # Errors
    /// `InvalidArgument` when the shape is not the model's; `Engine` when the network fails.
    pub fn extract_patches(&self, patches: ArrayView3<'_, f32>) -> Result<Analysis> {
        let mut analysis = Analysis::collect(self);
        run::patches(self, patches, &mut analysis)?;
        Ok(analysis.finish(None, Vec::new()))
    }

    /// Gives the rows of one audio file to `sink` as they are computed, in bounded memory.
    ///
    /// # Errors
    /// As [`Extractor::extract_file`], and whatever the sink returns, which ends the run.
    pub fn run_file(&self, path: impl AsRef<Path>, sink: &mut dyn Sink) -> Result<Summary> {
        run_file_together(&mut [(self, sink)], path)
    }

    /// [`run_file`](Self::run_file) for the bytes of a file in memory. Error messages contain `name` in angle brackets.
    ///
    /// # Errors
    /// As [`Extractor::run_file`].
    pub fn run_bytes(&self, name: &str, bytes: impl Into<Arc<[u8]>>, sink: &mut dyn Sink) -> Result<Summary> {
        run::bytes(self, name, bytes.into(), sink)
    }

    /// Gives the rows of interleaved samples in memory to `sink` as they are computed.
    ///
    /// # Errors
    /// As [`Extractor::extract_interleaved`], and whatever the sink returns, which ends the run.
    pub fn run_interleaved(
        &self,
        samples: &[f32],
        channels: u16,
        sample_rate: u32,
        sink: &mut dyn Sink,
    ) -> Result<Summary> {
        run::samples(self, samples, channels, sample_rate, sink)
    }

    /// The same extractor for callers with threads of their own, on [`Engine::concurrent`]: it gives the same bits.
    /// Also whether the engine has a concurrent form; if not, batches are serialized.
    pub(crate) fn concurrent(&self) -> (Self, bool) {
        // Heads use one thread anyway.
        let mut sibling = self.clone();
        let Some(engine) = self.engine.concurrent() else { return (sibling, false) };
        if self.batch_size == self.engine.batch_size() {
            sibling.batch_size = engine.batch_size();
        }
        sibling.engine = engine;
        (sibling, true)
    }

    /// Appends a patch of frames to a batch, as the network takes it.
    pub(crate) fn prepare(&self, patch: &[f32], batch: &mut Vec<f32>) {
        self.preparation.append(patch, self.front_end().bands(), batch);
    }

    /// The same front end with another engine behind it.
    #[cfg(test)]
    pub(crate) fn with_engine(&self, engine: Arc<dyn Engine>) -> Self {
        Extractor { batch_size: engine.batch_size(), engine, ..self.clone() }
    }
}
