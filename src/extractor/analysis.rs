//! Everything about one recording at once.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::{Extractor, OutputInfo, Rows, Sink};
use crate::Result;
use crate::engine::Purpose;

/// One output for every patch.
#[derive(Clone, Debug)]
pub struct OutputRows {
    /// What it is.
    pub info: OutputInfo,
    /// `[patches, dim]`.
    pub values: Array2<f32>,
}

/// What an extractor says about one recording.
#[derive(Clone, Debug)]
pub struct Analysis {
    rows: usize,
    times: Vec<f64>,
    outputs: Vec<OutputRows>,
    warnings: Vec<String>,
    /// Rows still flat, until `finish`.
    flat: Vec<Vec<f32>>,
}

impl Analysis {
    /// Nothing yet: a [`Sink`] of `extractor`'s rows. [`finish`](Self::finish) makes arrays of them.
    pub fn collect(extractor: &Extractor) -> Self {
        let outputs: Vec<OutputRows> = extractor
            .outputs()
            .map(|info| OutputRows { info: info.clone(), values: Array2::zeros((0, info.dim)) })
            .collect();
        let flat = vec![Vec::new(); outputs.len()];
        Analysis { rows: 0, times: Vec::new(), outputs, warnings: Vec::new(), flat }
    }

    /// Rows that belong to no recording.
    pub(super) fn of_rows(rows: usize, outputs: Vec<OutputRows>) -> Self {
        Analysis { rows, times: Vec::new(), outputs, warnings: Vec::new(), flat: Vec::new() }
    }

    /// The rows that were collected, and what a user should know about the recording.
    pub fn finish(mut self, warnings: Vec<String>) -> Self {
        self.rows = self.times.len();
        for (output, values) in self.outputs.iter_mut().zip(std::mem::take(&mut self.flat)) {
            output.values = Array2::from_shape_vec((self.rows, output.info.dim), values)
                .expect("every row has the output's dimension");
        }
        self.warnings = warnings;
        self
    }

    /// How many patches, and so rows, there are.
    pub fn patch_count(&self) -> usize {
        self.rows
    }

    /// Whether there is no patch: the recording was shorter than one.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The model's embeddings, `[patches, dim]`; `None` if the model has none or they were not asked for.
    pub fn embeddings(&self) -> Option<ArrayView2<'_, f32>> {
        self.find(Purpose::Embeddings).map(|output| output.values.view())
    }

    /// The mean of the embeddings over all patches; `None` without embeddings or without a patch.
    pub fn mean(&self) -> Option<Array1<f32>> {
        self.embeddings()?.mean_axis(Axis(0))
    }

    /// Where each patch starts, in seconds; nothing for rows that a [`Predictor`](super::Predictor) gave.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// The predictions, `[patches, classes]`: of the last head if there is one, else of the model itself.
    pub fn predictions(&self) -> Option<ArrayView2<'_, f32>> {
        self.find(Purpose::Predictions).map(|output| output.values.view())
    }

    /// The names of the columns of [`Analysis::predictions`]; empty where the metadata has none.
    pub fn classes(&self) -> &[String] {
        self.find(Purpose::Predictions).map_or(&[], |output| &output.info.classes)
    }

    /// Every output, in the extractor's order.
    pub fn outputs(&self) -> &[OutputRows] {
        &self.outputs
    }

    /// What a user should know about the recording: it was cut short, its header lied.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The position in [`Analysis::outputs`] of what [`Analysis::embeddings`] or [`Analysis::predictions`] gives.
    pub fn index_of(&self, purpose: Purpose) -> Option<usize> {
        let is_it = |output: &OutputRows| output.info.purpose == purpose;
        match purpose {
            // A head's embeddings are not the recording's; a head's predictions are the ones asked for.
            Purpose::Embeddings => {
                self.outputs.iter().position(|output| !output.info.from_head && is_it(output))
            }
            _ => self.outputs.iter().rposition(is_it),
        }
    }

    fn find(&self, purpose: Purpose) -> Option<&OutputRows> {
        self.index_of(purpose).map(|index| &self.outputs[index])
    }
}

impl Sink for Analysis {
    fn rows(&mut self, rows: &Rows<'_>) -> Result<()> {
        self.times.extend_from_slice(rows.times);
        for (flat, values) in self.flat.iter_mut().zip(rows.outputs) {
            flat.extend(values.iter());
        }
        Ok(())
    }
}
