//! Samples that were never scaled.

use sleeve::{Error, Result};

/// Floating-point samples may exceed full scale by some decibels; these are integers that were converted as they are. Of
/// a file that is a warning, for the file may be meant so; of an array it is a mistake one line above the call.
const NOT_SCALED: f32 = 16.0;

/// Refuses samples that are integers converted to floating point. NaN and infinity are the library's to find, which says
/// where they are.
pub fn check(samples: &[f32]) -> Result<()> {
    // Magnitudes are ordered as their bits are, and integers vectorise.
    let bits = samples.iter().fold(0, |peak: u32, sample| peak.max(sample.to_bits() & 0x7fff_ffff));
    let peak = f32::from_bits(bits);
    if peak.is_finite() && peak > NOT_SCALED {
        return Err(Error::InvalidArgument(format!(
            "samples reach {peak} times full scale, which is 1: were integers converted to floating point? Divide \
             16-bit samples by 32768, or give the integer array itself"
        )));
    }
    Ok(())
}
