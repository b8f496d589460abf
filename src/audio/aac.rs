//! What kind of AAC a stream is: the embedded decoder plays the low-complexity profile in mono and stereo, which is also
//! the core of HE-AAC.
//!
//! HE-AAC (SBR, and PS for stereo) codes the upper half of the bandwidth apart, and mostly does not announce it: then
//! only the packets tell.

/// Sample rates by their index, in Hz.
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// The `AudioSpecificConfig` of ISO/IEC 14496-3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Config {
    /// The audio object type of the core.
    pub object: u32,
    /// The sample rate of the core, in Hz.
    pub rate: u32,
    /// The channel configuration; 0 for a layout that the stream describes itself.
    pub channels: u32,
    /// Whether the header announces SBR (HE-AAC). If not, packets may still have it.
    pub sbr: bool,
    /// Frames of 960 sample frames in place of 1,024.
    pub is_short: bool,
}

impl Config {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut bits = Bits { bytes, at: 0 };
        let mut object = bits.object()?;
        let rate = bits.rate()?;
        let channels = bits.take(4)?;
        let mut sbr = false;
        if object == 5 || object == 29 {
            // SBR first, with its own rate; the core follows.
            sbr = true;
            bits.rate()?;
            object = bits.object()?;
        }
        let mut is_short = false;
        if matches!(object, 1..=4 | 6 | 7 | 17 | 19..=23) {
            is_short = bits.take(1)? == 1;
            let depends = bits.take(1)? == 1;
            if depends {
                bits.take(14)?;
            }
            let _extension = bits.take(1)?;
        }
        // The announcement that old decoders overlook.
        if !sbr && channels != 0 && object == 2 && bits.take(11) == Some(0x2b7) && bits.object() == Some(5) {
            sbr = bits.take(1) == Some(1);
        }
        Some(Self { object, rate, channels, sbr, is_short })
    }

    /// The two or five bytes that announce the core alone.
    pub(super) fn of_core(&self) -> Vec<u8> {
        let mut bits: u64 = 2 << 59;
        let (mut len, mut push) = (5, |value: u64, count: u32, len: &mut u32| {
            bits |= value << (64 - *len - count);
            *len += count;
        });
        match RATES.iter().position(|rate| *rate == self.rate) {
            Some(index) => push(index as u64, 4, &mut len),
            None => {
                push(15, 4, &mut len);
                push(u64::from(self.rate), 24, &mut len);
            }
        }
        push(u64::from(self.channels), 4, &mut len);
        bits.to_be_bytes()[..(len as usize + 3).div_ceil(8)].to_vec()
    }

    /// Why the embedded decoder cannot play it; `None` if it can.
    pub(super) fn unsupported(&self) -> Option<String> {
        let profile = match self.object {
            2 if self.is_short => "with frames of 960 samples",
            2 => match self.channels {
                1 | 2 => return None,
                0 => "with a channel layout of its own",
                channels => {
                    let count = if channels == 7 { 8 } else { channels };
                    return Some(format!("AAC with {count} channels"));
                }
            },
            1 => "Main profile",
            3 => "SSR profile",
            4 => "LTP profile",
            17 | 19 | 20 => "ER profile",
            23 => "LD profile",
            39 => "ELD profile",
            42 => return Some("xHE-AAC (USAC)".to_owned()),
            object => return Some(format!("AAC of object type {object}")),
        };
        Some(format!("AAC {profile}"))
    }
}

/// Why the embedded decoder cannot play the ADTS stream that begins with these bytes.
pub(super) fn unsupported_adts(bytes: &[u8]) -> Option<String> {
    let &[_, _, third, fourth, _, _, seventh, ..] = bytes else { return None };
    let config = Config {
        object: u32::from(third >> 6) + 1,
        rate: *RATES.get(usize::from(third >> 2 & 15))?,
        channels: u32::from(third & 1) << 2 | u32::from(fourth >> 6),
        sbr: false,
        is_short: false,
    };
    let several = (seventh & 3 != 0).then(|| "AAC with several blocks in a frame".to_owned());
    config.unsupported().or(several)
}

/// The delay of the encoder that made a stream, by its first packet: faac writes its name into a fill element, and nothing
/// of its delay elsewhere. It is dropped as by ffmpeg.
pub(super) fn encoder_delay(first: &[u8]) -> u64 {
    let is_faac = first.get(4..).is_some_and(|text| text.starts_with(b"libfaac "));
    if is_faac { 1024 } else { 0 }
}

/// Whether a packet of one or two channels has an SBR extension.
///
/// It stands in a fill element (identifier 6, length, type 13 or 14), which follows the channels, and only decoding the
/// channels shows where they end. So it is sought from the end: its stated length must lead exactly to the end element,
/// or to another fill element that does. One random packet in sixty looks so, too; see [`Sbr`].
fn packet_has_sbr(packet: &[u8]) -> bool {
    // The end element is followed by zeros up to the next byte.
    let Some(last) = packet.iter().rposition(|byte| *byte != 0) else { return false };
    let end = last * 8 + 8 - packet[last].trailing_zeros() as usize;
    // Its three bits are ones.
    let Some(mut ends) = end.checked_sub(3).map(|start| vec![start]) else { return false };
    let bits = |at: usize| Bits { bytes: packet, at };
    if bits(ends[0]).take(3) != Some(7) {
        return false;
    }
    // Some encoders fill up with another element or two after it.
    for _ in 0..3 {
        let mut before = Vec::new();
        for end in ends {
            for len in 1..=269 {
                let header = if len < 15 { 7 } else { 15 };
                let Some(start) = end.checked_sub(header + 8 * len) else { break };
                let stated = if len < 15 { len as u32 } else { 15 };
                let mut element = bits(start);
                let fits = element.take(3) == Some(6)
                    && element.take(4) == Some(stated)
                    && (len < 15 || element.take(8) == Some(len as u32 - 14));
                if !fits {
                    continue;
                }
                match element.take(4) {
                    Some(13 | 14) => return true,
                    // Fill of zeros, or of a pattern. More candidates than a few are chance or malice.
                    Some(0 | 1) if before.len() < 16 => before.push(start),
                    _ => {}
                }
            }
        }
        if before.is_empty() {
            return false;
        }
        ends = before;
    }
    false
}

/// Counts packets with SBR.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sbr {
    seen: u32,
    with: u32,
}

impl Sbr {
    /// Packets that are looked at. Streams begin with some that have nothing.
    pub(super) const PACKETS: u32 = 48;

    pub(super) fn add(&mut self, packet: &[u8]) {
        if !packet.is_empty() {
            self.seen += 1;
            self.with += u32::from(packet_has_sbr(packet));
        }
    }

    pub(super) fn is_present(self) -> bool {
        self.with >= 2 && self.with * 2 > self.seen
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        (self.at + count <= self.bytes.len() * 8).then(|| {
            let value = (self.at..self.at + count)
                .fold(0, |value, at| value << 1 | u32::from(self.bytes[at / 8] >> (7 - at % 8) & 1));
            self.at += count;
            value
        })
    }

    fn object(&mut self) -> Option<u32> {
        match self.take(5)? {
            31 => Some(32 + self.take(6)?),
            object => Some(object),
        }
    }

    fn rate(&mut self) -> Option<u32> {
        match self.take(4)? {
            15 => self.take(24),
            index => RATES.get(index as usize).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_are_read() {
        let lc = Config::parse(&[0x12, 0x10]).unwrap();
        assert_eq!(lc, Config { object: 2, rate: 44_100, channels: 2, sbr: false, is_short: false });
        assert_eq!(lc.of_core(), [0x12, 0x10]);
        assert_eq!(lc.unsupported(), None);
        // SBR announced behind the core's configuration.
        let he = Config::parse(&[0x13, 0x90, 0x56, 0xe5, 0xa0]).unwrap();
        assert_eq!((he.rate, he.channels, he.sbr), (22_050, 2, true));
        assert_eq!(he.of_core(), [0x13, 0x90]);
        // SBR announced first (object type 5, 22,050 Hz, stereo, 44,100 Hz, then object type 2).
        let explicit = Config::parse(&[0x2b, 0x92, 0x08, 0x00]).unwrap();
        assert_eq!((explicit.object, explicit.rate, explicit.channels, explicit.sbr), (2, 22_050, 2, true));
        let odd = Config { rate: 12_345, ..lc };
        assert_eq!(Config::parse(&odd.of_core()), Some(odd));
        assert_eq!(Config::parse(&[0x12]), None);
        assert!(Config::parse(&[0x0a, 0x10]).unwrap().unsupported().unwrap().contains("Main"));
        assert!(Config::parse(&[0x12, 0x30]).unwrap().unsupported().unwrap().contains("6 channels"));
    }

    #[test]
    fn adts_headers_tell_the_profile() {
        assert_eq!(unsupported_adts(&[0xff, 0xf1, 0x50, 0x80, 0, 0, 0xfc]), None);
        assert!(unsupported_adts(&[0xff, 0xf1, 0x10, 0x80, 0, 0, 0xfc]).unwrap().contains("Main"));
        assert!(unsupported_adts(&[0xff, 0xf1, 0x51, 0x80, 0, 0, 0xfc]).unwrap().contains("6 channels"));
        assert!(unsupported_adts(&[0xff, 0xf1, 0x50, 0x80, 0, 0, 0xfd]).unwrap().contains("several"));
    }

    /// Channels as `before`, then fill elements of these types and lengths, then the end.
    fn packet(before: &[u8], fills: &[(u32, usize)]) -> Vec<u8> {
        let mut bits: Vec<u8> =
            before.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
        let mut push =
            |value: usize, count: usize| bits.extend((0..count).rev().map(|bit| (value >> bit & 1) as u8));
        for (kind, len) in fills {
            push(6, 3);
            if *len < 15 {
                push(*len, 4);
            } else {
                push(15, 4);
                push(len - 14, 8);
            }
            push(*kind as usize, 4);
            (0..len * 2 - 1).for_each(|_| push(5, 4));
        }
        push(7, 3);
        bits.resize(bits.len().next_multiple_of(8), 0);
        bits.chunks(8).map(|byte| byte.iter().fold(0, |value, bit| value << 1 | bit)).collect()
    }

    #[test]
    fn sbr_is_found_in_packets() {
        for len in [1, 14, 15, 40, 269] {
            assert!(packet_has_sbr(&packet(&[0x21, 0x55, 0x83], &[(13, len)])), "{len}");
        }
        assert!(packet_has_sbr(&packet(&[0x21], &[(14, 30), (0, 7)])), "filled up behind it");
        assert!(!packet_has_sbr(&packet(&[0x21], &[(0, 40)])));
        assert!(!packet_has_sbr(&packet(&[0x21, 0x34], &[])));
        assert!(!packet_has_sbr(&[]) && !packet_has_sbr(&[0, 0]) && !packet_has_sbr(&[7]));
    }

    #[test]
    fn faac_is_known_by_its_name() {
        assert_eq!(encoder_delay(b"\xde\x04\0\0libfaac 1.30\0\0"), 1024);
        assert_eq!((encoder_delay(&[0x21; 40]), encoder_delay(&[])), (0, 0));
    }

    #[test]
    fn random_packets_are_not_taken_for_sbr() {
        let (mut state, mut sbr) = (1_u32, Sbr::default());
        for _ in 0..1000 {
            let bytes: Vec<u8> = (0..300)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            sbr.add(&packet(&bytes, &[]));
        }
        assert!(sbr.with < 60 && !sbr.is_present(), "{sbr:?}");
    }
}
