//! Any collection, as a CSV file with a header: `path,split,labels`, in any order, other columns allowed.
//!
//! - `path`: the file, in the folder of audio;
//! - `split`: `train`, `validation` or `test`; or, in its place, `fold`: any names of at least three folds, each of which
//!   is tested once (the one after it, in the order of their names, is then for validation);
//! - `labels`: the track's labels, separated by `|`; may be empty. In its place, columns `target:NAME` hold numbers to
//!   predict.

use std::path::Path;

use super::text::{Form, Row, column, part, rows, wrong};
use super::{Builder, Dataset, Labelling, Said};
use crate::error::{Error, Result};
use crate::splits::Part;

/// The separator of labels.
pub const SEPARATOR: char = '|';
/// The beginning of the names of columns with targets.
pub const TARGET: &str = "target:";

/// Reads a CSV file; the data set is named by the file's stem. If `labelling` is `None`, a file in which each track has
/// exactly one label is single-label.
///
/// # Errors
/// If the file is missing or damaged; the error has the file, the line and the reason.
pub fn read(file: &Path, labelling: Option<Labelling>) -> Result<Dataset> {
    let rows = rows(file, Form::Commas)?;
    let (header, rows) = rows.split_first().ok_or_else(|| Error::format(file, "it is empty"))?;
    let path = column(file, header, "path")?;
    let place = |name: &str| header.fields.iter().position(|field| field.trim() == name);
    let fold = match (place("split"), place("fold")) {
        (Some(_), Some(_)) => {
            return Err(wrong(file, header.line, "both `split` and `fold`; one of them is needed"));
        }
        (None, fold) => fold,
        (Some(_), None) => None,
    };
    // The error of neither names the usual column.
    let split = if fold.is_some() { path } else { column(file, header, "split")? };
    let targets: Vec<(usize, String)> = header
        .fields
        .iter()
        .enumerate()
        .filter_map(|(at, field)| Some((at, field.trim().strip_prefix(TARGET)?.trim().to_owned())))
        .collect();
    let labels = if targets.is_empty() { Some(column(file, header, "labels")?) } else { place("labels") };
    if !targets.is_empty() && (labels.is_some() || labelling.is_some()) {
        return Err(wrong(file, header.line, "targets and labels exclude each other"));
    }
    let folds = fold.map(|fold| folds(rows, fold));
    let mut builder = Builder::new();
    let mut single = true;
    for row in rows {
        row.check_length(file, header.fields.len())?;
        let (part, fold) = match (&folds, fold) {
            (Some(folds), Some(at)) => {
                let name = row.fields[at].trim();
                if name.is_empty() {
                    return Err(wrong(file, row.line, "a track without a fold"));
                }
                (Part::Train, folds.iter().position(|fold| fold == name))
            }
            _ => (part(file, row.line, &row.fields[split])?, None),
        };
        let names = labels.map_or("", |labels| row.fields[labels].as_str());
        let names = names.split(SEPARATOR).map(str::trim).filter(|name| !name.is_empty());
        let names: Vec<String> = names.map(str::to_owned).collect();
        single &= names.len() == 1;
        let mut values = Vec::with_capacity(targets.len());
        for (at, name) in &targets {
            let text = row.fields[*at].trim();
            values.push(
                text.parse()
                    .map_err(|_| wrong(file, row.line, format!("{text:?} for {name} is not a number")))?,
            );
        }
        let said = Said { names, values, fold, ..Said::default() };
        builder.add_said(file, row.line, vec![row.fields[path].trim().to_owned()], part, said)?;
    }
    let detected = if single { Labelling::Single } else { Labelling::Multi };
    let name = file.file_stem().map_or("csv".into(), |stem| stem.to_string_lossy());
    if !targets.is_empty() {
        let names = targets.into_iter().map(|(_, name)| name).collect();
        return builder.finish(&name, file, Labelling::Regression, names);
    }
    let classes = builder.classes();
    builder.finish(&name, file, labelling.unwrap_or(detected), classes)
}

/// The names of the folds: numbers by their size, then others by letters.
fn folds(rows: &[Row], at: usize) -> Vec<String> {
    let names = rows.iter().filter_map(|row| row.fields.get(at)).map(|name| name.trim().to_owned());
    let mut names: Vec<String> = names.filter(|name| !name.is_empty()).collect();
    names.sort_by_cached_key(|name| (name.parse::<u64>().unwrap_or(u64::MAX), name.clone()));
    names.dedup();
    names
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
    fn folds_and_targets_take_the_place_of_parts_and_labels() {
        let text = "path,fold,target:arousal,target: valence\n1,10,2.5,1\n2,2,3,-1\n3,b,1e-1,0\n4,2,4,5\n";
        let dataset = read_text(text, None);
        assert_eq!((dataset.labelling, dataset.folds, dataset.rounds()), (Labelling::Regression, 3, 3));
        assert_eq!(dataset.classes, ["arousal", "valence"]);
        assert_eq!(dataset.tracks[2].values, [0.1, 0.0]);
        // By number, then by name: 2, 10, b. The first is tested first, and the second validates.
        let folds: Vec<_> = dataset.tracks.iter().map(|track| track.fold.unwrap()).collect();
        assert_eq!(folds, [1, 0, 2, 0]);
        let parts = |round| {
            dataset.tracks.iter().map(|track| dataset.part_in(track, round).name()).collect::<Vec<_>>()
        };
        assert_eq!(parts(0), ["validation", "test", "train", "test"]);
        assert_eq!(parts(2), ["train", "validation", "test", "validation"]);
        assert_eq!(dataset.sizes(), [1, 1, 2]);
        for (text, reason) in [
            ("path,fold,labels\n1,1,a\n2,2,b\n", "2 folds; at least 3"),
            ("path,fold,labels\n1,1,a\n2,,b\n", "line 3: a track without a fold"),
            ("path,fold,split,labels\n1,1,train,a\n", "both `split` and `fold`"),
            ("path,split,target:x,labels\n1,train,2,a\n", "exclude each other"),
            ("path,split,target:x\n1,train,\n", "line 2: \"\" for x is not a number"),
            ("path,split,target:x\n1,train,inf\n", "line 2: the target inf is not finite"),
            ("path,labels\n1,a\n", "no column \"split\""),
        ] {
            let error = error_of(text.as_bytes(), |path| read(path, None));
            assert!(error.contains(reason), "{error} ({reason})");
        }
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
