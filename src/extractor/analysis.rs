//! The result of one recording.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::{Extractor, OutputInfo, Rows, Sink};
use crate::Result;
use crate::audio::Levelled;
use crate::engine::Purpose;

/// The values of one output for every patch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OutputRows {
    /// The output.
    pub info: OutputInfo,
    /// `[patches, dim]`.
    pub values: Array2<f32>,
}

/// The result of an extractor for one recording: embeddings and predictions of every patch.
///
/// [`Extractor`] has an example.
#[derive(Clone, Debug)]
pub struct Analysis {
    rows: usize,
    times: Vec<f64>,
    outputs: Vec<OutputRows>,
    level: Option<Levelled>,
    warnings: Vec<String>,
    /// The rows before `finish`, flat.
    flat: Vec<Vec<f32>>,
}

impl Analysis {
    /// An empty analysis that collects rows as a [`Sink`]; [`finish`](Self::finish) completes it.
    pub fn collect(extractor: &Extractor) -> Self {
        let outputs: Vec<OutputRows> = extractor
            .outputs()
            .map(|info| OutputRows { info: info.clone(), values: Array2::zeros((0, info.dim)) })
            .collect();
        let flat = vec![Vec::new(); outputs.len()];
        Analysis { rows: 0, times: Vec::new(), outputs, level: None, warnings: Vec::new(), flat }
    }

    /// Rows without a recording.
    pub(super) fn of_rows(rows: usize, outputs: Vec<OutputRows>) -> Self {
        Analysis { rows, times: Vec::new(), outputs, level: None, warnings: Vec::new(), flat: Vec::new() }
    }

    /// Completes the analysis, with [`level`](super::Summary::level) and [`warnings`](super::Summary::warnings) of the
    /// run's [`Summary`](super::Summary).
    pub fn finish(mut self, level: Option<Levelled>, warnings: Vec<String>) -> Self {
        self.rows = self.times.len();
        for (output, values) in self.outputs.iter_mut().zip(std::mem::take(&mut self.flat)) {
            output.values = Array2::from_shape_vec((self.rows, output.info.dim), values)
                .expect("every row has the output's dimension");
        }
        self.level = level;
        self.warnings = warnings;
        self
    }

    /// The number of patches, which is the number of rows of each output.
    pub fn patch_count(&self) -> usize {
        self.rows
    }

    /// Whether there are no patches, because the recording is shorter than one.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The model's embeddings, `[patches, dim]`; `None` if the model has none or they were not
    /// selected.
    pub fn embeddings(&self) -> Option<ArrayView2<'_, f32>> {
        self.find(Purpose::Embeddings).map(|output| output.values.view())
    }

    /// The mean of the embeddings over all patches; `None` without embeddings or patches.
    pub fn mean(&self) -> Option<Array1<f32>> {
        self.embeddings()?.mean_axis(Axis(0))
    }

    /// The start of each patch in seconds; empty for the result of a [`Predictor`](super::Predictor).
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// The predictions, `[patches, classes]`: those of the last head, or of the model if there is no head.
    pub fn predictions(&self) -> Option<ArrayView2<'_, f32>> {
        self.find(Purpose::Predictions).map(|output| output.values.view())
    }

    /// The names of the columns of [`Analysis::predictions`]; empty if the metadata has none.
    pub fn classes(&self) -> &[String] {
        self.find(Purpose::Predictions).map_or(&[], |output| &output.info.classes)
    }

    /// All outputs, in the extractor's order.
    pub fn outputs(&self) -> &[OutputRows] {
        &self.outputs
    }

    /// The loudness of the recording and the gain that was applied; `None` if it was not levelled.
    pub fn level(&self) -> Option<Levelled> {
        self.level
    }

    /// Warnings about the recording, such as a truncated file or a wrong header.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The index in [`Analysis::outputs`] of [`Analysis::embeddings`] or [`Analysis::predictions`].
    pub fn index_of(&self, purpose: Purpose) -> Option<usize> {
        let is_it = |output: &OutputRows| output.info.purpose == purpose;
        match purpose {
            // The embeddings are the model's own, never a head's; the predictions are the last head's.
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
