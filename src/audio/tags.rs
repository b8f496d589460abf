//! The extent of the audio between the tags that programs put before and after it.

use std::io::{self, Seek, SeekFrom};
use std::ops::Range;

use super::input::Input;

/// The largest number of tags in a row.
const MAX_TAGS: usize = 32;
/// Length of an ID3v1 tag.
const ID3V1: u64 = 128;
/// Length of the older extension of an ID3v1 tag, which precedes it.
const ID3V1_EXTENDED: u64 = 227;
/// Length of the header and of the footer of an APE tag.
const APE: u64 = 32;
/// Length of the header and of the footer of an ID3v2 tag.
const ID3V2: u64 = 10;

/// The bytes between leading and trailing tags.
pub(super) fn without_tags(input: &mut Input) -> io::Result<Range<u64>> {
    let start = after_leading(input)?;
    let mut end = input.len();
    for _ in 0..MAX_TAGS {
        match trailing(input, start..end)? {
            0 => break,
            len => end -= len,
        }
    }
    Ok(start..end)
}

/// The offset after all tags at the start. The zeros that some programs leave after an ID3v2 tag belong to it.
fn after_leading(input: &mut Input) -> io::Result<u64> {
    let mut start = 0;
    for _ in 0..MAX_TAGS {
        let head: [u8; APE as usize] = read_at(input, start)?;
        let len = match leading(&head) {
            Some(len) if start + len < input.len() => len,
            _ => break,
        };
        start += len;
        if head.starts_with(b"ID3") {
            start = after_zeros(input, start)?;
        }
    }
    Ok(start)
}

/// The length of the tag that begins with these bytes.
pub(super) fn leading(head: &[u8]) -> Option<u64> {
    if head.starts_with(b"ID3") {
        return id3v2(head);
    }
    // Header and footer of an APE tag state the length of its items and its footer.
    let is_header = head.len() >= 24 && head.starts_with(b"APETAGEX") && head[23] & 0x20 != 0;
    is_header.then(|| u64::from(u32_le(&head[12..16])) + APE)
}

/// The length of the ID3v2 tag that begins with these ten bytes, its footer included.
fn id3v2(head: &[u8]) -> Option<u64> {
    let [_, _, _, major, minor, flags, size @ ..] = head.get(..ID3V2 as usize)? else { return None };
    let size: [u8; 4] = size.try_into().ok()?;
    // Sizes have seven bits in each byte.
    if *major == 0xff || *minor == 0xff || size.iter().any(|byte| *byte > 0x7f) {
        return None;
    }
    let size = size.iter().fold(0, |size, byte| size << 7 | u64::from(*byte));
    let footer = if flags & 0x10 != 0 { ID3V2 } else { 0 };
    Some(ID3V2 + size + footer)
}

/// Skips up to 64 KiB of zeros, if anything else follows them.
fn after_zeros(input: &mut Input, start: u64) -> io::Result<u64> {
    let mut bytes = vec![0; 1 << 16];
    input.seek(SeekFrom::Start(start))?;
    let count = input.read_up_to(&mut bytes)?;
    // The first bytes of an MP4 are the size of a box, and begin with zeros.
    if bytes[4..8] == *b"ftyp" {
        return Ok(start);
    }
    let zeros = bytes[..count].iter().position(|byte| *byte != 0).unwrap_or(0);
    Ok(start + zeros as u64)
}

/// The length of the tag at the end of the range, or 0.
fn trailing(input: &mut Input, range: Range<u64>) -> io::Result<u64> {
    let end = range.end;
    let fits = |len: &u64| *len > 0 && *len <= end - range.start;
    if range.end - range.start < APE {
        return Ok(0);
    }
    let footer: [u8; APE as usize] = read_at(input, end - APE)?;
    let found = if &footer[..8] == b"APETAGEX" && footer[23] & 0x20 == 0 {
        let header = if footer[23] & 0x80 != 0 { APE } else { 0 };
        Some(u64::from(u32_le(&footer[12..16])) + header)
    } else if &footer[22..25] == b"3DI" {
        // The footer of an ID3v2 tag is its header with the letters reversed.
        let mut head = [0; ID3V2 as usize];
        head.copy_from_slice(&footer[22..]);
        head[..3].copy_from_slice(b"ID3");
        id3v2(&head)
    } else if &footer[23..] == b"LYRICS200" {
        // Six digits before the end mark state the length of all before them.
        let digits = std::str::from_utf8(&footer[17..23]).ok().and_then(|digits| digits.parse::<u64>().ok());
        digits.map(|len| len + 15)
    } else if end - range.start >= ID3V1 && &read_at::<3>(input, end - ID3V1)? == b"TAG" {
        let before = end - ID3V1;
        let extended = before - range.start >= ID3V1_EXTENDED
            && &read_at::<4>(input, before - ID3V1_EXTENDED)? == b"TAG+";
        Some(if extended { ID3V1 + ID3V1_EXTENDED } else { ID3V1 })
    } else {
        None
    };
    Ok(found.filter(fits).unwrap_or(0))
}

/// Bytes of the input, with zeros for those after its end.
pub(super) fn read_at<const N: usize>(input: &mut Input, position: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.seek(SeekFrom::Start(position))?;
    input.read_up_to(&mut bytes)?;
    Ok(bytes)
}

fn u32_le(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(bytes: Vec<u8>) -> Range<u64> {
        without_tags(&mut Input::from_bytes(bytes.into())).unwrap()
    }

    fn ape(flags: u8, items: u32) -> Vec<u8> {
        let mut bytes = b"APETAGEX".to_vec();
        bytes.extend(2000_u32.to_le_bytes());
        bytes.extend((items + 32).to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend([0, 0, 0, flags]);
        bytes.extend([0; 8]);
        bytes
    }

    #[test]
    fn tags_on_both_sides_are_found() {
        let audio = [9_u8; 1000];
        let id3v2 = [b"ID3\x04\0\0\0\0\x02\x01".as_slice(), &[1; 257]].concat();
        let id3v1 = [b"TAG".as_slice(), &[b' '; 125]].concat();
        assert_eq!(extent(audio.to_vec()), 0..1000);
        assert_eq!(extent([audio.as_slice(), &id3v1].concat()), 0..1000);
        assert_eq!(extent([&id3v2, audio.as_slice(), &id3v1].concat()), 267..1267);
        assert_eq!(
            extent([&id3v2, [0; 500].as_slice(), &audio].concat()),
            767..1767,
            "padding after the tag"
        );
        let extended = [b"TAG+".as_slice(), &[b' '; 223]].concat();
        assert_eq!(extent([audio.as_slice(), &extended, &id3v1].concat()), 0..1000);
        let footed = [&ape(0xa0, 50), [2; 50].as_slice(), &ape(0x80, 50)].concat();
        assert_eq!(extent([audio.as_slice(), &footed, &id3v1].concat()), 0..1000, "APE before ID3v1");
        assert_eq!(extent([footed.as_slice(), &audio].concat()), 114..1114, "APE at the start");
        let lyrics = [b"LYRICSBEGIN".as_slice(), &[b'x'; 89], b"000100LYRICS200"].concat();
        assert_eq!(extent([audio.as_slice(), &lyrics, &id3v1].concat()), 0..1000);
        let footer = [b"3DI\x04\0\x10\0\0\x02\x01".as_slice()].concat();
        let appended = [b"ID3\x04\0\x10\0\0\x02\x01".as_slice(), &[1; 257], &footer].concat();
        assert_eq!(extent([audio.as_slice(), &appended].concat()), 0..1000);
    }

    #[test]
    fn an_mp4_behind_a_tag_keeps_its_first_size() {
        let file = [b"ID3\x04\0\0\0\0\x00\x01x".as_slice(), b"\0\0\0\x20ftypM4A ", &[1; 100]].concat();
        assert_eq!(extent(file.clone()), 11..file.len() as u64);
    }

    #[test]
    fn lengths_that_lie_are_not_believed() {
        let audio = [9_u8; 1000];
        assert_eq!(extent([audio.as_slice(), &ape(0x80, u32::MAX - 40)].concat()), 0..1032);
        assert_eq!(extent([b"ID3\x03\0\0\x7f\x7f\x7f\x7f".as_slice(), &audio].concat()), 0..1010);
        assert_eq!(extent([b"ID3\x03\0\0\x00\xff\x00\x00".as_slice(), &audio].concat()), 0..1010);
        assert_eq!(extent(b"TAG".to_vec()), 0..3);
        assert_eq!(extent(Vec::new()), 0..0);
    }
}
