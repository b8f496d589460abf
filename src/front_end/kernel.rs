//! Computes a batch of mel frames, one hop apart, with the CPU's vectors.

use super::FrontEnd;
use super::compression::{Compress, Decibels, FlooredLog10, OffsetLn, ShiftedLog10, Unchanged};
use super::fft::{Complex, spectrum};
use super::input::load;
#[cfg(target_arch = "aarch64")]
use super::lanes::neon::{Neon, NeonDouble};
use super::lanes::portable::{Portable, PortableDouble};
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use super::lanes::wasm::{Simd128, Simd128Double};
#[cfg(target_arch = "x86_64")]
use super::lanes::x86::{Avx2, Avx2Double, Avx512, Avx512Double};
use super::lanes::{Block, Lanes, Single};
use super::parameters::{Compression, Precision};
use super::tables::{Tables, double, single};

/// Bands of the widest front end.
const MAX_BANDS: usize = 256;

/// Scratch memory of one batch. That of MusiCNN fits the first-level cache, the largest the second-level.
struct Scratch<V: Lanes, const POINTS: usize> {
    points: [Complex<V>; POINTS],
    /// Of the bins from 1 on.
    spectrum: [V::Single; POINTS],
    mel: [V::Single; MAX_BANDS],
}

impl<V: Lanes, const POINTS: usize> Scratch<V, POINTS> {
    fn new() -> Box<Self> {
        // SAFETY: only floats, or arrays of them, implement `Lanes`: all bits zero is a valid value.
        unsafe { Box::new_zeroed().assume_init() }
    }
}

/// Computes batches of one size with one instruction set.
pub(super) trait Kernel: Send + Sync {
    /// Mel frames per batch.
    fn batch(&self) -> usize;

    /// The mel bands of one batch, `[batch, bands]`. `samples` are those of the batch's frames, from the beginning of
    /// the first to the end of the last.
    fn run(&mut self, samples: &[f32], mel: &mut [f32]);
}

struct Batch<V: Lanes, const POINTS: usize, const FRAME: usize, const HOP: usize> {
    tables: &'static Tables<V::Value>,
    scratch: Box<Scratch<V, POINTS>>,
}

/// The kernels to use for a front end on this CPU, the smallest batch first.
pub(super) fn for_this_cpu(front_end: FrontEnd) -> Vec<Box<dyn Kernel>> {
    let mut kernels = all(front_end);
    // A batch takes about the same time in any of them, so the widest is fastest, even half empty.
    if kernels.len() > 1 {
        kernels.remove(0);
    }
    kernels
}

/// One kernel by itself, for the benchmark that counts instructions: the frames of a batch, and what computes a batch as
/// `Kernel::run` does. The plain kernel, or the fastest; `None` if the front end has no bands.
#[expect(clippy::type_complexity)]
pub fn batches(front_end: FrontEnd, plain: bool) -> Option<(usize, Box<dyn FnMut(&[f32], &mut [f32])>)> {
    let mut kernels = all(front_end).into_iter();
    let mut kernel = if plain { kernels.next() } else { kernels.next_back() }?;
    Some((kernel.batch(), Box::new(move |samples, mel| kernel.run(samples, mel))))
}

/// Every kernel for a front end that this CPU can run, the smallest batch first; none if it has no bands.
fn all(front_end: FrontEnd) -> Vec<Box<dyn Kernel>> {
    let Some(mel) = front_end.mel() else { return Vec::new() };
    // Sizes are constants of a kernel, so that its loops are unrolled as far as they can be.
    match (mel.precision, mel.points / 2, front_end.frame_size(), front_end.hop()) {
        (Precision::Single, 256, 512, 256) => single_kernels::<256, 512, 256>(single(front_end)),
        (Precision::Double, 256, 400, 160) => double_kernels::<256, 400, 160>(double(front_end)),
        (Precision::Double, 512, 1024, 512) => double_kernels::<512, 1024, 512>(double(front_end)),
        (Precision::Double, 1024, 660, 220) => double_kernels::<1024, 660, 220>(double(front_end)),
        (Precision::Double, 1024, 2048, 242) => double_kernels::<1024, 2048, 242>(double(front_end)),
        sizes => {
            unreachable!("no kernel has the sizes {sizes:?}; a test asserts that every front end has some")
        }
    }
}

macro_rules! kernels {
    ($($function:ident: $value:ty, $portable:ident, $neon:ident, $simd128:ident, $avx2:ident, $avx512:ident;)*) => {$(
        fn $function<const POINTS: usize, const FRAME: usize, const HOP: usize>(
            tables: &'static Tables<$value>,
        ) -> Vec<Box<dyn Kernel>> {
            #[allow(unused_mut, reason = "on some targets there is only one")]
            let mut kernels: Vec<Box<dyn Kernel>> =
                vec![Box::new(Batch::<$portable, POINTS, FRAME, HOP> { tables, scratch: Scratch::new() })];
            #[cfg(target_arch = "aarch64")]
            kernels.push(Box::new(Batch::<$neon, POINTS, FRAME, HOP> { tables, scratch: Scratch::new() }));
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            kernels.push(Box::new(Batch::<$simd128, POINTS, FRAME, HOP> { tables, scratch: Scratch::new() }));
            #[cfg(target_arch = "x86_64")]
            {
                if is_x86_feature_detected!("avx2") {
                    kernels.push(Box::new(Batch::<$avx2, POINTS, FRAME, HOP> { tables, scratch: Scratch::new() }));
                }
                if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
                    kernels.push(Box::new(Batch::<$avx512, POINTS, FRAME, HOP> { tables, scratch: Scratch::new() }));
                }
            }
            kernels
        }
    )*};
}

kernels! {
    single_kernels: f32, Portable, Neon, Simd128, Avx2, Avx512;
    double_kernels: f64, PortableDouble, NeonDouble, Simd128Double, Avx2Double, Avx512Double;
}

macro_rules! kernel {
    ($($lanes:ident: $enter:ident;)*) => {$(
        impl<const POINTS: usize, const FRAME: usize, const HOP: usize> Kernel for Batch<$lanes, POINTS, FRAME, HOP> {
            fn batch(&self) -> usize {
                $lanes::COUNT
            }

            fn run(&mut self, samples: &[f32], mel: &mut [f32]) {
                assert_eq!(samples.len(), ($lanes::COUNT - 1) * HOP + FRAME);
                assert_eq!(mel.len(), $lanes::COUNT * self.tables.bands.len());
                // SAFETY: kernels are created only on a CPU that has their instruction set.
                unsafe { $enter::<$lanes, POINTS, FRAME, HOP>(self.tables, &mut self.scratch, samples, mel) }
            }
        }
    )*};
}

kernel! {
    Portable: portable;
    PortableDouble: portable;
}
#[cfg(target_arch = "aarch64")]
kernel! {
    Neon: neon;
    NeonDouble: neon;
}
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
kernel! {
    Simd128: simd128;
    Simd128Double: simd128;
}
#[cfg(target_arch = "x86_64")]
kernel! {
    Avx2: avx2;
    Avx2Double: avx2;
    Avx512: avx512;
    Avx512Double: avx512;
}

// Generic code must be inlined into a function that enables the instruction set: otherwise every vector operation
// becomes a call.

macro_rules! entries {
    ($($(#[$attribute:meta])* $enter:ident;)*) => {$(
        /// # Safety
        /// Only on a CPU that has the instruction set of `V`.
        $(#[$attribute])*
        unsafe fn $enter<V: Lanes, const POINTS: usize, const FRAME: usize, const HOP: usize>(
            tables: &Tables<V::Value>,
            scratch: &mut Scratch<V, POINTS>,
            samples: &[f32],
            mel: &mut [f32],
        ) {
            mel_frames::<V, POINTS, FRAME, HOP>(tables, scratch, samples, mel);
        }
    )*};
}

entries! {
    portable;
    #[cfg(target_arch = "aarch64")]
    neon;
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    #[target_feature(enable = "simd128")]
    simd128;
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    avx2;
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512dq")]
    avx512;
}

#[inline(always)]
fn mel_frames<V: Lanes, const POINTS: usize, const FRAME: usize, const HOP: usize>(
    tables: &Tables<V::Value>,
    scratch: &mut Scratch<V, POINTS>,
    samples: &[f32],
    mel: &mut [f32],
) {
    let Scratch { points, spectrum: bins, mel: bands } = scratch;
    load::<V, POINTS, FRAME, HOP>(samples, tables, points);
    spectrum(points, bins, &tables.twiddles, tables.spectrum);
    let bands = &mut bands[..tables.bands.len()];
    match tables.compression {
        Compression::None => sums::<V::Single, V::Value, Unchanged>(tables, bins, bands),
        Compression::ShiftedLog10 => sums::<V::Single, V::Value, ShiftedLog10>(tables, bins, bands),
        Compression::OffsetLn => sums::<V::Single, V::Value, OffsetLn>(tables, bins, bands),
        Compression::FlooredLog10 => sums::<V::Single, V::Value, FlooredLog10>(tables, bins, bands),
        Compression::Decibels => sums::<V::Single, V::Value, Decibels>(tables, bins, bands),
    }
    let mut block: Block<V::Single> = [V::Single::splat(0.0); 16];
    for first in (0..bands.len()).step_by(V::COUNT) {
        block[..V::COUNT].copy_from_slice(&bands[first..][..V::COUNT]);
        V::Single::transpose(&mut block);
        for (frame, values) in block[..V::COUNT].iter().enumerate() {
            values.store(&mut mel[frame * bands.len() + first..]);
        }
    }
}

/// The compressed sum of each band.
#[inline(always)]
fn sums<V: Single, T, C: Compress>(tables: &Tables<T>, spectrum: &[V], mel: &mut [V]) {
    for (mel, band) in mel.iter_mut().zip(&tables.bands) {
        let bins = &spectrum[band.first - 1..][..band.weights.len()];
        let mut sum = bins[0] * V::splat(band.weights[0]);
        for (value, weight) in bins.iter().zip(&band.weights).skip(1) {
            sum = sum + *value * V::splat(*weight);
        }
        *mel = C::of(sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise of all magnitudes, mixed with silence and the smallest and largest numbers.
    fn samples(count: usize, hop: usize) -> Vec<f32> {
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 40) as f32) / (1u64 << 23) as f32 - 1.0
        };
        let scale = |hop: usize| [1.0, 1e-3, 0.0, 1e-9, 1e-40, 1e6, 30.0][hop % 7];
        (0..count).map(|index| scale(index / hop) * next()).collect()
    }

    fn with_bands() -> impl Iterator<Item = FrontEnd> {
        FrontEnd::ALL.into_iter().filter(|front_end| front_end.mel().is_some())
    }

    #[test]
    fn a_frame_has_the_same_bits_in_every_lane_of_every_kernel() {
        for front_end in with_bands() {
            let (size, hop, bands) = (front_end.frame_size(), front_end.hop(), front_end.bands());
            let samples = samples(24 * hop + size, hop);
            for frame in samples.windows(size).step_by(hop) {
                let mut expected: Option<Vec<u32>> = None;
                for mut kernel in all(front_end) {
                    let batch = kernel.batch();
                    for lane in 0..batch {
                        let mut padded = vec![0.0; (batch - 1) * hop + size];
                        padded[lane * hop..][..size].copy_from_slice(frame);
                        let mut mel = vec![0.0; batch * bands];
                        kernel.run(&padded, &mut mel);
                        let found = &mel[lane * bands..][..bands];
                        assert!(found.iter().all(|value| value.is_finite()));
                        let bits: Vec<u32> = found.iter().map(|value| value.to_bits()).collect();
                        let expected = expected.get_or_insert_with(|| bits.clone());
                        assert_eq!(&bits, expected, "{front_end}, lane {lane} of {batch}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_nan_sample_affects_its_own_frames_only() {
        for (front_end, mut kernel) in
            with_bands().flat_map(|each| all(each).into_iter().map(move |k| (each, k)))
        {
            let (size, hop, bands) = (front_end.frame_size(), front_end.hop(), front_end.bands());
            let batch = kernel.batch();
            let clean_samples = samples((batch - 1) * hop + size, hop);
            let mut clean = vec![0.0; batch * bands];
            kernel.run(&clean_samples, &mut clean);
            // The first sample but one of the first hop and of the last: the window is not 0 there.
            for spoilt_sample in [1, (batch - 1) * hop + size - 2] {
                let mut samples = clean_samples.clone();
                samples[spoilt_sample] = f32::NAN;
                let mut spoilt = vec![0.0; batch * bands];
                kernel.run(&samples, &mut spoilt);
                for (index, (spoilt, clean)) in spoilt.chunks(bands).zip(clean.chunks(bands)).enumerate() {
                    if (index * hop..index * hop + size).contains(&spoilt_sample) {
                        assert!(spoilt.iter().all(|value| value.is_nan()), "{front_end}, frame {index}");
                    } else {
                        assert_eq!(spoilt, clean, "{front_end}, frame {index}");
                    }
                }
            }
        }
    }
}
