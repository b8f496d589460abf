//! The kernels of each instruction set.

use super::kernels::{self, Bf16Kernels, Kernels};
use crate::engine::cpu::KernelSet;

/// The kernels of a set.
#[derive(Clone, Copy)]
pub(super) struct Tables {
    pub kernels: &'static Kernels,
    pub bf16: Option<&'static Bf16Kernels>,
}

impl Tables {
    /// The kernels, if this CPU can run them.
    pub fn of(set: KernelSet) -> Option<Self> {
        if !set.is_available() {
            return None;
        }
        let f32_only = |kernels| Tables { kernels, bf16: None };
        match set {
            KernelSet::Portable => Some(f32_only(&kernels::PORTABLE)),
            #[cfg(target_arch = "aarch64")]
            KernelSet::Neon => Some(f32_only(&kernels::NEON)),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            KernelSet::Simd128 => Some(f32_only(&kernels::SIMD128)),
            #[cfg(target_arch = "x86_64")]
            KernelSet::Avx2 => Some(f32_only(&kernels::AVX2)),
            #[cfg(target_arch = "x86_64")]
            KernelSet::Avx512 => Some(f32_only(&kernels::AVX512)),
            #[cfg(target_arch = "x86_64")]
            KernelSet::Avx512Bf16 => {
                Some(Tables { kernels: &kernels::AVX512_COARSE, bf16: Some(&kernels::BF16_DOT) })
            }
            #[cfg(target_arch = "x86_64")]
            KernelSet::AmxBf16 => {
                Some(Tables { kernels: &kernels::AVX512_COARSE, bf16: Some(&kernels::BF16_AMX) })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
/// SiLU as this set's kernels compute it: the output of a stem whose weights are zero, for this bias.
pub(super) fn silu(set: KernelSet, x: f32) -> f32 {
    use super::kernels::stem::StemArgs;
    let mut bias = crate::engine::cpu::buffer::Buffer::new(16);
    bias.as_mut_slice().fill(x);
    let mut out = crate::engine::cpu::buffer::Buffer::new(16);
    let zeros = crate::engine::cpu::buffer::Buffer::new(16 * 9);
    let kernels = Tables::of(set).expect("an available set").kernels;
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
