//! Reads columns of a table.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int32Type, Int64Type};
use arrow_array::{ArrayRef, BooleanArray, Float32Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::Table;
use crate::error::{Error, Result};

/// Reads some columns of a Parquet file, batch by batch.
pub struct TableReader {
    path: PathBuf,
    rows: u64,
    batches: ParquetRecordBatchReader,
}

impl TableReader {
    /// Opens `path` as a `table` and selects `columns`, which every batch then has in the table's order.
    ///
    /// # Errors
    /// If the file is not Parquet, or a column is missing or of another type.
    pub fn open(path: &Path, table: &Table, columns: &[&str]) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io(path, error))?;
        let builder =
            ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| Error::format(path, error))?;
        for &name in columns {
            let wanted = table.columns.iter().find(|column| column.name == name);
            let wanted =
                wanted.unwrap_or_else(|| panic!("{} has no column {name}", table.name)).holds.arrow();
            match builder.schema().field_with_name(name) {
                Err(_) => {
                    let reason = format!("not a table of {}: it has no column {name}", table.name);
                    return Err(Error::format(path, reason));
                }
                Ok(field) if !same_type(field.data_type(), &wanted) => {
                    let reason = format!("column {name} is {}, not {wanted}", field.data_type());
                    return Err(Error::format(path, reason));
                }
                Ok(_) => {}
            }
        }
        let rows = builder.metadata().file_metadata().num_rows().max(0) as u64;
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        let batches = builder
            .with_projection(mask)
            .with_batch_size(8192)
            .build()
            .map_err(|error| Error::format(path, error))?;
        Ok(TableReader { path: path.to_owned(), rows, batches })
    }

    /// Rows in the file.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

/// Whether two types are the same, whatever the items of a list are called.
fn same_type(a: &DataType, b: &DataType) -> bool {
    match (a, b) {
        (DataType::List(a), DataType::List(b)) => a.data_type() == b.data_type(),
        _ => a == b,
    }
}

impl Iterator for TableReader {
    type Item = Result<Rows>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.batches.next()?;
        Some(batch.map(Rows).map_err(|error| Error::format(&self.path, error)))
    }
}

/// A batch of rows. Columns are accessed by name; the reader has checked their types.
pub struct Rows(RecordBatch);

impl Rows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.0.num_rows()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn column(&self, name: &str) -> &ArrayRef {
        self.0.column_by_name(name).unwrap_or_else(|| panic!("column {name} was not selected"))
    }

    /// 64-bit integers.
    pub fn ids(&self, name: &str) -> &Int64Array {
        self.column(name).as_primitive::<Int64Type>()
    }

    /// 32-bit integers.
    pub fn ints(&self, name: &str) -> &Int32Array {
        self.column(name).as_primitive::<Int32Type>()
    }

    /// Floating point numbers.
    pub fn floats(&self, name: &str) -> &Float32Array {
        self.column(name).as_primitive::<Float32Type>()
    }

    /// Texts.
    pub fn texts(&self, name: &str) -> &StringArray {
        self.column(name).as_string::<i32>()
    }

    /// Booleans.
    pub fn flags(&self, name: &str) -> &BooleanArray {
        self.column(name).as_boolean()
    }

    /// The list of integers in `row`.
    pub fn id_list(&self, name: &str, row: usize) -> &[i64] {
        let list = self.column(name).as_list::<i32>();
        let offsets = list.value_offsets();
        let (start, end) = (offsets[row] as usize, offsets[row + 1] as usize);
        &list.values().as_primitive::<Int64Type>().values()[start..end]
    }

    /// The list of texts in `row`.
    pub fn word_list(&self, name: &str, row: usize) -> impl Iterator<Item = &str> {
        let list = self.column(name).as_list::<i32>();
        let offsets = list.value_offsets();
        let texts = list.values().as_string::<i32>();
        (offsets[row] as usize..offsets[row + 1] as usize).map(|at| texts.value(at))
    }

    /// The list of 32-bit integers in `row`.
    pub fn int_list(&self, name: &str, row: usize) -> &[i32] {
        let list = self.column(name).as_list::<i32>();
        let offsets = list.value_offsets();
        let (start, end) = (offsets[row] as usize, offsets[row + 1] as usize);
        &list.values().as_primitive::<Int32Type>().values()[start..end]
    }
}
