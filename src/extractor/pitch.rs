//! CREPE's bins as a pitch.

/// The pitch of the first bin, in cents above 10 Hz.
const LOWEST: f64 = 1_997.379_408_437_619;
/// From one bin to the next, in cents.
const STEP: f64 = 20.0;
/// Bins on each side of the strongest one that take part in the mean.
const AROUND: usize = 4;

/// `[Hz, confidence]` of one frame, as in Essentia's `PitchCREPE`: the mean of the bins within 4 of the strongest one,
/// weighted by their activations, and the activation of the strongest. NaN and silence of the network give `[0, 0]`.
pub(super) fn of_bins(activations: &[f32]) -> [f32; 2] {
    let Some((centre, confidence)) = strongest(activations) else { return [0.0; 2] };
    let first = centre.saturating_sub(AROUND);
    let near = &activations[first..(centre + AROUND + 1).min(activations.len())];
    let (mut weights, mut cents) = (0.0, 0.0);
    for (bin, &activation) in (first..).zip(near) {
        weights += f64::from(activation);
        cents += f64::from(activation) * (LOWEST + STEP * bin as f64);
    }
    let hertz = 10.0 * (cents / weights / 1200.0).exp2();
    if hertz.is_finite() { [hertz as f32, confidence] } else { [0.0; 2] }
}

/// The first of the largest values; `None` if there is none, or one is NaN.
pub(super) fn strongest(values: &[f32]) -> Option<(usize, f32)> {
    if values.iter().any(|value| value.is_nan()) {
        return None;
    }
    let first = (0, *values.first()?);
    let larger = |best: (usize, f32), next: (usize, f32)| if next.1 > best.1 { next } else { best };
    Some(values.iter().copied().enumerate().fold(first, larger))
}

/// The pitch of a recording from those of its frames, `[Hz, confidence]` each: the median of the frames with a
/// confidence of at least 0.5, and their share of all frames. `None` if there is none.
pub fn median_pitch<'a>(frames: impl IntoIterator<Item = &'a [f32]>) -> Option<[f32; 2]> {
    let (mut pitches, mut count) = (Vec::new(), 0u64);
    for frame in frames {
        let &[hertz, confidence] = frame else { continue };
        count += 1;
        if confidence >= 0.5 {
            pitches.push(hertz);
        }
    }
    let middle = pitches.len() / 2;
    if pitches.is_empty() {
        return None;
    }
    let (_, median, _) = pitches.select_nth_unstable_by(middle, f32::total_cmp);
    let median = *median;
    Some([median, (pitches.len() as f64 / count as f64) as f32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pitch_is_between_its_bins() {
        let mut bins = vec![0.0; 360];
        bins[100] = 0.8;
        let [hertz, confidence] = of_bins(&bins);
        let expected = 10.0 * ((LOWEST + 2000.0) / 1200.0).exp2();
        assert!((f64::from(hertz) - expected).abs() < 1e-4 && confidence == 0.8, "{hertz}");
        bins[101] = 0.8;
        let [between, _] = of_bins(&bins);
        assert!((1200.0 * (f64::from(between) / expected).log2() - 10.0).abs() < 1e-3, "{between}");
        // Bins further away, and those beyond the ends, do not count.
        bins[110] = 0.7;
        assert_eq!(of_bins(&bins)[0], between);
        let mut last = vec![0.0; 360];
        last[359] = 1.0;
        assert!((of_bins(&last)[0] - 2005.5).abs() < 0.5, "{}", of_bins(&last)[0]);
    }

    #[test]
    fn what_has_no_pitch_gives_zero() {
        assert_eq!(of_bins(&[f32::NAN; 360]), [0.0; 2]);
        assert_eq!(of_bins(&[0.0; 360]), [0.0; 2]);
        assert_eq!(of_bins(&[]), [0.0; 2]);
    }

    #[test]
    fn the_median_is_over_confident_frames() {
        let frames = [[100.0, 0.9], [900.0, 0.1], [110.0, 0.5], [105.0, 0.7]];
        assert_eq!(median_pitch(frames.iter().map(|frame| &frame[..])), Some([105.0, 0.75]));
        assert_eq!(median_pitch([&[1.0f32, 0.2][..]]), None);
    }
}
