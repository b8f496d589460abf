//! Interleaved samples to rows: every step of one extractor.

use super::lane::Lane;
use super::{Extractor, Sink};
use crate::audio::{Level, MonoStream};
use crate::mel::MelStream;
use crate::{Error, Result};

/// The steps from samples to rows, for buffers and for streams: downmix, resampler, mel-spectrogram, patches, networks.
/// Rows have the same bits however the samples are cut.
pub(crate) struct Pipeline {
    mono: MonoStream,
    /// Mono samples at the model's rate, between two steps.
    samples: Vec<f32>,
    mel: MelStream,
    frames: Vec<f32>,
    lane: Lane,
}

impl Pipeline {
    /// At the start of a recording of interleaved `channels` at `sample_rate` Hz.
    pub(crate) fn new(extractor: &Extractor, sample_rate: u32, channels: u16) -> Result<Self> {
        if extractor.audio.level == Level::Track {
            return Err(Error::Unavailable("level track: not in this build".to_owned()));
        }
        let mono =
            MonoStream::new(sample_rate, channels, extractor.model.sample_rate(), extractor.audio.resampler)?;
        Ok(Pipeline {
            mono,
            samples: Vec::new(),
            mel: MelStream::new(),
            frames: Vec::new(),
            lane: Lane::new(extractor),
        })
    }

    /// Takes whole sample frames and runs every batch that they fill. If a sample is NaN or infinite, none is taken.
    pub(crate) fn push(&mut self, samples: &[f32], sink: &mut dyn Sink) -> Result<()> {
        self.samples.clear();
        self.mono.push(samples, &mut self.samples)?;
        self.process(sink)
    }

    /// Runs the patches that are complete, even if they do not fill a batch.
    pub(crate) fn flush(&mut self, sink: &mut dyn Sink) -> Result<()> {
        self.lane.run_batch(sink)
    }

    /// Ends the recording: the last samples of the resampler, the last mel frames, the last patch.
    pub(crate) fn finish(&mut self, sink: &mut dyn Sink) -> Result<()> {
        self.samples.clear();
        self.mono.finish(&mut self.samples)?;
        self.process(sink)?;
        self.frames.clear();
        self.mel.finish(&mut self.frames);
        self.lane.frames(&self.frames, sink)?;
        self.lane.finish(sink)
    }

    /// Computes the mel frames of the samples and runs every batch that they fill.
    fn process(&mut self, sink: &mut dyn Sink) -> Result<()> {
        self.frames.clear();
        self.mel.push(&self.samples, &mut self.frames);
        self.lane.frames(&self.frames, sink)
    }

    /// Discards the recording so far. The next one uses the same memory.
    pub(crate) fn reset(&mut self) {
        self.mono.reset();
        self.mel.reset();
        self.lane.reset();
    }
}
