//! Engines: they run a batch of inputs through one network.
//!
//! An engine works on numbers alone, without audio or files. Its input rows are flat: a patch of `frames x bands` mel
//! values (time-major), or for a head one embedding. [`Model::engine`](crate::model::Model::engine) makes one;
//! [`devices`] lists where it can run.

pub(crate) mod cpu;
mod device;
pub mod effnet;
pub mod fused;
mod graph;
#[cfg(feature = "rten")]
pub(crate) mod onnx;
mod options;
pub mod plugin;

use std::sync::Arc;

use crate::Result;

pub use device::{DeviceInfo, devices};
pub use options::{Device, EngineChoice, EngineOptions, Precision};

/// What one output tensor is for (`output_purpose` in Essentia's metadata).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Activations of classes, such as tags.
    Predictions,
    /// A vector that describes the sound.
    Embeddings,
    /// The metadata does not say.
    Other,
}

/// One output of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutputSpec {
    /// The tensor's name in the graph.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Values per row.
    pub dim: usize,
}

impl OutputSpec {
    /// An output of `dim` values per row.
    pub fn new(name: impl Into<String>, purpose: Purpose, dim: usize) -> Self {
        OutputSpec { name: name.into(), purpose, dim }
    }
}

/// The shape of one input row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputSpec {
    /// A mel patch, `[frames, bands]`, time-major.
    Patch {
        /// Frames in a patch.
        frames: usize,
        /// Mel bands in a frame.
        bands: usize,
    },
    /// A vector (an embedding, for a head).
    Vector {
        /// Values in the vector.
        dim: usize,
    },
}

impl InputSpec {
    /// Values in one row.
    pub fn len(&self) -> usize {
        match *self {
            InputSpec::Patch { frames, bands } => frames * bands,
            InputSpec::Vector { dim } => dim,
        }
    }

    /// Whether a row has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A network ready to run. Engines are shared between threads; `run` may be called concurrently.
///
/// An engine gives the same bits for a row, whatever the rest of the batch is.
pub trait Engine: Send + Sync {
    /// The engine's short name, as in `--engine`: `effnet`, `fused`, `onnx`, `torch`.
    fn name(&self) -> &'static str;

    /// A description to show to users: `cpu, AVX-512, f32, 2 threads`.
    fn describe(&self) -> String;

    /// The shape of one input row.
    fn input(&self) -> InputSpec;

    /// Every output of the network, in the graph's order.
    fn outputs(&self) -> &[OutputSpec];

    /// The number of rows per batch at which it is fastest.
    fn batch_size(&self) -> usize;

    /// Runs `rows` rows. `input` holds `rows * input().len()` values; for each `(index, buffer)` of
    /// `wanted`, the output `outputs()[index]` is written to `buffer`, `rows * dim` values.
    ///
    /// # Errors
    /// `InvalidArgument` when a length or an index does not fit; `Engine` when the network fails.
    fn run(&self, input: &[f32], rows: usize, wanted: &mut [(usize, &mut [f32])]) -> Result<()>;

    /// The same network for callers with threads of their own: an engine that uses one thread per call, so that calls
    /// from several threads run in parallel. It gives the same bits and shares the weights. `None` if calls are always
    /// serialized, as on a GPU.
    fn concurrent(&self) -> Option<Arc<dyn Engine>> {
        None
    }
}
