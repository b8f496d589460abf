//! Scans a folder of music into a table of its tracks.

mod ids;
mod tags;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

pub use ids::DiscogsIds;
pub use tags::{Tags, read as read_tags};

use crate::atomic;
use crate::error::{Error, Result};
use crate::table::Type::{Float, Id, Ids, Int, Text, Word, Words};
use crate::table::{Builder, Cell, Rows, Table, TableReader, TableWriter, column, optional};

/// One row per readable file.
pub static COLLECTION: Table = Table {
    name: "collection",
    row: "a readable audio file, in the order of paths",
    columns: &[
        column("path", Text, "path inside the scanned folder, with `/` between its parts"),
        column("size", Id, "size in bytes"),
        column("modified_ns", Id, "time of the last change, in nanoseconds since 1970"),
        column("sha256", Text, "SHA-256 of the whole file, in hexadecimal"),
        column("format", Word, "`mp3`, `flac`, `vorbis`, `opus`, `mp4`, `wav` and so on, by content"),
        optional("duration_s", Float, "duration in seconds"),
        optional("sample_rate", Int, "samples a second"),
        optional("channels", Int, "channels"),
        optional("title", Text, "title tag"),
        column("artists", Words, "artist tags, in their order"),
        optional("album", Text, "album tag"),
        optional("album_artist", Text, "album artist tag"),
        optional("label", Text, "label or publisher tag"),
        optional("year", Int, "year tag"),
        optional("track_number", Int, "track number tag"),
        column("discogs_releases", Ids, "Discogs release ids in the tags"),
        column("discogs_masters", Ids, "Discogs master ids in the tags"),
        column("discogs_artists", Ids, "Discogs artist ids in the tags"),
        column("discogs_labels", Ids, "Discogs label ids in the tags"),
    ],
};

/// Size and modification time of a file; if they are unchanged, so is its content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Size in bytes.
    pub size: i64,
    /// Modification time, in nanoseconds since 1970; 0 if unknown.
    pub modified_ns: i64,
}

impl Stamp {
    /// The stamp of a file.
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified_ns = modified.map_or(0, |since| since.as_nanos() as i64);
        Stamp { size: metadata.len() as i64, modified_ns }
    }

    /// The stamp in a row of a table that has `size` and `modified_ns`.
    pub fn at(rows: &Rows, row: usize) -> Self {
        Stamp { size: rows.ids("size").value(row), modified_ns: rows.ids("modified_ns").value(row) }
    }
}

const ALL_COLUMNS: [&str; 19] = [
    "path",
    "size",
    "modified_ns",
    "sha256",
    "format",
    "duration_s",
    "sample_rate",
    "channels",
    "title",
    "artists",
    "album",
    "album_artist",
    "label",
    "year",
    "track_number",
    "discogs_releases",
    "discogs_masters",
    "discogs_artists",
    "discogs_labels",
];

/// Extensions of audio files; other files are ignored.
const ENDINGS: [&str; 17] = [
    "aac", "aif", "aiff", "ape", "flac", "m4a", "m4b", "mp2", "mp3", "mp4", "mpc", "oga", "ogg", "opus",
    "spx", "wav", "wv",
];

/// Files read in parallel before their rows are written.
const BATCH: usize = 2048;

/// The outcome of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Files in the table.
    pub tracks: u64,
    /// Unchanged files, which were not read again.
    pub unchanged: u64,
    /// Files that could not be read, with the reasons.
    pub unreadable: Vec<(String, String)>,
}

/// Scans `folder` and writes the table `out`, and beside it `<out>.unreadable.tsv` with the files that could not be
/// read. If `out` exists, rows of files with unchanged size and time are kept. `progress` is called with the number of
/// files done and the total.
///
/// # Errors
/// If the folder cannot be read or the table cannot be written. An unreadable file is not an error.
pub fn scan(folder: &Path, out: &Path, mut progress: impl FnMut(u64, u64)) -> Result<Report> {
    let mut report = Report::default();
    let files = list(folder, &mut report)?;
    let mut old = OldRows::open(out)?;
    let mut writer = TableWriter::create(out, &COLLECTION)?;
    let mut builder = Builder::new(&COLLECTION);
    let mut done = 0;
    for batch in files.chunks(BATCH) {
        let known: Vec<Option<Row>> = batch.iter().map(|file| old.take(file)).collect::<Result<_>>()?;
        let rows: Vec<(bool, Result<Row, String>)> = batch
            .par_iter()
            .zip(known)
            .map(|(file, known)| match known {
                Some(row) => (true, Ok(row)),
                None => (false, read_row(folder, file)),
            })
            .collect();
        for (file, (unchanged, row)) in batch.iter().zip(rows) {
            match row {
                Ok(row) => {
                    row.push(&mut builder);
                    report.tracks += 1;
                    report.unchanged += u64::from(unchanged);
                }
                Err(reason) => report.unreadable.push((file.path.clone(), reason)),
            }
        }
        writer.write(&builder.finish())?;
        done += batch.len() as u64;
        progress(done, files.len() as u64);
    }
    report.unreadable.sort();
    writer.finish()?.persist()?;
    write_unreadable(out, &report.unreadable)?;
    Ok(report)
}

/// An audio file in the folder.
struct Found {
    path: String,
    size: i64,
    modified: i64,
}

fn list(folder: &Path, report: &mut Report) -> Result<Vec<Found>> {
    std::fs::read_dir(folder).map_err(|error| Error::io(folder, error))?;
    let mut files = Vec::new();
    for entry in WalkDir::new(folder).follow_links(true) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(folder).strip_prefix(folder).unwrap_or(folder);
                report.unreadable.push((path.display().to_string(), error.to_string()));
                continue;
            }
        };
        let ending = entry.path().extension().map(|ending| ending.to_string_lossy().to_lowercase());
        if !entry.file_type().is_file() || !ending.is_some_and(|ending| ENDINGS.contains(&&*ending)) {
            continue;
        }
        let inside = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        let parts: Option<Vec<&str>> = inside.iter().map(|part| part.to_str()).collect();
        let Some(path) = parts.map(|parts| parts.join("/")) else {
            report.unreadable.push((inside.display().to_string(), "its name is not Unicode".into()));
            continue;
        };
        match entry.metadata() {
            Ok(data) => {
                let Stamp { size, modified_ns: modified } = Stamp::of(&data);
                files.push(Found { path, size, modified });
            }
            Err(error) => report.unreadable.push((path, error.to_string())),
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// One row of the table.
struct Row {
    path: String,
    size: i64,
    modified: i64,
    sha256: String,
    format: String,
    tags: Tags,
}

impl Row {
    fn push(&self, builder: &mut Builder) {
        let tags = &self.tags;
        let artists: Vec<&str> = tags.artists.iter().map(String::as_str).collect();
        builder.push([
            Cell::Text(&self.path),
            Cell::Id(self.size),
            Cell::Id(self.modified),
            Cell::Text(&self.sha256),
            Cell::Text(&self.format),
            Cell::Float(tags.duration),
            Cell::Int(tags.sample_rate),
            Cell::Int(tags.channels),
            Cell::MaybeText(tags.title.as_deref()),
            Cell::Words(&artists),
            Cell::MaybeText(tags.album.as_deref()),
            Cell::MaybeText(tags.album_artist.as_deref()),
            Cell::MaybeText(tags.label.as_deref()),
            Cell::Int(tags.year),
            Cell::Int(tags.track_number),
            Cell::Ids(&tags.discogs.releases),
            Cell::Ids(&tags.discogs.masters),
            Cell::Ids(&tags.discogs.artists),
            Cell::Ids(&tags.discogs.labels),
        ]);
    }

    fn at(rows: &Rows, row: usize) -> Self {
        use arrow_array::Array;
        let text = |name| rows.texts(name).is_valid(row).then(|| rows.texts(name).value(row).to_owned());
        let int = |name| rows.ints(name).is_valid(row).then(|| rows.ints(name).value(row));
        let durations = rows.floats("duration_s");
        Row {
            path: rows.texts("path").value(row).to_owned(),
            size: rows.ids("size").value(row),
            modified: rows.ids("modified_ns").value(row),
            sha256: rows.texts("sha256").value(row).to_owned(),
            format: rows.texts("format").value(row).to_owned(),
            tags: Tags {
                format: "",
                duration: durations.is_valid(row).then(|| durations.value(row)),
                sample_rate: int("sample_rate"),
                channels: int("channels"),
                title: text("title"),
                artists: rows.word_list("artists", row).map(str::to_owned).collect(),
                album: text("album"),
                album_artist: text("album_artist"),
                label: text("label"),
                year: int("year"),
                track_number: int("track_number"),
                discogs: DiscogsIds {
                    releases: rows.id_list("discogs_releases", row).to_vec(),
                    masters: rows.id_list("discogs_masters", row).to_vec(),
                    artists: rows.id_list("discogs_artists", row).to_vec(),
                    labels: rows.id_list("discogs_labels", row).to_vec(),
                },
            },
        }
    }
}

fn read_row(folder: &Path, file: &Found) -> Result<Row, String> {
    let path: PathBuf = folder.join(&file.path);
    let tags = read_tags(&path)?;
    let sha256 = sha256_of(&path).map_err(|error| error.to_string())?;
    Ok(Row {
        path: file.path.clone(),
        size: file.size,
        modified: file.modified,
        sha256,
        format: tags.format.to_owned(),
        tags,
    })
}

/// SHA-256 of a file, in hexadecimal.
pub fn sha256_of(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => hash.update(&buffer[..count]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The rows of the previous scan. They are in the order of paths, as the files are now, so both are read in parallel.
struct OldRows {
    reader: Option<TableReader>,
    rows: VecDeque<Row>,
}

impl OldRows {
    /// If the table cannot be read or is of another kind, it counts as empty: all files are read again.
    fn open(path: &Path) -> Result<Self> {
        let reader = path.exists().then(|| TableReader::open(path, &COLLECTION, &ALL_COLUMNS).ok()).flatten();
        Ok(OldRows { reader, rows: VecDeque::new() })
    }

    /// The old row of `file`, if it has not changed. Must be called in the order of paths.
    fn take(&mut self, file: &Found) -> Result<Option<Row>> {
        loop {
            while let Some(row) = self.rows.front() {
                if row.path > file.path {
                    return Ok(None);
                }
                let row = self.rows.pop_front().expect("there is one");
                if row.path == file.path {
                    let same = row.size == file.size && row.modified == file.modified;
                    return Ok(same.then_some(row));
                }
            }
            match self.reader.as_mut().and_then(Iterator::next) {
                Some(batch) => {
                    let batch = batch?;
                    self.rows.extend((0..batch.len()).map(|row| Row::at(&batch, row)));
                }
                None => return Ok(None),
            }
        }
    }
}

fn write_unreadable(out: &Path, unreadable: &[(String, String)]) -> Result<()> {
    let mut name = out.as_os_str().to_owned();
    name.push(".unreadable.tsv");
    let path = PathBuf::from(name);
    if unreadable.is_empty() {
        return match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&path, error)),
            _ => Ok(()),
        };
    }
    let mut file = atomic::create(&path)?;
    let cell = |text: &str| text.replace(['\t', '\n', '\r'], " ");
    let mut text = String::from("path\treason\n");
    for (path, reason) in unreadable {
        text.push_str(&format!("{}\t{}\n", cell(path), cell(reason)));
    }
    file.write_all(text.as_bytes()).map_err(|error| Error::io(&path, error))?;
    Ok(file.commit()?)
}
