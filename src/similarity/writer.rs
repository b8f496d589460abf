//! Writing library files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use sleeve_files::{AtomicFile, lock};

use super::header::{self, Commit, Identity};
use super::segment::{self, Rows};
use super::track::record;
use super::{Embedding, Library, Origin, Track};
use crate::{Error, Result};

/// A file with more segments is rewritten as one.
const MAX_SEGMENTS: usize = 16;

/// Writes a library file: adds tracks, changes what is known of them, and removes them.
///
/// One writer at a time: a file `NAME.lock` beside the library is locked as long as the writer lives. What was added is in
/// the file after [`flush`](Self::flush), for every [`Library`] that is opened then, and outlasts a power cut. A writer
/// that is dropped loses what was not flushed; the file is whole at any moment.
///
/// ```
/// use sleeve::similarity::{Embedding, Library, LibraryWriter, Origin, Track};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("music.library");
/// // Vectors of another program's; `Origin::of` is for those of an extractor.
/// let origin = Origin::other("mine", "0123", 3);
/// let mut writer = LibraryWriter::create(&path, "/music", &origin)?;
/// for (name, vector) in [("a.ogg", [1.0, 0.0, 0.0]), ("b.ogg", [0.8, 0.6, 0.0])] {
///     let track = Track { path: name.into(), seconds: 180.0, ..Track::default() };
///     writer.add(&track, &Embedding { vector: vector.to_vec(), ..Embedding::default() })?;
/// }
/// writer.finish()?;
/// let library = Library::open(&path)?;
/// assert_eq!((library.len(), library.cosine(0, 1)), (2, 0.8));
/// # Ok::<(), sleeve::Error>(())
/// ```
#[derive(Debug)]
pub struct LibraryWriter {
    path: PathBuf,
    identity: Identity,
    library: Library,
    /// How much is committed by now.
    commit: Commit,
    /// Whether the file is there: a new one appears with its first tracks.
    exists: bool,
    /// What waits for a flush.
    added: Added,
    removed: BTreeSet<u32>,
    /// Removed rows that are in the file already.
    removed_before: BTreeSet<u32>,
    /// New records of tracks whose vectors stay.
    changed: BTreeMap<usize, Vec<u8>>,
    /// Held until the end.
    _lock: Lock,
}

/// The lock file, which is removed while it is still locked.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    fn take(library: &Path) -> Result<Self> {
        let mut name = library.file_name().unwrap_or_default().to_owned();
        name.push(".lock");
        let path = library.with_file_name(name);
        let file = lock::open(&path).map_err(|error| as_io(&path, error))?;
        let file = file.ok_or_else(|| Error::library(library, "another process is writing this library"))?;
        Ok(Lock { path, _file: file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Without the file the lock is as good.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn as_io(path: &Path, error: sleeve_files::Error) -> Error {
    Error::io(path, io::Error::other(error.to_string()))
}

impl LibraryWriter {
    /// Creates a library file; an existing one is replaced by the first [`flush`](Self::flush), and stays as it is if there
    /// is none. `root` is the library's folder, absolute, or empty if the library is not one folder.
    ///
    /// # Errors
    /// `Io` if its folder cannot be written to, or a folder has its name; `Library` if another process is writing it; `InvalidArgument` for an origin of no
    /// values.
    pub fn create(path: impl AsRef<Path>, root: impl AsRef<Path>, origin: &Origin) -> Result<Self> {
        let path = path.as_ref();
        origin.check().map_err(Error::InvalidArgument)?;
        if path.is_dir() {
            return Err(Error::io(path, io::ErrorKind::IsADirectory.into()));
        }
        let lock = Lock::take(path)?;
        let identity = Identity::new(root.as_ref(), origin.clone());
        sleeve_files::atomic::sweep(path);
        // A library that is replaced while others have it open must not look unchanged.
        let before = File::open(path).ok().and_then(|file| header::read_commit(&file).ok());
        let sequence = before.map_or(0, |commit| commit.sequence);
        let library = Library::empty(path, identity).map_err(|error| Error::io(path, error))?;
        let commit = Commit { sequence, ..library.commit() };
        Ok(LibraryWriter { commit, exists: false, ..Self::of(path, library, lock) })
    }

    /// Opens a library file for writing.
    ///
    /// # Errors
    /// As [`Library::open`]; `Library` if another process is writing it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        // The lock first: a library that another process is making has no file yet.
        let lock = Lock::take(path)?;
        if !path.exists() {
            return Err(Error::io(path, io::ErrorKind::NotFound.into()));
        }
        sleeve_files::atomic::sweep(path);
        Ok(Self::of(path, Library::open(path)?, lock))
    }

    fn of(path: &Path, library: Library, lock: Lock) -> Self {
        let gone = (0..library.rows()).filter(|&row| library.track_of(row).is_none());
        LibraryWriter {
            path: path.to_owned(),
            identity: Identity::new(library.root(), library.origin().clone()),
            commit: library.commit(),
            exists: true,
            added: Added::default(),
            removed: BTreeSet::new(),
            removed_before: gone.map(|row| row as u32).collect(),
            changed: BTreeMap::new(),
            library,
            _lock: lock,
        }
    }

    /// The library as it was when the writer was made; [`replace`](Self::replace) and [`remove`](Self::remove) take its
    /// tracks' indices.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// The number of tracks that were added and wait for a [`flush`](Self::flush).
    pub fn pending(&self) -> usize {
        self.added.rows()
    }

    /// Adds a track.
    ///
    /// # Errors
    /// `InvalidArgument` if the vector or the activations have another size than the library's, the vector has no
    /// direction or something is not finite, the duration is negative or not finite, or a text is longer than 64 KiB.
    pub fn add(&mut self, track: &Track, embedding: &Embedding) -> Result<()> {
        let wrong = |why: String| {
            Error::InvalidArgument(format!("{}: {why}", sleeve_files::names::shown(&track.path)))
        };
        let origin = &self.identity.origin;
        let (dim, classes) = (origin.dim, origin.classes.len());
        let Embedding { vector, activations, patches } = embedding;
        if vector.len() != dim {
            return Err(wrong(format!("a vector of {} values; the library's have {dim}", vector.len())));
        }
        if activations.len() != classes {
            return Err(wrong(format!("{} activations; the library has {classes}", activations.len())));
        }
        if patches.len() % dim != 0 {
            return Err(wrong(format!("{} values of patches are not whole vectors of {dim}", patches.len())));
        }
        if segment::scale_of(vector.iter().copied()).is_none() {
            return Err(wrong("its vector has no direction, or a length beyond 1e-15 to 1e15".to_owned()));
        }
        if !activations.iter().chain(patches).all(|value| value.is_finite()) {
            return Err(wrong("an activation or a patch is not finite".to_owned()));
        }
        let record = record(track).ok_or_else(|| wrong(UNRECORDABLE.to_owned()))?;
        self.added.records.push(record);
        self.added.vectors.push(vector.clone());
        self.added.activations.push(activations.clone());
        self.added.patches.push(patches.clone());
        Ok(())
    }

    /// Changes what is known of a track of [`library`](Self::library): its path, tags or file. Its vector stays.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such track, the duration is negative or not finite, or a text is longer than
    /// 64 KiB.
    pub fn replace(&mut self, track: usize, by: &Track) -> Result<()> {
        self.check_track(track)?;
        let record = record(by).ok_or_else(|| {
            Error::InvalidArgument(format!("{}: {UNRECORDABLE}", sleeve_files::names::shown(&by.path)))
        })?;
        self.changed.insert(track, record);
        Ok(())
    }

    /// Removes a track of [`library`](Self::library). To remove it twice is no error.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such track.
    pub fn remove(&mut self, track: usize) -> Result<()> {
        self.check_track(track)?;
        self.changed.remove(&track);
        self.removed.insert(self.library.row(track) as u32);
        Ok(())
    }

    fn check_track(&self, track: usize) -> Result<()> {
        if track < self.library.len() {
            return Ok(());
        }
        Err(Error::InvalidArgument(format!("no track {track}: the library has {}", self.library.len())))
    }

    /// Writes everything that was added, changed and removed to the file, and waits for the disk.
    ///
    /// # Errors
    /// `Io` if it cannot be written. The file is then as it was.
    pub fn flush(&mut self) -> Result<()> {
        // A changed track is removed and added again with its vector.
        for (track, record) in std::mem::take(&mut self.changed) {
            let row = self.library.row(track) as u32;
            if self.removed_before.contains(&row) || !self.removed.insert(row) {
                continue;
            }
            self.added.records.push(record);
            self.added.vectors.push(self.library.vector(track).to_vec());
            self.added.activations.push(self.library.activations(track).to_vec());
            self.added.patches.push(self.library.patches(track)?.to_vec());
        }
        let removed: Vec<u32> =
            self.removed.iter().copied().filter(|row| !self.removed_before.contains(row)).collect();
        if !self.exists {
            self.commit = write_whole(&self.path, &self.identity, self.commit.sequence + 1, &self.added)?;
            self.exists = true;
        } else if removed.is_empty() && self.added.rows() == 0 {
            return Ok(());
        } else {
            self.commit = self.append(&removed).map_err(|error| Error::io(&self.path, error))?;
        }
        self.removed_before.extend(removed);
        self.removed.clear();
        self.added = Added::default();
        Ok(())
    }

    fn append(&self, removed: &[u32]) -> io::Result<Commit> {
        let file = OpenOptions::new().read(true).write(true).open(&self.path)?;
        // What a writer left that was stopped before it committed.
        file.set_len(self.commit.length)?;
        let mut out = BufWriter::with_capacity(1 << 18, &file);
        let (length, header) = segment::write(&mut out, self.commit.length, &self.added, removed)?;
        out.flush()?;
        drop(out);
        file.sync_all()?;
        let mut chain = crc32fast::Hasher::new_with_initial(self.commit.chain);
        chain.update(&header);
        let commit = Commit {
            sequence: self.commit.sequence + 1,
            length: self.commit.length + length,
            rows: self.commit.rows + self.added.rows() as u64,
            segments: self.commit.segments + 1,
            chain: chain.finalize(),
        };
        commit.write(&file)?;
        file.sync_all()?;
        Ok(commit)
    }

    /// [`flush`](Self::flush), and ends the writer. A file with many segments or removed tracks is rewritten.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        let many = self.commit.segments > MAX_SEGMENTS as u64;
        if many || self.removed_before.len() as u64 * 4 > self.commit.rows {
            return self.rewrite();
        }
        Ok(())
    }

    /// Flushes, and rewrites the file in one piece, without removed tracks and in the order of paths. It appears
    /// atomically: whoever has the old file open keeps it.
    ///
    /// # Errors
    /// As [`flush`](Self::flush); `Library` if the vectors of patches are damaged.
    pub fn rewrite(mut self) -> Result<()> {
        self.flush()?;
        let library = Library::open(&self.path)?;
        write_whole(&self.path, &self.identity, self.commit.sequence + 1, &Sorted::new(&library)).map(drop)
    }
}

const UNRECORDABLE: &str =
    "its path is empty, its duration is negative or not finite, or a text is longer than 64 KiB";

/// Writes a file of one segment, or of none if there are no rows.
fn write_whole(path: &Path, identity: &Identity, sequence: u64, rows: &dyn Rows) -> Result<Commit> {
    let failed = |error| Error::io(path, error);
    let start = header::length_of(identity).map_err(failed)?;
    let mut out = AtomicFile::create(path).map_err(|error| as_io(path, error))?;
    let mut commit = Commit { sequence, length: start, rows: rows.rows() as u64, segments: 0, chain: 0 };
    if rows.rows() > 0 {
        let (length, header) = segment::write(&mut out, start, rows, &[]).map_err(failed)?;
        commit = Commit { length: start + length, segments: 1, chain: crc32fast::hash(&header), ..commit };
    }
    let header = header::header(identity, commit).map_err(failed)?;
    io::Seek::seek(&mut out, io::SeekFrom::Start(0)).map_err(failed)?;
    out.write_all(&header).map_err(failed)?;
    out.commit_synced().map_err(|error| as_io(path, error))?;
    Ok(commit)
}

/// Rows in memory.
#[derive(Debug, Default)]
struct Added {
    records: Vec<Vec<u8>>,
    vectors: Vec<Vec<f32>>,
    activations: Vec<Vec<f32>>,
    patches: Vec<Vec<f32>>,
}

impl Rows for Added {
    fn rows(&self) -> usize {
        self.records.len()
    }

    fn vector(&self, row: usize) -> &[f32] {
        &self.vectors[row]
    }

    fn activations(&self, row: usize) -> &[f32] {
        &self.activations[row]
    }

    fn record(&self, row: usize) -> &[u8] {
        &self.records[row]
    }

    fn patches(&self, row: usize) -> io::Result<&[f32]> {
        Ok(&self.patches[row])
    }

    fn has_patches(&self) -> bool {
        self.patches.iter().any(|patches| !patches.is_empty())
    }
}

/// The tracks of a library in the order of their paths.
struct Sorted<'a> {
    library: &'a Library,
    order: Vec<u32>,
}

impl<'a> Sorted<'a> {
    fn new(library: &'a Library) -> Self {
        let mut order: Vec<u32> = (0..library.len() as u32).collect();
        order.sort_by_key(|&track| library.track(track as usize).path_bytes());
        Sorted { library, order }
    }
}

impl Rows for Sorted<'_> {
    fn rows(&self) -> usize {
        self.order.len()
    }

    fn vector(&self, row: usize) -> &[f32] {
        self.library.vector(self.order[row] as usize)
    }

    fn activations(&self, row: usize) -> &[f32] {
        self.library.activations(self.order[row] as usize)
    }

    fn record(&self, row: usize) -> &[u8] {
        self.library.record(self.order[row] as usize)
    }

    fn patches(&self, row: usize) -> io::Result<&[f32]> {
        let patches = self.library.patches(self.order[row] as usize);
        patches.map_err(|error| io::Error::other(error.to_string()))
    }

    fn has_patches(&self) -> bool {
        self.library.has_patches()
    }
}
