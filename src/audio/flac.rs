//! FLAC files as the demuxer should see them: the stream information and the frames, and nothing else.
//!
//! Tags, pictures and seek tables do not matter to decoding, and are often damaged: they are left out. What follows the
//! last frame is left out too, for the demuxer takes a frame to last until the next one or the end of the file. Where
//! another FLAC file was appended, it is found, for the demuxer would take its frames for damaged ones.

use std::io::{Seek, SeekFrom};
use std::ops::Range;

use symphonia::core::checksum::Crc16Ansi;
use symphonia::core::io::Monitor;

use super::input::Input;
use super::source::{Decoded, Failure};
use super::tags::read_at;
use super::view::View;

/// Length of the STREAMINFO block.
const INFO: usize = 34;
/// The largest number of metadata blocks that are followed.
const MAX_BLOCKS: usize = 10_000;
/// Bytes searched for the first frame if the metadata blocks do not lead to it: a picture of 16 MiB and more, whose
/// length does not fit its block.
const MAX_SEARCH: u64 = 64 << 20;
/// Bytes from the end in which the last frame is searched: the largest frame and as much junk.
const MAX_TAIL: u64 = 4 << 20;
/// The largest frame that is expected where the file does not state it.
const MAX_FRAME: usize = 1 << 20;
/// The length of usual junk after the last frame.
const SHORT_JUNK: usize = 4096;
/// Bytes behind the last frame that are not worth a warning.
const MAX_REST: u64 = 4096;
/// Bytes in the middle that are searched for a frame.
const MAX_PROBE: u64 = 1 << 16;
/// The longest frame header.
const HEADER: usize = 16;

/// How a file is to be read.
pub(super) struct Seen {
    pub view: View,
    /// Where another FLAC file begins.
    pub next: Option<u64>,
    /// What is worth a warning.
    pub note: Option<String>,
}

/// The file in `range`, which begins with `fLaC`.
pub(super) fn view(mut input: Input, range: Range<u64>) -> Decoded<Seen> {
    let (mut info, blocks_end) = stream_info(&mut input, &range)?;
    let header: [u8; HEADER] = read_at(&mut input, blocks_end).map_err(Failure::from_io)?;
    let first = match Header::parse(&header) {
        Some(header) if header.fits(&info) => Some((blocks_end, header)),
        // The lengths of the blocks are wrong.
        _ => first_frame(&mut input, &info, &range)?,
    };
    let Some((start, first)) = first else {
        return Err(Failure::Damage("FLAC: no frame follows the metadata".to_owned()));
    };
    mend(&mut info, &first);
    let mut last = last_frame(&mut input, &info, start..range.end)?;
    let mut next = None;
    if !is_all(&mut input, &info, &first, start..range.end, last.as_ref())? {
        next = appended(&mut input, start..range.end)?;
        if let Some(next) = next {
            last = last_frame(&mut input, &info, start..next)?;
        }
    }
    let limit = next.unwrap_or(range.end);
    let end = last.as_ref().map_or(limit, |(end, _)| *end);
    let rest = limit - end;
    // Of a truncated file, it is a part of the next frame.
    let is_last = last
        .as_ref()
        .is_some_and(|(_, last)| first.sample_of(last) + u64::from(last.block_size) == stated(&info));
    let note = (is_last && rest > MAX_REST && has_other_than_zeros(&mut input, end..limit)?)
        .then(|| format!("{rest} bytes behind the last frame are not of its format, and are left out"));
    let mut prefix = b"fLaC\x80\0\0".to_vec();
    prefix.push(INFO as u8);
    prefix.extend(info);
    Ok(Seen { view: View::with_prefix(input, prefix, start..end), next, note })
}

/// Whether the last frame is that of the first file: it ends where the stream information says, and a frame from the
/// middle lies about where it should. If not, the file is damaged or cut, or another follows; to know that, it is read.
fn is_all(
    input: &mut Input,
    info: &[u8; INFO],
    first: &Header,
    range: Range<u64>,
    last: Option<&(u64, Header)>,
) -> Decoded<bool> {
    let stated = stated(info);
    let Some((end, last)) = last else { return Ok(false) };
    if first.sample_of(last) + u64::from(last.block_size) != stated || range.end - end > MAX_REST {
        return Ok(false);
    }
    if appended(input, *end..range.end)?.is_some() {
        return Ok(false);
    }
    // Two or three files of one length end as one does.
    let len = range.end - range.start;
    let probe = len * 3 / 8;
    let mut bytes = vec![0; MAX_PROBE.min(len) as usize];
    input.seek(SeekFrom::Start(range.start + probe)).map_err(Failure::from_io)?;
    let count = input.read_up_to(&mut bytes).map_err(Failure::from_io)?;
    let found = (0..count).find_map(|at| {
        let header = Header::parse(&bytes[at..count]).filter(|header| header.fits(info))?;
        Some((at, header))
    });
    // A file of a few frames says nothing about its middle.
    let Some((at, header)) = found.filter(|_| stated >= 16 * u64::from(first.block_size)) else {
        return Ok(stated < 16 * u64::from(first.block_size)
            && !bytes[..count].windows(4).any(|four| four == b"fLaC"));
    };
    let expected = (probe + at as u64) as f64 / len as f64;
    Ok((first.sample_of(&header) as f64 / stated as f64 - expected).abs() < 0.2)
}

/// The number of sample frames that the stream information states; 0 if it is not known.
fn stated(info: &[u8; INFO]) -> u64 {
    u64::from_be_bytes(info[10..18].try_into().expect("eight bytes")) & 0xf_ffff_ffff
}

/// Where another FLAC file begins in `range`.
fn appended(input: &mut Input, range: Range<u64>) -> Decoded<Option<u64>> {
    let mut start = range.start;
    let mut bytes = vec![0; 1 << 18];
    while start + 8 < range.end {
        input.seek(SeekFrom::Start(start)).map_err(Failure::from_io)?;
        let wanted = bytes.len().min((range.end - start) as usize);
        let count = input.read_up_to(&mut bytes[..wanted]).map_err(Failure::from_io)?;
        // The mark, and the first block: the stream information.
        let is_start = |at: &[u8]| {
            at[0] == b'f' && at.starts_with(b"fLaC") && at[4] & 0x7f == 0 && at[5..] == [0, 0, INFO as u8]
        };
        if let Some(at) = bytes[..count].windows(8).position(is_start) {
            return Ok(Some(start + at as u64));
        }
        if count < 8 {
            break;
        }
        start += count as u64 - 7;
    }
    Ok(None)
}

fn has_other_than_zeros(input: &mut Input, range: Range<u64>) -> Decoded<bool> {
    let mut bytes = vec![0; MAX_PROBE.min(range.end - range.start) as usize];
    input.seek(SeekFrom::Start(range.start)).map_err(Failure::from_io)?;
    let count = input.read_up_to(&mut bytes).map_err(Failure::from_io)?;
    Ok(bytes[..count].iter().any(|byte| *byte != 0))
}

/// The stream information, and the end of the last metadata block.
fn stream_info(input: &mut Input, range: &Range<u64>) -> Decoded<([u8; INFO], u64)> {
    let mut position = range.start + 4;
    let mut info = None;
    for _ in 0..MAX_BLOCKS {
        let [kind, len @ ..]: [u8; 4] = read_at(input, position).map_err(Failure::from_io)?;
        let len = len.iter().fold(0, |len, byte| len << 8 | u64::from(*byte));
        position += 4;
        if kind & 0x7f == 0 && info.is_none() && len >= INFO as u64 && position + len <= range.end {
            info = Some(read_at(input, position).map_err(Failure::from_io)?);
        }
        if position + len > range.end {
            break;
        }
        position += len;
        if kind & 0x80 != 0 {
            break;
        }
    }
    let info = info.ok_or_else(|| Failure::Damage("FLAC: is truncated in its header".to_owned()))?;
    Ok((info, position))
}

/// Encoders that write wrong block sizes: the demuxer believes them, and refuses frames that do not fit.
fn mend(info: &mut [u8; INFO], first: &Header) {
    let size = |at: usize| u32::from(u16::from_be_bytes([info[at], info[at + 1]]));
    let largest = size(2).max(first.block_size);
    // Only with equal sizes does it accept frames that are counted, and only with different ones those that are not.
    let smallest = match (first.is_fixed, size(0)) {
        (true, _) => largest,
        (false, smallest) if smallest < 16 || smallest >= largest => 16,
        (false, smallest) => smallest,
    };
    info[..2].copy_from_slice(&(smallest as u16).to_be_bytes());
    info[2..4].copy_from_slice(&(largest as u16).to_be_bytes());
}

/// Searches the frame of number 0.
fn first_frame(input: &mut Input, info: &[u8; INFO], range: &Range<u64>) -> Decoded<Option<(u64, Header)>> {
    let end = range.end.min(range.start.saturating_add(MAX_SEARCH));
    let mut start = range.start + 42;
    let mut bytes = vec![0; 1 << 16];
    while start < end {
        input.seek(SeekFrom::Start(start)).map_err(Failure::from_io)?;
        let count = input.read_up_to(&mut bytes).map_err(Failure::from_io)?;
        for at in 0..count.saturating_sub(HEADER - 1) {
            if let Some(header) = Header::parse(&bytes[at..count])
                && header.number == 0
                && header.fits(info)
            {
                return Ok(Some((start + at as u64, header)));
            }
        }
        if count < bytes.len() {
            break;
        }
        // The last header may continue in the next part.
        start += (count - (HEADER - 1)) as u64;
    }
    Ok(None)
}

/// The end of the last frame, and its header: junk after it would be taken for a part of it. `None` if no frame is
/// intact there.
fn last_frame(input: &mut Input, info: &[u8; INFO], range: Range<u64>) -> Decoded<Option<(u64, Header)>> {
    let start = range.start.max(range.end.saturating_sub(MAX_TAIL));
    // A small part first: the last frame of music has some kilobytes.
    for len in [1 << 16, range.end - start] {
        let start = start.max(range.end.saturating_sub(len));
        let mut tail = vec![0; (range.end - start) as usize];
        input.seek(SeekFrom::Start(start)).map_err(Failure::from_io)?;
        let count = input.read_up_to(&mut tail).map_err(Failure::from_io)?;
        tail.truncate(count);
        if let Some((end, header)) = last_intact(&tail, info) {
            return Ok(Some((start + end as u64, header)));
        }
    }
    Ok(None)
}

/// The end of the last frame in `tail` whose checksum is right, and its header.
fn last_intact(tail: &[u8], info: &[u8; INFO]) -> Option<(usize, Header)> {
    let largest = info[7..10].iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
    let largest = if largest == 0 { MAX_FRAME } else { largest };
    let starts = (0..tail.len()).rev();
    let starts =
        starts.filter(|start| Header::parse(&tail[*start..]).is_some_and(|header| header.fits(info)));
    for start in starts.take(8) {
        // The checksum over a frame with its own checksum is 0. That happens inside of a frame by chance, too.
        let (mut crc, mut ends) = (0, Vec::new());
        for (at, byte) in tail.iter().enumerate().skip(start).take(largest) {
            let before = crc;
            crc = crc16(crc, *byte);
            if crc == 0 && before != 0 && at > start + 6 {
                ends.push(at + 1);
            }
        }
        // What is left is mostly nothing or short; of long junk, nothing is known.
        let end = ends.last().filter(|end| tail.len() - **end <= SHORT_JUNK).or(ends.first());
        if let (Some(end), Some(header)) = (end, Header::parse(&tail[start..])) {
            return Some((*end, header));
        }
    }
    None
}

/// What a frame's header says.
#[derive(Debug, PartialEq)]
struct Header {
    /// Whether frames are counted, or the first sample is stated.
    is_fixed: bool,
    /// In sample frames.
    block_size: u32,
    /// In Hz, if the header states it.
    rate: Option<u32>,
    channels: u8,
    /// Bits per sample, if the header states them.
    bits: Option<u8>,
    /// The number of the frame, or of its first sample.
    number: u64,
}

impl Header {
    /// Reads the header that begins here, if it is one and its checksum is right.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let [0xff, second, sizes, layout, ..] = *bytes else { return None };
        if second & 0xfe != 0xf8 || layout & 1 != 0 {
            return None;
        }
        let (size_code, rate_code) = (sizes >> 4, sizes & 15);
        let (channel_code, bits_code) = (layout >> 4, layout >> 1 & 7);
        let (number, mut at) = coded_number(bytes, 4)?;
        let mut next = |count: usize| {
            let value =
                bytes.get(at..at + count)?.iter().fold(0, |value, byte| value << 8 | u32::from(*byte));
            at += count;
            Some(value)
        };
        let block_size = match size_code {
            1 => 192,
            2..=5 => 144 << size_code,
            6 => next(1)? + 1,
            7 => next(2)? + 1,
            8..=15 => 1 << size_code,
            _ => return None,
        };
        const RATES: [u32; 11] =
            [88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000];
        let rate = match rate_code {
            0 => None,
            1..=11 => Some(RATES[usize::from(rate_code) - 1]),
            12 => Some(next(1)? * 1000),
            13 => Some(next(2)?),
            14 => Some(next(2)? * 10),
            _ => return None,
        };
        let channels = match channel_code {
            0..=7 => channel_code + 1,
            8..=10 => 2,
            _ => return None,
        };
        let bits = match bits_code {
            0 => None,
            1 => Some(8),
            2 => Some(12),
            4 => Some(16),
            5 => Some(20),
            6 => Some(24),
            7 => Some(32),
            _ => return None,
        };
        let is_intact = *bytes.get(at)? == bytes[..at].iter().fold(0, |crc, byte| crc8(crc, *byte));
        is_intact.then_some(Self { is_fixed: second & 1 == 0, block_size, rate, channels, bits, number })
    }

    /// The number of another frame's first sample, if this is the first one. Numbers have 36 bits.
    fn sample_of(&self, other: &Header) -> u64 {
        let unit = if other.is_fixed { u64::from(self.block_size) } else { 1 };
        other.number * unit
    }

    /// Whether it agrees with the stream information.
    fn fits(&self, info: &[u8; INFO]) -> bool {
        let packed = u64::from_be_bytes(info[10..18].try_into().expect("eight bytes"));
        let (rate, channels, bits) = (packed >> 44, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1);
        u64::from(self.channels) == channels
            && self.rate.is_none_or(|stated| u64::from(stated) == rate)
            && self.bits.is_none_or(|stated| u64::from(stated) == bits)
    }
}

/// Whether the checksum of a whole frame is right: over the frame with its checksum, it is 0.
pub(super) fn is_intact(frame: &[u8]) -> bool {
    let mut crc = Crc16Ansi::new(0);
    crc.process_buf_bytes(frame);
    crc.crc() == 0
}

/// A number of up to 36 bits, coded as UTF-8 codes characters, and the offset after it.
fn coded_number(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let first = *bytes.get(at)?;
    let len = match first.leading_ones() {
        0 => return Some((u64::from(first), at + 1)),
        ones @ 2..=7 => ones as usize,
        _ => return None,
    };
    let mut number = u64::from(first) & (0x7f >> len);
    for byte in bytes.get(at + 1..at + len)? {
        if byte & 0xc0 != 0x80 {
            return None;
        }
        number = number << 6 | u64::from(byte & 0x3f);
    }
    Some((number, at + len))
}

fn crc8(crc: u8, byte: u8) -> u8 {
    (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 != 0 { crc << 1 ^ 0x07 } else { crc << 1 })
}

fn crc16(crc: u16, byte: u8) -> u16 {
    crc << 8 ^ CRC16[usize::from((crc >> 8) as u8 ^ byte)]
}

/// The checksums of single bytes, by the polynomial 0x8005.
const CRC16: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { crc << 1 ^ 0x8005 } else { crc << 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// 44.1 kHz, stereo, 16 bits; block sizes of 4,096.
    fn info() -> [u8; INFO] {
        let mut info = [0; INFO];
        info[..4].copy_from_slice(&[0x10, 0, 0x10, 0]);
        info[10..18].copy_from_slice(&(44_100_u64 << 44 | 1 << 41 | 15 << 36).to_be_bytes());
        info
    }

    /// A frame with a valid header and checksum; its contents are nothing that decodes.
    fn frame(number: u8, len: usize) -> Vec<u8> {
        let mut bytes = vec![0xff, 0xf8, 0xc9, 0x18, number];
        bytes.push(bytes.iter().fold(0, |crc, byte| crc8(crc, *byte)));
        bytes.extend((0..len).map(|index| (index * 7) as u8));
        let crc = bytes.iter().fold(0, |crc, byte| crc16(crc, *byte));
        bytes.extend(crc.to_be_bytes());
        bytes
    }

    fn file(blocks: &[(u8, u32, &[u8])], frames: &[Vec<u8>], tail: &[u8]) -> Vec<u8> {
        let mut bytes = b"fLaC".to_vec();
        for (kind, len, content) in blocks {
            bytes.push(*kind);
            bytes.extend(&len.to_be_bytes()[1..]);
            bytes.extend(*content);
        }
        bytes.extend(frames.concat());
        bytes.extend(tail);
        bytes
    }

    fn seen(bytes: Vec<u8>) -> Vec<u8> {
        let len = bytes.len() as u64;
        let mut seen = Vec::new();
        let mut view = view(Input::from_bytes(bytes.into()), 0..len).unwrap().view;
        std::io::Read::read_to_end(&mut view, &mut seen).unwrap();
        seen
    }

    #[test]
    fn headers_of_frames_are_read() {
        let header = Header::parse(&frame(0, 20)).unwrap();
        let expected = Header {
            is_fixed: true,
            block_size: 4096,
            rate: Some(44_100),
            channels: 2,
            bits: Some(16),
            number: 0,
        };
        assert_eq!(header, expected);
        assert!(header.fits(&info()));
        assert!(is_intact(&frame(7, 300)) && !is_intact(&frame(7, 300)[1..]));
        let mut damaged = frame(0, 20);
        damaged[4] = 1;
        assert_eq!(Header::parse(&damaged), None, "the checksum is wrong");
        assert_eq!(coded_number(&[0xfe, 0x80, 0x80, 0x80, 0x80, 0x80, 0x81], 0), Some((1, 7)));
        assert_eq!(coded_number(&[0xc2, 0x40], 0), None);
    }

    #[test]
    fn metadata_and_what_follows_the_frames_are_left_out() {
        let frames = [frame(0, 300), frame(1, 200)];
        let info = info();
        let plain = seen(file(&[(0x80, 34, &info)], &frames, b""));
        assert_eq!(plain, file(&[(0x80, 34, &info)], &frames, b""));
        let tags = [(0, 34, info.as_slice()), (4, 4, b"tags"), (0x86, 5, b"image")];
        assert_eq!(seen(file(&tags, &frames, b"x")), plain, "a byte of junk");
        assert_eq!(seen(file(&tags, &frames, &[0; 70_000])), plain, "zeros");
        // The picture is longer than its block says.
        let picture = vec![3; 100_000];
        let wrong = [(0, 34, info.as_slice()), (0x86, 5, &picture)];
        assert_eq!(seen(file(&wrong, &frames, b"")), plain);
    }

    #[test]
    fn another_file_behind_it_is_found() {
        // 3 frames of 4,096, as the information says; then the same again, or a file of another kind.
        let mut info = info();
        info[14..18].copy_from_slice(&(3 * 4096_u32).to_be_bytes());
        let frames = [frame(0, 300), frame(1, 200), frame(2, 250)];
        let one = file(&[(0, 34, &info), (0x84, 4, b"tags")], &frames, b"");
        let mut mono = info;
        mono[12] &= 0xf0;
        let other = file(&[(0x80, 34, &mono)], &[vec![0x5a; 3000]], b"");
        for second in [&one, &other] {
            let both = [one.as_slice(), second].concat();
            let len = both.len() as u64;
            let found = view(Input::from_bytes(both.clone().into()), 0..len).unwrap();
            assert_eq!((found.next, found.note), (Some(one.len() as u64), None));
            assert_eq!(seen(both), seen(one.clone()));
        }
        // Half a frame behind the last whole one is no junk.
        let cut = [&one[..one.len() - 258], &frame(2, 5000)[..4800]].concat();
        let len = cut.len() as u64;
        assert_eq!(view(Input::from_bytes(cut.into()), 0..len).unwrap().note, None);
        let junk = [one.as_slice(), &[7; 100_000]].concat();
        let found = view(Input::from_bytes(junk.into()), 0..one.len() as u64 + 100_000).unwrap();
        assert!(found.note.unwrap().starts_with("100000 bytes behind the last frame"));
    }

    #[test]
    fn wrong_block_sizes_are_mended() {
        let mut wrong = info();
        wrong[..2].copy_from_slice(&[0, 0]);
        let frames = [frame(0, 300)];
        assert_eq!(
            seen(file(&[(0x80, 34, &wrong)], &frames, b"")),
            file(&[(0x80, 34, &info())], &frames, b"")
        );
    }

    #[test]
    fn without_information_or_frames_it_is_refused() {
        for bytes in [
            file(&[], &[], b""),
            file(&[(0x80, 34, &info()[..20])], &[], b""),
            file(&[(0x80, 34, &info())], &[], b"xyz"),
        ] {
            let len = bytes.len() as u64;
            assert!(view(Input::from_bytes(bytes.into()), 0..len).is_err());
        }
    }
}
