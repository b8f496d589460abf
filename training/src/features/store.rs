//! The paths of features, and the table that lists them.

use std::fmt;
use std::path::{Path, PathBuf};

use arrow_array::Array;
use rustc_hash::FxHashMap;
use sleeve::front_end::musicnn::BANDS;
use sleeve_files::npy::NpyReader;

use crate::error::{Error, Result};
use crate::table::Type::{Int, Text, Word};
use crate::table::{Table, TableReader, column, optional};

/// One row per recording.
pub static FEATURES: Table = Table {
    name: "features",
    row: "a recording of any collection whose features are here, in the order of folders and paths",
    columns: &[
        column("music", Word, "the scanned folder of music"),
        column("path", Text, "path inside that folder"),
        column(
            "sha256",
            Text,
            "SHA-256 of the file's audio; `ab/cd/abcd....npy` beside this table holds its features",
        ),
        optional("frames", Int, "mel frames, 62.5 a second; null where there are no features"),
        optional("reason", Text, "why there are none"),
        optional(
            "warning",
            Text,
            "what was wrong with a recording that has features: that its end is missing, for example",
        ),
    ],
};

/// Identifies a file by its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Content([u8; 32]);

impl Content {
    /// From 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
            let digit = |letter: u8| char::from(letter).to_digit(16);
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        Some(Content(bytes))
    }
}

impl fmt::Display for Content {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
        let text: String = self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
        out.write_str(&text)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// A folder of features.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// The features in `folder`; nothing is read.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Store { folder: folder.into() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of a recording's features.
    pub fn path(&self, content: Content) -> PathBuf {
        let name = content.to_string();
        self.folder.join(&name[..2]).join(&name[2..4]).join(format!("{name}.npy"))
    }

    /// The path of the table: of all features, or of the `i`-th of `n` shards.
    pub fn table(&self, shard: Option<(usize, usize)>) -> PathBuf {
        match shard {
            None => FEATURES.path(&self.folder),
            Some((index, count)) => self.folder.join(format!("features_{index}_of_{count}.parquet")),
        }
    }

    /// Opens the features of a recording.
    ///
    /// # Errors
    /// If the file is missing, its length does not match its header, or it is not an array of 96 bands.
    pub fn open(&self, content: Content) -> Result<Recording> {
        let path = self.path(content);
        let reader = NpyReader::open(&path)?;
        if reader.cols() != BANDS {
            let reason = format!("its rows are {} values, not {BANDS} mel bands", reader.cols());
            return Err(Error::format(&path, reason));
        }
        if reader.rows() == 0 {
            return Err(Error::format(&path, "it has no frames"));
        }
        Ok(Recording { reader })
    }

    /// The recordings that have features, by their paths in their collections. Paths that several collections give to
    /// different recordings are left out.
    ///
    /// # Errors
    /// As [`Store::listed`].
    pub fn named(&self) -> Result<FxHashMap<String, Content>> {
        let mut named: FxHashMap<String, Option<Content>> = FxHashMap::default();
        self.each_row(|path, content, frames| {
            if frames.is_some() {
                let known = named.entry(path.to_owned()).or_insert(Some(content));
                *known = known.filter(|known| *known == content);
            }
        })?;
        Ok(named.into_iter().filter_map(|(path, content)| Some((path, content?))).collect())
    }

    /// Every recording in the folder's tables, and the frames of its features if it has any. It has them if any of the
    /// tables says so.
    ///
    /// # Errors
    /// If there is no table, or one cannot be read.
    pub fn listed(&self) -> Result<FxHashMap<Content, Option<u32>>> {
        let mut listed = FxHashMap::default();
        self.each_row(|_, content, frames| {
            let known = listed.entry(content).or_insert(None);
            *known = known.or(frames);
        })?;
        Ok(listed)
    }

    /// Reads the tables in the folder: path, content, and the frames of its features if there are any.
    fn each_row(&self, mut row_of: impl FnMut(&str, Content, Option<u32>)) -> Result<()> {
        let mut tables = 0;
        let entries = std::fs::read_dir(&self.folder).map_err(|error| Error::io(&self.folder, error))?;
        for entry in entries {
            let path = entry.map_err(|error| Error::io(&self.folder, error))?.path();
            if !path.file_name().and_then(|name| name.to_str()).is_some_and(is_table) {
                continue;
            }
            tables += 1;
            for rows in TableReader::open(&path, &FEATURES, &["path", "sha256", "frames"])? {
                let rows = rows?;
                for row in 0..rows.len() {
                    let text = rows.texts("sha256").value(row);
                    let content = Content::from_hex(text)
                        .ok_or_else(|| Error::format(&path, format!("{text:?} is not a SHA-256")))?;
                    let frames = rows.ints("frames");
                    let frames = frames.is_valid(row).then(|| frames.value(row).max(0) as u32);
                    row_of(rows.texts("path").value(row), content, frames);
                }
            }
        }
        match tables {
            0 => Err(Error::format(
                &self.folder,
                "no features: features.parquet is missing; run `sleeve-train features`",
            )),
            _ => Ok(()),
        }
    }
}

/// Whether a file name is that of a table of features.
fn is_table(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".parquet") else { return false };
    let number = |text: &str| text.parse::<usize>().is_ok();
    let shard =
        |rest: &str| rest.split_once("_of_").is_some_and(|(index, count)| number(index) && number(count));
    stem == FEATURES.name || stem.strip_prefix("features_").is_some_and(shard)
}

/// The features of one recording.
pub struct Recording {
    reader: NpyReader,
}

impl Recording {
    /// Mel frames, at least one.
    pub fn frames(&self) -> u64 {
        self.reader.rows() as u64
    }

    /// Reads frames into `values`, 96 values each, starting with frame `first`.
    ///
    /// # Errors
    /// If the file has fewer frames.
    pub fn read(&mut self, first: u64, values: &mut [f32]) -> Result<()> {
        Ok(self.reader.read_rows(first as usize, values)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_the_content() {
        let text = "0123456789abcdef".repeat(4);
        let content = Content::from_hex(&text).unwrap();
        assert_eq!(content.to_string(), text);
        let path = Store::new("f").path(content);
        assert_eq!(path, Path::new("f/01/23").join(format!("{text}.npy")));
        for wrong in ["", "12", &text[1..], &format!("{text}0"), &text.replace('a', "g"), &"é".repeat(32)] {
            assert!(Content::from_hex(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn tables_are_told_by_their_names() {
        let store = Store::new("f");
        for shard in [None, Some((1, 3)), Some((3, 3))] {
            assert!(is_table(store.table(shard).file_name().unwrap().to_str().unwrap()));
        }
        for other in ["features.tsv", "features_1.parquet", "features_a_of_b.parquet", "featuresx.parquet"] {
            assert!(!is_table(other), "{other}");
        }
    }
}
