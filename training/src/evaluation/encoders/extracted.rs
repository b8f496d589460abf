//! Models with a front end of their own, through the library's extractor: audio to rows, as `sleeve extract` gives.

use std::sync::Arc;

use ndarray::{Array2, ArrayView3};
use sleeve::engine::{EngineOptions, Purpose};
use sleeve::extractor::Extractor;
use sleeve::model::Model;

use super::{Encoder, FrontEnd};
use crate::error::{Error, Result};
use crate::evaluation::recordings::Recording;

/// A model that takes something else than MusiCNN's mel frames.
#[derive(Clone)]
pub struct Extracted {
    name: String,
    identity: String,
    extractor: Arc<Extractor>,
    dimensions: usize,
}

impl Extracted {
    /// One output of a model, its embeddings by default, in patches that overlap by half where they have a length in
    /// frames.
    ///
    /// # Errors
    /// If no extractor can be built of it, or it has no such output.
    pub fn of(model: Model, output: Option<&str>, options: &EngineOptions) -> Result<Self> {
        let wrong = |reason: String| Error::InvalidArgument(format!("model {}: {reason}", model.name()));
        let wanted = match (output, model.output(Purpose::Embeddings)) {
            (Some(output), _) => output.to_owned(),
            (None, Some(at)) => model.outputs()[at].name.clone(),
            (None, None) => {
                let known: Vec<&str> = model.outputs().iter().map(|output| output.name.as_str()).collect();
                let known = known.join(", ");
                return Err(wrong(format!(
                    "it has no embeddings; choose one of its outputs ({known}) with MODEL@OUTPUT"
                )));
            }
        };
        let patching = model.audio_patching()?;
        let suffix = |mark: &str| output.map_or(String::new(), |name| format!("{mark}{name}"));
        let (name, hop) = (format!("{}{}", model.name(), suffix("@")), (patching.frames() / 2).max(1));
        // The patches are a part of what the embeddings are.
        let identity = format!("{}{}-hop-{hop}", model.sha256(), suffix("-"));
        let builder = Extractor::builder(model).output(&*wanted).patch_hop(hop).threads(1);
        let extractor = builder.engine(options.engine).device(options.device.clone()).build()?;
        let dimensions = extractor.outputs().next().map_or(0, |output| output.dim);
        Ok(Extracted { name, identity, extractor: Arc::new(extractor), dimensions })
    }
}

impl Encoder for Extracted {
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
        0
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn embed(&mut self, _patches: ArrayView3<f32>) -> Result<Array2<f32>> {
        Err(Error::InvalidArgument(format!("{} reads audio, not MusiCNN's frames", self.name)))
    }

    fn sibling(&self) -> Option<Box<dyn Encoder>> {
        Some(Box::new(self.clone()))
    }

    fn gives_rows(&self) -> bool {
        true
    }

    fn rows(&mut self, recording: &Recording) -> Result<Result<Array2<f32>, String>> {
        let Some(audio) = &recording.audio else {
            return Ok(Err("it has features but no audio, which this model's own front end needs".into()));
        };
        let analysis = match self.extractor.extract_file(audio) {
            Ok(analysis) => analysis,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let rows = analysis.outputs().first().map(|output| output.values.clone());
        Ok(match rows {
            Some(rows) if rows.nrows() > 0 => Ok(rows),
            _ => Err("it is shorter than a patch".into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use half::f16;
    use sleeve::internal::onnx::{Attribute, Graph, Node, ValueInfo};

    use super::*;
    use crate::evaluation::encoders::open;
    use crate::export::onnx::{cast, dense, half, written};
    use crate::features::Content;

    /// A linear network on VGGish's patches, 96 frames of 64 bands.
    fn model(folder: &Path) -> String {
        let inputs = 96 * 64;
        let value = |at: usize| f16::from_f64((at as f64 * 0.37).sin() * 0.01);
        let weights: Vec<f16> = (0..3 * inputs).map(value).collect();
        let graph = Graph {
            name: Some("linear".into()),
            node: vec![
                cast("weight", "weight.f32"),
                cast("bias", "bias.f32"),
                Node::new("Flatten", &["melspectrogram"], "flat", vec![Attribute::of_int("axis", 1)]),
                dense(&["flat", "weight.f32", "bias.f32"], "embeddings"),
            ],
            initializer: vec![half("weight", &[3, inputs], &weights), half("bias", &[3], &[f16::ONE; 3])],
            input: vec![ValueInfo::rows("melspectrogram", &[96, 64])],
            output: vec![ValueInfo::rows("embeddings", &[3])],
            ..Graph::default()
        };
        let path = folder.join("linear.onnx");
        std::fs::write(&path, written(graph, &[])).unwrap();
        let json = serde_json::json!({
            "name": "linear", "classes": [],
            "schema": {
                "inputs": [{"name": "melspectrogram", "type": "float", "shape": ["batch", 96, 64]}],
                "outputs": [{"name": "embeddings", "shape": ["batch", 3], "output_purpose": "embeddings"}],
            },
            "inference": {"sample_rate": 16000, "algorithm": "TensorflowPredictVGGish"},
        });
        std::fs::write(folder.join("linear.json"), json.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_model_with_its_own_front_end_gives_the_rows_of_the_library() {
        let folder = tempfile::tempdir().unwrap();
        let place = model(folder.path());
        let options = EngineOptions::default().threads(1);
        let mut encoder = open::open(&place, &options).unwrap();
        assert_eq!((encoder.name(), encoder.dimensions(), encoder.gives_rows()), ("linear", 3, true));
        assert!(!encoder.is_stored() && !open::open("msd-musicnn-1", &options).unwrap().gives_rows());
        let audio = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/audio/ground.ogg");
        let content = Content::from_hex(&"0".repeat(64)).unwrap();
        let mut recording = Recording { name: "ground.ogg".into(), content, audio: Some(audio.clone()) };
        let rows = encoder.rows(&recording).unwrap().unwrap();
        let extractor = Extractor::builder(Model::open(&place).unwrap()).patch_hop(48).build().unwrap();
        assert_eq!(rows, extractor.extract_file(&audio).unwrap().embeddings().unwrap());
        assert!(rows.nrows() > 20 && rows.row(0) != rows.row(9));
        recording.audio = None;
        assert!(
            encoder.rows(&recording).unwrap().unwrap_err().contains("own front end"),
            "features do not do"
        );
        assert!(open::open(&format!("{place}@nothing"), &options).is_err());
    }
}
