//! Mono samples from one rate to another, as a stream.

mod linear;
mod sinc;

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};
use linear::Linear;
use sinc::Sinc;

/// How samples are taken to another rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Resampler {
    /// Linear interpolation, exactly as Essentia's `resampleQuality=4`. The default: published models were
    /// trained on it, aliasing and half-sample delay included.
    #[default]
    Linear,
    /// A band-limited windowed sinc, for models that were trained on it and for ears.
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
            _ => Err(Error::InvalidArgument(format!("resampler {name:?}: must be \"linear\" or \"sinc\""))),
        }
    }
}

/// The rates that are accepted, in Hz. Wider than any recording, and narrow enough that neither the sinc's
/// tables nor the number of samples out per sample in can be driven to absurdity by a header.
pub(super) const RATES: std::ops::RangeInclusive<u32> = 1_000..=768_000;

/// A stream of mono samples on its way from one rate to another.
pub(super) struct Converter {
    /// Samples that came in; what `method` still needs of them stays here between calls.
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
            Resampler::Sinc => Method::Sinc(Box::new(Sinc::new(input_rate, target_rate)?)),
        };
        Ok(Self { pending, method })
    }

    /// Where the next input samples are appended, so that they are never copied twice.
    pub(super) fn input(&mut self) -> &mut Vec<f32> {
        &mut self.pending
    }

    /// Appends every output sample that the input so far decides.
    pub(super) fn run(&mut self, out: &mut Vec<f32>) -> Result<()> {
        match &mut self.method {
            Method::Same => out.append(&mut self.pending),
            Method::Linear(linear) => linear.run(&mut self.pending, out),
            Method::Sinc(sinc) => sinc.run(&mut self.pending, out)?,
        }
        Ok(())
    }

    /// Appends the tail, once no more input comes.
    pub(super) fn finish(&mut self, out: &mut Vec<f32>) -> Result<()> {
        self.run(out)?;
        match &mut self.method {
            Method::Same => {}
            Method::Linear(linear) => linear.finish(&self.pending, out),
            Method::Sinc(sinc) => sinc.finish(&mut self.pending, out)?,
        }
        Ok(())
    }

    /// Forgets the signal so far; what was allocated for it serves the next one.
    pub(super) fn reset(&mut self) {
        self.pending.clear();
        match &mut self.method {
            Method::Same => {}
            Method::Linear(linear) => linear.reset(&mut self.pending),
            Method::Sinc(sinc) => sinc.reset(),
        }
    }
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
