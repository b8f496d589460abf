//! Runs a batch through the model, then through its heads.

use std::ops::Range;

use ndarray::ArrayView2;

use super::{Extractor, Source};
use crate::Result;
use crate::engine::Engine;

/// The outputs of one extractor's networks for a batch.
#[derive(Default)]
pub(crate) struct Values {
    model: Vec<Vec<f32>>,
    heads: Vec<Vec<Vec<f32>>>,
}

impl Values {
    /// Runs `rows` patches, flat. Buffers grow to the largest batch so far and are kept.
    pub(crate) fn compute(&mut self, extractor: &Extractor, patches: &[f32], rows: usize) -> Result<()> {
        run(&*extractor.engine, patches, rows, &extractor.computed, &mut self.model)?;
        self.heads.resize_with(extractor.heads.len(), Vec::new);
        for (head, values) in extractor.heads.iter().zip(&mut self.heads) {
            let dim = head.engine.input().len();
            let input = &self.model[head.reads][..rows * dim];
            run(&*head.engine, input, rows, &head.computed, values)?;
        }
        Ok(())
    }

    /// Some of the rows that [`Values::compute`] computed, of each output in the extractor's order.
    pub(crate) fn views(&self, extractor: &Extractor, rows: Range<usize>) -> Vec<ArrayView2<'_, f32>> {
        let view = |(info, source): &(super::OutputInfo, Source)| {
            let values = match *source {
                Source::Model(position) => &self.model[position],
                Source::Head(head, position) => &self.heads[head][position],
            };
            ArrayView2::from_shape(
                (rows.len(), info.dim),
                &values[rows.start * info.dim..rows.end * info.dim],
            )
            .expect("as many values as the shape says")
        };
        extractor.outputs.iter().map(view).collect()
    }
}

/// Runs one engine on `rows` rows.
fn run(
    engine: &dyn Engine,
    input: &[f32],
    rows: usize,
    computed: &[usize],
    values: &mut Vec<Vec<f32>>,
) -> Result<()> {
    values.resize_with(computed.len(), Vec::new);
    let mut wanted: Vec<(usize, &mut [f32])> = Vec::with_capacity(computed.len());
    for (&index, buffer) in computed.iter().zip(values) {
        let len = rows * engine.outputs()[index].dim;
        if buffer.len() < len {
            buffer.resize(len, 0.0);
        }
        wanted.push((index, &mut buffer[..len]));
    }
    engine.run(input, rows, &mut wanted)
}
