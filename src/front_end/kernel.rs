//! Computes a batch of adjacent mel frames with the CPU's vectors.

use std::sync::LazyLock;

use super::bank::{Band, bands};
use super::fft::{Complex, POINTS, Twiddles, power_spectrum};
use super::lanes::{Block, Lanes, Portable};
use super::log::log10;
use super::musicnn::{BANDS, BINS, FRAME_SIZE, HOP};
use super::window::hann;

#[cfg(target_arch = "x86_64")]
use super::lanes::x86::{Avx2, Avx512};

/// Samples below this magnitude are set to zero. It is 200 dB below full scale, which changes no mel value by 1e-8.
/// Without it, sound that fades out slowly would reach denormal numbers, with which a CPU is a hundred times slower.
const INAUDIBLE: f32 = 1e-10;

/// Constant tables.
struct Tables {
    /// Halved, because the transform's powers are four times too large; exact in binary.
    half_window: [f32; FRAME_SIZE],
    twiddles: Twiddles,
    bands: [Band; BANDS],
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| Tables {
    half_window: hann().map(|weight| 0.5 * weight),
    twiddles: Twiddles::new(),
    bands: bands(),
});

/// Scratch memory of one batch, small enough for the first-level cache.
struct Scratch<V> {
    points: [Complex<V>; POINTS],
    power: [V; BINS],
    mel: [V; BANDS],
}

impl<V: Lanes> Scratch<V> {
    fn new() -> Box<Self> {
        // SAFETY: only floats, or arrays of them, implement `Lanes`: all bits zero is a valid value.
        unsafe { Box::new_zeroed().assume_init() }
    }
}

/// Computes batches of one size with one instruction set.
pub(super) struct Kernel(Kind);

enum Kind {
    Portable(Box<Scratch<Portable>>),
    #[cfg(target_arch = "x86_64")]
    Avx2(Box<Scratch<Avx2>>),
    #[cfg(target_arch = "x86_64")]
    Avx512(Box<Scratch<Avx512>>),
}

impl Kernel {
    /// The kernels to use on this CPU, the smallest batch first.
    pub(super) fn for_this_cpu() -> Vec<Self> {
        let mut kernels = Self::all();
        // A batch takes about the same time in any of them, so the widest is fastest, even half empty.
        if kernels.len() > 1 {
            kernels.remove(0);
        }
        kernels
    }

    /// Every kernel that this CPU can run, the smallest batch first.
    fn all() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut))]
        let mut kernels = vec![Self(Kind::Portable(Scratch::new()))];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                kernels.push(Self(Kind::Avx2(Scratch::new())));
            }
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
                kernels.push(Self(Kind::Avx512(Scratch::new())));
            }
        }
        kernels
    }

    /// Mel frames per batch.
    pub(super) fn batch(&self) -> usize {
        match self.0 {
            Kind::Portable(_) => Portable::COUNT,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => Avx2::COUNT,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => Avx512::COUNT,
        }
    }

    /// The mel bands of one batch: `samples` are the batch's hops and one more, `mel` is `[batch, 96]`.
    pub(super) fn run(&mut self, samples: &[f32], mel: &mut [f32]) {
        assert_eq!(samples.len(), (self.batch() + 1) * HOP);
        assert_eq!(mel.len(), self.batch() * BANDS);
        match &mut self.0 {
            Kind::Portable(scratch) => mel_frames(&TABLES, scratch, samples, mel),
            // SAFETY: `all` creates these only on a CPU that has the instruction set.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(scratch) => unsafe { mel_frames_avx2(&TABLES, scratch, samples, mel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(scratch) => unsafe { mel_frames_avx512(&TABLES, scratch, samples, mel) },
        }
    }
}

// Generic code must be inlined into a function that enables the instruction set: otherwise every vector operation
// becomes a call.

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn mel_frames_avx2(tables: &Tables, scratch: &mut Scratch<Avx2>, samples: &[f32], mel: &mut [f32]) {
    mel_frames(tables, scratch, samples, mel);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq")]
fn mel_frames_avx512(tables: &Tables, scratch: &mut Scratch<Avx512>, samples: &[f32], mel: &mut [f32]) {
    mel_frames(tables, scratch, samples, mel);
}

#[inline(always)]
fn mel_frames<V: Lanes>(tables: &Tables, scratch: &mut Scratch<V>, samples: &[f32], mel: &mut [f32]) {
    let Scratch { points, power, mel: bands } = scratch;
    load_windowed(samples, &tables.half_window, points);
    power_spectrum(points, power, &tables.twiddles);
    for (mel, band) in bands.iter_mut().zip(&tables.bands) {
        let bins = &power[band.first..][..band.weights.len()];
        let mut energy = bins[0] * V::splat(band.weights[0]);
        for (power, weight) in bins.iter().zip(&band.weights).skip(1) {
            energy = energy + *power * V::splat(*weight);
        }
        *mel = log10(energy * V::splat(10000.0) + V::splat(1.0));
    }
    let mut block: Block<V> = [V::splat(0.0); 16];
    for first in (0..BANDS).step_by(V::COUNT) {
        block[..V::COUNT].copy_from_slice(&bands[first..][..V::COUNT]);
        V::transpose(&mut block);
        for (frame, values) in block[..V::COUNT].iter().enumerate() {
            values.store(&mut mel[frame * BANDS + first..]);
        }
    }
}

/// Frame `i`'s windowed samples to lane `i`, even ones as real and odd ones as imaginary parts.
#[inline(always)]
fn load_windowed<V: Lanes>(samples: &[f32], window: &[f32; FRAME_SIZE], points: &mut [Complex<V>; POINTS]) {
    let mut block: Block<V> = [V::splat(0.0); 16];
    for first in (0..FRAME_SIZE).step_by(V::COUNT) {
        for frame in 0..V::COUNT {
            block[frame] = V::load(&samples[frame * HOP + first..]).flush_below(INAUDIBLE);
        }
        V::transpose(&mut block);
        for pair in 0..V::COUNT / 2 {
            let (even, odd) = (2 * pair, 2 * pair + 1);
            points[first / 2 + pair] = Complex {
                re: block[even] * V::splat(window[first + even]),
                im: block[odd] * V::splat(window[first + odd]),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise of all magnitudes, mixed with silence and the smallest and largest numbers.
    fn samples(count: usize) -> Vec<f32> {
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 40) as f32) / (1u64 << 23) as f32 - 1.0
        };
        let scale = |hop: usize| [1.0, 1e-3, 0.0, 1e-9, 1e-40, 1e6, 30.0][hop % 7];
        (0..count).map(|index| scale(index / HOP) * next()).collect()
    }

    #[test]
    fn a_frame_has_the_same_bits_in_every_lane_of_every_kernel() {
        let samples = samples(48 * HOP);
        for frame in samples.windows(FRAME_SIZE).step_by(HOP) {
            let mut expected: Option<Vec<u32>> = None;
            for mut kernel in Kernel::all() {
                let batch = kernel.batch();
                for lane in 0..batch {
                    let mut padded = vec![0.0; (batch + 1) * HOP];
                    padded[lane * HOP..][..FRAME_SIZE].copy_from_slice(frame);
                    let mut mel = vec![0.0; batch * BANDS];
                    kernel.run(&padded, &mut mel);
                    let bits: Vec<u32> = mel[lane * BANDS..][..BANDS].iter().map(|v| v.to_bits()).collect();
                    assert_eq!(&bits, expected.get_or_insert_with(|| bits.clone()), "lane {lane} of {batch}");
                }
            }
        }
    }

    #[test]
    fn a_nan_sample_affects_its_own_frames_only() {
        for mut kernel in Kernel::all() {
            let batch = kernel.batch();
            let mut samples = samples((batch + 1) * HOP);
            let mut clean = vec![0.0; batch * BANDS];
            kernel.run(&samples, &mut clean);
            // The first hop belongs only to the first frame.
            samples[100] = f32::NAN;
            let mut spoilt = vec![0.0; batch * BANDS];
            kernel.run(&samples, &mut spoilt);
            assert!(spoilt[..BANDS].iter().all(|value| value.is_nan()));
            assert_eq!(spoilt[BANDS..], clean[BANDS..]);
        }
    }
}
