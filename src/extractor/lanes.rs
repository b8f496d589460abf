//! Mel frames into one or more lanes.

use super::lane::Lane;
use super::{Extractor, Sink};
use crate::Result;

/// The extractors that share one recording's mel frames. Every call takes one sink per lane.
pub(super) struct Lanes {
    lanes: Vec<Lane>,
}

impl Lanes {
    pub(super) fn new<'e>(extractors: impl IntoIterator<Item = &'e Extractor>) -> Self {
        Lanes { lanes: extractors.into_iter().map(Lane::new).collect() }
    }

    /// Takes mel frames and runs every batch that they fill.
    pub(super) fn frames(&mut self, frames: &[f32], sinks: &mut [&mut dyn Sink]) -> Result<()> {
        self.lanes.iter_mut().zip(sinks).try_for_each(|(lane, sink)| lane.frames(frames, *sink))
    }

    /// Ends the recording.
    pub(super) fn finish(&mut self, sinks: &mut [&mut dyn Sink]) -> Result<()> {
        self.lanes.iter_mut().zip(sinks).try_for_each(|(lane, sink)| lane.finish(*sink))
    }

    /// Patches whose rows each lane has given.
    pub(super) fn given(&self) -> Vec<u64> {
        self.lanes.iter().map(Lane::given).collect()
    }
}
