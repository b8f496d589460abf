//! The tracks of the collection, indexed by ids and by artist and title.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use arrow_array::Array;
use rustc_hash::{FxHashMap, FxHashSet};

use super::common::is_common_title;
use super::listed::Listed;
use super::names::{artist_key, joined_names, main_artist, title_key};
use crate::discogs::is_nobodys_name;
use crate::error::Result;
use crate::scan::{COLLECTION, Stamp};
use crate::table::TableReader;

/// A track of the collection.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Path in the collection.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Its size in bytes and modification time when it was scanned.
    pub stamp: Stamp,
    /// Duration in seconds.
    pub duration: Option<f32>,
    /// Key of the title, empty without one.
    pub title: String,
    /// Whether the title is so common that it needs a duration.
    pub common: bool,
    /// Key of the album's title, empty without one.
    pub album: String,
    /// Number of the track on its medium.
    pub track_number: Option<i32>,
    /// Discogs' ids of its artists, from the tags.
    pub artists: Vec<i64>,
    /// Whether its id is from the user's list, which is believed whatever the tags say.
    pub listed: bool,
    /// Hashes of the keys that may name its artist, for a track with an id: the id is checked against them.
    pub names: Vec<u64>,
    /// Whether artist and title are known.
    pub has_text: bool,
    /// Whether the tags have a release or a master id.
    pub has_id: bool,
}

/// That a track may be found by an artist and a title.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The track.
    pub number: u32,
    /// Whether the artist is all that a field says, not one of several names in it or the artist of the album.
    pub whole: bool,
}

/// The keys of what may name the artist of a track.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Keys of whole fields.
    pub whole: Vec<String>,
    /// Keys of what fields may contain beside others, and of the album's artist.
    pub parts: Vec<String>,
}

impl Names {
    /// Of artist tags and of the album artist, which counts as the artist if there is no other.
    pub fn of(artists: &[&str], album_artist: Option<&str>) -> Self {
        let artists: Vec<&str> = artists.iter().copied().filter(|name| !is_nobodys_name(name)).collect();
        let album_artist = album_artist.filter(|name| !is_nobodys_name(name));
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        let first = if artists.is_empty() { album_artist.as_slice() } else { &artists };
        for name in first {
            whole.extend([artist_key(name), artist_key(main_artist(name))]);
        }
        if first.len() > 1 {
            whole.push(artist_key(&first.join(" & ")));
        }
        for name in first.iter().copied().chain(album_artist) {
            parts.push(artist_key(name));
            parts.extend(joined_names(name).into_iter().map(artist_key));
        }
        whole.sort_unstable();
        whole.dedup();
        parts.sort_unstable();
        parts.dedup();
        parts.retain(|key| !whole.contains(key));
        Names { whole, parts }
    }
}

/// The collection, indexed.
#[derive(Default)]
pub struct Index {
    /// Its tracks, in the order of the table.
    pub tracks: Vec<Wanted>,
    /// Hash of artist and title to tracks.
    by_text: FxHashMap<u64, Vec<Claim>>,
    /// Hashes of artists.
    artists: FxHashSet<u64>,
    /// Hashes of titles: a lookup here rules out most tracks of a dump.
    titles: FxHashSet<u64>,
    /// Release id to tracks tagged with it.
    pub by_release: FxHashMap<i64, Vec<u32>>,
    /// Master id to tracks tagged with it but with no release.
    pub by_master: FxHashMap<i64, Vec<u32>>,
}

impl Index {
    /// Reads a table written by `scan`. Entries of `listed` have priority over tags.
    pub fn read(collection: &Path, listed: &Listed) -> Result<Self> {
        let columns = [
            "path",
            "size",
            "modified_ns",
            "sha256",
            "duration_s",
            "title",
            "artists",
            "album",
            "album_artist",
            "track_number",
            "discogs_releases",
            "discogs_masters",
            "discogs_artists",
        ];
        let mut index = Index::default();
        for rows in TableReader::open(collection, &COLLECTION, &columns)? {
            let rows = rows?;
            for row in 0..rows.len() {
                let text = |name| rows.texts(name).is_valid(row).then(|| rows.texts(name).value(row));
                let (durations, numbers) = (rows.floats("duration_s"), rows.ints("track_number"));
                let artists: Vec<&str> = rows.word_list("artists", row).collect();
                let names = Names::of(&artists, text("album_artist"));
                let path = rows.texts("path").value(row);
                let entry = listed.get(path);
                let title = entry.and_then(|entry| entry.title.as_deref()).or(text("title"));
                let title = title.map(title_key).unwrap_or_default();
                let tagged_number = numbers.is_valid(row).then(|| numbers.value(row));
                let track = Wanted {
                    path: path.to_owned(),
                    sha256: rows.texts("sha256").value(row).to_owned(),
                    stamp: Stamp::at(&rows, row),
                    duration: durations.is_valid(row).then(|| durations.value(row)),
                    common: is_common_title(&title),
                    title,
                    album: text("album").map(title_key).unwrap_or_default(),
                    track_number: entry.and_then(|entry| entry.number).or(tagged_number),
                    artists: rows.id_list("discogs_artists", row).to_vec(),
                    listed: entry.is_some_and(|entry| entry.release.is_some()),
                    names: Vec::new(),
                    has_text: false,
                    has_id: false,
                };
                let release = entry.and_then(|entry| entry.release);
                let releases = match &release {
                    Some(release) => std::slice::from_ref(release),
                    None => rows.id_list("discogs_releases", row),
                };
                let masters = rows.id_list("discogs_masters", row);
                index.insert(track, &names, releases, masters);
            }
        }
        Ok(index)
    }

    /// Adds a track with what may name its artist.
    pub fn insert(&mut self, mut track: Wanted, names: &Names, releases: &[i64], masters: &[i64]) {
        let number = u32::try_from(self.tracks.len()).expect("fewer than four thousand million tracks");
        track.has_id = !releases.is_empty() || !masters.is_empty();
        for &release in releases {
            self.by_release.entry(release).or_default().push(number);
        }
        if releases.is_empty() {
            masters.iter().for_each(|&master| self.by_master.entry(master).or_default().push(number));
        }
        if track.has_id {
            track.names = names.whole.iter().chain(&names.parts).map(|key| hash(key.as_str())).collect();
        }
        if !track.title.is_empty() {
            track.has_text = !names.whole.is_empty() || !names.parts.is_empty();
            if track.has_text {
                self.titles.insert(hash(&track.title));
            }
            for (keys, whole) in [(&names.whole, true), (&names.parts, false)] {
                for key in keys {
                    self.artists.insert(hash(key.as_str()));
                    let claim = Claim { number, whole };
                    self.by_text.entry(hash(&(key, &track.title))).or_default().push(claim);
                }
            }
        }
        self.tracks.push(track);
    }

    /// Whether any track may be by an artist with this key.
    pub fn has_artist(&self, artist: &str) -> bool {
        self.artists.contains(&hash(artist))
    }

    /// Whether any track has this title.
    pub fn has_title(&self, title: &str) -> bool {
        self.titles.contains(&hash(title))
    }

    /// Tracks with these keys of artist and title.
    pub fn by_text(&self, artist: &str, title: &str) -> &[Claim] {
        self.by_text.get(&hash(&(artist, title))).map_or(&[], Vec::as_slice)
    }
}

/// A hash of a key.
pub fn hash<T: Hash + ?Sized>(value: &T) -> u64 {
    // Another hash than the map's: colliding keys here would be taken for equal.
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
