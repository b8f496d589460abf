//! Text tables, with errors that name the line.

use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};

use crate::error::{Error, Result};
use crate::splits::Part;

/// An error on a line, which counts from 1.
pub fn wrong(file: &Path, line: u64, reason: impl std::fmt::Display) -> Error {
    Error::format(file, format!("line {line}: {reason}"))
}

/// The format of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Fields separated by commas, quoted if they contain commas, quotes or line breaks.
    Commas,
    /// Fields separated by tabs, quoted if necessary.
    QuotedTabs,
    /// Fields separated by tabs, never quoted.
    Tabs,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line that it begins on, counting from 1.
    pub line: u64,
    /// Its fields.
    pub fields: Vec<String>,
}

/// Reads all rows; empty lines are skipped.
///
/// # Errors
/// `Io`; if the file is empty, a row is not UTF-8, or a quote is never closed.
pub fn rows(file: &Path, form: Form) -> Result<Vec<Row>> {
    let bytes = std::fs::read(file).map_err(|error| Error::io(file, error))?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(if form == Form::Commas { b',' } else { b'\t' })
        .quoting(form != Form::Tabs)
        .from_reader(bytes);
    let mut rows = Vec::new();
    let mut record = ByteRecord::new();
    let (mut line, mut counted) = (1, 0);
    loop {
        let more = reader.read_byte_record(&mut record).map_err(|error| Error::format(file, error))?;
        if !more {
            break;
        }
        // The reader's position may be that of the second character of a line end, or of empty lines before the row.
        let found = record.position().map_or(0, |position| position.byte() as usize).min(bytes.len());
        let blank = bytes[found..].iter().take_while(|byte| b"\r\n".contains(byte)).count();
        line += bytes[counted..found + blank].iter().filter(|&&byte| byte == b'\n').count() as u64;
        counted = found + blank;
        let field = |bytes: &[u8]| match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(wrong(file, line, "it is not UTF-8")),
        };
        rows.push(Row { line, fields: record.iter().map(field).collect::<Result<_>>()? });
    }
    // The reader accepts quotes that are never closed and puts the rest of the file into one field.
    if form != Form::Tabs
        && let Some(last) = rows.last()
        && bytes.iter().filter(|&&byte| byte == b'"').count() % 2 == 1
    {
        return Err(wrong(file, last.line, "quotes are opened here or later, and never closed"));
    }
    match rows.is_empty() {
        true => Err(Error::format(file, "it is empty")),
        false => Ok(rows),
    }
}

impl Row {
    /// Checks that it has as many fields as its table's header.
    ///
    /// # Errors
    /// If it does not.
    pub fn check_length(&self, file: &Path, fields: usize) -> Result<()> {
        match self.fields.len() == fields {
            true => Ok(()),
            false => Err(wrong(file, self.line, format!("{} fields, not {fields}", self.fields.len()))),
        }
    }
}

/// The index of a column in a header.
///
/// # Errors
/// If it is missing.
pub fn column(file: &Path, header: &Row, name: &str) -> Result<usize> {
    let found = header.fields.iter().position(|field| field.trim() == name);
    found.ok_or_else(|| wrong(file, header.line, format!("no column {name:?}")))
}

/// A part by any of its usual names.
///
/// # Errors
/// If the name is not that of a part.
pub fn part(file: &Path, line: u64, name: &str) -> Result<Part> {
    match name.trim().to_ascii_lowercase().as_str() {
        "train" | "training" => Ok(Part::Train),
        "validation" | "valid" | "val" => Ok(Part::Validation),
        "test" | "testing" => Ok(Part::Test),
        _ => Err(wrong(file, line, format!("{name:?} is not a part: train, validation or test"))),
    }
}

/// Checks that a path stays inside the folder of audio.
///
/// # Errors
/// If it is empty or leads outside.
pub fn check_path(file: &Path, line: u64, path: &str) -> Result<()> {
    let inside = |part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir);
    match !path.is_empty() && Path::new(path).components().all(inside) {
        true => Ok(()),
        false => Err(wrong(file, line, format!("{path:?} is not a path inside the folder of audio"))),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The error of reading a file with this content, without the file's name.
    pub fn error_of<T: std::fmt::Debug>(content: &[u8], read: impl Fn(&Path) -> Result<T>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, content).unwrap();
        let error = read(&path).unwrap_err().to_string();
        let named = format!("{}: ", path.display());
        error.strip_prefix(&named).unwrap_or_else(|| panic!("{error} does not name the file")).to_owned()
    }

    fn read(content: &[u8], form: Form) -> Vec<(u64, Vec<String>)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, content).unwrap();
        rows(&path, form).unwrap().into_iter().map(|row| (row.line, row.fields)).collect()
    }

    #[test]
    fn quoted_fields_hold_anything_and_lines_are_counted() {
        let found = read(b"\xef\xbb\xbfa,b\r\n\"x, \"\"y\"\"\nz\",2\r\n\r\n3,4", Form::Commas);
        let words = |words: [&str; 2]| words.map(str::to_owned).to_vec();
        assert_eq!(
            found,
            [(1, words(["a", "b"])), (2, words(["x, \"y\"\nz", "2"])), (5, words(["3", "4"])),]
        );
        assert_eq!(read(b"a\t\"b\r\n", Form::Tabs), [(1, words(["a", "\"b"]))]);
        assert_eq!(read(b"a\t\"b\tc\"\n", Form::QuotedTabs), [(1, words(["a", "b\tc"]))]);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for (content, reason) in [
            (&b""[..], "it is empty"),
            (b"\xef\xbb\xbf\n\n", "it is empty"),
            (b"a,b\n1,\"2\n3,4\n", "line 2: quotes are opened"),
            (b"a,b\n1,\xff\n", "line 2: it is not UTF-8"),
        ] {
            let error = error_of(content, |path| rows(path, Form::Commas));
            assert!(error.starts_with(reason), "{error}");
        }
    }

    #[test]
    fn paths_stay_inside() {
        for wrong in ["", "/etc/passwd", "../a.mp3", "a/../../b"] {
            assert!(check_path(Path::new("x"), 1, wrong).is_err(), "{wrong}");
        }
        assert!(check_path(Path::new("x"), 1, "14/./a..b.mp3").is_ok());
    }
}
