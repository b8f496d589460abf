//! Which kernels there are, and which of them this CPU can run.

use std::fmt;

use super::kernels::{self, Bf16Kernels, Kernels};
use super::tiles;
use crate::engine::Precision;

/// The instruction sets for which there are kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KernelSet {
    /// Plain Rust, for any CPU.
    Portable,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 (F, DQ, BW, VL).
    Avx512,
    /// AVX-512 with BF16: products of bfloat16.
    Avx512Bf16,
    /// The same with AMX tiles for the products. Linux only: a process must request the tiles.
    AmxBf16,
}

/// The kernels of a set.
#[derive(Clone, Copy)]
pub(super) struct Tables {
    pub kernels: &'static Kernels,
    pub bf16: Option<&'static Bf16Kernels>,
}

impl KernelSet {
    /// Every set; for each precision, the fastest is last.
    pub const ALL: [KernelSet; 5] =
        [KernelSet::Portable, KernelSet::Avx2, KernelSet::Avx512, KernelSet::Avx512Bf16, KernelSet::AmxBf16];

    /// Whether this CPU can run it.
    pub fn is_available(self) -> bool {
        self.tables().is_some()
    }

    /// The precision of its computations.
    pub fn precision(self) -> Precision {
        match self {
            KernelSet::Portable | KernelSet::Avx2 | KernelSet::Avx512 => Precision::F32,
            KernelSet::Avx512Bf16 | KernelSet::AmxBf16 => Precision::Bf16,
        }
    }

    /// The fastest set of a precision ([`Precision::Auto`] is f32) that this CPU can run.
    pub fn best(precision: Precision) -> Option<Self> {
        let precision = if precision == Precision::Auto { Precision::F32 } else { precision };
        Self::ALL.into_iter().rev().find(|set| set.precision() == precision && set.is_available())
    }

    /// SiLU as this set's kernels compute it: the output of a stem whose weights are zero, for this bias.
    #[cfg(test)]
    pub(super) fn silu(self, x: f32) -> f32 {
        use super::kernels::stem::StemArgs;
        let mut bias = super::buffer::Buffer::new(16);
        bias.as_mut_slice().fill(x);
        let mut out = super::buffer::Buffer::new(16);
        let zeros = super::buffer::Buffer::new(16 * 9);
        let kernels = self.tables().expect("an available set").kernels;
        let args = StemArgs {
            kernel: 3,
            stride: 1,
            vectors: 1,
            input: zeros.as_ptr(),
            input_row: 3,
            weights: zeros.as_ptr(),
            weights_tap: 16,
            bias: bias.as_ptr(),
            output: out.as_mut_ptr(),
            output_pixel: 16,
            output_row: 16,
            columns: 1,
            first_row: 0,
            last_row: 1,
        };
        // SAFETY: the set is available, and every buffer is large enough for one pixel.
        unsafe { (kernels.stem)(&args) };
        out.as_slice()[0]
    }

    /// The kernels, if this CPU can run them.
    pub(super) fn tables(self) -> Option<Tables> {
        let f32_only = |kernels| Tables { kernels, bf16: None };
        match self {
            KernelSet::Portable => Some(f32_only(&kernels::PORTABLE)),
            #[cfg(target_arch = "x86_64")]
            KernelSet::Avx2 => {
                let there = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
                there.then_some(f32_only(&kernels::AVX2))
            }
            #[cfg(target_arch = "x86_64")]
            KernelSet::Avx512 => {
                let there = is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("fma");
                there.then_some(f32_only(&kernels::AVX512))
            }
            #[cfg(target_arch = "x86_64")]
            KernelSet::Avx512Bf16 | KernelSet::AmxBf16 => {
                let bf16 = if self == KernelSet::AmxBf16 { &kernels::BF16_AMX } else { &kernels::BF16_DOT };
                let there = KernelSet::Avx512.is_available()
                    && is_x86_feature_detected!("avx512bf16")
                    && (!bf16.uses_tiles || tiles::are_available());
                there.then_some(Tables { kernels: &kernels::AVX512_COARSE, bf16: Some(bf16) })
            }
            #[cfg(not(target_arch = "x86_64"))]
            _ => None,
        }
    }
}

impl fmt::Display for KernelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KernelSet::Portable => "portable",
            KernelSet::Avx2 => "AVX2",
            KernelSet::Avx512 => "AVX-512",
            KernelSet::Avx512Bf16 => "AVX-512 BF16",
            KernelSet::AmxBf16 => "AMX",
        })
    }
}
