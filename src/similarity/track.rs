//! One track of a library: where its file is, what it holds, and its tags; and the record of it in a library file.

use std::path::{Path, PathBuf};

use sleeve_files::names;

/// Tags of a recording. A tag that a file does not have is empty; a year that it does not have is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    /// The artist of the track.
    pub artist: String,
    /// The artist of the album.
    pub album_artist: String,
    /// The album.
    pub album: String,
    /// The title of the track.
    pub title: String,
    /// The record label.
    pub label: String,
    /// The genre. Several are separated by `; `.
    pub genre: String,
    /// The year of the recording or release.
    pub year: Option<i32>,
}

/// A track, as it is given to a [`LibraryWriter`](super::LibraryWriter).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Track {
    /// The path of its file: relative to the library's folder, or absolute in a library that is not one folder.
    pub path: PathBuf,
    /// Its duration in seconds: finite, 0 or more.
    pub seconds: f64,
    /// What identifies the recording, whatever its file's name and tags are: [`content_hash`](crate::audio::content_hash).
    /// Zeros if it is not known.
    pub sha256: [u8; 32],
    /// The size of its file in bytes.
    pub bytes: u64,
    /// The time of its file's last change, in milliseconds since 1970, if the file system knows it.
    pub modified: Option<i64>,
    /// Its tags.
    pub tags: Tags,
}

/// A track of an open [`Library`](super::Library): what [`Track`] holds, without copies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackRef<'a> {
    path: &'a [u8],
    /// Its duration in seconds.
    pub seconds: f64,
    /// What identifies the recording; zeros if it is not known.
    pub sha256: &'a [u8; 32],
    /// The size of its file in bytes, when it was added.
    pub bytes: u64,
    /// The time of its file's last change, in milliseconds since 1970, when it was added.
    pub modified: Option<i64>,
    /// The artist of the track, or empty; also below.
    pub artist: &'a str,
    /// The artist of the album.
    pub album_artist: &'a str,
    /// The album.
    pub album: &'a str,
    /// The title of the track.
    pub title: &'a str,
    /// The record label.
    pub label: &'a str,
    /// The genre. Several are separated by `; `.
    pub genre: &'a str,
    /// The year.
    pub year: Option<i32>,
}

/// What stands for a time or a year that is not known.
const UNKNOWN_TIME: i64 = i64::MIN;
const UNKNOWN_YEAR: i32 = i32::MIN;

impl<'a> TrackRef<'a> {
    /// The path of its file, as in [`Track::path`].
    pub fn path(&self) -> PathBuf {
        names::from_portable(self.path)
    }

    /// The path's bytes, with slashes between its parts. On Unix they are the path's own; elsewhere it is UTF-8.
    pub fn path_bytes(&self) -> &'a [u8] {
        self.path
    }

    /// A copy that outlives the library.
    pub fn to_track(&self) -> Track {
        Track {
            path: self.path(),
            seconds: self.seconds,
            sha256: *self.sha256,
            bytes: self.bytes,
            modified: self.modified,
            tags: self.tags(),
        }
    }

    /// A copy of its tags.
    pub fn tags(&self) -> Tags {
        Tags {
            artist: self.artist.to_owned(),
            album_artist: self.album_artist.to_owned(),
            album: self.album.to_owned(),
            title: self.title.to_owned(),
            label: self.label.to_owned(),
            genre: self.genre.to_owned(),
            year: self.year,
        }
    }

    /// The artist by whom tracks are told apart in playlists: that of the track, or else that of the album.
    pub fn main_artist(&self) -> &'a str {
        if self.artist.is_empty() { self.album_artist } else { self.artist }
    }

    /// What is shown of it: `ARTIST - TITLE`, or the name of its file where it has no title.
    pub fn label_text(&self) -> String {
        match (self.main_artist(), self.title) {
            (_, "") => {
                let path = self.path();
                path.file_stem().map(Path::new).map_or_else(String::new, names::shown)
            }
            ("", title) => title.to_owned(),
            (artist, title) => format!("{artist} - {title}"),
        }
    }

    /// Reads a record; `None` if it is not one.
    pub(super) fn read(record: &'a [u8]) -> Option<Self> {
        let mut rest = record;
        let seconds = f64::from_bits(u64::from_le_bytes(take(&mut rest)?));
        let (sha256, after) = rest.split_first_chunk::<32>()?;
        rest = after;
        let bytes = u64::from_le_bytes(take(&mut rest)?);
        let modified = i64::from_le_bytes(take(&mut rest)?);
        let year = i32::from_le_bytes(take(&mut rest)?);
        let mut text = || {
            let length = u32::from_le_bytes(take(&mut rest)?) as usize;
            let (text, after) = rest.split_at_checked(length)?;
            rest = after;
            Some(text)
        };
        let path = text()?;
        let mut tag = || std::str::from_utf8(text()?).ok();
        let (artist, album_artist, album) = (tag()?, tag()?, tag()?);
        let (title, label, genre) = (tag()?, tag()?, tag()?);
        let valid = rest.is_empty() && seconds.is_finite() && seconds >= 0.0 && !path.is_empty();
        valid.then_some(TrackRef {
            path,
            seconds,
            sha256,
            bytes,
            modified: (modified != UNKNOWN_TIME).then_some(modified),
            artist,
            album_artist,
            album,
            title,
            label,
            genre,
            year: (year != UNKNOWN_YEAR).then_some(year),
        })
    }

    /// What a record is taken for that was valid when the library was opened, and is not any more: another program has
    /// overwritten the file.
    pub(super) fn unreadable() -> Self {
        TrackRef {
            path: b"?",
            seconds: 0.0,
            sha256: &[0; 32],
            bytes: 0,
            modified: None,
            artist: "",
            album_artist: "",
            album: "",
            title: "",
            label: "",
            genre: "",
            year: None,
        }
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (value, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*value)
}

/// The record of a track; `None` if it cannot be recorded (a path or tag of more than 64 KiB, an empty path, a duration
/// that is not one).
pub(super) fn record(track: &Track) -> Option<Vec<u8>> {
    const MAX_TEXT: usize = 1 << 16;
    let path = names::to_portable(&track.path);
    let Tags { artist, album_artist, album, title, label, genre, year } = &track.tags;
    let mut out = Vec::with_capacity(128 + path.len());
    out.extend(track.seconds.to_bits().to_le_bytes());
    out.extend(track.sha256);
    out.extend(track.bytes.to_le_bytes());
    out.extend(track.modified.unwrap_or(UNKNOWN_TIME).to_le_bytes());
    out.extend(year.unwrap_or(UNKNOWN_YEAR).to_le_bytes());
    for text in [&path, artist.as_bytes(), album_artist.as_bytes(), album.as_bytes()].into_iter().chain([
        title.as_bytes(),
        label.as_bytes(),
        genre.as_bytes(),
    ]) {
        if text.len() > MAX_TEXT {
            return None;
        }
        out.extend((text.len() as u32).to_le_bytes());
        out.extend(text);
    }
    let valid = track.seconds.is_finite() && track.seconds >= 0.0 && !path.is_empty();
    valid.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track() -> Track {
        Track {
            path: "a/ü.ogg".into(),
            seconds: 12.5,
            sha256: [7; 32],
            bytes: 99,
            modified: Some(-5),
            tags: Tags { artist: "A".into(), title: "T".into(), year: Some(1971), ..Tags::default() },
        }
    }

    #[test]
    fn records_keep_everything() {
        for track in [track(), Track { modified: None, tags: Tags::default(), ..track() }] {
            let record = record(&track).unwrap();
            assert_eq!(TrackRef::read(&record).unwrap().to_track(), track);
        }
        let bytes = record(&track()).unwrap();
        assert_eq!(TrackRef::read(&bytes).unwrap().label_text(), "A - T");
        let bare = record(&Track { tags: Tags::default(), ..track() }).unwrap();
        assert_eq!(TrackRef::read(&bare).unwrap().label_text(), "ü");
    }

    #[test]
    fn a_record_that_is_cut_or_longer_is_not_one() {
        let bytes = record(&track()).unwrap();
        for length in 0..bytes.len() {
            assert!(TrackRef::read(&bytes[..length]).is_none(), "{length}");
        }
        assert!(TrackRef::read(&[bytes.as_slice(), b"x"].concat()).is_none());
        for wrong in [
            Track { seconds: f64::NAN, ..track() },
            Track { seconds: -1.0, ..track() },
            Track { path: PathBuf::new(), ..track() },
            Track { path: "x".repeat(1 << 17).into(), ..track() },
        ] {
            assert!(record(&wrong).is_none());
        }
    }
}
