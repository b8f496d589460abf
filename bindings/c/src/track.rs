//! Tracks, as they are added to a library.

use std::ffi::c_char;
use std::time::UNIX_EPOCH;

use super::boundary::{Failure, call, free, give, path, text};
use super::model::require_out;
use super::status::sleeve_status;
use sleeve::audio::content_hash;
use sleeve::similarity::Track;

/// What a library is told of a track. Writers copy it. For one thread at a time.
pub struct sleeve_track {
    pub(super) track: Track,
}

/// Makes a track with the path of its file: relative to the library's folder, or absolute in a library that is not one
/// folder.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_track_new(
    file: *const c_char,
    track: *mut *mut sleeve_track,
) -> sleeve_status {
    call(|| {
        // SAFETY: the ABI's rules for strings and out-parameters.
        unsafe {
            let path = path(file, "file")?;
            require_out(track, "track")?;
            give(track, "track", sleeve_track { track: Track { path, ..Track::default() } })
        }
    })
}

/// Sets the duration in seconds, 0 or more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_track_set_seconds(track: *mut sleeve_track, seconds: f64) -> sleeve_status {
    call(|| {
        let track = not_null!(mut track);
        if !seconds.is_finite() || seconds < 0.0 {
            return Err(Failure::invalid(format!("a duration of {seconds} seconds")));
        }
        track.track.seconds = seconds;
        Ok(())
    })
}

/// Sets a tag: `"artist"`, `"album_artist"`, `"album"`, `"title"`, `"label"` or `"genre"`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_track_set_tag(
    track: *mut sleeve_track,
    name: *const c_char,
    value: *const c_char,
) -> sleeve_status {
    call(|| {
        let track = not_null!(mut track);
        // SAFETY: the ABI's rules for strings.
        let (name, value) = unsafe { (text(name, "name")?, text(value, "value")?) };
        let tags = &mut track.track.tags;
        let tag = match name {
            "artist" => &mut tags.artist,
            "album_artist" => &mut tags.album_artist,
            "album" => &mut tags.album,
            "title" => &mut tags.title,
            "label" => &mut tags.label,
            "genre" => &mut tags.genre,
            other => {
                let known = "artist, album_artist, album, title, label, genre";
                return Err(Failure::invalid(format!("unknown tag `{other}`; known: {known}")));
            }
        };
        value.clone_into(tag);
        Ok(())
    })
}

/// Sets the year; 0 means that it is not known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_track_set_year(track: *mut sleeve_track, year: i32) -> sleeve_status {
    call(|| {
        let track = not_null!(mut track);
        track.track.tags.year = Some(year).filter(|&year| year != 0);
        Ok(())
    })
}

/// Reads from a file what `sleeve similar index` recognises a track by: its size, the time of its last change, and the
/// SHA-256 of its encoded audio.
///
/// Errors: IO, AUDIO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_track_read_file(
    track: *mut sleeve_track,
    file: *const c_char,
) -> sleeve_status {
    call(|| {
        let track = not_null!(mut track);
        // SAFETY: the ABI's rules for strings.
        let file = unsafe { path(file, "file")? };
        let metadata = std::fs::metadata(&file).map_err(|error| sleeve::Error::io(&file, error))?;
        let sha256 = content_hash(&file)?;
        let since = metadata.modified().ok().map(|time| match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            // Rounded down, as after 1970.
            Err(before) => {
                let nanos = before.duration().as_nanos().div_ceil(1_000_000);
                i64::try_from(nanos).map_or(i64::MIN + 1, |millis| -millis)
            }
        });
        track.track.bytes = metadata.len();
        track.track.modified = since;
        track.track.sha256 = sha256;
        Ok(())
    })
}

/// Frees a track. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_track_free(track: *mut sleeve_track) {
    // SAFETY: the ABI's rules for handles.
    unsafe { free(track) };
}
