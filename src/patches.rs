//! Mel frames to overlapping patches, the input of networks.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::front_end::musicnn::{HOP, SAMPLE_RATE};
use crate::{Error, Result};

/// How a mel-spectrogram is cut into patches: patch `p` is the mel frames `hop p .. hop p + frames`.
///
/// ```
/// use sleeve::patches::{LastPatch, Patching};
///
/// let patching = Patching::new(128, 62)?;
/// assert_eq!(patching, Patching::EFFNET);
/// assert_eq!(patching.count(1_000), 15);
/// assert_eq!(patching.count_with(1_000, LastPatch::Repeat), 16);
/// assert_eq!(patching.time(1), 0.992);
/// # Ok::<(), sleeve::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Patching {
    frames: usize,
    hop: usize,
}

/// The policy for the mel frames at the end that do not fill a patch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LastPatch {
    /// They are dropped.
    #[default]
    Discard,
    /// They are repeated cyclically until they fill a patch, so that short recordings have one too.
    ///
    /// As in Essentia, the last patch starts one hop after the last complete one. It exists if there is a mel frame
    /// from there on, even if that frame is in a complete patch too.
    Repeat,
}

impl FromStr for LastPatch {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "discard" => Ok(Self::Discard),
            "repeat" => Ok(Self::Repeat),
            _ => Err(Error::InvalidArgument(format!("unknown last patch `{text}`; known: discard, repeat"))),
        }
    }
}

impl fmt::Display for LastPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discard => "discard",
            Self::Repeat => "repeat",
        })
    }
}

impl Patching {
    /// The patches of MTG's EfficientNet models of Discogs: 2.05 s, every 0.99 s.
    pub const EFFNET: Self = Self { frames: 128, hop: 62 };
    /// The patches of MusiCNN: 2.99 s, every 1.49 s.
    pub const MUSICNN: Self = Self { frames: 187, hop: 93 };

    /// The longest patch and hop, in mel frames: more than 15 minutes.
    pub const MAX: usize = 1 << 16;

    /// Patches of `frames` mel frames, `hop` mel frames apart.
    ///
    /// # Errors
    /// `InvalidArgument` if either is 0 or above [`MAX`](Self::MAX).
    pub fn new(frames: usize, hop: usize) -> Result<Self> {
        for (name, value) in [("patch length", frames), ("patch hop", hop)] {
            if !(1..=Self::MAX).contains(&value) {
                return Err(Error::InvalidArgument(format!(
                    "the {name} must be 1 to {} mel frames, not {value}",
                    Self::MAX
                )));
            }
        }
        Ok(Self { frames, hop })
    }

    /// Mel frames per patch.
    pub const fn frames(&self) -> usize {
        self.frames
    }

    /// Mel frames from one patch to the next.
    pub const fn hop(&self) -> usize {
        self.hop
    }

    /// The number of complete patches in `frames` mel frames.
    pub fn count(&self, frames: u64) -> u64 {
        match frames.checked_sub(self.frames as u64) {
            Some(rest) => 1 + rest / self.hop as u64,
            None => 0,
        }
    }

    /// The number of patches in `frames` mel frames under the policy `last`.
    pub fn count_with(&self, frames: u64, last: LastPatch) -> u64 {
        let complete = self.count(frames);
        match last {
            LastPatch::Discard => complete,
            LastPatch::Repeat => complete + u64::from(frames > self.start(complete)),
        }
    }

    /// The first mel frame of patch `patch`.
    pub const fn start(&self, patch: u64) -> u64 {
        patch * self.hop as u64
    }

    /// The mel frames of complete patch `patch`, to slice a spectrogram in memory.
    pub const fn range(&self, patch: usize) -> Range<usize> {
        patch * self.hop..patch * self.hop + self.frames
    }

    /// The start of patch `patch` in seconds: the middle of its first mel frame.
    pub fn time(&self, patch: u64) -> f64 {
        (self.start(patch) * HOP as u64) as f64 / f64::from(SAMPLE_RATE)
    }

    /// The length of a patch in seconds.
    pub fn duration(&self) -> f64 {
        (self.frames * HOP) as f64 / f64::from(SAMPLE_RATE)
    }
}

/// Cuts a stream of mel frames into patches. It holds no more than one patch.
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
    /// The mel frames of the next patch so far.
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
    /// A patcher at the start of a recording, for mel frames of `bands` values.
    pub fn new(patching: Patching, bands: usize) -> Self {
        Self { patching, bands, held: Vec::new(), skip: 0, spent: Spent::Nothing }
    }

    /// The patch length and hop.
    pub fn patching(&self) -> Patching {
        self.patching
    }

    /// Takes mel frames from the front of `frames` until a patch is complete, and returns it: `frames x bands` values,
    /// time-major. `None` if all were taken without completing a patch.
    ///
    /// # Panics
    /// If `frames` ends inside a mel frame.
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

    /// Ends the recording and returns the patch that `last` makes of the remaining mel frames, if any. The patcher is
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

#[cfg(test)]
mod tests {
    use super::*;

    fn patches(patching: Patching, frames: usize, last: LastPatch) -> Vec<Vec<f32>> {
        let values: Vec<f32> = (1..=frames).map(|frame| frame as f32).collect();
        let mut patcher = Patcher::new(patching, 1);
        let mut rest = values.as_slice();
        let mut patches = Vec::new();
        while let Some(patch) = patcher.next(&mut rest) {
            patches.push(patch.to_vec());
        }
        patches.extend(patcher.finish(last).map(<[f32]>::to_vec));
        patches
    }

    #[test]
    fn complete_patches_are_counted() {
        // Samples, and the patches that their frames make.
        for (samples, count) in
            [(0, 0), (32256, 0), (32257, 1), (48384, 2), (160_000, 9), (480_000, 29), (2_880_000, 180)]
        {
            let frames = crate::front_end::musicnn::frame_count(samples);
            assert_eq!(Patching::EFFNET.count(frames), count, "{samples} samples");
        }
    }

    #[test]
    fn the_last_patch_repeats_the_frames_it_has() {
        let patching = Patching::new(4, 3).unwrap();
        let expected = [[1., 2., 3., 4.], [4., 5., 6., 7.], [7., 8., 9., 10.], [10., 11., 12., 10.]];
        assert_eq!(patches(patching, 12, LastPatch::Repeat), expected);
        assert_eq!(patches(patching, 12, LastPatch::Discard), expected[..3]);
        // The frames from the next patch's start on make one more even if all are in a patch already.
        assert_eq!(patches(patching, 4, LastPatch::Repeat), [[1., 2., 3., 4.], [4., 4., 4., 4.]]);
        assert_eq!(patches(patching, 1, LastPatch::Repeat), [[1.; 4]]);
        assert!(patches(patching, 0, LastPatch::Repeat).is_empty());
        let adjacent = Patching::new(2, 2).unwrap();
        assert_eq!(patches(adjacent, 4, LastPatch::Repeat), [[1., 2.], [3., 4.]]);
    }

    #[test]
    fn a_hop_may_be_longer_than_a_patch() {
        let patching = Patching::new(2, 5).unwrap();
        assert_eq!(patches(patching, 9, LastPatch::Discard), [[1., 2.], [6., 7.]]);
        assert_eq!(patches(patching, 10, LastPatch::Repeat), [[1., 2.], [6., 7.]]);
        assert_eq!(patches(patching, 11, LastPatch::Repeat), [[1., 2.], [6., 7.], [11., 11.]]);
    }

    #[test]
    fn a_finished_patcher_starts_afresh() {
        let mut patcher = Patcher::new(Patching::new(3, 2).unwrap(), 1);
        for last in [LastPatch::Repeat, LastPatch::Discard] {
            let mut rest = [1., 2., 3., 4.].as_slice();
            assert_eq!(patcher.next(&mut rest), Some([1., 2., 3.].as_slice()), "{last:?}");
            assert_eq!(patcher.next(&mut rest), None);
            let _ = patcher.finish(last);
        }
        assert_eq!(patcher.finish(LastPatch::Repeat), None);
    }

    #[test]
    fn sizes_are_checked() {
        for (frames, hop) in [(0, 1), (1, 0), (Patching::MAX + 1, 1), (1, usize::MAX)] {
            assert!(Patching::new(frames, hop).is_err(), "{frames} {hop}");
        }
    }

    #[test]
    fn times_are_those_of_first_frames() {
        assert_eq!(Patching::EFFNET.time(0), 0.0);
        assert_eq!(Patching::EFFNET.time(10), 9.92);
        assert_eq!(Patching::MUSICNN.duration(), 2.992);
    }
}
