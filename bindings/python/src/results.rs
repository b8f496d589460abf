//! Results as Python objects: arrays that NumPy owns.

use numpy::{PyArray1, PyArray2, ToPyArray};
use pyo3::prelude::*;

use sleeve::extractor::{Analysis, OutputInfo, Summary};

/// The description of an output: model, tensor, purpose, values per row, labels, meaning, whether it is a head's.
pub type Output = (String, String, &'static str, usize, Vec<String>, String, bool);

/// What is known of a recording: seconds, format, sample rate, channels, loudness and gain if levelled, warnings.
type Recording = (f64, String, u32, u16, Option<(f32, f32)>, Vec<String>);

/// Times in seconds, the values of every output `[patches, dim]`, and the recording.
pub type Parts<'py> = (Bound<'py, PyArray1<f64>>, Vec<Bound<'py, PyArray2<f32>>>, Recording);

pub fn describe(info: &OutputInfo) -> Output {
    (
        info.model.clone(),
        info.tensor.clone(),
        match info.purpose {
            sleeve::engine::Purpose::Embeddings => "embeddings",
            sleeve::engine::Purpose::Predictions => "predictions",
            sleeve::engine::Purpose::Other => "other",
        },
        info.dim,
        info.classes.clone(),
        info.meaning.name().to_owned(),
        info.from_head,
    )
}

/// The result of one recording.
pub fn parts<'py>(py: Python<'py>, analysis: &Analysis, summary: Summary) -> Parts<'py> {
    let level = summary.level.map(|level| (level.lufs, level.gain_db));
    let audio = summary.audio;
    (
        analysis.times().to_pyarray(py),
        analysis.outputs().iter().map(|output| output.values.to_pyarray(py)).collect(),
        (summary.seconds, audio.format, audio.sample_rate, audio.channels, level, summary.warnings),
    )
}
