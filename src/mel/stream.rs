//! The mel-spectrogram of a signal that arrives in pieces.

use super::{BANDS, FRAME_SIZE, HOP, MelSpectrogram};

/// Mel frames as soon as their samples are there; the same bits as the whole signal would give.
///
/// Frame `k` needs samples up to `256 k + 256`, so its values come at most 16 ms of audio after
/// the frame's middle. Memory is constant, whatever the signal's length.
pub struct MelStream {
    mel: MelSpectrogram,
    /// The samples that the next frame starts with; never a whole frame between calls.
    pending: Vec<f32>,
    /// Samples pushed since the start.
    samples: u64,
}

impl MelStream {
    /// A stream at the start of a signal.
    pub fn new() -> Self {
        Self { mel: MelSpectrogram::new(), pending: vec![0.0; HOP], samples: 0 }
    }

    /// Takes the next mono samples at 16 kHz, any number of them, and appends every frame that is
    /// complete now to `frames`, 96 values each.
    pub fn push(&mut self, samples: &[f32], frames: &mut Vec<f32>) {
        self.samples += samples.len() as u64;
        for hop in samples.chunks(HOP) {
            self.pending.extend_from_slice(hop);
            if self.pending.len() >= FRAME_SIZE {
                let start = frames.len();
                frames.resize(start + BANDS, 0.0);
                self.mel.frame(&self.pending[..FRAME_SIZE], &mut frames[start..]);
                self.pending.drain(..HOP);
            }
        }
    }

    /// Ends the signal: appends the frames that reach beyond its last sample, where zeros follow,
    /// and is then ready for the next signal. In all, a signal gives
    /// [`frame_count`](super::frame_count) frames.
    pub fn finish(&mut self, frames: &mut Vec<f32>) {
        if self.samples > 0 {
            let missing = (HOP - (self.samples % HOP as u64) as usize) % HOP;
            let zeros = [0.0; 2 * HOP];
            self.push(&zeros[..missing + HOP], frames);
        }
        self.reset();
    }

    /// Forgets the signal so far; the next `push` starts a new one.
    pub fn reset(&mut self) {
        self.pending.clear();
        self.pending.resize(HOP, 0.0);
        self.samples = 0;
    }
}

impl Default for MelStream {
    fn default() -> Self {
        Self::new()
    }
}
