//! `index.json`: how the files of an output directory were made, and which inputs are done.
//!
//! While a run goes on, each finished input is one line appended to a journal; at the end the journal
//! becomes part of the index. So a killed run loses nothing and a long one never rewrites its index.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sleeve_files::AtomicFile;

use super::args::Shard;

/// Everything that decides what an output file holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// npy, json, csv or parquet.
    pub format: String,
    /// Whether files hold the mean over patches.
    pub mean: bool,
    /// linear or sinc.
    pub resampler: String,
    /// discard or repeat.
    pub last_patch: String,
    /// The outputs asked for by name; all if empty.
    pub only: Vec<String>,
    /// The models, in order.
    pub models: Vec<ModelSettings>,
}

/// One model and what runs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelSettings {
    pub name: String,
    /// Of the graph's file.
    pub sha256: String,
    /// The engine's short name.
    pub engine: String,
    pub precision: String,
    /// Hz.
    pub sample_rate: u32,
    /// Mel frames in a patch, and from one to the next.
    pub patch_frames: usize,
    pub patch_hop: usize,
    /// Seconds from one patch to the next.
    pub hop_seconds: f64,
    /// Heads behind it: name and hash.
    pub heads: Vec<(String, String)>,
}

/// One finished input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The input's path as it was given or found.
    pub source: PathBuf,
    /// The input's size and time of change, by which a changed file is noticed.
    pub bytes: u64,
    pub modified: u64,
    pub format: String,
    pub sample_rate: u32,
    pub channels: u16,
    /// Seconds of audio heard.
    pub seconds: f64,
    /// Patches each model gave.
    pub patches: Vec<u64>,
    /// Files written, relative to the output directory.
    pub files: Vec<PathBuf>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    sleeve: String,
    settings: Settings,
    files: Vec<Entry>,
}

/// The index of one output directory (or of one shard of it) while a run goes on.
pub struct Index {
    directory: PathBuf,
    path: PathBuf,
    journal_path: PathBuf,
    journal: File,
    settings: Settings,
    /// By source. Entries of other runs with the same settings are kept.
    done: HashMap<PathBuf, Entry>,
}

impl Index {
    /// Opens or starts the index. What an earlier run with other settings left is forgotten; an
    /// interrupted run's journal is taken up.
    pub fn open(directory: &Path, settings: Settings, shard: Option<Shard>) -> Result<Index> {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let stem = match shard {
            None => "index".to_owned(),
            Some(Shard { index, count }) => format!("index.{index}-of-{count}"),
        };
        let path = directory.join(format!("{stem}.json"));
        let journal_path = directory.join(format!("{stem}.journal"));
        let mut done = HashMap::new();
        for other in indexes(directory)? {
            match fs::read(&other)
                .map_err(anyhow::Error::from)
                .and_then(|text| Ok(serde_json::from_slice::<Document>(&text)?))
            {
                Ok(document) if document.settings == settings => {
                    done.extend(document.files.into_iter().map(|entry| (entry.source.clone(), entry)));
                }
                Ok(_) => {}
                Err(error) => eprintln!("warning: {}: {error}; its entries are not used", other.display()),
            }
        }
        for entry in read_journal(&journal_path, &settings)? {
            done.insert(entry.source.clone(), entry);
        }
        // The journal starts anew with all that is known, so that it alone is enough after a kill.
        let mut journal = AtomicFile::create(&journal_path)?;
        writeln!(journal, "{}", serde_json::to_string(&settings)?)?;
        for entry in done.values() {
            writeln!(journal, "{}", serde_json::to_string(entry)?)?;
        }
        journal.commit()?;
        let journal = OpenOptions::new().append(true).open(&journal_path)?;
        Ok(Index { directory: directory.to_owned(), path, journal_path, journal, settings, done })
    }

    /// The files that this run gives their names besides its outputs.
    pub fn files(&self) -> [&Path; 2] {
        [&self.path, &self.journal_path]
    }

    /// Whether the index shows `source` done, unchanged since, with its files still there.
    pub fn is_done(&self, source: &Path) -> bool {
        let Some(entry) = self.done.get(source) else { return false };
        stamp(source).is_some_and(|stamp| stamp == (entry.bytes, entry.modified))
            && entry.files.iter().all(|file| self.directory.join(file).is_file())
    }

    /// Notes a finished input.
    pub fn add(&mut self, entry: Entry) -> Result<()> {
        let line = serde_json::to_string(&entry)? + "\n";
        // One write call a line: a kill leaves whole lines and at most one torn one at the end.
        self.journal
            .write_all(line.as_bytes())
            .with_context(|| format!("cannot write {}", self.journal_path.display()))?;
        self.done.insert(entry.source.clone(), entry);
        Ok(())
    }

    /// Writes the index and drops the journal.
    pub fn finish(self) -> Result<()> {
        let mut files: Vec<Entry> = self.done.into_values().collect();
        files.sort_by(|a, b| a.source.cmp(&b.source));
        let document =
            Document { sleeve: env!("CARGO_PKG_VERSION").to_owned(), settings: self.settings, files };
        let mut file = AtomicFile::create(&self.path)?;
        serde_json::to_writer_pretty(&mut file, &document)?;
        file.commit()?;
        fs::remove_file(&self.journal_path)?;
        Ok(())
    }
}

/// A file's size and time of change in milliseconds.
pub fn stamp(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((metadata.len(), modified.as_millis().try_into().ok()?))
}

/// The index files of a directory, every shard's.
fn indexes(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_shard = || {
            let middle = name.strip_prefix("index.").and_then(|rest| rest.strip_suffix(".json"));
            middle.is_some_and(|middle| middle.split_once("-of-").is_some())
        };
        if name == "index.json" || is_shard() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The entries of an interrupted run, if its settings were these. A torn last line is dropped.
fn read_journal(path: &Path, settings: &Settings) -> Result<Vec<Entry>> {
    let Ok(file) = File::open(path) else { return Ok(Vec::new()) };
    let mut lines = BufReader::new(file).lines();
    match lines.next().transpose()?.and_then(|line| serde_json::from_str::<Settings>(&line).ok()) {
        Some(earlier) if earlier == *settings => {}
        _ => return Ok(Vec::new()),
    }
    Ok(lines.map_while(|line| serde_json::from_str(&line.ok()?).ok()).collect())
}
