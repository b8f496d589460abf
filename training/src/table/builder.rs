//! Collects rows.

use std::sync::Arc;

use arrow_array::types::{ArrowPrimitiveType, Float32Type, Int32Type, Int64Type};
use arrow_array::{ArrayRef, BooleanArray, ListArray, PrimitiveArray, RecordBatch, StringArray};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field};

use super::{Column, Table, Type};

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
    /// Boolean or null.
    Flag(Option<bool>),
    /// List of 64-bit integers.
    Ids(&'a [i64]),
    /// List of 32-bit integers.
    Ints(&'a [i32]),
    /// List of texts.
    Words(&'a [&'a str]),
}

/// Collects the rows of one table, a column at a time.
pub struct Builder {
    table: &'static Table,
    rows: usize,
    columns: Vec<Cells>,
}

/// The cells of one column.
struct Cells {
    /// Which cells are not null, if the column may have nulls.
    present: Option<NullBufferBuilder>,
    values: Values,
}

/// The values of the cells; nulls have a placeholder.
enum Values {
    Id(Vec<i64>),
    Int(Vec<i32>),
    Float(Vec<f32>),
    Text(Texts),
    Flag(BooleanBufferBuilder),
    Ids(Ends, Vec<i64>),
    Ints(Ends, Vec<i32>),
    Words(Ends, Texts),
}

/// Texts, one after the other.
struct Texts {
    ends: Ends,
    bytes: Vec<u8>,
}

/// The ends of consecutive ranges in the same buffer, after a leading 0.
struct Ends(Vec<i32>);

impl Builder {
    /// A table without rows.
    pub fn new(table: &'static Table) -> Self {
        Builder { table, rows: 0, columns: table.columns.iter().map(Cells::new).collect() }
    }

    /// Appends a row.
    ///
    /// # Panics
    /// If the cells do not fit the table.
    #[inline]
    pub fn push<const N: usize>(&mut self, cells: [Cell<'_>; N]) {
        assert_eq!(N, self.columns.len(), "a row of {}", self.table.name);
        self.rows += 1;
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.push(cell);
        }
    }

    /// Appends `rows` rows, whose cells are then given column by column: this checks a column's type once for all of
    /// them, while [`push`](Self::push) checks it for each cell.
    #[inline]
    pub fn extend(&mut self, rows: usize) -> Columns<'_> {
        self.rows += rows;
        Columns { rows: self.rows, columns: self.columns.iter_mut() }
    }

    /// Rows collected so far.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows so far as a batch; the builder is empty afterwards.
    pub fn finish(&mut self) -> RecordBatch {
        self.rows = 0;
        self.table.batch(self.columns.iter_mut().map(Cells::finish).collect())
    }
}

/// Takes the cells of new rows, the columns in the order of the table. All of them must be given.
///
/// # Panics
/// Each function panics if the next column has another type, is nullable where the cells are not or the other way
/// round, or gets another number of cells.
#[must_use]
pub struct Columns<'b> {
    /// The number of rows when all cells have been given.
    rows: usize,
    columns: std::slice::IterMut<'b, Cells>,
}

impl Columns<'_> {
    /// The next column's cells, 64-bit integers.
    #[inline(always)]
    pub fn ids(mut self, cells: impl Iterator<Item = i64>) -> Self {
        let Some(Cells { present: None, values: Values::Id(values) }) = self.columns.next() else {
            panic!("no column of integers without nulls");
        };
        values.extend(cells);
        assert_eq!(values.len(), self.rows);
        self
    }

    /// The next column's cells, 32-bit integers.
    #[inline(always)]
    pub fn ints(mut self, cells: impl Iterator<Item = i32>) -> Self {
        let Some(Cells { present: None, values: Values::Int(values) }) = self.columns.next() else {
            panic!("no column of integers without nulls");
        };
        values.extend(cells);
        assert_eq!(values.len(), self.rows);
        self
    }

    /// The next column's cells, 32-bit integers or null.
    #[inline(always)]
    pub fn maybe_ints(mut self, cells: impl Iterator<Item = Option<i32>>) -> Self {
        let Some(Cells { present: Some(present), values: Values::Int(values) }) = self.columns.next() else {
            panic!("no column of integers with nulls");
        };
        values.extend(cells.map(|cell| {
            present.append(cell.is_some());
            cell.unwrap_or_default()
        }));
        assert_eq!(values.len(), self.rows);
        self
    }

    /// The next column's cells, texts.
    #[inline(always)]
    pub fn texts<'t>(mut self, cells: impl Iterator<Item = &'t str>) -> Self {
        let Some(Cells { present: None, values: Values::Text(texts) }) = self.columns.next() else {
            panic!("no column of texts without nulls");
        };
        cells.for_each(|text| texts.push(text));
        assert_eq!(texts.ends.0.len(), self.rows + 1);
        self
    }

    /// Checks that all columns have been given.
    #[inline(always)]
    pub fn done(mut self) {
        assert!(self.columns.next().is_none(), "columns without cells");
    }
}

impl Cells {
    fn new(column: &Column) -> Self {
        let values = match column.holds {
            Type::Id => Values::Id(Vec::new()),
            Type::Int => Values::Int(Vec::new()),
            Type::Float => Values::Float(Vec::new()),
            Type::Text | Type::Word => Values::Text(Texts::with_capacity(0, 0)),
            Type::Flag => Values::Flag(BooleanBufferBuilder::new(0)),
            Type::Ids => Values::Ids(Ends::with_capacity(0), Vec::new()),
            Type::Ints => Values::Ints(Ends::with_capacity(0), Vec::new()),
            Type::Words => Values::Words(Ends::with_capacity(0), Texts::with_capacity(0, 0)),
        };
        Cells { present: column.nullable.then(|| NullBufferBuilder::new(0)), values }
    }

    #[inline(always)]
    fn push(&mut self, cell: Cell<'_>) {
        let present = match (&mut self.values, cell) {
            (Values::Id(values), Cell::Id(value)) => {
                values.push(value);
                true
            }
            (Values::Id(values), Cell::MaybeId(value)) => {
                values.push(value.unwrap_or_default());
                value.is_some()
            }
            (Values::Int(values), Cell::Int(value)) => {
                values.push(value.unwrap_or_default());
                value.is_some()
            }
            (Values::Float(values), Cell::Float(value)) => {
                values.push(value.unwrap_or_default());
                value.is_some()
            }
            (Values::Text(texts), Cell::Text(text)) => {
                texts.push(text);
                true
            }
            (Values::Text(texts), Cell::MaybeText(text)) => {
                texts.push(text.unwrap_or_default());
                text.is_some()
            }
            (Values::Flag(values), Cell::Flag(value)) => {
                values.append(value.unwrap_or_default());
                value.is_some()
            }
            (Values::Ids(ends, items), Cell::Ids(values)) => {
                items.extend_from_slice(values);
                ends.push(items.len());
                true
            }
            (Values::Ints(ends, items), Cell::Ints(values)) => {
                items.extend_from_slice(values);
                ends.push(items.len());
                true
            }
            (Values::Words(ends, items), Cell::Words(values)) => {
                values.iter().for_each(|value| items.push(value));
                ends.push(items.ends.0.len() - 1);
                true
            }
            _ => panic!("a cell of another type"),
        };
        match &mut self.present {
            Some(all) => all.append(present),
            None => assert!(present, "a null in a column without nulls"),
        }
    }

    /// The cells so far as an array. The next batch has about as many, so its buffers are allocated at once: growing
    /// step by step would copy it twice.
    fn finish(&mut self) -> ArrayRef {
        let nulls = self.present.as_mut().and_then(NullBufferBuilder::finish);
        match &mut self.values {
            Values::Id(values) => Arc::new(numbers::<Int64Type>(values, nulls)),
            Values::Int(values) => Arc::new(numbers::<Int32Type>(values, nulls)),
            Values::Float(values) => Arc::new(numbers::<Float32Type>(values, nulls)),
            Values::Text(texts) => Arc::new(texts.finish(nulls)),
            Values::Flag(values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::Ids(ends, items) => list(ends, Arc::new(numbers::<Int64Type>(items, None)), nulls),
            Values::Ints(ends, items) => list(ends, Arc::new(numbers::<Int32Type>(items, None)), nulls),
            Values::Words(ends, items) => list(ends, Arc::new(items.finish(None)), nulls),
        }
    }
}

fn numbers<T: ArrowPrimitiveType>(
    values: &mut Vec<T::Native>,
    nulls: Option<NullBuffer>,
) -> PrimitiveArray<T> {
    let next = Vec::with_capacity(roomier(values.len()));
    PrimitiveArray::new(ScalarBuffer::from(std::mem::replace(values, next)), nulls)
}

fn list(ends: &mut Ends, items: ArrayRef, nulls: Option<NullBuffer>) -> ArrayRef {
    let field = Arc::new(Field::new_list_field(DataType::clone(items.data_type()), true));
    Arc::new(ListArray::new(field, ends.finish(), items, nulls))
}

fn roomier(length: usize) -> usize {
    length + length / 4
}

impl Texts {
    fn with_capacity(texts: usize, bytes: usize) -> Self {
        Texts { ends: Ends::with_capacity(texts), bytes: Vec::with_capacity(bytes) }
    }

    #[inline(always)]
    fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(self.bytes.len());
    }

    fn finish(&mut self, nulls: Option<NullBuffer>) -> StringArray {
        let next = Vec::with_capacity(roomier(self.bytes.len()));
        let bytes = Buffer::from_vec(std::mem::replace(&mut self.bytes, next));
        // SAFETY: the bytes are those of whole strings, and the offsets are their ends.
        unsafe { StringArray::new_unchecked(self.ends.finish(), bytes, nulls) }
    }
}

impl Ends {
    fn with_capacity(count: usize) -> Self {
        let mut ends = Vec::with_capacity(count + 1);
        ends.push(0);
        Ends(ends)
    }

    /// # Panics
    /// If a batch has more than 2 GiB of text.
    #[inline(always)]
    fn push(&mut self, end: usize) {
        self.0.push(i32::try_from(end).expect("batches stay below 2 GiB"));
    }

    fn finish(&mut self) -> OffsetBuffer<i32> {
        let next = Ends::with_capacity(roomier(self.0.len()));
        OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(self, next).0))
    }
}
