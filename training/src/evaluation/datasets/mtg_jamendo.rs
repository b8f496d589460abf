//! MTG-Jamendo (Bogdanov et al., 2019): `data/splits/split-0/autotagging_<task>-<part>.tsv` of its repository.
//!
//! A row is a track: `TRACK_ID ARTIST_ID ALBUM_ID PATH DURATION TAGS`, separated by tabs. Each further field is another
//! tag, such as `genre---rock`. Audio is in folders of two digits as `14/214.mp3`, or as `14/214.low.mp3`.

use std::path::{Path, PathBuf};

use super::text::{Form, column, rows, wrong};
use super::{Builder, Dataset, Known, Labelling};
use crate::error::{Error, Result};
use crate::splits::Part;

/// A choice of tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// 87 genres.
    Genre,
    /// 40 instruments.
    Instrument,
    /// 56 moods and themes.
    MoodTheme,
    /// The 50 most frequent tags of all kinds.
    Top50Tags,
}

impl Task {
    fn name(self) -> &'static str {
        match self {
            Task::Genre => "genre",
            Task::Instrument => "instrument",
            Task::MoodTheme => "moodtheme",
            Task::Top50Tags => "top50tags",
        }
    }

    /// The categories of its tags, the part before `---`.
    fn categories(self) -> &'static [&'static str] {
        match self {
            Task::Genre => &["genre"],
            Task::Instrument => &["instrument"],
            Task::MoodTheme => &["mood/theme"],
            Task::Top50Tags => &["genre", "instrument", "mood/theme"],
        }
    }
}

/// Reads the split in `folder`, or in `data/splits/split-0` inside it.
///
/// # Errors
/// If a file is missing or damaged; the error has the file, the line and the reason.
pub fn read(folder: &Path, task: Task) -> Result<Dataset> {
    let file = |folder: &Path, part: Part| -> PathBuf {
        folder.join(format!("autotagging_{}-{}.tsv", task.name(), part.name()))
    };
    let inside = folder.join("data/splits/split-0");
    let whole = !file(folder, Part::Train).exists() && file(&inside, Part::Train).exists();
    let folder = if whole { &inside } else { folder };
    let mut builder = Builder::new();
    for part in Part::ALL {
        read_part(&file(folder, part), part, task, &mut builder)?;
    }
    let classes = builder.classes();
    builder.finish(Known::MtgJamendo(task).name(), folder, Labelling::Multi, classes)
}

fn read_part(file: &Path, part: Part, task: Task, builder: &mut Builder) -> Result<()> {
    let rows = rows(file, Form::Tabs)?;
    let (header, rows) = rows.split_first().ok_or_else(|| Error::format(file, "it is empty"))?;
    let [id, path, tags] = ["TRACK_ID", "PATH", "TAGS"].map(|name| column(file, header, name));
    let (id, path, tags) = (id?, path?, tags?);
    if tags + 1 != header.fields.len() {
        return Err(wrong(file, header.line, "TAGS is not the last column"));
    }
    for row in rows {
        if row.fields.len() <= tags {
            let reason = format!("{} fields; a track has {} or more", row.fields.len(), tags + 1);
            return Err(wrong(file, row.line, reason));
        }
        let number = row.fields[id].strip_prefix("track_").filter(|digits| digits.parse::<u64>().is_ok());
        if number.is_none() {
            let reason = format!("{:?} is not a track id, such as track_0000214", row.fields[id]);
            return Err(wrong(file, row.line, reason));
        }
        let mut names = Vec::new();
        for tag in row.fields[tags..].iter().map(|tag| tag.trim()).filter(|tag| !tag.is_empty()) {
            let known = tag
                .split_once("---")
                .is_some_and(|(category, name)| task.categories().contains(&category) && !name.is_empty());
            if !known {
                let expected = task.categories().join("---..., ");
                return Err(wrong(
                    file,
                    row.line,
                    format!("unknown tag {tag:?}: tags here are {expected}---..."),
                ));
            }
            names.push(tag.to_owned());
        }
        if names.is_empty() {
            return Err(wrong(file, row.line, "no tag"));
        }
        let path = row.fields[path].trim();
        let mut paths = vec![path.to_owned()];
        // Audio also comes in this form, with a lower bit rate.
        if let Some(stem) = path.strip_suffix(".mp3").filter(|stem| !stem.ends_with(".low")) {
            paths.push(format!("{stem}.low.mp3"));
        }
        builder.add(file, row.line, paths, part, names)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\n";

    fn split(task: &str, parts: [&str; 3]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (part, rows) in Part::ALL.into_iter().zip(parts) {
            let name = format!("autotagging_{task}-{}.tsv", part.name());
            std::fs::write(folder.path().join(name), format!("{HEADER}{rows}")).unwrap();
        }
        folder
    }

    const TRAIN: &str = "track_0000214\tartist_000014\talbum_000031\t14/214.mp3\t124.6\tgenre---punkrock\tgenre---metal\n\
        track_0000215\tartist_000014\talbum_000031\t15/215.mp3\t151.4\tgenre---metal\n";
    const VALIDATION: &str =
        "track_0000301\tartist_000020\talbum_000040\t01/301.mp3\t10.0\tgenre---metal\r\n";
    const TEST: &str = "track_0000402\tartist_000030\talbum_000050\t02/402.mp3\t10.0\tgenre---punkrock\n";

    #[test]
    fn tags_are_the_fields_at_the_end() {
        let folder = split("genre", [TRAIN, VALIDATION, TEST]);
        let dataset = read(folder.path(), Task::Genre).unwrap();
        assert_eq!((dataset.name.as_str(), dataset.labelling), ("mtg-jamendo-genre", Labelling::Multi));
        assert_eq!(dataset.classes, ["genre---metal", "genre---punkrock"]);
        assert_eq!(dataset.sizes(), [2, 1, 1]);
        assert_eq!(dataset.tracks[0].paths, ["14/214.mp3", "14/214.low.mp3"]);
        let labels: Vec<_> = dataset.tracks.iter().map(|track| track.labels.clone()).collect();
        assert_eq!(labels, [vec![0, 1], vec![0], vec![0], vec![1]]);
        // The same in a copy of the repository.
        let repository = tempfile::tempdir().unwrap();
        let inside = repository.path().join("data/splits/split-0");
        std::fs::create_dir_all(inside.parent().unwrap()).unwrap();
        std::fs::rename(folder.path(), &inside).unwrap();
        assert_eq!(read(repository.path(), Task::Genre).unwrap(), dataset);
    }

    #[test]
    fn every_task_has_its_tags() {
        let row = |tag: &str| format!("track_1\ta\tb\t01/1.mp3\t1\t{tag}\n");
        for (task, name, tag) in [
            (Task::Instrument, "instrument", "instrument---bass"),
            (Task::MoodTheme, "moodtheme", "mood/theme---dark"),
            (Task::Top50Tags, "top50tags", "genre---rock"),
        ] {
            let rows = [1, 2, 3].map(|number| row(tag).replace('1', &number.to_string()));
            let folder = split(name, [&rows[0], &rows[1], &rows[2]]);
            let dataset = read(folder.path(), task).unwrap();
            assert_eq!(dataset.classes, [tag]);
            assert!(name.starts_with(dataset.name.trim_start_matches("mtg-jamendo-")));
        }
    }

    #[test]
    fn damage_is_named_with_file_and_line() {
        for (rows, reason) in [
            ("track_0000301\ta\tb\t01/301.mp3\n".to_owned(), "line 2: 4 fields; a track has 6 or more"),
            (VALIDATION.replace("track_0000301", "thirty"), "line 2: \"thirty\" is not a track id"),
            (VALIDATION.replace("track_0000301", "track_x"), "line 2: \"track_x\" is not a track id"),
            (
                VALIDATION.replace("genre---metal", "mood/theme---dark"),
                "line 2: unknown tag \"mood/theme---dark\"",
            ),
            (VALIDATION.replace("genre---metal", "metal"), "line 2: unknown tag \"metal\""),
            (VALIDATION.replace("genre---metal", "genre---polka"), "line 2: unknown label \"genre---polka\""),
            (VALIDATION.replace("genre---metal", ""), "line 2: no tag"),
            (VALIDATION.replace("01/301.mp3", "../301.mp3"), "line 2: \"../301.mp3\" is not a path"),
            (format!("{VALIDATION}{VALIDATION}"), "line 3: \"01/301.mp3\" is already on line 2"),
            (VALIDATION.replace("01/301.mp3", "14/214.mp3"), "train.tsv"),
        ] {
            let folder = split("genre", [TRAIN, &rows, TEST]);
            let error = read(folder.path(), Task::Genre).unwrap_err().to_string();
            assert!(error.contains("autotagging_genre-validation.tsv: line "), "{error}");
            assert!(error.contains(reason), "{error}");
        }
        let folder = split("genre", [TRAIN, VALIDATION, ""]);
        let error = read(folder.path(), Task::Genre).unwrap_err().to_string();
        assert!(error.contains("it has no test tracks"), "{error}");
        let file = folder.path().join("autotagging_genre-test.tsv");
        for (content, reason) in [
            ("", "genre-test.tsv: it is empty"),
            ("TRACK_ID\tPATH\n", "genre-test.tsv: line 1: no column \"TAGS\""),
            ("TRACK_ID\tTAGS\tPATH\n", "genre-test.tsv: line 1: TAGS is not the last column"),
        ] {
            std::fs::write(&file, content).unwrap();
            let error = read(folder.path(), Task::Genre).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(read(folder.path(), Task::Genre).unwrap_err().to_string().contains("genre-test.tsv"));
    }
}
