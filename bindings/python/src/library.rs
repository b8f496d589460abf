//! Library files: what is asked of them.

use std::ffi::OsString;
use std::path::PathBuf;

use ndarray::Array2;
use numpy::{PyArray2, PyReadonlyArray1, ToPyArray};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;

use sleeve::similarity::{
    self, DuplicateRule, Duplicates, Match, PathOptions, PlaylistOptions, Precision, Query, SampleOptions,
};

use crate::errors::detached;

/// A track: path, seconds, SHA-256 of its audio, artist, album artist, album, title, label, genre, year.
type Track<'py> = (
    OsString,
    f64,
    Option<[u8; 32]>,
    &'py str,
    &'py str,
    &'py str,
    &'py str,
    &'py str,
    &'py str,
    Option<i32>,
);

/// A track that was found: its index, its cosine, and the track that it is a near-duplicate of.
type Found = (usize, f32, Option<usize>);

/// `sleeve.Filter`, which documents it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Filter {
    folders: Vec<PathBuf>,
    artists: Vec<String>,
    albums: Vec<String>,
    labels: Vec<String>,
    genres: Vec<String>,
    years: Option<(i32, i32)>,
    above: Vec<(String, f32)>,
    below: Vec<(String, f32)>,
    without: Vec<usize>,
}

impl Filter {
    fn build(self) -> similarity::Filter {
        let mut filter = similarity::Filter::new();
        filter = self.folders.into_iter().fold(filter, similarity::Filter::folder);
        filter = self.artists.into_iter().fold(filter, similarity::Filter::artist);
        filter = self.albums.into_iter().fold(filter, similarity::Filter::album);
        filter = self.labels.into_iter().fold(filter, similarity::Filter::label);
        filter = self.genres.into_iter().fold(filter, similarity::Filter::genre);
        filter = self.above.into_iter().fold(filter, |filter, (name, value)| filter.above(name, value));
        filter = self.below.into_iter().fold(filter, |filter, (name, value)| filter.below(name, value));
        filter = self.without.into_iter().fold(filter, similarity::Filter::without);
        match self.years {
            Some((first, last)) => filter.years(first..=last),
            None => filter,
        }
    }
}

/// What a query starts from.
#[derive(FromPyObject)]
enum Seed<'py> {
    Track(usize),
    Vector(PyReadonlyArray1<'py, f32>),
}

/// The options of `Library.find` and `Library.playlist`, but for what is the playlist's alone.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Search<'py> {
    seeds: Vec<(Seed<'py>, f32)>,
    count: usize,
    filter: Filter,
    max_per_artist: usize,
    max_per_album: usize,
    duplicates: String,
    rule: Rule,
    precision: String,
    threads: usize,
}

impl Search<'_> {
    /// The words were checked in Python.
    fn build(self, library: &similarity::Library) -> PyResult<Query> {
        let mut query = Query::new()
            .duplicate_rule(rule(library, self.rule))
            .count(self.count)
            .filter(self.filter.build())
            .max_per_artist(self.max_per_artist)
            .max_per_album(self.max_per_album)
            .precision(if self.precision == "int8" { Precision::Int8 } else { Precision::F32 })
            .threads(self.threads)
            .duplicates(match &*self.duplicates {
                "skip" => Duplicates::LeaveOut,
                "list" => Duplicates::List,
                _ => Duplicates::Keep,
            });
        for (seed, weight) in self.seeds {
            query = match seed {
                Seed::Track(track) => query.weighted_track(track, weight),
                Seed::Vector(vector) => query.weighted_vector(vector.as_slice()?, weight),
            };
        }
        Ok(query)
    }
}

/// The least cosine and the most seconds, where they are not the library's own.
type Rule = (Option<f32>, Option<f64>);

fn rule(library: &similarity::Library, (cosine, seconds): Rule) -> DuplicateRule {
    let own = library.duplicate_rule();
    DuplicateRule { cosine: cosine.unwrap_or(own.cosine), seconds: seconds.unwrap_or(own.seconds) }
}

fn found(matches: Vec<Match>) -> Vec<Found> {
    matches.into_iter().map(|found| (found.track, found.cosine, found.duplicate_of)).collect()
}

/// An open library file, behind `sleeve.Library`. It has no threads of its own, and so a forked process may use it.
#[pyclass(frozen, module = "sleeve._sleeve")]
pub struct Library {
    library: similarity::Library,
}

#[pymethods]
impl Library {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        Ok(Library { library: detached(py, || similarity::Library::open(&path))? })
    }

    fn __len__(&self) -> usize {
        self.library.len()
    }

    fn track(&self, track: usize) -> PyResult<Track<'_>> {
        self.check(track)?;
        let known = self.library.track(track);
        let hash = Some(*known.sha256).filter(|hash| *hash != [0; 32]);
        Ok((
            self.library.file(track).into_os_string(),
            known.seconds,
            hash,
            known.artist,
            known.album_artist,
            known.album,
            known.title,
            known.label,
            known.genre,
            known.year,
        ))
    }

    /// All vectors, `[tracks, dim]`.
    fn vectors<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<f32>> {
        self.rows(py, self.library.dim(), |track| self.library.vector(track))
    }

    /// All activations, `[tracks, classes]`.
    fn activations<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<f32>> {
        self.rows(py, self.library.classes().len(), |track| self.library.activations(track))
    }

    /// The vectors of a track's patches, `[patches, dim]`.
    fn patches<'py>(&self, py: Python<'py>, track: usize) -> PyResult<Bound<'py, PyArray2<f32>>> {
        self.check(track)?;
        let values = detached(py, || self.library.patches(track))?;
        let dim = self.library.dim();
        let rows = Array2::from_shape_vec((values.len() / dim, dim), values.to_vec());
        Ok(rows.expect("patches are whole vectors").to_pyarray(py))
    }

    fn find_path(&self, path: PathBuf) -> Option<usize> {
        self.library.find_path(path)
    }

    fn find(&self, py: Python<'_>, search: Search<'_>) -> PyResult<Vec<Found>> {
        let query = search.build(&self.library)?;
        detached(py, || self.library.find(&query)).map(found)
    }

    /// `how`: drift, variety, seed, artist gap, and whether it begins with the first seed.
    fn playlist(
        &self,
        py: Python<'_>,
        search: Search<'_>,
        how: (f32, f32, u64, usize, bool),
    ) -> PyResult<Vec<Found>> {
        let query = search.build(&self.library)?;
        let (drift, variety, seed, artist_gap, begin_with_seed) = how;
        let options = PlaylistOptions { drift, variety, seed, artist_gap, begin_with_seed };
        detached(py, || self.library.playlist(&query, &options)).map(found)
    }

    fn path_between(
        &self,
        py: Python<'_>,
        ends: (usize, usize),
        steps: usize,
        filter: Filter,
        threads: usize,
    ) -> PyResult<Vec<Found>> {
        let options = PathOptions { filter: filter.build(), threads, ..PathOptions::default() };
        detached(py, || self.library.path_between(ends.0, ends.1, steps, &options)).map(found)
    }

    fn sample(
        &self,
        py: Python<'_>,
        count: usize,
        filter: Filter,
        seed: u64,
        threads: usize,
    ) -> PyResult<Vec<Found>> {
        let options = SampleOptions { filter: filter.build(), seed, threads };
        detached(py, || self.library.sample(count, &options)).map(found)
    }

    fn duplicates(&self, py: Python<'_>, given: Rule, threads: usize) -> PyResult<Vec<Vec<usize>>> {
        let groups = detached(py, || Ok(self.library.duplicates(&rule(&self.library, given), threads)))?;
        Ok(groups.into_iter().map(|group| group.tracks).collect())
    }

    #[getter]
    fn root(&self) -> OsString {
        self.library.root().as_os_str().to_owned()
    }

    #[getter]
    fn dim(&self) -> usize {
        self.library.dim()
    }

    #[getter]
    fn classes(&self) -> Vec<String> {
        self.library.classes().to_vec()
    }

    /// The name of the model, the SHA-256 of its graph, the output, and the level.
    #[getter]
    fn origin(&self) -> (String, String, String, String) {
        let origin = self.library.origin().clone();
        (origin.model, origin.sha256, origin.output, origin.level)
    }

    #[getter]
    fn has_changed(&self) -> bool {
        self.library.has_changed()
    }
}

impl Library {
    fn check(&self, track: usize) -> PyResult<()> {
        if track < self.library.len() {
            return Ok(());
        }
        Err(PyIndexError::new_err(format!("no track {track}: the library has {}", self.library.len())))
    }

    fn rows<'py, 'a>(
        &'a self,
        py: Python<'py>,
        columns: usize,
        row: impl Fn(usize) -> &'a [f32],
    ) -> Bound<'py, PyArray2<f32>> {
        let mut rows = Array2::zeros((self.library.len(), columns));
        for (track, mut values) in rows.rows_mut().into_iter().enumerate() {
            values.iter_mut().zip(row(track)).for_each(|(value, &given)| *value = given);
        }
        rows.to_pyarray(py)
    }
}
