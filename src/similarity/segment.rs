//! Segments: what a library file consists of after its header. Each holds the tracks of one commit.
//!
//! A segment begins at a multiple of 64 with a header of 192 bytes:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 4 | `SEGM` |
//! | 4 | 4 | CRC-32 of bytes 8 to 192 |
//! | 8 | 8 | length of the segment with this header |
//! | 16 | 8 | rows: tracks in it |
//! | 24 | 8 | removed: rows of earlier segments that this one removes |
//! | 32 | 16 each | for each of the seven sections: length in bytes (8), CRC-32 (4), zero (4) |
//! | 144 | 48 | zero |
//!
//! The sections follow in this order, each from a multiple of 64 on; the CRC-32 of each covers the zeros behind it too.
//!
//! | section | what |
//! |---|---|
//! | removed | the number of each removed row (4 bytes), counted through all segments, ascending |
//! | vectors | `dim` f32 for each row: the mean of its patches' vectors |
//! | activations | `classes` f32 for each row |
//! | offsets | `rows + 1` numbers of 8 bytes: where each record begins in the next section |
//! | records | one record for each row |
//! | patch index | nothing, or for each row: its first patch (8 bytes), its number of patches (4), the CRC-32 of their vectors (4) |
//! | patches | `dim` f32 for each patch; the CRC-32 of the section is 0, because each row's patches have their own |
//!
//! A record is: seconds (f64), SHA-256 of the encoded audio (32 bytes), the size of the file (8), its time of modification in
//! milliseconds since 1970 or the smallest number (8), the year or the smallest number (4), and seven texts, each with
//! its length (4) first: path, artist, artist of the album, album, title, label, genre.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;

use super::header::{ALIGNMENT, read_at};
use super::track::TrackRef;

const MAGIC: &[u8; 4] = b"SEGM";
pub(super) const HEADER: usize = 192;
const SECTIONS: usize = 7;
const REMOVED: usize = 0;
const VECTORS: usize = 1;
const ACTIVATIONS: usize = 2;
const OFFSETS: usize = 3;
const RECORDS: usize = 4;
const PATCH_INDEX: usize = 5;
const PATCHES: usize = 6;
/// Bytes that are read and checked at a time.
const CHUNK: usize = 1 << 20;

/// Where the parts of a segment are in the file. Everything was checked when it was read.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// The number of its first row.
    pub first: usize,
    pub rows: usize,
    /// Where each section begins, and its length.
    sections: [(u64, u64); SECTIONS],
}

/// The shape of a library's rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub dim: usize,
    pub classes: usize,
}

/// What a segment is written from.
pub(super) trait Rows {
    /// The number of rows.
    fn rows(&self) -> usize;
    fn vector(&self, row: usize) -> &[f32];
    fn activations(&self, row: usize) -> &[f32];
    /// The record of a track.
    fn record(&self, row: usize) -> &[u8];
    /// The vectors of its patches, one after the other; empty if they were not kept.
    fn patches(&self, row: usize) -> io::Result<&[f32]>;
    /// Whether any row has patches.
    fn has_patches(&self) -> bool;
}

/// Writes a segment at position `at` of the file, a multiple of 64. Returns its length and its header.
pub(super) fn write(
    out: &mut (impl Write + Seek),
    at: u64,
    rows: &dyn Rows,
    removed: &[u32],
) -> io::Result<(u64, [u8; HEADER])> {
    out.seek(SeekFrom::Start(at))?;
    out.write_all(&[0; HEADER])?;
    let count = rows.rows();
    let mut lengths = [(0_u64, 0_u32); SECTIONS];
    let mut position = at + HEADER as u64;
    let mut section = |number: usize, write: &mut dyn FnMut(&mut Section<'_>) -> io::Result<()>| {
        let mut section = Section { out: &mut *out, length: 0, check: crc32fast::Hasher::new() };
        write(&mut section)?;
        let length = section.length;
        let padded = length.next_multiple_of(ALIGNMENT as u64);
        section.bytes(&[0; ALIGNMENT][..(padded - length) as usize])?;
        lengths[number] = (length, section.check.finalize());
        position += padded;
        io::Result::Ok(())
    };
    section(REMOVED, &mut |out| removed.iter().try_for_each(|row| out.bytes(&row.to_le_bytes())))?;
    section(VECTORS, &mut |out| (0..count).try_for_each(|row| out.floats(rows.vector(row))))?;
    section(ACTIVATIONS, &mut |out| (0..count).try_for_each(|row| out.floats(rows.activations(row))))?;
    section(OFFSETS, &mut |out| {
        let mut offset = 0_u64;
        out.bytes(&offset.to_le_bytes())?;
        (0..count).try_for_each(|row| {
            offset += rows.record(row).len() as u64;
            out.bytes(&offset.to_le_bytes())
        })
    })?;
    section(RECORDS, &mut |out| (0..count).try_for_each(|row| out.bytes(rows.record(row))))?;
    if rows.has_patches() {
        section(PATCH_INDEX, &mut |out| {
            let mut first = 0_u64;
            (0..count).try_for_each(|row| {
                let patches = rows.patches(row)?;
                let width = rows.vector(row).len();
                let number = (patches.len() / width) as u32;
                let mut check = crc32fast::Hasher::new();
                for value in patches.iter() {
                    check.update(&value.to_le_bytes());
                }
                out.bytes(&first.to_le_bytes())?;
                out.bytes(&number.to_le_bytes())?;
                out.bytes(&check.finalize().to_le_bytes())?;
                first += u64::from(number);
                Ok(())
            })
        })?;
        section(PATCHES, &mut |out| (0..count).try_for_each(|row| out.floats(rows.patches(row)?)))?;
        lengths[PATCHES].1 = 0;
    }
    let length = position - at;
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(MAGIC);
    for (place, value) in [(8, length), (16, count as u64), (24, removed.len() as u64)] {
        header[place..place + 8].copy_from_slice(&value.to_le_bytes());
    }
    for (number, (length, check)) in lengths.into_iter().enumerate() {
        let place = 32 + 16 * number;
        header[place..place + 8].copy_from_slice(&length.to_le_bytes());
        header[place + 8..place + 12].copy_from_slice(&check.to_le_bytes());
    }
    let check = crc32fast::hash(&header[8..]);
    header[4..8].copy_from_slice(&check.to_le_bytes());
    out.seek(SeekFrom::Start(at))?;
    out.write_all(&header)?;
    out.seek(SeekFrom::Start(position))?;
    Ok((length, header))
}

/// A section that is being written.
struct Section<'a> {
    out: &'a mut dyn Write,
    length: u64,
    check: crc32fast::Hasher,
}

impl Section<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.check.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn floats(&mut self, values: &[f32]) -> io::Result<()> {
        let mut bytes = [0; 256];
        for values in values.chunks(bytes.len() / 4) {
            for (value, bytes) in values.iter().zip(bytes.chunks_exact_mut(4)) {
                bytes.copy_from_slice(&value.to_le_bytes());
            }
            self.bytes(&bytes[..4 * values.len()])?;
        }
        Ok(())
    }
}

/// What reading a segment gives.
pub(super) struct Read {
    pub segment: Segment,
    /// The segment's length in the file.
    pub length: u64,
    pub header: [u8; HEADER],
    /// The numbers of removed rows, ascending.
    pub removed: Vec<u32>,
    /// One over the length of each row's vector.
    pub scales: Vec<f32>,
}

/// Reads the segment at `at` and checks all of it but the patches. `end` is where the committed part of the file ends.
/// Fails with the reason.
pub(super) fn read(file: &File, at: u64, end: u64, first: usize, shape: Shape) -> Result<Read, String> {
    let damaged = |what: &str| format!("it is damaged: {what} of the segment at byte {at}");
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => "it is cut".to_owned(),
        _ => error.to_string(),
    };
    let room =
        end.checked_sub(at).filter(|&room| room >= HEADER as u64).ok_or_else(|| damaged("the header"))?;
    let mut header = [0; HEADER];
    read_at(file, &mut header, at).map_err(failed)?;
    let number = |place: usize| u64::from_le_bytes(header[place..place + 8].try_into().expect("8 bytes"));
    let narrow = |place: usize| u32::from_le_bytes(header[place..place + 4].try_into().expect("4 bytes"));
    if header[..4] != *MAGIC || crc32fast::hash(&header[8..]) != narrow(4) {
        return Err(damaged("the header"));
    }
    let (length, rows, removed) = (number(8), number(16), number(24));
    // Every length is compared with the room that there is before anything is allocated.
    let dim = shape.dim as u64;
    let fits = |count: u64, size: u64| count.checked_mul(size).filter(|&bytes| bytes <= room);
    let patch_rows = number(32 + 16 * PATCHES) / (4 * dim).max(1);
    let patch_index = if number(32 + 16 * PATCH_INDEX) == 0 { 0 } else { rows };
    let expected = [
        fits(removed, 4),
        fits(rows, 4 * dim),
        fits(rows, 4 * shape.classes as u64),
        rows.checked_add(1).and_then(|offsets| fits(offsets, 8)),
        fits(number(32 + 16 * RECORDS), 1),
        fits(patch_index, 16),
        fits(patch_rows, 4 * dim),
    ];
    let mut sections = [(0, 0); SECTIONS];
    let mut position = at + HEADER as u64;
    for (section, expected) in expected.into_iter().enumerate() {
        let expected = expected.ok_or_else(|| damaged("the lengths"))?;
        if number(32 + 16 * section) != expected || narrow(32 + 16 * section + 12) != 0 {
            return Err(damaged("the lengths"));
        }
        sections[section] = (position, expected);
        position += expected.next_multiple_of(ALIGNMENT as u64);
    }
    let whole = length <= room && position == at + length && header[144..].iter().all(|&byte| byte == 0);
    if !whole || first as u64 + rows > u64::from(u32::MAX) {
        return Err(damaged("the lengths"));
    }
    let rows = rows as usize;
    let segment = Segment { first, rows, sections };
    let reader = Reader { file, at, sections, header: &header };
    let mut scales = Vec::with_capacity(rows);
    let removed = reader.removed(first)?;
    reader.pieces(VECTORS, 4 * shape.dim, &mut |bytes| {
        bytes.chunks_exact(4 * shape.dim).try_for_each(|row| {
            scales.push(scale_of(floats(row)).ok_or_else(|| damaged("the vectors"))?);
            Ok(())
        })
    })?;
    reader.pieces(ACTIVATIONS, 4, &mut |bytes| {
        floats(bytes).all(f32::is_finite).then_some(()).ok_or_else(|| damaged("the activations"))
    })?;
    reader.records(rows)?;
    let mut next = 0;
    reader.pieces(PATCH_INDEX, 16, &mut |bytes| {
        bytes.chunks_exact(16).try_for_each(|entry| {
            let entry = PatchEntry::read(entry);
            let follows = entry.first == next;
            next = entry.first.saturating_add(entry.count);
            follows.then_some(()).ok_or_else(|| damaged("the patch index"))
        })
    })?;
    if next != patch_rows {
        return Err(damaged("the patch index"));
    }
    Ok(Read { segment, length, header, removed, scales })
}

/// Reads the sections of a segment whose lengths were checked.
struct Reader<'a> {
    file: &'a File,
    at: u64,
    sections: [(u64, u64); SECTIONS],
    header: &'a [u8; HEADER],
}

impl Reader<'_> {
    fn damaged(&self, section: usize) -> String {
        let names = ["removals", "vectors", "activations", "offsets", "records", "patch index", "patches"];
        format!("it is damaged: the {} of the segment at byte {}", names[section], self.at)
    }

    fn read(&self, out: &mut [u8], position: u64) -> Result<(), String> {
        read_at(self.file, out, position).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => "it is cut".to_owned(),
            _ => error.to_string(),
        })
    }

    /// Checks the checksum of a section, and gives `take` its bytes in pieces of whole units.
    fn pieces(
        &self,
        section: usize,
        unit: usize,
        take: &mut dyn FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        let piece = (CHUNK - CHUNK % unit).max(unit);
        let length = self.sections[section].1 as usize;
        let ends = (1..length.div_ceil(piece)).map(|number| number * piece).chain([length]);
        self.ranges(section, ends, take)
    }

    /// The same with pieces that end at `ends`, the last of which is the section's end.
    fn ranges(
        &self,
        section: usize,
        ends: impl Iterator<Item = usize>,
        take: &mut dyn FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        let (position, length) = self.sections[section];
        let length = length as usize;
        let mut check = crc32fast::Hasher::new();
        let (mut buffer, mut done) = (Vec::new(), 0);
        for end in ends {
            buffer.resize(end - done, 0);
            self.read(&mut buffer, position + done as u64)?;
            check.update(&buffer);
            take(&buffer)?;
            done = end;
        }
        let mut padding = [0; ALIGNMENT];
        let padding = &mut padding[..length.next_multiple_of(ALIGNMENT) - length];
        self.read(padding, position + length as u64)?;
        check.update(padding);
        let place = 32 + 16 * section + 8;
        let expected = u32::from_le_bytes(self.header[place..place + 4].try_into().expect("4 bytes"));
        let same = done == length && check.finalize() == expected;
        same.then_some(()).ok_or_else(|| self.damaged(section))
    }

    fn removed(&self, first: usize) -> Result<Vec<u32>, String> {
        let mut removed: Vec<u32> = Vec::new();
        self.pieces(REMOVED, 4, &mut |bytes| {
            for number in bytes.chunks_exact(4) {
                let number = u32::from_le_bytes(number.try_into().expect("4 bytes"));
                if number as usize >= first || removed.last().is_some_and(|&last| last >= number) {
                    return Err(self.damaged(REMOVED));
                }
                removed.push(number);
            }
            Ok(())
        })?;
        Ok(removed)
    }

    /// Checks offsets and records.
    fn records(&self, rows: usize) -> Result<(), String> {
        let mut offsets: Vec<u64> = Vec::with_capacity(rows + 1);
        self.pieces(OFFSETS, 8, &mut |bytes| {
            offsets.extend(
                bytes.chunks_exact(8).map(|one| u64::from_le_bytes(one.try_into().expect("8 bytes"))),
            );
            Ok(())
        })?;
        let steps = offsets.windows(2).all(|pair| pair[0] < pair[1] && pair[1] - pair[0] <= CHUNK as u64);
        if offsets[0] != 0 || offsets[rows] != self.sections[RECORDS].1 || !steps {
            return Err(self.damaged(OFFSETS));
        }
        // Pieces of whole records.
        let mut ends = Vec::new();
        let (mut start, mut last) = (0, 0);
        for &offset in &offsets[1..] {
            if offset - start > CHUNK as u64 {
                ends.push(last as usize);
                start = last;
            }
            last = offset;
        }
        ends.push(last as usize);
        let mut row = 0;
        self.ranges(RECORDS, ends.into_iter(), &mut |bytes| {
            let mut rest = bytes;
            while !rest.is_empty() {
                let length = (offsets[row + 1] - offsets[row]) as usize;
                let (record, after) = rest.split_at(length);
                TrackRef::read(record).ok_or_else(|| self.damaged(RECORDS))?;
                (rest, row) = (after, row + 1);
            }
            Ok(())
        })
    }
}

/// Makes the checksums of a segment's header and sections right, as far as its lengths allow, and returns its length.
/// For tests with damage that checksums would hide.
pub(super) fn mend(file: &mut [u8], at: usize) -> Option<usize> {
    let number = |file: &[u8], place: usize| {
        let bytes = file.get(at.checked_add(place)?..)?.first_chunk::<8>()?;
        usize::try_from(u64::from_le_bytes(*bytes)).ok()
    };
    let mut position = at.checked_add(HEADER)?;
    for section in 0..SECTIONS {
        let length = number(file, 32 + 16 * section)?;
        let end = position.checked_add(length.checked_next_multiple_of(ALIGNMENT)?)?;
        let check = if section == PATCHES { 0 } else { crc32fast::hash(file.get(position..end)?) };
        file.get_mut(at + 32 + 16 * section + 8..)?
            .first_chunk_mut::<4>()?
            .copy_from_slice(&check.to_le_bytes());
        position = end;
    }
    let check = crc32fast::hash(file.get(at + 8..at + HEADER)?);
    file.get_mut(at + 4..)?.first_chunk_mut::<4>()?.copy_from_slice(&check.to_le_bytes());
    number(file, 8)
}

/// Where the patches of a row are.
#[derive(Clone, Copy, Debug)]
struct PatchEntry {
    first: u64,
    count: u64,
    check: u32,
}

impl PatchEntry {
    fn read(bytes: &[u8]) -> Self {
        let first = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes"));
        let narrow = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        PatchEntry { first, count: narrow(8).into(), check: narrow(12) }
    }
}

/// One over the length of a vector; `None` if it has no direction, or is so long or short that products of two such
/// vectors would be rounded to 0 or infinite.
pub(super) fn scale_of(values: impl Iterator<Item = f32>) -> Option<f32> {
    let length = values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    (1e-15..=1e15).contains(&length).then(|| (1.0 / length) as f32)
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.chunks_exact(4).map(|value| f32::from_le_bytes(value.try_into().expect("4 bytes")))
}

impl Segment {
    /// Where some bytes of a section are in the file.
    fn place(&self, section: usize, bytes: Range<usize>) -> Range<usize> {
        let start = self.sections[section].0 as usize;
        start + bytes.start..start + bytes.end
    }

    /// Where all vectors are.
    pub fn vectors(&self) -> Range<usize> {
        self.place(VECTORS, 0..self.sections[VECTORS].1 as usize)
    }

    /// Where the activations of a row of this segment are.
    pub fn activations(&self, row: usize, classes: usize) -> Range<usize> {
        self.place(ACTIVATIONS, 4 * classes * row..4 * classes * (row + 1))
    }

    /// The record of a row; `None` if the file was overwritten since it was checked.
    pub fn record<'a>(&self, file: &'a [u8], row: usize) -> Option<&'a [u8]> {
        let offsets = file.get(self.place(OFFSETS, 8 * row..8 * (row + 2)))?;
        let offset = |at: usize| u64::from_le_bytes(offsets[8 * at..8 * at + 8].try_into().expect("8 bytes"));
        let (start, end) = (offset(0), offset(1));
        if start > end || end > self.sections[RECORDS].1 {
            return None;
        }
        file.get(self.place(RECORDS, start as usize..end as usize))
    }

    /// Whether rows have patches.
    pub fn has_patches(&self) -> bool {
        self.sections[PATCH_INDEX].1 > 0
    }

    /// The vectors of a row's patches; `None` if they are damaged.
    pub fn patches<'a>(&self, file: &'a [u8], row: usize, dim: usize) -> Option<&'a [u8]> {
        if !self.has_patches() {
            return Some(&[]);
        }
        let entry = PatchEntry::read(file.get(self.place(PATCH_INDEX, 16 * row..16 * (row + 1)))?);
        let width = 4 * dim as u64;
        let (start, length) = (entry.first.checked_mul(width)?, entry.count.checked_mul(width)?);
        if start.checked_add(length)? > self.sections[PATCHES].1 {
            return None;
        }
        let bytes = file.get(self.place(PATCHES, start as usize..(start + length) as usize))?;
        (crc32fast::hash(bytes) == entry.check && floats(bytes).all(f32::is_finite)).then_some(bytes)
    }
}
