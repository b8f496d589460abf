//! MPEG audio and ADTS: streams of frames without a container, between tags and junk.
//!
//! Demuxers take any two bytes that look like a frame's start for one, and play pictures. Here a frame is believed if
//! it follows a believed one or if others of its kind follow it, and all between frames is left out.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use symphonia::core::io::MediaSource;

use super::input::Input;
use super::resume::Resume;
use super::source::Decoded;
use super::tags;

/// Frames in a row that are believed.
const CHAIN: usize = 4;
/// Bytes read at a time.
const CHUNK: usize = 1 << 16;
/// The longest frame of both kinds.
const LONGEST: usize = 8192;
/// Bytes behind the last frame that are not worth a warning: tags that are damaged, or unknown.
const MAX_TAIL: u64 = 4096;
/// Bytes that are searched for the first frame.
const MAX_JUNK: u64 = 32 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Layers I, II and III of MPEG-1, 2 and 2.5.
    Mpeg,
    /// AAC in its transport stream.
    Adts,
}

/// What the header of a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// In bytes, with the header.
    pub len: usize,
    /// In sample frames.
    pub samples: u64,
    /// What does not change within a stream: version, layer or profile, sample rate, and the channels of ADTS.
    pub fixed: u32,
}

impl Kind {
    /// Its usual name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Mpeg => "MPEG audio",
            Kind::Adts => "AAC",
        }
    }

    /// Reads the header that begins here.
    pub(super) fn header(self, bytes: &[u8]) -> Option<Header> {
        match self {
            Kind::Mpeg => mpeg(bytes),
            Kind::Adts => adts(bytes),
        }
    }
}

fn mpeg(bytes: &[u8]) -> Option<Header> {
    let [0xff, second, third, fourth, ..] = *bytes else { return None };
    let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
    let (bitrate, rate, padding) = (third >> 4, third >> 2 & 3, usize::from(third >> 1 & 1));
    // Reserved values; free format (bit rate 0) is refused elsewhere.
    if second & 0xe0 != 0xe0 || version == 1 || layer == 0 || rate == 3 || fourth & 3 == 2 {
        return None;
    }
    let is_mpeg1 = version == 3;
    let kilobits: [u32; 15] = match (is_mpeg1, layer) {
        (true, 3) => [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
        (true, 2) => [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
        (true, _) => [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
        (false, 3) => [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
        (false, _) => [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    };
    let bits = 1000 * *kilobits.get(usize::from(bitrate)).filter(|bits| **bits > 0)? as usize;
    let halved = match version {
        3 => 0,
        2 => 1,
        _ => 2,
    };
    let rate_in_hz = [44_100, 48_000, 32_000][usize::from(rate)] >> halved;
    let (samples, len) = match layer {
        3 => (384, (12 * bits / rate_in_hz + padding) * 4),
        1 if !is_mpeg1 => (576, 72 * bits / rate_in_hz + padding),
        _ => (1152, 144 * bits / rate_in_hz + padding),
    };
    Some(Header { len, samples, fixed: u32::from(second & 0x1e) << 8 | u32::from(third & 0x0c) })
}

fn adts(bytes: &[u8]) -> Option<Header> {
    let head: &[u8; 7] = bytes.first_chunk()?;
    // Sync word with layer 0, and a sample rate that exists.
    if head[0] != 0xff || head[1] & 0xf6 != 0xf0 || head[2] >> 2 & 15 > 12 {
        return None;
    }
    let len = usize::from(head[3] & 3) << 11 | usize::from(head[4]) << 3 | usize::from(head[5] >> 5);
    let header_len = if head[1] & 1 == 0 { 9 } else { 7 };
    let blocks = u64::from(head[6] & 3) + 1;
    // The channel configuration is split between two bytes.
    let fixed = u32::from(head[1] & 0x08) << 16 | u32::from(head[2] & 0xfd) << 8 | u32::from(head[3] & 0xc0);
    (len > header_len).then_some(Header { len, samples: 1024 * blocks, fixed })
}

/// Bytes that are neither in frames nor in tags.
#[derive(Debug, Default)]
pub(super) struct Skipped {
    /// Between frames: damage, mostly.
    between: AtomicU64,
    /// Behind the last frame, without zeros.
    after: AtomicU64,
}

impl Skipped {
    pub(super) fn warning(&self) -> Option<String> {
        let (between, after) = (self.between.load(Ordering::Relaxed), self.after.load(Ordering::Relaxed));
        match (between, after) {
            (0, 0..=MAX_TAIL) => None,
            (0, _) => {
                Some(format!("{after} bytes behind the last frame are not of its format, and are left out"))
            }
            _ => Some(format!("{between} bytes between frames are not audio, and were skipped")),
        }
    }
}

/// A stream of frames, as a source for a demuxer: frames alone, one after another.
pub(super) struct Stream {
    window: Window,
    kind: Kind,
    /// Bytes before the first frame that are no tag.
    junk: u64,
    /// The same behind the first frame, for who reads the frames.
    skipped: Arc<Skipped>,
    /// Where frames of another kind begin; 0 if they do not.
    change: Arc<AtomicU64>,
    /// [`Header::fixed`] of the last believed frame.
    fixed: Option<u32>,
    /// What is to be given next, as an offset in the window and a length.
    given: usize,
    left: usize,
    header: Header,
}

impl Stream {
    /// The first frame, searched in `range`. Returns the input if there is none.
    pub(super) fn find(input: Input, kind: Kind, range: Range<u64>) -> io::Result<Result<Self, Input>> {
        let mut window = Window::new(input, range);
        let start = window.position();
        let mut header = None;
        while window.position() - start <= MAX_JUNK && window.fill(LONGEST)? > 0 {
            header = chain(kind, &mut window, None)?;
            if header.is_some() {
                break;
            }
            window.skip_to_next_sync()?;
        }
        let Some(header) = header else { return Ok(Err(window.input)) };
        let junk = window.position() - start;
        Ok(Ok(Self {
            window,
            kind,
            junk,
            skipped: Arc::default(),
            change: Arc::default(),
            fixed: None,
            given: 0,
            left: 0,
            header,
        }))
    }

    /// Bytes before the first frame that are not in a tag.
    pub(super) fn junk(&self) -> u64 {
        self.junk
    }

    /// The number of bytes that are not audio, so far.
    pub(super) fn skipped(&self) -> Arc<Skipped> {
        Arc::clone(&self.skipped)
    }

    /// Where frames of another kind begin, as soon as the stream has ended there.
    pub(super) fn change(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.change)
    }

    /// How frames of another kind are read.
    pub(super) fn resume(&self) -> Decoded<Resume> {
        Resume::new(&self.window.input, &(self.position()..self.window.end))
    }

    /// The offset of the next frame in the input.
    pub(super) fn position(&self) -> u64 {
        self.window.position()
    }

    /// The input, to be read in another way.
    pub(super) fn into_input(self) -> Input {
        self.window.input
    }

    /// The first bytes of the first frame.
    pub(super) fn first_bytes(&mut self) -> io::Result<Vec<u8>> {
        let count = self.window.fill(LONGEST)?;
        Ok(self.window.bytes()[..count.min(self.header.len)].to_vec())
    }

    /// An estimate of the number of sample frames, from the first frames' lengths.
    pub(super) fn estimate(&mut self) -> io::Result<u64> {
        let count = self.window.fill(CHUNK)?;
        let bytes = &self.window.bytes()[..count];
        let (mut at, mut samples) = (0, 0);
        while let Some(header) = self.kind.header(&bytes[at..]).filter(|header| at + header.len <= count) {
            at += header.len;
            samples += header.samples;
        }
        let left = self.window.end - self.window.position();
        Ok(if at == 0 { 0 } else { (u128::from(left) * u128::from(samples) / at as u128) as u64 })
    }

    /// Moves to the next frame. `false` at the end.
    fn advance(&mut self) -> io::Result<bool> {
        self.window.consume(self.given + self.left);
        (self.given, self.left) = (0, 0);
        let (mut in_step, mut skipped, mut other) = (true, 0, 0);
        loop {
            let count = self.window.fill(LONGEST)?;
            if count == 0 {
                self.skipped.after.fetch_add(other, Ordering::Relaxed);
                return Ok(false);
            }
            let next = self.kind.header(&self.window.bytes()[..count]);
            match next {
                // The frame where the last one ended. The last of a truncated file is given as far as it goes.
                Some(next) if in_step && self.fixed == Some(next.fixed) => self.left = next.len.min(count),
                _ => match chain(self.kind, &mut self.window, self.fixed)? {
                    // A decoder is for one rate and, of AAC, for one number of channels.
                    Some(next) if self.fixed.is_some_and(|fixed| fixed != next.fixed) => {
                        self.change.store(self.window.position(), Ordering::Relaxed);
                        self.window.end = self.window.position();
                        self.window.skip(0)?;
                        return Ok(false);
                    }
                    Some(next) => {
                        self.fixed = Some(next.fixed);
                        self.left = next.len;
                    }
                    None => {
                        match tags::leading(&self.window.bytes()[..count]) {
                            Some(len) => self.window.skip(len)?,
                            None => {
                                let start = self.window.position();
                                other += self.window.skip_to_next_sync()?;
                                skipped += self.window.position() - start;
                            }
                        }
                        in_step = false;
                        continue;
                    }
                },
            }
            // What follows the last frame is not between frames.
            self.skipped.between.fetch_add(skipped, Ordering::Relaxed);
            return Ok(true);
        }
    }
}

/// The header at the window's start, if as many frames of its kind follow, or nothing else up to the end. Near the end
/// and in the middle of a stream, a frame of the same kind as before (`fixed`) is enough.
fn chain(kind: Kind, window: &mut Window, fixed: Option<u32>) -> io::Result<Option<Header>> {
    let available = window.fill(CHAIN * LONGEST)?;
    let bytes = &window.bytes()[..available];
    let Some(first) = kind.header(bytes) else { return Ok(None) };
    let (mut at, mut frames) = (0, 0);
    while frames < CHAIN {
        match kind.header(&bytes[at..]) {
            Some(next) if next.fixed == first.fixed => {
                at += next.len;
                frames += 1;
                if at >= available {
                    break;
                }
            }
            _ => break,
        }
    }
    let is_known = fixed == Some(first.fixed);
    let is_end = at >= available;
    // One frame alone is believed if it ends with the file.
    let is_whole = is_end && (at == available || frames > 1);
    Ok((frames >= CHAIN || is_whole || (is_known && frames > 1)).then_some(first))
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !self.advance()? {
            return Ok(0);
        }
        let count = self.left.min(buffer.len());
        buffer[..count].copy_from_slice(&self.window.bytes()[self.given..self.given + count]);
        self.given += count;
        self.left -= count;
        Ok(count)
    }
}

impl Seek for Stream {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}

impl MediaSource for Stream {
    fn is_seekable(&self) -> bool {
        false
    }

    fn byte_len(&self) -> Option<u64> {
        None
    }
}

/// A part of the input in memory.
struct Window {
    input: Input,
    /// Offset in the input of the next byte to be read.
    next: u64,
    end: u64,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that are done with.
    done: usize,
}

impl Window {
    fn new(input: Input, range: Range<u64>) -> Self {
        Self { input, next: range.start, end: range.end, buffer: Vec::new(), done: 0 }
    }

    /// The offset in the input of the first byte of the window.
    fn position(&self) -> u64 {
        self.next - (self.buffer.len() - self.done) as u64
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[self.done..]
    }

    /// Reads until the window has this many bytes, and returns how many of them it has.
    fn fill(&mut self, wanted: usize) -> io::Result<usize> {
        if self.bytes().len() < wanted {
            self.buffer.drain(..self.done);
            self.done = 0;
            let more = (wanted - self.buffer.len()).max(CHUNK) as u64;
            let more = more.min(self.end.saturating_sub(self.next)) as usize;
            if more > 0 {
                let held = self.buffer.len();
                self.buffer.resize(held + more, 0);
                self.input.seek(SeekFrom::Start(self.next))?;
                let count = self.input.read_up_to(&mut self.buffer[held..])?;
                self.buffer.truncate(held + count);
                self.next += count as u64;
                if count < more {
                    // The file was shortened.
                    self.end = self.next;
                }
            }
        }
        Ok(self.bytes().len().min(wanted))
    }

    fn consume(&mut self, count: usize) {
        self.done += count;
    }

    /// Skips bytes that need not be in memory.
    fn skip(&mut self, count: u64) -> io::Result<()> {
        let position = self.position().saturating_add(count).min(self.end);
        self.buffer.clear();
        self.done = 0;
        self.next = position;
        Ok(())
    }

    /// Skips at least a byte, up to the next one that may begin a frame or a tag. Returns how many of them are not zero.
    fn skip_to_next_sync(&mut self) -> io::Result<u64> {
        let bytes = self.bytes();
        let next = bytes.iter().skip(1).position(|byte| matches!(byte, 0xff | b'I' | b'A'));
        let count = next.map_or(bytes.len(), |next| next + 1);
        let other = bytes[..count].iter().filter(|byte| **byte != 0).count() as u64;
        self.consume(count);
        Ok(other)
    }
}

/// Whether a frame is of layer II and has a bit rate that the standard excludes for its number of channels. Encoders
/// write it nevertheless.
pub(super) fn is_excluded(bytes: &[u8]) -> bool {
    let [0xff, second, third, fourth, ..] = *bytes else { return false };
    let is_mono = fourth >> 6 == 3;
    second >> 1 & 0xf == 0xe && if is_mono { third >> 4 > 10 } else { matches!(third >> 4, 1..=3 | 5) }
}

/// Whether frames without a stated length follow each other: free format, of layer III mostly.
pub(super) fn is_free_format(bytes: &[u8]) -> bool {
    let is_free = |bytes: &[u8]| {
        matches!(bytes, [0xff, second, third, ..]
            if second & 0xe0 == 0xe0 && second >> 3 & 3 != 1 && second >> 1 & 3 != 0 && third >> 4 == 0 && third >> 2 & 3 != 3)
    };
    let same = |at: usize| bytes.get(at..).is_some_and(|other| is_free(other) && other[1] == bytes[1]);
    // Equal distances, up to a padding byte.
    is_free(bytes)
        && (24..LONGEST).any(|len| {
            let mut at = 0;
            (0..CHAIN).all(|_| {
                at += len;
                if !same(at) {
                    at += 1;
                }
                same(at)
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MPEG-1 layer III, 44.1 kHz, 128 kbit/s: 417 bytes, or 418 with padding.
    fn frames(count: usize) -> Vec<u8> {
        (0..count)
            .flat_map(|index| {
                let padding = index % 2;
                let mut frame = vec![0xff, 0xfb, 0x90 | (padding as u8) << 1, 0x44];
                frame.resize(417 + padding, index as u8 & 0x7f);
                frame
            })
            .collect()
    }

    fn seen(bytes: &[u8]) -> Option<Vec<u8>> {
        let input = Input::from_bytes(bytes.to_vec().into());
        let len = input.len();
        let mut stream = Stream::find(input, Kind::Mpeg, 0..len).unwrap().ok()?;
        let mut seen = Vec::new();
        stream.read_to_end(&mut seen).unwrap();
        Some(seen)
    }

    #[test]
    fn lengths_of_frames_are_those_of_the_standard() {
        let len = |bytes: [u8; 4]| mpeg(&bytes).map(|header| (header.len, header.samples));
        assert_eq!(len([0xff, 0xfb, 0x90, 0x44]), Some((417, 1152)));
        assert_eq!(len([0xff, 0xfb, 0xe4, 0x00]), Some((960, 1152)), "48 kHz, 320 kbit/s");
        assert_eq!(len([0xff, 0xf3, 0x80, 0x00]), Some((208, 576)), "MPEG-2, 22.05 kHz, 64 kbit/s");
        assert_eq!(len([0xff, 0xe3, 0x80, 0x00]), Some((417, 576)), "MPEG-2.5, 11.025 kHz");
        assert_eq!(len([0xff, 0xfd, 0x84, 0x00]), Some((384, 1152)), "layer II, 48 kHz, 128 kbit/s");
        assert_eq!(len([0xff, 0xff, 0x94, 0x00]), Some((288, 384)), "layer I, 48 kHz, 288 kbit/s");
        for wrong in [
            [0xff, 0xfb, 0x00, 0],
            [0xff, 0xfb, 0xf0, 0],
            [0xff, 0xfb, 0x9c, 0],
            [0xff, 0xeb, 0x90, 0],
            [0xff, 0xf9, 0x90, 0],
        ] {
            assert_eq!(len(wrong), None, "{wrong:x?}");
        }
        let header = adts(&[0xff, 0xf1, 0x50, 0x80, 0x2e, 0x7f, 0xfc]).unwrap();
        assert_eq!((header.len, header.samples), (371, 1024));
    }

    #[test]
    fn excluded_bit_rates_are_told() {
        assert!(is_excluded(&[0xff, 0xfd, 0xe4, 0xc0]), "384 kbit/s, mono");
        assert!(is_excluded(&[0xff, 0xfd, 0x14, 0x00]), "32 kbit/s, stereo");
        for usual in
            [[0xff, 0xfd, 0xa4, 0xc0], [0xff, 0xfd, 0x44, 0], [0xff, 0xf5, 0x14, 0], [0xff, 0xfb, 0xe4, 0xc0]]
        {
            assert!(!is_excluded(&usual), "{usual:x?}");
        }
    }

    /// At frames of another rate, the stream ends and says where they begin.
    #[test]
    fn it_ends_at_frames_of_another_kind() {
        let music = frames(20);
        let mut other = frames(20);
        for frame in 0..20 {
            // 48 kHz: 384 bytes, without padding.
            other[frame * 384..frame * 384 + 4].copy_from_slice(&[0xff, 0xfb, 0x94, 0x44]);
        }
        other.truncate(20 * 384);
        let both = [music.as_slice(), &other].concat();
        let len = both.len() as u64;
        let mut stream =
            Stream::find(Input::from_bytes(both.into()), Kind::Mpeg, 0..len).unwrap().ok().unwrap();
        let (change, mut seen) = (stream.change(), Vec::new());
        stream.read_to_end(&mut seen).unwrap();
        assert_eq!((seen.len(), change.load(Ordering::Relaxed)), (music.len(), music.len() as u64));
        // What is no audio behind the last frame is counted, but for zeros.
        let tail = [music.as_slice(), &[7; 5000], &[0; 5000]].concat();
        let len = tail.len() as u64;
        let mut stream =
            Stream::find(Input::from_bytes(tail.into()), Kind::Mpeg, 0..len).unwrap().ok().unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        assert!(stream.skipped().warning().unwrap().starts_with("5000 bytes behind the last frame"));
    }

    #[test]
    fn only_frames_are_given() {
        let music = frames(20);
        assert_eq!(seen(&music).unwrap(), music);
        // A picture with what looks like a frame, before, between and after.
        let picture = [[3_u8; 1000].as_slice(), &music[..417], &[5; 700]].concat();
        let tag = [b"ID3\x03\0\0\0\0\x10\x45".as_slice(), &picture].concat();
        assert_eq!(seen(&[picture.as_slice(), &music].concat()).unwrap(), music);
        let both = [music.as_slice(), &tag, &music].concat();
        assert_eq!(seen(&both).unwrap(), [music.as_slice(), &music].concat());
        assert_eq!(seen(&[music.as_slice(), &tag].concat()).unwrap(), music);
        // Two megabytes of zeros before.
        assert_eq!(seen(&[vec![0; 2 << 20], music.clone()].concat()).unwrap(), music);
    }

    #[test]
    fn the_truncated_last_frame_is_given_as_far_as_it_goes() {
        let music = frames(20);
        assert_eq!(seen(&music[..music.len() - 100]).unwrap(), &music[..music.len() - 100]);
        assert_eq!(seen(&frames(1)).unwrap(), frames(1), "one frame alone");
        assert_eq!(seen(&frames(1)[..400]), None, "half a frame alone");
    }

    #[test]
    fn noise_is_no_music() {
        let mut state = 1_u32;
        let noise: Vec<u8> = (0..1 << 20)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        assert_eq!(seen(&noise), None);
        assert_eq!(seen(&[0xff; 100_000]), None);
        assert_eq!(seen(&[]), None);
    }

    #[test]
    fn free_format_is_recognised() {
        let mut frame = vec![0xff, 0xfb, 0x00, 0x44];
        frame.resize(1000, 7);
        assert!(is_free_format(&frame.repeat(6)));
        assert!(!is_free_format(&frames(6)));
        assert!(!is_free_format(&[]));
    }
}
