//! Heads alone: embeddings in, predictions out.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2};

use super::builder::selected;
use super::{Analysis, OutputInfo, OutputRows};
use crate::engine::{Engine, EngineOptions, InputSpec};
use crate::model::Model;
use crate::{Error, Result};

/// A loaded head that runs on embeddings, for example on stored ones. It may be used from several threads at once.
///
/// ```no_run
/// use ndarray::Array2;
/// use sleeve::engine::EngineOptions;
/// use sleeve::extractor::Predictor;
/// use sleeve::model::Model;
///
/// let head = Model::open("mood_happy-msd-musicnn-1.onnx")?;
/// let predictor = Predictor::new(head, &EngineOptions::new(), &[])?;
/// let embeddings = Array2::<f32>::zeros((10, 200));
/// let analysis = predictor.predict(embeddings.view())?;
/// println!("{:?}: {:?}", analysis.classes(), analysis.predictions());
/// # Ok::<(), sleeve::Error>(())
/// ```
pub struct Predictor {
    model: Model,
    engine: Arc<dyn Engine>,
    computed: Vec<usize>,
    outputs: Vec<OutputInfo>,
}

impl Predictor {
    /// Loads `head`. `outputs` are selected as by [`ExtractorBuilder::output`](super::ExtractorBuilder::output); an
    /// empty list means every output with a known purpose.
    ///
    /// # Errors
    /// `Model` if the model takes mel patches, or has no such output; `Unavailable` if the engine, device or precision
    /// is not available.
    pub fn new(head: Model, options: &EngineOptions, outputs: &[String]) -> Result<Self> {
        if !head.is_head() {
            return Err(Error::model(head.name(), "is not a head: it takes mel patches, not embeddings"));
        }
        let selections = selected(&head, outputs)?;
        let computed = selections.iter().map(|selection| selection.index).collect();
        let outputs = selections.iter().map(|selection| selection.describe(&head)).collect();
        Ok(Self { engine: head.engine(options)?, model: head, computed, outputs })
    }

    /// The head it runs.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The engine it runs on.
    pub fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    /// The outputs, in order.
    pub fn outputs(&self) -> &[OutputInfo] {
        &self.outputs
    }

    /// Runs the head on embeddings, `[rows, dim]`. The analysis has no times, for rows may come from different
    /// recordings.
    ///
    /// # Errors
    /// `InvalidArgument` when `dim` is not the head's; `Engine` when the network fails.
    pub fn predict(&self, embeddings: ArrayView2<'_, f32>) -> Result<Analysis> {
        let InputSpec::Vector { dim } = self.engine.input() else {
            return Err(Error::model(self.model.name(), "is not a head"));
        };
        let (rows, given) = embeddings.dim();
        if given != dim {
            let name = self.model.name();
            return Err(Error::InvalidArgument(format!("{name} takes vectors of {dim} values, not {given}")));
        }
        let contiguous = embeddings.as_standard_layout();
        let input = contiguous.as_slice().expect("the standard layout is contiguous");
        let mut values: Vec<Vec<f32>> =
            self.outputs.iter().map(|output| vec![0.0; rows * output.dim]).collect();
        // A batch at a time: scratch memory does not grow with the number of rows.
        let batch = self.engine.batch_size().max(1);
        for first in (0..rows).step_by(batch) {
            let count = batch.min(rows - first);
            let mut wanted: Vec<(usize, &mut [f32])> = self
                .computed
                .iter()
                .zip(&self.outputs)
                .zip(&mut values)
                .map(|((&index, info), values)| {
                    (index, &mut values[first * info.dim..(first + count) * info.dim])
                })
                .collect();
            self.engine.run(&input[first * dim..(first + count) * dim], count, &mut wanted)?;
        }
        let outputs = self.outputs.iter().zip(values).map(|(info, values)| OutputRows {
            info: info.clone(),
            values: Array2::from_shape_vec((rows, info.dim), values)
                .expect("every row has the output's dimension"),
        });
        Ok(Analysis::of_rows(rows, outputs.collect()))
    }
}
