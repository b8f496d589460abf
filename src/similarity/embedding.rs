//! What a library keeps of a recording's patches.

use ndarray::ArrayView2;

use super::origin::is_activations;
use crate::Result;
use crate::engine::Purpose;
use crate::extractor::{Analysis, Extractor, Rows};

/// What a library keeps of one recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embedding {
    /// The mean of the patches' vectors. Its length does not matter, but it must not be zero.
    pub vector: Vec<f32>,
    /// The mean of the patches' activations, one for each class of the library; empty if it has none.
    pub activations: Vec<f32>,
    /// The vectors of the patches, one after the other, if they are to be kept.
    pub patches: Vec<f32>,
}

impl Embedding {
    /// That of a whole analysis; `None` if it has no patches or its extractor computes no embeddings.
    pub fn of(analysis: &Analysis, keep_patches: bool) -> Option<Self> {
        let embeddings =
            analysis.outputs().iter().position(|output| output.info.purpose == Purpose::Embeddings)?;
        let activations = analysis
            .outputs()
            .iter()
            .position(|output| is_activations(output.info.purpose, &output.info.classes));
        let mut builder =
            EmbeddingBuilder { embeddings, activations, ..EmbeddingBuilder::empty(keep_patches) };
        let values: Vec<_> = analysis.outputs().iter().map(|output| output.values.view()).collect();
        builder.add_values(&values);
        builder.finish()
    }
}

/// Makes the [`Embedding`] of a recording from rows as they come, in memory for one row (and the patches, if they are to
/// be kept).
#[derive(Clone, Debug)]
pub struct EmbeddingBuilder {
    /// The outputs of the extractor.
    embeddings: usize,
    activations: Option<usize>,
    keep_patches: bool,
    patches: Vec<f32>,
    vector: Vec<f64>,
    means: Vec<f64>,
    rows: u64,
}

impl EmbeddingBuilder {
    /// For recordings of an extractor.
    ///
    /// # Errors
    /// `InvalidArgument` if the extractor computes no embeddings.
    pub fn new(extractor: &Extractor, keep_patches: bool) -> Result<Self> {
        super::Origin::of(extractor)?;
        let embeddings = extractor.outputs().position(|output| output.purpose == Purpose::Embeddings);
        let activations =
            extractor.outputs().position(|output| is_activations(output.purpose, &output.classes));
        Ok(EmbeddingBuilder {
            embeddings: embeddings.unwrap_or_default(),
            activations,
            ..Self::empty(keep_patches)
        })
    }

    fn empty(keep_patches: bool) -> Self {
        EmbeddingBuilder {
            embeddings: 0,
            activations: None,
            keep_patches,
            patches: Vec::new(),
            vector: Vec::new(),
            means: Vec::new(),
            rows: 0,
        }
    }

    /// Adds the next rows of the recording.
    pub fn add(&mut self, rows: &Rows<'_>) {
        self.add_values(rows.outputs);
    }

    fn add_values(&mut self, outputs: &[ArrayView2<'_, f32>]) {
        let sum = |sums: &mut Vec<f64>, values: &ArrayView2<'_, f32>| {
            sums.resize(values.ncols(), 0.0);
            for row in values.rows() {
                sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
            }
        };
        let embeddings = &outputs[self.embeddings];
        sum(&mut self.vector, embeddings);
        if let Some(output) = self.activations {
            sum(&mut self.means, &outputs[output]);
        }
        if self.keep_patches {
            self.patches.extend(embeddings.iter());
        }
        self.rows += embeddings.nrows() as u64;
    }

    /// The embedding; `None` if there was no row.
    pub fn finish(self) -> Option<Embedding> {
        let count = self.rows as f64;
        let mean = |sums: Vec<f64>| sums.into_iter().map(|sum| (sum / count) as f32).collect();
        (self.rows > 0).then(|| Embedding {
            vector: mean(self.vector),
            activations: mean(self.means),
            patches: self.patches,
        })
    }
}
