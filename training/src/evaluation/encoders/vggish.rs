//! VGGish, the paper's baseline for general audio: a VGG network trained for audio classification.
//!
//! Its weights are in no package registry. The authors publish a TensorFlow checkpoint beside their code in
//! TensorFlow's repository of research models; `models/convert_vggish.py` converts it to ONNX.
//!
//! An embedding is the 128 values of the last layer **before** its ReLU, which is the embedding in the authors'
//! definition of the network. Its spectrogram is theirs, too, not Essentia's: the library's `FrontEnd::VggishOriginal`. PCA
//! and quantisation, which were made to shrink a published data set, are left out. The PyTorch port `torchvggish` gives
//! the same values after a ReLU.

use std::sync::Arc;

use ndarray::{Array2, ArrayView3};
use sleeve::engine::{Engine, EngineOptions, InputSpec, Purpose};
use sleeve::model::Model;

use super::{Encoder, FrontEnd, embed_on};
use crate::error::{Error, Result};

/// Frames of an example: 0.96 s.
pub const FRAMES: usize = 96;
/// Mel bands of a frame.
pub const BANDS: usize = sleeve::front_end::FrontEnd::VggishOriginal.bands();

/// The network, on the library's engine.
pub struct VggIsh {
    identity: String,
    engine: Arc<dyn Engine>,
    output: usize,
    dimensions: usize,
}

impl VggIsh {
    /// Its name in tables, and on the command line before the file's: `vggish=FILE.onnx`.
    pub const NAME: &str = "vggish";

    /// Opens a file made by `models/convert_vggish.py`.
    ///
    /// # Errors
    /// If the file is not a model, or its input is not `[n, 96, 64]`, or it has no embeddings.
    pub fn open(place: &str, options: &EngineOptions) -> Result<Self> {
        let model = Model::open(place)?;
        let wrong = |reason: String| Error::InvalidArgument(format!("{place}: not a VGGish: {reason}"));
        match model.input() {
            InputSpec::Patch { frames: FRAMES, bands: BANDS } => {}
            InputSpec::Patch { frames, bands } => {
                return Err(wrong(format!("it takes patches of {frames} x {bands}, not {FRAMES} x {BANDS}")));
            }
            InputSpec::Vector { dim } => return Err(wrong(format!("it takes vectors of {dim}"))),
        }
        let output = model.output(Purpose::Embeddings);
        let output = output.ok_or_else(|| wrong("none of its outputs is called embeddings".into()))?;
        let dimensions = model.outputs()[output].dim;
        Ok(VggIsh { identity: model.sha256().to_owned(), engine: model.engine(options)?, output, dimensions })
    }
}

impl Encoder for VggIsh {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn front_end(&self) -> FrontEnd {
        FrontEnd::VggIsh
    }

    fn frames(&self) -> usize {
        FRAMES
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn embed(&mut self, patches: ArrayView3<f32>) -> Result<Array2<f32>> {
        embed_on(&*self.engine, Self::NAME, self.output, patches, [FRAMES, BANDS, self.dimensions])
    }

    fn sibling(&self) -> Option<Box<dyn Encoder>> {
        let engine = self.engine.concurrent()?;
        let &VggIsh { output, dimensions, .. } = self;
        Some(Box::new(VggIsh { identity: self.identity.clone(), engine, output, dimensions }))
    }
}
