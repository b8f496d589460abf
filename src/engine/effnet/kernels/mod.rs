//! The kernels, compiled once for each instruction set.
//!
//! Each kernel has its own module and is generic over [`Vector`]. Here it is wrapped, for each instruction set, in a
//! non-generic function with `#[target_feature]`: the generic code is inlined into it and compiled for that set. A
//! [`Kernels`] table holds the wrappers of one set. The engine picks a table once; nothing else depends on the
//! instruction set.

// Loops over tiles index pixels, taps and vectors at once; iterators would be harder to read.
#![allow(clippy::needless_range_loop)]

pub(super) mod depthwise;
pub(super) mod elementwise;
pub(super) mod linear;
// Only x86 has kernels with bfloat16 products.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
pub(super) mod linear_bf16;
pub(super) mod stem;
#[cfg(target_arch = "x86_64")]
mod x86_bf16;

use crate::engine::cpu::simd::Vector;
use crate::engine::cpu::simd::portable::Portable;
use depthwise::DepthwiseArgs;
use elementwise::{GateArgs, ScaleWeightsArgs};
use linear::LinearArgs;
use linear_bf16::{LinearBf16Args, NarrowArgs};
use stem::StemArgs;

/// The kernels of one instruction set. Every entry is unsafe: the pointers of its arguments must be valid for the sizes
/// that its module states, and the CPU must have the instruction set.
pub(super) struct Kernels {
    pub lanes: usize,
    pub tile: [usize; 3],
    pub linear: unsafe fn(&LinearArgs),
    pub depthwise: unsafe fn(&DepthwiseArgs),
    pub stem: unsafe fn(&StemArgs),
    pub gate: unsafe fn(&GateArgs),
    pub scale_weights: unsafe fn(&ScaleWeightsArgs),
}

/// A table whose functions are compiled for the given target features.
macro_rules! table {
    ($name:ident, $vector:ty $(, $features:literal)?) => {
        pub(super) static $name: Kernels = {
            $(#[target_feature(enable = $features)])?
            unsafe fn linear(args: &LinearArgs) {
                // SAFETY: the caller's promise (see `Kernels`) is what the kernel requires; also below.
                unsafe { linear::linear::<$vector>(args) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn depthwise(args: &DepthwiseArgs) {
                // SAFETY: see above.
                unsafe { depthwise::depthwise::<$vector>(args) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn stem(args: &StemArgs) {
                // SAFETY: see above.
                unsafe { stem::stem::<$vector>(args) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn gate(args: &GateArgs) {
                // SAFETY: see above.
                unsafe { elementwise::gate::<$vector>(args) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn scale_weights(args: &ScaleWeightsArgs) {
                // SAFETY: see above.
                unsafe { elementwise::scale_weights::<$vector>(args) }
            }
            Kernels {
                lanes: <$vector as Vector>::LANES,
                tile: <$vector as Vector>::TILE,
                linear,
                depthwise,
                stem,
                gate,
                scale_weights,
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

// The f32 kernels of bfloat16 networks, with a less accurate SiLU.
#[cfg(target_arch = "x86_64")]
table!(AVX512_COARSE, crate::engine::cpu::simd::avx512::Avx512Fast, "avx512f,avx512dq,avx512bw,avx512vl,fma");

/// The kernels with bfloat16 products; unsafe for the same reasons as [`Kernels`].
pub(super) struct Bf16Kernels {
    pub linear: unsafe fn(&LinearBf16Args),
    pub narrow: unsafe fn(&NarrowArgs),
    /// Whether they use AMX's tile registers.
    pub uses_tiles: bool,
}

#[cfg(target_arch = "x86_64")]
pub(super) static BF16_DOT: Bf16Kernels =
    Bf16Kernels { linear: x86_bf16::dot, narrow: x86_bf16::narrow, uses_tiles: false };
#[cfg(target_arch = "x86_64")]
pub(super) static BF16_AMX: Bf16Kernels =
    Bf16Kernels { linear: x86_bf16::amx, narrow: x86_bf16::narrow, uses_tiles: true };
