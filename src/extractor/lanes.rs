//! Frames into one or more lanes.

use super::frames::Completed;
use super::lane::Lane;
use super::{Extractor, Sink};
use crate::Result;

/// The extractors that share one recording's decoding. Every call takes one sink per lane.
pub(super) struct Lanes {
    lanes: Vec<Lane>,
}

impl Lanes {
    pub(super) fn new<'e>(extractors: impl IntoIterator<Item = &'e Extractor>) -> Self {
        Lanes { lanes: extractors.into_iter().map(Lane::new).collect() }
    }

    /// Takes the frames of every front end and runs every batch that they fill.
    pub(super) fn frames(&mut self, frames: &Completed<'_>, sinks: &mut [&mut dyn Sink]) -> Result<()> {
        let mut lanes = self.lanes.iter_mut().zip(sinks);
        lanes.try_for_each(|(lane, sink)| lane.frames(frames.of(lane.front_end()), *sink))
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
