//! One row for the whole recording, as one row to another writer: the mean over all patches, and of readings what they are
//! for a recording.

use std::path::PathBuf;

use anyhow::Result;
use ndarray::{Array2, ArrayView2};
use sleeve::extractor::{OutputInfo, Rows, Sink};

use super::Writer;
use crate::extract::whole::Whole;

pub struct MeanOf {
    inner: Box<dyn Writer>,
    outputs: Vec<Whole>,
    patches: u64,
}

impl MeanOf {
    pub fn new(outputs: Vec<OutputInfo>, inner: Box<dyn Writer>) -> Self {
        MeanOf { inner, outputs: outputs.iter().map(Whole::of).collect(), patches: 0 }
    }
}

impl Sink for MeanOf {
    fn rows(&mut self, rows: &Rows<'_>) -> sleeve::Result<()> {
        for (whole, values) in self.outputs.iter_mut().zip(rows.outputs) {
            whole.add(values);
        }
        self.patches += rows.times.len() as u64;
        Ok(())
    }
}

impl Writer for MeanOf {
    fn finish(mut self: Box<Self>) -> Result<Vec<PathBuf>> {
        // Without patches there is no mean, and the file has no row.
        if self.patches > 0 {
            let row = |whole: &Whole| {
                let values: Vec<f32> = whole.values().into_iter().map(|value| value as f32).collect();
                Array2::from_shape_vec((1, values.len()), values).expect("one row")
            };
            let means: Vec<Array2<f32>> = self.outputs.iter().map(row).collect();
            let views: Vec<ArrayView2<'_, f32>> = means.iter().map(|mean| mean.view()).collect();
            self.inner.rows(&Rows::new(0, &[0.0], &views))?;
        }
        self.inner.finish()
    }
}
