//! Which loudspeaker each channel is for.

/// The order of the channels of a block. Downmixing does not need it, since all channels count the same there;
/// loudness does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Layout {
    /// Only the number of channels is known.
    #[default]
    Unknown,
    /// The format says that channels have no places.
    Discrete,
    /// The set bits of WAVE's channel mask, in order: WAV, FLAC, and what Symphonia decodes. Bits from the 19th on are
    /// Symphonia's.
    Mask(u64),
    /// The order of Vorbis and of Opus with channel mapping family 1, which depends on the number of channels.
    #[cfg_attr(
        all(not(test), not(any(feature = "opus", feature = "vorbis"))),
        expect(dead_code, reason = "no decoder has it")
    )]
    Vorbis,
}

/// How much a channel counts for loudness (BS.1770): front and height channels as they are, surround channels 1.5 dB
/// more, low-frequency channels not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Front,
    /// At 60 to 120 degrees.
    Surround,
    LowFrequency,
}

use Place::{Front, LowFrequency, Surround};

const LFE: u64 = 1 << 3;
const REAR: u64 = 1 << 4 | 1 << 5;
const SIDE: u64 = 1 << 9 | 1 << 10;
const LFE_2: u64 = 1 << 18;
const WIDE: u64 = 1 << 24 | 1 << 25;

impl Layout {
    /// The place of each of `channels` channels. `None` if it cannot be known.
    pub(super) fn places(self, channels: usize) -> Option<Vec<Place>> {
        match (self, channels) {
            // All that there is.
            (_, 1) => Some(vec![Front]),
            (Layout::Mask(mask), _) if mask.count_ones() as usize == channels => Some(of_mask(mask)),
            (Layout::Vorbis, 2..=8) => Some(of_vorbis(channels)),
            (Layout::Discrete, 3..) => None,
            // The masks that WAVE and FLAC give to these numbers of channels.
            (_, 2) => Some(of_mask(0x3)),
            (_, 3) => Some(of_mask(0x7)),
            (_, 4) => Some(of_mask(0x33)),
            (_, 5) => Some(of_mask(0x37)),
            (_, 6) => Some(of_mask(0x3f)),
            (_, 7) => Some(of_mask(0x70f)),
            (_, 8) => Some(of_mask(0x63f)),
            _ => None,
        }
    }
}

fn of_mask(mask: u64) -> Vec<Place> {
    // Rear loudspeakers are at 110 degrees in 5.1, and further back where there are side loudspeakers too.
    let surround = WIDE | if mask & SIDE == 0 { REAR } else { SIDE };
    let place = |bit: u64| match bit {
        bit if bit & (LFE | LFE_2) != 0 => LowFrequency,
        bit if bit & surround != 0 => Surround,
        _ => Front,
    };
    (0..u64::BITS).map(|at| 1 << at).filter(|bit| mask & bit != 0).map(place).collect()
}

fn of_vorbis(channels: usize) -> Vec<Place> {
    match channels {
        // Left, right; left, centre, right.
        2 | 3 => vec![Front; channels],
        // Left, right, rear left, rear right.
        4 => vec![Front, Front, Surround, Surround],
        // Left, centre, right, rear left, rear right, low frequencies.
        5 => vec![Front, Front, Front, Surround, Surround],
        6 => vec![Front, Front, Front, Surround, Surround, LowFrequency],
        // Left, centre, right, side left, side right, rear (one or two), low frequencies.
        7 => vec![Front, Front, Front, Surround, Surround, Front, LowFrequency],
        _ => vec![Front, Front, Front, Surround, Surround, Front, Front, LowFrequency],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_where_their_format_puts_them() {
        let surround = vec![Front, Front, Front, LowFrequency, Surround, Surround];
        for layout in [Layout::Unknown, Layout::Mask(0x3f), Layout::Mask(0x60f)] {
            assert_eq!(layout.places(6).unwrap(), surround, "{layout:?}");
        }
        assert_eq!(
            Layout::Vorbis.places(6).unwrap(),
            [Front, Front, Front, Surround, Surround, LowFrequency]
        );
        // With side loudspeakers, those at the rear are beyond 120 degrees.
        assert_eq!(
            Layout::Mask(0x63f).places(8).unwrap(),
            [Front, Front, Front, LowFrequency, Front, Front, Surround, Surround]
        );
        // 4.1, which by the number of channels alone would be 5.0.
        assert_eq!(Layout::Mask(0x3b).places(5).unwrap(), [Front, Front, LowFrequency, Surround, Surround]);
        // A mask that does not fit the channels says nothing.
        assert_eq!(Layout::Mask(0x3).places(6).unwrap(), surround);
        assert_eq!(Layout::Mask(1 << 3).places(1).unwrap(), [Front]);
        for channels in 1..=8 {
            for layout in [Layout::Unknown, Layout::Vorbis] {
                assert_eq!(layout.places(channels).unwrap().len(), channels);
            }
        }
        assert_eq!(Layout::Unknown.places(9), None);
        assert_eq!(Layout::Discrete.places(3), None);
        assert_eq!(Layout::Discrete.places(2).unwrap(), [Front, Front]);
        assert_eq!(Layout::Vorbis.places(255), None);
    }
}
