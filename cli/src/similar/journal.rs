//! The tracks that a run has processed so far, appended one by one, so that an interrupted or killed run loses nothing.
//!
//! A record is a length, postcard's bytes and the beginning of their SHA-256. The first record identifies model and
//! library. The first incomplete record and all after it are ignored.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use sleeve::audio::Level;
use sleeve_files::lock;
use sleeve_files::names::shown;

use super::index::{ModelNote, Track};
use super::nearest::Vector;

/// Bytes of the hash of a record.
const CHECK: usize = 8;

/// A track with its vector.
#[derive(Clone, Serialize, Deserialize)]
pub struct Indexed {
    pub track: Track,
    pub vector: Vector,
}

/// What the vectors of a journal were made with, and its library.
#[derive(PartialEq, Serialize, Deserialize)]
pub struct Of {
    /// The hash of the model's graph. With a level other than none, that follows: so journals that were written before
    /// there was a choice can still be read.
    made_with: String,
    library: Vec<u8>,
}

impl Of {
    pub fn new(model: &ModelNote, level: Level, library: Vec<u8>) -> Self {
        let made_with = match level {
            Level::None => model.sha256.clone(),
            level => format!("{}, level {level}", model.sha256),
        };
        Of { made_with, library }
    }
}

/// The journal of one index.
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens the journal of an index, and returns the tracks of an interrupted run with the same model and library.
    pub fn open(index: &Path, of: &Of) -> Result<(Self, Vec<Indexed>)> {
        let mut name = index.file_name().with_context(|| format!("{}: not a file", shown(index)))?.to_owned();
        name.push(".journal");
        let path = index.with_file_name(name);
        let cannot = || format!("cannot write {}", shown(&path));
        // The lock is released when the process ends, however it ends.
        let Some(mut file) = lock::open(&path)? else {
            bail!("{}: another process is writing this index", shown(index));
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).with_context(cannot)?;
        let mut rest = bytes.as_slice();
        let mut indexed = Vec::new();
        let same = record::<Of>(&mut rest).is_some_and(|found| found == *of);
        let mut kept = if same { bytes.len() - rest.len() } else { 0 };
        while same && let Some(one) = record::<Indexed>(&mut rest) {
            indexed.push(one);
            kept = bytes.len() - rest.len();
        }
        file.set_len(kept as u64).with_context(cannot)?;
        file.seek(SeekFrom::Start(kept as u64)).with_context(cannot)?;
        let mut journal = Journal { path, file };
        if !same {
            journal.append(of)?;
        }
        Ok((journal, indexed))
    }

    /// Records a track.
    pub fn add(&mut self, indexed: &Indexed) -> Result<()> {
        self.append(indexed)
    }

    fn append(&mut self, value: &impl Serialize) -> Result<()> {
        let content = postcard::to_stdvec(value)?;
        let mut bytes = (content.len() as u32).to_le_bytes().to_vec();
        bytes.extend(&content);
        bytes.extend(&Sha256::digest(&content)[..CHECK]);
        // One write call per record: after a kill, at most the last one is incomplete.
        self.file.write_all(&bytes).with_context(|| format!("cannot write {}", shown(&self.path)))
    }

    /// Removes the journal, whose tracks are now in the index.
    pub fn finish(self) -> Result<()> {
        // While it is locked: whoever waits for it then notices that it is gone.
        std::fs::remove_file(&self.path).with_context(|| format!("cannot remove {}", shown(&self.path)))
    }
}

/// Takes the next record, if it is complete.
fn record<T: DeserializeOwned>(rest: &mut &[u8]) -> Option<T> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let content = after.get(..length)?;
    let check = after.get(length..length.checked_add(CHECK)?)?;
    if Sha256::digest(content)[..CHECK] != *check {
        return None;
    }
    let value = postcard::from_bytes(content).ok()?;
    *rest = &after[length + CHECK..];
    Some(value)
}
