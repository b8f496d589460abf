//! The instruction sets that kernels are compiled for, and which of them this CPU can run.

use std::fmt;

#[cfg(target_arch = "x86_64")]
use super::tiles;
use crate::engine::Precision;

/// The instruction sets for which there are kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KernelSet {
    /// Plain Rust, for any CPU.
    Portable,
    /// ARM, 64 bits: every such CPU has NEON.
    Neon,
    /// WebAssembly with 128-bit vectors, which the module was compiled for.
    Simd128,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 (F, DQ, BW, VL).
    Avx512,
    /// AVX-512 with BF16: products of bfloat16.
    Avx512Bf16,
    /// The same with AMX tiles for the products. Linux only: a process must request the tiles.
    AmxBf16,
}

impl KernelSet {
    /// Every set; for each precision, the fastest is last.
    pub const ALL: [KernelSet; 7] = [
        KernelSet::Portable,
        KernelSet::Neon,
        KernelSet::Simd128,
        KernelSet::Avx2,
        KernelSet::Avx512,
        KernelSet::Avx512Bf16,
        KernelSet::AmxBf16,
    ];

    /// Whether this CPU can run it.
    pub fn is_available(self) -> bool {
        match self {
            KernelSet::Portable => true,
            KernelSet::Simd128 => cfg!(all(target_arch = "wasm32", target_feature = "simd128")),
            #[cfg(target_arch = "x86_64")]
            KernelSet::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            KernelSet::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("fma")
            }
            #[cfg(target_arch = "x86_64")]
            KernelSet::Avx512Bf16 => {
                KernelSet::Avx512.is_available() && is_x86_feature_detected!("avx512bf16")
            }
            #[cfg(target_arch = "x86_64")]
            KernelSet::AmxBf16 => KernelSet::Avx512Bf16.is_available() && tiles::are_available(),
            KernelSet::Neon => cfg!(target_arch = "aarch64"),
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// The precision of its computations.
    pub fn precision(self) -> Precision {
        match self {
            KernelSet::Portable
            | KernelSet::Neon
            | KernelSet::Simd128
            | KernelSet::Avx2
            | KernelSet::Avx512 => Precision::F32,
            KernelSet::Avx512Bf16 | KernelSet::AmxBf16 => Precision::Bf16,
        }
    }

    /// The fastest set of a precision ([`Precision::Auto`] is f32) that this CPU can run.
    pub fn best(precision: Precision) -> Option<Self> {
        let precision = if precision == Precision::Auto { Precision::F32 } else { precision };
        Self::ALL.into_iter().rev().find(|set| set.precision() == precision && set.is_available())
    }
}

impl fmt::Display for KernelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KernelSet::Portable => "portable",
            KernelSet::Neon => "NEON",
            KernelSet::Simd128 => "SIMD128",
            KernelSet::Avx2 => "AVX2",
            KernelSet::Avx512 => "AVX-512",
            KernelSet::Avx512Bf16 => "AVX-512 BF16",
            KernelSet::AmxBf16 => "AMX",
        })
    }
}
