//! Resampling of mono audio, as a stream.

mod linear;

use std::fmt;
use std::str::FromStr;

use sleeve_resample::Sinc;

use crate::{Error, Result};
use linear::Linear;

/// How audio is resampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Resampler {
    /// Linear interpolation, exactly as Essentia's `resampleQuality=4`, with its aliasing and half-sample delay. The
    /// default, because published models were trained on it.
    #[default]
    Linear,
    /// A band-limited windowed sinc, for models that were trained on it and for listening.
    Sinc,
}

impl Resampler {
    /// Its name on the command line and in metadata: `linear` or `sinc`.
    pub fn name(self) -> &'static str {
        match self {
            Resampler::Linear => "linear",
            Resampler::Sinc => "sinc",
        }
    }
}

impl fmt::Display for Resampler {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Resampler {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "linear" => Ok(Resampler::Linear),
            "sinc" => Ok(Resampler::Sinc),
            _ => Err(Error::InvalidArgument(format!("unknown resampler `{name}`; known: linear, sinc"))),
        }
    }
}

/// The supported rates in Hz. The range covers all recordings; its limits bound the size of the sinc's tables and the
/// number of outputs per input, which a damaged header could make arbitrarily large.
pub(super) const RATES: std::ops::RangeInclusive<u32> = 1_000..=768_000;

/// A stream of mono samples that is resampled.
pub(super) struct Converter {
    /// Input samples; those that `method` still needs stay here between calls.
    pending: Vec<f32>,
    method: Method,
}

enum Method {
    Same,
    Linear(Linear),
    Sinc(Box<Sinc>),
}

impl Converter {
    /// Both rates in Hz, within [`RATES`].
    pub(super) fn new(input_rate: u32, target_rate: u32, resampler: Resampler) -> Result<Self> {
        for rate in [input_rate, target_rate] {
            if !RATES.contains(&rate) {
                let (lowest, highest) = (RATES.start(), RATES.end());
                return Err(Error::InvalidArgument(format!(
                    "a sample rate of {rate} Hz is outside {lowest}..{highest} Hz"
                )));
            }
        }
        let mut pending = Vec::new();
        let method = match resampler {
            _ if input_rate == target_rate => Method::Same,
            Resampler::Linear => Method::Linear(Linear::new(input_rate, target_rate, &mut pending)),
            Resampler::Sinc => Method::Sinc(Box::new(Sinc::new(input_rate, target_rate).map_err(refused)?)),
        };
        Ok(Self { pending, method })
    }

    /// The buffer to which the next input samples are appended, without another copy.
    pub(super) fn input(&mut self) -> &mut Vec<f32> {
        &mut self.pending
    }

    /// Appends every output sample that can be computed from the input so far.
    pub(super) fn run(&mut self, out: &mut Vec<f32>) -> Result<()> {
        match &mut self.method {
            Method::Same => out.append(&mut self.pending),
            Method::Linear(linear) => linear.run(&mut self.pending, out),
            Method::Sinc(sinc) => sinc.run(&mut self.pending, out).map_err(refused)?,
        }
        Ok(())
    }

    /// Ends the signal and appends its last samples.
    pub(super) fn finish(&mut self, out: &mut Vec<f32>) -> Result<()> {
        self.run(out)?;
        match &mut self.method {
            Method::Same => {}
            Method::Linear(linear) => linear.finish(&self.pending, out),
            Method::Sinc(sinc) => sinc.finish(&mut self.pending, out).map_err(refused)?,
        }
        Ok(())
    }

    /// Discards the signal so far, and keeps its memory for the next one.
    pub(super) fn reset(&mut self) {
        self.pending.clear();
        match &mut self.method {
            Method::Same => {}
            Method::Linear(linear) => linear.reset(&mut self.pending),
            Method::Sinc(sinc) => sinc.reset(),
        }
    }
}

fn refused(error: sleeve_resample::Error) -> Error {
    Error::InvalidArgument(format!("sinc resampler: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for resampler in [Resampler::Linear, Resampler::Sinc] {
            assert_eq!(resampler.to_string().parse::<Resampler>().unwrap(), resampler);
        }
        assert!("cubic".parse::<Resampler>().unwrap_err().to_string().contains("cubic"));
    }

    #[test]
    fn absurd_rates_are_refused() {
        for (input, target) in [(0, 16_000), (16_000, 0), (u32::MAX, 16_000), (999, 16_000)] {
            for resampler in [Resampler::Linear, Resampler::Sinc] {
                assert!(matches!(
                    Converter::new(input, target, resampler),
                    Err(Error::InvalidArgument(message)) if message.contains("sample rate")
                ));
            }
        }
    }
}
