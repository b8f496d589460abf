//! What Ogg files begin with: the codecs of their streams, and a channel mapping that the demuxer refuses.

use std::io;

use super::input::Input;
use super::tags::read_at;

/// The largest number of streams that are looked at.
const MAX_STREAMS: usize = 16;
/// Header of a page with the longest segment table, and the start of its first packet.
const PAGE: usize = 27 + 255 + 64;

/// What is known of a file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Info {
    /// Names of the codecs of all streams.
    pub codecs: Vec<&'static str>,
    /// Bytes to be put right, as offsets and bytes.
    pub patches: Vec<(u64, Vec<u8>)>,
}

/// Reads the first pages of a file that begins at `start`.
pub(super) fn read(input: &mut Input, start: u64) -> io::Result<Info> {
    let mut info = Info::default();
    let mut position = start;
    for _ in 0..MAX_STREAMS {
        let page: [u8; PAGE] = read_at(input, position)?;
        let segments = usize::from(page[26]);
        // Pages that begin a stream come first.
        if !page.starts_with(b"OggS") || page[5] & 2 == 0 {
            break;
        }
        let header = 27 + segments;
        let len: usize = page[27..header].iter().map(|segment| usize::from(*segment)).sum();
        let packet = &page[header..];
        info.codecs.push(codec(packet));
        if packet.starts_with(b"OpusHead") && packet[18] == 255 && (19..=64).contains(&len) {
            info.patches.extend(
                as_family_1(&page[..header + len]).into_iter().map(|(at, bytes)| (position + at, bytes)),
            );
        }
        position += (header + len) as u64;
    }
    Ok(info)
}

/// A page whose Opus header has channels without meaning (mapping family 255), as one of family 1: its layout is the
/// same, and the demuxer accepts it.
fn as_family_1(page: &[u8]) -> Option<(u64, Vec<u8>)> {
    let head = 27 + usize::from(page[26]);
    let channels = page[head + 9];
    if !(1..=8).contains(&channels) {
        return None;
    }
    let mut page = page.to_vec();
    page[head + 18] = 1;
    page[22..26].fill(0);
    let checksum = checksum(&page);
    page[22..26].copy_from_slice(&checksum);
    Some((0, page))
}

/// The checksum of a page whose own checksum is zeros.
fn checksum(page: &[u8]) -> [u8; 4] {
    let crc = page.iter().fold(0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            if crc & 0x8000_0000 != 0 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 }
        })
    });
    crc.to_le_bytes()
}

/// The codec of a stream, by its first packet.
fn codec(packet: &[u8]) -> &'static str {
    const KNOWN: [(&[u8], &str); 13] = [
        (b"\x01vorbis", "Vorbis"),
        (b"OpusHead", "Opus"),
        (b"\x7fFLAC", "FLAC"),
        (b"fLaC", "FLAC"),
        (b"Speex   ", "Speex"),
        (b"\x80theora", "Theora"),
        (b"\x80kate", "Kate"),
        (b"OVP80", "VP8"),
        (b"BBCD", "Dirac"),
        (b"\x80daala", "Daala"),
        (b"CELT    ", "CELT"),
        (b"PCM     ", "OggPCM"),
        (b"fishead", "Skeleton"),
    ];
    KNOWN.iter().find(|(start, _)| packet.starts_with(start)).map_or("an unknown codec", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(flags: u8, packet: &[u8]) -> Vec<u8> {
        let mut page = b"OggS\0".to_vec();
        page.push(flags);
        page.extend([0; 20]);
        page.push(1);
        page.push(packet.len() as u8);
        page.extend(packet);
        page
    }

    #[test]
    fn codecs_of_all_streams_are_named() {
        let file = [page(2, b"\x80theora"), page(2, b"Speex   1.2"), page(0, b"OpusHead")].concat();
        let info = read(&mut Input::from_bytes(file.into()), 0).unwrap();
        assert_eq!(info, Info { codecs: vec!["Theora", "Speex"], patches: vec![] });
        assert_eq!(read(&mut Input::from_bytes(Vec::new().into()), 0).unwrap(), Info::default());
    }

    #[test]
    fn the_checksum_of_a_changed_page_is_right() {
        // The first page of a file of ffmpeg's, with its checksum.
        let mut real = b"OggS\0\x02\0\0\0\0\0\0\0\0\x32\x54\xcc\x25\0\0\0\0\x76\x57\x7c\x9f\x01\x1b".to_vec();
        real.extend(b"OpusHead\x01\x06\x38\x01\x80\xbb\0\0\0\0\xff\x06\0\0\x01\x02\x03\x04\x05");
        let info = read(&mut Input::from_bytes(real.clone().into()), 0).unwrap();
        let [(0, changed)] = info.patches.as_slice() else { panic!("{info:?}") };
        assert_eq!(changed.len(), real.len());
        assert_eq!(changed[28 + 18], 1);
        // Back again, it has the checksum that ffmpeg wrote.
        let mut back = changed.clone();
        back[28 + 18] = 255;
        back[22..26].fill(0);
        assert_eq!(checksum(&back), real[22..26]);
    }
}
