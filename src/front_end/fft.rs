//! The power spectrum of 512 real samples, for several frames at once.
//!
//! A real transform of 512 points is computed by a complex one of 256, with the even samples as real parts and the odd
//! ones as imaginary parts. 256 = 16 x 16, so this is two passes of sixteen transforms of sixteen points, each in
//! registers as far as they suffice.

use std::array::from_fn;
use std::f64::consts::TAU;

use super::lanes::Lanes;
use super::musicnn::{BINS, FRAME_SIZE};

/// Points of the complex transform.
pub(super) const POINTS: usize = FRAME_SIZE / 2;
const RADIX: usize = 16;

/// One complex number per lane.
#[derive(Clone, Copy)]
pub(super) struct Complex<V> {
    pub(super) re: V,
    pub(super) im: V,
}

impl<V: Lanes> Complex<V> {
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Self { re: self.re + other.re, im: self.im + other.im }
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        Self { re: self.re - other.re, im: self.im - other.im }
    }

    /// Times `cos - i sin`.
    #[inline(always)]
    fn turned(self, cos: V, sin: V) -> Self {
        Self { re: self.re * cos + self.im * sin, im: self.im * cos - self.re * sin }
    }

    /// Times `-i`.
    #[inline(always)]
    fn turned_by_quarter(self) -> Self {
        Self { re: self.im, im: V::splat(0.0) - self.re }
    }

    /// Times `(1 - i) / sqrt(2)`.
    #[inline(always)]
    fn turned_by_eighth(self) -> Self {
        let half = V::splat(std::f32::consts::FRAC_1_SQRT_2);
        Self { re: (self.re + self.im) * half, im: (self.im - self.re) * half }
    }
}

/// Cosines and sines, computed in double and rounded once.
pub(super) struct Twiddles {
    /// Of `2 pi row column / 256`, between the passes.
    between: [[(f32, f32); RADIX]; RADIX],
    /// Of `2 pi bin / 512`, to separate the spectra of the even and the odd samples.
    parting: [(f32, f32); POINTS / 2 + 1],
}

impl Twiddles {
    pub(super) fn new() -> Self {
        Self {
            between: from_fn(|row| from_fn(|column| turn(row * column, POINTS))),
            parting: from_fn(|bin| turn(bin, FRAME_SIZE)),
        }
    }
}

/// `(cos, sin)` of `part / whole` of a full turn.
fn turn(part: usize, whole: usize) -> (f32, f32) {
    let (sin, cos) = (TAU * part as f64 / whole as f64).sin_cos();
    (cos as f32, sin as f32)
}

/// The transform of four points.
#[inline(always)]
fn transform_4<V: Lanes>(a: Complex<V>, b: Complex<V>, c: Complex<V>, d: Complex<V>) -> [Complex<V>; 4] {
    let (even, even_difference) = (a.plus(c), a.minus(c));
    let (odd, odd_difference) = (b.plus(d), b.minus(d));
    [
        even.plus(odd),
        even_difference.plus(odd_difference.turned_by_quarter()),
        even.minus(odd),
        even_difference.minus(odd_difference.turned_by_quarter()),
    ]
}

/// The transform of sixteen points, as four times four.
#[inline(always)]
fn transform_16<V: Lanes>(x: [Complex<V>; 16]) -> [Complex<V>; 16] {
    let [a0, a1, a2, a3] = transform_4(x[0], x[4], x[8], x[12]);
    let [b0, b1, b2, b3] = transform_4(x[1], x[5], x[9], x[13]);
    let [c0, c1, c2, c3] = transform_4(x[2], x[6], x[10], x[14]);
    let [d0, d1, d2, d3] = transform_4(x[3], x[7], x[11], x[15]);
    // Row `r` of column `c` is turned by `r c` sixteenths of a full turn.
    let (cos, sin) = (V::splat(0.923_879_5), V::splat(0.382_683_43));
    let (minus_cos, minus_sin) = (V::splat(-0.923_879_5), V::splat(-0.382_683_43));
    let b = [b0, b1.turned(cos, sin), b2.turned_by_eighth(), b3.turned(sin, cos)];
    let c = [c0, c1.turned_by_eighth(), c2.turned_by_quarter(), c3.turned_by_eighth().turned_by_quarter()];
    let d =
        [d0, d1.turned(sin, cos), d2.turned_by_eighth().turned_by_quarter(), d3.turned(minus_cos, minus_sin)];
    let [y0, y4, y8, y12] = transform_4(a0, b[0], c[0], d[0]);
    let [y1, y5, y9, y13] = transform_4(a1, b[1], c[1], d[1]);
    let [y2, y6, y10, y14] = transform_4(a2, b[2], c[2], d[2]);
    let [y3, y7, y11, y15] = transform_4(a3, b[3], c[3], d[3]);
    [y0, y1, y2, y3, y4, y5, y6, y7, y8, y9, y10, y11, y12, y13, y14, y15]
}

/// The position of value `bin` after [`transform`].
#[inline(always)]
const fn place(bin: usize) -> usize {
    RADIX * (bin % RADIX) + bin / RADIX
}

/// The complex transform of 256 points, in place, its output in the order of [`place`].
#[inline(always)]
fn transform<V: Lanes>(points: &mut [Complex<V>; POINTS], twiddles: &Twiddles) {
    for column in 0..RADIX {
        let mut sixteen = [points[column]; RADIX];
        for row in 1..RADIX {
            sixteen[row] = points[RADIX * row + column];
        }
        let sixteen = transform_16(sixteen);
        for row in 0..RADIX {
            let (cos, sin) = twiddles.between[column][row];
            points[RADIX * row + column] = sixteen[row].turned(V::splat(cos), V::splat(sin));
        }
    }
    for row in points.as_chunks_mut::<RADIX>().0 {
        *row = transform_16(*row);
    }
}

/// The power of every bin but the first and the last, which no band uses, from 512 samples as 256
/// complex points. `points` is overwritten; the powers are four times too large.
#[inline(always)]
pub(super) fn power_spectrum<V: Lanes>(
    points: &mut [Complex<V>; POINTS],
    power: &mut [V; BINS],
    twiddles: &Twiddles,
) {
    transform(points, twiddles);
    for bin in 1..=POINTS / 2 {
        let (z, mirrored) = (points[place(bin)], points[place(POINTS - bin)]);
        // Twice the spectra of the even and of the odd samples; the latter are then shifted by half a sample.
        let even = Complex { re: z.re + mirrored.re, im: z.im - mirrored.im };
        let odd = Complex { re: z.im + mirrored.im, im: mirrored.re - z.re };
        let (cos, sin) = twiddles.parting[bin];
        let odd = odd.turned(V::splat(cos), V::splat(sin));
        let (sum, difference) = (even.plus(odd), even.minus(odd));
        power[bin] = sum.re * sum.re + sum.im * sum.im;
        power[POINTS - bin] = difference.re * difference.re + difference.im * difference.im;
    }
}
