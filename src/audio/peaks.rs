//! What the levels of a recording tell: samples that cannot be used, and recordings that are not what they should be.

use super::source::{Block, Samples};

/// The largest magnitude of a sample: its square, times the front end's gain, stays finite.
pub(super) const MAX_SAMPLE: f32 = 1e15;
/// The largest sample of 16 bits.
const FULL_SCALE: f32 = 32_767.0 / 32_768.0;
/// The share of samples at full scale above which a recording is clipped. Loud masters have a thousandth.
const CLIPPED: f64 = 0.01;
/// No recording of music is quieter throughout: -80 dBFS.
const SILENT: f32 = 1e-4;
/// Floating-point samples may exceed full scale by some decibels; these are integers stored as they are.
const NOT_SCALED: f32 = 16.0;

/// The levels of the samples so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Peaks {
    peak: f32,
    samples: u64,
    at_full_scale: u64,
}

impl Peaks {
    /// Adds a block.
    ///
    /// # Errors
    /// The first sample frame of the block with a sample that is NaN, infinite or above [`MAX_SAMPLE`], and that sample.
    pub(super) fn add(&mut self, block: &Block<'_>) -> Result<(), (usize, f32)> {
        let peak = usable_peak(block)?;
        self.peak = self.peak.max(peak);
        self.samples += (block.frames * block.channels()) as u64;
        if peak >= FULL_SCALE {
            each(block, |samples| {
                let loud = |sample: &&f32| sample.abs() >= FULL_SCALE;
                self.at_full_scale += samples.iter().filter(loud).count() as u64;
            });
        }
        Ok(())
    }

    /// What is wrong with the recording as a whole.
    pub(super) fn warning(&self) -> Option<String> {
        let share = self.at_full_scale as f64 / self.samples.max(1) as f64;
        if self.peak > NOT_SCALED {
            Some(format!(
                "samples reach {:.0} times full scale: were integers stored as floating-point numbers?",
                self.peak
            ))
        } else if share > CLIPPED {
            Some(format!("clipped: {:.1} % of the samples are at full scale", 100.0 * share))
        } else if self.peak <= SILENT && self.samples > 0 {
            Some("silent: no sample exceeds -80 dBFS".to_owned())
        } else {
            None
        }
    }
}

/// The largest magnitude in a block; if it cannot be used, the first sample frame where it is so, and that sample.
pub(super) fn usable_peak(block: &Block<'_>) -> Result<f32, (usize, f32)> {
    let mut peak = 0.0;
    each(block, |samples| peak = larger(peak, peak_of(samples)));
    if is_usable(peak) {
        return Ok(peak);
    }
    let first = |samples: &[f32]| samples.iter().position(|sample| !is_usable(*sample));
    let found = match &block.samples {
        Samples::Interleaved { samples, channels } => {
            first(samples).map(|index| (index / channels, samples[index]))
        }
        Samples::Planar(planes) => planes
            .iter()
            .filter_map(|plane| first(plane).map(|index| (index, plane[index])))
            .min_by_key(|(index, _)| *index),
    };
    Err(found.unwrap_or((0, peak)))
}

fn is_usable(sample: f32) -> bool {
    sample.abs() <= MAX_SAMPLE
}

fn each(block: &Block<'_>, mut take: impl FnMut(&[f32])) {
    match &block.samples {
        Samples::Interleaved { samples, .. } => take(samples),
        Samples::Planar(planes) => planes.iter().for_each(|plane| take(plane)),
    }
}

/// The largest magnitude; NaN if there is one.
fn peak_of(samples: &[f32]) -> f32 {
    // Magnitudes are ordered as their bits are, and NaN is above infinity. Integers vectorise without further ado.
    let bits = samples.iter().fold(0, |peak: u32, sample| peak.max(sample.to_bits() & 0x7fff_ffff));
    f32::from_bits(bits)
}

fn larger(a: f32, b: f32) -> f32 {
    f32::from_bits(a.to_bits().max(b.to_bits()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planar<'a>(planes: &[&'a [f32]]) -> Block<'a> {
        Block { rate: 8000, frames: planes[0].len(), samples: Samples::Planar(planes.to_vec()) }
    }

    #[test]
    fn the_first_unusable_frame_is_found_across_channels() {
        let left = [0.0, 0.1, f32::NAN];
        let right = [0.0, f32::INFINITY, 0.0];
        let block = planar(&[&left, &right]);
        assert_eq!(Peaks::default().add(&block), Err((1, f32::INFINITY)));

        let mut samples = Vec::new();
        block.interleave(&mut samples);
        assert_eq!(samples[..4], [0.0, 0.0, 0.1, f32::INFINITY]);
        let samples = Samples::Interleaved { samples: &samples, channels: 2 };
        assert_eq!(Peaks::default().add(&Block { rate: 8000, frames: 3, samples }), Err((1, f32::INFINITY)));

        assert_eq!(Peaks::default().add(&planar(&[&[0.0, -3e30]])), Err((1, -3e30)));
        assert_eq!(Peaks::default().add(&planar(&[&[MAX_SAMPLE, -MAX_SAMPLE]])), Ok(()));
        assert!(Peaks::default().add(&planar(&[&[1.0, f32::NAN]])).unwrap_err().1.is_nan());
    }

    #[test]
    fn strange_levels_are_said() {
        let warning = |samples: &[f32]| {
            let mut peaks = Peaks::default();
            samples.chunks(7).for_each(|samples| peaks.add(&planar(&[samples])).unwrap());
            peaks.warning()
        };
        let tone: Vec<f32> = (0..1000).map(|index| 0.9 * (index as f32 * 0.1).sin()).collect();
        assert_eq!(warning(&tone), None);
        let clipped: Vec<f32> = tone.iter().map(|sample| (sample * 3.0).clamp(-1.0, 1.0)).collect();
        assert!(warning(&clipped).unwrap().starts_with("clipped: "));
        let integers: Vec<f32> = tone.iter().map(|sample| sample * 32_768.0).collect();
        assert!(warning(&integers).unwrap().contains("29491 times full scale"), "{:?}", warning(&integers));
        assert!(warning(&[0.0; 100]).unwrap().starts_with("silent"));
        assert_eq!(warning(&[]), None);
    }
}
