//! Models that the library opens: `.onnx`, `.pt`, and bundled ones.

use std::sync::Arc;

use ndarray::{Array2, ArrayView3};
use sleeve::engine::{Engine, EngineOptions, InputSpec, Purpose};
use sleeve::front_end::musicnn::BANDS;
use sleeve::model::Model;

use super::{Encoder, FrontEnd, embed_on};
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::export::onnx;
use crate::export::weights::Weights;
use crate::network::Description;

/// One output of a model as an encoder: its embeddings by default.
pub struct ModelEncoder {
    name: String,
    identity: String,
    engine: Arc<dyn Engine>,
    output: usize,
    frames: usize,
    dimensions: usize,
}

impl ModelEncoder {
    /// Opens a model by file, stem or bundled name, with the given output or the one whose purpose is embeddings (for
    /// MusiCNN, its penultimate layer).
    ///
    /// # Errors
    /// If it cannot be opened, its input is not mel patches, or it has no such output.
    pub fn open(place: &str, output: Option<&str>, options: &EngineOptions) -> Result<Self> {
        Self::of(&Model::open(place)?, output, options)
    }

    /// As [`ModelEncoder::open`], for an open model.
    ///
    /// # Errors
    /// As [`ModelEncoder::open`].
    pub fn of(model: &Model, output: Option<&str>, options: &EngineOptions) -> Result<Self> {
        let wrong = |reason: String| Error::InvalidArgument(format!("model {}: {reason}", model.name()));
        let frames = musicnn_frames(model).map_err(wrong)?;
        let index = match output {
            Some(name) => model.output_named(name),
            None => model.output(Purpose::Embeddings),
        };
        let index = index.ok_or_else(|| {
            let known: Vec<&str> = model.outputs().iter().map(|output| output.name.as_str()).collect();
            let wanted = output.map_or("embeddings".into(), |name| format!("output `{name}`"));
            wrong(format!(
                "it has no {wanted}; its outputs are {} (choose one with MODEL@OUTPUT)",
                known.join(", ")
            ))
        })?;
        let suffix = |mark: &str| output.map_or(String::new(), |name| format!("{mark}{name}"));
        Ok(ModelEncoder {
            name: format!("{}{}", model.name(), suffix("@")),
            identity: format!("{}{}", model.sha256(), suffix("-")),
            engine: model.engine(options)?,
            output: index,
            frames,
            dimensions: model.outputs()[index].dim,
        })
    }

    /// An untrained EfficientNet-B0 with random weights: the paper's baseline.
    ///
    /// # Errors
    /// Those of the library.
    pub fn random(seed: u64, options: &EngineOptions) -> Result<Self> {
        let name = format!("random-{seed}");
        let checkpoint = Checkpoint::untrained(Description::new(Vec::new()), seed)?;
        let weights = Weights::of(&checkpoint).map_err(Error::InvalidArgument)?;
        let model = Model::from_bytes(&name, onnx::file(&weights, &name, "{}"), None)?;
        Self::of(&model, None, options)
    }

    /// A description of engine and device for the user.
    pub fn describe(&self) -> String {
        self.engine.describe()
    }
}

/// The frames of a model's patches, if it takes MusiCNN's mel frames as they are; otherwise the reason why it does not.
pub(crate) fn musicnn_frames(model: &Model) -> Result<usize, String> {
    let frames = match model.input() {
        InputSpec::Patch { frames, bands: BANDS } => frames,
        InputSpec::Patch { bands, .. } => {
            return Err(format!("it reads {bands} mel bands, and the front end gives {BANDS}"));
        }
        InputSpec::Vector { .. } => return Err("it is a head, which reads embeddings, not audio".into()),
    };
    // Of which nothing is known, such as an untrained network, the bands must do.
    let other = model.front_end().is_some_and(|front_end| front_end != sleeve::front_end::FrontEnd::MusiCnn);
    if other || !model.preparation().is_nothing() {
        let algorithm = model.algorithm().map_or_else(String::new, |algorithm| algorithm.to_string());
        return Err(format!("its input is that of {algorithm}; stored features are MusiCNN's mel frames"));
    }
    Ok(frames)
}

impl Encoder for ModelEncoder {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn front_end(&self) -> FrontEnd {
        FrontEnd::MusiCnn
    }

    fn frames(&self) -> usize {
        self.frames
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn embed(&mut self, patches: ArrayView3<f32>) -> Result<Array2<f32>> {
        embed_on(&*self.engine, &self.name, self.output, patches, [self.frames, BANDS, self.dimensions])
    }

    fn sibling(&self) -> Option<Box<dyn Encoder>> {
        let engine = self.engine.concurrent()?;
        let (name, identity) = (self.name.clone(), self.identity.clone());
        let &ModelEncoder { output, frames, dimensions, .. } = self;
        Some(Box::new(ModelEncoder { name, identity, engine, output, frames, dimensions }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> EngineOptions {
        EngineOptions::default().threads(1)
    }

    #[test]
    fn a_bundled_model_gives_its_penultimate_layer_or_the_output_named() {
        let mut encoder = ModelEncoder::open("msd-musicnn-1", None, &options()).unwrap();
        let mut dense = ModelEncoder::open("msd-musicnn-1", Some("dense"), &options()).unwrap();
        assert_eq!((encoder.name(), encoder.frames(), encoder.dimensions()), ("msd-musicnn-1", 187, 200));
        assert_eq!(dense.name(), "msd-musicnn-1@dense");
        assert!(dense.identity() != encoder.identity());
        // Each patch has other loud bands.
        let value = |(i, j, k): (usize, usize, usize)| ((j * 5 + k * (i + 1)) % 13) as f32 / 4.0;
        let patches = ndarray::Array3::from_shape_fn((3, 187, 96), value);
        let all = encoder.embed(patches.view()).unwrap();
        assert!(all.row(0) != all.row(1));
        assert!(dense.embed(patches.view()).unwrap() != all);
        // A sibling, and a batch of one, give the same bits.
        let mut sibling = encoder.sibling().unwrap();
        assert_eq!(sibling.identity(), encoder.identity());
        let last = sibling.embed(patches.slice(ndarray::s![2.., .., ..])).unwrap();
        assert_eq!(last.row(0), all.row(2));
        let short = ndarray::Array3::zeros((1, 128, 96));
        assert!(encoder.embed(short.view()).unwrap_err().to_string().contains("187 x 96"));
    }

    #[test]
    fn an_output_that_is_not_there_is_named_with_those_that_are() {
        let error =
            ModelEncoder::open("msd-musicnn-1", Some("nothing"), &options()).err().unwrap().to_string();
        assert!(error.contains("`nothing`") && error.contains("predictions, embeddings, dense"), "{error}");
        let error = ModelEncoder::open("/no/such/model.onnx", None, &options()).err().unwrap().to_string();
        assert!(error.contains("model.onnx"), "{error}");
    }

    #[test]
    fn random_weights_follow_from_the_seed() {
        let [one, same, other] = [1, 1, 2].map(|seed| ModelEncoder::random(seed, &options()).unwrap());
        assert_eq!((one.name(), one.dimensions()), ("random-1", 1280));
        assert_eq!(one.identity(), same.identity());
        assert!(one.identity() != other.identity());
    }
}
