//! Changes to patches in training, drawn anew for each patch (`[augment]` of a configuration).
//!
//! A mel value is `log10(1 + 10000 p)`, where `p` is the power in the band. Gain, mix and band limits work on the powers:
//!
//! - **Gain** multiplies all powers of a patch: exactly what a gain of the audio does, without clipping.
//! - **Mix** takes `1 - s` of a patch's powers and `s` of those of another patch of the batch, after their gains. Of two
//!   recordings, this is the power that is expected of their mix (their phases have nothing to do with each other).
//! - **A band limit** removes the bands below a first and above a last one: between band 0 and 10 (up to about 340 Hz),
//!   and between band 63 (from about 2.7 kHz on) and 95.
//! - **Copies** of the recordings, such as those of a lossy codec, are read in their place (`copies`).
//! - **Masks** set ranges of bands or frames to silence (SpecAugment; Park et al., 2019). These are gaps in what the
//!   network sees rather than another sound, so targets never follow them.

use rand::Rng;

use super::crop::Crop;
use crate::config::Augment;
use crate::network::architecture::{BANDS, FRAMES};

/// The highest first band that a band limit leaves.
const FIRST_BAND: usize = 10;
/// The lowest last band that it leaves.
const LAST_BAND: usize = 63;

/// Another patch of the batch, and the share of its powers.
pub type Mixed = Option<(usize, f32)>;

/// Changes patches.
#[derive(Clone, Debug)]
pub struct Augmenter {
    options: Augment,
}

/// The changes of one patch.
struct Changes {
    gain: f32,
    mixed: Mixed,
    bands: Option<(usize, usize)>,
}

impl Augmenter {
    /// An augmenter with these options; `None` if they change nothing.
    pub fn of(options: &Augment) -> Option<Self> {
        let Augment { mix_share, copies, .. } = options.clone();
        (*options != Augment { mix_share, copies, ..Augment::default() })
            .then(|| Augmenter { options: options.clone() })
    }

    fn draw(&self, crop: Crop, at: usize, count: usize) -> Changes {
        let &Augment { gain_least, gain_most, mix, mix_share, band_limit, .. } = &self.options;
        let mut random = crop.generator("augment");
        // All are drawn, so that one option does not change what another draws.
        let [gain, is_mixed, other, share, is_limited, first, last] =
            std::array::from_fn(|_| unit(&mut random));
        let decibels = gain_least + gain * (gain_most - gain_least);
        let other = (at + 1 + (other * (count.max(2) - 1) as f64) as usize) % count;
        let first = (first * (FIRST_BAND + 1) as f64) as usize;
        let last = LAST_BAND + (last * (BANDS - LAST_BAND) as f64) as usize;
        Changes {
            gain: 10.0f64.powf(decibels / 10.0) as f32,
            mixed: (count > 1 && is_mixed < mix).then_some((other, (share * mix_share) as f32)),
            bands: (is_limited < band_limit).then_some((first, last)),
        }
    }

    /// Applies gain, mix and band limits to windows of equally many frames, one for each crop. Returns what was mixed.
    ///
    /// # Panics
    /// If the values are not windows of whole frames.
    pub fn hear(&self, windows: &mut [f32], crops: &[Crop]) -> Vec<Mixed> {
        let count = crops.len();
        let changes: Vec<Changes> =
            crops.iter().enumerate().map(|(at, &crop)| self.draw(crop, at, count)).collect();
        if count == 0 {
            return Vec::new();
        }
        let length = windows.len() / count;
        assert!(length * count == windows.len() && length.is_multiple_of(BANDS), "windows of whole frames");
        let is_plain = |one: &Changes| one.gain == 1.0 && one.mixed.is_none() && one.bands.is_none();
        if changes.iter().all(is_plain) {
            return vec![None; count];
        }
        for (window, one) in windows.chunks_exact_mut(length).zip(&changes) {
            window.iter_mut().for_each(|value| *value = one.gain * power(*value));
        }
        let before = changes.iter().any(|one| one.mixed.is_some()).then(|| windows.to_vec());
        for (window, one) in windows.chunks_exact_mut(length).zip(&changes) {
            if let (Some((other, share)), Some(before)) = (one.mixed, &before) {
                let other = &before[other * length..][..length];
                for (value, other) in window.iter_mut().zip(other) {
                    *value = (1.0 - share) * *value + share * other;
                }
            }
            if let Some((first, last)) = one.bands {
                for frame in window.chunks_exact_mut(BANDS) {
                    frame[..first].fill(0.0);
                    frame[last + 1..].fill(0.0);
                }
            }
            window.iter_mut().for_each(|value| *value = (1.0 + *value).log10());
        }
        changes.into_iter().map(|one| one.mixed).collect()
    }

    /// Masks bands and frames of patches `[n, 128, 96]`.
    ///
    /// # Panics
    /// If there are not as many patches as crops.
    pub fn mask(&self, patches: &mut [f32], crops: &[Crop]) {
        let &Augment { frequency_masks, frequency_width, time_masks, time_width, .. } = &self.options;
        if frequency_masks * frequency_width + time_masks * time_width == 0 {
            return;
        }
        assert_eq!(patches.len(), crops.len() * FRAMES * BANDS, "as many patches as crops");
        for (patch, crop) in patches.chunks_exact_mut(FRAMES * BANDS).zip(crops) {
            let mut random = crop.generator("masks");
            for _ in 0..frequency_masks {
                let bands = range(&mut random, frequency_width, BANDS);
                patch.chunks_exact_mut(BANDS).for_each(|frame| frame[bands.clone()].fill(0.0));
            }
            for _ in 0..time_masks {
                let frames = range(&mut random, time_width, FRAMES);
                patch[frames.start * BANDS..frames.end * BANDS].fill(0.0);
            }
        }
    }
}

/// Mixes rows of targets as patches were mixed.
pub(super) fn mix_rows(rows: &mut [f32], width: usize, mixed: &[Mixed]) {
    if mixed.iter().all(Option::is_none) {
        return;
    }
    let before = rows.to_vec();
    for (row, mixed) in rows.chunks_exact_mut(width).zip(mixed) {
        let Some((other, share)) = *mixed else { continue };
        for (value, other) in row.iter_mut().zip(&before[other * width..]) {
            *value = (1.0 - share) * *value + share * other;
        }
    }
}

/// Ten thousand times the power of a mel value.
fn power(value: f32) -> f32 {
    (value * std::f32::consts::LN_10).exp_m1()
}

/// A range of at most `width` of `count` places; both its length and its place are uniform.
fn range(random: &mut impl Rng, width: usize, count: usize) -> std::ops::Range<usize> {
    let length = (unit(random) * (width + 1) as f64) as usize;
    let start = (unit(random) * (count - length + 1) as f64) as usize;
    start..start + length
}

/// Uniform in 0..1.
fn unit(random: &mut impl Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: f32 = 0.0;

    fn crops(count: u32) -> Vec<Crop> {
        (0..count).map(|track| Crop { seed: 1, epoch: 2, track, number: 3 }).collect()
    }

    fn augmenter(change: impl FnOnce(&mut Augment)) -> Augmenter {
        let mut options = Augment { mix_share: 0.5, ..Augment::default() };
        assert!(Augmenter::of(&options).is_none(), "the paper's");
        change(&mut options);
        Augmenter::of(&options).unwrap()
    }

    /// Patches of other loudness and bands each.
    fn patches(count: usize) -> Vec<f32> {
        let value = |at: usize| {
            let (patch, frame, band) = (at / (FRAMES * BANDS), at / BANDS % FRAMES, at % BANDS);
            0.1 + ((patch * 31 + frame * 7 + band * 3) % 50) as f32 / 12.0
        };
        (0..count * FRAMES * BANDS).map(value).collect()
    }

    #[test]
    fn gain_is_that_of_the_audio() {
        // The same samples 12 dB quieter, through the library's front end.
        let samples: Vec<f32> =
            (0..40_000).map(|at| (at as f32 * 0.05).sin() * 0.3 + (at as f32 * 0.731).sin() * 0.1).collect();
        let quiet: Vec<f32> = samples.iter().map(|sample| sample * 10.0f32.powf(-12.0 / 20.0)).collect();
        let mel = |samples: &[f32]| {
            let all = crate::evaluation::encoders::FrontEnd::MusiCnn.of_samples(samples);
            all.into_raw_vec_and_offset().0[..FRAMES * BANDS].to_vec()
        };
        let (mut changed, expected) = (mel(&samples), mel(&quiet));
        let gain = augmenter(|options| (options.gain_least, options.gain_most) = (-12.0, -12.0));
        assert_eq!(gain.hear(&mut changed, &crops(1)), [None]);
        let worst = changed.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-4, "{worst}");
        assert!(expected.iter().any(|&value| value > 1.0));
    }

    #[test]
    fn gains_are_spread_over_their_range_and_follow_the_crop() {
        let augmenter = augmenter(|options| (options.gain_least, options.gain_most) = (-20.0, 6.0));
        let decibels = |crop| 10.0 * augmenter.draw(crop, 0, 1).gain.log10();
        let all: Vec<f32> = crops(2000).into_iter().map(decibels).collect();
        let mean = all.iter().sum::<f32>() / all.len() as f32;
        assert!(all.iter().all(|gain| (-20.001..6.001).contains(gain)) && (mean + 7.0).abs() < 0.7, "{mean}");
        let crop = crops(1)[0];
        assert_eq!(decibels(crop), decibels(crop));
        assert!(decibels(crop) != decibels(Crop { epoch: 9, ..crop }));
        assert!(decibels(crop) != decibels(Crop { number: 9, ..crop }));
    }

    #[test]
    fn a_mix_adds_powers_and_targets_in_one_proportion() {
        let augmenter = augmenter(|options| options.mix = 1.0);
        let (mut changed, before, crops) = (patches(5), patches(5), crops(5));
        let mixed = augmenter.hear(&mut changed, &crops);
        let mut targets = vec![0.0, 10.0, 20.0, 30.0, 40.0];
        mix_rows(&mut targets, 1, &mixed);
        let length = FRAMES * BANDS;
        for (at, mixed) in mixed.iter().enumerate() {
            let (other, share) = mixed.unwrap();
            assert!(other != at && other < 5 && (0.0..=0.5).contains(&share), "{at}: {mixed:?}");
            for place in [0, 100, length - 1] {
                let power = |patch: usize| 10.0f32.powf(before[patch * length + place]) - 1.0;
                let expected = (1.0 + (1.0 - share) * power(at) + share * power(other)).log10();
                assert!((changed[at * length + place] - expected).abs() < 1e-4);
            }
            let expected = (1.0 - share) * 10.0 * at as f32 + share * 10.0 * other as f32;
            assert!((targets[at] - expected).abs() < 1e-4);
        }
        // One patch alone has no other.
        assert_eq!(augmenter.hear(&mut patches(1), &crops[..1]), [None]);
    }

    #[test]
    fn a_band_limit_leaves_a_range_of_bands_as_it_is() {
        let augmenter = augmenter(|options| options.band_limit = 1.0);
        let (mut changed, before) = (patches(20), patches(20));
        augmenter.hear(&mut changed, &crops(20));
        let mut limits = Vec::new();
        for (changed, before) in changed.chunks(FRAMES * BANDS).zip(before.chunks(FRAMES * BANDS)) {
            let kept: Vec<usize> = (0..BANDS).filter(|&band| changed[band] > 1e-3).collect();
            let (first, last) = (kept[0], *kept.last().unwrap());
            assert!(first <= FIRST_BAND && last >= LAST_BAND && kept.len() == last + 1 - first);
            for (frame, same) in changed.chunks(BANDS).zip(before.chunks(BANDS)) {
                assert!(frame[..first].iter().chain(&frame[last + 1..]).all(|&value| value == SILENCE));
                assert!((first..=last).all(|band| (frame[band] - same[band]).abs() < 1e-5));
            }
            limits.push((first, last));
        }
        limits.sort_unstable();
        limits.dedup();
        assert!(limits.len() > 10, "{limits:?}");
    }

    #[test]
    fn masks_silence_ranges_and_nothing_else() {
        let augmenter = augmenter(|options| {
            (options.frequency_masks, options.frequency_width) = (2, 12);
            (options.time_masks, options.time_width) = (1, 20);
        });
        let (mut changed, before, crops) = (patches(30), patches(30), crops(30));
        assert_eq!(augmenter.hear(&mut changed, &crops), vec![None; 30]);
        assert_eq!(changed, before);
        augmenter.mask(&mut changed, &crops);
        let (mut most_bands, mut most_frames) = (0, 0);
        for (changed, before) in changed.chunks(FRAMES * BANDS).zip(before.chunks(FRAMES * BANDS)) {
            let is_silent = |frame: usize, band: usize| changed[frame * BANDS + band] == SILENCE;
            let bands: Vec<usize> =
                (0..BANDS).filter(|&band| (0..FRAMES).all(|frame| is_silent(frame, band))).collect();
            let frames: Vec<usize> =
                (0..FRAMES).filter(|&frame| (0..BANDS).all(|band| is_silent(frame, band))).collect();
            assert!(bands.len() <= 24 && frames.len() <= 20);
            assert!(frames.windows(2).all(|pair| pair[1] == pair[0] + 1), "{frames:?}");
            for frame in 0..FRAMES {
                for band in 0..BANDS {
                    let masked = bands.contains(&band) || frames.contains(&frame);
                    let at = frame * BANDS + band;
                    assert!(if masked { changed[at] == SILENCE } else { changed[at] == before[at] });
                }
            }
            (most_bands, most_frames) = (most_bands.max(bands.len()), most_frames.max(frames.len()));
        }
        assert!(most_bands > 12 && most_frames > 12, "{most_bands}, {most_frames}");
    }
}
