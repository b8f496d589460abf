//! What a stream carries, and how much of it.

use crate::{Error, Result};

/// The most samples a queue holds, all channels together: 1 GiB.
const MOST_SAMPLES: usize = 1 << 28;

/// How a stream is set up.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamOptions {
    /// Sample rate in Hz of what is pushed, 1,000 to 768,000.
    pub sample_rate: u32,
    /// Channels, interleaved, at least 1.
    pub channels: u16,
    /// How much the queue holds.
    pub capacity: Capacity,
}

/// How much a stream's queue holds.
///
/// It should outlast the reader's longest absence: a run of the network, and whatever else the reader's thread does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Capacity {
    /// Seconds of audio, rounded up to whole frames.
    Seconds(f64),
    /// Frames (a sample of each channel).
    Frames(usize),
}

impl Default for Capacity {
    /// Ten seconds.
    fn default() -> Self {
        Capacity::Seconds(10.0)
    }
}

impl StreamOptions {
    /// A stream of `channels` interleaved channels at `sample_rate` Hz, with a queue of ten seconds.
    pub fn new(sample_rate: u32, channels: u16) -> Self {
        StreamOptions { sample_rate, channels, capacity: Capacity::default() }
    }

    /// The same with another capacity.
    pub fn capacity(mut self, capacity: Capacity) -> Self {
        self.capacity = capacity;
        self
    }

    /// The queue's size in frames.
    pub(super) fn capacity_frames(&self) -> Result<usize> {
        let most = MOST_SAMPLES / usize::from(self.channels).max(1);
        let frames = match self.capacity {
            Capacity::Frames(frames) => frames as f64,
            Capacity::Seconds(seconds) => (seconds * f64::from(self.sample_rate)).ceil(),
        };
        // Not a number is in no range.
        if !(1.0..=most as f64).contains(&frames) {
            return Err(Error::InvalidArgument(format!(
                "a queue of {frames} frames: at {} channels it must be 1 to {most}",
                self.channels
            )));
        }
        Ok(frames as usize)
    }
}
