//! A Discogs dump -> Parquet tables.
//!
//! One thread reads, decompresses and cuts the stream into chunks of whole records; the others parse
//! them into columns; the calling thread puts the results back in order and writes them. A fixed
//! number of chunks goes round, so that memory depends neither on the dump nor on how far one thread
//! is ahead of another.

mod artist;
mod credit;
mod label;
mod marks;
mod master;
mod release;
mod source;
mod split;
pub mod tables;
mod values;
mod xml;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use arrow_array::RecordBatch;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

pub use artist::{Artist, OtherName, Relation};
pub use credit::{Credit, is_no_label, is_nobody, is_nobodys_name};
pub use label::Label;
pub use master::Master;
pub use release::{Entry, Release, ReleaseLabel, Track};
pub use source::{Progress, Source, open};
pub use split::Kind;
pub use values::{Date, duration};
pub use xml::Damage;

use crate::error::{Error, Result};
use crate::table::{Finished, Table, TableWriter};
use marks::{Extent, Marks};
use split::{Boundaries, Buffer, Splitter};
use xml::{Name, Tag, Xml};

/// How a dump is read.
#[derive(Clone, Debug)]
pub struct Options {
    /// Parsing threads; the reading thread and the writing one come on top. `None` is as many as there are
    /// processors, less the one that unpacks a compressed dump.
    pub threads: Option<usize>,
    /// Size of a chunk in bytes of XML.
    pub chunk: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { threads: None, chunk: 1 << 20 }
    }
}

impl Options {
    fn threads_for(&self, is_packed: bool) -> usize {
        self.threads.unwrap_or_else(|| {
            let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
            // The reading thread is the slowest and must not wait for a processor. More than sixteen parse faster
            // than any one thread unpacks.
            processors.saturating_sub(usize::from(is_packed)).clamp(1, 16)
        })
    }
}

/// A record that was skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Where it starts, in bytes of the uncompressed dump.
    pub offset: u64,
    /// Its id, as far as one can be made out.
    pub id: Option<i64>,
    /// Why.
    pub reason: Damage,
}

/// What reading a dump came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Kind of the dump.
    pub kind: Kind,
    /// Records that were read.
    pub records: u64,
    /// Records that were skipped.
    pub damaged: u64,
    /// Size of the uncompressed records in bytes.
    pub bytes: u64,
    /// The tables, and their rows.
    pub tables: Vec<(&'static str, u64)>,
}

impl Report {
    fn add(&mut self, parsed: &Parsed, damaged: &mut dyn FnMut(&Damaged)) {
        self.records += parsed.records;
        self.bytes += parsed.bytes;
        self.damaged += parsed.damaged.len() as u64;
        parsed.damaged.iter().for_each(damaged);
    }
}

/// One kind of record and the tables that it fills.
trait Records: Send {
    const KIND: Kind;
    const TABLES: &'static [&'static Table];
    type Record<'a>: Default;

    fn new() -> Self;
    /// Reads one record in place of what `record` held.
    fn read<'a>(record: &mut Self::Record<'a>, xml: &mut Xml<'a, '_>, tag: &Tag<'a>) -> Result<(), Damage>;
    fn push(&mut self, record: &Self::Record<'_>);
    /// The rows so far, a batch for each of `TABLES`.
    fn finish(&mut self) -> Vec<RecordBatch>;
}

/// Reads the dump in `input` (`-` is standard input), of whatever kind it is, and writes its tables
/// into the folder `out`, where they appear together at the end or not at all. `damaged` is told of
/// every record that is skipped, in order.
///
/// # Errors
/// If the input cannot be read, is no dump, or ends too early, or a table cannot be written.
pub fn ingest(
    input: &Path,
    out: &Path,
    options: &Options,
    progress: &Progress,
    damaged: &mut dyn FnMut(&Damaged),
) -> Result<Report> {
    let source = open(input, progress)?;
    let threads = options.threads_for(source.is_packed).max(1);
    let splitter = Splitter::new(source.stream, input, options.chunk)?;
    match splitter.kind() {
        Kind::Releases => run::<release::ReleaseTables>(splitter, out, threads, damaged),
        Kind::Masters => run::<master::MasterTables>(splitter, out, threads, damaged),
        Kind::Artists => run::<artist::ArtistTables>(splitter, out, threads, damaged),
        Kind::Labels => run::<label::LabelTables>(splitter, out, threads, damaged),
    }
}

/// Chunk number `number`, whose first byte is at `offset`.
struct Chunk {
    number: u64,
    offset: u64,
    text: Buffer,
}

/// What came of a chunk.
#[derive(Default)]
struct Parsed {
    records: u64,
    bytes: u64,
    damaged: Vec<Damaged>,
    batches: Vec<RecordBatch>,
    /// The chunk's buffer, to be used again.
    buffer: Buffer,
}

fn run<T: Records>(
    mut splitter: Splitter<impl Read + Send>,
    out: &Path,
    threads: usize,
    damaged: &mut dyn FnMut(&Damaged),
) -> Result<Report> {
    let mut writers = Vec::new();
    for table in T::TABLES {
        writers.push(TableWriter::create(&table.path(out), table)?);
    }
    let mut report = Report { kind: T::KIND, records: 0, damaged: 0, bytes: 0, tables: Vec::new() };

    std::thread::scope(|scope| {
        // The buffers bound the memory: whoever holds none waits. Some more than there are hands, so that the reading
        // thread goes on while a row group is written.
        let buffers = 2 * threads + 10;
        let (free, used_again) = bounded(buffers);
        (0..buffers).for_each(|_| free.send(Buffer::default()).expect("the channel holds all buffers"));
        let (chunks, to_parse) = bounded::<Chunk>(buffers);
        let (results, parsed) = unbounded::<Result<(u64, Parsed)>>();

        let failures = results.clone();
        scope.spawn(move || {
            if let Err(error) = read_chunks(&mut splitter, &used_again, &chunks) {
                // The receiver is gone only when the writer has failed already.
                let _ = failures.send(Err(error));
            }
        });
        for _ in 0..threads {
            let (to_parse, results) = (to_parse.clone(), results.clone());
            scope.spawn(move || {
                let boundaries = Boundaries::of(T::KIND);
                let mut marks = Marks::default();
                let mut tables = T::new();
                for chunk in to_parse {
                    let number = chunk.number;
                    let parsed = parse_chunk(&boundaries, &mut marks, &mut tables, chunk);
                    if results.send(Ok((number, parsed))).is_err() {
                        return;
                    }
                }
            });
        }
        drop((to_parse, results));

        let mut waiting = BTreeMap::new();
        let mut next = 0;
        for result in parsed {
            let (number, parsed) = result?;
            waiting.insert(number, parsed);
            while let Some(parsed) = waiting.remove(&next) {
                next += 1;
                for (writer, batch) in writers.iter_mut().zip(&parsed.batches) {
                    if batch.num_rows() > 0 {
                        writer.write(batch)?;
                    }
                }
                report.add(&parsed, damaged);
                // The reader has left when it has seen the end.
                let _ = free.send(parsed.buffer);
            }
        }
        Ok::<(), Error>(())
    })?;

    for (table, writer) in T::TABLES.iter().zip(&writers) {
        report.tables.push((table.name, writer.rows()));
    }
    for table in finish(writers)? {
        table.persist()?;
    }
    Ok(report)
}

/// Completes all tables, side by side: their last row groups are still to be written.
fn finish(writers: Vec<TableWriter>) -> Result<Vec<Finished>> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = writers.into_iter().map(|writer| scope.spawn(|| writer.finish())).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    })
}

/// Hands out the chunks of a stream in order, each in a buffer that is free.
fn read_chunks(
    splitter: &mut Splitter<impl Read>,
    free: &Receiver<Buffer>,
    chunks: &Sender<Chunk>,
) -> Result<()> {
    let mut number = 0;
    while let Ok(mut text) = free.recv() {
        let Some(offset) = splitter.next_chunk(&mut text)? else { return Ok(()) };
        if chunks.send(Chunk { number, offset, text }).is_err() {
            return Ok(());
        }
        number += 1;
    }
    Ok(())
}

fn parse_chunk<T: Records>(
    boundaries: &Boundaries,
    marks: &mut Marks,
    tables: &mut T,
    chunk: Chunk,
) -> Parsed {
    let text = chunk.text.as_slice();
    let mut parsed = Parsed { bytes: text.len() as u64, ..Parsed::default() };
    each_record::<T>(boundaries, marks, text, |start, end, record| match record {
        Ok(record) => {
            tables.push(record);
            parsed.records += 1;
        }
        Err(reason) => parsed.damaged.push(Damaged {
            offset: chunk.offset + start as u64,
            id: probable_id(T::KIND, &text[start..end]),
            reason,
        }),
    });
    parsed.batches = tables.finish();
    parsed.buffer = chunk.text;
    parsed
}

/// Bytes of a chunk that are marked at a time: so few that they, their marks and what comes of them stay
/// in a core's own cache.
const PIECE: usize = 64 << 10;

/// Calls `each` with every record of `chunk` in order, or with what is wrong with it, and with where it
/// starts and where the next one does.
fn each_record<'a, T: Records>(
    boundaries: &Boundaries,
    marks: &mut Marks,
    chunk: &'a [u8],
    mut each: impl FnMut(usize, usize, Result<&T::Record<'a>, Damage>),
) {
    let mut record = T::Record::default();
    let mut from = 0;
    while from < chunk.len() {
        let to = boundaries.next(chunk, chunk.len().min(from + PIECE)).unwrap_or(chunk.len());
        each_record_of_piece::<T>(boundaries, marks, &chunk[from..to], &mut record, |start, end, one| {
            each(from + start, from + end, one);
        });
        from = to;
    }
}

/// Does so for the records of a piece of a chunk.
fn each_record_of_piece<'a, T: Records>(
    boundaries: &Boundaries,
    marks: &mut Marks,
    piece: &'a [u8],
    record: &mut T::Record<'a>,
    mut each: impl FnMut(usize, usize, Result<&T::Record<'a>, Damage>),
) {
    match simdutf8::basic::from_utf8(piece) {
        Ok(text) if piece.len() <= Marks::LONGEST => {
            marks.mark(piece, boundaries);
            for extent in marks.records(piece.len()) {
                let Extent { start, end, .. } = extent;
                let outcome = fast_records::<T>(text, extent, record, |one| each(start, end, Ok(one)));
                outcome.unwrap_or_else(|damage| each(start, end, Err(damage)));
            }
        }
        // Somewhere in here is a record that is not UTF-8.
        _ => {
            let mut start = 0;
            while start < piece.len() {
                let end = boundaries.next(piece, start).unwrap_or(piece.len());
                let outcome = match std::str::from_utf8(&piece[start..end]) {
                    Ok(text) => plain_records::<T>(text, record, |one| each(start, end, Ok(one))),
                    Err(_) => Err(Damage::Encoding),
                };
                outcome.unwrap_or_else(|damage| each(start, end, Err(damage)));
                start = end;
            }
        }
    }
}

/// Reads the record at `extent`, and others that follow it on the same line.
fn fast_records<'a, T: Records>(
    text: &'a str,
    extent: Extent<'_>,
    record: &mut T::Record<'a>,
    mut push: impl FnMut(&T::Record<'a>),
) -> Result<(), Damage> {
    let mut rest = &text[extent.start..extent.end];
    let mut xml = Xml::fast(text, extent);
    if parse_record::<T>(&mut xml, record).is_ok() {
        push(record);
        rest = &rest[rest.len() - xml.remaining()..];
    }
    plain_records::<T>(rest, record, push)
}

/// Reads the records in `text` the plain way.
fn plain_records<'a, T: Records>(
    text: &'a str,
    record: &mut T::Record<'a>,
    mut push: impl FnMut(&T::Record<'a>),
) -> Result<(), Damage> {
    let mut text = text.trim_start();
    while !text.is_empty() {
        let mut xml = Xml::plain(text);
        parse_record::<T>(&mut xml, record)?;
        push(record);
        text = text[text.len() - xml.remaining()..].trim_start();
    }
    Ok(())
}

/// Reads the one record that `xml` begins with.
fn parse_record<'a, T: Records>(xml: &mut Xml<'a, '_>, record: &mut T::Record<'a>) -> Result<(), Damage> {
    match xml.root()? {
        Some(tag) if tag.name() == Name::of(T::KIND.record()) => T::read(record, xml, &tag),
        other => Err(Damage::Stray(other.map_or_else(String::new, |tag| tag.name().to_string()))),
    }
}

/// The id that a damaged record seems to have.
fn probable_id(kind: Kind, text: &[u8]) -> Option<i64> {
    let mark: &[u8] = match kind {
        Kind::Releases | Kind::Masters => b" id=\"",
        Kind::Artists | Kind::Labels => b"<id>",
    };
    let at = memchr::memmem::find(text, mark)? + mark.len();
    let digits: Vec<u8> = text[at..].iter().copied().take(18).take_while(u8::is_ascii_digit).collect();
    std::str::from_utf8(&digits).ok()?.parse().ok()
}

/// Reads the children of `parent` that are called `name` as words.
fn words<'a>(
    xml: &mut Xml<'a, '_>,
    parent: &Tag<'a>,
    name: Name,
    into: &mut Vec<Cow<'a, str>>,
) -> Result<(), Damage> {
    if parent.is_empty() {
        return Ok(());
    }
    while let Some(word) = xml.word(name) {
        if !word.is_empty() {
            into.push(word);
        }
    }
    while let Some(tag) = xml.child_of(parent)? {
        if tag.name() == name {
            let word = xml.cell(&tag)?;
            if !word.is_empty() {
                into.push(word);
            }
        } else {
            xml.skip(&tag)?;
        }
    }
    Ok(())
}

/// Reads the dump in `stream`, uncompressed and of whatever kind, and only counts: what [`ingest`] would
/// write, without writing it, on one thread and with `chunk` bytes at a time. `name` is for errors.
///
/// # Errors
/// If the stream cannot be read, is no dump, or ends too early.
pub fn survey(
    stream: impl Read,
    name: &Path,
    chunk: usize,
    damaged: &mut dyn FnMut(&Damaged),
) -> Result<Report> {
    fn count<T: Records>(
        mut splitter: Splitter<impl Read>,
        damaged: &mut dyn FnMut(&Damaged),
    ) -> Result<Report> {
        let (boundaries, mut marks, mut tables) = (Boundaries::of(T::KIND), Marks::default(), T::new());
        let rows = T::TABLES.iter().map(|table| (table.name, 0)).collect();
        let mut report = Report { kind: T::KIND, records: 0, damaged: 0, bytes: 0, tables: rows };
        let mut text = Buffer::default();
        while let Some(offset) = splitter.next_chunk(&mut text)? {
            let parsed = parse_chunk(&boundaries, &mut marks, &mut tables, Chunk { number: 0, offset, text });
            report.add(&parsed, damaged);
            for ((_, rows), batch) in report.tables.iter_mut().zip(&parsed.batches) {
                *rows += batch.num_rows() as u64;
            }
            text = parsed.buffer;
        }
        Ok(report)
    }
    let splitter = Splitter::new(stream, name, chunk)?;
    match splitter.kind() {
        Kind::Releases => count::<release::ReleaseTables>(splitter, damaged),
        Kind::Masters => count::<master::MasterTables>(splitter, damaged),
        Kind::Artists => count::<artist::ArtistTables>(splitter, damaged),
        Kind::Labels => count::<label::LabelTables>(splitter, damaged),
    }
}

/// Calls `each` with every release in `text`, the whole of an uncompressed dump: for tools and
/// tests that want records, not tables. A damaged record is an `Err`.
///
/// # Errors
/// If `text` is not a dump of releases, or is cut off; nothing has been called for by then.
pub fn for_each_release<'a>(
    text: &'a [u8],
    mut each: impl FnMut(Result<&Release<'a>, Damage>),
) -> Result<()> {
    let path = Path::new("<memory>");
    let mut splitter = Splitter::new(text, path, text.len().max(1))?;
    if splitter.kind() != Kind::Releases {
        return Err(Error::format(path, format!("a dump of {}, not of releases", splitter.kind().root())));
    }
    let boundaries = Boundaries::of(Kind::Releases);
    let Some(offset) = splitter.next_chunk(&mut Buffer::default())? else { return Ok(()) };
    let text = &text[offset as usize..];
    let end = memchr::memmem::rfind(text, b"</release>").map_or(text.len(), |at| at + 10);
    each_record::<release::ReleaseTables>(&boundaries, &mut Marks::default(), &text[..end], |_, _, one| {
        each(one);
    });
    Ok(())
}

#[cfg(test)]
mod tests;
