//! Linear interpolation, in the closed form of Essentia's `resampleQuality=4`.
//!
//! With `r` the rate ratio rounded to f32 (as in Essentia), output `k` is the signal at `k / r - 1`, linearly
//! interpolated; before the start of the signal it is the first sample. `N` inputs give `ceil(N * r)` outputs. Each
//! position is computed from the integer `k`, so that there is no drift over ten hours.

/// State of one stream. The samples are in the caller's buffer, whose first element is always the last sample of the
/// previous call.
pub(super) struct Linear {
    ratio: f64,
    /// Outputs so far.
    written: u64,
    /// Inputs so far.
    seen: u64,
}

impl Linear {
    pub(super) fn new(input_rate: u32, target_rate: u32, pending: &mut Vec<f32>) -> Self {
        let mut linear =
            Self { ratio: f64::from(target_rate as f32 / input_rate as f32), written: 0, seen: 0 };
        linear.reset(pending);
        linear
    }

    /// Resets to the start of a signal.
    pub(super) fn reset(&mut self, pending: &mut Vec<f32>) {
        pending.clear();
        // The sample before the first: replaced by the first one as soon as that is known.
        pending.push(0.0);
        (self.written, self.seen) = (0, 0);
    }

    /// The position of output `k`, in input samples.
    fn position(&self, k: u64) -> f64 {
        k as f64 / self.ratio - 1.0
    }

    pub(super) fn run(&mut self, pending: &mut Vec<f32>, out: &mut Vec<f32>) {
        let new = pending.len() - 1;
        if new == 0 {
            return;
        }
        if self.seen == 0 {
            pending[0] = pending[1];
        }
        // `pending[0]` is sample `seen - 1` of the signal. An output can be computed once both its neighbours are
        // known: while its position is before the newest sample.
        let before = self.seen as f64 - 1.0;
        let newest = (self.seen + new as u64) as f64 - 1.0;
        out.reserve((new as f64 * self.ratio) as usize + 2);
        loop {
            let position = self.position(self.written);
            if position >= newest {
                break;
            }
            // Never negative: all outputs before `pending[0]` were written by earlier calls, and before the
            // first sample comes a copy of it.
            let offset = position - before;
            let index = offset as usize;
            let (from, to) = (f64::from(pending[index]), f64::from(pending[index + 1]));
            out.push((from + (offset - index as f64) * (to - from)) as f32);
            self.written += 1;
        }
        self.seen += new as u64;
        pending[0] = pending[new];
        pending.truncate(1);
    }

    pub(super) fn finish(&mut self, pending: &[f32], out: &mut Vec<f32>) {
        // Rounding can put the very last output on the last sample itself, which `run` never reaches.
        let total = (self.seen as f64 * self.ratio).ceil() as u64;
        while self.written < total {
            out.push(pending[0]);
            self.written += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Converter, Resampler};

    /// The closed form on a whole signal, without optimisation.
    fn plain(mono: &[f32], input_rate: u32, target_rate: u32) -> Vec<f32> {
        let ratio = f64::from(target_rate as f32 / input_rate as f32);
        let length = (mono.len() as f64 * ratio).ceil() as usize;
        (0..length)
            .map(|k| {
                let position = k as f64 / ratio - 1.0;
                if position <= 0.0 {
                    return mono[0];
                }
                let index = (position as usize).min(mono.len() - 1);
                let next = (index + 1).min(mono.len() - 1);
                let fraction = position - index as f64;
                ((1.0 - fraction) * f64::from(mono[index]) + fraction * f64::from(mono[next])) as f32
            })
            .collect()
    }

    #[test]
    fn every_length_and_rate_agrees_with_the_closed_form() {
        let signal: Vec<f32> = (0..700).map(|n| ((n * n) as f32 * 0.01).sin()).collect();
        for rate in [8_000, 11_025, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000, 44_099]
        {
            for length in (0..64).chain([441, 700]) {
                let mono = &signal[..length];
                let mut converter = Converter::new(rate, 16_000, Resampler::Linear).unwrap();
                let mut out = Vec::new();
                for chunk in mono.chunks(7) {
                    converter.input().extend_from_slice(chunk);
                    converter.run(&mut out).unwrap();
                }
                converter.finish(&mut out).unwrap();
                let expected = plain(mono, rate, 16_000);
                assert_eq!(out.len(), expected.len(), "{length} samples at {rate} Hz");
                for (a, b) in out.iter().zip(&expected) {
                    assert!((a - b).abs() < 1e-6, "{a} for {b}: {length} samples at {rate} Hz");
                }
            }
        }
    }

    #[test]
    fn ten_hours_do_not_drift() {
        // A ramp modulo 1024 says where each output was taken, without keeping ten hours of samples.
        let rate = 44_100;
        let ratio = f64::from(16_000_f32 / rate as f32);
        let mut converter = Converter::new(rate, 16_000, Resampler::Linear).unwrap();
        let mut out = Vec::new();
        let mut written = 0_u64;
        for second in 0..36_000_u64 {
            let start = second * u64::from(rate);
            converter.input().extend((start..start + u64::from(rate)).map(|n| (n % 1024) as f32));
            out.clear();
            converter.run(&mut out).unwrap();
            if second >= 35_990 {
                for (k, sample) in (written..).zip(&out) {
                    let position = k as f64 / ratio - 1.0;
                    let expected = position % 1024.0;
                    if expected < 1023.0 {
                        assert!((f64::from(*sample) - expected).abs() < 1e-3, "{sample} for {expected}");
                    }
                }
            }
            written += out.len() as u64;
        }
        out.clear();
        converter.finish(&mut out).unwrap();
        assert_eq!(written + out.len() as u64, (36_000.0 * f64::from(rate) * ratio).ceil() as u64);
    }
}
