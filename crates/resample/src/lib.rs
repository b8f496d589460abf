//! A band-limited resampler for streams of mono samples: a windowed sinc, by rubato's synchronous resampler.
//!
//! rubato works in fixed blocks, delays its output by half a block and has no end of a signal. Here the stream is cut
//! into blocks, the delay is dropped at the start, and silence at the end flushes the last samples, so that output `k`
//! is exactly at input `k * input_rate / target_rate` and `N` inputs make `ceil(N * target_rate / input_rate)` outputs.
//!
//! It is a crate of its own because rustfft, below rubato, is compiled into whichever crate plans a transform: half of
//! the library's machine code, again for its unit tests, and again after each change.
//!
//! ```
//! let mut sinc = sleeve_resample::Sinc::new(44_100, 16_000)?;
//! let (mut input, mut output) = (vec![0.5; 44_100], Vec::new());
//! sinc.run(&mut input, &mut output)?;
//! sinc.finish(&mut input, &mut output)?;
//! assert_eq!(output.len(), 16_000);
//! # Ok::<(), sleeve_resample::Error>(())
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _, WindowFunction};

/// What rubato refuses: rates of 0 Hz.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The minimum length of a block, and so of the filter, in samples of the slower rate. At 16 kHz that is a
/// transition band of some 100 Hz below 8 kHz, and 64 ms of filter.
const BLOCK: usize = 1024;

/// A resampler with the state of one stream.
pub struct Sinc {
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
    /// Both rates in Hz. Memory and the length of the filter grow with the larger over the smaller term of their
    /// ratio in lowest terms.
    ///
    /// # Errors
    /// If a rate is 0.
    pub fn new(input_rate: u32, target_rate: u32) -> Result<Self, Error> {
        if input_rate == 0 || target_rate == 0 {
            return Err("a sample rate of 0 Hz".into());
        }
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
        )?;
        let (block_in, block_out) = (fft.input_frames_next(), fft.output_frames_next());
        let delay = fft.output_delay();
        Ok(Self { fft, block_in, block_out, delay, seen: 0, written: 0, rates: (input_rate, target_rate) })
    }

    /// Resets to the start of a signal.
    pub fn reset(&mut self) {
        self.fft.reset();
        self.delay = self.fft.output_delay();
        (self.seen, self.written) = (0, 0);
    }

    /// Appends to `out` what can be computed of `pending`, the samples not yet processed, and removes those from it.
    ///
    /// # Errors
    /// None that is known; rubato's signature has them.
    pub fn run(&mut self, pending: &mut Vec<f32>, out: &mut Vec<f32>) -> Result<(), Error> {
        let mut done = 0;
        while pending.len() - done >= self.block_in {
            self.block(&pending[done..done + self.block_in], out)?;
            done += self.block_in;
            self.seen += self.block_in as u64;
        }
        pending.drain(..done);
        Ok(())
    }

    /// Ends the signal with `pending`, and appends its last samples to `out`.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn finish(&mut self, pending: &mut Vec<f32>, out: &mut Vec<f32>) -> Result<(), Error> {
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
    fn block(&mut self, input: &[f32], out: &mut Vec<f32>) -> Result<(), Error> {
        let start = out.len();
        out.resize(start + self.block_out, 0.0);
        let from = SequentialSlice::new(input, 1, self.block_in)?;
        let mut to = SequentialSlice::new_mut(&mut out[start..], 1, self.block_out)?;
        self.fft.process_into_buffer(&from, &mut to, None::<&Indexing>)?;
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
