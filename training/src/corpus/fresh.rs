//! The fresh test: recordings of the third table whose artists are all absent from the first two tables.
//!
//! Nothing is trained, tuned or selected on them, so that they say how a finished model does on music that no decision
//! has seen. [`check`] refuses data sets whose training or validation part has one of them.

use std::collections::HashSet;
use std::path::Path;

use super::catalogue::{Row, rows};
use crate::error::{Error, Result};
use crate::splits::{Part, SPLIT};
use crate::table::TableReader;

/// The names of a credit in the form in which they are compared: of `Skaven (Peter Hajba)` both names.
pub(super) fn names(artist: &str) -> impl Iterator<Item = String> {
    let plain = |name: &str| -> String {
        name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    artist.split(['(', ')']).map(plain).filter(|name| !name.is_empty())
}

/// For each row of the catalogue, whether it is in the fresh test.
///
/// Rows without an artist are not: who has made them may be in the older tables.
pub(super) fn is_fresh(rows: &[Row]) -> Vec<bool> {
    let old = rows.iter().filter(|row| row.table < 3).flat_map(|row| &row.artists);
    let old: HashSet<String> = old.flat_map(|artist| names(artist)).collect();
    let is_new = |artist: &&str| names(artist).all(|name| !old.contains(&name));
    rows.iter()
        .map(|row| row.table == 3 && !row.artists.is_empty() && row.artists.iter().all(is_new))
        .collect()
}

/// The recordings of the fresh test.
pub fn fresh() -> Vec<Row> {
    let rows = rows();
    let fresh = is_fresh(&rows);
    rows.into_iter().zip(fresh).filter_map(|(row, fresh)| fresh.then_some(row)).collect()
}

/// The SHA-256 of the audio of each recording, as `scan` computes it, with its path in the corpus: other tags and another
/// place make no other recording.
const AUDIO: &str = include_str!("../../corpus/fresh.tsv");

/// Path and SHA-256 of the audio of each recording.
fn audio() -> impl Iterator<Item = (&'static str, &'static str)> {
    AUDIO.lines().skip(1).filter_map(|line| line.split_once('\t'))
}

/// Refuses a data set that has recordings of the fresh test in the given parts: those that a model is trained on or
/// chosen by. A recording is known by the SHA-256 of its audio, and by its path in the corpus.
///
/// # Errors
/// `Format` if there is such a recording, with its path; the errors of reading the table.
pub fn check(folder: &Path, parts: &[Part]) -> Result<()> {
    let hashes: HashSet<&str> = audio().map(|(_, hash)| hash).collect();
    let places: HashSet<&str> = audio().map(|(place, _)| place).collect();
    // The collection may be scanned from a folder above the corpus: a package and its path are enough.
    let is_place = |path: &str| {
        let starts = path.match_indices('/').map(|(at, _)| at + 1);
        std::iter::once(0).chain(starts).any(|start| places.contains(&path[start..]))
    };
    let table = SPLIT.path(folder);
    let (mut count, mut first) = (0, None);
    for rows in TableReader::open(&table, &SPLIT, &["path", "sha256", "part"])? {
        let rows = rows?;
        let (paths, texts, words) = (rows.texts("path"), rows.texts("sha256"), rows.texts("part"));
        for row in 0..rows.len() {
            let (path, hash) = (paths.value(row), texts.value(row));
            let counts = Part::from_name(words.value(row)).is_some_and(|part| parts.contains(&part));
            if counts && (hashes.contains(hash) || is_place(path)) {
                count += 1;
                first.get_or_insert_with(|| path.to_owned());
            }
        }
    }
    let Some(first) = first else { return Ok(()) };
    let names: Vec<&str> = parts.iter().map(|part| part.name()).collect();
    let reason = format!(
        "{count} recordings of the fresh test are in the part {}, among them {first}; no model may be trained, tuned or \
         selected on these. Use `corpus debian --subset trainable`, which leaves them out",
        names.join(" or ")
    );
    Err(Error::format(&table, reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Builder, Cell, write_table};

    /// Writes a data set of one track.
    fn write(folder: &Path, path: &str, sha256: &str, part: Part) {
        let mut split = Builder::new(&SPLIT);
        split.push([
            Cell::Id(0),
            Cell::Text(path),
            Cell::Text(sha256),
            Cell::Id(0),
            Cell::Id(0),
            Cell::Float(None),
            Cell::Text(part.name()),
            Cell::Ids(&[]),
            Cell::Ids(&[]),
            Cell::Ids(&[]),
            Cell::Ids(&[]),
            Cell::Words(&[]),
            Cell::Words(&[]),
            Cell::Ints(&[]),
        ]);
        write_table(&SPLIT.path(folder), &SPLIT, &split.finish()).unwrap();
    }

    #[test]
    fn every_recording_has_its_hash() {
        let places: HashSet<String> = fresh().iter().map(Row::place).collect();
        assert_eq!(audio().map(|(place, _)| place.to_owned()).collect::<HashSet<_>>(), places);
        assert!(
            audio().all(|(_, hash)| hash.len() == 64 && hash.bytes().all(|digit| digit.is_ascii_hexdigit()))
        );
    }

    #[test]
    fn data_sets_that_touch_the_fresh_test_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let fresh = fresh();
        let other = "00".repeat(32);
        let place = fresh[0].place();
        let hash = audio().next().unwrap().1;
        let refused = |path: &str, sha256: &str, part: Part| {
            write(folder.path(), path, sha256, part);
            check(folder.path(), &[Part::Train, Part::Validation]).map_err(|error| error.to_string())
        };
        for part in [Part::Train, Part::Validation] {
            // By its content under another name, by its path whatever its content, also below other folders.
            for (path, sha256) in
                [("a.ogg", hash), (&*place, &*other), (&*format!("corpus/audio/{place}"), &*other)]
            {
                let said = refused(path, sha256, part).unwrap_err();
                assert!(said.contains("split.parquet") && said.contains(path), "{said}");
                assert!(said.contains("1 recordings of the fresh test"), "{said}");
            }
        }
        assert_eq!(refused(&place, hash, Part::Test), Ok(()));
        assert_eq!(refused(&format!("a{place}"), &other, Part::Train), Ok(()));
        let old = rows().into_iter().next().unwrap();
        assert_eq!(refused(&old.place(), old.sha256, Part::Train), Ok(()));
    }

    #[test]
    fn the_fresh_test_has_only_artists_that_the_older_tables_lack() {
        let rows = rows();
        let old: HashSet<String> = (rows.iter().filter(|row| row.table < 3))
            .flat_map(|row| row.artists.iter().flat_map(|artist| names(artist)).collect::<Vec<_>>())
            .collect();
        let fresh = fresh();
        assert_eq!(fresh.len(), 75);
        for row in &fresh {
            assert!(row.table == 3 && row.is_free() && !row.artists.is_empty(), "{row:?}");
            for name in row.artists.iter().flat_map(|artist| names(artist)) {
                assert!(!old.contains(&name), "{name} is in an older table");
            }
        }
    }

    #[test]
    fn a_credit_has_the_name_and_the_other_name() {
        let of = |artist: &str| names(artist).collect::<Vec<_>>();
        assert_eq!(of("Skaven (Peter Hajba)"), ["skaven", "peterhajba"]);
        assert_eq!(of("Derek \"JoJo\" Stegall"), ["derekjojostegall"]);
        assert_eq!(of("4-mat"), ["4mat"]);
    }
}
