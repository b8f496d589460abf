//! Writes a table.

use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::{Table, Type};
use crate::atomic::{self, AtomicFile};
use crate::error::{Error, Result};

/// Rows in a row group. Encoded row groups are kept in memory until they are full.
const ROW_GROUP: usize = 1 << 19;

/// Writes one table to an atomic file.
pub struct TableWriter {
    path: PathBuf,
    writer: ArrowWriter<AtomicFile>,
    rows: u64,
}

impl TableWriter {
    /// Creates the file `path` for `table`.
    pub fn create(path: &Path, table: &Table) -> Result<Self> {
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .set_created_by(concat!("sleeve-train ", env!("CARGO_PKG_VERSION")).to_owned());
        for column in table.columns {
            let name = match column.holds {
                Type::Ids | Type::Ints | Type::Words => {
                    ColumnPath::new(vec![column.name.to_owned(), "list".into(), "item".into()])
                }
                _ => ColumnPath::from(column.name),
            };
            let dictionary = matches!(column.holds, Type::Word | Type::Words);
            properties = properties.set_column_dictionary_enabled(name.clone(), dictionary);
            if matches!(column.holds, Type::Text | Type::Word | Type::Words) {
                // Minimum and maximum of texts do not help to find a row group.
                properties = properties.set_column_statistics_enabled(name.clone(), EnabledStatistics::None);
            }
            if column.holds == Type::Text {
                // Encoded separately, lengths need a few bits each, not four bytes.
                properties = properties.set_column_encoding(name.clone(), Encoding::DELTA_LENGTH_BYTE_ARRAY);
            }
            if !column.compressed {
                properties = properties.set_column_compression(name.clone(), Compression::UNCOMPRESSED);
            }
            if matches!(column.holds, Type::Id | Type::Int | Type::Ids | Type::Ints) {
                // Ids are ascending: their differences need almost no space, and compression gains nothing more.
                properties = properties
                    .set_column_encoding(name.clone(), Encoding::DELTA_BINARY_PACKED)
                    .set_column_compression(name, Compression::UNCOMPRESSED);
            }
        }
        let file = atomic::create(path)?;
        let writer = ArrowWriter::try_new(file, table.schema(), Some(properties.build()))
            .map_err(|error| Error::format(path, error))?;
        Ok(TableWriter { path: path.to_owned(), writer, rows: 0 })
    }

    /// Appends rows.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        self.writer.write(batch).map_err(|error| Error::format(&self.path, error))
    }

    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Completes the file under a temporary name; [`Finished::persist`] renames it.
    pub fn finish(self) -> Result<Finished> {
        let file = self.writer.into_inner().map_err(|error| Error::format(&self.path, error))?;
        Ok(Finished(file))
    }
}

/// A complete table under its temporary name, so that several tables can appear together.
pub struct Finished(AtomicFile);

impl Finished {
    /// Gives the file its name.
    pub fn persist(self) -> Result<()> {
        Ok(self.0.commit()?)
    }
}

/// Writes a small table at once.
pub fn write_table(path: &Path, table: &Table, batch: &RecordBatch) -> Result<()> {
    let mut writer = TableWriter::create(path, table)?;
    writer.write(batch)?;
    writer.finish()?.persist()
}
