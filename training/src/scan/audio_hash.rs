//! Identifies a recording by its audio: the SHA-256 of what is in a file beside its tags.
//!
//! Taggers rewrite files without touching the audio. If a file were known by all its bytes, new tags would cost a new
//! decoding, and copies with other tags would count as other recordings. What is hashed: the frames of MPEG audio, ADTS,
//! FLAC, Monkey's Audio, WavPack and Musepack without ID3, APE and Lyrics3 tags around them; the chunks with format and
//! samples of WAV and AIFF; the media data of MP4; the packets of Ogg without those of comments, however they are
//! divided into pages. A file of any other structure, or with a damaged one, is hashed whole.

use std::fs::File;
use std::io::{BufReader, Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::ogg;

/// SHA-256 of the audio in a file, in hexadecimal.
///
/// # Errors
/// If the file cannot be read.
pub fn audio_sha256(path: &Path) -> Result<String> {
    let mut file = BufReader::with_capacity(1 << 18, File::open(path)?);
    let length = file.get_ref().metadata()?.len();
    let within = without_tags(&mut file, 0..length)?;
    let mut start = [0; 12];
    let read = read_at(&mut file, within.start, &mut start)?;
    if start[..read].starts_with(b"OggS") {
        file.seek(SeekFrom::Start(within.start))?;
        if let Some(hash) = of_packets(&mut file)? {
            return Ok(hash);
        }
    }
    let ranges = match &start[..read] {
        [b'f', b'L', b'a', b'C', ..] => flac(&mut file, &within)?,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E'] => {
            chunks(&mut file, &within, [b"fmt ", b"data"], u32::from_le_bytes)?
        }
        [b'F', b'O', b'R', b'M', _, _, _, _, b'A', b'I', b'F', b'F' | b'C'] => {
            chunks(&mut file, &within, [b"COMM", b"SSND"], u32::from_be_bytes)?
        }
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => boxes(&mut file, &within)?,
        _ => None,
    };
    let mut hash = Sha256::new();
    for range in ranges.unwrap_or_else(|| std::iter::once(within).collect()) {
        update(&mut hash, &mut file, range)?;
    }
    Ok(hexadecimal(hash))
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn update(hash: &mut Sha256, file: &mut BufReader<File>, range: Range<u64>) -> Result<()> {
    file.seek(SeekFrom::Start(range.start))?;
    let mut left = range.end.saturating_sub(range.start);
    let mut buffer = vec![0; 1 << 18];
    while left > 0 {
        let wanted = left.min(buffer.len() as u64) as usize;
        match file.read(&mut buffer[..wanted])? {
            0 => break,
            count => {
                hash.update(&buffer[..count]);
                left -= count as u64;
            }
        }
    }
    Ok(())
}

/// Reads at a position as much as there is; returns how much.
fn read_at(file: &mut BufReader<File>, at: u64, buffer: &mut [u8]) -> Result<usize> {
    file.seek(SeekFrom::Start(at))?;
    let mut read = 0;
    while read < buffer.len() {
        match file.read(&mut buffer[read..]) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// What is left between tags at the beginning and at the end.
fn without_tags(file: &mut BufReader<File>, whole: Range<u64>) -> Result<Range<u64>> {
    let Range { mut start, mut end } = whole;
    let mut head = [0; 10];
    while read_at(file, start, &mut head)? == 10 && head.starts_with(b"ID3") {
        let size = head[6..10].iter().fold(0, |size, byte| size << 7 | u64::from(byte & 0x7f));
        let footer = if head[5] & 0x10 != 0 { 10 } else { 0 };
        let next = start + 10 + size + footer;
        if next > end {
            break;
        }
        start = next;
    }
    loop {
        let cut = tag_at_end(file, start, end)?;
        if cut == 0 || cut > end - start {
            return Ok(start..end);
        }
        end -= cut;
    }
}

/// The size of the tag at the end of a range; 0 if there is none.
fn tag_at_end(file: &mut BufReader<File>, start: u64, end: u64) -> Result<u64> {
    let mut tail = [0; 128];
    let length = (end - start).min(128) as usize;
    let tail = &mut tail[..length];
    if read_at(file, end - length as u64, tail)? < length {
        return Ok(0);
    }
    if length == 128 && tail.starts_with(b"TAG") {
        return Ok(128);
    }
    if let Some(footer) = tail.last_chunk::<32>().filter(|footer| footer.starts_with(b"APETAGEX")) {
        let number =
            |at: usize| u32::from_le_bytes([footer[at], footer[at + 1], footer[at + 2], footer[at + 3]]);
        let header = if number(20) & 0x8000_0000 != 0 { 32 } else { 0 };
        return Ok(u64::from(number(12)) + header);
    }
    if let Some(footer) = tail.last_chunk::<15>().filter(|footer| footer.ends_with(b"LYRICS200")) {
        let digits = std::str::from_utf8(&footer[..6]).ok().and_then(|text| text.parse::<u64>().ok());
        return Ok(digits.map_or(0, |size| size + 15));
    }
    Ok(0)
}

/// Behind FLAC's metadata blocks.
fn flac(file: &mut BufReader<File>, within: &Range<u64>) -> Result<Option<Vec<Range<u64>>>> {
    let mut at = within.start + 4;
    loop {
        let mut head = [0; 4];
        if read_at(file, at, &mut head)? < 4 || head[0] == 0xff {
            return Ok(None);
        }
        at += 4 + u64::from(u32::from_be_bytes([0, head[1], head[2], head[3]]));
        if at > within.end {
            return Ok(None);
        }
        if head[0] & 0x80 != 0 {
            return Ok(Some(std::iter::once(at..within.end).collect()));
        }
    }
}

/// The chunks with these names of a RIFF or FORM file.
fn chunks(
    file: &mut BufReader<File>,
    within: &Range<u64>,
    names: [&[u8; 4]; 2],
    number: fn([u8; 4]) -> u32,
) -> Result<Option<Vec<Range<u64>>>> {
    let mut found = Vec::new();
    let mut at = within.start + 12;
    let mut head = [0; 8];
    while at + 8 <= within.end && read_at(file, at, &mut head)? == 8 {
        let (name, size) = head.split_at(4);
        let size = u64::from(number([size[0], size[1], size[2], size[3]]));
        if names.iter().any(|wanted| *wanted == name) {
            // Writers that were stopped leave sizes beyond the end.
            found.push(at + 8..(at + 8 + size).min(within.end));
        }
        at += 8 + size + (size & 1);
    }
    Ok((found.len() > 1).then_some(found))
}

/// The media data of an MP4 file.
fn boxes(file: &mut BufReader<File>, within: &Range<u64>) -> Result<Option<Vec<Range<u64>>>> {
    let mut found = Vec::new();
    let mut at = within.start;
    let mut head = [0; 16];
    while at + 8 <= within.end {
        let read = read_at(file, at, &mut head)?;
        let size = u64::from(u32::from_be_bytes([head[0], head[1], head[2], head[3]]));
        let (header, size) = match size {
            0 => (8, within.end - at),
            1 if read == 16 => (16, u64::from_be_bytes(*head.last_chunk().expect("eight of sixteen bytes"))),
            _ => (8, size),
        };
        let Some(end) = at.checked_add(size).filter(|_| size >= header) else { return Ok(None) };
        if head[4..8] == *b"mdat" {
            found.push(at + header..end.min(within.end));
        }
        at = end;
    }
    Ok((!found.is_empty()).then_some(found))
}

/// The hash of an Ogg file's packets; `None` if it is not made of pages throughout.
fn of_packets(file: &mut BufReader<File>) -> Result<Option<String>> {
    let mut hash = Sha256::new();
    let mut length = 0u64;
    let outcome = ogg::each_piece(file, |piece| {
        if !piece.is_comment {
            hash.update(piece.bytes);
            length += piece.bytes.len() as u64;
        }
        if piece.ends {
            hash.update(length.to_le_bytes());
            length = 0;
        }
    });
    match outcome {
        Ok(()) => Ok(Some(hexadecimal(hash))),
        Err(error) if error.kind() == ErrorKind::InvalidData => Ok(None),
        Err(error) => Err(Error::new(error.kind(), error)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The beginnings of files of every structure, from which others are made.
    const STARTS: [&[u8]; 9] = [
        b"ID3\x03\0\x10\0\0\0\x05",
        b"fLaC\0\0\0\x02ab\x84\xff\xff\xff",
        b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff",
        b"FORM\0\0\0\x10AIFFCOMM\xff\xff\xff\xf0",
        b"\0\0\0\x08ftyp\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff",
        b"OggS\0\x02\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x02\xff\x01",
        b"OggS\0\x02\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x01\x33\x7fFLAC\x01\0\0\x01fLaC",
        b"APETAGEX\xd0\x07\0\0\xff\xff\xff\x7f\0\0\0\0\xff\xff\xff\xff",
        b"999999LYRICS200",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_have_a_hash(
            parts in prop::collection::vec((0..STARTS.len(), prop::collection::vec(any::<u8>(), 0..80)), 0..4),
        ) {
            let bytes: Vec<u8> = parts.iter().flat_map(|(start, more)| [STARTS[*start], more].concat()).collect();
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &bytes).unwrap();
            let hash = audio_sha256(file.path()).unwrap();
            prop_assert_eq!(hash.len(), 64);
            prop_assert_eq!(hash, audio_sha256(file.path()).unwrap());
            ogg::read_flac(&mut &bytes[..]).unwrap();
        }
    }

    #[test]
    fn tags_around_the_audio_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let hash = |parts: &[&[u8]]| {
            let path = folder.path().join("x");
            std::fs::write(&path, parts.concat()).unwrap();
            audio_sha256(&path).unwrap()
        };
        let audio = [0xff, 0xfb, 0x90, 0x44].repeat(100);
        let id3v2 = [&b"ID3\x04\0\0\0\0\0\x05"[..], b"hello"].concat();
        let id3v1 = [&b"TAG"[..], &[b'x'; 125]].concat();
        let ape = [&b"APETAGEX\xd0\x07\0\0\x20\0\0\0\0\0\0\0\0\0\0\0"[..], &[0; 8]].concat();
        let lyrics = b"LYRICSBEGINwords000016LYRICS200";
        let plain = hash(&[&audio]);
        for parts in [
            &[&id3v2[..], &audio][..],
            &[&audio, &id3v1],
            &[&id3v2, &id3v2, &audio, &ape, &id3v1],
            &[&audio, lyrics, &id3v1],
        ] {
            assert_eq!(hash(parts), plain, "{parts:?}");
        }
        assert_ne!(hash(&[&audio, b"x"]), plain);
    }
}
