//! A band-limited windowed sinc, by rubato's synchronous resampler.
//!
//! rubato works in fixed blocks, delays its output by half a block and has no end of a signal. Here the stream is cut
//! into blocks, the delay is dropped at the start, and silence at the end flushes the last samples, so that output `k`
//! is exactly at input `k * input_rate / target_rate` and `N` inputs make `ceil(N * target_rate / input_rate)` outputs.

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _, WindowFunction};

use crate::{Error, Result};

/// The minimum length of a block, and so of the filter, in samples of the slower rate. At 16 kHz that is a
/// transition band of some 100 Hz below 8 kHz, and 64 ms of filter.
const BLOCK: usize = 1024;

pub(super) struct Sinc {
    fft: Fft<f32>,
    /// Samples per block, in and out.
    block_in: usize,
    block_out: usize,
    /// Outputs of rubato still to be dropped, because they precede the first input.
    delay: usize,
    /// Input and output samples so far.
    seen: u64,
    written: u64,
    rates: (u32, u32),
}

impl Sinc {
    pub(super) fn new(input_rate: u32, target_rate: u32) -> Result<Self> {
        let divisor = gcd(input_rate, target_rate);
        let (unit_in, unit_out) = ((input_rate / divisor) as usize, (target_rate / divisor) as usize);
        // An even number of units, so that half a block is a whole number of samples on both sides.
        let units = BLOCK.div_ceil(unit_in.min(unit_out)).next_multiple_of(2);
        let fft = Fft::new_custom(
            input_rate as usize,
            target_rate as usize,
            units * unit_in,
            1,
            1,
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .map_err(|error| Error::InvalidArgument(format!("sinc resampler: {error}")))?;
        let (block_in, block_out) = (fft.input_frames_next(), fft.output_frames_next());
        let delay = fft.output_delay();
        Ok(Self { fft, block_in, block_out, delay, seen: 0, written: 0, rates: (input_rate, target_rate) })
    }

    /// Resets to the start of a signal.
    pub(super) fn reset(&mut self) {
        self.fft.reset();
        self.delay = self.fft.output_delay();
        (self.seen, self.written) = (0, 0);
    }

    pub(super) fn run(&mut self, pending: &mut Vec<f32>, out: &mut Vec<f32>) -> Result<()> {
        let mut done = 0;
        while pending.len() - done >= self.block_in {
            self.block(&pending[done..done + self.block_in], out)?;
            done += self.block_in;
            self.seen += self.block_in as u64;
        }
        pending.drain(..done);
        Ok(())
    }

    pub(super) fn finish(&mut self, pending: &mut Vec<f32>, out: &mut Vec<f32>) -> Result<()> {
        self.seen += pending.len() as u64;
        let (input_rate, target_rate) = self.rates;
        let total = (u128::from(self.seen) * u128::from(target_rate)).div_ceil(u128::from(input_rate)) as u64;
        while self.written < total {
            pending.resize(self.block_in, 0.0);
            self.block(pending, out)?;
            pending.clear();
        }
        out.truncate(out.len() - (self.written - total) as usize);
        self.written = total;
        Ok(())
    }

    /// Resamples one block.
    fn block(&mut self, input: &[f32], out: &mut Vec<f32>) -> Result<()> {
        let start = out.len();
        out.resize(start + self.block_out, 0.0);
        let broken =
            |error: &dyn std::fmt::Display| Error::InvalidArgument(format!("sinc resampler: {error}"));
        let from = SequentialSlice::new(input, 1, self.block_in).map_err(|error| broken(&error))?;
        let mut to =
            SequentialSlice::new_mut(&mut out[start..], 1, self.block_out).map_err(|error| broken(&error))?;
        self.fft.process_into_buffer(&from, &mut to, None::<&Indexing>).map_err(|error| broken(&error))?;
        let dropped = self.delay.min(self.block_out);
        out.drain(start..start + dropped);
        self.delay -= dropped;
        self.written += (self.block_out - dropped) as u64;
        Ok(())
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::super::{Converter, Resampler};

    const RATES: [u32; 9] = [8_000, 11_025, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000];

    fn convert(signal: &[f32], rate: u32) -> Vec<f32> {
        let mut converter = Converter::new(rate, 16_000, Resampler::Sinc).unwrap();
        let mut out = Vec::new();
        for chunk in signal.chunks(1000) {
            converter.input().extend_from_slice(chunk);
            converter.run(&mut out).unwrap();
        }
        converter.finish(&mut out).unwrap();
        assert_eq!(out.len(), (signal.len() * 16_000).div_ceil(rate as usize), "length at {rate} Hz");
        out
    }

    fn sine(frequency: f64, rate: u32, length: usize) -> Vec<f32> {
        (0..length).map(|n| (TAU * frequency * n as f64 / f64::from(rate)).sin() as f32).collect()
    }

    #[test]
    fn tones_below_both_nyquists_come_through_in_place() {
        for rate in RATES {
            let highest = 0.45 * f64::from(rate.min(16_000));
            for frequency in [100.0, 0.37 * highest, highest] {
                let out = convert(&sine(frequency, rate, 2 * rate as usize), rate);
                // Away from the ends, where the signal starts and stops abruptly.
                for (k, sample) in out.iter().enumerate().skip(4000).take(out.len() - 8000) {
                    let expected = (TAU * frequency * k as f64 / 16_000.0).sin();
                    let error = (f64::from(*sample) - expected).abs();
                    assert!(error < 1e-4, "{frequency} Hz at {rate} Hz: off by {error} at {k}");
                }
            }
        }
    }

    #[test]
    fn tones_above_the_new_nyquist_are_gone() {
        for rate in RATES.into_iter().filter(|rate| *rate > 17_000) {
            let nyquist = f64::from(rate) / 2.0;
            for frequency in [8_100.0, 0.5 * (8_000.0 + nyquist), 0.98 * nyquist] {
                let out = convert(&sine(frequency, rate, 2 * rate as usize), rate);
                let loudest =
                    out[4000..out.len() - 4000].iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
                let decibels = 20.0 * loudest.log10();
                assert!(decibels < -80.0, "{frequency} Hz at {rate} Hz: {decibels} dB");
            }
        }
    }

    #[test]
    fn impulses_stay_where_they_are() {
        for rate in RATES {
            // At a multiple of the rates' ratio, so that an output falls exactly on it.
            let output = 3200;
            let input = output * rate as usize / 16_000;
            let mut signal = vec![0.0; rate as usize];
            signal[input] = 1.0;
            let out = convert(&signal, rate);
            let peak = (0..out.len()).max_by(|a, b| out[*a].total_cmp(&out[*b])).unwrap();
            assert_eq!(peak, output, "{rate} Hz");
            for distance in 1..500 {
                let (before, after) = (out[output - distance], out[output + distance]);
                assert!((before - after).abs() < 1e-5, "{rate} Hz: not symmetric at {distance}");
            }
        }
    }

    #[test]
    fn short_signals_keep_their_length() {
        for rate in RATES.into_iter().chain([44_099]) {
            for length in [0, 1, 2, 3, 17, 1000, 5000] {
                convert(&vec![0.25; length], rate);
            }
        }
    }
}
