//! A table with one row per patch: its time, then all values of all outputs.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use sleeve::extractor::{Rows, Sink};
use sleeve_files::AtomicFile;

use super::{Target, Writer};

pub struct CsvFile {
    file: AtomicFile,
}

impl CsvFile {
    pub fn create(target: &Target) -> Result<Self> {
        let mut file = AtomicFile::create(target.file("csv"))?;
        write!(file, "time")?;
        for column in target.columns() {
            write!(file, ",{}", quoted(&column))?;
        }
        writeln!(file)?;
        Ok(CsvFile { file })
    }

    fn write_row<'a>(&mut self, time: f64, values: impl Iterator<Item = &'a f32>) -> std::io::Result<()> {
        write!(self.file, "{time}")?;
        for value in values {
            write!(self.file, ",{value}")?;
        }
        writeln!(self.file)
    }
}

impl Sink for CsvFile {
    fn rows(&mut self, rows: &Rows<'_>) -> sleeve::Result<()> {
        for (row, &time) in rows.times.iter().enumerate() {
            let values =
                rows.outputs.iter().flat_map(|values| values.row(row).to_slice().unwrap_or_default());
            let written = self.write_row(time, values);
            written.map_err(|error| sleeve::Error::io(self.file.path(), error))?;
        }
        Ok(())
    }
}

impl Writer for CsvFile {
    fn finish(self: Box<Self>) -> Result<Vec<PathBuf>> {
        let path = self.file.path().to_owned();
        self.file.commit()?;
        Ok(vec![path])
    }
}

/// RFC 4180: a field with a comma, a quote or a line break is quoted.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.into()
    }
}
