//! Engines: a batch of inputs through one network.
//!
//! An engine knows nothing of audio or files. Its input rows are flat: a patch of `frames x bands`
//! mel values (time-major), or one embedding for a head.

mod device;
pub mod effnet;
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
    /// Class activations.
    Predictions,
    /// A vector that describes the sound.
    Embeddings,
    /// Not said.
    Other,
}

/// One output of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputSpec {
    /// The tensor's name in the graph.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Values a row.
    pub dim: usize,
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

    /// Whether a row holds no value at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A network ready to run. Engines are shared between threads; `run` may be called concurrently.
///
/// For a given engine instance a row's outputs are the same bits whatever the batch it came in.
pub trait Engine: Send + Sync {
    /// The engine's short name, as in `--engine`: `effnet`, `onnx`, `torch`.
    fn name(&self) -> &'static str;

    /// Where and how it computes, for people: `cpu, AVX-512, f32, 2 threads`.
    fn describe(&self) -> String;

    /// The shape of one input row.
    fn input(&self) -> InputSpec;

    /// Every output of the network, in the graph's order.
    fn outputs(&self) -> &[OutputSpec];

    /// The number of rows it runs best at.
    fn batch_size(&self) -> usize;

    /// Runs `rows` rows. `input` holds `rows * input().len()` values; for each `(index, buffer)` of
    /// `wanted`, the output `outputs()[index]` is written to `buffer`, `rows * dim` values.
    ///
    /// # Errors
    /// `InvalidArgument` when a length or an index does not fit; `Engine` when the network fails.
    fn run(&self, input: &[f32], rows: usize, wanted: &mut [(usize, &mut [f32])]) -> Result<()>;

    /// The same network for callers with threads of their own: an engine that computes a call on one thread, so that
    /// calls from several threads proceed side by side. It gives the same bits and shares the weights. `None` where
    /// calls take turns whatever one does, as on a GPU.
    fn concurrent(&self) -> Option<Arc<dyn Engine>> {
        None
    }
}
