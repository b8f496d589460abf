//! Scans a folder of music into a table of its tracks.

mod ids;
mod kept;
mod ogg;
mod rows;
mod tags;

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use sleeve_files::names;
use walkdir::WalkDir;

pub use ids::{DiscogsIds, MusicBrainzIds};
pub use tags::{Tags, read as read_tags};

use crate::atomic;
use crate::error::{Error, Result};
use crate::hear;
use crate::table::Type::{Float, Id, Ids, Int, Text, Word, Words};
use crate::table::{Builder, Rows, Table, TableWriter, column, optional};
use kept::{Journal, OldRows};
use rows::Row;

/// SHA-256 of the audio in a file, in hexadecimal: new tags leave it as it is (see [`sleeve::audio::content_hash`]).
///
/// # Errors
/// If the file cannot be read.
pub fn audio_sha256(path: &Path) -> sleeve::Result<String> {
    Ok(names::to_hex(&sleeve::audio::content_hash(path)?))
}

/// One row per readable file.
pub static COLLECTION: Table = Table {
    name: "collection",
    row: "a readable audio file, in the order of paths",
    columns: &[
        column("path", Text, "path inside the scanned folder, with `/` between its parts"),
        column("size", Id, "size in bytes"),
        column("modified_ns", Id, "time of the last change, in nanoseconds since 1970"),
        column(
            "sha256",
            Text,
            "SHA-256 of the audio in the file, without its tags, in hexadecimal: new tags leave it as it is",
        ),
        column("format", Word, "`mp3`, `flac`, `vorbis`, `opus`, `mp4`, `wav` and so on, by content"),
        optional("duration_s", Float, "duration in seconds"),
        optional("sample_rate", Int, "samples a second"),
        optional("channels", Int, "channels"),
        optional("title", Text, "title tag"),
        column("artists", Words, "artist tags, in their order"),
        optional("album", Text, "album tag"),
        optional("album_artist", Text, "album artist tag"),
        optional("label", Text, "label or publisher tag"),
        optional("catalogue_number", Text, "catalogue number tag"),
        column("genres", Words, "genre tags"),
        optional("year", Int, "year tag"),
        optional("track_number", Int, "track number tag"),
        column("discogs_releases", Ids, "Discogs release ids in the tags"),
        column("discogs_masters", Ids, "Discogs master ids in the tags"),
        column("discogs_artists", Ids, "Discogs artist ids in the tags"),
        column("discogs_labels", Ids, "Discogs label ids in the tags"),
        column("mb_releases", Words, "MusicBrainz release ids in the tags"),
        column("mb_groups", Words, "MusicBrainz release group ids in the tags"),
        column("mb_artists", Words, "MusicBrainz artist ids in the tags, in their order"),
        column("mb_recordings", Words, "MusicBrainz recording ids in the tags"),
        optional(
            "damage",
            Text,
            "what `scan --verify` found: empty for a file that decodes to its end without a warning; null where it was not asked",
        ),
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

/// Extensions of audio files; other files are ignored.
const ENDINGS: [&str; 17] = [
    "aac", "aif", "aiff", "ape", "flac", "m4a", "m4b", "mp2", "mp3", "mp4", "mpc", "oga", "ogg", "opus",
    "spx", "wav", "wv",
];

/// Files read in parallel before their rows are written.
const BATCH: usize = 2048;

/// How to scan.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Decode every file to its end, and list what is damaged.
    pub verify: bool,
}

/// How far a scan is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Files done.
    pub files: u64,
    /// Files in all.
    pub all_files: u64,
    /// Bytes of the files done.
    pub bytes: u64,
    /// Bytes in all.
    pub all_bytes: u64,
}

/// The outcome of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Files in the table.
    pub tracks: u64,
    /// Unchanged files, which were not read again.
    pub unchanged: u64,
    /// Files that could not be read, with the reasons.
    pub unreadable: Vec<(String, String)>,
    /// Files in the table that do not decode to their end without a warning, where this was asked, with what was found.
    pub damaged: Vec<(String, String)>,
}

/// Scans `folder` and writes the table `out`, and beside it `<out>.unreadable.tsv` with the files that could not be
/// read. If `out` exists, rows of files with unchanged size and time are kept, and so is what an earlier scan that was
/// killed had read. With [`Options::verify`], `<out>.damaged.tsv` lists files that are cut or corrupt; files that were
/// verified before and have not changed are not decoded again. `progress` is called as files are done, by any thread.
///
/// # Errors
/// If the folder cannot be read or the table cannot be written. An unreadable file is not an error.
pub fn scan(
    folder: &Path,
    out: &Path,
    options: &Options,
    progress: impl Fn(Progress) + Sync,
) -> Result<Report> {
    let mut report = Report::default();
    let files = list(folder, &mut report)?;
    let all_bytes = files.iter().map(|file| file.size.max(0) as u64).sum();
    let (done, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let show = |file: &Found| {
        let size = file.size.max(0) as u64;
        progress(Progress {
            files: done.fetch_add(1, Ordering::Relaxed) + 1,
            all_files: files.len() as u64,
            bytes: bytes.fetch_add(size, Ordering::Relaxed) + size,
            all_bytes,
        });
    };
    let mut old = OldRows::open(out)?;
    let (mut earlier, journal) = Journal::open(out)?;
    let mut writer = TableWriter::create(out, &COLLECTION)?;
    let mut builder = Builder::new(&COLLECTION);
    for batch in files.chunks(BATCH) {
        let mut known = Vec::with_capacity(batch.len());
        for file in batch {
            let row = old.take(file)?;
            known.push(earlier.remove(&file.path).filter(|row| row.is_of(file)).or(row));
        }
        let rows: Vec<(bool, Result<Row, String>)> = batch
            .par_iter()
            .zip(known)
            .map(|(file, known)| {
                let unchanged = known.is_some();
                let row = known.map_or_else(|| Row::read(folder, file), Ok).and_then(|mut row| {
                    let verifies = options.verify && row.damage.is_none();
                    if verifies {
                        row.damage = Some(damage(&folder.join(&file.path)));
                    }
                    if verifies || !unchanged {
                        file.is_still(folder)?;
                        journal.add(&row);
                    }
                    Ok(row)
                });
                show(file);
                (unchanged, row)
            })
            .collect();
        for (file, (unchanged, row)) in batch.iter().zip(rows) {
            match row {
                Ok(row) => {
                    row.push(&mut builder);
                    report.tracks += 1;
                    report.unchanged += u64::from(unchanged);
                    if let Some(damage) = row.damage.filter(|damage| !damage.is_empty()) {
                        report.damaged.push((file.path.clone(), damage));
                    }
                }
                Err(reason) => report.unreadable.push((file.path.clone(), reason)),
            }
        }
        writer.write(&builder.finish())?;
    }
    report.unreadable.sort();
    writer.finish()?.persist()?;
    write_list(out, "unreadable", &report.unreadable)?;
    write_list(out, "damaged", &report.damaged)?;
    journal.remove()?;
    Ok(report)
}

/// What is wrong with a file's audio: empty if it decodes to its end without a warning.
fn damage(path: &Path) -> String {
    match hear::warnings(path) {
        Ok(warnings) => warnings.join("; "),
        Err(error) => {
            let said = error.to_string();
            said.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&said).to_owned()
        }
    }
}

/// An audio file in the folder.
struct Found {
    path: String,
    size: i64,
    modified: i64,
}

impl Found {
    /// Checks that a file which was read is the one that was found: a row is kept as long as the file does not change.
    fn is_still(&self, folder: &Path) -> Result<(), String> {
        let data = folder.join(&self.path).metadata().map_err(|error| error.to_string())?;
        if Stamp::of(&data) != (Stamp { size: self.size, modified_ns: self.modified }) {
            return Err("it has changed while it was read".into());
        }
        Ok(())
    }
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

/// SHA-256 of a whole file, in hexadecimal.
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

/// `<out>.<ending>`.
fn beside(out: &Path, ending: &str) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(format!(".{ending}"));
    PathBuf::from(name)
}

/// Writes a list of files with reasons beside the table, or removes an old one if there is nothing to list.
fn write_list(out: &Path, what: &str, files: &[(String, String)]) -> Result<()> {
    let path = beside(out, &format!("{what}.tsv"));
    if files.is_empty() {
        return match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&path, error)),
            _ => Ok(()),
        };
    }
    let mut file = atomic::create(&path)?;
    let cell = |text: &str| text.replace(['\t', '\n', '\r'], " ");
    let mut text = String::from("path\treason\n");
    for (path, reason) in files {
        text.push_str(&format!("{}\t{}\n", cell(path), cell(reason)));
    }
    file.write_all(text.as_bytes()).map_err(|error| Error::io(&path, error))?;
    Ok(file.commit()?)
}
