//! Options of a stream.

use crate::{Error, Result};

/// The largest queue in samples, all channels together: 1 GiB.
const MAX_SAMPLES: usize = 1 << 28;

/// Options of a stream: what is written to it, and how much it buffers.
///
/// ```
/// use sleeve::stream::{Capacity, StreamOptions};
///
/// let options = StreamOptions::new(44_100, 2).capacity(Capacity::Seconds(2.0));
/// assert_eq!(options.channels, 2);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StreamOptions {
    /// Sample rate of the input in Hz, 1,000 to 768,000.
    pub sample_rate: u32,
    /// Interleaved channels of the input, at least 1.
    pub channels: u16,
    /// The size of the queue.
    pub capacity: Capacity,
}

/// The size of a stream's queue.
///
/// It should cover the longest time between two reads: a run of the network, and whatever else that thread does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Capacity {
    /// Seconds of audio, rounded up to whole sample frames.
    Seconds(f64),
    /// Sample frames (a frame is one sample of each channel).
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

    /// Sets the size of the queue.
    pub fn capacity(mut self, capacity: Capacity) -> Self {
        self.capacity = capacity;
        self
    }

    /// The queue's size in sample frames.
    pub(super) fn capacity_frames(&self) -> Result<usize> {
        let max = MAX_SAMPLES / usize::from(self.channels).max(1);
        let frames = match self.capacity {
            Capacity::Frames(frames) => frames as f64,
            Capacity::Seconds(seconds) => (seconds * f64::from(self.sample_rate)).ceil(),
        };
        // NaN is in no range.
        if !(1.0..=max as f64).contains(&frames) {
            return Err(Error::InvalidArgument(format!(
                "a queue of {frames} sample frames: with {} channels it must be 1 to {max}",
                self.channels
            )));
        }
        Ok(frames as usize)
    }
}
