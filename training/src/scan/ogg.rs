//! The headers of FLAC in Ogg, which lofty does not read.

use std::io::{Error, ErrorKind, Read, Result};

use rustc_hash::FxHashMap;

/// A part of a packet, as much as is in one page.
struct Piece<'a> {
    /// The stream that it belongs to.
    pub serial: u32,
    /// The packet's number in its stream, from 0.
    pub packet: u64,
    pub bytes: &'a [u8],
    /// Whether the packet ends here.
    pub ends: bool,
    /// Whether the packet is one of FLAC's headers behind the first: comments, pictures, padding.
    pub is_comment: bool,
}

/// The state of a logical stream.
#[derive(Default)]
struct Stream {
    packet: u64,
    /// Whether a packet has begun on an earlier page.
    is_open: bool,
    is_comment: bool,
    is_flac: bool,
}

/// Calls `each` with all pieces of packets in the order of pages. A last page that is cut ends the file.
///
/// # Errors
/// `InvalidData` if something else than a page stands where one should begin; those of reading.
fn each_piece(source: &mut impl Read, mut each: impl FnMut(&Piece)) -> Result<()> {
    let mut streams: FxHashMap<u32, Stream> = FxHashMap::default();
    let mut head = [0; 27];
    let mut body = Vec::new();
    loop {
        match fill(source, &mut head)? {
            27 if head.starts_with(b"OggS") => {}
            4.. if !head.starts_with(b"OggS") => {
                return Err(Error::new(ErrorKind::InvalidData, "not a page of Ogg"));
            }
            _ => return Ok(()),
        }
        let mut lengths = [0; 255];
        let lengths = &mut lengths[..usize::from(head[26])];
        if fill(source, lengths)? < lengths.len() {
            return Ok(());
        }
        // At most 255 times 255 bytes.
        body.resize(lengths.iter().map(|&length| usize::from(length)).sum(), 0);
        if fill(source, &mut body)? < body.len() {
            return Ok(());
        }
        let serial = u32::from_le_bytes([head[14], head[15], head[16], head[17]]);
        if head[5] & 2 != 0 {
            // A stream begins; in a chained file, another with the same number may have ended.
            streams.insert(serial, Stream::default());
        }
        let stream = streams.entry(serial).or_default();
        let (mut start, mut end) = (0, 0);
        for (at, &length) in lengths.iter().enumerate() {
            end += usize::from(length);
            let ends = length < 255;
            if !ends && at + 1 < lengths.len() {
                continue;
            }
            let bytes = &body[start..end];
            if !stream.is_open {
                stream.begin(bytes);
            }
            each(&Piece { serial, packet: stream.packet, bytes, ends, is_comment: stream.is_comment });
            stream.is_open = !ends;
            stream.packet += u64::from(ends);
            start = end;
        }
    }
}

impl Stream {
    fn begin(&mut self, bytes: &[u8]) {
        if self.packet == 0 {
            self.is_flac = bytes.starts_with(b"\x7fFLAC");
        }
        // Frames begin with a synchronisation code, metadata blocks with their type.
        self.is_comment = self.is_flac && self.packet > 0 && bytes.first().is_some_and(|&byte| byte != 0xff);
    }
}

fn fill(source: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match source.read(&mut buffer[read..]) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// What a FLAC stream in Ogg says of itself.
#[derive(Debug, Default, PartialEq)]
pub(super) struct OggFlac {
    pub sample_rate: u32,
    pub channels: u8,
    /// Samples of one channel; 0 if unknown.
    pub samples: u64,
    /// Names and values of the comments.
    pub comments: Vec<(String, String)>,
}

/// More than any comments without pictures need.
const MAX_COMMENTS: usize = 1 << 24;

/// Reads the headers of a FLAC stream in Ogg; `None` if the file is something else.
pub(super) fn read_flac(source: &mut impl Read) -> Result<Option<OggFlac>> {
    let mut found: Option<(u32, OggFlac)> = None;
    let mut block = Vec::new();
    // Headers are at the beginning: the file is not read to its end.
    let mut start = source.take(1 << 25);
    each_piece(&mut start, |piece| {
        match &found {
            Some((serial, _)) if piece.serial != *serial || !piece.is_comment => return,
            None if piece.packet > 0 => return,
            _ => {}
        }
        if block.len() + piece.bytes.len() <= MAX_COMMENTS {
            block.extend_from_slice(piece.bytes);
        }
        if !piece.ends {
            return;
        }
        match &mut found {
            None => found = stream_info(&block).map(|info| (piece.serial, info)),
            Some((_, info)) if block.first().is_some_and(|kind| kind & 0x7f == 4) => {
                info.comments = comments(&block[4.min(block.len())..]);
            }
            Some(_) => {}
        }
        block.clear();
    })
    .or_else(|error| if error.kind() == ErrorKind::InvalidData { Ok(()) } else { Err(error) })?;
    Ok(found.map(|(_, info)| info))
}

/// The first packet: its mapping's header, FLAC's signature, and a block with the stream's parameters.
fn stream_info(packet: &[u8]) -> Option<OggFlac> {
    if !packet.starts_with(b"\x7fFLAC") || packet.get(9..13)? != b"fLaC" {
        return None;
    }
    let fields = packet.get(27..35)?;
    let bits = fields.iter().fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
    Some(OggFlac {
        sample_rate: (bits >> 44) as u32,
        channels: (bits >> 41 & 7) as u8 + 1,
        samples: bits & 0xf_ffff_ffff,
        comments: Vec::new(),
    })
}

/// The fields of a block of comments, as many as are whole.
fn comments(mut block: &[u8]) -> Vec<(String, String)> {
    let next = |block: &mut &[u8], length: Option<usize>| -> Option<Vec<u8>> {
        let length = match length {
            Some(length) => length,
            None => {
                let (size, rest) = block.split_first_chunk::<4>()?;
                *block = rest;
                u32::from_le_bytes(*size) as usize
            }
        };
        let (bytes, rest) = block.split_at_checked(length)?;
        *block = rest;
        Some(bytes.to_vec())
    };
    let mut found = Vec::new();
    let Some(_vendor) = next(&mut block, None) else { return found };
    let Some(count) = next(&mut block, Some(4)) else { return found };
    let count = u32::from_le_bytes([count[0], count[1], count[2], count[3]]);
    for _ in 0..count {
        let Some(field) = next(&mut block, None) else { break };
        if let Some((key, value)) = String::from_utf8_lossy(&field).split_once('=') {
            found.push((key.to_owned(), value.to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..4)) {
            // A first page as it should be, and anything behind it.
            let page = b"OggS\0\x02\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x01\x33\x7fFLAC\x01\0\0\x01fLaC";
            let bytes: Vec<u8> = parts.iter().flat_map(|more| [&page[..], more].concat()).collect();
            read_flac(&mut &bytes[..]).unwrap();
        }
    }
}
