//! Vorbis with more than two channels, by lewton.
//!
//! Symphonia undoes channel coupling in the order of the header, but the specification requires the reverse order. That
//! makes no difference with one pair of channels; with several, as in surround sound, all channels come out wrong.
//! lewton is slower and correct.

use lewton::audio::{PreviousWindowRight, read_audio_packet_generic};
use lewton::header::{IdentHeader, SetupHeader, read_header_ident, read_header_setup};

/// Length of the identification header.
const IDENT: usize = 30;

pub(super) struct Decoder {
    ident: IdentHeader,
    setup: SetupHeader,
    window: PreviousWindowRight,
    planes: Vec<Vec<f32>>,
}

impl Decoder {
    /// Reads the headers as Symphonia gives them: identification and setup in sequence (Ogg), or all three laced
    /// (Matroska).
    pub(super) fn new(headers: &[u8]) -> Result<Self, String> {
        let (ident, setup) = split(headers).ok_or("Vorbis: the headers are truncated")?;
        let ident = read_header_ident(ident).map_err(|error| format!("Vorbis: {error}"))?;
        let blocks = (ident.blocksize_0, ident.blocksize_1);
        let setup = read_header_setup(setup, ident.audio_channels, blocks);
        let setup = setup.map_err(|error| format!("Vorbis: {error}"))?;
        Ok(Self { ident, setup, window: PreviousWindowRight::new(), planes: Vec::new() })
    }

    pub(super) fn rate(&self) -> u32 {
        self.ident.audio_sample_rate
    }

    /// Decodes a packet into [`Decoder::planes`], and returns the number of frames: none for the first packet,
    /// which only fills the overlap.
    pub(super) fn decode(&mut self, packet: &[u8]) -> Result<usize, String> {
        self.planes = read_audio_packet_generic(&self.ident, &self.setup, packet, &mut self.window)
            .map_err(|error| format!("Vorbis: {error}"))?;
        Ok(self.planes.first().map_or(0, Vec::len))
    }

    /// The samples of the last packet, one plane per channel.
    pub(super) fn planes(&self) -> &[Vec<f32>] {
        &self.planes
    }
}

/// The identification and the setup header.
fn split(headers: &[u8]) -> Option<(&[u8], &[u8])> {
    if headers.first() != Some(&2) {
        return headers.split_at_checked(IDENT);
    }
    // Xiph lacing: the number of packets less one, the lengths of all but the last in bytes of up to 255, packets.
    let mut position = 1;
    let mut length = || {
        let mut length = 0;
        loop {
            let byte = *headers.get(position)?;
            position += 1;
            length += usize::from(byte);
            if byte < 255 {
                return Some(length);
            }
        }
    };
    let (ident, comment) = (length()?, length()?);
    let packets = headers.get(position..)?;
    Some((packets.get(..ident)?, packets.get(ident.checked_add(comment)?..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_of_headers_are_split() {
        let (ident, setup) = ([1; IDENT], [5; 40]);
        assert_eq!(
            split(&[ident.as_slice(), &setup].concat()).unwrap(),
            (ident.as_slice(), setup.as_slice())
        );
        let laced = [[2, 30, 255, 45].as_slice(), &ident, &[3; 300], &setup].concat();
        assert_eq!(split(&laced).unwrap(), (ident.as_slice(), setup.as_slice()));
        for length in 0..333 {
            // Truncated anywhere, the result is at most a shorter setup header.
            assert!(split(&laced[..length]).is_none(), "{length}");
        }
        assert!(Decoder::new(&laced).is_err());
    }
}
