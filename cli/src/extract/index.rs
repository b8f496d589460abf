//! `index.json`: how the files of an output directory were made, and which inputs are done.
//!
//! During a run, each finished input is appended to a journal as a line; at the end the journal is merged into the
//! index. So a killed run loses nothing, and the index is written once.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sleeve::audio::Level;
use sleeve_files::AtomicFile;

use super::args::Shard;

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
    /// Patch length and hop in mel frames.
    pub patch_frames: usize,
    pub patch_hop: usize,
    /// Seconds from one patch to the next.
    pub hop_seconds: f64,
    /// Its heads: name and hash.
    pub heads: Vec<(String, String)>,
}

/// One finished input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The input's path.
    pub source: PathBuf,
    /// The input's size and modification time, to notice changed files.
    pub bytes: u64,
    pub modified: u64,
    pub format: String,
    pub sample_rate: u32,
    pub channels: u16,
    /// Seconds of audio processed.
    pub seconds: f64,
    /// The number of patches of each model.
    pub patches: Vec<u64>,
    /// What was measured and applied, if the level is not none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<LevelNote>,
    /// Files written, relative to the output directory.
    pub files: Vec<PathBuf>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The loudness of an input, and the gain that was applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelNote {
    pub lufs: f32,
    pub gain_db: f32,
}

#[derive(Serialize, Deserialize)]
struct Document {
    sleeve: String,
    settings: Settings,
    files: Vec<Entry>,
}

/// The index of an output directory (or of a shard of it) during a run.
pub struct Index {
    directory: PathBuf,
    path: PathBuf,
    journal_path: PathBuf,
    journal: File,
    settings: Settings,
    /// By path. Entries of other runs with the same settings are kept.
    done: HashMap<PathBuf, Entry>,
}

impl Index {
    /// Opens or creates the index. Entries of runs with other settings are dropped; the journal of an interrupted run
    /// is read.
    pub fn open(directory: &Path, settings: Settings, shard: Option<Shard>) -> Result<Index> {
        fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
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
        // The new journal begins with all known entries, so that it alone is enough after a kill.
        let mut journal = AtomicFile::create(&journal_path)?;
        writeln!(journal, "{}", serde_json::to_string(&settings)?)?;
        for entry in done.values() {
            writeln!(journal, "{}", serde_json::to_string(entry)?)?;
        }
        journal.commit()?;
        let journal = OpenOptions::new().append(true).open(&journal_path)?;
        Ok(Index { directory: directory.to_owned(), path, journal_path, journal, settings, done })
    }

    /// The files of this run besides its outputs.
    pub fn files(&self) -> [&Path; 2] {
        [&self.path, &self.journal_path]
    }

    /// Whether `source` is done and unchanged since, and its files still exist.
    pub fn is_done(&self, source: &Path) -> bool {
        let Some(entry) = self.done.get(source) else { return false };
        stamp(source).is_some_and(|stamp| stamp == (entry.bytes, entry.modified))
            && entry.files.iter().all(|file| self.directory.join(file).is_file())
    }

    /// Records a finished input.
    pub fn add(&mut self, entry: Entry) -> Result<()> {
        let line = serde_json::to_string(&entry)? + "\n";
        // One write call per line: after a kill, at most the last line is incomplete.
        self.journal
            .write_all(line.as_bytes())
            .with_context(|| format!("cannot write {}", self.journal_path.display()))?;
        self.done.insert(entry.source.clone(), entry);
        Ok(())
    }

    /// Writes the index and removes the journal.
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

/// A file's size and modification time in milliseconds.
pub fn stamp(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((metadata.len(), modified.as_millis().try_into().ok()?))
}

/// The index files of a directory, of all shards.
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

/// The entries of an interrupted run with the same settings. An incomplete last line is dropped.
fn read_journal(path: &Path, settings: &Settings) -> Result<Vec<Entry>> {
    let Ok(file) = File::open(path) else { return Ok(Vec::new()) };
    let mut lines = BufReader::new(file).lines();
    match lines.next().transpose()?.and_then(|line| serde_json::from_str::<Settings>(&line).ok()) {
        Some(earlier) if earlier == *settings => {}
        _ => return Ok(Vec::new()),
    }
    Ok(lines.map_while(|line| serde_json::from_str(&line.ok()?).ok()).collect())
}
