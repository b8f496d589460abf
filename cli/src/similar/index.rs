//! The index file: the tracks, their vectors, and the model.
//!
//! It is a magic number, a version, the index in postcard's format and a SHA-256 of all that, so that damage is
//! detected before anything is used.

use std::fs::{self, File};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sleeve::audio::Level;
use sleeve_files::AtomicFile;
use sleeve_files::names::{self, shown};

use super::nearest::Nearest;

const MARK: &[u8; 8] = b"slv-near";
/// Increased when the format, or the way vectors are computed, changes. Version 2 ends with the level; an index of
/// recordings at their own level is written in version 1, which has none.
const VERSION: u32 = 2;
/// The oldest version that is read.
const OLDEST: u32 = 1;
const HASH: usize = 32;

/// A file's size and modification time, to notice changed files: milliseconds since 1970 in two's complement.
pub type Stamp = (u64, u64);

/// The model of an index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelNote {
    /// Its name.
    pub name: String,
    /// The argument of --model: a bundled name, or the path of its file.
    pub place: Vec<u8>,
    /// The hash of its graph.
    pub sha256: String,
}

/// One track.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// Its path below the library's directory, as bytes.
    pub path: Vec<u8>,
    /// The file when it was processed.
    pub stamp: Stamp,
    /// Seconds of audio.
    pub seconds: f64,
}

/// The index of a library.
#[derive(Serialize, Deserialize)]
pub struct Index {
    /// The model of the vectors.
    pub model: ModelNote,
    /// The library's folder, as bytes. Empty if it is not one folder; then the paths of tracks are absolute.
    pub library: Vec<u8>,
    /// The tracks, by path.
    pub tracks: Vec<Track>,
    /// Their vectors, in the order of `tracks`.
    pub nearest: Nearest,
    /// The level of the recordings that the vectors are of.
    #[serde(skip)]
    pub level: Level,
}

impl Index {
    /// The path of a track.
    pub fn place(&self, track: usize) -> PathBuf {
        names::from_bytes(&self.library).join(names::from_bytes(&self.tracks[track].path))
    }

    /// The index of a track that is unchanged since it was processed.
    pub fn number(&self, file: &Path, stamp: Stamp) -> Option<usize> {
        let inside = file.strip_prefix(names::from_bytes(&self.library)).ok()?;
        let inside = names::to_bytes(inside);
        let at = self.tracks.binary_search_by(|track| track.path.cmp(&inside)).ok()?;
        (self.tracks[at].stamp == stamp).then_some(at)
    }

    /// Writes the index in one step.
    pub fn save(&self, path: &Path) -> Result<()> {
        sleeve_files::atomic::sweep(path);
        let cannot = || format!("cannot write {}", shown(path));
        let mut out = Hashing { inner: AtomicFile::create(path)?, hash: Sha256::new() };
        out.write_all(MARK).with_context(cannot)?;
        let version = if self.level == Level::None { OLDEST } else { VERSION };
        out.write_all(&version.to_le_bytes()).with_context(cannot)?;
        let mut out = postcard::to_io(self, out).with_context(cannot)?;
        if version > OLDEST {
            out = postcard::to_io(self.level.name(), out).with_context(cannot)?;
        }
        let Hashing { mut inner, hash } = out;
        inner.write_all(&hash.finalize()).with_context(cannot)?;
        // The journal, which has the same, is removed next.
        inner.commit_synced()?;
        Ok(())
    }

    /// Reads an index; `None` if there is no such file.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        if !path.try_exists().with_context(|| shown(path))? {
            return Ok(None);
        }
        match Self::read(path) {
            Ok(index) => Ok(Some(index)),
            Err(error) => Err(error.context(format!("{}: cannot be used as an index", shown(path)))),
        }
    }

    fn read(path: &Path) -> Result<Self> {
        if !fs::metadata(path)?.is_file() {
            bail!("not a file");
        }
        let mut bytes = Vec::new();
        BufReader::new(File::open(path)?).read_to_end(&mut bytes)?;
        let Some(rest) = bytes.strip_prefix(MARK) else { bail!("it has another format") };
        let Some((version, _)) = rest.split_first_chunk::<4>() else { bail!("it is truncated") };
        let version = u32::from_le_bytes(*version);
        if !(OLDEST..=VERSION).contains(&version) {
            bail!(
                "it has version {version}, and this program reads versions {OLDEST} to {VERSION}; remove it and index \
                 the library again"
            );
        }
        let Some((content, hash)) = bytes.split_last_chunk::<HASH>() else { bail!("it is truncated") };
        if Sha256::digest(content).as_slice() != hash {
            bail!("it is damaged; remove it and index the library again");
        }
        let content = content.get(MARK.len() + 4..).unwrap_or_default();
        let (mut index, rest): (Index, _) = postcard::take_from_bytes(content)?;
        if version > OLDEST {
            index.level = postcard::from_bytes::<&str>(rest)?.parse()?;
        }
        let width = |index: &Index| {
            let vectors = index.nearest.vectors()?;
            let first = vectors.first().map_or(0, |vector| vector.dimensions());
            (vectors.len() == index.tracks.len() && vectors.iter().all(|one| one.dimensions() == first))
                .then_some(())
        };
        width(&index)
            .context("its tracks and vectors do not match; remove it and index the library again")?;
        Ok(index)
    }
}

/// The content of the file, with its hash.
struct Hashing {
    inner: AtomicFile,
    hash: Sha256,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}
