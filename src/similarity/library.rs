//! An open library file.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use memmap2::{Mmap, MmapMut};
use sleeve_files::names;

use super::header::{self, Commit, Identity};
use super::kernels::Kernels;
use super::origin::Origin;
use super::quantised::Quantised;
use super::segment::{self, Segment, Shape};
use super::track::TrackRef;
use crate::{Error, Result};

/// A library file, open for reading: tracks with one vector each, and what made them.
///
/// Tracks have indices from 0 to [`len`](Self::len). The file is mapped into memory, and everything in it is checked
/// when it is opened, so that a damaged file is refused; the vectors of patches are checked when they are read. A library
/// shows the file as it was when it was opened, also while a [`LibraryWriter`](super::LibraryWriter) goes on;
/// [`has_changed`](Self::has_changed) says when to open it again. It may be used from several threads at once, and clones
/// are cheap.
///
/// Other programs must not change a library file in place: only a [`LibraryWriter`](super::LibraryWriter) may, which
/// never touches what is committed.
///
/// ```no_run
/// use sleeve::similarity::{Library, Query};
///
/// let library = Library::open("music.library")?;
/// let track = library.find_path("Artist/Album/song.flac").expect("it is in the library");
/// for found in library.find(&Query::new().track(track).count(10))? {
///     println!("{:.3} {}", found.cosine, library.track(found.track).label_text());
/// }
/// # Ok::<(), sleeve::Error>(())
/// ```
#[derive(Clone)]
pub struct Library {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    map: Mmap,
    identity: Identity,
    root: PathBuf,
    commit: Commit,
    segments: Vec<Segment>,
    /// One over the length of each row's vector.
    scales: Vec<f32>,
    /// The rows of the tracks, if some rows were removed.
    live: Option<Live>,
    kernels: &'static Kernels,
    quantised: OnceLock<Quantised>,
    paths: OnceLock<HashMap<Vec<u8>, u32>>,
}

impl Inner {
    /// Without segments.
    fn new(path: &Path, map: Mmap, identity: Identity, root: PathBuf, commit: Commit) -> Self {
        Inner {
            path: path.to_owned(),
            map,
            identity,
            root,
            commit,
            segments: Vec::new(),
            scales: Vec::new(),
            live: None,
            kernels: Kernels::best(),
            quantised: OnceLock::new(),
            paths: OnceLock::new(),
        }
    }
}

/// Which rows are tracks.
struct Live {
    rows: Vec<u32>,
    /// The track of each row; `u32::MAX` for a removed one.
    tracks: Vec<u32>,
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Library").field("path", &self.inner.path).field("tracks", &self.len()).finish()
    }
}

impl Library {
    /// Opens a library file and checks it.
    ///
    /// # Errors
    /// `Io` if it cannot be read; `Library` if it is not a library file, has another version, is cut or damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|error| Error::io(path, error))?;
        if !file.metadata().map_err(|error| Error::io(path, error))?.is_file() {
            return Err(Error::library(path, "not a file"));
        }
        Self::read(path, &file).map_err(|why| Error::library(path, why))
    }

    fn read(path: &Path, file: &File) -> std::result::Result<Self, String> {
        if cfg!(target_endian = "big") {
            return Err("library files are for little-endian machines".to_owned());
        }
        let (start, identity, commit) = header::read(file)?;
        let root = identity.root().ok_or("it is damaged in the header")?;
        let size = file.metadata().map_err(|error| error.to_string())?.len();
        if size < commit.length {
            return Err(format!("it is cut: {size} of {} bytes", commit.length));
        }
        let shape = Shape { dim: identity.origin.dim, classes: identity.origin.classes.len() };
        let (mut at, mut segments, mut scales) = (start, Vec::new(), Vec::new());
        let mut removed = Vec::new();
        let mut chain = crc32fast::Hasher::new();
        while at < commit.length {
            let read = segment::read(file, at, commit.length, scales.len(), shape)?;
            at += read.length;
            chain.update(&read.header);
            scales.extend(read.scales);
            removed.extend(read.removed);
            segments.push(read.segment);
        }
        let agrees = at == commit.length
            && scales.len() as u64 == commit.rows
            && segments.len() as u64 == commit.segments
            && chain.finalize() == commit.chain;
        if !agrees {
            return Err("it is damaged: its segments are not those of its header".to_owned());
        }
        let live = Live::new(scales.len(), removed)?;
        // SAFETY: a mapped file must not be changed while it is used. `LibraryWriter` only appends behind what is
        // committed and replaces the file by another one; that other programs leave it alone is a condition of
        // `Library`. Every access checks what it reads again, so that even then no `str` or index is invalid.
        let map = unsafe { Mmap::map(file) }.map_err(|error| error.to_string())?;
        if (map.len() as u64) < commit.length {
            return Err("it is cut".to_owned());
        }
        let inner = Inner { segments, scales, live, ..Inner::new(path, map, identity, root, commit) };
        Ok(Library { inner: Arc::new(inner) })
    }

    /// A library without tracks, which no file holds yet.
    pub(super) fn empty(path: &Path, identity: Identity) -> std::io::Result<Self> {
        let root = identity.root().unwrap_or_default();
        let commit = Commit { length: header::length_of(&identity)?, ..Commit::default() };
        // The least that can be mapped; without tracks nothing reads it.
        let map = MmapMut::map_anon(1)?.make_read_only()?;
        Ok(Library { inner: Arc::new(Inner::new(path, map, identity, root, commit)) })
    }

    /// The path that it was opened from.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The number of tracks.
    pub fn len(&self) -> usize {
        self.inner.live.as_ref().map_or(self.inner.scales.len(), |live| live.rows.len())
    }

    /// Whether it has no tracks.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of values of a vector.
    pub fn dim(&self) -> usize {
        self.inner.identity.origin.dim
    }

    /// What made the vectors.
    pub fn origin(&self) -> &Origin {
        &self.inner.identity.origin
    }

    /// The names of the activations that each track has; empty if it has none.
    pub fn classes(&self) -> &[String] {
        &self.origin().classes
    }

    /// The library's folder, absolute. Empty if the library is not one folder; the paths of tracks are then absolute.
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// Refuses vectors that were made by something else.
    ///
    /// # Errors
    /// `Library`, with both origins by name.
    pub fn check_origin(&self, origin: &Origin) -> Result<()> {
        match self.origin().difference(origin) {
            None => Ok(()),
            Some(why) => Err(Error::library(
                &self.inner.path,
                format!("{why}: their vectors cannot be compared; use another library file"),
            )),
        }
    }

    /// A track.
    ///
    /// # Panics
    /// If there is no such track.
    pub fn track(&self, track: usize) -> TrackRef<'_> {
        let (segment, row) = self.place(track);
        let record = segment.record(&self.inner.map, row);
        record.and_then(TrackRef::read).unwrap_or_else(TrackRef::unreadable)
    }

    /// All tracks, in the order of their indices.
    pub fn tracks(&self) -> impl ExactSizeIterator<Item = TrackRef<'_>> {
        (0..self.len()).map(|track| self.track(track))
    }

    /// The path of a track's file, below the library's folder.
    ///
    /// # Panics
    /// If there is no such track.
    pub fn file(&self, track: usize) -> PathBuf {
        self.inner.root.join(self.track(track).path())
    }

    /// The vector of a track: the mean of its patches' vectors, `dim` values.
    ///
    /// # Panics
    /// If there is no such track.
    pub fn vector(&self, track: usize) -> &[f32] {
        let row = self.row(track);
        let segment = self.segment(row);
        let dim = self.dim();
        &self.vectors(segment)[(row - segment.first) * dim..][..dim]
    }

    /// The vector of a track divided by its length.
    ///
    /// # Panics
    /// If there is no such track.
    pub fn unit_vector(&self, track: usize) -> Vec<f32> {
        let scale = self.inner.scales[self.row(track)];
        self.vector(track).iter().map(|value| value * scale).collect()
    }

    /// The activations of a track, one for each of [`classes`](Self::classes).
    ///
    /// # Panics
    /// If there is no such track.
    pub fn activations(&self, track: usize) -> &[f32] {
        let (segment, row) = self.place(track);
        self.floats(segment.activations(row, self.classes().len()))
    }

    /// The vectors of a track's patches, one after the other; empty if they were not kept.
    ///
    /// # Errors
    /// `Library` if they are damaged.
    ///
    /// # Panics
    /// If there is no such track.
    pub fn patches(&self, track: usize) -> Result<&[f32]> {
        let (segment, row) = self.place(track);
        let bytes = segment.patches(&self.inner.map, row, self.dim()).ok_or_else(|| {
            Error::library(&self.inner.path, format!("the patches of track {track} are damaged"))
        })?;
        Ok(as_floats(bytes))
    }

    /// Whether the vectors of patches were kept, at least for some tracks.
    pub fn has_patches(&self) -> bool {
        self.inner.segments.iter().any(Segment::has_patches)
    }

    /// The track with this path: below the library's folder, or absolute.
    pub fn find_path(&self, path: impl AsRef<Path>) -> Option<usize> {
        let path = path.as_ref();
        let inside = path.strip_prefix(&self.inner.root).unwrap_or(path);
        let paths = self.inner.paths.get_or_init(|| {
            let paths = self.tracks().enumerate();
            paths.map(|(number, track)| (track.path_bytes().to_vec(), number as u32)).collect()
        });
        paths.get(&names::to_portable(inside)).map(|&track| track as usize)
    }

    /// The cosine of two tracks' vectors, from -1 to 1.
    ///
    /// # Panics
    /// If there is no such track.
    pub fn cosine(&self, one: usize, other: usize) -> f32 {
        let scale = self.inner.scales[self.row(one)] * self.inner.scales[self.row(other)];
        (self.inner.kernels.dot(self.vector(one), self.vector(other)) * scale).clamp(-1.0, 1.0)
    }

    /// Whether the file was written to or replaced since it was opened here. Opening it again shows the new state.
    pub fn has_changed(&self) -> bool {
        let Ok(file) = File::open(&self.inner.path) else { return true };
        let now = header::read(&file);
        !now.is_ok_and(|(_, identity, commit)| identity == self.inner.identity && commit == self.inner.commit)
    }

    pub(super) fn commit(&self) -> Commit {
        self.inner.commit
    }

    /// The number of rows: tracks, and those that were removed.
    pub(super) fn rows(&self) -> usize {
        self.inner.scales.len()
    }

    /// The row of a track.
    pub(super) fn row(&self, track: usize) -> usize {
        assert!(track < self.len(), "track {track} of a library of {}", self.len());
        self.inner.live.as_ref().map_or(track, |live| live.rows[track] as usize)
    }

    /// The track of a row, unless it was removed.
    pub(super) fn track_of(&self, row: usize) -> Option<usize> {
        match &self.inner.live {
            None => Some(row),
            Some(live) => {
                Some(live.tracks[row]).filter(|&track| track != u32::MAX).map(|track| track as usize)
            }
        }
    }

    pub(super) fn record(&self, track: usize) -> &[u8] {
        let (segment, row) = self.place(track);
        segment.record(&self.inner.map, row).unwrap_or_default()
    }

    /// Vectors and scales of rows that are one after the other: pieces of `rows`.
    pub(super) fn pieces(&self, rows: Range<usize>) -> impl Iterator<Item = (usize, &[f32], &[f32])> {
        let dim = self.dim();
        self.inner.segments.iter().filter_map(move |segment| {
            let (first, last) = (segment.first, segment.first + segment.rows);
            let part = rows.start.max(first)..rows.end.min(last);
            (part.start < part.end).then(|| {
                let vectors = &self.vectors(segment)[(part.start - first) * dim..(part.end - first) * dim];
                (part.start, vectors, &self.inner.scales[part])
            })
        })
    }

    pub(super) fn kernels(&self) -> &'static Kernels {
        self.inner.kernels
    }

    /// The vectors in 8 bits, made when they are first asked for.
    pub(super) fn quantised(&self) -> &Quantised {
        self.inner.quantised.get_or_init(|| Quantised::of(self))
    }

    fn segment(&self, row: usize) -> &Segment {
        let after = self.inner.segments.partition_point(|segment| segment.first <= row);
        &self.inner.segments[after - 1]
    }

    /// The segment of a track, and its row there.
    fn place(&self, track: usize) -> (&Segment, usize) {
        let row = self.row(track);
        let segment = self.segment(row);
        (segment, row - segment.first)
    }

    fn vectors(&self, segment: &Segment) -> &[f32] {
        self.floats(segment.vectors())
    }

    fn floats(&self, place: Range<usize>) -> &[f32] {
        as_floats(&self.inner.map[place])
    }
}

/// Bytes of the file as floats: sections are aligned, and the file is little-endian as the machine is.
fn as_floats(bytes: &[u8]) -> &[f32] {
    // SAFETY: every pattern of four bytes is an f32, and `align_to` gives none that is not aligned.
    let (before, floats, after) = unsafe { bytes.align_to::<f32>() };
    assert!(before.is_empty() && after.is_empty(), "sections are aligned");
    floats
}

impl Live {
    fn new(rows: usize, mut removed: Vec<u32>) -> std::result::Result<Option<Self>, String> {
        if removed.is_empty() {
            return Ok(None);
        }
        removed.sort_unstable();
        if removed.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("it is damaged: a track is removed twice".to_owned());
        }
        let mut live = Live { rows: Vec::with_capacity(rows - removed.len()), tracks: vec![u32::MAX; rows] };
        let mut removed = removed.into_iter().peekable();
        for row in 0..rows as u32 {
            if removed.next_if_eq(&row).is_none() {
                live.tracks[row as usize] = live.rows.len() as u32;
                live.rows.push(row);
            }
        }
        Ok(Some(live))
    }
}
