//! Libraries: files of tracks with their embeddings, and what is asked of them.

use std::ffi::{CString, c_char};

use super::boundary::{Failure, c_string, call, free, get, give, path, set, text, text_at};
use super::error::copy_text;
use super::extractor::sleeve_extractor;
use super::model::require_out;
use super::query::{sleeve_query, sleeve_tracks};
use super::status::sleeve_status;
use sleeve::similarity::{Library, Origin};

/// A library file that `sleeve similar index` or a sleeve_library_writer wrote, open for reading. Tracks have indices
/// from 0. It shows the file as it was when it was opened. Immutable: threads may share it and search it at the same
/// time. Other programs must not change the file in place.
pub struct sleeve_library {
    pub(super) library: Library,
    model: CString,
    sha256: CString,
    classes: Vec<CString>,
}

impl sleeve_library {
    fn new(library: Library) -> Self {
        Self {
            model: c_string(&library.origin().model),
            sha256: c_string(&library.origin().sha256),
            classes: library.classes().iter().map(|class| c_string(class)).collect(),
            library,
        }
    }

    /// The library, if it has this track.
    fn with(&self, track: usize) -> Result<&Library, Failure> {
        let count = self.library.len();
        if track < count {
            return Ok(&self.library);
        }
        Err(Failure::not_found(format!("track {track} of a library of {count}")))
    }
}

/// Opens a library file and checks all of it.
///
/// Errors: IO; LIBRARY if it is not a library file, has another version, is cut or damaged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_open(
    file: *const c_char,
    library: *mut *mut sleeve_library,
) -> sleeve_status {
    call(|| {
        // SAFETY: the ABI's rules for strings and out-parameters.
        unsafe {
            let file = path(file, "file")?;
            require_out(library, "library")?;
            give(library, "library", sleeve_library::new(Library::open(file)?))
        }
    })
}

/// The number of tracks; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_track_count(library: *const sleeve_library) -> usize {
    // SAFETY: the ABI's rules for handles.
    unsafe { library.as_ref() }.map_or(0, |library| library.library.len())
}

/// The number of values of a track's vector; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_dim(library: *const sleeve_library) -> usize {
    // SAFETY: the ABI's rules for handles.
    unsafe { library.as_ref() }.map_or(0, |library| library.library.dim())
}

/// The name of the model that made the vectors; NULL for NULL.
///
/// Valid as long as the library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_model(library: *const sleeve_library) -> *const c_char {
    // SAFETY: the ABI's rules for handles.
    unsafe { library.as_ref() }.map_or(std::ptr::null(), |library| library.model.as_ptr())
}

/// The SHA-256 of that model's graph in hexadecimal digits; NULL for NULL.
///
/// Valid as long as the library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_model_sha256(library: *const sleeve_library) -> *const c_char {
    // SAFETY: the ABI's rules for handles.
    unsafe { library.as_ref() }.map_or(std::ptr::null(), |library| library.sha256.as_ptr())
}

/// The name of the activation at `index`; NULL beyond the last, and if the library has none.
///
/// Valid as long as the library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_class_name(
    library: *const sleeve_library,
    index: usize,
) -> *const c_char {
    // SAFETY: the ABI's rules for handles.
    unsafe { library.as_ref() }.map_or(std::ptr::null(), |library| text_at(&library.classes, index))
}

/// Whether the file was written to or replaced since it was opened; opening it again shows what it has now. False for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_has_changed(library: *const sleeve_library) -> bool {
    // SAFETY: the ABI's rules for handles.
    get(false, || unsafe { library.as_ref() }.is_some_and(|library| library.library.has_changed()))
}

/// Checks that what an extractor gives can be compared with the library's vectors.
///
/// Errors: LIBRARY, with both models by name; INVALID_ARGUMENT if the extractor has no embeddings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_check_extractor(
    library: *const sleeve_library,
    extractor: *const sleeve_extractor,
) -> sleeve_status {
    call(|| {
        let library = not_null!(library);
        let extractor = not_null!(extractor);
        Ok(library.library.check_origin(&Origin::of(extractor.audio()?)?)?)
    })
}

/// Copies a text of a track, NUL-terminated and truncated to `size` bytes: `"path"` (absolute where the library is one
/// folder or its tracks are), `"artist"`, `"album_artist"`, `"album"`, `"title"`, `"label"` or `"genre"`. In a path, what
/// is not UTF-8 is replaced; `sleeve_library_file` copies its own bytes.
///
/// Returns the length of the whole text without its NUL; 0 if it is empty, for NULL, an unknown name and beyond the last
/// track. With `buffer` NULL or `size` 0 nothing is written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_text(
    library: *const sleeve_library,
    track: usize,
    name: *const c_char,
    buffer: *mut c_char,
    size: usize,
) -> usize {
    get(0, || {
        // SAFETY: the ABI's rules for handles and strings.
        let (library, name) = unsafe { (library.as_ref(), text(name, "name")) };
        let (Some(library), Ok(name)) = (library, name) else { return 0 };
        let Ok(library) = library.with(track) else { return 0 };
        let about = library.track(track);
        let path;
        let found = match name {
            "path" => {
                path = library.file(track).to_string_lossy().into_owned();
                &path
            }
            "artist" => about.artist,
            "album_artist" => about.album_artist,
            "album" => about.album,
            "title" => about.title,
            "label" => about.label,
            "genre" => about.genre,
            _ => return 0,
        };
        // SAFETY: `size` bytes of the buffer are the caller's promise.
        unsafe { copy_text(found, buffer, size) }
    })
}

/// Copies the path of a track's file in the system's encoding to `buffer`, NUL-terminated; nothing if it does not fit.
///
/// Returns the length of the whole path without its NUL; 0 for NULL and beyond the last track. With `buffer` NULL
/// nothing is written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_file(
    library: *const sleeve_library,
    track: usize,
    buffer: *mut c_char,
    size: usize,
) -> usize {
    get(0, || {
        // SAFETY: the ABI's rules for handles.
        let Some(library) = (unsafe { library.as_ref() }) else { return 0 };
        let Ok(library) = library.with(track) else { return 0 };
        let file = library.file(track);
        #[cfg(unix)]
        let bytes = std::os::unix::ffi::OsStrExt::as_bytes(file.as_os_str());
        #[cfg(not(unix))]
        let file = file.to_string_lossy();
        #[cfg(not(unix))]
        let bytes = file.as_bytes();
        if !buffer.is_null() && bytes.len() < size {
            // SAFETY: the path and its NUL fit into `size` bytes, which are the caller's promise.
            unsafe {
                std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), buffer, bytes.len());
                buffer.add(bytes.len()).write(0);
            }
        }
        bytes.len()
    })
}

/// The duration of a track in seconds; 0 for NULL and beyond the last track.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_seconds(library: *const sleeve_library, track: usize) -> f64 {
    get(0.0, || {
        // SAFETY: the ABI's rules for handles.
        let library = unsafe { library.as_ref() }.and_then(|library| library.with(track).ok());
        library.map_or(0.0, |library| library.track(track).seconds)
    })
}

/// The year of a track; 0 if it is not known, for NULL and beyond the last track.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_year(library: *const sleeve_library, track: usize) -> i32 {
    get(0, || {
        // SAFETY: the ABI's rules for handles.
        let library = unsafe { library.as_ref() }.and_then(|library| library.with(track).ok());
        library.and_then(|library| library.track(track).year).unwrap_or(0)
    })
}

/// The vector of a track: the mean over its patches.
///
/// The values are valid as long as the library. Errors: NOT_FOUND beyond the last track.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_vector(
    library: *const sleeve_library,
    track: usize,
    values: *mut *const f32,
    dim: *mut usize,
) -> sleeve_status {
    // SAFETY: the caller's promises are this function's.
    unsafe { values_of(library, track, values, dim, |library| Ok(library.vector(track))) }
}

/// The activations of a track, one for each name of `sleeve_library_class_name`; NULL if the library has none.
///
/// The values are valid as long as the library. Errors: NOT_FOUND beyond the last track.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_activations(
    library: *const sleeve_library,
    track: usize,
    values: *mut *const f32,
    count: *mut usize,
) -> sleeve_status {
    // SAFETY: the caller's promises are this function's.
    unsafe { values_of(library, track, values, count, |library| Ok(library.activations(track))) }
}

/// The vectors of a track's patches, one after the other, `count` values in all; NULL if they were not kept.
///
/// The values are valid as long as the library. Errors: NOT_FOUND beyond the last track; LIBRARY if they are damaged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_patches(
    library: *const sleeve_library,
    track: usize,
    values: *mut *const f32,
    count: *mut usize,
) -> sleeve_status {
    // SAFETY: the caller's promises are this function's.
    unsafe { values_of(library, track, values, count, |library| library.patches(track)) }
}

unsafe fn values_of(
    library: *const sleeve_library,
    track: usize,
    values: *mut *const f32,
    count: *mut usize,
    read: impl FnOnce(&Library) -> sleeve::Result<&[f32]>,
) -> sleeve_status {
    call(|| {
        let library = not_null!(library);
        require_out(values, "values")?;
        require_out(count, "count")?;
        let found = read(library.with(track)?)?;
        let pointer = if found.is_empty() { std::ptr::null() } else { found.as_ptr() };
        // SAFETY: the ABI's rules for out-parameters.
        unsafe {
            set(values, "values", pointer)?;
            set(count, "count", found.len())
        }
    })
}

/// The track whose file has this path: absolute, or relative to the library's folder.
///
/// Errors: NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_find_path(
    library: *const sleeve_library,
    file: *const c_char,
    track: *mut usize,
) -> sleeve_status {
    call(|| {
        let library = not_null!(library);
        // SAFETY: the ABI's rules for strings and out-parameters.
        unsafe {
            let file = path(file, "file")?;
            require_out(track, "track")?;
            let found = library.library.find_path(&file);
            let found = found.ok_or_else(|| {
                Failure::not_found(format!("{}: not a track of the library", file.display()))
            })?;
            set(track, "track", found)
        }
    })
}

/// The cosine of two tracks' vectors, from -1 to 1.
///
/// Errors: NOT_FOUND beyond the last track.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_cosine(
    library: *const sleeve_library,
    one: usize,
    other: usize,
    cosine: *mut f32,
) -> sleeve_status {
    call(|| {
        let library = not_null!(library);
        require_out(cosine, "cosine")?;
        library.with(one)?;
        let value = library.with(other)?.cosine(one, other);
        // SAFETY: the ABI's rules for out-parameters.
        unsafe { set(cosine, "cosine", value) }
    })
}

/// The tracks that are most similar to a query's seeds, best first.
///
/// Errors: INVALID_ARGUMENT if the query has no seed, a seed is no track or has another size, the seeds cancel each
/// other, or a filter names an activation that the library does not have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_find(
    library: *const sleeve_library,
    query: *const sleeve_query,
    tracks: *mut *mut sleeve_tracks,
) -> sleeve_status {
    // SAFETY: the caller's promises are this function's.
    unsafe {
        ask(library, query, tracks, |library, query| Ok(sleeve_tracks::new(library.find(&query.query())?)))
    }
}

/// A playlist: each track is near the query's seeds and near the track before, no recording comes twice, and it begins
/// with the first seed that is a track. The cosines are those with the seeds.
///
/// Errors: as `sleeve_library_find`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_playlist(
    library: *const sleeve_library,
    query: *const sleeve_query,
    tracks: *mut *mut sleeve_tracks,
) -> sleeve_status {
    // SAFETY: the caller's promises are this function's.
    unsafe {
        ask(library, query, tracks, |library, query| {
            Ok(sleeve_tracks::new(library.playlist(&query.query(), query.playlist_options())?))
        })
    }
}

/// A path from one track to another in small steps, both included: as many tracks as the query's count. Of the query,
/// count, filters, precision, threads and the rule for near-duplicates matter. The cosines are those with the track
/// before.
///
/// Errors: INVALID_ARGUMENT if a track does not exist, both are the same, the count is less than 2, or the filter leaves
/// too few tracks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_path(
    library: *const sleeve_library,
    query: *const sleeve_query,
    from: usize,
    to: usize,
    tracks: *mut *mut sleeve_tracks,
) -> sleeve_status {
    // SAFETY: the caller's promises are this function's.
    unsafe {
        ask(library, query, tracks, |library, query| {
            let path = library.path_between(from, to, query.count(), &query.path_options())?;
            Ok(sleeve_tracks::new(path))
        })
    }
}

/// A few tracks that cover the library: the first follows from the query's seed for random numbers, and each other is the
/// one farthest from all before. Of the query, count, filters, seed and threads matter. The cosines are the largest with
/// a track before.
///
/// Errors: INVALID_ARGUMENT if a filter names an activation that the library does not have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_sample(
    library: *const sleeve_library,
    query: *const sleeve_query,
    tracks: *mut *mut sleeve_tracks,
) -> sleeve_status {
    // SAFETY: the caller's promises are this function's.
    unsafe {
        ask(library, query, tracks, |library, query| {
            Ok(sleeve_tracks::new(library.sample(query.count(), &query.sample_options())?))
        })
    }
}

/// All tracks that are the same recording as another one, group after group; `sleeve_tracks_group` tells groups apart.
/// Of the query, threads and the rule for near-duplicates matter. The cosines are those with the first of the group.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_duplicates(
    library: *const sleeve_library,
    query: *const sleeve_query,
    tracks: *mut *mut sleeve_tracks,
) -> sleeve_status {
    // SAFETY: the caller's promises are this function's.
    unsafe {
        ask(library, query, tracks, |library, query| {
            let groups = library.duplicates(&query.rule(library), query.threads());
            Ok(sleeve_tracks::of_groups(library, &groups))
        })
    }
}

unsafe fn ask(
    library: *const sleeve_library,
    query: *const sleeve_query,
    tracks: *mut *mut sleeve_tracks,
    answer: impl FnOnce(&Library, &sleeve_query) -> sleeve::Result<sleeve_tracks>,
) -> sleeve_status {
    call(|| {
        let library = not_null!(library);
        let query = not_null!(query);
        require_out(tracks, "tracks")?;
        // SAFETY: the ABI's rules for out-parameters.
        unsafe { give(tracks, "tracks", answer(&library.library, query)?) }
    })
}

/// Frees a library. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_free(library: *mut sleeve_library) {
    // SAFETY: the ABI's rules for handles.
    unsafe { free(library) };
}
