//! Writing a table to a file.

use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::{Table, Type};
use crate::atomic::{self, AtomicFile};
use crate::error::{Error, Result};

/// Rows of a row group. Row groups are held in memory, encoded, until they are full.
const ROW_GROUP: usize = 1 << 19;

/// Writes one table to a file that appears when it is finished.
pub struct TableWriter {
    path: PathBuf,
    writer: ArrowWriter<AtomicFile>,
    rows: u64,
}

impl TableWriter {
    /// Starts the file `path` of `table`.
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
                // The smallest and the largest title help nobody to find a row group.
                properties = properties.set_column_statistics_enabled(name.clone(), EnabledStatistics::None);
            }
            if column.holds == Type::Text {
                // Lengths on their own take a few bits each, not four bytes.
                properties = properties.set_column_encoding(name.clone(), Encoding::DELTA_LENGTH_BYTE_ARRAY);
            }
            if !column.compressed {
                properties = properties.set_column_compression(name.clone(), Compression::UNCOMPRESSED);
            }
            if matches!(column.holds, Type::Id | Type::Int | Type::Ids | Type::Ints) {
                // Ids come in ascending order: their differences take next to nothing.
                // Compressing them once more gains nothing.
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

    /// Completes the file under its temporary name; [`Finished::persist`] makes it appear.
    pub fn finish(self) -> Result<Finished> {
        let file = self.writer.into_inner().map_err(|error| Error::format(&self.path, error))?;
        Ok(Finished(file))
    }
}

/// A complete table that does not have its name yet, so that several can appear together.
pub struct Finished(AtomicFile);

impl Finished {
    /// Gives the file its name.
    pub fn persist(self) -> Result<()> {
        Ok(self.0.commit()?)
    }
}

/// Writes a small table in one go.
pub fn write_table(path: &Path, table: &Table, batch: &RecordBatch) -> Result<()> {
    let mut writer = TableWriter::create(path, table)?;
    writer.write(batch)?;
    writer.finish()?.persist()
}
