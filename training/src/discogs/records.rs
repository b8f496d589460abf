//! From a chunk of XML to the rows of its records.

use std::ops::Range;

use arrow_array::RecordBatch;
use rustc_hash::FxHashMap;

use super::boundaries::Boundaries;
use super::split::{Chunk, Kind};
use super::xml::{Damage, Tag, Xml};
use crate::table::Table;

/// A record that was skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Its start, in bytes of the uncompressed dump.
    pub offset: u64,
    /// Its id, if it can be read.
    pub id: Option<i64>,
    /// The reason.
    pub reason: Damage,
}

/// One kind of record and its tables.
pub(super) trait Records: Send {
    const KIND: Kind;
    const TABLES: &'static [&'static Table];
    type Record<'a>;

    fn new() -> Self;
    /// Reads the record whose opening tag is `tag`.
    fn read<'a>(xml: &mut Xml<'a>, tag: &Tag<'a>) -> Result<Self::Record<'a>, Damage>;
    fn id(record: &Self::Record<'_>) -> i64;
    fn push(&mut self, record: &Self::Record<'_>);
    /// The rows so far, a batch for each of `TABLES`.
    fn finish(&mut self) -> Vec<RecordBatch>;
}

/// The place of a record: its id, and a number that only it has, which grows with the records of the dump.
pub(super) type Place = (i64, u64);

/// For ids that several records of the dump have, the place of the last of these: the only one that counts.
pub(super) type Last = FxHashMap<i64, u64>;

/// The rows of a chunk.
pub(super) struct Parsed {
    /// The records whose rows these are.
    pub(super) places: Vec<Place>,
    /// Records that a later one with the same id replaces.
    pub(super) replaced: u64,
    pub(super) bytes: u64,
    pub(super) damaged: Vec<Damaged>,
    /// A batch for each table.
    pub(super) batches: Vec<RecordBatch>,
}

/// Reads the records of `chunk` into `tables`, and takes their rows.
pub(super) fn parse<T: Records>(tables: &mut T, chunk: &Chunk, last: &Last) -> Parsed {
    let (mut places, mut replaced, mut damaged) = (Vec::new(), 0, Vec::new());
    let mut next = 0;
    each_record::<T>(&chunk.text, |range, record| match record {
        Ok(record) => {
            // The offset is the same for records that are found on one line only when they are parsed.
            let number = u64::max(chunk.offset + range.start as u64, next);
            next = number + 1;
            let id = T::id(&record);
            if last.get(&id).is_some_and(|&last| last != number) {
                replaced += 1;
            } else {
                tables.push(&record);
                places.push((id, number));
            }
        }
        Err(reason) => damaged.push(Damaged {
            offset: chunk.offset + range.start as u64,
            id: probable_id(T::KIND, &chunk.text[range]),
            reason,
        }),
    });
    Parsed { places, replaced, bytes: chunk.text.len() as u64, damaged, batches: tables.finish() }
}

/// Calls `each` with every record of `chunk` in order, or with its damage, and with its range up to the next record.
pub(super) fn each_record<'a, T: Records>(
    chunk: &'a [u8],
    mut each: impl FnMut(Range<usize>, Result<T::Record<'a>, Damage>),
) {
    let boundaries = Boundaries::of(T::KIND);
    let mut start = 0;
    while start < chunk.len() {
        let end = boundaries.next(chunk, start).unwrap_or(chunk.len());
        let outcome = match std::str::from_utf8(&chunk[start..end]) {
            Ok(text) => each_of_line::<T>(text, |record| each(start..end, Ok(record))),
            Err(_) => Err((0, Damage::Encoding)),
        };
        outcome.unwrap_or_else(|(at, damage)| each(start + at..end, Err(damage)));
        start = end;
    }
}

/// Calls `each` with the record at the beginning of `text`, and with others that follow it on the same line. An error
/// comes with the place of the record that it is about.
fn each_of_line<'a, T: Records>(
    text: &'a str,
    mut each: impl FnMut(T::Record<'a>),
) -> Result<(), (usize, Damage)> {
    let mut at = 0;
    loop {
        let rest = text[at..].trim_start();
        let start = text.len() - rest.len();
        if rest.is_empty() {
            return Ok(());
        }
        let mut xml = Xml::new(rest);
        let record = match xml.next().map_err(|damage| (0, damage))? {
            Some(tag) if tag.name() == T::KIND.record() => {
                T::read(&mut xml, &tag).map_err(|damage| (start, damage))?
            }
            // Not a record: what stands behind one.
            other => {
                let name = other.map_or("", |tag| tag.name());
                return Err((0, Damage::Stray(name.chars().take(40).collect())));
            }
        };
        each(record);
        at = text.len() - xml.rest().len();
    }
}

/// The probable id of a damaged record: that of its own opening tag or child, not of what the record mentions.
fn probable_id(kind: Kind, text: &[u8]) -> Option<i64> {
    let find = |text: &[u8], mark: &[u8]| memchr::memmem::find(text, mark);
    let digits = match kind {
        Kind::Releases | Kind::Masters => {
            let tag = &text[..memchr::memchr(b'>', text)?];
            let value = &tag[find(tag, b" id=")? + 4..];
            value.strip_prefix(b"\"").or_else(|| value.strip_prefix(b"'"))?
        }
        Kind::Artists | Kind::Labels => {
            let at = find(text, b"<id>")?;
            let others: [&[u8]; 4] = [b"<members", b"<groups", b"<aliases", b"<sublabels"];
            if others.into_iter().any(|other| find(&text[..at], other).is_some()) {
                return None;
            }
            &text[at + 4..]
        }
    };
    let digits: Vec<u8> = digits.iter().copied().take(18).take_while(u8::is_ascii_digit).collect();
    std::str::from_utf8(&digits).ok()?.parse().ok()
}
