//! Turns a Discogs dump into Parquet tables.
//!
//! The stream is cut into chunks of whole records. While one round of chunks is parsed into columns, the next is read
//! and decompressed and the previous one is written, all on one pool of threads. At most three rounds are in memory,
//! whatever the size of the dump.

mod artist;
mod boundaries;
mod credit;
mod gzip;
mod label;
mod master;
mod records;
mod release;
mod source;
mod split;
pub mod tables;
mod values;
mod xml;

use std::io::Read;
use std::path::Path;

use rayon::prelude::*;
use roaring::RoaringTreemap;

pub use artist::{Artist, OtherName, Relation};
pub use credit::{Credit, is_no_label, is_nobody, is_nobodys_name};
pub use label::Label;
pub use master::Master;
pub use records::Damaged;
pub use release::{Entry, Release, ReleaseLabel, Track};
pub use source::{Progress, Source, open};
pub use split::Kind;
pub use values::{Date, duration};
pub use xml::Damage;

use crate::error::{Error, Result};
use crate::table::{Finished, TableWriter};
use records::{Last, Parsed, Place, Records, each_record, parse};
use split::{Chunk, Splitter};

/// How to read a dump.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads; `None` for as many as there are processors.
    pub threads: Option<usize>,
    /// Size of a chunk in bytes of XML.
    pub chunk: usize,
    /// Kinds that have been read into the folder already: another dump of one of them would replace its tables, and is
    /// refused.
    pub taken: Vec<Kind>,
}

impl Default for Options {
    fn default() -> Self {
        Options { threads: None, chunk: 1 << 20, taken: Vec::new() }
    }
}

/// The outcome of reading a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Kind of the dump.
    pub kind: Kind,
    /// Records that were read.
    pub records: u64,
    /// Records that were skipped.
    pub damaged: u64,
    /// Records left out because a later one has the same id.
    pub replaced: u64,
    /// Size of the uncompressed records in bytes.
    pub bytes: u64,
    /// The tables, and their rows.
    pub tables: Vec<(&'static str, u64)>,
}

impl Report {
    fn of<T: Records>() -> Self {
        let tables = T::TABLES.iter().map(|table| (table.name, 0)).collect();
        Report { kind: T::KIND, records: 0, damaged: 0, replaced: 0, bytes: 0, tables }
    }

    fn add(&mut self, parsed: &Parsed, damaged: &mut dyn FnMut(&Damaged)) {
        self.records += parsed.places.len() as u64;
        self.replaced += parsed.replaced;
        self.bytes += parsed.bytes;
        self.damaged += parsed.damaged.len() as u64;
        for ((_, rows), batch) in self.tables.iter_mut().zip(&parsed.batches) {
            *rows += batch.num_rows() as u64;
        }
        parsed.damaged.iter().for_each(damaged);
    }
}

/// Reads the dump of any kind in `input` (`-` is standard input) and writes its tables into the folder `out`, where
/// they appear together at the end or not at all. `damaged` is called with every skipped record, in order.
///
/// Where several records have the same id, the last undamaged one counts. Which these are is known only at the end, so
/// a dump that has any is read a second time.
///
/// # Errors
/// If the input cannot be read, is not a dump, ends too early, or is of a kind in [`Options::taken`]; if ids occur more
/// than once in standard input, which cannot be read twice; if a table cannot be written.
pub fn ingest(
    input: &Path,
    out: &Path,
    options: &Options,
    progress: &Progress,
    damaged: &mut dyn FnMut(&Damaged),
) -> Result<Report> {
    let splitter = Splitter::new(open(input, progress)?.stream, input, options.chunk)?;
    let kind = splitter.kind();
    if options.taken.contains(&kind) {
        let reason = format!("another dump of {}; one command reads one of each kind", kind.root());
        return Err(Error::format(input, reason));
    }
    let again = || Splitter::new(open(input, &Progress::default())?.stream, input, options.chunk);
    match kind {
        Kind::Releases => ingest_as::<release::ReleaseTables, _>(splitter, again, out, options, damaged),
        Kind::Masters => ingest_as::<master::MasterTables, _>(splitter, again, out, options, damaged),
        Kind::Artists => ingest_as::<artist::ArtistTables, _>(splitter, again, out, options, damaged),
        Kind::Labels => ingest_as::<label::LabelTables, _>(splitter, again, out, options, damaged),
    }
}

/// The kind of the dump in the file `path`.
///
/// # Errors
/// If it cannot be read or is not a dump.
pub fn kind_of(path: &Path) -> Result<Kind> {
    let chunk = Options::default().chunk;
    Ok(Splitter::new(open(path, &Progress::default())?.stream, path, chunk)?.kind())
}

fn ingest_as<T: Records, R: Read + Send>(
    splitter: Splitter<R>,
    again: impl FnOnce() -> Result<Splitter<R>>,
    out: &Path,
    options: &Options,
    damaged: &mut dyn FnMut(&Damaged),
) -> Result<Report> {
    let path = splitter.path().to_owned();
    let mut read = read_all::<T>(splitter, out, options, &Last::default(), damaged)?;
    if !read.last.is_empty() {
        if path == Path::new("-") {
            let reason = format!(
                "{} ids occur more than once, and only the last record of each counts; read it from a file, which can be \
                 read twice",
                read.last.len()
            );
            return Err(Error::format(&path, reason));
        }
        let last = std::mem::take(&mut read.last);
        drop(read);
        // Damage has been reported already.
        read = read_all::<T>(again()?, out, options, &last, &mut |_| ())?;
    }
    for table in read.tables {
        table.persist()?;
    }
    Ok(read.report)
}

/// Chunks in a round: enough that threads do not wait long for each other at its end.
const ROUND: usize = 32;

/// A dump that has been read.
struct Outcome {
    report: Report,
    tables: Vec<Finished>,
    /// Ids that several records have.
    last: Last,
}

fn read_all<T: Records>(
    mut splitter: Splitter<impl Read + Send>,
    out: &Path,
    options: &Options,
    last: &Last,
    damaged: &mut dyn FnMut(&Damaged),
) -> Result<Outcome> {
    let threads = options.threads.unwrap_or(0);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| Error::InvalidArgument(format!("{threads} threads: {error}")))?;
    let writers = T::TABLES.iter().map(|table| TableWriter::create(&table.path(out), table));
    let mut writers = writers.collect::<Result<Vec<_>>>()?;
    let mut report = Report::of::<T>();
    let mut repeated = Repeated::default();

    let mut chunks = read_round(&mut splitter)?;
    let mut parsed = Vec::new();
    while !chunks.is_empty() || !parsed.is_empty() {
        let (next, (rows, written)) = pool.join(
            || read_round(&mut splitter),
            || rayon::join(|| parse_round::<T>(&chunks, last), || write_round(&mut writers, &parsed)),
        );
        written?;
        for rows in &rows {
            report.add(rows, damaged);
            repeated.add(&rows.places);
        }
        (chunks, parsed) = (next?, rows);
    }

    // Write the last row groups.
    let tables =
        pool.install(|| writers.into_par_iter().map(TableWriter::finish).collect::<Result<Vec<_>>>())?;
    Ok(Outcome { report, tables, last: repeated.last })
}

/// Finds ids that occur more than once. The ids seen are a compressed bitmap: some megabytes for all releases.
#[derive(Default)]
struct Repeated {
    seen: RoaringTreemap,
    last: Last,
}

impl Repeated {
    fn add(&mut self, places: &[Place]) {
        for &(id, number) in places {
            if !self.seen.insert(id.cast_unsigned()) {
                self.last.insert(id, number);
            }
        }
    }
}

fn read_round(splitter: &mut Splitter<impl Read>) -> Result<Vec<Chunk>> {
    std::iter::from_fn(|| splitter.next_chunk().transpose()).take(ROUND).collect()
}

fn parse_round<T: Records>(chunks: &[Chunk], last: &Last) -> Vec<Parsed> {
    chunks.par_iter().map_init(T::new, |tables, chunk| parse(tables, chunk, last)).collect()
}

fn write_round(writers: &mut [TableWriter], round: &[Parsed]) -> Result<()> {
    writers.par_iter_mut().enumerate().try_for_each(|(table, writer)| {
        let batches = round.iter().map(|parsed| &parsed.batches[table]);
        batches.filter(|batch| batch.num_rows() > 0).try_for_each(|batch| writer.write(batch))
    })
}

/// Reads the uncompressed dump of any kind in `stream` and only counts: what [`ingest`] would write, without writing
/// it, on one thread and with `chunk` bytes at a time; records with the same id are all counted. `name` is for errors.
///
/// # Errors
/// If the stream cannot be read, is not a dump, or ends too early.
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
        let (mut report, mut tables) = (Report::of::<T>(), T::new());
        while let Some(chunk) = splitter.next_chunk()? {
            report.add(&parse(&mut tables, &chunk, &Last::default()), damaged);
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

/// Calls `each` with every release in `text`, a whole uncompressed dump: for tools and tests that need records, not
/// tables. A damaged record is an `Err`.
///
/// # Errors
/// If `text` is not a dump of releases, or is truncated; `each` is then not called.
pub fn for_each_release<'a>(text: &'a [u8], mut each: impl FnMut(Result<Release<'a>, Damage>)) -> Result<()> {
    let path = Path::new("<memory>");
    let mut splitter = Splitter::new(text, path, text.len().max(1))?;
    if splitter.kind() != Kind::Releases {
        return Err(Error::format(path, format!("a dump of {}, not of releases", splitter.kind().root())));
    }
    let Some(Chunk { offset, .. }) = splitter.next_chunk()? else { return Ok(()) };
    let text = &text[offset as usize..];
    let end = memchr::memmem::rfind(text, b"</release>").map_or(text.len(), |at| at + 10);
    each_record::<release::ReleaseTables>(&text[..end], |_, one| each(one));
    Ok(())
}

#[cfg(test)]
mod tests;
