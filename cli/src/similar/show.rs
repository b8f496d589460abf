//! Tracks on standard output, as lines or JSON.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;
use sleeve::similarity::{DuplicateGroup, Library, Match};
use sleeve_files::names::{escaped, shown};

use super::args::ListArgs;
use super::lists;
use crate::terminal::{note, print};

/// A track in JSON. Keys are never renamed or removed.
#[derive(Serialize)]
struct Shown<'a> {
    /// What is not UTF-8 in it is replaced; `uri` has it all.
    path: String,
    uri: String,
    cosine: f32,
    seconds: f64,
    artist: &'a str,
    album_artist: &'a str,
    album: &'a str,
    title: &'a str,
    label: &'a str,
    genre: &'a str,
    year: Option<i32>,
    /// The path of the track that it is a near-duplicate of.
    duplicate_of: Option<String>,
}

impl<'a> Shown<'a> {
    fn new(library: &'a Library, found: &Match) -> Self {
        let (track, file) = (library.track(found.track), library.file(found.track));
        let text = |path: &Path| path.to_string_lossy().into_owned();
        Shown {
            path: text(&file),
            uri: lists::uri(&file),
            cosine: found.cosine,
            seconds: track.seconds,
            artist: track.artist,
            album_artist: track.album_artist,
            album: track.album,
            title: track.title,
            label: track.label,
            genre: track.genre,
            year: track.year,
            duplicate_of: found.duplicate_of.map(|other| text(&library.file(other))),
        }
    }
}

/// Prints one line of JSON: an object with the library's path and the keys of `value`.
pub fn json(library: &Path, value: &impl Serialize) -> Result<()> {
    #[derive(Serialize)]
    struct Line<'a, T> {
        library: String,
        #[serde(flatten)]
        value: &'a T,
    }
    let line = Line { library: library.to_string_lossy().into_owned(), value };
    print(&format!("{}\n", serde_json::to_string(&line)?))
}

/// Prints tracks and writes playlists of them, which begin with `before`.
pub fn tracks(
    library: &Library,
    found: &[Match],
    before: impl IntoIterator<Item = usize>,
    args: &ListArgs,
) -> Result<ExitCode> {
    if args.json {
        #[derive(Serialize)]
        struct Tracks<'a> {
            tracks: Vec<Shown<'a>>,
        }
        let tracks = found.iter().map(|found| Shown::new(library, found)).collect();
        json(library.path(), &Tracks { tracks })?;
    } else {
        for found in found {
            let mark = if found.duplicate_of.is_some() { "  (duplicate)" } else { "" };
            print(&format!("{}{mark}\n", line(library, found)))?;
        }
    }
    let entries: Vec<usize> = before.into_iter().chain(found.iter().map(|found| found.track)).collect();
    for (out, write) in [(&args.m3u, lists::write_m3u as lists::Write), (&args.xspf, lists::write_xspf)] {
        if let Some(out) = out {
            write(out, library, &entries, !args.absolute)?;
            note(format_args!("{}: {} tracks", shown(out), entries.len()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(library: &Library, found: &Match) -> String {
    let seconds = library.track(found.track).seconds;
    format!("{:.3}  {:>7}  {}", found.cosine, clock(seconds), shown(library.file(found.track)))
}

/// Prints groups of near-duplicates.
pub fn groups(library: &Library, groups: &[DuplicateGroup], as_json: bool) -> Result<ExitCode> {
    if as_json {
        #[derive(Serialize)]
        struct Groups<'a> {
            groups: Vec<Group<'a>>,
        }
        #[derive(Serialize)]
        struct Group<'a> {
            /// The lowest cosine of the first track with another one.
            cosine: f32,
            tracks: Vec<Shown<'a>>,
        }
        let groups = groups.iter().map(|group| Group {
            cosine: group.cosine,
            tracks: matches(library, group).iter().map(|found| Shown::new(library, found)).collect(),
        });
        json(library.path(), &Groups { groups: groups.collect() })?;
        return Ok(ExitCode::SUCCESS);
    }
    for (number, group) in groups.iter().enumerate() {
        if number > 0 {
            print("\n")?;
        }
        for found in matches(library, group) {
            print(&format!("{}\n", line(library, &found)))?;
        }
    }
    let tracks: usize = groups.iter().map(|group| group.tracks.len()).sum();
    note(format_args!("{}: {} groups of {tracks} tracks", shown(library.path()), groups.len()));
    Ok(ExitCode::SUCCESS)
}

/// The tracks of a group with their cosines to the first.
fn matches(library: &Library, group: &DuplicateGroup) -> Vec<Match> {
    let first = group.tracks[0];
    group.tracks.iter().map(|&track| Match::new(track, library.cosine(first, track))).collect()
}

/// `3:25`, `1:02:03`.
pub fn clock(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole / 3600 {
        0 => format!("{}:{:02}", whole / 60, whole % 60),
        hours => format!("{hours}:{:02}:{:02}", whole / 60 % 60, whole % 60),
    }
}

/// A line of a table: a name and what there is of it.
pub fn row(name: &str, value: impl std::fmt::Display) -> Result<()> {
    print(&format!("{name:<12} {}\n", escaped(&value.to_string())))
}
