//! Queries of libraries, and the tracks that they give.

use std::ffi::c_char;

use super::boundary::{Failure, call, free, give, path, set, slice, text};
use super::model::require_out;
use super::status::sleeve_status;
use sleeve::similarity::{
    DuplicateGroup, DuplicateRule, Duplicates, Filter, Library, Match, PathOptions, PlaylistOptions,
    Precision, Query, SampleOptions,
};

/// What is asked of a library: seeds, filters and options. Functions of the library copy it; it may be changed, reused or
/// freed afterwards. For one thread at a time.
#[derive(Clone, Default)]
pub struct sleeve_query {
    query: Query,
    filter: Filter,
    rule: Option<DuplicateRule>,
    precision: Precision,
    playlist: PlaylistOptions,
    count: Option<usize>,
    threads: usize,
}

impl sleeve_query {
    /// The query with everything that was set.
    pub(super) fn query(&self) -> Query {
        let query = self.query.clone().filter(self.filter.clone());
        let query = self.rule.iter().fold(query, |query, &rule| query.duplicate_rule(rule));
        query.precision(self.precision).threads(self.threads).count(self.count())
    }

    pub(super) fn count(&self) -> usize {
        self.count.unwrap_or(10)
    }

    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    pub(super) fn rule(&self, library: &Library) -> DuplicateRule {
        self.rule.unwrap_or_else(|| library.duplicate_rule())
    }

    pub(super) fn playlist_options(&self) -> &PlaylistOptions {
        &self.playlist
    }

    pub(super) fn path_options(&self) -> PathOptions {
        PathOptions {
            filter: self.filter.clone(),
            rule: self.rule,
            precision: self.precision,
            threads: self.threads,
        }
    }

    pub(super) fn sample_options(&self) -> SampleOptions {
        SampleOptions { filter: self.filter.clone(), seed: self.playlist.seed, threads: self.threads }
    }

    fn add(&mut self, change: impl FnOnce(Query) -> Query) {
        self.query = change(std::mem::take(&mut self.query));
    }

    fn narrow(&mut self, change: impl FnOnce(Filter) -> Filter) {
        self.filter = change(std::mem::take(&mut self.filter));
    }
}

/// Makes a query without seeds, for 10 tracks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_query_new(query: *mut *mut sleeve_query) -> sleeve_status {
    // SAFETY: the ABI's rules for out-parameters.
    call(|| unsafe { give(query, "query", sleeve_query::default()) })
}

/// Adds a track of the library as a seed. `weight` is usually 1; with a negative one, results are not to be like it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_query_add_track(
    query: *mut sleeve_query,
    track: usize,
    weight: f32,
) -> sleeve_status {
    call(|| {
        let query = not_null!(mut query);
        query.add(|query| query.weighted_track(track, weight));
        Ok(())
    })
}

/// Adds a vector as a seed, `dim` values: the mean embedding of a recording that is not of the library, or any other.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_query_add_vector(
    query: *mut sleeve_query,
    values: *const f32,
    dim: usize,
    weight: f32,
) -> sleeve_status {
    call(|| {
        let query = not_null!(mut query);
        if values.is_null() {
            return Err(Failure::null("values"));
        }
        // SAFETY: the ABI's rules for arrays.
        let values = unsafe { slice(values, dim, "values")? };
        query.add(|query| query.weighted_vector(values, weight));
        Ok(())
    })
}

/// Sets the number of tracks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_query_set_count(query: *mut sleeve_query, count: usize) -> sleeve_status {
    call(|| {
        let query = not_null!(mut query);
        query.count = Some(count);
        Ok(())
    })
}

/// Sets how many tracks of an artist there may be; 0, the default, means no limit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_query_set_max_per_artist(
    query: *mut sleeve_query,
    count: usize,
) -> sleeve_status {
    call(|| {
        let query = not_null!(mut query);
        query.add(|query| query.max_per_artist(count));
        Ok(())
    })
}

/// Sets how many tracks of an album there may be; 0, the default, means no limit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_query_set_max_per_album(
    query: *mut sleeve_query,
    count: usize,
) -> sleeve_status {
    call(|| {
        let query = not_null!(mut query);
        query.add(|query| query.max_per_album(count));
        Ok(())
    })
}

/// Sets the policy for near-duplicates, the same recording in another encoding or from another release: `"keep"` (the
/// default), `"skip"`, or `"list"` (they come beside the others, and `sleeve_tracks_get` says of which they are one).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_query_set_duplicates(
    query: *mut sleeve_query,
    policy: *const c_char,
) -> sleeve_status {
    call(|| {
        let query = not_null!(mut query);
        // SAFETY: the ABI's rules for strings.
        let policy = match unsafe { text(policy, "policy")? } {
            "keep" => Duplicates::Keep,
            "skip" => Duplicates::LeaveOut,
            "list" => Duplicates::List,
            other => {
                return Err(Failure::invalid(format!("unknown policy `{other}`; known: keep, skip, list")));
            }
        };
        query.add(|query| query.duplicates(policy));
        Ok(())
    })
}

/// Sets what counts as a near-duplicate: the least cosine, and the largest difference of the durations in seconds. By
/// default the library's model decides: 0.9 for `sleeve-musicnn-1`, 0.97 for others, and 2 seconds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_query_set_duplicate_rule(
    query: *mut sleeve_query,
    cosine: f32,
    seconds: f64,
) -> sleeve_status {
    call(|| {
        let query = not_null!(mut query);
        if !(-1.0..=1.0).contains(&cosine) || seconds.is_nan() || seconds < 0.0 {
            return Err(Failure::invalid("the cosine must be from -1 to 1, and the seconds not negative"));
        }
        query.rule = Some(DuplicateRule { cosine, seconds });
        Ok(())
    })
}

/// Sets the rows that are searched: `"f32"` (the default) or `"int8"` (a quarter of the memory to read; the best are
/// computed again from the floats).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_query_set_precision(
    query: *mut sleeve_query,
    precision: *const c_char,
) -> sleeve_status {
    call(|| {
        let query = not_null!(mut query);
        // SAFETY: the ABI's rules for strings.
        query.precision = match unsafe { text(precision, "precision")? } {
            "f32" => Precision::F32,
            "int8" => Precision::Int8,
            other => return Err(Failure::invalid(format!("unknown precision `{other}`; known: f32, int8"))),
        };
        Ok(())
    })
}

/// Sets the number of threads; 0 (the default) means every core that the process may use. Results do not depend on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_query_set_threads(query: *mut sleeve_query, threads: usize) -> sleeve_status {
    call(|| {
        let query = not_null!(mut query);
        if threads > 1024 {
            return Err(Failure::invalid(format!("{threads} threads; at most 1024")));
        }
        query.threads = threads;
        Ok(())
    })
}

/// Adds a filter: only tracks of this `"folder"`, `"artist"`, `"album"`, `"label"` or `"genre"`. Of several with the same
/// name, one must hold; of different names, all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_query_add_filter(
    query: *mut sleeve_query,
    name: *const c_char,
    value: *const c_char,
) -> sleeve_status {
    call(|| {
        let query = not_null!(mut query);
        // SAFETY: the ABI's rules for strings.
        let (name, folder) = unsafe { (text(name, "name")?, path(value, "value")?) };
        if name == "folder" {
            query.narrow(|filter| filter.folder(folder));
            return Ok(());
        }
        // SAFETY: as above.
        let value = unsafe { text(value, "value")? };
        let add = match name {
            "artist" => Filter::artist,
            "album" => Filter::album,
            "label" => Filter::label,
            "genre" => Filter::genre,
            other => {
                let known = "folder, artist, album, label, genre";
                return Err(Failure::invalid(format!("unknown filter `{other}`; known: {known}")));
            }
        };
        query.narrow(|filter| add(filter, value));
        Ok(())
    })
}

/// Only tracks of the years from `first` to `last`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_query_set_years(
    query: *mut sleeve_query,
    first: i32,
    last: i32,
) -> sleeve_status {
    call(|| {
        let query = not_null!(mut query);
        if first > last {
            return Err(Failure::invalid(format!("the years {first} to {last}")));
        }
        query.narrow(|filter| filter.years(first..=last));
        Ok(())
    })
}

/// Only tracks whose activation of this class is larger than `value` (`above` true) or smaller. All such bounds must
/// hold.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_query_add_bound(
    query: *mut sleeve_query,
    class_name: *const c_char,
    above: bool,
    value: f32,
) -> sleeve_status {
    call(|| {
        let query = not_null!(mut query);
        // SAFETY: the ABI's rules for strings.
        let class = unsafe { text(class_name, "class_name")? };
        query.narrow(|filter| if above { filter.above(class, value) } else { filter.below(class, value) });
        Ok(())
    })
}

/// All tracks but this one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_query_exclude(query: *mut sleeve_query, track: usize) -> sleeve_status {
    call(|| {
        let query = not_null!(mut query);
        query.narrow(|filter| filter.without(track));
        Ok(())
    })
}

/// Sets how a playlist goes on. `drift`: how far it goes away from the seeds, from 0 to 1 (default 0.3). `variety`: how
/// much is left to chance, from 0 (the default) to 1. `artist_gap`: the tracks between two of an artist (default 2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_query_set_playlist(
    query: *mut sleeve_query,
    drift: f32,
    variety: f32,
    artist_gap: usize,
) -> sleeve_status {
    call(|| {
        let query = not_null!(mut query);
        if !(0.0..=1.0).contains(&drift) || !(0.0..=1.0).contains(&variety) {
            return Err(Failure::invalid(format!(
                "drift {drift} and variety {variety}; both are from 0 to 1"
            )));
        }
        (query.playlist.drift, query.playlist.variety) = (drift, variety);
        query.playlist.artist_gap = artist_gap;
        Ok(())
    })
}

/// Sets the seed of random numbers for playlists and samples (default 0): the same one gives the same tracks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_query_set_seed(query: *mut sleeve_query, seed: u64) -> sleeve_status {
    call(|| {
        let query = not_null!(mut query);
        query.playlist.seed = seed;
        Ok(())
    })
}

/// Frees a query. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_query_free(query: *mut sleeve_query) {
    // SAFETY: the ABI's rules for handles.
    unsafe { free(query) };
}

/// Tracks that a library gave. Immutable: threads may share it.
pub struct sleeve_tracks {
    matches: Vec<Match>,
    /// The group of each.
    groups: Vec<usize>,
}

impl sleeve_tracks {
    pub(super) fn new(matches: Vec<Match>) -> Self {
        Self { groups: vec![0; matches.len()], matches }
    }

    pub(super) fn of_groups(library: &Library, groups: &[DuplicateGroup]) -> Self {
        let mut tracks = Self::new(Vec::new());
        for (number, group) in groups.iter().enumerate() {
            let first = group.tracks[0];
            for &track in &group.tracks {
                tracks.matches.push(Match::new(track, library.cosine(first, track)));
                tracks.groups.push(number);
            }
        }
        tracks
    }
}

/// The number of tracks; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_tracks_count(tracks: *const sleeve_tracks) -> usize {
    // SAFETY: the ABI's rules for handles.
    unsafe { tracks.as_ref() }.map_or(0, |tracks| tracks.matches.len())
}

/// The track at `index` of the list, and its cosine. `duplicate_of` becomes the track that it is a near-duplicate of, or
/// SIZE_MAX; it may be NULL.
///
/// Errors: NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_tracks_get(
    tracks: *const sleeve_tracks,
    index: usize,
    track: *mut usize,
    cosine: *mut f32,
    duplicate_of: *mut usize,
) -> sleeve_status {
    call(|| {
        let tracks = not_null!(tracks);
        require_out(track, "track")?;
        require_out(cosine, "cosine")?;
        let Some(found) = tracks.matches.get(index) else {
            let count = tracks.matches.len();
            return Err(Failure::not_found(format!("track {index} of a list of {count}")));
        };
        // SAFETY: the ABI's rules for out-parameters.
        unsafe {
            set(track, "track", found.track)?;
            set(cosine, "cosine", found.cosine)?;
            if !duplicate_of.is_null() {
                set(duplicate_of, "duplicate_of", found.duplicate_of.unwrap_or(usize::MAX))?;
            }
        }
        Ok(())
    })
}

/// The number of the group that the track at `index` belongs to, from 0: for `sleeve_library_duplicates`. 0 for NULL and
/// beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_tracks_group(tracks: *const sleeve_tracks, index: usize) -> usize {
    // SAFETY: the ABI's rules for handles.
    unsafe { tracks.as_ref() }.and_then(|tracks| tracks.groups.get(index)).copied().unwrap_or(0)
}

/// Frees a list of tracks. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_tracks_free(tracks: *mut sleeve_tracks) {
    // SAFETY: the ABI's rules for handles.
    unsafe { free(tracks) };
}
