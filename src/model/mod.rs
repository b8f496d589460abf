//! Models: a graph and its metadata, opened together; from a model, an engine.

mod bundled;
mod load_once;
mod metadata;
mod open;
mod shape;

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use crate::engine::effnet::{self, EffnetEngine};
use crate::engine::onnx::{Graph, MAX_FILE_BYTES, Network, OnnxEngine};
use crate::engine::{Device, Engine, EngineChoice, EngineOptions, InputSpec, OutputSpec, Precision, Purpose};
use crate::{Error, Result};
use load_once::LoadOnce;

/// What `load_once` is built of; a test puts loom's in their place.
mod sync {
    pub(super) use std::sync::{Arc, Mutex, PoisonError};
}

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
/// let engine = model.engine(&EngineOptions { threads: 1, ..Default::default() })?;
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
    onnx: Cow<'static, [u8]>,
    graph: Graph,
    input: InputSpec,
    /// One row of the input, as the graph wants it shaped.
    row_shape: Vec<usize>,
    outputs: Vec<OutputSpec>,
    classes: Vec<String>,
    warnings: Vec<String>,
    /// The weights as the onnx engine holds them, once an engine has been made.
    network: LoadOnce<Network>,
    /// The graph as the effnet engine holds it, or why it is none of its own, once somebody asked.
    fused: OnceLock<std::result::Result<Arc<effnet::Network>, String>>,
}

impl Model {
    /// Opens a model by what names it: an `.onnx` file, the `.json` beside it, their common stem, or the
    /// name of a bundled model (files come first).
    ///
    /// An `.onnx` file without a `.json` works: its classes have no names then, its sample rate is taken to
    /// be 16 kHz, and its outputs' purposes are guessed from their names. Where graph and metadata disagree,
    /// the graph is right, and [`warnings`](Self::warnings) names both.
    ///
    /// # Errors
    /// `Io` and `Model`, with the file and the reason; `Unavailable` for a TorchScript file.
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

    /// A model from memory: the bytes of an `.onnx` file and the text of its `.json`, if there is one.
    ///
    /// # Errors
    /// `Model`, with `name` and the reason.
    pub fn from_bytes(name: &str, onnx: impl Into<Vec<u8>>, json: Option<&str>) -> Result<Self> {
        Self::build(name, onnx.into().into(), json)
    }

    fn build(name: &str, onnx: Cow<'static, [u8]>, json: Option<&str>) -> Result<Self> {
        let metadata = json.map(Metadata::from_json).transpose();
        let metadata = metadata.map_err(|reason| Error::model(name, format!("metadata: {reason}")))?;
        Self::assemble(name, name, onnx, metadata)
    }

    /// Reads the graph and brings it and the metadata together. `subject` is what errors name.
    fn assemble(
        name: &str,
        subject: &str,
        onnx: Cow<'static, [u8]>,
        metadata: Option<Metadata>,
    ) -> Result<Self> {
        let error = |reason: String| Error::model(subject, reason);
        if onnx.len() as u64 > MAX_FILE_BYTES {
            return Err(error(format!("larger than {} MiB", MAX_FILE_BYTES >> 20)));
        }
        let metadata = metadata.unwrap_or_default();
        let mut warnings = Vec::new();
        let graph = Graph::read(&onnx).map_err(error)?;
        let (input, row_shape) = shape::input(&graph, &metadata, &mut warnings).map_err(error)?;
        let is_head = matches!(input, InputSpec::Vector { .. });
        let described = shape::outputs(&graph, &metadata, is_head, &mut warnings);
        let network = LoadOnce::new();
        let mut outputs = Vec::new();
        // Where the graph leaves a width open, only running it tells.
        let measured = if described.iter().all(|(_, _, dim)| dim.is_some()) {
            None
        } else {
            let loaded = network.get(|| Network::load(&onnx, &graph, row_shape.clone()).map_err(error))?;
            Some(loaded.measure().map_err(error)?)
        };
        for (index, (name, purpose, dim)) in described.into_iter().enumerate() {
            let dim = dim.or_else(|| Some(measured.as_ref()?[index])).unwrap_or_default();
            outputs.push(OutputSpec { name, purpose, dim });
        }
        let classes = shape::classes(&metadata, &outputs, &mut warnings);
        let (_, hop) = match input {
            InputSpec::Patch { frames, .. } => shape::patching(frames, &metadata, &mut warnings),
            InputSpec::Vector { .. } => (0, 0),
        };
        for warning in &warnings {
            log::warn!("model {name}: {warning}");
        }
        let sha256 = Sha256::digest(&onnx).iter().map(|byte| format!("{byte:02x}")).collect();
        let name = name.to_owned();
        let inner = Inner {
            name,
            metadata,
            sha256,
            onnx,
            graph,
            input,
            row_shape,
            outputs,
            classes,
            warnings,
            network,
            fused: OnceLock::new(),
        };
        Ok(Self { inner: Arc::new(inner), hop })
    }

    /// The stem of its file, or the name it was opened by.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Its metadata; empty where there was none.
    pub fn metadata(&self) -> &Metadata {
        &self.inner.metadata
    }

    /// The SHA-256 of the graph's bytes, weights included, in hexadecimal: what the model is, whatever its
    /// file is called.
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

    /// An engine that runs this model. Engines of one model share its weights; each has its own threads.
    ///
    /// # Errors
    /// `Unavailable` for an engine, device or precision that is not in this build; `Model` where the network
    /// cannot be loaded; `InvalidArgument` for options out of range.
    pub fn engine(&self, options: &EngineOptions) -> Result<Arc<dyn Engine>> {
        if options.engine == EngineChoice::Torch {
            return Err(Error::Unavailable("the torch engine is not in this build".into()));
        }
        if let Device::Cuda(_) = options.device {
            return Err(Error::Unavailable(format!(
                "device {}: the engine for it (torch) is not in this build",
                options.device
            )));
        }
        if options.engine != EngineChoice::Onnx {
            match self.fused() {
                Ok(network) => {
                    let engine = EffnetEngine::new(network, options)?;
                    return Ok(Arc::new(engine.describe_outputs(self.outputs())?));
                }
                Err(reason) if options.engine == EngineChoice::Effnet => {
                    return Err(Error::model(self.name(), format!("not an EfficientNet-B0: {reason}")));
                }
                Err(reason) => log::debug!("model {}: not on the effnet engine: {reason}", self.name()),
            }
        }
        if !matches!(options.precision, Precision::Auto | Precision::F32) {
            return Err(Error::Unavailable(format!(
                "precision {}: the onnx engine computes in f32 only",
                options.precision
            )));
        }
        let network = self.network()?;
        let Inner { input, outputs, .. } = &*self.inner;
        Ok(Arc::new(OnnxEngine::new(network, *input, outputs.clone(), options)?))
    }

    /// The network as the effnet engine holds it, or why the graph is not one that it knows.
    fn fused(&self) -> std::result::Result<Arc<effnet::Network>, String> {
        let recognised =
            self.inner.fused.get_or_init(|| match effnet::Network::recognise(&self.inner.onnx) {
                Ok(Ok(network)) if network.input() == self.inner.input => Ok(Arc::new(network)),
                Ok(Ok(_)) => Err("its metadata gives its input another shape".into()),
                Ok(Err(reason)) => Err(reason),
                Err(error) => Err(error.to_string()),
            });
        recognised.clone()
    }

    /// The weights as the onnx engine holds them, loaded by whoever asks first.
    fn network(&self) -> Result<Arc<Network>> {
        let Inner { name, onnx, graph, row_shape, network, .. } = &*self.inner;
        network.get(|| {
            Network::load(onnx, graph, row_shape.clone()).map_err(|reason| Error::model(name, reason))
        })
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
