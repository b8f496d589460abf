//! Which 128 frames of a recording become a patch.

use rand::Rng;

use super::PATCH;
use crate::error::Result;
use crate::features::Recording;
use crate::network::architecture::{BANDS, FRAMES};
use crate::network::random;

/// What determines a crop, besides the length of the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Crop {
    /// Seed of the run.
    pub seed: u64,
    /// The epoch; 0 for validation, whose crops are the same in every epoch.
    pub epoch: u64,
    /// The track's number in split.parquet.
    pub track: u32,
    /// The number of the crop among the track's crops of that epoch: anchors have even numbers, positives odd ones.
    pub number: u32,
}

impl Crop {
    /// The first frame of the crop in a recording of `frames` frames: uniform over all complete patches, and 0 if there
    /// are none.
    pub fn start(self, frames: u64) -> u64 {
        self.among(starts(frames))
    }

    /// As [`Crop::start`], but never `other` if there is another position: for the two patches of a track that is its
    /// own partner.
    pub fn start_apart(self, other: u64, frames: u64) -> u64 {
        match starts(frames) {
            1 => 0,
            count => {
                let start = self.among(count - 1);
                start + u64::from(start >= other)
            }
        }
    }

    /// Uniform in `0..count`.
    pub(crate) fn among(self, count: u64) -> u64 {
        self.of("crop", count)
    }

    /// Uniform in `0..count`, for this purpose.
    pub(super) fn of(self, what: &str, count: u64) -> u64 {
        ((u128::from(self.generator(what).next_u64()) * u128::from(count)) >> 64) as u64
    }

    /// A generator of random numbers for this crop and this purpose.
    pub(super) fn generator(self, what: &str) -> impl Rng + use<> {
        let Crop { seed, epoch, track, number } = self;
        let names: [&[u8]; 5] = [
            what.as_bytes(),
            &seed.to_le_bytes(),
            &epoch.to_le_bytes(),
            &u64::from(track).to_le_bytes(),
            &u64::from(number).to_le_bytes(),
        ];
        random::generator(&names)
    }
}

/// The number of positions for a patch.
fn starts(frames: u64) -> u64 {
    frames.saturating_sub(FRAMES as u64) + 1
}

/// Reads the patch that begins at frame `start`, `[128, 96]`. A recording of fewer than 128 frames is repeated from
/// its beginning until it fills one, as `extract --last-patch repeat` does.
///
/// # Errors
/// If the frames cannot be read.
///
/// # Panics
/// If `patch` is not as long as a patch.
pub fn read_patch(recording: &mut Recording, start: u64, patch: &mut [f32]) -> Result<()> {
    assert_eq!(patch.len(), PATCH);
    read_frames(recording, start, patch)
}

/// As [`read_patch`], for any number of frames.
pub(crate) fn read_frames(recording: &mut Recording, start: u64, values: &mut [f32]) -> Result<()> {
    let frames = recording.frames();
    if frames >= (values.len() / BANDS) as u64 {
        return recording.read(start, values);
    }
    let there = frames as usize * BANDS;
    recording.read(0, &mut values[..there])?;
    for at in there..values.len() {
        values[at] = values[at - there];
    }
    Ok(())
}

/// The number of crops of a recording whose targets are stored: `most`, or every position if there are fewer.
pub(crate) fn stored_crops(frames: u64, most: usize) -> usize {
    usize::try_from(starts(frames)).map_or(most, |positions| most.min(positions))
}

/// The first frame of the `index`-th of `count` crops that are evenly spaced over a recording, each in the middle of its
/// share of the positions.
pub(crate) fn stored_start(frames: u64, index: usize, count: usize) -> u64 {
    let (index, count) = (index as u128, count as u128);
    ((2 * index + 1) * u128::from(starts(frames)) / (2 * count)) as u64
}

/// The first frame of the patch of `length` frames that a teacher hears beside the crop at `start`: the one with the
/// same middle, moved into the recording where it would reach beyond an end. A recording that is shorter is repeated from
/// its beginning.
pub(crate) fn around(start: u64, length: usize, frames: u64) -> u64 {
    let earlier = length.saturating_sub(FRAMES) as u64 / 2;
    let later = FRAMES.saturating_sub(length) as u64 / 2;
    (start + later).saturating_sub(earlier).min(frames.saturating_sub(length as u64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn crop(track: u32, epoch: u64) -> Crop {
        Crop { seed: 7, epoch, track, number: 0 }
    }

    proptest! {
        #[test]
        fn a_crop_is_inside_and_the_same_for_everybody(
            seed: u64, epoch: u64, track: u32, number: u32, frames in 1u64..1_000_000,
        ) {
            let crop = Crop { seed, epoch, track, number };
            let start = crop.start(frames);
            prop_assert!(start + FRAMES as u64 <= frames || start == 0);
            prop_assert_eq!(crop.start(frames), start);
            let other = Crop { number: number ^ 1, ..crop }.start(frames);
            let apart = crop.start_apart(other, frames);
            prop_assert!(apart + FRAMES as u64 <= frames || apart == 0);
            prop_assert!(apart != other || frames <= FRAMES as u64);
        }

        #[test]
        fn everything_a_crop_is_named_after_matters(seed: u64, epoch: u64, track: u32, number: u32) {
            // With so many positions, two random crops almost never coincide.
            let frames = 1 << 60;
            let crop = Crop { seed, epoch, track, number };
            let others = [
                Crop { seed: seed ^ 1, ..crop },
                Crop { epoch: epoch ^ 1, ..crop },
                Crop { track: track ^ 1, ..crop },
                Crop { number: number ^ 1, ..crop },
            ];
            prop_assert!(others.iter().all(|other| other.start(frames) != crop.start(frames)));
        }
    }

    #[test]
    fn crops_are_uniform_over_a_recording() {
        let mut counts = [0u32; 11];
        let mut apart = [0u32; 11];
        for track in 0..22_000 {
            counts[crop(track, 1).start(138) as usize] += 1;
            apart[crop(track, 1).start_apart(4, 138) as usize] += 1;
        }
        // 2,000 each, within five standard deviations.
        assert!(counts.iter().all(|count| (1780..2220).contains(count)), "{counts:?}");
        assert_eq!(apart[4], 0);
        let rest = apart.iter().enumerate().filter(|(at, _)| *at != 4);
        assert!(rest.clone().all(|(_, count)| (1960..2440).contains(count)), "{apart:?}");
    }

    #[test]
    fn stored_crops_are_spread_evenly_and_teachers_hear_around_them() {
        let starts = |frames, most| -> Vec<u64> {
            let count = stored_crops(frames, most);
            (0..count).map(|index| stored_start(frames, index, count)).collect()
        };
        assert_eq!(starts(127 + 100, 4), [12, 37, 62, 87]);
        // Every position where there are fewer, and one in a recording that fills no patch.
        assert_eq!((starts(130, 64), starts(128, 64), starts(1, 64)), (vec![0, 1, 2], vec![0], vec![0]));
        // 187 frames have 29 more before the crop's 128 and 30 after; at the ends they are moved inside.
        assert_eq!((around(100, 187, 1000), around(0, 187, 1000), around(872, 187, 1000)), (71, 0, 813));
        assert_eq!((around(10, 187, 140), around(0, 187, 30)), (0, 0));
        assert_eq!((around(100, 128, 1000), around(100, 62, 1000)), (100, 133));
    }

    /// The numbers are part of a run's definition: another implementation must get the same crops.
    #[test]
    fn crops_do_not_change_between_versions() {
        let starts: Vec<u64> = (0..6).map(|track| crop(track, 3).start(10_000)).collect();
        assert_eq!(starts, KNOWN);
    }

    const KNOWN: [u64; 6] = [8990, 2346, 980, 1613, 1064, 5404];
}
