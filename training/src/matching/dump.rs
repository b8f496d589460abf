//! Reads the tables of a dump release by release: every table is in the order of the dump, so they can be read in
//! parallel in constant memory.

use std::path::Path;

use arrow_array::Array;

use crate::discogs::tables::{RELEASE_ARTISTS, RELEASES, TRACK_ARTISTS, TRACKS};
use crate::error::{Error, Result};
use crate::table::{Rows, Table, TableReader};

/// A credited artist.
#[derive(Clone, Debug, Default)]
pub struct Credit {
    /// Discogs' artist id.
    pub artist: i64,
    /// Name.
    pub name: String,
    /// Name as printed, may be empty.
    pub printed: String,
}

/// A track with its own artists.
#[derive(Clone, Debug, Default)]
pub struct Track {
    /// Title.
    pub title: String,
    /// Duration in seconds, if known.
    pub duration: Option<i32>,
    /// Artists that replace the release's; empty if there are none.
    pub artists: Vec<Credit>,
    number: i32,
}

/// A release with its tracklist, without headings.
#[derive(Clone, Debug, Default)]
pub struct Release {
    /// Discogs' release id.
    pub id: i64,
    /// Title.
    pub title: String,
    /// Its master.
    pub master: Option<i64>,
    /// Its artists.
    pub artists: Vec<Credit>,
    /// Its tracks.
    pub tracks: Vec<Track>,
}

/// Calls `each` with every release of the tables in `folder`, and now and then `progress` with the number of releases
/// done and the total.
///
/// # Errors
/// If a table is missing, is not from a dump, or is not in the order of the releases.
pub fn for_each_release(
    folder: &Path,
    progress: &mut impl FnMut(u64, u64),
    mut each: impl FnMut(&Release),
) -> Result<()> {
    let mut artists = Child::open(folder, &RELEASE_ARTISTS, &["release_id", "artist_id", "name", "anv"])?;
    let mut tracks = Child::open(folder, &TRACKS, &["release_id", "track", "entry", "title", "duration_s"])?;
    let mut track_artists =
        Child::open(folder, &TRACK_ARTISTS, &["release_id", "track", "artist_id", "name", "anv"])?;
    let releases =
        TableReader::open(&RELEASES.path(folder), &RELEASES, &["release_id", "title", "master_id"])?;
    let count = releases.rows();
    let mut release = Release::default();
    let mut done = 0;
    for rows in releases {
        let rows = rows?;
        let (ids, titles, masters) = (rows.ids("release_id"), rows.texts("title"), rows.ids("master_id"));
        for row in 0..rows.len() {
            release.id = ids.value(row);
            titles.value(row).clone_into(&mut release.title);
            release.master = masters.is_valid(row).then(|| masters.value(row));
            release.artists.clear();
            release.tracks.clear();
            artists.each_of(release.id, |rows, row| release.artists.push(credit(rows, row)))?;
            tracks.each_of(release.id, |rows, row| {
                if rows.texts("entry").value(row) != "heading" {
                    let durations = rows.ints("duration_s");
                    release.tracks.push(Track {
                        title: rows.texts("title").value(row).to_owned(),
                        duration: durations.is_valid(row).then(|| durations.value(row)),
                        artists: Vec::new(),
                        number: rows.ints("track").value(row),
                    });
                }
            })?;
            track_artists.each_of(release.id, |rows, row| {
                let number = rows.ints("track").value(row);
                if let Ok(at) = release.tracks.binary_search_by_key(&number, |track| track.number) {
                    release.tracks[at].artists.push(credit(rows, row));
                }
            })?;
            each(&release);
        }
        done += rows.len() as u64;
        progress(done, count);
    }
    artists.end()?;
    tracks.end()?;
    track_artists.end()
}

fn credit(rows: &Rows, row: usize) -> Credit {
    Credit {
        artist: rows.ids("artist_id").value(row),
        name: rows.texts("name").value(row).to_owned(),
        printed: rows.texts("anv").value(row).to_owned(),
    }
}

/// A table whose rows belong to releases, read up to the current release.
struct Child {
    name: &'static str,
    path: std::path::PathBuf,
    reader: TableReader,
    rows: Option<Rows>,
    at: usize,
}

impl Child {
    fn open(folder: &Path, table: &'static Table, columns: &[&str]) -> Result<Self> {
        let path = table.path(folder);
        let reader = TableReader::open(&path, table, columns)?;
        Ok(Child { name: table.name, path, reader, rows: None, at: 0 })
    }

    /// Calls `each` with the next rows while they belong to `release`.
    fn each_of(&mut self, release: i64, mut each: impl FnMut(&Rows, usize)) -> Result<()> {
        loop {
            if let Some(rows) = &self.rows {
                let ids = rows.ids("release_id").values();
                while self.at < ids.len() {
                    if ids[self.at] != release {
                        return Ok(());
                    }
                    each(rows, self.at);
                    self.at += 1;
                }
            }
            self.rows = self.reader.next().transpose()?;
            self.at = 0;
            if self.rows.is_none() {
                return Ok(());
            }
        }
    }

    /// Checks that no rows are left: these would belong to releases in another order, or to another dump.
    fn end(&mut self) -> Result<()> {
        if self.rows.as_ref().is_some_and(|rows| self.at < rows.len()) || self.reader.next().is_some() {
            let reason = format!("{} does not follow the order of releases.parquet beside it", self.name);
            return Err(Error::format(&self.path, reason));
        }
        Ok(())
    }
}
