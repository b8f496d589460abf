//! Mel frames in, rows out: one extractor's share of a run.

use ndarray::ArrayView2;

use super::{Extractor, Rows, Sink, Source};
use crate::Result;
use crate::patches::Patcher;

/// What one extractor holds while a recording passes through it: at most one batch.
pub(super) struct Lane {
    extractor: Extractor,
    patcher: Patcher,
    /// The patches of the batch so far, flat.
    batch: Vec<f32>,
    rows: usize,
    /// Patches whose rows the sink has had.
    given: u64,
    model_values: Vec<Vec<f32>>,
    head_values: Vec<Vec<Vec<f32>>>,
    times: Vec<f64>,
}

impl Lane {
    pub(super) fn new(extractor: &Extractor) -> Self {
        let room = |engine: &dyn crate::engine::Engine, computed: &[usize]| -> Vec<Vec<f32>> {
            let dims = computed.iter().map(|&index| engine.outputs()[index].dim);
            dims.map(|dim| vec![0.0; dim * extractor.batch_size]).collect()
        };
        Lane {
            extractor: extractor.clone(),
            patcher: Patcher::new(extractor.patching, crate::mel::BANDS),
            batch: Vec::with_capacity(extractor.batch_size * extractor.engine.input().len()),
            rows: 0,
            given: 0,
            model_values: room(&*extractor.engine, &extractor.computed),
            head_values: extractor.heads.iter().map(|head| room(&*head.engine, &head.computed)).collect(),
            times: Vec::new(),
        }
    }

    /// Takes some frames and runs every batch they fill.
    pub(super) fn frames(&mut self, frames: &[f32], sink: &mut dyn Sink) -> Result<()> {
        let mut rest = frames;
        while let Some(patch) = self.patcher.next(&mut rest) {
            self.batch.extend_from_slice(patch);
            self.rows += 1;
            if self.rows == self.extractor.batch_size {
                self.run_batch(sink)?;
            }
        }
        Ok(())
    }

    /// Takes one patch as it is, in place of frames.
    pub(super) fn patch(&mut self, patch: &[f32], sink: &mut dyn Sink) -> Result<()> {
        self.batch.extend_from_slice(patch);
        self.rows += 1;
        if self.rows == self.extractor.batch_size { self.run_batch(sink) } else { Ok(()) }
    }

    /// Ends the recording.
    pub(super) fn finish(&mut self, sink: &mut dyn Sink) -> Result<()> {
        if let Some(patch) = self.patcher.finish(self.extractor.last_patch) {
            self.batch.extend_from_slice(patch);
            self.rows += 1;
        }
        self.run_batch(sink)
    }

    /// Patches whose rows the sink has had.
    pub(super) fn given(&self) -> u64 {
        self.given
    }

    /// Forgets the recording so far.
    pub(super) fn reset(&mut self) {
        self.patcher.reset();
        self.batch.clear();
        self.rows = 0;
        self.given = 0;
    }

    /// Runs the patches gathered so far, whether they fill a batch or not.
    pub(super) fn run_batch(&mut self, sink: &mut dyn Sink) -> Result<()> {
        let (extractor, rows) = (&self.extractor, self.rows);
        if rows == 0 {
            return Ok(());
        }
        run(&*extractor.engine, &self.batch, rows, &extractor.computed, &mut self.model_values)?;
        for (head, values) in extractor.heads.iter().zip(&mut self.head_values) {
            let dim = head.engine.input().len();
            let input = &self.model_values[head.reads][..rows * dim];
            run(&*head.engine, input, rows, &head.computed, values)?;
        }
        self.times.clear();
        self.times.extend((self.given..self.given + rows as u64).map(|patch| extractor.patching.time(patch)));
        let outputs: Vec<ArrayView2<'_, f32>> = extractor
            .outputs
            .iter()
            .map(|(info, source)| {
                let values = match *source {
                    Source::Model(position) => &self.model_values[position],
                    Source::Head(head, position) => &self.head_values[head][position],
                };
                ArrayView2::from_shape((rows, info.dim), &values[..rows * info.dim])
                    .expect("buffers have room for a batch")
            })
            .collect();
        sink.rows(&Rows { first: self.given, times: &self.times, outputs: &outputs })?;
        self.given += rows as u64;
        self.rows = 0;
        self.batch.clear();
        Ok(())
    }
}

/// Runs one engine on `rows` rows into buffers that have room for them.
fn run(
    engine: &dyn crate::engine::Engine,
    input: &[f32],
    rows: usize,
    computed: &[usize],
    values: &mut [Vec<f32>],
) -> Result<()> {
    let mut wanted: Vec<(usize, &mut [f32])> = computed
        .iter()
        .zip(values)
        .map(|(&index, buffer)| (index, &mut buffer[..rows * engine.outputs()[index].dim]))
        .collect();
    engine.run(input, rows, &mut wanted)
}
