//! Models: a graph and its metadata, opened together; from a model, an engine.

mod bundled;
mod choice;
mod graph;
mod load_once;
mod metadata;
mod open;
mod shape;
mod torch_file;
pub mod torchscript;

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use sha2::{Digest, Sha256};

use crate::engine::onnx::{Graph, MAX_FILE_BYTES};
use crate::engine::{Engine, EngineOptions, InputSpec, OutputSpec, Purpose};
use crate::{Error, Result};

/// What `load_once` is built of; a test puts loom's in their place.
mod sync {
    pub(super) use std::sync::{Arc, Mutex, PoisonError};
}

use graph::OnnxFile;
use torch_file::{Description, TorchFile};

pub use metadata::{EmbeddingModel, Metadata, TensorSchema};

/// The sample rate of a model that does not say, in Hz: that of every model this front end was made for.
const DEFAULT_SAMPLE_RATE: u32 = 16_000;

/// A network with what is known of it. Cloning is cheap; clones share the weights.
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
    inner: Arc<Inner>,
    /// Frames from one patch to the next; the caller may change it.
    hop: usize,
}

struct Inner {
    name: String,
    metadata: Metadata,
    sha256: String,
    /// One of these is there at least.
    onnx: Option<OnnxFile>,
    torch: Option<TorchFile>,
    input: InputSpec,
    outputs: Vec<OutputSpec>,
    classes: Vec<String>,
    warnings: Vec<String>,
    /// Engines on CUDA that are in use: a device has room for a few, and one serves any number of threads.
    on_cuda: Mutex<Vec<(EngineOptions, Weak<dyn Engine>)>>,
}

impl Model {
    /// Opens a model by what names it: an `.onnx` or `.pt` (TorchScript) file, the `.json` beside it, their
    /// common stem, or the name of a bundled model (files come first).
    ///
    /// An `.onnx` file without a `.json` works: its classes have no names then, its sample rate is taken to
    /// be 16 kHz, and its outputs' purposes are guessed from their names. Where graph and metadata disagree,
    /// the graph is right, and [`warnings`](Self::warnings) names both.
    ///
    /// With an `.onnx` and a `.pt` of one stem, the first describes the model and runs on the CPU, the second
    /// runs on CUDA. A `.pt` alone needs the libtorch plugin to be opened. Its `forward` takes `[n, frames,
    /// bands]` for any `n`, computes in the type that the module is cast to, and returns the outputs `[n, dim]`
    /// as a dictionary by name, or as a tuple in the order of the metadata (without metadata: predictions,
    /// embeddings).
    ///
    /// TorchScript can hold code. Open a `.pt` only if you trust whoever made it. Nothing is ever downloaded.
    ///
    /// # Errors
    /// `Io` and `Model`, with the file and the reason; `Unavailable` for a `.pt` alone where there is no plugin.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        open::open(path.as_ref())
    }

    /// A model inside the library.
    ///
    /// # Errors
    /// `Model`, with the names there are.
    pub fn bundled(name: &str) -> Result<Self> {
        open::bundled(name)
    }

    /// The names of the models inside the library, the default first; none without the feature
    /// `bundled-model`.
    pub fn bundled_names() -> impl ExactSizeIterator<Item = &'static str> {
        bundled::BUNDLED.iter().map(|model| model.name)
    }

    /// A model from memory: the bytes of an `.onnx` or `.pt` file and the text of its `.json`, if there is one.
    ///
    /// # Errors
    /// `Model`, with `name` and the reason; `Unavailable` for a `.pt` where there is no libtorch plugin.
    pub fn from_bytes(name: &str, file: impl Into<Vec<u8>>, json: Option<&str>) -> Result<Self> {
        Self::build(name, file.into().into(), json)
    }

    fn build(name: &str, file: Cow<'static, [u8]>, json: Option<&str>) -> Result<Self> {
        let metadata = json.map(Metadata::from_json).transpose();
        let metadata = metadata.map_err(|reason| Error::model(name, format!("metadata: {reason}")))?;
        let metadata = metadata.unwrap_or_default();
        // TorchScript is a zip archive, which ONNX never begins like.
        if file.starts_with(b"PK\x03\x04") {
            return Self::assemble_torch(name, TorchFile::of_bytes(name, &file), metadata);
        }
        Self::assemble(name, name, file, None, metadata)
    }

    /// Reads the graph and brings it and the metadata together. `subject` is what errors name, `torch` the
    /// TorchScript file beside the graph.
    fn assemble(
        name: &str,
        subject: &str,
        onnx: Cow<'static, [u8]>,
        torch: Option<PathBuf>,
        metadata: Metadata,
    ) -> Result<Self> {
        let error = |reason: String| Error::model(subject, reason);
        if onnx.len() as u64 > MAX_FILE_BYTES {
            return Err(error(format!("larger than {} MiB", MAX_FILE_BYTES >> 20)));
        }
        let mut warnings = Vec::new();
        let graph = Graph::read(&onnx).map_err(error)?;
        let (input, row_shape) = shape::input(&graph, &metadata, &mut warnings).map_err(error)?;
        let is_head = matches!(input, InputSpec::Vector { .. });
        let described = shape::outputs(&graph, &metadata, is_head, &mut warnings);
        let sha256 = digest(&onnx);
        let onnx = OnnxFile::new(onnx, graph, input, row_shape);
        // Where the graph leaves a width open, only running it tells.
        let measured = if described.iter().all(|(_, _, dim)| dim.is_some()) {
            None
        } else {
            Some(onnx.measure().map_err(error)?)
        };
        let mut outputs = Vec::new();
        for (index, (name, purpose, dim)) in described.into_iter().enumerate() {
            let dim = dim.or_else(|| Some(measured.as_ref()?[index])).unwrap_or_default();
            outputs.push(OutputSpec { name, purpose, dim });
        }
        let description = Description { input, outputs };
        Ok(Self::of(name, sha256, Some(onnx), torch.map(TorchFile::at), description, metadata, warnings))
    }

    /// Asks a TorchScript file what it gives, and brings it and the metadata together.
    fn assemble_torch(name: &str, torch: TorchFile, metadata: Metadata) -> Result<Self> {
        let mut warnings = Vec::new();
        let description = torch.describe(&metadata, &mut warnings)?;
        let sha256 = digest(&torch.bytes()?);
        Ok(Self::of(name, sha256, None, Some(torch), description, metadata, warnings))
    }

    fn of(
        name: &str,
        sha256: String,
        onnx: Option<OnnxFile>,
        torch: Option<TorchFile>,
        Description { input, outputs }: Description,
        metadata: Metadata,
        mut warnings: Vec<String>,
    ) -> Self {
        let classes = shape::classes(&metadata, &outputs, &mut warnings);
        let (_, hop) = match input {
            InputSpec::Patch { frames, .. } => shape::patching(frames, &metadata, &mut warnings),
            InputSpec::Vector { .. } => (0, 0),
        };
        for warning in &warnings {
            log::warn!("model {name}: {warning}");
        }
        let name = name.to_owned();
        let on_cuda = Mutex::default();
        let inner = Inner { name, metadata, sha256, onnx, torch, input, outputs, classes, warnings, on_cuda };
        Self { inner: Arc::new(inner), hop }
    }

    /// The stem of its file, or the name it was opened by.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Its metadata; empty where there was none.
    pub fn metadata(&self) -> &Metadata {
        &self.inner.metadata
    }

    /// The SHA-256 of the bytes of the graph (or, without one, of the TorchScript file), weights included, in
    /// hexadecimal: what the model is, whatever its file is called.
    pub fn sha256(&self) -> &str {
        &self.inner.sha256
    }

    /// The shape of one input row.
    pub fn input(&self) -> InputSpec {
        self.inner.input
    }

    /// Whether it takes another network's embeddings instead of mel patches.
    pub fn is_head(&self) -> bool {
        matches!(self.inner.input, InputSpec::Vector { .. })
    }

    /// Its outputs, in the graph's order.
    pub fn outputs(&self) -> &[OutputSpec] {
        &self.inner.outputs
    }

    /// The index of the first output for a purpose.
    pub fn output(&self, purpose: Purpose) -> Option<usize> {
        self.outputs().iter().position(|output| output.purpose == purpose)
    }

    /// The index of an output by the graph's name for it.
    pub fn output_named(&self, name: &str) -> Option<usize> {
        self.outputs().iter().position(|output| output.name == name)
    }

    /// Frames in a patch, and frames from the start of one patch to the start of the next; `(0, 0)` for a
    /// head.
    pub fn patching(&self) -> (usize, usize) {
        match self.inner.input {
            InputSpec::Patch { frames, .. } => (frames, self.hop),
            InputSpec::Vector { .. } => (0, 0),
        }
    }

    /// The same model with another hop, in frames.
    ///
    /// # Errors
    /// `InvalidArgument` for a hop of 0, or any hop of a head.
    pub fn with_hop(mut self, hop: usize) -> Result<Self> {
        if self.is_head() {
            return Err(Error::InvalidArgument(format!("model {} is a head and has no hop", self.name())));
        }
        if hop == 0 {
            return Err(Error::InvalidArgument("a hop of 0 frames never ends".into()));
        }
        self.hop = hop;
        Ok(self)
    }

    /// The sample rate its audio must have, in Hz.
    pub fn sample_rate(&self) -> u32 {
        self.inner.metadata.sample_rate().unwrap_or(DEFAULT_SAMPLE_RATE)
    }

    /// The names of the predictions, in their order: as many as there are predictions, or none.
    pub fn classes(&self) -> &[String] {
        &self.inner.classes
    }

    /// Where graph and metadata disagree, a sentence each. They have been logged too.
    pub fn warnings(&self) -> &[String] {
        &self.inner.warnings
    }

    /// An engine that runs this model. Engines of one model share its weights; each has its own threads. On CUDA,
    /// whoever asks with the same options gets the same engine.
    ///
    /// The device `auto` is the first CUDA device if the model has a TorchScript file and CUDA answers, else the
    /// CPU; [`Engine::describe`] says which it became.
    ///
    /// # Errors
    /// `Unavailable` for an engine, device or precision that is not here; `Model` where the network cannot be
    /// loaded; `InvalidArgument` for options out of range.
    pub fn engine(&self, options: &EngineOptions) -> Result<Arc<dyn Engine>> {
        choice::engine(self, options)
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

/// The SHA-256 of some bytes in hexadecimal.
fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
