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
