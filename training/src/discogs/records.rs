//! From a chunk of XML to the rows of its records.

use std::ops::Range;

use arrow_array::RecordBatch;

use super::split::{Boundaries, Chunk, Kind};
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
    fn push(&mut self, record: &Self::Record<'_>);
    /// The rows so far, a batch for each of `TABLES`.
    fn finish(&mut self) -> Vec<RecordBatch>;
}

/// The rows of a chunk.
pub(super) struct Parsed {
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) damaged: Vec<Damaged>,
    /// A batch for each table.
    pub(super) batches: Vec<RecordBatch>,
}

/// Reads the records of `chunk` into `tables`, and takes their rows.
pub(super) fn parse<T: Records>(tables: &mut T, chunk: &Chunk) -> Parsed {
    let (mut records, mut damaged) = (0, Vec::new());
    each_record::<T>(&chunk.text, |place, record| match record {
        Ok(record) => {
            tables.push(&record);
            records += 1;
        }
        Err(reason) => damaged.push(Damaged {
            offset: chunk.offset + place.start as u64,
            id: probable_id(T::KIND, &chunk.text[place]),
            reason,
        }),
    });
    Parsed { records, bytes: chunk.text.len() as u64, damaged, batches: tables.finish() }
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
            Err(_) => Err(Damage::Encoding),
        };
        outcome.unwrap_or_else(|damage| each(start..end, Err(damage)));
        start = end;
    }
}

/// Calls `each` with the record at the beginning of `text`, and with others that follow it on the same line.
fn each_of_line<'a, T: Records>(text: &'a str, mut each: impl FnMut(T::Record<'a>)) -> Result<(), Damage> {
    let mut text = text.trim_start();
    while !text.is_empty() {
        let mut xml = Xml::new(text);
        let record = match xml.next()? {
            Some(tag) if tag.name() == T::KIND.record() => T::read(&mut xml, &tag)?,
            other => {
                let name = other.map_or("", |tag| tag.name());
                return Err(Damage::Stray(name.chars().take(40).collect()));
            }
        };
        each(record);
        text = xml.rest().trim_start();
    }
    Ok(())
}

/// The probable id of a damaged record.
fn probable_id(kind: Kind, text: &[u8]) -> Option<i64> {
    let mark: &[u8] = match kind {
        Kind::Releases | Kind::Masters => b" id=\"",
        Kind::Artists | Kind::Labels => b"<id>",
    };
    let at = memchr::memmem::find(text, mark)? + mark.len();
    let digits: Vec<u8> = text[at..].iter().copied().take(18).take_while(u8::is_ascii_digit).collect();
    std::str::from_utf8(&digits).ok()?.parse().ok()
}
