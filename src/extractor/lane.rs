//! One extractor in a run: frames in, rows out.

use super::values::Values;
use super::{Extractor, Rows, Sink};
use crate::Result;
use crate::front_end::FrontEnd;
use crate::patches::Patcher;

/// The state of one extractor while it processes a recording: at most one batch of patches.
pub(super) struct Lane {
    extractor: Extractor,
    patcher: Patcher,
    /// The patches of the batch so far, flat.
    batch: Vec<f32>,
    rows: usize,
    /// Patches whose rows were given to the sink.
    given: u64,
    values: Values,
    times: Vec<f64>,
}

impl Lane {
    pub(super) fn new(extractor: &Extractor) -> Self {
        Lane {
            extractor: extractor.clone(),
            patcher: Patcher::new(extractor.patching, extractor.front_end().bands()),
            batch: Vec::with_capacity(extractor.batch_size * extractor.engine.input().len()),
            rows: 0,
            given: 0,
            values: Values::default(),
            times: Vec::new(),
        }
    }

    /// The front end whose frames it takes.
    pub(super) fn front_end(&self) -> FrontEnd {
        self.extractor.front_end()
    }

    /// Takes frames of its front end and runs every batch that they fill.
    pub(super) fn frames(&mut self, frames: &[f32], sink: &mut dyn Sink) -> Result<()> {
        let mut rest = frames;
        while let Some(patch) = self.patcher.next(&mut rest) {
            self.extractor.prepare(patch, &mut self.batch);
            self.rows += 1;
            if self.rows == self.extractor.batch_size {
                self.run_batch(sink)?;
            }
        }
        Ok(())
    }

    /// Takes one patch in place of frames.
    pub(super) fn patch(&mut self, patch: &[f32], sink: &mut dyn Sink) -> Result<()> {
        self.extractor.prepare(patch, &mut self.batch);
        self.rows += 1;
        if self.rows == self.extractor.batch_size { self.run_batch(sink) } else { Ok(()) }
    }

    /// Ends the recording.
    pub(super) fn finish(&mut self, sink: &mut dyn Sink) -> Result<()> {
        if let Some(patch) = self.patcher.finish(self.extractor.last_patch) {
            self.extractor.prepare(patch, &mut self.batch);
            self.rows += 1;
        }
        self.run_batch(sink)
    }

    /// Patches whose rows were given to the sink.
    pub(super) fn given(&self) -> u64 {
        self.given
    }

    /// Discards the recording so far.
    pub(super) fn reset(&mut self) {
        self.patcher.reset();
        self.batch.clear();
        self.rows = 0;
        self.given = 0;
    }

    /// Runs the patches collected so far, even if they do not fill a batch.
    pub(super) fn run_batch(&mut self, sink: &mut dyn Sink) -> Result<()> {
        let (extractor, rows) = (&self.extractor, self.rows);
        if rows == 0 {
            return Ok(());
        }
        self.values.compute(extractor, &self.batch, rows)?;
        self.times.clear();
        self.times.extend((self.given..self.given + rows as u64).map(|patch| extractor.patching.time(patch)));
        let outputs = self.values.views(extractor, 0..rows);
        sink.rows(&Rows { first: self.given, times: &self.times, outputs: &outputs })?;
        self.given += rows as u64;
        self.rows = 0;
        self.batch.clear();
        Ok(())
    }
}
