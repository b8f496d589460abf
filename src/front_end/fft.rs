//! The power spectrum of 512, 1024 or 2048 real samples, for several frames at once.
//!
//! A real transform is computed by a complex one of half as many points, with the even samples as real parts and the
//! odd ones as imaginary parts. 256 = 16 x 16, so that one of 256 points is two passes of sixteen transforms of sixteen
//! points, each in registers as far as they suffice. One of 512 or 1024 points is split into two or four of 256 first,
//! which `input` does while it reads the samples.

use std::array::from_fn;
use std::f64::consts::TAU;

use super::lanes::{Lanes, Single, Value};
use super::parameters::Spectrum;

const RADIX: usize = 16;
/// Points of the transform that larger ones are split into.
pub(super) const PART: usize = RADIX * RADIX;

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
    pub(super) fn turned(self, cos: V, sin: V) -> Self {
        Self { re: self.re * cos + self.im * sin, im: self.im * cos - self.re * sin }
    }

    /// Plus `-i` times another.
    #[inline(always)]
    fn plus_quarter(self, other: Self) -> Self {
        Self { re: self.re + other.im, im: self.im - other.re }
    }

    /// Minus `-i` times another.
    #[inline(always)]
    fn minus_quarter(self, other: Self) -> Self {
        Self { re: self.re - other.im, im: self.im + other.re }
    }

    /// Times `-i`.
    #[inline(always)]
    fn turned_by_quarter(self) -> Self {
        Self { re: self.im, im: V::constant(0.0) - self.re }
    }

    /// Times `(1 - i) / sqrt(2)`.
    #[inline(always)]
    fn turned_by_eighth(self) -> Self {
        let half = V::constant(std::f64::consts::FRAC_1_SQRT_2);
        Self { re: (self.re + self.im) * half, im: (self.im - self.re) * half }
    }
}

/// A cosine and the sine of the same angle.
pub(super) type Turn<T> = (T, T);

/// Cosines and sines, computed in double and rounded once.
pub(super) struct Twiddles<T> {
    /// Of `2 pi n part / points`, the parts from the second on, for each point `n` of a part.
    pub(super) splitting: Vec<Box<[Turn<T>; PART]>>,
    /// Of `2 pi row column / 256`, between the passes.
    between: [[Turn<T>; RADIX]; RADIX],
    /// Of `2 pi bin / (2 points)` for bins up to `points / 2`, to separate the spectra of the even and the odd samples.
    parting: Vec<Turn<T>>,
}

impl<T: Value> Twiddles<T> {
    /// For complex transforms of `points` points: 256, 512 or 1024.
    pub(super) fn new(points: usize) -> Self {
        let splitting = |part: usize| Box::new(from_fn(|n| turn(n * part, points)));
        Self {
            splitting: (1..points / PART).map(splitting).collect(),
            between: from_fn(|row| from_fn(|column| turn(row * column, PART))),
            parting: (0..=points / 2).map(|bin| turn(bin, 2 * points)).collect(),
        }
    }
}

/// `(cos, sin)` of `part / whole` of a full turn.
fn turn<T: Value>(part: usize, whole: usize) -> Turn<T> {
    let (sin, cos) = (TAU * part as f64 / whole as f64).sin_cos();
    (T::rounded(cos), T::rounded(sin))
}

/// The transform of four points.
#[inline(always)]
pub(super) fn transform_4<V: Lanes>(
    a: Complex<V>,
    b: Complex<V>,
    c: Complex<V>,
    d: Complex<V>,
) -> [Complex<V>; 4] {
    let (even, even_difference) = (a.plus(c), a.minus(c));
    let (odd, odd_difference) = (b.plus(d), b.minus(d));
    [
        even.plus(odd),
        even_difference.plus_quarter(odd_difference),
        even.minus(odd),
        even_difference.minus_quarter(odd_difference),
    ]
}

/// The transform of four points of which the last two are 0.
#[inline(always)]
pub(super) fn transform_4_of_2<V: Lanes>(a: Complex<V>, b: Complex<V>) -> [Complex<V>; 4] {
    [a.plus(b), a.plus_quarter(b), a.minus(b), a.minus_quarter(b)]
}

/// The transform of two points.
#[inline(always)]
pub(super) fn transform_2<V: Lanes>(a: Complex<V>, b: Complex<V>) -> [Complex<V>; 2] {
    [a.plus(b), a.minus(b)]
}

const COS_PI_8: f64 = 0.923_879_532_511_286_7;
const SIN_PI_8: f64 = 0.382_683_432_365_089_8;

/// The transform of sixteen points, as four times four.
#[inline(always)]
fn transform_16<V: Lanes>(x: [Complex<V>; 16]) -> [Complex<V>; 16] {
    let [a0, a1, a2, a3] = transform_4(x[0], x[4], x[8], x[12]);
    let [b0, b1, b2, b3] = transform_4(x[1], x[5], x[9], x[13]);
    let [c0, c1, c2, c3] = transform_4(x[2], x[6], x[10], x[14]);
    let [d0, d1, d2, d3] = transform_4(x[3], x[7], x[11], x[15]);
    // Row `r` of column `c` is turned by `r c` sixteenths of a full turn.
    let (cos, sin) = (V::constant(COS_PI_8), V::constant(SIN_PI_8));
    let (minus_cos, minus_sin) = (V::constant(-COS_PI_8), V::constant(-SIN_PI_8));
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

/// The position of value `bin` after the transform of `points` points.
#[inline(always)]
const fn place(bin: usize, points: usize) -> usize {
    let parts = points / PART;
    let within = bin / parts;
    PART * (bin % parts) + RADIX * (within % RADIX) + within / RADIX
}

/// The complex transform of 256 points, in place.
#[inline(always)]
fn transform_part<V: Lanes>(points: &mut [Complex<V>; PART], between: &[[Turn<V::Value>; RADIX]; RADIX]) {
    for column in 0..RADIX {
        let mut sixteen = [points[column]; RADIX];
        for row in 1..RADIX {
            sixteen[row] = points[RADIX * row + column];
        }
        let sixteen = transform_16(sixteen);
        for row in 0..RADIX {
            let (cos, sin) = between[column][row];
            points[RADIX * row + column] = sixteen[row].turned(V::splat(cos), V::splat(sin));
        }
    }
    for row in points.as_chunks_mut::<RADIX>().0 {
        *row = transform_16(*row);
    }
}

/// The power of every bin but that of 0 Hz, which no band uses, from the samples as complex points: `power[0]` is the
/// bin 1. Or of its square root, the magnitude. `points` are as `input` loads them, and are overwritten; the powers are
/// four times too large.
#[inline(always)]
pub(super) fn spectrum<V: Lanes, const POINTS: usize>(
    points: &mut [Complex<V>; POINTS],
    spectrum: &mut [V::Single; POINTS],
    twiddles: &Twiddles<V::Value>,
    kind: Spectrum,
) {
    for part in points.as_chunks_mut::<PART>().0 {
        transform_part(part, &twiddles.between);
    }
    for (bin, &(cos, sin)) in (1..=POINTS / 2).zip(&twiddles.parting[1..]) {
        let (z, mirrored) = (points[place(bin, POINTS)], points[place(POINTS - bin, POINTS)]);
        // Twice the spectra of the even and of the odd samples; the latter are then shifted by half a sample.
        let even = Complex { re: z.re + mirrored.re, im: z.im - mirrored.im };
        let odd = Complex { re: z.im + mirrored.im, im: mirrored.re - z.re };
        let odd = odd.turned(V::splat(cos), V::splat(sin));
        let (sum, difference) = (even.plus(odd), even.minus(odd));
        spectrum[bin - 1] = value(sum, kind);
        spectrum[POINTS - bin - 1] = value(difference, kind);
    }
    let half = points[0].re - points[0].im;
    spectrum[POINTS - 1] = value(Complex { re: half + half, im: V::constant(0.0) }, kind);
}

#[inline(always)]
fn value<V: Lanes>(bin: Complex<V>, kind: Spectrum) -> V::Single {
    let power = (bin.re * bin.re + bin.im * bin.im).round();
    match kind {
        Spectrum::Power => power,
        Spectrum::Magnitude => power.sqrt(),
    }
}
