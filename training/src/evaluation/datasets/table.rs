//! Any collection, as a CSV file with a header: `path,split,labels`, in any order, other columns allowed.
//!
//! - `path`: the file, in the folder of audio;
//! - `split`: `train`, `validation` or `test`;
//! - `labels`: the track's labels, separated by `|`; may be empty.

use std::path::Path;

use super::text::{Form, column, part, rows};
use super::{Builder, Dataset, Labelling};
use crate::error::{Error, Result};

/// The separator of labels.
pub const SEPARATOR: char = '|';

/// Reads a CSV file; the data set is named by the file's stem. If `labelling` is `None`, a file in which each track has
/// exactly one label is single-label.
///
/// # Errors
/// If the file is missing or damaged; the error has the file, the line and the reason.
pub fn read(file: &Path, labelling: Option<Labelling>) -> Result<Dataset> {
    let rows = rows(file, Form::Commas)?;
    let (header, rows) = rows.split_first().ok_or_else(|| Error::format(file, "it is empty"))?;
    let [path, split, labels] = ["path", "split", "labels"].map(|name| column(file, header, name));
    let (path, split, labels) = (path?, split?, labels?);
    let mut builder = Builder::new();
    let mut single = true;
    for row in rows {
        row.check_length(file, header.fields.len())?;
        let part = part(file, row.line, &row.fields[split])?;
        let names = row.fields[labels].split(SEPARATOR).map(str::trim).filter(|name| !name.is_empty());
        let names: Vec<String> = names.map(str::to_owned).collect();
        single &= names.len() == 1;
        builder.add(file, row.line, vec![row.fields[path].trim().to_owned()], part, names)?;
    }
    let detected = if single { Labelling::Single } else { Labelling::Multi };
    let name = file.file_stem().map_or("csv".into(), |stem| stem.to_string_lossy());
    let classes = builder.classes();
    builder.finish(&name, file, labelling.unwrap_or(detected), classes)
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::error_of;
    use super::*;

    const ROWS: &str = "year,labels,path,split\n1999,jazz|slow,a/1.ogg,train\n,slow,\"a/2, live.ogg\",Train\n\
        2001,,3.ogg,validation\n2002, jazz | jazz ,4.ogg,test\n";

    fn read_text(text: &str, labelling: Option<Labelling>) -> Dataset {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my music.csv");
        std::fs::write(&path, text).unwrap();
        read(&path, labelling).unwrap()
    }

    #[test]
    fn columns_may_stand_in_any_order() {
        let dataset = read_text(ROWS, None);
        assert_eq!((dataset.name.as_str(), dataset.labelling), ("my music", Labelling::Multi));
        assert_eq!((dataset.classes.len(), dataset.sizes()), (2, [2, 1, 1]));
        let labels: Vec<_> = dataset.tracks.iter().map(|track| track.labels.clone()).collect();
        assert_eq!(labels, [vec![0, 1], vec![1], vec![], vec![0]]);
        assert_eq!(dataset.tracks[1].paths, ["a/2, live.ogg"]);
    }

    #[test]
    fn one_label_each_makes_classes_unless_told_otherwise() {
        let text = "path,split,labels\n1,train,a\n2,train,b\n3,val,a\n4,test,b\n";
        assert_eq!(read_text(text, None).labelling, Labelling::Single);
        assert_eq!(read_text(text, Some(Labelling::Multi)).labelling, Labelling::Multi);
        let error = error_of(ROWS.as_bytes(), |path| read(path, Some(Labelling::Single)));
        assert_eq!(error, "line 2: 2 labels; each track must have one");
    }

    #[test]
    fn damage_is_named_with_file_and_line() {
        for (text, reason) in [
            (ROWS.replace("split\n", "part\n"), "line 1: no column \"split\""),
            (ROWS.replace("3.ogg,validation", "3.ogg"), "line 4: 3 fields, not 4"),
            (ROWS.replace("3.ogg,validation", "3.ogg,later"), "line 4: \"later\" is not a part"),
            (ROWS.replace("3.ogg", "/3.ogg"), "line 4: \"/3.ogg\" is not a path"),
            (ROWS.replace("3.ogg", ""), "line 4: \"\" is not a path"),
            (ROWS.replace("3.ogg", "4.ogg"), "line 5: \"4.ogg\" is already on line 4"),
            (ROWS.replace("jazz | jazz", "polka"), "line 5: unknown label \"polka\""),
            (ROWS.replace("2002,", "\"2002,"), "line 5: quotes are opened here"),
            (ROWS.replace("jazz", "").replace("slow", "").replace('|', ""), "too few labels"),
            (String::new(), "it is empty"),
        ] {
            let error = error_of(text.as_bytes(), |path| read(path, None));
            assert!(error.contains(reason), "{error} ({reason})");
        }
    }
}
