//! The front ends alone.

use std::path::PathBuf;

use ndarray::Array2;
use numpy::{PyArray2, PyReadonlyArray1, ToPyArray};
use pyo3::prelude::*;

use sleeve::audio::{AudioOptions, MonoReader};
use sleeve::extractor::{Summary, each_frame, each_frame_of, each_frame_of_samples};
use sleeve::front_end::FrontEnd;

use crate::errors::detached;
use crate::extractor::ffmpeg;
use crate::scale;

/// How audio is read.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Options {
    front_end: String,
    resampler: String,
    level: String,
    ffmpeg: PathBuf,
}

impl Options {
    fn parse(&self) -> sleeve::Result<(FrontEnd, AudioOptions)> {
        let audio = AudioOptions::new()
            .resampler(self.resampler.parse()?)
            .level(self.level.parse()?)
            .ffmpeg(ffmpeg(&self.ffmpeg)?);
        Ok((self.front_end.parse()?, audio))
    }
}

/// The frames `[frames, bands]`, and the warnings.
type Frames<'py> = (Bound<'py, PyArray2<f32>>, Vec<String>);

/// Takes some frames.
type Take<'t> = &'t mut dyn FnMut(&[f32]) -> sleeve::Result<()>;

fn frames<'py>(
    py: Python<'py>,
    options: &Options,
    work: impl FnOnce(FrontEnd, AudioOptions, Take<'_>) -> sleeve::Result<Summary> + Send,
) -> PyResult<Frames<'py>> {
    let (values, warnings) = detached(py, || {
        let (front_end, audio) = options.parse()?;
        let mut flat = Vec::new();
        let summary = work(front_end, audio, &mut |more| {
            flat.extend_from_slice(more);
            Ok(())
        })?;
        let shape = (flat.len() / front_end.bands(), front_end.bands());
        let values = Array2::from_shape_vec(shape, flat).expect("whole frames");
        Ok((values, summary.warnings))
    })?;
    Ok((values.to_pyarray(py), warnings))
}

/// The frames of an audio file.
#[pyfunction]
pub fn mel_file<'py>(py: Python<'py>, path: PathBuf, options: Options) -> PyResult<Frames<'py>> {
    frames(py, &options, |front_end, audio, take| each_frame(&path, front_end, audio, take))
}

/// The frames of the bytes of an audio file.
#[pyfunction]
pub fn mel_bytes<'py>(py: Python<'py>, name: &str, bytes: &[u8], options: Options) -> PyResult<Frames<'py>> {
    frames(py, &options, |front_end, audio, take| {
        let audio = audio.for_front_end(front_end);
        let reader = MonoReader::from_bytes(name, bytes, front_end.sample_rate(), audio)?;
        each_frame_of(reader, front_end, take)
    })
}

/// The frames of interleaved samples.
#[pyfunction]
pub fn mel_samples<'py>(
    py: Python<'py>,
    samples: PyReadonlyArray1<'py, f32>,
    channels: u16,
    sample_rate: u32,
    options: Options,
) -> PyResult<Frames<'py>> {
    let samples = samples.as_slice()?;
    frames(py, &options, |front_end, audio, take| {
        scale::check(samples)?;
        each_frame_of_samples(samples, channels, sample_rate, front_end, audio, take)
    })
}
