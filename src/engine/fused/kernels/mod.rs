//! The kernels, compiled once for each instruction set.
//!
//! Each kernel has its own module and is generic over [`Vector`]. Here it is wrapped, for each instruction set and tile,
//! in a function with `#[target_feature]`; a [`Kernels`] table holds the wrappers of one set.

// Loops over tiles index pixels, taps and vectors at once; iterators would be harder to read.
#![allow(clippy::needless_range_loop)]

pub(super) mod conv;
pub(super) mod depthwise;
pub(super) mod element;
pub(super) mod finish;
pub(super) mod pool;
pub(super) mod spread;
pub(super) mod transcendental;
pub(super) mod winograd;

use crate::engine::cpu::KernelSet;
use crate::engine::cpu::simd::portable::Portable;
use crate::engine::cpu::simd::{MAX_PIXELS, Vector};
use conv::ConvArgs;
use depthwise::DepthwiseArgs;
use element::ElementArgs;
use finish::{Finish, FinishArgs};
use pool::PoolArgs;
use spread::{SpreadArgs, SpreadInputArgs};
use winograd::{WinogradInput, WinogradOutput};

use crate::engine::fused::pack::Panel;

/// A tile of a convolution: pixels from the given one on, channels of the panel.
type ConvTile = unsafe fn(&ConvArgs, &Panel, usize);
/// A tile of a depthwise convolution: pixels from the given one on, all channels.
type DepthwiseTile = unsafe fn(&DepthwiseArgs, usize);
/// A tile of a convolution whose lanes are places: filters from the given one on, by vectors of places.
type SpreadTile = unsafe fn(&SpreadArgs, usize);

/// The most filters in a tile of [`spread`].
pub(super) const MAX_FILTERS: usize = 8;

/// The kernels of one instruction set. Every entry is unsafe: the pointers of its arguments must be valid for the sizes
/// that its module states, and the CPU must have the instruction set.
pub(super) struct Kernels {
    pub lanes: usize,
    /// Pixels in a tile of 1, 2 and 3 vectors of output channels.
    pub pixels: [usize; 3],
    /// Pixels in a tile of a depthwise convolution.
    pub row: usize,
    /// Filters and vectors of places in a tile of [`spread`].
    pub spread: [usize; 2],
    /// `[vectors - 1][pixels - 1]`
    pub conv: [[ConvTile; MAX_PIXELS]; 3],
    /// `[pixels - 1]`
    pub depthwise: [DepthwiseTile; 8],
    /// For pixels of one row with stride 1: `[0 for 3x3, 1 for 5x5][pixels - 1]`
    pub depthwise_row: [[DepthwiseTile; 6]; 2],
    pub finish: Finish,
    pub pool: unsafe fn(&PoolArgs),
    pub element: unsafe fn(&ElementArgs),
    pub winograd_input: unsafe fn(&WinogradInput),
    pub winograd_output: unsafe fn(&WinogradOutput),
    pub spread_input: unsafe fn(&SpreadInputArgs),
    /// `[vectors - 1][filters - 1]`
    pub spread_tile: [[SpreadTile; MAX_FILTERS]; 3],
}

/// A table whose functions are compiled for the given target features.
macro_rules! table {
    ($name:ident, $vector:ty $(, $features:literal)?) => {
        static $name: Kernels = {
            $(#[target_feature(enable = $features)])?
            unsafe fn conv<const P: usize, const C: usize>(args: &ConvArgs, panel: &Panel, pixel: usize) {
                // SAFETY: the caller's promise (see `Kernels`) is what the kernel requires; also below.
                unsafe { conv::tile::<$vector, P, C>(args, panel, pixel) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn depthwise<const P: usize>(args: &DepthwiseArgs, pixel: usize) {
                // SAFETY: see above.
                unsafe { depthwise::tile::<$vector, P>(args, pixel) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn row<const P: usize, const K: usize>(args: &DepthwiseArgs, pixel: usize) {
                // SAFETY: see above.
                unsafe { depthwise::row::<$vector, P, K>(args, pixel) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn finish(args: &FinishArgs) {
                // SAFETY: see above.
                unsafe { finish::finish::<$vector>(args) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn pool(args: &PoolArgs) {
                // SAFETY: see above.
                unsafe { pool::pool::<$vector>(args) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn element(args: &ElementArgs) {
                // SAFETY: see above.
                unsafe { element::element::<$vector>(args) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn winograd_input(args: &WinogradInput) {
                // SAFETY: see above.
                unsafe { winograd::input::<$vector>(args) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn winograd_output(args: &WinogradOutput) {
                // SAFETY: see above.
                unsafe { winograd::output::<$vector>(args) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn spread_input(args: &SpreadInputArgs) {
                // SAFETY: see above.
                unsafe { spread::input::<$vector>(args) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn spread_tile<const F: usize, const C: usize>(args: &SpreadArgs, filter: usize) {
                // SAFETY: see above.
                unsafe { spread::tile::<$vector, F, C>(args, filter) }
            }
            Kernels {
                lanes: <$vector as Vector>::LANES,
                pixels: <$vector as Vector>::PIXELS,
                row: <$vector as Vector>::ROW_TILE,
                spread: <$vector as Vector>::SPREAD,
                conv: [
                    [
                        conv::<1, 1>, conv::<2, 1>, conv::<3, 1>, conv::<4, 1>, conv::<5, 1>, conv::<6, 1>,
                        conv::<7, 1>, conv::<8, 1>, conv::<9, 1>, conv::<10, 1>, conv::<11, 1>, conv::<12, 1>,
                        conv::<13, 1>, conv::<14, 1>,
                    ],
                    [
                        conv::<1, 2>, conv::<2, 2>, conv::<3, 2>, conv::<4, 2>, conv::<5, 2>, conv::<6, 2>,
                        conv::<7, 2>, conv::<8, 2>, conv::<9, 2>, conv::<10, 2>, conv::<11, 2>, conv::<12, 2>,
                        conv::<13, 2>, conv::<14, 2>,
                    ],
                    // Wider tiles than 9 pixels do not fit any register file.
                    [
                        conv::<1, 3>, conv::<2, 3>, conv::<3, 3>, conv::<4, 3>, conv::<5, 3>, conv::<6, 3>,
                        conv::<7, 3>, conv::<8, 3>, conv::<9, 3>, conv::<9, 3>, conv::<9, 3>, conv::<9, 3>,
                        conv::<9, 3>, conv::<9, 3>,
                    ],
                ],
                depthwise: [
                    depthwise::<1>, depthwise::<2>, depthwise::<3>, depthwise::<4>, depthwise::<5>,
                    depthwise::<6>, depthwise::<7>, depthwise::<8>,
                ],
                depthwise_row: [
                    [row::<1, 3>, row::<2, 3>, row::<3, 3>, row::<4, 3>, row::<5, 3>, row::<6, 3>],
                    [row::<1, 5>, row::<2, 5>, row::<3, 5>, row::<4, 5>, row::<5, 5>, row::<6, 5>],
                ],
                finish,
                pool,
                element,
                winograd_input,
                winograd_output,
                spread_input,
                spread_tile: [
                    [
                        spread_tile::<1, 1>, spread_tile::<2, 1>, spread_tile::<3, 1>, spread_tile::<4, 1>,
                        spread_tile::<5, 1>, spread_tile::<6, 1>, spread_tile::<7, 1>, spread_tile::<8, 1>,
                    ],
                    [
                        spread_tile::<1, 2>, spread_tile::<2, 2>, spread_tile::<3, 2>, spread_tile::<4, 2>,
                        spread_tile::<5, 2>, spread_tile::<6, 2>, spread_tile::<7, 2>, spread_tile::<8, 2>,
                    ],
                    [
                        spread_tile::<1, 3>, spread_tile::<2, 3>, spread_tile::<3, 3>, spread_tile::<4, 3>,
                        spread_tile::<5, 3>, spread_tile::<6, 3>, spread_tile::<7, 3>, spread_tile::<8, 3>,
                    ],
                ],
            }
        };
    };
}

table!(PORTABLE, Portable);
#[cfg(target_arch = "aarch64")]
table!(NEON, crate::engine::cpu::simd::neon::Neon);
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
table!(SIMD128, crate::engine::cpu::simd::wasm::Simd128, "simd128");
#[cfg(target_arch = "x86_64")]
table!(AVX2, crate::engine::cpu::simd::avx2::Avx2, "avx2,fma");
#[cfg(target_arch = "x86_64")]
table!(AVX512, crate::engine::cpu::simd::avx512::Avx512, "avx512f,avx512dq,avx512bw,avx512vl,fma");

impl Kernels {
    /// The kernels of a set in f32, if this CPU can run them.
    pub fn of(set: KernelSet) -> Option<&'static Self> {
        if !set.is_available() {
            return None;
        }
        match set {
            KernelSet::Portable => Some(&PORTABLE),
            #[cfg(target_arch = "aarch64")]
            KernelSet::Neon => Some(&NEON),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            KernelSet::Simd128 => Some(&SIMD128),
            #[cfg(target_arch = "x86_64")]
            KernelSet::Avx2 => Some(&AVX2),
            #[cfg(target_arch = "x86_64")]
            KernelSet::Avx512 => Some(&AVX512),
            _ => None,
        }
    }

    /// Pixels in the largest tile of `vectors` vectors of channels.
    pub fn tile(&self, vectors: usize) -> usize {
        self.pixels[vectors - 1]
    }
}
