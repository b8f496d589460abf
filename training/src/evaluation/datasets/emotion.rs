//! Arousal and valence, as numbers from 1 to 9 that listeners gave to excerpts of 45 seconds: emoMusic (Soleymani et al.,
//! 2013) and DEAM (Aljanaki, Yang and Soleymani, 2017).
//!
//! emoMusic: `static_annotations.csv` (`song_id,mean_arousal,...,mean_valence`) and `songs_info.csv`, whose column
//! `Mediaeval 2013 set` says `development` or `evaluation`: the latter is tested, every eighth song of the former validates
//! (by its number, which is ours). Audio is `2.mp3`.
//!
//! DEAM: `static_annotations_averaged_songs_1_2000.csv` and, if it is there, `..._2000_2058.csv`
//! (`song_id, valence_mean, valence_std, arousal_mean, arousal_std`, with more columns in the second). The authors have no
//! split for the songs together; here there are five folds by the song's number modulo 5. Audio is `2.mp3`.

use std::path::Path;

use rustc_hash::FxHashMap;

use super::text::{Form, Row, column, rows, wrong};
use super::{Builder, Dataset, Known, Labelling, Said};
use crate::error::{Error, Result};
use crate::splits::Part;

const TARGETS: [&str; 2] = ["arousal", "valence"];
/// One in so many development songs validates.
const VALIDATION: u64 = 8;
const FOLDS: u64 = 5;

/// Reads emoMusic's folder of annotations.
///
/// # Errors
/// If a file is missing or damaged; the error has the file, the line and the reason.
pub fn emomusic(metadata: &Path) -> Result<Dataset> {
    let (info, annotations) = (metadata.join("songs_info.csv"), metadata.join("static_annotations.csv"));
    let table = rows(&info, Form::Commas)?;
    let (header, table) = table.split_first().ok_or_else(|| Error::format(&info, "it is empty"))?;
    let (song, set) = (column(&info, header, "song_id")?, column(&info, header, "Mediaeval 2013 set")?);
    let mut parts: FxHashMap<u64, Part> = FxHashMap::default();
    for row in table {
        row.check_length(&info, header.fields.len())?;
        let song = number(&info, row, song)?;
        let part = match row.fields[set].trim() {
            "evaluation" => Part::Test,
            "development" if song.is_multiple_of(VALIDATION) => Part::Validation,
            "development" => Part::Train,
            other => {
                return Err(wrong(
                    &info,
                    row.line,
                    format!("{other:?} is neither development nor evaluation"),
                ));
            }
        };
        parts.insert(song, part);
    }
    let mut builder = Builder::new();
    annotated(&annotations, ["mean_arousal", "mean_valence"], |row, song, values| {
        let part = parts.get(&song).copied();
        let part = part
            .ok_or_else(|| wrong(&annotations, row.line, format!("song {song} is not in songs_info.csv")))?;
        let said = Said { values, ..Said::default() };
        builder.add_said(&annotations, row.line, vec![format!("{song}.mp3")], part, said)
    })?;
    finish(builder, Known::EmoMusic, metadata)
}

/// Reads DEAM's folder of annotations per song.
///
/// # Errors
/// If a file is missing or damaged; the error has the file, the line and the reason.
pub fn deam(metadata: &Path) -> Result<Dataset> {
    let mut builder = Builder::new();
    for range in ["1_2000", "2000_2058"] {
        let file = metadata.join(format!("static_annotations_averaged_songs_{range}.csv"));
        if range != "1_2000" && !file.exists() {
            continue;
        }
        annotated(&file, ["arousal_mean", "valence_mean"], |row, song, values| {
            let said = Said { values, fold: Some((song % FOLDS) as usize), ..Said::default() };
            builder.add_said(&file, row.line, vec![format!("{song}.mp3")], Part::Train, said)
        })?;
    }
    finish(builder, Known::Deam, metadata)
}

fn finish(builder: Builder, known: Known, metadata: &Path) -> Result<Dataset> {
    let targets = TARGETS.map(str::to_owned).to_vec();
    builder.finish(known.name(), metadata, Labelling::Regression, targets)
}

/// Gives the songs of a table, with arousal and valence.
fn annotated(
    file: &Path,
    names: [&str; 2],
    mut take: impl FnMut(&Row, u64, Vec<f32>) -> Result<()>,
) -> Result<()> {
    let table = rows(file, Form::Commas)?;
    let (header, table) = table.split_first().ok_or_else(|| Error::format(file, "it is empty"))?;
    let song = column(file, header, "song_id")?;
    let places = names.map(|name| column(file, header, name));
    let [arousal, valence] = places;
    let places = [arousal?, valence?];
    for row in table {
        row.check_length(file, header.fields.len())?;
        let mut values = Vec::new();
        for place in places {
            let text = row.fields[place].trim();
            let value = text.parse().ok().filter(|value: &f32| (1.0..=9.0).contains(value));
            values.push(
                value
                    .ok_or_else(|| wrong(file, row.line, format!("{text:?} is not a number from 1 to 9")))?,
            );
        }
        take(row, number(file, row, song)?, values)?;
    }
    Ok(())
}

fn number(file: &Path, row: &Row, at: usize) -> Result<u64> {
    let text = row.fields[at].trim();
    text.parse().map_err(|_| wrong(file, row.line, format!("{text:?} is not the number of a song")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emomusic_s_sets_are_parts() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let info = "song_id,file_name,Artist,Mediaeval 2013 set\n2,2.mp3,a,development\n8,8.mp3,b,development\n3,3.mp3,c,evaluation\n";
        write("songs_info.csv", info);
        let songs = "song_id,mean_arousal,std_arousal,mean_valence,std_valence\n2,3.1,1,3.0,1\n8,4.5,1,5,1\n3,6,1,7.25,1\n";
        write("static_annotations.csv", songs);
        let dataset = emomusic(folder.path()).unwrap();
        assert_eq!((dataset.sizes(), dataset.labelling), ([1, 1, 1], Labelling::Regression));
        assert_eq!(
            (&dataset.classes[..], &dataset.tracks[2].values[..]),
            (&["arousal".to_owned(), "valence".into()][..], &[6.0, 7.25][..])
        );
        assert_eq!(dataset.tracks[1].paths, ["8.mp3"]);
        for (name, text, reason) in [
            (
                "static_annotations.csv",
                songs.replace("3.1", "0.1"),
                "line 2: \"0.1\" is not a number from 1 to 9",
            ),
            ("static_annotations.csv", songs.replace("\n3,", "\n4,"), "song 4 is not in songs_info.csv"),
            ("songs_info.csv", info.replace("evaluation", "later"), "\"later\" is neither"),
        ] {
            let before = std::fs::read_to_string(folder.path().join(name)).unwrap();
            write(name, &text);
            let said = emomusic(folder.path()).unwrap_err().to_string();
            assert!(said.contains(reason), "{said}");
            write(name, &before);
        }
    }

    #[test]
    fn deam_has_five_folds() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let header = "song_id, valence_mean, valence_std, arousal_mean, arousal_std\n";
        let rows: String = (2..12).map(|song| format!("{song}, 3.1, 0.94, 3.0, 0.63\n")).collect();
        write("static_annotations_averaged_songs_1_2000.csv", &format!("{header}{rows}"));
        write(
            "static_annotations_averaged_songs_2000_2058.csv",
            "song_id, valence_mean, valence_max_mean, arousal_mean\n2001, 5, 7, 4\n",
        );
        let dataset = deam(folder.path()).unwrap();
        assert_eq!((dataset.tracks.len(), dataset.folds), (11, 5));
        assert_eq!(dataset.tracks[0].values, [3.0, 3.1]);
        assert_eq!((dataset.tracks[10].fold, &dataset.tracks[10].values[..]), (Some(1), &[4.0, 5.0][..]));
    }
}
