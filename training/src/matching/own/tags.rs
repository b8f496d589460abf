//! Editorial metadata from the tags of the files.
//!
//! - **Artists** are the artist tags, or the album artist if there are none. Guests ("feat.") count as artists. Names
//!   joined by other marks are taken apart only if each of them occurs alone somewhere in the collection, so that "AC/DC"
//!   stays one name. A name that MusicBrainz' ids tell apart from its homonyms is known by its id.
//! - **Releases** are MusicBrainz' or Discogs' ids, or else the album's title with its artist and catalogue number; an
//!   album by various or unknown artists is that of its folder. Editions of an album are versions of one master, as are
//!   the releases of a MusicBrainz release group.
//! - **Recordings** that occur in several files (the same MusicBrainz recording; or the same artists and title with the
//!   same duration) are pooled: each has the releases of all.
//! - **Labels** are the label tags, **styles** the genre tags.

use std::collections::BTreeSet;
use std::path::Path;

use arrow_array::Array;
use rustc_hash::{FxHashMap, FxHashSet};

use super::super::common::is_common_title;
use super::super::names::{guests, joined_names, main_artist, title_key};
use super::super::wanted::Wanted;
use super::super::words::words;
use super::{Report, Styles, Track, name_key, number, write};
use crate::discogs::{is_no_label, is_nobodys_name};
use crate::error::Result;
use crate::scan::{COLLECTION, Stamp};
use crate::table::{Rows, TableReader};

/// Writes the tables `matched`, `linked_styles` and `unmatched` into the folder `out`, from the tags in the table
/// `collection`, which `scan` has made.
///
/// # Errors
/// If a table cannot be read or written.
pub fn from_tags(collection: &Path, out: &Path) -> Result<Report> {
    let mut known = Known::default();
    for_each_row(collection, |file| known.note(&file))?;
    let (mut wanted, mut tracks, mut styles) = (Vec::new(), Vec::new(), Styles::default());
    let mut recordings = Recordings::default();
    for_each_row(collection, |file| {
        let track = track_of(&file, &known, &mut styles);
        recordings.note(tracks.len() as u32, &file, &track);
        wanted.push(Wanted {
            path: file.path.to_owned(),
            sha256: file.sha256.to_owned(),
            stamp: file.stamp,
            duration: file.duration,
            track_number: file.track_number,
            ..Wanted::default()
        });
        tracks.push(track);
    })?;
    let own = tracks.clone();
    for group in recordings.groups(&wanted) {
        let mut all = Track::default();
        group.iter().for_each(|&track| all.pool(&tracks[track as usize]));
        group.iter().for_each(|&track| tracks[track as usize] = all.clone());
    }
    let tracks: Vec<Result<Track, &str>> = tracks
        .into_iter()
        .map(|track| if track.is_empty() { Err("no artist or release") } else { Ok(track) })
        .collect();
    write(&wanted, &tracks, &own, &styles, "tags", out)
}

/// What `scan` has read of a file.
struct File<'a> {
    path: &'a str,
    sha256: &'a str,
    stamp: Stamp,
    duration: Option<f32>,
    title: &'a str,
    artists: Vec<&'a str>,
    album: &'a str,
    album_artist: Option<&'a str>,
    label: &'a str,
    catalogue: &'a str,
    genres: Vec<&'a str>,
    year: Option<i32>,
    track_number: Option<i32>,
    discogs_releases: &'a [i64],
    discogs_masters: &'a [i64],
    mb_releases: Vec<&'a str>,
    mb_groups: Vec<&'a str>,
    mb_artists: Vec<&'a str>,
    mb_recordings: Vec<&'a str>,
}

impl<'a> File<'a> {
    fn at(rows: &'a Rows, row: usize) -> Self {
        let text = |name| if rows.texts(name).is_valid(row) { rows.texts(name).value(row) } else { "" };
        let int = |name| rows.ints(name).is_valid(row).then(|| rows.ints(name).value(row));
        let durations = rows.floats("duration_s");
        let album_artist = Some(text("album_artist")).filter(|name| !is_nobodys_name(name));
        let mut artists: Vec<&str> =
            rows.word_list("artists", row).filter(|name| !is_nobodys_name(name)).collect();
        if artists.is_empty() {
            artists.extend(album_artist);
        }
        File {
            path: rows.texts("path").value(row),
            sha256: rows.texts("sha256").value(row),
            stamp: Stamp::at(rows, row),
            duration: durations.is_valid(row).then(|| durations.value(row)),
            title: text("title"),
            artists,
            album: text("album"),
            album_artist,
            label: text("label"),
            catalogue: text("catalogue_number"),
            genres: rows.word_list("genres", row).collect(),
            year: int("year"),
            track_number: int("track_number"),
            discogs_releases: rows.id_list("discogs_releases", row),
            discogs_masters: rows.id_list("discogs_masters", row),
            mb_releases: rows.word_list("mb_releases", row).collect(),
            mb_groups: rows.word_list("mb_groups", row).collect(),
            mb_artists: rows.word_list("mb_artists", row).collect(),
            mb_recordings: rows.word_list("mb_recordings", row).collect(),
        }
    }

    /// Its artists one by one, as far as that is certain, with MusicBrainz' ids where there is one for each.
    fn names(&self, known: &Known) -> Vec<(&'a str, Option<&'a str>)> {
        let mut names = Vec::new();
        for name in &self.artists {
            for part in [Some(main_artist(name)), guests(name)].into_iter().flatten() {
                let parts = joined_names(part);
                let certain = !parts.is_empty()
                    && (parts.len() == self.mb_artists.len()
                        || parts.iter().all(|one| known.alone.contains(&name_key(one))));
                if certain { names.extend(parts) } else { names.push(part) }
            }
        }
        let ids = (names.len() == self.mb_artists.len()).then_some(&self.mb_artists);
        names.into_iter().enumerate().map(|(at, name)| (name, ids.map(|ids| ids[at]))).collect()
    }
}

fn for_each_row(collection: &Path, mut each: impl FnMut(File)) -> Result<()> {
    let columns: Vec<&str> = COLLECTION.columns.iter().map(|column| column.name).collect();
    for rows in TableReader::open(collection, &COLLECTION, &columns)? {
        let rows = rows?;
        (0..rows.len()).for_each(|row| each(File::at(&rows, row)));
    }
    Ok(())
}

/// What the collection says about artists as a whole.
#[derive(Default)]
struct Known {
    /// Keys of names that stand alone in a field.
    alone: FxHashSet<String>,
    /// MusicBrainz' ids of each name; more than one for homonyms.
    ids: FxHashMap<String, BTreeSet<String>>,
}

impl Known {
    fn note(&mut self, file: &File) {
        for name in file.artists.iter().copied().chain(file.album_artist) {
            if joined_names(name).is_empty() {
                self.alone.insert(name_key(name));
            }
        }
        for (name, id) in file.names(&Known::default()) {
            if let Some(id) = id {
                self.ids.entry(name_key(name)).or_default().insert(id.to_owned());
            }
        }
    }

    /// The number of an artist.
    fn number(&self, name: &str, id: Option<&str>) -> i64 {
        let key = name_key(name);
        let only = || self.ids.get(&key).filter(|ids| ids.len() == 1)?.first();
        match id.or_else(|| only().map(String::as_str)) {
            Some(id) => number("artist", &format!("mb {id}")),
            None => number("artist", &key),
        }
    }
}

fn track_of(file: &File, known: &Known, styles: &mut Styles) -> Track {
    let mut track = Track::default();
    for (name, id) in file.names(known).into_iter().filter(|(name, _)| !is_nobodys_name(name)) {
        track.artists.insert(known.number(name, id));
    }
    let own_ids = file.mb_releases.iter().map(|id| format!("mb {id}"));
    let discogs = file.discogs_releases.iter().map(|id| format!("discogs {id}"));
    track.releases.extend(own_ids.chain(discogs).map(|key| number("release", &key)));
    let own_ids = file.mb_groups.iter().map(|id| format!("mb {id}"));
    let discogs = file.discogs_masters.iter().map(|id| format!("discogs {id}"));
    track.masters.extend(own_ids.chain(discogs).map(|key| number("master", &key)));
    let album = album_words(file.album);
    if !album.is_empty() {
        let by = match file.album_artist {
            Some(name) => name_key(main_artist(name)),
            None => format!("in {}", folder_of_album(file.path)),
        };
        if track.releases.is_empty() {
            let catalogue = words(file.catalogue).concat();
            track.releases.insert(number("release", &format!("{}\0{by}\0{catalogue}", album.join(" "))));
        }
        if track.masters.is_empty() {
            track.masters.insert(number("master", &format!("{}\0{by}", title_key(&album.join(" ")))));
        }
    }
    let label = file.label.trim();
    if !label.is_empty() && !is_no_label(1, label) && !matches!(label, "[no label]" | "no label" | "-") {
        track.labels.insert(number("label", &name_key(label)));
    }
    for genre in file.genres.iter().flat_map(|genre| genre.split(['/', ';', ',', '|', '\\'])) {
        track.styles.extend(styles.number(genre));
    }
    track.years.extend(file.year);
    track
}

/// The words of an album's title, without the number of a disc at its end.
fn album_words(album: &str) -> Vec<String> {
    let mut all = words(album);
    if let [.., kind, number] = &all[..]
        && is_disc(kind)
        && all.len() > 2
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        all.truncate(all.len() - 2);
    }
    all
}

fn is_disc(word: &str) -> bool {
    matches!(word, "cd" | "disc" | "disk" | "dvd" | "lp")
}

/// The folder of the file's album: its own, or the one above that of a single disc.
fn folder_of_album(path: &str) -> &str {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let name = folder.rsplit('/').next().unwrap_or("");
    let letters: String = words(name).concat();
    let digits = letters.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let is_a_disc = !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && is_disc(&letters[..letters.len() - digits.len()]);
    if is_a_disc { folder.rsplit_once('/').map_or("", |(above, _)| above) } else { folder }
}

/// Files with the same recording.
#[derive(Default)]
struct Recordings {
    by_id: FxHashMap<String, Vec<u32>>,
    by_text: FxHashMap<(i64, String), Vec<u32>>,
}

impl Recordings {
    fn note(&mut self, number: u32, file: &File, track: &Track) {
        for id in &file.mb_recordings {
            self.by_id.entry((*id).to_owned()).or_default().push(number);
        }
        let title = title_key(file.title);
        if !title.is_empty() && !is_common_title(&title) && file.duration.is_some() {
            for &artist in &track.artists {
                self.by_text.entry((artist, title.clone())).or_default().push(number);
            }
        }
    }

    /// Groups of two or more files, each file in at most one.
    fn groups(self, wanted: &[Wanted]) -> Vec<Vec<u32>> {
        let mut parents: Vec<u32> = (0..wanted.len() as u32).collect();
        fn root(parents: &mut [u32], mut at: u32) -> u32 {
            while parents[at as usize] != at {
                parents[at as usize] = parents[parents[at as usize] as usize];
                at = parents[at as usize];
            }
            at
        }
        let mut join = |a: u32, b: u32| {
            let (a, b) = (root(&mut parents, a), root(&mut parents, b));
            parents[a.max(b) as usize] = a.min(b);
        };
        for numbers in self.by_id.into_values() {
            numbers.windows(2).for_each(|pair| join(pair[0], pair[1]));
        }
        let duration = |number: u32| wanted[number as usize].duration.unwrap_or(0.0);
        for mut numbers in self.by_text.into_values() {
            numbers.sort_by(|&a, &b| duration(a).total_cmp(&duration(b)));
            // All of a group are near its shortest; a longer one begins the next group.
            let mut first = numbers[0];
            for &next in &numbers[1..] {
                if duration(next) - duration(first) <= (duration(first) * 0.02).clamp(1.0, 5.0) {
                    join(first, next);
                } else {
                    first = next;
                }
            }
        }
        let mut groups: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for number in 0..wanted.len() as u32 {
            groups.entry(root(&mut parents, number)).or_default().push(number);
        }
        groups.into_values().filter(|group| group.len() > 1).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discs_belong_to_their_album() {
        assert_eq!(album_words("Album (Disc 2)"), album_words("Album [CD1]".replace("CD1", "CD 1").as_str()));
        assert_eq!(album_words("CD 1"), ["cd", "1"]);
        assert_eq!(folder_of_album("a/Album/CD 1/x.mp3"), "a/Album");
        assert_eq!(folder_of_album("a/Album/x.mp3"), "a/Album");
        assert_eq!(folder_of_album("x.mp3"), "");
    }
}
