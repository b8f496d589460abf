//! A whole recording through the front end into one or more lanes.

use std::path::Path;

use super::lane::Lane;
use super::{Extractor, Sink};
use crate::audio::{AudioInfo, MonoReader, MonoStream, Resampler};
use crate::mel::MelStream;
use crate::{Error, Result};

/// What a run was over.
#[derive(Clone, Debug)]
pub struct Summary {
    /// What the file holds.
    pub audio: AudioInfo,
    /// Seconds of audio heard.
    pub seconds: f64,
    /// Patches each extractor gave rows for.
    pub patches: Vec<u64>,
    /// What a user should know about the recording: it was cut short, its header lied.
    pub warnings: Vec<String>,
}

/// The sample rate and the resampler that all of the extractors expect.
///
/// # Errors
/// `InvalidArgument` if there is no extractor, or two differ.
pub(crate) fn shared_front<'e>(
    mut extractors: impl Iterator<Item = &'e Extractor>,
) -> Result<(u32, Resampler)> {
    let Some(first) = extractors.next() else {
        return Err(Error::InvalidArgument("no extractor to run".into()));
    };
    let (rate, resampler) = (first.model.sample_rate(), first.resampler);
    match extractors.find(|other| (other.model.sample_rate(), other.resampler) != (rate, resampler)) {
        None => Ok((rate, resampler)),
        Some(other) => Err(Error::InvalidArgument(format!(
            "{} and {} differ in sample rate or resampler and cannot share one decoding",
            first.model.name(),
            other.model.name()
        ))),
    }
}

/// Decodes one file once and gives each extractor's rows to its sink.
///
/// # Errors
/// As [`Extractor::run_file`]; `InvalidArgument` if the extractors do not share sample rate and resampler.
pub fn run_file_together(
    extractors: &mut [(&Extractor, &mut dyn Sink)],
    path: impl AsRef<Path>,
) -> Result<Summary> {
    let path = path.as_ref();
    let (rate, resampler) = shared_front(extractors.iter().map(|(extractor, _)| *extractor))?;
    let mut reader = MonoReader::open(path, rate, resampler)?;
    let audio = reader.info().clone();
    let total = audio.frames.map(|frames| frames as f64 / f64::from(audio.sample_rate));
    let mut front = FrontEnd::new(extractors);
    let mut samples = Vec::new();
    let mut heard = 0_u64;
    loop {
        samples.clear();
        let count = reader.read(&mut samples)?;
        if count == 0 {
            break;
        }
        heard += count as u64;
        front.push(&samples, extractors)?;
        for (_, sink) in extractors.iter_mut() {
            sink.progress(heard as f64 / f64::from(rate), total);
        }
    }
    let patches = front.finish(extractors)?;
    Ok(Summary {
        audio,
        seconds: heard as f64 / f64::from(rate),
        patches,
        warnings: reader.warnings().to_vec(),
    })
}

/// Mono samples from memory through one extractor.
pub(super) fn samples(
    extractor: &Extractor,
    samples: &[f32],
    sample_rate: u32,
    sink: &mut dyn Sink,
) -> Result<()> {
    let mut converter = MonoStream::new(sample_rate, 1, extractor.model.sample_rate(), extractor.resampler)?;
    let extractors: &mut [(&Extractor, &mut dyn Sink)] = &mut [(extractor, sink)];
    let mut front = FrontEnd::new(extractors);
    let mut converted = Vec::new();
    // A second at a time: the resampled copy of a long recording never exists as a whole.
    for chunk in samples.chunks(sample_rate.max(1) as usize) {
        converted.clear();
        converter.push(chunk, &mut converted)?;
        front.push(&converted, extractors)?;
    }
    converted.clear();
    converter.finish(&mut converted)?;
    front.push(&converted, extractors)?;
    front.finish(extractors).map(|_| ())
}

/// The mel-spectrogram that the lanes share.
struct FrontEnd<'e> {
    mel: MelStream,
    frames: Vec<f32>,
    lanes: Vec<Lane<'e>>,
}

impl<'e> FrontEnd<'e> {
    fn new(extractors: &[(&'e Extractor, &mut dyn Sink)]) -> Self {
        let lanes = extractors.iter().map(|(extractor, _)| Lane::new(extractor)).collect();
        FrontEnd { mel: MelStream::new(), frames: Vec::new(), lanes }
    }

    fn push(&mut self, samples: &[f32], extractors: &mut [(&Extractor, &mut dyn Sink)]) -> Result<()> {
        self.frames.clear();
        self.mel.push(samples, &mut self.frames);
        self.feed(extractors)
    }

    fn finish(mut self, extractors: &mut [(&Extractor, &mut dyn Sink)]) -> Result<Vec<u64>> {
        self.frames.clear();
        self.mel.finish(&mut self.frames);
        self.feed(extractors)?;
        self.lanes.iter_mut().zip(extractors).map(|(lane, (_, sink))| lane.finish(*sink)).collect()
    }

    fn feed(&mut self, extractors: &mut [(&Extractor, &mut dyn Sink)]) -> Result<()> {
        for (lane, (_, sink)) in self.lanes.iter_mut().zip(extractors) {
            lane.frames(&self.frames, *sink)?;
        }
        Ok(())
    }
}
