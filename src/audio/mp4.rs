//! What MP4 and QuickTime files say that the demuxer does not read: where the audio begins (edit lists and iTunSMPB),
//! which tracks are enabled, the byte order of PCM, and what a protected track is. And sizes that do not fit the file.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use super::input::Input;
use super::view::View;

/// The largest number of boxes that are read.
const MAX_BOXES: usize = 10_000;
/// The deepest nesting; `esds` in `wave` of an entry stands at ten.
const MAX_DEPTH: usize = 16;
/// The longest iTunSMPB text. It has some 120 characters.
const MAX_TEXT: u64 = 1024;
/// The longest magic cookie of ALAC.
const MAX_COOKIE: u64 = 256;

/// What is known of a file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Info {
    pub tracks: Vec<Track>,
    /// Encoder delay by iTunSMPB, in units of the track's time base, for tracks without an edit list.
    pub delay: Option<u64>,
    pub has_moov: bool,
    /// Whether another file was appended.
    pub is_followed: bool,
    /// Units of a second in which edit lists state how long they are.
    timescale: u32,
    /// Sizes to be put right, as offsets and bytes.
    patches: Vec<(u64, Vec<u8>)>,
    /// The end of the last box; the rest is no part of the container.
    end: u64,
}

/// One track.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Track {
    pub id: u32,
    pub is_enabled: bool,
    /// Whether it is audio.
    pub is_sound: bool,
    /// The start of the audio, in units of the track's time base, if an edit list states it.
    pub start: Option<u64>,
    /// How long the audio is that the edit list leaves, in seconds.
    pub seconds: Option<f64>,
    /// Whether the edit list has several parts, or plays at another speed.
    pub is_intricate: bool,
    /// The type of its samples.
    pub entry: [u8; 4],
    /// Whether an `enda` box says that samples are little-endian.
    pub is_little_endian: bool,
    /// The magic cookie of ALAC, where QuickTime puts it.
    pub cookie: Option<Vec<u8>>,
}

/// Reads the boxes of a file that begins at `start`. After damage, what was found so far stays.
pub(super) fn read(input: &mut Input, start: u64) -> Info {
    let mut walk = Walk { info: Info::default(), boxes: MAX_BOXES, depth: 0 };
    let whole = start..input.len();
    let _ = walk.boxes(input, whole.clone(), Level::File);
    if walk.info.end == 0 {
        walk.info.end = whole.end;
    }
    walk.info.tracks.retain(|track| track.id != 0);
    walk.info
}

impl Info {
    pub(super) fn track(&self, id: u32) -> Option<&Track> {
        self.tracks.iter().find(|track| track.id == id)
    }

    /// The file with sizes that fit.
    pub(super) fn view(&self, input: Input, start: u64) -> View {
        View::patched(input, start..self.end, &self.patches)
    }
}

/// The usual name of a type of samples.
pub(super) fn codec(entry: [u8; 4]) -> String {
    let name = match &entry {
        b"ac-3" => "AC-3",
        b"ec-3" => "E-AC-3",
        b"ac-4" => "AC-4",
        b"dtsc" | b"dtsh" | b"dtsl" | b"dtse" => "DTS",
        b"samr" | b"sawb" => "AMR",
        b"QDM2" | b"QDMC" | b"Qclp" => "QDesign or Qualcomm audio",
        b"ulaw" => "mu-law",
        b"alaw" => "A-law",
        b"ima4" => "IMA ADPCM",
        b"agsm" => "GSM",
        b"mlpa" => "TrueHD",
        b"mha1" | b"mhm1" => "MPEG-H",
        _ => return entry.escape_ascii().to_string(),
    };
    name.to_owned()
}

struct Walk {
    info: Info,
    /// How many more boxes may be read.
    boxes: usize,
    /// How deep the walk is.
    depth: usize,
}

/// What the boxes that are being read stand in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Level {
    File,
    Movie,
    Track,
    Edits,
    /// `mdia`, `minf` and `stbl`.
    Media,
    /// The entries of `stsd`.
    Entries,
    /// The boxes of an entry, and of its `wave`.
    Entry,
    UserData,
    /// `ilst`.
    Items,
    /// `----`.
    Item,
}

impl Walk {
    fn boxes(&mut self, input: &mut Input, range: Range<u64>, level: Level) -> Option<()> {
        if self.depth == MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let walked = self.each_box(input, range, level);
        self.depth -= 1;
        walked
    }

    fn each_box(&mut self, input: &mut Input, range: Range<u64>, level: Level) -> Option<()> {
        let mut position = range.start;
        let mut is_itunes_gap = false;
        while position + 8 <= range.end {
            self.boxes = self.boxes.checked_sub(1)?;
            input.seek(SeekFrom::Start(position)).ok()?;
            let (short, kind) = (u32_at(input)?, u32_at(input)?.to_be_bytes());
            let (header, size) = match short {
                0 => (8, range.end - position),
                1 => (16, u64_at(input)?),
                size => (8, u64::from(size)),
            };
            if size < header {
                return None;
            }
            let mut end = position.checked_add(size)?;
            if end > range.end {
                if level != Level::File || kind == *b"moov" || !kind.iter().all(u8::is_ascii_graphic) {
                    return None;
                }
                // Truncated, or a size that is a little too large: the box ends with the file.
                let fits = range.end - position;
                match short {
                    1 => self.info.patches.push((position + 8, fits.to_be_bytes().to_vec())),
                    _ => self.info.patches.push((position, u32::try_from(fits).ok()?.to_be_bytes().to_vec())),
                }
                end = range.end;
            }
            let inside = position + header..end;
            self.inside(input, inside, level, kind, &mut is_itunes_gap);
            if level == Level::File {
                self.info.end = end;
            }
            position = end;
        }
        Some(())
    }

    /// Reads one box. What is damaged in it does not concern the ones after it.
    fn inside(
        &mut self,
        input: &mut Input,
        inside: Range<u64>,
        level: Level,
        kind: [u8; 4],
        is_itunes_gap: &mut bool,
    ) -> Option<()> {
        use Level::{Edits, Entries, Entry, File, Item, Items, Media, Movie, Track as InTrack, UserData};
        match (level, &kind) {
            (File, b"ftyp") => {
                self.info.is_followed |= self.info.has_moov;
                Some(())
            }
            // Tracks of another file are not of this one.
            (File, b"moov") if self.info.is_followed => Some(()),
            (File, b"moov") => {
                self.info.has_moov = true;
                self.boxes(input, inside, Movie)
            }
            (Movie, b"trak") => {
                self.info.tracks.push(Track::default());
                self.boxes(input, inside, InTrack)
            }
            (Movie, b"mvhd") => {
                let times = if u32_at(input)? >> 24 == 1 { 16 } else { 8 };
                input.seek_relative(times).ok()?;
                self.info.timescale = u32_at(input)?;
                Some(())
            }
            (Movie, b"udta") => self.boxes(input, inside, UserData),
            (UserData, b"meta") => {
                // Version and flags come first, except in QuickTime.
                input.seek(SeekFrom::Start(inside.start + 4)).ok()?;
                let is_quicktime = &u32_at(input)?.to_be_bytes() == b"hdlr";
                let skipped = if is_quicktime { 0 } else { 4 };
                self.boxes(input, inside.start + skipped..inside.end, UserData)
            }
            (UserData, b"ilst") => self.boxes(input, inside, Items),
            (Items, b"----") => self.boxes(input, inside, Item),
            (Item, b"name") => {
                *is_itunes_gap = text(input, &inside, 4)? == "iTunSMPB";
                Some(())
            }
            (Item, b"data") if *is_itunes_gap => {
                // The second of its numbers; all are hexadecimal.
                let text = text(input, &inside, 8)?;
                let delay = text.split_ascii_whitespace().nth(1)?;
                self.info.delay = u64::from_str_radix(delay, 16).ok().filter(|delay| *delay > 0);
                Some(())
            }
            (InTrack, b"edts") => self.boxes(input, inside, Edits),
            (InTrack, b"tkhd") => {
                // Version and flags, two times of 4 or 8 bytes, then the number of the track.
                let start = u32_at(input)?;
                let times = if start >> 24 == 1 { 16 } else { 8 };
                input.seek_relative(times).ok()?;
                let track = self.info.tracks.last_mut()?;
                track.is_enabled = start & 1 == 1;
                track.id = u32_at(input)?;
                Some(())
            }
            (Edits, b"elst") => {
                let timescale = f64::from(self.info.timescale);
                let track = self.info.tracks.last_mut()?;
                match edit(input)? {
                    Edit::None => {}
                    Edit::One { start, duration } => {
                        track.start = Some(start);
                        let seconds = duration as f64 / timescale;
                        track.seconds = Some(seconds).filter(|_| duration > 0 && timescale > 0.0);
                    }
                    Edit::Intricate => track.is_intricate = true,
                }
                Some(())
            }
            (InTrack, b"mdia") | (Media, b"minf" | b"stbl") => self.boxes(input, inside, Media),
            (Media, b"hdlr") => {
                input.seek_relative(8).ok()?;
                let kind = u32_at(input)?.to_be_bytes();
                // QuickTime has another one in `minf`, for the data.
                self.info.tracks.last_mut()?.is_sound |= &kind == b"soun";
                Some(())
            }
            (Media, b"stsd") => self.boxes(input, inside.start + 8..inside.end, Entries),
            (Entries, _) if self.info.tracks.last()?.is_sound && self.info.tracks.last()?.entry == [0; 4] => {
                self.info.tracks.last_mut()?.entry = kind;
                // The fixed part of a sound description has three versions.
                input.seek_relative(8).ok()?;
                let fixed = match u32_at(input)? >> 16 {
                    0 => 28,
                    1 => 44,
                    2 => 64,
                    _ => return None,
                };
                self.boxes(input, inside.start + fixed..inside.end, Entry)
            }
            (Entry, b"wave") => self.boxes(input, inside, Entry),
            (Entry, b"enda") => {
                self.info.tracks.last_mut()?.is_little_endian = u32_at(input)? >> 16 & 0xff == 1;
                Some(())
            }
            (Entry, b"alac") if inside.end - inside.start <= MAX_COOKIE => {
                let mut cookie = vec![0; (inside.end - inside.start).checked_sub(4)? as usize];
                input.seek(SeekFrom::Start(inside.start + 4)).ok()?;
                input.read_exact(&mut cookie).ok()?;
                self.info.tracks.last_mut()?.cookie = Some(cookie);
                Some(())
            }
            _ => Some(()),
        }
    }
}

/// What an edit list says.
enum Edit {
    None,
    /// One part at normal speed, from this time on. Its duration is in other units, and 0 if it is not known.
    One {
        start: u64,
        duration: u64,
    },
    Intricate,
}

/// Reads an edit list. Empty edits delay what follows them, which changes nothing at the start and at the end.
fn edit(input: &mut Input) -> Option<Edit> {
    let is_long = u32_at(input)? >> 24 == 1;
    let count = u32_at(input)?;
    let mut edit = Edit::None;
    for _ in 0..count.min(8) {
        let mut wide = |signed: fn(u32) -> i64| match is_long {
            true => u64_at(input).map(|value| value as i64),
            false => u32_at(input).map(signed),
        };
        let duration = wide(i64::from)?;
        let time = wide(|time| i64::from(time as i32))?;
        let rate = u32_at(input)?;
        match (time, &edit) {
            (-1, _) => {}
            (0.., Edit::None) if rate == 0x1_0000 => {
                let (start, duration) = (u64::try_from(time).ok()?, u64::try_from(duration).unwrap_or(0));
                edit = Edit::One { start, duration };
            }
            _ => return Some(Edit::Intricate),
        }
    }
    Some(edit)
}

/// The text of a box, after its first bytes.
fn text(input: &mut Input, inside: &Range<u64>, skipped: u64) -> Option<String> {
    let len = (inside.end - inside.start).checked_sub(skipped).filter(|len| *len <= MAX_TEXT)?;
    let mut text = vec![0; len as usize];
    input.seek(SeekFrom::Start(inside.start + skipped)).ok()?;
    input.read_exact(&mut text).ok()?;
    String::from_utf8(text).ok()
}

fn u32_at(input: &mut Input) -> Option<u32> {
    let mut bytes = [0; 4];
    input.read_exact(&mut bytes).ok()?;
    Some(u32::from_be_bytes(bytes))
}

fn u64_at(input: &mut Input) -> Option<u64> {
    Some(u64::from(u32_at(input)?) << 32 | u64::from(u32_at(input)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], inside: &[u8]) -> Vec<u8> {
        let mut bytes = (inside.len() as u32 + 8).to_be_bytes().to_vec();
        bytes.extend(kind);
        bytes.extend(inside);
        bytes
    }

    fn file(track: u32, edits: &[[u32; 3]]) -> Vec<u8> {
        let header =
            boxed(b"tkhd", &[&[0, 0, 0, 1], [0; 8].as_slice(), &track.to_be_bytes(), &[0; 68]].concat());
        let mut list = [0_u32.to_be_bytes(), (edits.len() as u32).to_be_bytes()].concat();
        list.extend(edits.iter().flatten().flat_map(|word| word.to_be_bytes()));
        let edits = boxed(b"edts", &boxed(b"elst", &list));
        let wave = boxed(b"wave", &[boxed(b"enda", &[0, 1]), boxed(b"alac", &[0, 0, 0, 0, 7, 8])].concat());
        let entry = boxed(b"in24", &[&[0; 8], [0, 1].as_slice(), &[0; 34], &wave].concat());
        let stsd = boxed(b"stsd", &[&[0; 8], entry.as_slice()].concat());
        let handler = boxed(b"hdlr", &[&[0; 8], b"soun".as_slice(), &[0; 12]].concat());
        let media = boxed(b"mdia", &[handler, boxed(b"minf", &boxed(b"stbl", &stsd))].concat());
        let gap = [
            boxed(b"mean", b"\0\0\0\0com.apple.iTunes"),
            boxed(b"name", b"\0\0\0\0iTunSMPB"),
            boxed(b"data", b"\0\0\0\x01\0\0\0\0 00000000 00000840 000001CA 00000000003F31F6"),
        ];
        let items = boxed(b"ilst", &boxed(b"----", &gap.concat()));
        let user = boxed(b"udta", &boxed(b"meta", &[[0; 4].as_slice(), &items].concat()));
        let times = boxed(b"mvhd", &[[0; 12].as_slice(), &1000_u32.to_be_bytes(), &[0; 80]].concat());
        let moov = boxed(b"moov", &[times, boxed(b"trak", &[header, edits, media].concat()), user].concat());
        [boxed(b"ftyp", b"M4A \0\0\0\0"), boxed(b"free", &[0; 5]), moov, boxed(b"mdat", &[9; 100])].concat()
    }

    fn info(bytes: &[u8]) -> Info {
        read(&mut Input::from_bytes(bytes.to_vec().into()), 0)
    }

    #[test]
    fn one_plain_edit_is_found() {
        let plain = file(7, &[[500, 2112, 0x1_0000]]);
        let info = info(&plain);
        let expected = Track {
            id: 7,
            is_enabled: true,
            is_sound: true,
            start: Some(2112),
            seconds: Some(0.5),
            is_intricate: false,
            entry: *b"in24",
            is_little_endian: true,
            cookie: Some(vec![7, 8]),
        };
        assert_eq!(info.tracks, [expected]);
        assert_eq!(
            (info.delay, info.end, info.patches.as_slice()),
            (Some(0x840), plain.len() as u64, [].as_slice())
        );
        for cut in 0..plain.len() {
            assert!(self::info(&plain[..cut]).tracks.len() <= 1);
        }
        let start = |edits: &[[u32; 3]]| self::info(&file(7, edits)).tracks[0].start;
        assert_eq!(start(&[[9, u32::MAX, 0x1_0000], [500, 9, 0x1_0000]]), Some(9), "an empty edit before it");
    }

    #[test]
    fn what_is_more_intricate_is_said_to_be() {
        let track = |edits: &[[u32; 3]]| info(&file(7, edits)).tracks[0].clone();
        let (empty, fast, two) = (
            track(&[[500, u32::MAX, 0x1_0000]]),
            track(&[[500, 9, 0x2_0000]]),
            track(&[[500, 9, 0x1_0000]; 2]),
        );
        assert_eq!((empty.start, empty.is_intricate), (None, false));
        assert!(fast.is_intricate && two.is_intricate);
        assert_eq!(track(&[[0, 9, 0x1_0000]]).seconds, None, "fragmented files do not know it");
        assert!(info(b"RIFF\0\0\0\0WAVE").tracks.is_empty());
    }

    #[test]
    fn deep_nesting_ends() {
        let nested = |kind: &[u8; 4], skipped: usize| {
            let mut inside = vec![0; 8];
            for _ in 0..5000 {
                inside = boxed(kind, &[vec![0; skipped], inside].concat());
            }
            inside
        };
        for inside in
            [boxed(b"udta", &nested(b"meta", 4)), boxed(b"trak", &boxed(b"mdia", &nested(b"stbl", 0)))]
        {
            let file = [boxed(b"ftyp", b"M4A "), boxed(b"moov", &inside), boxed(b"mdat", &[1; 9])].concat();
            assert_eq!(info(&file).end, file.len() as u64);
        }
    }

    #[test]
    fn sizes_are_made_to_fit() {
        let whole = file(7, &[]);
        for cut in 1..100 {
            let cut = &whole[..whole.len() - cut];
            let info = info(cut);
            let mut seen = Vec::new();
            info.view(Input::from_bytes(cut.to_vec().into()), 0).read_to_end(&mut seen).unwrap();
            let mdat = whole.len() - 108;
            let size = u32::from_be_bytes(seen[mdat..mdat + 4].try_into().unwrap());
            assert_eq!((size as usize, seen.len()), (cut.len() - mdat, cut.len()));
            assert_eq!(seen[mdat + 4..], cut[mdat + 4..]);
        }
        let tail = [whole.as_slice(), b"TAG\0\0\0\0\0\0\0\0"].concat();
        assert_eq!(info(&tail).end, whole.len() as u64, "an ID3v1 tag behind it");
        let both = info(&[whole.as_slice(), &whole].concat());
        assert_eq!((both.tracks.len(), both.is_followed, info(&whole).is_followed), (1, true, false));
    }
}
