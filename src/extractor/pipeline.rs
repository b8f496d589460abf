//! Interleaved samples to rows, all the way through one extractor.

use super::lane::Lane;
use super::{Extractor, Sink};
use crate::Result;
use crate::audio::MonoStream;
use crate::mel::MelStream;

/// What samples pass through, whether they come from a buffer or from a stream: downmix, resampler, mel, patches,
/// networks. Rows are the same bits however the samples are cut.
pub(crate) struct Pipeline {
    mono: MonoStream,
    /// Mono samples at the model's rate, between two stages.
    samples: Vec<f32>,
    mel: MelStream,
    frames: Vec<f32>,
    lane: Lane,
}

impl Pipeline {
    /// At the start of a recording of interleaved `channels` at `sample_rate` Hz.
    pub(crate) fn new(extractor: &Extractor, sample_rate: u32, channels: u16) -> Result<Self> {
        let mono =
            MonoStream::new(sample_rate, channels, extractor.model.sample_rate(), extractor.resampler)?;
        Ok(Pipeline {
            mono,
            samples: Vec::new(),
            mel: MelStream::new(),
            frames: Vec::new(),
            lane: Lane::new(extractor),
        })
    }

    /// Takes whole frames and runs every batch they fill. If a sample is not finite, none is taken.
    pub(crate) fn push(&mut self, samples: &[f32], sink: &mut dyn Sink) -> Result<()> {
        self.samples.clear();
        self.mono.push(samples, &mut self.samples)?;
        self.hear(sink)
    }

    /// Runs the patches that are complete, even if they fill no batch.
    pub(crate) fn flush(&mut self, sink: &mut dyn Sink) -> Result<()> {
        self.lane.run_batch(sink)
    }

    /// Ends the recording: the resampler's tail, the last frames, the last patch.
    pub(crate) fn finish(&mut self, sink: &mut dyn Sink) -> Result<()> {
        self.samples.clear();
        self.mono.finish(&mut self.samples)?;
        self.hear(sink)?;
        self.frames.clear();
        self.mel.finish(&mut self.frames);
        self.lane.frames(&self.frames, sink)?;
        self.lane.finish(sink)
    }

    /// Takes the samples through the front end and runs every batch that they fill.
    fn hear(&mut self, sink: &mut dyn Sink) -> Result<()> {
        self.frames.clear();
        self.mel.push(&self.samples, &mut self.frames);
        self.lane.frames(&self.frames, sink)
    }

    /// Forgets the recording so far; the next one passes through the same memory.
    pub(crate) fn reset(&mut self) {
        self.mono.reset();
        self.mel.reset();
        self.lane.reset();
    }
}
