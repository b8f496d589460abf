//! Runs extractors on a whole recording.

use std::path::Path;
use std::sync::Arc;

use ndarray::ArrayView3;

use super::frames::Frames;
use super::lane::Lane;
use super::lanes::Lanes;
use super::{Extractor, Pipeline, Rows, Sink};
use crate::audio::{AudioInfo, AudioOptions, Levelled, MonoReader, gain_of_samples};
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
    /// [`Level::Track`](crate::audio::Level::Track), and if it has no loudness, which is also a warning.
    pub level: Option<Levelled>,
    /// Warnings about the recording, such as a truncated file or a wrong header.
    pub warnings: Vec<String>,
}

/// Extractors that take the same samples, so that one decoding serves them all.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decoding {
    /// The sample rate in Hz.
    pub rate: u32,
    pub options: AudioOptions,
    /// The positions of its extractors.
    pub members: Vec<usize>,
}

/// The decodings that some extractors need together: one for each sample rate.
///
/// # Errors
/// `InvalidArgument` if there is no extractor, or two read recordings in another way: resampler, level, FFmpeg.
pub(crate) fn decodings<'e>(extractors: impl IntoIterator<Item = &'e Extractor>) -> Result<Vec<Decoding>> {
    let mut decodings: Vec<Decoding> = Vec::new();
    let mut first: Option<&Extractor> = None;
    for (position, extractor) in extractors.into_iter().enumerate() {
        let first = *first.get_or_insert(extractor);
        if !extractor.audio.is_same_reading(&first.audio) {
            return Err(Error::InvalidArgument(format!(
                "{} and {} have different audio options, so they cannot run together",
                first.model.name(),
                extractor.model.name()
            )));
        }
        let (rate, options) = (extractor.front_end().sample_rate(), &extractor.audio);
        match decodings.iter_mut().find(|decoding| decoding.rate == rate && decoding.options == *options) {
            Some(decoding) => decoding.members.push(position),
            None => decodings.push(Decoding { rate, options: options.clone(), members: vec![position] }),
        }
    }
    match decodings.is_empty() {
        true => Err(Error::InvalidArgument("no extractor to run".into())),
        false => Ok(decodings),
    }
}

/// Runs several extractors on one file, and gives each one's rows to its sink. The file is decoded once for all that take
/// the same sample rate.
///
/// # Errors
/// As [`Extractor::run_file`]; `InvalidArgument` if the list is empty, or audio options differ.
pub fn run_file_together(
    extractors: &mut [(&Extractor, &mut dyn Sink)],
    path: impl AsRef<Path>,
) -> Result<Summary> {
    let path = path.as_ref();
    together(extractors, |rate, options| MonoReader::open(path, rate, options))
}

/// Runs one extractor on the bytes of a file.
pub(super) fn bytes(
    extractor: &Extractor,
    name: &str,
    bytes: Arc<[u8]>,
    sink: &mut dyn Sink,
) -> Result<Summary> {
    together(&mut [(extractor, sink)], |rate, options| {
        MonoReader::from_bytes(name, Arc::clone(&bytes), rate, options)
    })
}

/// Runs several extractors on one recording, opened once for each sample rate.
fn together(
    extractors: &mut [(&Extractor, &mut dyn Sink)],
    open: impl Fn(u32, AudioOptions) -> Result<MonoReader>,
) -> Result<Summary> {
    let decodings = decodings(extractors.iter().map(|(extractor, _)| *extractor))?;
    let mut whole: Option<Summary> = None;
    for Decoding { rate, options, members } in decodings {
        let mut reader = open(rate, options)?;
        let audio = reader.info().clone();
        let total = audio.frames.map(|frames| frames as f64 / f64::from(audio.sample_rate));
        let together: Vec<&Extractor> = members.iter().map(|&member| extractors[member].0).collect();
        let mut lanes = Lanes::new(together.iter().copied());
        let mut frames = Frames::new(together.iter().map(|extractor| extractor.front_end()));
        let mut sinks: Vec<&mut dyn Sink> = extractors
            .iter_mut()
            .enumerate()
            .filter(|(position, _)| members.contains(position))
            .map(|(_, (_, sink))| &mut **sink as _)
            .collect();
        let read = |samples: &mut Vec<f32>| Ok(reader.read(samples)? > 0);
        let mut done = 0;
        let samples = frames.run(read, |samples, frames| {
            done += samples.len();
            lanes.frames(frames, &mut sinks)?;
            for sink in &mut sinks {
                sink.progress(done as f64 / f64::from(rate), total);
            }
            Ok::<(), Error>(())
        })?;
        lanes.finish(&mut sinks)?;
        let summary = whole.get_or_insert_with(|| Summary {
            audio,
            seconds: samples as f64 / f64::from(rate),
            patches: vec![0; extractors.len()],
            level: reader.levelled(),
            warnings: reader.warnings().to_vec(),
        });
        for (member, patches) in members.into_iter().zip(lanes.given()) {
            summary.patches[member] = patches;
        }
    }
    Ok(whole.expect("there is a decoding for every extractor"))
}

/// Runs one extractor on interleaved samples in memory.
pub(super) fn samples(
    extractor: &Extractor,
    samples: &[f32],
    channels: u16,
    sample_rate: u32,
    sink: &mut dyn Sink,
) -> Result<Summary> {
    let pipeline = Pipeline::new(extractor, sample_rate, channels)?;
    let rate = extractor.front_end().sample_rate();
    let mut gain = gain_of_samples(samples, channels, sample_rate, rate, &extractor.audio, || true)?;
    let (level, warnings) = (gain.levelled(), gain.warning.take().into_iter().collect());
    let frames = (samples.len() / usize::from(channels)) as u64;
    let total = frames as f64 / f64::from(sample_rate);
    let mut counted = Counted { sink, patches: 0 };
    let mut pipeline = pipeline.with_gain(gain);
    // A second at a time: a long recording is never resampled as a whole.
    for (second, chunk) in samples.chunks(sample_rate as usize * usize::from(channels)).enumerate() {
        pipeline.push(chunk, &mut counted)?;
        counted.sink.progress((second + 1).min(total as usize) as f64, Some(total));
    }
    pipeline.finish(&mut counted)?;
    let patches = vec![counted.patches];
    let format = "samples".to_owned();
    let audio = AudioInfo { format, sample_rate, channels, frames: Some(frames) };
    Ok(Summary { audio, seconds: total, patches, level, warnings })
}

/// Counts the patches on their way to a sink.
struct Counted<'s> {
    sink: &'s mut dyn Sink,
    patches: u64,
}

impl Sink for Counted<'_> {
    fn rows(&mut self, rows: &Rows<'_>) -> Result<()> {
        self.patches += rows.times.len() as u64;
        self.sink.rows(rows)
    }
}

/// Runs one extractor on mel patches in memory.
pub(super) fn patches(
    extractor: &Extractor,
    patches: ArrayView3<'_, f32>,
    sink: &mut dyn Sink,
) -> Result<()> {
    let (_, frames, bands) = patches.dim();
    let expected = (extractor.patching.frames(), extractor.front_end().bands());
    if (frames, bands) != expected {
        let (name, (wanted_frames, wanted_bands)) = (extractor.model.name(), expected);
        return Err(Error::InvalidArgument(format!(
            "{name} takes patches of {wanted_frames} frames of {wanted_bands} values, not {frames} of {bands}"
        )));
    }
    let mut lane = Lane::new(extractor);
    for patch in patches.outer_iter() {
        let contiguous = patch.as_standard_layout();
        lane.patch(contiguous.as_slice().expect("the standard layout is contiguous"), sink)?;
    }
    lane.finish(sink)
}
