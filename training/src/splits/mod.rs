//! Splits matched tracks into training, validation and test without an artist in common (section 4.1 of the paper).
//!
//! This module reads and writes the tables; `division` assigns the tracks, and `given` takes their parts from a table.

mod division;
mod given;

use std::path::{Path, PathBuf};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::error::{Error, Result};
use crate::matching::tables::{LINKED_STYLES, MATCHED};
use crate::stale;
use crate::table::Type::{Float, Id, Ids, Int, Ints, Text, Word, Words};
use crate::table::{Builder, Cell, Table, TableReader, TableWriter, column, optional, write_table};
use division::{Data, Division, Track};

/// One part of the data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// For training.
    Train,
    /// For choosing the epoch and the learning rate.
    Validation,
    /// For the evaluation.
    Test,
}

impl Part {
    /// All three.
    pub const ALL: [Part; 3] = [Part::Train, Part::Validation, Part::Test];

    /// Its name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Validation => "validation",
            Part::Test => "test",
        }
    }

    /// The part with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Part::ALL.into_iter().find(|part| part.name() == name)
    }
}

/// One row per track of the data set.
pub static SPLIT: Table = Table {
    name: "split",
    row: "a track of the data set, in the order of paths",
    columns: &[
        column("track", Id, "number of the row, from 0: what tables of pairs refer to"),
        column("path", Text, "path inside the collection"),
        column("sha256", Text, "SHA-256 of the file's audio"),
        column("size", Id, "size of the file in bytes, as `scan` saw it"),
        column("modified_ns", Id, "time of its last change, in nanoseconds since 1970, as `scan` saw it"),
        optional("duration_s", Float, "duration of the file in seconds"),
        column("part", Word, "`train`, `validation` or `test`"),
        column("releases", Ids, "releases that hold the track"),
        column("versions", Ids, "other versions of those releases' masters"),
        column("artists", Ids, "artists over all those releases and masters"),
        column("labels", Ids, "labels over all those releases and versions"),
        column(
            "styles",
            Words,
            "styles over all those releases, versions and masters, among the chosen ones",
        ),
        column("genres", Words, "genres over all those releases, versions and masters"),
        column("years", Ints, "years over all those releases, versions and masters"),
    ],
};

/// One row per chosen style.
pub static STYLES: Table = Table {
    name: "styles",
    row: "a chosen style, the most frequent first",
    columns: &[
        column("style", Text, "the style"),
        column("tracks", Id, "tracks with it, before anything was dropped"),
        column("train_releases", Int, "its releases in training"),
        column("validation_releases", Int, "its releases in validation"),
        column("test_releases", Int, "its releases in test"),
    ],
};

/// What no two parts have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apart {
    /// An artist, as in the paper.
    Artists,
    /// An artist or a release: for collections so small that one release by several artists is a large share of a part.
    Releases,
}

/// One of several test parts that together cover the whole collection (cross-validation).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    /// Its number, from 1.
    pub index: usize,
    /// The number of folds.
    pub count: usize,
}

/// Every track, as the number of test tracks.
pub const ALL: usize = usize::MAX;

/// The options of a split.
#[derive(Clone, Debug)]
pub struct Options {
    /// What no two parts have in common.
    pub apart: Apart,
    /// If given, the test part is this fold of the collection, whatever its size; with the same seed, folds have no
    /// track in common.
    pub fold: Option<Fold>,
    /// The number of styles to choose, by their number of tracks; with 0, every track is kept, whatever its styles.
    pub styles: usize,
    /// Validation tracks.
    pub validation: usize,
    /// Test tracks; [`ALL`] for a test set alone, without training and validation.
    pub test: usize,
    /// Releases of every chosen style in validation and in test, if the data allow.
    pub releases: usize,
    /// Seed of the random choice.
    pub seed: u64,
    /// A CSV file with the parts, instead of a choice: columns `path` and `part`, or `fold_I` for the I-th fold. Tracks
    /// that it lacks are dropped; the sizes and the seed have no effect.
    pub parts: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            apart: Apart::Artists,
            fold: None,
            styles: 400,
            validation: 50_000,
            test: 50_000,
            releases: 50,
            seed: 0,
            parts: None,
        }
    }
}

/// The outcome of a split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Styles that were chosen.
    pub styles: usize,
    /// Tracks without any of them, which are dropped.
    pub without_style: u64,
    /// Tracks whose artists are in different parts, which are dropped.
    pub torn: u64,
    /// Tracks that the table of parts lacks, which are dropped.
    pub not_given: u64,
    /// Tracks of the last artists in validation and test beyond the requested size, which are dropped.
    pub surplus: u64,
    /// Tracks in each part.
    pub tracks: [u64; 3],
    /// Styles with fewer releases in validation than requested.
    pub poor_in_validation: usize,
    /// Styles with fewer releases in test than requested.
    pub poor_in_test: usize,
}

const COLUMNS: [&str; 12] = [
    "path",
    "sha256",
    "size",
    "modified_ns",
    "duration_s",
    "releases",
    "versions",
    "artists",
    "labels",
    "styles",
    "genres",
    "years",
];

/// Splits the matched tracks in `folder` and writes the tables `split` and `styles` to `out`, which may be the same.
/// Pairs there, of an earlier split, are removed: they refer to other rows. `progress` is called with the number of
/// tracks read and the total, in each of several passes.
///
/// # Errors
/// If there is nothing to split, no track is left for training, or a table cannot be read or written.
pub fn split(
    folder: &Path,
    out: &Path,
    options: &Options,
    mut progress: impl FnMut(u64, u64),
) -> Result<Report> {
    std::fs::create_dir_all(out).map_err(|error| Error::io(out, error))?;
    let data = Data::read(folder, options, &mut progress)?;
    let mut report = Report {
        styles: data.styles.len(),
        without_style: data.tracks.iter().filter(|track| track.is_none()).count() as u64,
        ..Report::default()
    };
    let (parts, surplus) = match &options.parts {
        Some(table) => (given::read(table, options, &data, &paths(folder)?)?, 0),
        None if options.test == ALL => {
            (data.tracks.iter().map(|track| track.as_ref().map(|_| Part::Test)).collect(), 0)
        }
        None => Division::new(&data, options).divide(options),
    };
    report.surplus = surplus as u64;
    let dropped = |(part, track): &(&Option<Part>, &Option<Track>)| part.is_none() && track.is_some();
    let dropped = parts.iter().zip(&data.tracks).filter(dropped).count() as u64 - report.surplus;
    (report.torn, report.not_given) = if options.parts.is_some() { (0, dropped) } else { (dropped, 0) };
    for part in parts.iter().flatten() {
        report.tracks[*part as usize] += 1;
    }
    // Unless that is what was asked for.
    let is_test_set = options.test == ALL || options.parts.is_some();
    if report.tracks[Part::Train as usize] == 0 && !is_test_set {
        return Err(nothing_to_learn(folder, &data, options, &report));
    }
    let counts = data.count_releases(&parts);
    let poor =
        |part: Part| counts[part as usize].iter().filter(|&&count| count < options.releases as u32).count();
    (report.poor_in_validation, report.poor_in_test) = (poor(Part::Validation), poor(Part::Test));
    let styles = style_rows(&data, &counts);
    let table = write_split(folder, out, &data, &parts, &mut progress)?.finish()?;
    stale::remove_pairs(out)?;
    table.persist()?;
    write_table(&STYLES.path(out), &STYLES, &styles)?;
    Ok(report)
}

/// The paths of the matched tracks.
fn paths(folder: &Path) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    for rows in TableReader::open(&MATCHED.path(folder), &MATCHED, &["path"])? {
        let rows = rows?;
        paths.extend((0..rows.len()).map(|row| rows.texts("path").value(row).to_owned()));
    }
    Ok(paths)
}

/// The error if validation and test leave no track for training.
fn nothing_to_learn(folder: &Path, data: &Data, options: &Options, report: &Report) -> Error {
    let &Options { validation, test, .. } = options;
    let [_, in_validation, in_test] = report.tracks;
    let wanted = match options.fold {
        Some(Fold { index, count }) => {
            format!("{validation} for validation and fold {index} of {count} for test")
        }
        None => format!("{validation} for validation and {test} for test"),
    };
    let reason = format!(
        "no track is left for training: of {} matched tracks, {} have no chosen style, {in_validation} are in validation, \
         {in_test} in test, {} have artists in different parts, {} were dropped to keep to the sizes; {wanted} were asked \
         for, so ask for fewer (--validation, --test), or keep every track (--styles 0)",
        data.tracks.len(),
        report.without_style,
        report.torn,
        report.surplus
    );
    Error::Nothing { path: MATCHED.path(folder), reason }
}

impl Data {
    fn read(folder: &Path, options: &Options, progress: &mut impl FnMut(u64, u64)) -> Result<Self> {
        let path = MATCHED.path(folder);
        let mut counts: FxHashMap<String, u64> = FxHashMap::default();
        let reader = TableReader::open(&path, &MATCHED, &["styles"])?;
        let (mut done, all) = (0, reader.rows());
        for rows in reader {
            let rows = rows?;
            done += rows.len() as u64;
            progress(done, all);
            for row in 0..rows.len() {
                for style in rows.word_list("styles", row) {
                    match counts.get_mut(style) {
                        Some(count) => *count += 1,
                        None => drop(counts.insert(style.to_owned(), 1)),
                    }
                }
            }
        }
        let mut styles: Vec<(String, u64)> = counts.into_iter().collect();
        styles.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let keep_all = options.styles == 0;
        styles.truncate(if keep_all {
            usize::from(u16::MAX)
        } else {
            options.styles.min(usize::from(u16::MAX))
        });
        if styles.is_empty() && !keep_all {
            let reason = format!(
                "none of its {all} tracks has a style, by which tracks are chosen; --styles 0 keeps every track"
            );
            return Err(Error::format(&path, reason));
        }
        let numbers: FxHashMap<&str, u16> =
            styles.iter().zip(0..).map(|(style, at)| (style.0.as_str(), at)).collect();
        let mut release_styles: FxHashMap<i64, Vec<u16>> = FxHashMap::default();
        let linked = LINKED_STYLES.path(folder);
        for rows in TableReader::open(&linked, &LINKED_STYLES, &["release_id", "style"])? {
            let rows = rows?;
            for row in 0..rows.len() {
                if let Some(&style) = numbers.get(rows.texts("style").value(row)) {
                    release_styles.entry(rows.ids("release_id").value(row)).or_default().push(style);
                }
            }
        }
        let mut tracks: Vec<Option<Track>> = Vec::new();
        let mut contents: Vec<(u128, u32)> = Vec::new();
        let columns = ["sha256", "releases", "versions", "artists", "styles"];
        for rows in TableReader::open(&path, &MATCHED, &columns)? {
            let rows = rows?;
            for row in 0..rows.len() {
                let chosen =
                    keep_all || rows.word_list("styles", row).any(|style| numbers.contains_key(style));
                contents.extend(
                    half_of_hash(rows.texts("sha256").value(row)).map(|half| (half, tracks.len() as u32)),
                );
                tracks.push(chosen.then(|| Track {
                    releases: [rows.id_list("releases", row), rows.id_list("versions", row)].concat(),
                    artists: rows.id_list("artists", row).to_vec(),
                    copies: None,
                }));
            }
            progress(tracks.len() as u64, all);
        }
        contents.sort_unstable();
        let groups = contents.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1);
        for (number, group) in (0..).zip(groups) {
            for &(_, track) in group {
                if let Some(track) = &mut tracks[track as usize] {
                    track.copies = Some(number);
                }
            }
        }
        Ok(Data { tracks, styles, release_styles })
    }
}

/// Half of a SHA-256 in hexadecimal, which identifies a recording well enough; `None` if the text is none.
pub(crate) fn half_of_hash(text: &str) -> Option<u128> {
    u128::from_str_radix(text.get(..32)?, 16).ok()
}

fn style_rows(data: &Data, counts: &[Vec<u32>; 3]) -> arrow_array::RecordBatch {
    let mut builder = Builder::new(&STYLES);
    for (at, (style, tracks)) in data.styles.iter().enumerate() {
        let count = |part: Part| Cell::Int(i32::try_from(counts[part as usize][at]).ok());
        builder.push([
            Cell::Text(style),
            Cell::Id(*tracks as i64),
            count(Part::Train),
            count(Part::Validation),
            count(Part::Test),
        ]);
    }
    builder.finish()
}

fn write_split(
    folder: &Path,
    out: &Path,
    data: &Data,
    parts: &[Option<Part>],
    progress: &mut impl FnMut(u64, u64),
) -> Result<TableWriter> {
    use arrow_array::Array;
    let chosen: FxHashSet<&str> = data.styles.iter().map(|(style, _)| style.as_str()).collect();
    let mut writer = TableWriter::create(&SPLIT.path(out), &SPLIT)?;
    let mut builder = Builder::new(&SPLIT);
    let (mut at, mut number) = (0, 0);
    for rows in TableReader::open(&MATCHED.path(folder), &MATCHED, &COLUMNS)? {
        let rows = rows?;
        for row in 0..rows.len() {
            at += 1;
            let Some(part) = parts[at - 1] else { continue };
            let styles: Vec<&str> =
                rows.word_list("styles", row).filter(|style| chosen.contains(style)).collect();
            let genres: Vec<&str> = rows.word_list("genres", row).collect();
            let durations = rows.floats("duration_s");
            builder.push([
                Cell::Id(number),
                Cell::Text(rows.texts("path").value(row)),
                Cell::Text(rows.texts("sha256").value(row)),
                Cell::Id(rows.ids("size").value(row)),
                Cell::Id(rows.ids("modified_ns").value(row)),
                Cell::Float(durations.is_valid(row).then(|| durations.value(row))),
                Cell::Text(part.name()),
                Cell::Ids(rows.id_list("releases", row)),
                Cell::Ids(rows.id_list("versions", row)),
                Cell::Ids(rows.id_list("artists", row)),
                Cell::Ids(rows.id_list("labels", row)),
                Cell::Words(&styles),
                Cell::Words(&genres),
                Cell::Ints(rows.int_list("years", row)),
            ]);
            number += 1;
        }
        writer.write(&builder.finish())?;
        progress(at as u64, parts.len() as u64);
    }
    Ok(writer)
}
