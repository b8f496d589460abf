//! What Matroska and WebM files say that the demuxer does not read: which track is the default, padding at the end, and
//! whether the file was written without its length. And where it goes on behind damage.

mod damage;

use std::io::{Seek, SeekFrom};
use std::ops::Range;

use super::input::Input;
use super::view::View;

/// The largest number of elements that are read: of several clusters, if lengths are unknown.
const MAX_ELEMENTS: usize = 4_000_000;
/// Damaged places that are mended.
const MAX_PATCHES: usize = 1000;
/// Bytes read at a time.
const CHUNK: usize = 1 << 14;
/// The longest identifier with the longest length.
const HEAD: usize = 12;

const EBML: u64 = 0x1a45_dfa3;
const SEGMENT: u64 = 0x1853_8067;
const TRACKS: u64 = 0x1654_ae6b;
const TRACK_ENTRY: u64 = 0xae;
const TRACK_NUMBER: u64 = 0xd7;
const TRACK_TYPE: u64 = 0x83;
const FLAG_DEFAULT: u64 = 0x88;
const CODEC_ID: u64 = 0x86;
const CONTENT_ENCODINGS: u64 = 0x6d80;
const CLUSTER: u64 = 0x1f43_b675;
const SIMPLE_BLOCK: u64 = 0xa3;
const BLOCK_GROUP: u64 = 0xa0;
const BLOCK: u64 = 0xa1;
const DISCARD_PADDING: u64 = 0x75a2;

/// What is known of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Info {
    pub tracks: Vec<Track>,
    /// Whether the length of the segment is not stated, as in what was written to a pipe.
    pub is_unbounded: bool,
    /// Whether the last element ends with the file.
    pub is_whole: bool,
    /// Where another file begins that was appended.
    pub next: Option<u64>,
    /// Where the first cluster begins, and where the segment ends.
    first_cluster: Option<u64>,
    end: u64,
    /// Wrong sizes put right, and what cannot be read covered, as offsets and bytes.
    patches: Vec<(u64, Vec<u8>)>,
}

/// One track.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Track {
    pub number: u64,
    pub is_audio: bool,
    pub is_default: bool,
    /// The name of its codec, such as `A_OPUS`.
    pub codec: String,
    /// Whether its packets are compressed or encrypted once more, which the demuxer does not undo.
    pub is_encoded: bool,
    /// Nanoseconds at the end of the last block that are padding.
    pub padding: u64,
}

/// Reads the elements of a file that begins at `start`. Behind damage, it goes on at the next cluster.
pub(super) fn read(input: &mut Input, start: u64) -> Info {
    let mut walk = Walk::new(input);
    let _ = walk.file(start);
    walk.info.patches.sort();
    walk.info
}

impl Info {
    /// Whether something was damaged between clusters.
    pub(super) fn is_damaged(&self) -> bool {
        !self.patches.is_empty()
    }

    /// The file with what can be read of it.
    pub(super) fn view(&self, input: Input, range: Range<u64>) -> View {
        View::patched(input, range.start..self.next.unwrap_or(range.end), &self.patches)
    }

    /// The first cluster that begins at `from` or later.
    pub(super) fn cluster_after(&self, input: &mut Input, from: u64) -> Option<u64> {
        Walk::new(input).next_cluster(from, self.end)
    }

    /// The file without the clusters before the one that begins at `cluster`.
    pub(super) fn view_from(&self, input: Input, range: Range<u64>, cluster: u64) -> View {
        let first = self.first_cluster.unwrap_or(cluster);
        let mut patches: Vec<_> = damage::void(first..cluster).into_iter().collect();
        patches.extend(self.patches.iter().filter(|(at, _)| *at < first || *at >= cluster).cloned());
        patches.sort();
        View::patched(input, range.start..self.next.unwrap_or(range.end), &patches)
    }
}

/// The usual name of a codec.
pub(super) fn codec(id: &str) -> String {
    let name = match id {
        "A_DTS" | "A_DTS/EXPRESS" | "A_DTS/LOSSLESS" => "DTS",
        "A_TRUEHD" | "A_MLP" => "TrueHD",
        "A_EAC3" => "E-AC-3",
        "A_WAVPACK4" => "WavPack",
        "A_TTA1" => "TTA",
        "A_MPC" => "Musepack",
        _ if id.starts_with("A_AC3") => "AC-3",
        _ if id.starts_with("A_AAC") => "AAC",
        _ if id.starts_with("A_PCM") => "PCM of an unusual size",
        _ if id.starts_with("A_REAL") => "RealAudio",
        _ => id.trim_start_matches("A_"),
    };
    name.chars().filter(|character| !character.is_control()).take(40).collect()
}

struct Walk<'a> {
    input: &'a mut Input,
    len: u64,
    /// A part of the input, and where it begins.
    buffer: Vec<u8>,
    buffer_start: u64,
    info: Info,
    /// How many more elements may be read.
    elements: usize,
}

/// Identifier and contents of an element; `None` as end if its length is unknown.
struct Element {
    id: u64,
    start: u64,
    end: Option<u64>,
}

impl<'a> Walk<'a> {
    fn new(input: &'a mut Input) -> Self {
        Walk {
            len: input.len(),
            input,
            buffer: Vec::new(),
            buffer_start: 0,
            info: Info::default(),
            elements: MAX_ELEMENTS,
        }
    }
}

impl Walk<'_> {
    fn file(&mut self, start: u64) -> Option<()> {
        let header = self.element(start).filter(|header| header.id == EBML)?;
        let segment = self.element(header.end?).filter(|segment| segment.id == SEGMENT)?;
        self.info.is_unbounded = segment.end.is_none();
        let end = segment.end.unwrap_or(self.len).min(self.len);
        self.segment(segment.start, end);
        // Where bytes were inserted, the end is not where the segment says, and the last cluster is beyond it.
        if self.info.is_damaged() && end < self.len && self.info.next.is_none() {
            self.info = Info { is_unbounded: self.info.is_unbounded, ..Info::default() };
            self.resize(header.end?, self.len);
            self.segment(segment.start, self.len);
        }
        Some(())
    }

    /// Reads the parts of the segment.
    fn segment(&mut self, start: u64, end: u64) {
        self.info.end = end;
        let mut position = start;
        let mut last_cluster = None;
        while position < end {
            let next = match self.element(position) {
                Some(another) if another.id == EBML && self.info.is_unbounded => {
                    (self.info.end, self.info.is_whole) = (position, true);
                    break;
                }
                Some(cluster) if cluster.id == CLUSTER => {
                    self.info.first_cluster.get_or_insert(position);
                    last_cluster = Some(cluster.start..cluster.end.unwrap_or(end).min(end));
                    match cluster.end {
                        Some(cluster_end) => self.after_cluster(position, cluster.start, cluster_end, end),
                        // Its length is unknown: the next cluster is found by what its elements are.
                        None => match self.blocks(cluster.start..end) {
                            Ok(next) => Some(next),
                            Err(damage) => self.pass_over(damage, end),
                        },
                    }
                }
                Some(Element { id, start, end: Some(next) })
                    if next <= end
                        && (id == TRACKS || self.is_part(position, end) || self.is_part(next, end)) =>
                {
                    if id == TRACKS {
                        let _ = self.tracks(start..next);
                    }
                    Some(next)
                }
                _ => self.pass_over(position, end),
            };
            match next {
                Some(next) if next > position && self.info.patches.len() < MAX_PATCHES => position = next,
                _ => break,
            }
        }
        self.info.is_whole |= position == end;
        let ended = self.info.end;
        if self.element(ended).is_some_and(|another| another.id == EBML) {
            self.info.next = Some(ended);
        }
        if let Some(cluster) = last_cluster {
            self.info.tracks.iter_mut().for_each(|track| track.padding = 0);
            let _ = self.blocks(cluster);
        }
    }

    /// Where a cluster at `position` is followed by something: its end, unless that is wrong.
    fn after_cluster(&mut self, position: u64, start: u64, cluster_end: u64, end: u64) -> Option<u64> {
        if cluster_end <= end && self.is_part(cluster_end, end) {
            return Some(cluster_end);
        }
        match self.next_cluster(start, end) {
            Some(next) if next < cluster_end => {
                self.resize(position, next);
                Some(next)
            }
            Some(next) => {
                self.info.patches.extend(damage::void(cluster_end..next));
                Some(next)
            }
            // The last one of a truncated file.
            None => Some(cluster_end),
        }
    }

    fn tracks(&mut self, range: Range<u64>) -> Option<()> {
        let mut position = range.start;
        while position < range.end {
            let element = self.element(position)?;
            let end = element.end?;
            if element.id == TRACK_ENTRY {
                let track = self.track(element.start..end)?;
                self.info.tracks.push(track);
            }
            position = end;
        }
        Some(())
    }

    fn track(&mut self, range: Range<u64>) -> Option<Track> {
        // The flag is set unless it is there and says otherwise.
        let mut track = Track {
            number: 0,
            is_audio: false,
            is_default: true,
            codec: String::new(),
            is_encoded: false,
            padding: 0,
        };
        let mut position = range.start;
        while position < range.end {
            let element = self.element(position)?;
            let end = element.end?;
            let contents = element.start..end;
            match element.id {
                TRACK_NUMBER => track.number = self.unsigned(contents)?,
                TRACK_TYPE => track.is_audio = self.unsigned(contents)? == 2,
                FLAG_DEFAULT => track.is_default = self.unsigned(contents)? != 0,
                CONTENT_ENCODINGS => track.is_encoded = true,
                CODEC_ID => {
                    let len = usize::try_from(end - element.start).ok()?.min(64);
                    track.codec = String::from_utf8_lossy(self.bytes(element.start, len)?).into_owned();
                }
                _ => {}
            }
            position = end;
        }
        Some(track)
    }

    /// Reads the blocks of a cluster, and returns its end: that of the range, or the next element that is not in it. The
    /// error is where something begins that does not fit.
    fn blocks(&mut self, range: Range<u64>) -> Result<u64, u64> {
        let mut position = range.start;
        while position < range.end {
            let Some(element) = self.element(position) else { return Err(position) };
            // Identifiers of four bytes are those of the segment's own elements.
            if element.id > 0xff_ffff {
                return Ok(position);
            }
            let fits = element.end.filter(|end| *end <= range.end && damage::is_of_cluster(element.id));
            let Some(end) = fits else { return Err(position) };
            let read = match element.id {
                SIMPLE_BLOCK => self.block(element.start, 0),
                BLOCK_GROUP => self.group(element.start..end),
                _ => Some(()),
            };
            read.ok_or(position)?;
            position = end;
        }
        Ok(position)
    }

    fn group(&mut self, range: Range<u64>) -> Option<()> {
        let (mut block, mut padding) = (None, 0);
        let mut position = range.start;
        while position < range.end {
            let element = self.element(position)?;
            let end = element.end?;
            match element.id {
                BLOCK => block = Some(element.start),
                DISCARD_PADDING => {
                    let bits = 8 * (end - element.start).min(8) as u32;
                    let value = self.unsigned(element.start..end)?;
                    // Signed; what is negative is padding before the block, which nobody writes.
                    let is_negative = bits > 0 && value >> (bits - 1) & 1 == 1;
                    padding = if is_negative { 0 } else { value };
                }
                _ => {}
            }
            position = end;
        }
        self.block(block?, padding)
    }

    /// Notes the padding of a track's block, which is the last one so far.
    fn block(&mut self, start: u64, padding: u64) -> Option<()> {
        let (number, _) = variable(self.bytes(start, 8)?, false)?;
        if let Some(track) = self.info.tracks.iter_mut().find(|track| track.number == number) {
            track.padding = padding;
        }
        Some(())
    }

    fn element(&mut self, position: u64) -> Option<Element> {
        self.elements = self.elements.checked_sub(1)?;
        let head = self.bytes(position, HEAD)?;
        let (id, id_len) = variable(head, true)?;
        let (len, len_len) = variable(&head[id_len..], false)?;
        let start = position + (id_len + len_len) as u64;
        let is_unknown = len == (1 << (7 * len_len)) - 1;
        let end = if is_unknown { None } else { Some(start.checked_add(len)?) };
        Some(Element { id, start, end })
    }

    fn unsigned(&mut self, range: Range<u64>) -> Option<u64> {
        let len = usize::try_from(range.end.checked_sub(range.start)?).ok().filter(|len| *len <= 8)?;
        let bytes = self.bytes(range.start, len)?.get(..len)?;
        Some(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// The bytes at this position; fewer at the end of the file, and at least one.
    fn bytes(&mut self, position: u64, len: usize) -> Option<&[u8]> {
        let held = self.buffer_start..self.buffer_start + self.buffer.len() as u64;
        let wanted = position..(position + len as u64).min(self.len);
        if position >= self.len {
            return None;
        }
        if wanted.start < held.start || wanted.end > held.end {
            self.buffer.resize(CHUNK, 0);
            self.input.seek(SeekFrom::Start(position)).ok()?;
            let count = self.input.read_up_to(&mut self.buffer).ok()?;
            self.buffer.truncate(count);
            self.buffer_start = position;
        }
        let start = (position - self.buffer_start) as usize;
        let end = (start + len).min(self.buffer.len());
        self.buffer.get(start..end).filter(|bytes| !bytes.is_empty())
    }
}

/// A number whose first byte states its length by its leading zeros, and the length. The mark itself belongs to
/// identifiers.
fn variable(bytes: &[u8], with_mark: bool) -> Option<(u64, usize)> {
    let len = bytes.first()?.leading_zeros() as usize + 1;
    let bytes = bytes.get(..len).filter(|_| len <= 8)?;
    let value = bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    Some((if with_mark { value } else { value & !(1 << (7 * len)) }, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(id: u64, contents: &[u8]) -> Vec<u8> {
        let mut bytes: Vec<u8> = id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        bytes.extend((contents.len() as u32 | 0x1000_0000).to_be_bytes());
        bytes.extend(contents);
        bytes
    }

    fn unknown(id: u64, contents: &[u8]) -> Vec<u8> {
        let mut bytes = (id as u32).to_be_bytes().to_vec();
        bytes.push(0xff);
        bytes.extend(contents);
        bytes
    }

    fn tracks() -> Vec<u8> {
        let entry = |number: u8, kind: u8, rest: &[u8], codec: &[u8]| {
            let parts = [
                element(TRACK_NUMBER, &[number]),
                element(TRACK_TYPE, &[kind]),
                rest.to_vec(),
                element(CODEC_ID, codec),
            ];
            element(TRACK_ENTRY, &parts.concat())
        };
        let entries = [
            entry(1, 2, &[element(FLAG_DEFAULT, &[0]), element(CONTENT_ENCODINGS, &[])].concat(), b"A_AC3"),
            entry(2, 2, &[], b"A_OPUS"),
            entry(3, 1, &[], b"V_VP9"),
        ];
        element(TRACKS, &entries.concat())
    }

    fn clusters(make: fn(u64, &[u8]) -> Vec<u8>) -> Vec<u8> {
        let simple = element(SIMPLE_BLOCK, &[0x82, 0, 0, 0, 1, 2, 3]);
        let padded = |padding: &[u8]| {
            element(
                BLOCK_GROUP,
                &[element(BLOCK, &[0x82, 0, 0, 0, 9]), element(DISCARD_PADDING, padding)].concat(),
            )
        };
        let first = make(CLUSTER, &[element(0xe7, &[0]), padded(&[77]), simple.clone()].concat());
        let last = make(CLUSTER, &[element(0xe7, &[9]), simple, padded(&[0, 0xce, 0xe3, 0x18])].concat());
        [first, last].concat()
    }

    fn info(segment: Vec<u8>) -> Info {
        let bytes = [element(EBML, b"webm"), segment].concat();
        read(&mut Input::from_bytes(bytes.into()), 0)
    }

    #[test]
    fn tracks_and_padding_are_found() {
        let known =
            info(element(SEGMENT, &[tracks(), clusters(element), element(0x1c53_bb6b, b"cues")].concat()));
        let found: Vec<_> =
            known.tracks.iter().map(|track| (track.number, track.is_audio, track.is_default)).collect();
        assert_eq!(found, [(1, true, false), (2, true, true), (3, false, true)]);
        assert_eq!(known.tracks[1].padding, 13_558_552);
        assert!(known.tracks[0].is_encoded && !known.tracks[1].is_encoded);
        assert_eq!(known.tracks[0].codec, "A_AC3");
        assert!(!known.is_unbounded && known.is_whole);
        let piped = info(unknown(SEGMENT, &[tracks(), clusters(unknown)].concat()));
        assert_eq!(piped.tracks, known.tracks);
        assert!(piped.is_unbounded && piped.is_whole);
    }

    fn seen(bytes: &[u8]) -> Vec<u8> {
        let info = read(&mut Input::from_bytes(bytes.to_vec().into()), 0);
        let mut seen = Vec::new();
        let mut view = info.view(Input::from_bytes(bytes.to_vec().into()), 0..bytes.len() as u64);
        std::io::Read::read_to_end(&mut view, &mut seen).unwrap();
        seen
    }

    /// What cannot be read is covered up to the next cluster, and wrong sizes of clusters are put right.
    #[test]
    fn the_next_cluster_is_found_behind_damage() {
        for make in [element, unknown] {
            let start = [element(EBML, b"webm"), unknown(SEGMENT, &tracks())].concat();
            let one = make(CLUSTER, &[element(0xe7, &[0]), element(SIMPLE_BLOCK, &[0x82; 40])].concat());
            let last = clusters(make);
            let junk = [0x08; 30];
            let damaged = [start.as_slice(), &one, &junk, &last].concat();
            let at = start.len() + one.len();
            let mut expected = damaged.clone();
            expected[at..at + 9].copy_from_slice(&[0xec, 1, 0, 0, 0, 0, 0, 0, 21]);
            assert_eq!(seen(&damaged), expected);
            let info = read(&mut Input::from_bytes(damaged.clone().into()), 0);
            assert_eq!((info.tracks[1].padding, info.is_whole, info.is_damaged()), (13_558_552, true, true));
            let mut input = Input::from_bytes(damaged.into());
            assert_eq!(info.cluster_after(&mut input, start.len() as u64 + 1), Some((at + 30) as u64));
            // The end is too early by what was inserted.
            let sized = [
                element(EBML, b"webm").as_slice(),
                &element(SEGMENT, &[tracks(), one.clone(), last.clone()].concat()),
            ]
            .concat();
            let at = sized.len() - last.len();
            let inserted = [&sized[..at], &junk, &sized[at..]].concat();
            let info = read(&mut Input::from_bytes(inserted.clone().into()), 0);
            assert_eq!((info.tracks[1].padding, info.is_whole), (13_558_552, true));
            let header = element(EBML, b"webm").len();
            let size = u32::from_be_bytes(seen(&inserted)[header + 4..header + 8].try_into().unwrap());
            assert_eq!((size & 0xfff_ffff) as usize, inserted.len() - header - 8);
            // Nothing is wrong in this one, and another follows.
            let whole = [start, one, last].concat();
            assert_eq!(seen(&whole), whole);
            let len = whole.len();
            let both = [whole.as_slice(), &whole].concat();
            let info = read(&mut Input::from_bytes(both.clone().into()), 0);
            assert_eq!((info.next, info.is_whole, seen(&both).len()), (Some(len as u64), true, len));
        }
        let start = [element(EBML, b"webm"), unknown(SEGMENT, &tracks())].concat();
        let whole = [start.clone(), clusters(element)].concat();
        for wrong in [0x1000_0030_u32, 0x1fff_0000, 0x1000_0002] {
            let mut damaged = whole.clone();
            damaged[start.len() + 4..start.len() + 8].copy_from_slice(&wrong.to_be_bytes());
            let info = read(&mut Input::from_bytes(damaged.clone().into()), 0);
            assert_eq!((info.tracks[1].padding, info.is_whole), (13_558_552, true), "{wrong:x}");
            if wrong > 0x1000_0002 {
                assert_eq!(seen(&damaged), whole, "{wrong:x}");
            }
        }
    }

    #[test]
    fn damage_anywhere_is_survived() {
        let whole =
            [element(EBML, b"webm"), unknown(SEGMENT, &[tracks(), clusters(unknown)].concat())].concat();
        for cut in 0..whole.len() {
            let info = read(&mut Input::from_bytes(whole[..cut].to_vec().into()), 0);
            assert!(info.tracks.len() <= 3);
            for value in [0, 0xff] {
                let mut damaged = whole.clone();
                damaged[cut] = value;
                read(&mut Input::from_bytes(damaged.into()), 0);
            }
        }
    }
}
