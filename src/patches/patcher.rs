//! Cuts frames into patches, however they come.

use super::{LastPatch, Patching};

/// Cuts a stream of frames into patches. It holds no more than one patch.
///
/// ```
/// # use sleeve::patches::{LastPatch, Patcher, Patching};
/// let mut patcher = Patcher::new(Patching::EFFNET, 96);
/// let frames = vec![0.0; 1000 * 96];
/// let mut patches = 0;
/// for chunk in frames.chunks(7 * 96) {
///     let mut rest = chunk;
///     while let Some(patch) = patcher.next(&mut rest) {
///         assert_eq!(patch.len(), 128 * 96);
///         patches += 1;
///     }
/// }
/// assert!(patcher.finish(LastPatch::Repeat).is_some());
/// assert_eq!(patches, Patching::EFFNET.count(1000));
/// ```
#[derive(Clone, Debug)]
pub struct Patcher {
    patching: Patching,
    bands: usize,
    /// The frames of the next patch so far.
    held: Vec<f32>,
    /// Values to skip before the next patch: only if the hop is longer than a patch.
    skip: usize,
    /// What to drop from `held` before more is taken, after a patch was returned.
    spent: Spent,
}

/// How much of the held frames the last returned patch has used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spent {
    Nothing,
    Hop,
    Everything,
}

impl Patcher {
    /// A patcher at the start of a recording, for frames of `bands` values.
    pub fn new(patching: Patching, bands: usize) -> Self {
        Self { patching, bands, held: Vec::new(), skip: 0, spent: Spent::Nothing }
    }

    /// The patch length and hop.
    pub fn patching(&self) -> Patching {
        self.patching
    }

    /// Takes frames from the front of `frames` until a patch is complete, and returns it: `frames x bands` values,
    /// time-major. `None` if all were taken without completing a patch.
    ///
    /// # Panics
    /// If `frames` ends inside a frame.
    pub fn next(&mut self, frames: &mut &[f32]) -> Option<&[f32]> {
        assert!(frames.len().is_multiple_of(self.bands), "frames are {} values each", self.bands);
        self.drop_spent();
        let (_, rest) = frames.split_at(self.skip.min(frames.len()));
        self.skip -= frames.len() - rest.len();
        let size = self.patching.frames * self.bands;
        let (taken, rest) = rest.split_at((size - self.held.len()).min(rest.len()));
        self.held.extend_from_slice(taken);
        *frames = rest;
        if self.held.len() < size {
            return None;
        }
        self.spent = Spent::Hop;
        Some(&self.held)
    }

    /// Ends the recording and returns the patch that `last` makes of the remaining frames, if any. The patcher is
    /// then ready for the next recording.
    pub fn finish(&mut self, last: LastPatch) -> Option<&[f32]> {
        self.drop_spent();
        self.spent = Spent::Everything;
        if last == LastPatch::Discard || self.held.is_empty() {
            return None;
        }
        let size = self.patching.frames * self.bands;
        for index in 0..size - self.held.len() {
            self.held.push(self.held[index]);
        }
        Some(&self.held)
    }

    /// Discards the recording so far.
    pub fn reset(&mut self) {
        self.spent = Spent::Everything;
        self.drop_spent();
    }

    fn drop_spent(&mut self) {
        match std::mem::replace(&mut self.spent, Spent::Nothing) {
            Spent::Nothing => {}
            Spent::Hop => {
                let hop = self.patching.hop * self.bands;
                let dropped = hop.min(self.held.len());
                self.held.drain(..dropped);
                self.skip = hop - dropped;
            }
            Spent::Everything => {
                self.held.clear();
                self.skip = 0;
            }
        }
    }
}
