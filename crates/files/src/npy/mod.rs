//! NumPy arrays on disk: two-dimensional, of single or half precision, written row by row.
//!
//! [`NpyWriter`] does not need the number of rows in advance, nor keep them in memory. [`NpyReader`] reads any rows of
//! a file, [`read_npy`] all of them. `numpy.load(path, mmap_mode="r")` opens the files in Python.

mod header;
mod reader;
mod writer;

pub use header::Dtype;
pub use reader::{NpyReader, read_npy};
pub use writer::NpyWriter;
