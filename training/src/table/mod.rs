//! Parquet tables: definitions of their columns, writing, and reading in batches.

mod builder;
mod reader;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

pub use builder::{Builder, Cell, Columns};
pub use reader::{Rows, TableReader};
pub use writer::{Finished, TableWriter, write_table};

/// The type of a column.
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
    /// List of 64-bit integers, ascending, without duplicates.
    Ids,
    /// List of 32-bit integers, ascending, without duplicates.
    Ints,
    /// List of texts, sorted, without duplicates.
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
    /// Its type.
    pub holds: Type,
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether it is compressed.
    pub compressed: bool,
    /// What it means.
    pub meaning: &'static str,
}

/// A column that is never null.
pub const fn column(name: &'static str, holds: Type, meaning: &'static str) -> Column {
    Column { name, holds, nullable: false, compressed: true, meaning }
}

/// A column that may be null.
pub const fn optional(name: &'static str, holds: Type, meaning: &'static str) -> Column {
    Column { name, holds, nullable: true, compressed: true, meaning }
}

impl Column {
    /// The same column, stored without compression.
    pub const fn uncompressed(self) -> Self {
        Column { compressed: false, ..self }
    }
}

/// A table. Its file is `<name>.parquet` by default.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The meaning of one row.
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

    /// Makes a batch of columns.
    ///
    /// # Panics
    /// If they do not fit this table.
    pub fn batch(&self, columns: Vec<ArrayRef>) -> RecordBatch {
        RecordBatch::try_new(self.schema(), columns)
            .unwrap_or_else(|error| panic!("the columns of {}: {error}", self.name))
    }
}
