//! Passes that apply the gate's scales to the pixels or, if there are more pixels than output channels, to the
//! projection's weights.

use crate::engine::cpu::simd::Vector;

/// `map[pixel][channel] *= scale[channel]` for `vectors` vectors of channels.
pub(in super::super) struct GateArgs {
    pub map: *mut f32,
    pub pixel: usize,
    pub pixels: usize,
    pub scale: *const f32,
    pub vectors: usize,
}

/// # Safety
/// The CPU has `V`'s instruction set and every pointer of `args` is valid for the sizes stated there.
#[inline(always)]
pub(super) unsafe fn gate<V: Vector>(args: &GateArgs) {
    for vector in 0..args.vectors {
        // SAFETY: the caller's promise.
        unsafe {
            let scale = V::load(args.scale.add(vector * V::LANES));
            let map = args.map.add(vector * V::LANES);
            for pixel in 0..args.pixels {
                let at = map.add(pixel * args.pixel);
                V::load(at).mul(scale).store(at);
            }
        }
    }
}

/// `scaled[line][..] = weights[line][..] * scale[line]` for a panel's lines.
pub(in super::super) struct ScaleWeightsArgs {
    pub weights: *const f32,
    pub scaled: *mut f32,
    pub scale: *const f32,
    pub lines: usize,
    /// Vectors in a line.
    pub width: usize,
}

/// # Safety
/// The CPU has `V`'s instruction set and every pointer of `args` is valid for the sizes stated there.
#[inline(always)]
pub(super) unsafe fn scale_weights<V: Vector>(args: &ScaleWeightsArgs) {
    for line in 0..args.lines {
        // SAFETY: the caller's promise.
        unsafe {
            let scale = V::splat(*args.scale.add(line));
            for vector in 0..args.width {
                let at = (line * args.width + vector) * V::LANES;
                V::load(args.weights.add(at)).mul(scale).store(args.scaled.add(at));
            }
        }
    }
}
