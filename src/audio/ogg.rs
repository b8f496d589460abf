//! What Ogg files begin with: the codecs of their streams, and what the demuxer refuses there: a channel mapping, and
//! damaged pages. Later it passes over those by itself, but before the first audio it gives up.

use std::io::{self, Seek, SeekFrom};
use std::ops::Range;

use super::input::Input;
use super::tags::read_at;

/// The largest number of streams that are looked at.
const MAX_STREAMS: usize = 16;
/// Header of a page with the longest segment table, and the start of its first packet.
const PAGE: usize = 27 + 255 + 64;
/// The longest page.
const LONGEST: usize = 27 + 255 + 255 * 255;
/// Pages of headers that are looked at: comments with pictures have hundreds.
const MAX_PAGES: usize = 2000;
/// Bytes before a place that are searched for the start of its link.
const MAX_BACK: u64 = 64 << 20;

/// What is known of a file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Info {
    /// Names of the codecs of all streams, and their serial numbers.
    pub codecs: Vec<&'static str>,
    pub serials: Vec<u32>,
    /// Bytes to be put right, as offsets and bytes.
    pub patches: Vec<(u64, Vec<u8>)>,
    /// Whether the channels of Opus have no meaning.
    pub is_discrete: bool,
    /// Whether pages of the beginning are damaged.
    pub is_damaged: bool,
}

/// Reads the first pages of a file, or of a link of a chain, that begins at `start`.
pub(super) fn read(input: &mut Input, start: u64) -> io::Result<Info> {
    let mut info = Info::default();
    let mut position = start;
    let mut streams = Vec::new();
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
        info.serials.push(serial(&page));
        streams.extend(Headers::of(&page, packet));
        if packet.starts_with(b"OpusHead") && packet[18] == 255 && (19..=64).contains(&len) {
            info.is_discrete = true;
            info.patches.extend(
                as_family_1(&page[..header + len]).into_iter().map(|(at, bytes)| (position + at, bytes)),
            );
        }
        position += (header + len) as u64;
    }
    if !streams.is_empty() {
        look_at_headers(input, position, &mut streams, &mut info)?;
    }
    Ok(info)
}

/// A stream whose headers are read.
struct Headers {
    serial: [u8; 4],
    /// Packets that are to come before audio.
    left: usize,
    /// Whether the next of them are comments, and nothing else that decoding needs.
    is_comment: bool,
}

impl Headers {
    /// Those of the stream that begins with this page, if its codec is known.
    fn of(page: &[u8], packet: &[u8]) -> Option<Self> {
        let left = match codec(packet) {
            "Vorbis" => 2,
            "Opus" => 1,
            "FLAC" if packet.starts_with(b"\x7f") => {
                usize::from(u16::from_be_bytes([packet[7], packet[8]])).max(1)
            }
            _ => return None,
        };
        Some(Self { serial: page[14..18].try_into().expect("four bytes"), left, is_comment: true })
    }

    /// Counts the packets that end in a page.
    fn pass(&mut self, ended: usize) {
        self.left = self.left.saturating_sub(ended);
        self.is_comment &= ended == 0;
    }
}

/// Looks at the pages up to the first audio. Damage in comments is put right, and a damaged page of audio is hidden.
fn look_at_headers(
    input: &mut Input,
    mut position: u64,
    streams: &mut [Headers],
    info: &mut Info,
) -> io::Result<()> {
    let mut bytes = vec![0; LONGEST + 4];
    for _ in 0..MAX_PAGES {
        input.seek(SeekFrom::Start(position))?;
        let count = input.read_up_to(&mut bytes)?;
        let Some((len, ended)) = extent(&bytes[..count]) else {
            // The mark of a page is damaged, or its end is missing.
            info.is_damaged = true;
            match bytes[..count].windows(4).skip(1).position(|four| four == b"OggS") {
                Some(at) => position += at as u64 + 1,
                None => return Ok(()),
            }
            continue;
        };
        let page = &bytes[..len];
        let are_read = streams.iter().all(|stream| stream.left == 0);
        let stream = streams.iter_mut().find(|stream| stream.serial == page[14..18]);
        let is_intact = is_intact(page);
        match stream {
            Some(stream) if is_intact && stream.left > 0 => stream.pass(ended),
            // The first audio.
            Some(_) if is_intact && ended > 0 => return Ok(()),
            _ if is_intact => {}
            // Its bytes are those of comments, and what comes next is where it says.
            Some(stream)
                if stream.left > 0
                    && stream.is_comment
                    && (ended == 0 || (stream.left == 1 && ended == 1))
                    && bytes[len..count].starts_with(b"OggS") =>
            {
                info.is_damaged = true;
                let mut header = page[..26].to_vec();
                header[22..].copy_from_slice(&checksum_of(page));
                info.patches.push((position, header));
                stream.pass(ended);
            }
            _ if are_read => {
                info.is_damaged = true;
                info.patches.push((position, vec![0; 4]));
                // Its length may be wrong.
                let next = bytes[4..count].windows(4).position(|four| four == b"OggS");
                let Some(next) = next else { return Ok(()) };
                position += next as u64 + 4;
                continue;
            }
            // Nothing can be decoded without it.
            _ => return Ok(()),
        }
        position += len as u64;
    }
    Ok(())
}

/// The length of the page at the start of these bytes, and how many packets end in it.
fn extent(bytes: &[u8]) -> Option<(usize, usize)> {
    let segments = bytes.get(26).filter(|_| bytes.starts_with(b"OggS\0"))?;
    let table = bytes.get(27..27 + usize::from(*segments))?;
    let len = 27 + table.len() + table.iter().map(|segment| usize::from(*segment)).sum::<usize>();
    (len <= bytes.len()).then(|| (len, table.iter().filter(|segment| **segment < 255).count()))
}

fn is_intact(page: &[u8]) -> bool {
    checksum_of(page) == page[22..26]
}

/// The checksum that a page should have.
fn checksum_of(page: &[u8]) -> [u8; 4] {
    let mut page = page.to_vec();
    page[22..26].fill(0);
    checksum(&page)
}

fn serial(page: &[u8]) -> u32 {
    u32::from_le_bytes([page[14], page[15], page[16], page[17]])
}

/// The start of the last link of a chain, if none of its streams is `known`: the demuxer did not play it.
pub(super) fn unplayed(input: &mut Input, range: &Range<u64>, known: &[u32]) -> io::Result<Option<u64>> {
    let from = range.start.max(range.end.saturating_sub(LONGEST as u64 + 1000));
    let mut bytes = vec![0; (range.end - from) as usize];
    input.seek(SeekFrom::Start(from))?;
    let count = input.read_up_to(&mut bytes)?;
    let is_page =
        |at: &usize| extent(&bytes[*at..count]).is_some_and(|(len, _)| is_intact(&bytes[*at..*at + len]));
    let starts = (0..count).rev().filter(|at| bytes[*at..count].starts_with(b"OggS"));
    let Some(last) = starts.take(16).find(is_page) else { return Ok(None) };
    if known.contains(&serial(&bytes[last..])) {
        return Ok(None);
    }
    // A page that begins a stream may be the last one.
    let Some(link) = link_of(input, range.start, from + last as u64 + 1)? else { return Ok(None) };
    let serials = read(input, link)?.serials;
    Ok((!serials.iter().any(|serial| known.contains(serial))).then_some(link))
}

/// The start of the link of a chain that `position` lies in: the last page before it that begins a stream, and those
/// directly before that.
pub(super) fn link_of(input: &mut Input, start: u64, position: u64) -> io::Result<Option<u64>> {
    let first = start.max(position.saturating_sub(MAX_BACK));
    let mut bytes = vec![0; LONGEST];
    let mut end = position;
    while end > first {
        let from = first.max(end.saturating_sub(LONGEST as u64 - 8));
        input.seek(SeekFrom::Start(from))?;
        let count = input.read_up_to(&mut bytes)?;
        let begins = |at: &usize| {
            let page = &bytes[*at..];
            page.starts_with(b"OggS\0")
                && page[5] & 0xfa == 2
                && extent(page).is_some_and(|(len, _)| is_intact(&page[..len]))
        };
        let places: Vec<usize> =
            (0..count.saturating_sub(27).min((end - from) as usize)).filter(begins).collect();
        if let Some(mut link) = places.last().copied() {
            for place in places.iter().rev().skip(1) {
                if extent(&bytes[*place..]).is_some_and(|(len, _)| place + len == link) {
                    link = *place;
                }
            }
            return Ok(Some(from + link as u64));
        }
        end = from;
    }
    Ok(None)
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
        let checksum = checksum(&page);
        page[22..26].copy_from_slice(&checksum);
        page
    }

    fn read_all(pages: &[Vec<u8>]) -> Info {
        read(&mut Input::from_bytes(pages.concat().into()), 0).unwrap()
    }

    /// A damaged page of audio is hidden, one of comments is put right, and one of the setup stays as it is.
    #[test]
    fn damage_before_the_first_audio_is_passed_over() {
        let mut pages = vec![page(2, b"\x01vorbis header"), page(0, b"\x03vorbis comments")];
        pages.extend([page(0, b"\x05vorbis setup"), page(0, b"audio"), page(0, b"more audio")]);
        assert_eq!(read_all(&pages), Info { codecs: vec!["Vorbis"], serials: vec![0], ..Info::default() });
        let lens: Vec<u64> = pages.iter().map(|page| page.len() as u64).collect();
        let damaged = |index: usize, from_end: usize| {
            let mut pages = pages.clone();
            let at = pages[index].len() - from_end;
            pages[index][at] ^= 4;
            read_all(&pages)
        };
        let audio = damaged(3, 2);
        assert_eq!(audio.patches, [(lens[..3].iter().sum(), vec![0; 4])]);
        assert!(audio.is_damaged);
        // Its mark: the demuxer searches the next one.
        let mark = damaged(3, lens[3] as usize);
        assert!(mark.is_damaged && mark.patches.is_empty());
        assert!(damaged(2, 2).patches.is_empty(), "the setup");
        assert!(damaged(1, 2).patches.is_empty(), "the page may hold a part of the setup");

        let opus = [page(2, b"OpusHead header     "), page(0, b"OpusTags"), page(0, b"audio")];
        let mut wrong = opus.to_vec();
        *wrong[1].last_mut().unwrap() ^= 4;
        let info = read_all(&wrong);
        let [(at, header)] = info.patches.as_slice() else { panic!("{info:?}") };
        assert_eq!((*at, &header[22..]), (opus[0].len() as u64, &checksum_of(&wrong[1])[..]));
    }

    #[test]
    fn the_link_of_a_place_is_found() {
        let link = [page(2, b"\x01vorbis"), page(2, b"fishead"), page(0, b"a"), page(0, b"b")].concat();
        let chain = [link.as_slice(), &link].concat();
        let at = |position: usize| {
            link_of(&mut Input::from_bytes(chain.clone().into()), 0, position as u64).unwrap()
        };
        assert_eq!(at(link.len() - 1), Some(0));
        assert_eq!(at(chain.len() - 1), Some(link.len() as u64));
        assert_eq!(at(0), None);
        let unplayed = |known: &[u32]| {
            let len = chain.len() as u64;
            unplayed(&mut Input::from_bytes(chain.clone().into()), &(0..len), known).unwrap()
        };
        assert_eq!((unplayed(&[0]), unplayed(&[7])), (None, Some(link.len() as u64)));
    }

    #[test]
    fn codecs_of_all_streams_are_named() {
        let file = [page(2, b"\x80theora"), page(2, b"Speex   1.2"), page(0, b"OpusHead")].concat();
        let info = read(&mut Input::from_bytes(file.into()), 0).unwrap();
        assert_eq!(info, Info { codecs: vec!["Theora", "Speex"], serials: vec![0, 0], ..Info::default() });
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
