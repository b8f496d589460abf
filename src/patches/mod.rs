//! Frames of a front end to overlapping patches, the input of networks.

mod patcher;
mod preparation;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::front_end::{FrontEnd, OPENL3_FRAMES};
use crate::{Error, Result};

pub use patcher::Patcher;
pub use preparation::{Layout, Normalisation, Preparation};

/// How the frames of a front end are cut into patches: patch `p` is the frames `hop p .. hop p + frames`.
///
/// ```
/// use sleeve::front_end::FrontEnd;
/// use sleeve::patches::{LastPatch, Patching};
///
/// let patching = Patching::new(FrontEnd::MusiCnn, 128, 62)?;
/// assert_eq!(patching, Patching::EFFNET);
/// assert_eq!(patching.count(1_000), 15);
/// assert_eq!(patching.count_with(1_000, LastPatch::Repeat), 16);
/// assert_eq!(patching.time(1), 0.992);
/// # Ok::<(), sleeve::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Patching {
    front_end: FrontEnd,
    frames: usize,
    hop: usize,
}

/// The policy for the frames at the end that do not fill a patch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LastPatch {
    /// They are dropped.
    #[default]
    Discard,
    /// They are repeated cyclically until they fill a patch, so that short recordings have one too.
    ///
    /// As in Essentia, the last patch starts one hop after the last complete one. It exists if there is a frame
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
    pub const EFFNET: Self = Self { front_end: FrontEnd::MusiCnn, frames: 128, hop: 62 };
    /// The patches of MusiCNN: 2.99 s, every 1.49 s.
    pub const MUSICNN: Self = Self { front_end: FrontEnd::MusiCnn, frames: 187, hop: 93 };

    /// The longest patch and hop, in frames: more than 15 minutes of frames.
    pub const MAX: usize = 1 << 16;

    /// Patches of `frames` frames of `front_end`, `hop` frames apart.
    ///
    /// # Errors
    /// `InvalidArgument` if either is 0 or above [`MAX`](Self::MAX), or is not a whole number of OpenL3's seconds, each
    /// of [`OPENL3_FRAMES`].
    pub fn new(front_end: FrontEnd, frames: usize, hop: usize) -> Result<Self> {
        for (name, value) in [("patch length", frames), ("patch hop", hop)] {
            if !(1..=Self::MAX).contains(&value) {
                return Err(Error::InvalidArgument(format!(
                    "the {name} must be 1 to {} frames, not {value}",
                    Self::MAX
                )));
            }
        }
        let unit = match front_end {
            FrontEnd::OpenL3Mel128 | FrontEnd::OpenL3Mel256 => OPENL3_FRAMES,
            _ => 1,
        };
        if !frames.is_multiple_of(unit) || !hop.is_multiple_of(unit) {
            return Err(Error::InvalidArgument(format!(
                "patches of {front_end} and their hop must be multiples of {unit} frames, a second; not {frames} and {hop}"
            )));
        }
        Ok(Self { front_end, frames, hop })
    }

    /// The front end that the frames are of.
    pub const fn front_end(&self) -> FrontEnd {
        self.front_end
    }

    /// Frames per patch.
    pub const fn frames(&self) -> usize {
        self.frames
    }

    /// Mel frames from one patch to the next.
    pub const fn hop(&self) -> usize {
        self.hop
    }

    /// The number of complete patches in `frames` frames.
    pub fn count(&self, frames: u64) -> u64 {
        match frames.checked_sub(self.frames as u64) {
            Some(rest) => 1 + rest / self.hop as u64,
            None => 0,
        }
    }

    /// The number of patches in `frames` frames under the policy `last`.
    pub fn count_with(&self, frames: u64, last: LastPatch) -> u64 {
        let complete = self.count(frames);
        match last {
            LastPatch::Discard => complete,
            LastPatch::Repeat => complete + u64::from(frames > self.start(complete)),
        }
    }

    /// The first frame of patch `patch`.
    pub const fn start(&self, patch: u64) -> u64 {
        patch * self.hop as u64
    }

    /// The frames of complete patch `patch`, to slice a spectrogram in memory.
    pub const fn range(&self, patch: usize) -> Range<usize> {
        patch * self.hop..patch * self.hop + self.frames
    }

    /// The start of patch `patch` in seconds: the middle of its first frame.
    pub fn time(&self, patch: u64) -> f64 {
        self.front_end.seconds(self.start(patch))
    }

    /// The length of a patch in seconds.
    pub fn duration(&self) -> f64 {
        self.front_end.seconds(self.frames as u64) - self.front_end.seconds(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(frames: usize, hop: usize) -> Result<Patching> {
        Patching::new(FrontEnd::MusiCnn, frames, hop)
    }

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
        let patching = new(4, 3).unwrap();
        let expected = [[1., 2., 3., 4.], [4., 5., 6., 7.], [7., 8., 9., 10.], [10., 11., 12., 10.]];
        assert_eq!(patches(patching, 12, LastPatch::Repeat), expected);
        assert_eq!(patches(patching, 12, LastPatch::Discard), expected[..3]);
        // The frames from the next patch's start on make one more even if all are in a patch already.
        assert_eq!(patches(patching, 4, LastPatch::Repeat), [[1., 2., 3., 4.], [4., 4., 4., 4.]]);
        assert_eq!(patches(patching, 1, LastPatch::Repeat), [[1.; 4]]);
        assert!(patches(patching, 0, LastPatch::Repeat).is_empty());
        let adjacent = new(2, 2).unwrap();
        assert_eq!(patches(adjacent, 4, LastPatch::Repeat), [[1., 2.], [3., 4.]]);
    }

    #[test]
    fn a_hop_may_be_longer_than_a_patch() {
        let patching = new(2, 5).unwrap();
        assert_eq!(patches(patching, 9, LastPatch::Discard), [[1., 2.], [6., 7.]]);
        assert_eq!(patches(patching, 10, LastPatch::Repeat), [[1., 2.], [6., 7.]]);
        assert_eq!(patches(patching, 11, LastPatch::Repeat), [[1., 2.], [6., 7.], [11., 11.]]);
    }

    #[test]
    fn a_finished_patcher_starts_afresh() {
        let mut patcher = Patcher::new(new(3, 2).unwrap(), 1);
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
            assert!(new(frames, hop).is_err(), "{frames} {hop}");
        }
    }

    #[test]
    fn times_are_those_of_first_frames() {
        assert_eq!(Patching::EFFNET.time(0), 0.0);
        assert_eq!(Patching::EFFNET.time(10), 9.92);
        assert_eq!(Patching::MUSICNN.duration(), 2.992);
        // A patch of OpenL3's is the second around its number.
        let second = Patching::new(FrontEnd::OpenL3Mel128, OPENL3_FRAMES, OPENL3_FRAMES).unwrap();
        assert_eq!((second.time(0), second.time(3), second.duration()), (-0.5, 2.5, 1.0));
        assert!(Patching::new(FrontEnd::OpenL3Mel256, OPENL3_FRAMES, 100).is_err());
    }
}
