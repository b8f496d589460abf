//! `index.json`: how the files of an output directory were made, and which inputs are done.
//!
//! During a run, each finished input is appended to a [journal](super::journal); at the end all is written to the index.
//! So a killed run loses nothing, and the index is written once. Whoever has locked the journal writes to the directory.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sleeve::audio::Level;
use sleeve::front_end::FrontEnd;
use sleeve_files::names::shown;
use sleeve_files::npy::NpyReader;
use sleeve_files::walk::{PassedOver, Reason};
use sleeve_files::{AtomicFile, Stamp, lock};

use super::args::Shard;
use super::entry::Entry;
use super::journal::{Journal, Locked, refused};
use crate::terminal::warn;

/// The settings that determine the contents of output files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// npy, json, csv or parquet.
    pub format: String,
    /// Whether files have the mean over patches.
    pub mean: bool,
    /// linear or sinc.
    pub resampler: String,
    /// none or track.
    #[serde(default = "as_recorded")]
    pub level: String,
    /// discard or repeat.
    pub last_patch: String,
    /// The selected outputs; all if empty.
    pub only: Vec<String>,
    /// The models, in order.
    pub models: Vec<ModelSettings>,
}

/// The level of an index that was written before there was a choice.
fn as_recorded() -> String {
    Level::None.to_string()
}

/// A model and its engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelSettings {
    pub name: String,
    /// The hash of the graph.
    pub sha256: String,
    /// The engine's short name.
    pub engine: String,
    pub precision: String,
    /// Hz.
    pub sample_rate: u32,
    /// What its frames are, and whether --front-end said so in place of its metadata.
    #[serde(default = "musicnn")]
    pub front_end: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub front_end_overridden: bool,
    /// Values per frame.
    #[serde(default = "musicnn_bands")]
    pub bands: usize,
    /// Patch length and hop in frames.
    pub patch_frames: usize,
    pub patch_hop: usize,
    /// Seconds from one patch to the next.
    pub hop_seconds: f64,
    /// Its heads: name and hash.
    pub heads: Vec<(String, String)>,
    /// The output that they take, if it was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_input: Option<String>,
    /// Whether they may be of other models.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any_embedding_model: bool,
}

/// The front end of an index that was written when there was only this one.
fn musicnn() -> String {
    FrontEnd::MusiCnn.to_string()
}

fn musicnn_bands() -> usize {
    FrontEnd::MusiCnn.bands()
}

#[derive(Serialize, Deserialize)]
struct Document {
    sleeve: String,
    settings: Settings,
    /// What the last run passed over in folders.
    #[serde(default)]
    passed_over: Vec<Passed>,
    /// Files in those folders that are not audio, by their extensions.
    #[serde(default)]
    other_files: u64,
    files: Vec<Entry>,
}

/// Files or folders that were passed over for one reason.
#[derive(Serialize, Deserialize)]
struct Passed {
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extension: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    folder: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    files: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    folders: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The names of the files of one shard's run.
#[derive(Clone, Copy, PartialEq)]
struct Part(Option<Shard>);

impl Part {
    /// The part whose file this is, with the file's extension; `None` for other files.
    fn of(name: &str) -> Option<(Self, &str)> {
        let (stem, extension) = name.rsplit_once('.')?;
        if !matches!(extension, "json" | "journal") {
            return None;
        }
        if stem == "index" {
            return Some((Part(None), extension));
        }
        let (index, count) = stem.strip_prefix("index.")?.split_once("-of-")?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let shard = Shard { index: index.parse().ok()?, count: count.parse().ok()? };
        (digits(index) && digits(count)).then_some((Part(Some(shard)), extension))
    }

    fn file(self, directory: &Path, extension: &str) -> PathBuf {
        directory.join(match self.0 {
            None => format!("index.{extension}"),
            Some(Shard { index, count }) => format!("index.{index}-of-{count}.{extension}"),
        })
    }

    /// Whether no input belongs to both.
    fn is_apart_from(self, other: Part) -> bool {
        matches!((self.0, other.0), (Some(a), Some(b)) if a.count == b.count && a.index != b.index)
    }
}

/// Whether a name in the output directory is one of an index or a journal, on file systems without upper case, too.
pub fn is_reserved(name: &str) -> bool {
    Part::of(&name.to_lowercase()).is_some()
}

/// The index of an output directory (or of a shard of it) during a run.
pub struct Index {
    directory: PathBuf,
    path: PathBuf,
    journal_path: PathBuf,
    journal: Journal,
    settings: Settings,
    /// What is done, by source. Entries of other runs with the same settings are kept.
    done: HashMap<PathBuf, Entry>,
    /// The source of each output.
    owners: HashMap<PathBuf, PathBuf>,
    /// The sources that this index lists. Other shards have indexes of their own.
    listed: HashSet<PathBuf>,
}

impl Index {
    /// Opens or creates the index. Entries of runs with other settings are dropped, because this run's outputs may take
    /// the places of theirs; the journal of an interrupted run is read.
    ///
    /// # Errors
    /// If another process is writing the same outputs.
    pub fn open(directory: &Path, settings: Settings, shard: Option<Shard>, resume: bool) -> Result<Index> {
        fs::create_dir_all(directory).with_context(|| format!("cannot create {}", shown(directory)))?;
        let part = Part(shard);
        let (path, journal_path) = (part.file(directory, "json"), part.file(directory, "journal"));
        let journal = Locked::open(&journal_path)?;
        let parts = parts(directory)?;
        for &(other, _) in parts.iter().filter(|(other, extension)| {
            extension == "journal" && *other != part && !part.is_apart_from(*other)
        }) {
            let other = other.file(directory, "journal");
            if lock::is_locked(&other) {
                journal.abandon();
                return Err(refused(&other));
            }
        }
        let (interrupted, journal) = journal.start(&settings)?;
        let mut index = Index {
            directory: directory.to_owned(),
            path,
            journal_path,
            journal,
            settings,
            done: HashMap::new(),
            owners: HashMap::new(),
            listed: HashSet::new(),
        };
        // What this part says itself counts most, so it is read last.
        let (own, others): (Vec<_>, Vec<_>) = parts
            .into_iter()
            .filter(|(_, extension)| extension == "json")
            .map(|(other, _)| (other == part, other.file(directory, "json")))
            .partition(|(own, _)| *own);
        for (own, file) in others.into_iter().chain(own) {
            index.read(&file, own || shard.is_none(), resume);
        }
        for entry in interrupted {
            index.insert(entry, true);
        }
        Ok(index)
    }

    /// Reads an index, or drops what it says if that is about other settings.
    fn read(&mut self, file: &Path, list: bool, resume: bool) {
        let read = fs::read(file).map_err(anyhow::Error::from);
        match read.and_then(|text| Ok(serde_json::from_slice::<Document>(&text)?)) {
            Ok(document) if document.settings == self.settings => {
                document.files.into_iter().for_each(|entry| self.insert(entry, list));
            }
            Ok(document) => {
                if resume && !document.files.is_empty() {
                    let count = document.files.len();
                    warn(format_args!("{}: its {count} files were made with other settings", shown(file)));
                }
                if let Err(error) = fs::remove_file(file) {
                    warn(format_args!("{}: {error}", shown(file)));
                }
            }
            Err(error) => warn(format_args!("{}: {error}; its entries are not used", shown(file))),
        }
    }

    fn insert(&mut self, entry: Entry, list: bool) {
        for file in &entry.files {
            // Another input's output of this name is no longer there.
            match self.owners.insert(file.path.clone(), entry.source.clone()) {
                Some(other) if other != entry.source => drop(self.done.remove(&other)),
                _ => {}
            }
        }
        if list {
            self.listed.insert(entry.source.clone());
        }
        self.done.insert(entry.source.clone(), entry);
    }

    /// The names of the files of this run besides its outputs.
    pub fn file_names(&self) -> [String; 2] {
        [&self.path, &self.journal_path]
            .map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned())
    }

    /// Whether `source` is done and unchanged since, and its files are whole. Then it is listed in this index.
    pub fn is_done(&mut self, source: &Path) -> bool {
        let Some(entry) = self.done.get(source) else { return false };
        let unchanged = Stamp::read(source).is_ok_and(|stamp| stamp == entry.stamp);
        let is_whole = |path: &Path, bytes| is_whole(&self.directory.join(path), bytes);
        let done = unchanged && entry.files.iter().all(|file| is_whole(&file.path, file.bytes));
        if done {
            self.listed.insert(source.to_owned());
        }
        done
    }

    /// Another input that is there and has this output.
    pub fn other_owner(&self, output: &Path, source: &Path) -> Option<&Path> {
        let owner = self.owners.get(output)?;
        (owner != source && self.done.contains_key(owner) && owner.exists()).then_some(owner)
    }

    /// Records a finished input.
    pub fn add(&mut self, entry: Entry) -> Result<()> {
        let files = entry.files.iter().map(|file| self.directory.join(&file.path)).collect();
        self.journal.add(&entry, files)?;
        self.insert(entry, true);
        Ok(())
    }

    /// Writes the index and removes the journal.
    pub fn finish(mut self, passed_over: &PassedOver) -> Result<()> {
        // All outputs are on the disk then, and the journal stays locked until the index is.
        let locked = self.journal.close()?;
        let listed = &self.listed;
        let mut files: Vec<Entry> =
            self.done.into_values().filter(|entry| listed.contains(&entry.source)).collect();
        files.sort_by(|a, b| a.source.cmp(&b.source));
        let document = Document {
            sleeve: env!("CARGO_PKG_VERSION").to_owned(),
            settings: self.settings,
            passed_over: passed(passed_over),
            other_files: passed_over.others,
            files,
        };
        let cannot = || format!("cannot write {}", shown(&self.path));
        let mut file = AtomicFile::create(&self.path)?;
        serde_json::to_writer_pretty(&mut file, &document).with_context(cannot)?;
        file.commit_synced()?;
        fs::remove_file(&self.journal_path)
            .with_context(|| format!("cannot remove {}", shown(&self.journal_path)))?;
        drop(locked);
        Ok(())
    }
}

fn passed(passed_over: &PassedOver) -> Vec<Passed> {
    let passed = passed_over.groups().map(|(group, count)| {
        let reason = match group.reason {
            Reason::NeedsFfmpeg => passed_over.no_ffmpeg(),
            Reason::NoDecoder => "no decoder",
            Reason::AppleDouble => "its name begins with ._",
            Reason::System => "a folder of the system",
            Reason::NotAFile => "not a regular file",
            Reason::Excluded => "excluded",
        };
        let name = (!group.name.is_empty()).then(|| group.name.clone());
        let (extension, folder) = match (group.folders, group.reason) {
            (true, _) => (None, name),
            // What it is in place of a file is no extension.
            (false, Reason::NotAFile) => (None, None),
            (false, _) => (name, None),
        };
        let (files, folders) = if group.folders { (0, count) } else { (count, 0) };
        Passed { reason: reason.to_owned(), extension, folder, files, folders }
    });
    passed.collect()
}

/// The indexes and journals of a directory, of all shards.
fn parts(directory: &Path) -> Result<Vec<(Part, String)>> {
    let cannot = || shown(directory);
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).with_context(cannot)? {
        let name = entry.with_context(cannot)?.file_name();
        if let Some((part, extension)) = name.to_str().and_then(Part::of) {
            found.push((part, extension.to_owned()));
        }
    }
    found.sort_by_key(|(part, extension)| (part.file(Path::new(""), extension), extension.clone()));
    Ok(found)
}

/// Whether an output has its size, and the beginning and the end of its format.
fn is_whole(path: &Path, bytes: u64) -> bool {
    if !fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == bytes) {
        return false;
    }
    match path.extension().and_then(|extension| extension.to_str()) {
        // The header has the number of rows.
        Some("npy") => NpyReader::open(path).is_ok(),
        Some("parquet") => has_ends(path, b"PAR1", b"PAR1"),
        Some("json") => has_ends(path, b"{\"outputs\"", b"]}\n"),
        _ => has_ends(path, b"time", b"\n"),
    }
}

fn has_ends(path: &Path, first: &[u8], last: &[u8]) -> bool {
    let reads = |file: &mut File, bytes: &[u8]| {
        let mut read = vec![0; bytes.len()];
        file.read_exact(&mut read).is_ok() && read == bytes
    };
    File::open(path).is_ok_and(|mut file| {
        reads(&mut file, first)
            && file.seek(SeekFrom::End(-(last.len() as i64))).is_ok()
            && reads(&mut file, last)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_indexes_are_reserved() {
        for name in
            ["index.json", "INDEX.json", "index.journal", "index.1-of-2.json", "index.10-of-20.journal"]
        {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["index.csv", "index.ogg.json", "index.1-of-.json", "index.+1-of-2.json", "json", ".json"]
        {
            assert!(!is_reserved(name), "{name}");
        }
        let shard = |index, count| Part(Some(Shard { index, count }));
        assert!(shard(1, 2).is_apart_from(shard(2, 2)) && !shard(1, 2).is_apart_from(shard(1, 2)));
        assert!(!shard(1, 2).is_apart_from(shard(2, 3)) && !shard(1, 2).is_apart_from(Part(None)));
    }

    #[test]
    fn an_output_is_whole_with_its_size_and_both_ends() {
        let folder = tempfile::tempdir().unwrap();
        let whole = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            is_whole(&path, content.len() as u64) && !is_whole(&path, content.len() as u64 + 1)
        };
        assert!(whole("a.parquet", b"PAR1....PAR1") && !whole("a.parquet", b"PAR1....\0\0\0\0"));
        assert!(whole("a.json", b"{\"outputs\": {},\n\"patches\": [\n]}\n") && !whole("a.json", &[0; 40]));
        assert!(whole("a.csv", b"time,a\n0,1\n") && !whole("a.csv", &[0; 11]));
        assert!(!whole("a.npy", &[0; 160]));
        let mut npy = sleeve_files::npy::NpyWriter::create(
            folder.path().join("b.npy"),
            2,
            sleeve_files::npy::Dtype::F32,
        )
        .unwrap();
        npy.write_rows(&[1.0, 2.0]).unwrap();
        npy.finish().unwrap();
        let bytes = fs::read(folder.path().join("b.npy")).unwrap();
        assert!(whole("b.npy", &bytes) && !whole("b.npy", &bytes[..bytes.len() - 4]));
    }
}
