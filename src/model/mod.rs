//! Models: a graph and its metadata, opened together. A model creates engines.

mod algorithm;
mod bundled;
mod choice;
mod external;
pub(crate) mod file;
mod graph;
#[cfg(feature = "rten")]
mod load_once;
mod meaning;
mod metadata;
mod open;
mod options;
mod parts;
mod shape;
mod torch_file;
pub(crate) mod torchscript;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::engine::{Engine, EngineOptions, InputSpec, OutputSpec, Purpose};
use crate::front_end::FrontEnd;
use crate::patches::{Patching, Preparation};
use crate::{Error, Result};

/// The types that `load_once` uses; a test replaces them with loom's.
#[cfg(feature = "rten")]
mod sync {
    pub(super) use std::sync::{Arc, Mutex, PoisonError};
}

use open::Found;
use parts::{NoAudio, Parts};

pub use algorithm::Algorithm;
pub use meaning::Meaning;
pub use metadata::{EmbeddingModel, Metadata, TensorSchema};
pub use options::ModelOptions;

/// A network with its metadata. Cloning is cheap; clones share the weights.
///
/// ```
/// # #[cfg(feature = "bundled-model")] {
/// use sleeve::engine::{EngineOptions, Purpose};
/// use sleeve::model::Model;
///
/// let model = Model::bundled("msd-musicnn-1")?;
/// let engine = model.engine(&EngineOptions::default().threads(1))?;
/// let predictions = model.output(Purpose::Predictions).unwrap();
/// let mut tags = vec![0.0; model.outputs()[predictions].dim];
/// let silence = vec![0.0; model.input().len()];
/// engine.run(&silence, 1, &mut [(predictions, &mut tags)])?;
/// assert!(tags.iter().all(|tag| (0.0..=1.0).contains(tag)));
/// # }
/// # Ok::<(), sleeve::Error>(())
/// ```
#[derive(Clone)]
pub struct Model {
    parts: Arc<Parts>,
    /// How its audio is cut into patches; the caller may change the hop. `None` for a head.
    patching: Option<Patching>,
}

impl Model {
    /// Opens a model. `path` is an `.onnx` or `.pt` (TorchScript) file, the `.json` beside it, their common stem, or
    /// the name of a bundled model (files have priority).
    ///
    /// `inference.algorithm` of the metadata is binding: it names the front end. A graph that takes other patches than that
    /// gives can be opened, but not be fed [audio](Self::audio_patching). An `.onnx` file without a `.json` takes audio if
    /// the shape of its input leaves no doubt about the front end, which is a warning; its classes have no names, and the
    /// purposes of its outputs are guessed from their names. Where graph and metadata disagree otherwise, the graph is used, and [`warnings`](Self::warnings) reports
    /// both.
    ///
    /// With an `.onnx` and a `.pt` of one stem, the first describes the model and runs on the CPU, the second runs on
    /// CUDA. A `.pt` without an `.onnx` needs the libtorch plugin. Its `forward` takes `[n, frames, bands]` for any
    /// `n`, computes in the type that the module is cast to, and returns the outputs `[n, dim]` as a dictionary by
    /// name, or as a tuple in the order of the metadata (without metadata: predictions, embeddings).
    ///
    /// The weights of an `.onnx` may be in other files (external data), in its own folder or in folders inside it.
    ///
    /// TorchScript can contain code: open a `.pt` only if you trust its author. Nothing is downloaded.
    ///
    /// # Errors
    /// `Io` and `Model`, with the file and the reason; `Unavailable` for a `.pt` without an `.onnx` if there is no
    /// plugin.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, &ModelOptions::default())
    }

    /// [`open`](Self::open) with options, such as a front end in place of that of the metadata.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn open_with(path: impl AsRef<Path>, options: &ModelOptions) -> Result<Self> {
        Self::of(open::find(path.as_ref())?, options)
    }

    /// A model inside the library.
    ///
    /// # Errors
    /// `Model`, with the names of the bundled models.
    pub fn bundled(name: &str) -> Result<Self> {
        Self::of(open::bundled(name)?, &ModelOptions::default())
    }

    /// The names of the models inside the library, the default first; none without the feature
    /// `bundled-model`.
    pub fn bundled_names() -> impl ExactSizeIterator<Item = &'static str> {
        bundled::BUNDLED.iter().map(|model| model.name)
    }

    /// A model from memory: the bytes of an `.onnx` or `.pt` file and the text of its `.json`, if there is one.
    ///
    /// # Errors
    /// `Model`, with `name` and the reason; `Unavailable` for a `.pt` if there is no libtorch plugin.
    pub fn from_bytes(name: &str, file: impl Into<Vec<u8>>, json: Option<&str>) -> Result<Self> {
        Self::from_bytes_with(name, file, json, &ModelOptions::default())
    }

    /// [`from_bytes`](Self::from_bytes) with options.
    ///
    /// # Errors
    /// As [`Model::from_bytes`].
    pub fn from_bytes_with(
        name: &str,
        file: impl Into<Vec<u8>>,
        json: Option<&str>,
        options: &ModelOptions,
    ) -> Result<Self> {
        Self::of(open::in_memory(name, file.into().into(), json)?, options)
    }

    fn of(found: Found, options: &ModelOptions) -> Result<Self> {
        let parts = Parts::of(found, options)?;
        let patching = parts.audio.as_ref().ok().map(|audio| audio.patching);
        Ok(Self { patching, parts: Arc::new(parts) })
    }

    /// The stem of its file, or the name with which it was opened.
    pub fn name(&self) -> &str {
        &self.parts.name
    }

    /// Its metadata; empty if there was none.
    pub fn metadata(&self) -> &Metadata {
        &self.parts.metadata
    }

    /// The SHA-256 of the bytes of the graph (or, without one, of the TorchScript file), weights included, in
    /// hexadecimal. It identifies the model whatever its file name. If weights are in other files, it is that of the
    /// graph's bytes followed by those of each such file, in the order in which the graph names them.
    pub fn sha256(&self) -> &str {
        &self.parts.sha256
    }

    /// The shape of one input row.
    pub fn input(&self) -> InputSpec {
        self.parts.input
    }

    /// Whether it takes another network's embeddings instead of mel patches.
    pub fn is_head(&self) -> bool {
        matches!(self.parts.input, InputSpec::Vector { .. })
    }

    /// Its outputs, in the graph's order.
    pub fn outputs(&self) -> &[OutputSpec] {
        &self.parts.outputs
    }

    /// The index of the first output for a purpose.
    pub fn output(&self, purpose: Purpose) -> Option<usize> {
        self.outputs().iter().position(|output| output.purpose == purpose)
    }

    /// The index of an output by its name in the graph.
    pub fn output_named(&self, name: &str) -> Option<usize> {
        self.outputs().iter().position(|output| output.name == name)
    }

    /// How audio is cut into patches; `None` for a head, and for a network of which nothing says what its patches are.
    pub fn patching(&self) -> Option<Patching> {
        self.patching
    }

    /// The same, or why it cannot be fed audio.
    ///
    /// # Errors
    /// `Model` if it is a head, or its metadata and graph do not say which front end it takes, or contradict each other.
    pub fn audio_patching(&self) -> Result<Patching> {
        let reason = match (self.patching, &self.parts.audio) {
            (Some(patching), _) => return Ok(patching),
            (None, Err(NoAudio::Unknown(reason))) => reason.clone(),
            _ => format!(
                "is a head: it takes vectors of {} values, not audio; use it together with an embedding model",
                self.input().len()
            ),
        };
        Err(Error::model(self.name(), reason))
    }

    /// The front end whose frames it takes, if that is known.
    pub fn front_end(&self) -> Option<FrontEnd> {
        Some(self.patching?.front_end())
    }

    /// Which input it was trained on, by its metadata or by [`ModelOptions`], if that is known.
    pub fn algorithm(&self) -> Option<Algorithm> {
        Some(self.parts.audio.as_ref().ok()?.algorithm)
    }

    /// What is done to a patch before the network takes it.
    pub fn preparation(&self) -> Preparation {
        self.algorithm().map_or_else(Preparation::default, Algorithm::preparation)
    }

    /// What the values of an output mean.
    ///
    /// # Panics
    /// If there is no output with this index.
    pub fn meaning(&self, output: usize) -> Meaning {
        self.parts.meanings[output]
    }

    /// If the rows of an output are tokens of a transformer, as those of the layers of MTG's MAEST models: their number
    /// and the values of each. The first is the class token, the second the distillation token, and one follows for each
    /// piece of the patch.
    pub fn tokens(&self, output: usize) -> Option<(usize, usize)> {
        let (Some(Algorithm::Maest), Some(patching)) = (self.algorithm(), self.patching) else { return None };
        // Pieces of 16 x 16 values, every 10 frames and bands.
        let pieces = |values: usize| (values - 16) / 10 + 1;
        let count = 2 + pieces(patching.front_end().bands()) * pieces(patching.frames());
        let dim = self.outputs().get(output)?.dim;
        (dim % count == 0).then_some((count, dim / count))
    }

    /// Whether [`ModelOptions::front_end`] took the place of what its metadata say.
    pub fn is_overridden(&self) -> bool {
        self.parts.audio.as_ref().is_ok_and(|audio| audio.overridden)
    }

    /// The same model with another hop, in frames.
    ///
    /// # Errors
    /// `InvalidArgument` for a hop of 0 or one that its front end does not allow; as [`Model::audio_patching`].
    pub fn with_hop(mut self, hop: usize) -> Result<Self> {
        let patching = self.audio_patching()?;
        self.patching = Some(Patching::new(patching.front_end(), patching.frames(), hop)?);
        Ok(self)
    }

    /// The sample rate its audio must have, in Hz: that of its front end; 0 if that is not known, and for a head.
    pub fn sample_rate(&self) -> u32 {
        self.front_end().map_or(0, FrontEnd::sample_rate)
    }

    /// The names of the predictions, in their order: as many as there are predictions, or none.
    pub fn classes(&self) -> &[String] {
        &self.parts.classes
    }

    /// The differences between graph and metadata, one sentence each. They are also logged.
    pub fn warnings(&self) -> &[String] {
        &self.parts.warnings
    }

    /// An engine that runs this model. Engines of one model share its weights; each has its own threads. On CUDA, calls
    /// with the same options return the same engine.
    ///
    /// The device `auto` is the first CUDA device if the model has a TorchScript file and CUDA is available, else the
    /// CPU; [`Engine::describe`] reports the choice.
    ///
    /// # Errors
    /// `Unavailable` for an engine, device or precision that is not available; `Model` if the network cannot be loaded;
    /// `InvalidArgument` for options out of range.
    pub fn engine(&self, options: &EngineOptions) -> Result<Arc<dyn Engine>> {
        choice::engine(&self.parts, options)
    }

    /// For the packages of this workspace, and not covered by semantic versioning. The model as a TorchScript file
    /// (`.pt`): libtorch opens it on any device, and it computes in the type that its module is cast to. For an
    /// EfficientNet-B0, and for graphs with only MusiCNN's operators.
    ///
    /// Its `forward` takes patches `[n, frames, bands]`, any `n`, and returns a dictionary of the outputs `[n, dim]` by
    /// their names, in f32. The encoder's parameters have torchvision's names with `_` for every dot, and batch norm is
    /// folded into them. Other networks have the graph's names.
    ///
    /// # Errors
    /// `Model` for other networks, with the operator or attribute that cannot be written.
    #[doc(hidden)]
    pub fn to_torchscript(&self) -> Result<Vec<u8>> {
        self.parts.to_torchscript()
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("name", &self.name())
            .field("input", &self.input())
            .field("outputs", &self.outputs())
            .field("sha256", &self.sha256())
            .finish_non_exhaustive()
    }
}
