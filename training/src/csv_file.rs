//! Tables of text as people export them: columns between commas, semicolons or tabs, named by the first line.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::Path;

use crate::error::{Error, Result};

/// A table that is read row by row.
pub struct CsvFile<'a> {
    path: &'a Path,
    reader: csv::Reader<BufReader<File>>,
    names: Vec<String>,
}

impl<'a> CsvFile<'a> {
    /// Opens a file and reads its first line.
    ///
    /// # Errors
    /// If it cannot be read, or is not UTF-8.
    pub fn open(path: &'a Path) -> Result<Self> {
        let wrong = |error: csv::Error| Error::format(path, error);
        let io = |error| Error::io(path, error);
        let mut file = BufReader::new(File::open(path).map_err(io)?);
        let mut first = Vec::new();
        file.read_until(b'\n', &mut first).map_err(io)?;
        file.rewind().map_err(io)?;
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter(&first)).from_reader(file);
        let header = reader.headers().map_err(wrong)?;
        let names = header.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect();
        Ok(CsvFile { path, reader, names })
    }

    /// Where a column is, if it is there.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|found| found == name)
    }

    /// Where a column is.
    ///
    /// # Errors
    /// If it is not there. The message names those that are.
    pub fn column(&self, name: &str) -> Result<usize> {
        self.find(name).ok_or_else(|| {
            let names: Vec<String> = self.names.iter().map(|name| format!("`{name}`")).collect();
            Error::format(self.path, format!("no column `{name}`, but {}", names.join(", ")))
        })
    }

    /// The rows behind the first line.
    pub fn rows(&mut self) -> impl Iterator<Item = Result<csv::StringRecord>> {
        let path = self.path;
        self.reader.records().map(move |row| row.map_err(|error| Error::format(path, error)))
    }
}

/// What a first line has most of, outside quotation marks.
fn delimiter(line: &[u8]) -> u8 {
    let mut is_quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    for &byte in line {
        is_quoted ^= byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(mark, _)| *mark == byte && !is_quoted) {
            *count += 1;
        }
    }
    // Of equal counts the last, so that commas come last.
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(mark, _)| mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_between_what_the_first_line_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        for text in [
            "path,artists\nb; c.wav,\"A, B\"\n",
            "\u{feff}path;artists\r\n\"b; c.wav\";A, B\r\n",
            "path\tartists\nb; c.wav\tA, B\n",
            "\"path\",\"artists\"\n\"b; c.wav\",\"A, B\"\n",
        ] {
            std::fs::write(&path, text).unwrap();
            let mut file = CsvFile::open(&path).unwrap();
            let (name, artists) = (file.column("path").unwrap(), file.column("artists").unwrap());
            let rows: Vec<_> = file.rows().collect::<Result<_>>().unwrap();
            assert_eq!((&rows[0][name], &rows[0][artists]), ("b; c.wav", "A, B"), "{text}");
        }
        std::fs::write(&path, "Path,Artist\na.wav,A\n").unwrap();
        let error = CsvFile::open(&path).unwrap().column("path").unwrap_err().to_string();
        assert!(error.ends_with("no column `path`, but `Path`, `Artist`"), "{error}");
    }
}
