//! Parts that a table gives: a split that others have published, or that must not change with the program.

use std::path::Path;

use rustc_hash::FxHashMap;

use super::division::Data;
use super::{Apart, Options, Part};
use crate::csv_file::CsvFile;
use crate::error::{Error, Result};

/// The parts of all tracks from a CSV file with the columns `path` and `part`, or `fold_I` for the I-th fold. A track that
/// is not in it, or has an empty part, is `None`.
///
/// # Errors
/// If the file cannot be read, has other columns or parts, or none of the paths; if an artist, a release (with
/// [`Apart::Releases`]) or files with the same audio are in several parts.
pub(super) fn read(
    table: &Path,
    options: &Options,
    data: &Data,
    paths: &[String],
) -> Result<Vec<Option<Part>>> {
    let column = options.fold.map_or("part".to_owned(), |fold| format!("fold_{}", fold.index));
    let mut given = rows(table, &column)?;
    let parts: Vec<Option<Part>> = paths
        .iter()
        .zip(&data.tracks)
        .map(|(path, track)| given.remove(path).flatten().filter(|_| track.is_some()))
        .collect();
    if parts.iter().all(Option::is_none) {
        return Err(Error::Nothing { path: table.to_owned(), reason: "no track is in it".into() });
    }
    check(table, options.apart, data, paths, &parts)?;
    Ok(parts)
}

fn rows(table: &Path, column: &str) -> Result<FxHashMap<String, Option<Part>>> {
    let mut file = CsvFile::open(table)?;
    let (path, part) = (file.column("path")?, file.column(column)?);
    let mut found = FxHashMap::default();
    for row in file.rows() {
        let row = row?;
        let (path, part) = (row.get(path).unwrap_or_default(), row.get(part).unwrap_or_default().trim());
        let part = match (part, Part::from_name(part)) {
            ("", _) => None,
            (_, Some(part)) => Some(part),
            (other, None) => {
                let reason = format!("{path}: {other} is neither train, validation nor test");
                return Err(Error::format(table, reason));
            }
        };
        if found.insert(path.to_owned(), part).is_some_and(|before| before != part) {
            return Err(Error::format(table, format!("{path} is in two parts")));
        }
    }
    Ok(found)
}

/// Refuses parts that have in common what they must not.
fn check(table: &Path, apart: Apart, data: &Data, paths: &[String], parts: &[Option<Part>]) -> Result<()> {
    let mut first: FxHashMap<(&str, i64), usize> = FxHashMap::default();
    for (number, (track, part)) in data.tracks.iter().zip(parts).enumerate() {
        let (Some(track), Some(part)) = (track, part) else { continue };
        let releases: &[i64] = if apart == Apart::Releases { &track.releases } else { &[] };
        let kept = [("artist", &track.artists[..]), ("release", releases)];
        let kept = kept.into_iter().flat_map(|(kind, ids)| ids.iter().map(move |&id| (kind, id)));
        for thing in kept.chain(track.copies.map(|copies| ("recording", copies.into()))) {
            let other = *first.entry(thing).or_insert(number);
            if let Some(of_other) = parts[other].filter(|of_other| of_other != part) {
                let (kind, (one, two)) = (thing.0, (&paths[other], &paths[number]));
                let reason =
                    format!("{one} ({}) and {two} ({}) have one {kind}", of_other.name(), part.name());
                return Err(Error::format(table, reason));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Fold;
    use super::super::division::Track;
    use super::*;

    fn read_text(text: &str, options: &Options) -> Result<Vec<Option<Part>>> {
        let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let track =
            |artist, release, copies| Some(Track { releases: vec![release], artists: vec![artist], copies });
        let tracks =
            vec![track(1, 10, None), track(1, 11, Some(0)), track(2, 11, None), track(3, 12, Some(0)), None];
        let data = Data { tracks, styles: Vec::new(), release_styles: FxHashMap::default() };
        let paths: Vec<String> = ["a.ogg", "b.ogg", "c, d.ogg", "e.ogg", "f.ogg"].map(str::to_owned).into();
        read(file.path(), options, &data, &paths)
    }

    #[test]
    fn parts_are_those_of_the_table() {
        let text =
            "path,part,fold_2\na.ogg,train,test\nb.ogg,train,test\n\"c, d.ogg\",test,\nf.ogg,train,train\n";
        let train = Some(Part::Train);
        let parts = read_text(text, &Options::default()).unwrap();
        assert_eq!(parts, [train, train, Some(Part::Test), None, None]);
        let fold = Options { fold: Some(Fold { index: 2, count: 3 }), ..Options::default() };
        assert_eq!(read_text(text, &fold).unwrap(), [Some(Part::Test), Some(Part::Test), None, None, None]);
        let error = |text: &str, options: &Options| read_text(text, options).unwrap_err().to_string();
        let apart = Options { apart: Apart::Releases, ..Options::default() };
        let said = error(text, &apart);
        assert!(said.contains("b.ogg (train) and c, d.ogg (test) have one release"), "{said}");
        let said = error("path,part\na.ogg,train\nb.ogg,test\n", &Options::default());
        assert!(said.contains("have one artist"), "{said}");
        let said = error("path,part\nb.ogg,train\ne.ogg,test\n", &Options::default());
        assert!(said.contains("have one recording"), "{said}");
        assert!(error("path,part\na.ogg,tests\n", &Options::default()).contains("tests is neither"));
        assert!(error("path,part\na.ogg,test\na.ogg,train\n", &Options::default()).contains("two parts"));
        assert!(error("path,part\nx.ogg,test\n", &Options::default()).contains("no track is in it"));
        assert!(error("path,fold_1\na.ogg,test\n", &fold).contains("fold_2"));
    }
}
