//! FSD-SINet's normalisation of a recording, which comes before its front end.

/// Added to the largest magnitude, so that the largest sample is a little below 1.
const HEADROOM: f32 = 0.005;

/// What a whole recording is normalised by, as `TensorflowPredictFSDSINet` does: the mean is subtracted, and the result
/// divided by its largest magnitude plus 0.005. Gather it in a first pass over the samples, in any pieces, and
/// [`apply`](Self::apply) it in a second, before [`FrontEnd::FsdSinet`](super::FrontEnd::FsdSinet).
///
/// ```
/// use sleeve::front_end::RecordingScale;
///
/// let mut samples = [0.5, 0.5, 1.5, -0.5];
/// let mut scale = RecordingScale::new();
/// scale.push(&samples[..1]);
/// scale.push(&samples[1..]);
/// assert_eq!((scale.mean(), scale.divisor()), (0.5, 1.005));
/// scale.apply(&mut samples);
/// assert_eq!(samples, [0.0, 0.0, 1.0 / 1.005, -1.0 / 1.005]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RecordingScale {
    /// In single precision and in the order of the samples, as in Essentia: in a long recording the rounding of this
    /// sum is more than that of everything else.
    sum: f32,
    count: u64,
    smallest: f32,
    largest: f32,
}

impl RecordingScale {
    /// Nothing seen so far.
    pub fn new() -> Self {
        Self { sum: 0.0, count: 0, smallest: f32::INFINITY, largest: f32::NEG_INFINITY }
    }

    /// Takes the next samples.
    pub fn push(&mut self, samples: &[f32]) {
        self.count += samples.len() as u64;
        for &sample in samples {
            self.sum += sample;
        }
        // Apart from the sum, which has to wait for each addition.
        self.smallest = samples.iter().fold(self.smallest, |least, &sample| least.min(sample));
        self.largest = samples.iter().fold(self.largest, |most, &sample| most.max(sample));
    }

    /// The mean of the samples; 0 if there are none.
    pub fn mean(&self) -> f32 {
        if self.count == 0 { 0.0 } else { self.sum / self.count as f32 }
    }

    /// What the centred samples are divided by.
    pub fn divisor(&self) -> f32 {
        if self.count == 0 {
            return HEADROOM;
        }
        // Rounding keeps the order, so the largest magnitude is that of one of the extremes.
        let mean = self.mean();
        (self.largest - mean).abs().max((self.smallest - mean).abs()) + HEADROOM
    }

    /// The same of the recording with all samples multiplied by `gain`, which is positive.
    pub(crate) fn amplified(self, gain: f32) -> Self {
        let Self { sum, count, smallest, largest } = self;
        Self { sum: sum * gain, count, smallest: smallest * gain, largest: largest * gain }
    }

    /// Normalises samples of the recording.
    pub fn apply(&self, samples: &mut [f32]) {
        let (mean, divisor) = (self.mean(), self.divisor());
        samples.iter_mut().for_each(|sample| *sample = (*sample - mean) / divisor);
    }
}

impl Default for RecordingScale {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_over_the_whole_recording_in_single_precision() {
        let mut state = 3u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state as f32 / u32::MAX as f32 - 0.4
        };
        let samples: Vec<f32> = (0..100_000).map(|_| next()).collect();
        let mut mean = 0.0f32;
        samples.iter().for_each(|sample| mean += sample);
        mean /= samples.len() as f32;
        let centred: Vec<f32> = samples.iter().map(|sample| sample - mean).collect();
        let largest = centred.iter().fold(0.0f32, |most, sample| most.max(sample.abs()));
        let expected: Vec<f32> = centred.iter().map(|sample| sample / (largest + 0.005)).collect();
        for piece in [1, 777, 100_000] {
            let mut scale = RecordingScale::new();
            samples.chunks(piece).for_each(|chunk| scale.push(chunk));
            let mut found = samples.clone();
            found.chunks_mut(333).for_each(|chunk| scale.apply(chunk));
            assert_eq!(found, expected, "pieces of {piece}");
        }
    }

    #[test]
    fn silence_stays_silence() {
        for count in [0, 1, 1000] {
            let mut scale = RecordingScale::new();
            let mut samples = vec![0.0; count];
            scale.push(&samples);
            scale.apply(&mut samples);
            assert!(samples.iter().all(|&sample| sample == 0.0) && scale.divisor() == 0.005);
        }
    }
}
