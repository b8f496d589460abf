//! The mean over all patches, as one row to another writer.

use std::path::PathBuf;

use anyhow::Result;
use ndarray::{Array2, ArrayView2};
use sleeve::extractor::{Rows, Sink};

use super::Writer;

pub struct MeanOf {
    inner: Box<dyn Writer>,
    sums: Vec<Vec<f64>>,
    patches: u64,
}

impl MeanOf {
    pub fn new(dims: Vec<usize>, inner: Box<dyn Writer>) -> Self {
        MeanOf { inner, sums: dims.into_iter().map(|dim| vec![0.0; dim]).collect(), patches: 0 }
    }
}

impl Sink for MeanOf {
    fn rows(&mut self, rows: &Rows<'_>) -> sleeve::Result<()> {
        for (sums, values) in self.sums.iter_mut().zip(rows.outputs) {
            for row in values.rows() {
                sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
            }
        }
        self.patches += rows.times.len() as u64;
        Ok(())
    }
}

impl Writer for MeanOf {
    fn finish(mut self: Box<Self>) -> Result<Vec<PathBuf>> {
        // Without patches there is no mean, and the file has no row.
        if self.patches > 0 {
            let means: Vec<Array2<f32>> = self
                .sums
                .iter()
                .map(|sums| {
                    let row = sums.iter().map(|sum| (sum / self.patches as f64) as f32).collect();
                    Array2::from_shape_vec((1, sums.len()), row).expect("one row")
                })
                .collect();
            let views: Vec<ArrayView2<'_, f32>> = means.iter().map(|mean| mean.view()).collect();
            self.inner.rows(&Rows::new(0, &[0.0], &views))?;
        }
        self.inner.finish()
    }
}
