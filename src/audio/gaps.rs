//! What is missing between the packets of Matroska, by their time stamps: its demuxer passes over what it cannot read.

use symphonia::core::formats::FormatReader;
use symphonia::core::formats::well_known::FORMAT_ID_MKV;
use symphonia::core::units::TimeBase;

/// Seconds between two packets that are taken for missing audio. Time stamps are rounded to milliseconds, and those of
/// what was recorded live waver.
const LEAST: f64 = 0.035;
/// Seconds at the end that are not worth a warning: programs state the length up to the end of the last block, or of the
/// one before.
const MAX_END: f64 = 0.25;

#[derive(Debug, Default)]
pub(super) struct Gaps {
    /// The time stamp of the last packet, and where its audio ends, in seconds.
    last: Option<(i64, f64)>,
    seconds: f64,
    places: u32,
}

impl Gaps {
    /// Adds a packet with this time stamp and so many seconds of audio.
    pub(super) fn add(&mut self, stamp: i64, base: TimeBase, seconds: f64) {
        let start = stamp as f64 * f64::from(base.numer.get()) / f64::from(base.denom.get());
        self.last = match self.last {
            // The packets of one block, where their durations are not stated.
            Some((last, end)) if last == stamp => Some((stamp, end + seconds)),
            Some((_, end)) if start - end > LEAST => {
                self.seconds += start - end;
                self.places += 1;
                Some((stamp, start + seconds))
            }
            _ => Some((stamp, start + seconds)),
        };
    }

    /// Says how much is missing at the end, if the header states how long the only track is.
    pub(super) fn end(&self, stated: Option<f64>) -> Option<String> {
        let (stated, (_, end)) = (stated?, self.last?);
        (stated - end > MAX_END)
            .then(|| format!("truncated: the header states {stated:.1} s, the file has {end:.1} s"))
    }

    pub(super) fn warning(&self) -> Option<String> {
        let places = if self.places == 1 { "place" } else { "places" };
        (self.places > 0).then(|| {
            format!("{:.1} s are missing in {} {places}, by the time stamps", self.seconds, self.places)
        })
    }
}

/// How long Matroska with one track states that it is. With several, that is the longest one's length.
pub(super) fn stated_seconds(format: &dyn FormatReader) -> Option<f64> {
    let info = format.media_info();
    let (base, ticks) = (info.time_base?, info.duration?);
    let is_one = format.format_info().format == FORMAT_ID_MKV && format.tracks().len() == 1;
    let seconds = ticks.get() as f64 * f64::from(base.numer.get()) / f64::from(base.denom.get());
    Some(seconds).filter(|_| is_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_counted_and_laced_packets_are_none() {
        let base = TimeBase::try_new(1, 1000).unwrap();
        let mut gaps = Gaps::default();
        for stamp in [-7, 13, 33, 33, 33, 94, 114] {
            gaps.add(stamp, base, 0.02);
        }
        assert_eq!(gaps.warning(), None);
        gaps.add(1134, base, 0.02);
        assert_eq!(gaps.warning().unwrap(), "1.0 s are missing in 1 place, by the time stamps");
        assert_eq!((gaps.end(Some(1.2)), gaps.end(None)), (None, None));
        assert_eq!(gaps.end(Some(3.0)).unwrap(), "truncated: the header states 3.0 s, the file has 1.2 s");
        // Back in time, and on from there.
        gaps.add(500, base, 0.02);
        gaps.add(1520, base, 0.02);
        assert_eq!(gaps.warning().unwrap(), "2.0 s are missing in 2 places, by the time stamps");
    }
}
