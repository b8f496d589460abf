//! `exp` and `ln` without branches and calls, so that the compiler makes vectors of a loop over them. The same bits in
//! every kernel set and on every system, where the standard library's are those of the system's C library. The polynomials are those of Cephes, for single precision.

use std::f32::consts::LOG2_E;

/// ln 2, in two parts: products of the first with small whole numbers are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// `e^x`, within two units in the last place.
#[inline(always)]
pub(in crate::engine::fused) fn exp(x: f32) -> f32 {
    /// Added and taken away again, it rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    const P: [f32; 6] = [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1];
    // Beyond these it is infinite or 0. NaN stays, for it compares with nothing.
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -104.0 { -104.0 } else { x };
    let n = x * LOG2_E + ROUND - ROUND;
    let r = x - n * LN_2[0] - n * LN_2[1];
    let mut p = P[0];
    for coefficient in &P[1..] {
        p = p * r + coefficient;
    }
    let y = p * r * r + r + 1.0;
    // In two steps, for 2^n alone may have no exponent.
    let n = n as i32;
    let half = n >> 1;
    let power = |n: i32| f32::from_bits(((n + 127) << 23) as u32);
    y * power(half) * power(n - half)
}

/// The natural logarithm, within two units in the last place; of a denormal number it is that of 0.
#[inline(always)]
pub(in crate::engine::fused) fn ln(x: f32) -> f32 {
    const P: [f32; 9] = [
        7.037_683_6e-2,
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ];
    let bits = x.to_bits();
    // x = m * 2^e with m from sqrt(1/2) to sqrt(2).
    let e = ((bits >> 23) & 0xff) as i32 - 126;
    let m = f32::from_bits(bits & 0x7f_ffff | 0x3f00_0000);
    let is_small = m < std::f32::consts::FRAC_1_SQRT_2;
    let e = (if is_small { e - 1 } else { e }) as f32;
    let m = if is_small { m + m - 1.0 } else { m - 1.0 };
    let z = m * m;
    let mut p = P[0];
    for coefficient in &P[1..] {
        p = p * m + coefficient;
    }
    let y = m * z * p + e * LN_2[1] - 0.5 * z;
    let y = m + y + e * LN_2[0];
    let y = if x < f32::MIN_POSITIVE { f32::NEG_INFINITY } else { y };
    let y = if x < 0.0 { f32::NAN } else { y };
    // Infinity and NaN stay.
    if x < f32::INFINITY { y } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error in units of the last place, over floats of all sizes between two.
    fn worst(from: f32, to: f32, found: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64) -> f64 {
        let mut worst = 0.0f64;
        for step in 0..200_000 {
            let x = from + (to - from) * (step as f32 / 200_000.0);
            let expected = exact(f64::from(x));
            let unit = f64::from(expected as f32).abs().max(f64::from(f32::MIN_POSITIVE)) * 2f64.powi(-23);
            worst = worst.max((f64::from(found(x)) - expected).abs() / unit);
        }
        worst
    }

    #[test]
    fn close_to_double_precision() {
        for (from, to) in [(-87.0, 88.7), (-1.0, 1.0), (-1e-3, 1e-3)] {
            let error = worst(from, to, exp, f64::exp);
            assert!(error < 2.0, "exp, {from} to {to}: {error}");
        }
        for (from, to) in [(2.0, 1e6), (1e-30, 0.4), (1e5, 3e38)] {
            let error = worst(from, to, ln, f64::ln);
            assert!(error < 2.0, "ln, {from} to {to}: {error}");
        }
        // Near 1 the logarithm is near 0.
        let near = (0..100_000).map(|step| 0.5 + step as f32 / 66_666.0);
        let error = near.map(|x| (f64::from(ln(x)) - f64::from(x).ln()).abs()).fold(0.0, f64::max);
        assert!(error < 1e-7, "{error}");
    }

    #[test]
    fn what_is_not_ordinary() {
        assert_eq!((exp(0.0), exp(f32::NEG_INFINITY), exp(-200.0)), (1.0, 0.0, 0.0));
        assert_eq!((exp(f32::INFINITY), exp(88.8)), (f32::INFINITY, f32::INFINITY));
        assert_eq!((ln(1.0), ln(0.0), ln(-0.0)), (0.0, f32::NEG_INFINITY, f32::NEG_INFINITY));
        assert_eq!(ln(f32::INFINITY), f32::INFINITY);
        assert!(exp(f32::NAN).is_nan() && ln(f32::NAN).is_nan());
        assert!(ln(-1.0).is_nan() && ln(f32::NEG_INFINITY).is_nan());
    }
}
