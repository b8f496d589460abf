//! What is done with the sums of a tile before they are stored: activations, scales, additions.
//!
//! A kernel stores its sums in a [`Tile`] first. Activations in the loop that holds the sums in registers would need
//! some of these registers, and the compiler would keep sums on the stack for the whole loop.

use super::transcendental;
use crate::engine::cpu::simd::{MAX_LANES, MAX_PIXELS, Vector};
use crate::engine::fused::ir::{Arithmetic, Function};

/// Vectors in the largest tile.
const MAX_VECTORS: usize = 2 * MAX_PIXELS;

/// The sums of a tile, `[pixel][vector]`, in the nearest cache.
#[repr(align(64))]
pub(super) struct Tile(std::mem::MaybeUninit<[f32; MAX_VECTORS * MAX_LANES]>);

impl Tile {
    #[inline(always)]
    pub fn new() -> Self {
        Self(std::mem::MaybeUninit::uninit())
    }

    #[inline(always)]
    pub fn address(&mut self) -> *mut f32 {
        self.0.as_mut_ptr().cast()
    }
}

/// One step, with the addresses of its constants or of another map.
#[derive(Clone, Copy)]
pub(in crate::engine::fused) enum FinishStep {
    Function(Function),
    /// One scale and one shift a channel.
    Affine {
        scale: *const f32,
        shift: *const f32,
    },
    /// With another map: its pixel `i` of patch `p` is at `other + p * slot + offsets[i]`. With one `offset` for all
    /// pixels, it is a vector.
    Binary {
        operation: Arithmetic,
        other: *const f32,
        slot: usize,
        offsets: Option<*const u32>,
    },
    /// With one value a patch.
    Scalar {
        operation: Arithmetic,
        other: *const f32,
        slot: usize,
    },
}

/// Where the pixels of a result go: pixel `i` of patch `p` at `output + p * slot + offsets[i]`.
#[derive(Clone, Copy)]
pub(in crate::engine::fused) struct Destination {
    pub output: *mut f32,
    pub slot: usize,
    pub offsets: *const u32,
    /// Pixels in a patch.
    pub pixels: usize,
}

/// The patch and the pixel in it of a pixel counted over all patches; and the next ones.
#[derive(Clone, Copy)]
pub(super) struct Cursor {
    pub patch: usize,
    pub pixel: usize,
    pixels: usize,
}

impl Cursor {
    #[inline(always)]
    pub fn new(pixel: usize, pixels: usize) -> Self {
        // A division is slow, and most layers run one patch.
        if pixel < pixels {
            Self { patch: 0, pixel, pixels }
        } else {
            Self { patch: pixel / pixels, pixel: pixel % pixels, pixels }
        }
    }

    #[inline(always)]
    pub fn advance(&mut self) {
        self.pixel += 1;
        if self.pixel == self.pixels {
            self.pixel = 0;
            self.patch += 1;
        }
    }
}

/// What a finished tile is, and where it goes.
pub(in crate::engine::fused) struct FinishArgs<'a> {
    /// The sums, `[pixel][vector]`.
    pub sums: *mut f32,
    pub steps: &'a [FinishStep],
    pub to: &'a Destination,
    /// The first pixel, and the first channel.
    pub pixel: usize,
    pub channel: usize,
    pub pixels: usize,
    pub vectors: usize,
}

/// Steps that need few registers: kernels do them on the way from the sums to memory.
#[derive(Clone, Copy)]
pub(in crate::engine::fused) enum Quick {
    Nothing,
    Relu,
    ReluAffine {
        scale: *const f32,
        shift: *const f32,
    },
    /// None of these: the tile is stored, then finished by [`Finish`].
    Other,
}

impl Quick {
    pub fn of(steps: &[FinishStep]) -> Self {
        match *steps {
            [] => Quick::Nothing,
            [FinishStep::Function(Function::Relu)] => Quick::Relu,
            [FinishStep::Function(Function::Relu), FinishStep::Affine { scale, shift }] => {
                Quick::ReluAffine { scale, shift }
            }
            _ => Quick::Other,
        }
    }
}

/// Stores `P` pixels of `C` vectors, from `channel` on, after a quick step. False if it is none.
///
/// # Safety
/// The CPU has `V`'s instruction set; the addresses are valid for the pixels and channels.
#[inline(always)]
pub(super) unsafe fn store<V: Vector, const P: usize, const C: usize>(
    sums: &[[V; C]; P],
    quick: Quick,
    to: &Destination,
    pixel: usize,
    channel: usize,
) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        let zero = V::splat(0.0);
        match quick {
            Quick::Nothing => pixels(sums, to, pixel, channel, |value, _| value),
            Quick::Relu => pixels(sums, to, pixel, channel, |value: V, _| zero.max(value)),
            Quick::ReluAffine { scale, shift } => pixels(sums, to, pixel, channel, |value: V, at| {
                zero.max(value).mul_add(V::load(scale.add(at)), V::load(shift.add(at)))
            }),
            Quick::Other => return false,
        }
        true
    }
}

#[inline(always)]
unsafe fn pixels<V: Vector, const P: usize, const C: usize>(
    sums: &[[V; C]; P],
    to: &Destination,
    pixel: usize,
    channel: usize,
    function: impl Fn(V, usize) -> V,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut cursor = Cursor::new(pixel, to.pixels);
        for sums in sums {
            let at = to.output.add(cursor.patch * to.slot + *to.offsets.add(cursor.pixel) as usize + channel);
            for (c, sum) in sums.iter().enumerate() {
                function(*sum, channel + c * V::LANES).store(at.add(c * V::LANES));
            }
            cursor.advance();
        }
    }
}

/// Applies the steps to a tile and stores it. One function for tiles of all shapes: in each, it would be most of the
/// code.
pub(in crate::engine::fused) type Finish = unsafe fn(&FinishArgs);

/// # Safety
/// The CPU has `V`'s instruction set; the addresses are valid for the tile's pixels and channels.
#[inline(always)]
pub(super) unsafe fn finish<V: Vector>(args: &FinishArgs) {
    // SAFETY: the caller's promise.
    unsafe {
        let zero = V::splat(0.0);
        match args.steps {
            [] => each::<V>(args, |value, _| value),
            [FinishStep::Function(Function::Relu)] => each::<V>(args, |value, _| zero.max(value)),
            [FinishStep::Function(Function::Relu), FinishStep::Affine { scale, shift }] => {
                each::<V>(args, |value, at| {
                    zero.max(value).mul_add(V::load(scale.add(at)), V::load(shift.add(at)))
                });
            }
            steps => {
                for step in steps {
                    apply::<V>(args, step);
                }
                each::<V>(args, |value, _| value);
            }
        }
    }
}

/// Stores each vector after a function of it and of its channel.
#[inline(always)]
unsafe fn each<V: Vector>(args: &FinishArgs, function: impl Fn(V, usize) -> V) {
    let to = args.to;
    // SAFETY: the caller's promise.
    unsafe {
        let mut cursor = Cursor::new(args.pixel, to.pixels);
        let mut sums = args.sums.cast_const();
        for _ in 0..args.pixels {
            let at =
                to.output.add(cursor.patch * to.slot + *to.offsets.add(cursor.pixel) as usize + args.channel);
            for c in 0..args.vectors {
                let value = function(V::load(sums), args.channel + c * V::LANES);
                value.store(at.add(c * V::LANES));
                sums = sums.add(V::LANES);
            }
            cursor.advance();
        }
    }
}

/// Applies a step in place.
#[inline(always)]
unsafe fn apply<V: Vector>(args: &FinishArgs, step: &FinishStep) {
    let sums = args.sums;
    // SAFETY: the caller's promise.
    unsafe {
        let line = args.vectors * V::LANES;
        match *step {
            FinishStep::Function(function) => in_place::<V>(sums, args.pixels * args.vectors, function),
            FinishStep::Affine { scale, shift } => {
                for c in 0..args.vectors {
                    let at = args.channel + c * V::LANES;
                    let (scale, shift) = (V::load(scale.add(at)), V::load(shift.add(at)));
                    for p in 0..args.pixels {
                        let at = sums.add(p * line + c * V::LANES);
                        V::load(at).mul_add(scale, shift).store(at);
                    }
                }
            }
            FinishStep::Binary { operation, other, slot, offsets } => {
                let mut cursor = Cursor::new(args.pixel, args.to.pixels);
                for p in 0..args.pixels {
                    let offset = offsets.map_or(0, |offsets| *offsets.add(cursor.pixel) as usize);
                    let other = other.add(cursor.patch * slot + offset + args.channel);
                    for c in 0..args.vectors {
                        let at = sums.add(p * line + c * V::LANES);
                        combine(operation, V::load(at), V::load(other.add(c * V::LANES))).store(at);
                    }
                    cursor.advance();
                }
            }
            FinishStep::Scalar { operation, other, slot } => {
                let mut cursor = Cursor::new(args.pixel, args.to.pixels);
                for p in 0..args.pixels {
                    let other = V::splat(*other.add(cursor.patch * slot));
                    for c in 0..args.vectors {
                        let at = sums.add(p * line + c * V::LANES);
                        combine(operation, V::load(at), other).store(at);
                    }
                    cursor.advance();
                }
            }
        }
    }
}

/// # Safety
/// The CPU has `V`'s instruction set.
#[inline(always)]
unsafe fn combine<V: Vector>(operation: Arithmetic, a: V, b: V) -> V {
    // SAFETY: the caller's promise.
    unsafe {
        match operation {
            Arithmetic::Add => a.add(b),
            Arithmetic::Sub => a.sub(b),
            Arithmetic::Mul => a.mul(b),
            Arithmetic::Max => a.maximum(b),
            Arithmetic::Min => V::splat(0.0).sub(V::splat(0.0).sub(a).maximum(V::splat(0.0).sub(b))),
            Arithmetic::Div => {
                let (mut x, mut y) = ([0.0f32; MAX_LANES], [0.0f32; MAX_LANES]);
                a.store(x.as_mut_ptr());
                b.store(y.as_mut_ptr());
                for (x, y) in x.iter_mut().zip(&y) {
                    *x /= y;
                }
                V::load(x.as_ptr())
            }
        }
    }
}

/// Applies a function to `count` vectors.
///
/// # Safety
/// The CPU has `V`'s instruction set, and the vectors can be read and written.
#[inline(always)]
pub(super) unsafe fn in_place<V: Vector>(values: *mut f32, count: usize, function: Function) {
    // SAFETY: the caller's promise. Where an operand is NaN, `max` and `min` give the second: so NaN stays.
    unsafe {
        let zero = V::splat(0.0);
        match function {
            Function::Relu => vectors::<V>(values, count, |x| zero.max(x)),
            Function::Clip(from, to) => {
                let (from, to) = (V::splat(from), V::splat(to));
                vectors::<V>(values, count, |x| to.min(from.max(x)));
            }
            Function::Leaky(factor) => {
                let factor = V::splat(factor);
                vectors::<V>(values, count, |x| x.mul(factor).max(x));
            }
            Function::Sigmoid => vectors::<V>(values, count, |x| x.sigmoid()),
            Function::Silu => vectors::<V>(values, count, |x| x.silu()),
            Function::Square => vectors::<V>(values, count, |x| x.mul(x)),
            Function::Abs => vectors::<V>(values, count, |x| zero.sub(x).max(x)),
            Function::Exp => numbers(values, count * V::LANES, transcendental::exp),
            Function::Log => numbers(values, count * V::LANES, transcendental::ln),
            // Rare ones, value by value.
            other => numbers(values, count * V::LANES, |x| other.of(x)),
        }
    }
}

#[inline(always)]
unsafe fn numbers(values: *mut f32, count: usize, function: impl Fn(f32) -> f32) {
    // SAFETY: the caller's promise.
    let values = unsafe { std::slice::from_raw_parts_mut(values, count) };
    values.iter_mut().for_each(|value| *value = function(*value));
}

#[inline(always)]
unsafe fn vectors<V: Vector>(values: *mut f32, count: usize, function: impl Fn(V) -> V) {
    // SAFETY: the caller's promise.
    unsafe {
        for i in 0..count {
            let at = values.add(i * V::LANES);
            function(V::load(at)).store(at);
        }
    }
}
