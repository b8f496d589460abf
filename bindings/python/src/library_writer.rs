//! Library files: writing them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use numpy::{PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use sleeve::audio::content_hash;
use sleeve::similarity::{self, Embedding, Origin, Tags, Track};

use crate::errors::detached;
use crate::extractor::Core;

/// A track, as `sleeve.LibraryWriter.add` gives it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Given {
    /// As it is recorded.
    path: PathBuf,
    /// The file to read size, time and hash of; empty if there is none.
    file: PathBuf,
    seconds: f64,
    artist: String,
    album_artist: String,
    album: String,
    title: String,
    label: String,
    genre: String,
    year: Option<i32>,
}

impl Given {
    fn build(self) -> sleeve::Result<Track> {
        let mut track = Track {
            path: self.path,
            seconds: self.seconds,
            tags: Tags {
                artist: self.artist,
                album_artist: self.album_artist,
                album: self.album,
                title: self.title,
                label: self.label,
                genre: self.genre,
                year: self.year,
            },
            ..Track::default()
        };
        if !self.file.as_os_str().is_empty() {
            let stamp = sleeve_files::Stamp::read(&self.file)
                .map_err(|error| sleeve::Error::Io { path: self.file.clone(), reason: error.into() })?;
            track.sha256 = content_hash(&self.file)?;
            (track.bytes, track.modified) = (stamp.bytes, stamp.modified);
        }
        Ok(track)
    }
}

/// The writer of a library file, behind `sleeve.LibraryWriter`. `None` when it has ended.
#[pyclass(frozen, module = "sleeve._sleeve")]
pub struct LibraryWriter {
    writer: Mutex<Option<similarity::LibraryWriter>>,
}

impl LibraryWriter {
    fn started(writer: similarity::LibraryWriter) -> Self {
        LibraryWriter { writer: Mutex::new(Some(writer)) }
    }

    fn work<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut similarity::LibraryWriter) -> sleeve::Result<T> + Send,
    ) -> PyResult<T> {
        let done = detached(py, || {
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.as_mut().map(work).transpose()
        })?;
        done.ok_or_else(ended)
    }

    fn take(&self, py: Python<'_>) -> PyResult<Option<similarity::LibraryWriter>> {
        detached(py, || Ok(self.writer.lock().unwrap_or_else(PoisonError::into_inner).take()))
    }
}

fn ended() -> PyErr {
    PyValueError::new_err("the writer has ended")
}

#[pymethods]
impl LibraryWriter {
    /// A new library of what an extractor makes.
    #[staticmethod]
    fn create(py: Python<'_>, path: PathBuf, root: PathBuf, core: &Core) -> PyResult<Self> {
        let make = || similarity::LibraryWriter::create(&path, &root, &Origin::of(core.extractor())?);
        detached(py, make).map(Self::started)
    }

    /// A new library of vectors that came from elsewhere.
    #[staticmethod]
    fn create_other(
        py: Python<'_>,
        path: PathBuf,
        root: PathBuf,
        model: String,
        sha256: String,
        dim: usize,
        classes: Vec<String>,
    ) -> PyResult<Self> {
        let mut origin = Origin::other(model, sha256, dim);
        origin.classes = classes;
        detached(py, || similarity::LibraryWriter::create(&path, &root, &origin)).map(Self::started)
    }

    /// A library that exists.
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        detached(py, || similarity::LibraryWriter::open(&path)).map(Self::started)
    }

    /// Adds a track with its mean vector, its mean activations and, to keep them, the vectors of its patches.
    fn add(
        &self,
        py: Python<'_>,
        track: Given,
        vector: PyReadonlyArray1<'_, f32>,
        activations: PyReadonlyArray1<'_, f32>,
        patches: PyReadonlyArray2<'_, f32>,
    ) -> PyResult<()> {
        let embedding = Embedding {
            vector: vector.as_slice()?.to_vec(),
            activations: activations.as_slice()?.to_vec(),
            patches: patches.as_slice()?.to_vec(),
        };
        self.work(py, |writer| writer.add(&track.build()?, &embedding))
    }

    fn remove(&self, py: Python<'_>, track: usize) -> PyResult<()> {
        self.work(py, |writer| writer.remove(track))
    }

    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.work(py, similarity::LibraryWriter::flush)
    }

    /// Flushes and ends.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        let writer = self.take(py)?.ok_or_else(ended)?;
        detached(py, || writer.finish())
    }

    /// Ends without what was not flushed.
    fn abandon(&self, py: Python<'_>) -> PyResult<()> {
        self.take(py).map(drop)
    }

    /// The library's folder, the values of a vector, the classes, the model and the SHA-256 of its graph.
    #[getter]
    fn origin(&self, py: Python<'_>) -> PyResult<(OsString, usize, Vec<String>, String, String)> {
        self.work(py, |writer| {
            let origin = writer.library().origin().clone();
            Ok((
                writer.library().root().as_os_str().to_owned(),
                origin.dim,
                origin.classes,
                origin.model,
                origin.sha256,
            ))
        })
    }
}
