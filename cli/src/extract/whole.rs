//! The rows of one output of a recording, as one.

use ndarray::ArrayView2;
use sleeve::extractor::{OutputInfo, global_tempo, median_pitch};
use sleeve::model::Meaning;

/// Sums up the rows of an output.
pub enum Whole {
    /// Their mean; memory does not grow with the recording.
    Mean { sums: Vec<f64>, patches: u64 },
    /// A mean tempo means nothing: that of most patches, and its mean probability.
    Tempo(Vec<f32>),
    /// The median of the confident frames, and their share.
    Pitch(Vec<f32>),
}

impl Whole {
    pub fn of(info: &OutputInfo) -> Self {
        match info.meaning {
            Meaning::Tempo => Whole::Tempo(Vec::new()),
            Meaning::Pitch => Whole::Pitch(Vec::new()),
            _ => Whole::Mean { sums: vec![0.0; info.dim], patches: 0 },
        }
    }

    pub fn add(&mut self, rows: &ArrayView2<'_, f32>) {
        match self {
            Whole::Mean { sums, patches } => {
                for row in rows.rows() {
                    sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
                }
                *patches += rows.nrows() as u64;
            }
            Whole::Tempo(values) | Whole::Pitch(values) => values.extend(rows.iter()),
        }
    }

    /// The values of the recording: NaN without rows, 0 for a pitch of which no frame is confident.
    pub fn values(&self) -> Vec<f64> {
        let pair = |pair: [f32; 2]| pair.map(f64::from).to_vec();
        match self {
            Whole::Mean { sums, patches } => sums.iter().map(|sum| sum / *patches as f64).collect(),
            Whole::Tempo(values) => pair(global_tempo(values.chunks_exact(2)).unwrap_or([f32::NAN; 2])),
            Whole::Pitch(values) => pair(median_pitch(values.chunks_exact(2)).unwrap_or([0.0; 2])),
        }
    }
}
