//! The kernels of [`super::linear_bf16`]: with AMX tiles, and with AVX-512's dot product.
//!
//! Stable Rust has no intrinsics for tiles, so their inner loop is in assembly.

use std::arch::x86_64::*;

use super::super::pack::CHANNELS_A_LINE;
use super::linear::Place;
use super::linear_bf16::{FinishBf16, LinearBf16Args, NarrowArgs};
use crate::engine::cpu::simd::Vector;
use crate::engine::cpu::simd::avx512::Avx512Fast;

/// 32 pixels by 32 channels of f32.
#[repr(align(64))]
struct Tile([f32; 32 * 32]);

/// AMX.
///
/// # Safety
/// The CPU has AMX-BF16 and AVX-512 BF16, the thread's tiles are configured as 16 rows of 64 bytes, and every pointer
/// of `args` is valid for the sizes stated there, the input for [`SLACK`](super::super::pack::SLACK) more rows.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,fma")]
pub(in super::super) unsafe fn amx(args: &LinearBf16Args) {
    let mut tile = Tile([0.0; 32 * 32]);
    let steps = args.weights.steps;
    let mut line = args.first_line;
    while line < args.last_line {
        let lines = (args.last_line - line).min(2);
        for pixel in (0..args.pixels).step_by(32) {
            let rows = (args.pixels - pixel).min(32);
            // SAFETY: see above; the tile holds 32 x 32 sums, and the bias whole lines.
            unsafe {
                let input = args.input.add(pixel * args.input_stride);
                let weights = args.weights.line(line);
                let next = args.weights.line(line + lines - 1);
                let bias = args.weights.bias.as_ptr().add(line * CHANNELS_A_LINE);
                multiply(input, args.input_stride, weights, next, bias, steps, lines, rows > 16, &mut tile);
                finish(args, pixel, rows, line, lines, &tile);
            }
        }
        line += lines;
    }
}

/// Up to 32 pixels by one or two lines of output channels.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn multiply(
    input: *const u16,
    input_stride: usize,
    weights: *const u16,
    next: *const u16,
    bias: *const f32,
    steps: usize,
    lines: usize,
    lower_half: bool,
    tile: &mut Tile,
) {
    // SAFETY: the caller's promise. Every tile is loaded before it is used; the sums start as the bias, which is read
    // sixteen times with a stride of 0.
    unsafe {
        if lines == 2 && lower_half {
            std::arch::asm!(
                "tileloadd tmm0, [{bias} + {zero}]",
                "tileloadd tmm1, [{bias} + {zero} + 64]",
                "tileloadd tmm2, [{bias} + {zero}]",
                "tileloadd tmm3, [{bias} + {zero} + 64]",
                "2:",
                "tileloadd tmm4, [{a} + {stride}]",
                "tileloadd tmm6, [{w} + {line}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{v} + {line}]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{b} + {stride}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {a}, 64",
                "add {b}, 64",
                "add {w}, 1024",
                "add {v}, 1024",
                "dec {steps}",
                "jnz 2b",
                "tilestored [{tile} + {row}], tmm0",
                "tilestored [{tile} + {row} + 64], tmm1",
                "tilestored [{tile} + {row} + 2048], tmm2",
                "tilestored [{tile} + {row} + 2112], tmm3",
                bias = in(reg) bias,
                zero = in(reg) 0usize,
                a = inout(reg) input => _,
                b = inout(reg) input.add(16 * input_stride) => _,
                stride = in(reg) 2 * input_stride,
                w = inout(reg) weights => _,
                v = inout(reg) next => _,
                line = in(reg) 64usize,
                steps = inout(reg) steps => _,
                tile = in(reg) tile.0.as_mut_ptr(),
                row = in(reg) 128usize,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
            return;
        }
        for half in 0..1 + usize::from(lower_half) {
            std::arch::asm!(
                "tileloadd tmm0, [{bias} + {zero}]",
                "tileloadd tmm1, [{bias2} + {zero}]",
                "2:",
                "tileloadd tmm4, [{a} + {stride}]",
                "tileloadd tmm6, [{w} + {line}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{v} + {line}]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "add {a}, 64",
                "add {w}, 1024",
                "add {v}, 1024",
                "dec {steps}",
                "jnz 2b",
                "tilestored [{tile} + {row}], tmm0",
                "tilestored [{tile} + {row} + 64], tmm1",
                bias = in(reg) bias,
                bias2 = in(reg) bias.add((lines - 1) * CHANNELS_A_LINE),
                zero = in(reg) 0usize,
                a = inout(reg) input.add(half * 16 * input_stride) => _,
                stride = in(reg) 2 * input_stride,
                w = inout(reg) weights => _,
                v = inout(reg) next => _,
                line = in(reg) 64usize,
                steps = inout(reg) steps => _,
                tile = in(reg) tile.0.as_mut_ptr().add(half * 16 * 32),
                row = in(reg) 128usize,
                out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}

/// AVX-512 BF16, for CPUs without AMX.
///
/// # Safety
/// The CPU has AVX-512 BF16, and every pointer of `args` is valid for the sizes stated there, the input for
/// [`SLACK`](super::super::pack::SLACK) more rows.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,fma")]
pub(in super::super) unsafe fn dot(args: &LinearBf16Args) {
    let mut tile = Tile([0.0; 32 * 32]);
    let pairs = args.weights.steps * 16;
    let mut line = args.first_line;
    while line < args.last_line {
        let lines = (args.last_line - line).min(2);
        for pixel in (0..args.pixels).step_by(8) {
            let rows = (args.pixels - pixel).min(8);
            // SAFETY: see above; 8 pixels by two lines of sums fit the registers.
            unsafe {
                let input = args.input.add(pixel * args.input_stride);
                let (weights, next) = (args.weights.line(line), args.weights.line(line + lines - 1));
                let bias = args.weights.bias.as_ptr().add(line * CHANNELS_A_LINE);
                let mut left = [_mm512_loadu_ps(bias); 8];
                let mut right = [_mm512_loadu_ps(bias.add((lines - 1) * CHANNELS_A_LINE)); 8];
                for pair in 0..pairs {
                    let w = as_bf16(_mm512_loadu_si512(weights.add(pair * 32).cast()));
                    let v = as_bf16(_mm512_loadu_si512(next.add(pair * 32).cast()));
                    for p in 0..8 {
                        let both = input.add(p * args.input_stride + 2 * pair).cast::<i32>().read_unaligned();
                        let x = as_bf16(_mm512_set1_epi32(both));
                        left[p] = _mm512_dpbf16_ps(left[p], x, w);
                        right[p] = _mm512_dpbf16_ps(right[p], x, v);
                    }
                }
                for p in 0..8 {
                    _mm512_store_ps(tile.0.as_mut_ptr().add(p * 32), left[p]);
                    _mm512_store_ps(tile.0.as_mut_ptr().add(p * 32 + 16), right[p]);
                }
                finish(args, pixel, rows, line, lines, &tile);
            }
        }
        line += lines;
    }
}

#[inline(always)]
unsafe fn as_bf16(bits: __m512i) -> __m512bh {
    // SAFETY: both are 512 bits.
    unsafe { std::mem::transmute::<__m512i, __m512bh>(bits) }
}

/// Writes a tile's sums to the output.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,fma")]
unsafe fn finish(args: &LinearBf16Args, pixel: usize, rows: usize, line: usize, lines: usize, tile: &Tile) {
    // SAFETY: the caller's promise: rows and lines are the arguments'.
    unsafe {
        for row in 0..rows {
            let at = match args.place {
                Place::Stride(stride) => (pixel + row) * stride,
                Place::Table(table) => *table.add(pixel + row) as usize,
            };
            for column in 0..lines {
                let channel = (line + column) * CHANNELS_A_LINE;
                let sums = Avx512Fast::load(tile.0.as_ptr().add(row * 32 + column * 16));
                match args.finish {
                    FinishBf16::Silu => sums.silu().store(args.output.add(at + channel)),
                    FinishBf16::Project { residual, narrow, stride } => {
                        let mut value = sums;
                        if !residual.is_null() {
                            value = value.add(Avx512Fast::load(residual.add(at + channel)));
                        }
                        value.store(args.output.add(at + channel));
                        let narrow = narrow.add((pixel + row) * stride + channel);
                        value.store_bf16(narrow);
                        // A tile reads 32 channels: those after the last must be zero, not values that an earlier block
                        // left there.
                        if channel + 2 * CHANNELS_A_LINE == stride && line + column + 1 == args.weights.lines
                        {
                            Avx512Fast::splat(0.0).store_bf16(narrow.add(CHANNELS_A_LINE));
                        }
                    }
                }
            }
        }
    }
}

/// # Safety
/// The CPU has AVX-512 BF16, and every pointer of `args` is valid for the sizes stated there.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,fma")]
pub(in super::super) unsafe fn narrow(args: &NarrowArgs) {
    // SAFETY: the caller's promise.
    unsafe {
        for pixel in 0..args.pixels {
            for vector in 0..args.vectors {
                let scale = Avx512Fast::load(args.scale.add(vector * 16));
                let value = Avx512Fast::load(args.map.add(pixel * args.pixel + vector * 16));
                value.mul(scale).store_bf16(args.narrow.add(pixel * args.narrow_pixel + vector * 16));
            }
            if args.filled {
                let end = args.narrow.add(pixel * args.narrow_pixel + args.vectors * 16);
                Avx512Fast::splat(0.0).store_bf16(end);
            }
        }
    }
}
