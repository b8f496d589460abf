//! The table of features: what earlier runs have listed stays, so that one folder serves several collections.

use std::collections::BTreeMap;
use std::path::Path;

use arrow_array::Array;

use super::store::{Content, FEATURES};
use crate::error::{Error, Result};
use crate::table::{Builder, Cell, TableReader, TableWriter};

/// What the table says of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub content: Content,
    pub frames: Option<i32>,
    pub reason: Option<String>,
    pub warning: Option<String>,
}

/// The rows of a table by folder of music and path.
pub(super) type Lines = BTreeMap<(String, String), Line>;

/// The rows of the table of earlier runs, if there is one.
pub(super) fn read(table: &Path) -> Result<Lines> {
    let mut lines = Lines::new();
    if !table.exists() {
        return Ok(lines);
    }
    let columns = ["music", "path", "sha256", "frames", "reason", "warning"];
    let reader = match TableReader::open(table, &FEATURES, &columns) {
        Ok(reader) => reader,
        // A table of an earlier version does not say of which folder its rows are. Its arrays are kept, and listed again
        // as their collections are run.
        Err(_) if TableReader::open(table, &FEATURES, &columns[1..5]).is_ok() => return Ok(lines),
        Err(error) => return Err(error),
    };
    for rows in reader {
        let rows = rows?;
        for row in 0..rows.len() {
            let text = |name| rows.texts(name).value(row).to_owned();
            let maybe = |name| rows.texts(name).is_valid(row).then(|| text(name));
            let frames = rows.ints("frames");
            let content = Content::from_hex(&text("sha256"))
                .ok_or_else(|| Error::format(table, format!("{:?} is not a SHA-256", text("sha256"))))?;
            let frames = frames.is_valid(row).then(|| frames.value(row));
            let line = Line { content, frames, reason: maybe("reason"), warning: maybe("warning") };
            lines.insert((text("music"), text("path")), line);
        }
    }
    Ok(lines)
}

/// Writes the table.
pub(super) fn write(table: &Path, lines: &Lines) -> Result<()> {
    let mut writer = TableWriter::create(table, &FEATURES)?;
    let mut builder = Builder::new(&FEATURES);
    for ((music, path), line) in lines {
        builder.push([
            Cell::Text(music),
            Cell::Text(path),
            Cell::Text(&line.content.to_string()),
            Cell::Int(line.frames),
            Cell::MaybeText(line.reason.as_deref()),
            Cell::MaybeText(line.warning.as_deref()),
        ]);
        if builder.len() == 1 << 14 {
            writer.write(&builder.finish())?;
        }
    }
    writer.write(&builder.finish())?;
    writer.finish()?.persist()
}
