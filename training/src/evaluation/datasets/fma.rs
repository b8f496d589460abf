//! FMA-small (Defferrard et al., 2017): `fma_metadata/tracks.csv`, 8,000 tracks of eight genres and the authors' split.
//!
//! The table has three header rows, `,set,set,...`, `,split,subset,...` and `track_id,,,`, and quoted fields with
//! commas, quotes and line breaks. Track 2 is `000/000002.mp3`: the id in six digits, in a folder named by the first
//! three.

use std::path::Path;

use super::text::{Form, Row, part, rows, wrong};
use super::{Builder, Dataset, Known, Labelling};
use crate::error::{Error, Result};

/// The rows before the first track.
const HEADERS: usize = 3;

/// Reads `tracks.csv`, or the folder that contains it.
///
/// # Errors
/// If the file is missing or damaged; the error has the file, the line and the reason.
pub fn read(metadata: &Path) -> Result<Dataset> {
    let inside = metadata.join("tracks.csv");
    let file = if metadata.is_dir() { &inside } else { metadata };
    let rows = rows(file, Form::Commas)?;
    let Some((headers @ [groups, names, ids], rows)) = rows.split_first_chunk::<HEADERS>() else {
        return Err(Error::format(file, "it ends within its three header rows"));
    };
    for header in headers {
        header.check_length(file, groups.fields.len())?;
    }
    if ids.fields.first().map(|field| field.trim()) != Some("track_id") {
        return Err(wrong(file, ids.line, "the third row does not begin with track_id"));
    }
    let column = |group: &str, name: &str| {
        let mut columns = groups.fields.iter().zip(&names.fields);
        let found = columns.position(|(of, called)| of.trim() == group && called.trim() == name);
        found.ok_or_else(|| wrong(file, groups.line, format!("no column ({group}, {name})")))
    };
    let (split, subset, genre) =
        (column("set", "split")?, column("set", "subset")?, column("track", "genre_top")?);
    let mut builder = Builder::new();
    for row in rows {
        row.check_length(file, groups.fields.len())?;
        let id = track(file, row)?;
        match row.fields[subset].trim() {
            "small" => {}
            "medium" | "large" | "full" | "" => continue,
            other => return Err(wrong(file, row.line, format!("{other:?} is not a subset"))),
        }
        let genre = row.fields[genre].trim();
        if genre.is_empty() {
            return Err(wrong(file, row.line, "a track of FMA-small without a genre"));
        }
        let part = part(file, row.line, &row.fields[split])?;
        let path = format!("{:03}/{id:06}.mp3", id / 1000);
        builder.add(file, row.line, vec![path], part, vec![genre.to_owned()])?;
    }
    let classes = builder.classes();
    builder.finish(Known::FmaSmall.name(), file, Labelling::Single, classes)
}

fn track(file: &Path, row: &Row) -> Result<u32> {
    let id = row.fields[0].trim();
    let number = id.parse().ok().filter(|number| *number < 1_000_000);
    number.ok_or_else(|| {
        wrong(file, row.line, format!("{id:?} is not a track id (a number of up to six digits)"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::error_of;
    use super::*;

    const HEADER: &str =
        ",album,set,set,track,track\n,comments,split,subset,genre_top,title\ntrack_id,,,,,\n";

    const ROWS: &str = "2,0,training,small,Hip-Hop,Food\n\
        3,0,training,medium,Rock,\"Electric, \"\"Ave\"\"\n(live)\"\n\
        5,\"a\nb\",training,small,Rock,This World\n\
        134,0,validation,small,Hip-Hop,\n\
        20,0,training,large,,Spiritual Level\n\
        155320,0,test,small,Rock,Film\n";

    #[test]
    fn the_rows_of_the_small_subset_are_read() {
        for text in [format!("{HEADER}{ROWS}"), format!("\u{feff}{HEADER}{ROWS}").replace('\n', "\r\n")] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("tracks.csv"), text).unwrap();
            let dataset = read(folder.path()).unwrap();
            assert_eq!((dataset.labelling, dataset.sizes()), (Labelling::Single, [2, 1, 1]));
            assert_eq!(dataset.classes, ["Hip-Hop", "Rock"]);
            let paths: Vec<&str> = dataset.tracks.iter().map(|track| track.paths[0].as_str()).collect();
            assert_eq!(paths, ["000/000002.mp3", "000/000005.mp3", "000/000134.mp3", "155/155320.mp3"]);
            let labels: Vec<u32> = dataset.tracks.iter().map(|track| track.labels[0]).collect();
            assert_eq!(labels, [0, 1, 0, 1]);
        }
    }

    #[test]
    fn damage_is_named_with_file_and_line() {
        let whole = format!("{HEADER}{ROWS}");
        for (text, reason) in [
            (whole.replace("\n2,", "\ntwo,"), "line 4: \"two\" is not a track id"),
            (whole.replace("\n2,", "\n2000000,"), "line 4: \"2000000\" is not a track id"),
            // After a title with a line break, line numbers are still those of a text editor.
            (whole.replace("\n134,0,", "\n134,"), "line 9: 5 fields, not 6"),
            (whole.replace("134,0,validation", "134,0,evaluation"), "line 9: \"evaluation\" is not a part"),
            (whole.replace("test,small", "test,tiny"), "\"tiny\" is not a subset"),
            (
                whole.replace("small,Rock,Film", "small,,Film"),
                "line 11: a track of FMA-small without a genre",
            ),
            (whole.replace("small,Rock,Film", "small,Polka,Film"), "line 11: unknown label \"Polka\""),
            (whole.replace(",genre_top", ",genre"), "line 1: no column (track, genre_top)"),
            (whole.replace("track_id", "id"), "line 3: the third row does not begin with track_id"),
            (whole.replace("Film", "\"Film"), "line 11: quotes are opened here"),
            (whole.replace("(live)\"", "(live)"), "line "),
            (whole.replace("\n5,", "\n2,"), "is already on line 4"),
            (HEADER[..40].to_owned(), "it ends within its three"),
            (String::new(), "it is empty"),
            (HEADER.to_owned(), "it has no train tracks"),
        ] {
            let error = error_of(text.as_bytes(), read);
            assert!(error.contains(reason), "{error} ({reason})");
        }
        let empty = tempfile::tempdir().unwrap();
        assert!(read(empty.path()).unwrap_err().to_string().contains("tracks.csv"));
    }
}
