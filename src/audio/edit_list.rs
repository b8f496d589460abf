//! The start of the audio in MP4 files: AAC encoders put 1,024 or 2,112 sample frames of delay before it, and state
//! that in an edit list. Symphonia does not apply edit lists.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use super::input::Input;

/// The largest number of boxes that are read to find edit lists.
const MAX_BOXES: usize = 10_000;

/// The start of one track.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Start {
    pub track: u32,
    /// The start, in units of the track's time base.
    pub time: u64,
}

/// The starts of all tracks that have exactly one edit, which begins after the track's beginning. Files that are not
/// MP4, are damaged or have more complex edits give none: then everything is decoded.
pub(super) fn starts(input: &mut Input) -> Vec<Start> {
    let mut walk = Walk { starts: Vec::new(), boxes: MAX_BOXES };
    let whole = 0..input.len();
    let mut head = [0; 8];
    let is_mp4 = input.read_exact(&mut head).is_ok() && &head[4..] == b"ftyp";
    if is_mp4 {
        // After damage, the starts found so far are still valid.
        let _ = walk.boxes(input, whole, 0);
    }
    walk.starts.retain(|start| start.track != 0 && start.time != 0);
    walk.starts
}

struct Walk {
    starts: Vec<Start>,
    /// How many more boxes may be read.
    boxes: usize,
}

impl Walk {
    fn boxes(&mut self, input: &mut Input, range: Range<u64>, depth: usize) -> Option<()> {
        let mut position = range.start;
        while position + 8 <= range.end {
            self.boxes = self.boxes.checked_sub(1)?;
            input.seek(SeekFrom::Start(position)).ok()?;
            let (size, kind) = (u32_at(input)?, u32_at(input)?.to_be_bytes());
            let (header, size) = match size {
                0 => (8, range.end - position),
                1 => (16, u64::from(u32_at(input)?) << 32 | u64::from(u32_at(input)?)),
                size => (8, u64::from(size)),
            };
            let end = position.checked_add(size).filter(|end| size >= header && *end <= range.end)?;
            let inside = position + header..end;
            match (depth, &kind) {
                (1, b"trak") => {
                    self.starts.push(Start::default());
                    self.boxes(input, inside, 2)?;
                }
                (0, b"moov") => return self.boxes(input, inside, 1),
                (2, b"edts") => self.boxes(input, inside, 3)?,
                (2, b"tkhd") => {
                    // Version and flags, two times of 4 or 8 bytes, then the number of the track.
                    let times = if u32_at(input)? >> 24 == 1 { 16 } else { 8 };
                    input.seek_relative(times).ok()?;
                    self.starts.last_mut()?.track = u32_at(input)?;
                }
                (3, b"elst") => self.starts.last_mut()?.time = edit(input)?,
                _ => {}
            }
            position = end;
        }
        Some(())
    }
}

/// The start in a list of one edit, which must not be empty and must play at normal speed.
fn edit(input: &mut Input) -> Option<u64> {
    let long = u32_at(input)? >> 24 == 1;
    if u32_at(input)? != 1 {
        return None;
    }
    let mut wide = |signed: fn(u32) -> i64| {
        if long {
            Some((u64::from(u32_at(input)?) << 32 | u64::from(u32_at(input)?)) as i64)
        } else {
            u32_at(input).map(signed)
        }
    };
    let _duration = wide(i64::from)?;
    let time = wide(|time| i64::from(time as i32))?;
    let rate = u32_at(input)?;
    (rate == 0x1_0000).then(|| u64::try_from(time).ok())?
}

fn u32_at(input: &mut Input) -> Option<u32> {
    let mut bytes = [0; 4];
    input.read_exact(&mut bytes).ok()?;
    Some(u32::from_be_bytes(bytes))
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
        let header = boxed(b"tkhd", &[[0; 12].as_slice(), &track.to_be_bytes(), &[0; 68]].concat());
        let mut list = [0_u32.to_be_bytes(), (edits.len() as u32).to_be_bytes()].concat();
        list.extend(edits.iter().flatten().flat_map(|word| word.to_be_bytes()));
        let edits = boxed(b"edts", &boxed(b"elst", &list));
        let moov = boxed(b"moov", &boxed(b"trak", &[header, edits].concat()));
        [boxed(b"ftyp", b"M4A \0\0\0\0"), boxed(b"free", &[0; 5]), moov].concat()
    }

    fn starts_of(bytes: Vec<u8>) -> Vec<Start> {
        starts(&mut Input::from_bytes(bytes.into()))
    }

    #[test]
    fn one_plain_edit_is_found() {
        let plain = file(7, &[[500, 2112, 0x1_0000]]);
        assert_eq!(starts_of(plain.clone()), [Start { track: 7, time: 2112 }]);
        for cut in 0..plain.len() {
            assert!(starts_of(plain[..cut].to_vec()).len() <= 1);
        }
    }

    #[test]
    fn what_is_more_intricate_is_left_alone() {
        assert!(starts_of(file(7, &[[500, 0, 0x1_0000]])).is_empty(), "starts at the beginning");
        assert!(starts_of(file(7, &[[500, u32::MAX, 0x1_0000]])).is_empty(), "an empty edit");
        assert!(starts_of(file(7, &[[500, 9, 0x2_0000]])).is_empty(), "twice as fast");
        assert!(starts_of(file(7, &[[500, 9, 0x1_0000]; 2])).is_empty(), "two edits");
        assert!(starts_of(b"RIFF\0\0\0\0WAVE".to_vec()).is_empty());
    }
}
