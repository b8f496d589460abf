//! Decodes Opus packets with libopus translated to Rust. All `unsafe` code of `audio` is here.

use std::ptr::NonNull;

use super::layout::Layout;

use unsafe_libopus::{
    OPUS_OK, OPUS_SET_GAIN_REQUEST, OpusMSDecoder, opus_multistream_decode_float,
    opus_multistream_decoder_create, opus_multistream_decoder_ctl, opus_multistream_decoder_destroy,
    opus_strerror,
};

/// Opus always decodes at this rate; the rate in its header is that of the original recording.
pub(super) const RATE: u32 = 48_000;
/// Maximum length of a packet: 120 ms.
const LONGEST_PACKET: usize = 5760;

/// The identification header, as in RFC 7845.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Head {
    pub channels: u8,
    /// Frames to drop at the start, at 48 kHz.
    pub pre_skip: u16,
    /// In 1/256 dB, to be applied when decoding.
    pub gain: i16,
    streams: u8,
    coupled: u8,
    mapping: Vec<u8>,
    pub layout: Layout,
}

impl Head {
    /// The header of a stream that has none: one or two channels, and nothing to drop.
    pub(super) fn plain(channels: usize) -> Result<Self, String> {
        let channels = match channels {
            1 | 2 => channels as u8,
            _ => return Err(format!("Opus: {channels} channels without a header")),
        };
        Ok(Self {
            channels,
            pre_skip: 0,
            gain: 0,
            streams: 1,
            coupled: channels - 1,
            mapping: (0..channels).collect(),
            layout: Layout::Vorbis,
        })
    }

    /// Reads `OpusHead`. In Ogg and Matroska its integers are little-endian, in MP4 big-endian.
    pub(super) fn parse(bytes: &[u8], big_endian: bool) -> Result<Self, String> {
        if bytes.len() < 19 || &bytes[..8] != b"OpusHead" {
            return Err("Opus: the header is truncated".to_owned());
        }
        let pair = |at: usize| {
            let pair = [bytes[at], bytes[at + 1]];
            if big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
        };
        let (channels, pre_skip, gain, family) = (bytes[9], pair(10), pair(16) as i16, bytes[18]);
        let (streams, coupled, mapping) = match family {
            0 if channels == 1 || channels == 2 => (1, channels - 1, (0..channels).collect()),
            0 => return Err(format!("Opus: {channels} channels without a channel mapping")),
            1 | 255 => match bytes.get(19..21 + usize::from(channels)) {
                Some(table) => (table[0], table[1], table[2..].to_vec()),
                None => return Err("Opus: the channel mapping is truncated".to_owned()),
            },
            _ => return Err(format!("Opus: channel mapping family {family} is not supported")),
        };
        let layout = if family == 255 { Layout::Discrete } else { Layout::Vorbis };
        Ok(Self { channels, pre_skip, gain, streams, coupled, mapping, layout })
    }
}

/// A multistream decoder; mono and stereo are multistreams with one stream.
pub(super) struct Decoder {
    state: NonNull<OpusMSDecoder>,
    channels: usize,
    layout: Layout,
    samples: Vec<f32>,
}

// SAFETY: the state is one heap allocation that nothing else points to, and it keeps nothing in
// thread-local storage.
unsafe impl Send for Decoder {}

impl Decoder {
    pub(super) fn new(head: &Head) -> Result<Self, String> {
        if head.mapping.len() != usize::from(head.channels) {
            return Err("Opus: the channel mapping does not fit the channels".to_owned());
        }
        let mut status = OPUS_OK;
        // SAFETY: `mapping` has one byte per channel, as checked above, and outlives the call, which copies it; all
        // other arguments are checked by libopus itself.
        let state = unsafe {
            opus_multistream_decoder_create(
                RATE as i32,
                i32::from(head.channels),
                i32::from(head.streams),
                i32::from(head.coupled),
                head.mapping.as_ptr(),
                &mut status,
            )
        };
        let state = NonNull::new(state).ok_or_else(|| message(status))?;
        let decoder =
            Self { state, channels: usize::from(head.channels), layout: head.layout, samples: Vec::new() };
        // SAFETY: the state was created above and is alive; the request takes one i32.
        let status = unsafe {
            opus_multistream_decoder_ctl!(decoder.state.as_ptr(), OPUS_SET_GAIN_REQUEST, i32::from(head.gain))
        };
        if status == OPUS_OK { Ok(decoder) } else { Err(message(status)) }
    }

    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    /// Decodes one packet; the interleaved samples are in [`Decoder::samples`]. Returns the number of frames.
    pub(super) fn decode(&mut self, packet: &[u8]) -> Result<usize, String> {
        self.samples.clear();
        let Ok(len) = i32::try_from(packet.len()) else {
            return Err("Opus: a packet is too large".to_owned());
        };
        if len == 0 {
            // libopus would treat it as a lost packet and conceal it with 120 ms.
            return Err("Opus: empty packet".to_owned());
        }
        self.samples.resize(LONGEST_PACKET * self.channels, 0.0);
        // SAFETY: `packet` is `len` bytes long; `samples` has LONGEST_PACKET frames of all channels, which is the size
        // passed to libopus and the most that it writes.
        let frames = unsafe {
            opus_multistream_decode_float(
                self.state.as_ptr(),
                packet.as_ptr(),
                len,
                self.samples.as_mut_ptr(),
                LONGEST_PACKET as i32,
                0,
            )
        };
        let frames = usize::try_from(frames).map_err(|_| message(frames));
        self.samples.truncate(frames.as_ref().map_or(0, |frames| frames * self.channels));
        frames
    }

    /// The samples of the last packet, interleaved.
    pub(super) fn samples(&self) -> &[f32] {
        &self.samples
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: the state came from `opus_multistream_decoder_create` and is destroyed once.
        unsafe { opus_multistream_decoder_destroy(self.state.as_ptr()) }
    }
}

fn message(status: i32) -> String {
    format!("Opus: {}", opus_strerror(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(channels: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = b"OpusHead\x01".to_vec();
        bytes.push(channels);
        bytes.extend(312_u16.to_le_bytes());
        bytes.extend(44_100_u32.to_le_bytes());
        bytes.extend((-256_i16).to_le_bytes());
        bytes.extend(rest);
        bytes
    }

    #[test]
    fn headers_are_read_and_checked() {
        let stereo = Head::parse(&head(2, &[0]), false).unwrap();
        assert_eq!((stereo.pre_skip, stereo.gain, stereo.streams, stereo.coupled), (312, -256, 1, 1));
        let surround = Head::parse(&head(6, &[1, 4, 2, 0, 4, 1, 2, 3, 5]), false).unwrap();
        assert_eq!((surround.streams, surround.coupled, surround.mapping.len()), (4, 2, 6));
        assert!(Decoder::new(&surround).is_ok());

        assert!(Head::parse(&head(3, &[0]), false).is_err(), "three channels need a mapping");
        assert!(Head::parse(&head(6, &[1, 4, 2, 0, 4]), false).is_err(), "cut off");
        assert!(Head::parse(b"OpusHead", false).is_err());
        let absurd = Head::parse(&head(2, &[1, 0, 0, 9, 9]), false).unwrap();
        assert!(Decoder::new(&absurd).is_err(), "no streams");
    }

    #[test]
    fn nonsense_packets_are_errors() {
        let mut decoder = Decoder::new(&Head::parse(&head(2, &[0]), false).unwrap()).unwrap();
        assert!(decoder.decode(&[]).is_err());
        assert!(decoder.decode(&[0xff]).is_err());
        assert!(decoder.samples().is_empty());
    }
}
