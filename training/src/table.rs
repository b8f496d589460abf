//! Parquet tables: their columns as data, writing them, and reading them a batch at a time.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, Float32Builder, Int32Builder, Int64Builder, ListBuilder, StringBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int32Type, Int64Type};
use arrow_array::{ArrayRef, BooleanArray, Float32Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::atomic::AtomicFile;
use crate::error::{Error, Result};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// 64-bit integer.
    Id,
    /// 32-bit integer.
    Int,
    /// 32-bit floating point number.
    Float,
    /// UTF-8 text.
    Text,
    /// UTF-8 text with few distinct values, stored as a dictionary.
    Word,
    /// True or false.
    Flag,
    /// List of 64-bit integers, ascending, without repetition.
    Ids,
    /// List of 32-bit integers, ascending, without repetition.
    Ints,
    /// List of texts, sorted, without repetition.
    Words,
}

impl Type {
    fn arrow(self) -> DataType {
        let list = |of| DataType::List(Arc::new(Field::new_list_field(of, true)));
        match self {
            Type::Id => DataType::Int64,
            Type::Int => DataType::Int32,
            Type::Float => DataType::Float32,
            Type::Text | Type::Word => DataType::Utf8,
            Type::Flag => DataType::Boolean,
            Type::Ids => list(DataType::Int64),
            Type::Ints => list(DataType::Int32),
            Type::Words => list(DataType::Utf8),
        }
    }

    /// The type's name in the documentation.
    pub fn name(self) -> &'static str {
        match self {
            Type::Id => "int64",
            Type::Int => "int32",
            Type::Float => "float32",
            Type::Text | Type::Word => "string",
            Type::Flag => "bool",
            Type::Ids => "list<int64>",
            Type::Ints => "list<int32>",
            Type::Words => "list<string>",
        }
    }
}

/// One column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub holds: Type,
    /// Whether it may be null.
    pub nullable: bool,
    /// What it means.
    pub meaning: &'static str,
}

/// A column that is never null.
pub const fn column(name: &'static str, holds: Type, meaning: &'static str) -> Column {
    Column { name, holds, nullable: false, meaning }
}

/// A column that may be null.
pub const fn optional(name: &'static str, holds: Type, meaning: &'static str) -> Column {
    Column { name, holds, nullable: true, meaning }
}

/// A table: its file is `<name>.parquet` unless the user says otherwise.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// What one row is.
    pub row: &'static str,
    /// Its columns, in order.
    pub columns: &'static [Column],
}

impl Table {
    /// The Arrow schema.
    pub fn schema(&self) -> SchemaRef {
        let field = |column: &Column| Field::new(column.name, column.holds.arrow(), column.nullable);
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }

    /// `folder/<name>.parquet`.
    pub fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.parquet", self.name))
    }

    /// Puts columns together to a batch.
    ///
    /// # Panics
    /// If they are not this table's columns; that is a mistake in the program.
    pub fn batch(&self, columns: Vec<ArrayRef>) -> RecordBatch {
        RecordBatch::try_new(self.schema(), columns)
            .unwrap_or_else(|error| panic!("the columns of {}: {error}", self.name))
    }
}

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
            if matches!(column.holds, Type::Text) {
                // The smallest and the largest title help nobody to find a row group.
                properties = properties.set_column_statistics_enabled(name.clone(), EnabledStatistics::None);
            }
            if matches!(column.holds, Type::Id | Type::Int | Type::Ids | Type::Ints) {
                // Ids come in ascending order: their differences take next to nothing.
                // Compressing them once more gains nothing.
                properties = properties
                    .set_column_encoding(name.clone(), Encoding::DELTA_BINARY_PACKED)
                    .set_column_compression(name, Compression::UNCOMPRESSED);
            }
        }
        let file = AtomicFile::create(path)?;
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
        self.0.persist()
    }
}

/// Writes a small table in one go.
pub fn write_table(path: &Path, table: &Table, batch: &RecordBatch) -> Result<()> {
    let mut writer = TableWriter::create(path, table)?;
    writer.write(batch)?;
    writer.finish()?.persist()
}

/// Reads some columns of a Parquet file, batch by batch.
pub struct TableReader {
    path: PathBuf,
    rows: u64,
    batches: ParquetRecordBatchReader,
}

impl TableReader {
    /// Opens `path` as a `table` and selects `columns`, which every batch then has in the table's
    /// order.
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

/// Whether two columns hold the same, whatever the items of a list are called.
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

/// A batch of rows; columns by name, whose types the reader has checked.
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

    /// Truths.
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

/// Collects the rows of one table, a column at a time.
pub struct Builder {
    table: &'static Table,
    columns: Vec<ColumnBuilder>,
}

enum ColumnBuilder {
    Id(Int64Builder),
    Int(Int32Builder),
    Float(Float32Builder),
    Text(StringBuilder),
    Flag(BooleanBuilder),
    Ids(ListBuilder<Int64Builder>),
    Ints(ListBuilder<Int32Builder>),
    Words(ListBuilder<StringBuilder>),
}

/// One cell of a row.
pub enum Cell<'a> {
    /// 64-bit integer.
    Id(i64),
    /// 64-bit integer or null.
    MaybeId(Option<i64>),
    /// 32-bit integer or null.
    Int(Option<i32>),
    /// Floating point number or null.
    Float(Option<f32>),
    /// Text.
    Text(&'a str),
    /// Text or null.
    MaybeText(Option<&'a str>),
    /// Truth or null.
    Flag(Option<bool>),
    /// List of 64-bit integers.
    Ids(&'a [i64]),
    /// List of 32-bit integers.
    Ints(&'a [i32]),
    /// List of texts.
    Words(&'a [&'a str]),
}

impl Builder {
    /// A table without rows.
    pub fn new(table: &'static Table) -> Self {
        let build = |column: &Column| match column.holds {
            Type::Id => ColumnBuilder::Id(Int64Builder::new()),
            Type::Int => ColumnBuilder::Int(Int32Builder::new()),
            Type::Float => ColumnBuilder::Float(Float32Builder::new()),
            Type::Text | Type::Word => ColumnBuilder::Text(StringBuilder::new()),
            Type::Flag => ColumnBuilder::Flag(BooleanBuilder::new()),
            Type::Ids => ColumnBuilder::Ids(ListBuilder::new(Int64Builder::new())),
            Type::Ints => ColumnBuilder::Ints(ListBuilder::new(Int32Builder::new())),
            Type::Words => ColumnBuilder::Words(ListBuilder::new(StringBuilder::new())),
        };
        Builder { table, columns: table.columns.iter().map(build).collect() }
    }

    /// Appends a row.
    ///
    /// # Panics
    /// If the cells are not those of the table; that is a mistake in the program.
    #[inline]
    pub fn push<const N: usize>(&mut self, cells: [Cell<'_>; N]) {
        assert_eq!(N, self.columns.len(), "a row of {}", self.table.name);
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            match (column, cell) {
                (ColumnBuilder::Id(column), Cell::Id(value)) => column.append_value(value),
                (ColumnBuilder::Id(column), Cell::MaybeId(value)) => column.append_option(value),
                (ColumnBuilder::Int(column), Cell::Int(value)) => column.append_option(value),
                (ColumnBuilder::Float(column), Cell::Float(value)) => column.append_option(value),
                (ColumnBuilder::Text(column), Cell::Text(value)) => column.append_value(value),
                (ColumnBuilder::Text(column), Cell::MaybeText(value)) => column.append_option(value),
                (ColumnBuilder::Flag(column), Cell::Flag(value)) => column.append_option(value),
                (ColumnBuilder::Ids(column), Cell::Ids(values)) => {
                    column.values().append_slice(values);
                    column.append(true);
                }
                (ColumnBuilder::Ints(column), Cell::Ints(values)) => {
                    column.values().append_slice(values);
                    column.append(true);
                }
                (ColumnBuilder::Words(column), Cell::Words(values)) => {
                    values.iter().for_each(|value| column.values().append_value(value));
                    column.append(true);
                }
                _ => panic!("a cell of another type in a row of {}", self.table.name),
            }
        }
    }

    /// Rows collected so far.
    pub fn len(&self) -> usize {
        match &self.columns[0] {
            ColumnBuilder::Id(column) => column.len(),
            ColumnBuilder::Int(column) => column.len(),
            ColumnBuilder::Float(column) => column.len(),
            ColumnBuilder::Text(column) => column.len(),
            ColumnBuilder::Flag(column) => column.len(),
            ColumnBuilder::Ids(column) => column.len(),
            ColumnBuilder::Ints(column) => column.len(),
            ColumnBuilder::Words(column) => column.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows so far as a batch; the builder is empty afterwards.
    pub fn finish(&mut self) -> RecordBatch {
        let rows = self.len();
        let finish = |column: &mut ColumnBuilder| -> ArrayRef {
            match column {
                ColumnBuilder::Id(column) => Arc::new(column.finish()),
                ColumnBuilder::Int(column) => Arc::new(column.finish()),
                ColumnBuilder::Float(column) => Arc::new(column.finish()),
                ColumnBuilder::Text(column) => {
                    let texts = column.finish();
                    // The next batch will be about as large: growing step by step would copy it twice.
                    let bytes = texts.values().len();
                    *column = StringBuilder::with_capacity(rows + rows / 4, bytes + bytes / 4);
                    Arc::new(texts)
                }
                ColumnBuilder::Flag(column) => Arc::new(column.finish()),
                ColumnBuilder::Ids(column) => Arc::new(column.finish()),
                ColumnBuilder::Ints(column) => Arc::new(column.finish()),
                ColumnBuilder::Words(column) => Arc::new(column.finish()),
            }
        };
        self.table.batch(self.columns.iter_mut().map(finish).collect())
    }
}
