//! The kernels, one instance for each instruction set.
//!
//! A kernel is written once, generic over [`Vector`], in a module of its own. Here each is wrapped, for
//! each instruction set, in a function that is not generic and carries `#[target_feature]`: inside it the
//! generic code is inlined and becomes that set's machine code. A [`Kernels`] table holds the wrappers of
//! one set; the engine picks a table once and knows nothing of instruction sets beyond it.

// Loops over tiles run over indices: of pixels, taps and vectors at once, which iterators would hide.
#![allow(clippy::needless_range_loop)]

pub(super) mod depthwise;
pub(super) mod elementwise;
pub(super) mod linear;
pub(super) mod linear_bf16;
pub(super) mod stem;
#[cfg(target_arch = "x86_64")]
mod x86_bf16;

use super::simd::Vector;
use super::simd::portable::Portable;
use depthwise::DepthwiseArgs;
use elementwise::{GateArgs, ScaleWeightsArgs};
use linear::LinearArgs;
use linear_bf16::{LinearBf16Args, NarrowArgs};
use stem::StemArgs;

/// The kernels of one instruction set. Every entry is unsafe: the pointers of its arguments must be
/// valid for what its module says, and the CPU must have the instruction set.
pub(super) struct Kernels {
    pub lanes: usize,
    pub tile: [usize; 3],
    pub linear: unsafe fn(&LinearArgs),
    pub depthwise: unsafe fn(&DepthwiseArgs),
    pub stem: unsafe fn(&StemArgs),
    pub gate: unsafe fn(&GateArgs),
    pub scale_weights: unsafe fn(&ScaleWeightsArgs),
}

/// One table, whose functions are compiled for the given target features.
macro_rules! table {
    ($name:ident, $vector:ty $(, $features:literal)?) => {
        pub(super) static $name: Kernels = {
            $(#[target_feature(enable = $features)])?
            unsafe fn linear(args: &LinearArgs) {
                // SAFETY: the caller's promise (see `Kernels`) is the kernel's; so below.
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
#[cfg(target_arch = "x86_64")]
table!(AVX2, super::simd::avx2::Avx2, "avx2,fma");
#[cfg(target_arch = "x86_64")]
table!(AVX512, super::simd::avx512::Avx512, "avx512f,avx512dq,avx512bw,avx512vl,fma");

// What bfloat16 networks run between their products: f32, with a coarser SiLU.
#[cfg(target_arch = "x86_64")]
table!(AVX512_COARSE, super::simd::avx512::Avx512Fast, "avx512f,avx512dq,avx512bw,avx512vl,fma");

/// The kernels with bfloat16 products, unsafe as those of [`Kernels`].
pub(super) struct Bf16Kernels {
    pub linear: unsafe fn(&LinearBf16Args),
    pub narrow: unsafe fn(&NarrowArgs),
    /// They use AMX's tile registers.
    pub uses_tiles: bool,
}

#[cfg(target_arch = "x86_64")]
pub(super) static BF16_DOT: Bf16Kernels =
    Bf16Kernels { linear: x86_bf16::dot, narrow: x86_bf16::narrow, uses_tiles: false };
#[cfg(target_arch = "x86_64")]
pub(super) static BF16_AMX: Bf16Kernels =
    Bf16Kernels { linear: x86_bf16::amx, narrow: x86_bf16::narrow, uses_tiles: true };
