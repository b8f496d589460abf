//! Heads by themselves: embeddings in, predictions out.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2};

use super::builder::{describe, wanted_outputs};
use super::{Analysis, OutputInfo, OutputRows};
use crate::engine::{Engine, EngineOptions, InputSpec};
use crate::model::Model;
use crate::{Error, Result};

/// A head ready to run on embeddings that the caller has: stored ones, say. It may be used from several threads
/// at once.
pub struct Predictor {
    model: Model,
    engine: Arc<dyn Engine>,
    computed: Vec<usize>,
    outputs: Vec<OutputInfo>,
}

impl Predictor {
    /// A predictor of `head`; `outputs` are named as for
    /// [`ExtractorBuilder::output`](super::ExtractorBuilder::output), none meaning those with a known purpose.
    ///
    /// # Errors
    /// `Model` when the model takes mel patches, or has no such output; `Unavailable` when the engine, device or
    /// precision is not here.
    pub fn new(head: Model, options: &EngineOptions, outputs: &[String]) -> Result<Self> {
        if !head.is_head() {
            return Err(Error::model(head.name(), "is not a head: it takes mel patches, not embeddings"));
        }
        let computed = wanted_outputs(&head, outputs)?;
        let outputs = computed.iter().map(|&index| describe(&head, index, true)).collect();
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

    /// What it gives, in order.
    pub fn outputs(&self) -> &[OutputInfo] {
        &self.outputs
    }

    /// Runs `[rows, dim]` embeddings. The analysis has no times: rows need not be of one recording.
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
        // A batch at a time: scratch memory does not grow with the rows.
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
