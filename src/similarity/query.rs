//! What is asked of a library.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use sleeve_files::names;

use super::duplicates::DuplicateRule;
use super::search::{How, Precision};
use super::{Library, TrackRef};
use crate::{Error, Result};

/// What tracks are to be similar to, which tracks may be found, and how many.
///
/// The seeds are tracks and vectors, each with a weight. A search is for the cosine with the sum of all seeds' vectors of
/// length 1 times their weights; a negative weight is for what the tracks are not to be like. Seeds are never among the
/// results.
///
/// ```no_run
/// use sleeve::similarity::{Duplicates, Filter, Library, Query};
///
/// let library = Library::open("music.library")?;
/// let filter = Filter::new().years(1970..=1979).above("ambient", 0.3);
/// let query = Query::new().track(3).weighted_track(17, 0.5).weighted_track(4, -0.3).filter(filter);
/// let query = query.count(20).max_per_artist(2).duplicates(Duplicates::LeaveOut);
/// for found in library.find(&query)? {
///     println!("{:.3} {}", found.cosine, library.track(found.track).label_text());
/// }
/// # Ok::<(), sleeve::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Query {
    pub(super) seeds: Vec<(Seed, f32)>,
    pub(super) count: usize,
    pub(super) filter: Filter,
    pub(super) max_per_artist: Option<usize>,
    pub(super) max_per_album: Option<usize>,
    pub(super) duplicates: Duplicates,
    rule: Option<DuplicateRule>,
    pub(super) precision: Precision,
    pub(super) threads: usize,
}

/// What a query starts from.
#[derive(Clone, Debug)]
pub(super) enum Seed {
    Track(usize),
    Vector(Vec<f32>),
}

/// The policy for near-duplicates: tracks that are the same recording as a seed or a better match, in another encoding or
/// from another release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// They are found as any other track.
    #[default]
    Keep,
    /// They are left out.
    LeaveOut,
    /// They are found beside the tracks that were asked for, with [`Match::duplicate_of`] set.
    List,
}

/// A track that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Match {
    /// The index of the track.
    pub track: usize,
    /// Its cosine with the query, from -1 to 1.
    pub cosine: f32,
    /// The seed or match of which it is a near-duplicate, with [`Duplicates::List`].
    pub duplicate_of: Option<usize>,
}

impl Match {
    /// A track with its cosine, that is not a near-duplicate.
    pub fn new(track: usize, cosine: f32) -> Self {
        Match { track, cosine, duplicate_of: None }
    }
}

impl Default for Query {
    fn default() -> Self {
        Query {
            seeds: Vec::new(),
            count: 10,
            filter: Filter::default(),
            max_per_artist: None,
            max_per_album: None,
            duplicates: Duplicates::default(),
            rule: None,
            precision: Precision::default(),
            threads: 0,
        }
    }
}

impl Query {
    /// A query without seeds, for 10 tracks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a track as a seed, with weight 1.
    pub fn track(self, track: usize) -> Self {
        self.weighted_track(track, 1.0)
    }

    /// Adds a track as a seed. With a negative weight, results are not to be like it.
    pub fn weighted_track(mut self, track: usize, weight: f32) -> Self {
        self.seeds.push((Seed::Track(track), weight));
        self
    }

    /// Adds a vector as a seed, with weight 1: that of a file that is not of the library, or any other.
    pub fn vector(self, vector: impl Into<Vec<f32>>) -> Self {
        self.weighted_vector(vector, 1.0)
    }

    /// Adds a vector as a seed.
    pub fn weighted_vector(mut self, vector: impl Into<Vec<f32>>, weight: f32) -> Self {
        self.seeds.push((Seed::Vector(vector.into()), weight));
        self
    }

    /// Sets the number of tracks to find; fewer are found only if there are no more.
    pub fn count(mut self, count: usize) -> Self {
        self.count = count;
        self
    }

    /// Sets which tracks may be found.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// At most so many tracks of an artist. Tracks without an artist are not limited. 0 means no limit.
    pub fn max_per_artist(mut self, count: usize) -> Self {
        self.max_per_artist = Some(count).filter(|&count| count > 0);
        self
    }

    /// At most so many tracks of an album. Tracks without an album are not limited. 0 means no limit.
    pub fn max_per_album(mut self, count: usize) -> Self {
        self.max_per_album = Some(count).filter(|&count| count > 0);
        self
    }

    /// Sets the policy for near-duplicates.
    pub fn duplicates(mut self, duplicates: Duplicates) -> Self {
        self.duplicates = duplicates;
        self
    }

    /// Sets what counts as a near-duplicate, in place of the library's own [`duplicate_rule`](Library::duplicate_rule).
    pub fn duplicate_rule(mut self, rule: DuplicateRule) -> Self {
        self.rule = Some(rule);
        self
    }

    /// Sets the rows that are searched.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Sets the number of threads; 0, the default, means all cores. Results do not depend on it.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    pub(super) fn rule(&self, library: &Library) -> DuplicateRule {
        self.rule.unwrap_or_else(|| library.duplicate_rule())
    }

    pub(super) fn how(&self) -> How {
        How { precision: self.precision, threads: self.threads }
    }

    /// The tracks among the seeds, in their order; with `wanted`, those with positive weights alone.
    pub(super) fn seed_tracks(&self, wanted: bool) -> impl Iterator<Item = usize> {
        self.seeds.iter().filter_map(move |(seed, weight)| match seed {
            Seed::Track(track) if !wanted || *weight > 0.0 => Some(*track),
            _ => None,
        })
    }

    /// The sum of the seeds, with length 1.
    pub(super) fn direction(&self, library: &Library) -> Result<Vec<f32>> {
        let wrong = |why: String| Err(Error::InvalidArgument(why));
        if self.seeds.is_empty() {
            return wrong("a query needs a seed: a track or a vector".to_owned());
        }
        let dim = library.dim();
        let mut sum = vec![0.0_f64; dim];
        for (seed, weight) in &self.seeds {
            if !weight.is_finite() || *weight == 0.0 {
                return wrong(format!("a seed's weight is {weight}; it must be finite and not 0"));
            }
            let vector = match seed {
                Seed::Track(track) if *track < library.len() => library.vector(*track),
                Seed::Track(track) => {
                    return wrong(format!("no track {track}: the library has {}", library.len()));
                }
                Seed::Vector(vector) if vector.len() == dim => vector,
                Seed::Vector(vector) => {
                    return wrong(format!("a vector of {} values; the library's have {dim}", vector.len()));
                }
            };
            let length = length(vector.iter().map(|&value| f64::from(value)));
            if !length.is_finite() || length == 0.0 {
                return wrong("a seed's vector has no direction".to_owned());
            }
            for (sum, &value) in sum.iter_mut().zip(vector) {
                *sum += f64::from(value) / length * f64::from(*weight);
            }
        }
        let total: f64 = self.seeds.iter().map(|(_, weight)| f64::from(weight.abs())).sum();
        let size = length(sum.iter().copied());
        // What is left of seeds that cancel each other is rounding.
        if size < 1e-5 * total {
            return wrong("the seeds cancel each other".to_owned());
        }
        Ok(sum.into_iter().map(|value| (value / size) as f32).collect())
    }
}

fn length(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

/// Which tracks may be found. A track must satisfy everything that is set; of several folders, artists, albums, labels or
/// genres, one. Upper and lower case are the same.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    folders: Vec<PathBuf>,
    artists: Vec<String>,
    albums: Vec<String>,
    labels: Vec<String>,
    genres: Vec<String>,
    years: Option<RangeInclusive<i32>>,
    bounds: Vec<Bound>,
    without: HashSet<usize>,
}

#[derive(Clone, Debug)]
struct Bound {
    class: String,
    above: bool,
    value: f32,
}

impl Filter {
    /// A filter that every track passes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tracks in this folder or below it: relative to the library's folder, or absolute.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folders.push(folder.into());
        self
    }

    /// Tracks by this artist, or on an album of theirs.
    pub fn artist(mut self, artist: impl AsRef<str>) -> Self {
        self.artists.push(artist.as_ref().to_lowercase());
        self
    }

    /// Tracks of an album of this title.
    pub fn album(mut self, album: impl AsRef<str>) -> Self {
        self.albums.push(album.as_ref().to_lowercase());
        self
    }

    /// Tracks released on this label.
    pub fn label(mut self, label: impl AsRef<str>) -> Self {
        self.labels.push(label.as_ref().to_lowercase());
        self
    }

    /// Tracks of this genre: one of those in its tag.
    pub fn genre(mut self, genre: impl AsRef<str>) -> Self {
        self.genres.push(genre.as_ref().to_lowercase());
        self
    }

    /// Tracks of these years. Those without a year do not pass.
    pub fn years(mut self, years: RangeInclusive<i32>) -> Self {
        self.years = Some(years);
        self
    }

    /// Tracks whose activation of this class is larger than `value`.
    pub fn above(mut self, class: impl Into<String>, value: f32) -> Self {
        self.bounds.push(Bound { class: class.into(), above: true, value });
        self
    }

    /// Tracks whose activation of this class is smaller than `value`.
    pub fn below(mut self, class: impl Into<String>, value: f32) -> Self {
        self.bounds.push(Bound { class: class.into(), above: false, value });
        self
    }

    /// All tracks but this one.
    pub fn without(mut self, track: usize) -> Self {
        self.without.insert(track);
        self
    }

    /// The filter made ready for a library.
    pub(super) fn ready<'a>(&'a self, library: &'a Library) -> Result<Ready<'a>> {
        let bounds = self.bounds.iter().map(|bound| {
            let at = library.classes().iter().position(|class| class.eq_ignore_ascii_case(&bound.class));
            at.map(|at| (at, bound.above, bound.value)).ok_or_else(|| {
                let known = match library.classes() {
                    [] => "the library has no activations".to_owned(),
                    known => format!("the library has {}", known.join(", ")),
                };
                Error::InvalidArgument(format!("no activation named `{}`: {known}", bound.class))
            })
        });
        let inside = |folder: &PathBuf| {
            names::to_portable(folder.strip_prefix(library.root()).unwrap_or(folder).components().as_path())
        };
        Ok(Ready {
            library,
            filter: self,
            folders: self.folders.iter().map(inside).collect(),
            bounds: bounds.collect::<Result<_>>()?,
        })
    }

    fn needs_tags(&self) -> bool {
        let lists = [&self.artists, &self.albums, &self.labels, &self.genres];
        lists.iter().any(|list| !list.is_empty()) || self.years.is_some() || !self.folders.is_empty()
    }
}

/// A filter whose names were found.
pub(super) struct Ready<'a> {
    library: &'a Library,
    filter: &'a Filter,
    folders: Vec<Vec<u8>>,
    bounds: Vec<(usize, bool, f32)>,
}

impl Ready<'_> {
    pub fn takes(&self, track: usize) -> bool {
        if self.filter.without.contains(&track) {
            return false;
        }
        let activations = if self.bounds.is_empty() { &[] } else { self.library.activations(track) };
        let bounded = self.bounds.iter().all(|&(at, above, value)| match above {
            true => activations[at] > value,
            false => activations[at] < value,
        });
        bounded && (!self.filter.needs_tags() || self.takes_tags(&self.library.track(track)))
    }

    fn takes_tags(&self, track: &TrackRef<'_>) -> bool {
        let Filter { artists, albums, labels, genres, years, .. } = self.filter;
        let one_of = |names: &[String], texts: &[&str]| {
            names.is_empty() || names.iter().any(|name| texts.iter().any(|text| text.to_lowercase() == *name))
        };
        let years = years.as_ref().is_none_or(|years| track.year.is_some_and(|year| years.contains(&year)));
        let genre: Vec<&str> = track.genre.split(';').map(str::trim).collect();
        let path = Path::new("").join(track.path());
        let folder = |folder: &Vec<u8>| path.starts_with(names::from_portable(folder));
        years
            && one_of(artists, &[track.artist, track.album_artist])
            && one_of(albums, &[track.album])
            && one_of(labels, &[track.label])
            && (one_of(genres, &genre) || one_of(genres, &[track.genre]))
            && (self.folders.is_empty() || self.folders.iter().any(folder))
    }
}
