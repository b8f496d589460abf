//! Mono samples through one mel-spectrogram into one or more lanes.

use super::lane::Lane;
use super::{Extractor, Sink};
use crate::Result;
use crate::mel::MelStream;

/// The mel-spectrogram that the lanes share. Every call takes one sink a lane.
pub(super) struct FrontEnd {
    mel: MelStream,
    frames: Vec<f32>,
    lanes: Vec<Lane>,
}

impl FrontEnd {
    pub(super) fn new<'e>(extractors: impl IntoIterator<Item = &'e Extractor>) -> Self {
        let lanes = extractors.into_iter().map(Lane::new).collect();
        FrontEnd { mel: MelStream::new(), frames: Vec::new(), lanes }
    }

    /// Takes mono samples at the models' rate and runs every batch they fill.
    pub(super) fn push(&mut self, samples: &[f32], sinks: &mut [&mut dyn Sink]) -> Result<()> {
        self.frames.clear();
        self.mel.push(samples, &mut self.frames);
        self.feed(sinks)
    }

    /// Runs the patches that are complete, even if they fill no batch.
    pub(super) fn flush(&mut self, sinks: &mut [&mut dyn Sink]) -> Result<()> {
        for (lane, sink) in self.lanes.iter_mut().zip(sinks) {
            lane.run_batch(*sink)?;
        }
        Ok(())
    }

    /// Ends the recording.
    pub(super) fn finish(&mut self, sinks: &mut [&mut dyn Sink]) -> Result<()> {
        self.frames.clear();
        self.mel.finish(&mut self.frames);
        self.feed(sinks)?;
        self.lanes.iter_mut().zip(sinks).try_for_each(|(lane, sink)| lane.finish(*sink))
    }

    /// Patches whose rows each lane has given.
    pub(super) fn given(&self) -> Vec<u64> {
        self.lanes.iter().map(Lane::given).collect()
    }

    /// Forgets the recording so far.
    pub(super) fn reset(&mut self) {
        self.mel.reset();
        self.lanes.iter_mut().for_each(Lane::reset);
    }

    fn feed(&mut self, sinks: &mut [&mut dyn Sink]) -> Result<()> {
        for (lane, sink) in self.lanes.iter_mut().zip(sinks) {
            lane.frames(&self.frames, *sink)?;
        }
        Ok(())
    }
}
