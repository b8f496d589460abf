//! The analysis window.

use super::musicnn::FRAME_SIZE;

/// A symmetric Hann window: both ends are zero, and the divisor is 511, not 512.
///
/// It is computed in double precision and rounded once, as in the training of the models. The more usual periodic form
/// would change the bands by up to 0.07.
pub(super) fn hann() -> [f32; FRAME_SIZE] {
    std::array::from_fn(|n| {
        let phase = std::f64::consts::TAU * n as f64 / (FRAME_SIZE - 1) as f64;
        (0.5 - 0.5 * phase.cos()) as f32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_symmetric_and_its_ends_are_zero() {
        let window = hann();
        assert_eq!(window[0], 0.0);
        assert_eq!(window[FRAME_SIZE - 1], 0.0);
        for n in 0..FRAME_SIZE / 2 {
            assert!((window[n] - window[FRAME_SIZE - 1 - n]).abs() < 1e-7, "sample {n}");
            assert!(window[n] < window[n + 1] || n == FRAME_SIZE / 2 - 1, "sample {n}");
        }
        // The middle of a symmetric window of even length is between two samples.
        assert!(window[FRAME_SIZE / 2] < 1.0 && window[FRAME_SIZE / 2] > 0.99998);
    }
}
