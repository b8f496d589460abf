//! Runs a batch through the model, takes the selected outputs of it, and runs the heads.

use std::ops::Range;

use ndarray::ArrayView2;

use super::selection::{Part, Selection};
use super::{Extractor, OutputInfo, Source};
use crate::Result;
use crate::engine::Engine;

/// What is computed of a batch before the heads.
#[derive(Clone)]
pub(super) struct Computed {
    /// Indices of the engine's outputs.
    indices: Vec<usize>,
    /// Each selection: a position in `indices`, and what is made of that output.
    selections: Vec<(usize, Part)>,
}

impl Computed {
    pub fn of(selections: &[Selection]) -> Self {
        let mut indices = Vec::new();
        let selections = selections.iter().map(|selection| {
            let position = indices.iter().position(|&index| index == selection.index).unwrap_or_else(|| {
                indices.push(selection.index);
                indices.len() - 1
            });
            (position, selection.part)
        });
        let selections = selections.collect();
        Computed { indices, selections }
    }
}

/// The outputs of one extractor's networks for a batch.
#[derive(Default)]
pub(crate) struct Values {
    /// One for each index of [`Computed`].
    model: Vec<Vec<f32>>,
    /// One for each selection; empty where it is a whole output.
    parts: Vec<Vec<f32>>,
    heads: Vec<Vec<Vec<f32>>>,
}

impl Values {
    /// Runs `rows` patches, flat, as the network takes them. Buffers grow to the largest batch so far and are kept.
    pub(crate) fn compute(&mut self, extractor: &Extractor, patches: &[f32], rows: usize) -> Result<()> {
        let Computed { indices, selections } = &extractor.computed;
        run(&*extractor.engine, patches, rows, indices, &mut self.model)?;
        self.parts.resize_with(selections.len(), Vec::new);
        for ((position, part), values) in selections.iter().zip(&mut self.parts) {
            if *part != Part::Whole {
                let dim = extractor.engine.outputs()[indices[*position]].dim;
                values.clear();
                self.model[*position][..rows * dim]
                    .chunks_exact(dim)
                    .for_each(|row| part.append(row, values));
            }
        }
        self.heads.resize_with(extractor.heads.len(), Vec::new);
        let mut heads = std::mem::take(&mut self.heads);
        let outcome = extractor.heads.iter().zip(&mut heads).try_for_each(|(head, values)| {
            let input = &self.selected(extractor, head.reads)[..rows * head.engine.input().len()];
            run(&*head.engine, input, rows, &head.computed, values)
        });
        self.heads = heads;
        outcome
    }

    /// The values of a selection, and perhaps more behind them.
    fn selected(&self, extractor: &Extractor, selection: usize) -> &[f32] {
        match extractor.computed.selections[selection] {
            (position, Part::Whole) => &self.model[position],
            _ => &self.parts[selection],
        }
    }

    /// Some of the rows that [`Values::compute`] computed, of each output in the extractor's order.
    pub(crate) fn views(&self, extractor: &Extractor, rows: Range<usize>) -> Vec<ArrayView2<'_, f32>> {
        let view = |(info, source): &(OutputInfo, Source)| {
            let values = match *source {
                Source::Model(selection) => self.selected(extractor, selection),
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
