//! MagnaTagATune (Law et al., 2009), in its two usual forms.
//!
//! The authors' form: `annotations_final.csv`, separated by tabs, with `clip_id`, a column of 0 and 1 for each of 188
//! tags, and `mp3_path`. The 50 most frequent tags are the classes. The first folder of a clip's path gives its part,
//! training (`0` to `b`), validation (`c`) or test (`d` to `f`), 12 : 1 : 3. Clips without any of the tags are kept.
//!
//! The other form: `index_mtt.tsv` (`id<TAB>path`) with `{train,val,test}_gt_mtt.tsv` (`id<TAB>[0.0, 1.0, ...]`), which
//! give split and tags, but not the tags' names.

use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;

use super::text::{Form, Row, column, part, rows, wrong};
use super::{Builder, Dataset, Known, Labelling};
use crate::error::{Error, Result};
use crate::splits::Part;

/// The number of tags that are used.
const TOP: usize = 50;

/// Reads `annotations_final.csv`, a folder that contains it, or a folder with `index_mtt.tsv` and its tables.
///
/// # Errors
/// If a file is missing or damaged; the error has the file, the line and the reason.
pub fn read(metadata: &Path) -> Result<Dataset> {
    if !metadata.is_dir() {
        return annotations(metadata);
    }
    let (file, index) = (metadata.join("annotations_final.csv"), metadata.join("index_mtt.tsv"));
    match (file.exists(), index.exists()) {
        (true, _) => annotations(&file),
        (false, true) => indexed(metadata, &index),
        (false, false) => {
            Err(Error::format(metadata, "it contains neither annotations_final.csv nor index_mtt.tsv"))
        }
    }
}

fn annotations(file: &Path) -> Result<Dataset> {
    let rows = rows(file, Form::QuotedTabs)?;
    let (header, rows) = rows.split_first().ok_or_else(|| Error::format(file, "it is empty"))?;
    let (id, path) = (column(file, header, "clip_id")?, column(file, header, "mp3_path")?);
    let tags: Vec<usize> = (0..header.fields.len()).filter(|&at| at != id && at != path).collect();
    let mut counts = vec![0u64; header.fields.len()];
    for row in rows {
        row.check_length(file, header.fields.len())?;
        check_id(file, row, &row.fields[id])?;
        for &at in &tags {
            match row.fields[at].trim() {
                "0" => {}
                "1" => counts[at] += 1,
                other => {
                    let reason = format!("{other:?} for {:?} is neither 0 nor 1", header.fields[at]);
                    return Err(wrong(file, row.line, reason));
                }
            }
        }
    }
    // The most frequent first; ties in the order of the columns.
    let mut top = tags;
    top.sort_by_key(|&at| std::cmp::Reverse(counts[at]));
    top.truncate(TOP);
    top.retain(|&at| counts[at] > 0);
    let mut builder = Builder::new();
    for row in rows {
        let place = row.fields[path].trim();
        let part = partition(file, row, place)?;
        let names = top.iter().filter(|&&at| row.fields[at].trim() == "1");
        let names = names.map(|&at| header.fields[at].trim().to_owned()).collect();
        builder.add(file, row.line, vec![place.to_owned()], part, names)?;
    }
    let classes = top.iter().map(|&at| header.fields[at].trim().to_owned()).collect();
    builder.finish(Known::MagnaTagATune.name(), file, Labelling::Multi, classes)
}

/// The part, by the path's first folder.
fn partition(file: &Path, row: &Row, path: &str) -> Result<Part> {
    match path.split_once('/').map(|(folder, _)| folder) {
        Some("0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "a" | "b") => Ok(Part::Train),
        Some("c") => Ok(Part::Validation),
        Some("d" | "e" | "f") => Ok(Part::Test),
        _ => Err(wrong(file, row.line, format!("{path:?} is in none of the folders 0 to 9 and a to f"))),
    }
}

fn check_id(file: &Path, row: &Row, id: &str) -> Result<u64> {
    id.trim().parse().map_err(|_| wrong(file, row.line, format!("{id:?} is not a clip id (a number)")))
}

fn indexed(folder: &Path, index: &Path) -> Result<Dataset> {
    let mut paths: FxHashMap<u64, String> = FxHashMap::default();
    for row in rows(index, Form::Tabs)? {
        row.check_length(index, 2)?;
        let id = check_id(index, &row, &row.fields[0])?;
        if paths.insert(id, row.fields[1].trim().to_owned()).is_some() {
            return Err(wrong(index, row.line, format!("clip {id} occurs twice")));
        }
    }
    let mut builder = Builder::new();
    let mut width = None;
    for file in tables(folder)? {
        let stem = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let part = part(&file, 1, stem.strip_suffix(TABLE).unwrap_or(stem))?;
        for row in rows(&file, Form::Tabs)? {
            row.check_length(&file, 2)?;
            let id = check_id(&file, &row, &row.fields[0])?;
            let path = paths.get(&id);
            let path =
                path.ok_or_else(|| wrong(&file, row.line, format!("clip {id} is not in index_mtt.tsv")))?;
            let labels = truths(&row.fields[1]).map_err(|reason| wrong(&file, row.line, reason))?;
            if *width.get_or_insert(labels.len()) != labels.len() {
                let reason = format!("{} tags, not {}", labels.len(), width.unwrap_or(0));
                return Err(wrong(&file, row.line, reason));
            }
            let names = (0..labels.len()).filter(|&at| labels[at]).map(name).collect();
            builder.add(&file, row.line, vec![path.clone()], part, names)?;
        }
    }
    let classes = (0..width.unwrap_or(0)).map(name).collect();
    builder.finish(Known::MagnaTagATune.name(), folder, Labelling::Multi, classes)
}

/// The files do not have the names of the tags.
fn name(tag: usize) -> String {
    format!("tag {}", tag + 1)
}

const TABLE: &str = "_gt_mtt.tsv";

fn tables(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| Error::io(folder, error))? {
        let path = entry.map_err(|error| Error::io(folder, error))?.path();
        if path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(TABLE)) {
            files.push(path);
        }
    }
    files.sort_unstable();
    match files.is_empty() {
        true => Err(Error::format(folder, "it contains index_mtt.tsv, but not train_gt_mtt.tsv")),
        false => Ok(files),
    }
}

/// `[0.0, 1.0, ...]`.
fn truths(text: &str) -> Result<Vec<bool>, String> {
    let inside = text.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let inside = inside.ok_or_else(|| format!("{text:?} is not a list in brackets"))?;
    let truth = |number: &str| match number.trim().parse::<f64>() {
        Ok(0.0) => Ok(false),
        Ok(1.0) => Ok(true),
        _ => Err(format!("{:?} is neither 0 nor 1", number.trim())),
    };
    inside.split(',').map(truth).collect()
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::error_of;
    use super::*;

    /// A file as the authors write it, with three tags and one clip in each of the given folders.
    fn file(clips: &[(&str, [u8; 3])]) -> String {
        let mut text = "\"clip_id\"\t\"no voice\"\t\"singer\"\t\"duet\"\t\"mp3_path\"\n".to_owned();
        for (id, (folder, tags)) in clips.iter().enumerate() {
            let [a, b, c] = tags;
            let path = format!("{folder}/artist, \"\"live\"\"-{id}.mp3");
            text.push_str(&format!("\"{id}\"\t\"{a}\"\t\"{b}\"\t\"{c}\"\t\"{path}\"\n"));
        }
        text
    }

    const CLIPS: [(&str, [u8; 3]); 6] = [
        ("0", [1, 1, 0]),
        ("b", [0, 1, 0]),
        ("c", [0, 0, 0]),
        ("d", [1, 1, 0]),
        ("f", [0, 0, 0]),
        ("9", [0, 0, 0]),
    ];

    #[test]
    fn folders_decide_the_parts_and_counts_the_tags() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("annotations_final.csv");
        for text in [file(&CLIPS), format!("\u{feff}{}", file(&CLIPS).replace('\n', "\r\n"))] {
            std::fs::write(&path, text).unwrap();
            let dataset = read(folder.path()).unwrap();
            // The most frequent first; tags that no clip has are left out.
            assert_eq!(dataset.classes, ["singer", "no voice"]);
            assert_eq!(dataset.sizes(), [3, 1, 2]);
            assert_eq!(dataset.tracks[0].paths, ["0/artist, \"live\"-0.mp3"]);
            assert_eq!(dataset.tracks[0].labels, [0, 1]);
            // Clips without any of the tags are kept.
            assert_eq!(dataset.tracks[4].labels, [] as [u32; 0]);
            assert_eq!(read(&path).unwrap(), dataset);
        }
    }

    #[test]
    fn only_the_fifty_most_frequent_tags_are_told() {
        let names: Vec<String> = (0..188).map(|tag| format!("tag{tag}")).collect();
        let mut text = format!("clip_id\t{}\tmp3_path\n", names.join("\t"));
        // Tag t is on clips up to t, so the last tags are the most frequent.
        for clip in 0..188 {
            let tags: Vec<&str> = (0..188).map(|tag| if tag >= clip { "1" } else { "0" }).collect();
            text.push_str(&format!("{clip}\t{}\t{:x}/{clip}.mp3\n", tags.join("\t"), clip % 16));
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("annotations_final.csv"), text).unwrap();
        let dataset = read(folder.path()).unwrap();
        let expected: Vec<String> = (138..188).rev().map(|tag| format!("tag{tag}")).collect();
        assert_eq!(dataset.classes, expected);
        assert_eq!(dataset.tracks[150].labels, (0..38).collect::<Vec<u32>>());
    }

    #[test]
    fn damage_is_named_with_file_and_line() {
        let whole = file(&CLIPS);
        for (text, reason) in [
            (whole.replace("\"2\"\t", "\"two\"\t"), "line 4: \"two\" is not a clip id"),
            (whole.replace("\t\"c/", "\t\"x/"), "line 4: \"x/artist, \\\"live\\\"-2.mp3\" is in none"),
            (
                whole.replace("\"1\"\t\"0\"\t\"1\"", "\"1\"\t\"0\"\t\"2\""),
                "line 3: \"2\" for \"singer\" is neither",
            ),
            (whole.replace("mp3_path", "path"), "line 1: no column \"mp3_path\""),
            (whole.replace("\"4\"\t\"0\"", "\"4\""), "line 6: 4 fields, not 5"),
            (format!("{whole}\"7\t\"0\"\t\"0\"\t\"0\"\t\"0/a.mp3\"\n"), "line 8: "),
            (whole.replace("f/artist, \"\"live\"\"-4", "d/artist, \"\"live\"\"-3"), "is already on line 5"),
            (String::new(), "it is empty"),
            (file(&CLIPS[..3]), "it has no test tracks"),
        ] {
            let error = error_of(text.as_bytes(), read);
            assert!(error.contains(reason), "{error} ({reason})");
        }
        let empty = tempfile::tempdir().unwrap();
        assert!(read(empty.path()).unwrap_err().to_string().contains("neither annotations_final.csv nor"));
    }

    fn tables(index: &str, train: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("index_mtt.tsv", index);
        write("train_gt_mtt.tsv", train);
        write("val_gt_mtt.tsv", "12\t[0.0, 0.0, 1.0]\n");
        write("test_gt_mtt.tsv", "13\t[0.0, 1.0, 1.0]\r\n");
        folder
    }

    const INDEX: &str = "11\t0/a.mp3\n12\tc/b.mp3\n13\td/c.mp3\n14\t0/d.mp3\n";
    const TRAIN: &str = "11\t[1.0, 0.0, 0.0]\n14\t[0.0, 1.0, 1.0]\n";

    #[test]
    fn index_and_tables_go_together() {
        let dataset = read(tables(INDEX, TRAIN).path()).unwrap();
        assert_eq!(dataset.classes, ["tag 1", "tag 2", "tag 3"]);
        assert_eq!(dataset.sizes(), [2, 1, 1]);
        let test = dataset.part(Part::Test).next().unwrap();
        assert_eq!((test.paths[0].as_str(), &test.labels[..]), ("d/c.mp3", &[1, 2][..]));
    }

    #[test]
    fn damaged_tables_are_named() {
        for (index, train, reason) in [
            (
                INDEX.replace("11\t", "eleven\t"),
                TRAIN.into(),
                "index_mtt.tsv: line 1: \"eleven\" is not a clip id",
            ),
            (INDEX.replace("14\t", "11\t"), TRAIN.into(), "index_mtt.tsv: line 4: clip 11 occurs twice"),
            (
                INDEX.replace("14\t", "15\t"),
                TRAIN.into(),
                "train_gt_mtt.tsv: line 2: clip 14 is not in index_mtt.tsv",
            ),
            (
                INDEX.into(),
                TRAIN.replace("1.0]", "1.0"),
                "train_gt_mtt.tsv: line 2: \"[0.0, 1.0, 1.0\" is not a list",
            ),
            (
                INDEX.into(),
                TRAIN.replace("1.0]", "0.5]"),
                "train_gt_mtt.tsv: line 2: \"0.5\" is neither 0 nor 1",
            ),
            (INDEX.into(), TRAIN.replace(", 1.0]", "]"), "train_gt_mtt.tsv: line 2: 2 tags, not 3"),
            (INDEX.into(), TRAIN.replace('\t', " "), "train_gt_mtt.tsv: line 1: 1 fields, not 2"),
            (INDEX.into(), String::new(), "train_gt_mtt.tsv: it is empty"),
        ] {
            let error = read(tables(&index, &train).path()).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
