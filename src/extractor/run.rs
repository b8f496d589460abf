//! Runs extractors on a whole recording.

use std::path::Path;

use ndarray::ArrayView3;

use super::frames::Frames;
use super::lane::Lane;
use super::lanes::Lanes;
use super::{Extractor, Pipeline, Sink};
use crate::audio::{AudioInfo, AudioOptions, Gain, Level, Levelled, MonoReader, gain_of_samples};
use crate::front_end::musicnn::BANDS;
use crate::{Error, Result};

/// What was read from a recording, and how many patches it gave.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// The format of the file.
    pub audio: AudioInfo,
    /// The length of the decoded audio in seconds.
    pub seconds: f64,
    /// The number of patches of each extractor.
    pub patches: Vec<u64>,
    /// The loudness of the recording and the gain that was applied; `None` without
    /// [`Level::Track`], and if it has no loudness, which is also a warning.
    pub level: Option<Levelled>,
    /// Warnings about the recording, such as a truncated file or a wrong header.
    pub warnings: Vec<String>,
}

/// The sample rate and the options of decoding that all extractors share.
///
/// # Errors
/// `InvalidArgument` if there is no extractor, or two differ.
pub(crate) fn shared_front<'e>(
    mut extractors: impl Iterator<Item = &'e Extractor>,
) -> Result<(u32, &'e AudioOptions)> {
    let Some(first) = extractors.next() else {
        return Err(Error::InvalidArgument("no extractor to run".into()));
    };
    let (rate, options) = (first.model.sample_rate(), &first.audio);
    match extractors.find(|other| (other.model.sample_rate(), &other.audio) != (rate, options)) {
        None => Ok((rate, options)),
        Some(other) => Err(Error::InvalidArgument(format!(
            "{} and {} have different sample rates or audio options, so they cannot share one decoding",
            first.model.name(),
            other.model.name()
        ))),
    }
}

/// Decodes a file once and gives each extractor's rows to its sink.
///
/// # Errors
/// As [`Extractor::run_file`]; `InvalidArgument` if the list is empty, or sample rates or audio options differ.
pub fn run_file_together(
    extractors: &mut [(&Extractor, &mut dyn Sink)],
    path: impl AsRef<Path>,
) -> Result<Summary> {
    let path = path.as_ref();
    let (rate, options) = shared_front(extractors.iter().map(|(extractor, _)| *extractor))?;
    let mut reader = MonoReader::open(path, rate, options.clone())?;
    let audio = reader.info().clone();
    let total = audio.frames.map(|frames| frames as f64 / f64::from(audio.sample_rate));
    let mut lanes = Lanes::new(extractors.iter().map(|(extractor, _)| *extractor));
    let mut sinks: Vec<&mut dyn Sink> = extractors.iter_mut().map(|(_, sink)| &mut **sink as _).collect();
    let read = |samples: &mut Vec<f32>| Ok(reader.read(samples)? > 0);
    let mut done = 0;
    let samples = Frames::new().run(read, |samples, frames| {
        done += samples.len();
        lanes.frames(frames, &mut sinks)?;
        for sink in &mut sinks {
            sink.progress(done as f64 / f64::from(rate), total);
        }
        Ok::<(), Error>(())
    })?;
    lanes.finish(&mut sinks)?;
    Ok(Summary {
        audio,
        seconds: samples as f64 / f64::from(rate),
        patches: lanes.given(),
        level: reader.levelled(),
        warnings: reader.warnings().to_vec(),
    })
}

/// Runs one extractor on interleaved samples in memory. Returns the level and warnings.
pub(super) fn samples(
    extractor: &Extractor,
    samples: &[f32],
    channels: u16,
    sample_rate: u32,
    sink: &mut dyn Sink,
) -> Result<(Option<Levelled>, Vec<String>)> {
    let pipeline = Pipeline::new(extractor, sample_rate, channels)?;
    let mut gain = match extractor.audio.level {
        Level::None => Gain::default(),
        Level::Track => gain_of_samples(samples, channels, sample_rate, || true)?,
    };
    let outcome = (gain.levelled(), gain.warning.take().into_iter().collect());
    let mut pipeline = pipeline.with_gain(gain);
    // A second at a time: a long recording is never resampled as a whole.
    for chunk in samples.chunks(sample_rate.max(1) as usize * usize::from(channels.max(1))) {
        pipeline.push(chunk, sink)?;
    }
    pipeline.finish(sink)?;
    Ok(outcome)
}

/// Runs one extractor on mel patches in memory.
pub(super) fn patches(
    extractor: &Extractor,
    patches: ArrayView3<'_, f32>,
    sink: &mut dyn Sink,
) -> Result<()> {
    let (_, frames, bands) = patches.dim();
    let expected = (extractor.patching.frames(), BANDS);
    if (frames, bands) != expected {
        let (name, (wanted_frames, wanted_bands)) = (extractor.model.name(), expected);
        return Err(Error::InvalidArgument(format!(
            "{name} takes patches of {wanted_frames} mel frames of {wanted_bands} bands, not {frames} of {bands}"
        )));
    }
    let mut lane = Lane::new(extractor);
    for patch in patches.outer_iter() {
        let contiguous = patch.as_standard_layout();
        lane.patch(contiguous.as_slice().expect("the standard layout is contiguous"), sink)?;
    }
    lane.finish(sink)
}
