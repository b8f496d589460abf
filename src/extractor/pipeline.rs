//! Interleaved samples to rows, all the way through one extractor.

use super::front_end::FrontEnd;
use super::{Extractor, Sink};
use crate::Result;
use crate::audio::MonoStream;

/// What samples pass through, whether they come from a buffer or from a stream: downmix, resampler, mel, patches,
/// networks. Rows are the same bits however the samples are cut.
pub(crate) struct Pipeline {
    mono: MonoStream,
    /// Mono samples at the model's rate, between two stages.
    samples: Vec<f32>,
    front: FrontEnd,
}

impl Pipeline {
    /// At the start of a recording of interleaved `channels` at `sample_rate` Hz.
    pub(crate) fn new(extractor: &Extractor, sample_rate: u32, channels: u16) -> Result<Self> {
        let mono =
            MonoStream::new(sample_rate, channels, extractor.model.sample_rate(), extractor.resampler)?;
        Ok(Pipeline { mono, samples: Vec::new(), front: FrontEnd::new([extractor]) })
    }

    /// Takes whole frames and runs every batch they fill. If a sample is not finite, none is taken.
    pub(crate) fn push(&mut self, samples: &[f32], sink: &mut dyn Sink) -> Result<()> {
        self.samples.clear();
        self.mono.push(samples, &mut self.samples)?;
        self.front.push(&self.samples, &mut [sink])
    }

    /// Runs the patches that are complete, even if they fill no batch.
    pub(crate) fn flush(&mut self, sink: &mut dyn Sink) -> Result<()> {
        self.front.flush(&mut [sink])
    }

    /// Ends the recording: the resampler's tail, the last frames, the last patch.
    pub(crate) fn finish(&mut self, sink: &mut dyn Sink) -> Result<()> {
        self.samples.clear();
        self.mono.finish(&mut self.samples)?;
        let sinks: &mut [&mut dyn Sink] = &mut [sink];
        self.front.push(&self.samples, sinks)?;
        self.front.finish(sinks)
    }

    /// Forgets the recording so far; the next one passes through the same memory.
    pub(crate) fn reset(&mut self) {
        self.mono.reset();
        self.front.reset();
    }
}
