//! Interleaved samples to rows: every step of one extractor.

use super::lane::Lane;
use super::{Extractor, Sink};
use crate::Result;
use crate::audio::{Gain, MonoStream};
use crate::front_end::SpectrogramStream;

/// The steps from samples to rows, for buffers and for streams: downmix, resampler, mel-spectrogram, patches, networks.
/// Rows have the same bits however the samples are cut.
pub(crate) struct Pipeline {
    mono: MonoStream,
    /// None in a stream, whose loudness is known only at its end.
    gain: Gain,
    /// Mono samples at the model's rate, between two steps.
    samples: Vec<f32>,
    mel: SpectrogramStream,
    frames: Vec<f32>,
    lane: Lane,
}

impl Pipeline {
    /// At the start of a recording of interleaved `channels` at `sample_rate` Hz, at its own level.
    pub(crate) fn new(extractor: &Extractor, sample_rate: u32, channels: u16) -> Result<Self> {
        let mono = MonoStream::new(
            sample_rate,
            channels,
            extractor.front_end().sample_rate(),
            extractor.audio.resampler,
        )?;
        Ok(Pipeline {
            mono,
            gain: Gain::default(),
            samples: Vec::new(),
            mel: SpectrogramStream::new(extractor.front_end()),
            frames: Vec::new(),
            lane: Lane::new(extractor),
        })
    }

    /// The same with a gain.
    pub(super) fn with_gain(self, gain: Gain) -> Self {
        Pipeline { gain, ..self }
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
        self.gain.apply(&mut self.samples);
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
