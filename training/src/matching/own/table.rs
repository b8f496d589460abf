//! Editorial metadata from anybody's table: Parquet, or CSV with a header, its columns between commas, semicolons or tabs.
//!
//! Columns: `path` (as in the scanned folder), and of `artists`, `releases`, `labels` and `styles` those that are known;
//! others are ignored. In CSV, lists are separated by `|`; in Parquet, they are lists or such texts. A path may have
//! several rows, which are pooled. Artists and labels are names or ids, compared like names; releases must be ids or
//! titles that only one release has, and are compared exactly.

use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rustc_hash::FxHashMap;

use super::super::listed::Listed;
use super::super::wanted::Index;
use super::{Report, Styles, Track, name_key, number, write};
use crate::csv_file::CsvFile;
use crate::discogs::{is_no_label, is_nobodys_name};
use crate::error::{Error, Result};

const COLUMNS: [&str; 5] = ["path", "artists", "releases", "labels", "styles"];

/// Writes the tables `matched`, `linked_styles` and `unmatched` into the folder `out`: the tracks of `collection`, which
/// `scan` has made, with the metadata that `table` has of them.
///
/// # Errors
/// If a table cannot be read or written; if `table` has no path, neither artists nor releases, or no path of the
/// collection.
pub fn from_table(collection: &Path, table: &Path, out: &Path) -> Result<Report> {
    let wanted = Index::read(collection, &Listed::default())?.tracks;
    let numbers: FxHashMap<&str, usize> =
        wanted.iter().enumerate().map(|(number, track)| (track.path.as_str(), number)).collect();
    let mut tracks: Vec<Option<Track>> = vec![None; wanted.len()];
    let (mut styles, mut strangers) = (Styles::default(), 0);
    for_each_row(table, |[path, artists, releases, labels, words]| {
        let [Some(path)] = &path[..] else {
            return Err(Error::format(table, "a row has no path, or several"));
        };
        let Some(&number_of_track) = numbers.get(path.trim_start_matches("./")) else {
            strangers += 1;
            return Ok(());
        };
        let track = tracks[number_of_track].get_or_insert_default();
        let texts = |cells: &'_ [Option<String>]| -> Vec<String> {
            cells
                .iter()
                .flatten()
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())
                .collect()
        };
        for name in texts(&artists).iter().filter(|name| !is_nobodys_name(name)) {
            track.artists.insert(number("artist", &name_key(name)));
        }
        for release in texts(&releases) {
            track.releases.insert(number("release", &release));
        }
        for label in texts(&labels).iter().filter(|label| !is_no_label(1, label)) {
            track.labels.insert(number("label", &name_key(label)));
        }
        for style in texts(&words) {
            track.styles.extend(styles.number(&style));
        }
        Ok(())
    })?;
    if tracks.iter().all(Option::is_none) {
        let reason = format!("none of its {strangers} paths is in {}", collection.display());
        return Err(Error::Nothing { path: table.to_owned(), reason });
    }
    // A row says what its track has; that is not said of the other tracks of its releases.
    let of_releases = |track: &Option<Track>| {
        let track = track.clone().unwrap_or_default();
        Track { releases: track.releases, styles: track.styles, ..Track::default() }
    };
    let own: Vec<Track> = tracks.iter().map(of_releases).collect();
    let tracks: Vec<Result<Track, &str>> = tracks
        .into_iter()
        .map(|track| match track {
            Some(track) if track.is_empty() => Err("no artist or release"),
            Some(track) => Ok(track),
            None => Err("no row"),
        })
        .collect();
    let report = write(&wanted, &tracks, &own, &styles, "table", out)?;
    Ok(Report { strangers, ..report })
}

/// The cells of a row, one list for each of [`COLUMNS`].
type Cells = [Vec<Option<String>>; 5];

fn for_each_row(table: &Path, each: impl FnMut(Cells) -> Result<()>) -> Result<()> {
    let ending = table.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        "parquet" => for_each_of_parquet(table, each),
        "csv" | "tsv" => for_each_of_csv(table, each),
        _ => Err(Error::format(table, "neither .csv, .tsv nor .parquet")),
    }
}

fn check(table: &Path, has: impl Fn(&str) -> bool) -> Result<()> {
    if !has("path") {
        return Err(Error::format(table, "no column `path`"));
    }
    if !has("artists") && !has("releases") {
        return Err(Error::format(table, "neither a column `artists` nor `releases`"));
    }
    Ok(())
}

fn for_each_of_csv(table: &Path, mut each: impl FnMut(Cells) -> Result<()>) -> Result<()> {
    let mut file = CsvFile::open(table)?;
    file.column("path")?;
    check(table, |name| file.find(name).is_some())?;
    let places = COLUMNS.map(|name| file.find(name));
    for row in file.rows() {
        let row = row?;
        let cell = |place: Option<usize>| place.and_then(|place| row.get(place)).unwrap_or("");
        let mut cells: Cells =
            places.map(|place| cell(place).split('|').map(|text| Some(text.to_owned())).collect());
        // A path may contain the mark.
        cells[0] = vec![Some(cell(places[0]).to_owned())];
        each(cells)?;
    }
    Ok(())
}

fn for_each_of_parquet(table: &Path, mut each: impl FnMut(Cells) -> Result<()>) -> Result<()> {
    let wrong = |reason: String| Error::format(table, reason);
    let file = File::open(table).map_err(|error| Error::io(table, error))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| wrong(error.to_string()))?;
    check(table, |name| reader.schema().field_with_name(name).is_ok())?;
    for batch in reader.build().map_err(|error| wrong(error.to_string()))? {
        let batch = batch.map_err(|error| wrong(error.to_string()))?;
        for row in 0..batch.num_rows() {
            let mut cells = Cells::default();
            for (cell, name) in cells.iter_mut().zip(COLUMNS) {
                let Some(column) = batch.column_by_name(name) else { continue };
                let texts = texts_at(column, row).ok_or_else(|| {
                    wrong(format!("column {name} is {}, not texts or ids", column.data_type()))
                })?;
                *cell = match (&texts[..], name) {
                    ([Some(text)], "artists" | "releases" | "labels" | "styles") => {
                        text.split('|').map(|text| Some(text.to_owned())).collect()
                    }
                    _ => texts,
                };
            }
            each(cells)?;
        }
    }
    Ok(())
}

/// The texts of a cell, which may be a text, an id, or a list of these.
fn texts_at(column: &ArrayRef, row: usize) -> Option<Vec<Option<String>>> {
    if column.is_null(row) {
        return Some(Vec::new());
    }
    let one = |text: String| Some(vec![Some(text)]);
    let of = |list: ArrayRef| {
        let texts: Option<Vec<_>> = (0..list.len()).map(|at| texts_at(&list, at)).collect();
        Some(texts?.into_iter().flatten().collect())
    };
    match column.data_type() {
        DataType::Utf8 => one(column.as_string::<i32>().value(row).to_owned()),
        DataType::LargeUtf8 => one(column.as_string::<i64>().value(row).to_owned()),
        DataType::Utf8View => one(column.as_string_view().value(row).to_owned()),
        DataType::Int64 => one(column.as_primitive::<Int64Type>().value(row).to_string()),
        DataType::Int32 => one(column.as_primitive::<Int32Type>().value(row).to_string()),
        DataType::List(_) => of(column.as_list::<i32>().value(row)),
        DataType::LargeList(_) => of(column.as_list::<i64>().value(row)),
        _ => None,
    }
}
