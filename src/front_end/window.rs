//! Analysis windows.

use super::parameters::Window;

/// The window of `size` samples. Essentia's are rounded to single precision, as in the training of the models; that of
/// VGGish's authors is not, and rounding it moves quiet bands of music by 1e-5.
///
/// The kind matters: a periodic Hann window in place of a symmetric one would change MusiCNN's bands by up to 0.07.
pub(super) fn window(kind: Window, size: usize) -> Vec<f64> {
    let (mean, swing, period, rounded) = match kind {
        Window::SymmetricHann => (0.5, 0.5, size - 1, true),
        Window::PeriodicHann => (0.5, 0.5, size, false),
        Window::PeriodicHamming => (0.54, 0.46, size, true),
    };
    let weight = |n: usize| {
        let exact = mean - swing * (std::f64::consts::TAU * n as f64 / period as f64).cos();
        if rounded { f64::from(exact as f32) } else { exact }
    };
    (0..size).map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symmetric_window_is_symmetric_and_its_ends_are_zero() {
        for size in [400, 512, 1024, 2048] {
            let window = window(Window::SymmetricHann, size);
            assert_eq!((window[0], window[size - 1]), (0.0, 0.0));
            for n in 0..size / 2 {
                assert!((window[n] - window[size - 1 - n]).abs() < 1e-7, "sample {n}");
                assert!(window[n] < window[n + 1] || n == size / 2 - 1, "sample {n}");
            }
            // The middle of a symmetric window of even length is between two samples.
            assert!(window[size / 2] < 1.0 && window[size / 2] > 0.9999);
        }
    }

    #[test]
    fn a_periodic_window_has_its_largest_value_in_the_middle() {
        for (kind, first) in [(Window::PeriodicHann, 0.0), (Window::PeriodicHamming, 0.08)] {
            let window = window(kind, 400);
            assert!((window[0] - first).abs() < 1e-7 && (window[200] - 1.0).abs() < 1e-7);
            assert!((1..200).all(|n| (window[200 - n] - window[200 + n]).abs() < 1e-7));
        }
    }
}
