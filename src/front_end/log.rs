//! Logarithms on vectors.

use super::lanes::Single;

/// `Q` of `log10(1 + f) = f Q(f)` for `f` between `sqrt(1/2) - 1` and `sqrt(2) - 1`: least squares, with weights
/// increased where the error was largest until it was even. The largest error is 2e-8.
#[expect(clippy::approx_constant, reason = "fitted, and close to the series' log10(e)")]
const Q: [f32; 8] = [
    0.434_294_4,
    -0.217_149_99,
    0.144_776_91,
    -0.108_402_05,
    0.086_313_53,
    -0.075_234_525,
    0.071_267_68,
    -0.043_947_56,
];
/// `log10(2)` in two parts: the first has so few bits that its product with any exponent is exact.
const LOG10_2_HIGH: f32 = 0.300_781_25;
const LOG10_2_LOW: f32 = 2.487_456_6e-4;

/// `log10(value)` for normal positive values: within 5e-7 or a unit in the last place, exactly 0 at 1. Infinity and NaN
/// stay.
#[inline(always)]
pub(super) fn log10<V: Single>(value: V) -> V {
    let (exponent, mantissa) = value.exponent_and_mantissa();
    let f = mantissa - V::splat(1.0);
    let mut q = V::splat(Q[7]);
    for coefficient in Q[..7].iter().rev() {
        q = q * f + V::splat(*coefficient);
    }
    let small = f * q + exponent * V::splat(LOG10_2_LOW);
    value.if_finite(small + exponent * V::splat(LOG10_2_HIGH))
}

/// `ln(value)` as [`log10`], within 2e-6.
#[inline(always)]
pub(super) fn ln<V: Single>(value: V) -> V {
    log10(value) * V::splat(std::f32::consts::LN_10)
}

#[cfg(test)]
mod tests {
    use super::super::lanes::portable::Portable;
    use super::*;

    fn of(value: f32) -> f32 {
        let mut values = [value; 4];
        log10(Portable::load(&values)).store(&mut values);
        values[0]
    }

    #[test]
    fn close_to_the_standard_library_over_the_whole_range() {
        let mut worst = 0.0f64;
        // Every 97th float from the smallest normal one to the largest.
        for bits in (f32::MIN_POSITIVE.to_bits()..f32::INFINITY.to_bits()).step_by(97) {
            let value = f32::from_bits(bits);
            // A unit in the last place grows beyond 5e-7 from log10 = 8 on.
            let allowed = 1.0f64.max(f64::from(value).log10().abs() / 8.0);
            worst = worst.max((f64::from(of(value)) - f64::from(value).log10()).abs() / allowed);
        }
        assert!(worst < 5e-7, "{worst:e}");
    }

    #[test]
    fn exact_and_rising_near_one() {
        assert_eq!(of(1.0).to_bits(), 0);
        let one = 1.0f32.to_bits();
        let mut last = 0.0;
        for step in 1..200_000 {
            let now = of(f32::from_bits(one + step));
            assert!(now > last, "step {step}");
            last = now;
        }
    }

    #[test]
    fn what_is_not_finite_stays() {
        assert_eq!(of(f32::INFINITY), f32::INFINITY);
        assert!(of(f32::NAN).is_nan());
    }
}
